// Package storetest is the contract of a store.Store as tests: every backend runs them.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"testing"

	"aksid/internal/cloud/store"
)

// Open opens the store whose data belongs to the directory dir: empty when dir was not used before. A store that the
// test has not closed is closed at its end.
type Open func(t *testing.T, dir string, o store.Options) store.Store

// Run runs the contract.
func Run(t *testing.T, open Open) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Open)
	}{
		{"documents", testDocuments},
		{"add", testAdd},
		{"names", testNames},
		{"copies", testCopies},
		{"view", testView},
		{"snapshot", testSnapshot},
		{"rollback", testRollback},
		{"panic", testPanic},
		{"goexit", testGoexit},
		{"scan", testScan},
		{"large scan", testLargeScan},
		{"find", testFind},
		{"loops", testLoops},
		{"write in a loop", testWriteInLoop},
		{"append in a loop", testAppendInLoop},
		{"ended", testEnded},
		{"changes", testChanges},
		{"applied", testApplied},
		{"context", testContext},
		{"close", testClose},
		{"reopen", testReopen},
		{"model", testModel},
		{"serial order", testSerialOrder},
		{"concurrent snapshots", testConcurrentSnapshots},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open) })
	}
}

// fixture is a store with the helpers that fail its test.
type fixture struct {
	t *testing.T
	store.Store
}

func fresh(t *testing.T, open Open) fixture {
	t.Helper()
	return fixture{t, open(t, t.TempDir(), store.Options{})}
}

func (f fixture) update(fn func(store.Tx) error) {
	f.t.Helper()
	if err := f.Update(context.Background(), fn); err != nil {
		f.t.Fatal(err)
	}
}

func (f fixture) view(fn func(store.Tx) error) {
	f.t.Helper()
	if err := f.View(context.Background(), fn); err != nil {
		f.t.Fatal(err)
	}
}

func (f fixture) put(docs ...store.Doc) {
	f.t.Helper()
	f.update(func(tx store.Tx) error {
		for _, d := range docs {
			if err := tx.Put(d); err != nil {
				return err
			}
		}
		return nil
	})
}

// get reads one document in a View of its own.
func (f fixture) get(kind, key string) (d store.Doc, err error) {
	f.t.Helper()
	f.view(func(tx store.Tx) error {
		d, err = tx.Get(kind, key)
		return nil
	})
	return d, err
}

// scan reads kind k in a View of its own.
func (f fixture) scan(prefix, after string) (keys []string) {
	f.t.Helper()
	f.view(func(tx store.Tx) error {
		keys = f.keys(tx.Scan("k", prefix, after))
		return nil
	})
	return keys
}

// keys drains a loop.
func (f fixture) keys(docs iter.Seq2[store.Doc, error]) (keys []string) {
	f.t.Helper()
	for d, err := range docs {
		if err != nil {
			f.t.Fatal(err)
		}
		keys = append(keys, d.Key)
	}
	return keys
}

func (f fixture) changes(after int64) []store.Doc {
	f.t.Helper()
	var docs []store.Doc
	for d, err := range f.Changes(context.Background(), after) {
		if err != nil {
			f.t.Fatal(err)
		}
		docs = append(docs, d)
	}
	return docs
}

// doc is a document of kind k.
func doc(key, body string, refs ...string) store.Doc {
	return store.Doc{Kind: "k", Key: key, Refs: refs, Body: []byte(body)}
}

// same compares all but Rev.
func same(a, b store.Doc) bool {
	return a.Kind == b.Kind && a.Key == b.Key && a.Deleted == b.Deleted &&
		slices.Equal(a.Refs, b.Refs) && bytes.Equal(a.Body, b.Body)
}

func testDocuments(t *testing.T, open Open) {
	f := fresh(t, open)
	if _, err := f.get("k", "a"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("missing document: %v", err)
	}
	versions := []store.Doc{
		doc("a", `{"v":1}`, "r2", "r1", "r2"),
		doc("a", `{"v":2}`),
		doc("a", "", "r\x00\xff", ""),
		{Kind: "k", Key: "a", Rev: 99, Deleted: true, Body: []byte("Rev and Deleted are ignored")},
	}
	var rev int64
	for _, v := range versions {
		f.put(v)
		v.Deleted = false
		got, err := f.get("k", "a")
		if err != nil || !same(got, v) || got.Rev <= rev {
			t.Fatalf("put %v, got %v, %v", v, got, err)
		}
		rev = got.Rev
	}
	f.update(func(tx store.Tx) error { return tx.Delete("k", "a") })
	if _, err := f.get("k", "a"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("deleted document: %v", err)
	}
	rev = f.changes(rev)[0].Rev
	f.update(func(tx store.Tx) error { return tx.Delete("k", "a") })
	if again := f.changes(rev); len(again) != 0 {
		t.Errorf("deleting nothing changed %v", again)
	}
	f.put(doc("a", "again"))
	if got, err := f.get("k", "a"); err != nil || !same(got, doc("a", "again")) || got.Rev <= rev {
		t.Fatalf("put again after deletion: %v, %v", got, err)
	}
}

// What is added is there; a name that is taken is an error, and its document stays.
func testAdd(t *testing.T, open Open) {
	f := fresh(t, open)
	f.update(func(tx store.Tx) error {
		if err := tx.Add(doc("a", "1", "r")); err != nil {
			return err
		}
		if d, err := tx.Get("k", "a"); err != nil || string(d.Body) != "1" {
			t.Errorf("in its own transaction: %v, %v", d, err)
		}
		return tx.Put(doc("b", "1"))
	})
	if err := f.Update(t.Context(), func(tx store.Tx) error { return tx.Add(doc("b", "2")) }); err == nil {
		t.Error("b was added again")
	}
	for _, key := range []string{"a", "b"} {
		if d, err := f.get("k", key); err != nil || string(d.Body) != "1" {
			t.Errorf("%s: %v, %v", key, d, err)
		}
	}
	f.update(func(tx store.Tx) error { return tx.Put(doc("a", "2")) })
	f.update(func(tx store.Tx) error { return tx.Delete("k", "a") })
	if keys := f.scan("", ""); !slices.Equal(keys, []string{"b"}) {
		t.Errorf("there is %q", keys)
	}
}

func testNames(t *testing.T, open Open) {
	f := fresh(t, open)
	names := []string{" ", "a", "A", "a ", "é", "e\u0301", "\x00", "\x00\x00", "\xff", "\xff\xfe", "a\x00b", "a\x00c", "'", "%", "?", "1", "01", "1.0"}
	for _, kind := range names {
		for _, key := range names {
			f.put(store.Doc{Kind: kind, Key: key, Body: []byte(kind + "/" + key)})
		}
	}
	for _, kind := range names {
		for _, key := range names {
			if d, err := f.get(kind, key); err != nil || string(d.Body) != kind+"/"+key {
				t.Errorf("%q %q: %v, %v", kind, key, d, err)
			}
		}
	}
	for _, d := range []store.Doc{{Kind: "", Key: "a"}, {Kind: "a", Key: ""}} {
		if err := f.Update(t.Context(), func(tx store.Tx) error { return tx.Put(d) }); err == nil {
			t.Errorf("put %v: no error", d)
		}
	}
}

// What the caller does to a document after Put changes nothing in the store.
func testCopies(t *testing.T, open Open) {
	var applied []store.Doc
	f := fixture{t, open(t, t.TempDir(), store.Options{Applied: func(docs []store.Doc) { applied = docs }})}
	d := doc("a", "body", "ref")
	f.update(func(tx store.Tx) error {
		err := tx.Put(d)
		d.Body[0], d.Refs[0] = 'X', "X"
		return err
	})
	got, _ := f.get("k", "a")
	if want := doc("a", "body", "ref"); !same(got, want) || !same(applied[0], want) {
		t.Errorf("got %v, applied %v", got, applied)
	}
}

func testView(t *testing.T, open Open) {
	f := fresh(t, open)
	f.put(doc("a", "1"))
	f.view(func(tx store.Tx) error {
		for name, err := range map[string]error{
			"put": tx.Put(doc("a", "2")), "put new": tx.Put(doc("b", "")),
			"delete": tx.Delete("k", "a"), "delete missing": tx.Delete("k", "b"),
		} {
			if !errors.Is(err, store.ErrReadOnly) {
				t.Errorf("%s: %v", name, err)
			}
		}
		return nil
	})
	if d, err := f.get("k", "a"); err != nil || string(d.Body) != "1" {
		t.Error(d, err)
	}
	mine := errors.New("mine")
	if err := f.View(t.Context(), func(store.Tx) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("error of fn: %v", err)
	}
}

func testSnapshot(t *testing.T, open Open) {
	f := fresh(t, open)
	f.put(doc("a", "1"), doc("b", "1"))
	f.view(func(tx store.Tx) error {
		if d, err := tx.Get("k", "a"); err != nil || string(d.Body) != "1" {
			t.Fatal(d, err)
		}
		f.update(func(tx store.Tx) error { return errors.Join(tx.Put(doc("b", "2")), tx.Put(doc("c", "2"))) })
		if d, err := tx.Get("k", "b"); err != nil || string(d.Body) != "1" {
			t.Errorf("a View sees a later commit: %v, %v", d, err)
		}
		if keys := f.keys(tx.Scan("k", "", "")); !slices.Equal(keys, []string{"a", "b"}) {
			t.Errorf("a View scans a later commit: %q", keys)
		}
		if d, err := f.get("k", "b"); err != nil || string(d.Body) != "2" {
			t.Errorf("a View within a View is older than it: %v, %v", d, err)
		}
		return nil
	})
}

func testRollback(t *testing.T, open Open) {
	f := fresh(t, open)
	f.put(doc("a", "1", "r"), doc("b", "1", "r"))
	before := f.changes(0)
	mine := errors.New("mine")
	err := f.Update(t.Context(), func(tx store.Tx) error {
		if err := errors.Join(tx.Put(doc("a", "2", "s")), tx.Delete("k", "b"), tx.Put(doc("c", "2", "r"))); err != nil {
			t.Error(err)
		}
		if d, err := tx.Get("k", "a"); err != nil || string(d.Body) != "2" {
			t.Errorf("own put: %v, %v", d, err)
		}
		if _, err := tx.Get("k", "b"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("own delete: %v", err)
		}
		if keys := f.keys(tx.Find("r")); !slices.Equal(keys, []string{"c"}) {
			t.Errorf("own references: %q", keys)
		}
		return mine
	})
	if !errors.Is(err, mine) {
		t.Fatal(err)
	}
	if after := f.changes(0); !slices.EqualFunc(before, after, same) {
		t.Errorf("rolled back, yet there is %v", after)
	}
}

func testPanic(t *testing.T, open Open) {
	f := fresh(t, open)
	mine := errors.New("mine")
	for name, run := range map[string]func(context.Context, func(store.Tx) error) error{"update": f.Update, "view": f.View} {
		func() {
			defer func() {
				if got := recover(); got != mine {
					t.Errorf("%s: recovered %v", name, got)
				}
			}()
			_ = run(t.Context(), func(tx store.Tx) error {
				_ = tx.Put(doc("a", "1"))
				panic(mine)
			})
		}()
	}
	f.put(doc("b", "1"))
	if keys := f.scan("", ""); !slices.Equal(keys, []string{"b"}) {
		t.Errorf("after a panic there is %q", keys)
	}
}

// A function that ends its goroutine, as t.FailNow does, leaves a store that works.
func testGoexit(t *testing.T, open Open) {
	f := fresh(t, open)
	for _, run := range []func(context.Context, func(store.Tx) error) error{f.Update, f.View} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = run(context.Background(), func(tx store.Tx) error {
				_ = tx.Put(doc("a", "1"))
				runtime.Goexit()
				return nil
			})
		}()
		<-done
	}
	f.put(doc("b", "1"))
	if keys := f.scan("", ""); !slices.Equal(keys, []string{"b"}) {
		t.Errorf("after an exit there is %q", keys)
	}
}

// Ended transactions and their loops answer with an error, and write nothing.
func testEnded(t *testing.T, open Open) {
	f := fresh(t, open)
	f.put(doc("a", "1", "r"))
	for name, run := range map[string]func(func(store.Tx) error){"update": f.update, "view": f.view} {
		var ended store.Tx
		var scan, find iter.Seq2[store.Doc, error]
		run(func(tx store.Tx) error {
			ended, scan, find = tx, tx.Scan("k", "", ""), tx.Find("r")
			return nil
		})
		_, err := ended.Get("k", "a")
		errs := map[string]error{"get": err, "put": ended.Put(doc("b", "1")), "delete": ended.Delete("k", "a"), "scan": nil, "find": nil}
		for _, errs["scan"] = range scan {
		}
		for _, errs["find"] = range find {
		}
		for op, err := range errs {
			if err == nil {
				t.Errorf("%s in an ended %s: no error", op, name)
			}
		}
	}
	if keys := f.scan("", ""); !slices.Equal(keys, []string{"a"}) {
		t.Errorf("there is %q", keys)
	}
}

func testClose(t *testing.T, open Open) {
	f := fresh(t, open)
	f.put(doc("a", "1"))
	f.view(func(store.Tx) error {
		closed := make(chan error)
		go func() { closed <- f.Close() }()
		for f.View(context.Background(), func(store.Tx) error { return nil }) == nil {
			runtime.Gosched() // until Close has begun
		}
		select {
		case err := <-closed:
			t.Errorf("Close did not wait for a View: %v", err)
		default:
		}
		t.Cleanup(func() {
			if err := <-closed; err != nil {
				t.Error(err)
			}
		})
		return nil
	})
	nothing := func(store.Tx) error { t.Error("ran in a closed store"); return nil }
	var changes error
	for _, changes = range f.Changes(t.Context(), 0) {
	}
	for name, err := range map[string]error{
		"view": f.View(t.Context(), nothing), "update": f.Update(t.Context(), nothing), "changes": changes,
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := f.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func testReopen(t *testing.T, open Open) {
	dir := t.TempDir()
	f := fixture{t, open(t, dir, store.Options{})}
	for i := range 50 {
		f.put(doc(fmt.Sprint(i%7), fmt.Sprint(i), "r"))
		if i%5 == 0 {
			f.update(func(tx store.Tx) error { return tx.Delete("k", fmt.Sprint(i%7)) })
		}
	}
	before := f.changes(0)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f = fixture{t, open(t, dir, store.Options{})}
	after := f.changes(0)
	if !slices.EqualFunc(before, after, func(a, b store.Doc) bool { return same(a, b) && a.Rev == b.Rev }) {
		t.Fatalf("before %v\nafter %v", before, after)
	}
	f.put(doc("new", ""))
	if d, err := f.get("k", "new"); err != nil || d.Rev <= before[len(before)-1].Rev {
		t.Errorf("a revision was given out again: %v, %v", d, err)
	}
}
