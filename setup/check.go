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
	FieldRoleName   Field = "role-name"
	FieldPath       Field = "path"
	FieldMaxSession Field = "max-session-duration"
	FieldBoundary   Field = "permissions-boundary"
	FieldTag        Field = "tag"
	FieldPolicy     Field = "policy"
	FieldPreset     Field = "preset"
	FieldInline     Field = "inline-policy"
)

// An InvalidError says which field of a Request cannot be used, and why.
type InvalidError struct {
	Field Field
	// App is the app whose entry has the field; empty for the request's own fields.
	App string
	// Value is what was given.
	Value string
	// Reason says why, as a clause.
	Reason string
	// Missing says that no value was given.
	Missing bool
	// Default says that Value is the default or comes from Fly.
	Default bool
	// NotShared says that several apps name the role although it is not shared.
	NotShared bool
	// NoRegion says that a preset needs a region and that the app has no Region.
	NoRegion bool
	// Err is the cause, if any: a *flyname.NameError, *preset.Error,
	// *trustpolicy.SyntaxError, or the *FlyProblem that kept the organization unknown.
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
	if len(req.Apps) == 0 {
		report(&InvalidError{Field: FieldApp, Missing: true, Reason: "a trust policy names the apps that may use the role"})
	}

	names, configs := map[string]bool{}, map[string]string{}
	for _, app := range req.Apps {
		if err := flyname.CheckApp(app.Name); err != nil {
			report(&InvalidError{Field: FieldApp, App: app.Name, Value: app.Name, Reason: nameReason(err), Err: err})
		} else if names[app.Name] {
			report(&InvalidError{Field: FieldApp, App: app.Name, Value: app.Name, Reason: "it is named twice"})
		}
		names[app.Name] = true
		if app.Config != "" {
			if other, ok := configs[app.Config]; ok {
				report(&InvalidError{Field: FieldConfig, App: app.Name, Value: app.Config, Reason: fmt.Sprintf("it is already the file of the app %q", other)})
			}
			configs[app.Config] = app.Name
		}
		for _, m := range namedMachines(app.Machines) {
			if err := flyname.CheckMachine(m); err != nil {
				report(&InvalidError{Field: FieldMachine, App: app.Name, Value: m, Reason: nameReason(err), Err: err})
			}
		}
		if app.Region != "" && !RegionLike(app.Region) {
			report(&InvalidError{Field: FieldRegion, App: app.Name, Value: app.Region, Reason: "an AWS region looks like eu-central-1"})
		}
		errs = append(errs, req.checkRole(app)...)
	}
	errs = append(errs, req.checkRoles()...)
	return errors.Join(dedupe(errs)...)
}

// checkOrg is the rest of Check, for an organization that Fly has reported.
func (req Request) checkOrg() error {
	var errs []error
	if err := flyname.CheckOrg(req.Org); err != nil {
		errs = append(errs, &InvalidError{Field: FieldOrg, Value: req.Org, Reason: nameReason(err), Default: true, Err: err})
	}
	for _, app := range req.Apps {
		errs = append(errs, req.checkRoleName(app)...)
	}
	return errors.Join(append(errs, req.checkSharing()...)...)
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

func (req Request) checkRoleName(app App) []error {
	name := req.RoleName(app)
	if reason := NameProblem(name, maxRoleName); reason != "" {
		return []error{&InvalidError{Field: FieldRoleName, App: app.Name, Value: name, Reason: reason, Default: app.Role.Name == ""}}
	}
	return nil
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

func (req Request) checkRole(app App) []error {
	var errs []error
	r := app.Role
	invalid := func(f Field, value, reason string) {
		errs = append(errs, &InvalidError{Field: f, App: app.Name, Value: value, Reason: reason})
	}
	errs = append(errs, req.checkRoleName(app)...)
	if reason := pathProblem(rolePath(r)); reason != "" {
		invalid(FieldPath, r.Path, reason)
	}
	if reason := sessionProblem(r.MaxSession); r.MaxSession != 0 && reason != "" {
		invalid(FieldMaxSession, seconds(r.MaxSession), reason)
	}
	errs = append(errs, checkTags(app)...)
	for _, ref := range r.Policies {
		if strings.TrimSpace(ref) == "" {
			invalid(FieldPolicy, ref, "a managed policy's name or ARN is needed")
		}
	}
	errs = append(errs, checkPresets(app)...)
	inline := map[string]InlinePolicy{}
	for _, p := range r.Inline {
		if reason := NameProblem(p.Name, maxPolicyName); reason != "" {
			invalid(FieldInline, p.Source, fmt.Sprintf("it names the policy %q: %s", p.Name, reason))
		}
		if p.Document.IsZero() {
			invalid(FieldInline, p.Source, "it has no document")
		}
		if other, ok := inline[p.Name]; ok {
			invalid(FieldInline, p.Source, fmt.Sprintf("%s already gives an inline policy named %q", other.Source, p.Name))
		}
		inline[p.Name] = p
	}
	return errs
}

// checkPresets checks the presets of an app and their answers.
func checkPresets(app App) []error {
	var errs []error
	seen := map[Preset]bool{}
	for _, p := range app.Role.Presets {
		e := &InvalidError{Field: FieldPreset, App: app.Name, Value: p.String()}
		found, err := preset.Named(p.Name)
		if err == nil {
			err = found.Check(p.Answer)
		}
		switch {
		case err != nil:
			e.Err, e.Reason = err, presetReason(err)
		case found.NeedsRegion(p.Answer) && app.Region == "":
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

// checkRoles checks each role as a whole: apps that share one must agree on its
// settings, and together stay within IAM's limits.
func (req Request) checkRoles() []error {
	errs := req.checkSharing()
	inline := map[string][]InlinePolicy{}
	for _, app := range req.Apps {
		inline[app.Name] = app.Role.Inline
	}
	for _, group := range req.groups() {
		errs = append(errs, checkInline(group, inline)...)
		policies := map[string]bool{}
		for _, app := range group {
			for _, ref := range app.Role.Policies {
				policies[ref] = true
			}
		}
		if len(policies) > maxManagedPolicies {
			errs = append(errs, &InvalidError{
				Field: FieldPolicy, App: group[0].Name, Value: slices.Sorted(maps.Keys(policies))[0],
				Reason: fmt.Sprintf("the role would have %d managed policies; IAM allows %d, even with the quota raised", len(policies), maxManagedPolicies),
			})
		}
	}
	return errs
}

// checkSharing reports apps that name the same role but disagree about it.
func (req Request) checkSharing() []error {
	var errs []error
	for _, group := range req.groups() {
		first := group[0]
		for _, app := range group[1:] {
			name := req.RoleName(app)
			switch {
			case !first.Role.Shared || !app.Role.Shared:
				errs = append(errs, &InvalidError{
					Field: FieldRoleName, App: app.Name, Value: name, NotShared: true,
					Reason: fmt.Sprintf("%s and %s would both use this role", first.Name, app.Name),
				})
			case !sameSettings(first, app) || name != req.RoleName(first):
				errs = append(errs, &InvalidError{
					Field: FieldRoleName, App: app.Name, Value: name,
					Reason: fmt.Sprintf("the apps %s and %s share it but ask for different settings", first.Name, app.Name),
				})
			}
		}
	}
	return errs
}

// checkInline checks the inline policies of a role. inline holds them by app.
func checkInline(group []App, inline map[string][]InlinePolicy) []error {
	var errs []error
	docs, size, source := map[string]InlinePolicy{}, 0, ""
	for _, app := range group {
		for _, p := range inline[app.Name] {
			other, ok := docs[p.Name]
			if ok && !other.Document.Equal(p.Document) {
				errs = append(errs, &InvalidError{
					Field: FieldInline, App: app.Name, Value: p.Source,
					Reason: fmt.Sprintf("%s gives another inline policy named %q for the same role", other.Source, p.Name),
				})
			}
			if !ok {
				size, source = size+len(p.Document.String()), p.Source
			}
			docs[p.Name] = p
		}
	}
	if size > maxInlineSize {
		errs = append(errs, &InvalidError{
			Field: FieldInline, App: group[0].Name, Value: source,
			Reason: fmt.Sprintf("the role's inline policies have %d characters in total; IAM allows %d", size, maxInlineSize),
		})
	}
	return errs
}

func sameSettings(a, b App) bool {
	return slices.Equal(sorted(a.Machines), sorted(b.Machines)) &&
		rolePath(a.Role) == rolePath(b.Role) &&
		a.Role.MaxSession == b.Role.MaxSession && a.Role.Boundary == b.Role.Boundary &&
		maps.Equal(a.Role.Tags, b.Role.Tags)
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

// sessionProblem says why IAM does not accept the maximum session duration, or "".
func sessionProblem(seconds int32) string {
	if seconds < 3600 || seconds > 43200 {
		return "IAM allows one hour (3600 s) to twelve (43200 s)"
	}
	return ""
}

func checkTags(app App) []error {
	var errs []error
	invalid := func(key, reason string) {
		errs = append(errs, &InvalidError{Field: FieldTag, App: app.Name, Value: key, Reason: reason})
	}
	const own = 2 // TagOrg and TagApp
	if len(app.Role.Tags)+own > maxTags {
		invalid("", fmt.Sprintf("IAM allows a role %d tags, of which fly-aws needs %d", maxTags, own))
	}
	folded := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(app.Role.Tags)) {
		value, lower := app.Role.Tags[key], strings.ToLower(key)
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

// RegionLike matches the form of an AWS region, but not Fly's "fra" or Tigris's "auto".
func RegionLike(region string) bool {
	parts := strings.Split(region, "-")
	if len(parts) < 3 || len(region) > 32 {
		return false
	}
	for i, p := range parts {
		if p == "" {
			return false
		}
		for _, r := range p {
			digit := r >= '0' && r <= '9'
			if i == len(parts)-1 && !digit || !digit && (r < 'a' || r > 'z') {
				return false
			}
		}
	}
	return true
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

// AccountProblem says why id is not an AWS account ID, or "".
func AccountProblem(id string) string {
	if len(id) != 12 || strings.Trim(id, "0123456789") != "" {
		return "an account ID has 12 digits"
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
