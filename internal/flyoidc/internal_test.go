package flyoidc

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Root can use every socket, and tests often run as root, so the error is made here
// as the net package makes it.
func TestNotAllowed(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{syscall.EACCES, syscall.EPERM} {
		c := mintCall{socket: DefaultSocket}
		e := c.connectionError(&url.Error{Op: "Post", URL: mintURL, Err: &net.OpError{
			Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", errno),
		}})
		if e.Kind != MintNotAllowed || !errors.Is(e, fs.ErrPermission) {
			t.Errorf("%v gives %+v", errno, e)
		}
	}
}

func TestKeysErrorRoots(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	err := error(&url.Error{Op: "Get", URL: "https://oidc.fly.io", Err: x509.SystemRootsError{Err: fs.ErrPermission}})
	if e := keysError(ctx, ctx, "https://oidc.fly.io", err); e.Kind != KeysNoRoots || !errors.Is(e, fs.ErrPermission) {
		t.Errorf("got %+v", e)
	}
}

// TestObject checks the violations that are reported for a JSON object.
func TestObject(t *testing.T) {
	t.Parallel()
	nested := func(depth int) string {
		return `{"a":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + "}"
	}
	for text, want := range map[string][]Violation{
		`{}`:                         nil,
		` {"a":1e999,"b":[true]} `:   nil,
		`{"a":"\ud83d\ude00\u00e9"}`: nil,
		nested(maxNesting):           nil,
		`{"a":[{"b":1},{"b":2}]}`:    nil,

		"{\"a\":\"\xff\"}":         {{ruleUTF8, `it is not valid UTF-8`}},
		"{\"a\":\"\xed\xa0\x80\"}": {{ruleUTF8, `it is not valid UTF-8`}},
		nested(maxNesting + 1):     {{ruleNesting, `it has objects and lists nested more than 32 deep`}},

		``:                              {{ruleJSON, `it is not valid JSON: it ends in the middle`}},
		`{"a":"b`:                       {{ruleJSON, `it is not valid JSON: it ends in the middle`}},
		`{"a":[{"b":1`:                  {{ruleJSON, `it is not valid JSON: it ends in the middle`}},
		`[{}]`:                          {{ruleJSON, `it is JSON, but not an object`}},
		`1e999`:                         {{ruleJSON, `it is JSON, but not an object`}},
		`{"a":1} {`:                     {{ruleJSON, `it has more text after the end of its JSON object`}},
		`{"a" 1}`:                       {{ruleJSON, `it is not valid JSON: invalid character '1' after object name (expecting ':'), at byte 6`}},
		`{"a":1,}`:                      {{ruleJSON, `it is not valid JSON: invalid character ',' at start of value, at byte 7`}},
		`{a:1}`:                         {{ruleJSON, `it is not valid JSON: invalid character 'a' at start of value, at byte 2`}},
		`{"a":01}`:                      {{ruleJSON, `it is not valid JSON: invalid character '1' after object value (expecting ',' or '}'), at byte 7`}},
		`{"a":"\x"}`:                    {{ruleJSON, "it is not valid JSON: invalid escape sequence `\\x` in string, at byte 7"}},
		`{"a":"\ud800"}`:                {{ruleJSON, "it is not valid JSON: invalid surrogate pair `\\ud800\"}` in string, at byte 7"}},
		`{"a":["\\\ude00\ud83d"]}`:      {{ruleJSON, "it is not valid JSON: invalid surrogate pair `\\ude00\\ud83d` in string, at byte 10"}},
		"{\"a\":[1,2],\n\u202e\"b\":1}": {{ruleJSON, `it is not valid JSON: invalid character '\u202e' at start of value, at byte 13`}},

		`{"a":1,"\u0061":2,"a":3}`:   {{RuleDuplicate, `it has the name "a" twice`}, {RuleDuplicate, `it has the name "a" twice`}},
		`{"a":[{"b":1,"\u0062":2}]}`: {{RuleDuplicate, `it has a name twice in the value of "a"`}},
		`{"sub":1,"Sub":2}`:          {{RuleCase, `it has the names "sub" and "Sub", which differ only in case`}},
		`{"sub":1,"ſub":2}`:          {{RuleCase, `it has the names "sub" and "ſub", which differ only in case`}},
		`{"kid":1,"\u212aid":2}`:     {{RuleCase, `it has the names "kid" and "Kid", which differ only in case`}},
	} {
		var in inspection
		in.object("it", []byte(text))
		if !slices.Equal(in.broken, want) {
			t.Errorf("%s: got %+v, want %+v", text, in.broken, want)
		}
	}
}
