package entra

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

// assertionAlgorithms are what Entra takes of clients and federated issuers.
var assertionAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.PS256}

// assertion is a client assertion as its sender wrote it: nothing of it is believed before the signature is checked.
type assertion struct {
	text   string
	header struct {
		SHA1   string `json:"x5t"`
		SHA256 string `json:"x5t#S256"`
	}
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  audience `json:"aud"`
	IssuedAt  float64  `json:"iat"`
	NotBefore float64  `json:"nbf"`
	Expiry    float64  `json:"exp"`
	Ahead     *int64   `json:"aksid_ahead"` // of what we issued: how far our clock was ahead of the clients'
}

// audience is a text or an array of texts (RFC 7519 section 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

func parseAssertion(text string) (*assertion, *azure.Error) {
	a := &assertion{text: text}
	parts := strings.Split(text, ".")
	if len(parts) != 3 || len(text) > maxToken {
		return nil, azure.AssertionMalformed.Error()
	}
	for i, into := range []any{&a.header, a} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(b, into) != nil {
			return nil, azure.AssertionMalformed.Error()
		}
	}
	return a, nil
}

// asserted is the client that an assertion stands for: its own, signed with a certificate, names the client as issuer;
// any other is a token of a federated issuer.
func (s *Service) asserted(r *http.Request, id, text string) (p directory.Principal, refused *azure.Error) {
	a, refused := parseAssertion(text)
	if refused != nil {
		return p, refused
	}
	return s.client(r, id, func(c directory.Credentials, app azure.GUID, p directory.Principal) error {
		if own, err := azure.ParseGUID(a.Issuer); err == nil || a.header.SHA1 != "" || a.header.SHA256 != "" {
			return s.checkOwn(r, a, own, app, c.Certificates)
		}
		return s.checkFederated(r, a, app, p, c.Federations)
	})
}

// checkOwn checks an assertion that a client signed with one of its certificates.
func (s *Service) checkOwn(r *http.Request, a *assertion, issuer, app azure.GUID, all []directory.Certificate) error {
	used, thumbprint := usedCertificate(a, all)
	fields := azure.Fields{"app": app.String(), "thumbprint": thumbprint}
	switch {
	case issuer != app || !strings.EqualFold(a.Subject, a.Issuer):
		return azure.AssertionClient.Error()
	case used == nil:
		return azure.CertificateUnknown.Format(fields)
	case !s.Now().Before(used.Until) || s.Now().Before(used.From):
		fields["start"], fields["end"] = used.From.Format(usStamp), used.Until.Format(usStamp)
		return azure.CertificateExpired.Format(fields)
	}
	x, err := x509.ParseCertificate(used.DER)
	if err != nil {
		return err
	}
	if !a.signedBy(x.PublicKey) {
		return azure.AssertionSignature.Error()
	}
	if !slices.ContainsFunc(a.Audience, func(aud string) bool { return s.ownEndpoint(r, aud) }) {
		return azure.AssertionAudience.Error()
	}
	return s.inTime(a)
}

const usStamp = "01/02/2006 15:04:05"

// usedCertificate is the certificate that an assertion's header names, with its thumbprint as Entra prints it.
func usedCertificate(a *assertion, all []directory.Certificate) (*directory.Certificate, string) {
	name := a.header.SHA1
	if name == "" {
		name = a.header.SHA256
	}
	want, _ := base64.RawURLEncoding.DecodeString(strings.TrimRight(name, "="))
	for i := range all {
		sha1, sha256 := all[i].Thumbprint(), sha256.Sum256(all[i].DER)
		if string(want) == string(sha1[:]) || string(want) == string(sha256[:]) {
			return &all[i], strings.ToUpper(hex.EncodeToString(sha1[:]))
		}
	}
	return nil, strings.ToUpper(hex.EncodeToString(want))
}

// ownEndpoint reports whether an assertion's audience is this tenant: its token endpoint, or its issuer.
func (s *Service) ownEndpoint(r *http.Request, aud string) bool {
	u, err := url.Parse(aud)
	if err != nil || u.Scheme != "https" || u.Host != r.Host && u.Host != "login.microsoftonline.com" {
		return false
	}
	tenant, rest, _ := strings.Cut(strings.TrimLeft(u.Path, "/"), "/")
	if next, below, ok := strings.Cut(rest, "/"); ok && strings.EqualFold(tenant, "adfs") && s.tenantError(next) == nil {
		tenant, rest = next, below
	}
	return s.tenantError(tenant) == nil && slices.Contains([]string{"oauth2/token", "oauth2/v2.0/token", "v2.0", ""}, strings.Trim(strings.ToLower(rest), "/"))
}

func (a *assertion) signedBy(key any) bool {
	signed, err := jose.ParseSignedCompact(a.text, assertionAlgorithms)
	if err != nil {
		return false
	}
	_, err = signed.Verify(key)
	return err == nil
}

// inTime refuses an assertion before and after its time: by the clock of who wrote it.
func (s *Service) inTime(a *assertion) error {
	now, from, until := s.Clients(), unix(a.NotBefore), unix(a.Expiry)
	if a.Ahead != nil {
		now = s.Now().Add(time.Duration(-*a.Ahead) * time.Second)
	}
	if now.Before(from.Add(-backdate)) || !now.Before(until) {
		const form = "2006-01-02T15:04:05.0000000Z"
		return azure.AssertionExpired.Format(azure.Fields{"now": now.UTC().Format(form), "from": from.Format(form), "until": until.Format(form)})
	}
	return nil
}

func unix(seconds float64) time.Time { return time.Unix(int64(seconds), 0).UTC() }

// longestFederated is how long tokens of federated issuers may be good.
const longestFederated = 25 * time.Hour

// checkFederated checks a token of a federated issuer: that a federated credential is for it, and who signed it.
func (s *Service) checkFederated(r *http.Request, a *assertion, app azure.GUID, p directory.Principal, all []directory.Federation) error {
	if len(all) == 0 {
		return azure.FederationMissing.Format(azure.Fields{"app": app.String(), "name": p.DisplayName})
	}
	if unix(a.Expiry).Sub(unix(a.IssuedAt)) > longestFederated {
		return azure.AssertionTooLong.Format(azure.Fields{"issued": fmt.Sprint(int64(a.IssuedAt)), "expires": fmt.Sprint(int64(a.Expiry))})
	}
	if err := s.inTime(a); err != nil {
		return err
	}
	if err := s.matchFederation(a, all); err != nil {
		return err
	}
	key, err := s.issuerKey(r.Context(), a.Issuer)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return azure.IssuerUnreachable.Error()
	case err != nil:
		return err
	case !a.signedBy(key.public):
		return azure.AssertionSignature.Error()
	}
	return nil
}

// matchFederation finds a federated credential with just this issuer, subject and audience, or says what none has.
// One that does not count yet is as good as none; Entra then says that in its older words.
func (s *Service) matchFederation(a *assertion, all []directory.Federation) *azure.Error {
	aud := strings.Join(a.Audience, ",")
	fields := azure.Fields{"issuer": a.Issuer, "subject": a.Subject, "audience": aud}
	best := azure.FederationIssuer
	for _, f := range all {
		if f.Issuer != a.Issuer {
			continue
		}
		hit := azure.FederationSubject
		switch {
		case f.Subject == a.Subject && slices.ContainsFunc(f.Audiences, func(want string) bool { return slices.Contains(a.Audience, want) }):
			if !s.Now().Before(f.From) {
				return nil
			}
			hit = azure.FederationNoMatch
		case f.Subject == a.Subject:
			hit = azure.FederationAudience
		case strings.EqualFold(f.Subject, a.Subject):
			hit = azure.FederationSubjectCase
		}
		if slices.Index(federationRank, hit) > slices.Index(federationRank, best) {
			best = hit
		}
	}
	return best.Format(fields)
}

// federationRank is how close a federated credential came: the closest is what Entra speaks of.
var federationRank = []*azure.Message{azure.FederationIssuer, azure.FederationSubject, azure.FederationSubjectCase, azure.FederationAudience, azure.FederationNoMatch}
