package entra

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

var (
	certKey  = sync.OnceValue(func() *rsa.PrivateKey { k, _ := rsa.GenerateKey(rand.Reader, 2048); return k })
	otherKey = sync.OnceValue(func() *rsa.PrivateKey { k, _ := rsa.GenerateKey(rand.Reader, 2048); return k })
)

// newCert is a self-signed certificate of certKey, good for a year.
func newCert(t testing.TB, from time.Time) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(from.UnixNano()), Subject: pkix.Name{CommonName: "client"}, NotBefore: from, NotAfter: from.AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, certKey().Public(), certKey())
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// signJWT signs claims with a key and header.
func signJWT(t testing.TB, private *rsa.PrivateKey, alg jose.SignatureAlgorithm, header, claims map[string]any) string {
	t.Helper()
	o := (&jose.SignerOptions{}).WithType("JWT")
	for k, v := range header {
		o.WithHeader(jose.HeaderKey(k), v)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: private}, o)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// tokenAnswer is an answer of a token endpoint.
type tokenAnswer struct {
	status      int
	Token       string `json:"access_token"`
	Error       string
	Description string `json:"error_description"`
	raw         string
}

// post asks a token endpoint.
func (te *tester) post(path string, form url.Values) tokenAnswer {
	te.t.Helper()
	w := call(te.Handler(), "POST", path, "", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, form.Encode())
	a := tokenAnswer{status: w.Code, raw: w.Body.String()}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		te.t.Fatalf("%v in %s", err, w.Body)
	}
	return a
}

// assert logs in with an assertion.
func (te *tester) assert(app azure.GUID, assertion string) tokenAnswer {
	te.t.Helper()
	return te.post("/"+tenant.String()+"/oauth2/v2.0/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {app.String()},
		"client_assertion_type": {assertionType}, "client_assertion": {assertion}, "scope": {"https://" + host + "/.default"}})
}

// want compares an answer with a code of Entra, "" for a token, and with words of its text.
func (a tokenAnswer) want(t *testing.T, name, code string, words ...string) {
	t.Helper()
	if code == "" && a.Token == "" || code != "" && !strings.HasPrefix(a.Description, code+": ") {
		t.Errorf("%s: %d %s, want %q", name, a.status, a.raw, code)
	}
	for _, w := range words {
		if !strings.Contains(a.Description, w) {
			t.Errorf("%s: no %q in %s", name, w, a.Description)
		}
	}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// TestCertificates logs in with assertions that a client signed, good ones and those that are wrong in one thing.
func TestCertificates(t *testing.T) {
	te := newTester(t)
	now := start.Add(time.Hour)
	te.setClock(now)
	good, old := newCert(t, start.AddDate(0, -1, 0)), newCert(t, start.AddDate(-2, 0, 0))
	var all []directory.Certificate
	for _, x := range []*x509.Certificate{good, old} {
		c, err := directory.NewCertificate("", x.Raw, time.Time{}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	te.update(func(tx store.Tx) error {
		p := reader
		p.Certificates = all[1:]
		if err := directory.PutApp(tx, directory.App{ID: guid("52"), AppID: reader.AppID, DisplayName: "reader", Certificates: all[:1]}); err != nil {
			return err
		}
		return directory.Put(tx, p)
	})
	thumbprint := func(c *x509.Certificate) string { sum := sha1.Sum(c.Raw); return b64(sum[:]) }
	app := reader.AppID.String()
	claims := func(change map[string]any) map[string]any {
		c := map[string]any{"iss": app, "sub": app, "aud": "https://" + host + "/" + tenant.String() + "/oauth2/v2.0/token", "jti": "1",
			"nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(10 * time.Minute).Unix()}
		for k, v := range change {
			c[k] = v
		}
		return c
	}
	sum := sha256.Sum256(good.Raw)
	for _, c := range []struct {
		name   string
		key    *rsa.PrivateKey
		alg    jose.SignatureAlgorithm
		header map[string]any
		claims map[string]any
		code   string
		words  []string
	}{
		{"RS256 and x5t", certKey(), jose.RS256, map[string]any{"x5t": thumbprint(good)}, claims(nil), "", nil},
		{"PS256 and x5t#S256", certKey(), jose.PS256, map[string]any{"x5t#S256": b64(sum[:])}, claims(nil), "", nil},
		{"padded x5t", certKey(), jose.RS256, map[string]any{"x5t": thumbprint(good) + "="}, claims(nil), "", nil},
		{"for /adfs", certKey(), jose.RS256, map[string]any{"x5t": thumbprint(good)}, claims(map[string]any{"aud": "https://" + host + "/adfs/oauth2/token"}), "", nil},
		{"for Azure's name", certKey(), jose.RS256, map[string]any{"x5t": thumbprint(good)}, claims(map[string]any{"aud": "https://login.microsoftonline.com/" + tenant.String() + "/v2.0"}), "", nil},
		{"unknown certificate", certKey(), jose.RS256, map[string]any{"x5t": b64(make([]byte, 20))}, claims(nil), "AADSTS700027",
			[]string{"is not registered on application. [Reason - The key was not found., Thumbprint of key used by client: '" + strings.Repeat("0", 40) + "'", "configured keys for app Id '" + app + "'"}},
		{"no certificate named", certKey(), jose.RS256, nil, claims(nil), "AADSTS700027", nil},
		{"expired certificate", certKey(), jose.RS256, map[string]any{"x5t": thumbprint(old)}, claims(nil), "AADSTS700027", []string{"The key used is expired.", "Found key 'Start=03/01/2024 12:00:00, End=03/01/2025 12:00:00'"}},
		{"another key", otherKey(), jose.RS256, map[string]any{"x5t": thumbprint(good)}, claims(nil), "AADSTS700027", []string{"Client assertion failed signature validation."}},
		{"another algorithm", certKey(), jose.RS512, map[string]any{"x5t": thumbprint(good)}, claims(nil), "AADSTS700027", []string{"Client assertion failed signature validation."}},
		{"another issuer", certKey(), jose.RS256, map[string]any{"x5t": thumbprint(good)}, claims(map[string]any{"iss": operator.AppID.String()}), "AADSTS700021", nil},
		{"another subject", certKey(), jose.RS256, map[string]any{"x5t": thumbprint(good)}, claims(map[string]any{"sub": operator.AppID.String()}), "AADSTS700021", nil},
		{"another audience", certKey(), jose.RS256, map[string]any{"x5t": thumbprint(good)}, claims(map[string]any{"aud": "https://example.org/"}), "AADSTS700023", nil},
		{"another tenant", certKey(), jose.RS256, map[string]any{"x5t": thumbprint(good)}, claims(map[string]any{"aud": "https://login.microsoftonline.com/" + guid("ee").String() + "/oauth2/v2.0/token"}), "AADSTS700023", nil},
		{"expired", certKey(), jose.RS256, map[string]any{"x5t": thumbprint(good)}, claims(map[string]any{"exp": now.Unix()}), "AADSTS700024",
			[]string{"Current time: 2026-03-01T13:00:00.0000000Z, assertion valid from 2026-03-01T12:59:00.0000000Z, expiry time of assertion 2026-03-01T13:00:00.0000000Z."}},
		{"early", certKey(), jose.RS256, map[string]any{"x5t": thumbprint(good)}, claims(map[string]any{"nbf": now.Add(time.Hour).Unix()}), "AADSTS700024", nil},
	} {
		te.assert(reader.AppID, signJWT(t, c.key, c.alg, c.header, c.claims)).want(t, c.name, c.code, c.words...)
	}
	token := te.assert(reader.AppID, signJWT(t, certKey(), jose.RS256, map[string]any{"x5t": thumbprint(good)}, claims(nil))).Token
	if !strings.Contains(decoded(t, strings.Split(token, ".")[1]), `"appidacr":"2"`) {
		t.Error("the token does not say that a certificate was used")
	}
	te.assert(disabled.AppID, signJWT(t, certKey(), jose.RS256, nil, claims(nil))).want(t, "disabled", "AADSTS7000112")
	te.assert(guid("ff"), signJWT(t, certKey(), jose.RS256, nil, claims(nil))).want(t, "unknown", "AADSTS700016")
	for name, text := range map[string]string{"none": ".", "two parts": "e30.e30", "no JSON": "eA.eA.x", "huge": strings.Repeat("x", maxToken) + ".x.x", "claims of other types": "e30." + b64([]byte(`{"iss":7}`)) + ".x"} {
		te.assert(reader.AppID, text).want(t, name, "AADSTS50027")
	}
}

const issuerURL = "https://westeurope.oic.prod-aks.azure.com/00000000-0000-0000-0000-0000000000aa/00000000-0000-0000-0000-0000000000f1/"

// addCluster puts a cluster with an issuer into the store.
func (te *tester) addCluster(name, issuer string) azure.ID {
	te.t.Helper()
	id := rg.Resource("Microsoft.ContainerService/managedClusters", name)
	te.update(func(tx store.Tx) error {
		body := fmt.Sprintf(`{"id":%q,"properties":{"oidcIssuerProfile":{"enabled":true,"issuerURL":%q}}}`, id, issuer)
		return tx.Put(store.Doc{Kind: directory.KindResource, Key: id.Key(), Refs: []string{directory.IssuerRef(issuer)}, Body: []byte(body)})
	})
	return id
}

// federate gives user1 federated credentials.
func (te *tester) federate(all ...directory.Federation) {
	te.t.Helper()
	te.update(func(tx store.Tx) error {
		for i, f := range all {
			body, err := json.Marshal(map[string]any{"name": fmt.Sprint("f", i), "properties": f, "_": map[string]any{"from": f.From}})
			if err == nil {
				err = tx.Put(store.Doc{Kind: directory.KindResource, Key: user1.Resource.Join("federatedIdentityCredentials", fmt.Sprint("f", i)).Key(), Body: body})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

const exchange = "api://AzureADTokenExchange"

// TestFederation exchanges service accounts' tokens: the right one is taken, any other is refused in the words for what is wrong.
func TestFederation(t *testing.T) {
	te := newTester(t)
	cluster := te.addCluster("aks1", issuerURL)
	account := ServiceAccount{Cluster: cluster, Namespace: "shop", Name: "cart", Audience: exchange, Life: time.Hour}
	mint := func(change func(*ServiceAccount)) string {
		t.Helper()
		a := account
		if change != nil {
			change(&a)
		}
		p, err := te.ServiceAccountToken(context.Background(), a)
		if err != nil {
			t.Fatal(err)
		}
		return p.Token
	}
	te.assert(user1.AppID, mint(nil)).want(t, "no federated credential", "AADSTS70025", "The client '"+user1.AppID.String()+"'(id1) has no configured")
	te.federate(
		directory.Federation{Issuer: issuerURL, Subject: "system:serviceaccount:shop:cart", Audiences: []string{exchange}},
		directory.Federation{Issuer: issuerURL, Subject: "system:serviceaccount:shop:Late", Audiences: []string{exchange}, From: start.Add(time.Minute)},
		directory.Federation{Issuer: "https://token.actions.githubusercontent.com", Subject: "repo:o/r", Audiences: []string{exchange}},
		directory.Federation{Issuer: strings.TrimSuffix(issuerURL, "/"), Subject: "system:serviceaccount:shop:other", Audiences: []string{exchange}},
	)
	foreign := func(change map[string]any) string {
		c := map[string]any{"iss": "https://token.actions.githubusercontent.com", "sub": "repo:o/r", "aud": exchange, "iat": start.Unix(), "exp": start.Add(time.Hour).Unix()}
		for k, v := range change {
			c[k] = v
		}
		return signJWT(t, otherKey(), jose.RS256, nil, c)
	}
	for _, c := range []struct {
		name, token, code string
		words             []string
	}{
		{"right", mint(nil), "", nil},
		{"another service account", mint(func(a *ServiceAccount) { a.Name = "other" }), "AADSTS700213", []string{"assertion subject 'system:serviceaccount:shop:other'"}},
		{"another case", mint(func(a *ServiceAccount) { a.Name = "Cart" }), "AADSTS7002138", []string{"The subject matches with case-insensitive comparison, but not with case-sensitive comparison."}},
		{"another audience", mint(func(a *ServiceAccount) { a.Audience = "https://kubernetes.default.svc" }), "AADSTS700212", []string{"assertion audience 'https://kubernetes.default.svc'"}},
		{"not in force yet", mint(func(a *ServiceAccount) { a.Name = "Late" }), "AADSTS70021",
			[]string{"Assertion Issuer: '" + issuerURL + "'. Assertion Subject: 'system:serviceaccount:shop:Late'. Assertion Audience: '" + exchange + "'."}},
		{"another issuer", foreign(map[string]any{"iss": "https://kubernetes.default.svc.cluster.local"}), "AADSTS700211", []string{"issuer 'https://kubernetes.default.svc.cluster.local'"}},
		{"an issuer without its slash", foreign(map[string]any{"iss": "https://token.actions.githubusercontent.com/"}), "AADSTS700211", nil},
		{"an issuer out of reach", foreign(nil), "AADSTS90061", []string{"Request to External OIDC endpoint failed."}},
		{"a list of audiences", foreign(map[string]any{"aud": []string{"x", exchange}}), "AADSTS90061", nil},
		{"a forged signature", foreign(map[string]any{"iss": issuerURL, "sub": "system:serviceaccount:shop:cart"}), "AADSTS700027", nil},
		{"expired", foreign(map[string]any{"exp": start.Unix()}), "AADSTS700024", []string{"Current time: 2026-03-01T12:00:00.0000000Z"}},
		{"a token that lives too long", mint(func(a *ServiceAccount) { a.Life = 25*time.Hour + time.Second }), "AADSTS70023",
			[]string{fmt.Sprintf("1.01:00:00. Token issued at %d. Token expires on %d.", start.Unix(), start.Add(25*time.Hour).Unix()+1)}},
	} {
		te.assert(user1.AppID, c.token).want(t, c.name, c.code, c.words...)
	}
	token := te.assert(user1.AppID, mint(nil)).Token
	if claims := decoded(t, strings.Split(token, ".")[1]); !strings.Contains(claims, user1.ID.String()) || !strings.Contains(claims, `"xms_mirid":"`+user1.Resource.String()) {
		t.Errorf("the token is another's: %s", claims)
	}
	late := mint(func(a *ServiceAccount) { a.Name = "Late" })
	te.setClock(start.Add(time.Minute))
	te.assert(user1.AppID, late).want(t, "in force", "")
	te.setClock(start.Add(time.Hour))
	te.assert(user1.AppID, late).want(t, "read too late", "AADSTS700024")
	te.update(func(tx store.Tx) error { return directory.Delete(tx, user1.ID) })
	te.assert(user1.AppID, mint(nil)).want(t, "a deleted identity", "AADSTS700016")
}

// TestIssuers serves discovery and keys with which anybody can check a token.
func TestIssuers(t *testing.T) {
	te := newTester(t)
	cluster := te.addCluster("aks1", issuerURL)
	get := func(target string, into any) int {
		t.Helper()
		w := httptest.NewRecorder()
		te.Issuers().ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		if into != nil {
			if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
				t.Fatalf("%s: %v", target, err)
			}
		}
		return w.Code
	}
	var doc struct {
		Issuer string
		Keys   string `json:"jwks_uri"`
	}
	if code := get(issuerURL+".well-known/openid-configuration", &doc); code != 200 || doc.Issuer != issuerURL {
		t.Fatalf("%d %+v", code, doc)
	}
	var set jose.JSONWebKeySet
	if code := get(doc.Keys, &set); code != 200 || len(set.Keys) != 1 {
		t.Fatalf("%d %+v", code, set)
	}
	p, err := te.ServiceAccountToken(context.Background(), ServiceAccount{Cluster: cluster, Namespace: "shop", Name: "cart", Audience: exchange, Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := jose.ParseSignedCompact(p.Token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := signed.Verify(set.Keys[0])
	if err != nil || signed.Signatures[0].Header.KeyID != set.Keys[0].KeyID {
		t.Fatalf("the token does not verify: %v", err)
	}
	for _, part := range []string{`"iss":"` + issuerURL + `"`, `"sub":"system:serviceaccount:shop:cart"`, `"aud":["` + exchange + `"]`, `"namespace":"shop"`, `"serviceaccount":{"name":"cart"`} {
		if !strings.Contains(string(payload), part) {
			t.Errorf("no %s in %s", part, payload)
		}
	}
	for _, target := range []string{strings.Replace(issuerURL, "f1", "f2", 1) + "openid/v1/jwks", issuerURL + "x", issuerURL, "https://westeurope.oic.prod-aks.azure.com/", strings.Replace(issuerURL, "westeurope", "eastus", 1) + "openid/v1/jwks"} {
		if code := get(target, nil); code != 404 {
			t.Errorf("%s: %d", target, code)
		}
	}
	other := te.addCluster("aks2", strings.Replace(issuerURL, "f1", "f3", 1))
	q, err := te.ServiceAccountToken(context.Background(), ServiceAccount{Cluster: other, Namespace: "shop", Name: "cart", Audience: exchange, Life: time.Hour})
	if err != nil || q.Issuer == p.Issuer {
		t.Fatal(q, err)
	}
	if s, err := jose.ParseSignedCompact(q.Token, []jose.SignatureAlgorithm{jose.RS256}); err != nil {
		t.Error(err)
	} else if _, err := s.Verify(set.Keys[0]); err == nil {
		t.Error("two clusters sign with one key")
	}
	plain := rg.Resource("Microsoft.ContainerService/managedClusters", "plain")
	te.update(func(tx store.Tx) error {
		return tx.Put(store.Doc{Kind: directory.KindResource, Key: plain.Key(), Body: []byte(`{"properties":{}}`)})
	})
	if _, err := te.ServiceAccountToken(context.Background(), ServiceAccount{Cluster: plain}); err != ErrNoIssuer {
		t.Errorf("without an issuer: %v", err)
	}
}

// FuzzAssertion: whatever a client asserts, it gets an answer of Entra, and no token.
func FuzzAssertion(f *testing.F) {
	f.Add("a.b.c")
	f.Add(b64([]byte(`{"x5t":"AA"}`)) + "." + b64([]byte(`{"iss":"x","aud":[],"exp":1e300,"nbf":-1}`)) + ".AA")
	f.Add("e30." + b64([]byte(`{"iss":"`+issuerURL+`","sub":"system:serviceaccount:shop:cart","aud":"`+exchange+`","exp":1772370000}`)) + ".")
	te := newTester(f)
	te.addCluster("aks1", issuerURL)
	te.federate(directory.Federation{Issuer: issuerURL, Subject: "system:serviceaccount:shop:cart", Audiences: []string{exchange}})
	f.Fuzz(func(t *testing.T, text string) {
		te.t = t
		if a := te.assert(user1.AppID, text); a.Token != "" || a.status < 400 || a.status >= 500 {
			t.Fatalf("%q: %s", text, a.raw)
		}
	})
}
