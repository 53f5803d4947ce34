package rbac

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"aksid/internal/azure"
)

var (
	alice, bob = azure.GUID{1}, azure.GUID{2}
	reader     = Role{ID: azure.GUID{9}, Name: "Reader", Permissions: []Permission{{Actions: []string{"*/read"}}}}
	sub        = azure.SubscriptionID("11111111-1111-1111-1111-111111111111")
	read       = azure.Action("Microsoft.Compute/disks/read")
)

func readerOf(name string, who azure.GUID, scope azure.ID) Grant {
	return Grant{ID: azure.Root.Join(name), Role: reader.ID, Principal: who, Scope: scope}
}

func TestEmptyPolicy(t *testing.T) {
	p := New()
	r := Request{Principal: alice, Action: read, Scope: sub}
	if d := p.Decide(r); d != (Decision{}) {
		t.Errorf("decides %+v", d)
	}
	if x := p.Explain(r); x.Decision != (Decision{}) || x.Grants != nil || x.Denies != nil || x.Unread != nil || x.UnknownGroups {
		t.Errorf("explains %+v", x)
	}
	if d := p.Decide(Request{}); d != (Decision{}) {
		t.Errorf("decides %+v about nothing", d)
	}
	if len(slices.Collect(p.Grants()))+len(slices.Collect(p.Roles()))+len(slices.Collect(p.Denies())) != 0 {
		t.Error("holds something")
	}
	if p.GroupsOf(alice) != nil || p.ManagementGroups(sub) != nil {
		t.Error("knows groups")
	}
	if _, ok := p.Role(reader.ID); ok {
		t.Error("knows a role")
	}
}

// TestLists reads a policy back.
func TestLists(t *testing.T) {
	mg := azure.MustID("/providers/Microsoft.Management/managementGroups/Mg")
	top := azure.MustID("/providers/Microsoft.Management/managementGroups/Top")
	owner := Role{ID: azure.GUID{8}, Name: "Owner"}
	deny := Deny{ID: azure.Root.Join("d"), Name: "d", Scope: sub}
	p := New(PutRole(reader), PutRole(owner), AddGrant(readerOf("a", alice, sub)), AddGrant(readerOf("b", bob, mg)), PutDeny(deny),
		AddMember(azure.GUID{3}, alice), AddMember(azure.GUID{4}, azure.GUID{3}), AddMember(azure.GUID{3}, azure.GUID{4}), AddMember(azure.GUID{3}, alice),
		SetParent(sub, mg), SetParent(mg, top))
	var roles, grants []string
	for r := range p.Roles() {
		roles = append(roles, r.Name)
	}
	for g := range p.Grants() {
		grants = append(grants, g.ID.Name())
	}
	slices.Sort(grants)
	if fmt.Sprint(roles, grants) != "[Reader Owner] [a b]" {
		t.Errorf("roles %v, grants %v", roles, grants)
	}
	for d := range p.Denies() {
		if d.Name != "d" {
			t.Errorf("deny %v", d)
		}
	}
	if r, ok := p.Role(owner.ID); !ok || r.Name != "Owner" {
		t.Errorf("Role = %v, %v", r, ok)
	}
	if got := p.GroupsOf(alice); !slices.Equal(got, []azure.GUID{{3}, {4}}) {
		t.Errorf("GroupsOf = %v", got)
	}
	if got := p.ManagementGroups(sub.Join("resourceGroups", "rg")); !slices.Equal(got, []azure.ID{mg, top}) {
		t.Errorf("ManagementGroups = %v", got)
	}
	if got := p.ManagementGroups(mg); !slices.Equal(got, []azure.ID{top}) {
		t.Errorf("ManagementGroups = %v", got)
	}
	for range p.Roles() {
		break
	}
	for range p.Grants() {
		break
	}
	for range p.Denies() {
		break
	}
	for range p.WhoCan(read, sub) {
		break
	}
	for range p.Permissions(alice, sub) {
		break
	}
}

// TestWithKeepsTheOld makes a policy from another, in both directions.
func TestWithKeepsTheOld(t *testing.T) {
	r := Request{Principal: alice, Action: read, Scope: sub}
	none := New(PutRole(reader))
	one := none.With(AddGrant(readerOf("a", alice, sub)))
	gone := one.With(RemoveGrant(azure.MustID("/A")))
	unknown := one.With(RemoveRole(reader.ID))
	for i, p := range []*Policy{none, one, gone, unknown, one.With()} {
		if got, want := p.Decide(r).Outcome, []Outcome{NotGranted, Granted, NotGranted, Unknown, Granted}[i]; got != want {
			t.Errorf("policy %d: %s, want %s", i, got, want)
		}
	}
}

// TestChangesInOneBatch has changes of one thing follow each other.
func TestChangesInOneBatch(t *testing.T) {
	id := azure.MustID("/a")
	toBob := readerOf("A", bob, sub)
	for name, c := range map[string]struct {
		changes []Change
		want    string
	}{
		"replaced":                {[]Change{AddGrant(readerOf("a", alice, sub)), AddGrant(toBob)}, "bob"},
		"replaced in another":     {[]Change{RemoveGrant(id), AddGrant(toBob), RemoveGrant(id), AddGrant(readerOf("a", alice, sub))}, "alice"},
		"taken away":              {[]Change{AddGrant(toBob), RemoveGrant(id)}, ""},
		"taken away twice":        {[]Change{RemoveGrant(id), RemoveGrant(id)}, ""},
		"without an id":           {[]Change{RemoveGrant(id), AddGrant(Grant{Role: reader.ID, Principal: alice, Scope: sub}), AddGrant(Grant{Role: reader.ID, Principal: bob, Scope: sub})}, "alice bob"},
		"no id takes none away":   {[]Change{RemoveGrant(azure.ID{}), RemoveDeny(azure.ID{})}, "alice"},
		"role before or after it": {[]Change{RemoveRole(reader.ID), AddGrant(toBob), PutRole(reader)}, "bob"},
	} {
		p := New(PutRole(reader), AddGrant(readerOf("a", alice, sub))).With(c.changes...)
		var who []string
		for i, id := range []azure.GUID{alice, bob} {
			if p.Decide(Request{Principal: id, Action: read, Scope: sub}).Outcome == Granted {
				who = append(who, []string{"alice", "bob"}[i])
			}
		}
		if got := strings.Join(who, " "); got != c.want {
			t.Errorf("%s: %q can read, want %q", name, got, c.want)
		}
	}
}

// TestDeepScopes has paths longer than what fits into Decide's own memory.
func TestDeepScopes(t *testing.T) {
	deep := sub
	for range 200 {
		deep = deep.Join("a", "b")
	}
	p := New(PutRole(reader), AddGrant(readerOf("a", alice, sub)), AddGrant(readerOf("b", bob, deep.Parent())))
	for who, want := range map[azure.GUID]Outcome{alice: Granted, bob: Granted, {7}: NotGranted} {
		if d := p.Decide(Request{Principal: who, Action: read, Scope: deep}); d.Outcome != want {
			t.Errorf("%v: %s, want %s", who, d.Outcome, want)
		}
	}
}

// TestManyGroups has more groups than are compared one by one, nested, and in a token.
func TestManyGroups(t *testing.T) {
	var changes []Change
	var token []azure.GUID
	last := alice
	for i := range 1000 {
		g := azure.GUID{3, byte(i), byte(i >> 8)}
		token = append(token, g)
		changes = append(changes, AddMember(g, last), AddMember(g, alice), AddMember(azure.GUID{3}, g))
		last = g
	}
	p := New(append(changes, PutRole(reader), AddGrant(readerOf("a", last, sub)), PutDeny(Deny{Scope: sub, Everyone: true,
		Except: []azure.GUID{last}, Permissions: reader.Permissions}))...)
	if got := p.GroupsOf(alice); len(got) != 1000 {
		t.Errorf("%d groups", len(got))
	}
	for name, c := range map[string]struct {
		r    Request
		want Outcome
	}{
		"the policy's":     {Request{Principal: alice}, Granted},
		"a token's":        {Request{Principal: bob, Groups: token}, Granted},
		"all but one":      {Request{Principal: alice, Groups: token[:999]}, Denied},
		"of somebody else": {Request{Principal: bob}, Denied},
	} {
		c.r.Action, c.r.Scope = read, sub
		if d := p.Decide(c.r); d.Outcome != c.want {
			t.Errorf("%s: %s, want %s", name, d.Outcome, c.want)
		}
	}
}

// TestDecideAllocatesNothing covers every part of a decision on a policy of some size.
func TestDecideAllocatesNothing(t *testing.T) {
	tenant := newTenant(20_000)
	many := azure.GUID{77}
	changes := []Change{MarkUnread(azure.SubscriptionID("x"), "test"), MarkUnreadGroups(bob)}
	for i := range 500 {
		changes = append(changes, AddGrant(readerOf(fmt.Sprint("many", i), many, sub.Join("resourceGroups", fmt.Sprint(i)))))
	}
	for i := range 40 {
		changes = append(changes, AddMember(azure.GUID{5, byte(i)}, alice), PutDeny(Deny{ID: azure.Root.Join(fmt.Sprint(i)), Scope: tenant.subscriptions[i%10],
			Principals: []azure.GUID{{5, byte(i)}}, Permissions: []Permission{{Actions: []string{"*/delete"}, NotActions: []string{"x"}}}}))
	}
	conditional := readerOf("c", alice, sub)
	conditional.Condition, conditional.Until = delegation, time.Unix(2e9, 0)
	p := tenant.policy().With(append(changes, PutRole(reader), AddGrant(conditional))...)
	requests := tenant.requests(500)
	for i := range 10 {
		s := tenant.subscriptions[i]
		requests = append(requests, Request{Principal: alice, Action: "Microsoft.Compute/disks/delete", Scope: tenant.resource(s)},
			Request{Principal: alice, Action: read, Scope: sub, At: time.Unix(1.9e9, 0)},
			Request{Principal: alice, Action: assignWrite, Scope: sub},
			Request{Principal: alice, Action: read, Scope: s, Groups: []azure.GUID{{1}, {2}, {3}}},
			Request{Principal: many, Action: read, Scope: sub.Join("resourceGroups", fmt.Sprint(i), "providers", "x")},
			Request{Principal: bob, Action: read, Scope: azure.SubscriptionID("x"), Data: true})
	}
	var outcomes [4]int
	for i := range requests {
		outcomes[p.Decide(requests[i]).Outcome]++
	}
	if slices.Contains(outcomes[:], 0) {
		t.Errorf("outcomes %v: not all kinds", outcomes)
	}
	if n := testing.AllocsPerRun(5, func() {
		for i := range requests {
			p.Decide(requests[i])
		}
	}); n != 0 {
		t.Errorf("%v allocations in %d decisions", n, len(requests))
	}
}

// TestConditionsDoNotAllocate decides under conditions of an assignment and of a role.
func TestConditionsDoNotAllocate(t *testing.T) {
	const pull = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
	owner, delegate := builtIn(t, "Owner"), builtIn(t, "Key Vault Data Access Administrator")
	who, sub := azure.GUID{1}, azure.SubscriptionID("11111111-1111-1111-1111-111111111111")
	p := New(PutRole(*owner), PutRole(*delegate), AddGrant(Grant{ID: azure.MustID("/a"), Role: owner.ID, Principal: who, Scope: sub, Condition: delegation}),
		AddGrant(Grant{ID: azure.MustID("/b"), Role: delegate.ID, Principal: who, Scope: sub}))
	r := Request{Principal: who, Action: assignWrite, Scope: sub.Join("resourceGroups", "rg1"), Attributes: Attributes{
		Request: map[string]any{AttributeRoleDefinition: pull, "microsoft.authorization/ROLEASSIGNMENTS:principaltype": "ServicePrincipal"}, Resource: map[string]any{}}}
	if n := testing.AllocsPerRun(100, func() {
		if d := p.Decide(r); d.Outcome != Granted {
			t.Fatalf("%+v", d)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestRolesChangeOneByOne compares with a policy that has the same roles from the start.
func TestRolesChangeOneByOne(t *testing.T) {
	w := newWorld(11)
	roles := map[azure.GUID]Role{}
	var grants []Change
	for i := range 60 {
		grants = append(grants, AddGrant(Grant{Role: w.guid(3, i), Principal: w.guid(1, i), Scope: sub}))
	}
	p := New(grants...)
	for range 400 {
		r := Role{ID: w.guid(3, w.IntN(60)), Permissions: w.permissions(3)}
		if w.chance(20) {
			delete(roles, r.ID)
			p = p.With(RemoveRole(r.ID))
		} else {
			roles[r.ID] = r
			p = p.With(PutRole(r))
		}
		fresh := New(grants...)
		for _, r := range roles {
			fresh = fresh.With(PutRole(r))
		}
		for i := range 60 {
			q := Request{Principal: w.guid(1, i), Action: w.action(), Data: w.chance(30), Scope: sub}
			if got, want := p.Decide(q), fresh.Decide(q); got.Outcome != want.Outcome || got.Condition != want.Condition {
				t.Fatalf("role %d, %s: %+v, want %+v", i, q.Action, got, want)
			}
		}
	}
}

// TestRowsAreBounded asks about more actions than are remembered.
func TestRowsAreBounded(t *testing.T) {
	p := New(PutRole(reader), AddGrant(readerOf("a", alice, sub)))
	for i := range 3 * maxRows {
		for _, verb := range []string{"read", "write"} {
			d := p.Decide(Request{Principal: alice, Action: azure.Action(fmt.Sprintf("a/%d/%s", i, verb)), Scope: sub})
			if (d.Outcome == Granted) != (verb == "read") {
				t.Fatalf("a/%d/%s: %s", i, verb, d.Outcome)
			}
		}
	}
	long := azure.Action(strings.Repeat("x", 1<<20) + "/read")
	if p.Decide(Request{Principal: alice, Action: long, Scope: sub}).Outcome != Granted {
		t.Error("a long action is not granted")
	}
	rows := 0
	for i := range p.roles.rows.places {
		if r := p.roles.rows.places[i].Load(); r != nil {
			rows++
			if len(r.action) > maxSpelling {
				t.Errorf("an action of %d bytes is remembered", len(r.action))
			}
		}
	}
	if rows > maxRows || rows < maxRows/2 {
		t.Errorf("%d rows", rows)
	}
}

// TestRowsShrinkWithManyRoles has assignments of very many unknown roles.
func TestRowsShrinkWithManyRoles(t *testing.T) {
	var changes []Change
	for i := range 50_000 {
		changes = append(changes, AddGrant(Grant{Role: azure.GUID{9, byte(i), byte(i >> 8)}, Principal: alice, Scope: sub}))
	}
	p := New(append(changes, PutRole(reader))...)
	if d := p.Decide(Request{Principal: alice, Action: read, Scope: sub}); d.Outcome != Granted {
		t.Errorf("%s, want %s by the one role that is known", d.Outcome, Granted)
	}
	if n := len(p.roles.rows.places) * len(p.roles.makeRow(read, false).yes) * 4 * 8; n > maxRowBytes {
		t.Errorf("rows may take %d bytes", n)
	}
}

// TestConcurrentDecideAndWith is for the race detector: many ask while one changes, each sees a policy as it was made.
func TestConcurrentDecideAndWith(t *testing.T) {
	var mu sync.Mutex
	p := New(PutRole(reader), AddMember(bob, alice))
	now := func() *Policy { mu.Lock(); defer mu.Unlock(); return p }
	done := make(chan struct{})
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				p := now()
				r := Request{Principal: []azure.GUID{alice, bob}[n%2], Action: azure.Action(fmt.Sprintf("a/%d/read", i%50)), Scope: sub}
				a, b, x := p.Decide(r), p.Decide(r), p.Explain(r)
				if a != b || derive(x) != a {
					t.Errorf("one policy says %+v, %+v and %+v", a, b, derive(x))
				}
				for g := range p.WhoCan(r.Action, sub) {
					if g.Principal != bob {
						t.Errorf("%v can", g.Principal)
					}
				}
			}
		})
	}
	for i := range 300 {
		next := now().With([]Change{AddGrant(readerOf("a", bob, sub)), RemoveGrant(azure.MustID("/a")), AddMember(azure.GUID{3, byte(i)}, alice),
			PutDeny(Deny{ID: azure.MustID("/d"), Scope: sub.Join("x"), Everyone: true}), PutRole(reader)}[i%5])
		mu.Lock()
		p = next
		mu.Unlock()
	}
	close(done)
	wg.Wait()
}
