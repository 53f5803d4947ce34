package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/provider"
	"aksid/internal/cloud/store"
)

// alerter tells webhooks of the activity log's events that alerts are for. It follows the store by revision and keeps
// where it is: every event is told of at least once, also across a crash.
type alerter struct {
	store store.Store
	arm   *arm.ARM
	log   *slog.Logger
	http  http.Client
	poke  <-chan struct{}
	stop  context.CancelFunc
	ended sync.WaitGroup
}

const keyAlerts = "alerts"

// Delivery of a webhook: attempts, and the wait before the second one, which doubles.
const (
	attempts  = 4
	firstWait = 250 * time.Millisecond
)

// newAlerter follows until it is closed; poke says that there are new events.
func newAlerter(s store.Store, a *arm.ARM, log *slog.Logger, poke <-chan struct{}) *alerter {
	ctx, stop := context.WithCancel(context.Background())
	al := &alerter{store: s, arm: a, log: log, poke: poke, stop: stop,
		http: http.Client{Timeout: 5 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	al.ended.Go(func() { al.run(ctx) })
	return al
}

func (a *alerter) close() {
	a.stop()
	a.ended.Wait()
}

func (a *alerter) run(ctx context.Context) {
	for {
		if err := a.follow(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("alerts cannot be followed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-a.poke:
		}
	}
}

// follow tells of everything since the last time. While nobody wants to be told, nothing is read: an alert that is made later
// is not for what was before it.
func (a *alerter) follow(ctx context.Context) error {
	wanted := false
	err := a.arm.Look(ctx, func(c *arm.Call) (err error) {
		wanted, err = provider.HasAlerts(c)
		return err
	})
	if err != nil || !wanted {
		return err
	}
	at, err := a.cursor(ctx)
	if err != nil {
		return err
	}
	met := false
	for d, err := range a.store.Changes(ctx, at) {
		if err != nil {
			return err
		}
		at = d.Rev
		if d.Kind != arm.KindActivity || d.Deleted {
			continue
		}
		met = true
		events, err := arm.Events(d.Body)
		if err != nil {
			return err
		}
		for _, event := range events {
			if err := a.tell(ctx, event); err != nil {
				return err
			}
		}
	}
	if !met {
		return nil
	}
	return a.store.Update(ctx, func(tx store.Tx) error {
		return tx.Put(store.Doc{Kind: kindCloud, Key: keyAlerts, Body: []byte(strconv.FormatInt(at, 10))})
	})
}

func (a *alerter) cursor(ctx context.Context) (at int64, err error) {
	err = a.store.View(ctx, func(tx store.Tx) error {
		d, err := tx.Get(kindCloud, keyAlerts)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err == nil {
			at, err = strconv.ParseInt(string(d.Body), 10, 64)
		}
		return err
	})
	return at, err
}

func (a *alerter) tell(ctx context.Context, event arm.Doc) error {
	var alerts []provider.Alert
	err := a.arm.Look(ctx, func(c *arm.Call) (err error) {
		alerts, err = provider.MetAlerts(c, event)
		return err
	})
	for _, alert := range alerts {
		if err := a.deliver(ctx, alert); err != nil {
			a.log.Error("a webhook was not reached", "alert", alert.ID, "error", err)
		}
	}
	return err
}

// deliver calls a webhook until it answers with 2xx, a few times.
func (a *alerter) deliver(ctx context.Context, alert provider.Alert) error {
	body, err := json.Marshal(alert.Body)
	if err != nil {
		return err
	}
	for wait, n := firstWait, 1; ; wait, n = 2*wait, n+1 {
		if err = a.post(ctx, alert.URL, body); err == nil || n == attempts {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (a *alerter) post(ctx context.Context, url string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := a.http.Do(r)
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode > 299 {
		return errors.New(answer.Status)
	}
	return nil
}
