package estate

import (
	"strings"

	"aksid/internal/azure"
)

const typeRouting = "web_app_routing"

// clusterFields are the attributes of azurerm_kubernetes_cluster that decide what its identities need.
var clusterFields = []carried{
	{from: "node_resource_group", to: "properties.nodeResourceGroup"},
	{from: "network_profile.network_plugin", to: "properties.networkProfile.networkPlugin"},
	{from: "network_profile.network_plugin_mode", to: "properties.networkProfile.networkPluginMode"},
	{from: "network_profile.outbound_type", to: "properties.networkProfile.outboundType"},
	{from: "network_profile.load_balancer_profile.backend_pool_type", to: "properties.networkProfile.loadBalancerProfile.backendPoolType"},
	{from: "private_cluster_enabled", to: "properties.apiServerAccessProfile.enablePrivateCluster", flag: true},
	{from: "api_server_access_profile.virtual_network_integration_enabled", to: "properties.apiServerAccessProfile.enableVnetIntegration", flag: true},
	{from: "api_server_access_profile.vnet_integration_enabled", to: "properties.apiServerAccessProfile.enableVnetIntegration", flag: true},
	{from: "api_server_access_profile.subnet_id", to: "properties.apiServerAccessProfile.subnetId", link: TypeSubnet},
	{from: "disk_encryption_set_id", to: "properties.diskEncryptionSetID", link: typeEncryptionSet},
	{from: "bootstrap_profile.container_registry_id", to: "properties.bootstrapProfile.containerRegistryId", link: TypeRegistry},
	{from: "node_provisioning_profile.mode", to: "properties.nodeProvisioningProfile.mode"},
	{from: "oidc_issuer_enabled", to: "properties.oidcIssuerProfile.enabled", flag: true},
	{from: "workload_identity_enabled", to: "properties.securityProfile.workloadIdentity.enabled", flag: true},
	{from: "local_account_disabled", to: "properties.disableLocalAccounts", flag: true},
	{from: "service_principal.client_id", to: "properties.servicePrincipalProfile.clientId"},
	{from: "kubelet_identity.object_id", to: "properties.identityProfile.kubeletidentity.objectId"},
	{from: "kubelet_identity.client_id", to: "properties.identityProfile.kubeletidentity.clientId"},
	{from: "kubelet_identity.user_assigned_identity_id", to: "properties.identityProfile.kubeletidentity.resourceId", link: TypeIdentity},
}

// poolFields are those of a node pool. They are links: the member and the type of what it names.
var poolFields = []struct{ from, to, typ string }{
	{"vnet_subnet_id", "vnetSubnetID", TypeSubnet},
	{"pod_subnet_id", "podSubnetID", TypeSubnet},
	{"capacity_reservation_group_id", "capacityReservationGroupID", "Microsoft.Compute/capacityReservationGroups"},
	{"host_group_id", "hostGroupID", "Microsoft.Compute/hostGroups"},
}

// addOns are the attributes that turn an add-on on, with ARM's name of the add-on and the attribute's own block for its identity.
var addOns = []struct{ block, name, identity string }{
	{"key_vault_secrets_provider", "azureKeyvaultSecretsProvider", "secret_identity"},
	{"oms_agent", "omsagent", "oms_agent_identity"},
	{"ingress_application_gateway", "ingressApplicationGateway", "ingress_application_gateway_identity"},
	{"aci_connector_linux", "aciConnectorLinux", "connector_identity"},
	{"azure_policy_enabled", "azurepolicy", ""},
	{typeRouting, webAppRouting, "web_app_routing_identity"},
}

// cluster completes the document of a cluster.
func cluster(p *plan, r *planned, doc Doc) {
	put(doc, "properties.agentPoolProfiles", []any{p.pool(r, "default_node_pool.")})
	p.outboundIPs(r, doc)
	if zone := p.single(r, "private_dns_zone_id", wantID(typeZone)).one(); zone != "" {
		put(doc, "properties.apiServerAccessProfile.privateDNSZone", zone)
	} else if word := p.text(r, "private_dns_zone_id"); word != "" {
		put(doc, "properties.apiServerAccessProfile.privateDNSZone", strings.ToLower(word))
	}
	if key := p.single(r, "key_management_service.key_vault_key_id", wantText).one(); key != "" {
		put(doc, "properties.securityProfile.azureKeyVaultKms", map[string]any{"enabled": true, "keyId": key, "keyVaultNetworkAccess": p.text(r, "key_management_service.key_vault_network_access")})
	}
	for _, a := range addOns {
		p.addOn(r, doc, a.block, a.name, a.identity)
	}
	p.kubelet(r, doc)
	p.governed(r, doc)
}

// pool makes a node pool of the attributes below a prefix.
func (p *plan) pool(r *planned, prefix string) map[string]any {
	pool := map[string]any{"name": p.text(r, prefix+"name"), "type": "VirtualMachineScaleSets"}
	if t := p.text(r, prefix+"type"); t != "" {
		pool["type"] = t
	}
	for _, f := range poolFields {
		if id := p.single(r, prefix+f.from, wantID(f.typ)).one(); id != "" {
			pool[f.to] = id
		}
	}
	return pool
}

// nodePool adds a pool that is a resource of its own to its cluster.
func nodePool(p *plan, r *planned) {
	cluster := p.single(r, "kubernetes_cluster_id", wantID(TypeCluster)).one()
	if doc := p.docs[strings.ToLower(cluster)]; doc != nil {
		put(doc, "properties.agentPoolProfiles", append(listAt(doc, "properties.agentPoolProfiles"), p.pool(r, "")))
	}
}

func (p *plan) outboundIPs(r *planned, doc Doc) {
	const profile, to = "network_profile.load_balancer_profile.", "properties.networkProfile.loadBalancerProfile."
	for _, l := range []struct{ from, typ, to string }{
		{"outbound_ip_address_ids", "Microsoft.Network/publicIPAddresses", "outboundIPs.publicIPs"},
		{"outbound_ip_prefix_ids", "Microsoft.Network/publicIPPrefixes", "outboundIPPrefixes.publicIPPrefixes"},
	} {
		var ids []any
		if f := p.attribute(r, profile+l.from, wantID(l.typ)); !f.unsure {
			for _, id := range f.values {
				ids = append(ids, map[string]any{"id": id})
			}
		}
		if ids != nil {
			put(doc, to+l.to, ids)
		}
	}
}

// addOn turns an add-on on, with what it is told and the identity that AKS makes for it.
func (p *plan) addOn(r *planned, doc Doc, block, name, identity string) {
	v, ok := r.known(block)
	if list, isList := v.([]any); !ok || v == nil || v == false || isList && len(list) == 0 {
		return
	}
	at := "properties.addonProfiles." + name
	if name == webAppRouting {
		at = "properties.ingressProfile." + name
		if zones := p.attribute(r, block+".dns_zone_ids", wantID(anyType)); !zones.unsure {
			put(doc, at+".dnsZoneResourceIds", anyOf(zones.values))
		}
	}
	put(doc, at+".enabled", true)
	if id := p.text(r, block+"."+identity+".object_id"); isGUID(id) {
		put(doc, at+".identity.objectId", id)
	}
	switch block {
	case "ingress_application_gateway":
		if id := p.single(r, block+".gateway_id", wantID("Microsoft.Network/applicationGateways")).one(); id != "" {
			put(doc, at+".config.applicationGatewayId", id)
		}
	case "aci_connector_linux":
		put(doc, at+".config.SubnetName", p.nameOf(r, block+".subnet_name"))
	}
}

func anyOf(texts []string) []any {
	out := make([]any, len(texts))
	for i, s := range texts {
		out[i] = s
	}
	return out
}

// kubelet completes the kubelet identity: a brought one has its ids from the identity it is.
func (p *plan) kubelet(r *planned, doc Doc) {
	const at = "properties.identityProfile.kubeletidentity"
	k := mapAt(doc, at)
	if k == nil {
		return
	}
	for _, x := range p.ofType("azurerm_user_assigned_identity") {
		brought := textAt(k, "resourceId") != "" && strings.EqualFold(textAt(k, "resourceId"), p.id(x).String())
		if brought || textAt(k, "objectId") == p.principal(x, "principal_id") {
			put(doc, at, map[string]any{"resourceId": p.id(x).String(), "objectId": p.principal(x, "principal_id"), "clientId": p.principal(x, "client_id")})
			return
		}
	}
}

// ofType are all resources of a type.
func (p *plan) ofType(typ string) []*planned {
	var out []*planned
	for _, r := range p.sorted() {
		if r.typ == typ {
			out = append(out, r)
		}
	}
	return out
}

// foreseenCluster are the attributes of a cluster that only AKS gives.
func (p *plan) foreseenCluster(r *planned, out map[string]string) {
	id := p.id(r)
	group := p.text(r, "node_resource_group")
	if group == "" {
		group = nodeGroupName(id, p.text(r, "location"))
	}
	nodes := safeJoin(azure.SubscriptionID(id.Subscription()), "resourceGroups", group)
	out["node_resource_group"], out["node_resource_group_id"] = group, nodes.String()
	out["identity.principal_id"] = p.principal(r, "identity.principal_id")
	if strings.EqualFold(p.text(r, "identity.type"), UserAssigned) {
		delete(out, "identity.principal_id")
	}
	kubelet := p.brought(r)
	if kubelet == nil {
		made := foreseenIdentity(id, nodes, kubeletName(id))
		kubelet = &made
	}
	out["kubelet_identity.object_id"], out["kubelet_identity.client_id"] = kubelet.Principal.String(), kubelet.Client.String()
	out["kubelet_identity.user_assigned_identity_id"] = kubelet.Resource.String()
	for _, a := range addOns {
		if v, ok := r.known(a.block); a.identity != "" && ok && v != nil {
			made := foreseenIdentity(id, nodes, addOnIdentityName(a.name, id))
			at := a.block + "." + a.identity + "."
			out[at+"object_id"], out[at+"client_id"], out[at+"user_assigned_identity_id"] = made.Principal.String(), made.Client.String(), made.Resource.String()
		}
	}
}

// brought is the kubelet identity that the configuration names; nil where AKS makes one.
func (p *plan) brought(r *planned) *Identity {
	for _, path := range []string{"kubelet_identity.user_assigned_identity_id", "kubelet_identity.object_id"} {
		expr, dynamic := r.expression(path)
		if v, ok := r.known(path); !ok && expr == nil && !dynamic || ok && v == nil {
			continue
		}
		w := wantPrincipal
		if strings.HasSuffix(path, "_identity_id") {
			w = wantID(TypeIdentity)
		}
		s := p.single(r, path, w).one()
		for _, x := range p.ofType("azurerm_user_assigned_identity") {
			if strings.EqualFold(s, p.id(x).String()) || s == p.principal(x, "principal_id") {
				return &Identity{Resource: p.id(x), Principal: guidAt(Doc{"v": p.principal(x, "principal_id")}, "v"), Client: guidAt(Doc{"v": p.principal(x, "client_id")}, "v")}
			}
		}
	}
	return nil
}
