package conformance

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/fly-aws/fly-aws/setup"
)

// A guardrail is a policy of docs/guardrails as AWS Organizations reads it. Decoding with
// unknown fields disallowed leaves no room for NotPrincipal, NotAction and NotResource.
type guardrail struct {
	Version   string
	Statement []guardrailStatement
}

type guardrailStatement struct {
	Sid, Effect      string
	Principal        any `json:",omitempty"`
	Action, Resource any
	Condition        map[string]map[string]any
}

// readGuardrail returns the policy in docs/guardrails and its text.
func readGuardrail(t *testing.T, name string) (policy guardrail, text string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "guardrails", name))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&policy); err != nil {
		t.Fatalf("docs/guardrails/%s: %v", name, err)
	}
	return policy, string(data)
}

func guardrailsPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "guardrails.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// AWS Organizations would accept the policies, and docs/guardrails.md shows them as they are.
//   - https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps_syntax.html
//   - https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_syntax.html
//   - https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
func TestGuardrailDocuments(t *testing.T) {
	t.Parallel()
	page := guardrailsPage(t)
	for _, test := range []struct {
		name, service string
		principal     any
	}{
		{"rcp.json", "sts:", "*"}, // STS is one of the services that RCPs support
		{"scp.json", "iam:", nil}, // an SCP has no Principal
	} {
		policy, text := readGuardrail(t, test.name)
		if !strings.Contains(page, "```json\n"+text+"```\n") {
			t.Errorf("docs/guardrails.md does not show docs/guardrails/%s", test.name)
		}
		if n := utf8.RuneCountInString(text); n > 5120 {
			t.Errorf("%s has %d characters, more than 5,120", test.name, n)
		}
		if policy.Version != "2012-10-17" {
			t.Errorf("%s has the version %q", test.name, policy.Version)
		}
		for _, s := range policy.Statement {
			if s.Effect != "Deny" || s.Principal != test.principal || s.Resource == nil || len(s.Condition) == 0 {
				t.Errorf("%s, %s: a Deny with Principal %v, a Resource and a Condition is wanted", test.name, s.Sid, test.principal)
			}
			if !regexp.MustCompile(`^[A-Za-z0-9]+$`).MatchString(s.Sid) {
				t.Errorf("%s has the Sid %q", test.name, s.Sid)
			}
			if len(texts(s.Action)) == 0 {
				t.Errorf("%s, %s has no action", test.name, s.Sid)
			}
			for _, action := range texts(s.Action) {
				if !strings.HasPrefix(action, test.service) {
					t.Errorf("%s, %s has the action %s, which is not of %s", test.name, s.Sid, action, test.service)
				}
			}
		}
	}
}

// The SCP names every call of IAM that changes an OIDC provider or a role, and the tag that
// fly-aws sets.
func TestGuardrailNamesEveryChange(t *testing.T) {
	t.Parallel()
	policy, text := readGuardrail(t, "scp.json")
	for sid, change := range map[string]string{
		"FlyProviders": `^(Add|Create|Delete|Remove|Tag|Untag|Update).*OpenIDConnectProvider`,
		"PlatformRole": `^(Attach|Create|Delete|Detach|Put|Tag|Untag|Update)(Assume)?Role`,
	} {
		var changes []string
		for method := range reflect.TypeFor[*iam.Client]().Methods() {
			if regexp.MustCompile(change).MatchString(method.Name) {
				changes = append(changes, "iam:"+method.Name)
			}
		}
		i := slices.IndexFunc(policy.Statement, func(s guardrailStatement) bool { return s.Sid == sid })
		if i < 0 {
			t.Errorf("the SCP has no statement %s", sid)
		} else if named := texts(policy.Statement[i].Action); !slices.Equal(named, changes) {
			t.Errorf("%s names\n%q\nand IAM has\n%q", sid, named, changes)
		}
	}
	if key := "aws:ResourceTag/" + setup.TagOrg; !strings.Contains(text, `"`+key+`"`) {
		t.Errorf("the SCP has no condition on %s", key)
	}
}

// A simulated is a request to testdata/simulate.cjs.
type simulated struct {
	Principal string            `json:"principal"`
	Action    string            `json:"action"`
	Resource  string            `json:"resource"`
	Context   map[string]string `json:"context"`
	// Trust is the trust policy; nil for one that trusts Principal.
	Trust any `json:"trust,omitempty"`
	RCP   any `json:"rcp,omitempty"`
	SCP   any `json:"scp,omitempty"`
}

const (
	inAccount = "arn:aws:iam::" + account + ":"
	platform  = inAccount + "role/fly-aws-platform"
	developer = inAccount + "role/developer"
	ourRole   = inAccount + "role/fly-acme-web"
)

// token is a request to assume a role with a token of the issuer, given without scheme.
func token(issuer string, claims map[string]string, tags ...string) simulated {
	r := simulated{inAccount + "oidc-provider/" + issuer, "sts:AssumeRoleWithWebIdentity", ourRole, tagContext(tags), nil, nil, nil}
	for claim, value := range claims {
		r.Context[issuer+":"+claim] = value
	}
	return r
}

// call is a request of a role to IAM.
func call(principal, action, resource string, tags ...string) simulated {
	r := simulated{principal, action, inAccount + resource, tagContext(tags), nil, nil, nil}
	r.Context["aws:PrincipalArn"] = principal
	return r
}

// tagContext is the context of a request about a resource with the tags.
func tagContext(tags []string) map[string]string {
	c := make(map[string]string)
	for _, tag := range tags {
		key, value, _ := strings.Cut(tag, "=")
		c["aws:ResourceTag/"+key] = value
	}
	return c
}

// simulate returns iam-simulate's verdicts on the requests, or skips the test.
func simulate(t *testing.T, requests []simulated) []string {
	t.Helper()
	modules := os.Getenv("FLY_AWS_IAM_SIMULATE")
	if modules == "" {
		t.Skip("FLY_AWS_IAM_SIMULATE does not name a node_modules folder with @cloud-copilot/iam-simulate")
	}
	need(t, "node")
	input, err := json.Marshal(requests)
	if err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), "node", filepath.Join("testdata", "simulate.cjs"))
	node.Env = append(os.Environ(), "NODE_PATH="+modules)
	node.Stdin = bytes.NewReader(input)
	var problem bytes.Buffer
	node.Stderr = &problem
	output, err := node.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &problem)
	}
	var verdicts []string
	if err := json.Unmarshal(output, &verdicts); err != nil || len(verdicts) != len(requests) {
		t.Fatalf("%d verdicts on %d requests: %v\n%.1000s", len(verdicts), len(requests), err, output)
	}
	return verdicts
}

// guarded are the requests in the table of docs/guardrails.md, by policy and request.
func guarded() map[string]map[string]simulated {
	const (
		acme, rival, github = "oidc.fly.io/acme", "oidc.fly.io/rival", "token.actions.githubusercontent.com"
		aws, tag            = "sts.amazonaws.com", setup.TagOrg + "=acme"
	)
	claims := func(sub, aud string) map[string]string { return map[string]string{"sub": sub, "aud": aud} }
	ours, theirs, githubs := claims("acme:web:m", aws), claims("rival:web:m", aws), claims("repo:acme/web:ref:refs/heads/main", aws)
	return map[string]map[string]simulated{
		"RCP": {
			"a token of your Fly organization":                             token(acme, ours),
			"a token of another Fly organization":                          token(rival, theirs),
			"a token of GitHub, which is listed":                           token(github, githubs),
			"a token of an issuer that is not listed":                      token("gitlab.com", claims("project_path:acme/web", aws)),
			"a token of your Fly organization for another audience":        token(acme, claims("acme:web:m", "https://vault.example")),
			"a token of your Fly organization without an audience":         token(acme, map[string]string{"sub": "acme:web:m"}),
			"a token of your Fly organization without a subject":           token(acme, map[string]string{"aud": aws}),
			"a token of your Fly organization with the subject of another": token(acme, theirs),
			"`sts:AssumeRole` by a role in the account":                    call(developer, "sts:AssumeRole", "role/fly-acme-web"),
		},
		"RCP, tagged roles only": {
			"a token of your Fly organization, role with the tag":       token(acme, ours, tag),
			"a token of another Fly organization, role with the tag":    token(rival, theirs, tag),
			"a token of GitHub, role with the tag":                      token(github, githubs, tag),
			"a token of GitHub, role without the tag":                   token(github, githubs),
			"a token of another Fly organization, role without the tag": token(rival, theirs),
		},
		"SCP": {
			"the platform role creates a provider of Fly's":                                  call(platform, "iam:CreateOpenIDConnectProvider", "oidc-provider/"+acme),
			"another role creates a provider of Fly's":                                       call(developer, "iam:CreateOpenIDConnectProvider", "oidc-provider/"+rival),
			"another role adds an audience to a provider of Fly's":                           call(developer, "iam:AddClientIDToOpenIDConnectProvider", "oidc-provider/"+acme, tag),
			"another role deletes a provider of Fly's":                                       call(developer, "iam:DeleteOpenIDConnectProvider", "oidc-provider/"+acme, tag),
			"another role deletes GitHub's provider":                                         call(developer, "iam:DeleteOpenIDConnectProvider", "oidc-provider/"+github),
			"another role reads a provider of Fly's, as `fly-aws plan` does":                 call(developer, "iam:GetOpenIDConnectProvider", "oidc-provider/"+acme),
			"the platform role changes the trust policy of a role with the tag":              call(platform, "iam:UpdateAssumeRolePolicy", "role/fly-acme-web", tag),
			"another role changes the trust policy of a role with the tag":                   call(developer, "iam:UpdateAssumeRolePolicy", "role/fly-acme-web", tag),
			"another role changes the trust policy of a role without the tag":                call(developer, "iam:UpdateAssumeRolePolicy", "role/reports", "team=data"),
			"another role deletes a role with the tag":                                       call(developer, "iam:DeleteRole", "role/fly-acme-web", tag),
			"another role creates a role named `OrganizationAccountAccessRole`":              call(developer, "iam:CreateRole", "role/OrganizationAccountAccessRole"),
			"another role removes the tag from a role":                                       call(developer, "iam:UntagRole", "role/fly-acme-web", tag),
			"another role creates a role named like the platform role":                       call(developer, "iam:CreateRole", "role/fly-aws-platform"),
			"a role named like the platform role, under a path, creates a provider of Fly's": call(inAccount+"role/team/fly-aws-platform", "iam:CreateOpenIDConnectProvider", "oidc-provider/"+rival),
			"the platform role changes its own trust policy":                                 call(platform, "iam:UpdateAssumeRolePolicy", "role/fly-aws-platform"),
			"`OrganizationAccountAccessRole` changes the platform role's trust policy":       call(inAccount+"role/OrganizationAccountAccessRole", "iam:UpdateAssumeRolePolicy", "role/fly-aws-platform"),
		},
	}
}

// The policies allow and deny what docs/guardrails.md says, in the view of iam-simulate, a
// judge that others wrote; and what they deny would be allowed without them.
func TestGuardrailVerdicts(t *testing.T) {
	t.Parallel()
	page := guardrailsPage(t)
	rcp, rcpText := readGuardrail(t, "rcp.json")
	_, scpText := readGuardrail(t, "scp.json")
	tagged := guardrail{rcp.Version, slices.Clone(rcp.Statement)}
	_, variant, _ := strings.Cut(page, "<!-- tagged -->\n```json\n")
	variant, _, _ = strings.Cut(variant, "```\n<!-- /tagged -->")
	tagged.Statement[0].Condition = nil
	if err := json.Unmarshal([]byte(variant), &tagged.Statement[0].Condition); err != nil {
		t.Fatalf("the condition for tagged roles in docs/guardrails.md: %v", err)
	}

	type row struct{ policy, request, result string }
	var rows []row
	var requests []simulated // two for each row: with its policy, and without
	want := guarded()
	for _, m := range regexp.MustCompile(`(?m)^\| ([^|]+) \| ([^|]+) \| (allowed|denied) \|$`).FindAllStringSubmatch(page, -1) {
		r := row{m[1], m[2], m[3]}
		bare, ok := want[r.policy][r.request]
		if !ok {
			t.Errorf("docs/guardrails.md has the row %q, which is not tested or is there twice", m[0])
			continue
		}
		delete(want[r.policy], r.request)
		with := bare
		switch r.policy {
		case "RCP":
			with.RCP = json.RawMessage(rcpText)
		case "SCP":
			with.SCP = json.RawMessage(scpText)
		default:
			with.RCP = tagged
		}
		rows, requests = append(rows, r), append(requests, with, bare)
	}
	for policy, left := range want {
		for _, request := range slices.Sorted(maps.Keys(left)) {
			t.Errorf("docs/guardrails.md has no row for %s: %s", policy, request)
		}
	}

	verdicts := simulate(t, requests)
	for i, r := range rows {
		verdict := map[string]string{"allowed": "Allowed", "denied": "ExplicitlyDenied"}[r.result]
		if with, without := verdicts[2*i], verdicts[2*i+1]; with != verdict || without != "Allowed" {
			t.Errorf("%s: %s: %s with the policy and %s without it; docs/guardrails.md says %s", r.policy, r.request, with, without, r.result)
		}
	}
}
