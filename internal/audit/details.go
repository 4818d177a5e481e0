package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// ErrNoDetails says that a file is not what aws iam get-account-authorization-details prints.
var ErrNoDetails = errors.New("it has no RoleDetailList, as aws iam get-account-authorization-details prints it")

// The parts of the details that are read
// (https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleDetail.html).
type (
	roleDetail struct {
		RoleName                 string
		Arn                      string
		Path                     string
		AssumeRolePolicyDocument jsontext.Value
		RolePolicyList           []struct {
			PolicyName     string
			PolicyDocument jsontext.Value
		}
		AttachedManagedPolicies []struct{ PolicyArn string }
		PermissionsBoundary     struct{ PermissionsBoundaryArn string }
		Tags                    []struct{ Key, Value string }
		RoleLastUsed            struct{ LastUsedDate string }
	}
	policyDetail struct {
		Arn               string
		PolicyVersionList []struct {
			Document         jsontext.Value
			IsDefaultVersion bool
		}
	}
)

// ReadDetails reads what aws iam get-account-authorization-details printed, one role at a
// time. The providers are not in it, which is a gap of the inventory. The error is
// ErrNoDetails, a *jsontext.SyntacticError or that of r.
func ReadDetails(r io.Reader) (Inventory, error) {
	inv := Inventory{Documents: map[string]setup.Document{}, Gaps: []Gap{{Code: GapProviders, Reason: "the file does not have them"}}}
	dec := jsontext.NewDecoder(r)
	found := false
	err := members(dec, func(name string) error {
		switch name {
		case "RoleDetailList":
			found = true
			return elements(dec, func() error {
				var d roleDetail
				if err := json.UnmarshalDecode(dec, &d); err != nil {
					return err
				}
				inv.addRole(d)
				return nil
			})
		case "Policies":
			return elements(dec, func() error {
				var d policyDetail
				if err := json.UnmarshalDecode(dec, &d); err != nil {
					return err
				}
				for _, v := range d.PolicyVersionList {
					if document, err := setup.FoundDocument(decoded(v.Document)); v.IsDefaultVersion && err == nil {
						inv.Documents[d.Arn] = document
					}
				}
				return nil
			})
		}
		return dec.SkipValue()
	})
	var syntax *jsontext.SyntacticError
	switch {
	case err == nil && !found:
		return inv, ErrNoDetails
	case errors.As(err, &syntax), err == nil:
		return inv, err
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		return inv, fmt.Errorf("%w: %s", ErrNoDetails, text.Line(semantic.Error()))
	}
	return inv, err
}

// members calls do with the name of each member of an object, to read its value.
func members(dec *jsontext.Decoder, do func(name string) error) error {
	token, err := dec.ReadToken()
	switch {
	case err != nil:
		return err
	case token.Kind() != jsontext.KindBeginObject:
		return ErrNoDetails
	}
	for dec.PeekKind() != jsontext.KindEndObject {
		token, err := dec.ReadToken()
		if err != nil {
			return err
		}
		if err := do(token.String()); err != nil {
			return err
		}
	}
	_, err = dec.ReadToken()
	return err
}

// elements calls do for each element of a list, to read it.
func elements(dec *jsontext.Decoder, do func() error) error {
	token, err := dec.ReadToken()
	switch {
	case err != nil:
		return err
	case token.Kind() != jsontext.KindBeginArray:
		return ErrNoDetails
	}
	for dec.PeekKind() != jsontext.KindEndArray {
		if err := do(); err != nil {
			return err
		}
	}
	_, err = dec.ReadToken()
	return err
}

// addRole adds a role if it concerns Fly.
func (inv *Inventory) addRole(d roleDetail) {
	inv.Seen++
	if parts := strings.SplitN(d.Arn, ":", 6); inv.Account == "" && len(parts) == 6 {
		inv.Partition, inv.Account = parts[1], parts[4]
	}
	trust := decoded(d.AssumeRolePolicyDocument)
	role := Role{Role: setup.Role{
		ARN: d.Arn, Name: d.RoleName, Path: d.Path, Boundary: d.PermissionsBoundary.PermissionsBoundaryArn, Tags: map[string]string{},
	}}
	for _, t := range d.Tags {
		role.Tags[t.Key] = t.Value
	}
	if !bytes.Contains(trust, []byte(flyname.IssuerHost)) && !bytes.ContainsRune(trust, '\\') && role.Tags[setup.TagOrg] == "" {
		return
	}
	role.Trust, _ = trustpolicy.Parse(trust) // nil is reported as one that cannot be read
	if used, err := time.Parse(time.RFC3339, d.RoleLastUsed.LastUsedDate); err == nil {
		role.LastUsed = used
	}
	for _, p := range d.AttachedManagedPolicies {
		role.Policies = append(role.Policies, setup.RolePolicy{Role: d.RoleName, ARN: p.PolicyArn})
	}
	for _, p := range d.RolePolicyList {
		document, _ := setup.FoundDocument(decoded(p.PolicyDocument)) // the zero one is unread
		role.Policies = append(role.Policies, setup.RolePolicy{Role: d.RoleName, Name: p.PolicyName, Document: document})
	}
	inv.Roles = append(inv.Roles, role)
}

// decoded is a document as JSON text: the AWS CLI prints an object, the API URL-encoded text.
func decoded(v jsontext.Value) []byte {
	if v.Kind() != jsontext.KindString {
		return v
	}
	var s string
	if json.Unmarshal(v, &s) != nil {
		return nil
	}
	if plain, err := url.PathUnescape(s); err == nil {
		return []byte(plain)
	}
	return []byte(s)
}
