package estate

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"golang.org/x/tools/txtar"

	"aksid/internal/azure"
)

const (
	platform = "11111111-1111-1111-1111-111111111111"
	hub      = "22222222-2222-2222-2222-222222222222"
)

var (
	clusterID   = azure.SubscriptionID(platform).Join("resourceGroups", "rg-platform").Resource(TypeCluster, "freight-prod")
	subnetID    = azure.SubscriptionID(hub).Join("resourceGroups", "rg-hub").Resource(TypeSubnet, "vnet-hub", "snet-aks")
	routeTable  = azure.SubscriptionID(hub).Join("resourceGroups", "rg-hub").Resource(TypeRouteTable, "rt-aks")
	registryID  = azure.SubscriptionID(platform).Join("resourceGroups", "rg-platform").Resource(TypeRegistry, "freightacr")
	nodeGroupID = azure.SubscriptionID(platform).Join("resourceGroups", "MC_rg-platform_freight-prod_westeurope")

	controlPlaneOID = azure.MustGUID("a0000000-0000-0000-0000-000000000001")
	kubeletOID      = azure.MustGUID("a0000000-0000-0000-0000-000000000002")
	goneOID         = azure.MustGUID("a0000000-0000-0000-0000-0000000000ff")
	groupOID        = azure.MustGUID("a0000000-0000-0000-0000-0000000000aa")
)

// unpack writes an archive's files into a folder.
func unpack(t *testing.T, archive string) string {
	t.Helper()
	a, err := txtar.ParseFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range a.Files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// fake answers as ARM and Microsoft Graph do, from documents, over TLS.
type fake struct {
	*httptest.Server
	docs     map[string]map[string]any // ARM documents by lower-cased id
	objects  []map[string]any
	related  map[string][]string // ids of the objects at the other end of a relation, by its path below v1.0
	events   []map[string]any    // entries of activity logs
	pageSize int
	fail     func(r *http.Request) (status int, code string) // 0: answer

	mu       sync.Mutex
	requests []string // method, path and query
}

func newFake(t *testing.T, dir string) *fake {
	t.Helper()
	f := &fake{docs: map[string]map[string]any{}, pageSize: 1}
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatal("no documents", err)
	}
	for _, p := range paths {
		f.load(t, p)
	}
	f.Server = httptest.NewUnstartedServer(f)
	f.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that stop half-way are no news
	f.StartTLS()
	t.Cleanup(f.Close)
	return f
}

func (f *fake) load(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v, err := decodeText(text)
	if err != nil {
		t.Fatal(path, err)
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, x := range list {
		doc := x.(map[string]any)
		if id := textAt(doc, "id"); strings.HasPrefix(id, "/") {
			f.docs[strings.ToLower(id)] = doc
		} else {
			f.objects = append(f.objects, doc)
		}
	}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery)
	f.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer token" {
		answer(w, http.StatusUnauthorized, armError("AuthenticationFailed"))
		return
	}
	if f.fail != nil {
		if status, code := f.fail(r); status != 0 {
			answer(w, status, armError(code))
			return
		}
	}
	switch {
	case strings.HasPrefix(r.URL.Path, "/v1.0/"):
		f.graph(w, r)
	case r.URL.Query().Get("api-version") == "":
		answer(w, http.StatusBadRequest, armError("MissingApiVersionParameter"))
	default:
		f.arm(w, r)
	}
}

func (f *fake) graph(w http.ResponseWriter, r *http.Request) {
	var body struct{ IDs []string }
	_ = json.NewDecoder(r.Body).Decode(&body)
	var found []any
	if path := strings.TrimPrefix(r.URL.Path, "/v1.0/"); strings.HasSuffix(path, "/members") || strings.HasSuffix(path, "/owners") {
		f.relation(w, r, path)
		return
	}
	for _, o := range f.objects {
		byApp := strings.Contains(r.URL.RawQuery, "%20eq%20'"+textAt(o, "appId")+"'") && textAt(o, "appId") != ""
		if byApp || slices.Contains(body.IDs, textAt(o, "id")) {
			o = maps.Clone(o)
			delete(o, "members") // only $expand prints them
			found = append(found, o)
		}
	}
	answer(w, http.StatusOK, map[string]any{"value": found})
}

// relation answers what a relation leads to, one object a page.
func (f *fake) relation(w http.ResponseWriter, r *http.Request, path string) {
	ids, ok := f.related[path]
	if !ok {
		answer(w, http.StatusNotFound, armError("Request_ResourceNotFound"))
		return
	}
	page, rest := map[string]any{"value": []any{}}, 0
	_, _ = fmt.Sscan(r.URL.Query().Get("$skiptoken"), &rest)
	for _, o := range f.objects {
		if rest < len(ids) && textAt(o, "id") == ids[rest] {
			page["value"] = []any{o}
		}
	}
	if rest+1 < len(ids) {
		page["@odata.nextLink"] = fmt.Sprintf("%s%s?$skiptoken=%d", f.URL, r.URL.Path, rest+1)
	}
	answer(w, http.StatusOK, page)
}

func (f *fake) arm(w http.ResponseWriter, r *http.Request) {
	path := strings.ToLower(r.URL.Path)
	if doc, ok := f.docs[path]; ok {
		answer(w, http.StatusOK, doc)
		return
	}
	if strings.HasSuffix(path, "/eventtypes/management/values") {
		f.activity(w, r)
		return
	}
	scope, typ, names := azure.MustID(path).Split()
	switch { // a collection has no name at its end
	case path == "/subscriptions":
		f.list(w, r, azure.Root, azure.TypeSubscription)
	case typ != "" && len(names) < strings.Count(typ, "/"):
		if len(names) > 0 {
			scope = azure.MustID(path[:strings.LastIndexByte(path, '/')])
		}
		f.list(w, r, scope, typ)
	default:
		answer(w, http.StatusNotFound, armError("ResourceNotFound"))
	}
}

// activity answers a log as Azure does: since a time that is no more than 90 days ago, up to another and of one provider if that is
// asked for, page by page.
func (f *fake) activity(w http.ResponseWriter, r *http.Request) {
	since, until, provider := time.Time{}, eventsNow.Add(time.Hour), ""
	for _, term := range strings.Split(r.URL.Query().Get("$filter"), " and ") {
		field, op, value := "", "", ""
		_, _ = fmt.Sscan(strings.ReplaceAll(term, "'", ""), &field, &op, &value)
		switch field + " " + op {
		case "eventTimestamp ge":
			since, _ = time.Parse(time.RFC3339, value)
		case "eventTimestamp le":
			until, _ = time.Parse(time.RFC3339, value)
		case "resourceProvider eq":
			provider = value
		}
	}
	if since.Before(eventsNow.Add(-LogKept)) || until.IsZero() {
		answer(w, http.StatusBadRequest, armError("BadRequest"))
		return
	}
	found := []any{}
	for _, e := range f.events {
		at := timeAt(e, "eventTimestamp")
		if strings.HasPrefix(textAt(e, "resourceId"), strings.Split(r.URL.Path, "/providers/")[0]+"/") && !at.Before(since) && !at.After(until) &&
			(provider == "" || strings.Contains(textAt(e, "resourceId"), provider)) {
			found = append(found, e)
		}
	}
	f.page(w, r, found)
}

// list answers a collection, one page at a time.
func (f *fake) list(w http.ResponseWriter, r *http.Request, scope azure.ID, typ string) {
	var found []any
	for _, key := range sortedKeys(f.docs) {
		id := azure.MustID(textAt(f.docs[key], "id"))
		if !strings.EqualFold(id.Type(), typ) || !f.inScope(id, scope) || !f.passes(r, f.docs[key]) {
			continue
		}
		found = append(found, f.docs[key])
	}
	f.page(w, r, found)
}

// page answers one page of what was found, and where the next one is.
func (f *fake) page(w http.ResponseWriter, r *http.Request, found []any) {
	skip := 0
	for r.URL.Query().Get("skip") != strings.Repeat("x", skip) {
		skip++
	}
	page := map[string]any{"value": found[min(skip*f.pageSize, len(found)):min((skip+1)*f.pageSize, len(found))]}
	if (skip+1)*f.pageSize < len(found) {
		q := r.URL.Query()
		q.Set("skip", strings.Repeat("x", skip+1))
		page["nextLink"] = f.URL + r.URL.Path + "?" + q.Encode()
	}
	answer(w, http.StatusOK, page)
}

// inScope: a listing shows what lies below; of authorization also what is inherited, and the roles of the first subscription everywhere.
func (f *fake) inScope(id, scope azure.ID) bool {
	if scope.Contains(id) || strings.EqualFold(id.Type(), typeDefinition) {
		return true
	}
	return strings.HasPrefix(id.Key(), "/providers/microsoft.management/") &&
		linkAt(f.docs[id.Key()], "properties.roleDefinitionId").Subscription() == scope.Subscription()
}

// passes evaluates assignedTo('…'): the principal's own assignments and those of the groups that list it.
func (f *fake) passes(r *http.Request, doc map[string]any) bool {
	filter := r.URL.Query().Get("$filter")
	if isSchedule(linkAt(doc, "id").Type()) { // what is above is listed for this filter alone
		above := linkAt(doc, "id").Subscription() == ""
		return above == (filter == "atScope()")
	}
	if filter == "" {
		return true
	}
	p := strings.TrimSuffix(strings.TrimPrefix(filter, "assignedTo('"), "')")
	holder := textAt(doc, "properties.principalId")
	for _, o := range f.objects {
		for _, m := range listAt(o, "members") {
			if textAt(o, "id") == holder && textAt(m, "id") == p {
				return true
			}
		}
	}
	return holder == p
}

func sortedKeys(m map[string]map[string]any) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func armError(code string) map[string]any {
	return map[string]any{"error": map[string]any{"code": code, "message": code}}
}

func (f *fake) live() Live {
	return Live{
		From:       "azure",
		Cloud:      azure.Cloud{Name: "fake", ARM: f.URL, Audience: f.URL + "/", Authority: f.URL + "/", Graph: f.URL},
		Credential: token{}, Transport: f.Client(),
		Subscriptions: []Subscription{{ID: platform, Name: "Platform"}},
	}
}

type token struct{ err error }

func (t token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "token", ExpiresOn: time.Now().Add(time.Hour)}, t.err
}
