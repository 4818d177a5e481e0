package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/wizard"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
)

// sources are where the wizard looks things up: AWS, Fly and the folder.
type sources struct {
	*accountSource
	flySource
	folderSource
}

var _ wizard.Sources = sources{}

// An accountSource opens the AWS account of each profile once.
type accountSource struct {
	console console
	flags   awsFlags
	log     *callLog

	mu     sync.Mutex
	opened map[string]openedAccount // by profile
}

type openedAccount struct {
	account *awsapi.Account
	err     error
	facts   setup.Facts // once signed in
}

// open opens the account of a profile. It makes no call.
func (s *accountSource) open(ctx context.Context, profile string) (*awsapi.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.opened[profile]
	if !ok || a.err != nil { // the user may have signed in since
		flags := s.flags
		flags.profile = profile
		a.account, a.err = s.console.openAccount(ctx, flags.options(s.log))
		s.opened[profile] = a
	}
	return a.account, a.err
}

// Profiles lists the profiles in AWS's shared config files; none if the environment
// already selects credentials for the SDKs.
func (s *accountSource) Profiles(context.Context) ([]string, error) {
	for _, name := range []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		if s.console.Getenv(name) != "" {
			return nil, nil
		}
	}
	return awsapi.Profiles(s.console.Getenv, s.console.Home)
}

// Identity returns the caller's identity, with the account's alias if it can be read.
func (s *accountSource) Identity(ctx context.Context, profile string) (wizard.Identity, error) {
	account, err := s.open(ctx, profile)
	if err != nil {
		return wizard.Identity{}, &signInError{err: err}
	}
	var facts setup.Facts
	var alias string
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		facts, err = account.Facts(gctx, setup.Request{})
		return err
	})
	g.Go(func() error {
		alias, _ = account.Alias(gctx)
		return nil
	})
	if err := g.Wait(); err != nil {
		return wizard.Identity{}, &signInError{err: err}
	}
	s.mu.Lock()
	s.opened[profile] = openedAccount{account: account, facts: facts}
	s.mu.Unlock()
	return wizard.Identity{
		Account: facts.Account, Alias: alias, Partition: facts.Partition, Caller: facts.Caller, Region: account.Region(),
		Note: s.console.sandboxNote(facts.Account),
	}, nil
}

// Roles returns what roles of ours may do already.
func (s *accountSource) Roles(ctx context.Context, profile, org string, names []string) (map[string]wizard.Access, error) {
	account, err := s.open(ctx, profile)
	if err != nil {
		return nil, err
	}
	var want []setup.Resource
	for _, name := range names {
		want = append(want, setup.Resource{Role: &setup.Role{Name: name}})
	}
	found, err := account.Read(ctx, want)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	facts := s.opened[profile].facts
	s.mu.Unlock()
	access := map[string]wizard.Access{}
	for _, name := range names {
		have := slices.DeleteFunc(slices.Clone(found), func(r setup.Resource) bool {
			return !(r.Role != nil && strings.EqualFold(r.Role.Name, name) || r.Policy != nil && strings.EqualFold(r.Policy.Role, name))
		})
		req, err := setup.Import(org, "", facts, have)
		if err != nil || len(req.Roles) == 0 || req.Roles[0].Unmanaged {
			continue // the plan says what is odd about it
		}
		role := req.Roles[0]
		a := wizard.Access{Policies: role.Policies, Presets: role.Presets, Region: cmp.Or(role.Region, req.Region)}
		for _, p := range role.Inline {
			a.Inline = append(a.Inline, p.Name)
		}
		access[name] = a
	}
	return access, nil
}

// A signInError includes how to sign in to AWS, because with several profiles the
// wizard shows it and continues.
type signInError struct{ err error }

func (e *signInError) Error() string {
	message := e.err.Error()
	var creds *awsapi.CredentialsError
	if errors.As(e.err, &creds) {
		message += "; " + strings.Join(credentialHints(creds, func(string) bool { return false }), "; ") + ", then choose again"
	}
	return message
}

// Policies lists the managed policies that can be attached to a role.
func (s *accountSource) Policies(ctx context.Context, profile string) ([]setup.ManagedPolicy, error) {
	account, err := s.open(ctx, profile)
	if err != nil {
		return nil, err
	}
	return account.ManagedPolicies(ctx)
}

// DescribePolicy returns the description of a managed policy.
func (s *accountSource) DescribePolicy(ctx context.Context, profile, arn string) (string, error) {
	account, err := s.open(ctx, profile)
	if err != nil {
		return "", err
	}
	return account.PolicyDescription(ctx, arn)
}

// A flySource lists what the signed-in Fly user has access to.
type flySource struct{ session flySession }

// Organizations lists the organizations.
func (s flySource) Organizations(ctx context.Context) ([]setup.Organization, error) {
	if s.session.client == nil {
		return nil, withFlyNext(s.session.problem)
	}
	all, err := s.session.client.Organizations(ctx)
	if err != nil {
		return nil, withFlyNext(flyProblem(err, ""))
	}
	return all, nil
}

// Apps lists the apps of an organization.
func (s flySource) Apps(ctx context.Context, org string) ([]string, error) {
	if s.session.client == nil {
		return nil, withFlyNext(s.session.problem)
	}
	found, err := s.session.client.Organization(ctx, org)
	if err != nil {
		return nil, withFlyNext(flyProblem(err, ""))
	}
	apps, err := s.session.client.OrganizationApps(ctx, found)
	if err != nil {
		return nil, withFlyNext(flyProblem(err, ""))
	}
	out := make([]string, len(apps))
	for i, app := range apps {
		out[i] = app.Name
	}
	return out, nil
}

// withFlyNext puts an error from Fly into words with its next step; the wizard shows it
// and continues.
func withFlyNext(problem *setup.FlyProblem) error {
	message := render.FlyProblem(problem)
	if next := render.FlyNext(problem); next != "" {
		message += "; " + next
	}
	return errors.New(message)
}

// A folderSource finds files in the current folder.
type folderSource struct {
	console console
	folder  *workdir.Folder
	configs []string // the values of --config
	fly     flySession
}

// Configs returns the files of --config, or else those in the folder and its
// subfolders. An invalid config file in the folder itself is an error, a missing one
// is not.
func (s folderSource) Configs(ctx context.Context) ([]setup.AppConfig, error) {
	var out []setup.AppConfig
	for _, path := range s.configs {
		config, err := s.folder.Find(path)
		if err != nil {
			return nil, err
		}
		out = append(out, config)
	}
	if len(out) > 0 {
		return out, nil
	}
	own, err := s.folder.Find("")
	var missing *workdir.NotFoundError
	switch {
	case err == nil:
		own.Own, own.Org = true, s.orgOf(ctx, own.App)
		out = append(out, own)
	case !errors.As(err, &missing):
		return nil, err
	}
	return append(out, s.folder.Nearby(ctx)...), nil
}

// orgOf returns the raw slug of an app's organization; "" if Fly does not return it.
func (s folderSource) orgOf(ctx context.Context, app string) string {
	if s.fly.client == nil || app == "" {
		return ""
	}
	found, err := s.fly.client.Apps(ctx, []string{app})
	if err != nil || found[app].Err != nil {
		return ""
	}
	return found[app].App.Organization.RawSlug
}

// ConfigAt reads a config file.
func (s folderSource) ConfigAt(_ context.Context, path string) (setup.AppConfig, error) {
	return s.folder.Find(path)
}

// PolicyFile reads a permissions policy.
func (s folderSource) PolicyFile(ctx context.Context, path string) (setup.InlinePolicy, error) {
	p, err := inlinePolicy(ctx, s.console.System, path)
	var invalid *setup.InvalidError
	if errors.As(err, &invalid) {
		return p, fmt.Errorf("%s: %s", path, invalid.Reason)
	}
	return p, err
}
