package flyoidc_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/sandbox"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	got, err := flyoidc.Decode(" \r\n" + compact(goodHeader, goodClaims, 256) + "\n")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1787227500, 0).UTC()
	wantHeader := flyoidc.Header{
		Algorithm: "RS256", KeyID: "k1", Type: "JWT", JSON: goodHeader,
		Members: []flyoidc.Member{{Name: "alg", Value: `"RS256"`}, {Name: "kid", Value: `"k1"`}, {Name: "typ", Value: `"JWT"`}},
	}
	if !reflect.DeepEqual(got.Header, wantHeader) {
		t.Errorf("header:\ngot  %+v\nwant %+v", got.Header, wantHeader)
	}
	members := got.Claims.Members
	got.Claims.Members = nil
	wantClaims := flyoidc.Claims{
		Claims: flyname.Claims{
			Issuer: "https://oidc.fly.io/acme", Subject: "acme:web:quiet-sun-1234", Audience: []string{"sts.amazonaws.com"},
			Expiry: at.Add(600 * time.Second), NotBefore: at,
		},
		IssuedAt: at, ID: "j",
		AppID: "1234567", AppName: "web", OrgID: "7", OrgName: "acme",
		MachineID: "m1", MachineName: "quiet-sun-1234", MachineVersion: "01",
		Region: "ams", Image: "web:deployment-1", ImageDigest: "sha256:00", JSON: goodClaims,
	}
	if !reflect.DeepEqual(got.Claims, wantClaims) {
		t.Errorf("claims:\ngot  %+v\nwant %+v", got.Claims, wantClaims)
	}
	var names []string
	for _, m := range members {
		names = append(names, m.Name)
	}
	const want = "app_id app_name aud exp iat image image_digest iss jti machine_id machine_name machine_version nbf org_id org_name region sub"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("claims in order:\ngot  %s\nwant %s", got, want)
	}
}

func TestDecodeSandbox(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	w.AddMachine("acme", "web", "quiet-sun-1234")
	for _, tags := range []bool{false, true} {
		text, err := w.Mint(sandbox.TokenRequest{Org: "acme", App: "web", Machine: "quiet-sun-1234", PrincipalTags: tags})
		if err != nil {
			t.Fatal(err)
		}
		token, err := flyoidc.Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := token.Claims.Audience, []string{"https://fly.io/acme"}; !reflect.DeepEqual(got, want) {
			t.Errorf("aud is %q, want %q", got, want)
		}
		var want map[string]string
		if tags {
			want = map[string]string{"app_name": "web", "machine_name": "quiet-sun-1234", "org_name": "acme"}
		}
		if got := token.Claims.Tags; !reflect.DeepEqual(got, want) {
			t.Errorf("session tags are %q, want %q", got, want)
		}
	}
}

// Session tags are strings or lists of strings; anything else is left as it is.
// TestFlatSessionTags: STS takes tags in a claim each as well, and a source identity.
func TestFlatSessionTags(t *testing.T) {
	t.Parallel()
	claims, _ := flyoidc.InspectClaims(`{"iss":"https://oidc.fly.io/acme","sub":"acme:web:x","aud":"sts.amazonaws.com","https://aws.amazon.com/tags/principal_tags/team":"x","https://aws.amazon.com/tags/principal_tags/env":["a","b"],"https://aws.amazon.com/source_identity":"me"}`)
	if want := map[string]string{"team": "x", "env": "a,b"}; !reflect.DeepEqual(claims.Tags, want) || claims.SourceIdentity != "me" {
		t.Errorf("tags %v, source identity %q", claims.Tags, claims.SourceIdentity)
	}
}

func TestSessionTags(t *testing.T) {
	t.Parallel()
	for claim, want := range map[string]map[string]string{
		`{"principal_tags":{"a":"x","b":["y","z"],"c":[1],"d":null}}`: {"a": "x", "b": "y,z", "c": "[1]", "d": "null"},
		`{"principal_tags":{}}`:    nil,
		`{"principal_tags":["a"]}`: nil,
		`"a"`:                      nil,
		`null`:                     nil,
	} {
		claims, _ := flyoidc.InspectClaims(`{"https://aws.amazon.com/tags":` + claim + `}`)
		if !reflect.DeepEqual(claims.Tags, want) {
			t.Errorf("%s gives %q, want %q", claim, claims.Tags, want)
		}
	}
}

// RSA keys differ in length, and so do their signatures.
func TestDecodeSignatureLengths(t *testing.T) {
	t.Parallel()
	for _, n := range []int{256, 384, 512} {
		if _, err := flyoidc.Decode(compact(goodHeader, goodClaims, n)); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// Decode accepts tokens of other issuers, as their documentation shows them.
func TestDecodeOtherIssuers(t *testing.T) {
	t.Parallel()
	for name, claims := range map[string]string{
		"GitHub": `{"iss":"https://token.actions.githubusercontent.com","sub":"repo:octo-org/octo-repo:ref:refs/heads/main",` +
			`"aud":"https://github.com/octo-org","exp":1632493867,"iat":1632493567,"nbf":1632492967,"runner_environment":"github-hosted","run_attempt":2}`,
		"Kubernetes": `{"aud":["sts.amazonaws.com","https://kubernetes.default.svc"],"exp":1632493867,"iat":1632493567,` +
			`"iss":"https://oidc.eks.us-east-2.amazonaws.com/id/286A","kubernetes.io":{"namespace":"default","pod":{"name":"p"}},` +
			`"nbf":1632492967,"sub":"system:serviceaccount:default:sa"}`,
		"without nbf": `{"iss":"https://accounts.google.com","sub":"1","aud":"a","exp":1632493867,"iat":1632493567}`,
	} {
		token, err := flyoidc.Decode(compact(`{"alg":"ES256","kid":"k"}`, claims, 64))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if token.Claims.JSON != claims || token.Claims.Expiry.Unix() != 1632493867 {
			t.Errorf("%s: got %+v", name, token.Claims)
		}
	}
}

// broken are tokens that are refused, with every rule they break.
func broken(t testing.TB) map[string]struct {
	text  string
	rules string
} {
	header := func(h string) string { return compact(h, goodClaims, 256) }
	claims := func(c string) string { return compact(goodHeader, c, 256) }
	claim := func(name, value string) string { return claims(withClaim(t, name, value)) }
	good := compact(goodHeader, goodClaims, 256)
	parts := strings.Split(good, ".")
	padded := base64.URLEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"k"}`))
	plain := base64.RawStdEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"??~~>>"}`))
	if !strings.HasSuffix(padded, "=") || !strings.ContainsAny(plain, "+/") {
		t.Fatalf("%q and %q do not show what they should", padded, plain)
	}
	add := func(more string) string { return strings.TrimSuffix(goodClaims, "}") + "," + more + "}" }
	return map[string]struct {
		text  string
		rules string
	}{
		"empty":                     {"", "empty"},
		"white space only":          {" \r\n\t", "empty"},
		"not a token":               {"hello", "parts"},
		"prose":                     {"This is. Not a token.", "white-space base64url utf-8 base64url signature"},
		"one dot":                   {"a.b", "parts"},
		"four parts":                {"a.b.c.d", "parts"},
		"JSON serialization":        {`{"payload":"e30","signatures":[]}`, "parts"},
		"a JSON answer with dots":   {`{"a":"b.c.d"}`, "parts"},
		"binary":                    {"\x7fELF\x02\x01\x01\x00\x00", "parts"},
		"encrypted":                 {base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RSA-OAEP","enc":"A256GCM"}`)) + ".a.b.c.d", "encrypted"},
		"20 MB":                     {strings.Repeat("a", 20<<20), "size"},
		"one character too many":    {strings.Repeat("a", maxSize+1), "size"},
		"byte order mark":           {"\ufeff" + good, "byte-order-mark"},
		"UTF-16":                    {"\xff\xfee\x00y\x00", "byte-order-mark"},
		"line break inside":         {good[:40] + "\n" + good[40:], "white-space"},
		"blank inside":              {good[:40] + " " + good[40:], "white-space"},
		"Unicode space inside":      {good[:40] + "\u00a0" + good[40:], "base64url"},
		"NUL inside":                {good[:40] + "\x00" + good[40:], "base64url"},
		"padding":                   {padded + "." + parts[1] + "." + parts[2], "base64url"},
		"plain base64":              {plain + "." + parts[1] + "." + parts[2], "base64url"},
		"trailing bits":             {parts[0] + "." + parts[1] + "." + strings.TrimSuffix(parts[2], "A") + "B", "base64url"},
		"half a byte":               {parts[0] + "." + parts[1] + "." + parts[2] + "AAA", "base64url"},
		"no header":                 {"." + parts[1] + "." + parts[2], "base64url"},
		"no claims":                 {parts[0] + ".." + parts[2], "base64url"},
		"no signature":              {parts[0] + "." + parts[1] + ".", "signature"},
		"cut off in the signature":  {good[:len(good)-6], "signature"},
		"signature of another kind": {compact(`{"alg":"ES256","kid":"k"}`, goodClaims, 256), "signature"},

		"header not UTF-8":         {header("{\"alg\":\"RS256\",\"kid\":\"\xff\"}"), "utf-8"},
		"claims not UTF-8":         {claims("{\"sub\":\"\xff\"}"), "utf-8"},
		"lone surrogate":           {claims(add(`"x":"\ud800"`)), "json"},
		"mark before claims":       {claims("\ufeff" + goodClaims), "json"},
		"claims not JSON":          {claims("hello"), "json"},
		"claims a list":            {claims("[]"), "json"},
		"claims null":              {claims("null"), "json"},
		"claims cut off":           {claims(goodClaims[:100]), "json"},
		"claims empty text":        {compact(goodHeader, " ", 256), "json"},
		"trailing comma":           {claims(strings.TrimSuffix(goodClaims, "}") + ",}"), "json"},
		"data behind the claims":   {claims(goodClaims + "{}"), "json"},
		"nested lists":             {claims(add(`"x":` + strings.Repeat("[", 32) + strings.Repeat("]", 32))), "nesting"},
		"7,000 nested lists":       {claims(add(`"x":` + strings.Repeat("[", 7000) + strings.Repeat("]", 7000))), "nesting"},
		"10,000 lists, not closed": {claims(`{"x":` + strings.Repeat("[", 10000)), "json"},
		"claim twice":              {claims(add(`"sub":"acme:web:other"`)), "duplicate"},
		"claim twice by an escape": {claims(add(`"su\u0062":"acme:web:other"`)), "duplicate"},
		"claim twice inside":       {claims(add(`"x":{"a":1,"a":2}`)), "duplicate"},
		"claims but for case":      {claims(add(`"Sub":"acme:web:other"`)), "case"},
		"claims but for long s":    {claims(add(`"ſub":"acme:web:other"`)), "case"},
		"header names twice":       {header(`{"alg":"RS256","kid":"k","kid":"l"}`), "duplicate"},
		"header names but case":    {header(`{"alg":"RS256","kid":"k","Alg":"none"}`), "case"},

		"algorithm none":       {header(`{"alg":"none","kid":"k"}`), "alg"},
		"algorithm nOnE":       {header(`{"alg":"nOnE","kid":"k"}`), "alg"},
		"algorithm HS256":      {header(`{"alg":"HS256","kid":"k"}`), "alg"},
		"algorithm PS256":      {header(`{"alg":"PS256","kid":"k"}`), "alg"},
		"algorithm rs256":      {header(`{"alg":"rs256","kid":"k"}`), "alg"},
		"algorithm missing":    {header(`{"kid":"k"}`), "alg"},
		"algorithm a number":   {header(`{"alg":256,"kid":"k"}`), "alg"},
		"none, unsigned":       {compact(`{"alg":"none"}`, goodClaims, 0), "alg kid signature"},
		"key ID missing":       {header(`{"alg":"RS256"}`), "kid"},
		"key ID empty":         {header(`{"alg":"RS256","kid":""}`), "kid"},
		"key ID a number":      {header(`{"alg":"RS256","kid":1}`), "kid"},
		"critical extension":   {header(`{"alg":"RS256","kid":"k","crit":["b64"],"b64":false}`), "crit"},
		"critical, empty":      {header(`{"alg":"RS256","kid":"k","crit":[]}`), "crit"},
		"critical, not a list": {header(`{"alg":"RS256","kid":"k","crit":null}`), "crit"},
		"type a list":          {header(`{"alg":"RS256","kid":"k","typ":["JWT"]}`), "typ"},

		"no claims at all":        {claims("{}"), "iss sub aud exp iat"},
		"issuer missing":          {claim("iss", ""), "iss"},
		"issuer a list":           {claim("iss", `["x"]`), "iss"},
		"subject null":            {claim("sub", "null"), "sub"},
		"subject a number":        {claim("sub", "12345"), "sub"},
		"subject empty":           {claim("sub", `""`), "sub"},
		"subject true":            {claim("sub", "true"), "sub"},
		"audience null":           {claim("aud", "null"), "aud"},
		"audience a list":         {claim("aud", `["sts.amazonaws.com"]`), "aud"},
		"audience missing":        {claim("aud", ""), "aud"},
		"expiry missing":          {claim("exp", ""), "exp"},
		"expiry a string":         {claim("exp", `"1787228100"`), "exp"},
		"expiry a fraction":       {claim("exp", "1787228100.0"), "exp"},
		"expiry with exponent":    {claim("exp", "1e9"), "exp"},
		"expiry null":             {claim("exp", "null"), "exp"},
		"expiry huge":             {claim("exp", "9223372036854775807"), "exp"},
		"expiry beyond 64 bits":   {claim("exp", strings.Repeat("9", 400)), "exp"},
		"expiry negative":         {claim("exp", "-1"), "exp"},
		"issued at missing":       {claim("iat", ""), "iat"},
		"issued at a string":      {claim("iat", `"now"`), "iat"},
		"not before an object":    {claim("nbf", `{}`), "nbf"},
		"not before null":         {claim("nbf", `null`), "nbf"},
		"audience a mixed list":   {claims(`{"iss":"https://x","sub":"s","exp":1,"iat":1,"aud":["a",1]}`), "aud"},
		"audience an empty list":  {claims(`{"iss":"https://x","sub":"s","exp":1,"iat":1,"aud":[]}`), "aud"},
		"audience list of empty":  {claims(`{"iss":"https://x","sub":"s","exp":1,"iat":1,"aud":["a",""]}`), "aud"},
		"several rules at a time": {compact(`{"alg":"none","crit":[]}`, `{"iss":1,"sub":2,"aud":3,"exp":"4","iat":5.5}`, 256), "alg kid crit iss sub aud exp iat"},
	}
}

func TestBroken(t *testing.T) {
	t.Parallel()
	for name, test := range broken(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, violations := flyoidc.Inspect(test.text)
			var rules []string
			for _, v := range violations {
				rules = append(rules, string(v.Rule))
				checkText(t, v.Reason)
			}
			if got := strings.Join(rules, " "); got != test.rules {
				t.Errorf("broken rules: %q, want %q\n%+v", got, test.rules, violations)
			}
			token, err := flyoidc.Decode(test.text)
			var decodeErr *flyoidc.DecodeError
			if token != nil || !errors.As(err, &decodeErr) {
				t.Fatalf("Decode gives %v, %v", token, err)
			}
			if len(violations) > 0 && decodeErr.Violation != violations[0] {
				t.Errorf("Decode names %+v, Inspect %+v first", decodeErr.Violation, violations[0])
			}
			for _, part := range strings.Split(test.text, ".") {
				if len(part) > 20 && strings.Contains(err.Error(), part) {
					t.Errorf("the error contains part of the token: %v", err)
				}
			}
		})
	}
}

// A token that is cut off anywhere is refused.
func TestPrefixes(t *testing.T) {
	t.Parallel()
	good := sign(t, "RS256", claimsOf("https://oidc.fly.io/acme"))
	for n := range len(good) {
		if _, err := flyoidc.Decode(good[:n]); err == nil {
			t.Errorf("%d of %d characters are accepted", n, len(good))
		}
	}
}

// checkText checks that a text is safe to show on one line of a terminal.
func checkText(t testing.TB, s string) {
	t.Helper()
	if s == "" || len(s) > 4*1024 {
		t.Errorf("a text of %d bytes", len(s))
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			t.Errorf("%q is in %q", r, s)
			return
		}
	}
}

// Inspect returns what can be read of a refused token.
func TestInspectBestEffort(t *testing.T) {
	t.Parallel()
	cases := broken(t)
	readable := func(name string, header, claims bool) {
		t.Helper()
		test, ok := cases[name]
		if !ok {
			t.Fatalf("there is no case %q", name)
		}
		token, _ := flyoidc.Inspect(test.text)
		if token == nil {
			token = &flyoidc.Token{}
		}
		if got := token.Header.JSON != ""; got != header {
			t.Errorf("%s: header readable: %v, want %v", name, got, header)
		}
		if got := token.Claims.JSON != ""; got != claims {
			t.Errorf("%s: claims readable: %v, want %v", name, got, claims)
		}
	}
	readable("byte order mark", true, true)
	readable("line break inside", true, true)
	readable("padding", true, true)
	readable("plain base64", true, true)
	readable("no signature", true, true)
	readable("cut off in the signature", true, true)
	readable("claim twice", true, true)
	readable("data behind the claims", true, true)
	readable("several rules at a time", true, true)
	readable("encrypted", true, false)
	readable("claims not JSON", true, false)
	readable("7,000 nested lists", true, false)
	readable("no header", false, true)
	readable("header not UTF-8", false, true)
	for _, name := range []string{"empty", "20 MB", "UTF-16", "not a token", "JSON serialization"} {
		if token, _ := flyoidc.Inspect(cases[name].text); token != nil {
			t.Errorf("%s: got %+v", name, token)
		}
	}

	token, _ := flyoidc.Inspect(cases["claim twice"].text)
	if got := token.Claims.Subject; got != "" {
		t.Errorf("of two subjects %q was taken", got)
	}
	if n := strings.Count(token.Claims.JSON, `"sub"`); n != 2 || len(token.Claims.Members) != 18 {
		t.Errorf("%d subjects and %d members", n, len(token.Claims.Members))
	}
}

// Control characters in claims are decoded; escaping them is up to the caller.
func TestControlCharacters(t *testing.T) {
	t.Parallel()
	token, err := flyoidc.Decode(compact(goodHeader, withClaim(t, "sub", `"acme:web:\u001b[2Jx"`), 256))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := token.Claims.Subject, "acme:web:\x1b[2Jx"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	// Messages escape them.
	_, err = flyoidc.Decode(compact("{\"alg\":\"\\u001b[31m\u009b\u202e\",\"kid\":\"k\"}", goodClaims, 256))
	if err == nil {
		t.Fatal("an unknown algorithm was accepted")
	}
	checkText(t, err.Error())
}

func TestInspectClaims(t *testing.T) {
	t.Parallel()
	c, violations := flyoidc.InspectClaims("\n" + goodClaims + "\n")
	if len(violations) > 0 || c.Subject != "acme:web:quiet-sun-1234" || c.JSON != goodClaims {
		t.Errorf("got %+v, %+v", c, violations)
	}
	for text, want := range map[string]string{
		"":                          "empty",
		"[]":                        "json",
		`{"sub":"a","sub":"b"}`:     "iss duplicate aud exp iat",
		`{"sub":"a:b:c","aud":"x"}`: "iss exp iat",
		strings.Repeat(" ", 20<<20): "empty",
		strings.Repeat("{", 1e5):    "size",
	} {
		_, violations := flyoidc.InspectClaims(text)
		seen := map[flyoidc.Rule]bool{}
		for _, v := range violations {
			checkText(t, v.Reason)
			seen[v.Rule] = true
		}
		for _, rule := range strings.Fields(want) {
			if !seen[flyoidc.Rule(rule)] {
				t.Errorf("%.40q does not break %s", text, rule)
			}
		}
		if len(seen) != len(strings.Fields(want)) {
			t.Errorf("%.40q breaks %+v, want %s", text, violations, want)
		}
	}
}

func TestReadText(t *testing.T) {
	t.Parallel()
	good := compact(goodHeader, goodClaims, 256)
	got, err := flyoidc.ReadText(iotest.OneByteReader(strings.NewReader(" " + good + "\r\n")))
	if err != nil || got != good {
		t.Errorf("got %q, %v", got, err)
	}
	// An endless reader shows that reading is bounded.
	var decodeErr *flyoidc.DecodeError
	if _, err := flyoidc.ReadText(endless{}); !errors.As(err, &decodeErr) || decodeErr.Rule != "size" {
		t.Errorf("reading an endless reader gives %v", err)
	}
	if got, err := flyoidc.ReadText(bytes.NewReader(nil)); err != nil || got != "" {
		t.Errorf("an empty file gives %q, %v", got, err)
	}
	if _, err := flyoidc.ReadText(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a failing reader gives %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

// A token of the largest size is read, whatever its content.
func TestLargest(t *testing.T) {
	t.Parallel()
	for name, filler := range map[string]string{
		"many claims":  `,"%":1`,
		"many strings": `,"%":"\u001b"`,
		"many lists":   `,"%":[[[]]]`,
	} {
		var b strings.Builder
		b.WriteString(strings.TrimSuffix(goodClaims, "}"))
		for i := 0; b.Len() < 14000; i++ {
			b.WriteString(strings.Replace(filler, "%", strings.Repeat("x", i%7)+string(rune('a'+i%20))+string(rune(0x4e00+i)), 1))
		}
		b.WriteString("}")
		if _, err := flyoidc.Decode(compact(goodHeader, b.String(), 256)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
