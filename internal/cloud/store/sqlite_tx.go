package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
)

var errEnded = errors.New("transaction used after its function returned")

// tx is the Tx of a View, or one member of a group of Updates.
type tx struct {
	s       *sqliteStore
	ctx     context.Context
	c       *conn  // nil when it has ended
	group   *group // nil in a View
	changed []Doc  // what it put and deleted, in order of Rev
}

func (t *tx) end() { t.c = nil }

// usable refuses what comes after an error of SQLite in an Update: SQLite may have rolled back the whole group by
// itself, and would commit later statements one by one.
func (t *tx) usable() error {
	switch {
	case t.c == nil:
		return errEnded
	case t.group != nil:
		return t.group.err
	}
	return nil
}

// fail says what failed where; a group cannot be committed after it.
func (t *tx) fail(what string, err error) error {
	err = t.s.wrap(fmt.Errorf("%s: %w", what, err))
	if t.group != nil {
		t.group.err = err
	}
	return err
}

func (t *tx) Get(kind, key string) (Doc, error) {
	if err := t.usable(); err != nil {
		return Doc{}, err
	}
	d, found, err := t.one(stmtGet, kind, key)
	switch {
	case err != nil:
		return Doc{}, t.fail(fmt.Sprintf("get %s %q", kind, key), err)
	case !found:
		return Doc{}, fmt.Errorf("%s %q: %w", kind, key, ErrNotFound)
	}
	return d, nil
}

// one reads the document that a statement by kind and key selects.
func (t *tx) one(id stmt, kind, key string) (d Doc, found bool, err error) {
	var bad error
	err = t.c.query(func(row []driver.Value) bool {
		d, bad = scanDoc(row)
		found = true
		return false
	}, id, kind, key)
	return d, found, cmp.Or(err, bad)
}

func (t *tx) Put(d Doc) error {
	d.Refs, d.Body, d.Deleted = slices.Clone(d.Refs), bytes.Clone(d.Body), false
	return t.write("put", d)
}

func (t *tx) Delete(kind, key string) error {
	return t.write("delete", Doc{Kind: kind, Key: key, Deleted: true})
}

func (t *tx) write(verb string, d Doc) error {
	if err := t.usable(); err != nil {
		return err
	}
	if t.group == nil {
		return fmt.Errorf("%s %s %q: %w", verb, d.Kind, d.Key, ErrReadOnly)
	}
	if d.Kind == "" || d.Key == "" {
		return fmt.Errorf("%s %q %q: a document needs a kind and a key", verb, d.Kind, d.Key)
	}
	if err := t.replace(d); err != nil {
		return t.fail(fmt.Sprintf("%s %s %q", verb, d.Kind, d.Key), err)
	}
	return nil
}

// replace writes the new version of a document over the old one, which may be a tombstone.
func (t *tx) replace(d Doc) error {
	old, found, err := t.one(stmtOld, d.Kind, d.Key)
	if err != nil {
		return err
	}
	if d.Deleted && (!found || old.Deleted) {
		return nil
	}
	t.group.rev++
	d.Rev = t.group.rev
	if found {
		err = t.c.exec(stmtReplace, d.Rev, flag(d.Deleted), packRefs(d.Refs), d.Body, old.Rev)
	} else {
		err = t.c.exec(stmtInsert, d.Rev, flag(d.Deleted), packRefs(d.Refs), d.Body, d.Kind, d.Key)
	}
	if err != nil {
		return err
	}
	t.changed = append(t.changed, d)
	return t.replaceRefs(d, old.Refs)
}

// replaceRefs touches only the references that came or went.
func (t *tx) replaceRefs(d Doc, old []string) error {
	for _, ref := range minus(old, d.Refs) {
		if err := t.c.exec(stmtDeleteRef, ref, d.Kind, d.Key); err != nil {
			return err
		}
	}
	for _, ref := range minus(d.Refs, old) {
		if err := t.c.exec(stmtInsertRef, ref, d.Kind, d.Key); err != nil {
			return err
		}
	}
	return nil
}

func minus(refs, drop []string) []string {
	dropped := make(map[string]bool, len(drop))
	for _, r := range drop {
		dropped[r] = true
	}
	return slices.DeleteFunc(slices.Clone(refs), func(r string) bool { return dropped[r] })
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (t *tx) Scan(kind, prefix, after string) iter.Seq2[Doc, error] {
	below := successor(prefix)
	return t.pages("scan "+kind, func(last Doc) (stmt, []any) {
		// A string followed by a zero byte is the first that is greater.
		return stmtScan, []any{kind, max(prefix, after+"\x00", last.Key+"\x00"), below}
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
	return t.pages(fmt.Sprintf("find %q", ref), func(last Doc) (stmt, []any) {
		return stmtFind, []any{ref, last.Kind, last.Key}
	})
}

// changes yields every document and tombstone with a greater revision.
func (t *tx) changes(after int64) iter.Seq2[Doc, error] {
	return t.pages("changes", func(last Doc) (stmt, []any) {
		return stmtChanges, []any{max(after, last.Rev)}
	})
}

// Limits of a page: how many documents, the first page being small for those who break off, and how many bytes.
const (
	firstPage = 16
	maxPage   = 256
	pageBytes = 1 << 20
)

// pages yields what the statement of next selects, which begins after the last document yielded. It reads a page and
// closes the statement before it yields, so that loops may nest, write, and be left early. A write in the loop makes
// it read again: it yields each document as it is when its turn comes.
func (t *tx) pages(what string, next func(last Doc) (stmt, []any)) iter.Seq2[Doc, error] {
	return func(yield func(Doc, error) bool) {
		var last Doc
		for size := firstPage; ; size = min(2*size, maxPage) {
			page, more, err := t.page(what, size, next, last)
			if err != nil {
				yield(Doc{}, err)
				return
			}
			writes := len(t.changed)
			for _, d := range page {
				if !yield(d, nil) {
					return
				}
				last = d
				if len(t.changed) != writes {
					more, size = true, 1
					break
				}
			}
			if !more {
				return
			}
		}
	}
}

// page reads at most size documents; more says that there may be others.
func (t *tx) page(what string, size int, next func(Doc) (stmt, []any), last Doc) (page []Doc, more bool, err error) {
	if err := cmp.Or(t.usable(), t.ctx.Err()); err != nil {
		return nil, false, err
	}
	var bad error
	total := 0
	id, args := next(last)
	err = t.c.query(func(row []driver.Value) bool {
		var d Doc
		d, bad = scanDoc(row)
		page = append(page, d)
		total += len(d.Body)
		more = len(page) == size || total >= pageBytes
		return bad == nil && !more
	}, id, args...)
	if err = cmp.Or(err, bad); err != nil {
		return nil, false, t.fail(what, err)
	}
	return page, more, nil
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
	return Doc{Kind: kind, Key: key, Rev: rev, Deleted: deleted != 0, Refs: refs, Body: body}, nil
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
