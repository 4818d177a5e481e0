package awsapi_test

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/sandbox"
	"github.com/fly-aws/fly-aws/setup"
)

// createPolicy makes a customer-managed policy and gives its ARN.
func (x *world) createPolicy(path, name string) string {
	x.t.Helper()
	out, err := x.raw.CreatePolicy(context.Background(), &iam.CreatePolicyInput{
		Path: &path, PolicyName: &name, PolicyDocument: aws.String(document),
	})
	if err != nil {
		x.t.Fatal(err)
	}
	return aws.ToString(out.Policy.Arn)
}

func TestPolicyReferences(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	own := x.createPolicy("/", "Uploads")
	deep := x.createPolicy("/team/data/", "Reports")
	x.createPolicy("/", "ViewOnlyAccess") // AWS has one too
	tests := []struct{ ref, want string }{
		{"ReadOnlyAccess", readOnly},
		{"AWSLambdaBasicExecutionRole", "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"},
		{"Billing", "arn:aws:iam::aws:policy/job-function/Billing"},
		{"Uploads", own},
		{"Reports", deep},
		{readOnly, readOnly},
		{deep, deep},
	}
	var hints awsapi.Hints
	want := map[string]string{}
	for _, test := range tests {
		hints.Policies = append(hints.Policies, test.ref)
		want[test.ref] = test.want
	}
	facts, err := x.Facts(context.Background(), hints)
	if err != nil || !reflect.DeepEqual(facts.Policies, want) {
		t.Errorf("got %v, %v\nwant %v", facts.Policies, err, want)
	}
}

func TestWrongPolicyReferences(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	own := x.createPolicy("/", "ViewOnlyAccess")
	x.createPolicy("/a/", "Twice")
	x.createPolicy("/b/", "Uploads")

	facts := func(ref string) error {
		_, err := x.Facts(context.Background(), awsapi.Hints{Policies: []string{ref}})
		return err
	}
	t.Run("unknown name", func(t *testing.T) {
		e := errorAs[*awsapi.UnknownPolicyError](t, facts("amazons3readonlyacess"))
		if e.Ref != "amazons3readonlyacess" || len(e.Similar) == 0 || e.Similar[0] != "AmazonS3ReadOnlyAccess" || len(e.Similar) > 3 {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("unknown ARN", func(t *testing.T) {
		e := errorAs[*awsapi.UnknownPolicyError](t, facts("arn:aws:iam::"+account+":policy/Upload"))
		if !slices.Equal(e.Similar, []string{"Uploads"}) {
			t.Errorf("similar are %q", e.Similar)
		}
	})
	t.Run("ambiguous", func(t *testing.T) {
		e := errorAs[*awsapi.AmbiguousPolicyError](t, facts("ViewOnlyAccess"))
		if want := []string{own, "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"}; !slices.Equal(e.ARNs, want) {
			t.Errorf("ARNs are %q, want %q", e.ARNs, want)
		}
	})
	mismatches := map[string]awsapi.MismatchError{
		"arn:aws:iam::210987654321:policy/Uploads":  {What: "account", Have: "210987654321", Want: account},
		"arn:aws-cn:iam::aws:policy/ReadOnlyAccess": {What: "partition", Have: "aws-cn", Want: "aws"},
	}
	for ref, want := range mismatches {
		want.ARN = ref
		if e := errorAs[*awsapi.MismatchError](t, facts(ref)); *e != want {
			t.Errorf("got %+v, want %+v", *e, want)
		}
	}
	before := len(x.Calls())
	malformed := []string{
		"", "a policy", "arn:", "arn:aws:iam::aws:role/x", "arn:aws:s3:::bucket", "arn:aws:iam::aws:policy/",
		"evil\x1b[2J", "arn:aws:iam::aws:policy/evil\x1b[2J", strings.Repeat("x", 129), "Zürich",
	}
	for _, ref := range malformed {
		e := errorAs[*awsapi.UnknownPolicyError](t, facts(ref))
		if e.Reason == "" || strings.ContainsFunc(e.Error(), func(r rune) bool { return r < ' ' }) {
			t.Errorf("%q: error is %q", ref, e)
		}
	}
	if n := len(x.Calls()) - before; n != len(malformed) {
		t.Errorf("made %d calls for %d references that cannot exist", n, len(malformed))
	}
}

func TestAttachedPolicyIsMeantByItsName(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	own := x.createPolicy("/team/", "Reports")
	boundary := x.createPolicy("/limits/", "Limit")
	r := role(t, "web")
	r.Role.Boundary = boundary
	x.write(create(r), create(attached("fly-acme-web", own)), create(attached("fly-acme-web", readOnly)))
	facts, calls := x.factsOf(awsapi.Hints{
		Roles: []string{"fly-acme-web"}, Policies: []string{"Reports", "Limit", "ReadOnlyAccess", own, boundary},
	})
	for ref, want := range map[string]string{"Reports": own, "Limit": boundary, "ReadOnlyAccess": readOnly, own: own, boundary: boundary} {
		if facts.Policies[ref] != want {
			t.Errorf("%q became %q, want %q", ref, facts.Policies[ref], want)
		}
	}
	// Of those of the account's, what else may have the name is asked for.
	if n := count(calls, "GetPolicy"); n != 2*4 || count(calls, "ListPolicies") != 0 {
		t.Errorf("calls are %q", calls)
	}
}

// factsOf gives the facts, and the calls that they took.
func (x *world) factsOf(h awsapi.Hints) (facts setup.Facts, calls []string) {
	x.t.Helper()
	calls = x.actions(func() {
		var err error
		if facts, err = x.open().Facts(context.Background(), h); err != nil {
			x.t.Fatal(err)
		}
	})
	return facts, calls
}

// A name that is AWS's and an account's policy is not decided by what some role
// has: the next role would get a policy that nobody asked for.
func TestAttachedPolicyDoesNotDecideANameOfTwo(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/", "/team/"} {
		for _, asBoundary := range []bool{false, true} {
			x := newWorld(t, nil)
			own := x.createPolicy(path, "ReadOnlyAccess")
			r := role(t, "web")
			if asBoundary {
				r.Role.Boundary = own
				x.write(create(r))
			} else {
				x.write(create(r), create(attached("fly-acme-web", own)))
			}
			hints := awsapi.Hints{Roles: []string{"fly-acme-web"}, Policies: []string{"ReadOnlyAccess"}}
			_, err := x.Facts(context.Background(), hints)
			e := errorAs[*awsapi.AmbiguousPolicyError](t, err)
			if want := []string{own, readOnly}; !slices.Equal(e.ARNs, want) {
				t.Errorf("ARNs are %q, want %q", e.ARNs, want)
			}
			// No permission to ask for each does not decide it either.
			x.faults(func(c sandbox.Call) sandbox.Fault {
				if c.Action == "GetPolicy" {
					return sandbox.Deny()
				}
				return sandbox.Fault{}
			})
			_, err = x.Facts(context.Background(), hints)
			isError[*awsapi.AmbiguousPolicyError](t, err)
			// Nor that the role has both.
			x.faults(nil)
			x.write(create(attached("fly-acme-web", readOnly)))
			_, err = x.Facts(context.Background(), hints)
			isError[*awsapi.AmbiguousPolicyError](t, err)
		}
	}
}

func TestPoliciesWithoutPermissionToRead(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	deny := func(actions ...string) {
		x.faults(func(c sandbox.Call) sandbox.Fault {
			if slices.Contains(actions, c.Action) {
				return sandbox.Deny()
			}
			return sandbox.Fault{}
		})
	}
	facts := func(ref string) (string, error) {
		f, err := x.Facts(context.Background(), awsapi.Hints{Policies: []string{ref}})
		return f.Policies[ref], err
	}
	deny("GetPolicy", "ListPolicies")
	if got, err := facts(s3Read); got != s3Read || err != nil {
		t.Errorf("an ARN became %q, %v", got, err)
	}
	_, err := facts("ReadOnlyAccess")
	if e := errorAs[*awsapi.DeniedError](t, err); e.Action != "iam:ListPolicies" {
		t.Errorf("denied is %q", e.Action)
	}
	deny("GetPolicy")
	if got, err := facts("ReadOnlyAccess"); got != readOnly || err != nil {
		t.Errorf("a name became %q, %v", got, err)
	}
	deny("ListPolicies")
	_, err = facts("arn:aws:iam::aws:policy/Nope")
	isError[*awsapi.UnknownPolicyError](t, err)
}

func TestPolicyOfServiceLinkedRoles(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	_, err := x.Facts(context.Background(), awsapi.Hints{Policies: []string{"AWSSupportServiceRolePolicy"}})
	if e := errorAs[*awsapi.UnknownPolicyError](t, err); !strings.Contains(e.Reason, "service-linked") {
		t.Errorf("error is %q", e)
	}
}
