package rbac

import (
	"cmp"
	"iter"
	"math/bits"
	"slices"
)

// index is a persistent multimap from hashes to values: an edit makes another index and leaves this one as it is.
// The top bits of a hash choose a page, a page is sorted by hash, and values of one hash keep the order in which they
// came. An edit copies the pages that it touches, the chunks of pages they are in and the list of chunks. As hashes are
// evenly spread, that is some kilobytes whatever the size. Half a sorted page is a page of an index with twice as many,
// so growing copies no values.
type index[V comparable] struct {
	chunks []*[chunkPages][]slot[V]
	bits   int // log2 of the number of pages; with one value or more at least chunkBits
	n      int
}

const (
	chunkBits  = 6
	chunkPages = 1 << chunkBits
	pageSize   = 128 // the mean number of values on a page above which the number of pages doubles
)

// identified is a value of which an index has one only: a later one that is the same takes its place.
type identified[V any] interface {
	comparable
	same(V) bool
}

type slot[V any] struct {
	hash uint64
	val  V
}

// edit adds a value to an index, or takes the same one away.
type edit[V any] struct {
	slot[V]
	remove bool
}

func (x *index[V]) page(hash uint64) []slot[V] {
	if x.n == 0 {
		return nil
	}
	i := hash >> (64 - x.bits)
	return x.chunks[i>>chunkBits][i%chunkPages]
}

// seek is the place of the first value on the page of hash that is not below it. Hashes are evenly spread: it is near
// where their proportion says.
func (x *index[V]) seek(page []slot[V], hash uint64) int {
	guess, _ := bits.Mul64(hash<<x.bits, uint64(len(page)))
	return seek(page, hash, int(guess))
}

// seek finds the first slot not below hash, in steps that double from a guess.
func seek[V any](page []slot[V], hash uint64, guess int) int {
	low, high, step := guess, guess, 1 // all slots before low are below hash, none from high on is
	for low > 0 && page[low-1].hash >= hash {
		high = low - 1
		low = max(0, low-step)
		step *= 2
	}
	for high < len(page) && page[high].hash < hash {
		low = high + 1
		high = min(len(page), high+step)
		step *= 2
	}
	for low < high {
		if mid := int(uint(low+high) >> 1); page[mid].hash < hash {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// find is every value with the hash; the caller tells apart what shares one.
func (x *index[V]) find(hash uint64) []slot[V] {
	page := x.page(hash)
	if len(page) == 0 {
		return nil
	}
	from := x.seek(page, hash)
	to := from
	for to < len(page) && page[to].hash == hash {
		to++
	}
	return page[from:to]
}

// all are the values, by hash.
func (x *index[V]) all() iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, chunk := range x.chunks {
			for _, page := range chunk {
				for i := range page {
					if !yield(page[i].val) {
						return
					}
				}
			}
		}
	}
}

// net reduces edits in their order to those that take effect: what is taken away is in the index, what is added is not.
func net[V identified[V]](x *index[V], edits []edit[V]) []edit[V] {
	order := byHash(edits)
	last := make([]bool, len(edits)) // no later edit is about the same value
	var effect []edit[V]
	var values []V // of one hash, each once
	for k := len(order) - 1; k >= 0; k-- {
		e := &edits[order[k].val]
		if k == len(order)-1 || e.hash != order[k+1].hash {
			values = values[:0]
		}
		if slices.ContainsFunc(values, e.val.same) {
			continue
		}
		values = append(values, e.val)
		last[order[k].val] = true
		for _, s := range x.find(e.hash) {
			if e.val.same(s.val) {
				effect = append(effect, edit[V]{s, true})
			}
		}
	}
	effect = slices.Grow(effect, len(edits))
	for i, e := range edits {
		if last[i] && !e.remove {
			effect = append(effect, e)
		}
	}
	return effect
}

// with is the index after edits that net has reduced.
func (x index[V]) with(edits []edit[V]) index[V] {
	if len(edits) == 0 {
		return x
	}
	for _, e := range edits {
		if e.remove {
			x.n--
		} else {
			x.n++
		}
	}
	x.grow()
	order := byHash(edits)
	own := -1 // the last chunk that was copied
	for len(order) > 0 {
		i := int(order[0].hash >> (64 - x.bits))
		n := 1
		for n < len(order) && int(order[n].hash>>(64-x.bits)) == i {
			n++
		}
		at := i >> chunkBits
		if own != at {
			chunk := *x.chunks[at]
			x.chunks[at], own = &chunk, at
		}
		page := &x.chunks[at][i%chunkPages]
		*page = merge(*page, edits, order[:n])
		order = order[n:]
	}
	return x
}

// grow gives the index a list of chunks of its own, enough of them for its values.
func (x *index[V]) grow() {
	if len(x.chunks) == 0 {
		x.bits, x.chunks = chunkBits, []*[chunkPages][]slot[V]{new([chunkPages][]slot[V])}
	}
	more := 0
	for pageSize<<(x.bits+more) < x.n {
		more++
	}
	if more == 0 {
		x.chunks = slices.Clone(x.chunks)
		return
	}
	old := x.chunks
	x.bits += more
	x.chunks = make([]*[chunkPages][]slot[V], len(old)<<more)
	for i := range x.chunks {
		x.chunks[i] = new([chunkPages][]slot[V])
	}
	i := uint64(0)
	for _, chunk := range old {
		for _, page := range chunk {
			for end := i + 1<<more; i < end; i++ {
				n := len(page)
				if i+1 < end {
					n = seek(page, (i+1)<<(64-x.bits), n/2)
				}
				x.chunks[i>>chunkBits][i%chunkPages] = page[:n:n]
				page = page[n:]
			}
		}
	}
}

// byHash is the order of edits by hash, as their numbers; those of one hash keep their order. As hashes are evenly
// spread, most of the work is to put each into its bucket.
func byHash[V any](edits []edit[V]) []slot[int] {
	width := bits.Len(uint(len(edits) / 64))
	bucket := func(hash uint64) int { return int(hash >> 1 >> (63 - width)) }
	starts := make([]int, 1<<width+1)
	for i := range edits {
		starts[bucket(edits[i].hash)+1]++
	}
	for i := range 1 << width {
		starts[i+1] += starts[i]
	}
	order, next := make([]slot[int], len(edits)), slices.Clone(starts)
	for i := range edits {
		at := &next[bucket(edits[i].hash)]
		order[*at] = slot[int]{edits[i].hash, i}
		*at++
	}
	for i := range 1 << width {
		slices.SortFunc(order[starts[i]:starts[i+1]], func(a, b slot[int]) int { return cmp.Or(cmp.Compare(a.hash, b.hash), a.val-b.val) })
	}
	return order
}

// merge is a page after some edits, in the order that is given.
func merge[V comparable](page []slot[V], edits []edit[V], order []slot[int]) []slot[V] {
	var gone map[V]bool
	for _, o := range order {
		if e := &edits[o.val]; e.remove {
			if gone == nil {
				gone = map[V]bool{}
			}
			gone[e.val] = true
		}
	}
	out := make([]slot[V], 0, len(page)+len(order)-2*len(gone))
	keep := func(s slot[V]) {
		if gone == nil || !gone[s.val] {
			out = append(out, s)
		}
	}
	for _, o := range order {
		for len(page) > 0 && page[0].hash <= o.hash {
			keep(page[0])
			page = page[1:]
		}
		if e := &edits[o.val]; !e.remove {
			out = append(out, e.slot)
		}
	}
	for _, s := range page {
		keep(s)
	}
	return out
}
