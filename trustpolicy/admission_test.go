package trustpolicy_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/trustpolicy"
)

const acmePath = "oidc.fly.io/acme"

// federated is a statement for the provider of acme with a condition block.
func federated(effect, conditions string) string {
	return fmt.Sprintf(`{"Effect":%q,"Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/acme"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{%s}}`, effect, conditions)
}

func like(subjects ...string) string {
	return `"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},"StringLike":{"oidc.fly.io/acme:sub":["` + strings.Join(subjects, `","`) + `"]}`
}

func policyOf(t testing.TB, statements ...string) *trustpolicy.Policy {
	t.Helper()
	p, err := trustpolicy.Parse([]byte(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAdmissions(t *testing.T) {
	t.Parallel()
	web := federated("Allow", like("acme:web:*"))
	for name, test := range map[string]struct {
		statements []string
		want       []string // "statement kind name example", with ? if it is conditional
	}{
		"what is granted":              {[]string{web}, nil},
		"a machine of it":              {[]string{federated("Allow", like("acme:web:m1"))}, nil},
		"another app":                  {[]string{web, federated("Allow", like("acme:api:*"))}, []string{"1 subject acme:api:* acme:api:any-machine"}},
		"one machine of another app":   {[]string{federated("Allow", like("acme:api:m1"))}, []string{"0 subject acme:api:m1 acme:api:m1"}},
		"every app":                    {[]string{federated("Allow", like("acme:*"))}, []string{"0 subject acme:* acme:another-app:any-machine"}},
		"without a colon":              {[]string{federated("Allow", like("acme:web*"))}, []string{"0 subject acme:web* acme:webx:any-machine"}},
		"a letter":                     {[]string{federated("Allow", like("acme:a*"))}, []string{"0 subject acme:a* acme:ax:any-machine"}},
		"an ending":                    {[]string{federated("Allow", like("acme:*-prod:*"))}, []string{"0 subject acme:*-prod:* acme:x-prod:any-machine"}},
		"a question mark":              {[]string{federated("Allow", like("acme:we?:*"))}, []string{"0 subject acme:we?:* acme:wex:any-machine"}},
		"of which one is granted":      {[]string{federated("Allow", like("acme:w?b:*", "acme:web:*"))}, []string{"0 subject acme:w?b:* acme:wxb:any-machine"}},
		"no app name can match":        {[]string{federated("Allow", like("acme:WEB:*", "acme:web", "other:web:*", "web"))}, nil},
		"a wildcard that is a literal": {[]string{federated("Allow", `"StringEquals":{"oidc.fly.io/acme:sub":"acme:*"}`)}, nil},
		"any case":                     {[]string{federated("Allow", `"StringEqualsIgnoreCase":{"oidc.fly.io/acme:sub":"ACME:API:m1"}`)}, []string{"0 subject ACME:API:m1 acme:api:M1"}},
		"no subject":                   {[]string{federated("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"}`)}, []string{"0 subject * acme:another-app:any-machine"}},
		"StringNotLike":                {[]string{federated("Allow", `"StringNotLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`)}, []string{"0 subject * acme:another-app:any-machine"}},
		"all but what is granted":      {[]string{federated("Allow", `"StringNotLike":{"oidc.fly.io/acme:sub":"acme:another-app:*"}`)}, []string{"0 subject * acme:x:x"}},
		"ForAnyValue":                  {[]string{federated("Allow", `"ForAnyValue:StringLike":{"oidc.fly.io/acme:sub":["acme:web:*","acme:api:*"]}`)}, []string{"0 subject acme:api:* acme:api:any-machine"}},
		"two conditions":               {[]string{federated("Allow", `"StringLike":{"oidc.fly.io/acme:sub":"acme:*"},"StringEquals":{"oidc.fly.io/acme:sub":"acme:web:m1"}`)}, nil},
		"a key of another issuer":      {[]string{federated("Allow", `"StringLike":{"oidc.fly.io/other:sub":"other:*"}`)}, nil},
		"an undecided condition":       {[]string{federated("Allow", like("acme:api:*")+`,"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}`)}, []string{"0 subject acme:api:* acme:api:any-machine?"}},
		"a variable":                   {[]string{federated("Allow", like("acme:${aws:username}:*"))}, []string{"0 subject acme:${aws:username}:* acme:x:x?"}},
		"denied":                       {[]string{federated("Allow", like("acme:*")), federated("Deny", `"StringNotLike":{"oidc.fly.io/acme:sub":"acme:web:*"}`)}, nil},
		"one neighbor denied":          {[]string{federated("Allow", like("acme:*")), federated("Deny", like("acme:another-app:*"))}, []string{"0 subject acme:* acme:x:x"}},
		"an undecided Deny": {
			[]string{federated("Allow", like("acme:api:*")), federated("Deny", `"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}`)},
			[]string{"0 subject acme:api:* acme:api:any-machine?"},
		},
		"only for another audience": {
			[]string{federated("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"custom"},"StringLike":{"oidc.fly.io/acme:sub":"acme:api:*"}`)},
			[]string{"0 subject acme:api:* acme:api:any-machine"},
		},
		"another organization": {
			[]string{strings.ReplaceAll(federated("Allow", like("acme:web:*")), "acme", "other")},
			[]string{"0 subject other:web:* other:web:any-machine"},
		},
		"an AWS account": {
			[]string{`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::210987654321:root","Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`},
			[]string{"0 principal AWS arn:aws:iam::210987654321:root ", "0 principal Service ec2.amazonaws.com "},
		},
		"an AWS account with an external ID": {
			[]string{`{"Effect":"Allow","Principal":{"AWS":"210987654321"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"x"}}}`},
			[]string{"0 principal AWS 210987654321 ?"},
		},
		"a principal that cannot":     {[]string{`{"Effect":"Allow","Principal":{"AWS":"210987654321"},"Action":["sts:TagSession","sts:AssumeRoleWithWebIdentity"]}`}, nil},
		"anyone":                      {[]string{`{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}`}, []string{"0 anyone  "}},
		"anyone under a condition":    {[]string{`{"Effect":"Allow","Principal":"*","Action":"sts:*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}`}, []string{"0 anyone  ?"}},
		"all but some":                {[]string{`{"Effect":"Allow","NotPrincipal":{"AWS":"210987654321"},"Action":"sts:AssumeRole"}`}, []string{"0 anyone  ?"}},
		"another federation":          {[]string{`{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:saml-provider/Corp"},"Action":"sts:AssumeRoleWithSAML"}`}, []string{"0 principal Federated arn:aws:iam::123456789012:saml-provider/Corp "}},
		"a principal that is denied":  {[]string{`{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`, `{"Effect":"Deny","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:*"}`}, nil},
		"session tags are not access": {[]string{strings.Replace(web, "sts:AssumeRoleWithWebIdentity", "sts:TagSession", 1)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := policyOf(t, test.statements...)
			var got []string
			for _, a := range p.Admissions(map[string][]string{acmePath: {"acme:web:*"}}) {
				line := fmt.Sprintf("%d %s %s %s", a.Statement, a.Kind, a.Name, a.Example)
				if a.Conditional {
					line += "?"
				}
				got = append(got, line)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("admitted are %q, not %q", got, test.want)
			}
		})
	}
}

// Laws in random policies: an example is let in, or may be, and is not granted; and a subject
// that is let in and not granted has an admission.
func TestAdmissionsAgreeWithEvaluation(t *testing.T) {
	t.Parallel()
	patterns := []string{"acme:*", "acme:web:*", "acme:we?:*", "acme:*-b:*", "acme:w*", "acme:web:m1", "*", "acme:a*b:*", "acme:?:*", "acme:web:*1", "a*:b:*", "other:*"}
	operators := []string{"StringLike", "StringEquals", "StringNotLike", "ForAnyValue:StringLike", "StringLikeIfExists", "StringEqualsIgnoreCase", "StringNotEquals"}
	subjects := []string{"acme:web:m1", "acme:web:m2", "acme:wea:m1", "acme:a-b:1", "acme:b:x", "acme:ab:x", "acme:w:1", "acme:zz:zz", "acme:worker-b:m1"}
	admitted := 0
	for seed := range uint64(3000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		pick := func(list []string) string { return list[rnd.IntN(len(list))] }
		var statements []string
		for range 1 + rnd.IntN(3) {
			effect := "Allow"
			if rnd.IntN(3) == 0 {
				effect = "Deny"
			}
			first, second := rnd.IntN(len(operators)), rnd.IntN(len(operators))
			condition := fmt.Sprintf(`%q:{"oidc.fly.io/acme:sub":[%q,%q]}`, operators[first], pick(patterns), pick(patterns))
			if first != second {
				condition += fmt.Sprintf(`,%q:{"oidc.fly.io/acme:sub":%q}`, operators[second], pick(patterns))
			}
			statements = append(statements, federated(effect, condition))
		}
		p := policyOf(t, statements...)
		granted := []string{pick(patterns[1:]), pick(patterns[1:])}
		list := p.Admissions(map[string][]string{acmePath: granted})
		allowed := func(subject string) bool {
			return p.Evaluate(trustpolicy.AssumeRequest{
				Action: trustpolicy.AssumeAction, Federated: trustpolicy.ProviderARN("aws", "123456789012", "acme"),
				Context: trustpolicy.WebIdentityContext(acmePath, "sts.amazonaws.com", subject),
			}).Decision == trustpolicy.Allowed && !slices.ContainsFunc(granted, func(g string) bool { return trustpolicy.Like(g, subject) })
		}
		for _, a := range list {
			admitted++
			if !allowed(a.Example) {
				t.Fatalf("seed %d: %+v is not let in by\n%s\nbeyond %q", seed, a, p.Indent(), granted)
			}
		}
		for _, subject := range subjects {
			if allowed(subject) && len(list) == 0 {
				t.Fatalf("seed %d: %s is let in by\n%s\nbeyond %q", seed, subject, p.Indent(), granted)
			}
		}
	}
	if admitted < 500 {
		t.Errorf("only %d admissions", admitted)
	}
}

// A policy that is made to be searched at length is given up, and says that it may admit.
func TestAdmissionsAreBounded(t *testing.T) {
	t.Parallel()
	// Which of the last 20 characters are an "a" takes a million states to know, and in the
	// end everything is denied.
	p := policyOf(t, federated("Allow", like("acme:*a"+strings.Repeat("?", 20)+":*")), federated("Deny", `"StringLike":{"oidc.fly.io/acme:sub":"acme:*a*:*"}`))
	if list := p.Admissions(nil); len(list) != 1 || list[0].Example != "" || !list[0].Conditional {
		t.Errorf("%+v", list)
	}
	// A policy that is larger than any role's is not searched.
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprintf("acme:app-%d:*", i))
	}
	if list := policyOf(t, federated("Allow", like(many...))).Admissions(nil); len(list) != len(many) || list[0].Example != "" || !list[0].Conditional {
		t.Errorf("%d: %+v", len(list), list[:min(len(list), 1)])
	}
}

func BenchmarkAdmissions(b *testing.B) {
	var apps, granted []string
	for i := range 55 {
		app := fmt.Sprintf("acme:app-%02d:*", i)
		if apps = append(apps, app); i > 0 {
			granted = append(granted, app)
		}
	}
	p := policyOf(b, federated("Allow", like(apps...)))
	for b.Loop() {
		if len(p.Admissions(map[string][]string{acmePath: granted})) != 1 {
			b.Fatal("not one")
		}
	}
}
