package rbac

import "aksid/internal/azure"

// Grants reports whether an assignment of the role grants the action: an element of its permissions names it, does not
// exclude it, and has no condition that is open or not met.
func (r *Role) Grants(action azure.Action, data bool) bool {
	for i := range r.Permissions {
		e := &r.Permissions[i]
		if e.grants(action, data) && conditionOf(e.Condition).eval(&Request{Action: action}) == yes {
			return true
		}
	}
	return false
}

// patterns are the element's patterns for control or data actions, and those that exclude.
func (e *Permission) patterns(data bool) (in, out []string) {
	if data {
		return e.DataActions, e.NotDataActions
	}
	return e.Actions, e.NotActions
}

// grants leaves the element's condition out.
func (e *Permission) grants(action azure.Action, data bool) bool {
	in, out := e.patterns(data)
	_, named := findPattern(in, action)
	if !named {
		return false
	}
	_, excluded := findPattern(out, action)
	return !excluded
}

// findPattern is the first pattern that names the action.
func findPattern(patterns []string, action azure.Action) (string, bool) {
	for _, p := range patterns {
		if MatchAction(p, action) {
			return p, true
		}
	}
	return "", false
}
