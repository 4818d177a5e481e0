package setup

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/fly-aws/fly-aws/internal/flyname"
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
	FieldInline     Field = "inline-policy"
)

// An InvalidError says which field of a Request cannot be used, and why.
type InvalidError struct {
	Field Field
	// App is the entry it belongs to; empty for the request's own fields.
	App string
	// Value is what was given.
	Value string
	// Reason is a clause in words.
	Reason string
	// Missing says that the field was not given at all.
	Missing bool
	// Default says that Value is one that was made up for want of another.
	Default bool
	// NotShared says that several apps name the role, and that it is not shared.
	NotShared bool
	// Err is the cause, where there is one: a *flyname.NameError or *trustpolicy.SyntaxError.
	Err error
}

func (e *InvalidError) Error() string {
	if e.Missing {
		return fmt.Sprintf("no %s given: %s", e.Field, e.Reason)
	}
	return fmt.Sprintf("%s %q cannot be used: %s", e.Field, e.Value, e.Reason)
}

// Unwrap gives the cause.
func (e *InvalidError) Unwrap() error { return e.Err }

// A Spec is a complete wish: what shall be, every ARN known, nothing left to
// ask. Resources are in the order of their dependencies.
type Spec struct {
	Partition string
	Account   string
	Org       string
	Issuer    string
	Audience  string
	Adopt     bool
	Grants    []Grant
	Resources []Resource
	// TrustPolicyQuota is the account's size quota of a trust policy in characters;
	// 0 for IAM's default of 2048.
	TrustPolicyQuota int
}

// Resolve makes the Spec of a Request. Every problem is reported, joined: each
// is an *InvalidError.
func Resolve(req Request, facts Facts) (Spec, error) {
	if err := req.Check(); err != nil {
		return Spec{}, err
	}
	spec := Spec{
		Partition: facts.Partition,
		Account:   facts.Account,
		Org:       req.Org,
		Issuer:    flyname.Issuer(req.Org),
		Audience:  req.audience(),
		Adopt:     req.Adopt,
	}
	spec.Resources = append(spec.Resources, Resource{Provider: &Provider{
		ARN:       trustpolicy.ProviderARN(facts.Partition, facts.Account, req.Org),
		URL:       spec.Issuer,
		Audiences: []string{spec.Audience},
		Tags:      map[string]string{TagOrg: req.Org},
	}})

	var roles, policies, envs []Resource
	for _, group := range req.groups() {
		role, perms, err := resolveRole(req, group, facts)
		if err != nil {
			return Spec{}, err
		}
		roles = append(roles, Resource{Role: role})
		policies = append(policies, perms...)
		for _, app := range group {
			spec.Grants = append(spec.Grants, Grant{App: app.Name, Machines: sorted(app.Machines), Role: role.Name, RoleARN: role.ARN})
			if app.Config == "" {
				continue
			}
			envs = append(envs, Resource{Env: &Env{Config: app.Config, App: app.Name, Key: EnvRoleARN, Value: role.ARN}})
			if app.Region != "" {
				envs = append(envs, Resource{Env: &Env{Config: app.Config, App: app.Name, Key: EnvRegion, Value: app.Region, IfAbsent: true}})
			}
		}
	}
	spec.Resources = slices.Concat(spec.Resources, roles, policies, envs)
	return spec, nil
}

// resolveRole makes the role that the apps of a group use, and its permissions.
func resolveRole(req Request, group []App, facts Facts) (*Role, []Resource, error) {
	first := group[0]
	names := make([]string, len(group))
	for i, app := range group {
		names[i] = app.Name
	}
	statement, err := trustpolicy.Build(trustpolicy.AppAccess{
		Partition: facts.Partition,
		Account:   facts.Account,
		Org:       req.Org,
		Apps:      names,
		Machines:  namedMachines(first.Machines),
		Audience:  req.audience(),
	})
	if err != nil {
		return nil, nil, err
	}
	name := req.RoleName(first)
	role := &Role{
		Name:        name,
		Path:        rolePath(first.Role),
		Description: first.Role.Description,
		Trust:       trustpolicy.New(statement),
		MaxSession:  first.Role.MaxSession,
		Tags:        maps.Clone(first.Role.Tags),
	}
	role.ARN = roleARN(facts.Partition, facts.Account, *role)
	if role.Tags == nil {
		role.Tags = map[string]string{}
	}
	role.Tags[TagOrg] = req.Org
	if !first.Role.Shared {
		role.Tags[TagApp] = first.Name
	}
	if role.Description == "" {
		role.Description = description(req.Org, first)
	}
	if first.Role.Boundary != "" {
		arn, err := managedPolicy(facts, FieldBoundary, first.Name, first.Role.Boundary)
		if err != nil {
			return nil, nil, err
		}
		role.Boundary = arn
	}

	var managed, inline []Resource
	seen := map[string]bool{}
	for _, app := range group {
		for _, ref := range app.Role.Policies {
			arn, err := managedPolicy(facts, FieldPolicy, app.Name, ref)
			if err != nil {
				return nil, nil, err
			}
			if r := (Resource{Policy: &Policy{Role: name, ARN: arn}}); !seen[r.ID()] {
				seen[r.ID()] = true
				managed = append(managed, r)
			}
		}
		for _, p := range app.Role.Inline {
			doc, err := trustpolicy.CheckIdentityPolicy(p.Document)
			if err != nil {
				return nil, nil, err // Check has passed it already
			}
			if r := (Resource{Policy: &Policy{Role: name, Name: p.Name, Document: doc}}); !seen[r.ID()] {
				seen[r.ID()] = true
				inline = append(inline, r)
			}
		}
	}
	return role, slices.Concat(managed, inline), nil
}

// roleARN is the ARN of a role by its path and name.
func roleARN(partition, account string, r Role) string {
	return fmt.Sprintf("arn:%s:iam::%s:role%s%s", partition, account, r.Path, r.Name)
}

func description(org string, app App) string {
	if app.Role.Shared {
		return "Apps of the Fly.io organisation " + org + ", through OIDC. Made by fly-aws."
	}
	return "Fly.io app " + app.Name + " of the organisation " + org + ", through OIDC. Made by fly-aws."
}

func managedPolicy(facts Facts, field Field, app, ref string) (string, error) {
	arn, ok := facts.Policies[ref]
	if !ok {
		return "", &InvalidError{Field: field, App: app, Value: ref, Reason: "no managed policy of that name is known"}
	}
	return arn, nil
}

// PolicyRefs returns every managed policy that the request names, boundaries
// too, as given, sorted, each once: what Facts.Policies must hold.
func (req Request) PolicyRefs() []string {
	var refs []string
	for _, app := range req.Apps {
		refs = append(refs, app.Role.Policies...)
		if app.Role.Boundary != "" {
			refs = append(refs, app.Role.Boundary)
		}
	}
	return sorted(refs)
}

// RoleNames returns the names of the roles of the request, sorted, each once.
func (req Request) RoleNames() []string {
	var names []string
	for _, app := range req.Apps {
		names = append(names, req.RoleName(app))
	}
	return sorted(names)
}

// RoleName returns the name of the app's role: the one asked for, or
// fly-<org>-<app>.
func (req Request) RoleName(app App) string {
	if app.Role.Name != "" {
		return app.Role.Name
	}
	return "fly-" + req.Org + "-" + app.Name
}

func (req Request) audience() string {
	if req.Audience == "" {
		return flyname.AudienceAWS
	}
	return req.Audience
}

// groups returns the apps by role, in the order of their first mention.
func (req Request) groups() [][]App {
	var groups [][]App
	at := map[string]int{}
	for _, app := range req.Apps {
		key := strings.ToLower(req.RoleName(app))
		i, ok := at[key]
		if !ok {
			i = len(groups)
			at[key] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], app)
	}
	return groups
}

// Check says what about the request can never work, whatever the account. Every
// problem is reported, joined: each is an *InvalidError.
func (req Request) Check() error {
	var errs []error
	report := func(e *InvalidError) { errs = append(errs, e) }

	if req.Org == "" {
		report(&InvalidError{Field: FieldOrg, Missing: true, Reason: "the issuer's URL ends in the organisation's slug"})
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
				report(&InvalidError{Field: FieldConfig, App: app.Name, Value: app.Config, Reason: fmt.Sprintf("it is the file of the app %q already", other)})
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

// dedupe drops errors that say what an earlier one says: flags fill all apps alike.
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
	invalid := func(f Field, value, reason string, cause error) {
		errs = append(errs, &InvalidError{Field: f, App: app.Name, Value: value, Reason: reason, Err: cause})
	}
	if reason := NameProblem(req.RoleName(app), maxRoleName); reason != "" {
		errs = append(errs, &InvalidError{
			Field: FieldRoleName, App: app.Name, Value: req.RoleName(app), Reason: reason, Default: r.Name == "",
		})
	}
	if reason := pathProblem(rolePath(r)); reason != "" {
		invalid(FieldPath, r.Path, reason, nil)
	}
	if r.MaxSession != 0 && (r.MaxSession < 3600 || r.MaxSession > 43200) {
		invalid(FieldMaxSession, strconv.Itoa(int(r.MaxSession))+"s", "IAM takes one hour (3600 s) to twelve (43200 s)", nil)
	}
	errs = append(errs, checkTags(app)...)
	for _, ref := range r.Policies {
		if strings.TrimSpace(ref) == "" {
			invalid(FieldPolicy, ref, "a managed policy's name or ARN is needed", nil)
		}
	}
	inline := map[string]InlinePolicy{}
	for _, p := range r.Inline {
		if reason := NameProblem(p.Name, maxPolicyName); reason != "" {
			invalid(FieldInline, p.Source, fmt.Sprintf("it names the policy %q: %s", p.Name, reason), nil)
		}
		if _, err := trustpolicy.CheckIdentityPolicy(p.Document); err != nil {
			invalid(FieldInline, p.Source, err.Error(), err)
		}
		if other, ok := inline[p.Name]; ok {
			invalid(FieldInline, p.Source, fmt.Sprintf("%s gives an inline policy named %q already", other.Source, p.Name), nil)
		}
		inline[p.Name] = p
	}
	return errs
}

// checkRoles looks at each role as a whole: apps that share one agree on it, and
// what they bring to it together is within IAM's limits.
func (req Request) checkRoles() []error {
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
		docs, size, source, policies := map[string]InlinePolicy{}, 0, "", map[string]bool{}
		for _, app := range group {
			for _, ref := range app.Role.Policies {
				policies[ref] = true
			}
			for _, p := range app.Role.Inline {
				if _, ok := docs[p.Name]; !ok {
					compact, _ := trustpolicy.CheckIdentityPolicy(p.Document)
					size, source = size+len(compact), p.Source
				}
				if other, ok := docs[p.Name]; ok && !SameDocument(other.Document, p.Document) {
					errs = append(errs, &InvalidError{
						Field: FieldInline, App: app.Name, Value: p.Source,
						Reason: fmt.Sprintf("%s gives another inline policy named %q for the shared role", other.Source, p.Name),
					})
				}
				docs[p.Name] = p
			}
		}
		if size > maxInlineSize {
			errs = append(errs, &InvalidError{
				Field: FieldInline, App: first.Name, Value: source,
				Reason: fmt.Sprintf("the inline policies of the role have %d characters together; IAM takes %d", size, maxInlineSize),
			})
		}
		if len(policies) > maxManagedPolicies {
			errs = append(errs, &InvalidError{
				Field: FieldPolicy, App: first.Name, Value: first.Role.Policies[0],
				Reason: fmt.Sprintf("the role would have %d managed policies; IAM takes %d, even with the quota raised", len(policies), maxManagedPolicies),
			})
		}
	}
	return errs
}

func sameSettings(a, b App) bool {
	return slices.Equal(sorted(a.Machines), sorted(b.Machines)) &&
		rolePath(a.Role) == rolePath(b.Role) && a.Role.Description == b.Role.Description &&
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
	maxManagedPolicies = 25 // 10 unless raised; IAM itself refuses beyond the account's quota
	maxInlineSize      = 10240
)

// NameProblem says why name is no name for an IAM role or policy of at most limit
// characters, or "".
func NameProblem(name string, limit int) string {
	if name == "" {
		return "it is empty"
	}
	if n := len(name); n > limit {
		return fmt.Sprintf("it has %d characters, IAM takes %d; names are never cut", n, limit)
	}
	for _, r := range name {
		if !letterOrDigit(r) && !strings.ContainsRune("_+=,.@-", r) {
			return fmt.Sprintf("IAM takes letters, digits and _+=,.@- in a name, not %q", r)
		}
	}
	return ""
}

// namedMachines returns the machines that are named; none for all.
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
		return fmt.Sprintf("it has %d characters, IAM takes %d", len(path), maxPath)
	}
	if !strings.HasPrefix(path, "/") || !strings.HasSuffix(path, "/") {
		return "a path begins and ends with a slash: /fly/"
	}
	if strings.Contains(path, "//") {
		return "a path has no empty part"
	}
	for _, r := range path {
		if r < '!' || r > '~' || r == '*' || r == '?' {
			return fmt.Sprintf("a path takes printable ASCII without wildcards, not %q", r)
		}
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
		invalid("", fmt.Sprintf("a role takes %d tags, of which fly-aws needs %d", maxTags, own))
	}
	folded := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(app.Role.Tags)) {
		value, lower := app.Role.Tags[key], strings.ToLower(key)
		switch {
		case key == "":
			invalid(key, "a tag needs a key")
		case strings.HasPrefix(lower, "aws:"):
			invalid(key, "AWS keeps the prefix aws: for itself")
		case strings.HasPrefix(lower, "fly-aws:"):
			invalid(key, "tags of that prefix mark what fly-aws owns")
		case folded[lower] != "":
			invalid(key, fmt.Sprintf("IAM does not tell it from %q", folded[lower]))
		case len([]rune(key)) > maxTagKey:
			invalid(key, fmt.Sprintf("a key has at most %d characters", maxTagKey))
		case len([]rune(value)) > maxTagValue:
			invalid(key, fmt.Sprintf("a value has at most %d characters", maxTagValue))
		case !tagText(key) || !tagText(value):
			invalid(key+"="+value, "IAM takes letters, digits, spaces and _.:/=+-@ in a tag")
		}
		folded[lower] = key
	}
	return errs
}

// tagText says whether IAM takes s in a tag: [\p{L}\p{Z}\p{N}_.:/=+\-@]*
// (IAM API reference, Tag).
func tagText(s string) bool {
	for _, r := range s {
		if !unicode.In(r, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", r) {
			return false
		}
	}
	return true
}

// checkAudience refuses, besides what no audience can be, the one of tokens that
// a machine asks for without naming any.
func checkAudience(audience string) error {
	if strings.HasPrefix(audience, "https://fly.io/") {
		return &flyname.NameError{Kind: "audience", Name: audience, Reason: "is the audience of tokens that were not made for AWS"}
	}
	return flyname.CheckAudience(audience)
}

// RegionLike tells a region's form from a slip such as Fly's "fra" or Tigris's "auto".
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

// SameDocument compares two JSON documents by meaning: order of members and white
// space do not count. What is not JSON equals nothing.
func SameDocument(a, b json.RawMessage) bool {
	x, errX := canonical(a)
	y, errY := canonical(b)
	return errX == nil && errY == nil && x == y
}

func canonical(doc json.RawMessage) (string, error) {
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		return "", err
	}
	out, err := json.Marshal(v) // sorts the keys of maps
	return string(out), err
}

// sorted returns the values in order, each once.
func sorted(values []string) []string {
	out := slices.Clone(values)
	slices.Sort(out)
	return slices.Compact(out)
}

// AccountProblem says why id is no AWS account ID, or "".
func AccountProblem(id string) string {
	if len(id) != 12 || strings.Trim(id, "0123456789") != "" {
		return "an account ID has 12 digits"
	}
	return ""
}

// RoleARNProblem says why arn is no IAM role's ARN, or "".
func RoleARNProblem(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" {
		return "it is no ARN"
	}
	resource, isRole := strings.CutPrefix(parts[5], "role/")
	i := strings.LastIndexByte(resource, '/') + 1
	switch {
	case parts[1] != "aws" && parts[1] != "aws-cn" && parts[1] != "aws-us-gov":
		return fmt.Sprintf("%q is no AWS partition known here", parts[1])
	case parts[2] != "iam" || parts[3] != "" || !isRole:
		return "it is not the ARN of an IAM role"
	case AccountProblem(parts[4]) != "":
		return AccountProblem(parts[4])
	case pathProblem("/"+resource[:i]) != "":
		return pathProblem("/" + resource[:i])
	}
	return NameProblem(resource[i:], maxRoleName)
}
