package directory

import (
	"errors"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

// Why a client is not let in, beside ErrSecretWrong and ErrSecretExpired.
var (
	ErrNoApplication      = errors.New("no application with this client id")
	ErrNoServicePrincipal = errors.New("the application has no service principal")
	ErrDisabled           = errors.New("the service principal is disabled")
)

// Authenticate finds the service principal of a client id and checks a secret: its own secrets count, and those of
// its application. The principal comes with ErrDisabled too. Any other error than those above is the store's.
func Authenticate(tx store.Tx, app azure.GUID, secret string, now time.Time) (Principal, error) {
	a, appErr := AppByAppID(tx, app)
	if appErr != nil && !errors.Is(appErr, store.ErrNotFound) {
		return Principal{}, appErr
	}
	p, err := ByAppID(tx, app)
	switch {
	case errors.Is(err, store.ErrNotFound) && appErr != nil:
		return p, ErrNoApplication
	case errors.Is(err, store.ErrNotFound):
		return p, ErrNoServicePrincipal
	case err != nil:
		return p, err
	case p.Disabled:
		return p, ErrDisabled
	}
	return p, checkSecret(append(p.Secrets, a.Secrets...), secret, now)
}
