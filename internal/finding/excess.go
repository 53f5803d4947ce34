package finding

import (
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

// Excess is how far a role reaches beyond what the cluster needs of it.
type Excess struct {
	Granted   int      `json:"actionsGranted"`  // actions, where it is assigned; data actions count
	Needed    int      `json:"actionsNeeded"`   // of these, what the cluster needs
	Resources int      `json:"otherResources"`  // that it reaches and that are not the cluster's own
	Complete  bool     `json:"resourcesListed"` // all of them were listed; else there are at least so many
	Billable  []string `json:"billableTypes"`   // types of resources that it could create and that cost money
}

// excess measures an assignment of an identity.
func (p *Pass) excess(id estate.Identity, g *rbac.Grant) *Excess {
	role, ok := p.Estate.Policy.Role(g.Role)
	if !ok {
		return nil
	}
	all, ok := grantedAt(role, g.Scope.Type())
	if !ok {
		return nil
	}
	x := &Excess{Granted: all.changing + all.reading, Needed: p.neededOf(id, g), Billable: Billable(role, g.Scope.Type())}
	below, complete := p.Estate.Below(g.Scope)
	x.Complete = complete
	for _, id := range below {
		if !p.isOwn(id) {
			x.Resources++
		}
	}
	return x
}

// neededOf counts the actions that an identity needs and that the assignment grants.
func (p *Pass) neededOf(id estate.Identity, g *rbac.Grant) int {
	needed := map[string]bool{}
	for _, a := range p.Assessments {
		if a.Identity.Principal == id.Principal && a.metBy([]*rbac.Grant{g}) != nil {
			for _, x := range slices.Concat(a.Need.Actions, a.Need.DataActions) {
				needed[x.Key()] = true
			}
		}
	}
	return len(needed)
}

// isOwn reports whether a resource is the cluster's: itself, what is in its node resource group, and what it refers to.
func (p *Pass) isOwn(id azure.ID) bool {
	if p.Cluster.ID.Contains(id) || p.Cluster.NodeGroup().Contains(id) {
		return true
	}
	return slices.ContainsFunc(p.Assessments, func(a *Assessment) bool { return a.Need.Scope.Contains(id) || id.Contains(a.Need.Scope) }) ||
		slices.ContainsFunc(p.Cluster.References(), id.Contains)
}

// lines say it to a person.
func (x *Excess) lines() []string {
	if x == nil {
		return nil
	}
	out := []string{fmt.Sprintf("%d actions granted, %s needed", x.Granted, some(x.Needed))}
	if x.Resources > 0 {
		most := "at least "
		if x.Complete {
			most = ""
		}
		out = append(out, fmt.Sprintf("it reaches %s%d resources that are not the cluster's", most, x.Resources))
	}
	if n := len(x.Billable); n > 0 {
		out = append(out, fmt.Sprintf("it could create %d kinds of resources that cost money: %s", n, list(x.Billable)))
	}
	return out
}

func some(n int) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprint(n)
}

// Billable are the kinds of resources that cost money which a role creates in a scope of a type, as a person calls them.
func Billable(role *rbac.Role, scopeType string) []string {
	kinds := []string{}
	all, _ := grantedAt(role, scopeType)
	for _, typ := range all.creates {
		if name := billable[typ]; name != "" {
			kinds = append(kinds, name)
		}
	}
	return kinds
}

// billable are types of resources that cost money by being there, as a person calls them, by lower-cased type
// (Azure pricing pages, 2026). Types that only cost by what is done with them are left out, as are those that come with these.
var billable = func() map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(billableTypes) {
		if typ, name, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			m[strings.ToLower(typ)] = name
		}
	}
	return m
}()

const billableTypes = `
Microsoft.Compute/virtualMachines virtual machines
Microsoft.Compute/virtualMachineScaleSets scale sets
Microsoft.Compute/disks disks
Microsoft.Compute/snapshots snapshots
Microsoft.Compute/hostGroups/hosts dedicated hosts
Microsoft.Compute/capacityReservationGroups/capacityReservations capacity reservations
Microsoft.Compute/galleries/images/versions image versions
Microsoft.ContainerService/managedClusters AKS clusters
Microsoft.ContainerInstance/containerGroups container groups
Microsoft.ContainerRegistry/registries container registries
Microsoft.App/managedEnvironments container apps environments
Microsoft.Network/publicIPAddresses public IPs
Microsoft.Network/publicIPPrefixes public IP prefixes
Microsoft.Network/loadBalancers load balancers
Microsoft.Network/natGateways NAT gateways
Microsoft.Network/applicationGateways application gateways
Microsoft.Network/azureFirewalls firewalls
Microsoft.Network/bastionHosts bastions
Microsoft.Network/virtualNetworkGateways VPN gateways
Microsoft.Network/expressRouteCircuits ExpressRoute circuits
Microsoft.Network/virtualHubs virtual hubs
Microsoft.Network/privateEndpoints private endpoints
Microsoft.Network/dnsZones DNS zones
Microsoft.Network/privateDnsZones private DNS zones
Microsoft.Network/ddosProtectionPlans DDoS protection plans
Microsoft.Network/trafficManagerProfiles traffic managers
Microsoft.Cdn/profiles CDN profiles
Microsoft.Storage/storageAccounts storage accounts
Microsoft.NetApp/netAppAccounts/capacityPools NetApp capacity pools
Microsoft.StorageCache/caches HPC caches
Microsoft.ElasticSan/elasticSans elastic SANs
Microsoft.RecoveryServices/vaults recovery vaults
Microsoft.DataProtection/backupVaults backup vaults
Microsoft.KeyVault/managedHSMs managed HSMs
Microsoft.KeyVault/vaults key vaults
Microsoft.Sql/servers/databases SQL databases
Microsoft.Sql/managedInstances SQL managed instances
Microsoft.DBforPostgreSQL/flexibleServers PostgreSQL servers
Microsoft.DocumentDB/databaseAccounts Cosmos DB accounts
Microsoft.Cache/redis Redis caches
Microsoft.Cache/redisEnterprise Redis Enterprise clusters
Microsoft.Kusto/clusters Data Explorer clusters
Microsoft.Synapse/workspaces Synapse workspaces
Microsoft.Databricks/workspaces Databricks workspaces
Microsoft.HDInsight/clusters HDInsight clusters
Microsoft.Fabric/capacities Fabric capacities
Microsoft.MachineLearningServices/workspaces/computes machine learning computes
Microsoft.CognitiveServices/accounts AI services accounts
Microsoft.CognitiveServices/accounts/deployments AI model deployments
Microsoft.Search/searchServices search services
Microsoft.EventHub/namespaces event hubs
Microsoft.ServiceBus/namespaces service buses
Microsoft.SignalRService/signalR SignalR services
Microsoft.ApiManagement/service API managements
Microsoft.Logic/workflows logic apps
Microsoft.AVS/privateClouds VMware private clouds
Microsoft.DesktopVirtualization/hostPools desktop host pools
Microsoft.DevTestLab/labs labs
Microsoft.OperationalInsights/workspaces log workspaces
Microsoft.Monitor/accounts Prometheus workspaces
Microsoft.Dashboard/grafana Grafana workspaces
`
