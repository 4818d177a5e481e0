package trustpolicy

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

// A subjectSearch looks for subjects of an organization that one statement admits, that no
// statement certainly denies, and that are not granted. Every sub pattern in play is an
// automaton; the search runs them all at once over the subjects that Fly's tokens can have.
type subjectSearch struct {
	policy    *Policy
	statement Statement
	provider  string // ARN
	org       string
	granted   []string
	large     bool // larger than a role's policy can be

	// These are made anew for each audience.
	automata []automaton
	allow    formula
	denials  []formula
	grants   []int
}

// A formula is the conditions of a statement for a subject: constant is what does not depend
// on it.
type formula struct {
	constant truth
	tests    []subjectTest
}

// A subjectTest is a condition on the subject: one of the automata matches, or one of the
// unclear values might.
type subjectTest struct {
	any     []int
	unclear bool
	negated bool
}

func newSubjectSearch(p *Policy, statement int, provider, org string, granted []string) *subjectSearch {
	return &subjectSearch{policy: p, statement: p.Statements[statement], provider: provider, org: org, granted: granted, large: p.Size() > MaxSizeQuota}
}

func (s *subjectSearch) key(claim string) string {
	return lower(flyname.IssuerPath(s.org)) + ":" + claim
}

// required returns the first condition of the statement that requires a subject.
func (s *subjectSearch) required() (Condition, operator, bool) {
	for _, c := range s.statement.Conditions {
		if op, ok := parseOperator(c.Operator); ok && lower(c.Key) == s.key("sub") && op.isString() && !op.negated && len(c.Values) > 0 {
			return c, op, true
		}
	}
	return Condition{}, operator{}, false
}

// patterns returns the sub patterns of the statement; "*" if it requires none.
func (s *subjectSearch) patterns() []string {
	c, _, ok := s.required()
	if !ok {
		return []string{"*"}
	}
	var out []string
	for _, v := range c.Values {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

func (op operator) isString() bool {
	return op.family == familyString || op.family == familyStringIgnoreCase || op.family == familyStringLike
}

// run looks for a subject that is admitted by a pattern of the statement. certain says that
// this does not depend on anything undecided. The example is empty if the search was given
// up, in which case there may be none.
func (s *subjectSearch) run(name string) (example string, found, certain bool) {
	if s.large { // it would take minutes, and IAM refuses it
		return "", true, false
	}
	for _, audience := range s.audiences() {
		e := newEvaluation(s.policy, AssumeRequest{
			Action: AssumeAction, Federated: s.provider,
			Context: WebIdentityContext(flyname.IssuerPath(s.org), audience, s.org+":app:machine"),
		})
		s.automata, s.denials, s.grants = nil, nil, nil
		s.allow = s.formula(e, s.statement)
		for _, other := range s.policy.Statements {
			if other.Effect == Deny {
				s.denials = append(s.denials, s.formula(e, other))
			}
		}
		for _, g := range s.granted {
			s.grants = append(s.grants, s.automaton(pattern(g), false))
		}
		required := -1
		if _, op, ok := s.required(); ok {
			x := e.expandSubject(name, op)
			if x.state == no {
				return "", false, false
			}
			if x.state == yes {
				required = s.automaton(x.automaton(op), op.family == familyStringIgnoreCase)
			}
		}
		if s.allow.constant == no {
			continue
		}
		if example, found, certain = s.search(name, required); found {
			return example, found, certain
		}
	}
	return "", false, false
}

// audiences returns audiences to try: that of AWS, those that the statement names, and one
// that it does not.
func (s *subjectSearch) audiences() []string {
	out := []string{flyname.AudienceAWS}
	for _, c := range s.statement.Conditions {
		if lower(c.Key) == s.key("aud") {
			for _, v := range c.Values {
				out = append(out, strings.NewReplacer("*", "x", "?", "x").Replace(v))
			}
		}
	}
	return append(out, "another-audience")
}

// formula evaluates what does not depend on the subject and compiles what does.
func (s *subjectSearch) formula(e *evaluation, st Statement) formula {
	f := formula{constant: min(e.principal(st).Match.truth(), e.action(st).Match.truth())}
	for _, c := range st.Conditions {
		op, ok := parseOperator(c.Operator)
		if !ok || lower(c.Key) != s.key("sub") || !op.isString() || len(c.Values) == 0 {
			f.constant = min(f.constant, e.condition(c).Match.truth())
			continue
		}
		t := subjectTest{negated: op.negated}
		for _, v := range c.Values {
			switch x := e.expandSubject(v, op); x.state {
			case yes:
				t.any = append(t.any, s.automaton(x.automaton(op), op.family == familyStringIgnoreCase))
			case unknown:
				t.unclear = true
			}
		}
		f.tests = append(f.tests, t)
	}
	return f
}

// expandSubject expands a value that is compared with the subject. One that refers to the
// subject itself is unclear.
func (e *evaluation) expandSubject(v string, op operator) expansion {
	x := e.expand(v, op)
	if e.variables && strings.Contains(lower(v), ":sub}") {
		x.state = unknown
	}
	return x
}

// automaton is the value as a pattern.
func (x expansion) automaton(op operator) []rune {
	if op.family == familyStringLike {
		return x.pattern
	}
	return []rune(x.text)
}

// automaton adds an automaton unless there is the same one, and returns its place.
func (s *subjectSearch) automaton(p []rune, fold bool) int {
	if i := slices.IndexFunc(s.automata, func(a automaton) bool { return a.fold == fold && slices.Equal(a.pattern, p) }); i >= 0 {
		return i
	}
	s.automata = append(s.automata, automaton{p, fold})
	return len(s.automata) - 1
}

// holds evaluates the formula for a subject that the automata match or not.
func (f formula) holds(matches []bool) truth {
	result := f.constant
	for _, t := range f.tests {
		is := no
		if t.unclear {
			is = unknown
		}
		if slices.ContainsFunc(t.any, func(i int) bool { return matches[i] }) {
			is = yes
		}
		if t.negated {
			is = is.not()
		}
		result = min(result, is)
	}
	return result
}

// admits says whether a subject is let in beyond what is granted.
func (s *subjectSearch) admits(matches []bool, required int) truth {
	if required >= 0 && !matches[required] || slices.ContainsFunc(s.grants, func(i int) bool { return matches[i] }) {
		return no
	}
	result := s.allow.holds(matches)
	for _, d := range s.denials {
		result = min(result, d.holds(matches).not())
	}
	return result
}

// maxSubjectStates bounds a search. A trust policy of the largest size takes a few hundred
// states a pattern at most, unless it is made to take many.
const maxSubjectStates = 20000

// search looks for a subject, first among readable ones.
func (s *subjectSearch) search(name string, required int) (example string, found, certain bool) {
	for _, subject := range s.candidates(name) {
		if t := s.admits(s.matches(subject), required); t != no {
			return subject, true, t == yes
		}
	}
	alphabet := s.alphabet()
	type node struct {
		subject string
		part    byte // 0 before the app, 1 in it, 2 before the machine, 3 in it
		states  []positions
	}
	start := node{subject: s.org + ":"}
	for _, a := range s.automata {
		state := a.start()
		for _, r := range start.subject {
			state = a.step(state, r)
		}
		start.states = append(start.states, state)
	}
	seen := map[string]bool{}
	for queue := []node{start}; len(queue) > 0; queue = queue[1:] {
		n := queue[0]
		if n.part == 3 {
			matches := make([]bool, len(s.automata))
			for i, a := range s.automata {
				matches[i] = n.states[i].has(len(a.pattern))
			}
			if t := s.admits(matches, required); t != no {
				return n.subject, true, t == yes
			}
		}
		for _, r := range alphabet {
			next := node{subject: n.subject + string(r), part: n.part | 1}
			switch {
			case r == ':' && n.part == 1:
				next.part = 2
			case r == ':', n.part < 2 && flyname.CheckApp(string(r)) != nil:
				continue
			}
			id := []byte{next.part}
			for i, a := range s.automata {
				state := a.step(n.states[i], r)
				next.states = append(next.states, state)
				id = state.appendTo(id)
			}
			if seen[string(id)] || required >= 0 && next.states[required].empty() {
				continue
			}
			if seen[string(id)] = true; len(seen) > maxSubjectStates {
				return "", true, false
			}
			queue = append(queue, next)
		}
	}
	return "", false, false
}

// candidates are subjects that a person would name as an example for a pattern.
func (s *subjectSearch) candidates(name string) []string {
	fill := func(s, with string) string { return strings.NewReplacer("*", with, "?", "x").Replace(s) }
	parts := strings.SplitN(name, ":", 3)
	app, machine := "another-app", "any-machine"
	if len(parts) > 1 && parts[1] != "*" {
		app = fill(parts[1], "x")
	}
	if len(parts) > 2 && parts[2] != "*" {
		machine = fill(parts[2], "x")
	}
	subject := flyname.Subject{Org: s.org, App: app, Machine: machine}
	if flyname.CheckApp(app) != nil || flyname.CheckMachine(machine) != nil {
		return nil
	}
	return []string{subject.String()}
}

// matches says which automata match a subject.
func (s *subjectSearch) matches(subject string) []bool {
	out := make([]bool, len(s.automata))
	for i, a := range s.automata {
		out[i] = globFunc(a.pattern, []rune(subject), a.same)
	}
	return out
}

// alphabet returns the characters to try: those in the patterns that a subject can have, and
// one that is in none of them, which stands for all others.
func (s *subjectSearch) alphabet() []rune {
	in := map[rune]bool{}
	for _, a := range s.automata {
		for _, r := range a.pattern {
			in[r] = true
			if a.fold {
				in[lowerRune(r)] = true
			}
		}
	}
	out := []rune{':'}
	for _, r := range "xanyotherpqzbcdfgijklmsuvw0123456789-_" {
		if !in[r] {
			out = append(out, r)
			break
		}
	}
	for r := rune('!'); r <= '~'; r++ {
		if in[r] && r != ':' && flyname.CheckMachine(string(r)) == nil {
			out = append(out, r)
		}
	}
	return out
}

// An automaton is a pattern whose states are the places in it.
type automaton struct {
	pattern []rune
	fold    bool // the case of ASCII letters does not count
}

func (a automaton) same(x, y rune) bool { return x == y || a.fold && lowerRune(x) == lowerRune(y) }

// start is the state before the first character.
func (a automaton) start() positions {
	p := make(positions, len(a.pattern)/64+1)
	a.reach(p, 0)
	return p
}

// reach adds a place, and those after it that need no character.
func (a automaton) reach(p positions, i int) {
	p.add(i)
	for ; i < len(a.pattern) && a.pattern[i] == anyRun; i++ {
		p.add(i + 1)
	}
}

// step is the state after one more character.
func (a automaton) step(from positions, r rune) positions {
	p := make(positions, len(from))
	for i, want := range a.pattern {
		switch {
		case !from.has(i):
		case want == anyRun:
			a.reach(p, i)
		case want == anyRune || a.same(want, r):
			a.reach(p, i+1)
		}
	}
	return p
}

// positions is a set of places in a pattern.
type positions []uint64

func (p positions) add(i int)      { p[i/64] |= 1 << (i % 64) }
func (p positions) has(i int) bool { return p[i/64]>>(i%64)&1 == 1 }

func (p positions) empty() bool {
	return !slices.ContainsFunc(p, func(w uint64) bool { return w != 0 })
}

// appendTo appends the set to a key.
func (p positions) appendTo(id []byte) []byte {
	for _, w := range p {
		id = binary.LittleEndian.AppendUint64(id, w)
	}
	return id
}
