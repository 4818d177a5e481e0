package trustfile

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"

	"github.com/fly-aws/fly-aws/internal/text"
)

// Limits of a YAML document, against aliases that multiply or contain themselves.
const (
	maxConverted = 4 * maxWhole // bytes of JSON
	maxDepth     = 200
)

// yamlLine is where a message of the library has the line.
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// convertYAML converts a YAML document to JSON, with the tags of CloudFormation in their
// long form. Merge keys stay members of the name "<<", as CloudFormation does not merge
// (template-formats.html). Duplicate names stay too.
func convertYAML(data []byte) (*converted, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var root, more yaml.Node
	if err := dec.Decode(&root); err != nil {
		return nil, yamlError(err)
	}
	switch err := dec.Decode(&more); {
	case err == nil:
		return nil, &SyntaxError{more.Line, more.Column, "there is a second YAML document"}
	case !errors.Is(err, io.EOF):
		return nil, yamlError(err)
	}
	c := &converter{}
	if err := c.node(&root, 0); err != nil {
		return nil, err
	}
	if kind := c.text[0]; kind != '{' && kind != '[' {
		return nil, &NoPolicyError{Holds: "text that is neither JSON nor a YAML template"}
	}
	return &c.converted, nil
}

func yamlError(err error) error {
	if errors.Is(err, io.EOF) {
		return &NoPolicyError{Holds: "an empty file"}
	}
	line := 1
	found := yamlLine.FindStringSubmatch(err.Error())
	if found == nil {
		found = []string{"", ""}
	}
	if n, convErr := strconv.Atoi(found[1]); convErr == nil {
		line = n
	}
	return &SyntaxError{line, 1, "it is neither JSON nor YAML: " + text.Line(err.Error()[len(found[0]):])}
}

type converter struct {
	converted
}

// node appends a node.
func (c *converter) node(n *yaml.Node, depth int) error {
	if depth > maxDepth {
		return &SyntaxError{n.Line, n.Column, "the YAML is nested too deeply"}
	}
	switch n.Kind {
	case yaml.AliasNode:
		if len(c.text) > maxConverted {
			return &SyntaxError{n.Line, n.Column, "the YAML's aliases stand for too much text"}
		}
		return c.node(n.Alias, depth+1)
	case yaml.DocumentNode:
		return c.node(n.Content[0], depth)
	}
	c.marks = append(c.marks, mark{len(c.text), n.Line, n.Column})
	name := intrinsicOfTag(n.Tag)
	if name == "" {
		return c.untagged(n, depth)
	}
	c.add("{" + strconv.Quote(name) + ":")
	err := c.untagged(n, depth)
	c.add("}")
	return err
}

func (c *converter) untagged(n *yaml.Node, depth int) error {
	switch n.Kind {
	case yaml.MappingNode:
		c.add("{")
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				c.add(",")
			}
			key := n.Content[i]
			c.marks = append(c.marks, mark{len(c.text), key.Line, key.Column})
			if key.Kind == yaml.AliasNode {
				key = key.Alias
			}
			if key.Kind != yaml.ScalarNode {
				return &SyntaxError{key.Line, key.Column, "a key is not a string"}
			}
			c.string(key.Value)
			c.add(":")
			if err := c.node(n.Content[i+1], depth+1); err != nil {
				return err
			}
		}
		c.add("}")
	case yaml.SequenceNode:
		c.add("[")
		for i, item := range n.Content {
			if i > 0 {
				c.add(",")
			}
			if err := c.node(item, depth+1); err != nil {
				return err
			}
		}
		c.add("]")
	default:
		c.scalar(n)
	}
	return nil
}

// scalar appends a scalar. What JSON cannot write is a string as it is in the file, such
// as the date of a Version.
func (c *converter) scalar(n *yaml.Node) {
	switch tag := n.ShortTag(); {
	case tag == "!!null":
		c.add("null")
	case tag == "!!bool":
		c.add(strings.ToLower(n.Value))
	case (tag == "!!int" || tag == "!!float") && jsontext.Value(n.Value).Kind() == jsontext.KindNumber && jsontext.Value(n.Value).IsValid():
		c.add(n.Value)
	default:
		c.string(n.Value)
	}
}

func (c *converter) add(s string) { c.text = append(c.text, s...) }

func (c *converter) string(s string) {
	c.text, _ = jsontext.AppendQuote(c.text, s) // it replaces invalid UTF-8, of which its error tells
}

// intrinsicOfTag returns the long form of a CloudFormation tag
// (intrinsic-function-reference.html), "" for the tags of YAML itself.
func intrinsicOfTag(tag string) string {
	name, ok := strings.CutPrefix(tag, "!")
	switch {
	case !ok || name == "" || name[0] == '!':
		return ""
	case name == "Ref" || name == "Condition":
		return name
	}
	return "Fn::" + name
}
