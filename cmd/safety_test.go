package cmd_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// TestNoWriteBeforeFilesAreChecked: a fly.toml that cannot be edited is found before the
// first write to IAM.
func TestNoWriteBeforeFilesAreChecked(t *testing.T) {
	t.Parallel()
	for name, protect := range map[string]func(t *testing.T, dir, file string){
		"hard link": func(t *testing.T, dir, file string) {
			t.Helper()
			if err := os.Link(file, filepath.Join(dir, "other.toml")); err != nil {
				t.Fatal(err)
			}
		},
		"immutable": func(t *testing.T, _, file string) {
			t.Helper()
			if err := exec.CommandContext(t.Context(), "chattr", "+i", file).Run(); err != nil {
				t.Skip("no immutable files here: ", err)
			}
			t.Cleanup(func() { _ = exec.Command("chattr", "-i", file).Run() })
		},
		"read-only": func(t *testing.T, _, file string) {
			t.Helper()
			if os.Geteuid() == 0 {
				t.Skip("root may write it")
			}
			if err := os.Chmod(file, 0o400); err != nil {
				t.Fatal(err)
			}
		},
		"folder not writable": func(t *testing.T, dir, _ string) {
			t.Helper()
			if os.Geteuid() == 0 {
				t.Skip("root may write to it")
			}
			if err := os.Chmod(dir, 0o500); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.Chmod(dir, 0o700) }) // so that it can be removed
		},
		"table in [env]": func(t *testing.T, _, file string) {
			t.Helper()
			if err := os.WriteFile(file, []byte("app = 'web'\n[env.AWS_ROLE_ARN]\nx = 1\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProgram(t, nil)
			protect(t, p.dir, filepath.Join(p.dir, "fly.toml"))
			out, exit := p.run(t, setupArgs...)
			if exit != 1 || !strings.Contains(out, `Error: "fly.toml"`) {
				t.Errorf("exit code %d:\n%s", exit, out)
			}
			if done := succeeded(p.world); len(done) > 0 {
				t.Errorf("written: %v", done)
			}
		})
	}
}

// A savedPlan is a plan file to edit, with its changes by kind of resource.
type savedPlan struct {
	all                      map[string]any
	provider, role, attached map[string]any
}

func readPlan(t *testing.T, data []byte) savedPlan {
	t.Helper()
	var p savedPlan
	if err := json.Unmarshal(data, &p.all); err != nil {
		t.Fatal(err)
	}
	for _, c := range p.all["changes"].([]any) {
		after := c.(map[string]any)["after"].(map[string]any)
		for kind, to := range map[string]*map[string]any{"provider": &p.provider, "role": &p.role, "policy": &p.attached} {
			if r, ok := after[kind].(map[string]any); ok {
				*to = r
			}
		}
	}
	return p
}

// TestEditedPlanFile: a plan file whose changes are not those of its request is refused.
func TestEditedPlanFile(t *testing.T) {
	t.Parallel()
	const own = "arn:aws:iam::123456789012:policy/AmazonS3ReadOnlyAccess"
	for name, edit := range map[string]func(savedPlan){
		"boundary":          func(p savedPlan) { p.role["permissions_boundary"] = "arn:aws:iam::aws:policy/PowerUserAccess" },
		"boundary's owner":  func(p savedPlan) { p.role["permissions_boundary"] = own },
		"tag":               func(p savedPlan) { p.role["tags"].(map[string]any)["team"] = "evil" },
		"sessions":          func(p savedPlan) { p.role["max_session_seconds"] = 43200 },
		"policy":            func(p savedPlan) { p.attached["arn"] = "arn:aws:iam::aws:policy/AdministratorAccess" },
		"policy's owner":    func(p savedPlan) { p.attached["arn"] = own },
		"audience":          func(p savedPlan) { p.all["audience"] = "evil" },
		"a second audience": func(p savedPlan) { p.provider["audiences"] = []any{"sts.amazonaws.com", "evil"} },
		"description":       func(p savedPlan) { p.role["description"] = "evil" },
		"our tag":           func(p savedPlan) { p.role["tags"].(map[string]any)["fly-aws:app"] = "evil" },
		"sessions for ever": func(p savedPlan) { p.role["max_session_seconds"] = 1 << 30 },
		"invisible tag":     func(p savedPlan) { p.role["tags"].(map[string]any)["te\u00adam"] = "evil" },
		"another account's": func(p savedPlan) { p.attached["arn"] = "arn:aws:iam::999999999999:policy/AdministratorAccess" },
		"another grant": func(p savedPlan) {
			grants := p.all["grants"].([]any)
			more := maps.Clone(grants[0].(map[string]any))
			more["app"] = "evil"
			p.all["grants"] = append(grants, more)
		},
		"a name in another case": func(p savedPlan) { p.role["Permissions_Boundary"] = own },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProgram(t, func(c sandbox.Call) sandbox.Fault {
				if c.Write {
					return sandbox.Deny()
				}
				return sandbox.Fault{}
			})
			file := filepath.Join(p.dir, "plan.json")
			if out, exit := p.run(t, "plan", "-o", "acme", "-a", "web", "--policy", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess", "--out", file); exit != 0 {
				t.Fatalf("plan exits %d:\n%s", exit, out)
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			edited := readPlan(t, data)
			edit(edited)
			if data, err = json.Marshal(edited.all); err == nil {
				err = os.WriteFile(file, data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			out, exit := p.run(t, "apply", file)
			tried := slices.ContainsFunc(p.world.Calls(), func(c sandbox.Call) bool { return c.Write })
			if exit != 1 || tried {
				t.Errorf("it is not refused, exit code %d:\n%s", exit, out)
			}
		})
	}
}

// TestPrintedCommandsAreQuoted: commands in hints are safe to paste into a shell,
// whatever names they contain.
func TestPrintedCommandsAreQuoted(t *testing.T) {
	t.Parallel()
	p := newProgram(t, nil)
	p.world.AddApp("acme", "api")
	config := "[profile a b$(x)]\nsso_session = x\nsso_account_id = 123456789012\nsso_role_name = r\n" +
		"[sso-session x]\nsso_start_url = https://x.awsapps.com/start\nsso_region = us-east-1\n"
	if err := os.WriteFile(filepath.Join(p.dir, "aws"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	const odd = "/a;b's/"
	create := func(args ...string) {
		if out, exit := p.run(t, append([]string{"setup", "-o", "acme", "-a", "web", "--no-patch", "--yes"}, args...)...); exit != 0 {
			t.Fatalf("setup exits %d:\n%s", exit, out)
		}
	}
	create("--role", "odd", "--path", odd)
	create("-a", "api", "--role", "shared", "--audience", "a;b")
	signedOut := *p
	signedOut.env = append(slices.Clone(p.env), "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=", "AWS_CONFIG_FILE=aws", "HOME="+p.dir)
	for _, test := range []struct {
		p    *program
		args []string
		want string
	}{
		{&signedOut, []string{"-a", "web", "--profile", "a b$(x)"}, "sign in again: aws sso login --profile 'a b$(x)'\n"},
		{p, []string{"-a", "web", "--role", "odd"}, `pass --path '/a;b'\''s/', or`},
		{p, []string{"-a", "api", "--role", "shared"}, "pass --audience 'a;b', or"},
		{p, []string{"-a", "web", "--out", "a b.json"}, "fly-aws apply 'a b.json'\n"},
	} {
		out, _ := test.p.run(t, append([]string{"plan", "-o", "acme", "--no-patch"}, test.args...)...)
		if !strings.Contains(out, test.want) {
			t.Errorf("%q is not in:\n%s", test.want, out)
		}
	}
}

// TestSeveralFailures: each failure of a stage is one line and, in JSON, one cause with
// its hints.
func TestSeveralFailures(t *testing.T) {
	t.Parallel()
	p := newProgram(t, func(c sandbox.Call) sandbox.Fault {
		if c.Action == "CreateRole" {
			return sandbox.Deny()
		}
		return sandbox.Fault{}
	})
	p.world.AddApp("acme", "api")
	args := []string{"setup", "-o", "acme", "-a", "web,api", "--no-patch", "--yes"}
	out, exit := p.run(t, args...)
	for _, role := range []string{"fly-acme-web", "fly-acme-api"} {
		if !strings.Contains(out, "\nError: AWS does not allow iam:CreateRole on arn:aws:iam::123456789012:role/"+role+" ") {
			t.Errorf("%s is not in:\n%s", role, out)
		}
	}
	if exit != 4 || strings.Count(out, "\n→ allow the caller iam:CreateRole") != 1 || strings.Contains(out, `\x0a`) {
		t.Errorf("exit code %d:\n%s", exit, out)
	}
	c, _ := p.command(append(args, "--json")...)
	c.Stdout, c.Stderr = nil, nil
	data, _ := c.Output()
	var doc struct {
		Error struct {
			Causes []struct {
				Code  string   `json:"code"`
				Hints []string `json:"hints"`
			} `json:"causes"`
		} `json:"error"`
	}
	if err := json.Unmarshal(data, &doc); err != nil || len(doc.Error.Causes) != 2 {
		t.Fatalf("%v\n%s", err, data)
	}
	for _, cause := range doc.Error.Causes {
		if cause.Code != "access-denied" || len(cause.Hints) != 2 {
			t.Errorf("cause %+v", cause)
		}
	}
}

// TestDoctorSaysWhatItWaitsFor covers each check that may take long.
func TestDoctorSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	for action, what := range map[string]string{"AssumeRoleWithWebIdentity": "AWS STS", "GetCallerIdentity": "AWS"} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			stderr := &watcher{text: "Still waiting for " + what + "…\n", seen: make(chan struct{})}
			p := newProgram(t, func(c sandbox.Call) sandbox.Fault {
				if c.Action != action {
					return sandbox.Fault{}
				}
				return sandbox.Fault{Before: func() { <-stderr.seen }}
			})
			p.world.AddMachine("acme", "web", "cold-shape-2007")
			p.env = append(p.env, "FLY_APP_NAME=web", "AWS_ROLE_ARN=arn:aws:iam::123456789012:role/web")
			c, _ := p.command("doctor")
			c.Stderr = stderr
			if _ = c.Run(); c.ProcessState.ExitCode() != 3 {
				t.Errorf("exit code %d:\n%s", c.ProcessState.ExitCode(), &stderr.all)
			}
		})
	}
}
