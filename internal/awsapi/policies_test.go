package awsapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
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

// createPolicy creates a customer-managed policy and returns its ARN.
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
	var announced hints
	want := map[string]string{}
	for _, test := range tests {
		announced.Policies = append(announced.Policies, test.ref)
		want[test.ref] = test.want
	}
	facts, err := x.Facts(context.Background(), announced.request())
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
		_, err := x.Facts(context.Background(), hints{Policies: []string{ref}}.request())
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
	t.Run("several", func(t *testing.T) {
		for _, refs := range [][]string{{"nosuch", "neither", "ViewOnlyAccess"}, {"a b", "c d"}} {
			_, err := x.Facts(context.Background(), hints{Policies: refs}.request())
			for _, ref := range refs {
				if err == nil || !strings.Contains(err.Error(), `"`+ref+`"`) {
					t.Errorf("%q is not in %v", ref, err)
				}
			}
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
	malformed := []string{
		"", "a policy", "arn:", "arn:aws:iam::aws:role/x", "arn:aws:s3:::bucket", "arn:aws:iam::aws:policy/",
		"evil\x1b[2J", "arn:aws:iam::aws:policy/evil\x1b[2J", strings.Repeat("x", 129), "Zürich",
	}
	calls := x.actions(func() {
		for _, ref := range malformed {
			e := errorAs[*awsapi.UnknownPolicyError](t, facts(ref))
			if e.Reason == "" || strings.ContainsFunc(e.Error(), func(r rune) bool { return r < ' ' }) {
				t.Errorf("%q: error is %q", ref, e)
			}
		}
	})
	if slices.Contains(calls, "GetPolicy") || slices.Contains(calls, "ListPolicies") {
		t.Errorf("references that cannot exist are looked up: %q", calls)
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
	facts, calls := x.factsOf(hints{
		Roles: []string{"fly-acme-web"}, Policies: []string{"Reports", "Limit", "ReadOnlyAccess", own, boundary},
	})
	for ref, want := range map[string]string{"Reports": own, "Limit": boundary, "ReadOnlyAccess": readOnly, own: own, boundary: boundary} {
		if facts.Policies[ref] != want {
			t.Errorf("%q became %q, want %q", ref, facts.Policies[ref], want)
		}
	}
	// Names of the account's policies are looked up, since AWS may have them too.
	if n := count(calls, "GetPolicy"); n != 2*4 || count(calls, "ListPolicies") != 0 {
		t.Errorf("calls are %q", calls)
	}
}

// factsOf returns the facts and the calls made.
func (x *world) factsOf(h hints) (facts setup.Facts, calls []string) {
	x.t.Helper()
	calls = x.actions(func() {
		var err error
		if facts, err = x.open().Facts(context.Background(), h.request()); err != nil {
			x.t.Fatal(err)
		}
	})
	return facts, calls
}

// A name of both an AWS policy and the account's stays ambiguous even if a role has
// one of them: the next role could get the wrong policy.
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
			announced := hints{Roles: []string{"fly-acme-web"}, Policies: []string{"ReadOnlyAccess"}}
			_, err := x.Facts(context.Background(), announced.request())
			e := errorAs[*awsapi.AmbiguousPolicyError](t, err)
			if want := []string{own, readOnly}; !slices.Equal(e.ARNs, want) {
				t.Errorf("ARNs are %q, want %q", e.ARNs, want)
			}
			// Nor does a lack of permission decide it.
			x.faults(func(c sandbox.Call) sandbox.Fault {
				if c.Action == "GetPolicy" {
					return sandbox.Deny()
				}
				return sandbox.Fault{}
			})
			_, err = x.Facts(context.Background(), announced.request())
			isError[*awsapi.AmbiguousPolicyError](t, err)
			// Nor does a role with both.
			x.faults(nil)
			x.write(create(attached("fly-acme-web", readOnly)))
			_, err = x.Facts(context.Background(), announced.request())
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
		f, err := x.Facts(context.Background(), hints{Policies: []string{ref}}.request())
		return f.Policies[ref], err
	}
	deny("GetPolicy", "ListPolicies")
	if got, err := facts(s3Read); got != s3Read || err != nil {
		t.Errorf("an ARN became %q, %v", got, err)
	}
	_, err := facts("ReadOnlyAccess")
	if e := errorAs[*awsapi.DeniedError](t, err); e.Action != "iam:GetPolicy" { // which is less to allow
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

func TestManagedPolicies(t *testing.T) {
	t.Parallel()
	x := newWorld(t, &sandbox.World{PageLimit: 30})
	own := x.createPolicy("/", "amazonReports")
	twin := x.createPolicy("/team/", "ReadOnlyAccess") // AWS has one too
	var got []setup.ManagedPolicy
	calls := x.actions(func() {
		var err error
		if got, err = x.ManagedPolicies(context.Background()); err != nil {
			t.Fatal(err)
		}
	})

	// The expected policies, read with the SDK.
	var want []setup.ManagedPolicy
	listed := 0
	lists := iam.NewListPoliciesPaginator(x.raw, &iam.ListPoliciesInput{})
	for lists.HasMorePages() {
		out, err := lists.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range out.Policies {
			listed++
			if *p.Path != "/aws-service-role/" { // only AWS itself attaches these
				want = append(want, setup.ManagedPolicy{Name: *p.PolicyName, ARN: *p.Arn})
			}
		}
	}
	if len(want) == listed {
		t.Error("there is no policy for a service-linked role to be left out")
	}
	if n := (listed + 29) / 30; n < 3 || len(calls) != n || count(calls, "ListPolicies") != n {
		t.Errorf("calls are %q for %d policies", calls, len(want))
	}
	slices.SortFunc(want, func(x, y setup.ManagedPolicy) int {
		return strings.Compare(strings.ToLower(x.Name)+" "+x.ARN, strings.ToLower(y.Name)+" "+y.ARN)
	})
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	reports := slices.Index(got, setup.ManagedPolicy{Name: "amazonReports", ARN: own})
	s3 := slices.Index(got, setup.ManagedPolicy{Name: "AmazonS3ReadOnlyAccess", ARN: s3Read})
	if reports < 0 || s3 < reports || got[0].Name == "amazonReports" {
		t.Errorf("amazonReports is at %d and AmazonS3ReadOnlyAccess at %d", reports, s3)
	}
	both := slices.Index(got, setup.ManagedPolicy{Name: "ReadOnlyAccess", ARN: twin})
	if both < 0 || got[both+1] != (setup.ManagedPolicy{Name: "ReadOnlyAccess", ARN: readOnly}) {
		t.Errorf("the two of one name are not side by side: %q", got)
	}
}

// IAM marks policies that cannot be attached.
func TestManagedPoliciesThatCannotBeAttached(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("Action") != "ListPolicies" || r.FormValue("Scope") != "All" || r.FormValue("MaxItems") != "1000" {
			t.Errorf("asked for %q", r.Form)
		}
		member, more := "b", "<IsTruncated>true</IsTruncated><Marker>m</Marker>"
		if r.FormValue("Marker") == "m" {
			member, more = "A", "<IsTruncated>false</IsTruncated>"
		}
		fmt.Fprintf(w, `<ListPoliciesResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListPoliciesResult><Policies>
<member><PolicyName>%[1]s</PolicyName><Arn>arn:aws:iam::aws:policy/%[1]s</Arn><IsAttachable>true</IsAttachable></member>
<member><PolicyName>%[1]s-not</PolicyName><Arn>arn:aws:iam::aws:policy/%[1]s-not</Arn><IsAttachable>false</IsAttachable></member>
</Policies>%[2]s</ListPoliciesResult></ListPoliciesResponse>`, member, more)
	}))
	defer server.Close()
	a, err := awsapi.Open(context.Background(), awsapi.Options{Endpoint: server.URL, AccessKeyID: "a", SecretAccessKey: "b"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.ManagedPolicies(context.Background())
	want := []setup.ManagedPolicy{{Name: "A", ARN: "arn:aws:iam::aws:policy/A"}, {Name: "b", ARN: "arn:aws:iam::aws:policy/b"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestPolicyDescription(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	out, err := x.raw.CreatePolicy(context.Background(), &iam.CreatePolicyInput{
		PolicyName: aws.String("Uploads"), Description: aws.String("Lets an app put what it was given"), PolicyDocument: aws.String(document),
	})
	if err != nil {
		t.Fatal(err)
	}
	for policy, want := range map[string]string{
		*out.Policy.Arn:               "Lets an app put what it was given",
		x.createPolicy("/", "Silent"): "",
	} {
		var got string
		calls := x.actions(func() { got, err = x.PolicyDescription(context.Background(), policy) })
		if err != nil || got != want || !slices.Equal(calls, []string{"GetPolicy"}) {
			t.Errorf("%s: got %q, %v by %q, want %q", policy, got, err, calls, want)
		}
	}
	_, err = x.PolicyDescription(context.Background(), "arn:aws:iam::aws:policy/Nope")
	if e := errorAs[*awsapi.CallError](t, err); e.Code != "NoSuchEntity" || e.Operation != "GetPolicy" {
		t.Errorf("got %+v", e)
	}
}

// The wizard's calls have the same errors as others.
func TestQuestionsThatFail(t *testing.T) {
	t.Parallel()
	questions := map[string]func(context.Context, *awsapi.Account) (any, error){
		"ListPolicies": func(ctx context.Context, a *awsapi.Account) (any, error) {
			all, err := a.ManagedPolicies(ctx)
			return len(all), err
		},
		"GetPolicy":          func(ctx context.Context, a *awsapi.Account) (any, error) { return a.PolicyDescription(ctx, readOnly) },
		"ListAccountAliases": func(ctx context.Context, a *awsapi.Account) (any, error) { return a.Alias(ctx) },
	}
	for action, ask := range questions {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			x := newWorld(t, &sandbox.World{Alias: "acme-dev"})
			const always = 1000
			x.failFirst(always, action, sandbox.Deny())
			got, err := ask(context.Background(), x.Account)
			switch {
			case action != "ListAccountAliases":
				if e := errorAs[*awsapi.DeniedError](t, err); e.Action != "iam:"+action {
					t.Errorf("denied is %q", e.Action)
				}
			case got != "" || err != nil: // the alias is optional
				t.Errorf("got %q, %v", got, err)
			}
			x.failFirst(always, action, sandbox.Throttle())
			_, err = ask(context.Background(), x.Account)
			isError[*awsapi.ThrottledError](t, err)
			x.failFirst(always, action, sandbox.DropBefore())
			_, err = ask(context.Background(), x.Account)
			isError[*awsapi.UnreachableError](t, err)

			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if _, err := ask(ctx, x.Account); !errors.Is(err, context.Canceled) {
				t.Errorf("after the end of ctx: %v", err)
			}
			x.faults(nil)
			_, err = ask(context.Background(), x.open(func(o *awsapi.Options) { o.SecretAccessKey = "wrong" }))
			isError[*awsapi.CredentialsError](t, err)
		})
	}
}

func TestPolicyOfServiceLinkedRoles(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	_, err := x.Facts(context.Background(), hints{Policies: []string{"AWSSupportServiceRolePolicy"}}.request())
	if e := errorAs[*awsapi.UnknownPolicyError](t, err); !strings.Contains(e.Reason, "service-linked") {
		t.Errorf("error is %q", e)
	}
}
