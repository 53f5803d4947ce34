package finding

import (
	"fmt"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

var applicationIDAsPrincipal = Rule{
	ID:    "application-id-as-principal",
	Title: "A role is assigned to the object id of an application instead of its service principal's",
	Why: "An application and its service principal are two objects of the directory with two object ids. Only the service principal " +
		"acts; an assignment to the application is accepted when it is sent with a principal type, and grants nothing.",
	Source:   "app-objects-and-service-principals, troubleshooting RBAC",
	Severity: Warning,
	Stops:    true,
	Run: func(p *Pass) {
		for _, id := range p.Identities {
			app, ok := p.Estate.Application(id.Client)
			if !ok {
				continue
			}
			for _, g := range p.Estate.Held(app.ID) {
				p.Report(p.misplaced(id, g, fmt.Sprintf("%s, the application object of %s", app.ID, id.Name)))
			}
		}
	},
}

// misplaced is a finding about a role that is assigned to an id that stands for an identity and is not its object id.
func (p *Pass) misplaced(id estate.Identity, g *rbac.Grant, to string) Finding {
	role, place := p.Estate.RoleName(g.Role), p.Place(g.Scope)
	f := Finding{
		Title:     fmt.Sprintf("%s on %s is assigned to an id that nobody has, and grants nothing", role, place),
		Detail:    fmt.Sprintf("it is assigned to %s; its object id is %s", to, id.Principal),
		Principal: g.Principal, Scope: g.Scope,
	}
	right := *g
	right.ID, right.Principal = g.Scope.Resource(typeAssignment, azure.GUID{}.String()), id.Principal
	if mended := p.mendedBy(id, rbac.AddGrant(right)); len(mended) > 0 && id.Known() {
		f.Severity, f.explains = Error, mended
		f.Title = mended[0].Requirement.Consequence(mended[0].Need)
		f.Detail = fmt.Sprintf("%s on %s is assigned to %s; its object id is %s", role, place, to, id.Principal)
		f.Remedy = append(f.Remedy, estate.Assign{Role: role, Principal: id.Principal, PrincipalType: "ServicePrincipal", Scope: g.Scope})
	}
	f.Remedy = append(f.Remedy, estate.Unassign{ID: g.ID})
	return f
}
