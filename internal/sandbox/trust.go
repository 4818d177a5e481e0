package sandbox

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/trustpolicy"
)

// statements returns the statements of a policy document as maps of their members;
// nil if it is not a policy document.
func statements(doc string) []map[string]json.RawMessage {
	var policy map[string]json.RawMessage
	if json.Unmarshal([]byte(doc), &policy) != nil {
		return nil
	}
	var list []map[string]json.RawMessage
	if json.Unmarshal(policy["Statement"], &list) == nil {
		return list
	}
	var one map[string]json.RawMessage
	if json.Unmarshal(policy["Statement"], &one) != nil || one == nil {
		return nil
	}
	return []map[string]json.RawMessage{one}
}

// stringList returns the values of a member that is a string or a list of strings.
func stringList(raw json.RawMessage) []string {
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		return list
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}
	}
	return nil
}

// sidOf returns the Sid of a statement, "" if it has none.
func sidOf(statement map[string]json.RawMessage) string {
	var sid string
	if json.Unmarshal(statement["Sid"], &sid) != nil {
		return ""
	}
	return sid
}

// has reports whether a statement has one of the members.
func has(statement map[string]json.RawMessage, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { _, ok := statement[name]; return ok })
}

// checkTrust checks that IAM would accept doc as a role's trust policy.
func (w *World) checkTrust(doc string) (*trustpolicy.Policy, *apiError) {
	if !json.Valid([]byte(doc)) {
		return nil, malformedPolicy("This policy contains invalid Json")
	}
	var sids []string
	for _, st := range statements(doc) {
		sid := sidOf(st)
		if sid != "" && slices.Contains(sids, sid) {
			return nil, malformedPolicy("The Statement Ids in the policy are not unique")
		}
		sids = append(sids, sid)
		switch {
		case has(st, "Resource"):
			return nil, malformedPolicy("Has prohibited field Resource")
		case has(st, "NotResource"):
			return nil, malformedPolicy("AssumeRole policy must not contain resources.")
		case !has(st, "Effect"):
			return nil, malformedPolicy("Missing required field Effect")
		case !has(st, "Principal", "NotPrincipal"):
			return nil, malformedPolicy("Missing required field Principal")
		case !has(st, "Action", "NotAction"):
			return nil, malformedPolicy("Missing required field Action")
		}
	}
	policy, err := trustpolicy.Parse([]byte(doc))
	if err != nil {
		return nil, malformedPolicy("Syntax error in policy.")
	}
	if len(policy.Statements) == 0 {
		return nil, malformedPolicy("Could not parse the policy: Statement is empty!")
	}
	for _, st := range policy.Statements {
		if err := w.checkTrustStatement(st); err != nil {
			return nil, err
		}
	}
	if size := compactSize(doc); size > w.trustPolicyQuota() {
		return nil, limitExceeded("Cannot exceed quota for ACLSizePerRole: %d", w.trustPolicyQuota())
	}
	return policy, nil
}

func (w *World) checkTrustStatement(st trustpolicy.Statement) *apiError {
	switch {
	case st.NotPrincipal != nil && st.Effect == trustpolicy.Allow:
		return malformedPolicy("Allow with NotPrincipal is not allowed.")
	case st.NotPrincipal != nil:
		return malformedPolicy("AssumeRole policy must not contain NotPrincipal field.")
	case st.Principal == nil:
		return malformedPolicy("Missing required field Principal")
	case st.Principal.Any:
		return malformedPolicy(`AssumeRolepolicy contained an invalid principal: "STAR":"*".`)
	}
	for _, action := range slices.Concat(st.Action, st.NotAction) {
		if !isAssumeAction(action) {
			return malformedPolicy("AssumeRole policy may only specify STS AssumeRole actions.")
		}
	}
	p := st.Principal
	for _, federated := range p.Federated {
		if !w.isFederated(federated) {
			return malformedPolicy("Federated principals must be valid domain names or SAML metadata ARNs")
		}
	}
	for _, arn := range p.AWS {
		if !w.isAWSPrincipal(arn) {
			return malformedPolicy(`Invalid principal in policy: "AWS":"%s"`, arn)
		}
	}
	for _, service := range p.Service {
		if !strings.HasSuffix(service, ".amazonaws.com") && !strings.HasSuffix(service, ".amazonaws.com.cn") {
			return malformedPolicy(`Invalid principal in policy: "SERVICE":"%s"`, service)
		}
	}
	if len(p.CanonicalUser) > 0 {
		return malformedPolicy(`Invalid principal in policy: "CanonicalUser":"%s"`, p.CanonicalUser[0])
	}
	return nil
}

// isAssumeAction reports whether a trust policy may name the action: an STS action
// that starts or describes a session, or a pattern of STS actions.
func isAssumeAction(action string) bool {
	name, ok := strings.CutPrefix(strings.ToLower(action), "sts:")
	if !ok {
		return false
	}
	switch name {
	case "assumerole", "assumerolewithsaml", "assumerolewithwebidentity", "tagsession", "setsourceidentity", "setcontext":
		return true
	}
	return strings.ContainsAny(name, "*?")
}

// isFederated reports whether name can be a federated principal: the ARN of a SAML
// or OIDC provider, or one of the four identity providers that IAM knows by name
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html).
// IAM does not check that the provider exists.
func (w *World) isFederated(name string) bool {
	switch name {
	case "cognito-identity.amazonaws.com", "www.amazon.com", "graph.facebook.com", "accounts.google.com":
		return true
	}
	rest, ok := strings.CutPrefix(name, "arn:"+w.partition()+":iam::")
	if !ok {
		return false
	}
	account, resource, _ := strings.Cut(rest, ":")
	if !isAccount(account) {
		return false
	}
	if saml, ok := strings.CutPrefix(resource, "saml-provider/"); ok {
		return saml != "" && onlyName(saml)
	}
	oidc, ok := strings.CutPrefix(resource, "oidc-provider/")
	return ok && checkProviderURL("https://"+oidc) == nil
}

// isAWSPrincipal reports whether name can be an AWS principal: an account, a user,
// a role, a session or everyone. IAM checks that users and roles exist; the sandbox
// does so for its own account.
func (w *World) isAWSPrincipal(name string) bool {
	if name == "*" || isAccount(name) {
		return true
	}
	fields := strings.SplitN(name, ":", 6)
	if len(fields) != 6 || fields[0] != "arn" || fields[1] != w.partition() || fields[3] != "" || !isAccount(fields[4]) || strings.ContainsAny(name, "*?") {
		for _, ro := range w.roles {
			if ro.id == name {
				return true
			}
		}
		return false
	}
	kind, entity, _ := strings.Cut(fields[5], "/")
	switch fields[2] + ":" + kind {
	case "iam:root":
		return entity == ""
	case "sts:assumed-role", "sts:federated-user":
		return entity != ""
	case "iam:user":
		return entity != "" && (fields[4] != w.account() || w.user(entity) != nil)
	case "iam:role":
		if fields[4] != w.account() {
			return entity != ""
		}
		ro := w.roles[strings.ToLower(entity[strings.LastIndexByte(entity, '/')+1:])]
		return ro != nil && ro.arn == name
	}
	return false
}

func isAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}
