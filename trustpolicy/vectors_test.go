package trustpolicy

import (
	"fmt"
	"testing"
)

// The pages of the IAM User Guide that the vectors come from.
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

// vectorContext returns the keys in the request of every vector. aws:TagKeys has several
// values, aws:SourceVpce is absent, and AWS's other keys are unknown.
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

// conditionVectors are conditions of a statement that otherwise allows the request.
var conditionVectors = []struct {
	page, condition string
	verdict         Decision
	reason          string
}{
	// Strings.
	{pageOperators, `{"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"}}`, Allowed, ReasonMatched},
	{pageOperators, `{"StringEquals":{"oidc.fly.io/acme:aud":"STS.amazonaws.com"}}`, ImplicitlyDenied, ReasonCaseDiffers},
	{pageOperators, `{"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws"}}`, ImplicitlyDenied, ReasonNoMatch},
	{pageOperators, `{"StringEquals":{"oidc.fly.io/acme:sub":"acme:web:*"}}`, ImplicitlyDenied, ReasonWildcardLiteral},
	{pageOperators, `{"StringEquals":{"aws:Literal":"a*b"}}`, Allowed, ReasonMatched},
	{pageOperators, `{"StringNotEquals":{"oidc.fly.io/acme:aud":"other"}}`, Allowed, ReasonNoMatch},
	{pageOperators, `{"StringNotEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"}}`, ImplicitlyDenied, ReasonMatched},
	{pageOperators, `{"StringEqualsIgnoreCase":{"oidc.fly.io/acme:aud":"STS.AMAZONAWS.COM"}}`, Allowed, ReasonMatched},
	{pageOperators, `{"StringNotEqualsIgnoreCase":{"oidc.fly.io/acme:aud":"STS.AMAZONAWS.COM"}}`, ImplicitlyDenied, ReasonMatched},
	{pageOperators, `{"StringLike":{"oidc.fly.io/acme:sub":"acme:web:*"}}`, Allowed, ReasonMatched},
	{pageOperators, `{"StringLike":{"oidc.fly.io/acme:sub":"acme:*"}}`, Allowed, ReasonMatched},
	{pageOperators, `{"StringLike":{"oidc.fly.io/acme:sub":"*"}}`, Allowed, ReasonMatched},
	{pageOperators, `{"StringLike":{"oidc.fly.io/acme:sub":"acme:w?b:cold-*-2007"}}`, Allowed, ReasonMatched},
	{pageOperators, `{"StringLike":{"oidc.fly.io/acme:sub":"acme:web:cold-shape-2007?"}}`, ImplicitlyDenied, ReasonNoMatch},
	{pageOperators, `{"StringLike":{"oidc.fly.io/acme:sub":"acme:web"}}`, ImplicitlyDenied, ReasonNoMatch},
	{pageOperators, `{"StringLike":{"oidc.fly.io/acme:sub":"Acme:Web:*"}}`, ImplicitlyDenied, ReasonCaseDiffers},
	{pageOperators, `{"StringNotLike":{"oidc.fly.io/acme:sub":"acme:web:*"}}`, ImplicitlyDenied, ReasonMatched},
	{pageOperators, `{"StringNotLike":{"oidc.fly.io/acme:sub":"acme:db:*"}}`, Allowed, ReasonNoMatch},
	{pageCondition, `{"StringEquals":{"OIDC.FLY.IO/ACME:AUD":"sts.amazonaws.com"}}`, Allowed, ReasonMatched},
	{pageGrammar, `{"NumericEquals":{"aws:MultiFactorAuthAge":300}}`, Allowed, ReasonMatched},

	// Several values, keys and operators.
	{pageLogic, `{"StringEquals":{"oidc.fly.io/acme:aud":["a","sts.amazonaws.com"]}}`, Allowed, ReasonMatched},
	{pageLogic, `{"StringNotEquals":{"oidc.fly.io/acme:aud":["a","sts.amazonaws.com"]}}`, ImplicitlyDenied, ReasonMatched},
	{pageLogic, `{"StringNotEquals":{"oidc.fly.io/acme:aud":["a","b"]}}`, Allowed, ReasonNoMatch},
	{pageLogic, `{"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":"x"}}`, ImplicitlyDenied, ReasonMatched},
	{pageLogic, `{"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},"StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}}`, ImplicitlyDenied, ReasonMatched},
	{pageLogic, `{"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},"StringLike":{"oidc.fly.io/acme:sub":"acme:web:*"}}`, Allowed, ReasonMatched},

	// Keys that the request does not have.
	{pageOperators, `{"StringEquals":{"oidc.fly.io/acme:app_name":"web"}}`, ImplicitlyDenied, ReasonMissingKey},
	{pageOperators, `{"StringNotEquals":{"oidc.fly.io/acme:app_name":"web"}}`, Allowed, ReasonMissingKey},
	{pageOperators, `{"StringNotLike":{"aws:SourceVpce":"vpce-*"}}`, Allowed, ReasonMissingKey},
	{pageOperators, `{"NotIpAddress":{"aws:SourceVpce":"203.0.113.0/24"}}`, Allowed, ReasonMissingKey},
	{pageOperators, `{"ArnNotEquals":{"aws:SourceVpce":"arn:aws:sns:*:*:*"}}`, Allowed, ReasonMissingKey},
	{pageKeys, `{"StringEquals":{"oidc.fly.io/other:sub":"acme:web:cold-shape-2007"}}`, ImplicitlyDenied, ReasonOtherProvider},
	{pageKeys, `{"StringEquals":{"graph.facebook.com:app_id":"1"}}`, ImplicitlyDenied, ReasonOtherProvider},
	{pageKeys, `{"StringEquals":{"saml:aud":"x"}}`, ImplicitlyDenied, ReasonMissingKey},
	{pageExists, `{"StringEqualsIfExists":{"oidc.fly.io/acme:app_name":"web"}}`, Allowed, ReasonMissingKey},
	{pageExists, `{"StringNotEqualsIfExists":{"oidc.fly.io/acme:app_name":"web"}}`, Allowed, ReasonMissingKey},
	{pageExists, `{"StringEqualsIfExists":{"oidc.fly.io/acme:aud":"web"}}`, ImplicitlyDenied, ReasonNoMatch},
	{pageExists, `{"NumericLessThanIfExists":{"aws:SourceVpce":"1"}}`, Allowed, ReasonMissingKey},
	{pageExists, `{"ForAnyValue:StringLikeIfExists":{"aws:SourceVpce":"x"}}`, Allowed, ReasonMissingKey},
	{pageExists, `{"StringLikeIfExists":{"aws:PrincipalOrgID":"o-*"}}`, Undecided, ReasonUnknownKey},
	{pageOperators, `{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}`, Undecided, ReasonUnknownKey},
	{pageOperators, `{"StringNotEquals":{"sts:ExternalId":"x"}}`, Undecided, ReasonUnknownKey},

	// Null.
	{pageNull, `{"Null":{"oidc.fly.io/acme:app_name":"true"}}`, Allowed, ReasonMatched},
	{pageNull, `{"Null":{"oidc.fly.io/acme:app_name":"false"}}`, ImplicitlyDenied, ReasonNoMatch},
	{pageNull, `{"Null":{"oidc.fly.io/acme:sub":false}}`, Allowed, ReasonMatched},
	{pageNull, `{"Null":{"oidc.fly.io/acme:sub":"true"}}`, ImplicitlyDenied, ReasonNoMatch},
	{pageNull, `{"Null":{"oidc.fly.io/acme:sub":["true","false"]}}`, Allowed, ReasonMatched},
	{pageNull, `{"Null":{"aws:SourceVpce":"true"}}`, Allowed, ReasonMatched},
	{pageNull, `{"Null":{"aws:TokenIssueTime":"true"}}`, Undecided, ReasonUnknownKey},
	{pageNull, `{"Null":{"oidc.fly.io/acme:empty":"true"}}`, Undecided, ReasonEmptyValue},
	{pageChecks, `{"ForAllValues:Null":{"aws:TagKeys":"true"}}`, Allowed, ReasonNullQuantified},
	{pageChecks, `{"ForAnyValue:Null":{"aws:TagKeys":"false"}}`, ImplicitlyDenied, ReasonNullQuantified},

	// Sets.
	{pageSets, `{"ForAllValues:StringEquals":{"aws:TagKeys":["Project","Owner","Stage"]}}`, Allowed, ReasonMatched},
	{pageSets, `{"ForAllValues:StringEquals":{"aws:TagKeys":["Project","Stage"]}}`, ImplicitlyDenied, ReasonNoMatch},
	{pageSets, `{"ForAllValues:StringLike":{"aws:TagKeys":["P*","O*"]}}`, Allowed, ReasonMatched},
	{pageSets, `{"ForAllValues:StringEquals":{"aws:SourceVpce":"x"}}`, Allowed, ReasonMissingKey},
	{pageSets, `{"ForAllValues:StringEquals":{"oidc.fly.io/acme:empty":"x"}}`, Allowed, ReasonEmptyValue},
	{pageSets, `{"ForAnyValue:StringEquals":{"aws:TagKeys":["Project","Stage"]}}`, Allowed, ReasonMatched},
	{pageSets, `{"ForAnyValue:StringEquals":{"aws:TagKeys":["Owner"]}}`, Allowed, ReasonMatched},
	{pageSets, `{"ForAnyValue:StringEquals":{"aws:TagKeys":["Stage"]}}`, ImplicitlyDenied, ReasonNoMatch},
	{pageSets, `{"ForAnyValue:StringEquals":{"aws:SourceVpce":"x"}}`, ImplicitlyDenied, ReasonMissingKey},
	{pageSets, `{"ForAnyValue:StringNotEquals":{"aws:SourceVpce":"x"}}`, ImplicitlyDenied, ReasonMissingKey},
	{pageSets, `{"ForAnyValue:StringEquals":{"oidc.fly.io/acme:empty":"x"}}`, ImplicitlyDenied, ReasonEmptyValue},
	{pageSets, `{"ForAllValues:StringNotEquals":{"aws:TagKeys":["Stage"]}}`, Allowed, ReasonNoMatch},
	{pageSets, `{"ForAllValues:StringNotEquals":{"aws:TagKeys":["Owner"]}}`, ImplicitlyDenied, ReasonMatched},
	{pageSets, `{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["Owner"]}}`, Allowed, ReasonNoMatch},
	{pageSets, `{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["Owner","Project"]}}`, ImplicitlyDenied, ReasonMatched},
	{pageSets, `{"StringEquals":{"aws:TagKeys":"Owner"}}`, Undecided, ReasonManyValues},
	{pageChecks, `{"StringEquals":{"oidc.fly.io/acme:sub":[]}}`, Undecided, ReasonNoValues},
	{pageChecks, `{"ForAllValues:StringEquals":{"aws:TagKeys":[]}}`, ImplicitlyDenied, ReasonNoValues},
	{pageChecks, `{"ForAllValues:StringEquals":{"aws:SourceVpce":[]}}`, Allowed, ReasonNoValues},
	{pageChecks, `{"ForAnyValue:StringEquals":{"aws:TagKeys":[]}}`, ImplicitlyDenied, ReasonNoValues},
	{pageChecks, `{"StringEqualsIfExists":{"aws:SourceVpce":[]}}`, Allowed, ReasonNoValues},
	{pageChecks, `{"StringEqualsIfExists":{"oidc.fly.io/acme:sub":[]}}`, ImplicitlyDenied, ReasonNoValues},

	// Variables.
	{pageVariables, `{"StringLike":{"oidc.fly.io/acme:sub":"acme:${aws:PrincipalTag/team}:*"}}`, Allowed, ReasonMatched},
	{pageVariables, `{"StringLike":{"oidc.fly.io/acme:sub":"acme:${AWS:principaltag/TEAM}:*"}}`, Allowed, ReasonMatched},
	{pageVariables, `{"StringEquals":{"sts:RoleSessionName":"fly-${aws:PrincipalTag/team}"}}`, Allowed, ReasonMatched},
	{pageVariables, `{"StringEquals":{"sts:RoleSessionName":"${oidc.fly.io/acme:sub}"}}`, ImplicitlyDenied, ReasonNoMatch},
	{pageVariables, `{"StringEquals":{"sts:RoleSessionName":"${aws:username}"}}`, Undecided, ReasonUnknownVariable},
	{pageVariables, `{"StringEquals":{"sts:RoleSessionName":"${aws:TagKeys}"}}`, Undecided, ReasonUnclearVariable},
	{pageNoValue, `{"StringEquals":{"sts:RoleSessionName":"${aws:SourceVpce}"}}`, ImplicitlyDenied, ReasonUnresolvedVariable},
	{pageNoValue, `{"StringNotEquals":{"sts:RoleSessionName":"${aws:SourceVpce}"}}`, Allowed, ReasonUnresolvedVariable},
	{pageNoValue, `{"StringLike":{"sts:RoleSessionName":"*${aws:SourceVpce}"}}`, ImplicitlyDenied, ReasonUnresolvedVariable},
	{pageDefault, `{"StringEquals":{"sts:RoleSessionName":"fly-${aws:SourceVpce, 'web'}"}}`, Allowed, ReasonMatched},
	{pageDefault, `{"StringEquals":{"sts:RoleSessionName":"fly-${aws:PrincipalTag/team, 'db'}"}}`, Allowed, ReasonMatched},
	{pageDefault, `{"StringEquals":{"sts:RoleSessionName":"${aws:username, 'fly-web'}"}}`, Undecided, ReasonUnknownVariable},
	{pageSpecial, `{"StringLike":{"aws:Literal":"a${*}b"}}`, Allowed, ReasonMatched},
	{pageSpecial, `{"StringLike":{"sts:RoleSessionName":"fly${*}"}}`, ImplicitlyDenied, ReasonNoMatch},
	{pageSpecial, `{"StringLike":{"sts:RoleSessionName":"fly${?}web"}}`, ImplicitlyDenied, ReasonNoMatch},
	{pageSpecial, `{"StringEquals":{"sts:RoleSessionName":"${$}{x}"}}`, ImplicitlyDenied, ReasonNoMatch},
	{pageSpecial, `{"StringEquals":{"aws:Dollar":"${$}{x}"}}`, Allowed, ReasonMatched},
	{pageSpecial, `{"StringEquals":{"aws:Literal":"a${*}b"}}`, Allowed, ReasonMatched},
	{pageVariables, `{"StringLike":{"oidc.fly.io/acme:sub":"acme:${aws:PrincipalTag/starry}:*"}}`, Undecided, ReasonUnclearVariable},
	{pageChecks, `{"StringEquals":{"sts:RoleSessionName":"${aws:username"}}`, Undecided, ReasonUnclearVariable},
	{pageChecks, `{"StringEquals":{"sts:RoleSessionName":"${aws:SourceVpce, 'web}"}}`, Undecided, ReasonUnclearVariable},
	{pageChecks, `{"StringEquals":{"sts:RoleSessionName":"${"}}`, Undecided, ReasonUnclearVariable},
	{pageChecks, `{"StringEquals":{"sts:RoleSessionName":"${*"}}`, Undecided, ReasonUnclearVariable},
	{pageChecks, `{"StringEquals":{"sts:RoleSessionName":"${aws:SourceVpce, web}"}}`, Undecided, ReasonUnclearVariable},
	{pageChecks, `{"StringEquals":{"sts:RoleSessionName":"${aws:SourceVpce, 'a'b}"}}`, Undecided, ReasonUnclearVariable},
	{pageNoValue, `{"StringEquals":{"sts:RoleSessionName":"${aws:username}${aws:SourceVpce}"}}`, ImplicitlyDenied, ReasonUnresolvedVariable},
	{pageChecks, `{"StringEquals":{"sts:RoleSessionName":"${}"}}`, Undecided, ReasonUnclearVariable},
	{pageChecks, `{"StringEquals":{"sts:RoleSessionName":"${aws: username}"}}`, Undecided, ReasonUnclearVariable},
	{pageVariables, `{"Bool":{"aws:SecureTransport":"${aws:SecureTransport}"}}`, Undecided, ReasonUnclearVariable},
	{pageOperators, `{"NumericEquals":{"aws:MultiFactorAuthAge":"${aws:MultiFactorAuthAge}"}}`, ImplicitlyDenied, ReasonBadValue},

	// Numbers, dates and booleans.
	{pageOperators, `{"NumericLessThan":{"aws:MultiFactorAuthAge":"300"}}`, ImplicitlyDenied, ReasonNoMatch},
	{pageOperators, `{"NumericLessThanEquals":{"aws:MultiFactorAuthAge":"300.0"}}`, Allowed, ReasonMatched},
	{pageOperators, `{"NumericGreaterThan":{"aws:MultiFactorAuthAge":"299.99"}}`, Allowed, ReasonMatched},
	{pageOperators, `{"NumericGreaterThanEquals":{"aws:MultiFactorAuthAge":301}}`, ImplicitlyDenied, ReasonNoMatch},
	{pageOperators, `{"NumericGreaterThanEquals":{"aws:MultiFactorAuthAge":300}}`, Allowed, ReasonMatched},
	{pageOperators, `{"NumericNotEquals":{"aws:MultiFactorAuthAge":["-1","300"]}}`, ImplicitlyDenied, ReasonMatched},
	{pageChecks, `{"NumericEquals":{"oidc.fly.io/acme:sub":"1"}}`, ImplicitlyDenied, ReasonBadValue},
	{pageChecks, `{"NumericNotEquals":{"oidc.fly.io/acme:sub":"1"}}`, Undecided, ReasonBadValue},
	{pageOperators, `{"DateGreaterThan":{"aws:CurrentTime":"2024-05-06T07:08:08Z"}}`, Allowed, ReasonMatched},
	{pageOperators, `{"DateLessThan":{"aws:CurrentTime":"2024-05-06"}}`, ImplicitlyDenied, ReasonNoMatch},
	{pageOperators, `{"DateLessThanEquals":{"aws:CurrentTime":"2024-05-06T09:08:09+02:00"}}`, Allowed, ReasonMatched},
	{pageOperators, `{"DateEquals":{"aws:CurrentTime":"1714979289"}}`, Allowed, ReasonMatched},
	{pageOperators, `{"DateGreaterThanEquals":{"aws:EpochTime":"2024-05-06T07:08Z"}}`, Allowed, ReasonMatched},
	{pageOperators, `{"DateNotEquals":{"aws:EpochTime":"2024-05-06T07:08:09.000Z"}}`, ImplicitlyDenied, ReasonMatched},
	{pageOperators, `{"DateLessThan":{"aws:CurrentTime":"2024-*"}}`, ImplicitlyDenied, ReasonBadValue},
	{pageOperators, `{"DateLessThan":{"aws:CurrentTime":"2025"}}`, Undecided, ReasonBadValue},
	{pageOperators, `{"Bool":{"aws:SecureTransport":true}}`, Allowed, ReasonMatched},
	{pageOperators, `{"Bool":{"aws:SecureTransport":"false"}}`, ImplicitlyDenied, ReasonNoMatch},
	{pageOperators, `{"Bool":{"aws:SecureTransport":"TRUE"}}`, Undecided, ReasonBadValue},
	{pageChecks, `{"Bool":{"aws:SecureTransport":"yes"}}`, ImplicitlyDenied, ReasonBadValue},
	{pageOperators, `{"BinaryEquals":{"aws:Binary":"QmluYXJ5VmFsdWVJbkJhc2U2NA=="}}`, Allowed, ReasonMatched},
	{pageOperators, `{"BinaryEquals":{"aws:Binary":"QmluYXJ5"}}`, ImplicitlyDenied, ReasonNoMatch},

	// Addresses.
	{pageOperators, `{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`, Allowed, ReasonMatched},
	{pageOperators, `{"IpAddress":{"aws:SourceIp":["203.0.113.8","2001:DB8:1234:5678::/64"]}}`, ImplicitlyDenied, ReasonNoMatch},
	{pageOperators, `{"IpAddress":{"aws:SourceIp":"203.0.113.7"}}`, Allowed, ReasonMatched},
	{pageOperators, `{"IpAddress":{"aws:VpcSourceIp":"2001:DB8:1234:5678::/64"}}`, Allowed, ReasonMatched},
	{pageOperators, `{"IpAddress":{"aws:VpcSourceIp":"2001:db8::"}}`, Undecided, ReasonBadValue},
	{pageOperators, `{"IpAddress":{"aws:VpcSourceIp":"2001:db9::"}}`, ImplicitlyDenied, ReasonNoMatch},
	{pageChecks, `{"IpAddress":{"aws:SourceIp":["203.0.113.0/33","203.0.113.7%eth0","fe80::1%eth0","localhost"]}}`, ImplicitlyDenied, ReasonBadValue},
	{pageChecks, `{"NotIpAddress":{"aws:SourceIp":"localhost"}}`, Undecided, ReasonBadValue},
	{pageChecks, `{"NotIpAddress":{"aws:Zoned":"fe80::/10"}}`, Undecided, ReasonBadValue},
	{pageOperators, `{"NotIpAddress":{"aws:SourceIp":["192.0.2.0/24","203.0.113.0/24"]}}`, ImplicitlyDenied, ReasonMatched},
	{pageOperators, `{"NotIpAddress":{"aws:SourceIp":["192.0.2.0/24","198.51.100.0/24"]}}`, Allowed, ReasonNoMatch},

	// ARNs.
	{pageOperators, `{"ArnLike":{"aws:SourceArn":"arn:aws:someservice:*:111122223333:finance/*"}}`, ImplicitlyDenied, ReasonNoMatch},
	{pageOperators, `{"StringLike":{"aws:SourceArn":"arn:aws:someservice:*:111122223333:finance/*"}}`, Allowed, ReasonMatched},
	{pageOperators, `{"ArnEquals":{"aws:SourceArn":"arn:aws:someservice:*:999999999999:store/???:*"}}`, Allowed, ReasonMatched},
	{pageOperators, `{"ArnEquals":{"aws:SourceArn":"arn:AWS:someservice:*:999999999999:*"}}`, ImplicitlyDenied, ReasonCaseDiffers},
	{pageOperators, `{"ArnNotLike":{"aws:SourceArn":"arn:aws:sns:*:*:*"}}`, Allowed, ReasonNoMatch},
	{pageOperators, `{"ArnNotEquals":{"aws:SourceArn":"arn:aws:someservice:us-*:*:*"}}`, ImplicitlyDenied, ReasonMatched},
	{pageOperators, `{"ArnLike":{"aws:SourceArn":"arn:aws:*"}}`, Undecided, ReasonBadValue},
	{pageOperators, `{"ArnLike":{"oidc.fly.io/acme:sub":"arn:aws:sns:*:*:*"}}`, ImplicitlyDenied, ReasonBadValue},
	{pageVariables, `{"ArnLike":{"aws:SourceArn":"arn:aws:someservice:*:*:${aws:PrincipalTag/team}/*"}}`, ImplicitlyDenied, ReasonNoMatch},
}

func TestConditionVectors(t *testing.T) {
	t.Parallel()
	for i, tt := range conditionVectors {
		t.Run(fmt.Sprintf("%d %s", i, tt.condition), func(t *testing.T) {
			t.Parallel()
			p := mustParse(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"`+provider+
				`"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":`+tt.condition+`}]}`)
			d := p.Evaluate(AssumeRequest{Action: AssumeAction, Federated: provider, Context: vectorContext()})
			c := d.Statements[0].Conditions[0]
			if d.Decision != tt.verdict || c.Reason != tt.reason {
				t.Errorf("%s, %s (%s); want %s, %s after %s\nwanted %q, presented %q",
					d.Decision, c.Match, c.Reason, tt.verdict, tt.reason, tt.page, c.Wanted, c.Presented)
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
	verdict                         Decision
}{
	// The logic of statements.
	{pageEvaluation, "an allow", Version2012, allow, Allowed},
	{pageEvaluation, "denied by default", Version2012, allowDB, ImplicitlyDenied},
	{pageEvaluation, "one of two allows", Version2012, allowDB + "," + allow, Allowed},
	{pageEvaluation, "explicit deny wins, after", Version2012, allow + "," + denyWeb, ExplicitlyDenied},
	{pageEvaluation, "explicit deny wins, before", Version2012, denyWeb + "," + allow, ExplicitlyDenied},
	{pageEvaluation, "a deny that does not apply", Version2012, allow + "," + denyDB, Allowed},
	{pageEvaluation, "a deny that may apply", Version2012, allow + "," + denyUnknown, Undecided},
	{pageEvaluation, "a deny that may apply to what is not allowed", Version2012, allowDB + "," + denyUnknown, ImplicitlyDenied},
	{pageEvaluation, "an allow that may apply", Version2012, allowMaybe, Undecided},
	{pageEvaluation, "an allow that may apply beside one that does", Version2012, allowMaybe + "," + allow, Allowed},
	{pageEvaluation, "an allow that may apply and a deny that does", Version2012, allowMaybe + "," + denyWeb, ExplicitlyDenied},
	{pageEvaluation, "unknown beside failed is failed", Version2012, allowing(ours + `,"Action":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1","oidc.fly.io/acme:aud":"x"}}`), ImplicitlyDenied},

	// Principals.
	{pagePrincipal, "one of several providers", Version2012, allowing(`"Principal":{"Federated":["graph.facebook.com","` + provider + `"]},"Action":"*"`), Allowed},
	{pagePrincipal, "another provider", Version2012, allowing(`"Principal":{"Federated":"graph.facebook.com"},"Action":"*"`), ImplicitlyDenied},
	{pagePrincipal, "the provider of another org", Version2012, allowing(`"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/acme2"},"Action":"*"`), ImplicitlyDenied},
	{pagePrincipal, "the provider in another case", Version2012, allowing(`"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/Acme"},"Action":"*"`), ImplicitlyDenied},
	{pagePrincipal, "the provider's path alone", Version2012, allowing(`"Principal":{"Federated":"oidc.fly.io/acme"},"Action":"*"`), ImplicitlyDenied},
	{pagePrincipal, "no wildcard in part of an ARN", Version2012, allowing(`"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/*"},"Action":"*"`), ImplicitlyDenied},
	{pagePrincipal, "the account is not a federated principal", Version2012, allowing(`"Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"*"`), ImplicitlyDenied},
	{pagePrincipal, "a service is not a federated principal", Version2012, allowing(`"Principal":{"Service":"sts.amazonaws.com"},"Action":"*"`), ImplicitlyDenied},
	{pagePrincipal, "an ARN of a provider under AWS", Version2012, allowing(`"Principal":{"AWS":"` + provider + `"},"Action":"*"`), ImplicitlyDenied},
	{pageChecks, "anyone", Version2012, allowing(`"Principal":"*","Action":"*"`), Undecided},
	{pageChecks, "any account", Version2012, allowing(`"Principal":{"AWS":"*"},"Action":"*"`), Undecided},
	{pageChecks, "any provider", Version2012, allowing(`"Principal":{"Federated":"*"},"Action":"*"`), Undecided},
	{pageChecks, "anyone, but on a condition that fails", Version2012, allowing(`"Principal":"*","Action":"*","Condition":{"StringEquals":{"oidc.fly.io/acme:aud":"x"}}`), ImplicitlyDenied},
	{pageChecks, "nobody", Version2012, allowing(`"Principal":{},"Action":"*"`), ImplicitlyDenied},
	{pageChecks, "an empty list", Version2012, allowing(`"Principal":{"Federated":[]},"Action":"*"`), ImplicitlyDenied},
	{pageNot, "all but the provider", Version2012, allow + `,{"Effect":"Deny","NotPrincipal":{"Federated":"` + provider + `"},"Action":"*"}`, Allowed},
	{pageNot, "all but nobody", Version2012, allow + `,{"Effect":"Deny","NotPrincipal":{},"Action":"*"}`, Undecided},
	{pageNot, "all but another", Version2012, allow + `,{"Effect":"Deny","NotPrincipal":{"AWS":"arn:aws:iam::444455556666:user/Bob"},"Action":"*"}`, ExplicitlyDenied},

	// Actions.
	{pageAction, "case does not count", Version2012, allowing(ours + `,"Action":"STS:assumerolewithwebidentity"`), Allowed},
	{pageAction, "all of a service", Version2012, allowing(ours + `,"Action":"sts:*"`), Allowed},
	{pageAction, "part of a name", Version2012, allowing(ours + `,"Action":"sts:*WebIdentity"`), Allowed},
	{pageAction, "one character", Version2012, allowing(ours + `,"Action":"sts:AssumeRoleWith???Identity"`), Allowed},
	{pageAction, "a prefix is not enough", Version2012, allowing(ours + `,"Action":"sts:AssumeRole"`), ImplicitlyDenied},
	{pageAction, "one of several", Version2012, allowing(ours + `,"Action":["sts:TagSession","sts:AssumeRoleWithWebIdentity"]`), Allowed},
	{pageAction, "another service", Version2012, allowing(ours + `,"Action":"iam:*"`), ImplicitlyDenied},
	{pageChecks, "no action", Version2012, allowing(ours + `,"Action":[]`), ImplicitlyDenied},
	{pageNotAction, "all but another", Version2012, allowing(ours + `,"NotAction":"sts:AssumeRole"`), Allowed},
	{pageNotAction, "all but this", Version2012, allowing(ours + `,"NotAction":"sts:AssumeRoleWith*"`), ImplicitlyDenied},
	{pageNotAction, "all but nothing", Version2012, allowing(ours + `,"NotAction":[]`), Undecided},

	// Versions.
	{pageVersion, "variables in the new version", Version2012, allowing(ours + `,"Action":"*","Condition":{"StringLike":{"oidc.fly.io/acme:sub":"acme:${aws:PrincipalTag/team}:*"}}`), Allowed},
	{pageVersion, "variables are text in the old version", Version2008, allowing(ours + `,"Action":"*","Condition":{"StringLike":{"oidc.fly.io/acme:sub":"acme:${aws:PrincipalTag/team}:*"}}`), ImplicitlyDenied},
	{pageVersion, "variables are text without a version", "", allowing(ours + `,"Action":"*","Condition":{"StringLike":{"oidc.fly.io/acme:sub":"acme:${aws:PrincipalTag/team}:*"}}`), ImplicitlyDenied},
	{pageVersion, "unknown variables are text in the old version", Version2008, allowing(ours + `,"Action":"*","Condition":{"StringNotEquals":{"oidc.fly.io/acme:sub":"${aws:username}"}}`), Allowed},
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
			d := p.Evaluate(AssumeRequest{Action: AssumeAction, Federated: provider, Context: vectorContext()})
			if d.Decision != tt.verdict {
				t.Errorf("%s, want %s after %s\n%+v", d.Decision, tt.verdict, tt.page, d)
			}
		})
	}
}
