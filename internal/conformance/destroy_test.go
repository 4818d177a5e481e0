package conformance

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// requestFile declares a role for an app.
func (w *world) requestFile(path, name, app string) {
	w.t.Helper()
	w.write(path, fmt.Sprintf("version = 1\nname = %q\norg = %q\naccount = %q\n\n[apps.%s]\npolicies = [\"ReadOnlyAccess\"]\nallow.s3-write = [\"files\"]\ntags = { team = \"web\" }\n", name, w.org, account, app))
}

// account returns what the AWS CLI shows of the organization's roles and provider: details
// of the roles, which have its name in theirs, by role.
func (w *world) account() map[string]any {
	w.t.Helper()
	out := map[string]any{}
	details := w.aws("iam", "get-account-authorization-details", "--filter", "Role")
	for _, r := range details["RoleDetailList"].([]any) {
		role := r.(map[string]any)
		if name := role["RoleName"].(string); strings.Contains(name, w.org) {
			out[name] = sortLists(role)
		}
	}
	for _, p := range w.aws("iam", "list-open-id-connect-providers")["OpenIDConnectProviderList"].([]any) {
		if p.(map[string]any)["Arn"] == w.providerARN() {
			out["provider"] = sortLists(w.aws("iam", "get-open-id-connect-provider", "--open-id-connect-provider-arn", w.providerARN()))
		}
	}
	return out
}

// sortLists sorts the lists in v whose order means nothing: tags, policies, audiences.
func sortLists(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			v[key] = sortLists(inner)
		}
	case []any:
		for i, inner := range v {
			v[i] = sortLists(inner)
		}
		slices.SortFunc(v, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	return v
}

// What setup and apply made goes with destroy, and everything else is as before: roles of
// another file and the provider that they trust, an adopted role with its own statement,
// tags and policies, and fly.toml byte for byte.
func TestDestroyLeavesTheAccountAsItWas(t *testing.T) {
	worlds(t, "undone", func(t *testing.T, w *world) {
		legacy := w.role() // the name that web's role would have
		w.createRole(`{"Version":"2012-10-17","Statement":[{"Sid":"Theirs","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
			map[string]string{"team": "payments"})
		w.aws("iam", "put-role-policy", "--role-name", legacy, "--policy-name", "own",
			"--policy-document", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`)
		w.requestFile("theirs.toml", "theirs", "worker")
		w.flyAWS(0, "apply", "-f", "theirs.toml", "--yes")
		before := w.account()
		if len(before) != 3 {
			t.Fatalf("the account has %v", before)
		}

		w.requestFile("ours.toml", "ours", "api")
		w.flyAWS(0, "apply", "-f", "ours.toml", "--yes")
		w.flyAWS(0, "setup", "--org", w.org, "--app", "web", "-c", "fly.toml", "--adopt", "--yes")
		w.flyAWS(0, "setup", "--org", w.org, "--app", "web", "--app", "cron", "--role", w.org+"-shared", "--no-patch", "--policy", "ReadOnlyAccess", "--yes")
		if made := w.account(); len(made) != 5 || reflect.DeepEqual(made[legacy], before[legacy]) || w.toml() == flyToml {
			t.Fatalf("made: %v", made)
		}

		w.flyAWS(0, "destroy", "-f", "ours.toml", "--yes")
		w.flyAWS(0, "destroy", "--org", w.org, "--app", "web", "--app", "cron", "-c", "fly.toml", "--yes")
		if after := w.account(); !reflect.DeepEqual(after, before) {
			t.Errorf("the account is\n%v\nand was\n%v", after, before)
		}
		if w.toml() != flyToml {
			t.Errorf("fly.toml is\n%s", w.toml())
		}
		for _, args := range [][]string{{"-f", "ours.toml"}, {"--org", w.org, "--app", "web", "--app", "cron", "-c", "fly.toml"}} {
			r := w.flyAWS(0, append([]string{"destroy", "--yes"}, args...)...)
			if writes := w.calls.writes(t); len(writes) > 0 || !strings.Contains(r.stdout, "nothing to do") {
				t.Errorf("another destroy made the calls %q: %s", writes, r)
			}
		}

		// Without a role that trusts it, the provider goes too.
		w.flyAWS(0, "destroy", "--all", "--org", w.org, "--yes")
		delete(before, "provider")
		delete(before, "fly-"+w.org+"-worker")
		if after := w.account(); !reflect.DeepEqual(after, before) {
			t.Errorf("the account is\n%v\nand was\n%v", after, before)
		}
	})
}
