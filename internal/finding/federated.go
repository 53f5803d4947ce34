package finding

import (
	"fmt"

	"aksid/internal/estate"
)

var federatedInfrastructure = Rule{
	ID:    "federated-credential-on-infrastructure",
	Title: "Pods can act as an infrastructure identity of the cluster",
	Why: "A federated credential lets whoever holds the service account's token act as the identity. On the control plane or kubelet " +
		"identity this hands a workload the rights of the cluster.",
	Source:   "workload-identity-overview",
	Severity: Warning,
	Run: func(p *Pass) {
		for _, id := range p.Identities {
			credentials := p.Estate.FederatedCredentials(id.Resource)
			if len(credentials) == 0 || id.Role != estate.ControlPlane && id.Role != estate.Kubelet {
				continue
			}
			f := Finding{
				Title:     fmt.Sprintf("workloads can act as the %s identity", id.Label()),
				Principal: id.Principal, Scope: id.Resource,
			}
			var subjects []string
			for _, c := range credentials {
				subjects = append(subjects, c.Subject)
				f.Remedy = append(f.Remedy, estate.Defederate{ID: c.ID})
			}
			f.Detail = fmt.Sprintf("%s trusts tokens for %s; give the workloads an identity of their own", id.Name, list(subjects))
			p.Report(f)
		}
	},
}
