package wizard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// plain asks with one-line prompts. huh also has prompts for screen readers, but its first
// one reads ahead and leaves nothing for the next.
type plain struct {
	options Options
	shown   []string // the lines shown so far
}

// longList is the maximum number of options that are listed in full: the presets, the
// other ways to name permissions, and the permissions of other apps.
const longList = 24

func (p *plain) print(format string, args ...any) { fmt.Fprintf(p.options.Out, format+"\n", args...) }

// show prints the lines that were not printed yet. After a step back it prints the lines
// from there again.
func (p *plain) show(lines []string) {
	same := 0
	for same < len(lines) && same < len(p.shown) && lines[same] == p.shown[same] {
		same++
	}
	for _, line := range lines[same:] {
		p.print("%s", line)
	}
	p.shown = slices.Clone(lines)
}

func (p *plain) wait(string) {}

func (p *plain) ask(ctx context.Context, q question) ([]string, error) {
	p.print("\n%s", q.title)
	if q.why != "" {
		p.print("%s", q.why)
	}
	shown := p.list(q, q.options)
	for {
		fmt.Fprint(p.options.Out, p.prompt(q))
		line, err := readLine(ctx, p.options.In)
		if p.options.Strict {
			p.print("") // in place of the user's Enter
		}
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, io.EOF) {
				err = fmt.Errorf("the answer for the %s could not be read: %w", q.name, err)
			}
			if errors.Is(err, io.EOF) {
				err = &InputError{Question: q.name, Reason: "the input ended"}
			}
			return nil, err
		}
		line = strings.TrimSpace(line)
		if line == "<" && !q.first && !p.options.Strict {
			return nil, ErrBack
		}
		answer, err := q.read(line, shown)
		if err == nil {
			err = q.problem(answer)
		}
		if err == nil {
			p.describe(q, answer)
			return answer, nil
		}
		if found := q.matches(line); q.search && len(found) > 0 && !p.options.Strict {
			shown = p.list(q, found)
			continue
		}
		if errors.Is(err, errEmpty) {
			err = q.missing()
		}
		if p.options.Strict {
			return nil, &InputError{Question: q.name, Answer: line, Reason: p.options.clean(err.Error())}
		}
		p.print("! %s", p.options.clean(err.Error()))
	}
}

// confirm asks whether to go on. Anything but y and yes means no.
func (p *plain) confirm(ctx context.Context, title string, instead Instead) (bool, error) {
	prompt := title + " [y/N] "
	switch {
	case instead.File != "":
		prompt += "(b to go back, s to keep it in " + instead.File + ") "
	case instead.Back:
		prompt += "(b to go back to the answers) "
	}
	fmt.Fprint(p.options.Out, prompt)
	line, err := readLine(ctx, p.options.In)
	if p.options.Strict || err != nil {
		p.print("") // in place of the user's Enter
	}
	switch {
	case errors.Is(err, io.EOF):
		return false, &InputError{Question: Confirmation, Reason: "the input ended"}
	case err != nil && ctx.Err() == nil:
		return false, fmt.Errorf("the answer could not be read: %w", err)
	case err != nil:
		return false, err
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", yes:
		return true, nil
	case "b", "back", "<":
		if instead.Back {
			p.print("")
			return false, ErrBack
		}
	case "s", "save":
		if instead.File != "" {
			p.print("")
			return false, ErrSave
		}
	}
	return false, nil
}

// describe prints the description of the chosen option.
func (p *plain) describe(q question, answer []string) {
	for _, o := range q.options {
		if o.about != nil && len(answer) == 1 && o.value == answer[0] {
			if text := o.about(); text != "" {
				p.print("%s", text)
			}
		}
	}
}

// missing says what to type as an answer.
func (q question) missing() error {
	switch q.kind {
	case chooseMany:
		return errors.New("choose at least one: type its number or name")
	case choose:
		return errors.New("an answer is needed: type a number or a name in the list")
	}
	return errors.New("an answer is needed: type something like " + q.example)
}

// list prints the options, or the first of a long list, and returns those it printed.
func (p *plain) list(q question, options []option) (shown []option) {
	shown = options
	if q.search && len(shown) > longList {
		// Options with descriptive labels come first; the others are for a search.
		first := slices.IndexFunc(shown, func(o option) bool { return o.about != nil })
		if first <= 0 || first > longList {
			first = longList
		}
		shown = shown[:first]
	}
	for i, o := range shown {
		p.print("%3d) %s", i+1, o.label)
	}
	switch more := len(options) - len(shown); {
	case more > 0 && p.options.Strict: // there is no search
		p.print("     and %d more, by name", more)
	case more > 0:
		p.print("     and %d more: type words to search for", more)
	}
	return shown
}

// prompt returns the prompt, with the default if there is one.
func (p *plain) prompt(q question) string {
	back := " (< to go back)"
	if q.first || p.options.Strict {
		back = ""
	}
	initial := p.options.clean(q.labels(q.initial))
	switch {
	case q.kind == decide:
		return "y or n [" + q.initial[0][:1] + "]" + back + ": "
	case q.kind == choose && q.known(q.initial):
		return "number or name [" + initial + "]" + back + ": "
	case q.kind == choose:
		return "number or name" + back + ": "
	case q.kind == chooseMany && q.known(q.initial):
		return "numbers or names, separated by commas [" + initial + "]" + back + ": "
	case q.kind == chooseMany:
		return "numbers or names, separated by commas" + back + ": "
	case initial != "" && q.optional:
		return "text, - for none [" + initial + "]" + back + ": "
	case initial != "":
		return "text [" + initial + "]" + back + ": "
	case q.optional:
		return "text, such as " + q.example + ", or - for none" + back + ": "
	default:
		return "text, such as " + q.example + back + ": "
	}
}

// known says whether all values of the answer are options.
func (q question) known(answer []string) bool {
	for _, value := range answer {
		if !slices.ContainsFunc(q.options, func(o option) bool { return o.value == value }) {
			return false
		}
	}
	return len(answer) > 0
}

// read parses a line. Numbers are those of the shown options.
func (q question) read(line string, shown []option) ([]string, error) {
	switch {
	case line == "" && q.kind == enter && len(q.initial) > 0, line == "" && q.kind != enter && (q.kind == decide || q.known(q.initial)):
		return q.initial, nil
	case line == "":
		return nil, errEmpty
	case q.kind == enter && q.optional && line == "-":
		return []string{""}, nil
	case q.kind == enter:
		return []string{line}, nil
	case q.kind == decide:
		switch strings.ToLower(line) {
		case "y", yes:
			return []string{yes}, nil
		case "n", no:
			return []string{no}, nil
		}
		return nil, errors.New("type y or n")
	}
	words := []string{line}
	if q.kind == chooseMany {
		words = splitList(line)
	}
	var answer []string
	for _, word := range words {
		value, ok := q.pick(word, shown)
		if !ok && q.open {
			value, ok = word, true
		}
		if !ok {
			return nil, fmt.Errorf("%q is not in the list: type a number from 1 to %d, or a name", word, len(shown))
		}
		if !slices.Contains(answer, value) {
			answer = append(answer, value)
		}
	}
	return answer, nil
}

// pick finds an option by its value or label, or else by its number among the shown ones
// or by its name.
func (q question) pick(word string, shown []option) (string, bool) {
	for _, o := range q.options {
		if word == o.value || word == o.label {
			return o.value, true
		}
	}
	if n, err := strconv.Atoi(word); err == nil && n >= 1 && n <= len(shown) {
		return shown[n-1].value, true
	}
	for _, o := range q.options {
		if o.name != "" && word == o.name {
			return o.value, true
		}
	}
	return "", false
}

// maxLine is the maximum length of a line in bytes, far beyond any valid answer.
const maxLine = 4096

// readLine reads a line and no byte beyond it, or until ctx ends. The last line needs no
// newline; at the end of the input the error is io.EOF.
func readLine(ctx context.Context, in io.Reader) (string, error) {
	type result struct {
		line string
		err  error
	}
	read := make(chan result, 1)
	go func() { // a read from a terminal cannot be canceled
		var line []byte
		var b [1]byte
		for len(line) < maxLine {
			n, err := in.Read(b[:])
			switch {
			case n > 0 && b[0] == '\n':
				read <- result{line: string(line)}
				return
			case n > 0:
				line = append(line, b[0])
			case errors.Is(err, io.EOF) && len(line) > 0:
				read <- result{line: string(line)}
				return
			case err != nil:
				read <- result{err: err}
				return
			}
		}
		read <- result{err: fmt.Errorf("it is longer than %d bytes", maxLine)}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case r := <-read:
		return r.line, r.err
	}
}
