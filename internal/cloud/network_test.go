package cloud_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// attempt is a write and how it ends: with a status under 300, or refused with a code and words.
type attempt struct {
	method, path string
	body         any
	status       int
	code         string
	words        []string
}

// try makes attempts one after the other; paths are under a resource group's providers.
func (w *world) try(group string, all ...attempt) {
	w.Helper()
	for i, a := range all {
		r := w.operator.do(a.method, group+"/providers/"+a.path, a.body)
		e, _ := r.body["error"].(map[string]any)
		code, message := "", fmt.Sprint(e["message"])
		if e != nil {
			code = fmt.Sprint(e["code"])
		}
		if r.raw == "{}" { // said to come
			r.raw = w.operator.get(group + "/providers/" + a.path).raw
		}
		if !r.answers(a.status) || code != a.code {
			w.Errorf("%d: %s %s: got %d %s, want %d %s: %s", i, a.method, a.path, r.status, code, a.status, a.code, r.raw)
			continue
		}
		for _, word := range a.words {
			if !strings.Contains(message, word) && !strings.Contains(r.raw, word) {
				w.Errorf("%d: %s %s: %q is not in %s", i, a.method, a.path, word, r.raw)
			}
		}
	}
}

func network(prefixes ...string) obj {
	return properties(obj{"addressSpace": obj{"addressPrefixes": prefixes}})
}

func withSubnets(body obj, subnets ...obj) obj {
	body["properties"].(obj)["subnets"] = subnets
	return body
}

func subnet(name, prefix string) obj {
	return obj{"name": name, "properties": obj{"addressPrefix": prefix}}
}

// TestNetworkAddresses refuses networks and subnets whose addresses cannot be.
func TestNetworkAddresses(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg1")
	const v = "Microsoft.Network/virtualNetworks/"
	w.try(rg,
		attempt{"PUT", v + "none", properties(obj{}), 400, "VnetAddressSpaceIsNotSpecified", nil},
		attempt{"PUT", v + "bad", network("10.0.0.1/16"), 400, "InvalidCIDRNotation", []string{"10.0.0.1/16"}},
		attempt{"PUT", v + "_x", network("10.0.0.0/16"), 400, "InvalidResourceName", []string{"_x"}},
		attempt{"PUT", v + "far", obj{"location": "moon", "properties": obj{}}, 400, "LocationNotAvailableForResourceType", []string{"moon"}},
		attempt{"PUT", v + "v1", withSubnets(network("10.0.0.0/16"), subnet("a", "10.0.0.0/24"), subnet("A", "10.0.1.0/24")), 400, "InvalidRequestFormat", []string{"two child resources with the same name"}},
		attempt{"PUT", v + "v1", withSubnets(network("10.0.0.0/16"), subnet("a/b", "10.0.0.0/24")), 400, "InvalidResourceName", nil},
		attempt{"PUT", v + "v1", withSubnets(network("10.0.0.0/16"), obj{"name": "a"}), 400, "NoAddressPrefixOrPoolProvided", nil},
		attempt{"PUT", v + "v1", withSubnets(network("10.0.0.0/16", "10.2.0.0/16"), subnet("a", "10.0.0.0/24"), subnet("b", "10.2.0.0/24")), 201, "", nil},
		attempt{"PUT", v + "v1/subnets/c", subnet("", "10.0.0.128/25"), 400, "NetcfgSubnetRangesOverlap", []string{"'c'"}},
		attempt{"PUT", v + "v1/subnets/c", subnet("", "10.3.0.0/24"), 400, "NetcfgSubnetRangeOutsideVnet", nil},
		attempt{"PUT", v + "v1/subnets/c", obj{"properties": obj{"addressPrefix": "10.0.1.0/24", "privateEndpointNetworkPolicies": "Sometimes"}}, 400, "InvalidRequestFormat", []string{"Sometimes"}},
		attempt{"PUT", v + "v1/subnets/c", obj{"properties": obj{"addressPrefix": "10.0.1.0/24", "delegations": []obj{{"name": "d", "properties": obj{"serviceName": "Microsoft.ContainerInstance/containerGroups"}}}}}, 201, "", []string{"/subnets/c/delegations/d"}},
		attempt{"PUT", v + "v2", withSubnets(network("10.4.0.0/16"), obj{"Name": "a", "properties": obj{"addressPrefix": "10.4.0.0/24"}}), 201, "", []string{"/subnets/a"}},
		attempt{"PUT", v + "none/subnets/c", subnet("", "10.0.1.0/24"), 404, "ParentResourceNotFound", nil},
	)
	own := w.operator.get(rg + "/providers/" + v + "v1").ok(200)
	w.operator.put(rg+"/providers/"+v+"v1", properties(obj{"addressSpace": own.at("properties.addressSpace")})).ok(200)
	if got := w.operator.get(rg + "/providers/" + v + "v1/subnets").ok(200).list("name"); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("a PUT without subnets left %v", got)
	}
}

// TestInterfaces hands out a subnet's addresses: dynamic and static ones, never one twice, none of Azure's.
func TestInterfaces(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	const net = "Microsoft.Network/"
	vnet := rg + "/providers/" + net + "virtualNetworks/v"
	s := vnet + "/subnets/s"
	w.try(rg, attempt{"PUT", net + "virtualNetworks/v", withSubnets(network("10.0.0.0/16", "fd00::/48"), obj{"name": "s", "properties": obj{"addressPrefixes": []string{"10.0.0.0/29", "fd00::/64"}}}, subnet("t", "10.0.1.0/24")), 201, "", nil},
		attempt{"PUT", net + "virtualNetworks/w", withSubnets(network("10.1.0.0/16"), subnet("s", "10.1.0.0/24")), 201, "", nil})
	nic := func(configs ...obj) obj {
		var list []obj
		for i, c := range configs {
			list = append(list, obj{"name": fmt.Sprintf("c%d", i), "properties": c})
		}
		return properties(obj{"ipConfigurations": list})
	}
	static := func(ip string) obj {
		return obj{"subnet": ref(s), "privateIPAllocationMethod": "Static", "privateIPAddress": ip}
	}
	w.try(rg,
		attempt{"PUT", net + "networkInterfaces/n0", properties(obj{}), 400, "InvalidRequestFormat", []string{"properties.ipConfigurations"}},
		attempt{"PUT", net + "networkInterfaces/n0", nic(obj{}), 400, "InvalidRequestFormat", []string{"properties.subnet.id"}},
		attempt{"PUT", net + "networkInterfaces/n0", nic(obj{"subnet": ref(s)}, obj{"subnet": ref(rg + "/providers/" + net + "virtualNetworks/w/subnets/s")}), 400, "SubnetsNotInSameVnet", nil},
		attempt{"PUT", net + "networkInterfaces/n1", nic(static("10.0.1.5")), 400, "PrivateIPAddressNotInSubnet", []string{"10.0.1.5 does not belong to the range of subnet prefix 10.0.0.0/29"}},
		attempt{"PUT", net + "networkInterfaces/n1", nic(static("10.0.0.1")), 400, "PrivateIPAddressInReservedRange", []string{"10.0.0.1 falls within reserved IP range"}},
		attempt{"PUT", net + "networkInterfaces/n1", nic(static("10.0.0.7")), 400, "PrivateIPAddressInReservedRange", nil},
		attempt{"PUT", net + "networkInterfaces/n1", nic(obj{"subnet": ref(s)}, obj{"subnet": ref(s), "privateIPAddressVersion": "IPv6"}, static("10.0.0.4")), 201, "", []string{`"10.0.0.5"`, `"fd00::4"`, `"10.0.0.4"`}},
		attempt{"PUT", net + "networkInterfaces/n2", nic(static("10.0.0.5")), 400, "PrivateIPAddressIsAllocated", []string{"networkInterfaces/n2/ipConfigurations/c0 is using the private IP address 10.0.0.5 which is already allocated to resource", "networkInterfaces/n1/ipConfigurations/c0"}},
		attempt{"PUT", net + "networkInterfaces/n2", nic(obj{"subnet": ref(s)}), 201, "", []string{`"10.0.0.6"`}},
		attempt{"PUT", net + "networkInterfaces/n3", nic(obj{"subnet": ref(s)}), 400, "SubnetIsFull", []string{"10.0.0.0/29"}},
		attempt{"PUT", net + "virtualNetworks/v/subnets/s", subnet("", "10.0.0.0/28"), 400, "InUsePrefixCannotBeDeleted", []string{"IpPrefix 10.0.0.0/29 on Subnet s has active allocations"}},
		attempt{"PUT", net + "virtualNetworks/v", withSubnets(network("10.0.0.0/16"), subnet("t", "10.0.1.0/24")), 400, "InUseSubnetCannotBeDeleted", []string{"networkInterfaces/n1/ipConfigurations/c"}},
		attempt{"DELETE", net + "virtualNetworks/v", nil, 400, "InUseSubnetCannotBeDeleted", nil},
		attempt{"PUT", net + "networkInterfaces/n1/ipConfigurations/c9", obj{"properties": obj{"subnet": ref(s)}}, 405, "HttpMethodNotAllowed", nil},
	)
	n1 := op.get(rg + "/providers/" + net + "networkInterfaces/n1").ok(200)
	if n1.at("properties.ipConfigurations.0.properties.primary") != true || n1.at("properties.ipConfigurations.1.properties.primary") != false || !strings.HasPrefix(n1.str("properties.macAddress"), "00-0D-3A-") {
		t.Errorf("the interface is %s", n1.raw)
	}
	op.put(rg+"/providers/"+net+"networkInterfaces/n1", n1.body).ok(200)
	if again := op.get(rg + "/providers/" + net + "networkInterfaces/n1").ok(200); again.str("properties.ipConfigurations.0.properties.privateIPAddress") != "10.0.0.5" || again.str("properties.macAddress") != n1.str("properties.macAddress") {
		t.Errorf("written back as it was read: %s", again.raw)
	}
	if free := op.get(vnet + "/CheckIPAddressAvailability?ipAddress=10.0.0.5").ok(200); free.at("available") != false {
		t.Errorf("a taken address: %s", free.raw)
	}
	if free := op.get(vnet + "/CheckIPAddressAvailability?ipAddress=10.0.1.9").ok(200); free.at("available") != true || free.at("availableIPAddresses.0") != "10.0.1.4" {
		t.Errorf("a free address: %s", free.raw)
	}
	if use := op.get(vnet + "/usages").ok(200); use.at("value.1.currentValue") != 0.0 || use.at("value.1.limit") != 251.0 || use.at("value.0.limit") != 3.0 {
		t.Errorf("usages: %s", use.raw)
	}
	op.delete(rg + "/providers/" + net + "networkInterfaces/n2").ok(202)
	op.put(rg+"/providers/"+net+"networkInterfaces/n3", nic(obj{"subnet": ref(s)})).ok(201)
}

// TestPeerings connects two networks, one side after the other, and notices when one side is gone.
func TestPeerings(t *testing.T) {
	w := newWorld(t)
	op, hub, spoke := w.operator, w.group(w.hub, "rg-hub"), w.group(w.platform, "rg-spoke")
	a, b := hub+"/providers/Microsoft.Network/virtualNetworks/a", spoke+"/providers/Microsoft.Network/virtualNetworks/b"
	op.put(a, network("10.0.0.0/16")).ok(201)
	op.put(b, network("10.1.0.0/16")).ok(201)
	op.put(hub+"/providers/Microsoft.Network/virtualNetworks/c", network("10.1.128.0/17")).ok(201)
	peer := func(id string) obj {
		return obj{"properties": obj{"remoteVirtualNetwork": ref(id), "allowForwardedTraffic": true}}
	}
	state := func(network, want string) {
		t.Helper()
		p := op.get(network + "/virtualNetworkPeerings/p").ok(200)
		whole := op.get(network).ok(200)
		if p.str("properties.peeringState") != want || whole.str("properties.virtualNetworkPeerings.0.properties.peeringState") != want {
			t.Errorf("%s is %s, want %s", network, p.raw, want)
		}
	}
	op.put(a+"/virtualNetworkPeerings/p", obj{"properties": obj{}}).refused(400, "InvalidRequestFormat", "remoteVirtualNetwork")
	op.put(a+"/virtualNetworkPeerings/p", peer(b+"x")).refused(400, "InvalidResourceReference")
	made := op.put(a+"/virtualNetworkPeerings/p", peer(b)).ok(201)
	if made.at("properties.remoteAddressSpace.addressPrefixes.0") != "10.1.0.0/16" || made.at("properties.allowVirtualNetworkAccess") != true {
		t.Errorf("the peering is %s", made.raw)
	}
	state(a, "Initiated")
	op.put(a+"/virtualNetworkPeerings/q", peer(b)).refused(400, "AnotherPeeringAlreadyReferencesRemoteVnet")
	op.put(hub+"/providers/Microsoft.Network/virtualNetworks/c/virtualNetworkPeerings/p", peer(b)).refused(400, "VnetAddressSpacesOverlap", "Overlapping address prefixes: 10.1.128.0/17")
	op.put(b+"/virtualNetworkPeerings/p", peer(a)).ok(201)
	state(a, "Connected")
	state(b, "Connected")
	op.delete(b + "/virtualNetworkPeerings/p").ok(202)
	state(a, "Disconnected")
	op.delete(b).ok(202)
	op.put(a, op.get(a).body).ok(200) // what is there may stay, though it leads nowhere
	op.delete(a + "/virtualNetworkPeerings/p").ok(202)
	op.delete(a).ok(200)
}

// TestRules refuses security rules and routes that say nothing sensible.
func TestRules(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg1")
	const g, rt = "Microsoft.Network/networkSecurityGroups/g", "Microsoft.Network/routeTables/t"
	rule := func(more obj) obj {
		p := obj{"protocol": "tcp", "access": "allow", "direction": "inbound", "priority": 100, "sourceAddressPrefix": "*", "sourcePortRange": "*", "destinationAddressPrefix": "10.0.0.0/8", "destinationPortRange": "80-443"}
		for k, v := range more {
			p[k] = v
		}
		return obj{"properties": p}
	}
	route := func(prefix, hop, ip string) obj {
		p := obj{"addressPrefix": prefix, "nextHopType": hop}
		if ip != "" {
			p["nextHopIpAddress"] = ip
		}
		return obj{"properties": p}
	}
	w.try(rg,
		attempt{"PUT", g, properties(obj{}), 201, "", nil},
		attempt{"PUT", g + "/securityRules/r", rule(obj{"priority": 99}), 400, "SecurityRuleInvalidPriority", []string{"Value provided: 99 Allowed range 100-4096."}},
		attempt{"PUT", g + "/securityRules/r", rule(obj{"priority": "high"}), 400, "SecurityRuleInvalidPriority", []string{"high"}},
		attempt{"PUT", g + "/securityRules/r", rule(obj{"protocol": "SCTP"}), 400, "InvalidRequestFormat", []string{"SCTP"}},
		attempt{"PUT", g + "/securityRules/r", rule(obj{"access": nil}), 400, "InvalidRequestFormat", []string{"properties.access"}},
		attempt{"PUT", g + "/securityRules/r", rule(obj{"sourceAddressPrefix": "20.20.20.20/16"}), 400, "SecurityRuleInvalidAddressPrefix", []string{"20.20.20.20/16"}},
		attempt{"PUT", g + "/securityRules/r", rule(obj{"destinationPortRange": "65580"}), 400, "SecurityRuleInvalidPortRange", []string{"65580"}},
		attempt{"PUT", g + "/securityRules/r", rule(obj{"destinationPortRange": "", "destinationPortRanges": []string{"80", "9-7"}}), 400, "SecurityRuleInvalidPortRange", []string{"9-7"}},
		attempt{"PUT", g + "/securityRules/r", rule(obj{"sourceAddressPrefix": "AzureCloud.westeurope"}), 201, "", []string{`"protocol":"Tcp"`, `"direction":"Inbound"`}},
		attempt{"PUT", g + "/securityRules/s", rule(nil), 400, "SecurityRuleConflict", []string{"Security rule s conflicts with rule r. Rules cannot have the same Priority and Direction."}},
		attempt{"PUT", g + "/securityRules/s", rule(obj{"direction": "Outbound"}), 201, "", nil},
		attempt{"PUT", g + "/defaultSecurityRules/AllowVnetInBound", rule(nil), 405, "HttpMethodNotAllowed", nil},
		attempt{"DELETE", g + "/defaultSecurityRules/AllowVnetInBound", nil, 405, "HttpMethodNotAllowed", nil},
		attempt{"PUT", rt, properties(obj{}), 201, "", []string{`"disableBgpRoutePropagation":false`}},
		attempt{"PUT", rt + "/routes/r", route("10.0.0.1/8", "Internet", ""), 400, "InvalidCIDRNotation", []string{"10.0.0.1/8", "/routes/r"}},
		attempt{"PUT", rt + "/routes/r", route("10.0.0.0/8", "Teleport", ""), 400, "InvalidRequestFormat", []string{"Teleport"}},
		attempt{"PUT", rt + "/routes/r", route("10.0.0.0/8", "VirtualAppliance", ""), 400, "RouteNextHopIpAddressIsRequired", nil},
		attempt{"PUT", rt + "/routes/r", route("10.0.0.0/8", "virtualAppliance", "10.1.0.4"), 201, "", []string{`"VirtualAppliance"`}},
		attempt{"PUT", rt + "/routes/s", route("AzureMonitor", "Internet", ""), 201, "", nil},
		attempt{"DELETE", rt + "/routes/r", nil, 200, "", nil},
		attempt{"DELETE", rt + "/routes/r", nil, 204, "", nil},
		attempt{"GET", g + "/defaultSecurityRules/DenyAllInBound", nil, 200, "", []string{"65500"}},
	)
}

// TestPublicAddresses hands out addresses and prefixes that never overlap, and names that nobody else has.
func TestPublicAddresses(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	net := "Microsoft.Network/"
	sku := func(name string, p obj) obj { b := properties(p); b["sku"] = obj{"name": name}; return b }
	prefix := rg + "/providers/" + net + "publicIPPrefixes/p"
	w.try(rg,
		attempt{"PUT", net + "publicIPAddresses/a", sku("Standard", obj{"publicIPAllocationMethod": "Dynamic"}), 400, "StandardSkuPublicIPAddressesMustBeStatic", []string{"must have AllocationMethod set to Static."}},
		attempt{"PUT", net + "publicIPAddresses/a", sku("Gold", obj{}), 400, "InvalidRequestFormat", []string{"Gold"}},
		attempt{"PUT", net + "publicIPAddresses/a", sku("standard", obj{"dnsSettings": obj{"domainNameLabel": "Shop"}}), 201, "", []string{`"shop.westeurope.cloudapp.azure.com"`, `"198.18.0.1"`, `"Static"`}},
		attempt{"PUT", net + "publicIPAddresses/a", sku("Basic", obj{}), 400, "SkuPropertyCannotBeChanged", nil},
		attempt{"PUT", net + "publicIPAddresses/b", sku("Standard", obj{"dnsSettings": obj{"domainNameLabel": "shop"}}), 400, "DnsRecordInUse", []string{"DNS record shop.westeurope.cloudapp.azure.com is already used by another public IP."}},
		attempt{"PUT", net + "publicIPAddresses/v6", sku("Standard", obj{"publicIPAddressVersion": "IPv6"}), 201, "", []string{`"2001:db8::1"`}},
		attempt{"PUT", net + "publicIPPrefixes/p", sku("Standard", obj{"prefixLength": 12}), 400, "InvalidRequestFormat", []string{"12"}},
		attempt{"PUT", net + "publicIPPrefixes/p", sku("Standard", obj{"prefixLength": 31}), 201, "", []string{`"198.18.0.2/31"`}},
		attempt{"PUT", net + "publicIPPrefixes/q", sku("Standard", obj{"prefixLength": 28}), 201, "", []string{`"198.18.0.16/28"`}},
		attempt{"PUT", net + "publicIPAddresses/p1", sku("Standard", obj{"publicIPPrefix": ref(prefix)}), 201, "", []string{`"198.18.0.2"`}},
		attempt{"PUT", net + "publicIPAddresses/p2", sku("Standard", obj{"publicIPPrefix": ref(prefix)}), 201, "", []string{`"198.18.0.3"`}},
		attempt{"PUT", net + "publicIPAddresses/p3", sku("Standard", obj{"publicIPPrefix": ref(prefix)}), 400, "PublicIpPrefixOutOfIpAddresses", nil},
		attempt{"DELETE", net + "publicIPPrefixes/p", nil, 400, "PublicIpPrefixCannotBeDeleted", []string{"publicIPAddresses/p1"}},
		attempt{"PUT", net + "publicIPAddresses/b", sku("Standard", obj{}), 201, "", []string{`"198.18.0.32"`}},
		attempt{"PUT", net + "natGateways/n", sku("Standard", obj{"publicIpAddresses": []obj{ref(rg + "/providers/" + net + "publicIPAddresses/b")}}), 201, "", []string{`"idleTimeoutInMinutes":4`}},
		attempt{"PUT", net + "natGateways/m", sku("Standard", obj{"publicIpAddresses": []obj{ref(rg + "/providers/" + net + "publicIPAddresses/b")}}), 400, "PublicIPAddressInUse", []string{"natGateways/n"}},
		attempt{"DELETE", net + "publicIPAddresses/b", nil, 400, "PublicIPAddressCannotBeDeleted", []string{"natGateways/n"}},
		attempt{"PUT", net + "publicIPAddresses/d", sku("Basic", obj{}), 201, "", []string{`"Dynamic"`}},
	)
	if got := op.get(prefix).ok(200); len(names(got.at("properties.publicIPAddresses"))) != 2 {
		t.Errorf("the prefix is %s", got.raw)
	}
	basic := rg + "/providers/" + net + "publicIPAddresses/d"
	if got := op.get(basic).ok(200); got.at("properties.ipAddress") != nil {
		t.Errorf("a dynamic address that nobody uses: %s", got.raw)
	}
	op.put(rg+"/providers/"+net+"loadBalancers/l", properties(obj{"frontendIPConfigurations": []obj{{"name": "f", "properties": obj{"publicIPAddress": ref(basic)}}}})).ok(201)
	if got := op.get(basic).ok(200); got.at("properties.ipAddress") == nil || got.str("properties.ipConfiguration.id") == "" {
		t.Errorf("a dynamic address in use: %s", got.raw)
	}
}

// TestLoadBalancers refuses frontends and rules that collide, and references to what is not there.
func TestLoadBalancers(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	const lb = "Microsoft.Network/loadBalancers/l"
	id := rg + "/providers/" + lb
	ip := rg + "/providers/Microsoft.Network/publicIPAddresses/i"
	vnet := rg + "/providers/Microsoft.Network/virtualNetworks/v"
	op.put(ip, obj{"location": "westeurope", "sku": obj{"name": "Basic"}}).ok(201)
	op.put(vnet, withSubnets(network("10.0.0.0/16"), subnet("s", "10.0.0.0/24"))).ok(201)
	body := func(p obj) obj {
		for k, v := range map[string]any{"frontendIPConfigurations": []obj{{"name": "f", "properties": obj{"subnet": ref(vnet + "/subnets/s")}}, {"name": "g", "properties": obj{"subnet": ref(vnet + "/subnets/s"), "privateIPAllocationMethod": "Static", "privateIPAddress": "10.0.0.4"}}},
			"backendAddressPools": []obj{{"name": "p"}}} {
			if p[k] == nil {
				p[k] = v
			}
		}
		b := properties(p)
		b["sku"] = obj{"name": "Standard"}
		return b
	}
	rule := func(name, front string, port, to int) obj {
		return obj{"name": name, "properties": obj{"protocol": "Tcp", "frontendPort": port, "backendPort": to, "frontendIPConfiguration": ref(id + "/frontendIPConfigurations/" + front), "backendAddressPool": ref(id + "/backendAddressPools/p")}}
	}
	w.try(rg,
		attempt{"PUT", lb, body(obj{"frontendIPConfigurations": []obj{{"name": "f", "properties": obj{"publicIPAddress": ref(ip)}}}}), 400, "DifferentSkuLoadBalancersAndPublicIPAddressNotAllowed", nil},
		attempt{"PUT", lb, body(obj{"loadBalancingRules": []obj{rule("r", "gone", 80, 80)}}), 400, "InvalidResourceReference", []string{"frontendIPConfigurations/gone", "loadBalancingRules/r"}},
		attempt{"PUT", lb, body(obj{"loadBalancingRules": []obj{rule("r", "f", 80, 80), rule("s", "f", 80, 81)}}), 400, "RulesUseSameFrontendPortProtocolAndIPConfig", nil},
		attempt{"PUT", lb, body(obj{"loadBalancingRules": []obj{rule("r", "f", 80, 80), rule("s", "g", 80, 80)}}), 400, "RulesUseSameBackendPortProtocolAndPool", []string{"with floating IP disabled use the same protocol Tcp and backend port 80"}},
		attempt{"PUT", lb, body(obj{"probes": []obj{{"name": "h", "properties": obj{"protocol": "Icmp", "port": 1}}}}), 400, "InvalidRequestFormat", []string{"Icmp"}},
		attempt{"PUT", lb, body(obj{"loadBalancingRules": []obj{rule("r", "f", 80, 80), rule("s", "g", 80, 81)}}), 201, "", []string{`"10.0.0.5"`, `"10.0.0.4"`}},
		attempt{"PUT", lb + "/backendAddressPools/q", obj{"properties": obj{"loadBalancerBackendAddresses": []obj{{"properties": obj{"ipAddress": "10.0.0.9"}}}}}, 400, "InvalidRequestFormat", []string{"loadBalancerBackendAddresses[].name"}},
		attempt{"PUT", lb + "/backendAddressPools/q", obj{"properties": obj{"loadBalancerBackendAddresses": []obj{{"name": "a", "properties": obj{"ipAddress": "10.0.0.9"}}}}}, 201, "", nil},
		attempt{"PUT", lb + "/probes/h", obj{"properties": obj{"protocol": "Tcp", "port": 1}}, 405, "HttpMethodNotAllowed", nil},
		attempt{"DELETE", lb + "/backendAddressPools/p", nil, 400, "InvalidResourceReference", []string{"backendAddressPools/p referenced by resource", "loadBalancingRules/"}},
		attempt{"DELETE", lb + "/backendAddressPools/q", nil, 200, "", nil},
	)
	nic := rg + "/providers/Microsoft.Network/networkInterfaces/n"
	op.put(nic, properties(obj{"ipConfigurations": []obj{{"name": "c", "properties": obj{"subnet": ref(vnet + "/subnets/s"), "loadBalancerBackendAddressPools": []obj{ref(id + "/backendAddressPools/p")}}}}})).ok(201)
	if got := op.get(id + "/backendAddressPools/p").ok(200); got.at("properties.backendIPConfigurations.0.id") != nic+"/ipConfigurations/c" || len(names(got.at("properties.loadBalancingRules"))) != 2 {
		t.Errorf("the pool is %s", got.raw)
	}
	op.delete(id).ok(202)
	if got := op.get(nic).ok(200).at("properties.ipConfigurations.0.properties.loadBalancerBackendAddressPools"); len(got.([]any)) != 0 {
		t.Errorf("the interface is still in %v", got)
	}
}

// TestUsedGuards refuses to delete what guards and plans are used by.
func TestUsedGuards(t *testing.T) {
	w := newWorld(t)
	s := w.site()
	op := w.operator
	op.do("PUT", s.vnet, withSubnets(properties(obj{"addressSpace": obj{"addressPrefixes": []string{"10.0.0.0/16"}}, "ddosProtectionPlan": ref(s.plan), "enableDdosProtection": true}),
		obj{"name": "snet", "properties": obj{"addressPrefix": "10.0.0.0/22", "routeTable": ref(s.table), "natGateway": ref(s.nat), "serviceEndpointPolicies": []obj{ref(s.policy)}}},
		subnet("gw", "10.0.5.0/24"), obj{"name": "links", "properties": obj{"addressPrefix": "10.0.4.0/24", "privateLinkServiceNetworkPolicies": "Disabled"}})).ok(200)
	op.put(s.own+"/providers/Microsoft.Compute/virtualMachineScaleSets/v", setOf(1, obj{"subnet": ref(s.subnet)}, obj{"networkSecurityGroup": ref(s.nsg)}, nil)).ok(201)
	op.put(s.hub+"/providers/Microsoft.Network/networkInterfaces/asg", properties(obj{"ipConfigurations": []obj{{"name": "c", "properties": obj{"subnet": ref(s.subnet), "applicationSecurityGroups": []obj{ref(s.asg)}}}}})).ok(201)
	for id, code := range map[string]string{
		s.plan: "InUseDdosProtectionPlanCannotBeDeleted", s.table: "InUseRouteTableCannotBeDeleted", s.nat: "InUseNatGatewayCannotBeDeleted",
		s.policy: "InUseServiceEndpointPolicyCannotBeDeleted", s.nsg: "NetworkSecurityGroupInUseByVirtualMachineScaleSet", s.asg: "InUseApplicationSecurityGroupCannotBeDeleted",
		s.lb: "CannotDeleteLoadBalancerWithPrivateLinkService",
	} {
		op.delete(id).refused(400, code)
	}
	for id, path := range map[string]string{s.plan: "virtualNetworks", s.table: "subnets", s.nat: "subnets", s.policy: "subnets"} {
		if got := names(op.get(id).ok(200).at("properties." + path)); len(got) != 1 || !strings.HasPrefix(got[0], s.vnet) {
			t.Errorf("%s is used by %v", id, got)
		}
	}
}

// TestGateways keeps an application gateway's subnet for gateways, and starts and stops it.
func TestGateways(t *testing.T) {
	w := newWorld(t)
	s := w.site()
	gw := s.own + "/providers/Microsoft.Network/applicationGateways/gw"
	body := func(subnet string) obj {
		return properties(obj{"sku": obj{"name": "Standard_v2", "tier": "Standard_v2", "capacity": 1}, "gatewayIPConfigurations": []obj{{"name": "c", "properties": obj{"subnet": ref(subnet)}}},
			"frontendIPConfigurations": []obj{{"name": "pub", "properties": obj{"publicIPAddress": ref(s.ip)}}, {"name": "priv", "properties": obj{"subnet": ref(subnet)}}},
			"frontendPorts":            []obj{{"name": "p80", "properties": obj{"port": 80}}}, "backendAddressPools": []obj{{"name": "pool"}},
			"backendHttpSettingsCollection": []obj{{"name": "http", "properties": obj{"port": 80, "protocol": "Http"}}},
			"httpListeners":                 []obj{{"name": "l", "properties": obj{"protocol": "Http", "frontendIPConfiguration": ref(gw + "/frontendIPConfigurations/pub"), "frontendPort": ref(gw + "/frontendPorts/p80")}}}})
	}
	op := w.operator
	op.put(gw, properties(obj{"gatewayIPConfigurations": []obj{}})).refused(400, "InvalidRequestFormat", "properties.sku")
	op.put(gw, body(s.subnet)).refused(400, "ApplicationGatewaySubnetCannotBeUsedByOtherResources")
	secret := body(s.gateway)
	secret["properties"].(obj)["sslCertificates"] = []obj{{"name": "c", "properties": obj{"data": "c2VjcmV0LTE=", "password": "secret-2"}}}
	if r := op.put(gw, secret).ok(201); strings.Contains(r.raw, "c2VjcmV0LTE=") || strings.Contains(r.raw, "secret-2") {
		t.Errorf("a certificate's key comes back: %s", r.raw)
	}
	broken := body(s.gateway)
	broken["properties"].(obj)["frontendPorts"] = []obj{}
	op.put(gw, broken).refused(400, "InvalidResourceReference", "frontendPorts/p80")
	got := op.get(gw).ok(200)
	if got.str("properties.operationalState") != "Running" || got.str("properties.frontendIPConfigurations.1.properties.privateIPAddress") != "10.0.5.4" || got.str("properties.httpListeners.0.id") != gw+"/httpListeners/l" {
		t.Errorf("the gateway is %s", got.raw)
	}
	op.do("POST", gw+"/stop", nil).ok(200)
	if got := op.get(gw).ok(200).str("properties.operationalState"); got != "Stopped" {
		t.Errorf("the gateway is %s", got)
	}
	op.delete(s.gateway).refused(400, "InUseSubnetCannotBeDeleted", gw+"/")
}
