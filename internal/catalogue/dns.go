package catalogue

import (
	"iter"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

const typePrivateZone = "Microsoft.Network/privateDnsZones"

// privateZone: AKS writes the record of the API server into a brought private DNS zone, and links it, as the cluster's
// identity. It checks the right before every update.
var privateZone = Requirement{
	ID:      "private-dns-zone",
	Feature: "brought private DNS zone of the API server",
	Breaks:  "updates and upgrades of the cluster fail with CustomPrivateDNSZoneMissingPermissionError",
	Source:  "private-clusters, Azure/AKS#3470",
	Actor:   estate.ControlPlane,
	Needs: func(_ *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		return each(some(c.PrivateZone()), Need{
			Actions: slices.Concat(
				verbs(typePrivateZone, "read", "write"),
				verbs(typePrivateZone+"/A", "read", "write", "delete"),
				verbs(typePrivateZone+"/virtualNetworkLinks", "read", "write", "delete")),
			Phase: Update, Certainty: Now, Role: rolePrivateDNSZoneContributor,
		})
	},
}

var linkActions = verbs(estate.TypeNetwork, "read", "join/action")

// privateZoneNetwork: the zone is linked to the virtual network, which is a right on the network: one on its subnet is not
// enough. The link of a cluster that runs is there.
var privateZoneNetwork = Requirement{
	ID:      "private-dns-network",
	Feature: "link of the brought private DNS zone to the virtual network",
	Breaks:  "rebuilding the cluster fails: the private DNS zone cannot be linked to {target}",
	Source:  "private-clusters, MicrosoftDocs/azure-aks-docs#110",
	Actor:   estate.ControlPlane,
	Needs: func(_ *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		var scopes []azure.ID
		if !c.PrivateZone().IsZero() {
			scopes = networks(c.NodeSubnets())
		}
		return each(scopes, Need{Actions: linkActions, Phase: Rebuild, Certainty: Now, Role: roleNetworkContributor})
	},
}

// defaultZoneNetwork: where the network has DNS servers of its own, AKS links its own zone to it as the cluster's identity.
// A link that is there needs nothing more; only a rebuild makes it again. Known from a user's report alone.
var defaultZoneNetwork = Requirement{
	ID:      "private-dns-default-link",
	Feature: "link of AKS's own private DNS zone to a virtual network with its own DNS servers",
	Breaks:  "rebuilding the cluster fails: its private DNS zone cannot be linked to {target}",
	Source:  "MicrosoftDocs/azure-aks-docs#110",
	Actor:   estate.ControlPlane,
	Needs: func(e *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		var scopes []azure.ID
		zone := c.Text("properties.apiServerAccessProfile.privateDNSZone")
		if c.Private() && (zone == "" || strings.EqualFold(zone, "system")) {
			scopes = slices.DeleteFunc(networks(c.NodeSubnets()), func(vnet azure.ID) bool {
				r, _ := e.Resource(vnet)
				return len(r.List("properties.dhcpOptions.dnsServers")) == 0
			})
		}
		return each(scopes, Need{Actions: linkActions, Phase: Rebuild, Certainty: Maybe, Role: roleNetworkContributor})
	},
}
