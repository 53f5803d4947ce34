package rbac_test

import (
	"fmt"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

// A cluster's identity has a role on its own resource group, and needs one on a subnet elsewhere.
func Example() {
	hub := azure.SubscriptionID("11111111-1111-1111-1111-111111111111").Join("resourceGroups", "rg-hub")
	subnet := hub.Resource("Microsoft.Network/virtualNetworks/subnets", "vnet", "snet-aks")
	nodes := azure.SubscriptionID("22222222-2222-2222-2222-222222222222").Join("resourceGroups", "MC_rg_aks")
	identity := azure.MustGUID("3f0c19e2-0000-0000-0000-000000000000")
	contributor, _ := rbac.BuiltInRole("Contributor")

	p := rbac.New(rbac.PutRole(*contributor),
		rbac.AddGrant(rbac.Grant{ID: nodes.Join("a"), Principal: identity, Role: contributor.ID, Scope: nodes}))
	join := rbac.Request{Principal: identity, Action: "Microsoft.Network/virtualNetworks/subnets/join/action", Scope: subnet}
	x := p.Explain(join)
	fmt.Println(x.Outcome)
	for _, c := range x.Grants {
		fmt.Println(c.Role.Name, "on", c.By.Scope.Name(), c.Reason)
	}

	fixed := p.With(rbac.AddGrant(rbac.Grant{ID: hub.Join("b"), Principal: identity, Role: contributor.ID, Scope: hub}))
	fmt.Println(fixed.Decide(join).Outcome, "by the assignment on", fixed.Decide(join).By.Scope.Name())
	fmt.Println(p.Decide(join).Outcome, "before")
	// Output:
	// NotGranted
	// Contributor on MC_rg_aks is for another scope
	// Granted by the assignment on rg-hub
	// NotGranted before
}
