package estate

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

func doc(t *testing.T, text string) map[string]any {
	t.Helper()
	v, err := decodeText([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v.(map[string]any)
}

func TestIdentities(t *testing.T) {
	const kubelet = `"identityProfile": {"kubeletidentity": {"resourceId": "/subscriptions/s/resourcegroups/MC/providers/Microsoft.ManagedIdentity/userAssignedIdentities/c-agentpool",
		"clientId": "c0000000-0000-0000-0000-000000000002", "objectId": "a0000000-0000-0000-0000-000000000002"}}`
	for _, c := range []struct{ name, doc, want string }{
		{"system-assigned", `{"identity": {"type": "SystemAssigned", "principalId": "a0000000-0000-0000-0000-000000000001"}, "properties": {` + kubelet + `}}`,
			"control plane SystemAssigned c a0000000-0000-0000-0000-000000000001; kubelet UserAssigned c-agentpool a0000000-0000-0000-0000-000000000002"},
		{"user-assigned", `{"identity": {"type": "userassigned", "principalId": null, "userAssignedIdentities": {"/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id1":
			{"principalId": "a0000000-0000-0000-0000-000000000003"}}}, "properties": {` + kubelet + `}}`,
			"control plane UserAssigned id1 a0000000-0000-0000-0000-000000000003; kubelet UserAssigned c-agentpool a0000000-0000-0000-0000-000000000002"},
		{"service principal", `{"identity": null, "properties": {"servicePrincipalProfile": {"clientId": "c0000000-0000-0000-0000-000000000009"}, "identityProfile": null}}`,
			"service principal ServicePrincipal c0000000-0000-0000-0000-000000000009 unknown"},
		{"service principal beside a managed identity is msi", `{"identity": {"type": "None"}, "properties": {"servicePrincipalProfile": {"clientId": "MSI"}}}`, ""},
		{"add-ons in any case, enabled ones only", `{"properties": {"ingressProfile": {"webAppRouting": {"enabled": true, "identity": {"objectId": "a0000000-0000-0000-0000-000000000007"}}},
			"addonProfiles": {"OMSagent": {"enabled": true, "identity": {"objectId": "a0000000-0000-0000-0000-000000000005"}}, "azurepolicy": {"enabled": false, "identity": {"objectId": "a0000000-0000-0000-0000-000000000006"}}, "httpApplicationRouting": null}}}`,
			"add-on OMSagent UserAssigned  a0000000-0000-0000-0000-000000000005; add-on webAppRouting UserAssigned  a0000000-0000-0000-0000-000000000007"},
		{"hostile", `{"identity": {"type": "UserAssigned", "userAssignedIdentities": {"no id": {}, "/x": 7}}, "properties": {"addonProfiles": [1], "identityProfile": {"kubeletidentity": "x"}}}`,
			"control plane UserAssigned x unknown"},
	} {
		cluster := &Cluster{Resource{ID: azure.MustID("/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c"), Doc: doc(t, c.doc)}}
		var got []string
		for _, id := range cluster.identities() {
			principal := "unknown"
			if id.Known() {
				principal = id.Principal.String()
			}
			got = append(got, fmt.Sprintf("%s %s %s %s", id.Label(), id.Kind, id.Name, principal))
		}
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.name, s, c.want)
		}
	}
}

func TestCluster(t *testing.T) {
	c := load(t, freight(t).live()).Clusters[0]
	if got := c.NodeGroup(); !got.Equal(nodeGroupID) {
		t.Errorf("node group %s", got)
	}
	if got := c.Subnets(); len(got) != 1 || !got[0].Equal(subnetID) {
		t.Errorf("subnets %v", got)
	}
	if got := c.OutboundIPs(); len(got) != 1 || got[0].Name() != "pip-out" {
		t.Errorf("outbound IPs %v", got)
	}
	if !c.Kubenet() {
		t.Error("not kubenet")
	}
	if got := (&Cluster{}).NodeGroup(); !got.IsZero() {
		t.Errorf("node group of nothing: %s", got)
	}
}

func TestRegistryMode(t *testing.T) {
	for _, c := range []struct {
		mode, version string
		want          RegistryMode
	}{
		{"AbacRepositoryPermissions", "", ModeABAC},
		{"abacrepositorypermissions", RegistryVersion, ModeABAC},
		{"LegacyRegistryPermissions", "", ModeRBAC},
		{"", RegistryVersion, ModeRBAC},
		{"", "2022-02-01-preview", ModeUnknown}, // az 2.45 asks with this one
		{"", "", ModeUnknown},
	} {
		b := newBuilder("")
		properties := map[string]any{}
		if c.mode != "" {
			properties["roleAssignmentMode"] = c.mode
		}
		if err := b.add(map[string]any{"id": registryID.String(), "properties": properties}, c.version, ""); err != nil {
			t.Fatal(err)
		}
		if got := b.build().RegistryMode(registryID); got != c.want {
			t.Errorf("mode %q read with %q: %v, want %v", c.mode, c.version, got, c.want)
		}
	}
	if got := newBuilder("").build().RegistryMode(registryID); got != ModeUnknown {
		t.Errorf("unread registry: %v", got)
	}
}

// The tree of management groups is rebuilt from which subscriptions show whose assignments.
func TestManagementGroups(t *testing.T) {
	b := newBuilder("")
	mg := func(name string) azure.ID {
		return azure.MustID("/providers/Microsoft.Management/managementGroups/" + name)
	}
	sub := func(n int) string { return fmt.Sprintf("11111111-1111-1111-1111-%012d", n) }
	for group, subs := range map[string][]int{"root": {1, 2, 3}, "corp": {1, 2}, "online": {3}, "same": {1, 2}} {
		for _, n := range subs {
			b.inherit(mg(group), sub(n))
		}
	}
	role := rbac.Role{ID: azure.NewGUID(), Permissions: []rbac.Permission{{Actions: []string{"*"}}}}
	b.roles[role.ID] = role
	principals := map[string]azure.PrincipalID{}
	for _, group := range []string{"root", "corp", "online", "same"} {
		principals[group] = azure.NewGUID()
		id := mg(group).Resource(typeAssignment, group)
		b.grants[id.Key()] = rbac.Grant{ID: id, Role: role.ID, Principal: principals[group], Scope: mg(group)}
	}
	e := b.build()
	for group, want := range map[string][]int{"root": {1, 2, 3}, "corp": {1, 2}, "online": {3}, "same": {1, 2}} {
		for n := 1; n <= 4; n++ {
			d := e.Decide(rbac.Request{Principal: principals[group], Action: "Microsoft.Compute/disks/read", Scope: azure.SubscriptionID(sub(n)).Join("resourceGroups", "g")})
			if granted := d.Outcome == rbac.Granted; granted != slices.Contains(want, n) {
				t.Errorf("holder on %s in subscription %d: %v", group, n, d.Outcome)
			}
		}
	}
}

func TestMalformedAuthorization(t *testing.T) {
	b := newBuilder("")
	id := nodeGroupID.Resource(typeAssignment, "e0000000-0000-0000-0000-000000000001")
	if err := b.add(map[string]any{"id": id.String(), "properties": map[string]any{"principalId": "x"}}, "", ""); err == nil {
		t.Error("a malformed assignment is accepted")
	}
	d := b.build().Decide(rbac.Request{Principal: kubeletOID, Action: "a/read", Scope: nodeGroupID})
	if d.Outcome != rbac.Unknown {
		t.Errorf("where an assignment is malformed: %v, want Unknown", d.Outcome)
	}
}

// Deny assignments that only audit deny nothing; those for all principals name none.
func TestDenyAssignments(t *testing.T) {
	deny := func(effect string) *Estate {
		b := newBuilder("")
		d := doc(t, `{"properties": {"denyAssignmentName": "d", "permissions": [{"actions": ["*"]}],
			"principals": [{"id": "00000000-0000-0000-0000-000000000000"}, {"id": "nonsense"}], "doNotApplyToChildScopes": false}}`)
		d["id"] = nodeGroupID.Resource(typeDeny, "d0000000-0000-0000-0000-000000000001").String()
		d["properties"].(map[string]any)["denyAssignmentEffect"] = effect
		if err := b.add(d, "", ""); err != nil {
			t.Fatal(err)
		}
		return b.build()
	}
	request := rbac.Request{Principal: kubeletOID, Action: "a/read", Scope: nodeGroupID}
	if d := deny("enforced").Decide(request); d.Outcome != rbac.Denied || d.Deny.Name != "d" {
		t.Errorf("enforced: %v", d)
	}
	if d := deny("audit").Decide(request); d.Outcome != rbac.NotGranted {
		t.Errorf("audit: %v", d)
	}
}

func TestPlace(t *testing.T) {
	e := load(t, freight(t).live())
	for _, c := range []struct {
		id   azure.ID
		want string
	}{
		{subnetID, "snet-aks (rg-hub, Hub subscription)"},
		{registryID, "freightacr (rg-platform)"},
		{nodeGroupID, "resource group MC_rg-platform_freight-prod_westeurope"},
		{subnetID.GroupID(), "resource group rg-hub (Hub subscription)"},
		{azure.SubscriptionID(hub), "the Hub subscription"},
		{azure.MustID("/providers/Microsoft.Management/managementGroups/mg-corp"), "management group mg-corp"},
		{azure.Root, "the tenant root"},
		{azure.MustID("/providers/Microsoft.Something/else"), "/providers/Microsoft.Something/else"},
	} {
		if got := e.Place(c.id, clusterID); got != c.want {
			t.Errorf("Place(%s) = %q, want %q", c.id, got, c.want)
		}
	}
	if got := e.PrincipalName(controlPlaneOID); got != "id-freight-aks" {
		t.Errorf("name %q", got)
	}
	if got := e.PrincipalName(goneOID); got != goneOID.String() {
		t.Errorf("name of nobody %q", got)
	}
}
