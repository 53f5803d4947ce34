package directory

import (
	"errors"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

// IssuerSuffix ends the host names of the OIDC issuers of clusters: https://{region}{suffix}/{tenant}/{guid}/.
const IssuerSuffix = ".oic.prod-aks.azure.com"

// KindIssuerKey are the keys that clusters' issuers sign with, PKCS #8; the key is the issuer's URL in lower case.
const KindIssuerKey = "issuerKey"

// IssuerRef is the index entry under which a cluster's document is found by its issuer's URL.
func IssuerRef(url string) string { return "issuer:" + strings.ToLower(url) }

// IssuedBy is the cluster with an issuer; store.ErrNotFound where there is none.
func IssuedBy(tx store.Tx, url string) (azure.ID, error) {
	for d, err := range tx.Find(IssuerRef(url)) {
		if err != nil {
			return azure.ID{}, err
		}
		if d.Kind == KindResource {
			return azure.ParseID(d.Key)
		}
	}
	return azure.ID{}, store.ErrNotFound
}

// IssuerKey is an issuer's private key; store.ErrNotFound before it has one.
func IssuerKey(tx store.Tx, url string) ([]byte, error) {
	d, err := tx.Get(KindIssuerKey, strings.ToLower(url))
	return d.Body, err
}

// AddIssuerKey gives an issuer its key and returns it, or the one that it has by now.
func AddIssuerKey(tx store.Tx, url string, key []byte) ([]byte, error) {
	if old, err := IssuerKey(tx, url); !errors.Is(err, store.ErrNotFound) {
		return old, err
	}
	return key, tx.Put(store.Doc{Kind: KindIssuerKey, Key: strings.ToLower(url), Body: key})
}

// DropIssuerKey forgets the key of an issuer that is no more.
func DropIssuerKey(tx store.Tx, url string) error {
	return tx.Delete(KindIssuerKey, strings.ToLower(url))
}
