package wizard

import (
	"fmt"
	"testing"

	tea "charm.land/bubbletea/v2"
)

// BenchmarkSearchKey presses a key in a list of some 1,400 managed policies, as many as AWS
// has, and in one of 1,000 apps.
func BenchmarkSearchKey(b *testing.B) {
	w := oneApp()
	w.policies = nil
	var apps []option
	for i := range 1400 {
		w.policies = append(w.policies, managed(fmt.Sprintf("AmazonService%dReadOnlyAccess", i))...)
	}
	for i := range 1000 {
		name := fmt.Sprintf("an-app-%d", i)
		apps = append(apps, option{label: name, value: name})
	}
	iv := New(Options{}, w, Draft{})
	policies := roleQuestions{interview: iv, answers: &answers{chosen: make([]permissions, 1)}, policies: w.policies}.options(b.Context())
	for _, q := range []question{
		{name: "policies", kind: choose, search: true, title: "What may it do?", options: policies},
		{name: "apps", kind: chooseMany, title: "Which apps?", options: apps},
	} {
		b.Run(q.name, func(b *testing.B) {
			m := &model{}
			m.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
			m.Update(askMsg{q, make(chan reply, 1)})
			if q.kind == chooseMany {
				m.Update(tea.KeyPressMsg{Code: '/', Text: "/"})
			}
			for i := range b.N {
				key := tea.KeyPressMsg{Code: 'a', Text: "a"}
				if i%2 == 1 {
					key = tea.KeyPressMsg{Code: tea.KeyBackspace}
				}
				m.Update(key)
				_ = m.View()
			}
		})
	}
}
