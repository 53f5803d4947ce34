package finding

import (
	"fmt"
	"strings"

	"aksid/internal/catalogue"
	"aksid/internal/estate"
)

// missing makes one rule of every requirement: what it breaks, what is not granted, and the least role that grants it.
func missing(requirements []*catalogue.Requirement) []*Rule {
	var out []*Rule
	for _, r := range requirements {
		out = append(out, &Rule{
			ID:       MissingID(r),
			Title:    fmt.Sprintf("The %s identity lacks what it needs for: %s", estate.Identity{Role: r.Actor, AddOn: r.AddOn}.Label(), r.Feature),
			Why:      r.Breaks,
			Source:   r.Source,
			Severity: Error,
			Stops:    true,
			Run:      func(p *Pass) { reportMissing(p, r) },
		})
	}
	return out
}

// MissingID is the id of the rule for a requirement that is not met.
func MissingID(r *catalogue.Requirement) string { return string(r.Actor) + "-missing-" + r.ID }

func reportMissing(p *Pass, r *catalogue.Requirement) {
	for _, a := range p.Open(Missing) {
		if a.Requirement != r {
			continue
		}
		severity, title := Error, r.Consequence(a.Need)
		switch {
		case a.Need.Certainty == catalogue.Maybe:
			severity, title = Note, "perhaps: "+title
		case a.Identity.Found: // others may do it from now on
			severity = Note
		case a.Need.Phase == catalogue.Rebuild && p.toBeMade():
			title = strings.Replace(title, "rebuilding", "creating", 1)
		case a.Need.Phase == catalogue.Rebuild && p.Before.Occasion != catalogue.Rebuilding:
			severity = Warning
		}
		var takeUp *estate.Schedule
		if r.Actor == estate.Creator { // identities of clusters cannot take up anything
			takeUp = p.Estate.CouldTakeUp(a.Identity.Principal, a.Missing, a.Need.Scope)
		}
		if takeUp != nil {
			severity = Note
		}
		detail := fmt.Sprintf("%s lacks %s on %s", whose(a.Identity), ShortList(a.Missing), p.Place(a.Need.Scope))
		if a.Need.Or != nil {
			detail += fmt.Sprintf("; if the registry has repository permissions (az acr show --query roleAssignmentMode), the role is %s instead", a.Need.Or.Role)
		}
		f := Finding{Severity: severity, Title: title, Principal: a.Identity.Principal, Scope: a.Need.Scope, explains: []*Assessment{a}}
		if takeUp != nil {
			detail += fmt.Sprintf("; it may take up %s on %s first (Privileged Identity Management)", p.Estate.RoleName(takeUp.Grant.Role), p.Place(takeUp.Grant.Scope))
		} else {
			f.Remedy = p.least(a)
		}
		f.Detail = detail
		p.Report(f)
	}
}

// whose is how a person calls an identity that lacks something.
func whose(i estate.Identity) string {
	if i.Found {
		return fmt.Sprintf("%s, which wrote the cluster and still may,", i.Name)
	}
	return i.Label()
}

// assign is the grant that meets the need, with the role that documents name.
func (a *Assessment) assign() estate.Assign {
	return estate.Assign{Role: a.Need.Role, Principal: a.Identity.Principal, PrincipalType: a.Identity.PrincipalType(), Scope: a.Need.Scope}
}
