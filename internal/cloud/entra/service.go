// Package entra is the tenant's identity service over the directory: tokens and keys, OIDC documents,
// token endpoints, Microsoft Graph and the machines' metadata service (IMDS).
//
// A request goes endpoint.go → token.go (issue) or verify.go (check), graph.go → graphread.go or graphwrite.go, or imds.go.
package entra

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

// Config of a Service.
type Config struct {
	Dir    string      // holds the signing key, readable by its owner only
	Tenant azure.GUID  // the one tenant
	Store  store.Store // of the directory
	Now    func() time.Time
	// Propagation is how long until a federated credential counts, Joining until a group's new or removed member does.
	Propagation time.Duration
	Joining     func(member directory.Principal) time.Duration // nil: at once
	Log         *slog.Logger                                   // told of faults of our own, which clients see as Azure's
}

// Service issues and verifies tokens, and serves the directory.
type Service struct {
	Config
	key      *key
	verdicts verdicts
}

// Open reads the signing key, or makes it at the first start.
func Open(c Config) (*Service, error) {
	k, err := openKey(c.Dir)
	if err != nil {
		return nil, err
	}
	return &Service{Config: c, key: k}, nil
}

// Serves reports whether Handler answers a path: Graph's versions, /adfs and whatever begins with the name of a tenant.
func Serves(path string) bool {
	switch first := firstSegment(path); first {
	case "adfs", "common", "organizations", "v1.0", "beta":
		return true
	default:
		_, err := azure.ParseGUID(first)
		return err == nil
	}
}

func firstSegment(path string) string {
	first, _, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
	return strings.ToLower(first)
}

// Handler serves the OIDC documents, keys, token endpoints and instance discovery of Entra, and Microsoft Graph.
func (s *Service) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch firstSegment(r.URL.Path) {
		case "v1.0", "beta":
			s.serveGraph(w, r)
		default:
			s.serveEntra(w, r)
		}
	})
}

// writeJSON answers with a document that always marshals.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, _ := json.Marshal(v)
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone: nobody to tell
}

// internal logs a fault of our own and returns what the client is told of it.
func (s *Service) internal(r *http.Request, err error, told *azure.Message) *azure.Error {
	s.Log.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	return told.Error()
}
