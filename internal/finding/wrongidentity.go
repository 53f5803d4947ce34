package finding

import (
	"fmt"

	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

var pullRoleOnWrongIdentity = Rule{
	ID:    "pull-role-on-wrong-identity",
	Title: "A role for pulling images is held by an identity of the cluster that pulls none",
	Why: "Nodes pull images as the kubelet identity. AcrPull on the control plane identity or on an add-on's changes nothing, " +
		"and image pulls fail with 401.",
	Source:   "cluster-container-registry-integration, Azure/AKS#1428",
	Severity: Error,
	Stops:    true,
	Run: func(p *Pass) {
		for _, a := range p.Open(Missing) {
			if a.Identity.Role != estate.Kubelet || len(a.Need.Actions)+len(a.Need.DataActions) == 0 {
				continue
			}
			if id, g := wrongPuller(p, a); g != nil {
				reportWrongPuller(p, a, id, g)
			}
		}
	},
}

// wrongPuller is another identity of the cluster that holds a role for pulling where the kubelet lacks it.
func wrongPuller(p *Pass, a *Assessment) (estate.Identity, *rbac.Grant) {
	for _, id := range p.Identities {
		if id.Principal == a.Identity.Principal || !id.Known() {
			continue
		}
		for _, g := range p.Estate.Held(id.Principal) {
			if g.Scope.Contains(a.Need.Scope) && catalogue.PullRole(p.Estate, g.Role) {
				return id, g
			}
		}
	}
	return estate.Identity{}, nil
}

func reportWrongPuller(p *Pass, a *Assessment, id estate.Identity, g *rbac.Grant) {
	p.Report(Finding{
		Title: a.Requirement.Consequence(a.Need),
		Detail: fmt.Sprintf("%s on %s is held by the %s identity %s; nodes pull as the kubelet identity %s, which lacks it",
			p.Estate.RoleName(g.Role), p.Place(g.Scope), id.Label(), id.Name, a.Identity.Name),
		Principal: id.Principal, Scope: a.Need.Scope,
		Remedy:   append(p.least(a), estate.Unassign{ID: g.ID}),
		explains: []*Assessment{a},
	})
}
