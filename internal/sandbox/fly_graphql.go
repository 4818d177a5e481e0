package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
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
	document  *ast.QueryDocument
	operation *ast.OperationDefinition
	variables map[string]any
	errs      []*graphQLError
}

// Bounds of a query: no client of Fly's comes near.
const (
	maxQueryTokens = 1000
	maxQueryDepth  = 20
)

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
	document, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: object.Query}, maxQueryTokens)
	if err != nil {
		return nil, &graphQLError{Message: "Parse error: " + err.Error()}
	}
	q := &graphQLQuery{document: document, variables: object.Variables}
	for _, operation := range document.Operations {
		if operation.Name == object.OperationName || object.OperationName == "" {
			if q.operation != nil {
				return nil, &graphQLError{Message: "An operation name is required"}
			}
			q.operation = operation
		}
	}
	switch {
	case q.operation == nil:
		return nil, &graphQLError{Message: "No operation named " + fmt.Sprintf("%q", object.OperationName)}
	case q.operation.Operation != ast.Query:
		return nil, &graphQLError{Message: "Schema is not configured for " + string(q.operation.Operation) + "s"}
	}
	return q, nil
}

// rootFields names what a query asks for.
func (q *graphQLQuery) rootFields() []string {
	var names []string
	for _, field := range q.fields(q.operation.SelectionSet, "Query", 0) {
		names = append(names, field.Name)
	}
	return names
}

// fields are those of a selection set, with those of its fragments.
func (q *graphQLQuery) fields(set ast.SelectionSet, typ string, depth int) []*ast.Field {
	if depth > maxQueryDepth {
		q.fail(invalidQuery("tooDeep", "Query is nested too deeply"))
		return nil
	}
	var fields []*ast.Field
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			fields = append(fields, s)
		case *ast.InlineFragment:
			if s.TypeCondition == "" || s.TypeCondition == typ {
				fields = append(fields, q.fields(s.SelectionSet, typ, depth+1)...)
			}
		case *ast.FragmentSpread:
			fragment := q.document.Fragments.ForName(s.Name)
			if fragment == nil {
				q.fail(invalidQuery("useAndDefineFragment", "Fragment %s was used, but not defined", s.Name))
			} else if fragment.TypeCondition == typ {
				fields = append(fields, q.fields(fragment.SelectionSet, typ, depth+1)...)
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
	for _, v := range q.operation.VariableDefinitions {
		value, given := q.variables[v.Variable]
		if v.DefaultValue != nil && !given {
			continue
		}
		if value == nil && v.Type.NonNull || value != nil && !isOf(v.Type.Name(), value) || v.Type.Elem != nil {
			q.fail(&graphQLError{Message: fmt.Sprintf("Variable $%s of type %s was provided invalid value", v.Variable, v.Type)})
		}
	}
	q.checkSet(q.operation.SelectionSet, "Query", 0)
	return q.errs
}

func (q *graphQLQuery) checkSet(set ast.SelectionSet, typ string, depth int) {
	for _, field := range q.fields(set, typ, depth) {
		if len(field.Directives) > 0 {
			q.fail(invalidQuery("undefinedDirective", "Directive @%s is not defined", field.Directives[0].Name))
		}
		if field.Name == "__typename" {
			continue
		}
		defined, ok := graphQLSchema[typ][field.Name]
		if !ok {
			err := invalidQuery("undefinedField", "Field '%s' doesn't exist on type '%s'", field.Name, typ)
			err.Extensions["typeName"], err.Extensions["fieldName"] = typ, field.Name
			q.fail(err)
			continue
		}
		q.checkArguments(field, defined)
		switch {
		case defined.of == "" && len(field.SelectionSet) > 0:
			q.fail(invalidQuery("selectionMismatch", "Selections can't be made on scalars (field '%s')", field.Name))
		case defined.of != "" && len(field.SelectionSet) == 0:
			q.fail(invalidQuery("selectionMismatch", "Field must have selections (field '%s' returns %s but has no selections)", field.Name, defined.of))
		case defined.of != "":
			q.checkSet(field.SelectionSet, defined.of, depth+1)
		}
	}
}

func (q *graphQLQuery) checkArguments(field *ast.Field, defined graphQLField) {
	for _, name := range slices.Sorted(maps.Keys(defined.args)) {
		if strings.HasSuffix(defined.args[name], "!") && field.Arguments.ForName(name) == nil {
			q.fail(invalidQuery("missingRequiredArguments", "Field '%s' is missing required arguments: %s", field.Name, name))
		}
	}
	for _, argument := range field.Arguments {
		want, ok := defined.args[argument.Name]
		if !ok {
			q.fail(invalidQuery("argumentNotAccepted", "Field '%s' doesn't accept argument '%s'", field.Name, argument.Name))
			continue
		}
		if argument.Value.Kind == ast.Variable {
			v := q.operation.VariableDefinitions.ForName(argument.Value.Raw)
			switch {
			case v == nil:
				q.fail(invalidQuery("variableNotDefined", "Variable $%s is used by anonymous query but not declared", argument.Value.Raw))
			case v.Type.Name() != strings.TrimSuffix(want, "!"),
				strings.HasSuffix(want, "!") && !v.Type.NonNull && v.DefaultValue == nil:
				q.fail(invalidQuery("variableMismatch", "Type mismatch on variable $%s and argument %s (%s / %s)", v.Variable, argument.Name, v.Type, want))
			}
			continue
		}
		value, err := argument.Value.Value(nil)
		if err != nil || value == nil && strings.HasSuffix(want, "!") || value != nil && !isOf(strings.TrimSuffix(want, "!"), value) {
			q.fail(invalidQuery("argumentLiteralsIncompatible", "Argument '%s' on Field '%s' has an invalid value (%s). Expected type '%s'", argument.Name, field.Name, argument.Value, want))
		}
	}
}

// isOf says whether a value, of JSON or of a literal, is of a scalar type.
func isOf(typ string, value any) bool {
	switch v := value.(type) {
	case string:
		return typ == "String" || typ == "ID"
	case bool:
		return typ == "Boolean"
	case int64:
		return typ == "Int" || typ == "ID"
	case float64:
		return typ == "Int" && v == float64(int32(v))
	}
	return false
}

// arguments are the values of a field's arguments; an absent one is nil.
func (q *graphQLQuery) arguments(field *ast.Field) map[string]any {
	values := map[string]any{}
	for _, argument := range field.Arguments {
		value := argument.Value
		if value.Kind == ast.Variable {
			if _, given := q.variables[value.Raw]; !given {
				value = q.operation.VariableDefinitions.ForName(value.Raw).DefaultValue
			}
		}
		values[argument.Name], _ = value.Value(q.variables) // check has seen it
	}
	return values
}

// shape picks out of a value what was asked of it.
func (q *graphQLQuery) shape(value any, set ast.SelectionSet, typ string) any {
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
			if field.Name == "__typename" {
				object[field.Alias] = typ
				continue
			}
			object[field.Alias] = q.shape(v[field.Name], field.SelectionSet, graphQLSchema[typ][field.Name].of)
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
	for _, field := range q.fields(q.operation.SelectionSet, "Query", 0) {
		var value any
		var err *graphQLError
		switch args := q.arguments(field); {
		case field.Name == "__typename":
			data[field.Alias] = "Query"
			continue
		case !known:
			err = invalidQuery("UNAUTHORIZED", "You must be authenticated to view this.")
		default:
			value, err = w.rootField(scope, field.Name, args)
		}
		if err != nil {
			err.Path = []any{field.Alias}
			errs = append(errs, err)
			data[field.Alias] = nil
			continue
		}
		data[field.Alias] = q.shape(value, field.SelectionSet, graphQLSchema["Query"][field.Name].of)
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
