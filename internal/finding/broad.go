package finding

import (
	"fmt"

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
			p.reportBroad(id)
		}
	},
}

// reportBroad makes a finding of each broad assignment. What has to be granted in their place is the same whichever goes first,
// so all of them are thought away together, and each need stands with the assignment that meets it now.
func (p *Pass) reportBroad(id estate.Identity) {
	var broad []held
	var grants []*rbac.Grant
	for _, h := range p.held(id) {
		if IsBroadScope(h.grant.Scope) && IsBroadRole(p.Estate, h.grant.Role) {
			broad, grants = append(broad, h), append(grants, h.grant)
		}
	}
	for _, h := range broad {
		f := Finding{
			Title:     fmt.Sprintf("the %s identity is %s on %s", id.Label(), p.Estate.RoleName(h.grant.Role), p.Place(h.grant.Scope)),
			Detail:    h.suffix(),
			Principal: h.grant.Principal, Scope: h.grant.Scope,
		}
		p.replace(&f, id, h, grants...)
		p.Report(f)
	}
}
