package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/natefinch/atomic"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fly-aws/fly-aws/internal/export"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
)

func newExport(sys System) *cobra.Command {
	c := &cobra.Command{
		Use:   "export",
		Short: "Write what setup or apply would make as code, and change nothing",
		Long: `Write what setup or apply would make as code, for those who review IAM in pull
requests. AWS and Fly are asked as by fly-aws plan, and nothing is changed.`,
		Example: `  fly-aws export terraform -f fly-aws.toml --out infra/fly-aws
  fly-aws export cloudformation -f fly-aws.toml --out fly-aws.yaml`,
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newExportTerraform(sys), newExportCloudFormation(sys))
	return c
}

// exportFlags are the flags of every export.
type exportFlags struct {
	request requestFlags
	file    fileFlags
	output  outputFlags
	aws     awsFlags
	fly     flyFlags
	out     string
}

func (f *exportFlags) register(flags *pflag.FlagSet) {
	f.file.register(flags)
	f.request.register(flags)
	f.output.registerColor(flags)
	f.aws.register(flags)
	f.fly.register(flags)
}

type terraformOptions struct {
	exportFlags
	export.TerraformOptions
}

func newExportTerraform(sys System) *cobra.Command {
	var o terraformOptions
	c := &cobra.Command{
		Use:   "terraform",
		Short: "Write Terraform configuration",
		Long: `Write Terraform configuration of what setup or apply would make: the OIDC
provider, the roles and their policies. It is printed, or with --out written to
a folder, where files that fly-aws did not make are left alone.

--import adds import blocks for what is in the account already. terraform plan
then shows only what fly-aws plan shows. --hand-over tags the provider and the
roles as Terraform's: once terraform apply has run, fly-aws only reads them.`,
		Example: `  fly-aws export terraform -f fly-aws.toml --out infra/fly-aws
  fly-aws export terraform --import --hand-over --out infra/fly-aws
  fly-aws export terraform -o acme -a web --import > main.tf`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return runExportTerraform(cmd, sys, o) },
	}
	o.register(c.Flags())
	c.Flags().BoolVar(&o.Import, "import", false, "add import blocks for what exists")
	c.Flags().BoolVar(&o.HandOver, "hand-over", false, "leave all of it to Terraform. Provider and roles get a tag, so that fly-aws changes them no more.")
	c.Flags().StringVar(&o.out, "out", "", "`folder` to write to (default: print it)")
	return c
}

func runExportTerraform(cmd *cobra.Command, sys System, o terraformOptions) error {
	c := newConsole(sys, o.output)
	if o.out != "" {
		if err := c.checkExport(o.out, export.TerraformFiles()); err != nil {
			return err
		}
	}
	plan, err := c.exportPlan(cmd, o.exportFlags, setup.ManagerTerraform)
	if err != nil {
		return err
	}
	files, err := export.ToTerraform(plan, o.TerraformOptions)
	if err != nil {
		return exportError(err)
	}
	if o.out == "" {
		for i, file := range files {
			if i > 0 {
				fmt.Fprintln(c.Stdout)
			}
			if _, err := c.Stdout.Write(file.Text); err != nil {
				return err
			}
		}
		return nil
	}
	return c.writeExport(o.out, files, export.TerraformFiles())
}

type cloudFormationOptions struct {
	exportFlags
	export.CloudFormationOptions
}

func newExportCloudFormation(sys System) *cobra.Command {
	var o cloudFormationOptions
	c := &cobra.Command{
		Use:   "cloudformation",
		Short: "Write a CloudFormation template, also for StackSets",
		Long: `Write a CloudFormation template of what setup or apply would make: the OIDC
provider, the roles and their policies. It names no account, so that a StackSet
can roll it out to many. It is printed, or with --out written to a file, unless
that is one that fly-aws did not make.

--hand-over tags the provider and the roles as CloudFormation's: once the stack
is there, fly-aws only reads them.`,
		Example: `  fly-aws export cloudformation -f fly-aws.toml --out fly-aws.yaml
  aws cloudformation deploy --stack-name fly-aws --template-file fly-aws.yaml \
    --capabilities CAPABILITY_NAMED_IAM`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return runExportCloudFormation(cmd, sys, o) },
	}
	o.register(c.Flags())
	c.Flags().BoolVar(&o.HandOver, "hand-over", false, "leave all of it to CloudFormation. Provider and roles get a tag, so that fly-aws changes them no more.")
	c.Flags().StringVar(&o.out, "out", "", "`file` to write (default: standard output)")
	return c
}

func runExportCloudFormation(cmd *cobra.Command, sys System, o cloudFormationOptions) error {
	c := newConsole(sys, o.output)
	if o.out != "" {
		if err := c.checkExported(o.out); err != nil {
			return err
		}
	}
	plan, err := c.exportPlan(cmd, o.exportFlags, setup.ManagerCloudFormation)
	if err != nil {
		return err
	}
	template, err := export.ToCloudFormation(plan, o.CloudFormationOptions)
	if err != nil {
		return exportError(err)
	}
	if o.out == "" {
		_, err = c.Stdout.Write(template)
		return err
	}
	return c.writeExported(o.out, template)
}

// exportPlan makes the plan to export. Its conflicts and warnings are shown on standard
// error and count as those of fly-aws plan.
func (c console) exportPlan(cmd *cobra.Command, o exportFlags, manager string) (*setup.Plan, error) {
	ctx := cmd.Context()
	folder := &workdir.Folder{Dir: c.Dir}
	req, file, err := c.wanted(ctx, cmd, o.request, o.file, folder)
	if err != nil {
		return nil, err
	}
	world, err := c.open(ctx, folder, o.aws, o.fly)
	if err != nil {
		return nil, err
	}
	req.Prove, req.Manager = o.fly.prove, manager
	plan, err := c.plan(ctx, world, req, true)
	if err != nil {
		return nil, file.locate(err)
	}
	conflicts := plan.Conflicts()
	if len(conflicts) > 0 {
		render.Plan(c.Stderr, plan, c.err)
	}
	render.Warnings(c.Stderr, plan, c.err)
	if err := strictly(plan, o.fly.strict, true); err != nil {
		return nil, err
	}
	if len(conflicts) > 0 {
		return nil, &setup.ConflictError{Conflicts: conflicts}
	}
	for _, r := range plan.Managed() { // the provider can stay where it is, and roles use it
		if r.Role != nil {
			return nil, &hintedError{
				err:  fmt.Errorf("role %s is managed by %s, according to its tag %s", text.Name(r.Role.Name), text.Name(r.ManagedBy()), setup.TagManagedBy),
				hint: "leave the role out, or remove the tag once nothing else manages it",
			}
		}
	}
	return plan, nil
}

// exportError says what to do about an export that cannot be made.
func exportError(err error) error {
	if errors.Is(err, export.ErrNothing) {
		return &hintedError{err: err, hint: "name a role that fly-aws may make"}
	}
	return err
}

// checkExport refuses a folder with a file of one of the names that no export made.
func (c console) checkExport(folder string, names []string) error {
	for _, name := range names {
		if err := c.checkExported(filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	return nil
}

// checkExported refuses to overwrite a file that no export made.
func (c console) checkExported(file string) error {
	info, err := os.Stat(c.path(file))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && !info.Mode().IsRegular():
		return usagef("give --out another path", "%s is not a file", file)
	}
	data, err := os.ReadFile(c.path(file))
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", file, cause(err))
	}
	if first, _, _ := bytes.Cut(data, []byte("\n")); len(data) > 0 && !bytes.HasPrefix(first, []byte("# "+export.Mark)) {
		return usagef("give --out another path, or move the file away", "%s was not made by fly-aws export, and is not overwritten", file)
	}
	return nil
}

// writeExport writes the files into a folder, and removes those of an earlier export that
// this one does not have.
func (c console) writeExport(folder string, files []export.File, names []string) error {
	if err := os.MkdirAll(c.path(folder), 0o755); err != nil { //nolint:gosec // the files are for git
		return fmt.Errorf("%s cannot be made: %w", folder, cause(err))
	}
	for _, file := range files {
		if err := c.writeExported(filepath.Join(folder, file.Name), file.Text); err != nil {
			return err
		}
	}
	for _, name := range names {
		path := filepath.Join(folder, name)
		if slices.ContainsFunc(files, func(f export.File) bool { return f.Name == name }) {
			continue
		}
		switch err := os.Remove(c.path(path)); {
		case err == nil:
			c.note("removed %s", text.Name(path))
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%s cannot be removed: %w", path, cause(err))
		}
	}
	return nil
}

// writeExported writes one file atomically.
func (c console) writeExported(file string, data []byte) error {
	path := c.path(file)
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if err := atomic.WriteFile(path, bytes.NewReader(data)); err != nil {
		return &hintedError{err: fmt.Errorf("%s cannot be written: %w", file, cause(err)), hint: "give --out a path that can be written"}
	}
	render.Done(c.Stdout, "wrote "+text.Clean(file), c.out)
	return nil
}
