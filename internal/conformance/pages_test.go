package conformance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// A page runs the console blocks of a page of docs, one by one, in a sandbox with a stand-in
// for fly.
type page struct {
	*standIn
	name, dir string
	blocks    []pageBlock
}

type pageBlock struct {
	exempt   string // why it is not run; "" if it is
	commands []pageCommand
}

type pageCommand struct {
	line string
	want []string // lines that its output has, in this order
}

// A block with what stands in the line before it.
var fence = regexp.MustCompile("\n(?:<!-- (not run:|file:|run by) ([^\n]*) -->\n)?```([a-z]+)\n((?s:.*?\n))```\n")

// readPage reads a page, and writes the files that it shows into a new folder.
func readPage(t *testing.T, world *sandbox.World, name string) *page {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	p := &page{standIn: newStandIn(t, world), name: name, dir: t.TempDir()}
	p.write("fly.toml", "app = \"web\"\n\n[env]\n  LOG = \"info\"\n")
	for _, found := range fence.FindAllStringSubmatch(string(text), -1) {
		mark, value, language, body := found[1], found[2], found[3], found[4]
		if mark == "file:" {
			p.write(value, body)
		}
		if language != "console" {
			continue
		}
		var b pageBlock
		if mark == "not run:" {
			b.exempt = value
		}
		for _, line := range strings.Split(strings.ReplaceAll(strings.TrimSuffix(body, "\n"), "\\\n", ""), "\n") {
			switch command, ok := strings.CutPrefix(line, "$ "); {
			case ok:
				b.commands = append(b.commands, pageCommand{line: command})
			case len(b.commands) == 0:
				t.Fatalf("%s: a block begins with output: %s", name, line)
			default:
				last := &b.commands[len(b.commands)-1]
				last.want = append(last.want, line)
			}
		}
		p.blocks = append(p.blocks, b)
	}
	return p
}

func (p *page) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// next runs the next block that is not exempt. The commands exit with 0, or with codes.
func (p *page) next(codes ...int) {
	p.t.Helper()
	for len(p.blocks) > 0 && p.blocks[0].exempt != "" {
		p.blocks = p.blocks[1:]
	}
	if len(p.blocks) == 0 {
		p.t.Fatalf("%s has no more blocks", p.name)
	}
	b := p.blocks[0]
	p.blocks = p.blocks[1:]
	for i, c := range b.commands {
		want := 0
		if i < len(codes) {
			want = codes[i]
		}
		rest := p.run(want, c.line)
		for _, line := range c.want {
			_, after, found := strings.Cut(rest, line)
			if !found {
				p.t.Fatalf("%s: $ %s\ndoes not print %q, or not in this place:\n%s", p.name, c.line, line, rest)
			}
			rest = after
		}
	}
}

// end checks that every block ran.
func (p *page) end() {
	p.t.Helper()
	for _, b := range p.blocks {
		if b.exempt == "" {
			p.t.Errorf("%s: not run: %q", p.name, b.commands)
		}
	}
}

// run runs a command line that is not in the page, or is.
func (p *page) run(code int, line string) string {
	p.t.Helper()
	out, got := p.shell(p.dir, nil, line)
	if got != code {
		p.t.Fatalf("%s: $ %s\nexit code %d, want %d:\n%s", p.name, line, got, code, out)
	}
	return out
}

const (
	pageRole = "arn:aws:iam::123456789012:role/fly-acme-web"
	pageFile = `version = 1
name = "acme"
org = "acme"
account = "123456789012"

[apps.web]
config = "fly.toml"
policies = ["IAMReadOnlyAccess"]
`
)

// session has the machine of web exchange its token for pageRole, and returns a client with
// the credentials.
func (p *page) session() *iam.Client {
	p.t.Helper()
	ran := p.inMachine("web", []string{"fly-aws", "credentials", "--role-arn", pageRole})
	var c struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
	}
	if err := json.Unmarshal([]byte(ran.stdout), &c); err != nil {
		p.t.Fatalf("%v: %s", err, ran)
	}
	return iam.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &p.server.AWSEndpoint,
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken),
	})
}

// may says whether a session may read roles.
func (p *page) may(session *iam.Client) bool {
	p.t.Helper()
	_, err := session.ListRoles(p.t.Context(), &iam.ListRolesInput{})
	if err != nil && !strings.Contains(err.Error(), "AccessDenied") {
		p.t.Fatal(err)
	}
	return err == nil
}

// TestPagesIncident does what docs/incident.md says to a role that is in use.
func TestPagesIncident(t *testing.T) {
	t.Parallel()
	need(t, "sh", "aws")
	var offset atomic.Int64 // of the sandbox's clock: sessions from before and after
	world := sandbox.World{Now: func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }}
	offset.Store(int64(-2 * time.Minute))
	p := readPage(t, &world, "incident.md")
	p.deployed("acme", "web", nil)
	p.write("fly-aws.toml", pageFile)
	p.run(0, "fly-aws apply --yes && fly deploy")
	p.next() // audit

	offset.Store(int64(-time.Minute))
	before := p.session()
	if !p.may(before) {
		t.Fatal("a session may not do what its role may")
	}
	offset.Store(0)
	p.next(0, 0, 3) // close the trust
	if ran := p.inMachine("web", []string{"fly-aws", "token", "exchange", "--wait", "1s"}); ran.code != 3 {
		t.Errorf("the role is open: %s", ran)
	}
	if !p.may(before) {
		t.Error("closing the trust ends a session, says the sandbox: the page has a step for it")
	}
	p.next() // revoke
	if p.may(before) {
		t.Error("a session from before is not revoked")
	}

	p.next(1, 1)            // CI
	provider := p.blocks[0] // comes last here
	p.blocks = p.blocks[1:]
	offset.Store(int64(time.Minute))
	p.next() // open it again
	after := p.session()
	if !p.may(after) || p.may(before) {
		t.Errorf("open again, a new session may: %t, the old one: %t", p.may(after), p.may(before))
	}
	if out := p.run(3, "fly-aws plan --exit-code"); !strings.Contains(out, "AWSRevokeOlderSessions") {
		t.Error(out)
	}
	p.run(0, "fly-aws apply --prune --yes")
	if p.may(before) {
		t.Error("--prune lifts the revocation")
	}
	p.next()
	p.end()

	p.blocks = []pageBlock{provider}
	p.next(0, 3)
	p.run(0, "fly-aws apply --yes") // makes the provider again, as the page says
	p.session()
	p.run(0, "fly-aws destroy --file fly-aws.toml --yes")
	p.run(0, "fly-aws apply --yes") // and the role, open
	p.session()

	p.run(0, "aws iam update-assume-role-policy --role-name fly-acme-web --policy-document file://closed.json")
	for _, line := range []string{"fly-aws apply --adopt --prune --yes", "fly-aws setup --app web --policy IAMReadOnlyAccess --yes"} {
		if out := p.run(1, line); !strings.Contains(out, "Statement 1 (Incident) denies it.") {
			t.Error(out)
		}
	}
	if ran := p.inMachine("web", []string{"fly-aws", "token", "exchange", "--wait", "1s"}); ran.code != 3 {
		t.Errorf("--adopt opens the role: %s", ran)
	}
}

// TestPagesStaticKeys takes an app from keys to a role, as docs/static-keys.md says.
func TestPagesStaticKeys(t *testing.T) {
	t.Parallel()
	need(t, "sh", "aws")
	var world sandbox.World
	p := readPage(t, &world, "static-keys.md")
	p.deployed("acme", "web", map[string]string{"AWS_ACCESS_KEY_ID": sandbox.AccessKeyID, "AWS_SECRET_ACCESS_KEY": sandbox.SecretAccessKey})
	p.next()     // set up
	p.next(3, 0) // the keys come first; the role works
	if out, code := p.shell(p.dir, nil, "fly-aws audit --fail-on never"); code != 0 || !strings.Contains(out, "AWS_ACCESS_KEY_ID") {
		t.Errorf("the audit does not list the app:\n%s", out)
	}
	p.next()
	if out := p.run(0, "fly-aws audit --fail-on never"); strings.Contains(out, "AWS_ACCESS_KEY_ID") {
		t.Errorf("the audit still lists the app:\n%s", out)
	}
	p.end()
}

// TestPagesMoving moves an app as docs/moving.md says: at every step the machine can assume
// the role that it has been given, and at the end nobody of the old organization can.
func TestPagesMoving(t *testing.T) {
	t.Parallel()
	need(t, "sh", "aws", "jq")
	var world sandbox.World
	world.AddOrg("newco", "")
	p := readPage(t, &world, "moving.md")
	p.deployed("acme", "web", nil)
	p.run(0, "fly-aws setup --app web --policy AmazonS3ReadOnlyAccess --aws-region eu-central-1 --yes && fly deploy")
	works := func(when string) {
		t.Helper()
		if ran := p.inMachine("web", []string{"fly-aws", "token", "exchange", "--wait", "1s"}); ran.code != 0 {
			t.Errorf("%s AWS refuses: %s", when, ran)
		}
	}
	works("at first")
	p.run(1, "fly-aws setup --org newco --app web --no-patch --yes") // as the page says
	p.next()
	works("with a new role")
	p.next()
	works("when that trusts both")
	p.next()
	works("with the new ARN")
	p.next()
	works("after the move")
	if out := p.run(3, "fly-aws plan --exit-code --org newco --app web --policy AmazonS3ReadOnlyAccess"); !strings.Contains(out, "FlyAwsAcme") {
		t.Errorf("the old statement is no extra:\n%s", out)
	}
	p.next(0, 3)
	works("without the old organization")
	p.next()
	works("without the old role")
	left := p.run(0, "aws iam list-open-id-connect-providers --output text && aws iam list-roles --output text --query 'Roles[].RoleName'")
	if strings.Contains(left, "acme") || !strings.Contains(left, "fly-newco-web") {
		t.Errorf("AWS has:\n%s", left)
	}
	p.run(0, "fly-aws plan --exit-code --org newco --app web --policy AmazonS3ReadOnlyAccess")
	p.end()
}
