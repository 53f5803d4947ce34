package provider

import (
	"fmt"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
)

// clusterSteps is what AKS does after it accepted a cluster. Each step makes what is missing and leaves what is there
// alone, so that a repeated step, an update and a reconcile are the same thing.
var clusterSteps = []arm.Step{
	step(makeNodeGroup),
	step(makeKubeletIdentity),
	step(makeAddonIdentities),
	step(grantNodeGroup),
	step(lockNodeGroup),
	step(makeNetwork),
	step(makeOutbound),
	step(makePrivateName),
	step(makeKMSEndpoint),
	step(makeScaleSets),
	step(makeMachines),
	step(dropPools),
	step(dropAddonIdentities),
	step(settlePools),
}

func step(do func(*arm.Call) *azure.Error) arm.Step {
	return func(c *arm.Call) (time.Duration, *azure.Error) { return 0, do(c) }
}

// ensure writes a resource that AKS owns, unless it is there.
func ensure(c *arm.Call, id azure.ID, doc arm.Doc) (arm.Doc, *azure.Error) {
	return ensureAs(c, c.AsService(aks), id, doc)
}

// ensureAs is ensure in the name of whom a call stands for.
func ensureAs(c, as *arm.Call, id azure.ID, doc arm.Doc) (arm.Doc, *azure.Error) {
	old, err := c.Load(id)
	if err != nil || old != nil {
		return old, arm.Fault(err)
	}
	if _, ok := doc["location"]; !ok && id.Type() != typeRoleAssignment {
		doc["location"] = arm.Str(c.Doc, "location")
	}
	return as.Put(id, doc)
}

func makeNodeGroup(c *arm.Call) *azure.Error {
	_, err := ensure(c, nodeGroup(c.ID, c.Doc), arm.Doc{"managedBy": arm.Str(c.Doc, "id"),
		"tags": arm.Doc{"aks-managed-cluster-name": c.ID.Name(), "aks-managed-cluster-rg": c.ID.ResourceGroup()}})
	return err
}

// grantNodeGroup gives the cluster's identity its one role from AKS (azure-facts 1.4). The identity before keeps its own.
func grantNodeGroup(c *arm.Call) *azure.Error {
	principal, err := controlPlane(c)
	if err != nil {
		return err
	}
	return grantOnNodes(c, principal, contributor)
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
		table, err := subnetTable(c, subnet)
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
	return setOnSubnet(c, subnet, "routeTable", properties["routeTable"])
}

// setOnSubnet gives a subnet a route table or a NAT gateway, or takes it away.
func setOnSubnet(c *arm.Call, subnet azure.ID, member string, ref any) *azure.Error {
	doc, err := c.Load(subnet)
	if err != nil || doc == nil {
		return arm.Fault(err)
	}
	doc = arm.Clone(doc)
	if ref == nil {
		arm.Unset(doc, "properties."+member)
	} else {
		arm.Set(doc, "properties."+member, ref)
	}
	_, e := c.AsService(aks).Put(subnet, doc)
	return e
}

// lockNodeGroup denies everybody but AKS and the cluster's identity to change the node resource group, where the cluster
// wants that (nodeResourceGroupProfile.restrictionLevel; azure-facts 3.4).
func lockNodeGroup(c *arm.Call) *azure.Error {
	group := nodeGroup(c.ID, c.Doc)
	id := group.Resource(typeDeny, nameFrom(group.Key(), "nrg-lockdown").String())
	if !strings.EqualFold(arm.Str(c.Doc, "properties.nodeResourceGroupProfile.restrictionLevel"), "ReadOnly") {
		return c.AsService(aks).Drop(id)
	}
	principal, err := controlPlane(c)
	if err != nil {
		return err
	}
	_, err = c.AsService(aks).Put(id, arm.Doc{"properties": arm.Doc{
		"denyAssignmentName": fmt.Sprintf("kubernetes.azure.com/%s/%s: node resource group deny assignment created by Azure Kubernetes Services for nrg-lockdown, see: https://aka.ms/aks/nrg_lockdown",
			nameFrom(c.ID.Key()), id.Name()),
		"permissions": []any{arm.Doc{"actions": []any{"*"}, "notActions": []any{"*/read"}, "dataActions": []any{}, "notDataActions": []any{}}},
		"principals":  []any{arm.Doc{"id": everyone.String(), "type": "SystemDefined"}},
		"excludePrincipals": []any{arm.Doc{"id": principal.String(), "type": "ServicePrincipal"},
			arm.Doc{"id": aksPrincipal.ID.String(), "type": "ServicePrincipal"}}}})
	return err
}

func removeCluster(c *arm.Call) (time.Duration, *azure.Error) { return 0, c.Remove() }

// clusterDeleted takes the node resource group along, and AKS's route table off the subnets that it was put on.
func clusterDeleted(c *arm.Call) *azure.Error {
	for _, p := range pools(c.Doc) {
		subnet := poolSubnet(c, p)
		table, err := subnetTable(c, subnet)
		if err != nil {
			return arm.Fault(err)
		}
		if !subnet.Equal(ownSubnet(c)) && table.Equal(tableID(c)) {
			if err := setOnSubnet(c, subnet, "routeTable", nil); err != nil {
				return err
			}
		}
	}
	if url := arm.Str(c.Doc, issuerURL); url != "" {
		if err := directory.DropIssuerKey(c.Tx, url); err != nil {
			return arm.Fault(err)
		}
	}
	if err := directory.DropClusterAuthority(c.Tx, c.ID); err != nil {
		return arm.Fault(err)
	}
	if err := dropPrivateName(c); err != nil {
		return err
	}
	return c.AsService(aks).Drop(nodeGroup(c.ID, c.Doc))
}
