package finding

import (
	"fmt"
	"slices"
	"strings"

	"aksid/internal/estate"
	"aksid/internal/rbac"
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
		for _, o := range p.Estate.Clients(p.Cluster.ID.Name()) {
			if !p.wasOurs(o) {
				continue
			}
			f := Finding{Title: fmt.Sprintf("%s still holds what it held for the cluster, as it looks", o.Name), Principal: o.ID}
			var roles []string
			for _, held := range p.Estate.Held(o.ID) {
				if f.Scope.IsZero() && p.isSurrounding(held.Scope) {
					f.Scope = held.Scope
				}
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

// wasOurs reports whether a service principal with a secret seems to have been the cluster's: it bears its name, holds a role on
// what is the cluster's or what the cluster needs, and is no cluster's now.
func (p *Pass) wasOurs(o estate.Object) bool {
	rest := strings.ToLower(o.Name)[len(p.Cluster.ID.Name()):]
	return strings.Contains(rest, "sp") && len(p.Estate.ActingAs(o.ID)) == 0 &&
		slices.ContainsFunc(p.Estate.Held(o.ID), func(g *rbac.Grant) bool { return p.isSurrounding(g.Scope) })
}
