package setup

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/preset"
	"github.com/fly-aws/fly-aws/internal/region"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// Field names a field of a Request in an InvalidError.
type Field string

// The fields that can be invalid.
const (
	FieldOrg        Field = "org"
	FieldApp        Field = "app"
	FieldMachine    Field = "machine"
	FieldAudience   Field = "audience"
	FieldConfig     Field = "config"
	FieldRegion     Field = "region"
	FieldRoleName   Field = "role"
	FieldPath       Field = "path"
	FieldMaxSession Field = "max-session-duration"
	FieldBoundary   Field = "permissions-boundary"
	FieldTag        Field = "tag"
	FieldPolicy     Field = "policy"
	FieldPreset     Field = "preset"
	FieldInline     Field = "inline-policy"
	FieldAccount    Field = "account"
	FieldFile       Field = "file"
	FieldEnv        Field = "env"
	FieldExcept     Field = "except"
	FieldCondition  Field = "conditions"
	FieldKeep       Field = "keep"
	FieldTrust      Field = "trust"
)

// An InvalidError says which field of a Request cannot be used, and why.
type InvalidError struct {
	Field Field
	// Role is the place in Request.Roles of the role that has the field, from 1; 0 for the
	// request's own fields.
	Role int
	// App is the app that has the field; empty for a role's or the request's own.
	App string
	// Value is what was given.
	Value string
	// Reason says why, as a clause.
	Reason string
	// Missing says that no value was given.
	Missing bool
	// Default says that Value is the default or comes from Fly.
	Default bool
	// SameRole says that two roles of the request have this name.
	SameRole bool
	// NoRegion says that a preset needs a region and that there is none, or not one.
	NoRegion bool
	// Err is the cause, if any: a *flyname.NameError, *region.NameError,
	// *preset.AnswerError, *trustpolicy.SyntaxError, or the *FlyProblem that kept the organization unknown.
	Err error
}

func (e *InvalidError) Error() string {
	if e.Missing {
		return fmt.Sprintf("no %s given: %s", e.Field, e.Reason)
	}
	return fmt.Sprintf("%s %s cannot be used: %s", e.Field, text.Quote(e.Value), e.Reason)
}

// Unwrap returns the cause.
func (e *InvalidError) Unwrap() error { return e.Err }

// Check reports everything in the request that cannot work in any account. The error
// joins the problems; each is an *InvalidError. An organization that Fly has yet to
// report is not a problem; what depends on it is checked as if its slug were short.
func (req Request) Check() error {
	var errs []error
	report := func(e *InvalidError) { errs = append(errs, e) }

	if !isOrgKnown(req.Org) {
		req.Org = "-"
	} else if err := flyname.CheckOrg(req.Org); err != nil {
		report(&InvalidError{Field: FieldOrg, Value: req.Org, Reason: nameReason(err), Err: err})
	}
	if err := checkAudience(req.audience()); err != nil {
		report(&InvalidError{Field: FieldAudience, Value: req.Audience, Reason: nameReason(err), Err: err})
	}
	if len(req.Roles) == 0 {
		report(&InvalidError{Field: FieldApp, Missing: true, Reason: "a trust policy names the apps that may use the role"})
	}
	if req.Account != "" && AccountProblem(req.Account) != "" {
		report(&InvalidError{Field: FieldAccount, Value: req.Account, Reason: AccountProblem(req.Account)})
	}
	if reason := fileNameProblem(req.File); req.File != "" && reason != "" {
		report(&InvalidError{Field: FieldFile, Value: req.File, Reason: reason})
	}
	if err := checkRegion(req.Region); err != nil {
		report(&InvalidError{Field: FieldRegion, Value: req.Region, Reason: regionReason(err), Err: err})
	}
	for i := range req.Roles {
		errs = append(errs, req.checkRole(i)...)
	}
	errs = append(errs, req.checkApps()...)
	errs = append(errs, req.checkNames()...)
	return errors.Join(dedupe(errs)...)
}

// fileNameProblem says why a request file cannot have this name, which becomes a tag's
// value, or "".
func fileNameProblem(name string) string {
	switch {
	case len(name) > maxRoleName:
		return fmt.Sprintf("it has %d characters; at most %d are allowed", len(name), maxRoleName)
	case strings.TrimSpace(name) != name || !tagText(name):
		return "it becomes a tag's value: letters, digits, spaces and _.:/=+-@ are allowed"
	}
	return ""
}

// checkRegion checks a region's name; "" is none.
func checkRegion(name string) error {
	if name == "" {
		return nil
	}
	_, err := region.Check(name)
	return err
}

// checkApps checks the apps of all roles together: an app keeps the ARN of one role in
// one variable, and has one config file.
func (req Request) checkApps() []error {
	var errs []error
	roleOf := map[[2]string]string{}
	configs, apps := map[string]string{}, map[string]App{}
	for i, role := range req.Roles {
		for _, app := range role.Apps {
			invalid := func(field Field, value, reason string) {
				errs = append(errs, &InvalidError{Field: field, Role: i + 1, App: app.Name, Value: value, Reason: reason})
			}
			key := [2]string{app.Name, app.Variable()}
			if other, ok := roleOf[key]; ok && !app.IsPattern() && !role.Unmanaged {
				reason := "it is named twice"
				if other != req.RoleName(role) {
					reason = fmt.Sprintf("it would have two roles in %s; give one another variable", app.Variable())
				}
				invalid(FieldApp, app.Name, reason)
			}
			if !role.Unmanaged {
				roleOf[key] = req.RoleName(role)
			}
			if other, ok := configs[app.Config]; ok && app.Config != "" && other != app.Name {
				invalid(FieldConfig, app.Config, fmt.Sprintf("it is already the file of the app %q", other))
			}
			configs[app.Config] = app.Name
			if other, ok := apps[app.Name]; ok && !app.IsPattern() {
				switch {
				case other.Config != app.Config:
					invalid(FieldConfig, app.Config, fmt.Sprintf("the app already has the file %q", other.Config))
				case other.Region != app.Region:
					invalid(FieldRegion, app.Region, fmt.Sprintf("the app already has the region %q", other.Region))
				}
			}
			apps[app.Name] = app
		}
	}
	return errs
}

// checkOrg is the rest of Check, for an organization that Fly has reported.
func (req Request) checkOrg() error {
	var errs []error
	if err := flyname.CheckOrg(req.Org); err != nil {
		errs = append(errs, &InvalidError{Field: FieldOrg, Value: req.Org, Reason: nameReason(err), Default: true, Err: err})
	}
	for i := range req.Roles {
		errs = append(errs, req.checkRoleName(i)...)
	}
	return errors.Join(append(errs, req.checkNames()...)...)
}

// missingOrg returns the error for an organization that was not given and that Fly did
// not report. cause is why not.
func missingOrg(org string, cause *FlyProblem) error {
	e := &InvalidError{Field: FieldOrg, Value: org, Missing: org == "", Reason: "the issuer's URL ends in the organization's slug"}
	var errs []error
	if err := flyname.CheckOrg(org); err != nil {
		errs = append(errs, err)
		if org != "" {
			e.Reason = nameReason(err)
		}
	}
	if cause != nil {
		errs = append(errs, cause)
	}
	e.Err = errors.Join(errs...)
	return e
}

func (req Request) checkRoleName(i int) []error {
	role := req.Roles[i]
	name := req.RoleName(role)
	if reason := NameProblem(name, maxRoleName); reason != "" {
		return []error{&InvalidError{Field: FieldRoleName, Role: i + 1, App: firstApp(role), Value: name, Reason: reason, Default: role.Name == ""}}
	}
	return nil
}

func firstApp(role RoleRequest) string {
	if len(role.Apps) == 0 {
		return ""
	}
	return role.Apps[0].Name
}

// dedupe drops errors that repeat an earlier one: a flag sets the same value for all apps.
func dedupe(errs []error) []error {
	seen := map[string]bool{}
	return slices.DeleteFunc(errs, func(err error) bool {
		said := seen[err.Error()]
		seen[err.Error()] = true
		return said
	})
}

func (req Request) checkRole(i int) []error {
	var errs []error
	r := req.Roles[i]
	invalid := func(f Field, value, reason string) {
		errs = append(errs, &InvalidError{Field: f, Role: i + 1, Value: value, Reason: reason})
	}
	patterns := false
	for _, app := range r.Apps {
		patterns = patterns || app.IsPattern()
		errs = append(errs, checkApp(i, app)...)
	}
	switch {
	case r.Unmanaged && r.Name == "":
		errs = append(errs, &InvalidError{Field: FieldRoleName, Role: i + 1, Missing: true, Reason: "an unmanaged role is known by its name"})
	case r.Unmanaged:
	case len(r.Apps) == 0:
		errs = append(errs, &InvalidError{Field: FieldApp, Role: i + 1, Missing: true, Reason: "a trust policy names the apps that may use the role"})
	case patterns && r.Name == "":
		errs = append(errs, &InvalidError{Field: FieldRoleName, Role: i + 1, Missing: true, Reason: "the role of a pattern of apps needs a name"})
	}
	if !patterns && len(r.Except) > 0 {
		invalid(FieldExcept, r.Except[0], "only a pattern of apps, such as tenant-*, can have exceptions")
	}
	for _, app := range r.Except {
		if err := flyname.CheckApp(app); err != nil {
			invalid(FieldExcept, app, nameReason(err))
		}
	}
	if r.Trust != nil && !r.Unmanaged {
		invalid(FieldTrust, "", "only an unmanaged role has one; fly-aws writes the others")
	}
	if !patterns || r.Name != "" {
		errs = append(errs, req.checkRoleName(i)...)
	}
	if reason := pathProblem(rolePath(r)); reason != "" {
		invalid(FieldPath, r.Path, reason)
	}
	if reason := sessionProblem(r.MaxSession); r.MaxSession != 0 && reason != "" {
		invalid(FieldMaxSession, seconds(r.MaxSession), reason)
	}
	errs = append(errs, checkTags(i, r)...)
	for _, c := range r.Conditions {
		if reason := conditionProblem(c); reason != "" {
			invalid(FieldCondition, conditionText(c), reason)
		}
	}
	for _, keep := range r.Keep {
		if reason := keepProblem(keep); reason != "" {
			invalid(FieldKeep, keep, reason)
		}
	}
	if err := checkRegion(r.Region); err != nil {
		invalid(FieldRegion, r.Region, regionReason(err))
	}
	policies := map[string]bool{}
	for _, ref := range r.Policies {
		if strings.TrimSpace(ref) == "" {
			invalid(FieldPolicy, ref, "a managed policy's name or ARN is needed")
		}
		policies[ref] = true
	}
	if len(policies) > maxManagedPolicies {
		invalid(FieldPolicy, slices.Sorted(maps.Keys(policies))[0],
			fmt.Sprintf("the role would have %d managed policies; IAM allows %d, even with the quota raised", len(policies), maxManagedPolicies))
	}
	errs = append(errs, req.checkPresets(i)...)
	for _, p := range r.Inline {
		if reason := NameProblem(p.Name, maxPolicyName); reason != "" {
			invalid(FieldInline, p.Source, fmt.Sprintf("it names the policy %q: %s", p.Name, reason))
		}
		if p.Document.IsZero() {
			invalid(FieldInline, p.Source, "it has no document")
		}
	}
	return append(errs, checkInline(i, r.Inline)...)
}

// checkApp checks an app of the role with the place i.
func checkApp(i int, app App) []error {
	var errs []error
	invalid := func(f Field, value, reason string, err error) {
		errs = append(errs, &InvalidError{Field: f, Role: i + 1, App: app.Name, Value: value, Reason: reason, Err: err})
	}
	if err := flyname.CheckAppPattern(app.Name); err != nil {
		invalid(FieldApp, app.Name, nameReason(err), err)
	}
	for _, m := range namedMachines(app.Machines) {
		if err := flyname.CheckMachine(m); err != nil {
			invalid(FieldMachine, m, nameReason(err), err)
		}
	}
	if err := checkRegion(app.Region); err != nil {
		invalid(FieldRegion, app.Region, regionReason(err), err)
	}
	if reason := variableProblem(app.Variable()); reason != "" {
		invalid(FieldEnv, app.Env, reason, nil)
	}
	if app.IsPattern() && (app.Config != "" || app.Env != "" || app.Region != "") {
		invalid(FieldConfig, app.Config, "a pattern of apps has no config file, variable or region of its own", nil)
	}
	return errs
}

// variableProblem says why a role's ARN cannot be kept in a variable, or "".
func variableProblem(name string) string {
	for i, r := range name {
		if !(r == '_' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || i > 0 && r >= '0' && r <= '9') {
			return fmt.Sprintf("a variable's name takes letters, digits and _, not %q", r)
		}
	}
	if name != EnvRoleARN && (slices.Contains(precedence, name) || slices.Contains([]string{EnvRegion, envTokenFile, envSessionName}, name) || strings.HasPrefix(name, endpoints)) {
		return "the AWS SDKs use it for something else"
	}
	return ""
}

// conditionProblem says why our statement cannot have the condition, or "".
func conditionProblem(c trustpolicy.Condition) string {
	switch {
	case c.Operator == "" || c.Key == "" || len(c.Values) == 0:
		return "it needs an operator, a key and values"
	case strings.HasPrefix(strings.ToLower(c.Key), flyname.IssuerHost+"/"):
		return "fly-aws writes the conditions on the token's claims; use apps, except, machines and audience"
	}
	statement := trustpolicy.Statement{
		Effect: trustpolicy.Allow, Principal: &trustpolicy.Principal{Any: true},
		Action: []string{trustpolicy.AssumeAction}, Conditions: []trustpolicy.Condition{c},
	}
	var syntax *trustpolicy.SyntaxError
	switch _, err := trustpolicy.New(statement).MarshalJSON(); {
	case errors.As(err, &syntax):
		return syntax.Reason // its position is in a document that nobody wrote
	case err != nil:
		return err.Error()
	}
	return ""
}

// keepProblem says why an entry of RoleRequest.Keep silences no extra, or "".
func keepProblem(keep string) string {
	kind, name, ok := strings.Cut(keep, ":")
	kinds := []ExtraKind{ExtraPolicy, ExtraStatement, ExtraSubject, ExtraAction, ExtraAudience, ExtraPrincipal}
	if !ok || name == "" || !slices.Contains(kinds, ExtraKind(kind)) {
		return "write it as policy:Name, or with statement, subject, action, audience or principal instead of policy"
	}
	return ""
}

// checkPresets checks the presets of a role and their answers.
func (req Request) checkPresets(i int) []error {
	role := req.Roles[i]
	// A config file may have the region.
	hasRegion := role.Region != "" || req.Region != "" || slices.ContainsFunc(role.Apps, func(app App) bool { return app.Region != "" || app.Config != "" })
	var errs []error
	seen := map[Preset]bool{}
	for _, p := range role.Presets {
		e := &InvalidError{Field: FieldPreset, Role: i + 1, Value: p.String()}
		found, err := preset.Named(p.Name)
		if err == nil {
			err = found.Check(p.Answer)
		}
		switch {
		case err != nil:
			e.Err, e.Reason = err, presetReason(err)
		case found.NeedsRegion(p.Answer) && !hasRegion:
			e.NoRegion, e.Reason = true, "it needs a region"
		case seen[p]:
			e.Reason = "it is given twice"
		default:
			seen[p] = true
			continue
		}
		errs = append(errs, e)
	}
	return errs
}

// checkNames reports roles with the same name, which IAM compares without case.
func (req Request) checkNames() []error {
	var errs []error
	first := map[string]int{}
	for i, role := range req.Roles {
		name := req.RoleName(role)
		key := strings.ToLower(name)
		if j, ok := first[key]; ok {
			errs = append(errs, &InvalidError{
				Field: FieldRoleName, Role: i + 1, App: firstApp(role), Value: name, SameRole: true,
				Reason: fmt.Sprintf("the role of %s already has this name", firstApp(req.Roles[j])),
			})
		} else {
			first[key] = i
		}
	}
	return errs
}

// checkInline checks the inline policies of the role with the place i.
func checkInline(i int, inline []InlinePolicy) []error {
	var errs []error
	invalid := func(value, reason string) {
		errs = append(errs, &InvalidError{Field: FieldInline, Role: i + 1, Value: value, Reason: reason})
	}
	docs, size := map[string]InlinePolicy{}, 0
	for _, p := range inline {
		other, ok := docs[p.Name]
		switch {
		case ok && !other.Document.Equal(p.Document):
			invalid(p.Source, fmt.Sprintf("%s already gives an inline policy named %q", other.Source, p.Name))
		case !ok:
			size += len(p.Document.String())
		}
		docs[p.Name] = p
	}
	if size > maxInlineSize {
		invalid(inline[len(inline)-1].Source, fmt.Sprintf("the role's inline policies have %d characters in total; IAM allows %d", size, maxInlineSize))
	}
	return errs
}

// Limits of IAM (IAM user guide, "IAM and AWS STS quotas").
const (
	maxRoleName        = 64
	maxPolicyName      = 128
	maxPath            = 512
	maxTags            = 50
	maxTagKey          = 128
	maxTagValue        = 256
	maxManagedPolicies = 25 // the highest the quota can be raised; IAM enforces the account's own
	maxInlineSize      = 10240
)

// NameProblem says why name cannot be the name of an IAM role or policy of at most
// limit characters, or "".
func NameProblem(name string, limit int) string {
	if name == "" {
		return "it is empty"
	}
	if n := len(name); n > limit {
		return fmt.Sprintf("it has %d characters; IAM allows %d, and names are not shortened", n, limit)
	}
	for _, r := range name {
		if !letterOrDigit(r) && !strings.ContainsRune("_+=,.@-", r) {
			return fmt.Sprintf("IAM allows letters, digits and _+=,.@- in a name, not %q", r)
		}
	}
	return ""
}

// namedMachines returns the named machines; none for all.
func namedMachines(machines []string) []string {
	if slices.Contains(machines, AllMachines) {
		return nil
	}
	return sorted(machines)
}

func letterOrDigit(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

func rolePath(r RoleRequest) string {
	if r.Path == "" {
		return "/"
	}
	return r.Path
}

func pathProblem(path string) string {
	if len(path) > maxPath {
		return fmt.Sprintf("it has %d characters; IAM allows %d", len(path), maxPath)
	}
	if !strings.HasPrefix(path, "/") || !strings.HasSuffix(path, "/") {
		return "a path begins and ends with a slash: /fly/"
	}
	if strings.Contains(path, "//") {
		return "a path cannot contain //"
	}
	for _, r := range path {
		if r < '!' || r > '~' || r == '*' || r == '?' {
			return fmt.Sprintf("a path takes printable ASCII without wildcards, not %q", r)
		}
	}
	return ""
}

// defaultSession is IAM's default of a role's maximum session duration, in seconds, and the
// shortest (IAM API reference, CreateRole).
const defaultSession = 3600

// sessionProblem says why IAM does not accept the maximum session duration, or "".
func sessionProblem(seconds int32) string {
	if seconds < defaultSession || seconds > 43200 {
		return "IAM allows one hour (3600 s) to twelve (43200 s)"
	}
	return ""
}

func checkTags(i int, role RoleRequest) []error {
	var errs []error
	invalid := func(key, reason string) {
		errs = append(errs, &InvalidError{Field: FieldTag, Role: i + 1, Value: key, Reason: reason})
	}
	const own = 4 // TagOrg, TagApp, TagFile and TagAdopted
	if len(role.Tags)+own > maxTags {
		invalid("", fmt.Sprintf("IAM allows a role %d tags, of which fly-aws needs %d", maxTags, own))
	}
	folded := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(role.Tags)) {
		value, lower := role.Tags[key], strings.ToLower(key)
		if reason := tagProblem(key, value); reason != "" {
			invalid(key, reason)
		} else if folded[lower] != "" {
			invalid(key, fmt.Sprintf("IAM ignores case in tag keys, so it is the same as %q", folded[lower]))
		}
		folded[lower] = key
	}
	return errs
}

// tagProblem says why the tag cannot be put on a role of ours, or "".
func tagProblem(key, value string) string {
	switch {
	case key == "":
		return "a tag needs a key"
	case strings.HasPrefix(strings.ToLower(key), "aws:"):
		return "AWS keeps the prefix aws: for itself"
	case isOurTag(key):
		return "tags of that prefix mark what fly-aws owns"
	case len([]rune(key)) > maxTagKey:
		return fmt.Sprintf("a key has at most %d characters", maxTagKey)
	case len([]rune(value)) > maxTagValue:
		return fmt.Sprintf("a value has at most %d characters", maxTagValue)
	case !tagText(key) || !tagText(value):
		return "IAM allows letters, digits, spaces and _.:/=+-@ in a tag"
	}
	return ""
}

// tagText says whether IAM allows s in a tag: [\p{L}\p{Z}\p{N}_.:/=+\-@]*
// (IAM API reference, Tag).
func tagText(s string) bool {
	for _, r := range s {
		if !unicode.In(r, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", r) {
			return false
		}
	}
	return true
}

// checkAudience also refuses Fly's default audience, which AWS tokens do not have.
func checkAudience(audience string) error {
	if strings.HasPrefix(audience, "https://fly.io/") {
		return &flyname.NameError{Kind: "audience", Name: audience, Reason: "is the audience of tokens that were not made for AWS"}
	}
	return flyname.CheckAudience(audience)
}

func regionReason(err error) string {
	var name *region.NameError
	if errors.As(err, &name) {
		return name.Reason
	}
	return err.Error()
}

func nameReason(err error) string {
	var name *flyname.NameError
	if errors.As(err, &name) {
		return "it " + name.Reason
	}
	return err.Error()
}

// sorted returns the values sorted, without duplicates.
func sorted(values []string) []string {
	out := slices.Clone(values)
	slices.Sort(out)
	return slices.Compact(out)
}

// checkAccount refuses another account than the wanted one; "" is any.
func (f Facts) checkAccount(want string) error {
	if want == "" || want == f.Account {
		return nil
	}
	return &InvalidError{Field: FieldAccount, Value: want, Reason: "the credentials are for the account " + f.Account}
}

// AccountProblem says why id is not an AWS account ID, or "".
func AccountProblem(id string) string {
	if len(id) != 12 || strings.Trim(id, "0123456789") != "" {
		return "an account ID has 12 digits"
	}
	return ""
}

// AccountOf returns the account in an ARN; "" without one.
func AccountOf(arn string) string {
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 {
		return parts[4]
	}
	return ""
}

// RoleARNProblem says why arn is not the ARN of an IAM role, or "".
func RoleARNProblem(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" {
		return "not an ARN"
	}
	resource, isRole := strings.CutPrefix(parts[5], "role/")
	i := strings.LastIndexByte(resource, '/') + 1
	switch {
	case !trustpolicy.IsPartition(parts[1]):
		return fmt.Sprintf("unknown partition %q", parts[1])
	case parts[2] != "iam" || parts[3] != "" || !isRole:
		return "it is not the ARN of an IAM role"
	case AccountProblem(parts[4]) != "":
		return AccountProblem(parts[4])
	case pathProblem("/"+resource[:i]) != "":
		return pathProblem("/" + resource[:i])
	}
	return NameProblem(resource[i:], maxRoleName)
}
