package cloud_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

const (
	importedSub   = "/subscriptions/11111111-1111-1111-1111-111111111111"
	importedGroup = importedSub + "/resourceGroups/rg"
	importedID    = importedGroup + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-aks"
	importedOID   = "a0000000-0000-0000-0000-000000000001"
)

func collectionOf(documents ...any) obj {
	var docs []any
	for _, d := range documents {
		docs = append(docs, obj{"document": d})
	}
	return obj{"aksidCollection": 1, "documents": docs,
		"objects": []any{obj{"id": "a0000000-0000-0000-0000-0000000000aa", "displayName": "team", "@odata.type": "#microsoft.graph.group"}},
		"members": []any{[]any{"a0000000-0000-0000-0000-0000000000aa", importedOID}}}
}

func importedAssignment(name, role, principal, scope string) obj {
	return obj{"id": scope + "/providers/Microsoft.Authorization/roleAssignments/" + name, "properties": obj{"principalId": principal, "principalType": "ServicePrincipal",
		"roleDefinitionId": importedSub + "/providers/Microsoft.Authorization/roleDefinitions/" + role, "scope": scope}}
}

// What was read elsewhere is there as it was, and decided as it was.
func TestImport(t *testing.T) {
	w := newWorld(t)
	const custom = "12345678-1234-1234-1234-123456789012"
	in := collectionOf(
		obj{"id": importedSub, "displayName": "Imported"},
		obj{"id": importedID, "location": "uksouth", "properties": obj{"principalId": importedOID, "clientId": "c0000000-0000-0000-0000-000000000001"}},
		obj{"id": importedGroup + "/providers/Microsoft.Network/virtualNetworks/v/subnets/s", "properties": obj{"addressPrefix": "10.0.0.0/24"}},
		obj{"id": importedSub + "/providers/Microsoft.Authorization/roleDefinitions/" + custom, "properties": obj{"roleName": "Joiner", "type": "CustomRole", "assignableScopes": []any{importedSub},
			"permissions": []any{obj{"actions": []any{"Microsoft.Network/virtualNetworks/subnets/join/action"}, "notActions": []any{}}}}},
		importedAssignment("e0000000-0000-0000-0000-000000000001", custom, importedOID, importedGroup),
		importedAssignment("e0000000-0000-0000-0000-000000000002", "acdd72a7-3385-48ef-bd42-f606fba81ae7", "a0000000-0000-0000-0000-0000000000aa", importedSub),
		obj{"id": importedSub + "/providers/Microsoft.Authorization/denyAssignments/d0000000-0000-0000-0000-000000000001", "properties": obj{"denyAssignmentName": "no deletes", "scope": importedSub,
			"permissions": []any{obj{"actions": []any{"*/delete"}}}, "principals": []any{obj{"id": "00000000-0000-0000-0000-000000000000", "type": "SystemDefined"}}}},
		obj{"id": importedGroup + "/providers/Microsoft.Unheard/of/x", "properties": obj{}})
	got := w.admin("POST", "import", in).ok(200)
	if got.at("skipped") == nil || !strings.Contains(fmt.Sprint(got.at("skipped")), "Microsoft.Unheard/of") {
		t.Errorf("answer %v", got.at("skipped"))
	}
	if name := w.operator.get(importedSub + "?api-version=2022-12-01").ok(200).str("displayName"); name != "Imported" {
		t.Errorf("the subscription is called %q", name)
	}
	if oid := w.operator.get(importedID + "?api-version=2023-01-31").ok(200).str("properties.principalId"); oid != importedOID {
		t.Errorf("the identity's object id is %s", oid)
	}
	if prefix := w.operator.get(importedGroup + "/providers/Microsoft.Network/virtualNetworks/v/subnets/s?api-version=2024-05-01").ok(200).str("properties.addressPrefix"); prefix != "10.0.0.0/24" {
		t.Errorf("the subnet's prefix is %q", prefix)
	}
	if role := w.operator.get(importedSub + "/providers/Microsoft.Authorization/roleDefinitions/" + custom + "?api-version=2022-04-01").ok(200).str("properties.roleName"); role != "Joiner" {
		t.Errorf("the role is called %q", role)
	}
	w.operator.delete(importedID+"?api-version=2023-01-31").refused(403, "DenyAssignmentAuthorizationFailed")
	again := w.admin("GET", "export", nil).ok(200)
	text, _ := json.Marshal(again.body)
	for _, want := range []string{"Joiner", "no deletes", importedOID, `"Imported"`, "e0000000-0000-0000-0000-000000000002"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the export lacks %s", want)
		}
	}
	w.admin("POST", "import", again.body).ok(200) // as it is already
	if err := w.cloud.Close(); err != nil {
		t.Fatal(err)
	}
	w.start()
	if n := len(w.cloud.Info().Subscriptions); n != 3 {
		t.Errorf("%d subscriptions after a restart", n)
	}
}

// What is not whole is not written at all.
func TestImportIsWhole(t *testing.T) {
	w := newWorld(t)
	for name, in := range map[string]any{
		"no collection":      obj{"documents": []any{}},
		"another form":       obj{"aksidCollection": 2},
		"no id":              collectionOf(obj{"id": importedID, "properties": obj{}}, obj{"name": "x"}),
		"no subscription":    collectionOf(obj{"id": "/subscriptions/x/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v"}),
		"a bad assignment":   collectionOf(obj{"id": importedID, "properties": obj{}}, obj{"id": importedSub + "/providers/Microsoft.Authorization/roleAssignments/x", "properties": obj{}}),
		"control characters": collectionOf(obj{"id": importedSub + "/resourceGroups/r\u0001g"}),
	} {
		w.admin("POST", "import", in).ok(400)
		if n := len(w.cloud.Info().Subscriptions); n != 2 {
			t.Errorf("%s: %d subscriptions", name, n)
		}
		w.operator.get(importedID + "?api-version=2023-01-31").ok(404)
	}
}
