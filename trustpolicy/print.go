package trustpolicy

import (
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// String returns the document without white space. The same policy always prints to the
// same bytes, and Parse returns the same policy from them. Characters above U+00FF, which
// IAM refuses in a document, are escaped (CreateRole, AssumeRolePolicyDocument).
func (p *Policy) String() string { return p.print(false) }

// Indent returns the document indented by two spaces per level, without a final newline.
func (p *Policy) Indent() string { return p.print(true) }

// Size returns the number of characters that IAM counts against the size quota of a trust
// policy. "Policy size calculations do not include white space characters"
// (reference_policies_grammar.html). AWS does not document white space inside strings;
// Size counts it, to be on the safe side.
func (p *Policy) Size() int { return utf8.RuneCountInString(p.String()) }

// MarshalJSON returns the document of String. It fails if Parse would refuse the
// document, so that a saved policy can be read again.
func (p *Policy) MarshalJSON() ([]byte, error) {
	doc := []byte(p.String())
	if _, err := Parse(doc); err != nil {
		return nil, fmt.Errorf("trust policy is not valid: %w", err)
	}
	return doc, nil
}

// UnmarshalJSON parses a document as Parse does. null is a no-op, by convention of
// encoding/json.
func (p *Policy) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	q, err := Parse(b)
	if err != nil {
		return err
	}
	*p = *q
	return nil
}

func (p *Policy) print(indent bool) string {
	d := &document{}
	if p != nil {
		d.version, d.id = p.Version, p.ID
		for _, s := range p.Statements {
			d.statements = append(d.statements, statement{Statement: s})
		}
	}
	w := &printer{indent: indent}
	w.document(d)
	return string(w.b)
}

// A printer writes JSON and keeps track of commas and line breaks.
type printer struct {
	b      []byte
	indent bool
	depth  int
	first  bool // nothing was written yet to the innermost object or list
}

func (w *printer) document(d *document) {
	w.open('{')
	if d.version != "" {
		w.key("Version")
		w.string(d.version)
	}
	if d.id != "" {
		w.key("Id")
		w.string(d.id)
	}
	w.key("Statement")
	w.open('[')
	for _, s := range d.statements {
		w.next()
		w.statement(s)
	}
	w.close(']')
	w.close('}')
}

func (w *printer) statement(s statement) {
	w.open('{')
	if s.Sid != "" {
		w.key("Sid")
		w.string(s.Sid)
	}
	w.key("Effect")
	w.string(string(s.Effect))
	if s.Principal != nil {
		w.key("Principal")
		w.principal(s.Principal)
	}
	if s.NotPrincipal != nil {
		w.key("NotPrincipal")
		w.principal(s.NotPrincipal)
	}
	w.element("Action", s.Action)
	w.element("NotAction", s.NotAction)
	w.element("Resource", s.resource)
	w.element("NotResource", s.notResource)
	if len(s.Conditions) > 0 {
		w.key("Condition")
		w.conditions(s.Conditions)
	}
	w.close('}')
}

func (w *printer) principal(p *Principal) {
	if p.Any {
		w.string("*")
		return
	}
	w.open('{')
	for _, e := range p.entries() {
		w.element(e.key, *e.list)
	}
	w.close('}')
}

// conditions writes each operator once, at its first condition.
func (w *printer) conditions(list []Condition) {
	w.open('{')
	for i, c := range list {
		if hasOperator(list[:i], c.Operator) {
			continue
		}
		w.key(c.Operator)
		w.open('{')
		for _, d := range list[i:] {
			if d.Operator == c.Operator {
				w.key(d.Key)
				w.list(d.Values)
			}
		}
		w.close('}')
	}
	w.close('}')
}

func hasOperator(list []Condition, operator string) bool {
	for _, c := range list {
		if c.Operator == operator {
			return true
		}
	}
	return false
}

// element writes a list unless it is nil.
func (w *printer) element(name string, list []string) {
	if list != nil {
		w.key(name)
		w.list(list)
	}
}

func (w *printer) list(list []string) {
	if len(list) == 1 {
		w.string(list[0])
		return
	}
	w.open('[')
	for _, s := range list {
		w.next()
		w.string(s)
	}
	w.close(']')
}

func (w *printer) open(c byte) {
	w.b = append(w.b, c)
	w.depth++
	w.first = true
}

func (w *printer) close(c byte) {
	w.depth--
	if !w.first {
		w.line()
	}
	w.b = append(w.b, c)
	w.first = false
}

func (w *printer) next() {
	if !w.first {
		w.b = append(w.b, ',')
	}
	w.first = false
	w.line()
}

func (w *printer) line() {
	if w.indent {
		w.b = append(w.b, '\n')
		for range w.depth {
			w.b = append(w.b, "  "...)
		}
	}
}

func (w *printer) key(name string) {
	w.next()
	w.string(name)
	w.b = append(w.b, ':')
	if w.indent {
		w.b = append(w.b, ' ')
	}
}

// string writes a JSON string. It escapes control characters and characters above U+00FF,
// which IAM refuses. Invalid UTF-8 becomes U+FFFD.
func (w *printer) string(s string) {
	w.b = append(w.b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			w.b = append(w.b, '\\', byte(r))
		case r == '\n':
			w.b = append(w.b, `\n`...)
		case r == '\r':
			w.b = append(w.b, `\r`...)
		case r == '\t':
			w.b = append(w.b, `\t`...)
		case r < ' ' || 0x7f <= r && r < 0xa0 || 0xff < r && r <= 0xffff:
			w.b = fmt.Appendf(w.b, `\u%04x`, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			w.b = fmt.Appendf(w.b, `\u%04x\u%04x`, high, low)
		default:
			w.b = utf8.AppendRune(w.b, r)
		}
	}
	w.b = append(w.b, '"')
}
