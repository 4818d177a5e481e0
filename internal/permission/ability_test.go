package permission_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/permission"
)

func TestAbilities(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		statements []string
		want       string
	}{
		"reading": {[]string{`{"Effect":"Allow","Action":["s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::b/*","arn:aws:s3:::b"]}`}, "s3 read arn:aws:s3:::b arn:aws:s3:::b/*"},
		"writing, under conditions": {
			[]string{`{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}`},
			"sqs write *?",
		},
		"conditions of one of two": {
			[]string{
				`{"Effect":"Allow","Action":"s3:Get*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}`,
				`{"Effect":"Allow","Action":"S3:PutObject","Resource":"arn:aws:s3:::b/*"}`,
			},
			"s3 write *",
		},
		"a whole service": {[]string{`{"Effect":"Allow","Action":"dynamodb:*","Resource":"arn:aws:dynamodb:*:*:table/t"}`}, "dynamodb all arn:aws:dynamodb:*:*:table/t"},
		"everything":      {[]string{`{"Effect":"Allow","Action":"*","Resource":"*"}`, `{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`}, "* all *|s3 read *"},
		"all but some":    {[]string{`{"Effect":"Allow","NotAction":"iam:*","NotResource":"arn:aws:s3:::b"}`}, "* all *"},
		"a Deny":          {[]string{`{"Effect":"Deny","Action":"s3:*","Resource":"*"}`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var policies []permission.Policy
			for _, s := range tt.statements {
				p, err := permission.Parse([]byte(`{"Version":"2012-10-17","Statement":[` + s + `]}`))
				if err != nil {
					t.Fatal(err)
				}
				policies = append(policies, p)
			}
			var got []string
			for _, a := range permission.Abilities(policies) {
				line := fmt.Sprintf("%s %s %s", a.Service, a.Level, strings.Join(a.Resources, " "))
				if a.Conditional {
					line += "?"
				}
				got = append(got, line)
			}
			if s := strings.Join(got, "|"); s != tt.want {
				t.Errorf("got %q, want %q", s, tt.want)
			}
		})
	}
}
