// Command findings reads govulncheck's JSON from standard input and prints the
// vulnerabilities. It exits with 1 if a change to this module can fix one of them.
// Those in the standard library are fixed by building with a newer Go: they are
// warnings that name the version, unless -strict is given.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/version"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// A message has the parts of a govulncheck message that are used, see
// https://pkg.go.dev/golang.org/x/vuln/internal/govulncheck#Message.
type message struct {
	Config *struct {
		GoVersion string `json:"go_version"`
	}
	OSV *struct {
		ID, Summary string
	}
	Finding *finding
}

type finding struct {
	OSV          string
	FixedVersion string `json:"fixed_version"` // "" if there is no fix
	Trace        []struct{ Module, Version, Package, Function string }
}

// reach says how much of the vulnerable code the program uses.
func (f finding) reach() int {
	switch at := f.Trace[0]; {
	case at.Function != "":
		return 2
	case at.Package != "":
		return 1
	}
	return 0
}

var reaches = []string{"module required", "package imported", "function called"}

func main() {
	strict := flag.Bool("strict", false, "fail for the standard library too")
	flag.Parse()
	failed, err := report(os.Stdout, os.Stdin, *strict)
	if err != nil {
		fmt.Fprintln(os.Stderr, "govulncheck's output cannot be used:", err)
	}
	if failed || err != nil {
		os.Exit(1)
	}
}

// report prints the findings and reports whether any of them fails the run.
func report(w io.Writer, r io.Reader, strict bool) (failed bool, err error) {
	goVersion, summaries, findings := "", map[string]string{}, map[string]finding{}
	for dec := json.NewDecoder(r); ; {
		var m message
		err := dec.Decode(&m)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, err
		}
		switch {
		case m.Config != nil:
			goVersion = m.Config.GoVersion
		case m.OSV != nil:
			summaries[m.OSV.ID] = m.OSV.Summary
		case m.Finding != nil:
			// There can be several for one vulnerability; the farthest-reaching one
			// counts.
			key := m.Finding.OSV + " " + m.Finding.Trace[0].Module
			if known, ok := findings[key]; !ok || m.Finding.reach() > known.reach() {
				findings[key] = *m.Finding
			}
		}
	}
	if goVersion == "" {
		return false, errors.New("it does not name the Go version")
	}

	shown, needed := 0, goVersion
	for _, key := range slices.Sorted(maps.Keys(findings)) {
		f := findings[key]
		level, name, have, fixed := "error", f.Trace[0].Module, f.Trace[0].Version, f.FixedVersion
		if name == "stdlib" {
			if f.reach() == 0 {
				continue // in a package that is not imported
			}
			name, have, fixed = "standard library", goVersion, strings.Replace(fixed, "v", "go", 1)
			if version.Compare(fixed, needed) > 0 {
				needed = fixed
			}
			if !strict {
				level = "warning"
			}
		}
		fix := "fixed in " + fixed
		if fixed == "" {
			fix = "not fixed yet"
		}
		fmt.Fprintf(w, "%s: %s: %s\n", level, f.OSV, summaries[f.OSV])
		fmt.Fprintf(w, "    %s %s, %s; %s\n", name, have, fix, reaches[f.reach()])
		failed = failed || level == "error"
		shown++
	}
	switch {
	case shown == 0:
		fmt.Fprintln(w, "no known vulnerabilities")
	case needed != goVersion:
		fmt.Fprintf(w, "build releases with %s or later: this is %s\n", needed, goVersion)
	}
	return failed, nil
}
