package rbac

import (
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
)

// naive is a second implementation, made to be read: lists, loops and the facts' own sentences. It shares no code with
// the engine but the types.
type naive struct {
	grants        []Grant
	denies        []Deny
	roles         []Role
	members       []Membership
	parents       [][2]azure.ID // child, management group
	unread        []azure.ID
	unknownGroups []azure.GUID
}

var everyAction = []string{"microsoft.a/x/read", "microsoft.a/x/write", "microsoft.a/x/y/read", "microsoft.a/y/z/action",
	"microsoft.b/x/read", "microsoft.b/x/write", "microsoft.b/x/z/action"}

func naiveMatch(pattern, action string) bool {
	switch {
	case strings.HasPrefix(pattern, "/*/") && naiveMatch(pattern[2:], action):
		return true
	case pattern == "":
		return action == ""
	case pattern[0] == '*':
		for i := range len(action) + 1 {
			if naiveMatch(pattern[1:], action[i:]) {
				return true
			}
		}
		return false
	}
	return action != "" && pattern[0] == action[0] && naiveMatch(pattern[1:], action[1:])
}

func naiveNames(p Permission, action azure.Action, data bool) bool {
	in, out := p.Actions, p.NotActions
	if data {
		in, out = p.DataActions, p.NotDataActions
	}
	matches := func(pattern string) bool {
		return naiveMatch(strings.ToLower(strings.TrimSpace(pattern)), strings.ToLower(string(action)))
	}
	return slices.ContainsFunc(in, matches) && !slices.ContainsFunc(out, matches)
}

// covers says whether top is scope, or above it by its id or by management groups.
func (n *naive) covers(top, scope azure.ID) bool {
	t, s := strings.ToLower(top.String()), strings.ToLower(scope.String())
	if s == "" || t == "" {
		return false
	}
	if t == "/" || s == t || strings.HasPrefix(s, t+"/") {
		return true
	}
	parts := strings.Split(s, "/")
	child := ""
	switch {
	case len(parts) >= 3 && parts[1] == "subscriptions":
		child = strings.Join(parts[:3], "/")
	case len(parts) >= 5 && parts[1] == "providers" && parts[2] == "microsoft.management" && parts[3] == "managementgroups":
		child = strings.Join(parts[:5], "/")
	}
	for range len(n.parents) {
		for _, p := range n.parents {
			if strings.EqualFold(p[0].String(), child) {
				child = strings.ToLower(p[1].String())
				break
			}
		}
		if child == t {
			return true
		}
	}
	return false
}

func (n *naive) subjects(r Request) []azure.GUID {
	all := []azure.GUID{r.Principal}
	if r.Groups != nil {
		return append(all, r.Groups...)
	}
	for range n.members {
		for _, m := range n.members {
			if slices.Contains(all, m.Member) && !slices.Contains(all, m.Group) && naiveInForce(m.From, m.Until, r.At) {
				all = append(all, m.Group)
			}
		}
	}
	return all
}

func naiveInForce(from, until, at time.Time) bool {
	if at.IsZero() {
		return true
	}
	began := from.IsZero() || from.Equal(at) || from.Before(at)
	ended := !until.IsZero() && (until.Equal(at) || until.Before(at))
	return began && !ended
}

// grant says what one assignment does for a request.
func (n *naive) grant1(g Grant, r Request) (granted, open, condition bool) {
	if g.Principal.IsZero() || !slices.Contains(n.subjects(r), g.Principal) || !n.covers(g.Scope, r.Scope) || !naiveInForce(g.From, g.Until, r.At) {
		return
	}
	i := slices.IndexFunc(n.roles, func(role Role) bool { return role.ID == g.Role })
	if i < 0 {
		return false, true, false
	}
	best, named := no, false
	for _, e := range n.roles[i].Permissions {
		if naiveNames(e, r.Action, r.Data) {
			named = true
			best = max(best, min(naiveHolds(e.Condition, r), naiveHolds(g.Condition, r)))
		}
	}
	return best == yes, best == maybe, named && best != yes
}

func (n *naive) deny1(d Deny, r Request) truth {
	subjects := n.subjects(r)
	is := func(id azure.GUID) bool { return slices.Contains(subjects, id) }
	if !n.covers(d.Scope, r.Scope) || d.NotChildren && !d.Scope.Equal(r.Scope) || !naiveInForce(d.From, d.Until, r.At) ||
		slices.ContainsFunc(d.Except, is) || !d.Everyone && !slices.ContainsFunc(d.Principals, is) && !slices.Contains(d.Principals, azure.GUID{}) {
		return no
	}
	t := no
	for _, e := range d.Permissions {
		if naiveNames(e, r.Action, r.Data) {
			t = max(t, naiveHolds(e.Condition, r))
		}
	}
	return t
}

// decide returns the ids of all assignments that grant, and of all that deny.
func (n *naive) decide(r Request) (o Outcome, condition bool, grants, denies []string) {
	open := r.Groups == nil && slices.Contains(n.unknownGroups, r.Principal)
	for _, u := range n.unread {
		open = open || n.covers(u, r.Scope)
	}
	for _, g := range n.grants {
		granted, mayGrant, c := n.grant1(g, r)
		if granted {
			grants = append(grants, g.ID.Key())
		}
		open, condition = open || mayGrant, condition || c
	}
	mayDeny := false
	for _, d := range n.denies {
		switch n.deny1(d, r) {
		case yes:
			denies = append(denies, d.ID.Key())
		case maybe:
			mayDeny = true
		}
	}
	switch {
	case denies != nil:
		return Denied, false, grants, denies
	case grants != nil && mayDeny:
		return Unknown, true, grants, denies
	case grants != nil:
		return Granted, false, grants, denies
	case open:
		return Unknown, condition, grants, denies
	}
	return NotGranted, condition, grants, denies
}
