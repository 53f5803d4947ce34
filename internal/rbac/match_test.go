package rbac

import (
	"strings"
	"testing"

	"aksid/internal/azure"
)

func TestMatchAction(t *testing.T) {
	for _, c := range []struct {
		pattern string
		action  azure.Action
		want    bool
	}{
		{"*", "Microsoft.Network/loadBalancers/write", true},
		{"*", "", true},
		{"", "", true},
		{"", "x", false},
		{"Microsoft.Network/loadBalancers/write", "microsoft.network/LOADBALANCERS/WRITE", true},
		{"Microsoft.Network/loadBalancers/write", "Microsoft.Network/loadBalancers/write/x", false},
		{"Microsoft.Network/loadBalancers/write", "xMicrosoft.Network/loadBalancers/write", false},
		{" Microsoft.Network/virtualNetworks/read ", "Microsoft.Network/virtualNetworks/read", true},
		// a * crosses slashes
		{"*/read", "Microsoft.ContainerRegistry/registries/pull/read", true},
		{"*/read", "read", false},
		{"*/READ", "Microsoft.ContainerRegistry/registries/pull/read", true},
		{"Microsoft.Compute/virtualMachines/*", "Microsoft.Compute/virtualMachines/extensions/write", true},
		{"Microsoft.Compute/virtualMachines/*", "Microsoft.Compute/virtualMachines/", true},
		{"Microsoft.Compute/virtualMachines/*", "Microsoft.Compute/virtualMachines", false},
		{"Microsoft.Compute/virtualMachines/*", "Microsoft.Compute/virtualMachineScaleSets/write", false},
		{"Microsoft.Compute/virtualMachine*", "Microsoft.Compute/virtualMachineScaleSets/write", true},
		{"Microsoft.Authorization/*/Write", "Microsoft.Authorization/roleAssignments/write", true},
		{"Microsoft.Authorization/*/Write", "Microsoft.Authorization/roleAssignments/read", false},
		// /*/ is also a single slash
		{"Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action", "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", true},
		{"Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action", "Microsoft.ManagedIdentity/userAssignedIdentities/x/assign/action", true},
		{"Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action", "Microsoft.ManagedIdentity/userAssignedIdentitiesassign/action", false},
		{"Microsoft.ManagedIdentity/userAssignedIdentities/*/read", "Microsoft.ManagedIdentity/userAssignedIdentities/read", true},
		{"a/*/*/b", "a/b", true},
		{"a/*/*/b", "a/x/b", true},
		{"a/*/*/b", "ab", false},
		{"a/*b", "a/b", true},
		{"a/*b", "ab", false},
		{"a*/b", "a/b", true},
		{"*/*/b", "/b", true},
		{"*/*/b", "b", false},
		// several *
		{"A/*/read/*", "a/x/read/read/y", true},
		{"*ab*ab*", "xabxab", true},
		{"*ab*ab*", "xabab", true},
		{"*ab*ab*", "xab", false},
		{"**", "", true},
		{"a*a", "a", false},
		{"a**a", "aa", true},
		// what means something elsewhere means itself
		{"a/./b", "a/x/b", false},
		{"a/[bc]?", "a/b", false},
		{"a/{x}/read", "a/{X}/read", true},
	} {
		if got := MatchAction(c.pattern, c.action); got != c.want {
			t.Errorf("MatchAction(%q, %q) = %v", c.pattern, c.action, got)
		}
	}
}

// FuzzMatchAction compares with the naive implementation, and a policy's answer with both.
func FuzzMatchAction(f *testing.F) {
	for _, s := range [][2]string{{"*", "x"}, {"a/*/b", "a/b"}, {"a/*/*/b/*", "a/b/b/"}, {"*/*", "/"}, {"A/*", "a/\u212a"}, {" x ", "X"}, {"/*/", "/"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, action string) {
		if len(pattern) > 40 || len(action) > 40 {
			return // the naive implementation takes its time
		}
		want := naiveMatch(azure.Action(strings.TrimSpace(pattern)).Key(), azure.Action(action).Key())
		if got := MatchAction(pattern, azure.Action(action)); got != want {
			t.Errorf("MatchAction(%q, %q) = %v", pattern, action, got)
		}
		role := Role{Permissions: []Permission{{Actions: []string{"x", pattern}, DataActions: []string{"*"}, NotDataActions: []string{pattern}}}}
		p := New(PutRole(role), AddGrant(Grant{Principal: azure.GUID{1}, Scope: azure.Root}))
		for _, data := range []bool{false, true} {
			r := Request{Principal: azure.GUID{1}, Scope: azure.Root, Action: azure.Action(action), Data: data}
			granted := want != data || !data && azure.Action(action).Is("x")
			if d := p.Decide(r); (d.Outcome == Granted) != granted || role.Grants(r.Action, data) != granted {
				t.Errorf("pattern %q, action %q, data %v: %v, Role.Grants %v", pattern, action, data, d.Outcome, role.Grants(r.Action, data))
			}
		}
	})
}
