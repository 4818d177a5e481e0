package setup_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/preset"
	"github.com/fly-aws/fly-aws/setup"
)

// World.Plan and Resolve make the same plan.
func TestResolve(t *testing.T) {
	t.Parallel()
	req := shared(request("web", "api"), "fly")
	req.Adopt = true
	role := foreignRole("fly")
	role.Role.Description = "" // Plan does not read it
	for _, things := range [][]setup.Resource{nil, {role, env("web", "AWS_ROLE_ARN", "old")}} {
		state := setup.State{}
		for _, r := range things {
			state[r.ID()] = r
		}
		p, err := setup.Resolve(req, facts(), state)
		if err != nil {
			t.Fatal(err)
		}
		want := plan(t, newMemory(things...), req)
		want.Warnings = nil
		a, errA := p.MarshalIndent()
		b, errB := want.MarshalIndent()
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%v, %v: it resolves to\n%s\nnot\n%s", errA, errB, a, b)
		}
	}
}

// In a plan a preset is an inline policy for the account and the app's region.
func TestPresets(t *testing.T) {
	t.Parallel()
	req := shared(request("web", "api"), "fly")
	req.Roles[0].Policies = nil
	req.Roles[0].Presets = []setup.Preset{{Name: "sqs-send", Answer: "jobs"}, {Name: "s3-read", Answer: "bucket"}}
	withApps(inRegion(req), func(app *setup.App) { app.Config = "" })
	m := newMemory()
	p := plan(t, m, req)
	want(t, p,
		"create "+provider+" absent", "create role:fly absent",
		"create inline:fly:sqs-send-jobs absent", "create inline:fly:s3-read-bucket absent",
	)
	if doc := p.Changes[2].After.Policy.Document.String(); !strings.Contains(doc, "arn:aws:sqs:eu-central-1:"+account+":jobs") {
		t.Errorf("the policy is %s", doc)
	}
	apply(t, m, p)
	if again := plan(t, m, req); len(again.Pending()) > 0 {
		t.Errorf("a second plan is %v", actions(again))
	}
}

func TestPresetsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		presets  []setup.Preset
		noRegion bool
		cause    bool // the cause is a *preset.Error
	}{
		"unknown":      {[]setup.Preset{{Name: "s3-raed", Answer: "bucket"}}, false, true},
		"wrong answer": {[]setup.Preset{{Name: "s3-read", Answer: "*"}}, false, true},
		"no region":    {[]setup.Preset{{Name: "sqs-send", Answer: "jobs"}}, true, false},
		"twice":        {[]setup.Preset{{Name: "s3-read", Answer: "bucket"}, {Name: "s3-read", Answer: "bucket"}}, false, false},
	} {
		req := withApps(request("web"), func(app *setup.App) { app.Config = "" })
		req.Roles[0].Presets = test.presets
		err := req.Check()
		var invalid *setup.InvalidError
		var cause *preset.AnswerError
		if !errors.As(err, &invalid) || invalid.Field != setup.FieldPreset || invalid.Reason == "" ||
			invalid.NoRegion != test.noRegion || errors.As(err, &cause) != test.cause {
			t.Errorf("%s: %v", name, err)
		}
	}
	// An ARN of another partition is found once the account is known.
	req := request("web")
	req.Roles[0].Presets = []setup.Preset{{Name: "s3-read", Answer: "arn:aws-cn:s3:::bucket"}}
	var invalid *setup.InvalidError
	if _, err := tryPlan(newMemory(), req); !errors.As(err, &invalid) || invalid.Field != setup.FieldPreset {
		t.Errorf("another partition: %v", err)
	}
}

// Any partition with the form of the SDK's is accepted.
func TestRoleARNs(t *testing.T) {
	t.Parallel()
	for _, partition := range []string{"aws", "aws-cn", "aws-us-gov", "aws-eusc"} {
		if reason := setup.RoleARNProblem("arn:" + partition + ":iam::123456789012:role/fly/web"); reason != "" {
			t.Errorf("%s: %s", partition, reason)
		}
	}
	for arn, reason := range map[string]string{
		"":                                     "not an ARN",
		"arn:evil:iam::123456789012:role/web":  `unknown partition "evil"`,
		"arn:aws:iam::123456789012:user/web":   "it is not the ARN of an IAM role",
		"arn:aws:iam::12345:role/web":          "an account ID has 12 digits",
		"arn:aws:s3::123456789012:role/web":    "it is not the ARN of an IAM role",
		"arn:aws:iam::123456789012:role/":      "it is empty",
		"arn:aws:iam::123456789012:role//web":  "a path cannot contain //",
		"arn:aws:iam::123456789012:role/w\x1b": `IAM allows letters, digits and _+=,.@- in a name, not '\x1b'`,
	} {
		if got := setup.RoleARNProblem(arn); got != reason {
			t.Errorf("%q: %q, not %q", arn, got, reason)
		}
	}
}

// A region that no partition's regions look like is refused, with those it may stand for.
func TestCheckRegion(t *testing.T) {
	t.Parallel()
	for region, want := range map[string]string{
		"eu-central-1":  "",
		"us-gov-west-1": "",
		"eu-west-9":     "", // a warning of the plan
		"eu-central":    `region "eu-central" cannot be used: no AWS region looks like that; did you mean eu-central-1 or eu-central-2?`,
		"fra":           `region "fra" cannot be used: no AWS region looks like that; did you mean eu-central-1?`,
		"auto":          `region "auto" cannot be used: no AWS region looks like that; one looks like eu-central-1`,
	} {
		req := request("web")
		req.Roles[0].Apps[0].Region = region
		err := req.Check()
		if got := fmt.Sprint(err); (want == "") != (err == nil) || err != nil && got != want {
			t.Errorf("%s: %v, want %q", region, err, want)
		}
	}
}

// All problems of a request are reported together, each once.
func TestCheckReportsEverything(t *testing.T) {
	t.Parallel()
	req := request("web", "API")
	req.Audience = "https://fly.io/acme"
	for i := range req.Roles {
		req.Roles[i].Apps[0].Region, req.Roles[i].MaxSession = "fra", 60
		req.Roles[i].Tags = map[string]string{"aws:x": "1", "Team": "a", "team": "b"}
		req.Roles[i].Inline = []setup.InlinePolicy{{Name: "a b", Source: "a b.json"}}
	}
	var fields []setup.Field
	for _, err := range unjoin(req.Check()) {
		var invalid *setup.InvalidError
		if errors.As(err, &invalid) {
			fields = append(fields, invalid.Field)
		}
	}
	want := []setup.Field{
		setup.FieldApp, setup.FieldAudience, setup.FieldInline, setup.FieldInline,
		setup.FieldMaxSession, setup.FieldRegion, setup.FieldTag, setup.FieldTag,
	}
	if slices.Sort(fields); !slices.Equal(fields, slices.Sorted(slices.Values(want))) {
		t.Errorf("problems with %v, not %v", fields, want)
	}
}
