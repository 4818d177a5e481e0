package trustpolicy

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

// A Severity says how bad a finding is.
type Severity string

// The severities.
const (
	// SeverityError: IAM refuses the statement, or the statement matches no Fly token or
	// more of them than intended.
	SeverityError Severity = "error"
	// SeverityWarning: the statement works, but trusts more than most roles need or is
	// likely to break.
	SeverityWarning Severity = "warning"
)

// A FindingCode names a rule of Lint.
type FindingCode string

// Errors in principals and actions. The forms of principals are those of
// reference_policies_elements_principal.html.
const (
	// FindingProviderForm: Have looks like a Fly provider, but is not
	// arn:<partition>:iam::<account>:oidc-provider/oidc.fly.io/<org>.
	FindingProviderForm FindingCode = "provider-form"
	// FindingProviderKind: the provider Have is listed as a principal other than
	// Federated.
	FindingProviderKind FindingCode = "provider-kind"
	// FindingProviderAccount: the provider Have is in another account or partition than
	// the expected Want. STS looks the provider up in the role's account.
	FindingProviderAccount FindingCode = "provider-account"
	// FindingPrincipalAny: the principal is "*".
	FindingPrincipalAny FindingCode = "principal-any"
	// FindingNotPrincipal: the statement allows all but some principals.
	FindingNotPrincipal FindingCode = "not-principal"
	// FindingActionMissing: the actions Have do not include Want, the one that exchanges a
	// token.
	FindingActionMissing FindingCode = "action-missing"
	// FindingActionWildcard: the action Have is a pattern that allows more than Want.
	FindingActionWildcard FindingCode = "action-wildcard"
	// FindingActionOther: the action Have does not exchange a token.
	FindingActionOther FindingCode = "action-other"
	// FindingNotAction: the statement allows all but some actions.
	FindingNotAction FindingCode = "not-action"
	// FindingAliasPersonal: Have contains "personal" instead of the organization's raw
	// slug; tokens do not carry the alias.
	FindingAliasPersonal FindingCode = "alias-personal"
)

// Errors in the conditions of a statement.
const (
	// FindingKeyPrefix: the prefix of the key is not the path of the statement's provider,
	// so requests do not have the key; Want is the key with that path.
	FindingKeyPrefix FindingCode = "key-prefix"
	// FindingClaimUnseen: IAM has no condition key for the claim, or Fly's tokens do not
	// have the claim (reference_policies_iam-condition-keys.html lists the keys).
	FindingClaimUnseen FindingCode = "claim-unseen"
	// FindingConditionOptional: the condition on aud or sub is negated, IfExists or
	// ForAllValues, and so does not require a value
	// (reference_policies_elements_condition_operators.html).
	FindingConditionOptional FindingCode = "condition-optional"
	// FindingOperatorType: the operator does not compare strings.
	FindingOperatorType FindingCode = "operator-type"
	// FindingWildcardLiteral: Have contains * or ?, which are not wildcards under this
	// operator, so that it matches no token.
	FindingWildcardLiteral FindingCode = "wildcard-literal"
	// FindingAudienceMissing: no condition on aud.
	FindingAudienceMissing FindingCode = "audience-missing"
	// FindingAudienceWildcard: the audience Have is a pattern.
	FindingAudienceWildcard FindingCode = "audience-wildcard"
	// FindingAudienceWrong: the audience Have is Fly's default audience, a slug or one of
	// Fly's URNs instead of Want, the audience for AWS.
	FindingAudienceWrong FindingCode = "audience-wrong"
	// FindingSubjectMissing: no condition on sub, so that every machine of the
	// organization may assume the role. IAM requires a condition for some shared issuers,
	// but Fly's is not one of them (id_roles_providers_oidc_secure-by-default.html).
	FindingSubjectMissing FindingCode = "subject-missing"
	// FindingSubjectAny: the subject Have does not name the organization.
	FindingSubjectAny FindingCode = "subject-any"
	// FindingSubjectOrg: the first part of the subject Have is not the organization's
	// slug, so it matches no token.
	FindingSubjectOrg FindingCode = "subject-org"
	// FindingSubjectParts: the subject Have does not match three parts.
	FindingSubjectParts FindingCode = "subject-parts"
	// FindingSubjectPrefix: the subject Have ends within the app's name, as in
	// "acme:web*", which also matches web-staging.
	FindingSubjectPrefix FindingCode = "subject-prefix"
	// FindingSubjectApp: the second part of the subject Have is not a valid app name; it
	// may have capital letters.
	FindingSubjectApp FindingCode = "subject-app"
	// FindingAppMissing: no statement allows the machines of an expected app; Want is
	// their subject.
	FindingAppMissing FindingCode = "app-missing"
)

// Errors that were added later.
const (
	// FindingProviderHost: the host of the provider Have is misspelled; the conditions are
	// about Fly's issuer. Want is the provider's ARN.
	FindingProviderHost FindingCode = "provider-host"
	// FindingSubjectUnderAudience: the value Have of a condition on aud is a subject; Want
	// is the key for subjects.
	FindingSubjectUnderAudience FindingCode = "subject-under-aud"
	// FindingMachineID: the last part of the subject Have looks like a machine's ID; it
	// holds the machine's name.
	FindingMachineID FindingCode = "machine-id"
	// FindingMalformed: IAM refuses the document because of Have. Lint, which takes a parsed
	// policy, does not report it.
	FindingMalformed FindingCode = "malformed"
	// FindingAudienceUnregistered: the audience Have is none of the provider's, Want, so
	// STS refuses its tokens before it looks at the policy.
	FindingAudienceUnregistered FindingCode = "audience-unregistered"
)

// Warnings.
const (
	// FindingPrincipalAnyIf: the statement lets anyone assume the role who meets its
	// conditions.
	FindingPrincipalAnyIf FindingCode = "principal-any-conditions"
	// FindingProcessGroup: the last part of the subject Have looks like a process group or
	// a command such as release_command; it holds the machine's name.
	FindingProcessGroup FindingCode = "process-group"
	// FindingTagSessionMissing: the condition on the key Have needs a token with session
	// tags, and no statement allows Want, which such a token needs.
	FindingTagSessionMissing FindingCode = "tag-session-missing"
	// FindingTagSessionUnused: the statement allows sts:TagSession to the provider Have, and
	// no statement lets tokens of it assume the role.
	FindingTagSessionUnused FindingCode = "tag-session-unused"

	// FindingAudienceCustom: the audience Have is not the expected Want.
	FindingAudienceCustom FindingCode = "audience-custom"
	// FindingOrgWide: the subject Have matches every app of the organization.
	FindingOrgWide FindingCode = "org-wide"
	// FindingAppWildcard: the app's name in the subject Have is a pattern.
	FindingAppWildcard FindingCode = "app-wildcard"
	// FindingMachinePinned: the subject Have names a machine. New machines have new names,
	// including those of release commands and consoles.
	FindingMachinePinned FindingCode = "machine-pinned"
	// FindingSeveralOrgs: the statements trust several organizations, Have.
	FindingSeveralOrgs FindingCode = "several-orgs"
	// FindingOrgUnexpected: the statement trusts the organization Have, not Want.
	FindingOrgUnexpected FindingCode = "org-unexpected"
	// FindingAppUnexpected: the subject Have is not an expected one.
	FindingAppUnexpected FindingCode = "app-unexpected"
	// FindingSize: the policy has Have characters, more than 80% of the default quota,
	// Want.
	FindingSize FindingCode = "size"
)

// Expected is what is known about the role of a policy. Only nonzero fields count.
type Expected struct {
	AppAccess
	// Registered are the audiences of the organization's provider; empty but not nil for a
	// provider without any.
	Registered []string
	// Quota is the account's quota for the size of a trust policy; 0 is DefaultSizeQuota.
	Quota int
}

// A Finding is a violation of a rule of Lint, as data.
type Finding struct {
	Code     FindingCode
	Severity Severity
	// Statement counts from 0; -1 if the finding is about the whole policy.
	Statement int
	Sid       string
	// Operator and Key are those of a condition, as written; empty for other elements.
	Operator, Key string
	// Have is the raw value in the policy. Want is the value that should be there, "" if
	// unknown. In a subject, "APP" in Want stands for an unknown name.
	Have, Want string
}

// Lint returns the findings about the statements that trust Fly, in order, and then those
// about the policy as a whole. A statement trusts Fly if one of its principals or
// condition keys contains "oidc.fly.io", or if it lets anyone exchange a token. Of other
// statements only those are reported that let anyone assume the role.
//
// Lint compares the policy with the nonzero fields of expected, except Machines.
func (p *Policy) Lint(expected Expected) []Finding {
	l := &linter{expected: expected, audience: expected.Audience}
	if l.audience == "" {
		l.audience = flyname.AudienceAWS
	}
	if p == nil {
		return nil
	}
	for i, s := range p.Statements {
		switch l.index, l.statement = i, s; {
		case s.trustsFly():
			l.lint()
		case s.Effect == Allow && s.isOpen():
			l.openPrincipal()
		}
	}
	l.index, l.statement = -1, Statement{}
	l.whole(p)
	return l.findings
}

// trustsFly says whether a statement is about Fly's tokens.
func (s Statement) trustsFly() bool {
	for _, who := range []*Principal{s.Principal, s.NotPrincipal} {
		if who != nil && slices.ContainsFunc(who.names(), mentionsFly) {
			return true
		}
	}
	if slices.ContainsFunc(s.Conditions, func(c Condition) bool { return mentionsFly(c.Key) }) {
		return true
	}
	return s.Effect == Allow && s.isOpen() && s.Covers(AssumeAction)
}

// isOpen says whether the statement is about anyone, and about assuming the role.
func (s Statement) isOpen() bool {
	anyone := s.NotPrincipal != nil || s.Principal != nil && slices.Contains(s.Principal.names(), "*")
	return anyone && (s.assumes("AWS") || s.assumes("Federated"))
}

// Covers says whether the statement's actions include the given one.
func (s Statement) Covers(action string) bool {
	check := newEvaluation(nil, AssumeRequest{Action: action}).action(s)
	return check.Match == Matches
}

func mentionsFly(s string) bool { return strings.Contains(lower(s), flyname.IssuerHost) }

// A linter lints one policy.
type linter struct {
	expected  Expected
	audience  string // expected in tokens
	index     int
	statement Statement
	org       string   // of the current statement's provider; "" if it names none
	orgs      []string // of all Allow statements
	findings  []Finding
}

func (l *linter) add(code FindingCode, c Condition, have, want string) {
	l.findings = append(l.findings, Finding{
		Code: code, Severity: code.rule().Severity, Statement: l.index, Sid: l.statement.Sid,
		Operator: c.Operator, Key: c.Key, Have: have, Want: want,
	})
}

func (l *linter) report(code FindingCode, have, want string) {
	l.add(code, Condition{}, have, want)
}

func (l *linter) lint() {
	l.org = l.statement.org()
	l.principals()
	if l.statement.Effect == Allow {
		l.actions()
		for _, org := range l.statement.trusted() {
			if !slices.Contains(l.orgs, org) {
				l.orgs = append(l.orgs, org)
			}
			if want := l.expected.Org; want != "" && org != want {
				l.add(FindingOrgUnexpected, Condition{}, org, want)
			}
		}
	}
	claims := map[string]bool{}
	for _, c := range l.statement.Conditions {
		claims[l.condition(c)] = true
	}
	// A statement that only allows session tags leaves the conditions to another one.
	if l.statement.Effect != Allow || !l.statement.Covers(AssumeAction) {
		return
	}
	if !claims["aud"] {
		l.report(FindingAudienceMissing, "", l.audience)
	}
	if !claims["sub"] {
		l.report(FindingSubjectMissing, "", l.subject("", "*"))
	}
}

// org returns the slug of the provider in the statement's principal or, failing that, its
// condition keys; "" if there is none.
func (s Statement) org() string {
	var names []string
	if s.Principal != nil {
		names = s.Principal.names()
	}
	for _, c := range s.Conditions {
		prefix, _ := splitKey(c.Key)
		names = append(names, prefix)
	}
	for _, name := range names {
		if org := orgIn(name); org != "" {
			return org
		}
	}
	return ""
}

// Orgs returns the slugs of the Fly organizations that Allow statements trust, in order. A
// slug may be the alias "personal".
func (p *Policy) Orgs() []string {
	var out []string
	if p == nil {
		return nil
	}
	for _, s := range p.Statements {
		if s.Effect != Allow {
			continue
		}
		for _, org := range s.trusted() {
			if !slices.Contains(out, org) {
				out = append(out, org)
			}
		}
	}
	return out
}

// trusted returns the organizations in the statement's principals or, failing that, in
// its condition keys.
func (s Statement) trusted() (orgs []string) {
	if s.Principal != nil {
		for _, name := range s.Principal.names() {
			if org := orgIn(name); org != "" && !slices.Contains(orgs, org) {
				orgs = append(orgs, org)
			}
		}
	}
	if org := s.org(); orgs == nil && org != "" {
		orgs = []string{org}
	}
	return orgs
}

// orgIn returns the slug after "oidc.fly.io/" in an ARN, URL or key. It may be the alias
// "personal".
func orgIn(s string) string {
	i := strings.Index(lower(s), flyname.IssuerHost+"/")
	if i < 0 {
		return ""
	}
	slug := s[i+len(flyname.IssuerHost)+1:]
	if slug != flyname.Personal && flyname.CheckOrg(slug) != nil {
		return ""
	}
	return slug
}

// splitKey splits a condition key at its last colon: an issuer may contain colons, a
// claim's name does not.
func splitKey(key string) (prefix, name string) {
	i := strings.IndexByte(key, ':')
	if mentionsFly(key) {
		i = strings.LastIndexByte(key, ':')
	}
	if i < 0 {
		return "", key
	}
	return key[:i], key[i+1:]
}

// openPrincipal lints a principal of an Allow statement that is anyone.
func (l *linter) openPrincipal() {
	s := l.statement
	switch {
	case s.NotPrincipal != nil:
		l.report(FindingNotPrincipal, "", l.providerARN(""))
	case !slices.Contains(s.Principal.names(), "*"):
	case len(s.Conditions) > 0 && !s.Covers(AssumeAction): // with that action the conditions have findings
		l.report(FindingPrincipalAnyIf, "*", "")
	default:
		l.report(FindingPrincipalAny, "*", l.providerARN(""))
	}
}

func (l *linter) principals() {
	s := l.statement
	if s.Effect == Allow && (s.Principal != nil || s.NotPrincipal != nil) {
		l.openPrincipal()
	}
	if s.Principal == nil {
		return
	}
	for _, e := range s.Principal.entries() {
		for _, name := range *e.list {
			switch {
			case l.isMisspelled(name):
				partition, account, _ := splitProvider(name)
				l.report(FindingProviderHost, name, ProviderARN(partition, account, l.org))
			case !mentionsFly(name):
			case e.key != "Federated":
				l.report(FindingProviderKind, name, "")
			default:
				l.provider(name)
			}
		}
	}
}

func (l *linter) provider(name string) {
	partition, account, org, ok := splitProviderARN(name)
	switch {
	case !ok:
		l.report(FindingProviderForm, name, l.providerARN(name))
	case org == flyname.Personal:
		want := ""
		if raw := l.rawSlug(); raw != "" {
			want = ProviderARN(partition, account, raw)
		}
		l.report(FindingAliasPersonal, name, want)
	case l.expected.Account != "" && account != l.expected.Account,
		l.expected.Partition != "" && partition != l.expected.Partition:
		l.report(FindingProviderAccount, name, ProviderARN(
			orElse(l.expected.Partition, partition), orElse(l.expected.Account, account), org))
	}
}

// isMisspelled says whether a provider's host is one that was meant as Fly's: the conditions
// are about Fly's issuer, and the slug is the same.
func (l *linter) isMisspelled(name string) bool {
	_, _, path := splitProvider(name)
	host, slug, _ := strings.Cut(path, "/")
	return !mentionsFly(name) && slug != "" && slug == l.org && flyname.CheckOrg(slug) == nil && strings.Contains(lower(host), "fly")
}

// splitProvider splits the ARN of a provider; the parts are empty if it is none.
func splitProvider(arn string) (partition, account, path string) {
	head, path, found := strings.Cut(arn, providerResource)
	partition, account, ok := strings.Cut(strings.TrimPrefix(head, "arn:"), ":iam::")
	if !found || !ok || !strings.HasPrefix(head, "arn:") || !partitionForm.MatchString(partition) || len(account) != 12 || !isNumber(account) {
		return "", "", ""
	}
	return partition, account, path
}

// splitProviderARN splits the ARN of an organization's provider.
func splitProviderARN(arn string) (partition, account, org string, ok bool) {
	partition, account, path := splitProvider(arn)
	org, isFly := strings.CutPrefix(path, flyname.IssuerHost+"/")
	if !isFly || org != flyname.Personal && flyname.CheckOrg(org) != nil {
		return "", "", "", false
	}
	return partition, account, org, true
}

// providerARN returns the ARN that the principal should be, from what is expected and from
// the principal itself; "" if they do not determine it.
func (l *linter) providerARN(have string) string {
	partition, account, org := l.expected.Partition, l.expected.Account, orElse(orgIn(have), orElse(l.org, l.expected.Org))
	if head, rest, ok := strings.Cut(strings.TrimPrefix(have, "arn:"), ":iam::"); ok && partitionForm.MatchString(head) {
		partition = orElse(partition, head)
		if len(rest) >= 12 && isNumber(rest[:12]) {
			account = orElse(account, rest[:12])
		}
	}
	if account == "" || org == "" || org == flyname.Personal {
		return ""
	}
	return ProviderARN(orElse(partition, "aws"), account, org)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (l *linter) actions() {
	s := l.statement
	if s.NotAction != nil {
		l.report(FindingNotAction, strings.Join(s.NotAction, ", "), AssumeAction)
		return
	}
	// These may accompany the action that exchanges a token or have their own statement.
	only := len(s.Action) > 0
	for _, a := range s.Action {
		switch lower(a) {
		case lower(AssumeAction):
			only = false
		case lower(TagSessionAction), "sts:setsourceidentity":
		default:
			only = false
			if strings.ContainsAny(a, "*?") {
				l.report(FindingActionWildcard, a, AssumeAction)
			} else {
				l.report(FindingActionOther, a, AssumeAction)
			}
		}
	}
	if !only && !s.Covers(AssumeAction) {
		l.report(FindingActionMissing, strings.Join(s.Action, ", "), AssumeAction)
	}
}

// condition lints a condition and returns the claim it is about, "" for an AWS key.
func (l *linter) condition(c Condition) string {
	prefix, claim := splitKey(c.Key)
	claim = lower(claim)
	if !strings.Contains(prefix, ".") { // aws:, sts: and the like
		return ""
	}
	// With several organizations in a statement, the key's decides.
	if org := orgIn(prefix); org != "" && slices.Contains(l.statement.trusted(), org) {
		defer func(first string) { l.org = first }(l.org)
		l.org = org
	}
	wrongKey := func(code FindingCode, want string) { l.add(code, c, c.Key, want) }
	switch {
	case l.prefixDiffers(prefix):
		want := ""
		if l.org != "" && l.org != flyname.Personal && (claim == "aud" || claim == "sub") {
			want = flyname.IssuerPath(l.org) + ":" + claim
		}
		wrongKey(FindingKeyPrefix, want)
	case orgIn(prefix) == flyname.Personal:
		want := ""
		if raw := l.rawSlug(); raw != "" && (claim == "aud" || claim == "sub") {
			want = flyname.IssuerPath(raw) + ":" + claim
		}
		wrongKey(FindingAliasPersonal, want)
	}
	switch {
	case claim == "oaud" && mentionsFly(prefix): // the same as aud for Fly's tokens
		return "aud"
	case claim != "aud" && claim != "sub":
		if mentionsFly(prefix) {
			wrongKey(FindingClaimUnseen, "")
		}
		return claim
	}
	op, _ := parseOperator(c.Operator)
	switch op.family {
	case familyNull:
		return "" // it requires no value
	case familyString, familyStringIgnoreCase, familyStringLike:
	default:
		l.add(FindingOperatorType, c, c.Operator, "StringLike")
		return claim
	}
	optional := op.negated || op.ifExists || op.quantifier == allValues
	if optional && l.statement.Effect == Allow {
		want := "" // the values of a negated operator are those to keep out
		if !op.negated {
			want = map[string]string{"aud": "StringEquals", "sub": "StringLike"}[claim]
		}
		l.add(FindingConditionOptional, c, c.Operator, want)
	}
	if op.negated {
		return claim // its values are the ones that are kept out
	}
	if claim == "aud" && slices.ContainsFunc(c.Values, l.isSubject) {
		meant := "sub"
		for _, v := range c.Values {
			if l.isSubject(v) {
				l.add(FindingSubjectUnderAudience, c, v, prefix+":sub")
			} else {
				meant = "aud"
			}
		}
		return meant
	}
	for _, v := range c.Values {
		switch {
		case strings.ContainsAny(v, "*?") && op.family != familyStringLike:
			want := ""
			if claim == "sub" {
				want = "StringLike"
			}
			l.add(FindingWildcardLiteral, c, v, want)
			continue // as a pattern it is not in effect
		case claim == "aud" && l.statement.Effect == Allow:
			l.audienceValue(c, v)
		}
		if claim == "sub" {
			l.subjectValue(c, v)
		}
	}
	return claim
}

// prefixDiffers says whether none of the statement's providers has the path prefix.
func (l *linter) prefixDiffers(prefix string) bool {
	if l.statement.Principal == nil {
		return false
	}
	paths := 0
	for _, name := range l.statement.Principal.Federated {
		path := name
		if _, resource, ok := strings.Cut(name, providerResource); ok {
			path = resource
		}
		if mentionsFly(name) {
			org := orgIn(name)
			if org == "" {
				return false // the missing slug has its own finding
			}
			path = flyname.IssuerPath(org) // a URL has its own finding
		}
		if path == "*" || lower(path) == lower(prefix) || l.isMisspelled(name) {
			return false
		}
		paths++
	}
	return paths > 0 || flyname.CheckOrg(strings.TrimPrefix(lower(prefix), flyname.IssuerHost+"/")) != nil
}

func (l *linter) audienceValue(c Condition, v string) {
	switch {
	case l.expected.Registered != nil && !slices.Contains(l.expected.Registered, v) && !strings.ContainsAny(v, "*?"):
		l.add(FindingAudienceUnregistered, c, v, strings.Join(l.expected.Registered, ", "))
	case v == l.audience:
	case strings.ContainsAny(v, "*?"):
		l.add(FindingAudienceWildcard, c, v, l.audience)
	case v == l.org, strings.HasPrefix(v, "https://fly.io/"), strings.HasPrefix(v, "urn:fly:"):
		l.add(FindingAudienceWrong, c, v, l.audience)
	default:
		l.add(FindingAudienceCustom, c, v, l.audience)
	}
}

// isSubject says whether an audience is a subject of the statement's organization.
func (l *linter) isSubject(v string) bool {
	return l.org != "" && strings.HasPrefix(v, l.org+":")
}

// subjectValue lints a sub pattern. It ignores one with "${", since the value of a
// variable is unknown.
func (l *linter) subjectValue(c Condition, v string) {
	if strings.Contains(v, "${") {
		return
	}
	parts := strings.Split(v, ":")
	add := func(code FindingCode, want string) { l.add(code, c, v, want) }
	warn := func(code FindingCode) {
		if l.statement.Effect == Allow {
			l.add(code, c, v, "")
		}
	}
	last := parts[len(parts)-1]
	wild := func(s string) bool { return strings.ContainsAny(s, "*?") }
	switch {
	case parts[0] == flyname.Personal:
		want := ""
		if raw := l.rawSlug(); raw != "" && len(parts) == 3 {
			want = flyname.Subject{Org: raw, App: parts[1], Machine: parts[2]}.String()
		}
		add(FindingAliasPersonal, want)
	case wild(parts[0]):
		if l.statement.Effect == Allow {
			add(FindingSubjectAny, l.subject("", "*"))
		}
	case l.org != "" && l.org != flyname.Personal && parts[0] != l.org:
		add(FindingSubjectOrg, l.guess(parts))
	case len(parts) == 2 && last == "*":
		warn(FindingOrgWide)
	case len(parts) == 2 && strings.HasSuffix(last, "*"):
		if l.statement.Effect == Allow {
			app := strings.TrimRight(last, "*?")
			switch apps := l.expected.Apps; {
			case len(apps) == 1 && strings.HasPrefix(apps[0], app):
				app = apps[0]
			case strings.HasSuffix(app, "-"): // meant are all apps whose names begin so
				app += "*"
			}
			add(FindingSubjectPrefix, l.subject(app, "*"))
		}
	case len(parts) != 3 || parts[1] == "" || parts[2] == "":
		add(FindingSubjectParts, l.guess(parts))
	case parts[1] == "*":
		warn(FindingOrgWide)
		l.machine(c, v, last)
	case wild(parts[1]):
		warn(FindingAppWildcard)
		l.machine(c, v, last)
	case flyname.CheckApp(parts[1]) != nil:
		want := ""
		if flyname.CheckApp(lower(parts[1])) == nil {
			want = l.subject(lower(parts[1]), parts[2])
		}
		add(FindingSubjectApp, want)
	default:
		if apps := l.expected.Apps; len(apps) > 0 && !slices.Contains(apps, parts[1]) {
			warn(FindingAppUnexpected)
		}
		l.machine(c, v, last)
	}
}

// machine lints the last part of a subject, which holds the machine's name.
func (l *linter) machine(c Condition, v, name string) {
	switch {
	case l.statement.Effect != Allow || name == flyname.AnyMachine:
	case machineID.MatchString(name):
		l.add(FindingMachineID, c, v, "")
	case processGroup.MatchString(name):
		l.add(FindingProcessGroup, c, v, "")
	case !strings.ContainsAny(name, "*?"):
		l.add(FindingMachinePinned, c, v, "")
	}
}

// machineID matches IDs such as 148e21ea7e46e8. processGroup matches names without a digit,
// which Fly's own names for machines have: cold-shape-2007.
var (
	machineID    = regexp.MustCompile(`^[0-9a-f]{14}$`)
	processGroup = regexp.MustCompile(`^[a-z]+([-_][a-z]+)*[-_]?\*?$`)
)

// subject returns a subject for a finding's Want; "APP" stands for an unknown name.
func (l *linter) subject(app, machine string) string {
	org := orElse(l.org, l.expected.Org)
	if org == "" || org == flyname.Personal {
		return ""
	}
	if app == "" && len(l.expected.Apps) == 1 {
		app = l.expected.Apps[0]
	}
	return flyname.Subject{Org: org, App: orElse(app, "APP"), Machine: machine}.String()
}

// rawSlug returns the slug to use instead of the alias "personal"; "" if unknown.
func (l *linter) rawSlug() string {
	if flyname.CheckOrg(l.expected.Org) != nil {
		return ""
	}
	return l.expected.Org
}

// guess returns the subject that the parts of a malformed one were meant to be: for
// "app:web", "web:*" and "acme:web" it is that of web.
func (l *linter) guess(parts []string) string {
	app, machine := "", flyname.AnyMachine
	for _, part := range parts {
		if part != "app" && part != l.org && flyname.CheckApp(part) == nil {
			app = part
			break
		}
	}
	if len(parts) == 3 && flyname.CheckApp(parts[1]) == nil {
		app, machine = parts[1], orElse(parts[2], machine) // only the first part is wrong
	}
	return l.subject(app, machine)
}

// whole lints the policy as a whole.
func (l *linter) whole(p *Policy) {
	if len(l.orgs) > 1 {
		l.add(FindingSeveralOrgs, Condition{}, strings.Join(l.orgs, ", "), "")
	}
	quota := cmp.Or(l.expected.Quota, DefaultSizeQuota)
	if size := p.Size(); size*5 > quota*4 {
		l.add(FindingSize, Condition{}, strconv.Itoa(size), strconv.Itoa(quota))
	}
	l.sessionTags(p)
	g := l.expected
	if g.Org == "" || g.Account == "" {
		return
	}
	arn, path := ProviderARN(orElse(g.Partition, "aws"), g.Account, g.Org), flyname.IssuerPath(g.Org)
	for _, app := range g.Apps {
		d := p.Evaluate(AssumeRequest{
			Action: AssumeAction, Federated: arn,
			// The machine may have any name that does not occur in the policy.
			Context: WebIdentityContext(path, l.audience, flyname.Subject{Org: g.Org, App: app, Machine: "any-machine-of-it"}.String()),
		})
		if d.Decision.Denied() {
			l.report(FindingAppMissing, "", flyname.Subject{Org: g.Org, App: app, Machine: "*"}.String())
		}
	}
}

// sessionTags lints who may use a token with session tags, which needs sts:TagSession as well
// (id_session-tags.html).
func (l *linter) sessionTags(p *Policy) {
	allows := func(action, provider string) bool {
		return slices.ContainsFunc(p.Statements, func(s Statement) bool {
			return s.Effect == Allow && s.Covers(action) && s.Principal != nil && slices.Contains(s.Principal.Federated, provider)
		})
	}
	for i, s := range p.Statements {
		if s.Effect != Allow || s.Principal == nil {
			continue
		}
		l.index, l.statement = i, s
		for _, provider := range s.Principal.Federated {
			if !mentionsFly(provider) {
				continue
			}
			if s.Covers(TagSessionAction) && !allows(AssumeAction, provider) {
				l.report(FindingTagSessionUnused, provider, AssumeAction)
			}
			for _, c := range s.Conditions {
				if strings.HasPrefix(lower(c.Key), "aws:requesttag/") && s.Covers(AssumeAction) && !allows(TagSessionAction, provider) {
					l.add(FindingTagSessionMissing, c, c.Key, TagSessionAction)
				}
			}
		}
	}
	l.index, l.statement = -1, Statement{}
}
