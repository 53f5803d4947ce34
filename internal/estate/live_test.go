package estate

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

func load(t *testing.T, s Source) *Estate {
	t.Helper()
	e, err := s.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func freight(t *testing.T) *fake { return newFake(t, unpack(t, "testdata/freight.txtar")) }

// What the freight estate says, whichever way it was read.
func checkFreight(t *testing.T, e *Estate) {
	t.Helper()
	if len(e.Clusters) != 1 || !e.Clusters[0].ID.Equal(clusterID) {
		t.Fatalf("clusters %v", e.Clusters)
	}
	if len(e.Registries) != 1 || !e.Registries[0].Equal(registryID) {
		t.Errorf("registries %v", e.Registries)
	}
	for _, id := range []azure.ID{subnetID, routeTable, registryID} {
		if _, known := e.Resource(id); known != Known {
			t.Errorf("%s is not known", id)
		}
	}
	if o, known := e.Object(controlPlaneOID); known != Known || o.Name != "id-freight-aks" || o.Type != "ServicePrincipal" {
		t.Errorf("control plane object %+v, %v", o, known)
	}
	if got := e.SubscriptionName(strings.ToUpper(hub)); got != "Hub" {
		t.Errorf("subscription name %q", got)
	}
	for _, c := range []struct {
		principal azure.PrincipalID
		action    azure.Action
		scope     azure.ID
		want      rbac.Outcome
	}{
		{controlPlaneOID, "Microsoft.Network/loadBalancers/write", nodeGroupID, rbac.Granted},
		{controlPlaneOID, "Microsoft.Network/virtualNetworks/subnets/join/action", subnetID, rbac.Granted}, // by group and management group
		{kubeletOID, "Microsoft.Network/virtualNetworks/subnets/join/action", subnetID, rbac.NotGranted},
		{kubeletOID, "Microsoft.ContainerRegistry/registries/pull/read", registryID, rbac.NotGranted},
		{kubeletOID, "Microsoft.Compute/disks/write", nodeGroupID, rbac.Denied},
	} {
		got := e.Decide(rbac.Request{Principal: c.principal, Action: c.action, Scope: c.scope})
		if got.Outcome != c.want {
			t.Errorf("%s on %s by %s: %v, want %v", c.action, c.scope.Name(), c.principal, got.Outcome, c.want)
		}
	}
	if held := e.Held(goneOID); len(held) != 1 || e.RoleName(held[0].Role) != "AcrPull" || held[0].PrincipalType != "ServicePrincipal" {
		t.Errorf("held %+v", held)
	}
	if got := e.Held(controlPlaneOID)[0].CreatedOn; got.Year() != 2026 {
		t.Errorf("created on %v", got)
	}
}

func TestLive(t *testing.T) {
	f := freight(t)
	l := f.live()
	l.Clusters, l.Registries = []string{"freight-prod"}, []string{"freightacr"}
	e := load(t, l)
	checkFreight(t, e)
	if len(e.Incomplete) != 0 {
		t.Errorf("incomplete: %+v", e.Incomplete)
	}
	if len(e.Orphans) != 1 || e.Orphans[0].Principal != goneOID {
		t.Errorf("orphans %+v", e.Orphans)
	}
	if got := e.Policy.GroupsOf(controlPlaneOID); !slices.Contains(got, groupOID) {
		t.Errorf("groups %v", got)
	}
	seen := map[string]bool{}
	for _, r := range f.requests {
		if strings.HasPrefix(r, "GET") && seen[r] {
			t.Errorf("asked twice: %s", r)
		}
		seen[r] = true
	}
}

// A cluster is found by every form of its name.
func TestClusterNames(t *testing.T) {
	f := freight(t)
	for _, c := range []struct {
		clusters []string
		group    string
		all      bool
	}{
		{clusters: nil},
		{clusters: nil, all: true},
		{clusters: []string{"FREIGHT-prod"}},
		{clusters: []string{"rg-platform/freight-prod"}},
		{clusters: []string{"freight-prod"}, group: "rg-platform"},
		{clusters: []string{strings.ToLower(clusterID.String())}},
		{clusters: []string{clusterID.String(), "freight-prod"}},
	} {
		l := f.live()
		l.Clusters, l.Group = c.clusters, c.group
		if c.all {
			l.Subscriptions = nil
		}
		if e := load(t, l); len(e.Clusters) != 1 {
			t.Errorf("%+v: %d clusters", c, len(e.Clusters))
		}
	}
}

// What the user names and is not there is said in one line, with what to do.
func TestNotFound(t *testing.T) {
	f := freight(t)
	f.fail = func(r *http.Request) (int, string) {
		switch {
		case strings.Contains(r.URL.Path, "33333333"):
			return http.StatusNotFound, "SubscriptionNotFound"
		case strings.Contains(r.URL.Path, "rg-none"):
			return http.StatusNotFound, "ResourceGroupNotFound"
		}
		return 0, ""
	}
	for _, c := range []struct {
		change func(*Live)
		want   string
	}{
		{func(l *Live) { l.Clusters = []string{"freight"} }, "there is no cluster freight in subscription Platform; there is rg-platform/freight-prod"},
		{func(l *Live) { l.Clusters = []string{"rg-none/freight-prod"} }, "there is no cluster rg-none/freight-prod in resource group rg-none of subscription Platform; there is none at all"},
		{func(l *Live) { l.Clusters = []string{subnetID.String()} }, "is not the id of an AKS cluster"},
		{func(l *Live) { l.Clusters = []string{clusterID.String() + "2"} }, "there is no cluster /subscriptions"},
		{func(l *Live) { l.Subscriptions = []Subscription{{ID: "33333333-3333-3333-3333-333333333333"}} }, "there is no subscription 33333333-3333-3333-3333-333333333333 in cloud fake"},
		{func(l *Live) { l.Registries = []string{"other"} }, "there is no registry other in subscription Platform"},
		{func(l *Live) { l.Registries = []string{registryID.String() + "2"} }, "there is no registry /subscriptions"},
		{func(l *Live) { l.Registries = []string{clusterID.String()} }, "is not the id of a container registry"},
	} {
		l := f.live()
		c.change(&l)
		_, err := l.Load(context.Background())
		if !errors.As(err, new(*NotFound)) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
}

// Whatever is refused leaves questions open and says which right would close them; it never turns into "missing".
func TestRefusedReads(t *testing.T) {
	type question struct {
		principal azure.PrincipalID
		action    azure.Action
		scope     azure.ID
	}
	subnetJoin := question{kubeletOID, "Microsoft.Network/virtualNetworks/subnets/join/action", subnetID}
	pull := question{kubeletOID, "Microsoft.ContainerRegistry/registries/pull/read", registryID}
	for _, c := range []struct {
		path  string // what is refused
		what  string
		right string
		open  []question
		still []question // answered NotGranted all the same
	}{
		{path: hub + "/providers/Microsoft.Authorization/roleAssignments", what: "role assignments of subscription " + hub,
			right: "Microsoft.Authorization/roleAssignments/read on /subscriptions/" + hub, open: []question{subnetJoin}, still: []question{pull}},
		{path: platform + "/providers/Microsoft.Authorization/denyAssignments", what: "deny assignments of subscription Platform",
			right: "Microsoft.Authorization/denyAssignments/read", open: []question{pull}, still: []question{subnetJoin}},
		{path: "/routeTables/rt-aks", what: "route table rt-aks", right: "Microsoft.Network/routeTables/read", still: []question{subnetJoin, pull}},
		{path: "/subnets/snet-aks", what: "subnet snet-aks", right: TypeSubnet + "/read", still: []question{subnetJoin, pull}},
		{path: "/getByIds", what: "names in the directory", right: "Microsoft Graph", still: []question{subnetJoin, pull}},
	} {
		f := freight(t)
		f.fail = func(r *http.Request) (int, string) {
			if strings.HasSuffix(strings.ToLower(r.URL.Path), strings.ToLower(c.path)) {
				return http.StatusForbidden, "AuthorizationFailed"
			}
			return 0, ""
		}
		l := f.live()
		l.Registries = []string{"freightacr"}
		e := load(t, l)
		if !slices.ContainsFunc(e.Incomplete, func(i Incomplete) bool {
			return i.What == c.what && i.Why == "403 AuthorizationFailed" && strings.Contains(i.Right, c.right)
		}) {
			t.Errorf("%s: incomplete %+v", c.path, e.Incomplete)
		}
		for _, q := range c.open {
			if d := e.Decide(rbac.Request{Principal: q.principal, Action: q.action, Scope: q.scope}); d.Outcome != rbac.Unknown {
				t.Errorf("%s refused: %s is %v, want Unknown", c.path, q.action, d.Outcome)
			}
		}
		for _, q := range c.still {
			if d := e.Decide(rbac.Request{Principal: q.principal, Action: q.action, Scope: q.scope}); d.Outcome != rbac.NotGranted {
				t.Errorf("%s refused: %s is %v, want NotGranted", c.path, q.action, d.Outcome)
			}
		}
	}
}

// Role definitions that cannot be read make what hangs on them unknown, although the program knows the built-in roles.
func TestRoleDefinitionsAreAzures(t *testing.T) {
	f := freight(t)
	f.fail = func(r *http.Request) (int, string) {
		if strings.HasSuffix(r.URL.Path, "roleDefinitions") {
			return http.StatusForbidden, "AuthorizationFailed"
		}
		return 0, ""
	}
	e := load(t, f.live())
	d := e.Decide(rbac.Request{Principal: controlPlaneOID, Action: "Microsoft.Network/loadBalancers/write", Scope: nodeGroupID})
	if d.Outcome != rbac.Unknown {
		t.Errorf("%v, want Unknown", d.Outcome)
	}
}

// Without the groups of an identity, what a group may do is unknown for it, and only that.
func TestUnreadableGroups(t *testing.T) {
	f := freight(t)
	f.fail = func(r *http.Request) (int, string) {
		if strings.Contains(r.URL.RawQuery, "assignedTo") {
			return http.StatusForbidden, "AuthorizationFailed"
		}
		return 0, ""
	}
	l := f.live()
	l.Registries = []string{"freightacr"}
	e := load(t, l)
	join := rbac.Request{Principal: controlPlaneOID, Action: "Microsoft.Network/virtualNetworks/subnets/join/action", Scope: subnetID}
	if d := e.Decide(join); d.Outcome != rbac.Unknown || d.By == nil || d.By.Principal != groupOID {
		t.Errorf("join: %v by %v", d.Outcome, d.By)
	}
	pull := rbac.Request{Principal: kubeletOID, Action: "Microsoft.ContainerRegistry/registries/pull/read", Scope: registryID}
	if d := e.Decide(pull); d.Outcome != rbac.NotGranted {
		t.Errorf("pull: %v", d.Outcome)
	}
}

// A cluster with a service principal names a client id; the directory knows the object.
func TestServicePrincipalIsLookedUp(t *testing.T) {
	f := freight(t)
	doc := f.docs[clusterID.Key()]
	delete(doc, "identity")
	delete(doc["properties"].(map[string]any), "identityProfile")
	app := "c0000000-0000-0000-0000-000000000001"
	doc["properties"].(map[string]any)["servicePrincipalProfile"] = map[string]any{"clientId": app}
	l := f.live()
	l.Clusters = []string{"freight-prod"}
	e := load(t, l)
	got, ok := e.Actor(e.Clusters[0], Kubelet, "")
	if !ok || got.Principal != controlPlaneOID || got.Role != ServicePrincipal || got.Client.String() != app || got.Name != "id-freight-aks" {
		t.Errorf("%+v, %v", got, ok)
	}
	if !slices.Contains(e.Policy.GroupsOf(controlPlaneOID), groupOID) {
		t.Error("the service principal's groups were not read")
	}
}

// A cloud that does not know an api-version yet is asked with an older one, whose answers do not tell the mode of a registry.
func TestOlderAPIVersion(t *testing.T) {
	f := freight(t)
	delete(f.docs[registryID.Key()]["properties"].(map[string]any), "roleAssignmentMode")
	for _, c := range []struct {
		code string
		want RegistryMode
	}{{"", ModeRBAC}, {"NoRegisteredProviderFound", ModeUnknown}, {"InvalidResourceType", ModeUnknown}} {
		f.fail = func(r *http.Request) (int, string) {
			if c.code != "" && r.URL.Query().Get("api-version") == RegistryVersion {
				return http.StatusBadRequest, c.code
			}
			return 0, ""
		}
		l := f.live()
		l.Registries = []string{"freightacr.azurecr.io"}
		f.docs[registryID.Key()]["properties"].(map[string]any)["loginServer"] = "freightacr.azurecr.io"
		if got := load(t, l).RegistryMode(registryID); got != c.want {
			t.Errorf("%q: mode %v, want %v", c.code, got, c.want)
		}
	}
}

// The token goes to no host but ARM's, whatever a page says.
func TestNextLinkElsewhere(t *testing.T) {
	f := freight(t)
	other := newFake(t, unpack(t, "testdata/freight.txtar"))
	l := f.live()
	l.Transport = transport(func(r *http.Request) (*http.Response, error) {
		resp, err := f.Client().Do(r)
		if err == nil && strings.HasSuffix(r.URL.Path, "managedClusters") {
			resp.Body.Close()
			return f.Client().Do(mustRequest(t, f.URL+"/evil", other.URL))
		}
		return resp, err
	})
	f.docs["/evil"] = map[string]any{"id": "/evil", "value": []any{}, "nextLink": other.URL + "/subscriptions?api-version=1"}
	_, err := l.Load(context.Background())
	if err == nil || !strings.Contains(err.Error(), "next page") {
		t.Errorf("error %v", err)
	}
	if n := len(other.requests); n > 0 {
		t.Errorf("%d requests went to the other host", n)
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) Do(r *http.Request) (*http.Response, error) { return f(r) }

func mustRequest(t *testing.T, target, _ string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, target+"?api-version=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer token")
	return r
}

func TestRefusedCredential(t *testing.T) {
	f := freight(t)
	for text, want := range map[string]string{
		"az: command not found\nlong story": "there is no credential for Azure; run az login",
		"RESPONSE 401\n{\n \"error_description\": \"AADSTS7000215: Invalid client secret provided. Trace ID: 1 Timestamp: 2\"\n}": "Entra refuses the credential: AADSTS7000215: Invalid client secret provided.",
		"ERROR: AADSTS50076: Due to a change, you must use multi-factor authentication.\r\nTrace ID: 1":                           "Entra refuses the credential: AADSTS50076: Due to a change, you must use multi-factor authentication.",
	} {
		l := f.live()
		l.Credential = explained{token{errors.New(text)}, "there is no credential for Azure; run az login"}
		_, err := l.Load(context.Background())
		if !errors.As(err, new(*Refused)) || err.Error() != want {
			t.Errorf("error %q, want %q", err, want)
		}
	}
}

func TestRefusedSubscription(t *testing.T) {
	f := freight(t)
	f.fail = func(r *http.Request) (int, string) {
		if strings.Contains(r.URL.Path, hub+"/providers/Microsoft.ContainerService") {
			return http.StatusForbidden, "AuthorizationFailed"
		}
		return 0, ""
	}
	l := f.live()
	l.Subscriptions = []Subscription{{ID: hub, Name: "Hub"}}
	_, err := l.Load(context.Background())
	if !errors.As(err, new(*Refused)) || !strings.Contains(err.Error(), TypeCluster+"/read") {
		t.Errorf("error %v", err)
	}
	l.Subscriptions = nil
	e := load(t, l)
	if len(e.Clusters) != 1 || len(e.Incomplete) != 1 || e.Incomplete[0].What != "the clusters of subscription Hub" {
		t.Errorf("%d clusters, incomplete %+v", len(e.Clusters), e.Incomplete)
	}
}

func TestInterrupted(t *testing.T) {
	f := freight(t)
	ctx, cancel := context.WithCancel(context.Background())
	f.fail = func(*http.Request) (int, string) {
		cancel()
		return 0, ""
	}
	if _, err := f.live().Load(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestProgress(t *testing.T) {
	f := freight(t)
	l := f.live()
	said := make(chan string, 100)
	l.Progress = func(s string) { said <- s }
	load(t, l)
	close(said)
	var all []string
	for s := range said {
		all = append(all, s)
	}
	if !slices.Contains(all, "reading the clusters of subscription Platform") {
		t.Errorf("said %q", all)
	}
}

func TestIncompleteIsJSON(t *testing.T) {
	text, err := json.Marshal(Incomplete{What: "a", Why: "b", Scope: subnetID})
	if want := `{"what":"a","why":"b","scope":"` + subnetID.String() + `"}`; err != nil || string(text) != want {
		t.Errorf("%s, want %s", text, want)
	}
}
