package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"aksid/internal/cloud/store"
)

// crashFile is the variable that makes the test binary the process that TestCrash kills.
const crashFile = "AKSID_TEST_CRASH_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashFile); path != "" {
		fmt.Fprintln(os.Stderr, writeUntilKilled(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const crashWriters = 8

// writeUntilKilled has several writers. Transaction i of writer w puts a pair of documents, moves the writer's counter
// and deletes the pair of i-10; once it is acknowledged, a line "w i" is printed.
func writeUntilKilled(path string) error {
	s, err := store.OpenSQLite(context.Background(), path, store.Options{})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for w := range crashWriters {
		go func() {
			for {
				i, err := writePair(s, w)
				if err != nil {
					failed <- err
					return
				}
				fmt.Printf("%d %d\n", w, i)
			}
		}()
	}
	return <-failed
}

func writePair(s store.Store, w int) (i int, err error) {
	counter := fmt.Sprint("counter", w)
	err = s.Update(context.Background(), func(tx store.Tx) error {
		d, err := tx.Get("counter", counter)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		last, _ := strconv.Atoi(string(d.Body))
		i = last + 1
		err = tx.Put(store.Doc{Kind: "counter", Key: counter, Body: []byte(fmt.Sprint(i))})
		for _, half := range []string{"left", "right"} {
			body := []byte(strings.Repeat(half, 200))
			err = errors.Join(err,
				tx.Put(store.Doc{Kind: half, Key: pairKey(w, i), Refs: []string{pairKey(w, i)}, Body: body}),
				tx.Delete(half, pairKey(w, i-10)))
		}
		return err
	})
	return i, err
}

func pairKey(w, i int) string { return fmt.Sprintf("%d/%09d", w, i) }

// TestCrash kills a process that writes, ten times, at any moment: what it acknowledged is there, whole transactions
// only, and the lock is free again.
func TestCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "aksid.db")
	for round := range 10 {
		acked := killedWriter(t, path, rand.N(100*time.Millisecond))
		s := open(t, path, store.Options{})
		err := s.View(t.Context(), func(tx store.Tx) error {
			for w := range crashWriters {
				checkPairs(t, tx, w, acked[w])
			}
			return nil
		})
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}

// killedWriter starts a writing process, kills it some time after its first acknowledgement, and returns the last
// transaction that each writer saw acknowledged.
func killedWriter(t *testing.T, path string, after time.Duration) (acked [crashWriters]int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), crashFile+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() { _ = cmd.Process.Kill() }
	defer kill()
	lines := bufio.NewReader(out)
	for n := 0; ; n++ {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // the last line may be half a line
		}
		var w, i int
		if _, err := fmt.Sscanf(line, "%d %d\n", &w, &i); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		acked[w] = i
		if n == 0 {
			_, err := store.OpenSQLite(t.Context(), path, store.Options{})
			if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("(process %d)", cmd.Process.Pid)) {
				t.Errorf("a second process: %v", err)
			}
			time.AfterFunc(after, kill)
		}
	}
	if err := cmd.Wait(); cmd.ProcessState.Exited() || acked == [crashWriters]int{} {
		t.Fatalf("the writer ended by itself: %v, acknowledged %v", err, acked)
	}
	return acked
}

func checkPairs(t *testing.T, tx store.Tx, w, acked int) {
	d, err := tx.Get("counter", fmt.Sprint("counter", w))
	if acked == 0 && errors.Is(err, store.ErrNotFound) {
		return
	}
	last, _ := strconv.Atoi(string(d.Body))
	if err != nil || last < acked {
		t.Fatalf("writer %d: acknowledged %d, found %d, %v", w, acked, last, err)
	}
	for _, half := range []string{"left", "right"} {
		want := max(1, last-9)
		for d, err := range tx.Scan(half, fmt.Sprint(w, "/"), "") {
			if err != nil || d.Key != pairKey(w, want) || string(d.Body) != strings.Repeat(half, 200) {
				t.Fatalf("writer %d: %s %s, want %d of %d; %v", w, half, d.Key, want, last, err)
			}
			want++
		}
		if want != last+1 {
			t.Fatalf("writer %d: %s ends at %d of %d", w, half, want-1, last)
		}
	}
	refs := 0
	for range tx.Find(pairKey(w, last)) {
		refs++
	}
	if refs != 2 {
		t.Fatalf("writer %d: %d references of transaction %d", w, refs, last)
	}
}
