package directory

import (
	"encoding/json"
	"fmt"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

// TypeFederation are the federated credentials of user-assigned identities.
const TypeFederation = TypeUserAssigned + "/federatedIdentityCredentials"

// MaxFederations is how many federated credentials an identity or an application can have (azure-facts 1.6).
const MaxFederations = 20

// Federation lets tokens of another issuer stand for a client: those whose issuer, subject and audience are just these.
type Federation struct {
	ID          azure.GUID `json:"id"`
	Name        string     `json:"name"`
	Issuer      string     `json:"issuer"`
	Subject     string     `json:"subject"`
	Audiences   []string   `json:"audiences"`
	Description string     `json:"description,omitempty"`
	From        time.Time  `json:"from,omitzero"` // when it begins to count; zero: always
}

// identityFederations reads those of a user-assigned identity, which are ARM documents below it.
func identityFederations(tx store.Tx, identity azure.ID) ([]Federation, error) {
	var all []Federation
	for d, err := range tx.Scan(KindResource, identity.Key()+"/federatedidentitycredentials/", "") {
		if err != nil {
			return nil, err
		}
		var doc struct {
			Name       string
			Properties Federation
			Own        struct{ From time.Time } `json:"_"`
		}
		if err := json.Unmarshal(d.Body, &doc); err != nil {
			return nil, fmt.Errorf("federated credential %s: %w", d.Key, err)
		}
		f := doc.Properties
		f.Name, f.From = doc.Name, doc.Own.From
		all = append(all, f)
	}
	return all, nil
}
