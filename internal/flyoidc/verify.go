package flyoidc

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

// The names of the checks, in the order in which Verify returns them.
const (
	// CheckFormat: the token keeps every Rule.
	CheckFormat = "format"
	// CheckIssuer: iss is the issuer that is expected.
	CheckIssuer = "issuer"
	// CheckAudience: aud has the audience that is expected.
	CheckAudience = "audience"
	// CheckExpiry, CheckNotBefore and CheckIssuedAt: exp, nbf and iat fit the clock.
	CheckExpiry    = "expiry"
	CheckNotBefore = "not before"
	CheckIssuedAt  = "issued at"
	// CheckKeys: the issuer's keys were to be had, and one has the token's key ID.
	CheckKeys = "keys"
	// CheckSignature: that key has signed the token.
	CheckSignature = "signature"
)

// An Outcome says how a check ended.
type Outcome string

// The outcomes of a Check.
const (
	OK     Outcome = "ok"
	Failed Outcome = "failed"
	// Skipped: there was nothing to check, or an earlier check had failed that this
	// one rests on.
	Skipped Outcome = "skipped"
)

// A Check is one thing that was looked at.
type Check struct {
	// Name is one of the Check constants.
	Name    string
	Outcome Outcome
	// Detail is a clause in words, fit for a terminal: what was found, and what was
	// wanted if that is something else.
	Detail string
	// Err is the cause of a failure that has a type: *DecodeError for CheckFormat,
	// *KeysError for CheckKeys. The kinds of the latter tell whether the token is to
	// blame or the way to the issuer.
	Err error
}

const (
	// ExpiryGrace is how long after exp STS still takes a token
	// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc.html).
	ExpiryGrace = 5 * time.Minute
	// ClockSkew is how far in the future nbf and iat may lie. What STS allows is not
	// documented; clocks that are kept by NTP differ by much less.
	ClockSkew = time.Minute
)

const keysTimeout = 10 * time.Second

// Options say what a token is verified against. The zero value is a token of
// Fly's for AWS, now, with the keys that its issuer publishes.
type Options struct {
	// Issuer is the only issuer to accept: an https URL, compared with iss letter by
	// letter. "" accepts flyname.Issuer("") with any raw slug.
	Issuer string
	// Audience has to be among the token's; "" is AudienceAWS.
	Audience string
	// Keys is a JSON Web Key Set (RFC 7517) to use instead of asking the issuer; nil
	// asks it. At most 2 MiB.
	Keys []byte
	// Client asks the issuer; nil is one with http.DefaultTransport. Its
	// CheckRedirect is replaced: redirects to other hosts are not followed.
	Client *http.Client
	// Timeout is how long asking the issuer may take in all; 0 is ten seconds.
	Timeout time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Verify checks a token and returns all checks, always the same ones in the same
// order. It does what STS does before it looks at a role, as far as that is
// documented, and is strict where it is not.
//
// Keys come from the jwks_uri of the issuer's discovery document, which has to
// name the same issuer (OpenID Connect Discovery 1.0, section 4.3). Only the
// issuer that is expected is asked, over https; from an issuer of Fly's, keys of
// another host are refused.
//
// Neither the alias "personal" nor an issuer that merely answers proves
// anything; see the package documentation.
func Verify(ctx context.Context, text string, o Options) []Check {
	v := &verification{options: o, text: trim(text)}
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
		v.checks = append(v.checks, Check{Name: CheckFormat, Outcome: Failed, Detail: err.Error(), Err: err})
		for _, name := range []string{
			CheckIssuer, CheckAudience, CheckExpiry, CheckNotBefore, CheckIssuedAt, CheckKeys, CheckSignature,
		} {
			v.add(name, Skipped, "the token cannot be used")
		}
		return v.checks
	}
	v.token = t
	v.add(CheckFormat, OK, "alg %s, kid %s", t.Header.Algorithm, quote(t.Header.KeyID))
	expected := v.issuer()
	v.audience()
	v.times()
	v.signature(ctx, expected)
	return v.checks
}

// Passed reports whether none of the checks failed.
func Passed(checks []Check) bool {
	return !slices.ContainsFunc(checks, func(c Check) bool { return c.Outcome == Failed })
}

// A verification is the state of one Verify.
type verification struct {
	options Options
	text    string
	token   *Token
	now     func() time.Time
	checks  []Check
}

func (v *verification) add(name string, outcome Outcome, format string, args ...any) {
	v.checks = append(v.checks, Check{Name: name, Outcome: outcome, Detail: fmt.Sprintf(format, args...)})
}

// issuer reports whether the token is of the issuer that is expected.
func (v *verification) issuer() bool {
	have, want := v.token.Claims.Issuer, v.options.Issuer
	if want != "" {
		switch {
		case have == want:
			v.add(CheckIssuer, OK, "%s", quote(have))
			return true
		case strings.TrimSuffix(have, "/") == strings.TrimSuffix(want, "/"):
			v.add(CheckIssuer, Failed, "%s differs from %s by a slash at the end, which makes it another issuer", quote(have), quote(want))
		default:
			v.add(CheckIssuer, Failed, "%s is not %s", quote(have), quote(want))
		}
		return false
	}
	slug, ok := flyname.IssuerOrg(have)
	switch {
	case !ok:
		v.add(CheckIssuer, Failed, "%s is not an issuer of Fly's, which is %s and an organisation's slug", quote(have), flyname.Issuer(""))
	case slug == flyname.Personal:
		v.add(CheckIssuer, Failed, "%s has the alias personal, and Fly's tokens carry the raw slug", quote(have))
	default:
		v.add(CheckIssuer, OK, "%s", quote(have))
		return true
	}
	return false
}

func (v *verification) audience() {
	have, want := v.token.Claims.Audience, v.options.Audience
	quoted := make([]string, len(have))
	for i, s := range have {
		quoted[i] = quote(s)
	}
	list := strings.Join(quoted, ", ")
	if len(have) > 10 {
		list = strings.Join(quoted[:10], ", ") + " and more"
	}
	if slices.Contains(have, want) {
		v.add(CheckAudience, OK, "%s", list)
		return
	}
	v.add(CheckAudience, Failed, "%s is not %s", list, quote(want))
}

func (v *verification) times() {
	now, c := v.now(), v.token.Claims
	left := c.Expiry.Sub(now)
	switch {
	case left >= 0:
		v.add(CheckExpiry, OK, "expires in %s", seconds(left))
	case left >= -ExpiryGrace:
		v.add(CheckExpiry, OK, "expired %s ago, within the %s that STS still takes it", seconds(-left), seconds(ExpiryGrace))
	default:
		v.add(CheckExpiry, Failed, "expired %s ago, at %s", seconds(-left), c.Expiry.Format(time.RFC3339))
	}
	if c.NotBefore.IsZero() {
		v.add(CheckNotBefore, Skipped, "the token has no nbf")
	} else {
		v.past(CheckNotBefore, "valid since", "valid only in", c.NotBefore.Sub(now))
	}
	v.past(CheckIssuedAt, "issued", "issued in the future, in", c.IssuedAt.Sub(now))
}

// past adds the check of a time that has to lie in the past.
func (v *verification) past(name, before, after string, ahead time.Duration) {
	switch {
	case ahead <= 0:
		if name == CheckNotBefore {
			v.add(name, OK, "%s %s", before, seconds(-ahead))
			return
		}
		v.add(name, OK, "%s %s ago", before, seconds(-ahead))
	case ahead <= ClockSkew:
		v.add(name, OK, "%s %s, which a clock may be wrong by", after, seconds(ahead))
	default:
		v.add(name, Failed, "%s %s; is the clock right?", after, seconds(ahead))
	}
}

// seconds shows a duration: "9m42s".
func seconds(d time.Duration) string { return d.Truncate(time.Second).String() }
