package provider

import (
	"iter"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

const (
	instanceNICs = "properties.networkProfileConfiguration.networkInterfaceConfigurations"

	// power is where a machine's document has its state; it is shown in instance views alone.
	power       = "_.power"
	running     = "running"
	stopped     = "stopped"
	deallocated = "deallocated"
)

// instances are a scale set's machines, their interfaces, and what can be read of them.
func instances() []arm.Type {
	return []arm.Type{
		{
			Name: typeInstance, PutMerges: true, Check: checkInstance, Written: instanceWritten, Deleted: instanceDeleted, View: viewInstance,
			Links:   slices.Concat(nicLinks(instanceNICs+"[].properties."), diskLinks("properties.storageProfile."), []arm.Link{{Path: "properties.networkProfile.networkInterfaces[].id"}}),
			Actions: powerActions(itself, nil),
		},
		{Name: typeInstance + "/instanceView", ReadOnly: true, Single: true, Get: machineInstanceView},
		{
			Name: typeInstanceNIC, ReadOnly: true, ETag: true, Links: []arm.Link{{Path: "properties.networkSecurityGroup.id"}},
			Children: []arm.Child{{Path: "properties.ipConfigurations", Type: &arm.Type{Name: typeInstanceNIC + "/ipConfigurations", ReadOnly: true, Links: ipConfigLinks("properties.")}}},
		},
		{Name: typeInstanceIP, ReadOnly: true, ETag: true},
	}
}

// checkInstance takes a request over into an instance: what it is stays, what it says of disks is carried out.
func checkInstance(c *arm.Call) *azure.Error {
	if c.Old == nil && arm.Get(c.Doc, "_.new") == nil {
		return azure.InstanceUnknown.Format(azure.Fields{"instance": c.ID.Name()})
	}
	arm.Unset(c.Doc, "_.new")
	if c.Old != nil {
		for _, path := range []string{"instanceId", "location", "zones", "properties.vmId", "properties.timeCreated", "properties.osProfile.computerName", "properties.networkProfile", "properties.storageProfile.osDisk"} {
			if v := arm.Get(c.Old, path); v != nil {
				arm.Set(c.Doc, path, v)
			}
		}
	}
	arm.Unset(c.Doc, "properties.instanceView")
	hideSecrets(arm.Map(c.Doc, "properties"))
	if err := checkNICs(c, instanceNICs); err != nil {
		return err
	}
	if err := checkOSDisk(c); err != nil {
		return err
	}
	if err := attachDisks(c, arm.Str(c.Doc, "sku.name")); err != nil {
		return err
	}
	var nics []any
	for _, n := range objects(c.Doc, instanceNICs) {
		nics = append(nics, arm.Doc{"id": c.ID.Join("networkInterfaces", arm.Str(n, "name")).String(), "properties": arm.Doc{"primary": arm.Bool(n, "properties.primary")}})
	}
	arm.Set(c.Doc, "properties.networkProfile", arm.Doc{"networkInterfaces": nics})
	arm.Set(c.Doc, "properties.provisioningState", "Succeeded")
	return nil
}

// instanceWritten takes a client's change to the instance's interfaces.
func instanceWritten(c *arm.Call) *azure.Error {
	if c.Old == nil {
		return nil // its scale set makes them, of one pool of addresses
	}
	return putInterfaces(c, c.Doc, addressPool{})
}

// addressPool is the addresses of subnets while several interfaces are made in one call.
type addressPool map[string]*addresses

func (p addressPool) open(c *arm.Call, subnet, own azure.ID) (*addresses, *azure.Error) {
	if a := p[subnet.Key()]; a != nil {
		return a, nil
	}
	a, err := openAddresses(c, subnet, own)
	p[subnet.Key()] = a
	return a, err
}

// putInterfaces makes an instance's interfaces what its document says; those that it has keep their addresses.
func putInterfaces(c *arm.Call, inst arm.Doc, pool addressPool) *azure.Error {
	id := azure.MustID(arm.Str(inst, "id"))
	wanted := map[string]bool{}
	for _, n := range objects(inst, instanceNICs) {
		nic := id.Join("networkInterfaces", arm.Str(n, "name"))
		wanted[nic.Key()] = true
		old, err := c.Load(nic)
		if err != nil {
			return arm.Fault(err)
		}
		doc, e := interfaceOf(c, id, nic, n, old, pool)
		if e != nil {
			return e
		}
		if _, e := c.PutPart(nic, doc); e != nil {
			return e
		}
		if e := putPublicIPs(c, nic, n); e != nil {
			return e
		}
	}
	var gone []azure.ID
	for d, err := range c.Resources(id, typeInstanceNIC) {
		if err != nil {
			return arm.Fault(err)
		}
		if nic := azure.MustID(arm.Str(d, "id")); !wanted[nic.Key()] {
			gone = append(gone, nic)
		}
	}
	for _, nic := range gone {
		if err := c.DropPart(nic); err != nil {
			return err
		}
	}
	return nil
}

// interfaceOf is the interface that an instance has of a configuration.
func interfaceOf(c *arm.Call, inst, nic azure.ID, n, old arm.Doc, pool addressPool) (arm.Doc, *azure.Error) {
	properties := arm.Clone(arm.Map(n, "properties"))
	for k, v := range map[string]any{"enableAcceleratedNetworking": false, "enableIPForwarding": false, "dnsSettings": arm.Doc{"dnsServers": []any{}, "appliedDnsServers": []any{}}} {
		arm.Default(properties, k, v)
	}
	properties["macAddress"], properties["virtualMachine"], properties["provisioningState"] = macAddress(nic), arm.Doc{"id": inst.String()}, "Succeeded"
	for _, e := range objects(properties, "ipConfigurations") {
		p := arm.Map(e, "properties")
		arm.Default(e, "properties.privateIPAllocationMethod", "Dynamic")
		if arm.Map(p, "publicIPAddressConfiguration") != nil {
			arm.Set(p, "publicIPAddress", arm.Doc{"id": publicIPOf(nic, e).String()})
			delete(p, "publicIPAddressConfiguration")
		}
		delete(p, "loadBalancerInboundNatPools")
		subnet, err := azure.ParseID(arm.Str(p, "subnet.id"))
		if err != nil {
			continue
		}
		if ip := addressOf(old, arm.Str(e, "name"), subnet); ip != "" {
			p["privateIPAddress"] = ip
			continue
		}
		a, bad := pool.open(c, subnet, nic)
		if bad != nil {
			return nil, bad
		}
		ip, bad := a.claim("", arm.Str(p, "privateIPAddressVersion"), nic.Join("ipConfigurations", arm.Str(e, "name")))
		if bad != nil {
			return nil, bad
		}
		p["privateIPAddress"] = ip
	}
	return arm.Doc{"properties": properties}, nil
}

// addressOf is the address that an interface's configuration has in a subnet.
func addressOf(nic arm.Doc, config string, subnet azure.ID) string {
	for _, e := range objects(nic, "properties.ipConfigurations") {
		if arm.Str(e, "name") == config && strings.EqualFold(arm.Str(e, "properties.subnet.id"), subnet.String()) {
			return arm.Str(e, "properties.privateIPAddress")
		}
	}
	return ""
}

func publicIPOf(nic azure.ID, config arm.Doc) azure.ID {
	name := arm.Str(config, "properties.publicIPAddressConfiguration.name")
	return nic.Join("ipConfigurations", arm.Str(config, "name"), "publicIPAddresses", name)
}

// putPublicIPs makes the public addresses that an instance's configuration asks for.
func putPublicIPs(c *arm.Call, nic azure.ID, n arm.Doc) *azure.Error {
	for _, e := range objects(n, "properties.ipConfigurations") {
		config := arm.Map(e, "properties.publicIPAddressConfiguration")
		if config == nil {
			continue
		}
		id := publicIPOf(nic, e)
		if old, err := c.Load(id); err != nil || old != nil {
			if err != nil {
				return arm.Fault(err)
			}
			continue
		}
		ip, err := nextPublicRange(c, "IPv4", 0)
		if err != nil {
			return arm.Fault(err)
		}
		if _, err := c.PutPart(id, arm.Doc{"properties": arm.Doc{"ipAddress": ip.Addr().String(), "publicIPAddressVersion": "IPv4", "publicIPAllocationMethod": "Dynamic",
			"idleTimeoutInMinutes": number(max(arm.Int(config, "properties.idleTimeoutInMinutes"), 4)), "ipConfiguration": arm.Doc{"id": nic.Join("ipConfigurations", arm.Str(e, "name")).String()},
			"provisioningState": "Succeeded", "resourceGuid": azure.NewGUID().String()}}); err != nil {
			return err
		}
	}
	return nil
}

// instanceDeleted removes an instance's own disk. Its scale set is smaller then, unless that is being deleted itself.
func instanceDeleted(c *arm.Call) *azure.Error {
	if err := dropDisks(c); err != nil || !c.Target().Equal(c.ID) {
		return err
	}
	set := c.ID.Parent()
	left, err := instancesOf(c, set)
	if err != nil {
		return err
	}
	d, e := c.Load(set)
	if e != nil || d == nil || arm.Int(d, "sku.capacity") <= len(left) {
		return arm.Fault(e)
	}
	arm.Set(d, "sku.capacity", number(len(left)))
	return arm.Fault(c.Seed(set, d))
}

func viewInstance(c *arm.Call, d arm.Doc) {
	id := azure.MustID(arm.Str(d, "id"))
	d["name"] = id.Parent().Name() + "_" + id.Name()
	if strings.Contains(lower(c.Param("$expand")), "instanceview") {
		stored, _ := c.Load(id)
		arm.Set(d, "properties.instanceView", instanceView(c, stored))
	}
}

// setInterfaces lists the interfaces of all of a scale set's instances.
func setInterfaces(c *arm.Call) iter.Seq2[arm.Doc, error] { return belowInstances(c, typeInstanceNIC) }

func setPublicIPs(c *arm.Call) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		for nic, err := range belowInstances(c, typeInstanceNIC) {
			for _, e := range objects(nic, "properties.ipConfigurations") {
				id, bad := azure.ParseID(arm.Str(e, "properties.publicIPAddress.id"))
				if bad != nil {
					continue
				}
				var d arm.Doc
				if d, err = c.Load(id); d != nil && !yield(d, nil) {
					return
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

func belowInstances(c *arm.Call, typ string) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		for inst, err := range c.Resources(c.ID, typeInstance) {
			if err != nil {
				yield(nil, err)
				return
			}
			for d, err := range c.Resources(azure.MustID(arm.Str(inst, "id")), typ) {
				if !yield(d, err) || err != nil {
					return
				}
			}
		}
	}
}
