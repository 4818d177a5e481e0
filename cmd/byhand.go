package cmd

import (
	"slices"
	"strconv"
	"strings"

	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
)

// editsByHand says what to change in each fly.json and fly.yaml, which are not edited.
func editsByHand(plan *setup.Plan) []string {
	var steps []string
	for _, g := range plan.Grants {
		app := requested(plan, g)
		if g.Kept || app.ARN != setup.ARNInConfig || setup.SyntaxOf(app.Config) == setup.SyntaxTOML {
			continue
		}
		current := func(key string) string {
			i := slices.IndexFunc(plan.Found, func(r setup.Resource) bool {
				return r.Env != nil && r.Env.Config == app.Config && r.Env.Key == key
			})
			if i < 0 {
				return ""
			}
			return plan.Found[i].Env.Value
		}
		var lines []string
		if current(app.Variable()) != g.RoleARN {
			lines = append(lines, envLine(app.Config, app.Variable(), g.RoleARN))
		}
		have, region := current(setup.EnvRegion), regionOf(plan, app)
		if region != "" && have == "" || app.Region != "" && have != app.Region {
			lines = append(lines, envLine(app.Config, setup.EnvRegion, region))
		}
		if len(lines) > 0 {
			steps = append(steps, "set "+strings.Join(lines, " and ")+" in the env of "+text.Name(app.Config)+", then fly deploy --config "+text.ShellWord(app.Config))
		}
	}
	if plan.Scope == nil {
		return steps
	}
	for _, e := range plan.Scope.Entries {
		lost := slices.ContainsFunc(plan.Grants, func(g setup.Grant) bool { return g.Removed && g.App == e.App })
		if lost && setup.SyntaxOf(e.Config) != setup.SyntaxTOML {
			steps = append(steps, "remove "+e.Key+" from the env of "+text.Name(e.Config)+", then fly deploy --config "+text.ShellWord(e.Config))
		}
	}
	return steps
}

// envLine is an entry of a config file's env in the syntax of the file.
func envLine(config, key, value string) string {
	switch value = strconv.Quote(value); setup.SyntaxOf(config) {
	case setup.SyntaxJSON:
		return strconv.Quote(key) + ": " + value
	case setup.SyntaxYAML:
		return key + ": " + value
	}
	return key + " = " + value
}
