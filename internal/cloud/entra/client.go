package entra

import (
	"net/http"
	"net/url"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

// How a client proved itself: not at all, with a secret, or with an assertion that it or a federated issuer signed.
const (
	byNothing   = "0"
	bySecret    = "1"
	byAssertion = "2"
)

// assertionType is the only form of client assertions (RFC 7523).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// grantClient is the client credentials grant: a service principal's own token.
func (s *Service) grantClient(r *http.Request, tenant string) (i issue, refused *azure.Error) {
	form := r.PostForm
	id, secret := clientCredential(r)
	assertion := form.Get("client_assertion")
	switch {
	case secret == "" && assertion == "":
		return i, azure.CredentialMissing.Error()
	case secret == "" && form.Get("client_assertion_type") != assertionType:
		return i, missing("client_assertion_type")
	case id == "":
		return i, missing("client_id")
	}
	if refused = s.tenantError(tenant); refused != nil {
		return i, refused
	}
	if secret != "" {
		i.proof = bySecret
		i.p, refused = s.client(r, id, func(c directory.Credentials, app azure.GUID, p directory.Principal) error {
			_, err := c.Secret(secret, s.Now())
			return err
		})
	} else {
		i.proof = byAssertion
		i.p, refused = s.asserted(r, id, assertion)
	}
	if refused == nil {
		i.audience, refused = requested(form)
	}
	return i, refused
}

// client finds a client and lets prove judge its credentials. An *azure.Error of prove is the answer as it is.
func (s *Service) client(r *http.Request, id string, prove func(directory.Credentials, azure.GUID, directory.Principal) error) (p directory.Principal, refused *azure.Error) {
	app, err := azure.ParseGUID(id)
	if err != nil {
		return p, azure.ApplicationNotFound.Format(azure.Fields{"app": id, "tenant": directory.TenantName})
	}
	var c directory.Credentials
	err = s.Store.View(r.Context(), func(tx store.Tx) (err error) {
		p, c, err = directory.Client(tx, app)
		return err
	})
	if err == nil {
		err = prove(c, app, p)
	}
	if err == nil {
		return p, nil
	}
	if refused, ok := err.(*azure.Error); ok {
		return p, refused
	}
	if refused = directory.Refusal(err, s.Tenant, app, p); refused == nil {
		refused = s.internal(r, err, azure.EntraInternal)
	}
	return p, refused
}

// clientCredential reads a client's id and secret from the form, or else as RFC 6749 section 2.3.1 has them in a header.
func clientCredential(r *http.Request) (id, secret string) {
	id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	user, password, ok := r.BasicAuth()
	if !ok || secret != "" {
		return id, secret
	}
	user, err := url.QueryUnescape(user)
	password, err2 := url.QueryUnescape(password)
	if err != nil || err2 != nil {
		return id, ""
	}
	return user, password
}
