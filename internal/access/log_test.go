package access

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"aksid/internal/estate"
)

// exports are what az prints of a cluster, and of an activity log in which its identity writes a load balancer, is refused a
// route table, and fails at a disk for another reason than a right. Somebody else does something too.
var exports = map[string]string{
	"cluster.json": `{"id": "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks1",
 "name": "aks1", "type": "Microsoft.ContainerService/managedClusters", "location": "westeurope",
 "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id1": {"clientId": "c1111111-1111-1111-1111-111111111111", "principalId": "11111111-1111-1111-1111-111111111111"}}},
 "nodeResourceGroup": "MC_rg", "servicePrincipalProfile": {"clientId": "msi"}, "networkProfile": {"networkPlugin": "azure"},
 "agentPoolProfiles": [{"name": "system", "type": "VirtualMachineScaleSets", "vnetSubnetId": "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/s"}]}`,
	"log.json": `[` + strings.Join([]string{
		event("1", "11111111-1111-1111-1111-111111111111", "Microsoft.Network/loadBalancers/write", "MC_rg/providers/Microsoft.Network/loadBalancers/kubernetes", "Succeeded", "OK"),
		event("2", "11111111-1111-1111-1111-111111111111", "Microsoft.Network/routeTables/write", "net/providers/Microsoft.Network/routeTables/r", "Failed", "Forbidden"),
		event("3", "11111111-1111-1111-1111-111111111111", "Microsoft.Compute/galleries/write", "MC_rg/providers/Microsoft.Compute/galleries/g", "Failed", "Conflict"),
		event("4", "22222222-2222-2222-2222-222222222222", "Microsoft.Compute/disks/delete", "rg/providers/Microsoft.Compute/disks/d", "Succeeded", "OK"),
	}, ",") + `]`,
}

func event(id, who, action, at, status, sub string) string {
	return `{"eventDataId": "` + id + `", "eventTimestamp": "2026-11-24T10:0` + id + `:00Z", "caller": "` + who + `",
 "claims": {"http://schemas.microsoft.com/identity/claims/objectidentifier": "` + who + `"},
 "operationName": {"value": "` + action + `"}, "status": {"value": "` + status + `"}, "subStatus": {"value": "` + sub + `"},
 "resourceId": "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/` + at + `"}`
}

func loadExports(t *testing.T) *estate.Estate {
	t.Helper()
	dir := t.TempDir()
	for name, text := range exports {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e, err := estate.Files{Path: dir}.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// What the log holds is there, what it cannot hold comes from the catalogue and says so, others' doings are left out.
func TestFromLog(t *testing.T) {
	uses := FromLog(loadExports(t))
	got := map[string][]string{}
	completed := map[string]string{}
	for _, r := range Least(uses, false) {
		if !strings.HasPrefix(r.Principal.String(), "1111") {
			t.Errorf("a role for %s, which is no cluster's", r.Principal)
		}
		at := r.Scope.Name()
		got[at] = r.Actions
		for action, from := range r.Completed {
			completed[at+" "+action] = from
		}
	}
	for at, want := range map[string][]string{
		"MC_rg": {"Microsoft.Network/loadBalancers/write", "Microsoft.Compute/galleries/write", "Microsoft.Network/loadBalancers/read"},
		"s":     {"Microsoft.Network/virtualNetworks/subnets/join/action", "Microsoft.Network/virtualNetworks/subnets/read"},
	} {
		for _, action := range want {
			if !slices.Contains(got[at], action) {
				t.Errorf("%s lacks %s: %v", at, action, got[at])
			}
		}
	}
	if slices.Contains(got["r"], "Microsoft.Network/routeTables/write") {
		t.Error("what was refused is in a role")
	}
	for of, want := range map[string]string{
		"MC_rg Microsoft.Network/loadBalancers/write": "", "MC_rg Microsoft.Compute/galleries/write": "",
		"MC_rg Microsoft.Network/loadBalancers/read": "node-resource-group", "s Microsoft.Network/virtualNetworks/subnets/join/action": "subnet-join",
	} {
		if completed[of] != want {
			t.Errorf("%s is said to come from %q, want %q", of, completed[of], want)
		}
	}
}
