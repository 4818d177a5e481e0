package trustpolicy

import (
	"errors"
	"slices"
	"testing"
)

func TestIdentityPolicy(t *testing.T) {
	t.Parallel()
	p, err := ParseIdentityPolicy([]byte(`{"Version":"2012-10-17","Statement":[
		{"Sid":"Create","Effect":"Allow","Action":"iam:Create*","Resource":"arn:aws:iam::*:role/${aws:RequestTag/app}","Condition":{"Null":{"aws:RequestTag/team":"true"}}},
		{"Effect":"Deny","NotAction":"iam:*","NotResource":"arn:aws:s3:::*"},
		{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringLike":{"s3:prefix":"*"}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	results := p.Evaluate(IdentityRequest{Action: "iam:CreateRole", Resource: "arn:aws:iam::123456789012:role/web", Context: map[string][]string{
		"aws:RequestTag/":    {},
		"aws:requesttag/App": {"web"},
	}})
	var got []Match
	for i, r := range results {
		if r.Index != i {
			t.Errorf("result %d has index %d", i, r.Index)
		}
		got = append(got, r.Match)
	}
	// Which keys a service sets is not known here, unlike in a request for a role.
	if want := []Match{Matches, DoesNotMatch, MatchUndecided}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	if r := results[0]; r.Sid != "Create" || r.Effect != Allow || r.Action.Match != Matches || len(r.Conditions) != 1 || r.Conditions[0].Reason != ReasonMatched {
		t.Errorf("got %+v", r)
	}
	if got := Decide(results); got != Undecided {
		t.Errorf("got %s", got)
	}
	if got := Decide(results[:2]); got != Allowed {
		t.Errorf("without the last statement: got %s", got)
	}
}

func TestParseIdentityPolicyRefuses(t *testing.T) {
	t.Parallel()
	var syntax *SyntaxError
	if _, err := ParseIdentityPolicy([]byte(`{"Statement":{"Effect":"Allow","Action":"*"}}`)); !errors.As(err, &syntax) {
		t.Errorf("got %v, want a *SyntaxError", err)
	}
}
