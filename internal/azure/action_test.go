package azure

import (
	"strings"
	"testing"
)

func TestActionIs(t *testing.T) {
	for _, c := range []struct {
		a, b Action
		want bool
	}{
		{"Microsoft.Network/loadBalancers/write", "microsoft.network/LOADBALANCERS/Write", true},
		{"Microsoft.Network/loadBalancers/write", "Microsoft.Network/loadBalancers/writ", false},
		{"Microsoft.Network/loadBalancers/write", "Microsoft.Network/loadBalancers/reads", false},
		{"", "", true},
		{"\u212a/read", "k/read", false}, // the Kelvin sign
		{"@/read", "`/read", false},      // 0x40 and 0x60 differ like letters' cases do
		{"[/read", "{/read", false},
	} {
		if c.a.Is(c.b) != c.want || c.b.Is(c.a) != c.want || (c.a.Key() == c.b.Key()) != c.want {
			t.Errorf("%q is %q: %v, keys %q and %q; want %v", c.a, c.b, c.a.Is(c.b), c.a.Key(), c.b.Key(), c.want)
		}
	}
}

func TestActionType(t *testing.T) {
	for a, want := range map[Action]string{
		"Microsoft.Network/virtualNetworks/subnets/join/action":  "Microsoft.Network/virtualNetworks/subnets",
		"Microsoft.Network/virtualNetworks/subnets/JOIN/ACTION":  "Microsoft.Network/virtualNetworks/subnets",
		"Microsoft.Network/loadBalancers/write":                  "Microsoft.Network/loadBalancers",
		"Microsoft.ContainerRegistry/registries/pull/read":       "Microsoft.ContainerRegistry/registries/pull",
		"Microsoft.Resources/subscriptions/resourceGroups/read":  TypeResourceGroup,
		"Microsoft.ContainerService/managedClusters/transaction": "Microsoft.ContainerService/managedClusters",
		"read":    "read",
		"/action": "",
	} {
		if got := a.Type(); got != want {
			t.Errorf("%q is about %q, want %q", a, got, want)
		}
	}
}

func FuzzAction(f *testing.F) {
	f.Add("Microsoft.Network/loadBalancers/write", "MICROSOFT.NETWORK/x")
	f.Add("\u212a", "k")
	f.Add("é/READ", "É/read")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := Action(a), Action(b)
		if x.Is(y) != (x.Key() == y.Key()) || !x.Is(Action(x.Key())) || !x.HasPrefix(b) != !strings.HasPrefix(x.Key(), y.Key()) {
			t.Errorf("%q and %q have keys %q and %q", a, b, x.Key(), y.Key())
		}
		if x.Type() != "" && !x.HasPrefix(x.Type()) {
			t.Errorf("%q is about %q", a, x.Type())
		}
	})
}
