package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const noLocalAccounts = `{"if": {"allOf": [{"field": "type", "equals": "Microsoft.ContainerService/managedClusters"},
	{"field": "Microsoft.ContainerService/managedClusters/disableLocalAccounts", "notEquals": true}]}, "then": {"effect": "[parameters('effect')]"}}`

// TestAzPolicy runs what the real az has for Azure Policy, as its guides do.
func TestAzPolicy(t *testing.T) {
	c := newAz(t)
	const rg = "rg-policy"
	c.group(t, rg)
	rules, params := filepath.Join(t.TempDir(), "rules.json"), `{"effect": {"type": "String", "allowedValues": ["Audit", "Deny", "Disabled"], "defaultValue": "Audit"}}`
	if err := os.WriteFile(rules, []byte(noLocalAccounts), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := c.ok(t, "policy", "definition", "show", "--name", "993c2fcd-2b29-49d2-9eb0-df2c3a730c32", "--query", "policyType", "-o", "tsv"); got != "BuiltIn" {
		t.Errorf("a built-in definition is %s", got)
	}
	c.ok(t, "policy", "definition", "create", "--name", "no-local", "--display-name", "No local accounts", "--mode", "Indexed", "--rules", rules, "--params", params)
	c.fails(t, "InvalidPolicyRule", "policy", "definition", "create", "--name", "bad", "--rules", `{"if": {"field": "name", "lessThan": 1}, "then": {"effect": "deny"}}`)
	definition := "/subscriptions/" + c.sub + "/providers/Microsoft.Authorization/policyDefinitions/no-local"
	c.ok(t, "policy", "set-definition", "create", "--name", "clusters", "--params", `{"effect": {"type": "String", "defaultValue": "Audit"}}`,
		"--definitions", `[{"policyDefinitionId": "`+definition+`", "policyDefinitionReferenceId": "local", "parameters": {"effect": {"value": "[parameters('effect')]"}}}]`)
	c.ok(t, "policy", "assignment", "create", "--name", "clusters", "--policy-set-definition", "clusters")

	create := []string{"aks", "create", "-g", rg, "-n", "aks1", "--no-ssh-key", "--enable-managed-identity", "-c", "1"}
	c.ok(t, create...)
	if got := c.ok(t, "policy", "state", "list", "--filter", "IsCompliant eq false", "--query", "[].join(' ', [policyDefinitionReferenceId, policyDefinitionAction, complianceState])", "-o", "tsv"); got != "local audit NonCompliant" {
		t.Errorf("not compliant: %s", got)
	}
	if got := c.ok(t, "policy", "state", "summarize", "-g", rg, "--query", "results.nonCompliantResources", "-o", "tsv"); got != "1" {
		t.Errorf("%s resources are not compliant", got)
	}
	c.ok(t, "policy", "state", "trigger-scan")

	c.ok(t, "policy", "assignment", "update", "--name", "clusters", "--params", `{"effect": {"value": "Deny"}}`)
	update := []string{"aks", "update", "-g", rg, "-n", "aks1", "--tags", "a=b"}
	c.fails(t, "RequestDisallowedByPolicy", update...)
	if r := c.az(t, "", update...); !strings.Contains(r.stderr, `"expression": "Microsoft.ContainerService/managedClusters/disableLocalAccounts"`) || !strings.Contains(r.stderr, "Type: PolicyViolation") {
		t.Errorf("az does not show what the policy found: %s", r.stderr)
	}
	c.ok(t, "policy", "assignment", "non-compliance-message", "create", "--name", "clusters", "--message", "Ask the platform team.")
	if r := c.az(t, "", update...); !strings.Contains(r.stderr, "was disallowed by policy. Reasons: 'Ask the platform team.'") {
		t.Errorf("the message of the assignment is not shown: %s", r.stderr)
	}
	c.ok(t, "policy", "exemption", "create", "--name", "for-now", "--policy-assignment", "/subscriptions/"+c.sub+"/providers/Microsoft.Authorization/policyAssignments/clusters",
		"--exemption-category", "Waiver", "-g", rg)
	c.ok(t, update...)
	c.ok(t, "policy", "exemption", "delete", "--name", "for-now", "-g", rg)
	c.fails(t, "InvalidDeletePolicyDefinitionRequest", "policy", "definition", "delete", "--name", "no-local")
	for _, kind := range []string{"assignment", "set-definition"} {
		c.ok(t, "policy", kind, "delete", "--name", "clusters")
	}
	c.ok(t, "policy", "definition", "delete", "--name", "no-local")
	c.ok(t, update...)
	c.testExport(t, update)
}

// testExport writes the approved pattern with the script that aksid exports, and runs into it.
func (c *azCloud) testExport(t *testing.T, update []string) {
	dir := t.TempDir()
	if r := c.run(t, "policy", "export", "-o", dir); r.code != 0 {
		t.Fatal(r.stderr)
	}
	script := filepath.Join(dir, "deploy.sh")
	for _, effect := range []string{"Audit", "Deny"} { // it can be run again
		if r := c.exec(t, "", script, c.sub, effect, "rg-identities"); r.code != 0 {
			t.Fatalf("%s: %s", effect, r.stderr)
		}
	}
	if got := c.ok(t, "policy", "assignment", "show", "--name", "aksid-identity-pattern", "--query", "parameters.allowedResourceGroups.value[0]", "-o", "tsv"); got != "rg-identities" {
		t.Errorf("the resource groups of the assignment are %s", got)
	}
	c.fails(t, "RequestDisallowedByPolicy", update...)
	if got := c.ok(t, "policy", "state", "list", "--filter", "ResourceType eq 'Microsoft.ContainerService/managedClusters' and IsCompliant eq false", "--query", "sort([].policyDefinitionReferenceId)[0]", "-o", "tsv"); got != "aksid-entra-and-azure-rbac" {
		t.Errorf("not compliant: %s", got)
	}
	c.ok(t, "policy", "assignment", "delete", "--name", "aksid-identity-pattern")
	c.ok(t, update...)
}
