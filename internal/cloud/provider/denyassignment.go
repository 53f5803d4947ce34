package provider

import (
	"iter"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/rbac"
)

const typeDeny = "Microsoft.Authorization/denyAssignments"

// everyone is the id that stands for all principals in a deny assignment.
var everyone = azure.GUID{}

func denyRefs(arm.Doc) []string { return []string{"denies"} }

// checkDeny is the semantics of a deny assignment's PUT (api-version 2024-07-01-preview): everyone but some,
// or single users and service principals; one that Azure made cannot be changed.
func checkDeny(c *arm.Call) *azure.Error {
	if err := unprotected(c); err != nil {
		return err
	}
	d, err := readDeny(c.Doc)
	if err != nil {
		return azure.InvalidDenyAssignment.Format(azure.Fields{"reason": err.Error()})
	}
	if d.Everyone && len(d.Except) == 0 && !c.Service() {
		return azure.InvalidDenyAssignment.Format(azure.Fields{"reason": "one that is for everyone must exclude at least one principal"})
	}
	scope, _, _ := d.ID.Split()
	d.Scope = scope
	now := c.Now.Format(time.RFC3339Nano)
	props := arm.Map(c.Doc, "properties")
	props["scope"], props["updatedOn"], props["updatedBy"] = scope.String(), now, c.Caller.ID.String()
	props["isSystemProtected"] = c.Service()
	arm.Default(props, "createdOn", now)
	arm.Default(props, "createdBy", c.Caller.ID.String())
	arm.Default(props, "doNotApplyToChildScopes", false)
	arm.Default(props, "denyAssignmentEffect", "enforced")
	if strings.EqualFold(arm.Str(props, "denyAssignmentEffect"), "audit") {
		return arm.Fault(c.DropDeny(d.ID))
	}
	return arm.Fault(c.PutDeny(d))
}

func unprotected(c *arm.Call) *azure.Error {
	if arm.Bool(c.Old, "properties.isSystemProtected") && !c.Service() {
		return azure.DenyAssignmentProtected.Format(azure.Fields{"id": c.ID.Name()})
	}
	return nil
}

func denyDeleted(c *arm.Call) *azure.Error {
	if c.ID.Equal(c.Target()) { // not with its scope
		if err := unprotected(c); err != nil {
			return err
		}
	}
	return arm.Fault(c.DropDeny(c.ID))
}

// principalsOf reads the principals of a deny assignment; groups count with their members.
func principalsOf(all []any) ([]azure.PrincipalID, bool, error) {
	var out []azure.PrincipalID
	forAll := false
	for _, v := range all {
		m, _ := v.(map[string]any)
		id, err := azure.ParseGUID(arm.Str(m, "id"))
		if err != nil {
			return nil, false, err
		}
		if id == everyone {
			forAll = true
			continue
		}
		out = append(out, id)
	}
	return out, forAll, nil
}

func readDeny(doc arm.Doc) (rbac.Deny, error) {
	id, err := azure.ParseID(arm.Str(doc, "id"))
	if err != nil {
		return rbac.Deny{}, err
	}
	d := rbac.Deny{ID: id, Name: arm.Str(doc, "properties.denyAssignmentName"), NotChildren: arm.Bool(doc, "properties.doNotApplyToChildScopes")}
	if d.Permissions, err = readPermissions(arm.List(doc, "properties.permissions")); err != nil {
		return d, err
	}
	if d.Principals, d.Everyone, err = principalsOf(arm.List(doc, "properties.principals")); err != nil {
		return d, err
	}
	d.Except, _, err = principalsOf(arm.List(doc, "properties.excludePrincipals"))
	return d, err
}

// listDenies yields the deny assignments at, above and below a scope; atScope() leaves out those below,
// principalId eq and denyAssignmentName eq take those that name it.
func listDenies(c *arm.Call) iter.Seq2[arm.Doc, error] {
	terms, bad := c.Filter()
	if bad != nil {
		return failed(bad)
	}
	return func(yield func(arm.Doc, error) bool) {
		for doc, err := range c.Find("denies") {
			if err == nil {
				ok, known := denyMatches(c, doc, terms)
				if !known {
					yield(nil, c.BadFilter())
					return
				}
				if !ok {
					continue
				}
			}
			if !yield(doc, err) {
				return
			}
		}
	}
}

func denyMatches(c *arm.Call, doc arm.Doc, terms []arm.Term) (ok, known bool) {
	scope := azure.MustID(arm.Str(doc, "properties.scope"))
	ok = c.Covers(scope, c.ID) || c.ID.Contains(scope)
	for _, t := range terms {
		switch lower(t.Field) + t.Op {
		case "atscope()":
			ok = ok && c.Covers(scope, c.ID)
		case "denyassignmentnameeq":
			ok = ok && strings.EqualFold(arm.Str(doc, "properties.denyAssignmentName"), t.Value)
		case "principalideq", "assignedto()", "gdprexportprincipalideq":
			id, err := azure.ParseGUID(t.Value)
			who, all, err2 := principalsOf(arm.List(doc, "properties.principals"))
			if err != nil || err2 != nil {
				return false, false
			}
			subjects := append(c.Policy().GroupsAt(id, c.Now), id)
			ok = ok && (all || slices.ContainsFunc(who, func(p azure.PrincipalID) bool { return slices.Contains(subjects, p) }))
		default:
			return false, false
		}
	}
	return ok, true
}
