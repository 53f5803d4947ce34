package provider

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// clusterSteps is what AKS does after it accepted a cluster. Each step makes what is missing and leaves what is there
// alone, so that a repeated step, an update and a reconcile are the same thing.
var clusterSteps = []arm.Step{
	step(makeNodeGroup),
	step(makeKubeletIdentity),
	step(grantNodeGroup),
	step(makeNetwork),
	step(makeOutbound),
	step(makeScaleSets),
	step(dropScaleSets),
}

func step(do func(*arm.Call) *azure.Error) arm.Step {
	return func(c *arm.Call) (time.Duration, *azure.Error) { return 0, do(c) }
}

// ensure writes a resource that AKS owns, unless it is there.
func ensure(c *arm.Call, id azure.ID, doc arm.Doc) (arm.Doc, *azure.Error) {
	old, err := c.Load(id)
	if err != nil || old != nil {
		return old, arm.Fault(err)
	}
	if _, ok := doc["location"]; !ok && id.Type() != typeRoleAssignment {
		doc["location"] = arm.Str(c.Doc, "location")
	}
	return c.AsService(aks).Put(id, doc)
}

func makeNodeGroup(c *arm.Call) *azure.Error {
	_, err := ensure(c, nodeGroup(c.ID, c.Doc), arm.Doc{"managedBy": arm.Str(c.Doc, "id"),
		"tags": arm.Doc{"aks-managed-cluster-name": c.ID.Name(), "aks-managed-cluster-rg": c.ID.ResourceGroup()}})
	return err
}

// makeKubeletIdentity makes the identity that nodes pull images with, unless the user brought one
// or the cluster runs as a service principal.
func makeKubeletIdentity(c *arm.Call) *azure.Error {
	if arm.Map(c.Doc, "identity") == nil {
		return nil
	}
	own := nodeGroup(c.ID, c.Doc).Resource(typeIdentity, c.ID.Name()+"-agentpool")
	if id, err := azure.ParseID(arm.Str(c.Doc, "properties.identityProfile.kubeletidentity.resourceId")); err == nil && !id.Equal(own) {
		return nil
	}
	doc, err := ensure(c, own, arm.Doc{})
	if err != nil {
		return err
	}
	setKubelet(c.Doc, doc)
	return c.Save()
}

// Contributor on the node resource group is the one role that AKS itself grants (azure-facts 1.4).
var contributor = azure.MustGUID("b24988ac-6180-42a0-ab88-20f7382dd24c")

func grantNodeGroup(c *arm.Call) *azure.Error {
	principal, err := controlPlane(c)
	if err != nil {
		return err
	}
	group := nodeGroup(c.ID, c.Doc)
	for d, err := range c.Find(byPrincipal(principal)) {
		if err != nil {
			return arm.Fault(err)
		}
		if a, ok := readAssignment(d); ok && a.Role == contributor && a.Scope.Equal(group) {
			return nil
		}
	}
	name := nameFrom(group.Key(), principal.String(), contributor.String())
	_, err = ensure(c, group.Resource(typeRoleAssignment, name.String()), arm.Doc{"properties": arm.Doc{
		"principalId": principal.String(), "principalType": "ServicePrincipal", "roleDefinitionId": roleID(group, contributor)}})
	return err
}

// names of what AKS makes in the node resource group.
func nsgID(c *arm.Call) azure.ID {
	return nodeGroup(c.ID, c.Doc).Resource(typeNSG, "aks-agentpool-"+suffix(c.ID)+"-nsg")
}

func tableID(c *arm.Call) azure.ID {
	return nodeGroup(c.ID, c.Doc).Resource(typeRouteTable, "aks-agentpool-"+suffix(c.ID)+"-routetable")
}

func ownSubnet(c *arm.Call) azure.ID {
	return nodeGroup(c.ID, c.Doc).Resource(typeSubnet, "aks-vnet-"+suffix(c.ID), "aks-subnet")
}

// poolSubnet is where a pool's nodes stand: the subnet that the user brought, or AKS's own.
func poolSubnet(c *arm.Call, pool arm.Doc) azure.ID {
	if id, err := azure.ParseID(arm.Str(pool, "vnetSubnetID")); err == nil {
		return id
	}
	return ownSubnet(c)
}

// makeNetwork makes the security group, with kubenet the route table, and where no subnet was brought the network.
// With kubenet on a brought subnet that has no route table, AKS makes one and puts it on the subnet.
func makeNetwork(c *arm.Call) *azure.Error {
	if _, err := ensure(c, nsgID(c), arm.Doc{}); err != nil {
		return err
	}
	for _, p := range pools(c.Doc) {
		if err := makeSubnet(c, poolSubnet(c, p)); err != nil {
			return err
		}
	}
	return nil
}

func makeSubnet(c *arm.Call, subnet azure.ID) *azure.Error {
	properties := arm.Doc{"addressPrefix": "10.224.0.0/16", "networkSecurityGroup": arm.Doc{"id": nsgID(c).String()}}
	if isKubenet(c.Doc) {
		table, err := subnetTable(c, subnet.String())
		if err != nil {
			return arm.Fault(err)
		}
		if !table.IsZero() {
			return nil
		}
		if _, err := ensure(c, tableID(c), arm.Doc{"properties": arm.Doc{"disableBgpRoutePropagation": false}}); err != nil {
			return err
		}
		properties["routeTable"] = arm.Doc{"id": tableID(c).String()}
	}
	if subnet.Equal(ownSubnet(c)) {
		_, err := ensure(c, subnet.Parent(), arm.Doc{"properties": arm.Doc{"addressSpace": arm.Doc{"addressPrefixes": []any{"10.224.0.0/12"}},
			"subnets": []any{arm.Doc{"name": subnet.Name(), "properties": properties}}}})
		return err
	}
	if properties["routeTable"] == nil {
		return nil
	}
	return setSubnetTable(c, subnet, properties["routeTable"])
}

// setSubnetTable gives a brought subnet a route table, or takes it away.
func setSubnetTable(c *arm.Call, subnet azure.ID, table any) *azure.Error {
	doc, err := c.Load(subnet)
	if err != nil || doc == nil {
		return arm.Fault(err)
	}
	doc = arm.Clone(doc)
	if table == nil {
		delete(arm.Map(doc, "properties"), "routeTable")
	} else {
		arm.Set(doc, "properties.routeTable", table)
	}
	_, e := c.AsService(aks).Put(subnet, doc)
	return e
}

const (
	lbName  = "kubernetes"
	lbPool  = "aksOutboundBackendPool"
	lbRule  = "aksOutboundRule"
	lbNodes = "kubernetes"
)

func lbID(c *arm.Call) azure.ID { return nodeGroup(c.ID, c.Doc).Resource(typeLoadBalancer, lbName) }

// makeOutbound makes the load balancer with its outbound address, where outbound traffic goes through one.
func makeOutbound(c *arm.Call) *azure.Error {
	if !strings.EqualFold(arm.Str(c.Doc, "properties.networkProfile.outboundType"), "loadBalancer") {
		return nil
	}
	if old, err := c.Load(lbID(c)); err != nil || old != nil {
		return arm.Fault(err)
	}
	fronts, err := outboundFrontends(c)
	if err != nil {
		return err
	}
	lb := lbID(c)
	var refs []any
	for _, f := range fronts {
		refs = append(refs, arm.Doc{"id": lb.Join("frontendIPConfigurations", arm.Str(f.(arm.Doc), "name")).String()})
	}
	if _, err := ensure(c, lb, arm.Doc{"sku": arm.Doc{"name": "Standard"}, "properties": arm.Doc{
		"frontendIPConfigurations": fronts,
		"backendAddressPools":      []any{arm.Doc{"name": lbPool, "properties": arm.Doc{}}, arm.Doc{"name": lbNodes, "properties": arm.Doc{}}},
		"outboundRules": []any{arm.Doc{"name": lbRule, "properties": arm.Doc{"allocatedOutboundPorts": json.Number("0"), "idleTimeoutInMinutes": json.Number("30"), "protocol": "All",
			"enableTcpReset": true, "backendAddressPool": arm.Doc{"id": lb.Join("backendAddressPools", lbPool).String()}, "frontendIPConfigurations": refs}}},
	}}); err != nil {
		return err
	}
	return c.Save()
}

// outboundFrontends are those of the addresses or prefixes that the user brought, or of one that AKS makes.
func outboundFrontends(c *arm.Call) ([]any, *azure.Error) {
	const profile = "properties.networkProfile.loadBalancerProfile"
	var fronts, effective []any
	add := func(kind, id string) {
		name := azure.MustID(id).Name()
		fronts = append(fronts, arm.Doc{"name": name, "properties": arm.Doc{kind: arm.Doc{"id": id}}})
		effective = append(effective, arm.Doc{"id": id})
	}
	arm.Each(c.Doc, profile+".outboundIPs.publicIPs[].id", func(v any) { add("publicIPAddress", fmt.Sprint(v)) })
	arm.Each(c.Doc, profile+".outboundIPPrefixes.publicIPPrefixes[].id", func(v any) { add("publicIPPrefix", fmt.Sprint(v)) })
	if len(fronts) == 0 {
		ip := nodeGroup(c.ID, c.Doc).Resource(typePublicIP, nameFrom(c.ID.Key(), "outbound").String())
		doc, err := ensure(c, ip, arm.Doc{"sku": arm.Doc{"name": "Standard"}, "tags": arm.Doc{"aks-managed-type": "aks-slb-managed-outbound-ip"},
			"properties": arm.Doc{"publicIPAllocationMethod": "Static", "idleTimeoutInMinutes": json.Number("30")}})
		if err != nil {
			return nil, err
		}
		add("publicIPAddress", arm.Str(doc, "id"))
		arm.Default(c.Doc, profile+".managedOutboundIPs.count", json.Number("1"))
	}
	arm.Set(c.Doc, profile+".effectiveOutboundIPs", effective)
	return fronts, nil
}

func scaleSetID(c *arm.Call, pool string) azure.ID {
	return nodeGroup(c.ID, c.Doc).Resource(typeScaleSet, "aks-"+pool+"-"+suffix(c.ID)+"-vmss")
}

// makeScaleSets makes each pool's scale set, with the kubelet identity attached, and gives it the pool's size.
func makeScaleSets(c *arm.Call) *azure.Error {
	for _, p := range pools(c.Doc) {
		id := scaleSetID(c, arm.Str(p, "name"))
		old, err := c.Load(id)
		if err != nil {
			return arm.Fault(err)
		}
		doc := scaleSet(c, p)
		if old != nil {
			doc = arm.Clone(old)
			arm.Set(doc, "sku.capacity", p["count"])
			setIdentity(c, doc)
		}
		if _, err := c.AsService(aks).Put(id, doc); err != nil {
			return err
		}
	}
	return nil
}

// setIdentity attaches the kubelet identity to a scale set, beside what others attached.
func setIdentity(c *arm.Call, set arm.Doc) {
	kubelet := arm.Str(c.Doc, "properties.identityProfile.kubeletidentity.resourceId")
	if kubelet == "" {
		return
	}
	arm.Set(set, "identity.type", "UserAssigned")
	arm.Default(set, "identity.userAssignedIdentities", arm.Doc{})
	arm.Map(set, "identity.userAssignedIdentities")[kubelet] = arm.Doc{}
}

func scaleSet(c *arm.Call, pool arm.Doc) arm.Doc {
	name := arm.Str(pool, "name")
	config := arm.Doc{"name": "ipconfig1", "properties": arm.Doc{"primary": true, "privateIPAddressVersion": "IPv4", "subnet": arm.Doc{"id": poolSubnet(c, pool).String()}}}
	if doc, _ := c.Load(lbID(c)); doc != nil {
		arm.Set(config, "properties.loadBalancerBackendAddressPools", []any{
			arm.Doc{"id": lbID(c).Join("backendAddressPools", lbPool).String()}, arm.Doc{"id": lbID(c).Join("backendAddressPools", lbNodes).String()}})
	}
	nic := arm.Doc{"name": "aks-" + name + "-" + suffix(c.ID) + "-vmss", "properties": arm.Doc{"primary": true, "enableAcceleratedNetworking": true, "enableIPForwarding": isKubenet(c.Doc),
		"networkSecurityGroup": arm.Doc{"id": nsgID(c).String()}, "ipConfigurations": []any{config}}}
	set := arm.Doc{"location": arm.Str(c.Doc, "location"), "sku": arm.Doc{"name": pool["vmSize"], "tier": "Standard", "capacity": pool["count"]},
		"tags": arm.Doc{"aks-managed-poolName": name, "aks-managed-createOperationID": nameFrom(c.ID.Key(), name).String()},
		"properties": arm.Doc{"singlePlacementGroup": false, "overprovision": false, "upgradePolicy": arm.Doc{"mode": "Manual"}, "virtualMachineProfile": arm.Doc{
			"osProfile":      arm.Doc{"computerNamePrefix": "aks-" + name + "-" + suffix(c.ID) + "-vmss", "adminUsername": "azureuser"},
			"networkProfile": arm.Doc{"networkInterfaceConfigurations": []any{nic}},
			"storageProfile": arm.Doc{"osDisk": arm.Doc{"osType": pool["osType"], "createOption": "FromImage", "diskSizeGB": pool["osDiskSizeGB"]}}}}}
	setIdentity(c, set)
	return set
}

// dropScaleSets removes the scale sets of pools that are no more.
func dropScaleSets(c *arm.Call) *azure.Error {
	wanted := map[string]bool{}
	for _, p := range pools(c.Doc) {
		wanted[scaleSetID(c, arm.Str(p, "name")).Key()] = true
	}
	for d, err := range c.Resources(nodeGroup(c.ID, c.Doc), typeScaleSet) {
		if err != nil {
			return arm.Fault(err)
		}
		id := azure.MustID(arm.Str(d, "id"))
		if arm.Str(d, "tags.aks-managed-poolName") != "" && !wanted[id.Key()] {
			if err := c.AsService(aks).Drop(id); err != nil {
				return err
			}
		}
	}
	return nil
}

func removeCluster(c *arm.Call) (time.Duration, *azure.Error) { return 0, c.Remove() }

// clusterDeleted takes the node resource group along, and AKS's route table off the subnets that it was put on.
func clusterDeleted(c *arm.Call) *azure.Error {
	for _, p := range pools(c.Doc) {
		subnet := poolSubnet(c, p)
		table, err := subnetTable(c, subnet.String())
		if err != nil {
			return arm.Fault(err)
		}
		if !subnet.Equal(ownSubnet(c)) && table.Equal(tableID(c)) {
			if err := setSubnetTable(c, subnet, nil); err != nil {
				return err
			}
		}
	}
	return c.AsService(aks).Drop(nodeGroup(c.ID, c.Doc))
}
