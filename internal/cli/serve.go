package cli

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"aksid/internal/cloud"
	"aksid/internal/local"
)

// server is a local Azure that listens and can be found through its data folder.
type server struct {
	local.Endpoint
	dir    string
	cloud  *cloud.Cloud
	http   *http.Server
	unused unused
	failed chan error // gets what ends it other than stop
}

// serve opens a data folder, listens and says so in the folder. c.Addr must be loopback, port 0 takes a free one.
func serve(ctx context.Context, a *App, c cloud.Config) (*server, error) {
	l, err := listen(c.Addr)
	if err != nil {
		return nil, err
	}
	c.Addr = l.Addr().String()
	started := a.Now().UTC()
	c.Imported = func(info cloud.Info) {
		if err := local.Publish(c.Dir, endpoint(l, info, started)); err != nil {
			a.note("the subscriptions that were imported cannot be published: %v", err)
		}
	}
	opened, err := cloud.Open(ctx, c)
	if err != nil {
		l.Close()
		return nil, folderError(c.Dir, err)
	}
	s := &server{
		dir: c.Dir, cloud: opened, Endpoint: endpoint(l, opened.Info(), started), failed: make(chan error, 1),
		http: &http.Server{
			Handler:           opened.Handler(),
			TLSConfig:         opened.TLS(),
			ReadHeaderTimeout: 10 * time.Second,
			IdleTimeout:       2 * time.Minute,
			ErrorLog:          log.New(io.Discard, "", 0), // of connections that clients broke off
		},
	}
	s.http.ConnState = s.unused.see
	go func() { s.failed <- s.http.ServeTLS(l, "", "") }()
	if err := local.Publish(c.Dir, s.Endpoint); err != nil {
		return nil, errors.Join(folderError(c.Dir, err), s.stop())
	}
	return s, nil
}

func endpoint(l net.Listener, info cloud.Info, started time.Time) local.Endpoint {
	addr := l.Addr().(*net.TCPAddr)
	e := local.Endpoint{
		URL: "https://localhost:" + strconv.Itoa(addr.Port), Addr: addr.String(), PID: os.Getpid(), Started: started,
		Tenant: info.Tenant, ClientID: info.OperatorClientID, ObjectID: info.OperatorObjectID,
	}
	for _, s := range info.Subscriptions {
		e.Subscriptions = append(e.Subscriptions, local.Subscription{ID: s.ID, Name: s.Name})
	}
	return e
}

// stop lets running calls end, for at most five seconds, and closes the data folder.
func (s *server) stop() error {
	withdrawn := local.Withdraw(s.dir, s.PID)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s.unused.close()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
	return errors.Join(withdrawn, s.cloud.Close())
}

// unused are connections that have not brought a request yet. Clients keep some in reserve, and http.Server.Shutdown
// waits for them as for those that are at work.
type unused struct {
	mu    sync.Mutex
	conns map[net.Conn]bool
}

func (u *unused) see(c net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if state != http.StateNew {
		delete(u.conns, c)
		return
	}
	if u.conns == nil {
		u.conns = map[net.Conn]bool{}
	}
	u.conns[c] = true
}

func (u *unused) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for c := range u.conns {
		c.Close()
	}
}

// listen opens a loopback address.
func listen(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, usagef("%q is not an address with a port; give one as in --addr 127.0.0.1:8443", addr)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, usagef("%s is not an address of this machine alone, and the local Azure is not made to be open to a network; use --addr 127.0.0.1:8443", addr)
	}
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, usagef("%s is in use by another program; stop it or take a free port with --addr 127.0.0.1:0", addr)
	case err != nil:
		return nil, usagef("cannot listen on %s (%w); take a free port with --addr 127.0.0.1:0", addr, err)
	}
	return l, nil
}

// folderError says what is wrong with a data folder and what to do about it.
func folderError(dir string, err error) error {
	switch {
	case errors.Is(err, cloud.ErrLocked):
		return usagef("the data folder %s is in use by %s; stop that, or choose another folder with --data", dir, holder(dir))
	case errors.Is(err, cloud.ErrNewer):
		return usagef("the data folder %s was written by a newer version of aksid; use that version, or choose another folder with --data", dir)
	case errors.Is(err, cloud.ErrFull), errors.Is(err, syscall.ENOSPC):
		return unreadf("the disk that holds the data folder %s is full; free some space, or choose another folder with --data", dir)
	case errors.As(err, new(*fs.PathError)), errors.As(err, new(*os.LinkError)):
		return usagef("the data folder %s cannot be used (%w); choose another with --data", dir, err)
	}
	return err
}

// holder names the process that uses a data folder, as well as that can be known.
func holder(dir string) string {
	e, err := local.Read(dir)
	if err != nil {
		return "another aksid"
	}
	return "the local Azure at " + e.URL + " (process " + strconv.Itoa(e.PID) + ")"
}
