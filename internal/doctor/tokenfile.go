package doctor

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/flyoidc"
)

// The codes of the check of the token file. Path and Writer are set, Claims if there is a
// token.
const (
	// CodeFile: the token is valid for Duration.
	CodeFile Code = "token-file"
	// CodeFileUnset: no variable names the file. Path is Fly's if it is there.
	CodeFileUnset Code = "token-file-unset"
	// CodeFileAbsent: it is not there.
	CodeFileAbsent Code = "token-file-absent"
	// CodeFileDenied: User, who runs this, may not read it.
	CodeFileDenied Code = "token-file-denied"
	// CodeFileOther: User may not read it, but the app's user, Other, may.
	CodeFileOther Code = "token-file-other-user"
	// CodeFileUnreadable: it cannot be read for another Reason.
	CodeFileUnreadable Code = "token-file-unreadable"
	CodeFileEmpty      Code = "token-file-empty"
	// CodeFileJSON, CodeFileQuoted and CodeFileSpace: the token is part of
	// JSON, in quotes, or has white space inside.
	CodeFileJSON   Code = "token-file-json"
	CodeFileQuoted Code = "token-file-quoted"
	CodeFileSpace  Code = "token-file-space"
	// CodeFileBlank: there is white space around the token, besides a final newline.
	CodeFileBlank Code = "token-file-blank"
	// CodeFileBroken: it is not a token, for Reason.
	CodeFileBroken Code = "token-file-broken"
	// CodeFileIssuer: the token is not from Fly, or not from Other, the machine's
	// issuer.
	CodeFileIssuer Code = "token-file-issuer"
	// CodeFileAudience: the token is for another audience than AWS.
	CodeFileAudience Code = "token-file-audience"
	// CodeFileExpired: it expired Duration ago.
	CodeFileExpired Code = "token-file-expired"
	// CodeFileEarly: it is valid only in Duration.
	CodeFileEarly Code = "token-file-early"
)

// A tokenFile is what was read of the token file.
type tokenFile struct {
	path string // "" if no variable names it
	text string
	err  error
}

func (x *examination) readFile(ctx context.Context) tokenFile {
	f := tokenFile{path: x.env[envTokenFile]}
	if f.path != "" {
		f.text, f.err = x.Files.Read(ctx, f.path)
	}
	return f
}

// writerOf says who writes token files at a path.
func writerOf(file string) Writer {
	in := func(folders ...string) bool {
		for _, folder := range folders {
			if strings.HasPrefix(path.Clean(file), folder) {
				return true
			}
		}
		return false
	}
	switch {
	case path.Clean(file) == flyoidc.DefaultTokenFile:
		return WriterFly
	// https://docs.aws.amazon.com/eks/latest/userguide/pod-configuration.html
	case in("/var/run/secrets/eks.amazonaws.com/", "/run/secrets/eks.amazonaws.com/", "/var/run/secrets/kubernetes.io/", "/run/secrets/kubernetes.io/"):
		return WriterKubernetes
	// The folders of hosted runners and of containers on them.
	case in("/home/runner/", "/github/", "/__w/"):
		return WriterGitHub
	}
	return WriterScript
}

// tokenFile checks the file that the SDKs read the token from.
func (x *examination) tokenFile(ctx context.Context) {
	c := x.judgeFile(ctx)
	c.Variables = []string{envTokenFile}
	x.add("token file", c)
}

func (x *examination) judgeFile(ctx context.Context) Check {
	f := x.file
	c := Check{Code: CodeFileUnset, Level: Fail, Path: f.path, Writer: writerOf(f.path)}
	switch {
	case f.path == "":
		c.Writer = ""
		if _, err := x.Files.Read(ctx, flyoidc.DefaultTokenFile); err == nil {
			c.Path, c.Writer = flyoidc.DefaultTokenFile, WriterFly
		}
		if x.role == "" {
			c.Level = Unknown // the role comes first
		}
		return c
	case errors.Is(f.err, fs.ErrNotExist):
		c.Code = CodeFileAbsent
		return c
	case errors.Is(f.err, fs.ErrPermission):
		return x.denied(c)
	case f.err != nil:
		c.Code, c.Reason = CodeFileUnreadable, f.err.Error()
		return c
	}
	if code := form(f.text); code != "" {
		c.Code = code
		return c
	}
	token, err := flyoidc.Decode(f.text)
	if err != nil {
		c.Code, c.Reason = CodeFileBroken, err.Error()
		return c
	}
	return x.valid(c, token.Claims.Claims)
}

// form says what is around or in place of a token; "" if nothing is.
func form(text string) Code {
	token := strings.TrimSpace(text)
	switch {
	case token == "":
		return CodeFileEmpty
	case strings.ContainsAny(token[:1], "{["):
		return CodeFileJSON
	case strings.ContainsAny(token[:1], `"'`):
		return CodeFileQuoted
	case strings.ContainsAny(token, " \t\r\n"):
		return CodeFileSpace
	}
	return ""
}

// valid checks the claims of the token in the file.
func (x *examination) valid(c Check, claims flyname.Claims) Check {
	c.Claims = claims
	_, fromFly := flyname.IssuerOrg(claims.Issuer)
	machine := claims.Issuer
	if fresh, err := flyoidc.Decode(x.fresh); err == nil {
		machine = fresh.Claims.Issuer
	}
	left := claims.Expiry.Sub(x.now())
	early := claims.NotBefore.Sub(x.now())
	switch {
	case !fromFly:
		c.Code = CodeFileIssuer
	case claims.Issuer != machine:
		c.Code, c.Other = CodeFileIssuer, machine
	case !slices.Equal(claims.Audience, []string{flyname.AudienceAWS}):
		c.Code = CodeFileAudience
	case left <= 0:
		c.Code, c.Duration = CodeFileExpired, -left
	case early > maxSkew:
		c.Code, c.Duration = CodeFileEarly, early
	case strings.TrimRight(x.file.text, "\r\n") != strings.TrimSpace(x.file.text):
		c.Code, c.Level, c.Duration = CodeFileBlank, Warn, left
	default:
		c.Code, c.Level, c.Duration = CodeFile, OK, left
	}
	return c
}
