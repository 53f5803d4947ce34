package finding

import (
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
)

// survives reports whether an identity is there after the cluster was deleted and made again: one that the user brought.
func (p *Pass) survives(id estate.Identity) bool {
	return id.Kind == estate.ServicePrincipalSecret || !id.Resource.IsZero() && !p.Cluster.NodeGroup().Contains(id.Resource)
}

var lostInRebuild = Rule{
	ID:    "lost-in-rebuild",
	Title: "Roles of the cluster are lost when it is built anew",
	Why: "A system-assigned identity, and those that AKS made, go with the cluster. The new ones have other object ids and none of the roles " +
		"that were given outside the node resource group; federated credentials name the issuer of the old cluster.",
	Source:   "managed-identity-overview, workload-identity-overview",
	Severity: Error,
	Only:     catalogue.Rebuilding,
	Run: func(p *Pass) {
		for _, id := range p.Identities {
			if lost := p.rolesOf(id); len(lost) > 0 && !p.survives(id) {
				p.Report(Finding{
					Title:        fmt.Sprintf("the new %s identity lacks the roles of %s", id.Label(), id.Name),
					Detail:       "it is made anew with the cluster; give the new one these roles at once, or bring an identity of your own, which survives",
					Consequences: lost, Principal: id.Principal, Scope: p.Cluster.ID,
				})
			}
		}
		p.reportIssuer()
	},
}

// reportIssuer speaks of the federated credentials that trust the cluster's issuer: the new cluster has another one.
func (p *Pass) reportIssuer() {
	issuer := strings.TrimSuffix(p.Cluster.Text("properties.oidcIssuerProfile.issuerURL"), "/")
	var trusts []string
	for _, r := range p.Estate.Resources(estate.TypeFederatedCredential) {
		if issuer != "" && strings.EqualFold(strings.TrimSuffix(r.Text("properties.issuer"), "/"), issuer) {
			trusts = append(trusts, fmt.Sprintf("%s of %s", r.Text("properties.subject"), p.Place(r.ID.Parent())))
		}
	}
	if len(trusts) > 0 {
		p.Report(Finding{
			Title:        "workloads can no longer act as their identities",
			Detail:       "their federated credentials trust the issuer of this cluster, and the new one has another",
			Consequences: trusts, Scope: p.Cluster.ID,
		})
	}
}

var survivesRebuild = Rule{
	ID:       "survives-rebuild",
	Title:    "Roles of the cluster are there when it is built anew",
	Why:      "An identity that the user brought stays, and so do its roles.",
	Source:   "managed-identity-overview",
	Severity: Note,
	Only:     catalogue.Rebuilding,
	Run: func(p *Pass) {
		for _, id := range p.Identities {
			if kept := p.rolesOf(id); len(kept) > 0 && p.survives(id) {
				p.Report(Finding{
					Title:        fmt.Sprintf("the %s identity %s keeps its roles", id.Label(), id.Name),
					Detail:       "it was brought along",
					Consequences: kept, Principal: id.Principal, Scope: id.Resource,
				})
			}
		}
	},
}

// rolesOf are the roles of an identity outside the node resource group, which goes with the cluster.
func (p *Pass) rolesOf(id estate.Identity) []string {
	var out []string
	for _, h := range p.held(id) {
		if !p.Cluster.NodeGroup().Contains(h.grant.Scope) {
			out = append(out, fmt.Sprintf("%s on %s", p.Estate.RoleName(h.grant.Role), p.Place(h.grant.Scope)))
		}
	}
	return out
}

var rolesToCarryOver = Rule{
	ID:       "roles-to-carry-over",
	Title:    "Another control plane identity has none of the roles that the cluster needs",
	Why:      "Roles stay with the identity that has them. Give them to the new one before it takes over, and keep the old one for some hours: controllers use it until their tokens expire.",
	Source:   "managed-identity-overview, user-assigned-managed-identity",
	Severity: Error,
	Only:     catalogue.UserAssigning,
	Run: func(p *Pass) {
		if !p.Before.Target.IsZero() {
			return // then each of them is assessed
		}
		var needs []string
		var principal azure.PrincipalID
		for _, a := range p.Assessments {
			p.explained[a] = true // what the old identity has does not matter
			if text := fmt.Sprintf("%s on %s: %s", a.Need.Role, p.Place(a.Need.Scope), a.Requirement.Feature); a.Need.Certainty == catalogue.Now && !slices.Contains(needs, text) {
				needs, principal = append(needs, text), a.Identity.Principal
			}
		}
		if len(needs) > 0 {
			p.Report(Finding{
				Title:        "a new control plane identity needs roles before it takes over",
				Detail:       fmt.Sprintf("name the identity to see what it has: --before %s=ID", catalogue.UserAssigning),
				Consequences: needs, Principal: principal, Scope: p.Cluster.ID,
			})
		}
	},
}
