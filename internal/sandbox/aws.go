package sandbox

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxBody bounds a request. The largest valid one has a policy of 131072
// characters, percent-encoded.
const maxBody = 1 << 20

// A handler performs an action and returns the content of its result; a nil slice
// is a response without a result. IAM's handlers run with the World locked.
type handler func(*request) ([]element, *apiError)

// iamVersion and stsVersion tell the services apart on the shared endpoint.
const (
	iamVersion = "2010-05-08"
	stsVersion = "2011-06-15"
)

// serveAWS serves IAM and STS.
func (s *Server) serveAWS(rw http.ResponseWriter, hr *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, hr.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		http.Error(rw, "the request is larger than 1 MiB", http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		panic(http.ErrAbortHandler) // the client disconnected
	}

	w := s.world
	r := &request{world: w, server: s, http: hr, form: hr.URL.Query(), now: w.now()}
	refusal := r.parse(body)
	call, fault := w.record(r)

	if !s.wait(hr, fault.Delay) {
		panic(http.ErrAbortHandler)
	}
	if fault.Before != nil {
		fault.Before()
	}
	if fault.drop == dropBefore {
		panic(http.ErrAbortHandler)
	}
	var result []element
	if refusal == nil {
		result, refusal = r.do(body, fault)
	}
	if fault.After != nil {
		fault.After()
	}
	if fault.drop == dropAfter {
		panic(http.ErrAbortHandler)
	}

	status := http.StatusOK
	code := ""
	if refusal != nil {
		status, code = refusal.status, refusal.code
	}
	answer := r.answer(result, refusal, call.RequestID)
	if len(answer) > oneRead {
		s.wait(hr, largeAnswer)
	}
	w.answered(call, status, code)
	// A client that does not read must not keep the connection forever.
	_ = http.NewResponseController(rw).SetWriteDeadline(time.Now().Add(10 * time.Second))
	rw.Header().Set("Content-Type", "text/xml")
	rw.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	rw.Header().Set("X-Amzn-Requestid", call.RequestID)
	rw.WriteHeader(status)
	_, _ = rw.Write(answer) // the client may have disconnected
}

// The Go SDK closes a request's body when the response headers arrive. If net/http
// has not seen the end of the body yet, the SDK's reader fails with io.EOF
// (smithy-go, safeWriteToReadCloser.WriteTo), net/http treats that as a failed
// write and closes the connection, and the rest of the response is lost. A network
// is slow enough to avoid this; here, a large response waits a moment.
const (
	oneRead     = 3 << 10
	largeAnswer = 10 * time.Millisecond
)

// wait waits for d; false if the client disconnects or the server closes first.
func (s *Server) wait(hr *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-hr.Context().Done():
		return false
	}
}

// record records the call and gets its fault.
func (w *World) record(r *request) (Call, Fault) {
	w.faultMu.Lock()
	defer w.faultMu.Unlock()

	params := make(url.Values, len(r.form))
	for name, values := range r.form {
		params[name] = slices.Clone(values)
	}
	if params.Has("WebIdentityToken") {
		params.Set("WebIdentityToken", "(not kept)")
	}
	call := Call{Service: r.service, Action: r.action, Params: params, Write: isWrite(r.service, r.action)}
	if sig, _ := parseSignature(r.http.Header.Get("Authorization")); sig != nil {
		call.AccessKeyID = sig.accessKeyID
	}
	w.mu.Lock()
	call.N = len(w.calls) + 1
	call.RequestID = requestID(call.N)
	w.calls = append(w.calls, call)
	w.mu.Unlock()
	if w.Fault == nil {
		return call, Fault{}
	}
	return call, w.Fault(call)
}

func (w *World) answered(call Call, status int, code string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := &w.calls[call.N-1]
	c.Status, c.Code = status, code
}

// isWrite reports whether an action changes the account.
func isWrite(service, action string) bool {
	return service == "iam" && !strings.HasPrefix(action, "Get") && !strings.HasPrefix(action, "List")
}

// parse reads the request's query string and body.
func (r *request) parse(body []byte) *apiError {
	if r.http.Method != http.MethodPost && r.http.Method != http.MethodGet {
		return refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", "The requested method is not allowed")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return refuse(http.StatusBadRequest, "MalformedQueryString", "The query string contains a syntax error.")
	}
	for name, values := range form {
		r.form[name] = append(r.form[name], values...)
	}
	r.action = r.form.Get("Action")
	switch r.form.Get("Version") {
	case iamVersion:
		r.service = "iam"
	case stsVersion:
		r.service = "sts"
	}
	return nil
}

// do authenticates the caller and runs the action.
func (r *request) do(body []byte, fault Fault) ([]element, *apiError) {
	var handle handler
	switch r.service {
	case "iam":
		handle = iamHandler(r.action)
	case "sts":
		handle = stsHandler(r.action)
	}
	if handle == nil {
		return nil, refuse(http.StatusBadRequest, "InvalidAction", "Could not find operation %s for version %s",
			orNone(r.action), orNone(r.form.Get("Version")))
	}

	w := r.world
	signed := r.action != "AssumeRoleWithWebIdentity"
	w.mu.Lock()
	w.prepare()
	w.mu.Unlock()
	if signed {
		var refusal *apiError
		if r.caller, refusal = w.authenticate(r.http, body, r.service); refusal != nil {
			return nil, refusal
		}
	} else {
		r.caller = caller{arn: "anonymous"}
	}
	if fault.refuse != nil {
		return nil, fault.refuse(r)
	}
	if r.service == "sts" { // GetCallerIdentity needs no permission, the other action no caller
		return handle(r)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if refusal := r.authorize(); refusal != nil {
		return nil, refusal
	}
	return handle(r)
}

func orNone(s string) string {
	if s == "" {
		return "NO_VALUE_SPECIFIED"
	}
	return s
}

// answer returns the body of the response.
func (r *request) answer(result []element, refusal *apiError, id string) []byte {
	namespace := iamNamespace
	if r.service == "sts" {
		namespace = stsNamespace
	}
	if refusal != nil {
		if refusal.code == "InvalidAction" {
			namespace = faultNamespace
		}
		kind := "Sender"
		if refusal.status >= 500 {
			kind = "Receiver"
		}
		return envelope("ErrorResponse", namespace,
			elem("Error", text("Type", kind), text("Code", refusal.code), text("Message", refusal.message)),
			text("RequestId", id))
	}
	var content []element
	if result != nil {
		content = append(content, elem(r.action+"Result", result...))
	}
	content = append(content, elem("ResponseMetadata", text("RequestId", id)))
	return envelope(r.action+"Response", namespace, content...)
}
