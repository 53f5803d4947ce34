package cloud

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/store"
)

// adminPath begins the paths of what ARM cannot express; callers show the data folder's admin key.
const adminPath = "/_aksid/v1/"

// maxAdmin bounds the body of an admin call, in bytes.
const maxAdmin = 64 << 20

// admin is the API of aksid's own commands: JSON in, JSON out, {"error"} where something is wrong.
func (cl *Cloud) admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(adminPath+"imds/", cl.serveIMDS)
	mux.HandleFunc("GET "+adminPath+"clock", answering(func(*http.Request) (any, error) { return cl.clock.say(), nil }))
	mux.HandleFunc("POST "+adminPath+"clock", answering(cl.advance))
	mux.HandleFunc("GET "+adminPath+"faults", answering(func(*http.Request) (any, error) { return cl.faults.List(), nil }))
	mux.HandleFunc("POST "+adminPath+"faults", answering(cl.addFault))
	mux.HandleFunc("DELETE "+adminPath+"faults", answering(func(*http.Request) (any, error) { cl.faults.Clear(); return cl.faults.List(), nil }))
	mux.HandleFunc("DELETE "+adminPath+"faults/{id}", answering(cl.removeFault))
	mux.HandleFunc("POST "+adminPath+"token", answering(cl.serviceAccountToken))
	mux.HandleFunc("POST "+adminPath+"apiserver", answering(cl.apiServer))
	mux.HandleFunc("POST "+adminPath+"kubernetes/user", answering(cl.kubernetesUser))
	mux.HandleFunc("POST "+adminPath+"kubernetes/access", answering(cl.kubernetesAccess))
	mux.HandleFunc("POST "+adminPath+"nodes", answering(cl.makeNodes))
	mux.HandleFunc("POST "+adminPath+"import", answering(cl.importCollection))
	mux.HandleFunc("GET "+adminPath+"export", answering(cl.exportCollection))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Aksid-Key")), []byte(cl.adminKey)) != 1 {
			http.Error(w, "the admin key is missing or wrong", http.StatusUnauthorized)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxAdmin)
		mux.ServeHTTP(w, r)
	})
}

// answering makes a handler of a function; its error is the caller's.
func answering(fn func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := fn(r)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			body = map[string]string{"error": err.Error()}
		}
		_ = json.NewEncoder(w).Encode(body)
	}
}

// serveIMDS is the metadata service of the machine whose id stands in the path.
func (cl *Cloud) serveIMDS(w http.ResponseWriter, r *http.Request) {
	rest := strings.TrimPrefix(r.URL.Path, adminPath+"imds/")
	at := strings.LastIndex(rest, "/metadata/")
	machine, err := azure.ParseID("/" + rest[:max(at, 0)])
	if at < 0 || err != nil {
		http.NotFound(w, r)
		return
	}
	r.URL.Path = rest[at:]
	cl.entra.IMDS(machine).ServeHTTP(w, r)
}

// clock is the time of day and an offset that is moved by hand and kept in the data folder.
type clock struct {
	base   func() time.Time
	offset atomic.Int64 // nanoseconds
}

const keyClock = "clock"

func (c *clock) now() time.Time { return c.base().Add(time.Duration(c.offset.Load())) }

// reading is what the clock says.
type reading struct {
	Now    time.Time `json:"now"`
	Offset string    `json:"offset"` // from the time of day, as 26h0m0s
}

func (c *clock) say() reading {
	return reading{c.now().UTC(), time.Duration(c.offset.Load()).String()}
}

func readClock(ctx context.Context, s store.Store, base func() time.Time) (*clock, error) {
	c := &clock{base: base}
	err := s.View(ctx, func(tx store.Tx) error {
		d, err := tx.Get(kindCloud, keyClock)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		var offset int64
		if err == nil {
			err = json.Unmarshal(d.Body, &offset)
		}
		c.offset.Store(offset)
		return err
	})
	return c, err
}

// advance moves the clock forward: {"by":"26h"}. Tokens expire, delays end, long operations go on.
func (cl *Cloud) advance(r *http.Request) (any, error) {
	var in struct{ By string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	by, err := time.ParseDuration(in.By)
	if err != nil || by <= 0 {
		return nil, fmt.Errorf("%q is not a time to go forward by; give one as 26h or 30m", in.By)
	}
	offset := cl.clock.offset.Load() + int64(by)
	err = cl.store.Update(r.Context(), func(tx store.Tx) error {
		body, err := json.Marshal(offset)
		if err != nil {
			return err
		}
		return tx.Put(store.Doc{Kind: kindCloud, Key: keyClock, Body: body})
	})
	if err != nil {
		return nil, err
	}
	cl.clock.offset.Store(offset)
	cl.arm.Wake()
	return cl.clock.say(), nil
}

func (cl *Cloud) removeFault(r *http.Request) (any, error) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		return nil, errors.New("a fault's id is a number")
	}
	cl.faults.Remove(id)
	return cl.faults.List(), nil
}

func (cl *Cloud) addFault(r *http.Request) (any, error) {
	f := arm.PlannedFault{Times: 1, Status: http.StatusServiceUnavailable}
	if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
		return nil, err
	}
	switch {
	case f.Action == "":
		return nil, errors.New("name the action that is to fail, as Microsoft.Network/loadBalancers/write or */read")
	case f.Status < 400 || f.Status > 599:
		return nil, fmt.Errorf("%d is not the status of an error", f.Status)
	case f.Times < 1:
		return nil, fmt.Errorf("a fault must be met at least once, not %d times", f.Times)
	}
	return cl.faults.Add(f), nil
}
