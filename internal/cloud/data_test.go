package cloud_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// dataRoles are built-in roles on data.
var dataRoles = map[string]string{
	"AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d", "AcrPush": "8311e382-0749-4cb8-b61a-304f252e45ec", "AcrDelete": "c2f4ef07-c644-48eb-af81-4b1b4947fb11",
	"Container Registry Repository Reader":      "b93aa761-3e63-49ed-ac28-beffa264f7ac",
	"Container Registry Repository Contributor": "2efddaa5-3f1f-4df3-97df-af3f13818f4c",
	"Key Vault Secrets User":                    "4633458b-17de-408a-b874-0445c86b69e6",
	"Key Vault Secrets Officer":                 "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
	"Key Vault Crypto User":                     "12338af0-0e69-4776-bea7-57ae8d297424",
	"Key Vault Crypto Officer":                  "14b46e9e-c2b7-41b4-b07b-48a6ebf60603",
	"Storage Queue Data Contributor":            "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
	"Storage Queue Data Message Processor":      "8a0f0c08-91a1-4084-bc3d-661d67233fed",
	"Storage Queue Data Message Sender":         "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
	"Storage Queue Data Reader":                 "19e7f393-937e-4f77-808e-94535e297925",
	"Owner":                                     "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
	"Contributor":                               "b24988ac-6180-42a0-ab88-20f7382dd24c",
}

// give gives one of dataRoles as the operator does, and returns the assignment's path.
func (w *world) give(principal, role, scope string) string {
	w.Helper()
	path := scope + "/providers/Microsoft.Authorization/roleAssignments/" + guid()
	w.operator.put(path, obj{"properties": obj{"principalId": principal, "roleDefinitionId": scope + "/providers/Microsoft.Authorization/roleDefinitions/" + dataRoles[role]}}).ok(201)
	return path
}

// transport reaches the local Azure over TLS under every host name that it serves, as its proxy does for programs.
func (w *world) transport() *http.Transport {
	w.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.handler.ServeHTTP(rw, r) }))
	srv.TLS, srv.Config.ErrorLog = w.cloud.TLS(), log.New(io.Discard, "", 0)
	srv.StartTLS()
	w.Cleanup(srv.Close)
	ca, err := os.ReadFile(filepath.Join(w.dir, "ca.pem"))
	if err != nil {
		w.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	t := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", srv.Listener.Addr().String())
		},
	}
	w.Cleanup(t.CloseIdleConnections)
	return t
}

// sdk are the options of the SDK's clients: they reach the local Azure and do not repeat what is refused.
func (w *world) sdk() policy.ClientOptions {
	w.Helper()
	return policy.ClientOptions{Transport: &http.Client{Transport: w.transport()}, Retry: policy.RetryOptions{MaxRetries: -1}}
}

// credential gets tokens for any audience. It is a credential of the SDK's clients.
type credential struct {
	w   *world
	get func(audience string) string
	mu  sync.Mutex
	had map[string]string
}

func (c *credential) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: c.token(strings.TrimSuffix(o.Scopes[0], "/.default")), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func (c *credential) token(audience string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.had == nil {
		c.had = map[string]string{}
	}
	if c.had[audience] == "" {
		c.had[audience] = c.get(audience)
	}
	return c.had[audience]
}

// as is the credential of a service principal: it gets another secret.
func (w *world) as(u *user) *credential {
	w.Helper()
	secret := w.operator.do("POST", "/v1.0/servicePrincipals/"+u.id+"/addPassword", obj{}).ok(200).str("secretText")
	return &credential{w: w, get: func(audience string) string {
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {u.app}, "client_secret": {secret}, "scope": {audience + "/.default"}}
		r := httptest.NewRequest("POST", "https://"+host+"/"+w.tenant+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return w.serve(r).ok(200).str("access_token")
	}}
}

// onMachine is the credential of the identity of a machine.
func (w *world) onMachine(id string) *credential {
	w.Helper()
	key, err := os.ReadFile(filepath.Join(w.dir, "admin.key"))
	if err != nil {
		w.Fatal(err)
	}
	return &credential{w: w, get: func(audience string) string {
		r := httptest.NewRequest("GET", "https://"+host+"/_aksid/v1/imds"+id+"/metadata/identity/oauth2/token?api-version=2018-02-01&resource="+url.QueryEscape(audience), nil)
		r.Header.Set("Metadata", "true")
		r.Header.Set("Aksid-Key", strings.TrimSpace(string(key)))
		return w.serve(r).ok(200).str("access_token")
	}}
}

// ask makes a call to a data plane with a token for its audience, or none for "". Headers are names and values.
func (c *credential) ask(audience, method, rawURL, body string, headers ...string) reply {
	c.w.Helper()
	r := httptest.NewRequest(method, rawURL, strings.NewReader(body))
	if audience != "" {
		r.Header.Set("Authorization", "Bearer "+c.token(audience))
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return c.w.serve(r)
}

// restart closes the local Azure and opens its folder again.
func (w *world) restart() {
	w.Helper()
	if err := w.cloud.Close(); err != nil {
		w.Fatal(err)
	}
	w.start()
}

// later moves the clock and logs the operator in again.
func (w *world) later(d time.Duration) {
	w.Helper()
	w.clock.Add(d)
	secret, app := w.secret()
	w.operator = &user{w: w, id: w.operator.id, app: app, token: w.login(app, secret)}
}
