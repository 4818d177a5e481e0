package render

import (
	"io"

	"github.com/fly-aws/fly-aws/internal/text"
)

// VersionSchema is the schema of a VersionDocument.
const VersionSchema = "fly-aws.version/1"

// A VersionDocument is what version prints.
type VersionDocument struct {
	Schema  string `json:"schema"`
	Version string `json:"version"`
	// Commit is the whole hash of the commit, Date its time in RFC 3339; "" if the build
	// did not record them.
	Commit string `json:"commit,omitempty"`
	Date   string `json:"date,omitempty"`
	// Go is the version of Go that built the program, OS and Arch what it was built for.
	Go   string `json:"go"`
	OS   string `json:"os"`
	Arch string `json:"arch"`
	// Sum is the checksum of the module, as in go.sum; "" unless the program was built
	// from the module cache, as go install does.
	Sum string `json:"sum,omitempty"`
}

// Version shows a version and how it was built.
func Version(w io.Writer, d VersionDocument, style Style) {
	p := printer{w, style}
	for _, f := range []Field{
		{Name: "version", Value: d.Version},
		{Name: "commit", Value: d.Commit},
		{Name: "date", Value: d.Date},
		{Name: "go", Value: d.Go},
		{Name: "system", Value: d.OS + "/" + d.Arch},
		{Name: "module", Value: d.Sum},
	} {
		if f.Value != "" {
			p.line("%-8s %s", f.Name, text.Clean(f.Value))
		}
	}
}
