package trustfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fly-aws/fly-aws/internal/trustfile"
)

// compact is a trust policy on one line.
const compact = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` +
	`"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/acme"},` +
	`"Action":"sts:AssumeRoleWithWebIdentity",` +
	`"Condition":{"StringLike":{"oidc.fly.io/acme:sub":"acme:web:*"}}}]}`

// long is the same policy on lines of its own.
const long = `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {
        "Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/acme"
      },
      "Action": "sts:AssumeRoleWithWebIdentity",
      "Condition": {
        "StringLike": { "oidc.fly.io/acme:sub": "acme:web:*" }
      }
    }
  ]
}`

const permissions = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`

const bucket = `{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}}`

var encoded = url.PathEscape(compact)

// read returns what the table tests show of each policy.
func read(t *testing.T, file string, opts trustfile.Options) (string, trustfile.Holds, error) {
	t.Helper()
	var out strings.Builder
	holds, err := trustfile.Read(iotest.OneByteReader(strings.NewReader(file)), opts, func(f trustfile.Found) error {
		fmt.Fprintf(&out, "%d:%d %s %q", f.Line, f.Column, f.Path, f.Role)
		if f.Undecided != "" {
			fmt.Fprintf(&out, " undecided: %s", f.Undecided)
		}
		if f.Bare() {
			out.WriteString(" bare")
		}
		if f.Relaxed {
			out.WriteString(" relaxed")
		}
		out.WriteByte('\n')
		return nil
	})
	return out.String(), holds, err
}

func testdata(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFiles(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		file  string
		holds trustfile.Holds
		want  []string
	}{
		{"get-role.json", trustfile.RoleAnswer, []string{
			`9:37 $.Role.AssumeRolePolicyDocument "web"`,
		}},
		{"get-role.yaml", trustfile.RoleAnswer, []string{
			`4:5 $.Role.AssumeRolePolicyDocument "web"`,
		}},
		{"list-roles.json", trustfile.RoleAnswer, []string{
			`6:41 $.Roles[0].AssumeRolePolicyDocument "worker"`,
			`11:41 $.Roles[1].AssumeRolePolicyDocument "batch"`,
		}},
		{"account.json", trustfile.Account, []string{
			`21:41 $.RoleDetailList[0].AssumeRolePolicyDocument "web"`,
			`61:41 $.RoleDetailList[1].AssumeRolePolicyDocument "worker"`,
		}},
		{"state.json", trustfile.State, []string{
			`17:35 $.values.root_module.resources[0].values.assume_role_policy "aws_iam_role.web"`,
			`29:21 $.values.root_module.resources[1].values.json "data.aws_iam_policy_document.trust"`,
			`55:39 $.values.root_module.child_modules[0].resources[0].values.assume_role_policy "module.jobs.aws_iam_role.this[\"nightly\"]"`,
		}},
		{"plan.json", trustfile.Plan, []string{
			`47:33 $.resource_changes[0].change.after.assume_role_policy "aws_iam_role.web"`,
			`70:33 $.resource_changes[1].change.after_unknown.assume_role_policy "aws_iam_role.worker" undecided: Terraform knows it only after the apply`,
			`115:23 $.prior_state.values.root_module.resources[1].values.json "data.aws_iam_policy_document.trust"`,
		}},
		{"template.json", trustfile.Template, []string{
			`11:37 $.Resources.WebRole.Properties.AssumeRolePolicyDocument "WebRole"`,
			`32:37 $.Resources.SubRole.Properties.AssumeRolePolicyDocument "SubRole" undecided: CloudFormation knows the value of Fn::Sub only when it deploys the template`,
		}},
		{"template.yaml", trustfile.Template, []string{
			`16:9 $.Resources.WebRole.Properties.AssumeRolePolicyDocument "WebRole"`,
			`29:9 $.Resources.SubRole.Properties.AssumeRolePolicyDocument "SubRole" undecided: CloudFormation knows the value of Fn::Sub only when it deploys the template`,
			`37:33 $.Resources.RefRole.Properties.AssumeRolePolicyDocument "RefRole" undecided: CloudFormation knows the value of Ref only when it deploys the template`,
			`45:9 $.Resources.Function.Properties.AssumeRolePolicyDocument "Function"`,
			`57:33 $.Resources.SameRole.Properties.AssumeRolePolicyDocument "SameRole"`,
			`61:33 $.Resources.TextRole.Properties.AssumeRolePolicyDocument "TextRole"`,
		}},
	} {
		t.Run(test.file, func(t *testing.T) {
			t.Parallel()
			got, holds, err := read(t, testdata(t, test.file), trustfile.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Join(test.want, "\n") + "\n"; got != want {
				t.Errorf("found\n%s\nwant\n%s", got, want)
			}
			if holds != test.holds {
				t.Errorf("it holds %q, want %q", holds, test.holds)
			}
		})
	}
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	lenient := trustfile.Options{Lenient: true}
	for name, test := range map[string]struct {
		file string
		opts trustfile.Options
		want string
	}{
		"one line":       {file: compact, want: `1:1 $ "" bare`},
		"lines":          {file: "\r\n\t" + long + "\r\n", want: `2:2 $ "" bare`},
		"far down":       {file: strings.Repeat("\n", 5000) + long, want: `5001:1 $ "" bare`},
		"byte order":     {file: "\ufeff" + long, want: `1:1 $ "" bare`},
		"YAML":           {file: "\nVersion: 2012-10-17\nStatement:\n- Principal: '*'\n", want: `2:1 $ ""`},
		"a string":       {file: "\n " + strconv.Quote(compact), want: `2:2 $ ""`},
		"URL":            {file: encoded + "\n", want: `1:1 $ ""`},
		"URL, string":    {file: strconv.Quote(encoded), want: `1:1 $ ""`},
		"not Principal":  {file: `{"Statement":{"NotPrincipal":"*"}}`, want: `1:1 $ "" bare`},
		"no Principal":   {file: `{"Statement":[{"Effect":"Allow","Action":"sts:AssumeRole"}]}`, want: `1:1 $ "" bare`},
		"incorrect":      {file: `{"Statement":[{"Principal":5,"Oops":[]}],"X":1}`, want: `1:1 $ "" bare`},
		"not statements": {file: `{"Statement":"x"}`, want: `1:1 $ "" bare`},
		"intrinsic": {
			file: `{"Statement":[{"Principal":{"AWS":{"Ref":"User"}}}]}`,
			want: `1:1 $ "" undecided: CloudFormation knows the value of Ref only when it deploys the template bare`,
		},
		"role":         {file: `{"AssumeRolePolicyDocument":` + compact + `}`, want: `1:29 $.AssumeRolePolicyDocument ""`},
		"role, string": {file: `{"AssumeRolePolicyDocument": "` + encoded + `"}`, want: `1:30 $.AssumeRolePolicyDocument ""`},
		"sorted":       {file: `{"AssumeRolePolicyDocument":` + compact + `,"RoleName":"web"}`, want: `1:29 $.AssumeRolePolicyDocument "web"`},
		"no name":      {file: `{"RoleName":[5],"AssumeRolePolicyDocument":` + compact + `}`, want: `1:44 $.AssumeRolePolicyDocument ""`},
		"not a policy": {file: `{"AssumeRolePolicyDocument":[true]}`, want: `1:29 $.AssumeRolePolicyDocument ""`},
		"list":         {file: "[\n" + `{"RoleName":"wéb","AssumeRolePolicyDocument":` + compact + `}]`, want: `2:46 $[0].AssumeRolePolicyDocument "wéb"`},
		"odd name":     {file: `{"Resources":{"a-b":{"Properties":{"AssumeRolePolicyDocument":{}}}}}`, want: `1:63 $.Resources["a-b"].Properties.AssumeRolePolicyDocument "a-b"`},
		"broken string": {
			file: `{"RoleName":"web","AssumeRolePolicyDocument":"{\"Statement\":[],}"}`,
			want: `1:46 $.AssumeRolePolicyDocument "web" undecided: it is a string that is not JSON: there is a comma before the closing '}'`,
		},
		"empty string":     {file: `{"AssumeRolePolicyDocument":""}`, want: `1:29 $.AssumeRolePolicyDocument "" undecided: it is an empty string`},
		"lenient, strict":  {file: compact, opts: lenient, want: `1:1 $ "" bare`},
		"lenient, comment": {file: "// ours\n" + compact + " /* end */", opts: lenient, want: `2:1 $ "" bare relaxed`},
		"lenient, comma":   {file: `{"Statement":[{"Principal":"*",},/* " */],}`, opts: lenient, want: `1:1 $ "" bare relaxed`},
		"lenient, string":  {file: `{"Statement":{"Principal":"//,]\"/*"}}`, opts: lenient, want: `1:1 $ "" bare`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _, err := read(t, test.file, test.opts)
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want+"\n" {
				t.Errorf("found %swant  %s", got, test.want)
			}
		})
	}
}

// TestText checks that a policy is the same however it is written in the file.
func TestText(t *testing.T) {
	t.Parallel()
	want := canonical(t, []byte(compact))
	for _, file := range []string{
		compact, long, encoded, strconv.Quote(encoded), "\ufeff" + long,
		testdata(t, "get-role.json"), testdata(t, "get-role.yaml"), testdata(t, "list-roles.json"),
		testdata(t, "account.json"), testdata(t, "state.json"),
	} {
		_, err := trustfile.Read(strings.NewReader(file), trustfile.Options{}, func(f trustfile.Found) error {
			if got := canonical(t, f.Text); got != want {
				t.Errorf("%s has %s", f.Path, got)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%v in\n%s", err, file)
		}
	}
}

func canonical(t *testing.T, text []byte) string {
	t.Helper()
	v := jsontext.Value(bytes.Clone(text))
	if err := v.Canonicalize(); err != nil {
		t.Errorf("%v in %q", err, text)
	}
	return string(v)
}

// TestYAML checks how values of YAML become JSON.
func TestYAML(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"{Version: 2012-10-17}":            `{"Version":"2012-10-17"}`,
		"[1, 0123, 1.5, .5, 1e3, +1, 1_0]": `[1,"0123",1.5,".5",1e3,"+1","1_0"]`,
		"[true, False, yes, ~, null, '']":  `[true,false,"yes",null,null,""]`,
		`["1", 'true', !!str 5, "é\t"]`:    `["1","true","5","é\t"]`,
		"!Sub '${A}'":                      `{"Fn::Sub":"${A}"}`,
		"!GetAtt A.Arn":                    `{"Fn::GetAtt":"A.Arn"}`,
		"!Join [':', [a, !Ref B]]":         `{"Fn::Join":[":",["a",{"Ref":"B"}]]}`,
		"!If [C, {a: 1}, !Ref D]":          `{"Fn::If":["C",{"a":1},{"Ref":"D"}]}`,
		"{a: &x [1], b: *x, <<: {c: 1}}":   `{"a":[1],"b":[1],"<<":{"c":1}}`,
		"{a: &x b, *x : c}":                `{"a":"b","b":"c"}`,
	} {
		_, err := trustfile.Read(strings.NewReader("AssumeRolePolicyDocument: "+in), trustfile.Options{}, func(f trustfile.Found) error {
			if string(f.Text) != want {
				t.Errorf("%s is %s, want %s", in, f.Text, want)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestPosition(t *testing.T) {
	t.Parallel()
	const value = "acme:web:*"
	for name, test := range map[string]struct {
		file         string
		line, column int
	}{
		"bare":       {long, 11, 49},
		"far":        {"\n\n" + strings.Repeat(" ", 9000) + long, 13, 49},
		"mark":       {"\ufeff" + compact, 1, 232},
		"object":     {`{"é":1,"AssumeRolePolicyDocument": ` + compact + `}`, 1, 267},
		"long":       {"{\"AssumeRolePolicyDocument\":\n" + long + `}`, 12, 49},
		"string":     {"{\"AssumeRolePolicyDocument\":\n" + strconv.Quote(long) + `}`, 2, 1},
		"URL":        {"\n" + encoded, 2, 1},
		"YAML":       {testdata(t, "get-role.yaml"), 12, 35},
		"YAML, text": {"AssumeRolePolicyDocument: |\n  " + compact, 1, 27},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := trustfile.Read(strings.NewReader(test.file), trustfile.Options{}, func(f trustfile.Found) error {
				if line, column := f.Position(bytes.Index(f.Text, []byte(`"`+value))); line != test.line || column != test.column {
					t.Errorf("it is at %d:%d, want %d:%d", line, column, test.line, test.column)
				}
				if line, column := f.Position(0); line != f.Line || column != f.Column {
					t.Errorf("the policy is at %d:%d, want %d:%d", line, column, f.Line, f.Column)
				}
				f.Position(-1)
				f.Position(len(f.Text) + 1)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	lenient := trustfile.Options{Lenient: true}
	nothing := func(holds string) error { return &trustfile.NoPolicyError{Holds: trustfile.Holds(holds)} }
	syntax := func(line, column int, reason string) error {
		return &trustfile.SyntaxError{Line: line, Column: column, Reason: reason}
	}
	const permissionsPolicy = "a permissions policy: its statements have no Principal"
	for name, test := range map[string]struct {
		file string
		opts trustfile.Options
		want error
	}{
		"empty":             {file: "", want: nothing("an empty file")},
		"spaces":            {file: " \r\n\t", want: nothing("an empty file")},
		"mark":              {file: "\ufeff", want: nothing("an empty file")},
		"comments":          {file: "# nothing\n", want: nothing("an empty file")},
		"binary":            {file: "\x7fELF\x02\x01\x01", want: nothing("binary data")},
		"NUL":               {file: "{\"Statement\":[\x00]}", want: nothing("binary data")},
		"UTF-16":            {file: "\xff\xfe{\x00}\x00", want: syntax(1, 1, "the file is UTF-16, as PowerShell writes it; save it as UTF-8")},
		"UTF-16, bare":      {file: "{\x00}\x00", want: syntax(1, 1, "the file is UTF-16, as PowerShell writes it; save it as UTF-8")},
		"not UTF-8":         {file: "{\n\"é\xe9\"", want: syntax(2, 3, "invalid UTF-8")},
		"YAML, not UTF-8":   {file: "a: \xe9\n", want: syntax(1, 1, "it is neither JSON nor YAML: incomplete UTF-8 octet sequence")},
		"binary, NUL first": {file: "\x00\x01\x02", want: nothing("binary data")},
		"permissions":       {file: permissions, want: nothing(permissionsPolicy)},
		"permissions, URL":  {file: url.PathEscape(permissions), want: nothing(permissionsPolicy)},
		"permissions, text": {file: strconv.Quote(permissions), want: nothing(permissionsPolicy)},
		"get-policy":        {file: `{"PolicyVersion":{"Document":` + permissions + `}}`, want: nothing("an answer of IAM with a permissions policy")},
		"statements":        {file: `[{"Effect":"Allow","Principal":"*"}]`, want: nothing("a list of statements without a policy around it")},
		"statement":         {file: `{"Effect":"Allow","Principal":"*"}`, want: nothing("a statement without a policy around it")},
		"claims":            {file: `{"iss":"https://oidc.fly.io/acme","sub":"acme:web:m1"}`, want: nothing("the claims of a token")},
		"token":             {file: "eyJhbGciOiJub25lIn0.eyJhIjoxfQ.c2ln\n", want: nothing("a token (JWT)")},
		"HCL": {
			file: "# web\nresource \"aws_iam_role\" \"web\" {\n}\n",
			want: nothing("Terraform's language, not JSON: use what terraform show -json prints"),
		},
		"HCL, comment": {
			file: "// web\nlocals {\n}\n",
			want: nothing("Terraform's language, not JSON: use what terraform show -json prints"),
		},
		"state file": {
			file: `{"version":4,"lineage":"x","resources":[]}`,
			want: nothing("a Terraform state file, not JSON for other programs: use what terraform show -json prints"),
		},
		"state":    {file: `{"format_version":"1.0"}`, want: nothing("a Terraform state without an aws_iam_role")},
		"plan":     {file: `{"format_version":"1.2","planned_values":{}}`, want: nothing("a Terraform plan without an aws_iam_role")},
		"template": {file: `{"Resources":{"B":{"Type":"AWS::S3::Bucket"}}}`, want: nothing("a CloudFormation template without AWS::IAM::Role")},
		"YAML":     {file: "Resources:\n  B: {Type: AWS::S3::Bucket}\n", want: nothing("a CloudFormation template without AWS::IAM::Role")},
		"account":  {file: `{"UserDetailList":[],"RoleDetailList":[]}`, want: nothing("the authorization details of an account without roles")},
		"roles":    {file: `{"Roles":[]}`, want: nothing("an answer of IAM about roles without a trust policy")},
		"other":    {file: `{"a":[1,{"b":null}]}`, want: nothing("JSON of an unknown kind")},
		"string":   {file: `"hello"`, want: nothing("a string")},
		"prose":    {file: "hello", want: nothing("text that is neither JSON nor a YAML template")},
		"comma": {
			file: "{\n \"Statement\": [\n  {\"Principal\": \"*\"},\n ]\n}",
			want: syntax(3, 21, "there is a comma before the closing ']'"),
		},
		"comment":            {file: "{\"Statement\": [ // ours\n]}", want: syntax(1, 17, "JSON has no comments")},
		"comment, first":     {file: "/* ours */ {}", want: syntax(1, 1, "JSON has no comments")},
		"duplicate":          {file: "{\"Statement\":[{\"Principal\":1,\n\"Principal\":2}]}", want: syntax(2, 1, `"Principal" appears twice`)},
		"duplicate, other":   {file: `{"a":{"b":1,"b":2}}`, want: syntax(1, 13, `"b" appears twice`)},
		"duplicate, YAML":    {file: "a: 1\nb: 2\na: 3\n", want: syntax(3, 1, `"a" appears twice`)},
		"end":                {file: "{\"Statement\":\n[", want: syntax(2, 2, "the text ends in the middle of the JSON document")},
		"end, string":        {file: `{"RoleName":"we`, want: syntax(1, 16, "the text ends in the middle of the JSON document")},
		"more, wrong":        {file: "{}\n}", want: syntax(2, 1, "there is more after the end of the JSON document")},
		"policy, comma":      {file: "{\"AssumeRolePolicyDocument\":{\n\"a\":1 ,\n}}", want: syntax(2, 7, "there is a comma before the closing '}'")},
		"string, comma":      {file: ` "{\"Statement\":[],}"`, want: syntax(1, 2, "there is a comma before the closing '}'")},
		"lenient, string":    {file: `{"a":"b`, opts: lenient, want: syntax(1, 8, "the text ends in the middle of the JSON document")},
		"more":               {file: "{}\n {}", want: syntax(2, 2, "there is more after the end of the JSON document")},
		"lenient, commas":    {file: `{"a":[1,,]}`, opts: lenient, want: syntax(1, 9, "there is a comma before the closing ']'")},
		"lenient, no value":  {file: `{"a":[,]}`, opts: lenient, want: syntax(1, 7, "there is a comma before the closing ']'")},
		"lenient, empty":     {file: "// nothing", opts: lenient, want: nothing("an empty file")},
		"lenient, unclosed":  {file: `{"a":1} /* b`, opts: lenient, want: nothing("JSON of an unknown kind")},
		"bad YAML":           {file: "a: b\nc: d: e\n", want: syntax(2, 1, "it is neither JSON nor YAML: mapping values are not allowed in this context")},
		"two YAML documents": {file: "a: b\n---\nc: d\n", want: syntax(2, 1, "there is a second YAML document")},
		"bad second":         {file: "a: b\n---\nc: d: e\n", want: syntax(3, 1, "it is neither JSON nor YAML: mapping values are not allowed in this context")},
		"key":                {file: "? [a]\n: b\n", want: syntax(1, 3, "a key is not a string")},
		"laughs":             {file: laughs(12), want: syntax(3, 15, "the YAML's aliases stand for too much text")},
		"cycle":              {file: "a: &a [*a]\n", want: syntax(1, 4, "the YAML is nested too deeply")},
		"data":               {file: document("data", bucket), want: nothing("a Terraform state without an aws_iam_role")},
		"permissions data":   {file: document("data", permissions), want: nothing("a Terraform state without an aws_iam_role")},
		"broken data":        {file: document("data", "{"), want: nothing("a Terraform state without an aws_iam_role")},
		"large, not JSON":    {file: strings.Repeat("a: b\n", 1<<18), want: nothing("a file of more than 1 MiB that is not JSON")},
		"large policy": {
			file: `{"Statement":[` + strings.Repeat(`{"Principal":"*"},`, 1<<16) + `{}]}`,
			want: nothing("a trust policy, if it is one, too large for IAM"),
		},
		"large, not UTF-8": {file: "{\"a\":[" + strings.Repeat("1,\n", 1<<19) + "\"\xe9\"]}", want: syntax(524289, 2, "invalid UTF-8")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, _, err := read(t, test.file, test.opts)
			if fmt.Sprintf("%T: %v", err, err) != fmt.Sprintf("%T: %v", test.want, test.want) {
				t.Errorf("the error is %v, want %v; found %s", err, test.want, found)
			}
		})
	}
}

// TestPositionInCharacter checks that each byte of a character is at its place.
func TestPositionInCharacter(t *testing.T) {
	t.Parallel()
	_, err := trustfile.Read(strings.NewReader(`{"Statement":"é!"}`), trustfile.Options{}, func(f trustfile.Found) error {
		for i, want := range []int{15, 15, 16, 17} {
			if _, column := f.Position(14 + i); column != want {
				t.Errorf("byte %d is in column %d, want %d", 14+i, column, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// laughs returns YAML with n lists, each of nine times the one before.
func laughs(n int) string {
	var b strings.Builder
	b.WriteString("l0: &l0 [ha]\n")
	for i := 1; i < n; i++ {
		list := strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*l%d, ", i-1), 9), ", ")
		fmt.Fprintf(&b, "l%d: &l%d [%s]\n", i, i, list)
	}
	return b.String()
}

// document returns a state with a data source of a policy document.
func document(mode, json string) string {
	return fmt.Sprintf(`{"format_version":"1.0","values":{"root_module":{"resources":[{"address":"x","mode":%q,`+
		`"type":"aws_iam_policy_document","values":{"json":%q}}]}}}`, mode, json)
}

func TestErrorsPass(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	file := testdata(t, "account.json")
	calls := 0
	_, err := trustfile.Read(strings.NewReader(file), trustfile.Options{}, func(trustfile.Found) error {
		calls++
		return broken
	})
	if !errors.Is(err, broken) || calls != 1 {
		t.Errorf("the error of each is %v after %d calls", err, calls)
	}
	for _, size := range []int{10, 2 << 20} {
		r := io.MultiReader(strings.NewReader("{\"a\":\n["+strings.Repeat("1,", size/2)), iotest.ErrReader(broken))
		if _, err := trustfile.Read(r, trustfile.Options{}, nil); err != broken { //nolint:errorlint // it is the same
			t.Errorf("the error of the reader after %d bytes is %v", size, err)
		}
	}
}

// A dump is the authorization details of an account with n roles, made as it is read.
type dump struct {
	roles, next int
	buf         bytes.Buffer
}

func (d *dump) Read(p []byte) (int, error) {
	for d.buf.Len() == 0 && d.next <= d.roles {
		switch d.next {
		case 0:
			d.buf.WriteString(`{"UserDetailList": [], "RoleDetailList": [`)
		case d.roles:
			d.buf.WriteString(`{}], "Policies": []}`)
		}
		if d.next < d.roles {
			profile := strings.Repeat(`{"RoleName": "x", "AssumeRolePolicyDocument": {}},`, 20)
			fmt.Fprintf(&d.buf, "\n{\"Path\": \"/\", \"RoleName\": \"role-%d\", \"AssumeRolePolicyDocument\": %s,\n"+
				"\"InstanceProfileList\": [%s {}], \"RolePolicyList\": [{\"PolicyDocument\": %s}]},", d.next, long, profile, permissions)
		}
		d.next++
	}
	return d.buf.Read(p)
}

// TestLargeAccount reads 50 MB and looks at the heap at every thousandth role.
func TestLargeAccount(t *testing.T) { //nolint:paralleltest // it measures the heap
	if testing.Short() {
		t.Skip("it reads 50 MB")
	}
	const roles = 32_000
	input := &countingReader{r: &dump{roles: roles}}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var count int
	var peak uint64
	holds, err := trustfile.Read(input, trustfile.Options{}, func(f trustfile.Found) error {
		if want := fmt.Sprintf("role-%d", count); f.Role != want || f.Line != 2+16*count || f.Path != fmt.Sprintf("$.RoleDetailList[%d].AssumeRolePolicyDocument", count) {
			t.Fatalf("role %d is %q at line %d, path %s", count, f.Role, f.Line, f.Path)
		}
		if count++; count%1000 == 0 {
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc)
		}
		return nil
	})
	if err != nil || holds != trustfile.Account || count != roles {
		t.Errorf("%d roles of %d, %q, %v", count, roles, holds, err)
	}
	if input.n < 50e6 {
		t.Errorf("the dump has only %d bytes", input.n)
	}
	if used := int64(peak) - int64(before.HeapAlloc); used > 40<<20 {
		t.Errorf("the heap grew by %d bytes", used)
	}
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
