package provider

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/store"
)

const (
	typeVNet         = "Microsoft.Network/virtualNetworks"
	typeSubnet       = typeVNet + "/subnets"
	typeRouteTable   = "Microsoft.Network/routeTables"
	typeNSG          = "Microsoft.Network/networkSecurityGroups"
	typePublicIP     = "Microsoft.Network/publicIPAddresses"
	typePrefix       = "Microsoft.Network/publicIPPrefixes"
	typeLoadBalancer = "Microsoft.Network/loadBalancers"
	typeNATGateway   = "Microsoft.Network/natGateways"
)

// What writing a reference to a network resource needs there (azure-facts 3.8).
const (
	joinSubnet   azure.Action = typeSubnet + "/join/action"
	joinNSG      azure.Action = typeNSG + "/join/action"
	joinTable    azure.Action = typeRouteTable + "/join/action"
	joinIP       azure.Action = typePublicIP + "/join/action"
	joinPrefix   azure.Action = typePrefix + "/join/action"
	joinNAT      azure.Action = typeNATGateway + "/join/action"
	joinPool     azure.Action = typeLoadBalancer + "/backendAddressPools/join/action"
	joinVNetByLB azure.Action = typeVNet + "/joinLoadBalancer/action"
)

var networkVersions = []string{"2024-05-01", "2024-01-01", "2023-09-01", "2023-04-01", "2022-07-01", "2022-05-01", "2022-01-01", "2021-08-01", "2021-05-01", "2020-11-01", "2019-06-01", "2018-11-01", "2017-09-01"}

var networkName = regexp.MustCompile(`^[0-9A-Za-z]([\w.-]{0,78}\w)?$`)

func network() arm.Provider {
	types := []arm.Type{
		{Name: typeVNet, Check: checkVNet, Keep: []string{"properties.subnets"}, Children: []arm.Child{{Path: "properties.subnets", Type: &arm.Type{
			Name: typeSubnet, InUse: azure.InUseSubnet, Links: []arm.Link{
				{Path: "properties.routeTable.id", Action: joinTable},
				{Path: "properties.networkSecurityGroup.id", Action: joinNSG},
				{Path: "properties.natGateway.id", Action: joinNAT},
			}}}}},
		{Name: typeRouteTable, InUse: azure.InUseRouteTable, Check: defaults("properties.routes"), Keep: []string{"properties.routes"},
			Children: []arm.Child{{Path: "properties.routes", Type: &arm.Type{Name: typeRouteTable + "/routes"}}}},
		{Name: typeNSG, InUse: azure.InUseNSG, Check: checkNSG, Children: []arm.Child{
			{Path: "properties.securityRules", Type: &arm.Type{Name: typeNSG + "/securityRules"}},
			{Path: "properties.defaultSecurityRules", Type: &arm.Type{Name: typeNSG + "/defaultSecurityRules"}}}},
		{Name: typePublicIP, InUse: azure.PublicIPInUse, Check: checkPublicIP, Links: []arm.Link{
			{Path: "properties.publicIPPrefix.id", Action: joinPrefix}, {Path: "properties.natGateway.id", Action: joinNAT}}},
		{Name: typePrefix, InUse: azure.PublicIPPrefixInUse, Check: checkPrefix},
		{Name: typeNATGateway, InUse: azure.InUseNATGateway, Check: defaults(), Links: []arm.Link{
			{Path: "properties.publicIpAddresses[].id", Action: joinIP}, {Path: "properties.publicIpPrefixes[].id", Action: joinPrefix}}},
		{Name: typeLoadBalancer, Check: checkLoadBalancer, Children: lbChildren()},
	}
	for i := range types {
		t := &types[i]
		t.Since, t.Versions = "2015-05-01-preview", networkVersions
		t.Tracked, t.ETag, t.NameRule = true, true, networkName
	}
	return arm.Provider{Namespace: "Microsoft.Network", Types: types}
}

// lbChildren are a load balancer's collections, with what the frontends and pools refer to.
func lbChildren() []arm.Child {
	links := map[string][]arm.Link{
		"frontendIPConfigurations": {
			{Path: "properties.publicIPAddress.id", Action: joinIP},
			{Path: "properties.publicIPPrefix.id", Action: joinPrefix},
			{Path: "properties.subnet.id", Action: joinSubnet},
		},
		"backendAddressPools": {
			{Path: "properties.virtualNetwork.id", Action: joinVNetByLB},
			{Path: "properties.loadBalancerBackendAddresses[].properties.virtualNetwork.id", Action: joinVNetByLB},
			{Path: "properties.loadBalancerBackendAddresses[].properties.subnet.id", Action: joinSubnet},
		},
	}
	var out []arm.Child
	for _, name := range []string{"frontendIPConfigurations", "backendAddressPools", "loadBalancingRules", "probes", "inboundNatRules", "inboundNatPools", "outboundRules"} {
		out = append(out, arm.Child{Path: "properties." + name, Type: &arm.Type{Name: typeLoadBalancer + "/" + name, Links: links[name]}})
	}
	return out
}

// defaults gives a resource its resourceGuid and the collections that are never absent.
func defaults(lists ...string) func(*arm.Call) *azure.Error {
	return func(c *arm.Call) *azure.Error {
		arm.Default(c.Doc, "properties", arm.Doc{})
		if old := arm.Get(c.Old, "properties.resourceGuid"); old != nil {
			arm.Set(c.Doc, "properties.resourceGuid", old)
		}
		arm.Default(c.Doc, "properties.resourceGuid", azure.NewGUID().String())
		for _, l := range lists {
			arm.Default(c.Doc, l, []any{})
		}
		return nil
	}
}

// checkVNet checks a network's addresses: well formed, subnets inside of it and apart from each other.
func checkVNet(c *arm.Call) *azure.Error {
	if err := defaults("properties.subnets", "properties.virtualNetworkPeerings")(c); err != nil {
		return err
	}
	arm.Default(c.Doc, "properties.enableDdosProtection", false)
	space, err := prefixes(c.ID.Name(), text(arm.List(c.Doc, "properties.addressSpace.addressPrefixes")))
	if err != nil {
		return err
	}
	if len(space) == 0 {
		return azure.InvalidAddressSpace.Format(azure.Fields{"id": c.ID.String()})
	}
	var taken []netip.Prefix
	var names []string
	for _, v := range arm.List(c.Doc, "properties.subnets") {
		d, _ := v.(map[string]any)
		own, err := subnetPrefixes(c.ID.Name(), d)
		if err != nil {
			return err
		}
		for _, p := range own {
			if !within(p, space) {
				return azure.SubnetOutsideNetwork.Format(azure.Fields{"subnet": arm.Str(d, "name"), "network": c.ID.Name()})
			}
			for i, other := range taken {
				if p.Overlaps(other) {
					return azure.SubnetsOverlap.Format(azure.Fields{"subnet": arm.Str(d, "name"), "other": names[i]})
				}
			}
		}
		for _, p := range own {
			taken, names = append(taken, p), append(names, arm.Str(d, "name"))
		}
		arm.Default(d, "properties.privateEndpointNetworkPolicies", "Disabled")
		arm.Default(d, "properties.privateLinkServiceNetworkPolicies", "Enabled")
		arm.Default(d, "properties.delegations", []any{})
	}
	return nil
}

func subnetPrefixes(network string, d arm.Doc) ([]netip.Prefix, *azure.Error) {
	all := text(arm.List(d, "properties.addressPrefixes"))
	if p := arm.Str(d, "properties.addressPrefix"); p != "" {
		all = []string{p}
	}
	if len(all) == 0 {
		return nil, azure.MissingAddressPrefix.Format(azure.Fields{"subnet": arm.Str(d, "name"), "network": network})
	}
	return prefixes(arm.Str(d, "name"), all)
}

func prefixes(owner string, all []string) ([]netip.Prefix, *azure.Error) {
	var out []netip.Prefix
	for _, s := range all {
		p, err := netip.ParsePrefix(s)
		if err != nil || p.Masked() != p {
			return nil, azure.InvalidCIDR.Format(azure.Fields{"owner": owner, "prefix": s})
		}
		out = append(out, p)
	}
	return out, nil
}

func within(p netip.Prefix, space []netip.Prefix) bool {
	for _, s := range space {
		if s.Bits() <= p.Bits() && s.Contains(p.Addr()) {
			return true
		}
	}
	return false
}

// checkNSG adds the rules that every security group ends with.
func checkNSG(c *arm.Call) *azure.Error {
	if err := defaults("properties.securityRules")(c); err != nil {
		return err
	}
	rule := func(name, direction, access, from, to string, priority int) arm.Doc {
		return arm.Doc{"name": name, "properties": arm.Doc{"protocol": "*", "sourcePortRange": "*", "destinationPortRange": "*", "sourceAddressPrefix": from,
			"destinationAddressPrefix": to, "access": access, "priority": priority, "direction": direction}}
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

func checkPublicIP(c *arm.Call) *azure.Error {
	if err := defaults("properties.ipTags")(c); err != nil {
		return err
	}
	arm.Default(c.Doc, "sku", arm.Doc{"name": "Basic", "tier": "Regional"})
	arm.Default(c.Doc, "sku.tier", "Regional")
	arm.Default(c.Doc, "properties.publicIPAddressVersion", "IPv4")
	arm.Default(c.Doc, "properties.publicIPAllocationMethod", "Dynamic")
	arm.Default(c.Doc, "properties.idleTimeoutInMinutes", json.Number("4"))
	if label := arm.Str(c.Doc, "properties.dnsSettings.domainNameLabel"); label != "" {
		arm.Set(c.Doc, "properties.dnsSettings.fqdn", fmt.Sprintf("%s.%s.cloudapp.azure.com", label, arm.Str(c.Doc, "location")))
	}
	if old := arm.Get(c.Old, "properties.ipAddress"); old != nil {
		arm.Set(c.Doc, "properties.ipAddress", old)
		return nil
	}
	ip, err := nextPublicIP(c)
	arm.Set(c.Doc, "properties.ipAddress", ip)
	return arm.Fault(err)
}

func checkPrefix(c *arm.Call) *azure.Error {
	if err := defaults("properties.ipTags")(c); err != nil {
		return err
	}
	arm.Default(c.Doc, "properties.prefixLength", json.Number("31"))
	if old := arm.Get(c.Old, "properties.ipPrefix"); old != nil {
		arm.Set(c.Doc, "properties.ipPrefix", old)
		return nil
	}
	ip, err := nextPublicIP(c)
	arm.Set(c.Doc, "properties.ipPrefix", fmt.Sprintf("%s/%d", ip, arm.Int(c.Doc, "properties.prefixLength")))
	return arm.Fault(err)
}

// publicRange is reserved for benchmarks (RFC 2544): its 131,072 addresses are nobody's.
var publicRange = netip.MustParsePrefix("198.18.0.0/15")

// nextPublicIP hands addresses out one after the other.
func nextPublicIP(c *arm.Call) (string, error) {
	const kind, key = "counter", "public-ip"
	n := uint32(0)
	d, err := c.Tx.Get(kind, key)
	if err == nil {
		err = json.Unmarshal(d.Body, &n)
	}
	if err != nil && !isNotFound(err) {
		return "", err
	}
	n++
	body, _ := json.Marshal(n)
	return offset(publicRange, n).String(), c.Tx.Put(store.Doc{Kind: kind, Key: key, Body: body})
}

// offset is the nth address of an IPv4 range, beginning anew at its end.
func offset(p netip.Prefix, n uint32) netip.Addr {
	b := p.Masked().Addr().As4()
	v := binary.BigEndian.Uint32(b[:]) + uint32(uint64(n)%size(p))
	binary.BigEndian.PutUint32(b[:], v)
	return netip.AddrFrom4(b)
}

func size(p netip.Prefix) uint64 { return 1 << (32 - p.Bits()) }

// checkLoadBalancer computes what clients rely on: every pool has properties, an internal frontend has an address.
func checkLoadBalancer(c *arm.Call) *azure.Error {
	var lists []string
	for _, ch := range lbChildren() {
		lists = append(lists, ch.Path)
	}
	if err := defaults(lists...)(c); err != nil {
		return err
	}
	arm.Default(c.Doc, "sku", arm.Doc{"name": "Basic", "tier": "Regional"})
	arm.Default(c.Doc, "sku.tier", "Regional")
	for _, v := range arm.List(c.Doc, "properties.frontendIPConfigurations") {
		d, _ := v.(map[string]any)
		if err := fillFrontend(c, d); err != nil {
			return err
		}
	}
	return nil
}

func fillFrontend(c *arm.Call, d arm.Doc) *azure.Error {
	arm.Default(d, "properties", arm.Doc{})
	arm.Default(d, "properties.privateIPAllocationMethod", "Dynamic")
	id, err := azure.ParseID(arm.Str(d, "properties.subnet.id"))
	if err != nil || arm.Str(d, "properties.privateIPAddress") != "" {
		return nil
	}
	for _, v := range arm.List(c.Old, "properties.frontendIPConfigurations") {
		old, _ := v.(map[string]any)
		if strings.EqualFold(arm.Str(old, "name"), arm.Str(d, "name")) && strings.EqualFold(arm.Str(old, "properties.subnet.id"), id.String()) {
			arm.Set(d, "properties.privateIPAddress", arm.Str(old, "properties.privateIPAddress"))
			return nil
		}
	}
	ip, e := freeAddress(c, id)
	if e == nil {
		arm.Set(d, "properties.privateIPAddress", ip)
	}
	return e
}

// freeAddress is the lowest address of a subnet that no frontend has; Azure keeps the first four for itself.
func freeAddress(c *arm.Call, subnet azure.ID) (string, *azure.Error) {
	doc, err := c.Load(subnet)
	if err != nil || doc == nil {
		return "", arm.Fault(err)
	}
	used := map[string]bool{}
	for d, err := range c.Find(subnet.Key()) {
		if err != nil {
			return "", arm.Fault(err)
		}
		arm.Each(d, "properties.frontendIPConfigurations[].properties.privateIPAddress", func(v any) { used[fmt.Sprint(v)] = true })
	}
	arm.Each(c.Doc, "properties.frontendIPConfigurations[].properties.privateIPAddress", func(v any) { used[fmt.Sprint(v)] = true })
	own, e := subnetPrefixes(subnet.Parent().Name(), doc)
	if e != nil {
		return "", e
	}
	for _, p := range own {
		if !p.Addr().Is4() {
			continue
		}
		for n := uint64(4); n+1 < size(p); n++ {
			if ip := offset(p, uint32(n)).String(); !used[ip] {
				return ip, nil
			}
		}
	}
	return "", azure.SubnetIsFull.Format(azure.Fields{"subnet": subnet.Name(), "prefix": own[0].String()})
}
