package preset

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// A Scope is where a resource lives that is given by its bare name.
type Scope struct {
	// Partition is "aws", "aws-cn", "aws-us-gov" or another of AWS's.
	Partition string
	// Account is the 12-digit account ID.
	Account string
	// Region is the AWS region, such as eu-central-1. It may be empty where
	// Preset.NeedsRegion says so.
	Region string
}

// A Preset is a permissions policy that lacks one answer.
type Preset struct {
	// Name is what a command line calls it: "s3-read".
	Name string
	// Title says what it allows, in a few words.
	Title string
	// Question asks for the answer; Example is one.
	Question, Example string

	kind       kind
	statements func(resource) []statement
}

// All returns the presets in the order in which a person is shown them.
func All() []Preset { return table() }

// Find returns the preset of that name.
func Find(name string) (Preset, bool) {
	for _, p := range table() {
		if p.Name == name {
			return p, true
		}
	}
	return Preset{}, false
}

// An Error says why a preset cannot be made from what was given.
type Error struct {
	// Preset is its name, as given.
	Preset string
	// Answer is what was given for it.
	Answer string
	// Reason is a clause in words.
	Reason string
}

func (e *Error) Error() string {
	if e.Answer == "" {
		return fmt.Sprintf("preset %q cannot be used: %s", e.Preset, e.Reason)
	}
	return fmt.Sprintf("preset %s cannot be made for %q: %s", e.Preset, e.Answer, e.Reason)
}

// Named is Find with an error, an *Error, for a name that there is not.
func Named(name string) (Preset, error) {
	p, ok := Find(name)
	if !ok {
		return p, &Error{Preset: name, Reason: "unknown preset"}
	}
	return p, nil
}

// Parse takes "<name>=<answer>" apart, as a command line has it, and checks
// both. The error is an *Error.
func Parse(text string) (Preset, string, error) {
	name, answer, ok := strings.Cut(text, "=")
	p, err := Named(name)
	switch {
	case err != nil:
		return Preset{}, "", err
	case !ok:
		return Preset{}, "", &Error{Preset: name, Reason: "write it as " + name + "=" + p.Example}
	}
	return p, answer, p.Check(answer)
}

// Check says what about the answer can never be right, wherever the resource
// lives. The error is an *Error.
func (p Preset) Check(answer string) error {
	if _, err := p.kind.read(answer, Scope{}); err != "" {
		return &Error{Preset: p.Name, Answer: answer, Reason: err}
	}
	return nil
}

// NeedsRegion says whether the policy depends on Scope.Region: the answer is the
// bare name of something that lives in a region.
func (p Preset) NeedsRegion(answer string) bool {
	return p.kind.regional && !strings.HasPrefix(answer, "arn:")
}

// Policy makes the policy, without white space, and its name within the role,
// which is made of the preset's and the answer and is the same for the same
// answer. The error is an *Error.
func (p Preset) Policy(s Scope, answer string) (name string, document json.RawMessage, err error) {
	fail := func(reason string) (string, json.RawMessage, error) {
		return "", nil, &Error{Preset: p.Name, Answer: answer, Reason: reason}
	}
	r, reason := p.kind.read(answer, s)
	switch {
	case reason != "":
		return fail(reason)
	case s.Partition == "" || r.partition != s.Partition:
		return fail(fmt.Sprintf("its ARN is of the partition %q, and the account of %q", r.partition, s.Partition))
	case p.NeedsRegion(answer) && s.Region == "":
		return fail("no AWS region is known; give the region, or the ARN")
	}
	document, err = json.Marshal(struct {
		Version   string
		Statement []statement
	}{"2012-10-17", p.statements(r)})
	if err != nil {
		return fail(err.Error())
	}
	if !r.whole {
		answer = r.name
	}
	return p.policyName(answer), document, nil
}

// maxName is the length of an inline policy's name (IAM API reference,
// PutRolePolicy).
const maxName = 128

// policyName makes a name of letters, digits and _+=,.@- as IAM takes them. An
// answer too long for it is named by its digest.
func (p Preset) policyName(answer string) string {
	name := p.Name + "-" + strings.NewReplacer("/", "+", ":", ",").Replace(answer)
	if len(name) > maxName {
		sum := sha256.Sum256([]byte(answer))
		return p.Name + "-" + hex.EncodeToString(sum[:16])
	}
	return name
}

// A statement is one of a policy, in the order in which it is printed.
type statement struct {
	Sid       string
	Effect    string
	Action    values
	Resource  values
	Condition map[string]map[string]values `json:",omitempty"`
}

// values are printed as policies are customarily written: one value without
// brackets.
type values []string

// MarshalJSON prints them.
func (v values) MarshalJSON() ([]byte, error) {
	if len(v) == 1 {
		return json.Marshal(v[0])
	}
	return json.Marshal([]string(v))
}

func allow(sid string, actions []string, resources ...string) statement {
	return statement{Sid: sid, Effect: "Allow", Action: actions, Resource: resources}
}

// where adds a condition.
func (s statement) where(operator, key, value string) statement {
	s.Condition = map[string]map[string]values{operator: {key: {value}}}
	return s
}
