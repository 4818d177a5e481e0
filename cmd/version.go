package cmd

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/render"
)

func newVersion(sys System) *cobra.Command {
	var o outputFlags
	c := &cobra.Command{
		Use:   "version",
		Short: "Show the version and how it was built",
		Long: `Show the version, the commit and its date, the version of Go, and the system
that the program was built for. Put the output of --json into a bug report.

If the program was installed with go install, it also shows the checksum of the
module, which is the one in Go's checksum database.`,
		Example: `  fly-aws version
  fly-aws version --json`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return runVersion(sys, o) },
	}
	o.register(c.Flags())
	return c
}

func runVersion(sys System, o outputFlags) error {
	c := newConsole(sys, o)
	doc := sys.Build.document()
	if c.json {
		return render.JSON(sys.Stdout, doc)
	}
	render.Version(sys.Stdout, doc, c.out)
	return nil
}

// document is what fly-aws version shows. What the release build did not set is what Go
// recorded.
func (b Build) document() render.VersionDocument {
	doc := render.VersionDocument{
		Schema: render.VersionSchema, Version: b.version(), Commit: b.Commit, Date: b.Date,
		Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return doc
	}
	doc.Sum = info.Main.Sum
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && doc.Commit == "":
			doc.Commit = s.Value
		case s.Key == "vcs.time" && doc.Date == "":
			doc.Date = s.Value
		}
	}
	return doc
}
