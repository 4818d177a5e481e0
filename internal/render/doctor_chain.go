package render

import (
	"cmp"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/fly-aws/fly-aws/internal/doctor"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// doctorChainSchema is the schema of a ChainDocument.
const doctorChainSchema = "fly-aws.doctor-chain/1"

// A ChainReport is what the keyboard doctor found about an app.
type ChainReport struct {
	Chain doctor.Chain
	// Result is that of Walk and, with a Probe, of Together.
	Result doctor.Result
	// Probe is the check in a machine; nil if none was asked for.
	Probe *doctor.Probe
	// Failure puts an error of AWS or the folder into words: what happened, and the next
	// step.
	Failure func(error) (message, next string)
}

// A ChainDocument is what the keyboard doctor prints with --json. Values are raw, sentences
// are cleaned.
type ChainDocument struct {
	Schema string `json:"schema"`
	App    string `json:"app"`
	// State is "ok", "broken" or "unknown". Link is the link that decides it, or "machine";
	// empty if all is well.
	State doctor.State    `json:"state"`
	Link  doctor.LinkCode `json:"link,omitempty"`
	// Text says so in a sentence, Next is what to do.
	Text  string              `json:"text"`
	Next  string              `json:"next,omitempty"`
	Links []chainLinkDocument `json:"links"`
	// Machine is the check in a machine, null unless there was one.
	Machine *probeDocument `json:"machine"`
}

// A chainLinkDocument is a link that was walked.
type chainLinkDocument struct {
	Code  doctor.LinkCode `json:"code"`
	State doctor.State    `json:"state"`
	Cause doctor.Cause    `json:"cause,omitempty"`
	Text  string          `json:"text"`
	Next  string          `json:"next,omitempty"`
	Value string          `json:"value,omitempty"`
	// Where is where Value was found: "flag", "fly.toml", "machines" or "secret".
	Where    doctor.Where        `json:"where,omitempty"`
	Names    []string            `json:"names,omitempty"`
	Machines []string            `json:"machines,omitempty"`
	Have     string              `json:"have,omitempty"`
	Want     string              `json:"want,omitempty"`
	Beyond   []AdmissionDocument `json:"beyond,omitempty"`
	// Rules are the IDs of lint's rules that the trust policy breaks.
	Rules []string `json:"rules,omitempty"`
}

// A probeDocument is the check in a machine. Report is the document of doctor there, null
// if it printed none.
type probeDocument struct {
	Machine  string          `json:"machine,omitempty"`
	ID       string          `json:"id,omitempty"`
	Command  []string        `json:"command"`
	State    doctor.State    `json:"state"`
	Cause    doctor.Cause    `json:"cause,omitempty"`
	ExitCode int             `json:"exit_code"`
	Text     string          `json:"text"`
	Next     string          `json:"next,omitempty"`
	Report   json.RawMessage `json:"report"`
	// Process is what a shell read there of the app's process, absent if nothing.
	Process *processDocument `json:"process,omitempty"`
}

// A processDocument is the app's process: the variables that are no secrets, and the names
// of all that begin with AWS_.
type processDocument struct {
	Values map[string]string `json:"values"`
	Names  []string          `json:"names"`
}

// linkMachine stands for the check in a machine, which is no link of the chain.
const linkMachine doctor.LinkCode = "machine"

// NewChain makes the document of a report.
func NewChain(r ChainReport) ChainDocument {
	d := ChainDocument{Schema: doctorChainSchema, App: r.Chain.App, State: r.Result.State, Links: []chainLinkDocument{}}
	d.Link, d.Text, d.Next = r.headline(d.State)
	for _, l := range r.Result.Links {
		link := chainLinkDocument{
			Code: l.Code, State: l.State, Cause: l.Cause, Text: r.words(l), Next: r.next(l),
			Value: l.Value, Where: l.Where, Names: l.Names, Machines: l.Machines, Have: l.Have, Want: l.Want,
		}
		if len(l.Beyond) > 0 {
			link.Beyond = NewAdmissions(l.Beyond)
		}
		for _, f := range l.Findings {
			link.Rules = append(link.Rules, f.Rule().ID)
		}
		d.Links = append(d.Links, link)
	}
	if p := r.Probe; p != nil {
		d.Machine = &probeDocument{
			Machine: p.Machine.Name, ID: p.Machine.ID, Command: p.Command, State: p.State, Cause: p.Cause, ExitCode: p.ExitCode,
			Text: r.probeWords(), Next: r.probeNext(),
		}
		if p.Process != nil {
			d.Machine.Process = &processDocument{p.Process.Values, append([]string{}, p.Process.Names...)}
		}
		if p.Answer != nil {
			d.Machine.Report = json.RawMessage(p.Output)
		}
	}
	return d
}

// Chain shows whether AWS access works for an app, or the broken link and the next step;
// then the links that were walked.
func Chain(w io.Writer, r ChainReport, style Style) {
	p := printer{w, style}
	state := r.Result.State
	link, words, shown := r.headline(state)
	p.prose(p.state(state)+" ", words)
	if shown != "" {
		p.line("%s %s", p.arrow(), shown)
	}
	p.line("")
	for _, l := range r.Result.Links {
		if l.State == doctor.StateBroken { // the first line has its words
			p.line("%s %s", p.state(l.State), linkName(l.Code))
			continue
		}
		p.prose(p.state(l.State)+" ", linkName(l.Code)+": "+r.words(l))
		if next := r.next(l); next != "" && l.State == doctor.StateWarning {
			p.line("  %s %s", p.arrow(), next)
		}
	}
	if r.Probe == nil || link == linkMachine && r.Probe.Answer == nil { // the first line says all
		return
	}
	p.line("")
	p.prose(p.state(r.Probe.State)+" ", r.probeWords())
	if next := r.probeNext(); next != "" && next != shown {
		p.line("  %s %s", p.arrow(), next)
	}
	if r.Probe.Answer == nil {
		return
	}
	for _, c := range r.Probe.Answer.Checks[:min(len(r.Probe.Answer.Checks), maxProbeChecks)] {
		p.prose("  "+p.state(outcome(c.Outcome))+" ", text.Line(c.Name)+": "+text.Line(c.Detail))
		if next := text.Line(c.Next); next != "" && next != shown {
			p.line("    %s %s", p.arrow(), next)
		}
	}
}

// maxProbeChecks limits what is shown of a machine's answer.
const maxProbeChecks = 100

func outcome(outcome string) doctor.State {
	switch outcome {
	case doctor.OutcomeOK:
		return doctor.StateOK
	case doctor.OutcomeWarning:
		return doctor.StateWarning
	case doctor.OutcomeFailed:
		return doctor.StateBroken
	}
	return doctor.StateUnknown
}

func (s Style) state(state doctor.State) string {
	switch state {
	case doctor.StateOK:
		return s.ok()
	case doctor.StateBroken:
		return s.bad()
	case doctor.StateWarning:
		return s.paint(yellow, "!")
	}
	return s.unsure()
}

// headline says the answer in a sentence, which link decides it, and what to do.
func (r ChainReport) headline(state doctor.State) (link doctor.LinkCode, words, next string) {
	if l := r.Result.Find(state); l != nil && state != doctor.StateOK {
		lead := "broken at "
		if state == doctor.StateUnknown {
			lead = "undecided at "
		}
		return l.Code, lead + linkName(l.Code) + ": " + r.words(*l), r.next(*l)
	}
	switch {
	case state == doctor.StateBroken:
		if words, next = brokenWords(r.Probe.Answer); words == "" {
			return linkMachine, "broken: " + r.probeWords(), ""
		}
		return linkMachine, "broken in the machine: " + words, next
	case state == doctor.StateUnknown && r.Probe != nil:
		return linkMachine, "undecided: " + r.probeWords() + "; from here nothing is broken", r.probeNext()
	case state == doctor.StateUnknown:
		return "", "undecided: not all was walked", ""
	}
	words = "works: "
	if r.Probe == nil {
		words = "works, as far as can be seen from here: "
		next = r.again("--exec")
	}
	who := "the machines of " + text.Name(r.Chain.App)
	if r.Probe != nil {
		who = "the machine " + text.Name(r.Probe.Machine.Name) + " of " + text.Name(r.Chain.App)
	}
	words += who + " can use the role " + text.Name(r.Result.Role)
	if r.Result.Role == "" { // a secret's; the machine knows it
		words = "works: AWS access was checked in " + who
	}
	warnings := 0
	for _, l := range r.Result.Links {
		if l.State == doctor.StateWarning {
			warnings++
		}
	}
	var unchecked []string
	if r.Probe != nil && r.Probe.Answer != nil {
		var more int
		more, unchecked = r.Probe.Answer.Doubts()
		warnings += more
	}
	return "", words + doubtWords(warnings, unchecked), next
}

// doubtWords qualify what works.
func doubtWords(warnings int, unchecked []string) string {
	words := ""
	if warnings > 0 {
		words = "; " + Count(warnings, "warning")
	}
	if len(unchecked) > 0 {
		words += "; not checked: " + shortList(unchecked)
	}
	return words
}

// brokenWords are the conclusion of a machine's answer, or else its first failed check,
// and the next step.
func brokenWords(a *doctor.Answer) (words, next string) {
	words, next = a.Conclusion.Message, a.Conclusion.Next
	for _, c := range a.Checks {
		if words == "" && outcome(c.Outcome) == doctor.StateBroken {
			words, next = c.Name+": "+c.Detail, c.Next
		}
	}
	return text.Line(words), text.Line(next)
}

var linkNames = map[doctor.LinkCode]string{
	doctor.LinkFly: "Fly sign-in", doctor.LinkOrganization: "organization", doctor.LinkApp: "app",
	doctor.LinkPrecedence: "precedence", doctor.LinkRoleARN: "role ARN", doctor.LinkDeployed: "deploy",
	doctor.LinkAWS: "AWS sign-in", doctor.LinkRole: "role", doctor.LinkProvider: "provider",
	doctor.LinkTrust: "trust policy", doctor.LinkOthers: "nobody else", doctor.LinkLint: "statements",
	doctor.LinkPermissions: "permissions", doctor.LinkRegion: "region",
}

func linkName(code doctor.LinkCode) string { return cmp.Or(linkNames[code], string(code)) }

// words say in one clause, clean, what was found about a link.
func (r ChainReport) words(l doctor.Link) string {
	words := r.linkWords(l)
	if l.Overruled {
		words += "; the machine works nevertheless, so its image sees to that"
	}
	return text.Clean(strings.Join(strings.Fields(words), " "))
}

func (r ChainReport) linkWords(l doctor.Link) string {
	app, role := text.Name(r.Chain.App), text.Name(r.Result.Role)
	machines := Count(len(l.Machines), "machine")
	if len(l.Machines) > 0 {
		machines = "machine"
		if len(l.Machines) > 1 {
			machines = "machines"
		}
		machines += " " + shortList(l.Machines)
	}
	switch l.Cause {
	case doctor.CauseFly:
		return FlyProblem(l.Fly)
	case doctor.CauseFailed, doctor.CauseSignIn:
		message, _ := r.Failure(l.Err)
		return message
	case doctor.CauseMalformed:
		return strings.Join(l.Names, "") + " in " + whereWords(l.Where) + " is " + text.Quote(l.Value) + ": " + cmp.Or(text.Line(l.Reason), "that is no AWS region")
	case doctor.CauseSecret:
		words := l.Names[0] + " is a secret of the app, whose value Fly does not show"
		if len(l.Variables) > 0 {
			words += "; it overrides the one in fly.toml"
		}
		return words
	case doctor.CauseHidden:
		why := "Fly does not say what " + machines + " has in its environment"
		if l.Fly != nil {
			why = "the names of the app's secrets are not known: " + FlyProblem(l.Fly)
		}
		if l.Code == doctor.LinkRoleARN || l.Code == doctor.LinkRegion {
			return "no " + text.Name(strings.Join(l.Names, "")) + " is seen, and " + why
		}
		return why
	}
	switch l.Code {
	case doctor.LinkFly:
		return "signed in"
	case doctor.LinkOrganization:
		words := text.Name(l.Value)
		if l.Have != l.Value {
			words += ", the raw slug of " + text.Name(l.Have)
		}
		return words + "; issuer " + text.Name(flyname.Issuer(l.Value))
	case doctor.LinkApp:
		switch l.Cause {
		case doctor.CauseNoMachines:
			return app + " has no machines: it was not deployed"
		case doctor.CauseNoneRunning:
			return "none of the machines of " + app + " is running"
		}
		return app + ", " + machines
	case doctor.LinkPrecedence:
		return keysWords(l)
	case doctor.LinkRoleARN:
		switch l.Cause {
		case doctor.CauseOtherRole:
			return text.Name(r.Chain.Variable) + " in " + whereWords(l.Where) + " is " + text.Name(l.Have) + ", not " + text.Name(l.Want)
		case doctor.CauseMissing:
			return "no " + text.Name(r.Chain.Variable) + " in fly.toml, the machines or the secrets of " + app
		}
		return text.Name(l.Value) + ", " + whereFrom(l.Where)
	case doctor.LinkDeployed:
		return r.deployedWords(l, machines)
	case doctor.LinkAWS:
		if l.Cause == doctor.CauseAccount {
			return "the role is in the account " + text.Name(l.Want) + ", and you are signed in to " + text.Name(l.Have)
		}
		return text.Name(l.Value)
	case doctor.LinkRole:
		switch l.Cause {
		case doctor.CauseMissing:
			return "there is no role " + role + "; AWS answers AccessDenied for it"
		case doctor.CauseOtherARN:
			return "the ARN of the role is " + text.Name(l.Want) + ", not " + text.Name(l.Have)
		}
		return text.Name(l.Value)
	case doctor.LinkProvider:
		switch l.Cause {
		case doctor.CauseMissing:
			return "there is no provider " + text.Name(l.Value)
		case doctor.CauseAudience:
			return "it lacks the audience " + text.Name(l.Want)
		}
		return text.Name(l.Value)
	case doctor.LinkTrust:
		return trustWords(l, role, machines)
	case doctor.LinkOthers:
		if l.Cause == doctor.CauseOthers {
			return othersWords(l.Beyond)
		}
		return "the trust policy lets in no other app"
	case doctor.LinkLint:
		switch {
		case l.State == doctor.StateUnknown:
			return text.Line(l.Reason)
		case l.Cause == doctor.CauseFindings:
			return Count(len(l.Findings), "error") + ": " + findingWords(l.Findings[0].Finding)
		}
		return "lint finds no error"
	case doctor.LinkPermissions:
		if l.Cause == doctor.CauseMissing {
			return "no policy is attached: the role allows nothing"
		}
		if l.Policies == 1 {
			return "1 policy"
		}
		return strconv.Itoa(l.Policies) + " policies"
	case doctor.LinkRegion:
		switch l.Cause {
		case doctor.CauseMissing:
			return "no AWS_REGION in fly.toml, the machines or the secrets of " + app + "; the SDKs need one, Fly sets none, and whether the image does is not seen from here"
		case doctor.CauseUnlisted:
			return text.Name(l.Value) + " is not a region that this version knows"
		}
		return text.Name(l.Value) + ", " + whereFrom(l.Where)
	}
	return ""
}

func whereWords(w doctor.Where) string {
	if w == doctor.InMachines {
		return "the machines"
	}
	return string(w)
}

func whereFrom(w doctor.Where) string {
	if w == doctor.InFlag {
		return "as given"
	}
	return "in " + whereWords(w)
}

func keysWords(l doctor.Link) string {
	names := strings.Join(l.Names, ", ")
	switch l.Cause {
	case doctor.CauseKeys:
		words := "the SDKs use " + names + " instead of the role"
		if l.Tigris {
			words += "; Tigris (fly storage) uses them too"
		}
		return words
	case doctor.CausePartial:
		return "some SDKs look at " + names + " before the role"
	case doctor.CauseEndpoint:
		if len(l.Names) > 1 {
			return names + " send calls elsewhere than to AWS"
		}
		return names + " sends calls elsewhere than to AWS"
	}
	return "no static keys and no profile"
}

// deployedWords compare the machines with fly.toml, or without one with each other.
func (r ChainReport) deployedWords(l doctor.Link, machines string) string {
	does, of := "does", "of fly.toml"
	if len(l.Machines) > 1 {
		does = "do"
	}
	if r.Chain.Config == "" {
		of = "of the others"
	}
	switch {
	case l.Cause == doctor.CauseDiffers:
		return machines + " " + does + " not have the " + strings.Join(l.Names, " and ") + " " + of
	case r.Chain.Config == "":
		return "there is no fly.toml here to compare " + machines + " with"
	}
	return machines + " as in fly.toml"
}

func trustWords(l doctor.Link, role, machines string) string {
	if l.Cause == doctor.CauseNone {
		return role + " lets in " + machines
	}
	who := text.Name(l.Subject)
	if more := len(l.Machines) - 1; more > 0 {
		who += " and " + Count(more, "more machine")
	}
	words := "the trust policy of " + role + " does not let in " + who
	if l.Cause == doctor.CauseUndecided {
		words = "whether the trust policy of " + role + " lets in " + who + " depends on what is not known here"
	}
	if e := l.Explanation; e != nil && len(e.Reasons) > 0 {
		words += ": " + strings.TrimSuffix(reasonWords(e.Reasons[0]), ".")
	}
	return words
}

func othersWords(beyond []trustpolicy.Admission) string {
	words := "the trust policy lets in others too: " + Admission(beyond[0])
	if more := len(beyond) - 1; more > 0 {
		words += ", and " + strconv.Itoa(more) + " more"
	}
	return words
}

// next is the next step for a link, clean, a command where there is one; "" if it needs
// none.
func (r ChainReport) next(l doctor.Link) string { return text.Clean(r.linkNext(l)) }

func (r ChainReport) linkNext(l doctor.Link) string {
	role := text.ShellWord(r.Result.Role)
	switch {
	case l.Cause == doctor.CauseNone || l.Overruled:
		return ""
	case l.Code == doctor.LinkRegion && l.Cause != doctor.CauseSecret && l.Cause != doctor.CauseHidden:
		return r.regionNext(l)
	}
	switch l.Cause {
	case doctor.CauseFly:
		return FlyNext(l.Fly)
	case doctor.CauseFailed, doctor.CauseSignIn:
		_, next := r.Failure(l.Err)
		return next
	case doctor.CauseNoMachines, doctor.CauseDiffers:
		return r.deploy()
	case doctor.CauseNoneRunning:
		return r.ofApp("fly machine start " + text.ShellWord(l.Machine))
	case doctor.CauseKeys, doctor.CausePartial, doctor.CauseEndpoint:
		return r.keysNext(l)
	case doctor.CauseHidden:
		if l.Fly != nil {
			return FlyNext(l.Fly)
		}
		return r.findOut(l)
	case doctor.CauseSecret:
		if len(l.Variables) > 0 {
			return r.findOut(l) + "; if the one in fly.toml is right: " + r.ofApp("fly secrets unset "+text.ShellWords(l.Names))
		}
		return r.findOut(l)
	case doctor.CauseAccount:
		return "sign in to the account " + text.Name(l.Want) + ": " + r.again("--profile NAME") + "; or make a role here: " + r.setupAndDeploy()
	case doctor.CauseOtherRole:
		return "check the role that it names, without --role, or set another: " + r.setupAndDeploy()
	case doctor.CauseOtherARN:
		if l.Where == doctor.InFlag {
			return "pass --role " + text.ShellWord(l.Want)
		}
		if r.Chain.Variable != setup.EnvRoleARN || r.Chain.Config == "" { // patch writes no other
			return "set " + text.Name(r.Chain.Variable) + " in the [env] of fly.toml to " + text.Name(l.Want) + ", then: " + r.deploy()
		}
		return "fly-aws patch --app " + text.ShellWord(r.Chain.App) + r.configFlag() + " --role-arn " + text.ShellWord(l.Want) + " && " + r.deploy()
	case doctor.CauseAudience:
		return r.setup()
	case doctor.CauseRefused, doctor.CauseUndecided:
		if e := l.Explanation; e != nil && e.Fix != nil && fixCommand(*e.Fix) != "" {
			return fixCommand(*e.Fix)
		}
		return "fly-aws explain --role " + role + " --subject " + text.ShellWord(l.Subject)
	case doctor.CauseOthers:
		return "fly-aws explain --role " + role + " --subject " + text.ShellWord(l.Subject)
	case doctor.CauseFindings:
		return "fly-aws lint --role " + role
	}
	switch l.Code {
	case doctor.LinkRoleARN:
		return r.setupAndDeploy()
	case doctor.LinkRole, doctor.LinkProvider:
		return r.setup()
	case doctor.LinkPermissions:
		return r.setup() + " --policy NAME"
	}
	return ""
}

// Variables that may be right: a profile may use the role, and S3 be only at Tigris.
const (
	awsProfile = "AWS_PROFILE"
	endpointS3 = "AWS_ENDPOINT_URL_S3"
)

// keysNext removes what comes before the role, after what has to be known or done before.
func (r ChainReport) keysNext(l doctor.Link) string {
	before, keep := "", ""
	switch first := r.uncertain(); {
	case l.Cause == doctor.CauseKeys && first != nil:
		return "first " + linkName(first.Code) + ": " + r.linkNext(*first)
	case l.Cause == doctor.CauseEndpoint && l.Tigris:
		before = endpointS3 + " is right if the app uses S3 at Tigris only; otherwise see docs/tigris.md"
		if len(l.Names) == 1 {
			return before
		}
		before, keep = before+"; for the others: ", endpointS3
	case l.Cause == doctor.CauseKeys: // the profile is judged without them
		if keep = awsProfile; l.Tigris {
			before = "first give the client for Tigris its values under other names, see docs/tigris.md; then: "
		}
	case slices.Contains(l.Names, awsProfile):
		before = awsProfile + " is right if that profile uses the role; otherwise: "
	}
	kept := func(name string) bool { return name == keep }
	l.Secrets = slices.DeleteFunc(slices.Clone(l.Secrets), kept)
	l.Variables = slices.DeleteFunc(slices.Clone(l.Variables), kept)
	switch {
	case len(l.Secrets) > 0:
		return before + r.ofApp("fly secrets unset "+text.ShellWords(l.Secrets))
	case len(l.Variables) > 0:
		return before + "remove " + strings.Join(l.Variables, " and ") + " from the [env] of " + text.Name(r.Chain.Config) + ", then: " + r.deploy()
	}
	return before + r.deploy()
}

// uncertain returns the first link without which an app that loses its keys may have no
// access; nil if all hold.
func (r ChainReport) uncertain() *doctor.Link {
	for i, l := range r.Result.Links {
		switch l.Code {
		case doctor.LinkRoleARN, doctor.LinkDeployed, doctor.LinkRole, doctor.LinkProvider, doctor.LinkTrust, doctor.LinkPermissions:
			if l.State != doctor.StateOK {
				return &r.Result.Links[i]
			}
		}
	}
	return nil
}

// regionNext sets the region; setup does so only in a fly.toml that has none.
func (r ChainReport) regionNext(l doctor.Link) string {
	want := text.Name(cmp.Or(l.Want, "NAME"))
	switch {
	case l.Cause == doctor.CauseMissing && r.Probe == nil: // the image may set it
		return r.again("--exec")
	case l.Cause == doctor.CauseMissing && r.Chain.Config != "":
		return r.setup() + " --aws-region " + want + " && " + r.deploy()
	}
	return "set " + text.Name(strings.Join(l.Names, "")) + " in the [env] of fly.toml to a region such as " + want + ", then: " + r.deploy()
}

// ofApp adds the app to a command of flyctl.
func (r ChainReport) ofApp(command string) string {
	return text.Clean(command + " --app " + text.ShellWord(r.Chain.App))
}

// configFlag names the app's fly.toml, unless a command finds it by itself.
func (r ChainReport) configFlag() string {
	if r.Chain.Config == "" || r.Chain.Config == "fly.toml" {
		return ""
	}
	return " --config " + text.ShellWord(r.Chain.Config)
}

// again is this command with another flag.
func (r ChainReport) again(flag string) string {
	command := "fly-aws doctor --app " + text.ShellWord(r.Chain.App)
	if r.Chain.Variable != setup.EnvRoleARN {
		command += " --env-name " + text.ShellWord(r.Chain.Variable)
	}
	return text.Clean(command + r.configFlag() + " " + flag)
}

// findOut is this command with what decides a link that is not seen from here.
func (r ChainReport) findOut(l doctor.Link) string {
	switch {
	case l.Code != doctor.LinkRoleARN:
		return r.again("--exec")
	case r.Chain.Variable != setup.EnvRoleARN: // a machine is asked only about that
		return r.again("--role NAME")
	}
	return r.again("--exec") + ", or --role NAME"
}

// deploy is the command that deploys the app.
func (r ChainReport) deploy() string {
	if r.Chain.Config == "" {
		return r.ofApp("fly deploy")
	}
	return text.Clean("fly deploy" + r.configFlag())
}

// setup is the command that repairs the role and the provider.
func (r ChainReport) setup() string {
	command := "fly-aws setup --app " + text.ShellWord(r.Chain.App)
	if r.Chain.Variable != setup.EnvRoleARN {
		command += " --env-name " + text.ShellWord(r.Chain.Variable)
	}
	usual := setup.Request{Org: r.Result.Org}.RoleName(setup.RoleRequest{Apps: []setup.App{{Name: r.Chain.App}}})
	if role := r.Result.Role; role != "" && role != usual {
		command += " --role " + text.ShellWord(role)
	}
	if path := r.Result.Path; path != "" && path != "/" {
		command += " --path " + text.ShellWord(path)
	}
	if r.Chain.Config == "" {
		command += " --no-patch"
	}
	return text.Clean(command + r.configFlag())
}

// setupAndDeploy is setup and, if that edits a file, the deploy that makes it take effect.
func (r ChainReport) setupAndDeploy() string {
	if r.Chain.Config == "" {
		return r.setup()
	}
	return r.setup() + " && " + r.deploy()
}

// probeWords say what the check in a machine found.
func (r ChainReport) probeWords() string {
	p := r.Probe
	in := "the machine " + text.Name(p.Machine.Name) + " of " + text.Name(r.Chain.App)
	switch {
	case p.State == doctor.StateOK:
		if p.Answer != nil {
			if doubts := doubtWords(p.Answer.Doubts()); doubts != "" {
				return "in " + in + " AWS access works" + doubts
			}
		}
		return "in " + in + " everything is right"
	case p.State == doctor.StateBroken:
		return "in " + in + " something is wrong"
	case p.Cause == doctor.CauseNoneRunning:
		return "no machine of " + text.Name(r.Chain.App) + " is running, so nothing was checked in one"
	case p.Cause == doctor.CauseNoProgram:
		return "the image of " + in + " has no fly-aws, so nothing was checked there" + processWords(p.Process)
	case p.Cause == doctor.CauseFly:
		return "nothing was checked in " + in + ": " + FlyProblem(p.Fly)
	}
	if p.Cause == doctor.CauseUndecided {
		return "in " + in + " not everything could be checked"
	}
	words := "fly-aws gave no answer in " + in + ", exit code " + strconv.Itoa(p.ExitCode)
	if p.Errors != "" {
		words += ": " + text.Line(text.Redact(p.Errors))
	}
	return words
}

// processWords say what a shell read of the app's process.
func processWords(p *doctor.Process) string {
	switch {
	case p == nil:
		return ""
	case len(p.Names) == 0:
		return "; its process has no AWS variables"
	}
	var parts []string
	for _, name := range p.Names {
		part := text.Name(name)
		if value, ok := p.Values[name]; ok {
			part += "=" + text.Name(text.Redact(value))
		}
		parts = append(parts, part)
	}
	return "; its process has " + strings.Join(parts[:min(len(parts), maxVariables)], ", ")
}

// maxVariables limits what is shown of a process.
const maxVariables = 20

// probeNext is the next step where the check in a machine decided nothing.
func (r ChainReport) probeNext() string {
	switch p := r.Probe; p.Cause {
	case doctor.CauseNoneRunning:
		start := "fly machine start"
		if machines := r.Result.Machines; len(machines) > 0 {
			start += " " + text.ShellWord(machines[0].ID)
		}
		return r.ofApp(start)
	case doctor.CauseNoProgram:
		return "COPY fly-aws /usr/local/bin/ in the Dockerfile (see README, In a machine), then: " + r.deploy()
	case doctor.CauseNoAnswer:
		if p.ExitCode == exitUsage {
			return "put this version of fly-aws into the image, then: " + r.deploy()
		}
	case doctor.CauseFly:
		return FlyNext(p.Fly)
	}
	return ""
}

// exitUsage is the exit code of a fly-aws that does not know a flag.
const exitUsage = 2
