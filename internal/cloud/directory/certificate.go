package directory

import (
	"crypto/sha1"
	"crypto/x509"
	"time"

	"aksid/internal/azure"
)

// Certificate is a public key that a client signs assertions with (a keyCredential of Microsoft Graph).
type Certificate struct {
	ID    azure.GUID `json:"id"`
	Name  string     `json:"name,omitempty"` // displayName
	DER   []byte     `json:"der"`
	From  time.Time  `json:"from"`
	Until time.Time  `json:"until"`
}

// NewCertificate reads an X.509 certificate; times that are not given are its own.
func NewCertificate(name string, der []byte, from, until time.Time) (Certificate, error) {
	x, err := x509.ParseCertificate(der)
	if err != nil {
		return Certificate{}, err
	}
	if from.IsZero() {
		from = x.NotBefore
	}
	if until.IsZero() {
		until = x.NotAfter
	}
	return Certificate{ID: azure.NewGUID(), Name: name, DER: der, From: from.UTC(), Until: until.UTC()}, nil
}

// Thumbprint is the SHA-1 of the certificate, which x5t and Entra's texts name it by.
func (c Certificate) Thumbprint() [sha1.Size]byte { return sha1.Sum(c.DER) }
