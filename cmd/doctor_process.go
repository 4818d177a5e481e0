package cmd

import (
	"os"

	"github.com/spf13/pflag"

	"github.com/fly-aws/fly-aws/internal/doctor"
)

// appEnvironmentFlag has doctor run with the environment of the app's process.
const appEnvironmentFlag = "app-environment"

// runInAppEnvironment runs doctor with the same flags again, in place of this process and
// with the environment of the app's: the AWS SDK reads its process's own. With --socket it
// checks the machine, whatever that environment has.
func runInAppEnvironment(sys System, flags *pflag.FlagSet) error {
	environ, err := doctor.AppEnviron(os.DirFS("/proc"), os.Getpid())
	if err != nil {
		return &hintedError{err: err, hint: "run it as root in a Fly Machine; without --" + appEnvironmentFlag + " the environment is that of this process"}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	argv := []string{"fly-aws", "doctor", "--socket=" + flags.Lookup("socket").Value.String()}
	flags.Visit(func(f *pflag.Flag) {
		if f.Name != appEnvironmentFlag && f.Name != "socket" {
			argv = append(argv, "--"+f.Name+"="+f.Value.String())
		}
	})
	return sys.Exec(self, argv, environ)
}
