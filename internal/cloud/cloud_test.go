package cloud_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"aksid/internal/cloud"
)

// world is a local Azure in a temporary folder, driven through its handler.
type world struct {
	testing.TB
	dir      string
	cloud    *cloud.Cloud
	handler  http.Handler
	tenant   string
	platform string // "/subscriptions/…" of the first subscription
	hub      string // of the second
	operator *user
	clock    *clock
	recorded recording
}

// clock is a time that stands still until a test moves it, or lets it run.
type clock struct {
	start   time.Time
	ahead   atomic.Int64
	running atomic.Bool
}

func (c *clock) Now() time.Time {
	at := c.start
	if c.running.Load() {
		at = time.Now()
	}
	return at.Add(time.Duration(c.ahead.Load()))
}

func (c *clock) Add(d time.Duration) { c.ahead.Add(int64(d)) }

// Run makes it the time of day.
func (c *clock) Run() { c.running.Store(true) }

// user is a principal with a token.
type user struct {
	w     *world
	id    string // object id
	app   string // client id
	upn   string // of people
	token string
}

const host = "localhost:8443"

// patience bounds what is waited for: far more than it takes, also on a slow machine that does other things.
const patience = 2 * time.Minute

func newWorld(t testing.TB, set ...func(*cloud.Config)) *world {
	t.Helper()
	w := &world{TB: t, dir: t.TempDir(), clock: &clock{start: time.Now()}}
	w.start(set...)
	_, bench := t.(*testing.B)
	w.recorded.off = bench || len(set) > 0
	t.Cleanup(func() {
		w.replay()
		_ = w.cloud.Close()
	})
	return w
}

func (w *world) start(set ...func(*cloud.Config)) {
	w.Helper()
	c := cloud.Config{Dir: w.dir, Addr: host, Now: w.clock.Now}
	for _, f := range set {
		f(&c)
	}
	var err error
	if w.cloud, err = cloud.Open(context.Background(), c); err != nil {
		w.Fatal(err)
	}
	info := w.cloud.Info()
	w.handler, w.tenant = w.cloud.Handler(), info.Tenant.String()
	w.platform, w.hub = "/subscriptions/"+info.Subscriptions[0].ID, "/subscriptions/"+info.Subscriptions[1].ID
	secret, app := w.secret()
	w.operator = &user{w: w, id: info.OperatorObjectID.String(), app: app, token: w.login(app, secret)}
}

// secret is the operator's, with its client id.
func (w *world) secret() (secret, client string) {
	w.Helper()
	var op struct{ ClientID, Secret string }
	body, err := os.ReadFile(filepath.Join(w.dir, "operator.json"))
	if err == nil {
		err = json.Unmarshal(body, &op)
	}
	if err != nil {
		w.Fatal(err)
	}
	return op.Secret, op.ClientID
}

// reply is an answer, decoded.
type reply struct {
	w      *world
	status int
	header http.Header
	body   map[string]any
	raw    string
}

func (w *world) serve(r *http.Request) reply {
	sent, _ := io.ReadAll(r.Body)
	body := string(sent)
	r.Body = io.NopCloser(strings.NewReader(body))
	rec := httptest.NewRecorder()
	r.RemoteAddr = "127.0.0.1:50000"
	w.handler.ServeHTTP(rec, r)
	out := reply{w: w, status: rec.Code, header: rec.Header(), raw: rec.Body.String()}
	w.recorded.add(r, body, rec.Code)
	_ = json.Unmarshal(rec.Body.Bytes(), &out.body)
	return out
}

func (w *world) login(app, secret string) string {
	w.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {app}, "client_secret": {secret}, "scope": {"https://" + host + "//.default"}}
	r := httptest.NewRequest("POST", "https://"+host+"/"+w.tenant+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.serve(r).ok(200).str("access_token")
}

// application makes a service principal with a secret through Graph.
func (w *world) application(name string) *user {
	w.Helper()
	app := w.operator.do("POST", "/v1.0/applications", map[string]any{"displayName": name}).ok(201)
	sp := w.operator.do("POST", "/v1.0/servicePrincipals", map[string]any{"appId": app.str("appId")}).ok(201)
	secret := w.operator.do("POST", "/v1.0/servicePrincipals/"+sp.str("id")+"/addPassword", map[string]any{}).ok(200).str("secretText")
	return &user{w: w, id: sp.str("id"), app: app.str("appId"), token: w.login(app.str("appId"), secret)}
}

// machine is the managed identity of a resource, with a token from its metadata service.
func (w *world) machine(id string) *user {
	w.Helper()
	return &user{w: w, token: w.askMachine(id, "").ok(200).str("access_token")}
}

// askMachine asks the metadata service of a machine for a token.
func (w *world) askMachine(id, query string) reply {
	w.Helper()
	r := httptest.NewRequest("GET", "https://"+host+"/_aksid/v1/imds"+id+"/metadata/identity/oauth2/token?api-version=2018-02-01&resource="+url.QueryEscape("https://management.azure.com/")+query, nil)
	r.Header.Set("Metadata", "true")
	key, err := os.ReadFile(filepath.Join(w.dir, "admin.key"))
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Aksid-Key", strings.TrimSpace(string(key)))
	return w.serve(r)
}

// do makes a call; a path without an api-version gets one.
func (u *user) do(method, path string, body any) reply {
	u.w.Helper()
	if !strings.Contains(path, "api-version=") && !strings.HasPrefix(path, "/v1.0/") {
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		path += sep + "api-version=2023-10-01"
	}
	var b []byte
	switch v := body.(type) {
	case nil:
	case string:
		b = []byte(v)
	default:
		b, _ = json.Marshal(v)
	}
	r := httptest.NewRequest(method, "https://"+host+strings.ReplaceAll(path, " ", "%20"), bytes.NewReader(b))
	r.Header.Set("Content-Type", "application/json")
	if u.token != "" {
		r.Header.Set("Authorization", "Bearer "+u.token)
	}
	return u.w.serve(r)
}

// renew logs the operator in again: the clock was moved.
func (u *user) renew() {
	u.w.Helper()
	secret, app := u.w.secret()
	u.token = u.w.login(app, secret)
}

func (u *user) get(path string) reply           { u.w.Helper(); return u.do("GET", path, nil) }
func (u *user) put(path string, body any) reply { u.w.Helper(); return u.do("PUT", path, body) }
func (u *user) delete(path string) reply        { u.w.Helper(); return u.do("DELETE", path, nil) }

// run is put or delete with the wait for the operation that it began.
func (u *user) run(method, path string, body any) reply {
	u.w.Helper()
	first := u.do(method, path, body)
	if first.status > 299 {
		return first
	}
	poll := first.header.Get("Azure-AsyncOperation")
	if poll == "" {
		poll = first.header.Get("Location")
	}
	if poll == "" {
		return first
	}
	for end := time.Now().Add(patience); time.Now().Before(end); {
		p := u.get(strings.TrimPrefix(poll, "https://"+host))
		switch {
		case p.status == 202, p.body["status"] == "InProgress":
			time.Sleep(2 * time.Millisecond)
		case p.body["status"] == "Succeeded" && method == "PUT":
			return u.get(path)
		default:
			return p
		}
	}
	u.w.Fatalf("%s %s does not end", method, path)
	return reply{}
}

func (r reply) answers(status int) bool {
	return r.status == status || r.status == 202 && status < 202 && r.header.Get("Location") != ""
}

// ok checks a status. Where a provider says with 202 that it works on, what was asked for is done all the same:
// TestReceipts has the rows of which types say so.
func (r reply) ok(status int) reply {
	r.w.Helper()
	if !r.answers(status) {
		r.w.Fatalf("got %d, want %d: %s", r.status, status, r.raw)
	}
	return r
}

// refused checks an error's status, code and words.
func (r reply) refused(status int, code string, words ...string) {
	r.w.Helper()
	e, _ := r.body["error"].(map[string]any)
	if e == nil {
		e = r.body // AKS's own errors have nothing around them
	}
	message := fmt.Sprint(e["message"])
	if r.status != status || e["code"] != code {
		r.w.Fatalf("got %d %v, want %d %s: %s", r.status, e["code"], status, code, r.raw)
	}
	for _, word := range words {
		if !strings.Contains(message, word) {
			r.w.Fatalf("%q is not in the message %q", word, message)
		}
	}
}

func (r reply) at(path string) any {
	var v any = r.body
	for name := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			i := 0
			_, _ = fmt.Sscan(name, &i)
			if i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

func (r reply) str(path string) string { s, _ := r.at(path).(string); return s }

// list are the values of one field over a list's elements.
func (r reply) list(field string) []string {
	var out []string
	all, _ := r.body["value"].([]any)
	for i := range all {
		out = append(out, fmt.Sprint(r.at(fmt.Sprintf("value.%d.%s", i, field))))
	}
	return out
}

type obj = map[string]any

// roles are built-in role ids that the tests use.
var roles = map[string]string{
	"Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c", "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
	"Network Contributor": "4d97b98b-1d4f-4787-a291-c67834d212e7", "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
	"Managed Identity Operator": "f1a07417-d97a-45cb-824c-7a7467783830", "User Access Administrator": "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
}

var guids int

func guid() string { guids++; return fmt.Sprintf("00000000-0000-4000-8000-%012d", guids) }

// grant gives a role as the operator does.
func (w *world) grant(principal, role, scope string) string {
	w.Helper()
	path := scope + "/providers/Microsoft.Authorization/roleAssignments/" + guid()
	w.operator.put(path, obj{"properties": obj{"principalId": principal, "roleDefinitionId": scope + "/providers/Microsoft.Authorization/roleDefinitions/" + roles[role]}}).ok(201)
	return path
}

func (w *world) group(sub, name string) string {
	w.Helper()
	id := sub + "/resourceGroups/" + name
	w.operator.put(id, obj{"location": "westeurope"}).ok(201)
	return id
}

func (w *world) identity(group, name string) (id, principal, client string) {
	w.Helper()
	id = group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" + name
	r := w.operator.put(id, obj{"location": "westeurope"}).ok(201)
	return id, r.str("properties.principalId"), r.str("properties.clientId")
}

func pool(extra obj) obj {
	p := obj{"name": "nodepool1", "count": 1, "vmSize": "Standard_DS2_v2", "mode": "System"}
	for k, v := range extra {
		p[k] = v
	}
	return p
}

// TestFreight is the story that the demo tells, as calls.
func TestFreight(t *testing.T) {
	w := newWorld(t)
	hub, platform := w.group(w.hub, "rg-hub"), w.group(w.platform, "rg-platform")
	rt := hub + "/providers/Microsoft.Network/routeTables/rt-aks"
	w.operator.put(rt, obj{"location": "westeurope"}).ok(201)
	vnet := hub + "/providers/Microsoft.Network/virtualNetworks/vnet-hub"
	w.operator.put(vnet, obj{"location": "westeurope", "properties": obj{"addressSpace": obj{"addressPrefixes": []string{"10.0.0.0/16"}},
		"subnets": []obj{{"name": "snet-aks", "properties": obj{"addressPrefix": "10.0.1.0/24", "routeTable": obj{"id": rt}}}}}}).ok(201)
	snet := vnet + "/subnets/snet-aks"
	id, principal, _ := w.identity(platform, "id-freight-aks")
	acr := platform + "/providers/Microsoft.ContainerRegistry/registries/freightacr"
	w.operator.put(acr, obj{"location": "westeurope", "sku": obj{"name": "Basic"}}).ok(201)
	pipeline := w.application("pipeline")
	w.grant(pipeline.id, "Contributor", w.hub)
	w.grant(pipeline.id, "Contributor", w.platform)

	cluster := platform + "/providers/Microsoft.ContainerService/managedClusters/freight-prod"
	body := obj{"location": "westeurope", "identity": obj{"type": "UserAssigned", "userAssignedIdentities": obj{id: obj{}}},
		"properties": obj{"dnsPrefix": "freight", "networkProfile": obj{"networkPlugin": "kubenet"}, "agentPoolProfiles": []obj{pool(obj{"vnetSubnetID": snet})}}}
	pipeline.put(cluster, body).refused(400, "CustomRouteTableMissingPermission", rt)
	pipeline.get(cluster).refused(404, "ResourceNotFound")
	w.grant(principal, "Network Contributor", rt)
	made := pipeline.run("PUT", cluster, body).ok(200)
	if s := made.str("properties.provisioningState"); s != "Succeeded" {
		t.Fatalf("the cluster is %s: %s", s, made.raw)
	}
	nodes := w.platform + "/resourceGroups/MC_rg-platform_freight-prod_westeurope"
	if got := made.str("properties.identityProfile.kubeletidentity.resourceId"); !strings.EqualFold(got, nodes+"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/freight-prod-agentpool") {
		t.Errorf("kubelet identity is %q", got)
	}
	kubelet := made.str("properties.identityProfile.kubeletidentity.objectId")

	aks := w.machine(cluster)
	lb := obj{"location": "westeurope", "sku": obj{"name": "Standard"}, "properties": obj{"frontendIPConfigurations": []obj{{"name": "f", "properties": obj{"subnet": obj{"id": snet}}}}}}
	internal := nodes + "/providers/Microsoft.Network/loadBalancers/kubernetes-internal"
	aks.put(internal, lb).refused(403, "LinkedAuthorizationFailed", "Microsoft.Network/loadBalancers/write", "'Microsoft.Network/virtualNetworks/subnets/join/action' on the linked scope(s) '"+snet+"'")
	w.grant(principal, "Network Contributor", snet)
	got := aks.put(internal, lb).ok(201)
	if ip := got.str("properties.frontendIPConfigurations.0.properties.privateIPAddress"); ip != "10.0.1.5" {
		t.Errorf("the frontend's address is %q", ip)
	}

	node := w.machine(nodes + "/providers/Microsoft.Compute/virtualMachineScaleSets/" + scaleSet(w, nodes))
	node.pull("freightacr", "app", 401)
	w.grant(kubelet, "AcrPull", acr)
	node.pull("freightacr", "app", 200)

	list := w.operator.get(w.platform + "/providers/Microsoft.Authorization/roleAssignments?$filter=principalId eq '" + principal + "'").ok(200)
	if n := len(list.list("id")); n != 1 {
		t.Errorf("the control plane has %d assignments in its subscription, want AKS's own: %s", n, list.raw)
	}
}

func scaleSet(w *world, nodes string) string {
	w.Helper()
	names := w.operator.get(nodes + "/providers/Microsoft.Compute/virtualMachineScaleSets").ok(200).list("name")
	if len(names) != 1 {
		w.Fatalf("scale sets: %v", names)
	}
	return names[0]
}

// pull does what the kubelet's credential provider and a container runtime do to pull an image.
func (u *user) pull(registry, repository string, want int) {
	u.w.Helper()
	post := func(path string, form url.Values) reply {
		r := httptest.NewRequest("POST", "https://"+registry+".azurecr.io"+path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return u.w.serve(r)
	}
	server := registry + ".azurecr.io"
	r := post("/oauth2/exchange", url.Values{"grant_type": {"access_token_refresh_token"}, "service": {server}, "tenant": {u.w.tenant}, "access_token": {u.token}, "refresh_token": {u.token}})
	if r.status == 200 {
		r = post("/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "service": {server}, "scope": {"repository:" + repository + ":pull"}, "refresh_token": {r.str("refresh_token")}})
	}
	r.ok(want)
}
