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

// A subnet that was read apart keeps what it refers to, wherever its network comes.
func TestImportChildren(t *testing.T) {
	w := newWorld(t)
	const vnet, table = importedGroup + "/providers/Microsoft.Network/virtualNetworks/v", importedGroup + "/providers/Microsoft.Network/routeTables/t"
	subnet := obj{"id": vnet + "/subnets/s", "properties": obj{"addressPrefix": "10.9.0.0/24", "routeTable": obj{"id": table}}}
	w.admin("POST", "import", collectionOf(subnet, obj{"id": vnet, "location": "uksouth"}, obj{"id": table, "location": "uksouth"})).ok(200)
	if got := w.operator.get(vnet + "/subnets/s?api-version=2023-09-01").ok(200).str("properties.routeTable.id"); got != table {
		t.Errorf("the subnet's route table is %q", got)
	}
}

// Public addresses that were read are not handed out again.
func TestImportAddresses(t *testing.T) {
	w := newWorld(t)
	ip := func(name string) string {
		return importedGroup + "/providers/Microsoft.Network/publicIPAddresses/" + name
	}
	w.admin("POST", "import", collectionOf(
		obj{"id": ip("a"), "location": "uksouth", "properties": obj{"ipAddress": "198.18.0.7"}},
		obj{"id": ip("b"), "location": "uksouth", "properties": obj{"ipAddress": "20.1.2.3"}},
		obj{"id": importedGroup + "/providers/Microsoft.Network/publicIPPrefixes/p", "location": "uksouth", "properties": obj{"ipPrefix": "198.18.0.16/28"}},
		obj{"id": ip("c"), "location": "uksouth", "properties": obj{"ipAddress": "2001:db8::5"}},
	)).ok(200)
	for version, want := range map[string]string{"IPv4": "198.18.0.32", "IPv6": "2001:db8::6"} {
		made := w.operator.do("PUT", ip("new"+version)+"?api-version=2023-09-01", obj{"location": "uksouth", "sku": obj{"name": "Standard"},
			"properties": obj{"publicIPAllocationMethod": "Static", "publicIPAddressVersion": version}}).ok(201)
		if got := made.str("properties.ipAddress"); got != want {
			t.Errorf("%s: %s, want %s", version, got, want)
		}
	}
}

// A cluster that was read has no machines: they are made, on what was read of its network, and on stand-ins for what was not.
func TestMakeNodes(t *testing.T) {
	w := newWorld(t)
	const cluster, nodes = importedGroup + "/providers/Microsoft.ContainerService/managedClusters/aks", importedSub + "/resourceGroups/MC_rg_aks"
	subnet := importedGroup + "/providers/Microsoft.Network/virtualNetworks/v/subnets/"
	address := importedGroup + "/providers/Microsoft.Network/publicIPAddresses/out"
	w.admin("POST", "import", collectionOf(
		obj{"id": importedID, "location": "uksouth", "properties": obj{"principalId": importedOID, "clientId": "c0000000-0000-0000-0000-000000000001"}},
		obj{"id": subnet + "s", "properties": obj{"addressPrefix": "10.9.0.0/24"}},
		obj{"id": address, "properties": obj{"ipAddress": "203.0.113.7"}},
		obj{"id": nodes + "/providers/Microsoft.Compute/virtualMachineScaleSets/aks-np-1-vmss", "location": "uksouth", "properties": obj{}},
		obj{"id": cluster, "location": "uksouth", "identity": obj{"type": "UserAssigned", "userAssignedIdentities": obj{importedID: obj{"principalId": importedOID}}},
			"properties": obj{"nodeResourceGroup": "MC_rg_aks", "provisioningState": "Succeeded",
				"networkProfile":    obj{"networkPlugin": "kubenet", "loadBalancerProfile": obj{"outboundIPs": obj{"publicIPs": []any{obj{"id": address}}}}},
				"agentPoolProfiles": []any{obj{"name": "np", "mode": "System", "count": 2, "vnetSubnetID": subnet + "s"}, obj{"name": "more", "count": 1, "vnetSubnetID": subnet + "unread"}}}},
	)).ok(200)
	count := func(at string) int {
		t.Helper()
		return len(w.operator.get(nodes + "/providers/" + at).ok(200).list("id"))
	}
	for range 2 { // the second time there is nothing to do
		w.admin("POST", "nodes", obj{"cluster": cluster}).ok(200)
		sets := w.operator.get(nodes + "/providers/Microsoft.Compute/virtualMachineScaleSets?api-version=2023-09-01").ok(200).list("id")
		machines := 0
		for _, set := range sets {
			machines += len(w.operator.get(set + "/virtualMachines?api-version=2023-09-01").ok(200).list("id"))
		}
		if len(sets) != 2 || machines != 3 || count("Microsoft.Network/loadBalancers?api-version=2023-09-01") != 1 || count("Microsoft.Network/routeTables?api-version=2023-09-01") != 1 {
			t.Errorf("%v with %d machines", sets, machines)
		}
	}
	if got := w.operator.get(address + "?api-version=2023-09-01").ok(200); got.str("properties.ipAddress") != "203.0.113.7" || got.str("sku.name") != "Standard" {
		t.Errorf("the outbound address: %s", got.raw)
	}
	if roles := w.operator.get(nodes + "/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01&$filter=atScope()").ok(200).raw; strings.Contains(roles, importedOID) {
		t.Errorf("the cluster's identity was given a role: %s", roles)
	}
	w.admin("POST", "nodes", obj{"cluster": importedGroup}).ok(400)
}
