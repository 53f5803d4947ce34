// Package store keeps documents in transactions. It knows no Azure.
package store

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"

	"aksid/internal/filelock"
)

// Doc is a document. Kind and Key name it; keys compare as bytes.
type Doc struct {
	Kind, Key string
	Rev       int64    // set by the store, strictly growing in commit order
	Deleted   bool     // only in Changes and in the Applied hook
	Refs      []string // what it points to: found again by Tx.Find
	Body      []byte   // JSON, opaque to the store

	fresh bool                 // it was added
	memo  *atomic.Pointer[any] // its parsed form; nil: it does not come from a store
}

// Parsed is what parse makes of a document's body. It is remembered for as long as the store holds the document in memory:
// it is shared and must not be changed. A document is always parsed by the same function.
func Parsed[T any](d Doc, parse func([]byte) (T, error)) (T, error) {
	if d.memo != nil {
		if v := d.memo.Load(); v != nil {
			return (*v).(T), nil
		}
	}
	v, err := parse(d.Body)
	if err == nil && d.memo != nil {
		kept := any(v)
		d.memo.Store(&kept)
	}
	return v, err
}

// Store is a durable set of documents.
type Store interface {
	// View runs fn on a consistent snapshot.
	View(ctx context.Context, fn func(Tx) error) error
	// Update runs fn in a transaction and returns after the commit is on disk and the Applied hook has seen it.
	// fn is short, does no I/O, may run again, and never nests. An error or a panic of fn rolls back what fn did, and
	// only that.
	Update(ctx context.Context, fn func(Tx) error) error
	// Changes yields what changed after the given revision, oldest first: the newest version of each document, deleted
	// ones with Deleted set.
	Changes(ctx context.Context, after int64) iter.Seq2[Doc, error]
	// Close waits for the Views and the commit under way. What is called later gets ErrClosed.
	Close() error
}

// Tx is a view of the documents inside View or Update. It is valid only until fn returns and on fn's goroutine.
// It sees what it has written itself. What it returns is shared and must not be changed. Loops over Scan and Find may nest, write, and be left early: they yield each
// document as it is when its turn comes.
type Tx interface {
	// Get returns ErrNotFound where there is no such document.
	Get(kind, key string) (Doc, error)
	// Put writes a document, which needs a kind and a key; Rev and Deleted are ignored.
	Put(Doc) error
	// Add is Put of a document whose name none ever had, as those of a log: nobody looks for an older version. If there is
	// one after all, the Update fails.
	Add(Doc) error
	// Delete removes a document; a missing one is no error.
	Delete(kind, key string) error
	// Scan yields documents of a kind whose key begins with prefix and is greater than after, in key order.
	Scan(kind, prefix, after string) iter.Seq2[Doc, error]
	// Find yields the documents that have ref among their Refs, in order of kind and key.
	Find(ref string) iter.Seq2[Doc, error]
}

// Options of a store.
type Options struct {
	// Applied, if set, sees what each commit changed: the newest version of every document, in order of Rev, deleted
	// ones with Deleted set. It is called once a commit, in commit order, before any Update of that commit returns. It must
	// not call the store, nor change the documents. A transaction may read what Applied has not seen yet: what others
	// wrote that share its commit, or whose commit is being written while it runs.
	Applied func([]Doc)
}

// Errors of a Store.
var (
	ErrNotFound = errors.New("not found")
	ErrReadOnly = errors.New("write in a read-only transaction")
	ErrLocked   = filelock.ErrLocked
	ErrNewer    = errors.New("written by a newer version")
	ErrFull     = errors.New("disk full")
	ErrCorrupt  = errors.New("damaged or not a data file")
	ErrClosed   = errors.New("closed")
)
