package doctor

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/setup"
)

// More causes, of a Probe.
const (
	// CauseNoProgram: the machine's image has no fly-aws.
	CauseNoProgram Cause = "no-program"
	// CauseNoAnswer: the command in the machine printed no document of doctor.
	CauseNoAnswer Cause = "no-answer"
)

// A Probe is the check that ran in a machine.
type Probe struct {
	// Machine is where Command ran; zero if none runs.
	Machine AppMachine
	Command []string
	// State is not StateWarning, and Cause says why it is StateUnknown; that is
	// CauseUndecided if the check in the machine says so itself.
	State State
	Cause Cause
	// Answer is what it says; nil if it says nothing.
	Answer *Answer
	// ExitCode, Output and Errors are the command's. The text is raw.
	ExitCode       int
	Output, Errors string
	Fly            *setup.FlyProblem
	// Process is what a shell could read where there is no fly-aws; nil if nothing.
	Process *Process
}

// An Answer is the document that doctor prints in a machine, as far as its versions agree.
// The text is raw.
type Answer struct {
	Schema     string `json:"schema"`
	OK         bool   `json:"ok"`
	Conclusion struct {
		// Code is "undecided" if nothing is broken and not everything could be checked.
		Code    string `json:"code"`
		Message string `json:"message"`
		Next    string `json:"next"`
	} `json:"conclusion"`
	Checks []struct {
		Name string `json:"name"`
		// Outcome is "ok", "warning", "failed" or something else, which is no answer.
		Outcome string `json:"outcome"`
		Detail  string `json:"detail"`
		Next    string `json:"next"`
	} `json:"checks"`
}

// answerSchema is the schema of an Answer, without its version.
const answerSchema = "fly-aws.doctor/"

// The outcomes of checks that have an answer.
const (
	OutcomeOK      = "ok"
	OutcomeWarning = "warning"
	OutcomeFailed  = "failed"
)

// Doubts counts the warnings of the answer, and names the checks that have no answer.
func (a *Answer) Doubts() (warnings int, unchecked []string) {
	for _, c := range a.Checks {
		switch c.Outcome {
		case OutcomeOK, OutcomeFailed:
		case OutcomeWarning:
			warnings++
		default:
			unchecked = append(unchecked, c.Name)
		}
	}
	return warnings, unchecked
}

// State is what the answer says.
func (a *Answer) State() State {
	switch {
	case a.OK:
		return StateOK
	case a.Conclusion.Code == "undecided":
		return StateUnknown
	}
	return StateBroken
}

// An Output is the result of a command in a machine.
type Output struct {
	ExitCode       int
	Stdout, Stderr string
}

// Executor runs commands in machines. The errors are *setup.FlyProblem.
type Executor interface {
	Exec(ctx context.Context, app, machine string, argv []string) (Output, error)
}

// The exit codes of a shell for a program that it cannot run, and that is not there.
const (
	exitNotRun    = 126
	exitNoProgram = 127
)

// errorPrefix begins fly-aws's own errors.
const errorPrefix = "Error: "

// Examine runs the command, which is fly-aws doctor --json, in the first running
// machine, and where there is none, ShellCommand. It calls announce before each.
func Examine(ctx context.Context, fly Executor, app string, machines []AppMachine, command []string, announce func(AppMachine, []string)) Probe {
	p := Probe{Command: command, State: StateUnknown}
	i := slices.IndexFunc(machines, func(m AppMachine) bool { return m.Running })
	if i < 0 {
		p.Cause = CauseNoneRunning
		return p
	}
	p.Machine = machines[i]
	announce(p.Machine, command)
	if p.run(ctx, fly, app); p.Cause == CauseNoProgram {
		shell := ShellCommand("/proc")
		announce(p.Machine, shell)
		if out, err := fly.Exec(ctx, app, p.Machine.ID, shell); err == nil && out.ExitCode == 0 {
			p.Process = ReadProcess(out.Stdout)
		}
	}
	return p
}

// run runs the probe's command.
func (p *Probe) run(ctx context.Context, fly Executor, app string) {
	out, err := fly.Exec(ctx, app, p.Machine.ID, p.Command)
	if err != nil {
		p.Cause = CauseFly
		if p.Fly = asFlyProblem(err); p.Fly.Kind == setup.FlyRefused && saysNoProgram(p.Fly.Message) {
			p.Cause = CauseNoProgram
		}
		return
	}
	p.ExitCode, p.Output, p.Errors = out.ExitCode, out.Stdout, out.Stderr
	var answer Answer
	switch {
	case json.Unmarshal([]byte(out.Stdout), &answer) == nil && strings.HasPrefix(answer.Schema, answerSchema):
		p.Answer = &answer
		if p.State = answer.State(); p.State == StateUnknown {
			p.Cause = CauseUndecided
		}
	case strings.HasPrefix(out.Stderr, errorPrefix):
		p.Cause = CauseNoAnswer
	case out.ExitCode == exitNoProgram, out.ExitCode == exitNotRun && saysNoProgram(out.Stderr):
		p.Cause = CauseNoProgram
	default:
		p.Cause = CauseNoAnswer
	}
}

// saysNoProgram recognizes how Go and Rust say that a program is not there. What Fly
// answers then is not documented.
func saysNoProgram(message string) bool {
	message = strings.ToLower(message)
	return strings.Contains(message, "executable file not found") || strings.Contains(message, "no such file or directory")
}

// Together is the result of a walk with what a probe found, nil for none. What the walk could
// not find out, or only inferred from the app's configuration, is decided in the machine.
func Together(r Result, p *Probe) Result {
	if p == nil {
		return r
	}
	r.Links, r.State = slices.Clone(r.Links), p.State
	for i := range r.Links {
		switch l := &r.Links[i]; {
		case p.State == StateOK && l.inferred():
			l.State, l.Overruled = StateWarning, true
		case l.State == StateBroken:
			r.State = StateBroken
		case l.State == StateUnknown && p.State == StateOK && l.otherVariable():
			r.State = StateUnknown
		}
	}
	return r
}

// inferred says that the image or its entrypoint may make the link hold nevertheless: they can
// set, rename and unset variables.
func (l Link) inferred() bool {
	switch l.Code {
	case LinkPrecedence:
		return l.State == StateBroken
	case LinkRegion:
		return l.State == StateBroken || l.Cause == CauseMissing
	case LinkRoleARN:
		return l.Cause == CauseMissing && l.Where == "" && !l.otherVariable()
	}
	return false
}

// otherVariable says that the link is about a role that a probe does not check.
func (l Link) otherVariable() bool {
	return l.Code == LinkRoleARN && !slices.Contains(l.Names, setup.EnvRoleARN)
}
