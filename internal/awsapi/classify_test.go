package awsapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

func TestDeniedSentences(t *testing.T) {
	t.Parallel()
	tests := []struct {
		message string
		want    DeniedError
	}{
		{
			"User: arn:aws:iam::123456789012:user/eve is not authorized to perform: iam:CreateRole on resource: arn:aws:iam::123456789012:role/x because no identity-based policy allows the iam:CreateRole action",
			DeniedError{
				Action: "iam:CreateRole", Resource: "arn:aws:iam::123456789012:role/x", Caller: "arn:aws:iam::123456789012:user/eve",
				Reason: "no identity-based policy allows the iam:CreateRole action",
			},
		},
		{
			"User: arn:aws:sts::123456789012:assumed-role/dev/eve is not authorized to perform: iam:TagRole on resource: role x with an explicit deny in a service control policy: arn:aws:organizations::1:policy/p",
			DeniedError{
				Action: "iam:TagRole", Resource: "role x", Caller: "arn:aws:sts::123456789012:assumed-role/dev/eve",
				Reason: "with an explicit deny in a service control policy: arn:aws:organizations::1:policy/p",
			},
		},
		{
			"User: arn:aws:iam::123456789012:user/eve is not authorized to perform: iam:ListPolicies",
			DeniedError{Action: "iam:ListPolicies", Caller: "arn:aws:iam::123456789012:user/eve"},
		},
		{"Access Denied", DeniedError{Action: "iam:CreateRole", Reason: "Access Denied"}},
		{"", DeniedError{Action: "iam:CreateRole"}},
	}
	for _, test := range tests {
		got := *deniedError("iam", &CallError{Operation: "CreateRole", Message: test.message})
		got.Err = nil
		if got != test.want {
			t.Errorf("%q:\n got %+v\nwant %+v", test.message, got, test.want)
		}
	}
}

// For any message, each part is a substring of it, and every error is one line that
// is safe for a terminal.
func FuzzMessages(f *testing.F) {
	f.Add("User: a is not authorized to perform: iam:X on resource: b because c")
	f.Add("User:  is not authorized to perform: ")
	f.Add("\x1b[31m\r\n\u202e\xff")
	f.Fuzz(func(t *testing.T, message string) {
		call := &CallError{Operation: "GetRole", Code: message, Message: message, RequestID: message}
		denied := deniedError("iam", call)
		for _, part := range []string{denied.Caller, denied.Resource, denied.Reason} {
			if !strings.Contains(message, part) {
				t.Errorf("%q is not in %q", part, message)
			}
		}
		for _, err := range []error{
			call, denied,
			&ThrottledError{Operation: message, Attempts: 6},
			&UnreachableError{Operation: message, Endpoint: message, Err: errors.New(message)},
			&UnreachableError{Err: &net.DNSError{Err: message, Name: message}},
			&QuotaError{Err: errors.New(message)},
			&CredentialsError{Kind: KindInvalid, Profile: message, Err: errors.New(message)},
			&UnknownPolicyError{Ref: message, Similar: []string{message}},
			&UnknownPolicyError{Ref: message, Reason: message},
			&AmbiguousPolicyError{Ref: message, ARNs: []string{message}},
			&MismatchError{What: "account", ARN: message, Have: message, Want: message},
		} {
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
				t.Errorf("%T: %q", err, err)
			}
		}
	})
}

// The text for a request without a response is the cause, without the wrappers of
// net/http and the SDK.
func TestUnreachableReason(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, test := range []struct {
		err  error
		want string
	}{
		{nil, "there was no response"},
		{refused, "connection refused"},
		{&net.OpError{Op: "proxyconnect", Net: "tcp", Err: refused}, "through the proxy: connection refused"},
		{&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "iam.aws", IsNotFound: true}}, "no such host"},
		{&net.DNSError{Err: "server misbehaving", Name: "iam.aws"}, "the name cannot be looked up: server misbehaving"},
		{&net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}, "there was no connection within 5s"},
		{io.EOF, "the connection was closed without a response"},
		{&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, "x509: certificate signed by unknown authority"},
	} {
		if got := unreachableReason(test.err); got != test.want {
			t.Errorf("%v: %q, want %q", test.err, got, test.want)
		}
	}
}

// A client's timeout is recognized by net/http's error.
func TestTimeoutIsUnreachable(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer server.Close()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL+"/path?secret=1", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Client{Timeout: 10 * time.Millisecond}).Do(req)
	if err == nil {
		_ = answer.Body.Close()
		t.Fatal("there was a response")
	}
	a := &Account{}
	sent := &retry.MaxAttemptsError{Attempt: 6, Err: &smithyhttp.RequestSendError{Err: err}}
	got := a.typed(context.Background(), &smithy.OperationError{ServiceID: "IAM", OperationName: "GetRole", Err: sent})
	if want := "AWS cannot be reached at " + server.URL + ": there was no response within 20s"; got.Error() != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Messages do not have the SDK's wrappers.
func TestErrorsWithoutTheSDKsWrappers(t *testing.T) {
	t.Parallel()
	err := &smithy.OperationError{ServiceID: "IAM", OperationName: "GetRole", Err: &retry.MaxAttemptsError{
		Attempt: 6,
		Err: &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{}}, Err: errors.New("the cause"),
		}},
	}}
	if got := callError(err).Error(); got != "AWS GetRole: the cause" {
		t.Errorf("got %q", got)
	}
}

// A document survives IAM's encoding, and one that is not encoded is unchanged.
func FuzzDecode(f *testing.F) {
	f.Add(`{"a":"100%+1"}`)
	f.Add(`{"a":"ü b/c"}`)
	f.Add("%zz")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := decode(url.PathEscape(s))
		if err != nil || got != s {
			t.Errorf("%q became %q, %v", s, got, err)
		}
		if got, err := decode("{" + s); err != nil || got != "{"+s {
			t.Errorf("%q became %q, %v", "{"+s, got, err)
		}
		if _, err := decode(s); err != nil && err.Error() == "" {
			t.Errorf("%q: an error without words", s)
		}
	})
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"abc", "abc", 0},
		{"abc", "abd", 1},
		{"abc", "bc", 1},
		{"", "abc", 3},
		{"kitten", "sitting", 3},
		{"abcdef", "azced", 3},
	} {
		for _, pair := range [][2]string{{test.a, test.b}, {test.b, test.a}} {
			if got := distance(pair[0], pair[1], 9); got != test.want {
				t.Errorf("from %q to %q: %d, want %d", pair[0], pair[1], got, test.want)
			}
		}
	}
	if got := distance("a", "abcdef", 2); got <= 2 {
		t.Errorf("a distance above 2 is %d", got)
	}
}

func TestSimilarNames(t *testing.T) {
	t.Parallel()
	all := []string{
		"arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess",
		"arn:aws:iam::1:policy/ReadOnlyAccess", "arn:aws:iam::1:policy/ReadOnlyAccess2", "arn:aws:iam::1:policy/ReadOnlyAccess3",
	}
	got := similarNames("readonlyacces", all)
	if want := []string{"ReadOnlyAccess", "ReadOnlyAccess2", "ReadOnlyAccess3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := similarNames("ViewO", all); !slices.Equal(got, []string{"ViewOnlyAccess"}) {
		t.Errorf("for a part of a name got %q", got)
	}
	for _, name := range []string{"Nothing", "View", "nope"} {
		if got := similarNames(name, slices.Concat(all, []string{
			"arn:aws:iam::aws:policy/AmazonOpenSearchServiceFullAccess",
			"arn:aws:iam::1:policy/Bill", // as long as nope, but not similar
		})); got != nil {
			t.Errorf("for %q got %q", name, got)
		}
	}
}

func TestBackoffIsBounded(t *testing.T) {
	t.Parallel()
	for attempt := 1; attempt < 100; attempt++ {
		slow, fast := backoff(attempt, true), backoff(attempt, false)
		if slow < 500*time.Millisecond || slow > 15*time.Second || fast < 50*time.Millisecond || fast > 2*time.Second {
			t.Fatalf("attempt %d: %v and %v", attempt, slow, fast)
		}
	}
}

// The rate limit begins after a few refusals, not at the first.
func TestFirstRefusalsAreForgiven(t *testing.T) {
	t.Parallel()
	r, ok := Options{}.retryer().(*lenientRetryer)
	if !ok {
		t.Fatal("the retryer has another type")
	}
	refused := &smithy.GenericAPIError{Code: "Throttling"}
	ctx, cancel := context.WithCancel(context.Background())
	for range 9 {
		release, err := r.GetAttemptToken(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := release(refused); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if _, err := r.GetAttemptToken(ctx); err == nil {
		t.Error("the ninth refusal had no effect")
	}
}
