package store

import (
	"context"
	"fmt"
	"slices"
)

// group is the Updates that share one commit. Who may touch it: the member whose turn it is, then commitLoop.
type group struct {
	rev     int64         // the last revision given out
	changed []Doc         // by members that succeeded, in order of Rev
	members int           // how many have run
	err     error         // why it cannot be, or was not, committed
	left    chan struct{} // a member hands the turn back
	done    chan struct{} // closed when the group is committed and applied, or has failed
}

// maxGroup bounds how long the first member of a group waits for the others.
const maxGroup = 256

// commitLoop is the one writer. It gives a turn to the first Update that comes, then to those that have come
// meanwhile, and commits when nobody is waiting: while one commit is written to disk the next group gathers.
func (s *sqliteStore) commitLoop(rev int64) {
	defer close(s.stopped)
	for {
		g := &group{rev: rev, left: make(chan struct{}), done: make(chan struct{})}
		select {
		case <-s.closing:
			return
		case s.turns <- g:
			<-g.left
			s.gather(g)
		case s.alone <- g:
			<-g.left
		}
		s.finish(g)
		rev = g.rev
	}
}

// gather lets those run who are waiting now.
func (s *sqliteStore) gather(g *group) {
	for g.err == nil && g.members < maxGroup {
		select {
		case s.turns <- g:
			<-g.left
		default:
			return
		}
	}
}

// finish commits the group, or rolls it back where there is nothing to commit, and tells its members.
func (s *sqliteStore) finish(g *group) {
	defer close(g.done)
	if g.err == nil && len(g.changed) > 0 {
		if err := s.writer.exec(stmtCommit); err != nil {
			g.err = s.wrap(fmt.Errorf("commit: %w", err))
		}
	}
	if g.err != nil || len(g.changed) == 0 {
		_ = s.writer.exec(stmtRollback) // fails where SQLite has rolled back by itself
		return
	}
	if s.applied != nil {
		s.applied(newest(g.changed))
	}
}

// newest keeps the last version of each document.
func newest(docs []Doc) []Doc {
	type name struct{ kind, key string }
	last := make(map[name]int64, len(docs))
	for _, d := range docs {
		last[name{d.Kind, d.Key}] = d.Rev
	}
	return slices.DeleteFunc(docs, func(d Doc) bool { return last[name{d.Kind, d.Key}] != d.Rev })
}

// Update runs fn on the caller's goroutine when its turn comes. If a group of several cannot be committed, each of
// them runs again in a commit of its own, so that one that is too large for the disk does not fail the others.
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
		case g.members > 1:
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

// member runs fn in a savepoint and hands the turn back, also when fn panics or ends the goroutine.
func (s *sqliteStore) member(ctx context.Context, g *group, fn func(Tx) error) (err error) {
	t := &tx{s: s, ctx: ctx, c: s.writer, group: g}
	succeeded := false
	defer func() {
		t.end()
		s.leave(g, t.changed, succeeded)
	}()
	if g.err = s.wrap(s.enter(g)); g.err != nil {
		return g.err
	}
	err = fn(t)
	succeeded = err == nil
	return err
}

func (s *sqliteStore) enter(g *group) error {
	if g.members == 0 {
		if err := s.writer.exec(stmtBeginWrite); err != nil {
			return err
		}
	}
	return s.writer.exec(stmtSavepoint)
}

// leave keeps or undoes what a member has written.
func (s *sqliteStore) leave(g *group, changed []Doc, keep bool) {
	defer func() { g.left <- struct{}{} }()
	g.members++
	if g.err != nil {
		return
	}
	if keep {
		g.changed = append(g.changed, changed...)
	} else {
		g.err = s.wrap(s.writer.exec(stmtRollbackTo))
	}
	if g.err == nil {
		g.err = s.wrap(s.writer.exec(stmtRelease))
	}
}
