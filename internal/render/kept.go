package render

import (
	"io"
	"time"

	"github.com/fly-aws/fly-aws/internal/machine"
	"github.com/fly-aws/fly-aws/internal/text"
)

// KeepSchema is the schema of an event of token keep.
const KeepSchema = "fly-aws.token-keep/1"

// A KeptView is an attempt to renew the token in a file.
type KeptView struct {
	File, Audience string
	Attempt        machine.Attempt
	Now            time.Time
}

// Kept shows what came of an attempt to renew the token in a file.
func Kept(w io.Writer, v KeptView, style Style) {
	p := printer{w, style}
	file, a := text.Name(v.File), v.Attempt
	if a.Err == nil {
		p.line("%s %s has a token for %s, valid until %s", p.ok(), file, text.Name(v.Audience), a.Expires.UTC().Format(time.DateTime+" MST"))
		return
	}
	p.failedRenewal("no new token for "+file, "the last token", "is", a, v.Now)
}

// Credentials shows what came of an attempt to renew credentials.
func Credentials(w io.Writer, a machine.Attempt, now time.Time, style Style) {
	p := printer{w, style}
	if a.Err == nil {
		p.line("%s there are new AWS credentials, valid until %s", p.ok(), a.Expires.UTC().Format(time.DateTime+" MST"))
		return
	}
	p.failedRenewal("no new AWS credentials", "the last ones", "are", a, now)
}

// failedRenewal shows a failed attempt, and how long the last one still holds.
func (p printer) failedRenewal(what, last, is string, a machine.Attempt, now time.Time) {
	p.line("%s %s: %s", p.paint(yellow, "!"), what, text.Line(a.Err.Error()))
	left, holds := a.Expires.Sub(now), ""
	switch {
	case a.Expires.IsZero():
	case left > 0:
		holds = last + " " + is + " valid for another " + Duration(left) + "; "
	default:
		holds = last + " expired " + Duration(-left) + " ago; "
	}
	p.line("    %strying again in %s", holds, Duration(max(a.Next.Sub(now), time.Second)))
}
