package rbac

import (
	"time"

	"aksid/internal/azure"
)

// InForce reports whether an assignment counts at a time; at the zero time every one does.
func (g *Grant) InForce(at time.Time) bool { return inForce(g.From, g.Until, at) }

func inForce(from, until, at time.Time) bool {
	return at.IsZero() || (from.IsZero() || !at.Before(from)) && (until.IsZero() || at.Before(until))
}

// Decide answers a request. A deny assignment wins over every grant; a grant over what is not known. What grants is
// the principal's own assignment before a group's, and of one holder the one nearest to the scope.
func (p *Policy) Decide(r Request) Decision {
	var buf [pathSize]step
	path := p.path(buf[:0], r.Scope)
	deny, denied := p.denial(&r, path)
	if denied == yes {
		return Decision{Outcome: Denied, Deny: deny}
	}
	s := search{p: p, r: &r, path: path, row: p.roles.row(r.Action, r.Data)}
	for _, step := range path {
		s.mask |= 1 << (step.hash >> 32 & 63)
	}
	by := s.granted()
	switch {
	case by != nil && denied == maybe:
		return Decision{Outcome: Unknown, Condition: true}
	case by != nil:
		return Decision{Outcome: Granted, By: by}
	case s.open || p.isUnread(&r, path):
		return Decision{Outcome: Unknown, Condition: s.condition}
	}
	return Decision{Condition: s.condition}
}

// search looks for what grants a request.
type search struct {
	p         *Policy
	r         *Request
	path      []step
	mask      uint64 // a bit for each step, by the lowest bits of what byPrincipal has of its hash
	row       *row
	open      bool // an assignment may or may not grant
	condition bool // a condition keeps an assignment from granting
}

// granted looks at the assignments of the principal and of its groups.
func (s *search) granted() *Grant {
	if by := s.held(s.r.Principal); by != nil {
		return by
	}
	if s.r.Groups == nil && len(s.p.memberships.find(hashOf(s.r.Principal))) == 0 {
		return nil
	}
	return s.grantedToGroup()
}

func (s *search) grantedToGroup() (by *Grant) {
	var list subjects
	list.add(s.r.Principal)
	s.p.walk(&list, s.r.Groups, s.r.At, func(group azure.PrincipalID, _ int) bool {
		by = s.held(group)
		return by == nil
	})
	return by
}

// manyGrants of one holder are searched rather than looked through.
const manyGrants = 32

// held looks at the assignments of one holder. Nobody has the nil GUID.
func (s *search) held(by azure.PrincipalID) *Grant {
	from := holder(by)
	page := s.p.byPrincipal.page(from)
	if len(page) == 0 || by.IsZero() {
		return nil
	}
	first := s.p.byPrincipal.seek(page, from)
	var found *Grant
	nearest := len(s.path)
	for i := first; i < len(page) && page[i].hash>>32 == from>>32; i++ {
		if i-first == manyGrants {
			return s.heldByMany(by, page[first:])
		}
		hash := page[i].hash & (1<<32 - 1)
		if s.mask>>(hash&63)&1 == 0 {
			continue
		}
		for k := range s.path[:nearest] {
			if s.path[k].hash>>32 == hash && s.counts(&page[i].val, by, s.path[k].key) {
				found, nearest = &page[i].val.grant.Grant, k
				break
			}
		}
	}
	return found
}

// heldByMany is held for a long list, which begins the page.
func (s *search) heldByMany(by azure.PrincipalID, page []slot[held]) *Grant {
	from := holder(by)
	end := len(page)
	if next := from + 1<<32; next > from {
		end = seek(page, next, manyGrants)
	}
	for _, step := range s.path {
		hash := from | step.hash>>32
		guess := int(step.hash >> 32 * uint64(end) >> 32)
		for i := seek(page[:end], hash, guess); i < end && page[i].hash == hash; i++ {
			if s.counts(&page[i].val, by, step.key) {
				return &page[i].val.grant.Grant
			}
		}
	}
	return nil
}

// counts reports whether an assignment grants the request, and notes what stands in its way.
func (s *search) counts(h *held, by azure.PrincipalID, scope string) bool {
	plain := bit(s.row.yes, h.role)
	if !plain && !bit(s.row.other, h.role) {
		return false
	}
	g := h.grant
	if g.Principal != by || g.Scope.Key() != scope || h.bounded && !g.InForce(s.r.At) {
		return false
	}
	if plain && g.condition == nil {
		return true
	}
	return s.weighs(h)
}

// weighs is counts where something is not plain.
func (s *search) weighs(h *held) bool {
	t := s.row.says(h.role, s.r)
	if t == unknownRole {
		s.open = true
		return false
	}
	switch min(t, h.grant.condition.eval(s.r)) {
	case yes:
		return true
	case maybe:
		s.open = true
	}
	s.condition = true
	return false
}

// isUnread reports whether something that could grant the request could not be read.
func (p *Policy) isUnread(r *Request, path []step) bool {
	if r.Groups == nil && p.groupsUnknown(r.Principal) {
		return true
	}
	if p.unread.n == 0 {
		return false
	}
	for _, step := range path {
		for _, u := range p.unread.find(step.hash) {
			if u.val.Scope.Key() == step.key {
				return true
			}
		}
	}
	return false
}

func (p *Policy) groupsUnknown(principal azure.PrincipalID) bool {
	for _, s := range p.unknownGroups.find(hashOf(principal)) {
		if s.val == groupless(principal) {
			return true
		}
	}
	return false
}
