package finding

import (
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

var formerPrincipal = Rule{
	ID:    "former-principal",
	Title: "A role that the cluster needs is held by a principal that no longer exists",
	Why: "A cluster that is deleted and made again, or an identity of its, has other object ids under the same names. The roles of the " +
		"former ones stay where they were and grant nothing.",
	Source:   "managed-identity-overview, role-assignments, troubleshooting RBAC",
	Severity: Error,
	Stops:    true,
	Run: func(p *Pass) {
		type heir struct{ former, identity azure.PrincipalID }
		var heirs []heir
		found := map[heir]*Finding{}
		for _, a := range p.Open(Missing) {
			g := p.formerHolder(a)
			if g == nil {
				continue
			}
			h := heir{g.Principal, a.Identity.Principal}
			f := found[h]
			if f == nil {
				f = &Finding{Title: a.Requirement.Consequence(a.Need), Principal: g.Principal, Scope: a.Need.Scope,
					Detail: fmt.Sprintf("%s on %s is held by %s, which no longer exists; as it looks, by a former %s identity: now it is %s",
						p.Estate.RoleName(g.Role), p.Place(g.Scope), g.Principal, a.Identity.Label(), a.Identity.Name)}
				heirs, found[h] = append(heirs, h), f
			}
			f.inherit(p, a, g)
		}
		for _, h := range heirs {
			p.Report(*found[h])
		}
	},
}

// formerHolder is an assignment to nobody that would meet a need if it were the identity's.
func (p *Pass) formerHolder(a *Assessment) *rbac.Grant {
	for _, g := range p.Estate.Orphans {
		if !g.Scope.Contains(a.Need.Scope) || isPerson(g.PrincipalType) || p.isOwnClient(g.Principal) {
			continue
		}
		now := *g
		now.ID, now.Principal = azure.ID{}, a.Identity.Principal
		after := p.Estate.WithPolicy(p.Estate.Policy.With(rbac.AddGrant(now)))
		if AssessNeed(after, a.Requirement, a.Need, a.Identity).Status == Granted {
			return g
		}
	}
	return nil
}

// inherit adds a need that the former principal had the role for: the new one is given it, and the old assignment goes.
func (f *Finding) inherit(p *Pass, a *Assessment, g *rbac.Grant) {
	f.explains = append(f.explains, a)
	var removals []estate.Change
	for _, c := range f.Remedy {
		if u, ok := c.(estate.Unassign); ok {
			removals = append(removals, u)
		}
	}
	f.Remedy = append(f.Remedy[:len(f.Remedy)-len(removals)], p.least(a)...)
	if !p.inherited[g] {
		removals = append(removals, estate.Unassign{ID: g.ID})
	}
	p.inherited[g] = true
	f.Remedy = append(f.Remedy, removals...)
}

// isPerson reports whether a type of principals is none that clusters act as: a person or group that is gone is nobody's predecessor.
func isPerson(principalType string) bool {
	return slices.ContainsFunc([]string{"User", "Group", "ForeignGroup", "Device"}, func(t string) bool { return strings.EqualFold(t, principalType) })
}
