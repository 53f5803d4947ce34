package finding

import (
	"fmt"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

var workloadAsInfrastructure = Rule{
	ID:    "workload-as-infrastructure",
	Title: "A service account names an infrastructure identity of the cluster",
	Why: "Pods of the service account would act with the rights of the cluster, where a federated credential lets them; " +
		"without one they fail with AADSTS70021. Either way they need an identity of their own.",
	Source:   "workload-identity-overview",
	Severity: Warning,
	Run: func(p *Pass) {
		for _, o := range p.Estate.Kube(p.Cluster).Of("ServiceAccount") {
			client, err := azure.ParseGUID(o.ClientAnnotation())
			if err != nil {
				continue
			}
			for _, id := range p.Identities {
				if id.Client == client && (id.Role == estate.ControlPlane || id.Role == estate.Kubelet) {
					p.Report(Finding{
						Title:     fmt.Sprintf("pods of service account %s mean to act as the %s identity", o, id.Label()),
						Detail:    fmt.Sprintf("its annotation azure.workload.identity/client-id is the client id of %s", id.Name),
						Principal: id.Principal, Scope: id.Resource,
					})
				}
			}
		}
	},
}
