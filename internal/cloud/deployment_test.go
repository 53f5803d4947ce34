package cloud_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// landing is what a platform team deploys: an identity, a registry, a cluster, and the two roles it needs; the roles
// name principals that are known only once the identity and the cluster are there.
const landing = `{
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "contentVersion": "1.0.0.0",
  "parameters": {
    "name": {"type": "string", "minLength": 3},
    "location": {"type": "string", "defaultValue": "[resourceGroup().location]"},
    "password": {"type": "securestring", "defaultValue": "not-to-be-seen"}
  },
  "variables": {
    "acrPull": "[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '7f951dda-4ed3-4680-a7ca-43fe172d538d')]",
    "acr": "[replace(parameters('name'), '-', '')]" // registries have no dashes
  },
  "resources": [
    {"type": "Microsoft.ContainerService/managedClusters", "apiVersion": "2024-05-01", "name": "[parameters('name')]", "location": "[parameters('location')]",
      "identity": {"type": "UserAssigned", "userAssignedIdentities": {"[format('{0}', resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', 'id'))]": {}}},
      "properties": {"dnsPrefix": "x", "agentPoolProfiles": [{"name": "system", "mode": "System", "count": 1, "vmSize": "Standard_DS2_v2"}]},
      "dependsOn": ["[resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', 'id')]"]},
    {"type": "Microsoft.ManagedIdentity/userAssignedIdentities", "apiVersion": "2023-01-31", "name": "id", "location": "[parameters('location')]"},
    {"type": "Microsoft.ContainerRegistry/registries", "apiVersion": "2023-07-01", "name": "[variables('acr')]", "location": "[parameters('location')]", "sku": {"name": "Basic"}},
    {"type": "Microsoft.Authorization/roleAssignments", "apiVersion": "2022-04-01", "name": "[guid(resourceGroup().id, 'pull', variables('acrPull'))]",
      "scope": "[format('Microsoft.ContainerRegistry/registries/{0}', variables('acr'))]",
      "properties": {"roleDefinitionId": "[variables('acrPull')]", "principalType": "ServicePrincipal",
        "principalId": "[reference(resourceId('Microsoft.ContainerService/managedClusters', parameters('name')), '2024-05-01').identityProfile.kubeletidentity.objectId]"},
      "dependsOn": ["[resourceId('Microsoft.ContainerService/managedClusters', parameters('name'))]", "[resourceId('Microsoft.ContainerRegistry/registries', variables('acr'))]"]}
  ],
  "outputs": {
    "login": {"type": "string", "value": "[reference(resourceId('Microsoft.ContainerRegistry/registries', variables('acr')), '2023-07-01').loginServer]"},
    "principal": {"type": "string", "value": "[reference(resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', 'id'), '2023-01-31').principalId]"}
  }
}`

// body is a deployment's request as az sends it, which is no JSON.
func deploymentOf(template, parameters string) string {
	return `{"properties": {"parameters": ` + parameters + `, "mode": "Incremental", template:` + template + `}}`
}

// deploy runs a deployment to its end and returns it, or the operation that failed.
func (u *user) deploy(id, body string) reply {
	u.w.Helper()
	id += "?api-version=2021-04-01"
	first := u.do("PUT", id, body)
	if first.status > 299 {
		return first
	}
	poll := strings.TrimPrefix(first.header.Get("Azure-AsyncOperation"), "https://"+host)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		switch p := u.get(poll); p.str("status") {
		case "Succeeded":
			return u.get(id)
		case "Failed", "Canceled":
			return p
		}
		time.Sleep(2 * time.Millisecond)
	}
	u.w.Fatalf("the deployment %s does not end", id)
	return reply{}
}

// TestDeployment deploys identity, cluster, registry and roles in one go, and again without change.
func TestDeployment(t *testing.T) {
	w := newWorld(t)
	w.clock.Run()
	rg := w.group(w.platform, "rg1")
	owner := w.application("owner")
	w.grant(owner.id, "Owner", rg)
	id := rg + "/providers/Microsoft.Resources/deployments/landing"
	body := deploymentOf(landing, `{"name": {"value": "aks-one"}}`)
	validated := owner.do("POST", id+"/validate?api-version=2021-04-01", body).ok(200)
	if n := len(validated.at("properties.validatedResources").([]any)); n != 4 {
		t.Errorf("%d resources were validated: %s", n, validated.raw)
	}
	owner.get(id).refused(404, "ResourceNotFound")
	made := owner.deploy(id, body).ok(200)
	if made.str("properties.provisioningState") != "Succeeded" || made.str("properties.outputs.login.value") != "aksone.azurecr.io" {
		t.Fatalf("the deployment is %s", made.raw)
	}
	if strings.Contains(made.raw, "not-to-be-seen") {
		t.Error("a secure parameter is shown")
	}
	cluster := rg + "/providers/Microsoft.ContainerService/managedClusters/aks-one"
	kubelet := owner.get(cluster).ok(200).str("properties.identityProfile.kubeletidentity.objectId")
	acr := rg + "/providers/Microsoft.ContainerRegistry/registries/aksone"
	grants := w.operator.get(acr + "/providers/Microsoft.Authorization/roleAssignments?$filter=principalId%20eq%20'" + kubelet + "'").ok(200).list("properties.scope")
	if !slices.Equal(grants, []string{acr}) {
		t.Errorf("the kubelet's grants are %v", grants)
	}
	if got := owner.get(id + "/operations").ok(200).list("properties.provisioningState"); !slices.Equal(got, []string{"Succeeded", "Succeeded", "Succeeded", "Succeeded"}) {
		t.Errorf("operations: %v", got)
	}
	again := owner.deploy(id, body).ok(200)
	if again.str("properties.outputs.principal.value") != made.str("properties.outputs.principal.value") {
		t.Error("the identity is another one after the second deployment")
	}
	changes := owner.do("POST", id+"/whatIf?api-version=2021-04-01", body).ok(200)
	for i, kind := range []string{"NoChange", "NoChange", "NoChange", "NoChange"} {
		if got := changes.list2("properties.changes", "changeType"); len(got) != 4 || got[i] != kind {
			t.Errorf("what would change a third time: %v %s", got, changes.raw)
			break
		}
	}
}

// list2 are the values of one field over a list at a path.
func (r reply) list2(path, field string) []string {
	all, _ := r.at(path).([]any)
	return reply{w: r.w, body: obj{"value": all}}.list(field)
}

// TestDeploymentRefusals is what a deployment answers when the template, the principal or a resource is not right.
func TestDeploymentRefusals(t *testing.T) {
	w := newWorld(t)
	w.clock.Run()
	rg := w.group(w.platform, "rg1")
	id := rg + "/providers/Microsoft.Resources/deployments/d"
	put := func(u *user, template, parameters string) reply {
		return u.do("PUT", id+"?api-version=2021-04-01", deploymentOf(template, parameters))
	}
	put(w.operator, landing, `{}`).refused(400, "InvalidTemplate")
	put(w.operator, strings.Replace(landing, "guid(", "giud(", 1), `{"name":{"value":"aks-one"}}`).refused(400, "InvalidTemplate", "giud")
	put(w.operator, strings.ReplaceAll(landing, "Microsoft.ContainerRegistry/registries", "Microsoft.Nothing/things"), `{"name":{"value":"aks-one"}}`).refused(404, "InvalidResourceType")
	w.operator.do("PUT", id+"?api-version=2021-04-01", "{").refused(400, "InvalidRequestContent")
	contributor := w.application("contributor")
	w.grant(contributor.id, "Contributor", rg)
	put(contributor, landing, `{"name":{"value":"aks-one"}}`).refused(400, "InvalidTemplateDeployment", "Authorization failed for template resource",
		"of type 'Microsoft.Authorization/roleAssignments'", contributor.id, "does not have permission to perform action 'Microsoft.Authorization/roleAssignments/write' at scope")
	w.operator.get(rg+"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id").refused(404, "ResourceNotFound")

	other := w.group(w.platform, "rg2")
	foreign, _, _ := w.identity(other, "foreign")
	template := strings.Replace(landing, `[format('{0}', resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', 'id'))]`, foreign, 1)
	limited := w.application("limited")
	w.grant(limited.id, "Owner", rg)
	failed := limited.deploy(id, deploymentOf(template, `{"name":{"value":"aks-one"}}`))
	if failed.str("error.code") != "DeploymentFailed" || failed.str("error.details.0.code") != "Forbidden" ||
		!strings.Contains(failed.str("error.details.0.message"), "LinkedAuthorizationFailed") || !strings.Contains(failed.str("error.details.0.message"), limited.id) {
		t.Errorf("the deployment failed as %s", failed.raw)
	}
	shown := limited.get(id + "?api-version=2021-04-01").ok(200)
	if shown.str("properties.provisioningState") != "Failed" || shown.str("properties.error.code") != "DeploymentFailed" {
		t.Errorf("the deployment is shown as %s", shown.raw)
	}
	w.operator.do("POST", id+"/cancel?api-version=2021-04-01", nil).refused(409, "DeploymentCannotBeCancelled")
}

// TestDeploymentModules deploys a group at the subscription, and a module into it.
func TestDeploymentModules(t *testing.T) {
	w := newWorld(t)
	w.clock.Run()
	const template = `{
  "$schema": "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#", "contentVersion": "1.0.0.0",
  "resources": [
    {"type": "Microsoft.Resources/resourceGroups", "apiVersion": "2022-09-01", "name": "rg-made", "location": "westeurope"},
    {"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "inner", "resourceGroup": "rg-made", "dependsOn": ["[subscriptionResourceId('Microsoft.Resources/resourceGroups', 'rg-made')]"],
      "properties": {"mode": "Incremental", "expressionEvaluationOptions": {"scope": "inner"}, "parameters": {"names": {"value": ["a", "b"]}}, "template": {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
        "parameters": {"names": {"type": "array"}},
        "resources": [{"type": "Microsoft.Network/routeTables", "apiVersion": "2023-09-01", "name": "[format('rt-{0}', parameters('names')[copyIndex()])]", "location": "westeurope",
          "copy": {"name": "tables", "count": "[length(parameters('names'))]"}}],
        "outputs": {"first": {"type": "string", "value": "[resourceId('Microsoft.Network/routeTables', format('rt-{0}', parameters('names')[0]))]"}}}}}],
  "outputs": {"table": {"type": "string", "value": "[reference(extensionResourceId(format('/subscriptions/{0}/resourceGroups/rg-made', subscription().subscriptionId), 'Microsoft.Resources/deployments', 'inner'), '2022-09-01').outputs.first.value]"}}}`
	id := w.platform + "/providers/Microsoft.Resources/deployments/outer"
	made := w.operator.deploy(id, `{"location":"westeurope","properties":{"mode":"Incremental","template":`+template+`}}`).ok(200)
	rg := w.platform + "/resourceGroups/rg-made"
	if got := w.operator.get(rg + "/providers/Microsoft.Network/routeTables").ok(200).list("name"); !slices.Equal(got, []string{"rt-a", "rt-b"}) {
		t.Errorf("route tables are %v", got)
	}
	if got := made.str("properties.outputs.table.value"); got != rg+"/providers/Microsoft.Network/routeTables/rt-a" {
		t.Errorf("the output is %q: %s", got, made.raw)
	}
	w.operator.run("DELETE", rg, nil).ok(200)
}
