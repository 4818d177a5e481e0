package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// A field is a name with an expression, in a block or in an object.
type field struct {
	name  string
	value hclwrite.Tokens
}

// str is a quoted string, with its template sequences escaped.
func str(s string) hclwrite.Tokens { return hclwrite.TokensForValue(cty.StringVal(s)) }

func number(n int64) hclwrite.Tokens { return hclwrite.TokensForValue(cty.NumberIntVal(n)) }

func word(name string) hclwrite.Tokens { return hclwrite.TokensForIdentifier(name) }

// expr is an expression of the exporter's own, never text from outside. It is only taken
// apart into tokens: HCL's parser would add a megabyte to the program.
func expr(source string) hclwrite.Tokens {
	tokens, _ := hclsyntax.LexExpression([]byte(source), "", hcl.InitialPos)
	var out hclwrite.Tokens
	for _, t := range tokens {
		if t.Type != hclsyntax.TokenEOF {
			out = append(out, punctuation(t.Type, string(t.Bytes)))
		}
	}
	return out
}

// index is an instance of a resource with for_each: aws_iam_role.app["web"].
func index(resource, key string) hclwrite.Tokens {
	return slices.Concat(expr(resource), hclwrite.Tokens{punctuation(hclsyntax.TokenOBrack, "[")}, str(key), hclwrite.Tokens{punctuation(hclsyntax.TokenCBrack, "]")})
}

func punctuation(kind hclsyntax.TokenType, text string) *hclwrite.Token {
	return &hclwrite.Token{Type: kind, Bytes: []byte(text)}
}

var newline = punctuation(hclsyntax.TokenNewline, "\n")

// list is a list, with one element per line if there are several.
func list(elements []hclwrite.Tokens) hclwrite.Tokens {
	if len(elements) < 2 {
		return hclwrite.TokensForTuple(elements)
	}
	out := hclwrite.Tokens{punctuation(hclsyntax.TokenOBrack, "["), newline}
	for _, e := range elements {
		out = append(append(out, e...), punctuation(hclsyntax.TokenComma, ","), newline)
	}
	return append(out, punctuation(hclsyntax.TokenCBrack, "]"))
}

func strs(values []string) hclwrite.Tokens {
	var elements []hclwrite.Tokens
	for _, v := range values {
		elements = append(elements, str(v))
	}
	return list(elements)
}

// keywords are identifiers that mean something else at the beginning of an object.
var keywords = []string{"for", "if", "in", "null", "true", "false"}

func object(fields []field) hclwrite.Tokens {
	var attrs []hclwrite.ObjectAttrTokens
	for _, f := range fields {
		name := str(f.name)
		if hclsyntax.ValidIdentifier(f.name) && !slices.Contains(keywords, f.name) {
			name = word(f.name)
		}
		attrs = append(attrs, hclwrite.ObjectAttrTokens{Name: name, Value: f.value})
	}
	return hclwrite.TokensForObject(attrs)
}

func stringMap(m map[string]string) hclwrite.Tokens {
	var fields []field
	for _, key := range slices.Sorted(maps.Keys(m)) {
		fields = append(fields, field{key, str(m[key])})
	}
	return object(fields)
}

func call(function string, args ...hclwrite.Tokens) hclwrite.Tokens {
	return hclwrite.TokensForFunctionCall(function, args...)
}

// jsonencode is the call that makes the JSON document, whose keys keep their order.
func jsonencode(document string) (hclwrite.Tokens, error) {
	dec := json.NewDecoder(strings.NewReader(document))
	dec.UseNumber()
	value, err := jsonValue(dec)
	if err == nil {
		if _, after := dec.Token(); !errors.Is(after, io.EOF) {
			err = errors.New("there is something behind the document")
		}
	}
	return call("jsonencode", value), err
}

func jsonValue(dec *json.Decoder) (hclwrite.Tokens, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		return jsonCompound(dec, t)
	case string:
		return str(t), nil
	case json.Number:
		n, err := cty.ParseNumberVal(t.String())
		if err != nil {
			return nil, fmt.Errorf("the number %s: %w", t, err)
		}
		return hclwrite.TokensForValue(n), nil
	case bool:
		return hclwrite.TokensForValue(cty.BoolVal(t)), nil
	}
	return word("null"), nil
}

// jsonCompound reads what follows the opening of an object or a list.
func jsonCompound(dec *json.Decoder, open json.Delim) (hclwrite.Tokens, error) {
	var fields []field
	for dec.More() {
		var f field
		if open == '{' {
			key, err := dec.Token()
			if err != nil {
				return nil, err
			}
			f.name = fmt.Sprint(key)
		}
		var err error
		if f.value, err = jsonValue(dec); err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if open == '{' {
		return object(fields), nil
	}
	var elements []hclwrite.Tokens
	for _, f := range fields {
		elements = append(elements, f.value)
	}
	return list(elements), nil
}

// A body is the inside of a file or a block that is written from top to bottom.
type body struct{ *hclwrite.Body }

// set adds attributes.
func (b body) set(fields ...field) {
	for _, f := range fields {
		b.SetAttributeRaw(f.name, f.value)
	}
}

// block adds a block, after an empty line unless it is the first.
func (b body) block(kind string, labels ...string) body {
	if len(b.Attributes())+len(b.Blocks()) > 0 {
		b.AppendNewline()
	}
	return body{b.AppendNewBlock(kind, labels).Body()}
}

// source is a file in Terraform's canonical format.
func source(comments []string, write func(body)) []byte {
	var out bytes.Buffer
	for _, line := range comments {
		fmt.Fprintln(&out, strings.TrimSpace("# "+line))
	}
	file := hclwrite.NewEmptyFile()
	write(body{file.Body()})
	if text := file.Bytes(); len(text) > 0 {
		out.WriteByte('\n')
		out.Write(text)
	}
	return hclwrite.Format(out.Bytes())
}
