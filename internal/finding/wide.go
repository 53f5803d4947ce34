package finding

import (
	"fmt"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

var wideScope = Rule{
	ID:    "wide-scope",
	Title: "An identity of the cluster holds a role on more than what it needs it for",
	Why: "A role on a subscription or a resource group reaches everything in it, also what other teams put there later. " +
		"The same role on the resource itself is enough.",
	Source:   "best-practices for Azure RBAC, scope-overview",
	Severity: Warning,
	Run: func(p *Pass) {
		for _, id := range p.Identities {
			for _, h := range p.held(id) {
				p.reportWide(id, h)
			}
		}
	},
}

// reportWide speaks of roles that change something, on subscriptions and on resource groups that are not the cluster's own.
func (p *Pass) reportWide(id estate.Identity, h held) {
	g := h.grant
	broad := IsBroadScope(g.Scope)
	group := strings.EqualFold(g.Scope.Type(), azure.TypeResourceGroup) && !p.Estate.IsNodeGroup(g.Scope)
	if !broad && !group || broad && IsBroadRole(p.Estate, g.Role) || group && p.grantsRoles(g.Role) || p.readsOnly(g.Role) {
		return
	}
	f := Finding{
		Title:     fmt.Sprintf("the %s identity has %s on all of %s", id.Label(), p.Estate.RoleName(g.Role), p.Place(g.Scope)),
		Detail:    h.suffix(),
		Principal: g.Principal, Scope: g.Scope,
	}
	if group {
		f.Severity = Note
	}
	p.replace(&f, id, h)
	p.Report(f)
}

func (p *Pass) grantsRoles(role azure.GUID) bool {
	r, ok := p.Estate.Policy.Role(role)
	return ok && r.Grants("Microsoft.Authorization/roleAssignments/write", false)
}

// readsOnly reports whether a role changes nothing: each action it names is a read.
func (p *Pass) readsOnly(role azure.GUID) bool {
	r, ok := p.Estate.Policy.Role(role)
	if !ok {
		return true // nothing can be said of it
	}
	for _, e := range r.Permissions {
		for _, a := range append(append([]string{}, e.Actions...), e.DataActions...) {
			if !strings.HasSuffix(strings.ToLower(a), "/read") {
				return false
			}
		}
	}
	return true
}
