package render

import (
	"time"

	"github.com/fly-aws/fly-aws/internal/explain"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// Schemas of the documents of explain.
const (
	ExplainSchema      = "fly-aws.explain/1"
	ExplainErrorSchema = "fly-aws.explain-error/1"
)

// An ExplainDocument is what explain prints. Text is raw; JSON escapes it.
type ExplainDocument struct {
	Schema  string          `json:"schema"`
	Verdict explain.Verdict `json:"verdict"`
	// Error is AWS's, null unless the verdict is "refused".
	Error      *ExplainError       `json:"error"`
	Steps      []ExplainStep       `json:"steps"`
	Statements []StatementDocument `json:"statements"`
	Reasons    []ReasonDocument    `json:"reasons"`
	// MeantFor holds the subjects that the policy names where it refuses the token for
	// being none of them, and Note says so in words.
	MeantFor []string      `json:"meant_for,omitempty"`
	Note     string        `json:"note,omitempty"`
	Fixes    []FixDocument `json:"fixes"`
	// Complete says that with all the fixes the request is accepted; Obstacle what else
	// stands in the way: "on-purpose" or "issuer", absent if that is not known.
	Complete bool             `json:"complete"`
	Obstacle explain.Obstacle `json:"obstacle,omitempty"`
	// Warnings are errors in the statements of the present policy that let the token in.
	Warnings []ReasonDocument `json:"warnings"`
}

// An ExplainError is what AWS answers.
type ExplainError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// An ExplainStep is a step of STS.
type ExplainStep struct {
	Code    explain.StepCode  `json:"code"`
	Match trustpolicy.Match `json:"match"`
	// Note says why the outcome is undecided.
	Note string `json:"note,omitempty"`
}

// A StatementDocument is a statement and how its tests went.
type StatementDocument struct {
	// Index counts from 0.
	Index      int                `json:"index"`
	Sid        string             `json:"sid,omitempty"`
	Effect     trustpolicy.Effect `json:"effect"`
	Match    trustpolicy.Match  `json:"match"`
	Principal  CheckDocument      `json:"principal"`
	Action     CheckDocument      `json:"action"`
	Conditions []CheckDocument    `json:"conditions"`
}

// A CheckDocument is a test of a statement. Presented is null when the request has
// nothing to present, or it is not known; Reason tells which.
type CheckDocument struct {
	Operator  string            `json:"operator,omitempty"`
	Key       string            `json:"key,omitempty"`
	Wanted    []string          `json:"wanted"`
	Presented []string          `json:"presented"`
	Match   trustpolicy.Match `json:"match"`
	Reason    string            `json:"reason"`
}

// A ReasonDocument is a cause of the verdict, or a warning.
type ReasonDocument struct {
	Code explain.ReasonCode `json:"code"`
	// Statement counts from 0; null when the cause is not in the policy.
	Statement *int   `json:"statement"`
	Sid       string `json:"sid,omitempty"`
	Operator  string `json:"operator,omitempty"`
	Key       string `json:"key,omitempty"`
	Have      string `json:"have,omitempty"`
	Want      string `json:"want,omitempty"`
	// Text is the cause in a sentence, for people.
	Text string `json:"text"`
}

// A FixDocument is one thing to do. All of them are needed, in their order.
type FixDocument struct {
	Kind explain.FixKind `json:"kind"`
	Text string          `json:"text"`
	// Command is one of the AWS CLI for a POSIX shell.
	Command       string              `json:"command,omitempty"`
	Policy        *trustpolicy.Policy `json:"policy,omitempty"`
	ProviderARN   string              `json:"provider_arn,omitempty"`
	Issuer        string              `json:"issuer,omitempty"`
	Audience      string              `json:"audience,omitempty"`
	RoleARN       string              `json:"role_arn,omitempty"`
	NewOrg        bool                `json:"new_org"`
	OverridesDeny bool                `json:"overrides_deny"`
	TooBroad      bool                `json:"too_broad"`
	// AlsoAccepts are examples of what else a fix that is too broad lets in.
	AlsoAccepts []string `json:"also_accepts,omitempty"`
	// Warnings are errors in the statements of Policy that let the token in.
	Warnings []ReasonDocument `json:"warnings"`
}

// An ExplainErrorDocument is what explain prints of an error message of AWS's.
type ExplainErrorDocument struct {
	Schema  string              `json:"schema"`
	Code    explain.MeaningCode `json:"code"`
	AWSCode string              `json:"aws_code,omitempty"`
	Issuer  string              `json:"issuer,omitempty"`
	Action  string              `json:"action,omitempty"`
	Claim   string              `json:"claim,omitempty"`
	Now     *time.Time          `json:"now,omitempty"`
	Expiry  *time.Time          `json:"expiry,omitempty"`
	// Text is a sentence each, for people.
	Text []string `json:"text"`
}

// NewExplain makes the document of an explanation.
func NewExplain(e explain.Explanation) ExplainDocument {
	note, command := meantWords(e)
	if command != "" {
		note += " " + command
	}
	doc := ExplainDocument{
		Schema: ExplainSchema, Verdict: e.Verdict, Complete: e.Complete, Obstacle: e.Obstacle,
		MeantFor: e.MeantFor, Note: note,
		Steps: []ExplainStep{}, Statements: []StatementDocument{}, Fixes: []FixDocument{},
		Reasons: newReasons(e.Reasons), Warnings: newReasons(e.Warnings),
	}
	if e.Error != nil {
		doc.Error = &ExplainError{Code: e.Error.Code, Message: e.Error.Message}
	}
	for _, s := range e.Steps {
		doc.Steps = append(doc.Steps, ExplainStep(s))
	}
	for _, s := range e.Statements {
		statement := StatementDocument{
			Index: s.Index, Sid: s.Sid, Effect: s.Effect, Match: s.Match,
			Principal: newCheck(s.Principal), Action: newCheck(s.Action), Conditions: []CheckDocument{},
		}
		for _, c := range s.Conditions {
			statement.Conditions = append(statement.Conditions, newCheck(c))
		}
		doc.Statements = append(doc.Statements, statement)
	}
	for _, f := range e.Fixes {
		doc.Fixes = append(doc.Fixes, FixDocument{
			Kind: f.Kind, Text: fixWords(f), Command: FixCommand(f), Policy: f.Policy,
			ProviderARN: f.ProviderARN, Issuer: f.Issuer, Audience: f.Audience, RoleARN: f.RoleARN, NewOrg: f.NewOrg,
			OverridesDeny: f.OverridesDeny, TooBroad: f.TooBroad(), AlsoAccepts: f.AlsoAccepts, Warnings: newReasons(f.Warnings),
		})
	}
	return doc
}

func newReasons(reasons []explain.Reason) []ReasonDocument {
	out := make([]ReasonDocument, len(reasons))
	for i, r := range reasons {
		out[i] = ReasonDocument{
			Code: r.Code, Sid: r.Sid, Operator: r.Operator, Key: r.Key, Have: r.Have, Want: r.Want, Text: reasonWords(r),
		}
		if r.Statement >= 0 {
			out[i].Statement = &r.Statement
		}
	}
	return out
}

func newCheck(c trustpolicy.Comparison) CheckDocument {
	wanted := c.Wanted
	if wanted == nil {
		wanted = []string{}
	}
	return CheckDocument{Operator: c.Operator, Key: c.Key, Wanted: wanted, Presented: c.Presented, Match: c.Match, Reason: c.Reason}
}

// NewExplainError makes the document of an error's meaning.
func NewExplainError(m explain.Meaning) ExplainErrorDocument {
	doc := ExplainErrorDocument{
		Schema: ExplainErrorSchema, Code: m.Code, AWSCode: m.AWSCode,
		Issuer: m.Issuer, Action: m.Action, Claim: m.Claim, Text: meaningText(m),
	}
	if !m.Now.IsZero() {
		doc.Now = &m.Now
	}
	if !m.Expiry.IsZero() {
		doc.Expiry = &m.Expiry
	}
	return doc
}
