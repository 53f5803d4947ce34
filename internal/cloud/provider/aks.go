package provider

import (
	"crypto/sha256"
	"fmt"
	"hash/fnv"
	"regexp"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
)

const (
	aks         = "Microsoft.ContainerService"
	typeCluster = aks + "/managedClusters"
	typePool    = typeCluster + "/agentPools"

	assignIdentity azure.Action = typeIdentity + "/assign/action"
)

var aksVersions = []string{"2025-10-01", "2025-05-01", "2025-01-01", "2024-09-01", "2024-05-01", "2023-10-01", "2023-04-01", "2022-11-01", "2022-04-01", "2021-05-01", "2020-09-01", "2019-10-01", "2018-03-31"}

// containerService is AKS. It acts as its own first-party principal; its checks and steps are azure-facts 1 and 2.
func containerService() arm.Provider {
	types := []arm.Type{
		clusterType(),
		{Name: typeCluster + "/maintenanceConfigurations", Codes: arm.Codes{Create: 200}, Check: checkMaintenance,
			View: func(_ *arm.Call, d arm.Doc) { delete(d, "type") }},
		{Name: typeCluster + "/upgradeProfiles", Get: getUpgradeProfile},
		{Name: typePool + "/upgradeProfiles", Get: getPoolUpgradeProfile},
		{Name: typeCluster + "/availableAgentPoolVersions", Single: true, Get: getPoolVersions},
		{Name: aks + "/locations/kubernetesVersions", Place: arm.InSubscription, Single: true, Get: getKubernetesVersions},
		{Name: aks + "/locations/orchestrators", Place: arm.InSubscription, Single: true, Get: getOrchestrators},
	}
	for i := range types {
		types[i].Since, types[i].Versions, types[i].BareErrors = "2017-08-31", aksVersions, true
	}
	return arm.Provider{Namespace: aks, Service: aksPrincipal, Types: types}
}

// aksPrincipal is AKS's first-party application; its client id is the same in every tenant.
var aksPrincipal = directory.Principal{ID: azure.MustGUID("5d6ad0b2-9f6e-4d0f-8f0c-6a1d7a1c0e57"), AppID: azure.MustGUID("7319c514-987d-4e9b-ac3d-d38c4f427f4c"),
	Type: directory.ServicePrincipal, Kind: directory.Application, DisplayName: "Azure Kubernetes Service"}

func clusterType() arm.Type {
	return arm.Type{
		Name: typeCluster, Tracked: true, Identity: true,
		Codes: arm.Codes{Create: 201, Update: 200, Delete: 202, Gone: 204},
		Links: []arm.Link{
			{Path: "properties.apiServerAccessProfile.subnetId", Action: joinSubnet},
			{Path: "properties.diskEncryptionSetID", Action: "Microsoft.Compute/diskEncryptionSets/read"},
			{Path: "properties.networkProfile.loadBalancerProfile.outboundIPs.publicIPs[].id", Action: joinIP},
			{Path: "properties.networkProfile.loadBalancerProfile.outboundIPPrefixes.publicIPPrefixes[].id", Action: joinPrefix},
		},
		Children: []arm.Child{{Path: "properties.agentPoolProfiles", Flat: true, Type: &arm.Type{Name: typePool,
			Links: []arm.Link{{Path: "properties.vnetSubnetID", Action: joinSubnet}, {Path: "properties.podSubnetID", Action: joinSubnet}},
			View:  viewPool,
			Actions: map[string]arm.Action{
				"upgradenodeimageversion": {Do: upgradeNodeImage, Long: true},
			}}}},
		Keep: []string{"properties.nodeResourceGroup", "properties.identityProfile", "properties.dnsPrefix", "properties.kubernetesVersion",
			"properties.agentPoolProfiles", "properties.networkProfile", "properties.fqdn", "properties.privateFQDN", "properties.servicePrincipalProfile",
			"properties.addonProfiles", "properties.oidcIssuerProfile", "properties.apiServerAccessProfile", "properties.diskEncryptionSetID", "sku"},
		Actions: map[string]arm.Action{
			"resetserviceprincipalprofile":        {Do: resetServicePrincipal, Long: true},
			"start":                               {Do: startCluster, Long: true},
			"stop":                                {Do: stopCluster, Long: true},
			"listclusteradmincredential":          {Do: adminCredential},
			"listclusterusercredential":           {Do: userCredential},
			"listclustermonitoringusercredential": {Do: monitoringCredential},
			"runcommand":                          {Do: runCommand},
		},
		Refs:  clusterRefs,
		Check: checkCluster, Steps: clusterSteps, Deleting: []arm.Step{removeCluster}, Deleted: clusterDeleted,
		View: viewCluster,
	}
}

var clusterName = regexp.MustCompile(`^[a-zA-Z0-9]([-_a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$`)

// checkCluster validates a cluster and makes the checks that AKS makes itself before it starts, the creator's links
// having been decided: what its own identity may do among them. Every later update and upgrade makes them again.
func checkCluster(c *arm.Call) *azure.Error {
	if !clusterName.MatchString(c.ID.Name()) {
		return azure.InvalidParameter.Format(azure.Fields{"path": "resourceName", "details": "the name must begin and end with a letter or digit and be at most 63 characters long"})
	}
	for _, check := range []func(*arm.Call) *azure.Error{
		tidyCluster, linkKubelet, checkIdentityKind, checkNodeGroup, keepCluster, checkVersion, fillNetwork, checkPools, checkPrincipal, checkKubelet, checkDisks,
		checkOutbound, checkRouteTables, checkPrivateZone, checkIntegratedServer, checkKMS, checkPoolIdentities, checkAddons, checkIssuer,
	} {
		if err := check(c); err != nil {
			return err
		}
	}
	fillCluster(c)
	return nil
}

// fixedOfCluster are the members of a cluster that stay for life, beside its identity and node resource group.
var fixedOfCluster = []string{"dnsPrefix", "fqdnSubdomain", "linuxProfile.adminUsername", "networkProfile.serviceCidr", "networkProfile.dnsServiceIP",
	"networkProfile.loadBalancerSku"}

// keepCluster refuses to change what stays. What a request leaves out is carried over.
func keepCluster(c *arm.Call) *azure.Error {
	for _, path := range fixedOfCluster {
		old, given := arm.Str(c.Old, "properties."+path), arm.Str(c.Doc, "properties."+path)
		switch {
		case old == "":
		case given == "":
			arm.Set(c.Doc, "properties."+path, old)
		case !strings.EqualFold(old, given):
			return unchangeable(path)
		}
	}
	return nil
}

func checkNodeGroup(c *arm.Call) *azure.Error {
	group := arm.Str(c.Doc, "properties.nodeResourceGroup")
	if c.Old != nil {
		if old := arm.Str(c.Old, "properties.nodeResourceGroup"); !strings.EqualFold(old, group) {
			return unchangeable("nodeResourceGroup")
		}
		return nil
	}
	if group == "" {
		group = fmt.Sprintf("MC_%s_%s_%s", c.ID.ResourceGroup(), c.ID.Name(), arm.Str(c.Doc, "location"))
		group = strings.TrimRight(group[:min(len(group), 80)], ".")
		arm.Set(c.Doc, "properties.nodeResourceGroup", group)
	}
	if strings.EqualFold(group, c.ID.ResourceGroup()) {
		return azure.NodeGroupSame.Format(azure.Fields{"group": group})
	}
	if doc, err := c.Load(nodeGroup(c.ID, c.Doc)); err != nil || doc != nil {
		if err != nil {
			return arm.Fault(err)
		}
		return azure.NodeGroupExists.Format(azure.Fields{"group": group, "subscription": c.ID.Subscription()})
	}
	return nil
}

func nodeGroup(cluster azure.ID, d arm.Doc) azure.ID {
	return azure.SubscriptionID(cluster.Subscription()).Join("resourceGroups", arm.Str(d, "properties.nodeResourceGroup"))
}

// unchangeable refuses to change what a cluster keeps for life.
func unchangeable(path string) *azure.Error {
	err := azure.PropertyChangeNotAllowed.Format(azure.Fields{"path": path})
	err.Target = path
	return err
}

// checkDisks keeps the disk encryption set, which a cluster has from its creation or never. Its creator's right to read
// it is a link; AKS does not look at the cluster identity's, which disks need at run time.
func checkDisks(c *arm.Call) *azure.Error {
	const path = "properties.diskEncryptionSetID"
	if c.Old != nil && !strings.EqualFold(arm.Str(c.Old, path), arm.Str(c.Doc, path)) {
		return unchangeable("diskEncryptionSetID")
	}
	return nil
}

func fillCluster(c *arm.Call) {
	arm.Default(c.Doc, "sku", arm.Doc{"name": "Base", "tier": "Free"})
	arm.Default(c.Doc, "properties.dnsPrefix", c.ID.Name())
	fqdn := fmt.Sprintf("%s-%s.hcp.%s.azmk8s.io", arm.Str(c.Doc, "properties.dnsPrefix"), suffix(c.ID), arm.Str(c.Doc, "location"))
	if isPrivate(c.Doc) {
		arm.Default(c.Doc, "properties.privateFQDN", privateFQDN(c))
	} else {
		arm.Default(c.Doc, "properties.fqdn", fqdn)
	}
	if uid := arm.Str(c.Old, "properties.resourceUID"); uid != "" {
		arm.Set(c.Doc, "properties.resourceUID", uid)
	} else {
		arm.Set(c.Doc, "properties.resourceUID", azure.NewGUID().Hex()[:24])
	}
	props := arm.Map(c.Doc, "properties")
	fill(props, c.Version, filledOfCluster)
	if host := arm.Str(props, "fqdn"); host != "" {
		props["azurePortalFQDN"] = strings.Replace(host, ".hcp.", ".portal.hcp.", 1)
	}
	if aad := arm.Map(props, "aadProfile"); aad != nil {
		arm.Default(aad, "tenantID", c.Tenant().String())
	}
	if windows := arm.Map(props, "windowsProfile"); windows != nil {
		arm.Default(windows, "enableCSIProxy", true)
	}
	if routing := arm.Map(props, "ingressProfile.webAppRouting"); routing != nil {
		arm.Default(routing, "nginx.defaultIngressControllerType", "AnnotationControlled")
	}
	arm.Set(c.Doc, "properties.currentKubernetesVersion", arm.Str(c.Doc, "properties.kubernetesVersion"))
	tagCluster(c.Doc)
}

// suffix tells clusters apart in the names of what AKS makes for them: eight digits of the cluster's id.
func suffix(id azure.ID) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id.Key()))
	return fmt.Sprintf("%08d", h.Sum32()%1e8)
}

// nameFrom is a GUID that is the same whenever a step is repeated.
func nameFrom(parts ...string) azure.GUID {
	sum := sha256.Sum256([]byte(strings.ToLower(strings.Join(parts, "\n"))))
	var g azure.GUID
	copy(g[:], sum[:])
	g[6], g[8] = g[6]&0x0f|0x50, g[8]&0x3f|0x80
	return g
}
