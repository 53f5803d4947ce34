package finding

import (
	"fmt"

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
	Stops:    true,
	Run: func(p *Pass) {
		for _, id := range p.Identities {
			if id.Client.IsZero() || id.Client == id.Principal {
				continue
			}
			for _, g := range p.Estate.Held(id.Client) {
				p.Report(p.misplaced(id, g, fmt.Sprintf("%s, the client id of the %s identity %s", id.Client, id.Label(), id.Name)))
			}
		}
	},
}

const typeAssignment = "Microsoft.Authorization/roleAssignments"

// mendedBy are the needs of an identity that are missing and would be met after a change of the policy.
func (p *Pass) mendedBy(id estate.Identity, c rbac.Change) []*Assessment {
	after := p.Estate.WithPolicy(p.Estate.Policy.With(c))
	var out []*Assessment
	for _, a := range p.Open(Missing) {
		if a.Identity.Principal == id.Principal && AssessNeed(after, a.Requirement, a.Need, a.Identity).Status == Granted {
			out = append(out, a)
		}
	}
	return out
}
