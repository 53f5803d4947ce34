package finding

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"aksid/internal/estate"
)

const breakGlassSource = "docs/operating.md, break-glass"

var breakGlassOverdue = Rule{
	ID:       "break-glass-overdue",
	Title:    "A role that was given in an emergency is there past its end",
	Why:      "It was approved until a time, and nobody has looked at it since. Azure does not end such an assignment: aksid breakglass expire does, and has not run, or could not take it away. What is needed for good is to be given for good before that.",
	Source:   breakGlassSource,
	Severity: Error,
	Run: func(p *Pass) {
		for _, m := range p.marked() {
			title, since := "", ""
			switch {
			case !m.OK:
				title = "an emergency role has an end that cannot be read"
				since = fmt.Sprintf("its mark was changed: %q; look at it, and take it away by hand", m.Text)
			case !p.clock().IsZero() && !p.clock().Before(m.Mark.Until):
				title = "an emergency role is still there"
				since = fmt.Sprintf("it was to end at %s (%s); aksid breakglass expire takes it away", instant(m.Mark.Until), m.Mark.Request)
			default:
				continue
			}
			p.Report(Finding{
				Title:     title,
				Detail:    fmt.Sprintf("%s has %s on %s; %s", p.Estate.PrincipalName(m.Grant.Principal), p.Estate.RoleName(m.Grant.Role), p.Place(m.Grant.Scope), since),
				Principal: m.Grant.Principal, Scope: m.Grant.Scope,
			})
		}
	},
}

var breakGlassUnapproved = Rule{
	ID:       "break-glass-unapproved",
	Title:    "A role that was given in an emergency was given by who asked for it",
	Why:      "Azure says that the principal which asked for it has made the assignment itself, or its mark says that the same one approved it. Nobody else has agreed.",
	Source:   breakGlassSource,
	Severity: Error,
	Run: func(p *Pass) {
		for _, m := range p.marked() {
			by := m.Grant.CreatedBy
			if by.IsZero() {
				by = m.Mark.Approver
			}
			if !m.OK || by != m.Mark.Requester && m.Mark.Approver != m.Mark.Requester {
				continue
			}
			p.Report(Finding{
				Title: "an emergency role was not approved by somebody else",
				Detail: fmt.Sprintf("%s on %s (%s) was asked for by %s, and made by %s", p.Estate.RoleName(m.Grant.Role), p.Place(m.Grant.Scope), m.Mark.Request,
					p.Estate.PrincipalName(m.Mark.Requester), p.Estate.PrincipalName(by)),
				Principal: m.Grant.Principal, Scope: m.Grant.Scope,
			})
		}
	},
}

var breakGlassInForce = Rule{
	ID:       "break-glass-in-force",
	Title:    "A role that was given in an emergency is in force",
	Why:      "It ends by itself, and what needs it fails again then, unless the role has been given for good by that time.",
	Source:   breakGlassSource,
	Severity: Note,
	Run: func(p *Pass) {
		for _, m := range p.marked() {
			if !m.OK || p.clock().IsZero() || !p.clock().Before(m.Mark.Until) {
				continue
			}
			p.Report(Finding{
				Title:     fmt.Sprintf("an emergency role ends at %s", instant(m.Mark.Until)),
				Detail:    fmt.Sprintf("%s has %s on %s until then (%s)", p.Estate.PrincipalName(m.Grant.Principal), p.Estate.RoleName(m.Grant.Role), p.Place(m.Grant.Scope), m.Mark.Request),
				Principal: m.Grant.Principal, Scope: m.Grant.Scope,
			})
		}
	},
}

// marked are the emergency roles that concern the cluster: its own, and those that were given for its sake.
func (p *Pass) marked() []estate.Marked {
	return slices.DeleteFunc(p.Estate.Marked(), func(m estate.Marked) bool {
		mine := slices.ContainsFunc(p.Identities, func(id estate.Identity) bool { return id.Known() && id.Principal == m.Grant.Principal })
		return !mine && !m.Mark.Cluster.Equal(p.Cluster.ID) && !strings.Contains(strings.ToLower(m.Text), p.Cluster.ID.Key())
	})
}

// clock is the time that counts: Azure's when the estate was read, else this machine's.
func (p *Pass) clock() time.Time { return cmp.Or(p.Estate.At, p.Now) }

func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
