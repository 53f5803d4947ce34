package breakglass

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/finding"
)

// aCluster lacks the right to join its subnet, as az printed it; somebody is in the directory.
const aCluster = `[
 {"id": "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg1/providers/Microsoft.ContainerService/managedClusters/c1", "location": "westeurope",
  "identity": {"type": "SystemAssigned", "principalId": "a0000000-0000-0000-0000-000000000001"}, "properties": {"nodeResourceGroup": "MC_rg1", "servicePrincipalProfile": {"clientId": "msi"},
  "agentPoolProfiles": [{"name": "np", "vnetSubnetID": "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg1/providers/Microsoft.Network/virtualNetworks/vnet/subnets/snet"}], "networkProfile": {"networkPlugin": "azure"}}},
 {"id": "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/MC_rg1/providers/Microsoft.Authorization/roleAssignments/e0000000-0000-0000-0000-000000000001", "principalId": "a0000000-0000-0000-0000-000000000001", "principalType": "ServicePrincipal",
  "roleDefinitionId": "/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c", "scope": "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/MC_rg1"},
 {"id": "/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.Authorization/roleAssignments/e0000000-0000-0000-0000-000000000002", "principalId": "a0000000-0000-0000-0000-0000000000bb", "principalType": "User",
  "roleDefinitionId": "/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "scope": "/subscriptions/11111111-1111-1111-1111-111111111111"},
 {"id": "a0000000-0000-0000-0000-0000000000bb", "@odata.type": "#microsoft.graph.user", "displayName": "Ada"}]`

func estateOf(t *testing.T, text string) *estate.Estate {
	t.Helper()
	path := filepath.Join(t.TempDir(), "estate.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := estate.Files{Path: path}.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// What is asked for is the least role at the least scope, for the cluster's identity or for a person.
func TestRoles(t *testing.T) {
	e := estateOf(t, aCluster)
	ada := azure.MustGUID("a0000000-0000-0000-0000-0000000000bb")
	const subnet = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg1/providers/Microsoft.Network/virtualNetworks/vnet/subnets/snet"
	for _, c := range []struct {
		name string
		wish Wish
		want string // role, principal, scope; or the error
	}{
		{"a finding", Wish{Rule: "control-plane-missing-subnet-join"}, "Network Contributor, the control plane identity c1, " + subnet},
		{"a finding somewhere", Wish{Rule: "control-plane-missing-subnet-join", Scope: azure.MustID(subnet)}, "Network Contributor, the control plane identity c1, " + subnet},
		{"a need", Wish{Need: "subnet-join"}, "Network Contributor, the control plane identity c1, " + subnet},
		{"a person", Wish{Need: "subnet-join", To: ada}, "Network Contributor, Ada, " + subnet},
		{"a person, what the cluster has itself", Wish{Need: "node-resource-group", To: ada}, "Contributor, Ada, /subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/MC_rg1"},
		{"what the cluster has", Wish{Need: "node-resource-group"}, "the identity has what it needs for node-resource-group"},
		{"no such finding", Wish{Rule: "kubelet-missing-acrpull"}, "c1 has no finding kubelet-missing-acrpull; those that a role mends: control-plane-missing-subnet-join"},
		{"no such need", Wish{Need: "acrpull"}, "c1 has no need acrpull; it needs: "},
		{"elsewhere", Wish{Need: "subnet-join", Scope: azure.SubscriptionID("x")}, "c1 has no need subnet-join"},
		{"a stranger", Wish{Need: "subnet-join", To: azure.MustGUID("a0000000-0000-0000-0000-0000000000cc")}, "the directory does not show who a0000000-0000-0000-0000-0000000000cc is"},
	} {
		got := ""
		roles, err := c.wish.Roles(e, e.Clusters[0], finding.Options{})
		if err != nil {
			got = err.Error()
		} else if len(roles) == 1 {
			got = strings.Join([]string{roles[0].RoleName, roles[0].PrincipalName, roles[0].Scope.String()}, ", ")
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// What reaches a whole subscription, or more, is not given in an emergency.
func TestNeverTheSubscription(t *testing.T) {
	e := estateOf(t, aCluster)
	for scope, ok := range map[string]bool{
		"/subscriptions/11111111-1111-1111-1111-111111111111": false, "/providers/Microsoft.Management/managementGroups/mg": false, "/": false,
		"/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg1": true,
	} {
		_, err := Wish{}.wanted(e, e.Clusters[0], estate.Assign{Role: "Contributor", Principal: e.Identities(e.Clusters[0])[0].Principal, PrincipalType: "ServicePrincipal", Scope: azure.MustID(scope)}, azure.GUID{})
		if (err == nil) != ok {
			t.Errorf("%s: %v", scope, err)
		}
	}
}

func TestRequestIsComplete(t *testing.T) {
	d := Desk{Record: newFile(t), Now: start, Who: oncall}
	for _, c := range []struct {
		why  string
		span time.Duration
		ok   bool
	}{{"INC-1", time.Hour, true}, {" ", time.Hour, false}, {"INC-1", time.Minute, false}, {"INC-1", Longest + time.Second, false}} {
		if _, err := d.Request(t.Context(), Asked{For: Span(c.span)}, c.why); (err == nil) != c.ok {
			t.Errorf("%q for %s: %v", c.why, c.span, err)
		}
	}
}

// A role of nothing but what is needed is made before it is given.
func TestCustomRole(t *testing.T) {
	w := newWorld(t)
	oncall, security := w.person("oncall", "Reader"), w.person("security", "User Access Administrator")
	p := w.identity("id1")
	for _, how := range []How{Active, Assignment} {
		role := Wanted{Role: azure.NewGUID(), RoleName: "aksid subnet-join " + string(how), Principal: p, PrincipalType: "ServicePrincipal", Scope: w.subnet,
			Custom: &Custom{Description: "joins", Actions: []azure.Action{"Microsoft.Network/virtualNetworks/subnets/join/action"}}}
		asked, err := w.desk(oncall).Request(t.Context(), Asked{Cluster: w.group.Resource(estate.TypeCluster, "c1"), Need: "subnet-join", For: Span(time.Hour), Grants: []Wanted{role}}, "INC-1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.desk(security).Approve(t.Context(), asked.ID, how); err != nil {
			t.Fatal(err)
		}
		has := func() bool {
			has, err := w.writer(w.operator()).Assigned(t.Context(), role.Role, p, w.subnet)
			if err != nil {
				t.Fatal(err)
			}
			return has
		}
		if !has() {
			t.Errorf("%s: it is not given", how)
		}
		w.advance(2 * time.Hour)
		if err := w.expire(security); err != nil || has() {
			t.Errorf("%s: has it: %v, %v", how, has(), err)
		}
	}
}

// What somebody has for good already is not given again, and not taken away at the end.
func TestAlreadyGiven(t *testing.T) {
	w := newWorld(t)
	oncall, security := w.person("oncall", "Reader"), w.person("security", "User Access Administrator")
	p := w.identity("id1")
	w.assign(p, "Network Contributor", w.subnet)
	id := w.ask(oncall, p, "ServicePrincipal", time.Hour)
	if _, err := w.desk(security).Approve(t.Context(), id, ""); !errors.As(err, new(*Refusal)) || !strings.Contains(err.Error(), "already, for good") {
		t.Errorf("%v", err)
	}
	w.advance(2 * time.Hour)
	if err := w.expire(security); err != nil || !w.may(p) || w.state(id) != Ended {
		t.Errorf("has it: %v, %s, %v", w.may(p), w.state(id), err)
	}
}
