package provider

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// ipConfigLinks is what an IP configuration of an interface refers to, and what writing that needs (azure-facts 3.8).
func ipConfigLinks(path string) []arm.Link {
	return []arm.Link{
		{Path: path + "subnet.id", Action: joinSubnet},
		{Path: path + "publicIPAddress.id", Action: joinIP},
		{Path: path + "loadBalancerBackendAddressPools[].id", Action: joinPool},
		{Path: path + "loadBalancerInboundNatRules[].id", Action: joinNATRule},
		{Path: path + "applicationGatewayBackendAddressPools[].id", Action: joinGWPool},
		{Path: path + "applicationSecurityGroups[].id", Action: joinASG},
	}
}

// nicLinks is the same for a whole interface.
func nicLinks(path string) []arm.Link {
	return append(ipConfigLinks(path+"ipConfigurations[].properties."), arm.Link{Path: path + "networkSecurityGroup.id", Action: joinNSG})
}

func interfaces() []arm.Type {
	return []arm.Type{{
		Name: typeNIC, Check: checks(defaults(), required("properties.ipConfigurations"), checkNIC),
		Links:    []arm.Link{{Path: "properties.networkSecurityGroup.id", Action: joinNSG}},
		Children: []arm.Child{{Path: "properties.ipConfigurations", Type: &arm.Type{Name: typeNIC + "/ipConfigurations", ReadOnly: true, Links: ipConfigLinks("properties.")}}},
		View:     func(c *arm.Call, d arm.Doc) { hide(d, c.Version, filledOfNIC) },
		InUse:    azure.InUseNIC, InUseBy: map[string]*azure.Message{"privateendpoints": azure.InUseNICOfEndpoint, "privatelinkservices": azure.InUseNIC},
		Back: []arm.Back{{Path: "properties.virtualMachine", From: []string{"virtualMachines"}, Form: arm.One},
			{Path: "properties.privateEndpoint", From: []string{"privateEndpoints"}, Form: arm.One},
			{Path: "properties.privateLinkService", From: []string{"privateLinkServices"}, Form: arm.One}},
	}}
}

// filledOfNIC is what an interface has beside what it was asked for, in recorded answers.
var filledOfNIC = []filled{
	{path: "properties.vnetEncryptionSupported", value: false}, {path: "properties.hostedWorkloads", value: []any{}, since: "2018-07-01"},
	{path: "properties.tapConfigurations", value: []any{}, since: "2018-08-01"},
	{path: "kind", value: "Regular", since: "2021-02-01"}, {path: "properties.allowPort25Out", value: true, since: "2021-02-01"},
	{path: "properties.auxiliaryMode", value: "None", since: "2023-02-01"}, {path: "properties.auxiliarySku", value: "None", since: "2023-02-01"},
	{path: "properties.disableTcpStateTracking", value: false, since: "2023-02-01"},
	{path: "properties.defaultOutboundConnectivityEnabled", value: false, since: "2025-01-01"},
}

// checkNIC spells an interface out: one primary configuration, addresses from one network, a MAC address.
func checkNIC(c *arm.Call) *azure.Error {
	arm.Default(c.Doc, "properties.enableIPForwarding", false)
	arm.Default(c.Doc, "properties.dnsSettings.dnsServers", []any{})
	arm.Default(c.Doc, "properties.dnsSettings.appliedDnsServers", []any{})
	arm.Default(c.Doc, "properties.dnsSettings.internalDomainNameSuffix", nameFrom(c.ID.Parent().Key()).Hex()[:26]+".bx.internal.cloudapp.net")
	fill(c.Doc, c.Version, filledOfNIC)
	arm.Default(c.Doc, "properties.primary", true)
	arm.Default(c.Doc, "properties.nicType", "Standard")
	arm.Set(c.Doc, "properties.macAddress", macAddress(c.ID))
	configs := objects(c.Doc, "properties.ipConfigurations")
	setPrimary(configs)
	network := azure.ID{}
	for _, e := range configs {
		id := c.ID.Join("ipConfigurations", arm.Str(e, "name"))
		subnet, err := azure.ParseID(arm.Str(e, "properties.subnet.id"))
		if err != nil {
			return azure.MissingNetworkValue.Format(azure.Fields{"path": "properties.subnet.id", "id": id.String()})
		}
		if !network.IsZero() && !network.Equal(subnet.Parent()) {
			return azure.SubnetsOfDifferentNetworks.Format(azure.Fields{"subnet": subnet.String(), "network": network.String(), "id": c.ID.String()})
		}
		network = subnet.Parent()
		if err := checkIPFree(c, arm.Str(e, "properties.publicIPAddress.id"), id); err != nil {
			return err
		}
	}
	return assign(c, "properties.ipConfigurations")
}

// setPrimary makes the first configuration the primary one where none is.
func setPrimary(configs []arm.Doc) {
	primary := false
	for _, e := range configs {
		primary = primary || arm.Bool(e, "properties.primary")
	}
	for i, e := range configs {
		if arm.Get(e, "properties.primary") == nil {
			arm.Set(e, "properties.primary", !primary && i == 0)
		}
	}
}

// macAddress is an interface's own, in the range of Azure's hosts.
func macAddress(id azure.ID) string {
	h := sha256.Sum256([]byte(id.Key()))
	return strings.ToUpper(fmt.Sprintf("00-0d-3a-%02x-%02x-%02x", h[0], h[1], h[2]))
}
