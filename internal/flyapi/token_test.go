package flyapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/fly-aws/fly-aws/internal/flyapi"
	"github.com/fly-aws/fly-aws/setup"
)

const (
	macaroon  = "fm2_lJPECAAAAAAAAAmPxBCnotarealone"
	discharge = "fm2_lJPE0000notreal/eith+er=="
	oauth     = "fo1_notarealoneeither_0"
)

func parse(t testing.TB, text string, source setup.FlySource) flyapi.AccessToken {
	t.Helper()
	token, err := flyapi.ParseToken(text, source)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestTokenHeaders(t *testing.T) {
	t.Parallel()
	const file = setup.FlySourceConfig
	for _, test := range []struct {
		name, text string
		source     setup.FlySource
		graphQL    string
		machines   []string
	}{
		{"OAuth", oauth, setup.FlySourceAPIToken, "Bearer " + oauth, []string{"Bearer " + oauth}},
		{"unknown kind", "deadbeefdeadbeef", setup.FlySourceAPIToken, "Bearer deadbeefdeadbeef", []string{"Bearer deadbeefdeadbeef"}},
		{"macaroon", macaroon, setup.FlySourceAPIToken, "FlyV1 " + macaroon, []string{"FlyV1 " + macaroon}},
		{"old macaroons", "fm1r_a,fm1a_b", setup.FlySourceAPIToken, "FlyV1 fm1r_a,fm1a_b", []string{"FlyV1 fm1r_a,fm1a_b"}},
		{"no macaroon, but nearly", "fm2", setup.FlySourceAPIToken, "FlyV1 fm2", []string{"FlyV1 fm2"}},
		{"no macaroon", "fm3_x,fm22_y", setup.FlySourceAPIToken, "Bearer fm3_x,fm22_y", []string{"Bearer fm3_x,fm22_y"}},
		{"scheme", "FlyV1 " + macaroon, setup.FlySourceAPIToken, "FlyV1 " + macaroon, []string{"FlyV1 " + macaroon}},
		{"other scheme, twice", " bearer  FLYV1 \t" + oauth + "\n", setup.FlySourceAPIToken, "Bearer " + oauth, []string{"Bearer " + oauth}},
		{
			"both from the environment", "FlyV1 " + oauth + ", " + macaroon + ",," + discharge, setup.FlySourceAccessToken,
			"FlyV1 " + macaroon + "," + discharge + "," + oauth,
			[]string{"FlyV1 " + macaroon + "," + discharge, "Bearer " + oauth},
		},
		{
			"both from flyctl's file", macaroon + "," + oauth, file,
			"Bearer " + oauth,
			[]string{"FlyV1 " + macaroon, "Bearer " + oauth},
		},
		{"macaroon from flyctl's file", macaroon, file, "FlyV1 " + macaroon, []string{"FlyV1 " + macaroon}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			token := parse(t, test.text, test.source)
			if got := token.GraphQLHeader(); got != test.graphQL {
				t.Errorf("GraphQL gets %q, want %q", got, test.graphQL)
			}
			if got := token.MachinesHeaders(); !slices.Equal(got, test.machines) {
				t.Errorf("the Machines API gets %q, want %q", got, test.machines)
			}
			if token.Source() != test.source {
				t.Errorf("got source %q", token.Source())
			}
		})
	}
}

func TestNoToken(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", " \n", ",", " , ,", "FlyV1 ,"} {
		if token, err := flyapi.ParseToken(text, setup.FlySourceAPIToken); err != nil || !token.IsZero() {
			t.Errorf("%q: got %v, %v", text, token, err)
		}
	}
}

func TestBadToken(t *testing.T) {
	t.Parallel()
	for _, text := range []string{macaroon + "\r\nX-Evil: 1", "fo1_a b" + oauth, "fo1_\x00" + oauth, oauth + "é", "\x1b[31m" + oauth} {
		token, err := flyapi.ParseToken(text, setup.FlySourceAPIToken)
		e := failure(t, err, "sign-in")
		if !token.IsZero() || !strings.Contains(e.Error(), "FLY_API_TOKEN") {
			t.Errorf("%q: got %v, %v", text, token, err)
		}
	}
}

// A token is hidden however it is printed, alone or inside another value.
func TestTokenIsRedacted(t *testing.T) {
	t.Parallel()
	token := parse(t, macaroon+","+oauth, setup.FlySourceAPIToken)
	client := newClient(t, flyapi.Options{Token: token})
	type exported struct{ T flyapi.AccessToken }
	type hidden struct{ t flyapi.AccessToken }
	values := []any{
		token, &token, client, *client,
		exported{token},
		&exported{token},
		hidden{token},
		&hidden{token},
		[]flyapi.AccessToken{token},
		map[string]flyapi.AccessToken{"a": token},
		flyapi.Options{Token: token},
	}
	var shown bytes.Buffer
	for _, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10.3v"} {
			fmt.Fprintf(&shown, verb+"\n", value)
		}
		fmt.Fprintln(&shown, value)
		slog.New(slog.NewTextHandler(&shown, nil)).Info("x", "value", value)
		slog.New(slog.NewJSONHandler(&shown, nil)).Info("x", "value", value)
		if data, err := json.Marshal(value); err == nil {
			shown.Write(data)
		}
	}
	fmt.Fprintln(&shown, token, token.String(), errors.New(token.String()))
	for _, secret := range []string{macaroon, oauth, fmt.Sprintf("%x", macaroon), fmt.Sprintf("%x", oauth), "lJPEC", "notareal"} {
		if strings.Contains(strings.ToLower(shown.String()), strings.ToLower(secret)) {
			t.Errorf("%q shows", secret)
		}
	}
	if token.String() != "[token]" || (flyapi.AccessToken{}).String() != "" {
		t.Errorf("got %q and %q", token.String(), flyapi.AccessToken{}.String())
	}
}

// FuzzParseToken checks that nothing panics; that an accepted token gives valid
// headers with every part in them; that parsing a header gives the same token; and
// that neither the token nor an error shows it.
func FuzzParseToken(f *testing.F) {
	for _, text := range []string{
		"", oauth, macaroon, "FlyV1 " + macaroon + "," + oauth, "Bearer Bearer x", " , fm1r_,fm1a_", "a\nb", "fm2_\x1b", "FlyV1", "é",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		token, err := flyapi.ParseToken(text, setup.FlySourceAPIToken)
		if err != nil {
			e := failure(t, err, "sign-in")
			if want := "signing in to Fly with FLY_API_TOKEN: it contains blanks, control characters or others that a token cannot have"; e.Error() != want {
				t.Fatalf("%q gives %q", text, e)
			}
			return
		}
		if token.IsZero() {
			if strings.ContainsFunc(text, unicode.IsDigit) {
				t.Fatalf("%q gives no token", text)
			}
			return
		}
		header := token.GraphQLHeader()
		scheme, tokens, _ := strings.Cut(header, " ")
		if scheme != "FlyV1" && scheme != "Bearer" || strings.ContainsFunc(tokens, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Fatalf("%q gives the header %q", text, header)
		}
		again := parse(t, header, setup.FlySourceAPIToken)
		if again.GraphQLHeader() != header || !slices.Equal(again.MachinesHeaders(), token.MachinesHeaders()) {
			t.Fatalf("%q gives %q, and that %q", text, header, again.GraphQLHeader())
		}
		for part := range strings.SplitSeq(tokens, ",") {
			if len(part) >= 8 && strings.Contains(token.Redact("a "+part+" b"), part) {
				t.Fatalf("%q is not redacted", part)
			}
		}
		if shown := fmt.Sprintf("%v %+v %#v %s", token, token, token, token); shown != "[token] [token] [token] [token]" {
			t.Fatalf("shows as %q", shown)
		}
	})
}

// checkText checks that a text is safe to show on a terminal and contains no
// token.
func checkText(t testing.TB, text string) {
	t.Helper()
	for _, r := range text {
		if !unicode.IsPrint(r) {
			t.Fatalf("%q holds %q", text, r)
		}
	}
	for _, prefix := range []string{"fm1r_", "fm1a_", "fm2_", "fo1_", "eyJ"} {
		if strings.Contains(text, prefix) {
			t.Fatalf("%q holds a token", text)
		}
	}
}

// failure returns err as an *Error, and checks its kind and text.
func failure(t testing.TB, err error, kind setup.FlyProblemKind) *flyapi.Error {
	t.Helper()
	var e *flyapi.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an error of kind %s", err, kind)
	}
	if e.Kind != kind {
		t.Fatalf("got kind %s (%v), want %s", e.Kind, e, kind)
	}
	checkText(t, e.Error())
	if strings.HasSuffix(e.Error(), ".") || strings.Contains(e.Error(), ": :") || strings.Contains(e.Error(), "  ") {
		t.Errorf("odd words: %s", e)
	}
	return e
}
