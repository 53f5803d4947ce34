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
	return arm.Provider{Namespace: "Microsoft.Authorization", Service: pimPrincipal, Admit: admitPolicies, Keep: keepByPolicies, Types: slices.Concat([]arm.Type{
		{Name: typeRoleAssignment, Since: "2014-04-01", Versions: versions, Place: arm.Any,
			Codes:   arm.Codes{Create: 201, Update: 201, Delete: 200, Gone: 204},
			Returns: true,
			Refs:    assignmentRefs, Attributes: assignmentAttributes, Check: checkAssignment, Guard: guardLastOwner, Deleted: assignmentDeleted,
			Get: getAssignment, List: listAssignments, View: viewAssignment},
		{Name: typeRoleDefinition, Since: "2014-04-01", Versions: versions[1:], Place: arm.Any, Key: roleKey,
			Codes:   arm.Codes{Create: 201, Update: 201, Delete: 200, Gone: 204},
			Returns: true, RootOpen: true,
			Refs: roleRefs, Check: checkRole, Deleted: roleDeleted, Get: getRole, List: listRoles, View: viewRole},
		{Name: typeDeny, Since: "2018-07-01", Versions: []string{"2024-07-01-preview", "2022-04-01", "2018-07-01-preview"}, Place: arm.Any,
			Refs: denyRefs, Check: checkDeny, Deleted: denyDeleted, List: listDenies},
		{Name: "Microsoft.Authorization/permissions", Since: "2015-07-01", Versions: versions, Place: arm.Any, ReadOnly: true, List: listPermissions},
		{Name: typeProviderOperations, Since: "2015-07-01", Versions: versions, Place: arm.InTenant, ReadOnly: true, Open: true,
			Get: getProviderOperations, List: listProviderOperations},
		{Name: arm.TypeLock, Since: "2015-01-01", Versions: []string{"2020-05-01", "2017-04-01", "2016-09-01", "2015-01-01"}, Place: arm.Any,
			Check: checkLock, List: listLocks},
	}, pim(), policies())}
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
	scope, _, _ := azure.MustID(arm.Str(c.Doc, "id")).Split()
	if e := checkRoleAt(c, role, scope); e != nil {
		return e
	}
	if e := checkCondition(props); e != nil {
		return e
	}
	if e := checkDescription(props); e != nil {
		return e
	}
	a := assignment{c.ID, scope, role, principal}
	if e := dropEnded(c, principal); e != nil {
		return e
	}
	if e := checkUnique(c, a); e != nil {
		return e
	}
	kind, e := principalType(c, principal, arm.Str(props, "principalType"))
	if e != nil {
		return e
	}
	fillAssignment(c, a, kind)
	s := schedule{assignment: a, PrincipalType: kind, Condition: arm.Str(props, "condition"), Created: c.Now}
	if old, ok := readSchedule(c.Old); ok {
		s.End = old.End
	}
	return arm.Fault(c.PutGrant(grantOf(s, effectiveFrom(c))))
}

// grantOf is what counts of an assignment.
func grantOf(s schedule, from time.Time) rbac.Grant {
	return rbac.Grant{ID: s.ID, Role: s.Role, Principal: s.Principal, PrincipalType: s.PrincipalType, Scope: s.Scope,
		Condition: s.Condition, From: from, Until: s.End, CreatedOn: s.Created}
}

// effectiveFrom is when the assignment begins to count: changing a description does not begin anew.
func effectiveFrom(c *arm.Call) time.Time {
	if c.Old == nil {
		return c.Effective()
	}
	old, _ := readAssignment(c.Old)
	for g := range c.Policy().GrantsOf(old.Principal, time.Time{}) {
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
			return assignmentExists(c, old)
		}
	}
	return checkLimit(c, a.Scope)
}

// existingIDSince is the first api-version whose refusals are known to name the assignment that is in the way
// (github.com/Azure/azure-cli/issues/31995, 2025: the text changed within the api-version).
const existingIDSince = "2022-04-01"

func assignmentExists(c *arm.Call, old assignment) *azure.Error {
	name, err := azure.ParseGUID(old.ID.Name())
	if err != nil || strings.Compare(c.Version, existingIDSince) < 0 {
		return azure.RoleAssignmentExists.Error()
	}
	return azure.RoleAssignmentExistsWithID.Format(azure.Fields{"id": name.Hex()})
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

// viewAssignment makes the answer to a PUT look like one to a creation, each time, as the service does (recorded).
func viewAssignment(c *arm.Call, d arm.Doc) {
	if c.Method == http.MethodPut {
		arm.Set(d, "properties.createdOn", arm.Str(d, "properties.updatedOn"))
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

// guardLastOwner keeps a subscription from being left without an owner (Microsoft Learn: troubleshoot Azure RBAC).
func guardLastOwner(c *arm.Call) *azure.Error {
	a, ok := readAssignment(c.Old)
	if !ok || a.Role != ownerRole || a.Scope.Subscription() == "" || !a.Scope.Equal(azure.SubscriptionID(a.Scope.Subscription())) {
		return nil
	}
	for d, err := range c.At(a.Scope, typeRoleAssignment) {
		if err != nil {
			return arm.Fault(err)
		}
		if other, ok := readAssignment(d); ok && other.Role == ownerRole && !other.ID.Equal(a.ID) && shown(c, d) {
			return nil
		}
	}
	return azure.LastRBACAdmin.Error()
}

// getAssignment finds an assignment that is in force, if it is bound in time.
func getAssignment(c *arm.Call) (arm.Doc, *azure.Error) {
	d, err := c.Load(c.ID)
	if err == nil && (d == nil || !shown(c, d)) {
		return nil, azure.RoleAssignmentNotFound.Format(azure.Fields{"id": c.ID.Name()})
	}
	return d, arm.Fault(err)
}

// listAssignments yields the assignments at, above and below a scope, as far as the filter takes them.
func listAssignments(c *arm.Call) iter.Seq2[arm.Doc, error] {
	f, bad := readAssignmentFilter(c)
	if bad != nil {
		return failed(bad)
	}
	return func(yield func(arm.Doc, error) bool) {
		for d, err := range f.candidates(c) {
			if err == nil && !(shown(c, d) && f.takes(c, c.ID, d)) {
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
			f.principals = append(f.principals, c.Policy().GroupsAt(id, c.Now)...)
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
		for _, up := range above(c) {
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

func (f assignmentFilter) takes(c *arm.Call, scope azure.ID, d arm.Doc) bool {
	at := azure.MustID(arm.Str(d, "properties.scope"))
	return c.Covers(at, scope) || !f.noChildren && scope.Contains(at)
}

// above are the scopes over the one that is asked for, management groups included.
func above(c *arm.Call) []azure.ID {
	var out []azure.ID
	for up := c.ID.Parent(); !up.IsZero() && up != azure.Root; up = up.Parent() {
		out = append(out, up)
	}
	return append(append(out, c.Policy().ManagementGroups(c.ID)...), azure.Root)
}

func failed(err error) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) { yield(nil, err) }
}

func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }
