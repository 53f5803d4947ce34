package finding

import (
	"fmt"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

var formerServicePrincipal = Rule{
	ID:    "former-service-principal",
	Title: "A service principal that seems to have been the cluster's still holds roles",
	Why: "A cluster that was moved to a managed identity leaves its service principal behind, with its secret and its roles. Who has the secret " +
		"has the roles. Take these away, and delete the service principal, once nothing else uses it.",
	Source:   "kubernetes-service-principal, user-assigned-managed-identity",
	Severity: Note,
	Run: func(p *Pass) {
		if !p.managed() {
			return
		}
		seen := map[azure.PrincipalID]bool{}
		for g := range p.Estate.Policy.Grants() {
			o, known := p.Estate.Object(g.Principal)
			if known != estate.Known || seen[g.Principal] || !p.wasOurs(o, g.Scope) {
				continue
			}
			seen[g.Principal] = true
			f := Finding{
				Title:     fmt.Sprintf("%s still holds what it held for the cluster, as it looks", o.Name),
				Principal: g.Principal, Scope: g.Scope,
			}
			var roles []string
			for _, held := range p.Estate.Held(g.Principal) {
				roles = append(roles, p.Estate.RoleName(held.Role)+" on "+p.Place(held.Scope))
				f.Remedy = append(f.Remedy, estate.Unassign{ID: held.ID})
			}
			f.Detail = "no cluster that was read runs as this service principal; it has " + list(roles)
			p.Report(f)
		}
	},
}

// managed reports whether the cluster runs as a managed identity.
func (p *Pass) managed() bool {
	for _, i := range p.Identities {
		if i.Role == estate.ControlPlane && i.Known() {
			return true
		}
	}
	return false
}

// wasOurs reports whether a service principal with a secret seems to have been the cluster's: it holds a role on what is the
// cluster's or what the cluster needs, bears its name, and is no cluster's now.
func (p *Pass) wasOurs(o estate.Object, scope azure.ID) bool {
	name := strings.ToLower(p.Cluster.ID.Name())
	return o.Type == "ServicePrincipal" && o.Managed.IsZero() && !o.App.IsZero() && strings.HasPrefix(strings.ToLower(o.Name), name) &&
		strings.Contains(strings.ToLower(o.Name[len(name):]), "sp") && len(p.Estate.ActingAs(o.ID)) == 0 && p.isSurrounding(scope)
}
