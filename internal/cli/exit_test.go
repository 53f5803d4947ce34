package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"testing"

	"github.com/spf13/cobra"

	"aksid/internal/local"
)

func TestReport(t *testing.T) {
	tests := []struct {
		err  error
		code int
		says string
	}{
		{nil, 0, ""},
		{errFindings, 1, ""},
		{usagef("no cluster %q; see: az aks list", "x"), 2, "aksid: no cluster \"x\"; see: az aks list\n"},
		{fmt.Errorf("wrapped: %w", usagef("two\n\tlines")), 2, "aksid: wrapped: two lines\n"},
		{unreadf("Graph did not answer"), 3, "aksid: Graph did not answer\n"},
		{&local.NotRunning{Dir: "/d"}, 3, "aksid: no local Azure is running on the data folder /d; start one with: aksid up --data /d\n"},
		{fmt.Errorf("printing: %w", &fs.PathError{Op: "write", Path: os.Stdout.Name(), Err: errors.New("no space left on device")}), 3, "aksid: printing: write /dev/stdout: no space left on device\n"},
		{&fs.PathError{Op: "write", Path: "/tmp/x", Err: errors.New("no space left on device")}, 4, "aksid: write /tmp/x: no space left on device; please report it, with the output of: aksid version\n"},
		{errors.New("surprise"), 4, "aksid: surprise; please report it, with the output of: aksid version\n"},
		{fmt.Errorf("reading: %w", context.Canceled), 130, "aksid: interrupted\n"},
		{exitStatus{code: 42}, 42, ""},
		{exitStatus{code: 130}, 130, ""},
		{exitStatus{127, errors.New("there is no program x")}, 127, "aksid: there is no program x\n"},
	}
	for _, test := range tests {
		var out, stderr bytes.Buffer
		a := &App{Out: &out, Err: &stderr}
		if code := a.report(test.err); code != test.code || stderr.String() != test.says || out.Len() > 0 {
			t.Errorf("%v: exit code %d, standard error %q, standard output %q; want %d and %q", test.err, code, stderr.String(), out.String(), test.code, test.says)
		}
	}
}

func TestAPanicIsReportedInOneLine(t *testing.T) {
	var stderr bytes.Buffer
	a := &App{Out: &stderr, Err: &stderr}
	root := newRoot(a)
	root.AddCommand(&cobra.Command{Use: "fall", RunE: func(*cobra.Command, []string) error { panic("off the edge") }})
	const want = "aksid: internal error: off the edge; please report it, with the output of: aksid version\n"
	if code := a.execute(context.Background(), root, []string{"fall"}); code != exitInternal || stderr.String() != want {
		t.Errorf("exit code %d, output %q", code, stderr.String())
	}
}

func TestVersionOf(t *testing.T) {
	info := &debug.BuildInfo{
		GoVersion: "go1.26.0",
		Main:      debug.Module{Version: "v1.2.3"},
		Settings:  []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "true"}},
	}
	for _, test := range []struct {
		info  *debug.BuildInfo
		table string
		json  string
	}{
		{info, "aksid v1.2.3, commit abc with changes, go1.26.0\n", `{"version":"v1.2.3","commit":"abc","time":"2026-01-02T03:04:05Z","modified":true,"go":"go1.26.0"}` + "\n"},
		{&debug.BuildInfo{GoVersion: "go1.26.0"}, "aksid (devel), an unknown commit, go1.26.0\n", `{"version":"(devel)","modified":false,"go":"go1.26.0"}` + "\n"},
	} {
		for format, want := range map[string]string{"table": test.table, "json": test.json} {
			var out bytes.Buffer
			if err := printVersion(&App{Out: &out}, versionOf(test.info), format); err != nil || out.String() != want {
				t.Errorf("%s: %q, %v; want %q", format, out.String(), err, want)
			}
		}
	}
	if v := versionOf(nil); v.Version != "(devel)" {
		t.Errorf("without build information: %+v", v)
	}
}

func TestGetenv(t *testing.T) {
	a := &App{Env: []string{"A=1", "AB=2", "A=3", "C"}}
	for name, want := range map[string]string{"A": "3", "AB": "2", "C": "", "B": ""} {
		if got := a.getenv(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}
