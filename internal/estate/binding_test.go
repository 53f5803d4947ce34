package estate

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"aksid/internal/azure"
)

func TestBindings(t *testing.T) {
	e := load(t, freight(t).live())
	c := e.Clusters[0]
	sets := e.ScaleSets(c)
	kubelet, _ := e.Actor(c, Kubelet, "")
	control, _ := e.Actor(c, ControlPlane, "")
	if len(sets) != 1 || !sets[0].HasIdentity(kubelet.Resource) || sets[0].HasIdentity(control.Resource) {
		t.Errorf("scale sets %v", sets)
	}
	if got := e.FederatedCredentials(control.Resource); len(got) != 1 || got[0].Subject != "system:serviceaccount:default:app" || got[0].Issuer != "https://issuer/" {
		t.Errorf("federated credentials %v", got)
	}
	if len(e.FederatedCredentials(kubelet.Resource)) != 0 || len(e.FederatedCredentials(azure.ID{})) != 0 {
		t.Error("another identity's federated credentials")
	}
	if got := e.Locks(); len(got) != 1 || got[0].ReadOnly || !got[0].Scope.Equal(nodeGroupID) {
		t.Errorf("locks %v", got)
	}
}

// Bindings that cannot be read are noted, and decide nothing.
func TestUnreadableBindings(t *testing.T) {
	f := freight(t)
	f.fail = func(r *http.Request) (int, string) {
		for _, end := range []string{"/locks", "/virtualMachineScaleSets", "/federatedIdentityCredentials"} {
			if strings.HasSuffix(r.URL.Path, end) {
				return http.StatusForbidden, "AuthorizationFailed"
			}
		}
		return 0, ""
	}
	e := load(t, f.live())
	for _, what := range []string{"locks of subscription Platform", "the scale sets of MC_rg-platform_freight-prod_westeurope", "the federated credentials of id-freight-aks"} {
		if !slices.ContainsFunc(e.Incomplete, func(i Incomplete) bool {
			return i.What == what && strings.Contains(i.Right, "/read on /subscriptions/")
		}) {
			t.Errorf("%s is not among %+v", what, e.Incomplete)
		}
	}
	if len(e.Locks()) != 0 {
		t.Error("locks")
	}
}
