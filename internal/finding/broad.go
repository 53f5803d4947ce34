package finding

import (
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

var broadRole = Rule{
	ID:    "broad-role",
	Title: "An identity of the cluster holds a far-reaching role on a whole subscription or more",
	Why: "Whoever gets hold of the identity, by a node, a pod with host network or a pipeline, " +
		"can change or delete everything there, or give itself any right.",
	Source:   "best-practices for Azure RBAC, CIS AKS",
	Severity: Warning,
	Run: func(p *Pass) {
		for _, id := range p.Identities {
			if broad := p.broadGrants(id); len(broad) > 0 {
				p.reportBroad(id, broad)
			}
		}
	},
}

// broadGrants are the far-reaching assignments of an identity and of its groups.
func (p *Pass) broadGrants(id estate.Identity) []*rbac.Grant {
	var out []*rbac.Grant
	for _, holder := range append([]azure.PrincipalID{id.Principal}, p.Estate.Policy.GroupsOf(id.Principal)...) {
		for _, g := range p.Estate.Held(holder) {
			if isBroadScope(g.Scope) && isBroadRole(p.Estate, g.Role) {
				out = append(out, g)
			}
		}
	}
	return out
}

// isBroadScope reports whether a scope is a subscription or above.
func isBroadScope(id azure.ID) bool {
	switch strings.ToLower(id.Type()) {
	case strings.ToLower(azure.TypeSubscription), strings.ToLower(azure.TypeManagementGroup), strings.ToLower(azure.TypeTenant):
		return true
	}
	return false
}

// isBroadRole reports whether a role changes resources of any kind, or gives roles: Owner, Contributor,
// User Access Administrator and whatever custom role is like them.
func isBroadRole(e *estate.Estate, role azure.GUID) bool {
	r, ok := e.Policy.Role(role)
	if !ok {
		return false
	}
	return r.Grants("Microsoft.Authorization/roleAssignments/write", false) ||
		r.Grants("Microsoft.Compute/virtualMachines/write", false) && r.Grants("Microsoft.KeyVault/vaults/write", false)
}

// reportBroad makes a finding of each assignment. What has to be granted in their place is the same whichever goes first,
// so all of them are thought away together, and each need stands with the assignment that meets it now.
func (p *Pass) reportBroad(id estate.Identity, broad []*rbac.Grant) {
	var changes []rbac.Change
	for _, g := range broad {
		changes = append(changes, rbac.RemoveGrant(g.ID))
	}
	lost := p.lostAfter(id, changes...)
	for _, g := range broad {
		f := Finding{
			Title:     fmt.Sprintf("the %s identity is %s on %s", id.Label(), p.Estate.RoleName(g.Role), p.Place(g.Scope)),
			Detail:    "nothing that the cluster needs hangs on it",
			Principal: g.Principal, Scope: g.Scope,
		}
		var needed []string
		for _, a := range lost {
			if a.metBy(broad) == g {
				f.Remedy, needed = append(f.Remedy, a.assign()), append(needed, a.Requirement.Feature)
			}
		}
		if len(needed) > 0 {
			f.Detail = "all that the cluster needs of it: " + strings.Join(slices.Compact(needed), ", ")
		}
		if g.Principal == id.Principal {
			f.Remedy = append(f.Remedy, estate.Unassign{ID: g.ID})
		} else {
			f.Detail += fmt.Sprintf("; it comes through group %s, which %s can leave", p.Estate.PrincipalName(g.Principal), id.Name)
		}
		p.Report(f)
	}
}

// lostAfter are the needs of an identity that are met now and would not be after changes of the policy.
func (p *Pass) lostAfter(id estate.Identity, changes ...rbac.Change) []*Assessment {
	after := p.Estate.WithPolicy(p.Estate.Policy.With(changes...))
	var out []*Assessment
	for _, a := range p.Assessments {
		if a.Identity.Principal == id.Principal && a.Status == Granted && assess(after, a.Requirement, a.Need, id).Status != Granted {
			out = append(out, a)
		}
	}
	return out
}

// metBy is the first of some assignments that meets a need, wholly or in part.
func (a *Assessment) metBy(grants []*rbac.Grant) *rbac.Grant {
	for _, g := range grants {
		if slices.ContainsFunc(a.GrantedBy, func(by *rbac.Grant) bool { return by.ID.Equal(g.ID) }) {
			return g
		}
	}
	return nil
}
