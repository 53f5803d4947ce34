package rbac

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// number is a value of the indexes under test: those with one id are the same.
type number struct{ id, version int }

func (n number) same(o number) bool { return n.id == o.id }

// model is an index as lists: by hash, in the order in which the values came.
type model map[uint64][]number

func (m model) apply(edits []edit[number]) {
	for _, e := range edits {
		m[e.hash] = slices.DeleteFunc(slices.Clone(m[e.hash]), e.val.same)
		if !e.remove {
			m[e.hash] = append(m[e.hash], e.val)
		}
	}
}

func checkIndex(t *testing.T, x *index[number], m model) {
	t.Helper()
	n := 0
	for hash, want := range m {
		n += len(want)
		got := x.find(hash)
		if !slices.EqualFunc(got, want, func(s slot[number], v number) bool { return s.hash == hash && s.val == v }) {
			t.Fatalf("find(%x) = %v, want %v", hash, got, want)
		}
	}
	last, all := uint64(0), 0
	for _, chunk := range x.chunks {
		for _, page := range chunk {
			for _, s := range page {
				if s.hash < last {
					t.Fatalf("%x comes after %x", s.hash, last)
				}
				last = s.hash
				all++
			}
		}
	}
	if x.n != n || all != n {
		t.Fatalf("%d values, %d on pages, want %d", x.n, all, n)
	}
}

// TestIndexAgainstModel edits indexes in batches of every size and keeps looking at the older ones. Some hashes hold
// many values, some hashes are next to each other.
func TestIndexAgainstModel(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 4))
		hashes := []uint64{0, 1, math.MaxUint64, math.MaxUint64 - 1, 1 << 63, 1<<63 - 1}
		for range 4000 {
			h := r.Uint64()
			if r.IntN(4) == 0 {
				h = hashes[r.IntN(len(hashes))] + uint64(r.IntN(3))
			}
			hashes = append(hashes, h)
		}
		var x index[number]
		m := model{}
		checkIndex(t, &x, m)
		for version := range 24 {
			var edits []edit[number]
			for range []int{1, 2, 100, 3000, 20_000}[r.IntN(5)] {
				id := r.IntN(40_000)
				hash := hashes[id%len(hashes)]
				if r.IntN(20) == 0 {
					id = 100_000 + id%50
					hash = hashes[0] // many of one hash
				}
				remove := r.IntN(3) == 0 || seed == 5 && version > 12 && r.IntN(10) > 0
				edits = append(edits, edit[number]{slot[number]{hash, number{id, version}}, remove})
			}
			before, old := x, model{}
			for h, list := range m {
				old[h] = list
			}
			x = x.with(net(&x, edits))
			m.apply(edits)
			checkIndex(t, &x, m)
			checkIndex(t, &before, old)
		}
	}
}

// TestIndexPagesStaySmall is what With's cost rests on.
func TestIndexPagesStaySmall(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	var x index[number]
	for i := range 40 {
		var edits []edit[number]
		for j := range 5000 {
			edits = append(edits, edit[number]{slot[number]{r.Uint64(), number{i, j}}, false})
		}
		x = x.with(edits)
		for _, chunk := range x.chunks {
			for _, page := range chunk {
				if len(page) > 2*pageSize {
					t.Fatalf("a page of %d among %d values", len(page), x.n)
				}
			}
		}
	}
	before := x
	x = x.with([]edit[number]{{slot[number]{r.Uint64(), number{}}, false}})
	chunks, pages := 0, 0
	for i := range x.chunks {
		if x.chunks[i] == before.chunks[i] {
			continue
		}
		chunks++
		for j := range x.chunks[i] {
			if a, b := x.chunks[i][j], before.chunks[i][j]; len(a) != len(b) || len(a) > 0 && &a[0] != &b[0] {
				pages++
			}
		}
	}
	if chunks != 1 || pages != 1 {
		t.Errorf("one value more copied %d chunks and %d pages", chunks, pages)
	}
}

// FuzzSeek looks for places on pages from every guess.
func FuzzSeek(f *testing.F) {
	f.Add([]byte{1, 2, 2, 2, 9}, byte(2), 3)
	f.Add([]byte{}, byte(0), 0)
	f.Fuzz(func(t *testing.T, hashes []byte, hash byte, guess int) {
		slices.Sort(hashes)
		var page []slot[int]
		for _, h := range hashes {
			page = append(page, slot[int]{uint64(h), 0})
		}
		want, _ := slices.BinarySearch(hashes, hash)
		guess = int(uint(guess) % uint(len(page)+1))
		if got := seek(page, uint64(hash), guess); got != want {
			t.Errorf("seek(%v, %d) from %d = %d, want %d", hashes, hash, guess, got, want)
		}
	})
}
