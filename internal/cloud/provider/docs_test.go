package provider

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"aksid/internal/cloud/arm"
)

var update = flag.Bool("update", false, "write docs/local-azure.md anew")

const docFile = "../../../docs/local-azure.md"

// TestDocument keeps the page that lists what the local Azure serves as the types are.
func TestDocument(t *testing.T) {
	want := document()
	if *update {
		if err := os.WriteFile(docFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/local-azure.md is not what the types are; write it with: go test ./internal/cloud/provider -run TestDocument -update")
	}
}

func document() string {
	var b strings.Builder
	b.WriteString("# What the local Azure serves\n\n" +
		"Made from the types themselves (`internal/cloud/provider`); [divergences.md](divergences.md) says where they differ from Azure.\n" +
		"A type can be read (`read`), written (`write`), deleted (`delete`) and listed with the actions of its name, each enforced; " +
		"POST actions need `{type}/{name}/action` unless another is named.\n" +
		"Linked checks are rights that whoever writes the property needs on what it names.\n")
	all := All(nil)
	slices.SortFunc(all, func(a, c arm.Provider) int { return strings.Compare(a.Namespace, c.Namespace) })
	for _, p := range all {
		fmt.Fprintf(&b, "\n## %s\n", p.Namespace)
		if p.Service.DisplayName != "" {
			fmt.Fprintf(&b, "\nActs as its own first-party principal, %s (application %s).\n", p.Service.DisplayName, p.Service.AppID)
		}
		b.WriteString("\n| type | operations | linked checks |\n|---|---|---|\n")
		for i := range p.Types {
			typeRow(&b, &p.Types[i], false, false)
		}
	}
	return b.String()
}

// typeRow writes the row of a type and those of its children; of what no client writes there are no checks.
func typeRow(b *strings.Builder, t *arm.Type, child, fixed bool) {
	fixed = fixed || t.ReadOnly && !child
	name := "`" + t.Name + "`"
	if child {
		name += " (stored in its parent)"
	}
	links := linksOf(t)
	if fixed {
		links = nil
	}
	fmt.Fprintf(b, "| %s | %s | %s |\n", name, strings.Join(operationsOf(t), ", "), strings.Join(links, "<br>"))
	for _, ch := range t.Children {
		typeRow(b, ch.Type, true, fixed)
	}
}

func operationsOf(t *arm.Type) []string {
	var out []string
	switch {
	case t.ReadOnly && t.Get == nil && t.List == nil:
		out = append(out, "read, list")
	case t.NoDelete:
		out = append(out, "read, write, list")
	case t.Get == nil && t.List == nil, t.Check != nil:
		out = append(out, "read, write, delete, list")
	case t.Get != nil:
		out = append(out, "read")
		if t.List != nil {
			out = append(out, "list")
		}
	default:
		out = append(out, "list")
	}
	if t.Identity {
		out = append(out, "managed identities")
	}
	if len(t.Steps) > 0 {
		out = append(out, "long writes")
	}
	if len(t.Deleting) > 0 {
		out = append(out, "long deletes")
	}
	for _, name := range slices.Sorted(maps.Keys(t.Actions)) {
		text := "POST " + name
		if a := t.Actions[name]; a.Open {
			text += " (trimmed to what the caller may read)"
		} else if a.RBAC != "" {
			text += fmt.Sprintf(" (`%s`)", a.RBAC)
		}
		out = append(out, text)
	}
	return out
}

func linksOf(t *arm.Type) []string {
	var out []string
	for _, l := range t.Links {
		if l.Action != "" {
			out = append(out, fmt.Sprintf("`%s` → `%s`", l.Path, l.Action))
		}
	}
	if t.Identity {
		out = append(out, "`identity.userAssignedIdentities{}` → `"+string(assignIdentity)+"`")
	}
	return out
}
