package provider

import (
	"encoding/json"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// gatewayNames are members as Azure spells them that az's templates spell in another case.
var gatewayNames = func() map[string]string {
	names := map[string]string{}
	for _, n := range []string{"id", "name", "properties", "port", "protocol", "cookieBasedAffinity", "frontendIPConfiguration", "frontendPort", "sslCertificate", "ruleType",
		"backendAddresses", "backendAddressPool", "backendHttpSettings", "httpListener"} {
		names[strings.ToLower(n)] = n
	}
	return names
}()

// spell gives members the names that Azure has for them, at every depth, where they differ in case alone.
func spell(v any, names map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			spell(e, names)
			if n := names[strings.ToLower(k)]; n != "" && n != k {
				delete(v, k)
				v[n] = e
			}
		}
	case []any:
		for _, e := range v {
			spell(e, names)
		}
	}
}

// filledOfGateway are the members of a gateway's parts that it fills in.
var filledOfGateway = map[string][]filled{
	"frontendIPConfigurations": {{path: "properties.privateIPAllocationMethod", value: "Dynamic"}},
	"backendAddressPools":      {{path: "properties.backendAddresses", value: []any{}}},
	"backendHttpSettingsCollection": {{path: "properties.requestTimeout", value: json.Number("30")}, {path: "properties.pickHostNameFromBackendAddress", value: false},
		{path: "properties.cookieBasedAffinity", value: "Disabled"},
		{path: "properties.connectionDraining.enabled", value: false}, {path: "properties.connectionDraining.drainTimeoutInSec", value: json.Number("1")}},
	"httpListeners": {{path: "properties.requireServerNameIndication", value: false}, {path: "properties.hostNames", value: []any{}}},
}

// spellGateway spells out a gateway's parts.
func spellGateway(c *arm.Call) *azure.Error {
	props := arm.Map(c.Doc, "properties")
	spell(props, gatewayNames)
	dropNulls(props)
	for _, r := range gatewayUsers { // a client sends back what it read
		for _, e := range objects(c.Doc, "properties."+r.of) {
			arm.Unset(e, "properties."+r.users)
		}
	}
	for list, members := range filledOfGateway {
		for _, e := range objects(c.Doc, "properties."+list) {
			fill(e, c.Version, members)
		}
	}
	return nil
}

// gatewayUsers are the parts of a gateway that show which other parts refer to them, by which member.
var gatewayUsers = []struct{ users, member, of string }{
	{"httpListeners", "frontendIPConfiguration", "frontendIPConfigurations"}, {"httpListeners", "frontendPort", "frontendPorts"},
	{"requestRoutingRules", "httpListener", "httpListeners"}, {"requestRoutingRules", "backendAddressPool", "backendAddressPools"},
	{"requestRoutingRules", "backendHttpSettings", "backendHttpSettingsCollection"},
}

// viewGateway adds to each part which other parts of the gateway use it.
func viewGateway(_ *arm.Call, d arm.Doc) {
	for _, r := range gatewayUsers {
		for _, user := range objects(d, "properties."+r.users) {
			target := arm.Str(user, "properties."+r.member+".id")
			for _, e := range objects(d, "properties."+r.of) {
				if target != "" && strings.EqualFold(arm.Str(e, "id"), target) {
					list := "properties." + r.users
					arm.Set(e, list, append(arm.List(e, list), arm.Doc{"id": user["id"]}))
				}
			}
		}
	}
}
