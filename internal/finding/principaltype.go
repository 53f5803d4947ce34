package finding

import (
	"fmt"
	"strings"

	"aksid/internal/estate"
	"aksid/internal/rbac"
)

var principalTypeUnsaid = Rule{
	ID:    "principal-type-unsaid",
	Title: "A role assignment does not say what kind of principal it is for",
	Why: "An identity that has just been made takes a while to be known everywhere in the directory. Without principalType ARM looks it up and " +
		"refuses with PrincipalNotFound. Terraform's azurerm provider tries again until it is known, a template fails.",
	Source:   "role-assignments-template, troubleshooting RBAC",
	Severity: Warning,
	Run: func(p *Pass) {
		p.eachAssignment(func(id estate.Identity, g *rbac.Grant, d estate.Declaration) {
			identity, made := p.Estate.Declared(id.Resource)
			if g.PrincipalType != "" || !d.Creates || made && !identity.Creates {
				return
			}
			f := Finding{
				Title: fmt.Sprintf("%s may fail with PrincipalNotFound", d.Address),
				Detail: fmt.Sprintf("it gives %s to the %s identity, which has only just been made, without principalType: ServicePrincipal",
					p.Estate.RoleName(g.Role), id.Label()),
				Principal: g.Principal, Scope: g.Scope,
			}
			if strings.Contains(d.Address, "azurerm_role_assignment.") { // the provider tries again
				f.Severity = Note
				f.Title = fmt.Sprintf("%s may take minutes longer than it need", d.Address)
				f.Detail = strings.ReplaceAll(f.Detail, "principalType: ServicePrincipal", "principal_type = \"ServicePrincipal\" or skip_service_principal_aad_check")
			}
			p.Report(f)
		})
	},
}

var assignmentName = Rule{
	ID:    "assignment-name",
	Title: "The name of a role assignment does not follow from its scope, principal and role",
	Why: "The name is a GUID that is one for the whole tenant. One that stays the same where scope, principal or role change is refused with " +
		"RoleAssignmentUpdateNotPermitted, one that changes by itself with RoleAssignmentExists.",
	Source:   "role-assignments-template",
	Severity: Warning,
	Run: func(p *Pass) {
		p.eachAssignment(func(_ estate.Identity, g *rbac.Grant, d estate.Declaration) {
			if d.Name != "" {
				p.Report(Finding{
					Title:     fmt.Sprintf("deploying it again, or elsewhere, fails at role assignment %s", d.Address),
					Detail:    fmt.Sprintf("its name is no good: %s; use guid(SCOPE, IDENTITY, ROLE) with the ids of all three", d.Name),
					Principal: g.Principal, Scope: g.Scope,
				})
			}
		})
	},
}

// eachAssignment are the role assignments that a plan or template gives to the identities of the cluster. Those of an identity
// that several clusters share are the first one's.
func (p *Pass) eachAssignment(look func(estate.Identity, *rbac.Grant, estate.Declaration)) {
	seen := map[string]bool{}
	for _, id := range p.Identities {
		if sharers := p.Estate.ActingAs(id.Principal); !id.Known() || len(sharers) > 0 && sharers[0] != p.Cluster {
			continue
		}
		for _, g := range p.Estate.Held(id.Principal) {
			if d, ok := p.Estate.Declared(g.ID); ok && !seen[g.ID.Key()] {
				seen[g.ID.Key()] = true
				look(id, g, d)
			}
		}
	}
}
