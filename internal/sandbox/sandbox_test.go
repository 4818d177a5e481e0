package sandbox_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// clock is the time of worlds with a fixed clock.
var clock = time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC)

const trustACME = `{"Version":"2012-10-17","Statement":[{"Sid":"FlyAwsAcme","Effect":"Allow",` +
	`"Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/acme"},` +
	`"Action":"sts:AssumeRoleWithWebIdentity","Condition":{` +
	`"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},` +
	`"StringLike":{"oidc.fly.io/acme:sub":"acme:web:*"}}}]}`

const readBucket = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}]}`

const providerACME = "arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/acme"

// start serves a world until the test ends.
func start(t testing.TB, w *sandbox.World) *sandbox.Server {
	t.Helper()
	s, err := w.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the sandbox: %v", err)
		}
	})
	return s
}

func config(s *sandbox.Server, p aws.CredentialsProvider) aws.Config {
	return aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(s.AWSEndpoint),
		Credentials:  p,
		HTTPClient:   &http.Client{Transport: wholeBody{&http.Transport{DisableKeepAlives: true}}},
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// wholeBody gives net/http the request body in memory, so that it is written before
// the response arrives: see largeAnswer.
type wholeBody struct{ base http.RoundTripper }

func (t wholeBody) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return t.base.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return t.base.RoundTrip(r)
}

func iamClient(s *sandbox.Server) *iam.Client {
	return iam.NewFromConfig(config(s, credentials.NewStaticCredentialsProvider(sandbox.AccessKeyID, sandbox.SecretAccessKey, "")))
}

func stsClient(s *sandbox.Server) *sts.Client {
	return sts.NewFromConfig(config(s, credentials.NewStaticCredentialsProvider(sandbox.AccessKeyID, sandbox.SecretAccessKey, "")))
}

// refused checks that err is an AWS error with that code and a message that
// contains words.
func refused(t *testing.T, err error, code, words string) {
	t.Helper()
	var apiErr smithy.APIError
	if !errors.As(err, &apiErr) {
		t.Fatalf("got %v, want %s", err, code)
	}
	if apiErr.ErrorCode() != code || !strings.Contains(apiErr.ErrorMessage(), words) {
		t.Errorf("got %s: %s\nwant %s: %s", apiErr.ErrorCode(), apiErr.ErrorMessage(), code, words)
	}
}

// acme creates the provider of org acme and the role fly-web, which machines of its
// app web may assume.
func acme(t testing.TB, s *sandbox.Server) {
	t.Helper()
	c, ctx := iamClient(s), context.Background()
	_, err := c.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String("https://oidc.fly.io/acme"), ClientIDList: []string{"sts.amazonaws.com"},
	})
	if err != nil {
		t.Fatal(err)
	}
	createRole(t, c, "fly-web")
}

func createRole(t testing.TB, c *iam.Client, name string) {
	t.Helper()
	if _, err := c.CreateRole(context.Background(), &iam.CreateRoleInput{
		RoleName: aws.String(name), AssumeRolePolicyDocument: aws.String(trustACME),
	}); err != nil {
		t.Fatal(err)
	}
}

// ok returns v unless there is an error.
func ok[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// sum is the SHA-256 of a body in hexadecimal.
func sum(body string) string {
	s := sha256.Sum256([]byte(body))
	return hex.EncodeToString(s[:])
}
