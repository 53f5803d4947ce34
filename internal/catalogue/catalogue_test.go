package catalogue

import (
	"slices"
	"strings"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

// Requirements are documents as well: what they say is complete, and their ids are words.
func TestRequirementsAreDocumented(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range All() {
		key := string(r.Actor) + " " + r.ID
		if strings.Trim(r.ID, "abcdefghijklmnopqrstuvwxyz-") != "" || r.ID == "" || seen[key] {
			t.Errorf("id %q is not made of words, or is there twice", r.ID)
		}
		seen[key] = true
		if r.Feature == "" || r.Breaks == "" || r.Source == "" || r.Needs == nil {
			t.Errorf("%s: feature, breaks, source or needs is missing", r.ID)
		}
		if (r.Actor == estate.AddOn) != (r.AddOn != "") {
			t.Errorf("%s: actor %s, add-on %q", r.ID, r.Actor, r.AddOn)
		}
	}
}

// A document without anything in it needs nothing, and whatever is in it breaks nothing.
func TestHostileClusters(t *testing.T) {
	for _, doc := range []map[string]any{
		nil,
		{"properties": "x"},
		{"properties": map[string]any{"agentPoolProfiles": "x", "networkProfile": []any{}, "apiServerAccessProfile": 1}},
		{"properties": map[string]any{"agentPoolProfiles": []any{1, nil, map[string]any{"vnetSubnetID": "/x", "capacityReservationGroupID": "no id"}}}},
		{"properties": map[string]any{"agentPoolProfiles": []any{map[string]any{"vnetSubnetID": "/"}}, "nodeProvisioningProfile": map[string]any{"mode": "Auto"},
			"networkProfile":         map[string]any{"networkPlugin": "kubenet", "loadBalancerProfile": map[string]any{"backendPoolType": "nodeIP"}},
			"apiServerAccessProfile": map[string]any{"enablePrivateCluster": true}}},
		{"properties": map[string]any{"securityProfile": map[string]any{"azureKeyVaultKms": map[string]any{"enabled": true, "keyId": "://"}}}},
		{"properties": map[string]any{"nodeResourceGroup": "../../x"}},
	} {
		c := &estate.Cluster{Resource: estate.Resource{ID: azure.MustID("/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c"), Doc: doc}}
		e := &estate.Estate{Policy: rbac.New()}
		for _, r := range All() {
			for n := range r.Needs(e, c) {
				if n.Scope.IsZero() {
					t.Errorf("%v: %s has a need without a scope", doc, r.ID)
				}
			}
		}
	}
}

// Needs can be left half-way.
func TestNeedsStop(t *testing.T) {
	ids := []azure.ID{azure.MustID("/a"), azure.MustID("/b")}
	for range each(ids, Need{}) {
		break
	}
	for range pullFrom(&estate.Estate{}, ids) {
		break
	}
}

func TestConsequence(t *testing.T) {
	r := &Requirement{Breaks: "pulls from {target} fail"}
	scope := azure.MustID("/subscriptions/s/resourceGroups/g/providers/x/registries/acr1")
	if got := r.Consequence(Need{Scope: scope}); got != "pulls from acr1 fail" {
		t.Error(got)
	}
	if got := r.Consequence(Need{Scope: scope, Target: "acr1.azurecr.io"}); got != "pulls from acr1.azurecr.io fail" {
		t.Error(got)
	}
}

func TestNetworks(t *testing.T) {
	vnet := azure.SubscriptionID("s").Join("resourceGroups", "g").Resource(estate.TypeNetwork, "v")
	got := networks([]azure.ID{vnet.Join("subnets", "a"), vnet.Join("subnets", "b")})
	if len(got) != 1 || !got[0].Equal(vnet) {
		t.Errorf("%v", got)
	}
}

// Which roles are for pulling images: those that name registries, built in or not.
func TestPullRole(t *testing.T) {
	custom := rbac.Role{ID: azure.NewGUID(), Permissions: []rbac.Permission{{Actions: []string{"microsoft.containerregistry/registries/*/read"}}}}
	changes := []rbac.Change{rbac.PutRole(custom)}
	for r := range rbac.BuiltInRoles() {
		changes = append(changes, rbac.PutRole(*r))
	}
	e := &estate.Estate{Policy: rbac.New(changes...)}
	if !PullRole(e, custom.ID) || PullRole(e, azure.NewGUID()) {
		t.Error("a custom role for pulling, or an unknown one")
	}
	for name, want := range map[string]bool{
		"AcrPull": true, "AcrPush": true, "Container Registry Repository Reader": true, "Container Registry Repository Writer": true,
		"Reader": false, "Owner": false, "Contributor": false, "AcrDelete": false, "Monitoring Reader": false, "Network Contributor": false,
	} {
		r, ok := rbac.BuiltInRole(name)
		if !ok || PullRole(e, r.ID) != want {
			t.Errorf("%s: want %v", name, want)
		}
	}
}

// Every add-on that acts is spelled as AKS spells it; names are compared without case.
func TestAddOns(t *testing.T) {
	for _, name := range []string{addOnGateway, addOnRouting, addOnVirtualNodes} {
		if !slices.ContainsFunc(All(), func(r *Requirement) bool { return r.AddOn == name }) {
			t.Errorf("%s needs nothing", name)
		}
	}
}
