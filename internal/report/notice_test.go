package report

import (
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/finding"
	"aksid/internal/watch"
)

// Notices are a line each and what explains it; names of others cannot steer the terminal. As JSON they fit the schema.
func TestNotices(t *testing.T) {
	cluster := azure.MustID("/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg1/providers/Microsoft.ContainerService/managedClusters/aks1")
	who := azure.MustGUID("a0000000-0000-0000-0000-000000000001")
	at := time.Date(2026, 6, 1, 8, 0, 0, 7, time.UTC)
	notices := []watch.Notice{
		{ID: "e1", Kind: "role-given", Severity: finding.Warning, Time: at, Text: "AcrPull on acr1 (rg1) given to kubelet aks1-agentpool", Clusters: []azure.ID{cluster},
			Identity: "kubelet", Principal: &who, Role: "AcrPull", Scope: cluster, Operation: "Microsoft.Authorization/roleAssignments/write", By: "eve\x1b[2J", ByID: &who, Events: []string{"e1"}},
		{ID: "e2", Kind: "refused", Severity: finding.Error, Time: at, Text: "kubelet was refused x", Clusters: []azure.ID{cluster, cluster, cluster, cluster}, By: "kubelet",
			Detail: []string{"why"}, Next: []string{"az role assignment create"}},
		{ID: "e3", Kind: "history-missing", Severity: finding.Note, Time: at, Text: "long ago"},
	}
	for colour, want := range map[bool]string{
		false: "2026-06-01T08:00:00Z  warning  role-given  aks1: AcrPull on acr1 (rg1) given to kubelet aks1-agentpool, by eve\uFFFD[2J\n" +
			"2026-06-01T08:00:00Z  error    refused  aks1, aks1, aks1, 1 more: kubelet was refused x\n    why\n    az role assignment create\n" +
			"2026-06-01T08:00:00Z  note     history-missing  long ago\n",
		true: "\x1b[33mwarning\x1b[0m",
	} {
		var b strings.Builder
		if err := (Table{Colour: colour}).Notices(&b, notices); err != nil || !colour && b.String() != want || !strings.Contains(b.String(), want) {
			t.Errorf("%q, %v", b.String(), err)
		}
	}
	var b strings.Builder
	if err := watch.Lines(&b, notices); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != len(notices) || strings.Contains(b.String(), "\x1b") {
		t.Errorf("%q", lines)
	}
	for _, line := range lines {
		fits(t, watchSchema, line)
	}
}
