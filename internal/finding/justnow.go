package finding

import (
	"fmt"
	"time"

	"aksid/internal/catalogue"
)

// How long Azure may take until a role assignment counts (troubleshooting RBAC; use-managed-identity for clusters).
const (
	PropagationRBAC = 10 * time.Minute
	PropagationAKS  = time.Hour
)

var grantedJustNow = Rule{
	ID:       "granted-just-now",
	Title:    "A role that the cluster needs was given so recently that it may not count yet",
	Why:      "Azure needs up to ten minutes until a role assignment counts everywhere, AKS up to an hour. Until then calls are refused as before.",
	Source:   "troubleshooting RBAC, use-managed-identity",
	Severity: Note,
	Stops:    true,
	Run: func(p *Pass) {
		if p.Estate.From == "local" { // where aksid wait makes the calls
			return
		}
		seen := map[string]bool{}
		for _, a := range p.Assessments {
			for _, g := range a.GrantedBy {
				age := p.clock().Sub(g.CreatedOn)
				if p.clock().IsZero() || g.CreatedOn.IsZero() || age >= PropagationAKS || seen[g.ID.Key()] || a.Need.Certainty != catalogue.Now || ByAKS(p.Estate, p.Cluster, a.Identity, g) {
					continue
				}
				seen[g.ID.Key()] = true
				p.Report(Finding{
					Title: fmt.Sprintf("%s on %s may still be on its way", p.Estate.RoleName(g.Role), p.Place(g.Scope)),
					Detail: fmt.Sprintf("the %s identity has it since %s; it counts by %s, as AKS sees it by %s", a.Identity.Label(),
						clock(g.CreatedOn), clock(g.CreatedOn.Add(PropagationRBAC)), clock(g.CreatedOn.Add(PropagationAKS))),
					Principal: a.Identity.Principal, Scope: g.Scope,
				})
			}
		}
	},
}

func clock(t time.Time) string { return t.UTC().Format("15:04 UTC") }
