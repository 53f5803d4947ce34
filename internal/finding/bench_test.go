package finding

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"aksid/internal/estate"
)

// fleet writes what aksid check --save leaves of n clusters, with a hundred role assignments each, over n/5 subscriptions.
func fleet(b *testing.B, n int) string {
	b.Helper()
	type document = map[string]any
	path := filepath.Join(b.TempDir(), "saved.json")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	first := true
	add := func(d document) {
		if !first {
			w.WriteByte(',')
		}
		first = false
		text, _ := json.Marshal(document{"version": "2025-11-01", "document": d})
		w.Write(text)
	}
	w.WriteString(`{"aksidCollection": 1, "documents": [`)
	var listed []string
	for i := range n {
		sub := fmt.Sprintf("/subscriptions/00000000-0000-0000-0000-%012d", i/5)
		if i%5 == 0 {
			listed = append(listed, sub[len("/subscriptions/"):])
		}
		group := fmt.Sprintf("%s/resourceGroups/rg-%d", sub, i)
		subnet := group + "/providers/Microsoft.Network/virtualNetworks/v/subnets/s"
		principal := func(k int) string { return fmt.Sprintf("a0000000-0000-0000-%04d-%012d", k, i) }
		add(document{"id": group + "/providers/Microsoft.ContainerService/managedClusters/c", "identity": document{"type": "SystemAssigned", "principalId": principal(1)},
			"properties": document{"nodeResourceGroup": fmt.Sprintf("MC_%d", i), "agentPoolProfiles": []any{document{"vnetSubnetID": subnet}},
				"identityProfile": document{"kubeletidentity": document{"objectId": principal(2)}}}})
		grant := func(k int, role, scope, to string) {
			add(document{"id": fmt.Sprintf("%s/providers/Microsoft.Authorization/roleAssignments/e0000000-0000-0000-%04d-%012d", scope, k, i),
				"properties": document{"roleDefinitionId": sub + "/providers/Microsoft.Authorization/roleDefinitions/" + role, "principalId": to, "principalType": "ServicePrincipal", "scope": scope}})
		}
		grant(1, "b24988ac-6180-42a0-ab88-20f7382dd24c", fmt.Sprintf("%s/resourceGroups/MC_%d", sub, i), principal(1))
		grant(2, "4d97b98b-1d4f-4787-a291-c67834d212e7", subnet, principal(1))
		for k := 3; k <= 100; k++ {
			grant(k, "acdd72a7-3385-48ef-bd42-f606fba81ae7", group, principal(k))
		}
	}
	for id, actions := range map[string][]string{"b24988ac-6180-42a0-ab88-20f7382dd24c": {"*"}, "4d97b98b-1d4f-4787-a291-c67834d212e7": {"Microsoft.Network/*"}, "acdd72a7-3385-48ef-bd42-f606fba81ae7": {"*/read"}} {
		add(document{"id": "/providers/Microsoft.Authorization/roleDefinitions/" + id, "properties": document{"roleName": id, "type": "BuiltInRole", "permissions": []any{document{"actions": actions}}}})
	}
	text, _ := json.Marshal(listed)
	fmt.Fprintf(w, `], "listed": %s}`, text)
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		b.Fatal(err)
	}
	return path
}

// Reading a saved fleet, and checking it, by the number of clusters.
func BenchmarkFleet(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		path := fleet(b, n)
		b.Run(fmt.Sprintf("load-%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := (estate.Files{Path: path}).Load(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/cluster")
		})
		e, err := estate.Files{Path: path}.Load(b.Context())
		if err != nil || len(e.Clusters) != n {
			b.Fatal(err, len(e.Clusters))
		}
		b.Run(fmt.Sprintf("check-%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, c := range e.Clusters {
					if r := Check(e, c); len(r.Assessments) != 2 {
						b.Fatal(len(r.Assessments))
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/cluster")
		})
	}
}
