package finding

import "fmt"

var denied = Rule{
	ID:       "denied-by-deny-assignment",
	Title:    "A deny assignment refuses what an identity of the cluster needs",
	Why:      "No role helps against a deny assignment: who made it has to except the identity or take it away.",
	Source:   "deny-assignments",
	Severity: Error,
	Stops:    true,
	Run: func(p *Pass) {
		for _, a := range p.Open(Denied) {
			p.Report(Finding{
				Title:     a.Requirement.Consequence(a.Need),
				Detail:    fmt.Sprintf("deny assignment %q at %s refuses the %s identity what it needs on %s", a.Deny.Name, p.Place(a.Deny.Scope), a.Identity.Label(), p.Place(a.Need.Scope)),
				Principal: a.Identity.Principal, Scope: a.Need.Scope,
				explains: []*Assessment{a},
			})
		}
	},
}
