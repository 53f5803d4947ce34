package estate

import (
	"context"
	"net/url"
	"time"
)

// ActivityLog reads the entries of the activity logs of the Subscriptions since a time, newest first in each. Refused
// reads and refusals of data planes are never among them (Azure Monitor, REST: activity logs, list).
func (l Live) ActivityLog(ctx context.Context, since time.Time) ([]map[string]any, error) {
	c, err := newClient(l.Cloud, l.Credential, l.Transport)
	if err != nil {
		return nil, err
	}
	var out []map[string]any
	for _, s := range l.Subscriptions {
		query := url.Values{"api-version": {"2015-04-01"}, "$filter": {"eventTimestamp ge '" + since.UTC().Format(time.RFC3339) + "'"}}
		entries, err := c.pages(ctx, c.armBase+"/subscriptions/"+s.ID+"/providers/Microsoft.Insights/eventtypes/management/values?"+query.Encode())
		if err != nil {
			return out, refusal("the activity log of subscription "+s.label(), "Microsoft.Insights/eventtypes/values/read", err)
		}
		out = append(out, entries...)
	}
	return out, nil
}
