package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/doctor"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
)

// A hostMachine is the machine that this process runs in, for the doctor.
type hostMachine struct {
	console
	options doctorOptions
}

func machineOf(ctx context.Context, c console, o doctorOptions) doctor.Machine {
	h := hostMachine{c, o}
	return doctor.Machine{
		Environ: c.Environ, UserID: os.Geteuid(), ProcessID: os.Getpid(),
		ConfigRole: configRole(ctx, c.System), Files: h, Clock: clock{c.System}, Tokens: h, AWS: h,
	}
}

// configRole returns the role of the machine's app in the fly.toml of this folder, which
// images have that are built from the app's folder; "" if there is none.
func configRole(ctx context.Context, sys System) string {
	folder := workdir.Folder{Dir: sys.Dir}
	config, err := folder.Find("")
	if err != nil || config.App != sys.Getenv("FLY_APP_NAME") {
		return ""
	}
	found, err := folder.Read(ctx, []setup.Resource{{Env: &setup.Env{Config: config.Path, App: config.App, Key: setup.EnvRoleARN}}})
	if err != nil || len(found) == 0 {
		return ""
	}
	return found[0].Env.Value
}

// maxMachineFile is more than a token or a list of users needs.
const maxMachineFile = 64 << 10

// Read implements doctor.Files. It opens regular files only: a pipe may block forever.
func (h hostMachine) Read(ctx context.Context, name string) (string, error) {
	if info, err := os.Stat(h.path(name)); err == nil && !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", name)
	}
	if name == "-" { // standard input only on a command line
		name = "./-"
	}
	data, err := readInput(ctx, h.System, name, func(r io.Reader) ([]byte, error) {
		return io.ReadAll(io.LimitReader(r, maxMachineFile))
	})
	return string(data), err
}

// Stat implements doctor.Files.
func (h hostMachine) Stat(name string) (doctor.Stat, error) {
	info, err := os.Stat(h.path(name))
	if err != nil {
		return doctor.Stat{}, err
	}
	uid, gid := ownerOf(info)
	return doctor.Stat{UID: uid, GID: gid, Mode: info.Mode()}, nil
}

// List implements doctor.Files.
func (h hostMachine) List(name string) ([]string, error) {
	entries, err := os.ReadDir(name)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, err
}

// Mint implements doctor.Tokens.
func (h hostMachine) Mint(ctx context.Context) (string, error) {
	defer h.waiting("the machine's token")()
	minter := flyoidc.Minter{Socket: h.options.socket}
	return minter.Mint(ctx, flyoidc.MintRequest{Audience: flyname.AudienceAWS})
}

// awsTimeout is how long a check waits for AWS.
const awsTimeout = 10 * time.Second

// openAWS opens the AWS account, with the default credential chain or without any
// credentials.
func (h hostMachine) openAWS(ctx context.Context, anonymous bool) (*awsapi.Account, error) {
	options := awsFlags{verbose: h.options.verbose}.options(&callLog{console: h.console})
	options.Anonymous = anonymous
	return h.openAccount(ctx, options)
}

// Exchange implements doctor.AWS.
func (h hostMachine) Exchange(ctx context.Context, roleARN, token string) (time.Duration, error) {
	defer h.waiting("AWS STS")()
	ctx, cancel := context.WithTimeout(ctx, awsTimeout)
	defer cancel()
	account, err := h.openAWS(ctx, true)
	if err != nil {
		return 0, err
	}
	session, err := account.Exchange(ctx, awsapi.Exchange{RoleARN: roleARN, SessionName: "fly-aws-doctor", Token: token})
	var refusal *awsapi.CallError
	if errors.As(err, &refusal) && refusal.Code != "" {
		return 0, &doctor.Refusal{Code: refusal.Code, Message: refusal.Message}
	}
	return session.Expires.Sub(h.Now()), err
}

// Caller implements doctor.AWS.
func (h hostMachine) Caller(ctx context.Context) (string, error) {
	defer h.waiting("AWS")()
	ctx, cancel := context.WithTimeout(ctx, awsTimeout)
	defer cancel()
	account, err := h.openAWS(ctx, false)
	if err != nil {
		return "", err
	}
	facts, err := account.Facts(ctx, setup.Request{})
	return facts.Caller, err
}
