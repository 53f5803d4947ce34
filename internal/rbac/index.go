package rbac

import (
	"cmp"
	"iter"
	"math/bits"
	"slices"
)

// index is a persistent multimap from hashes to values: an edit makes another index and leaves this one as it is.
// The top bits of a hash choose a page, a page is sorted by hash, and values of one hash keep the order in which they
// came. An edit copies the list of pages and the pages that it touches; with evenly spread hashes both stay near the
// square root of the whole. Half a sorted page is a page of an index with twice as many, so growing copies no values.
type index[V member[V]] struct {
	pages [][]slot[V] // 1<<bits of them
	bits  int
	n     int
}

// member is a value of an index. Two values that are the same cannot both be in it: the later takes the other's place.
type member[V any] interface {
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

// pageSize is the mean number of values on a page above which their number doubles.
const pageSize = 256

func (x *index[V]) page(hash uint64) []slot[V] {
	if x.n == 0 {
		return nil
	}
	return x.pages[hash>>1>>(63-x.bits)]
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
		for _, page := range x.pages {
			for i := range page {
				if !yield(page[i].val) {
					return
				}
			}
		}
	}
}

// net reduces edits in their order to those that take effect: what is taken away is in the index, what is added is not.
func (x *index[V]) net(edits []edit[V]) []edit[V] {
	order := make([]int, len(edits))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(edits[a].hash, edits[b].hash), a-b) })
	last := make([]bool, len(edits)) // no later edit is about the same value
	var net []edit[V]
	var values []V // of one hash, each once
	for k := len(order) - 1; k >= 0; k-- {
		e := &edits[order[k]]
		if k == len(order)-1 || e.hash != edits[order[k+1]].hash {
			values = values[:0]
		}
		if slices.ContainsFunc(values, e.val.same) {
			continue
		}
		values = append(values, e.val)
		last[order[k]] = true
		for _, s := range x.find(e.hash) {
			if e.val.same(s.val) {
				net = append(net, edit[V]{s, true})
			}
		}
	}
	for i, e := range edits {
		if last[i] && !e.remove {
			net = append(net, e)
		}
	}
	return net
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
	x.split()
	groups := x.byPage(edits)
	for len(groups) > 0 {
		at := groups[0].hash >> 1 >> (63 - x.bits)
		n := 1
		for n < len(groups) && groups[n].hash>>1>>(63-x.bits) == at {
			n++
		}
		x.pages[at] = merge(x.pages[at], groups[:n])
		groups = groups[n:]
	}
	return x
}

// split gives the index pages of its own, enough of them for its values.
func (x *index[V]) split() {
	old := x.pages
	if len(old) == 0 {
		old = make([][]slot[V], 1)
	}
	grow := 0
	for pageSize<<(x.bits+grow) < x.n {
		grow++
	}
	x.bits += grow
	x.pages = make([][]slot[V], 0, len(old)<<grow)
	for _, page := range old {
		for part := range 1 << grow {
			next := uint64(len(x.pages)+1) << (64 - x.bits) // the first hash that is not on this page
			n := len(page)
			if part+1 < 1<<grow {
				n = seek(page, next, n/2)
			}
			x.pages = append(x.pages, page[:n:n])
			page = page[n:]
		}
	}
}

// byPage sorts edits by hash; those of one hash keep their order.
func (x *index[V]) byPage(edits []edit[V]) []edit[V] {
	starts := make([]int, len(x.pages)+1)
	for _, e := range edits {
		starts[e.hash>>1>>(63-x.bits)+1]++
	}
	for i := range x.pages {
		starts[i+1] += starts[i]
	}
	sorted, ends := make([]edit[V], len(edits)), slices.Clone(starts)
	for _, e := range edits {
		at := &ends[e.hash>>1>>(63-x.bits)]
		sorted[*at] = e
		*at++
	}
	for i := range x.pages {
		slices.SortStableFunc(sorted[starts[i]:starts[i+1]], func(a, b edit[V]) int { return cmp.Compare(a.hash, b.hash) })
	}
	return sorted
}

// merge is a page after sorted edits.
func merge[V comparable](page []slot[V], edits []edit[V]) []slot[V] {
	var gone map[V]bool
	for _, e := range edits {
		if e.remove {
			if gone == nil {
				gone = map[V]bool{}
			}
			gone[e.val] = true
		}
	}
	out := make([]slot[V], 0, len(page)+len(edits)-2*len(gone))
	keep := func(s slot[V]) {
		if gone == nil || !gone[s.val] {
			out = append(out, s)
		}
	}
	for _, e := range edits {
		for len(page) > 0 && page[0].hash <= e.hash {
			keep(page[0])
			page = page[1:]
		}
		if !e.remove {
			out = append(out, e.slot)
		}
	}
	for _, s := range page {
		keep(s)
	}
	return out
}
