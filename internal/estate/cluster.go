package estate

import (
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

// References are the ids of other resources that the cluster depends on.
func (c *Cluster) References() []azure.ID {
	refs := append(c.Subnets(), c.OutboundIPs()...)
	refs = append(refs, c.BootstrapRegistry(), c.Link("properties.diskEncryptionSetID"),
		c.Link("properties.apiServerAccessProfile.subnetId"), c.Link("properties.apiServerAccessProfile.privateDNSZone"))
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
