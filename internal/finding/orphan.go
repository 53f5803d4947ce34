package finding

import (
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

var orphanedAssignment = Rule{
	ID:    "orphaned-assignment",
	Title: "A role is assigned to a principal that no longer exists",
	Why: "The assignment grants nothing, counts towards the limit of the subscription, and hides that whoever replaced the " +
		"principal, as the identity of a recreated cluster, does not have the role.",
	Source:   "role-assignments, troubleshooting RBAC",
	Severity: Warning,
	Run: func(p *Pass) {
		for _, g := range p.Estate.Orphans {
			if strings.EqualFold(g.PrincipalType, "ForeignGroup") || p.isOwnClient(g.Principal) || p.inherited[g] || !p.isSurrounding(g.Scope) {
				continue
			}
			p.Report(Finding{
				Title:     fmt.Sprintf("%s on %s is held by nobody", p.Estate.RoleName(g.Role), p.Place(g.Scope)),
				Detail:    fmt.Sprintf("the directory has no object %s, to which it is assigned", g.Principal),
				Principal: g.Principal, Scope: g.Scope,
				Remedy: []estate.Change{estate.Unassign{ID: g.ID}},
			})
		}
	},
}

// isOwnClient reports whether an id is the client id of one of the cluster's identities, or the object id of its application:
// rules of their own speak of these.
func (p *Pass) isOwnClient(id azure.GUID) bool {
	return slices.ContainsFunc(p.Identities, func(i estate.Identity) bool {
		app, _ := p.Estate.Application(i.Client)
		return i.Client == id || app.ID == id && !id.IsZero()
	})
}

// isSurrounding reports whether a scope is the cluster, lies in its node resource group, or is what it refers to.
// Orphans elsewhere say nothing about the cluster.
func (p *Pass) isSurrounding(scope azure.ID) bool {
	if p.Cluster.ID.Contains(scope) || p.Cluster.NodeGroup().Contains(scope) {
		return true
	}
	for _, a := range p.Assessments {
		if a.Need.Scope.Contains(scope) {
			return true
		}
	}
	return slices.ContainsFunc(p.Cluster.References(), func(id azure.ID) bool {
		return id.Contains(scope) || strings.EqualFold(id.Type(), estate.TypeSubnet) && id.Parent().Equal(scope)
	})
}
