package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// session is a session of an assumed role.
type session struct {
	secret, token string
	arn, userID   string
	role          *role
	issued        time.Time
	expires       int64 // Unix seconds
}

// signature is an Authorization header of Signature Version 4.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
type signature struct {
	accessKeyID, date, region, service string
	headers                            []string
	hex                                string
}

const signatureAlgorithm = "AWS4-HMAC-SHA256"

// parseSignature reads the Authorization header.
func parseSignature(header string) (*signature, *apiError) {
	incomplete := func(message string) (*signature, *apiError) {
		return nil, refuse(http.StatusBadRequest, "IncompleteSignature", "%s", message)
	}
	rest, ok := strings.CutPrefix(header, signatureAlgorithm+" ")
	if !ok {
		return nil, refuse(http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	if fields["Credential"] == "" || fields["SignedHeaders"] == "" || fields["Signature"] == "" {
		return incomplete("Authorization header requires Credential, SignedHeaders, and Signature.")
	}
	if len(scope) != 5 {
		return incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term")
	}
	if scope[4] != "aws4_request" {
		return nil, signatureMismatch("Credential should be scoped with a valid terminator: 'aws4_request'.")
	}
	return &signature{
		accessKeyID: scope[0],
		date:        scope[1],
		region:      scope[2],
		service:     scope[3],
		headers:     strings.Split(fields["SignedHeaders"], ";"),
		hex:         fields["Signature"],
	}, nil
}

func signatureMismatch(message string) *apiError {
	return &apiError{http.StatusForbidden, "SignatureDoesNotMatch", message}
}

// authenticate returns the principal that signed the request, after checking the
// signature.
func (w *World) authenticate(r *http.Request, body []byte, service string) (caller, *apiError) {
	sig, refusal := parseSignature(r.Header.Get("Authorization"))
	if refusal != nil {
		return caller{}, refusal
	}
	if sig.service != service {
		return caller{}, signatureMismatch("Credential should be scoped to correct service: '" + service + "'.")
	}

	var who caller
	var secret, token string
	w.mu.Lock()
	u, ses := w.users[sig.accessKeyID], w.sessions[sig.accessKeyID]
	w.mu.Unlock()
	switch {
	case u != nil:
		who = caller{arn: u.arn, userID: u.id, user: u}
		secret = u.secret
	case ses != nil:
		who = caller{arn: ses.arn, userID: ses.userID, session: ses}
		secret, token = ses.secret, ses.token
	default:
		return caller{}, invalidToken()
	}
	if r.Header.Get("X-Amz-Security-Token") != token {
		return caller{}, invalidToken()
	}
	stamp := r.Header.Get("X-Amz-Date")
	if !strings.HasPrefix(stamp, sig.date+"T") {
		return caller{}, signatureMismatch("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.")
	}
	if !slices.Contains(sig.headers, "host") {
		return caller{}, signatureMismatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	if !hmac.Equal([]byte(sig.sum(r, body, stamp, secret)), []byte(sig.hex)) {
		return caller{}, signatureMismatch("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	if ses != nil && w.now().Unix() >= ses.expires {
		return caller{}, refuse(http.StatusForbidden, "ExpiredToken", "The security token included in the request is expired")
	}
	return who, nil
}

func invalidToken() *apiError {
	return refuse(http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid.")
}

// sum computes the signature of a request.
func (s *signature) sum(r *http.Request, body []byte, stamp, secret string) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n" + r.URL.EscapedPath() + "\n" + canonicalQuery(r.URL.Query()) + "\n")
	for _, name := range s.headers {
		value := r.Host
		if name != "host" {
			value = strings.Join(r.Header.Values(name), ",")
		}
		b.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	b.WriteString("\n" + strings.Join(s.headers, ";") + "\n" + hexSum(body))

	scope := s.date + "/" + s.region + "/" + s.service + "/aws4_request"
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.date, s.region, s.service, "aws4_request"} {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, signatureAlgorithm+"\n"+stamp+"\n"+scope+"\n"+hexSum([]byte(b.String()))))
}

func canonicalQuery(query url.Values) string {
	return strings.ReplaceAll(query.Encode(), "+", "%20")
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}
