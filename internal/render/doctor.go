package render

import (
	"io"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/doctor"
)

// DoctorSchema is the schema of a DoctorDocument.
const DoctorSchema = "fly-aws.doctor/2"

// A DoctorDocument is what doctor --json prints.
type DoctorDocument struct {
	Schema string `json:"schema"`
	// OK says that the conclusion is "works".
	OK         bool               `json:"ok"`
	Conclusion ConclusionDocument `json:"conclusion"`
	Checks     []CheckLine        `json:"checks"`
}

// A ConclusionDocument is whether AWS access works, or the one cause that it does not.
type ConclusionDocument struct {
	// Code is "works", "undecided", or that of the check that is the cause.
	Code    doctor.Code `json:"code"`
	Message string      `json:"message"`
	// Next is the one thing to do, empty if nothing.
	Next string `json:"next,omitempty"`
}

// NewDoctorDocument words a report.
func NewDoctorDocument(r doctor.Report) DoctorDocument {
	d := DoctorDocument{Schema: DoctorSchema, OK: r.Conclusion.Code == doctor.CodeWorks, Checks: []CheckLine{}}
	for _, c := range r.Checks {
		d.Checks = append(d.Checks, checkLine(c))
	}
	d.Conclusion = conclusion(r, d.Checks)
	return d
}

// Doctor shows whether AWS access works or the one cause and the next step, and then the
// checks.
func Doctor(w io.Writer, r doctor.Report, style Style) {
	p := printer{w, style}
	d := NewDoctorDocument(r)
	glyph := p.bad()
	switch r.Conclusion.Code {
	case doctor.CodeWorks:
		glyph = p.ok()
	case doctor.CodeUndecided:
		glyph = p.paint(yellow, "?")
	}
	p.line("%s %s", glyph, p.paint(bold, d.Conclusion.Message))
	if d.Conclusion.Next != "" {
		p.line("  %s %s", p.arrow(), d.Conclusion.Next)
	}
	p.line("")
	for i, c := range d.Checks { // the cause's next step is above
		if r.Conclusion.Cause != nil && r.Conclusion.Cause.Name == c.Name && len(c.Others) == 0 {
			d.Checks[i].Next = ""
		}
	}
	Checks(w, d.Checks, style)
}

// levels are the levels of a doctor's checks.
var levels = map[doctor.Level]Level{doctor.OK: Good, doctor.Warn: Warn, doctor.Fail: Bad, doctor.Unknown: Undecided}

func checkLine(c doctor.Check) CheckLine {
	words := doctorWords(c)
	return CheckLine{Name: c.Name, Code: string(c.Code), Level: levels[c.Level], Detail: words.detail, Next: words.next, Others: words.others}
}

// conclusion words the conclusion, with the lines of the checks.
func conclusion(r doctor.Report, lines []CheckLine) ConclusionDocument {
	d := ConclusionDocument{Code: r.Conclusion.Code}
	var warnings int
	var unchecked []string
	for i, c := range r.Checks {
		switch {
		case r.Conclusion.Cause != nil && c.Name == r.Conclusion.Cause.Name:
			d.Message, d.Next = "AWS does not work: "+lines[i].Detail, lines[i].Next
			if c.Code == doctor.CodeNotMachine {
				d.Message = lines[i].Detail
			}
			return d
		case c.Level == doctor.Warn:
			warnings++
		case c.Level == doctor.Unknown:
			unchecked = append(unchecked, c.Name)
		case c.Code == doctor.CodeCaller:
			d.Message = "AWS works: the AWS SDKs use " + lines[i].Detail
		}
	}
	if d.Code == doctor.CodeUndecided {
		d.Message = "undecided: not everything was checked"
		return d
	}
	if warnings > 0 {
		d.Message += "; " + Count(warnings, "warning")
	}
	if len(unchecked) > 0 {
		d.Message += "; not checked: " + strings.Join(slices.Compact(unchecked), ", ")
	}
	return d
}
