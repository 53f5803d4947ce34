package cloud_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// numbered is a GUID of a kind, a hexadecimal digit.
func numbered(kind string, n int) string {
	return fmt.Sprintf("%s0000000-0000-4000-8000-%012d", kind, n)
}

// race makes calls at once and counts the answers by status; one of the code of a refusal is returned.
func race(n int, call func(i int) reply) (byStatus map[int]int, refusal reply) {
	var mu sync.Mutex
	var all sync.WaitGroup
	byStatus = map[int]int{}
	for i := range n {
		all.Go(func() {
			r := call(i)
			mu.Lock()
			defer mu.Unlock()
			if byStatus[r.status]++; r.status > 299 {
				refusal = r
			}
		})
	}
	all.Wait()
	return byStatus, refusal
}

// TestAssignmentLimit fills a subscription but for one place, for which many run.
func TestAssignmentLimit(t *testing.T) {
	w := newWorld(t)
	docs := []any{obj{"id": importedSub, "displayName": "Full"}}
	for i := range 3998 { // and the operator is its owner
		docs = append(docs, importedAssignment(numbered("e", i), roles["Reader"], numbered("a", i), importedSub))
	}
	w.admin("POST", "import", collectionOf(docs...)).ok(200)
	assign := func(i int) reply {
		return w.operator.assign(importedSub, numbered("f", i), roles["Reader"], numbered("b", i), "principalType", "ServicePrincipal")
	}
	got, refusal := race(16, assign)
	if got[201] != 1 || got[400] != 15 {
		t.Errorf("answers %v, want one more assignment", got)
	}
	refusal.refused(400, "RoleAssignmentLimitExceeded", "No more role assignments can be created")
	w.operator.assign(w.platform, guid(), roles["Reader"], numbered("b", 1), "principalType", "ServicePrincipal").ok(201) // another subscription has its own
	w.operator.assign(importedSub, numbered("e", 7), roles["Reader"], numbered("a", 7), "principalType", "ServicePrincipal", "description", "what is there can be written").ok(201)
	w.operator.delete(importedSub + "/providers/Microsoft.Authorization/roleAssignments/" + numbered("e", 7)).ok(200)
	assign(100).ok(201)
	assign(101).refused(400, "RoleAssignmentLimitExceeded")
}

// TestRoleLimit does the same with the tenant's custom roles.
func TestRoleLimit(t *testing.T) {
	w := newWorld(t)
	at := func(i int) string {
		return importedSub + "/providers/Microsoft.Authorization/roleDefinitions/" + numbered("c", i)
	}
	body := func(i int) obj {
		return obj{"roleName": fmt.Sprint("role ", i), "type": "CustomRole", "assignableScopes": []any{importedSub}, "permissions": []any{obj{"actions": []any{"*/read"}}}}
	}
	docs := []any{obj{"id": importedSub, "displayName": "Full"}}
	for i := range 4999 {
		docs = append(docs, obj{"id": at(i), "properties": body(i)})
	}
	w.admin("POST", "import", collectionOf(docs...)).ok(200)
	got, refusal := race(16, func(i int) reply { return w.operator.put(at(5000+i), obj{"properties": body(5000 + i)}) })
	if got[201] != 1 || got[400] != 15 {
		t.Errorf("answers %v, want one more role", got)
	}
	refusal.refused(400, "RoleDefinitionLimitExceeded", "No more role definitions can be created.")
	w.operator.put(at(7), obj{"properties": body(7)}).ok(201) // as the service answers an update
}

// TestRoleNames are unique, also among those that are written at once.
func TestRoleNames(t *testing.T) {
	w := newWorld(t)
	got, refusal := race(16, func(i int) reply {
		return w.operator.put(w.platform+"/providers/Microsoft.Authorization/roleDefinitions/"+numbered("c", i), obj{"properties": obj{
			"roleName": []string{"joiner", "Joiner"}[i%2], "assignableScopes": []string{w.platform}, "permissions": []obj{{"actions": []string{"*/read"}}}}})
	})
	if got[201] != 1 || got[409] != 15 {
		t.Errorf("answers %v, want one role of the name", got)
	}
	refusal.refused(409, "RoleDefinitionWithSameNameExists")
}

// TestLengths are those of names, descriptions and lists of scopes.
func TestLengths(t *testing.T) {
	w := newWorld(t)
	op := w.operator
	long := strings.Repeat("d", 2048)
	op.assign(w.platform, guid(), roles["Reader"], numbered("b", 1), "principalType", "ServicePrincipal", "description", long).ok(201)
	op.assign(w.platform, guid(), roles["Reader"], numbered("b", 2), "principalType", "ServicePrincipal", "description", long+"d").refused(400, "InvalidDescription")
	groups := []string{"/providers/Microsoft.Management/managementGroups/a", "/providers/Microsoft.Management/managementGroups/b"}
	for _, g := range groups {
		op.put(g, obj{}).ok(200)
	}
	role := func(name, description string, scopes ...string) reply {
		return op.put(w.platform+"/providers/Microsoft.Authorization/roleDefinitions/"+guid(), obj{"properties": obj{
			"roleName": name, "description": description, "assignableScopes": scopes, "permissions": []obj{{"actions": []string{"*/read"}}}}})
	}
	role(strings.Repeat("n", 512), long, w.platform).ok(201)
	role(strings.Repeat("n", 513), "", w.platform).refused(400, "MissingRoleDefinitionName")
	role("r", long+"d", w.platform).refused(400, "InvalidDescription")
	role("one group", "", w.platform, groups[0]).ok(201)
	role("two groups", "", groups...).refused(400, "InvalidAssignableScopes", "one management group")
	many := make([]string, 2001)
	for i := range many {
		many[i] = fmt.Sprint(w.platform, "/resourceGroups/rg", i)
	}
	role("many", "", many...).refused(400, "InvalidAssignableScopes")
	role("as many", "", many[1:]...).ok(201)
}

// TestFederationLimit lets twenty-one run for twenty places.
func TestFederationLimit(t *testing.T) {
	w := newWorld(t)
	id, _, _ := w.identity(w.group(w.platform, "rg1"), "id1")
	got, refusal := race(24, func(i int) reply {
		return w.operator.put(fmt.Sprint(id, "/federatedIdentityCredentials/fic", i), obj{"properties": obj{
			"issuer": "https://issuer.example", "subject": fmt.Sprint("s", i), "audiences": []string{"api://AzureADTokenExchange"}}})
	})
	if got[201] != 20 || got[400] != 4 {
		t.Errorf("answers %v, want twenty credentials", got)
	}
	refusal.refused(400, "BadRequest", "Too many Federated Identity Credentials")
}
