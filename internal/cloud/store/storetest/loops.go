package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"aksid/internal/cloud/store"
)

func testScan(t *testing.T, open Open) {
	f := fresh(t, open)
	keys := []string{"\x00", "\x00\x00", "a", "a/", "a/b", "a/b/c", "a0", "aa", "b", "\xc3\xa9", "\xfe\xff", "\xff", "\xff\x00", "\xff\xff", "\xff\xffz"}
	for _, k := range keys {
		f.put(doc(k, k), store.Doc{Kind: "j", Key: k}, store.Doc{Kind: "k\x00", Key: k}, store.Doc{Kind: "l", Key: k})
	}
	borders := append(slices.Clone(keys), "", "\x00\x00\x00", "a/b/", "a/b\xff", "c", "\xff\xff\xff", "\xfe")
	for _, prefix := range borders {
		for _, after := range borders {
			var want []string
			for _, k := range keys {
				if strings.HasPrefix(k, prefix) && k > after {
					want = append(want, k)
				}
			}
			if got := f.scan(prefix, after); !slices.Equal(got, want) {
				t.Errorf("scan %q after %q: %q, want %q", prefix, after, got, want)
			}
		}
	}
}

// testLargeScan crosses whatever pages the store reads in, by number and by size.
func testLargeScan(t *testing.T, open Open) {
	f := fresh(t, open)
	const n = 1500
	body := strings.Repeat("x", 3000)
	var want []string
	f.update(func(tx store.Tx) error {
		for i := range n {
			d := doc(fmt.Sprintf("%05d", i), body, "all")
			if i%500 == 0 {
				d.Body = []byte(strings.Repeat("y", 2<<20))
			}
			want = append(want, d.Key)
			if err := tx.Put(d); err != nil {
				return err
			}
		}
		return nil
	})
	f.view(func(tx store.Tx) error {
		if got := f.keys(tx.Scan("k", "", "")); !slices.Equal(got, want) {
			t.Errorf("scan: %d documents", len(got))
		}
		if got := f.keys(tx.Scan("k", "0", want[700])); !slices.Equal(got, want[701:]) {
			t.Errorf("scan after: %d documents", len(got))
		}
		if got := f.keys(tx.Find("all")); !slices.Equal(got, want) {
			t.Errorf("find: %d documents", len(got))
		}
		return nil
	})
	if got := f.changes(0); len(got) != n {
		t.Errorf("changes: %d documents", len(got))
	}
}

func testFind(t *testing.T, open Open) {
	f := fresh(t, open)
	find := func(ref string) (names []string) {
		f.view(func(tx store.Tx) error {
			for d, err := range tx.Find(ref) {
				if err != nil {
					return err
				}
				if !slices.Contains(d.Refs, ref) {
					t.Errorf("find %q: %v", ref, d)
				}
				names = append(names, d.Kind+" "+d.Key)
			}
			return nil
		})
		return names
	}
	put := func(kind, key string, refs ...string) func() {
		return func() { f.put(store.Doc{Kind: kind, Key: key, Refs: refs}) }
	}
	for _, step := range []struct {
		name string
		do   func()
		r, s string // what Find("r") and Find("s") answer then, comma separated
	}{
		{"empty", func() {}, "", ""},
		{"one", put("k", "b", "r"), "k b", ""},
		{"twice the same", put("k", "a", "r", "s", "r"), "k a,k b", "k a"},
		{"by kind, then key", put("j", "z", "r"), "j z,k a,k b", "k a"},
		{"prefixes are others", put("k", "p", "rr", "R", "r\x00", ""), "j z,k a,k b", "k a"},
		{"moved", put("k", "a", "s", "t"), "j z,k b", "k a"},
		{"none left", put("j", "z"), "k b", "k a"},
		{"back again", put("k", "a", "t", "r"), "k a,k b", ""},
		{"deleted", func() { f.update(func(tx store.Tx) error { return tx.Delete("k", "b") }) }, "k a", ""},
		{"put again without", put("k", "b"), "k a", ""},
	} {
		step.do()
		if r, s := strings.Join(find("r"), ","), strings.Join(find("s"), ","); r != step.r || s != step.s {
			t.Errorf("%s: r %q, s %q; want %q, %q", step.name, r, s, step.r, step.s)
		}
	}
}

// Loops nest, also of one kind in itself, are left early, and run again.
func testLoops(t *testing.T, open Open) {
	f := fresh(t, open)
	const n = 40
	for i := range n {
		f.put(doc(fmt.Sprintf("%02d", i), "", "r"))
	}
	loops := func(tx store.Tx) error {
		outer, pairs := tx.Scan("k", "", ""), 0
		for a, err := range outer {
			if err != nil {
				return err
			}
			for b, err := range tx.Scan("k", "", a.Key) {
				if err != nil {
					return err
				}
				for c, err := range tx.Find("r") {
					if err != nil || c.Key > b.Key {
						break
					}
				}
				pairs++
			}
		}
		if pairs != n*(n-1)/2 {
			t.Errorf("%d pairs", pairs)
		}
		if keys := f.keys(outer); len(keys) != n {
			t.Errorf("the second time: %q", keys)
		}
		return nil
	}
	f.view(loops)
	f.update(loops)
}

// A loop yields each document as it is when its turn comes, wherever the store's pages end.
func testWriteInLoop(t *testing.T, open Open) {
	f := fresh(t, open)
	const n = 300
	key := func(i int) string { return fmt.Sprintf("%03d", i) }
	for _, ref := range []bool{false, true} {
		f.update(func(tx store.Tx) error {
			for i := range n {
				if err := tx.Put(doc(key(i), "old", "r")); err != nil {
					return err
				}
			}
			return nil
		})
		f.update(func(tx store.Tx) error {
			docs := tx.Scan("k", "", "")
			if ref {
				docs = tx.Find("r")
			}
			want := 0
			for d, err := range docs {
				if err != nil {
					return err
				}
				body := map[bool]string{false: "old", true: "new"}[want%10 == 1 || want == 203]
				if d.Key != key(want) || string(d.Body) != body {
					t.Fatalf("%v, want %s %s", d, key(want), body)
				}
				switch want++; want % 10 {
				case 1: // change the next
					err = tx.Put(doc(key(want), "new", "r"))
				case 5: // itself and what is behind
					err = errors.Join(tx.Delete("k", d.Key), tx.Put(doc(key(0), "behind", "r")))
				case 7: // remove the next
					err = tx.Delete("k", key(want))
					want++
				}
				if want == 201 { // what is far ahead
					err = errors.Join(err, tx.Put(doc(key(203), "new", "r")), tx.Put(doc(key(299)+"x", "old", "r")), tx.Delete("k", key(299)+"x"))
				}
				if err != nil {
					return err
				}
			}
			if want != n {
				t.Errorf("ended at %d", want)
			}
			return nil
		})
	}
}

// A loop that appends to what it reads ends when it stops appending.
func testAppendInLoop(t *testing.T, open Open) {
	f := fresh(t, open)
	f.put(doc("100", "", "r"))
	for _, ref := range []bool{false, true} {
		f.update(func(tx store.Tx) error {
			docs := tx.Scan("k", "", "")
			if ref {
				docs = tx.Find("r")
			}
			n := 0
			for d, err := range docs {
				if err != nil {
					return err
				}
				if want := fmt.Sprint(100 + n); d.Key != want {
					t.Fatalf("%v, want %s", d, want)
				}
				if n++; n < 60 {
					if err := tx.Put(doc(fmt.Sprint(100+n), "", "r")); err != nil {
						return err
					}
				}
			}
			if n != 60 {
				t.Errorf("ended at %d", n)
			}
			return nil
		})
	}
}
