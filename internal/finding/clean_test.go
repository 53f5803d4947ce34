package finding

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aksid/internal/estate"
)

// shape is a cluster as AKS makes it when nothing is brought along: parts of its document.
type shape struct {
	name       string
	network    string // members of networkProfile
	properties string // further members of properties, each with a comma behind it
	pool       string // further members of the pool, each with a comma before it
}

var shapes = []shape{
	{name: "kubenet", network: `"networkPlugin": "kubenet", "outboundType": "loadBalancer"`},
	{name: "azure cni", network: `"networkPlugin": "azure", "outboundType": "loadBalancer"`},
	{name: "overlay", network: `"networkPlugin": "azure", "networkPluginMode": "overlay", "networkDataplane": "cilium"`},
	{name: "managed nat", network: `"networkPlugin": "azure", "outboundType": "managedNATGateway", "natGatewayProfile": {"effectiveOutboundIPs": [{"id": "$nodes/providers/Microsoft.Network/publicIPAddresses/p"}]}`},
	{name: "managed outbound IPs", network: `"networkPlugin": "azure", "loadBalancerProfile": {"managedOutboundIPs": {"count": 2}, "outboundIPs": null, "effectiveOutboundIPs": [{"id": "$nodes/providers/Microsoft.Network/publicIPAddresses/p"}]}`},
	{name: "node ip backend pool", network: `"networkPlugin": "azure", "loadBalancerProfile": {"backendPoolType": "nodeIP"}`},
	{name: "private", network: `"networkPlugin": "azure"`, properties: `"apiServerAccessProfile": {"enablePrivateCluster": true, "privateDNSZone": "system"},`},
	{name: "private without zone", network: `"networkPlugin": "azure"`, properties: `"apiServerAccessProfile": {"enablePrivateCluster": true, "privateDNSZone": "none"},`},
	{name: "api server vnet integration, managed", network: `"networkPlugin": "azure"`, properties: `"apiServerAccessProfile": {"enableVnetIntegration": true},`},
	{name: "add-ons", network: `"networkPlugin": "azure"`, properties: `"addonProfiles": {
		"azureKeyvaultSecretsProvider": {"enabled": true, "identity": {"objectId": "@secrets-provider"}},
		"azurepolicy": {"enabled": true, "identity": {"objectId": "@team"}},
		"omsagent": {"enabled": true, "identity": {"objectId": "@gone"}}},`},
	{name: "workload identity", network: `"networkPlugin": "azure"`, properties: `"oidcIssuerProfile": {"enabled": true, "issuerURL": "https://x/"}, "securityProfile": {"workloadIdentity": {"enabled": true}},`},
	{name: "http proxy", network: `"networkPlugin": "azure"`, properties: `"httpProxyConfig": {"httpProxy": "http://p"},`},
	{name: "node auto provisioning", network: `"networkPlugin": "azure", "networkPluginMode": "overlay"`, properties: `"nodeProvisioningProfile": {"mode": "Auto"},`},
	{name: "virtual machines pool", network: `"networkPlugin": "azure"`, pool: `, "type": "VirtualMachines"`},
	{name: "ephemeral encrypted disks", network: `"networkPlugin": "azure"`, pool: `, "osDiskType": "Ephemeral", "enableEncryptionAtHost": true`},
	{name: "node resource group lockdown", network: `"networkPlugin": "azure"`, properties: `"nodeResourceGroupProfile": {"restrictionLevel": "ReadOnly"},`},
}

var identityKinds = map[string]string{
	"system-assigned": `{"type": "SystemAssigned", "principalId": "@control-plane"}`,
	"user-assigned":   `{"type": "UserAssigned", "userAssignedIdentities": {"$id-aks": {"principalId": "@control-plane", "clientId": "@client-control-plane"}}}`,
}

func (s shape) files(t *testing.T, identity string) string {
	t.Helper()
	dir := t.TempDir()
	platform, hub := listings(t, expand("@control-plane ServicePrincipal Contributor on $nodes"))
	for name, text := range map[string]string{
		"platform.json": platform, "hub.json": hub,
		"cluster.json": expand(fmt.Sprintf(`{"id": "$cluster", "identity": %s, "properties": {"nodeResourceGroup": "MC_rg-platform_freight-prod_westeurope",
			%s "servicePrincipalProfile": {"clientId": "msi"}, "agentPoolProfiles": [{"name": "system"%s}], "networkProfile": {%s},
			"identityProfile": {"kubeletidentity": {"resourceId": "$agentpool", "clientId": "@client-kubelet", "objectId": "@kubelet"}}}}`,
			identity, s.properties, s.pool, s.network)),
		"vnet.json": expand(`{"id": "$nodes/providers/Microsoft.Network/virtualNetworks/aks-vnet", "properties": {"subnets": [{"id": "$nodes/providers/Microsoft.Network/virtualNetworks/aks-vnet/subnets/aks-subnet",
			"properties": {"routeTable": {"id": "$nodes/providers/Microsoft.Network/routeTables/rt"}}}]}}`),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A default cluster that holds nothing but AKS's own grant has no finding, whatever its shape.
func TestDefaultClustersAreClean(t *testing.T) {
	for _, s := range shapes {
		for kind, identity := range identityKinds {
			t.Run(s.name+" "+kind, func(t *testing.T) {
				e, err := estate.Files{Path: s.files(t, identity)}.Load(t.Context())
				if err != nil || len(e.Clusters) != 1 {
					t.Fatal(err, len(e.Clusters))
				}
				if found := show(checkAll(e)); found != "" {
					t.Errorf("found\n%s", found)
				}
				if as := Assess(e, e.Clusters[0]); len(as) == 0 {
					t.Error("nothing was assessed")
				}
			})
		}
	}
}

// Without AKS's grant every one of them has a finding: the test above is not blind.
func TestDefaultClustersWithoutGrantAreNot(t *testing.T) {
	for _, s := range shapes {
		dir := s.files(t, identityKinds["system-assigned"])
		platform, _ := listings(t, "")
		if err := os.WriteFile(filepath.Join(dir, "platform.json"), []byte(platform), 0o600); err != nil {
			t.Fatal(err)
		}
		e, err := estate.Files{Path: dir}.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if found := show(checkAll(e)); !strings.Contains(found, "control-plane-missing-node-resource-group") {
			t.Errorf("%s: found\n%s", s.name, found)
		}
	}
}
