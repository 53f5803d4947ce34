package finding

import (
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

// held is a role assignment that counts for an identity: its own, or one of a group it is in.
type held struct {
	grant *rbac.Grant
	group string // the group's name; "" for its own
}

// held are the assignments of an identity and of its groups, everywhere that was read.
func (p *Pass) held(id estate.Identity) []held {
	if !id.Known() {
		return nil
	}
	var out []held
	for _, g := range p.Estate.Held(id.Principal) {
		out = append(out, held{grant: g})
	}
	for _, group := range p.Estate.Policy.GroupsOf(id.Principal) {
		for _, g := range p.Estate.Held(group) {
			out = append(out, held{g, p.Estate.PrincipalName(group)})
		}
	}
	return out
}

// suffix says how an assignment comes to the identity, if it is not its own, and what narrows it.
func (h held) suffix() string {
	s := ""
	if h.group != "" {
		s += fmt.Sprintf("; it comes through group %s", h.group)
	}
	if h.grant.Condition != "" {
		s += "; a condition narrows it"
	}
	return s
}

// unseen hedges what is said of a whole role: Kubernetes objects are not looked at.
const unseen = " (Services and volumes elsewhere may)"

// replace adds to a finding what makes an assignment superfluous: the least grants for what the cluster needs of it, and then
// its removal. What others have as well, in the group or as another cluster, is not taken away.
func (p *Pass) replace(f *Finding, id estate.Identity, h held, also ...*rbac.Grant) {
	grants := append([]*rbac.Grant{h.grant}, also...)
	var changes []rbac.Change
	for _, g := range grants {
		changes = append(changes, rbac.RemoveGrant(g.ID))
	}
	var needed []string
	for _, a := range p.lostAfter(id, changes...) {
		if a.metBy(grants) == h.grant {
			f.Remedy, needed = append(f.Remedy, p.least(a)...), append(needed, a.Requirement.Feature)
		}
	}
	if len(needed) > 0 {
		f.Detail += "; all that the cluster's document needs of it: " + strings.Join(slices.Compact(needed), ", ")
	} else {
		f.Detail += "; nothing in the cluster's document needs it"
	}
	f.Detail = strings.TrimPrefix(f.Detail, "; ") + unseen
	f.Excess = p.excess(id, h.grant)
	f.Consequences = f.Excess.lines()
	if h.group == "" && len(p.Estate.ActingAs(id.Principal)) < 2 {
		f.Remedy = append(f.Remedy, estate.Unassign{ID: h.grant.ID})
	}
}

// lostAfter are the needs of an identity that are met now and would not be after changes of the policy.
func (p *Pass) lostAfter(id estate.Identity, changes ...rbac.Change) []*Assessment {
	after := p.Estate.WithPolicy(p.Estate.Policy.With(changes...))
	var out []*Assessment
	for _, a := range p.Assessments {
		if a.Identity.Principal == id.Principal && a.Status == Granted && AssessNeed(after, a.Requirement, a.Need, id).Status != Granted {
			out = append(out, a)
		}
	}
	return out
}

// LostWithout are the consequences for a cluster of taking a role assignment away: of the needs that are met now and would not
// be, as far as is known.
func LostWithout(e *estate.Estate, c *estate.Cluster, assignment azure.ID) []string {
	after := e.WithPolicy(e.Policy.With(rbac.RemoveGrant(assignment)))
	var out []string
	for _, a := range Assess(e, c) {
		if a.Status == Granted && AssessNeed(after, a.Requirement, a.Need, a.Identity).Status != Granted {
			out = append(out, a.Requirement.Feature)
		}
	}
	return slices.Compact(out)
}

// metBy is the first of some assignments that meets a need, wholly or in part.
func (a *Assessment) metBy(grants []*rbac.Grant) *rbac.Grant {
	for _, g := range grants {
		if slices.ContainsFunc(a.GrantedBy, func(by *rbac.Grant) bool { return by.ID.Equal(g.ID) }) {
			return g
		}
	}
	return nil
}

// IsBroadScope reports whether a scope is a subscription or above.
func IsBroadScope(id azure.ID) bool {
	switch strings.ToLower(id.Type()) {
	case strings.ToLower(azure.TypeSubscription), strings.ToLower(azure.TypeManagementGroup), strings.ToLower(azure.TypeTenant):
		return true
	}
	return false
}

// IsBroadRole reports whether a role changes resources of any kind, or gives roles: Owner, Contributor,
// User Access Administrator and whatever custom role is like them.
func IsBroadRole(e *estate.Estate, role azure.GUID) bool {
	r, ok := e.Policy.Role(role)
	return ok && (r.Grants("Microsoft.Authorization/roleAssignments/write", false) ||
		r.Grants("Microsoft.Compute/virtualMachines/write", false) && r.Grants("Microsoft.KeyVault/vaults/write", false))
}
