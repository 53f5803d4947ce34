package rbac

import (
	"slices"

	"aksid/internal/azure"
)

// denial is the deny assignment that keeps the principal from the action, the one nearest to the scope. With maybe,
// there is one whose condition is open.
func (p *Policy) denial(r *Request, path []step) (by *Deny, t truth) {
	if p.denies.n == 0 {
		return nil, no
	}
	var list subjects
	p.denials(r, path, func(d *deny, names truth) bool {
		if list.n == 0 {
			p.gather(&list, r.Principal, r.Groups, r.At)
		}
		if d.binds(&list) {
			t = max(t, names)
			if names == yes {
				by = &d.Deny
			}
		}
		return t != yes
	})
	return by, t
}

// denials calls f for each deny assignment above the scope that is about the action, whoever it binds, nearest first,
// until f says no.
func (p *Policy) denials(r *Request, path []step, f func(*deny, truth) bool) {
	for k, step := range path {
		for _, s := range p.denyByScope.find(step.hash) {
			d := s.val
			if d.Scope.Key() != step.key || d.NotChildren && k > 0 || !inForce(d.From, d.Until, r.At) {
				continue
			}
			if names := d.names(r); names != no && !f(d, names) {
				return
			}
		}
	}
}

// names reports whether the deny assignment is about the action.
func (d *deny) names(r *Request) truth {
	t := no
	for i := range d.Permissions {
		if d.Permissions[i].grants(r.Action, r.Data) {
			t = max(t, d.conditions[i].eval(r))
		}
	}
	return t
}

// binds reports whether the deny assignment is for one of the subjects and excepts none of them.
func (d *deny) binds(s *subjects) bool {
	return (d.everyone() || slices.ContainsFunc(d.Principals, s.has)) && !slices.ContainsFunc(d.Except, s.has)
}

// everyone is also written as the nil GUID (azure-facts 3.4).
func (d *deny) everyone() bool { return d.Everyone || slices.Contains(d.Principals, azure.GUID{}) }
