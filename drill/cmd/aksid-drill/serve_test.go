package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"aksid/drill/controllers"
	"aksid/internal/drill/act"
)

// Requests that make no sense are answered, in words; the program goes on.
func TestServe(t *testing.T) {
	in := strings.Join([]string{
		`{"id": 1, "cluster": "/c", "do": {"kind": "leave-node"}}`,
		`{"id": 2, "cluster": "/c", "close": true}`,
		`{"id": 3, "open": {"id": "no id"}}`,
		`{"id": 4, "open": {"id": "no id"}}`,
		`{"id": 5, "cluster": "no id", "do": {"kind": "leave-node"}}`,
		`{"id": 6, "cluster": "no id", "close": true}`,
		`{"id": 7}`,
	}, "\n")
	var out bytes.Buffer
	if err := serve(controllers.Connect(nil), strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(&out)
	var hello act.Hello
	if err := d.Decode(&hello); err != nil || hello.Version != act.Version || !strings.HasPrefix(hello.Kubernetes, "v1.") {
		t.Errorf("%+v, %v", hello, err)
	}
	said := map[int]string{}
	for d.More() {
		var a act.Answer
		if err := d.Decode(&a); err != nil {
			t.Fatal(err)
		}
		said[a.ID] = a.Error
	}
	for id, want := range map[int]string{1: "not at all", 2: "not at all", 3: "does not begin with /", 4: "open already", 5: "does not begin with /", 6: "does not begin with /", 7: "not at all"} {
		if !strings.Contains(said[id], want) {
			t.Errorf("%d is answered with %q, want %q", id, said[id], want)
		}
	}
}

func TestServeRefusesOtherLanguages(t *testing.T) {
	var out bytes.Buffer
	if err := serve(controllers.Connect(nil), strings.NewReader("hello\n"), &out); err == nil {
		t.Error("a line that is no request")
	}
}

// A panic of upstream code is an error of one request.
func TestRecovered(t *testing.T) {
	_, err := do(nil, act.Step{Kind: act.LeaveNode})
	if err == nil || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("%v", err)
	}
}

// runProgram runs the program and returns what it says and its exit code.
func runProgram(t *testing.T, args ...string) (said string, code int) {
	t.Helper()
	name := act.Program
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, name), args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// The program is not for people.
func TestUsage(t *testing.T) {
	for _, args := range []string{"", "--data x y"} {
		if _, code := runProgram(t, strings.Fields(args)...); code != 2 {
			t.Errorf("%q: exit code %d", args, code)
		}
	}
	if out, code := runProgram(t, "--version"); code != 0 || !strings.HasPrefix(out, fmt.Sprintf("%s %d Kubernetes v1.", act.Program, act.Version)) {
		t.Errorf("%q, %d", out, code)
	}
	if out, code := runProgram(t, "--data", filepath.Join(os.TempDir(), "nowhere")); code != 1 || !strings.Contains(out, "no local Azure is running") {
		t.Errorf("%q, %d", out, code)
	}
}
