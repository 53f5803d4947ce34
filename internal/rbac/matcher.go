package rbac

import (
	"math/bits"
	"strings"
	"sync"

	"aksid/internal/azure"
)

// matcher finds the permission elements of many roles that grant an action without trying every pattern.
type matcher struct {
	roles    []*Role // by number; a nil is none
	once     sync.Once
	elements []element
	planes   [2]plane // control actions, data actions
}

// element is one of a role's Permissions.
type element struct {
	role      int32
	condition *condition
}

type plane struct {
	exact map[string]*uses      // patterns without a *
	wild  map[string][]*pattern // by what stands before the *, where that is nothing or ends in a slash
	odd   []*pattern            // the others
}

type pattern struct {
	text string
	uses uses
}

// uses are the elements, by number, in which a pattern stands.
type uses struct{ in, out []int32 }

// compile reads the roles when they are first asked for.
func (m *matcher) compile() {
	for i := range m.planes {
		m.planes[i] = plane{exact: map[string]*uses{}, wild: map[string][]*pattern{}}
	}
	known := [2]map[string]*pattern{{}, {}}
	for n, role := range m.roles {
		if role == nil {
			continue
		}
		for i := range role.Permissions {
			e := &role.Permissions[i]
			for plane, data := range []bool{false, true} {
				in, out := e.patterns(data)
				for _, text := range in {
					u := m.planes[plane].uses(text, known[plane])
					u.in = append(u.in, int32(len(m.elements)))
				}
				for _, text := range out {
					u := m.planes[plane].uses(text, known[plane])
					u.out = append(u.out, int32(len(m.elements)))
				}
			}
			m.elements = append(m.elements, element{int32(n), conditionOf(e.Condition)})
		}
	}
}

// uses finds or makes the place of a pattern.
func (p *plane) uses(text string, known map[string]*pattern) *uses {
	text = azure.Action(strings.TrimSpace(text)).Key()
	before, _, wild := strings.Cut(text, "*")
	if !wild {
		if p.exact[text] == nil {
			p.exact[text] = &uses{}
		}
		return p.exact[text]
	}
	w := known[text]
	if w == nil {
		w = &pattern{text: text}
		known[text] = w
		if before == "" || strings.HasSuffix(before, "/") {
			p.wild[before] = append(p.wild[before], w)
		} else {
			p.odd = append(p.odd, w)
		}
	}
	return &w.uses
}

// granting calls f for each element that names the action and does not exclude it.
func (m *matcher) granting(action azure.Action, data bool, f func(element)) {
	m.once.Do(m.compile)
	words := (len(m.elements) + 63) / 64
	sets := make([]uint64, 2*words)
	in, out := sets[:words], sets[words:]
	mark := func(u *uses) {
		for _, n := range u.in {
			setBit(in, n)
		}
		for _, n := range u.out {
			setBit(out, n)
		}
	}
	p := &m.planes[0]
	if data {
		p = &m.planes[1]
	}
	p.naming(action.Key(), mark)
	for w := range in {
		for set := in[w] &^ out[w]; set != 0; set &= set - 1 {
			f(m.elements[w<<6+bits.TrailingZeros64(set)])
		}
	}
}

// naming calls f for each pattern that names the action, in lower case.
func (p *plane) naming(action string, f func(*uses)) {
	if u := p.exact[action]; u != nil {
		f(u)
	}
	try := func(patterns []*pattern) {
		for _, w := range patterns {
			if MatchAction(w.text, azure.Action(action)) {
				f(&w.uses)
			}
		}
	}
	try(p.wild[""])
	for i := range len(action) {
		if action[i] == '/' {
			try(p.wild[action[:i+1]])
		}
	}
	try(p.odd)
}
