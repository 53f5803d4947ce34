package finding

import (
	"fmt"
	"slices"
	"time"

	"aksid/internal/catalogue"
	"aksid/internal/estate"
)

// secretEndsSoon is from when on the end of a secret is an error: somebody has to act before.
const secretEndsSoon = 30 * 24 * time.Hour

var servicePrincipal = Rule{
	ID:    "service-principal",
	Title: "The cluster runs as a service principal instead of a managed identity",
	Why: "Its secret lies on every node and expires; when it does, upgrades, scaling, load balancers and image pulls stop. " +
		"A managed identity has no secret.",
	Source:   "kubernetes-service-principal, managed-identity-overview",
	Severity: Warning,
	Stops:    true,
	Run: func(p *Pass) {
		for _, id := range p.Identities {
			if id.Role != estate.ServicePrincipal {
				continue
			}
			f := Finding{
				Title:     "the cluster stops working when a secret expires",
				Detail:    fmt.Sprintf("it runs as service principal %s; its roles do not carry over to a managed identity: grant them first", id.Name),
				Principal: id.Principal, Scope: p.Cluster.ID,
				Remedy: []estate.Change{estate.UseManagedIdentity{Cluster: p.Cluster.ID, Pools: poolNames(p.Cluster)}},
			}
			if roles := p.toCarryOver(id); len(roles) > 0 {
				f.Detail += ": " + list(roles)
			}
			if end, ok := p.Estate.SecretsEnd(id.Client); ok {
				f.Title, f.Severity = p.secretEnds(end)
				f.Detail += "; az aks update-credentials gives the cluster a new secret"
			}
			p.Report(f)
		}
	},
}

// secretEnds says when the cluster stops working, and how bad that is.
func (p *Pass) secretEnds(end time.Time) (string, Severity) {
	if p.Now.IsZero() || end.After(p.Now.Add(secretEndsSoon)) {
		return fmt.Sprintf("the cluster stops working when its secret expires %s", p.ending(end)), Warning
	}
	if end.After(p.Now) {
		return fmt.Sprintf("the cluster stops working %s: its secret expires", p.ending(end)), Error
	}
	return "the cluster's secret has expired " + p.ending(end) + ": load balancers, disks, scaling and image pulls fail", Error
}

// toCarryOver are the roles that whoever comes after an identity needs outside of the node resource group.
func (p *Pass) toCarryOver(id estate.Identity) []string {
	var out []string
	for _, a := range p.Assessments {
		role := a.Need.Role + " on " + p.Place(a.Need.Scope)
		if a.Identity.Role == id.Role && a.Need.Certainty == catalogue.Now && !p.Cluster.NodeGroup().Contains(a.Need.Scope) && !slices.Contains(out, role) {
			out = append(out, role)
		}
	}
	return out
}
