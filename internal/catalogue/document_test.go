package catalogue

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

var update = flag.Bool("update", false, "rewrite docs/permissions.md")

const document = "../../docs/permissions.md"

// docs/permissions.md is what the catalogue says, with every feature in use.
func TestDocument(t *testing.T) {
	const hub = "/subscriptions/{hub}/resourceGroups/{group}/providers/Microsoft.ContainerRegistry/registries/"
	e, err := estate.Files{Path: "testdata/everything.json", Registries: []string{hub + "{registry}", hub + "{registry with repository permissions}"}}.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	k, err := estate.ReadKube("testdata/kube.json")
	if err != nil {
		t.Fatal(err)
	}
	e.AddKube(e.Clusters[0], k)
	got := describe(t, e)
	if *update {
		if err := os.WriteFile(document, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what the catalogue says; write it anew with: go test ./internal/catalogue -run Document -update", document)
	}
}

func describe(t *testing.T, e *estate.Estate) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(`# What the identities of an AKS cluster need

Generated from internal/catalogue; do not edit. AKS grants the control plane identity Contributor on the node resource
group itself, and nothing elsewhere, ever. Everything below that row is the user's to grant, where the feature is used.

Each row names the built-in role that covers it with the least besides; the actions are enough for a custom role.
"When" says when the right is exercised: by an update of the cluster, at runtime, or when it is built anew.
"perhaps" marks what cannot be told from the cluster alone, or is known from reports only.
`)
	for _, r := range All() {
		rows := rowsOf(e, r)
		if len(rows) == 0 {
			t.Errorf("nothing in %s needs %s", "everything.json", r.ID)
		}
		fmt.Fprintf(&b, "\n## %s\n\n", strings.ToUpper(r.Feature[:1])+r.Feature[1:])
		fmt.Fprintf(&b, "`%s`, needed by the %s identity. Without it: %s. Source: %s.\n\n",
			string(r.Actor)+"-missing-"+r.ID, estate.Identity{Role: r.Actor, AddOn: r.AddOn}.Label(), r.Breaks, r.Source)
		b.WriteString("| on | role | actions | when |\n| --- | --- | --- | --- |\n")
		for _, row := range rows {
			b.WriteString(row)
		}
	}
	return b.String()
}

// rowsOf are the needs of a requirement in all clusters, those alike once.
func rowsOf(e *estate.Estate, r *Requirement) []string {
	var rows []string
	seen := map[string]bool{}
	for _, c := range e.Clusters {
		for n := range r.Needs(e, c) {
			row := fmt.Sprintf("| %s | %s | %s | %s |\n", strings.Trim(n.Scope.Name(), "{}"), n.Role, actionsOf(n), when(n))
			if !seen[row] {
				rows = append(rows, row)
			}
			seen[row] = true
		}
	}
	return rows
}

func actionsOf(n Need) string {
	var out []string
	for _, a := range n.Actions {
		out = append(out, code(a))
	}
	for _, a := range n.DataActions {
		out = append(out, "data: "+code(a))
	}
	return strings.Join(out, "<br>")
}

func code(a azure.Action) string { return "`" + string(a) + "`" }

func when(n Need) string {
	if n.Certainty == Maybe {
		return string(n.Phase) + ", perhaps"
	}
	return string(n.Phase)
}
