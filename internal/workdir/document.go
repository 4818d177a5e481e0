package workdir

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"

	"github.com/fly-aws/fly-aws/flytoml"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
)

// A document is a fly.json or fly.yaml.
type document struct {
	Name   string `json:"app" yaml:"app"`
	Region string `json:"primary_region" yaml:"primary_region"`
	// Variables is an object, or a list of objects as in old configs.
	Variables any `json:"env" yaml:"env"`
}

// parseDocument parses a config in a syntax other than TOML. The error is a
// *flytoml.SyntaxError.
func parseDocument(syntax setup.Syntax, text []byte) (*document, error) {
	d := &document{}
	if syntax == setup.SyntaxJSON {
		if err := json.Unmarshal(text, d); err != nil {
			return nil, jsonError(text, err)
		}
	} else if err := yaml.Unmarshal(text, d); err != nil {
		return nil, yamlError(err)
	}
	return d, nil
}

// App returns the app that the file names, or "".
func (d *document) App() string { return d.Name }

// PrimaryRegion returns the Fly region, or "".
func (d *document) PrimaryRegion() string { return d.Region }

// Env returns the value of a variable as a string, as flyctl makes one of it.
func (d *document) Env(key string) (string, bool) {
	tables, ok := d.Variables.([]any)
	if !ok {
		tables = []any{d.Variables}
	}
	value, found := any(nil), false
	for _, t := range tables { // the last one counts
		if table, ok := t.(map[string]any); ok {
			if v, ok := table[key]; ok {
				value, found = v, true
			}
		}
	}
	if !found {
		return "", false
	}
	return fmt.Sprint(value), true
}

func jsonError(src []byte, err error) error {
	var syntactic *jsontext.SyntacticError
	var semantic *json.SemanticError
	var at int64
	switch {
	case errors.As(err, &syntactic):
		at, err = syntactic.ByteOffset, syntactic.Err
	case errors.As(err, &semantic):
		at = semantic.ByteOffset
		err = fmt.Errorf("%s is not a string", cmp.Or(semantic.JSONPointer.LastToken(), "the file"))
		if semantic.JSONPointer == "" {
			err = errors.New("the file is not an object")
		}
	}
	before := src[:min(int(at), len(src))]
	line := before[bytes.LastIndexByte(before, '\n')+1:]
	return &flytoml.SyntaxError{
		Line: bytes.Count(before, []byte("\n")) + 1, Column: utf8.RuneCount(line) + 1, Reason: text.Line(err.Error()),
	}
}

// yamlLine is how package yaml says where an error is.
var yamlLine = regexp.MustCompile(`line (\d+): `)

func yamlError(err error) error {
	reason := strings.TrimPrefix(err.Error(), "yaml: ")
	var wrong *yaml.TypeError
	if errors.As(err, &wrong) && len(wrong.Errors) > 0 {
		reason = wrong.Errors[0]
	}
	e := &flytoml.SyntaxError{Line: 1, Column: 1} // no error has a column
	if at := yamlLine.FindStringSubmatchIndex(reason); at != nil {
		e.Line, _ = strconv.Atoi(reason[at[2]:at[3]])
		reason = reason[:at[0]] + reason[at[1]:]
	}
	switch { // a type error names types of Go
	case wrong != nil && strings.HasSuffix(reason, " into string"):
		reason = "a string is expected here"
	case wrong != nil && strings.HasPrefix(reason, "cannot unmarshal"):
		reason = "the file is not an object"
	}
	e.Reason = text.Line(reason)
	return e
}
