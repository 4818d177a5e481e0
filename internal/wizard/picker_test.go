package wizard

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"charm.land/huh/v2"
	"github.com/charmbracelet/x/ansi"
)

// pressed presses keys by name and types any other text.
func pressed(t *testing.T, p *picker, keys ...string) {
	t.Helper()
	named := map[string]tea.KeyPressMsg{
		"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown},
		"home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd}, "pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown},
		"backspace": {Code: tea.KeyBackspace}, "space": {Code: tea.KeySpace, Text: " "}, "ctrl+a": {Code: 'a', Mod: tea.ModCtrl},
		"ctrl+u": {Code: 'u', Mod: tea.ModCtrl}, "ctrl+w": {Code: 'w', Mod: tea.ModCtrl},
	}
	for _, k := range keys {
		if msg, ok := named[k]; ok {
			p.Update(msg)
			continue
		}
		for _, r := range k {
			p.Update(tea.KeyPressMsg{Code: r, Text: string(r)})
		}
	}
}

// seen returns the lines of a picker without its frame.
func seen(p *picker) []string {
	var lines []string
	for line := range strings.Lines(ansi.Strip(p.View())) {
		lines = append(lines, strings.TrimSpace(strings.TrimLeft(line, "┃│ ")))
	}
	return lines
}

func letters(n int) []option {
	var options []option
	for i := range n {
		options = append(options, option{label: fmt.Sprintf("option %d", i), value: fmt.Sprint(i)})
	}
	return options
}

// TestPickOne chooses one option from a list.
func TestPickOne(t *testing.T) {
	t.Parallel()
	few := []option{
		{label: "s3-write: read and write one bucket", value: "s3-write", keywords: "Upload files"},
		{label: "sqs-send: send to one queue", value: "sqs-send"},
		{label: "AmazonSQSFullAccess", value: "sqs"},
	}
	for _, tt := range []struct {
		name    string
		options []option
		initial []string
		keys    []string
		want    string // empty for nothing
	}{
		{"the first", few, nil, nil, "s3-write"},
		{"what stands there", few, []string{"sqs"}, nil, "sqs"},
		{"down and around", few, nil, []string{"down", "down", "down", "down"}, "sqs-send"},
		{"up and around", few, nil, []string{"up"}, "sqs"},
		{"a keyword", few, nil, []string{"upload"}, "s3-write"},
		{"words in any order and case", few, nil, []string{"QUEUE sqs"}, "sqs-send"},
		{"down in what was found", few, nil, []string{"sqs", "down"}, "sqs"},
		{"a letter deleted", few, nil, []string{"sqsx", "backspace"}, "sqs-send"},
		{"cleared", few, []string{"sqs"}, []string{"full", "esc"}, "s3-write"},
		{"cleared by ctrl+u", few, nil, []string{"sqs full", "ctrl+u"}, "s3-write"},
		{"without the last word", few, nil, []string{"sqs full", "ctrl+w"}, "sqs-send"},
		{"without the last word and a space", few, nil, []string{"queue full ", "ctrl+w", "sqs"}, "sqs-send"},
		{"without its only word", few, []string{"sqs"}, []string{"full", "ctrl+w"}, "s3-write"},
		{"nothing found", few, nil, []string{"dynamo"}, ""},
		{"moved in nothing", few, nil, []string{"dynamo", "up", "down", "end", "pgdown", "pgup", "home"}, ""},
		{"the end", letters(100), nil, []string{"end"}, "99"},
		{"the beginning", letters(100), []string{"50"}, []string{"home"}, "0"},
		{"pages", letters(100), nil, []string{"pgdown", "pgdown", "pgup"}, "4"},
		{"pages past the end", letters(5), nil, []string{"pgdown", "pgdown", "pgdown"}, "4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := question{kind: choose, title: "Which?", options: tt.options}
			value := slices.Clone(tt.initial)
			p := newPicker(q, &value, q.problem)
			p.WithWidth(80)
			pressed(t, p, tt.keys...)
			if lines := seen(p); tt.want != "" && !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "> ") }) {
				t.Errorf("the cursor is not seen:\n%s", strings.Join(lines, "\n"))
			}
			p.Blur()
			switch {
			case tt.want == "" && (p.Error() == nil || !slices.Equal(value, tt.initial)):
				t.Errorf("%q is chosen, %v", value, p.Error())
			case tt.want != "" && (p.Error() != nil || !slices.Equal(value, []string{tt.want})):
				t.Errorf("%q is chosen, %v; want %q", value, p.Error(), tt.want)
			}
		})
	}
}

// TestPickOther takes a text that is no option, if the question allows that.
func TestPickOther(t *testing.T) {
	t.Parallel()
	refused := errors.New("no region")
	q := question{kind: choose, title: "Which?", options: letters(3), open: true, check: func(answer []string) error {
		if answer[0] == "europe" {
			return refused
		}
		return nil
	}}
	for text, want := range map[string]string{"eu-west-9 ": "eu-west-9", "option 1": "1", "europe": "", "": "0"} {
		var value []string
		p := newPicker(q, &value, q.problem)
		p.WithWidth(80)
		pressed(t, p, text)
		if seen := slices.Contains(seen(p), "not in the list; enter takes it as it is"); seen == slices.Contains([]string{"option 1", ""}, text) {
			t.Errorf("%q: that it is not in the list is seen: %v", text, seen)
		}
		p.Blur()
		if got := strings.Join(value, ","); got != want || (want == "") != (p.Error() != nil) {
			t.Errorf("%q: %q is chosen, %v; want %q", text, got, p.Error(), want)
		}
	}
}

// TestPickSeveral marks options.
func TestPickSeveral(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		initial []string
		keys    []string
		want    []string
		line    string // a visible line
	}{
		{"what stands there", []string{"2"}, nil, []string{"2"}, "[x] option 2"},
		{"marked, in the list's order", nil, []string{"down", "x", "up", "space"}, []string{"0", "1"}, "[x] option 1"},
		{"marked no more", []string{"0"}, []string{"space"}, nil, "> [ ] option 0"},
		{"moved by letters", nil, []string{"jjk", "x"}, []string{"1"}, "> [x] option 1"},
		{"searched", []string{"0"}, []string{"/", "29", "enter", "x"}, []string{"0", "29"}, "Search: 29"},
		{"while searching, letters are searched for", nil, []string{"/", "x"}, nil, "nothing matches"},
		{"a search for nothing is cleared", nil, []string{"/", "x", "enter", "x"}, []string{"0"}, "> [x] option 0"},
		{"ctrl+u clears", nil, []string{"/", "29", "enter", "ctrl+u", "x"}, []string{"0"}, "> [x] option 0"},
		{"ctrl+w clears a word", nil, []string{"/", "option 29", "ctrl+w", "enter", "x"}, []string{"0"}, "Search: option   (30 matches)"},
		{"esc clears", nil, []string{"/", "29", "esc", "x"}, []string{"0"}, "> [x] option 0"},
		{"all that was found, but one", nil, []string{"/", "option 1", "enter", "ctrl+a", "x"}, []string{"10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "21"}, "Search: option 1  (12 matches)"},
		{"none of them", []string{"0", "1"}, []string{"/", "option 1", "enter", "ctrl+a", "ctrl+a"}, []string{"0"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var value []string
			q := question{kind: chooseMany, title: "Which?", options: letters(30)}
			value = tt.initial
			p := newPicker(q, &value, func([]string) error { return nil })
			m := &model{}
			p.WithTheme(huh.ThemeFunc(m.theme)).WithWidth(80)
			pressed(t, p, tt.keys...)
			lines := seen(p)
			if tt.line != "" && !slices.Contains(lines, tt.line) {
				t.Errorf("%q is not seen:\n%s", tt.line, strings.Join(lines, "\n"))
			}
			p.Blur()
			if !slices.Equal(value, tt.want) {
				t.Errorf("%q are chosen, want %q", value, tt.want)
			}
		})
	}
	var value []string
	refused := errors.New("not these")
	p := newPicker(question{kind: chooseMany, options: letters(3)}, &value, func([]string) error { return refused })
	pressed(t, p, "x")
	p.Blur()
	if !errors.Is(p.Error(), refused) || value != nil {
		t.Errorf("%q are chosen, %v", value, p.Error())
	}
	if pressed(t, p, "down"); p.Error() != nil {
		t.Error("the error stays when a key is pressed")
	}
}

// TestPickerFits tests height and width at every cursor position, with labels of several
// rows.
func TestPickerFits(t *testing.T) {
	t.Parallel()
	options := letters(40)
	for i := range options {
		options[i].label += strings.Repeat(" and more", i%5)
	}
	for height := range 16 {
		for _, width := range []int{20, 30, 60} {
			q := question{kind: choose, title: "Which?", why: "For a reason.", options: options}
			var value []string
			p := newPicker(q, &value, q.problem)
			p.WithWidth(width).WithHeight(height)
			lowest := len(strings.Split(ansi.Strip(p.header()), "\n")) + 1
			for range options {
				lines := strings.Split(ansi.Strip(p.View()), "\n")
				if height > 0 && len(lines) > max(height, lowest) {
					t.Fatalf("%d rows, of %d:\n%s", len(lines), height, strings.Join(lines, "\n"))
				}
				cursor := false
				for _, l := range lines {
					if ansi.StringWidth(l) > width {
						t.Fatalf("%q is wider than %d", l, width)
					}
					cursor = cursor || strings.Contains(l, "> "+p.found[p.cursor].label[:8])
				}
				if !cursor {
					t.Fatalf("option %d is not seen:\n%s", p.cursor, strings.Join(lines, "\n"))
				}
				pressed(t, p, "down")
			}
		}
	}
}

// TestPickerDescribes: the description of each option under the cursor is requested once.
func TestPickerDescribes(t *testing.T) {
	t.Parallel()
	asked := 0
	options := letters(3)
	options[1].about = func() string { asked++; return "about one" }
	q := question{kind: choose, options: options}
	var value []string
	p := newPicker(q, &value, q.problem)
	p.WithWidth(60)
	if p.Init() != nil {
		t.Error("the first option has no description to ask for")
	}
	for range 3 {
		_, cmd := p.Update(tea.KeyPressMsg{Code: tea.KeyDown})
		if cmd != nil {
			p.Update(cmd())
		}
		if at := p.cursor == 1; at != slices.Contains(seen(p), "about one") {
			t.Errorf("with the cursor on %d:\n%s", p.cursor, strings.Join(seen(p), "\n"))
		}
	}
	pressed(t, p, "down")
	if asked != 1 {
		t.Errorf("it was asked for %d times", asked)
	}
}

// TestPickerStart begins on an option that is not the first, unless there is an initial
// answer.
func TestPickerStart(t *testing.T) {
	t.Parallel()
	for want, initial := range map[string][]string{"3": nil, "1": {"1"}} {
		q := question{kind: choose, title: "Which?", options: letters(30), start: "3"}
		p := newPicker(q, &initial, q.problem)
		p.WithWidth(60)
		if got := p.chosen(); !slices.Equal(got, []string{want}) || !slices.Contains(seen(p), "> option "+want) {
			t.Errorf("it begins on %q, want %q:\n%s", got, want, strings.Join(seen(p), "\n"))
		}
	}
}

// TestPickerRows: options use the rows of the description where there is none, so that the
// height stays the same.
func TestPickerRows(t *testing.T) {
	t.Parallel()
	options := letters(30)
	options[1].about = func() string { return "about one" }
	options[2].about = func() string { return "" }
	q := question{kind: choose, title: "Which?", options: options}
	var value []string
	p := newPicker(q, &value, q.problem)
	p.WithWidth(60)
	height := len(seen(p))
	for i, want := range []int{listRows + aboutRows, listRows, listRows + aboutRows, listRows + aboutRows} {
		rows := 0
		for _, line := range seen(p) {
			if strings.Contains(line, "option ") {
				rows++
			}
		}
		if rows != want || len(seen(p)) != height {
			t.Errorf("with the cursor on %d, %d options are seen, want %d:\n%s", i, rows, want, strings.Join(seen(p), "\n"))
		}
		if _, cmd := p.Update(tea.KeyPressMsg{Code: tea.KeyDown}); cmd != nil {
			p.Update(cmd())
		}
	}
}

// TestPickerPaste searches for what is pasted, without its control characters.
func TestPickerPaste(t *testing.T) {
	t.Parallel()
	q := question{kind: choose, options: letters(30)}
	var value []string
	p := newPicker(q, &value, q.problem)
	p.Update(tea.PasteMsg{Content: "option\x1b\n 2" + strings.Repeat(" ", 100)})
	if got := p.search; !strings.HasPrefix(got, "option 2 ") || len(got) != maxSearch {
		t.Errorf("it searches for %q", got)
	}
	if p.chosen()[0] != "2" {
		t.Errorf("it finds %q", p.chosen())
	}
}

// TestPickerAccessible asks with plain prompts.
func TestPickerAccessible(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind  kind
		lines string
		want  []string
	}{
		{choose, "7\n3\n", []string{"worker"}},
		{chooseMany, "1, worker\n", []string{"api", "worker"}},
		{chooseMany, "\n", []string{"web"}}, // the initial answer
	} {
		q := question{kind: tt.kind, title: "Which?", options: []option{{label: "api", value: "api"}, {label: "web", value: "web"}, {label: "worker", value: "worker"}}}
		value := []string{"web"}
		var out bytes.Buffer
		if err := newPicker(q, &value, q.problem).RunAccessible(&out, strings.NewReader(tt.lines)); err != nil {
			t.Error(err)
		}
		if !slices.Equal(value, tt.want) || !strings.Contains(out.String(), "  3) worker\n") {
			t.Errorf("%q are chosen, want %q, after\n%s", value, tt.want, &out)
		}
	}
	q := question{kind: choose, name: "thing", options: letters(3)}
	var value []string
	var input *InputError
	if err := newPicker(q, &value, q.problem).RunAccessible(&bytes.Buffer{}, strings.NewReader("")); !errors.As(err, &input) {
		t.Errorf("%v, want the end of the input", err)
	}
}
