package trustfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fly-aws/fly-aws/internal/text"
)

// signs tell what a file is by the names at its top; earlier ones count more. "[]" is
// before a name in the objects of a list. without says what it lacks if nothing is found.
var signs = []struct {
	name    string
	holds   Holds
	without string
}{
	{"Statement", Document, ", if it is one, too large for IAM"},
	{"lineage", "a Terraform state file, not JSON for other programs", ": use what terraform show -json prints"},
	{"resource_changes", Plan, " without an aws_iam_role"},
	{"planned_values", Plan, " without an aws_iam_role"},
	{"format_version", State, " without an aws_iam_role"},
	{"RoleDetailList", Account, " without roles"},
	{"UserDetailList", Account, " without roles"},
	{"Roles", RoleAnswer, " without a trust policy"},
	{"Role", RoleAnswer, " without a trust policy"},
	{"AssumeRolePolicyDocument", RoleAnswer, " without a trust policy"},
	{"[]AssumeRolePolicyDocument", RoleAnswer, ""},
	{"AWSTemplateFormatVersion", Template, " without AWS::IAM::Role"},
	{"Resources", Template, " without AWS::IAM::Role"},
	{"PolicyVersion", "an answer of IAM with a permissions policy", ""},
	{"PolicyDocument", "an answer of IAM with a permissions policy", ""},
	{"[]Effect", "a list of statements without a policy around it", ""},
	{"Effect", "a statement without a policy around it", ""},
	{"iss", "the claims of a token", ""},
}

const permissions Holds = "a permissions policy: its statements have no Principal"

// scan calls each with the trust policies of a source.
func scan(src source, each func(Found) error) (Holds, error) {
	s := &scanner{src: src, dec: src.decoder(), each: each, sign: len(signs)}
	s.dec.PeekKind()
	start := int64(len(src.document()) - len(bytes.TrimLeft(src.document(), whiteSpace)))
	line, column := src.at(start)
	if err := s.value(place{}); err != nil {
		return "", err
	}
	if err := s.end(); err != nil {
		return "", err
	}
	if s.statement != nil {
		principal, resource := partners(s.statement)
		if resource && !principal {
			return "", &NoPolicyError{Holds: permissions}
		}
		document := bytes.Trim(src.document(), whiteSpace)
		_, isFile := src.(*lines)
		if err := s.found(Found{
			Path: "$", Line: line, Column: column, Text: document, Undecided: intrinsic(document),
			bare: isFile, inside: src.inside(document, start, line, column),
		}); err != nil {
			return "", err
		}
	}
	holds, without := Holds("JSON of an unknown kind"), ""
	if s.sign < len(signs) {
		holds, without = signs[s.sign].holds, signs[s.sign].without
	}
	if s.count == 0 {
		return "", &NoPolicyError{Holds: holds + Holds(without)}
	}
	return holds, nil
}

type scanner struct {
	src  source
	dec  *jsontext.Decoder
	each func(Found) error

	count     int
	sign      int            // index of the file's sign
	statement jsontext.Value // that of the whole file, if it is a policy
}

// A place is where a value stands.
type place struct {
	top    string // the member of the file that it is in
	member string // the member that it is the value of, "" in a list
	role   string // what Found.Role is
	kind   string // the type of the Terraform resource it is in
}

// value reads a value.
func (s *scanner) value(at place) error {
	switch s.dec.PeekKind() {
	case jsontext.KindBeginObject:
		return s.object(at)
	case jsontext.KindBeginArray:
		at.member = ""
		if _, err := s.token(); err != nil {
			return err
		}
		for s.dec.PeekKind() != jsontext.KindEndArray {
			if err := s.value(at); err != nil {
				return err
			}
		}
	}
	_, err := s.token()
	return err
}

// object reads an object. Policies wait for its end, since RoleName can follow them.
func (s *scanner) object(at place) error {
	var found []Found
	var roleName string
	if _, err := s.token(); err != nil {
		return err
	}
	for s.dec.PeekKind() != jsontext.KindEndObject {
		name, err := s.token()
		if err != nil {
			return err
		}
		in := at
		in.member = name.String()
		s.look(&in)
		switch {
		case in.member == "Statement" && s.dec.StackDepth() == 1 && s.src.document() != nil:
			s.statement, err = s.dec.ReadValue()
			s.statement, err = bytes.Clone(s.statement), s.fault(err)
		case in.member == "InstanceProfileList":
			// Roles of get-account-authorization-details that it lists by themselves too.
			err = s.fault(s.dec.SkipValue())
		case isPolicy(at.member, in):
			var f *Found
			if f, err = s.policy(in); f != nil {
				found = append(found, *f)
			}
		case in.member == "RoleName":
			roleName, err = s.string(in)
		case in.member == "address":
			at.role, err = s.string(in)
		case in.member == "type":
			at.kind, err = s.string(in)
		default:
			err = s.value(in)
		}
		if err != nil {
			return err
		}
	}
	if _, err := s.token(); err != nil {
		return err
	}
	for _, f := range found {
		if f.Role == "" {
			f.Role = roleName
		}
		if err := s.found(f); err != nil {
			return err
		}
	}
	return nil
}

// look takes from the name of a member what the file is, and for the resources of a
// template their logical IDs.
func (s *scanner) look(in *place) {
	name, depth := in.member, s.dec.StackDepth()
	switch {
	case depth == 1:
		in.top = name
	case depth == 2 && in.top == "":
		name = "[]" + name
	case depth == 2 && in.top == "Resources":
		in.role = name
		return
	default:
		return
	}
	for i := range s.sign {
		if signs[i].name == name {
			s.sign = i
			return
		}
	}
}

// isPolicy says whether a member of the member parent is a trust policy, or may be.
//
// The names are those of IAM's API, CloudFormation and the AWS provider; for the places
// in Terraform's JSON see developer.hashicorp.com/terraform/internals/json-format.
func isPolicy(parent string, in place) bool {
	switch in.member {
	case "AssumeRolePolicyDocument":
		return true
	case "assume_role_policy":
		return in.top == "values" && parent == "values" ||
			in.top == "resource_changes" && (parent == "after" || parent == "after_unknown")
	case "json":
		return in.kind == "aws_iam_policy_document" && parent == "values" && (in.top == "values" || in.top == "prior_state")
	}
	return false
}

// policy reads a policy; nil if there is none after all.
func (s *scanner) policy(in place) (*Found, error) {
	raw, err := s.dec.ReadValue()
	if err != nil {
		return nil, s.fault(err)
	}
	start := s.dec.InputOffset() - int64(len(raw))
	f := &Found{Role: in.role, Path: s.path()}
	f.Line, f.Column = s.src.at(start)
	terraform := in.member == "assume_role_policy"
	switch kind := raw.Kind(); {
	case kind == jsontext.KindNull, terraform && kind == jsontext.KindFalse:
		return nil, nil //nolint:nilnil // neither a policy nor an error
	case terraform && kind == jsontext.KindTrue:
		f.Undecided = "Terraform knows it only after the apply"
		return f, nil
	case kind == jsontext.KindString:
		f.Text, f.Undecided = decode(raw)
	default:
		f.Text = bytes.Clone(raw)
		f.inside = s.src.inside(f.Text, start, f.Line, f.Column)
	}
	if in.member == "json" {
		var policy struct{ Statement jsontext.Value }
		if json.Unmarshal(f.Text, &policy) != nil {
			return nil, nil //nolint:nilnil // as above
		}
		if principal, resource := partners(policy.Statement); !principal || resource {
			return nil, nil //nolint:nilnil // as above
		}
	}
	if f.Undecided == "" {
		f.Undecided = intrinsic(f.Text)
	}
	return f, nil
}

// decode returns the JSON text of a policy in a JSON string, or why there is none.
func decode(raw jsontext.Value) (document []byte, undecided string) {
	document = unquote(raw)
	if len(document) == 0 {
		return nil, "it is an empty string"
	}
	var syntax *jsontext.SyntacticError
	if errors.As(json.Unmarshal(document, new(jsontext.Value)), &syntax) {
		reason, _ := explain(syntax, document, int(syntax.ByteOffset))
		return nil, "it is a string that is not JSON: " + reason
	}
	return document, ""
}

// unquote returns the text of a JSON string, decoded if it is in URL encoding.
func unquote(raw jsontext.Value) []byte {
	document, _ := jsontext.AppendUnquote(nil, raw) // the decoder has checked the string
	if plain, ok := decodeURL(document); ok {
		document = plain
	}
	return bytes.Trim(document, whiteSpace)
}

// partners says whether any of the statements of a policy has a principal, and a resource.
func partners(statement jsontext.Value) (principal, resource bool) {
	if statement.Kind() == jsontext.KindBeginObject {
		statement = slices.Concat([]byte("["), statement, []byte("]"))
	}
	var list []struct{ Principal, NotPrincipal, Resource, NotResource jsontext.Value }
	if json.Unmarshal(statement, &list) != nil {
		return false, false
	}
	for _, s := range list {
		principal = principal || s.Principal != nil || s.NotPrincipal != nil
		resource = resource || s.Resource != nil || s.NotResource != nil
	}
	return principal, resource
}

// intrinsic says that a policy uses an intrinsic function of CloudFormation, if it does.
func intrinsic(policy []byte) string {
	dec := jsontext.NewDecoder(bytes.NewReader(policy))
	for {
		t, err := dec.ReadToken()
		if err != nil {
			return ""
		}
		container, n := dec.StackIndex(dec.StackDepth())
		if container != jsontext.KindBeginObject || n%2 == 0 || t.Kind() != jsontext.KindString {
			continue
		}
		if name := t.String(); name == "Ref" || strings.HasPrefix(name, "Fn::") {
			return fmt.Sprintf("CloudFormation knows the value of %s only when it deploys the template", text.Name(name))
		}
	}
}

// path returns the JSON path of the value that was read last.
func (s *scanner) path() string {
	b := []byte("$")
	depth := 0
	for name := range s.dec.StackPointer().Tokens() {
		depth++
		switch container, _ := s.dec.StackIndex(depth); {
		case container == jsontext.KindBeginArray:
			b = append(append(append(b, '['), name...), ']')
		case plainName.MatchString(name):
			b = append(append(b, '.'), name...)
		default:
			b, _ = jsontext.AppendQuote(append(b, '['), name) // the decoder has refused invalid UTF-8
			b = append(b, ']')
		}
	}
	return string(b)
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (s *scanner) found(f Found) error {
	s.count++
	return s.each(f)
}

// string reads a value and returns it if it is a string.
func (s *scanner) string(in place) (string, error) {
	if s.dec.PeekKind() != jsontext.KindString {
		return "", s.value(in)
	}
	t, err := s.token()
	return t.String(), err
}

func (s *scanner) token() (jsontext.Token, error) {
	t, err := s.dec.ReadToken()
	return t, s.fault(err)
}

// end reads the end of the source.
func (s *scanner) end() error {
	if s.dec.PeekKind() != jsontext.KindInvalid {
		rest := s.dec.UnreadBuffer()
		at := len(rest) - len(bytes.TrimLeft(rest, whiteSpace))
		line, column := s.src.at(s.dec.InputOffset() + int64(at))
		return &SyntaxError{line, column, "there is more after the end of the JSON document"}
	}
	if _, err := s.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return s.fault(err)
	}
	return nil
}

// fault turns an error of the decoder into a *SyntaxError, or the error of the reader.
func (s *scanner) fault(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		start := s.dec.InputOffset()
		reason, at := explain(syntax, s.dec.UnreadBuffer(), int(syntax.ByteOffset-start))
		line, column := s.src.at(start + int64(at))
		return &SyntaxError{line, column, reason}
	}
	if l, ok := s.src.(*lines); ok && l.err != nil {
		return l.err
	}
	return &NoPolicyError{Holds: "an empty file"} // io.EOF: it had only comments
}

// explain returns the clause for an error of the decoder at an offset of a text, and the
// offset for people.
func explain(err *jsontext.SyntacticError, source []byte, at int) (reason string, place int) {
	before, rest := source[:min(max(at, 0), len(source))], source[min(max(at, 0), len(source)):]
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the text ends in the middle of the JSON document", at
	case errors.Is(err, jsontext.ErrDuplicateName):
		return text.Quote(err.JSONPointer.LastToken()) + " appears twice", at
	case bytes.HasPrefix(rest, []byte("//")), bytes.HasPrefix(rest, []byte("/*")):
		return "JSON has no comments", at
	}
	// For a trailing comma the decoder's place is the comma or the bracket after it.
	if bytes.HasPrefix(rest, []byte(",")) {
		before, rest = source[:at+1], bytes.TrimLeft(rest[1:], whiteSpace)
	}
	before = bytes.TrimRight(before, whiteSpace)
	if bytes.HasSuffix(before, []byte(",")) && len(rest) > 0 && (rest[0] == '}' || rest[0] == ']') {
		return fmt.Sprintf("there is a comma before the closing %q", rest[0]), len(before) - 1
	}
	return text.Line(err.Err.Error()), at
}
