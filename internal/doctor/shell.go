package doctor

import (
	"maps"
	"slices"
	"strings"
)

// A Process is what a shell in a machine could read of the app's process.
type Process struct {
	// Values are the variables that are no secrets: the role's ARN, regions and the token
	// file. The text is raw.
	Values map[string]string
	// Names are the names of all the variables that begin with AWS_, sorted.
	Names []string
}

// shellName is $0 of the script, by which it knows its own process.
const shellName = "fly-aws-doctor"

// shellScript prints the AWS variables of the processes that Fly's init started, as
// AppEnviron chooses them; $1 is /proc. Of most it prints the name only.
const shellScript = `for d in "$1"/[0-9]*; do
  [ "$(sed -n 's/^PPid:[^0-9]*//p' "$d/status" 2>/dev/null)" = 1 ] || continue
  case "$(tr '\0' ' ' <"$d/cmdline" 2>/dev/null)" in ''|/fly/*|/.fly/*|*` + shellName + `*) continue ;; esac
  [ -r "$d/environ" ] || exit 1
  echo process
  tr '\0' '\n' <"$d/environ" | sed -n -e '/^AWS_ROLE_ARN=/p' -e '/^AWS_REGION=/p' -e '/^AWS_DEFAULT_REGION=/p' -e '/^AWS_WEB_IDENTITY_TOKEN_FILE=/p' -e 's/^\(AWS_[A-Z0-9_]*\)=.*/name \1/p'
done`

// ShellCommand is the command whose output ReadProcess reads. proc is /proc.
func ShellCommand(proc string) []string { return []string{"sh", "-c", shellScript, shellName, proc} }

// ReadProcess reads the output of ShellCommand; nil if it is about no process, or about
// several that differ.
func ReadProcess(output string) *Process {
	var found *Process
	for i, block := range strings.Split("\n"+output, "\nprocess\n") {
		if i == 0 {
			continue
		}
		p := &Process{Values: map[string]string{}}
		for line := range strings.Lines(block) {
			line = strings.TrimSuffix(line, "\n")
			if name, ok := strings.CutPrefix(line, "name "); ok {
				p.Names = append(p.Names, name)
			} else if name, value, ok := strings.Cut(line, "="); ok {
				p.Values[name] = value
			}
		}
		slices.Sort(p.Names)
		p.Names = slices.Compact(p.Names)
		if found != nil && !found.equal(p) {
			return nil
		}
		found = p
	}
	return found
}

func (p *Process) equal(q *Process) bool {
	return maps.Equal(p.Values, q.Values) && slices.Equal(p.Names, q.Names)
}
