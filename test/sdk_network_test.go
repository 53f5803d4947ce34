package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v6"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v7"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources/v3"
)

func init() {
	programs["network-clients"] = networkClients
	programs["compute-clients"] = computeClients
}

const (
	sdkGroup = "rg-clients"
	sdkPlace = "westeurope"
)

// TestSDKNetwork creates every network type with its own client, reads it back and compares.
func TestSDKNetwork(t *testing.T) { runClients(t, "network-clients", 20) }

// TestSDKCompute does the same for compute.
func TestSDKCompute(t *testing.T) { runClients(t, "compute-clients", 13) }

func runClients(t *testing.T, name string, want int) {
	c := up(t)
	sub := strings.TrimSpace(c.exec(t, "", "printenv", "AZURE_SUBSCRIPTION_ID").stdout)
	r := c.program(t, "", name, sub)
	if r.code != 0 {
		t.Fatalf("%s%s", r.stdout, r.stderr)
	}
	if got := strings.Fields(r.stdout); len(got) != want {
		t.Errorf("%d types were compared, want %d: %v", len(got), want, got)
	}
}

// session is what a program's steps share.
type session struct {
	context.Context
	sub     string
	network *armnetwork.ClientFactory
	compute *armcompute.ClientFactory
	any     *armresources.Client
}

func (s *session) id(typ string, names ...string) string {
	parts := strings.Split(typ, "/")
	id := "/subscriptions/" + s.sub + "/resourceGroups/" + sdkGroup + "/providers/" + parts[0]
	for i, n := range names {
		id += "/" + parts[i+1] + "/" + n
	}
	return id
}

func (s *session) net(typ string, names ...string) *armnetwork.SubResource {
	return &armnetwork.SubResource{ID: to.Ptr(s.id("Microsoft.Network/"+typ, names...))}
}

func (s *session) com(typ string, names ...string) *armcompute.SubResource {
	return &armcompute.SubResource{ID: to.Ptr(s.id(typ, names...))}
}

func newSession(ctx context.Context, sub string) (*session, error) {
	cred, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return nil, err
	}
	s := &session{Context: ctx, sub: sub}
	var errs [4]error
	s.network, errs[0] = armnetwork.NewClientFactory(sub, cred, nil)
	s.compute, errs[1] = armcompute.NewClientFactory(sub, cred, nil)
	s.any, errs[2] = armresources.NewClient(sub, cred, nil)
	groups, err := armresources.NewResourceGroupsClient(sub, cred, nil)
	if err == nil {
		_, err = groups.CreateOrUpdate(ctx, sdkGroup, armresources.ResourceGroup{Location: to.Ptr(sdkPlace)}, nil)
	}
	errs[3] = err
	return s, errors.Join(errs[:]...)
}

// done waits for a long operation.
func done[R any](ctx context.Context, p *runtime.Poller[R], err error) error {
	if err == nil {
		_, err = p.PollUntilDone(ctx, nil)
	}
	return err
}

// compare reads a resource back and prints its name; everything that was sent must be in it.
func compare[S, G any](name string, sent S, wrote error, read G, readErr error) error {
	if err := errors.Join(wrote, readErr); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	want, got := plain(sent), plain(read)
	if diff := missing(want, got, ""); diff != "" {
		return fmt.Errorf("%s: sent and not read back: %s", name, diff)
	}
	fmt.Println(name)
	return nil
}

func plain(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	var out any
	_ = json.Unmarshal(b, &out) // json.Marshal wrote it
	return out
}

// missing is the path of the first member of want that got does not have, or "".
func missing(want, got any, path string) string {
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		for k, v := range w {
			if diff := missing(v, g[k], path+"."+k); diff != "" {
				return diff
			}
		}
	case []any:
		g, _ := got.([]any)
		if len(g) != len(w) {
			return fmt.Sprintf("%s: %v, got %v", path, want, got)
		}
		for i := range w {
			if diff := missing(w[i], g[i], fmt.Sprintf("%s[%d]", path, i)); diff != "" {
				return diff
			}
		}
	default:
		if fmt.Sprint(want) != fmt.Sprint(got) {
			return fmt.Sprintf("%s: %v, got %v", path, want, got)
		}
	}
	return ""
}

func networkClients(ctx context.Context, sub string) error {
	s, err := newSession(ctx, sub)
	if err != nil {
		return err
	}
	for _, step := range []func() error{s.guards, s.networks, s.publicAddresses, s.balancers, s.endpoints} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// guards are security groups, route tables and plans.
func (s *session) guards() error {
	asg := armnetwork.ApplicationSecurityGroup{Location: to.Ptr(sdkPlace), Tags: map[string]*string{"a": to.Ptr("b")}}
	asgs := s.network.NewApplicationSecurityGroupsClient()
	p1, err := asgs.BeginCreateOrUpdate(s, sdkGroup, "asg", asg, nil)
	err = done(s, p1, err)
	r1, err2 := asgs.Get(s, sdkGroup, "asg", nil)
	if err := compare("applicationSecurityGroups", asg, err, r1.ApplicationSecurityGroup, err2); err != nil {
		return err
	}
	nsg := armnetwork.SecurityGroup{Location: to.Ptr(sdkPlace), Properties: &armnetwork.SecurityGroupPropertiesFormat{SecurityRules: []*armnetwork.SecurityRule{{Name: to.Ptr("web"), Properties: &armnetwork.SecurityRulePropertiesFormat{
		Protocol: to.Ptr(armnetwork.SecurityRuleProtocolTCP), Access: to.Ptr(armnetwork.SecurityRuleAccessAllow), Direction: to.Ptr(armnetwork.SecurityRuleDirectionInbound), Priority: to.Ptr[int32](200),
		SourceAddressPrefix: to.Ptr("*"), SourcePortRange: to.Ptr("*"), DestinationPortRange: to.Ptr("443"), DestinationApplicationSecurityGroups: []*armnetwork.ApplicationSecurityGroup{{ID: r1.ID}}}}}}}
	nsgs := s.network.NewSecurityGroupsClient()
	p2, err := nsgs.BeginCreateOrUpdate(s, sdkGroup, "nsg", nsg, nil)
	err = done(s, p2, err)
	r2, err2 := nsgs.Get(s, sdkGroup, "nsg", nil)
	if err := compare("networkSecurityGroups", nsg, err, r2.SecurityGroup, err2); err != nil {
		return err
	}
	rule := armnetwork.SecurityRule{Properties: &armnetwork.SecurityRulePropertiesFormat{Protocol: to.Ptr(armnetwork.SecurityRuleProtocolAsterisk), Access: to.Ptr(armnetwork.SecurityRuleAccessDeny), Direction: to.Ptr(armnetwork.SecurityRuleDirectionOutbound),
		Priority: to.Ptr[int32](300), SourceAddressPrefix: to.Ptr("*"), SourcePortRange: to.Ptr("*"), DestinationAddressPrefix: to.Ptr("Internet"), DestinationPortRanges: []*string{to.Ptr("25"), to.Ptr("465-587")}}}
	rules := s.network.NewSecurityRulesClient()
	p3, err := rules.BeginCreateOrUpdate(s, sdkGroup, "nsg", "mail", rule, nil)
	err = done(s, p3, err)
	r3, err2 := rules.Get(s, sdkGroup, "nsg", "mail", nil)
	if err := compare("securityRules", rule, err, r3.SecurityRule, err2); err != nil {
		return err
	}
	table := armnetwork.RouteTable{Location: to.Ptr(sdkPlace), Properties: &armnetwork.RouteTablePropertiesFormat{DisableBgpRoutePropagation: to.Ptr(true), Routes: []*armnetwork.Route{{Name: to.Ptr("out"),
		Properties: &armnetwork.RoutePropertiesFormat{AddressPrefix: to.Ptr("0.0.0.0/0"), NextHopType: to.Ptr(armnetwork.RouteNextHopTypeVirtualAppliance), NextHopIPAddress: to.Ptr("10.0.0.4")}}}}}
	tables := s.network.NewRouteTablesClient()
	p4, err := tables.BeginCreateOrUpdate(s, sdkGroup, "rt", table, nil)
	err = done(s, p4, err)
	r4, err2 := tables.Get(s, sdkGroup, "rt", nil)
	if err := compare("routeTables", table, err, r4.RouteTable, err2); err != nil {
		return err
	}
	route := armnetwork.Route{Properties: &armnetwork.RoutePropertiesFormat{AddressPrefix: to.Ptr("10.9.0.0/16"), NextHopType: to.Ptr(armnetwork.RouteNextHopTypeNone)}}
	routes := s.network.NewRoutesClient()
	p5, err := routes.BeginCreateOrUpdate(s, sdkGroup, "rt", "drop", route, nil)
	err = done(s, p5, err)
	r5, err2 := routes.Get(s, sdkGroup, "rt", "drop", nil)
	if err := compare("routes", route, err, r5.Route, err2); err != nil {
		return err
	}
	plan := armnetwork.DdosProtectionPlan{Location: to.Ptr(sdkPlace)}
	plans := s.network.NewDdosProtectionPlansClient()
	p6, err := plans.BeginCreateOrUpdate(s, sdkGroup, "plan", plan, nil)
	err = done(s, p6, err)
	r6, err2 := plans.Get(s, sdkGroup, "plan", nil)
	if err := compare("ddosProtectionPlans", plan, err, r6.DdosProtectionPlan, err2); err != nil {
		return err
	}
	policy := armnetwork.ServiceEndpointPolicy{Location: to.Ptr(sdkPlace), Properties: &armnetwork.ServiceEndpointPolicyPropertiesFormat{ServiceEndpointPolicyDefinitions: []*armnetwork.ServiceEndpointPolicyDefinition{{Name: to.Ptr("d"),
		Properties: &armnetwork.ServiceEndpointPolicyDefinitionPropertiesFormat{Service: to.Ptr("Microsoft.Storage"), ServiceResources: []*string{to.Ptr("/subscriptions/" + s.sub)}}}}}}
	policies := s.network.NewServiceEndpointPoliciesClient()
	p7, err := policies.BeginCreateOrUpdate(s, sdkGroup, "sep", policy, nil)
	err = done(s, p7, err)
	r7, err2 := policies.Get(s, sdkGroup, "sep", nil)
	return compare("serviceEndpointPolicies", policy, err, r7.ServiceEndpointPolicy, err2)
}

func (s *session) networks() error {
	vnet := armnetwork.VirtualNetwork{Location: to.Ptr(sdkPlace), Properties: &armnetwork.VirtualNetworkPropertiesFormat{AddressSpace: &armnetwork.AddressSpace{AddressPrefixes: []*string{to.Ptr("10.0.0.0/16")}}, DdosProtectionPlan: s.net("ddosProtectionPlans", "plan"), EnableDdosProtection: to.Ptr(true),
		Subnets: []*armnetwork.Subnet{{Name: to.Ptr("snet"), Properties: &armnetwork.SubnetPropertiesFormat{AddressPrefix: to.Ptr("10.0.0.0/22"), NetworkSecurityGroup: &armnetwork.SecurityGroup{ID: s.net("networkSecurityGroups", "nsg").ID}, RouteTable: &armnetwork.RouteTable{ID: s.net("routeTables", "rt").ID}}}}}}
	vnets := s.network.NewVirtualNetworksClient()
	p1, err := vnets.BeginCreateOrUpdate(s, sdkGroup, "vnet", vnet, nil)
	err = done(s, p1, err)
	r1, err2 := vnets.Get(s, sdkGroup, "vnet", nil)
	if err := compare("virtualNetworks", vnet, err, r1.VirtualNetwork, err2); err != nil {
		return err
	}
	subnets := s.network.NewSubnetsClient()
	for name, sn := range map[string]armnetwork.Subnet{
		"links": {Properties: &armnetwork.SubnetPropertiesFormat{AddressPrefix: to.Ptr("10.0.4.0/24"), PrivateLinkServiceNetworkPolicies: to.Ptr(armnetwork.VirtualNetworkPrivateLinkServiceNetworkPoliciesDisabled)}},
		"gw": {Properties: &armnetwork.SubnetPropertiesFormat{AddressPrefixes: []*string{to.Ptr("10.0.5.0/24")}, ServiceEndpoints: []*armnetwork.ServiceEndpointPropertiesFormat{{Service: to.Ptr("Microsoft.Storage")}}, ServiceEndpointPolicies: []*armnetwork.ServiceEndpointPolicy{{ID: s.net("serviceEndpointPolicies", "sep").ID}},
			Delegations: []*armnetwork.Delegation{{Name: to.Ptr("d"), Properties: &armnetwork.ServiceDelegationPropertiesFormat{ServiceName: to.Ptr("Microsoft.ContainerInstance/containerGroups")}}}}},
	} {
		p2, err := subnets.BeginCreateOrUpdate(s, sdkGroup, "vnet", name, sn, nil)
		err = done(s, p2, err)
		r2, err2 := subnets.Get(s, sdkGroup, "vnet", name, nil)
		if err := compare("subnets/"+name, sn, err, r2.Subnet, err2); err != nil {
			return err
		}
	}
	far := armnetwork.VirtualNetwork{Location: to.Ptr(sdkPlace), Properties: &armnetwork.VirtualNetworkPropertiesFormat{AddressSpace: &armnetwork.AddressSpace{AddressPrefixes: []*string{to.Ptr("10.1.0.0/16")}}}}
	p3, err := vnets.BeginCreateOrUpdate(s, sdkGroup, "far", far, nil)
	if err := done(s, p3, err); err != nil {
		return err
	}
	peering := armnetwork.VirtualNetworkPeering{Properties: &armnetwork.VirtualNetworkPeeringPropertiesFormat{RemoteVirtualNetwork: s.net("virtualNetworks", "far"), AllowForwardedTraffic: to.Ptr(true)}}
	peerings := s.network.NewVirtualNetworkPeeringsClient()
	p4, err := peerings.BeginCreateOrUpdate(s, sdkGroup, "vnet", "to-far", peering, nil)
	err = done(s, p4, err)
	r4, err2 := peerings.Get(s, sdkGroup, "vnet", "to-far", nil)
	return compare("virtualNetworkPeerings", peering, err, r4.VirtualNetworkPeering, err2)
}

func (s *session) publicAddresses() error {
	prefix := armnetwork.PublicIPPrefix{Location: to.Ptr(sdkPlace), SKU: &armnetwork.PublicIPPrefixSKU{Name: to.Ptr(armnetwork.PublicIPPrefixSKUNameStandard)}, Properties: &armnetwork.PublicIPPrefixPropertiesFormat{PrefixLength: to.Ptr[int32](28)}}
	prefixes := s.network.NewPublicIPPrefixesClient()
	p1, err := prefixes.BeginCreateOrUpdate(s, sdkGroup, "prefix", prefix, nil)
	err = done(s, p1, err)
	r1, err2 := prefixes.Get(s, sdkGroup, "prefix", nil)
	if err := compare("publicIPPrefixes", prefix, err, r1.PublicIPPrefix, err2); err != nil {
		return err
	}
	ip := armnetwork.PublicIPAddress{Location: to.Ptr(sdkPlace), SKU: &armnetwork.PublicIPAddressSKU{Name: to.Ptr(armnetwork.PublicIPAddressSKUNameStandard)}, Zones: []*string{to.Ptr("1"), to.Ptr("2")},
		Properties: &armnetwork.PublicIPAddressPropertiesFormat{PublicIPAllocationMethod: to.Ptr(armnetwork.IPAllocationMethodStatic), PublicIPPrefix: s.net("publicIPPrefixes", "prefix"), DNSSettings: &armnetwork.PublicIPAddressDNSSettings{DomainNameLabel: to.Ptr("shop")}}}
	ips := s.network.NewPublicIPAddressesClient()
	p2, err := ips.BeginCreateOrUpdate(s, sdkGroup, "ip", ip, nil)
	err = done(s, p2, err)
	r2, err2 := ips.Get(s, sdkGroup, "ip", nil)
	if err := compare("publicIPAddresses", ip, err, r2.PublicIPAddress, err2); err != nil {
		return err
	}
	nat := armnetwork.NatGateway{Location: to.Ptr(sdkPlace), SKU: &armnetwork.NatGatewaySKU{Name: to.Ptr(armnetwork.NatGatewaySKUNameStandard)}, Properties: &armnetwork.NatGatewayPropertiesFormat{IdleTimeoutInMinutes: to.Ptr[int32](10), PublicIPPrefixes: []*armnetwork.SubResource{s.net("publicIPPrefixes", "prefix")}}}
	nats := s.network.NewNatGatewaysClient()
	p3, err := nats.BeginCreateOrUpdate(s, sdkGroup, "nat", nat, nil)
	err = done(s, p3, err)
	r3, err2 := nats.Get(s, sdkGroup, "nat", nil)
	return compare("natGateways", nat, err, r3.NatGateway, err2)
}

func (s *session) balancers() error {
	child := func(kind, name string) *armnetwork.SubResource { return s.net("loadBalancers/"+kind, "lb", name) }
	lb := armnetwork.LoadBalancer{Location: to.Ptr(sdkPlace), SKU: &armnetwork.LoadBalancerSKU{Name: to.Ptr(armnetwork.LoadBalancerSKUNameStandard)}, Properties: &armnetwork.LoadBalancerPropertiesFormat{
		FrontendIPConfigurations: []*armnetwork.FrontendIPConfiguration{{Name: to.Ptr("front"), Properties: &armnetwork.FrontendIPConfigurationPropertiesFormat{Subnet: &armnetwork.Subnet{ID: s.net("virtualNetworks/subnets", "vnet", "snet").ID}, PrivateIPAllocationMethod: to.Ptr(armnetwork.IPAllocationMethodStatic), PrivateIPAddress: to.Ptr("10.0.0.9")}}},
		BackendAddressPools:      []*armnetwork.BackendAddressPool{{Name: to.Ptr("pool")}},
		Probes:                   []*armnetwork.Probe{{Name: to.Ptr("tcp"), Properties: &armnetwork.ProbePropertiesFormat{Protocol: to.Ptr(armnetwork.ProbeProtocolTCP), Port: to.Ptr[int32](80)}}},
		LoadBalancingRules: []*armnetwork.LoadBalancingRule{{Name: to.Ptr("web"), Properties: &armnetwork.LoadBalancingRulePropertiesFormat{Protocol: to.Ptr(armnetwork.TransportProtocolTCP), FrontendPort: to.Ptr[int32](80), BackendPort: to.Ptr[int32](8080),
			FrontendIPConfiguration: child("frontendIPConfigurations", "front"), BackendAddressPool: child("backendAddressPools", "pool"), Probe: child("probes", "tcp")}}}}}
	lbs := s.network.NewLoadBalancersClient()
	p1, err := lbs.BeginCreateOrUpdate(s, sdkGroup, "lb", lb, nil)
	err = done(s, p1, err)
	r1, err2 := lbs.Get(s, sdkGroup, "lb", nil)
	if err := compare("loadBalancers", lb, err, r1.LoadBalancer, err2); err != nil {
		return err
	}
	nic := armnetwork.Interface{Location: to.Ptr(sdkPlace), Properties: &armnetwork.InterfacePropertiesFormat{EnableIPForwarding: to.Ptr(true), NetworkSecurityGroup: &armnetwork.SecurityGroup{ID: s.net("networkSecurityGroups", "nsg").ID},
		IPConfigurations: []*armnetwork.InterfaceIPConfiguration{{Name: to.Ptr("c"), Properties: &armnetwork.InterfaceIPConfigurationPropertiesFormat{Subnet: &armnetwork.Subnet{ID: s.net("virtualNetworks/subnets", "vnet", "snet").ID}, LoadBalancerBackendAddressPools: []*armnetwork.BackendAddressPool{{ID: child("backendAddressPools", "pool").ID}}}}}}}
	nics := s.network.NewInterfacesClient()
	p2, err := nics.BeginCreateOrUpdate(s, sdkGroup, "nic", nic, nil)
	err = done(s, p2, err)
	r2, err2 := nics.Get(s, sdkGroup, "nic", nil)
	if err := compare("networkInterfaces", nic, err, r2.Interface, err2); err != nil {
		return err
	}
	pool, err := s.network.NewLoadBalancerBackendAddressPoolsClient().Get(s, sdkGroup, "lb", "pool", nil)
	if err != nil || len(pool.Properties.BackendIPConfigurations) != 1 || !strings.HasPrefix(*pool.Properties.BackendIPConfigurations[0].ID, *r2.ID) {
		return fmt.Errorf("the pool has no member: %v %v", plain(pool.BackendAddressPool), err)
	}
	gw := func(kind, name string) *armnetwork.SubResource {
		return s.net("applicationGateways/"+kind, "agw", name)
	}
	agw := armnetwork.ApplicationGateway{Location: to.Ptr(sdkPlace), Properties: &armnetwork.ApplicationGatewayPropertiesFormat{SKU: &armnetwork.ApplicationGatewaySKU{Name: to.Ptr(armnetwork.ApplicationGatewaySKUNameStandardV2), Tier: to.Ptr(armnetwork.ApplicationGatewayTierStandardV2), Capacity: to.Ptr[int32](1)},
		GatewayIPConfigurations:       []*armnetwork.ApplicationGatewayIPConfiguration{{Name: to.Ptr("c"), Properties: &armnetwork.ApplicationGatewayIPConfigurationPropertiesFormat{Subnet: s.net("virtualNetworks/subnets", "vnet", "gw")}}},
		FrontendIPConfigurations:      []*armnetwork.ApplicationGatewayFrontendIPConfiguration{{Name: to.Ptr("pub"), Properties: &armnetwork.ApplicationGatewayFrontendIPConfigurationPropertiesFormat{PublicIPAddress: s.net("publicIPAddresses", "ip")}}},
		FrontendPorts:                 []*armnetwork.ApplicationGatewayFrontendPort{{Name: to.Ptr("p80"), Properties: &armnetwork.ApplicationGatewayFrontendPortPropertiesFormat{Port: to.Ptr[int32](80)}}},
		BackendAddressPools:           []*armnetwork.ApplicationGatewayBackendAddressPool{{Name: to.Ptr("pool")}},
		BackendHTTPSettingsCollection: []*armnetwork.ApplicationGatewayBackendHTTPSettings{{Name: to.Ptr("http"), Properties: &armnetwork.ApplicationGatewayBackendHTTPSettingsPropertiesFormat{Port: to.Ptr[int32](80), Protocol: to.Ptr(armnetwork.ApplicationGatewayProtocolHTTP)}}},
		HTTPListeners:                 []*armnetwork.ApplicationGatewayHTTPListener{{Name: to.Ptr("l"), Properties: &armnetwork.ApplicationGatewayHTTPListenerPropertiesFormat{FrontendIPConfiguration: gw("frontendIPConfigurations", "pub"), FrontendPort: gw("frontendPorts", "p80"), Protocol: to.Ptr(armnetwork.ApplicationGatewayProtocolHTTP)}}},
		RequestRoutingRules: []*armnetwork.ApplicationGatewayRequestRoutingRule{{Name: to.Ptr("r"), Properties: &armnetwork.ApplicationGatewayRequestRoutingRulePropertiesFormat{RuleType: to.Ptr(armnetwork.ApplicationGatewayRequestRoutingRuleTypeBasic), Priority: to.Ptr[int32](1),
			HTTPListener: gw("httpListeners", "l"), BackendAddressPool: gw("backendAddressPools", "pool"), BackendHTTPSettings: gw("backendHttpSettingsCollection", "http")}}}}}
	agws := s.network.NewApplicationGatewaysClient()
	p3, err := agws.BeginCreateOrUpdate(s, sdkGroup, "agw", agw, nil)
	err = done(s, p3, err)
	r3, err2 := agws.Get(s, sdkGroup, "agw", nil)
	return compare("applicationGateways", agw, err, r3.ApplicationGateway, err2)
}

func (s *session) endpoints() error {
	service := armnetwork.PrivateLinkService{Location: to.Ptr(sdkPlace), Properties: &armnetwork.PrivateLinkServiceProperties{LoadBalancerFrontendIPConfigurations: []*armnetwork.FrontendIPConfiguration{{ID: s.net("loadBalancers/frontendIPConfigurations", "lb", "front").ID}},
		IPConfigurations: []*armnetwork.PrivateLinkServiceIPConfiguration{{Name: to.Ptr("nat"), Properties: &armnetwork.PrivateLinkServiceIPConfigurationProperties{Primary: to.Ptr(true), Subnet: &armnetwork.Subnet{ID: s.net("virtualNetworks/subnets", "vnet", "links").ID}}}}}}
	services := s.network.NewPrivateLinkServicesClient()
	p1, err := services.BeginCreateOrUpdate(s, sdkGroup, "pls", service, nil)
	err = done(s, p1, err)
	r1, err2 := services.Get(s, sdkGroup, "pls", nil)
	if err := compare("privateLinkServices", service, err, r1.PrivateLinkService, err2); err != nil {
		return err
	}
	endpoint := armnetwork.PrivateEndpoint{Location: to.Ptr(sdkPlace), Properties: &armnetwork.PrivateEndpointProperties{Subnet: &armnetwork.Subnet{ID: s.net("virtualNetworks/subnets", "vnet", "snet").ID},
		PrivateLinkServiceConnections: []*armnetwork.PrivateLinkServiceConnection{{Name: to.Ptr("c"), Properties: &armnetwork.PrivateLinkServiceConnectionProperties{PrivateLinkServiceID: r1.ID}}}}}
	endpoints := s.network.NewPrivateEndpointsClient()
	p2, err := endpoints.BeginCreateOrUpdate(s, sdkGroup, "pe", endpoint, nil)
	err = done(s, p2, err)
	r2, err2 := endpoints.Get(s, sdkGroup, "pe", nil)
	if err := compare("privateEndpoints", endpoint, err, r2.PrivateEndpoint, err2); err != nil {
		return err
	}
	zone := s.id("Microsoft.Network/privateDnsZones", "corp.test")
	p3, err := s.any.BeginCreateOrUpdateByID(s, zone, "2020-06-01", armresources.GenericResource{Location: to.Ptr("global")}, nil)
	if err := done(s, p3, err); err != nil {
		return err
	}
	group := armnetwork.PrivateDNSZoneGroup{Properties: &armnetwork.PrivateDNSZoneGroupPropertiesFormat{PrivateDNSZoneConfigs: []*armnetwork.PrivateDNSZoneConfig{{Name: to.Ptr("corp"), Properties: &armnetwork.PrivateDNSZonePropertiesFormat{PrivateDNSZoneID: &zone}}}}}
	groups := s.network.NewPrivateDNSZoneGroupsClient()
	p4, err := groups.BeginCreateOrUpdate(s, sdkGroup, "pe", "default", group, nil)
	err = done(s, p4, err)
	r4, err2 := groups.Get(s, sdkGroup, "pe", "default", nil)
	return compare("privateDnsZoneGroups", group, err, r4.PrivateDNSZoneGroup, err2)
}
