package provider

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// reserved is how many of a subnet's first addresses Azure keeps for itself; it keeps the last one too.
const reserved = 4

// addresses hands out a subnet's addresses.
type addresses struct {
	subnet azure.ID
	ranges []netip.Prefix
	taken  map[netip.Addr]azure.ID // to whom
}

// openAddresses finds what of a subnet is taken by resources outside of own.
func openAddresses(c *arm.Call, subnet, own azure.ID) (*addresses, *azure.Error) {
	doc, err := c.Load(subnet)
	if err != nil {
		return nil, arm.Fault(err)
	}
	a := &addresses{subnet: subnet, taken: map[netip.Addr]azure.ID{}}
	if doc != nil {
		var e *azure.Error
		if a.ranges, e = subnetPrefixes(subnet.Parent().Name(), doc); e != nil {
			return nil, e
		}
	}
	for d, err := range c.Find(subnet.Key()) {
		if err != nil {
			return nil, arm.Fault(err)
		}
		if id := azure.MustID(arm.Str(d, "id")); !own.Contains(id) {
			a.note(d, id)
		}
	}
	return a, nil
}

// note marks the addresses that a document has in the subnet.
func (a *addresses) note(v any, holder azure.ID) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			a.note(e, holder)
		}
	case map[string]any:
		if id, err := azure.ParseID(arm.Str(v, "id")); err == nil {
			holder = id
		}
		if strings.EqualFold(arm.Str(v, "subnet.id"), a.subnet.String()) {
			if ip, err := netip.ParseAddr(arm.Str(v, "privateIPAddress")); err == nil {
				a.taken[ip] = holder
			}
		}
		for _, e := range v {
			a.note(e, holder)
		}
	}
}

// claim gives holder the address that it asks for, or the lowest free one of the version (IPv4 where it is not IPv6) for "".
func (a *addresses) claim(want, version string, holder azure.ID) (string, *azure.Error) {
	if want != "" {
		return want, a.reserve(want, holder)
	}
	for _, p := range a.ranges {
		if p.Addr().Is6() != strings.EqualFold(version, "IPv6") {
			continue
		}
		for ip := range usable(p) {
			if _, taken := a.taken[ip]; !taken {
				a.taken[ip] = holder
				return ip.String(), nil
			}
		}
	}
	return "", azure.SubnetIsFull.Format(azure.Fields{"subnet": a.subnet.Name(), "prefix": a.prefix()})
}

func (a *addresses) prefix() string {
	var all []string
	for _, p := range a.ranges {
		all = append(all, p.String())
	}
	return strings.Join(all, ",")
}

// reserve takes one address, unless it is not the subnet's to give.
func (a *addresses) reserve(want string, holder azure.ID) *azure.Error {
	f := azure.Fields{"address": want, "prefix": a.prefix(), "id": holder.String()}
	ip, err := netip.ParseAddr(want)
	if err != nil || !within(netip.PrefixFrom(ip, ip.BitLen()), a.ranges) {
		return azure.AddressOutsideSubnet.Format(f)
	}
	for _, p := range a.ranges {
		if !p.Contains(ip) {
			continue
		}
		first := p.Addr()
		for range reserved {
			if first == ip {
				return azure.AddressReserved.Format(f)
			}
			first = first.Next()
		}
		if ip.Is4() && !p.Contains(ip.Next()) {
			return azure.AddressReserved.Format(f)
		}
	}
	if user, taken := a.taken[ip]; taken && !user.Equal(holder) {
		f["user"] = user.String()
		return azure.AddressAllocated.Format(f)
	}
	a.taken[ip] = holder
	return nil
}

// usable yields a prefix' addresses without those that Azure keeps.
func usable(p netip.Prefix) func(func(netip.Addr) bool) {
	return func(yield func(netip.Addr) bool) {
		ip := p.Addr()
		for range reserved {
			ip = ip.Next()
		}
		for ; p.Contains(ip) && (ip.Is6() || p.Contains(ip.Next())); ip = ip.Next() {
			if !yield(ip) {
				return
			}
		}
	}
}

// free is how many addresses of the subnet can still be handed out, and how many there are; IPv4 alone counts.
func (a *addresses) free() (free, size int) {
	for _, p := range a.ranges {
		if p.Addr().Is4() {
			size += max(1<<(32-p.Bits())-reserved-1, 0)
		}
	}
	return size - len(a.taken), size
}

// assign gives the elements of c.Doc that stand in a subnet their private addresses: the one that they ask for,
// else the one that they have, else a free one.
func assign(c *arm.Call, path string) *azure.Error {
	segment := path[strings.LastIndexByte(path, '.')+1:]
	open := map[string]*addresses{}
	for _, static := range []bool{true, false} { // those that ask for an address come first
		for _, e := range objects(c.Doc, path) {
			id, err := azure.ParseID(arm.Str(e, "properties.subnet.id"))
			if err != nil {
				continue
			}
			arm.Default(e, "properties.privateIPAllocationMethod", "Dynamic")
			arm.Default(e, "properties.privateIPAddressVersion", "IPv4")
			want := arm.Str(e, "properties.privateIPAddress")
			if fixed := strings.EqualFold(arm.Str(e, "properties.privateIPAllocationMethod"), "Static"); fixed != static {
				continue
			} else if !fixed {
				want = oldAddress(c, path, e)
			}
			a := open[id.Key()]
			if a == nil {
				var e *azure.Error
				if a, e = openAddresses(c, id, c.ID); e != nil {
					return e
				}
				open[id.Key()] = a
			}
			ip, bad := a.claim(want, arm.Str(e, "properties.privateIPAddressVersion"), c.ID.Join(segment, arm.Str(e, "name")))
			if bad != nil {
				return bad
			}
			arm.Set(e, "properties.privateIPAddress", ip)
		}
	}
	return nil
}

// oldAddress is the address that an element has had in the same subnet.
func oldAddress(c *arm.Call, path string, e arm.Doc) string {
	for _, old := range objects(c.Old, path) {
		if strings.EqualFold(arm.Str(old, "name"), arm.Str(e, "name")) && strings.EqualFold(arm.Str(old, "properties.subnet.id"), arm.Str(e, "properties.subnet.id")) {
			return arm.Str(old, "properties.privateIPAddress")
		}
	}
	return ""
}

// objects are the elements of an array of objects.
func objects(d arm.Doc, path string) []arm.Doc {
	var out []arm.Doc
	for _, v := range arm.List(d, path) {
		if m, ok := v.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// prefixes reads CIDR prefixes, which must be network addresses.
func prefixes(owner string, all []string) ([]netip.Prefix, *azure.Error) {
	var out []netip.Prefix
	for _, s := range all {
		p, err := netip.ParsePrefix(s)
		if err != nil || p.Masked() != p {
			return nil, azure.InvalidCIDR.Format(azure.Fields{"owner": owner, "prefix": s})
		}
		out = append(out, p)
	}
	return out, nil
}

func within(p netip.Prefix, space []netip.Prefix) bool {
	for _, s := range space {
		if s.Bits() <= p.Bits() && s.Contains(p.Addr()) {
			return true
		}
	}
	return false
}

// oneOf checks a value of a closed list, without case, and spells it as the list does. "" stands for the first.
func oneOf(c *arm.Call, d arm.Doc, path string, allowed ...string) *azure.Error {
	value := cmp.Or(arm.Str(d, path), allowed[0])
	for _, a := range allowed {
		if strings.EqualFold(a, value) {
			arm.Set(d, path, a)
			return nil
		}
	}
	return azure.InvalidNetworkValue.Format(azure.Fields{"value": value, "path": path, "id": fmt.Sprint(cmp.Or(arm.Str(d, "name"), c.ID.String()))})
}
