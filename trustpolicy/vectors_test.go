package trustpolicy

import (
	"fmt"
	"testing"
)

// The pages of the IAM User Guide from which the expectations below come.
const (
	pageOperators  = "reference_policies_elements_condition_operators.html"
	pageExists     = "reference_policies_elements_condition_operators.html#Conditions_IfExists"
	pageNull       = "reference_policies_elements_condition_operators.html#Conditions_Null"
	pageLogic      = "reference_policies_condition-logic-multiple-context-keys-or-values.html"
	pageSets       = "reference_policies_condition-single-vs-multi-valued-context-keys.html"
	pageVariables  = "reference_policies_variables.html"
	pageNoValue    = "reference_policies_variables.html#policy-vars-no-value"
	pageSpecial    = "reference_policies_variables.html#policy-vars-specialchars"
	pageDefault    = "reference_policies_variables.html#policy-vars-default-values"
	pageCondition  = "reference_policies_elements_condition.html"
	pageVersion    = "reference_policies_elements_version.html"
	pagePrincipal  = "reference_policies_elements_principal.html"
	pageNot        = "reference_policies_elements_notprincipal.html"
	pageAction     = "reference_policies_elements_action.html"
	pageNotAction  = "reference_policies_elements_notaction.html"
	pageEvaluation = "reference_policies_evaluation-logic.html"
	pageKeys       = "reference_policies_iam-condition-keys.html"
	pageChecks     = "access-analyzer-reference-policy-checks.html"
	pageGrammar    = "reference_policies_grammar.html"
)

const provider = "arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/acme"

// vectorContext is what the request of every vector has. The key aws:TagKeys has
// several values, aws:SourceVpce is certainly absent, and no other key of AWS's
// is known.
func vectorContext() map[string][]string {
	c := WebIdentityContext("oidc.fly.io/acme", "sts.amazonaws.com", "acme:web:cold-shape-2007")
	for k, v := range map[string]string{
		"oidc.fly.io/acme:empty":  "",
		"aws:SourceIp":            "203.0.113.7",
		"aws:VpcSourceIp":         "2001:db8:1234:5678::1",
		"aws:CurrentTime":         "2024-05-06T07:08:09Z",
		"aws:EpochTime":           "1714979289",
		"aws:SecureTransport":     "true",
		"aws:MultiFactorAuthAge":  "300",
		"aws:SourceArn":           "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt",
		"aws:PrincipalTag/team":   "web",
		"aws:PrincipalTag/starry": "w*",
		"sts:RoleSessionName":     "fly-web",
		"aws:Binary":              "BinaryValueInBase64",
		"aws:Literal":             "a*b",
		"aws:Zoned":               "fe80::1%eth0",
		"aws:Dollar":              "${x}",
	} {
		c[k] = []string{v}
	}
	c["aws:TagKeys"] = []string{"Owner", "Project"}
	c["aws:SourceVpce"] = []string{}
	return c
}

// conditionVectors are conditions of a statement that would else allow the
// request: a condition that holds makes it accepted.
var conditionVectors = []struct {
	page, condition string
	verdict         Verdict
	reason          string
}{
	// Strings.
	{pageOperators, `{"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"}}`, Accepted, ReasonMatched},
	{pageOperators, `{"StringEquals":{"oidc.fly.io/acme:aud":"STS.amazonaws.com"}}`, Refused, ReasonCaseDiffers},
	{pageOperators, `{"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws"}}`, Refused, ReasonNoMatch},
	{pageOperators, `{"StringEquals":{"oidc.fly.io/acme:sub":"acme:web:*"}}`, Refused, ReasonWildcardLiteral},
	{pageOperators, `{"StringEquals":{"aws:Literal":"a*b"}}`, Accepted, ReasonMatched},
	{pageOperators, `{"StringNotEquals":{"oidc.fly.io/acme:aud":"other"}}`, Accepted, ReasonNoMatch},
	{pageOperators, `{"StringNotEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"}}`, Refused, ReasonMatched},
	{pageOperators, `{"StringEqualsIgnoreCase":{"oidc.fly.io/acme:aud":"STS.AMAZONAWS.COM"}}`, Accepted, ReasonMatched},
	{pageOperators, `{"StringNotEqualsIgnoreCase":{"oidc.fly.io/acme:aud":"STS.AMAZONAWS.COM"}}`, Refused, ReasonMatched},
	{pageOperators, `{"StringLike":{"oidc.fly.io/acme:sub":"acme:web:*"}}`, Accepted, ReasonMatched},
	{pageOperators, `{"StringLike":{"oidc.fly.io/acme:sub":"acme:*"}}`, Accepted, ReasonMatched},
	{pageOperators, `{"StringLike":{"oidc.fly.io/acme:sub":"*"}}`, Accepted, ReasonMatched},
	{pageOperators, `{"StringLike":{"oidc.fly.io/acme:sub":"acme:w?b:cold-*-2007"}}`, Accepted, ReasonMatched},
	{pageOperators, `{"StringLike":{"oidc.fly.io/acme:sub":"acme:web:cold-shape-2007?"}}`, Refused, ReasonNoMatch},
	{pageOperators, `{"StringLike":{"oidc.fly.io/acme:sub":"acme:web"}}`, Refused, ReasonNoMatch},
	{pageOperators, `{"StringLike":{"oidc.fly.io/acme:sub":"Acme:Web:*"}}`, Refused, ReasonCaseDiffers},
	{pageOperators, `{"StringNotLike":{"oidc.fly.io/acme:sub":"acme:web:*"}}`, Refused, ReasonMatched},
	{pageOperators, `{"StringNotLike":{"oidc.fly.io/acme:sub":"acme:db:*"}}`, Accepted, ReasonNoMatch},
	{pageCondition, `{"StringEquals":{"OIDC.FLY.IO/ACME:AUD":"sts.amazonaws.com"}}`, Accepted, ReasonMatched},
	{pageGrammar, `{"NumericEquals":{"aws:MultiFactorAuthAge":300}}`, Accepted, ReasonMatched},

	// Several values, keys and operators.
	{pageLogic, `{"StringEquals":{"oidc.fly.io/acme:aud":["a","sts.amazonaws.com"]}}`, Accepted, ReasonMatched},
	{pageLogic, `{"StringNotEquals":{"oidc.fly.io/acme:aud":["a","sts.amazonaws.com"]}}`, Refused, ReasonMatched},
	{pageLogic, `{"StringNotEquals":{"oidc.fly.io/acme:aud":["a","b"]}}`, Accepted, ReasonNoMatch},
	{pageLogic, `{"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":"x"}}`, Refused, ReasonMatched},
	{pageLogic, `{"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},"StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}}`, Refused, ReasonMatched},
	{pageLogic, `{"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},"StringLike":{"oidc.fly.io/acme:sub":"acme:web:*"}}`, Accepted, ReasonMatched},

	// Keys that the request does not have.
	{pageOperators, `{"StringEquals":{"oidc.fly.io/acme:app_name":"web"}}`, Refused, ReasonMissingKey},
	{pageOperators, `{"StringNotEquals":{"oidc.fly.io/acme:app_name":"web"}}`, Accepted, ReasonMissingKey},
	{pageOperators, `{"StringNotLike":{"aws:SourceVpce":"vpce-*"}}`, Accepted, ReasonMissingKey},
	{pageOperators, `{"NotIpAddress":{"aws:SourceVpce":"203.0.113.0/24"}}`, Accepted, ReasonMissingKey},
	{pageOperators, `{"ArnNotEquals":{"aws:SourceVpce":"arn:aws:sns:*:*:*"}}`, Accepted, ReasonMissingKey},
	{pageKeys, `{"StringEquals":{"oidc.fly.io/other:sub":"acme:web:cold-shape-2007"}}`, Refused, ReasonOtherProvider},
	{pageKeys, `{"StringEquals":{"graph.facebook.com:app_id":"1"}}`, Refused, ReasonOtherProvider},
	{pageKeys, `{"StringEquals":{"saml:aud":"x"}}`, Refused, ReasonMissingKey},
	{pageExists, `{"StringEqualsIfExists":{"oidc.fly.io/acme:app_name":"web"}}`, Accepted, ReasonMissingKey},
	{pageExists, `{"StringNotEqualsIfExists":{"oidc.fly.io/acme:app_name":"web"}}`, Accepted, ReasonMissingKey},
	{pageExists, `{"StringEqualsIfExists":{"oidc.fly.io/acme:aud":"web"}}`, Refused, ReasonNoMatch},
	{pageExists, `{"NumericLessThanIfExists":{"aws:SourceVpce":"1"}}`, Accepted, ReasonMissingKey},
	{pageExists, `{"ForAnyValue:StringLikeIfExists":{"aws:SourceVpce":"x"}}`, Accepted, ReasonMissingKey},
	{pageExists, `{"StringLikeIfExists":{"aws:PrincipalOrgID":"o-*"}}`, Undecided, ReasonUnknownKey},
	{pageOperators, `{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}`, Undecided, ReasonUnknownKey},
	{pageOperators, `{"StringNotEquals":{"sts:ExternalId":"x"}}`, Undecided, ReasonUnknownKey},

	// Null.
	{pageNull, `{"Null":{"oidc.fly.io/acme:app_name":"true"}}`, Accepted, ReasonMatched},
	{pageNull, `{"Null":{"oidc.fly.io/acme:app_name":"false"}}`, Refused, ReasonNoMatch},
	{pageNull, `{"Null":{"oidc.fly.io/acme:sub":false}}`, Accepted, ReasonMatched},
	{pageNull, `{"Null":{"oidc.fly.io/acme:sub":"true"}}`, Refused, ReasonNoMatch},
	{pageNull, `{"Null":{"oidc.fly.io/acme:sub":["true","false"]}}`, Accepted, ReasonMatched},
	{pageNull, `{"Null":{"aws:SourceVpce":"true"}}`, Accepted, ReasonMatched},
	{pageNull, `{"Null":{"aws:TokenIssueTime":"true"}}`, Undecided, ReasonUnknownKey},
	{pageNull, `{"Null":{"oidc.fly.io/acme:empty":"true"}}`, Undecided, ReasonEmptyValue},
	{pageChecks, `{"ForAllValues:Null":{"aws:TagKeys":"true"}}`, Accepted, ReasonNullQuantified},
	{pageChecks, `{"ForAnyValue:Null":{"aws:TagKeys":"false"}}`, Refused, ReasonNullQuantified},

	// Sets.
	{pageSets, `{"ForAllValues:StringEquals":{"aws:TagKeys":["Project","Owner","Stage"]}}`, Accepted, ReasonMatched},
	{pageSets, `{"ForAllValues:StringEquals":{"aws:TagKeys":["Project","Stage"]}}`, Refused, ReasonNoMatch},
	{pageSets, `{"ForAllValues:StringLike":{"aws:TagKeys":["P*","O*"]}}`, Accepted, ReasonMatched},
	{pageSets, `{"ForAllValues:StringEquals":{"aws:SourceVpce":"x"}}`, Accepted, ReasonMissingKey},
	{pageSets, `{"ForAllValues:StringEquals":{"oidc.fly.io/acme:empty":"x"}}`, Accepted, ReasonEmptyValue},
	{pageSets, `{"ForAnyValue:StringEquals":{"aws:TagKeys":["Project","Stage"]}}`, Accepted, ReasonMatched},
	{pageSets, `{"ForAnyValue:StringEquals":{"aws:TagKeys":["Owner"]}}`, Accepted, ReasonMatched},
	{pageSets, `{"ForAnyValue:StringEquals":{"aws:TagKeys":["Stage"]}}`, Refused, ReasonNoMatch},
	{pageSets, `{"ForAnyValue:StringEquals":{"aws:SourceVpce":"x"}}`, Refused, ReasonMissingKey},
	{pageSets, `{"ForAnyValue:StringNotEquals":{"aws:SourceVpce":"x"}}`, Refused, ReasonMissingKey},
	{pageSets, `{"ForAnyValue:StringEquals":{"oidc.fly.io/acme:empty":"x"}}`, Refused, ReasonEmptyValue},
	{pageSets, `{"ForAllValues:StringNotEquals":{"aws:TagKeys":["Stage"]}}`, Accepted, ReasonNoMatch},
	{pageSets, `{"ForAllValues:StringNotEquals":{"aws:TagKeys":["Owner"]}}`, Refused, ReasonMatched},
	{pageSets, `{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["Owner"]}}`, Accepted, ReasonNoMatch},
	{pageSets, `{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["Owner","Project"]}}`, Refused, ReasonMatched},
	{pageSets, `{"StringEquals":{"aws:TagKeys":"Owner"}}`, Undecided, ReasonManyValues},
	{pageChecks, `{"StringEquals":{"oidc.fly.io/acme:sub":[]}}`, Undecided, ReasonNoValues},
	{pageChecks, `{"ForAllValues:StringEquals":{"aws:TagKeys":[]}}`, Refused, ReasonNoValues},
	{pageChecks, `{"ForAllValues:StringEquals":{"aws:SourceVpce":[]}}`, Accepted, ReasonNoValues},
	{pageChecks, `{"ForAnyValue:StringEquals":{"aws:TagKeys":[]}}`, Refused, ReasonNoValues},
	{pageChecks, `{"StringEqualsIfExists":{"aws:SourceVpce":[]}}`, Accepted, ReasonNoValues},
	{pageChecks, `{"StringEqualsIfExists":{"oidc.fly.io/acme:sub":[]}}`, Refused, ReasonNoValues},

	// Variables.
	{pageVariables, `{"StringLike":{"oidc.fly.io/acme:sub":"acme:${aws:PrincipalTag/team}:*"}}`, Accepted, ReasonMatched},
	{pageVariables, `{"StringLike":{"oidc.fly.io/acme:sub":"acme:${AWS:principaltag/TEAM}:*"}}`, Accepted, ReasonMatched},
	{pageVariables, `{"StringEquals":{"sts:RoleSessionName":"fly-${aws:PrincipalTag/team}"}}`, Accepted, ReasonMatched},
	{pageVariables, `{"StringEquals":{"sts:RoleSessionName":"${oidc.fly.io/acme:sub}"}}`, Refused, ReasonNoMatch},
	{pageVariables, `{"StringEquals":{"sts:RoleSessionName":"${aws:username}"}}`, Undecided, ReasonUnknownVariable},
	{pageVariables, `{"StringEquals":{"sts:RoleSessionName":"${aws:TagKeys}"}}`, Undecided, ReasonUnclearVariable},
	{pageNoValue, `{"StringEquals":{"sts:RoleSessionName":"${aws:SourceVpce}"}}`, Refused, ReasonUnresolvedVariable},
	{pageNoValue, `{"StringNotEquals":{"sts:RoleSessionName":"${aws:SourceVpce}"}}`, Accepted, ReasonUnresolvedVariable},
	{pageNoValue, `{"StringLike":{"sts:RoleSessionName":"*${aws:SourceVpce}"}}`, Refused, ReasonUnresolvedVariable},
	{pageDefault, `{"StringEquals":{"sts:RoleSessionName":"fly-${aws:SourceVpce, 'web'}"}}`, Accepted, ReasonMatched},
	{pageDefault, `{"StringEquals":{"sts:RoleSessionName":"fly-${aws:PrincipalTag/team, 'db'}"}}`, Accepted, ReasonMatched},
	{pageDefault, `{"StringEquals":{"sts:RoleSessionName":"${aws:username, 'fly-web'}"}}`, Undecided, ReasonUnknownVariable},
	{pageSpecial, `{"StringLike":{"aws:Literal":"a${*}b"}}`, Accepted, ReasonMatched},
	{pageSpecial, `{"StringLike":{"sts:RoleSessionName":"fly${*}"}}`, Refused, ReasonNoMatch},
	{pageSpecial, `{"StringLike":{"sts:RoleSessionName":"fly${?}web"}}`, Refused, ReasonNoMatch},
	{pageSpecial, `{"StringEquals":{"sts:RoleSessionName":"${$}{x}"}}`, Refused, ReasonNoMatch},
	{pageSpecial, `{"StringEquals":{"aws:Dollar":"${$}{x}"}}`, Accepted, ReasonMatched},
	{pageSpecial, `{"StringEquals":{"aws:Literal":"a${*}b"}}`, Accepted, ReasonMatched},
	{pageVariables, `{"StringLike":{"oidc.fly.io/acme:sub":"acme:${aws:PrincipalTag/starry}:*"}}`, Undecided, ReasonUnclearVariable},
	{pageChecks, `{"StringEquals":{"sts:RoleSessionName":"${aws:username"}}`, Undecided, ReasonUnclearVariable},
	{pageChecks, `{"StringEquals":{"sts:RoleSessionName":"${aws:SourceVpce, 'web}"}}`, Undecided, ReasonUnclearVariable},
	{pageChecks, `{"StringEquals":{"sts:RoleSessionName":"${"}}`, Undecided, ReasonUnclearVariable},
	{pageChecks, `{"StringEquals":{"sts:RoleSessionName":"${*"}}`, Undecided, ReasonUnclearVariable},
	{pageChecks, `{"StringEquals":{"sts:RoleSessionName":"${aws:SourceVpce, web}"}}`, Undecided, ReasonUnclearVariable},
	{pageChecks, `{"StringEquals":{"sts:RoleSessionName":"${aws:SourceVpce, 'a'b}"}}`, Undecided, ReasonUnclearVariable},
	{pageNoValue, `{"StringEquals":{"sts:RoleSessionName":"${aws:username}${aws:SourceVpce}"}}`, Refused, ReasonUnresolvedVariable},
	{pageChecks, `{"StringEquals":{"sts:RoleSessionName":"${}"}}`, Undecided, ReasonUnclearVariable},
	{pageChecks, `{"StringEquals":{"sts:RoleSessionName":"${aws: username}"}}`, Undecided, ReasonUnclearVariable},
	{pageVariables, `{"Bool":{"aws:SecureTransport":"${aws:SecureTransport}"}}`, Undecided, ReasonUnclearVariable},
	{pageOperators, `{"NumericEquals":{"aws:MultiFactorAuthAge":"${aws:MultiFactorAuthAge}"}}`, Refused, ReasonBadValue},

	// Numbers, dates and booleans.
	{pageOperators, `{"NumericLessThan":{"aws:MultiFactorAuthAge":"300"}}`, Refused, ReasonNoMatch},
	{pageOperators, `{"NumericLessThanEquals":{"aws:MultiFactorAuthAge":"300.0"}}`, Accepted, ReasonMatched},
	{pageOperators, `{"NumericGreaterThan":{"aws:MultiFactorAuthAge":"299.99"}}`, Accepted, ReasonMatched},
	{pageOperators, `{"NumericGreaterThanEquals":{"aws:MultiFactorAuthAge":301}}`, Refused, ReasonNoMatch},
	{pageOperators, `{"NumericGreaterThanEquals":{"aws:MultiFactorAuthAge":300}}`, Accepted, ReasonMatched},
	{pageOperators, `{"NumericNotEquals":{"aws:MultiFactorAuthAge":["-1","300"]}}`, Refused, ReasonMatched},
	{pageChecks, `{"NumericEquals":{"oidc.fly.io/acme:sub":"1"}}`, Refused, ReasonBadValue},
	{pageChecks, `{"NumericNotEquals":{"oidc.fly.io/acme:sub":"1"}}`, Undecided, ReasonBadValue},
	{pageOperators, `{"DateGreaterThan":{"aws:CurrentTime":"2024-05-06T07:08:08Z"}}`, Accepted, ReasonMatched},
	{pageOperators, `{"DateLessThan":{"aws:CurrentTime":"2024-05-06"}}`, Refused, ReasonNoMatch},
	{pageOperators, `{"DateLessThanEquals":{"aws:CurrentTime":"2024-05-06T09:08:09+02:00"}}`, Accepted, ReasonMatched},
	{pageOperators, `{"DateEquals":{"aws:CurrentTime":"1714979289"}}`, Accepted, ReasonMatched},
	{pageOperators, `{"DateGreaterThanEquals":{"aws:EpochTime":"2024-05-06T07:08Z"}}`, Accepted, ReasonMatched},
	{pageOperators, `{"DateNotEquals":{"aws:EpochTime":"2024-05-06T07:08:09.000Z"}}`, Refused, ReasonMatched},
	{pageOperators, `{"DateLessThan":{"aws:CurrentTime":"2024-*"}}`, Refused, ReasonBadValue},
	{pageOperators, `{"DateLessThan":{"aws:CurrentTime":"2025"}}`, Undecided, ReasonBadValue},
	{pageOperators, `{"Bool":{"aws:SecureTransport":true}}`, Accepted, ReasonMatched},
	{pageOperators, `{"Bool":{"aws:SecureTransport":"false"}}`, Refused, ReasonNoMatch},
	{pageOperators, `{"Bool":{"aws:SecureTransport":"TRUE"}}`, Undecided, ReasonBadValue},
	{pageChecks, `{"Bool":{"aws:SecureTransport":"yes"}}`, Refused, ReasonBadValue},
	{pageOperators, `{"BinaryEquals":{"aws:Binary":"QmluYXJ5VmFsdWVJbkJhc2U2NA=="}}`, Accepted, ReasonMatched},
	{pageOperators, `{"BinaryEquals":{"aws:Binary":"QmluYXJ5"}}`, Refused, ReasonNoMatch},

	// Addresses.
	{pageOperators, `{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`, Accepted, ReasonMatched},
	{pageOperators, `{"IpAddress":{"aws:SourceIp":["203.0.113.8","2001:DB8:1234:5678::/64"]}}`, Refused, ReasonNoMatch},
	{pageOperators, `{"IpAddress":{"aws:SourceIp":"203.0.113.7"}}`, Accepted, ReasonMatched},
	{pageOperators, `{"IpAddress":{"aws:VpcSourceIp":"2001:DB8:1234:5678::/64"}}`, Accepted, ReasonMatched},
	{pageOperators, `{"IpAddress":{"aws:VpcSourceIp":"2001:db8::"}}`, Undecided, ReasonBadValue},
	{pageOperators, `{"IpAddress":{"aws:VpcSourceIp":"2001:db9::"}}`, Refused, ReasonNoMatch},
	{pageChecks, `{"IpAddress":{"aws:SourceIp":["203.0.113.0/33","203.0.113.7%eth0","fe80::1%eth0","localhost"]}}`, Refused, ReasonBadValue},
	{pageChecks, `{"NotIpAddress":{"aws:SourceIp":"localhost"}}`, Undecided, ReasonBadValue},
	{pageChecks, `{"NotIpAddress":{"aws:Zoned":"fe80::/10"}}`, Undecided, ReasonBadValue},
	{pageOperators, `{"NotIpAddress":{"aws:SourceIp":["192.0.2.0/24","203.0.113.0/24"]}}`, Refused, ReasonMatched},
	{pageOperators, `{"NotIpAddress":{"aws:SourceIp":["192.0.2.0/24","198.51.100.0/24"]}}`, Accepted, ReasonNoMatch},

	// ARNs.
	{pageOperators, `{"ArnLike":{"aws:SourceArn":"arn:aws:someservice:*:111122223333:finance/*"}}`, Refused, ReasonNoMatch},
	{pageOperators, `{"StringLike":{"aws:SourceArn":"arn:aws:someservice:*:111122223333:finance/*"}}`, Accepted, ReasonMatched},
	{pageOperators, `{"ArnEquals":{"aws:SourceArn":"arn:aws:someservice:*:999999999999:store/???:*"}}`, Accepted, ReasonMatched},
	{pageOperators, `{"ArnEquals":{"aws:SourceArn":"arn:AWS:someservice:*:999999999999:*"}}`, Refused, ReasonCaseDiffers},
	{pageOperators, `{"ArnNotLike":{"aws:SourceArn":"arn:aws:sns:*:*:*"}}`, Accepted, ReasonNoMatch},
	{pageOperators, `{"ArnNotEquals":{"aws:SourceArn":"arn:aws:someservice:us-*:*:*"}}`, Refused, ReasonMatched},
	{pageOperators, `{"ArnLike":{"aws:SourceArn":"arn:aws:*"}}`, Undecided, ReasonBadValue},
	{pageOperators, `{"ArnLike":{"oidc.fly.io/acme:sub":"arn:aws:sns:*:*:*"}}`, Refused, ReasonBadValue},
	{pageVariables, `{"ArnLike":{"aws:SourceArn":"arn:aws:someservice:*:*:${aws:PrincipalTag/team}/*"}}`, Refused, ReasonNoMatch},
}

func TestConditionVectors(t *testing.T) {
	t.Parallel()
	for i, tt := range conditionVectors {
		t.Run(fmt.Sprintf("%d %s", i, tt.condition), func(t *testing.T) {
			t.Parallel()
			p := mustParse(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"`+provider+
				`"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":`+tt.condition+`}]}`)
			d := p.Evaluate(Request{Action: AssumeAction, Federated: provider, Context: vectorContext()})
			c := d.Statements[0].Conditions[0]
			if d.Verdict != tt.verdict || c.Reason != tt.reason {
				t.Errorf("%s, %s (%s); want %s, %s after %s\nwanted %q, presented %q",
					d.Verdict, c.Outcome, c.Reason, tt.verdict, tt.reason, tt.page, c.Wanted, c.Presented)
			}
		})
	}
}

const (
	ours  = `"Principal":{"Federated":"` + provider + `"}`
	allow = `{"Effect":"Allow",` + ours + `,"Action":"sts:AssumeRoleWithWebIdentity"}`
	// Denials that hold, fail and are undecided.
	denyWeb     = `{"Effect":"Deny",` + ours + `,"Action":"*","Condition":{"StringLike":{"oidc.fly.io/acme:sub":"acme:web:*"}}}`
	denyDB      = `{"Effect":"Deny",` + ours + `,"Action":"*","Condition":{"StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}}}`
	denyUnknown = `{"Effect":"Deny",` + ours + `,"Action":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}}`
	allowMaybe  = `{"Effect":"Allow",` + ours + `,"Action":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}}`
	allowDB     = `{"Effect":"Allow",` + ours + `,"Action":"*","Condition":{"StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}}}`
)

func allowing(elements string) string { return `{"Effect":"Allow",` + elements + `}` }

// policyVectors are whole lists of statements.
var policyVectors = []struct {
	page, name, version, statements string
	verdict                         Verdict
}{
	// The logic of statements.
	{pageEvaluation, "an allow", Version2012, allow, Accepted},
	{pageEvaluation, "denied by default", Version2012, allowDB, Refused},
	{pageEvaluation, "one of two allows", Version2012, allowDB + "," + allow, Accepted},
	{pageEvaluation, "explicit deny wins, after", Version2012, allow + "," + denyWeb, Refused},
	{pageEvaluation, "explicit deny wins, before", Version2012, denyWeb + "," + allow, Refused},
	{pageEvaluation, "a deny that does not apply", Version2012, allow + "," + denyDB, Accepted},
	{pageEvaluation, "a deny that may apply", Version2012, allow + "," + denyUnknown, Undecided},
	{pageEvaluation, "a deny that may apply to what is not allowed", Version2012, allowDB + "," + denyUnknown, Refused},
	{pageEvaluation, "an allow that may apply", Version2012, allowMaybe, Undecided},
	{pageEvaluation, "an allow that may apply beside one that does", Version2012, allowMaybe + "," + allow, Accepted},
	{pageEvaluation, "an allow that may apply and a deny that does", Version2012, allowMaybe + "," + denyWeb, Refused},
	{pageEvaluation, "unknown beside failed is failed", Version2012, allowing(ours + `,"Action":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1","oidc.fly.io/acme:aud":"x"}}`), Refused},

	// Principals.
	{pagePrincipal, "one of several providers", Version2012, allowing(`"Principal":{"Federated":["graph.facebook.com","` + provider + `"]},"Action":"*"`), Accepted},
	{pagePrincipal, "another provider", Version2012, allowing(`"Principal":{"Federated":"graph.facebook.com"},"Action":"*"`), Refused},
	{pagePrincipal, "the provider of another org", Version2012, allowing(`"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/acme2"},"Action":"*"`), Refused},
	{pagePrincipal, "the provider in another case", Version2012, allowing(`"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/Acme"},"Action":"*"`), Refused},
	{pagePrincipal, "the provider's path alone", Version2012, allowing(`"Principal":{"Federated":"oidc.fly.io/acme"},"Action":"*"`), Refused},
	{pagePrincipal, "no wildcard in part of an ARN", Version2012, allowing(`"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/*"},"Action":"*"`), Refused},
	{pagePrincipal, "the account is no federated principal", Version2012, allowing(`"Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"*"`), Refused},
	{pagePrincipal, "a service is no federated principal", Version2012, allowing(`"Principal":{"Service":"sts.amazonaws.com"},"Action":"*"`), Refused},
	{pagePrincipal, "an ARN of a provider under AWS", Version2012, allowing(`"Principal":{"AWS":"` + provider + `"},"Action":"*"`), Refused},
	{pageChecks, "anybody", Version2012, allowing(`"Principal":"*","Action":"*"`), Undecided},
	{pageChecks, "any account", Version2012, allowing(`"Principal":{"AWS":"*"},"Action":"*"`), Undecided},
	{pageChecks, "any provider", Version2012, allowing(`"Principal":{"Federated":"*"},"Action":"*"`), Undecided},
	{pageChecks, "anybody, but on a condition that fails", Version2012, allowing(`"Principal":"*","Action":"*","Condition":{"StringEquals":{"oidc.fly.io/acme:aud":"x"}}`), Refused},
	{pageChecks, "nobody", Version2012, allowing(`"Principal":{},"Action":"*"`), Refused},
	{pageChecks, "an empty list", Version2012, allowing(`"Principal":{"Federated":[]},"Action":"*"`), Refused},
	{pageNot, "all but the provider", Version2012, allow + `,{"Effect":"Deny","NotPrincipal":{"Federated":"` + provider + `"},"Action":"*"}`, Accepted},
	{pageNot, "all but nobody", Version2012, allow + `,{"Effect":"Deny","NotPrincipal":{},"Action":"*"}`, Undecided},
	{pageNot, "all but another", Version2012, allow + `,{"Effect":"Deny","NotPrincipal":{"AWS":"arn:aws:iam::444455556666:user/Bob"},"Action":"*"}`, Refused},

	// Actions.
	{pageAction, "case does not count", Version2012, allowing(ours + `,"Action":"STS:assumerolewithwebidentity"`), Accepted},
	{pageAction, "all of a service", Version2012, allowing(ours + `,"Action":"sts:*"`), Accepted},
	{pageAction, "part of a name", Version2012, allowing(ours + `,"Action":"sts:*WebIdentity"`), Accepted},
	{pageAction, "one character", Version2012, allowing(ours + `,"Action":"sts:AssumeRoleWith???Identity"`), Accepted},
	{pageAction, "a prefix is not enough", Version2012, allowing(ours + `,"Action":"sts:AssumeRole"`), Refused},
	{pageAction, "one of several", Version2012, allowing(ours + `,"Action":["sts:TagSession","sts:AssumeRoleWithWebIdentity"]`), Accepted},
	{pageAction, "another service", Version2012, allowing(ours + `,"Action":"iam:*"`), Refused},
	{pageChecks, "no action", Version2012, allowing(ours + `,"Action":[]`), Refused},
	{pageNotAction, "all but another", Version2012, allowing(ours + `,"NotAction":"sts:AssumeRole"`), Accepted},
	{pageNotAction, "all but this", Version2012, allowing(ours + `,"NotAction":"sts:AssumeRoleWith*"`), Refused},
	{pageNotAction, "all but nothing", Version2012, allowing(ours + `,"NotAction":[]`), Undecided},

	// Versions.
	{pageVersion, "variables in the new version", Version2012, allowing(ours + `,"Action":"*","Condition":{"StringLike":{"oidc.fly.io/acme:sub":"acme:${aws:PrincipalTag/team}:*"}}`), Accepted},
	{pageVersion, "variables are text in the old version", Version2008, allowing(ours + `,"Action":"*","Condition":{"StringLike":{"oidc.fly.io/acme:sub":"acme:${aws:PrincipalTag/team}:*"}}`), Refused},
	{pageVersion, "variables are text without a version", "", allowing(ours + `,"Action":"*","Condition":{"StringLike":{"oidc.fly.io/acme:sub":"acme:${aws:PrincipalTag/team}:*"}}`), Refused},
	{pageVersion, "unknown variables are text in the old version", Version2008, allowing(ours + `,"Action":"*","Condition":{"StringNotEquals":{"oidc.fly.io/acme:sub":"${aws:username}"}}`), Accepted},
}

func TestPolicyVectors(t *testing.T) {
	t.Parallel()
	for _, tt := range policyVectors {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			version := ""
			if tt.version != "" {
				version = `"Version":"` + tt.version + `",`
			}
			p := mustParse(t, `{`+version+`"Statement":[`+tt.statements+`]}`)
			d := p.Evaluate(Request{Action: AssumeAction, Federated: provider, Context: vectorContext()})
			if d.Verdict != tt.verdict {
				t.Errorf("%s, want %s after %s\n%+v", d.Verdict, tt.verdict, tt.page, d)
			}
		})
	}
}
