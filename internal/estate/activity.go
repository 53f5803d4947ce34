package estate

import (
	"context"
	"maps"
	"net/url"
	"slices"
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

// LogOf names the activity log that tells of what is at and below a scope: a subscription by its id in lower case, a
// management group by the key of its own, "/" for the tenant's, which holds nothing of these.
func LogOf(scope azure.ID) string {
	if sub := scope.Subscription(); sub != "" {
		return strings.ToLower(sub)
	}
	for at := scope; !at.IsZero(); at = at.Parent() {
		if strings.EqualFold(at.Type(), azure.TypeManagementGroup) {
			return at.Key()
		}
	}
	return azure.Root.Key()
}

// LogScope is the scope that a log is of.
func LogScope(log string) azure.ID {
	if id, err := azure.ParseID(log); err == nil {
		return id
	}
	return azure.SubscriptionID(log)
}

// LogName is what a person calls a log.
func (e *Estate) LogName(log string) string {
	switch scope := LogScope(log); {
	case scope.Equal(azure.Root):
		return "the tenant's activity log"
	case scope.Subscription() == "":
		return "the activity log of management group " + scope.Name()
	default:
		return "the activity log of subscription " + e.SubscriptionName(scope.Subscription())
	}
}

// EventsBetween reads the entries of an activity log, as LogOf names it, from a time on, up to another one (zero: up to now): the
// oldest first, each once. Seconds are the finest that a time is told apart by. Entries that are malformed are left out, and
// counted.
func (l Live) EventsBetween(ctx context.Context, log string, from, to time.Time) (events []*Event, malformed int, err error) {
	c, err := newClient(l.Cloud, l.Credential, l.Transport)
	if err != nil {
		return nil, 0, err
	}
	entries, err := c.activity(ctx, log, from, to, "")
	if err != nil {
		return nil, 0, refusal((&Estate{}).LogName(log), activityRight, err)
	}
	b := newBuilder(l.From)
	for _, doc := range entries {
		b.addEvent(doc)
	}
	b.settleEvents()
	return b.estate.events, b.badEvents, nil
}

// activity reads a log, newest first; until is zero for up to now, provider is a namespace, or "" for all.
func (c *client) activity(ctx context.Context, log string, since, until time.Time, provider string) ([]map[string]any, error) {
	filter := "eventTimestamp ge '" + since.UTC().Format(time.RFC3339) + "'"
	if !until.IsZero() {
		filter += " and eventTimestamp le '" + until.UTC().Format(time.RFC3339) + "'"
	}
	if provider != "" {
		filter += " and resourceProvider eq '" + provider + "'"
	}
	query := url.Values{"api-version": {"2015-04-01"}, "$filter": {filter}}
	return c.pages(ctx, c.armBase+strings.TrimSuffix(LogScope(log).String(), "/")+"/providers/Microsoft.Insights/eventtypes/management/values?"+query.Encode())
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
		from, err := w.readLog(ctx, sub)
		if err != nil {
			w.unreadable(ctx, what, activityRight, scope, err)
			return
		}
		if from.After(w.History.Since) {
			w.incomplete(Incomplete{What: what + " before " + from.UTC().Format(time.DateOnly), Why: "Azure keeps it for 90 days", Scope: scope})
		}
	})
}

// upperHistory reads the activity logs of the management groups above subscriptions, and the tenant's, where there are roles
// that were given there. Few may read them: that one cannot is told apart from what is missing.
func (w *walk) upperHistory(ctx context.Context) {
	if w.History.Since.IsZero() {
		return
	}
	logs := map[string]bool{}
	for _, g := range w.grants {
		if g.Scope.Subscription() == "" {
			logs[LogOf(g.Scope)] = true
		}
	}
	for _, log := range slices.Sorted(maps.Keys(logs)) {
		w.once("activity "+log, func() { w.upperLog(ctx, log) })
	}
}

func (w *walk) upperLog(ctx context.Context, log string) {
	w.say("reading %s", w.estate.LogName(log))
	if _, err := w.readLog(ctx, log); err != nil {
		w.mu.Lock()
		w.estate.Unlogged = append(w.estate.Unlogged, Incomplete{What: w.estate.LogName(log), Why: why(err), Right: activityRight + " on " + LogScope(log).String(), Scope: LogScope(log)})
		w.mu.Unlock()
	}
}

// readLog reads the events of a log, and says since when it has them.
func (w *walk) readLog(ctx context.Context, log string) (from time.Time, err error) {
	from, providers := w.History.start(), w.History.Providers
	if len(providers) == 0 {
		providers = []string{""}
	}
	for _, provider := range providers {
		entries, err := w.client.activity(ctx, log, from, time.Time{}, provider)
		if err != nil {
			return from, err
		}
		for _, doc := range entries {
			w.addEvent(doc)
		}
	}
	w.noteLogged(strings.ToLower(log), from)
	return from, nil
}

// noteLogged notes since when a log is known.
func (b *builder) noteLogged(log string, since time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if known, ok := b.estate.logged[log]; !ok || since.Before(known) {
		b.estate.logged[log] = since.UTC()
	}
}

// LoggedSince says since when an activity log, as LogOf names it, is known, if it is at all.
func (e *Estate) LoggedSince(log string) (time.Time, bool) {
	t, ok := e.logged[strings.ToLower(log)]
	return t, ok
}
