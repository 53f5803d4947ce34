package store

import (
	"cmp"
	"slices"
)

// pending are documents that were written and are not committed: the newest version of each.
type pending struct {
	docs map[name]Doc
	refs map[string][]name // who had a reference in one of its versions
}

func newPending() *pending { return &pending{docs: map[name]Doc{}, refs: map[string][]name{}} }

// put takes in a new version. It returns what takes it out again: the last that was put, first.
func (p *pending) put(d Doc) undo {
	n := d.name()
	old, had := p.docs[n]
	p.docs[n] = d
	for _, ref := range d.Refs {
		p.refs[ref] = append(p.refs[ref], n)
	}
	return undo{n, old, had}
}

// undo is what there was before a document was put.
type undo struct {
	name
	old Doc
	had bool
}

// back takes out what was put, from the last to the first.
func (p *pending) back(put []undo) {
	for _, u := range slices.Backward(put) {
		if u.had {
			p.docs[u.name] = u.old
		} else {
			delete(p.docs, u.name)
		}
	}
}

// inOrder are its documents in order of Rev.
func (p *pending) inOrder() []Doc {
	docs := make([]Doc, 0, len(p.docs))
	for _, d := range p.docs {
		docs = append(docs, d)
	}
	slices.SortFunc(docs, func(a, b Doc) int { return cmp.Compare(a.Rev, b.Rev) })
	return docs
}

// layers are what a transaction sees before it sees what is committed: the newest first.
type layers []*pending

// get is the newest version of a document; it may be a tombstone.
func (l layers) get(n name) (Doc, bool) {
	for _, p := range l {
		if d, ok := p.docs[n]; ok {
			return d, true
		}
	}
	return Doc{}, false
}

// newest calls fn with those that candidates names in any layer, as the newest layer has them, but for tombstones.
func (l layers) newest(candidates func(*pending, func(name)), fn func(Doc)) {
	var seen map[name]bool
	for _, p := range l {
		candidates(p, func(n name) {
			if seen[n] {
				return
			}
			if seen == nil {
				seen = map[name]bool{}
			}
			seen[n] = true
			if d, ok := l.get(n); ok && !d.Deleted {
				fn(d)
			}
		})
	}
}

// withRef names the documents that had a reference.
func withRef(ref string) func(*pending, func(name)) {
	return func(p *pending, yield func(name)) {
		for _, n := range p.refs[ref] {
			yield(n)
		}
	}
}

// ofKind names the documents of a kind.
func ofKind(kind string) func(*pending, func(name)) {
	return func(p *pending, yield func(name)) {
		for n := range p.docs {
			if n.kind == kind {
				yield(n)
			}
		}
	}
}
