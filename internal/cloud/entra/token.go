package entra

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
)

// Lifetimes as Entra has them. A token is valid from five minutes before it is issued, for clocks that run behind.
const (
	clientLife   = time.Hour      // of a token got with a client secret
	identityLife = 24 * time.Hour // of a managed identity's token
	backdate     = 5 * time.Minute
)

// claims of an access token, version 1.0 (Microsoft Learn: access token claims reference). Its times are by the clients' clocks;
// where ours is ahead of them, Ahead says by how many seconds, so that moving ours on ends what was issued before.
type claims struct {
	Audience  string            `json:"aud"`
	Issuer    string            `json:"iss"`
	IssuedAt  int64             `json:"iat"`
	NotBefore int64             `json:"nbf"`
	Expiry    int64             `json:"exp"`
	AppID     azure.GUID        `json:"appid,omitzero"`
	AppIDACR  string            `json:"appidacr,omitempty"` // how the client proved itself
	IDP       string            `json:"idp"`
	IDType    string            `json:"idtyp"` // app or user
	Object    azure.PrincipalID `json:"oid"`
	Subject   string            `json:"sub"`
	Tenant    azure.GUID        `json:"tid"`
	Methods   []string          `json:"amr,omitempty"`         // how a user signed in
	Scope     string            `json:"scp,omitempty"`         // what a user's client may do
	UPN       string            `json:"upn,omitempty"`         // of users
	UserName  string            `json:"unique_name,omitempty"` // of users
	Name      string            `json:"name,omitempty"`
	Unique    string            `json:"uti"`
	Version   string            `json:"ver"`
	Resource  azure.ID          `json:"xms_mirid,omitzero"` // of a managed identity
	Ahead     int64             `json:"aksid_ahead,omitempty"`
}

// issuer is who version 1.0 tokens are from, in every cloud.
func (s *Service) issuer() string { return "https://sts.windows.net/" + s.Tenant.String() + "/" }

// ahead is by how many seconds our clock is ahead of the clients'.
func (s *Service) ahead() int64 {
	return int64(s.Now().Sub(s.Clients()).Round(time.Second) / time.Second)
}

// Token issues an access token of p for exactly that audience, and says when it expires by the clients' clocks.
func (s *Service) Token(p directory.Principal, audience string) (string, time.Time, error) {
	return s.issue(issue{p: p, audience: audience, proof: bySecret})
}

// issue makes an access token.
func (s *Service) issue(i issue) (string, time.Time, error) {
	c, err := s.claimsOf(i)
	if err != nil {
		return "", time.Time{}, err
	}
	now := s.Clients().Truncate(time.Second)
	expiry := now.Add(lifetime(i.p))
	c.Audience, c.Ahead = i.audience, s.ahead()
	c.IssuedAt, c.NotBefore, c.Expiry = now.Add(-backdate).Unix(), now.Add(-backdate).Unix(), expiry.Unix()
	payload, err := json.Marshal(c)
	if err != nil {
		return "", time.Time{}, err
	}
	token, err := s.sign(payload)
	return token, expiry, err
}

func lifetime(p directory.Principal) time.Duration {
	if p.Kind == directory.ManagedIdentity {
		return identityLife
	}
	return clientLife
}

func (s *Service) claimsOf(i issue) (claims, error) {
	p := i.p
	c := claims{
		Issuer: s.issuer(), IDP: s.issuer(), Tenant: s.Tenant, Version: "1.0",
		Object: p.ID, Subject: p.ID.String(), Unique: uniqueID(),
	}
	switch {
	case p.Type == directory.User:
		c.IDType, c.UPN, c.Name = "user", p.UPN, p.DisplayName
		if i.user != nil {
			c.UserName, c.AppID, c.AppIDACR, c.Methods, c.Scope = p.UPN, i.user.client, byNothing, []string{"pwd"}, "user_impersonation"
		}
	case p.Type != directory.ServicePrincipal:
		return c, errors.New("no tokens for a " + p.Type)
	case p.Kind == directory.ManagedIdentity:
		c.IDType, c.AppID, c.AppIDACR, c.Resource = "app", p.AppID, byAssertion, p.Resource
	default:
		c.IDType, c.AppID, c.AppIDACR = "app", p.AppID, i.proof
	}
	return c, nil
}

// uniqueID is a token's identifier as Entra writes it: 16 random bytes, base64.
func uniqueID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
