package finding

import (
	"fmt"

	"aksid/internal/catalogue"
	"aksid/internal/estate"
)

var roleForOtherRegistryMode = Rule{
	ID:    "role-for-other-registry-mode",
	Title: "A role for pulling images does not count in the registry's permission mode",
	Why: "A registry honours either registry roles such as AcrPull or, with repository permissions, roles such as " +
		"Container Registry Repository Reader. The other kind, Reader and Owner included, pulls nothing.",
	Source:   "container-registry-rbac-abac-repository-permissions, cluster-container-registry-integration",
	Severity: Error,
	Stops:    true,
	Run: func(p *Pass) {
		for _, a := range p.Open(Missing) {
			if a.Identity.Role != estate.Kubelet && a.Identity.Role != estate.ServicePrincipal {
				continue
			}
			mode, ok := map[estate.RegistryMode]string{estate.ModeABAC: "repository permissions", estate.ModeRBAC: "registry roles only"}[p.Estate.RegistryMode(a.Need.Scope)]
			for _, g := range p.Estate.Held(a.Identity.Principal) {
				if !ok || !g.Scope.Contains(a.Need.Scope) || !catalogue.PullRole(p.Estate, g.Role) {
					continue
				}
				p.Report(Finding{
					Title: a.Requirement.Consequence(a.Need),
					Detail: fmt.Sprintf("the kubelet holds %s on %s, which does not count there: the registry has %s",
						p.Estate.RoleName(g.Role), p.Place(g.Scope), mode),
					Principal: a.Identity.Principal, Scope: a.Need.Scope,
					Remedy:   append(p.least(a), estate.Unassign{ID: g.ID}),
					explains: []*Assessment{a},
				})
				break
			}
		}
	},
}
