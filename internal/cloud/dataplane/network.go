package dataplane

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// rules are who may reach a resource over the network, as registries (networkRuleSet), vaults and storage accounts
// (networkAcls) write them. Clients of the local Azure come from loopback addresses: they pass a firewall that lists
// one. They are in no virtual network, so no subnet rule and no private endpoint lets them in.
type rules struct {
	Default string `json:"defaultAction"` // Allow or Deny
	IP      []struct {
		Value string `json:"value"` // an address or a range
	} `json:"ipRules"`
}

// reach is how a client stands to a resource's network rules.
type reach uint8

const (
	reached  reach = iota
	fenced         // public network access is disabled
	filtered       // the firewall lists others
)

// reach decides for a client. public is the resource's publicNetworkAccess.
func (n *rules) reach(r *http.Request, public string) reach {
	switch {
	case strings.EqualFold(public, "Disabled"), strings.EqualFold(public, "SecuredByPerimeter"):
		return fenced
	case n == nil, !strings.EqualFold(n.Default, "Deny"), n.lists(clientIP(r)):
		return reached
	}
	return filtered
}

func (n *rules) lists(client string) bool {
	addr, err := netip.ParseAddr(client)
	if err != nil {
		return false
	}
	for _, rule := range n.IP {
		if one, err := netip.ParseAddr(rule.Value); err == nil && one == addr.Unmap() {
			return true
		}
		if many, err := netip.ParsePrefix(rule.Value); err == nil && many.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}

// clientIP is a client's address, as messages show it.
func clientIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
