package provider

import (
	"iter"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// insights is Azure Monitor: the activity log (eventtypes/management/values, api-version 2015-04-01).
func insights() arm.Provider {
	return arm.Provider{Namespace: "Microsoft.Insights", Types: append(monitorTypes(), arm.Type{
		Name: "Microsoft.Insights/eventtypes/values", Since: "2014-04-01", Versions: []string{"2015-04-01", "2014-04-01"},
		Place: arm.InSubscription, List: listEvents, // and at management groups, and at the tenant
	})}
}

// listEvents yields the events of one log that the filter takes, the newest first.
func listEvents(c *arm.Call) iter.Seq2[arm.Doc, error] {
	q, bad := readEventQuery(c)
	if bad != nil {
		return failed(bad)
	}
	log := arm.LogOf(c.ID)
	return func(yield func(arm.Doc, error) bool) {
		var events []arm.Doc
		until := arm.ActivityKey(log, q.to)
		for d, err := range c.Tx.Scan(arm.KindActivity, log+"/", arm.ActivityKey(log, q.from)) {
			if err != nil {
				yield(nil, err)
				return
			}
			if d.Key >= until {
				break
			}
			said, err := arm.Events(d.Body)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, e := range said {
				if q.takes(e) {
					events = append(events, e)
				}
			}
		}
		for _, e := range slices.Backward(events) {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// eventFields are the fields that a filter may name besides the time, and where they stand in an event.
var eventFields = map[string]string{
	"resourcegroupname": "resourceGroupName", "resourceid": "resourceId", "resourceuri": "resourceId", "correlationid": "correlationId",
	"resourceprovider": "resourceProviderName.value", "caller": "caller", "status": "status.value", "resourcegroup": "resourceGroupName",
	"operationname": "operationName.value", "eventchannels": "", "levels": "",
}

type eventQuery struct {
	from, to time.Time
	terms    []arm.Term
}

func readEventQuery(c *arm.Call) (eventQuery, *azure.Error) {
	q := eventQuery{from: c.Now.AddDate(0, 0, -90), to: c.Now.Add(time.Second)}
	terms, err := c.Filter()
	if err != nil {
		return q, err
	}
	for _, t := range terms {
		name := lower(t.Field)
		if name != "eventtimestamp" {
			if _, ok := eventFields[name]; !ok || t.Op != "eq" {
				return q, c.BadFilter()
			}
			q.terms = append(q.terms, arm.Term{Field: eventFields[name], Value: t.Value})
			continue
		}
		at, ok := eventTime(t.Value)
		if !ok {
			return q, c.BadFilter()
		}
		switch t.Op {
		case "ge", "gt":
			q.from = at
		case "le", "lt":
			q.to = at.Add(time.Nanosecond)
		default:
			return q, c.BadFilter()
		}
	}
	return q, nil
}

// eventTime reads the times that clients send: az leaves the zone out, which then is UTC.
func eventTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05", "2006-01-02T15:04Z", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func (q eventQuery) takes(e arm.Doc) bool {
	for _, t := range q.terms {
		if t.Field != "" && !strings.EqualFold(arm.Str(e, t.Field), t.Value) {
			return false
		}
	}
	return true
}
