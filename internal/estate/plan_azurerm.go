package estate

import (
	"slices"
	"strings"

	"aksid/internal/azure"
)

// conversion says how a resource of the azurerm provider becomes a document of ARM.
type conversion struct {
	typ    string   // of ARM
	names  []string // attributes with the names in its id, from the outside in
	parent string   // attribute with the id of what it lies in; "": the resource group
	fields []carried
	more   func(*plan, *planned, Doc)
}

// carried carries an attribute to a member of the document.
type carried struct {
	from, to string // dotted paths
	link     string // the attribute is an id of this type, or of any
	flag     bool   // the attribute is a boolean
}

const (
	typeKubernetesCluster = "azurerm_kubernetes_cluster"
	typeNodePool          = "azurerm_kubernetes_cluster_node_pool"
	typeAzapi             = "azapi_resource"
	typeZone              = "Microsoft.Network/privateDnsZones"
	typeEncryptionSet     = "Microsoft.Compute/diskEncryptionSets"
)

var byName = []string{"name"}

// conversions are by the provider's resource types. Data sources have the same names.
var conversions map[string]conversion

func init() { // its functions look things up in it
	conversions = map[string]conversion{
		"azurerm_resource_group":         {typ: azure.TypeResourceGroup, names: byName},
		"azurerm_virtual_network":        {typ: TypeNetwork, names: byName, more: network},
		"azurerm_subnet":                 {typ: TypeSubnet, names: []string{"virtual_network_name", "name"}, fields: []carried{{from: "route_table_id", to: "properties.routeTable.id", link: TypeRouteTable}, {from: "network_security_group_id", to: "properties.networkSecurityGroup.id", link: "Microsoft.Network/networkSecurityGroups"}}},
		"azurerm_route_table":            {typ: TypeRouteTable, names: byName},
		"azurerm_network_security_group": {typ: "Microsoft.Network/networkSecurityGroups", names: byName},
		"azurerm_public_ip":              {typ: "Microsoft.Network/publicIPAddresses", names: byName, fields: []carried{{from: "ip_address", to: "properties.ipAddress"}}},
		"azurerm_public_ip_prefix":       {typ: "Microsoft.Network/publicIPPrefixes", names: byName},
		"azurerm_nat_gateway":            {typ: "Microsoft.Network/natGateways", names: byName},
		"azurerm_application_gateway":    {typ: "Microsoft.Network/applicationGateways", names: byName, more: gateway},
		"azurerm_private_dns_zone":       {typ: typeZone, names: byName},
		"azurerm_dns_zone":               {typ: "Microsoft.Network/dnsZones", names: byName},
		"azurerm_private_dns_zone_virtual_network_link": {typ: typeZone + "/virtualNetworkLinks", names: []string{"private_dns_zone_name", "name"}, parent: "private_dns_zone_id",
			fields: []carried{{from: "virtual_network_id", to: "properties.virtualNetwork.id", link: TypeNetwork}}},
		"azurerm_container_registry": {typ: TypeRegistry, names: byName, fields: []carried{
			{from: "admin_enabled", to: "properties.adminUserEnabled", flag: true},
			{from: "anonymous_pull_enabled", to: "properties.anonymousPullEnabled", flag: true},
			{from: "role_assignment_mode", to: "properties.roleAssignmentMode"},
			{from: "network_rule_set.default_action", to: "properties.networkRuleSet.defaultAction"},
		}, more: registry},
		"azurerm_disk_encryption_set":     {typ: typeEncryptionSet, names: byName, fields: []carried{{from: "key_vault_key_id", to: "properties.activeKey.keyUrl"}}},
		"azurerm_key_vault":               {typ: TypeVault, names: byName, fields: []carried{{from: "rbac_authorization_enabled", to: "properties.enableRbacAuthorization", flag: true}, {from: "enable_rbac_authorization", to: "properties.enableRbacAuthorization", flag: true}}, more: accessPolicies},
		"azurerm_storage_account":         {typ: "Microsoft.Storage/storageAccounts", names: byName},
		"azurerm_log_analytics_workspace": {typ: "Microsoft.OperationalInsights/workspaces", names: byName},
		"azurerm_user_assigned_identity":  {typ: TypeIdentity, names: byName, more: userIdentity},
		"azurerm_federated_identity_credential": {typ: TypeFederatedCredential, names: byName, parent: "parent_id|user_assigned_identity_id",
			fields: []carried{{from: "issuer", to: "properties.issuer"}, {from: "subject", to: "properties.subject"}}},
		"azurerm_capacity_reservation_group": {typ: "Microsoft.Compute/capacityReservationGroups", names: byName},
		"azurerm_dedicated_host_group":       {typ: "Microsoft.Compute/hostGroups", names: byName},
		"azurerm_management_lock":            {typ: typeLock, names: byName, parent: "scope", fields: []carried{{from: "lock_level", to: "properties.level"}}},
		typeKubernetesCluster:                {typ: TypeCluster, names: byName, fields: clusterFields, more: cluster},
		typeAzapi:                            {more: azapiBody},
	}
}

// joins are resources that only tie others together.
var joins = map[string]func(*plan, *planned){
	"azurerm_subnet_route_table_association":            tie("subnet_id", TypeSubnet, "route_table_id", TypeRouteTable, "routeTable"),
	"azurerm_subnet_network_security_group_association": tie("subnet_id", TypeSubnet, "network_security_group_id", "Microsoft.Network/networkSecurityGroups", "networkSecurityGroup"),
	"azurerm_subnet_nat_gateway_association":            tie("subnet_id", TypeSubnet, "nat_gateway_id", "Microsoft.Network/natGateways", "natGateway"),
	"azurerm_key_vault_access_policy":                   accessPolicy,
	"azurerm_private_endpoint":                          privateEndpoint,
	typeNodePool:                                        nodePool,
}

// tie writes the id of one resource into the properties of another.
func tie(from, fromType, to, toType, member string) func(*plan, *planned) {
	return func(p *plan, r *planned) {
		target := p.single(r, to, wantID(toType)).one()
		if doc := p.docs[strings.ToLower(p.single(r, from, wantID(fromType)).one())]; doc != nil && target != "" {
			put(doc, "properties."+member+".id", target)
		}
	}
}

// resourceID is the id that ARM will give a resource.
func (p *plan) resourceID(r *planned) azure.ID {
	if s, ok := r.values["id"].(string); ok && strings.HasPrefix(s, "/") {
		if id, err := azure.ParseID(s); err == nil {
			return id
		}
	}
	c, ok := conversions[r.typ]
	switch {
	case r.typ == typeAzapi:
		return p.azapiID(r)
	case !ok:
		return p.otherID(r)
	}
	sub := azure.SubscriptionID(p.subscription(r))
	if c.typ == azure.TypeResourceGroup {
		return safeJoin(sub, "resourceGroups", p.nameOf(r, "name"))
	}
	var names []string
	for _, n := range c.names {
		names = append(names, p.nameOf(r, n))
	}
	if c.parent == "" || len(c.names) > 1 && p.text(r, c.names[0]) != "" { // as older versions of the provider have it
		return safeResource(safeJoin(sub, "resourceGroups", p.nameOf(r, "resource_group_name")), c.typ, names...)
	}
	for attribute := range strings.SplitSeq(c.parent, "|") {
		if parent, err := azure.ParseID(p.single(r, attribute, wantID(anyType)).one()); err == nil {
			if strings.HasPrefix(strings.ToLower(c.typ), strings.ToLower(parent.Type())+"/") {
				return safeJoin(parent, c.typ[len(parent.Type())+1:], names[len(names)-1])
			}
			return safeResource(parent, c.typ, names...)
		}
	}
	return azure.ID{}
}

// otherID stands for the id of a resource of a type that clusters have nothing to do with: all that matters is that it is
// nothing of theirs, and which resource group it lies in.
func (p *plan) otherID(r *planned) azure.ID {
	if !strings.HasPrefix(r.typ, "azurerm_") || slices.Contains(noLeaves, r.typ) {
		return azure.ID{}
	}
	sub := azure.SubscriptionID(p.subscription(r))
	group := "{" + strings.ReplaceAll(r.address, "/", "%2F") + "}"
	if _, ok := r.values["resource_group_name"]; ok || r.unknown["resource_group_name"] != nil {
		group = p.nameOf(r, "resource_group_name")
	}
	return safeResource(safeJoin(sub, "resourceGroups", group), "Terraform.azurerm/"+r.typ, p.nameOf(r, "name"))
}

// noLeaves are types whose id contains others, or is no id of theirs.
var noLeaves = []string{"azurerm_management_group", "azurerm_subscription", "azurerm_subscriptions", "azurerm_resources", "azurerm_client_config",
	"azurerm_role_definition", "azurerm_role_assignment", "azurerm_resource_group_template_deployment", "azurerm_subscription_template_deployment",
	"azurerm_management_group_template_deployment", "azurerm_tenant_template_deployment"}

// nameOf is a name in an id. One that is not known until the plan is applied stands as the reference in braces.
func (p *plan) nameOf(r *planned, attribute string) string {
	if s := p.text(r, attribute); s != "" && !strings.Contains(s, "/") {
		return s
	}
	expr, _ := r.expression(attribute)
	if refs := textsAt(expr, "references"); len(refs) > 0 {
		return "{" + strings.ReplaceAll(refs[0], "/", "%2F") + "}"
	}
	return "{" + strings.ReplaceAll(r.address, "/", "%2F") + "}"
}

// safeJoin is Join for names from outside: what makes no id is the zero ID.
func safeJoin(id azure.ID, segments ...string) azure.ID {
	out, err := azure.ParseID(id.Join(segments...).String())
	if err != nil || id.IsZero() {
		return azure.ID{}
	}
	return out
}

func safeResource(id azure.ID, typ string, names ...string) azure.ID {
	if id.IsZero() {
		return azure.ID{}
	}
	return safeJoin(id.Resource(typ, names...))
}

func (p *plan) id(r *planned) azure.ID {
	if r.id.IsZero() && !p.looking["id "+r.address] {
		p.looking["id "+r.address] = true
		r.id = p.resourceID(r)
		delete(p.looking, "id "+r.address)
	}
	return r.id
}

// subscription is the one of a resource's provider.
func (p *plan) subscription(r *planned) string {
	key := textAt(r.config, "provider_config_key")
	if s, ok := p.subs[key]; ok && key != "" {
		return s
	}
	s := p.providerSubscription(key)
	if s == "" {
		s, p.subs[""] = UnnamedSubscription, key
	}
	if key != "" {
		p.subs[key] = s
	}
	return s
}

func (p *plan) providerSubscription(key string) string {
	expr, _ := memberAt(p.providers, key, "expressions", "subscription_id").(map[string]any)
	if s := p.evaluate(site{config: p.config}, expr, wantGUID).one(); s != "" {
		return s
	}
	for _, r := range p.sorted() { // what was read through the provider says where it is
		if textAt(r.config, "provider_config_key") != key {
			continue
		}
		if s := textAt(r.values, "subscription_id"); isGUID(s) && (r.typ == "azurerm_client_config" || r.typ == "azurerm_subscription" && textAt(r.config, "expressions.subscription_id") == "") {
			return s
		}
		if id, err := azure.ParseID(textAt(r.values, "id")); err == nil && isGUID(id.Subscription()) && conversions[r.typ].parent == "" && conversions[r.typ].typ != "" {
			return id.Subscription()
		}
	}
	if !p.given.IsZero() {
		return p.given.String()
	}
	return ""
}

// foreseen are the attributes that only applying tells and that are known all the same, by their dotted paths.
func (p *plan) foreseen(r *planned) map[string]string {
	out := map[string]string{}
	if id := p.id(r); !id.IsZero() {
		out["id"] = id.String()
	}
	switch r.typ {
	case "azurerm_user_assigned_identity":
		out["principal_id"], out["client_id"] = p.principal(r, "principal_id"), p.principal(r, "client_id")
	case "azurerm_role_definition":
		role := p.roleID(r)
		out["id"], out["role_definition_id"], out["role_definition_resource_id"] = role, role, role
	case "azurerm_subscription":
		out["id"], out["subscription_id"] = "/subscriptions/"+p.subscription(r), p.subscription(r)
	case "azurerm_client_config": // whoever applies the plan
		out["object_id"], out["client_id"] = p.principal(r, "object_id"), p.principal(r, "client_id")
	case "azuread_group", "azuread_service_principal", "azuread_user":
		out["object_id"], out["id"] = p.principal(r, "object_id"), p.principal(r, "object_id")
		out["client_id"], out["application_id"] = p.principal(r, "client_id"), p.principal(r, "client_id")
	case typeKubernetesCluster:
		p.foreseenCluster(r, out)
	case typeAzapi:
		out["output.properties.principalId"] = p.principal(r, "identity.principal_id")
		if strings.HasPrefix(strings.ToLower(textAt(r.values, "type")), strings.ToLower(TypeIdentity)+"@") {
			break
		}
		out["identity.principal_id"] = p.principal(r, "identity.principal_id")
	default:
		if _, ok := r.known("identity"); ok {
			out["identity.principal_id"] = p.principal(r, "identity.principal_id")
		}
	}
	if r.typ == "azurerm_container_registry" {
		out["login_server"] = p.id(r).Name() + ".azurecr.io"
	}
	return out
}

// principal is an id of the directory that a resource brings: what the plan knows, or one made from its address.
func (p *plan) principal(r *planned, attribute string) string {
	if s, ok := r.known(attribute); ok {
		if text, _ := s.(string); isGUID(text) {
			return text
		}
	}
	return foreseenGUID(p.id(r).String(), r.address, attribute).String()
}

// identityBlock makes the identity member of a document.
func (p *plan) identityBlock(r *planned, doc Doc) {
	kind := p.text(r, "identity.type")
	if kind == "" {
		return
	}
	kind = strings.ReplaceAll(kind, ", ", ",")
	identity := map[string]any{"type": kind}
	if strings.Contains(kind, SystemAssigned) {
		identity["principalId"] = p.principal(r, "identity.principal_id")
	}
	if ids := p.attribute(r, "identity.identity_ids", wantID(TypeIdentity)); strings.Contains(kind, UserAssigned) && !ids.unsure {
		brought := map[string]any{}
		for _, id := range ids.values {
			brought[id] = map[string]any{}
		}
		identity["userAssignedIdentities"] = brought
	}
	doc["identity"] = identity
}

func userIdentity(p *plan, r *planned, doc Doc) {
	put(doc, "properties.principalId", p.principal(r, "principal_id"))
	put(doc, "properties.clientId", p.principal(r, "client_id"))
	p.in.foreseePrincipal(p.principal(r, "principal_id"), p.principal(r, "client_id"), p.id(r).Name(), r.made)
}

// network also has subnets in blocks of its own.
func network(p *plan, r *planned, doc Doc) {
	if servers, ok := r.known("dns_servers"); ok {
		put(doc, "properties.dhcpOptions.dnsServers", servers)
	}
	var subnets []any
	for _, v := range listAt(r.values, "subnet") {
		if name := textAt(v, "name"); name != "" {
			id := safeJoin(p.id(r), "subnets", name)
			subnets = append(subnets, map[string]any{"id": id.String(), "name": name, "properties": map[string]any{}})
		}
	}
	if subnets != nil {
		put(doc, "properties.subnets", subnets)
	}
}

func gateway(p *plan, r *planned, doc Doc) {
	if subnet := p.single(r, "gateway_ip_configuration.subnet_id", wantID(TypeSubnet)).one(); subnet != "" {
		put(doc, "properties.gatewayIPConfigurations", []any{map[string]any{"properties": map[string]any{"subnet": map[string]any{"id": subnet}}}})
	}
}

func registry(p *plan, r *planned, doc Doc) {
	put(doc, "properties.loginServer", strings.ToLower(p.id(r).Name())+".azurecr.io")
	if s := p.text(r, "login_server"); s != "" {
		put(doc, "properties.loginServer", s)
	}
	if v, ok := r.known("azuread_authentication_as_arm_policy_enabled"); ok && v == false {
		put(doc, "properties.policies.azureADAuthenticationAsArmPolicy.status", "disabled")
	}
	if v, ok := r.known("public_network_access_enabled"); ok && v == false {
		put(doc, "properties.publicNetworkAccess", "Disabled")
	}
	if rules := listAt(first(r.values["network_rule_set"]), "ip_rule"); len(rules) > 0 {
		put(doc, "properties.networkRuleSet.ipRules", rules)
	}
	if textAt(doc, "properties.roleAssignmentMode") == "" && r.made { // what ARM makes of a registry that does not say
		put(doc, "properties.roleAssignmentMode", "LegacyRegistryPermissions")
	}
}

// privateEndpoint connects to what it names, or to whatever it can mean: Azure approves it where one may write both ends.
func privateEndpoint(p *plan, r *planned) {
	if v, _ := r.known("private_service_connection.is_manual_connection"); v == true {
		return
	}
	for _, id := range p.attribute(r, "private_service_connection.private_connection_resource_id", wantID(TypeRegistry)).values {
		connectPrivately(p.docs[strings.ToLower(id)])
	}
}

// connectPrivately adds an approved private endpoint to a document.
func connectPrivately(doc Doc) {
	if doc != nil {
		put(doc, "properties.privateEndpointConnections", append(listAt(doc, "properties.privateEndpointConnections"),
			map[string]any{"properties": map[string]any{"privateLinkServiceConnectionState": map[string]any{"status": "Approved"}}}))
	}
}

func accessPolicies(p *plan, r *planned, doc Doc) {
	for _, v := range listAt(r.values, "access_policy") {
		if m, ok := v.(map[string]any); ok {
			addAccessPolicy(doc, textAt(m, "object_id"), m)
		}
	}
}

func accessPolicy(p *plan, r *planned) {
	vault := p.single(r, "key_vault_id", wantID(TypeVault)).one()
	if doc := p.docs[strings.ToLower(vault)]; doc != nil {
		addAccessPolicy(doc, p.single(r, "object_id", wantPrincipal).one(), r.values)
	}
}

func addAccessPolicy(vault Doc, principal string, v map[string]any) {
	policies := append(listAt(vault, "properties.accessPolicies"), map[string]any{"objectId": principal, "permissions": map[string]any{
		"keys": member(v, "key_permissions"), "secrets": member(v, "secret_permissions"), "certificates": member(v, "certificate_permissions"),
	}})
	put(vault, "properties.accessPolicies", policies)
}

// azapiID is the id of a resource of the azapi provider, whose type and parent stand in the plan as ARM has them.
func (p *plan) azapiID(r *planned) azure.ID {
	typ, _, _ := strings.Cut(textAt(r.values, "type"), "@")
	parent, err := azure.ParseID(p.single(r, "parent_id", wantID(anyType)).one())
	if typ == "" || err != nil {
		return azure.ID{}
	}
	name := p.nameOf(r, "name")
	if above := parent.Type(); above != "" && strings.HasPrefix(strings.ToLower(typ), strings.ToLower(above)+"/") {
		return safeJoin(parent, typ[len(above)+1:], name)
	}
	if strings.EqualFold(typ, "Microsoft.Resources/resourceGroups") {
		return safeJoin(parent, "resourceGroups", name)
	}
	return safeResource(parent, typ, name)
}

// azapiBody completes the document of an azapi resource: its body is the document, unknown parts are found by their names.
func azapiBody(p *plan, r *planned, doc Doc) {
	body := r.values["body"]
	if text, ok := body.(string); ok { // version 1 of the provider takes JSON
		if v, err := decodeText([]byte(text)); err == nil {
			body = v
		}
	}
	if m, ok := body.(map[string]any); ok {
		for k, v := range m {
			doc[k] = v
		}
	}
	doc["type"] = p.id(r).Type()
	p.fillUnknown(r, doc)
}

// linkNames are members of documents that hold ids, with the type of these.
var linkNames = map[string]string{
	"vnetsubnetid": TypeSubnet, "podsubnetid": TypeSubnet, "subnetid": TypeSubnet, "diskencryptionsetid": typeEncryptionSet,
	"privatednszone": typeZone, "containerregistryid": TypeRegistry, "keyvaultresourceid": TypeVault, "resourceid": TypeIdentity,
}

// fillUnknown finds the ids that a body takes from other resources, as far as the members' names tell the type.
func (p *plan) fillUnknown(r *planned, doc Doc) {
	expr, _ := r.expression("body")
	if expr == nil {
		return
	}
	var fill func(unknown, into any)
	fill = func(unknown, into any) {
		switch u := unknown.(type) {
		case map[string]any:
			m, ok := into.(map[string]any)
			for k, v := range u {
				switch typ := linkNames[strings.ToLower(k)]; {
				case !ok:
				case v != true:
					fill(v, m[k])
				case typ != "":
					if id := p.evaluate(p.siteOf(r), expr, wantID(typ)); len(id.values) == 1 {
						m[k] = id.values[0]
					}
				}
			}
		case []any:
			l, _ := into.([]any)
			for i := range min(len(u), len(l)) {
				fill(u[i], l[i])
			}
		}
	}
	fill(r.unknown["body"], doc)
}
