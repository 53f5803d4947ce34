package provider

import (
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

func virtualNetworks() []arm.Type {
	subnet := arm.Type{
		Name: typeSubnet, InUse: azure.InUseSubnet,
		Links: []arm.Link{
			{Path: "properties.routeTable.id", Action: joinTable},
			{Path: "properties.networkSecurityGroup.id", Action: joinNSG},
			{Path: "properties.natGateway.id", Action: joinNAT},
			{Path: "properties.serviceEndpointPolicies[].id", Action: joinSEPolicy},
		},
		Back: []arm.Back{
			{Path: "properties.ipConfigurations", From: []string{"ipConfigurations", "frontendIPConfigurations", "gatewayIPConfigurations"}},
			{Path: "properties.privateEndpoints", From: []string{"privateEndpoints"}},
		},
	}
	peering := arm.Type{Name: typePeering, View: viewPeering,
		Links: []arm.Link{{Path: "properties.remoteVirtualNetwork.id", Action: peerVNet}}}
	return []arm.Type{
		{
			Name: typeVNet, Check: checks(defaults("properties.subnets", "properties.virtualNetworkPeerings"), tidyNetwork, checkSpace, checkSubnets, checkPeerings),
			Written: connectPeerings, Deleted: unlinkZones,
			Keep:     []string{"properties.subnets", "properties.virtualNetworkPeerings"},
			Links:    []arm.Link{{Path: "properties.ddosProtectionPlan.id", Action: joinDDoSPlan}},
			Children: []arm.Child{{Path: "properties.subnets", Type: &subnet}, {Path: "properties.virtualNetworkPeerings", Type: &peering}},
		},
		{Name: typeVNet + "/checkIpAddressAvailability", ReadOnly: true, Single: true, Get: availableAddress},
		{Name: typeVNet + "/usages", ReadOnly: true, List: subnetUsages},
	}
}

func addressSpace(d arm.Doc) []string {
	return text(arm.List(d, "properties.addressSpace.addressPrefixes"))
}

// tidyNetwork drops a setting that only classic networks had, and spells out DNS settings that are given.
func tidyNetwork(c *arm.Call) *azure.Error {
	if !arm.Bool(c.Doc, "properties.enableVmProtection") {
		arm.Unset(c.Doc, "properties.enableVmProtection")
	}
	if arm.Map(c.Doc, "properties.dhcpOptions") != nil {
		arm.Default(c.Doc, "properties.dhcpOptions.dnsServers", []any{})
	}
	return nil
}

func checkSpace(c *arm.Call) *azure.Error {
	arm.Default(c.Doc, "properties.enableDdosProtection", false)
	space, err := prefixes(c.ID.Name(), addressSpace(c.Doc))
	if err == nil && len(space) == 0 {
		err = azure.InvalidAddressSpace.Format(azure.Fields{"id": c.ID.String()})
	}
	return err
}

// checkSubnets checks the subnets' addresses: well formed, inside of the network's, apart from each other,
// and not taken from under what stands there.
func checkSubnets(c *arm.Call) *azure.Error {
	space, err := prefixes(c.ID.Name(), addressSpace(c.Doc))
	if err != nil {
		return err
	}
	taken := map[string][]netip.Prefix{}
	for _, d := range objects(c.Doc, "properties.subnets") {
		name := arm.Str(d, "name")
		own, err := subnetPrefixes(c.ID.Name(), d)
		if err != nil {
			return err
		}
		for _, p := range own {
			if !within(p, space) {
				return azure.SubnetOutsideNetwork.Format(azure.Fields{"subnet": name, "network": c.ID.Name()})
			}
			for _, other := range slices.Sorted(maps.Keys(taken)) {
				if slices.ContainsFunc(taken[other], p.Overlaps) {
					return azure.SubnetsOverlap.Format(azure.Fields{"subnet": name, "other": other})
				}
			}
		}
		taken[name] = own
		if err := checkPrefixKept(c, d, own); err != nil {
			return err
		}
		if err := fillSubnet(c, d); err != nil {
			return err
		}
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

// checkPrefixKept refuses to change the addresses of a subnet that has given some out.
func checkPrefixKept(c *arm.Call, d arm.Doc, now []netip.Prefix) *azure.Error {
	for _, old := range objects(c.Old, "properties.subnets") {
		if !strings.EqualFold(arm.Str(old, "name"), arm.Str(d, "name")) {
			continue
		}
		before, err := subnetPrefixes(c.ID.Name(), old)
		if err != nil {
			return err
		}
		for _, p := range before {
			if slices.Contains(now, p) {
				continue
			}
			a, err := openAddresses(c, c.ID.Join("subnets", arm.Str(d, "name")), azure.ID{})
			if err != nil {
				return err
			}
			for ip := range a.taken {
				if p.Contains(ip) {
					return azure.PrefixInUse.Format(azure.Fields{"prefix": p.String(), "subnet": arm.Str(d, "name")})
				}
			}
		}
	}
	return nil
}

func fillSubnet(c *arm.Call, d arm.Doc) *azure.Error {
	arm.Default(d, "properties.delegations", []any{})
	id := c.ID.Join("subnets", arm.Str(d, "name"))
	for _, e := range objects(d, "properties.delegations") {
		e["id"], e["type"] = id.Join("delegations", arm.Str(e, "name")).String(), typeSubnet+"/delegations"
		arm.Set(e, "properties.provisioningState", "Succeeded")
	}
	for _, e := range objects(d, "properties.serviceEndpoints") {
		e["provisioningState"] = "Succeeded"
		arm.Default(e, "locations", []any{"*"})
	}
	if err := oneOf(c, d, "properties.privateEndpointNetworkPolicies", "Disabled", "Enabled", "NetworkSecurityGroupEnabled", "RouteTableEnabled"); err != nil {
		return err
	}
	return oneOf(c, d, "properties.privateLinkServiceNetworkPolicies", "Enabled", "Disabled")
}

// checkPeerings checks what a network is peered with: a network that is there, once, with addresses of its own.
func checkPeerings(c *arm.Call) *azure.Error {
	space, err := prefixes(c.ID.Name(), addressSpace(c.Doc))
	if err != nil {
		return err
	}
	seen := map[string]azure.ID{}
	for _, p := range objects(c.Doc, "properties.virtualNetworkPeerings") {
		id := c.ID.Join("virtualNetworkPeerings", arm.Str(p, "name"))
		remote, e := azure.ParseID(arm.Str(p, "properties.remoteVirtualNetwork.id"))
		if e != nil {
			return azure.MissingNetworkValue.Format(azure.Fields{"path": "properties.remoteVirtualNetwork.id", "id": id.String()})
		}
		if other, twice := seen[remote.Key()]; twice {
			return azure.PeeringExists.Format(azure.Fields{"id": id.String(), "other": other.String(), "remote": remote.String()})
		}
		seen[remote.Key()] = id
		doc, e := c.Load(remote)
		if e != nil || doc == nil {
			if e != nil {
				return arm.Fault(e)
			}
			continue // deleted since: the peering is disconnected
		}
		far, err := prefixes(remote.Name(), addressSpace(doc))
		if err != nil {
			return err
		}
		if both := overlaps(space, far); both != "" {
			return azure.NetworksOverlap.Format(azure.Fields{"id": id.String(), "network": c.ID.String(), "remote": remote.String(), "prefixes": both})
		}
		fillPeering(p, doc)
	}
	return nil
}

func overlaps(a, b []netip.Prefix) string {
	var both []string
	for _, p := range a {
		if slices.ContainsFunc(b, p.Overlaps) {
			both = append(both, p.String())
		}
	}
	return strings.Join(both, ", ")
}

func fillPeering(p, remote arm.Doc) {
	for k, v := range map[string]any{"allowVirtualNetworkAccess": true, "allowForwardedTraffic": false, "allowGatewayTransit": false, "useRemoteGateways": false,
		"doNotVerifyRemoteGateways": false, "peerCompleteVnets": true, "peeringState": "Initiated", "resourceGuid": arm.Str(remote, "properties.resourceGuid")} {
		arm.Default(p, "properties."+k, v)
	}
	for _, k := range []string{"remoteAddressSpace", "remoteVirtualNetworkAddressSpace"} {
		arm.Set(p, "properties."+k, arm.Map(remote, "properties.addressSpace"))
	}
}

// peeringTo finds a network's peering with another one.
func peeringTo(network arm.Doc, other azure.ID) arm.Doc {
	for _, p := range objects(network, "properties.virtualNetworkPeerings") {
		if strings.EqualFold(arm.Str(p, "properties.remoteVirtualNetwork.id"), other.String()) {
			return p
		}
	}
	return nil
}

const peeringState = "properties.peeringState"

// connectPeerings notes on both sides that two networks are peered, so that one of them knows when the other's peering is gone.
func connectPeerings(c *arm.Call) *azure.Error {
	for _, p := range objects(c.Doc, "properties.virtualNetworkPeerings") {
		remote := azure.MustID(arm.Str(p, "properties.remoteVirtualNetwork.id"))
		doc, err := c.Load(remote)
		if err != nil {
			return arm.Fault(err)
		}
		back := peeringTo(doc, c.ID)
		if back == nil || arm.Str(back, peeringState) == "Connected" && arm.Str(p, peeringState) == "Connected" {
			continue
		}
		arm.Set(p, peeringState, "Connected")
		arm.Set(back, peeringState, "Connected")
		if err := c.Seed(remote, doc); err != nil {
			return arm.Fault(err)
		}
		if err := c.Save(); err != nil {
			return err
		}
	}
	return nil
}

// viewPeering says how a peering stands: it takes one on each side.
func viewPeering(c *arm.Call, p arm.Doc) {
	state, sync := arm.Str(p, peeringState), "RemoteNotInSync"
	remote, err := azure.ParseID(arm.Str(p, "properties.remoteVirtualNetwork.id"))
	if err != nil {
		return
	}
	doc, _ := c.Load(remote)
	switch back := peeringTo(doc, azure.MustID(arm.Str(p, "id")).Parent()); {
	case back != nil:
		state, sync = "Connected", "FullyInSync"
	case state == "Connected":
		state = "Disconnected"
	}
	arm.Set(p, peeringState, state)
	arm.Set(p, "properties.peeringSyncLevel", sync)
}

// unlinkZones takes a deleted network off the private DNS zones (Microsoft Learn: private DNS FAQ).
func unlinkZones(c *arm.Call) *azure.Error {
	var links []azure.ID
	for user, err := range c.Users(c.ID) {
		if err != nil {
			return arm.Fault(err)
		}
		if strings.EqualFold(user.Type(), typeZoneLink) {
			links = append(links, user)
		}
	}
	for _, id := range links {
		if err := c.DropPart(id); err != nil {
			return err
		}
	}
	return nil
}

// availableAddress says whether an address of a network is free, and which are.
func availableAddress(c *arm.Call) (arm.Doc, *azure.Error) {
	network, err := c.Load(c.ID.Parent())
	if err != nil || network == nil {
		if err != nil {
			return nil, arm.Fault(err)
		}
		return nil, azure.NotFound.Format(azure.Fields{"id": c.ID.Parent().String()})
	}
	want := c.Param("ipAddress")
	ip, err := netip.ParseAddr(want)
	if err != nil {
		return nil, azure.InvalidNetworkValue.Format(azure.Fields{"value": want, "path": "ipAddress", "id": c.ID.Parent().String()})
	}
	answer := arm.Doc{"available": false, "availableIPAddresses": []any{}, "isPlatformReserved": false}
	for _, s := range objects(network, "properties.subnets") {
		a, err := openAddresses(c, azure.MustID(arm.Str(s, "id")), azure.ID{})
		if err != nil {
			return nil, err
		}
		if !within(netip.PrefixFrom(ip, ip.BitLen()), a.ranges) {
			continue
		}
		refused := a.reserve(want, azure.ID{})
		answer["available"] = refused == nil
		answer["isPlatformReserved"] = refused != nil && refused.Code == azure.AddressReserved.Code
		answer["availableIPAddresses"] = firstFree(a, 5)
	}
	return answer, nil
}

func firstFree(a *addresses, n int) []any {
	free := []any{}
	for _, p := range a.ranges {
		for ip := range usable(p) {
			if len(free) == n {
				return free
			}
			if _, taken := a.taken[ip]; !taken {
				free = append(free, ip.String())
			}
		}
	}
	return free
}

func subnetUsages(c *arm.Call) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		network, err := c.Load(c.ID)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, s := range objects(network, "properties.subnets") {
			a, e := openAddresses(c, azure.MustID(arm.Str(s, "id")), azure.ID{})
			if e != nil {
				yield(nil, e)
				return
			}
			_, size := a.free()
			if !yield(arm.Doc{"id": arm.Str(s, "id"), "currentValue": len(a.taken), "limit": size, "unit": "Count",
				"name": arm.Doc{"value": "SubnetSpace", "localizedValue": "Subnet size and usage"}}, nil) {
				return
			}
		}
	}
}
