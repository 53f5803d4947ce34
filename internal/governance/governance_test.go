package governance

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2/hclparse"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/policy"
)

const (
	group   = "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg1"
	cluster = group + "/providers/Microsoft.ContainerService/managedClusters/aks1"
	good    = `{"id": "` + cluster + `", "name": "aks1", "location": "westeurope", "identity": {"type": "UserAssigned",
		"userAssignedIdentities": {"/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/RG-IDS/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id1": {}}},
		"properties": {"servicePrincipalProfile": {"clientId": "msi"}, "disableLocalAccounts": true, "aadProfile": {"managed": true, "enableAzureRBAC": true},
		"oidcIssuerProfile": {"enabled": true}, "securityProfile": {"workloadIdentity": {"enabled": true}}, "apiServerAccessProfile": {"disableRunCommand": true}}}`
)

// read loads an estate of files, by their names and contents.
func read(t *testing.T, files map[string]string) *estate.Estate {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e, err := estate.Files{Path: dir}.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func states(rows []Row) map[string]string {
	all := map[string]string{}
	for _, r := range rows {
		text := string(r.State)
		for _, reason := range r.Reasons {
			text += "; " + reason.String()
		}
		if r.Why != "" {
			text += "; " + r.Why
		}
		all[r.Definition] = text
	}
	return all
}

// Each definition of the pattern has a cluster that it is about, and is met by the approved one.
func TestPattern(t *testing.T) {
	now := time.Now()
	c := Choices{IdentityGroups: []string{"rg-ids", "rg-more"}}
	for name, state := range states(Audit(read(t, map[string]string{"c.json": good}), c.OfPattern(), now)) {
		if state != string(Compliant) {
			t.Errorf("the approved cluster: %s is %s", name, state)
		}
	}
	seen := map[string]bool{}
	for _, x := range []struct{ from, to, definition, want string }{
		{`"type": "UserAssigned"`, `"type": "SystemAssigned"`, "aksid-user-assigned-identity", "identity.type is SystemAssigned, expected: with UserAssigned"},
		{`"clientId": "msi"`, `"clientId": "22222222-2222-4222-8222-222222222222"`, "aksid-no-service-principal", "properties.servicePrincipalProfile.clientId is 22222222-2222-4222-8222-222222222222, expected: msi"},
		{`"disableLocalAccounts": true, `, ``, "aksid-no-local-accounts", "properties.disableLocalAccounts is missing, expected: true"},
		{`"enableAzureRBAC": true`, `"enableAzureRBAC": false`, "aksid-entra-and-azure-rbac", "properties.aadProfile.enableAzureRBAC is false, expected: true"},
		{`"oidcIssuerProfile": {"enabled": true}`, `"oidcIssuerProfile": {}`, "aksid-workload-identity", "properties.oidcIssuerProfile.enabled is missing, expected: true"},
		{`RG-IDS`, `rg-other`, "aksid-identity-resource-groups", "the number of [parameters('allowedResourceGroups')] that fit is 0, expected: not 0"},
		{`"disableLocalAccounts"`, `"podIdentityProfile": {"enabled": true}, "disableLocalAccounts"`, "aksid-no-pod-identity", "properties.podIdentityProfile.enabled is true, expected: not true"},
		{`"disableRunCommand": true`, `"disableRunCommand": false`, "aksid-no-run-command", "properties.apiServerAccessProfile.disableRunCommand is false, expected: true"},
	} {
		text := strings.Replace(good, x.from, x.to, 1)
		got := states(Audit(read(t, map[string]string{"c.json": text}), c.OfPattern(), now))
		if !strings.HasPrefix(got[x.definition], "non-compliant; ") || !strings.Contains(got[x.definition], x.want) {
			t.Errorf("%s: %s, want %s", x.definition, got[x.definition], x.want)
		}
		for name, state := range got {
			if name != x.definition && state != string(Compliant) {
				t.Errorf("%s in place of %s: %s is %s", x.to, x.from, name, state)
			}
		}
		seen[x.definition] = true
	}
	for _, d := range Pattern() {
		if !seen[d.Name] && d.Name != "aksid-no-privileged-roles-above-groups" {
			t.Errorf("%s is not tried", d.Name)
		}
	}
}

// The definition about roles is about role assignments, of applications and above groups.
func TestPrivilegedRoles(t *testing.T) {
	i := slices.IndexFunc(Pattern(), func(d *policy.Definition) bool { return d.Name == "aksid-no-privileged-roles-above-groups" })
	d := Pattern()[i]
	values, err := d.Bind(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		scope, role, kind string
		want              policy.State
	}{
		{"/subscriptions/s", "b24988ac-6180-42a0-ab88-20f7382dd24c", "ServicePrincipal", policy.NonCompliant},
		{"/subscriptions/s", "acdd72a7-3385-48ef-bd42-f606fba81ae7", "ServicePrincipal", policy.Compliant},
		{"/subscriptions/s", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "User", policy.Compliant},
		{"/subscriptions/s/resourceGroups/rg", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "ServicePrincipal", policy.Compliant},
	} {
		r := &policy.Resource{ID: azure.MustID(c.scope + "/providers/Microsoft.Authorization/roleAssignments/a"), Doc: map[string]any{"properties": map[string]any{
			"principalType": c.kind, "roleDefinitionId": "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/" + c.role}}}
		if got := d.Evaluate(r, values, policy.About{}); got.State != c.want {
			t.Errorf("%v: %s %s", c, got.State, got.Reason)
		}
	}
}

// What is assigned says what it would deny, and what is exempt.
func TestAssigned(t *testing.T) {
	files := map[string]string{"c.json": strings.Replace(good, `"disableLocalAccounts": true`, `"disableLocalAccounts": false`, 1),
		"a.json": `[{"id": "/subscriptions/11111111-1111-4111-8111-111111111111/providers/Microsoft.Authorization/policyAssignments/a1", "properties": {
			"policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/993c2fcd-2b29-49d2-9eb0-df2c3a730c32", "parameters": {"effect": {"value": "Deny"}}}}]`}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rows := Assigned(read(t, files), now)
	if len(rows) != 1 || !rows[0].Denies || rows[0].State != NonCompliant || rows[0].Effect != "Deny" {
		t.Fatalf("%+v", rows)
	}
	files["x.json"] = `[{"id": "` + group + `/providers/Microsoft.Authorization/policyExemptions/x1", "properties": {"exemptionCategory": "Waiver", "expiresOn": "2026-02-01T00:00:00Z",
		"policyAssignmentId": "/subscriptions/11111111-1111-4111-8111-111111111111/providers/Microsoft.Authorization/policyAssignments/a1"}}]`
	e := read(t, files)
	if rows = Assigned(e, now); len(rows) != 1 || rows[0].Denies || rows[0].State != Exempt {
		t.Errorf("exempt: %+v", rows)
	}
	got := states(Audit(e, BuiltIns(), now))
	if !strings.Contains(got["993c2fcd-2b29-49d2-9eb0-df2c3a730c32"], "exempt (waiver) by x1, until 2026-02-01") {
		t.Errorf("the built-in definition: %s", got["993c2fcd-2b29-49d2-9eb0-df2c3a730c32"])
	}
	if rows = Assigned(e, now.AddDate(0, 2, 0)); !rows[0].Denies {
		t.Errorf("an exemption that is over: %+v", rows)
	}
}

// A template that leaves a value to its deployment makes it unknown.
func TestPlanned(t *testing.T) {
	template := `{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0", "parameters": {"local": {"type": "bool"}},
		"resources": [{"type": "Microsoft.ContainerService/managedClusters", "apiVersion": "2024-01-01", "name": "aks1", "location": "westeurope", "identity": {"type": "SystemAssigned"},
		"properties": {"dnsPrefix": "a", "disableLocalAccounts": "[parameters('local')]", "agentPoolProfiles": [{"name": "p", "count": 1, "vmSize": "x", "mode": "System"}]}}]}`
	got := states(Audit(read(t, map[string]string{"t.json": template}), Choices{}.OfPattern(), time.Now()))
	for name, want := range map[string]string{"aksid-no-local-accounts": "unknown; not known: properties.disableLocalAccounts", "aksid-user-assigned-identity": "non-compliant", "aksid-no-run-command": "non-compliant"} {
		if !strings.HasPrefix(got[name], want) {
			t.Errorf("%s is %s, want %s", name, got[name], want)
		}
	}
}

// What is exported is read back, and says the same; the files hold together.
func TestExport(t *testing.T) {
	c := Choices{Effect: "Deny", IdentityGroups: []string{"rg-ids"}}
	files := map[string]File{}
	for _, f := range c.Export() {
		files[f.Path] = f
		if strings.HasSuffix(f.Path, ".json") && !json.Valid(f.Text) {
			t.Errorf("%s is no JSON", f.Path)
		}
	}
	for _, d := range Pattern() {
		read, err := Read(files["definitions/"+d.Name+"/azurepolicy.json"].Text)
		if err != nil || len(read) != 1 || read[0].Name != d.Name {
			t.Errorf("%s is not read back: %v", d.Name, err)
		}
		for _, path := range []string{"deploy.sh", "main.bicep", "README.md", "initiative/azurepolicyset.json"} {
			if !strings.Contains(string(files[path].Text), d.Name) {
				t.Errorf("%s lacks %s", path, d.Name)
			}
		}
	}
	all, err := Read(c.Documents())
	if err != nil || len(all) != len(Pattern())+len(registryPolicies) {
		t.Fatalf("%d definitions are read back: %v", len(all), err)
	}
	if got := all[0].Given["effect"]; got != "Deny" {
		t.Errorf("the initiative gives the effect %v", got)
	}
	if _, diagnostics := hclparse.NewParser().ParseHCL(files["main.tf"].Text, "main.tf"); diagnostics.HasErrors() {
		t.Errorf("main.tf: %v", diagnostics)
	}
	for path, want := range map[string]string{"main.tf": `default     = ["rg-ids"]`, "main.bicep": "param allowedResourceGroups array = [\n  'rg-ids'\n]", "deploy.sh": "effect=${2:-Deny}"} {
		if !strings.Contains(string(files[path].Text), want) {
			t.Errorf("%s lacks %q", path, want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{``, "no JSON"},
		{`3`, "neither a definition nor a list"},
		{`[3]`, "element 0 is no definition"},
		{`{"if": {}, "then": {}}`, "a rule alone"},
		{`{"properties": {"policyRule": {"if": {"field": "colour", "equals": 1}, "then": {"effect": "deny"}}}}`, "The field 'colour' is not supported"},
		{`[{"properties": {"policyDefinitions": [{"policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/none"}]}}]`, "neither in the file nor among the built-in"},
		{strings.Repeat(" ", MaxFile+1), "larger than 8 MiB"},
	} {
		if _, err := Read([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40s: %v, want %s", c.text, err, c.want)
		}
	}
	for _, p := range []string{"x", "=1", "none=1"} {
		if err := Give(Choices{}.OfPattern(), p); err == nil {
			t.Errorf("%s is taken", p)
		}
	}
	all := Choices{}.OfPattern()
	if err := Give(all, `allowedresourcegroups=["a"]`); err != nil {
		t.Error(err)
	}
}

// Files of definitions are anybody's: whatever they say, they are refused or read.
func FuzzRead(f *testing.F) {
	f.Add(string(Choices{}.Documents()))
	f.Add(`{"value": [{"name": "x", "properties": {"policyRule": {"if": {"field": "type", "like": "*"}, "then": {"effect": "audit"}}}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		all, err := Read([]byte(text))
		if err != nil {
			return
		}
		r := &policy.Resource{ID: azure.MustID(cluster), Doc: map[string]any{"properties": map[string]any{}}}
		for _, d := range all {
			if values, bad := d.Bind(d.Given); bad == nil {
				d.Evaluate(r, values, policy.About{})
			}
		}
	})
}
