package cloud_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"aksid/internal/cloud"
	"aksid/internal/cloud/provider"
)

// words are what random requests are made of: real types and names, and nonsense.
var words = []string{"subscriptions", "resourceGroups", "resourcegroups", "rg1", "RG1", "providers", "Microsoft.Network", "microsoft.network", "virtualNetworks", "v1", "subnets", "s1",
	"loadBalancers", "lb", "frontendIPConfigurations", "Microsoft.Authorization", "roleAssignments", "roleDefinitions", "acdd72a7-3385-48ef-bd42-f606fba81ae7", "locks", "denyAssignments",
	"Microsoft.ContainerService", "managedClusters", "c1", "agentPools", "nodepool1", "listClusterAdminCredential", "Microsoft.ManagedIdentity", "userAssignedIdentities", "id1",
	"Microsoft.Compute", "virtualMachineScaleSets", "virtualMachines", "0", "instanceView", "disks", "Microsoft.Resources", "deployments", "operations", "tags", "default", "validate",
	"Microsoft.Insights", "eventtypes", "management", "values", "Microsoft.Management", "managementGroups", "mg", "Microsoft.KeyVault", "vaults", "locations", "westeurope",
	"Microsoft.ResourceGraph", "resources", "Microsoft.Storage", "storageAccounts", "listKeys", "tenants", "..", "%2e", "%00", "a b", "ü", "*", "'", strings.Repeat("x", 300), ""}

// values are what random documents are made of.
var fuzzValues = []string{`null`, `true`, `0`, `-1`, `1e400`, `""`, `"x"`, `"/"`, `"/subscriptions"`, `[]`, `[null]`, `[[]]`, `{}`, `{"id":null}`, `{"id":"/x"}`, `[{"name":null}]`, `[{"name":"a","properties":null}]`,
	`[{"name":"a","properties":{"addressPrefix":"10.0.0.0/24","subnet":{"id":7}}}]`, `"10.0.0.0/0"`, `{"type":"UserAssigned","userAssignedIdentities":{"x":{}}}`, `{"type":"SystemAssigned"}`, `{"type":7}`}

var fuzzMembers = []string{"location", "properties", "identity", "sku", "tags", "name", "id", "kind", "zones", "principalId", "roleDefinitionId", "subnets", "agentPoolProfiles", "addressSpace",
	"frontendIPConfigurations", "level", "permissions", "query", "mode", "template", "_", "_status", "etag"}

func randomPath(r *rand.Rand, sub string) string {
	if r.IntN(4) > 0 {
		return realPath(r, sub)
	}
	parts := []string{"", "subscriptions", sub}
	if r.IntN(8) == 0 {
		parts = []string{""}
	} else if r.IntN(4) > 0 {
		parts = append(parts, "resourceGroups", "rg1")
		if r.IntN(3) > 0 {
			parts = append(parts, "providers")
		}
	}
	for range r.IntN(7) {
		parts = append(parts, words[r.IntN(len(words))])
	}
	return strings.Join(parts, "/")
}

// realTypes are the types that are served.
var realTypes = sync.OnceValue(func() []string {
	var out []string
	for _, p := range provider.All(nil) {
		for _, t := range p.Types {
			out = append(out, t.Name)
			for _, c := range t.Children {
				out = append(out, c.Type.Name)
			}
		}
	}
	return out
})

// realPath is the path of a resource, a collection or an action of a type that is served.
func realPath(r *rand.Rand, sub string) string {
	scope := []string{"/subscriptions/" + sub + "/resourceGroups/rg1", "/subscriptions/" + sub + "/resourceGroups/rg1", "/subscriptions/" + sub, ""}[r.IntN(4)]
	if r.IntN(6) == 0 {
		scope += "/providers/Microsoft.Network/virtualNetworks/a"
	}
	parts := strings.Split(realTypes()[r.IntN(len(realTypes()))], "/")
	path := scope + "/providers/" + parts[0]
	for _, p := range parts[1:] {
		path += "/" + p + "/" + []string{"a", "a", "b", "default", "0", "acdd72a7-3385-48ef-bd42-f606fba81ae7"}[r.IntN(6)]
	}
	switch r.IntN(8) {
	case 0:
		path = path[:strings.LastIndexByte(path, '/')]
	case 1:
		path += "/" + words[r.IntN(len(words))]
	}
	return path
}

func randomBody(r *rand.Rand, depth int) string {
	if depth == 0 || r.IntN(3) == 0 {
		return fuzzValues[r.IntN(len(fuzzValues))]
	}
	var members []string
	for range r.IntN(5) {
		members = append(members, fmt.Sprintf("%q:%s", fuzzMembers[r.IntN(len(fuzzMembers))], randomBody(r, depth-1)))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// knock sends one random request with a valid token; a fault of our own is a failure.
func (w *world) knock(r *rand.Rand) {
	method := []string{"GET", "GET", "PUT", "PUT", "PUT", "PATCH", "DELETE", "POST", "HEAD", "OPTIONS"}[r.IntN(10)]
	version := "2023-10-01"
	if r.IntN(10) == 0 {
		version = []string{"2022-04-01", "2015-07-01", "1.0", "", "2030-01-01"}[r.IntN(5)]
	}
	path := randomPath(r, strings.TrimPrefix(w.platform, "/subscriptions/"))
	body := ""
	if method == "PUT" || method == "PATCH" || method == "POST" {
		body = randomBody(r, 4)
		if !strings.HasPrefix(body, "{") || r.IntN(3) > 0 {
			body = `{"location":"westeurope","properties":` + body + `}`
		}
	}
	target := url.URL{Scheme: "https", Host: host, Path: path, RawQuery: "api-version=" + version + []string{"", "&$filter=atScope()", "&$filter='", "&$expand=x", "&$skiptoken=%00"}[r.IntN(5)]}
	req := httptest.NewRequest("GET", "https://"+host, strings.NewReader(body))
	req.Method, req.URL, req.RequestURI = method, &target, target.RequestURI()
	req.Header.Set("Authorization", "Bearer "+w.operator.token)
	if r.IntN(10) == 0 {
		req.Header.Set("If-Match", []string{"*", `W/"x"`}[r.IntN(2)])
	}
	got := w.serve(req)
	if got.status >= 500 {
		w.Fatalf("%s %s %s\nanswers %d %s", method, target.RequestURI(), body, got.status, got.raw)
	}
	if got.status >= 400 && method != "HEAD" && got.raw != "" && got.str("error.code") == "" && got.str("code") == "" && strings.HasPrefix(got.header.Get("Content-Type"), "application/json") {
		w.Fatalf("%s %s answers %d without an error code: %s", method, target.RequestURI(), got.status, got.raw)
	}
}

// logged shows the faults of the local Azure's own.
func logged(t testing.TB) func(*cloud.Config) {
	return func(c *cloud.Config) { c.Log = slog.New(slog.NewTextHandler(t.Output(), nil)) }
}

// TestKnock sends thousands of random requests: no panic, no fault of our own, and nothing is written without an event.
func TestKnock(t *testing.T) {
	w := newWorld(t, logged(t))
	w.clock.Run()
	rg := w.group(w.platform, "rg1")
	w.identity(rg, "id1")
	r := rand.New(rand.NewPCG(1, 2))
	for range 6000 {
		w.knock(r)
	}
	written := map[string]bool{}
	for _, id := range w.operator.get(w.platform + "/resources").ok(200).list("id") {
		written[strings.ToLower(id)] = true
	}
	for path := w.platform + "/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01"; path != ""; {
		page := w.operator.get(path).ok(200)
		for _, id := range page.list("resourceId") {
			delete(written, strings.ToLower(id))
		}
		path = strings.TrimPrefix(page.str("nextLink"), "https://"+host)
	}
	for id := range written {
		if !strings.Contains(id, "/virtualmachines/") && !strings.Contains(id, "/disks/") { // parts of a scale set
			t.Errorf("%s was written without an event", id)
		}
	}
}

// FuzzDoor knocks with requests that the fuzzer's seeds make.
func FuzzDoor(f *testing.F) {
	w := newWorld(f, logged(f))
	w.clock.Run()
	w.group(w.platform, "rg1")
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		w.TB = t
		w.knock(rand.New(rand.NewPCG(a, b)))
	})
}
