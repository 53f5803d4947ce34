package finding

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
	"aksid/internal/remedy"
)

var update = flag.Bool("update", false, "rewrite the wanted findings of the fixtures")

// names stand for ids in fixtures: $name in the files, and again in the wanted findings.
// Longer ids come first, so that they are put back first.
var names = []struct{ name, id string }{
	{"$subnet2", "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub/subnets/snet-pods"},
	{"$subnet", "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub/subnets/snet-aks"},
	{"$vnet", "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub"},
	{"$routes", "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-hub/providers/Microsoft.Network/routeTables/rt-aks"},
	{"$pip", "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-hub/providers/Microsoft.Network/publicIPAddresses/pip-out"},
	{"$prefix", "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-hub/providers/Microsoft.Network/publicIPPrefixes/prefix-out"},
	{"$registry", "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-platform/providers/Microsoft.ContainerRegistry/registries/freightacr"},
	{"$cluster", "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-platform/providers/Microsoft.ContainerService/managedClusters/freight-prod"},
	{"$id-aks", "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-platform/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-freight-aks"},
	{"$id-app", "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-platform/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-app"},
	{"$id-kubelet", "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-platform/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-freight-kubelet"},
	{"$agentpool", "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/MC_rg-platform_freight-prod_westeurope/providers/Microsoft.ManagedIdentity/userAssignedIdentities/freight-prod-agentpool"},
	{"$nodes", "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/MC_rg-platform_freight-prod_westeurope"},
	{"$group", "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-platform"},
	{"$hubgroup", "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-hub"},
	{"$mg", "/providers/Microsoft.Management/managementGroups/mg-corp"},
	{"$platform", "/subscriptions/11111111-1111-1111-1111-111111111111"},
	{"$hub", "/subscriptions/22222222-2222-2222-2222-222222222222"},
	{"@control-plane", "a0000000-0000-0000-0000-000000000001"},
	{"@kubelet", "a0000000-0000-0000-0000-000000000002"},
	{"@secrets-provider", "a0000000-0000-0000-0000-000000000003"},
	{"@pipeline", "a0000000-0000-0000-0000-000000000004"},
	{"@team", "a0000000-0000-0000-0000-0000000000aa"},
	{"@ada", "a0000000-0000-0000-0000-0000000000bb"},
	{"@gone", "a0000000-0000-0000-0000-0000000000ff"},
	{"@client-control-plane", "c0000000-0000-0000-0000-000000000001"},
	{"@client-kubelet", "c0000000-0000-0000-0000-000000000002"},
	{"@client-pipeline", "c0000000-0000-0000-0000-000000000004"},
	{"@app", "a0000000-0000-0000-0000-000000000005"},
	{"@client-app", "c0000000-0000-0000-0000-000000000005"},
	{"%custom", "12345678-1234-1234-1234-123456789012"},
}

// expand puts ids for names, longest names first.
func expand(s string) string {
	byLength := slices.Clone(names)
	slices.SortFunc(byLength, func(a, b struct{ name, id string }) int { return len(b.name) - len(a.name) })
	for _, n := range byLength {
		s = strings.ReplaceAll(s, n.name, n.id)
	}
	return s
}

// contract puts names for ids.
func contract(s string) string {
	for _, n := range names {
		s = strings.ReplaceAll(s, n.id, n.name)
	}
	return s
}

// fixture is an estate in which a rule fires, what is wanted of it, and a quiet twin: files that replace those of the same name.
type fixture struct {
	path       string
	archive    *txtar.Archive
	registries []string
	creator    azure.GUID // zero: nobody says who
	options    Options
}

func readFixture(t *testing.T, path string) fixture {
	t.Helper()
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := fixture{path: path, archive: a}
	for line := range strings.Lines(string(a.Comment)) {
		if name, ok := strings.CutPrefix(line, "registry: "); ok {
			f.registries = append(f.registries, expand(strings.TrimSpace(name)))
		}
		if before, ok := strings.CutPrefix(line, "before: "); ok {
			if f.options.Before, err = ParseBefore(expand(strings.TrimSpace(before))); err != nil {
				t.Fatal(err)
			}
		}
		if creator, ok := strings.CutPrefix(line, "creator: "); ok {
			f.creator = azure.MustGUID(expand(strings.TrimSpace(creator)))
		}
		if now, ok := strings.CutPrefix(line, "now: "); ok {
			if f.options.Now, err = time.Parse(time.RFC3339, strings.TrimSpace(now)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return f
}

// check checks the clusters of the fixture's estate with its tuning.
func (f fixture) check(t *testing.T, quiet bool) []Result {
	t.Helper()
	e, o := f.load(t, quiet), f.options
	for _, file := range f.archive.Files {
		if file.Name == "aksid.yaml" || quiet && file.Name == "quiet/aksid.yaml" {
			var err error
			if o.Tuning, err = ParseTuning(file.Data); err != nil {
				t.Fatal(err)
			}
		}
	}
	var out []Result
	for _, c := range e.Clusters {
		out = append(out, o.Check(e, c))
	}
	return out
}

// load makes an estate of the fixture's files, with those of the quiet twin in place of the others if asked for.
func (f fixture) load(t *testing.T, quiet bool) *estate.Estate {
	t.Helper()
	kube := ""
	files := map[string]string{"subscriptions.json": expand(`[{"id": "$platform", "displayName": "Platform"}, {"id": "$hub", "displayName": "Hub"}]`)}
	for _, file := range f.archive.Files {
		name, twin := strings.CutPrefix(file.Name, "quiet/")
		if name == "wanted" || twin && !quiet {
			continue
		}
		text := expand(string(file.Data))
		if name == "kube" {
			kube = filepath.Join(t.TempDir(), "kube.json")
			if err := os.WriteFile(kube, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if name == "aksid.yaml" {
			continue
		}
		if name == "absent" {
			ids, _ := json.Marshal(strings.Fields(text))
			files["absent.json"] = fmt.Sprintf(`{"aksidCollection": 1, "absent": %s}`, ids)
			continue
		}
		if name == "grants" {
			files["listing1.json"], files["listing2.json"] = listings(t, text)
			continue
		}
		files[name] = text
	}
	if strings.TrimSpace(files["unlisted"]) == "hub" {
		delete(files, "listing2.json")
	}
	dir := t.TempDir()
	for name, text := range files {
		if strings.TrimSpace(text) == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e, err := estate.Files{Path: dir, Registries: f.registries, Keep: true}.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if !f.creator.IsZero() {
		e.NameCreator(f.creator)
	}
	if kube != "" {
		k, err := estate.ReadKube(kube)
		if err != nil {
			t.Fatal(err)
		}
		e.AddKube(e.Clusters[0], k)
	}
	return e
}

// listings makes what az role assignment list prints in two subscriptions, of lines "principal type role on scope".
// In both Ada is Owner, as in any subscription somebody is. Nobody stands behind @gone.
func listings(t *testing.T, lines string) (platform, hub string) {
	t.Helper()
	var docs [2][]string
	add := func(line string) {
		left, scope, ok := strings.Cut(line, " on ")
		f := strings.SplitN(left, " ", 3)
		if !ok || len(f) != 3 {
			t.Fatalf("grant %q is not: principal type role on scope", line)
		}
		role := f[2]
		if r, ok := rbac.BuiltInRole(role); ok {
			role = r.ID.String()
		}
		which, sub := 0, expand("$platform")
		if azure.MustID(scope).Subscription() == strings.TrimPrefix(expand("$hub"), "/subscriptions/") {
			which, sub = 1, expand("$hub")
		}
		name := `"x"`
		if f[0] == expand("@gone") || strings.HasPrefix(f[0], "c0") {
			name = `""`
		}
		docs[which] = append(docs[which], fmt.Sprintf(`{"id": "%s/providers/Microsoft.Authorization/roleAssignments/e%d%06d-0000-0000-0000-000000000000",
			"principalId": "%s", "principalType": "%s", "principalName": %s, "roleDefinitionId": "%s/providers/Microsoft.Authorization/roleDefinitions/%s", "scope": "%s"}`,
			scope, which, len(docs[which]), f[0], f[1], name, sub, role, scope))
	}
	add(expand("@ada User Owner on $platform"))
	add(expand("@ada User Owner on $hub"))
	add(expand("@pipeline ServicePrincipal Contributor on $platform"))
	add(expand("@pipeline ServicePrincipal Contributor on $hub"))
	for line := range strings.Lines(lines) {
		if line = strings.TrimSpace(line); line != "" {
			add(line)
		}
	}
	return "[" + strings.Join(docs[0], ",") + "]", "[" + strings.Join(docs[1], ",") + "]"
}

// show prints findings as they stand in fixtures.
func show(results []Result) string {
	var b strings.Builder
	for _, r := range results {
		for _, f := range r.Findings {
			fmt.Fprintf(&b, "%s %s\n  %s\n  %s\n", f.Severity, f.Rule.ID, f.Title, f.Detail)
			if f.Principal.IsZero() {
				fmt.Fprintf(&b, "  at %s\n", f.Scope)
			} else {
				fmt.Fprintf(&b, "  of %s at %s\n", f.Principal, f.Scope)
			}
			for _, c := range f.Consequences {
				fmt.Fprintf(&b, "  > %s\n", c)
			}
			for _, c := range f.Remedy {
				for _, line := range remedy.Az(c) {
					fmt.Fprintf(&b, "  $ %s\n", line)
				}
			}
		}
	}
	return contract(b.String())
}

func checkAll(e *estate.Estate) []Result {
	var out []Result
	for _, c := range e.Clusters {
		out = append(out, Check(e, c))
	}
	return out
}

// Every rule fires where it should, saying what is wanted, and is quiet in the twin.
func TestRules(t *testing.T) {
	for _, r := range Rules() {
		t.Run(r.ID, func(t *testing.T) {
			f := readFixture(t, filepath.Join("testdata", r.ID+".txtar"))
			results := f.check(t, false)
			if !fires(results, r) {
				t.Errorf("%s does not fire", r.ID)
			}
			f.compare(t, show(results))
			if loud := show(f.check(t, true)); loud != "" {
				t.Errorf("the quiet twin is not quiet:\n%s", loud)
			}
		})
	}
}

func fires(results []Result, r *Rule) bool {
	return slices.ContainsFunc(results, func(res Result) bool {
		return slices.ContainsFunc(res.Findings, func(f Finding) bool { return f.Rule == r })
	})
}

// compare compares with the wanted findings of a fixture, or rewrites them.
func (f fixture) compare(t *testing.T, got string) {
	t.Helper()
	i := slices.IndexFunc(f.archive.Files, func(x txtar.File) bool { return x.Name == "wanted" })
	if *update {
		if i < 0 {
			i = len(f.archive.Files)
			f.archive.Files = append(f.archive.Files, txtar.File{Name: "wanted"})
		}
		f.archive.Files[i].Data = []byte(got)
		if err := os.WriteFile(f.path, txtar.Format(f.archive), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want := ""
	if i >= 0 {
		want = string(f.archive.Files[i].Data)
	}
	if got != want {
		t.Errorf("findings:\n%s\nwant:\n%s", got, want)
	}
}

// Fixtures without a rule are left over.
func TestFixturesHaveRules(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, p := range paths {
		id := strings.TrimSuffix(filepath.Base(p), ".txtar")
		if !slices.ContainsFunc(Rules(), func(r *Rule) bool { return r.ID == id }) {
			t.Errorf("%s belongs to no rule", p)
		}
	}
}

// Rules are documents as well: what they say is complete, and their ids are words.
func TestRulesAreDocumented(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if r.ID == "" || strings.Trim(r.ID, "abcdefghijklmnopqrstuvwxyz-") != "" || seen[r.ID] {
			t.Errorf("id %q is not made of words, or is there twice", r.ID)
		}
		seen[r.ID] = true
		if r.Title == "" || r.Why == "" || r.Source == "" || !slices.Contains(Severities, r.Severity) || r.Run == nil {
			t.Errorf("%s: title, why, source, severity or function is missing", r.ID)
		}
	}
}
