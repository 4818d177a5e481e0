package doctor

import (
	"io/fs"
	"slices"
	"time"

	"github.com/fly-aws/fly-aws/internal/explain"
	"github.com/fly-aws/fly-aws/internal/flyname"
)

// A Level is the outcome of a check.
type Level string

// The levels. Unknown is for what could not be checked.
const (
	OK      Level = "ok"
	Warn    Level = "warn"
	Fail    Level = "fail"
	Unknown Level = "unknown"
)

// A Code says what a check found. It is stable.
type Code string

// A Check is one thing that was looked at. Which fields are set depends on the code; the
// others are zero.
type Check struct {
	// Name says what was looked at: "token file".
	Name string
	// Code says what was found.
	Code  Code
	Level Level
	// Variables are the names of the variables that it is about.
	Variables []string
	// Value is what was found: the value of a variable, an ARN, the app. Other is what it
	// is compared with.
	Value, Other string
	// Reason is a clause about what is wrong with Value.
	Reason string
	// Path is the path of a file or socket, Writer whose it is, and Permissions who may
	// read it, nil if that is unknown.
	Path        string
	Writer      Writer
	Permissions *Permissions
	// User is whom the file was checked for.
	User User
	// Duration is how far a clock is off (ahead if positive), how long ago something
	// expired, or how long it is still valid.
	Duration time.Duration
	// Tigris says that the values are those of Fly's object storage.
	Tigris bool
	// Claims are those of the token in question.
	Claims flyname.Claims
	// Refusal is AWS's answer, and Meaning what it means.
	Refusal *Refusal
	Meaning explain.Meaning
}

// Permissions are the owner and the mode of a file.
type Permissions struct {
	Owner User
	Mode  fs.FileMode
}

// A User is a user of the machine.
type User struct {
	// Name is "" where /etc/passwd has none.
	Name string
	ID   int
	// groups are the IDs of the user's groups.
	groups []int
}

// A Writer is who writes a token file, by its path.
type Writer string

// The writers.
const (
	WriterFly        Writer = "fly"            // Fly's init
	WriterKubernetes Writer = "kubernetes"     // a projected volume, as of EKS
	WriterGitHub     Writer = "github-actions" // a runner of GitHub Actions
	WriterScript     Writer = "script"         // something in the image
)

// A Refusal is an error that AWS answered with.
type Refusal struct {
	Code, Message string
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Message }

// A Report is what an examination found.
type Report struct {
	// Checks are in the order in which things break.
	Checks     []Check
	Conclusion Conclusion
}

// A Conclusion says whether AWS access works, or the one cause that it does not.
type Conclusion struct {
	// Code is CodeWorks, CodeUndecided, or the code of the cause.
	Code Code
	// Cause is the first check that failed, nil if none did.
	Cause *Check
}

// The codes of a Conclusion that are not those of a check.
const (
	// CodeWorks: nothing failed, and the AWS SDKs use the role.
	CodeWorks Code = "works"
	// CodeUndecided: nothing failed, but not everything was checked.
	CodeUndecided Code = "undecided"
)

// Conclude draws the conclusion from checks in the order in which things break: what
// broke first makes others fail. proof is the code without which nothing is proven.
func Conclude(checks []Check, proof Code) Conclusion {
	if i := slices.IndexFunc(checks, func(c Check) bool { return c.Level == Fail }); i >= 0 {
		return Conclusion{Code: checks[i].Code, Cause: &checks[i]}
	}
	if slices.ContainsFunc(checks, func(c Check) bool { return c.Code == proof }) {
		return Conclusion{Code: CodeWorks}
	}
	return Conclusion{Code: CodeUndecided}
}
