package directory

import (
	"errors"
	"iter"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

// App is an application registration. It is no principal: its service principal is, which has the same AppID.
type App struct {
	ID          azure.GUID `json:"id"`    // object id of the registration
	AppID       azure.GUID `json:"appId"` // client id
	DisplayName string     `json:"displayName"`
	Created     time.Time  `json:"created"`
	Secrets     []Secret   `json:"secrets,omitempty"`

	Certificates []Certificate `json:"certificates,omitempty"`
	Federations  []Federation  `json:"federations,omitempty"`
}

// GetApp reads an application by its own object id; store.ErrNotFound where there is none.
func GetApp(tx store.Tx, id azure.GUID) (App, error) {
	d, err := tx.Get(KindApplication, id.String())
	if err != nil {
		return App{}, err
	}
	return decode[App](d)
}

// AppByAppID reads an application by its client id; store.ErrNotFound where there is none.
func AppByAppID(tx store.Tx, app azure.GUID) (App, error) {
	return first[App](tx, KindApplication, appRef(app))
}

// PutApp writes an application.
func PutApp(tx store.Tx, a App) error {
	return put(tx, KindApplication, a.ID.String(), []string{appRef(a.AppID)}, a)
}

// DeleteApp removes an application and its service principal, as Entra does in an application's home tenant.
func DeleteApp(tx store.Tx, a App) error {
	p, err := ByAppID(tx, a.AppID)
	if err == nil {
		err = Delete(tx, p.ID)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err := forgetOwners(tx, a.ID); err != nil {
		return err
	}
	return tx.Delete(KindApplication, a.ID.String())
}

// AppsAfter yields the applications with a greater object id, in order.
func AppsAfter(tx store.Tx, id azure.GUID) iter.Seq2[App, error] {
	return decodeAll[App](KindApplication, tx.Scan(KindApplication, "", id.String()))
}
