package requestfile

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/fly-aws/fly-aws/internal/region"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
)

// placeholders are filled in, in braces.
var placeholders = []string{"account", "region", "partition", "org", "app"}

var (
	// braces matches what may be a placeholder in a value. IAM's policy variables have a
	// dollar sign before the brace.
	braces = regexp.MustCompile(`\$?\{[a-z_]+\}`)
	// inFile matches a placeholder in a JSON file, which has braces of its own.
	inFile = regexp.MustCompile(`\$?\{(?:` + strings.Join(placeholders, "|") + `)\}`)
)

// A filler fills in the placeholders in the values of a role.
type filler struct {
	r      *reader
	values map[string]string
	role   setup.RoleRequest
}

func (r *reader) filler(role setup.RoleRequest) filler {
	req := r.file.req
	where := cmp.Or(role.Region, req.Region)
	for i, app := range role.Apps {
		of := cmp.Or(role.Region, app.Region, req.Region)
		if i > 0 && of != where {
			of = "" // the apps have several
		}
		if where = of; where == "" {
			break
		}
	}
	values := map[string]string{
		"account": req.Account, "org": req.Org, "region": where, "partition": partitionOf(cmp.Or(where, req.Region)),
	}
	if len(role.Apps) == 1 && !role.Apps[0].IsPattern() {
		values["app"] = role.Apps[0].Name
	}
	return filler{r, values, role}
}

// partitionOf returns the partition that a region is in, "aws" if unknown.
func partitionOf(name string) string { return cmp.Or(region.PartitionOf(name), "aws") }

// value fills in a value.
func (f filler) value(at *node, s string) string {
	return f.replace(braces, at, "", s)
}

// file fills in the text of a file that the value at a node names.
func (f filler) file(at *node, name string, data []byte) string {
	return f.replace(inFile, at, " in "+text.Name(name), string(data))
}

func (f filler) replace(pattern *regexp.Regexp, at *node, in, s string) string {
	return pattern.ReplaceAllStringFunc(s, func(found string) string {
		if found[0] == '$' {
			return found
		}
		name := strings.Trim(found, "{}")
		v, known := f.values[name], false
		for _, p := range placeholders {
			known = known || p == name
		}
		switch {
		case v != "":
			return v
		case !known:
			f.r.suggest(fillSuggestion(name), at, "unknown placeholder %s%s", text.Quote(found), in)
		case name == "app":
			f.r.fail(at, "{app}%s is for a role of one app, and this one has %s", in, count(f.role))
		case name == "region":
			f.r.suggest("set region under [defaults]", at, "{region}%s is not known: neither the role nor its apps have one region", in)
		default:
			f.r.fail(at, "{%s}%s is not known: the key %s is missing", name, in, name)
		}
		return found
	})
}

// fillSuggestion suggests a placeholder.
func fillSuggestion(name string) string {
	return didYouMean("{"+name+"}", braced(), "there are "+strings.Join(braced(), ", "))
}

func braced() []string {
	var out []string
	for _, p := range placeholders {
		out = append(out, "{"+p+"}")
	}
	return out
}

// count counts the apps of a role in words.
func count(role setup.RoleRequest) string {
	if len(role.Apps) == 1 {
		return "the pattern " + text.Name(role.Apps[0].Name)
	}
	return fmt.Sprintf("%d", len(role.Apps))
}
