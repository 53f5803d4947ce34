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
	Run: eachMarked(func(p *Pass, m estate.Marked) (title, detail string) {
		switch {
		case !m.OK:
			return "an emergency role has an end that cannot be read",
				fmt.Sprintf("%s; its mark was changed: %q; look at it, and take it away by hand", p.holding(m), m.Text)
		case !p.clock().IsZero() && !p.clock().Before(m.Mark.Until):
			return "an emergency role is still there",
				fmt.Sprintf("%s; it was to end at %s (%s); aksid breakglass expire takes it away", p.holding(m), instant(m.Mark.Until), m.Mark.Request)
		}
		return "", ""
	}),
}

var breakGlassUnapproved = Rule{
	ID:       "break-glass-unapproved",
	Title:    "A role that was given in an emergency was given by who asked for it",
	Why:      "Azure says that the principal which asked for it has made the assignment itself, or its mark says that the same one approved it. Nobody else has agreed.",
	Source:   breakGlassSource,
	Severity: Error,
	Run: eachMarked(func(p *Pass, m estate.Marked) (title, detail string) {
		by := m.Grant.CreatedBy
		if by.IsZero() {
			by = m.Mark.Approver
		}
		if !m.OK || by != m.Mark.Requester && m.Mark.Approver != m.Mark.Requester {
			return "", ""
		}
		return "an emergency role was not approved by somebody else",
			fmt.Sprintf("%s on %s (%s) was asked for by %s, and made by %s", p.Estate.RoleName(m.Grant.Role), p.Place(m.Grant.Scope), m.Mark.Request,
				p.Estate.PrincipalName(m.Mark.Requester), p.Estate.PrincipalName(by))
	}),
}

var breakGlassInForce = Rule{
	ID:       "break-glass-in-force",
	Title:    "A role that was given in an emergency is in force",
	Why:      "It ends by itself, and what needs it fails again then, unless the role has been given for good by that time.",
	Source:   breakGlassSource,
	Severity: Note,
	Run: eachMarked(func(p *Pass, m estate.Marked) (title, detail string) {
		if !m.OK || p.clock().IsZero() || !p.clock().Before(m.Mark.Until) {
			return "", ""
		}
		return "an emergency role ends at " + instant(m.Mark.Until), fmt.Sprintf("%s until then (%s)", p.holding(m), m.Mark.Request)
	}),
}

// eachMarked reports what a rule says of each emergency role, unless it has no title for it.
func eachMarked(judge func(*Pass, estate.Marked) (title, detail string)) func(*Pass) {
	return func(p *Pass) {
		for _, m := range p.marked() {
			if title, detail := judge(p, m); title != "" {
				p.Report(Finding{Title: title, Detail: detail, Principal: m.Grant.Principal, Scope: m.Grant.Scope})
			}
		}
	}
}

// holding is who has an emergency role, and where.
func (p *Pass) holding(m estate.Marked) string {
	return fmt.Sprintf("%s has %s on %s", p.Estate.PrincipalName(m.Grant.Principal), p.Estate.RoleName(m.Grant.Role), p.Place(m.Grant.Scope))
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
