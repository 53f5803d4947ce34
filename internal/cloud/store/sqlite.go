package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"aksid/internal/filelock"
)

const (
	applicationID = 0x616b7364 // "aksd" in the file's header (bytes 68–71, https://sqlite.org/fileformat2.html)
	schemaVersion = 1          // in the header's user_version
)

// schema: the revision is the row id, so a new version of a document moves to the end of the table and Changes is a
// scan of it. The index puts tombstones after everything that lives. Text compares as bytes in SQLite.
const schema = `
CREATE TABLE doc (
	rev     INTEGER PRIMARY KEY,
	deleted INTEGER NOT NULL, -- 1: a tombstone
	kind    TEXT NOT NULL,
	key     TEXT NOT NULL,
	refs    BLOB,             -- as packRefs writes them
	body    BLOB
);
CREATE UNIQUE INDEX doc_name ON doc (deleted, kind, key);
CREATE TABLE ref (
	ref  TEXT NOT NULL,
	kind TEXT NOT NULL,
	key  TEXT NOT NULL,
	PRIMARY KEY (ref, kind, key)
) WITHOUT ROWID;`

// sqliteStore is a Store in one SQLite file (with -wal and -shm beside it while it is open, and a .lock file).
type sqliteStore struct {
	path    string
	applied func([]Doc)
	lock    io.Closer
	memory  *memory
	closing chan struct{}

	writing baton // for who writes groups
	writer  *conn
	log     int // about how many pages it has written since they were moved into the file

	turn    baton // for the Update that runs
	waiting atomic.Int32
	reader  *conn

	gate      sync.Mutex
	gathering *group // that the Update that runs is a member of; nil: it is the first of one
	before    *group // the last one that was shut

	mu      sync.Mutex
	current *state
	idle    []*conn // read connections
	views   sync.WaitGroup
	closed  bool
}

// OpenSQLite opens or creates the data file at path. One process at a time has it open: others get ErrLocked.
func OpenSQLite(ctx context.Context, path string, o Options) (Store, error) {
	s, err := openSQLite(ctx, path, o)
	if err != nil {
		return nil, fmt.Errorf("open data file %s: %w", path, err)
	}
	return s, nil
}

func openSQLite(ctx context.Context, path string, o Options) (_ *sqliteStore, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	// The sync call of SQLite's own Linux builds; where it does not exist, SQLite keeps the platform's.
	if _, err := sqlite.Fdatasync(true); err != nil && !errors.Is(err, sqlite.ErrFdatasyncUnavailable) {
		return nil, err
	}
	lock, err := filelock.Take(path + ".lock") // not the data file: closing that would drop SQLite's own locks
	if err != nil {
		return nil, storeError(err)
	}
	writer, rev, err := openWriter(path)
	if err != nil {
		return nil, cmp.Or(err, lock.Close())
	}
	before := &group{rev: rev, done: make(chan struct{})}
	close(before.done)
	return &sqliteStore{
		path: path, applied: o.Applied, lock: lock, writer: writer, memory: newMemory(rev), current: &state{rev: rev},
		before: before, writing: make(baton, 1), turn: make(baton, 1), closing: make(chan struct{}),
	}, nil
}

// openWriter opens the connection that writes, brings the file to the current schema, and returns the last revision.
func openWriter(path string) (_ *conn, rev int64, err error) {
	if err := createFile(path); err != nil {
		return nil, 0, err
	}
	c, err := openConn(path)
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			err = cmp.Or(err, c.close())
		}
	}()
	if err := migrate(c); err != nil {
		return nil, 0, err
	}
	rev, err = value[int64](c, "SELECT coalesce(max(rev), 0) FROM doc")
	return c, rev, err
}

// createFile makes sure that the data file exists and is its owner's alone.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return cmp.Or(f.Chmod(0o600), f.Close())
}

// migrate checks whose file it is before it writes the first byte.
func migrate(c *conn) error {
	id, err1 := value[int64](c, "PRAGMA application_id")
	version, err2 := value[int64](c, "PRAGMA user_version")
	tables, err3 := value[int64](c, "SELECT count(*) FROM sqlite_schema")
	if err := cmp.Or(err1, err2, err3); err != nil { // the first: they are one fault
		return err
	}
	fresh := id == 0 && version == 0 && tables == 0
	switch {
	case !fresh && id != applicationID:
		return fmt.Errorf("%w: a SQLite file of another program", ErrCorrupt)
	case version > schemaVersion:
		return fmt.Errorf("%w: it has schema %d, this version knows %d", ErrNewer, version, schemaVersion)
	}
	mode, err := value[string](c, "PRAGMA journal_mode = WAL")
	if err == nil && mode != "wal" {
		err = fmt.Errorf("its file system cannot share memory, which SQLite's log needs (journal mode %s)", mode)
	}
	if err == nil {
		err = c.script("PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = 0")
	}
	if err != nil || !fresh {
		return err
	}
	return c.script(fmt.Sprintf("BEGIN IMMEDIATE; %s PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
		schema, applicationID, schemaVersion))
}

// View runs fn on the current state.
func (s *sqliteStore) View(ctx context.Context, fn func(Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	st, err := s.enter()
	if err != nil {
		return s.wrap(err)
	}
	t := &tx{s: s, ctx: ctx, state: st}
	defer s.leave(t)
	return fn(t)
}

// Changes reads from one snapshot. Tombstones are kept for good: what remains of a deleted document is its name.
func (s *sqliteStore) Changes(ctx context.Context, after int64) iter.Seq2[Doc, error] {
	return func(yield func(Doc, error) bool) {
		broken := false
		err := s.View(ctx, func(t Tx) error {
			for d, err := range t.(*tx).changes(after) {
				if err != nil {
					return err
				}
				if broken = !yield(d, nil); broken {
					return nil
				}
			}
			return nil
		})
		if err != nil && !broken {
			yield(Doc{}, err)
		}
	}
}

// Close waits for the Views and the commit under way; later calls get ErrClosed.
func (s *sqliteStore) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	idle := s.idle
	s.idle = nil
	s.mu.Unlock()

	close(s.closing)
	s.writing.take()
	s.turn.take()
	s.flush()
	s.turn.give()
	s.writing.give()
	s.views.Wait()
	var errs []error
	if s.reader != nil {
		idle = append(idle, s.reader)
	}
	for _, c := range idle {
		errs = append(errs, c.close())
	}
	// The last connection to close moves the log into the file.
	return s.wrap(cmp.Or(append(errs, s.writer.close(), s.lock.Close())...))
}

// wrap says which file an error is about.
func (s *sqliteStore) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("data file %s: %w", s.path, err)
}

// sqliteErrors maps primary and extended result codes (https://sqlite.org/rescode.html) to the errors of a Store.
var sqliteErrors = map[int]error{
	lib.SQLITE_FULL:          ErrFull, // also what ENOSPC becomes
	lib.SQLITE_IOERR_SHMSIZE: ErrFull, // no room to grow the -shm file
	lib.SQLITE_BUSY:          ErrLocked,
	lib.SQLITE_CORRUPT:       ErrCorrupt,
	lib.SQLITE_NOTADB:        ErrCorrupt,
	lib.SQLITE_READONLY:      ErrReadOnly,
}

// storeError makes an error of the driver or the system one of a Store's, where there is one.
func storeError(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w (%w)", ErrFull, err)
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	for _, code := range []int{e.Code(), e.Code() & 0xff} {
		if known, ok := sqliteErrors[code]; ok {
			return fmt.Errorf("%w (%w)", known, err)
		}
	}
	return err
}
