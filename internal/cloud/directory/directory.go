// Package directory is the tenant's directory: principals, their secrets and memberships, kept in a store transaction.
package directory

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

// Kinds of documents. KindPrincipal is keyed by object id, KindMember by "group/member" (object ids),
// KindOwner by "object/owner", KindApplication by the application's own object id, KindResource by azure.ID.Key; its body is the ARM document.
const (
	KindPrincipal   = "principal"
	KindMember      = "member"
	KindOwner       = "owner"
	KindApplication = "application"
	KindResource    = "resource"
)

// Kinds of principals, as role assignments spell them.
const (
	ServicePrincipal = "ServicePrincipal"
	User             = "User"
	Group            = "Group"
)

// Kinds of service principals, as Microsoft Graph spells them.
const (
	Application     = "Application"
	ManagedIdentity = "ManagedIdentity"
)

// Principal is an object of the directory that roles can be assigned to.
type Principal struct {
	ID          azure.PrincipalID `json:"id"`             // object id
	AppID       azure.GUID        `json:"appId,omitzero"` // client id, of service principals
	Type        string            `json:"type"`           // ServicePrincipal, User or Group
	Kind        string            `json:"kind,omitempty"` // of service principals: Application or ManagedIdentity
	DisplayName string            `json:"displayName"`
	UPN         string            `json:"upn,omitempty"`          // userPrincipalName, of users
	Nickname    string            `json:"mailNickname,omitempty"` // of users and groups
	Description string            `json:"description,omitempty"`  // of groups
	Resource    azure.ID          `json:"resource,omitzero"`      // of managed identities: the resource that carries it
	Disabled    bool              `json:"disabled,omitempty"`
	Admin       bool              `json:"admin,omitempty"` // may write the directory
	Created     time.Time         `json:"created"`
	Secrets     []Secret          `json:"secrets,omitempty"`

	Certificates []Certificate `json:"certificates,omitempty"`
	Password     *Password     `json:"password,omitempty"` // of users
}

// Caller is an authenticated principal: the claims of a verified token.
type Caller struct {
	ID       azure.PrincipalID
	AppID    azure.GUID
	Tenant   azure.GUID
	Type     string              // ServicePrincipal or User
	UPN      string              // of users
	Resource azure.ID            // xms_mirid: of managed identities
	Groups   []azure.PrincipalID // nil: as the directory says now
	Claims   map[string]any
	Logged   json.RawMessage `json:"-"` // the claims as the activity log has them
}

// LoggedClaims are the claims of a token as the activity log has them: texts, and the principal's ids under their long names.
func LoggedClaims(claims map[string]any, id azure.PrincipalID, tenant azure.GUID) json.RawMessage {
	out := make(map[string]string, len(claims)+2)
	for k, v := range claims {
		out[k] = fmt.Sprint(v)
	}
	out["http://schemas.microsoft.com/identity/claims/objectidentifier"] = id.String()
	out["http://schemas.microsoft.com/identity/claims/tenantid"] = tenant.String()
	b, _ := json.Marshal(out) // texts always can be
	return b
}

// Get reads a principal by its object id; store.ErrNotFound where there is none.
func Get(tx store.Tx, id azure.PrincipalID) (Principal, error) {
	d, err := tx.Get(KindPrincipal, id.String())
	if err != nil {
		return Principal{}, err
	}
	p, err := store.Parsed(d, func([]byte) (Principal, error) { return decode[Principal](d) })
	p.Secrets, p.Certificates = slices.Clone(p.Secrets), slices.Clone(p.Certificates) // what is shared is not changed
	if p.Password != nil {
		own := *p.Password
		p.Password = &own
	}
	return p, err
}

// ByAppID reads the service principal of a client id; store.ErrNotFound where there is none.
func ByAppID(tx store.Tx, app azure.GUID) (Principal, error) {
	return first[Principal](tx, KindPrincipal, appRef(app))
}

// ByResource reads the principal of the resource that carries it: the system-assigned identity of a resource,
// or the principal of a user-assigned identity; store.ErrNotFound where there is none.
func ByResource(tx store.Tx, id azure.ID) (Principal, error) {
	return first[Principal](tx, KindPrincipal, resourceRef(id))
}

// ByUPN reads the user of a userPrincipalName, in any case; store.ErrNotFound where there is none.
func ByUPN(tx store.Tx, upn string) (Principal, error) {
	return first[Principal](tx, KindPrincipal, upnRef(upn))
}

// Put writes a principal.
func Put(tx store.Tx, p Principal) error {
	var refs []string
	if p.UPN != "" {
		refs = append(refs, upnRef(p.UPN))
	}
	if !p.AppID.IsZero() {
		refs = append(refs, appRef(p.AppID))
	}
	if !p.Resource.IsZero() {
		refs = append(refs, resourceRef(p.Resource))
	}
	return put(tx, KindPrincipal, p.ID.String(), refs, p)
}

// Delete removes a principal, its memberships, in groups and as a group, and its ownerships. A missing principal is no error.
// Role assignments stay behind, as in Azure.
func Delete(tx store.Tx, id azure.PrincipalID) error {
	for _, docs := range []iter.Seq2[store.Doc, error]{
		tx.Find(memberRef(id)),
		tx.Scan(KindMember, id.String()+"/", ""),
	} {
		if err := deleteAll(tx, KindMember, docs); err != nil {
			return err
		}
	}
	if err := forgetOwners(tx, id); err != nil {
		return err
	}
	return tx.Delete(KindPrincipal, id.String())
}

// All yields every principal in order of object id.
func All(tx store.Tx) iter.Seq2[Principal, error] { return After(tx, azure.GUID{}) }

// After yields the principals with a greater object id, in order.
func After(tx store.Tx, id azure.PrincipalID) iter.Seq2[Principal, error] {
	return decodeAll[Principal](KindPrincipal, tx.Scan(KindPrincipal, "", id.String()))
}

// References are prefixed, so that they never meet the ids that ARM documents point to.
func appRef(app azure.GUID) string          { return "app:" + app.String() }
func resourceRef(id azure.ID) string        { return "identity:" + id.Key() }
func upnRef(upn string) string              { return "upn:" + strings.ToLower(upn) }
func memberRef(id azure.PrincipalID) string { return "member:" + id.String() }
func ownerRef(id azure.PrincipalID) string  { return "owner:" + id.String() }

func put(tx store.Tx, kind, key string, refs []string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return tx.Put(store.Doc{Kind: kind, Key: key, Refs: refs, Body: body})
}

func decode[T any](d store.Doc) (T, error) {
	var v T
	if err := json.Unmarshal(d.Body, &v); err != nil {
		return v, fmt.Errorf("document %s %s: %w", d.Kind, d.Key, err)
	}
	return v, nil
}

// decodeAll reads the documents of one kind among docs.
func decodeAll[T any](kind string, docs iter.Seq2[store.Doc, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for d, err := range docs {
			var v T
			if err == nil && d.Kind != kind {
				continue
			}
			if err == nil {
				v, err = decode[T](d)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

func first[T any](tx store.Tx, kind, ref string) (T, error) {
	for v, err := range decodeAll[T](kind, tx.Find(ref)) {
		return v, err
	}
	var none T
	return none, store.ErrNotFound
}

// deleteAll reads to the end before it writes: an iterator over a store does not promise to survive writes.
func deleteAll(tx store.Tx, kind string, docs iter.Seq2[store.Doc, error]) error {
	var keys []string
	for d, err := range docs {
		if err != nil {
			return err
		}
		if d.Kind == kind {
			keys = append(keys, d.Key)
		}
	}
	for _, k := range keys {
		if err := tx.Delete(kind, k); err != nil {
			return err
		}
	}
	return nil
}
