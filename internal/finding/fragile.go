package finding

import (
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

var systemAssignedWithShared = Rule{
	ID:    "system-assigned-with-shared-resources",
	Title: "A system-assigned identity holds roles on resources outside the cluster",
	Why: "The identity lives and dies with the cluster. A rebuilt cluster of the same name has another one, and every role outside its node " +
		"resource group has to be given again. A user-assigned identity keeps them.",
	Source:   "managed-identity-overview, Azure/AKS#1591",
	Severity: Warning,
	Run: func(p *Pass) {
		var places []string
		var principal azure.PrincipalID
		for _, a := range p.Assessments {
			if a.Identity.Kind == estate.SystemAssigned && a.Need.Certainty == catalogue.Now && !p.Cluster.NodeGroup().Contains(a.Need.Scope) {
				principal = a.Identity.Principal
				if place := p.Place(a.Need.Scope); !slices.Contains(places, place) {
					places = append(places, place)
				}
			}
		}
		if len(places) > 0 {
			p.Report(Finding{
				Title:     "the next rebuild of the cluster loses its roles",
				Detail:    fmt.Sprintf("its control plane identity is system-assigned and needs roles on %s", strings.Join(places, ", ")),
				Principal: principal, Scope: p.Cluster.ID,
			})
		}
	},
}

var roleThroughGroup = Rule{
	ID:    "role-through-group",
	Title: "What an identity of the cluster needs hangs on the membership of a group",
	Why: "The token of a managed identity carries its groups for about a day: a change of membership takes as long to count, " +
		"and whoever manages the group manages the cluster's rights.",
	Source:   "troubleshooting RBAC",
	Severity: Note,
	Run: func(p *Pass) {
		var grants []*rbac.Grant
		hanging := map[*rbac.Grant][]*Assessment{}
		for _, a := range p.Assessments {
			for _, g := range a.GrantedBy {
				if g.Principal == a.Identity.Principal {
					continue
				}
				if hanging[g] == nil {
					grants = append(grants, g)
				}
				hanging[g] = append(hanging[g], a)
			}
		}
		for _, g := range grants {
			p.reportThroughGroup(g, hanging[g])
		}
	},
}

func (p *Pass) reportThroughGroup(g *rbac.Grant, as []*Assessment) {
	var features []string
	for _, a := range as {
		features = append(features, a.Requirement.Feature)
	}
	p.Report(Finding{
		Title: fmt.Sprintf("what the %s identity needs hangs on group %s", as[0].Identity.Label(), p.Estate.PrincipalName(g.Principal)),
		Detail: fmt.Sprintf("as a member of it, it has %s on %s, which it needs for: %s",
			p.Estate.RoleName(g.Role), p.Place(g.Scope), list(slices.Compact(features))),
		Principal: as[0].Identity.Principal, Scope: g.Scope,
	})
}

var identityElsewhere = Rule{
	ID:       "identity-in-other-subscription",
	Title:    "An identity of the cluster lies in another subscription",
	Why:      "Whoever owns that subscription can delete the identity, or put federated credentials on it and act as the cluster.",
	Source:   "user-assigned-managed-identity",
	Severity: Note,
	Run: func(p *Pass) {
		for _, id := range p.Identities {
			if sub := id.Resource.Subscription(); sub != "" && !strings.EqualFold(sub, p.Cluster.ID.Subscription()) &&
				!estate.Unnamed(sub) && !estate.Unnamed(p.Cluster.ID.Subscription()) { // what nobody names may be the same
				p.Report(Finding{
					Title:     fmt.Sprintf("the %s identity is in the hands of the %s subscription", id.Label(), p.Estate.SubscriptionName(sub)),
					Detail:    p.Place(id.Resource),
					Principal: id.Principal, Scope: id.Resource,
				})
			}
		}
	},
}
