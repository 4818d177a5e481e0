package sandbox

import (
	"net/http"
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/trustpolicy"
)

// stsHandler returns the handler of an STS action, nil if unknown.
func stsHandler(action string) handler {
	switch action {
	case "GetCallerIdentity":
		return getCallerIdentity
	case "AssumeRoleWithWebIdentity":
		return assumeRoleWithWebIdentity
	}
	return nil
}

func getCallerIdentity(r *request) ([]element, *apiError) {
	return []element{text("Arn", r.caller.arn), text("UserId", r.caller.userID), text("Account", r.world.account())}, nil
}

func invalidIdentityToken(message string) *apiError {
	return refuse(http.StatusBadRequest, "InvalidIdentityToken", "%s", message)
}

func notAuthorized() *apiError {
	return refuse(http.StatusForbidden, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
}

// assumeRoleWithWebIdentity checks the request, then the token against the
// account's providers and the issuer's keys, then the role's trust policy:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html.
// It runs without the World's lock, because it fetches keys over HTTP.
func assumeRoleWithWebIdentity(r *request) ([]element, *apiError) {
	w := r.world
	roleARN := r.required("RoleArn", 20, 2048)
	sessionName := r.required("RoleSessionName", 2, 64)
	if !onlyName(sessionName) {
		r.valueProblem("roleSessionName", sessionName, `Member must satisfy regular expression pattern: [\w+=,.@-]*`)
	}
	raw := r.required("WebIdentityToken", 4, 20000)
	duration := r.integer("DurationSeconds", 900, 43200, 3600)
	if err := r.invalid(); err != nil {
		return nil, err
	}
	if r.form.Has("Policy") || r.form.Has("PolicyArns.member.1.arn") {
		return nil, notInSandbox("session policies")
	}
	account, roleName, ok := w.parseRoleARN(roleARN)
	if !ok {
		return nil, validationError("Request ARN is invalid")
	}
	t, refusal := r.verifyToken(raw, account)
	if refusal != nil {
		return nil, refusal
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	ro := w.roles[strings.ToLower(roleName)]
	if ro == nil || ro.arn != roleARN || !w.trusts(ro, t, sessionName, r) {
		return nil, notAuthorized()
	}
	if duration > ro.maxSession {
		return nil, validationError("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	lifetime := time.Duration(duration) * time.Second
	if w.CredentialsLifetime > 0 {
		lifetime = min(lifetime, w.CredentialsLifetime)
	}
	expires := r.now.Add(lifetime)
	keyID := w.newID("ASIA")
	ses := &session{
		secret:  digest("secret of " + keyID)[:40],
		token:   "IQoJ" + digest("token of "+keyID) + digest("more of "+keyID),
		arn:     "arn:" + w.partition() + ":sts::" + w.account() + ":assumed-role/" + ro.name + "/" + sessionName,
		userID:  ro.id + ":" + sessionName,
		role:    ro,
		issued:  r.now,
		expires: expires.Unix(),
	}
	w.sessions[keyID] = ses
	ro.lastUsed = r.now
	return []element{
		elem("Credentials",
			text("AccessKeyId", keyID),
			text("SecretAccessKey", ses.secret),
			text("SessionToken", ses.token),
			date("Expiration", expires)),
		text("SubjectFromWebIdentityToken", t.subject),
		elem("AssumedRoleUser", text("Arn", ses.arn), text("AssumedRoleId", ses.userID)),
		text("Provider", t.provider),
		text("Audience", t.audience),
	}, nil
}

// parseRoleARN returns the account and the name in a role's ARN.
func (w *World) parseRoleARN(arn string) (account, name string, ok bool) {
	f := strings.SplitN(arn, ":", 6)
	if len(f) != 6 || f[0] != "arn" || f[1] != w.partition() || f[2] != "iam" || f[3] != "" || !isAccount(f[4]) || !strings.HasPrefix(f[5], "role/") {
		return "", "", false
	}
	name = f[5][strings.LastIndexByte(f[5], '/')+1:]
	return f[4], name, name != ""
}

// trusts reports whether the trust policy allows the token to assume the role now.
// The caller holds w.mu.
func (w *World) trusts(ro *role, t *webIdentity, sessionName string, r *request) bool {
	if ro.trust == nil || r.now.Before(ro.trustChanged.Add(w.Propagation)) {
		return false
	}
	keys := r.globalKeys()
	keys[t.path+":aud"] = []string{t.audience}
	keys[t.path+":sub"] = []string{t.subject}
	keys["aws:FederatedProvider"] = []string{t.provider}
	keys["sts:RoleSessionName"] = []string{sessionName}
	for key, values := range t.tags {
		keys["aws:RequestTag/"+key] = values
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], key)
	}
	actions := []string{"sts:AssumeRoleWithWebIdentity"}
	if len(t.tags) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	for _, action := range actions {
		d := ro.trust.Evaluate(trustpolicy.AssumeRequest{Action: action, Federated: t.provider, Context: keys})
		if d.Decision != trustpolicy.Allowed { // undecided counts as denied
			return false
		}
	}
	return true
}
