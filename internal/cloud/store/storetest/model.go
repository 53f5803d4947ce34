package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"aksid/internal/cloud/store"
)

type name struct{ kind, key string }

// model is a store.Tx on a map, naive on purpose. It gives no Rev.
type model map[name]store.Doc

func (m model) Get(kind, key string) (store.Doc, error) {
	d, ok := m[name{kind, key}]
	if !ok {
		return d, store.ErrNotFound
	}
	return d, nil
}

func (m model) Put(d store.Doc) error {
	m[name{d.Kind, d.Key}] = d
	return nil
}

func (m model) Delete(kind, key string) error {
	delete(m, name{kind, key})
	return nil
}

func (m model) Scan(kind, prefix, after string) iter.Seq2[store.Doc, error] {
	return m.sorted(func(d store.Doc) bool {
		return d.Kind == kind && strings.HasPrefix(d.Key, prefix) && d.Key > after
	})
}

func (m model) Add(d store.Doc) error { return m.Put(d) }

func (m model) Find(ref string) iter.Seq2[store.Doc, error] {
	return m.sorted(func(d store.Doc) bool { return slices.Contains(d.Refs, ref) })
}

func (m model) sorted(match func(store.Doc) bool) iter.Seq2[store.Doc, error] {
	var docs []store.Doc
	for _, d := range m {
		if match(d) {
			docs = append(docs, d)
		}
	}
	slices.SortFunc(docs, func(a, b store.Doc) int {
		return strings.Compare(a.Kind+"\x00"+a.Key, b.Kind+"\x00"+b.Key) // no kind of random holds a zero byte
	})
	return func(yield func(store.Doc, error) bool) {
		for _, d := range docs {
			if !yield(d, nil) {
				return
			}
		}
	}
}

// random makes small names from few letters, so that they collide and are each other's prefixes.
type random struct{ *rand.Rand }

func (r random) text(letters string, most int) string {
	b := make([]byte, r.IntN(most+1))
	for i := range b {
		b[i] = letters[r.IntN(len(letters))]
	}
	return string(b)
}

func (r random) kind() string { return r.text("kl", 1) + "k" }
func (r random) part() string { return r.text("a/\x00\xff", 3) }
func (r random) key() string  { return r.part() + "a" }
func (r random) ref() string  { return r.text("rs\xff", 2) }

func (r random) doc() store.Doc {
	d := store.Doc{Kind: r.kind(), Key: r.key(), Body: []byte(r.text("{}\x00", 5))}
	for range r.IntN(4) {
		d.Refs = append(d.Refs, r.ref())
	}
	return d
}

// step is one operation, to be done to a store and to the model; its answer is comparable.
func (r random) step() func(store.Tx) string {
	kind, key, part, ref, d := r.kind(), r.key(), r.part(), r.ref(), r.doc()
	switch r.IntN(10) {
	case 0, 1, 2, 3:
		return func(tx store.Tx) string { return fmt.Sprint(tx.Put(d)) }
	case 4, 5:
		return func(tx store.Tx) string { return fmt.Sprint(tx.Delete(kind, key)) }
	case 6, 7:
		return func(tx store.Tx) string {
			got, err := tx.Get(kind, key)
			return fmt.Sprint(show(got), errors.Is(err, store.ErrNotFound))
		}
	case 8:
		return func(tx store.Tx) string { return showAll(tx.Find(ref)) }
	default:
		return func(tx store.Tx) string { return showAll(tx.Scan(kind, part, key)) }
	}
}

func show(d store.Doc) string { return fmt.Sprintf("%q %q %q %q;", d.Kind, d.Key, d.Refs, d.Body) }

func showAll(docs iter.Seq2[store.Doc, error]) string {
	var all []string
	for d, err := range docs {
		if err != nil {
			return err.Error()
		}
		all = append(all, show(d))
	}
	return strings.Join(all, "\n")
}

// testModel does random transactions, some of which fail, to a store and to the model: every answer is the same, and
// so are the contents, and what the Applied hook and Changes say of them.
func testModel(t *testing.T, open Open) {
	for seed := range uint64(4) {
		r := random{rand.New(rand.NewPCG(seed, 3))}
		replica := model{}
		f := fixture{t, open(t, t.TempDir(), store.Options{Applied: func(docs []store.Doc) { apply(replica, docs) }})}
		state := model{}
		for range 150 {
			next, failed := maps.Clone(state), r.IntN(5) == 0
			err := f.Update(t.Context(), func(tx store.Tx) error {
				for range r.IntN(12) {
					step := r.step()
					if got, want := step(tx), step(next); got != want {
						t.Fatalf("seed %d:\n%s\nwant\n%s", seed, got, want)
					}
				}
				if failed {
					return errors.New("no")
				}
				return nil
			})
			if (err != nil) != failed {
				t.Fatal(err)
			}
			if !failed {
				state = next
			}
			compare(f, state, replica)
		}
	}
}

func apply(m model, docs []store.Doc) {
	for _, d := range docs {
		if d.Deleted {
			delete(m, name{d.Kind, d.Key})
		} else {
			m[name{d.Kind, d.Key}] = d
		}
	}
}

func compare(f fixture, want, replica model) {
	f.t.Helper()
	stored, changed := model{}, model{}
	f.view(func(tx store.Tx) error {
		for _, kind := range []string{"k", "kk", "lk"} { // all that random.kind makes
			for d, err := range tx.Scan(kind, "", "") {
				if err != nil {
					return err
				}
				_ = stored.Put(d)
			}
		}
		return nil
	})
	apply(changed, f.changes(0))
	for what, got := range map[string]model{"stored": stored, "applied": replica, "changes": changed} {
		if !maps.EqualFunc(got, want, same) {
			f.t.Fatalf("%s: %v\nwant %v", what, got, want)
		}
	}
}

// record is what a committed transaction did and which answers it got.
type record struct {
	rev     int64 // of its last put
	steps   []func(store.Tx) string
	answers []string
}

// testSerialOrder does random transactions at the same time. Done to the model one after the other, in the order of
// their revisions, they give the same answers.
func testSerialOrder(t *testing.T, open Open) {
	f := fresh(t, open)
	var mu sync.Mutex
	var records []record
	var wg sync.WaitGroup
	for w := range uint64(8) {
		wg.Go(func() {
			r := random{rand.New(rand.NewPCG(w, 4))}
			for range 60 {
				rec, failed := record{}, r.IntN(5) == 0
				for range 1 + r.IntN(6) {
					rec.steps = append(rec.steps, r.step())
				}
				mark := doc(fmt.Sprint("mark", w), "")
				rec.steps = append(rec.steps, func(tx store.Tx) string { return fmt.Sprint(tx.Put(mark)) })
				err := f.Update(context.Background(), func(tx store.Tx) error {
					rec.answers = nil
					for _, step := range rec.steps {
						rec.answers = append(rec.answers, step(tx))
					}
					d, err := tx.Get(mark.Kind, mark.Key)
					rec.rev = d.Rev
					if failed {
						return errors.New("no")
					}
					return err
				})
				if (err != nil) != failed {
					t.Error(err)
				}
				if err == nil {
					mu.Lock()
					records = append(records, rec)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	slices.SortFunc(records, func(a, b record) int { return int(a.rev - b.rev) })
	m := model{}
	for _, rec := range records {
		for i, step := range rec.steps {
			if want := step(m); rec.answers[i] != want {
				t.Fatalf("revision %d, step %d:\n%s\nwant\n%s", rec.rev, i, rec.answers[i], want)
			}
		}
	}
}
