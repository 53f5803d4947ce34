package rbac

import (
	"iter"
	"time"

	"aksid/internal/azure"
)

// WhoCan are the assignments that grant a control action at a scope, at any time (see Grant.InForce), nearest first;
// without those whose holder is denied it, and those under a condition that is open. Whether it is inherited shows in
// the assignment's scope; a group's stands for its members.
func (p *Policy) WhoCan(action azure.Action, scope azure.ID) iter.Seq[Grant] {
	return p.whoCan(Request{Action: action, Scope: scope})
}

// WhoCanData is WhoCan for a data action.
func (p *Policy) WhoCanData(action azure.Action, scope azure.ID) iter.Seq[Grant] {
	return p.whoCan(Request{Action: action, Data: true, Scope: scope})
}

func (p *Policy) whoCan(r Request) iter.Seq[Grant] {
	return func(yield func(Grant) bool) {
		path := p.path(nil, r.Scope)
		s := search{p: p, r: &r, path: path, row: p.roles.row(r.Action, r.Data)}
		var denials []*deny
		p.denials(&r, path, func(d *deny, _ truth) bool { denials = append(denials, d); return true })
		for _, step := range path {
			for _, g := range p.byScope.find(step.hash) {
				h := held{g.val, p.roles.number[g.val.Role], true}
				if s.counts(&h, g.val.Principal, step.key) && !p.bound(denials, g.val.Principal) && !yield(g.val.Grant) {
					return
				}
			}
		}
	}
}

// bound reports whether a deny assignment binds the principal, or may; and nothing is granted to the nil GUID.
func (p *Policy) bound(denials []*deny, principal azure.PrincipalID) bool {
	if len(denials) == 0 || principal.IsZero() {
		return principal.IsZero()
	}
	var list subjects
	p.gather(&list, principal, nil, time.Time{})
	for _, d := range denials {
		if d.binds(&list) {
			return true
		}
	}
	return false
}

// Over are the assignments on a scope and above it, nearest first, whoever holds them, whatever they grant and whenever.
func (p *Policy) Over(scope azure.ID) iter.Seq[*Grant] {
	return func(yield func(*Grant) bool) {
		for _, step := range p.path(nil, scope) {
			for _, g := range p.byScope.find(step.hash) {
				if g.val.Scope.Key() == step.key && !yield(&g.val.Grant) {
					return
				}
			}
		}
	}
}

// Permissions are the assignments that reach a principal at a scope, at any time (see Grant.InForce): its own and its
// groups', made there or inherited; of each holder the nearest first. What they grant is their roles' to say.
func (p *Policy) Permissions(principal azure.PrincipalID, scope azure.ID) iter.Seq[Grant] {
	return func(yield func(Grant) bool) {
		path := p.path(nil, scope)
		var list subjects
		list.add(principal)
		if !p.reaching(path, principal, yield) {
			return
		}
		p.walk(&list, nil, time.Time{}, func(group azure.PrincipalID, _ int) bool { return p.reaching(path, group, yield) })
	}
}

// reaching yields the assignments of one holder that reach the path.
func (p *Policy) reaching(path []step, by azure.PrincipalID, yield func(Grant) bool) bool {
	for _, step := range path {
		for _, h := range p.byPrincipal.find(holder(by) | step.hash>>32) {
			g := h.val.grant
			if g.Principal == by && !by.IsZero() && g.Scope.Key() == step.key && !yield(g.Grant) {
				return false
			}
		}
	}
	return true
}

// GrantsOf are the assignments of a principal that are in force at a time, then those of its groups, wherever they are;
// at the zero time all.
func (p *Policy) GrantsOf(principal azure.PrincipalID, at time.Time) iter.Seq[*Grant] {
	return func(yield func(*Grant) bool) {
		each := func(by azure.PrincipalID) bool {
			for g := range p.heldBy(by) {
				if g.InForce(at) && !yield(&g.Grant) {
					return false
				}
			}
			return true
		}
		var list subjects
		list.add(principal)
		if each(principal) {
			p.walk(&list, nil, at, func(group azure.PrincipalID, _ int) bool { return each(group) })
		}
	}
}

// heldBy are the assignments of one holder; nobody has the nil GUID.
func (p *Policy) heldBy(by azure.PrincipalID) iter.Seq[*grant] {
	return func(yield func(*grant) bool) {
		from := holder(by)
		page := p.byPrincipal.page(from)
		if len(page) == 0 || by.IsZero() {
			return
		}
		for i := p.byPrincipal.seek(page, from); i < len(page) && page[i].hash>>32 == from>>32; i++ {
			if g := page[i].val.grant; g.Principal == by && !yield(g) {
				return
			}
		}
	}
}
