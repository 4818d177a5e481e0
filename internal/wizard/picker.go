package wizard

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"charm.land/huh/v2"
	"charm.land/lipgloss/v2"
)

// listRows is how many options are visible at once.
const listRows = 8

// aboutRows is the maximum number of rows of an option's description.
const aboutRows = 2

// maxSearch is the maximum length of a search in characters.
const maxSearch = 60

// A picker is a huh.Field to choose one or several options from a list of any length. huh's
// own selects render every option at every key press, which takes a fifth of a second with
// AWS's 1,400 policies. A picker searches labels and keywords by words, renders only the
// visible options, and shows the description of the option under the cursor.
//
// In a list to choose one option from, typing searches. If several can be chosen, a search
// begins with a slash and ends with Enter, which keeps the matches, or Esc. The form decides
// which key submits the choice.
type picker struct {
	q        question // of kind choose or chooseMany
	value    *[]string
	validate func([]string) error
	err      error

	search    string
	searching bool
	found     []option
	cursor    int // in found
	top       int // the first visible option of found
	marked    map[string]bool
	asked     map[string]bool   // descriptions asked for, by option value
	about     map[string]string // those that are known

	theme         huh.Theme
	styles        *huh.FieldStyles
	width, height int
}

var _ huh.Field = (*picker)(nil)

// newPicker makes a field for a question. value holds the initial choice, and the valid
// one once it is submitted.
func newPicker(q question, value *[]string, validate func([]string) error) *picker {
	p := &picker{
		q: q, value: value, validate: validate,
		found: q.options, searching: q.kind == choose,
		marked: map[string]bool{}, asked: map[string]bool{}, about: map[string]string{},
	}
	p.WithTheme(huh.ThemeFunc(huh.ThemeBase))
	for _, v := range *value {
		p.marked[v] = true
	}
	if q.kind == choose {
		p.move(slices.IndexFunc(p.found, func(o option) bool {
			return p.marked[o.value] || len(*value) == 0 && o.value == q.start
		}))
	}
	return p
}

// An aboutMsg describes an option.
type aboutMsg struct{ value, text string }

// Init asks for the description of the first option.
func (p *picker) Init() tea.Cmd { return p.describe() }

// Update handles a key, pasted text or a description.
func (p *picker) Update(msg tea.Msg) (huh.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.BackgroundColorMsg:
		p.styles = &p.theme.Theme(msg.IsDark()).Focused
	case aboutMsg:
		p.about[msg.value] = msg.text
	case tea.PasteMsg:
		if p.searching {
			p.find(p.search + msg.Content)
		}
	case tea.KeyPressMsg:
		p.err = nil
		p.press(msg)
	}
	cmd := p.describe()
	return p, cmd
}

func (p *picker) press(msg tea.KeyPressMsg) {
	page := max(p.rows()/2, 1)
	switch msg.String() {
	case "up", "ctrl+p":
		p.move((p.cursor - 1 + len(p.found)) % max(len(p.found), 1))
	case "down", "ctrl+n":
		p.move((p.cursor + 1) % max(len(p.found), 1))
	case "pgup":
		p.move(p.cursor - page)
	case "pgdown":
		p.move(p.cursor + page)
	case "home":
		p.move(0)
	case "end":
		p.move(len(p.found) - 1)
	case "ctrl+u":
		p.find("")
	case "ctrl+w":
		p.find(withoutLastWord(p.search))
	case "esc":
		p.find("")
		p.searching = p.q.kind == choose
	case "enter":
		if p.q.kind == chooseMany && len(p.found) == 0 {
			p.find("")
		}
		p.searching = p.q.kind == choose
	case "backspace":
		if letters := []rune(p.search); len(letters) > 0 && p.searching {
			p.find(string(letters[:len(letters)-1]))
		}
	default:
		switch {
		case p.searching && msg.Text != "":
			p.find(p.search + msg.Text)
		case p.q.kind == chooseMany:
			p.mark(msg.String())
		}
	}
}

// mark handles a key in a list to choose several from, outside of a search.
func (p *picker) mark(pressed string) {
	switch pressed {
	case "/":
		p.searching = true
	case "k":
		p.move((p.cursor - 1 + len(p.found)) % max(len(p.found), 1))
	case "j":
		p.move((p.cursor + 1) % max(len(p.found), 1))
	case "space", "x":
		if o := p.hovered(); o != nil {
			p.marked[o.value] = !p.marked[o.value]
		}
	case "ctrl+a":
		every := !slices.ContainsFunc(p.found, func(o option) bool { return !p.marked[o.value] })
		for _, o := range p.found {
			p.marked[o.value] = !every
		}
	}
}

// withoutLastWord returns the text without its last word, as Ctrl-W in a shell.
func withoutLastWord(text string) string {
	text = strings.TrimRight(text, " ")
	return text[:strings.LastIndex(text, " ")+1]
}

// find searches and moves the cursor to the best match.
func (p *picker) find(text string) {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, text)
	letters := []rune(text)
	p.search = string(letters[:min(len(letters), maxSearch)])
	p.found = p.q.matches(p.search)
	p.top = 0
	p.move(0)
}

// move moves the cursor to an option, or to the nearest one.
func (p *picker) move(to int) {
	p.cursor = max(min(to, len(p.found)-1), 0)
}

// hovered returns the option under the cursor, or nil.
func (p *picker) hovered() *option {
	if p.cursor >= len(p.found) {
		return nil
	}
	return &p.found[p.cursor]
}

// describe requests the description of the option under the cursor, once.
func (p *picker) describe() tea.Cmd {
	o := p.hovered()
	if o == nil || o.about == nil {
		return nil
	}
	if p.asked[o.value] {
		return nil
	}
	p.asked[o.value] = true
	value, about := o.value, o.about
	return func() tea.Msg { return aboutMsg{value, about()} }
}

// chosen returns the values that would be submitted now, in list order.
func (p *picker) chosen() []string {
	if p.q.kind == choose {
		if o := p.hovered(); o != nil {
			return []string{o.value}
		}
		if text := strings.TrimSpace(p.search); p.q.open && text != "" {
			return []string{text}
		}
		return nil
	}
	var values []string
	for _, o := range p.q.options {
		if p.marked[o.value] {
			values = append(values, o.value)
		}
	}
	return values
}

// View draws the title, the reason, the search, the options that fit, and the description
// of the one under the cursor.
func (p *picker) View() string {
	rows := p.rows()
	nothing := "nothing matches"
	if p.q.open {
		nothing = "not in the list; enter takes it as it is"
	}
	options := p.styles.Description.Render(nothing)
	if len(p.found) > 0 {
		options = p.visible(rows)
	}
	lines := []string{p.header(), lipgloss.NewStyle().Height(rows).Render(options)}
	if n := p.aboutRows(); n > 0 {
		lines = append(lines, lipgloss.NewStyle().Width(p.inner()).Height(n).MaxHeight(n).Render(p.about[p.hovered().value]))
	}
	return p.styles.Base.Width(p.width).Render(strings.Join(lines, "\n"))
}

// visible draws only the options that fit, since there may be thousands. It scrolls just
// enough to show the option under the cursor.
func (p *picker) visible(rows int) string {
	p.top = min(p.top, p.cursor)
	var options []string
	height := 0
	for i := p.cursor; i >= p.top; i-- {
		option := p.option(i)
		if height+lipgloss.Height(option) > rows && i < p.cursor {
			p.top = i + 1
			break
		}
		height += lipgloss.Height(option)
		options = append(options, option)
	}
	slices.Reverse(options)
	for i := p.cursor + 1; i < len(p.found) && height < rows; i++ {
		option := p.option(i)
		height += lipgloss.Height(option)
		options = append(options, option)
	}
	visible := strings.Split(strings.Join(options, "\n"), "\n")
	return strings.Join(visible[:min(len(visible), rows)], "\n")
}

// header draws everything above the options.
func (p *picker) header() string {
	s := p.styles
	lines := []string{s.Title.Render(p.wrap(p.q.title))}
	if p.q.why != "" {
		lines = append(lines, s.Description.Render(p.wrap(p.q.why)))
	}
	if p.searching || p.search != "" {
		search := "Search: " + p.search
		if p.searching {
			search += "_"
		}
		if p.search != "" && len(p.found) > listRows {
			search += fmt.Sprintf("  (%d matches)", len(p.found))
		}
		lines = append(lines, s.Title.Render(p.wrap(search)))
	}
	return strings.Join(lines, "\n")
}

// option draws one of the found options.
func (p *picker) option(i int) string {
	s := p.styles
	prefix, style := lipgloss.NewStyle(), s.UnselectedOption
	selector := s.SelectSelector
	if p.q.kind == chooseMany {
		prefix, selector = s.UnselectedPrefix, s.MultiSelectSelector
		if p.marked[p.found[i].value] {
			prefix, style = s.SelectedPrefix, s.SelectedOption
		}
	}
	if i == p.cursor && p.q.kind == choose {
		style = s.SelectedOption
	}
	left := selector.String()
	if i != p.cursor {
		left = strings.Repeat(" ", lipgloss.Width(left))
	}
	left += prefix.String()
	label := lipgloss.Wrap(p.found[i].label, p.inner()-lipgloss.Width(left), ",.-; ")
	return lipgloss.JoinHorizontal(lipgloss.Top, left, style.Render(label))
}

// rows is how many rows the options have: those of a description too, if the option under
// the cursor has none.
func (p *picker) rows() int {
	rows := min(len(p.q.options), listRows)
	if p.describes() {
		rows = min(len(p.q.options), listRows+aboutRows-p.aboutRows())
	}
	if p.height > 0 {
		rows = min(rows, p.height-lipgloss.Height(p.header())-p.aboutRows())
	}
	return max(rows, 1)
}

// describes says whether options have descriptions.
func (p *picker) describes() bool {
	return slices.ContainsFunc(p.q.options, func(o option) bool { return o.about != nil })
}

// aboutRows is how many rows the description of the option under the cursor has.
func (p *picker) aboutRows() int {
	o := p.hovered()
	if o == nil || o.about == nil {
		return 0
	}
	if text, known := p.about[o.value]; known && text == "" {
		return 0
	}
	return aboutRows
}

// inner returns the width within the frame, unlimited if none is set.
func (p *picker) inner() int {
	return p.width - p.styles.Base.GetHorizontalFrameSize()
}

func (p *picker) wrap(text string) string { return lipgloss.Wrap(text, p.inner(), ",.-; ") }

// Focus does nothing: a picker looks the same with and without the focus.
func (p *picker) Focus() tea.Cmd { return nil }

// Blur stores the choice as the value, if it is valid.
func (p *picker) Blur() tea.Cmd {
	values := p.chosen()
	if p.err = p.validate(values); p.err == nil {
		*p.value = values
	}
	return nil
}

// Error returns what is wrong with the choice, or nil.
func (p *picker) Error() error { return p.err }

// Run runs the field by itself.
func (p *picker) Run() error { return huh.Run(p) }

// RunAccessible asks with plain one-line prompts.
func (p *picker) RunAccessible(w io.Writer, r io.Reader) error {
	q := p.q
	q.initial, q.first, q.check = *p.value, true, p.validate
	values, err := (&plain{options: Options{In: r, Out: w}}).ask(context.Background(), q)
	if err == nil {
		*p.value = values
	}
	return err
}

// Skip is false: there is always something to choose.
func (p *picker) Skip() bool { return false }

// Zoom is false: other fields of the group stay visible.
func (p *picker) Zoom() bool { return false }

// KeyBinds returns the keys that the form also uses: esc, while there is a search to clear.
func (p *picker) KeyBinds() []key.Binding {
	esc := key.NewBinding(key.WithKeys("esc"), key.WithHelp("esc", "clear the search"))
	esc.SetEnabled(p.search != "" || p.searching && p.q.kind == chooseMany)
	return []key.Binding{esc}
}

// WithTheme sets the theme.
func (p *picker) WithTheme(theme huh.Theme) huh.Field {
	p.theme, p.styles = theme, &theme.Theme(false).Focused
	return p
}

// WithKeyMap does nothing: the keys are those of Update.
func (p *picker) WithKeyMap(*huh.KeyMap) huh.Field { return p }

// WithWidth sets the columns, the frame included.
func (p *picker) WithWidth(width int) huh.Field {
	p.width = width
	return p
}

// WithHeight sets the maximum number of rows, including header and description; 0 for as
// many as listRows options need.
func (p *picker) WithHeight(height int) huh.Field {
	p.height = height
	return p
}

// WithPosition does nothing: a picker is alone in its form.
func (p *picker) WithPosition(huh.FieldPosition) huh.Field { return p }

// GetKey returns the name of the question.
func (p *picker) GetKey() string { return p.q.name }

// GetValue returns the submitted choice, a []string.
func (p *picker) GetValue() any { return *p.value }
