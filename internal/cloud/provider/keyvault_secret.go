package provider

import (
	"encoding/json"
	"iter"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

// Secrets are the vaults' data plane, as far as Resource Manager reaches into it: templates set secrets there, and
// values are sealed there. Errors are *azure.Error or the store's.
type Secrets interface {
	// PutSecret sets a secret: properties is JSON with value, contentType and attributes.
	PutSecret(tx store.Tx, vault azure.ID, name string, properties []byte, tags map[string]string) error
	// Secret is what may be shown of a secret; nil where there is none.
	Secret(tx store.Tx, vault azure.ID, name string) (map[string]any, error)
	// SecretNames are the vault's secrets.
	SecretNames(tx store.Tx, vault azure.ID) ([]string, error)
}

const typeSecret = typeVault + "/secrets"

// secretType is vaults/secrets: writing one is a right of the control plane, and nobody reads a value here.
func secretType(s Secrets) arm.Type {
	return arm.Type{
		Name: typeSecret, Codes: arm.Codes{Create: 200}, NoDelete: true,
		Get:   func(c *arm.Call) (arm.Doc, *azure.Error) { return getSecret(c, s, c.ID) },
		List:  func(c *arm.Call) iter.Seq2[arm.Doc, error] { return listSecrets(c, s) },
		Check: func(c *arm.Call) *azure.Error { return setSecret(c, s) },
		// The document was a way into the data plane: the secret is there alone.
		Written: func(c *arm.Call) *azure.Error { return arm.Fault(c.Tx.Delete(directory.KindResource, c.ID.Key())) },
	}
}

func getSecret(c *arm.Call, s Secrets, id azure.ID) (arm.Doc, *azure.Error) {
	properties, err := s.Secret(c.Tx, id.Parent(), id.Name())
	if err != nil {
		return nil, arm.Fault(err)
	}
	if properties == nil {
		return nil, azure.NotFound.Format(azure.Fields{"id": id.String()})
	}
	return arm.Doc{"id": id.String(), "name": id.Name(), "type": typeSecret, "properties": properties}, nil
}

func listSecrets(c *arm.Call, s Secrets) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		names, err := s.SecretNames(c.Tx, c.ID)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, name := range names {
			d, err := getSecret(c, s, c.ID.Join("secrets", name))
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(d, nil) {
				return
			}
		}
	}
}

// setSecret hands the value on before anything is stored: what is stored must not have it.
func setSecret(c *arm.Call, s Secrets) *azure.Error {
	properties, err := json.Marshal(arm.Map(c.Doc, "properties"))
	if err != nil {
		return arm.Fault(err)
	}
	tags := map[string]string{}
	for k, v := range arm.Map(c.Doc, "tags") {
		tags[k], _ = v.(string)
	}
	if err := s.PutSecret(c.Tx, c.ID.Parent(), c.ID.Name(), properties, tags); err != nil {
		return arm.Fault(err)
	}
	shown, err := s.Secret(c.Tx, c.ID.Parent(), c.ID.Name())
	if err != nil {
		return arm.Fault(err)
	}
	c.Doc["properties"] = shown
	return nil
}
