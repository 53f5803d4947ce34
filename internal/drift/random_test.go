package drift

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"aksid/internal/finding"
)

// Places of random clusters, by environment.
const (
	groupID  = "/subscriptions/{sub}/resourceGroups/rg-shop-{env}"
	nodesID  = "/subscriptions/{sub}/resourceGroups/MC_shop_{env}"
	netID    = "/subscriptions/{hub}/resourceGroups/rg-net-{env}"
	vnetID   = netID + "/providers/Microsoft.Network/virtualNetworks/vnet-{env}"
	subnetID = vnetID + "/subnets/snet-aks"
	podsID   = vnetID + "/subnets/snet-pods"
	apiID    = vnetID + "/subnets/snet-api"
	routesID = netID + "/providers/Microsoft.Network/routeTables/rt-{env}"
	pipID    = netID + "/providers/Microsoft.Network/publicIPAddresses/pip-{env}"
	zoneID   = netID + "/providers/Microsoft.Network/privateDnsZones/shop-{env}.privatelink.westeurope.azmk8s.io"
	keysID   = groupID + "/providers/Microsoft.Compute/diskEncryptionSets/des-{env}"
	gateID   = groupID + "/providers/Microsoft.Network/applicationGateways/gw-{env}"
	acrID    = groupID + "/providers/Microsoft.ContainerRegistry/registries/shop{env}"
)

type object = map[string]any

// features are what a release can bring, and what the cluster then has besides.
var features = []func(object){
	func(p object) { p["networkProfile"].(object)["networkPlugin"] = "kubenet" },
	func(p object) { p["agentPoolProfiles"].([]any)[0].(object)["podSubnetID"] = podsID },
	func(p object) {
		p["networkProfile"].(object)["loadBalancerProfile"] = object{"outboundIPs": object{"publicIPs": []any{object{"id": pipID}}}}
	},
	func(p object) {
		p["apiServerAccessProfile"] = object{"enablePrivateCluster": true, "privateDNSZone": zoneID, "enableVnetIntegration": true, "subnetId": apiID}
	},
	func(p object) { p["diskEncryptionSetID"] = keysID },
	func(p object) { p["nodeProvisioningProfile"] = object{"mode": "Auto"} },
	func(p object) {
		p["addonProfiles"] = object{"ingressApplicationGateway": object{"enabled": true, "config": object{"effectiveApplicationGatewayId": gateID},
			"identity": object{"resourceId": nodesID + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/agic-{env}", "clientId": "@client-agic", "objectId": "@agic"}}}
	},
}

// randomCluster is a cluster with these features.
func randomCluster(with []int) string {
	p := object{
		"nodeResourceGroup": "MC_shop_{env}", "servicePrincipalProfile": object{"clientId": "msi"}, "disableLocalAccounts": true,
		"agentPoolProfiles": []any{object{"name": "system", "type": "VirtualMachineScaleSets", "vnetSubnetID": subnetID}},
		"networkProfile":    object{"networkPlugin": "azure", "outboundType": "loadBalancer"},
		"identityProfile": object{"kubeletidentity": object{"clientId": "@client-kubelet", "objectId": "@kubelet",
			"resourceId": nodesID + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/pool-{env}"}},
	}
	for _, i := range with {
		features[i](p)
	}
	text, _ := json.Marshal(object{"id": groupID + "/providers/Microsoft.ContainerService/managedClusters/aks-shop-{env}", "location": "westeurope", "properties": p,
		"identity": object{"type": "UserAssigned", "userAssignedIdentities": object{groupID + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-{env}": object{"clientId": "@client-plane", "principalId": "@plane"}}}})
	return string(text)
}

// randomGrants are roles of the cluster's identities on what every environment has.
func randomGrants(r *rand.Rand) string {
	var b strings.Builder
	fmt.Fprintf(&b, "@plane Contributor on %s\n@kubelet AcrPull on %s\n", nodesID, acrID)
	for range r.IntN(5) {
		role := []string{"Network Contributor", "Contributor", "Reader", "Private DNS Zone Contributor"}[r.IntN(4)]
		scope := []string{subnetID, vnetID, netID, groupID, routesID, "/subscriptions/{hub}", "/subscriptions/{sub}"}[r.IntN(7)]
		fmt.Fprintf(&b, "@%s %s on %s\n", []string{"plane", "plane", "plane", "kubelet"}[r.IntN(4)], role, scope)
	}
	return b.String()
}

// randomCase is a case of two environments that differ in features and in roles.
func randomCase(r *rand.Rand) *txtar.Archive {
	brought := r.Perm(len(features))[:r.IntN(len(features)+1)]
	there := slices.DeleteFunc(slices.Clone(brought), func(int) bool { return r.IntN(2) == 0 })
	a := &txtar.Archive{}
	add := func(name, text string) { a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(text)}) }
	add("base/subnet.json", `{"id": "`+subnetID+`", "properties": {"routeTable": {"id": "`+routesID+`"}}}`)
	add("base/registry.json", `{"id": "`+acrID+`", "properties": {"loginServer": "shop{env}.azurecr.io", "roleAssignmentMode": "LegacyRegistryPermissions"}}`)
	for _, id := range []string{keysID, gateID, pipID, zoneID} {
		add("base/"+id[strings.LastIndexByte(id, '/')+1:][:3]+".json", `{"id": "`+id+`", "properties": {}}`)
	}
	add("test/cluster.json", randomCluster(brought))
	add("prod/cluster.json", randomCluster(there))
	add("test/grants", randomGrants(r))
	add("prod/grants", randomGrants(r))
	return a
}

// What is said of random environments is so: nothing of an environment and its like, and what will break is what check finds once
// the release is there.
func TestRandomEnvironments(t *testing.T) {
	broken := 0
	for seed := range uint64(40) {
		a := randomCase(rand.New(rand.NewPCG(seed, 7)))
		test, prod := load(t, a, "test", "test"), load(t, a, "prod", "prod")
		like := load(t, a, "test", "staging")
		for _, envs := range [][]Environment{{test, test}, {test, like}, {like, test}} {
			for _, g := range Compare(envs, Options{}) {
				if len(g.Breaks)+len(g.Differences) > 0 {
					t.Errorf("seed %d: an environment and its like differ:\n%s", seed, show(envs, []Group{g}))
				}
			}
		}
		envs := []Environment{test, prod}
		g := Compare(envs, Options{})[0]
		want, got := map[string]bool{}, map[string]bool{}
		both := map[string]bool{} // what fails in both is no difference
		for _, f := range finding.Check(test.Estate, test.Clusters[0]).Findings {
			both[f.Rule.ID] = true
		}
		for _, b := range g.Breaks {
			if b.In == 1 && b.Severity == finding.Error {
				want[b.Rule] = true
				broken++
			}
		}
		there := released(t, a, "test", "prod")
		for _, f := range finding.Check(there.Estate, there.Clusters[0]).Findings {
			if f.Severity == finding.Error {
				got[f.Rule.ID] = true
			}
		}
		missed := maps.Clone(got)
		maps.DeleteFunc(missed, func(rule string, _ bool) bool { return want[rule] || both[rule] })
		maps.DeleteFunc(want, func(rule string, _ bool) bool { return got[rule] })
		if len(want)+len(missed) > 0 {
			t.Errorf("seed %d: told but not so %v, so but not told %v:\n%s", seed, want, missed, show(envs, []Group{g}))
		}
	}
	if broken < 20 {
		t.Errorf("%d breaks", broken)
	}
}
