package estate

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

// Who creates and updates a cluster, the cluster does not say, but ARM says who did: in systemData, which gives a pipeline's
// client id or object id (ARM common types, systemData), and in the activity log, which gives its object id.

// creatorFor is who creates and updates a cluster: whom the user names, or else who did it, as far as that is known.
func (e *Estate) creatorFor(c *Cluster) (Identity, bool) {
	if e.creator.Known() {
		return e.creator, true
	}
	id, ok := e.writers[c.ID.Key()]
	return id, ok
}

// findWriters finds out which pipelines wrote the clusters and still may. People come and go, and a pipeline that may not write
// the cluster at all is a former one.
func (e *Estate) findWriters(events []*Event) {
	e.writers = map[string]Identity{}
	for _, c := range e.Clusters {
		for _, id := range e.pipelines(c, events) {
			write := rbac.Request{Principal: id.Principal, Action: TypeCluster + "/write", Scope: c.ID}
			if e.Decide(write).Outcome == rbac.Granted {
				e.writers[c.ID.Key()] = id
				break
			}
		}
	}
}

// pipelines are the service principals and managed identities that wrote a cluster, as far as they are known to be such.
func (e *Estate) pipelines(c *Cluster, events []*Event) []Identity {
	var out []Identity
	for _, g := range slices.Concat(c.writtenBy(), loggedWriters(c, events)) {
		if id, ok := e.pipeline(g); ok && !slices.ContainsFunc(out, func(o Identity) bool { return o.Principal == id.Principal }) {
			out = append(out, id)
		}
	}
	return out
}

// writtenBy are the pipelines that a cluster's systemData names: who made it, and who changed it last.
func (c *Cluster) writtenBy() []azure.GUID {
	var out []azure.GUID
	for _, by := range []string{"createdBy", "lastModifiedBy"} {
		kind := c.Text("systemData." + by + "Type")
		if id := guidAt(c.Doc, "systemData."+by); !id.IsZero() && isOneOf(strings.ToLower(kind), "application", "managedidentity") {
			out = append(out, id)
		}
	}
	return out
}

// loggedWriters are those who wrote a cluster, as the activity log has it, the last one first.
func loggedWriters(c *Cluster, events []*Event) []azure.GUID {
	var out []azure.GUID
	for _, v := range slices.SortedFunc(slices.Values(events), func(x, y *Event) int { return y.Time.Compare(x.Time) }) {
		if v.Scope.Equal(c.ID) && v.Operation.Key() == azure.Action(TypeCluster+"/write").Key() && !v.Failed() {
			out = append(out, v.Principal)
		}
	}
	return out
}

// pipeline is a service principal or managed identity by its object id or client id, if it is known to be one.
func (e *Estate) pipeline(id azure.GUID) (Identity, bool) {
	sp, ok := e.ServicePrincipal(id)
	if !ok {
		if sp, _ = e.Object(id); sp.Type != "ServicePrincipal" {
			return Identity{}, false
		}
	}
	return Identity{Role: Creator, Kind: ServicePrincipalSecret, Name: e.PrincipalName(sp.ID), Principal: sp.ID, Client: sp.App, Found: true}, true
}

// wroteIn asks the activity log who wrote a cluster that the user names and whose systemData does not say. Without the right to
// read it, that is not known, and not missed.
func (w *walk) wroteIn(ctx context.Context, c *Cluster) {
	at := w.client.began.Load()
	if !w.Creator.IsZero() || len(w.Clusters) == 0 || c.Text("systemData.createdBy") != "" || at == nil {
		return
	}
	filter := "eventTimestamp ge '" + at.UTC().Add(-LogKept+time.Hour).Format(time.RFC3339) + "' and resourceUri eq '" + c.ID.String() + "'"
	query := url.Values{"api-version": {"2015-04-01"}, "$filter": {filter}}
	entries, _ := w.client.pages(ctx, w.client.armBase+"/subscriptions/"+c.ID.Subscription()+"/providers/Microsoft.Insights/eventtypes/management/values?"+query.Encode())
	for _, doc := range entries {
		if v, ok := eventOf(doc); ok {
			w.mu.Lock()
			w.wrote = append(w.wrote, v)
			w.mu.Unlock()
		}
	}
}
