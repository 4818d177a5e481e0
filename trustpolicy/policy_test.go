package trustpolicy

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden compares the printed forms of the policies in testdata.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, name := range goldenInputs(t) {
		base := strings.TrimSuffix(name, ".in.json")
		t.Run(base, func(t *testing.T) {
			t.Parallel()
			doc, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			p := mustParse(t, string(doc))
			golden(t, base+".compact.json", p.String()+"\n")
			golden(t, base+".indent.json", p.Indent()+"\n")
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ got, want string }{
		{flyname.Issuer("acme"), "https://oidc.fly.io/acme"},
		{flyname.IssuerPath("acme"), "oidc.fly.io/acme"},
		{ProviderARN("aws-cn", "111122223333", "acme"), "arn:aws-cn:iam::111122223333:oidc-provider/oidc.fly.io/acme"},
		{flyname.Subject{Org: "acme", App: "web", Machine: "cold-shape-2007"}.String(), "acme:web:cold-shape-2007"},
		{Sid("acme"), "FlyAwsAcme"},
		{Sid("a-b"), "FlyAwsAB"},
		{Sid("acme-corp"), "FlyAwsAcmeCorp"},
		{Sid("acme-2"), "FlyAwsAcmeZ2"},
		{Sid("2-acme"), "FlyAwsZ2Acme"},
		{Sid("a-z"), "FlyAwsAZz"},
		{Sid("zebra"), "FlyAwsZzebra"},
		{Sid("a--b-"), "FlyAwsAZBZ"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// TestSidInjective tries every slug of up to six letters from an alphabet with all of
// Sid's special cases.
func TestSidInjective(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	slugs := []string{""}
	for range 6 {
		var longer []string
		for _, s := range slugs {
			for _, c := range "az-1" {
				longer = append(longer, s+string(c))
			}
		}
		for _, s := range longer {
			sid := Sid(s)
			if other, ok := seen[sid]; ok {
				t.Fatalf("%q and %q share the Sid %q", s, other, sid)
			}
			if strings.ContainsFunc(sid, func(r rune) bool { return !isAlphanumeric(r) }) {
				t.Fatalf("Sid(%q) = %q", s, sid)
			}
			seen[sid] = s
		}
		slugs = longer
	}
}

func TestBuild(t *testing.T) {
	t.Parallel()
	good := AppAccess{Partition: "aws", Account: "111122223333", Org: "acme", Apps: []string{"web", "db", "web"}}
	s, err := Build(good)
	if err != nil {
		t.Fatal(err)
	}
	want := mustParse(t, `{"Version":"2012-10-17","Statement":{"Sid":"FlyAwsAcme","Effect":"Allow",
		"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/acme"},
		"Action":"sts:AssumeRoleWithWebIdentity","Condition":{
		"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},
		"StringLike":{"oidc.fly.io/acme:sub":["acme:db:*","acme:web:*"]}}}}`)
	if got := New(s); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}

	good.Machines, good.Audience = []string{"m2", "m1"}, "https://fly.io/acme!~"
	if s, err = Build(good); err != nil {
		t.Fatal(err)
	}
	if got, want := s.Conditions[0].Values, []string{"https://fly.io/acme!~"}; !slices.Equal(got, want) {
		t.Errorf("aud %q, want %q", got, want)
	}
	if got, want := s.Conditions[1].Values, []string{"acme:db:m1", "acme:db:m2", "acme:web:m1", "acme:web:m2"}; !slices.Equal(got, want) {
		t.Errorf("sub %q, want %q", got, want)
	}

	for _, tt := range []struct {
		want   string
		change func(*AppAccess)
	}{
		{`partition "" is not an AWS partition such as aws or aws-us-gov`, func(g *AppAccess) { g.Partition = "" }},
		{`partition "aws:x" is not an AWS partition such as aws or aws-us-gov`, func(g *AppAccess) { g.Partition = "aws:x" }},
		{`account "1234" is not an AWS account ID of 12 digits`, func(g *AppAccess) { g.Account = "1234" }},
		{`account "11112222333x" is not an AWS account ID of 12 digits`, func(g *AppAccess) { g.Account = "11112222333x" }},
		{`org name "personal" is an alias that tokens do not carry; the raw slug is needed`, func(g *AppAccess) { g.Org = "personal" }},
		{`app name "*" would match every app of the organization`, func(g *AppAccess) { g.Apps = []string{"web", "*"} }},
		{`a trust policy needs at least one app`, func(g *AppAccess) { g.Apps = nil }},
		{`machine name "*" cannot hold '*'`, func(g *AppAccess) { g.Machines = []string{"*"} }},
		{`audience "sts.*" cannot hold '*'`, func(g *AppAccess) { g.Audience = "sts.*" }},
		{`audience "${aws:username}" cannot hold '$'`, func(g *AppAccess) { g.Audience = "${aws:username}" }},
		{`audience "a\nb" cannot hold '\n'`, func(g *AppAccess) { g.Audience = "a\nb" }},
	} {
		g := good
		tt.change(&g)
		if _, err := Build(g); err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

// TestBuiltAllows evaluates a policy from Build.
func TestBuiltAllows(t *testing.T) {
	t.Parallel()
	s, err := Build(AppAccess{Partition: "aws", Account: "111122223333", Org: "acme", Apps: []string{"web"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		org, aud, sub string
		want          Decision
	}{
		{"acme", "sts.amazonaws.com", "acme:web:cold-shape-2007", Allowed},
		{"acme", "https://fly.io/acme", "acme:web:cold-shape-2007", ImplicitlyDenied},
		{"acme", "sts.amazonaws.com", "acme:web-staging:cold-shape-2007", ImplicitlyDenied},
		{"acme", "sts.amazonaws.com", "acme:web", ImplicitlyDenied},
		{"acme", "sts.amazonaws.com", "other:web:cold-shape-2007", ImplicitlyDenied},
		{"other", "sts.amazonaws.com", "acme:web:cold-shape-2007", ImplicitlyDenied},
	} {
		r := AssumeRequest{
			Action:    AssumeAction,
			Federated: ProviderARN("aws", "111122223333", tt.org),
			Context:   WebIdentityContext(flyname.IssuerPath(tt.org), tt.aud, tt.sub),
		}
		if got := New(s).Evaluate(r).Decision; got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	foreign := Statement{Sid: "Theirs", Effect: Allow, Principal: &Principal{Service: []string{"ec2.amazonaws.com"}}, Action: []string{"sts:AssumeRole"}}
	nameless := Statement{Effect: Deny, Principal: &Principal{Any: true}, NotAction: []string{"sts:*"}}
	ours := Statement{Sid: "Ours", Effect: Allow, Principal: &Principal{Federated: []string{"x"}}, Action: []string{AssumeAction}}
	edited := ours
	edited.Action = []string{AssumeAction, TagSessionAction}

	p := &Policy{Version: Version2008, ID: "id", Statements: []Statement{ours, foreign, nameless}}
	before := p.String()
	q := p.Merge(edited, nameless)
	if want := (&Policy{Version: Version2008, ID: "id", Statements: []Statement{edited, foreign, nameless, nameless}}); !reflect.DeepEqual(q, want) {
		t.Errorf("got  %s\nwant %s", q, want)
	}
	if got := q.Without("Ours").Without("Absent").Without(""); !reflect.DeepEqual(got.Statements, []Statement{foreign, nameless, nameless}) {
		t.Errorf("without ours: %s", got)
	}
	q.Statements[1].Principal.Service[0] = "changed"
	if p.String() != before {
		t.Errorf("a change of the merged policy reached the original: %s", p)
	}
	if s, ok := p.Statement("Theirs"); !ok || !s.Equal(foreign) {
		t.Errorf("Statement = %v, %v", s, ok)
	}
	if s, ok := p.Statement("Ours"); !ok || !s.Equal(ours) {
		t.Errorf("Statement = %v, %v", s, ok)
	}
	if _, ok := p.Statement(""); ok {
		t.Error("a statement was found without a Sid")
	}

	var none *Policy
	if got := none.Merge(ours); !got.Equal(New(ours)) || got.Version != Version2012 {
		t.Errorf("merged into nothing: %s", got)
	}
	if _, ok := none.Statement("Ours"); ok || none.Without("Ours") != nil || none.Clone() != nil {
		t.Error("a nil policy has something")
	}
	if got := none.Evaluate(AssumeRequest{}).Decision; got != ImplicitlyDenied {
		t.Errorf("a nil policy: %s", got)
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	base := `{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Allow","Principal":{"Federated":["p","q"]},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{"StringLike":{"x:sub":["b","a"]},"StringEquals":{"x:aud":"c"}}},{"Effect":"Deny","Principal":"*","Action":"*"}]}`
	tests := []struct {
		name, old, new string // a replacement in base
		equal          bool
	}{
		{"itself", "", "", true},
		{"order of principals", `["p","q"]`, `["q","p","q"]`, true},
		{"case of principals", `["p","q"]`, `["P","q"]`, false},
		{"order and case of actions", `["sts:AssumeRole","sts:TagSession"]`, `["STS:tagsession","sts:AssumeRole"]`, true},
		{"an action less", `["sts:AssumeRole","sts:TagSession"]`, `["sts:AssumeRole"]`, false},
		{"action and not-action", `"Action":["sts`, `"NotAction":["sts`, false},
		{"order of values", `["b","a"]`, `["a","b","b"]`, true},
		{"case of values", `["b","a"]`, `["B","a"]`, false},
		{"a value less", `["b","a"]`, `"a"`, false},
		{"case of operator and key", `"StringLike":{"x:sub"`, `"stringlike":{"X:SUB"`, true},
		{"another operator", `"StringLike"`, `"StringLikeIfExists"`, false},
		{"order of operators", `"StringLike":{"x:sub":["b","a"]},"StringEquals":{"x:aud":"c"}`, `"StringEquals":{"x:aud":"c"},"StringLike":{"x:sub":["b","a"]}`, true},
		{"a condition less", `,"StringEquals":{"x:aud":"c"}`, ``, false},
		{"value and key changed places", `{"x:aud":"c"}`, `{"x:c":"aud"}`, false},
		{"sid", `"Sid":"A",`, ``, false},
		{"effect", `"Effect":"Deny"`, `"Effect":"Allow"`, false},
		{"a statement twice", `{"Effect":"Deny","Principal":"*","Action":"*"}`, `{"Effect":"Deny","Principal":"*","Action":"*"},{"Action":["*"],"Effect":"Deny","Principal":"*"}`, true},
		{"anyone and any account", `"Principal":"*"`, `"Principal":{"AWS":"*"}`, false},
		{"principal and not-principal", `"Principal":"*"`, `"NotPrincipal":"*"`, false},
		{"an empty kind of principal", `{"Federated":["p","q"]}`, `{"Federated":["p","q"],"AWS":[]}`, true},
		{"version", "2012-10-17", "2008-10-17", false},
		{"id", `"Version"`, `"Id":"x","Version"`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(base, tt.old) {
				t.Fatalf("%s is not in the base", tt.old)
			}
			p, q := mustParse(t, base), mustParse(t, strings.Replace(base, tt.old, tt.new, 1))
			printed := p.String()
			if p.Equal(q) != tt.equal || q.Equal(p) != tt.equal {
				t.Errorf("Equal = %v\n%s\n%s", !tt.equal, p, q)
			}
			if p.String() != printed {
				t.Errorf("comparing changed %s", printed)
			}
		})
	}
	p := mustParse(t, base)
	q := p.Clone()
	slices.Reverse(q.Statements)
	if !p.Equal(q) {
		t.Error("the order of statements counts")
	}
	if old, none := mustParse(t, strings.Replace(base, "2012-10-17", "2008-10-17", 1)), mustParse(t, strings.Replace(base, `"Version":"2012-10-17",`, "", 1)); !old.Equal(none) {
		t.Error("an absent version is not the old one")
	}
	if p.Equal(nil) || (*Policy)(nil).Equal(p) || !(*Policy)(nil).Equal(nil) {
		t.Error("comparison with nil")
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	p := mustParse(t, "\n"+strings.ReplaceAll(minimal, ":{", " :\t{\n  "))
	if got := p.Size(); got != len(minimal) {
		t.Errorf("Size = %d, want %d", got, len(minimal))
	}
	p.ID = "é ∞"
	if got, want := p.Size(), len(minimal)+len(`"Id":"e \u221e",`); got != want {
		t.Errorf("Size = %d, want %d", got, want)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	type holder struct {
		Trust *Policy `json:"trust"`
	}
	in := holder{mustParse(t, minimal)}
	b, err := json.Marshal(in)
	if err != nil || string(b) != `{"trust":`+minimal+`}` {
		t.Fatalf("Marshal = %s, %v", b, err)
	}
	var out holder
	if err := json.Unmarshal(b, &out); err != nil || !reflect.DeepEqual(in, out) {
		t.Fatalf("Unmarshal = %s, %v", out.Trust, err)
	}
	if err := json.Unmarshal([]byte(`{"trust":null}`), &out); err != nil || out.Trust != nil {
		t.Errorf("null gives %v, %v", out.Trust, err)
	}
	var s *SyntaxError
	if err := json.Unmarshal([]byte(`{"trust":{"Statement":[]}}`), &out); !errors.As(err, &s) {
		t.Errorf("Unmarshal of a bad policy = %v", err)
	}
	for _, bad := range []*Policy{{}, New(), New(Statement{Effect: "Perhaps"}), New(Statement{
		Effect: Allow, Principal: &Principal{Any: true}, Action: []string{"*"},
		Conditions: []Condition{{"Bool", "a:b", []string{"true"}}, {"Bool", "a:b", []string{"false"}}},
	})} {
		if b, err := json.Marshal(bad); err == nil {
			t.Errorf("Marshal gave %s, which cannot be read", b)
		}
	}
}

// TestPrintGroups: an operator is printed once, even if its conditions are apart.
func TestPrintGroups(t *testing.T) {
	t.Parallel()
	p := New(Statement{Effect: Allow, Principal: &Principal{Any: true}, Action: []string{"*"}, Conditions: []Condition{
		{"StringLike", "a:1", []string{"x"}}, {"Bool", "a:2", []string{"true"}}, {"StringLike", "a:3", []string{"y", "z"}},
	}})
	const want = `"Condition":{"StringLike":{"a:1":"x","a:3":["y","z"]},"Bool":{"a:2":"true"}}`
	if !strings.Contains(p.String(), want) || !mustParse(t, p.String()).Equal(p) {
		t.Errorf("got %s", p)
	}
}
