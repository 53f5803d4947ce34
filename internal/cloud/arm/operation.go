package arm

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

const (
	kindOperation = "operation"
	KindPending   = "pending" // operations that have steps to go

	verbWrite  = "write" // any other verb is the name of an action
	verbDelete = "delete"
)

// operation is a long-running operation. It is written with the call that begins it and moves on with each step.
type operation struct {
	ID          string           `json:"id"`
	Target      azure.ID         `json:"target"`
	Result      azure.ID         `json:"result,omitzero"` // what it was asked of, where that is a part of Target
	Type        string           `json:"type"`
	Verb        string           `json:"verb"`
	Create      bool             `json:"create,omitempty"`
	Step        int              `json:"step"`
	Due         time.Time        `json:"due"`
	Started     time.Time        `json:"started"`
	Ended       time.Time        `json:"ended,omitzero"`
	Error       *stepError       `json:"error,omitempty"`
	Caller      directory.Caller `json:"caller"`
	Correlation string           `json:"correlation"`
	Version     string           `json:"version"`
	Body        Doc              `json:"body,omitempty"` // of an action
}

// stepError is how an operation failed, as it is kept.
type stepError struct {
	Kept    int         `json:"status,omitempty"`
	Code    string      `json:"code"`
	Message string      `json:"message"`
	Target  string      `json:"target,omitempty"`
	Details []stepError `json:"details,omitempty"`
}

func newStepError(e *azure.Error) *stepError {
	out := &stepError{Kept: e.Status, Code: e.Code, Message: e.Message, Target: e.Target}
	for _, d := range e.Details {
		out.Details = append(out.Details, *newStepError(d))
	}
	return out
}

// answer is the error as a client sees it.
func (s *stepError) answer() *azure.Error {
	e := &azure.Error{Status: s.Kept, Code: s.Code, Message: s.Message, Target: s.Target}
	for _, d := range s.Details {
		e.Details = append(e.Details, d.answer())
	}
	return e
}

func (o *operation) status() string {
	switch {
	case o.Ended.IsZero():
		return "InProgress"
	case o.Error != nil:
		return "Failed"
	}
	return "Succeeded"
}

// place is where the operation is found: at the provider's location, or at the subscription for ARM's own.
func (o *operation) place(kind string) string {
	ns := namespace(o.Type)
	sub := "/subscriptions/" + o.Target.Subscription()
	if ns == "Microsoft.Resources" {
		return sub + "/" + strings.ToLower(kind) + "/" + o.ID
	}
	return sub + "/providers/" + ns + "/locations/" + Locations[0] + "/" + kind + "/" + o.ID
}

func (o *operation) url(base string) string {
	return base + o.place("operations") + "?api-version=" + url.QueryEscape(o.Version)
}

func (o *operation) resultURL(base string) string {
	return base + o.place("operationresults") + "?api-version=" + url.QueryEscape(o.Version)
}

// begin starts the operation of a call: the document says that it is under way, the runner takes it from there.
func (c *Call) begin(verb string, create bool) (*operation, error) {
	caller := c.Caller
	caller.Claims, caller.Logged = nil, nil // they are in the activity log
	op := &operation{ID: azure.NewGUID().String(), Target: c.ID, Type: c.Type.Name, Verb: verb, Create: create,
		Due: c.Now, Started: c.Now, Caller: caller, Correlation: c.Correlation, Version: c.Version}
	op.Due = c.Now.Add(c.arm.pace(op))
	switch {
	case op.action():
		op.Body = c.Body
	case verb == verbDelete:
		Set(c.Doc, "properties.provisioningState", "Deleting")
	case create:
		Set(c.Doc, "properties.provisioningState", "Creating")
	default:
		Set(c.Doc, "properties.provisioningState", "Updating")
	}
	Set(c.Doc, "_.operation", op.ID)
	if err := c.save(c.Type, c.ID, c.Doc); err != nil {
		return nil, err
	}
	return op, op.save(c.Tx)
}

// steps are what an operation on the type does.
func (t *Type) steps(verb string) []Step {
	switch verb {
	case verbWrite:
		return t.Steps
	case verbDelete:
		return t.Deleting
	}
	return t.Actions[verb].Then
}

// action reports whether the operation is that of an action, which leaves the resource's state alone.
func (o *operation) action() bool { return o.Verb != verbWrite && o.Verb != verbDelete }

func (o *operation) save(tx store.Tx) error {
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if err := tx.Put(store.Doc{Kind: kindOperation, Key: o.ID, Body: body}); err != nil {
		return err
	}
	if !o.Ended.IsZero() {
		return tx.Delete(KindPending, o.ID)
	}
	return tx.Put(store.Doc{Kind: KindPending, Key: o.ID, Body: []byte("{}")})
}

func loadOperation(tx store.Tx, id string) (*operation, error) {
	d, err := tx.Get(kindOperation, id)
	if err != nil {
		return nil, err
	}
	var o operation
	return &o, json.Unmarshal(d.Body, &o)
}

// idle refuses a write while an operation on the resource, or on the parent that it is stored in, is under way.
func (c *Call) idle() *azure.Error {
	doc := c.Old
	if c.Type.inside != nil {
		var err error
		if doc, err = c.Load(c.ID.Parent()); err != nil {
			return Fault(err)
		}
	}
	id := Str(doc, "_.operation")
	if id == "" || c.service {
		return nil
	}
	op, err := loadOperation(c.Tx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && !op.Ended.IsZero() {
		return nil
	}
	if err != nil {
		return Fault(err)
	}
	if c.Method == http.MethodDelete && op.Verb != verbDelete {
		return Fault(op.cancel(c)) // Azure lets a delete overtake
	}
	return azure.OperationInProgress.Format(azure.Fields{"state": Str(doc, "properties.provisioningState")})
}

// cancel ends an operation that another one overtakes.
func (o *operation) cancel(c *Call) error {
	o.Ended, o.Error = c.Now, newStepError(azure.OperationPreempted.Error())
	return o.save(c.Tx)
}

// runner works on operations, one step in one transaction at a time.
type runner struct {
	arm   *ARM
	poke  chan struct{}
	stop  context.CancelFunc
	ended sync.WaitGroup
}

func newRunner(a *ARM) *runner { return &runner{arm: a, poke: make(chan struct{}, 1)} }

func (r *runner) start(ctx context.Context) error {
	ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	r.ended.Go(func() { r.run(ctx) })
	return nil
}

func (r *runner) close() {
	r.stop()
	r.ended.Wait()
}

// wake looks for work that is due.
func (r *runner) wake() {
	select {
	case r.poke <- struct{}{}:
	default:
	}
}

// longestWait bounds how long the runner sleeps: Now may be a clock that is moved.
const longestWait = time.Second

func (r *runner) run(ctx context.Context) {
	for {
		wait, err := r.round(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.arm.cfg.Log.Error("operations cannot be read and will be tried again", "error", err)
			wait = longestWait
		}
		if wait == 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-r.arm.cfg.Begun:
		case <-r.poke:
		case <-time.After(min(wait, longestWait)):
		}
	}
}

// round takes every operation that is due one step further; it returns how long there is nothing to do.
func (r *runner) round(ctx context.Context) (time.Duration, error) {
	var pending []string
	err := r.arm.cfg.Store.View(ctx, func(tx store.Tx) error {
		pending = pending[:0]
		for d, err := range tx.Scan(KindPending, "", "") {
			if err != nil {
				return err
			}
			pending = append(pending, d.Key)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	wait := time.Hour
	for _, id := range pending {
		w, err := r.step(ctx, id)
		if err != nil && ctx.Err() == nil {
			r.arm.cfg.Log.Error("an operation's step failed and will be tried again", "operation", id, "error", err)
			w = longestWait
		}
		wait = min(wait, w)
	}
	return wait, nil
}

// step runs one step of an operation, or ends it. A refusal by a provider ends it as failed;
// an error of the store leaves it where it was.
func (r *runner) step(ctx context.Context, id string) (wait time.Duration, err error) {
	var refused *azure.Error
	work := guarded(func(tx store.Tx) error {
		op, err := loadOperation(tx, id)
		if err != nil {
			return err
		}
		now := r.arm.cfg.Now().UTC()
		if wait = op.Due.Sub(now); wait > 0 || !op.Ended.IsZero() {
			return nil
		}
		wait = 0
		c, err := r.call(tx, op, now)
		if err != nil {
			return err
		}
		if refused != nil {
			return op.finish(c, refused)
		}
		steps := c.Type.steps(op.Verb)
		if op.Step < len(steps) {
			again, e := steps[op.Step](c)
			if e != nil {
				refused = e
				return e
			}
			if again == 0 {
				op.Step++
			}
			op.Due = now.Add(again + r.arm.pace(op))
		}
		if op.Step == len(steps) {
			return op.finish(c, nil)
		}
		return op.save(tx)
	})
	err = r.arm.cfg.Store.Update(ctx, work)
	if refused != nil && refused.Status != http.StatusInternalServerError {
		err = r.arm.cfg.Store.Update(ctx, work) // rolled back what the step did; now write that it failed
	}
	return wait, err
}

func (r *runner) call(tx store.Tx, op *operation, now time.Time) (*Call, error) {
	t := r.arm.reg.find(op.Type)
	method := http.MethodPut
	if op.Verb == verbDelete {
		method = http.MethodDelete
	}
	c := &Call{Tx: tx, Now: now, arm: r.arm, Request: &Request{Method: method, ID: op.Target, Type: t, Version: op.Version,
		Header: http.Header{}, Query: url.Values{}, Caller: op.Caller, Correlation: op.Correlation, RequestID: azure.NewGUID().String(),
		Path: op.Target.String()}}
	if op.action() {
		c.Method, c.Action, c.Body = http.MethodPost, op.Verb, op.Body
	}
	var err error
	c.Old, err = c.Load(op.Target)
	c.Doc = Clone(c.Old)
	return c, err
}

// finish writes the end of an operation, and that of its resource's state.
func (o *operation) finish(c *Call, failed *azure.Error) error {
	o.Ended = c.Now
	state, status := "Succeeded", http.StatusOK
	if failed != nil {
		state, status = "Failed", failed.Status
		o.Error = newStepError(failed)
	}
	doc, err := c.Load(c.ID)
	if err != nil {
		return err
	}
	if doc != nil {
		if !o.action() {
			Set(doc, "properties.provisioningState", state)
		}
		delete(Map(doc, internal), "operation")
		if c.Type.KeepsError && failed != nil {
			Set(doc, "properties.error", failed)
		}
		if err := c.save(c.Type, c.ID, doc); err != nil {
			return err
		}
	}
	if err := o.save(c.Tx); err != nil {
		return err
	}
	return c.logEnd(state, status, failed)
}

// operationTypes are the places where a provider's operations are polled.
func operationTypes(ns string) []*Type {
	if ns == "Microsoft.Resources" {
		return []*Type{
			{Name: azure.TypeSubscription + "/operations", Since: "2014-04-01", Place: InSubscription, Open: true, Get: Poll},
			{Name: azure.TypeSubscription + "/operationresults", Since: "2014-04-01", Place: InSubscription, Open: true, Get: pollResult},
		}
	}
	return []*Type{
		{Name: ns + "/locations/operations", Since: "2014-04-01", Place: InSubscription, Open: true, Get: Poll},
		{Name: ns + "/locations/operationresults", Since: "2014-04-01", Place: InSubscription, Open: true, Get: pollResult},
	}
}

// polled finds the operation of a poll; who began it may see it, and who may read its resource.
func (c *Call) polled() (*operation, *azure.Error) {
	op, err := loadOperation(c.Tx, strings.ToLower(c.ID.Name()))
	if errors.Is(err, store.ErrNotFound) {
		return nil, azure.NotFound.Format(azure.Fields{"id": c.ID.String()})
	}
	if err != nil {
		return nil, Fault(err)
	}
	if op.Caller.ID == c.Caller.ID {
		return op, nil
	}
	return op, c.authorize(azure.Action(op.Type+"/read"), op.Target)
}

var comeAgain = http.Header{"Retry-After": {"1"}}

// Poll is the Azure-AsyncOperation protocol, for the places where an operation's state is read.
func Poll(c *Call) (Doc, *azure.Error) {
	if c.done() {
		return c.doneState()
	}
	op, err := c.polled()
	if err != nil {
		return nil, err
	}
	d := Doc{"name": op.ID, "status": op.status(), "startTime": op.Started.Format(time.RFC3339Nano)}
	if op.Ended.IsZero() {
		return Answer(d, http.StatusOK, comeAgain), nil
	}
	d["endTime"] = op.Ended.Format(time.RFC3339Nano)
	if op.Error != nil {
		d["error"] = op.Error.answer()
	}
	return d, nil
}

// pollResult is the Location protocol: 202 until the operation ends, then its result.
func pollResult(c *Call) (Doc, *azure.Error) {
	if c.done() {
		return c.doneResult()
	}
	op, err := c.polled()
	switch {
	case err != nil:
		return nil, err
	case op.Ended.IsZero():
		h := comeAgain.Clone()
		h.Set("Location", op.resultURL(c.Base))
		return Answer(Doc{}, http.StatusAccepted, h), nil
	case op.Error != nil:
		return nil, op.Error.answer()
	case op.Verb == verbDelete && op.Type == azure.TypeResourceGroup:
		return Answer(Doc{}, http.StatusOK, nil), nil
	case op.Verb == verbDelete, op.action():
		return Answer(Doc{}, http.StatusNoContent, nil), nil
	}
	id := op.Result
	if id.IsZero() {
		id = op.Target
	}
	doc, e := c.Load(id)
	if e != nil || doc == nil {
		return Answer(Doc{}, http.StatusNoContent, nil), Fault(e)
	}
	return c.view(c.arm.reg.find(id.Type()), doc), nil
}
