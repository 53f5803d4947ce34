package cloud_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"aksid/internal/cloud"
)

// TestLocks lets no one write under a ReadOnly lock, nor delete under or above any lock.
func TestLocks(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	rt := rg + "/providers/Microsoft.Network/routeTables/r1"
	op.put(rt, obj{"location": "westeurope"}).ok(201)
	lock := func(scope, level string) string {
		path := scope + "/providers/Microsoft.Authorization/locks/l1"
		op.put(path, obj{"properties": obj{"level": level}}).ok(201)
		return path
	}
	op.put(rt+"/providers/Microsoft.Authorization/locks/l1", obj{"properties": obj{"level": "Sometimes"}}).refused(400, "LockLevelInvalid")
	path := lock(rt, "CanNotDelete")
	op.delete(rt).refused(409, "ScopeLocked", "cannot perform delete operation because following scope(s) are locked: '"+rt+"'")
	op.delete(rg).refused(409, "ScopeLocked", rt)
	op.put(rt, obj{"location": "westeurope", "tags": obj{"a": "b"}}).ok(200)
	op.delete(path).ok(200)
	path = lock(rg, "ReadOnly")
	op.put(rt, obj{"location": "westeurope"}).refused(409, "ScopeLocked", "cannot perform write operation")
	op.get(rt).ok(200)
	if got := op.get(w.platform + "/providers/Microsoft.Authorization/locks").ok(200).list("id"); !slices.Equal(got, []string{path}) {
		t.Errorf("locks are %v", got)
	}
	contributor := w.application("contributor")
	w.operator.delete(path).ok(200)
	w.grant(contributor.id, "Contributor", rg)
	lock(rg, "CanNotDelete")
	contributor.delete(path).refused(403, "AuthorizationFailed", "'Microsoft.Authorization/locks/delete'")
	op.delete(path).ok(200)
	contributor.delete(rt).ok(200)
}

// TestDenyAssignments makes one for everyone but the operator: it wins over every role.
func TestDenyAssignments(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	u := w.application("u")
	w.grant(u.id, "Owner", w.platform)
	rt := rg + "/providers/Microsoft.Network/routeTables/r1"
	op.put(rt, obj{"location": "westeurope"}).ok(201)
	name := guid()
	path := rg + "/providers/Microsoft.Authorization/denyAssignments/" + name
	deny := func(extra obj) obj {
		p := obj{"denyAssignmentName": "no writes here", "permissions": []obj{{"actions": []string{"*/write"}}},
			"principals": []obj{{"id": "00000000-0000-0000-0000-000000000000", "type": "SystemDefined"}}}
		for k, v := range extra {
			p[k] = v
		}
		return obj{"properties": p}
	}
	op.put(path, deny(nil)).refused(400, "InvalidDenyAssignment", "exclude")
	op.put(path, deny(obj{"excludePrincipals": []obj{{"id": op.id, "type": "ServicePrincipal"}}})).ok(201)
	u.put(rt, obj{"location": "westeurope"}).refused(403, "DenyAssignmentAuthorizationFailed",
		"has permission to perform action 'Microsoft.Network/routeTables/write' on scope '"+rt+"'; however, the access is denied because of the deny assignment with name 'no writes here' and Id '"+
			strings.ReplaceAll(name, "-", "")+"' at scope '"+rg+"'.")
	u.get(rt).ok(200)
	op.put(rt, obj{"location": "westeurope"}).ok(200)
	if got := op.get(rt + "/providers/Microsoft.Authorization/denyAssignments?$filter=atScope()").ok(200).list("properties.scope"); !slices.Equal(got, []string{rg}) {
		t.Errorf("deny assignments are at %v", got)
	}
	op.put(path, deny(obj{"excludePrincipals": []obj{{"id": op.id, "type": "ServicePrincipal"}}, "denyAssignmentEffect": "audit"})).ok(200)
	u.put(rt, obj{"location": "westeurope"}).ok(200)
	op.delete(path).ok(200)
}

// TestManagementGroups gives a role above subscriptions, and moves one away from it.
func TestManagementGroups(t *testing.T) {
	w := newWorld(t)
	op := w.operator
	const base = "/providers/Microsoft.Management/managementGroups/"
	top, low := base+"top", base+"low"
	op.put(top, obj{"properties": obj{"displayName": "Top"}}).ok(200)
	op.put(low, obj{"properties": obj{"details": obj{"parent": obj{"id": top}}}}).ok(200)
	op.put(top, obj{"properties": obj{"details": obj{"parent": obj{"id": low}}}}).refused(400, "BadRequest")
	op.do("PATCH", top, obj{"parentGroupId": low}).refused(400, "BadRequest")
	if got := op.do("PATCH", low, obj{"displayName": "Low"}).ok(200); got.str("properties.displayName") != "Low" || got.str("properties.details.parent.id") != top || got.at("displayName") != nil {
		t.Errorf("renamed: %s", got.raw)
	}
	op.do("PATCH", low, obj{"parentGroupId": "/providers/Microsoft.Management/managementGroups/" + w.tenant}).ok(200)
	if got := op.do("PATCH", low, obj{"parentGroupId": top}).ok(200); got.str("properties.details.parent.displayName") != "Top" || got.str("properties.displayName") != "Low" {
		t.Errorf("moved: %s", got.raw)
	}
	sub := strings.TrimPrefix(w.hub, "/subscriptions/")
	op.put(low+"/subscriptions/"+sub, obj{}).ok(200)
	u := w.application("u")
	w.grantAt(u.id, "Reader", top)
	if got := u.get("/subscriptions").ok(200).list("id"); !slices.Equal(got, []string{w.hub}) {
		t.Errorf("a reader of the group sees %v", got)
	}
	u.get(w.hub).ok(200)
	u.get(w.platform).refused(404, "SubscriptionNotFound")
	rg := w.group(w.hub, "rg1")
	u.get(rg).ok(200)
	if got := op.get(rg + "/providers/Microsoft.Authorization/roleAssignments?$filter=atScope()").ok(200).list("properties.scope"); !slices.Contains(got, top) {
		t.Errorf("the assignment on the group is inherited: %v", got)
	}
	if got := op.get(low + "?$expand=children").ok(200).str("properties.children.0.name"); got != sub {
		t.Errorf("the group's child is %q", got)
	}
	op.delete(top).refused(400, "BadRequest")
	op.delete(low).refused(400, "BadRequest", "since '"+sub+"' is under it")
	if got := op.get(low + "/subscriptions").ok(200); got.str("value.0.properties.displayName") != "Hub" || got.str("value.0.properties.parent.id") != low {
		t.Errorf("the subscriptions of the group are %s", got.raw)
	}
	if got := op.get(top + "?$expand=children&$recurse=true").ok(200); got.str("properties.children.0.children.0.type") != "/subscriptions" || got.str("properties.details.parent.displayName") != "Tenant Root Group" {
		t.Errorf("the tree is %s", got.raw)
	}
	if got := op.get(top + "/descendants").ok(200).list("name"); !slices.Equal(got, []string{"low", sub}) {
		t.Errorf("the descendants are %v", got)
	}
	seen := op.do("POST", "/providers/Microsoft.Management/getEntities", nil).ok(200)
	for i, name := range seen.list("name") {
		at := fmt.Sprintf("value.%d.properties.", i)
		want := map[string]string{"top": "1 1 2 delete", "low": "1 0 1 delete", sub: "0 0 0 delete"}[name]
		if got := fmt.Sprint(seen.at(at+"numberOfChildren"), seen.at(at+"numberOfChildGroups"), seen.at(at+"numberOfDescendants")) + " " + seen.str(at+"inheritedPermissions"); want != "" && got != want {
			t.Errorf("%s has %q, want %q", name, got, want)
		}
	}
	if n := len(seen.list("name")); n != 4 { // with the other subscription
		t.Errorf("%d entities in %s", n, seen.raw)
	}
	for name, want := range map[string]string{"top": "AlreadyExists", "free": "", "a!b c": "Invalid"} {
		if got := op.do("POST", "/providers/Microsoft.Management/checkNameAvailability", obj{"name": name, "type": "Microsoft.Management/managementGroups"}).ok(200); got.str("reason") != want || (want == "") != (got.at("nameAvailable") == true) {
			t.Errorf("the name %q is %s", name, got.raw)
		}
	}
	op.delete(low + "/subscriptions/" + sub).ok(200)
	u.get(rg).refused(403, "AuthorizationFailed")
	stranger := w.application("stranger")
	stranger.put(low+"/subscriptions/"+sub, obj{}).refused(403, "AuthorizationFailed")
	op.delete(low).ok(204)
	op.delete(top).ok(204)
}

// TestRolesOfGroups defines a role on a management group, which is for it and what is below.
func TestRolesOfGroups(t *testing.T) {
	w := newWorld(t)
	op := w.operator
	top := "/providers/Microsoft.Management/managementGroups/top"
	op.put(top, obj{}).ok(200)
	op.put(top+"/subscriptions/"+strings.TrimPrefix(w.hub, "/subscriptions/"), obj{}).ok(200)
	hub, platform := w.group(w.hub, "rg1"), w.group(w.platform, "rg1")
	u := w.application("u")
	define := func(scope, name string, permissions obj) string {
		role := guid()
		op.put(scope+"/providers/Microsoft.Authorization/roleDefinitions/"+role, obj{"properties": obj{"roleName": name,
			"assignableScopes": []string{scope}, "permissions": []obj{permissions}}}).ok(201)
		return role
	}
	offered := func(scope, name string) int {
		return len(op.get(scope + "/providers/Microsoft.Authorization/roleDefinitions?$filter=roleName%20eq%20'" + name + "'").ok(200).list("id"))
	}
	reads, local := define(top, "reads", obj{"actions": []string{"*/read"}}), define(hub, "local", obj{"actions": []string{"*/read"}})
	data := define(top, "data", obj{"dataActions": []string{"Microsoft.Storage/*"}})
	for scope, want := range map[string]int{top: 1, w.hub: 1, hub: 1, w.platform: 0, platform: 0} {
		if got := offered(scope, "reads"); got != want {
			t.Errorf("%d roles of the group at %s, want %d", got, scope, want)
		}
	}
	op.assign(platform, guid(), reads, u.id).refused(400, "RoleAssignmentScopeNotAssignableToRoleDefinition")
	op.assign(w.hub, guid(), local, u.id).refused(400, "RoleAssignmentScopeNotAssignableToRoleDefinition")
	op.assign(top, guid(), local, u.id).refused(400, "RoleAssignmentScopeNotAssignableToRoleDefinition")
	op.assign(hub, guid(), local, u.id).ok(201)
	op.assign(top, guid(), data, u.id).refused(400, "InvalidCreateRoleAssignmentRequest", "custom role definitions with DataActions")
	op.assign(hub, guid(), data, u.id).ok(201)
	other := w.group(w.hub, "rg2")
	u.get(other).refused(403, "AuthorizationFailed")
	op.assign(top, guid(), reads, u.id).ok(201)
	u.get(other).ok(200)
	u.get(platform).refused(403, "AuthorizationFailed")
}

// TestLogsAbove asks for the activity logs of a management group and of the tenant, which hold nothing of the subscriptions.
func TestLogsAbove(t *testing.T) {
	w := newWorld(t)
	op := w.operator
	top := "/providers/Microsoft.Management/managementGroups/top"
	op.put(top, obj{}).ok(200)
	u := w.application("u")
	op.assign(top, guid(), roles["Reader"], u.id).ok(201)
	w.grant(u.id, "Reader", w.platform)
	for scope, other := range map[string]string{top: w.platform, w.platform: top} {
		of := op.events(scope, "resourceProvider eq 'Microsoft.Authorization'").ok(200).list("resourceId")
		if len(of) == 0 || slices.ContainsFunc(of, func(id string) bool { return !strings.HasPrefix(id, scope+"/") || strings.HasPrefix(id, other+"/") }) {
			t.Errorf("the log of %s has %v", scope, of)
		}
	}
	const values = "/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01"
	op.get(values).refused(403, "AuthorizationFailed", "'Microsoft.Insights/eventtypes/values/read' over scope '/providers/Microsoft.Insights/eventtypes/management'")
	w.application("stranger").get(top+values).refused(403, "AuthorizationFailed")
}

// TestLimitOfGroups takes 500 role assignments on a management group, its own Owner among them.
func TestLimitOfGroups(t *testing.T) {
	w := newWorld(t, func(*cloud.Config) {}) // calls are not replayed
	top := "/providers/Microsoft.Management/managementGroups/top"
	w.operator.put(top, obj{}).ok(200)
	for range 499 {
		w.operator.assign(top, guid(), roles["Reader"], guid(), "principalType", "ServicePrincipal").ok(201)
	}
	w.operator.assign(top, guid(), roles["Reader"], guid(), "principalType", "ServicePrincipal").refused(400, "RoleAssignmentLimitExceeded", "No more role assignments can be created")
}

// grantAt gives a role at a scope outside of subscriptions.
func (w *world) grantAt(principal, role, scope string) {
	w.Helper()
	w.operator.put(scope+"/providers/Microsoft.Authorization/roleAssignments/"+guid(),
		obj{"properties": obj{"principalId": principal, "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/" + roles[role]}}).ok(201)
}
