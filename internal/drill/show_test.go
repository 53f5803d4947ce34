package drill

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
	"golang.org/x/tools/txtar"

	"aksid/internal/drill/act"
)

var update = flag.Bool("update", false, "rewrite testdata/*.txtar")

// shown has every way in which an operation ends.
func shown() Result {
	lack := Lack{Rule: "control-plane-missing-subnet-join", Action: "Microsoft.Network/virtualNetworks/subnets/join/action", Scope: subnetID, Principal: controlOID}
	refusal := Refusal{Code: "LinkedAuthorizationFailed", Status: 403, Action: lack.Action, Scope: subnetID.String(), Principal: controlOID, Message: "The client …"}
	warning := act.Event{Type: "Warning", Reason: "SyncLoadBalancerFailed", Object: "Service/drill-internal", Source: "service-controller", Message: "Error syncing load balancer: \x1b[31mred\x1b[0m"}
	missing := Prediction{Outcome: Refused, Missing: []Lack{lack, {Rule: ruleLocked, Action: "a/b/delete", Locked: "/subscriptions/s/providers/Microsoft.Authorization/locks/l"}, {Action: publicIPs + "/write", Older: "Kubernetes 1.29 writes a tag"}, lack}}
	ops := []Performance{
		{Operation: "external-service", Title: "external LoadBalancer service", Predicted: Prediction{Outcome: Works}, Acted: Acted{Outcome: Works, Result: "198.18.0.4", Calls: 30, Seconds: .036}, Agrees: true},
		{Operation: "disk", Title: "volume on a new disk", Predicted: missing, Acted: Acted{Outcome: Works, Result: "/subscriptions/s/disks/drill-disk", Seconds: .009}},
		{Operation: "internal-service", Title: "internal LoadBalancer service", Predicted: missing, Agrees: true, Waits: "up to 30 s",
			Acted: Acted{Outcome: Refused, Error: "Error syncing", Refused: []Refusal{refusal}, Events: []act.Event{warning}, Seconds: .05}},
		{Operation: "internal-service-deletion", Title: "deletion of the internal service", Predicted: missing, Agrees: true,
			Acted: Acted{Outcome: Refused, Silent: true, Refused: []Refusal{refusal}, Events: []act.Event{{Type: "Normal", Reason: "DeletedLoadBalancer"}}, Leaked: []string{"load balancer kubernetes-internal", "public IP x"}}},
		{Operation: "node-leave", Title: "removal of a node", Predicted: Prediction{Outcome: Unknown, Unknown: []Lack{lack}}, Agrees: true,
			Acted: Acted{Outcome: Refused, Error: "the log says why", Refused: []Refusal{{Code: "UNAUTHORIZED", Status: 401, Message: "authentication required"}}}},
		{Operation: "route-deletion", Title: "removal of routes", Predicted: Prediction{Outcome: Works}, Acted: Acted{Outcome: Failed, Error: "quota"}},
		{Operation: "external-service-deletion", Title: "deletion of the last service", Predicted: Prediction{Outcome: Works}, Agrees: true,
			Acted: Acted{Outcome: Works, Faults: []string{"429 on PUT nsg", "503 on PUT kubernetes"}, Leaked: []string{"rule x of network security group nsg"}, Seconds: 35}},
		{Operation: "disk-deletion", Title: "deletion of the volume", Predicted: Prediction{Outcome: Works}, Agrees: true,
			Acted: Acted{Outcome: Works, Faults: []string{"503 on DELETE drill-disk"}, Seconds: 1.25}},
		{Operation: "disk-attach", Title: "attaching | the disk", Predicted: Prediction{Outcome: Refused, Missing: []Lack{{Action: disks + "/write", Denied: "no at /subscriptions/s"}}}, Acted: Acted{Outcome: Skipped}, Agrees: true},
	}
	r := Result{SchemaVersion: "1", Kubernetes: "v1.29.15", Seconds: 1.5, Clusters: []Cluster{
		{ID: clusterID, Name: "aks1", ResourceGroup: "rg", Subscription: "Platform", Identity: "id-aks1", Operations: ops, Left: "DELETE /x: (Conflict) in use"},
		{ID: clusterID, Name: "empty", ResourceGroup: "rg", Subscription: "Platform", NotDrilled: ErrNoNodes.Error(), Operations: []Performance{}},
	}}
	for _, c := range r.Clusters {
		r.Summary.add(c.Operations)
	}
	return r
}

func TestPrint(t *testing.T) {
	golden(t, "testdata/result.txtar", func(format string) string {
		var b strings.Builder
		if err := shown().Print(&b, format, false); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}, Formats...)
	var colour strings.Builder
	if err := shown().Print(&colour, "table", true); err != nil || !strings.Contains(colour.String(), "\x1b["+red+"m✗") || strings.Contains(colour.String(), "\x1b[31mred") {
		t.Errorf("colour: %q, %v", colour.String(), err)
	}
}

func TestPrintTally(t *testing.T) {
	ops := shown().Clusters[0].Operations
	tally := Tally{Configurations: 300, Operations: 1900, Agreements: 1898, Unknown: 2, Refused: 310, Silent: 4, Seed: 7, Seconds: 20,
		Disagreements: []Disagreement{{12, []string{"system-assigned control plane", "kubenet"}, ops[1]}, {13, []string{"overlay"}, ops[5]}}}
	golden(t, "testdata/tally.txtar", func(format string) string {
		var b strings.Builder
		if err := tally.Print(&b, format, false); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}, "table", "json")
	var back Tally
	var b strings.Builder
	if err := (Tally{Disagreements: []Disagreement{}}).Print(&b, "json", false); err != nil || json.Unmarshal([]byte(b.String()), &back) != nil || !strings.Contains(b.String(), `"disagreements": []`) {
		t.Errorf("nothing at all: %s, %v", b.String(), err)
	}
}

// golden compares what is printed in each format with an archive.
func golden(t *testing.T, path string, print func(string) string, formats ...string) {
	t.Helper()
	var got txtar.Archive
	for _, f := range formats {
		got.Files = append(got.Files, txtar.File{Name: f, Data: []byte(print(f))})
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(&got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range got.Files {
		if string(want.Files[i].Data) != string(f.Data) {
			t.Errorf("%s of %s is another\n%s", f.Name, path, diff.Diff("testdata", want.Files[i].Data, "now", f.Data))
		}
	}
}

// What a principal, a place or a text is called cannot steer a terminal, nor break a table of Markdown.
func FuzzCell(f *testing.F) {
	f.Add("a|b\n<script>\x1b[31m`x`")
	f.Fuzz(func(t *testing.T, s string) {
		if got := cell(s); strings.ContainsAny(strings.ReplaceAll(got, `\|`, ""), "|\n\r\x1b<`") {
			t.Errorf("%q", got)
		}
	})
}
