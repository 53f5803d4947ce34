package estate

import (
	"context"
	"net/url"
	"strings"
	"time"

	"aksid/internal/azure"
)

// LogKept is how long Azure keeps its activity logs (Azure Monitor, activity log: retention period).
const LogKept = 90 * 24 * time.Hour

// History says what to read of the activity logs.
type History struct {
	Since     time.Time // the zero time: nothing
	Now       time.Time // what Azure no longer has is counted from here
	Providers []string  // only operations of these, as Microsoft.Authorization; none: all
}

// start is where the log can begin at the earliest.
func (h History) start() time.Time {
	if oldest := h.Now.Add(-LogKept); h.Since.Before(oldest) {
		return oldest
	}
	return h.Since
}

// ActivityLog reads the entries of the activity logs of the Subscriptions since a time, newest first in each. Refused
// reads and refusals of data planes are never among them (Azure Monitor, REST: activity logs, list).
func (l Live) ActivityLog(ctx context.Context, since time.Time) ([]map[string]any, error) {
	c, err := newClient(l.Cloud, l.Credential, l.Transport)
	if err != nil {
		return nil, err
	}
	var out []map[string]any
	for _, s := range l.Subscriptions {
		entries, err := c.activity(ctx, s.ID, since, time.Time{}, "")
		if err != nil {
			return out, refusal("the activity log of subscription "+s.label(), activityRight, err)
		}
		out = append(out, entries...)
	}
	return out, nil
}

const activityRight = "Microsoft.Insights/eventtypes/values/read"

// EventsBetween reads the entries of a subscription's activity log from a time on, up to another one (zero: up to now): the
// oldest first, each once. Seconds are the finest that a time is told apart by. Entries that are malformed are left out, and
// counted.
func (l Live) EventsBetween(ctx context.Context, subscription string, from, to time.Time) (events []*Event, malformed int, err error) {
	c, err := newClient(l.Cloud, l.Credential, l.Transport)
	if err != nil {
		return nil, 0, err
	}
	entries, err := c.activity(ctx, subscription, from, to, "")
	if err != nil {
		return nil, 0, refusal("the activity log of subscription "+subscription, activityRight, err)
	}
	b := newBuilder(l.From)
	for _, doc := range entries {
		b.addEvent(doc)
	}
	b.settleEvents()
	return b.estate.events, b.badEvents, nil
}

// activity reads a subscription's log, newest first; until is zero for up to now, provider is a namespace, or "" for all.
func (c *client) activity(ctx context.Context, sub string, since, until time.Time, provider string) ([]map[string]any, error) {
	filter := "eventTimestamp ge '" + since.UTC().Format(time.RFC3339) + "'"
	if !until.IsZero() {
		filter += " and eventTimestamp le '" + until.UTC().Format(time.RFC3339) + "'"
	}
	if provider != "" {
		filter += " and resourceProvider eq '" + provider + "'"
	}
	query := url.Values{"api-version": {"2015-04-01"}, "$filter": {filter}}
	return c.pages(ctx, c.armBase+"/subscriptions/"+sub+"/providers/Microsoft.Insights/eventtypes/management/values?"+query.Encode())
}

// history reads the activity log of a subscription, if that is asked for.
func (w *walk) history(ctx context.Context, sub string) {
	if w.History.Since.IsZero() {
		return
	}
	scope := azure.SubscriptionID(sub)
	w.once("activity "+scope.Key(), func() {
		what := "the activity log of subscription " + w.subscriptionLabel(sub)
		w.say("reading %s", what)
		from, providers := w.History.start(), w.History.Providers
		if len(providers) == 0 {
			providers = []string{""}
		}
		for _, provider := range providers {
			entries, err := w.client.activity(ctx, sub, from, time.Time{}, provider)
			if err != nil {
				w.unreadable(ctx, what, activityRight, scope, err)
				return
			}
			for _, doc := range entries {
				w.addEvent(doc)
			}
		}
		w.noteLogged(sub, from)
		if from.After(w.History.Since) {
			w.incomplete(Incomplete{What: what + " before " + from.UTC().Format(time.DateOnly), Why: "Azure keeps it for 90 days", Scope: scope})
		}
	})
}

// noteLogged notes since when a subscription's log is known.
func (b *builder) noteLogged(sub string, since time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	sub = strings.ToLower(sub)
	if known, ok := b.estate.logged[sub]; !ok || since.Before(known) {
		b.estate.logged[sub] = since.UTC()
	}
}

// LoggedSince says since when the activity log of a subscription is known, if it is at all.
func (e *Estate) LoggedSince(subscription string) (time.Time, bool) {
	t, ok := e.logged[strings.ToLower(subscription)]
	return t, ok
}
