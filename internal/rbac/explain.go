package rbac

import (
	"cmp"
	"slices"

	"aksid/internal/azure"
)

// Explanation is a Decision with everything that was weighed for it.
type Explanation struct {
	Decision
	Grants        []Candidate[*Grant] // the assignments of the principal and of its groups, wherever they are
	Denies        []Candidate[*Deny]  // the deny assignments at or above the scope that are for the principal
	Unread        []Unread            // scopes at or above the scope whose assignments could not be read
	UnknownGroups bool                // the principal's groups are not known
}

// Candidate is a role or deny assignment that could count for a request.
type Candidate[T any] struct {
	By      T
	Role    *Role // of a role assignment; nil: the definition is not known
	Reason  Reason
	Pattern string              // of the role or deny assignment: what names the action, or what excludes it
	Groups  []azure.PrincipalID // how it comes to the principal: its own group first, the one that the assignment is for last
	Scopes  []azure.ID          // how it comes to the scope: the management groups up to the assignment's, nearest first
}

// Reason says why a candidate counts or does not.
type Reason uint8

// The reasons. Where several permission elements of a role give different ones, the first of them in this list is told.
const (
	Counts          Reason = iota
	OpenCondition          // it would count, but a condition could not be evaluated
	FailedCondition        // it would count, but a condition is not met
	Excluded               // named, but excluded by notActions or notDataActions
	OtherPlane             // named, but as a data action where a control action is asked for, or the other way round
	NotNamed               // no pattern names the action
	UnknownRole            // the role definition is not known
	NotYet                 // From is still to come
	NoLonger               // Until has passed
	OtherScope             // the request's scope is not at or below its scope
	OwnScopeOnly           // a deny assignment that does not apply to child scopes
	Excepted               // a deny assignment that excepts the principal or one of its groups
)

var reasons = [...]string{
	Counts:          "counts",
	OpenCondition:   "hangs on a condition that could not be evaluated",
	FailedCondition: "has a condition that is not met",
	Excluded:        "excludes the action",
	OtherPlane:      "names the action on the other plane only (control or data)",
	NotNamed:        "does not name the action",
	UnknownRole:     "has a role whose definition is not known",
	NotYet:          "is not in force yet",
	NoLonger:        "is no longer in force",
	OtherScope:      "is for another scope",
	OwnScopeOnly:    "does not apply to child scopes",
	Excepted:        "excepts the principal",
}

func (r Reason) String() string { return reasons[r] }

// Explain is Decide with its reasons.
func (p *Policy) Explain(r Request) Explanation {
	e := explainer{p: p, r: &r, path: p.path(nil, r.Scope), groups: p.ManagementGroups(r.Scope)}
	e.who.add(r.Principal)
	e.members = []int{-1}
	p.walk(&e.who, r.Groups, r.At, func(_ azure.PrincipalID, member int) bool {
		e.members = append(e.members, member)
		return true
	})
	x := Explanation{Decision: p.Decide(r), UnknownGroups: r.Groups == nil && p.groupsUnknown(r.Principal)}
	for i := range e.who.n {
		x.Grants = e.grants(x.Grants, i)
	}
	for k, step := range e.path {
		for _, d := range p.denyByScope.find(step.hash) {
			if d.val.Scope.Key() == step.key {
				x.Denies = e.deny(x.Denies, k, d.val)
			}
		}
		for _, u := range p.unread.find(step.hash) {
			if u.val.Scope.Key() == step.key {
				x.Unread = append(x.Unread, *u.val)
			}
		}
	}
	return x
}

type explainer struct {
	p       *Policy
	r       *Request
	path    []step
	groups  []azure.ID // management groups above the scope
	who     subjects
	members []int // by the number of a subject: which subject is in it
}

// grants appends the assignments of a subject: those that cover the scope nearest first, then the others by scope.
func (e *explainer) grants(list []Candidate[*Grant], subject int) []Candidate[*Grant] {
	by := e.who.at(subject)
	for _, g := range e.held(by) {
		at := e.step(g.Scope)
		c := Candidate[*Grant]{By: &g.Grant, Role: e.p.roles.get(g.Role), Groups: e.groupPath(subject), Scopes: e.scopePath(at)}
		c.Reason, c.Pattern = e.grantReason(g, c.Role, at)
		list = append(list, c)
	}
	return list
}

func (e *explainer) held(by azure.PrincipalID) []*grant {
	list := slices.Collect(e.p.heldBy(by))
	slices.SortStableFunc(list, func(a, b *grant) int {
		x, y := uint(e.step(a.Scope)), uint(e.step(b.Scope)) // not on the path is far away
		return cmp.Or(cmp.Compare(x, y), cmp.Compare(a.Scope.Key(), b.Scope.Key()))
	})
	return list
}

func (e *explainer) grantReason(g *grant, role *Role, at int) (Reason, string) {
	switch {
	case at < 0:
		return OtherScope, ""
	case !g.InForce(e.r.At):
		return e.timeReason(g.From.After(e.r.At)), ""
	case role == nil:
		return UnknownRole, ""
	}
	return e.actionReason(role.Permissions, g.condition)
}

func (e *explainer) timeReason(ahead bool) Reason {
	if ahead {
		return NotYet
	}
	return NoLonger
}

// deny appends a deny assignment at a step of the path, if it is for the principal.
func (e *explainer) deny(list []Candidate[*Deny], at int, d *deny) []Candidate[*Deny] {
	bound := e.who.index(d.Principals)
	if bound < 0 && !d.everyone() {
		return list
	}
	c := Candidate[*Deny]{By: &d.Deny, Groups: e.groupPath(max(0, bound)), Scopes: e.scopePath(at)}
	switch excepted := e.who.index(d.Except); {
	case d.NotChildren && at > 0:
		c.Reason = OwnScopeOnly
	case !inForce(d.From, d.Until, e.r.At):
		c.Reason = e.timeReason(d.From.After(e.r.At))
	case excepted >= 0:
		c.Reason, c.Groups = Excepted, e.groupPath(excepted)
	default:
		c.Reason, c.Pattern = e.actionReason(d.Permissions, nil)
	}
	return append(list, c)
}

// actionReason is what the permission elements say of the action, under a condition on all of them.
func (e *explainer) actionReason(elements []Permission, all *condition) (reason Reason, pattern string) {
	reason = NotNamed
	for i := range elements {
		el := &elements[i]
		in, out := el.patterns(e.r.Data)
		named, ok := findPattern(in, e.r.Action)
		excluded, not := findPattern(out, e.r.Action)
		say := func(r Reason, p string) {
			if r < reason {
				reason, pattern = r, p
			}
		}
		switch {
		case ok && not:
			say(Excluded, excluded)
		case ok:
			say(Counts+Reason(yes-min(all.eval(e.r), conditionOf(el.Condition).eval(e.r))), named)
		default:
			in, _ = el.patterns(!e.r.Data)
			if named, ok = findPattern(in, e.r.Action); ok {
				say(OtherPlane, named)
			}
		}
	}
	return reason, pattern
}

// step is the number of a scope on the path, -1 if it does not cover the request's scope.
func (e *explainer) step(scope azure.ID) int {
	return slices.IndexFunc(e.path, func(s step) bool { return s.key == scope.Key() })
}

// groupPath is the chain of groups from the principal to a subject.
func (e *explainer) groupPath(subject int) []azure.PrincipalID {
	var path []azure.PrincipalID
	for ; subject > 0; subject = e.members[subject] {
		path = append(path, e.who.at(subject))
	}
	slices.Reverse(path)
	return path
}

// scopePath is the part of the management groups that a step of the path is above.
func (e *explainer) scopePath(at int) []azure.ID {
	own := len(e.path) - 1 - len(e.groups) // steps of the id itself
	if at < own {
		return nil
	}
	return e.groups[:min(at-own+1, len(e.groups))]
}
