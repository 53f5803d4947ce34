package rbac

import (
	"iter"
	"slices"
	"time"

	"aksid/internal/azure"
)

// InForce reports whether the assignment counts at a time; the zero time is every time.
func (g *Grant) InForce(at time.Time) bool { return inForce(g.From, g.Until, at) }

func inForce(from, until, at time.Time) bool {
	return at.IsZero() || (from.IsZero() || !at.Before(from)) && (until.IsZero() || at.Before(until))
}

// Decide answers a request. A deny assignment wins; then a grant; then what could not be decided.
func (p *Policy) Decide(r Request) Decision {
	subjects := p.subjects(r)
	for _, d := range p.denies {
		if p.denies1(d, r, subjects) {
			return Decision{Outcome: Denied, Deny: d}
		}
	}
	var d Decision
	for _, g := range p.grants {
		if !slices.Contains(subjects, g.Principal) || !g.InForce(r.At) || !p.covers(g.Scope, r.Scope) {
			continue
		}
		role, ok := p.roles[g.Role]
		if !ok {
			d.Outcome = Unknown
			continue
		}
		switch p.roleGrants(role, g, r) {
		case yes:
			return Decision{Outcome: Granted, By: g}
		case maybe:
			d.Outcome, d.Condition = Unknown, true
		}
	}
	if d.Outcome == NotGranted && p.isUnread(r) {
		d.Outcome = Unknown
	}
	return d
}

func (p *Policy) isUnread(r Request) bool {
	if r.Groups == nil && p.unreadGroups[r.Principal] {
		return true
	}
	for _, u := range p.unread {
		if p.covers(u.Scope, r.Scope) {
			return true
		}
	}
	return false
}

func (p *Policy) roleGrants(role *Role, g *Grant, r Request) truth {
	best := no
	for i := range role.Permissions {
		e := &role.Permissions[i]
		if e.names(r.Action, r.Data) {
			best = max(best, min(evalCondition(e.Condition, r.Action), evalCondition(g.Condition, r.Action)))
		}
	}
	return best
}

func (p *Policy) subjects(r Request) []azure.PrincipalID {
	groups := r.Groups
	if groups == nil {
		groups = p.GroupsOf(r.Principal)
	}
	return append([]azure.PrincipalID{r.Principal}, groups...)
}

func (p *Policy) denies1(d *Deny, r Request, subjects []azure.PrincipalID) bool {
	named := func(g azure.GUID) bool { return slices.Contains(subjects, g) }
	if !p.covers(d.Scope, r.Scope) || d.NotChildren && !d.Scope.Equal(r.Scope) || !inForce(d.From, d.Until, r.At) ||
		!d.Everyone && !slices.ContainsFunc(d.Principals, named) || slices.ContainsFunc(d.Except, named) {
		return false
	}
	return slices.ContainsFunc(d.Permissions, func(e Permission) bool { return e.names(r.Action, r.Data) })
}

// WhoCan are the assignments that grant an action at a scope, without those whose principal is denied it.
func (p *Policy) WhoCan(action azure.Action, scope azure.ID) iter.Seq[Grant] {
	return p.whoCan(Request{Action: action, Scope: scope})
}

// WhoCanData is WhoCan for data actions.
func (p *Policy) WhoCanData(action azure.Action, scope azure.ID) iter.Seq[Grant] {
	return p.whoCan(Request{Action: action, Scope: scope, Data: true})
}

func (p *Policy) whoCan(r Request) iter.Seq[Grant] {
	return func(yield func(Grant) bool) {
		for _, g := range p.grants {
			r.Principal = g.Principal
			role, ok := p.roles[g.Role]
			if ok && p.covers(g.Scope, r.Scope) && p.roleGrants(role, g, r) == yes && p.Decide(r).Outcome == Granted && !yield(*g) {
				return
			}
		}
	}
}

// Permissions are the assignments that count for a principal at a scope: its own and its groups', there and inherited.
func (p *Policy) Permissions(principal azure.PrincipalID, scope azure.ID) iter.Seq[Grant] {
	return func(yield func(Grant) bool) {
		subjects := p.subjects(Request{Principal: principal})
		for _, g := range p.grants {
			if slices.Contains(subjects, g.Principal) && p.covers(g.Scope, scope) && !yield(*g) {
				return
			}
		}
	}
}
