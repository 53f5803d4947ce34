package cloud_test

import (
	"slices"
	"strings"
	"testing"
)

// ask puts a query to Resource Graph.
func (u *user) ask(query string, options obj) reply {
	u.w.Helper()
	return u.do("POST", "/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01", obj{"query": query, "options": options})
}

// TestResourceGraph queries resources and role assignments, trimmed to what the caller may read.
func TestResourceGraph(t *testing.T) {
	w := newWorld(t)
	op, rg, other := w.operator, w.group(w.platform, "rg1"), w.group(w.hub, "rg2")
	_, principal, _ := w.identity(rg, "id1")
	w.identity(rg, "id2")
	w.identity(other, "id3")
	w.grant(principal, "AcrPull", rg)
	names := func(r reply) []string {
		r.ok(200)
		var out []string
		all, _ := r.body["data"].([]any)
		for _, v := range all {
			out = append(out, v.(map[string]any)["name"].(string))
		}
		return out
	}
	const identities = "resources | where type =~ 'Microsoft.ManagedIdentity/userAssignedIdentities' | project name | order by name asc"
	if got := names(op.ask(identities, nil)); !slices.Equal(got, []string{"id1", "id2", "id3"}) {
		t.Errorf("identities are %v", got)
	}
	reader := w.application("reader")
	if got := names(reader.ask(identities, nil)); len(got) != 0 {
		t.Errorf("who has no role sees %v", got)
	}
	w.grant(reader.id, "Reader", other)
	if got := names(reader.ask(identities, nil)); !slices.Equal(got, []string{"id3"}) {
		t.Errorf("a reader of one group sees %v", got)
	}
	page := op.ask(identities, obj{"$top": 2}).ok(200)
	if got := names(page); !slices.Equal(got, []string{"id1", "id2"}) || page.at("totalRecords") != 3.0 {
		t.Errorf("the first page is %s", page.raw)
	}
	if got := names(op.ask(identities, obj{"$top": 2, "$skipToken": page.str("$skipToken")})); !slices.Equal(got, []string{"id3"}) {
		t.Errorf("the second page is %v", got)
	}
	const roles = `authorizationresources | where type =~ 'microsoft.authorization/roleassignments' and properties.principalId == '%s'
		| extend role = tolower(tostring(properties.roleDefinitionId))
		| join kind=inner (authorizationresources | where type =~ 'microsoft.authorization/roledefinitions' | project role = tolower(id), roleName = tostring(properties.roleName)) on role
		| project name = roleName`
	if got := names(op.ask(strings.ReplaceAll(roles, "%s", principal), nil)); !slices.Equal(got, []string{"AcrPull"}) {
		t.Errorf("the identity's roles are %v", got)
	}
	if got := names(op.ask("resourcecontainers | where type == 'microsoft.resources/subscriptions' | project name | order by name asc", nil)); !slices.Equal(got, []string{"Hub", "Platform"}) {
		t.Errorf("subscriptions are %v", got)
	}
	op.ask("resources | dance", nil).refused(400, "BadRequest")
}
