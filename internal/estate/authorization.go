package estate

import (
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

// Resource types of authorization documents.
const (
	typeAssignment = "Microsoft.Authorization/roleAssignments"
	typeDefinition = "Microsoft.Authorization/roleDefinitions"
	typeDeny       = "Microsoft.Authorization/denyAssignments"
	typeLock       = "Microsoft.Authorization/locks"
)

// everyone is the principal id of a deny assignment that means all principals (facts 3.4).
var everyone = azure.GUID{}

// grantOf reads a role assignment.
func grantOf(r Resource) (rbac.Grant, bool) {
	g := rbac.Grant{
		ID:            r.ID,
		Role:          roleID(r.Text("properties.roleDefinitionId")),
		Principal:     guidAt(r.Doc, "properties.principalId"),
		PrincipalType: r.Text("properties.principalType"),
		Scope:         scopeOf(r),
		Condition:     r.Text("properties.condition"),
		CreatedOn:     timeAt(r.Doc, "properties.createdOn"),
		CreatedBy:     guidAt(r.Doc, "properties.createdBy"),
	}
	return g, !g.Role.IsZero() && !g.Principal.IsZero() && !g.Scope.IsZero()
}

// roleOf reads a role definition. az prints the type of a role as roleType.
func roleOf(r Resource) (rbac.Role, bool) {
	kind := r.Text("properties.roleType")
	if kind == "" {
		kind = r.Text("properties.type")
	}
	role := rbac.Role{
		ID:          roleID(r.ID.String()),
		Name:        r.Text("properties.roleName"),
		Description: r.Text("properties.description"),
		BuiltIn:     strings.EqualFold(kind, "BuiltInRole"),
		Permissions: permissionsAt(r.Doc, "properties.permissions"),
	}
	for _, s := range textsAt(r.Doc, "properties.assignableScopes") {
		if id, err := azure.ParseID(s); err == nil {
			role.AssignableScopes = append(role.AssignableScopes, id)
		}
	}
	return role, !role.ID.IsZero()
}

// denyOf reads a deny assignment. Those that only audit deny nothing (facts 3.4).
func denyOf(r Resource) (rbac.Deny, bool) {
	if strings.EqualFold(r.Text("properties.denyAssignmentEffect"), "audit") {
		return rbac.Deny{}, false
	}
	notChildren, _ := at(r.Doc, "properties.doNotApplyToChildScopes").(bool)
	d := rbac.Deny{
		ID:          r.ID,
		Name:        r.Text("properties.denyAssignmentName"),
		Scope:       scopeOf(r),
		Permissions: permissionsAt(r.Doc, "properties.permissions"),
		Except:      principalsAt(r.Doc, "properties.excludePrincipals"),
		NotChildren: notChildren,
	}
	for _, p := range principalsAt(r.Doc, "properties.principals") {
		if p == everyone {
			d.Everyone = true
		} else {
			d.Principals = append(d.Principals, p)
		}
	}
	return d, !d.Scope.IsZero()
}

func principalsAt(doc map[string]any, path string) []azure.PrincipalID {
	var out []azure.PrincipalID
	for _, p := range listAt(doc, path) {
		if g, err := azure.ParseGUID(textAt(p, "id")); err == nil {
			out = append(out, g)
		}
	}
	return out
}

func permissionsAt(doc map[string]any, path string) []rbac.Permission {
	var out []rbac.Permission
	for _, p := range listAt(doc, path) {
		out = append(out, rbac.Permission{
			Actions: textsAt(p, "actions"), NotActions: textsAt(p, "notActions"),
			DataActions: textsAt(p, "dataActions"), NotDataActions: textsAt(p, "notDataActions"),
			Condition: textAt(p, "condition"), ConditionVersion: textAt(p, "conditionVersion"),
		})
	}
	return out
}

// scopeOf is the scope that an assignment says, or the one that it is an extension of.
func scopeOf(r Resource) azure.ID {
	if id := r.Link("properties.scope"); !id.IsZero() {
		return id
	}
	scope, _, _ := r.ID.Split()
	return scope
}

// roleID is the GUID at the end of a role definition's id, or the zero GUID.
func roleID(id string) azure.GUID {
	g, err := azure.ParseGUID(id[strings.LastIndexByte(id, '/')+1:])
	if err != nil {
		return azure.GUID{}
	}
	return g
}

func timeAt(v any, path string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, textAt(v, path))
	return t
}
