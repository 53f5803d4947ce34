package rbac

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"aksid/internal/azure"
)

// tenant is a made-up tenant: about five assignments a principal, a tenth of the principals in three to five groups,
// 2,000 assignments a subscription, two fifths of them on resource groups, two fifths on resources, one on subscriptions,
// few on management groups; all built-in roles, most assignments of ten of them.
type tenant struct {
	*rand.Rand
	roles, common []*Role
	principals    []azure.GUID
	groups        []azure.GUID
	subscriptions []azure.ID
	grants        []Grant
	changes       []Change // all but the grants
}

func (t *tenant) guid() azure.GUID {
	var g azure.GUID
	for i := range g {
		g[i] = byte(t.Uint32())
	}
	return g
}

func newTenant(n int) *tenant {
	t := &tenant{Rand: rand.New(rand.NewPCG(uint64(n), 2))}
	t.roles = slices.Collect(BuiltInRoles())
	for _, name := range []string{"Owner", "Contributor", "Reader", "Network Contributor", "AcrPull", "Managed Identity Operator",
		"Monitoring Reader", "Virtual Machine Contributor", "Storage Blob Data Contributor", "Private DNS Zone Contributor"} {
		r, _ := BuiltInRole(name)
		t.common = append(t.common, r)
	}
	for _, r := range t.roles {
		t.changes = append(t.changes, PutRole(*r))
	}
	for range max(1, n/5) {
		t.principals = append(t.principals, t.guid())
	}
	for range max(1, n/100) {
		t.groups = append(t.groups, t.guid())
	}
	for _, p := range t.principals[:len(t.principals)/10] {
		for range 3 + t.IntN(3) {
			t.changes = append(t.changes, AddMember(t.groups[t.IntN(len(t.groups))], p))
		}
	}
	for i := range max(2, n/2000) {
		s := azure.SubscriptionID(t.guid().String())
		t.subscriptions = append(t.subscriptions, s)
		t.changes = append(t.changes, SetParent(s, managementGroup(i%50)))
	}
	for i := 1; i < 50; i++ {
		t.changes = append(t.changes, SetParent(managementGroup(i), managementGroup((i-1)/4)))
	}
	for range n {
		t.grants = append(t.grants, t.grant())
	}
	return t
}

func managementGroup(i int) azure.ID {
	return azure.MustID(fmt.Sprintf("/providers/Microsoft.Management/managementGroups/mg-%d", i))
}

func (t *tenant) scope() azure.ID {
	s := t.subscriptions[t.IntN(len(t.subscriptions))]
	switch n := t.IntN(100); {
	case n < 1:
		return managementGroup(t.IntN(50))
	case n < 20:
		return s
	case n < 60:
		return t.resourceGroup(s)
	}
	return t.resource(s)
}

func (t *tenant) resourceGroup(s azure.ID) azure.ID {
	return s.Join("resourceGroups", fmt.Sprintf("rg-platform-%d", t.IntN(300)))
}

func (t *tenant) resource(s azure.ID) azure.ID {
	rg := t.resourceGroup(s)
	switch t.IntN(3) {
	case 0:
		return rg.Resource("Microsoft.Network/virtualNetworks/subnets", fmt.Sprintf("vnet-%d", t.IntN(3)), "snet-aks")
	case 1:
		return rg.Resource("Microsoft.ContainerRegistry/registries", fmt.Sprintf("acr%d", t.IntN(3)))
	}
	return rg.Resource("Microsoft.ManagedIdentity/userAssignedIdentities", fmt.Sprintf("id-%d", t.IntN(5)))
}

func (t *tenant) grant() Grant {
	g := Grant{Role: t.common[t.IntN(len(t.common))].ID, PrincipalType: "ServicePrincipal", Principal: t.principals[t.IntN(len(t.principals))], Scope: t.scope()}
	if t.IntN(10) == 0 {
		g.Role = t.roles[t.IntN(len(t.roles))].ID
	}
	if t.IntN(10) == 0 {
		g.Principal, g.PrincipalType = t.groups[t.IntN(len(t.groups))], "Group"
	}
	g.ID = g.Scope.Join("providers", "Microsoft.Authorization", "roleAssignments", t.guid().String())
	return g
}

func (t *tenant) policy() *Policy {
	changes := slices.Clone(t.changes)
	for _, g := range t.grants {
		changes = append(changes, AddGrant(g))
	}
	return New(changes...)
}

var benchActions = []azure.Action{"Microsoft.Network/virtualNetworks/subnets/join/action", "Microsoft.ContainerRegistry/registries/pull/read",
	"Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", "Microsoft.Network/loadBalancers/write",
	"Microsoft.Compute/virtualMachineScaleSets/virtualMachines/write", "Microsoft.Resources/subscriptions/resourceGroups/read",
	"Microsoft.Authorization/roleAssignments/write", "Microsoft.Storage/storageAccounts/listKeys/action"}

// requests ask about resources: half of them where the principal has an assignment at or above, half anywhere.
func (t *tenant) requests(n int) []Request {
	list := make([]Request, n)
	for i := range list {
		g := t.grants[t.IntN(len(t.grants))]
		r := Request{Principal: g.Principal, Action: benchActions[t.IntN(len(benchActions))], At: time.Unix(1.8e9, 0)}
		switch {
		case i%2 == 0:
			r.Scope = t.resource(t.subscriptions[t.IntN(len(t.subscriptions))])
		case g.Scope.ResourceGroup() == "" && g.Scope.Subscription() != "":
			r.Scope = t.resource(g.Scope)
		default:
			r.Scope = g.Scope.Resource("Microsoft.Network/loadBalancers", "kubernetes")
		}
		list[i] = r
	}
	return list
}

var sizes = []int{1000, 100_000, 1_000_000}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkDecide asks about random principals and resources of the whole tenant. B/assignment is what a policy holds
// beyond the Grant values themselves and what they point to.
func BenchmarkDecide(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			t := newTenant(n)
			before := heap()
			p := t.policy()
			held := float64(heap()-before) / float64(n)
			requests := t.requests(1 << 16)
			for _, r := range requests {
				p.Decide(r)
			}
			granted := 0
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if p.Decide(requests[i&(len(requests)-1)]).Outcome == Granted {
					granted++
				}
			}
			b.ReportMetric(held-float64(unsafe.Sizeof(Grant{})), "B/assignment")
			b.ReportMetric(100*float64(granted)/float64(b.N), "%granted")
			runtime.KeepAlive(t)
		})
	}
}

// BenchmarkGrowth asks small and large tenants by turns, so that a busy machine slows both, and reports how much longer
// a decision takes among a million assignments than among a thousand. The aim is fivefold at most.
func BenchmarkGrowth(b *testing.B) {
	type side struct {
		p        *Policy
		requests []Request
		took     time.Duration
	}
	sides := [2]side{}
	for i, n := range []int{1000, 1_000_000} {
		t := newTenant(n)
		sides[i].p, sides[i].requests = t.policy(), t.requests(1<<16)
	}
	for b.Loop() {
		for i := range sides {
			s := &sides[i]
			start := time.Now()
			for _, r := range s.requests {
				s.p.Decide(r)
			}
			s.took += time.Since(start)
		}
	}
	growth := float64(sides[1].took) / float64(sides[0].took)
	b.ReportMetric(growth, "growth")
	for i, name := range []string{"ns/1k", "ns/1M"} {
		b.ReportMetric(float64(sides[i].took.Nanoseconds())/float64(b.N)/float64(len(sides[i].requests)), name)
	}
	if growth > 5 {
		b.Errorf("a decision among a million assignments takes %.1f times as long as among a thousand", growth)
	}
}

// BenchmarkLoad makes a policy at once.
func BenchmarkLoad(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			t := newTenant(n)
			for b.Loop() {
				t.policy()
			}
		})
	}
}

// BenchmarkWith changes one assignment.
func BenchmarkWith(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			t := newTenant(n)
			p := t.policy()
			b.ReportAllocs()
			for b.Loop() {
				p = p.With(AddGrant(t.grant()))
			}
		})
	}
}

// BenchmarkNewAction asks about an action that the policy has not seen.
func BenchmarkNewAction(b *testing.B) {
	p := newTenant(1000).policy()
	p.roles.row("x", false)
	b.ReportAllocs()
	for b.Loop() {
		p.roles.makeRow("Microsoft.Network/virtualNetworks/subnets/join/action", false)
	}
}

// BenchmarkCompile reads all built-in roles' patterns, as a policy does once after many of its roles changed.
func BenchmarkCompile(b *testing.B) {
	roles := slices.Collect(BuiltInRoles())
	for b.Loop() {
		(&matcher{roles: roles}).compile()
	}
}

// BenchmarkRoleGrants asks all built-in roles about one action, without a policy.
func BenchmarkRoleGrants(b *testing.B) {
	for b.Loop() {
		for r := range BuiltInRoles() {
			r.Grants("Microsoft.Network/virtualNetworks/subnets/join/action", false)
		}
	}
}
