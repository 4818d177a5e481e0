package permission

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// policy returns a policy of these statements.
func policy(statements string) string {
	return `{"Version":"2012-10-17","Statement":[` + statements + `]}`
}

func mustParse(t *testing.T, document string) Policy {
	t.Helper()
	p, err := Parse([]byte(document))
	if err != nil {
		t.Fatalf("%v in %s", err, document)
	}
	return p
}

// AWS's documents (https://docs.aws.amazon.com/aws-managed-policy/latest/reference/),
// shortened where a list goes on with actions of the same kind.
const (
	administratorAccess = `{"Effect":"Allow","Action":"*","Resource":"*"}`
	powerUserAccess     = `{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"},
		{"Effect":"Allow","Action":["account:ListRegions","iam:CreateServiceLinkedRole","iam:ListRoles"],"Resource":"*"}`
	iamFullAccess = `{"Effect":"Allow","Action":["iam:*","organizations:DescribeAccount"],"Resource":"*"}`
)

// findingCases have Breadths in the order of Findings, each with "?" if it is narrowed.
var findingCases = []struct{ name, statements, want string }{
	{"AdministratorAccess", administratorAccess, "administrator"},
	{"PowerUserAccess", powerUserAccess, "power-user assume-any-role"},
	{"IAMFullAccess", iamFullAccess, "iam"},

	{"every service and action", `{"Effect":"Allow","Action":["*:*"],"Resource":["*"]}`, "administrator"},
	{"every action but of one letter", `{"Effect":"Allow","Action":"*:?*","Resource":"*"}`, "administrator"},
	{"every ARN", `{"Effect":"Allow","Action":"*","Resource":"arn:aws:*"}`, "administrator"},
	{"every ARN, by its parts", `{"Effect":"Allow","Action":"*","Resource":"arn:aws-cn:*:*:*:*"}`, "administrator"},
	{"among others", `{"Effect":"Allow","Action":["s3:GetObject","*"],"Resource":["arn:aws:s3:::uploads/*","*"]}`, "administrator"},
	{"after others", `{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"},` + administratorAccess, "administrator"},
	{"every action on one bucket", `{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::uploads/*"}`, ""},
	{"every action of S3", `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`, ""},
	{"every action that reads", `{"Effect":"Allow","Action":["*:Get*","*:List*"],"Resource":"*"}`, ""},
	{"question marks are not every action", `{"Effect":"Allow","Action":["?:?","???:????????"],"Resource":"*"}`, ""},
	{"denied, not allowed", `{"Effect":"Deny","Action":"*","Resource":"*"}`, ""},
	{"an effect that IAM does not know", `{"Effect":"allow","Action":"*","Resource":"*"}`, ""},
	{"no resources", `{"Effect":"Allow","Action":"*"}`, ""},
	{"no actions", `{"Effect":"Allow","Resource":"*"}`, ""},
	{"empty lists", `{"Effect":"Allow","Action":[],"Resource":[]}`, ""},

	{"every action of IAM, in capitals", `{"Effect":"Allow","Action":"IAM:*","Resource":"*"}`, "iam"},
	{"every action of services with i", `{"Effect":"Allow","Action":"i*:*","Resource":"*"}`, "iam"},
	{"every action of IAM, and letters", `{"Effect":"Allow","Action":"iam:?*","Resource":"*"}`, "iam"},
	{"IAM on every role", `{"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::*:role/*"}`, "iam"},
	{"IAM on everything of IAM", `{"Effect":"Allow","Action":"iam:*","Resource":"arn:*:iam::*:*"}`, "iam"},
	{"IAM on one role", `{"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::123456789012:role/web"}`, ""},
	{"IAM on every user", `{"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::*:user/*"}`, ""},
	{"some actions of IAM", `{"Effect":"Allow","Action":["iam:Get*","iam:PassRole"],"Resource":"*"}`, ""},
	{"a service that begins with iam", `{"Effect":"Allow","Action":"iamx:*","Resource":"*"}`, ""},

	{"assume any role", `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}`, "assume-any-role"},
	{"assume, in other case", `{"Effect":"Allow","Action":"STS:assumerole","Resource":"*"}`, "assume-any-role"},
	{"assume, by a pattern", `{"Effect":"Allow","Action":"sts:Assume*","Resource":"*"}`, "assume-any-role"},
	{"assume, by question marks", `{"Effect":"Allow","Action":"sts:??????Role","Resource":"*"}`, "assume-any-role"},
	{"every action of STS", `{"Effect":"Allow","Action":"sts:*","Resource":"*"}`, "assume-any-role"},
	{"every action on every role", `{"Effect":"Allow","Action":"*","Resource":"arn:aws:iam::*:role/*"}`, "iam assume-any-role"},
	{"assume every role of a partition", `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws-us-gov:iam::*:role/*"}`, "assume-any-role"},
	{"assume every role of partitions", `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws-*:iam::*:role/*"}`, "assume-any-role"},
	{"assume every role, as every ARN of IAM", `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:*:iam::*:*"}`, "assume-any-role"},
	{"assume every role of an account", `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::123456789012:role/*"}`, ""},
	{"assume a role of that name in any account", `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::*:role/deploy-*"}`, ""},
	{"a resource's case counts", `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::*:ROLE/*"}`, ""},
	{"a star that is meant as one", `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::${*}:role/*"}`, ""},
	{"assume by a token", `{"Effect":"Allow","Action":["sts:AssumeRoleWithWebIdentity","sts:GetCallerIdentity"],"Resource":"*"}`, ""},
	{"two kinds", `{"Effect":"Allow","Action":["sts:*","iam:*"],"Resource":"*"}`, "iam assume-any-role"},
	{"actions and resources of different statements", `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::123456789012:role/web"},
		{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`, ""},

	{"everything but IAM", `{"Effect":"Allow","NotAction":"IAM:*","Resource":"*"}`, "power-user assume-any-role"},
	{"everything but IAM and STS", `{"Effect":"Allow","NotAction":["iam:*","sts:*"],"Resource":"*"}`, "power-user"},
	{"everything but S3", `{"Effect":"Allow","NotAction":"s3:*","Resource":"*"}`, "power-user iam assume-any-role"},
	{"everything but an action of IAM", `{"Effect":"Allow","NotAction":"IAM:PassRole","Resource":"*"}`, "power-user iam? assume-any-role"},
	{"everything but deleting", `{"Effect":"Allow","NotAction":"*:Delete*","Resource":"*"}`, "power-user iam? assume-any-role"},
	{"everything but everything", `{"Effect":"Allow","NotAction":["s3:*","*"],"Resource":"*"}`, ""},
	{"everything but a list that is empty", `{"Effect":"Allow","NotAction":[],"Resource":"*"}`, "power-user iam assume-any-role"},
	{"everything but a list that is unreadable", `{"Effect":"Allow","NotAction":{"iam":"*"},"Resource":"*"}`, "power-user iam assume-any-role"},
	{"everything but IAM, on one bucket", `{"Effect":"Allow","NotAction":"iam:*","Resource":"arn:aws:s3:::uploads/*"}`, ""},
	{"all resources but one", `{"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::secret/*"}`, "power-user iam? assume-any-role?"},
	{"all resources but all", `{"Effect":"Allow","Action":"*","NotResource":"*"}`, ""},
	{"all resources but roles", `{"Effect":"Allow","Action":"*","NotResource":"arn:aws:iam::*:role/*"}`, "power-user"},
	{"assume all roles but one", `{"Effect":"Allow","Action":"sts:AssumeRole","NotResource":"arn:aws:iam::123456789012:role/admin"}`, "assume-any-role?"},
	{"assume no role", `{"Effect":"Allow","Action":"sts:AssumeRole","NotResource":"arn:aws:iam::*:role/*"}`, ""},
	{"all but some on all but some", `{"Effect":"Allow","NotAction":"iam:*","NotResource":"arn:aws:s3:::secret/*"}`, "power-user assume-any-role?"},

	{"with a condition", `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":true}}}`, "administrator?"},
	{"with an unreadable condition", `{"Effect":"Allow","Action":"*","Resource":"*","Condition":"no"}`, "administrator?"},
	{"with an empty condition", `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{}}`, "administrator"},
	{"with a denial", administratorAccess + `,{"Effect":"Deny","Action":"iam:*","Resource":"*"}`, "administrator?"},
	{"with and without a condition", `{"Effect":"Allow","Action":"iam:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":true}}},` + iamFullAccess, "iam"},
	{"without and with a condition", iamFullAccess + `,{"Effect":"Allow","Action":"iam:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":true}}}`, "iam"},
	{
		"an administrator with a condition, and IAM without", `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":true}}},` + iamFullAccess,
		"administrator? iam",
	},
}

func TestFindings(t *testing.T) {
	t.Parallel()
	for _, tt := range findingCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var words []string
			for _, f := range mustParse(t, policy(tt.statements)).Findings() {
				word := string(f.Breadth)
				if f.Narrowed {
					word += "?"
				}
				words = append(words, word)
			}
			if got := strings.Join(words, " "); got != tt.want {
				t.Errorf("found %q, want %q in %s", got, tt.want, tt.statements)
			}
		})
	}
}

// TestManagedFindings compares what is known by name with AWS's documents.
func TestManagedFindings(t *testing.T) {
	t.Parallel()
	for name, statements := range map[string]string{
		"AdministratorAccess": administratorAccess, "PowerUserAccess": powerUserAccess, "IAMFullAccess": iamFullAccess,
	} {
		want := mustParse(t, policy(statements)).Findings()
		for _, partition := range []string{"aws", "aws-cn", "aws-us-gov"} {
			arn := "arn:" + partition + ":iam::aws:policy/" + name
			if got := ManagedFindings(arn); len(got) == 0 || !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", arn, got, want)
			}
		}
	}
	for _, arn := range []string{
		"", "AdministratorAccess", "arn:aws:iam::aws:policy/", "arn:aws:iam::aws:policy/ReadOnlyAccess",
		"arn:aws:iam::123456789012:policy/AdministratorAccess", // a customer's policy of that name
		"arn:aws:iam::aws:policy/team/AdministratorAccess", "arn:aws:iam::aws:policy/administratoraccess",
		"aws:iam::aws:policy/AdministratorAccess",
	} {
		if got := ManagedFindings(arn); got != nil {
			t.Errorf("%s: %v", arn, got)
		}
	}
}

func TestHasDeny(t *testing.T) {
	t.Parallel()
	const allow = `{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`
	for document, want := range map[string]bool{
		policy(allow):                 false,
		`{"Statement":` + allow + `}`: false,
		policy(allow + "," + allow):   false,
		policy(administratorAccess):   false,
		policy(`{"Effect":"Allow"}`):  false,
		policy(allow + `,{"Effect":"Deny","Action":"s3:*","Resource":"*"}`): true,
		`{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`:       true,
		policy(allow + `,{"Effect":"Deny"}`):                                true,
		// In doubt it denies.
		policy(allow + `,{"Action":"s3:*","Resource":"*"}`): true,
		policy(`{"Effect":"allow"}`):                        true,
		policy(`{"effect":"Allow"}`):                        true,
		policy(`{"Effect":["Allow"]}`):                      true,
		policy(`{"Effect":null}`):                           true,
		policy(allow + `,[{"Effect":"Deny"}]`):              true,
		policy(allow + `,null`):                             true,
		policy(""):                                          true,
		`{"statement":` + allow + `}`:                       true,
		`{"Statement":"Allow"}`:                             true,
		`{}`:                                                true,
		`null`:                                              true,
		`[` + allow + `]`:                                   true,
		`"Allow"`:                                           true,
	} {
		if got := mustParse(t, document).HasDeny(); got != want {
			t.Errorf("HasDeny is %t for %s", got, document)
		}
	}
	if !(Policy{}).HasDeny() {
		t.Error("the zero Policy denies nothing")
	}
}

func TestAllows(t *testing.T) {
	t.Parallel()
	got := mustParse(t, policy(`
		{"Sid":"Read","Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::uploads/*"},
		{"Effect":"Deny","Action":"s3:*","Resource":"*"},
		{"Effect":"Allow","NotAction":"iam:*","NotResource":["arn:aws:s3:::a","arn:aws:s3:::b"],"Condition":{"Bool":{"aws:SecureTransport":"true"}}},
		{"Effect":"Allow","Action":["s3:ListBucket",7,null],"Resource":{}}
	`)).Allows()
	want := []Access{
		{Actions: []string{"s3:GetObject", "s3:PutObject"}, Resources: []string{"arn:aws:s3:::uploads/*"}},
		{NotActions: []string{"iam:*"}, NotResources: []string{"arn:aws:s3:::a", "arn:aws:s3:::b"}, Conditional: true},
		{Actions: []string{"s3:ListBucket"}, Resources: []string{}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, document := range []string{
		"", "{", policy(administratorAccess) + "{}", "\ufeff{}", "{\"Id\":\"\xff\"}",
		// Either of the two could count.
		policy(`{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}`),
		`{"Statement":[{"Effect":"Deny"}],"Statement":[` + administratorAccess + `]}`,
	} {
		p, err := Parse([]byte(document))
		if err == nil {
			t.Errorf("%q was parsed", document)
		}
		if !p.HasDeny() || p.Findings() != nil || p.Allows() != nil {
			t.Errorf("with an error the Policy is not the zero one for %q", document)
		}
	}
}

// FuzzParse: nothing panics; a policy says the same when its JSON is compact, when the
// names of its objects come in another order, and when its actions are in capitals.
func FuzzParse(f *testing.F) {
	for _, tt := range findingCases {
		f.Add([]byte(policy(tt.statements)))
		f.Add([]byte(`{"Statement":` + tt.statements + `}`))
	}
	for _, tt := range evaluateCases {
		f.Add([]byte(policy(tt.statements)))
	}
	for _, document := range []string{
		`{"Id":1e999}`, `[[`, `{"Statement":[[{"Effect":"Deny"}]]}`, `{"Statement":{"Effect":"Allow","Action":{"*":"*"},"Resource":[["*"]],"Condition":[]}}`,
	} {
		f.Add([]byte(document))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		p, err := Parse(document)
		if findings := p.Findings(); len(findings) > 4 || err != nil && len(findings) > 0 {
			t.Errorf("found %v, %v", findings, err)
		}
		if err != nil {
			return
		}
		compact := slices.Clone(jsontext.Value(document))
		if err := compact.Compact(); err != nil {
			t.Fatal(err)
		}
		for _, other := range []string{string(compact), reversed(t, compact)} {
			q := mustParse(t, other)
			if !reflect.DeepEqual(p.statements, q.statements) {
				t.Errorf("%s\nis %+v\nas %s\n%+v", document, p.statements, other, q.statements)
			}
			was, is := Evaluate([]Policy{p}, tagRequest()), Evaluate([]Policy{q}, tagRequest())
			if was != is {
				t.Errorf("%s\nis %s, as %s\n%s", document, was, other, is)
			}
		}
		for _, s := range p.statements {
			for _, list := range [][]string{s.access.Actions, s.access.NotActions} {
				for i := range list {
					list[i] = strings.Map(upper, list[i])
				}
			}
		}
		if got, want := p.Findings(), mustParse(t, string(compact)).Findings(); !slices.Equal(got, want) {
			t.Errorf("%v in capitals, %v as written: %s", got, want, document)
		}
	})
}

func upper(r rune) rune {
	if 'a' <= r && r <= 'z' {
		return r + 'A' - 'a'
	}
	return r
}

// reversed returns the JSON with the names of each object in the opposite order.
func reversed(t *testing.T, v jsontext.Value) string {
	t.Helper()
	switch v.Kind() {
	case jsontext.KindBeginArray:
		var items []jsontext.Value
		if err := json.Unmarshal(v, &items); err != nil {
			t.Fatal(err)
		}
		out := make([]string, len(items))
		for i, item := range items {
			out[i] = reversed(t, item)
		}
		return "[" + strings.Join(out, ",") + "]"
	case jsontext.KindBeginObject:
		dec := jsontext.NewDecoder(strings.NewReader(string(v)))
		var out []string
		_, err := dec.ReadToken()
		for err == nil && dec.PeekKind() != jsontext.KindEndObject {
			var name, value jsontext.Value
			if name, err = dec.ReadValue(); err == nil {
				member := string(name)
				value, err = dec.ReadValue()
				out = append(out, member+":"+reversed(t, value))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(out)
		return "{" + strings.Join(out, ",") + "}"
	}
	return string(v)
}
