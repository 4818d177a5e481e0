package sandbox

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// The credentials of the default user, who may do everything. They are the
// examples of AWS's documentation, which secret scanners know.
const (
	AccessKeyID     = "AKIAIOSFODNN7EXAMPLE"                     //nolint:gosec // the documentation's example
	SecretAccessKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" //nolint:gosec // the documentation's example
)

const (
	userName = "sandbox"
	userID   = "AIDAIOSFODNN7EXAMPLE"
)

// World is a simulated AWS account and Fly platform. Its zero value is ready to
// use; the exported fields must not change after Start or Mint was called. It is
// safe for concurrent use.
type World struct {
	// Account is the 12-digit account ID; "" is "123456789012".
	Account string
	// Partition is "aws", "aws-cn" or "aws-us-gov"; "" is "aws".
	Partition string
	// Alias is the account's alias; "" is none.
	Alias string
	// Now is the clock of both AWS and Fly; nil is time.Now.
	Now func() time.Time
	// Fault, if set, is called once for every AWS call, one at a time and in order.
	Fault func(Call) Fault
	// FlyFault, if set, is called in the same way for calls of Fly's API.
	FlyFault func(FlyCall) FlyFault
	// Propagation is how long STS refuses a new role or a changed trust policy with
	// AccessDenied, to simulate IAM's eventual consistency.
	Propagation time.Duration
	// TokenLifetime is how long the tokens of the socket are valid, and those of Mint
	// without a lifetime of their own; 0 is Fly's 600 seconds. A shorter one has a client
	// renew its token within a test.
	TokenLifetime time.Duration
	// CredentialsLifetime is the longest that credentials for a token are valid, whatever
	// DurationSeconds the client asks for; 0 is no limit. STS has no such setting, and no
	// sessions under 900 seconds: it has a client renew its credentials within a test.
	CredentialsLifetime time.Duration
	// TrustPolicyQuota is the size quota of a trust policy in characters without
	// white space, 2048 to 8192 in AWS (L-C07B4B0D); 0 is 2048.
	TrustPolicyQuota int
	// PageLimit caps the items of one page of a list, whatever the client asks
	// for. AWS may return fewer items than MaxItems at any time, and so may Fly. 0
	// is no cap.
	PageLimit int
	// PersonalOrg is the raw slug of the organization that Fly's tools call
	// "personal"; "" is none. Tokens carry the raw slug, not the alias.
	PersonalOrg string
	// FlyNullsData makes the whole data of a GraphQL response null if one field
	// failed.
	FlyNullsData bool

	faultMu sync.Mutex // held while Fault or FlyFault runs, so that it may call the World

	mu        sync.Mutex
	seq       int // counter for IDs
	calls     []Call
	machines  []machine
	ready     bool                        // the maps below are made and AWS's own roles exist
	providers map[string]*provider        // by ARN
	roles     map[string]*role            // by lower-case name
	policies  map[string]*policy          // customer-managed, by ARN
	profiles  map[string]*instanceProfile // by lower-case name
	users     map[string]*user            // by access key ID
	sessions  map[string]*session         // by access key ID
	flyCalls  []FlyCall
	flyOrgs   map[string]string  // names by raw slug
	flyApps   map[string]*flyApp // by name
	states    map[machine]string // states that were set
}

// machine is one Fly Machine.
type machine struct {
	org, app, name string
}

// AddMachine adds a machine to the app of the org. A second call with the same
// names does nothing.
func (w *World) AddMachine(org, app, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := machine{org, app, name}
	if !slices.Contains(w.machines, m) {
		w.machines = append(w.machines, m)
	}
	w.addApp(org, app)
}

// Calls returns the AWS calls so far, in order of arrival. A call in progress has
// no Code yet.
func (w *World) Calls() []Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

func (w *World) account() string {
	if w.Account == "" {
		return "123456789012"
	}
	return w.Account
}

func (w *World) partition() string {
	if w.Partition == "" {
		return "aws"
	}
	return w.Partition
}

// region is the region of the sandbox's user.
func (w *World) region() string {
	switch w.partition() {
	case "aws-cn":
		return "cn-north-1"
	case "aws-us-gov":
		return "us-gov-west-1"
	}
	return "us-east-1"
}

func (w *World) now() time.Time {
	if w.Now == nil {
		return time.Now().UTC()
	}
	return w.Now().UTC()
}

func (w *World) trustPolicyQuota() int {
	if w.TrustPolicyQuota == 0 {
		return 2048
	}
	return w.TrustPolicyQuota
}

// arn returns the ARN of an IAM resource of the account.
func (w *World) arn(resource string) string {
	return "arn:" + w.partition() + ":iam::" + w.account() + ":" + resource
}

// prepare initializes the zero value. The caller holds w.mu.
func (w *World) prepare() {
	if w.ready {
		return
	}
	w.ready = true
	w.providers = make(map[string]*provider)
	w.roles = make(map[string]*role)
	w.policies = make(map[string]*policy)
	w.profiles = make(map[string]*instanceProfile)
	w.users = make(map[string]*user)
	w.sessions = make(map[string]*session)
	w.addDefaultUser()
	w.addServiceLinkedRoles()
}

// newID returns the next unique ID with the four-letter prefix of its kind
// ("AROA", "ANPA", "AKIA"), 21 characters, or 20 for an access key, as in
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html.
// The caller holds w.mu.
func (w *World) newID(prefix string) string {
	w.seq++
	n := 21
	if prefix == "AKIA" || prefix == "ASIA" {
		n = 20
	}
	return prefix + digest(fmt.Sprint(prefix, w.seq))[:n-len(prefix)]
}

// digest hashes text to 52 upper-case letters and digits.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return strings.TrimRight(base32.StdEncoding.EncodeToString(sum[:]), "=")
}

// requestID returns the UUID of the nth request.
func requestID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", n) }
