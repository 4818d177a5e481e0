// Package trustfile finds the trust policies of IAM roles in the files that people have:
//
//   - a trust policy by itself, as JSON, URL-encoded or in a JSON string
//   - what the AWS CLI prints for get-role, list-roles and
//     get-account-authorization-details, in JSON or YAML
//   - terraform show -json, of a state or a plan
//   - templates of CloudFormation and SAM, in JSON or YAML
//
// It finds policies and does not judge them; trustpolicy does.
package trustfile

import (
	"bytes"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// maxWhole is the largest file, in bytes, that is read as a whole. Larger ones are
// streamed, and must be JSON with many roles: a trust policy has at most 131,072
// characters (CreateRole), a CloudFormation template 1 MB
// (cloudformation-limits.html).
const maxWhole = 1 << 20

// A Found is a trust policy in a file, or the place of one that cannot be judged. Role,
// Path and Text are as in the file, not cleaned for a terminal.
type Found struct {
	// Role is the name of the role, in Terraform the address of the resource, in
	// CloudFormation its logical ID; "" if the file does not say.
	Role string
	// Path is the JSON path in the file: "$" for a document by itself,
	// "$.RoleDetailList[3].AssumeRolePolicyDocument". Names with other characters than
	// ASCII letters, digits and "_" are JSON strings in brackets: $.Resources["a-b"].
	Path string
	// Line and Column are where the policy begins in the file. They count from 1; Column
	// counts characters.
	Line, Column int
	// Text is the policy as JSON without duplicate names, which need not be a correct
	// policy. It is nil where there is no JSON, and then Undecided says why.
	Text []byte
	// Undecided says, as a clause safe to show on a terminal, why the policy cannot be
	// judged: parts of it are not known. Otherwise it is "".
	Undecided string
	// Relaxed says that the file has comments or trailing commas (Options.Lenient). In
	// Text there are spaces in their place.
	Relaxed bool

	bare   bool
	inside func(offset int) (line, column int) // nil: Text was a string
}

// Bare says whether the whole file is this document, as JSON, so that it can be rewritten
// in place. A byte order mark and white space around the document are not in Text.
func (f Found) Bare() bool { return f.bare }

// Position returns the place in the file of a byte of Text, as Line and Column count. It
// is exact where Text is part of a JSON file. In YAML it is where the key or value of that
// byte begins, and for a policy within a string where the string begins.
func (f Found) Position(offset int) (line, column int) {
	if f.inside == nil {
		return f.Line, f.Column
	}
	return f.inside(min(max(offset, 0), len(f.Text)))
}

// Options say how to read a file.
type Options struct {
	// Lenient accepts comments and trailing commas in JSON files of at most 1 MiB. A
	// column behind a comment on the same line counts its bytes, not its characters.
	Lenient bool
}

// Holds says what a file holds, as a noun phrase: "a Terraform plan".
type Holds string

// What has trust policies.
const (
	Document   Holds = "a trust policy"
	RoleAnswer Holds = "an answer of IAM about roles"
	Account    Holds = "the authorization details of an account"
	Plan       Holds = "a Terraform plan"
	State      Holds = "a Terraform state"
	Template   Holds = "a CloudFormation template"
)

// A SyntaxError says where and why a file cannot be read.
type SyntaxError struct {
	// Line and Column count from 1; Column counts characters.
	Line, Column int
	// Reason is a clause without the position, safe to show on a terminal.
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

// A NoPolicyError says that a file can be read and has no trust policy.
type NoPolicyError struct {
	// Holds says what it holds instead: "a permissions policy: its statements have no
	// Principal".
	Holds Holds
}

func (e *NoPolicyError) Error() string {
	return "the file holds no trust policy; it is " + string(e.Holds)
}

// Read calls each with the trust policies of a file, in their order, and returns what the
// file holds. Policies are handed out as they are found: a large file is not read as a
// whole, and something may still be wrong with what comes later.
//
// In a Terraform plan the policies are those after its apply: of resource_changes, and of
// roles only. A data source aws_iam_policy_document counts if its statements have
// principals and no resources; others are policies of buckets, queues and keys.
//
// The error is a *SyntaxError, a *NoPolicyError, that of r, or that of each, which ends
// the reading.
func Read(r io.Reader, opts Options, each func(Found) error) (Holds, error) {
	head, err := io.ReadAll(io.LimitReader(r, maxWhole+1))
	if err != nil {
		return "", err
	}
	whole := len(head) <= maxWhole
	head = bytes.TrimPrefix(head, []byte("\ufeff"))
	if err := checkText(head); err != nil {
		return "", err
	}
	if whole {
		return readWhole(head, opts, each)
	}
	if first := bytes.TrimLeft(head, whiteSpace)[0]; first != '{' && first != '[' {
		return "", &NoPolicyError{Holds: "a file of more than 1 MiB that is not JSON"}
	}
	return scan(&lines{r: io.MultiReader(bytes.NewReader(head), r)}, each)
}

const whiteSpace = " \t\r\n"

// checkText refuses what is not text. Bytes that are not UTF-8 are left to the decoders.
func checkText(head []byte) error {
	isControl := func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' && r != '\n' && r != '\f' }
	switch {
	case len(bytes.TrimLeft(head, whiteSpace)) == 0:
		return &NoPolicyError{Holds: "an empty file"}
	case slices.Contains([]string{"\xff\xfe", "\xfe\xff", "{\x00", "\x00{"}, string(head[:min(2, len(head))])):
		return &SyntaxError{1, 1, "the file is UTF-16, as PowerShell writes it; save it as UTF-8"}
	case bytes.ContainsFunc(head, isControl):
		return &NoPolicyError{Holds: "binary data"}
	}
	return nil
}

var (
	// hcl is the first line of a block of Terraform's language.
	hcl = regexp.MustCompile(`(?m)^\s*(resource|data|module|variable|provider|terraform|locals|output|moved|import)(\s+"[^"\n]*")*\s*\{`)
	jwt = regexp.MustCompile(`^eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$`)
)

// readWhole reads a file that is in memory, in UTF-8 and not empty.
func readWhole(data []byte, opts Options, each func(Found) error) (Holds, error) {
	trimmed := bytes.Trim(data, whiteSpace)
	if plain, ok := decodeURL(trimmed); ok && plain[0] == '{' {
		return scanString(data, plain, each)
	}
	switch {
	case trimmed[0] == '"' && jsontext.Value(trimmed).IsValid():
		return scanString(data, unquote(trimmed), each)
	case trimmed[0] == '{', trimmed[0] == '[', bytes.HasPrefix(trimmed, []byte("//")) && !hcl.Match(data),
		bytes.HasPrefix(trimmed, []byte("/*")) && !hcl.Match(data):
		relaxed := false
		if opts.Lenient {
			data, relaxed = relax(data)
		}
		return scan(&lines{r: bytes.NewReader(data), whole: data}, func(f Found) error {
			f.Relaxed = relaxed
			return each(f)
		})
	case jwt.Match(trimmed):
		return "", &NoPolicyError{Holds: "a token (JWT)"}
	case hcl.Match(data):
		return "", &NoPolicyError{Holds: "Terraform's language, not JSON: use what terraform show -json prints"}
	}
	converted, err := convertYAML(data)
	if err != nil {
		return "", err
	}
	return scan(converted, each)
}

// scanString scans the text of a file that is one encoded string.
func scanString(data, plain []byte, each func(Found) error) (Holds, error) {
	line, column := after(1, 1, data[:len(data)-len(bytes.TrimLeft(data, whiteSpace))])
	if len(plain) == 0 || plain[0] != '{' {
		return "", &NoPolicyError{Holds: "a string"}
	}
	return scan(&converted{text: plain, marks: []mark{{0, line, column}}}, each)
}

// decodeURL decodes a document as IAM's API returns it, in the encoding of RFC 3986. ok is
// false if it is not encoded.
func decodeURL(document []byte) (plain []byte, ok bool) {
	if !bytes.HasPrefix(document, []byte("%")) {
		return nil, false
	}
	s, err := url.PathUnescape(string(document))
	plain = bytes.Trim([]byte(s), whiteSpace)
	return plain, err == nil && len(plain) > 0
}

// relax returns a copy of JSON text with spaces in place of comments and trailing commas,
// and whether there are any. Line breaks stay.
func relax(data []byte) (out []byte, relaxed bool) {
	out = bytes.Clone(data)
	comma, last := -1, byte('[') // the comma that is the last token, or -1; that token's last byte
	for i := 0; i < len(out); {
		rest, n := out[i:], 1
		switch c := rest[0]; {
		case bytes.HasPrefix(rest, []byte("//")), bytes.HasPrefix(rest, []byte("/*")):
			n = lenComment(rest)
			for j := range rest[:n] {
				if rest[j] != '\n' {
					rest[j] = ' '
				}
			}
			relaxed = true
		case bytes.IndexByte([]byte(whiteSpace), c) >= 0:
		default:
			if (c == '}' || c == ']') && comma >= 0 {
				out[comma] = ' '
				relaxed = true
			}
			comma = -1
			if c == ',' && last != '[' && last != '{' && last != ',' {
				comma = i
			}
			if c == '"' {
				n = lenString(rest)
			}
			last = c
		}
		i += n
	}
	return out, relaxed
}

// lenComment returns the length of the comment that text begins with.
func lenComment(text []byte) int {
	mark, tail := "\n", 0
	if text[1] == '*' {
		mark, tail = "*/", 2
	}
	end := bytes.Index(text[2:], []byte(mark))
	if end < 0 {
		return len(text)
	}
	return 2 + end + tail
}

// lenString returns the length of the JSON string that text begins with.
func lenString(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}
