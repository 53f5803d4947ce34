package cloud_test

import (
	"fmt"
	"strings"
	"testing"
)

// allow gives a principal exactly the named actions at a scope, through a custom role.
func (w *world) allow(principal, scope string, actions ...string) {
	w.Helper()
	role, sub := guid(), strings.Join(strings.Split(scope, "/")[:3], "/")
	id := sub + "/providers/Microsoft.Authorization/roleDefinitions/" + role
	w.operator.put(id, obj{"properties": obj{"roleName": "custom " + role, "assignableScopes": []string{sub}, "permissions": []obj{{"actions": actions}}}}).ok(201)
	w.operator.put(scope+"/providers/Microsoft.Authorization/roleAssignments/"+guid(), obj{"properties": obj{"principalId": principal, "roleDefinitionId": id}}).ok(201)
}

// site is a network with one of everything that others refer to, which nobody but the operator may use.
type site struct {
	hub, own                                                                     string // resource groups
	vnet, subnet, links, gateway, table, nsg, asg, nat, policy, plan, ip, prefix string
	lb, pool, natRule, natPool, probe, frontend, zone, service, nic              string
	registry, identity, des, disk, snapshot, reservations, hosts                 string
}

func (w *world) site() site {
	w.Helper()
	s := site{hub: w.group(w.hub, "rg-site"), own: w.group(w.platform, "rg-own")}
	net, compute := s.hub+"/providers/Microsoft.Network/", s.hub+"/providers/Microsoft.Compute/"
	make := func(id string, properties obj, more ...obj) string {
		w.Helper()
		body := obj{"location": "westeurope", "properties": properties}
		for _, m := range more {
			for k, v := range m {
				body[k] = v
			}
		}
		if r := w.operator.put(id, body); r.status > 202 {
			w.Fatalf("PUT %s: %d %s", id, r.status, r.raw)
		}
		return id
	}
	standard := obj{"sku": obj{"name": "Standard"}}
	s.table, s.nsg = make(net+"routeTables/rt", obj{}), make(net+"networkSecurityGroups/nsg", obj{})
	s.asg, s.plan = make(net+"applicationSecurityGroups/asg", obj{}), make(net+"ddosProtectionPlans/plan", obj{})
	s.nat, s.policy = make(net+"natGateways/nat", obj{}, standard), make(net+"serviceEndpointPolicies/sep", obj{})
	s.ip, s.prefix = make(net+"publicIPAddresses/ip", obj{}, standard), make(net+"publicIPPrefixes/prefix", obj{"prefixLength": 28}, standard)
	s.vnet = make(net+"virtualNetworks/vnet", obj{"addressSpace": obj{"addressPrefixes": []string{"10.0.0.0/16"}}, "subnets": []obj{
		{"name": "snet", "properties": obj{"addressPrefix": "10.0.0.0/22"}}, {"name": "gw", "properties": obj{"addressPrefix": "10.0.5.0/24"}},
		{"name": "links", "properties": obj{"addressPrefix": "10.0.4.0/24", "privateLinkServiceNetworkPolicies": "Disabled"}}}})
	s.subnet, s.links, s.gateway = s.vnet+"/subnets/snet", s.vnet+"/subnets/links", s.vnet+"/subnets/gw"
	s.lb = net + "loadBalancers/lb"
	s.frontend, s.pool, s.probe = s.lb+"/frontendIPConfigurations/f", s.lb+"/backendAddressPools/p", s.lb+"/probes/h"
	s.natRule, s.natPool = s.lb+"/inboundNatRules/n", s.lb+"/inboundNatPools/np"
	make(s.lb, obj{"frontendIPConfigurations": []obj{{"name": "f", "properties": obj{"subnet": obj{"id": s.subnet}}}}, "backendAddressPools": []obj{{"name": "p"}},
		"probes":          []obj{{"name": "h", "properties": obj{"protocol": "Tcp", "port": 80}}},
		"inboundNatRules": []obj{{"name": "n", "properties": obj{"protocol": "Tcp", "frontendPort": 22, "backendPort": 22, "frontendIPConfiguration": obj{"id": s.frontend}}}},
		"inboundNatPools": []obj{{"name": "np", "properties": obj{"protocol": "Tcp", "frontendPortRangeStart": 100, "frontendPortRangeEnd": 200, "backendPort": 22, "frontendIPConfiguration": obj{"id": s.frontend}}}}}, standard)
	s.zone = net + "privateDnsZones/privatelink.azurecr.io"
	w.operator.put(s.zone, obj{"location": "global"}).ok(201)
	s.service = make(net+"privateLinkServices/pls", obj{"loadBalancerFrontendIpConfigurations": []obj{{"id": s.frontend}}, "ipConfigurations": []obj{{"name": "nat", "properties": obj{"subnet": obj{"id": s.links}}}}})
	s.nic = make(net+"networkInterfaces/nic", obj{"ipConfigurations": []obj{{"name": "c", "properties": obj{"subnet": obj{"id": s.subnet}}}}})
	s.registry = make(s.hub+"/providers/Microsoft.ContainerRegistry/registries/siteacr", obj{}, obj{"sku": obj{"name": "Premium"}})
	s.identity, _, _ = w.identity(s.hub, "id-site")
	s.des = make(compute+"diskEncryptionSets/des", obj{"activeKey": obj{"keyUrl": "https://kv.vault.azure.net/keys/k/1"}}, obj{"identity": obj{"type": "SystemAssigned"}})
	s.disk = make(compute+"disks/disk", obj{"creationData": obj{"createOption": "Empty"}, "diskSizeGB": 8})
	s.snapshot = make(compute+"snapshots/snap", obj{"creationData": obj{"createOption": "Copy", "sourceResourceId": s.disk}})
	s.reservations = make(compute+"capacityReservationGroups/crg", obj{})
	s.hosts = make(compute+"hostGroups/hg", obj{"platformFaultDomainCount": 1})
	return s
}

func ref(id string) obj { return obj{"id": id} }

// machineOf is a scale set's body with one configuration.
func setOf(capacity int, config, nic, profile obj) obj {
	n := obj{"primary": true, "ipConfigurations": []obj{{"name": "c", "properties": config}}}
	for k, v := range nic {
		n[k] = v
	}
	p := obj{"osProfile": obj{"computerNamePrefix": "np"}, "networkProfile": obj{"networkInterfaceConfigurations": []obj{{"name": "nic", "properties": n}}}}
	for k, v := range profile {
		p[k] = v
	}
	return obj{"location": "westeurope", "sku": obj{"name": "Standard_D2s_v3", "capacity": capacity}, "properties": obj{"virtualMachineProfile": p}}
}

// link is a reference that a PUT carries, and the right that it takes (azure-facts 3.8).
type link struct {
	name   string
	path   string // under the own resource group's providers
	body   obj
	action string
	scope  string
	own    bool // the resource provider refuses in its own words
}

func properties(p obj) obj { return obj{"location": "westeurope", "properties": p} }

func networkLinks(s site) []link {
	net := "Microsoft.Network/"
	lb := func(p obj) obj { b := properties(p); b["sku"] = obj{"name": "Standard"}; return b }
	frontend := func(p obj) obj { return lb(obj{"frontendIPConfigurations": []obj{{"name": "f", "properties": p}}}) }
	nic := func(config, more obj) obj {
		p := obj{"ipConfigurations": []obj{{"name": "c", "properties": config}}}
		for k, v := range more {
			p[k] = v
		}
		return properties(p)
	}
	subnet := func(p obj) obj { p["addressPrefix"] = "10.1.0.0/24"; return obj{"properties": p} }
	return []link{
		{"load balancer: public IP", net + "loadBalancers/l1", frontend(obj{"publicIPAddress": ref(s.ip)}), net + "publicIPAddresses/join/action", s.ip, false},
		{"load balancer: prefix", net + "loadBalancers/l2", frontend(obj{"publicIPPrefix": ref(s.prefix)}), net + "publicIPPrefixes/join/action", s.prefix, false},
		{"load balancer: subnet", net + "loadBalancers/l3", frontend(obj{"subnet": ref(s.subnet)}), net + "virtualNetworks/subnets/join/action", s.subnet, false},
		{"load balancer: pool of addresses", net + "loadBalancers/l4", lb(obj{"backendAddressPools": []obj{{"name": "p", "properties": obj{"virtualNetwork": ref(s.vnet)}}}}), net + "virtualNetworks/joinLoadBalancer/action", s.vnet, false},
		{"load balancer: addresses of a pool", net + "loadBalancers/l5", lb(obj{"backendAddressPools": []obj{{"name": "p", "properties": obj{"loadBalancerBackendAddresses": []obj{{"name": "a", "properties": obj{"ipAddress": "10.0.0.9", "virtualNetwork": ref(s.vnet)}}}}}}}), net + "virtualNetworks/joinLoadBalancer/action", s.vnet, false},
		{"interface: subnet", net + "networkInterfaces/n1", nic(obj{"subnet": ref(s.subnet)}, nil), net + "virtualNetworks/subnets/join/action", s.subnet, false},
		{"public IP: prefix", net + "publicIPAddresses/i1", lb(obj{"publicIPPrefix": ref(s.prefix)}), net + "publicIPPrefixes/join/action", s.prefix, false},
		{"NAT gateway: public IP", net + "natGateways/g1", lb(obj{"publicIpAddresses": []obj{ref(s.ip)}}), net + "publicIPAddresses/join/action", s.ip, false},
		{"NAT gateway: prefix", net + "natGateways/g2", lb(obj{"publicIpPrefixes": []obj{ref(s.prefix)}}), net + "publicIPPrefixes/join/action", s.prefix, false},
		{"network: DDoS plan", net + "virtualNetworks/v1", properties(obj{"addressSpace": obj{"addressPrefixes": []string{"10.9.0.0/16"}}, "enableDdosProtection": true, "ddosProtectionPlan": ref(s.plan)}), net + "ddosProtectionPlans/join/action", s.plan, false},
		{"network: route table of a subnet", net + "virtualNetworks/v2", properties(obj{"addressSpace": obj{"addressPrefixes": []string{"10.9.0.0/16"}}, "subnets": []obj{{"name": "s", "properties": obj{"addressPrefix": "10.9.0.0/24", "routeTable": ref(s.table)}}}}), net + "routeTables/join/action", s.table, false},
		{"subnet: route table", net + "virtualNetworks/own/subnets/s1", subnet(obj{"routeTable": ref(s.table)}), net + "routeTables/join/action", s.table, false},
		{"subnet: security group", net + "virtualNetworks/own/subnets/s1", subnet(obj{"networkSecurityGroup": ref(s.nsg)}), net + "networkSecurityGroups/join/action", s.nsg, false},
		{"subnet: NAT gateway", net + "virtualNetworks/own/subnets/s1", subnet(obj{"natGateway": ref(s.nat)}), net + "natGateways/join/action", s.nat, false},
		{"subnet: endpoint policy", net + "virtualNetworks/own/subnets/s1", subnet(obj{"serviceEndpointPolicies": []obj{ref(s.policy)}}), net + "serviceEndpointPolicies/join/action", s.policy, false},
		{"peering", net + "virtualNetworks/own/virtualNetworkPeerings/p", obj{"properties": obj{"remoteVirtualNetwork": ref(s.vnet)}}, net + "virtualNetworks/peer/action", s.vnet, false},
		{"rule: application security group", net + "networkSecurityGroups/g1", properties(obj{"securityRules": []obj{{"name": "r", "properties": obj{"protocol": "Tcp", "access": "Allow", "direction": "Inbound", "priority": 100, "sourceAddressPrefix": "*", "sourcePortRange": "*",
			"destinationPortRange": "80", "destinationApplicationSecurityGroups": []obj{ref(s.asg)}}}}}), net + "applicationSecurityGroups/joinNetworkSecurityRule/action", s.asg, false},
		{"zone link: network", net + "privateDnsZones/own.test/virtualNetworkLinks/l", obj{"location": "global", "properties": obj{"virtualNetwork": ref(s.vnet)}}, net + "virtualNetworks/join/action", s.vnet, false},
		{"zone group: zone", net + "privateEndpoints/own/privateDnsZoneGroups/default", obj{"properties": obj{"privateDnsZoneConfigs": []obj{{"name": "z", "properties": obj{"privateDnsZoneId": s.zone}}}}}, net + "privateDnsZones/join/action", s.zone, false},
		{"endpoint: subnet", net + "privateEndpoints/e1", properties(obj{"subnet": ref(s.subnet), "manualPrivateLinkServiceConnections": []obj{{"name": "c", "properties": obj{"privateLinkServiceId": s.registry, "groupIds": []string{"registry"}}}}}), net + "virtualNetworks/subnets/join/action", s.subnet, false},
		{"link service: subnet", net + "privateLinkServices/s1", properties(obj{"destinationIPAddress": "10.0.0.9", "ipConfigurations": []obj{{"name": "c", "properties": obj{"subnet": ref(s.links)}}}}), net + "virtualNetworks/subnets/join/action", s.links, false},
		{"gateway: subnet", net + "applicationGateways/g1", properties(obj{"sku": obj{"name": "Standard_v2", "tier": "Standard_v2"}, "gatewayIPConfigurations": []obj{{"name": "c", "properties": obj{"subnet": ref(s.gateway)}}}}), net + "virtualNetworks/subnets/join/action", s.gateway, true},
	}
}

// nearLinks refer to a subnet or network of the caller's own, so that one right is at stake.
func nearLinks(s site, subnet, links string) []link {
	net := "Microsoft.Network/"
	nic := func(config, more obj) obj {
		config["subnet"] = ref(subnet)
		p := obj{"ipConfigurations": []obj{{"name": "c", "properties": config}}}
		for k, v := range more {
			p[k] = v
		}
		return properties(p)
	}
	endpoint := func(target string) obj {
		return properties(obj{"subnet": ref(subnet), "privateLinkServiceConnections": []obj{{"name": "c", "properties": obj{"privateLinkServiceId": target, "groupIds": []string{"registry"}}}}})
	}
	return []link{
		{"interface: pool", net + "networkInterfaces/n2", nic(obj{"loadBalancerBackendAddressPools": []obj{ref(s.pool)}}, nil), net + "loadBalancers/backendAddressPools/join/action", s.pool, false},
		{"interface: NAT rule", net + "networkInterfaces/n3", nic(obj{"loadBalancerInboundNatRules": []obj{ref(s.natRule)}}, nil), net + "loadBalancers/inboundNatRules/join/action", s.natRule, false},
		{"interface: security group", net + "networkInterfaces/n4", nic(obj{}, obj{"networkSecurityGroup": ref(s.nsg)}), net + "networkSecurityGroups/join/action", s.nsg, false},
		{"interface: public IP", net + "networkInterfaces/n5", nic(obj{"publicIPAddress": ref(s.ip)}, nil), net + "publicIPAddresses/join/action", s.ip, false},
		{"endpoint: registry", net + "privateEndpoints/e2", endpoint(s.registry), "Microsoft.ContainerRegistry/registries/PrivateEndpointConnectionsApproval/action", s.registry, false},
		{"endpoint: link service", net + "privateEndpoints/e3", endpoint(s.service), net + "privateLinkServices/PrivateEndpointConnectionsApproval/action", s.service, false},
		{"link service: frontend", net + "privateLinkServices/s2", properties(obj{"loadBalancerFrontendIpConfigurations": []obj{ref(s.frontend)}, "ipConfigurations": []obj{{"name": "c", "properties": obj{"subnet": ref(links)}}}}),
			net + "loadBalancers/frontendIPConfigurations/join/action", s.frontend, false},
	}
}

func computeLinks(s site, subnet, nic string) []link {
	net, compute := "Microsoft.Network/", "Microsoft.Compute/"
	sets := compute + "virtualMachineScaleSets/"
	near := func(more obj) obj { more["subnet"] = ref(subnet); return more }
	inst := func(config, more obj) obj {
		n := obj{"primary": true, "ipConfigurations": []obj{{"name": "c", "properties": config}}}
		for k, v := range more {
			n[k] = v
		}
		return obj{"properties": obj{"networkProfileConfiguration": obj{"networkInterfaceConfigurations": []obj{{"name": "nic", "properties": n}}}}}
	}
	with := func(b obj, k string, v any) obj { b[k] = v; return b }
	vm := func(more obj) obj {
		p := obj{"hardwareProfile": obj{"vmSize": "Standard_D2s_v3"}, "storageProfile": obj{"osDisk": obj{"createOption": "FromImage"}}, "networkProfile": obj{"networkInterfaces": []obj{ref(nic)}}}
		for k, v := range more {
			p[k] = v
		}
		return properties(p)
	}
	assign := "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"
	user := obj{"type": "UserAssigned", "userAssignedIdentities": obj{s.identity: obj{}}}
	return []link{
		{"scale set: subnet", sets + "v1", setOf(1, obj{"subnet": ref(s.subnet)}, nil, nil), net + "virtualNetworks/subnets/join/action", s.subnet, false},
		{"scale set: pool", sets + "v2", setOf(1, near(obj{"loadBalancerBackendAddressPools": []obj{ref(s.pool)}}), nil, nil), net + "loadBalancers/backendAddressPools/join/action", s.pool, false},
		{"scale set: NAT pool", sets + "v3", setOf(1, near(obj{"loadBalancerInboundNatPools": []obj{ref(s.natPool)}}), nil, nil), net + "loadBalancers/inboundNatPools/join/action", s.natPool, false},
		{"scale set: security group", sets + "v4", setOf(1, near(obj{}), obj{"networkSecurityGroup": ref(s.nsg)}, nil), net + "networkSecurityGroups/join/action", s.nsg, false},
		{"scale set: probe", sets + "v5", func() obj {
			b := setOf(1, near(obj{}), nil, nil)
			b["properties"].(obj)["virtualMachineProfile"].(obj)["networkProfile"].(obj)["healthProbe"] = ref(s.probe)
			return b
		}(), net + "loadBalancers/probes/join/action", s.probe, false},
		{"scale set: identity", sets + "v6", with(setOf(1, near(obj{}), nil, nil), "identity", user), assign, s.identity, false},
		{"scale set: encryption set", sets + "v7", setOf(1, near(obj{}), nil, obj{"storageProfile": obj{"osDisk": obj{"createOption": "FromImage", "managedDisk": obj{"diskEncryptionSet": ref(s.des)}}}}), compute + "diskEncryptionSets/read", s.des, false},
		{"scale set: reservation", sets + "v8", setOf(1, near(obj{}), nil, obj{"capacityReservation": obj{"capacityReservationGroup": ref(s.reservations)}}), compute + "capacityReservationGroups/deploy/action", s.reservations, false},
		{"instance: subnet", sets + "own/virtualMachines/0", inst(obj{"subnet": ref(s.subnet)}, nil), net + "virtualNetworks/subnets/join/action", s.subnet, false},
		{"instance: pool", sets + "own/virtualMachines/0", inst(near(obj{"loadBalancerBackendAddressPools": []obj{ref(s.pool)}}), nil), net + "loadBalancers/backendAddressPools/join/action", s.pool, false},
		{"instance: security group", sets + "own/virtualMachines/0", inst(near(obj{}), obj{"networkSecurityGroup": ref(s.nsg)}), net + "networkSecurityGroups/join/action", s.nsg, false},
		{"instance: disk", sets + "own/virtualMachines/0", obj{"properties": obj{"storageProfile": obj{"dataDisks": []obj{{"lun": 0, "createOption": "Attach", "managedDisk": ref(s.disk)}}}}}, compute + "disks/write", s.disk, false},
		{"machine: interface", compute + "virtualMachines/m1", vm(obj{"networkProfile": obj{"networkInterfaces": []obj{ref(s.nic)}}}), net + "networkInterfaces/join/action", s.nic, false},
		{"machine: identity", compute + "virtualMachines/m2", with(vm(nil), "identity", user), assign, s.identity, false},
		{"machine: host group", compute + "virtualMachines/m2", vm(obj{"hostGroup": ref(s.hosts)}), compute + "hostGroups/read", s.hosts, false},
		{"disk: encryption set", compute + "disks/d1", properties(obj{"creationData": obj{"createOption": "Empty"}, "diskSizeGB": 4, "encryption": obj{"diskEncryptionSetId": s.des}}), compute + "diskEncryptionSets/read", s.des, false},
		{"disk: from a snapshot", compute + "disks/d2", properties(obj{"creationData": obj{"createOption": "Copy", "sourceResourceId": s.snapshot}}), compute + "disks/beginGetAccess/action", s.snapshot, false},
		{"snapshot: of a disk", compute + "snapshots/s1", properties(obj{"creationData": obj{"createOption": "Copy", "sourceResourceId": s.disk}}), compute + "disks/beginGetAccess/action", s.disk, false},
	}
}

// TestLinks takes the right on the linked resource away and sees the call refused with its action and scope;
// gives exactly that right and sees the call pass.
func TestLinks(t *testing.T) {
	w := newWorld(t)
	s := w.site()
	op, net := w.operator, s.own+"/providers/Microsoft.Network/"
	op.put(net+"virtualNetworks/own", properties(obj{"addressSpace": obj{"addressPrefixes": []string{"10.1.0.0/16"}}, "subnets": []obj{
		{"name": "near", "properties": obj{"addressPrefix": "10.1.4.0/22"}}, {"name": "links", "properties": obj{"addressPrefix": "10.1.8.0/24", "privateLinkServiceNetworkPolicies": "Disabled"}}}})).ok(201)
	near, links := net+"virtualNetworks/own/subnets/near", net+"virtualNetworks/own/subnets/links"
	op.put(net+"privateDnsZones/own.test", obj{"location": "global"}).ok(201)
	op.put(net+"privateEndpoints/own", properties(obj{"subnet": ref(near), "privateLinkServiceConnections": []obj{{"name": "c", "properties": obj{"privateLinkServiceId": s.registry, "groupIds": []string{"registry"}}}}})).ok(201)
	op.put(net+"networkInterfaces/own", properties(obj{"ipConfigurations": []obj{{"name": "c", "properties": obj{"subnet": ref(near)}}}})).ok(201)
	op.put(s.own+"/providers/Microsoft.Compute/virtualMachineScaleSets/own", setOf(1, obj{"subnet": ref(near)}, nil, nil)).ok(201)

	outer := w.TB
	all := append(networkLinks(s), nearLinks(s, near, links)...)
	for i, l := range append(all, computeLinks(s, near, net+"networkInterfaces/own")...) {
		t.Run(l.name, func(t *testing.T) {
			w.TB = t
			defer func() { w.TB = outer }()
			u := w.application(fmt.Sprintf("caller-%d", i))
			w.grant(u.id, "Contributor", s.own)
			path := s.own + "/providers/" + l.path
			refused := func() {
				t.Helper()
				r := u.put(path, l.body)
				if l.own {
					r.refused(400, "ApplicationGatewayInsufficientPermissionOnSubnet", u.id, l.scope, l.action)
					return
				}
				r.refused(403, "LinkedAuthorizationFailed", "/write' on scope '"+path+"'", "'"+l.action+"' on the linked scope(s) '"+l.scope+"'")
			}
			refused()
			w.allow(u.id, s.hub, "*/read") // any other right does not help
			if !strings.HasSuffix(l.action, "/read") {
				refused()
				w.allow(u.id, l.scope, l.action)
			}
			if r := u.put(path, l.body); r.status > 202 {
				t.Errorf("with the right: %d %s", r.status, r.raw)
			}
			if !strings.Contains(l.path, "/own") {
				if r := op.delete(path); r.status > 204 {
					t.Errorf("delete: %d %s", r.status, r.raw)
				}
			}
		})
	}
}
