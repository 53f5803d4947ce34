package store

import (
	"sync"

	"aksid/internal/cloud/recent"
)

// memory keeps documents that were asked for of late, and who refers to what, as of the last commit.
type memory struct {
	mu    sync.Mutex
	rev   int64 // of the last commit that it knows
	docs  *recent.Map[name, held]
	finds *recent.Map[string, found]
}

// name is what a document is known by.
type name struct{ kind, key string }

func (d Doc) name() name { return name{d.Kind, d.Key} }

// held is the newest version of a document: a tombstone, or with Rev 0 none, where there is none.
type held struct {
	Doc
	since int64 // the revision that it is true from, at the latest
}

// found are the documents that have a reference, in order of kind and key.
type found struct {
	docs  []Doc
	since int64
}

// maxMemory bounds each half of what is held, in bytes of documents. What is parsed takes several times as much.
const maxMemory = 4 << 20

func newMemory(rev int64) *memory {
	return &memory{rev: rev, docs: recent.New[name, held](maxMemory), finds: recent.New[string, found](maxMemory)}
}

func (m *memory) revision() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rev
}

// get is a document as it was at a revision; ok tells whether that is known.
func (m *memory) get(n name, at int64) (d Doc, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h, ok := m.docs.Get(n)
	return h.Doc, ok && h.since <= at
}

// find are the documents that had a reference at a revision; ok tells whether they are known.
func (m *memory) find(ref string, at int64) (docs []Doc, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.finds.Get(ref)
	return f.docs, ok && f.since <= at
}

// keep takes in what was read of a name at a revision, unless there were commits since.
func (m *memory) keep(n name, d Doc, at int64) Doc {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rev == at {
		d = m.hold(n, d)
	}
	return d
}

// hold is the one copy of a version of a document, whose parsed form everybody shares.
func (m *memory) hold(n name, d Doc) Doc {
	if h, ok := m.docs.Get(n); ok && h.Rev == d.Rev {
		return h.Doc
	}
	since := d.Rev
	if since == 0 {
		since = m.rev
	}
	m.docs.Put(n, held{d, since}, len(n.key)+len(d.Body))
	return d
}

// keepFound takes in all documents that had a reference at a revision, unless there were commits since.
func (m *memory) keepFound(ref string, docs []Doc, at int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rev != at {
		return
	}
	size := len(ref)
	for i, d := range docs {
		docs[i] = m.hold(d.name(), d)
		size += len(d.Body)
	}
	m.finds.Put(ref, found{docs, at}, size)
}

// commit takes over what a commit changed; refs are those that came, went, or whose documents changed.
func (m *memory) commit(rev int64, docs []Doc, refs []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rev = rev
	for _, d := range docs {
		if _, asked := m.docs.Get(d.name()); asked {
			m.docs.Put(d.name(), held{d, d.Rev}, len(d.Key)+len(d.Body))
		}
	}
	for _, ref := range refs {
		m.finds.Drop(ref)
	}
}
