package sandbox

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

// tokenLifetime is how long Fly's tokens are valid.
const tokenLifetime = 600 * time.Second

// Signing keys are slow to generate, so all Worlds of the process share one. Each
// organization publishes it under its own key ID, so that a token of one is not
// valid for another. The second key is not published.
var (
	issuerKey      = sync.OnceValues(newKey)
	unpublishedKey = sync.OnceValues(newKey)
)

func newKey() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) }

// keyID is the key ID of an organization's key.
func keyID(org string) string { return strings.ToLower(digest("key of " + org)[:32]) }

// TokenRequest describes a token to make.
type TokenRequest struct {
	// Org is the organization's raw slug, App and Machine are names; AddMachine
	// must have been called with them.
	Org, App, Machine string
	// Audience is the claim aud; "" is Fly's default https://fly.io/<org>.
	Audience string
	// Lifetime is the time from World.Now to the token's expiry; 0 is the World's
	// TokenLifetime, and a negative one makes an expired token.
	Lifetime time.Duration
	// PrincipalTags adds AWS session tags, as aws_principal_tags does in a request
	// to the token endpoint. Their keys are invented, as Fly documents none:
	// app_name, machine_name and org_name.
	PrincipalTags bool
	// Claims replaces or adds claims, for tokens that Fly would not make; a nil
	// value removes one.
	Claims map[string]any
	// Unpublished signs with a key that the issuer does not publish, under the ID
	// of its published key.
	Unpublished bool
}

// Mint makes a token for a machine, with all of Fly's claims
// (https://fly.io/docs/security/openid-connect/), signed with RS256 by the key of
// the machine's organization.
func (w *World) Mint(t TokenRequest) (string, error) {
	w.mu.Lock()
	known := slices.Contains(w.machines, machine{t.Org, t.App, t.Machine})
	w.seq++
	n := w.seq
	w.mu.Unlock()
	if t.Org == flyname.Personal {
		return "", fmt.Errorf("no token carries the alias %q; use the raw slug", flyname.Personal)
	}
	if !known {
		return "", fmt.Errorf("there is no machine %q of app %q in org %q; add it with AddMachine", t.Machine, t.App, t.Org)
	}

	claims := w.claims(t, n)
	for name, value := range t.Claims {
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("making a token: %w", err)
	}
	key, err := issuerKey()
	if t.Unpublished && err == nil {
		key, err = unpublishedKey()
	}
	if err != nil {
		return "", fmt.Errorf("making a signing key: %w", err)
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: keyID(t.Org)}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return jws.CompactSerialize()
}

// claims returns the claims of the nth token. IDs derive from the names, so that
// all tokens have the same ones.
func (w *World) claims(t TokenRequest, n int) map[string]any {
	now := w.now()
	lifetime := t.Lifetime
	if lifetime == 0 {
		lifetime = w.TokenLifetime
	}
	if lifetime == 0 {
		lifetime = tokenLifetime
	}
	audience := t.Audience
	if audience == "" {
		audience = "https://fly.io/" + t.Org
	}
	machineKey := flyname.Subject{Org: t.Org, App: t.App, Machine: t.Machine}.String()
	claims := map[string]any{
		"app_id":          decimalID("app " + t.Org + " " + t.App),
		"app_name":        t.App,
		"aud":             audience,
		"exp":             now.Add(lifetime).Unix(),
		"iat":             now.Unix(),
		"image":           t.App + ":deployment-" + digest("image " + t.App)[:26],
		"image_digest":    "sha256:" + hexSum([]byte("image "+t.App)),
		"iss":             flyname.Issuer(t.Org),
		"jti":             requestID(n),
		"machine_id":      hexSum([]byte(machineKey))[:14],
		"machine_name":    t.Machine,
		"machine_version": digest("version " + machineKey)[:26],
		"nbf":             now.Unix(),
		"org_id":          decimalID("org " + t.Org),
		"org_name":        t.Org,
		"region":          "ams",
		"sub":             machineKey,
	}
	if t.PrincipalTags { // the keys are invented: see TokenRequest
		claims[tagsClaim] = map[string]any{
			"principal_tags": map[string][]string{
				"app_name": {t.App}, "machine_name": {t.Machine}, "org_name": {t.Org},
			},
		}
	}
	return claims
}

// tagsClaim is the claim with the session tags of a token:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html.
const tagsClaim = "https://aws.amazon.com/tags"

// decimalID returns a number of seven digits for a name, as text.
func decimalID(name string) string {
	n, _ := strconv.ParseUint(hexSum([]byte(name))[:8], 16, 64) // eight hexadecimal digits
	return strconv.FormatUint(1_000_000+n%9_000_000, 10)
}

// orgs returns the slugs of the organizations that have an issuer.
func (w *World) orgs() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.prepareFly()
	return w.flyOrgSlugs()
}
