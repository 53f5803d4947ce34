package provider

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// filled is a member that AKS fills in where a request leaves it out, as recorded answers show it.
type filled struct {
	path  string // below the properties of a cluster, or of a pool
	value any
	// since is the first api-version that has it; "": all of them. One that ends in -preview stands for previews alone:
	// no stable version shows the member.
	since string
	// known says that older versions know the member and only do not fill it in: it is shown where it was asked for.
	known bool
}

var filledOfCluster = []filled{
	{path: "enableRBAC", value: true},
	{path: "maxAgentPools", value: json.Number("100")},
	{path: "powerState.code", value: poolRunning},
	{path: "securityProfile", value: arm.Doc{}, since: "2021-07-01"},
	{path: "storageProfile.diskCSIDriver.enabled", value: true, since: "2021-08-01"},
	{path: "storageProfile.diskCSIDriver.version", value: "v1", since: "2022-06-02-preview"},
	{path: "storageProfile.fileCSIDriver.enabled", value: true, since: "2021-08-01"},
	{path: "storageProfile.snapshotController.enabled", value: true, since: "2021-08-01"},
	{path: "oidcIssuerProfile.enabled", value: false, since: "2021-09-01"},
	{path: "workloadAutoScalerProfile", value: arm.Doc{}, since: "2022-05-02"},
	{path: "supportPlan", value: "KubernetesOfficial", since: "2023-03-02"},
	{path: "autoUpgradeProfile.nodeOSUpgradeChannel", value: "NodeImage", since: "2023-06-01"},
	{path: "metricsProfile.costAnalysis.enabled", value: false, since: "2023-09-02"},
	{path: "bootstrapProfile.artifactSource", value: "Direct", since: "2025-03-01"},
	{path: "nodeProvisioningProfile.mode", value: "Manual", since: "2025-03-01"},
	{path: "nodeProvisioningProfile.defaultNodePools", value: "Auto", since: "2025-03-01"},
	{path: "networkProfile.podLinkLocalAccess", value: "IMDS", since: "2024-05-02-preview"},
	{path: "controlPlanePluginProfiles", value: controlPlanePlugins(), since: "2025-03-02-preview"},
	{path: "hostedSystemProfile.enabled", value: false, since: "2025-10-02-preview"},
	{path: "enableFIPS", value: false, since: "2025-10-02-preview"},
}

var filledOfPool = []filled{
	{path: "count", value: json.Number("1")}, {path: "vmSize", value: "Standard_DS2_v2"},
	{path: "osType", value: "Linux"}, {path: "osSKU", value: "Ubuntu"}, {path: "osDiskType", value: "Managed"}, {path: "kubeletDiskType", value: "OS"},
	{path: "type", value: poolScaleSets}, {path: "mode", value: "User"},
	{path: "enableAutoScaling", value: false}, {path: "enableNodePublicIP", value: false}, {path: "enableFIPS", value: false},
	{path: "scaleDownMode", value: "Delete", since: "2024-01-01", known: true},
	{path: "upgradeSettings", value: arm.Doc{}},
	{path: "upgradeSettings.maxSurge", value: "10%", since: "2024-01-01", known: true},
	{path: "upgradeSettings.maxUnavailable", value: "0", since: "2025-03-01"},
	{path: "securityProfile.enableVTPM", value: false, since: "2024-05-01"},
	{path: "securityProfile.enableSecureBoot", value: false, since: "2024-05-01"},
	{path: "securityProfile.sshAccess", value: "LocalUser", since: "2025-03-01"},
}

// controlPlanePlugins are the components of the control plane that previews tell of.
func controlPlanePlugins() arm.Doc {
	out := arm.Doc{}
	for _, name := range []string{"azure-monitor-metrics-ccp", "gpu-provisioner", "karpenter", "kubelet-serving-csr-approver", "live-patching-controller", "static-egress-controller"} {
		out[name] = arm.Doc{"enableV2": true}
	}
	return out
}

// shows reports whether an api-version has what since says.
func shows(version, since string) bool {
	switch {
	case since == "", version == "": // whoever reads in no version, as an export, sees everything
		return true
	case strings.HasSuffix(since, "-preview") && !strings.HasSuffix(version, "-preview"):
		return false
	}
	return version[:min(len(version), 10)] >= since[:10]
}

// fill sets the members that are missing, as a request of that version gets them.
func fill(d arm.Doc, version string, members []filled) {
	for _, m := range members {
		if arm.Get(d, m.path) == nil && (!m.known || shows(version, m.since)) {
			arm.Set(d, m.path, cloned(m.value))
		}
	}
}

func cloned(v any) any {
	if d, ok := v.(arm.Doc); ok {
		return arm.Clone(d)
	}
	return v
}

// hide removes what AKS filled in and a version does not have, with the objects that are empty then.
func hide(d arm.Doc, version string, members []filled) {
	for _, m := range members {
		if m.known || shows(version, m.since) || !reflect.DeepEqual(arm.Get(d, m.path), cloned(m.value)) {
			continue
		}
		arm.Unset(d, m.path)
		for path, ok := parentPath(m.path); ok && len(arm.Map(d, path)) == 0 && !filledIn(path, members); path, ok = parentPath(path) {
			arm.Unset(d, path)
		}
	}
}

func filledIn(path string, members []filled) bool {
	return slices.ContainsFunc(members, func(m filled) bool { return m.path == path })
}

func parentPath(path string) (string, bool) {
	at := strings.LastIndexByte(path, '.')
	return path[:max(at, 0)], at >= 0
}

// tidyCluster removes what AKS does not keep of a request: members without a value, and empty lists and defaults of pools.
func tidyCluster(c *arm.Call) *azure.Error {
	props := arm.Map(c.Doc, "properties")
	dropNulls(props)
	if len(arm.Map(props, "addonProfiles")) == 0 {
		delete(props, "addonProfiles")
	}
	if arm.Int(props, "networkProfile.loadBalancerProfile.managedOutboundIPs.countIPv6") == 0 {
		arm.Unset(props, "networkProfile.loadBalancerProfile.managedOutboundIPs.countIPv6")
	}
	for _, p := range pools(c.Doc) {
		tidyPool(p)
	}
	return nil
}

func tidyPool(p arm.Doc) {
	for _, m := range []string{"nodeTaints", "nodeInitializationTaints", "availabilityZones"} {
		if len(arm.List(p, m)) == 0 {
			delete(p, m)
		}
	}
	for _, m := range []string{"nodeLabels", "tags"} {
		if len(arm.Map(p, m)) == 0 {
			delete(p, m)
		}
	}
	if !strings.EqualFold(arm.Str(p, "scaleSetPriority"), "Spot") {
		delete(p, "scaleSetPriority")
		delete(p, "scaleSetEvictionPolicy")
		delete(p, "spotMaxPrice")
	}
}

// dropNulls removes members without a value, at every depth.
func dropNulls(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e == nil {
				delete(v, k)
			} else {
				dropNulls(e)
			}
		}
	case []any:
		for _, e := range v {
			dropNulls(e)
		}
	}
}

// viewCluster is a cluster as AKS spells it to a client of a version: ids with resourcegroups, its type with a capital M.
func viewCluster(c *arm.Call, d arm.Doc) {
	props := arm.Map(d, "properties")
	delete(arm.Map(props, "windowsProfile"), "adminPassword")
	if arm.Map(d, "identity") == nil {
		delete(props, "identityProfile")
	}
	d["id"], d["type"] = aksID(arm.Str(d, "id")), "Microsoft.ContainerService/ManagedClusters"
	hide(props, c.Version, filledOfCluster)
	if !shows(c.Version, "2023-09-02") {
		delete(props, "resourceUID")
	}
	if shows(c.Version, "2025-03-01") {
		arm.Default(d, "kind", arm.Str(d, "sku.name"))
	}
	hideTag(c, d)
	for _, p := range pools(d) {
		p["provisioningState"] = poolState(d, p)
		showPool(c, p)
	}
	showAddons(props)
}

func showPool(c *arm.Call, p arm.Doc) {
	hide(p, c.Version, filledOfPool)
	hideTag(c, p)
}

// hideTag removes the eTag of a cluster or a pool, which previews alone show, once it is made.
func hideTag(c *arm.Call, d arm.Doc) {
	if state := arm.Str(d, "properties.provisioningState") + arm.Str(d, "provisioningState"); state == creating || !shows(c.Version, "2024-07-02-preview") {
		delete(d, "eTag")
	}
}

// tagCluster gives a written cluster a new eTag, and each of its pools one that follows from what the pool is.
func tagCluster(d arm.Doc) {
	d["eTag"] = azure.NewGUID().String()
	for _, p := range pools(d) {
		delete(p, "eTag")
		b, _ := json.Marshal(p) // it came from JSON
		p["eTag"] = nameFrom(string(b)).String()
	}
}

// showAddons adds the members that AKS shows without a value.
func showAddons(props arm.Doc) {
	for _, v := range arm.Map(props, "addonProfiles") {
		if a, ok := v.(map[string]any); ok {
			addNull(a, "config")
		}
	}
	addNull(arm.Map(props, "aadProfile"), "adminUsers", "adminGroupObjectIDs")
	addNull(arm.Map(props, "ingressProfile.webAppRouting"), "dnsZoneResourceIds")
}

func addNull(d arm.Doc, names ...string) {
	for _, n := range names {
		if _, ok := d[n]; d != nil && !ok {
			d[n] = nil
		}
	}
}

// aksID spells an id as AKS and managed identities do.
func aksID(id string) string {
	return strings.Replace(id, "/resourceGroups/", "/resourcegroups/", 1)
}
