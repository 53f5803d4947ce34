package failure_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/cloud"
	"aksid/internal/failure"
)

// localAzure is an in-process local Azure.
type localAzure struct {
	testing.TB
	cloud    *cloud.Cloud
	sub      string
	operator string // token
}

const host = "localhost:8443"

func openLocal(t testing.TB) *localAzure {
	t.Helper()
	dir := t.TempDir()
	c, err := cloud.Open(context.Background(), cloud.Config{Dir: dir, Addr: host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	body, err := os.ReadFile(filepath.Join(dir, "operator.json"))
	if err != nil {
		t.Fatal(err)
	}
	var operator struct{ ClientID, Secret string }
	if err := json.Unmarshal(body, &operator); err != nil {
		t.Fatal(err)
	}
	l := &localAzure{t, c, "/subscriptions/" + c.Info().Subscriptions[0].ID, ""}
	l.operator = l.login(operator.ClientID, operator.Secret)
	return l
}

func (l *localAzure) login(client, secret string) string {
	l.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret}, "scope": {"https://" + host + "//.default"}}
	r := httptest.NewRequest("POST", "https://"+host+"/"+l.cloud.Info().Tenant.String()+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	l.cloud.Handler().ServeHTTP(w, r)
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Token == "" {
		l.Fatalf("no token: %d %s", w.Code, w.Body)
	}
	return answer.Token
}

// call sends a request and decodes what comes back.
func (l *localAzure) call(token, method, path string, body, out any) (status int, raw string) {
	l.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		l.Fatal(err)
	}
	if !strings.HasPrefix(path, "/v1.0/") {
		path += "?api-version=2023-09-01"
	}
	r := httptest.NewRequest(method, "https://"+host+path, bytes.NewReader(b))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	l.cloud.Handler().ServeHTTP(w, r)
	if out != nil {
		if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
			l.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	}
	return w.Code, w.Body.String()
}

// principal makes a service principal; token is its own.
func (l *localAzure) principal(name string) (id, token string) {
	l.Helper()
	var app struct{ AppID string }
	l.call(l.operator, "POST", "/v1.0/applications", map[string]any{"displayName": name}, &app)
	var sp struct{ ID string }
	l.call(l.operator, "POST", "/v1.0/servicePrincipals", map[string]any{"appId": app.AppID}, &sp)
	var secret struct{ SecretText string }
	l.call(l.operator, "POST", "/v1.0/servicePrincipals/"+sp.ID+"/addPassword", map[string]any{}, &secret)
	return sp.ID, l.login(app.AppID, secret.SecretText)
}

// requests are calls and the actions that Azure demands for them.
var requests = []struct{ method, typ, action string }{
	{"GET", "Microsoft.Network/virtualNetworks/vnet/subnets/%s", "Microsoft.Network/virtualNetworks/subnets/read"},
	{"PUT", "Microsoft.Network/loadBalancers/%s", "Microsoft.Network/loadBalancers/write"},
	{"DELETE", "Microsoft.Network/publicIPAddresses/%s", "Microsoft.Network/publicIPAddresses/delete"},
	{"PUT", "Microsoft.Network/routeTables/%s", "Microsoft.Network/routeTables/write"},
	{"GET", "Microsoft.Network/networkSecurityGroups/%s", "Microsoft.Network/networkSecurityGroups/read"},
	{"GET", "Microsoft.Compute/virtualMachineScaleSets/%s", "Microsoft.Compute/virtualMachineScaleSets/read"},
	{"PUT", "Microsoft.ContainerService/managedClusters/%s", "Microsoft.ContainerService/managedClusters/write"},
	{"PUT", "Microsoft.ManagedIdentity/userAssignedIdentities/%s", "Microsoft.ManagedIdentity/userAssignedIdentities/write"},
	{"GET", "Microsoft.ContainerRegistry/registries/%s", "Microsoft.ContainerRegistry/registries/read"},
	{"PUT", "Microsoft.Authorization/roleAssignments/5e1d0000-0000-0000-0000-000000000001", "Microsoft.Authorization/roleAssignments/write"},
}

// wordings are how clients print the answer of a refused call.
var wordings = []func(status int, body string) string{
	func(status int, body string) string {
		return fmt.Sprintf("Retriable: false, RetryAfter: 0s, HTTPStatusCode: %[1]d, RawError: Retriable: false, RetryAfter: 0s, HTTPStatusCode: %[1]d, RawError: %[2]s\n", status, body)
	},
	func(status int, body string) string {
		return fmt.Sprintf("PUT https://management.azure.com/x\n%[1]s\nRESPONSE %[2]d: %[2]d Forbidden\n%[1]s\n%[3]s\n%[1]s\n", strings.Repeat("-", 80), status, body)
	},
	func(_ int, body string) string { return "ERROR: Forbidden(" + body + ")\n" },
	func(_ int, body string) string {
		return `{"level":"error","ts":"2026-01-02T03:04:05Z","error":` + strconv.Quote(body) + "}\n"
	},
	func(_ int, body string) string {
		return `time="2026-01-02T03:04:05Z" level=error msg=` + strconv.Quote(strconv.Quote(body)) + "\n"
	},
}

// TestLocalRefusals: each refusal of the local Azure is explained back to the request that was refused.
func TestLocalRefusals(t *testing.T) {
	l := openLocal(t)
	r := rand.New(rand.NewPCG(31, 32))
	type caller struct{ id, token string }
	var callers []caller
	for i := range 5 {
		id, token := l.principal(fmt.Sprintf("caller-%d", i))
		callers = append(callers, caller{id, token})
	}
	const refusals = 1000
	for i := range refusals {
		who, req := callers[r.IntN(len(callers))], requests[i%len(requests)]
		resource := strings.ReplaceAll(req.typ, "%s", fmt.Sprintf("r%d", r.IntN(1000)))
		path := fmt.Sprintf("%s/resourceGroups/rg-%d/providers/%s", l.sub, r.IntN(50), resource)
		status, body := l.call(who.token, req.method, path, map[string]any{"location": "westeurope"}, nil)
		if status != 403 {
			t.Fatalf("%s %s: %d %s", req.method, path, status, body)
		}
		text := wordings[r.IntN(len(wordings))](status, body)
		failures := failure.ParseString(text)
		if len(failures) != 1 {
			t.Fatalf("%d failures in %s", len(failures), text)
		}
		f := failures[0]
		if f.ObjectID != who.id || !slices.Equal(f.Actions, []string{req.action}) || len(f.Scopes) != 1 || !strings.EqualFold(f.Scopes[0], path) ||
			f.Kind != failure.MissingAction && f.Kind != failure.Condition || f.Code != "AuthorizationFailed" {
			t.Fatalf("%s of %s on %s is read as %s %s of %s: %v on %v\nin %s", req.action, who.id, path, f.Kind, f.Code, f.ObjectID, f.Actions, f.Scopes, text)
		}
	}
}

// TestLocalLinkedRefusal: a load balancer in a subnet that its writer may not join.
func TestLocalLinkedRefusal(t *testing.T) {
	l := openLocal(t)
	id, token := l.principal("writer")
	nodes, hub := l.sub+"/resourceGroups/nodes", l.sub+"/resourceGroups/hub"
	for _, group := range []string{nodes, hub} {
		l.call(l.operator, "PUT", group, map[string]any{"location": "westeurope"}, nil)
	}
	vnet := hub + "/providers/Microsoft.Network/virtualNetworks/v"
	l.call(l.operator, "PUT", vnet, map[string]any{"location": "westeurope", "properties": map[string]any{
		"addressSpace": map[string]any{"addressPrefixes": []string{"10.0.0.0/16"}},
		"subnets":      []any{map[string]any{"name": "s", "properties": map[string]any{"addressPrefix": "10.0.1.0/24"}}},
	}}, nil)
	const networkContributor = "4d97b98b-1d4f-4787-a291-c67834d212e7"
	status, body := l.call(l.operator, "PUT", nodes+"/providers/Microsoft.Authorization/roleAssignments/"+azure.NewGUID().String(), map[string]any{"properties": map[string]any{
		"roleDefinitionId": l.sub + "/providers/Microsoft.Authorization/roleDefinitions/" + networkContributor, "principalId": id, "principalType": "ServicePrincipal",
	}}, nil)
	if status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	lb := nodes + "/providers/Microsoft.Network/loadBalancers/kubernetes-internal"
	status, body = l.call(token, "PUT", lb, map[string]any{"location": "westeurope", "properties": map[string]any{
		"frontendIPConfigurations": []any{map[string]any{"name": "f", "properties": map[string]any{"subnet": map[string]any{"id": vnet + "/subnets/s"}}}},
	}}, nil)
	if status != 403 {
		t.Fatalf("%d %s", status, body)
	}
	for _, wording := range wordings {
		failures := failure.ParseString(wording(status, body))
		if len(failures) != 1 {
			t.Fatalf("%d failures", len(failures))
		}
		f := failures[0]
		if f.Kind != failure.LinkedScope || f.ObjectID != id || !slices.Equal(f.Actions, []string{"Microsoft.Network/virtualNetworks/subnets/join/action"}) ||
			!slices.Equal(f.LinkedScopes, []string{vnet + "/subnets/s"}) || !slices.Equal(f.Scopes, []string{lb}) {
			t.Errorf("%+v", f)
		}
	}
}
