package template

import (
	"encoding/json"
	"strings"
	"testing"

	"aksid/internal/azure"

	"github.com/rogpeppe/go-internal/txtar"
)

const freight = `{` + groupSchema + `,
	"resources": [
		{"type": "Microsoft.Authorization/roleAssignments", "apiVersion": "2022-04-01", "name": "[guid('pull')]",
			"scope": "[resourceId('Microsoft.ContainerRegistry/registries', 'acr')]",
			"properties": {"principalId": "[reference(resourceId('Microsoft.ContainerService/managedClusters', 'aks'), '2024-05-01').identityProfile.kubeletidentity.objectId]"}},
		{"type": "Microsoft.ContainerService/managedClusters", "apiVersion": "2024-05-01", "name": "aks", "identity": {"type": "SystemAssigned"},
			"properties": {"registry": "[reference(resourceId('Microsoft.ContainerRegistry/registries', 'acr'), '2023-07-01', 'Full').properties.loginServer]"}},
		{"type": "Microsoft.ContainerRegistry/registries", "apiVersion": "2023-07-01", "name": "acr", "sku": {"name": "Basic"}, "location": "uksouth"}
	],
	"outputs": {
		"server": {"type": "string", "value": "[toUpper(reference('acr').loginServer)]"},
		"password": {"type": "securestring", "value": "[listCredentials('acr', '2023-07-01').passwords[0].value]"}
	}}`

// cloud is what has been deployed so far.
type cloud map[string]map[string]any

func (c cloud) Resource(id azure.ID, _ string) (map[string]any, bool) {
	doc, ok := c[id.Key()]
	return doc, ok
}

func (c cloud) List(id azure.ID, function, version string, _ any) (any, bool) {
	if _, ok := c[id.Key()]; !ok || function != "listCredentials" || version != "2023-07-01" {
		return nil, false
	}
	return map[string]any{"passwords": []any{map[string]any{"value": "pw"}}}, true
}

// write stands for a resource provider: it adds what it makes of a resource.
func (c cloud) write(t *testing.T, r *Resource) {
	t.Helper()
	for _, u := range unknowns(map[string]any(r.Document)) {
		t.Errorf("%s is written with %s", r.Name, u)
	}
	doc := map[string]any{"id": r.ID.String(), "properties": map[string]any{
		"loginServer": r.Name + ".azurecr.io", "identityProfile": map[string]any{"kubeletidentity": map[string]any{"objectId": "oid-of-" + r.Name}}}}
	c[r.ID.Key()] = doc
}

// A deployment goes on by evaluating again with what exists: each resource is fully known when its turn comes.
func TestDeployInTurns(t *testing.T) {
	d, written := in(t, freight), cloud{}
	d.Existing = written
	var order []string
	for len(order) < 3 {
		r := d.Evaluate()
		if len(r.Errors) > 0 {
			t.Fatal(r.Errors)
		}
		for _, x := range r.Resources {
			if written[x.ID.Key()] == nil {
				written.write(t, x)
				order = append(order, x.Name)
				break
			}
		}
	}
	if got := strings.Join(order[:2], " "); got != "acr aks" {
		t.Errorf("order %v", order)
	}
	r := d.Evaluate()
	if got := r.Find(azure.MustID(r.Scope.String() + "/providers/microsoft.containerRegistry/registries/acr/providers/Microsoft.Authorization/roleAssignments/" + order[2])); got == nil ||
		compact(got.Document) != `{"properties":{"principalId":"oid-of-aks"}}` {
		t.Errorf("role assignment: %v", got)
	}
	if got := compact(r.Outputs[0].Value) + compact(r.Outputs[1].Value); got != `"ACR.AZURECR.IO""pw"` {
		t.Errorf("outputs: %s", got)
	}
}

// Before anything exists, a reference says which property of which resource it will be.
func TestRef(t *testing.T) {
	r := in(t, freight).Evaluate()
	last := r.Resources[2]
	u := last.Document["properties"].(map[string]any)["principalId"].(*Unknown)
	ref, ok := u.Ref()
	cluster := r.Find(ref.ID)
	if !ok || ref.Path != "properties.identityProfile.kubeletidentity.objectId" || cluster == nil || cluster.Name != "aks" || ref.Version != "2024-05-01" {
		t.Fatalf("%+v %v", ref, cluster)
	}
	if !last.After(cluster) || cluster.After(last) || last.After(last) {
		t.Error("the role assignment comes after the cluster")
	}
	if _, ok := r.Outputs[0].Value.(*Unknown).Ref(); ok {
		t.Error("a text made from a property is not that property")
	}
	if refs := r.Outputs[0].Value.(*Unknown).Refs; len(refs) != 1 || refs[0].Path != "properties.loginServer" {
		t.Errorf("%+v", refs)
	}
	if last.Written != "[guid('pull')]" {
		t.Error(last.Written)
	}
	if ref, _ := r.Outputs[1].Value.(*Unknown).Ref(); ref.Function != "listCredentials" || ref.Path != "passwords[0].value" {
		t.Errorf("%+v", ref)
	}
	if r.Find(azure.MustID("/subscriptions/x")) != nil {
		t.Error("found what is not there")
	}
}

// A template can be evaluated by many at once.
func TestConcurrently(t *testing.T) {
	d := in(t, freight)
	results := make(chan string)
	for range 4 {
		go func() { results <- show(d.Evaluate()) }()
	}
	first := <-results
	for range 3 {
		if other := <-results; other != first {
			t.Errorf("%s\n%s", first, other)
		}
	}
}

func BenchmarkEvaluate(b *testing.B) {
	archive, err := txtar.ParseFile("testdata/modules.txtar")
	if err != nil {
		b.Fatal(err)
	}
	d := deploymentOf(b, archive)
	b.ReportAllocs()
	for b.Loop() {
		d.Evaluate()
	}
}

// After sees through the deployments that resources are nested in.
func TestAfterNested(t *testing.T) {
	nested := func(resource string) string {
		return `"properties": {"mode": "Incremental", "expressionEvaluationOptions": {"scope": "inner"}, "template": {` + groupSchema + `, "resources": [` + resource + `]}}`
	}
	site := func(name string) string {
		return `{"type": "Microsoft.Web/sites", "apiVersion": "2021-04-01", "name": "` + name + `"}`
	}
	r := in(t, `{`+groupSchema+`, "resources": [
		{"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "second", "dependsOn": ["first"], `+nested(site("b"))+`},
		{"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "first", `+nested(site("a"))+`},
		{"condition": "[greater(length(deployment().properties.templateHash), 3)]", "type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "third", `+nested(site("c"))+`}]}`).Evaluate()
	by := map[string]*Resource{}
	for x := range r.All() {
		by[x.Name] = x
	}
	if len(by) != 6 || len(r.Errors) > 0 {
		t.Fatal(by, r.Errors)
	}
	if !by["b"].After(by["a"]) || by["a"].After(by["b"]) || by["c"].After(by["a"]) {
		t.Error("b comes after a, c after nothing")
	}
	if by["c"].Deployment != by["third"] || !isUnknown(by["c"].Condition) || by["a"].Condition != true {
		t.Error("a nested resource has its deployment's condition")
	}
	for range r.All() {
		break // an iteration may end early
	}
}

// Linked templates are followed if the caller can.
func TestLinked(t *testing.T) {
	d := in(t, `{`+groupSchema+`, "resources": [{"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "linked",
		"properties": {"mode": "Incremental", "expressionEvaluationOptions": {"scope": "inner"}, "templateLink": {"uri": "https://example.com/t.json"}, "parameters": {"n": {"value": "x"}}}}],
		"outputs": {"o": {"type": "string", "value": "[reference('linked').outputs.n.value]"}}}`)
	if r := d.Evaluate(); len(r.Errors) > 0 || r.Resources[0].Nested != nil || !isUnknown(r.Outputs[0].Value) {
		t.Errorf("nobody follows the link: %+v", r)
	}
	d.Linked = func(uri string) (*Template, error) {
		return Parse([]byte(`{` + groupSchema + `, "parameters": {"n": {"type": "string"}}, "resources": [], "outputs": {"n": {"type": "string", "value": "[concat(parameters('n'), '` + uri + `')]"}}}`))
	}
	if r := d.Evaluate(); len(r.Errors) > 0 || r.Outputs[0].Value != "xhttps://example.com/t.json" {
		t.Errorf("%+v", r)
	}
	d.Linked = func(string) (*Template, error) { return Parse([]byte(`{`)) }
	if r := d.Evaluate(); len(r.Errors) != 1 || !strings.Contains(r.Errors[0].Message, "parse failed") {
		t.Errorf("%+v", r.Errors)
	}
}

// Levels, and what only some of them can ask.
func TestLevels(t *testing.T) {
	for _, c := range []struct{ schema, typ, id, expr, want string }{
		{"subscriptionDeploymentTemplate", "Microsoft.Resources/resourceGroups", "/subscriptions/11068ed9-6c31-4a47-8183-4eca6d84bb32/resourceGroups/x", "deployment().location", "westeurope"},
		{"subscriptionDeploymentTemplate", "Microsoft.Authorization/policyAssignments", "/subscriptions/11068ed9-6c31-4a47-8183-4eca6d84bb32/providers/Microsoft.Authorization/policyAssignments/x", "subscription().id", "/subscriptions/11068ed9-6c31-4a47-8183-4eca6d84bb32"},
		{"managementGroupDeploymentTemplate", "Microsoft.Authorization/policyAssignments", "/providers/Microsoft.Management/managementGroups/mg/providers/Microsoft.Authorization/policyAssignments/x", "managementGroup().name", "mg"},
		{"tenantDeploymentTemplate", "Microsoft.Management/managementGroups", "/providers/Microsoft.Management/managementGroups/x", "tenant().tenantId", "aaaaaaaa-0000-0000-0000-000000000001"},
	} {
		r := in(t, `{"$schema": "https://schema.management.azure.com/schemas/2019-08-01/`+c.schema+`.json#", "contentVersion": "1.0.0.0", "resources": [
			{"type": "`+c.typ+`", "apiVersion": "2021-04-01", "name": "x"}], "outputs": {"o": {"type": "string", "value": "[`+c.expr+`]"}}}`).Evaluate()
		if len(r.Errors) > 0 || r.Resources[0].ID.String() != c.id || r.Outputs[0].Value != c.want {
			t.Errorf("%s: %v %s %v", c.schema, r.Errors, r.Resources[0].ID, r.Outputs)
		}
	}
}

// The target of a nested deployment, in each way that it can be said.
func TestTargets(t *testing.T) {
	for where, want := range map[string]string{
		`"resourceGroup": "other"`:                                                       "/subscriptions/11068ed9-6c31-4a47-8183-4eca6d84bb32/resourceGroups/other",
		`"subscriptionId": "11111111-0000-0000-0000-000000000001"`:                       "/subscriptions/11111111-0000-0000-0000-000000000001",
		`"subscriptionId": "11111111-0000-0000-0000-000000000001", "resourceGroup": "g"`: "/subscriptions/11111111-0000-0000-0000-000000000001/resourceGroups/g",
		`"scope": "/"`: "/",
		`"scope": "Microsoft.Management/managementGroups/m"`:                                               "/providers/Microsoft.Management/managementGroups/m",
		`"scope": "/subscriptions/11111111-0000-0000-0000-000000000001"`:                                   "/subscriptions/11111111-0000-0000-0000-000000000001",
		`"scope": "[format('/subscriptions/{0}/resourceGroups/{1}', subscription().subscriptionId, 'g')]"`: "/subscriptions/11068ed9-6c31-4a47-8183-4eca6d84bb32/resourceGroups/g",
	} {
		r := in(t, `{`+groupSchema+`, "resources": [{"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "n", `+where+`,
			"properties": {"mode": "Incremental", "expressionEvaluationOptions": {"scope": "inner"}, "template": {`+groupSchema+`, "resources": []}}}]}`).Evaluate()
		if len(r.Errors) > 0 || r.Resources[0].Nested.Scope.String() != want {
			t.Errorf("%s: %v %v", where, r.Errors, r.Resources[0].Nested)
		}
	}
}

// resourceGroup().location of a nested deployment is that of the group which the template makes, or of one that exists.
func TestGroupLocation(t *testing.T) {
	nested := func(group string) string {
		return `{"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "in-` + group + `", "resourceGroup": "` + group + `",
			"properties": {"mode": "Incremental", "expressionEvaluationOptions": {"scope": "inner"}, "template": {` + groupSchema + `, "resources": [],
			"outputs": {"l": {"type": "string", "value": "[resourceGroup().location]"}, "t": {"type": "object", "value": "[resourceGroup().tags]"}}}}}`
	}
	d := in(t, `{"$schema": "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#", "contentVersion": "1.0.0.0", "resources": [
		{"type": "Microsoft.Resources/resourceGroups", "apiVersion": "2022-09-01", "name": "made", "location": "uksouth"}, `+nested("made")+`, `+nested("there")+`, `+nested("unknown")+`]}`)
	d.Existing = cloud{azure.SubscriptionID(d.Subscription.String()).Join("resourceGroups", "there").Key(): {"location": "japaneast", "tags": map[string]any{"a": json.Number("1")}}}
	r := d.Evaluate()
	got := map[string]string{}
	for _, x := range r.Resources {
		if x.Nested != nil {
			got[x.Name] = compact(x.Nested.Outputs[0].Value) + compact(x.Nested.Outputs[1].Value)
		}
	}
	for name, want := range map[string]string{
		"in-made":    `"uksouth""[resourceGroup().tags]" {is tags /subscriptions/11068ed9-6c31-4a47-8183-4eca6d84bb32/resourceGroups/made}`,
		"in-there":   `"japaneast"{"a":1}`,
		"in-unknown": `"[resourceGroup().location]" {is location /subscriptions/11068ed9-6c31-4a47-8183-4eca6d84bb32/resourceGroups/unknown}"[resourceGroup().tags]" {is tags /subscriptions/11068ed9-6c31-4a47-8183-4eca6d84bb32/resourceGroups/unknown}`,
	} {
		if got[name] != want {
			t.Errorf("%s: %s", name, got[name])
		}
	}
	if len(r.Errors) > 0 {
		t.Error(r.Errors)
	}
}

func TestErrorAzure(t *testing.T) {
	_, err := Parse([]byte(`{"resources": []}`))
	e := err.(*Error).Azure()
	if e.Status != 400 || e.Code != "InvalidTemplate" || !strings.Contains(string(e.Body()), "Required property '$schema' not found in JSON") {
		t.Errorf("%+v", e)
	}
}
