package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/fly-aws/fly-aws/setup"
)

// Markdown shows a plan as a Markdown section, for a pull request or a job's summary: what
// would change, in a block of text, with a heading that says how much.
func Markdown(w io.Writer, plan *setup.Plan) {
	var body strings.Builder
	Plan(&body, plan, Style{})
	Warnings(&body, plan, Style{})
	heading := summary(plan)
	switch extras := len(plan.Unasked()); {
	case len(plan.Pending())+len(plan.Conflicts()) == 0 && extras == 0:
		heading = "Plan: nothing to do."
	case extras > 0:
		heading += " " + Count(extras, "thing") + " not asked for."
	}
	fence := "```"
	for strings.Contains(body.String(), fence) {
		fence += "`"
	}
	fmt.Fprintf(w, "### fly-aws: %s\n\n%sdiff\n%s%s\n", heading, fence, diffMarks(body.String()), fence)
}

// diffMarks moves the marks of changes to the beginning of their lines, where a diff has
// them.
func diffMarks(s string) string {
	var out strings.Builder
	for line := range strings.Lines(s) {
		trimmed := strings.TrimLeft(line, " ")
		indent := line[:len(line)-len(trimmed)]
		if mark, rest, ok := strings.Cut(trimmed, " "); ok && indent != "" && (mark == "+" || mark == "-") {
			line = mark + indent + rest
		}
		if mark, rest, ok := strings.Cut(trimmed, " "); ok && indent != "" && (mark == "~" || mark == "!") {
			line = "!" + indent + rest
		}
		out.WriteString(line)
	}
	return out.String()
}
