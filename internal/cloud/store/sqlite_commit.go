package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// group is the Updates that share one commit. Who has the turn may touch it, and when it is closed, who writes it.
type group struct {
	rev     int64         // the last revision given out
	base    *group        // the one before, which may not be committed yet; what it wrote is seen
	all     *pending      // by members that succeeded
	runs    chan struct{} // closed when the member that had its turn last has run
	members int           // how many have run
	limit   int           // how many are enough; 0: as many as come
	full    chan struct{} // closed when that many have run
	err     error         // why it was not committed
	again   bool          // because the one before was not: what its members have read may not be true
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

// baton is what one goroutine has at a time; those who wait get it in order.
type baton chan struct{}

func (b baton) take() { b <- struct{}{} }
func (b baton) give() { <-b }

// open is the group of who has the turn; the first of a group commits it.
func (s *sqliteStore) open() (g *group, first bool) {
	s.gate.Lock()
	defer s.gate.Unlock()
	if first = s.gathering == nil; first {
		s.gathering = &group{rev: s.before.rev, all: newPending(), full: make(chan struct{}), done: make(chan struct{})}
		if s.before.underWay() {
			s.gathering.base = s.before
		}
	}
	s.gathering.runs = make(chan struct{})
	return s.gathering, first
}

// ran notes that a member has run.
func (s *sqliteStore) ran(g *group) {
	s.gate.Lock()
	defer s.gate.Unlock()
	g.members++
	close(g.runs)
	if g.limit > 0 && g.members == g.limit {
		s.gathering, s.before = nil, g
		close(g.full)
	}
}

// shut lets nobody else join a group, and waits for the member that runs. Others can run at once, in the next group: so one is
// written while the next one gathers.
func (s *sqliteStore) shut(g *group) {
	s.gate.Lock()
	if s.gathering == g {
		s.gathering, s.before = nil, g
	}
	s.gate.Unlock()
	<-g.runs
}

// commit writes a group: when the one before is written, with those who have run meanwhile, or at once, with those who wait
// for their turn. Of many, half come along, so that the others run while these are written.
func (s *sqliteStore) commit(g *group) {
	select {
	case s.writing <- struct{}{}:
		s.admit(g)
	default:
		s.writing.take()
	}
	defer s.writing.give()
	if g.underWay() { // else who commits alone has written it
		s.shut(g)
		s.finish(g)
	}
}

// crowd is of how many who wait only half come along.
const crowd = 8

// admit waits until those who wait have run, or enough of them.
func (s *sqliteStore) admit(g *group) {
	if waiting := int(s.waiting.Load()); waiting >= crowd {
		s.gate.Lock()
		g.limit = waiting / 2
		s.gate.Unlock()
	}
	select {
	case s.turn <- struct{}{}:
		s.turn.give()
	case <-g.full:
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

// maxLog is how many pages of the log are moved into the file at once, about: some 20 MB. The fewer times, the fewer of them are
// versions of the same page.
const maxLog = 16000

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
	if whole, err := s.writer.checkpoint(); err != nil || !whole {
		s.log = maxLog * 3 / 4 // a View needs what is in the file: again, before long
	}
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
	if !known && !d.fresh {
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
	g, err := s.together(ctx, fn)
	for g != nil && g.err != nil {
		if !g.again && g.members == 1 {
			return cmp.Or(err, g.err)
		}
		g, err = s.alone(ctx, fn)
	}
	return err
}

// together runs fn as a member of a group, and returns when that is committed or has failed. An error waits too: it may
// come from what an earlier member wrote, which is not committed yet.
func (s *sqliteStore) together(ctx context.Context, fn func(Tx) error) (*group, error) {
	if err := s.awaitTurn(ctx); err != nil {
		return nil, err
	}
	g, first := s.open()
	err := s.member(ctx, g, fn, func() {
		s.turn.give()
		if first {
			s.commit(g)
		}
	})
	<-g.done
	return g, err
}

// alone runs fn in a commit that it shares with nobody.
func (s *sqliteStore) alone(ctx context.Context, fn func(Tx) error) (*group, error) {
	s.writing.take()
	defer s.writing.give()
	if err := s.awaitTurn(ctx); err != nil {
		return nil, err
	}
	s.flush()
	g, _ := s.open()
	return g, s.member(ctx, g, fn, func() {
		s.flush()
		s.turn.give()
	})
}

// flush commits the group that gathers, if there is one, for who has the baton of writing.
func (s *sqliteStore) flush() {
	s.gate.Lock()
	g := s.gathering
	s.gate.Unlock()
	if g != nil {
		s.shut(g)
		s.finish(g)
	}
}

// awaitTurn waits until it is a transaction's turn.
func (s *sqliteStore) awaitTurn(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return s.wrap(ErrClosed)
	}
	select {
	case <-s.closing:
		s.turn.give()
		return s.wrap(ErrClosed)
	default:
		return nil
	}
}

// member runs fn and keeps what it wrote if it succeeds; then is called at the end, also when fn panics or ends the goroutine.
func (s *sqliteStore) member(ctx context.Context, g *group, fn func(Tx) error, then func()) (err error) {
	t := &tx{s: s, ctx: ctx, group: g, over: layers{g.all}}
	if g.base != nil {
		t.over = append(t.over, g.base.all)
	}
	succeeded := false
	defer func() {
		t.ended = true
		if !succeeded {
			g.all.back(t.wrote)
		}
		s.ran(g)
		then()
	}()
	if err = fn(t); err == nil {
		err = t.err
	}
	succeeded = err == nil
	return err
}
