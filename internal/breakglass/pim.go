package breakglass

import (
	"context"
	"fmt"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// pimKind is how PIM gives a role: identities cannot take anything up, so they get it active; people are made eligible and
// take it up themselves (azure-facts 3.6).
func pimKind(g Wanted) How {
	if strings.EqualFold(g.PrincipalType, "ServicePrincipal") {
		return Active
	}
	return Eligible
}

func requestType(h How) string {
	if h == Eligible {
		return estate.TypeEligibleRequest
	}
	return estate.TypeActiveRequest
}

// requestID is the request of PIM for a role.
func requestID(c *Case, i int) azure.ID {
	g := c.Asked.Grants[i]
	return g.Scope.Resource(requestType(pimKind(g)), name(c, i, "pim"))
}

// placeInPIM asks PIM for a role with an end.
func (d Desk) placeInPIM(ctx context.Context, c *Case, i int) (Given, error) {
	g := c.Asked.Grants[i]
	given := Given{pimKind(g), requestID(c, i)}
	r, err := d.On.Ask(ctx, given.Resource, pimBody(c, g, "AdminAssign", object{
		"startDateTime": d.Now.UTC().Format(time.RFC3339), "expiration": object{"type": "AfterDateTime", "endDateTime": c.Until.Format(time.RFC3339)},
	}))
	switch {
	case given.How == Eligible && estate.Code(err) == "RoleAssignmentExists":
		return Given{How: Eligible}, nil // it was eligible before: that is not ours to take away
	case err != nil:
		return given, d.limits(ctx, g, map[How]ruleSet{Active: givenActive, Eligible: givenEligible}[given.How], err)
	case refusedStatus(r.Text("properties.status")):
		return given, refuse("Privileged Identity Management does not give %s: its request is %s", g.RoleName, r.Text("properties.status"))
	}
	return given, nil
}

func pimBody(c *Case, g Wanted, what string, schedule object) object {
	p := object{
		"principalId": g.Principal.String(), "roleDefinitionId": definitionID(g), "requestType": what,
		"justification": c.Why, "ticketInfo": object{"ticketNumber": c.ID, "ticketSystem": estate.TicketSystem},
	}
	if schedule != nil {
		p["scheduleInfo"] = schedule
	}
	return object{"properties": p}
}

// ruleSet is a part of a role's settings: the end of the ids of its rules, and what they are about.
type ruleSet struct{ id, level string }

var (
	givenActive   = ruleSet{"Admin_Assignment", "active"}
	givenEligible = ruleSet{"Admin_Eligibility", "eligible"}
	takenUp       = ruleSet{"EndUser_Assignment", "taken up"}
)

// limits explains a refusal of PIM by the role's settings there.
func (d Desk) limits(ctx context.Context, g Wanted, set ruleSet, err error) error {
	if estate.Code(err) != "RoleAssignmentRequestPolicyValidationFailed" {
		return err
	}
	r := &Refusal{Message: fmt.Sprintf("Privileged Identity Management refuses %s on %s: %s", g.RoleName, g.Scope, estate.Words(err))}
	policies, listErr := d.On.List(ctx, g.Scope, estate.TypePIMPolicy, "roleDefinitionId eq '"+definitionID(g)+"'")
	if listErr != nil {
		r.Limits = []string{"its settings for the role cannot be read: " + listErr.Error()}
	}
	for _, p := range policies {
		r.Limits = append(r.Limits, ruleTexts(p, set)...)
	}
	r.Instead = []string{
		"ask for less time: aksid breakglass request … --for",
		"have the settings of the role changed at this scope: Privileged Identity Management, Azure resources, Settings",
		"if your rules allow it, assign the role with a mark, outside of it: aksid breakglass approve … --how assignment, and run aksid breakglass expire",
	}
	return r
}

// ruleTexts are the rules of a role that decide about how long, and what it takes.
func ruleTexts(policy estate.Resource, set ruleSet) (out []string) {
	for _, v := range policy.List("properties.effectiveRules") {
		m, _ := v.(map[string]any)
		rule := estate.Resource{Doc: m}
		switch rule.Text("id") {
		case "Expiration_" + set.id:
			if most := rule.Text("maximumDuration"); most != "" {
				out = append(out, fmt.Sprintf("%s for at most %s", set.level, most))
			}
			if rule.Flag("isExpirationRequired") {
				out = append(out, "an end is required")
			}
		case "Enablement_" + set.id:
			for _, needed := range rule.List("enabledRules") {
				out = append(out, fmt.Sprintf("it takes: %v", needed))
			}
		}
	}
	return out
}

// Activate takes up what the caller was made eligible for, for a time; zero: until the end of the request.
func (d Desk) Activate(ctx context.Context, id string, span time.Duration) (*Case, error) {
	err := d.note(ctx, id, func(c *Case) (Entry, error) {
		if s := c.State(d.Now); s != InForce {
			return Entry{}, refuse("%s is %s; only what was approved can be taken up", id, s)
		}
		if d.eligible(c) < 0 {
			return Entry{}, refuse("%s makes %s eligible for nothing", id, d.Who.Label())
		}
		return Entry{Verb: Activate}, nil
	})
	if err != nil {
		return nil, err
	}
	c, err := d.find(id)
	if err != nil {
		return nil, err
	}
	end := c.Until
	if until := d.Now.Add(span); span > 0 && until.Before(end) {
		end = until
	}
	for i, g := range c.Asked.Grants {
		if g.Principal != d.Who.Object || c.Given[i].How != Eligible {
			continue
		}
		request := g.Scope.Resource(estate.TypeActiveRequest, azure.NewGUID().String())
		r, err := d.On.Ask(ctx, request, pimBody(c, g, "SelfActivate", object{
			"startDateTime": d.Now.UTC().Format(time.RFC3339), "expiration": object{"type": "AfterDateTime", "endDateTime": end.Format(time.RFC3339)}}))
		if err != nil {
			return c, d.limits(ctx, g, takenUp, err)
		}
		d.say("%s until %s (%s), on %s", g.RoleName, instant(end), strings.ToLower(r.Text("properties.status")), g.Scope)
	}
	return d.find(id)
}

// eligible is the first role of a request that the caller can take up, or -1.
func (d Desk) eligible(c *Case) int {
	for i, g := range c.Asked.Grants {
		if g.Principal == d.Who.Object && c.Given[i].How == Eligible {
			return i
		}
	}
	return -1
}
