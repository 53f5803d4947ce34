package rbac

import (
	"slices"

	"aksid/internal/azure"
)

// membership says that a principal, or a group, is in a group.
type membership struct{ member, group azure.PrincipalID }

func (m membership) same(o membership) bool { return m == o }

// subjects are a principal and its groups, each once, the principal first. A few need no memory of their own.
type subjects struct {
	n    int
	few  [64]azure.PrincipalID // the first, which are compared one by one
	more []azure.PrincipalID
	seen map[azure.PrincipalID]bool // all, once there are more
}

func (s *subjects) at(i int) azure.PrincipalID {
	if i < len(s.few) {
		return s.few[i]
	}
	return s.more[i-len(s.few)]
}

func (s *subjects) has(id azure.PrincipalID) bool {
	if s.seen != nil {
		return s.seen[id]
	}
	return slices.Contains(s.few[:s.n], id)
}

// index is the number of the first subject in a list, -1 if none is.
func (s *subjects) index(list []azure.PrincipalID) int {
	for i := range s.n {
		if slices.Contains(list, s.at(i)) {
			return i
		}
	}
	return -1
}

// add reports whether the subject is new.
func (s *subjects) add(id azure.PrincipalID) bool {
	switch {
	case s.has(id):
		return false
	case s.n < len(s.few):
		s.few[s.n] = id
	default:
		s.addMore(id)
	}
	s.n++
	return true
}

func (s *subjects) addMore(id azure.PrincipalID) {
	if s.seen == nil {
		s.seen = map[azure.PrincipalID]bool{}
		for _, id := range s.few {
			s.seen[id] = true
		}
	}
	s.more = append(s.more, id)
	s.seen[id] = true
}

// walk adds the groups of the one principal in s to it, nearest first, and calls visit with each and with the number of the
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
	for i := 0; i < s.n; i++ {
		member := s.at(i)
		for _, m := range p.memberships.find(hashOf(member)) {
			if m.val.member == member && s.add(m.val.group) && !visit(m.val.group, i) {
				return
			}
		}
	}
}

// gather makes s a principal and all its groups.
func (p *Policy) gather(s *subjects, principal azure.PrincipalID, given []azure.PrincipalID) {
	s.add(principal)
	p.walk(s, given, func(azure.PrincipalID, int) bool { return true })
}

// GroupsOf are the groups that a principal is in, also through other groups, nearest first.
func (p *Policy) GroupsOf(principal azure.PrincipalID) []azure.PrincipalID {
	var s subjects
	var groups []azure.PrincipalID
	s.add(principal)
	p.walk(&s, nil, func(group azure.PrincipalID, _ int) bool {
		groups = append(groups, group)
		return true
	})
	return groups
}
