package arm

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

// Behaviour is how the door misbehaves, as Azure may. The zero value is prompt and never fails.
type Behaviour struct {
	Slow     bool   // long operations take as long as on Azure
	Throttle bool   // more calls than ARM allows are refused with 429
	Strict   uint64 // seed of random delays, refusals to be repeated and slow operations; 0: none
	Faults   *Faults
}

// PlannedFault makes the door answer calls with an error, without doing what they ask.
type PlannedFault struct {
	ID         int           `json:"id"`
	Action     string        `json:"action"` // an RBAC action, with * as roles have it
	Status     int           `json:"status"`
	Code       string        `json:"code,omitempty"`
	Times      int           `json:"times"` // how many calls are left to fail
	RetryAfter time.Duration `json:"retryAfter,omitempty"`
}

// Faults are the faults of a running local Azure. They are gone when it stops.
type Faults struct {
	mu   sync.Mutex
	all  []PlannedFault
	last int
}

// Add takes a fault and returns it with its id.
func (f *Faults) Add(fault PlannedFault) PlannedFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	fault.ID = f.last
	f.all = append(f.all, fault)
	return fault
}

// List are the faults that have calls left to fail.
func (f *Faults) List() []PlannedFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.all)
}

// Remove forgets a fault, if it has calls left to fail.
func (f *Faults) Remove(id int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = slices.DeleteFunc(f.all, func(p PlannedFault) bool { return p.ID == id })
}

// Clear forgets all faults.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = nil
}

// take uses one call of the first fault that an action meets.
func (f *Faults) take(action azure.Action) (PlannedFault, bool) {
	if f == nil {
		return PlannedFault{}, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.all {
		if !rbac.MatchAction(f.all[i].Action, action) {
			continue
		}
		hit := f.all[i]
		if f.all[i].Times--; f.all[i].Times <= 0 {
			f.all = slices.Delete(f.all, i, i+1)
		}
		return hit, true
	}
	return PlannedFault{}, false
}

// faultCodes are the codes that ARM gives with a status.
var faultCodes = map[int]string{
	http.StatusTooManyRequests: "TooManyRequests", http.StatusInternalServerError: "InternalServerError", http.StatusBadGateway: "BadGateway",
	http.StatusServiceUnavailable: "ServiceUnavailable", http.StatusGatewayTimeout: "GatewayTimeout", http.StatusConflict: "Conflict",
}

func (f PlannedFault) answer() *azure.Error {
	code := f.Code
	if code == "" {
		if code = faultCodes[f.Status]; code == "" {
			code = strings.ReplaceAll(http.StatusText(f.Status), " ", "")
		}
	}
	err := &azure.Error{Status: f.Status, Code: code, Message: fmt.Sprintf("The request failed on purpose: fault %d of the local Azure.", f.ID)}
	if f.RetryAfter > 0 {
		err.Header = http.Header{"Retry-After": {strconv.Itoa(int(f.RetryAfter.Round(time.Second).Seconds()))}}
	}
	return err
}

// behave is what Behaviour does to a call before it is served.
func (a *ARM) behave(req *Request) *azure.Error {
	if fault, ok := a.cfg.Behaviour.Faults.take((&Call{Request: req}).action()); ok {
		return fault.answer()
	}
	if a.cfg.Behaviour.Strict != 0 {
		if err := a.whims.refuse(); err != nil {
			return err
		}
	}
	return a.meter.count(req, a.cfg.Now(), a.cfg.Behaviour.Throttle)
}

// whims are what strict mode does at random, the same for the same seed and the same order of calls.
type whims struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func newWhims(seed uint64) *whims { return &whims{rng: rand.New(rand.NewPCG(seed, seed))} }

// roll is true with a probability of percent in a hundred.
func (w *whims) roll(percent int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.IntN(100) < percent
}

// upTo is a random time below a bound.
func (w *whims) upTo(d time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Duration(w.rng.Int64N(int64(d)))
}

// refuse asks a client to come again, in one call of twenty. A client that cannot is not fit for Azure.
func (w *whims) refuse() *azure.Error {
	status := http.StatusTooManyRequests
	switch {
	case !w.roll(5):
		return nil
	case w.roll(50):
		status = http.StatusServiceUnavailable
	}
	return &azure.Error{Status: status, Code: faultCodes[status], Message: "The server is busy. Please try again.", Header: http.Header{"Retry-After": {"1"}}}
}

// meter counts calls as ARM's token buckets do, one for each principal, subscription and kind of call
// (Microsoft Learn: understand how Azure Resource Manager throttles requests, 2024).
type meter struct {
	mu      sync.Mutex
	buckets map[bucketKey]*bucket
}

type bucketKey struct {
	kind, subscription string
	caller             azure.PrincipalID
}

type bucket struct {
	tokens float64
	at     time.Time
}

// limits are the size of a bucket and the tokens that it gets back a second.
var limits = map[string]struct{ size, rate float64 }{"reads": {250, 25}, "writes": {200, 10}, "deletes": {200, 10}}

// maxBuckets bounds what the meter remembers.
const maxBuckets = 10_000

func kindOf(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead:
		return "reads"
	case http.MethodDelete:
		return "deletes"
	}
	return "writes"
}

// count takes a token; it notes what is left for the answer's header, and refuses where nothing is, if it enforces.
func (m *meter) count(req *Request, now time.Time, enforce bool) *azure.Error {
	kind, sub := kindOf(req.Method), req.ID.Subscription()
	if sub == "" {
		return nil
	}
	limit := limits[kind]
	m.mu.Lock()
	defer m.mu.Unlock()
	key := bucketKey{kind, sub, req.Caller.ID}
	b := m.buckets[key]
	if b == nil {
		if len(m.buckets) >= maxBuckets {
			clear(m.buckets)
		}
		b = &bucket{limit.size, now}
		m.buckets[key] = b
	}
	b.tokens = min(limit.size, b.tokens+max(0, now.Sub(b.at).Seconds())*limit.rate)
	b.at = now
	if enforce && b.tokens < 1 {
		wait := int((1-b.tokens)/limit.rate) + 1
		err := azure.SubscriptionThrottled.Format(azure.Fields{"kind": strings.TrimSuffix(kind, "s"), "subscription": sub, "actor": req.Caller.AppID.String(), "seconds": strconv.Itoa(wait)})
		err.Header = http.Header{"Retry-After": {strconv.Itoa(wait)}}
		return err
	}
	b.tokens = max(0, b.tokens-1)
	req.Remaining = strconv.Itoa(int(b.tokens))
	return nil
}

// durations are how long Azure takes for long operations, roughly, by type and verb.
var durations = map[string]time.Duration{
	"microsoft.containerservice/managedclusters write":        4 * time.Minute,
	"microsoft.containerservice/managedclusters delete":       3 * time.Minute,
	"microsoft.resources/subscriptions/resourcegroups delete": 40 * time.Second,
}

// pace is how long a step of an operation takes.
func (a *ARM) pace(o *operation) time.Duration {
	if a.cfg.Behaviour.Strict != 0 {
		return a.whims.upTo(2 * time.Second)
	}
	if !a.cfg.Behaviour.Slow {
		return 0
	}
	d, ok := durations[strings.ToLower(o.Type)+" "+o.Verb]
	if !ok {
		d = 20 * time.Second
	}
	return d / time.Duration(max(1, len(a.reg.find(o.Type).steps(o.Verb))))
}
