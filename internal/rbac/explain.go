package rbac

import "aksid/internal/azure"

// Explanation is a Decision with every candidate and why it did or did not count.
type Explanation struct {
	Decision
	Grants       []GrantCandidate // of the principal and its groups
	Denies       []DenyCandidate  // that name the principal and whose scope covers the request
	Unread       []Unread         // scopes above whose assignments could not be read
	UnreadGroups bool             // the principal's groups are not known
}

// GrantCandidate is an assignment of the principal or of one of its groups.
type GrantCandidate struct {
	Grant   *Grant
	Role    *Role               // nil: not known
	Reason  Reason              // why it does or does not count
	Pattern string              // of the role: what names the action, or what excludes it
	Groups  []azure.PrincipalID // from the principal's group to the one that holds the grant; empty: its own
	Scopes  []azure.ID          // management groups between the request's scope and the grant's, nearest first
}

// DenyCandidate is a deny assignment above the request's scope that names the principal.
type DenyCandidate struct {
	Deny    *Deny
	Reason  Reason
	Pattern string
	Groups  []azure.PrincipalID
	Scopes  []azure.ID
}

// Reason says why a candidate counts or does not.
type Reason uint8

// The reasons, in the order in which they are looked at.
const (
	Counts           Reason = iota
	OtherScope              // the request's scope is not at or below its scope
	NotChildScopes          // a deny for its own scope only
	NotYet                  // From lies ahead
	NoLonger                // Until has passed
	UnknownRole             // the role definition is not known
	NotNamed                // no pattern names the action
	OtherPlane              // named among the data actions but asked as a control action, or the other way round
	Excluded                // named, and taken out again by notActions or notDataActions
	ConditionUnknown        // named, under a condition that was not evaluated
	ConditionFailed         // named, under a condition that is not met
	Excepted                // a deny that excepts the principal or one of its groups
)

// Explain is Decide with its reasons.
func (p *Policy) Explain(r Request) Explanation {
	x := Explanation{Decision: p.Decide(r)}
	return x
}
