package finding

import (
	"fmt"

	"aksid/internal/estate"
)

var identityGone = Rule{
	ID:       "identity-gone",
	Title:    "An identity that the cluster names does not exist",
	Why:      "Nothing can act as it. AKS makes its own identities again when the cluster is reconciled, brought ones are the user's.",
	Source:   "Azure/AKS#2951, aad-pod-identity#515",
	Severity: Error,
	Stops:    true,
	Run: func(p *Pass) {
		for _, id := range p.Identities {
			if _, known := p.Estate.Resource(id.Resource); known != estate.Absent {
				continue
			}
			f := Finding{
				Title:     fmt.Sprintf("everything that the %s identity does fails", id.Label()),
				Detail:    fmt.Sprintf("there is no identity %s", p.Place(id.Resource)),
				Principal: id.Principal, Scope: id.Resource, explains: p.needsOf(id),
			}
			if p.Cluster.NodeGroup().Contains(id.Resource) {
				f.Remedy = []estate.Change{p.reconcile(id)}
			} else {
				f.Detail += "; it was the user's: make it again, give it its roles, and name it in az aks update"
			}
			p.Report(f)
		}
	},
}
