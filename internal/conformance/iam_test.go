package conformance

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// These helpers read and change the account with the AWS SDK. A run of the AWS CLI
// takes half a second of CPU time, so it is used only where a test is about its
// view.

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) createRole(trust string, tags map[string]string) {
	w.t.Helper()
	in := &iam.CreateRoleInput{RoleName: aws.String(w.role()), AssumeRolePolicyDocument: &trust}
	for key, value := range tags {
		in.Tags = append(in.Tags, types.Tag{Key: &key, Value: &value})
	}
	_, err := w.iam.CreateRole(context.Background(), in)
	w.must(err)
}

// getRole returns the role and its trust policy.
func (w *world) getRole() (*types.Role, map[string]any) {
	w.t.Helper()
	out, err := w.iam.GetRole(context.Background(), &iam.GetRoleInput{RoleName: aws.String(w.role())})
	w.must(err)
	text, err := url.PathUnescape(*out.Role.AssumeRolePolicyDocument) // RFC 3986, as IAM documents it
	w.must(err)
	var trust map[string]any
	w.must(json.Unmarshal([]byte(text), &trust))
	return out.Role, trust
}

// trust returns the role's trust policy.
func (w *world) trust() map[string]any {
	w.t.Helper()
	_, trust := w.getRole()
	return trust
}

func (w *world) setTrust(document string) {
	w.t.Helper()
	_, err := w.iam.UpdateAssumeRolePolicy(context.Background(), &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String(w.role()), PolicyDocument: &document})
	w.must(err)
}

// tags returns the role's tags.
func (w *world) tags() map[string]string {
	w.t.Helper()
	role, _ := w.getRole()
	tags := make(map[string]string)
	for _, tag := range role.Tags {
		tags[*tag.Key] = *tag.Value
	}
	return tags
}

// attached returns the ARNs of the managed policies of the role.
func (w *world) attached() []string {
	w.t.Helper()
	out, err := w.iam.ListAttachedRolePolicies(context.Background(), &iam.ListAttachedRolePoliciesInput{RoleName: aws.String(w.role())})
	w.must(err)
	var arns []string
	for _, policy := range out.AttachedPolicies {
		arns = append(arns, *policy.PolicyArn)
	}
	return arns
}

// detach detaches the role's managed policy.
func (w *world) detach() {
	w.t.Helper()
	_, err := w.iam.DetachRolePolicy(context.Background(), &iam.DetachRolePolicyInput{RoleName: aws.String(w.role()), PolicyArn: aws.String(s3ReadOnly)})
	w.must(err)
}

// deleteRole deletes the role, which must have no policies.
func (w *world) deleteRole() {
	w.t.Helper()
	_, err := w.iam.DeleteRole(context.Background(), &iam.DeleteRoleInput{RoleName: aws.String(w.role())})
	w.must(err)
}

// provider returns the provider's URL and audiences.
func (w *world) provider() (url string, audiences []string) {
	w.t.Helper()
	out, err := w.iam.GetOpenIDConnectProvider(context.Background(), &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(w.providerARN())})
	w.must(err)
	return aws.ToString(out.Url), out.ClientIDList
}

func (w *world) deleteProvider() {
	w.t.Helper()
	_, err := w.iam.DeleteOpenIDConnectProvider(context.Background(), &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(w.providerARN())})
	w.must(err)
}
