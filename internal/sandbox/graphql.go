package sandbox

import (
	_ "embed"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

//go:embed fly.graphql
var flySchemaText string

// flySchema is the part of Fly's schema that the sandbox serves. It has no
// directives and no introspection, so queries with them are refused.
var flySchema = sync.OnceValue(func() *ast.Schema {
	schema := gqlparser.MustLoadSchema(&ast.Source{Name: "fly.graphql", Input: flySchemaText})
	schema.Directives = nil
	schema.Query.Fields = slices.DeleteFunc(schema.Query.Fields, func(f *ast.FieldDefinition) bool {
		return strings.HasPrefix(f.Name, "__")
	})
	return schema
})

// Bounds of a query, far above what real clients need.
const (
	maxQueryTokens = 2000
	// maxSelections counts each selection as often as fragments and lists repeat
	// it.
	maxSelections  = 100_000
	maxQueryErrors = 20
)

// A graphQLQuery is a valid query in progress.
type graphQLQuery struct {
	operation *ast.OperationDefinition
	variables map[string]any
	// given are the variables as received.
	given    map[string]any
	selected int // selections so far
	errs     gqlerror.List
}

// readQuery reads and validates a GraphQL request.
func readQuery(body []byte) (*graphQLQuery, gqlerror.List) {
	var request struct {
		Query         string         `json:"query"`
		OperationName string         `json:"operationName"`
		Variables     map[string]any `json:"variables"`
	}
	if json.Unmarshal(body, &request) != nil || strings.TrimSpace(request.Query) == "" {
		return nil, gqlerror.List{gqlerror.Errorf("No query string was present")}
	}
	document, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: request.Query}, maxQueryTokens)
	if err != nil {
		return nil, graphQLErrors(err)
	}
	if errs := validator.ValidateWithRules(flySchema(), document, rules.NewDefaultRules()); len(errs) > 0 {
		return nil, errs[:min(len(errs), maxQueryErrors)]
	}
	operation := document.Operations.ForName(request.OperationName)
	if operation == nil {
		return nil, gqlerror.List{gqlerror.Errorf("No operation named %q", request.OperationName)}
	}
	variables, err := validator.VariableValues(flySchema(), operation, request.Variables)
	if err != nil {
		return nil, graphQLErrors(err)
	}
	return &graphQLQuery{operation: operation, variables: variables, given: request.Variables}, nil
}

func graphQLErrors(err error) gqlerror.List {
	var one *gqlerror.Error
	if errors.As(err, &one) {
		return gqlerror.List{one}
	}
	return gqlerror.List{gqlerror.Wrap(err)}
}

// rootFields returns the names of a query's root fields, without aliases.
func (q *graphQLQuery) rootFields() []string {
	var names []string
	for _, field := range q.fields(q.operation.SelectionSet) {
		names = append(names, field.Name)
	}
	return names
}

// fields returns the fields of a selection set and its fragments. It merges fields
// with the same alias; validation has checked that they can be merged and that the
// fragments' types fit.
func (q *graphQLQuery) fields(set ast.SelectionSet) []*ast.Field {
	var fields []*ast.Field
	index := map[string]int{}
	var collect func(ast.SelectionSet)
	collect = func(set ast.SelectionSet) {
		for _, selection := range set {
			if q.selected++; q.selected > maxSelections {
				return
			}
			switch s := selection.(type) {
			case *ast.Field:
				if i, ok := index[s.Alias]; ok {
					fields[i].SelectionSet = append(fields[i].SelectionSet, s.SelectionSet...)
					continue
				}
				field := *s
				field.SelectionSet = slices.Clone(s.SelectionSet)
				index[s.Alias] = len(fields)
				fields = append(fields, &field)
			case *ast.InlineFragment:
				collect(s.SelectionSet)
			case *ast.FragmentSpread:
				collect(s.Definition.SelectionSet)
			}
		}
	}
	collect(set)
	return fields
}

// answer executes a query; resolve returns the value of a root field.
func (q *graphQLQuery) answer(resolve func(*ast.Field, map[string]any) (any, error)) map[string]any {
	data := q.object(nil, "Queries", q.operation.SelectionSet, func(field *ast.Field) any {
		arguments, err := q.arguments(field)
		if err != nil {
			return err
		}
		value, err := resolve(field, arguments)
		if err != nil {
			return err
		}
		return value
	})
	switch {
	case q.selected > maxSelections:
		return graphQLRefusal(gqlerror.Errorf("Query is too complex"))
	case len(q.errs) > 0:
		return map[string]any{"data": data, "errors": q.errs}
	}
	return map[string]any{"data": data}
}

// graphQLRefusal is the response to a query that is not executed.
func graphQLRefusal(errs ...*gqlerror.Error) map[string]any {
	return map[string]any{"data": nil, "errors": errs}
}

func (q *graphQLQuery) arguments(field *ast.Field) (map[string]any, error) {
	values := map[string]any{}
	for _, argument := range field.Arguments {
		value, err := argument.Value.Value(q.variables)
		if err != nil {
			return nil, err
		}
		values[argument.Name] = value
	}
	return values, nil
}

// object returns the selected fields of an object; nil if a field that cannot be
// null failed (https://spec.graphql.org/October2021/#sec-Handling-Field-Errors).
func (q *graphQLQuery) object(path ast.Path, typ string, set ast.SelectionSet, get func(*ast.Field) any) any {
	object, failed := map[string]any{}, false
	for _, field := range q.fields(set) {
		if field.Name == "__typename" {
			object[field.Alias] = typ
			continue
		}
		value := q.value(append(slices.Clone(path), ast.PathName(field.Alias)), field, get(field))
		object[field.Alias] = value
		failed = failed || value == nil && field.Definition.Type.NonNull
	}
	if failed {
		return nil
	}
	return object
}

// value returns the selected part of a field's value, which is an object, a list of
// objects, a scalar, or the field's error.
func (q *graphQLQuery) value(path ast.Path, field *ast.Field, value any) any {
	typ := field.Definition.Type.Name()
	switch v := value.(type) {
	case error:
		q.errs = append(q.errs, &gqlerror.Error{Message: v.Error(), Path: path})
		return nil
	case []map[string]any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = q.object(append(slices.Clone(path), ast.PathIndex(i)), typ, field.SelectionSet, fieldOf(item))
		}
		return list
	case map[string]any:
		return q.object(path, typ, field.SelectionSet, fieldOf(v))
	}
	return value
}

// fieldOf returns the fields of an object.
func fieldOf(object map[string]any) func(*ast.Field) any {
	return func(field *ast.Field) any { return object[field.Name] }
}
