package rbac

import (
	"slices"
	"testing"
	"time"

	"aksid/internal/azure"
)

// TestFindings asks what the twelve findings of azure-facts 0 say about decisions. Findings 6 and 10 are about who calls
// and about status codes: they do not concern the engine.
func TestFindings(t *testing.T) {
	const (
		join     = "Microsoft.Network/virtualNetworks/subnets/join/action"
		joinVNet = "Microsoft.Network/virtualNetworks/join/action"
		assign   = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"
		pull     = "Microsoft.ContainerRegistry/registries/pull/read"
		content  = "Microsoft.ContainerRegistry/registries/repositories/content/read"
	)
	rg := azure.SubscriptionID("11111111-1111-1111-1111-111111111111").Join("resourceGroups", "rg")
	vnet := rg.Resource("Microsoft.Network/virtualNetworks", "vnet")
	subnet := vnet.Join("subnets", "snet")
	identity := rg.Resource("Microsoft.ManagedIdentity/userAssignedIdentities", "id")
	registry := rg.Resource("Microsoft.ContainerRegistry/registries", "acr")
	creator, control, kubelet, clientID := azure.GUID{1}, azure.GUID{2}, azure.GUID{3}, azure.GUID{4}
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

	for _, c := range []struct {
		finding   string
		role      string
		holder    azure.GUID
		scope     azure.ID
		principal azure.GUID
		action    azure.Action
		on        azure.ID
		want      Outcome
	}{
		{"1: /*/ is also a slash", "Managed Identity Operator", control, identity, control, assign, identity, Granted},
		{"1: and stays specific", "Managed Identity Operator", control, identity, control, "Microsoft.ManagedIdentity/userAssignedIdentities/write", identity, NotGranted},
		{"1: also in notActions", "Contributor", control, rg, control, "Microsoft.Authorization/write", rg, NotGranted},
		{"2: a client id is not a principal id", "AcrPull", clientID, registry, kubelet, pull, registry, NotGranted},
		{"2: it grants to itself alone", "AcrPull", clientID, registry, clientID, pull, registry, Granted},
		{"3: Reader pulls", "Reader", kubelet, rg, kubelet, pull, registry, Granted},
		{"3: Reader does not push", "Reader", kubelet, rg, kubelet, "Microsoft.ContainerRegistry/registries/push/write", registry, NotGranted},
		{"5: the creator's right is not the cluster's", "Network Contributor", creator, vnet, control, join, subnet, NotGranted},
		{"5: nor the other way round", "Network Contributor", control, vnet, creator, join, subnet, NotGranted},
		{"8: a subnet's right", "Network Contributor", control, subnet, control, join, subnet, Granted},
		{"8: does not reach the network", "Network Contributor", control, subnet, control, joinVNet, vnet, NotGranted},
		{"9: each link has its own action", "Private DNS Zone Contributor", control, rg, control, joinVNet, vnet, Granted},
		{"9: and grants no other", "Private DNS Zone Contributor", control, rg, control, join, subnet, NotGranted},
		{"2.4: Contributor assigns no roles", "Contributor", creator, rg, creator, assignWrite, registry, NotGranted},
		{"2.4: Owner does", "Owner", creator, rg, creator, assignWrite, registry, Granted},
	} {
		role := builtIn(t, c.role)
		p := New(PutRole(*role), AddGrant(Grant{Role: role.ID, Principal: c.holder, Scope: c.scope}))
		if d := p.Decide(Request{Principal: c.principal, Action: c.action, Scope: c.on}); d.Outcome != c.want {
			t.Errorf("%s: %s is %s, want %s", c.finding, c.action, d.Outcome, c.want)
		}
	}

	t.Run("4: in ABAC mode a registry asks for data actions", func(t *testing.T) {
		for name, want := range map[string]Outcome{"AcrPull": NotGranted, "Owner": NotGranted, "Reader": NotGranted, "Container Registry Repository Reader": Granted} {
			role := builtIn(t, name)
			p := New(PutRole(*role), AddGrant(Grant{Role: role.ID, Principal: kubelet, Scope: registry}))
			if d := p.Decide(Request{Principal: kubelet, Action: content, Data: true, Scope: registry}); d.Outcome != want {
				t.Errorf("%s: %s, want %s", name, d.Outcome, want)
			}
		}
		if builtIn(t, "Container Registry Repository Reader").Grants(pull, false) {
			t.Error("the role for ABAC mode grants pull/read")
		}
	})
	t.Run("7: a custom CNI role with roleAssignments/write is found", func(t *testing.T) {
		cni := Role{Permissions: []Permission{{Actions: []string{join, "Microsoft.Network/virtualNetworks/subnets/read", string(assignWrite)}}}}
		if !cni.Grants(join, false) || !cni.Grants(assignWrite, false) || cni.Grants(assignDelete, false) || cni.Grants(join, true) {
			t.Error("the role's actions are not told apart")
		}
	})
	t.Run("11: groups and other subscriptions count", func(t *testing.T) {
		role := builtIn(t, "Reader")
		group, other := azure.GUID{5}, azure.SubscriptionID("22222222-2222-2222-2222-222222222222")
		p := New(PutRole(*role), AddMember(group, kubelet), AddGrant(Grant{ID: azure.MustID("/g"), Role: role.ID, Principal: group, Scope: other}),
			AddGrant(Grant{ID: azure.MustID("/own"), Role: role.ID, Principal: kubelet, Scope: rg}))
		held := slices.Collect(p.Permissions(kubelet, other))
		if len(held) != 1 || held[0].ID.String() != "/g" {
			t.Errorf("in the other subscription %v", held)
		}
		if x := p.Explain(Request{Principal: kubelet, Action: pull, Scope: rg}); len(x.Grants) != 2 {
			t.Errorf("%d assignments are explained, want 2", len(x.Grants))
		}
	})
	t.Run("12: an assignment counts when it has spread, and a while after it is gone", func(t *testing.T) {
		role := builtIn(t, "AcrPull")
		p := New(PutRole(*role), AddGrant(Grant{Role: role.ID, Principal: kubelet, Scope: registry, From: noon, Until: noon.Add(time.Hour)}))
		for at, want := range map[time.Time]Outcome{noon.Add(-1): NotGranted, noon: Granted, noon.Add(time.Hour - 1): Granted, noon.Add(time.Hour): NotGranted, {}: Granted} {
			if d := p.Decide(Request{Principal: kubelet, Action: pull, Scope: registry, At: at}); d.Outcome != want {
				t.Errorf("at %v: %s, want %s", at, d.Outcome, want)
			}
		}
	})
}
