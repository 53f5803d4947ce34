package catalogue

import (
	"iter"
	"slices"

	"aksid/internal/estate"
)

// nodeGroup is what AKS itself grants when it creates a cluster: Contributor on the node resource group. The documented
// base set counts there and nowhere else; its rows about subscriptions and operations are documentation.
var nodeGroup = Requirement{
	ID:      "node-resource-group",
	Feature: "load balancers, routes, disks and scaling in the node resource group",
	Breaks:  "load balancers, routes, disks and scaling stop working",
	Source:  "aks-service-permissions, managed-identity-overview",
	Actor:   estate.ControlPlane,
	On:      []Occasion{Upgrade, Scale, Ingress, Storage},
	Needs: func(_ *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		actions := nodeGroupActions
		if len(c.NodeSubnets()) == 0 { // AKS made the network, in the group
			actions = slices.Concat(actions, subnetActions)
		}
		return each(some(c.NodeGroup()), Need{Actions: actions, Phase: Runtime, Certainty: Now, Role: roleContributor})
	},
}

// The join actions are what Azure checks when the provider puts machines into a load balancer's pool: their document names
// the pool, their security group and their subnet (azure-permissions of cloud-provider-azure; drills refuse without).

var nodeGroupActions = slices.Concat(
	verbs("Microsoft.Network/loadBalancers", "read", "write", "delete", "backendAddressPools/join/action"),
	verbs("Microsoft.Network/publicIPAddresses", "read", "write", "delete", "join/action"),
	verbs("Microsoft.Network/networkSecurityGroups", "read", "write", "join/action"),
	verbs("Microsoft.Network/routeTables", "read", "write"),
	verbs("Microsoft.Network/routeTables/routes", "read", "write", "delete"),
	verbs("Microsoft.Network/networkInterfaces", "read", "write"),
	verbs("Microsoft.Compute/disks", "read", "write", "delete"),
	verbs("Microsoft.Compute/snapshots", "read", "write", "delete"),
	verbs("Microsoft.Compute/virtualMachines", "read", "write"),
	verbs("Microsoft.Compute/virtualMachineScaleSets", "read", "write", "delete"),
	verbs("Microsoft.Compute/virtualMachineScaleSets/virtualMachines", "read", "write", "networkInterfaces/read"),
	verbs("Microsoft.Storage/storageAccounts", "read", "write", "delete", "listKeys/action"),
)
