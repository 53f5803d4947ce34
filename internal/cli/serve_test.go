package cli

import (
	"errors"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"aksid/internal/cloud"
	"aksid/internal/local"
)

func TestUnusedConnections(t *testing.T) {
	var u unused
	fresh, peer := net.Pipe()
	busy, _ := net.Pipe()
	u.see(fresh, http.StateNew)
	u.see(busy, http.StateNew)
	u.see(busy, http.StateActive)
	u.close()
	if _, err := peer.Read(make([]byte, 1)); err == nil {
		t.Error("a connection without a request was left open")
	}
	if err := busy.Close(); err != nil {
		t.Errorf("a connection at work was closed before: %v", err)
	}
	if len(u.conns) != 1 { // the server tells of its end
		t.Errorf("%d connections are remembered", len(u.conns))
	}
	u.see(fresh, http.StateClosed)
	if len(u.conns) != 0 {
		t.Error("a closed connection is remembered")
	}
}

func TestFolderError(t *testing.T) {
	dir := t.TempDir()
	if err := local.Publish(dir, local.Endpoint{URL: "https://localhost:8443", PID: 42}); err != nil {
		t.Fatal(err)
	}
	surprise := errors.New("surprise")
	for _, test := range []struct {
		err  error
		dir  string
		code int
		says string
	}{
		{cloud.ErrLocked, dir, exitUsage, "is in use by the local Azure at https://localhost:8443 (process 42); "},
		{cloud.ErrLocked, t.TempDir(), exitUsage, "is in use by another aksid; "},
		{cloud.ErrNewer, dir, exitUsage, "was written by a newer version of aksid; "},
		{cloud.ErrFull, dir, exitUnread, "is full; free some space"},
		{&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, dir, exitUnread, "is full; free some space"},
		{&fs.PathError{Op: "mkdir", Path: "x", Err: syscall.EACCES}, dir, exitUsage, "cannot be used (mkdir x: permission denied); "},
		{surprise, "", exitInternal, "surprise"},
	} {
		err := folderError(test.dir, test.err)
		if code := exitCode(err); code != test.code || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), test.dir) {
			t.Errorf("%v: exit code %d, %q", test.err, code, err)
		}
	}
}
