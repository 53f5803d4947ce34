package store

import (
	"cmp"
	"sync"
)

// state is what is committed at a revision. Views of it that read only what is in memory need no connection; one that reads
// the file takes a snapshot of its own for as long as that is possible, until the next commit is written. Those that come to
// it later share the snapshot which that commit leaves behind.
type state struct {
	rev    int64
	mu     sync.Mutex
	sealed bool  // the next commit is being written, or was
	shared *conn // from then on
	views  int   // guarded by the store's mu
}

// read lets a View that has no snapshot yet read the state.
func (st *state) read(t *tx, fn func(*conn) error) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.sealed {
		return fn(st.shared)
	}
	c, err := t.s.connection()
	if err != nil {
		return err
	}
	t.c = c
	if err := c.exec(stmtBegin); err != nil {
		return err
	}
	return fn(c) // the first read fixes the snapshot
}

// seal leaves a snapshot of the state behind.
func (s *sqliteStore) seal() error {
	st := s.current
	st.mu.Lock()
	defer st.mu.Unlock()
	c, err := s.connection()
	if err != nil {
		return err
	}
	if err := cmp.Or(c.exec(stmtBegin), c.exec(stmtPin, int64(0))); err != nil {
		return cmp.Or(err, c.close())
	}
	st.sealed, st.shared = true, c
	return nil
}

// enter begins a View.
func (s *sqliteStore) enter() (*state, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	s.views.Add(1)
	s.current.views++
	return s.current, nil
}

// leave ends a View.
func (s *sqliteStore) leave(t *tx) {
	defer s.views.Done()
	t.ended = true
	if t.c != nil {
		s.release(t.c)
	}
	s.mu.Lock()
	t.state.views--
	over := t.state.views == 0 && t.state != s.current
	s.mu.Unlock()
	if over {
		s.release(t.state.shared)
	}
}

// advance makes the state at a revision the current one.
func (s *sqliteStore) advance(rev int64) {
	s.mu.Lock()
	old := s.current
	s.current = &state{rev: rev}
	over := old.views == 0 && old.sealed
	s.mu.Unlock()
	if over {
		s.release(old.shared)
	}
}

// updateReader is the connection that Updates read, one at a time.
func (s *sqliteStore) updateReader() (*conn, error) {
	if s.reader == nil {
		c, err := openConn(s.path)
		if err != nil {
			return nil, err
		}
		s.reader = c
	}
	return s.reader, nil
}

// connection takes an idle read connection or opens one: Views nest, so waiting for another's could wait for ever.
func (s *sqliteStore) connection() (*conn, error) {
	s.mu.Lock()
	n := len(s.idle)
	if n == 0 {
		s.mu.Unlock()
		return openConn(s.path)
	}
	defer s.mu.Unlock()
	c := s.idle[n-1]
	s.idle = s.idle[:n-1]
	return c, nil
}

// maxIdle is how many read connections are kept open; each holds up to 2 MB of pages.
const maxIdle = 16

// release ends a snapshot and keeps its connection for the next.
func (s *sqliteStore) release(c *conn) {
	err := c.exec(stmtRollback)
	s.mu.Lock()
	keep := err == nil && !s.closed && len(s.idle) < maxIdle
	if keep {
		s.idle = append(s.idle, c)
	}
	s.mu.Unlock()
	if !keep {
		_ = c.close() // nothing was written on it
	}
}
