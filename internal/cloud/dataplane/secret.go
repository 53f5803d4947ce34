package dataplane

import (
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
	var in struct {
		settings
		Value *string
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	switch {
	case in.Value == nil:
		return nil, badParameter("The parameter value is required")
	case len([]rune(*in.Value)) > maxSecret:
		return nil, badParameter("The secret value has more than 25600 characters")
	}
	v := &objectVersion{Enabled: true}
	in.apply(v)
	if err := c.add(tx, v, []byte(*in.Value)); err != nil {
		return nil, err
	}
	o := c.shown(v)
	o["value"] = *in.Value
	return o, nil
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
