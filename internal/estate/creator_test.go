package estate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aksid/internal/azure"
)

// Who wrote a cluster is told by systemData with either id, or by the activity log; people, strangers and former pipelines are not taken for it.
func TestFindWriters(t *testing.T) {
	const (
		sub      = "/subscriptions/11111111-1111-1111-1111-111111111111"
		cluster  = sub + "/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks"
		pipeline = "a0000000-0000-0000-0000-000000000004"
		client   = "c0000000-0000-0000-0000-000000000004"
		stranger = "a0000000-0000-0000-0000-000000000009"
	)
	contributor := func(principal, kind string) string {
		return `{"id": "` + cluster + `/providers/Microsoft.Authorization/roleAssignments/` + principal + `", "principalId": "` + principal + `", "principalType": "` + kind + `", "scope": "` + cluster +
			`", "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c"}`
	}
	made := func(by, kind string) string { return `{"createdBy": "` + by + `", "createdByType": "` + kind + `"}` }
	event := func(by, operation, status string) string {
		return `[{"eventDataId": "1", "eventTimestamp": "2026-05-01T10:00:00Z", "caller": "` + by + `", "operationName": {"value": "` + operation + `"}, "status": {"value": "` + status + `"}, "resourceId": "` + cluster + `"}]`
	}
	const write = "Microsoft.ContainerService/managedClusters/write"
	for _, c := range []struct{ name, systemData, grants, events, want string }{
		{"a client id", made(client, "Application"), contributor(pipeline, "ServicePrincipal"), "", pipeline},
		{"an object id", made(pipeline, "ManagedIdentity"), contributor(pipeline, "ServicePrincipal"), "", pipeline},
		{"who changed it last", `{"createdBy": "ada@example.com", "createdByType": "User", "lastModifiedBy": "` + client + `", "lastModifiedByType": "Application"}`, contributor(pipeline, "ServicePrincipal"), "", pipeline},
		{"a person", made("ada@example.com", "User"), contributor(pipeline, "ServicePrincipal"), "", ""},
		{"somebody unknown", made(stranger, "Application"), contributor(pipeline, "ServicePrincipal"), "", ""},
		{"one that may not any more", made(client, "Application"), "", "", ""},
		{"the activity log", "null", contributor(pipeline, "ServicePrincipal"), event(pipeline, write, "Succeeded"), pipeline},
		{"a write that failed", "null", contributor(pipeline, "ServicePrincipal"), event(pipeline, write, "Failed"), ""},
		{"something else in the log", "null", contributor(pipeline, "ServicePrincipal"), event(pipeline, "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action", "Succeeded"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{
				"c.json": `{"id": "` + cluster + `", "location": "westeurope", "systemData": ` + c.systemData + `, "identity": {"type": "SystemAssigned", "principalId": "a0000000-0000-0000-0000-000000000001"}, "properties": {"nodeResourceGroup": "MC"}}`,
				"p.json": `{"id": "` + pipeline + `", "appId": "` + client + `", "displayName": "pipeline", "servicePrincipalType": "Application"}`,
				"g.json": "[" + c.grants + "]", "e.json": c.events,
			} {
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			e, err := Files{Path: dir}.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got, ok := e.Actor(e.Clusters[0], Creator, "")
			if ok != (c.want != "") || ok && (got.Principal.String() != c.want || !got.Found || got.Name != "pipeline") {
				t.Errorf("found %+v, want %q", got, c.want)
			}
			e.NameCreator(azure.MustGUID(stranger))
			if got, _ := e.Actor(e.Clusters[0], Creator, ""); got.Found || !strings.EqualFold(got.Principal.String(), stranger) {
				t.Errorf("whom the user names does not count: %+v", got)
			}
		})
	}
}
