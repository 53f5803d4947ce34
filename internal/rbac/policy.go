package rbac

import (
	"iter"
	"maps"
	"slices"

	"aksid/internal/azure"
)

// Policy is everything that a decision needs. It is immutable for its readers; With makes another.
type Policy struct {
	grants       []*Grant
	denies       []*Deny
	roles        map[azure.GUID]*Role
	memberOf     map[azure.PrincipalID][]azure.PrincipalID
	parents      map[string]azure.ID
	unread       map[string]Unread
	unreadGroups map[azure.PrincipalID]bool
}

// Unread is a scope whose role assignments could not be read.
type Unread struct {
	Scope azure.ID
	Why   string
}

// Change is one change of a Policy.
type Change struct{ apply func(*Policy) }

// New is the empty policy with changes; it knows no roles, not even the built-in ones.
func New(changes ...Change) *Policy {
	p := &Policy{roles: map[azure.GUID]*Role{}, memberOf: map[azure.GUID][]azure.GUID{}, parents: map[string]azure.ID{},
		unread: map[string]Unread{}, unreadGroups: map[azure.GUID]bool{}}
	for _, c := range changes {
		c.apply(p)
	}
	return p
}

// With is the policy after the changes, in order; p stays as it is.
func (p *Policy) With(changes ...Change) *Policy {
	q := &Policy{grants: slices.Clone(p.grants), denies: slices.Clone(p.denies), roles: maps.Clone(p.roles),
		memberOf: maps.Clone(p.memberOf), parents: maps.Clone(p.parents), unread: maps.Clone(p.unread), unreadGroups: maps.Clone(p.unreadGroups)}
	for _, c := range changes {
		c.apply(q)
	}
	return q
}

// AddGrant adds an assignment, or replaces the one with the same id.
func AddGrant(g Grant) Change {
	return Change{func(p *Policy) {
		RemoveGrant(g.ID).apply(p)
		p.grants = append(p.grants, &g)
	}}
}

// RemoveGrant takes the assignment with the id away.
func RemoveGrant(id azure.ID) Change {
	return Change{func(p *Policy) {
		p.grants = slices.DeleteFunc(p.grants, func(o *Grant) bool { return o.ID.Equal(id) })
	}}
}

// PutRole adds a role definition, or replaces the one with the same GUID.
func PutRole(r Role) Change { return Change{func(p *Policy) { p.roles[r.ID] = &r }} }

// RemoveRole takes a role definition away; assignments of it become undecidable.
func RemoveRole(id azure.GUID) Change { return Change{func(p *Policy) { delete(p.roles, id) }} }

// PutDeny adds a deny assignment, or replaces the one with the same id.
func PutDeny(d Deny) Change {
	return Change{func(p *Policy) {
		RemoveDeny(d.ID).apply(p)
		p.denies = append(p.denies, &d)
	}}
}

// RemoveDeny takes the deny assignment with the id away.
func RemoveDeny(id azure.ID) Change {
	return Change{func(p *Policy) {
		p.denies = slices.DeleteFunc(p.denies, func(o *Deny) bool { return o.ID.Equal(id) })
	}}
}

// AddMember puts a principal, or a group, into a group.
func AddMember(group, member azure.PrincipalID) Change {
	return Change{func(p *Policy) {
		RemoveMember(group, member).apply(p)
		p.memberOf[member] = append(p.memberOf[member], group)
	}}
}

// RemoveMember takes it out again.
func RemoveMember(group, member azure.PrincipalID) Change {
	return Change{func(p *Policy) {
		p.memberOf[member] = slices.DeleteFunc(slices.Clone(p.memberOf[member]), func(g azure.GUID) bool { return g == group })
	}}
}

// SetParent puts a subscription or management group under a management group; the zero ID takes it out.
func SetParent(child, managementGroup azure.ID) Change {
	return Change{func(p *Policy) { p.parents[child.Key()] = managementGroup }}
}

// MarkUnread says that the role assignments at and below a scope could not be read, and why.
func MarkUnread(scope azure.ID, why string) Change {
	return Change{func(p *Policy) { p.unread[scope.Key()] = Unread{scope, why} }}
}

// MarkUnreadGroups says that the groups of a principal are not known.
func MarkUnreadGroups(principal azure.PrincipalID) Change {
	return Change{func(p *Policy) { p.unreadGroups[principal] = true }}
}

// Role finds a role definition.
func (p *Policy) Role(id azure.GUID) (*Role, bool) { r, ok := p.roles[id]; return r, ok }

// Roles are the role definitions, in no particular order.
func (p *Policy) Roles() iter.Seq[*Role] { return maps.Values(p.roles) }

// Grants are the assignments, in no particular order.
func (p *Policy) Grants() iter.Seq[*Grant] { return slices.Values(p.grants) }

// Denies are the deny assignments, in no particular order.
func (p *Policy) Denies() iter.Seq[*Deny] { return slices.Values(p.denies) }

// GroupsOf are the groups a principal is in, also through other groups.
func (p *Policy) GroupsOf(principal azure.PrincipalID) []azure.PrincipalID {
	var found []azure.PrincipalID
	for next := []azure.PrincipalID{principal}; len(next) > 0; next = next[1:] {
		for _, g := range p.memberOf[next[0]] {
			if !slices.Contains(found, g) && g != principal {
				found = append(found, g)
				next = append(next, g)
			}
		}
	}
	return found
}

// covers reports whether scope is at or below top, also through management groups.
func (p *Policy) covers(top, scope azure.ID) bool {
	seen := map[string]bool{}
	for !scope.IsZero() && !seen[scope.Key()] {
		seen[scope.Key()] = true
		if top.Contains(scope) {
			return true
		}
		container := scope
		if s := scope.Segments(); len(s) > 2 && scope.Subscription() != "" {
			container = azure.SubscriptionID(s[1])
		} else if len(s) > 4 {
			container = azure.Root.Join(s[:4]...)
		}
		scope = p.parents[container.Key()]
	}
	return false
}
