package conformance

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Setup on an empty account creates everything, and a second run changes nothing.
func TestSetupOnAnEmptyAccount(t *testing.T) {
	worlds(t, "fresh", func(t *testing.T, w *world) {
		r := w.setup(0, "setup", "--yes")
		if !strings.Contains(r.stdout, w.roleARN()) {
			t.Errorf("the result does not name the role's ARN: %s", r)
		}
		w.wantFederated()
		role := w.aws("iam", "get-role", "--role-name", w.role())["Role"].(map[string]any)
		if !reflect.DeepEqual(role["AssumeRolePolicyDocument"], any(w.trust())) {
			t.Errorf("the AWS CLI sees the trust policy %v, want %v", role["AssumeRolePolicyDocument"], w.trust())
		}
		provider := w.aws("iam", "get-open-id-connect-provider", "--open-id-connect-provider-arn", w.providerARN())
		if ids := texts(provider["ClientIDList"]); !reflect.DeepEqual(ids, []string{"sts.amazonaws.com"}) {
			t.Errorf("the AWS CLI sees the audiences %q", ids)
		}
		for line := range strings.Lines(w.git("diff", "--numstat")) {
			if f := strings.Fields(line); f[0] != "1" && f[0] != "2" || f[1] != "0" || f[2] != "fly.toml" {
				t.Errorf("git diff --numstat: %q, want one or two lines added to fly.toml and none removed", line)
			}
		}
		if toml := w.toml(); !strings.Contains(toml, w.roleARN()) {
			t.Errorf("fly.toml lacks the role's ARN:\n%s", toml)
		}

		patched := w.toml()
		r = w.setup(0, "setup", "--yes")
		if !strings.Contains(strings.ToLower(r.stdout+r.stderr), "nothing to do") {
			t.Errorf("a second run does not say that there is nothing to do: %s", r)
		}
		if writes := w.calls.writes(t); len(writes) > 0 {
			t.Errorf("a second run made the calls %q", writes)
		}
		if w.toml() != patched {
			t.Error("a second run changed fly.toml")
		}
		w.setup(0, "plan", "--exit-code")
		if writes := w.calls.writes(t); len(writes) > 0 {
			t.Errorf("a plan made the calls %q", writes)
		}
	})
}

// A dry run, and a run without a terminal to confirm on, write nothing.
func TestNothingIsWrittenUnasked(t *testing.T) {
	worlds(t, "unasked", func(t *testing.T, w *world) {
		for _, run := range []func() result{
			func() result { return w.setup(3, "plan", "--exit-code") },
			func() result { return w.setup(0, "setup", "--dry-run") },
		} {
			r := run()
			if writes := w.calls.writes(t); len(writes) > 0 {
				t.Errorf("it made the calls %q: %s", writes, r)
			}
		}
		w.setup(2, "setup") // there is no terminal to ask on
		if calls := w.calls.all(); len(calls) > 0 {
			t.Errorf("it made the calls %q before it noticed that there is no terminal", calls)
		}
		if w.toml() != flyToml {
			t.Error("fly.toml was changed")
		}
	})
}

// A plan names what someone else changed in the account. Setup adds what is missing, and
// removes with --prune what nobody asked for.
func TestDriftIsNamedAndRepaired(t *testing.T) {
	worlds(t, "drift", func(t *testing.T, w *world) {
		w.setup(0, "setup", "--yes")

		w.detach()
		trust := w.trust()
		statements := trust["Statement"].([]any)
		ours := statements[0].(map[string]any)
		ours["Condition"].(map[string]any)["StringLike"] = map[string]any{"oidc.fly.io/" + w.org + ":sub": w.org + ":*"}
		foreign := map[string]any{
			"Sid": "Break", "Effect": "Allow", "Action": "sts:AssumeRole",
			"Principal": map[string]any{"AWS": "arn:aws:iam::" + account + ":root"},
		}
		trust["Statement"] = append(statements, foreign)
		document, err := json.Marshal(trust)
		if err != nil {
			t.Fatal(err)
		}
		w.setTrust(string(document))

		r := w.setup(3, "plan", "--exit-code")
		for _, want := range []string{"AmazonS3ReadOnlyAccess", w.role(), w.org + ":*", w.org + ":web:*"} {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("the plan does not mention %s: %s", want, r)
			}
		}
		w.setup(0, "setup", "--yes")
		if kept := w.statement("Break"); !reflect.DeepEqual(kept, foreign) {
			t.Errorf("the other statement is now %v, was %v", kept, foreign)
		}
		r = w.setup(3, "plan", "--exit-code") // what nobody asked for is still there
		for _, want := range []string{"Break", w.org + ":*"} {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("the plan does not mention %s: %s", want, r)
			}
		}
		w.setup(0, "setup", "--yes", "--prune")
		w.wantFederated()
		if w.statement("Break") != nil {
			t.Error("--prune left the other statement")
		}
		w.setup(0, "plan", "--exit-code")
	})
}

// The next run recreates whatever someone deleted.
func TestDeletedResourcesComeBack(t *testing.T) {
	worlds(t, "deleted", func(_ *testing.T, w *world) {
		w.setup(0, "setup", "--yes")
		w.detach()
		w.deleteRole()
		w.setup(3, "plan", "--exit-code")
		w.setup(0, "setup", "--yes")
		w.setup(0, "plan", "--exit-code")

		w.deleteProvider()
		w.setup(3, "plan", "--exit-code")
		w.setup(0, "setup", "--yes")
		w.wantFederated()

		w.write("fly.toml", flyToml)
		w.setup(3, "plan", "--exit-code")
		w.setup(0, "setup", "--yes")
		w.setup(0, "plan", "--exit-code")
	})
}

// A role that someone else created is not changed without --adopt.
func TestForeignRoleNeedsAdopt(t *testing.T) {
	worlds(t, "foreign", func(t *testing.T, w *world) {
		trust := `{"Version":"2012-10-17","Statement":[{"Sid":"Theirs","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
		w.createRole(trust, map[string]string{"team": "payments"})

		r := w.setup(1, "setup", "--yes")
		if writes := w.calls.writes(t); len(writes) > 0 {
			t.Errorf("a conflict made the calls %q", writes)
		}
		if !strings.Contains(r.stdout+r.stderr, "--adopt") {
			t.Errorf("a conflict does not name --adopt: %s", r)
		}
		if w.toml() != flyToml {
			t.Error("a conflict changed fly.toml")
		}

		w.setup(0, "setup", "--yes", "--adopt")
		w.wantFederated()
		if w.statement("Theirs") == nil {
			t.Error("adopting the role dropped the statement it had")
		}
		if tags := w.tags(); tags["team"] != "payments" {
			t.Errorf("adopting the role dropped the tag it had: %v", tags)
		}
		w.setup(0, "plan", "--exit-code")
	})
}

// What narrows our statement stays until --adopt, also with --prune; and tags alone make no
// role ours.
func TestWhatNarrowsStays(t *testing.T) {
	worlds(t, "narrow", func(t *testing.T, w *world) {
		w.setup(0, "setup", "--yes")
		trust := w.trust()
		ours := trust["Statement"].([]any)[0].(map[string]any)
		ours["Condition"].(map[string]any)["IpAddress"] = map[string]any{"aws:SourceIp": "192.0.2.0/24"}
		document, err := json.Marshal(trust)
		if err != nil {
			t.Fatal(err)
		}
		w.setTrust(string(document))
		for _, flags := range [][]string{{"--yes"}, {"--yes", "--prune"}} {
			r := w.setup(0, "setup", flags...)
			if writes := w.calls.writes(t); len(writes) > 0 || !strings.Contains(r.stdout, "narrower than asked") {
				t.Errorf("it made the calls %q: %s", writes, r)
			}
		}
		w.setup(1, "setup", "--yes", "--strict")
		w.setup(0, "setup", "--yes", "--adopt")
		w.wantFederated()

		w.setTrust(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
		r := w.setup(1, "setup", "--yes", "--prune")
		if writes := w.calls.writes(t); len(writes) > 0 || !strings.Contains(r.stdout, "has the tags of fly-aws, but not its statement") {
			t.Errorf("with tags alone it made the calls %q: %s", writes, r)
		}
	})
}

// A saved plan is applied as saved, or refused if the account has changed.
func TestSavedPlan(t *testing.T) {
	worlds(t, "saved", func(t *testing.T, w *world) {
		w.setup(3, "plan", "--exit-code", "--out", "plan.json")
		if writes := w.calls.writes(t); len(writes) > 0 {
			t.Errorf("a plan made the calls %q", writes)
		}
		w.flyAWS(0, "apply", "plan.json")
		w.wantFederated()
		w.setup(0, "plan", "--exit-code")

		w.detach()
		w.deleteRole()
		w.setup(3, "plan", "--exit-code", "--out", "plan.json")
		w.createRole(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`, nil)
		r := w.flyAWS(1, "apply", "plan.json")
		if !strings.Contains(r.stderr+r.stdout, w.role()) {
			t.Errorf("the refusal does not name the role: %s", r)
		}
		if trust, err := json.Marshal(w.trust()); err != nil || strings.Contains(string(trust), "oidc.fly.io") {
			t.Errorf("a stale plan wrote the trust policy %s (%v)", trust, err)
		}
	})
}

// With --json, standard output is one document with a schema.
func TestJSON(t *testing.T) {
	worlds(t, "machine", func(t *testing.T, w *world) {
		plan := document(t, w.setup(3, "plan", "--exit-code", "--json", "--out", "plan.json"))
		for _, r := range []result{
			w.setup(0, "setup", "--json", "--dry-run"),
			w.flyAWS(0, "apply", "plan.json", "--json"),
			w.setup(0, "setup", "--yes", "--json"),
			w.setup(0, "plan", "--exit-code", "--json"),
			w.flyAWS(2, "setup", "--json", "--no-such-flag"),
			w.flyAWS(2, "setup", "--json", "--org", "personal", "--app", "web", "--yes"),
		} {
			document(t, r)
		}
		if _, ok := plan["schema"].(string); !ok {
			t.Errorf("the plan has the schema %v", plan["schema"])
		}
	})
}

// document checks that standard output is exactly one JSON object with a schema.
func document(t *testing.T, r result) map[string]any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(r.stdout))
	var v map[string]any
	if err := dec.Decode(&v); err != nil {
		t.Errorf("standard output is not a JSON object: %v: %s", err, r)
		return nil
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		t.Errorf("something follows the JSON object: %s", r)
	}
	if schema, ok := v["schema"].(string); !ok || schema == "" {
		t.Errorf("the JSON object has no schema: %s", r)
	}
	return v
}

// wantFederated checks that only machines of web are allowed to assume the role,
// and that the policy is attached.
func (w *world) wantFederated() {
	w.t.Helper()
	if url, audiences := w.provider(); url != "oidc.fly.io/"+w.org || !slices.Equal(audiences, []string{"sts.amazonaws.com"}) {
		w.t.Errorf("the provider is %q with the audiences %q", url, audiences)
	}
	var ours []map[string]any
	for _, s := range w.trust()["Statement"].([]any) {
		s := s.(map[string]any)
		if p, ok := s["Principal"].(map[string]any); ok && p["Federated"] != nil {
			ours = append(ours, s)
		}
	}
	if len(ours) != 1 {
		w.t.Fatalf("%d statements trust a provider, want one: %v", len(ours), ours)
	}
	s := ours[0]
	if got := texts(s["Principal"].(map[string]any)["Federated"]); !reflect.DeepEqual(got, []string{w.providerARN()}) {
		w.t.Errorf("the trusted provider is %q", got)
	}
	if got := texts(s["Action"]); s["Effect"] != "Allow" || !reflect.DeepEqual(got, []string{"sts:AssumeRoleWithWebIdentity"}) {
		w.t.Errorf("the statement says %v %q", s["Effect"], got)
	}
	got := make(map[string]map[string][]string)
	for operator, keys := range s["Condition"].(map[string]any) {
		got[operator] = make(map[string][]string)
		for key, values := range keys.(map[string]any) {
			got[operator][key] = texts(values)
		}
	}
	want := map[string]map[string][]string{
		"StringEquals": {"oidc.fly.io/" + w.org + ":aud": {"sts.amazonaws.com"}},
		"StringLike":   {"oidc.fly.io/" + w.org + ":sub": {w.org + ":web:*"}},
	}
	if !reflect.DeepEqual(got, want) {
		w.t.Errorf("the conditions are %v, want %v", got, want)
	}
	if attached := w.attached(); !slices.Contains(attached, s3ReadOnly) {
		w.t.Errorf("attached are %q", attached)
	}
}

// statement returns the statement of that Sid in the role's trust policy, nil
// when there is none.
func (w *world) statement(sid string) map[string]any {
	w.t.Helper()
	for _, s := range w.trust()["Statement"].([]any) {
		if s := s.(map[string]any); s["Sid"] == sid {
			return s
		}
	}
	return nil
}

// texts reads a string or a list of strings.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil
			}
			out = append(out, s)
		}
		return out
	}
	return nil
}

func contains(list []any, want map[string]any) bool {
	for _, v := range list {
		if reflect.DeepEqual(v, any(want)) {
			return true
		}
	}
	return false
}
