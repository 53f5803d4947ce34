package azure

import "testing"

func TestOperations(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range Operations() {
		if a.Type() == "" || seen[a.Key()] {
			t.Errorf("%q is no operation, or is there twice", a)
		}
		seen[a.Key()] = true
	}
	for _, a := range []Action{"Microsoft.Network/virtualNetworks/subnets/join/action", "Microsoft.ContainerRegistry/registries/pull/read"} {
		if !seen[a.Key()] {
			t.Errorf("%s is not among them", a)
		}
	}
}
