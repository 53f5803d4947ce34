package cloud_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestAddons turns every add-on on and off: each has an identity of its own in the node resource group, attached to the
// scale sets, with what AKS grants and nothing else (azure-facts 1.1, 1.4).
func TestAddons(t *testing.T) {
	s := newPlace(t)
	op := s.operator
	c := s.cluster(s.rg, "c1")
	c.put(system, nil).ok(200)
	workspace := s.rg + "/providers/Microsoft.OperationalInsights/workspaces/w1"
	op.do("PUT", workspace+"?api-version=2022-10-01", obj{"location": "westeurope"})
	profile := func(name string, v obj) obj { return obj{"addonProfiles": obj{name: v}} }
	for _, a := range []struct {
		identity, at string // at: of the identity in the cluster's document
		on, off      obj
		role         string
	}{
		{"azurekeyvaultsecretsprovider-c1", "addonProfiles.azureKeyvaultSecretsProvider.identity",
			profile("azureKeyvaultSecretsProvider", obj{"enabled": true, "config": obj{"enableSecretRotation": "false"}}), profile("azureKeyvaultSecretsProvider", obj{"enabled": false}), ""},
		{"ingressapplicationgateway-c1", "addonProfiles.ingressApplicationGateway.identity",
			profile("ingressApplicationGateway", obj{"enabled": true, "config": obj{"subnetCIDR": "10.225.0.0/16"}}), profile("ingressApplicationGateway", obj{"enabled": false}), ""},
		{"aciconnectorlinux-c1", "addonProfiles.aciConnectorLinux.identity",
			profile("aciConnectorLinux", obj{"enabled": true, "config": obj{"SubnetName": "virtual"}}), profile("aciConnectorLinux", obj{"enabled": false}), "Contributor"},
		{"omsagent-c1", "addonProfiles.omsAgent.identity",
			profile("omsAgent", obj{"enabled": true, "config": obj{"logAnalyticsWorkspaceResourceID": workspace}}), profile("omsAgent", obj{"enabled": false}), ""},
		{"azurepolicy-c1", "addonProfiles.azurepolicy.identity", profile("azurepolicy", obj{"enabled": true}), profile("azurepolicy", obj{"enabled": false}), ""},
		{"webapprouting-c1", "ingressProfile.webAppRouting.identity",
			obj{"ingressProfile": obj{"webAppRouting": obj{"enabled": true}}}, obj{"ingressProfile": obj{"webAppRouting": obj{"enabled": false}}}, ""},
		{"cost-analysis-identity", "", obj{"metricsProfile": obj{"costAnalysis": obj{"enabled": true}}}, obj{"metricsProfile": obj{"costAnalysis": obj{"enabled": false}}}, "Reader"},
	} {
		t.Run(a.identity, func(t *testing.T) {
			on := c.update(nil, a.on).ok(200)
			id := op.get(c.nodes + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" + a.identity).ok(200)
			principal := id.str("properties.principalId")
			if a.at != "" && (on.str("properties."+a.at+".objectId") != principal || on.str("properties."+a.at+".clientId") != id.str("properties.clientId") ||
				!strings.EqualFold(on.str("properties."+a.at+".resourceId"), id.str("id"))) {
				t.Errorf("the cluster shows %v", on.at("properties."+a.at))
			}
			if names := c.attached("nodepool1"); !slices.Contains(names, a.identity) || !slices.Contains(names, "c1-agentpool") {
				t.Errorf("attached: %v", names)
			}
			list := op.get(s.platform + "/providers/Microsoft.Authorization/roleAssignments?$filter=principalId%20eq%20'" + principal + "'").ok(200)
			want := 0
			if a.role != "" {
				want = 1
			}
			if len(list.list("id")) != want || a.role != "" && !s.hasRole(principal, a.role, c.nodes) {
				t.Errorf("AKS granted %s", list.raw)
			}
			c.update(nil, nil).ok(200)
			if again := op.get(id.str("id")).ok(200).str("properties.principalId"); again != principal {
				t.Error("a reconcile made another identity")
			}
			off := c.update(nil, a.off).ok(200)
			op.get(id.str("id")).refused(404, "ResourceNotFound")
			if a.at != "" && off.at("properties."+a.at) != nil || slices.Contains(c.attached("nodepool1"), a.identity) {
				t.Errorf("after it was turned off: %v, %s", c.attached("nodepool1"), off.raw)
			}
			op.do("GET", "/v1.0/servicePrincipals/"+principal, nil).ok(404)
			if left := op.get(s.platform + "/providers/Microsoft.Authorization/roleAssignments?$filter=principalId%20eq%20'" + principal + "'").ok(200).list("id"); len(left) != 0 {
				t.Errorf("it left %v", left)
			}
		})
	}
	c.update(nil, profile("omsagent", obj{"enabled": true})).refused(400, "LogAnalyticsWorkspaceNotSet")
	kubenet := obj{"networkProfile": obj{"networkPlugin": "kubenet"}, "addonProfiles": obj{"aciConnectorLinux": obj{"enabled": true}}}
	s.create(op, "c2", system, kubenet).refused(400, "ACIConnectorRequiresAzureNetworking")
	app, _, secret := s.servicePrincipal("sp")
	sp := s.create(op, "c3", nil, obj{"servicePrincipalProfile": obj{"clientId": app, "secret": secret}, "addonProfiles": obj{"azurepolicy": obj{"enabled": true}}}).ok(200)
	if sp.at("properties.addonProfiles.azurepolicy.identity") != nil {
		t.Errorf("an add-on of a service principal cluster has an identity: %s", sp.raw)
	}
	many := obj{"addonProfiles": obj{"azureKeyvaultSecretsProvider": obj{"enabled": true}, "azurepolicy": obj{"enabled": true}}}
	s.create(op, "c4", system, many).ok(200)
	c4 := s.cluster(s.rg, "c4")
	c4.wantAttached("nodepool1", "azurekeyvaultsecretsprovider-c4", "azurepolicy-c4", "c4-agentpool")
	op.run("PUT", c4.id+"/agentPools/extra", obj{"properties": obj{"count": 1, "vmSize": "Standard_DS2_v2"}}).ok(200)
	c4.wantAttached("extra", "azurekeyvaultsecretsprovider-c4", "azurepolicy-c4", "c4-agentpool")
	node := s.askMachine(c4.scaleSet("extra").str("id"), "")
	if node.status != 400 || !strings.Contains(node.raw, "Multiple user assigned identities exist") {
		t.Errorf("a program that names no identity gets %d %s", node.status, node.raw)
	}
}

// TestPools takes an agent pool through its life.
func TestPools(t *testing.T) {
	s := newPlace(t)
	op := s.operator
	c := s.cluster(s.rg, "c1")
	c.put(system, obj{"kubernetesVersion": "1.32.6"}).ok(200)
	at := c.id + "/agentPools/extra"
	put := func(properties obj) reply {
		t.Helper()
		body := obj{"count": 2, "vmSize": "Standard_DS2_v2"}
		for k, v := range properties {
			body[k] = v
		}
		return op.run("PUT", at, obj{"properties": body})
	}
	made := put(nil).ok(200)
	if made.str("properties.provisioningState") != "Succeeded" || made.str("properties.orchestratorVersion") != "1.32.6" || made.str("properties.mode") != "User" || made.str("properties.nodeImageVersion") == "" {
		t.Errorf("the pool is %s", made.raw)
	}
	capacity := func() string { return fmt.Sprint(c.scaleSet("extra").at("sku.capacity")) }
	if got := put(obj{"count": 5}).ok(200).at("properties.count"); got != 5.0 || capacity() != "5" {
		t.Errorf("scaled to %v, the scale set to %s", got, capacity())
	}
	stopped := put(obj{"count": 5, "powerState": obj{"code": "Stopped"}}).ok(200)
	if stopped.str("properties.powerState.code") != "Stopped" || capacity() != "0" {
		t.Errorf("stopped: %s, capacity %s", stopped.raw, capacity())
	}
	put(obj{"count": 5, "powerState": obj{"code": "Running"}}).ok(200)
	if capacity() != "5" {
		t.Errorf("started again with %s machines", capacity())
	}
	for member, value := range map[string]any{"vmSize": "Standard_D4s_v3", "maxPods": 60, "osType": "Windows", "vnetSubnetID": s.subnet("nodes"), "osDiskSizeGB": 64} {
		put(obj{"count": 5, member: value}).refused(400, "PropertyChangeNotAllowed", "Changing property 'properties."+member+"' is not allowed.")
	}
	changed := c.get().body
	changed["properties"].(obj)["agentPoolProfiles"].([]any)[1].(obj)["vmSize"] = "Standard_D4s_v3"
	op.run("PUT", c.id, changed).refused(400, "PropertyChangeNotAllowed", "'agentPoolProfile.vmSize'")
	put(obj{"orchestratorVersion": "1.33.5"}).refused(400, "NodePoolMcVersionIncompatible",
		"Node pool version 1.33.5 and control plane version 1.32.6 are incompatible. Minor version of node pool version 33 is bigger than control plane version 32.")
	op.run("PUT", c.id+"/agentPools/Bad_Name", obj{"properties": obj{}}).refused(400, "InvalidParameter")

	op.run("DELETE", c.id+"/agentPools/nodepool1", nil).refused(400, "MustDefineAtLeastOneSystemPool", "Must define at least one system pool.")
	op.run("DELETE", at, nil)
	op.get(at).ok(404)
	op.run("DELETE", c.id+"/agentPools/nodepool1", nil).refused(400, "MustDefineAtLeastOneSystemPool")
	if sets := op.get(c.nodes + "/providers/Microsoft.Compute/virtualMachineScaleSets").ok(200).list("name"); len(sets) != 1 {
		t.Errorf("scale sets of a deleted pool: %v", sets)
	}
	s.create(op, "c2", system, obj{"agentPoolProfiles": []obj{pool(obj{"mode": "User"})}}).refused(400, "MustDefineAtLeastOneSystemPool")

	c.post("/stop", nil).ok(200)
	if got := c.get(); got.str("properties.powerState.code") != "Stopped" || fmt.Sprint(c.scaleSet("nodepool1").at("sku.capacity")) != "0" || got.at("properties.agentPoolProfiles.0.count") != 1.0 {
		t.Errorf("a stopped cluster is %s", got.raw)
	}
	c.post("/start", nil).ok(200)
	if got := c.get(); got.str("properties.powerState.code") != "Running" || fmt.Sprint(c.scaleSet("nodepool1").at("sku.capacity")) != "1" {
		t.Errorf("a started cluster is %s", got.raw)
	}
	s.creator.do("POST", s.cluster(s.rg, "none").id+"/stop", nil).refused(404, "ResourceNotFound")
	reader := s.application("reader")
	s.grant(reader.id, "Reader", s.rg)
	reader.do("POST", c.id+"/agentPools/nodepool1/upgradeNodeImageVersion", nil).refused(403, "AuthorizationFailed", "'Microsoft.ContainerService/managedClusters/agentPools/upgradeNodeImageVersion/action'")
	reader.do("POST", c.id+"/stop", nil).refused(403, "AuthorizationFailed", "'Microsoft.ContainerService/managedClusters/stop/action'")
}

// TestKubernetesVersions upgrades a cluster step by step.
func TestKubernetesVersions(t *testing.T) {
	s := newPlace(t)
	op := s.operator
	c := s.cluster(s.rg, "c1")
	c.put(system, obj{"kubernetesVersion": "newest"}).refused(400, "K8sVersionNotSupported", "Version newest")
	c.put(system, obj{"kubernetesVersion": "1.31"}).ok(200)
	profile := op.get(c.id + "/upgradeProfiles/default").ok(200)
	if profile.str("properties.controlPlaneProfile.kubernetesVersion") != "1.31.13" || profile.str("properties.controlPlaneProfile.upgrades.0.kubernetesVersion") != "1.32.6" || profile.str("properties.agentPoolProfiles.0.name") != "nodepool1" {
		t.Errorf("the upgrade profile is %s", profile.raw)
	}
	c.update(nil, obj{"kubernetesVersion": "1.33.5"}).refused(400, "OperationNotAllowed", "Upgrading Kubernetes version 1.31 to 1.33.5 is not allowed. Available upgrades: [1.32.6 1.32.9].")
	c.update(nil, obj{"kubernetesVersion": "1.30.1"}).refused(400, "OperationNotAllowed")
	up := c.update(nil, obj{"kubernetesVersion": "1.32.9"}).ok(200)
	if up.str("properties.currentKubernetesVersion") != "1.32.9" || up.str("properties.agentPoolProfiles.0.currentOrchestratorVersion") != "1.31.13" {
		t.Errorf("after the control plane's upgrade: %s", up.raw)
	}
	versions := op.get(c.id + "/availableAgentPoolVersions").ok(200)
	if all := versions.raw; !strings.Contains(all, `"1.32.9"`) || strings.Contains(all, "1.33") {
		t.Errorf("pools can have %s", all)
	}
	old := c.get().str("properties.identityProfile.kubeletidentity.objectId")
	op.delete(c.nodes + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/c1-agentpool").ok(200)
	again := c.update(nil, nil).ok(200).str("properties.identityProfile.kubeletidentity.objectId")
	set := c.scaleSet("nodepool1").str("id")
	if again == old || s.imds(set, again) != 400 {
		t.Errorf("the nodes have the new identity %s already", again)
	}
	op.run("PUT", c.id+"/agentPools/nodepool1", obj{"properties": obj{"count": 1, "mode": "System", "orchestratorVersion": "1.32.9"}}).ok(200)
	if s.imds(set, again) != 200 {
		t.Error("an upgraded pool has the old identity")
	}
	if latest := op.get(c.id + "/agentPools/nodepool1/upgradeProfiles/default").ok(200).str("properties.latestNodeImageVersion"); latest == "" {
		t.Error("no newest node image")
	}
	op.get(s.cluster(s.rg, "none").id+"/upgradeProfiles/default").refused(404, "ResourceNotFound")
	if all := op.get(s.platform + "/providers/Microsoft.ContainerService/locations/westeurope/kubernetesVersions").ok(200).raw; !strings.Contains(all, `"isDefault":true`) {
		t.Errorf("versions: %s", all)
	}
	if all := op.get(s.platform + "/providers/Microsoft.ContainerService/locations/westeurope/orchestrators?api-version=2019-04-01&resource-type=managedClusters").ok(200); all.str("properties.orchestrators.0.orchestratorVersion") != "1.31.13" {
		t.Errorf("versions for az aks get-versions: %s", all.raw)
	}
}

// TestLockdown locks a node resource group: AKS and the cluster's identity alone may change it.
func TestLockdown(t *testing.T) {
	s := newPlace(t)
	op := s.operator
	c := s.cluster(s.rg, "c1")
	lock := func(level string) obj { return obj{"nodeResourceGroupProfile": obj{"restrictionLevel": level}} }
	made := c.put(userIdentity(s.user), lock("ReadOnly")).ok(200)
	nodes := s.platform + "/resourceGroups/" + made.str("properties.nodeResourceGroup")
	disk := nodes + "/providers/Microsoft.Network/routeTables/mine"
	r := op.put(disk, obj{"location": "westeurope"})
	r.refused(403, "DenyAssignmentAuthorizationFailed", "has permission to perform action 'Microsoft.Network/routeTables/write'",
		"however, the access is denied because of the deny assignment with name 'kubernetes.azure.com/",
		": node resource group deny assignment created by Azure Kubernetes Services for nrg-lockdown, see: https://aka.ms/aks/nrg_lockdown' and Id '")
	op.get(nodes).ok(200)
	denies := op.get(nodes + "/providers/Microsoft.Authorization/denyAssignments").ok(200)
	if len(denies.list("id")) != 1 || denies.at("value.0.properties.isSystemProtected") != true || !strings.Contains(denies.str("value.0.properties.denyAssignmentName"), "/"+denies.str("value.0.name")+":") {
		t.Fatalf("deny assignments: %s", denies.raw)
	}
	op.delete(denies.str("value.0.id")).refused(403, "DenyAssignmentAuthorizationFailed")
	s.machine(c.id).put(disk, obj{"location": "westeurope"}).ok(201)
	c.update(nil, nil).ok(200)

	other, otherPrincipal, _ := s.identity(s.rg, "other")
	c.update(userIdentity(other), nil).ok(200)
	if got := op.get(denies.str("value.0.id")).ok(200).raw; !strings.Contains(got, otherPrincipal) || strings.Contains(got, s.principal) {
		t.Errorf("after the identity changed the lock excludes %s", got)
	}
	s.machine(c.id).put(disk+"2", obj{"location": "westeurope"}).ok(201)
	c.update(nil, lock("Unrestricted")).ok(200)
	op.put(disk, obj{"location": "westeurope"}).ok(200)
	c.update(nil, lock("ReadOnly")).ok(200)
	op.put(disk, obj{"location": "westeurope"}).refused(403, "DenyAssignmentAuthorizationFailed")
	op.run("DELETE", c.id, nil)
	op.get(nodes).refused(404, "ResourceGroupNotFound")
	if left := op.get(s.platform + "/providers/Microsoft.Authorization/denyAssignments").ok(200).list("id"); len(left) != 0 {
		t.Errorf("the deleted cluster left %v", left)
	}
}

// TestCredentials hands out kubeconfigs.
func TestCredentials(t *testing.T) {
	s := newPlace(t)
	c := s.cluster(s.rg, "c1")
	c.put(system, nil).ok(200)
	file := func(role string) string {
		t.Helper()
		r := s.operator.do("POST", c.id+"/listCluster"+role+"Credential", nil).ok(200)
		b, err := base64.StdEncoding.DecodeString(r.str("kubeconfigs.0.value"))
		if err != nil || r.str("kubeconfigs.0.name") != "cluster"+role {
			t.Fatalf("%s: %v", r.raw, err)
		}
		return string(b)
	}
	admin, usual := file("Admin"), file("User")
	for text, words := range map[string][]string{
		admin: {"name: clusterAdmin_rg1_c1", "current-context: c1\n", "server: https://" + c.get().str("properties.fqdn") + ":443", "client-certificate-data: ", "token: "},
		usual: {"name: clusterUser_rg1_c1", "current-context: c1\n"},
	} {
		for _, w := range words {
			if !strings.Contains(text, w) {
				t.Errorf("no %q in\n%s", w, text)
			}
		}
	}
	if file("Admin") != admin {
		t.Error("another kubeconfig each time")
	}
	authority := func(text string) string {
		_, after, _ := strings.Cut(text, "certificate-authority-data: ")
		return after[:strings.Index(after, "\n")]
	}
	if authority(admin) != authority(usual) {
		t.Error("two authorities of one cluster")
	}
	c.update(nil, obj{"aadProfile": obj{"managed": true}, "disableLocalAccounts": true}).ok(200)
	if server := s.admin("POST", "apiserver", obj{"cluster": c.id}).ok(200); len(server.list("tokens")) > 0 {
		t.Errorf("tokens of local accounts, which are disabled: %s", server.raw)
	}
	for path, body := range map[string]any{"user": obj{"token": "x"}, "access": "x"} {
		s.admin("POST", "kubernetes/"+path, body).ok(400)
	}
	s.operator.do("POST", c.id+"/listClusterAdminCredential", nil).refused(400, "BadRequest", "Getting static credential is not allowed because this cluster is set to disable local accounts.")
	if text := file("User"); !strings.Contains(text, "command: kubelogin") || !strings.Contains(text, s.tenant) {
		t.Errorf("with Entra: %s", text)
	}
	reader := s.application("reader")
	s.grant(reader.id, "Reader", s.rg)
	reader.do("POST", c.id+"/listClusterUserCredential", nil).refused(403, "AuthorizationFailed", "listClusterUserCredential/action")
	s.operator.do("POST", c.id+"/runCommand", obj{"command": "kubectl get nodes"}).refused(501, "NotImplemented", "no Kubernetes")
}

// TestAPIServer serves an API server under the name in the kubeconfigs, with what these trust and show.
func TestAPIServer(t *testing.T) {
	s := newPlace(t)
	c := s.cluster(s.rg, "c1")
	c.put(system, obj{"oidcIssuerProfile": obj{"enabled": true}}).ok(200)
	server := s.admin("POST", "apiserver", obj{"cluster": c.id}).ok(200)
	b, err := base64.StdEncoding.DecodeString(s.operator.do("POST", c.id+"/listClusterAdminCredential", nil).ok(200).str("kubeconfigs.0.value"))
	if err != nil {
		t.Fatal(err)
	}
	member := func(name string) []byte {
		_, after, _ := strings.Cut(string(b), name+": ")
		text, err := base64.StdEncoding.DecodeString(after[:strings.Index(after, "\n")])
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(member("certificate-authority-data")) || server.str("authority") != string(member("certificate-authority-data")) {
		t.Error("the kubeconfig trusts another authority")
	}
	serving, err := tls.X509KeyPair([]byte(server.str("certificate")), []byte(server.str("key")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := serving.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: c.get().str("properties.fqdn")}); err != nil {
		t.Error(err)
	}
	client, err := tls.X509KeyPair(member("client-certificate-data"), member("client-key-data"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil || !slices.Equal(client.Leaf.Subject.Organization, []string{"system:masters"}) {
		t.Errorf("%v, %v", err, client.Leaf.Subject)
	}
	if !strings.Contains(string(b), "token: "+server.str("tokens.0")) || server.str("issuer") != c.get().str("properties.oidcIssuerProfile.issuerURL") || !strings.Contains(server.str("issuerKey"), "PRIVATE KEY") {
		t.Errorf("%s", server.raw)
	}
	s.admin("POST", "apiserver", obj{"cluster": s.rg}).ok(400)
	s.operator.do("DELETE", c.id, nil).ok(202)
	for s.operator.get(c.id).status != 404 {
		time.Sleep(10 * time.Millisecond)
	}
	c.put(system, nil).ok(200)
	if again := s.admin("POST", "apiserver", obj{"cluster": c.id}).ok(200); again.str("authority") == server.str("authority") {
		t.Error("another cluster of the same name opens with the old one's keys")
	}
}

// TestMaintenance keeps maintenance configurations.
func TestMaintenance(t *testing.T) {
	s := newPlace(t)
	c := s.cluster(s.rg, "c1")
	at := c.id + "/maintenanceConfigurations/default"
	window := obj{"properties": obj{"timeInWeek": []obj{{"day": "Monday", "hourSlots": []int{1, 2}}}}}
	s.operator.put(at, window).refused(404, "ParentResourceNotFound")
	c.put(system, nil).ok(200)
	s.operator.put(at, window).ok(200)
	s.operator.put(at, window).ok(200)
	s.operator.put(c.id+"/maintenanceConfigurations/sometimes", window).refused(400, "InvalidParameter")
	if all := s.operator.get(c.id + "/maintenanceConfigurations").ok(200).list("properties.timeInWeek.0.day"); !slices.Equal(all, []string{"Monday"}) {
		t.Errorf("configurations: %v", all)
	}
	s.operator.delete(at).ok(200)
	s.operator.get(at).refused(404, "ResourceNotFound")
}
