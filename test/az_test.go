package test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// azCloud is a local Azure with az on it.
type azCloud struct {
	*cloud
	sub string // the active subscription
}

// TestAz runs the real, unmodified az. The subtests share one local Azure and keep to resource groups of their own.
func TestAz(t *testing.T) {
	c := newAz(t)
	t.Run("log in as a service principal", c.testServicePrincipal)
	t.Run("log in as a managed identity", c.testManagedIdentity)
	t.Run("a cluster with everything brought", c.testBrought)
	t.Run("a system-assigned cluster, recreated", c.testRecreated)
	t.Run("attach and detach a registry", c.testAttach)
	t.Run("a refused call and its trace", c.testRefused)
	t.Run("a registry's token", c.testRegistryToken)
	t.Run("delete a resource group", c.testGroupDelete)
	t.Run("several at once", c.testParallel)
}

func newAz(t *testing.T) *azCloud {
	program, err := exec.LookPath("az")
	if err != nil {
		t.Skip("az is not installed, so nothing here can be tested; install azure-cli")
	}
	c := &azCloud{cloud: up(t)}
	c.env = append(c.env, "AZURE_CORE_ONLY_SHOW_ERRORS=true")
	c.probe(t, program)
	var account struct{ ID, EnvironmentName string }
	c.json(t, &account, "account", "show")
	if c.sub = account.ID; account.EnvironmentName != "aksid" {
		t.Fatalf("az works on %+v", account)
	}
	return c
}

// probe finds out whether this az needs the repair in shim, and says so.
func (c *azCloud) probe(t *testing.T, program string) {
	probe := []string{"role", "definition", "list", "--name", "AcrPull"}
	plain := c.az(t, "", probe...)
	if plain.code == 0 {
		t.Logf("%s is used as it is", program)
		return
	}
	c.env = append(c.env, "PYTHONPATH="+filepath.Join(here(), "shim"))
	if r := c.az(t, "", probe...); r.code != 0 {
		t.Fatalf("az role definition list fails without the shim:\n%s\nand with it:\n%s", plain.stderr, r.stderr)
	}
	t.Logf("%s is broken as it is packaged (%s) and runs with test/shim", program, regexp.MustCompile("'.*' object has no attribute '.*'").FindString(plain.stderr))
}

// az runs az as a principal, "" for the operator.
func (c *azCloud) az(t *testing.T, as string, args ...string) result {
	t.Helper()
	return c.exec(t, as, append([]string{"az"}, args...)...)
}

// ok runs az as the operator, which must succeed, and returns what it printed.
func (c *azCloud) ok(t *testing.T, args ...string) string {
	t.Helper()
	r := c.az(t, "", args...)
	if r.code != 0 {
		t.Fatalf("az %s: exit code %d\n%s", strings.Join(args, " "), r.code, r.stderr)
	}
	return strings.TrimSpace(r.stdout)
}

// json is ok, decoded.
func (c *azCloud) json(t *testing.T, into any, args ...string) {
	t.Helper()
	out := c.ok(t, append(args, "--output", "json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		t.Fatalf("az %s: %v in\n%s", strings.Join(args, " "), err, out)
	}
}

// group makes a resource group.
func (c *azCloud) group(t *testing.T, name string) {
	t.Helper()
	c.ok(t, "group", "create", "--name", name, "--location", "westeurope")
}

type managedIdentity struct{ ID, PrincipalID, ClientID string }

func (c *azCloud) identity(t *testing.T, group, name string) (i managedIdentity) {
	t.Helper()
	c.json(t, &i, "identity", "create", "--resource-group", group, "--name", name)
	return i
}

type roleAssignment struct{ RoleDefinitionName, Scope, PrincipalID string }

// roles are a principal's assignments: role name → scope, both as az prints them.
func (c *azCloud) roles(t *testing.T, principal string) map[string]string {
	t.Helper()
	var list []roleAssignment
	c.json(t, &list, "role", "assignment", "list", "--assignee", principal, "--all")
	roles := map[string]string{}
	for _, a := range list {
		roles[a.RoleDefinitionName] = a.Scope
	}
	return roles
}

// servicePrincipal makes an application with a service principal and returns its client id.
func (c *azCloud) servicePrincipal(t *testing.T, name string) string {
	t.Helper()
	app := c.ok(t, "ad", "app", "create", "--display-name", name, "--query", "appId", "--output", "tsv")
	c.ok(t, "ad", "sp", "create", "--id", app)
	return app
}

type cluster struct {
	ID, NodeResourceGroup string
	Identity              struct {
		Type, PrincipalID      string
		UserAssignedIdentities map[string]struct{ PrincipalID string }
	}
	IdentityProfile struct {
		KubeletIdentity struct{ ResourceID, ClientID, ObjectID string }
	}
}

func (c *azCloud) testServicePrincipal(t *testing.T) {
	app := c.servicePrincipal(t, "pipeline")
	var user struct{ Name, Type string }
	if r := c.az(t, "pipeline", "account", "show", "--query", "user", "--output", "json"); json.Unmarshal([]byte(r.stdout), &user) != nil || user.Name != app {
		t.Errorf("without any role: %+v", r)
	}
	c.group(t, "rg-sp")
	c.ok(t, "role", "assignment", "create", "--assignee", app, "--role", "Reader", "--resource-group", "rg-sp")
	if r := c.az(t, app, "group", "show", "--name", "rg-sp", "--query", "location", "--output", "tsv"); r.stdout != "westeurope\n" {
		t.Errorf("as Reader: %+v", r)
	}
	if r := c.az(t, app, "group", "delete", "--name", "rg-sp", "--yes"); r.code != 1 || !strings.Contains(r.stderr, "(AuthorizationFailed)") {
		t.Errorf("a Reader deletes: %+v", r)
	}
	if left := c.ok(t, "ad", "app", "credential", "list", "--id", app, "--output", "tsv"); left != "" {
		t.Errorf("secrets are left behind: %s", left)
	}
}

func (c *azCloud) testManagedIdentity(t *testing.T) {
	c.group(t, "rg-mi")
	id := c.identity(t, "rg-mi", "id1")
	as := "mi:" + id.ID
	if r := c.az(t, as, "group", "show", "--name", "rg-mi"); r.code == 0 {
		t.Errorf("without any role: %+v", r)
	}
	c.ok(t, "role", "assignment", "create", "--assignee", id.PrincipalID, "--role", "Reader", "--resource-group", "rg-mi")
	if r := c.az(t, as, "group", "show", "--name", "rg-mi", "--query", "location", "--output", "tsv"); r.stdout != "westeurope\n" {
		t.Errorf("as Reader: %+v", r)
	}
	if r := c.az(t, as, "login", "--identity", "--username", id.ID, "--query", "[0].user.assignedIdentityInfo", "--output", "tsv"); !strings.Contains(r.stdout, id.ID) {
		t.Errorf("az login --identity -u: %+v", r)
	}
	other := c.identity(t, "rg-mi", "id2")
	if r := c.az(t, as, "login", "--identity", "--username", other.ID); r.code != 1 || !strings.Contains(r.stderr, "400") {
		t.Errorf("an identity that the machine does not have: %+v", r)
	}
}

// testBrought brings the cluster's identities, subnet and registry, and then asks what everybody asks of a cluster.
func (c *azCloud) testBrought(t *testing.T) {
	const rg = "rg-brought"
	c.group(t, rg)
	control, kubelet := c.identity(t, rg, "id-control"), c.identity(t, rg, "id-kubelet")
	c.ok(t, "network", "vnet", "create", "--resource-group", rg, "--name", "vnet1", "--address-prefixes", "10.1.0.0/16", "--subnet-name", "snet1", "--subnet-prefixes", "10.1.0.0/24")
	subnet := c.ok(t, "network", "vnet", "subnet", "show", "--resource-group", rg, "--vnet-name", "vnet1", "--name", "snet1", "--query", "id", "--output", "tsv")
	c.ok(t, "acr", "create", "--resource-group", rg, "--name", "acrbrought", "--sku", "Basic")
	c.ok(t, "aks", "create", "--resource-group", rg, "--name", "aks1", "--no-ssh-key", "--yes", "--assign-identity", control.ID,
		"--assign-kubelet-identity", kubelet.ID, "--vnet-subnet-id", subnet, "--attach-acr", "acrbrought")

	// The five commands that everybody begins with, as they are written down.
	var aks cluster
	shown := c.ok(t, "aks", "show", "--name", "aks1", "--resource-group", rg, "--query", "{identity:identity,identityProfile:identityProfile,nodeResourceGroup:nodeResourceGroup}", "--output", "json")
	if err := json.Unmarshal([]byte(shown), &aks); err != nil {
		t.Fatal(err)
	}
	if aks.Identity.Type != "UserAssigned" || aks.Identity.UserAssignedIdentities[control.ID].PrincipalID != control.PrincipalID ||
		!strings.EqualFold(aks.IdentityProfile.KubeletIdentity.ResourceID, kubelet.ID) || aks.IdentityProfile.KubeletIdentity.ObjectID != kubelet.PrincipalID ||
		aks.NodeResourceGroup != "MC_rg-brought_aks1_westeurope" {
		t.Errorf("az aks show: %s", shown)
	}
	table := c.ok(t, "role", "assignment", "list", "--assignee", control.PrincipalID, "--all", "--output", "table")
	for _, row := range []string{`(?m)^Principal\s+Role\s+Scope`, `Network Contributor\s+` + regexp.QuoteMeta(subnet), `Managed Identity Operator\s+`, `Contributor\s+\S+/MC_rg-brought_aks1_westeurope`} {
		if !regexp.MustCompile(row).MatchString(table) {
			t.Errorf("no %s in\n%s", row, table)
		}
	}
	var again managedIdentity
	if err := json.Unmarshal([]byte(c.ok(t, "identity", "show", "--name", "id-control", "--resource-group", rg, "--output", "json")), &again); err != nil || again != control {
		t.Errorf("az identity show: %+v, %v", again, err)
	}
	acr := c.ok(t, "acr", "show", "--name", "acrbrought", "--query", "id", "--output", "tsv")
	if !strings.HasSuffix(acr, "/providers/Microsoft.ContainerRegistry/registries/acrbrought") {
		t.Errorf("az acr show: %s", acr)
	}
	if roles := c.roles(t, kubelet.PrincipalID); roles["AcrPull"] != acr {
		t.Errorf("--attach-acr gave the kubelet %v", roles)
	}
	for range 2 { // the second time it is there already, which is no error
		c.ok(t, "role", "assignment", "create", "--assignee", control.PrincipalID, "--role", "AcrPull", "--scope", acr)
	}
	if roles := c.roles(t, control.PrincipalID); roles["AcrPull"] != acr || len(roles) != 4 {
		t.Errorf("the control plane has %v", roles)
	}
}

func (c *azCloud) testRecreated(t *testing.T) {
	const rg = "rg-system"
	c.group(t, rg)
	create := []string{"aks", "create", "--resource-group", rg, "--name", "aks2", "--no-ssh-key"}
	var first, second cluster
	c.json(t, &first, create...)
	if first.Identity.Type != "SystemAssigned" || !strings.HasSuffix(first.IdentityProfile.KubeletIdentity.ResourceID, "/aks2-agentpool") {
		t.Errorf("created %+v", first)
	}
	if roles := c.roles(t, first.Identity.PrincipalID); !strings.HasSuffix(roles["Contributor"], "/"+first.NodeResourceGroup) || len(roles) != 1 {
		t.Errorf("AKS gave the control plane %v", roles)
	}
	c.ok(t, "aks", "delete", "--resource-group", rg, "--name", "aks2", "--yes")
	if exists := c.ok(t, "group", "exists", "--name", first.NodeResourceGroup); exists != "false" {
		t.Errorf("the node resource group outlived the cluster: %s", exists)
	}
	if r := c.az(t, "", "ad", "sp", "show", "--id", first.Identity.PrincipalID); r.code == 0 {
		t.Errorf("the system-assigned identity outlived the cluster: %s", r.stdout)
	}
	c.json(t, &second, create...)
	if second.Identity.PrincipalID == first.Identity.PrincipalID || second.IdentityProfile.KubeletIdentity.ObjectID == first.IdentityProfile.KubeletIdentity.ObjectID {
		t.Errorf("a recreated cluster has the old principals: %+v", second)
	}
}

func (c *azCloud) testAttach(t *testing.T) {
	const rg = "rg-attach"
	c.group(t, rg)
	var aks cluster
	c.json(t, &aks, "aks", "create", "--resource-group", rg, "--name", "aks3", "--no-ssh-key")
	acr := c.ok(t, "acr", "create", "--resource-group", rg, "--name", "acrattach", "--sku", "Basic", "--query", "id", "--output", "tsv")
	kubelet := aks.IdentityProfile.KubeletIdentity.ObjectID
	c.ok(t, "aks", "update", "--resource-group", rg, "--name", "aks3", "--attach-acr", "acrattach")
	if roles := c.roles(t, kubelet); roles["AcrPull"] != acr {
		t.Errorf("after --attach-acr the kubelet has %v", roles)
	}
	c.ok(t, "aks", "update", "--resource-group", rg, "--name", "aks3", "--detach-acr", "acrattach")
	if roles := c.roles(t, kubelet); len(roles) != 0 {
		t.Errorf("after --detach-acr the kubelet has %v", roles)
	}
}

func (c *azCloud) testRefused(t *testing.T) {
	const rg = "rg-refused"
	c.group(t, rg)
	app := c.servicePrincipal(t, "intern")
	object := c.ok(t, "ad", "sp", "show", "--id", app, "--query", "id", "--output", "tsv")
	c.ok(t, "role", "assignment", "create", "--assignee", app, "--role", "Reader", "--resource-group", rg)
	r := c.az(t, "intern", "identity", "create", "--resource-group", rg, "--name", "id1")
	scope := "/subscriptions/" + c.sub + "/resourceGroups/rg-refused/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id1"
	want := "ERROR: (AuthorizationFailed) The client '" + app + "' with object id '" + object + "' does not have authorization to perform action " +
		"'Microsoft.ManagedIdentity/userAssignedIdentities/write' over scope '" + scope + "' or the scope is invalid. " +
		"If access was recently granted, please refresh your credentials."
	if r.code != 1 || !strings.HasPrefix(r.stderr, want) {
		t.Errorf("exit code %d\n%s\nwant\n%s", r.code, r.stderr, want)
	}
	var events []struct {
		Caller, CorrelationID    string
		Status                   struct{ Value string }
		OperationName, SubStatus struct{ Value string }
		Authorization            struct{ Action, Scope string }
	}
	c.json(t, &events, "monitor", "activity-log", "list", "--resource-group", rg, "--status", "Failed")
	found := false
	for _, e := range events {
		found = found || e.Caller == object && e.Status.Value == "Failed" && e.CorrelationID != "" && strings.EqualFold(e.Authorization.Scope, scope) &&
			e.Authorization.Action == "Microsoft.ManagedIdentity/userAssignedIdentities/write"
	}
	if !found {
		t.Errorf("the refusal is not in the activity log: %+v", events)
	}
}

func (c *azCloud) testRegistryToken(t *testing.T) {
	c.group(t, "rg-acr")
	c.ok(t, "acr", "create", "--resource-group", "rg-acr", "--name", "acrtoken", "--sku", "Basic")
	var token struct{ AccessToken, LoginServer string }
	c.json(t, &token, "acr", "login", "--name", "acrtoken", "--expose-token")
	if token.LoginServer != "acrtoken.azurecr.io" || strings.Count(token.AccessToken, ".") != 2 {
		t.Errorf("az acr login --expose-token: %+v", token)
	}
}

func (c *azCloud) testGroupDelete(t *testing.T) {
	const rg = "rg-delete"
	c.group(t, rg)
	id := c.identity(t, rg, "id1")
	c.ok(t, "role", "assignment", "create", "--assignee", id.PrincipalID, "--role", "Reader", "--scope", "/subscriptions/"+c.sub)
	c.ok(t, "group", "delete", "--name", rg, "--yes")
	if exists := c.ok(t, "group", "exists", "--name", rg); exists != "false" {
		t.Errorf("the group still exists: %s", exists)
	}
	if r := c.az(t, "", "identity", "show", "--resource-group", rg, "--name", "id1"); r.code != 3 {
		t.Errorf("the identity outlived its group: %+v", r)
	}
	var orphans []roleAssignment
	c.json(t, &orphans, "role", "assignment", "list", "--scope", "/subscriptions/"+c.sub, "--query", "[?principalId=='"+id.PrincipalID+"']")
	if len(orphans) != 1 || orphans[0].RoleDefinitionName != "Reader" {
		t.Errorf("the assignment of the deleted identity: %+v", orphans)
	}
}

// testParallel runs az several times at once on a principal that has not been logged in before.
func (c *azCloud) testParallel(t *testing.T) {
	c.group(t, "rg-parallel")
	id := c.identity(t, "rg-parallel", "id1")
	c.ok(t, "role", "assignment", "create", "--assignee", id.PrincipalID, "--role", "Reader", "--resource-group", "rg-parallel")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if r := c.az(t, "mi:"+id.ID, "group", "list", "--query", "[].name", "--output", "tsv"); r.stdout != "rg-parallel\n" {
				t.Errorf("%+v", r)
			}
		})
	}
	all.Wait()
}
