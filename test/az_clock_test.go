package test

import (
	"strings"
	"testing"
)

// TestAzClock moves the clock of the local Azure, which az does not see: az judges tokens by the time of day.
func TestAzClock(t *testing.T) {
	c := newAz(t)
	const rg = "rg-clock"
	c.group(t, rg)
	scope := "/subscriptions/" + c.sub + "/resourceGroups/" + rg
	c.ok(t, "ad", "user", "create", "--display-name", "Ann", "--user-principal-name", "ann@example.org", "--password", "correct horse")
	c.ok(t, "role", "assignment", "create", "--assignee", "ann@example.org", "--role", "Reader", "--resource-group", rg)
	var sp newPrincipal
	c.json(t, &sp, "ad", "sp", "create-for-rbac", "--name", "certified", "--create-cert", "--years", "2", "--role", "Reader", "--scopes", scope)
	id := c.identity(t, rg, "id1")
	c.ok(t, "role", "assignment", "create", "--assignee", id.PrincipalID, "--role", "Reader", "--resource-group", rg)
	issuer := c.ok(t, "aks", "create", "--resource-group", rg, "--name", "aks1", "--no-ssh-key", "--enable-oidc-issuer", "--query", "oidcIssuerProfile.issuerUrl", "--output", "tsv")
	c.ok(t, "identity", "federated-credential", "create", "--resource-group", rg, "--identity-name", "id1", "--name", "cart",
		"--issuer", issuer, "--subject", "system:serviceaccount:shop:cart", "--audiences", "api://AzureADTokenExchange")

	const list, advance = "az group list --query [].name --output tsv\n", "advance 26h\n"
	advancing := func(script string) string { return strings.ReplaceAll(script, "advance", aksid+" clock advance") }
	ann := "az login --username ann@example.org --password 'correct horse' --output none\n"
	certified := "az login --service-principal --username " + sp.AppID + " --tenant " + sp.Tenant + " --password " + sp.FileWithCertAndPrivateKey + " --output none\n"
	pod := "az login --service-principal --username " + id.ClientID + " --tenant " + sp.Tenant + " --output none --federated-token "
	mint := "$(" + aksid + " token --cluster aks1 --service-account shop/cart)\n"
	for _, x := range []struct{ name, script, want string }{
		{"a user logs in afterwards, to a token whose end is by az's own clock", advance + ann + list + `at=$(az account get-access-token --query expiresOn --output tsv)
test $(date -d "$at" +%s) -le $(date -d '+2 hours' +%s) && echo soon`, rg + " soon"},
		{"a user's session goes on", ann + list + advance + list + "az ad signed-in-user show --query userPrincipalName --output tsv", rg + " " + rg + " ann@example.org"},
		{"a certificate is good until its end", advance + certified + list, rg},
		{"a service principal's token is not renewed by az, but a login gets another", certified + list + advance + "az group list 2>/dev/null || echo expired\n" + certified + list, rg + " expired " + rg},
		{"a pod's token of before is too old", "token=" + mint + advance + pod + "$token || echo refused\n" + pod + mint + list, "refused " + rg},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := c.shell(t, advancing(strings.ReplaceAll(x.script, advance, "advance 26h >/dev/null\n")))
			if got := strings.Join(strings.Fields(r.stdout), " "); r.code != 0 || got != x.want {
				t.Errorf("exit code %d, got %q, want %q\n%s", r.code, got, x.want, r.stderr)
			}
		})
	}
	for range 2 { // an identity's session too, and the operator's
		if r := c.exec(t, "mi:"+id.ID, "sh", "-ec", advancing(list+"advance 26h >/dev/null\n"+list)); r.stdout != rg+"\n"+rg+"\n" {
			t.Errorf("a machine: %+v", r)
		}
		c.ok(t, "group", "show", "--name", rg)
	}
}
