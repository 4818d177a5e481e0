package cmd_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fly-aws/fly-aws/cmd"
)

// TestHelpFits: the help of every command fits into 80 columns.
func TestHelpFits(t *testing.T) {
	t.Parallel()
	help := func(args ...string) string {
		var out bytes.Buffer
		cmd.Main(context.Background(), cmd.System{
			Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out,
			Getenv: func(string) string { return "" },
			Now:    time.Now, Sleep: func(context.Context, time.Duration) {},
			Size: func() (columns, rows int) { return 80, 24 },
		}, append(args, "--help"))
		return out.String()
	}
	_, list, found := strings.Cut(help(), "Available Commands:\n")
	if !found {
		t.Fatal("the help lists no commands")
	}
	commands := [][]string{{}, {"token", "verify"}, {"token", "inspect"}, {"token", "exchange"}, {"policy", "trust"}, {"policy", "operator"}}
	for line := range strings.Lines(list) {
		name, _, ok := strings.Cut(strings.TrimPrefix(line, "  "), " ")
		if !ok || !strings.HasPrefix(line, "  ") {
			break
		}
		commands = append(commands, []string{name})
	}
	if len(commands) < 15 {
		t.Fatalf("there are only the commands %v", commands)
	}
	for _, command := range commands {
		if len(command) > 0 && command[0] == "completion" {
			continue // cobra's own words
		}
		for line := range strings.Lines(help(command...)) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
				t.Errorf("fly-aws %s --help has a line of %d columns:\n%s", strings.Join(command, " "), n, line)
			}
		}
	}
}
