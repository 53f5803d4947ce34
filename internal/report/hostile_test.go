package report

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"aksid/internal/estate"
	"aksid/internal/finding"
)

const hostileSub = "/subscriptions/11111111-1111-1111-1111-111111111111"

// hostileCluster is what az aks show prints of a cluster with a name, a tag and an add-on of somebody's choice.
func hostileCluster(name, other string) string {
	text, err := json.Marshal(map[string]any{
		"id": hostileSub + "/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/" + name, "location": other, "tags": map[string]any{other: other},
		"identity": map[string]any{"type": "SystemAssigned", "principalId": "a0000000-0000-0000-0000-000000000001"},
		"properties": map[string]any{"nodeResourceGroup": other, "servicePrincipalProfile": map[string]any{"clientId": "msi"}, "agentPoolProfiles": []any{map[string]any{"name": other}},
			"addonProfiles": map[string]any{other: map[string]any{"enabled": true, "identity": map[string]any{"objectId": "a0000000-0000-0000-0000-000000000002", "resourceId": hostileSub + "/resourceGroups/" + other + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" + name}}}},
	})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// hostileGrants are roles that the cluster's identity has, by role definition and scope.
func hostileGrants(pairs ...string) string {
	var out []string
	for i := 0; i+1 < len(pairs); i += 2 {
		text, _ := json.Marshal(map[string]any{"id": fmt.Sprintf("%s/providers/Microsoft.Authorization/roleAssignments/e0000000-0000-0000-0000-%012d", pairs[i+1], i),
			"principalId": "a0000000-0000-0000-0000-000000000001", "principalType": "ServicePrincipal", "principalName": pairs[i],
			"roleDefinitionId": hostileSub + "/providers/Microsoft.Authorization/roleDefinitions/" + pairs[i], "scope": pairs[i+1]})
		out = append(out, string(text))
	}
	return "[" + strings.Join(out, ",") + "]"
}

func hugeRole(n int) string {
	actions := make([]string, n)
	for i := range actions {
		actions[i] = fmt.Sprintf("Microsoft.Network/*/thing%d/*", i)
	}
	text, _ := json.Marshal(map[string]any{"id": hostileSub + "/providers/Microsoft.Authorization/roleDefinitions/12345678-1234-1234-1234-123456789012",
		"properties": map[string]any{"roleName": "huge", "type": "CustomRole", "permissions": []any{map[string]any{"actions": actions}}, "assignableScopes": []any{hostileSub}}})
	return string(text)
}

// groups that are members of each other.
const cyclicGroups = `[{"id": "a0000000-0000-0000-0000-0000000000aa", "displayName": "a", "@odata.type": "#microsoft.graph.group", "members": [{"id": "a0000000-0000-0000-0000-0000000000bb"}]},
 {"id": "a0000000-0000-0000-0000-0000000000bb", "displayName": "b", "@odata.type": "#microsoft.graph.group", "members": [{"id": "a0000000-0000-0000-0000-0000000000aa"}, {"id": "a0000000-0000-0000-0000-000000000001"}]}]`

// cyclicPlan has locals, modules and resources that come from each other.
const cyclicPlan = `{"format_version": "1.2", "resource_changes": [
 {"address": "azurerm_kubernetes_cluster.a", "mode": "managed", "type": "azurerm_kubernetes_cluster", "name": "a", "change": {"actions": ["create"], "after": {"identity": [{"type": "UserAssigned"}]}}},
 {"address": "azurerm_user_assigned_identity.i", "mode": "managed", "type": "azurerm_user_assigned_identity", "name": "i", "change": {"actions": ["create"], "after": {}}},
 {"address": "module.m.azurerm_role_assignment.r", "module_address": "module.m", "mode": "managed", "type": "azurerm_role_assignment", "name": "r", "change": {"actions": ["create"], "after": {}}}],
 "configuration": {"root_module": {"resources": [
  {"address": "azurerm_kubernetes_cluster.a", "expressions": {"name": {"references": ["azurerm_user_assigned_identity.i.name"]}, "resource_group_name": {"references": ["azurerm_kubernetes_cluster.a.name"]}, "identity": [{"identity_ids": {"references": ["module.m.out"]}}]}},
  {"address": "azurerm_user_assigned_identity.i", "expressions": {"name": {"references": ["azurerm_kubernetes_cluster.a.name"]}, "resource_group_name": {"references": ["azurerm_user_assigned_identity.i.resource_group_name"]}}}],
  "module_calls": {"m": {"source": "./.", "expressions": {"in": {"references": ["module.m.out"]}}, "module": {"variables": {"in": {}},
   "outputs": {"out": {"expression": {"references": ["var.in", "azurerm_role_assignment.r.principal_id"]}}},
   "resources": [{"address": "azurerm_role_assignment.r", "expressions": {"principal_id": {"references": ["var.in"]}, "scope": {"references": ["azurerm_role_assignment.r.scope"]}}}]}}}}}}`

// cyclicTemplate has a variable and resources that come from each other.
const cyclicTemplate = `{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0", "parameters": {"p": {"type": "string", "defaultValue": "[parameters('q')]"}, "q": {"type": "string", "defaultValue": "[parameters('p')]"}},
 "resources": [{"type": "Microsoft.ContainerService/managedClusters", "apiVersion": "2024-05-01", "name": "[parameters('p')]", "properties": {}}]}`

// What files hold is bounded, read or refused with a word on why, and never printed as it is.
func TestHostileInput(t *testing.T) {
	const custom = "12345678-1234-1234-1234-123456789012"
	long := strings.Repeat("n", 1<<20)
	for name, c := range map[string]struct {
		files map[string]string
		err   string // "": there is a report
	}{
		"nested too deep":           {map[string]string{"a.json": strings.Repeat(`{"a":[`, 1<<20)}, "nested deeper than"},
		"too many values":           {map[string]string{"a.json": "[" + strings.Repeat("0,", 9<<20) + "0]"}, "more than"},
		"half a document":           {map[string]string{"a.json": hostileCluster("c", "x")[:200]}, "not JSON"},
		"no text at all":            {map[string]string{"a.json": string([]byte{0xff, 0xfe, 0x00, 0xd8})}, "not JSON"},
		"groups in each other":      {map[string]string{"a.json": hostileCluster("c", "x"), "groups.json": cyclicGroups, "grants.json": hostileGrants("acdd72a7-3385-48ef-bd42-f606fba81ae7", hostileSub)}, ""},
		"plan with cycles":          {map[string]string{"plan.json": cyclicPlan}, ""},
		"template with cycles":      {map[string]string{"main.json": cyclicTemplate}, "ircular"},
		"ids with control letters":  {map[string]string{"a.json": hostileCluster("c\x1b[31m\n\u202e", "evil\r\n\x00\x9b")}, ""},
		"names of a megabyte":       {map[string]string{"a.json": hostileCluster(long, long)}, ""},
		"role of 100,000 actions":   {map[string]string{"a.json": hostileCluster("c", "x"), "role.json": hugeRole(100_000), "grants.json": hostileGrants(custom, hostileSub, custom, hostileSub+"/resourceGroups/x")}, ""},
		"many roles for one":        {map[string]string{"a.json": hostileCluster("c", "x"), "grants.json": hostileGrants(slices.Repeat([]string{"b24988ac-6180-42a0-ab88-20f7382dd24c", hostileSub + "/resourceGroups/rg"}, 2000)...)}, ""},
		"an id that is not one":     {map[string]string{"a.json": `{"id": "/subscriptions//resourceGroups/ /providers/x", "identity": 7}`}, ""},
		"a list of what is no text": {map[string]string{"a.json": `[1, 2]`}, "no document"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range c.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			e, err := estate.Files{Path: dir}.Load(context.Background())
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || len(err.Error()) > 1000 {
					t.Fatalf("error %.1000v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				if len(err.Error()) > 1000 || strings.ContainsFunc(err.Error(), unicode.IsControl) {
					t.Fatalf("error %.1000q", err)
				}
				return // refused, with a word on it
			}
			var results []finding.Result
			for _, c := range e.Clusters {
				results = append(results, finding.Check(e, c))
			}
			for _, format := range Formats {
				out := New(e, slices.Values(results)).print(t, format, Table{})
				if i := strings.IndexFunc(out, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' || r == '\u202e' }); i >= 0 {
					t.Errorf("%s prints %q", format, out[max(0, i-40):i+5])
				}
			}
		})
	}
}
