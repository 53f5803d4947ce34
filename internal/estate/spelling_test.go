package estate

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

const (
	printedCluster = `{"id": "/subscriptions/11111111-1111-1111-1111-111111111111/resourcegroups/rg/providers/Microsoft.ContainerService/managedClusters/c1", "name": "c1", "location": "westeurope",
 "identity": {"type": "SystemAssigned", "principalId": "a0000000-0000-0000-0000-000000000001"}, "nodeResourceGroup": "MC", "disableLocalAccounts": true,
 "agentPoolProfiles": [{"name": "np", "count": 3, "vnetSubnetId": "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/s"}],
 "identityProfile": {"kubeletidentity": {"clientId": "c0000000-0000-0000-0000-000000000002", "objectId": "a0000000-0000-0000-0000-000000000002"}}}`
	printedRoles = `[{"id": "/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.Authorization/roleAssignments/e0000000-0000-0000-0000-000000000001", "principalId": "a0000000-0000-0000-0000-000000000001", "principalType": "ServicePrincipal", "principalName": "c1",
 "roleDefinitionId": "/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c", "scope": "/subscriptions/11111111-1111-1111-1111-111111111111"},
 {"id": "/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.Authorization/roleAssignments/e0000000-0000-0000-0000-000000000002", "principalId": "a0000000-0000-0000-0000-0000000000bb", "principalType": "User", "principalName": "ada",
 "roleDefinitionId": "/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "scope": "/subscriptions/11111111-1111-1111-1111-111111111111"}]`
	clusterYAML = `agentPoolProfiles:
- count: 3
  name: np
  vnetSubnetId: /subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/s
disableLocalAccounts: true
fqdn: null
id: /subscriptions/11111111-1111-1111-1111-111111111111/resourcegroups/rg/providers/Microsoft.ContainerService/managedClusters/c1
identity:
  principalId: a0000000-0000-0000-0000-000000000001
  type: SystemAssigned
identityProfile:
  kubeletidentity:
    clientId: c0000000-0000-0000-0000-000000000002
    objectId: a0000000-0000-0000-0000-000000000002
location: westeurope
name: c1
nodeResourceGroup: MC
`
	clusterPS = `{"NodeResourceGroup": "MC", "DisableLocalAccounts": true, "AgentPoolProfiles": [{"Name": "np", "Count": 3, "VnetSubnetID": "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/s"}],
 "IdentityProfile": {"kubeletidentity": {"ClientId": "c0000000-0000-0000-0000-000000000002", "ObjectId": "a0000000-0000-0000-0000-000000000002"}}, "Identity": {"Type": "SystemAssigned", "PrincipalId": "a0000000-0000-0000-0000-000000000001", "UserAssignedIdentities": null},
 "Id": "/subscriptions/11111111-1111-1111-1111-111111111111/resourcegroups/rg/providers/Microsoft.ContainerService/managedClusters/c1", "Name": "c1", "Location": "westeurope", "ResourceGroupName": "rg"}`
	rolesCSV = `RoleAssignmentId,Scope,DisplayName,SignInName,RoleDefinitionName,RoleDefinitionId,ObjectId,ObjectType
/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.Authorization/roleAssignments/e0000000-0000-0000-0000-000000000001,/subscriptions/11111111-1111-1111-1111-111111111111,c1,,Contributor,b24988ac-6180-42a0-ab88-20f7382dd24c,a0000000-0000-0000-0000-000000000001,ServicePrincipal
/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.Authorization/roleAssignments/e0000000-0000-0000-0000-000000000002,/subscriptions/11111111-1111-1111-1111-111111111111,ada,ada@x,Owner,8e3af657-a8ff-443c-a75c-2fe8c4bcb635,a0000000-0000-0000-0000-0000000000bb,User
`
)

// asCSV is the cluster as the portal downloads a query of Resource Graph.
func asCSV(t *testing.T) string {
	t.Helper()
	var c map[string]any
	if err := json.Unmarshal([]byte(printedCluster), &c); err != nil {
		t.Fatal(err)
	}
	identity, _ := json.Marshal(c["identity"])
	id := c["id"].(string)
	for _, k := range []string{"id", "name", "location", "identity"} {
		delete(c, k)
	}
	properties, _ := json.Marshal(c)
	cell := func(b []byte) string { return `"` + strings.ReplaceAll(string(b), `"`, `""`) + `"` }
	return "ID,NAME,TYPE,LOCATION,IDENTITY,PROPERTIES\n" + id + ",c1,microsoft.containerservice/managedclusters,westeurope," + cell(identity) + "," + cell(properties) + "\n"
}

func inUTF16(s string, big, mark bool) string {
	var b []byte
	units := utf16.Encode([]rune(s))
	if mark {
		units = append([]uint16{0xfeff}, units...)
	}
	for _, u := range units {
		if big {
			b = append(b, byte(u>>8), byte(u))
		} else {
			b = append(b, byte(u), byte(u>>8))
		}
	}
	return string(b)
}

// However a user has saved it, the same is read.
func TestSpellings(t *testing.T) {
	rolesPS := `[{"RoleAssignmentId": "/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.Authorization/roleAssignments/e0000000-0000-0000-0000-000000000001", "Scope": "/subscriptions/11111111-1111-1111-1111-111111111111", "DisplayName": "c1", "RoleDefinitionName": "Contributor",
		"RoleDefinitionId": "b24988ac-6180-42a0-ab88-20f7382dd24c", "ObjectId": "a0000000-0000-0000-0000-000000000001", "ObjectType": "ServicePrincipal"}, {"RoleAssignmentId": "/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.Authorization/roleAssignments/e0000000-0000-0000-0000-000000000002",
		"Scope": "/subscriptions/11111111-1111-1111-1111-111111111111", "DisplayName": "ada", "RoleDefinitionId": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "ObjectId": "a0000000-0000-0000-0000-0000000000bb", "ObjectType": "User"}]`
	for _, c := range []struct {
		name  string
		files map[string]string
	}{
		{"as az prints it", map[string]string{"c.json": printedCluster, "r.json": printedRoles}},
		{"with a byte order mark", map[string]string{"c.json": "\xef\xbb\xbf" + printedCluster, "r.json": printedRoles}},
		{"UTF-16", map[string]string{"c.json": inUTF16(printedCluster, false, true), "r.json": inUTF16(printedRoles, true, true)}},
		{"UTF-16 without a mark", map[string]string{"c.json": inUTF16(printedCluster, false, false), "r.json": inUTF16(printedRoles, true, false)}},
		{"YAML", map[string]string{"c.yaml": clusterYAML, "r.json": printedRoles}},
		{"YAML in a file that says JSON", map[string]string{"c.json": clusterYAML, "r.json": printedRoles}},
		{"Azure PowerShell", map[string]string{"c.json": clusterPS, "r.json": rolesPS}},
		{"tables of the portal", map[string]string{"c.csv": asCSV(t), "r.csv": rolesCSV}},
		{"beside what is somebody else's", map[string]string{"c.json": printedCluster, "r.json": printedRoles, "k.yaml": "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n", "x.csv": "date,cost\n2026-01-01,3\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range c.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			e, err := Files{Path: dir}.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			x := e.Clusters[0]
			ids := e.Identities(x)
			if len(ids) != 2 || !ids[0].Known() || !ids[1].Known() || len(x.NodeSubnets()) != 1 || !x.Flag("properties.disableLocalAccounts") || x.NodeGroup().Name() != "MC" {
				t.Errorf("identities %+v of %v", ids, x.Doc)
			}
			held := e.Held(ids[0].Principal)
			if len(held) != 1 || e.RoleName(held[0].Role) != "Contributor" || held[0].PrincipalType != "ServicePrincipal" {
				t.Errorf("held %+v", held)
			}
		})
	}
}

// What says too little is refused with the way to more.
func TestSpellingsThatSayTooLittle(t *testing.T) {
	for text, want := range map[string]string{
		"c1\trg\twesteurope\n": "print it with -o json",
		"Name    Location    ResourceGroup\n------  ----------  ---\nc1      westeurope  rg\n":                                                                                               "print it with -o json",
		strings.Replace(clusterPS, `{"ClientId": "c0000000-0000-0000-0000-000000000002", "ObjectId": "a0000000-0000-0000-0000-000000000002"}`, `"Microsoft.Azure.Commands.Aks.Models.X"`, 1): "ConvertTo-Json -Depth 20",
		strings.Replace(clusterPS, `{"kubeletidentity"`, `"@{kubeletidentity=}", "X": {"y"`, 1):                                                                                              "ConvertTo-Json -Depth 20",
		"id: &a /subscriptions/x\nname: *a\n":          "references",
		"id: " + strings.Repeat("[", 200) + "\n":       "YAML",
		"id: /subscriptions/1\n  name: [unclosed\n":    "neither JSON nor YAML",
		"id,properties\n\"/subscriptions/\x00,\"{\"\n": "",
	} {
		path := filepath.Join(t.TempDir(), "c.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Files{Path: path}.Load(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// A state of Terraform is all that is there, with its ids.
func TestTerraformState(t *testing.T) {
	state := `{"format_version": "1.0", "terraform_version": "1.9.8", "values": {"root_module": {"resources": [
 {"address": "azurerm_kubernetes_cluster.aks", "mode": "managed", "type": "azurerm_kubernetes_cluster", "name": "aks", "values": {"id": "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/c1", "name": "c1", "resource_group_name": "rg",
  "location": "westeurope", "node_resource_group": "MC", "identity": [{"type": "SystemAssigned", "principal_id": "a0000000-0000-0000-0000-000000000001"}], "default_node_pool": [{"name": "np"}],
  "kubelet_identity": [{"client_id": "c0000000-0000-0000-0000-000000000002", "object_id": "a0000000-0000-0000-0000-000000000002"}]}}],
 "child_modules": [{"address": "module.roles", "resources": [
  {"address": "module.roles.azurerm_role_assignment.r", "mode": "managed", "type": "azurerm_role_assignment", "name": "r", "values": {"id": "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/net/providers/Microsoft.Authorization/roleAssignments/e0000000-0000-0000-0000-000000000001",
   "scope": "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/net", "principal_id": "a0000000-0000-0000-0000-000000000001", "principal_type": "ServicePrincipal", "role_definition_name": "Reader"}}]}]}}}`
	path := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(path, []byte(state), 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := Files{Path: path}.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ids := e.Identities(e.Clusters[0])
	found := false
	for _, g := range e.Held(ids[0].Principal) {
		found = found || e.RoleName(g.Role) == "Reader" && g.Scope.Name() == "net"
	}
	if ids[0].Principal.String() != "a0000000-0000-0000-0000-000000000001" || ids[1].Principal.String() != "a0000000-0000-0000-0000-000000000002" || !found {
		t.Errorf("%+v %+v", ids, e.Held(ids[0].Principal))
	}
}
