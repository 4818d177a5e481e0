package sandbox

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/trustpolicy"
)

// checkPermissions checks that IAM would accept doc as an identity-based policy.
// The grammar is
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html.
func (w *World) checkPermissions(doc string) *apiError {
	var sids []string
	for _, st := range statements(doc) {
		if has(st, "Principal", "NotPrincipal") {
			return malformedPolicy("Policy document should not specify a principal.")
		}
		if !has(st, "Effect") || has(st, "Action") && has(st, "NotAction") || has(st, "Resource") && has(st, "NotResource") {
			return malformedPolicy("Syntax errors in policy.")
		}
		if err := checkActions(st); err != nil {
			return err
		}
		if err := w.checkResources(st); err != nil {
			return err
		}
		sid := sidOf(st)
		if sid != "" && slices.Contains(sids, sid) {
			return malformedPolicy("Statement IDs (SID) in a single policy must be unique.")
		}
		sids = append(sids, sid)
	}
	if _, err := trustpolicy.CheckIdentityPolicy([]byte(doc)); err != nil {
		return malformedPolicy("Syntax errors in policy.")
	}
	return nil
}

func checkActions(st map[string]json.RawMessage) *apiError {
	if !has(st, "Action", "NotAction") {
		return malformedPolicy("Policy statement must contain actions.")
	}
	for _, action := range slices.Concat(stringList(st["Action"]), stringList(st["NotAction"])) {
		vendor, _, ok := strings.Cut(action, ":")
		switch {
		case action == "*":
		case !ok:
			return malformedPolicy("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
		case vendor == "" || strings.Trim(vendor, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") != "":
			return malformedPolicy("Vendor %s is not valid", vendor)
		}
	}
	return nil
}

func (w *World) checkResources(st map[string]json.RawMessage) *apiError {
	resources := slices.Concat(stringList(st["Resource"]), stringList(st["NotResource"]))
	if !has(st, "Resource", "NotResource") {
		return malformedPolicy("Policy statement must contain resources.")
	}
	for _, resource := range resources {
		if resource == "*" {
			continue
		}
		if !strings.Contains(resource, ":") {
			return malformedPolicy(`Resource %s must be in ARN format or "*".`, resource)
		}
		fields := strings.SplitN(resource, ":", 6)
		if fields[0] == "arn" && len(fields) < 6 {
			return malformedPolicy("The policy failed legacy parsing")
		}
		if fields[0] != "arn" || fields[1] != w.partition() && fields[1] != "*" {
			return malformedPolicy(`Partition "%s" is not valid for resource "%s".`, fields[1], resource)
		}
	}
	return nil
}
