package cmd

import (
	"context"
	"errors"
	"strconv"

	"github.com/spf13/cobra"

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
}

func newPatch(sys System) *cobra.Command {
	var o patchOptions
	c := &cobra.Command{
		Use:   "patch --role-arn ARN",
		Short: "Write AWS_ROLE_ARN into fly.toml, and nothing else",
		Long: `Write AWS_ROLE_ARN into the [env] of a fly.toml, for a role that was created
elsewhere. Every other byte of the file stays as it is. AWS is not called.`,
		Example: `  fly-aws patch --role-arn arn:aws:iam::123456789012:role/web
  fly-aws patch --role-arn arn:aws:iam::123456789012:role/api -c api/fly.toml`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return runPatch(cmd.Context(), sys, o) },
	}
	o.output.register(c.Flags())
	c.Flags().StringVar(&o.roleARN, "role-arn", "", "ARN of the role")
	c.Flags().StringVarP(&o.config, "config", "c", "", "the app's fly.toml, or its folder (default: the one in this folder)")
	c.Flags().StringVarP(&o.app, "app", "a", "", "refuse a file that is for another app")
	c.Flags().StringVar(&o.region, "aws-region", "", "write AWS_REGION too, if the file has none")
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

type patchEntry struct {
	Key    string       `json:"key"`
	Action setup.Action `json:"action"`
	Before string       `json:"before,omitempty"`
	Value  string       `json:"value"`
}

func runPatch(ctx context.Context, sys System, o patchOptions) error {
	if o.roleARN == "" {
		return usagef("pass --role-arn arn:aws:iam::<account>:role/<name>", "--role-arn is missing")
	}
	if reason := setup.RoleARNProblem(o.roleARN); reason != "" {
		return usagef("a role's ARN looks like arn:aws:iam::123456789012:role/web", "--role-arn %q: %s", o.roleARN, reason)
	}
	c := newConsole(sys, o.output)
	folder := &workdir.Folder{Dir: sys.Dir}
	config, err := folder.Find(o.config)
	var format *workdir.FormatError
	if errors.As(err, &format) {
		line := strconv.Quote(setup.EnvRoleARN) + ": " + strconv.Quote(o.roleARN) // valid YAML too
		return &hintedError{err: err, hint: "add to its env: " + line}
	}
	if err != nil {
		return err
	}
	app := o.app
	if app == "" {
		app = config.App
	}
	entries := []setup.Env{{Config: config.Path, App: app, Key: setup.EnvRoleARN, Value: o.roleARN}}
	if o.region != "" {
		if !setup.RegionLike(o.region) {
			return usagef("an AWS region looks like eu-central-1", "--aws-region %q is not an AWS region", o.region)
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
		render.Next(sys.Stdout, c.out, nextSteps(plan, report)...)
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
