package cloud_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzDataPlanes: whatever a client with every right sends to a data plane, the answer is its own: nothing panics, and
// nothing fails on our side.
func FuzzDataPlanes(f *testing.F) {
	w := newWorld(f)
	rg := w.group(w.platform, "rg")
	acr := w.acr(rg, "freightacr", obj{"adminUserEnabled": true})
	w.vault(rg, "freight-kv", nil)
	w.account(rg, "freightstore", nil)
	u := w.application("u")
	for _, role := range []string{"Owner", "Key Vault Secrets Officer", "Key Vault Crypto Officer", "Key Vault Crypto User", "Storage Queue Data Contributor"} {
		w.give(u.id, role, rg)
	}
	c := w.as(u)
	password := w.operator.do("POST", acr+"/listCredentials", nil).ok(200).str("passwords.0.value")
	hosts := []struct{ name, token string }{
		{"freightacr.azurecr.io", ""}, {"freight-kv.vault.azure.net", c.token(vaultAudience)}, {"freightstore.queue.core.windows.net", c.token(storageAudience)},
	}
	for _, seed := range []struct {
		host                       byte
		method, target, kind, body string
	}{
		{0, "GET", "/v2/_catalog?n=1&last=x", "", ""}, {0, "POST", "/v2/app/blobs/uploads/?mount=sha256:x&from=y", "", ""},
		{0, "PUT", "/v2/app/manifests/v1", "application/vnd.oci.image.manifest.v1+json", `{"schemaVersion":2,"config":{"digest":"sha256:x"}}`},
		{0, "PATCH", "/acr/v1/app/_tags/v1", "", `{"readEnabled":false}`}, {0, "GET", "/acr/v1/app/_manifests?orderby=timeasc&n=-1", "", ""},
		{0, "POST", "/oauth2/token", "application/x-www-form-urlencoded", "grant_type=password&username=x&password=y&scope=repository:a:pull"},
		{1, "PUT", "/secrets/a?api-version=7.4", "", `{"value":"x","attributes":{"nbf":1},"tags":{"a":"b"}}`}, {1, "GET", "/secrets?api-version=7.4&$skiptoken=eA", "", ""},
		{1, "POST", "/keys/k/create?api-version=7.4", "", `{"kty":"EC"}`}, {1, "POST", "/keys/k//encrypt?api-version=7.4", "", `{"alg":"RSA-OAEP","value":"eA"}`},
		{1, "POST", "/deletedsecrets/a/recover?api-version=7.4", "", ""}, {1, "DELETE", "/deletedkeys/a?api-version=7.4", "", ""},
		{2, "PUT", "/orders", "", ""}, {2, "POST", "/orders/messages?messagettl=5", "", "<QueueMessage><MessageText>x</MessageText></QueueMessage>"},
		{2, "GET", "/orders/messages?peekonly=true&numofmessages=3", "", ""}, {2, "PUT", "/orders/messages/x?popreceipt=y&visibilitytimeout=0", "", ""},
		{2, "GET", "/?comp=list&prefix=a&marker=b&include=metadata", "", ""}, {2, "PUT", "/orders?comp=metadata", "", ""},
	} {
		f.Add(seed.host, seed.method, seed.target, seed.kind, seed.body)
	}
	f.Fuzz(func(t *testing.T, host byte, method, target, kind, body string) {
		at, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(at.Path, "/") || strings.ContainsFunc(method, func(r rune) bool { return r < 'A' || r > 'Z' }) || method == "" {
			return
		}
		to := hosts[int(host)%len(hosts)]
		r := httptest.NewRequest(method, "/", strings.NewReader(body))
		r.Host, r.URL = to.name, at
		r.Header.Set("Content-Type", kind)
		if to.token == "" {
			r.SetBasicAuth("freightacr", password)
		} else {
			r.Header.Set("Authorization", "Bearer "+to.token)
		}
		if got := w.serve(r); got.status >= 500 && got.status != 501 {
			t.Fatalf("%s %s%s %q: %d %s", method, to.name, target, body, got.status, got.raw)
		}
	})
}
