package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/doctor"
	"github.com/fly-aws/fly-aws/internal/explain"
	"github.com/fly-aws/fly-aws/internal/lint"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// oddLinks has a link for each state and cause, with the texts that name returns.
func oddLinks(name func(string) string) []doctor.Link {
	fly := &setup.FlyProblem{Kind: setup.FlyTimeout, Host: name("api.machines.dev"), App: name("web")}
	machines, role := []string{name("cold-shape-2007"), name("odd-fire-9")}, name("arn:aws:iam::123456789012:role/fly-acme-web")
	failed := errors.New(name("no answer"))
	keys := []string{name("AWS_ACCESS_KEY_ID"), name("AWS_SECRET_ACCESS_KEY")}
	explanation := &explain.Explanation{
		Reasons: []explain.RefusalReason{{Code: explain.ReasonAppDiffers, Statement: 0, Have: name("acme:api:*"), Want: name("acme:web:x")}},
		Fix:     &explain.Fix{Kind: explain.FixSetup, Setup: &explain.Setup{Org: name("acme"), App: name("web")}},
	}
	var links []doctor.Link
	add := func(code doctor.LinkCode, state doctor.State, cause doctor.Cause, l doctor.Link) {
		l.Code, l.State, l.Cause = code, state, cause
		links = append(links, l)
	}
	const works, broken, warning, unknown = doctor.StateOK, doctor.StateBroken, doctor.StateWarning, doctor.StateUnknown
	add(doctor.LinkFly, works, "", doctor.Link{})
	add(doctor.LinkFly, unknown, doctor.CauseFly, doctor.Link{Fly: fly})
	add(doctor.LinkOrganization, works, "", doctor.Link{Value: name("acme"), Have: name("acme")})
	add(doctor.LinkOrganization, works, "", doctor.Link{Value: name("ann-smith"), Have: "personal"})
	add(doctor.LinkApp, works, "", doctor.Link{Machines: machines})
	add(doctor.LinkApp, broken, doctor.CauseNoMachines, doctor.Link{})
	add(doctor.LinkApp, warning, doctor.CauseNoneRunning, doctor.Link{Machines: machines, Machine: name("148ed123f07e89")})
	add(doctor.LinkPrecedence, works, "", doctor.Link{})
	add(doctor.LinkPrecedence, broken, doctor.CauseKeys, doctor.Link{Names: keys, Secrets: keys, Tigris: true})
	add(doctor.LinkPrecedence, broken, doctor.CauseKeys, doctor.Link{Names: keys, Variables: keys})
	add(doctor.LinkPrecedence, broken, doctor.CauseKeys, doctor.Link{Names: keys, Deployed: keys})
	add(doctor.LinkPrecedence, warning, doctor.CausePartial, doctor.Link{Names: keys[:1], Secrets: keys[:1]})
	add(doctor.LinkPrecedence, warning, doctor.CauseEndpoint, doctor.Link{Names: []string{name("AWS_ENDPOINT_URL_S3")}, Secrets: []string{name("AWS_ENDPOINT_URL_S3")}})
	add(doctor.LinkPrecedence, warning, doctor.CauseEndpoint, doctor.Link{Names: []string{name("AWS_ENDPOINT_URL_S3")}, Secrets: []string{name("AWS_ENDPOINT_URL_S3")}, Tigris: true})
	add(doctor.LinkPrecedence, warning, doctor.CauseEndpoint, doctor.Link{Names: []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"}, Secrets: []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"}, Tigris: true})
	add(doctor.LinkPrecedence, warning, doctor.CausePartial, doctor.Link{Names: []string{"AWS_PROFILE"}, Variables: []string{"AWS_PROFILE"}})
	add(doctor.LinkPrecedence, broken, doctor.CauseKeys, doctor.Link{Names: append(keys, "AWS_PROFILE"), Secrets: append(keys, "AWS_PROFILE")})
	add(doctor.LinkPrecedence, unknown, doctor.CauseHidden, doctor.Link{Fly: fly})
	add(doctor.LinkRoleARN, works, "", doctor.Link{Value: role, Where: doctor.InConfig})
	add(doctor.LinkRoleARN, works, "", doctor.Link{Value: role, Where: doctor.InMachines})
	add(doctor.LinkRoleARN, works, "", doctor.Link{Value: role, Where: doctor.InFlag})
	add(doctor.LinkRoleARN, broken, doctor.CauseMissing, doctor.Link{})
	add(doctor.LinkRoleARN, broken, doctor.CauseOtherRole, doctor.Link{Have: role, Want: name("backup"), Where: doctor.InConfig})
	add(doctor.LinkRoleARN, broken, doctor.CauseMalformed, doctor.Link{Names: []string{name("AWS_ROLE_ARN")}, Value: name("fly-acme-web"), Where: doctor.InConfig, Reason: name("it does not begin with arn:")})
	add(doctor.LinkRoleARN, unknown, doctor.CauseSecret, doctor.Link{Names: []string{name("AWS_ROLE_ARN")}})
	add(doctor.LinkRoleARN, unknown, doctor.CauseSecret, doctor.Link{Names: []string{name("AWS_ROLE_ARN")}, Variables: []string{name("AWS_ROLE_ARN")}})
	add(doctor.LinkRoleARN, unknown, doctor.CauseFailed, doctor.Link{Err: failed})
	add(doctor.LinkDeployed, works, "", doctor.Link{Machines: machines})
	add(doctor.LinkDeployed, broken, doctor.CauseDiffers, doctor.Link{Names: []string{name("AWS_ROLE_ARN"), "AWS_REGION"}, Machines: machines})
	add(doctor.LinkDeployed, unknown, doctor.CauseHidden, doctor.Link{Machines: machines[:1]})
	add(doctor.LinkAWS, works, "", doctor.Link{Value: name("arn:aws:iam::123456789012:user/ann")})
	add(doctor.LinkAWS, broken, doctor.CauseSignIn, doctor.Link{Err: failed})
	add(doctor.LinkAWS, broken, doctor.CauseAccount, doctor.Link{Have: name("123456789012"), Want: name("210987654321")})
	add(doctor.LinkRole, works, "", doctor.Link{Value: role})
	add(doctor.LinkRole, broken, doctor.CauseMissing, doctor.Link{Value: role})
	add(doctor.LinkRole, broken, doctor.CauseOtherARN, doctor.Link{Have: role, Want: name("arn:aws:iam::123456789012:role/team/fly-acme-web"), Where: doctor.InConfig})
	add(doctor.LinkRole, broken, doctor.CauseOtherARN, doctor.Link{Have: role, Want: name("arn:aws:iam::123456789012:role/team/fly-acme-web"), Where: doctor.InFlag})
	add(doctor.LinkProvider, works, "", doctor.Link{Value: name("arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/acme")})
	add(doctor.LinkProvider, broken, doctor.CauseMissing, doctor.Link{Value: name("arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/acme")})
	add(doctor.LinkProvider, broken, doctor.CauseAudience, doctor.Link{Want: "sts.amazonaws.com"})
	add(doctor.LinkTrust, works, "", doctor.Link{Machines: machines})
	add(doctor.LinkTrust, broken, doctor.CauseRefused, doctor.Link{Machines: machines, Subject: name("acme:web:cold-shape-2007"), Explanation: explanation})
	add(doctor.LinkTrust, unknown, doctor.CauseUndecided, doctor.Link{Machines: machines, Subject: name("acme:web:cold-shape-2007"), Explanation: &explain.Explanation{}})
	add(doctor.LinkOthers, works, "", doctor.Link{})
	add(doctor.LinkOthers, warning, doctor.CauseOthers, doctor.Link{Subject: name("acme:web:cold-shape-2007"), Beyond: []trustpolicy.Admission{{Kind: trustpolicy.AdmitsSubject, Issuer: name("oidc.fly.io/acme"), Name: name("acme:*"), Example: name("acme:a:m")}, {Kind: trustpolicy.AdmitsAnyone}}})
	add(doctor.LinkLint, works, "", doctor.Link{})
	add(doctor.LinkLint, warning, doctor.CauseFindings, doctor.Link{Findings: []lint.Finding{{Finding: trustpolicy.Finding{Code: trustpolicy.FindingAliasPersonal, Have: name("personal")}}}})
	add(doctor.LinkLint, unknown, "", doctor.Link{Reason: name("its trust policy cannot be printed")})
	add(doctor.LinkPermissions, works, "", doctor.Link{Policies: 1})
	add(doctor.LinkPermissions, works, "", doctor.Link{Policies: 2})
	add(doctor.LinkPermissions, warning, doctor.CauseMissing, doctor.Link{})
	add(doctor.LinkRegion, works, "", doctor.Link{Value: name("eu-west-1"), Where: doctor.InConfig})
	add(doctor.LinkRegion, unknown, doctor.CauseMissing, doctor.Link{Want: "eu-central-1"})
	add(doctor.LinkRegion, unknown, doctor.CauseHidden, doctor.Link{Names: []string{"AWS_REGION"}, Machines: machines[:1]})
	add(doctor.LinkRoleARN, unknown, doctor.CauseHidden, doctor.Link{Names: []string{name("AWS_ROLE_ARN")}, Fly: fly})
	add(doctor.LinkRegion, broken, doctor.CauseMalformed, doctor.Link{Names: []string{"AWS_DEFAULT_REGION"}, Value: name("auto"), Where: doctor.InConfig, Want: "eu-central-1"})
	add(doctor.LinkRegion, broken, doctor.CauseMalformed, doctor.Link{Names: []string{"AWS_REGION"}, Value: name("auto"), Where: doctor.InMachines, Want: "eu-central-1"})
	add(doctor.LinkRegion, warning, doctor.CauseUnlisted, doctor.Link{Names: []string{"AWS_REGION"}, Value: name("eu-west-99"), Want: "eu-west-1"})
	add(doctor.LinkRegion, unknown, doctor.CauseSecret, doctor.Link{Names: []string{"AWS_REGION"}, Where: doctor.InSecret})
	return links
}

func chainReport(name func(string) string, links ...doctor.Link) ChainReport {
	r := ChainReport{
		Chain:  doctor.Chain{App: name("web"), Config: name("fly.toml"), Variable: name(setup.EnvRoleARN)},
		Result: doctor.Result{State: doctor.StateOK, Links: links, Org: name("acme"), Role: name("fly-acme-web"), Path: "/"},
		Failure: func(err error) (message, next string) {
			return err.Error(), "try again"
		},
	}
	for _, state := range []doctor.State{doctor.StateUnknown, doctor.StateBroken} {
		if r.Result.Find(state) != nil {
			r.Result.State = state
		}
	}
	return r
}

// TestChain shows every state of every link, by itself.
func TestChain(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	for _, l := range oddLinks(func(s string) string { return s }) {
		r := chainReport(func(s string) string { return s }, l)
		words := r.words(l)
		if words == "" || (l.State != doctor.StateOK && l.Cause != "") != (r.next(l) != "") {
			t.Errorf("%s %s %s: %q → %q", l.Code, l.State, l.Cause, words, r.next(l))
		}
		fmt.Fprintf(&out, "%s\n  %s\n", strings.TrimSpace(fmt.Sprint(l.Code, " ", l.State, " ", l.Cause)), words)
		if next := r.next(l); next != "" {
			fmt.Fprintf(&out, "  → %s\n", next)
		}
	}
	golden(t, "doctor_chain.txt", out.Bytes())
	out.Reset()
	r := chainReport(func(s string) string { return s }, oddLinks(func(s string) string { return s })...)
	if err := JSON(&out, NewChain(r)); err != nil {
		t.Fatal(err)
	}
	golden(t, "doctor_chain.json", out.Bytes())
}

// TestChainWithoutFile: what is said of the machines is not about a fly.toml.
func TestChainWithoutFile(t *testing.T) {
	t.Parallel()
	for _, l := range oddLinks(func(s string) string { return s }) {
		r := chainReport(func(s string) string { return s }, l)
		r.Chain.Config = ""
		if words := r.words(l); l.Code == doctor.LinkDeployed && strings.Contains(words, "fly.toml") && !strings.Contains(words, "no fly.toml") {
			t.Errorf("%s: %s", l.Cause, words)
		}
	}
}

// TestChainSetup: the suggested commands are for the app's own file, variable and role.
func TestChainSetup(t *testing.T) {
	t.Parallel()
	plain := func(s string) string { return s }
	missing := doctor.Link{Code: doctor.LinkRoleARN, State: doctor.StateBroken, Cause: doctor.CauseMissing}
	for want, change := range map[string]func(*ChainReport){
		"fly-aws setup --app web && fly deploy":                                               func(*ChainReport) {},
		"fly-aws setup --app web --no-patch":                                                  func(r *ChainReport) { r.Chain.Config = "" },
		"fly-aws setup --app web --config a/fly.toml && fly deploy --config a/fly.toml":       func(r *ChainReport) { r.Chain.Config = "a/fly.toml" },
		"fly-aws setup --app web --env-name BACKUP --role backup --path /team/ && fly deploy": func(r *ChainReport) { r.Chain.Variable, r.Result.Role, r.Result.Path = "BACKUP", "backup", "/team/" },
		"fly-aws setup --app web --config 'my app.toml' && fly deploy --config 'my app.toml'": func(r *ChainReport) { r.Chain.Config = "my app.toml" },
	} {
		r := chainReport(plain, missing)
		change(&r)
		if got := r.next(missing); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestChainKeepsKeys: keys are not advised away while the role may not replace them.
func TestChainKeepsKeys(t *testing.T) {
	t.Parallel()
	names := []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
	keys := doctor.Link{Code: doctor.LinkPrecedence, State: doctor.StateBroken, Cause: doctor.CauseKeys, Names: names, Secrets: names}
	none := doctor.Link{Code: doctor.LinkPermissions, State: doctor.StateWarning, Cause: doctor.CauseMissing}
	unread := doctor.Link{Code: doctor.LinkProvider, State: doctor.StateUnknown, Cause: doctor.CauseFailed, Err: errors.New("no answer")}
	for want, links := range map[string][]doctor.Link{
		"fly secrets unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY --app web": {keys},
		"first permissions: fly-aws setup --app web --policy NAME":            {none, keys},
		"first provider: try again":                                           {unread, none, keys},
	} {
		doc := NewChain(chainReport(func(s string) string { return s }, links...))
		if doc.Next != want {
			t.Errorf("got  %s\nwant %s", doc.Next, want)
		}
	}
}

// TestChainOtherARN: the repair is for the app's own file and variable.
func TestChainOtherARN(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:iam::123456789012:role/team/web"
	l := doctor.Link{Code: doctor.LinkRole, State: doctor.StateBroken, Cause: doctor.CauseOtherARN, Want: arn, Where: doctor.InConfig}
	for want, chain := range map[string]doctor.Chain{
		"fly-aws patch --app web --role-arn " + arn + " && fly deploy":                                         {Config: "fly.toml", Variable: setup.EnvRoleARN},
		"fly-aws patch --app web --config a/fly.toml --role-arn " + arn + " && fly deploy --config a/fly.toml": {Config: "a/fly.toml", Variable: setup.EnvRoleARN},
		"set BACKUP_ROLE_ARN in the [env] of fly.toml to " + arn + ", then: fly deploy":                        {Config: "fly.toml", Variable: "BACKUP_ROLE_ARN"},
		"set AWS_ROLE_ARN in the [env] of fly.toml to " + arn + ", then: fly deploy --app web":                 {Variable: setup.EnvRoleARN},
	} {
		r := chainReport(func(s string) string { return s }, l)
		r.Chain.Config, r.Chain.Variable = chain.Config, chain.Variable
		if got := r.next(l); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestChainHostile has text from outside in every place that takes it.
func TestChainHostile(t *testing.T) {
	t.Parallel()
	hostile := func(s string) string { return s + "\x1b[31m\x00\r\u202e\xff'; rm -rf \n✗ broken at nothing" }
	for _, l := range oddLinks(hostile) {
		r := chainReport(hostile, l)
		r.Probe = &doctor.Probe{
			Machine: doctor.AppMachine{ID: hostile("1"), Name: hostile("m")}, State: doctor.StateUnknown, Cause: doctor.CauseNoAnswer,
			ExitCode: 9, Output: hostile("out\n{"), Errors: hostile("err"),
		}
		if l.State == doctor.StateWarning {
			r.Probe.Cause = doctor.CauseNoProgram
			r.Probe.Process = &doctor.Process{Values: map[string]string{"AWS_REGION": hostile("x")}, Names: []string{"AWS_REGION", hostile("AWS_X")}}
		}
		if l.State == doctor.StateOK {
			r.Probe.State, r.Probe.Answer = doctor.StateBroken, answer(t, hostile("failed"), hostile("detail"))
			r.Probe.Output = `{}`
		}
		if l.State == doctor.StateUnknown {
			r.Probe.State, r.Probe.Answer = doctor.StateOK, answer(t, hostile("skipped"), hostile("detail"))
			r.Probe.Answer.Checks[0].Name = hostile("clock")
			r.Probe.Output = `{}`
		}
		r.Result = doctor.Together(r.Result, r.Probe)
		var out bytes.Buffer
		Chain(&out, r, Style{})
		doc := NewChain(r)
		for _, shown := range append(strings.Split(out.String(), "\n"), doc.Text, doc.Next, doc.Links[0].Text, doc.Links[0].Next, doc.Machine.Text, doc.Machine.Next) {
			if text.Clean(shown) != shown || strings.HasPrefix(shown, "✗ broken at nothing") {
				t.Errorf("%s %s: %q", l.Code, l.Cause, shown)
			}
		}
		if data, err := json.Marshal(doc); err != nil || !json.Valid(data) || (doc.Machine.Report != nil) != (r.Probe.Answer != nil) {
			t.Errorf("%s %s: %v", l.Code, l.Cause, err)
		}
	}
}

// TestChainProbe shows both halves.
func TestChainProbe(t *testing.T) {
	t.Parallel()
	plain := func(s string) string { return s }
	machine := doctor.AppMachine{ID: "148ed123f07e89", Name: "cold-shape-2007"}
	fine := doctor.Link{Code: doctor.LinkFly, State: doctor.StateOK}
	secret := doctor.Link{Code: doctor.LinkRegion, State: doctor.StateUnknown, Cause: doctor.CauseSecret, Names: []string{"AWS_REGION"}}
	keys := doctor.Link{Code: doctor.LinkPrecedence, State: doctor.StateBroken, Cause: doctor.CauseKeys, Names: []string{"AWS_ACCESS_KEY_ID"}, Secrets: []string{"AWS_ACCESS_KEY_ID"}}
	var out bytes.Buffer
	for _, test := range []struct {
		link  doctor.Link
		probe doctor.Probe
	}{
		{fine, doctor.Probe{Machine: machine, State: doctor.StateOK, Answer: answer(t, "ok", "fine")}},
		{secret, doctor.Probe{Machine: machine, State: doctor.StateOK, Answer: answer(t, "warning", "odd")}},
		{fine, doctor.Probe{Machine: machine, State: doctor.StateOK, Answer: answer(t, "skipped", "not looked at")}},
		{keys, doctor.Probe{Machine: machine, State: doctor.StateOK, Answer: answer(t, "ok", "fine")}},
		{keys, doctor.Probe{Machine: machine, State: doctor.StateBroken, ExitCode: 3, Answer: answer(t, "failed", "it is off")}},
		{fine, doctor.Probe{Machine: machine, State: doctor.StateBroken, ExitCode: 3, Answer: answer(t, "failed", "it is off")}},
		{fine, doctor.Probe{Machine: machine, State: doctor.StateBroken, ExitCode: 3, Answer: &doctor.Answer{}}},
		{fine, doctor.Probe{Machine: machine, State: doctor.StateUnknown, Cause: doctor.CauseUndecided, ExitCode: 3, Answer: answer(t, "skipped", "not looked at")}},
		{fine, doctor.Probe{State: doctor.StateUnknown, Cause: doctor.CauseNoneRunning}},
		{fine, doctor.Probe{Machine: machine, State: doctor.StateUnknown, Cause: doctor.CauseNoProgram, ExitCode: 127}},
		{fine, doctor.Probe{Machine: machine, State: doctor.StateUnknown, Cause: doctor.CauseNoProgram, Process: &doctor.Process{}}},
		{fine, doctor.Probe{Machine: machine, State: doctor.StateUnknown, Cause: doctor.CauseNoProgram, Process: &doctor.Process{
			Values: map[string]string{"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/a"}, Names: []string{"AWS_PROFILE", "AWS_ROLE_ARN"},
		}}},
		{fine, doctor.Probe{Machine: machine, State: doctor.StateUnknown, Cause: doctor.CauseNoAnswer, ExitCode: 2, Errors: "Error: unknown flag"}},
		{secret, doctor.Probe{Machine: machine, State: doctor.StateUnknown, Cause: doctor.CauseFly, Fly: &setup.FlyProblem{Kind: setup.FlyNotAllowed}}},
	} {
		r := chainReport(plain, test.link)
		r.Probe = &test.probe
		r.Result = doctor.Together(r.Result, r.Probe)
		Chain(&out, r, Style{ASCII: true})
		out.WriteString("---\n")
	}
	golden(t, "doctor_chain_probe.txt", out.Bytes())
	out.Reset()
	r := chainReport(plain, fine)
	long := answer(t, "ok", "fine")
	for range 10 {
		long.Checks = append(long.Checks, long.Checks...)
	}
	r.Probe = &doctor.Probe{Machine: machine, State: doctor.StateBroken, Answer: long}
	r.Result = doctor.Together(r.Result, r.Probe)
	if Chain(&out, r, Style{}); strings.Count(out.String(), "\n") > 220 {
		t.Error("all of a long output is shown")
	}
}

// answer is a machine's answer with one check.
func answer(t *testing.T, outcome, detail string) *doctor.Answer {
	t.Helper()
	check := map[string]string{"name": "clock", "outcome": outcome, "detail": detail, "next": "restart it"}
	data, err := json.Marshal(map[string]any{"checks": []any{check}})
	if err != nil {
		t.Fatal(err)
	}
	var a doctor.Answer
	if err := json.Unmarshal(data, &a); err != nil {
		t.Fatal(err)
	}
	return &a
}
