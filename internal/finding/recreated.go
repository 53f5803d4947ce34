package finding

import (
	"fmt"
	"slices"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

var identityRecreated = Rule{
	ID:    "identity-recreated",
	Title: "The cluster names an object id that its identity no longer has",
	Why: "An identity that is deleted and made again under its name has another object id. Roles given to the new one look right, " +
		"and the cluster still acts, or fails to act, as the old one.",
	Source:   "Azure/AKS#4561, #2951",
	Severity: Error,
	Stops:    true,
	Run: func(p *Pass) {
		for _, id := range p.Identities {
			doc, known := p.Estate.Resource(id.Resource)
			if known != estate.Known || !id.Known() {
				continue
			}
			now, err := azure.ParseGUID(doc.Text("properties.principalId"))
			if err != nil || now == id.Principal {
				continue
			}
			p.Report(Finding{
				Title:     fmt.Sprintf("what the %s identity does fails, whatever roles it has", id.Label()),
				Detail:    fmt.Sprintf("%s was made anew: its object id is %s, the cluster still names %s", id.Name, now, id.Principal),
				Principal: id.Principal, Scope: id.Resource, explains: p.needsOf(id),
				Remedy: []estate.Change{p.reconcile(id)},
			})
		}
	},
}

// reconcile makes the cluster take up its identities again. Nodes keep the kubelet identity that they came up with.
func (p *Pass) reconcile(id estate.Identity) estate.Change {
	c := estate.Reconcile{Cluster: p.Cluster.ID}
	if id.Role == estate.Kubelet {
		c.Pools = poolNames(p.Cluster)
	}
	return c
}

func poolNames(c *estate.Cluster) []string {
	var out []string
	for _, pool := range c.Pools() {
		out = append(out, pool.Name)
	}
	return out
}

// needsOf are all needs of an identity: none of them is met while it cannot act.
func (p *Pass) needsOf(id estate.Identity) []*Assessment {
	return slices.DeleteFunc(slices.Clone(p.Assessments), func(a *Assessment) bool { return a.Identity.Role != id.Role || a.Identity.AddOn != id.AddOn })
}
