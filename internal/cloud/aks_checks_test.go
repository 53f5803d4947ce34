package cloud_test

import (
	"strings"
	"testing"
)

// place is a network with what clusters are brought: subnets, a zone, a vault, and two identities.
type place struct {
	*world
	rg, vnet        string
	user, principal string // a user-assigned identity and its object id
	creator         *user  // Contributor of the group alone
	zone, vault     string
}

func newPlace(t *testing.T) *place {
	w := newWorld(t)
	s := &place{world: w, rg: w.group(w.platform, "rg1")}
	net := w.group(w.hub, "rg-net")
	s.vnet = net + "/providers/Microsoft.Network/virtualNetworks/v1"
	w.operator.put(s.vnet, obj{"location": "westeurope", "properties": obj{"addressSpace": obj{"addressPrefixes": []string{"10.0.0.0/16"}},
		"subnets": []obj{{"name": "nodes", "properties": obj{"addressPrefix": "10.0.0.0/24"}}, {"name": "pods", "properties": obj{"addressPrefix": "10.0.1.0/24"}},
			{"name": "api", "properties": obj{"addressPrefix": "10.0.2.0/28"}}}}}).ok(201)
	s.user, s.principal, _ = w.identity(s.rg, "id1")
	s.zone = net + "/providers/Microsoft.Network/privateDnsZones/privatelink.westeurope.azmk8s.io"
	w.operator.run("PUT", s.zone, obj{"location": "global"})
	s.vault = net + "/providers/Microsoft.KeyVault/vaults/kms-vault"
	w.operator.put(s.vault, obj{"location": "westeurope", "properties": obj{"tenantId": w.tenant, "sku": obj{"family": "A", "name": "standard"}, "enableRbacAuthorization": true}}).ok(200)
	s.creator = w.application("creator")
	w.grant(s.creator.id, "Contributor", s.rg)
	return s
}

func (s *place) subnet(name string) string { return s.vnet + "/subnets/" + name }

// create is a PUT of a new cluster to its end.
func (s *place) create(by *user, name string, identity, properties obj) reply {
	s.Helper()
	return by.run("PUT", s.cluster(s.rg, name).id, clusterBody(identity, properties))
}

// TestTwoCallers creates a cluster on a subnet elsewhere: its creator's right is checked with the PUT, the cluster
// identity's when the cluster's controllers write (azure-facts, finding 5).
func TestTwoCallers(t *testing.T) {
	s := newPlace(t)
	roles["Subnet join"] = s.role("Subnet join", "Microsoft.Network/virtualNetworks/subnets/join/action", "Microsoft.Network/virtualNetworks/subnets/read")
	nodes := obj{"agentPoolProfiles": []obj{pool(obj{"vnetSubnetID": s.subnet("nodes"), "podSubnetID": s.subnet("pods")})}}
	refused := func(action, scope string) {
		t.Helper()
		s.create(s.creator, "c1", userIdentity(s.user), nodes).refused(403, "LinkedAuthorizationFailed",
			s.creator.id, "'Microsoft.ContainerService/managedClusters/write'", "'"+action+"' on the linked scope(s) '"+scope+"'")
	}
	// Links are decided one by one: the identity is the creator's own to assign, the subnets are not.
	refused("Microsoft.Network/virtualNetworks/subnets/join/action", s.subnet("nodes"))
	s.grant(s.creator.id, "Subnet join", s.subnet("nodes"))
	refused("Microsoft.Network/virtualNetworks/subnets/join/action", s.subnet("pods"))
	s.grant(s.creator.id, "Subnet join", s.subnet("pods"))
	s.create(s.creator, "c1", userIdentity(s.user), nodes).ok(200)
	c := s.cluster(s.rg, "c1")
	lb := obj{"location": "westeurope", "sku": obj{"name": "Standard"}, "properties": obj{"frontendIPConfigurations": []obj{{"name": "f", "properties": obj{"subnet": obj{"id": s.subnet("nodes")}}}}}}
	internal := c.nodes + "/providers/Microsoft.Network/loadBalancers/kubernetes-internal"
	s.machine(c.id).put(internal, lb).refused(403, "LinkedAuthorizationFailed", s.principal, "'Microsoft.Network/loadBalancers/write'", s.subnet("nodes"))
	s.grant(s.principal, "Subnet join", s.subnet("nodes"))
	s.machine(c.id).put(internal, lb).ok(201)
}

// role makes a custom role over both subscriptions and returns its id.
func (w *world) role(name string, actions ...string) string {
	w.Helper()
	id := guid()
	w.operator.put(w.platform+"/providers/Microsoft.Authorization/roleDefinitions/"+id, obj{"properties": obj{"roleName": name, "type": "CustomRole",
		"assignableScopes": []string{w.platform, w.hub}, "permissions": []obj{{"actions": actions}}}}).ok(201)
	return id
}

// TestPrivateClusters brings private DNS zones, and lets AKS make its own.
func TestPrivateClusters(t *testing.T) {
	s := newPlace(t)
	roles["Private DNS Zone Contributor"] = "b12aa53e-6015-4669-85d0-8515ebb3ae7f"
	private := func(zone string) obj {
		return obj{"apiServerAccessProfile": obj{"enablePrivateCluster": true, "privateDNSZone": zone}, "agentPoolProfiles": []obj{pool(obj{"vnetSubnetID": s.subnet("nodes")})}}
	}
	op := s.operator
	s.create(op, "c1", userIdentity(s.user), private("nonsense")).refused(400, "InvalidPrivateDNSZoneResourceID", "nonsense")
	s.create(op, "c1", userIdentity(s.user), private(s.zone+".none")).refused(400, "PrivateDNSZoneResourceNotFoundError")
	s.create(op, "c1", system, private(s.zone)).refused(400, "SystemAssignedIdentityNotSupportedForCustomPrivateDNSZone")
	missing := func(version, code, action string) {
		t.Helper()
		r := op.put(s.cluster(s.rg, "c1").id+"?api-version="+version, clusterBody(userIdentity(s.user), private(s.zone)))
		r.refused(400, code, s.zone, "Check access result not allowed for action Microsoft.Network/privateDnsZones/"+action+".")
	}
	missing("2023-10-01", "CustomPrivateDNSZoneMissingPermissionError", "read")
	missing("2025-10-01", "ResourceMissingPermissionError", "read")
	reader := s.grant(s.principal, "Reader", s.zone)
	missing("2023-10-01", "CustomPrivateDNSZoneMissingPermissionError", "write")
	zone := s.grant(s.principal, "Private DNS Zone Contributor", s.zone)
	op.delete(reader).ok(200)

	// The zone may be written, the network not linked: AKS begins and fails.
	failed := s.create(op, "c1", userIdentity(s.user), private(s.zone))
	if failed.str("status") != "Failed" || failed.str("error.code") != "LinkedAuthorizationFailed" || !strings.Contains(failed.raw, "Microsoft.Network/virtualNetworks/join/action") {
		t.Fatalf("without the right on the network: %s", failed.raw)
	}
	c := s.cluster(s.rg, "c1")
	if got := c.get(); got.str("properties.provisioningState") != "Failed" || got.str("properties.agentPoolProfiles.0.provisioningState") != "Failed" {
		t.Errorf("the cluster is %s", got.raw)
	}
	s.grant(s.principal, "Network Contributor", s.vnet)
	healed := c.update(nil, nil).ok(200)
	if healed.str("properties.provisioningState") != "Succeeded" || healed.str("properties.agentPoolProfiles.0.provisioningState") != "Succeeded" ||
		!strings.HasSuffix(healed.str("properties.privateFQDN"), ".privatelink.westeurope.azmk8s.io") {
		t.Errorf("after the grant: %s", healed.raw)
	}
	if links := op.get(s.zone + "/virtualNetworkLinks").ok(200).list("properties.virtualNetwork.id"); len(links) != 1 || !strings.EqualFold(links[0], s.vnet) {
		t.Errorf("links of the zone: %v", links)
	}
	name := strings.Split(healed.str("properties.privateFQDN"), ".")[0]
	if ip := op.get(s.zone + "/A/" + name).ok(200).str("properties.aRecords.0.ipv4Address"); !strings.HasPrefix(ip, "10.0.0.") {
		t.Errorf("the API server's address is %q", ip)
	}
	op.delete(zone).ok(200)
	c.update(nil, nil).refused(400, "CustomPrivateDNSZoneMissingPermissionError")
	op.run("DELETE", c.id, nil)
	if links := op.get(s.zone + "/virtualNetworkLinks").ok(200).list("id"); len(links) != 0 {
		t.Errorf("the deleted cluster left %v", links)
	}

	// A network that the user has linked to the zone already stays linked as it is.
	mine := s.zone + "/virtualNetworkLinks/mine"
	op.run("PUT", mine, obj{"location": "global", "properties": obj{"registrationEnabled": false, "virtualNetwork": obj{"id": s.vnet}}})
	zone = s.grant(s.principal, "Private DNS Zone Contributor", s.zone)
	if got := s.create(op, "linked", userIdentity(s.user), private(s.zone)); got.str("properties.provisioningState") != "Succeeded" {
		t.Errorf("with a zone that is linked: %s", got.raw)
	}
	if links := op.get(s.zone + "/virtualNetworkLinks").ok(200).list("id"); len(links) != 1 || links[0] != mine {
		t.Errorf("links of the zone: %v", links)
	}
	op.run("DELETE", s.cluster(s.rg, "linked").id, nil)
	op.get(mine).ok(200)
	op.delete(zone).ok(200)

	own := s.create(op, "c2", system, private("system")).ok(200)
	zones := op.get(s.cluster(s.rg, "c2").nodes + "/providers/Microsoft.Network/privateDnsZones").ok(200).list("name")
	if len(zones) != 1 || !strings.HasSuffix(own.str("properties.privateFQDN"), "."+zones[0]) || !strings.HasSuffix(zones[0], ".privatelink.westeurope.azmk8s.io") {
		t.Errorf("AKS made the zones %v for %s", zones, own.str("properties.privateFQDN"))
	}
	s.create(op, "c3", system, private("none")).ok(200)
	if zones := op.get(s.cluster(s.rg, "c3").nodes + "/providers/Microsoft.Network/privateDnsZones").ok(200).list("name"); len(zones) != 0 {
		t.Errorf("none means %v", zones)
	}
}

// TestClusterIdentityChecks are the other checks that AKS makes of the cluster's identity with the PUT.
func TestClusterIdentityChecks(t *testing.T) {
	s := newPlace(t)
	op := s.operator
	roles["Key Vault Crypto User"] = "12338af0-0e69-4776-bea7-57ae8d297424"
	missing := func(name string, properties obj, action string) {
		t.Helper()
		s.create(op, name, userIdentity(s.user), properties).refused(400, "ResourceMissingPermissionError", "Check access result not allowed for action "+action+".")
	}

	integrated := obj{"apiServerAccessProfile": obj{"enableVnetIntegration": true, "subnetId": s.subnet("api")}, "agentPoolProfiles": []obj{pool(obj{"vnetSubnetID": s.subnet("nodes")})}}
	s.create(s.creator, "vnet", userIdentity(s.user), integrated).refused(403, "LinkedAuthorizationFailed", s.subnet("api"))
	missing("vnet", integrated, "Microsoft.Network/virtualNetworks/subnets/read")
	roles["Read and join"] = s.role("Read and join", "Microsoft.Network/virtualNetworks/subnets/read", "Microsoft.Network/virtualNetworks/subnets/join/action")
	s.grant(s.principal, "Read and join", s.vnet)
	missing("vnet", integrated, "Microsoft.Network/virtualNetworks/subnets/joinLoadBalancer/action")
	s.grant(s.principal, "Network Contributor", s.subnet("api"))
	missing("vnet", integrated, "Microsoft.Network/virtualNetworks/subnets/joinLoadBalancer/action") // on the nodes' subnet
	s.grant(s.principal, "Network Contributor", s.subnet("nodes"))
	s.create(op, "vnet", userIdentity(s.user), integrated).ok(200)

	kms := func(access string) obj {
		return obj{"securityProfile": obj{"azureKeyVaultKms": obj{"enabled": true, "keyId": "https://kms-vault.vault.azure.net/keys/k/1", "keyVaultNetworkAccess": access, "keyVaultResourceId": s.vault}}}
	}
	s.create(op, "kms", system, kms("Public")).refused(400, "BadRequest", "AzureKeyVaultKms feature does not support cluster identity type SystemAssigned")
	s.create(op, "kms", userIdentity(s.user), kms("Public")).refused(400, "AzureKeyVaultKmsValidateIdentityPermissionCustomerError", "kms-vault")
	owner := s.grant(s.principal, "Owner", s.vault) // which has no data actions
	s.create(op, "kms", userIdentity(s.user), kms("Public")).refused(400, "AzureKeyVaultKmsValidateIdentityPermissionCustomerError")
	op.delete(owner).ok(200)
	s.grant(s.principal, "Key Vault Crypto User", s.vault)
	s.create(op, "kms", userIdentity(s.user), kms("Public")).ok(200)
	failed := s.create(op, "kmsp", userIdentity(s.user), kms("Private"))
	if failed.str("error.code") != "LinkedAuthorizationFailed" || !strings.Contains(strings.ToLower(failed.raw), "privateendpointconnectionsapproval/action") {
		t.Errorf("a private vault without the right to approve: %s", failed.raw)
	}
	roles["Key Vault Contributor"] = "f25e0fa2-a7c8-4377-a976-54943a77a395"
	s.grant(s.principal, "Key Vault Contributor", s.vault)
	s.cluster(s.rg, "kmsp").update(nil, nil).ok(200)
	policies := s.rg + "/providers/Microsoft.KeyVault/vaults/kms-policies"
	op.put(policies, obj{"location": "westeurope", "properties": obj{"tenantId": s.tenant, "sku": obj{"family": "A", "name": "standard"}, "enableRbacAuthorization": false}}).ok(200)
	byPolicy := obj{"securityProfile": obj{"azureKeyVaultKms": obj{"enabled": true, "keyId": "https://kms-policies.vault.azure.net/keys/k/1"}}}
	s.create(op, "pol", userIdentity(s.user), byPolicy).refused(400, "AzureKeyVaultKmsValidateIdentityPermissionCustomerError", "kms-policies")
	op.put(policies, obj{"location": "westeurope", "properties": obj{"tenantId": s.tenant, "sku": obj{"family": "A", "name": "standard"}, "enableRbacAuthorization": false,
		"accessPolicies": []obj{{"tenantId": s.tenant, "objectId": s.principal, "permissions": obj{"keys": []string{"encrypt", "decrypt"}}}}}}).ok(200)
	s.create(op, "pol", userIdentity(s.user), byPolicy).ok(200)

	group := s.rg + "/providers/Microsoft.Compute/capacityReservationGroups/crg"
	other, _, _ := s.identity(s.rg, "other")
	op.do("PUT", group+"?api-version=2023-09-01", obj{"location": "westeurope"})
	reserved := obj{"agentPoolProfiles": []obj{pool(obj{"capacityReservationGroupID": group})}}
	s.create(op, "crg", system, reserved).refused(400, "BadRequest", "user-assigned identity")
	s.create(op, "crg", userIdentity(other), reserved).refused(400, "ResourceMissingPermissionError", "Microsoft.Compute/capacityReservationGroups/read")
	s.grant(s.principal, "Contributor", group)
	s.create(op, "crg", userIdentity(s.user), reserved).ok(200)
}

// TestMachinePools makes a pool of virtual machines, which join their subnet as the cluster's identity.
func TestMachinePools(t *testing.T) {
	s := newPlace(t)
	machines := obj{"agentPoolProfiles": []obj{pool(obj{"type": "VirtualMachines", "vnetSubnetID": s.subnet("nodes"), "count": 2})}}
	s.create(s.operator, "c1", system, machines).refused(400, "BadRequest", "nodepool1", "user-assigned identity")
	failed := s.create(s.operator, "c1", userIdentity(s.user), machines)
	if failed.str("error.code") != "LinkedAuthorizationFailed" || !strings.Contains(failed.raw, s.principal) || !strings.Contains(failed.raw, "networkInterfaces/write") {
		t.Fatalf("without a right on the subnet: %s", failed.raw)
	}
	s.grant(s.principal, "Network Contributor", s.subnet("nodes"))
	c := s.cluster(s.rg, "c1")
	c.update(nil, nil).ok(200)
	vms := func() int {
		return len(s.operator.get(c.nodes + "/providers/Microsoft.Compute/virtualMachines").ok(200).list("id"))
	}
	if n := vms(); n != 2 {
		t.Errorf("%d machines", n)
	}
	doc := s.operator.get(c.id + "/agentPools/nodepool1").ok(200).body
	doc["properties"].(obj)["count"] = 1
	s.operator.run("PUT", c.id+"/agentPools/nodepool1", doc).ok(200)
	if n := vms(); n != 1 {
		t.Errorf("%d machines after scaling down", n)
	}
}

// TestOutbound checks each way out of a cluster, and changes the addresses of one.
func TestOutbound(t *testing.T) {
	s := newPlace(t)
	op := s.operator
	out := func(kind, subnet string) obj {
		p := obj{}
		if subnet != "" {
			p["vnetSubnetID"] = s.subnet(subnet)
		}
		return obj{"networkProfile": obj{"networkPlugin": "azure", "outboundType": kind}, "agentPoolProfiles": []obj{pool(p)}}
	}
	s.create(op, "x", system, out("teleport", "")).refused(400, "UnsupportedOutboundType", "teleport")
	s.create(op, "x", system, out("userDefinedRouting", "nodes")).refused(400, "ExistingRouteTableNotAssociatedWithSubnet", s.subnet("nodes"))
	s.create(op, "x", system, out("managedNATGateway", "nodes")).refused(400, "ManagedNATGatewayWithCustomVNetNotAllowed")
	s.create(op, "x", system, out("userAssignedNATGateway", "")).refused(400, "UserAssignedNATGatewayWithManagedVNetNotAllowed")
	s.create(op, "x", system, out("userAssignedNATGateway", "nodes")).refused(400, "SubnetNotAssociatedWithNATGateway", s.subnet("nodes"))
	gateway := s.rg + "/providers/Microsoft.Network/natGateways/nat"
	op.put(gateway, obj{"location": "westeurope", "sku": obj{"name": "Standard"}}).ok(201)
	nodes := op.get(s.subnet("nodes")).ok(200).body
	nodes["properties"].(obj)["natGateway"] = obj{"id": gateway}
	op.put(s.subnet("nodes"), nodes).ok(200)
	s.create(op, "x", system, out("userAssignedNATGateway", "nodes")).refused(400, "NATGatewayNotAssociatedWithPublicIPOrIPPrefix", gateway)
	ip := func(name string) string {
		id := s.rg + "/providers/Microsoft.Network/publicIPAddresses/" + name
		op.put(id, obj{"location": "westeurope", "sku": obj{"name": "Standard"}, "properties": obj{"publicIPAllocationMethod": "Static"}}).ok(201)
		return id
	}
	op.put(gateway, obj{"location": "westeurope", "sku": obj{"name": "Standard"}, "properties": obj{"publicIpAddresses": []obj{{"id": ip("nat-ip")}}}}).ok(200)
	s.create(op, "own", system, out("userAssignedNATGateway", "nodes")).ok(200)
	s.create(op, "none", system, out("none", "nodes")).ok(200)

	managed := s.create(op, "nat", system, out("managedNATGateway", "")).ok(200)
	address := managed.str("properties.networkProfile.natGatewayProfile.effectiveOutboundIPs.0.id")
	gateways := op.get(s.cluster(s.rg, "nat").nodes + "/providers/Microsoft.Network/natGateways").ok(200)
	if got := gateways.str("value.0.properties.publicIpAddresses.0.id"); address == "" || !strings.EqualFold(got, address) || gateways.at("value.0.properties.subnets.0.id") == nil {
		t.Errorf("the NAT gateway is %s, the cluster shows %q", gateways.raw, address)
	}

	first, second := ip("out1"), ip("out2")
	balanced := func(ip string) obj {
		return obj{"networkProfile": obj{"networkPlugin": "azure", "loadBalancerProfile": obj{"outboundIPs": obj{"publicIPs": []obj{{"id": ip}}}}}}
	}
	s.create(op, "lb", userIdentity(s.user), balanced(first)).ok(200)
	c := s.cluster(s.rg, "lb")
	s.create(op, "lb", userIdentity(s.user), balanced(second)).ok(200)
	lb := op.get(c.nodes + "/providers/Microsoft.Network/loadBalancers/kubernetes").ok(200)
	if got := lb.str("properties.frontendIPConfigurations.0.properties.publicIPAddress.id"); got != second || lb.at("properties.frontendIPConfigurations.1") != nil ||
		!strings.HasSuffix(lb.str("properties.outboundRules.0.properties.frontendIPConfigurations.0.id"), "/out2") {
		t.Errorf("the load balancer is %s", lb.raw)
	}
	if got := c.get().str("properties.networkProfile.loadBalancerProfile.effectiveOutboundIPs.0.id"); got != second {
		t.Errorf("the cluster goes out by %q", got)
	}
	op.delete(first).ok(202)
}
