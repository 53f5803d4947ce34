// Package recent has a map that forgets what was not used of late.
package recent

// Map holds up to two halves of a limit. What is used is in the young half; when that is full it becomes the old half, whose
// place it takes. It is not for several goroutines at a time.
type Map[K comparable, V any] struct {
	young, old  map[K]sized[V]
	size, limit int // of the young half
}

type sized[V any] struct {
	v    V
	size int
}

// New makes a map whose halves hold entries of a size up to limit each, or one entry that is larger.
func New[K comparable, V any](limit int) *Map[K, V] {
	return &Map[K, V]{young: map[K]sized[V]{}, limit: limit}
}

// Get uses an entry.
func (m *Map[K, V]) Get(k K) (v V, ok bool) {
	if e, ok := m.young[k]; ok {
		return e.v, true
	}
	e, ok := m.old[k]
	if ok {
		m.Put(k, e.v, e.size)
	}
	return e.v, ok
}

// Put takes in an entry of a size, or replaces it.
func (m *Map[K, V]) Put(k K, v V, size int) {
	if m.size-m.young[k].size+size > m.limit && len(m.young) > 0 {
		m.young, m.old, m.size = map[K]sized[V]{}, m.young, 0
	}
	m.size += size - m.young[k].size
	m.young[k] = sized[V]{v, size}
}

// Drop forgets an entry.
func (m *Map[K, V]) Drop(k K) {
	m.size -= m.young[k].size
	delete(m.young, k)
	delete(m.old, k)
}

// Len is how many entries the halves have; one that is in both counts twice.
func (m *Map[K, V]) Len() int { return len(m.young) + len(m.old) }
