package cli

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

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

// Clients find the subscriptions that an import into a running local Azure brings.
func TestImportIsPublished(t *testing.T) {
	dir := t.TempDir()
	a := &App{Out: io.Discard, Err: io.Discard, Now: time.Now}
	s, err := serve(t.Context(), a, cloud.Config{Dir: dir, Addr: "127.0.0.1:0", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.stop() })
	const sub = "33333333-3333-3333-3333-333333333333"
	if _, err := s.cloud.Import(t.Context(), strings.NewReader(`{"aksidCollection": 1, "documents": [{"document": {"id": "/subscriptions/`+sub+`", "displayName": "Imported"}},
		{"document": {"id": "/subscriptions/`+sub+`/resourceGroups/rg", "location": "westeurope"}}]}`)); err != nil {
		t.Fatal(err)
	}
	e, err := local.Read(dir)
	if err != nil || !slices.ContainsFunc(e.Subscriptions, func(x local.Subscription) bool { return x.ID == sub && x.Name == "Imported" }) || e.PID != s.PID || !e.Started.Equal(s.Started) {
		t.Errorf("%+v, %v", e, err)
	}
}
