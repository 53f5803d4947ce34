package provider

import (
	"encoding/json"
	"fmt"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

func loadBalancers() []arm.Type {
	kids := lbChildren()
	var lists []string
	for _, ch := range kids {
		lists = append(lists, ch.Path)
	}
	return []arm.Type{{Name: typeLoadBalancer, Children: kids, Deleted: leavePools,
		Check: checks(defaults(lists...), func(c *arm.Call) *azure.Error { return checkSKU(c, "Basic") }, checkFrontends, checkLBRules, checkAddressPools)}}
}

// lbChildren are a load balancer's collections, with what the frontends and pools refer to, and who refers to them.
func lbChildren() []arm.Child {
	used := func(names ...string) []arm.Back {
		var out []arm.Back
		for _, n := range names {
			out = append(out, arm.Back{Path: "properties." + n, From: []string{n}})
		}
		return out
	}
	bySet := map[string]*azure.Message{"virtualmachinescalesets": azure.InUseLoadBalancerByScaleSet}
	ipConfigurations := []string{"ipConfigurations"}
	var out []arm.Child
	for _, t := range []arm.Type{
		{Name: "frontendIPConfigurations", ReadOnly: true, Back: used("loadBalancingRules", "outboundRules", "inboundNatRules", "inboundNatPools"),
			InUseBy: map[string]*azure.Message{"privatelinkservices": azure.InUseLoadBalancerByLinkService},
			Links: []arm.Link{
				{Path: "properties.publicIPAddress.id", Action: joinIP},
				{Path: "properties.publicIPPrefix.id", Action: joinPrefix},
				{Path: "properties.subnet.id", Action: joinSubnet}}},
		{Name: "backendAddressPools", InUseBy: bySet,
			Back: append(used("loadBalancingRules", "outboundRules", "inboundNatRules"), arm.Back{Path: "properties.backendIPConfigurations", From: ipConfigurations}),
			Links: []arm.Link{
				{Path: "properties.virtualNetwork.id", Action: joinVNetByLB},
				{Path: "properties.loadBalancerBackendAddresses[].properties.virtualNetwork.id", Action: joinVNetByLB},
				{Path: "properties.loadBalancerBackendAddresses[].properties.subnet.id", Action: joinSubnet}}},
		{Name: "loadBalancingRules", ReadOnly: true},
		{Name: "probes", ReadOnly: true, Back: used("loadBalancingRules"), InUseBy: bySet},
		{Name: "inboundNatRules", Back: []arm.Back{{Path: "properties.backendIPConfiguration", From: ipConfigurations, Form: arm.One}}},
		{Name: "inboundNatPools", ReadOnly: true, InUseBy: bySet},
		{Name: "outboundRules", ReadOnly: true},
	} {
		path := "properties." + t.Name
		t.Name = typeLoadBalancer + "/" + t.Name
		out = append(out, arm.Child{Path: path, Type: &t})
	}
	return out
}

// checkFrontends gives internal frontends their addresses and takes public ones that are free and of the same SKU.
func checkFrontends(c *arm.Call) *azure.Error {
	for _, d := range objects(c.Doc, "properties.frontendIPConfigurations") {
		arm.Default(d, "properties", arm.Doc{})
		arm.Default(d, "properties.privateIPAllocationMethod", "Dynamic")
		id := c.ID.Join("frontendIPConfigurations", arm.Str(d, "name"))
		ip, err := azure.ParseID(arm.Str(d, "properties.publicIPAddress.id"))
		if err != nil {
			continue
		}
		if err := checkIPFree(c, ip.String(), id); err != nil {
			return err
		}
		doc, err := c.Load(ip)
		if err != nil {
			return arm.Fault(err)
		}
		if sku := arm.Str(doc, "sku.name"); doc != nil && sku != arm.Str(c.Doc, "sku.name") {
			return azure.DifferentSKU.Format(azure.Fields{"id": id.String(), "ip": ip.String()})
		}
	}
	return assign(c, "properties.frontendIPConfigurations")
}

// checkLBRules spells out the rules and refuses two that cannot be told apart.
func checkLBRules(c *arm.Call) *azure.Error {
	front, back := map[string]string{}, map[string]string{}
	for _, r := range objects(c.Doc, "properties.loadBalancingRules") {
		for k, v := range map[string]any{"enableFloatingIP": false, "idleTimeoutInMinutes": json.Number("4"), "loadDistribution": "Default", "enableTcpReset": false, "disableOutboundSnat": false} {
			arm.Default(r, "properties."+k, v)
		}
		if err := oneOf(c, r, "properties.protocol", "All", "Tcp", "Udp"); err != nil {
			return err
		}
		id := c.ID.Join("loadBalancingRules", arm.Str(r, "name")).String()
		f := azure.Fields{"rule": id, "protocol": arm.Str(r, "properties.protocol"), "port": fmt.Sprint(arm.Int(r, "properties.frontendPort")),
			"frontend": arm.Str(r, "properties.frontendIPConfiguration.id"), "pool": arm.Str(r, "properties.backendAddressPool.id")}
		if clash(front, f, "frontend") {
			return azure.FrontendPortConflict.Format(f)
		}
		f["port"] = fmt.Sprint(arm.Int(r, "properties.backendPort"))
		if !arm.Bool(r, "properties.enableFloatingIP") && f["pool"] != "" && clash(back, f, "pool") {
			return azure.BackendPortConflict.Format(f)
		}
	}
	for _, p := range objects(c.Doc, "properties.probes") {
		if err := oneOf(c, p, "properties.protocol", "Tcp", "Http", "Https"); err != nil {
			return err
		}
		arm.Default(p, "properties.intervalInSeconds", json.Number("15"))
		arm.Default(p, "properties.numberOfProbes", json.Number("2"))
		arm.Default(p, "properties.probeThreshold", json.Number("1"))
	}
	return nil
}

// clash reports whether a rule uses a protocol and port at a frontend or pool that another one uses, and names that one.
func clash(seen map[string]string, f azure.Fields, at string) bool {
	slot := lower(f["protocol"] + " " + f["port"] + " " + f[at])
	other, twice := seen[slot]
	f["other"] = other
	seen[slot] = f["rule"]
	return twice
}

// checkAddressPools spells out the pools that are made of addresses instead of interfaces.
func checkAddressPools(c *arm.Call) *azure.Error {
	for _, p := range objects(c.Doc, "properties.backendAddressPools") {
		for _, a := range objects(p, "properties.loadBalancerBackendAddresses") {
			if arm.Str(a, "name") == "" {
				return azure.MissingNetworkValue.Format(azure.Fields{"path": "loadBalancerBackendAddresses[].name", "id": c.ID.Join("backendAddressPools", arm.Str(p, "name")).String()})
			}
			arm.Default(a, "properties.adminState", "None")
		}
	}
	return nil
}

// leavePools takes the interfaces out of the pools of a load balancer that is gone; scale sets refuse that it goes.
func leavePools(c *arm.Call) *azure.Error {
	for _, e := range objects(c.Old, "properties.backendAddressPools") {
		pool := c.ID.Join("backendAddressPools", arm.Str(e, "name"))
		var members []arm.Doc
		for d, err := range c.Find(pool.Key()) {
			if err != nil {
				return arm.Fault(err)
			}
			members = append(members, d)
		}
		for _, d := range members {
			dropReference(d, pool)
			if err := c.Seed(azure.MustID(arm.Str(d, "id")), d); err != nil {
				return arm.Fault(err)
			}
		}
	}
	return nil
}

// dropReference removes the elements {"id": target} from all arrays of a document.
func dropReference(v any, target azure.ID) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = dropReference(e, target)
		}
	case []any:
		kept := v[:0]
		for _, e := range v {
			if m, ok := e.(map[string]any); ok && len(m) == 1 && strings.EqualFold(arm.Str(m, "id"), target.String()) {
				continue
			}
			kept = append(kept, dropReference(e, target))
		}
		return kept
	}
	return v
}
