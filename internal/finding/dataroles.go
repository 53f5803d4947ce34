package finding

import (
	"fmt"
	"slices"

	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

var dataRoleOnInfrastructure = Rule{
	ID:    "data-role-on-infrastructure",
	Title: "An infrastructure identity of the cluster may read or write data",
	Why: "Every pod on a node can borrow the kubelet identity through the metadata service, unless a network policy keeps it from that. " +
		"Data belongs to identities of workloads.",
	Source:   "use-managed-identity, workload-identity-overview",
	Severity: Warning,
	Run: func(p *Pass) {
		for _, id := range p.Identities {
			if id.Role == estate.AddOn { // which are for data
				continue
			}
			for _, h := range p.held(id) {
				if p.isDataRole(h.grant) && !p.isNeeded(h.grant) {
					f := Finding{
						Title: fmt.Sprintf("the %s identity has %s on %s", id.Label(), p.Estate.RoleName(h.grant.Role), p.Place(h.grant.Scope)),
						Detail: "nothing that AKS does needs it; some storage drivers do, for mounts with the kubelet's identity" +
							h.suffix(),
						Principal: h.grant.Principal, Scope: h.grant.Scope,
					}
					p.Report(f)
				}
			}
		}
	},
}

// isDataRole reports whether an assignment is there for data, and not for pulling images.
func (p *Pass) isDataRole(g *rbac.Grant) bool {
	r, ok := p.Estate.Policy.Role(g.Role)
	return ok && !catalogue.PullRole(p.Estate, g.Role) &&
		slices.ContainsFunc(r.Permissions, func(e rbac.Permission) bool { return len(e.DataActions) > 0 })
}

// isNeeded reports whether an assignment meets one of the cluster's needs.
func (p *Pass) isNeeded(g *rbac.Grant) bool {
	return slices.ContainsFunc(p.Assessments, func(a *Assessment) bool { return a.metBy([]*rbac.Grant{g}) != nil })
}
