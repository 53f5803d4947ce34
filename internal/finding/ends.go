package finding

import (
	"fmt"
	"time"

	"aksid/internal/catalogue"
	"aksid/internal/rbac"
)

var roleEnds = Rule{
	ID:    "role-ends",
	Title: "A role that the cluster needs ends at a time",
	Why: "Privileged Identity Management takes an assignment away when its time is over. What the cluster does with it fails from then on, " +
		"without anybody having changed anything.",
	Source:   "PIM: assign Azure resource roles, role assignment schedule instances",
	Severity: Warning,
	Stops:    true,
	Run: func(p *Pass) {
		hanging := map[*rbac.Grant]*Finding{}
		var order []*rbac.Grant
		for _, a := range p.Assessments {
			for _, g := range a.GrantedBy {
				if g.Until.IsZero() || a.Need.Certainty != catalogue.Now {
					continue
				}
				f := hanging[g]
				if f == nil {
					f = &Finding{
						Title:     fmt.Sprintf("%s on %s ends %s", p.Estate.RoleName(g.Role), p.Place(g.Scope), p.ending(g.Until)),
						Detail:    fmt.Sprintf("Privileged Identity Management gave it to %s for a time; then:", p.Estate.PrincipalName(g.Principal)),
						Principal: a.Identity.Principal, Scope: g.Scope,
					}
					hanging[g], order = f, append(order, g)
				}
				f.Consequences = append(f.Consequences, a.Requirement.Consequence(a.Need))
			}
		}
		for _, g := range order {
			p.Report(*hanging[g])
		}
	},
}

// ending says when something ends.
func (p *Pass) ending(t time.Time) string {
	day := "on " + t.UTC().Format(time.DateOnly)
	switch days := int(t.Sub(p.Now).Hours() / 24); {
	case p.Now.IsZero():
	case days == 0:
		day += ", within a day"
	case days > 0:
		day += fmt.Sprintf(", in %d days", days)
	}
	return day
}
