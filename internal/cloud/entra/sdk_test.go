package entra

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

// TestClientSecretCredential: the Go SDK's credential gets a token that ARM's door accepts, and says why it gets none.
func TestClientSecretCredential(t *testing.T) {
	te := newTester(t)
	url, client := te.serve()
	get := func(tenant, id, secret string) (string, error) {
		c, err := azidentity.NewClientSecretCredential(tenant, id, secret, &azidentity.ClientSecretCredentialOptions{
			ClientOptions: azcore.ClientOptions{Transport: client, Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: url},
				Retry: policy.RetryOptions{MaxRetries: -1}},
			DisableInstanceDiscovery: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		token, err := c.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}})
		return token.Token, err
	}
	token, err := get(tenant.String(), reader.AppID.String(), te.secrets["reader"])
	if err != nil {
		t.Fatal(err)
	}
	if e := te.atARM("Bearer " + token); e != nil {
		t.Error(e)
	}
	for _, c := range []struct {
		name, tenant, id, secret, want string
	}{
		{"wrong secret", tenant.String(), reader.AppID.String(), "x", "AADSTS7000215"},
		{"expired secret", tenant.String(), reader.AppID.String(), te.secrets["expired"], "AADSTS7000222"},
		{"unknown client", tenant.String(), guid("99").String(), "x", "AADSTS700016"},
		{"disabled principal", tenant.String(), disabled.AppID.String(), te.secrets["disabled"], "AADSTS7000112"},
		{"unknown tenant", "11111111-2222-3333-4444-555555555555", reader.AppID.String(), te.secrets["reader"], "AADSTS90002"},
	} {
		if _, err := get(c.tenant, c.id, c.secret); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

// machineTransport sends what is for the metadata service's address to a handler, as a machine's network does.
type machineTransport struct{ handler http.Handler }

func (m machineTransport) Do(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "169.254.169.254" {
		return nil, errors.New("a request to " + r.URL.Host)
	}
	w := httptest.NewRecorder()
	m.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

// TestManagedIdentityCredential: the same for the identities of a machine.
func TestManagedIdentityCredential(t *testing.T) {
	te := newTester(t)
	te.update(func(tx store.Tx) error {
		for _, name := range []string{"all", "two", "none"} {
			if err := tx.Put(store.Doc{Kind: directory.KindResource, Key: machines[name].id.Key(), Body: []byte(machines[name].body)}); err != nil {
				return err
			}
		}
		return nil
	})
	for _, c := range []struct {
		name    string
		machine azure.ID
		id      azidentity.ManagedIDKind
		want    azure.PrincipalID // zero: an error
		text    string
	}{
		{"system-assigned", machines["all"].id, nil, system.ID, ""},
		{"by client id", machines["all"].id, azidentity.ClientID(user1.AppID.String()), user1.ID, ""},
		{"by object id", machines["all"].id, azidentity.ObjectID(user2.ID.String()), user2.ID, ""},
		{"by resource id", machines["all"].id, azidentity.ResourceID(user2.Resource.String()), user2.ID, ""},
		{"several", machines["two"].id, nil, azure.PrincipalID{}, "Multiple user assigned identities exist"},
		{"none", machines["none"].id, nil, azure.PrincipalID{}, "Identity not found"},
		{"not attached", machines["two"].id, azidentity.ClientID(system.AppID.String()), azure.PrincipalID{}, "isn't assigned to this resource"},
	} {
		t.Run(c.name, func(t *testing.T) {
			credential, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{
				ID: c.id, ClientOptions: azcore.ClientOptions{Transport: machineTransport{te.IMDS(c.machine)}, Retry: policy.RetryOptions{MaxRetries: -1}},
			})
			if err != nil {
				t.Fatal(err)
			}
			token, err := credential.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}})
			if c.want.IsZero() {
				if err == nil || !strings.Contains(err.Error(), c.text) {
					t.Errorf("error %v, want %s", err, c.text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(decoded(t, strings.Split(token.Token, ".")[1]), c.want.String()) {
				t.Errorf("a token of another identity than %s", c.want)
			}
			if e := te.atARM("Bearer " + token.Token); e != nil {
				t.Error(e)
			}
		})
	}
}
