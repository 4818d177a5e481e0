package sandbox

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestFaults: specs are for the calls that they name, as often as they say, in their order.
func TestFaults(t *testing.T) {
	t.Parallel()
	var f Faults
	for _, spec := range []string{"throttle:CreateRole:2", "deny:iam:CreateRole:1", "2s:sts", "drop-after:aws:1", "down:fly:1", "1m:fly"} {
		if err := f.Add(spec); err != nil {
			t.Fatal(err)
		}
	}
	refusal := func(fault Fault) string {
		if fault.refuse == nil {
			return ""
		}
		w := &World{}
		return fault.refuse(&request{world: w, service: "iam", action: "CreateRole"}).code
	}
	create, read, who := Call{Service: "iam", Action: "CreateRole"}, Call{Service: "iam", Action: "GetRole"}, Call{Service: "sts", Action: "GetCallerIdentity"}
	for i, want := range []string{"Throttling", "Throttling", "AccessDenied"} {
		if got := refusal(f.AWS(create)); got != want {
			t.Errorf("call %d: %q, not %q", i, got, want)
		}
	}
	for range 3 {
		if got := f.AWS(who); got.Delay != 2*time.Second {
			t.Errorf("%+v", got)
		}
	}
	if got := f.AWS(read); got.drop != dropAfter {
		t.Errorf("%+v", got)
	}
	if got := f.AWS(create); got.drop != dropNever || got.refuse != nil {
		t.Errorf("%+v", got)
	}
	if got := f.Fly(FlyCall{}); got.Answer == nil || got.Answer.Status != http.StatusServiceUnavailable {
		t.Errorf("%+v", got)
	}
	if got := f.Fly(FlyCall{}); got.Answer != nil || got.Delay != time.Minute {
		t.Errorf("%+v", got)
	}
}

func TestFaultSpecs(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"":                      "is not KIND:WHERE",
		"throttle":              "is not KIND:WHERE",
		"throttle:CreateRol":    "no action CreateRol",
		"throttle:sts:GetRole":  "no action sts:GetRole",
		"throttle:s3:GetObject": "no action s3:GetObject",
		"throttle:iam:":         "no action iam:",
		"throttle:GetRole:0":    "cannot happen 0 times",
		"throttle:GetRole:x":    "no action GetRole:x",
		"throttle:a:b:c":        "is not KIND:WHERE",
		"boom:GetRole":          "the kind boom is not deny, drop-after, drop-before, error, throttle or a delay",
		"-1s:GetRole":           "the kind -1s",
		"down:aws":              "the kind down is not",
		"deny:fly":              "the kind deny is not down,",
	} {
		var f Faults
		if err := f.Add(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, not %q", spec, err, want)
		}
	}
}
