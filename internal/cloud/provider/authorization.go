package provider

import (
	"errors"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
	"aksid/internal/rbac"
)

const (
	typeRoleAssignment = "Microsoft.Authorization/roleAssignments"
	typeRoleDefinition = "Microsoft.Authorization/roleDefinitions"
)

// authorization is Azure RBAC's own resources (azure-facts 3.7).
func authorization() arm.Provider {
	versions := []string{"2022-04-01", "2020-10-01-preview", "2020-08-01-preview", "2020-04-01-preview", "2020-03-01-preview", "2018-09-01-preview", "2018-01-01-preview", "2015-07-01"}
	return arm.Provider{Namespace: "Microsoft.Authorization", Types: []arm.Type{
		{Name: typeRoleAssignment, Since: "2014-04-01", Versions: versions, Place: arm.Any,
			Codes: arm.Codes{Create: 201, Update: 200, Delete: 200, Gone: 204},
			Refs:  assignmentRefs, Check: checkAssignment, Deleted: assignmentDeleted, List: listAssignments, View: viewAssignment},
		{Name: typeRoleDefinition, Since: "2014-04-01", Versions: versions[1:], Place: arm.Any, Key: roleKey,
			Codes: arm.Codes{Create: 201, Update: 201, Delete: 200, Gone: 204},
			Refs:  roleRefs, Check: checkRole, Deleted: roleDeleted, Get: getRole, List: listRoles},
		{Name: "Microsoft.Authorization/denyAssignments", Since: "2018-07-01", Versions: []string{"2022-04-01", "2018-07-01-preview"},
			Place: arm.Any, Get: getDeny, List: listDenies},
	}}
}

// Index entries of role assignments.
func byName(name string) string               { return "assignment:" + lower(name) }
func byPrincipal(id azure.PrincipalID) string { return "principal:" + id.String() }
func byRole(id azure.GUID) string             { return "role:" + id.String() }

// assignment is what the engine needs of a role assignment's document.
type assignment struct {
	ID        azure.ID
	Scope     azure.ID
	Role      azure.GUID
	Principal azure.PrincipalID
}

func readAssignment(d arm.Doc) (assignment, bool) {
	id, err := azure.ParseID(arm.Str(d, "id"))
	scope, _, _ := id.Split()
	principal, err2 := azure.ParseGUID(arm.Str(d, "properties.principalId"))
	role, err3 := roleGUID(arm.Str(d, "properties.roleDefinitionId"))
	return assignment{id, scope, role, principal}, err == nil && err2 == nil && err3 == nil
}

func roleGUID(id string) (azure.GUID, error) {
	return azure.ParseGUID(id[strings.LastIndexByte(id, '/')+1:])
}

func assignmentRefs(d arm.Doc) []string {
	a, _ := readAssignment(d)
	return []string{byName(a.ID.Name()), byPrincipal(a.Principal), byRole(a.Role)}
}

// checkAssignment is the semantics of a role assignment's PUT, case by case as Azure answers them.
func checkAssignment(c *arm.Call) *azure.Error {
	if _, err := azure.ParseGUID(c.ID.Name()); err != nil {
		return azure.InvalidRoleAssignmentID.Format(azure.Fields{"id": c.ID.Name()})
	}
	props := arm.Map(c.Doc, "properties")
	principal, err := azure.ParseGUID(arm.Str(props, "principalId"))
	if err != nil || principal.IsZero() {
		return azure.InvalidPrincipalID.Error()
	}
	role, err := roleGUID(arm.Str(props, "roleDefinitionId"))
	if err != nil {
		return azure.InvalidRoleDefinitionID.Format(azure.Fields{"id": arm.Str(props, "roleDefinitionId")})
	}
	if _, ok := c.Policy().Role(role); !ok {
		return azure.RoleDefinitionDoesNotExist.Format(azure.Fields{"role": role.Hex()})
	}
	scope, _, _ := azure.MustID(arm.Str(c.Doc, "id")).Split()
	a := assignment{c.ID, scope, role, principal}
	if e := checkUnique(c, a); e != nil {
		return e
	}
	kind, e := principalType(c, principal, arm.Str(props, "principalType"))
	if e != nil {
		return e
	}
	fillAssignment(c, a, kind)
	return arm.Fault(c.PutGrant(rbac.Grant{ID: azure.MustID(arm.Str(c.Doc, "id")), Role: role, Principal: principal, PrincipalType: kind,
		Scope: scope, Condition: arm.Str(props, "condition"), From: effectiveFrom(c), CreatedOn: c.Now}))
}

// effectiveFrom is when the assignment begins to count: changing a description does not begin anew.
func effectiveFrom(c *arm.Call) time.Time {
	if c.Old == nil {
		return c.Effective()
	}
	for g := range c.Policy().Permissions(azure.MustGUID(arm.Str(c.Old, "properties.principalId")), azure.MustID(arm.Str(c.Old, "properties.scope"))) {
		if g.ID.Equal(c.ID) {
			return g.From
		}
	}
	return c.Effective()
}

// checkUnique refuses a second assignment of the same role to the same principal at the same scope,
// and a name that stands for another assignment already.
func checkUnique(c *arm.Call, a assignment) *azure.Error {
	for d, err := range c.Find(byName(a.ID.Name())) {
		if err != nil {
			return arm.Fault(err)
		}
		if old, ok := readAssignment(d); ok && (old.Principal != a.Principal || old.Role != a.Role || !old.Scope.Equal(a.Scope)) {
			return azure.RoleAssignmentUpdateNotPermitted.Error()
		}
	}
	for d, err := range c.Find(byPrincipal(a.Principal)) {
		if err != nil {
			return arm.Fault(err)
		}
		if old, ok := readAssignment(d); ok && old.Role == a.Role && old.Scope.Equal(a.Scope) && !old.ID.Equal(a.ID) {
			return azure.RoleAssignmentExists.Error()
		}
	}
	return checkLimit(c, a.Scope)
}

// maxAssignments is the limit of role assignments of a subscription (azure-facts 3.6).
const maxAssignments = 4000

func checkLimit(c *arm.Call, scope azure.ID) *azure.Error {
	if c.Old != nil || scope.Subscription() == "" {
		return nil
	}
	n := 0
	for _, err := range c.Extensions(azure.SubscriptionID(scope.Subscription()), typeRoleAssignment) {
		if err != nil {
			return arm.Fault(err)
		}
		if n++; n >= maxAssignments {
			return azure.RoleAssignmentLimitExceeded.Error()
		}
	}
	return nil
}

// principalType checks a principal against the directory. A type in the request turns the check of existence off:
// that is how a client id can be given a role, which then grants nothing (azure-facts, finding 2).
func principalType(c *arm.Call, id azure.PrincipalID, given string) (string, *azure.Error) {
	p, err := directory.Get(c.Tx, id)
	switch {
	case err == nil && given == "":
		return p.Type, nil
	case err == nil && !strings.EqualFold(given, p.Type):
		return "", azure.UnmatchedPrincipalType.Format(azure.Fields{"principal": id.Hex(), "actual": p.Type, "given": given})
	case err == nil:
		return p.Type, nil
	case !isNotFound(err):
		return "", arm.Fault(err)
	case given == "":
		return "", azure.PrincipalNotFound.Format(azure.Fields{"principal": id.Hex(), "tenant": c.Tenant().String()})
	}
	return given, nil
}

// viewAssignment leaves createdBy out of the answer to a PUT, as the service does (recorded).
func viewAssignment(c *arm.Call, d arm.Doc) {
	if c.Method == http.MethodPut {
		arm.Set(d, "properties.createdBy", nil)
	}
}

// fillAssignment writes what the service computes.
func fillAssignment(c *arm.Call, a assignment, kind string) {
	now := c.Now.Format("2006-01-02T15:04:05.0000000Z")
	props := arm.Map(c.Doc, "properties")
	props["roleDefinitionId"] = roleID(a.Scope, a.Role)
	props["principalId"], props["principalType"], props["scope"] = a.Principal.String(), kind, a.Scope.String()
	props["createdOn"], props["createdBy"] = now, c.Caller.ID.String()
	if old := arm.Map(c.Old, "properties"); old != nil {
		props["createdOn"], props["createdBy"] = old["createdOn"], old["createdBy"]
	}
	props["updatedOn"], props["updatedBy"] = now, c.Caller.ID.String()
	for _, k := range []string{"condition", "conditionVersion", "description", "delegatedManagedIdentityResourceId"} {
		if _, ok := props[k]; !ok {
			props[k] = nil
		}
	}
}

func assignmentDeleted(c *arm.Call) *azure.Error { return arm.Fault(c.EndGrant(c.ID)) }

// listAssignments yields the assignments at, above and below a scope, as far as the filter takes them.
func listAssignments(c *arm.Call) iter.Seq2[arm.Doc, error] {
	f, bad := readAssignmentFilter(c)
	if bad != nil {
		return failed(bad)
	}
	return func(yield func(arm.Doc, error) bool) {
		for d, err := range f.candidates(c) {
			if err == nil && !f.takes(c.ID, d) {
				continue
			}
			if !yield(d, err) {
				return
			}
		}
	}
}

// assignmentFilter is what Azure takes: atScope(), principalId eq, assignedTo(), and their conjunctions.
type assignmentFilter struct {
	noChildren bool                // atScope(): the scope and above
	principals []azure.PrincipalID // nil: all
}

func readAssignmentFilter(c *arm.Call) (assignmentFilter, *azure.Error) {
	var f assignmentFilter
	terms, err := c.Filter()
	if err != nil {
		return f, err
	}
	for _, t := range terms {
		name := lower(t.Field)
		if name == "atscope" && t.Op == "()" && t.Value == "" {
			f.noChildren = true
			continue
		}
		id, err := azure.ParseGUID(t.Value)
		if err != nil || name != "principalid" && name != "assignedto" {
			return f, c.BadFilter()
		}
		f.principals = []azure.PrincipalID{id}
		if name == "assignedto" {
			f.principals = append(f.principals, c.Policy().GroupsOf(id)...)
		}
	}
	return f, nil
}

func (f assignmentFilter) candidates(c *arm.Call) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		if f.principals != nil {
			for _, p := range f.principals {
				for d, err := range c.Find(byPrincipal(p)) {
					if !yield(d, err) {
						return
					}
				}
			}
			return
		}
		for up := c.ID.Parent(); !up.IsZero(); up = up.Parent() {
			for d, err := range c.At(up, typeRoleAssignment) {
				if !yield(d, err) {
					return
				}
			}
		}
		for d, err := range c.Extensions(c.ID, typeRoleAssignment) {
			if !yield(d, err) {
				return
			}
		}
	}
}

func (f assignmentFilter) takes(scope azure.ID, d arm.Doc) bool {
	at := azure.MustID(arm.Str(d, "properties.scope"))
	return at.Contains(scope) || !f.noChildren && scope.Contains(at)
}

// Role definitions. Built-in ones are the engine's; custom ones are documents of the tenant, found at every scope.

func roleKey(id azure.ID) azure.ID { return azure.Root.Resource(typeRoleDefinition, lower(id.Name())) }

func roleRefs(arm.Doc) []string { return []string{"customroles"} }

// roleID is a role definition's id as the API prints it: below the subscription of the scope that is asked for.
func roleID(scope azure.ID, role azure.GUID) string {
	if sub := scope.Subscription(); sub != "" {
		return azure.SubscriptionID(sub).Resource(typeRoleDefinition, role.String()).String()
	}
	return azure.Root.Resource(typeRoleDefinition, role.String()).String()
}

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
	return arm.Doc{"id": roleID(scope, r.ID), "name": r.ID.String(), "type": typeRoleDefinition, "properties": props}
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
		} else if ok && assignable(r, c.ID) {
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

func assignable(r *rbac.Role, scope azure.ID) bool {
	return r.BuiltIn || slices.ContainsFunc(r.AssignableScopes, func(s azure.ID) bool {
		return s.Contains(scope) || scope.Contains(s)
	})
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
	if r.Name == "" || len(r.Name) > 512 {
		return azure.MissingRoleName.Error()
	}
	for other := range c.Policy().Roles() {
		if other.ID != id && strings.EqualFold(other.Name, r.Name) {
			return azure.RoleDefinitionWithSameNameExists.Error()
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
	props["type"], props["updatedOn"], props["updatedBy"] = "CustomRole", now, c.Caller.ID.String()
	props["createdOn"], props["createdBy"] = now, c.Caller.ID.String()
	if c.Old != nil {
		props["createdOn"], props["createdBy"] = arm.Get(c.Old, "properties.createdOn"), arm.Get(c.Old, "properties.createdBy")
	}
	return arm.Fault(c.PutRole(r))
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
	return nil
}

func roleDeleted(c *arm.Call) *azure.Error {
	id, err := azure.ParseGUID(c.ID.Name())
	if err != nil {
		return nil
	}
	for d, err := range c.Find(byRole(id)) {
		if err != nil || d != nil {
			if err == nil {
				return azure.RoleDefinitionHasAssignments.Error()
			}
			return arm.Fault(err)
		}
	}
	return arm.Fault(c.DropRole(id))
}

// Deny assignments are made by Azure itself; here they can be read.

func getDeny(c *arm.Call) (arm.Doc, *azure.Error) {
	for d := range c.Policy().Denies() {
		if d.ID.Equal(c.ID) {
			return denyDoc(d), nil
		}
	}
	return nil, azure.NotFound.Format(azure.Fields{"id": c.ID.String()})
}

func listDenies(c *arm.Call) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		for d := range c.Policy().Denies() {
			if (d.Scope.Contains(c.ID) || c.ID.Contains(d.Scope)) && !yield(denyDoc(d), nil) {
				return
			}
		}
	}
}

func denyDoc(d *rbac.Deny) arm.Doc {
	who := func(ids []azure.PrincipalID) []any {
		out := []any{}
		for _, id := range ids {
			out = append(out, arm.Doc{"id": id.String(), "type": directory.ServicePrincipal})
		}
		return out
	}
	principals := who(d.Principals)
	if d.Everyone {
		principals = []any{arm.Doc{"id": azure.GUID{}.String(), "type": "SystemDefined"}}
	}
	return arm.Doc{"id": d.ID.String(), "name": d.ID.Name(), "type": "Microsoft.Authorization/denyAssignments", "properties": arm.Doc{
		"denyAssignmentName": d.Name, "scope": d.Scope.String(), "doNotApplyToChildScopes": d.NotChildren, "isSystemProtected": true,
		"permissions": permissionDocs(d.Permissions), "principals": principals, "excludePrincipals": who(d.Except)}}
}

func failed(err error) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) { yield(nil, err) }
}

func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }
