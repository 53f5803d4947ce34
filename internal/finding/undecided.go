package finding

import (
	"fmt"
	"strings"

	"aksid/internal/catalogue"
	"aksid/internal/estate"
)

// UndecidedID is the id of the rule for what could not be told.
const UndecidedID = "undecided"

var undecided = Rule{
	ID:       UndecidedID,
	Title:    "It could not be told whether an identity has what it needs",
	Why:      "Something that decides it could not be read. It is neither granted nor missing as far as is known.",
	Source:   "aksid",
	Severity: Warning,
	Stops:    true,
	Run: func(p *Pass) {
		var reasons []string
		by := map[string][]*Assessment{}
		for _, a := range p.Open(Unknown) {
			if a.Need.Certainty != catalogue.Now || a.Identity.Found {
				continue
			}
			if by[a.Reason] == nil {
				reasons = append(reasons, a.Reason)
			}
			by[a.Reason] = append(by[a.Reason], a)
		}
		for _, reason := range reasons {
			reportUndecided(p, reason, by[reason])
		}
	},
}

// reportUndecided makes one finding of everything that hangs on the same gap.
func reportUndecided(p *Pass, reason string, as []*Assessment) {
	var what []string
	for _, a := range as {
		what = append(what, fmt.Sprintf("%s (%s)", a.Requirement.Feature, a.Identity.Label()))
	}
	detail := reason
	if right := p.rightFor(as[0]); right != "" {
		detail += "; it takes " + right
	}
	p.Report(Finding{
		Title: "it is not known whether this works: " + strings.Join(what, ", "), Detail: detail,
		Principal: as[0].Identity.Principal, Scope: as[0].Need.Scope,
	})
}

// rightFor is the right that would have let the need be decided, as far as a failed read says so.
func (p *Pass) rightFor(a *Assessment) string {
	for _, i := range p.Estate.Incomplete {
		about := !i.Scope.IsZero() && i.Scope.Contains(a.Need.Scope)
		if !a.Identity.Known() {
			about = !a.Identity.Client.IsZero() && strings.Contains(i.What, a.Identity.Client.String())
		}
		if about && i.Right != "" {
			return i.Right
		}
	}
	if _, read := p.Estate.Resource(a.Identity.Resource); !a.Identity.Known() && !a.Identity.Resource.IsZero() && read == estate.Unread && p.Estate.Expressions().Language != "" {
		return "the output of: az identity show --ids " + a.Identity.Resource.String() + ", in the same folder"
	}
	return ""
}
