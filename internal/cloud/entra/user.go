package entra

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

// People log in with their name and password alone, as az login -u -p does: nobody signs in interactively here.

const refreshLife = 90 * 24 * time.Hour

// publicClients are the applications that Microsoft gives every tenant for people to log in with, by name.
var publicClients = map[azure.GUID]string{
	azure.MustGUID("04b07795-8ddb-461a-bbee-02f9e1bf7b46"): "Microsoft Azure CLI",
	azure.MustGUID("1950a258-227b-4e31-a9cf-717495945fc2"): "Microsoft Azure PowerShell",
}

// login is what a user's tokens say beside who the user is.
type login struct {
	client azure.GUID
	scope  string
}

// userGrants find the user of a request by grant type.
var userGrants = map[string]func(*Service, *http.Request) (directory.Principal, *azure.Error){
	"password":      (*Service).byPassword,
	"refresh_token": (*Service).byRefreshToken,
}

func (s *Service) grantUser(r *http.Request, tenant string, find func(*Service, *http.Request) (directory.Principal, *azure.Error)) (i issue, refused *azure.Error) {
	form := r.PostForm
	if form.Get("client_id") == "" {
		return i, missing("client_id")
	}
	if refused = s.tenantError(tenant); refused != nil {
		return i, refused
	}
	client, err := azure.ParseGUID(form.Get("client_id"))
	if _, known := publicClients[client]; err != nil || !known {
		return i, azure.ApplicationNotFound.Format(azure.Fields{"app": form.Get("client_id"), "tenant": directory.TenantName})
	}
	i.user = &login{client: client, scope: form.Get("scope")}
	if i.p, refused = find(s, r); refused != nil {
		return i, refused
	}
	if i.p.Disabled {
		return i, azure.UserDisabled.Error()
	}
	i.audience, refused = requestedByUser(r)
	return i, refused
}

// requestedByUser is requested, where a user may also ask for single permissions: {resource}/{permission}.
func requestedByUser(r *http.Request) (string, *azure.Error) {
	audience, refused := requested(r.PostForm)
	if refused == nil || refused.Code != azure.ScopeNotDefault.Code {
		return audience, refused
	}
	for _, name := range strings.Fields(r.PostForm.Get("scope")) {
		if at := strings.LastIndexByte(name, '/'); at > 0 && !slices.Contains(openIDScopes, name) {
			return name[:at], nil
		}
	}
	return "", azure.ScopeInvalid.Format(azure.Fields{"scope": r.PostForm.Get("scope")})
}

func (s *Service) byPassword(r *http.Request) (p directory.Principal, refused *azure.Error) {
	name, password := r.PostForm.Get("username"), r.PostForm.Get("password")
	switch "" {
	case name:
		return p, missing("username")
	case password:
		return p, missing("password")
	}
	err := s.Store.View(r.Context(), func(tx store.Tx) (err error) {
		p, err = directory.ByUPN(tx, name)
		return err
	})
	if p, refused = s.found(r, p, err, name); refused != nil {
		return p, refused
	}
	if p.Password.Check(password) != nil {
		return p, azure.PasswordWrong.Error()
	}
	return p, nil
}

func (s *Service) found(r *http.Request, p directory.Principal, err error, name string) (directory.Principal, *azure.Error) {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return p, azure.UserNotFound.Format(azure.Fields{"user": name, "tenant": directory.TenantName})
	case err != nil:
		return p, s.internal(r, err, azure.EntraInternal)
	}
	return p, nil
}

// refresh is a refresh token: signed as all tokens, with an audience that no service accepts.
type refresh struct {
	Audience string            `json:"aud"`
	Object   azure.PrincipalID `json:"oid"`
	Client   azure.GUID        `json:"appid"`
	IssuedAt int64             `json:"iat"`
}

const refreshAudience = "refresh"

func (s *Service) byRefreshToken(r *http.Request) (p directory.Principal, refused *azure.Error) {
	text := r.PostForm.Get("refresh_token")
	if text == "" {
		return p, missing("refresh_token")
	}
	var t refresh
	payload, err := s.unwrap(text)
	if err != nil || json.Unmarshal(payload, &t) != nil || t.Audience != refreshAudience || t.Client.String() != strings.ToLower(r.PostForm.Get("client_id")) {
		return p, azure.RefreshTokenMalformed.Error()
	}
	issued := time.Unix(t.IssuedAt, 0).UTC()
	if !s.Now().Before(issued.Add(refreshLife)) {
		return p, azure.RefreshTokenExpired.Format(azure.Fields{"issued": issued.Format(time.RFC3339)})
	}
	err = s.Store.View(r.Context(), func(tx store.Tx) (err error) {
		p, err = directory.Get(tx, t.Object)
		return err
	})
	if p, refused = s.found(r, p, err, t.Object.String()); refused != nil {
		return p, refused
	}
	if p.Password != nil && issued.Before(p.Password.Set) {
		return p, azure.RefreshTokenRevoked.Format(azure.Fields{"issued": issued.Format(time.RFC3339), "from": p.Password.Set.Format(time.RFC3339)})
	}
	return p, nil
}

// addUser adds what only users get: who they are, for the client, and a token to come again with.
func (s *Service) addUser(answer map[string]any, r *http.Request, i issue) error {
	now, p := s.Clients().Truncate(time.Second), i.p
	id, err := s.signed(map[string]any{
		"aud": i.user.client, "iss": s.issuer(), "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(clientLife).Unix(),
		"oid": p.ID, "sub": p.ID, "tid": s.Tenant, "name": p.DisplayName, "upn": p.UPN, "unique_name": p.UPN,
		"preferred_username": p.UPN, "uti": uniqueID(), "ver": "1.0",
	})
	if err != nil {
		return err
	}
	again, err := s.signed(refresh{refreshAudience, p.ID, i.user.client, s.Now().Unix()})
	if err != nil {
		return err
	}
	answer["id_token"], answer["refresh_token"], answer["scope"] = id, again, i.user.scope
	if r.PostForm.Get("client_info") == "1" {
		info, _ := json.Marshal(map[string]string{"uid": p.ID.String(), "utid": s.Tenant.String()}) // strings always marshal
		answer["client_info"] = base64.RawURLEncoding.EncodeToString(info)
	}
	return nil
}

func (s *Service) signed(payload any) (string, error) {
	b, err := json.Marshal(payload)
	if err != nil {
		return "", err
	}
	return s.sign(b)
}

// userRealm tells MSAL that a user's password is to be given to Entra itself.
func userRealm(name string) map[string]any {
	_, domain, _ := strings.Cut(name, "@")
	return map[string]any{"ver": "1.0", "account_type": "Managed", "domain_name": domain, "cloud_instance_name": "microsoftonline.com", "cloud_audience_urn": "urn:federation:MicrosoftOnline"}
}
