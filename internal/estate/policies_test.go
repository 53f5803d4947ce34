package estate

import (
	"slices"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/policy"
)

func policyDefinition(id, effect string) map[string]any {
	return map[string]any{"id": id, "properties": map[string]any{"policyType": "BuiltIn", "mode": "All", "parameters": map[string]any{"effect": map[string]any{"type": "String", "defaultValue": effect}},
		"policyRule": map[string]any{"if": map[string]any{"field": "type", "equals": "Microsoft.Network/publicIPAddresses"}, "then": map[string]any{"effect": "[parameters('effect')]"}}}}
}

// What is assigned to a cluster's subscription is read with what can refuse a write; what only audits, of which initiatives have
// hundreds, is not. A collection that is saved holds the same.
func TestPoliciesAreRead(t *testing.T) {
	const builtIn = "/providers/Microsoft.Authorization/"
	f := freight(t)
	put := func(doc map[string]any) { f.docs[strings.ToLower(textAt(doc, "id"))] = doc }
	put(policyDefinition(builtIn+"policyDefinitions/denies", "deny"))
	put(policyDefinition(builtIn+"policyDefinitions/audits", "audit"))
	member := func(name string) map[string]any {
		return map[string]any{"policyDefinitionId": builtIn + "policyDefinitions/" + name, "policyDefinitionReferenceId": name,
			"parameters": map[string]any{"effect": map[string]any{"value": "[parameters('" + name + "Effect')]"}}}
	}
	put(map[string]any{"id": builtIn + "policySetDefinitions/set", "properties": map[string]any{
		"parameters":        map[string]any{"deniesEffect": map[string]any{"type": "String", "defaultValue": "Audit"}, "auditsEffect": map[string]any{"type": "String", "defaultValue": "AuditIfNotExists"}},
		"policyDefinitions": []any{member("denies"), member("audits")}}})
	put(map[string]any{"id": azure.SubscriptionID(platform).Resource(policy.TypeAssignment, "corp").String(), "properties": map[string]any{
		"policyDefinitionId": builtIn + "policySetDefinitions/set", "enforcementMode": "Default", "parameters": map[string]any{"deniesEffect": map[string]any{"value": "Deny"}}}})
	s := f.live()
	s.Keep = true
	e := load(t, s)
	denies := func(e *Estate) bool {
		id := nodeGroupID.Resource("Microsoft.Network/publicIPAddresses", "x")
		return slices.ContainsFunc(e.Policies().Evaluate(&policy.Resource{ID: id, Doc: map[string]any{"type": id.Type()}}, time.Time{}), policy.Outcome.Denies)
	}
	if !denies(e) {
		t.Errorf("nothing denies: %+v, incomplete %+v", e.Policies(), e.Incomplete)
	}
	for _, r := range f.requests {
		if strings.Contains(r, "policyDefinitions/audits") {
			t.Errorf("what only audits is read: %s", r)
		}
	}
	var saved strings.Builder
	if err := e.Save(&saved); err != nil {
		t.Fatal(err)
	}
	if !denies(load(t, Files{Path: write(t, "saved.json", saved.String())})) {
		t.Error("nothing denies in what was saved")
	}
}
