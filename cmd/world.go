package cmd

import (
	"context"
	"time"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
)

// open makes the world that setup works on, from the flags. It makes no call.
func (c console) open(ctx context.Context, folder *workdir.Folder, aws awsFlags, fly flyFlags) (setup.World, error) {
	session, err := c.openFly(fly)
	if err != nil {
		return setup.World{}, err
	}
	account, err := c.openAccount(ctx, aws.options(&callLog{console: c}))
	if err != nil {
		return setup.World{}, err
	}
	return c.newWorld(folder, account, session), nil
}

// newWorld makes the world that setup works on: the folder, the AWS account and Fly.
func (c console) newWorld(folder *workdir.Folder, account *awsapi.Account, fly flySession) setup.World {
	w := setup.World{
		AWS: account, FlyProblem: fly.problem, FlyRequired: fly.required,
		Files: folder, Clock: clock{c.System},
	}
	if fly.client != nil {
		w.Fly = directory{fly.client}
	}
	return w
}

// A clock is that of a System.
type clock struct{ System }

// Now implements setup.Clock.
func (c clock) Now() time.Time { return c.System.Now() }

// Sleep implements setup.Clock.
func (c clock) Sleep(ctx context.Context, d time.Duration) { c.System.Sleep(ctx, d) }
