package remedy

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/rogpeppe/go-internal/diff"
	"golang.org/x/tools/txtar"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/template"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	platform = "/subscriptions/11111111-1111-1111-1111-111111111111"
	hub      = "/subscriptions/22222222-2222-2222-2222-222222222222"
	nodes    = platform + "/resourceGroups/MC_rg_c1"
	subnet   = hub + "/resourcegroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet/subnets/snet"
	registry = platform + "/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/acr1"
	control  = "a0000000-0000-0000-0000-000000000001"
	kubelet  = "a0000000-0000-0000-0000-000000000002"
	system   = "a0000000-0000-0000-0000-000000000003"
	pipeline = "a0000000-0000-0000-0000-000000000004"
	apps     = hub + "/resourcegroups/rg-apps/providers/microsoft.managedidentity/userassignedidentities/id-app"
	vault    = hub + "/resourceGroups/rg-hub/providers/Microsoft.KeyVault/vaults/kv"
	issuer   = "https://westeurope.oic.prod-aks.azure.com/t/1/"
)

// world is an estate of two clusters: one brings its identity along, one has it made.
func world(t *testing.T, more ...map[string]string) *estate.Estate {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"c1.json": `{"id": "` + platform + `/resourcegroups/rg/providers/Microsoft.ContainerService/managedClusters/c1", "identity": {"type": "UserAssigned", "userAssignedIdentities":
			{"` + platform + `/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-c1": {"principalId": "` + control + `"}}},
			"properties": {"nodeResourceGroup": "MC_rg_c1", "oidcIssuerProfile": {"enabled": true, "issuerURL": "` + issuer + `"}, "identityProfile": {"kubeletidentity": {"resourceId": "` + nodes + `/providers/Microsoft.ManagedIdentity/userAssignedIdentities/c1-agentpool", "objectId": "` + kubelet + `"}}}}`,
		"c2.json": `{"id": "` + hub + `/resourceGroups/rg2/providers/Microsoft.ContainerService/managedClusters/c2", "identity": {"type": "SystemAssigned", "principalId": "` + system + `"}, "properties": {"nodeResourceGroup": "MC_rg2_c2"}}`,
		"roles.json": `[{"id": "` + hub + `/providers/Microsoft.Authorization/roleAssignments/e0000000-0000-0000-0000-000000000001", "principalId": "` + control + `", "principalType": "ServicePrincipal", "scope": "` + hub + `", "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c"},
			{"id": "` + hub + `/providers/Microsoft.Authorization/roleAssignments/e0000000-0000-0000-0000-000000000002", "principalId": "` + pipeline + `", "principalType": "ServicePrincipal", "scope": "` + hub + `", "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c"}]`,
		"vault.json": `{"id": "` + vault + `", "properties": {"tenantId": "99999999-9999-9999-9999-999999999999", "enableRbacAuthorization": false, "accessPolicies": []}}`,
		"lock.json":  `{"id": "` + nodes + `/providers/Microsoft.Authorization/locks/keep", "properties": {"level": "CanNotDelete"}}`,
	}
	for _, m := range more {
		maps.Copy(files, m)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e, err := estate.Files{Path: dir}.Load(t.Context())
	if err != nil || len(e.Clusters) != 2 {
		t.Fatal(err)
	}
	return e
}

// plan is a plan of all kinds of changes, wished for in the wrong order.
func plan(t *testing.T) Plan {
	t.Helper()
	e := world(t)
	c1, c2 := e.Clusters[0], e.Clusters[1]
	assign := func(role, to, scope string) estate.Assign {
		return estate.Assign{Role: role, Principal: azure.MustGUID(to), PrincipalType: "ServicePrincipal", Scope: azure.MustID(scope)}
	}
	addresses := estate.DefineRole{ID: azure.NamedGUID("addresses"), Name: "aksid service-address 11111111", Description: "What it needs for: it's ${this}",
		Actions: []azure.Action{"Microsoft.Network/publicIPAddresses/read", "Microsoft.Network/publicIPAddresses/join/action"}, Scope: azure.MustID(platform)}
	return New(e, []Wish{
		{estate.Unassign{ID: azure.MustID(hub + "/providers/Microsoft.Authorization/roleAssignments/e0000000-0000-0000-0000-000000000001")}, c1, "broad-role", "the control plane identity is Contributor on Hub", nil},
		{assign("Network Contributor", control, subnet), c1, "broad-role", "the control plane identity is Contributor on Hub", nil},
		{assign("Network Contributor", control, subnet), c1, "control-plane-missing-subnet-join", "LoadBalancer services stay pending", nil},
		{assign("AcrPull", kubelet, registry), c1, "kubelet-missing-acrpull", "image pulls from acr1\nfail with 401", nil},
		{assign(addresses.Name, control, platform+"/resourceGroups/rg-addresses"), c1, "control-plane-missing-service-address", "service web stays pending", nil},
		{addresses, c1, "control-plane-missing-service-address", "service web stays pending", nil},
		{assign("Reader", system, hub), c2, "x", "it is only an example", nil},
		{assign("Network Contributor", system, hub+"/resourceGroups/rg-hub"), c2, "x", "it is only an example", nil},
		{assign("Network Contributor", system, subnet), c2, "x", "it is covered by the one above", nil},
		{assign("Reader", pipeline, hub+"/resourceGroups/rg-hub"), c2, "x", "it is only an example", nil},
		{estate.Unlock{ID: azure.MustID(nodes + "/providers/Microsoft.Authorization/locks/keep")}, c1, "locked", "nothing can be deleted", nil},
		{estate.Reconcile{Cluster: c1.ID}, c1, "identity-gone", "everything fails", nil},
		{estate.Federate{Identity: azure.MustID(apps), Name: "c1-shop-web", Issuer: issuer, Subject: "system:serviceaccount:shop:web"}, c1, "workload-without-credential", "pods get no tokens", nil},
		{estate.Federate{Identity: azure.MustID(apps), Name: "c1-shop-cart", Issuer: issuer, Subject: "system:serviceaccount:shop:cart"}, c1, "workload-without-credential", "pods get no tokens", nil},
		{estate.Permit{Vault: azure.MustID(vault), Principal: azure.MustGUID(control), Keys: []string{"encrypt", "unwrapKey"}}, c1, "vault-access-policy", "etcd cannot be encrypted", nil},
	})
}

func TestGolden(t *testing.T) {
	const path = "testdata/plan.txtar"
	a := &txtar.Archive{}
	if !*update {
		var err error
		if a, err = txtar.ParseFile(path); err != nil {
			t.Fatal(err)
		}
	}
	p := plan(t)
	document, err := json.MarshalIndent(p.Document(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	files := slices.Concat([]File{{"fix.sh", p.Script()}, {"plan.json", string(document) + "\n"}}, p.Bicep(), p.ARM(), p.Terraform())
	for _, f := range files {
		i := slices.IndexFunc(a.Files, func(x txtar.File) bool { return x.Name == f.Name })
		switch {
		case *update:
			a.Files = append(a.Files, txtar.File{Name: f.Name, Data: []byte(f.Text)})
		case i < 0:
			t.Errorf("%s is not in %s; write it with: go test ./internal/remedy -update", f.Name, path)
		case string(a.Files[i].Data) != f.Text:
			t.Errorf("%s is another\n%s", f.Name, diff.Diff("testdata", a.Files[i].Data, "now", []byte(f.Text)))
		}
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(a), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Rights are given first, roles before their assignments, and taken away last; what is asked for twice is done once.
func TestOrder(t *testing.T) {
	p := plan(t)
	last := 0
	defined := map[string]bool{}
	for _, s := range p.Steps {
		at := slices.Index(kinds, s.Kind)
		if at < last {
			t.Errorf("%s comes too late", s.What)
		}
		last = at
		switch c := s.Change.(type) {
		case estate.DefineRole:
			defined[c.Name] = true
		case estate.Assign:
			if strings.HasPrefix(c.Role, "aksid ") && !defined[c.Role] {
				t.Errorf("%s is assigned before it is made", c.Role)
			}
			if c.Principal == azure.MustGUID(system) && c.Scope.Equal(azure.MustID(subnet)) {
				t.Error("a role is given below the same one")
			}
		}
		if len(s.Why) == 0 || s.ByHand == "" && len(s.Undo) == 0 {
			t.Errorf("%s does not say why, or how to undo it", s.What)
		}
	}
	if i := slices.IndexFunc(p.Steps, func(s Step) bool { return len(s.Rules) == 2 }); i < 0 {
		t.Error("no step mends two findings")
	}
}

// there answers for the identities that a module refers to.
type there map[string]map[string]any

func (x there) Resource(id azure.ID, _ string) (map[string]any, bool) {
	d, ok := x[id.Key()]
	return d, ok
}
func (x there) List(azure.ID, string, string, any) (any, bool) { return nil, false }

// The ARM template, evaluated, writes just the role assignments that Apply writes, under the same names.
func TestTemplateIsWhatApplyWrites(t *testing.T) {
	p := plan(t)
	parsed, err := template.Parse([]byte(p.ARM()[0].Text))
	if err != nil {
		t.Fatal(err)
	}
	existing := there{azure.MustID(vault).Key(): {"properties": map[string]any{"tenantId": "99999999-9999-9999-9999-999999999999"}}}
	for _, v := range p.module(estate.ARM).values {
		if v.from == nil {
			continue
		}
		if existing[v.from.id.Key()] == nil {
			existing[v.from.id.Key()] = map[string]any{"properties": map[string]any{}, "identity": map[string]any{}}
		}
		doc := existing[v.from.id.Key()]
		for _, key := range strings.Split(v.path, ".") {
			if next, ok := doc[key].(map[string]any); ok {
				doc = next
			} else if doc[key] = v.text; strings.HasSuffix(v.path, ".issuerURL") && key == "oidcIssuerProfile" {
				doc[key] = map[string]any{"issuerURL": v.text}
			}
		}
	}
	d := template.Deployment{Template: parsed, Name: "aksid", Subscription: azure.MustGUID(strings.TrimPrefix(platform, "/subscriptions/")), Location: "westeurope", Existing: existing}
	r := d.Evaluate()
	for _, e := range r.Errors {
		t.Error(e)
	}
	written := map[string]map[string]any{}
	for x := range r.All() {
		if !x.Existing && x.Nested == nil {
			written[x.ID.Key()] = x.Document
		}
	}
	n := 0
	for _, s := range p.Steps {
		w := p.write(s.Change)
		if w.id.IsZero() {
			continue
		}
		n++
		doc, ok := written[w.id.Key()]
		if !ok {
			t.Errorf("the template does not write %s", w.id)
			continue
		}
		if got, want := plainJSON(t, doc["properties"]), plainJSON(t, w.body["properties"]); got != want {
			t.Errorf("%s: the template writes\n%s, Apply\n%s", w.id, got, want)
		}
	}
	if len(written) != n {
		t.Errorf("the template writes %d, Apply %d", len(written), n)
	}
}

func plainJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ToLower(string(text))
}

// Terraform's own parser reads what is written.
func TestTerraformParses(t *testing.T) {
	for _, f := range plan(t).Terraform() {
		file, diagnostics := hclsyntax.ParseConfig([]byte(f.Text), f.Name, hcl.InitialPos)
		if diagnostics.HasErrors() {
			t.Fatalf("%v\n%s", diagnostics, f.Text)
		}
		if formatted := string(hclwrite.Format([]byte(f.Text))); formatted != f.Text {
			t.Errorf("%s is not as terraform fmt writes it:\n%s", f.Name, formatted)
		}
		if len(file.Body.(*hclsyntax.Body).Blocks) == 0 {
			t.Errorf("%s is empty", f.Name)
		}
	}
}

// Names of deployments have at most 64 characters, and differ where scopes do.
func TestDeploymentNames(t *testing.T) {
	long := strings.Repeat("x", 80)
	seen := map[string]bool{}
	for _, group := range []string{"rg", long + "1", long + "2"} {
		x := part{scope: azure.MustID(platform + "/resourceGroups/" + group), symbol: "roles" + group}
		if name := x.deployment(); len(name) > 64 || seen[name] || !strings.HasPrefix(name, "aksid-roles") {
			t.Errorf("%q", name)
		} else {
			seen[name] = true
		}
	}
}

// Whatever names hold, they end no string, begin no expression and leave no comment.
func TestHostileNames(t *testing.T) {
	e := world(t)
	evil := "x'\n$(reboot)${secret}%{ if true }\"\\"
	scope := azure.MustID(platform + "/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/" + strings.ReplaceAll(evil, "\n", ""))
	p := New(e, []Wish{
		{estate.Assign{Role: "Reader", Principal: azure.MustGUID(pipeline), PrincipalType: evil, Scope: scope}, e.Clusters[0], "x", evil, nil},
		{estate.UseManagedIdentity{Cluster: e.Clusters[0].ID, Pools: []string{evil}}, e.Clusters[0], "x", evil, nil},
	})
	for _, f := range p.Terraform() {
		file, diagnostics := hclsyntax.ParseConfig([]byte(f.Text), f.Name, hcl.InitialPos)
		if diagnostics.HasErrors() {
			t.Fatalf("%v\n%s", diagnostics, f.Text)
		}
		for _, b := range file.Body.(*hclsyntax.Body).Blocks {
			if b.Type != "resource" {
				continue
			}
			v, diagnostics := b.Body.Attributes["principal_type"].Expr.Value(nil)
			if diagnostics.HasErrors() || v.AsString() != evil {
				t.Errorf("%v is not what was meant: %v", v, diagnostics)
			}
		}
	}
	var parsed map[string]any
	if err := json.Unmarshal([]byte(p.ARM()[0].Text), &parsed); err != nil {
		t.Error(err)
	}
	for _, f := range p.Bicep() {
		for line := range strings.Lines(f.Text) {
			if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "$(reboot)") || strings.HasPrefix(trimmed, "${secret}") {
				t.Errorf("%s: a name begins a line of its own: %s", f.Name, line)
			}
		}
	}
	calls := "az() { :; }\naksid() { :; }\nreboot() { echo rebooted; }\n"
	if out, err := exec.Command("sh", "-c", calls+p.Script()).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("the script says %s, %v", out, err)
	}
	if !bytes.Contains([]byte(BicepText("a'${b}\\")), []byte(`'a\'\${b}\\'`)) {
		t.Error(BicepText("a'${b}\\"))
	}
}
