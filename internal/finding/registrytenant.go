package finding

import (
	"fmt"

	"aksid/internal/estate"
)

var registryInOtherTenant = Rule{
	ID:    "registry-in-other-tenant",
	Title: "A registry that the cluster pulls from belongs to another tenant",
	Why: "A managed identity exists in the tenant of its cluster alone. No role on a registry of another tenant lets it pull: it takes a pull " +
		"secret, a token of the registry, or a copy of the images.",
	Source:   "cluster-container-registry-integration, authenticate-aks-cross-tenant",
	Severity: Error,
	Stops:    true,
	Run: func(p *Pass) {
		own := p.Estate.ClusterTenant(p.Cluster)
		for _, a := range p.Assessments {
			if a.Identity.Role != estate.Kubelet {
				continue
			}
			theirs := p.Estate.Tenant(a.Need.Scope)
			if own.IsZero() || theirs.IsZero() || own == theirs {
				continue
			}
			p.Report(Finding{
				Title: a.Requirement.Consequence(a.Need),
				Detail: fmt.Sprintf("%s belongs to tenant %s, the cluster to %s; no role helps: import the images (az acr import), or pull with a secret",
					p.Place(a.Need.Scope), theirs, own),
				Principal: a.Identity.Principal, Scope: a.Need.Scope,
				explains: []*Assessment{a},
			})
		}
	},
}
