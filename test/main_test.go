// Package test drives a running aksid from outside, with the clients that people use: the real az and the Azure SDK for Go.
package test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// aksid is the binary under test.
var aksid string

// programVar makes the test binary a program for "aksid exec" to run.
const programVar = "AKSID_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if name := os.Getenv(programVar); name != "" {
		os.Exit(runProgram(name))
	}
	os.Exit(withBinary(m.Run))
}

func withBinary(run func() int) int {
	dir, err := os.MkdirTemp("", "aksid-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	aksid = filepath.Join(dir, "aksid")
	if out, err := exec.Command("go", "build", "-o", aksid, "aksid/cmd/aksid").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return run()
}

// cloud is a local Azure that "aksid up" runs.
type cloud struct {
	data string
	env  []string
	cmd  *exec.Cmd
}

// patience bounds every step. It is generous: nothing here is a measurement.
const patience = 3 * time.Minute

// up starts a local Azure on a free port with a data folder of its own, and stops it at the end of the test.
func up(t *testing.T) *cloud {
	t.Helper()
	home := t.TempDir()
	c := &cloud{data: filepath.Join(home, "data")}
	c.env = append(os.Environ(), "HOME="+home, "AKSID_DATA="+c.data)
	c.start(t)
	t.Cleanup(func() { c.stop(t) })
	return c
}

// start runs "aksid up" and waits for the line that says it is ready.
func (c *cloud) start(t *testing.T) {
	t.Helper()
	c.cmd = exec.Command(aksid, "up", "--addr", "127.0.0.1:0")
	c.cmd.Env = c.env
	c.cmd.Stderr = os.Stderr
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || !strings.Contains(line, "https://localhost:") {
		t.Fatalf("aksid up said %q, %v", line, err)
	}
	go io.Copy(io.Discard, stdout)
}

// stop ends "aksid up" as a supervisor does and checks that it takes leave in order.
func (c *cloud) stop(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("aksid up ended with %v", err)
	}
	if _, err := os.Stat(filepath.Join(c.data, "endpoint.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the endpoint file is still there: %v", err)
	}
}

// result is what a program left behind.
type result struct {
	stdout, stderr string
	code           int
}

// exec runs a program through "aksid exec"; as is "" for the operator.
func (c *cloud) exec(t *testing.T, as string, command ...string) result {
	t.Helper()
	args := []string{"exec"}
	if as != "" {
		args = append(args, "--as", as)
	}
	return c.run(t, append(append(args, "--"), command...)...)
}

// run runs aksid.
func (c *cloud) run(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, aksid, args...)
	cmd.Env = c.env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("aksid %s: no end after %s\n%s%s", strings.Join(args, " "), patience, &stdout, &stderr)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// here is this package's folder.
func here() string {
	dir, err := os.Getwd() // go test runs a package's tests in its folder
	if err != nil {
		panic(err)
	}
	return dir
}
