package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// bin holds aksid and aksid-drill, side by side as they are installed.
var bin string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "aksid-bin-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	bin = dir
	for folder, pkg := range map[string]string{"../../..": "./cmd/aksid", "../..": "./cmd/aksid-drill"} {
		cmd := exec.Command("go", "build", "-C", folder, "-o", dir+string(filepath.Separator), pkg)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			panic(err)
		}
	}
	return m.Run()
}

// aksid runs a command line and returns its standard output and exit code.
func aksid(t *testing.T, args ...string) (out []byte, code int) {
	t.Helper()
	name := "aksid"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, name), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if code = cmd.ProcessState.ExitCode(); code > 1 {
		t.Fatalf("aksid %s: exit code %d: %s", strings.Join(args, " "), code, stderr.Bytes())
	}
	return stdout.Bytes(), code
}

// tally is the part of `aksid drill --agreement -o json` that is looked at.
type tally struct {
	Configurations, Operations, Agreements, Refused, Silent int
	Seconds                                                 float64
	Disagreements                                           []json.RawMessage
}

func agreement(t *testing.T, n int, args ...string) tally {
	t.Helper()
	out, code := aksid(t, append([]string{"drill", "--agreement", strconv.Itoa(n), "-o", "json"}, args...)...)
	var got tally
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got.Configurations != n || got.Agreements+len(got.Disagreements) != got.Operations || (code == 1) != (len(got.Disagreements) > 0) {
		t.Errorf("exit code %d: %+v", code, got)
	}
	return got
}

var configurations = flag.Int("configurations", 300, "how many random configurations TestAgreement tries")

// What is predicted from the estate, the catalogue and the engine is what the genuine code of Kubernetes meets.
func TestAgreement(t *testing.T) {
	got := agreement(t, *configurations, "--seed", "5")
	t.Logf("%d configurations, %d operations, %d refused as predicted, %d of them silently, in %.0f s", got.Configurations, got.Operations, got.Refused, got.Silent, got.Seconds)
	for _, d := range got.Disagreements {
		t.Errorf("%s", d)
	}
	if got.Operations < 4*got.Configurations || got.Refused < got.Configurations/3 || got.Silent == 0 {
		t.Errorf("hardly anything was tried: %+v", got)
	}
}

// An action that the catalogue does not name, or that the local Azure does not refuse, is noticed.
func TestTeeth(t *testing.T) {
	for _, action := range []string{
		"Microsoft.Network/virtualNetworks/subnets/join/action", "Microsoft.Network/loadBalancers/delete",
		"Microsoft.Compute/disks/write", "Microsoft.ContainerRegistry/registries/pull/read",
	} {
		lacking := []string{"--seed", "1", "--lacking", action}
		if got := agreement(t, 10, lacking...); len(got.Disagreements) > 0 || got.Refused == 0 {
			t.Errorf("%s is lacking, %d operations are refused, and there are disagreements: %s", action, got.Refused, got.Disagreements)
		}
		for _, fault := range []string{"--without-action", "--forget-action"} {
			got := agreement(t, 10, append(lacking, fault, action)...)
			if len(got.Disagreements) == 0 || !strings.Contains(string(bytes.Join(rawOf(got), nil)), action) {
				t.Errorf("%s %s is not noticed", fault, action)
			}
		}
	}
}

func rawOf(t tally) [][]byte {
	var out [][]byte
	for _, d := range t.Disagreements {
		out = append(out, d)
	}
	return out
}
