package estate

import (
	"context"
	"slices"
	"strings"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

const clusterTemplate = `{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
 "parameters": {"name": {"type": "string"}, "subnet": {"type": "string"}},
 "resources": [
  {"type": "Microsoft.ManagedIdentity/userAssignedIdentities", "apiVersion": "2023-01-31", "name": "[format('id-{0}', parameters('name'))]", "location": "westeurope"},
  {"type": "Microsoft.ContainerService/managedClusters", "apiVersion": "2024-05-01", "name": "[parameters('name')]", "location": "westeurope",
   "dependsOn": ["[resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', format('id-{0}', parameters('name')))]"],
   "identity": {"type": "UserAssigned", "userAssignedIdentities": {"[resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', format('id-{0}', parameters('name')))]": {}}},
   "properties": {"agentPoolProfiles": [{"name": "system", "vnetSubnetID": "[parameters('subnet')]"}], "networkProfile": {"networkPlugin": "azure"}}}]}`

const templateSubnet = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/v/subnets/s"

func parameterFile(name string) string {
	return `{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#", "parameters": {"name": {"value": "` + name + `"}, "subnet": {"value": "` + templateSubnet + `"}}}`
}

// A template takes the parameters that are named, or those beside it; where it goes is what the user says.
func TestTemplateParameters(t *testing.T) {
	dir := write(t, "main.json", clusterTemplate, "main.parameters.json", parameterFile("beside"), "other/prod.json", parameterFile("named"))
	for _, c := range []struct {
		files Files
		want  string
	}{
		{Files{Path: dir + "/main.json", Parameters: dir + "/other/prod.json"}, "/subscriptions/" + UnnamedSubscription + "/resourceGroups/{resourceGroup}/providers/Microsoft.ContainerService/managedClusters/named"},
		{Files{Path: dir, Group: "rg-prod", Subscription: azure.MustGUID(platform)}, "/subscriptions/" + platform + "/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/beside"},
	} {
		e := load(t, c.files)
		if len(e.Clusters) != 1 {
			t.Errorf("%+v: %d clusters", c.files, len(e.Clusters))
			continue
		}
		got := e.Clusters[0]
		if !strings.HasSuffix(got.ID.String(), "/"+c.want[strings.LastIndexByte(c.want, '/')+1:]) || c.files.Group != "" && got.ID.String() != c.want {
			t.Errorf("%s, want %s", got.ID, c.want)
		}
		who, ok := e.Actor(got, ControlPlane, "")
		if !ok || !who.Known() || len(got.NodeSubnets()) != 1 {
			t.Errorf("identity %+v, subnets %v", who, got.NodeSubnets())
		}
		join := e.Decide(rbac.Request{Principal: who.Principal, Action: "Microsoft.Network/virtualNetworks/subnets/join/action", Scope: azure.MustID(templateSubnet)})
		own := e.Decide(rbac.Request{Principal: who.Principal, Action: "Microsoft.Network/loadBalancers/write", Scope: got.NodeGroup()})
		if join.Outcome != rbac.NotGranted || own.Outcome != rbac.Granted {
			t.Errorf("join %v, AKS's own grant %v: an identity that is made now holds what the template gives it", join.Outcome, own.Outcome)
		}
		if d, ok := e.Declared(got.ID); !ok || d.Line != 5 || !d.Creates {
			t.Errorf("declared %+v", d)
		}
	}
}

func TestTemplateErrors(t *testing.T) {
	for text, want := range map[string]string{
		strings.Replace(clusterTemplate, "[parameters('name')]", "[parameters('nam')]", 1): "line 5",
		strings.Replace(clusterTemplate, "[parameters('name')]", "[nope()]", 1):            "line 5",
	} {
		_, err := Files{Path: write(t, "main.json", text, "main.parameters.json", parameterFile("x"))}.Load(context.Background())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "main.json") {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	_, err := Files{Path: write(t, "plan.json", `{"format_version": "2.0", "resource_changes": [], "planned_values": {}}`)}.Load(context.Background())
	if err == nil || !strings.Contains(err.Error(), "format 2.0") {
		t.Errorf("a plan of another format: %v", err)
	}
}

// What has no value is unknown and told; a null in a parameter file, as for a secret, is no value.
func TestTemplateWithoutValues(t *testing.T) {
	null := `{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#", "parameters": {"name": {"value": "aks"}, "subnet": {"value": null}}}`
	for params, want := range map[string]string{"": "name, subnet", null: "subnet"} {
		files := []string{"main.json", clusterTemplate}
		if params != "" {
			files = append(files, "main.parameters.json", params)
		}
		e := load(t, Files{Path: write(t, files...)})
		if len(e.Clusters) != 1 || !slices.ContainsFunc(e.Incomplete, func(i Incomplete) bool { return i.What == "what depends on the parameters "+want }) {
			t.Errorf("%d clusters, incomplete %+v", len(e.Clusters), e.Incomplete)
		}
	}
}

// A role that only the deployment tells may be any, and a private endpoint opens the registry that it names.
func TestTemplateUnknownRoleAndPrivateEndpoint(t *testing.T) {
	text := strings.Replace(strings.Replace(clusterTemplate, `"parameters": {`, `"parameters": {"role": {"type": "string"}, `, 1), `"resources": [`, `"resources": [
	  {"type": "Microsoft.Network/privateEndpoints", "apiVersion": "2024-05-01", "name": "pe", "location": "westeurope", "properties": {"privateLinkServiceConnections": [
	   {"name": "c", "properties": {"privateLinkServiceId": "[resourceId('Microsoft.ContainerRegistry/registries', 'acr12')]", "groupIds": ["registry"]}}]}},
	  {"type": "Microsoft.ContainerRegistry/registries", "apiVersion": "2023-07-01", "name": "acr12", "location": "westeurope", "properties": {"publicNetworkAccess": "Disabled"}},
	  {"type": "Microsoft.Authorization/roleAssignments", "apiVersion": "2022-04-01", "name": "[guid('x')]", "scope": "Microsoft.ContainerRegistry/registries/acr12", "properties": {
	   "roleDefinitionId": "[parameters('role')]", "principalType": "ServicePrincipal",
	   "principalId": "[reference(resourceId('Microsoft.ContainerService/managedClusters', parameters('name')), '2024-05-01').identityProfile.kubeletidentity.objectId]"}},`, 1)
	e := load(t, Files{Path: write(t, "main.json", text, "main.parameters.json", parameterFile("aks"))})
	kubelet, _ := e.Actor(e.Clusters[0], Kubelet, "")
	acr := e.Resources(TypeRegistry)[0]
	pull := e.Decide(rbac.Request{Principal: kubelet.Principal, Action: "Microsoft.ContainerRegistry/registries/pull/read", Scope: acr.ID})
	if pull.Outcome != rbac.Unknown || len(acr.List("properties.privateEndpointConnections")) != 1 {
		t.Errorf("pull %v, registry %v", pull.Outcome, acr.Doc)
	}
}

// A cluster whose identity hangs on what is not known is not one without an identity.
func TestTemplateUnknownIdentity(t *testing.T) {
	text := `{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0", "parameters": {"own": {"type": "bool"}},
		"resources": [{"type": "Microsoft.ContainerService/managedClusters", "apiVersion": "2024-05-01", "name": "aks", "location": "westeurope", "properties": {},
		"identity": "[if(parameters('own'), createObject('type', 'SystemAssigned'), createObject('type', 'UserAssigned'))]"}]}`
	e := load(t, Files{Path: write(t, "main.json", text)})
	found := false
	for _, i := range e.Incomplete {
		found = found || i.What == "the identity of cluster aks" && strings.Contains(i.Why, "parameters('own')")
	}
	if !found {
		t.Errorf("incomplete %+v", e.Incomplete)
	}
}
