package store

import "slices"

// pending are documents that were written and are not committed: the newest version of each.
type pending struct {
	docs map[string]map[string]Doc // by kind and key
	refs map[string]map[name]bool  // who had a reference in one of its versions
}

func newPending() *pending {
	return &pending{docs: map[string]map[string]Doc{}, refs: map[string]map[name]bool{}}
}

func (p *pending) put(d Doc) {
	keys := p.docs[d.Kind]
	if keys == nil {
		keys = map[string]Doc{}
		p.docs[d.Kind] = keys
	}
	keys[d.Key] = d
	for _, ref := range d.Refs {
		if p.refs[ref] == nil {
			p.refs[ref] = map[name]bool{}
		}
		p.refs[ref][d.name()] = true
	}
}

func (p *pending) get(n name) (Doc, bool) {
	d, ok := p.docs[n.kind][n.key]
	return d, ok
}

// merge takes in what was written later.
func (p *pending) merge(later *pending) {
	for _, keys := range later.docs {
		for _, d := range keys {
			p.put(d)
		}
	}
}

// inOrder are its documents in order of Rev.
func (p *pending) inOrder() []Doc {
	var docs []Doc
	for _, keys := range p.docs {
		for _, d := range keys {
			docs = append(docs, d)
		}
	}
	slices.SortFunc(docs, func(a, b Doc) int { return int(a.Rev - b.Rev) })
	return docs
}

// layers are what a transaction sees before it sees what is committed: the newest first.
type layers []*pending

// get is the newest version of a document; it may be a tombstone.
func (l layers) get(n name) (Doc, bool) {
	for _, p := range l {
		if d, ok := p.get(n); ok {
			return d, true
		}
	}
	return Doc{}, false
}

// newest calls fn with those that candidates names in any layer, as the newest layer has them, but for tombstones.
func (l layers) newest(candidates func(*pending, func(name)), fn func(Doc)) {
	seen := map[name]bool{}
	for _, p := range l {
		candidates(p, func(n name) {
			if seen[n] {
				return
			}
			seen[n] = true
			if d, _ := l.get(n); !d.Deleted {
				fn(d)
			}
		})
	}
}

// withRef names the documents that had a reference.
func withRef(ref string) func(*pending, func(name)) {
	return func(p *pending, yield func(name)) {
		for n := range p.refs[ref] {
			yield(n)
		}
	}
}

// ofKind names the documents of a kind.
func ofKind(kind string) func(*pending, func(name)) {
	return func(p *pending, yield func(name)) {
		for key := range p.docs[kind] {
			yield(name{kind, key})
		}
	}
}
