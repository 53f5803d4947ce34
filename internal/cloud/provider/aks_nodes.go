package provider

import (
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// Types of agent pools.
const (
	poolScaleSets = "VirtualMachineScaleSets"
	poolMachines  = "VirtualMachines"
)

func isMachines(pool arm.Doc) bool { return strings.EqualFold(arm.Str(pool, "type"), poolMachines) }

func scaleSetID(c *arm.Call, pool string) azure.ID {
	return nodeGroup(c.ID, c.Doc).Resource(typeScaleSet, "aks-"+pool+"-"+suffix(c.ID)+"-vmss")
}

// kubelets is the member with the kubelet identity that each pool's nodes were made with. They keep it until they are
// made anew, whatever the cluster's is by then (azure-facts 1.2, 1.3).
const kubelets = "_.kubelets."

// makeScaleSets makes each pool's scale set, gives it the pool's size, and attaches the identities that belong there.
// Scale sets join subnets with AKS's own rights, not with those of the cluster's identity (azure-facts 0.6).
func makeScaleSets(c *arm.Call) *azure.Error {
	for _, p := range pools(c.Doc) {
		if isMachines(p) {
			continue
		}
		if err := makeScaleSet(c, p); err != nil {
			return err
		}
	}
	return c.Save()
}

func makeScaleSet(c *arm.Call, pool arm.Doc) *azure.Error {
	name := arm.Str(pool, "name")
	id := scaleSetID(c, name)
	old, err := c.Load(id)
	if err != nil {
		return arm.Fault(err)
	}
	doc, size := arm.Clone(old), capacity(c, pool)
	if old == nil {
		doc = scaleSet(c, pool)
	}
	before := arm.Str(c.Doc, kubelets+name+".resourceId")
	anew := old == nil || slices.Contains([]string{creating, upgrading, upgradingImage}, arm.Str(pool, "provisioningState"))
	if anew {
		arm.Set(c.Doc, kubelets+name, arm.Clone(arm.Map(c.Doc, kubeletProfile)))
	}
	attached := attach(c, name, old, before)
	if anew || !slices.Equal(attached, identities(old)) {
		arm.Set(doc, "identity", identityBlock(attached, identities(old)))
	} else if delete(doc, "identity"); fmt.Sprint(arm.Get(old, "sku.capacity")) == fmt.Sprint(size) {
		return nil // as it should be
	}
	arm.Set(doc, "sku.capacity", size)
	_, e := c.AsService(aks).Put(id, doc)
	return e
}

// attach are the identities that a scale set should have: what others attached, the kubelet identity that its nodes
// were made with unless that is gone, and those of the add-ons.
func attach(c *arm.Call, pool string, set arm.Doc, before string) []string {
	all := identities(set)
	drop := func(id string) { all = slices.DeleteFunc(all, func(s string) bool { return strings.EqualFold(s, id) }) }
	add := func(id string) { drop(id); all = append(all, id) }
	drop(before)
	if own := arm.Map(c.Doc, kubelets+pool); len(own) > 0 {
		if arm.Str(own, "objectId") == arm.Str(c.Doc, kubeletProfile+".objectId") {
			add(arm.Str(own, "resourceId"))
		} else if slices.ContainsFunc(identities(set), func(s string) bool { return strings.EqualFold(s, before) }) {
			add(before)
		}
	}
	for _, a := range addons {
		if id := a.id(c).String(); a.acts(c.Doc) {
			add(id)
		} else {
			drop(id)
		}
	}
	slices.Sort(all)
	return all
}

// identities are the ids of a resource's user-assigned identities, sorted.
func identities(d arm.Doc) []string {
	var all []string
	for id := range arm.Map(d, "identity.userAssignedIdentities") {
		all = append(all, id)
	}
	slices.Sort(all)
	return all
}

// identityBlock attaches ids in place of those before; null takes one away.
func identityBlock(ids, before []string) arm.Doc {
	if len(ids) == 0 {
		return arm.Doc{"type": "None"}
	}
	users := arm.Doc{}
	for _, id := range before {
		users[id] = nil
	}
	for _, id := range ids {
		users[id] = arm.Doc{}
	}
	return arm.Doc{"type": "UserAssigned", "userAssignedIdentities": users}
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
	disk := arm.Doc{"osType": pool["osType"], "createOption": "FromImage", "diskSizeGB": pool["osDiskSizeGB"]}
	if set := arm.Str(c.Doc, "properties.diskEncryptionSetID"); set != "" {
		arm.Set(disk, "managedDisk.diskEncryptionSet.id", set)
	}
	return arm.Doc{"location": arm.Str(c.Doc, "location"), "sku": arm.Doc{"name": pool["vmSize"], "tier": "Standard", "capacity": pool["count"]},
		"tags": arm.Doc{"aks-managed-poolName": name, "aks-managed-createOperationID": nameFrom(c.ID.Key(), name).String()},
		"properties": arm.Doc{"singlePlacementGroup": false, "overprovision": false, "upgradePolicy": arm.Doc{"mode": "Manual"}, "virtualMachineProfile": arm.Doc{
			"osProfile":      arm.Doc{"computerNamePrefix": "aks-" + name + "-" + suffix(c.ID) + "-vmss", "adminUsername": "azureuser"},
			"networkProfile": arm.Doc{"networkInterfaceConfigurations": []any{nic}},
			"storageProfile": arm.Doc{"osDisk": disk}}}}
}

// machineID is a machine of a pool of type VirtualMachines, counted from 0.
func machineID(c *arm.Call, pool string, n int) azure.ID {
	return nodeGroup(c.ID, c.Doc).Resource(typeVM, fmt.Sprintf("aks-%s-%s-vms%d", pool, suffix(c.ID), n))
}

// sizesOf are the sizes of the machines that a pool of type VirtualMachines wants.
func sizesOf(pool arm.Doc) []string {
	var all []string
	for _, group := range objects(pool, "virtualMachinesProfile.scale.manual") {
		for range arm.Int(group, "count") {
			all = append(all, arm.Str(group, "size"))
		}
	}
	if all == nil {
		for range arm.Int(pool, "count") {
			all = append(all, arm.Str(pool, "vmSize"))
		}
	}
	return all
}

// makeMachines makes the nodes of pools of type VirtualMachines. They join their subnet as the cluster's identity
// (azure-facts 0.6), so that a right that it lacks fails here.
func makeMachines(c *arm.Call) *azure.Error {
	for _, p := range pools(c.Doc) {
		if !isMachines(p) {
			continue
		}
		as, err := asControlPlane(c)
		if err != nil {
			return err
		}
		for n, size := range sizesOf(p) {
			if err := makeMachine(c, as, p, n, size); err != nil {
				return err
			}
		}
	}
	return nil
}

func makeMachine(c, as *arm.Call, pool arm.Doc, n int, size string) *azure.Error {
	id := machineID(c, arm.Str(pool, "name"), n)
	nic := nodeGroup(c.ID, c.Doc).Resource(typeNIC, id.Name()+"-nic")
	if _, err := ensureAs(c, as, nic, arm.Doc{"properties": arm.Doc{"networkSecurityGroup": arm.Doc{"id": nsgID(c).String()}, "ipConfigurations": []any{
		arm.Doc{"name": "ipconfig1", "properties": arm.Doc{"primary": true, "subnet": arm.Doc{"id": poolSubnet(c, pool).String()}}}}}}); err != nil {
		return err
	}
	var ids []string
	if own := arm.Str(c.Doc, kubeletProfile+".resourceId"); own != "" {
		ids = append(ids, own)
	}
	_, err := ensureAs(c, as, id, arm.Doc{"tags": arm.Doc{"aks-managed-poolName": pool["name"]}, "identity": identityBlock(ids, nil), "properties": arm.Doc{
		"hardwareProfile": arm.Doc{"vmSize": size},
		"osProfile":       arm.Doc{"computerName": id.Name(), "adminUsername": "azureuser"},
		"networkProfile":  arm.Doc{"networkInterfaces": []any{arm.Doc{"id": nic.String(), "properties": arm.Doc{"primary": true, "deleteOption": "Delete"}}}},
		"storageProfile":  arm.Doc{"osDisk": arm.Doc{"osType": pool["osType"], "createOption": "FromImage", "deleteOption": "Delete", "diskSizeGB": pool["osDiskSizeGB"]}}}})
	return err
}

// dropPools removes the scale sets of pools that are no more, and machines that no pool wants.
func dropPools(c *arm.Call) *azure.Error {
	wanted := map[string]bool{}
	for _, p := range pools(c.Doc) {
		wanted[scaleSetID(c, arm.Str(p, "name")).Key()] = !isMachines(p)
		if isMachines(p) {
			for n := range sizesOf(p) {
				wanted[machineID(c, arm.Str(p, "name"), n).Key()] = true
			}
		}
	}
	var gone []azure.ID
	for _, typ := range []string{typeScaleSet, typeVM} {
		for d, err := range c.Resources(nodeGroup(c.ID, c.Doc), typ) {
			if err != nil {
				return arm.Fault(err)
			}
			name, id := arm.Str(d, "tags.aks-managed-poolName"), azure.MustID(arm.Str(d, "id"))
			if name == "" || wanted[id.Key()] {
				continue
			}
			gone = append(gone, id)
			if poolNamed(c.Doc, name) == nil {
				arm.Unset(c.Doc, kubelets+name)
			}
		}
	}
	for _, id := range gone {
		if err := c.AsService(aks).Drop(id); err != nil {
			return err
		}
	}
	return c.Save()
}

// settlePools says that the pools are as the cluster wants them.
func settlePools(c *arm.Call) *azure.Error {
	for _, p := range pools(c.Doc) {
		p["provisioningState"] = succeeded
	}
	return c.Save()
}
