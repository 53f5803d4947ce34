package local

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"aksid/internal/azure"
)

// ServiceAccount is a service account of a cluster, for whose pods a token is asked.
type ServiceAccount struct {
	Cluster   azure.ID `json:"cluster"`
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	Audience  string   `json:"audience"`
	Seconds   int      `json:"seconds"` // how long the token is good
}

// TokenExchange is the audience of tokens that are to be exchanged at Entra.
const TokenExchange = "api://AzureADTokenExchange"

// ProjectedToken is a service account's token as the kubelet projects it into a pod.
type ProjectedToken struct {
	Token   string    `json:"token"`
	Issuer  string    `json:"issuer"`
	Subject string    `json:"subject"`
	Expires time.Time `json:"expires"`
}

// ServiceAccountToken mints the token that a pod of a service account has.
func (a *Azure) ServiceAccountToken(ctx context.Context, s ServiceAccount) (ProjectedToken, error) {
	var t ProjectedToken
	return t, a.admin(ctx, http.MethodPost, "/token", s, &t)
}

// FederatedToken is Token with a federated token in place of a secret.
func (a *Azure) FederatedToken(ctx context.Context, client azure.GUID, assertion string) (string, error) {
	return a.FederatedTokenFor(ctx, client, assertion, a.Cloud().Audience)
}

// FederatedTokenFor is FederatedToken for another service, as https://vault.azure.net.
func (a *Azure) FederatedTokenFor(ctx context.Context, client azure.GUID, assertion, resource string) (string, error) {
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {client.String()}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "scope": {resource + "/.default"},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL+"/"+a.Tenant.String()+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return a.token(req)
}

// Clusters are the managed clusters of the subscriptions that the holder of a token may see.
func (a *Azure) Clusters(ctx context.Context, token string) ([]azure.ID, error) {
	subscriptions, err := a.VisibleSubscriptions(ctx, token)
	if err != nil {
		return nil, err
	}
	var all []azure.ID
	for _, sub := range subscriptions {
		var page struct{ Value []struct{ ID azure.ID } }
		path := "/subscriptions/" + sub + "/providers/Microsoft.ContainerService/managedClusters?api-version=2024-09-01"
		if err := a.Call(ctx, token, http.MethodGet, path, nil, &page); err != nil {
			return nil, err
		}
		for _, c := range page.Value {
			all = append(all, c.ID)
		}
	}
	return all, nil
}
