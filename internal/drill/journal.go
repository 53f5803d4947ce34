package drill

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"aksid/internal/azure"
	"aksid/internal/filelock"
	"aksid/internal/local"
)

// journal is a file in the data folder of a local Azure with what drills have changed there and not put back: each thing is
// noted before it is done. One drill at a time has it. No journal keeps nothing: the local Azure goes with its drill.
type journal struct {
	path    string
	lock    io.Closer
	began   time.Time // when the drill did that has it
	mu      sync.Mutex
	entries []*entry
}

// entry is one thing that a drill changes, with how to undo it: one of the members says what.
type entry struct {
	Began  time.Time `json:"began"`           // when that drill did
	Given  azure.ID  `json:"given,omitzero"`  // a role assignment that is made
	Taken  doc       `json:"taken,omitempty"` // one that is removed
	Secret *secret   `json:"secret,omitempty"`
	Fault  int       `json:"fault,omitempty"` // id of a planned one
	Stage  *stage    `json:"stage,omitempty"` // of a cluster
	Before picture   `json:"before,omitempty"`
}

// secret is a client secret of a cluster's service principal, under a name that no other has.
type secret struct {
	Principal azure.PrincipalID `json:"principal"`
	Name      string            `json:"name"`
}

const journalFile, lockFile = "drill.json", "drill.lock"

// ErrDrilling says that another drill is changing the same local Azure.
var ErrDrilling = errors.New("another drill is under way on this local Azure")

// openJournal opens the journal of a local Azure. The controllers' program of a drill that was killed has its lock until it has
// ended too, which is at once on a machine that has nothing else to do.
func openJournal(ctx context.Context, dir string) (*journal, error) {
	const tries, pause = 50, 100 * time.Millisecond
	lock, err := filelock.Take(filepath.Join(dir, lockFile))
	for i := 0; i < tries && errors.Is(err, filelock.ErrLocked) && ctx.Err() == nil; i++ {
		time.Sleep(pause)
		lock, err = filelock.Take(filepath.Join(dir, lockFile))
	}
	if errors.Is(err, filelock.ErrLocked) {
		return nil, fmt.Errorf("%w: its lock is %w", ErrDrilling, err)
	}
	if err != nil {
		return nil, err
	}
	j := &journal{path: filepath.Join(dir, journalFile), lock: lock, began: time.Now()}
	if j.entries, err = readJournal(j.path); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return j, nil
}

func readJournal(path string) (entries []*entry, err error) {
	const most = 256 << 20 // bytes: a picture of some ten thousand machines
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && (!info.Mode().IsRegular() || info.Size() > most) {
		err = fmt.Errorf("it is no file of at most %d bytes", most)
	}
	var body []byte
	if err == nil {
		body, err = os.ReadFile(path)
	}
	if err == nil {
		err = json.Unmarshal(body, &entries)
	}
	if err == nil && slices.Contains(entries, nil) {
		err = errors.New("it has an empty entry")
	}
	if err != nil {
		return nil, fmt.Errorf("the journal of drills %s cannot be read: %w; what it tells of cannot be put back: remove the file to drill all the same", path, err)
	}
	return entries, nil
}

// note writes down what is about to be done.
func (j *journal) note(e *entry) error {
	if j == nil {
		return nil
	}
	e.Began = j.began
	return j.change(func() { j.entries = append(j.entries, e) })
}

// forget strikes out what has been undone.
func (j *journal) forget(e *entry) error {
	if j == nil {
		return nil
	}
	return j.change(func() { j.entries = slices.DeleteFunc(j.entries, func(other *entry) bool { return other == e }) })
}

func (j *journal) change(fn func()) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	fn()
	if len(j.entries) == 0 {
		if err := os.Remove(j.path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(j.entries); err != nil {
		return err
	}
	return local.Replace(j.path, body.Bytes())
}

// held is the lock for the controllers' program to have as well; none on Windows, where processes do not inherit files.
func (j *journal) held() []*os.File {
	if j == nil || runtime.GOOS == "windows" {
		return nil
	}
	f, ok := j.lock.(*os.File)
	if !ok {
		return nil
	}
	return []*os.File{f}
}

// close lets others drill.
func (j *journal) close() error {
	if j == nil {
		return nil
	}
	return j.lock.Close()
}

// undone undoes an entry and strikes it out. What it says was done is in words.
func (j *journal) undone(ctx context.Context, o *operator, e *entry) (did []string, err error) {
	if did, err = e.undo(ctx, o); err != nil {
		return did, err
	}
	return did, j.forget(e)
}

// undo takes back what an entry tells of, as far as it was done; others may have changed everything since.
func (e *entry) undo(ctx context.Context, o *operator) (did []string, err error) {
	switch {
	case !e.Given.IsZero():
		return e.ungive(ctx, o)
	case e.Taken != nil:
		return e.giveBack(ctx, o)
	case e.Secret != nil:
		return e.Secret.remove(ctx, o)
	case e.Fault != 0:
		return saying("removed a planned fault", o.RemoveFault(ctx, e.Fault))
	case e.Stage != nil:
		return e.putBack(ctx, o)
	}
	return nil, nil
}

func (e *entry) ungive(ctx context.Context, o *operator) ([]string, error) {
	d, err := o.get(ctx, e.Given)
	if d == nil {
		return nil, err
	}
	return saying("removed role assignment "+e.Given.String(), o.remove(ctx, e.Given))
}

// saying is what was done, in words, unless it was not.
func saying(did string, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	return []string{did}, nil
}

// giveBack makes a role assignment again, unless it is there, or what it was about is not.
func (e *entry) giveBack(ctx context.Context, o *operator) ([]string, error) {
	id := idOf(text(e.Taken, "id"))
	if d, err := o.get(ctx, id); d != nil || err != nil {
		return nil, err
	}
	_, err := o.put(ctx, id, e.Taken)
	if isStatus(err, http.StatusNotFound) || isStatus(err, http.StatusConflict) || hasCode(err, azure.PrincipalNotFound.Code) {
		return nil, nil
	}
	return saying("gave back role assignment "+id.String(), err)
}

func hasCode(err error, code string) bool {
	var e *azure.Error
	return errors.As(err, &e) && e.Code == code
}

func (s *secret) remove(ctx context.Context, o *operator) (did []string, err error) {
	token, err := o.bearer(ctx)
	if err != nil {
		return nil, err
	}
	all, err := o.Secrets(ctx, token, s.Principal)
	if isStatus(err, http.StatusNotFound) {
		return nil, nil
	}
	for _, other := range all {
		if other.Name == s.Name {
			err = errors.Join(err, o.RemoveSecret(ctx, token, s.Principal, other.KeyID))
			did = append(did, "removed a client secret of service principal "+s.Principal.String())
		}
	}
	return did, err
}

// putBack removes what a drill left on a stage.
func (e *entry) putBack(ctx context.Context, o *operator) (did []string, err error) {
	found, err := e.Stage.take(ctx, o)
	if err != nil {
		return nil, err
	}
	failed := e.settle(ctx, o)
	now, err := e.Stage.take(ctx, o)
	if err != nil {
		return nil, errors.Join(failed, err)
	}
	for _, thing := range found.left(now) {
		did = append(did, "removed "+thing)
	}
	for _, thing := range now.left(found) {
		did = append(did, "gave back "+thing)
	}
	return did, failed
}

// settle removes what a drill left until nothing more comes: what its controllers asked for last may be under way.
func (e *entry) settle(ctx context.Context, o *operator) error {
	const pause, most = 200 * time.Millisecond, 20
	wanted := func(now picture) picture { return e.Stage.undrilled(e.Before, now) }
	for range most {
		if err := e.Stage.restore(ctx, o, wanted); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		if now, err := e.Stage.take(ctx, o); err != nil || now.equals(wanted(now)) {
			return err
		}
	}
	return fmt.Errorf("cluster %s goes on changing", e.Stage.Cluster.Name())
}

// Leftover is what a drill left behind that was ended before it could put things back.
type Leftover struct {
	Began time.Time // when that drill did
	Did   []string  // in words, what was done about it now
}

// String is a line for each thing, after one that says of which drill.
func (l Leftover) String() string {
	head := "a drill that began at " + l.Began.Format(time.DateTime) + " was ended before it had put everything back"
	if len(l.Did) == 0 {
		return head + "; nothing of it is left"
	}
	return head + ":\n  " + strings.Join(l.Did, "\n  ")
}

// Begin makes sure that no other drill changes the local Azure, and puts back what one has left that was killed: that alone.
// end lets others drill. Errors: ErrDrilling; with any other, what could be put back has been.
func (d *Drill) Begin(ctx context.Context) (left []Leftover, end func() error, err error) {
	if d.journal, err = openJournal(ctx, d.Azure.Dir); err != nil {
		return nil, nil, err
	}
	o := &operator{Azure: d.Azure}
	var failed []error
	for _, e := range slices.Backward(slices.Clone(d.journal.entries)) {
		did, err := d.journal.undone(ctx, o, e)
		if err != nil {
			failed = append(failed, err)
		}
		i := slices.IndexFunc(left, func(l Leftover) bool { return l.Began.Equal(e.Began) })
		if i < 0 {
			i, left = len(left), append(left, Leftover{Began: e.Began.Local()})
		}
		left[i].Did = append(left[i].Did, did...)
	}
	return left, d.journal.close, errors.Join(failed...)
}
