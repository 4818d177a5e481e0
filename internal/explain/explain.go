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

// Explain says what STS answers to a request.
func Explain(c Case) Explanation {
	e := newExplainer(c)
	e.token()
	e.provider()
	e.signature()
	e.claims()
	e.expiry()
	e.audience()
	e.role()
	e.policy()
	e.fix()
	reasons := e.out.Reasons
	sort.SliceStable(reasons, func(i, j int) bool { return telling(reasons[i].Code) > telling(reasons[j].Code) })
	return e.out
}

// An explainer works on one case.
type explainer struct {
	Case
	path string // of the issuer: "oidc.fly.io/acme"
	org  string // the slug in the issuer, if that is an organisation's of Fly's
	arn  string // of the issuer's provider, as far as it is known
	out  Explanation
	// fixes are of what comes before the policy; wanted is the audience of the token when
	// they are made.
	fixes    []Fix
	wanted   string
	hopeless bool // no fix of the policy can help
	guarded  bool // something refuses on purpose
	alias    bool // the claims are of the alias "personal"
}

func newExplainer(c Case) *explainer {
	e := &explainer{Case: c}
	e.out.Verdict = Accepted
	e.path = strings.TrimPrefix(c.Claims.Issuer, "https://")
	slug, isFly := strings.CutPrefix(c.Claims.Issuer, flyname.Issuer(""))
	switch {
	case isFly && (slug == flyname.Personal || flyname.CheckOrg(slug) == nil):
		e.org = slug
	case c.Claims.Issuer != "":
		// Whoever it is, a suggestion of ours is no reason to let them in.
		e.hopeless, e.out.Obstacle = true, ObstacleIssuer
	}
	e.locate()
	shown := e.Account
	if shown == "" {
		shown = "ACCOUNT" // which no principal has
	}
	e.arn = "arn:" + e.Partition + ":iam::" + shown + ":oidc-provider/" + e.path
	if c.Provider.Presence == Present && strings.HasSuffix(c.Provider.ARN, ":oidc-provider/"+e.path) {
		e.arn = c.Provider.ARN
	}
	return e
}

// locate finds partition and account where the case does not name them.
func (e *explainer) locate() {
	names := append([]string{e.Provider.ARN}, e.Provider.Others...)
	own := len(names) // those of the policy are worth less when they are for others
	if e.Policy != nil {
		for _, s := range e.Policy.Statements {
			if s.Principal != nil {
				names = append(names, s.Principal.Federated...)
			}
		}
	}
	if e.Policy == nil && len(e.Text) <= maxText {
		names = append(names, strings.Split(string(e.Text), `"`)...)
	}
	rank := func(i int) int {
		switch {
		case i < own, strings.HasSuffix(names[i], "/"+e.path):
			return 2
		case strings.Contains(names[i], flyname.IssuerHost):
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

// maxText is the most of a document that is no policy that is looked at: as much
// as IAM would (CreateRole, AssumeRolePolicyDocument).
const maxText = 131072

// accountOf reads partition and account from the ARN of an IAM resource.
func accountOf(arn string) (partition, account string, ok bool) {
	f := strings.SplitN(arn, ":", 6)
	if len(f) < 6 || f[0] != "arn" || f[2] != "iam" || len(f[4]) != 12 || strings.Trim(f[4], "0123456789") != "" {
		return "", "", false
	}
	return f[1], f[4], true
}

// step notes what came of one; of those that failed the first gives AWS's error.
func (e *explainer) step(code StepCode, outcome trustpolicy.Match, failure *Error) {
	e.out.Steps = append(e.out.Steps, Step{Code: code, Match: outcome})
	if outcome == trustpolicy.DoesNotMatch {
		e.out.Verdict = Refused
		if e.out.Error == nil {
			e.out.Error = failure
		}
	}
}

func (e *explainer) because(code ReasonCode, have, want string) {
	e.add(Reason{Code: code, Statement: -1, Have: have, Want: want})
}

// add keeps a reason unless it is there already.
func (e *explainer) add(r Reason) {
	if !slices.Contains(e.out.Reasons, r) {
		e.out.Reasons = append(e.out.Reasons, r)
	}
}

func invalidToken(format string, args ...any) *Error {
	return &Error{Code: "InvalidIdentityToken", Message: fmt.Sprintf(format, args...)}
}

func (e *explainer) token() {
	missing := map[string]bool{
		"iss": e.Claims.Issuer == "", "sub": e.Claims.Subject == "", "aud": len(present(e.Claims.Audience)) == 0,
	}
	if e.TokenError == nil || missing[e.TokenRule] { // of which the step claims tells
		e.step(StepToken, trustpolicy.Matches, nil)
		return
	}
	e.freshToken()
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
		failure = &Error{
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
	e.step(StepToken, trustpolicy.DoesNotMatch, failure)
}

// undecided notes a step on which the verdict depends.
func (e *explainer) undecided(code StepCode, note string) {
	e.step(code, trustpolicy.MatchUndecided, nil)
	e.out.Steps[len(e.out.Steps)-1].Note = note
	if e.out.Verdict == Accepted {
		e.out.Verdict = Undecided
	}
}

func (e *explainer) freshToken() {
	if !slices.ContainsFunc(e.fixes, func(f Fix) bool { return f.Kind == FixRequestToken }) {
		e.fixes = append(e.fixes, Fix{Kind: FixRequestToken})
	}
}

func (e *explainer) provider() {
	issuer := e.Claims.Issuer
	org, _, isMachine := subjectParts(e.Claims.Subject)
	switch {
	case issuer == "":
		e.step(StepProvider, trustpolicy.MatchUndecided, nil) // a missing claim, said later
		e.hopeless = true
		return
	case e.org == flyname.Personal || isMachine && org == flyname.Personal:
		have := issuer
		if e.org != flyname.Personal {
			have = e.Claims.Subject
		}
		e.because(ReasonClaimsPersonal, have, "")
		e.alias = true
		e.fixes = append(e.fixes, Fix{Kind: FixRawSlug, Issuer: issuer})
		e.hopeless = true
	case e.org != "" && isMachine && org != e.org:
		e.because(ReasonClaimsDisagree, e.Claims.Subject, issuer)
		e.hopeless = true
	}
	// IAM knows a provider by its https URL alone.
	isURL := strings.HasPrefix(issuer, "https://")
	if e.Provider.Presence == Absent || !isURL || e.org == flyname.Personal {
		e.hopeless = e.hopeless || !isURL
		e.because(ReasonProviderAbsent, issuer, "")
		e.step(StepProvider, trustpolicy.DoesNotMatch, invalidToken("No OpenIDConnect provider found in your account for %s", issuer))
		if !e.hopeless {
			e.fixes = append(e.fixes, Fix{Kind: FixCreateProvider, Issuer: issuer, Audience: flyname.AudienceAWS})
		}
		if e.org != "" && e.org != flyname.Personal {
			e.personalProvider(e.Provider.Others)
		}
		return
	}
	e.step(StepProvider, known(e.Provider.Presence == Present), nil)
}

// personalProvider says so when one of the ARNs is of the provider of the alias.
func (e *explainer) personalProvider(arns []string) {
	for _, arn := range arns {
		if strings.HasSuffix(arn, ":oidc-provider/"+flyname.IssuerPath(flyname.Personal)) {
			e.because(ReasonProviderPersonal, arn, e.Claims.Issuer)
		}
	}
}

// known is the outcome of a step that found nothing wrong.
func known(looked bool) trustpolicy.Match {
	if looked {
		return trustpolicy.Matches
	}
	return trustpolicy.MatchUndecided
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
	e.step(StepSignature, trustpolicy.DoesNotMatch, invalidToken(
		"Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements"))
	e.freshToken()
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
		e.step(StepClaims, trustpolicy.Matches, nil)
		return
	}
	e.step(StepClaims, trustpolicy.DoesNotMatch, invalidToken("Missing a required claim: %s", missing))
	e.freshToken()
	e.hopeless = e.hopeless || e.Claims.Subject == ""
}

// present drops empty strings, which are no audiences.
func present(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == "" })
}

func (e *explainer) expiry() {
	exp, nbf := e.Claims.Expiry, e.Claims.NotBefore
	switch {
	case e.Now.IsZero() || exp.IsZero() && nbf.IsZero():
		e.step(StepExpiry, trustpolicy.MatchUndecided, nil)
	case !exp.IsZero() && !e.Now.Before(exp.Add(Grace)):
		e.because(ReasonExpired, timestamp(exp), timestamp(e.Now))
		e.step(StepExpiry, trustpolicy.DoesNotMatch, &Error{
			Code: "ExpiredTokenException",
			Message: fmt.Sprintf("Token expired: current date/time %d must be before the expiration date/time %d",
				e.Now.Unix(), exp.Unix()),
		})
		e.freshToken()
	case !nbf.IsZero() && e.Now.Add(Grace).Before(nbf):
		// AWS documents no grace before nbf; that after exp is taken for it too.
		e.because(ReasonNotYetValid, timestamp(nbf), timestamp(e.Now))
		e.step(StepExpiry, trustpolicy.DoesNotMatch, invalidToken("Some claims are invalid"))
		e.freshToken()
	default:
		e.step(StepExpiry, known(!exp.IsZero()), nil)
	}
}

func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (e *explainer) audience() {
	have := present(e.Claims.Audience)
	if len(have) > 0 {
		e.wanted = have[0]
	}
	listed := func(s string) bool { return slices.Contains(e.Provider.Audiences, s) }
	looked := e.Provider.Presence == Present && e.Provider.Audiences != nil
	switch {
	case len(have) == 0:
		e.step(StepAudience, trustpolicy.MatchUndecided, nil) // a missing claim, said already
		e.wanted = flyname.AudienceAWS
	case looked && !slices.ContainsFunc(have, listed):
		e.because(ReasonAudienceUnlisted, join(have), join(e.Provider.Audiences))
		e.step(StepAudience, trustpolicy.DoesNotMatch, invalidToken("Incorrect token audience"))
		if e.mistaken(e.wanted) || listed(flyname.AudienceAWS) {
			e.requestAudience()
			return
		}
	case len(have) > 1:
		e.because(ReasonManyAudiences, join(have), "")
		e.step(StepAudience, trustpolicy.MatchUndecided, nil)
	default:
		e.step(StepAudience, known(looked), nil)
	}
	if len(have) > 1 || len(have) == 1 && flyname.CheckAudience(have[0]) != nil {
		e.requestAudience() // one of which it is certain what AWS makes of it
	}
}

// mistaken says whether an audience is one of Fly's own, which no role is likely
// to want.
func (e *explainer) mistaken(audience string) bool {
	return audience == e.org || strings.HasPrefix(audience, "https://fly.io/") || strings.HasPrefix(audience, "urn:fly:")
}

// requestAudience makes the token one for AWS.
func (e *explainer) requestAudience() {
	if e.org == "" {
		return // how others mint theirs is not known here
	}
	e.wanted = flyname.AudienceAWS
	e.fixes = append(e.fixes, Fix{Kind: FixRequestAudience, Audience: e.wanted})
}

func join(list []string) string { return strings.Join(list, ", ") }

// request is the one that the policy decides, of a token for the audiences.
func (e *explainer) request(action string, policy *trustpolicy.Policy, audiences ...string) trustpolicy.AssumeRequest {
	context := trustpolicy.WebIdentityContext(e.path, "", e.Claims.Subject)
	context[e.path+":aud"] = present(audiences)
	// What is sure of every request of this kind
	// (reference_policies_condition-keys.html, available keys by operation).
	context["aws:SecureTransport"] = []string{"true"} // STS listens to nothing else
	context["aws:FederatedProvider"] = []string{e.arn}
	context["sts:ExternalId"] = []string{} // a parameter of AssumeRole alone
	if !e.Now.IsZero() {
		context["aws:CurrentTime"] = []string{timestamp(e.Now)}
		context["aws:EpochTime"] = []string{strconv.FormatInt(e.Now.Unix(), 10)}
	}
	context["aws:TagKeys"] = []string{}
	for _, s := range policyStatements(policy) {
		for _, cond := range s.Conditions {
			if strings.HasPrefix(strings.ToLower(cond.Key), "aws:requesttag/") {
				context[strings.ToLower(cond.Key)] = []string{} // unless a tag of that name comes
			}
		}
	}
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

func policyStatements(p *trustpolicy.Policy) []trustpolicy.Statement {
	if p == nil {
		return nil
	}
	return p.Statements
}

// decide is what a policy says to a token for the audiences: both actions have to
// be allowed when the token has session tags.
func (e *explainer) decide(p *trustpolicy.Policy, audiences ...string) (assume, tag trustpolicy.Evaluation) {
	assume = p.Evaluate(e.request(trustpolicy.AssumeAction, p, audiences...))
	tag = trustpolicy.Evaluation{Decision: trustpolicy.Allowed}
	if len(e.Claims.Tags) > 0 {
		tag = p.Evaluate(e.request(trustpolicy.TagSessionAction, p, audiences...))
	}
	return assume, tag
}

// accepts says whether a policy accepts the request once the token is as it has to
// be.
func (e *explainer) accepts(p *trustpolicy.Policy) bool {
	assume, tag := e.decide(p, e.wanted)
	return assume.Decision == trustpolicy.Allowed && tag.Decision == trustpolicy.Allowed
}

// role compares the ARN that was asked for with the one that the role has.
func (e *explainer) role() {
	if e.WantedRole == "" || e.RoleARN == "" {
		return
	}
	if e.WantedRole == e.RoleARN {
		e.step(StepRole, trustpolicy.Matches, nil)
		return
	}
	e.because(ReasonRoleARN, e.WantedRole, e.RoleARN)
	e.step(StepRole, trustpolicy.DoesNotMatch, notAuthorized())
	e.fixes = append(e.fixes, Fix{Kind: FixRoleARN, RoleARN: e.RoleARN})
}

func notAuthorized() *Error {
	return &Error{Code: "AccessDenied", Message: "Not authorized to perform " + trustpolicy.AssumeAction}
}

// policy is the last step.
func (e *explainer) policy() {
	switch {
	case e.PolicyError != nil && e.Policy == nil:
		// IAM takes no such document, so no role has it.
		e.because(ReasonPolicySyntax, e.PolicyError.Error(), "")
		e.step(StepPolicy, trustpolicy.DoesNotMatch, &Error{Code: "MalformedPolicyDocument", Message: "This policy contains invalid Json"})
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
		e.step(StepPolicy, trustpolicy.DoesNotMatch, notAuthorized())
	case assume.Decision == trustpolicy.Undecided || tag.Decision == trustpolicy.Undecided:
		e.undecided(StepPolicy, "")
	default:
		e.step(StepPolicy, trustpolicy.Matches, nil)
		if len(present(e.Claims.Audience)) > 1 && e.out.Verdict == Accepted {
			e.out.Verdict = Undecided
		}
	}
	switch {
	case e.alias: // the policy never sees such claims
	case assume.Decision != trustpolicy.Allowed:
		e.policyReasons(assume)
	case tag.Decision != trustpolicy.Allowed:
		e.tagReasons(tag)
	}
}

// tagReasons says why a token's session tags are not allowed.
func (e *explainer) tagReasons(d trustpolicy.Evaluation) {
	denied := false
	for _, s := range d.Statements {
		if s.Effect == trustpolicy.Deny && s.Match == trustpolicy.Matches {
			e.denies(s)
			denied = true
		}
	}
	if !denied {
		e.because(ReasonTagSession, "", trustpolicy.TagSessionAction)
	}
}

// denies notes a statement that denies the request.
func (e *explainer) denies(s trustpolicy.StatementResult) {
	e.add(Reason{Code: ReasonDenied, Statement: s.Index, Sid: s.Sid})
	e.guarded = true
}
