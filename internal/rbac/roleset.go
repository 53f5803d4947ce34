package rbac

import (
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"aksid/internal/azure"
)

// roleSet numbers the roles that a policy knows or that a grant refers to, and answers for an action which of them
// grant it: a row of bits, made when the action is first seen. It is immutable but for the rows that it remembers.
type roleSet struct {
	number  map[azure.GUID]int32
	roles   []*Role  // by number; nil: the definition is not known
	matcher *matcher // of these roles, or of earlier ones
	changed []int32  // since then
	rows    rowCache
}

// manyChanged are so many that a new matcher, which takes milliseconds, is better than a look at each for every action.
const manyChanged = 16

func newRoleSet() *roleSet { return &roleSet{number: map[azure.GUID]int32{}, matcher: &matcher{}} }

func (s *roleSet) clone() *roleSet {
	return &roleSet{number: maps.Clone(s.number), roles: slices.Clone(s.roles), matcher: s.matcher, changed: slices.Clone(s.changed)}
}

// get is the definition, nil if it is not known.
func (s *roleSet) get(id azure.GUID) *Role {
	if n, ok := s.number[id]; ok {
		return s.roles[n]
	}
	return nil
}

// put sets or, with nil, removes a definition. Like intern and seal it is only for a set that nobody else has yet.
func (s *roleSet) put(id azure.GUID, r *Role) {
	n := s.intern(id)
	s.roles[n] = r
	if len(s.changed) <= manyChanged && !slices.Contains(s.changed, n) {
		s.changed = append(s.changed, n)
	}
}

func (s *roleSet) intern(id azure.GUID) int32 {
	n, ok := s.number[id]
	if !ok {
		n = int32(len(s.roles))
		s.number[id] = n
		s.roles = append(s.roles, nil)
	}
	return n
}

// seal follows the last change.
func (s *roleSet) seal() {
	if len(s.changed) > manyChanged {
		s.matcher, s.changed = &matcher{roles: s.roles}, nil
	}
}

// granting calls f for each permission element that names an action and does not exclude it.
func (s *roleSet) granting(action azure.Action, data bool, f func(element)) {
	s.matcher.granting(action, data, func(e element) {
		if !slices.Contains(s.changed, e.role) {
			f(e)
		}
	})
	for _, n := range s.changed {
		if s.roles[n] == nil {
			continue
		}
		for i := range s.roles[n].Permissions {
			if e := &s.roles[n].Permissions[i]; e.grants(action, data) {
				f(element{n, conditionOf(e.Condition)})
			}
		}
	}
}

// row says what each role has to say about an action, a bit a role.
type row struct {
	action azure.Action // as it was spelled
	data   bool
	yes    []uint64  // the role grants it
	failed []uint64  // it would, but a condition is not met, whatever the attributes
	other  []uint64  // failed, hanging on attributes, or no definition: to be looked at where yes is not set
	open   []element // those whose conditions hang on attributes
}

func bit(set []uint64, n int32) bool { return set[n>>6]>>(n&63)&1 != 0 }
func setBit(set []uint64, n int32)   { set[n>>6] |= 1 << (n & 63) }

// unknownRole is what a row says of a role without definition.
const unknownRole = yes + 1

// says is whether a role of which a bit is set grants the action of a request.
func (r *row) says(role int32, q *Request) truth {
	if bit(r.yes, role) {
		return yes
	}
	t, known := no, bit(r.failed, role)
	for _, e := range r.open {
		if e.role == role {
			t, known = max(t, e.condition.eval(q)), true
		}
	}
	if !known {
		return unknownRole
	}
	return t
}

// row finds or makes the row of an action.
func (s *roleSet) row(action azure.Action, data bool) *row {
	hash := maphash.String(seed, string(action))
	s.rows.init(3 * 8 * s.words())
	if r := s.rows.get(hash, action, data); r != nil {
		return r
	}
	r := s.makeRow(azure.Action(strings.Clone(string(action))), data)
	s.rows.put(hash, r)
	return r
}

func (s *roleSet) makeRow(action azure.Action, data bool) *row {
	words := s.words()
	sets := make([]uint64, 3*words)
	r := &row{action: action, data: data, yes: sets[:words], failed: sets[words : 2*words], other: sets[2*words:]}
	for n, role := range s.roles {
		if role == nil {
			setBit(r.other, int32(n))
		}
	}
	s.granting(action, data, func(e element) {
		switch e.condition.eval(&Request{Action: action}) {
		case yes:
			setBit(r.yes, e.role)
			return
		case maybe:
			r.open = append(r.open, e)
		case no:
			setBit(r.failed, e.role)
		}
		setBit(r.other, e.role)
	})
	return r
}

func (s *roleSet) words() int { return (len(s.roles) + 63) / 64 }

// rowCache remembers rows: a few places for each hash, read and written without locks.
type rowCache struct {
	once   sync.Once
	places []atomic.Pointer[row] // a power of two
}

const (
	ways        = 4       // places for a hash
	minRows     = 64      // of all actions together
	maxRows     = 4096    // there are about 20,000 actions in Azure
	maxRowBytes = 8 << 20 // where there are very many roles, fewer rows
	maxSpelling = 1 << 10 // bytes of an action that is remembered
)

func (c *rowCache) of(hash uint64) []atomic.Pointer[row] {
	at := int(hash) & (len(c.places) - ways)
	return c.places[at : at+ways]
}

// init makes the places when they are first needed.
func (c *rowCache) init(rowBytes int) {
	c.once.Do(func() {
		n := maxRows
		for n > minRows && n*rowBytes > maxRowBytes {
			n /= 2
		}
		c.places = make([]atomic.Pointer[row], n)
	})
}

func (c *rowCache) get(hash uint64, action azure.Action, data bool) *row {
	places := c.of(hash)
	for i := range places {
		if r := places[i].Load(); r != nil && r.data == data && r.action == action {
			return r
		}
	}
	return nil
}

func (c *rowCache) put(hash uint64, r *row) {
	if len(r.action) > maxSpelling {
		return
	}
	places := c.of(hash)
	for i := range places {
		if places[i].CompareAndSwap(nil, r) {
			return
		}
	}
	places[hash>>62].Store(r)
}
