package rbac

import (
	"slices"
	"time"

	"aksid/internal/azure"
)

// Membership says that a principal, or a group, is in a group: from From (inclusive, zero: always) to Until (exclusive,
// zero: for ever).
type Membership struct {
	Group, Member azure.PrincipalID
	From, Until   time.Time
}

// membership is a Membership as a policy holds it.
type membership struct {
	member, group azure.PrincipalID
	from, until   int64 // in nanoseconds since 1970, 0 for none
}

func (m membership) same(o membership) bool { return m.member == o.member && m.group == o.group }

// holds is whether it counts at a time; at 0 every one does.
func (m *membership) holds(at int64) bool {
	return at == 0 || m.from <= at && (m.until == 0 || at < m.until)
}

// nanoseconds is a time as memberships have it.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

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
// along, it is those; else those that it is in at a time, or with none at any.
func (p *Policy) walk(s *subjects, given []azure.PrincipalID, at time.Time, visit func(group azure.PrincipalID, member int) bool) {
	for _, g := range given {
		if s.add(g) && !visit(g, 0) {
			return
		}
	}
	if given != nil {
		return
	}
	now := nanoseconds(at)
	for i := 0; i < s.n; i++ {
		member := s.at(i)
		for _, m := range p.memberships.find(hashOf(member)) {
			if m.val.member == member && m.val.holds(now) && s.add(m.val.group) && !visit(m.val.group, i) {
				return
			}
		}
	}
}

// gather makes s a principal and all its groups.
func (p *Policy) gather(s *subjects, principal azure.PrincipalID, given []azure.PrincipalID, at time.Time) {
	s.add(principal)
	p.walk(s, given, at, func(azure.PrincipalID, int) bool { return true })
}

// GroupsOf are the groups that a principal is in at any time, also through other groups, nearest first.
func (p *Policy) GroupsOf(principal azure.PrincipalID) []azure.PrincipalID {
	return p.GroupsAt(principal, time.Time{})
}

// GroupsAt is GroupsOf at one time.
func (p *Policy) GroupsAt(principal azure.PrincipalID, at time.Time) []azure.PrincipalID {
	var s subjects
	var groups []azure.PrincipalID
	s.add(principal)
	p.walk(&s, nil, at, func(group azure.PrincipalID, _ int) bool {
		groups = append(groups, group)
		return true
	})
	return groups
}
