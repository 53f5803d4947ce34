package entra

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

const azClient = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"

// userAnswer is what a user gets.
type userAnswer struct {
	Access  string `json:"access_token"`
	ID      string `json:"id_token"`
	Refresh string `json:"refresh_token"`
	Info    string `json:"client_info"`
	Scope   string
}

// TestUsers logs a user in with a password, as az login -u -p does, and again with what that gave.
func TestUsers(t *testing.T) {
	te := newTester(t)
	create := `{"displayName":"Bea","mailNickname":"bea","userPrincipalName":"bea@example.org","accountEnabled":true,"passwordProfile":{"password":"correct horse"}}`
	w := call(te.Handler(), "POST", "/v1.0/users", te.token(operator), nil, create)
	var bea struct{ ID string }
	if err := json.Unmarshal(w.Body.Bytes(), &bea); err != nil || w.Code != 201 || strings.Contains(w.Body.String(), "horse") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	form := func(change url.Values) url.Values {
		f := url.Values{"grant_type": {"password"}, "client_id": {azClient}, "username": {"bea@example.org"}, "password": {"correct horse"},
			"scope": {"https://" + host + "//.default offline_access openid profile"}, "client_info": {"1"}}
		for k, v := range change {
			f[k] = v
		}
		return f
	}
	for _, path := range []string{"/adfs/oauth2/token", "/organizations/oauth2/v2.0/token"} {
		te.post(path, form(nil)).want(t, path, "")
	}
	var got userAnswer
	answer := te.post("/adfs/oauth2/token", form(nil))
	if err := json.Unmarshal([]byte(answer.raw), &got); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"upn":"bea@example.org"`, `"idtyp":"user"`, `"appid":"` + azClient, `"appidacr":"0"`, `"scp":"user_impersonation"`, `"aud":"https://` + host + `/"`, `"amr":["pwd"]`} {
		if claims := decoded(t, strings.Split(got.Access, ".")[1]); !strings.Contains(claims, part) {
			t.Errorf("no %s in the access token %s", part, claims)
		}
	}
	for _, part := range []string{`"aud":"` + azClient, `"preferred_username":"bea@example.org"`, `"oid":"` + bea.ID, `"tid":"` + tenant.String()} {
		if claims := decoded(t, strings.Split(got.ID, ".")[1]); !strings.Contains(claims, part) {
			t.Errorf("no %s in the id token %s", part, claims)
		}
	}
	if info := decoded(t, got.Info); !strings.Contains(info, `"uid":"`+bea.ID) || !strings.Contains(info, `"utid":"`+tenant.String()) {
		t.Errorf("client_info is %s", info)
	}
	me := call(te.Handler(), "GET", "/v1.0/me", got.Access, nil, "")
	if me.Code != http.StatusOK || !strings.Contains(me.Body.String(), `"userPrincipalName":"bea@example.org"`) {
		t.Errorf("me: %d %s", me.Code, me.Body)
	}
	again := form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.Refresh}, "scope": {"https://graph.microsoft.com/User.Read"}})
	refreshed := te.post("/"+tenant.String()+"/oauth2/v2.0/token", again)
	refreshed.want(t, "refresh", "")
	if !strings.Contains(decoded(t, strings.Split(refreshed.Token, ".")[1]), `"aud":"https://graph.microsoft.com"`) {
		t.Error("a refreshed token is for another service")
	}
	for _, token := range []string{got.Refresh, got.ID} {
		if w := call(te.Handler(), "GET", "/v1.0/me", token, nil, ""); w.Code != 401 {
			t.Errorf("a token that is not for Graph: %d", w.Code)
		}
	}

	for _, c := range []struct {
		name, code string
		change     url.Values
	}{
		{"wrong password", "AADSTS50126", url.Values{"password": {"wrong"}}},
		{"no password", "AADSTS900144", url.Values{"password": {""}}},
		{"no name", "AADSTS900144", url.Values{"username": {""}}},
		{"unknown user", "AADSTS50034", url.Values{"username": {"nobody@example.org"}}},
		{"a user without a password", "AADSTS50126", url.Values{"username": {"ann@example.org"}}},
		{"unknown client", "AADSTS700016", url.Values{"client_id": {reader.AppID.String()}}},
		{"no client", "AADSTS900144", url.Values{"client_id": {""}}},
		{"no resource", "AADSTS70011", url.Values{"scope": {"openid"}}},
		{"unknown resource", "AADSTS500011", url.Values{"scope": {"https://example.org/.default"}}},
		{"another client's refresh token", "AADSTS9002313", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.Refresh}, "client_id": {"1950a258-227b-4e31-a9cf-717495945fc2"}}},
		{"an access token for a refresh token", "AADSTS9002313", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.Access}}},
		{"no refresh token", "AADSTS900144", url.Values{"grant_type": {"refresh_token"}}},
	} {
		te.post("/adfs/oauth2/token", form(c.change)).want(t, c.name, c.code)
	}
	patch := func(body string) {
		t.Helper()
		if w := call(te.Handler(), "PATCH", "/v1.0/users/"+bea.ID, te.token(operator), nil, body); w.Code != 204 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	patch(`{"accountEnabled":false}`)
	te.post("/adfs/oauth2/token", form(nil)).want(t, "disabled", "AADSTS50057")
	te.post("/adfs/oauth2/token", again).want(t, "disabled, with a refresh token", "AADSTS50057")
	patch(`{"accountEnabled":true}`)
	te.setClock(start.Add(time.Minute))
	patch(`{"passwordProfile":{"password":"another","forceChangePasswordNextSignIn":false}}`)
	te.post("/adfs/oauth2/token", form(nil)).want(t, "old password", "AADSTS50126")
	te.post("/adfs/oauth2/token", form(url.Values{"password": {"another"}})).want(t, "new password", "")
	te.post("/adfs/oauth2/token", again).want(t, "refresh token of before", "AADSTS50173", "2026-03-01T12:00:00Z", "2026-03-01T12:01:00Z")
	te.setClock(start.Add(91 * 24 * time.Hour))
	te.post("/adfs/oauth2/token", again).want(t, "old refresh token", "AADSTS700082")
	te.update(func(tx store.Tx) error {
		p, err := directory.ByUPN(tx, "bea@example.org")
		if err == nil {
			err = directory.Delete(tx, p.ID)
		}
		return err
	})
	te.post("/adfs/oauth2/token", form(nil)).want(t, "deleted", "AADSTS50034")
	if w := call(te.Handler(), "GET", "/common/userrealm/bea@example.org?api-version=1.0", "", nil, ""); !strings.Contains(w.Body.String(), `"account_type":"Managed"`) {
		t.Errorf("user realm: %s", w.Body)
	}
}
