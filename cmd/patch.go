package cmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/region"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
)

type patchOptions struct {
	output  outputFlags
	roleARN string
	config  string
	app     string
	region  string
	dryRun  bool
	file    fileFlags
	print   bool
}

func newPatch(sys System) *cobra.Command {
	var o patchOptions
	c := &cobra.Command{
		Use:   "patch {--role-arn ARN | --print}",
		Short: "Write AWS_ROLE_ARN into fly.toml, and nothing else",
		Long: `Write AWS_ROLE_ARN into the [env] of a fly.toml, for a role that was created
elsewhere. Every other byte of the file stays as it is. AWS is not called.

With --print, write nothing and print the lines AWS_ROLE_ARN=... of the app
--app, from the request file alone, for fly deploy --env or fly secrets set.`,
		Example: `  fly-aws patch --role-arn arn:aws:iam::123456789012:role/web
  fly-aws patch --role-arn arn:aws:iam::123456789012:role/api -c api/fly.toml
  fly deploy --env "$(fly-aws patch --print -a web)"`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return runPatch(cmd.Context(), sys, o) },
	}
	o.output.register(c.Flags())
	c.Flags().StringVar(&o.roleARN, "role-arn", "", "`ARN` of the role")
	c.Flags().StringVarP(&o.config, "config", "c", "", configUsage)
	c.Flags().StringVarP(&o.app, "app", "a", "", "refuse a file that is for another `app`")
	c.Flags().StringVar(&o.region, "aws-region", "", "write this `region` as AWS_REGION too, if the file has none")
	o.file.register(c.Flags())
	c.Flags().BoolVar(&o.print, "print", false, "print the lines for the app --app from the request file, and write nothing")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "show the change and write nothing")
	return c
}

// A patchDocument is what patch --json prints.
type patchDocument struct {
	Schema  string       `json:"schema"`
	Config  string       `json:"config"`
	App     string       `json:"app"`
	Written bool         `json:"written"`
	Changes []patchEntry `json:"changes"`
}

// A variablesDocument is what patch --print --json prints.
type variablesDocument struct {
	Schema string            `json:"schema"`
	App    string            `json:"app"`
	Env    map[string]string `json:"env"`
}

type patchEntry struct {
	Key    string       `json:"key"`
	Action setup.Action `json:"action"`
	Before string       `json:"before,omitempty"`
	Value  string       `json:"value"`
}

// runPrint prints the variables of an app that hold ARNs of its roles.
func runPrint(sys System, o patchOptions) error {
	file, err := openRequestFile(sys, o.file.file)
	switch {
	case err != nil:
		return err
	case file == nil:
		return usagef("pass --file with its path", "--print needs a request file, and there is no %s in this folder", requestFileName)
	case o.app == "":
		return usagef("pass --app", "--print is for one app")
	case o.roleARN != "" || o.config != "" || o.region != "":
		return usagef("drop them", "--print takes only --app and --file")
	}
	part, err := file.Narrow([]string{o.app})
	if err != nil {
		return err
	}
	lines := map[string]string{}
	for _, role := range part.Request().Roles {
		for _, app := range role.Apps {
			if app.Name == o.app && !role.Unmanaged {
				lines[app.Variable()] = file.RoleARN(role)
			}
		}
	}
	if o.output.json {
		return render.JSON(sys.Stdout, variablesDocument{render.VariablesSchema, o.app, lines})
	}
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		fmt.Fprintf(sys.Stdout, "%s=%s\n", name, lines[name])
	}
	return nil
}

func runPatch(ctx context.Context, sys System, o patchOptions) error {
	if o.print {
		return runPrint(sys, o)
	}
	if o.roleARN == "" {
		return usagef("pass --role-arn arn:aws:iam::<account>:role/<name>", "--role-arn is missing")
	}
	if reason := setup.RoleARNProblem(o.roleARN); reason != "" {
		return usagef("a role's ARN looks like arn:aws:iam::123456789012:role/web", "--role-arn %q: %s", o.roleARN, reason)
	}
	c := newConsole(sys, o.output)
	folder := &workdir.Folder{Dir: sys.Dir}
	config, err := folder.Find(o.config)
	if err != nil {
		return err
	}
	if setup.SyntaxOf(config.Path) != setup.SyntaxTOML {
		hint := "add to its env: " + envLine(config.Path, setup.EnvRoleARN, o.roleARN)
		if o.region != "" && config.AWSRegion == "" {
			hint += " and " + envLine(config.Path, setup.EnvRegion, o.region)
		}
		return &hintedError{err: &workdir.FormatError{Path: config.Path}, hint: hint}
	}
	app := o.app
	if app == "" {
		app = config.App
	}
	entries := []setup.Env{{Config: config.Path, App: app, Key: setup.EnvRoleARN, Value: o.roleARN}}
	if o.region != "" {
		var invalid *region.NameError
		if _, err := region.Check(o.region); errors.As(err, &invalid) {
			return usagef("", "--aws-region %q: %s", o.region, invalid.Reason)
		}
		entries = append(entries, setup.Env{Config: config.Path, App: app, Key: setup.EnvRegion, Value: o.region, IfAbsent: true})
	}
	world := setup.World{Files: folder, Clock: clock{sys}}
	plan, err := world.PlanEntries(ctx, entries)
	if err != nil {
		return err
	}
	before, after, err := folder.Preview(config.Path, plan.Pending())
	if err != nil {
		return err
	}
	report := &setup.Report{}
	if !o.dryRun {
		if report, err = world.Apply(ctx, plan, nil); err != nil {
			return err
		}
	}
	if c.json {
		return render.JSON(sys.Stdout, newPatchDocument(plan, config.Path, app, !o.dryRun))
	}
	if len(plan.Pending()) == 0 {
		render.Done(sys.Stdout, "nothing to do: "+text.Name(config.Path)+" already has "+setup.EnvRoleARN, c.out)
		return nil
	}
	render.Diff(sys.Stdout, config.Path, string(before), string(after), c.out)
	if !o.dryRun {
		render.Done(sys.Stdout, "wrote "+text.Name(config.Path), c.out)
		c.showNext(plan, report)
	}
	return nil
}

func newPatchDocument(plan *setup.Plan, config, app string, write bool) patchDocument {
	doc := patchDocument{Schema: render.PatchSchema, Config: config, App: app, Written: write && len(plan.Pending()) > 0}
	for _, c := range plan.Changes {
		entry := patchEntry{Key: c.After.Env.Key, Action: c.Action, Value: c.After.Env.Value}
		if c.Before != nil {
			entry.Before = c.Before.Env.Value
		}
		doc.Changes = append(doc.Changes, entry)
	}
	return doc
}
