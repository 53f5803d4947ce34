// Package watch tells of what changes around the identities of clusters: from the activity log, and by reading again what a
// change touches.
//
// Azure's log is late, out of order and repeats itself. A watcher therefore reads each subscription's log from some time
// before the newest entry that it has seen, knows entries by their eventDataId, and goes by the log's own clock. What it
// knows is in one file, which is written before notices are printed and after: a watcher that was killed begins where it was.
package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/filelock"
	"aksid/internal/finding"
)

const (
	// overlap is how far before the newest entry that was seen a log is read again. An entry is there 3 to 20 minutes after
	// what it tells of (Azure Monitor, activity log: retention and latency).
	overlap = time.Hour
	// baseline is how far back entries are taken as known at the first start. It is long because this machine's clock, which is
	// all there is to go by then, may be wrong.
	baseline = 24 * time.Hour
	// stride is how much of a log is read at once.
	stride = 24 * time.Hour
	// margin keeps away from the end of what Azure keeps: to ask for what is beyond it is an error.
	margin = time.Hour
	// maxQueue bounds the notices that wait for the webhook. When there are more, the oldest are given up, which is said.
	maxQueue = 10_000
	// ahead is how far a log may be ahead of this machine's clock before that is said.
	ahead = 5 * time.Minute
)

// Log is where the entries of an activity log come from, as estate.Live; estate.LogOf names it.
type Log interface {
	EventsBetween(ctx context.Context, log string, from, to time.Time) (events []*estate.Event, malformed int, err error)
}

// Options say what to watch and whom to tell.
type Options struct {
	Source  estate.Source
	Log     Log
	Of      string                                     // what Source reads, as a cloud or a tenant: a state is of one such thing
	Check   finding.Options                            // how clusters are checked
	Since   time.Time                                  // tell of what happened since, where the state says nothing; zero: since now
	Every   time.Duration                              // how often the logs are read
	Refresh time.Duration                              // how often everything else is read, if nothing was changed
	State   string                                     // path; "": nothing is kept
	Print   func([]Notice) error                       // may be nil
	Append  string                                     // path of a file that notices are appended to, as JSON lines; "": none
	Webhook *Webhook                                   // may be nil
	Metrics *Metrics                                   // may be nil
	Now     func() time.Time                           //
	Note    func(format string, args ...any)           // what the user should know of the watcher itself
	pause   func(context.Context, time.Duration) error // nil: time passes
}

// Watcher watches. It is one goroutine's, but for the delivery to the webhook.
type Watcher struct {
	Options
	store store
	lock  io.Closer
	pass  *pass // the newest look
	seen  map[string]time.Time

	mu    sync.Mutex // guards state
	state *state
	noted sync.Mutex        // guards said
	said  map[string]string // what was noted last, by what it is about
	wake  chan struct{}     // there is something for the webhook
}

// ErrState says that the state file cannot be used: another watcher has it, or it is damaged, or of something else.
var ErrState = errors.New("the state cannot be used")

// Open begins where the state says. What was on its way to the output is printed.
func Open(o Options) (*Watcher, error) {
	w := &Watcher{Options: o, store: memory{}, seen: map[string]time.Time{}, said: map[string]string{}, wake: make(chan struct{}, 1)}
	if w.pause == nil {
		w.pause = pause
	}
	if o.State == "" {
		return w, w.begin()
	}
	var err error
	if w.lock, err = filelock.Take(o.State + ".lock"); errors.Is(err, filelock.ErrLocked) {
		return nil, fmt.Errorf("%w: %s is %w; give each watcher a file of its own", ErrState, o.State, err)
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	w.store = file{o.State}
	if err := w.begin(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *Watcher) begin() error {
	s, err := w.store.load()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	if s == nil {
		s = &state{Version: stateVersion, Of: w.Of}
	}
	if s.Of != w.Of {
		return fmt.Errorf("%w: %s is of %s, and this is %s; give each a file of its own", ErrState, w.State, s.Of, w.Of)
	}
	if s.Logs == nil {
		s.Logs = map[string]position{}
	}
	if s.Told == nil {
		s.Told = map[string]time.Time{}
	}
	w.state = s
	w.Metrics.queue(len(s.Queue))
	return w.finishBatch()
}

// Close gives the state file free.
func (w *Watcher) Close() error {
	if w.lock == nil {
		return nil
	}
	return w.lock.Close()
}

// Once reads what there is, tells of it and of what still waits for the webhook. incomplete says that not everything could be
// read or told of.
func (w *Watcher) Once(ctx context.Context) (told []Notice, incomplete bool, err error) {
	for more := true; more; {
		var n []Notice
		var whole bool
		n, whole, more, err = w.step(ctx)
		told, incomplete = append(told, n...), incomplete || !whole
		if err != nil {
			return told, true, err
		}
	}
	return told, incomplete || !w.flush(ctx), ctx.Err()
}

// Run watches until the context ends.
func (w *Watcher) Run(ctx context.Context) error {
	var delivery sync.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	defer delivery.Wait()
	defer stop()
	delivery.Go(func() { w.deliver(ctx) })
	for {
		_, _, more, err := w.step(ctx)
		if err != nil {
			return err
		}
		if more {
			continue
		}
		if err := w.pause(ctx, w.Every); err != nil {
			return err
		}
	}
}

// pause waits, unless the context ends before.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// step reads the next part of each log and tells of it. whole says that everything could be read, more that there is more.
func (w *Watcher) step(ctx context.Context) (told []Notice, whole, more bool, err error) {
	whole = true
	if w.pass == nil {
		if err := w.load(ctx); err != nil {
			return nil, false, false, err
		}
	}
	var parts []part
	for _, log := range w.pass.now.logs() {
		p, err := w.read(ctx, log)
		if ctx.Err() != nil {
			return nil, false, false, ctx.Err()
		}
		if r, ok := errors.AsType[*estate.Refused](err); ok && upper(log) && r.Final() {
			w.noteOnce("log "+log, "%v; what happens there is told from what is there, minutes later and without who did it", err)
			w.drop(log)
			continue
		}
		w.Metrics.read(log, w.Now(), len(p.events), err)
		if err != nil {
			w.noteOnce("log "+log, "%v; it is read again later", err)
			whole = false
			continue
		}
		w.noteOnce("log "+log, "")
		parts = append(parts, p)
		more = more || !p.to.IsZero()
	}
	for _, p := range parts {
		w.pass.logged = append(w.pass.logged, p.log)
	}
	told, err = w.judge(ctx, parts)
	return told, whole, more, err
}

// drop forgets how far a log was read: if it can be read again one day, it begins then.
func (w *Watcher) drop(log string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.state.Logs, log)
}

// upper reports whether a log is a management group's or the tenant's, which few may read.
func upper(log string) bool { return strings.HasPrefix(log, "/") }

// judge tells of what was read, with a new look at everything if that is due, and keeps how far it came.
func (w *Watcher) judge(ctx context.Context, parts []part) ([]Notice, error) {
	var fresh, all []*estate.Event
	due := w.Now().Sub(w.pass.now.At) >= w.Refresh
	once := map[string]bool{}
	for _, p := range parts {
		all = append(all, p.events...)
		for _, v := range p.events {
			if _, old := w.seen[v.ID]; !old && !once[v.ID] {
				once[v.ID] = true
				fresh = append(fresh, v)
				due = due || changesMuch(v)
			}
		}
	}
	if due {
		logged := w.pass.logged
		if err := w.load(ctx); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			w.noteOnce("load", "%v; it is read again later", err)
		} else {
			w.noteOnce("load", "")
			w.pass.logged = logged
		}
	}
	silent := map[string]bool{}
	var notices []Notice
	for _, p := range parts {
		notices = append(notices, p.notices...)
		for _, v := range p.events {
			silent[v.ID] = v.Time.Before(p.known)
		}
	}
	notices = append(notices, w.pass.tell(w.untold(fresh))...)
	notices = append(notices, w.takeChanges(all)...)
	told, err := w.commit(parts, notices, silent)
	if err == nil {
		w.forget(all, parts)
	}
	return told, err
}

// changesMuch reports whether after an entry other things are to be read again: roles, clusters or identities were written.
func changesMuch(v *estate.Event) bool {
	return v.Succeeded() && (v.Operation.HasPrefix("Microsoft.Authorization/role") || v.Operation.HasPrefix("Microsoft.ManagedIdentity/") ||
		v.Operation.HasPrefix(estate.TypeCluster+"/write") || v.Operation.HasPrefix(estate.TypeCluster+"/delete"))
}

// untold are the entries that no notice told of.
func (w *Watcher) untold(events []*estate.Event) []*estate.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []*estate.Event
	for _, v := range events {
		if _, told := w.state.Told[v.ID]; !told {
			out = append(out, v)
		}
	}
	return out
}

// load looks at everything.
func (w *Watcher) load(ctx context.Context) error {
	e, err := w.Source.Load(ctx)
	if err != nil {
		return err
	}
	options := w.Check
	options.Now = w.Now()
	now := look(e, options)
	w.Metrics.look(now)
	w.mu.Lock()
	before := w.state.Scene
	w.mu.Unlock()
	for _, u := range e.Incomplete {
		w.noteOnce("unread "+u.What, "%s cannot be read (%s)", u.What, u.Why)
	}
	if len(now.missing(before)) > 0 { // what was readable before: compare with it when it is again
		w.noteOnce("worse", "less can be read than before: %s; what has changed is told when it is readable again", strings.Join(now.missing(before), ", "))
		now.Partial = true
	}
	now.remember(before)
	w.pass = &pass{estate: e, before: before, now: now}
	return nil
}

// takeChanges tells of what differs from the scene before, once.
func (w *Watcher) takeChanges(events []*estate.Event) []Notice {
	if w.pass.now.Partial || w.pass.compared {
		return nil
	}
	w.pass.compared = true
	return w.pass.changes(events)
}

// part is a part of a log.
type part struct {
	log     string
	events  []*estate.Event
	to      time.Time // zero: up to now
	known   time.Time // what is from before is taken as known
	notices []Notice  // of the log itself
	next    position
}

// read reads the next part of a log.
func (w *Watcher) read(ctx context.Context, log string) (part, error) {
	now := w.Now().UTC()
	at := w.position(log, now)
	p := part{log: log}
	from, first := at.Newest.Add(-overlap), at.Read.IsZero()
	switch {
	case first && !w.Since.IsZero():
		from = w.Since
	case first && at.Begun.Equal(now):
		from, p.known = now.Add(-baseline), now.Add(baseline) // whatever this machine's clock is worth
	case first: // it could not be read before
		from, p.known = at.Begun.Add(-baseline), at.Begun
	case at.Newest.IsZero():
		from = at.Begun.Add(-baseline)
	}
	if oldest := now.Add(margin - estate.LogKept); from.Before(oldest) {
		if !first && at.Read.Before(oldest) || first && p.known.IsZero() {
			p.notices = append(p.notices, historyMissing(w.pass.estate, log, at, w.Since, oldest))
		}
		from = oldest
	}
	if now.Sub(from) > stride+overlap {
		p.to = from.Add(stride)
	}
	var err error
	var malformed int
	if p.events, malformed, err = w.Log.EventsBetween(ctx, log, from, p.to); err != nil {
		return p, err
	}
	if malformed > 0 {
		w.noteOnce("malformed "+log, "%d entries of %s are malformed; they are passed over", malformed, w.pass.estate.LogName(log))
	}
	p.next = w.advance(at, p, now)
	return p, nil
}

// position is how far a log was read; one that was not read yet begins now.
func (w *Watcher) position(log string, now time.Time) position {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, ok := w.state.Logs[log]
	if !ok {
		at.Begun = now
		w.state.Logs[log] = at
	}
	return at
}

// advance is how far a log is read with a part: to its newest entry, which is by Azure's clock, or as far as it was asked for.
// An entry from the future does not keep later ones from being read.
func (w *Watcher) advance(at position, p part, now time.Time) position {
	for _, v := range p.events {
		if v.Time.Sub(now) > ahead {
			w.noteOnce("clock", "the activity log is ahead of this machine's clock, by %s; is the clock right?", v.Time.Sub(now).Round(time.Second))
		}
		if v.Time.After(at.Newest) {
			at.Newest = v.Time
		}
	}
	if at.Newest.After(now) {
		at.Newest = now
	}
	if p.to.After(at.Newest) {
		at.Newest = p.to
	}
	at.Read = now
	return at
}

// historyMissing says that a part of a log cannot be read any more.
func historyMissing(e *estate.Estate, log string, at position, since, oldest time.Time) Notice {
	begin := at.Read
	if begin.IsZero() {
		begin = since
	}
	scope := estate.LogScope(log)
	where := "in subscription " + e.SubscriptionName(log)
	if upper(log) {
		where = "on " + e.Place(scope, azure.ID{})
	}
	return Notice{
		ID: digest("history-missing", log, begin.UTC().String()), Kind: "history-missing", Severity: kindNamed("history-missing").Severity, Time: oldest.UTC(),
		Text:   fmt.Sprintf("what happened %s from %s to %s is not known: Azure keeps its activity log for 90 days", where, begin.UTC().Format(minutes), oldest.UTC().Format(minutes)),
		Detail: []string{"what is there now was compared with what was there before; who changed it no log says, unless it is kept in a workspace"},
		Scope:  scope,
	}
}

// forget drops what no log shows again.
func (w *Watcher) forget(events []*estate.Event, parts []part) {
	for _, v := range events {
		w.seen[v.ID] = v.Time
	}
	if oldest, ok := w.oldest(parts); ok {
		for id, t := range w.seen {
			if t.Before(oldest) {
				delete(w.seen, id)
			}
		}
	}
}

// oldest is from when on logs are read again. It is not known while one of them cannot be read, or has no entries yet.
func (w *Watcher) oldest(parts []part) (time.Time, bool) {
	var oldest time.Time
	for _, log := range w.pass.now.logs() {
		if _, begun := w.state.Logs[log]; begun && !slices.ContainsFunc(parts, func(p part) bool { return p.log == log }) {
			return oldest, false
		}
	}
	for _, p := range parts {
		switch {
		case p.next.Newest.IsZero() && upper(p.log):
			continue // most have no entries
		case p.next.Newest.IsZero():
			return oldest, false
		}
		if t := p.next.Newest.Add(-overlap); oldest.IsZero() || t.Before(oldest) {
			oldest = t
		}
	}
	return oldest, !oldest.IsZero()
}

// noteOnce says something of the watcher itself, unless it is what was said last of the same thing; "" is that all is well.
func (w *Watcher) noteOnce(about, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.noted.Lock()
	defer w.noted.Unlock()
	old := w.said[about]
	w.said[about] = text
	if text != "" && text != old {
		w.Note("%s", text)
	}
}
