package controllers

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"aksid/internal/drill/act"
)

// record is what happens in a cluster while one step is carried out.
type record struct {
	mu      sync.Mutex
	changed chan struct{} // closed at each change
	events  []act.Event
	refused []act.Refusal
	calls   int
	flying  int // requests that are not answered yet
	// What was before the last try of a step.
	oldEvents, oldRefused int
}

func newRecord() *record { return &record{changed: make(chan struct{})} }

// change runs fn and wakes those who wait for a change.
func (r *record) change(fn func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn()
	close(r.changed)
	r.changed = make(chan struct{})
}

// begin forgets what was before.
func (r *record) begin() {
	r.change(func() { r.events, r.refused, r.calls, r.oldEvents, r.oldRefused = nil, nil, 0, 0, 0 })
}

// again begins another try: what was before is kept, and not looked at.
func (r *record) again() {
	r.change(func() { r.oldEvents, r.oldRefused = len(r.events), len(r.refused) })
}

// forbidden reports whether something was refused for want of a right.
func (r *record) forbidden() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.refused, func(f act.Refusal) bool {
		return f.Status == http.StatusUnauthorized || f.Status == http.StatusForbidden
	})
}

// answered notes an answer of Azure. A resource that is not there is no refusal, nor is a registry's challenge.
func (r *record) answered(req *http.Request, resp *http.Response) error {
	status := resp.StatusCode
	challenge := status == http.StatusUnauthorized && req.URL.Path == "/v2/"
	if status < 400 || status == http.StatusNotFound || challenge {
		r.mu.Lock()
		r.calls++
		r.mu.Unlock()
		return nil
	}
	body, err := reread(resp)
	r.change(func() {
		r.calls++
		r.refused = append(r.refused, refusal(req, status, body))
	})
	return err
}

// flies notes that a request is under way, or with -1 that it no longer is.
func (r *record) flies(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flying += n
}

// quiet waits until no request has been under way for a moment.
func (r *record) quiet(ctx context.Context) {
	const moments = 3
	for still := 0; still < moments && ctx.Err() == nil; still++ {
		time.Sleep(quick / 2)
		r.mu.Lock()
		if r.flying > 0 {
			still = -1
		}
		r.mu.Unlock()
	}
}

// happened notes an event.
func (r *record) happened(e *corev1.Event) {
	source := e.Source.Component
	if source == "" {
		source = e.ReportingController
	}
	r.change(func() {
		r.events = append(r.events, act.Event{Type: e.Type, Reason: e.Reason, Message: e.Message, Source: source,
			Object: e.InvolvedObject.Kind + "/" + e.InvolvedObject.Name})
	})
}

// await waits until the record is as wanted and reports whether it became so in time.
func (r *record) await(within time.Duration, wanted func(*record) bool) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		r.mu.Lock()
		ok, changed := wanted(r), r.changed
		r.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-timer.C:
			return false
		}
	}
}

// event finds the first event of one of some reasons about an object; "" is any object.
func (r *record) event(object string, reasons ...string) *act.Event {
	for i := r.oldEvents; i < len(r.events); i++ {
		if e := &r.events[i]; slices.Contains(reasons, e.Reason) && (object == "" || e.Object == object) {
			return e
		}
	}
	return nil
}

// done is the record as an answer.
func (r *record) done(took time.Duration) *act.Done {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &act.Done{Events: r.events, Refused: r.refused, Calls: r.calls, Took: took}
}
