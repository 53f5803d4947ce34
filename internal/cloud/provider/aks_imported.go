package provider

import (
	"fmt"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// nodeSteps are those of clusterSteps that make what a cluster's controllers act on. They grant nothing and check nothing.
var nodeSteps = []func(*arm.Call) *azure.Error{makeNodeGroup, makeNetwork, makeOutbound, completeZone, dropEmptySets, makeScaleSets}

// MakeNodes makes for a cluster that was read elsewhere what is not in such a collection: the machines, with the security
// group, the way out and, where AKS made it, the network. It changes nothing where there are machines already.
func MakeNodes(c *arm.Call, cluster azure.ID) *azure.Error {
	c, err := c.On(cluster)
	switch {
	case err != nil:
		return err
	case c == nil || !strings.EqualFold(cluster.Type(), typeCluster):
		return azure.ResourceNotFound.Format(azure.Fields{"resource": typeCluster + "/" + cluster.Name(), "group": cluster.ResourceGroup()})
	}
	if has, err := hasMachines(c); err != nil || has {
		return err
	}
	arm.Default(c.Doc, "location", "westeurope")
	arm.Default(c.Doc, "properties.networkProfile.outboundType", "loadBalancer")
	for i, p := range pools(c.Doc) {
		if i == 0 { // where none says what it is for
			arm.Default(p, "mode", "System")
		}
		fillPool(c, p, nil)
		p["provisioningState"] = creating
	}
	if err := completeNetwork(c); err != nil {
		return arm.Fault(err)
	}
	for _, step := range nodeSteps {
		if err := step(c); err != nil {
			return err
		}
	}
	return settlePools(c)
}

// completeZone gives a private cluster's API server its name, as AKS: its identity may have lost the right since.
func completeZone(c *arm.Call) *azure.Error {
	zone, own := privateZone(c)
	if zone.IsZero() {
		return nil
	}
	if !own {
		if err := completeResource(c, zone, func(d arm.Doc) error { d["location"] = "global"; return nil }); err != nil {
			return arm.Fault(err)
		}
	}
	return writePrivateName(c, c.AsService(aks))
}

func hasMachines(c *arm.Call) (bool, *azure.Error) {
	for d, err := range c.Resources(nodeGroup(c.ID, c.Doc), typeScaleSet) {
		if err != nil {
			return false, arm.Fault(err)
		}
		all, e := instancesOf(c, azure.MustID(arm.Str(d, "id")))
		if e != nil || len(all) > 0 {
			return len(all) > 0, e
		}
	}
	return false, nil
}

// dropEmptySets removes scale sets whose machines were not read: those that AKS makes have other names than they had.
func dropEmptySets(c *arm.Call) *azure.Error {
	var all []azure.ID
	for d, err := range c.Resources(nodeGroup(c.ID, c.Doc), typeScaleSet) {
		if err != nil {
			return arm.Fault(err)
		}
		all = append(all, azure.MustID(arm.Str(d, "id")))
	}
	for _, id := range all {
		if err := c.AsService(aks).Drop(id); err != nil {
			return err
		}
	}
	return nil
}

// completeNetwork makes what the cluster's nodes stand on and go out by, where it was not read, and completes what was read
// in part: collections hold what identities are about.
func completeNetwork(c *arm.Call) error {
	for _, p := range pools(c.Doc) {
		subnet, err := azure.ParseID(arm.Str(p, "vnetSubnetID"))
		if err != nil {
			continue
		}
		if err := completeSubnet(c, subnet); err != nil {
			return err
		}
	}
	const profile = "properties.networkProfile.loadBalancerProfile"
	for path, complete := range map[string]func(arm.Doc) error{
		profile + ".outboundIPs.publicIPs[].id":               func(d arm.Doc) error { return completeAddress(c, d) },
		profile + ".outboundIPPrefixes.publicIPPrefixes[].id": func(d arm.Doc) error { return completePrefix(c, d) },
		"properties.diskEncryptionSetID":                      func(arm.Doc) error { return nil },
	} {
		var failed error
		arm.Each(c.Doc, path, func(v any) {
			if id, err := azure.ParseID(fmt.Sprint(v)); err == nil && failed == nil {
				failed = completeResource(c, id, complete)
			}
		})
		if failed != nil {
			return failed
		}
	}
	return nil
}

// completeResource makes a resource if it is not there, in the cluster's region, and gives it what it lacks.
func completeResource(c *arm.Call, id azure.ID, complete func(arm.Doc) error) error {
	d, err := c.Load(id)
	if err != nil {
		return err
	}
	if d = arm.Clone(d); d == nil {
		d = arm.Doc{}
	}
	arm.Default(d, "location", arm.Str(c.Doc, "location"))
	arm.Default(d, "properties.provisioningState", succeeded)
	if err := complete(d); err != nil {
		return err
	}
	_, err = Restore(c, id, d)
	return err
}

func completeSubnet(c *arm.Call, subnet azure.ID) error {
	if err := completeResource(c, subnet.Parent(), func(d arm.Doc) error {
		arm.Default(d, "properties.addressSpace.addressPrefixes", []any{"10.0.0.0/8"})
		return nil
	}); err != nil {
		return err
	}
	return completeResource(c, subnet, func(d arm.Doc) error {
		delete(d, "location")
		if arm.Get(d, "properties.addressPrefixes") == nil {
			arm.Default(d, "properties.addressPrefix", "10.240.0.0/16")
		}
		table, err := azure.ParseID(arm.Str(d, "properties.routeTable.id"))
		if err != nil {
			return nil
		}
		return completeResource(c, table, func(arm.Doc) error { return nil })
	})
}

func completeAddress(c *arm.Call, d arm.Doc) error {
	arm.Default(d, "sku.name", "Standard")
	arm.Default(d, "properties.publicIPAllocationMethod", "Static")
	arm.Default(d, "properties.publicIPAddressVersion", "IPv4")
	if arm.Str(d, "properties.ipAddress") != "" {
		return nil
	}
	p, err := nextPublicRange(c, "IPv4", 0)
	arm.Set(d, "properties.ipAddress", p.Addr().String())
	return err
}

func completePrefix(c *arm.Call, d arm.Doc) error {
	const bits = 4 // of host: a prefix of 28
	arm.Default(d, "sku.name", "Standard")
	arm.Default(d, "properties.publicIPAddressVersion", "IPv4")
	if arm.Str(d, "properties.ipPrefix") != "" {
		return nil
	}
	p, err := nextPublicRange(c, "IPv4", bits)
	arm.Set(d, "properties.ipPrefix", p.String())
	return err
}
