package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// A graphQLField is a field of a type of Fly's GraphQL schema.
type graphQLField struct {
	// of is the type that it holds; "" for a scalar.
	of string
	// args are the types of its arguments. "!" means required.
	args map[string]string
}

// graphQLSchema is the part of Fly's schema that the sandbox has, of which
// superfly/flyctl uses the same and more.
var graphQLSchema = map[string]map[string]graphQLField{
	"Query": {
		"organizations": {of: "OrganizationConnection", args: map[string]string{"admin": "Boolean"}},
		"organization":  {of: "Organization", args: map[string]string{"slug": "String!"}},
		"apps": {of: "AppConnection", args: map[string]string{
			"type": "String", "first": "Int", "after": "String", "organizationId": "ID", "role": "String",
		}},
		"app": {of: "App", args: map[string]string{"name": "String!"}},
	},
	"OrganizationConnection": {"nodes": {of: "Organization"}},
	"Organization":           {"id": {}, "slug": {}, "rawSlug": {}, "name": {}, "type": {}, "viewerRole": {}},
	"AppConnection":          {"nodes": {of: "App"}, "pageInfo": {of: "PageInfo"}},
	"PageInfo":               {"hasNextPage": {}, "endCursor": {}},
	"App":                    {"id": {}, "name": {}, "status": {}, "organization": {of: "Organization"}, "secrets": {of: "Secret"}},
	"Secret":                 {"name": {}, "digest": {}},
}

// graphQLError is an error as in https://spec.graphql.org/October2021/#sec-Errors.
type graphQLError struct {
	Message    string         `json:"message"`
	Path       []any          `json:"path,omitempty"`
	Extensions map[string]any `json:"extensions,omitempty"`
}

// invalidQuery is an error about the query, with the codes and words of the
// GraphQL library that Fly's API uses (https://graphql-ruby.org).
func invalidQuery(code, format string, args ...any) *graphQLError {
	return &graphQLError{Message: fmt.Sprintf(format, args...), Extensions: map[string]any{"code": code}}
}

func flyGraphQLRefusal(errs ...*graphQLError) map[string]any {
	return map[string]any{"data": nil, "errors": errs}
}

// A graphQLQuery is one query while it is answered.
type graphQLQuery struct {
	document  *graphQLDocument
	operation *graphQLOperation
	variables map[string]any
	errs      []*graphQLError
	visited   int // selections, each as often as fragments put it in
}

// maxVisited bounds a query whose fragments multiply one another.
const maxVisited = 100_000

// maxQueryDepth bounds a query whose fragments are put in: no client of Fly's
// comes near.
const maxQueryDepth = 20

// readQuery reads a request of GraphQL over HTTP.
func readQuery(body []byte) (*graphQLQuery, *graphQLError) {
	var object struct {
		Query         string         `json:"query"`
		OperationName string         `json:"operationName"`
		Variables     map[string]any `json:"variables"`
	}
	if json.Unmarshal(body, &object) != nil || strings.TrimSpace(object.Query) == "" {
		return nil, &graphQLError{Message: "No query string was present"}
	}
	document, err := parseGraphQL(object.Query)
	if err != nil {
		return nil, err
	}
	q := &graphQLQuery{document: document, variables: object.Variables}
	for _, operation := range document.operations {
		if operation.name == object.OperationName || object.OperationName == "" {
			if q.operation != nil {
				return nil, &graphQLError{Message: "An operation name is required"}
			}
			q.operation = operation
		}
	}
	switch {
	case q.operation == nil:
		return nil, &graphQLError{Message: "No operation named " + fmt.Sprintf("%q", object.OperationName)}
	case q.operation.kind != "query":
		return nil, &graphQLError{Message: "Schema is not configured for " + q.operation.kind + "s"}
	}
	return q, nil
}

// rootFields names what a query asks for.
func (q *graphQLQuery) rootFields() []string {
	var names []string
	for _, field := range q.fields(q.operation.selections, "Query", 0) {
		names = append(names, field.name)
	}
	return names
}

// fields are those of a selection set, with those of its fragments.
func (q *graphQLQuery) fields(set []*graphQLSelection, typ string, depth int) []*graphQLSelection {
	if depth > maxQueryDepth {
		q.fail(invalidQuery("tooDeep", "Query is nested too deeply"))
		return nil
	}
	var fields []*graphQLSelection
	for _, s := range set {
		if q.visited++; q.visited > maxVisited {
			q.fail(invalidQuery("tooDeep", "Query is too complex"))
			return nil
		}
		switch s.kind {
		case graphQLFieldSelection:
			fields = append(fields, s)
		case graphQLInlineSelection:
			if s.on == "" || s.on == typ {
				fields = append(fields, q.fields(s.selections, typ, depth+1)...)
			}
		case graphQLSpreadSelection:
			fragment := q.document.fragment(s.name)
			if fragment == nil {
				q.fail(invalidQuery("useAndDefineFragment", "Fragment %s was used, but not defined", s.name))
			} else if fragment.on == typ {
				fields = append(fields, q.fields(fragment.selections, typ, depth+1)...)
			}
		}
	}
	return fields
}

func (q *graphQLQuery) fail(err *graphQLError) {
	if len(q.errs) < 100 {
		q.errs = append(q.errs, err)
	}
}

// check reports all that is wrong with a query, as Fly does before it answers
// any of it.
func (q *graphQLQuery) check() []*graphQLError {
	for _, name := range q.document.directives {
		q.fail(invalidQuery("undefinedDirective", "Directive @%s is not defined", name))
	}
	for _, v := range q.operation.variables {
		if v.def != nil && !v.def.fits(v.typ) {
			q.fail(invalidQuery("defaultValueInvalidType", "Default value for $%s doesn't match type %s", v.name, v.typ))
		}
		value, given := q.variables[v.name]
		if v.def != nil && !given {
			continue
		}
		// None of the schema's arguments is a list.
		if !fits(value, v.typ) || strings.HasPrefix(v.typ, "[") {
			q.fail(&graphQLError{Message: fmt.Sprintf("Variable $%s of type %s was provided invalid value", v.name, v.typ)})
		}
	}
	q.checkSet(q.operation.selections, "Query", 0)
	return q.errs
}

func (q *graphQLQuery) checkSet(set []*graphQLSelection, typ string, depth int) {
	for _, field := range q.fields(set, typ, depth) {
		if field.name == "__typename" {
			continue
		}
		defined, ok := graphQLSchema[typ][field.name]
		if !ok {
			err := invalidQuery("undefinedField", "Field '%s' doesn't exist on type '%s'", field.name, typ)
			err.Extensions["typeName"], err.Extensions["fieldName"] = typ, field.name
			q.fail(err)
			continue
		}
		q.checkArguments(field, defined)
		switch {
		case defined.of == "" && len(field.selections) > 0:
			q.fail(invalidQuery("selectionMismatch", "Selections can't be made on scalars (field '%s')", field.name))
		case defined.of != "" && len(field.selections) == 0:
			q.fail(invalidQuery("selectionMismatch", "Field must have selections (field '%s' returns %s but has no selections)", field.name, defined.of))
		case defined.of != "":
			q.checkSet(field.selections, defined.of, depth+1)
		}
	}
}

func (q *graphQLQuery) checkArguments(field *graphQLSelection, defined graphQLField) {
	for _, name := range slices.Sorted(maps.Keys(defined.args)) {
		if strings.HasSuffix(defined.args[name], "!") && !field.hasArgument(name) {
			q.fail(invalidQuery("missingRequiredArguments", "Field '%s' is missing required arguments: %s", field.name, name))
		}
	}
	for _, argument := range field.arguments {
		want, ok := defined.args[argument.name]
		switch {
		case !ok:
			q.fail(invalidQuery("argumentNotAccepted", "Field '%s' doesn't accept argument '%s'", field.name, argument.name))
		case argument.value.kind == '$':
			v := q.operation.variable(argument.value.text)
			switch {
			case v == nil:
				q.fail(invalidQuery("variableNotDefined", "Variable $%s is used by anonymous query but not declared", argument.value.text))
			case strings.TrimSuffix(v.typ, "!") != strings.TrimSuffix(want, "!"),
				strings.HasSuffix(want, "!") && !strings.HasSuffix(v.typ, "!") && v.def == nil:
				q.fail(invalidQuery("variableMismatch", "Type mismatch on variable $%s and argument %s (%s / %s)", v.name, argument.name, v.typ, want))
			}
		case !argument.value.fits(want):
			q.fail(invalidQuery("argumentLiteralsIncompatible", "Argument '%s' on Field '%s' has an invalid value (%s). Expected type '%s'", argument.name, field.name, argument.value.source, want))
		}
	}
}

// fits says whether a literal without variables is of a type.
func (v *graphQLValue) fits(typ string) bool {
	switch v.kind {
	case graphQLInt, graphQLString, graphQLBoolean, graphQLNull:
		return fits(v.scalar(), typ)
	}
	return false // the schema's arguments are scalars, and none a float
}

// scalar is the value of a literal; nil for null. An integer that is out of all
// bounds stays a json.Number, which fits no type.
func (v *graphQLValue) scalar() any {
	switch v.kind {
	case graphQLInt:
		if n, err := strconv.ParseInt(v.text, 10, 64); err == nil {
			return n
		}
		return json.Number(v.text)
	case graphQLBoolean:
		return v.text == "true"
	case graphQLNull:
		return nil
	}
	return v.text
}

// fits says whether a value, of JSON or of a literal, is of a scalar type, which
// is null's if it has no "!".
func fits(value any, typ string) bool {
	name, required := strings.CutSuffix(typ, "!")
	switch v := value.(type) {
	case nil:
		return !required
	case string:
		return name == "String" || name == "ID"
	case bool:
		return name == "Boolean"
	case int64:
		return name == "ID" || name == "Int" && math.MinInt32 <= v && v <= math.MaxInt32
	case float64:
		return name == "Int" && v == float64(int32(v))
	}
	return false
}

// arguments are the values of a field's arguments; an absent one is nil.
func (q *graphQLQuery) arguments(field *graphQLSelection) map[string]any {
	values := map[string]any{}
	for _, argument := range field.arguments {
		value := argument.value
		if value.kind == '$' {
			given, ok := q.variables[value.text]
			if value = q.operation.variable(value.text).def; ok || value == nil {
				values[argument.name] = given
				continue
			}
		}
		values[argument.name] = value.scalar() // check has seen that it is one
	}
	return values
}

// shape picks out of a value what was asked of it.
func (q *graphQLQuery) shape(value any, set []*graphQLSelection, typ string) any {
	switch v := value.(type) {
	case []map[string]any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = q.shape(v[i], set, typ)
		}
		return list
	case map[string]any:
		object := map[string]any{}
		for _, field := range q.fields(set, typ, 0) {
			if field.name == "__typename" {
				object[field.alias] = typ
				continue
			}
			object[field.alias] = q.shape(v[field.name], field.selections, graphQLSchema[typ][field.name].of)
		}
		return object
	}
	return value
}

// serveGraphQL answers POST /graphql of https://api.fly.io. Whatever is wrong
// with a query, the status is 200.
func (s *Server) serveGraphQL(c *flyCall) {
	q, err := readQuery(c.body)
	if err == nil {
		c.Fields, c.Variables = q.rootFields(), q.variables
	}
	c.arrive()
	switch {
	case c.broken():
	case err != nil:
		c.answer(http.StatusOK, flyGraphQLRefusal(err))
	default:
		c.answer(http.StatusOK, q.answer(s.world, c.http.Header.Get("Authorization")))
	}
}

// answer answers a query if it is valid, or says what is wrong with it.
func (q *graphQLQuery) answer(w *World, authorization string) map[string]any {
	q.errs = nil // rootFields may have found one
	if errs := q.check(); len(errs) > 0 {
		return flyGraphQLRefusal(errs...)
	}
	return w.graphQL(q, authorization)
}

// graphQL answers a query that is valid.
func (w *World) graphQL(q *graphQLQuery, authorization string) map[string]any {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.prepareFly()
	scope, known := w.flyScope(authorization, true)
	data, errs := map[string]any{}, []*graphQLError{}
	for _, field := range q.fields(q.operation.selections, "Query", 0) {
		var value any
		var err *graphQLError
		switch args := q.arguments(field); {
		case field.name == "__typename":
			data[field.alias] = "Query"
			continue
		case !known:
			err = invalidQuery("UNAUTHORIZED", "You must be authenticated to view this.")
		default:
			value, err = w.rootField(scope, field.name, args)
		}
		if err != nil {
			err.Path = []any{field.alias}
			errs = append(errs, err)
			data[field.alias] = nil
			continue
		}
		data[field.alias] = q.shape(value, field.selections, graphQLSchema["Query"][field.name].of)
	}
	answer := map[string]any{"data": data}
	if len(errs) > 0 {
		answer["errors"] = errs
	}
	return answer
}

// rootField is the value of a field of Query. The caller holds w.mu.
func (w *World) rootField(scope flyScope, name string, args map[string]any) (any, *graphQLError) {
	denied := invalidQuery("UNAUTHORIZED", "Not authorized to access this organization")
	text := func(arg string) string {
		s, _ := args[arg].(string)
		return s
	}
	switch name {
	case "organizations":
		if !scope.all && len(scope.orgs) == 0 {
			return nil, denied
		}
		nodes := []map[string]any{}
		for _, slug := range w.flyOrgSlugs() {
			if scope.org(slug) {
				nodes = append(nodes, w.flyOrg(slug))
			}
		}
		return map[string]any{"nodes": nodes}, nil
	case "organization":
		raw := w.rawSlug(text("slug"))
		_, exists := w.flyOrgs[raw]
		switch {
		case !scope.all && len(scope.orgs) == 0:
			return nil, denied
		case !exists || !scope.org(raw):
			return nil, invalidQuery("NOT_FOUND", "Could not find Organization")
		}
		return w.flyOrg(raw), nil
	case "app":
		app := w.flyApps[text("name")]
		if app == nil || !scope.app(text("name"), app) {
			return nil, invalidQuery("NOT_FOUND", "Could not find App %q", text("name"))
		}
		return w.graphQLApp(text("name"), app), nil
	}
	return w.graphQLApps(scope, args)
}

// graphQLApps is a page of apps. The cursor is the last name, so that a list
// that changes between two pages loses nothing.
func (w *World) graphQLApps(scope flyScope, args map[string]any) (any, *graphQLError) {
	size := 200
	switch first := args["first"].(type) {
	case int64:
		size = int(min(first, 200))
	case float64:
		size = int(min(first, 200))
	}
	if w.PageLimit > 0 {
		size = min(size, w.PageLimit)
	}
	size = max(size, 0)
	after := ""
	if cursor, ok := args["after"].(string); ok {
		plain, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil {
			return nil, invalidQuery("INVALID_CURSOR", "Invalid cursor")
		}
		after = string(plain)
	}
	nodes, more, last := []map[string]any{}, false, ""
	for _, name := range slices.Sorted(maps.Keys(w.flyApps)) {
		app := w.flyApps[name]
		if name <= after || !scope.app(name, app) || args["organizationId"] != nil && args["organizationId"] != w.flyOrg(app.org)["id"] {
			continue
		}
		if len(nodes) == size {
			more = true
			break
		}
		nodes, last = append(nodes, w.graphQLApp(name, app)), name
	}
	info := map[string]any{"hasNextPage": more, "endCursor": nil}
	if len(nodes) > 0 {
		info["endCursor"] = base64.RawURLEncoding.EncodeToString([]byte(last))
	}
	return map[string]any{"nodes": nodes, "pageInfo": info}, nil
}

func (w *World) graphQLApp(name string, app *flyApp) map[string]any {
	secrets := make([]map[string]any, len(app.secrets))
	for i, secret := range app.secrets {
		secrets[i] = map[string]any{"name": secret, "digest": secretDigest(secret)}
	}
	return map[string]any{
		"id": name, "name": name, "status": w.appStatus(name), "organization": w.flyOrg(app.org), "secrets": secrets,
	}
}
