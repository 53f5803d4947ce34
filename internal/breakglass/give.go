package breakglass

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// Approve agrees to a request and gives its roles. Who asked, and who is to have the roles, cannot approve. One that was
// approved before and of which not everything is known to be given is completed. how is how roles are to be given; "": through
// Privileged Identity Management where the tenant has it, else as marked role assignments.
func (d Desk) Approve(ctx context.Context, id string, how How) (*Case, error) {
	again := false // a run before this one did not come to its end
	err := d.note(ctx, id, func(c *Case) (Entry, error) {
		if err := d.MayApprove(c); err != nil {
			return Entry{}, err
		}
		if again = c.State(d.Now) == Approved; again {
			return Entry{}, errSkip
		}
		return Entry{Verb: Approve, Until: d.Now.Add(time.Duration(c.Asked.For)).UTC().Truncate(time.Second)}, nil
	})
	if err != nil {
		return nil, err
	}
	c, err := d.find(id)
	if err != nil {
		return nil, err
	}
	for i := range c.Asked.Grants {
		if c.Given[i].How != "" {
			continue
		}
		if err := d.give(ctx, c, i, how, again); err != nil {
			return c, err
		}
	}
	return d.find(id)
}

// MayApprove says why somebody cannot approve a request, or nil.
func (d Desk) MayApprove(c *Case) error {
	switch s := c.State(d.Now); {
	case d.Who.Is(c.By):
		return refuse("%s was asked for by %s, who cannot approve it as well; somebody else has to: aksid breakglass approve %s", c.ID, c.By.Label(), c.ID)
	case s == Lapsed:
		return refuse("%s lapsed: nobody approved it within %s; ask anew: aksid breakglass request", c.ID, Span(waits))
	case s != Waiting && s != Approved:
		return refuse("%s cannot be approved: it is %s", c.ID, s)
	}
	for _, g := range c.Asked.Grants {
		if g.Principal == d.Who.Object {
			return refuse("%s is for %s itself, who cannot approve it", c.ID, d.Who.Label())
		}
	}
	return nil
}

// Label is how a person is shown.
func (p Person) Label() string {
	if p.Name == "" {
		return p.Object.String()
	}
	return p.Name + " (" + p.Object.String() + ")"
}

// give gives one role of a request and notes it. again: another run may have written it.
func (d Desk) give(ctx context.Context, c *Case, i int, how How, again bool) error {
	given, err := d.place(context.WithoutCancel(ctx), c, i, how, again) // what is begun is let through to its end
	if err != nil {
		if estate.Code(err) == "" && !errors.As(err, new(*Refusal)) {
			return err // it may have been written: the request stays approved, and is completed or taken back
		}
		said := err.Error()
		if words := estate.Words(err); words != "" {
			said = estate.Code(err) + ": " + words
		}
		noted := d.note(ctx, c.ID, func(*Case) (Entry, error) { return Entry{Verb: Fail, Grant: i + 1, Why: said}, nil })
		return errors.Join(err, noted)
	}
	return d.given(ctx, c, i, given)
}

// given notes that a role was given.
func (d Desk) given(ctx context.Context, c *Case, i int, given Given) error {
	g := c.Asked.Grants[i]
	d.say("%s for %s until %s, on %s", g.RoleName, g.PrincipalName, instant(c.Until), g.Scope)
	return d.note(ctx, c.ID, func(*Case) (Entry, error) {
		return Entry{Verb: Give, Grant: i + 1, How: given.How, Resource: given.Resource, Until: c.Until}, nil
	})
}

// place writes one role where it belongs.
func (d Desk) place(ctx context.Context, c *Case, i int, how How, again bool) (Given, error) {
	g := c.Asked.Grants[i]
	if again {
		if given, ok, err := d.placed(ctx, c, i); ok || err != nil {
			return given, err
		}
	}
	if has, err := d.On.Assigned(ctx, g.Role, g.Principal, g.Scope); err != nil || has {
		if given, ok, _ := d.placed(ctx, c, i); ok { // by another run, just now
			return given, err
		}
		return Given{}, errors.Join(err, already(has, g))
	}
	if g.Custom != nil {
		if err := d.On.Put(ctx, customID(g), customBody(g)); err != nil {
			return Given{}, err
		}
	}
	if how != Assignment {
		given, err := d.placeInPIM(ctx, c, i)
		if err == nil || how == Active || !estate.WithoutPIM(err) {
			return given, err
		}
		d.say("the tenant has no Privileged Identity Management; the role is assigned with a mark, and ends when aksid breakglass expire runs")
	}
	given := Given{Assignment, assignmentID(c, i)}
	return given, d.On.Put(ctx, given.Resource, object{"properties": object{
		"roleDefinitionId": definitionID(g), "principalId": g.Principal.String(), "principalType": g.PrincipalType, "description": c.Mark().String(),
	}})
}

func already(has bool, g Wanted) error {
	if !has {
		return nil
	}
	return refuse("%s has %s on %s already, for good; nothing is to be given", g.PrincipalName, g.RoleName, g.Scope)
}

// placed finds what a run wrote that did not come to note it.
func (d Desk) placed(ctx context.Context, c *Case, i int) (Given, bool, error) {
	for _, given := range []Given{{Assignment, assignmentID(c, i)}, {pimKind(c.Asked.Grants[i]), requestID(c, i)}} {
		r, ok, err := d.On.Get(ctx, given.Resource)
		if err != nil && !estate.WithoutPIM(err) {
			return given, false, err
		}
		if ok && !refusedStatus(r.Text("properties.status")) {
			return given, true, nil
		}
	}
	return Given{}, false, nil
}

type object = map[string]any

const (
	typeAssignment = "Microsoft.Authorization/roleAssignments"
	typeDefinition = "Microsoft.Authorization/roleDefinitions"
)

// name makes the names of what is written for a role of a request: the same in every run, so that none is written twice or
// forgotten.
func name(c *Case, i int, what string) string {
	return azure.NamedGUID("aksid break-glass", c.ID, c.By.Object.String(), fmt.Sprint(i), what).String()
}

func assignmentID(c *Case, i int) azure.ID {
	return c.Asked.Grants[i].Scope.Resource(typeAssignment, name(c, i, "assignment"))
}

// definitionID is a role definition's id as an assignment names it.
func definitionID(g Wanted) string {
	return azure.SubscriptionID(g.Scope.Subscription()).Resource(typeDefinition, g.Role.String()).String()
}

func customID(g Wanted) azure.ID {
	return azure.SubscriptionID(g.Scope.Subscription()).Resource(typeDefinition, g.Role.String())
}

func customBody(g Wanted) object {
	return object{"properties": object{
		"roleName": g.RoleName, "description": g.Custom.Description, "type": "CustomRole",
		"assignableScopes": []string{azure.SubscriptionID(g.Scope.Subscription()).String()},
		"permissions":      []any{object{"actions": filled(g.Custom.Actions), "notActions": []string{}, "dataActions": filled(g.Custom.DataActions), "notDataActions": []string{}}},
	}}
}

func filled[T any](list []T) []T { return append([]T{}, list...) }

// refusedStatus reports whether a request of PIM came to nothing, or is over (REST reference: Status of role assignment
// schedule requests).
func refusedStatus(status string) bool {
	for _, bad := range []string{"Failed", "Denied", "AdminDenied", "Canceled", "Revoked", "Invalid", "TimedOut", "FailedAsResourceIsLocked"} {
		if strings.EqualFold(status, bad) {
			return true
		}
	}
	return false
}
