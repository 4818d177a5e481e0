package render

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fly-aws/fly-aws/internal/explain"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares what was shown with a file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; run with -update and look at the difference\ngot:\n%s", file, got)
	}
}

func parse(t *testing.T, doc string) *trustpolicy.Policy {
	t.Helper()
	p, err := trustpolicy.Parse([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	rightPolicy = `{"Version":"2012-10-17","Statement":[{"Sid":"FlyAwsAcme","Effect":"Allow",
		"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/acme"},
		"Action":"sts:AssumeRoleWithWebIdentity","Condition":{
			"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},
			"StringLike":{"oidc.fly.io/acme:sub":["acme:api:*","acme:web:*"]}}}]}`
	wildcardPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
		"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/acme"},
		"Action":"sts:AssumeRoleWithWebIdentity","Condition":{
			"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":["acme:web:*","acme:db:*"]}}}]}`
	deniedPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
		"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/acme"},
		"Action":"sts:AssumeRoleWithWebIdentity","Condition":{
			"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},
			"StringLike":{"oidc.fly.io/acme:sub":"acme:web:*"}}},
		{"Sid":"NoWeb","Effect":"Deny","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/acme"},
		"Action":"sts:*","Condition":{"StringLike":{"oidc.fly.io/acme:sub":"acme:w*"}}}]}`
	undecidedPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
		"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/acme"},
		"Action":"sts:AssumeRoleWithWebIdentity","Condition":{
			"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},
			"StringNotEquals":{"oidc.fly.io/acme:app_name":"db"},
			"StringLike":{"oidc.fly.io/acme:sub":"acme:web:*"},
			"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}}]}`
	servicePolicy = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`
)

func claimsOf(sub string) flyname.Claims {
	subject, _ := flyname.ParseSubject(sub)
	return flyname.MachineClaims(subject, flyname.AudienceAWS)
}

func explainCases(t *testing.T) map[string]explain.Case {
	t.Helper()
	now := time.Date(2026, 8, 21, 12, 0, 0, 0, time.UTC)
	known := func(policy, subject string) explain.Case {
		c := explain.Case{
			Role: "web", Account: "111122223333", Now: now, Signature: explain.Verified,
			Provider: explain.Provider{Presence: explain.Present, Audiences: []string{"sts.amazonaws.com"}},
			Claims:   claimsOf(subject),
		}
		c.Claims.Expiry = now.Add(10 * time.Minute)
		if policy != "" {
			c.Policy = parse(t, policy)
		}
		if strings.Contains(policy, "FlyAwsAcme") {
			c.Managed = &explain.Managed{Org: "acme"}
		}
		return c
	}
	unknown := func(policy, subject string) explain.Case {
		return explain.Case{Policy: parse(t, policy), Claims: claimsOf(subject)}
	}
	many := known(rightPolicy, "acme:web:m1")
	many.Provider = explain.Provider{Presence: explain.Absent, Others: []string{"arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/personal"}}
	many.Claims.Expiry = now.Add(-time.Hour)
	many.Claims.Audience = []string{"https://fly.io/acme"}
	unlisted := known(rightPolicy, "acme:web:m1")
	unlisted.Provider.Audiences = []string{"vault"}
	_, err := trustpolicy.Parse([]byte("{\n  \"Version\": \"2012-10-17\",\n}"))
	sample := known("", "acme:web:m1")
	sample.PolicyError = err
	hostile := known(rightPolicy, "acme:\x1b[2J\u202e:m1")
	hostile.Claims.Audience = []string{"a'b\n\x07"}
	hostile.Role = "$(reboot)"
	open := known(strings.Replace(rightPolicy, `"oidc.fly.io/acme:sub":["acme:api:*","acme:web:*"]`, `"oidc.fly.io/acme:sub":"*"`, 1), "acme:web:m1")
	noSub := known(strings.Replace(wildcardPolicy, `,"oidc.fly.io/acme:sub":["acme:web:*","acme:db:*"]`, "", 1), "acme:web:m1")
	noAud := known(strings.Replace(rightPolicy, `"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},`, "", 1), "acme:db:m1")
	beta := known(rightPolicy, "beta:web:m1")
	beta.Provider = explain.Provider{Presence: explain.Absent}
	foreign := beta
	foreign.Claims.Issuer = "https://evil.example"
	arn := known(rightPolicy, "acme:web:m1")
	arn.WantedRole, arn.RoleARN = "arn:aws:iam::111122223333:role/web", "arn:aws:iam::111122223333:role/fly/web"
	rule := known(rightPolicy, "acme:web:m1")
	rule.TokenError, rule.TokenRule = errors.New("aud is a list, in a token of Fly's it is a string"), "aud"
	rule.Signature, rule.SignatureNote = explain.Unverified, "the issuer could not be reached"
	form := known(rightPolicy, "acme:web:m1")
	form.TokenError, form.TokenRule = errors.New("it has two parts, not three"), "parts"
	address := known(undecidedPolicy, "acme:web:m1")
	address.Context = map[string][]string{"aws:SourceIp": {"198.51.100.1"}}
	pinned := known(strings.Replace(rightPolicy, "acme:web:*", "acme:web:m2", 1), "acme:web:m1")
	unlisted.Managed = &explain.Managed{Org: "acme", App: "web"}
	own := known(strings.Replace(rightPolicy, "acme:web:*", "acme:web", 1), "acme:web:m1")
	own.Managed = &explain.Managed{Org: "acme", App: "web"}
	offline := known(servicePolicy, "acme:web:m1")
	offline.Role = ""
	expired := known(rightPolicy, "acme:web:m1")
	expired.Claims.Expiry = now.Add(-22 * time.Hour)
	claim := known(strings.Replace(rightPolicy, `"StringEquals":{`, `"StringEquals":{"oidc.fly.io/acme:app_name":"web",`, 1), "acme:web:m1")
	tags := known(rightPolicy, "acme:web:m1")
	tags.Claims.Tags = map[string]string{"team": "x"}
	return map[string]explain.Case{
		"open":      open,
		"expired":   expired,
		"claim":     claim,
		"nosub":     noSub,
		"noaud":     noAud,
		"neworg":    beta,
		"foreign":   foreign,
		"rolearn":   arn,
		"rule":      rule,
		"form":      form,
		"address":   address,
		"machine":   pinned,
		"accepted":  unknown(rightPolicy, "acme:web:cold-shape-2007"),
		"repair":    known(strings.Replace(wildcardPolicy, `["acme:web:*","acme:db:*"]`, `"acme:web:*"`, 1), "acme:web:m1"),
		"own":       own,
		"offline":   offline,
		"tags":      tags,
		"wildcard":  known(wildcardPolicy, "acme:web:cold-shape-2007"),
		"neighbor":  known(rightPolicy, "acme:web-staging:m1"),
		"denied":    known(deniedPolicy, "acme:web:m1"),
		"undecided": unknown(undecidedPolicy, "acme:web:m1"),
		"service":   known(servicePolicy, "acme:web:m1"),
		"several":   many,
		"unlisted":  unlisted,
		"sample":    sample,
		"personal":  known(rightPolicy, "personal:web:m1"),
		"hostile":   hostile,
	}
}

func TestExplanation(t *testing.T) {
	t.Parallel()
	for name, c := range explainCases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := explain.Explain(c)
			var text, color, doc bytes.Buffer
			var answer bytes.Buffer
			Explanation(&answer, e, false, Style{})
			Explanation(&text, e, true, Style{})
			if n := bytes.Count(answer.Bytes(), []byte("\n")); n > 24 {
				t.Errorf("the answer has %d lines, more than a small terminal:\n%s", n, &answer)
			}
			golden(t, "explain_"+name+".answer", answer.Bytes())
			golden(t, "explain_"+name+".txt", text.Bytes())
			if err := JSON(&doc, NewExplain(e)); err != nil {
				t.Fatal(err)
			}
			golden(t, "explain_"+name+".json", doc.Bytes())

			for _, r := range text.String() {
				if r != '\n' && !unicode.IsGraphic(r) {
					t.Errorf("%q reaches the terminal", r)
				}
			}
			for line := range strings.Lines(text.String()) {
				// A value or a line of a policy is not broken.
				if utf8.RuneCountInString(line) > columns+1 && !strings.Contains(line, `"`) && !strings.Contains(line, "arn:") {
					t.Errorf("longer than %d columns: %q", columns, line)
				}
			}
			Explanation(&color, e, true, Style{Color: true})
			plain := color.String()
			for _, code := range []string{"0", "1", "2", "31", "32", "33"} {
				plain = strings.ReplaceAll(plain, "\x1b["+code+"m", "")
			}
			if plain != text.String() {
				t.Errorf("color changes the text:\n%s", plain)
			}
		})
	}
}

// TestEveryCodeHasWords: no reason, fix or meaning is shown as its bare code.
func TestEveryCodeHasWords(t *testing.T) {
	t.Parallel()
	for _, code := range []explain.ReasonCode{
		explain.ReasonTokenForm, explain.ReasonProviderAbsent, explain.ReasonProviderPersonal, explain.ReasonClaimsPersonal,
		explain.ReasonClaimsDisagree, explain.ReasonSignature, explain.ReasonClaimMissing, explain.ReasonExpired, explain.ReasonNotYetValid,
		explain.ReasonAudienceUnlisted, explain.ReasonManyAudiences, explain.ReasonPolicyUnknown, explain.ReasonPolicySyntax,
		explain.ReasonDenied, explain.ReasonNoStatement, explain.ReasonPrincipalDiffers, explain.ReasonOrgDiffers, explain.ReasonAppSuffix,
		explain.ReasonAppDiffers, explain.ReasonMachineDiffers, explain.ReasonAudienceDiffers, explain.ReasonCaseDiffers,
		explain.ReasonVariableText, explain.ReasonKeyMissing, explain.ReasonTagSession, explain.ReasonConditionFailed, explain.ReasonPrincipalUnknown, explain.ReasonDenyUnknown,
		explain.ReasonTokenRule, explain.ReasonRoleARN,
	} {
		if got := reasonWords(explain.RefusalReason{Code: code, Statement: -1}); got == string(code) {
			t.Errorf("%s has no words", code)
		}
	}
	for _, kind := range []explain.FixKind{
		explain.FixSetup, explain.FixAdopt, explain.FixOwnRole, explain.FixRepairStatement, explain.FixAddStatement,
		explain.FixRequestAudience, explain.FixRequestToken, explain.FixRawSlug, explain.FixRoleARN,
	} {
		if got := fixWords(explain.Fix{Kind: kind, Before: &trustpolicy.Statement{}}); got == string(kind) {
			t.Errorf("%s has no words", kind)
		}
	}
}

func TestMeaning(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	for _, text := range []string{
		"An error occurred (AccessDenied) when calling the AssumeRoleWithWebIdentity operation: Not authorized to perform sts:AssumeRoleWithWebIdentity",
		"No OpenIDConnect provider found in your account for https://oidc.fly.io/acme\x1b[2J",
		"Incorrect token audience",
		"Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements",
		"OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint",
		"Missing a required claim: sub",
		"The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
		"InvalidIdentityToken: something else",
		"Token expired: current date/time 1755777600 must be before the expiration date/time 1755774000",
		"ExpiredTokenException",
		"The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
		"Request ARN is invalid",
		"IDPCommunicationError", "IDPRejectedClaim", "RegionDisabledException", "PackedPolicyTooLarge", "MalformedPolicyDocument",
		"User: arn:aws:sts::111122223333:assumed-role/web/m1 is not authorized to perform: s3:ListBucket on resource: x",
		"User: arn:aws:iam::111122223333:user/x is not authorized to perform: sts:AssumeRole on resource: x",
		"upload failed: Access Denied", "The provided token has expired.",
		"Cannot exceed quota for ACLSizePerRole: 2048", "Rate exceeded", "connection reset by peer",
	} {
		Diagnosis(&b, explain.Diagnose(text), Style{})
		b.WriteByte('\n')
	}
	golden(t, "meaning.txt", b.Bytes())

	var doc bytes.Buffer
	if err := JSON(&doc, NewExplainError(explain.Diagnose("Token expired: current date/time 1755777600 must be before the expiration date/time 1755774000"))); err != nil {
		t.Fatal(err)
	}
	golden(t, "meaning.json", doc.Bytes())
}

// TestRulesHaveWords: every rule has a title, a reason, a source and words for its findings.
func TestRulesHaveWords(t *testing.T) {
	t.Parallel()
	for _, r := range Rules() {
		if r.Title == "" || r.Why == "" || !strings.HasPrefix(r.Source, "https://") {
			t.Errorf("%s, %s: %+v", r.ID, r.Code, r)
		}
		if got := reasonWords(explain.RefusalReason{Code: explain.ReasonCode(r.Code), Statement: -1}); got == string(r.Code) {
			t.Errorf("%s, %s, has no words", r.ID, r.Code)
		}
	}
}

// TestUnknownMeaning: an unknown message has no meaning, and only an explicit request
// for one says so.
func TestUnknownMeaning(t *testing.T) {
	t.Parallel()
	m := explain.ErrorText("connection reset by peer")
	if words := MeaningWords(m); words != nil {
		t.Errorf("%q", words)
	}
	if doc := NewExplainError(explain.Diagnose("connection reset by peer")); len(doc.Text) != 1 || doc.Layer != explain.LayerUnknown || doc.Next == "" {
		t.Errorf("%q", doc.Text)
	}
}

// TestIntendedWords: a long list of a role's apps is shortened.
func TestIntendedWords(t *testing.T) {
	t.Parallel()
	e := explain.Explanation{Reasons: []explain.RefusalReason{{Code: explain.ReasonAppDiffers, Have: "acme:Web:m"}}}
	for _, app := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		e.Intended = append(e.Intended, "acme:"+app+":*")
	}
	if words := intendedWords(e); !strings.HasPrefix(words, "The role is for a, b, c, d, e and 2 more. If Web should") {
		t.Errorf("%q", words)
	}
	e.Intended = []string{"beta:web:*"}
	if words := intendedWords(e); !strings.HasPrefix(words, "The role is for beta:web:*. If acme:Web:m should") {
		t.Errorf("%q", words)
	}
}

// TestFixCommand: every value is quoted for a shell, and there is no command if a value
// is unsafe on a terminal.
func TestFixCommand(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fix  explain.Fix
		want string
	}{
		{explain.Fix{Kind: explain.FixRequestToken}, ""},
		{explain.Fix{Kind: explain.FixRawSlug}, "fly orgs replay-sources list -o personal"},
		{explain.Fix{Setup: &explain.Setup{Org: "acme", App: "web"}}, "fly-aws setup --org acme --app web"},
		{explain.Fix{Setup: &explain.Setup{Org: "acme", App: "web", Role: "r", AllMachines: true}}, "fly-aws setup --org acme --app web --role r --machine '*'"},
		{
			explain.Fix{Setup: &explain.Setup{Org: "acme", App: "web", Role: "$(reboot)", Path: "/a b/", Audience: "-a", Adopt: true}},
			"fly-aws setup --org acme --app web --role '$(reboot)' --path '/a b/' --audience '-a' --adopt",
		},
		{explain.Fix{Setup: &explain.Setup{Org: "acme", App: "web", Role: "r\x1b[2J"}}, ""},
	} {
		if got := fixCommand(tt.fix); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// TestObstacleWords: each cause has its own words for why no change is suggested.
func TestObstacleWords(t *testing.T) {
	t.Parallel()
	seen := map[string]explain.Obstacle{}
	for _, o := range []explain.Obstacle{
		explain.ObstacleNone, explain.ObstacleDenied, explain.ObstacleCondition, explain.ObstacleIssuer, explain.ObstacleSyntax, explain.ObstacleToken,
	} {
		words := obstacleWords(o)
		if other, twice := seen[words]; twice {
			t.Errorf("%q and %q have the same words", o, other)
		}
		seen[words] = o
	}
}

// TestLayersHaveWords: every layer has a title, a meaning and a next step of its own.
func TestLayersHaveWords(t *testing.T) {
	t.Parallel()
	seen := map[string]explain.Layer{}
	unknown := explain.Diagnosis{Layer: explain.LayerUnknown}
	for _, l := range []explain.Layer{
		explain.LayerStaticKeys, explain.LayerNoCredentials, explain.LayerProfile, explain.LayerRegion, explain.LayerRoleARN, explain.LayerSessionName,
		explain.LayerSessionDuration, explain.LayerTokenFile, explain.LayerSocket, explain.LayerToken, explain.LayerTokenExpired, explain.LayerIssuer,
		explain.LayerProvider, explain.LayerTrustPolicy, explain.LayerRoleChain, explain.LayerPermissions, explain.LayerBoundary, explain.LayerSessionPolicy,
		explain.LayerResourcePolicy, explain.LayerOrganizationPolicy, explain.LayerOperator, explain.LayerPolicyDocument, explain.LayerCredentialsExpired,
		explain.LayerClock, explain.LayerThrottled,
	} {
		d := explain.Diagnosis{Layer: l}
		for _, words := range []string{layerTitle(l), layerMeaning(d), layerNext(d)} {
			if other, ok := seen[words]; ok || words == layerTitle(unknown.Layer) || words == layerMeaning(unknown) || words == layerNext(unknown) {
				t.Errorf("%s has the words of %s: %s", l, other, words)
			}
			seen[words] = l
		}
		// Where another policy decides, attaching one to the role does not help.
		switch l {
		case explain.LayerBoundary, explain.LayerSessionPolicy, explain.LayerResourcePolicy, explain.LayerOrganizationPolicy, explain.LayerStaticKeys, explain.LayerRoleChain:
			if strings.Contains(layerNext(d), "--policy") {
				t.Errorf("%s is answered with a policy", l)
			}
		}
	}
	if next := layerNext(explain.Diagnosis{Layer: explain.LayerPermissions, Explicit: true}); strings.Contains(next, "--policy") {
		t.Errorf("an explicit deny is answered with %s", next)
	}
}
