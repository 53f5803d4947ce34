package policy

import (
	"slices"
	"strings"
	"testing"
)

// An alias is where Azure says; one that Azure does not have is refused, of types whose aliases are known.
func TestAliases(t *testing.T) {
	for name, want := range map[string]string{
		"Microsoft.ContainerService/managedClusters/apiServerAuthorizedIPRanges[*]":            "properties.apiServerAccessProfile.authorizedIPRanges.[*]",
		"microsoft.containerservice/managedclusters/DISABLELOCALACCOUNTS":                      "properties.DISABLELOCALACCOUNTS",
		"Microsoft.ContainerService/managedClusters/securityProfile.azureDefender":             "properties.securityProfile.defender",
		"Microsoft.Network/virtualNetworks/subnets[*].routeTable.id":                           "properties.subnets.[*].properties.routeTable.id",
		"Microsoft.KeyVault/vaults/sku.name":                                                   "properties.sku.name",
		"Microsoft.Storage/storageAccounts/accountType":                                        "sku.name",
		"Microsoft.Network/publicIPAddresses/ipTags[*].tag":                                    "properties.ipTags.[*].tag",
		"Microsoft.Batch/batchAccounts/anything.else":                                          "properties.anything.else",
		"Microsoft.ContainerService/managedClusters/agentPools/vnetSubnetID":                   "properties.vnetSubnetID",
		"Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/issuer": "properties.issuer",
	} {
		a, ok := aliasOf(name)
		if got := strings.Join(a.path, "."); !ok || got != want {
			t.Errorf("%s is at %s, want %s", name, got, want)
		}
		if _, ok := listed(a.typ, name[len(a.typ)+1:]); !ok {
			t.Errorf("%s is said not to exist", name)
		}
	}
	for _, list := range aliases() {
		if len(list.names) != len(list.paths) || slices.Contains(list.names, list.typ+"/") {
			t.Errorf("%s has %d names and %d paths", list.typ, len(list.names), len(list.paths))
		}
	}
	_, err := Parse(map[string]any{"name": "p", "properties": map[string]any{"mode": "All", "policyRule": map[string]any{
		"if":   map[string]any{"field": "Microsoft.ManagedIdentity/userAssignedIdentities/principalID2", "exists": true},
		"then": map[string]any{"effect": "deny"}}}}, "")
	const want = "The policy definition 'p' rule is invalid. The 'field' property 'Microsoft.ManagedIdentity/userAssignedIdentities/principalID2' of the policy rule doesn't exist as an alias under provider 'Microsoft.ManagedIdentity' and resource type 'userAssignedIdentities'. The supported aliases are 'Microsoft.ManagedIdentity/userAssignedIdentities/tenantId; "
	if err == nil || err.Code != "InvalidPolicyAlias" || !strings.HasPrefix(err.Message, want) {
		t.Errorf("an alias that is none: %v", err)
	}
}
