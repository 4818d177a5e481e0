package flyoidc_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// socketDir is a folder with a path short enough for a socket.
func socketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "flyoidc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// listen opens a socket until the test ends.
func listen(t testing.TB) (net.Listener, string) {
	t.Helper()
	path := filepath.Join(socketDir(t), "api")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, path
}

// serve serves a socket until the test ends.
func serve(t testing.TB, h http.HandlerFunc) (path string) {
	t.Helper()
	l, path := listen(t)
	server := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(l)
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return path
}

func TestMintSandbox(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	w.AddMachine("acme", "web", "quiet-sun-1234")
	s, err := w.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m := flyoidc.Minter{Socket: s.SocketPath}
	for _, test := range []struct {
		request flyoidc.MintRequest
		aud     string
	}{
		{flyoidc.MintRequest{}, "https://fly.io/acme"},
		{flyoidc.MintRequest{Audience: flyname.AudienceAWS}, "sts.amazonaws.com"},
		{flyoidc.MintRequest{Audience: flyname.AudienceAWS, PrincipalTags: true}, "sts.amazonaws.com"},
	} {
		text, err := m.Mint(context.Background(), test.request)
		if err != nil {
			t.Fatal(err)
		}
		token, err := flyoidc.Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := token.Claims.Audience[0]; got != test.aud {
			t.Errorf("%+v: aud is %q", test.request, got)
		}
		if got := strings.Contains(token.Claims.JSON, "principal_tags"); got != test.request.PrincipalTags {
			t.Errorf("%+v: session tags: %v", test.request, got)
		}
	}
}

// The request is the one that Fly documents, byte for byte.
func TestMintRequest(t *testing.T) {
	t.Parallel()
	good := compact(goodHeader, goodClaims, 256)
	for want, request := range map[string]flyoidc.MintRequest{
		`{}`:                          {},
		`{"aud":"sts.amazonaws.com"}`: {Audience: flyname.AudienceAWS},
		`{"aud":"sts.amazonaws.com","aws_principal_tags":true}`: {Audience: flyname.AudienceAWS, PrincipalTags: true},
	} {
		socket := serve(t, func(rw http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if string(body) != want || r.Method != "POST" || r.URL.Path != "/v1/tokens/oidc" || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s %s %s %s, want %s", r.Method, r.URL, r.Header.Get("Content-Type"), body, want)
			}
			if !r.Close {
				t.Error("the connection would be left open")
			}
			fmt.Fprint(rw, good)
		})
		if _, err := (&flyoidc.Minter{Socket: socket}).Mint(context.Background(), request); err != nil {
			t.Error(err)
		}
	}
}

func TestMintAnswers(t *testing.T) {
	t.Parallel()
	good := compact(goodHeader, goodClaims, 256)
	quoted, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	html := "<!DOCTYPE html><html>" + good + "</html>"
	for name, test := range map[string]struct {
		status                int
		contentType, body     string
		kind                  flyoidc.MintKind // "" when there is a token
		wantCode, wantMessage string
	}{
		"the text":          {200, "text/plain", good, "", "", ""},
		"with a line end":   {200, "text/plain", good + "\r\n", "", "", ""},
		"created":           {201, "", good, "", "", ""},
		"a string":          {200, "application/json", string(quoted) + "\n", "", "", ""},
		"an object":         {200, "application/json", `{"token": ` + string(quoted) + `}`, "", "", ""},
		"claims break rule": {200, "text/plain", compact(`{"alg":"RS256"}`, `{"sub":1}`, 256), "", "", ""},

		"nothing":                {200, "text/plain", "", "not-a-token", "", ""},
		"nothing at all":         {204, "", "", "not-a-token", "", ""},
		"HTML":                   {200, "text/html; charset=utf-8", html, "not-a-token", "", ""},
		"HTML without type":      {200, "text/plain", html, "not-a-token", "", ""},
		"prose":                  {200, "text/plain", "try again later", "not-a-token", "", ""},
		"binary":                 {200, "", "\x00\x01\x02", "not-a-token", "", ""},
		"an object of something": {200, "application/json", `{"tokens": []}`, "not-a-token", "", ""},
		"a number in an object":  {200, "application/json", `{"token": 1}`, "not-a-token", "", ""},
		"no JSON":                {200, "application/json", `{token}`, "not-a-token", "", ""},
		"an encrypted token":     {200, "text/plain", "a.b.c.d.e", "not-a-token", "", ""},

		"two tokens":            {200, "text/plain", good + " " + good, "not-a-token", "", ""},
		"a token in two lines":  {200, "text/plain", good[:50] + "\n" + good[50:], "not-a-token", "", ""},
		"half a token":          {200, "text/plain", good[:len(good)/2], "cut-off", "", ""},
		"most of a token":       {200, "text/plain", good[:len(good)-8], "cut-off", "", ""},
		"half of a string":      {200, "application/json", string(quoted[:len(quoted)/2]), "cut-off", "", ""},
		"half of an object":     {200, "application/json", `{"token": ` + string(quoted), "cut-off", "", ""},
		"half in an object":     {200, "application/json", `{"token": "` + good[:99] + `"}`, "cut-off", "", ""},
		"a token too large":     {200, "text/plain", strings.Repeat("e", maxSize+1), "too-large", "", ""},
		"an answer too large":   {200, "text/plain", strings.Repeat("e", 20<<20), "too-large", "", ""},
		"an error too large":    {500, "text/plain", strings.Repeat("e", 1<<20), "too-large", "", ""},
		"an error object":       {403, "application/json", `{"error":"unauthorized","message":"no \u001b[31mway"}`, flyoidc.MintRefused, "unauthorized", "no \\x1b[31mway"},
		"only an error":         {404, "application/json", `{"error":"not found"}`, flyoidc.MintRefused, "not found", ""},
		"an error with 200":     {200, "application/json", `{"error":"not today"}`, flyoidc.MintRefused, "not today", ""},
		"an error of no JSON":   {502, "text/plain", "bad gateway", flyoidc.MintRefused, "", ""},
		"an error page":         {503, "text/html", html, flyoidc.MintRefused, "", ""},
		"an error of a list":    {500, "application/json", `[1]`, flyoidc.MintRefused, "", ""},
		"an error with token":   {500, "application/json", `{"error":"cannot send ` + good + ` today"}`, flyoidc.MintRefused, "cannot send [token] today", ""},
		"a token with an error": {500, "text/plain", good, flyoidc.MintRefused, "", ""},
		"a redirect":            {302, "text/plain", good, flyoidc.MintRefused, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			socket := serve(t, func(rw http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v1/tokens/oidc" {
					t.Errorf("%s was asked for", r.URL)
				}
				rw.Header().Set("Content-Type", test.contentType)
				rw.Header().Set("Location", "/elsewhere")
				rw.Header().Set("Fly-Request-Id", "01ARZ-ams")
				rw.WriteHeader(test.status)
				fmt.Fprint(rw, test.body)
			})
			got, err := (&flyoidc.Minter{Socket: socket}).Mint(context.Background(), flyoidc.MintRequest{})
			if test.kind == "" {
				if err != nil || !strings.Contains(test.body, got) || strings.Count(got, ".") != 2 || strings.ContainsAny(got, "\"\r\n") {
					t.Errorf("got %q, %v", got, err)
				}
				return
			}
			e := minted(t, err, test.kind)
			if got != "" {
				t.Errorf("%q came with an error", got)
			}
			if e.Status != test.status || e.Socket != socket || e.RequestID != "01ARZ-ams" {
				t.Errorf("got %+v", e)
			}
			if e.Code != test.wantCode || e.Message != test.wantMessage {
				t.Errorf("got code %q and message %q", e.Code, e.Message)
			}
		})
	}
}

// minted checks that err is a MintError of that kind, safe to show and without a
// token.
func minted(t testing.TB, err error, kind flyoidc.MintKind) *flyoidc.MintError {
	t.Helper()
	var e *flyoidc.MintError
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a MintError", err)
	}
	if e.Kind != kind {
		t.Errorf("got %s, want %s: %v", e.Kind, kind, err)
	}
	for ; err != nil; err = errors.Unwrap(err) {
		checkText(t, err.Error())
		if strings.Contains(err.Error(), "eyJ") {
			t.Errorf("a token is in %v", err)
		}
	}
	return e
}

func TestMintNoSocket(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mint := func(socket string) error {
		_, err := (&flyoidc.Minter{Socket: socket}).Mint(context.Background(), flyoidc.MintRequest{})
		return err
	}
	err := mint(filepath.Join(dir, "api"))
	if minted(t, err, flyoidc.MintNoSocket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
	minted(t, mint(filepath.Join(file, "api")), flyoidc.MintNoSocket)
	minted(t, mint(filepath.Join(dir, "a\x1b[2J")), flyoidc.MintNoSocket)
	minted(t, mint(file), flyoidc.MintNotSocket)
	minted(t, mint(dir), flyoidc.MintNotSocket)
	minted(t, mint(filepath.Join(dir, strings.Repeat("long/", 50))), "failed")

	l, path := listen(t)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	minted(t, mint(path), flyoidc.MintConnectionRefused)
	if runtime.GOOS == "linux" {
		minted(t, mint("@"+path), flyoidc.MintConnectionRefused) // an abstract socket
	}
}

func TestMintNotAllowed(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		t.Skip("root may use every socket")
	}
	socket := serve(t, func(http.ResponseWriter, *http.Request) {})
	if err := os.Chmod(socket, 0); err != nil {
		t.Fatal(err)
	}
	_, err := (&flyoidc.Minter{Socket: socket}).Mint(context.Background(), flyoidc.MintRequest{})
	if minted(t, err, flyoidc.MintNotAllowed); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v is not fs.ErrPermission", err)
	}
}

// A socket that does not respond, or stops in the middle, is given up.
func TestMintHangs(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]string{
		"accepts only":        "",
		"half a status line":  "HTTP/1.1 2",
		"headers only":        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
		"half an answer":      "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\neyJ",
		"chunked, first only": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\neyJ\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			socket := speak(t, begin, true)
			_, err := (&flyoidc.Minter{Socket: socket, Timeout: 50 * time.Millisecond}).Mint(context.Background(), flyoidc.MintRequest{})
			if minted(t, err, flyoidc.MintTimeout); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v is not context.DeadlineExceeded", err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			_, err = (&flyoidc.Minter{Socket: socket}).Mint(ctx, flyoidc.MintRequest{})
			minted(t, err, flyoidc.MintTimeout)
		})
	}
}

// Reading an endless response stops.
func TestMintEndless(t *testing.T) {
	t.Parallel()
	written := make(chan int, 1)
	socket := serve(t, func(rw http.ResponseWriter, _ *http.Request) {
		n := 0
		for {
			m, err := fmt.Fprint(rw, strings.Repeat("e", 4096))
			n += m
			if err != nil || n > 64<<20 {
				written <- n
				return
			}
		}
	})
	_, err := (&flyoidc.Minter{Socket: socket}).Mint(context.Background(), flyoidc.MintRequest{})
	minted(t, err, "too-large")
	if n := <-written; n > 16<<20 {
		t.Errorf("%d bytes were read", n)
	}
}

func TestMintCanceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	socket := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	_, err := (&flyoidc.Minter{Socket: socket}).Mint(ctx, flyoidc.MintRequest{})
	if minted(t, err, "canceled"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not context.Canceled", err)
	}
}

// A connection may close too early, and a response may not be HTTP.
func TestMintBreaks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		begin string
		kind  flyoidc.MintKind
	}{
		"at once":             {"", "failed"},
		"in the status line":  {"HTTP/1.1 2", "failed"},
		"in the token":        {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\neyJ", "cut-off"},
		"in a chunk":          {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n30\r\neyJ", "cut-off"},
		"a token, no HTTP":    {compact(goodHeader, goodClaims, 256) + "\r\n\r\n", "failed"},
		"escapes, no HTTP":    {"\x1b[2J\x9b31m\r\n\r\n", "failed"},
		"a chunk of nonsense": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\neyJhbGciOiJSUzI1NiJ9\r\n", "failed"},
		"endless headers":     {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20), "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := (&flyoidc.Minter{Socket: speak(t, test.begin, false)}).Mint(context.Background(), flyoidc.MintRequest{})
			minted(t, err, test.kind)
		})
	}
}

// speak reads a request, writes the response, and then either waits for the client
// to close the connection or closes it.
func speak(t testing.TB, answer string, wait bool) (socket string) {
	t.Helper()
	l, socket := listen(t)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = http.ReadRequest(bufio.NewReader(conn)) // the client may give up
				fmt.Fprint(conn, answer)
				if wait {
					_, _ = io.Copy(io.Discard, conn) // until the client closes it
				}
			}()
		}
	}()
	return socket
}
