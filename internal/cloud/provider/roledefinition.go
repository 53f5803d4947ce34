package provider

import (
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/rbac"
)

// Role definitions. Built-in ones are the engine's; custom ones are documents of the tenant, found at every scope.

func roleKey(id azure.ID) azure.ID { return azure.Root.Resource(typeRoleDefinition, lower(id.Name())) }

const customRoles = "customroles" // the index entry of them all

func roleRefs(d arm.Doc) []string {
	return []string{customRoles, roleNameRef(arm.Str(d, "properties.roleName"))}
}

func roleNameRef(name string) string { return "rolename:" + lower(name) }

// roleID is a role definition's id as the API prints it: below the subscription of the scope that is asked for.
func roleID(scope azure.ID, role azure.GUID) string {
	if sub := scope.Subscription(); sub != "" {
		return azure.SubscriptionID(sub).Resource(typeRoleDefinition, role.String()).String()
	}
	return azure.Root.Resource(typeRoleDefinition, role.String()).String()
}

// builtInSince is when Azure's first built-in roles were made; when the others were is not known here.
const builtInSince = "2015-02-02T21:55:09.8806423Z"

func roleDoc(scope azure.ID, r *rbac.Role, stored arm.Doc) arm.Doc {
	kind, scopes := "BuiltInRole", []any{"/"}
	if !r.BuiltIn {
		kind, scopes = "CustomRole", []any{}
		for _, s := range r.AssignableScopes {
			scopes = append(scopes, s.String())
		}
	}
	props := arm.Doc{"roleName": r.Name, "type": kind, "description": r.Description, "assignableScopes": scopes, "permissions": permissionDocs(r.Permissions)}
	for _, k := range []string{"createdOn", "updatedOn", "createdBy", "updatedBy"} {
		props[k] = arm.Get(stored, "properties."+k)
	}
	if r.BuiltIn {
		props["createdOn"], props["updatedOn"] = builtInSince, builtInSince
	}
	return arm.Doc{"id": roleID(scope, r.ID), "name": r.ID.String(), "type": typeRoleDefinition, "properties": props}
}

// viewRole is a role as the service answers to a PUT (recorded): with the id that it has everywhere, and as if it were new.
func viewRole(c *arm.Call, d arm.Doc) {
	role, err := azure.ParseGUID(arm.Str(d, "name"))
	if err != nil || c.Method != http.MethodPut {
		return
	}
	d["id"] = roleID(c.ID, role)
	arm.Set(d, "properties.createdOn", arm.Str(d, "properties.updatedOn"))
	arm.Set(d, "properties.createdBy", nil)
}

func permissionDocs(all []rbac.Permission) []any {
	out := []any{}
	for _, p := range all {
		d := arm.Doc{"actions": texts(p.Actions), "notActions": texts(p.NotActions), "dataActions": texts(p.DataActions), "notDataActions": texts(p.NotDataActions)}
		if p.Condition != "" {
			d["condition"], d["conditionVersion"] = p.Condition, p.ConditionVersion
		}
		out = append(out, d)
	}
	return out
}

func texts(all []string) []any {
	out := []any{}
	for _, s := range all {
		out = append(out, s)
	}
	return out
}

func getRole(c *arm.Call) (arm.Doc, *azure.Error) {
	id, err := azure.ParseGUID(c.ID.Name())
	if err != nil {
		return nil, azure.InvalidRoleDefinitionID.Format(azure.Fields{"id": c.ID.Name()})
	}
	scope, _, _ := c.ID.Split()
	r, ok := c.Policy().Role(id)
	if !ok {
		return nil, azure.RoleDefinitionDoesNotExist.Format(azure.Fields{"role": id.Hex()})
	}
	stored, err := c.Load(c.ID)
	return roleDoc(scope, r, stored), arm.Fault(err)
}

// listRoles yields the roles that can be assigned at a scope.
func listRoles(c *arm.Call) iter.Seq2[arm.Doc, error] {
	terms, bad := c.Filter()
	if bad != nil {
		return failed(bad)
	}
	var roles []*rbac.Role
	for r := range c.Policy().Roles() {
		if ok, known := roleMatches(r, terms); !known {
			return failed(c.BadFilter())
		} else if ok && assignable(c, r, c.ID) {
			roles = append(roles, r)
		}
	}
	slices.SortFunc(roles, func(a, b *rbac.Role) int { return strings.Compare(a.Name, b.Name) })
	return func(yield func(arm.Doc, error) bool) {
		for _, r := range roles {
			var stored arm.Doc
			var err error
			if !r.BuiltIn {
				stored, err = c.Load(azure.Root.Resource(typeRoleDefinition, r.ID.String()))
			}
			if !yield(roleDoc(c.ID, r, stored), err) {
				return
			}
		}
	}
}

func roleMatches(r *rbac.Role, terms []arm.Term) (ok, known bool) {
	ok = true
	for _, t := range terms {
		switch lower(t.Field) + t.Op {
		case "rolenameeq":
			ok = ok && strings.EqualFold(r.Name, t.Value)
		case "typeeq":
			ok = ok && strings.EqualFold(t.Value, "BuiltInRole") == r.BuiltIn
		case "atscope()", "atscopeandbelow()":
		default:
			return false, false
		}
	}
	return ok, true
}

// assignable reports whether a role can be assigned at a scope or below.
func assignable(c *arm.Call, r *rbac.Role, scope azure.ID) bool {
	return r.BuiltIn || slices.ContainsFunc(r.AssignableScopes, func(s azure.ID) bool {
		return c.Covers(s, scope) || c.Covers(scope, s)
	})
}

// checkRoleAt refuses a role that is not there or cannot be assigned at a scope.
func checkRoleAt(c *arm.Call, role azure.GUID, scope azure.ID) *azure.Error {
	r, ok := c.Policy().Role(role)
	if !ok {
		return azure.RoleDefinitionDoesNotExist.Format(azure.Fields{"role": role.Hex()})
	}
	if r.BuiltIn {
		return nil
	}
	if !slices.ContainsFunc(r.AssignableScopes, func(s azure.ID) bool { return c.Covers(s, scope) }) {
		return azure.RoleNotAssignableAtScope.Format(azure.Fields{"scope": scope.String(), "role": role.String()})
	}
	if strings.EqualFold(scope.Type(), azure.TypeManagementGroup) && slices.ContainsFunc(r.Permissions, func(p rbac.Permission) bool { return len(p.DataActions) > 0 }) {
		return azure.DataRoleAtManagementGroup.Error()
	}
	return nil
}

// checkRole is the semantics of a custom role's PUT: real actions only, and the right to write roles at every assignable scope.
func checkRole(c *arm.Call) *azure.Error {
	id, err := azure.ParseGUID(c.ID.Name())
	if err != nil {
		return azure.InvalidRoleDefinitionID.Format(azure.Fields{"id": c.ID.Name()})
	}
	if old, ok := c.Policy().Role(id); ok && old.BuiltIn {
		return azure.RoleDefinitionBuiltIn.Format(azure.Fields{"role": old.Name})
	}
	r := rbac.Role{ID: id, Name: arm.Str(c.Doc, "properties.roleName"), Description: arm.Str(c.Doc, "properties.description")}
	if r.Name == "" || len(r.Name) > maxRoleName {
		return azure.MissingRoleName.Error()
	}
	for _, check := range []*azure.Error{checkDescription(arm.Map(c.Doc, "properties")), checkRoleName(c, &r), checkRoleLimit(c)} {
		if check != nil {
			return check
		}
	}
	if r.Permissions, err = readPermissions(arm.List(c.Doc, "properties.permissions")); err != nil {
		return arm.Fault(err)
	}
	if e := assignableScopes(c, &r); e != nil {
		return e
	}
	now := c.Now.Format(time.RFC3339Nano)
	props := arm.Map(c.Doc, "properties")
	props["permissions"] = permissionDocs(r.Permissions)
	props["type"], props["updatedOn"], props["updatedBy"] = "CustomRole", now, c.Caller.ID.String()
	props["createdOn"], props["createdBy"] = now, c.Caller.ID.String()
	if c.Old != nil {
		props["createdOn"], props["createdBy"] = arm.Get(c.Old, "properties.createdOn"), arm.Get(c.Old, "properties.createdBy")
	}
	return arm.Fault(c.PutRole(r))
}

// checkRoleName refuses the name of another role, also of one that is written in the same commit.
func checkRoleName(c *arm.Call, r *rbac.Role) *azure.Error {
	for other := range c.Policy().Roles() {
		if other.ID != r.ID && strings.EqualFold(other.Name, r.Name) {
			return azure.RoleDefinitionWithSameNameExists.Error()
		}
	}
	for d, err := range c.Find(roleNameRef(r.Name)) {
		if err != nil {
			return arm.Fault(err)
		}
		if !strings.EqualFold(arm.Str(d, "name"), r.ID.String()) {
			return azure.RoleDefinitionWithSameNameExists.Error()
		}
	}
	return nil
}

func readPermissions(all []any) ([]rbac.Permission, error) {
	var out []rbac.Permission
	for _, v := range all {
		d, _ := v.(map[string]any)
		p := rbac.Permission{Actions: text(arm.List(d, "actions")), NotActions: text(arm.List(d, "notActions")),
			DataActions: text(arm.List(d, "dataActions")), NotDataActions: text(arm.List(d, "notDataActions"))}
		for _, a := range slices.Concat(p.Actions, p.NotActions, p.DataActions, p.NotDataActions) {
			if !knownAction(a) {
				return nil, azure.InvalidActionOrNotAction.Format(azure.Fields{"action": a})
			}
		}
		out = append(out, p)
	}
	return out, nil
}

func assignableScopes(c *arm.Call, r *rbac.Role) *azure.Error {
	for _, s := range text(arm.List(c.Doc, "properties.assignableScopes")) {
		id, err := azure.ParseID(s)
		if err != nil || id == azure.Root {
			return azure.InvalidAssignableScopes.Format(azure.Fields{"scope": s})
		}
		if e := c.AuthorizeLink("Microsoft.Authorization/roleDefinitions/write", id); e != nil {
			return e
		}
		r.AssignableScopes = append(r.AssignableScopes, id)
	}
	if len(r.AssignableScopes) == 0 {
		return azure.InvalidAssignableScopes.Format(azure.Fields{"scope": ""})
	}
	return checkScopesLimit(r.AssignableScopes)
}

func roleDeleted(c *arm.Call) *azure.Error {
	id, err := azure.ParseGUID(c.ID.Name())
	if err != nil {
		return nil
	}
	for _, err := range ongoing(c, c.Find(byRole(id))) {
		if err != nil {
			return arm.Fault(err)
		}
		return azure.RoleDefinitionHasAssignments.Error()
	}
	return arm.Fault(c.DropRole(id))
}
