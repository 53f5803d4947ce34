// Package arm is the front door of the local Azure Resource Manager: every call is parsed, authenticated, decided by
// the RBAC engine, applied and logged here, in this order, whatever its resource type.
package arm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
	"aksid/internal/rbac"
)

// Config is what the door stands on.
type Config struct {
	Store        store.Store
	Policy       *Policy // follows the same store
	Tenant       azure.GUID
	Now          func() time.Time
	Propagation  time.Duration                               // until a role assignment made or removed counts
	GroupsOf     func(azure.PrincipalID) []azure.PrincipalID // that a managed identity's token knows; nil: as the directory has them
	Authenticate func(*http.Request) (directory.Caller, *azure.Error)
	Active       func(store.Tx, directory.Caller) *azure.Error // the caller's principal still exists
	Providers    []Provider
	Begun        <-chan struct{} // has a note when documents of KindPending were committed
	Behaviour    Behaviour
	Decided      func(rbac.Record) // nil, or told of every decision; a repeated transaction tells it again
	LogOnly      bool              // refusals are recorded and let pass
	Log          *slog.Logger
}

// ARM serves Azure Resource Manager.
type ARM struct {
	cfg   Config
	reg   *registry
	work  *runner
	meter meter
	whims *whims
}

// New builds the type registry and resumes the operations that were under way. Close ends them.
func New(ctx context.Context, cfg Config) (*ARM, error) {
	reg, err := newRegistry(cfg.Providers)
	if err != nil {
		return nil, err
	}
	a := &ARM{cfg: cfg, reg: reg, meter: meter{buckets: map[bucketKey]*bucket{}}, whims: newWhims(cfg.Behaviour.Strict)}
	a.work = newRunner(a)
	return a, a.work.start(ctx)
}

// Close stops working on operations; they go on at the next start.
func (a *ARM) Close() { a.work.close() }

// Wake looks for operations that are due: the clock was moved.
func (a *ARM) Wake() { a.work.wake() }

// answer is what goes back to the client.
type answer struct {
	status int
	header http.Header
	body   any // nil: no body
}

// ServeHTTP is the one door.
func (a *ARM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req, err := a.parse(r)
	var ans answer
	if err == nil {
		err = a.behave(req)
	}
	if err == nil {
		ans, err = a.serve(r.Context(), req)
	}
	if err != nil {
		ans = answer{status: err.Status, header: err.Header, body: err}
	}
	a.respond(w, req, ans)
}

// parse reads a request as far as its wording goes: version, caller, type, body.
func (a *ARM) parse(r *http.Request) (*Request, *azure.Error) {
	req := &Request{
		Method: r.Method, Query: r.URL.Query(), Header: r.Header, Path: r.URL.Path, Base: "https://" + r.Host,
		Correlation: orNew(r.Header.Get("x-ms-correlation-request-id")), RequestID: azure.NewGUID().String(),
		ClientRequestID: r.Header.Get("x-ms-client-request-id"),
	}
	req.ClientIP, _, _ = net.SplitHostPort(r.RemoteAddr)
	if req.Version = query(req, "api-version"); req.Version == "" {
		return req, azure.MissingAPIVersion.Error()
	}
	var err *azure.Error
	if req.Caller, err = a.cfg.Authenticate(r); err != nil {
		return req, err
	}
	if err := a.route(req); err != nil {
		return req, err
	}
	return req, req.readBody(r)
}

// query reads a parameter whatever the case of its name, as ARM does.
func query(r *Request, name string) string {
	for k, v := range r.Query {
		if strings.EqualFold(k, name) && len(v) > 0 {
			return v[0]
		}
	}
	return ""
}

func orNew(id string) string {
	if id == "" {
		return azure.NewGUID().String()
	}
	if _, err := azure.ParseGUID(id); err != nil {
		return azure.NewGUID().String()
	}
	return id
}

func (req *Request) readBody(r *http.Request) *azure.Error {
	if r.Method != http.MethodPut && r.Method != http.MethodPatch && r.Method != http.MethodPost {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return azure.InvalidContent.Format(azure.Fields{"cause": err.Error()})
	}
	if len(b) > maxBody {
		return azure.ContentTooLarge.Format(azure.Fields{"max": "4"})
	}
	if req.Raw = b; req.Type.Body != nil {
		var bad *azure.Error
		req.Body, bad = req.Type.Body(b)
		return bad
	}
	if len(strings.TrimSpace(string(b))) == 0 {
		if r.Method == http.MethodPost {
			return nil
		}
		return azure.InvalidContent.Format(azure.Fields{"cause": "The request content is empty"})
	}
	if req.Body, err = ParseDoc(b); err != nil {
		return azure.InvalidContent.Format(azure.Fields{"cause": err.Error()})
	}
	return nil
}

// serve runs a request in one transaction, then logs a refused one in another.
func (a *ARM) serve(ctx context.Context, req *Request) (answer, *azure.Error) {
	var ans answer
	var refused *azure.Error
	work := guarded(func(tx store.Tx) error {
		c := &Call{Request: req, Tx: tx, Now: a.cfg.Now().UTC(), arm: a}
		if refused = a.cfg.Active(tx, req.Caller); refused == nil {
			ans, refused = c.run()
		}
		if refused != nil {
			return refused
		}
		if req.tried {
			return errTried
		}
		return nil
	})
	var err error
	if req.writes() {
		err = a.cfg.Store.Update(ctx, work)
	} else {
		err = a.cfg.Store.View(ctx, work)
	}
	if err == nil {
		return ans, nil
	}
	if errors.Is(err, errTried) {
		return ans, nil
	}
	if refused == nil || !errors.Is(err, error(refused)) {
		return ans, a.failure(req, err)
	}
	if refused.Status == http.StatusInternalServerError {
		return ans, a.failure(req, refused)
	}
	if req.logged() && refused.Status != http.StatusUnauthorized {
		if err := a.cfg.Store.Update(ctx, func(tx store.Tx) error {
			c := &Call{Request: req, Tx: tx, Now: a.cfg.Now().UTC(), arm: a}
			return c.log("Failed", refused.Status, refused)
		}); err != nil {
			return ans, a.failure(req, err)
		}
	}
	return ans, refused
}

// errTried rolls back what was only tried.
var errTried = errors.New("only tried")

// guarded turns a panic into an error, so that the transaction is rolled back and the others go on.
func guarded(fn func(store.Tx) error) func(store.Tx) error {
	return func(tx store.Tx) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		return fn(tx)
	}
}

// failure hides an error of our own behind ARM's text and says it in the log.
func (a *ARM) failure(req *Request, err error) *azure.Error {
	a.cfg.Log.Error("request failed", "method", req.Method, "path", req.Path, "correlation", req.Correlation, "error", err)
	if errors.Is(err, store.ErrFull) {
		return &azure.Error{Status: http.StatusInsufficientStorage, Code: "InsufficientStorage",
			Message: "The local Azure's data folder is full: nothing was written. Free disk space and try again."}
	}
	return azure.InternalServerError.Format(azure.Fields{"time": a.cfg.Now().UTC().Format(time.RFC3339Nano),
		"subscription": req.ID.Subscription(), "id": req.RequestID, "correlation": req.Correlation})
}

// writes reports whether the request needs a writing transaction.
func (req *Request) writes() bool {
	return req.Method != http.MethodGet && req.Method != http.MethodHead
}

// logged reports whether the activity log has the request: it never has reads.
func (req *Request) logged() bool { return req.Type != nil && req.writes() }

// run is the rest of the door, inside the transaction. What lies in no subscription of the tenant is not found
// before any right is asked for.
func (c *Call) run() (answer, *azure.Error) {
	if err := c.findSubscription(); err != nil {
		return answer{}, err
	}
	switch {
	case c.List:
		return c.list()
	case c.Action != "":
		return c.act()
	case c.Method == http.MethodPut, c.Method == http.MethodPatch:
		return c.put()
	case c.Method == http.MethodDelete:
		return c.delete()
	}
	return c.get()
}

// remaining are the headers that say how many calls of a kind are left.
var remaining = map[string]string{
	"reads":   "X-Ms-Ratelimit-Remaining-Subscription-Reads",
	"writes":  "X-Ms-Ratelimit-Remaining-Subscription-Writes",
	"deletes": "X-Ms-Ratelimit-Remaining-Subscription-Deletes",
}

func (a *ARM) respond(w http.ResponseWriter, req *Request, ans answer) {
	h := w.Header()
	for k, v := range ans.header {
		h[k] = v
	}
	// Names as they go out: Set would make them so anew for every answer.
	values := make([]string, 0, 12)
	set := func(name, value string) {
		values = append(values, value)
		h[name] = values[len(values)-1 : len(values) : len(values)]
	}
	set("X-Ms-Request-Id", req.RequestID)
	set("X-Ms-Correlation-Request-Id", req.Correlation)
	set("X-Ms-Routing-Request-Id", "LOCAL:"+a.cfg.Now().UTC().Format("20060102T150405Z")+":"+req.Correlation)
	if req.ClientRequestID != "" {
		set("X-Ms-Client-Request-Id", req.ClientRequestID)
	}
	if req.Remaining != "" {
		set(remaining[kindOf(req.Method)], req.Remaining)
	}
	set("Cache-Control", "no-cache")
	set("X-Content-Type-Options", "nosniff")
	var body []byte
	switch b := ans.body.(type) {
	case nil:
	case json.RawMessage:
		body = b
	case *azure.Error:
		if !b.Provider {
			set("X-Ms-Failure-Cause", "gateway")
		}
		body = b.Body()
	default:
		body, _ = json.Marshal(b) // documents came from JSON
	}
	if body != nil {
		set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(ans.status)
	if req.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// Provision writes what is there before any client is, in the name of a principal whose rights are not asked for.
func (a *ARM) Provision(ctx context.Context, caller directory.Caller, fn func(*Call) error) error {
	return a.cfg.Store.Update(ctx, func(tx store.Tx) error {
		return fn(&Call{Tx: tx, Now: a.cfg.Now().UTC(), arm: a, service: true,
			Request: &Request{Method: http.MethodPut, Caller: caller, Header: http.Header{}, Correlation: azure.NewGUID().String(), RequestID: azure.NewGUID().String()}})
	})
}

// Seed stores a document as it is, of a type that has no PUT.
func (c *Call) Seed(id azure.ID, d Doc) error { return c.save(c.arm.reg.find(id.Type()), id, d) }

// Look reads documents in a transaction, in nobody's name.
func (a *ARM) Look(ctx context.Context, fn func(*Call) error) error {
	return a.cfg.Store.View(ctx, func(tx store.Tx) error {
		return fn(&Call{Tx: tx, Now: a.cfg.Now().UTC(), arm: a, service: true, Request: &Request{Method: http.MethodGet, Header: http.Header{}}})
	})
}
