// Package cloud is the local Azure: it opens a data folder and wires the directory, Entra, Resource Manager and the
// data planes over one durable store and one RBAC engine.
package cloud

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/dataplane"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/entra"
	"aksid/internal/cloud/provider"
	"aksid/internal/cloud/store"
	"aksid/internal/rbac"
)

// Errors of Open that a user can do something about.
var (
	ErrLocked = store.ErrLocked // another process has the data folder
	ErrNewer  = store.ErrNewer  // a newer version of aksid wrote it
	ErrFull   = store.ErrFull   // there is no room for it
)

// Decided is a question that a call at one of the doors put to the engine, and the answer.
type Decided = rbac.Record

// Config of a local Azure.
type Config struct {
	Dir         string           // the data folder; made if it is not there
	Addr        string           // where it will listen, for the log
	Propagation time.Duration    // until a role assignment made or removed counts; 0: at once
	Membership  time.Duration    // until a group's member, added or removed, counts
	TokenCache  time.Duration    // until a managed identity that is one, or in one, does: its tokens are cached
	Behaviour   arm.Behaviour    // how it misbehaves; its Faults are those of the admin API
	Decided     func(Decided)    // nil, or told of every decision at the front door and in the data planes
	Imported    func(Info)       // nil, or told what clients need to know after an import, of which subscriptions may have come
	LogOnly     bool             // refusals are told to Decided and let pass
	Now         func() time.Time // nil: time.Now
	Log         *slog.Logger     // of its own faults; nil: none
}

// Info is what a client needs to know of a local Azure.
type Info struct {
	Tenant           azure.GUID
	OperatorClientID azure.GUID
	OperatorObjectID azure.PrincipalID
	Subscriptions    []Subscription
}

// Subscription is a subscription's id (a GUID) and display name.
type Subscription struct{ ID, Name string }

// Cloud is an open local Azure.
type Cloud struct {
	mu       sync.Mutex
	imported func(Info)
	info     Info // its subscriptions become more with an import; guarded by mu
	store    store.Store
	tls      *tls.Config
	adminKey string
	clock    *clock
	faults   *arm.Faults
	alerts   *alerter
	entra    *entra.Service
	arm      *arm.ARM
	data     *dataplane.Service
}

// Open opens a data folder, fills it at its first start with a tenant, two subscriptions and the operator,
// and resumes what was under way when it was closed or killed.
// Errors: ErrLocked, ErrNewer, ErrFull, or what the file system says.
func Open(ctx context.Context, c Config) (_ *Cloud, err error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	policy, told := arm.NewPolicy(), newTold()
	s, err := store.OpenSQLite(ctx, filepath.Join(c.Dir, "aksid.db"), store.Options{Applied: func(docs []store.Doc) {
		policy.Applied(docs)
		told.applied(docs)
	}})
	if err != nil {
		return nil, err
	}
	cl := &Cloud{store: s, imported: c.Imported}
	defer func() {
		if err != nil {
			_ = cl.Close()
		}
	}()
	if err := policy.Load(ctx, s); err != nil {
		return nil, err
	}
	return cl, cl.open(ctx, c, policy, told)
}

// told is who is told of commits, without waiting for them: each channel holds one note.
type told struct {
	removed  chan struct{} // resources were removed: the data planes let their data go with them
	begun    chan struct{} // operations have steps to go
	activity chan struct{} // the activity log has new events: alerts may be for them
}

func newTold() told {
	return told{make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)}
}

func (t told) applied(docs []store.Doc) {
	for _, d := range docs {
		switch {
		case d.Deleted && d.Kind == directory.KindResource:
			note(t.removed)
		case !d.Deleted && d.Kind == arm.KindPending:
			note(t.begun)
		case !d.Deleted && d.Kind == arm.KindActivity:
			note(t.activity)
		}
	}
}

func note(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it was told already
	}
}

func (cl *Cloud) open(ctx context.Context, c Config, policy *arm.Policy, told told) error {
	if err := cl.openKeys(c); err != nil {
		return err
	}
	var err error
	if cl.clock, err = readClock(ctx, cl.store, c.Now); err != nil {
		return err
	}
	clients := c.Now
	c.Now = cl.clock.now
	cl.faults = &arm.Faults{}
	c.Behaviour.Faults = cl.faults
	seed, err := readSeed(ctx, cl.store)
	if err != nil {
		return err
	}
	first := seed.Tenant.IsZero()
	if first {
		seed.Tenant = azure.NewGUID()
	}
	groups := c.tokenGroups(policy)
	cl.entra, err = entra.Open(entra.Config{
		Dir: c.Dir, Tenant: seed.Tenant, Store: cl.store, Now: c.Now, Clients: clients,
		Propagation: c.Propagation, Joining: c.Membership, GroupsOf: groups, Log: c.Log,
	})
	if err != nil {
		return err
	}
	own := entra.ARMAudiences(&http.Request{Host: c.Addr})
	cl.data, err = dataplane.Open(dataplane.Config{
		Dir: c.Dir, Tenant: seed.Tenant, ARM: own, Store: cl.store, Policy: policy.Current,
		Now: c.Now, Clients: clients, Verify: cl.entra.Verify, Active: cl.entra.Active, Removed: told.removed, Decided: c.Decided, LogOnly: c.LogOnly, Log: c.Log,
	})
	if err != nil {
		return err
	}
	cl.arm, err = arm.New(ctx, arm.Config{
		Store: cl.store, Policy: policy, Tenant: seed.Tenant, Now: c.Now, Propagation: c.Propagation, GroupsOf: groups,
		Authenticate: func(r *http.Request) (directory.Caller, *azure.Error) {
			audiences := entra.ARMAudiences(r)
			if len(audiences) < len(own) { // it is called by its public name: a token that az got for where it listens is good too
				audiences = own
			}
			return cl.entra.Verify(r, audiences...)
		},
		Active: cl.entra.Active, Providers: provider.All(cl.data), Begun: told.begun, Behaviour: c.Behaviour, Decided: c.Decided, LogOnly: c.LogOnly, Log: c.Log,
	})
	if err != nil {
		return err
	}
	if first {
		if err := cl.plant(ctx, c, &seed); err != nil {
			return fmt.Errorf("first start in %s: %w", c.Dir, err)
		}
	}
	cl.info = Info(seed)
	cl.alerts = newAlerter(cl.store, cl.arm, c.Log, told.activity)
	return nil
}

// tokenGroups finds the groups that the token of a managed identity knows. It is in the machine's cache for a while: its
// groups, and what these are in, are as long ago as that is longer than any membership takes to count. nil: they are not old.
func (c *Config) tokenGroups(policy *arm.Policy) func(azure.PrincipalID) []azure.PrincipalID {
	age := c.TokenCache - c.Membership
	if age <= 0 {
		return nil
	}
	now := c.Now
	return func(id azure.PrincipalID) []azure.PrincipalID {
		return append([]azure.PrincipalID{}, policy.Current().GroupsAt(id, now().Add(-age))...) // never nil: that is as the directory says
	}
}

// openKeys reads or makes the certificate authority and the admin key, and a certificate for this run.
func (cl *Cloud) openKeys(c Config) error {
	ca, err := openAuthority(c.Dir, c.Now())
	if err != nil {
		return err
	}
	leaf, err := ca.leaf(c.Now())
	if err != nil {
		return err
	}
	cl.tls = &tls.Config{Certificates: []tls.Certificate{leaf}, MinVersion: tls.VersionTLS12}
	cl.adminKey, err = secretFile(filepath.Join(c.Dir, "admin.key"))
	return err
}

// secretFile reads a random text of 256 bits, or makes it, readable by its owner only.
func secretFile(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil && len(b) > 0 {
		return strings.TrimSpace(string(b)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // crypto/rand never fails
	text := base64.RawURLEncoding.EncodeToString(key)
	return text, writeFile(path, []byte(text+"\n"))
}

// Info says what a client needs to know.
func (cl *Cloud) Info() Info {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return cl.info
}

// TLS is the configuration to listen with.
func (cl *Cloud) TLS() *tls.Config { return cl.tls }

// Close ends the work and closes the data folder; operations under way go on at the next start.
func (cl *Cloud) Close() error {
	if cl.alerts != nil {
		cl.alerts.close()
	}
	if cl.arm != nil {
		cl.arm.Close()
	}
	if cl.data != nil {
		cl.data.Close()
	}
	if cl.entra != nil {
		cl.entra.Close()
	}
	return cl.store.Close()
}
