package wizard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"charm.land/huh/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
)

// defaultWidth is the most columns of a form.
const defaultWidth = 80

// onScreen runs an interview on the terminal: one program for all its questions,
// so that nothing that is typed falls between two. It begins with the first
// question; without any the terminal is left alone.
func onScreen[T any](ctx context.Context, o Options, interview func(context.Context, frontEnd) (T, error)) (T, error) {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	profile := colorprofile.ANSI
	if o.NoColor {
		profile = colorprofile.ASCII
	}
	m := &model{options: o, ctx: inner}
	program := tea.NewProgram(m,
		tea.WithInput(o.In), tea.WithOutput(o.Out),
		tea.WithoutSignalHandler(), // the caller's context ends with its signals
		tea.WithEnvironment([]string{"TERM=" + o.Term}),
		tea.WithColorProfile(profile), tea.WithFilter(withoutSizeRequests),
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
			s.passing("")
		}
		finished <- outcome{value, err}
		if s.begun {
			program.Send(doneMsg{})
		}
	}()
	var nothing T
	select {
	case <-ctx.Done():
		select { // it ends with ctx, and clears its line
		case <-finished:
		case <-s.begin:
		}
		return nothing, ctx.Err()
	case done := <-finished:
		return done.value, done.err
	case <-s.begin:
	}
	// Not by tea.WithContext: a program that is killed does not wait for its reader.
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

// withoutSizeRequests keeps each new form from asking for the window's size: the
// model knows it, and Bubble Tea would look it up beside, and at the same time
// as, its own handling of a resize.
func withoutSizeRequests(_ tea.Model, msg tea.Msg) tea.Msg {
	if msg == tea.RequestWindowSize() {
		return nil
	}
	return msg
}

// screen is the front end that an interview sees of the program.
type screen struct {
	program *tea.Program
	model   *model // touched here only before the program begins
	begin   chan struct{}
	begun   bool
}

func (s *screen) tell(lines []string) {
	if lines = slices.Clone(lines); s.begun {
		s.program.Send(tellMsg(lines))
	} else {
		s.model.lines = lines
	}
}

func (s *screen) busy(what string) {
	if s.begun {
		s.program.Send(busyMsg(what))
	} else {
		s.passing(what + dots(s.model.options.ASCII))
	}
}

// passing shows a text before the program begins, in place of the one before.
func (s *screen) passing(text string) {
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
		s.passing("")
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
	tellMsg []string
	busyMsg string
	askMsg  struct {
		q     question
		reply chan<- reply
	}
	reply struct {
		answer []string
		err    error
	}
	// aboutMsg describes an option.
	aboutMsg struct{ value, text string }
	doneMsg  struct{}
)

// model is what is on the screen: what was said, and the form of one question.
type model struct {
	options       Options
	ctx           context.Context // of the interview, for describing options
	width, height int
	lines         []string
	waiting       string // what for; while there is no form

	q     question
	form  *huh.Form // nil while there is no question
	field huh.Field
	rows  int             // of the field, if the window is high enough; 0 for those it needs
	read  func() []string // the form's answer
	tried bool            // to give that answer
	reply chan<- reply

	typed  string  // what is searched for
	picked *string // the answer of a search

	about   map[string]string // by the option's value; "" while it is being asked for
	aborted bool
}

// Init does nothing: the interview begins on its own.
func (m *model) Init() tea.Cmd { return nil }

// Update takes what the interview sends and the person does.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		cmd := m.resize()
		return m, cmd
	case tellMsg:
		m.lines = msg
		return m, nil
	case busyMsg:
		m.waiting = string(msg)
		return m, nil
	case askMsg:
		m.q, m.reply, m.about = msg.q, msg.reply, map[string]string{}
		m.build()
		cmd := tea.Batch(m.form.Init(), m.resize(), m.describe())
		return m, cmd
	case aboutMsg:
		m.about[msg.value] = msg.text
		return m, nil
	case doneMsg:
		m.form, m.waiting = nil, ""
		return m, tea.Quit
	case tea.KeyPressMsg:
		switch pressed := msg.String(); {
		case pressed == "ctrl+c":
			m.form, m.waiting, m.aborted = nil, "", true
			return m, tea.Quit
		case m.form == nil: // while nothing is asked
			return m, nil
		case m.q.search && m.searchKey(msg):
			cmd := m.redraw()
			return m, cmd
		case m.back(pressed):
			if !m.q.first {
				m.answer(reply{err: errBack})
			}
			return m, nil
		}
	case tea.PasteMsg:
		if m.form != nil && m.q.search {
			m.search(m.typed + msg.Content)
			cmd := m.redraw()
			return m, cmd
		}
	}
	if m.form == nil {
		return m, nil
	}
	submits := m.submits(msg)
	m.tried = m.tried || submits
	form, cmd := m.form.Update(msg)
	m.form, _ = form.(*huh.Form)
	if submits && m.field.Error() == nil {
		m.answer(reply{answer: m.read()})
		return m, nil
	}
	cmd = tea.Batch(cmd, m.describe())
	return m, cmd
}

// submits says whether the key ends the form, if the field takes what it holds.
// huh would end it by messages to itself; of two quick presses of enter the
// messages of the second could reach, and end, the next question's form.
func (m *model) submits(msg tea.Msg) bool {
	press, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return false
	}
	switch field := m.field.(type) {
	case *huh.Confirm:
		return slices.Contains([]string{"enter", "y", "Y", "n", "N"}, press.String())
	case *huh.MultiSelect[string]:
		return press.String() == "enter" && !field.GetFiltering() // else it ends the filter
	case *huh.Select[string]:
		_, some := field.Hovered() // a filter may leave nothing
		return press.String() == "enter" && some
	}
	return press.String() == "enter"
}

// back says whether the key goes to the question before: shift+tab always, and
// esc unless the field has a use for it, which is ending its filter.
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

// foundRows is how many of the options found are handed to huh, which draws all
// that it has, seen or not: with AWS's 1,400 policies a key would take a fifth of
// a second.
const foundRows = 40

// searchKey takes a key for what is searched for, or says that it is another's.
func (m *model) searchKey(msg tea.KeyPressMsg) bool {
	switch {
	case msg.Text != "":
		m.search(m.typed + msg.Text)
	case msg.String() == "backspace":
		letters := []rune(m.typed)
		m.search(string(letters[:max(len(letters)-1, 0)]))
	case msg.String() == "esc" && m.typed != "":
		m.search("")
	default:
		return false
	}
	return true
}

// search shows the options that match.
func (m *model) search(text string) {
	const longest = 60
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, text)
	m.typed = string([]rune(text)[:min(len([]rune(text)), longest)])
	found := m.q.matches(m.typed)
	shown := found[:min(len(found), foundRows)]
	options := make([]huh.Option[string], len(shown))
	for i, o := range shown {
		options[i] = huh.NewOption(o.label, o.value)
	}
	title := "Search: " + m.typed + "_"
	switch more := len(found) - len(shown); {
	case len(found) == 0:
		options = []huh.Option[string]{huh.NewOption("nothing has this in its name", "")}
	case more > 0:
		title += fmt.Sprintf("  (%d more)", more)
	}
	*m.picked = options[0].Value
	if list, ok := m.field.(*huh.Select[string]); ok {
		list.Title(title).Options(options...)
	}
}

// redraw makes huh look at a field that was changed behind its back.
func (m *model) redraw() tea.Cmd {
	form, cmd := m.form.Update(nil)
	m.form, _ = form.(*huh.Form)
	return tea.Batch(cmd, m.describe())
}

// columns is how wide the form is.
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

// resize fits the form into what the lines above and below it leave.
func (m *model) resize() tea.Cmd {
	if m.form == nil || m.width == 0 {
		return nil
	}
	rows := max(m.height-lipgloss.Height(m.above())-lipgloss.Height(m.below())-2, 6)
	if m.rows > 0 {
		m.field.WithHeight(m.rows) // a form only makes its fields smaller
	}
	form, cmd := m.form.Update(tea.WindowSizeMsg{Width: m.columns(), Height: rows})
	m.form, _ = form.(*huh.Form)
	return cmd
}

// listRows is how many options are seen at once.
const listRows = 8

// build makes the form of the question.
func (m *model) build() {
	q := m.q
	m.tried = false
	check := func(answer []string) error {
		if !m.tried { // huh checks what stands there at the beginning too
			return nil
		}
		if err := q.problem(answer); err != nil {
			return errors.New(m.options.clean(err.Error()))
		}
		return nil
	}
	options := make([]huh.Option[string], len(q.options))
	for i, o := range q.options {
		options[i] = huh.NewOption(o.label, o.value)
	}
	m.rows = 0
	if len(options) > 0 {
		m.rows = min(len(options), listRows) + 2 // with title and reason
	}
	if q.search {
		m.rows-- // the group has title and reason, the field what is typed
	}
	switch q.kind {
	case choose:
		var value string
		if q.known(q.initial) {
			value = q.initial[0]
		}
		list := huh.NewSelect[string]().Value(&value).Height(m.rows).
			Validate(func(s string) error { return check([]string{s}) })
		m.field, m.picked = list, &value
		m.read = func() []string { return []string{value} }
		if !q.search {
			list.Title(q.title).Description(q.why).Options(options...)
			break
		}
		initial := value
		m.search("")
		value = initial
		list.Value(&value)
	case chooseMany:
		value := slices.Clone(q.initial)
		m.field = huh.NewMultiSelect[string]().Title(q.title).Description(q.why).
			Options(options...).Value(&value).Height(m.rows).Filterable(true).Validate(check)
		m.read = func() []string { return value }
	case enter:
		value := strings.Join(q.initial, ", ")
		// Without colours only words tell an example from what stands there already.
		m.field = huh.NewInput().Title(q.title).Description(q.why).Placeholder("such as " + q.example).
			Value(&value).Validate(func(s string) error { return check([]string{strings.TrimSpace(s)}) })
		m.read = func() []string { return []string{strings.TrimSpace(value)} }
	case decide:
		value := slices.Equal(q.initial, []string{yes})
		m.field = huh.NewConfirm().Title(q.title).Description(q.why).Value(&value).
			WithButtonAlignment(lipgloss.Left)
		m.read = func() []string {
			if value {
				return []string{yes}
			}
			return []string{no}
		}
	}
	group := huh.NewGroup(m.field)
	if q.search {
		group.Title(q.title).Description(q.why)
	}
	m.form = huh.NewForm(group).WithShowHelp(false).WithTheme(huh.ThemeFunc(m.theme))
}

// theme draws with the terminal's own sixteen colours, and says nothing by
// colour alone.
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
	// The bar at the left goes past the title of a search as past that of a field.
	s.Group.Title, s.Group.Description = f.Base.Bold(true), f.Base.Foreground(lipgloss.Color("8"))
	f.SelectSelector = f.SelectSelector.Foreground(lipgloss.Color("6"))
	f.MultiSelectSelector = f.MultiSelectSelector.Foreground(lipgloss.Color("6"))
	f.SelectedPrefix = lipgloss.NewStyle().SetString("[x] ").Foreground(lipgloss.Color("2"))
	plain := lipgloss.NewStyle().MarginRight(1)
	f.FocusedButton = plain.Bold(true).Transform(func(s string) string { return "[" + s + "]" })
	f.BlurredButton = plain.Transform(func(s string) string { return " " + s + " " })
	return s
}

// describe asks for the description of the option under the cursor, once.
func (m *model) describe() tea.Cmd {
	o := m.hovered()
	if o == nil || o.about == nil {
		return nil
	}
	if _, asked := m.about[o.value]; asked {
		return nil
	}
	m.about[o.value] = ""
	value, about, ctx := o.value, o.about, m.ctx
	return func() tea.Msg { return aboutMsg{value, about(ctx)} }
}

// hovered is the option under the cursor, or nil.
func (m *model) hovered() *option {
	list, ok := m.field.(*huh.Select[string])
	if !ok || m.form == nil {
		return nil
	}
	value, ok := list.Hovered()
	if !ok {
		return nil
	}
	for i, o := range m.q.options {
		if o.value == value {
			return &m.q.options[i]
		}
	}
	return nil
}

// View draws what was said, the form and the keys.
func (m *model) View() tea.View {
	parts := []string{m.above()}
	switch {
	case m.form != nil:
		parts = append(parts, "", m.form.View(), m.below())
	case m.waiting != "":
		parts = append(parts, m.waiting+dots(m.options.ASCII))
	}
	return tea.NewView(strings.Trim(strings.Join(parts, "\n"), "\n") + "\n")
}

// above is what was said and answered.
func (m *model) above() string {
	return lipgloss.NewStyle().Width(m.columns()).Render(strings.Join(m.lines, "\n"))
}

// below describes the option under the cursor, and the keys.
func (m *model) below() string {
	faint := lipgloss.NewStyle().Width(m.columns()).Foreground(lipgloss.Color("8"))
	about := ""
	if o := m.hovered(); o != nil && o.about != nil {
		about = m.about[o.value]
	}
	return lipgloss.NewStyle().Width(m.columns()).Height(2).Render(about) + "\n" + faint.Render(m.keys())
}

// filtering says whether a search in a list of several answers is being typed.
func (m *model) filtering() bool {
	list, ok := m.field.(*huh.MultiSelect[string])
	return ok && list.GetFiltering()
}

// keys says what can be pressed, in less than 60 columns.
func (m *model) keys() string {
	keys := "enter next"
	switch {
	case m.q.search:
		keys = "type to search, arrows move, enter choose"
	case m.q.kind == choose:
		keys = "arrows move, enter choose"
	case m.filtering():
		keys = "type to search, enter done, esc clear"
	case m.q.kind == chooseMany:
		keys = "space mark, / search, enter next"
	case m.q.kind == decide:
		keys = "y or n, enter next"
	}
	if !m.q.first {
		keys += ", shift+tab back"
	}
	return keys
}
