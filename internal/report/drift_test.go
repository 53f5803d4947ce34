package report

import (
	"fmt"
	"strings"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/drift"
	"aksid/internal/estate"
	"aksid/internal/finding"
)

// TestDrift shows a comparison in every form: of three environments, with what breaks, differs and cannot be compared, with
// names that would steer a terminal or a page, and of two that are the same.
func TestDrift(t *testing.T) {
	a, path := archive(t, "drift")
	exports, _ := archive(t, "freight")
	e := load(t, exports)
	c := e.Clusters[0]
	envs := []drift.Environment{{Name: "test", Estate: e, Clusters: e.Clusters}, {Name: "stage\x1b[2J|x", Estate: e, Clusters: e.Clusters}, {Name: "prod", Estate: e, Clusters: e.Clusters}}
	long := "on the node subnet, on the resource group of the virtual network, on the subscription of the virtual network"
	groups := []drift.Group{{
		Role: "freight", Clusters: []*estate.Cluster{c, c, nil},
		Breaks: []drift.Break{
			{In: 1, From: 0, Severity: finding.Error, Rule: "control-plane-missing-route-table", Title: "new nodes get no pod routes", Detail: "control plane lacks routes/write on rt <b>", Feature: "brought route table",
				Remedy: []estate.Change{estate.Assign{Role: "Network Contributor", Principal: azure.MustGUID("a0000000-0000-0000-0000-000000000001"), PrincipalType: "ServicePrincipal", Scope: c.ID}}},
			{In: 1, From: 0, Now: true, Severity: finding.Note, Rule: "control-plane-missing-service-address", Title: "perhaps: LoadBalancer services stay pending", Detail: "control plane lacks publicIPAddresses/join/action"},
		},
		Differences: []drift.Difference{
			{Area: drift.Clusters, What: "cluster", Severity: finding.Warning, Values: []string{"rg/a", "rg/b", ""}},
			{Area: drift.Roles, What: "control plane: Network Contributor", Severity: finding.Note, Values: []string{long, drift.Unreadable, ""}},
			{Area: drift.Roles, What: "told by a break", Severity: finding.Note, Values: []string{"yes", "", ""}, Told: true},
			{Area: drift.Findings, What: "kubelet: the identity is shared", Rule: "shared-identity", Severity: finding.Warning, Values: []string{"yes", "", ""}},
		},
		Unknown: []drift.Unknown{{In: 1, What: "control plane: Network Contributor on the node subnet", Why: "403 AuthorizationFailed"}},
	}}
	many := []drift.Group{{Role: "pay", Clusters: []*estate.Cluster{c}, Unknown: []drift.Unknown{{What: "x", Why: "y"}}}}
	for i := range 10 {
		many = append(many, drift.Group{Role: fmt.Sprint("app", i), Clusters: []*estate.Cluster{c}})
	}
	for name, r := range map[string]Drift{"three": NewDrift(envs, groups), "many": NewDrift(envs[:1], many), "same": NewDrift(envs[:1:1], []drift.Group{{Clusters: []*estate.Cluster{c}}})} {
		var table, markdown, out strings.Builder
		if err := (Table{}).PrintDrift(&table, r); err != nil {
			t.Fatal(err)
		}
		if err := MarkdownDrift(&markdown, r); err != nil {
			t.Fatal(err)
		}
		if err := JSON(&out, r); err != nil {
			t.Fatal(err)
		}
		golden(t, a, path, "golden/"+name+".txt", table.String())
		golden(t, a, path, "golden/"+name+".md", markdown.String())
		golden(t, a, path, "golden/"+name+".json", out.String())
		if strings.ContainsRune(table.String()+markdown.String(), '\x1b') {
			t.Error("a name steers the terminal")
		}
	}
	r := NewDrift(envs, groups)
	if !r.Fails(finding.Error) || !r.Undecided() {
		t.Errorf("fails %v, undecided %v", r.Fails(finding.Error), r.Undecided())
	}
	groups[0].Breaks = nil
	if r := NewDrift(envs, groups); r.Fails(finding.Error) || !r.Fails(finding.Warning) {
		t.Error("what is a warning counts as an error")
	}
}
