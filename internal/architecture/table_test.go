package architecture

// module is the path of the module; packages of the table are named below it.
const module = "github.com/fly-aws/fly-aws"

// A floor says how high in the house a package stands. Arrows go down only.
type floor int

const (
	ground floor = iota // values: no I/O, no clock
	hall                // the engine and the reasoning: no I/O either
	room                // one job each, unknown to one another
	roof                // the commands
	street              // main: the program's surroundings
	beside              // tests only: part of no program
)

// A rule is a row of the table.
type rule struct {
	floor floor
	// duty is the package's one responsibility, printed with every violation.
	duty string
	// imports are the packages of ours that its code may import; testImports
	// those that its tests may import as well.
	imports, testImports []string
	// never are imports its code must not have. A pattern is an import path, or
	// one and everything below it when it ends in "/...".
	never []ban
	// pure forbids reading the clock: what it says depends on its arguments alone.
	pure bool
}

// A ban is an import, or a call, and why it must not be.
type ban struct {
	pattern string
	reason  string
}

const (
	noOS  = "it works on values that are given to it; files, streams and the environment belong to workdir and main"
	noNet = "it talks to nobody; the network belongs to awsapi, flyapi and flyoidc"
)

// harmless are packages below a banned one that only parse and compare values.
var harmless = []string{"net/netip", "net/url"}

func osAndNet() []ban {
	return []ban{{"os/...", noOS}, {"net/...", noNet}, {"syscall", noOS}}
}

func net() []ban { return []ban{{"net/...", noNet}} }

// table has a row for every package there may be, those not written yet too.
var table = map[string]rule{
	"trustpolicy": {
		floor: ground, pure: true,
		duty:  "a trust policy as a value: build, parse, merge, compare by meaning, evaluate",
		never: osAndNet(),
	},
	"flytoml": {
		floor: ground, pure: true,
		duty:  "read and edit a fly.toml by byte range",
		never: osAndNet(),
	},
	"setup": {
		floor: hall, pure: true,
		duty:    "request and facts to spec, plan and report; it declares the interfaces it needs",
		imports: []string{"trustpolicy"},
		never:   osAndNet(),
	},
	// Presets are values as trust policies are: the wizard asks for them, and flags
	// name them, so both floors above need them.
	"internal/preset": {
		floor: ground, pure: true,
		duty:  "permissions policies made of one answer, with no wildcard in it",
		never: osAndNet(),
		// Its policies are held to the check that every inline policy passes.
		testImports: []string{"trustpolicy"},
	},
	// Explain is a second engine beside setup: neither needs the other, and both
	// stand on trustpolicy.
	"internal/explain": {
		floor: hall, pure: true,
		duty:    "what STS answers to a token, why, and the least that has to change",
		imports: []string{"trustpolicy"},
		never:   osAndNet(),
	},
	"internal/awsapi": {
		floor: room, duty: "the target that is an AWS account",
		imports:     []string{"setup", "trustpolicy"},
		testImports: []string{"internal/sandbox"},
	},
	"internal/flyapi": {
		floor: room, duty: "Fly's API: organisations, apps, machines, names of secrets",
		imports:     []string{"setup"},
		testImports: []string{"internal/sandbox"},
	},
	"internal/flyoidc": {
		floor: room, duty: "a machine's token: mint, decode, verify",
		testImports: []string{"internal/sandbox"},
	},
	"internal/workdir": {
		floor: room, duty: "the target that is a folder: find fly.toml, write it whole or not at all",
		imports: []string{"setup", "flytoml"},
		never:   net(),
	},
	"internal/render": {
		floor: room, pure: true,
		duty: "plans, events, reports, explanations and errors as text or JSON; it decides nothing",
		// It shows what the engines decided: setup's plans, explain's reasons.
		imports: []string{"setup", "trustpolicy", "internal/explain"},
		never:   osAndNet(),
	},
	"internal/export": {
		floor: room, pure: true,
		duty:    "a spec as Terraform, CloudFormation or an AWS CLI script",
		imports: []string{"setup", "trustpolicy"},
		never:   osAndNet(),
	},
	"internal/wizard": {
		floor: room, pure: true,
		duty: "ask for what a request lacks",
		// Names are checked by trustpolicy's rules while they are typed, and presets
		// made into policies once all is answered.
		imports: []string{"setup", "trustpolicy", "internal/preset"},
		// The streams are handed in. What the world holds comes through its Sources.
		never:       osAndNet(),
		testImports: []string{"internal/terminal"},
	},
	"internal/sandbox": {
		floor: room, duty: "IAM, STS and Fly on the wire, in process",
		// Never setup: a fake that shares the engine's code shares its mistakes.
		imports: []string{"trustpolicy"},
	},
	"cmd": {
		floor: roof, duty: "the command tree; the one table from errors to words, hints and exit codes",
		imports: []string{
			"trustpolicy", "setup", "internal/explain", "internal/awsapi", "internal/flyapi", "internal/flyoidc", "internal/workdir",
			"internal/render", "internal/export", "internal/preset", "internal/wizard", "internal/sandbox",
		},
		testImports: []string{"internal/terminal"},
	},
	"cmd/fly-aws": {
		floor: street, duty: "hand the program its surroundings and end the process",
		imports: []string{"cmd"},
	},
	"internal/architecture": {floor: beside, duty: "hold this table"},
	"internal/conformance":  {floor: beside, duty: "drive the built program against servers and clients of others"},
	// Only tests import it, so that no arrow to it is in any row's imports.
	"internal/terminal": {floor: beside, duty: "sit a program at a terminal, and make pictures of what it shows"},
}

// An owner is a library, or a call, that only some packages may use.
type owner struct {
	pattern string
	// code and tests are the packages whose code, and whose tests, may use it.
	// Tests of the packages in code may use it as well; anywhere stands for all.
	code, tests []string
	reason      string
}

const anywhere = "*"

// libraries have one owner each, so that each can be replaced in one place.
// The first pattern that matches counts.
var libraries = []owner{
	{
		pattern: "github.com/aws/...", code: []string{"internal/awsapi"}, tests: []string{"internal/sandbox", "cmd"},
		reason: "awsapi turns the SDK's types and errors into ours, and everyone else is spared them (tests of sandbox and cmd are clients of their own)",
	},
	{
		pattern: "github.com/pelletier/go-toml/v2/unstable/...", code: []string{"flytoml"},
		reason: "the parser's positions have no promise of stability; one package is to break when it changes",
	},
	{
		pattern: "github.com/pelletier/go-toml/v2/...", code: []string{"flytoml"}, tests: []string{"internal/workdir", "cmd"},
		reason: "flytoml is the only reader of TOML (tests elsewhere may judge its work by an independent decoder)",
	},
	{
		pattern: "github.com/spf13/...", code: []string{"cmd"},
		reason: "only the roof knows that there is a command line",
	},
	{
		pattern: "github.com/google/renameio/...", code: []string{"internal/workdir"},
		reason: "workdir replaces files, with all that this takes",
	},
	{
		pattern: "github.com/natefinch/atomic", code: []string{"internal/workdir", "cmd"},
		reason: "workdir replaces files, with all that this takes (and cmd keeps a plan)",
	},
	{
		pattern: "github.com/coreos/go-oidc/...", code: []string{"internal/flyoidc", "internal/sandbox"},
		reason: "one package reads Fly's tokens; the sandbox verifies them as AWS does, with a reader of its own",
	},
	{
		pattern: "github.com/go-jose/...", code: []string{"internal/flyoidc", "internal/sandbox"}, tests: []string{anywhere},
		reason: "one package reads Fly's tokens; the sandbox verifies them as AWS does, with a reader of its own",
	},
	{
		pattern: "github.com/go-json-experiment/...", tests: []string{"trustpolicy", "internal/flyoidc"},
		reason: "it is an experiment; the readers of policies and tokens are held to its strictness, without it",
	},
	{
		pattern: "go.yaml.in/yaml/...", tests: []string{"internal/flyapi"},
		reason: "only flyctl's own configuration is YAML, of which flyapi reads one key by itself; the library is what its tests judge that by",
	},
	{
		pattern: "github.com/cenkalti/backoff/...", code: []string{"internal/flyapi"},
		reason: "the AWS SDK has retries of its own",
	},
	{
		pattern: "github.com/vektah/gqlparser/...", tests: []string{"internal/sandbox"},
		reason: "a client sends fixed queries; only a server has to read any, and the sandbox does so by itself; the library is what its tests judge that by",
	},
	{
		pattern: "github.com/charmbracelet/...", code: []string{"internal/wizard", "internal/terminal"}, tests: []string{"internal/render"},
		reason: "only the wizard draws forms, and only tests read screens",
	},
	{
		pattern: "charm.land/...", code: []string{"internal/wizard"},
		reason: "only the wizard draws forms",
	},
	{
		pattern: "github.com/creack/pty", code: []string{"internal/terminal"},
		reason: "a terminal is for tests to sit at, and internal/terminal is theirs",
	},
	{
		pattern: "github.com/rogpeppe/go-internal/...", tests: []string{anywhere},
		reason: "testscript is for tests",
	},
	{
		pattern: "testing/...", tests: []string{anywhere},
		reason: "the program carries no test code",
	},
	{
		pattern: "net/http/httptest", tests: []string{anywhere},
		reason: "the program carries no test code",
	},
}

const environment = "cmd.Host collects the environment, everybody else is handed what they need of it"

// calls have one place each, named by how they begin. A test may make any of them but time.Sleep.
var calls = []owner{
	{
		pattern: "os.Exit", code: []string{"cmd/fly-aws"}, tests: []string{anywhere},
		reason: "the program is one function that returns its exit code; ending the process below main skips what was deferred",
	},
	{
		pattern: "log.Fatal", tests: []string{anywhere},
		reason: "it ends the process; return an error",
	},
	{
		pattern: "time.Sleep",
		reason:  "it waits past a cancelled context, and in a test it is either too long or too short",
	},
	{
		pattern: "fmt.Print", tests: []string{anywhere},
		reason: "streams come in from main; nothing writes to the process's standard output on its own",
	},
	{
		pattern: "os.Std", code: []string{"cmd"}, tests: []string{anywhere},
		reason: "cmd.Host collects the streams, everybody else is handed them",
	},
	{
		pattern: "os.Getenv", code: []string{"cmd"}, tests: []string{anywhere},
		reason: environment,
	},
	{
		pattern: "os.LookupEnv", code: []string{"cmd"}, tests: []string{anywhere},
		reason: environment,
	},
	{
		pattern: "os.Environ", code: []string{"cmd"}, tests: []string{anywhere},
		reason: environment,
	},
}

// clock are the calls forbidden in a pure package's code.
var clock = []ban{
	{"time.Now", "it is pure: the time comes in as an argument"},
	{"time.Since", "it is pure: the time comes in as an argument"},
	{"time.Until", "it is pure: the time comes in as an argument"},
}

// vagueNames are package names that say nothing of what is inside.
var vagueNames = []string{"util", "utils", "helper", "helpers", "common", "types", "models", "errors", "misc", "shared"}
