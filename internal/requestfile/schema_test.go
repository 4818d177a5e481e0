package requestfile

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"github.com/fly-aws/fly-aws/internal/preset"
)

// object is a part of a JSON Schema.
type object map[string]any

// TestSchema generates docs/fly-aws.schema.json from the tables of keys, in draft 7,
// which more editors know than later ones (https://github.com/tamasfe/taplo/issues/497).
func TestSchema(t *testing.T) {
	t.Parallel()
	schema := schemaOf(topTable)
	schema["$schema"] = "http://json-schema.org/draft-07/schema#"
	schema["$id"] = schemaURL
	schema["title"] = "fly-aws.toml"
	schema["description"] = "What a team asks of fly-aws: which apps may assume which roles of an AWS account, and what the roles may do."
	schema["required"] = []string{"version", "name", "org", "account"}
	golden(t, "../../docs/fly-aws.schema.json", func([]byte) []byte {
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(schema); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	})
}

func schemaOf(t table) object {
	properties := object{}
	for _, k := range t.keys {
		s := k.schema()
		s["description"] = k.doc + "."
		properties[k.name] = s
	}
	return object{"type": "object", "properties": properties, "additionalProperties": false}
}

func (k key) schema() object {
	text := func() object { return object{"type": "string"} }
	texts := func() object { return object{"type": "array", "items": text()} }
	mapOf := func(values object) object { return object{"type": "object", "additionalProperties": values} }
	switch k.kind {
	case kindBool:
		return object{"type": "boolean"}
	case kindVersion:
		return object{"type": "integer", "enum": []int{Version}}
	case kindStrings:
		return texts()
	case kindDuration:
		return object{"anyOf": []object{{"type": "string", "pattern": "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"}, {"type": "integer", "minimum": 3600, "maximum": 43200}}}
	case kindPlace:
		return object{"type": "string", "enum": []string{"fly.toml", "secret", "none"}}
	case kindTags:
		return mapOf(text())
	case kindAllow:
		presets := object{}
		for _, p := range preset.All() {
			s := texts()
			s["description"] = fmt.Sprintf("%s: %s? For example %s.", p.Title, p.Question, p.Example)
			presets[p.Name] = s
		}
		return object{"type": "object", "properties": presets, "additionalProperties": false}
	case kindConditions:
		return mapOf(mapOf(object{"anyOf": []object{text(), texts()}}))
	case kindFiles, kindApps:
		of, needs := inlineTable, "file"
		if k.kind == kindApps {
			of, needs = memberTable, "name"
		}
		entry := schemaOf(of)
		entry["required"] = []string{needs}
		return object{"type": "array", "items": object{"anyOf": []object{text(), entry}}}
	case kindTable:
		return schemaOf(defaultsTable)
	case kindTables:
		if k.name == "roles" {
			return mapOf(schemaOf(roleTable))
		}
		return mapOf(schemaOf(appTable))
	}
	s := text()
	if k.name == "account" {
		s["pattern"] = "^[0-9]{12}$"
	}
	return s
}

// golden compares a file with what makeText makes of it, or with -update rewrites it.
func golden(t *testing.T, path string, makeText func(old []byte) []byte) {
	t.Helper()
	old, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	want := makeText(old)
	switch {
	case bytes.Equal(old, want):
	case flag.Lookup("update").Value.String() == "true":
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is out of date; run go test -update", path)
	}
}

// TestDocs: docs/file.md lists every key, and its files are read, and pass the schema.
func TestDocs(t *testing.T) {
	t.Parallel()
	const path = "../../docs/file.md"
	golden(t, path, func(old []byte) []byte {
		text := string(old)
		for _, of := range []table{topTable, defaultsTable, appTable, roleTable, memberTable, inlineTable} {
			begin, end := "<!-- keys of "+of.name+" -->\n", "<!-- end -->\n"
			before, rest, found := strings.Cut(text, begin)
			_, after, ended := strings.Cut(rest, end)
			if !found || !ended {
				t.Fatalf("no table of the keys of %s", of.name)
			}
			text = before + begin + markdown(of) + end + after
		}
		return []byte(text)
	})
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	schema := decodeJSON(t, "../../docs/fly-aws.schema.json")
	policy := []byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:{partition}:s3:::{account}/*"}}`)
	blocks := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(string(doc), -1)
	if len(blocks) < 4 {
		t.Fatalf("%d examples", len(blocks))
	}
	for _, block := range blocks {
		text := block[1]
		if !strings.Contains(text, "version = 1") {
			text = "version = 1\nname = \"production\"\norg = \"acme\"\naccount = \"123456789012\"\ndefaults.region = \"eu-central-1\"\n" + text
		}
		read := func(path string) ([]byte, error) {
			if strings.Contains(path, "trust") {
				return []byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}}`), nil
			}
			return policy, nil
		}
		if _, err := Parse("fly-aws.toml", []byte(text), read); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
		for _, problem := range validate(schema, decodeTOML(t, text), "") {
			t.Errorf("%s\n%s", problem, text)
		}
	}
}

// markdown is a table of keys.
func markdown(of table) string {
	var b strings.Builder
	b.WriteString("| key | value | |\n|---|---|---|\n")
	for _, k := range of.keys {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.name, k.kind, strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(k.doc))
	}
	return b.String()
}

// TestSchemaAgrees: what the reader refuses by type or key, the schema refuses.
func TestSchemaAgrees(t *testing.T) {
	t.Parallel()
	schema := decodeJSON(t, "../../docs/fly-aws.schema.json")
	const top = "version = 1\nname = \"p\"\norg = \"acme\"\naccount = \"123456789012\"\n"
	for text, ok := range map[string]bool{
		top + "[apps.web]": true,
		top + "[apps.web]\nmax_session = \"1h30m\"\narn = \"secret\"\ntags = { a = \"b\" }": true,
		top + "[roles.x]\napps = [\"a\", { name = \"b\", machines = [] }]":                  true,
		top + "[apps.web]\nconditions = { IpAddress = { x = \"1\", y = [\"2\"] } }":         true,
		top + "[apps.web]\npolices = []":                                                    false,
		top + "[apps.web]\npolicies = \"x\"":                                                false,
		top + "[apps.web]\nallow.s3-raed = [\"x\"]":                                         false,
		top + "[apps.web]\narn = \"x\"":                                                     false,
		top + "[apps.web]\nmax_session = true":                                              false,
		top + "[roles.x]\napps = [{ machines = [] }]":                                       false,
		strings.Replace(top, `"123456789012"`, "123456789012", 1):                           false,
		strings.Replace(top, "version = 1", "version = 2", 1):                               false,
		strings.Replace(top, "org", "Org", 1):                                               false,
	} {
		if got := validate(schema, decodeTOML(t, text), ""); (len(got) == 0) != ok {
			t.Errorf("%v: %s", got, text)
		}
	}
}

func decodeJSON(t *testing.T, path string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// decodeTOML decodes a text to the values that JSON has.
func decodeTOML(t *testing.T, text string) any {
	t.Helper()
	var v map[string]any
	if err := toml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// validate checks a value against the part of JSON Schema that the schema uses.
func validate(schema map[string]any, v any, at string) []string {
	var out []string
	fail := func(format string, args ...any) { out = append(out, at+": "+fmt.Sprintf(format, args...)) }
	types := map[string]func() bool{
		"string":  func() bool { _, ok := v.(string); return ok },
		"boolean": func() bool { _, ok := v.(bool); return ok },
		"integer": func() bool { n, ok := v.(float64); return ok && n == float64(int64(n)) },
		"array":   func() bool { _, ok := v.([]any); return ok },
		"object":  func() bool { _, ok := v.(map[string]any); return ok },
	}
	for keyword, want := range schema {
		switch keyword {
		case "$schema", "$id", "title", "description", "minimum", "maximum":
		case "type":
			if !types[want.(string)]() {
				fail("%v is not of the type %v", v, want)
			}
		case "enum":
			if !slices.Contains(want.([]any), v) {
				fail("%v is not of %v", v, want)
			}
		case "pattern":
			if s, ok := v.(string); ok && !regexp.MustCompile(want.(string)).MatchString(s) {
				fail("%v does not match %v", v, want)
			}
		case "items":
			list, _ := v.([]any)
			for _, item := range list {
				out = append(out, validate(want.(map[string]any), item, at+"[]")...)
			}
		case "required":
			for _, name := range want.([]any) {
				if m, ok := v.(map[string]any); ok && m[name.(string)] == nil {
					fail("%v is missing", name)
				}
			}
		case "anyOf":
			if !slices.ContainsFunc(want.([]any), func(s any) bool { return len(validate(s.(map[string]any), v, at)) == 0 }) {
				fail("%v fits none", v)
			}
		case "properties", "additionalProperties":
			m, _ := v.(map[string]any)
			properties, _ := schema["properties"].(map[string]any)
			for name, value := range m {
				of, known := properties[name].(map[string]any)
				switch rest := schema["additionalProperties"].(type) {
				case map[string]any:
					if !known && keyword == "additionalProperties" {
						out = append(out, validate(rest, value, at+"."+name)...)
					}
				case bool:
					if !known && keyword == "additionalProperties" {
						fail("unknown key %s", name)
					}
				}
				if known && keyword == "properties" {
					out = append(out, validate(of, value, at+"."+name)...)
				}
			}
		default:
			fail("the keyword %s is not checked here", keyword)
		}
	}
	return out
}
