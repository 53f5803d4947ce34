package rbac

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
)

// world makes random policies, as changes of the engine and of the naive implementation at once.
type world struct {
	*rand.Rand
	naive
	now    time.Time
	assign int // how many assignment ids there are
	people int
}

func pick[T any](w *world, from ...T) T { return from[w.IntN(len(from))] }

func (w *world) chance(percent int) bool { return w.IntN(100) < percent }

func (w *world) guid(kind byte, n int) azure.GUID {
	return azure.GUID{0: kind, 15: byte(n), 14: byte(n >> 8)}
}

// principal is a person, a group or, seldom, the nil GUID.
func (w *world) principal() azure.GUID {
	if w.chance(2) {
		return azure.GUID{}
	}
	return w.guid(pick(w, byte(1), 2), w.IntN(w.people))
}

func (w *world) group() azure.GUID { return w.guid(2, w.IntN(w.people)) }

func (w *world) cased(s string) string {
	switch w.IntN(4) {
	case 0:
		return strings.ToUpper(s)
	case 1:
		return strings.ToLower(s)
	}
	return s
}

func (w *world) managementGroup() azure.ID {
	return azure.MustID(w.cased("/providers/Microsoft.Management/managementGroups/") + w.cased(pick(w, "Mg1", "mg2", "mg3", "mg10")))
}

func (w *world) scope() azure.ID {
	if w.chance(15) {
		return pick(w, azure.Root, w.managementGroup(), w.managementGroup(), azure.ID{})
	}
	s := "/subscriptions/" + pick(w, "S1", "s1", "S1", "s2", "s10")
	for _, more := range []string{"/resourceGroups/" + pick(w, "rg1", "RG1", "rg10"), "/providers/Microsoft.A/x/" + pick(w, "n", "n1"), "/y/" + pick(w, "m", "m1"),
		"/providers/Microsoft.B/z/e"} {
		if w.chance(40) {
			break
		}
		s += more
	}
	return azure.MustID(w.cased(s))
}

func (w *world) action() azure.Action { return azure.Action(w.cased(pick(w, everyAction...))) }

func (w *world) pattern() string {
	s := pick(w, everyAction...)
	switch w.IntN(7) {
	case 0, 4:
		s = pick(w, "*", "*/read", "*/write", "*/action", "Microsoft.A/*", "microsoft.b/*", "Microsoft.A/*/read", "Microsoft.A/x/*/*",
			"Microsoft.*/x/read", "Microsoft.A/*/*/write", "M*/y/*/action", "Microsoft.A/x*", " Microsoft.A/x/read ")
	case 1:
		i := w.IntN(len(s))
		s = s[:i] + "*" + s[i+w.IntN(len(s)-i):]
	case 2:
		parts := strings.SplitAfter(s, "/")
		parts[w.IntN(len(parts))] = "*/"
		s = strings.TrimSuffix(strings.Join(parts, ""), "/")
	case 3:
		i := strings.LastIndexByte(s, '/')
		s = s[:i] + "/*" + s[i:]
	}
	return w.cased(s)
}

func (w *world) patterns(most int) []string {
	var list []string
	for range most - w.IntN(most+1)*w.IntN(2) {
		list = append(list, w.pattern())
	}
	return list
}

func (w *world) condition(percent int) string {
	if !w.chance(percent) {
		return ""
	}
	return conditionMaker{w.Rand}.condition(w.IntN(3))
}

func (w *world) permissions(actions int) []Permission {
	var list []Permission
	for range 1 + w.IntN(2) {
		list = append(list, Permission{Actions: w.patterns(actions), NotActions: w.patterns(w.IntN(2)), DataActions: w.patterns(2), NotDataActions: w.patterns(w.IntN(2)), Condition: w.condition(10)})
	}
	return list
}

func (w *world) time() time.Time {
	if w.chance(70) {
		return time.Time{}
	}
	return w.now.Add(time.Duration(w.IntN(5)-2) * time.Hour)
}

func (w *world) assignmentID() azure.ID {
	return azure.MustID(w.cased(fmt.Sprintf("/providers/Microsoft.Authorization/roleAssignments/a%d", w.IntN(w.assign))))
}

func (w *world) grant() Grant {
	return Grant{ID: w.assignmentID(), Role: w.guid(3, w.IntN(6)), Principal: w.principal(), Scope: w.scope(), Condition: w.condition(10), From: w.time(), Until: w.time()}
}

func (w *world) deny() Deny {
	d := Deny{ID: azure.MustID(w.cased(fmt.Sprintf("/providers/Microsoft.Authorization/denyAssignments/d%d", w.IntN(4)))), Scope: w.scope(),
		Permissions: w.permissions(2), Everyone: w.chance(30), NotChildren: w.chance(30), From: w.time(), Until: w.time()}
	for range w.IntN(3) {
		d.Principals = append(d.Principals, w.principal())
		d.Except = append(d.Except, w.guid(pick(w, byte(1), 2), w.IntN(w.people)))
	}
	return d
}

func (m Membership) like(o Membership) bool { return m.Group == o.Group && m.Member == o.Member }

func without[T any](list []T, is func(T) bool) []T { return slices.DeleteFunc(slices.Clone(list), is) }

// change is a random change, done to the naive implementation and returned for the engine.
func (w *world) change() Change {
	n := &w.naive
	switch w.IntN(15) {
	case 0, 1, 2, 3:
		g := w.grant()
		n.grants = append(without(n.grants, func(o Grant) bool { return o.ID.Equal(g.ID) }), g)
		return AddGrant(g)
	case 4:
		id := w.assignmentID()
		n.grants = without(n.grants, func(o Grant) bool { return o.ID.Equal(id) })
		return RemoveGrant(id)
	case 5, 6, 14:
		r := Role{ID: w.guid(3, w.IntN(6)), Permissions: w.permissions(4)}
		n.roles = append(without(n.roles, func(o Role) bool { return o.ID == r.ID }), r)
		return PutRole(r)
	case 7:
		id := w.guid(3, w.IntN(6))
		n.roles = without(n.roles, func(o Role) bool { return o.ID == id })
		return RemoveRole(id)
	case 8:
		d := w.deny()
		n.denies = append(without(n.denies, func(o Deny) bool { return o.ID.Equal(d.ID) }), d)
		return PutDeny(d)
	case 9:
		id := w.deny().ID
		n.denies = without(n.denies, func(o Deny) bool { return o.ID.Equal(id) })
		return RemoveDeny(id)
	case 10, 11:
		m := Membership{Group: w.group(), Member: w.guid(pick(w, byte(1), 2), w.IntN(w.people)), From: w.time(), Until: w.time()}
		n.members = append(without(n.members, m.like), m)
		return AddMembership(m)
	case 12:
		m := Membership{Group: w.group(), Member: w.guid(pick(w, byte(1), 2), w.IntN(w.people))}
		n.members = without(n.members, m.like)
		return RemoveMember(m.Group, m.Member)
	}
	if w.chance(5) {
		id := w.guid(1, w.IntN(w.people))
		n.unknownGroups = append(slices.Clone(n.unknownGroups), id)
		return MarkUnreadGroups(id)
	}
	if w.chance(3) {
		id := w.scope()
		n.unread = append(slices.Clone(n.unread), id)
		return MarkUnread(id, "test")
	}
	child := pick(w, w.managementGroup(), azure.SubscriptionID(w.cased("s1")), azure.SubscriptionID("S2"), azure.SubscriptionID("s10"))
	up := pick(w, w.managementGroup(), w.managementGroup(), w.managementGroup(), azure.Root, azure.ID{})
	n.parents = without(n.parents, func(o [2]azure.ID) bool { return o[0].Equal(child) })
	if !up.IsZero() && !up.Equal(azure.Root) {
		n.parents = append(n.parents, [2]azure.ID{child, up})
	}
	return SetParent(child, up)
}

func (w *world) changes(count int) []Change {
	list := make([]Change, count)
	for i := range list {
		list[i] = w.change()
	}
	return list
}

func (w *world) request() Request {
	r := Request{Principal: w.principal(), Action: w.action(), Data: w.chance(30), Scope: w.scope()}
	if w.chance(70) {
		r.At = w.now
	}
	if w.chance(50) {
		r.Attributes = conditionMaker{w.Rand}.attributes()
	}
	if w.chance(15) {
		r.Groups = []azure.GUID{}
		for range w.IntN(3) {
			r.Groups = append(r.Groups, w.group())
		}
	}
	return r
}

// ask puts one request to both implementations, all four questions.
func (w *world) ask(t *testing.T, p *Policy, r Request) Outcome {
	t.Helper()
	d := p.Decide(r)
	outcome, condition, grants, denies := w.decide(r)
	if d.Outcome != outcome || d.Condition != condition {
		t.Errorf("Decide(%+v) = %+v, want %s, condition %v\n%s", r, d, outcome, condition, w.describe(r))
	}
	if (d.By != nil) != (outcome == Granted) || d.By != nil && !slices.Contains(grants, d.By.ID.Key()) {
		t.Errorf("Decide(%+v) by %v, want one of %v", r, d.By, grants)
	}
	if (d.Deny != nil) != (outcome == Denied) || d.Deny != nil && !slices.Contains(denies, d.Deny.ID.Key()) {
		t.Errorf("Decide(%+v) denied by %v, want one of %v", r, d.Deny, denies)
	}
	if d.By != nil {
		w.askNearest(t, r, *d.By)
	}
	if got := derive(p.Explain(r)); got != d {
		t.Errorf("Explain(%+v) amounts to %+v, Decide says %+v", r, got, d)
	}
	return outcome
}

// askNearest checks which of several assignments a decision names.
func (w *world) askNearest(t *testing.T, r Request, by Grant) {
	t.Helper()
	for _, g := range w.grants {
		if ok, _, _ := w.grant1(g, r); !ok {
			continue
		}
		if g.Principal == r.Principal && by.Principal != r.Principal {
			t.Errorf("Decide(%+v) by %s of a group, though %s is the principal's own", r, by.ID, g.ID)
		}
		if g.Principal == by.Principal && w.covers(by.Scope, g.Scope) && !w.covers(g.Scope, by.Scope) {
			t.Errorf("Decide(%+v) by %s at %s, though %s at %s is nearer", r, by.ID, by.Scope, g.ID, g.Scope)
		}
	}
}

// derive makes a decision from what an explanation lists, without its own Decision but for the choice between equals.
func derive(x Explanation) Decision {
	var by *Grant
	var d Decision
	mayDeny := false
	open := x.UnknownGroups || len(x.Unread) > 0
	for _, c := range x.Denies {
		switch c.Reason {
		case Counts:
			if d.Deny == nil || c.By == x.Deny {
				d.Deny = c.By
			}
		case OpenCondition:
			mayDeny = true
		}
	}
	for _, c := range x.Grants {
		switch c.Reason {
		case Counts:
			if by == nil || c.By == x.By {
				by = c.By
			}
		case OpenCondition:
			open, d.Condition = true, true
		case FailedCondition:
			d.Condition = true
		case UnknownRole:
			open = true
		}
	}
	switch {
	case d.Deny != nil:
		return Decision{Outcome: Denied, Deny: d.Deny}
	case by != nil && mayDeny:
		return Decision{Outcome: Unknown, Condition: true}
	case by != nil:
		return Decision{Outcome: Granted, By: by}
	case open:
		d.Outcome = Unknown
	}
	return d
}

func (w *world) describe(r Request) string {
	var b strings.Builder
	for _, g := range w.grants {
		if slices.Contains(w.subjects(r), g.Principal) {
			fmt.Fprintf(&b, "%+v\n", g)
		}
	}
	fmt.Fprintf(&b, "roles %+v\ndenies %+v\nparents %v\nunread %v", w.roles, w.denies, w.parents, w.unread)
	if s := b.String(); len(s) < 4000 {
		return s
	}
	return b.String()[:4000] + "…"
}

// askWho puts the two questions that list assignments.
func (w *world) askWho(t *testing.T, p *Policy, r Request) {
	t.Helper()
	var who, reach, own, over, gotOver []string
	for _, g := range w.grants {
		if w.covers(g.Scope, r.Scope) {
			over = append(over, g.ID.Key())
		}
		if !g.Principal.IsZero() && slices.Contains(w.subjects(Request{Principal: r.Principal, At: r.At}), g.Principal) && naiveInForce(g.From, g.Until, r.At) {
			own = append(own, g.ID.Key())
		}
		q := Request{Principal: g.Principal, Action: r.Action, Data: r.Data, Scope: r.Scope}
		granted, _, _ := w.grant1(g, q)
		if granted && !slices.ContainsFunc(w.denies, func(d Deny) bool { return w.deny1(d, q) != no }) {
			who = append(who, g.ID.Key())
		}
		if !g.Principal.IsZero() && slices.Contains(w.subjects(Request{Principal: r.Principal}), g.Principal) && w.covers(g.Scope, r.Scope) {
			reach = append(reach, g.ID.Key())
		}
	}
	ask := p.WhoCan
	if r.Data {
		ask = p.WhoCanData
	}
	var gotWho, gotReach, gotOwn []string
	for g := range p.GrantsOf(r.Principal, r.At) {
		gotOwn = append(gotOwn, g.ID.Key())
	}
	if !sameSet(gotOwn, own) {
		t.Errorf("GrantsOf(%v, %v) = %v, want %v", r.Principal, r.At, gotOwn, own)
	}
	for g := range ask(r.Action, r.Scope) {
		gotWho = append(gotWho, g.ID.Key())
	}
	for g := range p.Permissions(r.Principal, r.Scope) {
		gotReach = append(gotReach, g.ID.Key())
	}
	if !sameSet(gotWho, who) {
		t.Errorf("WhoCan(%+v) = %v, want %v\n%s", r, gotWho, who, w.describe(r))
	}
	for g := range p.Over(r.Scope) {
		gotOver = append(gotOver, g.ID.Key())
	}
	if !sameSet(gotOver, over) {
		t.Errorf("Over(%s) = %v, want %v", r.Scope, gotOver, over)
	}
	if !sameSet(gotReach, reach) {
		t.Errorf("Permissions(%v, %s) = %v, want %v", r.Principal, r.Scope, gotReach, reach)
	}
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func newWorld(seed uint64) *world {
	return &world{Rand: rand.New(rand.NewPCG(seed, 1)), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), assign: 30, people: 4}
}

// TestAgainstNaive asks both implementations about 100,000 random cases: small worlds, each changed several times.
func TestAgainstNaive(t *testing.T) {
	var asked [4]int
	worlds, least := uint64(2000), 2000
	if underRace {
		worlds, least = 200, 100
	}
	for seed := range worlds {
		w := newWorld(seed)
		p := New(w.changes(40)...)
		for range 5 {
			before, old := p, w.naive
			p = p.With(w.changes(w.IntN(12))...)
			for range 10 {
				r := w.request()
				asked[w.ask(t, p, r)]++
				w.askWho(t, p, r)
			}
			w.checkUnchanged(t, before, old)
			if t.Failed() {
				t.Fatalf("world %d", seed)
			}
		}
	}
	t.Logf("not granted, granted, denied, unknown: %v", asked)
	for o, n := range asked {
		if n < least {
			t.Errorf("only %d of the requests were %s", n, Outcome(o))
		}
	}
}

// checkUnchanged asks a policy that others were made from.
func (w *world) checkUnchanged(t *testing.T, p *Policy, old naive) {
	t.Helper()
	now := w.naive
	w.naive = old
	w.ask(t, p, w.request())
	w.naive = now
}

// TestLongListsAgainstNaive has holders with hundreds of assignments and more of them than a page holds.
func TestLongListsAgainstNaive(t *testing.T) {
	w := newWorld(7)
	w.assign, w.people = 100_000, 3
	p := New(w.changes(6000)...)
	requests := 300
	if underRace {
		requests = 30
	}
	for range requests {
		r := w.request()
		w.ask(t, p, r)
		w.askWho(t, p, r)
		p = p.With(w.changes(5)...)
	}
}
