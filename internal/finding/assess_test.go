package finding

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// with loads a rule's fixture with other grants in place of its own, and further files.
func with(t *testing.T, rule, grants string, files ...string) *estate.Estate {
	t.Helper()
	f := readFixture(t, filepath.Join("testdata", rule+".txtar"))
	f.archive.Files = append(f.archive.Files, txtar.File{Name: "grants", Data: []byte(grants)})
	for i := 0; i < len(files); i += 2 {
		f.archive.Files = append(f.archive.Files, txtar.File{Name: files[i], Data: []byte(files[i+1])})
	}
	return f.load(t, false)
}

const aks = "@control-plane ServicePrincipal Contributor on $nodes\n"

// status is the status of a requirement of the only cluster, with its reason.
func status(t *testing.T, e *estate.Estate, id string) string {
	t.Helper()
	for _, a := range Assess(e, e.Clusters[0]) {
		if a.Requirement.ID == id {
			return contract(strings.TrimSpace(fmt.Sprintf("%s %s", a.Status, a.Reason)))
		}
	}
	return "none"
}

const registry = `{"id": "$registry", "properties": {"loginServer": "freightacr.azurecr.io", %s}}`

// Who may pull, in each mode of a registry (facts, findings 3 and 4).
func TestRegistryPull(t *testing.T) {
	const (
		rbacMode = `"roleAssignmentMode": "LegacyRegistryPermissions"`
		abacMode = `"roleAssignmentMode": "AbacRepositoryPermissions"`
		noMode   = `"adminUserEnabled": false`
	)
	unknownMode := "unknown the registry's permission mode is not known (az acr show --query roleAssignmentMode, with a current az)"
	for _, c := range []struct{ role, mode, want string }{
		{"AcrPull on $registry", rbacMode, "granted"},
		{"AcrPush on $registry", rbacMode, "granted"},
		{"Reader on $registry", rbacMode, "granted"},
		{"Monitoring Reader on $platform", rbacMode, "granted"},
		{"User Access Administrator on $group", rbacMode, "granted"},
		{"Container Registry Repository Reader on $registry", rbacMode, "missing"},
		{"AcrDelete on $registry", rbacMode, "missing"},
		{"AcrPull on $registry", abacMode, "missing"},
		{"Reader on $registry", abacMode, "missing"},
		{"Contributor on $platform", abacMode, "missing"},
		{"Owner on $platform", abacMode, "missing"},
		{"Container Registry Repository Reader on $registry", abacMode, "granted"},
		{"Container Registry Repository Writer on $registry", abacMode, "granted"},
		{"Container Registry Repository Catalog Lister on $registry", abacMode, "missing"},
		{"AcrPull on $registry", noMode, unknownMode},
		{"Container Registry Repository Reader on $registry", noMode, unknownMode},
		{"AcrDelete on $registry", noMode, "missing"},
		{"AcrPull on $registry\n@kubelet ServicePrincipal Container Registry Repository Reader on $registry", noMode, "granted"},
		{"Contributor on $platform", `"anonymousPullEnabled": true, ` + rbacMode, "none"},
	} {
		e := with(t, "kubelet-missing-acrpull", aks+"@kubelet ServicePrincipal "+c.role, "registry.json", fmt.Sprintf(registry, c.mode))
		if got := status(t, e, "acrpull"); got != c.want {
			t.Errorf("%s in a registry with %s: %s, want %s", c.role, c.mode, got, c.want)
		}
	}
}

// A registry in sight is not one that is needed; one on which the cluster's identities hold a pull role is.
func TestWhichRegistriesAreNeeded(t *testing.T) {
	for _, c := range []struct{ grants, want string }{
		{"", "none"},
		{"@gone ServicePrincipal AcrPull on $registry", "none"},
		{"@control-plane ServicePrincipal Reader on $registry", "none"},
		{"@control-plane ServicePrincipal AcrPull on $platform", "none"},
		{"@control-plane ServicePrincipal AcrPull on $registry", "missing"},
		{"@client-kubelet ServicePrincipal AcrPull on $registry", "missing"},
		{"@kubelet ServicePrincipal AcrPull on $registry", "granted"},
	} {
		e := with(t, "client-id-as-principal", aks+c.grants)
		if got := status(t, e, "acrpull"); got != c.want {
			t.Errorf("%q: %s, want %s", c.grants, got, c.want)
		}
	}
}

// What cannot be decided says why.
func TestWhyUnknown(t *testing.T) {
	condition := `[{"id": "$subnet/providers/Microsoft.Authorization/roleAssignments/c0000001-0000-0000-0000-000000000000", "principalId": "@control-plane",
		"roleDefinitionId": "$hub/providers/Microsoft.Authorization/roleDefinitions/4d97b98b-1d4f-4787-a291-c67834d212e7", "scope": "$subnet",
		"condition": "((!(ActionMatches{'Microsoft.Network/virtualNetworks/subnets/*'})) OR (@Request[a:b] StringEquals 'c'))"}]`
	denyGroup := `[{"id": "$hub/providers/Microsoft.Authorization/denyAssignments/d0000000-0000-0000-0000-000000000001",
		"properties": {"denyAssignmentName": "no joins", "scope": "$hub", "permissions": [{"actions": ["*"]}], "principals": [{"id": "@team", "type": "Group"}]}}]`
	for _, c := range []struct{ name, grants, file, want string }{
		{"a custom role that is not known", "@control-plane ServicePrincipal %custom on $subnet", "", "unknown it holds role %custom, whose definition is not known"},
		{"a condition", "", condition, "unknown it holds Network Contributor under a condition"},
		{"a group", "@team Group Network Contributor on $hub", "", "unknown it may be in group x, which is Network Contributor, and the group's members are not known"},
		{"a group that is no help", "@team Group Reader on $platform", "", "missing"},
		{"a group that has it not all", "@team Group Reader on $hub", "", "missing"},
		{"a group that is denied", "@team Group Reader on $platform\n@control-plane ServicePrincipal Network Contributor on $subnet", denyGroup, "unknown it may be in a group that deny assignment no joins names, and the group's members are not known"},
		{"a member of a group", "@team Group Network Contributor on $hub", `{"id": "@team", "displayName": "x", "members": [{"id": "@control-plane"}]}`, "granted"},
		{"no member of a group", "@team Group Network Contributor on $hub", `{"id": "@team", "displayName": "x", "members": [{"id": "@ada"}]}`, "missing"},
	} {
		files := []string{}
		if c.file != "" {
			files = append(files, "more.json", c.file)
		}
		e := with(t, "broad-role", aks+c.grants, files...)
		if got := status(t, e, "subnet-join"); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// A route table hangs on a subnet: where that was not read, nothing is known of the table.
func TestRouteTableOfUnreadSubnet(t *testing.T) {
	e := with(t, "control-plane-missing-route-table", aks+"@control-plane ServicePrincipal Network Contributor on $subnet", "network.json", "")
	if got := status(t, e, "route-table"); got != "unknown the subnet could not be read, so its route table is not known" {
		t.Error(got)
	}
	e = with(t, "control-plane-missing-route-table", aks, "network.json", `{"id": "$subnet", "properties": {"addressPrefix": "10.0.0.0/24"}}`)
	if got := status(t, e, "route-table"); got != "none" {
		t.Errorf("a subnet without a route table: %s", got)
	}
	e = with(t, "control-plane-missing-route-table", aks, "network.json",
		`{"id": "$subnet", "properties": {"routeTable": {"id": "$nodes/providers/Microsoft.Network/routeTables/aks-agentpool-routetable"}}}`)
	if got := status(t, e, "route-table"); got != "granted" {
		t.Errorf("the route table that AKS put on a brought subnet: %s", got)
	}
}

// The object id of a service principal comes from the directory.
func TestServicePrincipalWithoutObject(t *testing.T) {
	e := with(t, "service-principal", "", "principal.json", "")
	if got := status(t, e, "node-resource-group"); got != "unknown the object id of service principal @client-pipeline is not known" {
		t.Error(got)
	}
}

func TestShort(t *testing.T) {
	for in, want := range map[string]string{
		"Microsoft.Network/virtualNetworks/subnets/join/action": "subnets/join/action",
		"Microsoft.Network/loadBalancers/write":                 "loadBalancers/write",
		"Microsoft.ContainerRegistry/registries/pull/read":      "pull/read",
	} {
		if got := short(azure.Action(in)); got != want {
			t.Errorf("short(%s) = %s, want %s", in, got, want)
		}
	}
	for n, want := range []string{"", "x/a", "x/a and x/b", "x/a, x/b and x/c", "x/a, x/b, x/c and 1 more"} {
		if got := ShortList([]azure.Action{"x/a", "x/b", "x/c", "x/d"}[:n]); got != want {
			t.Errorf("%d actions: %q, want %q", n, got, want)
		}
	}
}

func TestSeverity(t *testing.T) {
	for _, c := range []struct {
		a, b Severity
		want bool
	}{{Error, Error, true}, {Error, Note, true}, {Warning, Error, false}, {Note, Note, true}, {Note, Warning, false}} {
		if got := c.a.AtLeast(c.b); got != c.want {
			t.Errorf("%s at least %s: %v", c.a, c.b, got)
		}
	}
}
