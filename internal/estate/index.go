package estate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"aksid/internal/azure"
)

// Azure Resource Graph finds the clusters of many subscriptions with one query instead of one listing each. It lags behind
// Resource Manager and has no deny assignments, so it is an index and nothing else: each cluster that it names is read from
// Resource Manager, as are all roles, and what it does not name is looked for there before it is called missing.

const (
	indexFrom    = 4    // subscriptions from which on the index is asked
	indexScopes  = 1000 // subscriptions of one query (Resource Graph: limits)
	indexPage    = 1000 // rows of one answer
	indexVersion = "2022-10-01"
)

// indexedClusters are the clusters of a name, or all, in all subscriptions or in the resource groups of a name. It is false
// where the index is not worth asking, does not answer, or has no such cluster.
func (w *walk) indexedClusters(ctx context.Context, group, name string) ([]map[string]any, bool) {
	if len(w.Subscriptions) < indexFrom {
		return nil, false
	}
	w.say("asking Resource Graph for the clusters of %d subscriptions", len(w.Subscriptions))
	var ids []azure.ID
	for chunk := range slices.Chunk(w.Subscriptions, indexScopes) {
		some, err := w.client.index(ctx, chunk, clusterQuery(group, name))
		if err != nil {
			return nil, false // Resource Manager alone answers, and says what it refuses
		}
		ids = append(ids, some...)
	}
	if name != "" && len(ids) == 0 {
		return nil, false
	}
	return w.clustersOf(ctx, ids), true
}

// clusterQuery is in the Kusto query language. Texts are quoted as it has them.
func clusterQuery(group, name string) string {
	quote := func(s string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", "", "\r", "").Replace(s) + "'"
	}
	q := "resources | where type =~ 'microsoft.containerservice/managedclusters'"
	if group != "" {
		q += " | where resourceGroup =~ " + quote(group)
	}
	if name != "" {
		q += " | where name =~ " + quote(name)
	}
	return q + " | project id | order by id asc"
}

// index asks Resource Graph and reads all pages. The pipeline waits as a throttled answer asks for.
func (c *client) index(ctx context.Context, subscriptions []Subscription, query string) ([]azure.ID, error) {
	var subs []string
	for _, s := range subscriptions {
		subs = append(subs, s.ID)
	}
	options := map[string]any{"$top": indexPage, "resultFormat": "objectArray"}
	body := map[string]any{"subscriptions": subs, "query": query, "options": options}
	var out []azure.ID
	for range maxPages {
		page, err := c.do(ctx, c.arm, http.MethodPost, c.armBase+"/providers/Microsoft.ResourceGraph/resources?api-version="+indexVersion, body)
		if err != nil {
			return nil, err
		}
		rows, ok := at(page, "data").([]any)
		if !ok {
			return nil, errors.New("Resource Graph answered no rows")
		}
		for _, row := range rows {
			if id := linkAt(row, "id"); !id.IsZero() {
				out = append(out, id)
			}
		}
		token := textAt(page, "$skipToken")
		if token == "" {
			return out, nil
		}
		options["$skipToken"] = token
	}
	return nil, fmt.Errorf("Resource Graph has more than %d pages", maxPages)
}

// clustersOf reads clusters from Resource Manager. One that is gone by now is left out, one that may not be read makes the answer
// incomplete.
func (w *walk) clustersOf(ctx context.Context, ids []azure.ID) []map[string]any {
	docs := make([]map[string]any, len(ids))
	var tasks sync.WaitGroup
	for i, id := range ids {
		tasks.Go(func() {
			doc, _, err := w.client.get(ctx, id)
			switch {
			case err == nil:
				docs[i] = doc
			case !isStatus(err, http.StatusNotFound) && ctx.Err() == nil:
				w.incomplete(Incomplete{What: "cluster " + id.String(), Why: why(err), Right: TypeCluster + "/read on " + id.String(), Scope: id, Clusters: true})
			}
		})
	}
	tasks.Wait()
	return slices.DeleteFunc(docs, func(d map[string]any) bool { return d == nil })
}
