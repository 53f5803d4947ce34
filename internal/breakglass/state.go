package breakglass

import (
	"fmt"
	"slices"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// State is how far a request has come.
type State string

// The states. Waiting: for approval. Approved: Azure was about to be changed, and it is not known whether all of it was.
const (
	Waiting   State = "waiting"
	Withdrawn State = "withdrawn"
	Lapsed    State = "lapsed"
	Approved  State = "approved"
	InForce   State = "in force"
	Over      State = "over" // PIM has ended it; Expire makes sure
	Overdue   State = "overdue"
	Ended     State = "ended"
)

// Case is a request and what became of it.
type Case struct {
	ID        string
	Asked     Asked
	Why       string
	By        Person
	At        time.Time // when it was asked for
	Approver  Person    // zero: nobody has approved it
	Until     time.Time
	Given     []Given // what was written, by Asked.Grants; How is "" where it is not known whether it was
	Failure   string  // what Azure refused it with, last
	Activated bool    // the person was about to take up what it was made eligible for
	End       Entry   // withdraw, lapse or end; its Number is zero while there is none
	Intent    Verb    // revoke or expire was begun
	Steps     []Entry
}

// Given is what was written for one role of a request.
type Given struct {
	How      How
	Resource azure.ID
}

// waits is how long a request waits for approval.
const waits = 24 * time.Hour

// State is the state at a time.
func (c *Case) State(now time.Time) State {
	switch {
	case c.End.Verb == Withdraw:
		return Withdrawn
	case c.End.Verb == Lapse:
		return Lapsed
	case c.End.Verb == End:
		return Ended
	case c.Approver.Object.IsZero():
		if now.After(c.At.Add(waits)) {
			return Lapsed
		}
		return Waiting
	case !now.Before(c.Until) && c.inPIM():
		return Over
	case !now.Before(c.Until):
		return Overdue
	case c.complete():
		return InForce
	}
	return Approved
}

// complete reports whether every role of the request is known to have been given.
func (c *Case) complete() bool {
	return !slices.ContainsFunc(c.Given, func(g Given) bool { return g.How == "" })
}

// inPIM reports whether PIM gave every role of the request, and ends it.
func (c *Case) inPIM() bool {
	return !slices.ContainsFunc(c.Given, func(g Given) bool { return g.How != Active && g.How != Eligible })
}

// open reports whether something of the request may be in Azure.
func (c *Case) open() bool { return !c.Approver.Object.IsZero() && c.End.Number == 0 }

// Mark is what the role assignments of the request carry.
func (c *Case) Mark() estate.Mark {
	return estate.Mark{Request: c.ID, Until: c.Until, Requester: c.By.Object, Approver: c.Approver.Object, Cluster: c.Asked.Cluster}
}

// Cases are the requests of a record, in the order in which they were made.
func (rec *Record) Cases() []*Case {
	var out []*Case
	byID := map[string]*Case{}
	for _, e := range rec.Entries {
		c := byID[e.Request]
		if e.Verb == Ask && c == nil && e.Asked != nil {
			c = &Case{ID: e.Request, Asked: *e.Asked, Why: e.Why, By: e.By, At: e.At, Given: make([]Given, len(e.Asked.Grants))}
			byID[e.Request] = c
			out = append(out, c)
		}
		if c != nil {
			c.take(e)
		}
	}
	return out
}

func (c *Case) take(e Entry) {
	c.Steps = append(c.Steps, e)
	switch e.Verb {
	case Approve:
		c.Approver, c.Until, c.Failure = e.By, e.Until, ""
	case Give:
		if i := e.Grant - 1; i >= 0 && i < len(c.Given) {
			c.Given[i] = Given{e.How, e.Resource}
		}
	case Fail:
		c.Failure = e.Why // it stays approved: another run may have written it all the same
	case Activate:
		c.Activated = true
	case Revoke, Expire:
		c.Intent = e.Verb
	case Withdraw, Lapse, End:
		c.End = e
	}
}

// Case finds a request.
func (rec *Record) Case(id string) (*Case, error) {
	for _, c := range rec.Cases() {
		if c.ID == id {
			return c, nil
		}
	}
	return nil, fmt.Errorf("the record has no request %q; aksid breakglass list --all shows those it has", id)
}
