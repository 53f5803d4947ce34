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
	files := New(e, []Wish{{c, e.Clusters[0], "x", "y"}}).Terraform()
	if len(files) != 1 || !strings.Contains(files[0].Text, "azurerm_kubernetes_cluster.aks[0].identity[0].principal_id") || strings.Contains(files[0].Text, "data ") || strings.Contains(files[0].Text, estate.UnnamedSubscription) {
		t.Errorf("%+v", files)
	}
}

// With symbolic names, which Bicep gives, a template is answered in Bicep, otherwise in its own language; and that template gives the role.
func TestWrittenTemplate(t *testing.T) {
	e := planned(t, deployment(`"languageVersion": "2.0", `, "{", "}", "acr", "aks"))
	language, text := Written(e, pulling(e, estate.Kubelet, "AcrPull", e.Resources(estate.TypeRegistry)[0].ID))
	for _, want := range []string{"name: guid(acr.id, aks.id, '7f951dda-4ed3-4680-a7ca-43fe172d538d')", "scope: acr\n", "principalId: aks.properties.identityProfile.kubeletidentity.objectId\n"} {
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
