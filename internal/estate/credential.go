package estate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"aksid/internal/azure"
	"aksid/internal/local"
)

// Refused says that nothing could be read because of the caller's credential or rights.
type Refused struct {
	Message string
	Cause   error
}

func (e *Refused) Error() string { return e.Message }
func (e *Refused) Unwrap() error { return e.Cause }

// Final reports whether it is of no use to ask again: the service has understood what was asked, and does not answer it.
func (e *Refused) Final() bool {
	r, ok := errors.AsType[*azcore.ResponseError](e.Cause)
	return ok && r.StatusCode >= 400 && r.StatusCode < 500 && r.StatusCode != http.StatusTooManyRequests && r.StatusCode != http.StatusUnauthorized
}

// refusal explains a failed read without which there is no answer at all.
func refusal(what, right string, err error) error {
	var r *Refused
	switch {
	case errors.Is(err, context.Canceled), errors.As(err, &r):
		return err
	case isStatus(err, http.StatusForbidden):
		return &Refused{fmt.Sprintf("%s cannot be read (%s); it takes %s there, which the role Reader has", what, why(err), right), err}
	}
	return &Refused{fmt.Sprintf("%s cannot be read: %s", what, why(err)), err}
}

// UserCredential is the user's own credential: environment, workload identity, managed identity, az and azd
// (azidentity's DefaultAzureCredential). tenant may be "".
func UserCredential(c azure.Cloud, tenant string) (azcore.TokenCredential, error) {
	_, known := azure.CloudOfAuthority(c.Authority)
	cred, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
		ClientOptions: policy.ClientOptions{Cloud: configuration(c)}, TenantID: tenant,
		DisableInstanceDiscovery: !known, // the public instance knows nothing of an authority of one's own
	})
	return explained{cred, "there is no credential for Azure; run az login, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"}, err
}

// LocalAzure is a source for a running local Azure, read as its operator.
func LocalAzure(a *local.Azure) (Live, error) {
	return localAzure(a, func(o policy.ClientOptions) (azcore.TokenCredential, error) { return localSecret(a, a.Operator, o) })
}

// LocalAzureAs is the same, read as whoever an environment says, as aksid exec --as sets it; the operator where it says nobody.
func LocalAzureAs(a *local.Azure, getenv func(string) string) (Live, error) {
	if getenv("AZURE_TENANT_ID") != a.Tenant.String() {
		return LocalAzure(a)
	}
	client, err := azure.ParseGUID(getenv("AZURE_CLIENT_ID"))
	secret, file := getenv("AZURE_CLIENT_SECRET"), getenv("AZURE_FEDERATED_TOKEN_FILE")
	return localAzure(a, func(o policy.ClientOptions) (azcore.TokenCredential, error) {
		switch {
		case err == nil && file != "":
			return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
				ClientOptions: o, ClientID: client.String(), TenantID: a.Tenant.String(), TokenFilePath: file, DisableInstanceDiscovery: true})
		case err == nil && secret != "":
			return localSecret(a, local.Credential{ClientID: client, Tenant: a.Tenant, Secret: secret}, o)
		}
		return azidentity.NewManagedIdentityCredential(nil) // whose metadata address the proxy of aksid exec answers
	})
}

func localSecret(a *local.Azure, c local.Credential, o policy.ClientOptions) (azcore.TokenCredential, error) {
	return azidentity.NewClientSecretCredential(a.Tenant.String(), c.ClientID.String(), c.Secret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
}

func localAzure(a *local.Azure, credential func(policy.ClientOptions) (azcore.TokenCredential, error)) (Live, error) {
	c := a.Cloud()
	client := a.Client()
	cred, err := credential(policy.ClientOptions{Cloud: configuration(c), Transport: client})
	live := Live{
		From: "local", Cloud: c, Transport: client,
		Credential: explained{cred, "the local Azure does not accept the credential of " + a.Operator.ClientID.String() + "; if that is its operator, start it again with: aksid up --data " + a.Dir},
	}
	for _, s := range a.Subscriptions {
		live.Subscriptions = append(live.Subscriptions, Subscription{ID: s.ID, Name: s.Name, Tenant: a.Tenant.String()})
	}
	return live, err
}

// explained is a credential whose failures say what to do.
type explained struct {
	azcore.TokenCredential
	hint string // for when there is none
}

// aadsts is Entra's own word for a refusal, up to the trace ids behind it.
var aadsts = regexp.MustCompile(`AADSTS\d+: [^"\\\r\n]*?(?: Trace ID|["\\\r\n]|$)`)

// GetToken implements azcore.TokenCredential.
func (c explained) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	t, err := c.TokenCredential.GetToken(ctx, o)
	if err == nil || ctx.Err() != nil {
		return t, err
	}
	if word := aadsts.FindString(err.Error()); word != "" {
		word = strings.TrimRight(strings.TrimSuffix(word, " Trace ID"), "\"\\\r\n ")
		return t, &Refused{"Entra refuses the credential: " + word, err}
	}
	return t, &Refused{c.hint, err}
}
