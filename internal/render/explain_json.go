package render

import (
	"encoding/json"
	"time"

	"github.com/fly-aws/fly-aws/internal/explain"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// Schemas of the documents of explain.
const (
	explainSchema      = "fly-aws.explain/1"
	explainErrorSchema = "fly-aws.explain-error/1"
)

// An ExplainDocument is what explain prints. Text is raw; JSON escapes it.
type ExplainDocument struct {
	Schema  string          `json:"schema"`
	Verdict explain.Verdict `json:"verdict"`
	// Error is AWS's error, null unless the verdict is "refused".
	Error      *explainError       `json:"error"`
	Steps      []explainStep       `json:"steps"`
	Statements []statementDocument `json:"statements"`
	Reasons    []reasonDocument    `json:"reasons"`
	// Intended has the subjects that the policy names, if the token is refused for not
	// being one of them; Note says so in words.
	Intended []string `json:"intended,omitempty"`
	Note     string   `json:"note,omitempty"`
	// Fix is the next thing to do, null when nothing is suggested.
	Fix *fixDocument `json:"fix"`
	// Complete says that the request is accepted once the fix is made; Obstacle says why
	// no change is suggested: "denied", "condition", "issuer" or "syntax", absent if not
	// known.
	Complete bool             `json:"complete"`
	Obstacle explain.Obstacle `json:"obstacle,omitempty"`
	// Warnings are findings about the statements that allow the token.
	Warnings []reasonDocument `json:"warnings"`
	// Beyond is whom the policy lets in besides machines of the token's app, if the token is
	// accepted.
	Beyond []AdmissionDocument `json:"beyond"`
}

// An explainError is the error that AWS returns.
type explainError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// An explainStep is one of STS's checks.
type explainStep struct {
	Code   explain.StepCode   `json:"code"`
	Result explain.StepResult `json:"result"`
	// Note says why the result is undecided.
	Note string `json:"note,omitempty"`
}

// A statementDocument is a statement and how it compares with the request.
type statementDocument struct {
	// Index counts from 0.
	Index      int                  `json:"index"`
	Sid        string               `json:"sid,omitempty"`
	Effect     trustpolicy.Effect   `json:"effect"`
	Match      trustpolicy.Match    `json:"match"`
	Principal  comparisonDocument   `json:"principal"`
	Action     comparisonDocument   `json:"action"`
	Conditions []comparisonDocument `json:"conditions"`
}

// A comparisonDocument is an element of a statement, compared with the request. Presented
// is null if the request has no value or the value is not known; Reason says which.
type comparisonDocument struct {
	Operator  string            `json:"operator,omitempty"`
	Key       string            `json:"key,omitempty"`
	Wanted    []string          `json:"wanted"`
	Presented []string          `json:"presented"`
	Match     trustpolicy.Match `json:"match"`
	Reason    string            `json:"reason"`
}

// A reasonDocument is a cause of the verdict, or a warning.
type reasonDocument struct {
	Code explain.ReasonCode `json:"code"`
	// Statement counts from 0; null if the cause is not in the policy.
	Statement *int   `json:"statement"`
	Sid       string `json:"sid,omitempty"`
	Operator  string `json:"operator,omitempty"`
	Key       string `json:"key,omitempty"`
	Have      string `json:"have,omitempty"`
	Want      string `json:"want,omitempty"`
	// Text is the cause as a sentence, for people.
	Text string `json:"text"`
}

// A fixDocument is one thing to do.
type fixDocument struct {
	Kind explain.FixKind `json:"kind"`
	Text string          `json:"text"`
	// Command makes the change, in a POSIX shell.
	Command string `json:"command,omitempty"`
	// Statement is the statement to change or add.
	Statement *statementFix `json:"statement,omitempty"`
	Audience  string        `json:"audience,omitempty"`
	RoleARN   string        `json:"role_arn,omitempty"`
	// NewOrg says that the role trusts only other organizations.
	NewOrg bool `json:"new_org"`
}

// A statementFix is a statement as it is and as it should be.
type statementFix struct {
	// Index is its place in the policy, from 0.
	Index int `json:"index"`
	// Before is null for a statement to be added.
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

// An ExplainErrorDocument is what explain prints for an AWS error message.
type ExplainErrorDocument struct {
	Schema string `json:"schema"`
	// Layer is at fault, most likely; Layers are all that may be, in order of likelihood.
	Layer   explain.Layer       `json:"layer"`
	Layers  []explain.Layer     `json:"layers"`
	Code    explain.MeaningCode `json:"code"`
	AWSCode string              `json:"aws_code,omitempty"`
	// These are read from the text.
	Caller   string     `json:"caller,omitempty"`
	Resource string     `json:"resource,omitempty"`
	File     string     `json:"file,omitempty"`
	Region   string     `json:"region,omitempty"`
	Profile  string     `json:"profile,omitempty"`
	Issuer   string     `json:"issuer,omitempty"`
	Action   string     `json:"action,omitempty"`
	Claim    string     `json:"claim,omitempty"`
	Now      *time.Time `json:"now,omitempty"`
	Expiry   *time.Time `json:"expiry,omitempty"`
	// Text has one sentence per item, for people; Next is what to do.
	Text []string `json:"text"`
	Next string   `json:"next"`
}

// NewExplain makes the document of an explanation.
func NewExplain(e explain.Explanation) ExplainDocument {
	doc := ExplainDocument{
		Schema: explainSchema, Verdict: e.Verdict, Complete: e.Complete, Obstacle: e.Obstacle,
		Intended: e.Intended, Note: intendedWords(e), Fix: newFix(e.Fix),
		Steps: []explainStep{}, Statements: []statementDocument{},
		Reasons: newReasons(e.Reasons), Warnings: newReasons(e.Warnings), Beyond: NewAdmissions(e.Beyond),
	}
	if e.Error != nil {
		doc.Error = &explainError{Code: e.Error.Code, Message: e.Error.Message}
	}
	for _, s := range e.Steps {
		doc.Steps = append(doc.Steps, explainStep(s))
	}
	for _, s := range e.Statements {
		statement := statementDocument{
			Index: s.Index, Sid: s.Sid, Effect: s.Effect, Match: s.Match,
			Principal: newComparison(s.Principal), Action: newComparison(s.Action), Conditions: []comparisonDocument{},
		}
		for _, c := range s.Conditions {
			statement.Conditions = append(statement.Conditions, newComparison(c))
		}
		doc.Statements = append(doc.Statements, statement)
	}
	return doc
}

func newFix(f *explain.Fix) *fixDocument {
	if f == nil {
		return nil
	}
	doc := &fixDocument{
		Kind: f.Kind, Text: fixWords(*f), Command: fixCommand(*f),
		Audience: f.Audience, RoleARN: f.RoleARN, NewOrg: f.NewOrg,
	}
	if f.After != nil {
		doc.Statement = &statementFix{Index: f.Index, After: json.RawMessage(f.After.Indent())}
		if f.Before != nil {
			doc.Statement.Before = json.RawMessage(f.Before.Indent())
		}
	}
	return doc
}

func newReasons(reasons []explain.RefusalReason) []reasonDocument {
	out := make([]reasonDocument, len(reasons))
	for i, r := range reasons {
		out[i] = reasonDocument{
			Code: r.Code, Sid: r.Sid, Operator: r.Operator, Key: r.Key, Have: r.Have, Want: r.Want, Text: reasonWords(r),
		}
		if r.Statement >= 0 {
			out[i].Statement = &r.Statement
		}
	}
	return out
}

func newComparison(c trustpolicy.Comparison) comparisonDocument {
	wanted := c.Wanted
	if wanted == nil {
		wanted = []string{}
	}
	return comparisonDocument{Operator: c.Operator, Key: c.Key, Wanted: wanted, Presented: c.Presented, Match: c.Match, Reason: c.Reason}
}

// NewExplainError makes the document of an error's meaning.
func NewExplainError(d explain.Diagnosis) ExplainErrorDocument {
	doc := ExplainErrorDocument{
		Schema: explainErrorSchema, Layer: d.Layer, Layers: append([]explain.Layer{d.Layer}, d.Others...), Code: d.Code, AWSCode: d.AWSCode,
		Caller: d.Caller, Resource: d.Resource, File: d.File, Region: d.Region, Profile: d.Profile,
		Issuer: d.Issuer, Action: d.Action, Claim: d.Claim, Text: diagnosisText(d), Next: layerNext(d),
	}
	if !d.Now.IsZero() {
		doc.Now = &d.Now
	}
	if !d.Expiry.IsZero() {
		doc.Expiry = &d.Expiry
	}
	return doc
}
