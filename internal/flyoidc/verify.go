package flyoidc

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/text"
)

// The names of the steps of a verification, in order.
const (
	// stepFormat: the token breaks no Rule.
	stepFormat = "format"
	// stepIssuer: iss is the expected issuer.
	stepIssuer = "issuer"
	// stepAudience: aud has the expected audience.
	stepAudience = "audience"
	// stepExpiry, stepNotBefore and stepIssuedAt: exp, nbf and iat fit the clock.
	stepExpiry    = "expiry"
	stepNotBefore = "not before"
	stepIssuedAt  = "issued at"
	// StepKeys: the issuer's keys are available, and one has the token's key ID.
	StepKeys = "keys"
	// StepSignature: that key signed the token.
	StepSignature = "signature"
)

// A Result is how a step of a verification ended.
type Result string

// The results.
const (
	Passed Result = "passed"
	Failed Result = "failed"
	// Skipped: the token has nothing to verify in this step, or a step that this one
	// depends on failed.
	Skipped Result = "skipped"
)

// A Step is one step of a verification.
type Step struct {
	// Name is one of the constants named Step….
	Name   string
	Result Result
	// Detail is a clause that is safe to show on a terminal: what was found and, if
	// it differs, what was expected.
	Detail string
	// Err is the cause of some failures: a *DecodeError in stepFormat, a *KeysError in
	// StepKeys, whose Kind says whether the token or the connection is to blame.
	Err error
}

const (
	// expiryGrace is how long after exp STS still accepts a token
	// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc.html).
	expiryGrace = 5 * time.Minute
	// clockSkew is how far in the future nbf and iat may be. What STS allows is not
	// documented; clocks synchronized by NTP differ by much less.
	clockSkew = time.Minute
)

const keysTimeout = 10 * time.Second

// Options say what a token is verified against. The zero value expects a token of
// Fly's for AWS and verifies it now, by the keys that its issuer publishes.
type Options struct {
	// Issuer is the only issuer to accept: an https URL, compared with iss byte by
	// byte. "" accepts the issuer of any Fly organization.
	Issuer string
	// Audience must be among the token's; "" is flyname.AudienceAWS.
	Audience string
	// Keys is a JSON Web Key Set (RFC 7517) of at most 2 MiB to use instead of the
	// issuer's; nil fetches those.
	Keys []byte
	// Client fetches the keys; nil is a client with http.DefaultTransport. Its
	// CheckRedirect is not used: redirects to other hosts are not followed.
	Client *http.Client
	// Timeout is how long fetching the keys may take in all; 0 is ten seconds.
	Timeout time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Verify verifies a token and returns all steps, always the same ones in the same
// order. It does what STS documents to do before it evaluates a role's trust
// policy, and is strict where STS documents nothing.
//
// Keys come from the jwks_uri of the issuer's discovery document, which must name
// the same issuer (OpenID Connect Discovery 1.0, section 4.3). Verify connects only
// to the expected issuer, over https, and refuses keys of a Fly issuer that are on
// another host. It refuses the alias "personal" as an issuer; see the package
// documentation.
func Verify(ctx context.Context, token string, o Options) []Step {
	v := &verification{options: o, text: trim(token)}
	if v.options.Audience == "" {
		v.options.Audience = flyname.AudienceAWS
	}
	if v.options.Timeout == 0 {
		v.options.Timeout = keysTimeout
	}
	v.now = time.Now
	if o.Now != nil {
		v.now = o.Now
	}

	t, err := Decode(v.text)
	if err != nil {
		v.fail(stepFormat, err)
		for _, name := range []string{
			stepIssuer, stepAudience, stepExpiry, stepNotBefore, stepIssuedAt, StepKeys, StepSignature,
		} {
			v.add(name, Skipped, "the token cannot be used")
		}
		return v.steps
	}
	v.token = t
	v.add(stepFormat, Passed, "alg %s, kid %s", t.Header.Algorithm, text.Quote(t.Header.KeyID))
	expected := v.issuer()
	v.audience()
	v.times()
	v.signature(ctx, expected)
	return v.steps
}

// Verified reports whether no step failed.
func Verified(steps []Step) bool {
	return !slices.ContainsFunc(steps, func(s Step) bool { return s.Result == Failed })
}

// A verification is the state of one Verify.
type verification struct {
	options Options
	text    string
	token   *Token
	now     func() time.Time
	steps   []Step
}

func (v *verification) add(name string, result Result, format string, args ...any) {
	v.steps = append(v.steps, Step{Name: name, Result: result, Detail: fmt.Sprintf(format, args...)})
}

func (v *verification) fail(name string, err error) {
	v.steps = append(v.steps, Step{Name: name, Result: Failed, Detail: err.Error(), Err: err})
}

// issuer reports whether the token is from the expected issuer.
func (v *verification) issuer() bool {
	have, want := v.token.Claims.Issuer, v.options.Issuer
	if want != "" {
		switch {
		case have == want:
			v.add(stepIssuer, Passed, "%s", text.Quote(have))
			return true
		case strings.TrimSuffix(have, "/") == strings.TrimSuffix(want, "/"):
			v.add(stepIssuer, Failed, "%s and %s differ in the slash at the end, so they are different issuers", text.Quote(have), text.Quote(want))
		default:
			v.add(stepIssuer, Failed, "%s is not %s", text.Quote(have), text.Quote(want))
		}
		return false
	}
	slug, ok := flyname.IssuerOrg(have)
	switch {
	case !ok:
		v.add(stepIssuer, Failed, "%s is not an issuer of Fly's: %s followed by an organization's slug", text.Quote(have), flyname.Issuer(""))
	case slug == flyname.Personal:
		v.add(stepIssuer, Failed, "%s ends in the alias personal; Fly's tokens carry the raw slug", text.Quote(have))
	default:
		v.add(stepIssuer, Passed, "%s", text.Quote(have))
		return true
	}
	return false
}

func (v *verification) audience() {
	have, want := v.token.Claims.Audience, v.options.Audience
	quoted := make([]string, len(have))
	for i, s := range have {
		quoted[i] = text.Quote(s)
	}
	list := strings.Join(quoted, ", ")
	if len(have) > 10 {
		list = strings.Join(quoted[:10], ", ") + " and more"
	}
	if slices.Contains(have, want) {
		v.add(stepAudience, Passed, "%s", list)
		return
	}
	v.add(stepAudience, Failed, "%s is not %s", list, text.Quote(want))
}

func (v *verification) times() {
	now, c := v.now(), v.token.Claims
	left := c.Expiry.Sub(now)
	switch {
	case left >= 0:
		v.add(stepExpiry, Passed, "expires in %s", seconds(left))
	case left >= -expiryGrace:
		v.add(stepExpiry, Passed, "expired %s ago, within the %s for which STS still accepts it", seconds(-left), seconds(expiryGrace))
	default:
		v.add(stepExpiry, Failed, "expired %s ago, at %s", seconds(-left), c.Expiry.Format(time.RFC3339))
	}
	if c.NotBefore.IsZero() {
		v.add(stepNotBefore, Skipped, "the token has no nbf")
	} else {
		v.past(stepNotBefore, "became valid %s ago", "not valid for another %s", c.NotBefore.Sub(now))
	}
	v.past(stepIssuedAt, "issued %s ago", "issued %s in the future", c.IssuedAt.Sub(now))
}

// past adds the step of a time that must be in the past. The formats say how far it
// is in the past or in the future.
func (v *verification) past(name, past, future string, ahead time.Duration) {
	switch {
	case ahead <= 0:
		v.add(name, Passed, past, seconds(-ahead))
	case ahead <= clockSkew:
		v.add(name, Passed, future+", within the tolerance for clocks", seconds(ahead))
	default:
		v.add(name, Failed, future+"; is the clock right?", seconds(ahead))
	}
}

// seconds shows a duration: "9m42s".
func seconds(d time.Duration) string { return d.Truncate(time.Second).String() }
