package rbac

import "aksid/internal/azure"

// Grants reports whether the role grants the action: some element of its permissions names it, does not exclude it,
// and has no condition that would have to be evaluated.
func (r *Role) Grants(action azure.Action, data bool) bool {
	for i := range r.Permissions {
		p := &r.Permissions[i]
		if p.names(action, data) && evalCondition(p.Condition, action) == yes {
			return true
		}
	}
	return false
}

func (p *Permission) names(action azure.Action, data bool) bool {
	in, out := p.Actions, p.NotActions
	if data {
		in, out = p.DataActions, p.NotDataActions
	}
	return anyMatches(in, action) && !anyMatches(out, action)
}

func anyMatches(patterns []string, action azure.Action) bool {
	for _, p := range patterns {
		if MatchAction(p, action) {
			return true
		}
	}
	return false
}
