package wizard

import (
	"fmt"
	"testing"

	tea "charm.land/bubbletea/v2"
)

// BenchmarkSearchKey presses a key in the list of all that AWS has: some 1,400
// managed policies. A person should not feel it.
func BenchmarkSearchKey(b *testing.B) {
	w := oneApp()
	w.policies = nil
	for i := range 1400 {
		w.policies = append(w.policies, managed(fmt.Sprintf("AmazonService%dReadOnlyAccess", i))...)
	}
	iv := &interview{sources: remember(w), ctx: b.Context()}
	m := &model{ctx: b.Context()}
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	q := question{kind: choose, search: true, title: "What may it do?", options: iv.permissionOptions(&told{}, w.policies)}
	m.Update(askMsg{q, make(chan reply, 1)})
	m.form.Init()
	b.ResetTimer()
	for i := range b.N {
		key := tea.KeyPressMsg{Code: 'a', Text: "a"}
		if i%2 == 1 {
			key = tea.KeyPressMsg{Code: tea.KeyBackspace}
		}
		m.Update(key)
		_ = m.View()
	}
}
