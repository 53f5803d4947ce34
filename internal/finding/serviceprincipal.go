package finding

import (
	"fmt"

	"aksid/internal/estate"
)

var servicePrincipal = Rule{
	ID:    "service-principal",
	Title: "The cluster runs as a service principal instead of a managed identity",
	Why: "Its secret lies on every node and expires; when it does, upgrades, scaling, load balancers and image pulls stop. " +
		"A managed identity has no secret.",
	Source:   "kubernetes-service-principal, managed-identity-overview",
	Severity: Warning,
	Run: func(p *Pass) {
		for _, id := range p.Identities {
			if id.Role != estate.ServicePrincipal {
				continue
			}
			change := estate.UseManagedIdentity{Cluster: p.Cluster.ID, Pools: poolNames(p.Cluster)}
			p.Report(Finding{
				Title:     "the cluster stops working when a secret expires",
				Detail:    fmt.Sprintf("it runs as service principal %s; its roles do not carry over to a managed identity: grant them first", id.Name),
				Principal: id.Principal, Scope: p.Cluster.ID,
				Remedy: []estate.Change{change},
			})
		}
	},
}
