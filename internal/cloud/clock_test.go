package cloud_test

import (
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources/v3"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

// TestClientsOutliveTheClock: the SDK's clients hold tokens that are good by the time of day. When the clock was moved, they
// are asked for new ones and go on.
func TestClientsOutliveTheClock(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	rg := w.group(w.platform, "rg1")
	w.operator.run("PUT", rg+"/providers/Microsoft.KeyVault/vaults/freight-kv", w.vaultBody(nil)).ok(200)
	secret, app := w.secret()
	w.give(w.operator.id, "Key Vault Secrets Officer", rg)
	options := w.sdk()
	credential, err := azidentity.NewClientSecretCredential(w.tenant, app, secret, &azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	groups, err := armresources.NewResourceGroupsClient(w.platform[len("/subscriptions/"):], credential, &arm.ClientOptions{ClientOptions: options})
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := azsecrets.NewClient("https://freight-kv.vault.azure.net", credential, &azsecrets.ClientOptions{ClientOptions: options})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, err = groups.Get(ctx, "rg1", nil)
		wantCode(t, "ok", err)
		_, err = secrets.SetSecret(ctx, "db", azsecrets.SetSecretParameters{Value: to.Ptr("hunter2")}, nil)
		wantCode(t, "ok", err)
		w.admin("POST", "clock", obj{"by": "26h"}).ok(200)
		_, err = groups.Get(ctx, "rg1", nil)
		wantCode(t, "ok", err)
		_, err = secrets.GetSecret(ctx, "db", "", nil)
		wantCode(t, "ok", err)
	}
	const asked = `error="insufficient_claims"`
	old := w.operator.get(rg).ok(401)
	if old.refused(401, "ExpiredAuthenticationToken"); !strings.Contains(old.header.Get("Www-Authenticate"), asked) {
		t.Errorf("the challenge is %s", old.header)
	}
	w.clock.Add(2 * time.Hour)
	if old = w.operator.get(rg).ok(401); strings.Contains(old.header.Get("Www-Authenticate"), asked) {
		t.Errorf("the challenge to one who sees the token's end is %s", old.header)
	}
}
