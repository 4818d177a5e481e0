package explain

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// Explain returns what STS answers to a request, why, and what to do about it.
func Explain(c Case) Explanation {
	e := newExplainer(c)
	e.answer()
	e.explainFix()
	return e.out
}

// An explainer explains one case.
type explainer struct {
	Case
	path    string          // of the issuer: "oidc.fly.io/acme"
	org     string          // the slug in the issuer; "" if it is not a Fly issuer
	subject flyname.Subject // zero when the subject has another form
	arn     string          // of the issuer's provider, as far as known
	out     Explanation
	// audience is the token's audience, or the one that it should have.
	audience string
	// lacks is the further action that the policy last evaluated does not allow.
	lacks string
}

func newExplainer(c Case) *explainer {
	e := &explainer{Case: c, audience: flyname.AudienceAWS}
	e.out.Verdict = Accepted
	e.path = strings.TrimPrefix(c.Claims.Issuer, "https://")
	e.org, _ = flyname.IssuerOrg(c.Claims.Issuer)
	e.subject, _ = flyname.ParseSubject(c.Claims.Subject)
	if have := present(c.Claims.Audience); len(have) > 0 {
		e.audience = have[0]
	}
	e.locate()
	shown := e.Account
	if shown == "" {
		shown = "ACCOUNT" // does not match any principal
	}
	e.arn = "arn:" + e.Partition + ":iam::" + shown + ":oidc-provider/" + e.path
	if c.Provider.Presence == Present && strings.HasSuffix(c.Provider.ARN, ":oidc-provider/"+e.path) {
		e.arn = c.Provider.ARN
	}
	return e
}

// answer makes the steps of STS.
func (e *explainer) answer() {
	e.token()
	e.provider()
	e.signature()
	e.claims()
	e.expiry()
	e.audienceStep()
	e.role()
	e.policy()
	reasons := e.out.Reasons
	sort.SliceStable(reasons, func(i, j int) bool { return specificity(reasons[i].Code) > specificity(reasons[j].Code) })
}

// isAlias says whether the claims contain the alias "personal", which tokens do not carry.
func (e *explainer) isAlias() bool {
	return e.org == flyname.Personal || e.subject.Org == flyname.Personal
}

// claimsDisagree says whether issuer and subject are of different organizations.
func (e *explainer) claimsDisagree() bool {
	return e.org != "" && e.subject.Org != "" && e.subject.Org != e.org
}

// locate derives partition and account if the case does not name them.
func (e *explainer) locate() {
	names := append([]string{e.Provider.ARN}, e.Provider.Others...)
	own := len(names) // the names after these come from the policy and may be for others
	if e.Policy != nil {
		for _, s := range e.Policy.Statements {
			if s.Principal != nil {
				names = append(names, s.Principal.Federated...)
			}
		}
	}
	rank := func(i int) int {
		switch {
		case i < own, strings.HasSuffix(names[i], "/"+e.path):
			return 2
		case strings.Contains(names[i], flyname.IssuerHost), e.org != "" && strings.HasSuffix(names[i], "/"+e.org) && strings.Contains(names[i], "fly"): // a misspelled host
			return 1
		}
		return 0
	}
	best := 0
	var partition, account string
	for i, name := range names {
		if p, a, ok := accountOf(name); ok && rank(i) > best {
			best, partition, account = rank(i), p, a
		}
	}
	if e.Account == "" {
		e.Account = account
		if e.Partition == "" {
			e.Partition = partition
		}
	}
	if e.Partition == "" {
		e.Partition = "aws"
	}
}

// accountOf returns partition and account from the ARN of an IAM resource.
func accountOf(arn string) (partition, account string, ok bool) {
	f := strings.SplitN(arn, ":", 6)
	if len(f) < 6 || f[0] != "arn" || f[2] != "iam" || len(f[4]) != 12 || strings.Trim(f[4], "0123456789") != "" {
		return "", "", false
	}
	return f[1], f[4], true
}

// step records the result of a step. The first that fails determines AWS's error.
func (e *explainer) step(code StepCode, result StepResult, failure *STSError) {
	e.out.Steps = append(e.out.Steps, Step{Code: code, Result: result})
	if result == StepFailed {
		e.out.Verdict = Refused
		if e.out.Error == nil {
			e.out.Error = failure
		}
	}
}

func (e *explainer) because(code ReasonCode, have, want string) {
	e.add(RefusalReason{Code: code, Statement: -1, Have: have, Want: want})
}

// add adds a reason, once.
func (e *explainer) add(r RefusalReason) {
	if !slices.Contains(e.out.Reasons, r) {
		e.out.Reasons = append(e.out.Reasons, r)
	}
}

func invalidToken(format string, args ...any) *STSError {
	return &STSError{Code: "InvalidIdentityToken", Message: fmt.Sprintf(format, args...)}
}

func (e *explainer) token() {
	missing := map[string]bool{
		"iss": e.Claims.Issuer == "", "sub": e.Claims.Subject == "", "aud": len(present(e.Claims.Audience)) == 0,
	}
	if e.TokenError == nil || missing[e.TokenRule] { // the claims step reports it
		e.step(StepToken, StepPassed, nil)
		return
	}
	code, failure := ReasonTokenForm, invalidToken(
		"The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	switch e.TokenRule {
	case "parts", "base64url", "json", "encrypted", "alg":
	case "empty", "size":
		// The lengths of the parameter WebIdentityToken (AssumeRoleWithWebIdentity).
		bound := "greater than or equal to 4"
		if e.TokenRule == "size" {
			bound = "less than or equal to 20000"
		}
		failure = &STSError{
			Code:    "ValidationError",
			Message: "1 validation error detected: Value at 'webIdentityToken' failed to satisfy constraint: Member must have length " + bound,
		}
	default:
		code, failure = ReasonTokenRule, nil
	}
	e.because(code, e.TokenError.Error(), "")
	if failure == nil {
		e.undecided(StepToken, "")
		return
	}
	e.step(StepToken, StepFailed, failure)
}

// undecided records an undecided step.
func (e *explainer) undecided(code StepCode, note string) {
	e.step(code, StepUndecided, nil)
	e.out.Steps[len(e.out.Steps)-1].Note = note
	if e.out.Verdict == Accepted {
		e.out.Verdict = undecided
	}
}

func (e *explainer) provider() {
	issuer := e.Claims.Issuer
	switch {
	case issuer == "":
		e.step(StepProvider, StepUndecided, nil) // the claims step reports it
		return
	case e.isAlias():
		have := issuer
		if e.org != flyname.Personal {
			have = e.Claims.Subject
		}
		e.because(ReasonClaimsPersonal, have, "")
	case e.claimsDisagree():
		e.because(ReasonClaimsDisagree, e.Claims.Subject, issuer)
	}
	// IAM identifies a provider by its https URL.
	if e.Provider.Presence == Absent || !strings.HasPrefix(issuer, "https://") || e.org == flyname.Personal {
		e.because(ReasonProviderAbsent, issuer, "")
		e.step(StepProvider, StepFailed, invalidToken("No OpenIDConnect provider found in your account for %s", issuer))
		if e.org != "" && e.org != flyname.Personal {
			e.personalProvider(e.Provider.Others)
		}
		return
	}
	e.step(StepProvider, known(e.Provider.Presence == Present), nil)
}

// personalProvider adds a reason if one of the ARNs is the provider of the alias.
func (e *explainer) personalProvider(arns []string) {
	for _, arn := range arns {
		if strings.HasSuffix(arn, ":oidc-provider/"+flyname.IssuerPath(flyname.Personal)) {
			e.because(ReasonProviderPersonal, arn, e.Claims.Issuer)
		}
	}
}

// known is the result of a step that did not fail.
func known(looked bool) StepResult {
	if looked {
		return StepPassed
	}
	return StepUndecided
}

func (e *explainer) signature() {
	if e.Signature != Forged {
		e.step(StepSignature, known(e.Signature == Verified), nil)
		if e.Signature != Verified {
			e.out.Steps[len(e.out.Steps)-1].Note = e.SignatureNote
		}
		return
	}
	e.because(ReasonSignature, "", e.Claims.Issuer)
	e.step(StepSignature, StepFailed, invalidToken(
		"Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements"))
}

func (e *explainer) claims() {
	missing := ""
	for _, claim := range []struct {
		name   string
		absent bool
	}{
		{"iss", e.Claims.Issuer == ""},
		{"aud", len(present(e.Claims.Audience)) == 0},
		{"sub", e.Claims.Subject == ""},
	} {
		if claim.absent {
			e.because(ReasonClaimMissing, "", claim.name)
			if missing == "" {
				missing = claim.name
			}
		}
	}
	if missing == "" {
		e.step(StepClaims, StepPassed, nil)
		return
	}
	e.step(StepClaims, StepFailed, invalidToken("Missing a required claim: %s", missing))
}

// present drops empty strings.
func present(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == "" })
}

func (e *explainer) expiry() {
	exp, nbf := e.Claims.Expiry, e.Claims.NotBefore
	switch {
	case e.Now.IsZero() || exp.IsZero() && nbf.IsZero():
		e.step(StepExpiry, StepUndecided, nil)
	case !exp.IsZero() && !e.Now.Before(exp.Add(grace)):
		e.because(ReasonExpired, timestamp(exp), timestamp(e.Now))
		e.step(StepExpiry, StepFailed, &STSError{
			Code: "ExpiredTokenException",
			Message: fmt.Sprintf("Token expired: current date/time %d must be before the expiration date/time %d",
				e.Now.Unix(), exp.Unix()),
		})
	case !nbf.IsZero() && e.Now.Add(grace).Before(nbf):
		// AWS does not document a grace period before nbf; the one after exp is used.
		e.because(ReasonNotYetValid, timestamp(nbf), timestamp(e.Now))
		e.step(StepExpiry, StepFailed, invalidToken("Some claims are invalid"))
	default:
		e.step(StepExpiry, known(!exp.IsZero()), nil)
	}
}

func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (e *explainer) audienceStep() {
	have := present(e.Claims.Audience)
	looked := e.Provider.Presence == Present && e.Provider.Audiences != nil
	switch {
	case len(have) == 0:
		e.step(StepAudience, StepUndecided, nil) // the claims step reports it
	case looked && !slices.ContainsFunc(have, e.isListed):
		e.because(ReasonAudienceUnlisted, join(have), join(e.Provider.Audiences))
		e.step(StepAudience, StepFailed, invalidToken("Incorrect token audience"))
	case len(have) > 1:
		e.because(ReasonManyAudiences, join(have), "")
		e.step(StepAudience, StepUndecided, nil)
	default:
		e.step(StepAudience, known(looked), nil)
	}
}

// isListed says whether the provider is known to list an audience.
func (e *explainer) isListed(audience string) bool {
	return slices.Contains(e.Provider.Audiences, audience)
}

func join(list []string) string { return strings.Join(list, ", ") }

// request returns the request that the policy decides, for a token with the audiences.
func (e *explainer) request(action string, audiences ...string) trustpolicy.AssumeRequest {
	context := trustpolicy.WebIdentityContext(e.path, "", e.Claims.Subject)
	context[e.path+":aud"], context[e.path+":oaud"] = present(audiences), present(audiences)
	// Keys whose values are known for this kind of request
	// (reference_policies_condition-keys.html, available keys by operation).
	context["aws:SecureTransport"] = []string{"true"} // STS requires TLS
	context["sts:ExternalId"] = []string{}            // a parameter of AssumeRole only
	// The call is not signed with credentials, and no AWS service makes it
	// (reference_policies_condition-keys.html).
	for _, key := range []string{"aws:MultiFactorAuthPresent", "aws:MultiFactorAuthAge", "aws:SourceAccount", "aws:SourceArn"} {
		context[key] = []string{}
	}
	// There is no user or role yet (reference_policies_variables.html, where you can use
	// policy variables).
	context["aws:username"], context["aws:userid"] = []string{}, []string{}
	context["sts:SourceIdentity"] = present([]string{e.Claims.SourceIdentity})
	if !e.Now.IsZero() {
		context["aws:CurrentTime"] = []string{timestamp(e.Now)}
		context["aws:EpochTime"] = []string{strconv.FormatInt(e.Now.Unix(), 10)}
	}
	context["aws:TagKeys"] = []string{}
	context["aws:requesttag/"] = []string{} // other tags than those below are absent
	for name, value := range e.Claims.Tags {
		context["aws:TagKeys"] = append(context["aws:TagKeys"], name)
		context["aws:requesttag/"+strings.ToLower(name)] = []string{value}
	}
	slices.Sort(context["aws:TagKeys"])
	for key, values := range e.Context {
		for own := range context {
			if strings.EqualFold(own, key) {
				delete(context, own)
			}
		}
		context[key] = values
	}
	return trustpolicy.AssumeRequest{Action: action, Federated: e.arn, Context: context}
}

// decide evaluates a policy for a token with the audiences. If the token has session tags or
// a source identity, the actions for these have to be allowed too; more is the first that
// is not, or the last.
func (e *explainer) decide(p *trustpolicy.Policy, audiences ...string) (assume, more trustpolicy.Evaluation) {
	assume = p.Evaluate(e.request(trustpolicy.AssumeAction, audiences...))
	more = trustpolicy.Evaluation{Decision: trustpolicy.Allowed}
	for _, action := range e.moreActions() {
		if more = p.Evaluate(e.request(action, audiences...)); more.Decision != trustpolicy.Allowed {
			e.lacks = action
			break
		}
	}
	return assume, more
}

// moreActions are the actions that a token needs besides the one that exchanges it.
func (e *explainer) moreActions() (actions []string) {
	if len(e.Claims.Tags) > 0 {
		actions = append(actions, trustpolicy.TagSessionAction)
	}
	if e.Claims.SourceIdentity != "" {
		actions = append(actions, trustpolicy.SourceIdentityAction)
	}
	return actions
}

// allows says whether a policy allows the token with another audience.
func (e *explainer) allows(p *trustpolicy.Policy, audience string) bool {
	assume, tag := e.decide(p, audience)
	return assume.Decision == trustpolicy.Allowed && tag.Decision == trustpolicy.Allowed
}

// role compares the requested ARN with the role's own.
func (e *explainer) role() {
	if e.WantedRole == "" || e.RoleARN == "" {
		return
	}
	if e.WantedRole == e.RoleARN {
		e.step(StepRole, StepPassed, nil)
		return
	}
	e.because(ReasonRoleARN, e.WantedRole, e.RoleARN)
	e.step(StepRole, StepFailed, notAuthorized())
}

func notAuthorized() *STSError {
	return &STSError{Code: "AccessDenied", Message: "Not authorized to perform " + trustpolicy.AssumeAction}
}

// policy makes the last step.
func (e *explainer) policy() {
	switch {
	case e.PolicyError != nil && e.Policy == nil:
		// IAM refuses such a document, so no role has it.
		e.because(ReasonPolicySyntax, e.PolicyError.Error(), "")
		e.step(StepPolicy, StepFailed, &STSError{Code: "MalformedPolicyDocument", Message: "Syntax errors in policy."})
		return
	case e.Policy == nil:
		e.because(ReasonPolicyUnknown, "", "")
		e.undecided(StepPolicy, "")
		return
	}
	assume, tag := e.decide(e.Policy, e.Claims.Audience...)
	e.out.Statements = assume.Statements
	switch {
	case assume.Decision.Denied() || tag.Decision.Denied():
		e.step(StepPolicy, StepFailed, notAuthorized())
	case assume.Decision == trustpolicy.Undecided || tag.Decision == trustpolicy.Undecided:
		e.undecided(StepPolicy, "")
	default:
		e.step(StepPolicy, StepPassed, nil)
		if len(present(e.Claims.Audience)) > 1 && e.out.Verdict == Accepted {
			e.out.Verdict = undecided
		}
	}
	switch {
	case e.isAlias(): // STS refuses such claims before the policy
	case assume.Decision != trustpolicy.Allowed:
		e.policyReasons(assume)
	case tag.Decision != trustpolicy.Allowed:
		e.tagReasons(tag)
	}
}

// tagReasons adds the reasons why a token's session tags are not allowed.
func (e *explainer) tagReasons(d trustpolicy.Evaluation) {
	denied := false
	for _, s := range d.Statements {
		if s.Effect == trustpolicy.Deny && s.Match == trustpolicy.Matches {
			e.denies(s)
			denied = true
		}
	}
	if !denied {
		e.because(ReasonTagSession, "", e.lacks)
	}
}

// denies adds a reason for a statement that denies the request.
func (e *explainer) denies(s trustpolicy.StatementResult) {
	e.add(RefusalReason{Code: ReasonDenied, Statement: s.Index, Sid: s.Sid})
}
