package render

import (
	"fmt"
	"strings"

	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
)

// FlyProblem says what went wrong with Fly.
func FlyProblem(p *setup.FlyProblem) string {
	words := flyWords(p)
	if p.Kind != setup.FlyToken && p.Kind != setup.FlyNotFound && p.Kind != setup.FlyElsewhere {
		for _, part := range []string{p.Code, p.Message, p.Detail} {
			if part != "" {
				words += ": " + text.Line(part)
			}
		}
	}
	var more []string
	if p.Attempts > 1 {
		more = append(more, Count(p.Attempts, "attempt"))
	}
	if p.Status != 0 && p.Status != statusOK {
		more = append(more, fmt.Sprintf("status %d", p.Status))
	}
	if p.RequestID != "" {
		more = append(more, "request "+text.Name(text.Redact(p.RequestID)))
	}
	if len(more) > 0 {
		words += " (" + strings.Join(more, ", ") + ")"
	}
	return words
}

// statusOK is the HTTP status of a success.
const statusOK = 200

func flyWords(p *setup.FlyProblem) string {
	app, ofApp := "Fly app "+text.Quote(p.App), ""
	if p.App != "" {
		ofApp = " of the app " + text.Quote(p.App)
	}
	token := "the Fly token"
	if p.Source != "" {
		token += " from " + flySource(p.Source)
	}
	switch p.Kind {
	case setup.FlyNotSignedIn:
		return "not signed in to Fly: no token in the environment or in flyctl's config file"
	case setup.FlySignIn:
		return token + " cannot be used"
	case setup.FlyEndpoint:
		return "the URL of Fly's API cannot be used"
	case setup.FlyToken:
		return "Fly refuses the " + strings.TrimPrefix(token, "the Fly ") + ": it is wrong, expired or revoked"
	case setup.FlyNotAllowed:
		return token + " is not allowed to do this"
	case setup.FlyElsewhere:
		return "the " + app + " exists, but " + token + " does not reach it: the app belongs to another organization, or the token is limited to other apps"
	case setup.FlyNotFound:
		if p.App == "" {
			return "Fly does not know it"
		}
		return "there is no " + app
	case setup.FlyRateLimited:
		return "Fly limits the rate of requests"
	case setup.FlyDown:
		return "Fly's API has trouble at the moment"
	case setup.FlyUnreachable:
		return text.Quote(p.Host) + " cannot be reached"
	case setup.FlyTimeout:
		return text.Quote(p.Host) + " did not answer in time"
	case setup.FlyCanceled:
		return "interrupted"
	case setup.FlyRefused:
		return "Fly refused the request"
	case setup.FlyCommand:
		return "the command failed in a machine" + ofApp
	case setup.FlyNoMachine:
		return "no machine" + ofApp + " that may use the role is running"
	case setup.FlyNoToken:
		return "what a machine" + ofApp + " fetched is not a token"
	}
	if p.Host == "" {
		return "Fly's answer was unexpected"
	}
	return text.Quote(p.Host) + " did not answer as Fly's API does"
}

func flySource(s setup.FlySource) string {
	switch s {
	case setup.FlySourceFlag:
		return "the command line"
	case setup.FlySourceConfig:
		return "flyctl's config file"
	}
	return text.Name(string(s))
}

// FlyNext is the next thing to do about a failure with Fly; "" if there is none.
func FlyNext(p *setup.FlyProblem) string {
	switch p.Kind {
	case setup.FlyNotSignedIn:
		return "sign in: fly auth login; in CI set FLY_API_TOKEN to a token of: fly tokens create readonly"
	case setup.FlySignIn, setup.FlyToken:
		switch p.Source {
		case setup.FlySourceFlag:
			return "pass another token with --access-token, or none to use flyctl's"
		case setup.FlySourceAccessToken, setup.FlySourceAPIToken:
			return "unset " + string(p.Source) + ", or set it to another token"
		}
		// flyctl renews the token of an organization with single sign-on.
		return "renew the sign-in with any flyctl command, such as: fly auth whoami; if that fails: fly auth login"
	case setup.FlyEndpoint:
		return "unset FLY_API_BASE_URL and FLY_FLAPS_BASE_URL, or correct them"
	case setup.FlyNotAllowed:
		return "sign in: fly auth login, or use a token of: fly tokens create readonly"
	case setup.FlyElsewhere:
		return "use a token of the app's organization: fly tokens create readonly -o <org>"
	case setup.FlyNotFound:
		if p.App != "" {
			return "create it: fly launch, or fly apps create <name>; to list yours: fly apps list"
		}
		return "list your apps: fly apps list"
	case setup.FlyRateLimited, setup.FlyDown, setup.FlyTimeout:
		return "try again later; outages are on https://status.flyio.net"
	case setup.FlyUnreachable:
		return "check the network, a proxy in the environment, and FLY_API_BASE_URL if it is set"
	case setup.FlyRefused, setup.FlyUnexpected:
		return "outages are on https://status.flyio.net; with --org and --app it works without Fly"
	case setup.FlyCommand, setup.FlyNoMachine, setup.FlyNoToken:
		return machineNext
	}
	return ""
}

const machineNext = "start a machine that has curl, and use a token that may run commands in it"
