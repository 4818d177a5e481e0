package lint_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/lint"
	"github.com/fly-aws/fly-aws/internal/trustfile"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// policies lints a file and shows its findings as "role FLY027 path line:column".
func policies(t *testing.T, text string) (out []string) {
	t.Helper()
	_, err := trustfile.Read(strings.NewReader(text), trustfile.Options{}, func(f trustfile.Found) error {
		p := lint.InFile("f.json", f)
		if p.Undecided != "" {
			out = append(out, p.Role+" undecided")
		}
		for _, f := range p.Findings {
			line := fmt.Sprintf("%s %s %s %d:%d", p.Role, f.Rule().ID, f.Path, f.Line, f.Column)
			if f.After != nil {
				line += " repaired"
			}
			out = append(out, line)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const wide = `{"Version":"2012-10-17","Statement":[
  {"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/acme"},
   "Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},
   "StringLike":{"oidc.fly.io/acme:sub":"acme:*"}}}]}`

func TestInFile(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"a document":    {wide, ` FLY027 $.Statement[0].Condition.StringLike["oidc.fly.io/acme:sub"] 4:41`},
		"another org":   {strings.Replace(wide, "acme:*", "web:*", 1), ` FLY021 $.Statement[0].Condition.StringLike["oidc.fly.io/acme:sub"] 4:41`},
		"right":         {strings.Replace(wide, "acme:*", "acme:web:*", 1), ""},
		"two roles":     {`{"Roles":[{"RoleName":"a","AssumeRolePolicyDocument":` + wide + `},` + "\n" + `{"RoleName":"b","AssumeRolePolicyDocument":"x"}]}`, "a FLY027 $.Roles[0].AssumeRolePolicyDocument.Statement[0].Condition.StringLike[\"oidc.fly.io/acme:sub\"] 4:41\nb undecided"},
		"not a policy":  {`{"Statement":[{"Effect":"Permit","Principal":"*","Action":"sts:*"}]}`, " FLY042 $ 1:25"},
		"an intrinsic":  {`{"Resources":{"R":{"Type":"AWS::IAM::Role","Properties":{"AssumeRolePolicyDocument":{"Statement":[{"Effect":"Allow","Principal":{"Federated":{"Fn::Sub":"arn"}},"Action":"sts:AssumeRole"}]}}}}}`, "R undecided"},
		"in a template": {"Resources:\n  R:\n    Type: AWS::IAM::Role\n    Properties:\n      AssumeRolePolicyDocument:\n        Statement:\n          - Effect: Allow\n            Principal: '*'\n            Action: sts:AssumeRole\n", "R FLY004 $.Resources.R.Properties.AssumeRolePolicyDocument.Statement[0].Principal 8:24"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(policies(t, tt.text), "\n"); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestLive(t *testing.T) {
	t.Parallel()
	policy, err := trustpolicy.Parse([]byte(wide))
	if err != nil {
		t.Fatal(err)
	}
	p := lint.Live("web", policy, trustpolicy.Expected{Registered: []string{}})
	if len(p.Findings) != 2 || p.Findings[1].Path != `$.Statement[0].Condition.StringLike["oidc.fly.io/acme:sub"]` || p.Findings[1].Line != 0 || len(p.Admissions) != 1 {
		t.Errorf("%+v", p)
	}
	if p := lint.Live("web", nil, trustpolicy.Expected{}); p.Undecided == "" {
		t.Errorf("%+v", p)
	}
}

// TestFix: the repaired statements change, and nothing else.
// TestTooLarge: a policy that no role can have is judged, and not repaired.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	const wrong = `{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/acme"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":"acme:web:*"}}}`
	for statements, repairs := range map[int]int{1: 1, 100: 0} {
		text := []byte(`{"Version":"2012-10-17","Statement":[` + strings.Repeat(wrong+",", statements-1) + wrong + `]}`)
		if _, got := lint.Fix(text); got != repairs {
			t.Errorf("%d repairs in %d bytes, not %d", got, len(text), repairs)
		}
		policy, err := trustpolicy.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := lint.Live("r", policy, trustpolicy.Expected{}).Findings; len(got) < statements {
			t.Errorf("%d findings in %d statements", len(got), statements)
		}
	}
}

func TestFix(t *testing.T) {
	t.Parallel()
	const other = "\n\t{\"Effect\":\"Allow\",   \"Principal\":{\"Service\":\"ec2.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}"
	text := strings.Replace(wide, "acme:*", "Acme:web:*", 1)
	text = strings.Replace(text, "\n  {", other+",\n  {", 1)
	fixed, n := lint.Fix([]byte(text))
	if n != 1 || !strings.Contains(string(fixed), other+",\n  {\n    \"Effect\": \"Allow\",") || !strings.Contains(string(fixed), `"acme:web:*"`) {
		t.Errorf("%d repairs:\n%s", n, fixed)
	}
	if again, n := lint.Fix(fixed); n != 0 || !bytes.Equal(again, fixed) {
		t.Errorf("%d more repairs:\n%s", n, again)
	}
	if same, n := lint.Fix([]byte(wide)); n != 0 || string(same) != wide {
		t.Errorf("an uncertain repair was made:\n%s", same)
	}
	if same, n := lint.Fix([]byte("{")); n != 0 || string(same) != "{" {
		t.Errorf("%s", same)
	}
}
