package doctor

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/explain"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/lint"
	"github.com/fly-aws/fly-aws/internal/region"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A State is what is known about a link, a chain or a machine.
type State string

// The states. A warning is about something that may be intended; an unknown link could not
// be found out.
const (
	StateOK      State = "ok"
	StateBroken  State = "broken"
	StateWarning State = "warning"
	StateUnknown State = "unknown"
)

// A LinkCode names a link of the chain.
type LinkCode string

// The links, in the order in which they are walked.
const (
	LinkFly          LinkCode = "fly-sign-in"
	LinkOrganization LinkCode = "organization"
	LinkApp          LinkCode = "app"
	LinkRoleARN      LinkCode = "role-arn"
	LinkDeployed     LinkCode = "deployed"
	LinkAWS          LinkCode = "aws-sign-in"
	LinkRole         LinkCode = "role"
	LinkProvider     LinkCode = "provider"
	LinkTrust        LinkCode = "trust"
	LinkOthers       LinkCode = "others"
	LinkLint         LinkCode = "lint"
	LinkPermissions  LinkCode = "permissions"
	LinkRegion       LinkCode = "region"
	// LinkPrecedence is the last: keys are advised away only where the role can replace them.
	LinkPrecedence LinkCode = "precedence"
)

// A Cause says why a link is not OK. Fields named in the comments are set.
type Cause string

// The causes.
const (
	CauseNone Cause = ""
	// CauseFly: Fly's answer is in Fly.
	CauseFly Cause = "fly"
	// CauseFailed: Err says what failed. CauseSignIn: there is no sign-in to AWS, as Err says.
	CauseFailed Cause = "failed"
	CauseSignIn Cause = "sign-in"
	// CauseNoMachines: the app has no machines. CauseNoneRunning: none of Machines runs,
	// of which Machine is one's ID.
	CauseNoMachines  Cause = "no-machines"
	CauseNoneRunning Cause = "none-running"
	// CauseKeys: Secrets, Variables and Deployed hold whole static keys, which come before
	// the role. CausePartial: what they hold comes before it in some SDKs.
	// CauseEndpoint: they send calls elsewhere. CauseHidden: the secrets, or the variables of
	// Machines, are not known.
	CauseKeys     Cause = "keys"
	CausePartial  Cause = "partial"
	CauseEndpoint Cause = "endpoint"
	CauseHidden   Cause = "hidden"
	// CauseMissing: nothing sets the variable, or nothing is there. CauseMalformed: Value
	// is not what it should be; Reason says why, as a clause.
	CauseMissing   Cause = "missing"
	CauseMalformed Cause = "malformed"
	// CauseSecret: the variable is a secret, whose value Fly does not show.
	CauseSecret Cause = "secret"
	// CauseOtherRole: the variable names the role Have, not Want.
	CauseOtherRole Cause = "other-role"
	// CauseDiffers: Names are not in Machines as in fly.toml.
	CauseDiffers Cause = "differs"
	// CauseAccount: the role is in the account Want, the sign-in in Have.
	CauseAccount Cause = "account"
	// CauseOtherARN: the ARN of the role is Want, not Have.
	CauseOtherARN Cause = "other-arn"
	// CauseAudience: the provider lacks the audience Want.
	CauseAudience Cause = "audience"
	// CauseRefused, CauseUndecided: so the trust policy answers Machines. The first of
	// their subjects is Subject, and Explanation is about it.
	CauseRefused   Cause = "refused"
	CauseUndecided Cause = "undecided"
	// CauseOthers: besides the app, of which Subject is one machine's, the trust policy lets
	// in Beyond.
	CauseOthers Cause = "others"
	// CauseFindings: the trust policy has Findings.
	CauseFindings Cause = "findings"
	// CauseUnlisted: Value has the form of a region and is not a known one.
	CauseUnlisted Cause = "unlisted"
)

// A Link is one link of the chain. Text in it is raw.
type Link struct {
	Code  LinkCode
	State State
	Cause Cause

	// Value is what the link is about: an organization's raw slug, an ARN, a region.
	// Where says where a variable was found.
	Value  string
	Where  Where
	Reason string
	// Names are variables; Secrets, Variables and Deployed say where they are: secrets of
	// the app, in fly.toml, or only in machines. None has a value.
	Names, Secrets, Variables, Deployed []string
	// Overruled says that the link is a warning because a machine works in spite of it.
	Overruled bool
	// Tigris says that the keys or the endpoint may be those of fly storage.
	Tigris bool
	// Machines are the names of machines, Machine is an ID.
	Machines []string
	Machine  string
	// Policies is how many permissions policies the role has.
	Policies    int
	Have, Want  string
	Subject     string
	Explanation *explain.Explanation
	Beyond      []trustpolicy.Admission
	Findings    []lint.Finding
	Fly         *setup.FlyProblem
	Err         error
}

// Where says where the value of a variable was found.
type Where string

// The places.
const (
	InFlag     Where = "flag"
	InConfig   Where = "fly.toml"
	InMachines Where = "machines"
	InSecret   Where = "secret"
)

// An AppMachine is a machine of the app.
type AppMachine struct {
	ID, Name, Region string
	Running          bool
	// Env are the variables of its configuration, without secrets; nil if unknown. Only
	// values of variables with the role's ARN or a region leave this package.
	Env map[string]string
}

// Fly is what a walk asks Fly. The errors are *setup.FlyProblem.
type Fly interface {
	Apps(ctx context.Context, names []string) (map[string]setup.FlyApp, error)
	Machines(ctx context.Context, app string) ([]AppMachine, error)
}

// Account is what a walk asks AWS. Role returns nil for a role that does not exist. An error of
// Facts is a *SignInError if there are no credentials.
type Account interface {
	Facts(context.Context, setup.Request) (setup.Facts, error)
	Role(ctx context.Context, name string) (*setup.Role, error)
	Read(context.Context, []setup.Resource) ([]setup.Resource, error)
}

// A SignInError says that there is no sign-in to AWS.
type SignInError struct{ Err error }

func (e *SignInError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *SignInError) Unwrap() error { return e.Err }

// Folder is what a walk asks the folder.
type Folder interface {
	Read(context.Context, []setup.Resource) ([]setup.Resource, error)
}

// A Chain is what to walk.
type Chain struct {
	App string
	// Config is the app's fly.toml, "" if there is none.
	Config string
	// Variable holds the role's ARN, setup.EnvRoleARN for most apps.
	Variable string
	// Role is the name or ARN of the role, for an app that keeps Variable as a secret.
	Role string
	// Fly is nil if nobody is signed in, because of FlyProblem.
	Fly        Fly
	FlyProblem *setup.FlyProblem
	// AWS opens the account.
	AWS   func(context.Context) (Account, error)
	Files Folder
}

// A Result is what a walk found.
type Result struct {
	// State is StateUnknown if a link is, StateOK with warnings.
	State State
	// Links are those walked, in order. None comes after a broken one.
	Links []Link
	// Org is the raw slug of the app's organization, Role the role's name and Path its path;
	// empty while unknown.
	Org, Role, Path string
	Machines        []AppMachine
}

// Find returns the first link with the state; nil if there is none.
func (r Result) Find(state State) *Link {
	if i := slices.IndexFunc(r.Links, func(l Link) bool { return l.State == state }); i >= 0 {
		return &r.Links[i]
	}
	return nil
}

// Walk walks the chain to its end, to the first broken link, or to an unknown one that the
// next ones depend on.
func Walk(ctx context.Context, c Chain) Result {
	w := &walk{Chain: c}
	for _, step := range []func(context.Context) bool{
		w.fly, w.machines, w.config, w.roleARN, w.deployed, w.aws, w.role, w.provider, w.trust, w.others, w.lint, w.permissions, w.region, w.precedence,
	} {
		if ctx.Err() != nil || !step(ctx) || w.out.Find(StateBroken) != nil {
			break
		}
	}
	switch {
	case w.out.Find(StateBroken) != nil:
		w.out.State = StateBroken
	case w.out.Find(StateUnknown) != nil || ctx.Err() != nil:
		w.out.State = StateUnknown
	default:
		w.out.State = StateOK
	}
	return w.out
}

// A walk is a chain with what is known about it so far. Its steps return false if later
// ones cannot be walked.
type walk struct {
	Chain
	out     Result
	secrets []string
	hidden  *setup.FlyProblem // why the secrets are not known
	file    map[string]string // what fly.toml sets, of what the walk is about
	arn     string            // "" if only the role's name is known
	where   Where             // of arn
	account Account
	facts   setup.Facts
	found   *setup.Role
	oidc    *setup.Provider // nil if it could not be read
}

func (w *walk) add(l Link) bool {
	w.out.Links = append(w.out.Links, l)
	return l.State != StateBroken
}

// flyState says what a problem with Fly means for a link.
func flyState(p *setup.FlyProblem) State {
	switch p.Kind {
	case setup.FlyNotSignedIn, setup.FlySignIn, setup.FlyToken, setup.FlyEndpoint, setup.FlyNotFound, setup.FlyElsewhere, setup.FlyNotAllowed:
		return StateBroken
	}
	return StateUnknown
}

// flyLink is the link that a problem with Fly is about.
func flyLink(p *setup.FlyProblem) Link {
	l := Link{Code: LinkFly, State: flyState(p), Cause: CauseFly, Fly: p}
	switch p.Kind {
	case setup.FlyNotFound, setup.FlyElsewhere:
		l.Code = LinkApp
	}
	return l
}

func asFlyProblem(err error) *setup.FlyProblem {
	var p *setup.FlyProblem
	if !errors.As(err, &p) {
		p = &setup.FlyProblem{Kind: setup.FlyUnexpected, Detail: err.Error()}
	}
	return p
}

// fly asks about the app, which tells the sign-in, the organization and the app apart.
func (w *walk) fly(ctx context.Context) bool {
	if w.Fly == nil {
		w.add(flyLink(w.FlyProblem))
		return false
	}
	apps, err := w.Fly.Apps(ctx, []string{w.App})
	app := apps[w.App]
	if err != nil {
		app.Problem = asFlyProblem(err)
	}
	if p := app.Problem; p != nil {
		if l := flyLink(p); l.Code != LinkFly {
			w.add(Link{Code: LinkFly, State: StateOK})
			w.add(l)
		} else {
			w.add(l)
		}
		return false
	}
	w.add(Link{Code: LinkFly, State: StateOK})
	w.out.Org, w.secrets, w.hidden = app.RawSlug, app.Secrets, app.SecretsProblem
	return w.add(Link{Code: LinkOrganization, State: StateOK, Value: app.RawSlug, Have: app.Slug})
}

func (w *walk) machines(ctx context.Context) bool {
	l := Link{Code: LinkApp, State: StateOK, Value: w.App}
	machines, err := w.Fly.Machines(ctx, w.App)
	if err != nil {
		l.Fly = asFlyProblem(err)
		l.State, l.Cause = flyState(l.Fly), CauseFly
		w.add(l)
		return false
	}
	w.out.Machines, l.Machines = machines, machineNames(machines)
	switch {
	case len(machines) == 0:
		l.State, l.Cause = StateBroken, CauseNoMachines
	case !slices.ContainsFunc(machines, func(m AppMachine) bool { return m.Running }):
		l.State, l.Cause, l.Machine = StateWarning, CauseNoneRunning, machines[0].ID
	}
	return w.add(l)
}

func machineNames(machines []AppMachine) []string {
	out := make([]string, len(machines))
	for i, m := range machines {
		out[i] = m.Name
	}
	return out
}

// deployedMachines are the running machines; all if none runs.
func (w *walk) deployedMachines() []AppMachine {
	running := slices.DeleteFunc(slices.Clone(w.out.Machines), func(m AppMachine) bool { return !m.Running })
	if len(running) == 0 {
		return w.out.Machines
	}
	return running
}

// unseen are those of the deployed machines whose variables are not known.
func (w *walk) unseen() []AppMachine {
	return slices.DeleteFunc(slices.Clone(w.deployedMachines()), func(m AppMachine) bool { return m.Env != nil })
}

// hide makes a link about a variable that was not found unknown if it may be where the walk
// cannot look.
func (w *walk) hide(l *Link) {
	if unseen := w.unseen(); w.hidden != nil || len(unseen) > 0 {
		l.State, l.Cause, l.Fly, l.Machines = StateUnknown, CauseHidden, w.hidden, machineNames(unseen)
	}
}

// Variables of the AWS SDKs.
const (
	keyID         = "AWS_ACCESS_KEY_ID"
	secretKey     = "AWS_SECRET_ACCESS_KEY" //nolint:gosec // a variable's name
	defaultRegion = "AWS_DEFAULT_REGION"
)

// config reads what fly.toml sets.
func (w *walk) config(ctx context.Context) bool {
	w.file = map[string]string{}
	if w.Config == "" {
		return true
	}
	var want []setup.Resource
	for _, key := range []string{
		w.Variable, setup.EnvRegion, defaultRegion, keyID, secretKey, "AWS_SESSION_TOKEN", "AWS_PROFILE",
		"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_STS",
	} {
		want = append(want, setup.Resource{Env: &setup.Env{Config: w.Config, App: w.App, Key: key}})
	}
	found, err := w.Files.Read(ctx, want)
	if err != nil {
		w.add(Link{Code: LinkRoleARN, State: StateUnknown, Cause: CauseFailed, Where: InConfig, Err: err})
		return false
	}
	for _, r := range found {
		w.file[r.Env.Key] = r.Env.Value
	}
	return true
}

func (w *walk) precedence(context.Context) bool {
	names := map[setup.SecretEffect]map[string]bool{setup.SecretPrecedence: {}, setup.SecretEndpoint: {}}
	deployed := map[string]bool{}
	note := func(name string) {
		if set := names[setup.EffectOfSecret(name)]; set != nil {
			set[name] = true
		}
	}
	for _, name := range w.secrets {
		note(name)
	}
	for name, value := range w.file {
		if value != "" {
			note(name)
		}
	}
	for _, m := range w.deployedMachines() {
		for name, value := range m.Env {
			if value != "" {
				note(name)
				deployed[name] = true
			}
		}
	}
	l := Link{Code: LinkPrecedence, State: StateOK}
	about := names[setup.SecretPrecedence]
	switch {
	case about[keyID] && about[secretKey]:
		l.State, l.Cause = StateBroken, CauseKeys
	case len(about) > 0:
		l.State, l.Cause = StateWarning, CausePartial
	case w.hidden != nil:
		l.State, l.Cause, l.Fly = StateUnknown, CauseHidden, w.hidden
	case len(names[setup.SecretEndpoint]) > 0:
		about = names[setup.SecretEndpoint]
		l.State, l.Cause = StateWarning, CauseEndpoint
	}
	l.Tigris = (l.Cause == CauseKeys || about["AWS_ENDPOINT_URL_S3"]) && slices.Contains(w.secrets, "BUCKET_NAME") // set by fly storage create
	for _, name := range slices.Sorted(maps.Keys(about)) {
		inFile := w.file[name] != ""
		isSecret := slices.Contains(w.secrets, name)
		l.Names = append(l.Names, name)
		if isSecret {
			l.Secrets = append(l.Secrets, name)
		}
		if inFile {
			l.Variables = append(l.Variables, name)
		}
		if deployed[name] && !isSecret && !inFile {
			l.Deployed = append(l.Deployed, name)
		}
	}
	return w.add(l)
}

// lookUp finds the value of a variable: in fly.toml, or else in the machines.
func (w *walk) lookUp(name string) (string, Where) {
	if value, ok := w.file[name]; ok {
		return value, InConfig
	}
	for _, m := range w.deployedMachines() {
		if value, ok := m.Env[name]; ok {
			return value, InMachines
		}
	}
	return "", ""
}

func (w *walk) roleARN(context.Context) bool {
	l := Link{Code: LinkRoleARN, State: StateOK, Names: []string{w.Variable}}
	value, where := w.lookUp(w.Variable)
	secret := slices.Contains(w.secrets, w.Variable) // it overrides fly.toml
	switch {
	case w.Role != "" && (secret || w.hidden != nil || value == "" && len(w.unseen()) > 0):
		value, where = w.Role, InFlag
	case w.Role != "" && value != "" && !sameRole(value, w.Role):
		l.State, l.Cause, l.Have, l.Want, l.Where = StateBroken, CauseOtherRole, value, w.Role, where
		return w.add(l)
	case secret:
		l.State, l.Cause, l.Where = StateUnknown, CauseSecret, InSecret
		if value != "" {
			l.Variables = l.Names
		}
		w.add(l)
		return false
	}
	l.Value, l.Where = value, where
	w.where = where
	isName := where == InFlag && !strings.HasPrefix(value, "arn:")
	if !isName {
		w.arn = value
	}
	switch reason := setup.RoleARNProblem(value); {
	case value == "":
		l.State, l.Cause = StateBroken, CauseMissing
		w.hide(&l)
		w.add(l)
		return false
	case reason != "" && !isName:
		l.State, l.Cause, l.Reason = StateBroken, CauseMalformed, reason
		return w.add(l)
	}
	w.out.Role = nameIn(value)
	_, w.out.Path, _ = strings.Cut(strings.TrimSuffix(value, w.out.Role), ":role")
	return w.add(l)
}

// sameRole says whether two ARNs or names may be one role's.
func sameRole(a, b string) bool {
	if strings.HasPrefix(a, "arn:") && strings.HasPrefix(b, "arn:") {
		return a == b
	}
	return nameIn(a) == nameIn(b)
}

// nameIn returns the name in the ARN of a role, or the name itself.
func nameIn(role string) string { return role[strings.LastIndexByte(role, '/')+1:] }

// deployed compares fly.toml with what the machines have: a change takes effect with the
// next deploy.
func (w *walk) deployed(context.Context) bool {
	l := Link{Code: LinkDeployed, State: StateOK}
	machines := w.deployedMachines()
	unknown := w.unseen()
	for _, name := range []string{w.Variable, setup.EnvRegion} {
		want, where := w.lookUp(name)
		if where == "" || slices.Contains(w.secrets, name) {
			continue
		}
		for _, m := range machines {
			if m.Env == nil || m.Env[name] == want {
				continue
			}
			if !slices.Contains(l.Names, name) {
				l.Names = append(l.Names, name)
			}
			if !slices.Contains(l.Machines, m.Name) {
				l.Machines = append(l.Machines, m.Name)
			}
		}
	}
	switch {
	case len(l.Names) > 0:
		l.State, l.Cause = StateBroken, CauseDiffers
	case len(unknown) > 0:
		l.State, l.Cause, l.Machines = StateUnknown, CauseHidden, machineNames(unknown)
	default:
		l.Machines = machineNames(machines)
	}
	return w.add(l)
}

func (w *walk) aws(ctx context.Context) bool {
	l := Link{Code: LinkAWS, State: StateOK}
	account, err := w.AWS(ctx)
	if err == nil {
		w.account = account
		w.facts, err = account.Facts(ctx, setup.Request{})
	}
	l.Value = w.facts.Caller
	switch account := setup.AccountOf(w.arn); {
	case errors.As(err, new(*SignInError)):
		l.State, l.Cause, l.Err = StateBroken, CauseSignIn, err
		return w.add(l)
	case err != nil:
		l.State, l.Cause, l.Err = StateUnknown, CauseFailed, err
		w.add(l)
		return false
	case account != "" && account != w.facts.Account:
		l.State, l.Cause, l.Have, l.Want = StateBroken, CauseAccount, w.facts.Account, account
	}
	return w.add(l)
}

func (w *walk) role(ctx context.Context) bool {
	l := Link{Code: LinkRole, State: StateOK}
	role, err := w.account.Role(ctx, w.out.Role)
	switch {
	case err != nil:
		l.State, l.Cause, l.Err = StateUnknown, CauseFailed, err
		w.add(l)
		return false
	case role == nil:
		l.State, l.Cause, l.Value = StateBroken, CauseMissing, cmp.Or(w.arn, w.out.Role)
		return w.add(l)
	}
	l.Value, w.found, w.out.Path = role.ARN, role, role.Path
	if w.arn != "" && w.arn != role.ARN {
		l.State, l.Cause, l.Have, l.Want, l.Where = StateBroken, CauseOtherARN, w.arn, role.ARN, w.where
	}
	return w.add(l)
}

func (w *walk) provider(ctx context.Context) bool {
	l := Link{Code: LinkProvider, State: StateOK, Value: w.providerARN()}
	found, err := w.account.Read(ctx, []setup.Resource{{Provider: &setup.Provider{ARN: l.Value}}})
	switch {
	case err != nil: // the trust policy can be judged without it
		l.State, l.Cause, l.Err = StateUnknown, CauseFailed, err
		return w.add(l)
	case len(found) == 0:
		l.State, l.Cause = StateBroken, CauseMissing
		return w.add(l)
	}
	w.oidc = found[0].Provider
	if !slices.Contains(w.oidc.Audiences, flyname.AudienceAWS) {
		l.State, l.Cause, l.Want = StateBroken, CauseAudience, flyname.AudienceAWS
	}
	return w.add(l)
}

func (w *walk) providerARN() string {
	return trustpolicy.ProviderARN(w.facts.Partition, w.facts.Account, w.out.Org)
}

// trust evaluates the trust policy for the token of every machine.
func (w *walk) trust(context.Context) bool {
	l := Link{Code: LinkTrust, State: StateOK, Machines: machineNames(w.out.Machines)}
	var refused, undecided []string
	for _, m := range w.out.Machines {
		subject := flyname.Subject{Org: w.out.Org, App: w.App, Machine: m.Name}
		answer := w.found.Trust.Evaluate(trustpolicy.AssumeRequest{
			Action: trustpolicy.AssumeAction, Federated: w.providerARN(),
			Context: trustpolicy.WebIdentityContext(flyname.IssuerPath(w.out.Org), flyname.AudienceAWS, subject.String()),
		}).Decision
		switch {
		case answer.Denied():
			refused = append(refused, m.Name)
		case answer == trustpolicy.Undecided:
			undecided = append(undecided, m.Name)
		}
	}
	switch {
	case len(refused) > 0:
		l.State, l.Cause, l.Machines = StateBroken, CauseRefused, refused
	case len(undecided) > 0:
		l.State, l.Cause, l.Machines = StateUnknown, CauseUndecided, undecided
	default:
		return w.add(l)
	}
	subject := flyname.Subject{Org: w.out.Org, App: w.App, Machine: l.Machines[0]}
	explanation := explain.Explain(w.explainCase(subject))
	l.Subject, l.Explanation = subject.String(), &explanation
	return w.add(l)
}

// explainCase is the request of a machine for the role.
func (w *walk) explainCase(subject flyname.Subject) explain.Case {
	c := explain.Case{
		Policy: w.found.Trust, Role: w.found.Name, RoleARN: w.found.ARN, WantedRole: w.arn,
		Partition: w.facts.Partition, Account: w.facts.Account,
		Claims: flyname.MachineClaims(subject, flyname.AudienceAWS),
	}
	if org, ok := w.found.Tags[setup.TagOrg]; ok {
		c.Managed = &explain.Managed{Org: org, App: w.found.Tags[setup.TagApp]}
	}
	if w.oidc != nil {
		c.Provider = explain.Provider{Presence: explain.Present, ARN: w.oidc.ARN, Audiences: w.oidc.Audiences}
	}
	return c
}

// others finds whom the trust policy lets in besides the app.
func (w *walk) others(context.Context) bool {
	l := Link{Code: LinkOthers, State: StateOK}
	app := flyname.Subject{Org: w.out.Org, App: w.App, Machine: flyname.AnyMachine}
	l.Beyond = w.found.Trust.Admissions(map[string][]string{flyname.IssuerPath(w.out.Org): {app.String()}})
	if len(l.Beyond) > 0 {
		app.Machine = w.out.Machines[0].Name
		l.State, l.Cause, l.Subject = StateWarning, CauseOthers, app.String()
	}
	return w.add(l)
}

// lint finds errors in the trust policy. The machines are let in nevertheless.
func (w *walk) lint(context.Context) bool {
	l := Link{Code: LinkLint, State: StateOK}
	expected := trustpolicy.Expected{AppAccess: trustpolicy.AppAccess{
		Partition: w.facts.Partition, Account: w.facts.Account, Org: w.out.Org, Apps: []string{w.App},
	}}
	if w.oidc != nil {
		expected.Registered = w.oidc.Audiences
	}
	judged := lint.Live(w.found.Name, w.found.Trust, expected)
	for _, f := range judged.Findings {
		if f.Severity == trustpolicy.SeverityError {
			l.Findings = append(l.Findings, f)
		}
	}
	switch {
	case judged.Undecided != "":
		l.State, l.Reason = StateUnknown, judged.Undecided
	case len(l.Findings) > 0:
		l.State, l.Cause = StateWarning, CauseFindings
	}
	return w.add(l)
}

func (w *walk) permissions(ctx context.Context) bool {
	l := Link{Code: LinkPermissions, State: StateOK}
	found, err := w.account.Read(ctx, []setup.Resource{{Role: &setup.Role{Name: w.found.Name}}})
	for _, r := range found {
		if r.Policy != nil {
			l.Policies++
		}
	}
	switch {
	case err != nil:
		l.State, l.Cause, l.Err = StateUnknown, CauseFailed, err
	case l.Policies == 0:
		l.State, l.Cause = StateWarning, CauseMissing
	}
	return w.add(l)
}

func (w *walk) region(context.Context) bool {
	l := Link{Code: LinkRegion, State: StateOK, Names: []string{setup.EnvRegion}}
	for _, name := range []string{setup.EnvRegion, defaultRegion} {
		value, where := w.lookUp(name)
		if slices.Contains(w.secrets, name) { // it overrides fly.toml
			value, where = "", InSecret
		}
		if value != "" || where == InSecret {
			l.Names, l.Value, l.Where = []string{name}, value, where
			break
		}
	}
	known, err := region.Check(l.Value)
	switch {
	case l.Where == InSecret:
		l.State, l.Cause = StateUnknown, CauseSecret
	case l.Value == "": // the image may set it
		l.State, l.Cause = StateUnknown, CauseMissing
		w.hide(&l)
	case err != nil:
		l.State, l.Cause = StateBroken, CauseMalformed
	case !known:
		l.State, l.Cause = StateWarning, CauseUnlisted
	}
	if l.State != StateOK && l.Where != InSecret {
		for _, m := range w.out.Machines {
			l.Want = cmp.Or(l.Want, region.NearestTo(m.Region))
		}
		if similar := region.Similar(l.Value); l.Value != "" && len(similar) > 0 {
			l.Want = similar[0]
		}
	}
	return w.add(l)
}
