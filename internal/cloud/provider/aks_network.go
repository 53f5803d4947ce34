package provider

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// fillNetwork spells out the network's defaults as AKS returns them.
func fillNetwork(c *arm.Call) *azure.Error {
	arm.Default(c.Doc, "properties.networkProfile", arm.Doc{})
	n := arm.Map(c.Doc, "properties.networkProfile")
	if arm.Str(n, "networkPlugin") == "" {
		n["networkPlugin"] = "kubenet" // until 2023
		if shows(c.Version, "2024-01-01") {
			n["networkPlugin"] = "azure"
			arm.Default(n, "networkPluginMode", "overlay")
		}
	}
	if shows(c.Version, "2024-01-01") {
		arm.Default(n, "networkPolicy", "none")
	}
	if strings.EqualFold(arm.Str(n, "networkPlugin"), "azure") && shows(c.Version, "2023-02-02") {
		arm.Default(n, "networkDataplane", "azure")
	}
	arm.Default(n, "loadBalancerSku", "standard")
	arm.Default(n, "outboundType", "loadBalancer")
	arm.Default(n, "serviceCidr", "10.0.0.0/16")
	arm.Default(n, "dnsServiceIP", "10.0.0.10")
	arm.Default(n, "serviceCidrs", []any{n["serviceCidr"]})
	arm.Default(n, "ipFamilies", []any{"IPv4"})
	if isKubenet(c.Doc) || arm.Str(n, "networkPluginMode") == "overlay" {
		arm.Default(n, "podCidr", "10.244.0.0/16")
		arm.Default(n, "podCidrs", []any{n["podCidr"]})
	}
	fillOutbound(c, n)
	return nil
}

// fillOutbound says how much of a way out AKS makes, where the user brought none.
func fillOutbound(c *arm.Call, n arm.Doc) {
	switch outboundType(c.Doc) {
	case "loadbalancer":
		profile := arm.Map(n, "loadBalancerProfile")
		if profile["outboundIPs"] == nil && profile["outboundIPPrefixes"] == nil {
			arm.Default(n, "loadBalancerProfile.managedOutboundIPs.count", json.Number("1"))
		}
		if shows(c.Version, "2024-01-01") {
			arm.Default(n, "loadBalancerProfile.backendPoolType", "nodeIPConfiguration")
		}
	case "managednatgateway":
		arm.Default(n, "natGatewayProfile.managedOutboundIPProfile.count", json.Number("1"))
		arm.Default(n, "natGatewayProfile.idleTimeoutInMinutes", json.Number("4"))
	}
}

func isKubenet(d arm.Doc) bool {
	return strings.EqualFold(arm.Str(d, "properties.networkProfile.networkPlugin"), "kubenet")
}

func outboundType(d arm.Doc) string {
	return lower(arm.Str(d, "properties.networkProfile.outboundType"))
}

// broughtSubnets are the subnets that the user brought for nodes, each once.
func broughtSubnets(d arm.Doc) []azure.ID {
	var out []azure.ID
	for _, p := range pools(d) {
		if id, err := azure.ParseID(arm.Str(p, "vnetSubnetID")); err == nil && (len(out) == 0 || !out[len(out)-1].Equal(id)) {
			out = append(out, id)
		}
	}
	return out
}

// checkOutbound checks that the way out of the cluster is there, where AKS does not make it.
func checkOutbound(c *arm.Call) *azure.Error {
	subnets := broughtSubnets(c.Doc)
	brought := len(subnets) > 0
	switch outboundType(c.Doc) {
	case "loadbalancer", "none", "block":
	case "userdefinedrouting":
		return checkEach(c, subnets, routedOut)
	case "managednatgateway":
		if brought {
			return azure.ManagedNATGatewayBroughtNetwork.Error()
		}
	case "userassignednatgateway":
		if !brought {
			return azure.OwnNATGatewayManagedNetwork.Error()
		}
		return checkEach(c, subnets, translatedOut)
	default:
		return azure.UnsupportedOutboundType.Format(azure.Fields{"type": arm.Str(c.Doc, "properties.networkProfile.outboundType")})
	}
	return nil
}

func checkEach(c *arm.Call, subnets []azure.ID, check func(*arm.Call, azure.ID, arm.Doc) *azure.Error) *azure.Error {
	for _, id := range subnets {
		doc, err := c.Load(id)
		if err != nil {
			return arm.Fault(err)
		}
		if err := check(c, id, doc); err != nil {
			return err
		}
	}
	return nil
}

func routedOut(_ *arm.Call, id azure.ID, subnet arm.Doc) *azure.Error {
	if arm.Str(subnet, "properties.routeTable.id") == "" {
		return azure.RouteTableNotAssociated.Format(azure.Fields{"subnet": id.String()})
	}
	return nil
}

func translatedOut(c *arm.Call, id azure.ID, subnet arm.Doc) *azure.Error {
	gateway, err := azure.ParseID(arm.Str(subnet, "properties.natGateway.id"))
	if err != nil {
		return azure.SubnetWithoutNATGateway.Format(azure.Fields{"subnet": id.String()})
	}
	doc, err := c.Load(gateway)
	if err != nil {
		return arm.Fault(err)
	}
	if len(arm.List(doc, "properties.publicIpAddresses")) == 0 && len(arm.List(doc, "properties.publicIpPrefixes")) == 0 {
		return azure.NATGatewayWithoutAddress.Format(azure.Fields{"gateway": gateway.String()})
	}
	return nil
}

// checkRouteTables checks kubenet on subnets with a route table of the user's: AKS refuses to start
// unless the cluster's identity may read and write it.
func checkRouteTables(c *arm.Call) *azure.Error {
	if !isKubenet(c.Doc) {
		return nil
	}
	for _, subnet := range broughtSubnets(c.Doc) {
		table, err := subnetTable(c, subnet)
		if err != nil {
			return arm.Fault(err)
		}
		if table.IsZero() || nodeGroup(c.ID, c.Doc).Contains(table) {
			continue
		}
		if systemAssigned(c.Doc) {
			return azure.CustomRouteTableSystemAssigned.Error()
		}
		if err := controlPlaneMay(c, azure.CustomRouteTableMissingPermission, table, typeRouteTable+"/read", typeRouteTable+"/write"); err != nil {
			return err
		}
	}
	return nil
}

// subnetTable is the route table of a subnet, or no id.
func subnetTable(c *arm.Call, subnet azure.ID) (azure.ID, error) {
	doc, err := c.Load(subnet)
	if err != nil {
		return azure.ID{}, err
	}
	table, err := azure.ParseID(arm.Str(doc, "properties.routeTable.id"))
	if err != nil {
		return azure.ID{}, nil
	}
	return table, nil
}

// What API server VNet integration needs of the cluster's identity, on the subnet of the API server and on those of nodes.
var integrationActions = []azure.Action{typeSubnet + "/read", joinSubnet, typeSubnet + "/joinLoadBalancer/action"}

// checkIntegratedServer checks the subnets of an API server that stands in the user's network (azure-facts 2.3).
func checkIntegratedServer(c *arm.Call) *azure.Error {
	const profile = "properties.apiServerAccessProfile"
	server, err := azure.ParseID(arm.Str(c.Doc, profile+".subnetId"))
	if err != nil || !arm.Bool(c.Doc, profile+".enableVnetIntegration") {
		return nil
	}
	for _, subnet := range append([]azure.ID{server}, broughtSubnets(c.Doc)...) {
		if err := controlPlaneMay(c, azure.ResourceMissingPermission, subnet, integrationActions...); err != nil {
			return err
		}
	}
	return nil
}

// reservations are what pools can refer to that AKS uses as the cluster's identity, which must be there before (azure-facts 2.3).
var reservations = map[string][]azure.Action{
	"capacityReservationGroupID": {"Microsoft.Compute/capacityReservationGroups/read", "Microsoft.Compute/capacityReservationGroups/deploy/action"},
	"hostGroupID":                {"Microsoft.Compute/hostGroups/read"},
}

// checkPoolIdentities checks pools that need a user-assigned identity: those on reserved capacity, and virtual machines
// in a network that the user brought, which join it as the cluster's identity.
func checkPoolIdentities(c *arm.Call) *azure.Error {
	for _, p := range pools(c.Doc) {
		name := azure.Fields{"pool": arm.Str(p, "name")}
		if isMachines(p) && arm.Str(p, "vnetSubnetID") != "" && systemAssigned(c.Doc) {
			return azure.VirtualMachinesSystemAssigned.Format(name)
		}
		for _, member := range slices.Sorted(maps.Keys(reservations)) {
			id, err := azure.ParseID(arm.Str(p, member))
			if err != nil {
				continue
			}
			if systemAssigned(c.Doc) {
				return azure.CapacityReservationSystemAssigned.Format(name)
			}
			if err := controlPlaneMay(c, azure.ResourceMissingPermission, id, reservations[member]...); err != nil {
				return err
			}
		}
	}
	return nil
}
