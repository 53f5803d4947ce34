package cloud_test

import (
	"slices"
	"strings"
	"testing"
)

// The questions of RBAC that are easily answered wrong, asked at the front door. That a role on rg1 does not count on rg10
// is in TestRefusals, that the operator does not bypass the check in TestLastOwner.

// TestNamesAreWhole lets a role for a type or a provider count for no other whose name begins the same.
func TestNamesAreWhole(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg1")
	net, compute := rg+"/providers/Microsoft.Network/", rg+"/providers/Microsoft.Compute/"
	machines, network, others := w.application("machines"), w.application("network"), w.application("others")
	w.allow(machines.id, rg, "Microsoft.Compute/virtualMachines/*")
	w.allow(network.id, rg, "Microsoft.Network/*", "Microsoft.Authorization/permissions/read")
	w.allow(others.id, rg, "Microsoft.NetworkCloud/*", "Microsoft.Authorization/permissions/read")
	machines.get(compute+"virtualMachines/m").refused(404, "ResourceNotFound")
	machines.get(compute+"virtualMachineScaleSets/s").refused(403, "AuthorizationFailed", "Microsoft.Compute/virtualMachineScaleSets/read")
	network.put(net+"virtualNetworks/v", obj{"location": "westeurope", "properties": obj{"addressSpace": obj{"addressPrefixes": []string{"10.0.0.0/16"}}}}).ok(201)
	others.get(net+"virtualNetworks/v").refused(403, "AuthorizationFailed", "Microsoft.Network/virtualNetworks/read")
	others.get(compute+"virtualMachines/m").refused(403, "AuthorizationFailed")
	for role, want := range map[*user]string{network: "Microsoft.Network/*", others: "Microsoft.NetworkCloud/*"} {
		if got := role.get(rg + "/providers/Microsoft.Authorization/permissions").ok(200).str("value.0.actions.0"); got != want {
			t.Errorf("may %s, want %s", got, want)
		}
	}
}

// TestPlanesAreApart lets no data role pass a check of the control plane: not even one for all data there is.
func TestPlanesAreApart(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	account, vault := w.account(rg, "stplanes", obj{}), w.vault(rg, "kv-planes", obj{"enableRbacAuthorization": true})
	u := w.application("u")
	role := guid()
	id := w.platform + "/providers/Microsoft.Authorization/roleDefinitions/" + role
	op.put(id, obj{"properties": obj{"roleName": "all data", "assignableScopes": []string{w.platform},
		"permissions": []obj{{"dataActions": []string{"Microsoft.Storage/*", "Microsoft.KeyVault/*"}}}}}).ok(201)
	op.assign(w.platform, guid(), role, u.id).ok(201)
	for _, resource := range []string{account, vault} {
		u.get(resource).refused(403, "AuthorizationFailed")
		u.delete(resource).refused(403, "AuthorizationFailed")
	}
	op.do("POST", account+"/listKeys?api-version=2023-01-01", nil).ok(200)
	u.do("POST", account+"/listKeys?api-version=2023-01-01", nil).refused(403, "AuthorizationFailed", "Microsoft.Storage/storageAccounts/listkeys/action")
}

// TestAllPermissionsAreNeeded wants every permission of a call, not one of them.
func TestAllPermissionsAreNeeded(t *testing.T) {
	w := newWorld(t)
	s := w.site()
	const write, join, assign = "Microsoft.Network/networkInterfaces/write", "Microsoft.Network/virtualNetworks/subnets/join/action", "Microsoft.Network/networkSecurityGroups/join/action"
	body := obj{"location": "westeurope", "properties": obj{"networkSecurityGroup": obj{"id": s.nsg},
		"ipConfigurations": []obj{{"name": "c", "properties": obj{"subnet": obj{"id": s.subnet}}}}}}
	for name, c := range map[string]struct {
		own, hub []string
		code     string
	}{
		"nothing":      {nil, nil, "AuthorizationFailed"},
		"joins-only":   {nil, []string{join, assign}, "AuthorizationFailed"},
		"write-only":   {[]string{write}, nil, "LinkedAuthorizationFailed"},
		"one-join":     {[]string{write}, []string{join}, "LinkedAuthorizationFailed"},
		"other-join":   {[]string{write}, []string{assign}, "LinkedAuthorizationFailed"},
		"joins-at-own": {[]string{write, join, assign}, nil, "LinkedAuthorizationFailed"},
		"all":          {[]string{write}, []string{join, assign}, ""},
	} {
		u := w.application(name)
		for scope, actions := range map[string][]string{s.own: c.own, s.hub: c.hub} {
			if actions != nil {
				w.allow(u.id, scope, actions...)
			}
		}
		if r := u.put(s.own+"/providers/Microsoft.Network/networkInterfaces/"+name, body); c.code == "" {
			r.ok(201)
		} else {
			r.refused(403, c.code)
		}
	}
}

// TestGroupsCount gives a role to a group that the caller is in through another one.
func TestGroupsCount(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	id, principal, _ := w.identity(rg, "id1")
	group := func(name, member string) string {
		made := op.do("POST", "/v1.0/groups", obj{"displayName": name, "mailNickname": name, "mailEnabled": false, "securityEnabled": true}).ok(201).str("id")
		op.do("POST", "/v1.0/groups/"+made+"/members/$ref", obj{"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/" + member}).ok(204)
		return made
	}
	inner := group("inner", principal)
	outer := group("outer", inner)
	op.do("POST", "/v1.0/groups/"+inner+"/members/$ref", obj{"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/" + outer}).ok(204) // a circle
	m := w.machine(id)
	m.get(rg).refused(403, "AuthorizationFailed")
	given := w.grant(outer, "Reader", rg)
	m.get(rg).ok(200)
	if got := m.get("/subscriptions").ok(200).list("id"); !slices.Equal(got, []string{w.platform}) {
		t.Errorf("sees %v", got)
	}
	op.do("DELETE", "/v1.0/groups/"+inner+"/members/"+principal+"/$ref", nil).ok(204)
	m.get(rg).refused(403, "AuthorizationFailed")
	op.do("POST", "/v1.0/groups/"+outer+"/members/$ref", obj{"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/" + principal}).ok(204)
	m.get(rg).ok(200)
	op.delete(given).ok(200)
	m.get(rg).refused(403, "AuthorizationFailed")
}

// TestConditionsAndDenials puts a condition, a deny assignment and a role without condition against each other.
func TestConditionsAndDenials(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	team := w.application("team")
	op.assign(rg, guid(), rbacAdministrator, team.id, "condition", onlyPull).ok(201)
	pull := func() reply {
		return team.assign(rg, guid(), roles["AcrPull"], w.application("puller"+guid()).id, "principalType", "ServicePrincipal")
	}
	pull().ok(201)
	deny := rg + "/providers/Microsoft.Authorization/denyAssignments/" + guid()
	op.put(deny, obj{"properties": obj{"denyAssignmentName": "d", "permissions": []obj{{"actions": []string{"Microsoft.Authorization/*/write"}}},
		"principals": []obj{{"id": team.id, "type": "ServicePrincipal"}}}}).ok(201)
	pull().refused(403, "DenyAssignmentAuthorizationFailed")
	team.assign(rg, guid(), roles["Owner"], team.id, "principalType", "ServicePrincipal").refused(403, "DenyAssignmentAuthorizationFailed") // asked before roles and conditions
	op.assign(rg, guid(), roles["Owner"], team.id).ok(201)
	team.assign(rg, guid(), roles["Owner"], op.id, "principalType", "ServicePrincipal").refused(403, "DenyAssignmentAuthorizationFailed")
	op.delete(deny).ok(200)
	pull().ok(201)
}

// TestServicesPassTheDoor lets AKS do its work as its own first-party principal: the activity log names it, not who asked.
func TestServicesPassTheDoor(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg1")
	c := w.cluster(rg, "c1")
	c.put(obj{"type": "SystemAssigned"}, nil).ok(200)
	const aks = "7319c514-987d-4e9b-ac3d-d38c4f427f4c"
	sp := w.operator.get("/v1.0/servicePrincipals?$filter=appId%20eq%20'" + aks + "'").ok(200).str("value.0.id")
	events := w.operator.events(w.platform, "")
	by := map[string]bool{}
	for i, caller := range events.list("caller") {
		if scope := events.list("authorization.scope")[i]; strings.HasPrefix(strings.ToLower(scope), strings.ToLower(c.nodes)) {
			by[caller] = true
		}
	}
	if !by[sp] && !by[aks] || by[w.operator.id] {
		t.Errorf("in the node resource group wrote %v; AKS is %s", by, sp)
	}
}
