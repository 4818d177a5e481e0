package sandbox_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/fly-aws/fly-aws/internal/sandbox"
)

const roleWeb = "arn:aws:iam::123456789012:role/fly-web"

// webToken is a request for an AWS token of acme's app web.
func webToken(change ...func(*sandbox.TokenRequest)) sandbox.TokenRequest {
	r := sandbox.TokenRequest{Org: "acme", App: "web", Machine: "quiet-sun-1234", Audience: "sts.amazonaws.com"}
	for _, f := range change {
		f(&r)
	}
	return r
}

func claim(name string, value any) func(*sandbox.TokenRequest) {
	return func(r *sandbox.TokenRequest) { r.Claims = map[string]any{name: value} }
}

// acmeWorld is a world in which acme's app web may assume the role fly-web.
func acmeWorld(t testing.TB, w *sandbox.World) *sandbox.Server {
	t.Helper()
	w.AddMachine("acme", "web", "quiet-sun-1234")
	w.AddMachine("acme", "api", "bold-moon-1")
	w.AddMachine("rival", "web", "quiet-sun-1234")
	s := start(t, w)
	acme(t, s)
	return s
}

func assume(s *sandbox.Server, role, token string, change ...func(*sts.AssumeRoleWithWebIdentityInput)) (*sts.AssumeRoleWithWebIdentityOutput, error) {
	in := &sts.AssumeRoleWithWebIdentityInput{RoleArn: &role, RoleSessionName: aws.String("session"), WebIdentityToken: &token}
	for _, f := range change {
		f(in)
	}
	// No credentials: the call is not signed.
	return sts.NewFromConfig(config(s, aws.AnonymousCredentials{})).AssumeRoleWithWebIdentity(context.Background(), in)
}

func TestAssumeRole(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var now atomic.Int64
	now.Store(clock.Unix())
	w := sandbox.World{Now: func() time.Time { return time.Unix(now.Load(), 0) }}
	s := acmeWorld(t, &w)
	token, err := w.Mint(webToken())
	out, err := assume(s, roleWeb, ok(t, token, err), func(in *sts.AssumeRoleWithWebIdentityInput) { in.DurationSeconds = aws.Int32(900) })
	if err != nil {
		t.Fatal(err)
	}
	const assumed = "arn:aws:sts::123456789012:assumed-role/fly-web/session"
	if *out.AssumedRoleUser.Arn != assumed || *out.Provider != providerACME || *out.Audience != "sts.amazonaws.com" ||
		*out.SubjectFromWebIdentityToken != "acme:web:quiet-sun-1234" || !out.Credentials.Expiration.Equal(clock.Add(15*time.Minute)) {
		t.Errorf("got %+v", out)
	}

	session := config(s, credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken))
	who, err := sts.NewFromConfig(session).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if *who.Arn != assumed || *who.UserId != *out.AssumedRoleUser.AssumedRoleId || *who.Account != "123456789012" {
		t.Errorf("got %s %s %s", *who.Arn, *who.UserId, *who.Account)
	}

	role, err := iamClient(s).GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("fly-web")})
	if used := ok(t, role, err).Role.RoleLastUsed; !aws.ToTime(used.LastUsedDate).Equal(clock) || *used.Region != "us-east-1" {
		t.Errorf("got last use %+v", used)
	}

	// The session may do nothing else, and ends.
	_, err = iam.NewFromConfig(session).GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("fly-web")})
	refused(t, err, "AccessDenied", "User: "+assumed+" is not authorized to perform: iam:GetRole on resource: role fly-web because no identity-based policy allows the iam:GetRole action")
	now.Add(15 * 60)
	_, err = sts.NewFromConfig(session).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	refused(t, err, "ExpiredToken", "The security token included in the request is expired")

	// Its secret key is invalid without the session token.
	half := config(s, credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, ""))
	_, err = sts.NewFromConfig(half).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	refused(t, err, "InvalidClientTokenId", "The security token included in the request is invalid")
}

// A World can be told to give shorter tokens and credentials than Fly and STS do.
func TestLifetimes(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	now.Store(clock.Unix())
	w := sandbox.World{Now: func() time.Time { return time.Unix(now.Load(), 0) }, TokenLifetime: 4 * time.Second, CredentialsLifetime: 6 * time.Second}
	s := acmeWorld(t, &w)
	token, err := w.Mint(webToken())
	token = ok(t, token, err)
	if parsed, err := verify(t, s, "https://oidc.fly.io/acme", token, oidc.Config{
		ClientID: "sts.amazonaws.com", Now: func() time.Time { return time.Unix(now.Load(), 0) },
	}); err != nil || !parsed.Expiry.Equal(clock.Add(4*time.Second)) {
		t.Errorf("the token ends at %+v, %v", parsed, err)
	}
	out, err := assume(s, roleWeb, token)
	if c := ok(t, out, err).Credentials; !c.Expiration.Equal(clock.Add(6 * time.Second)) {
		t.Errorf("the credentials end at %s", c.Expiration)
	}
	session := config(s, credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken))
	now.Add(6)
	_, err = sts.NewFromConfig(session).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	refused(t, err, "ExpiredToken", "The security token included in the request is expired")
}

func TestAssumeRoleRefusals(t *testing.T) {
	t.Parallel()
	w := sandbox.World{Now: func() time.Time { return clock }}
	s := acmeWorld(t, &w)
	at := func(d time.Duration) int64 { return clock.Add(d).Unix() }

	// forge replaces the payload of a token and keeps its signature.
	forge := func(token, payload string) string {
		parts := strings.Split(token, ".")
		parts[1] = base64.RawURLEncoding.EncodeToString([]byte(payload))
		return strings.Join(parts, ".")
	}
	unsigned := func(token string) string {
		parts := strings.Split(token, ".")
		parts[0] = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
		return strings.Join(parts[:2], ".") + "."
	}

	const (
		notJWT = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
		noKey  = "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements"
		denied = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
	)
	for _, test := range []struct {
		name    string
		request sandbox.TokenRequest
		token   func(string) string // changes the minted token
		role    string              // "" is fly-web
		call    func(*sts.AssumeRoleWithWebIdentityInput)
		code    string
		words   string
	}{
		{name: "wrong app", request: sandbox.TokenRequest{Org: "acme", App: "api", Machine: "bold-moon-1", Audience: "sts.amazonaws.com"}, code: "AccessDenied", words: denied},
		{name: "no such role", request: webToken(), role: roleWeb + "x", code: "AccessDenied", words: denied},
		{name: "role in another case", request: webToken(), role: "arn:aws:iam::123456789012:role/FLY-WEB", code: "AccessDenied", words: denied},
		{name: "role of AWS's", request: webToken(), role: "arn:aws:iam::123456789012:role/aws-service-role/support.amazonaws.com/AWSServiceRoleForSupport", code: "AccessDenied", words: denied},
		{name: "session tags without sts:TagSession", request: webToken(func(r *sandbox.TokenRequest) { r.PrincipalTags = true }), code: "AccessDenied", words: denied},
		{name: "org without provider", request: sandbox.TokenRequest{Org: "rival", App: "web", Machine: "quiet-sun-1234", Audience: "sts.amazonaws.com"}, code: "InvalidIdentityToken", words: "No OpenIDConnect provider found in your account for https://oidc.fly.io/rival"},
		{name: "role of another account", request: webToken(), role: "arn:aws:iam::210987654321:role/fly-web", code: "InvalidIdentityToken", words: "No OpenIDConnect provider found in your account for https://oidc.fly.io/acme"},
		{name: "issuer with a slash at its end", request: webToken(claim("iss", "https://oidc.fly.io/acme/")), code: "InvalidIdentityToken", words: "No OpenIDConnect provider found in your account for https://oidc.fly.io/acme/"},
		{name: "issuer without scheme", request: webToken(claim("iss", "oidc.fly.io/acme")), code: "InvalidIdentityToken", words: "No OpenIDConnect provider found"},
		{name: "default audience", request: webToken(func(r *sandbox.TokenRequest) { r.Audience = "" }), code: "InvalidIdentityToken", words: "Incorrect token audience"},
		{name: "two audiences", request: webToken(claim("aud", []string{"sts.amazonaws.com", "other"})), code: "InvalidIdentityToken", words: "aud"},
		{
			name: "expired", request: webToken(func(r *sandbox.TokenRequest) { r.Lifetime = -5 * time.Minute }), code: "ExpiredTokenException",
			words: fmt.Sprintf("Token expired: current date/time %d must be before the expiration date/time %d", at(0), at(-5*time.Minute)),
		},
		{name: "from the future", request: webToken(claim("nbf", at(time.Hour))), code: "InvalidIdentityToken", words: "claims"},
		{name: "no subject", request: webToken(claim("sub", nil)), code: "InvalidIdentityToken", words: "Missing a required claim: sub"},
		{name: "number as subject", request: webToken(claim("sub", 7)), code: "InvalidIdentityToken", words: "Missing a required claim: sub"},
		{name: "no iat", request: webToken(claim("iat", nil)), code: "InvalidIdentityToken", words: "Missing a required claim: iat"},
		{name: "expiry as text", request: webToken(claim("exp", fmt.Sprint(at(time.Hour)))), code: "InvalidIdentityToken"},
		{name: "claims that differ in case", request: webToken(claim("Sub", "acme:web:other")), code: "InvalidIdentityToken", words: notJWT},
		{name: "unpublished key", request: webToken(func(r *sandbox.TokenRequest) { r.Unpublished = true }), code: "InvalidIdentityToken", words: noKey},
		{name: "other org's key", request: sandbox.TokenRequest{Org: "rival", App: "web", Machine: "quiet-sun-1234", Audience: "sts.amazonaws.com", Claims: map[string]any{"iss": "https://oidc.fly.io/acme", "sub": "acme:web:x"}}, code: "InvalidIdentityToken", words: noKey},
		{name: "changed payload", request: webToken(), token: func(token string) string {
			return forge(token, fmt.Sprintf(`{"iss":"https://oidc.fly.io/acme","aud":"sts.amazonaws.com","sub":"acme:web:x","iat":%d,"exp":%d}`, at(0), at(time.Hour)))
		}, code: "InvalidIdentityToken", words: noKey},
		{name: "no signature", request: webToken(), token: unsigned, code: "InvalidIdentityToken", words: noKey},
		{name: "no token", request: webToken(), token: func(string) string { return "fo1_abcdefg" }, code: "InvalidIdentityToken", words: notJWT},
		{name: "token in quotes", request: webToken(), token: func(token string) string { return `"` + token + `"` }, code: "InvalidIdentityToken"},
		{name: "one claim twice", request: webToken(), token: func(token string) string { return forge(token, `{"iss":"a","iss":"b"}`) }, code: "InvalidIdentityToken", words: notJWT},
		{name: "text after the claims", request: webToken(), token: func(token string) string { return forge(token, `{"iss":"a"} x`) }, code: "InvalidIdentityToken", words: notJWT},
		{name: "list instead of claims", request: webToken(), token: func(token string) string { return forge(token, `["iss"]`) }, code: "InvalidIdentityToken", words: notJWT},
		{name: "cut-off claims", request: webToken(), token: func(token string) string { return forge(token, `{"iss":`) }, code: "InvalidIdentityToken", words: notJWT},
		{name: "short token", request: webToken(), token: func(string) string { return "a.b" }, code: "ValidationError", words: "1 validation error detected: Value at 'webIdentityToken' failed to satisfy constraint: Member must have length greater than or equal to 4"},
		{name: "long token", request: webToken(), token: func(token string) string { return token + strings.Repeat("a", 20000) }, code: "ValidationError", words: "Member must have length less than or equal to 20000"},
		{name: "provider's ARN as role", request: webToken(), role: providerACME, code: "ValidationError", words: "Request ARN is invalid"},
		{name: "short ARN", request: webToken(), role: "fly-web", code: "ValidationError", words: "Value at 'roleArn' failed to satisfy constraint: Member must have length greater than or equal to 20"},
		{
			name: "bad session name", request: webToken(), call: func(in *sts.AssumeRoleWithWebIdentityInput) { in.RoleSessionName = aws.String("a:b") }, code: "ValidationError",
			words: `1 validation error detected: Value 'a:b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`,
		},
		{name: "long session name", request: webToken(), call: func(in *sts.AssumeRoleWithWebIdentityInput) { in.RoleSessionName = aws.String(strings.Repeat("s", 65)) }, code: "ValidationError", words: "Member must have length less than or equal to 64"},
		{name: "short duration", request: webToken(), call: func(in *sts.AssumeRoleWithWebIdentityInput) { in.DurationSeconds = aws.Int32(899) }, code: "ValidationError", words: "Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
		{name: "longer than the role allows", request: webToken(), call: func(in *sts.AssumeRoleWithWebIdentityInput) { in.DurationSeconds = aws.Int32(3601) }, code: "ValidationError", words: "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			token, err := w.Mint(test.request)
			if err != nil {
				t.Fatal(err)
			}
			if test.token != nil {
				token = test.token(token)
			}
			role := test.role
			if role == "" {
				role = roleWeb
			}
			if test.call == nil {
				test.call = func(*sts.AssumeRoleWithWebIdentityInput) {}
			}
			_, err = assume(s, role, token, test.call)
			refused(t, err, test.code, test.words)
		})
	}

	t.Run("typed", func(t *testing.T) {
		t.Parallel()
		token, err := w.Mint(webToken(func(r *sandbox.TokenRequest) { r.Lifetime = -time.Hour }))
		_, err = assume(s, roleWeb, ok(t, token, err))
		if e := new(types.ExpiredTokenException); !errors.As(err, &e) {
			t.Errorf("got %v, want ExpiredTokenException", err)
		}
		_, err = assume(s, roleWeb, "no token")
		if e := new(types.InvalidIdentityTokenException); !errors.As(err, &e) {
			t.Errorf("got %v, want InvalidIdentityTokenException", err)
		}
	})
	t.Run("grace", func(t *testing.T) {
		t.Parallel()
		token, err := w.Mint(webToken(func(r *sandbox.TokenRequest) { r.Lifetime = -5*time.Minute + time.Second }))
		if _, err := assume(s, roleWeb, ok(t, token, err)); err != nil {
			t.Errorf("a token is good for five minutes after its expiry: %v", err)
		}
	})
}

// An undecided trust policy refuses the token.
func TestAssumeRoleConditions(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	s := acmeWorld(t, &w)
	c := iamClient(s)
	token, err := w.Mint(webToken())
	tagged, err2 := w.Mint(webToken(func(r *sandbox.TokenRequest) { r.PrincipalTags = true }))
	token, tagged = ok(t, token, err), ok(t, tagged, err2)
	condition := func(block string) string {
		return strings.Replace(trustACME, `"StringEquals":`, block+`,"StringEquals":`, 1)
	}
	for i, test := range []struct {
		trust, token string
		accepted     bool
	}{
		{condition(`"StringNotEquals":{"sts:RoleSessionName":"other"}`), token, true},
		{condition(`"StringNotEquals":{"sts:RoleSessionName":"session"}`), token, false},
		{condition(`"Null":{"oidc.fly.io/acme:app_name":"false"}`), token, false}, // no other claim can be tested
		{condition(`"StringNotEquals":{"oidc.fly.io/acme:app_name":"web"}`), token, true},
		{strings.Replace(trustACME, `"sts:AssumeRoleWithWebIdentity"`, `["sts:AssumeRoleWithWebIdentity","sts:TagSession"]`, 1), tagged, true},
		{strings.Replace(condition(`"StringNotLike":{"aws:RequestTag/app_name":"web"}`), `"sts:AssumeRoleWithWebIdentity"`, `["sts:AssumeRoleWithWebIdentity","sts:TagSession"]`, 1), tagged, false},
		{strings.Replace(trustACME, "acme:web:*", "rival:*", 1), token, false},
		{strings.Replace(trustACME, `oidc-provider/oidc.fly.io/acme`, "oidc-provider/oidc.fly.io/rival", 1), token, false},
	} {
		name := fmt.Sprint("conditions-", i)
		if _, err := c.CreateRole(context.Background(), newRole(name, test.trust)); err != nil {
			t.Fatalf("%s: %v", test.trust, err)
		}
		_, err := assume(s, "arn:aws:iam::123456789012:role/"+name, test.token)
		if test.accepted && err != nil {
			t.Errorf("%s: %v", test.trust, err)
		}
		if !test.accepted {
			refused(t, err, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
		}
	}
}

func TestPropagation(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	now.Store(clock.Unix())
	w := sandbox.World{Now: func() time.Time { return time.Unix(now.Load(), 0) }, Propagation: 10 * time.Second}
	s := acmeWorld(t, &w)
	token, err := w.Mint(webToken())
	token = ok(t, token, err)
	try := func(accepted bool) {
		t.Helper()
		_, err := assume(s, roleWeb, token)
		if accepted && err != nil {
			t.Error(err)
		}
		if !accepted {
			refused(t, err, "AccessDenied", "")
		}
	}
	try(false)
	now.Add(9)
	try(false)
	now.Add(1)
	try(true)
	if _, err := iamClient(s).UpdateAssumeRolePolicy(context.Background(), &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("fly-web"), PolicyDocument: aws.String(trustACME)}); err != nil {
		t.Fatal(err)
	}
	try(false)
	now.Add(10)
	try(true)
}

func TestGetCallerIdentity(t *testing.T) {
	t.Parallel()
	w := sandbox.World{Account: "111122223333", Partition: "aws-cn"}
	s := start(t, &w)
	out, err := stsClient(s).GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{})
	if got := *ok(t, out, err).Arn; got != "arn:aws-cn:iam::111122223333:user/sandbox" || *out.Account != "111122223333" {
		t.Errorf("got %s in %s", got, *out.Account)
	}
}
