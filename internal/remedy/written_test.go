package remedy

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclwrite"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
	"aksid/internal/template"
)

const terraformPlan = `{"format_version": "1.2", "resource_changes": [
 {"address": "azurerm_virtual_network.v", "mode": "managed", "type": "azurerm_virtual_network", "name": "v", "change": {"actions": ["create"], "after": {"name": "vnet", "resource_group_name": "rg"}}},
 {"address": "azurerm_subnet.s", "mode": "managed", "type": "azurerm_subnet", "name": "s", "change": {"actions": ["create"], "after": {"name": "nodes", "resource_group_name": "rg", "virtual_network_name": "vnet"}}},
 {"address": "azurerm_kubernetes_cluster.aks[0]", "index": 0, "mode": "managed", "type": "azurerm_kubernetes_cluster", "name": "aks", "change": {"actions": ["create"], "after": {
  "name": "aks", "resource_group_name": "rg", "location": "westeurope", "identity": [{"type": "SystemAssigned"}], "default_node_pool": [{"name": "system"}]}}},
 {"address": "azurerm_role_assignment.wide", "mode": "managed", "type": "azurerm_role_assignment", "name": "wide", "change": {"actions": ["create"], "after": {"role_definition_name": "Contributor"}}}],
 "configuration": {"root_module": {"resources": [
  {"address": "azurerm_virtual_network.v"}, {"address": "azurerm_subnet.s"},
  {"address": "azurerm_kubernetes_cluster.aks", "expressions": {"default_node_pool": [{"vnet_subnet_id": {"references": ["azurerm_subnet.s.id"]}}]}},
  {"address": "azurerm_role_assignment.wide", "expressions": {"scope": {"references": ["azurerm_virtual_network.v.id"]}, "principal_id": {"references": ["azurerm_kubernetes_cluster.aks[0].identity[0].principal_id"]}}}]}}}`

// deployment is a template; symbolic names stand for its resources where names is not "".
func deployment(version, open, closing string, names ...string) string {
	name := func(i int) string {
		if len(names) == 0 {
			return ""
		}
		return `"` + names[i] + `": `
	}
	return `{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", ` + version + `"contentVersion": "1.0.0.0", "resources": ` + open +
		name(0) + `{"type": "Microsoft.ContainerRegistry/registries", "apiVersion": "2023-07-01", "name": "acr12", "location": "westeurope", "properties": {}},` +
		name(1) + `{"type": "Microsoft.ContainerService/managedClusters", "apiVersion": "2024-05-01", "name": "aks", "location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": {"agentPoolProfiles": [{"name": "system"}]}}` +
		closing + `}`
}

func planned(t *testing.T, text string) *estate.Estate {
	t.Helper()
	path := filepath.Join(t.TempDir(), "main.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := estate.Files{Path: path, Group: "rg"}.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// pulling is the role that lets the kubelet pull, as a finding asks for it.
func pulling(e *estate.Estate, role estate.IdentityRole, name string, scope azure.ID) estate.Assign {
	who, _ := e.Actor(e.Clusters[0], role, "")
	return estate.Assign{Role: name, Principal: who.Principal, PrincipalType: "ServicePrincipal", Scope: scope}
}

// What a plan brings is named as the plan names it, and by commands that ask for it once it is there: never by an id that is made up.
func TestWrittenTerraform(t *testing.T) {
	e := planned(t, terraformPlan)
	c := pulling(e, estate.ControlPlane, "Network Contributor", e.Clusters[0].NodeSubnets()[0])
	language, text := Written(e, c)
	if language != estate.Terraform || !strings.Contains(text, "scope                = azurerm_subnet.s.id\n") || !strings.Contains(text, "= azurerm_kubernetes_cluster.aks[0].identity[0].principal_id\n") {
		t.Errorf("%s:\n%s", language, text)
	}
	if formatted := string(hclwrite.Format([]byte(text))); formatted != text {
		t.Errorf("not as terraform fmt writes it:\n%s", formatted)
	}
	taken := estate.Unassign{ID: e.Held(c.Principal)[0].ID}
	for _, g := range e.Held(c.Principal) {
		if d, ok := e.Declared(g.ID); ok && d.Address == "azurerm_role_assignment.wide" {
			taken.ID = g.ID
		}
	}
	if _, text := Written(e, taken); text != "# take out azurerm_role_assignment.wide" || len(AzIn(e, taken)) != 0 {
		t.Errorf("%q, %v", text, AzIn(e, taken))
	}
	az := AzIn(e, c)
	want := `az role assignment create --assignee-object-id "$(az aks show --query identity.principalId --output tsv --name aks --resource-group rg)" --assignee-principal-type ServicePrincipal --role "Network Contributor" --scope "/subscriptions/$(az account show --query id --output tsv)/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet/subnets/nodes"`
	if len(az) != 1 || az[0] != want {
		t.Errorf("%v, want\n%s", az, want)
	}
	files := New(e, []Wish{{c, e.Clusters[0], "x", "y", nil}}).Terraform()
	if len(files) != 1 || !strings.Contains(files[0].Text, "azurerm_kubernetes_cluster.aks[0].identity[0].principal_id") || strings.Contains(files[0].Text, "data ") || strings.Contains(files[0].Text, estate.UnnamedSubscription) {
		t.Errorf("%+v", files)
	}
}

// With symbolic names, which Bicep gives, a template is answered in Bicep, otherwise in its own language; and that template gives the role.
func TestWrittenTemplate(t *testing.T) {
	e := planned(t, deployment(`"languageVersion": "2.0", `, "{", "}", "acr", "aks"))
	language, text := Written(e, pulling(e, estate.Kubelet, "AcrPull", e.Resources(estate.TypeRegistry)[0].ID))
	for _, want := range []string{"name: guid(acr.id, aks.id, 'kubeletidentity', '7f951dda-4ed3-4680-a7ca-43fe172d538d')", "scope: acr\n", "principalId: aks.properties.identityProfile.kubeletidentity.objectId\n"} {
		if language != estate.Bicep || !strings.Contains(text, want) {
			t.Errorf("%s: no %q in\n%s", language, want, text)
		}
	}
	e = planned(t, deployment("", "[", "]"))
	c := pulling(e, estate.Kubelet, "AcrPull", e.Resources(estate.TypeRegistry)[0].ID)
	language, text = Written(e, c)
	if language != estate.ARM {
		t.Fatalf("%s:\n%s", language, text)
	}
	full := deployment("", "[", ", "+text+"]")
	if _, err := template.Parse([]byte(full)); err != nil {
		t.Fatalf("%v\n%s", err, full)
	}
	e = planned(t, full)
	given := pulling(e, estate.Kubelet, "AcrPull", azure.ID{}).Principal
	if !slices.ContainsFunc(e.Held(given), func(g *rbac.Grant) bool { return g.Scope.Equal(c.Scope) }) {
		t.Errorf("the role is not given:\n%s", full)
	}
}

const bicepFile = `{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "languageVersion": "2.0", "contentVersion": "1.0.0.0", "resources": {
 "acr": {"existing": true, "type": "Microsoft.ContainerRegistry/registries", "apiVersion": "2023-07-01", "name": "acr12"},
 "hub": {"existing": true, "type": "Microsoft.Network/virtualNetworks", "apiVersion": "2023-07-01", "name": "hub", "resourceGroup": "rg-hub"},
 "idAks": {"type": "Microsoft.ManagedIdentity/userAssignedIdentities", "apiVersion": "2023-01-31", "name": "id-aks", "location": "westeurope"},
 "aks": {"type": "Microsoft.ContainerService/managedClusters", "apiVersion": "2024-05-01", "name": "aks", "location": "westeurope",
  "identity": {"type": "UserAssigned", "userAssignedIdentities": {"[resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', 'id-aks')]": {}}}, "properties": {"agentPoolProfiles": [{"name": "system"}]}},
 "second": {"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "second", "properties": {"mode": "Incremental", "expressionEvaluationOptions": {"scope": "inner"}, "template": {
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "languageVersion": "2.0", "contentVersion": "1.0.0.0", "resources": {
   "cluster": {"type": "Microsoft.ContainerService/managedClusters", "apiVersion": "2024-05-01", "name": "aks2", "location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": {"agentPoolProfiles": [{"name": "system"}]}}}}}}
}}`

// A module for a Bicep file goes on with its names: what is there already is not declared again, and what only a module knows is
// read once that is done.
func TestModuleContinuesBicep(t *testing.T) {
	e := planned(t, bicepFile)
	registry, network, group := placed(e, "Microsoft.ContainerRegistry/registries/acr12"), azure.MustID("/subscriptions/"+estate.UnnamedSubscription+"/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/hub"), e.Clusters[0].ID.GroupID()
	give := func(c *estate.Cluster, role estate.IdentityRole, name string, scope azure.ID) Wish {
		who, _ := e.Actor(c, role, "")
		return Wish{estate.Assign{Role: name, Principal: who.Principal, PrincipalType: "ServicePrincipal", Scope: scope}, c, "x", "y", nil}
	}
	p := New(e, []Wish{
		give(e.Clusters[0], estate.Kubelet, "AcrPull", registry), give(e.Clusters[0], estate.ControlPlane, "Reader", group),
		give(e.Clusters[0], estate.ControlPlane, "Network Contributor", network), give(e.Clusters[1], estate.ControlPlane, "Network Contributor", network),
	})
	files := p.Bicep()
	for _, want := range []string{
		"  name: guid(acr.id, aks.id, 'kubeletidentity', '7f951dda-4ed3-4680-a7ca-43fe172d538d')\n  scope: acr\n",
		"  name: guid(resourceGroup().id, idAks.id, 'acdd72a7-3385-48ef-bd42-f606fba81ae7')\n  properties", // no scope: it is the file's
		"  scope: resourceGroup('rg-hub')\n  params: {\n    idAks2: idAks.properties.principalId\n  }\n}\n",
		"  scope: resourceGroup('rg-hub')\n  params: {\n    aks2: aks2.identity.principalId\n  }\n  dependsOn: [\n    second\n  ]\n}\n", // apart: aks waits for the one above
		"resource aks2 'Microsoft.ContainerService/managedClusters@2025-05-01' existing = {\n  name: 'aks2'\n}\n",
		"// Let aks have its roles from the beginning:\n//   dependsOn: [ rgReaderIdAks2, rolesRgHub ]\n",
	} {
		if !strings.Contains(files[0].Text, want) {
			t.Errorf("no\n%s\nin\n%s", want, files[0].Text)
		}
	}
	if len(files) != 3 || strings.Contains(files[0].Text, "targetScope") || strings.Contains(files[0].Text, "resource acr ") || strings.Contains(files[0].Text, "resource hub ") {
		t.Errorf("it declares what is there:\n%s", files[0].Text)
	}
	if _, text := Written(e, p.Steps[3].Change); !strings.HasPrefix(text, "// in a module with the scope of resource group rg-hub (target subscription)\nparam principalId string // cluster.identity.principalId of module second\nresource hub '") {
		t.Errorf("%s", text)
	}
}

// placed is an id in the resource group that the template goes to.
func placed(e *estate.Estate, path string) azure.ID {
	return azure.MustID(e.Clusters[0].ID.GroupID().String() + "/providers/" + path)
}

// After a template without symbolic names its module is deployed on its own: by the names that things will have, wherever it is.
func TestModuleAfterTemplate(t *testing.T) {
	e := planned(t, deployment("", "[", "]"))
	p := New(e, []Wish{{pulling(e, estate.Kubelet, "AcrPull", e.Resources(estate.TypeRegistry)[0].ID), e.Clusters[0], "x", "y", nil}})
	main := p.Bicep()[0].Text
	for _, want := range []string{
		"targetScope = 'resourceGroup'\n", "existing = {\n  name: 'aks'\n}\n", "module rolesRg 'rolesRg.bicep' = {\n  name: 'aksid-rolesRg'\n  params: {\n    aksAgentpool: aks.properties.identityProfile.kubeletidentity.objectId\n",
	} {
		if !strings.Contains(main, want) {
			t.Errorf("no\n%s\nin\n%s", want, main)
		}
	}
	parsed, err := template.Parse([]byte(p.ARM()[0].Text))
	if err != nil {
		t.Fatal(err)
	}
	const sub, principal = "11111111-1111-1111-1111-111111111111", "a0000000-0000-0000-0000-000000000009"
	cluster := azure.MustID("/subscriptions/" + sub + "/resourceGroups/rg5/providers/Microsoft.ContainerService/managedClusters/aks")
	d := template.Deployment{Template: parsed, Name: "aksid", Subscription: azure.MustGUID(sub), Group: "rg5", Location: "westeurope", Existing: there{
		cluster.Key(): {"properties": map[string]any{"identityProfile": map[string]any{"kubeletidentity": map[string]any{"objectId": principal}}}},
	}}
	r := d.Evaluate()
	for _, e := range r.Errors {
		t.Error(e)
	}
	given := false
	for x := range r.All() {
		properties, _ := x.Document["properties"].(map[string]any)
		given = given || properties["principalId"] == principal && strings.Contains(x.ID.String(), sub+"/resourceGroups/rg5/providers/Microsoft.ContainerRegistry/registries/acr12/")
	}
	if !given {
		t.Errorf("the role is not given:\n%s", p.ARM()[0].Text)
	}
}
