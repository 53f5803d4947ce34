package provider

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/store"
)

// publicAddresses are public IP addresses, prefixes of them, and NAT gateways.
func publicAddresses() []arm.Type {
	frontends := []string{"ipConfigurations", "frontendIPConfigurations"}
	return []arm.Type{
		{
			Name: typePublicIP, InUse: azure.PublicIPInUse, Check: checks(defaults("properties.ipTags"), checkPublicIP, checkLabel, givePublicIP), View: viewPublicIP,
			Links: []arm.Link{
				{Path: "properties.publicIPPrefix.id", Action: joinPrefix}, {Path: "properties.natGateway.id", Action: joinNAT},
				{Path: "properties.ddosSettings.ddosProtectionPlan.id", Action: joinDDoSPlan}},
			Back: []arm.Back{{Path: "properties.ipConfiguration", From: frontends, Form: arm.One}, {Path: "properties.natGateway", From: []string{"natGateways"}, Form: arm.One}},
			Refs: func(d arm.Doc) []string {
				if name := arm.Str(d, "properties.dnsSettings.fqdn"); name != "" {
					return []string{labelRef(name)}
				}
				return nil
			},
		},
		{
			Name: typePrefix, InUse: azure.PublicIPPrefixInUse, Check: checks(defaults("properties.ipTags"), checkPrefix),
			Back: []arm.Back{{Path: "properties.publicIPAddresses", From: []string{"publicIPAddresses"}},
				{Path: "properties.loadBalancerFrontendIpConfiguration", From: frontends, Form: arm.One}, {Path: "properties.natGateway", From: []string{"natGateways"}, Form: arm.One}},
		},
		{
			Name: typeNATGateway, InUse: azure.InUseNATGateway, Check: checks(defaults(), checkNATGateway), Back: []arm.Back{{Path: "properties.subnets", From: []string{"subnets"}}},
			Links: []arm.Link{{Path: "properties.publicIpAddresses[].id", Action: joinIP}, {Path: "properties.publicIpPrefixes[].id", Action: joinPrefix}},
		},
	}
}

// checkSKU spells out a network resource's SKU, which stays what it was made with.
func checkSKU(c *arm.Call, first string) *azure.Error {
	arm.Default(c.Doc, "sku", arm.Doc{})
	arm.Default(c.Doc, "sku.name", cmp.Or(arm.Str(c.Old, "sku.name"), first))
	arm.Default(c.Doc, "sku.tier", "Regional")
	if err := oneOf(c, c.Doc, "sku.name", first, "Basic", "Standard", "Gateway", "StandardV2"); err != nil {
		return err
	}
	if old, now := arm.Str(c.Old, "sku.name"), arm.Str(c.Doc, "sku.name"); old == "Standard" && now != old {
		return azure.SKUChangeNotAllowed.Format(azure.Fields{"old": old, "sku": now, "id": c.ID.String()})
	}
	return nil
}

var filledOfPublicIP = []filled{{path: "properties.ddosSettings.protectionMode", value: "VirtualNetworkInherited", since: "2022-05-01"}}

func checkPublicIP(c *arm.Call) *azure.Error {
	if err := checkSKU(c, "Basic"); err != nil {
		return err
	}
	standard := arm.Str(c.Doc, "sku.name") != "Basic"
	method := "Dynamic"
	if standard {
		method = "Static"
	}
	arm.Default(c.Doc, "properties.publicIPAllocationMethod", method)
	arm.Default(c.Doc, "properties.idleTimeoutInMinutes", json.Number("4"))
	fill(c.Doc, c.Version, filledOfPublicIP)
	if err := oneOf(c, c.Doc, "properties.publicIPAllocationMethod", method, "Static", "Dynamic"); err != nil {
		return err
	}
	if standard && arm.Str(c.Doc, "properties.publicIPAllocationMethod") != "Static" {
		return azure.StaticAddressRequired.Format(azure.Fields{"id": c.ID.String()})
	}
	return oneOf(c, c.Doc, "properties.publicIPAddressVersion", "IPv4", "IPv6")
}

// checkLabel gives an address its name in DNS, which no other has.
func checkLabel(c *arm.Call) *azure.Error {
	label := arm.Str(c.Doc, "properties.dnsSettings.domainNameLabel")
	if label == "" {
		return nil
	}
	name := fmt.Sprintf("%s.%s.cloudapp.azure.com", lower(label), arm.Str(c.Doc, "location"))
	arm.Set(c.Doc, "properties.dnsSettings.fqdn", name)
	for d, err := range c.Find(labelRef(name)) {
		if err != nil {
			return arm.Fault(err)
		}
		if !strings.EqualFold(arm.Str(d, "id"), c.ID.String()) {
			return azure.DNSLabelInUse.Format(azure.Fields{"name": name})
		}
	}
	return nil
}

// labelRef is the index entry of an address with a name in DNS.
func labelRef(name string) string { return "dns:" + name }

func givePublicIP(c *arm.Call) *azure.Error {
	if old := arm.Get(c.Old, "properties.ipAddress"); old != nil {
		arm.Set(c.Doc, "properties.ipAddress", old)
		return nil
	}
	ip, err := nextOfPrefix(c)
	if err != nil {
		return err
	}
	arm.Set(c.Doc, "properties.ipAddress", ip)
	return nil
}

// nextOfPrefix is a free address of the prefix that an address is made from, or of Azure's.
func nextOfPrefix(c *arm.Call) (string, *azure.Error) {
	id, err := azure.ParseID(arm.Str(c.Doc, "properties.publicIPPrefix.id"))
	if err != nil {
		p, err := nextPublicRange(c, arm.Str(c.Doc, "properties.publicIPAddressVersion"), 0)
		return p.Addr().String(), arm.Fault(err)
	}
	doc, err := c.Load(id)
	if err != nil || doc == nil {
		return "", arm.Fault(err)
	}
	taken := map[string]bool{}
	for d, err := range c.Find(id.Key()) {
		if err != nil {
			return "", arm.Fault(err)
		}
		taken[arm.Str(d, "properties.ipAddress")] = true
	}
	p, err := netip.ParsePrefix(arm.Str(doc, "properties.ipPrefix"))
	if err != nil {
		return "", arm.Fault(err)
	}
	for ip := p.Addr(); p.Contains(ip); ip = ip.Next() {
		if !taken[ip.String()] {
			return ip.String(), nil
		}
	}
	return "", azure.PrefixExhausted.Format(azure.Fields{"id": id.String()})
}

// viewPublicIP hides the address of one that gets it only while it is used.
func viewPublicIP(c *arm.Call, d arm.Doc) {
	hide(d, c.Version, filledOfPublicIP)
	if arm.Str(d, "properties.publicIPAllocationMethod") == "Dynamic" && arm.Map(d, "properties.ipConfiguration") == nil {
		arm.Unset(d, "properties.ipAddress")
	}
}

func checkPrefix(c *arm.Call) *azure.Error {
	if err := checkSKU(c, "Standard"); err != nil {
		return err
	}
	if err := oneOf(c, c.Doc, "properties.publicIPAddressVersion", "IPv4", "IPv6"); err != nil {
		return err
	}
	version := arm.Str(c.Doc, "properties.publicIPAddressVersion")
	shortest, longest := 21, 31
	if version == "IPv6" {
		shortest, longest = 117, 127
	}
	arm.Default(c.Doc, "properties.prefixLength", json.Number(strconv.Itoa(longest)))
	bits := arm.Int(c.Doc, "properties.prefixLength")
	if bits < shortest || bits > longest {
		return azure.InvalidNetworkValue.Format(azure.Fields{"value": fmt.Sprint(arm.Get(c.Doc, "properties.prefixLength")), "path": "properties.prefixLength", "id": c.ID.String()})
	}
	if old := arm.Get(c.Old, "properties.ipPrefix"); old != nil {
		arm.Set(c.Doc, "properties.ipPrefix", old)
		return nil
	}
	p, err := nextPublicRange(c, version, longest+1-bits)
	arm.Set(c.Doc, "properties.ipPrefix", p.String())
	return arm.Fault(err)
}

// Public addresses come from ranges that are nobody's: of benchmarks (RFC 2544, 131,072 addresses) and of documentation (RFC 3849).
var (
	publicIPv4 = netip.MustParsePrefix("198.18.0.0/15")
	publicIPv6 = netip.MustParsePrefix("2001:db8::/32")
)

// nextPublicRange hands ranges of 2^bits addresses out one after the other.
func nextPublicRange(c *arm.Call, version string, bits int) (netip.Prefix, error) {
	space, key := publicIPv4, counterIPv4
	if version == "IPv6" {
		space, key = publicIPv6, counterIPv6
	}
	n, err := lastPublic(c, key)
	if err != nil {
		return netip.Prefix{}, err
	}
	size := uint32(1) << bits
	first := (n/size + 1) * size
	return netip.PrefixFrom(offset(space, first), space.Addr().BitLen()-bits), setLastPublic(c, key, first+size-1)
}

// Counters of the ranges that are handed out.
const (
	counterKind = "counter"
	counterIPv4 = "public-ip"
	counterIPv6 = "public-ipv6"
)

// lastPublic is the number of the last address that was handed out.
func lastPublic(c *arm.Call, key string) (n uint32, err error) {
	d, err := c.Tx.Get(counterKind, key)
	switch {
	case isNotFound(err):
		return 0, nil
	case err != nil:
		return 0, err
	}
	return n, json.Unmarshal(d.Body, &n)
}

func setLastPublic(c *arm.Call, key string, n uint32) error {
	body, _ := json.Marshal(n)
	return c.Tx.Put(store.Doc{Kind: counterKind, Key: key, Body: body})
}

// keepPublic keeps a restored address or prefix from being handed out again, if it was handed out here.
func keepPublic(c *arm.Call, text string) error {
	p, err := netip.ParsePrefix(text)
	if ip, e := netip.ParseAddr(text); e == nil {
		p, err = netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	space, key := publicIPv4, counterIPv4
	if p.Addr().Is6() {
		space, key = publicIPv6, counterIPv6
	}
	if err != nil || !space.Contains(p.Addr()) {
		return nil
	}
	last, err := lastPublic(c, key)
	if err != nil {
		return err
	}
	if n := offsetOf(space, p.Addr()) + 1<<(p.Addr().BitLen()-p.Bits()) - 1; n > last {
		return setLastPublic(c, key, n)
	}
	return nil
}

// offsetOf says which address of a range one is: offset's reverse, for the first 2^32.
func offsetOf(space netip.Prefix, ip netip.Addr) uint32 {
	of := func(ip netip.Addr) uint32 { b := ip.AsSlice(); return binary.BigEndian.Uint32(b[len(b)-4:]) }
	return of(ip) - of(space.Addr())
}

// offset is the nth address of a range, beginning anew at its end.
func offset(p netip.Prefix, n uint32) netip.Addr {
	b := p.Addr().AsSlice()
	if host := p.Addr().BitLen() - p.Bits(); host < 32 {
		n %= 1 << host
	}
	for i := len(b) - 1; n > 0; i-- {
		n += uint32(b[i])
		b[i] = byte(n)
		n >>= 8
	}
	ip, _ := netip.AddrFromSlice(b)
	return ip
}

func checkNATGateway(c *arm.Call) *azure.Error {
	if err := checkSKU(c, "Standard"); err != nil {
		return err
	}
	arm.Default(c.Doc, "properties.idleTimeoutInMinutes", json.Number("4"))
	for _, ref := range objects(c.Doc, "properties.publicIpAddresses") {
		if err := checkIPFree(c, arm.Str(ref, "id"), c.ID); err != nil {
			return err
		}
	}
	return nil
}

// checkIPFree refuses a public address that another resource has.
func checkIPFree(c *arm.Call, address string, holder azure.ID) *azure.Error {
	ip, err := azure.ParseID(address)
	if err != nil {
		return nil
	}
	for user, err := range c.Users(ip) {
		if err != nil {
			return arm.Fault(err)
		}
		if azure.Action(user.Type()).HasPrefix(networkRP+"/") && !c.ID.Contains(user) {
			return azure.PublicIPAllocated.Format(azure.Fields{"id": holder.String(), "ip": ip.String(), "user": user.String()})
		}
	}
	return nil
}
