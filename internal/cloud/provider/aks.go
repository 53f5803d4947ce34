package provider

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"regexp"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
	"aksid/internal/rbac"
)

const (
	aks         = "Microsoft.ContainerService"
	typeCluster = aks + "/managedClusters"
	typePool    = typeCluster + "/agentPools"

	assignIdentity azure.Action = typeIdentity + "/assign/action"
)

// Kubernetes versions that clusters get: the default, where the request names none.
const defaultKubernetes = "1.33.5"

// containerService is AKS. It acts as its own first-party principal; its checks and steps are azure-facts 1 and 2.
func containerService() arm.Provider {
	versions := []string{"2025-10-01", "2025-05-01", "2025-01-01", "2024-09-01", "2024-05-01", "2023-10-01", "2023-04-01", "2022-11-01", "2022-04-01", "2021-05-01", "2020-09-01", "2019-10-01", "2018-03-31"}
	return arm.Provider{
		Namespace: aks,
		Service: directory.Principal{ID: azure.MustGUID("5d6ad0b2-9f6e-4d0f-8f0c-6a1d7a1c0e57"), AppID: azure.MustGUID("7319c514-987d-4e9b-ac3d-d38c4f427f4c"),
			Type: directory.ServicePrincipal, Kind: directory.Application, DisplayName: "Azure Kubernetes Service"},
		Types: []arm.Type{{
			Name: typeCluster, Since: "2017-08-31", Versions: versions, Tracked: true, Identity: true, SystemData: true,
			Codes: arm.Codes{Create: 201, Update: 200, Delete: 202, Gone: 204},
			Links: []arm.Link{
				{Path: "properties.apiServerAccessProfile.subnetId", Action: joinSubnet},
				{Path: "properties.identityProfile.kubeletidentity.resourceId", Action: assignIdentity},
				{Path: "properties.diskEncryptionSetID", Action: "Microsoft.Compute/diskEncryptionSets/read"},
				{Path: "properties.networkProfile.loadBalancerProfile.outboundIPs.publicIPs[].id", Action: joinIP},
				{Path: "properties.networkProfile.loadBalancerProfile.outboundIPPrefixes.publicIPPrefixes[].id", Action: joinPrefix},
			},
			Children: []arm.Child{{Path: "properties.agentPoolProfiles", Flat: true, Type: &arm.Type{Name: typePool,
				Links: []arm.Link{{Path: "properties.vnetSubnetID", Action: joinSubnet}, {Path: "properties.podSubnetID", Action: joinSubnet}}}}},
			Keep: []string{"properties.nodeResourceGroup", "properties.identityProfile", "properties.dnsPrefix", "properties.kubernetesVersion",
				"properties.agentPoolProfiles", "properties.networkProfile", "properties.fqdn", "properties.servicePrincipalProfile", "sku"},
			Check: checkCluster, Steps: clusterSteps, Deleting: []arm.Step{removeCluster}, Deleted: clusterDeleted,
			View: viewCluster,
		}},
	}
}

var clusterName = regexp.MustCompile(`^[a-zA-Z0-9]([-_a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$`)

// checkCluster validates a cluster and makes the checks of permissions that AKS makes itself before it starts.
func checkCluster(c *arm.Call) *azure.Error {
	if !clusterName.MatchString(c.ID.Name()) {
		return azure.InvalidParameter.Format(azure.Fields{"path": "resourceName", "details": "the name must begin and end with a letter or digit and be at most 63 characters long"})
	}
	for _, check := range []func(*arm.Call) *azure.Error{checkNodeGroup, checkPools, fillNetwork, checkPrincipal, checkKubelet, checkRouteTables} {
		if err := check(c); err != nil {
			return err
		}
	}
	fillCluster(c)
	return nil
}

func checkNodeGroup(c *arm.Call) *azure.Error {
	group := arm.Str(c.Doc, "properties.nodeResourceGroup")
	if c.Old != nil {
		if old := arm.Str(c.Old, "properties.nodeResourceGroup"); !strings.EqualFold(old, group) {
			return azure.PropertyChangeNotAllowed.Format(azure.Fields{"path": "properties.nodeResourceGroup"})
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

var poolName = regexp.MustCompile(`^[a-z][a-z0-9]{0,11}$`)

func checkPools(c *arm.Call) *azure.Error {
	pools := pools(c.Doc)
	if len(pools) == 0 {
		return azure.MissingParameter.Format(azure.Fields{"path": "agentPoolProfiles"})
	}
	version := arm.Str(c.Doc, "properties.kubernetesVersion")
	if version == "" {
		version = defaultKubernetes
		arm.Set(c.Doc, "properties.kubernetesVersion", version)
	}
	system := false
	for _, p := range pools {
		if !poolName.MatchString(arm.Str(p, "name")) {
			return azure.InvalidParameter.Format(azure.Fields{"path": "agentPoolProfile.name", "details": "the name of an agent pool is made of at most 12 lower-case letters and digits and begins with a letter"})
		}
		for k, v := range map[string]any{"count": json.Number("1"), "vmSize": "Standard_DS2_v2", "osType": "Linux", "osSKU": "Ubuntu", "type": "VirtualMachineScaleSets",
			"maxPods": json.Number("110"), "orchestratorVersion": version, "osDiskType": "Managed", "mode": "User", "enableAutoScaling": false} {
			arm.Default(p, k, v)
		}
		if arm.Str(p, "orchestratorVersion") == "" {
			p["orchestratorVersion"] = version
		}
		if arm.Int(p, "osDiskSizeGB") == 0 {
			p["osDiskSizeGB"] = json.Number("128")
		}
		p["provisioningState"], p["powerState"] = "Succeeded", arm.Doc{"code": "Running"}
		p["currentOrchestratorVersion"] = p["orchestratorVersion"]
		p["nodeImageVersion"] = "AKSUbuntu-2204gen2containerd-202511.07.0"
		system = system || strings.EqualFold(arm.Str(p, "mode"), "System")
	}
	if !system {
		if c.Old != nil {
			return azure.MissingParameter.Format(azure.Fields{"path": "agentPoolProfiles (at least one of mode System)"})
		}
		pools[0]["mode"] = "System"
	}
	return nil
}

func pools(d arm.Doc) []arm.Doc {
	var out []arm.Doc
	for _, v := range arm.List(d, "properties.agentPoolProfiles") {
		if p, ok := v.(map[string]any); ok {
			out = append(out, p)
		}
	}
	return out
}

// fillNetwork spells out the network's defaults as AKS returns them.
func fillNetwork(c *arm.Call) *azure.Error {
	arm.Default(c.Doc, "properties.networkProfile", arm.Doc{})
	n := arm.Map(c.Doc, "properties.networkProfile")
	arm.Default(n, "networkPlugin", "kubenet")
	arm.Default(n, "loadBalancerSku", "standard")
	arm.Default(n, "outboundType", "loadBalancer")
	arm.Default(n, "serviceCidr", "10.0.0.0/16")
	arm.Default(n, "dnsServiceIP", "10.0.0.10")
	arm.Default(n, "serviceCidrs", []any{n["serviceCidr"]})
	arm.Default(n, "ipFamilies", []any{"IPv4"})
	if isKubenet(c.Doc) || arm.Str(n, "networkPluginMode") == "overlay" {
		arm.Default(n, "podCidr", "10.244.0.0/16")
		arm.Default(n, "podCidrs", []any{n["podCidr"]})
	}
	return nil
}

func isKubenet(d arm.Doc) bool {
	return strings.EqualFold(arm.Str(d, "properties.networkProfile.networkPlugin"), "kubenet")
}

// controlPlane is the principal that the cluster's controllers act as; zero for none yet.
func controlPlane(c *arm.Call) (azure.PrincipalID, *azure.Error) {
	if id, err := azure.ParseGUID(arm.Str(c.Doc, "identity.principalId")); err == nil {
		return id, nil
	}
	var found azure.PrincipalID
	for _, v := range arm.Map(c.Doc, "identity.userAssignedIdentities") {
		d, _ := v.(map[string]any)
		id, err := azure.ParseGUID(arm.Str(d, "principalId"))
		if err != nil {
			return id, arm.Fault(err)
		}
		found = id
	}
	if !found.IsZero() {
		return found, nil
	}
	app, err := azure.ParseGUID(arm.Str(c.Doc, "properties.servicePrincipalProfile.clientId"))
	if err != nil {
		return found, azure.MissingParameter.Format(azure.Fields{"path": "servicePrincipalProfile"})
	}
	p, err := directory.ByAppID(c.Tx, app)
	if isNotFound(err) {
		return found, azure.ServicePrincipalNotFound.Format(azure.Fields{"app": app.String(), "tenant": c.Tenant().String()})
	}
	return p.ID, arm.Fault(err)
}

func checkPrincipal(c *arm.Call) *azure.Error {
	if arm.Map(c.Doc, "identity") != nil {
		arm.Set(c.Doc, "properties.servicePrincipalProfile", arm.Doc{"clientId": "msi"})
	} else {
		delete(arm.Map(c.Doc, "properties.servicePrincipalProfile"), "secret")
	}
	_, err := controlPlane(c)
	return err
}

func userAssigned(d arm.Doc) bool { return len(arm.Map(d, "identity.userAssignedIdentities")) > 0 }

// checkKubelet checks a kubelet identity that the user brings: user-assigned control plane only, and one that may assign it.
func checkKubelet(c *arm.Call) *azure.Error {
	const path = "properties.identityProfile.kubeletidentity"
	id, err := azure.ParseID(arm.Str(c.Doc, path+".resourceId"))
	if err != nil || nodeGroup(c.ID, c.Doc).Contains(id) {
		return nil
	}
	if !userAssigned(c.Doc) {
		return azure.CustomKubeletIdentityOnlyUserAssigned.Error()
	}
	doc, err := c.Load(id)
	if err != nil || doc == nil {
		if err != nil {
			return arm.Fault(err)
		}
		return azure.InvalidResourceReference.Format(azure.Fields{"target": id.String(), "id": c.ID.String()})
	}
	principal, e := controlPlane(c)
	if e != nil {
		return e
	}
	if c.Decide(principal, assignIdentity, id).Outcome != rbac.Granted {
		return azure.CustomKubeletIdentityMissingPermission.Error()
	}
	setKubelet(c.Doc, doc)
	return nil
}

func setKubelet(d, identity arm.Doc) {
	arm.Set(d, "properties.identityProfile.kubeletidentity", arm.Doc{"resourceId": identity["id"],
		"clientId": arm.Str(identity, "properties.clientId"), "objectId": arm.Str(identity, "properties.principalId")})
}

// checkRouteTables checks kubenet on subnets with a route table of the user's: AKS refuses to start
// unless the cluster's identity may read and write it.
func checkRouteTables(c *arm.Call) *azure.Error {
	if !isKubenet(c.Doc) {
		return nil
	}
	for _, p := range pools(c.Doc) {
		table, err := subnetTable(c, arm.Str(p, "vnetSubnetID"))
		if err != nil {
			return arm.Fault(err)
		}
		if table.IsZero() || nodeGroup(c.ID, c.Doc).Contains(table) {
			continue
		}
		if arm.Str(c.Doc, "identity.principalId") != "" {
			return azure.CustomRouteTableSystemAssigned.Error()
		}
		principal, e := controlPlane(c)
		if e != nil {
			return e
		}
		for _, verb := range []azure.Action{"/read", "/write"} {
			if c.Decide(principal, typeRouteTable+verb, table).Outcome != rbac.Granted {
				return azure.CustomRouteTableMissingPermission.Format(azure.Fields{"scope": table.String()})
			}
		}
	}
	return nil
}

// subnetTable is the route table of a subnet, or no id.
func subnetTable(c *arm.Call, subnet string) (azure.ID, error) {
	id, err := azure.ParseID(subnet)
	if err != nil {
		return azure.ID{}, nil
	}
	doc, err := c.Load(id)
	if err != nil {
		return azure.ID{}, err
	}
	table, err := azure.ParseID(arm.Str(doc, "properties.routeTable.id"))
	if err != nil {
		return azure.ID{}, nil
	}
	return table, nil
}

func fillCluster(c *arm.Call) {
	arm.Default(c.Doc, "sku", arm.Doc{"name": "Base", "tier": "Free"})
	arm.Default(c.Doc, "properties.dnsPrefix", c.ID.Name())
	fqdn := fmt.Sprintf("%s-%s.hcp.%s.azmk8s.io", arm.Str(c.Doc, "properties.dnsPrefix"), suffix(c.ID), arm.Str(c.Doc, "location"))
	if arm.Bool(c.Doc, "properties.apiServerAccessProfile.enablePrivateCluster") {
		arm.Default(c.Doc, "properties.privateFQDN", strings.Replace(fqdn, ".hcp.", ".privatelink.", 1))
	} else {
		arm.Default(c.Doc, "properties.fqdn", fqdn)
	}
	for path, v := range map[string]any{"enableRBAC": true, "maxAgentPools": json.Number("100"), "supportPlan": "KubernetesOfficial", "disableLocalAccounts": false,
		"powerState": arm.Doc{"code": "Running"}, "resourceUID": azure.NewGUID().Hex()[:24], "oidcIssuerProfile": arm.Doc{"enabled": false}, "securityProfile": arm.Doc{}} {
		if old := arm.Get(c.Old, "properties."+path); old != nil {
			v = old
		}
		arm.Default(c.Doc, "properties."+path, v)
	}
	arm.Set(c.Doc, "properties.currentKubernetesVersion", arm.Str(c.Doc, "properties.kubernetesVersion"))
}

func viewCluster(_ *arm.Call, d arm.Doc) {
	delete(arm.Map(d, "properties.windowsProfile"), "adminPassword")
	if arm.Str(d, "properties.servicePrincipalProfile.clientId") != "msi" && arm.Map(d, "identity") == nil {
		delete(arm.Map(d, "properties"), "identityProfile")
	}
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
