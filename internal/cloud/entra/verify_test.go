package entra

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

// signed is a token with reader's claims, changed.
func (te *tester) signed(k *key, change func(map[string]any)) string {
	te.t.Helper()
	parts := strings.Split(te.token(reader), ".")
	var claims map[string]any
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil {
		te.t.Fatal(err)
	}
	change(claims)
	payload, _ = json.Marshal(claims)
	token, err := k.sign(payload)
	if err != nil {
		te.t.Fatal(err)
	}
	return token
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// reheaded is a token with another header and a signature of it made by sign.
func reheaded(token, header string, sign func(signed string) string) string {
	signed := encode(header) + "." + strings.Split(token, ".")[1]
	return signed + "." + encode(sign(signed))
}

// TestTokenMatrix sends every kind of bad token to ARM's door and to Graph, with the words of both.
func TestTokenMatrix(t *testing.T) {
	te := newTester(t)
	good := te.token(reader)
	parts := strings.Split(good, ".")
	same := func(map[string]any) {}
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		t.Fatal(err)
	}
	other, err := newKey(private)
	if err != nil {
		t.Fatal(err)
	}
	disguised := *other
	disguised.signer = mustSigner(t, private, te.key.id)
	hs256 := func(secret []byte) func(string) string {
		return func(signed string) string {
			m := hmac.New(sha256.New, secret)
			m.Write([]byte(signed))
			return string(m.Sum(nil))
		}
	}
	public, err := x509.MarshalPKIXPublicKey(te.key.public)
	if err != nil {
		t.Fatal(err)
	}
	unix := func(d time.Duration) int64 { return start.Add(d).Unix() }
	const (
		invalid   = "InvalidAuthenticationToken: The access token is invalid."
		graphBad  = "InvalidAuthenticationToken: Access token validation failure."
		empty     = "InvalidAuthenticationToken: Access token is empty."
		misplaced = "AuthenticationFailedInvalidHeader: Authentication failed. The 'Authorization' header is provided in an invalid format."
	)
	for _, c := range []struct {
		name, header string
		arm, graph   string // "" is accepted
	}{
		{"good", "Bearer " + good, "", ""},
		{"scheme in another case", "bearer " + good, "", ""},
		{"none", "", "AuthenticationFailed: Authentication failed. The 'Authorization' header is missing.", empty},
		{"another scheme", "Basic " + encode("a:b"), misplaced, empty},
		{"no token", "Bearer ", misplaced, empty},
		{"token alone", good, misplaced, empty},
		{"garbage", "Bearer x", invalid, graphBad},
		{"three parts of garbage", "Bearer a.b.c", invalid, graphBad},
		{"too long", "Bearer " + strings.Repeat("x", maxToken+1), invalid, graphBad},
		{"header and payload only", "Bearer " + parts[0] + "." + parts[1] + ".", invalid, graphBad},
		{"alg none", "Bearer " + reheaded(good, `{"alg":"none"}`, func(string) string { return "" }), invalid, graphBad},
		{"alg none, old signature", "Bearer " + encode(`{"alg":"none","kid":"`+te.key.id+`"}`) + "." + parts[1] + "." + parts[2], invalid, graphBad},
		{"HS256 with the public key", "Bearer " + reheaded(good, `{"alg":"HS256","kid":"`+te.key.id+`"}`, hs256(public)), invalid, graphBad},
		{"HS256 with the modulus", "Bearer " + reheaded(good, `{"alg":"HS256","kid":"`+te.key.id+`"}`, hs256(te.key.public.N.Bytes())), invalid, graphBad},
		{"RS512 in the header", "Bearer " + encode(`{"alg":"RS512","kid":"`+te.key.id+`"}`) + "." + parts[1] + "." + parts[2], invalid, graphBad},
		{"no kid", "Bearer " + encode(`{"alg":"RS256"}`) + "." + parts[1] + "." + parts[2], invalid, graphBad},
		{"other key", "Bearer " + te.signed(other, same), invalid, graphBad},
		{"other key with this kid", "Bearer " + te.signed(&disguised, same), invalid, graphBad},
		{"tampered payload", "Bearer " + parts[0] + "." + encode(strings.ReplaceAll(decoded(t, parts[1]), reader.ID.String(), operator.ID.String())) + "." + parts[2], invalid, graphBad},
		{"tampered signature", "Bearer " + parts[0] + "." + parts[1] + "." + strings.ToLower(parts[2]), invalid, graphBad},
		{"no JSON inside", "Bearer " + mustSign(t, te.key, "x"), invalid, graphBad},
		{"several audiences", "Bearer " + te.signed(te.key, func(c map[string]any) { c["aud"] = []string{"https://" + host + "/"} }), invalid, graphBad},
		{"wrong audience", "Bearer " + te.signed(te.key, func(c map[string]any) { c["aud"] = "https://vault.azure.net" }),
			"InvalidAuthenticationTokenAudience: The access token has been obtained for wrong audience or resource 'https://vault.azure.net'. It should exactly match with one of the allowed audiences 'https://management.core.windows.net/','https://management.core.windows.net','https://management.azure.com/','https://management.azure.com','https://localhost:8443/','https://localhost:8443','https://127.0.0.1:8443/','https://127.0.0.1:8443','https://[::1]:8443/','https://[::1]:8443'.",
			"InvalidAuthenticationToken: Access token validation failure. Invalid audience."},
		{"audience of another port", "Bearer " + te.signed(te.key, func(c map[string]any) { c["aud"] = "https://localhost:8444/" }),
			"InvalidAuthenticationTokenAudience: The access token has been obtained for wrong audience or resource 'https://localhost:8444/'.", "InvalidAuthenticationToken: Access token validation failure. Invalid audience."},
		{"ARM's audience", "Bearer " + te.signed(te.key, func(c map[string]any) { c["aud"] = "https://management.azure.com/" }),
			"", "InvalidAuthenticationToken: Access token validation failure. Invalid audience."},
		{"Graph's audience", "Bearer " + te.signed(te.key, func(c map[string]any) { c["aud"] = graphAppID }),
			"InvalidAuthenticationTokenAudience: ", ""},
		{"wrong issuer", "Bearer " + te.signed(te.key, func(c map[string]any) {
			c["iss"] = "https://sts.windows.net/11111111-2222-3333-4444-555555555555/"
		}), "InvalidAuthenticationTokenTenant: The access token is from the wrong issuer 'https://sts.windows.net/11111111-2222-3333-4444-555555555555/'. It must match the tenant 'https://sts.windows.net/00000000-0000-0000-0000-0000000000aa/' associated with this subscription. Please use the authority (URL) 'https://login.windows.net/00000000-0000-0000-0000-0000000000aa' to get the token. Note, if the subscription", graphBad},
		{"another tenant", "Bearer " + te.signed(te.key, func(c map[string]any) { c["tid"] = "11111111-2222-3333-4444-555555555555" }), "InvalidAuthenticationTokenTenant: ", graphBad},
		{"no object id", "Bearer " + te.signed(te.key, func(c map[string]any) { delete(c, "oid") }),
			"InvalidAuthenticationToken: The received access token is not valid: at least one of the claims 'puid' or 'altsecid' or 'oid' should be present.", "Authorization_IdentityNotFound: "},
		{"not yet valid", "Bearer " + te.signed(te.key, func(c map[string]any) { c["nbf"] = unix(time.Second) }), invalid,
			"InvalidAuthenticationToken: Access token has expired or is not yet valid."},
		{"valid from now on", "Bearer " + te.signed(te.key, func(c map[string]any) { c["nbf"] = unix(0) }), "", ""},
		{"expired", "Bearer " + te.signed(te.key, func(c map[string]any) { c["exp"] = unix(0) }),
			"ExpiredAuthenticationToken: The access token expiry UTC time '3/1/2026 12:00:00 PM' is earlier than current UTC time '3/1/2026 12:00:00 PM'.",
			"InvalidAuthenticationToken: Lifetime validation failed, the token is expired."},
		{"valid for a second", "Bearer " + te.signed(te.key, func(c map[string]any) { c["exp"] = unix(time.Second) }), "", ""},
		{"no expiry", "Bearer " + te.signed(te.key, func(c map[string]any) { delete(c, "exp") }), "ExpiredAuthenticationToken: ", "InvalidAuthenticationToken: Lifetime"},
		{"deleted principal", "Bearer " + te.token(deleted), "InvalidAuthenticationToken: The received access token is not valid: at least one of the claims",
			"Authorization_IdentityNotFound: The identity of the calling application could not be established."},
		{"disabled principal", "Bearer " + te.token(disabled), "InvalidAuthenticationToken: User session has been revoked",
			"InvalidAuthenticationToken: Continuous access evaluation resulted in challenge"},
		{"a user", "Bearer " + te.token(ann), "", ""},
		{"a managed identity", "Bearer " + te.token(user1), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			arm := te.atARM(c.header)
			if !agrees(arm, c.arm) {
				t.Errorf("ARM: got %v, want %s", arm, c.arm)
			}
			if arm != nil && (arm.Status != http.StatusUnauthorized || !strings.HasPrefix(arm.Header.Get("WWW-Authenticate"),
				`Bearer authorization_uri="https://login.windows.net/00000000-0000-0000-0000-0000000000aa", error="invalid_token", error_description="`)) {
				t.Errorf("ARM: status %d, challenge %s", arm.Status, arm.Header.Get("WWW-Authenticate"))
			}
			graph := te.atGraph(c.header)
			if !agrees(graph, c.graph) {
				t.Errorf("Graph: got %v, want %s", graph, c.graph)
			}
		})
	}
}

func agrees(e *azure.Error, want string) bool {
	if e == nil || want == "" {
		return e == nil && want == ""
	}
	got := e.Code + ": " + e.Message
	return strings.HasPrefix(got, want) && (!strings.HasSuffix(want, ".") || len(got) == len(want) || strings.HasPrefix(got[len(want):], " "))
}

// atARM is what ARM's door does: Verify, and Active in the request's transaction.
func (te *tester) atARM(header string) *azure.Error {
	r := httptest.NewRequest("GET", "https://"+host+"/subscriptions", nil)
	if header != "" {
		r.Header.Set("Authorization", header)
	}
	caller, refused := te.Verify(r, ARMAudiences(r)...)
	if refused != nil {
		return refused
	}
	_ = te.Store.View(context.Background(), func(tx store.Tx) error {
		refused = te.Active(tx, caller)
		return nil
	})
	return refused
}

func (te *tester) atGraph(header string) *azure.Error {
	h := http.Header{}
	if header != "" {
		h.Set("Authorization", header)
	}
	w := call(te.Handler(), "GET", "/v1.0/organization", "", h, "")
	if w.Code == http.StatusOK {
		return nil
	}
	var body struct{ Error azure.Error }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
		te.t.Errorf("Graph: status %d, challenge %q, %v", w.Code, w.Header().Get("WWW-Authenticate"), err)
	}
	return &body.Error
}

func decoded(t *testing.T, part string) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestChallengeOfAMissingToken(t *testing.T) {
	e := newTester(t).atARM("")
	const want = `Bearer authorization_uri="https://login.windows.net/00000000-0000-0000-0000-0000000000aa", error="invalid_token", error_description="The authentication failed because of missing 'Authorization' header."`
	if got := e.Header.Get("WWW-Authenticate"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestChallengeOfARevokedToken(t *testing.T) {
	te := newTester(t)
	challenge := te.atARM("Bearer " + te.token(disabled)).Header.Get("WWW-Authenticate")
	_, claims, _ := strings.Cut(challenge, `claims="`)
	got, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(claims, `"`))
	if want := `{"access_token":{"nbf":{"essential":true,"value":"1772366400"}}}`; err != nil || string(got) != want {
		t.Errorf("claims %s, %v; want %s", got, err, want)
	}
}

// TestATokensWordsStayInsideTheChallenge: what a token says of itself is quoted in the header.
func TestATokensWordsStayInsideTheChallenge(t *testing.T) {
	te := newTester(t)
	e := te.atARM("Bearer " + te.signed(te.key, func(c map[string]any) { c["aud"] = "x\", error=\"none\r\nSet-Cookie: a=ü\\" }))
	if got := e.Header.Get("WWW-Authenticate"); strings.Count(got, `"`) != 6 || strings.ContainsAny(got, "\r\n\\ü") {
		t.Errorf("challenge %s", got)
	}
}

func TestCallerHasTheTokensClaims(t *testing.T) {
	te := newTester(t)
	for _, c := range []struct {
		p    directory.Principal
		want directory.Caller
	}{
		{reader, directory.Caller{ID: reader.ID, AppID: reader.AppID, Tenant: tenant, Type: directory.ServicePrincipal}},
		{user1, directory.Caller{ID: user1.ID, AppID: user1.AppID, Tenant: tenant, Type: directory.ServicePrincipal, Resource: user1.Resource}},
		{ann, directory.Caller{ID: ann.ID, Tenant: tenant, Type: directory.User, UPN: ann.UPN}},
	} {
		r := httptest.NewRequest("GET", "https://"+host+"/", nil)
		r.Header.Set("Authorization", "Bearer "+te.token(c.p))
		got, refused := te.Verify(r, ARMAudiences(r)...)
		if refused != nil {
			t.Fatal(refused)
		}
		if got.Claims["oid"] != c.p.ID.String() || got.Claims["exp"] == nil || got.Groups != nil {
			t.Errorf("claims %v, groups %v", got.Claims, got.Groups)
		}
		got.Claims, got.Logged = nil, nil
		if got.ID != c.want.ID || got.AppID != c.want.AppID || got.Tenant != c.want.Tenant || got.Type != c.want.Type ||
			got.UPN != c.want.UPN || !got.Resource.Equal(c.want.Resource) {
			t.Errorf("got %+v, want %+v", got, c.want)
		}
	}
}

// TestOnlyTheSignatureIsRemembered: a known token expires and loses its principal all the same.
func TestOnlyTheSignatureIsRemembered(t *testing.T) {
	te := newTester(t)
	header := "Bearer " + te.token(reader)
	if e := te.atARM(header); e != nil {
		t.Fatal(e)
	}
	te.setClock(start.Add(clientLife - time.Second))
	if e := te.atARM(header); e != nil {
		t.Errorf("a second before the end: %v", e)
	}
	te.setClock(start.Add(clientLife))
	if e := te.atARM(header); e == nil || e.Code != "ExpiredAuthenticationToken" {
		t.Errorf("at the end: %v", e)
	}
	te.setClock(start)
	te.update(func(tx store.Tx) error { return directory.Delete(tx, reader.ID) })
	if e := te.atARM(header); e == nil || e.Code != "InvalidAuthenticationToken" {
		t.Errorf("after the principal was deleted: %v", e)
	}
}

func TestActiveSaysWhatTheStoreSays(t *testing.T) {
	te := newTester(t)
	te.update(func(tx store.Tx) error {
		return tx.Put(store.Doc{Kind: directory.KindPrincipal, Key: reader.ID.String(), Body: []byte("x")})
	})
	if e := te.atARM("Bearer " + te.token(reader)); e == nil || e.Status != http.StatusInternalServerError {
		t.Errorf("ARM: %v", e)
	}
	if w := call(te.Handler(), "GET", "/v1.0/organization", te.token(reader), nil, ""); w.Code != http.StatusInternalServerError ||
		strings.Contains(w.Body.String(), "invalid character") || !strings.Contains(te.logged.String(), "invalid character") {
		t.Errorf("Graph: %d %s, logged %s", w.Code, w.Body, te.logged)
	}
}

func TestVerdictsAreBounded(t *testing.T) {
	c := newVerdicts()
	token := func(i int) string { return "token " + strconv.Itoa(i) }
	used := &opened{}
	c.put("", used)
	for i := range 3 * maxVerdicts {
		c.put(token(i), &opened{})
		if c.get("") != used {
			t.Fatalf("a verdict in use was forgotten after %d others", i+1)
		}
		if n := c.tokens.Len(); n > 2*maxVerdicts {
			t.Fatalf("%d verdicts are kept", n)
		}
	}
	if c.get(token(0)) != nil || c.get(token(3*maxVerdicts-1)) == nil {
		t.Error("the oldest is kept, or the newest forgotten")
	}
}

func TestVerifyFromManyGoroutines(t *testing.T) {
	te := newTester(t)
	good, bad := "Bearer "+te.token(reader), "Bearer "+te.token(reader)+"x"
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if e := te.atARM(good); e != nil {
					t.Error(e)
				}
				if te.atARM(bad) == nil {
					t.Error("a bad token was accepted")
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkVerify(b *testing.B) {
	te := newTester(b)
	r := httptest.NewRequest("GET", "https://"+host+"/", nil)
	r.Header.Set("Authorization", "Bearer "+te.token(reader))
	audiences := ARMAudiences(r)
	for b.Loop() {
		if _, e := te.Verify(r, audiences...); e != nil {
			b.Fatal(e)
		}
	}
}
