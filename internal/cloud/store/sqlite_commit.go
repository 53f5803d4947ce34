package store

import (
	"context"
	"fmt"
	"slices"
)

// group is the Updates that share one commit. Who may touch it: the member whose turn it is, then what writes it.
type group struct {
	rev     int64         // the last revision given out
	base    *group        // the one before, which may not be committed yet; what it wrote is seen
	all     *pending      // by members that succeeded
	members int           // how many have run
	err     error         // why it was not committed
	again   bool          // because the one before was not: what its members have read may not be true
	left    chan struct{} // a member hands the turn back
	done    chan struct{} // closed when the group is committed and applied, or has failed
}

// underWay reports whether a group may be about to be committed.
func (g *group) underWay() bool {
	if g == nil {
		return false
	}
	select {
	case <-g.done:
		return false
	default:
		return true
	}
}

// maxGroup bounds how long the first member of a group waits for the others.
const maxGroup = 256

// commitLoop gives turns: to the first Update that comes, then to those that have come meanwhile. While one group is
// written to disk the next one gathers; it is written when that is done and nobody is waiting.
func (s *sqliteStore) commitLoop(rev int64) {
	defer close(s.stopped)
	var before *group
	for {
		g := &group{rev: rev, base: before, all: newPending(), left: make(chan struct{}), done: make(chan struct{})}
		select {
		case <-s.closing:
			if before != nil {
				<-before.done
			}
			return
		case s.turns <- g:
			<-g.left
			s.gather(g)
		case s.alone <- g:
			<-g.left
		}
		if before != nil {
			<-before.done
		}
		go s.finish(g)
		before, rev = g, g.rev
	}
}

// gather lets those run who come while the group before is written, and who are waiting then.
func (s *sqliteStore) gather(g *group) {
	for g.members < maxGroup && g.base.underWay() {
		select {
		case s.turns <- g:
			<-g.left
		case <-g.base.done:
		}
	}
	for g.members < maxGroup {
		select {
		case s.turns <- g:
			<-g.left
		default:
			return
		}
	}
}

// finish commits the group, if there is something to commit, and tells its members.
func (s *sqliteStore) finish(g *group) {
	defer close(g.done)
	if g.again = g.base != nil && g.base.err != nil; g.again {
		g.err = g.base.err
	}
	g.base = nil
	docs := g.all.inOrder()
	if g.err != nil || len(docs) == 0 {
		return
	}
	refs, err := s.write(docs)
	if err != nil {
		_ = s.writer.exec(stmtRollback) // fails where SQLite has rolled back by itself
		g.err = s.wrap(err)
		if s.current.sealed {
			s.advance(s.current.rev)
		}
		return
	}
	s.memory.commit(g.rev, docs, refs)
	s.advance(g.rev)
	s.checkpoint(docs)
	if s.applied != nil {
		s.applied(docs)
	}
}

// maxLog is how many pages of the log are moved into the file at once, about: 10 MB or so.
const maxLog = 4000

// checkpoint moves the log into the file now and then. SQLite would do so in the commit, while the snapshot of the state
// before it is in use, and would never come to the log's end.
func (s *sqliteStore) checkpoint(docs []Doc) {
	for _, d := range docs {
		s.log += 3 + len(d.Refs) + len(d.Body)>>12 // leaves of the table and of its indexes
	}
	if s.log < maxLog {
		return
	}
	s.log = 0
	_ = s.writer.exec(stmtCheckpoint) // what could not be moved stays in the log
}

// write commits documents. It returns the references of their old and new versions.
func (s *sqliteStore) write(docs []Doc) (refs []string, err error) {
	if err := s.writer.exec(stmtBeginWrite); err != nil {
		return nil, err
	}
	for _, d := range docs {
		old, err := s.replace(d)
		if err != nil {
			return nil, fmt.Errorf("write %s %q: %w", d.Kind, d.Key, err)
		}
		refs = append(append(refs, old...), d.Refs...)
	}
	if err := s.seal(); err != nil {
		return nil, err
	}
	if err := s.writer.exec(stmtCommit); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	return refs, nil
}

// replace writes the new version of a document over the old one, which may be a tombstone. It returns what that referred to.
func (s *sqliteStore) replace(d Doc) (refs []string, err error) {
	old, known := s.memory.get(d.name(), d.Rev)
	if !known {
		if old, err = s.writer.one(stmtOld, d.name()); err != nil {
			return nil, err
		}
	}
	if old.Rev != 0 {
		err = s.writer.exec(stmtReplace, d.Rev, flag(d.Deleted), packRefs(d.Refs), d.Body, old.Rev)
	} else {
		err = s.writer.exec(stmtInsert, d.Rev, flag(d.Deleted), packRefs(d.Refs), d.Body, d.Kind, d.Key)
	}
	if err != nil {
		return nil, err
	}
	return old.Refs, s.replaceRefs(d, old.Refs)
}

// replaceRefs touches only the references that came or went.
func (s *sqliteStore) replaceRefs(d Doc, old []string) error {
	for _, ref := range minus(old, d.Refs) {
		if err := s.writer.exec(stmtDeleteRef, ref, d.Kind, d.Key); err != nil {
			return err
		}
	}
	for _, ref := range minus(d.Refs, old) {
		if err := s.writer.exec(stmtInsertRef, ref, d.Kind, d.Key); err != nil {
			return err
		}
	}
	return nil
}

// minus are the references that are in refs alone; there are few.
func minus(refs, drop []string) []string {
	if len(drop) == 0 {
		return refs
	}
	return slices.DeleteFunc(slices.Clone(refs), func(r string) bool { return slices.Contains(drop, r) })
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Update runs fn on the caller's goroutine when its turn comes. If a group of several cannot be committed, or the one before
// it, each of them runs again in a commit of its own, so that one that is too large for the disk does not fail the others.
func (s *sqliteStore) Update(ctx context.Context, fn func(Tx) error) error {
	for turns := s.turns; ; turns = s.alone {
		g, err := s.join(ctx, turns)
		if err != nil {
			return err
		}
		err = s.member(ctx, g, fn)
		// An error waits too: it may come from what an earlier member wrote, which is not committed yet.
		<-g.done
		switch {
		case g.err == nil:
			return err
		case g.again || g.members > 1:
			continue
		case err != nil:
			return err
		}
		return g.err
	}
}

// join waits for a turn.
func (s *sqliteStore) join(ctx context.Context, turns <-chan *group) (*group, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case g := <-turns:
		return g, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.closing:
		return nil, s.wrap(ErrClosed)
	}
}

// member runs fn, keeps what it wrote if it succeeds, and hands the turn back, also when fn panics or ends the goroutine.
func (s *sqliteStore) member(ctx context.Context, g *group, fn func(Tx) error) (err error) {
	if g.members == 0 && !g.base.underWay() {
		g.base = nil // what it wrote is committed, or never will be
	}
	t := &tx{s: s, ctx: ctx, group: g, over: layers{g.all}}
	if g.base != nil {
		t.over = append(t.over, g.base.all)
	}
	succeeded := false
	defer func() {
		t.ended = true
		if g.members++; !succeeded {
			g.all.back(t.wrote)
		}
		g.left <- struct{}{}
	}()
	if err = fn(t); err == nil {
		err = t.err
	}
	succeeded = err == nil
	return err
}
