package trustpolicy

import "strings"

// An expansion is a wanted value with its policy variables replaced.
type expansion struct {
	// text is for operators without wildcards, pattern for those with wildcards.
	text    string
	pattern []rune
	// shown is the value for display.
	shown string
	// state is yes if the value can be compared, no if it matches nothing, and unknown if
	// it is unclear what it matches; no and unknown have a reason.
	state  truth
	reason string
}

// expand replaces the policy variables of a wanted value
// (reference_policies_variables.html).
func (e *evaluation) expand(raw string, op operator) expansion {
	x := &expander{evaluation: e, wildcards: op.wildcards(), state: yes}
	switch {
	case !e.variables || !strings.Contains(raw, "${"):
		x.policy(raw)
	case op.family == familyBool:
		// One page allows variables with Bool, another forbids them.
		return expansion{shown: raw, state: unknown, reason: ReasonUnclearVariable}
	case !op.variables():
		x.policy(raw)
	default:
		x.run(raw)
	}
	return expansion{text: x.text.String(), pattern: x.pattern, shown: x.shown.String(), state: x.state, reason: x.reason}
}

// An expander builds an expansion from left to right.
type expander struct {
	*evaluation
	wildcards   bool
	text, shown strings.Builder
	pattern     []rune
	state       truth
	reason      string
}

// policy adds text from the policy itself.
func (x *expander) policy(s string) {
	x.text.WriteString(s)
	x.shown.WriteString(s)
	if x.wildcards {
		x.pattern = append(x.pattern, pattern(s)...)
	}
}

// literal adds text in which * and ? are not wildcards.
func (x *expander) literal(s, shown string) {
	x.text.WriteString(s)
	x.shown.WriteString(shown)
	if x.wildcards {
		x.pattern = append(x.pattern, []rune(s)...)
	}
}

// stop records why the value cannot be compared. "Matches nothing" takes precedence over
// "unclear".
func (x *expander) stop(raw string, state truth, reason string) {
	x.shown.WriteString(raw)
	if state < x.state {
		x.state, x.reason = state, reason
	}
}

func (x *expander) run(raw string) {
	for {
		before, rest, found := strings.Cut(raw, "${")
		x.policy(before)
		if !found {
			return
		}
		v, n, ok := parseVariable(rest)
		if !ok {
			x.stop("${"+rest, unknown, ReasonUnclearVariable)
			return
		}
		x.variable(v, "${"+rest[:n])
		raw = rest[n:]
	}
}

func (x *expander) variable(v variable, raw string) {
	if v.special != "" {
		shown := v.special
		if x.wildcards {
			shown = raw
		}
		x.literal(v.special, shown)
		return
	}
	values, presence := x.lookup(v.key)
	switch {
	case presence == uncertain:
		x.stop(raw, unknown, ReasonUnknownVariable)
	case presence == absent && v.hasDefault:
		x.substitute(v.defaultText, raw)
	case presence == absent:
		x.stop(raw, no, ReasonUnresolvedVariable)
	case len(values) > 1 || values[0] == "":
		x.stop(raw, unknown, ReasonUnclearVariable)
	default:
		x.substitute(values[0], raw)
	}
}

// substitute adds the value of a variable. AWS does not document whether * and ? in it are
// wildcards.
func (x *expander) substitute(s, raw string) {
	if x.wildcards && strings.ContainsAny(s, "*?") {
		x.stop(raw, unknown, ReasonUnclearVariable)
		return
	}
	x.literal(s, s)
}

// A variable is one policy variable.
type variable struct {
	special     string // "*", "?" or "$"
	key         string
	hasDefault  bool
	defaultText string
}

// parseVariable parses what follows "${" and returns its length in bytes.
func parseVariable(s string) (v variable, n int, ok bool) {
	if len(s) >= 2 && s[1] == '}' && strings.IndexByte("*?$", s[0]) >= 0 {
		return variable{special: s[:1]}, 2, true
	}
	end := strings.IndexAny(s, ",}")
	if end <= 0 || strings.ContainsAny(s[:end], " ${'") {
		return variable{}, 0, false
	}
	v.key = s[:end]
	if s[end] == '}' {
		return v, end + 1, true
	}
	rest := strings.TrimLeft(s[end+1:], " ")
	if !strings.HasPrefix(rest, "'") {
		return variable{}, 0, false
	}
	text, rest, ok := strings.Cut(rest[1:], "'")
	if !ok || !strings.HasPrefix(rest, "}") {
		return variable{}, 0, false
	}
	v.hasDefault, v.defaultText = true, text
	return v, len(s) - len(rest) + 1, true
}
