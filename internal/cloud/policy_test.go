package cloud_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	authorizationPath = "/providers/Microsoft.Authorization/"
	statesPath        = "/providers/Microsoft.PolicyInsights/policyStates/latest/"
)

// policyWorld has a definition that wants route tables to keep BGP routes, and one that gives resources a tag.
type policyWorld struct {
	*world
	rg, table, keep string
}

func newPolicyWorld(t *testing.T) *policyWorld {
	t.Helper()
	w := &policyWorld{world: newWorld(t)}
	w.rg = w.group(w.platform, "rg1")
	w.table = w.rg + "/providers/Microsoft.Network/routeTables/r1"
	w.keep = w.define("keep-routes", obj{"allOf": []obj{{"field": "type", "equals": "Microsoft.Network/routeTables"},
		{"field": "Microsoft.Network/routeTables/disableBgpRoutePropagation", "equals": true}}}, obj{"effect": "[parameters('effect')]"})
	return w
}

func (w *policyWorld) define(name string, when, then obj) string {
	path := w.platform + authorizationPath + "policyDefinitions/" + name
	properties := obj{"displayName": "Policy " + name, "mode": "Indexed", "policyRule": obj{"if": when, "then": then}}
	if then["effect"] == "[parameters('effect')]" {
		properties["parameters"] = obj{"effect": obj{"type": "String", "allowedValues": []string{"Audit", "Deny", "Disabled"}, "defaultValue": "Deny"}}
	}
	w.operator.put(path, obj{"properties": properties}).ok(201)
	return path
}

func (w *policyWorld) assign(scope, name, definition string, more obj) string {
	path := scope + authorizationPath + "policyAssignments/" + name
	properties := obj{"policyDefinitionId": definition}
	for k, v := range more {
		properties[k] = v
	}
	w.operator.put(path, obj{"properties": properties}).ok(201)
	return path
}

func routes(off bool) obj {
	return obj{"location": "westeurope", "properties": obj{"disableBgpRoutePropagation": off}}
}

// TestPolicyDeny refuses what an assigned definition denies, in Azure's words, whoever asks and however.
func TestPolicyDeny(t *testing.T) {
	w := newPolicyWorld(t)
	op := w.operator
	a := w.assign(w.platform, "a1", w.keep, nil)
	r := op.put(w.table, routes(true))
	r.refused(403, "RequestDisallowedByPolicy", "Resource 'r1' was disallowed by policy. Policy identifiers: '[{\"policyAssignment\":{\"name\":\"a1\",\"id\":\""+a+
		"\"},\"policyDefinition\":{\"name\":\"Policy keep-routes\",\"id\":\""+w.keep+"\"}}]'.")
	info := `"additionalInfo":[{"type":"PolicyViolation","info":{"evaluationDetails":{"evaluatedExpressions":[` +
		`{"result":"True","expressionKind":"Field","expression":"type","path":"type","expressionValue":"Microsoft.Network/routeTables","targetValue":"Microsoft.Network/routeTables","operator":"Equals"},` +
		`{"result":"True","expressionKind":"Field","expression":"Microsoft.Network/routeTables/disableBgpRoutePropagation","path":"properties.disableBgpRoutePropagation","expressionValue":true,"targetValue":true,"operator":"Equals"}]}`
	if !strings.Contains(r.raw, info) || !strings.Contains(r.raw, `"target":"r1"`) {
		t.Errorf("the answer lacks its details: %s", r.raw)
	}
	op.put(w.table, routes(false)).ok(201)
	op.do("PATCH", w.table, obj{"tags": obj{"a": "b"}}).ok(200)
	op.put(w.table, routes(true)).refused(403, "RequestDisallowedByPolicy")

	u := w.application("u") // who may not write learns of no policy
	u.put(w.table, routes(true)).refused(403, "AuthorizationFailed")

	template := obj{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
		"resources": []obj{{"type": "Microsoft.Network/routeTables", "apiVersion": "2022-07-01", "name": "r2", "location": "westeurope", "properties": obj{"disableBgpRoutePropagation": true}}}}
	d := op.put(w.rg+"/providers/Microsoft.Resources/deployments/d1", obj{"properties": obj{"mode": "Incremental", "template": template}})
	d.refused(400, "InvalidTemplateDeployment", "because of policy violation")
	if !strings.Contains(d.raw, `"code":"RequestDisallowedByPolicy"`) {
		t.Errorf("the preflight lacks the refusal: %s", d.raw)
	}
}

// TestPolicyKeeps refuses to delete what a policy with denyAction keeps, in Azure's words: by itself, and with its group where the
// policy says so; not what goes with its parent, and not what is exempt.
func TestPolicyKeeps(t *testing.T) {
	w := newPolicyWorld(t)
	op := w.operator
	when := obj{"allOf": []obj{{"field": "type", "equals": "Microsoft.Network/routeTables"}, {"field": "tags['env']", "equals": "prod"}}}
	kept := w.define("keep", when, obj{"effect": "denyAction", "details": obj{"actionNames": []string{"delete"}, "cascadeBehaviors": obj{"resourceGroup": "deny"}}})
	alone := w.platform + authorizationPath + "policyDefinitions/alone"
	op.put(alone, obj{"properties": obj{"mode": "All", "policyRule": obj{"if": obj{"field": "type", "equals": "Microsoft.Network/routeTables/routes"},
		"then": obj{"effect": "DenyAction", "details": obj{"actionNames": []string{"Delete"}}}}}}).ok(201)
	a := w.assign(w.rg, "a1", kept, nil)
	op.put(w.table, obj{"location": "westeurope", "tags": obj{"env": "prod"}}).ok(201)
	w.application("u").delete(w.table).refused(403, "AuthorizationFailed")
	r := op.delete(w.table)
	r.refused(403, "RequestDisallowedByPolicy", "Deletion of resource 'r1' was disallowed by policy. Policy identifiers: '[{\"policyAssignment\":{\"name\":\"a1\",\"id\":\""+a+
		"\"},\"policyDefinition\":{\"name\":\"Policy keep\",\"id\":\""+kept+"\"}}]'.")
	if !strings.Contains(r.raw, `"policyDefinitionEffect":"denyAction"`) {
		t.Errorf("the answer lacks its details: %s", r.raw)
	}
	op.delete(w.rg).refused(403, "RequestDisallowedByPolicy", "Deletion of resource 'r1' was disallowed by policy.")
	op.do("PATCH", w.table, obj{"tags": obj{"env": "test"}}).ok(200)
	op.delete(w.table).ok(200)

	op.put(w.table, obj{"location": "westeurope", "tags": obj{"env": "prod"}}).ok(201)
	b := w.assign(w.platform, "a2", alone, obj{"nonComplianceMessages": []obj{{"message": "Routes stay."}}})
	hop := obj{"properties": obj{"addressPrefix": "10.0.0.0/8", "nextHopType": "Internet"}}
	op.put(w.table+"/routes/x", hop).ok(201)
	op.delete(w.table+"/routes/x").refused(403, "RequestDisallowedByPolicy", "Deletion of resource 'x' was disallowed by policy. Reasons: 'Routes stay.'. See error details for policy resource IDs.")
	op.put(w.rg+authorizationPath+"policyExemptions/e1", obj{"properties": obj{"policyAssignmentId": a, "exemptionCategory": "Waiver"}}).ok(201)
	op.delete(w.table).ok(200) // its route goes with it
	op.delete(b).ok(200)
	op.delete(a).ok(200)
	op.delete(w.rg).ok(202)
}

// TestPolicyReach goes through scopes, modes of enforcement, exemptions and parameters.
func TestPolicyReach(t *testing.T) {
	w := newPolicyWorld(t)
	op := w.operator
	other := w.group(w.platform, "rg2")
	set := w.platform + authorizationPath + "policySetDefinitions/s1"
	op.put(set, obj{"properties": obj{"parameters": obj{"how": obj{"type": "String", "defaultValue": "Deny"}}, "policyDefinitions": []obj{
		{"policyDefinitionId": w.keep, "policyDefinitionReferenceId": "keep", "parameters": obj{"effect": obj{"value": "[parameters('how')]"}}},
		{"policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/da6e2401-19da-4532-9141-fb8fbde08431"}}}}).ok(201)
	refused := func(what string, want bool) {
		t.Helper()
		if r := op.put(w.table, routes(true)); (r.status == 403) != want {
			t.Errorf("%s: %d %s", what, r.status, r.raw)
		}
		op.delete(w.table)
	}
	for _, c := range []struct {
		what, scope, of string
		more            obj
		want            bool
	}{
		{"a set", w.platform, set, nil, true},
		{"a set with a parameter", w.platform, set, obj{"parameters": obj{"how": obj{"value": "Audit"}}}, false},
		{"the resource group", w.rg, w.keep, nil, true},
		{"another resource group", other, w.keep, nil, false},
		{"not enforced", w.platform, w.keep, obj{"enforcementMode": "DoNotEnforce"}, false},
		{"left out", w.platform, w.keep, obj{"notScopes": []string{w.rg}}, false},
		{"another one left out", w.platform, w.keep, obj{"notScopes": []string{other}}, true},
		{"the effect audit", w.platform, w.keep, obj{"parameters": obj{"effect": obj{"value": "Audit"}}}, false},
	} {
		path := w.assign(c.scope, "a1", c.of, c.more)
		refused(c.what, c.want)
		op.delete(path).ok(200)
	}
	a := w.assign(w.platform, "a1", set, nil)
	x := w.rg + authorizationPath + "policyExemptions/x1"
	op.put(x, obj{"properties": obj{"policyAssignmentId": a, "exemptionCategory": "Waiver", "policyDefinitionReferenceIds": []string{"keep"}, "expiresOn": w.clock.Now().Add(time.Minute).UTC().Format(time.RFC3339)}}).ok(201)
	refused("an exemption", false)
	w.clock.Add(2 * time.Minute)
	refused("an exemption that is over", true)
}

// TestPolicyAmends carries out modify and append before the resource is written.
func TestPolicyAmends(t *testing.T) {
	w := newPolicyWorld(t)
	op := w.operator
	tag := w.define("tag", obj{"field": "tags['owner']", "exists": false},
		obj{"effect": "modify", "details": obj{"roleDefinitionIds": []string{"/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c"},
			"operations": []obj{{"operation": "add", "field": "tags['owner']", "value": "[resourceGroup().name]"}}}})
	w.assign(w.rg, "a1", tag, nil)
	if got := op.put(w.table, routes(false)).ok(201).str("tags.owner"); got != "rg1" {
		t.Errorf("the owner is %q", got)
	}
	if got := op.do("PATCH", w.table, obj{"tags": obj{"owner": "me"}}).ok(200).str("tags.owner"); got != "me" {
		t.Errorf("the owner is %q", got)
	}
}

// TestPolicyChildren looks at children that are stored in their parent, under their own type.
func TestPolicyChildren(t *testing.T) {
	w := newPolicyWorld(t)
	op := w.operator
	vnet := w.rg + "/providers/Microsoft.Network/virtualNetworks/v1"
	op.put(vnet, obj{"location": "westeurope", "properties": obj{"addressSpace": obj{"addressPrefixes": []string{"10.0.0.0/16"}}}}).ok(201)
	path := w.platform + authorizationPath + "policyDefinitions/small"
	op.put(path, obj{"properties": obj{"mode": "All", "policyRule": obj{"if": obj{"allOf": []obj{{"field": "type", "equals": "Microsoft.Network/virtualNetworks/subnets"},
		{"field": "Microsoft.Network/virtualNetworks/subnets/addressPrefix", "like": "*/16"}}}, "then": obj{"effect": "deny"}}}}).ok(201)
	w.assign(w.platform, "a1", path, obj{"nonComplianceMessages": []obj{{"message": "Ask the network team."}}})
	op.put(vnet+"/subnets/s1", obj{"properties": obj{"addressPrefix": "10.0.0.0/16"}}).refused(403, "RequestDisallowedByPolicy", "Resource 's1' was disallowed by policy. Reasons: 'Ask the network team.'. See error details for policy resource IDs.")
	op.put(vnet+"/subnets/s1", obj{"properties": obj{"addressPrefix": "10.0.0.0/24"}}).ok(201)
}

// TestPolicyStates counts what is compliant, at every scope that clients ask at.
func TestPolicyStates(t *testing.T) {
	w := newPolicyWorld(t)
	op := w.operator
	a := w.assign(w.platform, "a1", w.keep, obj{"parameters": obj{"effect": obj{"value": "Audit"}}})
	op.put(w.table, routes(true)).ok(201)
	good := w.rg + "/providers/Microsoft.Network/routeTables/r2"
	op.put(good, routes(false)).ok(201)
	for _, c := range []struct{ at, want string }{
		{w.platform, "r1 NonCompliant, r2 Compliant"},
		{w.rg, "r1 NonCompliant, r2 Compliant"},
		{w.table, "r1 NonCompliant"},
		{a, "r1 NonCompliant, r2 Compliant"},
		{w.keep, "r1 NonCompliant, r2 Compliant"},
		{w.platform + authorizationPath + "policyAssignments/none", ""},
		{w.hub, ""},
	} {
		r := op.do("POST", c.at+statesPath+"queryResults", nil).ok(200)
		var got []string
		for i, state := range r.list("complianceState") {
			got = append(got, strings.TrimPrefix(r.list("resourceId")[i], w.rg+"/providers/Microsoft.Network/routeTables/")+" "+state)
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %v, want %s", c.at, got, c.want)
		}
	}
	if got := op.do("POST", w.platform+statesPath+"queryResults?$filter=IsCompliant+eq+false+and+ResourceType+eq+'microsoft.network/routetables'&$top=5", nil).ok(200).list("policyDefinitionAction"); !slices.Equal(got, []string{"audit"}) {
		t.Errorf("filtered: %v", got)
	}
	op.do("POST", w.platform+statesPath+"queryResults?$filter=startswith(x,'y')", nil).refused(400, "UnsupportedQuery")
	r := op.do("POST", w.platform+statesPath+"summarize", nil).ok(200)
	if !strings.Contains(r.raw, `"nonCompliantPolicies":1,"nonCompliantResources":1`) {
		t.Errorf("summary: %s", r.raw)
	}
	op.do("POST", w.platform+statesPath+"triggerEvaluation", nil).ok(202)
	x := w.rg + authorizationPath + "policyExemptions/x1"
	op.put(x, obj{"properties": obj{"policyAssignmentId": a, "exemptionCategory": "Mitigated"}}).ok(201)
	if got := op.do("POST", w.platform+statesPath+"queryResults", nil).ok(200).list("complianceState"); !slices.Equal(got, []string{"Exempt", "Exempt"}) {
		t.Errorf("exempt: %v", got)
	}
	u := w.application("u")
	u.do("POST", w.platform+statesPath+"queryResults", nil).refused(403, "AuthorizationFailed")
}

// TestPolicyDefinitions writes and lists definitions, and keeps what is in use.
func TestPolicyDefinitions(t *testing.T) {
	w := newPolicyWorld(t)
	op := w.operator
	const builtIn = "/providers/Microsoft.Authorization/policyDefinitions/993c2fcd-2b29-49d2-9eb0-df2c3a730c32"
	w.application("nobody").get(builtIn).ok(200)
	if got := op.get(w.platform + authorizationPath + "policyDefinitions?$filter=policyType+eq+'Custom'").ok(200).list("name"); !slices.Equal(got, []string{"keep-routes"}) {
		t.Errorf("custom definitions: %v", got)
	}
	if n := len(op.get(w.platform + authorizationPath + "policyDefinitions").ok(200).list("name")); n < 50 {
		t.Errorf("%d definitions with the built-in ones", n)
	}
	op.get(w.platform+authorizationPath+"policyDefinitions/none").refused(404, "PolicyDefinitionNotFound")
	op.put(w.rg+authorizationPath+"policyDefinitions/d1", obj{"properties": obj{"policyRule": obj{}}}).refused(400, "InvalidCreatePolicyDefinitionRequest")
	op.put(w.platform+authorizationPath+"policyDefinitions/d1", obj{"properties": obj{"policyRule": obj{"if": obj{"field": "name", "lessThan": 1}, "then": obj{"effect": "deny"}}}}).
		refused(400, "InvalidPolicyRule", "Could not find member 'lessThan' on object of type 'LeafExpression'")
	op.put(w.keep, obj{"properties": obj{"policyRule": obj{"if": obj{"field": "name", "equals": "x"}, "then": obj{"effect": "deny"}}}}).refused(400, "InvalidPolicyParameterUpdate", "'effect' were not found")
	a := w.assign(w.platform, "a1", w.keep, nil)
	op.delete(w.keep).refused(400, "InvalidDeletePolicyDefinitionRequest", a)
	op.put(w.platform+authorizationPath+"policyAssignments/a2", obj{"properties": obj{"policyDefinitionId": w.keep, "parameters": obj{"effect": obj{"value": "deny"}}}}).
		refused(400, "PolicyParameterValueNotAllowed", "The value 'deny' is not allowed for policy parameter 'effect' in policy definition 'keep-routes'. The allowed values are 'Audit, Deny, Disabled'.")
	op.put(w.hub+authorizationPath+"policyAssignments/a2", obj{"properties": obj{"policyDefinitionId": w.keep}}).refused(400, "InvalidCreatePolicyAssignmentRequest", "is not defined at the scope")
	if got := op.get(w.table + authorizationPath + "policyAssignments").ok(200).list("id"); !slices.Equal(got, []string{a}) {
		t.Errorf("what governs a resource: %v", got)
	}
	op.delete(a).ok(200)
	op.delete(w.keep).ok(200)
	op.delete(w.keep).ok(204)
}

// A policy that cannot be evaluated denies, as on Azure.
func TestPolicyFails(t *testing.T) {
	w := newPolicyWorld(t)
	broken := w.define("broken", obj{"value": "[substring(field('name'), 0, 9)]", "equals": "x"}, obj{"effect": "audit"})
	path := w.assign(w.platform, "a1", broken, nil)
	w.operator.put(w.table, routes(false)).refused(403, "RequestDisallowedByPolicy", "could not be evaluated")
	w.operator.put(path, obj{"properties": obj{"policyDefinitionId": broken, "enforcementMode": "DoNotEnforce"}}).ok(201)
	w.operator.put(w.table, routes(false)).ok(201)
}

// AKS is refused too: what it makes in the node resource group is under the same policies.
func TestPolicyForAKS(t *testing.T) {
	w := newPolicyWorld(t)
	noAddresses := w.define("no-addresses", obj{"allOf": []obj{{"field": "type", "equals": "Microsoft.Network/publicIPAddresses"}}}, obj{"effect": "deny"})
	w.assign(w.platform, "a1", noAddresses, nil)
	id := w.rg + "/providers/Microsoft.ContainerService/managedClusters/aks1"
	w.clock.Run()
	w.operator.run("PUT", id, obj{"location": "westeurope", "identity": obj{"type": "SystemAssigned"}, "properties": obj{"dnsPrefix": "a", "agentPoolProfiles": []obj{pool(nil)}}})
	if got := w.operator.get(id).ok(200).str("properties.provisioningState"); got != "Failed" {
		t.Errorf("the cluster is %s", got)
	}
	events := w.operator.get(w.platform + "/providers/microsoft.insights/eventtypes/management/values?$filter=eventTimestamp+ge+'2000-01-01T00:00:00Z'")
	if !strings.Contains(events.raw, "RequestDisallowedByPolicy") {
		t.Error("the activity log does not tell why")
	}
}
