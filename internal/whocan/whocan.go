// Package whocan tells who could do something, and by which path: with a role of their own, through groups, with a role
// that they may take up, by giving themselves one, or by acting as somebody who can. Shortest paths come first.
package whocan

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

// Question is what somebody could do.
type Question struct {
	Action azure.Action
	Data   bool // a data action
	Scope  azure.ID
}

// Person is somebody who could do it.
type Person struct {
	Principal azure.PrincipalID `json:"principalId"`
	Type      string            `json:"type"` // User, Group or ServicePrincipal
	Name      string            `json:"name"`
	Distance  int               `json:"distance"`         // steps to take first; 0: can do it as things are
	Paths     []Path            `json:"paths"`            // the shortest ones
	Unsure    string            `json:"unsure,omitempty"` // why it is not certain
	stands    bool              // a group that only stands for those in it, who are told themselves
}

// Path is one way to do it: what to do first, in order, and the role that then counts.
type Path struct {
	Hops []Hop `json:"hops"`
}

func (p Path) String() string {
	texts := make([]string, len(p.Hops))
	for i, h := range p.Hops {
		texts[i] = h.Text
	}
	return strings.Join(texts, " → ")
}

// Kinds of hops, as the JSON contract spells them.
const (
	Role      = "role"             // a role, that counts
	Member    = "group"            // member of a group
	TakeUp    = "eligible"         // may take up a role
	Assign    = "assigns"          // gives itself a role
	Widen     = "widens"           // changes a custom role that it has
	Own       = "owner"            // owns the group or application
	Federate  = "federates"        // puts a federated credential on the identity
	Attach    = "attaches"         // attaches the identity to a machine of its own
	Run       = "runs-on"          // runs commands where the identity is attached
	Kube      = "runs-pods"        // runs pods on the cluster, on nodes with the identity
	Configure = "configures"       // changes the resource that acts as the identity
	Operate   = "through-services" // has the cluster's controllers do it
)

// Hop is one step of a path.
type Hop struct {
	Kind       string            `json:"kind"`
	Principal  azure.PrincipalID `json:"principalId,omitzero"` // the group or identity that it leads to
	Name       string            `json:"name,omitempty"`
	Role       string            `json:"role,omitempty"` // display name
	Assignment azure.ID          `json:"assignmentId,omitzero"`
	Scope      azure.ID          `json:"scope,omitzero"`
	Action     azure.Action      `json:"action,omitempty"` // that the hop takes
	Data       bool              `json:"dataAction,omitempty"`
	Condition  string            `json:"condition,omitempty"` // under which the role counts
	Until      time.Time         `json:"until,omitzero"`
	Text       string            `json:"text"`
}

// Asker answers questions about one estate at one time.
type Asker struct {
	*estate.Estate
	From  azure.ID // places are told as seen from here
	Now   time.Time
	Depth int // the most steps before somebody can

	eligible *rbac.Policy    // the policy with every role taken up that may be
	takeUps  map[string]bool // keys of those roles
	answers  map[Question]map[azure.PrincipalID]*Person
}

// MaxDepth bounds Asker.Depth: longer chains are of no use to a reader.
const MaxDepth = 5

// NewAsker prepares to answer questions about an estate, as seen from a scope or cluster.
func NewAsker(e *estate.Estate, from azure.ID, now time.Time, depth int) *Asker {
	a := &Asker{Estate: e, From: from, Now: now, Depth: min(depth, MaxDepth), takeUps: map[string]bool{}, answers: map[Question]map[azure.PrincipalID]*Person{}}
	var changes []rbac.Change
	for _, s := range e.Schedules() {
		if s.Kind == estate.Eligible {
			g := s.Grant
			g.ID = s.ID // there is no assignment yet
			changes, a.takeUps[g.ID.Key()] = append(changes, rbac.AddGrant(g)), true
		}
	}
	if a.eligible = e.Policy; len(changes) > 0 {
		a.eligible = e.Policy.With(changes...)
	}
	return a
}

// Ask are those who could do something, those with the fewest steps to take first, then by name.
func (a *Asker) Ask(q Question) []Person {
	var first []edge
	if a.Depth > 0 {
		first = a.waysToHold(q)
	}
	found := a.reach(a.holders(q), func(who azure.PrincipalID) []edge { return a.edges(who, q) }, first)
	return a.sorted(found)
}

// Become are those who could act as a principal.
func (a *Asker) Become(p azure.PrincipalID) []Person {
	start := map[azure.PrincipalID]*Person{p: {Principal: p}}
	found := a.reach(start, func(who azure.PrincipalID) []edge { return a.edges(who, Question{}) }, nil)
	delete(found, p)
	for _, person := range found {
		person.Distance-- // who needs one step is there
	}
	return a.sorted(found)
}

func (a *Asker) sorted(found map[azure.PrincipalID]*Person) []Person {
	out := make([]Person, 0, len(found))
	for _, p := range found {
		if p.stands {
			continue
		}
		p.Name, p.Type = a.PrincipalName(p.Principal), a.typeOf(p.Principal)
		p.Paths = p.Paths[:min(len(p.Paths), maxPaths)]
		out = append(out, *p)
	}
	slices.SortFunc(out, func(x, y Person) int {
		return cmp.Or(x.Distance-y.Distance, strings.Compare(strings.ToLower(x.Name), strings.ToLower(y.Name)),
			x.Principal.Compare(y.Principal))
	})
	return out
}

// edge is a step that somebody can take towards a principal who can.
type edge struct {
	by  *Person // who can take it, and by which role
	hop Hop
}

// maxPaths bounds the paths that are told of one person.
const maxPaths = 8

// reach goes from those who can, step by step, to those who could become one of them. first are steps that lead to being
// able without becoming anybody.
func (a *Asker) reach(start map[azure.PrincipalID]*Person, edges func(azure.PrincipalID) []edge, first []edge) map[azure.PrincipalID]*Person {
	found, level := start, sortedKeys(start)
	for distance := 1; distance <= a.Depth && (len(level) > 0 || len(first) > 0); distance++ {
		next := map[azure.PrincipalID]*Person{}
		for _, e := range first {
			step(found, next, e, Path{}, distance)
		}
		first = nil
		for _, to := range level {
			for _, e := range edges(to) {
				for _, rest := range found[to].rest() {
					step(found, next, e, rest, distance)
				}
			}
		}
		for id, p := range next {
			found[id] = p
		}
		level = sortedKeys(next)
	}
	return found
}

// rest are the paths that go on from a person; of somebody who is the aim there is one, without hops.
func (p *Person) rest() []Path {
	if len(p.Paths) == 0 {
		return []Path{{}}
	}
	return p.Paths[:1] // one is enough to show how it goes on
}

// step notes that the person of an edge could, unless they could with fewer steps.
func step(found, next map[azure.PrincipalID]*Person, e edge, rest Path, distance int) {
	id := e.by.Principal
	if _, ok := found[id]; ok {
		return
	}
	p := next[id]
	if p == nil {
		p = &Person{Principal: id, Distance: distance, Unsure: e.by.Unsure, stands: e.by.stands}
		next[id] = p
	}
	var before []Hop
	if len(e.by.Paths) > 0 {
		before = e.by.Paths[0].Hops
	}
	path := Path{slices.Concat(before, []Hop{e.hop}, rest.Hops)}
	if !slices.ContainsFunc(p.Paths, func(x Path) bool { return x.String() == path.String() }) {
		p.Paths = append(p.Paths, path)
	}
}

func sortedKeys(m map[azure.PrincipalID]*Person) []azure.PrincipalID {
	out := make([]azure.PrincipalID, 0, len(m))
	for id := range m {
		out = append(out, id)
	}
	slices.SortFunc(out, azure.GUID.Compare)
	return out
}
