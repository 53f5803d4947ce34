package whocan

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

// holders are those who can do something as things are, or with a role that they may take up, groups among them.
func (a *Asker) holders(q Question) map[azure.PrincipalID]*Person {
	if known, ok := a.answers[q]; ok {
		return clone(known)
	}
	found := map[azure.PrincipalID]*Person{}
	for p := range a.candidates(q) {
		if person := a.holder(p, q); person != nil {
			found[p] = person
		}
	}
	a.answers[q] = found
	return clone(found)
}

func clone(m map[azure.PrincipalID]*Person) map[azure.PrincipalID]*Person {
	out := make(map[azure.PrincipalID]*Person, len(m))
	for id, p := range m {
		c := *p
		out[id] = &c
	}
	return out
}

// candidates are the holders of roles that could grant it, and everyone in the groups among them.
func (a *Asker) candidates(q Question) map[azure.PrincipalID]bool {
	found := map[azure.PrincipalID]bool{}
	var add func(p azure.PrincipalID)
	add = func(p azure.PrincipalID) {
		if found[p] {
			return
		}
		found[p] = true
		members, _ := a.Members(p)
		for _, m := range members {
			add(m)
		}
	}
	grants := map[azure.GUID]bool{} // by role; of one that is not known, it may be so
	for g := range a.eligible.Over(q.Scope) {
		if _, looked := grants[g.Role]; !looked {
			role, known := a.Policy.Role(g.Role)
			grants[g.Role] = !known || role.Grants(q.Action, q.Data)
		}
		if grants[g.Role] {
			add(g.Principal)
		}
	}
	return found
}

// IsData reports whether an action is a data action: some role names it as such. There is no action on both planes.
func (a *Asker) IsData(action azure.Action) bool {
	for role := range a.roles() {
		for _, p := range role.Permissions {
			if slices.ContainsFunc(p.DataActions, func(d string) bool { return action.Is(azure.Action(d)) }) {
				return true
			}
		}
	}
	return false
}

// roles are those that are known: what was read, and the built-in ones that were not.
func (a *Asker) roles() iter.Seq[*rbac.Role] {
	return func(yield func(*rbac.Role) bool) {
		for r := range a.Policy.Roles() {
			if !yield(r) {
				return
			}
		}
		for r := range rbac.BuiltInRoles() {
			if _, read := a.Policy.Role(r.ID); !read && !yield(r) {
				return
			}
		}
	}
}

// MembersUnknown is why it is not certain who a group stands for.
const MembersUnknown = "who is in it is not known"

// holder is how somebody can do it; nil: they cannot.
func (a *Asker) holder(p azure.PrincipalID, q Question) *Person {
	r := rbac.Request{Principal: p, Action: q.Action, Data: q.Data, Scope: q.Scope, At: a.Now}
	x := a.Policy.Explain(r)
	person := &Person{Principal: p}
	switch x.Outcome {
	case rbac.Granted:
		person.paths(a, x, rbac.Counts, Role)
	case rbac.Unknown:
		person.paths(a, x, rbac.OpenCondition, Role)
		person.Unsure = "its role counts under a condition that hangs on the request"
		if len(person.Paths) == 0 {
			person.paths(a, x, rbac.Counts, Role)
			person.Unsure = "something above the scope could not be read"
		}
	}
	if (x.Outcome == rbac.Granted || x.Outcome == rbac.NotGranted) && len(a.takeUps) > 0 { // else it would not help
		person.paths(a, a.eligible.Explain(r), rbac.Counts, TakeUp)
	}
	if len(person.Paths) == 0 {
		return nil
	}
	if o, _ := a.Object(p); o.Type == "Group" {
		if _, person.stands = a.Members(p); !person.stands {
			person.Unsure = cmp.Or(person.Unsure, MembersUnknown)
		}
	}
	return person
}

// paths adds the assignments that count for a reason, or the roles that would once they are taken up.
func (p *Person) paths(a *Asker, x rbac.Explanation, reason rbac.Reason, kind string) {
	for _, c := range x.Grants {
		if c.Reason != reason || a.takeUps[c.By.ID.Key()] != (kind == TakeUp) {
			continue
		}
		var hops []Hop
		for _, g := range c.Groups {
			hops = append(hops, Hop{Kind: Member, Principal: g, Name: a.PrincipalName(g), Text: "member of " + a.PrincipalName(g)})
		}
		p.Paths = append(p.Paths, Path{append(hops, a.roleHop(c.By, kind))})
	}
}

// roleHop is an assignment, or a role that may be taken up, as the end of a path.
func (a *Asker) roleHop(g *rbac.Grant, kind string) Hop {
	h := Hop{Kind: kind, Role: a.RoleName(g.Role), Assignment: g.ID, Scope: g.Scope, Condition: g.Condition, Until: g.Until}
	h.Text = fmt.Sprintf("%s on %s", h.Role, a.place(g.Scope))
	if kind == TakeUp {
		h.Text = "may take up " + h.Text
	}
	if h.Condition != "" {
		h.Text += " (under a condition)"
	}
	if !g.Until.IsZero() {
		h.Text += " until " + g.Until.UTC().Format("2006-01-02 15:04")
	}
	return h
}

// place is how a person calls a scope.
func (a *Asker) place(id azure.ID) string { return a.Place(id, a.From) }

// typeOf is the type of a principal's object.
func (a *Asker) typeOf(p azure.PrincipalID) string {
	if o, known := a.Object(p); known == estate.Known && o.Type != "" {
		return o.Type
	}
	for _, g := range a.Held(p) {
		return g.PrincipalType
	}
	return ""
}
