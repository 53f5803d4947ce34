package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAzIdentities runs what the real az has for the lives of identities. The subtests keep to resource groups of their own.
func TestAzIdentities(t *testing.T) {
	c := newAz(t)
	t.Run("a cluster's identity switches", c.testSwitches)
	t.Run("workload identity", c.testWorkloadIdentity)
	t.Run("add-ons", c.testAddons)
	t.Run("agent pools", c.testPools)
	t.Run("service principals", c.testServicePrincipals)
	t.Run("users", c.testUsers)
}

// fails runs az as the operator, which must refuse with words on standard error.
func (c *azCloud) fails(t *testing.T, words string, args ...string) {
	t.Helper()
	if r := c.az(t, "", args...); r.code == 0 || !strings.Contains(r.stderr, words) {
		t.Errorf("az %s: exit code %d, no %q in\n%s", strings.Join(args, " "), r.code, words, r.stderr)
	}
}

// shell runs a script in a folder of az's own, which begins without a login.
func (c *azCloud) shell(t *testing.T, script string) result {
	t.Helper()
	folder := t.TempDir()
	return c.exec(t, "", "sh", "-ec", "cp -r $AZURE_CONFIG_DIR/. "+folder+"; export AZURE_CONFIG_DIR="+folder+"; az logout >/dev/null 2>&1 || true\n"+script)
}

// attached are the names of the identities that the scale set of a cluster's only pool has.
func (c *azCloud) attached(t *testing.T, nodes string) []string {
	t.Helper()
	var sets []struct {
		Identity *struct{ UserAssignedIdentities map[string]any }
	}
	c.json(t, &sets, "vmss", "list", "--resource-group", nodes)
	var names []string
	for _, s := range sets {
		if s.Identity == nil {
			continue
		}
		for id := range s.Identity.UserAssignedIdentities {
			names = append(names, id[strings.LastIndexByte(id, '/')+1:])
		}
	}
	slices.Sort(names)
	return names
}

type newPrincipal struct{ AppID, Password, Tenant, FileWithCertAndPrivateKey string }

// testSwitches goes from a service principal to managed identities, and tries to go back.
func (c *azCloud) testSwitches(t *testing.T) {
	const rg = "rg-switch"
	c.group(t, rg)
	var sp newPrincipal
	c.json(t, &sp, "ad", "sp", "create-for-rbac", "--name", "aks-sp")
	name := []string{"--resource-group", rg, "--name", "aks1"}
	aks := func(args ...string) []string { return slices.Concat([]string{"aks"}, args[:1], name, args[1:]) }
	var old struct {
		Identity, IdentityProfile *struct{}
		ServicePrincipalProfile   struct{ ClientID string }
	}
	c.json(t, &old, aks("create", "--no-ssh-key", "--service-principal", sp.AppID, "--client-secret", sp.Password)...)
	if old.Identity != nil || old.IdentityProfile != nil || old.ServicePrincipalProfile.ClientID != sp.AppID {
		t.Errorf("a service principal cluster: %+v", old)
	}
	var reset newPrincipal
	c.json(t, &reset, "ad", "sp", "credential", "reset", "--id", sp.AppID)
	c.fails(t, "(ServicePrincipalValidationClientError)", aks("update-credentials", "--reset-service-principal", "--service-principal", sp.AppID, "--client-secret", "wrong")...)
	c.ok(t, aks("update-credentials", "--reset-service-principal", "--service-principal", sp.AppID, "--client-secret", reset.Password)...)

	var mi cluster
	c.json(t, &mi, aks("update", "--enable-managed-identity", "--yes")...)
	if mi.Identity.Type != "SystemAssigned" || !strings.HasSuffix(mi.IdentityProfile.KubeletIdentity.ResourceID, "/aks1-agentpool") {
		t.Errorf("after --enable-managed-identity: %+v", mi)
	}
	if names := c.attached(t, mi.NodeResourceGroup); len(names) != 0 {
		t.Errorf("the nodes have %v before their image is upgraded", names)
	}
	c.ok(t, "aks", "nodepool", "upgrade", "--resource-group", rg, "--cluster-name", "aks1", "--name", "nodepool1", "--node-image-only")
	if names := c.attached(t, mi.NodeResourceGroup); !slices.Equal(names, []string{"aks1-agentpool"}) {
		t.Errorf("after the upgrade of the node image the nodes have %v", names)
	}
	c.fails(t, "(BadRequest) Updating service principal profile is not allowed on MSI cluster.",
		aks("update-credentials", "--reset-service-principal", "--service-principal", sp.AppID, "--client-secret", reset.Password)...)

	control, kubelet := c.identity(t, rg, "id-control"), c.identity(t, rg, "id-kubelet")
	c.json(t, &mi, aks("update", "--enable-managed-identity", "--assign-identity", control.ID, "--yes")...)
	if mi.Identity.Type != "UserAssigned" || mi.Identity.UserAssignedIdentities[control.ID].PrincipalID != control.PrincipalID {
		t.Errorf("after --assign-identity: %+v", mi.Identity)
	}
	c.json(t, &mi, aks("update", "--assign-kubelet-identity", kubelet.ID, "--yes")...)
	if mi.IdentityProfile.KubeletIdentity.ResourceID != kubelet.ID || !slices.Equal(c.attached(t, mi.NodeResourceGroup), []string{"id-kubelet"}) {
		t.Errorf("after --assign-kubelet-identity: %+v", mi.IdentityProfile)
	}
	if roles := c.roles(t, control.PrincipalID); roles["Managed Identity Operator"] == "" || roles["Contributor"] == "" {
		t.Errorf("the control plane has %v", roles)
	}
	c.ok(t, aks("update", "--yes")...)
}

// testWorkloadIdentity lets a pod log in to az.
func (c *azCloud) testWorkloadIdentity(t *testing.T) {
	const rg = "rg-workload"
	c.group(t, rg)
	issuer := c.ok(t, "aks", "create", "--resource-group", rg, "--name", "aks2", "--no-ssh-key", "--enable-oidc-issuer", "--query", "oidcIssuerProfile.issuerUrl", "--output", "tsv")
	id := c.identity(t, rg, "id-cart")
	at := []string{"--resource-group", rg, "--identity-name", "id-cart", "--name", "cart"}
	fic := func(verb string, args ...string) []string {
		return slices.Concat([]string{"identity", "federated-credential", verb}, at, args)
	}
	trust := []string{"--issuer", issuer, "--subject", "system:serviceaccount:shop:cart", "--audiences", "api://AzureADTokenExchange"}
	c.ok(t, fic("create", trust...)...)
	c.ok(t, fic("update", trust...)...)
	if subject := c.ok(t, fic("show", "--query", "subject", "--output", "tsv")...); subject != "system:serviceaccount:shop:cart" {
		t.Errorf("the subject is %s", subject)
	}
	if names := c.ok(t, "identity", "federated-credential", "list", "--resource-group", rg, "--identity-name", "id-cart", "--query", "[].name", "--output", "tsv"); names != "cart" {
		t.Errorf("federated credentials: %s", names)
	}
	c.ok(t, "role", "assignment", "create", "--assignee", id.PrincipalID, "--role", "Reader", "--resource-group", rg)
	pod := func(account string) result {
		t.Helper()
		return c.run(t, "exec", "--as", "sa:aks2/"+account, "--client-id", id.ClientID, "--", "az", "group", "show", "--name", rg, "--query", "name", "--output", "tsv")
	}
	if r := pod("shop/cart"); r.stdout != rg+"\n" {
		t.Errorf("the pod: %+v", r)
	}
	if r := pod("shop/other"); r.code == 0 || !strings.Contains(r.stderr, "AADSTS700213") {
		t.Errorf("a pod of another service account: %+v", r)
	}
	c.ok(t, fic("delete", "--yes")...)
	c.fails(t, "ResourceNotFound", fic("show")...)
}

// testAddons turns add-ons on and off on a network that the user brought.
func (c *azCloud) testAddons(t *testing.T) {
	const rg = "rg-addons"
	c.group(t, rg)
	c.ok(t, "network", "vnet", "create", "--resource-group", rg, "--name", "vnet1", "--address-prefixes", "10.1.0.0/16", "--subnet-name", "nodes", "--subnet-prefixes", "10.1.0.0/24")
	subnet := c.ok(t, "network", "vnet", "subnet", "show", "--resource-group", rg, "--vnet-name", "vnet1", "--name", "nodes", "--query", "id", "--output", "tsv")
	c.ok(t, "network", "vnet", "subnet", "create", "--resource-group", rg, "--vnet-name", "vnet1", "--name", "virtual", "--address-prefixes", "10.1.1.0/24")
	c.ok(t, "aks", "create", "--resource-group", rg, "--name", "aks3", "--no-ssh-key", "--yes", "--network-plugin", "azure", "--vnet-subnet-id", subnet)
	addons := func(verb, names string, args ...string) map[string]struct {
		Enabled  bool
		Identity *struct{ ResourceID, ObjectID, ClientID string }
	} {
		t.Helper()
		var got struct {
			AddonProfiles map[string]struct {
				Enabled  bool
				Identity *struct{ ResourceID, ObjectID, ClientID string }
			}
		}
		c.json(t, &got, slices.Concat([]string{"aks", verb, "--resource-group", rg, "--name", "aks3", "--addons", names}, args)...)
		return got.AddonProfiles
	}
	on := addons("enable-addons", "azure-keyvault-secrets-provider,azure-policy,virtual-node", "--subnet-name", "virtual")
	for key, name := range map[string]string{"azureKeyvaultSecretsProvider": "azurekeyvaultsecretsprovider-aks3", "azurepolicy": "azurepolicy-aks3", "aciConnectorLinux": "aciconnectorlinux-aks3"} {
		if a := on[key]; !a.Enabled || a.Identity == nil || !strings.HasSuffix(a.Identity.ResourceID, "/"+name) {
			t.Errorf("%s: %+v", key, a)
		}
	}
	const nodes = "MC_rg-addons_aks3_westeurope"
	if names := c.attached(t, nodes); !slices.Contains(names, "azurekeyvaultsecretsprovider-aks3") || !slices.Contains(names, "aks3-agentpool") {
		t.Errorf("attached: %v", names)
	}
	// AKS gives virtual nodes Contributor on the node resource group, az the network's with its user's rights.
	roles := c.roles(t, on["aciConnectorLinux"].Identity.ObjectID)
	if len(roles) == 0 || c.roles(t, on["azurepolicy"].Identity.ObjectID)["Contributor"] != "" {
		t.Errorf("virtual nodes have %v", roles)
	}
	off := addons("disable-addons", "azure-keyvault-secrets-provider,azure-policy,virtual-node")
	if off["azurepolicy"].Enabled || off["azurepolicy"].Identity != nil {
		t.Errorf("after disable-addons: %+v", off)
	}
	if names := c.attached(t, nodes); !slices.Equal(names, []string{"aks3-agentpool"}) {
		t.Errorf("still attached: %v", names)
	}
	c.fails(t, "(LogAnalyticsWorkspaceNotSet)", "resource", "update", "--resource-group", rg, "--name", "aks3", "--resource-type", "Microsoft.ContainerService/managedClusters",
		"--set", `properties.addonProfiles.omsagent={"enabled":true}`)
}

// testPools takes agent pools through their lives and gets credentials for a cluster without Kubernetes.
func (c *azCloud) testPools(t *testing.T) {
	const rg = "rg-pools"
	c.group(t, rg)
	c.ok(t, "aks", "create", "--resource-group", rg, "--name", "aks4", "--no-ssh-key", "--node-count", "1")
	type agentPool struct {
		Count             int
		Mode              string
		ProvisioningState string
		PowerState        struct{ Code string }
		NodeLabels        map[string]string
		NodeImageVersion  string
	}
	pool := func(verb string, args ...string) (p agentPool) {
		t.Helper()
		name := "--name"
		if verb == "stop" || verb == "start" {
			name = "--nodepool-name"
		}
		out := c.ok(t, slices.Concat([]string{"aks", "nodepool", verb, "--resource-group", rg, "--cluster-name", "aks4", name, "extra"}, args, []string{"--output", "json"})...)
		if out != "" && json.Unmarshal([]byte(out), &p) != nil {
			t.Errorf("az aks nodepool %s: %s", verb, out)
		}
		return p
	}
	if p := pool("add", "--node-count", "2"); p.Count != 2 || p.Mode != "User" || p.ProvisioningState != "Succeeded" {
		t.Errorf("added %+v", p)
	}
	if p := pool("scale", "--node-count", "4"); p.Count != 4 {
		t.Errorf("scaled %+v", p)
	}
	pool("stop")
	if p := pool("show"); p.PowerState.Code != "Stopped" {
		t.Errorf("stopped %+v", p)
	}
	pool("start")
	if p := pool("update", "--labels", "a=b"); p.NodeLabels["a"] != "b" || p.PowerState.Code != "Running" {
		t.Errorf("labelled %+v", p)
	}
	if p := pool("upgrade", "--node-image-only"); p.NodeImageVersion == "" {
		t.Errorf("upgraded %+v", p)
	}
	pool("delete")
	c.fails(t, "(MustDefineAtLeastOneSystemPool)", "aks", "nodepool", "delete", "--resource-group", rg, "--cluster-name", "aks4", "--name", "nodepool1")
	if up := c.ok(t, "aks", "get-upgrades", "--resource-group", rg, "--name", "aks4", "--query", "controlPlaneProfile.upgrades[0].kubernetesVersion", "--output", "tsv"); up == "" {
		t.Error("az aks get-upgrades offers nothing")
	}
	if all := c.ok(t, "aks", "get-versions", "--location", "westeurope", "--query", "orchestrators[].orchestratorVersion", "--output", "tsv"); !strings.Contains(all, ".") {
		t.Errorf("az aks get-versions: %s", all)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	for range 2 { // the second time it is the same, which az does not ask about
		c.ok(t, "aks", "get-credentials", "--resource-group", rg, "--name", "aks4", "--file", file)
	}
	c.ok(t, "aks", "get-credentials", "--resource-group", rg, "--name", "aks4", "--file", file, "--admin")
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), "current-context: aks4-admin") || !strings.Contains(string(text), "user: clusterUser_rg-pools_aks4") {
		t.Errorf("%v in\n%s", err, text)
	}
	c.fails(t, "(NotImplemented)", "aks", "command", "invoke", "--resource-group", rg, "--name", "aks4", "--command", "kubectl get nodes")
	c.ok(t, "aks", "stop", "--resource-group", rg, "--name", "aks4")
	c.ok(t, "aks", "start", "--resource-group", rg, "--name", "aks4")
}

// testServicePrincipals makes, rotates, disables and deletes them, with secrets and certificates.
func (c *azCloud) testServicePrincipals(t *testing.T) {
	const rg = "rg-principals"
	c.group(t, rg)
	scope := "/subscriptions/" + c.sub + "/resourceGroups/" + rg
	var sp newPrincipal
	c.json(t, &sp, "ad", "sp", "create-for-rbac", "--name", "certified", "--create-cert", "--role", "Reader", "--scopes", scope)
	script := "az login --service-principal --username " + sp.AppID + " --tenant " + sp.Tenant + " --output none --password "
	show := "\naz group show --name " + rg + " --query name --output tsv"
	if r := c.shell(t, script+sp.FileWithCertAndPrivateKey+show); r.stdout != rg+"\n" {
		t.Errorf("with a certificate: %+v", r)
	}
	var second newPrincipal
	c.json(t, &second, "ad", "sp", "credential", "reset", "--id", sp.AppID, "--append")
	if r := c.shell(t, script+"'"+second.Password+"'"+show); r.stdout != rg+"\n" {
		t.Errorf("with a secret: %+v", r)
	}
	c.ok(t, "ad", "app", "credential", "delete", "--id", sp.AppID, "--cert", "--key-id", c.ok(t, "ad", "app", "credential", "list", "--id", sp.AppID, "--cert", "--query", "[0].keyId", "--output", "tsv"))
	if r := c.shell(t, script+sp.FileWithCertAndPrivateKey+show); !strings.Contains(r.stderr, "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on application.") {
		t.Errorf("with a certificate that was removed: %+v", r)
	}
	c.ok(t, "ad", "sp", "update", "--id", sp.AppID, "--set", "accountEnabled=false")
	if r := c.shell(t, script+"'"+second.Password+"'"+show); !strings.Contains(r.stderr, "AADSTS7000112") {
		t.Errorf("disabled: %+v", r)
	}
	c.ok(t, "ad", "sp", "delete", "--id", sp.AppID)
	if r := c.shell(t, script+"'"+second.Password+"'"+show); r.code == 0 || !strings.Contains(r.stderr, "AADSTS7000") {
		t.Errorf("deleted: %+v", r)
	}
	os.Remove(sp.FileWithCertAndPrivateKey)
}

// testUsers logs a user in with a password.
func (c *azCloud) testUsers(t *testing.T) {
	const rg = "rg-users"
	c.group(t, rg)
	c.ok(t, "ad", "user", "create", "--display-name", "Ann", "--user-principal-name", "ann@example.org", "--password", "correct horse")
	c.ok(t, "role", "assignment", "create", "--assignee", "ann@example.org", "--role", "Reader", "--resource-group", rg)
	r := c.shell(t, `az login --username ann@example.org --password 'correct horse' --output none
az group show --name `+rg+` --query name --output tsv
az ad signed-in-user show --query userPrincipalName --output tsv
az account show --query user.type --output tsv`)
	if r.stdout != rg+"\nann@example.org\nuser\n" {
		t.Errorf("az as a user: %+v", r)
	}
	if r := c.shell(t, "az login --username ann@example.org --password wrong"); !strings.Contains(r.stderr, "AADSTS50126: Error validating credentials due to invalid username or password.") {
		t.Errorf("with a wrong password: %+v", r)
	}
	if r := c.shell(t, "az login --username ann@example.org --password 'correct horse' --output none\naz group delete --name "+rg+" --yes"); !strings.Contains(r.stderr, "(AuthorizationFailed) The client 'ann@example.org' with object id") {
		t.Errorf("a refusal names %+v", r)
	}
}
