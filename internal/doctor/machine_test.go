package doctor_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/doctor"
	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/render"
)

const (
	roleARN   = "arn:aws:iam::123456789012:role/fly/fly-acme-web"
	session   = "arn:aws:sts::123456789012:assumed-role/fly-acme-web/me"
	tokenPath = flyoidc.DefaultTokenFile
	eksPath   = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
	ownPath   = "/app/token.jwt"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// A fake is a machine in which everything is right, until a test breaks something.
type fake struct {
	env    map[string]string
	uid    int
	pid    int
	config string
	files  map[string]file
	now    time.Time
	// slept is called when the machine's clock has gone on.
	slept   func(*fake)
	fresh   string
	mintErr error
	lasts   error // what STS answers
	caller  string
	callErr error
	user    string // --user
}

// A file is a file or a folder.
type file struct {
	text     string
	uid, gid int
	mode     fs.FileMode
	readErr  error
	statErr  error
}

// claims are those of a token that was issued at a time.
func claims(at time.Time) map[string]any {
	return map[string]any{
		"iss": "https://oidc.fly.io/acme", "sub": "acme:web:cold-shape-2007", "aud": "sts.amazonaws.com",
		"iat": at.Unix(), "nbf": at.Unix(), "exp": at.Add(10 * time.Minute).Unix(),
	}
}

// sign makes a token with the claims, some of them changed, and a signature of zeros.
func sign(at time.Time, changes ...any) string {
	c := claims(at)
	for i := 0; i < len(changes); i += 2 {
		c[changes[i].(string)] = changes[i+1] //nolint:forcetypeassert // names are strings
	}
	body, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256","kid":"k","typ":"JWT"}`)) + "." + encode(body) + "." + encode(make([]byte, 256))
}

func newFake() *fake {
	f := &fake{
		env: map[string]string{
			"FLY_APP_NAME": "web", "FLY_MACHINE_ID": "9080e6f3a12345", "AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1",
			"AWS_ROLE_ARN": roleARN, "AWS_WEB_IDENTITY_TOKEN_FILE": tokenPath, "AWS_ROLE_SESSION_NAME": "me",
		},
		now: now, fresh: sign(now.Add(-time.Second)), caller: session,
		files: map[string]file{
			"/etc/passwd":       {text: "root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/app:/bin/sh\nodd\nbad:x:one:two:\n", mode: 0o644},
			"/etc/group":        {text: "root:x:0:\ntokens:x:77:web,other\nodd\n", mode: 0o644},
			"/proc/1/status":    {text: "Name:\tinit\nPPid:\t0\nUid:\t0\t0\t0\t0\n"},
			"/proc/320/status":  {text: status(1, "0")},
			"/proc/320/cmdline": {text: "/.fly/hallpass\x00"},
			"/proc/321/status":  {text: status(1, "1000")},
			"/proc/321/cmdline": {text: "/app/web\x00"},
			"/proc/322/status":  {text: status(321, "33")},
			"/proc/323/status":  {readErr: fs.ErrNotExist},
			"/proc/324/status":  {text: "Name:\todd\nPPid:\t1\nUid:\tx\n"},
			"/proc/meminfo":     {},
		},
	}
	f.write(tokenPath, sign(now.Add(-4*time.Minute)), 0o644)
	return f
}

// status is what /proc says of a process.
func status(parent int, uid string) string {
	ids := strings.Repeat("\t"+uid, 4)
	return fmt.Sprintf("Name:\tx\nPPid:\t%d\nUid:%s\nGid:%s\nGroups:\t77 \n", parent, ids, ids)
}

// write writes a file of root.
func (f *fake) write(name, text string, mode fs.FileMode) {
	f.files[name] = file{text: text, mode: mode}
}

func (f *fake) machine() doctor.Machine {
	var environ []string
	for name, value := range f.env {
		environ = append(environ, name+"="+value)
	}
	return doctor.Machine{Environ: environ, UserID: f.uid, ProcessID: f.pid, ConfigRole: f.config, Files: f, Clock: f, Tokens: f, AWS: f}
}

func (f *fake) Read(_ context.Context, name string) (string, error) {
	got, ok := f.files[name]
	switch {
	case !ok:
		return "", fs.ErrNotExist
	case got.readErr != nil:
		return "", got.readErr
	case f.uid != 0 && got.mode&0o4 == 0 && strings.HasSuffix(name, "token"):
		return "", fs.ErrPermission
	}
	return got.text, nil
}

func (f *fake) Stat(name string) (doctor.Stat, error) {
	got, ok := f.files[name]
	if !ok {
		for other := range f.files {
			if name == "/" || strings.HasPrefix(other, name+"/") { // a folder above a file
				return doctor.Stat{Mode: fs.ModeDir | 0o755}, nil
			}
		}
		return doctor.Stat{}, fs.ErrNotExist
	}
	return doctor.Stat{UID: got.uid, GID: got.gid, Mode: got.mode}, got.statErr
}

func (f *fake) List(name string) ([]string, error) {
	var names []string
	for other := range f.files {
		if rest, ok := strings.CutPrefix(other, name+"/"); ok {
			names = append(names, strings.Split(rest, "/")[0])
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 {
		return nil, fs.ErrNotExist
	}
	return names, nil
}

func (f *fake) Now() time.Time { return f.now }

func (f *fake) Sleep(_ context.Context, d time.Duration) {
	f.now = f.now.Add(d)
	if f.slept != nil {
		f.slept(f)
	}
}

func (f *fake) Mint(context.Context) (string, error) {
	if f.mintErr != nil {
		return "", f.mintErr
	}
	return f.fresh, nil
}

func (f *fake) Exchange(context.Context, string, string) (time.Duration, error) {
	return time.Hour, f.lasts
}

func (f *fake) Caller(context.Context) (string, error) { return f.caller, f.callErr }

// mintError makes the error of a socket that issues no token.
func mintError(kind flyoidc.MintKind) error {
	return &flyoidc.MintError{Kind: kind, Socket: flyoidc.DefaultSocket}
}

func set(name, value string) func(*fake) { return func(f *fake) { f.env[name] = value } }

// inFile has the token file hold a text, and no socket.
func inFile(text string) func(*fake) {
	return func(f *fake) {
		f.write(tokenPath, text, 0o644)
		f.mintErr = mintError(flyoidc.MintNotAllowed)
	}
}

// atOwnPath has a token file at ownPath, with a token.
func atOwnPath(f *fake) {
	f.env["AWS_WEB_IDENTITY_TOKEN_FILE"] = ownPath
	f.write(ownPath, sign(now.Add(-time.Minute)), 0o644)
}

func both(changes ...func(*fake)) func(*fake) {
	return func(f *fake) {
		for _, change := range changes {
			change(f)
		}
	}
}

// process adds a process, or replaces one.
func process(id, parent int, uid string) func(*fake) {
	return func(f *fake) {
		f.files[fmt.Sprintf("/proc/%d/status", id)] = file{text: status(parent, uid)}
		f.files[fmt.Sprintf("/proc/%d/cmdline", id)] = file{text: "command\x00"}
	}
}

// ownProcess has the doctor run in a process.
func ownProcess(id int) func(*fake) { return func(f *fake) { f.pid = id } }

// unset has a variable of Fly's gone.
func unset(names ...string) func(*fake) {
	return func(f *fake) {
		for _, name := range names {
			delete(f.env, name)
		}
	}
}

const works = "✓ AWS works: the AWS SDKs use " + session

// TestMachines has the expected first line, and what the next step must say, for machines
// in which one thing, or two, are not as they should be.
func TestMachines(t *testing.T) {
	t.Parallel()
	const no = "✗ AWS does not work: "
	refused := func(code, message string) func(*fake) {
		return func(f *fake) { f.lasts = &doctor.Refusal{Code: code, Message: message} }
	}
	fails := func(kind flyoidc.MintKind) func(*fake) { return func(f *fake) { f.mintErr = mintError(kind) } }
	tests := map[string]struct {
		change func(*fake)
		line   string
		next   string // part of the next step; "" for none
		other  string // what else must be in the output
	}{
		"everything right": {nil, works, "", "? no"},

		// The machine.
		"not a machine":         {both(unset("FLY_APP_NAME", "FLY_MACHINE_ID"), fails(flyoidc.MintNoSocket)), "✗ this is not a Fly Machine: no FLY_APP_NAME, no FLY_MACHINE_ID, no socket", "fly ssh console", ""},
		"not a machine, a file": {both(unset("FLY_APP_NAME", "FLY_MACHINE_ID"), fails(flyoidc.MintNotSocket)), "✗ this is not a Fly Machine: no FLY_APP_NAME, no FLY_MACHINE_ID, no socket", "fly ssh console", ""},
		"a cleared environment": {unset("FLY_APP_NAME", "FLY_MACHINE_ID"), works + "; not checked: app's user", "", "there is a socket, although"},
		"no app name":           {unset("FLY_APP_NAME"), works, "", "app (not set), machine ID 9080e6f3a12345"},

		// The role.
		"no role":              {unset("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"), no + "AWS_ROLE_ARN is not set, so Fly keeps no token file and the SDKs use no role", "set it: fly-aws setup", "not tried: no role is set"},
		"role not deployed":    {both(unset("AWS_ROLE_ARN"), func(f *fake) { f.config = roleARN }), no + "AWS_ROLE_ARN is not set, so Fly keeps no token file and the SDKs use no role", "fly.toml has it, but this machine does not: fly deploy", ""},
		"a role's name":        {set("AWS_ROLE_ARN", "fly-acme-web"), no + `AWS_ROLE_ARN is "fly-acme-web": not an ARN`, "if fly secrets list has AWS_ROLE_ARN, that overrides fly.toml", ""},
		"a policy's ARN":       {set("AWS_ROLE_ARN", "arn:aws:iam::123456789012:policy/x"), no + `AWS_ROLE_ARN is "arn:aws:iam::123456789012:policy/x": it is not the ARN of an IAM role`, "fly secrets set AWS_ROLE_ARN=ARN", ""},
		"role in quotes":       {set("AWS_ROLE_ARN", `"`+roleARN+`"`), no + `AWS_ROLE_ARN is "\"` + roleARN + `\"": not an ARN`, "fly secrets", ""},
		"bad role in a secret": {both(set("AWS_ROLE_ARN", "x"), func(f *fake) { f.config = roleARN }), no + `AWS_ROLE_ARN is "x": not an ARN`, "it is not from fly.toml, which has " + `"` + roleARN + `" and which a secret overrides: fly secrets unset AWS_ROLE_ARN`, ""},
		"bad role in fly.toml": {both(set("AWS_ROLE_ARN", "x"), func(f *fake) { f.config = "x" }), no + `AWS_ROLE_ARN is "x": not an ARN`, "otherwise fly-aws setup or fly-aws patch", ""},
		"role from a secret":   {func(f *fake) { f.config = roleARN + "-old" }, works + "; 1 warning", "", "which a secret overrides"},

		// What takes precedence.
		"static keys":            {both(set("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), set("AWS_SECRET_ACCESS_KEY", "s3cr3t")), no + "the SDKs use AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY instead of the role", "fly secrets unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY, or remove them from the [env] of fly.toml or the Dockerfile", ""},
		"a session's keys":       {both(set("AWS_ACCESS_KEY_ID", "ASIAIOSFODNN7EXAMPLE"), set("AWS_SECRET_ACCESS_KEY", "s3cr3t"), set("AWS_SESSION_TOKEN", "s3cr3t")), no + "the SDKs use AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN instead of the role", "fly secrets unset", ""},
		"Tigris":                 {both(set("AWS_ACCESS_KEY_ID", "tid_x"), set("AWS_SECRET_ACCESS_KEY", "s3cr3t")), no + "the SDKs use AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY instead of the role", "Tigris (fly storage) uses these: first give its client", ""},
		"Tigris, by its bucket":  {both(set("AWS_ACCESS_KEY_ID", "x"), set("AWS_SECRET_ACCESS_KEY", "s3cr3t"), set("BUCKET_NAME", "b")), no + "the SDKs use AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY instead of the role", "docs/tigris.md. Then fly secrets unset AWS_ACCESS_KEY_ID", ""},
		"Tigris's endpoint":      {set("AWS_ENDPOINT_URL_S3", "https://fly.storage.tigris.dev"), works + "; 1 warning", "", "AWS_ENDPOINT_URL_S3: calls to S3 go to Tigris, also those that are for AWS"},
		"Tigris's other name":    {set("AWS_ENDPOINT_URL_S3", "https://t3.storage.dev"), works + "; 1 warning", "", "see docs/tigris.md"},
		"half a key":             {set("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), works + "; 1 warning", "", "AWS_ACCESS_KEY_ID without the rest of a key"},
		"half of Tigris's key":   {set("AWS_ACCESS_KEY_ID", "tid_x"), works + "; 1 warning", "", "→ Tigris (fly storage) uses these"},
		"a profile":              {set("AWS_PROFILE", "prod"), works + "; 1 warning", "", `the AWS SDK for JavaScript v3 uses the profile "prod" of AWS_PROFILE instead of the role; boto3 and the AWS CLI too, if that profile assumes a role`},
		"a profile that is gone": {both(set("AWS_PROFILE", "prod"), func(f *fake) { f.callErr = errors.New("no profile prod") }), no + "the AWS SDKs find no credentials here: no profile prod", "fly secrets unset AWS_PROFILE", ""},
		"no role before keys":    {both(unset("AWS_ROLE_ARN"), set("AWS_ACCESS_KEY_ID", "x"), set("AWS_SECRET_ACCESS_KEY", "s3cr3t")), no + "AWS_ROLE_ARN is not set, so Fly keeps no token file and the SDKs use no role", "set it", "the SDKs use AWS_ACCESS_KEY_ID"},

		// The clock.
		"clock ahead":             {func(f *fake) { f.now = now.Add(time.Hour) }, no + "the clock is 1h0m1s ahead of the issuer's", "fly machine restart", "/.fly/oidc_token, fresh for 6m1s"},
		"clock behind":            {func(f *fake) { f.now = now.Add(-time.Hour) }, no + "the clock is 59m59s behind the issuer's", "fly machine restart", "/.fly/oidc_token, fresh for"},
		"clock a little off":      {func(f *fake) { f.now = now.Add(3 * time.Minute) }, works, "", "it agrees with the issuer's"},
		"clock behind, no socket": {both(inFile(sign(now)), func(f *fake) { f.now = now.Add(-time.Hour) }), no + "the clock is 1h behind the issuer's", "fly machine restart", ""},
		"no token for the clock":  {inFile(sign(now.Add(-9*time.Minute), "exp", now.Add(-time.Hour).Unix(), "iat", now.Add(-time.Hour).Unix())), no + "the token in /.fly/oidc_token expired 1h ago", "restart the machine, so that Fly writes a new one", "? clock       there is no fresh token to compare it with"},

		// The token file.
		"no variable for the file":       {both(unset("AWS_WEB_IDENTITY_TOKEN_FILE"), func(f *fake) { delete(f.files, tokenPath) }), no + "AWS_WEB_IDENTITY_TOKEN_FILE is not set", "Fly sets it at boot when AWS_ROLE_ARN is in", ""},
		"a variable was cleared":         {unset("AWS_WEB_IDENTITY_TOKEN_FILE"), no + "AWS_WEB_IDENTITY_TOKEN_FILE is not set, although there is /.fly/oidc_token", "something cleared the environment", ""},
		"no file yet":                    {func(f *fake) { delete(f.files, tokenPath) }, no + "there is no token file /.fly/oidc_token", "--wait", ""},
		"Kubernetes's path":              {set("AWS_WEB_IDENTITY_TOKEN_FILE", eksPath), no + "there is no token file " + eksPath + ": the path is that of Kubernetes (EKS), not Fly's", "let Fly keep its own file: fly secrets unset AWS_WEB_IDENTITY_TOKEN_FILE", ""},
		"GitHub's path":                  {set("AWS_WEB_IDENTITY_TOKEN_FILE", "/home/runner/work/_temp/token"), no + "there is no token file /home/runner/work/_temp/token: the path is that of a runner of GitHub Actions, not Fly's", "let Fly keep its own file", ""},
		"a script that did not run":      {set("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/token"), no + "there is no token file /var/run/token: the path is not Fly's, so something in the image has to write it", "have the script that writes it run before the app; or let Fly", ""},
		"a script's file":                {atOwnPath, works, "", "not Fly's file: something in the image has to renew it"},
		"a folder":                       {func(f *fake) { f.files[tokenPath] = file{readErr: errors.New("it is a folder")} }, no + "the token file cannot be read: it is a folder", "restart the machine", ""},
		"an empty file":                  {inFile(""), no + "/.fly/oidc_token is empty", "restart the machine", ""},
		"only a newline":                 {inFile("\n"), no + "/.fly/oidc_token is empty", "restart the machine", ""},
		"JSON":                           {both(atOwnPath, func(f *fake) { f.write(ownPath, `{"token":"`+sign(now)+`"}`, 0o600) }), no + ownPath + " has JSON, not the token alone", "have the script that writes it write the token alone (fly-aws token --raw); or", ""},
		"JSON with a list":               {inFile(` ["a"]`), no + tokenPath + " has JSON, not the token alone", "restart", ""},
		"a token in quotes":              {inFile(`"` + sign(now) + `"`), no + "the token in " + tokenPath + " is in quotes", "restart", ""},
		"a token in single quotes":       {inFile("'" + sign(now) + "'\n"), no + "the token in " + tokenPath + " is in quotes", "restart", ""},
		"a header's value":               {inFile("Bearer " + sign(now)), no + "the text in " + tokenPath + " has white space inside, which no token has", "restart", ""},
		"a wrapped token":                {inFile(sign(now)[:64] + "\n" + sign(now)[64:]), no + "the text in " + tokenPath + " has white space inside, which no token has", "restart", ""},
		"white space around it":          {func(f *fake) { f.write(tokenPath, " "+sign(now)+"\n", 0o644) }, works + "; 1 warning", "", "has white space around the token, which SDKs send to AWS as it is"},
		"a final newline":                {func(f *fake) { f.write(tokenPath, sign(now)+"\n", 0o644) }, works, "", "/.fly/oidc_token, fresh for 10m"},
		"half a token":                   {inFile(sign(now)[:200]), no + tokenPath + ": not a usable token", "restart", "neither the socket nor the token file has one"},
		"a token of Kubernetes":          {func(f *fake) { f.write(tokenPath, sign(now, "iss", "https://kubernetes.default.svc"), 0o644) }, no + "the token in " + tokenPath + " is from https://kubernetes.default.svc, not from Fly", "restart", ""},
		"a token of another machine":     {func(f *fake) { f.write(tokenPath, sign(now, "iss", "https://oidc.fly.io/other"), 0o644) }, no + "the token in " + tokenPath + " is of https://oidc.fly.io/other, the machine of https://oidc.fly.io/acme", "restart", ""},
		"a token for Fly":                {both(atOwnPath, func(f *fake) { f.write(ownPath, sign(now, "aud", "https://fly.io/acme"), 0o600) }), no + "the token in " + ownPath + " is for the audience https://fly.io/acme, not sts.amazonaws.com", "ask for the audience sts.amazonaws.com", ""},
		"a token that expired":           {func(f *fake) { f.write(tokenPath, sign(now.Add(-15*time.Minute)), 0o644) }, no + "the token in " + tokenPath + " expired 5m ago", "restart the machine", "AWS issues credentials for 1h"},
		"a script that does not renew":   {both(atOwnPath, func(f *fake) { f.write(ownPath, sign(now.Add(-time.Hour)), 0o600) }), no + "the token in " + ownPath + " expired 50m ago", "renew it: a token lasts ten minutes; or let Fly", ""},
		"expired, and no socket":         {inFile(sign(now.Add(-15 * time.Minute))), no + "the token in " + tokenPath + " expired 5m ago", "restart the machine", "not tried: there is no valid token"},
		"a token of the future":          {func(f *fake) { f.write(tokenPath, sign(now, "nbf", now.Add(6*time.Minute).Unix()), 0o644) }, no + "the token in " + tokenPath + " is not valid for another 6m", "check the machine's clock", ""},
		"Fly's path, written otherwise":  {both(set("AWS_WEB_IDENTITY_TOKEN_FILE", "/.fly/../.fly/oidc_token"), func(f *fake) { f.files["/.fly/../.fly/oidc_token"] = f.files[tokenPath] }), works, "", "fresh for 6m"},
		"a path in GitHub's containers":  {set("AWS_WEB_IDENTITY_TOKEN_FILE", "/github/workspace/token"), no + "there is no token file /github/workspace/token: the path is that of a runner of GitHub Actions, not Fly's", "let Fly", ""},
		"a path of a service account":    {set("AWS_WEB_IDENTITY_TOKEN_FILE", "/run/secrets/kubernetes.io/serviceaccount/token"), no + "there is no token file /run/secrets/kubernetes.io/serviceaccount/token: the path is that of Kubernetes (EKS), not Fly's", "let Fly", ""},
		"a path with an escape sequence": {set("AWS_WEB_IDENTITY_TOKEN_FILE", "/\x1b[2Jtoken"), no + `there is no token file /\x1b[2Jtoken: the path is not Fly's, so something in the image has to write it`, "have the script", ""},

		// The users.
		"for root only": {
			func(f *fake) { f.write(tokenPath, sign(now), 0o600) },
			no + "the app's user web cannot read /.fly/oidc_token: only root can (owner root, mode 0600)", "run the app as a user who can: drop USER from the Dockerfile", "fly-aws exec -- su web -s /bin/sh -c 'COMMAND'",
		},
		"for another group": {
			func(f *fake) { f.files[tokenPath] = file{text: sign(now), gid: 5, mode: 0o640} },
			no + "the app's user web cannot read /.fly/oidc_token: root and its group can (owner root, mode 0640)", "run the app as a user who can", "copy the token every minute to a file of web",
		},
		"in a closed folder": {
			func(f *fake) { f.files["/.fly"] = file{mode: fs.ModeDir | 0o700} },
			no + "the app's user web cannot read /.fly/oidc_token: the file is for everyone, but a folder above it is not (owner root, mode 0644)", "run the app", "",
		},
		"for the app's group": {func(f *fake) { f.files[tokenPath] = file{text: sign(now), gid: 77, mode: 0o640} }, works, "", "web can read the token file"},
		"for the app's user":  {func(f *fake) { f.files[tokenPath] = file{text: sign(now), uid: 1000, mode: 0o400} }, works, "", "web can read the token file"},
		"the app is root": {func(f *fake) {
			f.write(tokenPath, sign(now), 0o600)
			f.files["/proc/321/status"] = file{text: status(1, "0")}
		}, works, "", "root can read the token file"},
		"a user without a name": {func(f *fake) {
			f.files["/proc/321/status"] = file{text: status(1, "4711")}
			f.write(tokenPath, sign(now), 0o600)
		}, no + "the app's user 4711 cannot read /.fly/oidc_token: only root can (owner root, mode 0600)", "run the app", ""},
		"root and a user's file": {func(f *fake) {
			f.files[tokenPath] = file{text: sign(now), uid: 1000, mode: 0o400}
			f.files["/proc/321/status"] = file{text: status(1, "0")}
		}, works, "", "root can read the token file"},
		"a folder that can only be listed": {
			func(f *fake) { f.files["/.fly"] = file{mode: fs.ModeDir | 0o754} },
			no + "the app's user web cannot read /.fly/oidc_token: the file is for everyone, but a folder above it is not (owner root, mode 0644)", "run the app", "",
		},
		"a process with another effective user": {func(f *fake) {
			f.files["/proc/321/status"] = file{text: strings.Replace(status(1, "1000"), "Uid:\t1000\t1000", "Uid:\t1000\t33", 1)}
		}, works, "", "33 can read the token file"},
		"two users":     {process(330, 1, "33"), works + "; not checked: app's user", "", "→ name the app's user: fly-aws doctor --user NAME"},
		"two processes": {process(330, 1, "1000"), works, "", "web can read the token file"},
		"no processes": {func(f *fake) {
			maps.DeleteFunc(f.files, func(name string, _ file) bool { return strings.HasPrefix(name, "/proc/") })
		}, works + "; not checked: app's user", "", "who that is is not known"},
		"only Fly's processes":      {func(f *fake) { delete(f.files, "/proc/321/status") }, works + "; not checked: app's user", "", "who that is is not known"},
		"--user by name":            {func(f *fake) { f.user = "web"; f.files[tokenPath] = file{text: sign(now), gid: 77, mode: 0o640} }, works, "", "web can read the token file"},
		"--user by ID":              {func(f *fake) { f.user = "33"; f.write(tokenPath, sign(now), 0o600) }, no + "the app's user 33 cannot read /.fly/oidc_token: only root can (owner root, mode 0600)", "run the app", ""},
		"--user is unknown":         {func(f *fake) { f.user = "ghost" }, works + "; not checked: app's user", "", `/etc/passwd has no user "ghost"`},
		"run from outside, as root": {both(process(400, 1, "0"), ownProcess(400)), works, "", "✓ app's user  web can read"},
		"run in a shell, as root":   {both(process(400, 1, "0"), process(401, 400, "0"), ownProcess(401)), works, "", "✓ app's user  web can read"},
		"run from outside, no app":  {both(process(321, 1, "0"), ownProcess(321)), works + "; not checked: app's user", "", "who that is is not known"},
		"Fly's own, another folder": {both(process(400, 1, "0"), func(f *fake) { f.files["/proc/400/cmdline"] = file{text: "/fly/init\x00"} }), works, "", "✓ app's user  web can read"},
		"no list of users":          {func(f *fake) { f.user = "web"; delete(f.files, "/etc/passwd") }, works + "; not checked: app's user", "", `/etc/passwd has no user "web"`},
		"no IDs of users":           {func(f *fake) { f.files["/"] = file{uid: -1, mode: fs.ModeDir | 0o755} }, works + "; not checked: app's user", "", "its permissions cannot be seen"},
		"run as nobody": {
			func(f *fake) {
				f.uid = 65534
				f.user = "65534"
				f.write("/run/token", sign(now), 0o600)
				f.env["AWS_WEB_IDENTITY_TOKEN_FILE"] = "/run/token"
			},
			no + "the user 65534, who runs this, cannot read /run/token: only root can (owner root, mode 0600)", "run the app as a user who can", "or have a process of root copy",
		},
		"run as another user than the app's": {func(f *fake) {
			f.uid = 65534
			f.files["/run/token"] = file{text: sign(now), uid: 1000, mode: 0o400}
			f.env["AWS_WEB_IDENTITY_TOKEN_FILE"] = "/run/token"
		}, no + "the user 65534, who runs this, cannot read /run/token, but the app's user web can", "fly ssh console --user web -C 'fly-aws doctor'", ""},
		"run as a user who sees no modes": {func(f *fake) {
			f.uid = 65534
			f.files["/run/token"] = file{statErr: fs.ErrPermission}
			f.env["AWS_WEB_IDENTITY_TOKEN_FILE"] = "/run/token"
		}, no + "the user 65534, who runs this, cannot read /run/token", "run the app as a user who can", ""},

		// The session's name.
		"no session name":        {unset("AWS_ROLE_SESSION_NAME"), works, "", ""},
		"a session name of one":  {set("AWS_ROLE_SESSION_NAME", "x"), no + `AWS_ROLE_SESSION_NAME is "x", which STS refuses: it has fewer than 2 characters`, "let Fly set it: fly secrets unset AWS_ROLE_SESSION_NAME", ""},
		"a session name's slash": {set("AWS_ROLE_SESSION_NAME", "web/1"), no + `AWS_ROLE_SESSION_NAME is "web/1", which STS refuses: IAM allows letters, digits and _+=,.@- in a name, not '/'`, "let Fly set it", ""},

		// The region.
		"no region":          {unset("AWS_REGION", "AWS_DEFAULT_REGION"), no + "AWS_REGION is not set; Fly sets none, and the SDKs need one", "set AWS_REGION in the [env] of fly.toml", ""},
		"Tigris's region":    {set("AWS_REGION", "auto"), no + `AWS_REGION is "auto", which is not an AWS region`, "auto is for Tigris: first give its client that region", ""},
		"Fly's region":       {set("AWS_REGION", "fra"), no + `AWS_REGION is "fra", which is not an AWS region`, "set AWS_REGION to an AWS region, such as ", ""},
		"a new region":       {set("AWS_REGION", "eu-north-9"), works + "; 1 warning", "", "which this version does not know"},
		"the default region": {both(unset("AWS_REGION"), set("AWS_DEFAULT_REGION", "eu-north-1")), works + "; 1 warning", "", "! region      eu-north-1, but only as AWS_DEFAULT_REGION: the AWS SDKs for JavaScript v3 and Java v2 find no region"},
		"no default region":  {unset("AWS_DEFAULT_REGION"), works + "; 1 warning", "", "! region      eu-central-1, but only as AWS_REGION: boto3 and the AWS CLI v1 find no region"},
		"an empty default":   {set("AWS_DEFAULT_REGION", ""), works + "; 1 warning", "", "set AWS_DEFAULT_REGION to it too"},
		"a bad default":      {both(unset("AWS_REGION"), set("AWS_DEFAULT_REGION", "Europe")), no + `AWS_DEFAULT_REGION is "Europe", which is not an AWS region`, "set AWS_DEFAULT_REGION to an AWS region", ""},
		"two regions":        {set("AWS_DEFAULT_REGION", "Europe"), works + "; 1 warning", "", `! region      eu-central-1, but boto3 and the AWS CLI v1 use AWS_DEFAULT_REGION, which is "Europe"`},

		// The endpoints and the socket.
		"an endpoint for a service":  {set("AWS_ENDPOINT_URL_SQS", "http://localhost:4566"), works + "; 1 warning", "", "AWS_ENDPOINT_URL_SQS: AWS calls go to another endpoint than AWS's"},
		"an endpoint for STS":        {both(set("AWS_ENDPOINT_URL_STS", "http://localhost:1"), func(f *fake) { f.lasts = errors.New("connection refused") }), no + "connection refused", "AWS_ENDPOINT_URL_STS sends the calls to another endpoint", ""},
		"an endpoint that is no STS": {both(set("AWS_ENDPOINT_URL", "https://fly.storage.tigris.dev"), refused("NotImplemented", "no such action")), no + "AWS refuses: NotImplemented: no such action", "AWS_ENDPOINT_URL sends the calls to another endpoint", ""},
		"not root":                   {fails(flyoidc.MintNotAllowed), works + "; 1 warning", "", "the socket belongs to root"},
		"a Sprite":                   {fails(flyoidc.MintNoSocket), works + "; 1 warning", "", "a Sprite has no such socket"},
		"no socket, no machine ID":   {both(fails(flyoidc.MintNoSocket), unset("FLY_MACHINE_ID")), works + "; 1 warning; not checked: app's user", "", "run it in a Fly Machine"},
		"a busy socket":              {fails(flyoidc.MintConnectionRefused), works + "; 1 warning", "", "a machine that has just booted may not be ready"},
		"a slow socket":              {fails(flyoidc.MintTimeout), works + "; 1 warning", "", "try again in a few seconds"},
		"Fly refuses":                {fails(flyoidc.MintRefused), works + "; 1 warning", "", "Fly's support can look the request up"},
		"a cut-off token":            {fails("cut-off"), works + "; 1 warning", "", "only part of a token"},
		"a socket of the unknown":    {func(f *fake) { f.mintErr = errors.New("odd") }, works + "; 1 warning", "", "! socket      odd"},
		"a broken token":             {both(func(f *fake) { f.fresh = "x" }, inFile("x"), func(f *fake) { f.mintErr = nil }), no + tokenPath + ": not a usable token: the text has 1 part; a token has three, separated by dots", "restart", "✗ token       not a usable token"},
		"another app's token":        {set("FLY_APP_NAME", "api"), works + "; 1 warning", "", "although this is a machine of the app api"},
		"an odd subject":             {func(f *fake) { f.fresh = sign(now, "sub", "web") }, works + "; 1 warning", "", "! token       sub web, from"},

		// AWS.
		"the trust policy":     {refused("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"), no + "AWS refuses: AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity", "fly-aws explain --role " + roleARN + " --subject acme:web:cold-shape-2007", ""},
		"the provider":         {refused("InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://oidc.fly.io/acme"), no + "AWS refuses: InvalidIdentityToken: No OpenIDConnect provider found in your account for https://oidc.fly.io/acme", "fly-aws setup --org acme --app web", ""},
		"another refusal":      {refused("Odd", "x"), no + "AWS refuses: Odd: x", "", ""},
		"a role from a secret": {both(refused("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"), func(f *fake) { f.config = roleARN + "-new" }), no + "AWS refuses: AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity", "the role is not that of fly.toml, " + roleARN + "-new, which a secret overrides", ""},
		"no network":           {func(f *fake) { f.lasts = context.DeadlineExceeded }, no + "AWS does not answer in time", "check the machine's network", ""},
		"no credentials":       {func(f *fake) { f.callErr = errors.New("none found") }, no + "the AWS SDKs find no credentials here: none found", "look at ~/.aws/config", ""},
		"no answer":            {func(f *fake) { f.callErr = context.DeadlineExceeded }, no + "AWS does not answer in time", "check the machine's network", ""},
		"another identity":     {func(f *fake) { f.caller = "arn:aws:iam::123456789012:user/me" }, no + "the AWS SDKs use arn:aws:iam::123456789012:user/me here, not the role", "look for what gives these credentials", ""},
		"another role":         {func(f *fake) { f.caller = strings.Replace(session, "web/", "api/", 1) }, no + "the AWS SDKs use arn:aws:sts::123456789012:assumed-role/fly-acme-api/me here, not the role", "look for", ""},
		"another account":      {func(f *fake) { f.caller = strings.Replace(session, "1234", "9999", 1) }, no + "the AWS SDKs use arn:aws:sts::999956789012:assumed-role/fly-acme-web/me here, not the role", "look for", ""},
		"keys and no role":     {both(unset("AWS_ROLE_ARN"), func(f *fake) { f.caller = "arn:aws:iam::123456789012:user/me" }), no + "AWS_ROLE_ARN is not set, so Fly keeps no token file and the SDKs use no role", "set it", "the AWS SDKs use arn:aws:iam::123456789012:user/me here\n"},
	}
	if len(tests) < 40 {
		t.Errorf("only %d machines", len(tests))
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			if test.change != nil {
				test.change(f)
			}
			report := f.machine().Examine(t.Context(), f.user)
			var out strings.Builder
			render.Doctor(&out, report, render.Style{})
			line, rest, _ := strings.Cut(out.String(), "\n")
			if line != test.line && (!strings.HasSuffix(test.line, "not a usable token") || !strings.HasPrefix(line, test.line)) {
				t.Errorf("the first line is\n%s\nnot\n%s", line, test.line)
			}
			next, checks, _ := strings.Cut(rest, "\n")
			if !strings.Contains(next, test.next) || (test.next == "") != (next == "") {
				t.Errorf("the next step is\n%s\nnot\n%s", next, test.next)
			}
			if other, absent := strings.CutSuffix(test.other, " no"); absent == strings.Contains(checks, other) {
				t.Errorf("the checks and %q:\n%s", test.other, checks)
			}
			if strings.Contains(out.String(), "eyJ") || strings.Contains(out.String(), "s3cr3t") || strings.Contains(out.String(), "\x1b") {
				t.Errorf("a secret or a control character:\n%s", &out)
			}
			if doc := render.NewDoctorDocument(report); doc.OK != strings.HasPrefix(line, "✓ ") || !strings.HasSuffix(line, doc.Conclusion.Message) || doc.Conclusion.Code == "" {
				t.Errorf("the document says %+v", doc.Conclusion)
			}
		})
	}
}

// TestCodesAreWorded: each check that any machine gets has words, and one name has one
// check.
func TestCodesAreWorded(t *testing.T) {
	t.Parallel()
	report := newFake().machine().Examine(t.Context(), "")
	var names []string
	for _, line := range render.NewDoctorDocument(report).Checks {
		if line.Detail == line.Code || slices.Contains(names, line.Name) {
			t.Errorf("check %+v", line)
		}
		names = append(names, line.Name)
	}
}

// TestMachinePage: docs/machine.md shows the beginning of what the doctor prints.
func TestMachinePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/machine.md")
	if err != nil {
		t.Fatal(err)
	}
	f := newFake()
	f.write(tokenPath, sign(now), 0o600)
	var out strings.Builder
	render.Doctor(&out, f.machine().Examine(t.Context(), ""), render.Style{})
	begin, _, _ := strings.Cut(out.String(), "\n\n")
	if !strings.Contains(string(page), "```text\n"+begin+"\n```") {
		t.Errorf("docs/machine.md does not show\n%s", begin)
	}
}

// TestInterrupted: what was not checked is not said to work.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	report := newFake().machine().Examine(ctx, "")
	if report.Conclusion.Code != doctor.CodeUndecided || len(report.Checks) > 0 {
		t.Errorf("%+v", report)
	}
	var out strings.Builder
	render.Doctor(&out, report, render.Style{})
	if out.String() != "? undecided: not everything was checked\n\n" {
		t.Error(out.String())
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	appears := func(f *fake) {
		if f.now.Sub(now) > 5*time.Second {
			f.write(tokenPath, sign(now), 0o644)
		}
	}
	for name, test := range map[string]struct {
		change func(*fake)
		path   string
		found  bool
		waited time.Duration
	}{
		"there":               {nil, tokenPath, true, 0},
		"it appears":          {func(f *fake) { delete(f.files, tokenPath); f.slept = appears }, tokenPath, true, 5500 * time.Millisecond},
		"it is filled":        {func(f *fake) { f.write(tokenPath, "", 0o644); f.slept = appears }, tokenPath, true, 5500 * time.Millisecond},
		"it does not appear":  {func(f *fake) { delete(f.files, tokenPath) }, tokenPath, false, 30 * time.Second},
		"it is denied":        {func(f *fake) { f.files[tokenPath] = file{readErr: fs.ErrPermission} }, tokenPath, false, 0},
		"no variable yet":     {func(f *fake) { delete(f.env, "AWS_WEB_IDENTITY_TOKEN_FILE") }, tokenPath, true, 0},
		"another path":        {atOwnPath, ownPath, true, 0},
		"a path, no role":     {both(unset("AWS_ROLE_ARN"), atOwnPath), ownPath, true, 0},
		"nothing to wait for": {unset("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"), "", false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			if test.change != nil {
				test.change(f)
			}
			m := f.machine()
			if got := m.TokenFile(); got != test.path {
				t.Errorf("it waits for %q, not %q", got, test.path)
			}
			if found := m.Wait(t.Context(), 30*time.Second); found != test.found || f.now.Sub(now) != test.waited {
				t.Errorf("found %t after %s", found, f.now.Sub(now))
			}
		})
	}
}

// FuzzMachine: whatever is in a machine, the answer is one line, clean and without the
// token.
func FuzzMachine(f *testing.F) {
	f.Add("AWS_REGION", "\x1b[2J", `{"a":`, "root:x:0")
	f.Add("AWS_ROLE_ARN", "arn:aws:iam::1:role/\u202e", "", ":::")
	f.Add("AWS_WEB_IDENTITY_TOKEN_FILE", "\x00", sign(now), "Uid:")
	f.Fuzz(func(t *testing.T, name, value, token, list string) {
		m := newFake()
		m.env[name] = value
		m.files["/etc/passwd"] = file{text: list}
		m.files["/proc/321/status"] = file{text: list}
		m.write(tokenPath, token, 0o600)
		report := m.machine().Examine(t.Context(), "")
		var out strings.Builder
		render.Doctor(&out, report, render.Style{})
		if strings.ContainsFunc(out.String(), func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' }) {
			t.Errorf("%q", out.String())
		}
		if lines := strings.Count(out.String(), "\n"); lines > 3*len(report.Checks)+3 {
			t.Errorf("%d lines for %d checks", lines, len(report.Checks))
		}
	})
}
