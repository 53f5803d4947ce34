package provider

import (
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// gateways are application gateways: what AGIC writes.
func gateways() []arm.Type {
	kids := readOnly(typeGateway, "gatewayIPConfigurations", "frontendIPConfigurations", "frontendPorts", "backendAddressPools", "backendHttpSettingsCollection", "httpListeners",
		"requestRoutingRules", "urlPathMaps", "probes", "sslCertificates", "trustedRootCertificates", "redirectConfigurations", "rewriteRuleSets", "authenticationCertificates", "sslProfiles")
	var lists []string
	for i := range kids {
		lists = append(lists, kids[i].Path)
	}
	kids[0].Type.Links = []arm.Link{{Path: "properties.subnet.id"}} // decided by the network resource provider, in checkGatewaySubnet
	kids[1].Type.Links = []arm.Link{{Path: "properties.publicIPAddress.id", Action: joinIP}, {Path: "properties.subnet.id", Action: joinSubnet}}
	return []arm.Type{{
		Name: typeGateway, Identity: true, Children: kids, View: viewGateway,
		Check: checks(defaults(lists...), required("properties.sku"), spellGateway, checkGatewaySubnet, checkGateway),
		Actions: map[string]arm.Action{
			"start": {Do: setGateway("Running"), Write: true}, "stop": {Do: setGateway("Stopped"), Write: true}},
	}}
}

// checkGatewaySubnet makes the one check that the provider makes instead of ARM, with its own words (azure-facts 3.8),
// and refuses a subnet in which others stand.
func checkGatewaySubnet(c *arm.Call) *azure.Error {
	configs := objects(c.Doc, "properties.gatewayIPConfigurations")
	if len(configs) == 0 {
		return azure.MissingNetworkValue.Format(azure.Fields{"path": "properties.gatewayIPConfigurations", "id": c.ID.String()})
	}
	for _, e := range configs {
		subnet, err := azure.ParseID(arm.Str(e, "properties.subnet.id"))
		if err != nil {
			return azure.MissingNetworkValue.Format(azure.Fields{"path": "properties.subnet.id", "id": c.ID.Join("gatewayIPConfigurations", arm.Str(e, "name")).String()})
		}
		if !c.May(joinSubnet, subnet) {
			return azure.GatewaySubnetNotJoinable.Format(azure.Fields{"oid": c.Caller.ID.String(), "scope": subnet.String(), "action": string(joinSubnet)})
		}
		for user, err := range c.Users(subnet) {
			if err != nil {
				return arm.Fault(err)
			}
			if strings.EqualFold(user.Parent().Type(), typeGateway) || c.ID.Contains(user) {
				continue
			}
			return azure.GatewaySubnetShared.Format(azure.Fields{"subnet": subnet.String(), "id": c.ID.String(), "user": user.String()})
		}
	}
	return nil
}

func checkGateway(c *arm.Call) *azure.Error {
	keepOld(c, "properties.operationalState", "Running")
	for _, e := range objects(c.Doc, "properties.sslCertificates") {
		arm.Unset(e, "properties.data")
		arm.Unset(e, "properties.password")
	}
	for _, e := range objects(c.Doc, "properties.frontendIPConfigurations") {
		if err := checkIPFree(c, arm.Str(e, "properties.publicIPAddress.id"), c.ID.Join("frontendIPConfigurations", arm.Str(e, "name"))); err != nil {
			return err
		}
	}
	return assign(c, "properties.frontendIPConfigurations")
}

func setGateway(state string) func(*arm.Call) (any, *azure.Error) {
	return func(c *arm.Call) (any, *azure.Error) {
		arm.Set(c.Doc, "properties.operationalState", state)
		return nil, c.Save()
	}
}
