package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"

	"aksid/internal/cloud/store"
)

func testChanges(t *testing.T, open Open) {
	f := fresh(t, open)
	f.put(doc("a", "1"), doc("b", "1"), doc("c", "1"))
	f.put(doc("a", "2"))
	f.update(func(tx store.Tx) error { return errors.Join(tx.Delete("k", "b"), tx.Delete("k", "missing")) })
	f.update(func(tx store.Tx) error { return errors.Join(tx.Put(doc("d", "1")), tx.Put(doc("d", "2"))) })
	f.update(func(tx store.Tx) error { return errors.Join(tx.Put(doc("e", "1")), tx.Delete("k", "e")) })
	want := []store.Doc{doc("c", "1"), doc("a", "2"), {Kind: "k", Key: "b", Deleted: true}, doc("d", "2"), {Kind: "k", Key: "e", Deleted: true}}
	all := f.changes(0)
	if !slices.EqualFunc(all, want, same) {
		t.Fatalf("changes %v", all)
	}
	for i, d := range all {
		if i > 0 && d.Rev <= all[i-1].Rev {
			t.Errorf("revision %d after %d", d.Rev, all[i-1].Rev)
		}
		if rest := f.changes(d.Rev); !slices.EqualFunc(rest, want[i+1:], same) {
			t.Errorf("changes after %d: %v", d.Rev, rest)
		}
	}
	for d, err := range f.Changes(t.Context(), 0) { // left early, and a write within
		if err != nil || d.Key != "c" {
			t.Error(d, err)
		}
		f.put(doc("b", "again"))
		break
	}
	if rest := f.changes(all[4].Rev); len(rest) != 1 || !same(rest[0], doc("b", "again")) {
		t.Errorf("put again: %v", rest)
	}
}

// appliedLog is an Applied hook that keeps what it saw.
type appliedLog struct {
	sync.Mutex
	docs    []store.Doc
	commits [][]store.Doc
}

func (l *appliedLog) applied(docs []store.Doc) {
	l.Lock()
	defer l.Unlock()
	l.docs = append(l.docs, docs...)
	l.commits = append(l.commits, docs)
}

func (l *appliedLog) has(rev int64) bool {
	l.Lock()
	defer l.Unlock()
	_, found := slices.BinarySearchFunc(l.docs, rev, func(d store.Doc, rev int64) int { return int(d.Rev - rev) })
	return found
}

func testApplied(t *testing.T, open Open) {
	var log appliedLog
	f := fixture{t, open(t, t.TempDir(), store.Options{Applied: log.applied})}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 40 {
				var rev int64
				err := f.Update(context.Background(), func(tx store.Tx) error {
					key := fmt.Sprint(w, i%5)
					err := errors.Join(tx.Put(doc(key, "not the last")), tx.Put(doc(key, fmt.Sprint(i))))
					d, err2 := tx.Get("k", key)
					rev = d.Rev
					if i%7 == 6 {
						return errors.New("no")
					}
					return errors.Join(err, err2)
				})
				if (err == nil) != log.has(rev) {
					t.Errorf("writer %d, update %d: %v, applied %v", w, i, err, log.has(rev))
				}
			}
		})
	}
	wg.Wait()
	f.view(func(store.Tx) error { return nil })
	f.update(func(store.Tx) error { return nil })
	f.update(func(tx store.Tx) error { return tx.Delete("k", "missing") })
	state := map[string]store.Doc{}
	last := int64(0)
	for _, docs := range log.commits {
		names := map[string]bool{}
		for _, d := range docs {
			if d.Rev <= last || names[d.Key] {
				t.Errorf("out of order or twice: %v", d)
			}
			last, names[d.Key], state[d.Key] = d.Rev, true, d
		}
		if len(docs) == 0 {
			t.Error("a commit without changes was applied")
		}
	}
	for _, d := range f.changes(0) {
		if !same(d, state[d.Key]) || d.Rev != state[d.Key].Rev {
			t.Errorf("stored %v, applied %v", d, state[d.Key])
		}
		delete(state, d.Key)
	}
	if len(state) > 0 {
		t.Errorf("applied, but not stored: %v", state)
	}
}

func testContext(t *testing.T, open Open) {
	f := fresh(t, open)
	f.put(doc("a", "1"))
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	nothing := func(store.Tx) error { t.Error("ran although canceled"); return nil }
	var changes error
	for _, changes = range f.Changes(canceled, 0) {
	}
	waiting, stop := context.WithCancel(t.Context())
	var waited error
	f.update(func(store.Tx) error { // another waits for its turn
		done := make(chan struct{})
		go func() {
			defer close(done)
			waited = f.Update(waiting, nothing)
		}()
		runtime.Gosched()
		stop()
		<-done
		return nil
	})
	within, stop := context.WithCancel(t.Context())
	loop := f.Update(within, func(tx store.Tx) error {
		err := tx.Put(doc("b", "1"))
		stop()
		for _, err := range tx.Scan("k", "", "") {
			if err != nil {
				return err
			}
		}
		return err
	})
	for name, err := range map[string]error{
		"view": f.View(canceled, nothing), "update": f.Update(canceled, nothing), "changes": changes,
		"waiting": waited, "within": loop,
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if keys := f.scan("", ""); !slices.Equal(keys, []string{"a"}) {
		t.Errorf("there is %q", keys)
	}
}

// testConcurrentSnapshots moves amounts between accounts: no View sees the sum change.
func testConcurrentSnapshots(t *testing.T, open Open) {
	f := fresh(t, open)
	const accounts, total = 6, 600
	for i := range accounts {
		f.put(doc(fmt.Sprint(i), fmt.Sprint(total/accounts)))
	}
	amount := func(tx store.Tx, i int) (n int, err error) {
		d, err := tx.Get("k", fmt.Sprint(i))
		if err == nil {
			_, err = fmt.Sscan(string(d.Body), &n)
		}
		return n, err
	}
	sum := func(tx store.Tx) error {
		got := 0
		for i := range accounts {
			n, err := amount(tx, i)
			if err != nil {
				return err
			}
			got += n
		}
		if got != total {
			return fmt.Errorf("the sum is %d", got)
		}
		return nil
	}
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			for i := range 60 {
				from, to := (w+i)%accounts, (w*i+1)%accounts
				err := f.Update(context.Background(), func(tx store.Tx) error {
					n, err := amount(tx, from)
					if err != nil {
						return err
					}
					if err := tx.Put(doc(fmt.Sprint(from), fmt.Sprint(n-i))); err != nil {
						return err
					}
					m, err := amount(tx, to)
					if err != nil {
						return err
					}
					return tx.Put(doc(fmt.Sprint(to), fmt.Sprint(m+i)))
				})
				if err := errors.Join(err, f.View(context.Background(), sum)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	f.view(sum)
}
