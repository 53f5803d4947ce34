package finding

import (
	"fmt"
	"strings"

	"aksid/internal/azure"
)

// Limits of Azure, and from where on it is time to act (azure-docs, RBAC limits; workload-identity-overview).
const (
	maxAssignments    = 4000 // in one subscription, without those of management groups
	manyAssignments   = maxAssignments * 9 / 10
	maxCredentials    = 20 // federated credentials of one identity
	manyCredentials   = maxCredentials * 9 / 10
	limitsDescription = "4,000 role assignments in a subscription, 20 federated credentials on an identity"
)

var nearLimit = Rule{
	ID:       "near-limit",
	Title:    "A limit of Azure is nearly reached: " + limitsDescription,
	Why:      "Beyond it the next role or federated credential is refused, as a rule in the middle of a deployment.",
	Source:   "azure-docs RBAC limits, workload-identity-overview",
	Severity: Warning,
	Run: func(p *Pass) {
		for _, sub := range p.subscriptions() {
			if n := p.Estate.Assignments(sub.Subscription()); n >= manyAssignments {
				p.Report(Finding{
					Title:  fmt.Sprintf("soon no role can be given in %s", p.Place(sub)),
					Detail: fmt.Sprintf("it has %d role assignments of %d", n, maxAssignments),
					Scope:  sub,
				})
			}
		}
		for _, id := range p.Identities {
			if n := len(p.Estate.FederatedCredentials(id.Resource)); n >= manyCredentials {
				p.Report(Finding{
					Title:     fmt.Sprintf("soon no workload can be added to %s", id.Name),
					Detail:    fmt.Sprintf("it has %d federated credentials of %d", n, maxCredentials),
					Principal: id.Principal, Scope: id.Resource,
				})
			}
		}
	},
}

// subscriptions are those of the cluster and of what it needs, each once.
func (p *Pass) subscriptions() []azure.ID {
	seen := map[string]bool{}
	var out []azure.ID
	add := func(id azure.ID) {
		if sub := strings.ToLower(id.Subscription()); sub != "" && !seen[sub] {
			seen[sub] = true
			out = append(out, azure.SubscriptionID(id.Subscription()))
		}
	}
	add(p.Cluster.ID)
	for _, a := range p.Assessments {
		add(a.Need.Scope)
	}
	return out
}
