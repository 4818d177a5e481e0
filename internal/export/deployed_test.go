package export_test

import (
	"encoding/json"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A deployed template has the values that CloudFormation gives its functions.
type deployed struct {
	t *testing.T
	// creates says that the parameter CreateProvider is "true".
	creates bool
}

func (d deployed) value(n *yaml.Node) any {
	d.t.Helper()
	switch n.Tag {
	case "!Sub":
		text := strings.NewReplacer("${AWS::AccountId}", account, "${AWS::Partition}", "aws", "${!", "${").Replace(n.Value)
		return text
	case "!Ref":
		return map[string]string{"AWS::NoValue": "", "CreateProvider": "true", "PermissionsBoundary": ""}[n.Value]
	case "!GetAtt":
		return "arn:aws:iam::" + account + ":oidc-provider/oidc.fly.io/acme"
	case "!If":
		yes := map[string]bool{"CreatesProvider": d.creates, "HasBoundary": false}[n.Content[0].Value]
		if yes {
			return d.value(n.Content[1])
		}
		return d.value(n.Content[2])
	case "!Equals", "!Not":
		return nil // conditions, which !If knows
	}
	switch n.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			out[n.Content[i].Value] = d.value(n.Content[i+1])
		}
		return out
	case yaml.SequenceNode:
		out := []any{}
		for _, item := range n.Content {
			out = append(out, d.value(item))
		}
		return out
	}
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		d.t.Fatalf("an unknown function: %s", n.Tag)
	}
	return n.Value
}

func toJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
