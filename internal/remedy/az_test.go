package remedy

import (
	"os/exec"
	"strings"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

func TestAz(t *testing.T) {
	subnet := azure.MustID("/subscriptions/s/resourceGroups/rg (1)/providers/Microsoft.Network/virtualNetworks/v/subnets/s")
	cluster := azure.MustID("/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/c")
	for _, c := range []struct {
		change estate.Change
		want   string
	}{
		{estate.Assign{Role: "Network Contributor", Principal: azure.MustGUID("3f0c19e2-0000-0000-0000-000000000001"), PrincipalType: "ServicePrincipal", Scope: subnet},
			`az role assignment create --assignee-object-id 3f0c19e2-0000-0000-0000-000000000001 --assignee-principal-type ServicePrincipal --role "Network Contributor" --scope "/subscriptions/s/resourceGroups/rg (1)/providers/Microsoft.Network/virtualNetworks/v/subnets/s"`},
		{estate.Unassign{ID: azure.MustID("/subscriptions/s/providers/Microsoft.Authorization/roleAssignments/x")},
			`az role assignment delete --ids /subscriptions/s/providers/Microsoft.Authorization/roleAssignments/x`},
		{estate.Unlock{ID: azure.MustID("/subscriptions/s/providers/Microsoft.Authorization/locks/x")},
			`az lock delete --ids /subscriptions/s/providers/Microsoft.Authorization/locks/x`},
		{estate.Defederate{ID: azure.MustID("/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i/federatedIdentityCredentials/f")},
			`az identity federated-credential delete --yes --name f --identity-name i --resource-group g --subscription s`},
		{estate.Federate{Identity: azure.MustID("/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"), Name: "ns-app", Issuer: "https://i/", Subject: "system:serviceaccount:ns:app"},
			`az identity federated-credential create --name ns-app --identity-name i --resource-group g --subscription s --issuer https://i/ --subject system:serviceaccount:ns:app`},
		{estate.Reconcile{Cluster: cluster}, `az aks update --name c --resource-group rg --subscription s`},
		{estate.UseManagedIdentity{Cluster: cluster, Pools: []string{"system"}},
			"az aks update --enable-managed-identity --name c --resource-group rg --subscription s\n" +
				"az aks nodepool upgrade --node-image-only --name system --cluster-name c --resource-group rg --subscription s"},
	} {
		if got := strings.Join(Az(c.change), "\n"); got != c.want {
			t.Errorf("%+v:\n%s, want\n%s", c.change, got, c.want)
		}
	}
}

// Whatever a name holds, a shell hands it to az as it is.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "plain", "Network Contributor", "$(reboot)", "`x`", `a"b`, "it's", `\`, "!x", "a\nb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Contains(s, "\x00") {
			return
		}
		out, err := exec.Command("sh", "-c", "printf %s "+Quote(s)).Output()
		if err != nil || string(out) != s {
			t.Errorf("%q became %q, %v", s, out, err)
		}
	})
}
