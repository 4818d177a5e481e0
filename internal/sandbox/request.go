package sandbox

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// apiError is an error response of AWS.
type apiError struct {
	status        int
	code, message string
}

func refuse(status int, code, format string, args ...any) *apiError {
	return &apiError{status, code, fmt.Sprintf(format, args...)}
}

func validationError(format string, args ...any) *apiError {
	return refuse(http.StatusBadRequest, "ValidationError", format, args...)
}

func invalidInput(format string, args ...any) *apiError {
	return refuse(http.StatusBadRequest, "InvalidInput", format, args...)
}

func malformedPolicy(format string, args ...any) *apiError {
	return refuse(http.StatusBadRequest, "MalformedPolicyDocument", format, args...)
}

func noSuchEntity(format string, args ...any) *apiError {
	return refuse(http.StatusNotFound, "NoSuchEntity", format, args...)
}

func alreadyExists(format string, args ...any) *apiError {
	return refuse(http.StatusConflict, "EntityAlreadyExists", format, args...)
}

func limitExceeded(format string, args ...any) *apiError {
	return refuse(http.StatusConflict, "LimitExceeded", format, args...)
}

func deleteConflict(message string) *apiError {
	return refuse(http.StatusConflict, "DeleteConflict", "%s", message)
}

// request is one AWS call in progress. Its readers collect problems with the
// parameters, because AWS reports them together; see invalid.
type request struct {
	world   *World
	server  *Server
	http    *http.Request
	form    url.Values
	service string
	action  string
	now     time.Time
	caller  caller

	problems []string
	charset  *apiError // reported after the problems
}

// caller is the principal that signed a request: a user or a session.
type caller struct {
	arn, userID string
	user        *user
	session     *session
}

// member is the name of a parameter in AWS's messages: RoleName → roleName.
func member(name string) string { return strings.ToLower(name[:1]) + name[1:] }

func (r *request) problem(name, constraint string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf("Value at '%s' failed to satisfy constraint: %s", name, fmt.Sprintf(constraint, args...)))
}

// valueProblem records a problem that AWS reports with the value.
func (r *request) valueProblem(name, value, constraint string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf("Value '%s' at '%s' failed to satisfy constraint: %s", value, name, fmt.Sprintf(constraint, args...)))
}

// invalid returns the error for the parameters read so far, nil if all are valid.
func (r *request) invalid() *apiError {
	switch n := len(r.problems); {
	case n == 1:
		return validationError("1 validation error detected: %s", r.problems[0])
	case n > 1:
		return validationError("%d validation errors detected: %s", n, strings.Join(r.problems, "; "))
	}
	return r.charset
}

// notAllowed records the first error about the characters of a value.
func (r *request) notAllowed(err *apiError) {
	if r.charset == nil {
		r.charset = err
	}
}

// length records a problem if the number of characters is not between least and
// most.
func (r *request) length(name, value string, least, most int) {
	switch n := utf8.RuneCountInString(value); {
	case n < least:
		r.problem(name, "Member must have length greater than or equal to %d", least)
	case n > most:
		r.problem(name, "Member must have length less than or equal to %d", most)
	}
}

// required returns a parameter of least to most characters.
func (r *request) required(name string, least, most int) string {
	if !r.form.Has(name) {
		r.problem(member(name), "Member must not be null")
		return ""
	}
	return r.optional(name, least, most)
}

// optional returns a parameter of least to most characters, "" if it is absent.
func (r *request) optional(name string, least, most int) string {
	value := r.form.Get(name)
	if r.form.Has(name) {
		r.length(member(name), value, least, most)
	}
	return value
}

// integer returns a parameter between least and most, otherwise if it is absent.
func (r *request) integer(name string, least, most, otherwise int) int {
	value := r.form.Get(name)
	if value == "" {
		return otherwise
	}
	n, err := strconv.Atoi(value)
	switch {
	case err != nil:
		r.notAllowed(refuse(http.StatusBadRequest, "MalformedInput", "Invalid Argument"))
	case n < least:
		r.valueProblem(member(name), value, "Member must have value greater than or equal to %d", least)
	case n > most:
		r.valueProblem(member(name), value, "Member must have value less than or equal to %d", most)
	}
	return n
}

// enum returns a parameter that must be one of values, "" if it is absent.
func (r *request) enum(name string, values ...string) string {
	value := r.form.Get(name)
	if !r.form.Has(name) {
		return ""
	}
	for _, v := range values {
		if v == value {
			return value
		}
	}
	r.problem(member(name), "Member must satisfy enum value set: [%s]", strings.Join(values, ", "))
	return ""
}

// list returns the strings of a list parameter: name.member.1, name.member.2, …
func (r *request) list(name string) []string {
	var out []string
	for i := 1; ; i++ {
		key := name + ".member." + strconv.Itoa(i)
		if !r.form.Has(key) {
			return out
		}
		out = append(out, r.form.Get(key))
	}
}

// name returns a required parameter that is the name of an IAM entity: letters,
// digits and _+=,.@-
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
func (r *request) name(param string, most int) string {
	value := r.required(param, 1, most)
	if !onlyName(value) {
		r.notAllowed(validationError("The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", member(param)))
	}
	return value
}

func (r *request) roleName() string { return r.name("RoleName", 64) }

// onlyName reports whether s has only characters of an IAM name.
func onlyName(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alnum && !strings.ContainsRune("_+=,.@-", rune(c)) {
			return false
		}
	}
	return true
}

// path returns the optional parameter Path: "/" or printable ASCII between two
// slashes, at most 512 characters.
func (r *request) path() string {
	value := r.optional("Path", 1, 512)
	if !r.form.Has("Path") {
		return "/"
	}
	if !strings.HasPrefix(value, "/") || !strings.HasSuffix(value, "/") || !printable(value) {
		r.notAllowed(validationError("The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters."))
	}
	return value
}

// pathPrefix returns the optional parameter PathPrefix.
func (r *request) pathPrefix() string {
	value := r.optional("PathPrefix", 1, 512)
	if !r.form.Has("PathPrefix") {
		return "/"
	}
	if !strings.HasPrefix(value, "/") || !printable(value) {
		r.notAllowed(validationError("The specified value for pathPrefix is invalid. It must begin with the / character and contain only alphanumeric characters and/or / characters."))
	}
	return value
}

// printable reports whether s is visible ASCII without blanks.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// description returns the optional parameter Description, at most 1000
// characters of printable Latin-1.
func (r *request) description() string {
	value := r.optional("Description", 0, 1000)
	for _, c := range value {
		if c != '\t' && c != '\n' && c != '\r' && (c < 0x20 || 0x7e < c && c < 0xa1 || c > 0xff) {
			r.problem("description", `Member must satisfy regular expression pattern: [\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]*`)
			break
		}
	}
	return value
}

// policyDocument returns a required parameter with a policy: 1 to 131072 characters
// of Latin-1.
func (r *request) policyDocument(name string) string {
	value := r.required(name, 1, 131072)
	for _, c := range value {
		if c != '\t' && c != '\n' && c != '\r' && (c < 0x20 || c > 0xff) {
			r.problem(member(name), `Member must satisfy regular expression pattern: [\u0009\u000A\u000D\u0020-\u00FF]+`)
			break
		}
	}
	return value
}
