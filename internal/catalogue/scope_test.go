package catalogue

import (
	"testing"

	"aksid/internal/azure"
)

func TestOn(t *testing.T) {
	const group = "/subscriptions/s/resourceGroups/g"
	for _, c := range []struct {
		scope  string
		action azure.Action
		want   string
	}{
		{group, "Microsoft.Network/loadBalancers/write", group + "/providers/Microsoft.Network/loadBalancers/any"},
		{group, "Microsoft.Network/loadBalancers/backendAddressPools/join/action", group + "/providers/Microsoft.Network/loadBalancers/any/backendAddressPools/any"},
		{group, "Microsoft.Resources/subscriptions/resourceGroups/read", group},
		{group + "/providers/Microsoft.Network/routeTables/t", "Microsoft.Network/routeTables/routes/read", group + "/providers/Microsoft.Network/routeTables/t"},
		{"/subscriptions/s", "Microsoft.Compute/disks/read", "/subscriptions/s"},
	} {
		if got := (Need{Scope: azure.MustID(c.scope)}).On(c.action); got.String() != c.want {
			t.Errorf("%s on %s: %s", c.action, c.scope, got)
		}
	}
}
