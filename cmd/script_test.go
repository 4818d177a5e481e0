package cmd_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fly-aws/fly-aws/cmd"
	"github.com/fly-aws/fly-aws/internal/sandbox"
)

var update = flag.Bool("update", false, "write what the scripts print into their golden files")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"fly-aws": func() {
			ctx, stop := signal.NotifyContext(context.Background(), cmd.EndSignals()...)
			sys := cmd.Host(cmd.Build{Version: "test"})
			if at, err := time.Parse(time.RFC3339, os.Getenv("NOW")); err == nil {
				sys.Now = func() time.Time { return at } // for documents that hold the time
			}
			printed := recordDocuments(&sys, os.Args[1:])
			if os.Getenv("PATIENT") != "" { // on a slow machine too, a shell waits for a completion
				sys.Sleep = func(ctx context.Context, _ time.Duration) { <-ctx.Done() }
			}
			code := cmd.Main(ctx, sys, os.Args[1:])
			stop()
			printed()
			os.Exit(code)
		},
		standInProgram: func() { os.Exit(askStandIn()) },
	})
}

// TestScripts runs the whole program, each script in a world of its own. What it prints with
// --json is as docs/schema says.
func TestScripts(t *testing.T) {
	t.Parallel()
	documents := t.TempDir()
	dir := "testdata/script"
	var few []string
	if testing.Short() { // for the race detector: where calls run in parallel, and what runs beside a command
		dir = ""
		for _, name := range []string{"setup", "destroy", "faults", "fly_down", "audit", "token_keep"} {
			few = append(few, filepath.Join("testdata", "script", name+".txtar"))
		}
	} else {
		t.Cleanup(func() { checkDocuments(t, documents) }) // when all scripts have ended
	}
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		Files:               few,
		UpdateScripts:       *update,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv(documentsEnv, documents)
			return setupWorld(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fault":   fault,
			"writes":  writes,
			"called":  called,
			"iam":     iamCommand,
			"machine": machine,
			"forge":   forge,
			"fly":     flyCommand,
			"exits":   exits,
			"user":    user,
		},
	})
}

// A scriptWorld is the sandbox of one script.
type scriptWorld struct {
	sandbox.World
	server *sandbox.Server

	faults sandbox.Faults // of AWS

	mu   sync.Mutex
	seen int // calls that writes and called have counted
	fly  sandbox.FlyFault
	// answers are given to calls of Fly's API in place of fly's.
	answers []plannedAnswer
}

// A plannedAnswer is the response to the next calls of Fly's API whose path ends in a
// given text.
type plannedAnswer struct {
	path  string
	fault sandbox.FlyFault
	left  int
}

type worldKey struct{}

func world(ts *testscript.TestScript) *scriptWorld {
	w, ok := ts.Value(worldKey{}).(*scriptWorld)
	if !ok {
		ts.Fatalf("the script has no world")
	}
	return w
}

func setupWorld(env *testscript.Env) error {
	w := &scriptWorld{}
	w.Fault, w.FlyFault = w.faults.AWS, w.nextFlyFault
	w.AddMachine("acme", "web", "cold-shape-2007")
	for _, app := range []string{"api", "worker"} {
		w.AddApp("acme", app)
	}
	server, err := w.Start()
	if err != nil {
		return err
	}
	w.server = server
	env.Defer(func() { _ = server.Close() })
	env.Values[worldKey{}] = w
	env.Vars = append(env.Vars, server.Env()...)
	env.Vars = append(env.Vars, "NO_COLOR=1", "LANG=C.UTF-8", "CI=",
		"GOVERSION="+runtime.Version(), "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	return nil
}

func (w *scriptWorld) nextFlyFault(c sandbox.FlyCall) sandbox.FlyFault {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.answers {
		if a := &w.answers[i]; a.left > 0 && strings.HasSuffix(c.Path, a.path) {
			a.left--
			return a.fault
		}
	}
	return w.fly
}

// fly OPERATION ARG…: adds to the simulated Fly, or sets what happens to every call
// from now on.
func flyCommand(ts *testscript.TestScript, _ bool, args []string) {
	w := world(ts)
	if len(args) < 2 {
		ts.Fatalf("usage: fly OPERATION ARG…")
	}
	switch args[0] {
	case "apps": // ORG APP…
		for _, app := range args[2:] {
			w.AddApp(args[1], app)
		}
	case "many": // ORG COUNT
		n, err := strconv.Atoi(args[2])
		ts.Check(err)
		for i := range n {
			w.AddApp(args[1], fmt.Sprintf("app-%03d", i))
		}
	case "org": // SLUG NAME
		w.AddOrg(args[1], args[2])
	case "machine": // ORG APP MACHINE
		w.AddMachine(args[1], args[2], args[3])
	case "odd": // ORG: apps with names that are unsafe on a terminal
		w.AddApp(args[1], "odd\x1b[31mred\x1b]0;title\x07")
	case "personal": // SLUG
		w.PersonalOrg = args[1]
	case "pages": // SIZE
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		w.PageLimit = n
	case "env": // APP NAME VALUE: in the configuration of its machines
		w.SetEnv(args[1], args[2], args[3])
	case "secrets": // APP NAME…
		w.SetSecrets(args[1], args[2:]...)
	case "stop": // ORG APP MACHINE
		w.SetState(args[1], args[2], args[3], "stopped")
	case "answer": // COUNT PATH STATUS FILE: to the next calls, by the end of their path
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		status, err := strconv.Atoi(args[3])
		ts.Check(err)
		w.answerFly(n, args[2], status, ts.ReadFile(args[4]))
	case "minted": // ORG APP MACHINE AUDIENCE: the next token that a machine fetches is this one's
		w.AddMachine(args[1], args[2], args[3])
		token, err := w.Mint(sandbox.TokenRequest{Org: args[1], App: args[2], Machine: args[3], Audience: args[4]})
		ts.Check(err)
		w.answerFly(1, "/exec", 200, `{"stdout":"`+token+`"}`)
	case "token": // KIND [OF]
		token := map[string]func() string{
			"none":    func() string { return "" },
			"person":  func() string { return sandbox.FlyToken },
			"wrong":   func() string { return "fo1_revoked_long_ago" },
			"org":     func() string { return sandbox.FlyOrgToken(args[2]) },
			"app":     func() string { return sandbox.FlyAppToken(args[2]) },
			"garbage": func() string { return "fo1_with a blank" },
		}[args[1]]
		if token == nil {
			ts.Fatalf("there is no token %q", args[1])
		}
		ts.Setenv("FLY_API_TOKEN", token())
	case "fault": // KIND
		message := args[len(args)-1] // with escapes as in Go
		if plain, err := strconv.Unquote(`"` + message + `"`); err == nil {
			message = plain
		}
		faults := map[string]sandbox.FlyFault{
			"none": {}, "down": sandbox.FlyDown(), "page": sandbox.FlyWebPage(),
			"slow":    {Fault: sandbox.Latency(time.Hour)},
			"graphql": sandbox.FlyGraphQLError(message),
		}
		f, ok := faults[args[1]]
		if !ok {
			ts.Fatalf("there is no fault %q", args[1])
		}
		w.mu.Lock()
		w.fly = f
		w.mu.Unlock()
	default:
		ts.Fatalf("there is no fly %s", args[0])
	}
}

func (w *scriptWorld) answerFly(count int, path string, status int, body string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers = append(w.answers, plannedAnswer{
		path: path, left: count,
		fault: sandbox.FlyFault{Answer: &sandbox.FlyAnswer{Status: status, ContentType: "application/json", Body: body}},
	})
}

// fault KIND ACTION [COUNT]: what happens to the next calls of the action, or the next one.
func fault(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 2 {
		args = append(args, "1")
	}
	ts.Check(world(ts).faults.Add(strings.Join(args, ":")))
}

// newCalls returns the calls since it was last asked.
func (w *scriptWorld) newCalls() []sandbox.Call {
	calls := w.Calls()
	w.mu.Lock()
	defer w.mu.Unlock()
	fresh := calls[w.seen:]
	w.seen = len(calls)
	return fresh
}

// writes N: exactly N calls since the last count changed the account.
func writes(ts *testscript.TestScript, _ bool, args []string) {
	var got []string
	for _, c := range world(ts).newCalls() {
		if c.Write {
			got = append(got, c.Action)
		}
	}
	if len(args) != 1 || strconv.Itoa(len(got)) != args[0] {
		ts.Fatalf("%d write calls, not %v: %v", len(got), args, got)
	}
}

// called ACTION…: exactly these calls since the last count, in any order.
func called(ts *testscript.TestScript, _ bool, args []string) {
	var got []string
	for _, c := range world(ts).newCalls() {
		got = append(got, c.Action)
	}
	slices.Sort(got)
	slices.Sort(args)
	if !slices.Equal(got, args) {
		ts.Fatalf("calls were %v", got)
	}
}

// exits CODE PROGRAM ARG…: exec, with exactly that exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG…")
	}
	code := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, not %s", code, args[0])
	}
}

// user NAME FILE: from now on the program runs as a user with the policy in the file.
func user(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: user NAME FILE")
	}
	id, secret, err := world(ts).AddUser(args[0], ts.ReadFile(args[1]))
	ts.Check(err)
	ts.Setenv("AWS_ACCESS_KEY_ID", id)
	ts.Setenv("AWS_SECRET_ACCESS_KEY", secret)
}

// machine ORG APP NAME: the machine that the token socket belongs to.
func machine(ts *testscript.TestScript, _ bool, args []string) {
	w := world(ts)
	w.AddMachine(args[0], args[1], args[2])
	ts.Check(w.server.SetMachine(args[0], args[1], args[2]))
}

// forge FILE: writes a token of the machine acme:web:cold-shape-2007 that is signed with
// a key that its issuer does not publish.
func forge(ts *testscript.TestScript, _ bool, args []string) {
	w := world(ts)
	w.AddMachine("acme", "web", "cold-shape-2007")
	token, err := w.Mint(sandbox.TokenRequest{Org: "acme", App: "web", Machine: "cold-shape-2007", Audience: "sts.amazonaws.com", Unpublished: true})
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(ts.Getenv("WORK"), args[0]), []byte(token), 0o600))
}

// iam OPERATION ARG…: someone else changes or reads the account. The last argument of a
// read is the file to write to.
func iamCommand(ts *testscript.TestScript, neg bool, args []string) {
	ctx := context.Background()
	client := iam.New(iam.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(world(ts).server.AWSEndpoint),
		Credentials:  credentials.NewStaticCredentialsProvider(sandbox.AccessKeyID, sandbox.SecretAccessKey, ""),
	})
	arg := func(i int) *string {
		if i >= len(args) {
			ts.Fatalf("iam %v lacks argument %d", args, i)
		}
		return aws.String(args[i])
	}
	file := func(i int) *string { return aws.String(ts.ReadFile(*arg(i))) }
	var err error
	switch *arg(0) {
	case "create-role":
		_, err = client.CreateRole(ctx, &iam.CreateRoleInput{RoleName: arg(1), AssumeRolePolicyDocument: file(2)})
	case "create-provider":
		_, err = client.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: arg(1), ClientIDList: []string{*arg(2)}})
	case "set-trust":
		_, err = client.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: arg(1), PolicyDocument: file(2)})
	case "tag":
		_, err = client.TagRole(ctx, &iam.TagRoleInput{RoleName: arg(1), Tags: []types.Tag{{Key: arg(2), Value: arg(3)}}})
	case "attach":
		_, err = client.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: arg(1), PolicyArn: arg(2)})
	case "detach":
		_, err = client.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: arg(1), PolicyArn: arg(2)})
	case "delete-inline":
		_, err = client.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: arg(1), PolicyName: arg(2)})
	case "delete-provider":
		_, err = client.DeleteOpenIDConnectProvider(ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: arg(1)})
	case "remove-audience":
		_, err = client.RemoveClientIDFromOpenIDConnectProvider(ctx, &iam.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: arg(1), ClientID: arg(2)})
	case "delete-role":
		_, err = client.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: arg(1)})
	case "show-role":
		var out *iam.GetRoleOutput
		if out, err = client.GetRole(ctx, &iam.GetRoleInput{RoleName: arg(1)}); err == nil {
			err = os.WriteFile(filepath.Join(ts.Getenv("WORK"), *arg(2)), []byte(describe(out.Role)), 0o600)
		}
	case "show-provider":
		var out *iam.GetOpenIDConnectProviderOutput
		if out, err = client.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arg(1)}); err == nil {
			text := fmt.Sprintf("url %s\naudiences %v\n%s", *out.Url, out.ClientIDList, tagLines(out.Tags))
			err = os.WriteFile(filepath.Join(ts.Getenv("WORK"), *arg(2)), []byte(text), 0o600)
		}
	default:
		ts.Fatalf("there is no iam %s", args[0])
	}
	if (err != nil) != neg {
		ts.Fatalf("iam %v: %v", args, err)
	}
}

func describe(r *types.Role) string {
	var b strings.Builder
	fmt.Fprintf(&b, "arn %s\ndescription %s\nmax-session %d\n", *r.Arn, aws.ToString(r.Description), aws.ToInt32(r.MaxSessionDuration))
	if r.PermissionsBoundary != nil {
		fmt.Fprintf(&b, "boundary %s\n", *r.PermissionsBoundary.PermissionsBoundaryArn)
	}
	b.WriteString(tagLines(r.Tags))
	trust, err := url.QueryUnescape(*r.AssumeRolePolicyDocument)
	if err != nil {
		trust = err.Error()
	}
	fmt.Fprintf(&b, "trust %s\n", trust)
	return b.String()
}

func tagLines(tags []types.Tag) string {
	var lines []string
	for _, t := range tags {
		lines = append(lines, fmt.Sprintf("tag %s=%s\n", *t.Key, *t.Value))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
