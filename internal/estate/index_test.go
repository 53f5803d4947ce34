package estate

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// many subscriptions of which only one has a cluster.
func many(l Live) Live {
	for i := range indexFrom {
		l.Subscriptions = append(l.Subscriptions, Subscription{ID: fmt.Sprintf("55555555-5555-5555-5555-%012d", i)})
	}
	return l
}

// answering makes the fake answer for Resource Graph, a row a page, and counts what it was asked.
func answering(f *fake, rows ...string) (asked, listed *atomic.Int32) {
	asked, listed = new(atomic.Int32), new(atomic.Int32)
	inner := f.Config.Handler
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/Microsoft.ContainerService/managedClusters") {
			listed.Add(1)
		}
		if !strings.HasSuffix(r.URL.Path, "/Microsoft.ResourceGraph/resources") {
			inner.ServeHTTP(w, r)
			return
		}
		if n := asked.Add(1); n == 1 { // throttled once
			w.Header().Set("Retry-After", "0")
			w.Header().Set("retry-after-ms", "1")
			answer(w, http.StatusTooManyRequests, armError("RateLimiting"))
			return
		}
		var body struct {
			Query   string
			Options map[string]any
		}
		_ = json.NewDecoder(r.Body).Decode(&body)
		page := 0
		fmt.Sscan(fmt.Sprint(body.Options["$skipToken"]), &page)
		data, next := []any{}, ""
		if page < len(rows) {
			data = append(data, map[string]any{"id": rows[page]})
		}
		if page+1 < len(rows) {
			next = fmt.Sprint(page + 1)
		}
		out := map[string]any{"data": data}
		if next != "" {
			out["$skipToken"] = next
		}
		answer(w, http.StatusOK, out)
	})
	return asked, listed
}

// Of many subscriptions the index says where clusters are; they are read from ARM.
func TestIndex(t *testing.T) {
	f := freight(t)
	asked, listed := answering(f, clusterID.String(), strings.Replace(clusterID.String(), "freight-prod", "gone", 1))
	l := many(f.live())
	l.Registries = []string{"freightacr"}
	e := load(t, l)
	if len(e.Clusters) != 1 || asked.Load() != 3 || listed.Load() != 0 || len(e.Incomplete) != 0 {
		t.Errorf("%d clusters, asked %d times, listed %d times, incomplete %v", len(e.Clusters), asked.Load(), listed.Load(), e.Incomplete)
	}
	checkFreight(t, e)
}

// What the index does not know yet is looked for in ARM before it is called missing.
func TestIndexLags(t *testing.T) {
	f := freight(t)
	_, listed := answering(f)
	l := many(f.live())
	l.Clusters = []string{"freight-prod"}
	if e := load(t, l); len(e.Clusters) != 1 || listed.Load() == 0 {
		t.Errorf("%d clusters, listed %d times", len(e.Clusters), listed.Load())
	}
}

// Where the index refuses, ARM answers alone.
func TestIndexRefused(t *testing.T) {
	f := freight(t)
	f.fail = func(r *http.Request) (int, string) {
		if strings.Contains(r.URL.Path, "ResourceGraph") {
			return http.StatusForbidden, "AuthorizationFailed"
		}
		return 0, ""
	}
	if e := load(t, many(f.live())); len(e.Clusters) != 1 || len(e.Incomplete) != 0 {
		t.Errorf("%d clusters, incomplete %v", len(e.Clusters), e.Incomplete)
	}
}

func TestClusterQuery(t *testing.T) {
	const want = `resources | where type =~ 'microsoft.containerservice/managedclusters' | where resourceGroup =~ 'rg\'x' | where name =~ 'a\\b' | project id | order by id asc`
	if got := clusterQuery("rg'x\n", `a\b`); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
