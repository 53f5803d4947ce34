package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aksid/internal/drill/act"
)

// standInDrill answers as the controllers' program does: everything works but internal load balancers, which are refused.
func standInDrill() int {
	out := json.NewEncoder(os.Stdout)
	_ = out.Encode(act.Hello{Version: act.Version, Kubernetes: "v1.29.15"})
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var r act.Request
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			return 2
		}
		a := act.Answer{ID: r.ID}
		if r.Do != nil {
			a.Done = &act.Done{}
		}
		if r.Do != nil && r.Do.Internal {
			a.Done = &act.Done{Error: "Error syncing load balancer", Refused: []act.Refusal{{Status: 403, Body: json.RawMessage(
				`{"error": {"code": "AuthorizationFailed", "message": "The client 'x' with object id 'x' does not have authorization to perform action 'Microsoft.Network/loadBalancers/write' over scope '/subscriptions/s' or the scope is invalid."}}`)}}}
		}
		_ = out.Encode(a)
	}
	return 0
}

// standInPlane is a control plane that does nothing, or with $PLANE_FAILS one that does not start.
func standInPlane() int {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, act.MaxLine)
	var p act.Plane
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &p) != nil || p.Host == "" {
		return 2
	}
	if os.Getenv("PLANE_FAILS") != "" {
		fmt.Fprintln(os.Stderr, "etcd: no room")
		return 1
	}
	_ = json.NewEncoder(os.Stdout).Encode(act.Ready{Version: act.Version, Kubernetes: "v1.29.15", Addr: "127.0.0.1:1"})
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// Without the controllers' program one line says how to build it.
func TestDrillWithoutProgram(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := (&App{}).program(act.Program, "drill")
	if code := exitCode(err); code != exitUnread || !strings.Contains(err.Error(), "go build -C drill") || oneLine(err) != err.Error() {
		t.Errorf("%d: %v", code, err)
	}
}

func TestDrillProgramOnPath(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	path := filepath.Join(dir, act.Program)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (&App{}).program(act.Program, "drill"); err == nil {
		t.Error("a file that cannot be executed is a program")
	}
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := (&App{}).program(act.Program, "drill"); got != path || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	if isExecutable(dir) {
		t.Error("a folder is a program")
	}
}

// A local Azure that is thrown away leaves nothing behind.
func TestThrowAway(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	az, stop, err := (&App{Err: os.Stderr, Now: time.Now}).throwAway(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(az.Dir); err != nil {
		t.Error(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(az.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("still there: %s", az.Dir)
	}
}
