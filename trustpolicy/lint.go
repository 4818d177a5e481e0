package trustpolicy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

// A Severity says how bad a finding is.
type Severity string

// The severities.
const (
	// SeverityError: the statement applies to no token of Fly's, or to more than it can
	// have been meant for, or IAM refuses it.
	SeverityError Severity = "error"
	// SeverityWarning: it works, but trusts more than most roles need, or will
	// break.
	SeverityWarning Severity = "warning"
)

// A FindingCode names a rule of Lint.
type FindingCode string

// Errors in whom a statement trusts, and what for. The forms of principals are
// those of reference_policies_elements_principal.html.
const (
	// FindingProviderForm: Have is meant as a Fly provider, but is not
	// arn:<partition>:iam::<account>:oidc-provider/oidc.fly.io/<org>.
	FindingProviderForm FindingCode = "provider-form"
	// FindingProviderKind: the provider Have is listed as a principal other than
	// Federated.
	FindingProviderKind FindingCode = "provider-kind"
	// FindingProviderAccount: the provider Have is of another account or partition
	// than the expected Want. The token's provider is looked up in the account of the
	// role.
	FindingProviderAccount FindingCode = "provider-account"
	// FindingPrincipalAny: the principal is "*".
	FindingPrincipalAny FindingCode = "principal-any"
	// FindingNotPrincipal: the statement allows all but some principals.
	FindingNotPrincipal FindingCode = "not-principal"
	// FindingActionMissing: no action of the statement, Have, is Want, the one that
	// takes a token.
	FindingActionMissing FindingCode = "action-missing"
	// FindingActionWildcard: the action Have is a pattern and allows more than Want.
	FindingActionWildcard FindingCode = "action-wildcard"
	// FindingActionOther: the action Have does not take a token.
	FindingActionOther FindingCode = "action-other"
	// FindingNotAction: the statement allows all but some actions.
	FindingNotAction FindingCode = "not-action"
	// FindingAliasPersonal: Have holds "personal" where the organization's raw slug
	// has to be; no token carries the alias.
	FindingAliasPersonal FindingCode = "alias-personal"
)

// Errors in the conditions of a statement.
const (
	// FindingKeyPrefix: the prefix of the key is not the path of the statement's
	// provider, so that no request has it; Want is the key with that path.
	FindingKeyPrefix FindingCode = "key-prefix"
	// FindingClaimUnseen: IAM fills no condition key from that claim, or Fly's tokens
	// do not have it (reference_policies_iam-condition-keys.html lists the keys).
	FindingClaimUnseen FindingCode = "claim-unseen"
	// FindingConditionOptional: the condition on aud or sub is negated, IfExists or
	// ForAllValues, and so does not require the claim to have a certain value
	// (reference_policies_elements_condition_operators.html).
	FindingConditionOptional FindingCode = "condition-optional"
	// FindingOperatorType: the operator compares something else than strings.
	FindingOperatorType FindingCode = "operator-type"
	// FindingWildcardLiteral: * or ? in Have under an operator for which they are
	// characters like any other, so that Have matches no token.
	FindingWildcardLiteral FindingCode = "wildcard-literal"
	// FindingAudienceMissing: no condition on aud.
	FindingAudienceMissing FindingCode = "audience-missing"
	// FindingAudienceWildcard: the audience Have is a pattern.
	FindingAudienceWildcard FindingCode = "audience-wildcard"
	// FindingAudienceWrong: the audience Have is Fly's default, a slug or a URN of
	// Fly's, not that of the tokens for AWS, Want.
	FindingAudienceWrong FindingCode = "audience-wrong"
	// FindingSubjectMissing: no condition on sub, so that every machine of the
	// organization may assume the role. IAM asks for sub with some issuers that many
	// share, and Fly's is not among them
	// (id_roles_providers_oidc_secure-by-default.html).
	FindingSubjectMissing FindingCode = "subject-missing"
	// FindingSubjectAny: the subject Have does not even name the organization.
	FindingSubjectAny FindingCode = "subject-any"
	// FindingSubjectOrg: the first part of the subject Have is not the
	// organization's slug, so that it never matches.
	FindingSubjectOrg FindingCode = "subject-org"
	// FindingSubjectParts: the subject Have does not match a text of three parts.
	FindingSubjectParts FindingCode = "subject-parts"
	// FindingSubjectPrefix: the subject Have ends within the app's name, so that
	// "acme:web*" lets in web-staging too.
	FindingSubjectPrefix FindingCode = "subject-prefix"
	// FindingSubjectApp: the second part of the subject Have is not the name of an
	// app, such as one with capitals.
	FindingSubjectApp FindingCode = "subject-app"
	// FindingAppMissing: no statement lets the machines of an expected app in; Want
	// is their subject.
	FindingAppMissing FindingCode = "app-missing"
)

// Warnings.
const (
	// FindingAudienceCustom: the audience Have is not Want, the expected one.
	FindingAudienceCustom FindingCode = "audience-custom"
	// FindingOrgWide: the subject Have lets in every app of the organization.
	FindingOrgWide FindingCode = "org-wide"
	// FindingAppWildcard: the app's name in the subject Have is a pattern.
	FindingAppWildcard FindingCode = "app-wildcard"
	// FindingMachinePinned: the subject Have names a machine. A new machine has a new
	// name, those of release commands and consoles too.
	FindingMachinePinned FindingCode = "machine-pinned"
	// FindingSeveralOrgs: the statements trust several organizations, Have.
	FindingSeveralOrgs FindingCode = "several-orgs"
	// FindingOrgUnexpected: the statement trusts the organization Have, not Want.
	FindingOrgUnexpected FindingCode = "org-unexpected"
	// FindingAppUnexpected: the subject Have is none of those that are expected.
	FindingAppUnexpected FindingCode = "app-unexpected"
	// FindingSize: the policy has Have characters, more than 80 % of the default
	// quota, Want.
	FindingSize FindingCode = "size"
)

// A Finding is something in a policy that breaks a rule: data, for others to put
// into words.
type Finding struct {
	Code     FindingCode
	Severity Severity
	// Statement counts from 0; -1 when the finding is about the whole policy.
	Statement int
	Sid       string
	// Operator and Key are those of a condition, as written; else empty.
	Operator, Key string
	// Have is what stands in the policy, raw; Want what should, "" where that is not
	// known. In a subject that is wanted, "APP" stands for a name that is not known.
	Have, Want string
}

// Lint returns what is wrong with the statements that trust Fly, in their order,
// and then with the policy as a whole. A statement trusts Fly when a principal or
// a condition key of it holds "oidc.fly.io", or when it lets anyone
// bring a token; all other statements are ignored.
//
// The fields of expected that are not zero are compared with what the policy
// says; Machines are not. A zero AppAccess expects nothing.
func (p *Policy) Lint(expected AppAccess) []Finding {
	l := &linter{expected: expected, audience: expected.Audience}
	if l.audience == "" {
		l.audience = flyname.AudienceAWS
	}
	if p == nil {
		return nil
	}
	for i, s := range p.Statements {
		if s.trustsFly() {
			l.index, l.statement = i, s
			l.lint()
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
	anyone := s.NotPrincipal != nil || s.Principal != nil && slices.Contains(s.Principal.names(), "*")
	return s.Effect == Allow && anyone && s.allows(AssumeAction)
}

// allows says whether the statement's actions cover one.
func (s Statement) allows(action string) bool {
	check := newEvaluation(nil, AssumeRequest{Action: action}).action(s)
	return check.Match == Matches
}

func mentionsFly(s string) bool { return strings.Contains(lower(s), flyname.IssuerHost) }

// A linter goes through the statements of one policy.
type linter struct {
	expected  AppAccess
	audience  string // the one that tokens should have
	index     int
	statement Statement
	org       string   // of the statement's provider; "" if it names none
	orgs      []string // of all statements that allow
	findings  []Finding
}

func (l *linter) add(code FindingCode, severity Severity, c Condition, have, want string) {
	l.findings = append(l.findings, Finding{
		Code: code, Severity: severity, Statement: l.index, Sid: l.statement.Sid,
		Operator: c.Operator, Key: c.Key, Have: have, Want: want,
	})
}

func (l *linter) wrong(code FindingCode, have, want string) {
	l.add(code, SeverityError, Condition{}, have, want)
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
				l.add(FindingOrgUnexpected, SeverityWarning, Condition{}, org, want)
			}
		}
	}
	claims := map[string]bool{}
	for _, c := range l.statement.Conditions {
		claims[l.condition(c)] = true
	}
	// A statement for session tags alone comes beside one that has the conditions.
	if l.statement.Effect != Allow || !l.statement.allows(AssumeAction) {
		return
	}
	if !claims["aud"] {
		l.wrong(FindingAudienceMissing, "", l.audience)
	}
	if !claims["sub"] {
		l.wrong(FindingSubjectMissing, "", l.subject("", "*"))
	}
}

// org returns the slug of the provider that the statement trusts, or that its
// keys are of; "" if neither can be read.
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

// trusted returns the organizations that are principals of the statement; if none
// is, the one that its keys are of.
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

// orgIn returns the slug behind "oidc.fly.io/", be it part of an ARN, URL or key.
// The alias is returned too: it stands where a slug should.
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

// splitKey takes a condition key apart: an issuer may hold colons, the name of a
// claim does not.
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

func (l *linter) principals() {
	s := l.statement
	if s.NotPrincipal != nil && s.Effect == Allow {
		l.wrong(FindingNotPrincipal, "", l.providerARN(""))
	}
	if s.Principal == nil {
		return
	}
	if slices.Contains(s.Principal.names(), "*") && s.Effect == Allow {
		l.wrong(FindingPrincipalAny, "*", l.providerARN(""))
	}
	for _, e := range s.Principal.entries() {
		for _, name := range *e.list {
			switch {
			case !mentionsFly(name):
			case e.key != "Federated":
				l.wrong(FindingProviderKind, name, "")
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
		l.wrong(FindingProviderForm, name, l.providerARN(name))
	case org == flyname.Personal:
		want := ""
		if raw := l.rawSlug(); raw != "" {
			want = ProviderARN(partition, account, raw)
		}
		l.wrong(FindingAliasPersonal, name, want)
	case l.expected.Account != "" && account != l.expected.Account,
		l.expected.Partition != "" && partition != l.expected.Partition:
		l.wrong(FindingProviderAccount, name, ProviderARN(
			orElse(l.expected.Partition, partition), orElse(l.expected.Account, account), org))
	}
}

// splitProviderARN takes the ARN of an organization's provider apart.
func splitProviderARN(arn string) (partition, account, org string, ok bool) {
	head, path, found := strings.Cut(arn, providerResource)
	org, isFly := strings.CutPrefix(path, flyname.IssuerHost+"/")
	if !found || !isFly || org != flyname.Personal && flyname.CheckOrg(org) != nil {
		return "", "", "", false
	}
	partition, account, found = strings.Cut(strings.TrimPrefix(head, "arn:"), ":iam::")
	ok = found && strings.HasPrefix(head, "arn:") && partitionForm.MatchString(partition) &&
		len(account) == 12 && isNumber(account)
	return partition, account, org, ok
}

// providerARN returns the ARN that should stand for a principal, as far as the
// expectation and the principal itself say it; else "".
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
		l.wrong(FindingNotAction, strings.Join(s.NotAction, ", "), AssumeAction)
		return
	}
	// What may stand beside the action that takes a token, or in a statement of its own.
	only := len(s.Action) > 0
	for _, a := range s.Action {
		switch lower(a) {
		case lower(AssumeAction):
			only = false
		case lower(TagSessionAction), "sts:setsourceidentity":
		default:
			only = false
			if strings.ContainsAny(a, "*?") {
				l.wrong(FindingActionWildcard, a, AssumeAction)
			} else {
				l.wrong(FindingActionOther, a, AssumeAction)
			}
		}
	}
	if !only && !s.allows(AssumeAction) {
		l.wrong(FindingActionMissing, strings.Join(s.Action, ", "), AssumeAction)
	}
}

// condition looks at one and returns the claim it is about, "" for a key of AWS's.
func (l *linter) condition(c Condition) string {
	prefix, claim := splitKey(c.Key)
	claim = lower(claim)
	if !strings.Contains(prefix, ".") { // aws:, sts: and the like
		return ""
	}
	// Of several organizations in a statement the key's counts.
	if org := orgIn(prefix); org != "" && slices.Contains(l.statement.trusted(), org) {
		defer func(first string) { l.org = first }(l.org)
		l.org = org
	}
	report := func(code FindingCode, want string) { l.add(code, SeverityError, c, c.Key, want) }
	switch {
	case l.prefixDiffers(prefix):
		want := ""
		if l.org != "" && l.org != flyname.Personal && (claim == "aud" || claim == "sub") {
			want = flyname.IssuerPath(l.org) + ":" + claim
		}
		report(FindingKeyPrefix, want)
	case orgIn(prefix) == flyname.Personal:
		want := ""
		if raw := l.rawSlug(); raw != "" && (claim == "aud" || claim == "sub") {
			want = flyname.IssuerPath(raw) + ":" + claim
		}
		report(FindingAliasPersonal, want)
	}
	if claim != "aud" && claim != "sub" {
		if mentionsFly(prefix) {
			report(FindingClaimUnseen, "")
		}
		return claim
	}
	op, _ := parseOperator(c.Operator)
	switch op.family {
	case familyNull:
		return "" // it asks for no value
	case familyString, familyStringIgnoreCase, familyStringLike:
	default:
		l.add(FindingOperatorType, SeverityError, c, c.Operator, "StringLike")
		return claim
	}
	optional := op.negated || op.ifExists || op.quantifier == allValues
	if optional && l.statement.Effect == Allow {
		l.add(FindingConditionOptional, SeverityError, c, c.Operator, map[string]string{"aud": "StringEquals", "sub": "StringLike"}[claim])
	}
	if op.negated {
		return claim // its values are those that are kept out
	}
	for _, v := range c.Values {
		switch {
		case strings.ContainsAny(v, "*?") && op.family != familyStringLike:
			want := ""
			if claim == "sub" {
				want = "StringLike"
			}
			l.add(FindingWildcardLiteral, SeverityError, c, v, want)
		case claim == "aud" && l.statement.Effect == Allow:
			l.audienceValue(c, v)
		}
		if claim == "sub" {
			l.subjectValue(c, v)
		}
	}
	return claim
}

// prefixDiffers says whether no provider of the statement has the path prefix.
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
				return false // that it has no slug is a finding of its own
			}
			path = flyname.IssuerPath(org) // also of a URL, which is one too
		}
		if path == "*" || lower(path) == lower(prefix) {
			return false
		}
		paths++
	}
	return paths > 0 || flyname.CheckOrg(strings.TrimPrefix(lower(prefix), flyname.IssuerHost+"/")) != nil
}

func (l *linter) audienceValue(c Condition, v string) {
	switch {
	case v == l.audience:
	case strings.ContainsAny(v, "*?"):
		l.add(FindingAudienceWildcard, SeverityError, c, v, l.audience)
	case v == l.org, strings.HasPrefix(v, "https://fly.io/"), strings.HasPrefix(v, "urn:fly:"):
		l.add(FindingAudienceWrong, SeverityError, c, v, l.audience)
	default:
		l.add(FindingAudienceCustom, SeverityWarning, c, v, l.audience)
	}
}

// subjectValue judges a pattern of subjects. A "${" in it is left alone: what a
// variable stands for is not known.
func (l *linter) subjectValue(c Condition, v string) {
	if strings.Contains(v, "${") {
		return
	}
	parts := strings.Split(v, ":")
	add := func(code FindingCode, want string) { l.add(code, SeverityError, c, v, want) }
	warn := func(code FindingCode) {
		if l.statement.Effect == Allow {
			l.add(code, SeverityWarning, c, v, "")
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
			add(FindingSubjectPrefix, l.subject(strings.TrimRight(last, "*?"), "*"))
		}
	case len(parts) != 3 || parts[1] == "" || parts[2] == "":
		add(FindingSubjectParts, l.guess(parts))
	case parts[1] == "*":
		warn(FindingOrgWide)
	case wild(parts[1]):
		warn(FindingAppWildcard)
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
		if last != "*" {
			warn(FindingMachinePinned)
		}
	}
}

// subject returns a subject for a finding's Want; "APP" stands for what is not known.
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

// rawSlug returns the slug to use in the place of the alias "personal"; "" where it is
// not known.
func (l *linter) rawSlug() string {
	if flyname.CheckOrg(l.expected.Org) != nil {
		return ""
	}
	return l.expected.Org
}

// guess returns the subject that the parts of another were meant to be: of
// "app:web" and "web:*", and of "acme:web", it is that of web.
func (l *linter) guess(parts []string) string {
	app, machine := "", flyname.AnyMachine
	for _, part := range parts {
		if part != "app" && part != l.org && flyname.CheckApp(part) == nil {
			app = part
			break
		}
	}
	if len(parts) == 3 && flyname.CheckApp(parts[1]) == nil {
		app, machine = parts[1], orElse(parts[2], machine) // it is the first part alone that is wrong
	}
	return l.subject(app, machine)
}

// whole looks at the policy rather than at a statement.
func (l *linter) whole(p *Policy) {
	if len(l.orgs) > 1 {
		l.add(FindingSeveralOrgs, SeverityWarning, Condition{}, strings.Join(l.orgs, ", "), "")
	}
	if size := p.Size(); size*5 > DefaultSizeQuota*4 {
		l.add(FindingSize, SeverityWarning, Condition{}, strconv.Itoa(size), strconv.Itoa(DefaultSizeQuota))
	}
	g := l.expected
	if g.Org == "" || g.Account == "" {
		return
	}
	arn, path := ProviderARN(orElse(g.Partition, "aws"), g.Account, g.Org), flyname.IssuerPath(g.Org)
	for _, app := range g.Apps {
		d := p.Evaluate(AssumeRequest{
			Action: AssumeAction, Federated: arn,
			// Any name will do for the machine that does not occur in the policy.
			Context: WebIdentityContext(path, l.audience, flyname.Subject{Org: g.Org, App: app, Machine: "any-machine-of-it"}.String()),
		})
		if d.Decision.Denied() {
			l.wrong(FindingAppMissing, "", flyname.Subject{Org: g.Org, App: app, Machine: "*"}.String())
		}
	}
}
