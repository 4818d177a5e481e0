package doctor

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/setup"
)

// A Machine is a Fly Machine as a process in it sees it.
type Machine struct {
	// Environ is the environment, as NAME=value.
	Environ []string
	// UserID is the effective user ID of the process, -1 where there is none.
	UserID int
	// ProcessID is that of the process, which is not the app's.
	ProcessID int
	Files     Files
	Clock     Clock
	Tokens    Tokens
	AWS       AWS
	// ConfigRole is the AWS_ROLE_ARN of the app's fly.toml, where the image has one; "" if
	// it does not.
	ConfigRole string
}

// Files are a machine's files. Errors match those of io/fs.
type Files interface {
	// Read returns the text of a file of at most 64 KiB, the beginning of a longer one.
	Read(ctx context.Context, path string) (string, error)
	// Stat follows links.
	Stat(path string) (Stat, error)
	// List returns the names in a folder.
	List(path string) ([]string, error)
}

// A Stat is what a file system says about a file. UID and GID are -1 where there are no
// such numbers.
type Stat struct {
	UID, GID int
	Mode     fs.FileMode
}

// A Clock is a machine's clock.
type Clock interface {
	Now() time.Time
	// Sleep waits, at most until ctx ends.
	Sleep(ctx context.Context, d time.Duration)
}

// Tokens is a machine's token endpoint.
type Tokens interface {
	// Mint returns a token for AWS, or a *flyoidc.MintError.
	Mint(ctx context.Context) (string, error)
}

// AWS is what is asked of AWS. Errors are a *Refusal when AWS refuses, match
// context.DeadlineExceeded when it does not answer, or say what went wrong otherwise.
type AWS interface {
	// Exchange gives a token to STS and returns how long the credentials last. They are
	// not kept.
	Exchange(ctx context.Context, roleARN, token string) (time.Duration, error)
	// Caller returns the ARN of the identity that the default credential chain finds.
	Caller(ctx context.Context) (string, error)
}

// Variables that decide about AWS access in a machine.
const (
	envApp           = "FLY_APP_NAME"
	envMachine       = "FLY_MACHINE_ID"
	envTokenFile     = "AWS_WEB_IDENTITY_TOKEN_FILE" //nolint:gosec // a variable's name
	envSessionName   = "AWS_ROLE_SESSION_NAME"
	envKeyID         = "AWS_ACCESS_KEY_ID"
	envSecretKey     = "AWS_SECRET_ACCESS_KEY" //nolint:gosec // a variable's name
	envSessionToken  = "AWS_SESSION_TOKEN"     //nolint:gosec // a variable's name
	envProfile       = "AWS_PROFILE"
	envDefaultRegion = "AWS_DEFAULT_REGION"
	envEndpoint      = "AWS_ENDPOINT_URL"
)

// An examination keeps what later checks need of earlier ones.
type examination struct {
	Machine
	env    map[string]string
	checks []Check
	role   string // AWS_ROLE_ARN if it is well-formed

	fresh   string         // a token from the socket, "" if there is none
	mintErr error          // why there is none
	token   *flyoidc.Token // the fresh token, or else the one in the file
	text    string         // its text
	file    tokenFile
	skew    time.Duration // how far the clock is off, if that is wrong
	users   []User        // of /etc/passwd
	appUser User
	noUser  Code // why appUser is unknown, "" if it is known
}

// Examine looks at everything that AWS access depends on. user is the name or ID of the
// app's user; "" is the owner of the process that Fly's init started. It stops when ctx
// ends, and then concludes nothing but what failed until then.
func (m Machine) Examine(ctx context.Context, user string) Report {
	x := &examination{Machine: m, env: map[string]string{}}
	for _, assignment := range m.Environ {
		name, value, _ := strings.Cut(assignment, "=")
		x.env[name] = value
	}
	x.read(ctx, user)
	for _, look := range []func(context.Context){
		x.machine, x.roleARN, x.precedence, x.clock, x.tokenFile, x.fileForUser, x.sessionName, x.region, x.endpoints,
		x.socket, x.subject, x.exchange, x.caller,
	} {
		if ctx.Err() == nil {
			look(ctx)
		}
	}
	return Report{Checks: x.checks, Conclusion: Conclude(x.checks, CodeCaller)}
}

// read reads what several checks need.
func (x *examination) read(ctx context.Context, user string) {
	x.fresh, x.mintErr = x.Tokens.Mint(ctx)
	x.file = x.readFile(ctx)
	x.users = x.readUsers(ctx)
	x.appUser, x.noUser = x.findUser(ctx, user)
	for _, text := range []string{x.fresh, x.file.text} {
		if token, err := flyoidc.Decode(text); err == nil {
			x.token, x.text = token, text
			return
		}
	}
}

func (x *examination) add(name string, c Check) {
	c.Name = name
	x.checks = append(x.checks, c)
}

// pollPause is the pause between looks at a file while a machine boots.
const pollPause = 500 * time.Millisecond

// TokenFile returns the path that Wait waits for: where the environment says that the
// token is, or else Fly's path; "" if no role is set.
func (m Machine) TokenFile() string {
	var role, file string
	for _, assignment := range m.Environ {
		switch name, value, _ := strings.Cut(assignment, "="); name {
		case setup.EnvRoleARN:
			role = value
		case envTokenFile:
			file = value
		}
	}
	if role == "" {
		return file
	}
	return cmp.Or(file, flyoidc.DefaultTokenFile)
}

// Wait waits until there is a token file, at most for limit: Fly's init writes it some
// seconds after a machine's first process has started. It reports whether there is one.
func (m Machine) Wait(ctx context.Context, limit time.Duration) bool {
	path := m.TokenFile()
	if path == "" {
		return false
	}
	for deadline := m.Clock.Now().Add(limit); ; m.Clock.Sleep(ctx, pollPause) {
		text, err := m.Files.Read(ctx, path)
		switch {
		case err == nil && text != "":
			return true
		case err != nil && !errors.Is(err, fs.ErrNotExist), ctx.Err() != nil, m.Clock.Now().Add(pollPause).After(deadline):
			return false
		}
	}
}

// The codes of the check of the machine. Value is the app, Other the machine's ID.
const (
	CodeMachine Code = "machine"
	// CodeNotMachine: neither variables nor a socket of Fly.
	CodeNotMachine Code = "not-a-machine"
)

func (x *examination) machine(context.Context) {
	c := Check{Code: CodeMachine, Level: OK, Value: x.env[envApp], Other: x.env[envMachine]}
	code := SocketCode(x.mintErr)
	if c.Value == "" && c.Other == "" && (code == CodeNoSocket || code == CodeNotSocket) {
		c.Code, c.Level = CodeNotMachine, Fail
	}
	x.add("machine", c)
}

// The codes of the check of the clock.
const (
	CodeClock Code = "clock"
	// CodeClockOff: it is off by Duration.
	CodeClockOff Code = "clock-off"
	// CodeClockUnknown: there is no fresh token to compare it with.
	CodeClockUnknown Code = "clock-unknown"
)

const (
	// maxSkew is how much later than it says a signed call may reach AWS
	// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html).
	maxSkew = 5 * time.Minute
	// tokenLifetime is how long Fly's tokens are valid
	// (https://fly.io/docs/security/openid-connect/).
	tokenLifetime = 10 * time.Minute
)

// clock compares the machine's clock with the time that the token was issued: just now,
// or when Fly last wrote the file.
func (x *examination) clock(context.Context) {
	c := Check{Code: CodeClockUnknown, Level: Unknown}
	if x.token != nil && !x.token.Claims.IssuedAt.IsZero() {
		off := x.Clock.Now().Sub(x.token.Claims.IssuedAt)
		fresh := x.text == x.fresh
		switch {
		case off < -maxSkew, off > maxSkew && fresh:
			c.Code, c.Level, c.Duration = CodeClockOff, Fail, off
			x.skew = off
		case fresh, off < tokenLifetime:
			c.Code, c.Level = CodeClock, OK
		}
	}
	x.add("clock", c)
}

// now is the time by the issuer's clock, where that is known.
func (x *examination) now() time.Time { return x.Clock.Now().Add(-x.skew) }

// The codes of the check of the socket. All but the first have a Reason; Value is the
// machine's ID.
const (
	CodeSocket Code = "socket"
	// CodeNoSocket: there is none, as in a Sprite, or while a machine boots.
	CodeNoSocket Code = "no-socket"
	// CodeNotSocket: the path is that of something else.
	CodeNotSocket Code = "not-a-socket"
	// CodeSocketDenied: it is for root.
	CodeSocketDenied Code = "socket-denied"
	// CodeSocketBusy: nobody answers.
	CodeSocketBusy Code = "socket-busy"
	// CodeSocketRefused: Fly refuses.
	CodeSocketRefused Code = "socket-refused"
	// CodeSocketFailed: any other failure.
	CodeSocketFailed Code = "socket-failed"
)

// SocketCode returns the code for the error of Tokens.
func SocketCode(err error) Code {
	var mint *flyoidc.MintError
	if !errors.As(err, &mint) {
		return CodeSocketFailed
	}
	switch mint.Kind {
	case flyoidc.MintNoSocket:
		return CodeNoSocket
	case flyoidc.MintNotSocket:
		return CodeNotSocket
	case flyoidc.MintNotAllowed:
		return CodeSocketDenied
	case flyoidc.MintConnectionRefused, flyoidc.MintTimeout:
		return CodeSocketBusy
	case flyoidc.MintRefused:
		return CodeSocketRefused
	}
	return CodeSocketFailed
}

// socket tells whether the machine issues tokens. The SDKs do without, as long as there is
// a token file.
func (x *examination) socket(context.Context) {
	c := Check{Code: CodeSocket, Level: OK}
	if x.mintErr != nil {
		c = Check{Code: SocketCode(x.mintErr), Level: Warn, Reason: x.mintErr.Error(), Value: x.env[envMachine]}
	}
	x.add("socket", c)
}

// The codes of the check of the token's subject. Claims are the token's.
const (
	CodeToken Code = "token"
	// CodeTokenSubject: sub does not name an app of Fly, or not the app Other.
	CodeTokenSubject Code = "token-subject"
	// CodeTokenBroken: the socket issues what is not a token, for a Reason.
	CodeTokenBroken Code = "token-broken"
	// CodeNoToken: neither socket nor file has one.
	CodeNoToken Code = "no-token"
)

func (x *examination) subject(context.Context) {
	c := Check{Code: CodeNoToken, Level: Unknown}
	_, err := flyoidc.Decode(x.fresh)
	switch {
	case x.token != nil:
		c = Check{Code: CodeToken, Level: OK, Claims: x.token.Claims.Claims}
		app := x.env[envApp]
		if s, ok := flyname.ParseSubject(c.Claims.Subject); !ok || app != "" && s.App != app {
			c.Code, c.Level, c.Other = CodeTokenSubject, Warn, app
		}
	case x.fresh != "":
		c = Check{Code: CodeTokenBroken, Level: Fail, Reason: err.Error()}
	}
	x.add("token", c)
}
