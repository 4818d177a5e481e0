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
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden holds the printed forms of the policies in testdata.
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
		{Issuer("acme"), "https://oidc.fly.io/acme"},
		{ProviderPath("acme"), "oidc.fly.io/acme"},
		{ProviderARN("aws-cn", "111122223333", "acme"), "arn:aws-cn:iam::111122223333:oidc-provider/oidc.fly.io/acme"},
		{Subject("acme", "web", "cold-shape-2007"), "acme:web:cold-shape-2007"},
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

// TestSidInjective tries every slug of up to six letters out of an alphabet that
// has all the special cases of Sid.
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

func TestCheckNames(t *testing.T) {
	t.Parallel()
	org, app, machine := CheckOrg, CheckApp, CheckMachine
	tests := []struct {
		check func(string) error
		name  string
		want  string // "" for no error
	}{
		{org, "acme", ""},
		{org, "acme-corp-42", ""},
		{org, "personal-2", ""},
		{org, "personal", `org name "personal" is an alias that tokens never carry; the raw slug is needed`},
		{org, "", `org name "" is empty`},
		{org, "Acme", `org name "Acme" cannot hold 'A'`},
		{org, "acme:web", `org name "acme:web" cannot hold ':'`},
		{org, "acme*", `org name "acme*" cannot hold '*'`},
		{org, "acmé", `org name "acmé" cannot hold 'é'`},
		{org, strings.Repeat("a", 129), `org name "` + strings.Repeat("a", 80) + `"… is longer than 128 characters`},
		{app, "my-app-2", ""},
		{app, "2048", ""},
		{app, "personal", ""},
		{app, strings.Repeat("a", 63), ""},
		{app, strings.Repeat("a", 64), `app name "` + strings.Repeat("a", 64) + `" is longer than 63 characters`},
		{app, "my_app", `app name "my_app" cannot hold '_'`},
		{app, "a b", `app name "a b" cannot hold ' '`},
		{app, "a\x1b[2J", `app name "a\x1b[2J" cannot hold '\x1b'`},
		{app, "web?", `app name "web?" cannot hold '?'`},
		{app, "${aws:username}", `app name "${aws:username}" cannot hold '$'`},
		{machine, "cold-shape-2007", ""},
		{machine, "Web_1.a/b", ""},
		{machine, "", `machine name "" is empty`},
		{machine, "a:b", `machine name "a:b" cannot hold ':'`},
		{machine, "*", `machine name "*" cannot hold '*'`},
		{machine, "m?", `machine name "m?" cannot hold '?'`},
		{machine, "$m", `machine name "$m" cannot hold '$'`},
		{machine, `m"`, `machine name "m\"" cannot hold '"'`},
		{machine, "m'", `machine name "m'" cannot hold '\''`},
		{machine, "a b", `machine name "a b" cannot hold ' '`},
		{machine, "a\u00a0b", `machine name "a\u00a0b" cannot hold '\u00a0'`},
		{machine, "a\x7f", `machine name "a\x7f" cannot hold '\x7f'`},
		{machine, "a\xff", `machine name "a\xff" cannot hold '�'`},
	}
	for _, tt := range tests {
		err := tt.check(tt.name)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%q: %v", tt.name, err)
			}
			continue
		}
		var n *NameError
		if !errors.As(err, &n) || n.Error() != tt.want || n.Name != tt.name {
			t.Errorf("%q: got %v, want %s", tt.name, err, tt.want)
		} else if n.Personal != (n.Kind == "org" && tt.name == "personal") {
			t.Errorf("%q: Personal = %v", tt.name, n.Personal)
		}
	}
}

func TestBuild(t *testing.T) {
	t.Parallel()
	good := Grant{Partition: "aws", Account: "111122223333", Org: "acme", Apps: []string{"web", "db", "web"}}
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
		change func(*Grant)
	}{
		{`partition "" is not one of AWS's, such as aws or aws-us-gov`, func(g *Grant) { g.Partition = "" }},
		{`partition "aws:x" is not one of AWS's, such as aws or aws-us-gov`, func(g *Grant) { g.Partition = "aws:x" }},
		{`account "1234" is not an AWS account ID of 12 digits`, func(g *Grant) { g.Account = "1234" }},
		{`account "11112222333x" is not an AWS account ID of 12 digits`, func(g *Grant) { g.Account = "11112222333x" }},
		{`org name "personal" is an alias that tokens never carry; the raw slug is needed`, func(g *Grant) { g.Org = "personal" }},
		{`app name "*" cannot hold '*'`, func(g *Grant) { g.Apps = []string{"web", "*"} }},
		{`a trust policy needs at least one app`, func(g *Grant) { g.Apps = nil }},
		{`machine name "*" cannot hold '*'`, func(g *Grant) { g.Machines = []string{"*"} }},
		{`audience "sts.*" cannot hold '*'`, func(g *Grant) { g.Audience = "sts.*" }},
		{`audience "${aws:username}" cannot hold '$'`, func(g *Grant) { g.Audience = "${aws:username}" }},
		{`audience "a\nb" cannot hold '\n'`, func(g *Grant) { g.Audience = "a\nb" }},
	} {
		g := good
		tt.change(&g)
		if _, err := Build(g); err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

// TestBuiltAccepts asks the statement of a grant itself.
func TestBuiltAccepts(t *testing.T) {
	t.Parallel()
	s, err := Build(Grant{Partition: "aws", Account: "111122223333", Org: "acme", Apps: []string{"web"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		org, aud, sub string
		want          Verdict
	}{
		{"acme", "sts.amazonaws.com", "acme:web:cold-shape-2007", Accepted},
		{"acme", "https://fly.io/acme", "acme:web:cold-shape-2007", Refused},
		{"acme", "sts.amazonaws.com", "acme:web-staging:cold-shape-2007", Refused},
		{"acme", "sts.amazonaws.com", "acme:web", Refused},
		{"acme", "sts.amazonaws.com", "other:web:cold-shape-2007", Refused},
		{"other", "sts.amazonaws.com", "acme:web:cold-shape-2007", Refused},
	} {
		r := Request{
			Action:    AssumeAction,
			Federated: ProviderARN("aws", "111122223333", tt.org),
			Context:   WebIdentityContext(ProviderPath(tt.org), tt.aud, tt.sub),
		}
		if got := New(s).Evaluate(r).Verdict; got != tt.want {
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
	if got := none.Evaluate(Request{}).Verdict; got != Refused {
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
		{"anybody and any account", `"Principal":"*"`, `"Principal":{"AWS":"*"}`, false},
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

// TestPrintGroups: an operator is printed once, wherever its conditions stand.
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
