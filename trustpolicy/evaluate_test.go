package trustpolicy

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

// TestDecisionDetails checks every field of one decision.
func TestDecisionDetails(t *testing.T) {
	t.Parallel()
	p := mustParse(t, `{"Version":"2012-10-17","Statement":[
		{"Sid":"Ours","Effect":"Allow","Principal":{"Federated":["x","`+provider+`"]},"Action":["sts:TagSession","sts:Assume*"],"Condition":{
			"StringEquals":{"oidc.fly.io/acme:aud":["a","b"]},
			"StringLike":{"oidc.fly.io/acme:sub":["acme:${aws:PrincipalTag/team, 'none'}:*","${*}${aws:username}"]},
			"Null":{"oidc.fly.io/acme:email":"true"}}},
		{"Effect":"Deny","NotPrincipal":"*","NotAction":"s3:*","Condition":{"DateLessThan":{"aws:CurrentTime":"2024-01-01T00:00:00Z"}}}]}`)
	got := p.Evaluate(AssumeRequest{Action: "sts:AssumeRoleWithWebIdentity", Federated: provider, Context: map[string][]string{
		"OIDC.fly.io/acme:AUD":  {"b"},
		"oidc.fly.io/acme:sub":  {"acme:web:m"},
		"aws:PrincipalTag/team": {"web"},
		"aws:username":          {},
		"aws:CurrentTime":       nil,
	}})
	want := Evaluation{Decision: Undecided, Statements: []StatementResult{
		{
			Index: 0, Sid: "Ours", Effect: Allow, Match: Matches,
			Principal: Comparison{Wanted: []string{"x", provider}, Presented: []string{provider}, Match: Matches, Reason: ReasonMatched},
			Action:    Comparison{Wanted: []string{"sts:TagSession", "sts:Assume*"}, Presented: []string{AssumeAction}, Match: Matches, Reason: ReasonMatched},
			Conditions: []Comparison{
				{"StringEquals", "oidc.fly.io/acme:aud", []string{"a", "b"}, []string{"b"}, Matches, ReasonMatched},
				{"StringLike", "oidc.fly.io/acme:sub", []string{"acme:web:*", "${*}${aws:username}"}, []string{"acme:web:m"}, Matches, ReasonMatched},
				{"Null", "oidc.fly.io/acme:email", []string{"true"}, nil, Matches, ReasonMatched},
			},
		},
		{
			Index: 1, Effect: Deny, Match: MatchUndecided,
			Principal: Comparison{Wanted: []string{"*"}, Presented: []string{provider}, Match: MatchUndecided, Reason: ReasonWildcardPrincipal},
			Action:    Comparison{Wanted: []string{"s3:*"}, Presented: []string{AssumeAction}, Match: Matches, Reason: ReasonNoMatch},
			Conditions: []Comparison{
				{"DateLessThan", "aws:CurrentTime", []string{"2024-01-01T00:00:00Z"}, nil, MatchUndecided, ReasonUnknownKey},
			},
		},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestHandBuilt evaluates policies that Parse would refuse, without a panic.
func TestHandBuilt(t *testing.T) {
	t.Parallel()
	r := AssumeRequest{Action: AssumeAction, Federated: provider}
	anyone := &Principal{Federated: []string{provider}}
	for _, tt := range []struct {
		name string
		s    Statement
		want Decision
	}{
		{"nothing", Statement{}, ImplicitlyDenied},
		{"no principal", Statement{Effect: Allow, Action: []string{"*"}}, ImplicitlyDenied},
		{"no action", Statement{Effect: Allow, Principal: anyone}, ImplicitlyDenied},
		{"unknown effect denies", Statement{Effect: "?", Principal: anyone, Action: []string{"*"}}, ExplicitlyDenied},
		{"unknown operator", Statement{Effect: Allow, Principal: anyone, Action: []string{"*"}, Conditions: []Condition{{Operator: "X", Key: "a:b"}}}, Undecided},
		{"key without prefix", Statement{Effect: Allow, Principal: anyone, Action: []string{"*"}, Conditions: []Condition{{Operator: "Bool", Key: "", Values: []string{"true"}}}}, ImplicitlyDenied},
	} {
		if got := New(tt.s).Evaluate(r).Decision; got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	whoever := mustParse(t, `{"Statement":{"Effect":"Allow","Principal":{"Federated":["arn"]},"Action":"*"}}`)
	if got := whoever.Evaluate(AssumeRequest{Action: AssumeAction}).Decision; got != ImplicitlyDenied {
		t.Errorf("a request without a provider: %s", got)
	}
}

// A claim of another issuer than Fly's may have a key; one of Fly's has none.
func TestUnknownClaims(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]Decision{"token.actions.githubusercontent.com": Undecided, "oidc.fly.io/acme": ImplicitlyDenied} {
		arn := "arn:aws:iam::111122223333:oidc-provider/" + path
		p := mustParse(t, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Federated":"`+arn+`"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"`+path+`:repository":"x"}}}}`)
		if got := p.Evaluate(AssumeRequest{Action: AssumeAction, Federated: arn, Context: WebIdentityContext(path, "a", "s")}).Decision; got != want {
			t.Errorf("%s: %s, not %s", path, got, want)
		}
	}
}

func TestWebIdentityContext(t *testing.T) {
	t.Parallel()
	got := WebIdentityContext("oidc.fly.io/acme", "", "acme:web:m")
	want := map[string][]string{"oidc.fly.io/acme:aud": {}, "oidc.fly.io/acme:oaud": {}, "oidc.fly.io/acme:sub": {"acme:web:m"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestParseNumber(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"0": "0", "-1": "-1", "+1": "1", "007": "7", "1.50": "3/2", strings.Repeat("9", 64): strings.Repeat("9", 64),
		"": "", ".": "", ".5": "", "5.": "", "1e5": "", "0x1": "", "1_0": "", "+-1": "", "--1": "", "1/2": "", "1 0": "", "1.2.3": "",
		"Inf": "", strings.Repeat("9", 65): "",
	} {
		got := ""
		if n, ok := parseNumber(s); ok {
			got = n.RatString()
		}
		if got != want {
			t.Errorf("parseNumber(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestParseDate(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"1997-07":                      "1997-07-01T00:00:00Z",
		"1997-07-16":                   "1997-07-16T00:00:00Z",
		"1997-07-16T19:20+01:00":       "1997-07-16T18:20:00Z",
		"1997-07-16T19:20:30Z":         "1997-07-16T19:20:30Z",
		"1997-07-16T19:20:30.45+01:00": "1997-07-16T18:20:30.45Z",
		"0":                            "1970-01-01T00:00:00Z",
		"-1":                           "1969-12-31T23:59:59Z",
		"869080830":                    "1997-07-16T19:20:30Z",
		"":                             "",
		"1997-07-16T19:20:30":          "",
		"1997-07-32":                   "",
		"16 July 1997":                 "",
		"869080830.5":                  "",
		"9999999999999999999":          "",
	} {
		got := ""
		if d, ok := parseDate(s); ok {
			got = d.UTC().Format(time.RFC3339Nano)
		}
		if got != want {
			t.Errorf("parseDate(%q) = %q, want %q", s, got, want)
		}
	}
}

// FuzzGlob compares glob with regexp.
func FuzzGlob(f *testing.F) {
	for _, s := range []string{"", "*", "?", "a*b?c", "**", "*a*a*a*b", "é?∞*", "a\nb*"} {
		f.Add(s, "aéb∞c")
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, p, s string) {
		p, s = strings.ToValidUTF8(p, "x"), strings.ToValidUTF8(s, "x")
		if len(p) > 200 {
			return
		}
		expression := regexp.MustCompile(`(?s)\A` + strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(p)) + `\z`)
		if got, want := glob(pattern(p), []rune(s)), expression.MatchString(s); got != want {
			t.Errorf("glob(%q, %q) = %v", p, s, got)
		}
	})
}

// TestGlobTime: the worst case takes the product of the lengths, here 10⁸ steps; a matcher
// that tries every way would not return.
func TestGlobTime(t *testing.T) {
	t.Parallel()
	if glob(pattern(strings.Repeat("*a", 1000)+"b"), []rune(strings.Repeat("a", 100000))) {
		t.Error("matched")
	}
}

// FuzzEvaluate: evaluation does not panic; it ignores order, repetition and case where
// they do not matter; and a decision that is reached with unknown keys holds for all of
// their values.
func FuzzEvaluate(f *testing.F) {
	add := func(doc string) {
		f.Add([]byte(doc), "sts.amazonaws.com", "acme:web:cold-shape-2007", "203.0.113.7")
		f.Add([]byte(doc), "", "*", "")
	}
	for _, v := range conditionVectors {
		add(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` + ours + `,"Action":"*","Condition":` + v.condition + `}]}`)
	}
	for _, v := range policyVectors {
		add(`{"Version":"2012-10-17","Statement":[` + v.statements + `]}`)
	}
	f.Fuzz(func(t *testing.T, doc []byte, aud, sub, value string) {
		p, err := Parse(doc)
		if err != nil || len(doc)+len(aud)+len(sub)+len(value) > 4096 {
			return
		}
		r := AssumeRequest{Action: AssumeAction, Federated: provider, Context: WebIdentityContext("oidc.fly.io/acme", aud, sub)}
		d := p.Evaluate(r)
		if len(d.Statements) != len(p.Statements) {
			t.Fatalf("%d results for %d statements", len(d.Statements), len(p.Statements))
		}
		for i, s := range d.Statements {
			checkResult(t, p.Statements[i], s)
		}

		q := shuffled(p)
		if !q.Equal(p) || q.Evaluate(r).Decision != d.Decision {
			t.Fatalf("%s\nand, with another order and case,\n%s\ndecide differently or are not equal", p, q)
		}

		for _, values := range [][]string{{}, {value}, {value, "x"}, {""}} {
			known := AssumeRequest{Action: r.Action, Federated: r.Federated, Context: WebIdentityContext("oidc.fly.io/acme", aud, sub)}
			for _, s := range p.Statements {
				for _, c := range s.Conditions {
					if _, stated := known.Context[c.Key]; !stated {
						if _, presence := newEvaluation(p, r).lookup(c.Key); presence == uncertain {
							known.Context[c.Key] = values
						}
					}
				}
			}
			if got := p.Evaluate(known).Decision; d.Decision != Undecided && got != d.Decision {
				t.Fatalf("%s was %s with unknown keys and is %s with %q", p, d.Decision, got, values)
			}
		}
	})
}

// checkResult requires one comparison per condition, and the match that follows from them.
func checkResult(t *testing.T, s Statement, r StatementResult) {
	t.Helper()
	checks := append([]Comparison{r.Principal, r.Action}, r.Conditions...)
	if len(r.Conditions) != len(s.Conditions) {
		t.Fatalf("%d tests for %d conditions", len(r.Conditions), len(s.Conditions))
	}
	want := Matches
	for _, c := range checks {
		if c.Reason == "" {
			t.Fatalf("no reason in %+v", c)
		}
		if c.Match == DoesNotMatch || c.Match == MatchUndecided && want == Matches {
			want = c.Match
		}
	}
	if r.Match != want {
		t.Fatalf("outcome %s of %+v", r.Match, checks)
	}
}

// shuffled returns a policy that means the same as p in another order and case.
func shuffled(p *Policy) *Policy {
	q := p.Clone()
	slices.Reverse(q.Statements)
	q.Statements = append(q.Statements, q.Statements[0].clone())
	for i := range q.Statements {
		s := &q.Statements[i]
		slices.Reverse(s.Conditions)
		for j := range s.Conditions {
			c := &s.Conditions[j]
			c.Operator, c.Key = upper(c.Operator), upper(c.Key)
			slices.Reverse(c.Values)
			c.Values = append(c.Values, c.Values...)
		}
		for j, a := range s.Action {
			s.Action[j] = upper(a)
		}
		slices.Reverse(s.Action)
	}
	return q
}

func upper(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r + 'A' - 'a'
		}
		return r
	}, s)
}

// benchmarkDocument returns a policy near the default quota: an organization with 55 apps.
func benchmarkDocument(b *testing.B) []byte {
	b.Helper()
	var apps []string
	for i := range 55 {
		apps = append(apps, "application-"+string(rune('a'+i/26))+string(rune('a'+i%26)))
	}
	s, err := Build(AppAccess{Partition: "aws", Account: "111122223333", Org: "acme", Apps: apps})
	if err != nil {
		b.Fatal(err)
	}
	return []byte(New(s).String())
}

func BenchmarkParse(b *testing.B) {
	doc := benchmarkDocument(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		if _, err := Parse(doc); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseAndEvaluate(b *testing.B) {
	doc := benchmarkDocument(b)
	r := AssumeRequest{
		Action: AssumeAction, Federated: provider,
		Context: WebIdentityContext("oidc.fly.io/acme", flyname.AudienceAWS, "acme:application-cc:cold-shape-2007"),
	}
	b.ReportAllocs()
	for b.Loop() {
		p, err := Parse(doc)
		if err != nil {
			b.Fatal(err)
		}
		if d := p.Evaluate(r); d.Decision != Allowed {
			b.Fatal(d.Decision)
		}
	}
}

func BenchmarkEqual(b *testing.B) {
	p, err := Parse(benchmarkDocument(b))
	if err != nil {
		b.Fatal(err)
	}
	q := p.Clone()
	b.ReportAllocs()
	for b.Loop() {
		if !p.Equal(q) {
			b.Fatal("not equal")
		}
	}
}

func TestLike(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		wanted, value string
		want          bool
	}{
		{"*", "", true},
		{"s3:Get*", "s3:GetObject", true},
		{"s3:Get*", "s3:getobject", false},
		{"s3:Get??ject", "s3:GetObject", true},
		{"s3:GetObject?", "s3:GetObject", false},
		{"arn:aws:s3:::*/*.txt", "arn:aws:s3:::b/a:b/c.txt", true},
		{"Object", "GetObject", false},
		{"Get", "GetObject", false},
		{"a", "*", false},
	} {
		if got := Like(tt.wanted, tt.value); got != tt.want {
			t.Errorf("Like(%q, %q) is %t", tt.wanted, tt.value, got)
		}
	}
}
