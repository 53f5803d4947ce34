package catalogue

import (
	"iter"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// Add-ons, as a cluster's document names them.
const (
	addOnGateway      = "ingressApplicationGateway"
	addOnRouting      = "webAppRouting"
	addOnVirtualNodes = "aciConnectorLinux"
)

// gateway: the ingress controller writes the application gateway as its own identity. A gateway that AKS made lies in the
// node resource group.
var gateway = Requirement{
	ID:      "agic-gateway",
	Feature: "ingress through an application gateway",
	Breaks:  "ingresses have no effect: the add-on logs ErrorApplicationGatewayForbidden",
	Source:  "managed-identity-overview, Azure/application-gateway-kubernetes-ingress#997",
	Actor:   estate.AddOn, AddOn: addOnGateway,
	On: []Occasion{Ingress},
	Needs: func(_ *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		return each(broughtGateway(c), Need{
			Actions: verbs("Microsoft.Network/applicationGateways", "read", "write"), Phase: Runtime, Certainty: Now, Role: roleNetworkContributor,
		})
	},
}

// gatewaySubnet: writing a gateway names its subnet, and Azure checks that.
var gatewaySubnet = Requirement{
	ID:      "agic-subnet",
	Feature: "subnet of the application gateway",
	Breaks:  "ingresses have no effect: ApplicationGatewayInsufficientPermissionOnSubnet",
	Source:  "MicrosoftDocs/azure-docs#116501",
	Actor:   estate.AddOn, AddOn: addOnGateway,
	On: []Occasion{Ingress},
	Needs: func(e *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		var scopes []azure.ID
		for _, id := range broughtGateway(c) {
			doc, _ := e.Resource(id)
			scopes = append(scopes, doc.Links("properties.gatewayIPConfigurations", "properties.subnet.id")...)
		}
		return each(scopes, Need{Actions: verbs(estate.TypeSubnet, "join/action"), Phase: Runtime, Certainty: Now, Role: roleNetworkContributor})
	},
}

func broughtGateway(c *estate.Cluster) []azure.ID {
	id := c.Gateway()
	if c.NodeGroup().Contains(id) {
		return nil
	}
	return some(id)
}

// routingZone: the add-on writes a record for each ingress, and one beside it that says whose it is.
var routingZone = Requirement{
	ID:      "app-routing-zone",
	Feature: "DNS records of application routing",
	Breaks:  "host names of ingresses in {target} do not resolve",
	Source:  "app-routing-dns-ssl",
	Actor:   estate.AddOn, AddOn: addOnRouting,
	On: []Occasion{Ingress},
	Needs: func(_ *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		return func(yield func(Need) bool) {
			for _, zone := range c.RoutingZones() {
				typ, role := zone.Type(), roleDNSZoneContributor
				if strings.EqualFold(typ, typePrivateZone) {
					role = rolePrivateDNSZoneContributor
				}
				need := Need{Scope: zone, Phase: Runtime, Certainty: Now, Role: role, Actions: slices.Concat(
					verbs(typ, "read"), verbs(typ+"/A", "read", "write", "delete"), verbs(typ+"/TXT", "read", "write", "delete"))}
				if !yield(need) {
					return
				}
			}
		}
	},
}

// virtualNodeSubnet: pods on virtual nodes are put into the subnet as the add-on's identity.
var virtualNodeSubnet = Requirement{
	ID:      "virtual-node-subnet",
	Feature: "virtual nodes in a brought subnet",
	Breaks:  "pods on virtual nodes do not start: aci-connector-linux fails with 403",
	Source:  "virtual-nodes-cli",
	Actor:   estate.AddOn, AddOn: addOnVirtualNodes,
	On: []Occasion{Scale},
	Needs: func(_ *estate.Estate, c *estate.Cluster) iter.Seq[Need] {
		return each(some(c.VirtualNodeSubnet()), Need{Actions: subnetActions, Phase: Runtime, Certainty: Now, Role: roleNetworkContributor})
	},
}
