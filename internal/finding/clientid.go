package finding

import (
	"fmt"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

var clientIDAsPrincipal = Rule{
	ID:    "client-id-as-principal",
	Title: "A role is assigned to the client id of an identity instead of its object id",
	Why: "Azure accepts the assignment when it is sent with a principal type, and it grants nothing: " +
		"role assignments name object ids, and no object has this one.",
	Source:   "Azure/acr#695, troubleshooting RBAC",
	Severity: Warning,
	Run: func(p *Pass) {
		for _, id := range p.Identities {
			if id.Client.IsZero() || id.Client == id.Principal {
				continue
			}
			for _, g := range p.Estate.Held(id.Client) {
				reportClientID(p, id, g)
			}
		}
	},
}

func reportClientID(p *Pass, id estate.Identity, g *rbac.Grant) {
	f := Finding{
		Title: fmt.Sprintf("%s on %s is assigned to a client id and grants nothing", p.Estate.RoleName(g.Role), p.Place(g.Scope)),
		Detail: fmt.Sprintf("%s is the client id of the %s identity %s; its object id is %s",
			id.Client, id.Label(), id.Name, id.Principal),
		Principal: g.Principal, Scope: g.Scope,
	}
	right := *g
	right.ID, right.Principal = g.Scope.Resource(typeAssignment, azure.GUID{}.String()), id.Principal
	if mended := p.mendedBy(id, rbac.AddGrant(right)); len(mended) > 0 && id.Known() {
		f.Severity, f.explains = Error, mended
		f.Title = mended[0].Requirement.Consequence(mended[0].Need)
		f.Detail = fmt.Sprintf("%s on %s is assigned to %s, which is the client id of the %s identity and not its object id %s",
			p.Estate.RoleName(g.Role), p.Place(g.Scope), id.Client, id.Label(), id.Principal)
		f.Remedy = append(f.Remedy, estate.Assign{
			Role: p.Estate.RoleName(g.Role), Principal: id.Principal, PrincipalType: "ServicePrincipal", Scope: g.Scope,
		})
	}
	f.Remedy = append(f.Remedy, estate.Unassign{ID: g.ID})
	p.Report(f)
}

const typeAssignment = "Microsoft.Authorization/roleAssignments"

// mendedBy are the needs of an identity that are missing and would be met after a change of the policy.
func (p *Pass) mendedBy(id estate.Identity, c rbac.Change) []*Assessment {
	after := p.Estate.WithPolicy(p.Estate.Policy.With(c))
	var out []*Assessment
	for _, a := range p.Open(Missing) {
		if a.Identity.Principal == id.Principal && assess(after, a.Requirement, a.Need, a.Identity).Status == Granted {
			out = append(out, a)
		}
	}
	return out
}
