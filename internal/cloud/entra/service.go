// Package entra is the tenant's identity service over the directory: tokens and keys, OIDC documents,
// token endpoints, Microsoft Graph and the machines' metadata service (IMDS).
//
// A request goes endpoint.go → token.go (issue) or verify.go (check), graph.go → graphread.go or graphwrite.go, or imds.go.
package entra

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

// Config of a Service.
type Config struct {
	Dir    string      // holds the signing key, readable by its owner only
	Tenant azure.GUID  // the one tenant
	Store  store.Store // of the directory
	Now    func() time.Time
	// Clients is the time by the clients' clocks, which nobody moves; nil: Now. Whatever a client judges a token by is in it.
	Clients func() time.Time
	// Propagation is how long until a federated credential counts, Joining until a group's new or removed member does.
	Propagation, Joining time.Duration
	// GroupsOf are the groups that a managed identity's token knows, which may be old; nil: those that the directory has.
	GroupsOf func(azure.PrincipalID) []azure.PrincipalID
	Log      *slog.Logger // told of faults of our own, which clients see as Azure's
}

// Service issues and verifies tokens, and serves the directory.
type Service struct {
	Config
	made     chan struct{} // closed when key, or why there is none, is there
	key      *key
	failed   error
	verdicts *verdicts
}

// Open reads the signing key. At the first start it is made meanwhile: that takes longer than all the rest of a start, and
// nothing needs it before the first token.
func Open(c Config) (*Service, error) {
	if _, err := os.Stat(c.Dir); err != nil {
		return nil, err
	}
	if c.Clients == nil {
		c.Clients = c.Now
	}
	s := &Service{Config: c, made: make(chan struct{}), verdicts: newVerdicts()}
	if _, err := os.Stat(filepath.Join(c.Dir, keyFile)); errors.Is(err, fs.ErrNotExist) {
		go s.openKey()
		return s, nil
	}
	s.openKey()
	return s, s.failed
}

func (s *Service) openKey() {
	defer close(s.made)
	s.key, s.failed = openKey(s.Dir)
}

// signing is the key, when it has been made.
func (s *Service) signing() (*key, error) {
	<-s.made
	return s.key, s.failed
}

// Close waits for a key that is being made.
func (s *Service) Close() { <-s.made }

// sign makes a token, unwrap reads one that sign made.
func (s *Service) sign(payload []byte) (string, error) {
	k, err := s.signing()
	if err != nil {
		return "", err
	}
	return k.sign(payload)
}

func (s *Service) unwrap(token string) ([]byte, error) {
	k, err := s.signing()
	if err != nil {
		return nil, err
	}
	return k.open(token)
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
