package conformance

import (
	"strings"
	"testing"
)

// The AWS CLI is an independent client that signs, encodes and decodes by AWS's own
// models. Where moto is right, the same calls are made to it, to compare it with
// the sandbox.
func TestCLISeesRoles(t *testing.T) {
	worlds(t, "cli-roles", func(t *testing.T, w *world) {
		const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
		name := w.role()
		role := w.aws("iam", "create-role", "--role-name", name, "--assume-role-policy-document", trust,
			"--description", "a role & more", "--max-session-duration", "7200", "--tags", "Key=team,Value=payments")["Role"].(map[string]any)
		if role["Arn"] != w.roleARN() || role["RoleName"] != name || role["Path"] != "/" {
			t.Errorf("create-role returns %v", role)
		}
		w.awsFails("EntityAlreadyExists", "iam", "create-role", "--role-name", name, "--assume-role-policy-document", trust)
		role = w.aws("iam", "get-role", "--role-name", name)["Role"].(map[string]any)
		if role["Description"] != "a role & more" || role["MaxSessionDuration"] != 7200.0 {
			t.Errorf("get-role returns %v", role)
		}
		if got, ok := role["AssumeRolePolicyDocument"].(map[string]any); !ok || got["Version"] != "2012-10-17" {
			t.Errorf("get-role returns the trust policy %v", role["AssumeRolePolicyDocument"])
		}

		w.aws("iam", "tag-role", "--role-name", name, "--tags", "Key=team,Value=billing", "Key=stage,Value=live")
		w.aws("iam", "untag-role", "--role-name", name, "--tag-keys", "stage")
		tags := w.aws("iam", "list-role-tags", "--role-name", name)["Tags"].([]any)
		if len(tags) != 1 || !contains(tags, map[string]any{"Key": "team", "Value": "billing"}) {
			t.Errorf("list-role-tags returns %v", tags)
		}

		w.aws("iam", "attach-role-policy", "--role-name", name, "--policy-arn", s3ReadOnly)
		w.aws("iam", "attach-role-policy", "--role-name", name, "--policy-arn", s3ReadOnly) // idempotent
		w.awsFails("NoSuchEntity", "iam", "attach-role-policy", "--role-name", name, "--policy-arn", "arn:aws:iam::aws:policy/NoSuchPolicy")
		const inline = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
		w.aws("iam", "put-role-policy", "--role-name", name, "--policy-name", "read", "--policy-document", inline)
		if got := texts(w.aws("iam", "list-role-policies", "--role-name", name)["PolicyNames"]); len(got) != 1 || got[0] != "read" {
			t.Errorf("list-role-policies returns %q", got)
		}
		document := w.aws("iam", "get-role-policy", "--role-name", name, "--policy-name", "read")["PolicyDocument"]
		if _, ok := document.(map[string]any); !ok {
			t.Errorf("get-role-policy returns the document %v", document)
		}
		w.awsFails("NoSuchEntity", "iam", "get-role-policy", "--role-name", name, "--policy-name", "write")

		w.awsFails("MalformedPolicyDocument", "iam", "update-assume-role-policy", "--role-name", name, "--policy-document", `{"Version":`)
		w.awsFails("DeleteConflict", "iam", "delete-role", "--role-name", name)
		w.aws("iam", "detach-role-policy", "--role-name", name, "--policy-arn", s3ReadOnly)
		w.awsFails("NoSuchEntity", "iam", "detach-role-policy", "--role-name", name, "--policy-arn", s3ReadOnly)
		w.aws("iam", "delete-role-policy", "--role-name", name, "--policy-name", "read")
		w.aws("iam", "delete-role", "--role-name", name)
		w.awsFails("NoSuchEntity", "iam", "get-role", "--role-name", name)
	})
}

func TestCLISeesProviders(t *testing.T) {
	worlds(t, "cli-providers", func(t *testing.T, w *world) {
		url := "https://oidc.fly.io/" + w.org
		// moto, unlike IAM, does not fetch the thumbprint itself.
		created := w.aws("iam", "create-open-id-connect-provider", "--url", url, "--client-id-list", "sts.amazonaws.com",
			"--thumbprint-list", strings.Repeat("ab", 20), "--tags", "Key=team,Value=payments")
		if created["OpenIDConnectProviderArn"] != w.providerARN() {
			t.Errorf("create-open-id-connect-provider returns %v", created)
		}
		w.awsFails("EntityAlreadyExists", "iam", "create-open-id-connect-provider", "--url", url, "--thumbprint-list", strings.Repeat("ab", 20))
		provider := w.aws("iam", "get-open-id-connect-provider", "--open-id-connect-provider-arn", w.providerARN())
		if provider["Url"] != "oidc.fly.io/"+w.org {
			t.Errorf("get-open-id-connect-provider returns the URL %v, which IAM returns without its scheme", provider["Url"])
		}
		list := w.aws("iam", "list-open-id-connect-providers")["OpenIDConnectProviderList"].([]any)
		if !contains(list, map[string]any{"Arn": w.providerARN()}) {
			t.Errorf("list-open-id-connect-providers returns %v", list)
		}
		w.aws("iam", "delete-open-id-connect-provider", "--open-id-connect-provider-arn", w.providerARN())
		w.awsFails("NoSuchEntity", "iam", "get-open-id-connect-provider", "--open-id-connect-provider-arn", w.providerARN())
	})
}

// These are not in moto: audiences, and refusing a token.
func TestCLISeesSandbox(t *testing.T) {
	t.Parallel()
	need(t, "aws", "git", "sh")
	w := sandboxWorld(t, "acme")
	caller := w.aws("sts", "get-caller-identity")
	if arn, ok := caller["Arn"].(string); caller["Account"] != account || !ok || !strings.HasPrefix(arn, "arn:aws:") {
		t.Errorf("get-caller-identity returns %v", caller)
	}
	w.setup(0, "setup", "--yes")

	provider := []string{"--open-id-connect-provider-arn", w.providerARN(), "--client-id", "other"}
	for range 2 { // both are idempotent
		w.aws(append([]string{"iam", "add-client-id-to-open-id-connect-provider"}, provider...)...)
	}
	w.setup(0, "plan", "--exit-code") // an audience that someone else added is kept
	for range 2 {
		w.aws(append([]string{"iam", "remove-client-id-from-open-id-connect-provider"}, provider...)...)
	}
	w.wantFederated()

	w.aws("iam", "remove-client-id-from-open-id-connect-provider", "--open-id-connect-provider-arn", w.providerARN(), "--client-id", "sts.amazonaws.com")
	w.setup(3, "plan", "--exit-code")
	w.setup(0, "setup", "--yes")
	w.wantFederated()

	w.awsFails("InvalidIdentityToken", "sts", "assume-role-with-web-identity", "--role-arn", w.roleARN(),
		"--role-session-name", "test", "--web-identity-token", "this.is-not.a-token")
	w.awsFails("InvalidInput", "iam", "create-open-id-connect-provider", "--url", "http://oidc.fly.io/acme")
	w.awsFails("MalformedPolicyDocument", "iam", "create-role", "--role-name", "broken", "--assume-role-policy-document", "not JSON")
}
