package dataplane

import (
	"encoding/base64"
	"encoding/json"
	"iter"
	"net/url"
	"strconv"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

// What a vault keeps in the store. Names are lower-cased in keys.
const (
	kindSecret        = "secret"         // content/name
	kindSecretVersion = "secret version" // content/name/version
	kindKey           = "key"            // content/name
	kindKeyVersion    = "key version"    // content/name/version
)

// objectKind is what secrets and keys differ in.
type objectKind struct {
	collection string // as in paths and scopes
	head       string // kind of documents of objects
	versions   string // kind of documents of versions
	id         string // member of a list's elements
	title      string // as messages begin with it
	notFound   *azure.Message
	noDeleted  *azure.Message
	view       func(*vaultCall, *objectVersion) object // beside attributes and tags
}

var objectKinds = map[string]*objectKind{
	"secrets": {"secrets", kindSecret, kindSecretVersion, "id", "Secret", azure.VaultSecretNotFound, azure.VaultDeletedNotFound, viewSecret},
	"keys":    {"keys", kindKey, kindKeyVersion, "kid", "Key", azure.VaultKeyNotFound, azure.VaultDeletedKeyNotFound, viewKey},
}

// objectHead is a secret or key.
type objectHead struct {
	Name    string    `json:"name"`
	Current string    `json:"current"` // version
	Deleted time.Time `json:"deleted,omitzero"`
	Purge   time.Time `json:"purge,omitzero"` // when a deleted one is gone for good
}

// objectVersion is a version of a secret or key.
type objectVersion struct {
	Name    string            `json:"name"`
	Version string            `json:"version"`
	Type    string            `json:"contentType,omitempty"` // of a secret
	Public  json.RawMessage   `json:"public,omitempty"`      // of a key: the JWK (RFC 7517)
	Sealed  []byte            `json:"sealed"`                // the secret's value, or the private key (PKCS #8)
	Tags    map[string]string `json:"tags,omitempty"`
	Enabled bool              `json:"enabled"`
	From    *int64            `json:"nbf,omitempty"` // Unix seconds, as all times of the data plane
	Until   *int64            `json:"exp,omitempty"`
	Created int64             `json:"created"`
	Updated int64             `json:"updated"`
}

func (c *vaultCall) key(name string) string {
	return c.vault.Own.Content.String() + "/" + strings.ToLower(name)
}

func (c *vaultCall) versionKey(name, version string) string { return c.key(name) + "/" + version }

// head reads an object that is not gone for good, deleted or not.
func (c *vaultCall) head(tx store.Tx) (*objectHead, error) {
	h := &objectHead{}
	ok, err := get(tx, c.kind.head, c.key(c.object), h)
	if err != nil || !ok || h.gone(c.Now()) {
		return nil, err
	}
	return h, nil
}

// gone reports whether the retention of a deleted object is over.
func (h *objectHead) gone(now time.Time) bool { return !h.Deleted.IsZero() && !now.Before(h.Purge) }

// live reads an object that is there and not deleted.
func (c *vaultCall) live(tx store.Tx) (*objectHead, error) {
	h, err := c.head(tx)
	if err == nil && (h == nil || !h.Deleted.IsZero()) {
		name := c.object
		if c.version != "" {
			name += "/" + c.version
		}
		err = c.kind.notFound.Format(azure.Fields{"name": name})
	}
	return h, err
}

// deleted reads an object that is deleted and can be recovered.
func (c *vaultCall) deleted(tx store.Tx) (*objectHead, error) {
	h, err := c.head(tx)
	if err == nil && (h == nil || h.Deleted.IsZero()) {
		err = c.kind.noDeleted.Format(azure.Fields{"name": c.object})
	}
	return h, err
}

// asked reads the version that the path names, or the current one.
func (c *vaultCall) asked(tx store.Tx) (*objectVersion, error) {
	h, err := c.live(tx)
	if err != nil {
		return nil, err
	}
	want := c.version
	if want == "" {
		want = h.Current
	}
	v := &objectVersion{}
	ok, err := get(tx, c.kind.versions, c.versionKey(c.object, want), v)
	if err == nil && !ok {
		err = c.kind.notFound.Format(azure.Fields{"name": c.object + "/" + want})
	}
	return v, err
}

// settings are what a request says of a version beside its material.
type settings struct {
	ContentType *string
	Tags        map[string]string
	Attributes  struct {
		Enabled  *bool
		Nbf, Exp *int64
	}
}

// apply takes over what was said.
func (s *settings) apply(v *objectVersion) {
	a := s.Attributes
	if s.ContentType != nil {
		v.Type = *s.ContentType
	}
	if s.Tags != nil {
		v.Tags = s.Tags
	}
	if a.Enabled != nil {
		v.Enabled = *a.Enabled
	}
	if a.Nbf != nil {
		v.From = a.Nbf
	}
	if a.Exp != nil {
		v.Until = a.Exp
	}
}

// add makes a new version of an object, which becomes the current one.
func (c *vaultCall) add(tx store.Tx, v *objectVersion, material []byte) error {
	h, err := c.head(tx)
	if err != nil {
		return err
	}
	if h != nil && !h.Deleted.IsZero() {
		return azure.VaultObjectDeleted.Format(azure.Fields{"kind": c.kind.title, "object": strings.ToLower(c.kind.title), "name": c.object})
	}
	if h == nil {
		if err := c.purge(tx); err != nil { // what is left of one that is gone
			return err
		}
		h = &objectHead{Name: c.object}
	}
	id := azure.NewGUID()
	v.Name, v.Version = h.Name, strings.ReplaceAll(id.String(), "-", "")
	v.Created = c.Now().Unix()
	v.Updated = v.Created
	h.Current = v.Version
	where := c.versionKey(v.Name, v.Version)
	v.Sealed = c.seal.seal(where, material)
	if err := put(tx, c.kind.versions, where, v); err != nil {
		return err
	}
	return put(tx, c.kind.head, c.key(h.Name), h)
}

// material is a version's value or private key.
func (c *vaultCall) material(v *objectVersion) ([]byte, error) {
	return c.seal.open(c.versionKey(v.Name, v.Version), v.Sealed)
}

// update changes what a version says of itself.
func (c *vaultCall) update(tx store.Tx) (any, error) {
	v, err := c.asked(tx)
	if err != nil {
		return nil, err
	}
	var s settings
	if err := c.decode(&s); err != nil {
		return nil, err
	}
	s.apply(v)
	v.Updated = c.Now().Unix()
	return c.shown(v), put(tx, c.kind.versions, c.versionKey(v.Name, v.Version), v)
}

// url is the id of an object or a version.
func (c *vaultCall) url(segments ...string) string {
	return "https://" + c.name + vaultSuffix + "/" + strings.Join(segments, "/")
}

func (c *vaultCall) shown(v *objectVersion) object {
	o := c.kind.view(c, v)
	o["attributes"] = c.attributes(v)
	if v.Tags != nil {
		o["tags"] = v.Tags
	}
	return o
}

func (c *vaultCall) attributes(v *objectVersion) object {
	p := &c.vault.Properties
	a := object{"enabled": v.Enabled, "created": v.Created, "updated": v.Updated, "recoverableDays": p.Retention}
	if v.From != nil {
		a["nbf"] = *v.From
	}
	if v.Until != nil {
		a["exp"] = *v.Until
	}
	level := "Recoverable"
	if p.Retention < 90 {
		level = "CustomizedRecoverable"
	}
	if !p.Protected {
		level += "+Purgeable"
	}
	a["recoveryLevel"] = level
	return a
}

// remove deletes an object so that it can be recovered until the retention is over.
func (c *vaultCall) remove(tx store.Tx) (any, error) {
	h, err := c.live(tx)
	if err != nil {
		return nil, err
	}
	h.Deleted = c.Now().UTC()
	h.Purge = h.Deleted.AddDate(0, 0, c.vault.Properties.Retention)
	if err := put(tx, c.kind.head, c.key(h.Name), h); err != nil {
		return nil, err
	}
	return c.deletedView(tx, h)
}

func (c *vaultCall) showDeleted(tx store.Tx) (any, error) {
	h, err := c.deleted(tx)
	if err != nil {
		return nil, err
	}
	return c.deletedView(tx, h)
}

func (c *vaultCall) deletedView(tx store.Tx, h *objectHead) (object, error) {
	v := &objectVersion{}
	if _, err := get(tx, c.kind.versions, c.versionKey(h.Name, h.Current), v); err != nil {
		return nil, err
	}
	o := c.shown(v)
	c.deletion(o, h)
	return o, nil
}

// deletion says how long a deleted object can be recovered, and where.
func (c *vaultCall) deletion(o object, h *objectHead) {
	o["recoveryId"] = c.url("deleted"+c.kind.collection, h.Name)
	o["deletedDate"], o["scheduledPurgeDate"] = h.Deleted.Unix(), h.Purge.Unix()
}

func (c *vaultCall) recover(tx store.Tx) (any, error) {
	h, err := c.deleted(tx)
	if err != nil {
		return nil, err
	}
	h.Deleted, h.Purge = time.Time{}, time.Time{}
	if err := put(tx, c.kind.head, c.key(h.Name), h); err != nil {
		return nil, err
	}
	v, err := c.asked(tx)
	if err != nil {
		return nil, err
	}
	return c.shown(v), nil
}

func (c *vaultCall) purgeDeleted(tx store.Tx) (any, error) {
	if _, err := c.deleted(tx); err != nil {
		return nil, err
	}
	if c.vault.Properties.Protected {
		return nil, azure.VaultPurgeProtected.Error()
	}
	return nil, c.purge(tx)
}

// purge removes an object for good.
func (c *vaultCall) purge(tx store.Tx) error {
	if err := deleteAll(tx, tx.Scan(c.kind.versions, c.key(c.object)+"/", "")); err != nil {
		return err
	}
	return tx.Delete(c.kind.head, c.key(c.object))
}

// pageOfVault is the most elements of a list, and how many it has unless maxresults says less.
const pageOfVault = 25

// list answers with a page of objects, deleted or not.
func (c *vaultCall) list(tx store.Tx) (any, error) { return c.listHeads(tx, false) }

func (c *vaultCall) listDeleted(tx store.Tx) (any, error) { return c.listHeads(tx, true) }

func (c *vaultCall) listHeads(tx store.Tx, deleted bool) (any, error) {
	prefix := c.vault.Own.Content.String() + "/"
	return c.page(prefix, tx.Scan(c.kind.head, prefix, c.after(prefix)), func(d store.Doc) (object, error) {
		var h objectHead
		if err := json.Unmarshal(d.Body, &h); err != nil {
			return nil, err
		}
		if h.Deleted.IsZero() == deleted || h.gone(c.Now()) {
			return nil, nil
		}
		v := &objectVersion{}
		if _, err := get(tx, c.kind.versions, c.versionKey(h.Name, h.Current), v); err != nil {
			return nil, err
		}
		o := c.element(v, c.url(c.kind.collection, h.Name))
		if deleted {
			c.deletion(o, &h)
		}
		return o, nil
	})
}

// listVersions answers with a page of an object's versions.
func (c *vaultCall) listVersions(tx store.Tx) (any, error) {
	h, err := c.live(tx)
	if err != nil {
		return nil, err
	}
	prefix := c.key(h.Name) + "/"
	return c.page(prefix, tx.Scan(c.kind.versions, prefix, c.after(prefix)), func(d store.Doc) (object, error) {
		v := &objectVersion{}
		if err := json.Unmarshal(d.Body, v); err != nil {
			return nil, err
		}
		return c.element(v, c.url(c.kind.collection, h.Name, v.Version)), nil
	})
}

// element is a version in a list.
func (c *vaultCall) element(v *objectVersion, id string) object {
	o := object{c.kind.id: id, "attributes": c.attributes(v)}
	if v.Type != "" {
		o["contentType"] = v.Type
	}
	if v.Tags != nil {
		o["tags"] = v.Tags
	}
	return o
}

// after is where the page before this one ended.
func (c *vaultCall) after(prefix string) string {
	token, err := base64.RawURLEncoding.DecodeString(c.r.URL.Query().Get("$skiptoken"))
	if err != nil || len(token) == 0 {
		return ""
	}
	return prefix + string(token)
}

// page is a list's answer: at most maxresults elements, and a link to the rest.
func (c *vaultCall) page(prefix string, docs iter.Seq2[store.Doc, error], show func(store.Doc) (object, error)) (any, error) {
	query := c.r.URL.Query()
	n := pageOfVault
	if s := query.Get("maxresults"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil || n < 1 || n > pageOfVault {
			return nil, badParameter("maxresults must be between 1 and 25")
		}
	}
	value, last := []object{}, ""
	for d, err := range docs {
		var o object
		if err == nil {
			o, err = show(d)
		}
		switch {
		case err != nil:
			return nil, err
		case o == nil:
			continue
		case len(value) == n:
			query.Set("$skiptoken", base64.RawURLEncoding.EncodeToString([]byte(last)))
			next := url.URL{Scheme: "https", Host: c.r.Host, Path: c.r.URL.Path, RawQuery: query.Encode()}
			return object{"value": value, "nextLink": next.String()}, nil
		}
		value, last = append(value, o), strings.TrimPrefix(d.Key, prefix)
	}
	return object{"value": value, "nextLink": nil}, nil
}
