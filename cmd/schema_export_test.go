package cmd

import (
	"reflect"

	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/setup"
)

// A Document is a kind of document that --json prints.
type Document struct {
	// Schema is its ID, which is the value of its member schema.
	Schema string
	Type   reflect.Type
	// What says what it is, and Commands which commands print it, in Markdown.
	What, Commands string
}

// Documents are all of them, in the order of docs/json.md.
func Documents() []Document {
	return []Document{
		{setup.PlanSchema, reflect.TypeFor[setup.Plan](), "a plan: what would change, with the state before and after", "`plan`; the file of `plan --out`"},
		{"fly-aws.report/2", reflect.TypeFor[render.ReportDocument](), "what was done, read back and checked", "`setup`, `apply`, `destroy`"},
		{render.ImportSchema, reflect.TypeFor[importDocument](), "the files that were written", "`import`"},
		{render.PatchSchema, reflect.TypeFor[patchDocument](), "the entries of `fly.toml` that were set", "`patch`"},
		{render.VariablesSchema, reflect.TypeFor[variablesDocument](), "the variables of an app", "`patch --print`"},
		{render.TrustPolicySchema, reflect.TypeFor[trustPolicyDocument](), "a trust policy, and its size", "`policy trust`"},
		{render.OperatorPolicySchema, reflect.TypeFor[operatorDocument](), "an IAM policy for whoever runs fly-aws, and its size", "`policy operator`"},
		{"fly-aws.explain/1", reflect.TypeFor[render.ExplainDocument](), "whether AWS would accept a token for a role, and why not", "`explain`"},
		{"fly-aws.explain-error/1", reflect.TypeFor[render.ExplainErrorDocument](), "what an error text means", "`explain --error`"},
		{"fly-aws.doctor-chain/1", reflect.TypeFor[render.ChainDocument](), "the chain of an app, link by link", "`doctor` at a keyboard or with `--app`"},
		{render.DoctorSchema, reflect.TypeFor[render.DoctorDocument](), "whether AWS works in a machine, or the one cause that it does not", "`doctor` in a machine"},
		{render.AuditSchema, reflect.TypeFor[render.AuditDocument](), "which apps can become which roles of an account, and what is wrong", "`audit`"},
		{render.LintSchema, reflect.TypeFor[render.LintDocument](), "mistakes in trust policies", "`lint`"},
		{render.TokenSchema, reflect.TypeFor[tokenDocument](), "the claims of a token, which is not in it", "`token`, `token inspect`"},
		{render.VerifySchema, reflect.TypeFor[verifyDocument](), "the checks of a token", "`token verify`"},
		{render.ExchangeSchema, reflect.TypeFor[exchangeDocument](), "the session that AWS gave for a token, without its keys", "`token exchange`"},
		{render.KeepSchema, reflect.TypeFor[keepEvent](), "an event: a token was written or not; one document on each line", "`token keep`; on standard error if it runs a command"},
		{render.VersionSchema, reflect.TypeFor[render.VersionDocument](), "the version of fly-aws, and what it was built from", "`version`"},
		{render.ErrorSchema, reflect.TypeFor[render.ErrorDocument](), "a failure before there is a report", "every command"},
	}
}
