package entra

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
)

// Certificates, federated credentials and passwords in Microsoft Graph.

// keyBody is a keyCredential as clients write it. One with the id of a certificate that is there and no key keeps that.
type keyBody struct {
	KeyID                            string
	Key                              string // base64, DER
	Type, Usage, CustomKeyIdentifier string
	DisplayName                      *string
	StartDateTime, EndDateTime       time.Time
	Annotation                       string `json:"@odata.type"`
}

// setCertificates replaces all of an object's certificates, which is the only way to change them.
func (c *graphCall) setCertificates(all *[]directory.Certificate, given *[]keyBody) *azure.Error {
	if given == nil {
		return nil
	}
	made := []directory.Certificate{}
	for _, k := range *given {
		if i := slices.IndexFunc(*all, func(old directory.Certificate) bool { return strings.EqualFold(old.ID.String(), k.KeyID) }); i >= 0 && k.Key == "" {
			made = append(made, (*all)[i])
			continue
		}
		name := ""
		if k.DisplayName != nil {
			name = *k.DisplayName
		}
		der, err := base64.StdEncoding.DecodeString(k.Key)
		if err != nil || len([]rune(name)) > maxName {
			return c.invalid("keyCredentials")
		}
		cert, err := directory.NewCertificate(name, der, k.StartDateTime, k.EndDateTime)
		if err != nil {
			return azure.GraphKeyInvalid.Error()
		}
		if id, err := azure.ParseGUID(k.KeyID); err == nil {
			cert.ID = id
		}
		made = append(made, cert)
	}
	*all = made
	return nil
}

func showCertificates(all []directory.Certificate) []object {
	shown := []object{}
	for _, cert := range all {
		thumbprint := cert.Thumbprint()
		shown = append(shown, object{
			"keyId": cert.ID.String(), "displayName": nullable(cert.Name), "type": "AsymmetricX509Cert", "usage": "Verify", "key": nil,
			"customKeyIdentifier": base64.StdEncoding.EncodeToString(thumbprint[:]),
			"startDateTime":       timestamp(cert.From), "endDateTime": timestamp(cert.Until),
		})
	}
	return shown
}

// hashPassword is the password that the body of a write gives a user, nil where it gives none.
func (c *graphCall) hashPassword() *directory.Password {
	var body struct{ PasswordProfile struct{ Password string } }
	if c.kind == nil || c.kind.principal != directory.User || json.Unmarshal(c.body, &body) != nil || body.PasswordProfile.Password == "" {
		return nil
	}
	return directory.NewPassword(body.PasswordProfile.Password, c.Now())
}

// federationBody is a federated credential as clients write it.
type federationBody struct {
	ID                                 *string // az sends back what it has read
	Name, Issuer, Subject, Description *string
	Audiences                          *[]string
}

// trusted is the application of a path.
func (c *graphCall) trusted() (entry, *azure.Error) {
	e, err := c.lookup(applications, c.id)
	if err != nil {
		return e, c.failed(err, c.id)
	}
	return e, nil
}

// member finds the federated credential of a path, by id or by name.
func (c *graphCall) trust() (e entry, i int, refused *azure.Error) {
	if e, refused = c.trusted(); refused != nil {
		return e, 0, refused
	}
	i = slices.IndexFunc(e.app.Federations, func(f directory.Federation) bool {
		return strings.EqualFold(f.ID.String(), c.member) || f.Name == c.member
	})
	if i < 0 {
		return e, i, azure.GraphNotFound.Format(azure.Fields{"id": c.member})
	}
	return e, i, nil
}

func showFederation(f directory.Federation) object {
	return object{"id": f.ID.String(), "name": f.Name, "issuer": f.Issuer, "subject": f.Subject, "audiences": f.Audiences, "description": nullable(f.Description)}
}

func (c *graphCall) federations() (any, *azure.Error) {
	e, refused := c.trusted()
	if refused != nil {
		return nil, refused
	}
	all := []object{}
	for _, f := range e.app.Federations {
		all = append(all, showFederation(f))
	}
	return c.collection("applications('"+e.id().String()+"')/federatedIdentityCredentials", all), nil
}

func (c *graphCall) federation() (any, *azure.Error) {
	e, i, refused := c.trust()
	if refused != nil {
		return nil, refused
	}
	return showFederation(e.app.Federations[i]), nil
}

func (c *graphCall) addFederation() (any, *azure.Error) {
	e, refused := c.trusted()
	if refused != nil {
		return nil, refused
	}
	f := directory.Federation{ID: azure.NewGUID(), From: c.Now().Add(c.Propagation).UTC()}
	if refused = c.setFederation(e, &f, true); refused != nil {
		return nil, refused
	}
	if len(e.app.Federations) >= directory.MaxFederations {
		return nil, azure.GraphFederationLimit.Format(azure.Fields{"limit": "20"})
	}
	e.app.Federations = append(e.app.Federations, f)
	o := showFederation(f)
	o["@odata.context"] = c.context("applications('" + e.id().String() + "')/federatedIdentityCredentials/$entity")
	return o, c.saved(e)
}

func (c *graphCall) changeFederation() (any, *azure.Error) {
	e, i, refused := c.trust()
	if refused == nil {
		refused = c.setFederation(e, &e.app.Federations[i], false)
	}
	if refused != nil {
		return nil, refused
	}
	e.app.Federations[i].From = c.Now().Add(c.Propagation).UTC()
	return nil, c.saved(e)
}

func (c *graphCall) removeFederation() (any, *azure.Error) {
	e, i, refused := c.trust()
	if refused != nil {
		return nil, refused
	}
	e.app.Federations = slices.Delete(e.app.Federations, i, i+1)
	return nil, c.saved(e)
}

// setFederation sets the properties of the body; only the description may be missing. The name stays.
func (c *graphCall) setFederation(e entry, f *directory.Federation, create bool) *azure.Error {
	c.kind = federatedCredentials
	body, refused := decodeBody[federationBody](c)
	if refused != nil {
		return refused
	}
	if body.Name != nil && !create && *body.Name != f.Name {
		return c.invalid("name")
	}
	for _, text := range []struct {
		target *string
		given  *string
	}{{&f.Name, body.Name}, {&f.Issuer, body.Issuer}, {&f.Subject, body.Subject}, {&f.Description, body.Description}} {
		if text.given != nil {
			*text.target = *text.given
		}
	}
	if body.Audiences != nil {
		f.Audiences = *body.Audiences
	}
	switch {
	case f.Name == "":
		return c.required("name")
	case f.Issuer == "" || len(f.Issuer) > maxFederation:
		return c.required("issuer")
	case f.Subject == "" || len(f.Subject) > maxFederation:
		return c.required("subject")
	case len(f.Audiences) != 1:
		return c.invalid("audiences")
	}
	for _, other := range e.app.Federations {
		switch {
		case other.ID == f.ID:
		case other.Name == f.Name:
			return azure.GraphFederationNameInUse.Format(azure.Fields{"name": f.Name})
		case other.Issuer == f.Issuer && other.Subject == f.Subject:
			return azure.GraphFederationInUse.Error()
		}
	}
	return nil
}

// maxFederation bounds an issuer and a subject, in characters (Microsoft Graph: federatedIdentityCredential).
const maxFederation = 600
