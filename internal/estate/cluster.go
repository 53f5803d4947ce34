package estate

import (
	"net/url"
	"slices"
	"strings"

	"aksid/internal/azure"
)

// TypeCluster is the resource type of an AKS cluster.
const TypeCluster = "Microsoft.ContainerService/managedClusters"

// Cluster is an AKS cluster: its ARM document and what is asked of it in more than one place.
type Cluster struct{ Resource }

// Pool is a node pool.
type Pool struct {
	Name      string
	Type      string   // VirtualMachineScaleSets, VirtualMachines or AvailabilitySet
	Subnet    azure.ID // of the nodes; zero where AKS made the network
	PodSubnet azure.ID // of the pods, with dynamic IP allocation
}

// Pools are the node pools in the document's order.
func (c *Cluster) Pools() []Pool {
	var out []Pool
	for _, p := range c.List("properties.agentPoolProfiles") {
		out = append(out, Pool{
			Name: textAt(p, "name"), Type: textAt(p, "type"),
			Subnet: linkAt(p, "vnetSubnetID"), PodSubnet: linkAt(p, "podSubnetID"),
		})
	}
	return out
}

// Subnets are the brought subnets of nodes and pods, each once, in the order of the pools.
func (c *Cluster) Subnets() []azure.ID {
	var out []azure.ID
	for _, p := range c.Pools() {
		out = append(out, p.Subnet, p.PodSubnet)
	}
	return distinct(out)
}

// NodeSubnets are the brought subnets that nodes stand in.
func (c *Cluster) NodeSubnets() []azure.ID {
	var out []azure.ID
	for _, p := range c.Pools() {
		out = append(out, p.Subnet)
	}
	return distinct(out)
}

// NodeGroup is the resource group that AKS keeps the nodes in. It is always in the cluster's subscription (facts 1.2).
func (c *Cluster) NodeGroup() azure.ID {
	name := c.Text("properties.nodeResourceGroup")
	if name == "" || c.ID.Subscription() == "" {
		return azure.ID{}
	}
	return azure.SubscriptionID(c.ID.Subscription()).Join("resourceGroups", name)
}

// Kubenet reports whether nodes route pods through a route table.
func (c *Cluster) Kubenet() bool {
	return strings.EqualFold(c.Text("properties.networkProfile.networkPlugin"), "kubenet")
}

// OutboundIPs are the brought public IPs and prefixes of the cluster's load balancer.
// Those that AKS made itself are not among them: they stand under effectiveOutboundIPs.
func (c *Cluster) OutboundIPs() []azure.ID {
	profile := at(c.Doc, "properties.networkProfile.loadBalancerProfile")
	return distinct(append(
		linksAt(profile, "outboundIPs.publicIPs", "id"),
		linksAt(profile, "outboundIPPrefixes.publicIPPrefixes", "id")...))
}

// BootstrapRegistry is the registry that a network isolated cluster pulls its own images from.
func (c *Cluster) BootstrapRegistry() azure.ID {
	return c.Link("properties.bootstrapProfile.containerRegistryId")
}

// Private reports whether the API server has no public address.
func (c *Cluster) Private() bool {
	return c.Flag("properties.apiServerAccessProfile.enablePrivateCluster")
}

// PrivateZone is the brought private DNS zone of the API server; zero where AKS makes one, or none.
func (c *Cluster) PrivateZone() azure.ID {
	return c.Link("properties.apiServerAccessProfile.privateDNSZone")
}

// APIServerSubnet is the brought subnet that the API server is in, with its integration into the user's network.
func (c *Cluster) APIServerSubnet() azure.ID {
	if !c.Flag("properties.apiServerAccessProfile.enableVnetIntegration") {
		return azure.ID{}
	}
	return c.Link("properties.apiServerAccessProfile.subnetId")
}

// PoolLinks are the ids that node pools name in a member of theirs, each once.
func (c *Cluster) PoolLinks(member string) []azure.ID {
	return distinct(c.Links("properties.agentPoolProfiles", member))
}

// addOnConfig is the configuration of an add-on that is enabled; names vary in case (facts 1.1).
func (c *Cluster) addOnConfig(name string) map[string]any {
	profile := mapAt(c.Doc, "properties.addonProfiles."+name)
	if enabled, _ := at(profile, "enabled").(bool); !enabled {
		return nil
	}
	return mapAt(profile, "config")
}

// Gateway is the application gateway that the ingress add-on writes.
func (c *Cluster) Gateway() azure.ID {
	config := c.addOnConfig("ingressApplicationGateway")
	if id := linkAt(config, "effectiveApplicationGatewayId"); !id.IsZero() {
		return id
	}
	return linkAt(config, "applicationGatewayId")
}

// VirtualNodeSubnet is the subnet of virtual nodes, in the virtual network of the nodes.
func (c *Cluster) VirtualNodeSubnet() azure.ID {
	name := textAt(c.addOnConfig("aciConnectorLinux"), "SubnetName")
	if nodes := c.NodeSubnets(); name != "" && len(nodes) > 0 {
		return nodes[0].Parent().Join("subnets", name)
	}
	return azure.ID{}
}

// RoutingZones are the DNS zones that application routing writes.
func (c *Cluster) RoutingZones() []azure.ID {
	const profile = "properties.ingressProfile.webAppRouting"
	var out []azure.ID
	for _, s := range textsAt(c.Doc, profile+".dnsZoneResourceIds") {
		if id, err := azure.ParseID(s); err == nil && c.Flag(profile+".enabled") {
			out = append(out, id)
		}
	}
	return distinct(out)
}

// KMSVaultName is the name of the vault with the key that etcd is encrypted with, as the key's URL has it; "" without one.
func (c *Cluster) KMSVaultName() string {
	const profile = "properties.securityProfile.azureKeyVaultKms"
	if !c.Flag(profile + ".enabled") {
		return ""
	}
	u, err := url.Parse(c.Text(profile + ".keyId"))
	if err != nil {
		return ""
	}
	name, _, _ := strings.Cut(u.Hostname(), ".")
	return name
}

// KMSVault is the vault with the key that etcd is encrypted with; zero without one, or where it was not found.
func (e *Estate) KMSVault(c *Cluster) azure.ID {
	name := c.KMSVaultName()
	if id := c.Link("properties.securityProfile.azureKeyVaultKms.keyVaultResourceId"); name == "" || !id.IsZero() {
		return id
	}
	for _, r := range e.Resources(TypeVault) {
		if strings.EqualFold(r.ID.Name(), name) { // vaults' names are unique in Azure
			return r.ID
		}
	}
	return azure.ID{}
}

// TypeVault is the resource type of a key vault.
const TypeVault = "Microsoft.KeyVault/vaults"

// References are the ids of other resources that the cluster depends on.
func (c *Cluster) References() []azure.ID {
	refs := slices.Concat(c.Subnets(), c.OutboundIPs(), c.PoolLinks("capacityReservationGroupID"), c.PoolLinks("hostGroupID"), c.RoutingZones())
	refs = append(refs, c.BootstrapRegistry(), c.APIServerSubnet(), c.PrivateZone(), c.Gateway(), c.VirtualNodeSubnet(),
		c.Link("properties.diskEncryptionSetID"), c.Link("properties.securityProfile.azureKeyVaultKms.keyVaultResourceId"))
	if c.Private() { // its DNS servers decide what is needed
		for _, s := range c.NodeSubnets() {
			refs = append(refs, s.Parent())
		}
	}
	for _, id := range c.identities() {
		refs = append(refs, id.Resource)
	}
	return distinct(refs)
}

// distinct drops zero ids and repetitions, keeping the order.
func distinct(ids []azure.ID) []azure.ID {
	seen := map[string]bool{"": true}
	return slices.DeleteFunc(ids, func(id azure.ID) bool {
		old := seen[id.Key()]
		seen[id.Key()] = true
		return old
	})
}
