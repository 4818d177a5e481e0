package preset

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// A Scope is where a resource is that is given by name.
type Scope struct {
	// Partition is an AWS partition: "aws", "aws-cn", "aws-us-gov", ….
	Partition string
	// Account is the 12-digit account ID.
	Account string
	// Region is the AWS region, such as eu-central-1. It may be empty if
	// Preset.NeedsRegion is false.
	Region string
}

// A Preset is a template for a permissions policy with one answer to fill in.
type Preset struct {
	// Name identifies the preset on the command line: "s3-read".
	Name string
	// Title says what it allows, in a few words.
	Title string
	// Question asks for the answer; Example is one.
	Question, Example string
	// Hint is a sentence about what else may be needed; "" if there is nothing to say.
	Hint string
	// Keywords are words to find it by, other than those of Name and Title.
	Keywords []string

	kind       kind
	statements func(resource) []statement
}

// All returns the presets in display order.
func All() []Preset { return table() }

// Find returns the preset with that name.
func Find(name string) (Preset, bool) {
	for _, p := range table() {
		if p.Name == name {
			return p, true
		}
	}
	return Preset{}, false
}

// An AnswerError says why a preset or its answer cannot be used.
type AnswerError struct {
	// Preset is the preset's name, as given.
	Preset string
	// Answer is the answer, as given.
	Answer string
	// Reason is a clause.
	Reason string
}

func (e *AnswerError) Error() string {
	if e.Answer == "" {
		return fmt.Sprintf("preset %q cannot be used: %s", e.Preset, e.Reason)
	}
	return fmt.Sprintf("preset %s cannot be made for %q: %s", e.Preset, e.Answer, e.Reason)
}

// Named is Find with an *Error for an unknown name.
func Named(name string) (Preset, error) {
	p, ok := Find(name)
	if !ok {
		return p, &AnswerError{Preset: name, Reason: "unknown preset"}
	}
	return p, nil
}

// Parse splits "<name>=<answer>" from a command line and checks both. The error is an
// *Error.
func Parse(text string) (Preset, string, error) {
	name, answer, ok := strings.Cut(text, "=")
	p, err := Named(name)
	switch {
	case err != nil:
		return Preset{}, "", err
	case !ok:
		return Preset{}, "", &AnswerError{Preset: name, Reason: "write it as " + name + "=" + p.Example}
	}
	return p, answer, p.Check(answer)
}

// Check says what is wrong with the answer in any account and region. The error is an
// *Error.
func (p Preset) Check(answer string) error {
	if _, err := p.kind.read(answer, Scope{}); err != "" {
		return &AnswerError{Preset: p.Name, Answer: answer, Reason: err}
	}
	return nil
}

// NeedsRegion says whether the policy depends on Scope.Region: the resource is regional
// and the answer is its name.
func (p Preset) NeedsRegion(answer string) bool {
	return p.kind.regional && !strings.HasPrefix(answer, "arn:")
}

// Policy makes the policy, without white space, and its name within the role, which
// depends only on the preset and the answer. The error is an *Error.
func (p Preset) Policy(s Scope, answer string) (name string, document json.RawMessage, err error) {
	fail := func(reason string) (string, json.RawMessage, error) {
		return "", nil, &AnswerError{Preset: p.Name, Answer: answer, Reason: reason}
	}
	r, reason := p.kind.read(answer, s)
	switch {
	case reason != "":
		return fail(reason)
	case s.Partition == "" || r.partition != s.Partition:
		return fail(fmt.Sprintf("its ARN is in the partition %q, the account in %q", r.partition, s.Partition))
	case p.NeedsRegion(answer) && s.Region == "":
		return fail("no AWS region is known; give the region or the ARN")
	}
	document, err = json.Marshal(struct {
		Version   string
		Statement []statement
	}{"2012-10-17", p.statements(r)})
	if err != nil {
		return fail(err.Error())
	}
	if r.whole {
		return p.policyName(r.arn), document, nil
	}
	return p.policyName(r.name), document, nil
}

// maxName is the maximum length of an inline policy's name (IAM API reference,
// PutRolePolicy).
const maxName = 128

// policyName makes a name of letters, digits and _+=,.@- as IAM requires. A resource's name
// or ARN that is too long is replaced by its digest.
func (p Preset) policyName(resource string) string {
	name := p.Name + "-" + strings.NewReplacer("/", "+", ":", ",", "#", "=", "*", "").Replace(resource)
	if len(name) > maxName {
		sum := sha256.Sum256([]byte(resource))
		return p.Name + "-" + hex.EncodeToString(sum[:16])
	}
	return name
}

// A statement is a policy statement, with its fields in print order.
type statement struct {
	Sid       string
	Effect    string
	Action    values
	Resource  values
	Condition map[string]map[string]values `json:",omitempty"`
}

// values are printed as is customary in policies: one value without brackets.
type values []string

// MarshalJSON prints the values.
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
