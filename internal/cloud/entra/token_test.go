package entra

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"aksid/internal/cloud/directory"
)

func mustSigner(t *testing.T, private *rsa.PrivateKey, kid string) jose.Signer {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: private, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustSign(t *testing.T, k *key, payload string) string {
	t.Helper()
	token, err := k.sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestTokenClaims has the claims of version 1.0 tokens, word for word.
func TestTokenClaims(t *testing.T) {
	te := newTester(t)
	const issuer = "https://sts.windows.net/00000000-0000-0000-0000-0000000000aa/"
	common := func(p directory.Principal, more map[string]any) map[string]any {
		claims := map[string]any{
			"aud": "https://localhost:8443/", "iss": issuer, "idp": issuer, "tid": tenant.String(), "ver": "1.0",
			"iat": 1772366100.0, "nbf": 1772366100.0, "oid": p.ID.String(), "sub": p.ID.String(),
		}
		for k, v := range more {
			claims[k] = v
		}
		return claims
	}
	for _, c := range []struct {
		p    directory.Principal
		life time.Duration
		want map[string]any
	}{
		{reader, time.Hour, common(reader, map[string]any{
			"appid": reader.AppID.String(), "appidacr": "1", "idtyp": "app", "exp": 1772370000.0})},
		{user1, 24 * time.Hour, common(user1, map[string]any{
			"appid": user1.AppID.String(), "appidacr": "2", "idtyp": "app", "xms_mirid": user1.Resource.String(), "exp": 1772452800.0})},
		{ann, time.Hour, common(ann, map[string]any{"idtyp": "user", "upn": "ann@example.org", "name": "Ann", "exp": 1772370000.0})},
	} {
		token, expiry, err := te.Token(c.p, "https://"+host+"/")
		if err != nil || !expiry.Equal(start.Add(c.life)) {
			t.Fatalf("expires %v, %v", expiry, err)
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(decoded(t, strings.Split(token, ".")[1])), &got); err != nil {
			t.Fatal(err)
		}
		if unique, _ := got["uti"].(string); len(unique) != 22 {
			t.Errorf("uti %q", unique)
		}
		delete(got, "uti")
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.p.DisplayName, got, c.want)
		}
	}
	if _, _, err := te.Token(admins, "x"); err == nil {
		t.Error("a token for a group")
	}
}

// TestTheAudienceIsExactlyWhatWasAsked for: clients compare it, and az writes two slashes before .default.
func TestTheAudienceIsExactlyWhatWasAsked(t *testing.T) {
	te := newTester(t)
	for scope, want := range map[string]string{
		"https://localhost:8443/.default":                "https://localhost:8443",
		"https://localhost:8443//.default":               "https://localhost:8443/",
		"https://127.0.0.1:8443//.default":               "https://127.0.0.1:8443/",
		"https://management.azure.com/.default":          "https://management.azure.com",
		"https://management.core.windows.net//.default":  "https://management.core.windows.net/",
		"https://graph.microsoft.com/.default":           "https://graph.microsoft.com",
		graphAppID + "/.default":                         graphAppID,
		"https://vault.azure.net/.default":               "https://vault.azure.net",
		"https://freight.vault.azure.net/.default":       "https://freight.vault.azure.net",
		"https://storage.azure.com/.default":             "https://storage.azure.com",
		"https://freight.blob.core.windows.net/.default": "https://freight.blob.core.windows.net",
		"https://containerregistry.azure.net/.default":   "https://containerregistry.azure.net",
		"https://freightacr.azurecr.io/.default":         "https://freightacr.azurecr.io",
		"api://AzureADTokenExchange/.default":            "api://AzureADTokenExchange",

		"https://localhost:8444/.default":              "", // another port than the one that is asked
		"https://example.org/.default":                 "",
		"http://localhost:8443/.default":               "",
		"https://vault.azure.net.example.org/.default": "",
		"https://freight.vault.azure.net/x/.default":   "",
		"/.default":                                 "",
		"https://localhost:8443/.DEFAULT":           "",
		"https://localhost:8443/user_impersonation": "",
	} {
		form := "grant_type=client_credentials&client_id=" + reader.AppID.String() + "&client_secret=" + te.secrets["reader"] + "&scope=" + scope
		w := call(te.Handler(), "POST", "/common/oauth2/v2.0/token", "", map[string][]string{"Content-Type": {"application/x-www-form-urlencoded"}}, form)
		var answer struct {
			Token string `json:"access_token"`
		}
		got := ""
		if json.Unmarshal(w.Body.Bytes(), &answer) == nil && answer.Token != "" {
			var claims struct{ Aud string }
			if err := json.Unmarshal([]byte(decoded(t, strings.Split(answer.Token, ".")[1])), &claims); err != nil {
				t.Fatal(err)
			}
			got = claims.Aud
		}
		if got != want {
			t.Errorf("scope %s: audience %q, want %q", scope, got, want)
		}
	}
}

// TestAForeignHostHasNoResource: the Host header is the client's to choose.
func TestAForeignHostHasNoResource(t *testing.T) {
	for host, want := range map[string]int{"localhost:8443": 6, "127.0.0.2": 6, "[::1]:1": 6, "example.org": 0, "example.org:8443": 0, "localhost.example.org": 0, "": 0} {
		if got := localAudiences(host); len(got) != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

func TestClientCredentialsInTheHeader(t *testing.T) {
	te := newTester(t)
	post := func(user, password, form string) int {
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
		return call(te.Handler(), "POST", "/common/oauth2/v2.0/token", "",
			map[string][]string{"Content-Type": {"application/x-www-form-urlencoded"}, "Authorization": {basic}},
			"grant_type=client_credentials&scope=https://localhost:8443/.default"+form).Code
	}
	id, secret := reader.AppID.String(), te.secrets["reader"]
	escaped := strings.ReplaceAll(secret, "~", "%7E")
	for name, c := range map[string]struct{ got, want int }{
		"good":                     {post(id, secret, ""), 200},
		"escaped":                  {post(id, escaped, ""), 200},
		"wrong":                    {post(id, "x", ""), 401},
		"broken escape":            {post(id, "%zz", ""), 401},
		"the form's secret counts": {post(id, "x", "&client_id="+id+"&client_secret="+secret), 200},
	} {
		if c.got != c.want {
			t.Errorf("%s: status %d, want %d", name, c.got, c.want)
		}
	}
}

// TestTokenWithAnotherImplementation checks a token with the published key and the standard library alone.
func TestTokenWithAnotherImplementation(t *testing.T) {
	te := newTester(t)
	var set struct {
		Keys []struct{ Kid, N, E, Alg, Use string }
	}
	body := call(te.Handler(), "GET", "/common/discovery/v2.0/keys", "", nil, "").Body.Bytes()
	if err := json.Unmarshal(body, &set); err != nil || len(set.Keys) != 1 || bytes.Contains(body, []byte(`"d"`)) {
		t.Fatalf("key set %s, %v", body, err)
	}
	parts := strings.Split(te.token(reader), ".")
	var header struct{ Alg, Typ, Kid string }
	if err := json.Unmarshal([]byte(decoded(t, parts[0])), &header); err != nil || header.Alg != "RS256" || header.Typ != "JWT" || header.Kid != set.Keys[0].Kid {
		t.Fatalf("header %+v, %v", header, err)
	}
	public := &rsa.PublicKey{
		N: new(big.Int).SetBytes([]byte(decoded(t, set.Keys[0].N))),
		E: int(new(big.Int).SetBytes([]byte(decoded(t, set.Keys[0].E))).Int64()),
	}
	hash := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, hash[:], []byte(decoded(t, parts[2]))); err != nil {
		t.Error(err)
	}
}

func TestTheKeyStaysInItsFolder(t *testing.T) {
	dir := t.TempDir()
	first, err := openKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := openKey(dir)
	if err != nil || second.id != first.id || first.public.N.BitLen() != keyBits {
		t.Errorf("second start: key %v, %v", second, err)
	}
	other, err := openKey(t.TempDir())
	if err != nil || other.id == first.id {
		t.Errorf("another folder: %v, %v", other, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("left behind: %v, %v", entries, err)
	}
	if info, err := entries[0].Info(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestABadKeyFileIsAnError(t *testing.T) {
	private := "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
	ed25519 := "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n-----END PRIVATE KEY-----\n"
	for name, text := range map[string]string{"empty": "", "garbage": "x", "half a key": private, "another kind": ed25519} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, keyFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), keyFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(Config{Dir: filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("a folder that is not there")
	}
}
