package explain

import (
	"strings"
	"testing"
)

// TestSourceIdentity: a token with a source identity needs an action of its own, as one with
// session tags does.
func TestSourceIdentity(t *testing.T) {
	t.Parallel()
	right := statement("Allow", aud+","+sub)
	c := machine(policyOf(t, "2012-10-17", right))
	c.Claims.SourceIdentity = "me"
	got := Explain(c)
	if got.Verdict != Refused || len(got.Reasons) == 0 || got.Reasons[0].Code != ReasonTagSession || got.Reasons[0].Want != "sts:SetSourceIdentity" || !got.Complete {
		t.Fatalf("%s, %+v, complete %t", got.Verdict, got.Reasons, got.Complete)
	}
	checkFix(t, c, got)
	c.Claims.Tags = map[string]string{"team": "x"}
	c.Policy = policyOf(t, "2012-10-17", strings.Replace(right, `"sts:AssumeRoleWithWebIdentity"`, `["sts:AssumeRoleWithWebIdentity","sts:TagSession","sts:SetSourceIdentity"]`, 1))
	if got := Explain(c); got.Verdict != Accepted {
		t.Errorf("%s, %+v", got.Verdict, got.Reasons)
	}
	c.Policy = policyOf(t, "2012-10-17", strings.Replace(right, `"Condition":{`, `"Condition":{"StringNotEquals":{"sts:SourceIdentity":"me"},`, 1))
	c.Claims.Tags = nil
	if got := Explain(c); got.Verdict != Refused {
		t.Errorf("with another source identity: %s", got.Verdict)
	}
}
