package requestfile_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/fly-aws/fly-aws/internal/requestfile"
	"github.com/fly-aws/fly-aws/setup"
)

// seeds are the files that the other tests read.
func seeds(f *testing.F) []string {
	f.Helper()
	out := []string{example, strings.Replace(example, "${x}-", "b-", 1)}
	for _, pattern := range []string{"testdata/problems/*.toml", "testdata/add/*.toml", "testdata/add/*.golden"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			out = append(out, string(text))
		}
	}
	return out
}

// FuzzParse: any text is either a file, which keeps its bytes and survives being written
// anew, or has problems, whose places are in the text.
func FuzzParse(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := requestfile.Parse("f", text, files)
		if err != nil {
			checkProblems(t, text, err)
			return
		}
		if !bytes.Equal(file.Bytes(), text) {
			t.Fatal("the bytes are others")
		}
		req := file.Request()
		for _, role := range req.Roles {
			if role.Trust != nil { // which is written as another path
				return
			}
			for _, c := range role.Conditions {
				if slices.ContainsFunc(c.Values, func(v string) bool { return strings.Contains(v, "{") }) { // what was filled in has a placeholder
					return
				}
			}
		}
		written := requestfile.New(req)
		again, err := requestfile.Parse("f", written, files)
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, text, written)
		}
		if got, want := normal(again.Request()), normal(req); !reflect.DeepEqual(got, want) {
			t.Fatalf("it is\n%+v\nnot\n%+v\n%s\n%s", got, want, text, written)
		}
	})
}

// checkProblems checks what Parse promises about errors.
func checkProblems(t *testing.T, text []byte, err error) {
	t.Helper()
	lines := strings.Split(string(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))), "\n")
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%T", err)
	}
	line, column := 0, 0
	for _, err := range joined.Unwrap() {
		var p *requestfile.Problem
		if !errors.As(err, &p) || p.Reason == "" {
			t.Fatalf("%T: %v", err, err)
		}
		if p.Line < line || p.Line == line && p.Column < column {
			t.Fatalf("they are not sorted: %v", joined)
		}
		line, column = p.Line, p.Column
		if line < 1 || line > len(lines) || column < 1 || column > utf8.RuneCountInString(lines[line-1])+1 {
			t.Fatalf("%v is not in the text", err)
		}
		if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
			t.Fatalf("%q", err)
		}
	}
}

// FuzzAdd checks the law of edits: what is only added leaves every byte where it is; what
// replaces a setting leaves the comments; and the request is the old one with the role.
func FuzzAdd(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add([]byte(text), "web", "", "A", "b-1", "")
		f.Add([]byte(text), "api", "fly-acme-shared", "A", "b-1", "x/fly.toml")
		f.Add([]byte(text), "tenant-*", "fly-acme-t", "it's \"q\"\\", "b-1", "")
	}
	f.Fuzz(func(t *testing.T, text []byte, app, name, policy, answer, config string) {
		file, err := requestfile.Parse("f", text, files)
		if err != nil {
			return
		}
		role := setup.RoleRequest{
			Name: name, Apps: []setup.App{{Name: app}}, Policies: []string{policy},
			Presets: []setup.Preset{{Name: "s3-read", Answer: answer}}, Keep: []string{"policy:K"},
		}
		out, err := file.Add(role)
		if err == nil {
			checkAdded(t, file, out, role)
			if !subsequence(text, out) {
				t.Fatalf("it lost something\n%s\n\n%s", text, out)
			}
		}
		role.Apps[0].Config, role.MaxSession, role.Tags = config, 7200, map[string]string{policy: answer}
		if out, err = file.Add(role); err == nil {
			checkAdded(t, file, out, role)
			if got, want := comments(out), comments(text); !slices.Equal(got, want) {
				t.Fatalf("the comments were %q and are %q", want, got)
			}
		}
	})
}

// checkAdded compares the requests before and after role was added.
func checkAdded(t *testing.T, file *requestfile.File, out []byte, role setup.RoleRequest) {
	t.Helper()
	again, err := requestfile.Parse("f", out, files)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	before, after := file.Request(), again.Request()
	if len(after.Roles) < len(before.Roles) || len(after.Roles) > len(before.Roles)+1 {
		t.Fatalf("%d roles became %d\n%s", len(before.Roles), len(after.Roles), out)
	}
	changed := 0
	for _, have := range after.Roles {
		i := slices.IndexFunc(before.Roles, func(r setup.RoleRequest) bool { return before.RoleName(r) == after.RoleName(have) })
		if i >= 0 && reflect.DeepEqual(before.Roles[i].Policies, have.Policies) && reflect.DeepEqual(before.Roles[i].Presets, have.Presets) && reflect.DeepEqual(before.Roles[i].Keep, have.Keep) {
			continue
		}
		changed++
		if !slices.Contains(have.Policies, role.Policies[0]) || !slices.Contains(have.Presets, role.Presets[0]) || !slices.Contains(have.Keep, role.Keep[0]) {
			t.Fatalf("%+v lacks %+v\n%s", have, role, out)
		}
		if i >= 0 && (!slices.Equal(before.Roles[i].Policies, have.Policies[:len(before.Roles[i].Policies)]) || len(have.Apps) < len(before.Roles[i].Apps)) {
			t.Fatalf("%+v became %+v\n%s", before.Roles[i], have, out)
		}
	}
	if changed > 1 {
		t.Fatalf("%d roles changed\n%s", changed, out)
	}
	twice, err := again.Add(role)
	if err != nil || !bytes.Equal(twice, out) {
		t.Fatalf("once more it is %v\n%s\n%s", err, out, twice)
	}
}

// subsequence says whether a remains when something is taken out of b.
func subsequence(a, b []byte) bool {
	for _, c := range b {
		if len(a) > 0 && a[0] == c {
			a = a[1:]
		}
	}
	return len(a) == 0
}

// comments returns the comments of a text, in order.
func comments(text []byte) []string {
	var p unstable.Parser
	p.KeepComments = true
	p.Reset(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))
	var out []string
	var walk func(n *unstable.Node)
	walk = func(n *unstable.Node) {
		for ; n != nil; n = n.Next() {
			if n.Kind == unstable.Comment {
				out = append(out, string(n.Data))
			}
			walk(n.Child())
		}
	}
	for p.NextExpression() {
		walk(p.Expression())
	}
	slices.Sort(out)
	return out
}
