package drift

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/finding"
	"aksid/internal/rbac"
)

// holding is a role that an identity has on something.
type holding struct {
	actor  string   // whose it is
	role   string   // its name, and whether it has a condition
	names  []string // what it is on, to the cluster
	scopes []azure.ID
	some   string // which of several, as in 1 of 2; "": all

	workload bool // of a service account's identity
}

// key is what holdings of one row of a table have in common.
func (h *holding) key() string { return h.actor + "\x00" + h.role }

// held are the roles of a cluster's identities, those of their groups among them.
func held(s *side) (out []*holding) {
	for _, who := range s.actors() {
		grants := slices.SortedFunc(s.e.Policy.GrantsOf(who.id.Principal, time.Time{}), func(x, y *rbac.Grant) int {
			return cmp.Or(cmp.Compare(s.e.RoleName(x.Role), s.e.RoleName(y.Role)), cmp.Compare(x.Scope.Key(), y.Scope.Key()), cmp.Compare(x.ID.Key(), y.ID.Key()))
		})
		for _, g := range grants {
			out = s.hold(out, who, g)
		}
	}
	for _, h := range out {
		if all := s.called(h.names[0]); len(all) > len(h.scopes) {
			h.some = fmt.Sprintf(" (%d of %d)", len(h.scopes), len(all))
		}
	}
	return out
}

func (s *side) hold(out []*holding, who actor, g *rbac.Grant) []*holding {
	role, names := s.e.RoleName(g.Role), s.names(g.Scope)
	if g.Condition != "" {
		role += " with a condition"
	}
	i := slices.IndexFunc(out, func(h *holding) bool { return h.actor == who.label && h.role == role && h.names[0] == names[0] })
	if i < 0 {
		return append(out, &holding{actor: who.label, role: role, names: names, scopes: []azure.ID{g.Scope}, workload: who.workload})
	}
	if h := out[i]; !slices.ContainsFunc(h.scopes, g.Scope.Equal) {
		h.names, h.scopes = common(h.names, names), append(h.scopes, g.Scope)
	}
	return out
}

// actor is an identity by what it does: a service principal does the work of two.
type actor struct {
	label    string
	id       estate.Identity
	workload bool // that of a service account
}

func (s *side) actors() (out []actor) {
	for _, role := range []estate.IdentityRole{estate.ControlPlane, estate.Kubelet} {
		if id, ok := s.e.Actor(s.c, role, ""); ok && id.Known() {
			out = append(out, actor{estate.Identity{Role: role}.Label(), id, false})
		}
	}
	for _, id := range s.e.Identities(s.c) {
		if id.Role == estate.AddOn && id.Known() {
			out = append(out, actor{id.Label(), id, false})
		}
	}
	return append(out, s.workloadActors()...)
}

// roleRow are the roles of one name that one identity has, by environment.
type roleRow struct {
	first *holding
	of    [][]*holding
}

// roles compares the roles that identities have and what these are on. What is on the same things everywhere is not told.
func (c *comparison) roles() {
	var rows []*roleRow
	for i, s := range c.sides {
		if s == nil {
			continue
		}
		for _, h := range s.holdings {
			at := slices.IndexFunc(rows, func(r *roleRow) bool { return r.first.key() == h.key() })
			if at < 0 {
				rows, at = append(rows, &roleRow{h, make([][]*holding, len(c.sides))}), len(rows)
			}
			rows[at].of[i] = append(rows[at].of[i], h)
		}
	}
	for _, r := range rows {
		c.dropCommon(r)
	}
	for _, r := range rows {
		c.dropBorrowed(r)
		c.compareRole(r)
	}
}

// dropBorrowed removes roles that an identity has for the work of another: where one does the work of both, the kubelet
// has the roles of the control plane, and the other way round.
func (c *comparison) dropBorrowed(r *roleRow) {
	for i, s := range c.sides {
		if s == nil || s.shared() != oneIdentity {
			continue
		}
		r.of[i] = slices.DeleteFunc(r.of[i], func(h *holding) bool {
			return !c.elsewhere(h, i) && slices.ContainsFunc(c.sides, func(o *side) bool {
				return o != nil && o != s && slices.ContainsFunc(o.holdings, func(x *holding) bool {
					return x.actor != h.actor && x.role == h.role && len(common(x.names, h.names)) > 0
				})
			})
		})
	}
}

// elsewhere reports whether the same identity has a role in another environment.
func (c *comparison) elsewhere(h *holding, i int) bool {
	for j, s := range c.sides {
		if s != nil && j != i && slices.ContainsFunc(s.holdings, func(x *holding) bool {
			return x.key() == h.key() && len(common(x.names, h.names)) > 0
		}) {
			return true
		}
	}
	return false
}

func (c *comparison) compareRole(r *roleRow) {
	values := make([]string, len(c.sides))
	for i, s := range c.sides {
		if s == nil {
			continue
		}
		var texts []string
		for _, h := range r.of[i] {
			texts = append(texts, "on "+h.names[0]+h.some)
		}
		slices.Sort(texts)
		values[i] = listed(texts)
		if lacks := c.lacking(r, i); lacks != nil {
			if why := s.cannotTell(lacks); why != "" {
				c.unknown(i, fmt.Sprintf("%s: %s on %s", lacks.actor, lacks.role, lacks.names[0]), why)
				values[i] = Unreadable
			}
		}
	}
	severity := finding.Note
	if r.first.workload {
		severity = finding.Warning // what it is for is not known, so no need foretells it
	}
	if d := c.differ(Roles, severity, r.first.actor+": "+r.first.role, values); d != nil {
		d.Told = c.told(r)
	}
}

// dropCommon removes what every environment has alike.
func (c *comparison) dropCommon(r *roleRow) {
	start := slices.IndexFunc(c.sides, func(s *side) bool { return s != nil })
	for _, h := range slices.Clone(r.of[start]) {
		names, partners := h.names, map[int]*holding{start: h}
		for j, s := range c.sides {
			if s == nil || j == start {
				continue
			}
			for _, o := range r.of[j] {
				if both := common(names, o.names); len(both) > 0 && o.some == "" == (h.some == "") {
					names, partners[j] = both, o
					break
				}
			}
		}
		if len(partners) != c.pairs()+1 {
			continue
		}
		for j, o := range partners {
			r.of[j] = slices.DeleteFunc(r.of[j], func(x *holding) bool { return x == o })
		}
	}
}

// lacking is a role that another environment has and this one does not.
func (c *comparison) lacking(r *roleRow, i int) *holding {
	for j, all := range r.of {
		for _, h := range all {
			if j != i && !slices.ContainsFunc(r.of[i], func(o *holding) bool { return len(common(o.names, h.names)) > 0 }) {
				return h
			}
		}
	}
	return nil
}

// has reports whether there is an identity for some work.
func (s *side) has(label string) bool {
	return slices.ContainsFunc(s.actors(), func(a actor) bool { return a.label == label })
}

// cannotTell says why it is not known whether an identity has a role here, or "".
func (s *side) cannotTell(h *holding) string {
	i := slices.IndexFunc(s.actors(), func(a actor) bool { return a.label == h.actor })
	if i < 0 {
		if slices.ContainsFunc(s.e.Identities(s.c), func(id estate.Identity) bool { return !id.Known() }) {
			return "the identity's object id is not known"
		}
		return ""
	}
	for _, name := range h.names {
		for _, scope := range s.called(name) {
			if why := s.unread(s.actors()[i].id.Principal, scope); why != "" {
				return why
			}
		}
	}
	return s.unread(s.actors()[i].id.Principal, s.c.ID)
}

// unread says why the roles of a principal at a scope are not known, or "". No role gives an action that does not exist,
// but for those that give everything; so the answer is no, or that it is not known.
func (s *side) unread(p azure.PrincipalID, scope azure.ID) string {
	if s.e.Decide(rbac.Request{Principal: p, Action: "Microsoft.Nothing/nothing/read", Scope: scope}).Outcome != rbac.Unknown {
		return ""
	}
	return "the role assignments of " + s.e.Place(scope, s.c.ID) + " could not all be read"
}

// told reports whether a break tells of the want of a role that is here, or the identity is an add-on's that is not
// everywhere, which is told as a feature.
func (c *comparison) told(r *roleRow) bool {
	if slices.ContainsFunc(c.sides, func(s *side) bool { return s != nil && !s.has(r.first.actor) }) {
		return true
	}
	for _, b := range c.group.Breaks {
		for _, h := range r.of[b.From] {
			if len(r.of[b.In]) == 0 && b.held == h.role+" on "+h.names[0] {
				return true
			}
		}
	}
	return false
}
