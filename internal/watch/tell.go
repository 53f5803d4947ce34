package watch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// commit keeps what was found out and tells of it. The state is written before anything is printed, with what is to be
// printed, and afterwards without it: what happens in between is made up for by finishBatch.
func (w *Watcher) commit(parts []part, notices []Notice, silent map[string]bool) (told []Notice, err error) {
	for _, n := range notices {
		if !slices.ContainsFunc(n.Events, func(id string) bool { return silent[id] }) {
			told = append(told, n)
		}
	}
	slices.SortStableFunc(told, func(a, b Notice) int { return a.Time.Compare(b.Time) })
	w.mu.Lock()
	for _, p := range parts {
		w.state.Logs[p.log] = p.next
	}
	for _, n := range notices {
		for _, id := range n.Events {
			w.state.Told[id] = n.Time
		}
	}
	w.prune(parts)
	if !w.pass.now.Partial {
		w.state.Scene = w.pass.now
	}
	if len(told) > 0 {
		w.state.Open = &batch{Offset: w.offset(), Notices: told}
	}
	w.enqueue(told)
	err = w.store.save(w.state)
	w.mu.Unlock()
	if err != nil {
		return nil, err
	}
	w.Metrics.told(told)
	return told, w.finishBatch()
}

// prune drops the entries that no log shows again.
func (w *Watcher) prune(parts []part) {
	if oldest, ok := w.oldest(parts); ok {
		for id, t := range w.state.Told {
			if t.Before(oldest) {
				delete(w.state.Told, id)
			}
		}
	}
}

func (w *Watcher) enqueue(notices []Notice) {
	if w.Webhook == nil {
		return
	}
	w.state.Queue = append(w.state.Queue, notices...)
	if n := len(w.state.Queue) - maxQueue; n > 0 {
		w.state.Queue = slices.Delete(w.state.Queue, 0, n)
		w.Note("%d notices wait for the webhook at %s; the oldest %d are given up", n+maxQueue, w.Webhook, n)
	}
	w.Metrics.queue(len(w.state.Queue))
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// finishBatch prints what is on its way to the output. Whoever kills a watcher while it prints sees lines again at the next
// start, but in the file that they are appended to, where it looks for what is there already.
func (w *Watcher) finishBatch() error {
	b := w.state.Open
	if b == nil {
		return nil
	}
	if err := w.append(b); err != nil {
		return err
	}
	if w.Print != nil {
		if err := w.Print(b.Notices); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.Open = nil
	return w.store.save(w.state)
}

// offset is where the next line of the file goes that notices are appended to.
func (w *Watcher) offset() int64 {
	info, err := os.Stat(w.Append)
	if err != nil {
		return 0 // it is not there yet; what else is wrong shows when it is opened
	}
	return info.Size()
}

// append writes notices to the end of the file, but for what of them is there already.
func (w *Watcher) append(b *batch) error {
	if w.Append == "" {
		return nil
	}
	var text bytes.Buffer
	if err := Lines(&text, b.Notices); err != nil {
		return err
	}
	rest := text.Bytes()
	there, err := tail(w.Append, b.Offset, int64(len(rest)))
	if err == nil && bytes.HasPrefix(rest, there) {
		rest = rest[len(there):]
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("notices cannot be appended to %s: %w", w.Append, err)
	}
	f, err := os.OpenFile(w.Append, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("notices cannot be appended: %w", err)
	}
	_, err = f.Write(rest)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("notices cannot be appended to %s: %w", w.Append, err)
	}
	return nil
}

// tail is what a file has behind an offset, and at most so many bytes.
func tail(path string, offset, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, most)
	n, _ := f.ReadAt(b, offset) // an end is no error here
	return b[:n], nil
}

// deliver tells the webhook of what waits, until the context ends. A call that fails is made again, later and later; the
// notice goes to the end, so that one that is never taken does not keep the others back.
func (w *Watcher) deliver(ctx context.Context) {
	for failed := 0; ; {
		if len(w.waiting()) == 0 {
			select {
			case <-ctx.Done():
				return
			case <-w.wake:
				continue
			}
		}
		if w.deliverOne(ctx) == nil {
			failed = 0
			continue
		}
		if err := w.pause(ctx, min(firstRetry<<min(failed, 16), lastRetry)); err != nil {
			return
		}
		failed++
	}
}

// waiting are the notices that the webhook is to be told of.
func (w *Watcher) waiting() []Notice {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.state.Queue)
}

// giveUp is after how many calls in a row that fail a single run leaves the rest to the next one.
const giveUp = 3

// flush tells the webhook of what waits, each notice once. It reports whether everything has arrived.
func (w *Watcher) flush(ctx context.Context) bool {
	if w.Webhook == nil {
		return true
	}
	failed := 0
	for range w.waiting() {
		if w.deliverOne(ctx) == nil {
			failed = 0
		} else if failed++; failed == giveUp || ctx.Err() != nil {
			break
		}
	}
	left := len(w.waiting())
	if left > 0 && w.State != "" {
		w.Note("%d notices wait for the webhook at %s; the next run tells it of them", left, w.Webhook)
	}
	return left == 0
}

// deliverOne tells the webhook of the notice that waits longest.
func (w *Watcher) deliverOne(ctx context.Context) error {
	n := w.waiting()[0]
	err := w.Webhook.call(ctx, n, w.Now())
	w.Metrics.called(err)
	if ctx.Err() != nil && err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.noteOnce("webhook", "the webhook at %s does not take notices (%v); it is called again", w.Webhook, err)
	} else {
		w.noteOnce("webhook", "")
	}
	i := slices.IndexFunc(w.state.Queue, func(x Notice) bool { return x.ID == n.ID })
	if i < 0 {
		return err // it was given up
	}
	w.state.Queue = slices.Delete(w.state.Queue, i, i+1)
	if err != nil {
		w.state.Queue = append(w.state.Queue, n)
	}
	w.Metrics.queue(len(w.state.Queue))
	if saved := w.store.save(w.state); saved != nil {
		w.noteOnce("save", "%v", saved)
	}
	return err
}
