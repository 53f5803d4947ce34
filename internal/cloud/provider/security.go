package provider

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// security are what subnets and interfaces are guarded and routed with.
func security() []arm.Type {
	back := func(path string, from ...string) arm.Back { return arm.Back{Path: "properties." + path, From: from} }
	return []arm.Type{
		{
			Name: typeRouteTable, InUse: azure.InUseRouteTable, Check: checks(defaults("properties.routes"), checkRoutes),
			Keep: []string{"properties.routes"}, Back: []arm.Back{back("subnets", "subnets")},
			Children: []arm.Child{{Path: "properties.routes", Type: &arm.Type{Name: typeRouteTable + "/routes"}}},
		},
		{
			Name: typeNSG, InUse: azure.InUseNSG, InUseBy: map[string]*azure.Message{"virtualmachinescalesets": azure.InUseNSGByScaleSet},
			Check: checks(defaults("properties.securityRules"), checkRules, addDefaultRules),
			Keep:  []string{"properties.securityRules"}, Back: []arm.Back{back("subnets", "subnets"), back("networkInterfaces", "networkInterfaces")},
			Children: []arm.Child{
				{Path: "properties.securityRules", Type: &arm.Type{Name: typeNSG + "/securityRules", Links: []arm.Link{
					{Path: "properties.sourceApplicationSecurityGroups[].id", Action: joinASGInRule},
					{Path: "properties.destinationApplicationSecurityGroups[].id", Action: joinASGInRule}}}},
				{Path: "properties.defaultSecurityRules", Type: &arm.Type{Name: typeNSG + "/defaultSecurityRules", ReadOnly: true}},
			},
		},
		{Name: typeASG, InUse: azure.InUseASG, Check: defaults()},
		{Name: typeDDoSPlan, InUse: azure.InUseDDoSPlan, Check: defaults(), Back: []arm.Back{back("virtualNetworks", "virtualNetworks"), back("publicIPAddresses", "publicIPAddresses")}},
		{
			Name: typeSEPolicy, InUse: azure.InUseEndpointPolicy, Check: checks(defaults("properties.serviceEndpointPolicyDefinitions"), checkEndpointPolicy),
			Keep: []string{"properties.serviceEndpointPolicyDefinitions"}, Back: []arm.Back{back("subnets", "subnets")},
			Children: []arm.Child{{Path: "properties.serviceEndpointPolicyDefinitions", Type: &arm.Type{Name: typeSEPolicy + "/serviceEndpointPolicyDefinitions"}}},
		},
	}
}

// serviceTag is what stands in rules and routes for a service's addresses, as AzureCloud.westeurope.
var serviceTag = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*(\.[A-Za-z0-9-]+)*$`)

func checkRoutes(c *arm.Call) *azure.Error {
	arm.Default(c.Doc, "properties.disableBgpRoutePropagation", false)
	for _, r := range objects(c.Doc, "properties.routes") {
		id := c.ID.Join("routes", arm.Str(r, "name"))
		arm.Default(r, "properties.hasBgpOverride", false)
		prefix := arm.Str(r, "properties.addressPrefix")
		if p, err := netip.ParsePrefix(prefix); (err != nil || p.Masked() != p) && !serviceTag.MatchString(prefix) {
			return azure.InvalidCIDR.Format(azure.Fields{"owner": id.String(), "prefix": prefix})
		}
		if err := oneOf(c, r, "properties.nextHopType", "None", "VirtualAppliance", "VirtualNetworkGateway", "VnetLocal", "Internet"); err != nil {
			return err
		}
		if hop := arm.Str(r, "properties.nextHopIpAddress"); arm.Str(r, "properties.nextHopType") == "VirtualAppliance" && hop == "" {
			return azure.MissingNextHop.Format(azure.Fields{"id": id.String()})
		}
	}
	return nil
}

// ruleWords are the members of a rule that take one of some words.
var ruleWords = []struct {
	path    string
	allowed []string
}{
	{"properties.protocol", []string{"*", "Tcp", "Udp", "Icmp", "Esp", "Ah"}},
	{"properties.access", []string{"Allow", "Deny"}},
	{"properties.direction", []string{"Inbound", "Outbound"}},
}

func checkRules(c *arm.Call) *azure.Error {
	taken := map[string]string{}
	for _, r := range objects(c.Doc, "properties.securityRules") {
		name, priority := arm.Str(r, "name"), arm.Int(r, "properties.priority")
		if priority < 100 || priority > 4096 {
			return azure.InvalidPriority.Format(azure.Fields{"value": fmt.Sprint(arm.Get(r, "properties.priority"))})
		}
		for _, of := range ruleWords {
			if arm.Str(r, of.path) == "" {
				return azure.MissingNetworkValue.Format(azure.Fields{"path": of.path, "id": c.ID.Join("securityRules", name).String()})
			}
			if err := oneOf(c, r, of.path, of.allowed...); err != nil {
				return err
			}
		}
		slot := arm.Str(r, "properties.direction") + strconv.Itoa(priority)
		if other, twice := taken[slot]; twice {
			return azure.RulesConflict.Format(azure.Fields{"rule": name, "other": other})
		}
		taken[slot] = name
		for _, side := range []string{"source", "destination"} {
			if err := checkRuleSide(r, side); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkRuleSide checks a rule's addresses and ports of one side.
func checkRuleSide(r arm.Doc, side string) *azure.Error {
	for _, list := range []string{"PortRanges", "AddressPrefixes"} {
		arm.Default(r, "properties."+side+list, []any{})
	}
	for _, p := range oneOrMany(r, "properties."+side+"AddressPrefix", "properties."+side+"AddressPrefixes") {
		prefix, err := netip.ParsePrefix(p)
		_, notIP := netip.ParseAddr(p)
		if p != "*" && notIP != nil && (err != nil || prefix.Masked() != prefix) && !serviceTag.MatchString(p) {
			return azure.InvalidRulePrefix.Format(azure.Fields{"value": p})
		}
	}
	for _, p := range oneOrMany(r, "properties."+side+"PortRange", "properties."+side+"PortRanges") {
		if !portRange(p) {
			return azure.InvalidRulePort.Format(azure.Fields{"value": p})
		}
	}
	return nil
}

// oneOrMany are the values of a member and of the list that may stand in its place.
func oneOrMany(d arm.Doc, one, many string) []string {
	all := text(arm.List(d, many))
	if s := arm.Str(d, one); s != "" {
		all = append(all, s)
	}
	return all
}

// portRange reports whether s is "*", a port or a range of ports.
func portRange(s string) bool {
	if s == "*" {
		return true
	}
	from, to, ranged := strings.Cut(s, "-")
	a, err := strconv.ParseUint(from, 10, 16)
	if err != nil || !ranged {
		return err == nil
	}
	b, err := strconv.ParseUint(to, 10, 16)
	return err == nil && a <= b
}

// addDefaultRules adds the rules that every security group ends with.
func addDefaultRules(c *arm.Call) *azure.Error {
	rule := func(name, direction, access, from, to string, priority int) arm.Doc {
		return arm.Doc{"name": name, "properties": arm.Doc{"protocol": "*", "sourcePortRange": "*", "destinationPortRange": "*", "sourceAddressPrefix": from,
			"destinationAddressPrefix": to, "access": access, "priority": json.Number(strconv.Itoa(priority)), "direction": direction,
			"sourcePortRanges": []any{}, "destinationPortRanges": []any{}, "sourceAddressPrefixes": []any{}, "destinationAddressPrefixes": []any{}}}
	}
	arm.Set(c.Doc, "properties.defaultSecurityRules", []any{
		rule("AllowVnetInBound", "Inbound", "Allow", "VirtualNetwork", "VirtualNetwork", 65000),
		rule("AllowAzureLoadBalancerInBound", "Inbound", "Allow", "AzureLoadBalancer", "*", 65001),
		rule("DenyAllInBound", "Inbound", "Deny", "*", "*", 65500),
		rule("AllowVnetOutBound", "Outbound", "Allow", "VirtualNetwork", "VirtualNetwork", 65000),
		rule("AllowInternetOutBound", "Outbound", "Allow", "*", "Internet", 65001),
		rule("DenyAllOutBound", "Outbound", "Deny", "*", "*", 65500),
	})
	return nil
}

func checkEndpointPolicy(c *arm.Call) *azure.Error {
	for _, d := range objects(c.Doc, "properties.serviceEndpointPolicyDefinitions") {
		if arm.Str(d, "properties.service") == "" {
			return azure.MissingNetworkValue.Format(azure.Fields{"path": "properties.service", "id": c.ID.Join("serviceEndpointPolicyDefinitions", arm.Str(d, "name")).String()})
		}
		arm.Default(d, "properties.serviceResources", []any{})
	}
	return nil
}
