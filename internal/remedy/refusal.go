package remedy

import (
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/plain"
	"aksid/internal/policy"
	"aksid/internal/rbac"
)

// Refusal is what will refuse a step, whatever roles the one has who carries it out.
type Refusal struct {
	By      azure.ID `json:"by"` // a policy's assignment, a lock or a deny assignment
	Why     string   `json:"why"`
	Instead string   `json:"instead"` // what to do
}

// refusals are what is known to refuse a step: locks, deny assignments that are for everyone, and policies of Azure.
func (p Plan) refusals(s Step, needs []azure.Action) []Refusal {
	target, action := p.touched(s.Change)
	if target.IsZero() {
		return nil
	}
	out := append(p.lockRefusals(target, action), p.denyRefusals(target, action)...)
	if w := p.write(s.Change); !w.id.IsZero() {
		out = append(out, p.policyRefusals(w, s.Change, needs)...)
	}
	return out
}

// touched is what a step writes or deletes, and the action that this takes; zero where it is not one call.
func (p Plan) touched(c estate.Change) (azure.ID, azure.Action) {
	switch c := c.(type) {
	case estate.Unassign:
		return c.ID, typeAssignment + "/delete"
	case estate.Defederate:
		return c.ID, estate.TypeFederatedCredential + "/delete"
	case estate.Reconcile:
		return c.Cluster, estate.TypeCluster + "/write"
	case estate.UseManagedIdentity:
		return c.Cluster, estate.TypeCluster + "/write"
	}
	w := p.write(c)
	return w.id, azure.Action(w.id.Type() + "/write")
}

// lockRefusals: under a ReadOnly lock nothing is written, and under any nothing is deleted, role assignments included
// (Microsoft Learn: lock-resources).
func (p Plan) lockRefusals(target azure.ID, action azure.Action) []Refusal {
	var out []Refusal
	for _, l := range p.e.Locks() {
		if deletes := strings.HasSuffix(action.Key(), "/delete"); l.Scope.Contains(target) && (l.ReadOnly || deletes) {
			out = append(out, Refusal{l.ID, fmt.Sprintf("lock %s on %s (ScopeLocked)", l.ID.Name(), p.e.Place(l.Scope, azure.ID{})),
				"take the lock off for it, and set it again: " + az("lock", "delete", "--ids", l.ID.String())})
		}
	}
	return out
}

// denyRefusals are deny assignments for everyone. Of the few that one leaves out, the user may be one.
func (p Plan) denyRefusals(target azure.ID, action azure.Action) []Refusal {
	var out []Refusal
	for d := range p.e.Policy.Denies() {
		if !d.Everyone || !p.reaches(d, target) || !(&rbac.Role{Permissions: d.Permissions}).Grants(action, false) {
			continue
		}
		instead := "its maker has to take it away, or to leave you out of it"
		if n := len(d.Except); n > 0 {
			instead = fmt.Sprintf("one of the %s that it leaves out can do it, or its maker has to leave you out too", count(n, "principal"))
		}
		out = append(out, Refusal{d.ID, fmt.Sprintf("deny assignment %q at %s (DenyAssignmentAuthorizationFailed)", plain.Short(d.Name), p.e.Place(d.Scope, azure.ID{})), instead})
	}
	return out
}

// reaches reports whether a deny assignment counts at a place, also from a management group above it.
func (p Plan) reaches(d *rbac.Deny, target azure.ID) bool {
	at := target
	if scope, _, _ := target.Split(); strings.HasPrefix(strings.ToLower(target.Type()), "microsoft.authorization/") {
		at = scope
	}
	if d.NotChildren {
		return d.Scope.Equal(at)
	}
	return d.Scope.Contains(at) || slices.ContainsFunc(p.e.Policy.ManagementGroups(at), d.Scope.Equal)
}

// policyRefusals are the policies that deny what a step writes.
func (p Plan) policyRefusals(w write, c estate.Change, needs []azure.Action) []Refusal {
	var out []Refusal
	for _, o := range p.denials(w) {
		by := fmt.Sprintf("policy %q, assigned as %q at %s (RequestDisallowedByPolicy)", plain.Short(o.Definition.Label()), plain.Short(o.Assignment.Label()), p.e.Place(o.Assignment.Scope, azure.ID{}))
		if slices.ContainsFunc(out, func(r Refusal) bool { return r.By.Equal(o.Assignment.ID) }) {
			continue // an initiative says it several times
		}
		out = append(out, Refusal{o.Assignment.ID, by, p.instead(w, c, o, needs)})
	}
	return out
}

// denials are the outcomes that certainly refuse a write.
func (p Plan) denials(w write) []policy.Outcome {
	book := p.e.Policies()
	if len(book.Assignments) == 0 {
		return nil
	}
	doc := object{"id": w.id.String(), "name": w.id.Name(), "type": w.id.Type()}
	for k, v := range w.body {
		doc[k] = v
	}
	return slices.DeleteFunc(book.Evaluate(&policy.Resource{ID: w.id, Doc: doc}, p.e.At), func(o policy.Outcome) bool {
		return o.Definition == nil || o.Effect != policy.Deny || o.State != policy.NonCompliant || !o.Assignment.Enforced
	})
}

// instead is what a policy takes in place of a step: another role of the same use, or a group; where it takes neither, an exemption.
func (p Plan) instead(w write, c estate.Change, by policy.Outcome, needs []azure.Action) string {
	exempt := "ask who owns the policy for an exemption: " + az("policy", "exemption", "create", "--name", "aksid-"+azure.NamedGUID(w.id.Key()).String()[:8],
		"--policy-assignment", by.Assignment.ID.String(), "--exemption-category", "Waiver", "--scope", exemptScope(w.id).String())
	a, ok := c.(estate.Assign)
	if !ok {
		return exempt
	}
	if role := p.otherRole(a, needs); role != "" {
		return fmt.Sprintf("give %s, which grants what is needed and is not refused; or %s", role, exempt)
	}
	inGroup := a
	inGroup.PrincipalType = "Group"
	if a.PrincipalType != "Group" && p.takes(inGroup) {
		return "give the role to a group that the identity is a member of, which is not refused (it can take a day until a membership counts); or " + exempt
	}
	return exempt
}

// exemptScope is the resource, resource group or subscription that a role assignment is on.
func exemptScope(id azure.ID) azure.ID {
	if scope, _, _ := id.Split(); strings.HasPrefix(strings.ToLower(id.Type()), "microsoft.authorization/") && !scope.IsZero() {
		return scope
	}
	return id
}

// takes reports whether no policy refuses an assignment.
func (p Plan) takes(a estate.Assign) bool { return len(p.denials(p.write(a))) == 0 }

// mostOperations is what a role may grant of all operations of Azure to be proposed in the place of a narrow one.
const mostOperations = 1500

// otherRole is the role of the fewest operations that grants what is needed and is not refused; "" for none.
func (p Plan) otherRole(a estate.Assign, needs []azure.Action) string {
	best, fewest := "", mostOperations
	if len(needs) == 0 {
		return ""
	}
	for r := range p.e.Policy.Roles() {
		if !fitting(r, a.Scope) || slices.ContainsFunc(needs, func(n azure.Action) bool { return !r.Grants(n, false) && !r.Grants(n, true) }) {
			continue
		}
		other := a
		if other.Role = r.ID.String(); !p.takes(other) {
			continue
		}
		if n := operations(r, fewest); n < fewest {
			best, fewest = p.e.RoleName(r.ID), n
		}
	}
	return best
}

// fitting reports whether a role can be assigned at a scope.
func fitting(r *rbac.Role, scope azure.ID) bool {
	return r.BuiltIn || slices.ContainsFunc(r.AssignableScopes, func(s azure.ID) bool { return s.Contains(scope) })
}

// operations counts what a role grants, up to a number.
func operations(r *rbac.Role, most int) int {
	n := 0
	for _, op := range azure.Operations() {
		if r.Grants(op, false) || r.Grants(op, true) {
			if n++; n >= most {
				break
			}
		}
	}
	return n
}
