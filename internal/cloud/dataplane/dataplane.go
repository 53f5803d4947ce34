// Package dataplane is the second door of the local Azure: hosts other than Resource Manager's, where a right on data
// is decided by the same engine.
//
// A request goes dataplane.go (which service a host is) → registry.go, vault.go or storage.go (who asks, from where,
// and may they) → what the service keeps: images.go and blobs.go, secret.go and key.go, queue.go.
package dataplane

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
	"aksid/internal/rbac"
)

// Config is what the services stand on.
type Config struct {
	Dir     string // the data folder: keys, and the layers of images
	Tenant  azure.GUID
	ARM     []string // audiences of Resource Manager's tokens, which registries take too
	Store   store.Store
	Policy  func() *rbac.Policy
	Now     func() time.Time
	Clients func() time.Time                                                            // the time by the clients' clocks, which nobody moves
	Verify  func(r *http.Request, audiences ...string) (directory.Caller, *azure.Error) // an Entra token
	Active  func(store.Tx, directory.Caller) *azure.Error                               // its principal still exists
	Removed <-chan struct{}                                                             // told when resources were removed; nil: never
	Decided func(rbac.Record)                                                           // nil, or told of every decision
	LogOnly bool                                                                        // refusals are told to Decided and let pass
	Log     *slog.Logger                                                                // of faults of our own
}

// Service serves registries, vaults and storage accounts by their host names.
type Service struct {
	Config
	tickets signer
	seal    sealer
	blobs   *blobs
	cleared chan struct{} // told when a queue was cleared
	stop    context.CancelFunc
	swept   sync.WaitGroup
}

// Open reads the keys, or makes them, and begins to remove what resources that are no more have left behind.
func Open(c Config) (*Service, error) {
	tickets, err := openSigner(c.Dir)
	if err != nil {
		return nil, err
	}
	seal, err := openSealer(c.Dir)
	if err != nil {
		return nil, err
	}
	blobs, err := openBlobs(c.Dir)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Service{Config: c, tickets: tickets, seal: seal, blobs: blobs, cleared: make(chan struct{}, 1), stop: stop}
	s.swept.Go(func() { s.sweepAlways(ctx) })
	return s, nil
}

// Close ends the removal of what is left behind. Requests must have ended.
func (s *Service) Close() {
	s.stop()
	s.swept.Wait()
}

// services are the hosts that are served, by suffix; the rest of the host is the resource's name.
var services = []struct {
	suffix string
	serve  func(*Service, http.ResponseWriter, *http.Request, string)
}{
	{".azurecr.io", (*Service).serveRegistry},
	{vaultSuffix, (*Service).serveVault},
	{".core.windows.net", (*Service).serveStorage},
}

// Serves reports whether a host, without a port, is a registry's, a vault's or a storage account's.
func Serves(host string) bool {
	for _, service := range services {
		if strings.HasSuffix(host, service.suffix) {
			return true
		}
	}
	return false
}

func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := hostOf(r.Host)
	for _, service := range services {
		if name, ok := strings.CutSuffix(host, service.suffix); ok {
			service.serve(s, w, r, name)
			return
		}
	}
	http.NotFound(w, r)
}

func hostOf(hostPort string) string {
	if h, _, err := net.SplitHostPort(hostPort); err == nil {
		hostPort = h
	}
	return strings.ToLower(hostPort)
}

// resource is what the services need of a document of Resource Manager.
type resource[P any] struct {
	ID         azure.ID `json:"id"`
	Location   string   `json:"location"`
	Properties P        `json:"properties"`
	Own        struct {
		Content azure.GUID `json:"content"` // under which its data is kept: another one for each resource that has the name
		Keys    []string   `json:"keys"`    // passwords of a registry's admin user, or keys of a storage account
	} `json:"_"`
}

// find reads the resource with an index entry; nil where there is none.
func find[T any](tx store.Tx, ref string) (*T, error) {
	for v, err := range decodeAll[T](tx.Find(ref)) {
		return &v, err
	}
	return nil, nil
}

// ask puts a question to the engine. What is not given of a call is missing.
func (s *Service) ask(c directory.Caller, action azure.Action, data bool, scope azure.ID, attributes rbac.Attributes) (rbac.Request, rbac.Decision) {
	q := rbac.Request{Principal: c.ID, Groups: c.Groups, Action: action, Data: data, Scope: scope, At: s.Now(), Attributes: attributes.Known()}
	return q, s.Policy().Decide(q)
}

// may decides and records it. Where refusals are only logged, everything passes.
func (s *Service) may(c directory.Caller, action azure.Action, data bool, scope azure.ID, attributes rbac.Attributes) bool {
	q, d := s.ask(c, action, data, scope, attributes)
	if s.Decided != nil {
		s.Decided(d.Record(q))
	}
	return d.Outcome == rbac.Granted || s.LogOnly
}

// get reads a document of a service into v; false where there is none.
func get(tx store.Tx, kind, key string, v any) (bool, error) {
	d, err := tx.Get(kind, key)
	switch {
	case isNotFound(err):
		return false, nil
	case err != nil:
		return false, err
	}
	return true, json.Unmarshal(d.Body, v)
}

// put writes a document of a service.
func put(tx store.Tx, kind, key string, v any, refs ...string) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return tx.Put(store.Doc{Kind: kind, Key: key, Refs: refs, Body: body})
}

func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }

// decodeAll reads the bodies of documents.
func decodeAll[T any](docs iter.Seq2[store.Doc, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for d, err := range docs {
			var v T
			if err == nil {
				err = json.Unmarshal(d.Body, &v)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// exists reports whether there is a document.
func exists(docs iter.Seq2[store.Doc, error]) (bool, error) {
	for _, err := range docs {
		return err == nil, err
	}
	return false, nil
}

// deleteAll removes documents.
func deleteAll(tx store.Tx, docs iter.Seq2[store.Doc, error]) error {
	for d, err := range docs {
		if err == nil {
			err = tx.Delete(d.Kind, d.Key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
