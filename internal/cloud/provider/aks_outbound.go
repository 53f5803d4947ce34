package provider

import (
	"encoding/json"
	"fmt"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

const (
	lbName  = "kubernetes"
	lbPool  = "aksOutboundBackendPool"
	lbRule  = "aksOutboundRule"
	lbNodes = "kubernetes"
)

func lbID(c *arm.Call) azure.ID { return nodeGroup(c.ID, c.Doc).Resource(typeLoadBalancer, lbName) }

// makeOutbound makes the way out that AKS makes: a load balancer or a NAT gateway with its addresses.
func makeOutbound(c *arm.Call) *azure.Error {
	var err *azure.Error
	switch outboundType(c.Doc) {
	case "loadbalancer":
		err = makeLoadBalancer(c)
	case "managednatgateway":
		err = makeNATGateway(c)
	}
	if err != nil {
		return err
	}
	return c.Save()
}

// makeLoadBalancer makes the cluster's load balancer, and gives its outbound rule the addresses that the cluster wants.
// Frontends that the cluster's controllers made stay.
func makeLoadBalancer(c *arm.Call) *azure.Error {
	fronts, err := outboundFrontends(c)
	if err != nil {
		return err
	}
	lb := lbID(c)
	old, e := c.Load(lb)
	if e != nil {
		return arm.Fault(e)
	}
	var refs []any
	for _, f := range fronts {
		refs = append(refs, arm.Doc{"id": lb.Join("frontendIPConfigurations", arm.Str(f, "name")).String()})
	}
	if old == nil {
		_, err := ensure(c, lb, arm.Doc{"sku": arm.Doc{"name": "Standard"}, "properties": arm.Doc{
			"frontendIPConfigurations": anyOf(fronts),
			"backendAddressPools":      []any{arm.Doc{"name": lbPool, "properties": arm.Doc{}}, arm.Doc{"name": lbNodes, "properties": arm.Doc{}}},
			"outboundRules": []any{arm.Doc{"name": lbRule, "properties": arm.Doc{"allocatedOutboundPorts": json.Number("0"), "idleTimeoutInMinutes": json.Number("30"), "protocol": "All",
				"enableTcpReset": true, "backendAddressPool": arm.Doc{"id": lb.Join("backendAddressPools", lbPool).String()}, "frontendIPConfigurations": refs}}},
		}})
		return err
	}
	return moveOutbound(c, arm.Clone(old), fronts, refs)
}

// moveOutbound puts the outbound rule on other frontends, where they are others.
func moveOutbound(c *arm.Call, lb arm.Doc, fronts []arm.Doc, refs []any) *azure.Error {
	before := map[string]bool{}
	for _, v := range arm.List(lb, "properties.outboundRules") {
		rule, _ := v.(map[string]any)
		if arm.Str(rule, "name") != lbRule {
			continue
		}
		arm.Each(rule, "properties.frontendIPConfigurations[].id", func(v any) { before[lower(azure.MustID(fmt.Sprint(v)).Name())] = true })
		arm.Set(rule, "properties.frontendIPConfigurations", refs)
	}
	same := len(before) == len(fronts)
	for _, f := range fronts {
		same = same && before[lower(arm.Str(f, "name"))]
	}
	if same || len(before) == 0 {
		return nil
	}
	kept := anyOf(fronts)
	for _, v := range arm.List(lb, "properties.frontendIPConfigurations") {
		f, _ := v.(map[string]any)
		if !before[lower(arm.Str(f, "name"))] {
			kept = append(kept, f)
		}
	}
	arm.Set(lb, "properties.frontendIPConfigurations", kept)
	_, err := c.AsService(aks).Put(lbID(c), lb)
	return err
}

func anyOf(docs []arm.Doc) []any {
	var out []any
	for _, d := range docs {
		out = append(out, d)
	}
	return out
}

// outboundFrontends are those of the addresses or prefixes that the user brought, or of one that AKS makes.
func outboundFrontends(c *arm.Call) ([]arm.Doc, *azure.Error) {
	const profile = "properties.networkProfile.loadBalancerProfile"
	var fronts []arm.Doc
	var effective []any
	add := func(kind, id string) {
		name := azure.MustID(id).Name()
		fronts = append(fronts, arm.Doc{"name": name, "properties": arm.Doc{kind: arm.Doc{"id": id}}})
		effective = append(effective, arm.Doc{"id": id})
	}
	arm.Each(c.Doc, profile+".outboundIPs.publicIPs[].id", func(v any) { add("publicIPAddress", fmt.Sprint(v)) })
	arm.Each(c.Doc, profile+".outboundIPPrefixes.publicIPPrefixes[].id", func(v any) { add("publicIPPrefix", fmt.Sprint(v)) })
	if len(fronts) == 0 {
		id, err := managedAddress(c, "aks-slb-managed-outbound-ip")
		if err != nil {
			return nil, err
		}
		add("publicIPAddress", id)
	}
	arm.Set(c.Doc, profile+".effectiveOutboundIPs", effective)
	return fronts, nil
}

// managedAddress is the public address that AKS makes for outbound traffic.
func managedAddress(c *arm.Call, kind string) (string, *azure.Error) {
	ip := nodeGroup(c.ID, c.Doc).Resource(typePublicIP, nameFrom(c.ID.Key(), "outbound").String())
	doc, err := ensure(c, ip, arm.Doc{"sku": arm.Doc{"name": "Standard"}, "tags": arm.Doc{"aks-managed-type": kind},
		"properties": arm.Doc{"publicIPAllocationMethod": "Static", "idleTimeoutInMinutes": json.Number("30")}})
	return arm.Str(doc, "id"), err
}

// makeNATGateway makes a NAT gateway on the subnet that AKS made.
func makeNATGateway(c *arm.Call) *azure.Error {
	const profile = "properties.networkProfile.natGatewayProfile"
	address, err := managedAddress(c, "aks-natgw-managed-outbound-ip")
	if err != nil {
		return err
	}
	gateway := nodeGroup(c.ID, c.Doc).Resource(typeNATGateway, "aks-natgateway-"+suffix(c.ID))
	if _, err := ensure(c, gateway, arm.Doc{"sku": arm.Doc{"name": "Standard"}, "properties": arm.Doc{
		"idleTimeoutInMinutes": json.Number("4"), "publicIpAddresses": []any{arm.Doc{"id": address}}}}); err != nil {
		return err
	}
	arm.Set(c.Doc, profile+".effectiveOutboundIPs", []any{arm.Doc{"id": address}})
	subnet, e := c.Load(ownSubnet(c))
	if e != nil || strings.EqualFold(arm.Str(subnet, "properties.natGateway.id"), gateway.String()) {
		return arm.Fault(e)
	}
	return setOnSubnet(c, ownSubnet(c), "natGateway", arm.Doc{"id": gateway.String()})
}
