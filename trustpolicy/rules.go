package trustpolicy

import "slices"

// A Rule is one of Lint's rules.
type Rule struct {
	// ID is what reports and suppressions name: "FLY001". It is never given to another
	// rule.
	ID       string
	Code     FindingCode
	Severity Severity
}

// rules are all the rules. A new one takes the next ID.
var rules = []Rule{
	{"FLY001", FindingProviderForm, SeverityError},
	{"FLY002", FindingProviderKind, SeverityError},
	{"FLY003", FindingProviderAccount, SeverityError},
	{"FLY004", FindingPrincipalAny, SeverityError},
	{"FLY005", FindingNotPrincipal, SeverityError},
	{"FLY006", FindingActionMissing, SeverityError},
	{"FLY007", FindingActionWildcard, SeverityError},
	{"FLY008", FindingActionOther, SeverityError},
	{"FLY009", FindingNotAction, SeverityError},
	{"FLY010", FindingAliasPersonal, SeverityError},
	{"FLY011", FindingKeyPrefix, SeverityError},
	{"FLY012", FindingClaimUnseen, SeverityError},
	{"FLY013", FindingConditionOptional, SeverityError},
	{"FLY014", FindingOperatorType, SeverityError},
	{"FLY015", FindingWildcardLiteral, SeverityError},
	{"FLY016", FindingAudienceMissing, SeverityError},
	{"FLY017", FindingAudienceWildcard, SeverityError},
	{"FLY018", FindingAudienceWrong, SeverityError},
	{"FLY019", FindingSubjectMissing, SeverityError},
	{"FLY020", FindingSubjectAny, SeverityError},
	{"FLY021", FindingSubjectOrg, SeverityError},
	{"FLY022", FindingSubjectParts, SeverityError},
	{"FLY023", FindingSubjectPrefix, SeverityError},
	{"FLY024", FindingSubjectApp, SeverityError},
	{"FLY025", FindingAppMissing, SeverityError},
	{"FLY026", FindingAudienceCustom, SeverityWarning},
	{"FLY027", FindingOrgWide, SeverityWarning},
	{"FLY028", FindingAppWildcard, SeverityWarning},
	{"FLY029", FindingMachinePinned, SeverityWarning},
	{"FLY030", FindingSeveralOrgs, SeverityWarning},
	{"FLY031", FindingOrgUnexpected, SeverityWarning},
	{"FLY032", FindingAppUnexpected, SeverityWarning},
	{"FLY033", FindingSize, SeverityWarning},
	{"FLY034", FindingPrincipalAnyIf, SeverityWarning},
	{"FLY035", FindingProviderHost, SeverityError},
	{"FLY036", FindingSubjectUnderAudience, SeverityError},
	{"FLY037", FindingMachineID, SeverityError},
	{"FLY038", FindingProcessGroup, SeverityWarning},
	{"FLY039", FindingAudienceUnregistered, SeverityError},
	{"FLY040", FindingTagSessionMissing, SeverityWarning},
	{"FLY041", FindingTagSessionUnused, SeverityWarning},
	{"FLY042", FindingMalformed, SeverityError},
}

// Rules returns all the rules, in the order of their IDs.
func Rules() []Rule { return slices.Clone(rules) }

// Rule returns the finding's rule.
func (f Finding) Rule() Rule { return f.Code.rule() }

func (c FindingCode) rule() Rule {
	if i := slices.IndexFunc(rules, func(r Rule) bool { return r.Code == c }); i >= 0 {
		return rules[i]
	}
	return Rule{Code: c, Severity: SeverityError}
}
