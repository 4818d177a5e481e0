package wizard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"charm.land/huh/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
)

// defaultWidth is the maximum number of columns of a form.
const defaultWidth = 80

// onScreen runs an interview on the terminal, in one program for all questions so that
// input between two of them is not lost. The program starts with the first question;
// without one the terminal is left alone.
func onScreen[T any](ctx context.Context, o Options, interview func(context.Context, frontEnd) (T, error)) (T, error) {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	profile := colorprofile.ANSI
	if o.NoColor {
		profile = colorprofile.ASCII
	}
	m := &model{options: o}
	program := tea.NewProgram(m,
		tea.WithInput(o.In), tea.WithOutput(o.Out),
		tea.WithoutSignalHandler(), // signals end the caller's context
		tea.WithEnvironment([]string{"TERM=" + o.Term}),
		tea.WithColorProfile(profile),
	)
	type outcome struct {
		value T
		err   error
	}
	finished := make(chan outcome, 1)
	s := &screen{program: program, model: m, begin: make(chan struct{})}
	go func() {
		value, err := interview(inner, s)
		if !s.begun {
			s.status("")
		}
		finished <- outcome{value, err}
		if s.begun {
			program.Send(doneMsg{})
		}
	}()
	var nothing T
	select {
	case <-ctx.Done():
		select { // on the end of ctx, the program clears its line
		case <-finished:
		case <-s.begin:
		}
		return nothing, ctx.Err()
	case done := <-finished:
		return done.value, done.err
	case <-s.begin:
	}
	// Not with tea.WithContext: a killed program does not wait for its input reader.
	stop := context.AfterFunc(ctx, program.Quit)
	defer stop()
	_, err := program.Run()
	switch {
	case ctx.Err() != nil:
		return nothing, ctx.Err()
	case m.aborted:
		return nothing, ErrAborted
	case err != nil:
		return nothing, fmt.Errorf("the terminal cannot be used: %w", err)
	}
	done := <-finished
	return done.value, done.err
}

// screen is the front end of the program for an interview.
type screen struct {
	program *tea.Program
	model   *model // used here only before the program starts
	begin   chan struct{}
	begun   bool
}

func (s *screen) show(lines []string) {
	if lines = slices.Clone(lines); s.begun {
		s.program.Send(linesMsg(lines))
	} else {
		s.model.lines = lines
	}
}

func (s *screen) wait(what string) {
	if s.begun {
		s.program.Send(waitMsg(what))
	} else {
		s.status(what + dots(s.model.options.ASCII))
	}
}

// status replaces the text shown before the program starts.
func (s *screen) status(text string) {
	fmt.Fprint(s.model.options.Out, "\r\x1b[K"+text) // carriage return, erase to the end of the line
}

func dots(ascii bool) string {
	if ascii {
		return "..."
	}
	return "…"
}

func (s *screen) ask(ctx context.Context, q question) ([]string, error) {
	if !s.begun {
		s.begun = true
		s.status("")
		close(s.begin)
	}
	reply := make(chan reply, 1)
	s.program.Send(askMsg{q, reply})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-reply:
		return r.answer, r.err
	}
}

type (
	linesMsg []string
	waitMsg  string
	askMsg   struct {
		q     question
		reply chan<- reply
	}
	reply struct {
		answer []string
		err    error
	}
	doneMsg struct{}
)

// model is what is on the screen: the lines so far and the form of one question.
type model struct {
	options       Options
	width, height int
	lines         []string
	waiting       string // what is being waited for, while there is no form

	q     question
	form  *huh.Form // nil between questions
	group *huh.Group
	field huh.Field
	enter key.Binding     // submits the form, if the answer is valid
	read  func() []string // returns the form's answer
	reply chan<- reply

	aborted bool
}

// Init does nothing: the interview starts on its own.
func (m *model) Init() tea.Cmd { return nil }

// Update handles messages from the interview and input from the user.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		if m.form == nil {
			return m, nil
		}
		m.resize() // the form redraws itself below
	case linesMsg:
		m.lines = msg
		return m, nil
	case waitMsg:
		m.waiting = string(msg)
		return m, nil
	case askMsg:
		m.q, m.reply = msg.q, msg.reply
		m.build()
		m.resize()
		m.form.Init() // its command only asks for the window's size, which is known
		return m, tea.Batch(m.field.Init(), m.field.Focus())
	case doneMsg:
		m.form, m.waiting = nil, ""
		return m, tea.Quit
	case tea.KeyPressMsg:
		if m.form == nil && msg.String() == "ctrl+c" {
			m.abort()
			return m, tea.Quit
		}
		if m.form != nil && m.back(msg.String()) {
			if !m.q.first {
				m.answer(reply{err: ErrBack})
			}
			return m, nil
		}
		if m.form != nil && m.q.file != "" && msg.String() == "s" {
			m.answer(reply{err: ErrSave})
			return m, nil
		}
	}
	if m.form == nil { // no question is open
		return m, nil
	}
	searching := m.searching() // before Enter ends it
	_, cmd := m.form.Update(msg)
	if m.form.State == huh.StateAborted { // by Ctrl-C
		m.abort()
		return m, tea.Quit
	}
	if press, ok := msg.(tea.KeyPressMsg); ok && key.Matches(press, m.enter) && !searching {
		cmd = m.submit()
	}
	return m, cmd
}

func (m *model) abort() { m.form, m.waiting, m.aborted = nil, "", true }

// submit ends the form if the answer is valid. Fields could end it with messages, but keys
// typed right after Enter would arrive first and become part of the answer.
func (m *model) submit() tea.Cmd {
	m.form.NextField() // validates the answer
	m.form.NextGroup()
	if m.form.State != huh.StateCompleted {
		return m.field.Focus()
	}
	m.answer(reply{answer: m.read()})
	return nil
}

// back says whether the key goes to the previous question: shift+tab always, esc unless the
// field uses it to clear its search.
func (m *model) back(pressed string) bool {
	if pressed == "shift+tab" {
		return true
	}
	return pressed == "esc" && !slices.ContainsFunc(m.field.KeyBinds(), func(b key.Binding) bool {
		return b.Enabled() && slices.Contains(b.Keys(), "esc")
	})
}

func (m *model) answer(r reply) {
	m.form, m.waiting = nil, ""
	m.reply <- r
}

// columns returns the width of the form.
func (m *model) columns() int {
	widest := m.options.Width
	if widest <= 0 {
		widest = defaultWidth
	}
	if m.width > 0 {
		widest = min(widest, m.width)
	}
	return widest
}

// fewestRows is the minimum height of a form.
const fewestRows = 6

// resize fits the form between the lines above and below it.
func (m *model) resize() {
	if m.form == nil || m.width == 0 {
		return
	}
	m.form.WithWidth(m.columns())
	m.field.WithHeight(0) // because a form only shrinks its fields
	needed := lipgloss.Height(m.field.View())
	if footer := m.group.Footer(); footer != "" {
		needed += lipgloss.Height(footer)
	}
	left := m.height - lipgloss.Height(m.above()) - lipgloss.Height(m.keys()) - 3 // rows between and below them
	m.form.WithHeight(min(needed, max(left, fewestRows)))
}

// keyMap returns huh's keys without those that end a question, which submit handles, and
// without the search in short lists.
func keyMap() *huh.KeyMap {
	keys, none := huh.NewDefaultKeyMap(), key.NewBinding()
	keys.Input.Next, keys.Input.Submit, keys.Input.Prev = none, none, none
	keys.Select.Next, keys.Select.Submit, keys.Select.Prev, keys.Select.Filter = none, none, none, none
	keys.Confirm.Next, keys.Confirm.Submit, keys.Confirm.Prev = none, none, none
	return keys
}

// build makes the form for the question.
func (m *model) build() {
	q, keys := m.q, keyMap()
	m.enter = key.NewBinding(key.WithKeys("enter"))
	check := func(answer []string) error {
		err := q.problem(answer)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, errEmpty):
			return errors.New(m.options.clean(err.Error()))
		case q.kind == chooseMany:
			return errors.New("choose at least one: mark it with space")
		case q.kind == choose:
			return errors.New("nothing matches: type other words, or clear the search with ctrl+u")
		}
		return errors.New("an answer is needed: type something like " + q.example)
	}
	checkOne := func(s string) error { return check([]string{strings.TrimSpace(s)}) }
	switch {
	case q.kind == enter:
		value := strings.Join(q.initial, ", ")
		// Without colors, only words distinguish an example from an initial answer.
		m.field = huh.NewInput().Title(q.title).Description(q.why).Placeholder("such as " + q.example).
			Value(&value).Validate(checkOne)
		m.read = func() []string { return []string{strings.TrimSpace(value)} }
	case q.kind == decide:
		value := slices.Equal(q.initial, []string{yes})
		m.field = huh.NewConfirm().Title(q.title).Description(q.why).Value(&value).
			WithButtonAlignment(lipgloss.Left)
		m.enter = key.NewBinding(key.WithKeys(slices.Concat(m.enter.Keys(), keys.Confirm.Accept.Keys(), keys.Confirm.Reject.Keys())...))
		m.read = func() []string {
			if value {
				return []string{yes}
			}
			return []string{no}
		}
	case q.kind == choose && !q.search && len(q.options) <= listRows:
		var value string
		if q.known(q.initial) {
			value = q.initial[0]
		}
		options := make([]huh.Option[string], len(q.options))
		for i, o := range q.options {
			options[i] = huh.NewOption(o.label, o.value)
		}
		m.field = huh.NewSelect[string]().Title(q.title).Description(q.why).Options(options...).
			Value(&value).Validate(checkOne)
		m.read = func() []string { return []string{value} }
	default:
		value := slices.Clone(q.initial)
		m.field = newPicker(q, &value, check)
		m.read = func() []string { return value }
	}
	m.group = huh.NewGroup(m.field)
	m.form = huh.NewForm(m.group).WithShowHelp(false).WithTheme(huh.ThemeFunc(m.theme)).WithKeyMap(keys)
}

// theme uses the terminal's sixteen colors. Color only repeats what the text says.
func (m *model) theme(isDark bool) *huh.Styles {
	s := huh.ThemeBase(isDark)
	border := lipgloss.NormalBorder()
	if m.options.ASCII {
		border = lipgloss.ASCIIBorder()
	}
	f := &s.Focused
	f.Base = f.Base.BorderStyle(border).BorderForeground(lipgloss.Color("8"))
	f.Card = f.Base
	f.Title = f.Title.Bold(true)
	f.Description = f.Description.Foreground(lipgloss.Color("8"))
	f.ErrorMessage = lipgloss.NewStyle().SetString("!").Foreground(lipgloss.Color("1"))
	f.ErrorIndicator = lipgloss.NewStyle().SetString(" !").Foreground(lipgloss.Color("1"))
	f.SelectSelector = f.SelectSelector.Foreground(lipgloss.Color("6"))
	f.MultiSelectSelector = f.MultiSelectSelector.Foreground(lipgloss.Color("6"))
	f.SelectedPrefix = lipgloss.NewStyle().SetString("[x] ").Foreground(lipgloss.Color("2"))
	plain := lipgloss.NewStyle().MarginRight(1)
	f.FocusedButton = plain.Bold(true).Transform(func(s string) string { return "[" + s + "]" })
	f.BlurredButton = plain.Transform(func(s string) string { return " " + s + " " })
	s.Blurred = s.Focused // a field is blurred for a moment when its answer is refused
	return s
}

// View draws the lines so far, the form and the keys.
func (m *model) View() tea.View {
	parts := []string{m.above()}
	switch {
	case m.form != nil:
		parts = append(parts, "", m.form.View(), "", m.keys())
	case m.waiting != "":
		parts = append(parts, m.waiting+dots(m.options.ASCII))
	}
	return tea.NewView(strings.Trim(strings.Join(parts, "\n"), "\n") + "\n")
}

// above draws the lines so far.
func (m *model) above() string {
	if len(m.lines) == 0 {
		return ""
	}
	return lipgloss.NewStyle().Width(m.columns()).Render(strings.Join(m.lines, "\n"))
}

// searching says whether a search is being typed in a list to choose several from. Enter
// ends it.
func (m *model) searching() bool {
	p, ok := m.field.(*picker)
	return ok && p.searching && p.q.kind == chooseMany
}

// keys describes the keys in less than 60 columns.
func (m *model) keys() string {
	keys := "enter next"
	_, search := m.field.(*picker)
	switch {
	case m.q.kind == choose && search:
		keys = "type to search, arrows move, enter choose"
	case m.q.kind == choose:
		keys = "arrows move, enter choose"
	case m.searching():
		keys = "type to search, enter done, esc clear"
	case m.q.kind == chooseMany:
		keys = "space mark, / search, enter next"
	case m.q.kind == decide:
		keys = "y or n, enter next"
	}
	switch {
	case m.q.file != "":
		keys = "y or n, esc back, s keep it in " + m.q.file
	case m.q.first:
	case m.q.name == Confirmation:
		keys += ", esc back to the answers"
	default:
		keys += ", shift+tab back"
	}
	return lipgloss.NewStyle().Width(m.columns()).Foreground(lipgloss.Color("8")).Render(keys)
}
