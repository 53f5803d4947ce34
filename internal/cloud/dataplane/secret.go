package dataplane

import (
	"errors"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

// maxSecret is the most characters that a secret's value can have (Microsoft Learn: Key Vault, about secrets).
const maxSecret = 25600

// vaultOps by method and shape of the path. Left out: certificates, backup and restore, import, rotation, signatures.
var vaultOps = map[string]vaultOp{
	"PUT secrets/name":                 {action: "secrets/setSecret/action", permission: "set", writes: true, do: (*vaultCall).setSecret},
	"GET secrets/name":                 {action: "secrets/getSecret/action", permission: "get", do: (*vaultCall).getSecret},
	"PATCH secrets/name":               {action: "secrets/update/action", permission: "set", writes: true, do: (*vaultCall).update},
	"DELETE secrets/name":              {action: "secrets/delete", permission: "delete", writes: true, do: (*vaultCall).remove},
	"GET secrets":                      {action: "secrets/readMetadata/action", permission: "list", do: (*vaultCall).list},
	"GET secrets/name/versions":        {action: "secrets/readMetadata/action", permission: "list", do: (*vaultCall).listVersions},
	"GET deletedsecrets":               {action: "secrets/readMetadata/action", permission: "list", do: (*vaultCall).listDeleted},
	"GET deletedsecrets/name":          {action: "secrets/readMetadata/action", permission: "get", do: (*vaultCall).showDeleted},
	"POST deletedsecrets/name/recover": {action: "secrets/recover/action", permission: "recover", writes: true, do: (*vaultCall).recover},
	"DELETE deletedsecrets/name":       {action: "secrets/purge/action", permission: "purge", writes: true, do: (*vaultCall).purgeDeleted, status: 204},

	"POST keys/name/create":         {action: "keys/create/action", permission: "create", writes: true, prepare: (*vaultCall).generateKey, do: (*vaultCall).createKey},
	"GET keys/name":                 {action: "keys/read", permission: "get", do: (*vaultCall).getKey},
	"PATCH keys/name":               {action: "keys/update/action", permission: "update", writes: true, do: (*vaultCall).update},
	"DELETE keys/name":              {action: "keys/delete", permission: "delete", writes: true, do: (*vaultCall).remove},
	"GET keys":                      {action: "keys/read", permission: "list", do: (*vaultCall).list},
	"GET keys/name/versions":        {action: "keys/read", permission: "list", do: (*vaultCall).listVersions},
	"GET deletedkeys":               {action: "keys/read", permission: "list", do: (*vaultCall).listDeleted},
	"GET deletedkeys/name":          {action: "keys/read", permission: "get", do: (*vaultCall).showDeleted},
	"POST deletedkeys/name/recover": {action: "keys/recover/action", permission: "recover", writes: true, do: (*vaultCall).recover},
	"DELETE deletedkeys/name":       {action: "keys/purge/action", permission: "purge", writes: true, do: (*vaultCall).purgeDeleted, status: 204},
	"POST keys/name/encrypt":        {action: "keys/encrypt/action", permission: "encrypt", do: (*vaultCall).encrypt},
	"POST keys/name/decrypt":        {action: "keys/decrypt/action", permission: "decrypt", do: (*vaultCall).decrypt},
	"POST keys/name/wrapkey":        {action: "keys/wrap/action", permission: "wrapKey", do: (*vaultCall).encrypt},
	"POST keys/name/unwrapkey":      {action: "keys/unwrap/action", permission: "unwrapKey", do: (*vaultCall).decrypt},
}

// setSecret makes a new version.
func (c *vaultCall) setSecret(tx store.Tx) (any, error) {
	var in newSecret
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	v, err := c.addSecret(tx, in)
	if err != nil {
		return nil, err
	}
	o := c.shown(v)
	o["value"] = *in.Value
	return o, nil
}

// newSecret is what a request says of a secret to be set.
type newSecret struct {
	settings
	Value *string
}

func (c *vaultCall) addSecret(tx store.Tx, in newSecret) (*objectVersion, error) {
	switch {
	case in.Value == nil:
		return nil, badParameter("The parameter value is required")
	case len([]rune(*in.Value)) > maxSecret:
		return nil, badParameter("The secret value has more than 25600 characters")
	}
	v := &objectVersion{Enabled: true}
	in.apply(v)
	return v, c.add(tx, v, []byte(*in.Value))
}

func (c *vaultCall) getSecret(tx store.Tx) (any, error) {
	v, err := c.asked(tx)
	if err != nil {
		return nil, err
	}
	if !v.Enabled {
		return nil, azure.VaultSecretDisabled.Error()
	}
	value, err := c.material(v)
	if err != nil {
		return nil, err
	}
	o := c.shown(v)
	o["value"] = string(value)
	return o, nil
}

func viewSecret(c *vaultCall, v *objectVersion) object {
	o := object{"id": c.url("secrets", v.Name, v.Version)}
	if v.Type != "" {
		o["contentType"] = v.Type
	}
	return o
}

// secretsOf is Resource Manager's way to the secrets of a vault, which was decided on there.
func (s *Service) secretsOf(tx store.Tx, id azure.ID, name string) (*vaultCall, error) {
	c := &vaultCall{Service: s, name: strings.ToLower(id.Name()), kind: objectKinds["secrets"], object: name}
	var err error
	if c.vault, err = find[vault](tx, "vault:"+c.name); err == nil && (c.vault == nil || !objectName.MatchString(name)) {
		err = badParameter("The secret's name or its vault is not valid: " + name)
	}
	return c, err
}

// PutSecret sets a secret of a vault as Resource Manager is asked to: properties has the value, contentType and
// attributes, as in its api-versions. An error is an *azure.Error or the store's.
func (s *Service) PutSecret(tx store.Tx, vault azure.ID, name string, properties []byte, tags map[string]string) error {
	c, err := s.secretsOf(tx, vault, name)
	if err != nil {
		return err
	}
	c.body = properties
	var in newSecret
	if err := c.decode(&in); err != nil {
		return err
	}
	in.Tags = tags
	_, err = c.addSecret(tx, in)
	return err
}

// Secret is a secret as Resource Manager shows it, without its value; nil where there is none.
func (s *Service) Secret(tx store.Tx, vault azure.ID, name string) (map[string]any, error) {
	c, err := s.secretsOf(tx, vault, name)
	if err != nil {
		return nil, err
	}
	v, err := c.asked(tx)
	if e, ok := errors.AsType[*azure.Error](err); ok && e.Code == c.kind.notFound.Code {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	attributes := c.attributes(v)
	delete(attributes, "recoveryLevel")
	delete(attributes, "recoverableDays")
	return object{"contentType": v.Type, "attributes": attributes, "secretUri": c.url("secrets", v.Name), "secretUriWithVersion": c.url("secrets", v.Name, v.Version)}, nil
}

// SecretNames are the names of a vault's secrets that are not deleted.
func (s *Service) SecretNames(tx store.Tx, vault azure.ID) ([]string, error) {
	c, err := s.secretsOf(tx, vault, "all")
	if err != nil {
		return nil, err
	}
	var names []string
	for h, err := range decodeAll[objectHead](tx.Scan(kindSecret, c.vault.Own.Content.String()+"/", "")) {
		if err != nil {
			return nil, err
		}
		if h.Deleted.IsZero() {
			names = append(names, h.Name)
		}
	}
	return names, nil
}
