package finding

import (
	"testing"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

// What is proposed for a need grants all of it, is no role that gives roles, and as a custom role grants nothing else.
func TestLeastIsEnoughAndNoMore(t *testing.T) {
	everyEstate(t, func(t *testing.T, name string, e *estate.Estate) {
		p := &Pass{Estate: e, Cluster: e.Clusters[0]}
		for _, a := range Assess(e, e.Clusters[0]) {
			changes := p.least(a)
			give, ok := changes[len(changes)-1].(estate.Assign)
			if !ok || give.Principal != a.Identity.Principal || !give.Scope.Equal(a.Need.Scope) {
				t.Fatalf("%s: %s ends with %+v", name, a.Requirement.ID, changes)
			}
			role, builtIn := rbac.BuiltInRole(give.Role)
			if d, custom := changes[0].(estate.DefineRole); custom {
				role = &rbac.Role{ID: d.ID, Name: d.Name, Permissions: []rbac.Permission{{Actions: texts(d.Actions), DataActions: texts(d.DataActions)}}}
				if give.Role != d.Name || len(d.Actions) != len(a.Need.Actions) || d.ID != customRole(a).ID || !d.Scope.Contains(give.Scope) {
					t.Errorf("%s: %+v", a.Requirement.ID, changes)
				}
			} else if !builtIn {
				t.Fatalf("%s: there is no role %q", a.Requirement.ID, give.Role)
			}
			if !grantsAll(role, a.Need) || role.Grants("Microsoft.Authorization/roleAssignments/write", false) {
				t.Errorf("%s: %s is not right for it", a.Requirement.ID, role.Name)
			}
		}
	})
}

func TestLeastRole(t *testing.T) {
	group := azure.MustID("/subscriptions/s/resourceGroups/rg")
	for _, c := range []struct {
		action, documented, typ string
		want                    string
		wide                    bool
	}{
		{"Microsoft.Network/virtualNetworks/subnets/join/action", "Network Contributor", estate.TypeSubnet, "Network Contributor", false},
		{"Microsoft.Network/virtualNetworks/join/action", "Network Contributor", estate.TypeNetwork, "Private DNS Zone Contributor", false},
		{"Microsoft.Compute/diskEncryptionSets/read", "Contributor", "Microsoft.Compute/diskEncryptionSets", "Contributor", false},
		{"Microsoft.Network/publicIPAddresses/join/action", "Network Contributor", azure.TypeResourceGroup, "Network Contributor", true},
		{"Microsoft.ContainerRegistry/registries/pull/read", "AcrPull", estate.TypeRegistry, "AcrPull", false},
	} {
		scope := group
		if c.typ != azure.TypeResourceGroup {
			scope = group.Resource(c.typ, "a", "b")
		}
		role, extra := leastRole(catalogue.Need{Scope: scope, Actions: []azure.Action{azure.Action(c.action)}, Role: c.documented})
		if role == nil || role.Name != c.want || (extra > tooWide) != c.wide {
			t.Errorf("%s on a %s: %v with %d more", c.action, c.typ, role, extra)
		}
	}
}

// The types that cost money exist, and can be created.
func TestBillableTypesExist(t *testing.T) {
	writes := map[string]bool{}
	for _, a := range azure.Operations() {
		writes[a.Key()] = true
	}
	if len(billable) < 50 {
		t.Errorf("only %d", len(billable))
	}
	for typ := range billable {
		if !writes[typ+"/write"] {
			t.Errorf("nothing writes %s", typ)
		}
	}
}
