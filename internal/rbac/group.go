package rbac

import (
	"slices"

	"aksid/internal/azure"
)

// membership says that a principal, or a group, is in a group.
type membership struct{ member, group azure.PrincipalID }

func (m membership) same(o membership) bool { return m == o }

// subjects are a principal and its groups, each once, the principal first.
type subjects struct {
	ids  []azure.PrincipalID
	seen map[azure.PrincipalID]bool // of a long list
}

// fewSubjects are compared one by one.
const fewSubjects = 64

func (s *subjects) has(id azure.PrincipalID) bool {
	if s.seen != nil {
		return s.seen[id]
	}
	return slices.Contains(s.ids, id)
}

// add reports whether the group is new.
func (s *subjects) add(group azure.PrincipalID) bool {
	if s.has(group) {
		return false
	}
	s.ids = append(s.ids, group)
	switch {
	case s.seen != nil:
		s.seen[group] = true
	case len(s.ids) > fewSubjects:
		s.seen = map[azure.PrincipalID]bool{}
		for _, id := range s.ids {
			s.seen[id] = true
		}
	}
	return true
}

// walk adds the groups of the principal in s to it, nearest first, and calls visit with each and with the number of the
// subject that is in it, until visit says no. Groups in groups may run in circles. If the request brings groups
// along, it is those.
func (p *Policy) walk(s *subjects, given []azure.PrincipalID, visit func(group azure.PrincipalID, member int) bool) {
	for _, g := range given {
		if s.add(g) && !visit(g, 0) {
			return
		}
	}
	if given != nil {
		return
	}
	for i := 0; i < len(s.ids); i++ {
		for _, m := range p.memberships.find(hashOf(s.ids[i])) {
			if m.val.member == s.ids[i] && s.add(m.val.group) && !visit(m.val.group, i) {
				return
			}
		}
	}
}

// GroupsOf are the groups that a principal is in, also through other groups, nearest first.
func (p *Policy) GroupsOf(principal azure.PrincipalID) []azure.PrincipalID {
	s := subjects{ids: []azure.PrincipalID{principal}}
	p.walk(&s, nil, func(azure.PrincipalID, int) bool { return true })
	return s.ids[1:]
}
