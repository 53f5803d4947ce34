package cloud_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"aksid/internal/cloud"
)

// pod mints the token of a service account of a cluster, as the kubelet does.
func (c *cluster) pod(namespace, name string) string {
	c.w.Helper()
	return c.w.admin("POST", "token", obj{"cluster": c.id, "namespace": namespace, "name": name, "audience": "api://AzureADTokenExchange", "seconds": 3600}).ok(200).str("token")
}

// exchange gives Entra a federated token for one of a client id.
func (w *world) exchange(client, assertion string) reply {
	w.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_assertion": {assertion}, "scope": {"https://" + host + "//.default"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
	r := httptest.NewRequest("POST", "https://"+host+"/"+w.tenant+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.serve(r)
}

// aadsts is the code of a refusal by Entra, "" for a token.
func (r reply) aadsts() string {
	code, _, _ := strings.Cut(r.str("error_description"), ":")
	return code
}

// TestWorkloadIdentity lets a pod act as a user-assigned identity, from the cluster's issuer to a call of Resource Manager.
func TestWorkloadIdentity(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	c := w.cluster(rg, "c1")
	c.put(system, obj{"securityProfile": obj{"workloadIdentity": obj{"enabled": true}}}).refused(400, "BadRequest", "OIDC issuer")
	plain := c.put(system, nil).ok(200)
	if plain.at("properties.oidcIssuerProfile.enabled") != false || plain.at("properties.oidcIssuerProfile.issuerURL") != nil {
		t.Errorf("an issuer that nobody wanted: %s", plain.raw)
	}
	w.admin("POST", "token", obj{"cluster": c.id, "namespace": "n", "name": "s", "audience": "a", "seconds": 3600}).ok(400)
	on := c.update(nil, obj{"oidcIssuerProfile": obj{"enabled": true}, "securityProfile": obj{"workloadIdentity": obj{"enabled": true}}}).ok(200)
	issuer := on.str("properties.oidcIssuerProfile.issuerURL")
	if !strings.HasPrefix(issuer, "https://westeurope.oic.prod-aks.azure.com/"+w.tenant+"/") || !strings.HasSuffix(issuer, "/") {
		t.Fatalf("the issuer is %q", issuer)
	}
	if again := c.update(nil, obj{"oidcIssuerProfile": obj{"enabled": true}}).ok(200).str("properties.oidcIssuerProfile.issuerURL"); again != issuer {
		t.Errorf("the issuer changed to %q", again)
	}
	c.update(nil, obj{"oidcIssuerProfile": obj{"enabled": false}}).refused(400, "OIDCIssuerFeatureCannotBeDisabled", "OIDC issuer feature cannot be disabled.")
	for _, path := range []string{".well-known/openid-configuration", "openid/v1/jwks"} {
		w.serve(httptest.NewRequest("GET", issuer+path, nil)).ok(200)
	}
	newer := w.cluster(rg, "c34")
	if r := newer.put(system, obj{"kubernetesVersion": "1.34.1"}).ok(200); r.str("properties.oidcIssuerProfile.issuerURL") == "" {
		t.Errorf("1.34 has no issuer by itself: %s", r.raw)
	}

	id, principal, client := w.identity(rg, "cart")
	if code := w.exchange(client, c.pod("shop", "cart")).aadsts(); code != "AADSTS70025" {
		t.Errorf("without a federated credential: %s", code)
	}
	fic := id + "/federatedIdentityCredentials/cart"
	body := obj{"properties": obj{"issuer": issuer, "subject": "system:serviceaccount:shop:cart", "audiences": []string{"api://AzureADTokenExchange"}}}
	made := op.put(fic, body).ok(201)
	if made.str("type") != "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials" || made.str("properties.issuer") != issuer {
		t.Errorf("the federated credential is %s", made.raw)
	}
	op.put(fic, body).ok(200)
	got := w.exchange(client, c.pod("shop", "cart")).ok(200)
	pod := &user{w: w, token: got.str("access_token")}
	pod.get(rg).refused(403, "AuthorizationFailed", principal)
	w.grant(principal, "Reader", rg)
	pod.get(rg).ok(200)
	for name, code := range map[string]string{"other": "AADSTS700213", "cart": ""} {
		if r := w.exchange(client, c.pod("shop", name)); r.aadsts() != code {
			t.Errorf("%s: %s", name, r.raw)
		}
	}
	if code := w.exchange(client, newer.pod("shop", "cart")).aadsts(); code != "AADSTS700211" {
		t.Errorf("the same service account of another cluster: %s", code)
	}
	w.clock.Add(2 * time.Hour)
	op.renew()
	old := c.pod("shop", "cart")
	w.clock.Add(2 * time.Hour)
	op.renew()
	if code := w.exchange(client, old).aadsts(); code != "AADSTS700024" {
		t.Errorf("a token read too late: %s", code)
	}
	op.delete(fic).ok(200)
	op.delete(fic).ok(204)
	if code := w.exchange(client, c.pod("shop", "cart")).aadsts(); code != "AADSTS70025" {
		t.Errorf("after the federated credential was removed: %s", code)
	}
	op.put(fic, body).ok(201)
	last := c.pod("shop", "cart")
	if r := op.run("DELETE", c.id, nil); r.status > 299 {
		t.Fatal(r.raw)
	}
	if code := w.exchange(client, last).aadsts(); code != "AADSTS90061" {
		t.Errorf("the issuer of a deleted cluster: %s", code)
	}
	w.serve(httptest.NewRequest("GET", issuer+"openid/v1/jwks", nil)).ok(404)
	op.delete(id).ok(200)
	op.get(fic).refused(404, "ResourceNotFound")
}

// TestFederatedCredentials validates them.
func TestFederatedCredentials(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg1")
	id, _, _ := w.identity(rg, "id1")
	put := func(name string, change obj) reply {
		t.Helper()
		p := obj{"issuer": "https://issuer/", "subject": "s-" + name, "audiences": []string{"a"}}
		for k, v := range change {
			p[k] = v
		}
		return w.operator.put(id+"/federatedIdentityCredentials/"+name, obj{"properties": p})
	}
	put("x", nil).refused(400, "BadRequest", "Federated Identity Credential name 'x' is invalid.")
	put("-abc", nil).refused(400, "BadRequest", "Federated Identity Credential name '-abc' is invalid.")
	put(strings.Repeat("a", 121), nil).refused(400, "BadRequest", "is invalid.")
	put("abc", obj{"issuer": ""}).refused(400, "BadRequest", "Federated Identity Credential from HTTP body has empty properties")
	put("abc", obj{"audiences": nil}).refused(400, "BadRequest", "empty properties")
	put("abc", obj{"audiences": []string{"a", "b"}}).refused(400, "BadRequest", "Federated identity credentials must have exactly one audience.")
	put("abc", obj{"audiences": []string{}}).refused(400, "BadRequest", "exactly one audience")
	w.operator.put(rg+"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/none/federatedIdentityCredentials/abc", obj{"properties": obj{}}).refused(404, "ParentResourceNotFound")
	for i := range 20 {
		put(fmt.Sprintf("fic-%d", i), nil).ok(201)
	}
	put("fic-20", nil).refused(400, "BadRequest", "Too many Federated Identity Credentials")
	put("fic-3", obj{"subject": "another"}).ok(200)
	put("fic-4", obj{"subject": "another"}).refused(409, "Conflict", "Issuer and subject combination already exists for this Managed Identity.")
	if n := len(w.operator.get(id + "/federatedIdentityCredentials").ok(200).list("name")); n != 20 {
		t.Errorf("%d federated credentials", n)
	}
	other, _, _ := w.identity(rg, "id2")
	w.operator.put(other+"/federatedIdentityCredentials/fic-3", obj{"properties": obj{"issuer": "https://issuer/", "subject": "another", "audiences": []string{"a"}}}).ok(201)
	reader := w.application("reader")
	w.grant(reader.id, "Reader", rg)
	reader.put(id+"/federatedIdentityCredentials/fic-3", obj{"properties": obj{}}).refused(403, "AuthorizationFailed", "'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write'")
}

// TestFederatedPropagation lets a federated credential count only after a while, with Entra's older words until then.
func TestFederatedPropagation(t *testing.T) {
	w := newWorld(t, func(c *cloud.Config) { c.Propagation = 30 * time.Second })
	w.clock.Add(time.Minute)
	rg := w.group(w.platform, "rg1")
	c := w.cluster(rg, "c1")
	issuer := c.put(system, obj{"oidcIssuerProfile": obj{"enabled": true}}).ok(200).str("properties.oidcIssuerProfile.issuerURL")
	id, _, client := w.identity(rg, "cart")
	w.operator.put(id+"/federatedIdentityCredentials/cart", obj{"properties": obj{"issuer": issuer, "subject": "system:serviceaccount:shop:cart", "audiences": []string{"api://AzureADTokenExchange"}}}).ok(201)
	app := w.operator.do("POST", "/v1.0/applications", obj{"displayName": "app"}).ok(201)
	w.operator.do("POST", "/v1.0/servicePrincipals", obj{"appId": app.str("appId")}).ok(201)
	w.operator.do("POST", "/v1.0/applications/"+app.str("id")+"/federatedIdentityCredentials", obj{"name": "cart", "issuer": issuer, "subject": "system:serviceaccount:shop:cart", "audiences": []string{"api://AzureADTokenExchange"}}).ok(201)
	for _, who := range []string{client, app.str("appId")} {
		if code := w.exchange(who, c.pod("shop", "cart")).aadsts(); code != "AADSTS70021" {
			t.Errorf("at once: %s", code)
		}
	}
	w.clock.Add(31 * time.Second)
	for _, who := range []string{client, app.str("appId")} {
		w.exchange(who, c.pod("shop", "cart")).ok(200)
	}
}

// TestServiceAccountTokens refuses what no cluster would sign.
func TestServiceAccountTokens(t *testing.T) {
	w := newWorld(t)
	c := w.cluster(w.group(w.platform, "rg1"), "c1")
	c.put(system, obj{"oidcIssuerProfile": obj{"enabled": true}}).ok(200)
	good := obj{"cluster": c.id, "namespace": "shop", "name": "cart", "audience": "a", "seconds": 3600}
	for member, value := range map[string]any{"cluster": c.id + "x", "namespace": "Shop", "name": "a/b", "audience": "", "seconds": 60} {
		body := obj{}
		for k, v := range good {
			body[k] = v
		}
		body[member] = value
		w.admin("POST", "token", body).ok(400)
	}
	w.admin("POST", "token", good).ok(200)
	b, _ := json.Marshal(good)
	w.serve(httptest.NewRequest("POST", "https://"+host+"/_aksid/v1/token", strings.NewReader(string(b)))).ok(401)
}
