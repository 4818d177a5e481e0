package doctor_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fly-aws/fly-aws/internal/doctor"
)

func TestAppEnviron(t *testing.T) {
	t.Parallel()
	const self, gone = 40, "gone"
	type process struct {
		pid, parent      int
		command, environ string
	}
	initial := []process{
		{1, 0, "/fly/init\x00", "A=init\x00"},
		{20, 1, "/.fly/hallpass\x00", "A=hallpass\x00"},
		{39, 1, "fly-aws\x00doctor\x00", "A=exec\x00"}, // what Fly's API started
		{self, 39, "fly-aws\x00doctor\x00", "A=exec\x00"},
	}
	for name, test := range map[string]struct {
		processes []process
		want      []string
		reason    string
	}{
		"one":           {[]process{{30, 1, "/app/web\x00", "B=2\x00A=1\x00"}, {31, 30, "worker\x00", "A=child\x00"}}, []string{"A=1", "B=2"}, ""},
		"two alike":     {[]process{{31, 1, "/app/cron\x00", "AWS_A=1\x00HOME=/\x00"}, {30, 1, "/app/web\x00", "HOME=/app\x00AWS_A=1\x00"}}, []string{"AWS_A=1", "HOME=/app"}, ""},
		"two different": {[]process{{30, 1, "/app/web\x00", "AWS_A=1\x00"}, {31, 1, "/app/cron\x00", "AWS_A=2\x00"}}, nil, "2 different"},
		"two apps":      {[]process{{30, 1, "/app/web\x00", "FLY_A=1\x00"}, {31, 1, "/app/cron\x00", "B=1\x00"}}, nil, "2 different"},
		"Fly's own":     {[]process{{30, 1, "/app/web\x00", "A=1\x00"}, {31, 1, "/fly/x\x00", "AWS_A=2\x00"}}, []string{"A=1"}, ""},
		"one that ends": {[]process{{30, 1, "/app/web\x00", "A=1\x00"}, {31, 1, "/app/cron\x00", gone}, {32, 1, "/app/job\x00", ""}}, []string{"A=1"}, ""},
		"a zombie":      {[]process{{30, 1, "/app/web\x00", "A=1\x00"}, {31, 1, "", ""}}, []string{"A=1"}, ""},
		"none":          {nil, nil, "has started no process"},
		"an odd one":    {[]process{{30, -7, "x\x00", "A=1\x00"}}, nil, "has started no process"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proc := fstest.MapFS{"meminfo": {}, "99": {Mode: fs.ModeDir}}
			for _, p := range append(slices.Clone(initial), test.processes...) {
				dir := fmt.Sprint(p.pid)
				parent := fmt.Sprint(p.parent)
				if p.parent < 0 {
					parent = "one"
				}
				proc[dir+"/status"] = &fstest.MapFile{Data: []byte("Name:\tx\nPPid:\t" + parent + "\nUid:\t0\n")}
				proc[dir+"/cmdline"] = &fstest.MapFile{Data: []byte(p.command)}
				if p.environ != gone {
					proc[dir+"/environ"] = &fstest.MapFile{Data: []byte(p.environ)}
				}
			}
			got, err := doctor.AppEnviron(proc, self)
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			var failed *doctor.ProcessError
			if test.reason != "" && (!errors.As(err, &failed) || !strings.Contains(failed.Error(), test.reason)) || test.reason == "" && err != nil {
				t.Errorf("error %v, want %q", err, test.reason)
			}
		})
	}
	for name, proc := range map[string]fs.FS{
		"no /proc":           fstest.MapFS{".": {Mode: 0o600}},
		"environ unreadable": fstest.MapFS{"30/status": {Data: []byte("PPid:\t1\n")}, "30/cmdline": {Data: []byte("web")}, "30/environ": {Mode: fs.ModeDir}},
	} {
		if environ, err := doctor.AppEnviron(proc, self); err == nil || !strings.Contains(err.Error(), "not known: ") {
			t.Errorf("%s: got %q, %v", name, environ, err)
		}
	}
}
