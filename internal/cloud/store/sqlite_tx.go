package store

import (
	"cmp"
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"sync/atomic"
)

var errEnded = errors.New("transaction used after its function returned")

// tx is the Tx of a View, or one member of a group of Updates. It reads what is pending, then what is in memory, then the
// file.
type tx struct {
	s     *sqliteStore
	ctx   context.Context
	state *state // what a View sees
	c     *conn  // a View's own snapshot of that; nil until it reads the file
	group *group // of an Update
	over  layers // what that sees: of its group, and of the group that is being committed
	wrote []undo // what an Update has written
	err   error  // of SQLite, in an Update
	ended bool
}

// usable refuses what comes after an error of SQLite in an Update: what is written would be built on what was not read.
func (t *tx) usable() error {
	if t.ended {
		return errEnded
	}
	return t.err
}

// fail says what failed where; an Update does not succeed after it.
func (t *tx) fail(what string, err error) error {
	err = t.s.wrap(fmt.Errorf("%s: %w", what, err))
	if t.group != nil {
		t.err = err
	}
	return err
}

// at is the revision that memory is asked for. In an Update that is the newest: what a commit under way changes is pending.
func (t *tx) at() int64 {
	if t.group != nil {
		return math.MaxInt64
	}
	return t.state.rev
}

// read lets fn read the file: as it was committed, with or without the commit that is under way, or a View's state of it.
func (t *tx) read(fn func(*conn) error) error {
	switch {
	case t.group != nil:
		c, err := t.s.updateReader()
		if err != nil {
			return err
		}
		return fn(c)
	case t.c != nil:
		return fn(t.c)
	}
	return t.state.read(t, fn)
}

func (t *tx) Get(kind, key string) (Doc, error) {
	if err := t.usable(); err != nil {
		return Doc{}, err
	}
	d, err := t.newest(name{kind, key})
	switch {
	case err != nil:
		return Doc{}, t.fail(fmt.Sprintf("get %s %q", kind, key), err)
	case d.Rev == 0 || d.Deleted:
		return Doc{}, fmt.Errorf("%s %q: %w", kind, key, ErrNotFound)
	}
	return d, nil
}

// newest is a document or its tombstone, or one with Rev 0 where it never was.
func (t *tx) newest(n name) (Doc, error) {
	if d, ok := t.over.get(n); ok {
		return d, nil
	}
	if d, ok := t.s.memory.get(n, t.at()); ok {
		return d, nil
	}
	at := t.s.memory.revision()
	var d Doc
	err := t.read(func(c *conn) (err error) {
		d, err = c.one(stmtGet, n)
		return err
	})
	if err == nil && (t.group != nil || at == t.at()) {
		d = t.s.memory.keep(n, d, at)
	}
	return d, err
}

// one reads the document that a statement by kind and key selects; its Rev is 0 where there is none.
func (c *conn) one(id stmt, n name) (d Doc, err error) {
	var bad error
	err = c.query(func(row []driver.Value) bool {
		d, bad = scanDoc(row)
		return false
	}, id, n.kind, n.key)
	return d, cmp.Or(err, bad)
}

func (t *tx) Put(d Doc) error { return t.put("put", d, false) }

func (t *tx) Add(d Doc) error {
	_, known := t.over.get(d.name())
	return t.put("add", d, !known)
}

func (t *tx) put(verb string, d Doc, fresh bool) error {
	if err := t.writable(verb, d.name()); err != nil {
		return err
	}
	t.write(Doc{Kind: d.Kind, Key: d.Key, Refs: slices.Clone(d.Refs), Body: slices.Clone(d.Body), fresh: fresh})
	return nil
}

func (t *tx) Delete(kind, key string) error {
	if err := t.writable("delete", name{kind, key}); err != nil {
		return err
	}
	if _, err := t.Get(kind, key); err != nil {
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		return err
	}
	t.write(Doc{Kind: kind, Key: key, Deleted: true})
	return nil
}

func (t *tx) writable(verb string, n name) error {
	if err := t.usable(); err != nil {
		return err
	}
	if t.group == nil {
		return fmt.Errorf("%s %s %q: %w", verb, n.kind, n.key, ErrReadOnly)
	}
	if n.kind == "" || n.key == "" {
		return fmt.Errorf("%s %q %q: a document needs a kind and a key", verb, n.kind, n.key)
	}
	return nil
}

// write notes a new version. It goes to the file when the group is committed.
func (t *tx) write(d Doc) {
	t.group.rev++
	d.Rev, d.memo = t.group.rev, new(atomic.Pointer[any])
	t.wrote = append(t.wrote, t.group.all.put(d))
}

// question is what a loop asks for.
type question struct {
	what, of string                                                      // for an error
	page     func(last Doc, size int) (page []Doc, more bool, err error) // of what is committed, after the last
	pending  func(*pending, func(name))                                  // names what may be meant of what is pending
	means    func(Doc) bool
}

func (t *tx) Scan(kind, prefix, after string) iter.Seq2[Doc, error] {
	below := successor(prefix)
	return t.loop(question{
		what: "scan", of: kind,
		page: func(last Doc, size int) ([]Doc, bool, error) {
			// A string followed by a zero byte is the first that is greater.
			return t.page(size, stmtScan, kind, max(prefix, after+"\x00", last.Key+"\x00"), below)
		},
		pending: ofKind(kind),
		means:   func(d Doc) bool { return strings.HasPrefix(d.Key, prefix) && d.Key > after },
	})
}

// successor is the least value that is greater than every string with the prefix. Where no string is, it is a blob:
// SQLite orders every blob after every text.
func successor(prefix string) any {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			return prefix[:i] + string([]byte{prefix[i] + 1})
		}
	}
	return []byte{0}
}

func (t *tx) Find(ref string) iter.Seq2[Doc, error] {
	if t.over == nil && t.err == nil {
		if docs, ok := t.s.memory.find(ref, t.at()); ok && len(docs) == 0 {
			return t.nothing // what most ask who ask often
		}
	}
	return t.loop(question{
		what: "find", of: ref,
		page:    func(last Doc, size int) ([]Doc, bool, error) { return t.find(ref, last, size) },
		pending: withRef(ref),
		means:   func(d Doc) bool { return slices.Contains(d.Refs, ref) },
	})
}

// nothing is a loop over no documents.
func (t *tx) nothing(yield func(Doc, error) bool) {
	if err := cmp.Or(t.usable(), t.ctx.Err()); err != nil {
		yield(Doc{}, err)
	}
}

// find is a page of the documents that have a reference. Short answers are remembered.
func (t *tx) find(ref string, last Doc, size int) ([]Doc, bool, error) {
	if docs, ok := t.s.memory.find(ref, t.at()); ok {
		i, _ := slices.BinarySearchFunc(docs, last, func(d, last Doc) int {
			return cmp.Or(byName(d, last), -1) // the first after it
		})
		return docs[i:], false, nil
	}
	at := t.s.memory.revision()
	page, more, err := t.page(size, stmtFind, ref, last.Kind, last.Key)
	whole := last.Key == "" && !more && err == nil
	if whole && (t.group != nil && !t.group.base.underWay() || t.group == nil && at == t.at()) {
		t.s.memory.keepFound(ref, page, at)
	}
	return page, more, err
}

// byName orders documents.
func byName(a, b Doc) int {
	return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Key, b.Key))
}

// changes yields every document and tombstone with a greater revision, to a View.
func (t *tx) changes(after int64) iter.Seq2[Doc, error] {
	return t.loop(question{what: "changes", page: func(last Doc, size int) ([]Doc, bool, error) {
		return t.page(size, stmtChanges, max(after, last.Rev))
	}})
}

// Limits of a page: how many documents, the first page being small for those who break off, and how many bytes.
const (
	firstPage = 16
	maxPage   = 256
	pageBytes = 1 << 20
)

// loop yields what a question asks for. It reads a page and closes the statement before it yields, so that loops may nest,
// write, and be left early. A write in the loop makes it read again: it yields each document as it is when its turn comes.
func (t *tx) loop(q question) iter.Seq2[Doc, error] {
	return func(yield func(Doc, error) bool) {
		var last Doc
		for size := firstPage; ; size = min(2*size, maxPage) {
			page, end, more, err := t.answer(q, last, size)
			if err != nil {
				yield(Doc{}, err)
				return
			}
			writes := len(t.wrote)
			for _, d := range page {
				if !yield(d, nil) {
					return
				}
				last = d
				if len(t.wrote) != writes {
					break
				}
			}
			switch {
			case len(t.wrote) != writes:
				size = 1
			case !more:
				return
			default:
				last = end
			}
		}
	}
}

// answer is a page of a question's answer, and where the next one begins; more says that there may be one.
func (t *tx) answer(q question, last Doc, size int) (page []Doc, end Doc, more bool, err error) {
	if err := cmp.Or(t.usable(), t.ctx.Err()); err != nil {
		return nil, end, false, err
	}
	if page, more, err = q.page(last, size); err != nil {
		return nil, end, false, t.fail(fmt.Sprintf("%s %q", q.what, q.of), err)
	}
	if more {
		end = page[len(page)-1]
	}
	if t.over == nil {
		return page, end, more, nil
	}
	var docs []Doc
	for _, d := range page {
		if _, newer := t.over.get(d.name()); !newer {
			docs = append(docs, d)
		}
	}
	t.over.newest(q.pending, func(d Doc) {
		if q.means(d) && byName(d, last) > 0 && (!more || byName(d, end) <= 0) {
			docs = append(docs, d)
		}
	})
	slices.SortFunc(docs, byName)
	return docs, end, more, nil
}

// page reads at most size documents of the file; more says that there may be others.
func (t *tx) page(size int, id stmt, args ...any) (page []Doc, more bool, err error) {
	var bad error
	total := 0
	err = t.read(func(c *conn) error {
		return c.query(func(row []driver.Value) bool {
			var d Doc
			d, bad = scanDoc(row)
			page = append(page, d)
			total += len(d.Body)
			more = len(page) == size || total >= pageBytes
			return bad == nil && !more
		}, id, args...)
	})
	return page, more, cmp.Or(err, bad)
}

// scanDoc reads a row rev, deleted, kind, key, refs, body.
func scanDoc(row []driver.Value) (Doc, error) {
	var d Doc
	rev, ok1 := row[0].(int64)
	deleted, ok2 := row[1].(int64)
	kind, ok3 := row[2].(string)
	key, ok4 := row[3].(string)
	packed, _ := row[4].([]byte)
	body, _ := row[5].([]byte)
	refs, ok5 := unpackRefs(packed)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 {
		return d, fmt.Errorf("%w: document %v %v %v", ErrCorrupt, row[0], row[2], row[3])
	}
	return Doc{Kind: kind, Key: key, Rev: rev, Deleted: deleted != 0, Refs: refs, Body: body, memo: new(atomic.Pointer[any])}, nil
}

// packRefs writes each reference as its length (uvarint) and its bytes.
func packRefs(refs []string) []byte {
	var b []byte
	for _, r := range refs {
		b = binary.AppendUvarint(b, uint64(len(r)))
		b = append(b, r...)
	}
	return b
}

func unpackRefs(b []byte) (refs []string, ok bool) {
	for len(b) > 0 {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return nil, false
		}
		refs = append(refs, string(b[size:size+int(n)]))
		b = b[size+int(n):]
	}
	return refs, true
}
