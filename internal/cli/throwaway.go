package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"aksid/internal/cloud"
	"aksid/internal/filelock"
	"aksid/internal/local"
)

// copyOf runs a local Azure that holds what is read elsewhere, with machines for its clusters, and makes o say which these
// are there.
func (a *App) copyOf(ctx context.Context, o *sourceOptions) (az *local.Azure, stop func() error, err error) {
	o.Keep = true
	e, err := a.load(ctx, *o)
	if err != nil {
		return nil, nil, err
	}
	var text bytes.Buffer
	if err := e.Save(&text); err != nil {
		return nil, nil, err
	}
	if az, stop, err = a.throwAway(ctx, &text); err != nil {
		return nil, nil, err
	}
	o.Keep, o.Subscription, o.Group, o.Name, o.Clusters = false, "", "", "", nil
	for _, c := range e.Clusters {
		o.Clusters = append(o.Clusters, c.ID.String())
		if err := az.MakeNodes(ctx, c.ID); err != nil {
			a.note("%s gets no machines in the copy: %v", c.ID.Name(), err)
		}
	}
	return az, stop, nil
}

// Local Azures that are thrown away lie in folders of their own, in which a lock tells that they are still used.
const (
	throwAwayFolder = "aksid-drill-"
	throwAwayLock   = "in-use.lock"
)

// throwAway runs a local Azure in a temporary folder, with what a collection holds, if there is one.
func (a *App) throwAway(ctx context.Context, collection io.Reader) (az *local.Azure, stop func() error, err error) {
	dir, err := os.MkdirTemp("", throwAwayFolder)
	if err != nil {
		return nil, nil, unreadf("no temporary folder can be made: %w", err)
	}
	remove := func() error { return os.RemoveAll(dir) }
	lock, err := filelock.Take(filepath.Join(dir, throwAwayLock))
	if err != nil {
		return nil, nil, unreadError{errors.Join(err, remove())}
	}
	remove = func() error { return errors.Join(lock.Close(), os.RemoveAll(dir)) }
	c := cloud.Config{Dir: dir, Addr: "127.0.0.1:0", Now: a.Now, Log: a.log()}
	if collection != nil {
		if err := a.importInto(ctx, c, collection); err != nil {
			return nil, nil, errors.Join(err, remove())
		}
	}
	s, err := serve(ctx, a, c)
	if err != nil {
		return nil, nil, errors.Join(err, remove())
	}
	stop = func() error { return errors.Join(s.stop(), remove()) }
	if az, err = local.Find(ctx, dir); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return az, stop, nil
}

// sweep removes local Azures that were to be thrown away by processes that were killed, and says how many.
func sweep() (n int, err error) {
	all, err := filepath.Glob(filepath.Join(os.TempDir(), throwAwayFolder+"*"))
	if err != nil {
		return 0, err
	}
	var failed []error
	for _, dir := range all {
		path := filepath.Join(dir, throwAwayLock)
		if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() { // another's, or one that is just being made
			continue
		}
		lock, err := filelock.Take(path)
		if err != nil { // it is used, or another user's
			continue
		}
		n++
		failed = append(failed, lock.Close(), os.RemoveAll(dir))
	}
	return n, errors.Join(failed...)
}
