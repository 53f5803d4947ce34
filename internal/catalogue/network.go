package catalogue

import (
	"iter"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

var subnetActions = verbs(estate.TypeSubnet, "read", "join/action")

// subnetJoin: the cloud provider puts load balancers and machines into the subnet as the cluster's identity, with any
// network plugin. Scale sets join it with AKS's own tokens, so that a cluster without this right comes up all the same.
var subnetJoin = Requirement{
	ID:      "subnet-join",
	Feature: "brought subnet",
	Breaks:  "LoadBalancer services stay pending",
	Source:  "configure-kubenet, concepts-network-cni-overview, internal-lb",
	Actor:   estate.ControlPlane,
	On:      []Occasion{Upgrade, Scale, Ingress},
	Needs: func(_ *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		return each(c.Subnets(), Need{Actions: subnetActions, Phase: Runtime, Certainty: Now, Role: roleNetworkContributor})
	},
}

// routeTable: kubenet writes a route for each node. AKS checks it before it creates or updates the cluster.
// Other plugins, also with userDefinedRouting, need no right on a route table.
var routeTable = Requirement{
	ID:      "route-table",
	Feature: "brought route table with kubenet",
	Breaks:  "new nodes get no pod routes, and updates of the cluster fail with CustomRouteTableMissingPermission",
	Source:  "configure-kubenet, egress-udr",
	Actor:   estate.ControlPlane,
	On:      []Occasion{Upgrade, Scale},
	Needs: func(e *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		return func(yield func(Need) bool) {
			if !c.Kubenet() {
				return
			}
			seen := map[string]bool{}
			for _, subnet := range c.NodeSubnets() {
				need, ok := routeTableOf(e, subnet)
				if ok && !seen[need.Scope.Key()] && !yield(need) {
					return
				}
				seen[need.Scope.Key()] = true
			}
		}
	},
}

func routeTableOf(e *estate.Estate, subnet azure.ID) (Need, bool) {
	need := Need{Actions: routeTableActions, Phase: Runtime, Certainty: Now, Role: roleNetworkContributor}
	doc, known := e.Resource(subnet)
	switch need.Scope = doc.Link("properties.routeTable.id"); {
	case known == estate.Unread:
		need.Scope, need.Unsure = subnet, "the subnet could not be read, so its route table is not known"
	case need.Scope.IsZero():
		return Need{}, false
	}
	return need, true
}

var routeTableActions = slices.Concat(
	verbs(estate.TypeRouteTable, "read", "write"),
	verbs(estate.TypeRouteTable+"/routes", "read", "write", "delete"),
)

// outboundIP: every write of the load balancer names its outbound IPs, and Azure checks each of them.
var outboundIP = Requirement{
	ID:      "outbound-ip-join",
	Feature: "brought outbound IPs of the load balancer",
	Breaks:  "every LoadBalancer service stays pending",
	Source:  "load-balancer-standard, Azure/AKS#1945",
	Actor:   estate.ControlPlane,
	On:      []Occasion{Upgrade, Scale, Ingress},
	Needs: func(_ *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		return func(yield func(Need) bool) {
			for _, id := range c.OutboundIPs() {
				need := Need{Scope: id, Actions: verbs(id.Type(), "join/action"), Phase: Runtime, Certainty: Now, Role: roleNetworkContributor}
				if !yield(need) {
					return
				}
			}
		}
	},
}

// ipBackendPool: a load balancer with IP addresses in its pools names the virtual network, and a right on a subnet is not
// enough. The documents list the right under the creator of the cluster; that the cloud provider needs it is inferred.
var ipBackendPool = Requirement{
	ID:      "ip-backend-pool",
	Feature: "load balancer pools of IP addresses in a brought virtual network",
	Breaks:  "LoadBalancer services stay pending",
	Source:  "aks-service-permissions, load-balancer-standard",
	Actor:   estate.ControlPlane,
	On:      []Occasion{Upgrade, Scale, Ingress},
	Needs: func(_ *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		var scopes []azure.ID
		if strings.EqualFold(c.Text("properties.networkProfile.loadBalancerProfile.backendPoolType"), "nodeIP") {
			scopes = networks(c.NodeSubnets())
		}
		return each(scopes, Need{
			Actions: verbs(estate.TypeNetwork, "joinLoadBalancer/action"), Phase: Runtime, Certainty: Maybe, Role: roleNetworkContributor,
		})
	},
}

// apiServerSubnet: with the API server in the user's network, its load balancer joins that subnet and those of the nodes.
var apiServerSubnet = Requirement{
	ID:      "api-server-subnet",
	Feature: "API server in a brought subnet",
	Breaks:  "creating and updating the cluster fails with ResourceMissingPermissionError",
	Source:  "api-server-vnet-integration",
	Actor:   estate.ControlPlane,
	Needs: func(_ *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		var scopes []azure.ID
		if subnet := c.APIServerSubnet(); !subnet.IsZero() {
			scopes = append([]azure.ID{subnet}, c.NodeSubnets()...)
		}
		return each(scopes, Need{
			Actions: verbs(estate.TypeSubnet, "read", "join/action", "joinLoadBalancer/action"),
			Phase:   Update, Certainty: Now, Role: roleNetworkContributor,
		})
	},
}

// nodeProvisioningNetwork: Karpenter reads the virtual network to tell which subnets it has. Its documented custom role
// does without.
var nodeProvisioningNetwork = Requirement{
	ID:      "node-provisioning-network",
	Feature: "node auto provisioning in a brought virtual network",
	Breaks:  "node auto provisioning makes no nodes",
	Source:  "node-auto-provisioning-networking, Azure/karpenter-provider-azure#332",
	Actor:   estate.ControlPlane,
	On:      []Occasion{Upgrade, Scale},
	Needs: func(_ *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		var scopes []azure.ID
		if strings.EqualFold(c.Text("properties.nodeProvisioningProfile.mode"), "Auto") {
			scopes = networks(c.NodeSubnets())
		}
		return each(scopes, Need{Actions: verbs(estate.TypeNetwork, "read"), Phase: Runtime, Certainty: Maybe, Role: roleReader})
	},
}
