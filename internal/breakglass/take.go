package breakglass

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// Revoke takes away what a request gave, before its time; a request that waits is withdrawn, by whoever made it or by somebody
// who does not agree.
func (d Desk) Revoke(ctx context.Context, id, why string) (*Case, error) {
	err := d.note(ctx, id, func(c *Case) (Entry, error) {
		switch s := c.State(d.Now); s {
		case Waiting, Lapsed:
			if c.End.Number > 0 {
				return Entry{}, refuse("%s has lapsed", id)
			}
			return Entry{Verb: Withdraw, Why: why}, nil
		case Ended, Withdrawn:
			return Entry{}, refuse("%s is %s already", id, s)
		}
		return Entry{Verb: Revoke, Why: why}, nil
	})
	if err != nil {
		return nil, err
	}
	c, err := d.find(id)
	if err != nil || c.End.Number > 0 {
		return c, err
	}
	if err := d.takeBack(ctx, c); err != nil {
		return c, err
	}
	return d.find(id)
}

// takeBack takes away whatever a request may have written, and notes that it is gone. It can be repeated.
func (d Desk) takeBack(ctx context.Context, c *Case) error {
	ctx = context.WithoutCancel(ctx)
	var seen []string
	for i, g := range c.Asked.Grants {
		was, err := d.takeRole(ctx, c, i)
		if err != nil {
			return fmt.Errorf("%s on %s is not taken away: %w", g.RoleName, g.Scope, err)
		}
		seen = append(seen, was)
		d.say("%s: %s for %s, on %s", was, g.RoleName, g.PrincipalName, g.Scope)
	}
	return d.note(ctx, c.ID, func(now *Case) (Entry, error) {
		if now.End.Number > 0 {
			return Entry{}, errSkip
		}
		return Entry{Verb: End, Why: strings.Join(seen, "; ")}, nil
	})
}

// takeRole takes one role away, and says what it found. Where it is not known how the role was given, every way is looked at.
func (d Desk) takeRole(ctx context.Context, c *Case, i int) (string, error) {
	was := "gone already"
	given := c.Given[i]
	if given.How == Assignment || given.How == "" {
		id := assignmentID(c, i)
		_, there, err := d.On.Get(ctx, id)
		if err == nil && there {
			was, err = "taken away", d.On.Delete(ctx, id)
		}
		if err != nil {
			return "", err
		}
	}
	if given.How != Assignment {
		ended, err := d.endInPIM(ctx, c, i)
		if err != nil {
			return "", err
		}
		if ended {
			was = "taken away"
		}
	}
	return was, nil
}

// endInPIM removes what PIM gave. What PIM has ended itself is not there any more.
func (d Desk) endInPIM(ctx context.Context, c *Case, i int) (ended bool, err error) {
	g := c.Asked.Grants[i]
	if c.Given[i].How == "" {
		if _, there, err := d.On.Get(ctx, requestID(c, i)); err != nil || !there {
			if estate.WithoutPIM(err) {
				err = nil
			}
			return false, err
		}
	}
	types := []string{estate.TypeActiveRequest}
	if pimKind(g) == Eligible && !c.Given[i].Resource.IsZero() {
		types = append(types, estate.TypeEligibleRequest)
	}
	for _, typ := range types {
		_, err := d.On.Ask(ctx, g.Scope.Resource(typ, azure.NewGUID().String()), pimBody(c, g, "AdminRemove", nil))
		switch {
		case estate.Code(err) == "RoleAssignmentDoesNotExist":
		case err != nil:
			return ended, err
		default:
			ended = true
		}
	}
	return ended, nil
}

// Sweep is what Expire is about to do.
type Sweep struct {
	Overdue []*Case
	Lapsed  []*Case
	Strays  []Stray
}

// Stray is a role assignment with a mark that the record does not account for.
type Stray struct {
	ID   azure.ID
	Mark estate.Mark
	Text string
	What string // what is wrong with it
	Over bool   // its time is over: Expire takes it away
}

// Look finds what is over: by the record, and by the marks in some subscriptions, so that nothing is forgotten that the record
// does not have. A record that is damaged, and a subscription that cannot be read, is an error beside what was found all the
// same.
func (d Desk) Look(ctx context.Context, subscriptions []azure.ID) (Sweep, error) {
	var s Sweep
	rec, damaged := d.Record.Read()
	if rec == nil {
		return s, damaged
	}
	known := map[string]*Case{}
	for _, c := range rec.Cases() {
		known[c.ID] = c
		switch state := c.State(d.Now); {
		case state == Overdue || state == Over || c.open() && c.Intent != "": // a run that was to take it away did not come to its end
			s.Overdue = append(s.Overdue, c)
		case state == Lapsed && c.End.Number == 0:
			s.Lapsed = append(s.Lapsed, c)
		}
		for _, g := range c.Asked.Grants {
			subscriptions = append(subscriptions, azure.SubscriptionID(g.Scope.Subscription()))
		}
	}
	strays, err := d.strays(ctx, subscriptions, known)
	s.Strays = strays
	return s, errors.Join(damaged, err)
}

func (d Desk) strays(ctx context.Context, subscriptions []azure.ID, known map[string]*Case) (out []Stray, err error) {
	seen := map[string]bool{}
	for _, sub := range subscriptions {
		if seen[sub.Key()] {
			continue
		}
		seen[sub.Key()] = true
		all, unread := d.On.List(ctx, sub, typeAssignment, "")
		err = errors.Join(err, unread)
		for _, r := range all {
			if s, ok := d.stray(r, known); ok && !seen[s.ID.Key()] {
				seen[s.ID.Key()] = true
				out = append(out, s)
			}
		}
	}
	return out, err
}

// stray judges a role assignment by its mark.
func (d Desk) stray(r estate.Resource, known map[string]*Case) (Stray, bool) {
	text := r.Text("properties.description")
	m, marked, ok := estate.ParseMark(text)
	s := Stray{ID: r.ID, Mark: m, Text: text, Over: ok && !d.Now.Before(m.Until)}
	c := known[m.Request]
	switch {
	case !marked:
		return s, false
	case !ok:
		s.What = "its mark was changed and cannot be read; look at it and take it away by hand"
	case c == nil:
		s.What = "the record has no request " + m.Request
	case c.End.Number > 0:
		s.What, s.Over = "the record says that it is gone", true
	case c.Approver.Object.IsZero():
		s.What = "the record does not say that " + c.ID + " was approved"
	case !c.Until.Equal(m.Until):
		s.What = "the record says that it ends at " + c.Until.Format("2006-01-02 15:04 UTC")
		s.Over = s.Over || !d.Now.Before(c.Until)
	default:
		return s, false // the record knows it
	}
	return s, true
}

// Expire takes away what is over and notes it. It goes on after an error, so that one grant that cannot be taken away does not
// keep the others; it can be run twice, also at once.
func (d Desk) Expire(ctx context.Context, s Sweep) error {
	var errs []error
	for _, c := range s.Lapsed {
		errs = append(errs, d.note(ctx, c.ID, func(now *Case) (Entry, error) {
			if now.State(d.Now) != Lapsed || now.End.Number > 0 {
				return Entry{}, errSkip
			}
			return Entry{Verb: Lapse}, nil
		}))
	}
	for _, c := range s.Overdue {
		noted := d.note(ctx, c.ID, func(now *Case) (Entry, error) {
			if now.Intent != "" || now.End.Number > 0 {
				return Entry{}, errSkip
			}
			return Entry{Verb: Expire}, nil
		})
		errs = append(errs, errors.Join(noted, d.takeBack(ctx, c))) // a record that cannot be written keeps nothing in force
	}
	for _, stray := range s.Strays {
		if stray.Over {
			errs = append(errs, d.takeStray(ctx, stray))
		}
	}
	return errors.Join(errs...)
}

func (d Desk) takeStray(ctx context.Context, s Stray) error {
	_, noted := d.Record.Append(ctx, func(*Record) (Entry, error) {
		return d.entry(Entry{Verb: Found, Request: s.Mark.Request, Resource: s.ID, Why: s.What}), nil
	})
	if err := d.On.Delete(context.WithoutCancel(ctx), s.ID); err != nil {
		return errors.Join(noted, err)
	}
	d.say("taken away, found by its mark: %s", s.ID)
	return noted
}
