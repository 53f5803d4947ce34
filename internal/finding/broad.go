package finding

import (
	"fmt"
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
			for _, holder := range append(p.Estate.Policy.GroupsOf(id.Principal), id.Principal) {
				for _, g := range p.Estate.Held(holder) {
					if isBroadScope(g.Scope) && isBroadRole(p.Estate, g.Role) {
						reportBroad(p, id, g)
					}
				}
			}
		}
	},
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

func reportBroad(p *Pass, id estate.Identity, g *rbac.Grant) {
	f := Finding{
		Title:     fmt.Sprintf("the %s identity is %s on %s", id.Label(), p.Estate.RoleName(g.Role), p.Place(g.Scope)),
		Principal: g.Principal, Scope: g.Scope,
	}
	if g.Principal != id.Principal {
		f.Detail = fmt.Sprintf("%s is in group %s, which holds the role; take it out of the group once it has what it needs", id.Name, p.Estate.PrincipalName(g.Principal))
		f.Remedy = p.replacement(id, g)
		p.Report(f)
		return
	}
	f.Remedy = append(p.replacement(id, g), estate.Unassign{ID: g.ID})
	f.Detail = "nothing the cluster needs hangs on it"
	if n := len(f.Remedy) - 1; n == 1 {
		f.Detail = "one narrower role is enough for what the cluster needs"
	} else if n > 1 {
		f.Detail = fmt.Sprintf("%d narrower roles are enough for what the cluster needs", n)
	}
	p.Report(f)
}

// replacement are the least grants that keep every need of an identity met when a grant goes.
func (p *Pass) replacement(id estate.Identity, g *rbac.Grant) []estate.Change {
	without := p.Estate.WithPolicy(p.Estate.Policy.With(rbac.RemoveGrant(g.ID)))
	var out []estate.Change
	for _, a := range p.Assessments {
		if a.Identity.Principal == id.Principal && a.Status == Granted && assess(without, a.Requirement, a.Need, id).Status != Granted {
			out = append(out, a.assign())
		}
	}
	return out
}
