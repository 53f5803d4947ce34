package remedy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

// Wish is a change that somebody asks for, and why.
type Wish struct {
	Change  estate.Change
	Cluster *estate.Cluster // that it is for
	Rule    string          // of the finding that it mends
	Why     string          // what the finding says
	Needs   []azure.Action  // what a role is wanted for
}

// Plan is what mends findings, in the order in which it is to be done: roles are given before what needs them is done, and
// rights are taken away at the end, once what replaces them counts.
type Plan struct {
	Steps []Step
	e     *estate.Estate
}

// Step is one change of a plan. No two steps change the same.
type Step struct {
	Change   estate.Change
	Kind     Kind
	What     string // what it changes, as a person says it
	Why      []string
	Rules    []string // of the findings that it mends
	Clusters []*estate.Cluster
	Az       []string // commands that carry it out; none where it is not there yet
	Written  string   // what a plan or template that the estate comes from would say instead; "": there is none
	Undo     []string // az commands; none where it cannot be undone, or nothing is left of it
	ByHand   string   // why a person has to do it; "": Apply does
	Refused  []Refusal
	needs    []azure.Action
}

// Kind is what a step is for, and its place in a plan.
type Kind string

// The kinds, in the order of a plan.
const (
	Grant    Kind = "grant"    // gives a right, or makes a role
	Allow    Kind = "allow"    // takes away what keeps rights from being used
	Renew    Kind = "renew"    // makes a cluster take up what it was given
	Withdraw Kind = "withdraw" // takes a right away
)

var kinds = []Kind{Grant, Allow, Renew, Withdraw}

// New makes a plan of wishes. What several of them ask for is done once.
func New(e *estate.Estate, wishes []Wish) Plan {
	p := Plan{e: e}
	for _, w := range wishes {
		if i := slices.IndexFunc(p.Steps, func(s Step) bool { return same(s.Change, w.Change) }); i >= 0 {
			p.Steps[i].ask(w)
			continue
		}
		s := p.step(w.Change, w.Cluster)
		s.ask(w)
		p.Steps = append(p.Steps, s)
	}
	p.drop()
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Refused = p.refusals(*s, s.needs); len(s.Refused) > 0 && s.ByHand == "" {
			s.ByHand = "it is refused as it is"
		}
	}
	slices.SortStableFunc(p.Steps, func(a, b Step) int {
		return cmp.Or(slices.Index(kinds, a.Kind)-slices.Index(kinds, b.Kind), definesFirst(a.Change)-definesFirst(b.Change))
	})
	return p
}

// definesFirst puts roles before their assignments.
func definesFirst(c estate.Change) int {
	if _, ok := c.(estate.DefineRole); ok {
		return 0
	}
	return 1
}

// ask adds a wish to a step.
func (s *Step) ask(w Wish) {
	add := func(list []string, v string) []string {
		if v == "" || slices.Contains(list, v) {
			return list
		}
		return append(list, v)
	}
	s.Rules, s.Why = add(s.Rules, w.Rule), add(s.Why, w.Why)
	for _, a := range w.Needs {
		if !slices.Contains(s.needs, a) {
			s.needs = append(s.needs, a)
		}
	}
	if w.Cluster != nil && !slices.Contains(s.Clusters, w.Cluster) {
		s.Clusters = append(s.Clusters, w.Cluster)
	}
}

// notes are why a step is done, and what refuses it, for a reader of the module that does it.
func (s Step) notes() []string {
	out := slices.Clone(s.Why)
	for _, r := range s.Refused {
		out = append(out, "refused by "+r.Why+": "+r.Instead)
	}
	return out
}

// same reports whether two changes come to the same.
func same(a, b estate.Change) bool {
	switch a := a.(type) {
	case estate.Assign:
		b, ok := b.(estate.Assign)
		return ok && a.Role == b.Role && a.Principal == b.Principal && a.Scope.Equal(b.Scope)
	case estate.Unassign:
		b, ok := b.(estate.Unassign)
		return ok && a.ID.Equal(b.ID)
	case estate.Unlock:
		b, ok := b.(estate.Unlock)
		return ok && a.ID.Equal(b.ID)
	case estate.Defederate:
		b, ok := b.(estate.Defederate)
		return ok && a.ID.Equal(b.ID)
	case estate.Federate:
		b, ok := b.(estate.Federate)
		return ok && a.Identity.Equal(b.Identity) && a.Issuer == b.Issuer && a.Subject == b.Subject
	case estate.DefineRole:
		b, ok := b.(estate.DefineRole)
		return ok && a.ID == b.ID
	case estate.Permit:
		b, ok := b.(estate.Permit)
		return ok && a.Vault.Equal(b.Vault) && a.Principal == b.Principal && slices.Equal(a.Keys, b.Keys)
	case estate.Reconcile:
		b, ok := b.(estate.Reconcile)
		return ok && a.Cluster.Equal(b.Cluster) && slices.Equal(a.Pools, b.Pools)
	case estate.UseManagedIdentity:
		b, ok := b.(estate.UseManagedIdentity)
		return ok && a.Cluster.Equal(b.Cluster)
	}
	return false
}

// drop leaves out what the rest of the plan makes superfluous: a role that the same principal is given above as well.
func (p *Plan) drop() {
	covered := func(a estate.Assign) bool {
		return slices.ContainsFunc(p.Steps, func(s Step) bool {
			o, ok := s.Change.(estate.Assign)
			return ok && o.Role == a.Role && o.Principal == a.Principal && o.Scope.Contains(a.Scope) && !o.Scope.Equal(a.Scope)
		})
	}
	p.Steps = slices.DeleteFunc(slices.Clone(p.Steps), func(s Step) bool {
		a, ok := s.Change.(estate.Assign)
		return ok && covered(a)
	})
}

// step says what a change is.
func (p *Plan) step(c estate.Change, from *estate.Cluster) Step {
	s := Step{Change: c, Az: AzIn(p.e, c), Undo: p.undo(c)}
	_, s.Written = Written(p.e, c)
	place := func(id azure.ID) string {
		if from == nil {
			return p.e.Place(id, azure.ID{})
		}
		return p.e.Place(id, from.ID)
	}
	const nodes = "it changes the cluster and its nodes; choose the time for it"
	switch c := c.(type) {
	case estate.DefineRole:
		s.Kind, s.What = Grant, fmt.Sprintf("make the custom role %s of %s", c.Name, count(len(c.Actions)+len(c.DataActions), "action"))
	case estate.Assign:
		s.Kind, s.What = Grant, fmt.Sprintf("give %s %s on %s", p.name(c.Principal, from), c.Role, place(c.Scope))
	case estate.Federate:
		s.Kind, s.What = Grant, fmt.Sprintf("let %s act as %s", strings.TrimPrefix(c.Subject, "system:serviceaccount:"), place(c.Identity))
	case estate.Permit:
		s.Kind, s.What = Grant, fmt.Sprintf("let %s %s with the keys of %s", p.name(c.Principal, from), strings.Join(c.Keys, " and "), place(c.Vault))
	case estate.Unlock:
		scope, _, _ := c.ID.Split()
		s.Kind, s.What, s.ByHand = Allow, fmt.Sprintf("take lock %s off %s", c.ID.Name(), place(scope)), "somebody has set the lock on purpose; ask who"
	case estate.Reconcile:
		s.Kind, s.What, s.ByHand = Renew, "reconcile "+c.Cluster.Name()+renewing(c.Pools), nodes
	case estate.UseManagedIdentity:
		s.Kind, s.What, s.ByHand = Renew, "move "+c.Cluster.Name()+" to a managed identity"+renewing(c.Pools), nodes
	case estate.Unassign:
		s.Kind, s.What = Withdraw, p.withdrawal(c, from, place)
	case estate.Defederate:
		s.Kind, s.What = Withdraw, fmt.Sprintf("take federated credential %s off %s", c.ID.Name(), place(c.ID.Parent()))
		s.ByHand = "workloads that use it stop working; give them an identity of their own first"
	}
	return s
}

func (p *Plan) withdrawal(c estate.Unassign, from *estate.Cluster, place func(azure.ID) string) string {
	if g := p.grant(c.ID); g != nil {
		return fmt.Sprintf("take %s on %s from %s", p.e.RoleName(g.Role), place(g.Scope), p.name(g.Principal, from))
	}
	return "take away role assignment " + c.ID.Name()
}

func renewing(pools []string) string {
	if len(pools) == 0 {
		return ""
	}
	return " and renew the nodes of " + strings.Join(pools, ", ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// name is how a person calls a principal, seen from a cluster.
func (p *Plan) name(principal azure.PrincipalID, from *estate.Cluster) string {
	if from != nil {
		for _, id := range p.e.Identities(from) {
			if id.Principal == principal {
				return fmt.Sprintf("the %s identity %s", id.Label(), id.Name)
			}
		}
	}
	return p.e.PrincipalName(principal)
}

// grant is a role assignment as it is now, or nil.
func (p *Plan) grant(id azure.ID) *rbac.Grant {
	for g := range p.e.Policy.Grants() {
		if g.ID.Equal(id) {
			return g
		}
	}
	return nil
}

// Role is the definition that a name stands for: a role of the plan, one of the estate, or a built-in one.
func (p Plan) Role(name string) (id azure.GUID, ok bool) {
	for _, s := range p.Steps {
		if d, is := s.Change.(estate.DefineRole); is && d.Name == name {
			return d.ID, true
		}
	}
	if g, err := azure.ParseGUID(name); err == nil {
		return g, true
	}
	if r, ok := rbac.BuiltInRole(name); ok {
		return r.ID, true
	}
	for r := range p.e.Policy.Roles() {
		if r.Name == name {
			return r.ID, true
		}
	}
	return azure.GUID{}, false
}

// AssignmentName is the name of the role assignment of a step: the same whoever makes it, by whichever means.
func AssignmentName(a estate.Assign, role azure.GUID) azure.GUID {
	return azure.NamedGUID(canonical(a.Scope).String(), a.Principal.String(), role.String())
}
