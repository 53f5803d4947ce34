package estate

import (
	"maps"
	"slices"
	"strings"
)

// told are the attributes of azurerm_kubernetes_cluster that give members of a cluster's document, lower-cased, and all below
// them, beside clusterFields. A plan says nothing of members that no attribute gives.
var told = map[string][]string{
	"identity":              {"identity.type", "identity.identity_ids"},
	"tags":                  {"tags"},
	"location":              {"location"},
	"name":                  {"name"},
	"properties.enablerbac": {"role_based_access_control_enabled"},
	"properties.aadprofile": {"azure_active_directory_role_based_access_control"},
	"properties.apiserveraccessprofile.disableruncommand":  {"run_command_enabled"},
	"properties.apiserveraccessprofile.authorizedipranges": {"api_server_access_profile", "api_server_authorized_ip_ranges"},
	"properties.apiserveraccessprofile.privatednszone":     {"private_dns_zone_id"},
	"properties.autoupgradeprofile.upgradechannel":         {"automatic_upgrade_channel", "automatic_channel_upgrade"},
	"properties.autoupgradeprofile.nodeosupgradechannel":   {"node_os_upgrade_channel", "node_os_channel_upgrade"},
	"properties.kubernetesversion":                         {"kubernetes_version"},
	"properties.securityprofile.imagecleaner.enabled":      {"image_cleaner_enabled"},
	"properties.securityprofile.defender":                  {"microsoft_defender"},
	"properties.securityprofile.azurekeyvaultkms":          {"key_management_service"},
	"properties.addonprofiles":                             {"azure_policy_enabled", "oms_agent", "key_vault_secrets_provider", "ingress_application_gateway", "aci_connector_linux"},
	"properties.podidentityprofile":                        nil, // the provider has had no attribute for it since pod identity was given up
	"properties.serviceprincipalprofile":                   {"service_principal"},
	"properties.networkprofile.loadbalancerprofile":        {"network_profile"},
	"properties.agentpoolprofiles":                         nil, // pools are resources of their own, all of which the plan has
}

// governed carries over what policies ask of a cluster and its identities do not need.
func (p *plan) governed(r *planned, doc Doc) {
	flag := func(attribute, to string, opposite bool) {
		if b, ok := r.value(attribute).(bool); ok {
			put(doc, to, b != opposite)
		}
	}
	flag("role_based_access_control_enabled", "properties.enableRBAC", false)
	flag("run_command_enabled", "properties.apiServerAccessProfile.disableRunCommand", true)
	flag("image_cleaner_enabled", "properties.securityProfile.imageCleaner.enabled", false)
	for attribute, to := range map[string]string{"kubernetes_version": "properties.kubernetesVersion",
		"automatic_upgrade_channel": "properties.autoUpgradeProfile.upgradeChannel", "automatic_channel_upgrade": "properties.autoUpgradeProfile.upgradeChannel",
		"node_os_upgrade_channel": "properties.autoUpgradeProfile.nodeOSUpgradeChannel", "node_os_channel_upgrade": "properties.autoUpgradeProfile.nodeOSUpgradeChannel"} {
		if s, _ := r.value(attribute).(string); s != "" {
			put(doc, to, s)
		}
	}
	if entra := r.only("azure_active_directory_role_based_access_control"); entra != nil {
		put(doc, "properties.aadProfile.managed", true)
		for from, to := range map[string]string{"azure_rbac_enabled": "enableAzureRBAC", "admin_group_object_ids": "adminGroupObjectIDs", "tenant_id": "tenantID"} {
			if v := entra[from]; v != nil {
				put(doc, "properties.aadProfile."+to, v)
			}
		}
	}
	for _, path := range []string{"api_server_access_profile.authorized_ip_ranges", "api_server_authorized_ip_ranges"} {
		if list, _ := r.value(path).([]any); len(list) > 0 {
			put(doc, "properties.apiServerAccessProfile.authorizedIPRanges", list)
		}
	}
	if r.only("microsoft_defender") != nil {
		put(doc, "properties.securityProfile.defender.securityMonitoring.enabled", true)
	}
}

// value is an attribute as the plan has it; nil where it has none, or does not know it.
func (r *planned) value(path string) any {
	v, _ := r.known(path)
	return v
}

// only is the one block of a name; nil without.
func (r *planned) only(name string) map[string]any {
	m, _ := first(r.value(name)).(map[string]any)
	return m
}

// unsaid tells which members of a document a plan leaves open; nil where the document says all.
func (p *plan) unsaid(r *planned) func(path string) string {
	switch r.typ {
	case typeAzapi:
		return func(path string) string { return openBody(r.unknown["body"], path) }
	case typeKubernetesCluster:
		return func(path string) string { return r.openMember(path) }
	}
	return nil
}

const laterKnown = "known after apply"

// openBody looks for a path in what is not known of a body.
func openBody(unknown any, path string) string {
	for _, name := range strings.Split(strings.ReplaceAll(path, "[*]", ""), ".") {
		unknown = first(unknown)
		if unknown == true {
			return laterKnown
		}
		m, _ := unknown.(map[string]any)
		unknown = field(m, name)
	}
	if unknown == true {
		return laterKnown
	}
	return ""
}

// openMember tells of a member of a cluster's document: whether an attribute gives it, and whether that is known.
func (r *planned) openMember(path string) string {
	said := false
	members := r.members()
	for _, member := range slices.Sorted(maps.Keys(members)) {
		switch {
		case path != member && !strings.HasPrefix(path, member+".") && !strings.HasPrefix(path, member+"[") && !strings.HasPrefix(member, path+"."):
			continue
		case member == "properties.agentpoolprofiles" && strings.HasPrefix(path, member+"[*]."):
			continue // of its members, those that are named
		}
		said = true
		for _, a := range members[member] {
			if openAt(r.unknown, a) {
				return a + " is " + laterKnown
			}
		}
	}
	if !said {
		return "the plan does not say"
	}
	return ""
}

// members are the members of a cluster's document that attributes give.
func (r *planned) members() map[string][]string {
	all := map[string][]string{}
	for member, attributes := range told {
		all[member] = attributes
	}
	for _, f := range clusterFields {
		all[strings.ToLower(f.to)] = append(all[strings.ToLower(f.to)], f.from)
	}
	for _, f := range poolFields {
		all["properties.agentpoolprofiles[*]."+strings.ToLower(f.to)] = []string{"default_node_pool." + f.from}
	}
	return all
}

// openAt reports whether an attribute, or something in it, is known only after the plan was applied.
func openAt(unknown map[string]any, path string) bool {
	var v any = unknown
	for name := range strings.SplitSeq(path, ".") {
		v = first(v)
		if v == true {
			return true
		}
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return holdsTrue(v)
}

func holdsTrue(v any) bool {
	return holds(v, func(leaf any) bool { yes, _ := leaf.(bool); return yes })
}

// holds reports whether a value is, or has in it, a leaf that is meant.
func holds(v any, means func(leaf any) bool) bool {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if holds(x, means) {
				return true
			}
		}
	case map[string]any:
		for _, x := range v {
			if holds(x, means) {
				return true
			}
		}
	default:
		return means(v)
	}
	return false
}
