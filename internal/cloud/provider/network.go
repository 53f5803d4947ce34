package provider

import (
	"regexp"
	"slices"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

const (
	networkRP        = "Microsoft.Network"
	typeVNet         = networkRP + "/virtualNetworks"
	typeSubnet       = typeVNet + "/subnets"
	typePeering      = typeVNet + "/virtualNetworkPeerings"
	typeRouteTable   = networkRP + "/routeTables"
	typeNSG          = networkRP + "/networkSecurityGroups"
	typeASG          = networkRP + "/applicationSecurityGroups"
	typePublicIP     = networkRP + "/publicIPAddresses"
	typePrefix       = networkRP + "/publicIPPrefixes"
	typeLoadBalancer = networkRP + "/loadBalancers"
	typeNATGateway   = networkRP + "/natGateways"
	typeNIC          = networkRP + "/networkInterfaces"
	typeDDoSPlan     = networkRP + "/ddosProtectionPlans"
	typeSEPolicy     = networkRP + "/serviceEndpointPolicies"
	typeGateway      = networkRP + "/applicationGateways"
	typeLinkService  = networkRP + "/privateLinkServices"
	typeEndpoint     = networkRP + "/privateEndpoints"
	typeZoneGroup    = typeEndpoint + "/privateDnsZoneGroups"
	typePrivateZone  = networkRP + "/privateDnsZones"
	typeZoneLink     = typePrivateZone + "/virtualNetworkLinks"
	typeDNSZone      = networkRP + "/dnsZones"
)

// What writing a reference to a network resource needs there (azure-facts 3.8).
const (
	joinSubnet     azure.Action = typeSubnet + "/join/action"
	joinNSG        azure.Action = typeNSG + "/join/action"
	joinTable      azure.Action = typeRouteTable + "/join/action"
	joinIP         azure.Action = typePublicIP + "/join/action"
	joinPrefix     azure.Action = typePrefix + "/join/action"
	joinNAT        azure.Action = typeNATGateway + "/join/action"
	joinNIC        azure.Action = typeNIC + "/join/action"
	joinPool       azure.Action = typeLoadBalancer + "/backendAddressPools/join/action"
	joinFrontend   azure.Action = typeLoadBalancer + "/frontendIPConfigurations/join/action"
	joinNATRule    azure.Action = typeLoadBalancer + "/inboundNatRules/join/action"
	joinNATPool    azure.Action = typeLoadBalancer + "/inboundNatPools/join/action"
	joinProbe      azure.Action = typeLoadBalancer + "/probes/join/action"
	joinVNet       azure.Action = typeVNet + "/join/action"
	joinVNetByLB   azure.Action = typeVNet + "/joinLoadBalancer/action"
	peerVNet       azure.Action = typeVNet + "/peer/action"
	joinDDoSPlan   azure.Action = typeDDoSPlan + "/join/action"
	joinSEPolicy   azure.Action = typeSEPolicy + "/join/action"
	joinASG        azure.Action = typeASG + "/joinIpConfiguration/action"
	joinASGInRule  azure.Action = typeASG + "/joinNetworkSecurityRule/action"
	joinZone       azure.Action = typePrivateZone + "/join/action"
	joinGWPool     azure.Action = typeGateway + "/backendAddressPools/join/action"
	approveLinking azure.Action = "/PrivateEndpointConnectionsApproval/action" // of whatever type is connected to
)

var networkVersions = []string{"2025-01-01", "2024-10-01", "2024-07-01", "2024-05-01", "2024-03-01", "2024-01-01", "2023-11-01", "2023-09-01", "2023-06-01", "2023-05-01", "2023-04-01", "2023-02-01",
	"2022-11-01", "2022-09-01", "2022-07-01", "2022-05-01", "2022-01-01", "2021-08-01", "2021-05-01", "2021-02-01", "2020-11-01", "2020-08-01", "2019-06-01", "2018-11-01", "2017-09-01"}

var networkName = regexp.MustCompile(`^[0-9A-Za-z]([\w.-]{0,78}\w)?$`)

func network() arm.Provider {
	types := slices.Concat(virtualNetworks(), security(), publicAddresses(), loadBalancers(), interfaces(), gateways(), privateLink())
	for i := range types {
		t := &types[i]
		t.Since, t.Versions = "2015-05-01-preview", networkVersions
		t.ETag = true
		t.Receipts = arm.Receipts{Write: arm.Async | arm.Notifying, Delete: arm.Async | arm.Located | arm.Notifying}
		t.Codes.Delete = 202
		if !t.ReadOnly && t.Name != typeZoneGroup {
			t.Tracked, t.NameRule = true, networkName
		}
	}
	return arm.Provider{Namespace: networkRP, Types: slices.Concat(types, dns())}
}

// check is a step of a type's Check.
type check = func(*arm.Call) *azure.Error

// checks runs steps up to the first refusal.
func checks(steps ...check) check {
	return func(c *arm.Call) *azure.Error {
		for _, step := range steps {
			if err := step(c); err != nil {
				return err
			}
		}
		return nil
	}
}

// defaults gives a resource its resourceGuid and the collections that are never absent.
func defaults(lists ...string) check {
	return func(c *arm.Call) *azure.Error {
		arm.Default(c.Doc, "properties", arm.Doc{})
		keepOld(c, "properties.resourceGuid", azure.NewGUID().String())
		for _, l := range lists {
			arm.Default(c.Doc, l, []any{})
		}
		return nil
	}
}

// keepOld makes a member what it was, or first for a new resource: nobody can change it.
func keepOld(c *arm.Call, path string, first any) {
	if old := arm.Get(c.Old, path); old != nil {
		first = old
	}
	arm.Set(c.Doc, path, first)
}

// required refuses a resource that lacks a member.
func required(paths ...string) check {
	return func(c *arm.Call) *azure.Error {
		for _, p := range paths {
			if arm.Get(c.Doc, p) == nil {
				return azure.MissingNetworkValue.Format(azure.Fields{"path": p, "id": c.ID.String()})
			}
		}
		return nil
	}
}

// readOnly are collections whose elements have ids and can be read by themselves, but are written with the resource alone.
func readOnly(parent string, names ...string) []arm.Child {
	var out []arm.Child
	for _, n := range names {
		out = append(out, arm.Child{Path: "properties." + n, Type: &arm.Type{Name: parent + "/" + n, ReadOnly: true}})
	}
	return out
}
