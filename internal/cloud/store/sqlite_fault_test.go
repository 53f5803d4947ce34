package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"modernc.org/sqlite"
)

func openFault(t *testing.T) *sqliteStore {
	t.Helper()
	s, err := openSQLite(t.Context(), filepath.Join(t.TempDir(), "aksid.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func count(t *testing.T, s Store) (n int) {
	t.Helper()
	for d, err := range s.Changes(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if !d.Deleted {
			n++
		}
	}
	return n
}

func many(n int) (keys []string) {
	for i := range n {
		keys = append(keys, fmt.Sprint(i))
	}
	return keys
}

// together runs the functions as members of one group, in a bubble of synctest: the first holds its turn until all
// others wait for theirs.
func together(s *sqliteStore, fns ...func(Tx) error) []error {
	errs := make([]error, len(fns))
	held, release := make(chan struct{}), make(chan struct{})
	hold := sync.OnceFunc(func() {
		close(held)
		<-release
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		errs[0] = s.Update(context.Background(), func(tx Tx) error {
			hold()
			return fns[0](tx)
		})
	})
	<-held
	for i, fn := range fns[1:] {
		wg.Go(func() { errs[i+1] = s.Update(context.Background(), fn) })
	}
	synctest.Wait()
	close(release)
	wg.Wait()
	return errs
}

// putter makes a function that puts documents of 3 kB.
func putter(keys ...string) func(Tx) error {
	return func(tx Tx) error {
		for _, k := range keys {
			if err := tx.Put(Doc{Kind: "k", Key: k, Refs: []string{"r"}, Body: make([]byte, 3000)}); err != nil {
				return err
			}
		}
		return nil
	}
}

func put(s Store, keys ...string) error { return s.Update(context.Background(), putter(keys...)) }

// leaveRoom lets the data file grow by so many pages of 4 kB.
func leaveRoom(t *testing.T, s *sqliteStore, pages int64) {
	t.Helper()
	used, err := value[int64](s.writer, "PRAGMA page_count")
	if err == nil {
		_, err = value[int64](s.writer, fmt.Sprintf("PRAGMA max_page_count = %d", used+pages))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestFull(t *testing.T) {
	s := openFault(t)
	if err := put(s, many(50)...); err != nil {
		t.Fatal(err)
	}
	leaveRoom(t, s, 10)
	for range 3 {
		err := put(s, many(200)...)
		if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), s.path) || strings.Contains(err.Error(), "\n") {
			t.Fatalf("too much: %v", err)
		}
		if n := count(t, s); n != 50 {
			t.Fatalf("half of it was written: %d documents", n)
		}
	}
	swallowed := s.Update(t.Context(), func(tx Tx) error {
		for i := range 200 {
			_ = tx.Put(Doc{Kind: "k", Key: fmt.Sprint(i), Body: make([]byte, 3000)})
		}
		return nil
	})
	if n := count(t, s); n != 50 || !errors.Is(swallowed, ErrFull) {
		t.Errorf("an error that fn swallows: %v, %d documents", swallowed, n)
	}
	if err := put(s, "small"); err != nil {
		t.Errorf("what fits: %v", err)
	}
	leaveRoom(t, s, 1<<20)
	if err := put(s, many(200)...); err != nil || count(t, s) != 201 {
		t.Errorf("with room again: %v, %d documents", err, count(t, s))
	}
}

// One that is too large does not fail the others of its group.
func TestFullGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openFault(t)
		if err := put(s, many(50)...); err != nil {
			t.Fatal(err)
		}
		leaveRoom(t, s, 10)
		for i, err := range together(s, putter("a"), putter("b"), putter(many(200)...), putter("c"), putter("d")) {
			if i == 2 && !errors.Is(err, ErrFull) || i != 2 && err != nil {
				t.Errorf("member %d: %v", i, err)
			}
		}
		if n := count(t, s); n != 54 {
			t.Errorf("%d documents", n)
		}
	})
}

// One commit for all who wait; what one of them does wrong is its own affair.
func TestGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var commits [][]Doc
		s := openFault(t)
		s.applied = func(docs []Doc) { commits = append(commits, docs) }
		mine := errors.New("mine")
		seen := 0
		errs := together(s, putter("a", "b"), putter("b", "c"), putter("b"),
			func(tx Tx) error { return errors.Join(putter("bad")(tx), mine) },
			func(tx Tx) error {
				for range tx.Find("r") {
					seen++
				}
				return nil
			},
			func(Tx) error { runtime.Goexit(); return nil })
		for i, err := range errs {
			if i == 3 && !errors.Is(err, mine) || i != 3 && err != nil {
				t.Errorf("member %d: %v", i, err)
			}
		}
		if len(commits) != 1 || len(commits[0]) != 3 || seen > 3 {
			t.Errorf("commits %v, %d documents seen", commits, seen)
		}
	})
}

// A commit that fails tells its member, leaves nothing, and the next one works; a group's members try again alone.
// SQLite's commit hook makes it fail.
func TestCommitFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		applied, failures, runs := 0, 1, 0
		s := openFault(t)
		s.applied = func([]Doc) { applied++ }
		s.writer.Conn.(sqlite.HookRegisterer).RegisterCommitHook(func() int32 {
			failures--
			return max(0, int32(failures+1))
		})
		if err := put(s, "a"); err == nil || !strings.Contains(err.Error(), s.path+": commit") {
			t.Errorf("alone: %v", err)
		}
		if n := count(t, s); n != 0 || applied != 0 {
			t.Fatalf("alone: %d documents, %d applied", n, applied)
		}
		failures = 1
		counted := func(key string) func(Tx) error {
			return func(tx Tx) error {
				runs++
				return putter(key)(tx)
			}
		}
		if err := errors.Join(together(s, counted("a"), counted("b"), counted("c"))...); err != nil || runs != 6 {
			t.Errorf("group: %v, %d runs", err, runs)
		}
		if n := count(t, s); n != 3 || applied != 3 {
			t.Errorf("group: %d documents, %d commits applied", n, applied)
		}
	})
}

// A turn alone is shared with nobody who waits.
func TestAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openFault(t)
		var wg sync.WaitGroup
		var later error
		g, err := s.alone(t.Context(), func(tx Tx) error {
			wg.Go(func() { later = put(s, "a") })
			synctest.Wait()
			return putter("b")(tx)
		})
		if wg.Wait(); g.members != 1 || err != nil || later != nil {
			t.Errorf("%d members, %v, %v", g.members, err, later)
		}
	})
}

// Close waits for a View, and keeps the file locked meanwhile.
func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openFault(t)
		closed := false
		err := s.View(t.Context(), func(tx Tx) error {
			go func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				closed = true
			}()
			synctest.Wait()
			if closed {
				t.Error("closed during a View")
			}
			_, err := tx.Get("k", "a")
			return err
		})
		if synctest.Wait(); !closed || !errors.Is(err, ErrNotFound) {
			t.Errorf("closed %v, %v", closed, err)
		}
	})
}

// A page ends when it is large, so that a loop holds little in memory.
func TestPageBytes(t *testing.T) {
	s := openFault(t)
	err := s.Update(t.Context(), func(tx Tx) error {
		for _, k := range many(8) {
			if err := tx.Put(Doc{Kind: "k", Key: k, Body: make([]byte, pageBytes/2)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.View(t.Context(), func(view Tx) error {
		page, more, err := view.(*tx).page(maxPage, stmtChanges, int64(0))
		if len(page) != 2 || !more {
			t.Errorf("%d documents, more %v", len(page), more)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The log is begun anew when no View needs what was before it.
func TestCheckpoint(t *testing.T) {
	s := openFault(t)
	write := func(pages int) {
		t.Helper()
		err := s.Update(t.Context(), func(tx Tx) error {
			for i := range pages / 4 {
				if err := tx.Put(Doc{Kind: "k", Key: fmt.Sprint(i), Refs: []string{"r"}, Body: []byte("{}")}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	write(4)
	err := s.View(t.Context(), func(tx Tx) error {
		for range tx.Scan("k", "", "") { // it has its snapshot now
		}
		write(maxLog)
		if whole, err := s.writer.checkpoint(); whole || err != nil {
			t.Errorf("the log was moved away under a View: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	write(maxLog / 4)
	if s.log != 0 {
		t.Errorf("%d pages are said to be left", s.log)
	}
	if whole, err := s.writer.checkpoint(); !whole || err != nil {
		t.Errorf("something is left: %v", err)
	}
}

// Another program, such as a SQLite shell, may hold the write lock.
func TestBusy(t *testing.T) {
	s := openFault(t)
	if err := s.writer.script("PRAGMA busy_timeout = 0"); err != nil {
		t.Fatal(err)
	}
	other, err := openConn(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	if err := other.script("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	if err := put(s, "a"); !errors.Is(err, ErrLocked) {
		t.Errorf("while it is locked: %v", err)
	}
	if err := other.script("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := put(s, "a"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	valid := func(t *testing.T, path string, script string) {
		s, err := openSQLite(t.Context(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(put(s, many(100)...), s.writer.script(script), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
	write := func(t *testing.T, path, content string) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, path string)
		want    error
		text    string
	}{
		{"no folder", func(t *testing.T, path string) { os.Remove(filepath.Dir(path)) }, os.ErrNotExist, ""},
		{"a folder", func(t *testing.T, path string) { os.Mkdir(path, 0o700) }, nil, "directory"},
		{"text", func(t *testing.T, path string) { write(t, path, strings.Repeat("not a database\n", 500)) }, ErrCorrupt, ""},
		{"of another program", func(t *testing.T, path string) {
			c, err := openConn(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(c.script("CREATE TABLE doc (x)"), c.close()); err != nil {
				t.Fatal(err)
			}
		}, ErrCorrupt, "another program"},
		{"newer", func(t *testing.T, path string) { valid(t, path, "PRAGMA user_version = 99") }, ErrNewer, "schema 99"},
		{"cut off", func(t *testing.T, path string) {
			valid(t, path, "")
			if err := os.Truncate(path, 5000); err != nil {
				t.Fatal(err)
			}
		}, ErrCorrupt, ""},
		{"in use", func(t *testing.T, path string) {
			s, err := OpenSQLite(t.Context(), path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
		}, ErrLocked, fmt.Sprint("process ", os.Getpid())},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sub", "aksid.db")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			c.prepare(t, path)
			before, _ := os.ReadFile(path)
			s, err := OpenSQLite(t.Context(), path, Options{})
			if err == nil {
				s.Close()
				t.Fatal("opened")
			}
			if c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
				t.Error(err)
			}
			if after, _ := os.ReadFile(path); string(before) != string(after) {
				t.Error("the file was changed")
			}
		})
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := OpenSQLite(canceled, filepath.Join(t.TempDir(), "aksid.db"), Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Damage within the file is found when it is read.
func TestDamaged(t *testing.T) {
	for _, damage := range []string{
		"UPDATE doc SET refs = x'ff01'",
		"UPDATE doc SET kind = CAST(kind AS BLOB) WHERE key = '7'",
		"UPDATE doc SET deleted = 0.5",
	} {
		s := openFault(t)
		if err := errors.Join(put(s, many(20)...), s.writer.script(damage)); err != nil {
			t.Fatal(err)
		}
		var err error
		for _, err = range s.Changes(t.Context(), 0) {
		}
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), s.path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", damage, err)
		}
	}
}

// The data file and what lies beside it belong to their owner alone, also where the file was there before.
func TestMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	path := filepath.Join(t.TempDir(), "aksid.db")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := OpenSQLite(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := put(s, "a"); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		if info, err := os.Stat(path + suffix); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", suffix, info, err)
		}
	}
}

func TestDurable(t *testing.T) {
	s := openFault(t)
	for pragma, want := range map[string]int64{"synchronous": 2, "busy_timeout": 5000, "trusted_schema": 0} {
		if got, err := value[int64](s.writer, "PRAGMA "+pragma); err != nil || got != want {
			t.Errorf("%s is %d, %v", pragma, got, err)
		}
	}
}

// Every question is answered by a search in an index, in order: nothing is scanned or sorted.
func TestPlans(t *testing.T) {
	s := openFault(t)
	for id, sql := range statements {
		if !strings.Contains(sql, "?") {
			continue
		}
		rows, err := s.writer.Conn.(driver.QueryerContext).QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+sql, named(make([]any, strings.Count(sql, "?"))))
		if err != nil {
			t.Fatal(err)
		}
		row := make([]driver.Value, 4)
		for rows.Next(row) == nil {
			if detail := row[3].(string); !strings.HasPrefix(detail, "SEARCH") {
				t.Errorf("statement %d: %s\n%s", id, detail, sql)
			}
		}
		rows.Close()
	}
}

// Read connections are shared out, and no more are kept than maxIdle.
func TestReaders(t *testing.T) {
	s := openFault(t)
	var nest func(depth int) error
	nest = func(depth int) error {
		if depth == 0 {
			return nil
		}
		return s.View(context.Background(), func(tx Tx) error {
			for range tx.Scan("k", "", "") {
				return nil
			}
			return nest(depth - 1)
		})
	}
	for range 3 {
		if err := nest(2 * maxIdle); err != nil {
			t.Fatal(err)
		}
		if n := len(s.idle); n != maxIdle {
			t.Fatalf("%d read connections", n)
		}
	}
}

func FuzzRefs(f *testing.F) {
	for _, refs := range [][]string{nil, {""}, {"a", "", "\x00"}, {strings.Repeat("x", 300)}} {
		f.Add(packRefs(refs))
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		refs, ok := unpackRefs(b)
		if !ok {
			return
		}
		again, ok := unpackRefs(packRefs(refs))
		if !ok || fmt.Sprintf("%q", again) != fmt.Sprintf("%q", refs) {
			t.Errorf("%q became %q", refs, again)
		}
	})
}
