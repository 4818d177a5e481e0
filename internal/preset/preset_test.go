package preset_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/preset"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var frankfurt = preset.Scope{Partition: "aws", Account: "111122223333", Region: "eu-central-1"}

// answers holds valid answers by preset: names and ARNs.
var answers = map[string][]string{
	"s3-read":        {"my-bucket", "my-bucket/uploads", "s3://my-bucket/a/b/", "arn:aws:s3:::my-bucket/uploads"},
	"s3-write":       {"my-bucket", "my-bucket/uploads"},
	"sqs-send":       {"jobs", "jobs.fifo", "arn:aws:sqs:us-east-1:444455556666:jobs"},
	"dynamodb-table": {"orders", "arn:aws:dynamodb:us-east-1:111122223333:table/orders"},
	"bedrock-invoke": {
		"anthropic.claude-3-haiku-20240307-v1:0", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
		"arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.amazon.nova-lite-v1:0",
	},
	"ses-send":    {"example.com", "mail@example.com", "arn:aws:ses:eu-west-1:111122223333:identity/example.com"},
	"secret-read": {"prod/database", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/database-a1B2c3"},
	"ecr-pull":    {"team/web", "arn:aws:ecr:eu-west-1:111122223333:repository/team/web"},
	"sqs-receive": {"jobs.fifo", "arn:aws:sqs:us-east-1:444455556666:jobs"},
	"sns-publish": {"signups", "signups.fifo", "arn:aws:sns:us-east-1:444455556666:signups"},
	"ssm-read": {
		"database", "/prod/database", "/prod/web/*", "arn:aws:ssm:eu-west-1:111122223333:parameter/prod/web",
		"arn:aws:ssm:eu-west-1:111122223333:parameter/prod/web/*",
	},
	"kms-decrypt": {
		"1234abcd-12ab-34cd-56ef-1234567890ab", "mrk-1234abcd12ab34cd56ef1234567890ab", "alias/web",
		"arn:aws:kms:us-west-2:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab", "arn:aws:kms:us-west-2:111122223333:alias/team/web",
	},
	"kms-encrypt":   {"1234abcd-12ab-34cd-56ef-1234567890ab", "alias/web"},
	"lambda-invoke": {"thumbnails", "thumbnails:live", "arn:aws:lambda:us-west-2:111122223333:function:thumbnails", "arn:aws:lambda:us-west-2:111122223333:function:thumbnails:42"},
	"cloudfront-invalidate": {
		"EDFDVBD6EXAMPLE", "arn:aws:cloudfront::111122223333:distribution/EDFDVBD6EXAMPLE",
	},
	"logs-write": {
		"/fly/web", "web#1", "arn:aws:logs:us-west-2:111122223333:log-group:/fly/web", "arn:aws:logs:us-west-2:111122223333:log-group:/fly/web:*",
	},
	"assume-role": {"deploy", "team/deploy", "arn:aws:iam::444455556666:role/team/deploy"},
}

type document struct {
	Statement []struct {
		Sid, Effect      string
		Action, Resource values
		Condition        json.RawMessage
	}
}

// values reads a string or a list of strings.
type values []string

func (v *values) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*v = values{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(v))
}

// wild are the resources that need a wildcard, and why.
var wild = map[string]*regexp.Regexp{
	"s3:GetObject":                  regexp.MustCompile(`^arn:aws:s3:::my-bucket(/[a-z/]+)?/\*$`), // the objects below the prefix
	"dynamodb:Query":                regexp.MustCompile(`:table/orders/index/\*$`),                // the table's own indexes
	"bedrock:InvokeModel":           regexp.MustCompile(`^arn:aws:bedrock:\*::foundation-model/`), // regions that AWS chooses
	"secretsmanager:GetSecretValue": regexp.MustCompile(`:secret:prod/database-\?{6}$`),           // random characters
	"ecr:GetAuthorizationToken":     regexp.MustCompile(`^\*$`),                                   // no resource type at all
	"ssm:GetParameter":              regexp.MustCompile(`:parameter/prod/web/\*$`),                // the answer
	"ssm:GetParametersByPath":       regexp.MustCompile(`:parameter/prod/web/\*$`),                // the answer
	"kms:Decrypt":                   regexp.MustCompile(`:key/\*$`),                               // limited by a condition
	"lambda:InvokeFunction":         regexp.MustCompile(`:function:thumbnails:\*$`),               // the function's own versions
	"logs:CreateLogStream":          regexp.MustCompile(`:log-group:[/a-z]+(#1)?:\*$`),            // the group's own streams
}

// TestPolicies makes the policy for every answer, checks it like any inline policy, and
// tests that it has least privilege.
func TestPolicies(t *testing.T) {
	t.Parallel()
	var golden strings.Builder
	for _, p := range preset.All() {
		if len(answers[p.Name]) == 0 {
			t.Errorf("no answers are tried for the preset %s", p.Name)
		}
		if err := p.Check(p.Example); err != nil {
			t.Errorf("%s: its own example: %v", p.Name, err)
		}
		for _, answer := range answers[p.Name] {
			name, doc, err := p.Policy(frankfurt, answer)
			if err != nil {
				t.Errorf("%s=%s: %v", p.Name, answer, err)
				continue
			}
			compact, err := trustpolicy.CheckIdentityPolicy(doc)
			if err != nil || string(compact) != string(doc) {
				t.Errorf("%s=%s: CheckIdentityPolicy gives %s, %v for %s", p.Name, answer, compact, err, doc)
			}
			if !regexp.MustCompile(`^[\w+=,.@-]{1,128}$`).MatchString(name) {
				t.Errorf("%s=%s: %q is not a valid name for an inline policy", p.Name, answer, name)
			}
			var d document
			if err := json.Unmarshal(doc, &d); err != nil {
				t.Fatal(err)
			}
			for _, s := range d.Statement {
				if s.Effect != "Allow" || len(s.Action) == 0 || len(s.Resource) == 0 {
					t.Errorf("%s=%s: odd statement %+v", p.Name, answer, s)
				}
				for _, action := range s.Action {
					if strings.ContainsAny(action, "*?") {
						t.Errorf("%s=%s: the action %s has a wildcard", p.Name, answer, action)
					}
				}
				for _, resource := range s.Resource {
					if allowed := wild[s.Action[0]]; strings.ContainsAny(resource, "*?") && (allowed == nil || !allowed.MatchString(resource)) {
						t.Errorf("%s=%s: %v on %s, which has a wildcard", p.Name, answer, s.Action, resource)
					}
					if (strings.Contains(resource, "bedrock:*") || strings.HasSuffix(resource, ":key/*")) && s.Condition == nil {
						t.Errorf("%s=%s: all of %s without a condition", p.Name, answer, resource)
					}
				}
			}
			golden.WriteString(p.Name + "=" + answer + "\n  " + name + "\n")
			var text bytes.Buffer
			if err := json.Indent(&text, doc, "  ", "  "); err != nil {
				t.Fatal(err)
			}
			golden.WriteString("  " + text.String() + "\n")
		}
	}
	file := filepath.Join("testdata", "policies.golden")
	if *update {
		if err := os.WriteFile(file, []byte(golden.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if golden.String() != string(want) {
		t.Errorf("the policies differ from %s; look at them with -update", file)
	}
}

// hostile are answers that no preset may accept.
var hostile = []string{
	"", " ", "*", "?", "a*", "my-bucket/*", "orders/index/*", "${aws:username}", "my-bucket/${aws:userid}",
	`x"],"Resource":["*`, "a\nb", "\x1b[31mred", "jobs\x00", "na\u202eme", "naïve", "\xff\xfe", "a b",
	"arn:", "arn:aws", "arn:aws:s3", "arn:aws:iam::111122223333:user/x", "arn:aws:s3:::*", "arn:aws:s3:::my-bucket/*",
	"arn:*:s3:::my-bucket", "arn:aws:sqs:*:111122223333:jobs", "arn:aws:sqs:eu-west-1:*:jobs", "arn:aws:sqs:eu-west-1:111122223333:*",
	"arn:aws:secretsmanager:eu-west-1:111122223333:secret:*", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:name-??????",
	"arn:aws:secretsmanager:eu-west-1:111122223333:secret:a-b", "arn:aws:ecr:eu-west-1:111122223333:repository/*",
	"arn:aws:bedrock:eu-west-1::foundation-model/*", "arn:aws:dynamodb:eu-west-1:111122223333:table/*",
	"arn:aws:ses:eu-west-1:111122223333:identity/*",
	"arn:aws:iam::111122223333:role/*", "arn:aws:iam::*:role/deploy", "arn:aws:iam::111122223333:role/team/*", "arn:aws:iam:eu-west-1:111122223333:role/x",
	"arn:aws:sns:eu-west-1:111122223333:*", "arn:aws:lambda:eu-west-1:111122223333:function:*",
	"arn:aws:lambda:eu-west-1:111122223333:function:thumbnails:*", "arn:aws:cloudfront::111122223333:distribution/*",
	"arn:aws:kms:eu-west-1:111122223333:key/*", "arn:aws:kms:eu-west-1:111122223333:alias/*", "alias/*", "alias/web*",
	"/*", "//*", "*/*", "/prod*", "/prod/*/web", "/prod/**", "/prod/w?b/*", "arn:aws:ssm:eu-west-1:111122223333:parameter/*",
	"arn:aws:ssm:eu-west-1:111122223333:*", "*:*", "arn:aws:logs:eu-west-1:111122223333:log-group:*",
	"arn:aws:logs:eu-west-1:111122223333:log-group:*:*", "arn:aws:logs:eu-west-1:111122223333:log-group:/fly/web:log-stream:*", strings.Repeat("a", 2000),
}

func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	for _, p := range preset.All() {
		for _, answer := range hostile {
			err := p.Check(answer)
			var invalid *preset.AnswerError
			if !errors.As(err, &invalid) {
				t.Errorf("%s takes the answer %q", p.Name, answer)
				continue
			}
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x202e }) {
				t.Errorf("the error of %s for %q has control characters", p.Name, answer)
			}
			if _, _, err := p.Policy(frankfurt, answer); err == nil {
				t.Errorf("%s makes a policy for %q", p.Name, answer)
			}
		}
	}
}

func TestAnswersOfOnePreset(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ preset, answer, reason string }{
		{"s3-read", "ab", "3 to 63 characters"},
		{"s3-read", "My-Bucket", "no capital letters"},
		{"s3-read", "my..bucket", "two dots"},
		{"s3-read", "my-bucket//x", "empty part"},
		{"sqs-send", "jobs.fifo.fifo", "letters, digits"},
		{"sqs-send", "https://sqs.eu-west-1.amazonaws.com/111122223333/jobs", "letters, digits"},
		{"ses-send", "localhost", "neither a domain nor an address"},
		{"ses-send", "@example.com", "neither a domain nor an address"},
		{"ses-send", "a@b@example.com", "neither a domain nor an address"},
		{"ecr-pull", "Team/web", "no capital letters"},
		{"dynamodb-table", "arn:aws:sqs:eu-west-1:111122223333:jobs", "the ARN of a table looks like"},
		{"dynamodb-table", "arn:aws:dynamodb:::table/orders", "lacks the region"},
		{"s3-read", "arn:aws:s3:eu-west-1:111122223333:my-bucket", "no region and no account"},
		{"s3-read", "arn:evil:s3:::my-bucket", "unknown partition"},
		{"ssm-read", "prod/database", "begins with a slash"},
		{"ssm-read", "/prod/", "/prod/web/*"},
		{"kms-decrypt", "my-key", "its ID, its ARN or an alias"},
		{"kms-decrypt", "alias/aws/ssm", "AWS manages"},
		{"cloudfront-invalidate", "d111111abcdef8.cloudfront.net", "the ID of a distribution"},
		{"cloudfront-invalidate", "arn:aws:cloudfront:us-east-1:111122223333:distribution/EDFDVBD6EXAMPLE", "no region"},
		{"assume-role", "/team/deploy", "without its first slash"},
		{"assume-role", "arn:aws:iam::111122223333:user/jane", "arn:aws:iam::111122223333:role/name"},
		{"assume-role", strings.Repeat("a", 65), "1 to 64"},
	} {
		p, ok := preset.Find(tt.preset)
		if !ok {
			t.Fatalf("unknown preset %s", tt.preset)
		}
		if err := p.Check(tt.answer); err == nil || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%s=%s: %v, want a reason with %q", tt.preset, tt.answer, err, tt.reason)
		}
	}
}

func TestScope(t *testing.T) {
	t.Parallel()
	queue, _ := preset.Find("sqs-send")
	if !queue.NeedsRegion("jobs") || queue.NeedsRegion("arn:aws:sqs:eu-west-1:111122223333:jobs") {
		t.Error("a queue needs a region when it is given by name, and then only")
	}
	bucket, _ := preset.Find("s3-read")
	if bucket.NeedsRegion("my-bucket") {
		t.Error("a bucket needs no region")
	}
	noRegion := preset.Scope{Partition: "aws", Account: "111122223333"}
	if _, _, err := queue.Policy(noRegion, "jobs"); err == nil || !strings.Contains(err.Error(), "no AWS region is known") {
		t.Errorf("without a region: %v", err)
	}
	china := preset.Scope{Partition: "aws-cn", Account: "111122223333", Region: "cn-north-1"}
	if _, _, err := queue.Policy(china, "arn:aws:sqs:eu-west-1:111122223333:jobs"); err == nil || !strings.Contains(err.Error(), "partition") {
		t.Errorf("an ARN of another partition: %v", err)
	}
	_, doc, err := bucket.Policy(china, "my-bucket")
	if err != nil || !strings.Contains(string(doc), `"arn:aws-cn:s3:::my-bucket/*"`) {
		t.Errorf("in China: %s, %v", doc, err)
	}
	if _, _, err := bucket.Policy(preset.Scope{}, "my-bucket"); err == nil {
		t.Error("a policy is made without a partition")
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	p, answer, err := preset.Parse("s3-read=my-bucket/a=b")
	if err != nil || p.Name != "s3-read" || answer != "my-bucket/a=b" {
		t.Errorf("Parse gives %s, %q, %v", p.Name, answer, err)
	}
	for text, want := range map[string]string{
		"s3-read":        "write it as s3-read=",
		"s3-red=x":       "unknown preset",
		"":               "unknown preset",
		"s3-read=":       "is needed",
		"s3-read=a*b":    "not '*'",
		"\x1b]0;x\a=abc": `"\x1b]0;x\a"`,
	} {
		if _, _, err := preset.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) gives the error %v, want one with %q", text, err, want)
		}
	}
}

// TestPolicyNames: names differ if answers do, even if they would be too long for IAM.
func TestPolicyNames(t *testing.T) {
	t.Parallel()
	bucket, _ := preset.Find("s3-read")
	long := "my-bucket/" + strings.Repeat("a", 200)
	seen := map[string]string{}
	for _, answer := range []string{"my-bucket", "my-bucket/a", "my-bucket/a-b", "my-bucket/a/b", long, long + "b"} {
		name, _, err := bucket.Policy(frankfurt, answer)
		if err != nil {
			t.Fatal(err)
		}
		if other, twice := seen[name]; twice {
			t.Errorf("%s and %s are both named %s", other, answer, name)
		}
		seen[name] = answer
	}
}

// FuzzPolicy: every accepted answer makes a policy that can be parsed, in which the answer
// adds no wildcard to a resource.
func FuzzPolicy(f *testing.F) {
	for i, p := range preset.All() {
		for _, answer := range append(answers[p.Name], hostile...) {
			f.Add(i, answer)
		}
	}
	f.Fuzz(func(t *testing.T, i int, answer string) {
		all := preset.All()
		p := all[uint(i)%uint(len(all))]
		_, doc, err := p.Policy(frankfurt, answer)
		if (err == nil) && p.Check(answer) != nil {
			t.Fatalf("%s makes a policy for %q, which it does not take", p.Name, answer)
		}
		if err != nil {
			return
		}
		// Two presets take an end that stands for what is in their one resource.
		ends := map[string]string{"ssm-read": "/*", "logs-write": ":*"}
		if end := ends[p.Name]; strings.ContainsAny(strings.TrimSuffix(answer, end), "*?$\"\\") {
			t.Fatalf("%s takes %q", p.Name, answer)
		}
		if _, err := trustpolicy.CheckIdentityPolicy(doc); err != nil {
			t.Fatalf("%s=%q makes %s: %v", p.Name, answer, doc, err)
		}
	})
}

// TestKeywords finds presets by the words that people use for what they do.
func TestKeywords(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{
		"upload": "s3-write", "download": "s3-read", "mail": "ses-send", "docker": "ecr-pull", "queue": "sqs-send sqs-receive",
		"secret": "secret-read", "claude": "bedrock-invoke", "log": "logs-write", "cron": "logs-write", "database": "dynamodb-table",
		"cache": "cloudfront-invalidate", "cdn": "cloudfront-invalidate", "function": "lambda-invoke", "topic": "sns-publish",
		"parameter": "ssm-read", "decrypt": "kms-decrypt kms-encrypt", "role": "assume-role", "worker": "sqs-receive",
	} {
		var found []string
		for _, p := range preset.All() {
			if strings.Contains(strings.Join(append([]string{p.Name, p.Title}, p.Keywords...), " "), word) {
				found = append(found, p.Name)
			}
		}
		for name := range strings.FieldsSeq(want) {
			if !slices.Contains(found, name) {
				t.Errorf("%s finds %q, not %s", word, found, name)
			}
		}
	}
}

// TestTable: every preset says what it is, in short.
func TestTable(t *testing.T) {
	t.Parallel()
	for _, p := range preset.All() {
		if p.Title == "" || p.Question == "" || len(p.Keywords) == 0 || len(p.Name+": "+p.Title) > 76 {
			t.Errorf("%s lacks something, or its title is too long: %+v", p.Name, p)
		}
		if p.Hint != "" && (len(p.Hint) > 78 || !strings.HasSuffix(p.Hint, ".")) {
			t.Errorf("the hint of %s is not a short sentence: %s", p.Name, p.Hint)
		}
		// A hint names presets that exist.
		for word := range strings.FieldsSeq(strings.TrimSuffix(p.Hint, ".")) {
			if _, ok := preset.Find(word); strings.HasPrefix(word, "kms-") && !ok {
				t.Errorf("the hint of %s names %s, which is unknown", p.Name, word)
			}
		}
	}
}
