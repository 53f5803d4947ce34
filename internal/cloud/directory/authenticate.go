package directory

import (
	"errors"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

// TenantName is the display name that Entra gives a new tenant.
const TenantName = "Default Directory"

// Why a client is not let in, beside ErrSecretWrong and ErrSecretExpired.
var (
	ErrNoApplication      = errors.New("no application with this client id")
	ErrNoServicePrincipal = errors.New("the application has no service principal")
	ErrDisabled           = errors.New("the service principal is disabled")
)

// Credentials are what a client can prove itself with: its service principal's own and those of its application.
type Credentials struct {
	Secrets      []Secret
	Certificates []Certificate
	Federations  []Federation
}

// Client finds the service principal of a client id with its credentials. The principal comes with ErrDisabled too.
// Any other error than ErrNoApplication and ErrNoServicePrincipal is the store's.
func Client(tx store.Tx, app azure.GUID) (Principal, Credentials, error) {
	a, appErr := AppByAppID(tx, app)
	if appErr != nil && !errors.Is(appErr, store.ErrNotFound) {
		return Principal{}, Credentials{}, appErr
	}
	p, err := ByAppID(tx, app)
	switch {
	case errors.Is(err, store.ErrNotFound) && appErr != nil:
		return p, Credentials{}, ErrNoApplication
	case errors.Is(err, store.ErrNotFound):
		return p, Credentials{}, ErrNoServicePrincipal
	case err != nil:
		return p, Credentials{}, err
	}
	c := Credentials{append(p.Secrets, a.Secrets...), append(p.Certificates, a.Certificates...), a.Federations}
	if p.UserAssigned() {
		c.Federations, err = identityFederations(tx, p.Resource)
	}
	if err == nil && p.Disabled {
		err = ErrDisabled
	}
	return p, c, err
}

// Authenticate is Client with the check of a secret.
func Authenticate(tx store.Tx, app azure.GUID, secret string, now time.Time) (Principal, error) {
	p, c, err := Client(tx, app)
	if err == nil {
		_, err = findSecret(c.Secrets, secret, now)
	}
	return p, err
}

// refusals are Entra's words for the errors of Client and of secrets.
var refusals = map[error]*azure.Message{
	ErrNoApplication:      azure.ApplicationNotFound,
	ErrNoServicePrincipal: azure.ServicePrincipalMissing,
	ErrDisabled:           azure.ApplicationDisabled,
	ErrSecretWrong:        azure.SecretWrong,
	ErrSecretExpired:      azure.SecretExpired,
}

// Refusal is Entra's answer to a client that is not let in; nil for an error of the store.
func Refusal(err error, tenant, app azure.GUID, p Principal) *azure.Error {
	fields := azure.Fields{"app": app.String(), "name": p.DisplayName, "tenant": TenantName}
	if errors.Is(err, ErrNoServicePrincipal) {
		fields["tenant"] = tenant.String() // this text has the id, the other one the name
	}
	for known, message := range refusals {
		if errors.Is(err, known) {
			return message.Format(fields)
		}
	}
	return nil
}
