package trustpolicy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fly-aws/fly-aws/internal/text"
)

// maxDocument is the maximum length of a document: IAM's API accepts 131,072 characters
// before it applies quotas (CreateRole, AssumeRolePolicyDocument).
const maxDocument = 131072

// A SyntaxError says where and why a document is not a policy.
type SyntaxError struct {
	// Line and Column count from 1; Column counts characters.
	Line, Column int
	// Offset is the same place in bytes from the beginning.
	Offset int
	// Reason is a clause without the position, safe to show on a terminal.
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

// A parser parses one document with jsontext, which refuses duplicate names, lone
// surrogates and invalid UTF-8. Go 1.27 has the same API in its standard library, as
// encoding/json/jsontext: switch to it when go.mod moves there.
type parser struct {
	source   []byte
	dec      *jsontext.Decoder
	identity bool // it is a permissions policy
}

func newParser(source []byte, identity bool) (*parser, error) {
	p := &parser{source: source, dec: jsontext.NewDecoder(bytes.NewBuffer(source)), identity: identity}
	switch {
	case len(source) > maxDocument:
		return nil, p.errorf(0, "the document has more than %d bytes", maxDocument)
	case bytes.HasPrefix(source, []byte("\ufeff")):
		return nil, p.errorf(0, "the document begins with a byte order mark")
	}
	return p, nil
}

// errorf returns an error at an offset of the source.
func (p *parser) errorf(at int, format string, args ...any) error {
	before := p.source[:at]
	lineStart := bytes.LastIndexByte(before, '\n') + 1
	return &SyntaxError{
		Line:   bytes.Count(before, []byte{'\n'}) + 1,
		Column: utf8.RuneCount(before[lineStart:]) + 1,
		Offset: at,
		Reason: fmt.Sprintf(format, args...),
	}
}

// jsonError converts an error of the decoder.
func (p *parser) jsonError(err error) error {
	at := 0
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		at, err = int(syntax.ByteOffset), syntax.Err
	}
	switch {
	case errors.Is(err, io.EOF):
		return p.errorf(0, "the document is empty")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return p.errorf(len(p.source), "the document ends in the middle of the policy")
	case errors.Is(err, jsontext.ErrDuplicateName):
		return p.errorf(at, "%s appears twice", text.Quote(syntax.JSONPointer.LastToken()))
	}
	if rest, found := bytes.CutPrefix(p.source[at:], []byte{','}); found {
		rest = bytes.TrimLeft(rest, " \t\r\n")
		if len(rest) > 0 && (rest[0] == '}' || rest[0] == ']') {
			return p.errorf(at, "there is a comma before the closing %q", rest[0])
		}
	}
	return p.errorf(at, "%s", text.Line(err.Error()))
}

// next returns the offset of the next token.
func (p *parser) next() int {
	return len(p.source) - len(bytes.TrimLeft(p.source[p.dec.InputOffset():], " \t\r\n,:"))
}

// token reads a token, which is valid until the next one is read, and returns its offset.
func (p *parser) token() (jsontext.Token, int, error) {
	at := p.next()
	t, err := p.dec.ReadToken()
	if err != nil {
		return t, at, p.jsonError(err)
	}
	return t, at, nil
}

// end reads the end of the document.
func (p *parser) end() error {
	rest := bytes.TrimLeft(p.source[p.dec.InputOffset():], " \t\r\n")
	if len(rest) > 0 {
		return p.errorf(len(p.source)-len(rest), "there is more after the end of the policy")
	}
	return nil
}

// object reads an object and calls member for each of its names to read the value. Names
// must not differ only in case, since IAM ignores the case of some.
func (p *parser) object(what string, member func(name string, at int) error) error {
	t, at, err := p.token()
	if err != nil {
		return err
	}
	if t.Kind() != jsontext.KindBeginObject {
		return p.errorf(at, "%s must be an object, not %s", what, kindName(t.Kind()))
	}
	seen := map[string]bool{}
	for p.dec.PeekKind() != jsontext.KindEndObject {
		name, at, err := p.string("a name")
		if err != nil {
			return err
		}
		if seen[lower(name)] {
			return p.errorf(at, "%s appears twice, in different case", text.Quote(name))
		}
		seen[lower(name)] = true
		if err := member(name, at); err != nil {
			return err
		}
	}
	_, _, err = p.token()
	return err
}

// list reads a list or a single value.
func (p *parser) list(element func() error) error {
	if p.dec.PeekKind() != jsontext.KindBeginArray {
		return element()
	}
	if _, _, err := p.token(); err != nil {
		return err
	}
	for p.dec.PeekKind() != jsontext.KindEndArray {
		if err := element(); err != nil {
			return err
		}
	}
	_, _, err := p.token()
	return err
}

func (p *parser) string(what string) (string, int, error) {
	t, at, err := p.token()
	if err != nil {
		return "", at, err
	}
	if t.Kind() != jsontext.KindString {
		return "", at, p.errorf(at, "%s must be a string, not %s", what, kindName(t.Kind()))
	}
	return t.String(), at, nil
}

// strings reads a string or a list of strings; the result is not nil. problem returns
// what is wrong with a string, as a clause, or "".
func (p *parser) strings(what string, problem func(string) string) ([]string, error) {
	out := []string{}
	err := p.list(func() error {
		s, at, err := p.string(what)
		if err != nil {
			return err
		}
		if wrong := problem(s); wrong != "" {
			return p.errorf(at, "%s %s %s", what, text.Quote(s), wrong)
		}
		out = append(out, s)
		return nil
	})
	return out, err
}

func kindName(k jsontext.Kind) string {
	switch k {
	case jsontext.KindBeginObject:
		return "an object"
	case jsontext.KindBeginArray:
		return "a list"
	case jsontext.KindString:
		return "a string"
	case jsontext.KindNumber:
		return "a number"
	case jsontext.KindNull:
		return "null"
	}
	return "a boolean"
}
