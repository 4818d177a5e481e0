package render

import (
	"strings"

	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A RuleDoc describes one of the rules for trust policies.
type RuleDoc struct {
	trustpolicy.Rule
	// Title is what is wrong, in a few words; Why is one sentence. Source is the page that
	// it rests on.
	Title, Why, Source string
}

// Rules describes all the rules, in the order of their IDs.
func Rules() []RuleDoc {
	var out []RuleDoc
	for _, r := range trustpolicy.Rules() {
		words := ruleWords[r.Code]
		out = append(out, RuleDoc{r, words[0], words[1], words[2]})
	}
	return out
}

// ruleDoc describes a rule.
func ruleDoc(r trustpolicy.Rule) RuleDoc {
	words := ruleWords[r.Code]
	return RuleDoc{r, words[0], words[1], words[2]}
}

// pageLint describes the rules.
const pageLint = "https://github.com/fly-aws/fly-aws/blob/main/docs/lint.md"

// Pages that the rules rest on.
const (
	iamGuide       = "https://docs.aws.amazon.com/IAM/latest/UserGuide/"
	pagePrincipal  = iamGuide + "reference_policies_elements_principal.html"
	pageAction     = iamGuide + "reference_policies_elements_action.html"
	pageOperators  = iamGuide + "reference_policies_elements_condition_operators.html"
	pageKeys       = iamGuide + "reference_policies_iam-condition-keys.html"
	pageProviders  = iamGuide + "id_roles_providers_create_oidc.html"
	pageRole       = iamGuide + "id_roles_create_for-idp_oidc.html"
	pageQuotas     = iamGuide + "reference_iam-quotas.html"
	pageTags       = iamGuide + "id_session-tags.html"
	pageAssume     = "https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html"
	pageFly        = "https://fly.io/docs/security/openid-connect/"
	pageFlyOrgs    = "https://github.com/superfly/flyctl/blob/master/internal/command/orgs/replay_sources_list.go"
	pageFlyMachine = "https://fly.io/docs/machines/overview/"
)

// ruleWords holds the title, the reason and the source of each rule.
var ruleWords = map[trustpolicy.FindingCode][3]string{
	trustpolicy.FindingProviderForm:         {"The provider is not the ARN of a Fly provider", "A trust policy names an OIDC provider by its ARN; a URL, a version or a wildcard in it matches no token.", pagePrincipal},
	trustpolicy.FindingProviderKind:         {"The provider is not under Federated", "Tokens come from a federated principal; as another kind of principal the provider matches none.", pagePrincipal},
	trustpolicy.FindingProviderAccount:      {"The provider is in another account", "STS looks for the provider in the role's own account and partition.", pageProviders},
	trustpolicy.FindingPrincipalAny:         {"Anyone may assume the role", "The principal * is everyone, in every AWS account.", pagePrincipal},
	trustpolicy.FindingNotPrincipal:         {"Everyone but some may assume the role", "NotPrincipal with Allow lets in all that it does not name, also anonymous callers.", iamGuide + "reference_policies_elements_notprincipal.html"},
	trustpolicy.FindingActionMissing:        {"The action that takes a token is missing", "A token is exchanged with sts:AssumeRoleWithWebIdentity alone.", pageAssume},
	trustpolicy.FindingActionWildcard:       {"The action is a pattern", "Only sts:AssumeRoleWithWebIdentity is needed; a pattern allows other ways into the role.", pageAction},
	trustpolicy.FindingActionOther:          {"The action does not take a token", "sts:AssumeRole and the others are for callers with AWS credentials or SAML.", pageAssume},
	trustpolicy.FindingNotAction:            {"All but some actions are allowed", "NotAction allows every action that it does not name.", iamGuide + "reference_policies_elements_notaction.html"},
	trustpolicy.FindingAliasPersonal:        {"The alias personal is not an organization", "Fly's tools call your own organization \"personal\"; tokens carry its raw slug.", pageFlyOrgs},
	trustpolicy.FindingKeyPrefix:            {"The condition key is of another issuer", "A request has the keys of its token's provider only, so this condition cannot match.", pageKeys},
	trustpolicy.FindingClaimUnseen:          {"IAM cannot test this claim", "Of the claims in Fly's tokens IAM has condition keys for aud and sub.", pageKeys},
	trustpolicy.FindingConditionOptional:    {"The condition does not require its claim", "Negated operators, IfExists and ForAllValues also match a request without the key.", pageOperators},
	trustpolicy.FindingOperatorType:         {"The operator does not compare strings", "aud and sub are strings; other types do not match them.", pageOperators},
	trustpolicy.FindingWildcardLiteral:      {"A wildcard is taken literally", "Under StringEquals * and ? are characters; StringLike has wildcards.", pageOperators},
	trustpolicy.FindingAudienceMissing:      {"No condition on the audience", "Tokens that a machine made for another service could be used for this role.", pageRole},
	trustpolicy.FindingAudienceWildcard:     {"The audience is a pattern", "Tokens that a machine made for another service could be used for this role.", pageRole},
	trustpolicy.FindingAudienceWrong:        {"The audience is not that of a token for AWS", "Fly's init asks for tokens with the audience sts.amazonaws.com.", pageFly},
	trustpolicy.FindingSubjectMissing:       {"No condition on the subject", "Every machine of the organization may assume the role; IAM does not demand this condition of Fly's issuers.", iamGuide + "id_roles_providers_oidc_secure-by-default.html"},
	trustpolicy.FindingSubjectAny:           {"The subject does not name the organization", "A subject begins with the organization's slug.", pageFly},
	trustpolicy.FindingSubjectOrg:           {"The subject is of another organization", "A subject begins with the organization's slug, so this one matches no token of the provider.", pageFly},
	trustpolicy.FindingSubjectParts:         {"The subject does not have three parts", "A subject is <org>:<app>:<machine>.", pageFly},
	trustpolicy.FindingSubjectPrefix:        {"The subject ends within the app's name", "acme:web* also matches the app web-staging; acme:web:* does not.", pageFly},
	trustpolicy.FindingSubjectApp:           {"The app's name is not valid", "Apps have lower-case letters, digits and dashes in their names, and case counts.", pageFly},
	trustpolicy.FindingAppMissing:           {"An expected app is not allowed", "No statement allows machines of the app.", pageFly},
	trustpolicy.FindingAudienceCustom:       {"The audience is not the usual one", "Fly's init and the AWS SDKs use sts.amazonaws.com; another audience needs a token of its own.", pageFly},
	trustpolicy.FindingOrgWide:              {"Every app of the organization may assume the role", "A machine of any app, also one made later, gets the role's permissions.", pageFly},
	trustpolicy.FindingAppWildcard:          {"Apps are matched by a pattern", "A machine of any app whose name matches, also one made later, gets the role's permissions.", pageFly},
	trustpolicy.FindingMachinePinned:        {"One machine is named", "Machines that replace it, release commands and consoles have other names.", pageFlyMachine},
	trustpolicy.FindingSeveralOrgs:          {"Several organizations are trusted", "A role for one organization is easier to review.", pageFly},
	trustpolicy.FindingOrgUnexpected:        {"Another organization is trusted", "It is not the expected one.", pageFly},
	trustpolicy.FindingAppUnexpected:        {"Another app is allowed", "It is not one of the expected ones.", pageFly},
	trustpolicy.FindingSize:                 {"The policy is near its size quota", "IAM refuses a trust policy above the quota, without white space; a role per app or per group of apps is shorter.", pageQuotas},
	trustpolicy.FindingPrincipalAnyIf:       {"Anyone may assume the role under conditions", "The principal * is everyone, and only the conditions narrow it.", pagePrincipal},
	trustpolicy.FindingProviderHost:         {"The provider's host is misspelled", "Fly's issuer is oidc.fly.io.", pageFly},
	trustpolicy.FindingSubjectUnderAudience: {"A subject is compared with the audience", "The key of a subject ends in :sub.", pageKeys},
	trustpolicy.FindingMachineID:            {"A machine's ID stands in the subject", "A subject has the machine's name, such as cold-shape-2007.", pageFly},
	trustpolicy.FindingProcessGroup:         {"A process group or command stands in the subject", "A subject has the machine's name; tokens say nothing of process groups and commands.", pageFly},
	trustpolicy.FindingAudienceUnregistered: {"The provider does not have the audience", "STS first compares a token's audience with those of the provider.", pageProviders},
	trustpolicy.FindingMalformed:            {"IAM refuses the document", "The document does not follow the grammar of policies.", iamGuide + "reference_policies_grammar.html"},
	trustpolicy.FindingTagSessionMissing:    {"Session tags are required and not allowed", "A token with session tags needs sts:TagSession as well.", pageTags},
	trustpolicy.FindingTagSessionUnused:     {"Session tags are allowed to nobody", "sts:TagSession lets nobody in; it belongs beside sts:AssumeRoleWithWebIdentity.", pageTags},
}

// findingWords puts a finding about a policy into a sentence; "" for an unknown code.
func findingWords(f trustpolicy.Finding) string {
	have, want, instead := text.Quote(f.Have), text.Quote(f.Want), ""
	if f.Want != "" {
		instead = "; it should be " + want
	}
	switch f.Code {
	case trustpolicy.FindingProviderForm:
		return have + " is not the ARN of a Fly provider" + instead
	case trustpolicy.FindingProviderKind:
		return have + " is an identity provider and belongs under Federated"
	case trustpolicy.FindingProviderAccount:
		return "the provider " + have + " is of another account or partition" + instead
	case trustpolicy.FindingPrincipalAny:
		return "the principal * is anyone; name the provider"
	case trustpolicy.FindingNotPrincipal:
		return "NotPrincipal with Allow lets in everyone except those it names"
	case trustpolicy.FindingActionMissing:
		return "it allows " + have + "; a token needs " + text.Line(f.Want)
	case trustpolicy.FindingNotAction:
		return "NotAction allows everything but " + have + "; name " + text.Line(f.Want)
	case trustpolicy.FindingActionWildcard:
		return have + " allows more than " + text.Line(f.Want) + ", which is all that a token needs"
	case trustpolicy.FindingActionOther:
		return have + " does not take a token" + instead
	case trustpolicy.FindingConditionOptional:
		return "this operator also matches without the claim, or with other values" + instead
	case trustpolicy.FindingAudienceMissing:
		return "it has no condition on aud, so it also accepts tokens made for other services; require " + want
	case trustpolicy.FindingAudienceWildcard:
		return "it accepts any audience that matches " + have + instead
	case trustpolicy.FindingSubjectMissing:
		return "it has no condition on sub, so it accepts every machine of the organization; require " + want
	case trustpolicy.FindingSubjectAny:
		if strings.Trim(f.Have, "*:") == "" {
			return "it accepts every machine of the organization: the subject is " + have + instead
		}
		return "the organization in " + have + " is a pattern" + instead
	case trustpolicy.FindingSubjectPrefix:
		return "it also accepts other apps whose names begin so: " + have + instead
	case trustpolicy.FindingAliasPersonal:
		return have + " uses \"personal\", an alias in Fly's tools; tokens carry the organization's raw slug" + instead
	case trustpolicy.FindingKeyPrefix:
		return "the key is not one of this statement's provider, so the request does not have it" + instead
	case trustpolicy.FindingClaimUnseen:
		return "IAM has no condition key for this claim; of Fly's tokens, a trust policy can test aud and sub"
	case trustpolicy.FindingOperatorType:
		return have + " does not compare strings" + instead
	case trustpolicy.FindingWildcardLiteral:
		return "* and ? are not wildcards under this operator, so " + have + " matches no token; use StringLike"
	case trustpolicy.FindingAudienceWrong:
		return have + " is not the audience of a token for AWS" + instead
	case trustpolicy.FindingSubjectOrg:
		return have + " does not begin with the organization's slug, as subjects do" + instead
	case trustpolicy.FindingSubjectParts:
		return have + " does not have the form <org>:<app>:<machine>, so it matches no token" + instead
	case trustpolicy.FindingSubjectApp:
		return have + " has an app name that Fly does not allow: names are lower-case letters, digits and dashes" + instead
	case trustpolicy.FindingAppMissing:
		return "no statement allows the machines of " + want
	case trustpolicy.FindingAudienceCustom:
		return "the audience " + have + " is not " + want + ", which Fly's init and the AWS SDKs use"
	case trustpolicy.FindingOrgWide:
		return "every app of the organization may assume the role: " + have
	case trustpolicy.FindingAppWildcard:
		return "every app whose name matches may assume the role, also those made later: " + have
	case trustpolicy.FindingMachinePinned:
		return have + " is one machine; a replacement, a release command or a console has another name"
	case trustpolicy.FindingSeveralOrgs:
		return "the role trusts several Fly organizations: " + text.Line(f.Have)
	case trustpolicy.FindingOrgUnexpected:
		return "it trusts the Fly organization " + have + ", not " + want
	case trustpolicy.FindingAppUnexpected:
		return "it allows an app that is not expected: " + have
	case trustpolicy.FindingSize:
		return "the policy has " + text.Line(f.Have) + " of the " + text.Line(f.Want) + " characters that IAM allows"
	case trustpolicy.FindingPrincipalAnyIf:
		return "the principal * is anyone who meets the conditions; name the principals"
	case trustpolicy.FindingProviderHost:
		return "the host in " + have + " is misspelled" + instead
	case trustpolicy.FindingSubjectUnderAudience:
		return have + " is a subject, and the key is that of the audience" + instead
	case trustpolicy.FindingMachineID:
		return "the last part of " + have + " looks like a machine's ID; a subject has the machine's name"
	case trustpolicy.FindingProcessGroup:
		return "the last part of " + have + " looks like a process group or a command; a subject has the machine's name"
	case trustpolicy.FindingAudienceUnregistered:
		if f.Want == "" {
			return "the provider has no audience, so STS refuses tokens for " + have
		}
		return "the provider does not have the audience " + have + ", only " + text.Line(f.Want) + ", so STS refuses its tokens"
	case trustpolicy.FindingMalformed:
		return "IAM refuses this policy: " + text.Line(f.Have)
	case trustpolicy.FindingTagSessionMissing:
		return "the condition on " + have + " needs a token with session tags, and no statement allows it " + text.Line(f.Want)
	case trustpolicy.FindingTagSessionUnused:
		return "it allows session tags for " + have + ", and no statement lets its tokens assume the role"
	}
	return ""
}
