package inventory

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

const (
	sub     = "11111111-1111-1111-1111-111111111111"
	plane   = "a0000000-0000-0000-0000-000000000001"
	kubelet = "a0000000-0000-0000-0000-000000000002"
	group   = "a0000000-0000-0000-0000-0000000000aa"
	ada     = "a0000000-0000-0000-0000-0000000000bb"
	pull    = "7f951dda-4ed3-4680-a7ca-43fe172d538d" // AcrPull
	owner   = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
)

var (
	clusterID = azure.SubscriptionID(sub).Join("resourceGroups", "rg").Resource(estate.TypeCluster, "aks")
	registry  = azure.SubscriptionID(sub).Join("resourceGroups", "rg").Resource(estate.TypeRegistry, "acr")
	now       = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
)

type doc = map[string]any

func assignment(n int, principal, kind, role string, scope azure.ID, at time.Time) doc {
	return doc{
		"id":          scope.Resource("Microsoft.Authorization/roleAssignments", fmt.Sprintf("d0000000-0000-0000-0000-%012d", n)).String(),
		"principalId": principal, "principalType": kind, "scope": scope.String(), "createdOn": at.Format(time.RFC3339), "createdBy": ada,
		"roleDefinitionId": "/subscriptions/" + sub + "/providers/Microsoft.Authorization/roleDefinitions/" + role,
	}
}

func event(id string, at time.Time, scope, verb, status string, grant doc) doc {
	e := doc{
		"eventDataId": id, "eventTimestamp": at.Format(time.RFC3339), "resourceId": scope, "caller": ada, "correlationId": id,
		"operationName": doc{"value": "Microsoft.Authorization/roleAssignments/" + verb}, "status": doc{"value": status},
	}
	if grant != nil {
		body, _ := json.Marshal(doc{"properties": grant})
		e["properties"] = doc{"responseBody": string(body)}
	}
	return e
}

func load(t *testing.T, files map[string]any) *estate.Estate {
	t.Helper()
	dir := t.TempDir()
	for name, v := range files {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e, err := estate.Files{Path: dir}.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func world(t *testing.T, log ...doc) *estate.Estate {
	t.Helper()
	return load(t, map[string]any{
		"aks": doc{"id": clusterID.String(), "tags": doc{"Owner": "shop"}, "systemData": doc{"createdAt": "2026-01-01T10:00:00Z"},
			"identity": doc{"type": "SystemAssigned", "principalId": plane}, "servicePrincipalProfile": doc{"clientId": "msi"},
			"identityProfile": doc{"kubeletidentity": doc{"objectId": kubelet, "resourceId": clusterID.GroupID().Resource(estate.TypeIdentity, "pool").String()}}},
		"grants": []doc{
			assignment(1, kubelet, "ServicePrincipal", pull, registry, now.AddDate(0, 0, -10)),
			assignment(2, group, "Group", pull, registry.GroupID(), now.AddDate(0, 0, -5)),
			assignment(3, ada, "User", owner, azure.SubscriptionID(sub), now.AddDate(0, 0, -400)),
		},
		"groups": doc{"value": []doc{{"id": group, "displayName": "pullers", "members": []doc{{"id": kubelet}}}}},
		"ada":    doc{"id": ada, "displayName": "Ada", "@odata.type": "#microsoft.graph.user"},
		"log":    append([]doc{}, log...),
	})
}

func TestList(t *testing.T) {
	list := List(world(t), now)
	if len(list) != 1 || len(list[0].Identities) != 2 {
		t.Fatalf("%+v", list)
	}
	c := list[0]
	if c.Owner != "shop" || c.Created == nil || c.Created.Year() != 2026 || len(c.Writers) != 1 || c.Writers[0].Name != "Ada" || c.Unsure != "" {
		t.Errorf("%+v", c)
	}
	pool := c.Identities[1]
	if pool.Roles != 2 || pool.Since == nil || !pool.Since.Equal(now.AddDate(0, 0, -10)) || pool.Clusters != 1 {
		t.Errorf("the kubelet is %+v, since %v", pool, pool.Since)
	}
	if c.Identities[0].Since != nil || c.Identities[0].Roles != 0 {
		t.Errorf("the control plane is %+v", c.Identities[0])
	}
}

// Where role assignments are not known, there may be more who may change a cluster.
func TestListUnsure(t *testing.T) {
	e := load(t, map[string]any{"aks": doc{"id": clusterID.String(), "identity": doc{"type": "SystemAssigned", "principalId": plane}, "servicePrincipalProfile": doc{}}})
	if list := List(e, now); list[0].Unsure == "" || len(list[0].Writers) != 0 {
		t.Errorf("%+v", list)
	}
}

func TestChanges(t *testing.T) {
	first := registry.String() + "/providers/Microsoft.Authorization/roleAssignments/d0000000-0000-0000-0000-000000000001"
	gone := registry.String() + "/providers/Microsoft.Authorization/roleAssignments/d0000000-0000-0000-0000-000000000009"
	grant := doc{"principalId": kubelet, "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/" + pull, "scope": registry.String()}
	others := doc{"principalId": ada, "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/" + pull, "scope": registry.String()}
	e := world(t,
		event("old", now.AddDate(0, 0, -40), gone, "write", "Succeeded", grant),
		event("given", now.AddDate(0, 0, -10), first, "write", "Succeeded", grant),
		event("refused", now.AddDate(0, 0, -9), gone, "delete", "Failed", nil),
		event("taken", now.AddDate(0, 0, -8), gone, "delete", "Succeeded", nil),
		event("other", now.AddDate(0, 0, -7), gone+"9", "write", "Succeeded", others))
	var got []string
	for _, c := range Changes(e, now.AddDate(0, 0, -30)) {
		got = append(got, fmt.Sprint(now.Sub(c.Time).Hours()/24, " ", c.Identity, " ", c.Given, " ", c.Role, " ", c.Via, " ", c.By, " ", c.Source))
	}
	want := []string{
		"10 kubelet true AcrPull  Ada activity-log", // once, although the assignment is there as well
		"8 kubelet false AcrPull  Ada activity-log", // what it was the entry of its making tells
		"5 kubelet true AcrPull pullers Ada role-assignment",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	if subs := Unlogged(e, now.AddDate(0, 0, -30)); len(subs) != 0 {
		t.Errorf("unlogged %v", subs)
	}
	if subs := Unlogged(e, now.AddDate(0, 0, -50)); len(subs) != 1 || subs[0] != sub {
		t.Errorf("unlogged %v", subs)
	}
}
