package architecture

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// A pkg is what the rules look at in a package.
type pkg struct {
	path string // below the module: "internal/awsapi"
	name string // of its package clause
	code uses   // of the files that are built, for any system
	test uses   // of the _test.go files
}

// uses are the imports and the calls of some files, each with a place.
type uses struct {
	imports map[string]string // import path to "file:line"
	calls   map[string]string // "os.Exit" to "file:line"
	inits   []string          // places of func init
	funcs   []string          // names of the functions that are not methods
}

// check holds the table over the packages and returns one sentence a
// violation, sorted. It reads nothing but its argument.
func check(pkgs []pkg) []string {
	var broken []string
	for _, p := range pkgs {
		r, known := table[p.path]
		if !known {
			broken = append(broken, fmt.Sprintf("%s: the table does not know this package; give it a row with its floor and its one responsibility", p.path))
			continue
		}
		report := func(place, format string, args ...any) {
			broken = append(broken, fmt.Sprintf("%s: %s: %s (%s)", p.path, place, fmt.Sprintf(format, args...), r.duty))
		}
		for _, name := range []string{p.name, path.Base(p.path)} {
			if slices.Contains(vagueNames, name) {
				report("package clause", "the name %s says nothing of what is inside", name)
			}
		}
		for _, place := range p.code.inits {
			report(place, "has a func init; work at start-up is paid by every command, and nothing may depend on the environment before main")
		}
		checkImports(p, r, report)
		checkCalls(p, r, report)
	}
	slices.Sort(broken)
	return slices.Compact(broken)
}

type reporter func(place, format string, args ...any)

func checkImports(p pkg, r rule, report reporter) {
	allowed := append([]string{p.path}, r.imports...)
	for imp, place := range sorted(p.code.imports) {
		if ours, ok := cutModule(imp); ok {
			if !slices.Contains(allowed, ours) {
				report(place, "imports %s: %s", ours, whyNot(p.path, ours))
			}
			continue
		}
		for _, b := range r.never {
			if matches(b.pattern, imp) && !slices.Contains(harmless, imp) {
				report(place, "imports %s: %s", imp, b.reason)
			}
		}
		if o, owned := ownerOf(imp); owned && !slices.Contains(o.code, p.path) {
			report(place, "imports %s: %s", imp, o.reason)
		}
	}
	allowed = append(allowed, r.testImports...)
	for imp, place := range sorted(p.test.imports) {
		if ours, ok := cutModule(imp); ok {
			if !slices.Contains(allowed, ours) {
				report(place, "a test imports %s: %s", ours, whyNot(p.path, ours))
			}
			continue
		}
		if o, owned := ownerOf(imp); owned && !o.mayTest(p.path) {
			report(place, "a test imports %s: %s", imp, o.reason)
		}
	}
}

func checkCalls(p pkg, r rule, report reporter) {
	for call, place := range sorted(p.code.calls) {
		for _, o := range calls {
			if strings.HasPrefix(call, o.pattern) && !slices.Contains(o.code, p.path) {
				report(place, "uses %s: %s", call, o.reason)
			}
		}
		for _, b := range clock {
			if r.pure && call == b.pattern {
				report(place, "uses %s: %s", call, b.reason)
			}
		}
	}
	for call, place := range sorted(p.test.calls) {
		for _, o := range calls {
			if strings.HasPrefix(call, o.pattern) && !o.mayTest(p.path) {
				report(place, "a test uses %s: %s", call, o.reason)
			}
		}
	}
}

// ownerOf returns the first row of libraries that an import falls under.
func ownerOf(imp string) (owner, bool) {
	i := slices.IndexFunc(libraries, func(o owner) bool { return matches(o.pattern, imp) })
	if i < 0 {
		return owner{}, false
	}
	return libraries[i], true
}

// mayTest says whether the tests of a package may use what o owns.
func (o owner) mayTest(path string) bool {
	return slices.Contains(o.code, path) || slices.Contains(o.tests, path) || slices.Contains(o.tests, anywhere)
}

// whyNot puts into words why from must not import to.
func whyNot(from, to string) string {
	f, t := table[from], table[to]
	switch {
	case t.floor == beside:
		return "it is for tests, and part of no program"
	case from == "internal/sandbox" && to == "setup":
		return "the sandbox must not know the engine, or the fake and the engine could share a mistake"
	case to == "flytoml":
		return "only workdir knows how a fly.toml is written"
	case to == "internal/sandbox" && t.floor == f.floor:
		return "the program must not depend on the pretended world; it is reached over the wire, in tests"
	case f.floor == room && t.floor == room:
		return "rooms on one floor never import each other; cmd brings them together"
	case t.floor > f.floor:
		return "arrows go down only, and it stands higher"
	default:
		return "the table has no such arrow"
	}
}

// matches says whether an import path is pattern or, if that ends in "/...",
// stands below it.
func matches(pattern, imp string) bool {
	if root, tree := strings.CutSuffix(pattern, "/..."); tree {
		return imp == root || strings.HasPrefix(imp, root+"/")
	}
	return imp == pattern
}

func cutModule(imp string) (string, bool) {
	if imp == module {
		return "", true
	}
	return strings.CutPrefix(imp, module+"/")
}

// sorted yields m in the order of its keys.
func sorted(m map[string]string) func(func(string, string) bool) {
	return func(yield func(string, string) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}
