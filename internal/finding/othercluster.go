package finding

import (
	"fmt"
	"slices"

	"aksid/internal/estate"
	"aksid/internal/rbac"
)

var otherClustersIdentity = Rule{
	ID:       "role-on-identity-of-other-cluster",
	Title:    "A role that the cluster needs was given to the identity of another cluster, which does not need it",
	Why:      "Identities of clusters have similar names; the role is right, its holder is not.",
	Source:   "use-managed-identity",
	Severity: Error,
	Stops:    true,
	Run: func(p *Pass) {
		for _, a := range p.Open(Missing) {
			g, other := p.mistakenHolder(a)
			if g == nil {
				continue
			}
			p.Report(Finding{
				Title: a.Requirement.Consequence(a.Need),
				Detail: fmt.Sprintf("%s on %s is held by %s, an identity of cluster %s, which does not use it; the %s identity of this one is %s",
					p.Estate.RoleName(g.Role), p.Place(g.Scope), p.Estate.PrincipalName(g.Principal), p.Place(other.ID), a.Identity.Label(), a.Identity.Name),
				Principal: g.Principal, Scope: a.Need.Scope,
				Remedy:   append(p.least(a), estate.Unassign{ID: g.ID}),
				explains: []*Assessment{a},
			})
		}
	},
}

// mistakenHolder is an assignment just where the need is, to an identity of another cluster that has no such need.
func (p *Pass) mistakenHolder(a *Assessment) (*rbac.Grant, *estate.Cluster) {
	for _, action := range a.Missing {
		for g := range p.Estate.Policy.WhoCan(action, a.Need.Scope) {
			clusters := p.Estate.ActingAs(g.Principal)
			if !g.Scope.Equal(a.Need.Scope) || len(clusters) == 0 || slices.ContainsFunc(clusters, func(c *estate.Cluster) bool {
				return c.ID.Equal(p.Cluster.ID) || slices.ContainsFunc(Assess(p.Estate, c), func(o *Assessment) bool { return o.Need.Scope.Equal(a.Need.Scope) })
			}) {
				continue
			}
			return &g, clusters[0]
		}
	}
	return nil, nil
}
