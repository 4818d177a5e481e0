package render

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/fly-aws/fly-aws/internal/doctor"
	"github.com/fly-aws/fly-aws/internal/explain"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/region"
	"github.com/fly-aws/fly-aws/internal/text"
)

// checkWords are what a check found and the next thing to do about it, with others that
// can be done instead. All three are safe to show.
type checkWords struct {
	detail, next string
	others       []string
}

func found(format string, args ...any) checkWords {
	return checkWords{detail: text.Clean(fmt.Sprintf(format, args...))}
}

func (w checkWords) then(format string, args ...any) checkWords {
	w.next = text.Clean(fmt.Sprintf(format, args...))
	return w
}

func doctorWords(c doctor.Check) checkWords {
	for _, words := range []func(doctor.Check) checkWords{machineWords, roleWords, environmentWords, tokenFileWords, userWords, awsWords} {
		if w := words(c); w.detail != "" {
			return w
		}
	}
	return found("%s", c.Code)
}

func machineWords(c doctor.Check) checkWords {
	switch c.Code {
	case doctor.CodeMachine:
		if c.Value == "" && c.Other == "" {
			return found("there is a socket, although FLY_APP_NAME and FLY_MACHINE_ID are not set")
		}
		return found("app %s, machine ID %s", orNotSet(c.Value), orNotSet(c.Other))
	case doctor.CodeNotMachine:
		return found("this is not a Fly Machine: no FLY_APP_NAME, no FLY_MACHINE_ID, no socket").
			then("run it in a machine: fly ssh console -C 'fly-aws doctor'")
	case doctor.CodeClock:
		return found("it agrees with the issuer's")
	case doctor.CodeClockOff:
		way := "ahead of"
		if c.Duration < 0 {
			way = "behind"
		}
		return found("the clock is %s %s the issuer's", Duration(c.Duration.Abs()), way).
			then("AWS refuses calls that are signed with a wrong clock: restart the machine (fly machine restart)")
	case doctor.CodeClockUnknown:
		return found("there is no fresh token to compare it with")
	case doctor.CodeSocket:
		return found("it issues tokens")
	case doctor.CodeNoSocket:
		w := found("%s", text.Line(c.Reason))
		if c.Value != "" {
			return w.then("wait if the machine has just booted: fly-aws doctor --wait; a Sprite has no such socket")
		}
		return w.then("%s", SocketNext(c.Code))
	case doctor.CodeNotSocket, doctor.CodeSocketDenied, doctor.CodeSocketBusy, doctor.CodeSocketRefused, doctor.CodeSocketFailed:
		return found("%s", text.Line(c.Reason)).then("%s", SocketNext(c.Code))
	case doctor.CodeToken:
		return found("sub %s, from %s", text.Name(c.Claims.Subject), text.Name(c.Claims.Issuer))
	case doctor.CodeTokenSubject:
		w := found("sub %s, from %s", text.Name(c.Claims.Subject), text.Name(c.Claims.Issuer))
		if c.Other != "" {
			w.detail += ", although this is a machine of the app " + text.Name(c.Other)
		}
		return w.then("a trust policy must match this sub: fly-aws explain --help")
	case doctor.CodeTokenBroken:
		return found("%s", text.Line(c.Reason)).then("look at it with fly-aws token")
	case doctor.CodeNoToken:
		return found("neither the socket nor the token file has one")
	}
	return checkWords{}
}

// SocketNext is the next thing to do about a token that could not be minted, by the code
// of doctor's check of the socket; "" if there is no advice.
func SocketNext(code doctor.Code) string {
	switch code {
	case doctor.CodeNoSocket:
		return "run it in a Fly Machine: fly ssh console"
	case doctor.CodeSocketDenied:
		return "the socket belongs to root: run it as root, or use a token file: Fly keeps one when AWS_ROLE_ARN is set, and fly-aws token keep, run by root, any other"
	case doctor.CodeSocketBusy:
		return "try again in a few seconds; a machine that has just booted may not be ready"
	case doctor.CodeNotSocket:
		return "drop --socket, or give it the path of the machine's API socket"
	case doctor.CodeSocketRefused:
		return "check the audience; Fly's support can look the request up by its ID"
	}
	return ""
}

func orNotSet(s string) string { return cmp.Or(text.Name(s), "(not set)") }

func roleWords(c doctor.Check) checkWords {
	const set = "fly-aws setup or fly-aws patch puts it into the [env] of fly.toml, then fly deploy"
	unset := "fly secrets unset AWS_ROLE_ARN"
	switch c.Code {
	case doctor.CodeRole:
		return found("%s", text.Name(c.Value))
	case doctor.CodeNoRole:
		w := found("AWS_ROLE_ARN is not set, so Fly keeps no token file and the SDKs use no role")
		if c.Other != "" {
			return w.then("fly.toml has it, but this machine does not: fly deploy")
		}
		return w.then("set it: %s. A staged secret needs fly secrets deploy", set)
	case doctor.CodeRoleMalformed:
		w := found("AWS_ROLE_ARN is %s: %s", text.Quote(c.Value), c.Reason)
		if c.Other != "" {
			return w.then("it is not from fly.toml, which has %s and which a secret overrides: %s, or set the secret to the role's ARN", text.Quote(c.Other), unset)
		}
		return w.then("if fly secrets list has AWS_ROLE_ARN, that overrides fly.toml: fly secrets set AWS_ROLE_ARN=ARN; otherwise %s", set)
	case doctor.CodeRoleOverridden:
		return found("%s; fly.toml has %s, which a secret overrides", text.Name(c.Value), text.Quote(c.Other)).then("if the one in fly.toml is right: %s", unset)
	}
	return checkWords{}
}

// unsetWords say how to unset variables, which may be set in several places.
func unsetWords(names []string) string {
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = text.ShellWord(text.Name(name))
	}
	it, is := "it", "it is"
	if len(names) > 1 {
		it, is = "them", "they are"
	}
	return "fly secrets unset " + strings.Join(words, " ") + ", or remove " + it + " from the [env] of fly.toml or the Dockerfile, wherever " + is + " set"
}

func environmentWords(c doctor.Check) checkWords {
	unset := unsetWords(c.Variables)
	switch c.Code {
	case doctor.CodePrecedence:
		return found("no static keys and no profile in the environment")
	case doctor.CodeStaticKeys, doctor.CodePartialKey:
		w := found("the SDKs use %s instead of the role", list(c.Variables))
		if c.Code == doctor.CodePartialKey {
			w = found("%s without the rest of a key: some SDKs fail on it", list(c.Variables))
		}
		if c.Tigris {
			return w.then("Tigris (fly storage) uses these: first give its client the values under other names, as in docs/tigris.md. Then %s", unset)
		}
		return w.then("%s", unset)
	case doctor.CodeProfile:
		return found("the AWS SDK for JavaScript v3 uses the profile %s of AWS_PROFILE instead of the role; boto3 and the AWS CLI too, if that profile assumes a role", text.Quote(c.Value)).
			then("right if that profile uses the role; otherwise %s", unset)
	case doctor.CodeSessionName:
		return found("%s", text.Name(c.Value))
	case doctor.CodeSessionNameRefused:
		return found("AWS_ROLE_SESSION_NAME is %s, which STS refuses: %s", text.Quote(c.Value), text.Line(c.Reason)).
			then("use 2 to 64 letters, digits or _+=,.@-, or let Fly set it: %s", unset)
	case doctor.CodeEndpoint, doctor.CodeEndpointSTS:
		w := found("%s: AWS calls go to another endpoint than AWS's", list(c.Variables))
		if c.Code == doctor.CodeEndpoint && c.Tigris {
			w = found("%s: calls to S3 go to Tigris, also those that are for AWS", list(c.Variables))
			return w.then("right if the app uses S3 at Tigris only; otherwise see docs/tigris.md")
		}
		return w.then("unless that is intended: %s", unset)
	}
	return regionWords(c)
}

func regionWords(c doctor.Check) checkWords {
	similar := region.Similar(c.Value)
	if len(similar) == 0 {
		similar = []string{"eu-central-1"}
	}
	such := strings.Join(similar, " or ")
	names := list(c.Variables)
	switch c.Code {
	case doctor.CodeRegion:
		return found("%s", text.Name(c.Value))
	case doctor.CodeRegionDefault:
		return found("%s, but only as AWS_DEFAULT_REGION: the AWS SDKs for JavaScript v3 and Java v2 find no region", text.Name(c.Value)).
			then("set AWS_REGION to it too in the [env] of fly.toml, then fly deploy")
	case doctor.CodeRegionNoDefault:
		return found("%s, but only as AWS_REGION: boto3 and the AWS CLI v1 find no region", text.Name(c.Value)).
			then("if the app uses one of these, set AWS_DEFAULT_REGION to it too in the [env] of fly.toml, then fly deploy")
	case doctor.CodeRegionDiffers:
		return found("%s, but boto3 and the AWS CLI v1 use AWS_DEFAULT_REGION, which is %s", text.Name(c.Value), text.Quote(c.Other)).
			then("unless that is intended, set both to the same in the [env] of fly.toml, then fly deploy")
	case doctor.CodeNoRegion:
		return found("AWS_REGION is not set; Fly sets none, and the SDKs need one").then("set AWS_REGION in the [env] of fly.toml, then fly deploy")
	case doctor.CodeRegionRefused:
		w := found("%s is %s, which is not an AWS region", names, text.Quote(c.Value))
		if c.Tigris {
			return w.then("auto is for Tigris: first give its client that region in its own settings, as in docs/tigris.md. Then give the SDKs an AWS region: fly secrets set AWS_REGION=%s", such)
		}
		return w.then("set %s to an AWS region, such as %s", names, such)
	case doctor.CodeRegionUnlisted:
		return found("%s is %s, which this version does not know", names, text.Name(c.Value)).then("check the name, such as %s; AWS may have added it since", such)
	}
	return checkWords{}
}

// writerWords say whose the path of a token file is.
func writerWords(w doctor.Writer) string {
	switch w {
	case doctor.WriterKubernetes:
		return "the path is that of Kubernetes (EKS), not Fly's"
	case doctor.WriterGitHub:
		return "the path is that of a runner of GitHub Actions, not Fly's"
	}
	return "the path is not Fly's, so something in the image has to write it"
}

// rewrite says what to do about a token file with wrong content.
func rewrite(c doctor.Check, script string) string {
	if c.Writer == doctor.WriterFly {
		return "restart the machine, so that Fly writes a new one (fly machine restart)"
	}
	unset := "let Fly keep its own file: " + unsetWords(c.Variables)
	if c.Writer == doctor.WriterScript {
		return "have the script that writes it " + script + "; or " + unset
	}
	return unset
}

func tokenFileWords(c doctor.Check) checkWords {
	path := text.Name(c.Path)
	const tokenAlone = "write the token alone (fly-aws token --raw)"
	switch c.Code {
	case doctor.CodeFile:
		w := found("%s, fresh for %s", path, Duration(c.Duration))
		if c.Writer != doctor.WriterFly {
			w.detail += "; not Fly's file: something in the image has to renew it"
		}
		return w
	case doctor.CodeFileUnset:
		w := found("%s is not set", list(c.Variables))
		switch {
		case c.Level == doctor.Unknown:
			return w
		case c.Path != "":
			w.detail += ", although there is " + path
			return w.then("something cleared the environment of this process, such as sudo, su or cron: have it pass %s and AWS_ROLE_ARN on", list(c.Variables))
		}
		return w.then("Fly sets it at boot when AWS_ROLE_ARN is in the app's [env] or secrets: fly deploy, or restart the machine")
	case doctor.CodeFileAbsent:
		if c.Writer == doctor.WriterFly {
			return found("there is no token file %s", path).then("it appears some seconds after boot: fly-aws doctor --wait; if it does not, restart the machine")
		}
		return found("there is no token file %s: %s", path, writerWords(c.Writer)).then("%s", rewrite(c, "run before the app"))
	case doctor.CodeFileUnreadable:
		return found("the token file cannot be read: %s", text.Line(c.Reason)).then("%s", rewrite(c, "write a file"))
	case doctor.CodeFileEmpty:
		return found("%s is empty", path).then("%s", rewrite(c, "fail if there is no token"))
	case doctor.CodeFileJSON:
		return found("%s has JSON, not the token alone", path).then("%s", rewrite(c, tokenAlone))
	case doctor.CodeFileQuoted:
		return found("the token in %s is in quotes", path).then("%s", rewrite(c, tokenAlone))
	case doctor.CodeFileSpace:
		return found("the text in %s has white space inside, which no token has", path).then("%s", rewrite(c, tokenAlone))
	case doctor.CodeFileBlank:
		return found("%s has white space around the token, which SDKs send to AWS as it is", path).then("%s", rewrite(c, tokenAlone))
	case doctor.CodeFileBroken:
		return found("%s: %s", path, text.Line(c.Reason)).then("%s", rewrite(c, tokenAlone))
	case doctor.CodeFileIssuer:
		if c.Other != "" {
			return found("the token in %s is of %s, the machine of %s", path, text.Name(c.Claims.Issuer), text.Name(c.Other)).then("%s", rewrite(c, "use this machine's token"))
		}
		return found("the token in %s is from %s, not from Fly", path, text.Name(c.Claims.Issuer)).then("%s", rewrite(c, "use this machine's token"))
	case doctor.CodeFileAudience:
		return found("the token in %s is for the audience %s, not %s", path, list(c.Claims.Audience), flyname.AudienceAWS).
			then("%s", rewrite(c, "ask for the audience "+flyname.AudienceAWS))
	case doctor.CodeFileExpired:
		return found("the token in %s expired %s ago", path, Duration(c.Duration)).then("%s", rewrite(c, "renew it: a token lasts ten minutes"))
	case doctor.CodeFileEarly:
		return found("the token in %s is not valid for another %s", path, Duration(c.Duration)).then("check the machine's clock, or restart the machine (fly machine restart)")
	}
	return checkWords{}
}

func userWords(c doctor.Check) checkWords {
	path, user := text.Name(c.Path), text.Name(c.User.String())
	const name = "name the app's user: fly-aws doctor --user NAME"
	switch c.Code {
	case doctor.CodeFileDenied:
		w := found("the user %s, who runs this, cannot read %s%s", user, path, readers(c.Permissions)).then("run the app as a user who can: drop USER from the Dockerfile, or start it as root")
		w.others = readOtherwise(user)
		return w
	case doctor.CodeFileOther:
		return found("the user %s, who runs this, cannot read %s, but the app's user %s can", user, path, text.Name(c.Other)).
			then("run it as that user: fly ssh console --user %s -C 'fly-aws doctor'", text.ShellWord(text.Name(c.Other)))
	case doctor.CodeUser:
		return found("%s can read the token file", user)
	case doctor.CodeUserDenied:
		w := found("the app's user %s cannot read %s%s", user, path, readers(c.Permissions)).then("run the app as a user who can: drop USER from the Dockerfile, or start it as root")
		w.others = readOtherwise(user)
		return w
	case doctor.CodeUserAbsent:
		return found("not checked: /etc/passwd has no user %s", text.Quote(c.User.Name)).then(name)
	case doctor.CodeUserSeveral:
		return found("not checked whether the app's user can read the token file: several users have processes that Fly started").then(name)
	case doctor.CodeUserUnknown:
		return found("not checked whether the app's user can read the token file: who that is is not known").then(name)
	case doctor.CodeUserHidden:
		return found("not checked whether %s can read the token file: its permissions cannot be seen", user).then("run it as root, or as %s", user)
	}
	return checkWords{}
}

// readers says who may read a file.
func readers(p *doctor.Permissions) string {
	if p == nil {
		return ""
	}
	owner := text.Name(p.Owner.String())
	who := "only " + owner + " can"
	switch {
	case p.Mode&0o4 != 0:
		who = "the file is for everyone, but a folder above it is not"
	case p.Mode&0o40 != 0:
		who = owner + " and its group can"
	}
	return fmt.Sprintf(": %s (owner %s, mode %04o)", who, owner, p.Mode)
}

// readOtherwise are the ways to let a user read the token that need no other user.
func readOtherwise(user string) []string {
	return []string{
		"or have a process of root copy the token every minute to a file of " + user + ", and set AWS_WEB_IDENTITY_TOKEN_FILE to that when starting the app",
		"or, for a job of at most an hour, start it as root: fly-aws exec -- su " + text.ShellWord(user) + " -s /bin/sh -c 'COMMAND'",
	}
}

func awsWords(c doctor.Check) checkWords {
	const network, slow = "check the machine's network", "AWS does not answer in time"
	switch c.Code {
	case doctor.CodeExchange:
		return found("AWS issues credentials for %s", Duration(c.Duration))
	case doctor.CodeExchangeSkipped:
		if c.Value == "" {
			return found("not tried: no role is set")
		}
		return found("not tried: there is no valid token")
	case doctor.CodeExchangeRefused:
		return found("AWS refuses: %s", text.Line(c.Refusal.Error())).then("%s", refusalNext(c))
	case doctor.CodeExchangeFailed:
		w := found("%s", cmp.Or(text.Line(c.Reason), slow))
		if len(c.Variables) > 0 {
			return w.then("%s sends the calls to another endpoint than AWS's: %s", list(c.Variables), unsetWords(c.Variables))
		}
		return w.then(network)
	case doctor.CodeCaller:
		return found("%s", text.Name(c.Value))
	case doctor.CodeCallerOther:
		if c.Other == "" {
			return found("the AWS SDKs use %s here", text.Name(c.Value)).then("set AWS_ROLE_ARN")
		}
		return found("the AWS SDKs use %s here, not the role", text.Name(c.Value)).
			then("look for what gives these credentials to the SDKs: a profile, a file ~/.aws/credentials, or one of the checks above")
	case doctor.CodeCallerFailed:
		if c.Reason == "" {
			return found(slow).then(network)
		}
		w := found("the AWS SDKs find no credentials here: %s", text.Line(c.Reason))
		if len(c.Variables) > 0 {
			return w.then("%s", unsetWords(c.Variables))
		}
		return w.then("first fix the checks above that failed; otherwise look at ~/.aws/config and ~/.aws/credentials")
	}
	return checkWords{}
}

// refusalNext is the one next step after a refusal.
func refusalNext(c doctor.Check) string {
	switch {
	case c.Meaning.Code == explain.MeaningUnknown && len(c.Variables) > 0:
		return list(c.Variables) + " sends the calls to another endpoint than AWS's: " + unsetWords(c.Variables)
	case c.Other != "":
		return "the role is not that of fly.toml, " + text.Name(c.Other) + ", which a secret overrides: if that is right, fly secrets unset AWS_ROLE_ARN"
	}
	hints := RefusalNext(c.Meaning, c.Value, c.Claims.Subject)
	if len(hints) == 0 {
		return ""
	}
	return hints[len(hints)-1]
}

// RefusalNext explains STS's refusal of a token with a subject for a role. The last item
// is the command that says more: AWS gives no cause, and only someone signed in to AWS can
// read the trust policy.
func RefusalNext(m explain.Meaning, roleARN, subject string) []string {
	hints := MeaningWords(m)
	s, isFly := flyname.ParseSubject(subject)
	switch {
	case m.Code == explain.MeaningNotAuthorized && isFly:
		hints = append(hints, "to find the condition, run where you are signed in to AWS: fly-aws explain --role "+text.ShellWord(roleARN)+" --subject "+text.ShellWord(subject))
	case m.Code == explain.MeaningProviderAbsent && isFly, m.Code == explain.MeaningAudience && isFly:
		hints = append(hints, "to fix it, run where you are signed in to AWS: fly-aws setup --org "+text.ShellWord(s.Org)+" --app "+text.ShellWord(s.App))
	}
	return hints
}
