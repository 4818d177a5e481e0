package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/fly-aws/fly-aws/internal/text"
)

// Schemas of the documents about tokens.
const (
	TokenSchema    = "fly-aws.token/1" //nolint:gosec // a schema, not a token
	VerifySchema   = "fly-aws.verify/1"
	ExchangeSchema = "fly-aws.exchange/1"
)

// A Field is a name and a value, with a note about the value.
type Field struct {
	Name, Value, Note string
}

// A TokenView is what is shown of a token. The token itself is not part of it.
type TokenView struct {
	// Title says whose token it is.
	Title          string
	Header, Claims []Field
	// Testable are the condition keys that IAM sets from the token, with their values.
	Testable []Field
	// Broken are the rules that the token breaks.
	Broken []string
	// Remarks are the last lines.
	Remarks []string
}

// ShowToken shows a token's header and claims and what IAM makes of them.
func ShowToken(w io.Writer, t TokenView, style Style) {
	p := printer{w, style}
	p.line("%s", p.paint(bold, text.Clean(t.Title)))
	p.fields("Header", t.Header)
	p.fields("Claims", t.Claims)
	if len(t.Testable) > 0 {
		p.fields("A trust policy can test", t.Testable)
		p.line("  and no other claim of the token.")
	}
	if len(t.Broken) > 0 {
		p.line("")
		for _, rule := range t.Broken {
			p.line("%s %s", p.bad(), text.Clean(rule))
		}
	}
	for i, remark := range t.Remarks {
		if i == 0 {
			p.line("")
		}
		p.line("%s", text.Clean(remark))
	}
}

// fields shows names and values below a title, with the values aligned.
func (p printer) fields(title string, fields []Field) {
	if len(fields) == 0 {
		return
	}
	p.line("")
	p.line("%s", p.paint(bold, title))
	width := 0
	for _, f := range fields {
		width = max(width, len(text.Clean(f.Name)))
	}
	for _, f := range fields {
		line := fmt.Sprintf("  %-*s  %s", width, text.Clean(f.Name), text.Clean(f.Value))
		if f.Note != "" {
			line += "  " + p.paint(dim, "("+text.Clean(f.Note)+")")
		}
		p.line("%s", strings.TrimRight(line, " "))
	}
}

// Level is the outcome of a check.
type Level string

// The levels.
const (
	Good    Level = "ok"
	Warn    Level = "warning"
	Bad     Level = "failed"
	Skipped Level = "skipped"
	// Undecided: it could not be checked.
	Undecided Level = "unknown"
)

// A CheckLine is the outcome of one check, with the next thing to do about it.
type CheckLine struct {
	Name string `json:"name"`
	// Code says what was found, for commands that have codes for it.
	Code   string `json:"code,omitempty"`
	Level  Level  `json:"outcome"`
	Detail string `json:"detail"`
	// Next is what to do about it, empty if nothing. Others are what can be done instead.
	Next   string   `json:"next,omitempty"`
	Others []string `json:"others,omitempty"`
}

// Checks shows a line for each check.
func Checks(w io.Writer, checks []CheckLine, style Style) {
	width := 0
	for _, c := range checks {
		width = max(width, len(c.Name))
	}
	for _, c := range checks {
		printer{w, style}.outcome(c, width)
	}
}

// outcome shows a check, with its name padded to width columns.
func (p printer) outcome(c CheckLine, width int) {
	glyph := p.ok()
	switch c.Level {
	case Warn:
		glyph = p.paint(yellow, "!")
	case Bad:
		glyph = p.bad()
	case Skipped:
		glyph = p.paint(dim, "-")
	case Undecided:
		glyph = p.paint(dim, "?")
	}
	p.line("%s", strings.TrimRight(fmt.Sprintf("%s %-*s  %s", glyph, width, c.Name, text.Clean(c.Detail)), " "))
	for _, next := range append([]string{c.Next}, c.Others...) {
		if next != "" {
			p.line("  %s %s", p.arrow(), text.Clean(next))
		}
	}
}
