package finding

import (
	"fmt"
)

var canGrantRoles = Rule{
	ID:    "can-grant-roles",
	Title: "An identity of the cluster may give roles",
	Why: "Whoever gets hold of it can give itself any right there. No identity of a cluster gives roles: that is done by who creates " +
		"the cluster, although some documents list the right for the identity.",
	Source:   "concepts-network-cni-overview against configure-kubenet; CIS AKS",
	Severity: Warning,
	Run: func(p *Pass) {
		for _, id := range p.Identities {
			for _, h := range p.held(id) {
				role, ok := p.Estate.Policy.Role(h.grant.Role)
				if !ok || !role.Grants("Microsoft.Authorization/roleAssignments/write", false) || IsBroadScope(h.grant.Scope) {
					continue
				}
				f := Finding{
					Title:     fmt.Sprintf("the %s identity may give roles on %s", id.Label(), p.Place(h.grant.Scope)),
					Detail:    fmt.Sprintf("%s allows roleAssignments/write", p.Estate.RoleName(h.grant.Role)) + h.suffix(),
					Principal: h.grant.Principal, Scope: h.grant.Scope,
				}
				p.replace(&f, id, h)
				p.Report(f)
			}
		}
	},
}
