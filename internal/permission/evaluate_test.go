package permission

import (
	"slices"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/fly-aws/fly-aws/trustpolicy"
)

const roleWeb = "arn:aws:iam::123456789012:role/fly-web"

// evaluateCases are about iam:TagRole on roleWeb, whose tags and those in the request are
// known. The names of pages are those of the IAM User Guide.
var evaluateCases = []struct {
	name, statements string
	want             trustpolicy.Decision
}{
	{"nothing allows it", `{"Effect":"Allow","Action":"iam:GetRole","Resource":"*"}`, trustpolicy.ImplicitlyDenied},
	{"allowed", `{"Effect":"Allow","Action":"iam:TagRole","Resource":"*"}`, trustpolicy.Allowed},
	{"the second statement", `{"Effect":"Allow","Action":"iam:GetRole","Resource":"*"},{"Effect":"Allow","Action":"iam:TagRole","Resource":"*"}`, trustpolicy.Allowed},

	// reference_policies_elements_action.html: case does not count
	{"action in other case", `{"Effect":"Allow","Action":"IAM:tagrole","Resource":"*"}`, trustpolicy.Allowed},
	{"action by a pattern", `{"Effect":"Allow","Action":["iam:Get*","iam:?agRole"],"Resource":"*"}`, trustpolicy.Allowed},
	{"everything", `{"Effect":"Allow","Action":"*","Resource":"*"}`, trustpolicy.Allowed},
	{"no actions", `{"Effect":"Allow","Action":[],"Resource":"*"}`, trustpolicy.ImplicitlyDenied},
	{"all actions but others", `{"Effect":"Allow","NotAction":["iam:Delete*","s3:*"],"Resource":"*"}`, trustpolicy.Allowed},
	{"all actions but it", `{"Effect":"Allow","NotAction":"IAM:Tag*","Resource":"*"}`, trustpolicy.ImplicitlyDenied},
	{"all actions but none", `{"Effect":"Allow","NotAction":[],"Resource":"*"}`, trustpolicy.Undecided},

	// reference_policies_elements_resource.html
	{"its resource", `{"Effect":"Allow","Action":"*","Resource":"` + roleWeb + `"}`, trustpolicy.Allowed},
	{"a resource in other case", `{"Effect":"Allow","Action":"*","Resource":"arn:aws:iam::123456789012:role/Fly-web"}`, trustpolicy.ImplicitlyDenied},
	{"a pattern of resources", `{"Effect":"Allow","Action":"*","Resource":["arn:aws:s3:::x","arn:aws:iam::*:role/fly-?eb"]}`, trustpolicy.Allowed},
	{"a longer name", `{"Effect":"Allow","Action":"*","Resource":"` + roleWeb + `-*"}`, trustpolicy.ImplicitlyDenied},
	{"a star that is meant as one", `{"Effect":"Allow","Action":"*","Resource":"arn:aws:iam::123456789012:role/${*}"}`, trustpolicy.ImplicitlyDenied},
	{"no resources", `{"Effect":"Allow","Action":"*","Resource":[]}`, trustpolicy.ImplicitlyDenied},
	{"all resources but others", `{"Effect":"Allow","Action":"*","NotResource":"arn:aws:iam::*:role/admin*"}`, trustpolicy.Allowed},
	{"all resources but it", `{"Effect":"Allow","Action":"*","NotResource":["arn:aws:iam::*:role/fly-*"]}`, trustpolicy.ImplicitlyDenied},
	{"all resources but none", `{"Effect":"Allow","Action":"*","NotResource":[]}`, trustpolicy.Undecided},

	// reference_policies_variables.html
	{"a variable", `{"Effect":"Allow","Action":"*","Resource":"arn:aws:iam::${aws:PrincipalAccount}:role/${iam:ResourceTag/app}"}`, trustpolicy.ImplicitlyDenied},
	{"a variable that fits", `{"Effect":"Allow","Action":"*","Resource":"arn:aws:iam::${aws:PrincipalAccount}:role/fly-${iam:ResourceTag/app}"}`, trustpolicy.Allowed},
	{"a variable without value", `{"Effect":"Allow","Action":"*","Resource":"arn:aws:iam::*:role/${aws:ResourceTag/none}*"}`, trustpolicy.ImplicitlyDenied},
	{"a default", `{"Effect":"Allow","Action":"*","Resource":"arn:aws:iam::*:role/${aws:ResourceTag/none, 'fly'}-web"}`, trustpolicy.Allowed},
	{"an unknown variable", `{"Effect":"Allow","Action":"*","Resource":"arn:aws:iam::*:role/${aws:SourceIdentity}"}`, trustpolicy.Undecided},

	// reference_policies_elements_condition.html
	{"a condition", `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"AWS:requesttag/fly-aws:org":["x","acme"]}}}`, trustpolicy.Allowed},
	{"one of two conditions", `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/fly-aws:org":"acme","iam:ResourceTag/app":"api"}}}`, trustpolicy.ImplicitlyDenied},
	{"a number", `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericLessThan":{"iam:ResourceTag/size":10}}}`, trustpolicy.Allowed},
	{"a set", `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ForAllValues:StringLike":{"aws:TagKeys":["fly-aws:*"]}}}`, trustpolicy.Allowed},
	{"a tag that is absent", `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Null":{"aws:RequestTag/other":"true"}}}`, trustpolicy.Allowed},
	{"an absent tag does not match", `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLike":{"aws:RequestTag/other":"*"}}}`, trustpolicy.ImplicitlyDenied},
	{"an absent key", `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ArnEquals":{"iam:PolicyARN":"*"}}}`, trustpolicy.ImplicitlyDenied},
	{"an unknown key", `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:ViaAWSService":"true"}}}`, trustpolicy.Undecided},
	{"an unknown key of a service", `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLike":{"s3:prefix":"a"}}}`, trustpolicy.Undecided},
	{"an unknown key of another action", `{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringLike":{"s3:prefix":"a"}}}`, trustpolicy.ImplicitlyDenied},

	// reference_policies_evaluation-logic_policy-eval-basics.html
	{"denied", `{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"iam:Tag*","Resource":"*"}`, trustpolicy.ExplicitlyDenied},
	{"denied first", `{"Effect":"Deny","NotAction":"s3:*","Resource":"*"},{"Effect":"Allow","Action":"*","Resource":"*"}`, trustpolicy.ExplicitlyDenied},
	{"others denied", `{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","NotResource":"arn:aws:iam::*:role/fly-*"}`, trustpolicy.Allowed},
	{"denied unless tagged", `{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"iam:ResourceTag/app":"web"}}}`, trustpolicy.Allowed},
	{"denied unless tagged so", `{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"iam:ResourceTag/app":"api"}}}`, trustpolicy.ExplicitlyDenied},
	{"denied by an unknown key", `{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"aws:ViaAWSService":"true"}}}`, trustpolicy.Undecided},
	{"denied, and one that may be", `{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"aws:ViaAWSService":"true"}}},{"Effect":"Deny","Action":"*","Resource":"*"}`, trustpolicy.ExplicitlyDenied},

	// Statements that IAM would not accept.
	{"an effect in other case", `{"Effect":"allow","Action":"*","Resource":"*"}`, trustpolicy.ImplicitlyDenied},
	{"no effect", `{"Action":"*","Resource":"*"}`, trustpolicy.ImplicitlyDenied},
	{"no resource", `{"Effect":"Allow","Action":"*"}`, trustpolicy.ImplicitlyDenied},
	{"actions that are numbers", `{"Effect":"Allow","NotAction":[1],"Resource":"*"}`, trustpolicy.ImplicitlyDenied},
	{"conditions that are a text", `{"Effect":"Allow","Action":"*","Resource":"*","Condition":"none"}`, trustpolicy.ImplicitlyDenied},
	{"an operator that does not exist", `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringIs":{"aws:TagKeys":"a"}}}`, trustpolicy.ImplicitlyDenied},
	{"an element that does not exist", `{"Effect":"Allow","Action":"*","Resource":"*","Conditions":{}}`, trustpolicy.ImplicitlyDenied},
	{"a principal", `{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}`, trustpolicy.ImplicitlyDenied},
}

func tagRequest() Request {
	return Request{Action: "iam:TagRole", Resource: roleWeb, Context: map[string][]string{
		"aws:PrincipalAccount":       {"123456789012"},
		"aws:RequestTag/":            {},
		"aws:RequestTag/fly-aws:org": {"acme"},
		"aws:TagKeys":                {"fly-aws:org", "fly-aws:app"},
		"aws:ResourceTag/":           {},
		"iam:ResourceTag/":           {},
		"iam:ResourceTag/app":        {"web"},
		"iam:ResourceTag/size":       {"9"},
		"iam:PolicyARN":              {},
	}}
}

func TestEvaluate(t *testing.T) {
	t.Parallel()
	for _, tt := range evaluateCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := mustParse(t, policy(tt.statements))
			if got := Evaluate([]Policy{p}, tagRequest()); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			// The policies of a principal count as one.
			list := []Policy{mustParse(t, policy(`{"Effect":"Allow","Action":"s3:*","Resource":"*"}`)), p}
			if got := Evaluate(list, tagRequest()); got != tt.want {
				t.Errorf("with another policy: got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestEvaluateSeveral(t *testing.T) {
	t.Parallel()
	all := mustParse(t, policy(administratorAccess))
	for _, tt := range []struct {
		name     string
		policies []Policy
		want     trustpolicy.Decision
	}{
		{"none", nil, trustpolicy.ImplicitlyDenied},
		{"two that allow", []Policy{all, all}, trustpolicy.Allowed},
		{"a deny elsewhere", []Policy{all, mustParse(t, policy(`{"Effect":"Deny","Action":"iam:*","Resource":"*"}`))}, trustpolicy.ExplicitlyDenied},
		{"one that could not be read", []Policy{all, {}}, trustpolicy.Undecided},
		{"only one that could not be read", []Policy{{}}, trustpolicy.ImplicitlyDenied},
		{
			"each with its own version", // the old one has no variables
			[]Policy{mustParse(t, `{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:iam::${aws:PrincipalAccount}:role/*"}}`)},
			trustpolicy.ImplicitlyDenied,
		},
	} {
		if got := Evaluate(tt.policies, tagRequest()); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// FuzzEvaluate: whatever the policies are, one more that only denies never turns a denied
// request into an allowed one, and one more that only allows never an allowed request into
// a denied one. The order of policies does not count.
func FuzzEvaluate(f *testing.F) {
	for _, tt := range evaluateCases {
		f.Add([]byte(policy(tt.statements)), "iam:T*", roleWeb, "StringEquals", "iam:ResourceTag/app", "web")
	}
	f.Add([]byte(policy(administratorAccess)), "*", "*", "Null", "aws:ViaAWSService", "true")
	f.Add([]byte(`{}`), "iam:TagRole", "arn:aws:iam::${aws:PrincipalAccount}:role/fly-web", "ForAnyValue:StringLike", "aws:TagKeys", "*")
	f.Fuzz(func(t *testing.T, document []byte, action, resource, operator, key, value string) {
		p, err := Parse(document)
		if err != nil {
			return
		}
		more := func(effect trustpolicy.Effect) Policy {
			text, err := json.Marshal(map[string]any{"Version": trustpolicy.Version2012, "Statement": map[string]any{
				"Effect": effect, "Action": action, "Resource": resource,
				"Condition": map[string]any{operator: map[string]any{key: value}},
			}})
			if err != nil { // not UTF-8
				return Policy{}
			}
			return mustParse(t, string(text))
		}
		request := tagRequest()
		before := Evaluate([]Policy{p}, request)
		for effect, forbidden := range map[trustpolicy.Effect]func(trustpolicy.Decision) bool{
			trustpolicy.Deny:  func(after trustpolicy.Decision) bool { return before.Denied() && after == trustpolicy.Allowed },
			trustpolicy.Allow: func(after trustpolicy.Decision) bool { return before == trustpolicy.Allowed && after.Denied() },
		} {
			policies := []Policy{p, more(effect)}
			after := Evaluate(policies, request)
			if forbidden(after) {
				t.Errorf("%s before, %s with one more %s of %q on %q: %s", before, after, effect, action, resource, document)
			}
			slices.Reverse(policies)
			if got := Evaluate(policies, request); got != after {
				t.Errorf("%s, and %s in the other order: %s", after, got, document)
			}
		}
	})
}
