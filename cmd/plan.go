package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/natefinch/atomic"
	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
)

type planOptions struct {
	request requestFlags
	file    fileFlags
	output  outputFlags
	aws     awsFlags
	fly     flyFlags
	out     string
	// exitCode exits with 3 if there is something to do or that nobody asked for.
	exitCode bool
	markdown bool
}

func newPlan(sys System) *cobra.Command {
	var o planOptions
	c := &cobra.Command{
		Use:   "plan",
		Short: "Show what setup or apply would change, and change nothing",
		Long: `Show what setup or apply would change, and change nothing. Shown too is what is
on the roles and was not asked for.

The exit code is 0, or 1 when there is a conflict. With --exit-code it is 3 when
changes are pending, or when something on your roles was not asked for. With
--out the plan is saved to a file, which fly-aws apply applies as it is.`,
		Example: `  fly-aws plan -o acme -a web --policy AmazonS3ReadOnlyAccess
  fly-aws plan -o acme -a web --out plan.json
  fly-aws plan --exit-code || echo drift`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return runPlan(cmd, sys, o) },
	}
	o.file.register(c.Flags())
	o.request.register(c.Flags())
	o.output.register(c.Flags())
	o.aws.register(c.Flags())
	o.fly.register(c.Flags())
	c.Flags().BoolVar(&o.exitCode, "exit-code", false, "exit with 3 if something would change. The same goes for what is on the roles and was not asked for.")
	c.Flags().BoolVar(&o.markdown, "markdown", false, "print Markdown, for GITHUB_STEP_SUMMARY")
	c.Flags().StringVar(&o.out, "out", "", "`file` to save the plan to, for apply")
	return c
}

func runPlan(cmd *cobra.Command, sys System, o planOptions) error {
	ctx := cmd.Context()
	switch {
	case o.markdown && o.output.json:
		return usagef("drop one", "--json and --markdown are two forms of the plan")
	case o.out == "-":
		return usagef("use --json, which prints the plan", "--out takes a file, not standard output")
	}
	c := newConsole(sys, o.output)
	if o.out != "" {
		if err := c.checkOut(o.out); err != nil {
			return err
		}
	}
	folder := &workdir.Folder{Dir: sys.Dir}
	req, file, err := c.wanted(ctx, cmd, o.request, o.file, folder)
	if err != nil {
		return err
	}
	world, err := c.open(ctx, folder, o.aws, o.fly)
	if err != nil {
		return err
	}
	req.Prove = o.fly.prove
	plan, err := c.plan(ctx, world, req, true)
	if err != nil {
		return file.locate(err)
	}
	plan.CallRegion = o.aws.region
	if o.out != "" && len(plan.Conflicts()) == 0 && strictly(plan, o.fly.strict, true) == nil {
		if err := c.savePlan(plan, o.out); err != nil {
			return err
		}
	}
	if o.markdown {
		err = c.showMarkdown(plan, o.fly.strict)
	} else {
		err = c.showPlan(plan, o.fly.strict)
	}
	if err != nil {
		return err
	}
	pending := len(plan.Pending()) > 0
	if !c.json && pending {
		if o.markdown {
			fmt.Fprintln(sys.Stdout) // else Markdown takes it as part of the plan
		}
		if err := c.showDigest(plan); err != nil {
			return err
		}
		if o.out != "" && !o.markdown {
			render.Next(sys.Stdout, c.out, "fly-aws apply "+text.ShellWord(o.out))
		}
	}
	if o.exitCode && (pending || len(plan.Unasked()) > 0) {
		return exitCode(exitPending)
	}
	return nil
}

// showDigest shows what identifies the plan to fly-aws apply --digest.
func (c console) showDigest(plan *setup.Plan) error {
	digest, err := plan.Digest()
	if err == nil {
		fmt.Fprintln(c.Stdout, "Digest "+digest)
	}
	return err
}

// showMarkdown shows a plan as Markdown. A conflict in it is an error; so is a warning if
// strict.
func (c console) showMarkdown(plan *setup.Plan, strict bool) error {
	render.Markdown(c.Stdout, plan)
	if conflicts := plan.Conflicts(); len(conflicts) > 0 {
		return &setup.ConflictError{Conflicts: conflicts}
	}
	return strictly(plan, strict, true)
}

// plan makes the plan for a request. With introduce, it first shows the account and the
// organization.
func (c console) plan(ctx context.Context, world setup.World, req setup.Request, introduce bool) (*setup.Plan, error) {
	what := "AWS and Fly"
	if world.Fly == nil {
		what = "AWS"
	}
	stop := c.waiting(what)
	plan, err := world.Plan(ctx, req)
	stop()
	if plan == nil {
		return nil, err
	}
	if introduce {
		c.introduce(plan, plan.Org != req.Org)
	}
	render.Proofs(c.Stderr, plan.Proofs, c.err)
	return plan, err
}

// introduce shows the account that a plan is for and, if it was looked up, the
// organization.
func (c console) introduce(plan *setup.Plan, withOrg bool) {
	if note := c.sandboxNote(plan.Account); note != "" {
		c.note("%s", text.Clean(note))
	} else {
		c.note("AWS account %s, as %s", text.Name(plan.Account), text.Clean(plan.Caller))
	}
	if withOrg {
		org := plan.Org
		if plan.OrgAlias != "" {
			org += ", which Fly's tools call " + plan.OrgAlias
		}
		c.note("Fly organization %s", text.Clean(org))
	}
}

// showPlan shows a plan as text or JSON. A conflict in it is an error; so is a warning
// if strict.
func (c console) showPlan(plan *setup.Plan, strict bool) error {
	if err := c.showText(plan, strict); err != nil {
		return err
	}
	conflicts := plan.Conflicts()
	switch {
	case !c.json && len(conflicts) > 0:
		return &setup.ConflictError{Conflicts: conflicts}
	case !c.json:
		return nil
	}
	if err := render.JSON(c.Stdout, plan); err != nil {
		return err
	}
	if len(conflicts) > 0 {
		return exitCode(exitFailed) // the document has the error
	}
	return nil
}

// showText shows a plan and its warnings, unless the output is JSON. If strict, a
// warning is an error.
func (c console) showText(plan *setup.Plan, strict bool) error {
	if !c.json {
		render.Plan(c.Stdout, plan, c.out)
		render.Warnings(c.Stdout, plan, c.out)
	}
	return strictly(plan, strict, !c.json)
}

// strictly returns the error that --strict makes of a plan's warnings, and of what is on
// adopted and unmanaged roles and was not asked for. shown says that they were shown.
func strictly(plan *setup.Plan, strict, shown bool) error {
	if strict && len(plan.Warnings)+len(plan.Watched()) > 0 {
		return &strictError{plan: plan, shown: shown}
	}
	return nil
}

// checkOut refuses to overwrite a file that is not a plan.
func (c console) checkOut(file string) error {
	path := c.path(file)
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return usagef("create it first, or give --out another path", "--out %s: the folder does not exist", file)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && !info.Mode().IsRegular():
		return usagef("give --out the path of a file; --json prints the plan", "--out %s is not a file", file)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return &hintedError{err: fmt.Errorf("--out %s: %w", file, cause(err)), hint: "give --out the path of a file that can be written"}
	}
	var head struct {
		Schema string `json:"schema"`
	}
	if len(bytes.TrimSpace(data)) > 0 && (json.Unmarshal(data, &head) != nil || head.Schema != setup.PlanSchema) {
		return usagef("give --out another path, or remove the file", "--out %s is a file that is not a plan, and is not overwritten", file)
	}
	return nil
}

// savePlan writes a plan to a file atomically.
func (c console) savePlan(plan *setup.Plan, file string) error {
	data, err := plan.MarshalIndent()
	if err != nil {
		return err
	}
	path := c.path(file)
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if err := atomic.WriteFile(path, bytes.NewReader(data)); err != nil {
		return &hintedError{
			err:  fmt.Errorf("the plan could not be saved to %s: %w", file, cause(err)),
			hint: "give --out the path of a file that can be written",
		}
	}
	return nil
}

// A strictError is the warnings of a plan, which --strict makes errors.
type strictError struct {
	plan *setup.Plan
	// shown is true if they have already been shown as warnings.
	shown bool
}

func (e *strictError) Error() string {
	return render.Count(len(e.plan.Warnings)+len(e.plan.Watched()), "warning") + " with --strict: nothing was written"
}
