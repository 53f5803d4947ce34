package template

import (
	"math/big"
	"net/netip"
)

// cidrFunctions work on ranges of addresses (Microsoft Learn: CIDR functions).
func cidrFunctions() map[string]*function {
	return map[string]*function{
		"parseCidr":  def("string", parseCIDR),
		"cidrSubnet": def("string int int", cidrSubnet),
		"cidrHost":   def("string int", cidrHost),
	}
}

func prefix(name string, v any) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(v.(string))
	if err != nil || p.Addr().Is4In6() {
		return p, faultf("The template language function '%s' expects its first parameter to be a network in CIDR notation. The provided value is '%s'. "+
			"Please see https://aka.ms/arm-functions#%s for usage details.", name, clip(v.(string)), name)
	}
	return p.Masked(), nil
}

// plus is an address further on; the zero Addr beyond the last one.
func plus(a netip.Addr, n *big.Int) netip.Addr {
	sum := new(big.Int).Add(new(big.Int).SetBytes(a.AsSlice()), n)
	if sum.Sign() < 0 || sum.BitLen() > a.BitLen() {
		return netip.Addr{}
	}
	out, _ := netip.AddrFromSlice(sum.FillBytes(make([]byte, a.BitLen()/8)))
	return out
}

// hosts is the number of addresses in a prefix.
func hosts(p netip.Prefix) *big.Int {
	return new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-p.Bits()))
}

func parseCIDR(_ *env, a []any) (any, error) {
	p, err := prefix("parseCidr", a[0])
	if err != nil {
		return nil, err
	}
	first := p.Addr()
	last := plus(first, new(big.Int).Sub(hosts(p), big.NewInt(1)))
	ones, _ := netip.AddrFromSlice(new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(first.BitLen())), big.NewInt(1)).Bytes())
	mask, _ := ones.Prefix(p.Bits())
	o := newObject("network", first.String(), "netmask", mask.Addr().String())
	if first.Is4() {
		o.set("broadcast", last.String())
		if p.Bits() < 31 {
			first, last = first.Next(), last.Prev()
		}
	}
	o.set("firstUsable", first.String())
	o.set("lastUsable", last.String())
	o.set("cidr", int64(p.Bits()))
	return o, nil
}

func cidrSubnet(_ *env, a []any) (any, error) {
	p, err := prefix("cidrSubnet", a[0])
	if err != nil {
		return nil, err
	}
	bits, index := a[1].(int64), a[2].(int64)
	if bits < int64(p.Bits()) || bits > int64(p.Addr().BitLen()) || index < 0 {
		return nil, faultf("The template language function 'cidrSubnet' cannot cut '%s' into networks of '%d' bits. "+
			"Please see https://aka.ms/arm-functions#cidrSubnet for usage details.", p, bits)
	}
	step := new(big.Int).Lsh(big.NewInt(index), uint(p.Addr().BitLen()-int(bits)))
	if step.Cmp(hosts(p)) >= 0 {
		return nil, faultf("The template language function 'cidrSubnet' expects an index within '%s'. The provided value is '%d'. "+
			"Please see https://aka.ms/arm-functions#cidrSubnet for usage details.", p, index)
	}
	return netip.PrefixFrom(plus(p.Addr(), step), int(bits)).String(), nil
}

// cidrHost counts from the first usable address, 0, which follows the network's own.
func cidrHost(_ *env, a []any) (any, error) {
	p, err := prefix("cidrHost", a[0])
	if err != nil {
		return nil, err
	}
	index := a[1].(int64)
	at := new(big.Int).Add(big.NewInt(index), big.NewInt(1))
	if p.IsSingleIP() {
		at = big.NewInt(index)
	}
	if index < 0 || at.Cmp(hosts(p)) >= 0 {
		return nil, faultf("The template language function 'cidrHost' expects an index within '%s'. The provided value is '%d'. "+
			"Please see https://aka.ms/arm-functions#cidrHost for usage details.", p, index)
	}
	return plus(p.Addr(), at).String(), nil
}
