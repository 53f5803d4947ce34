// Package rbac decides, as Azure RBAC does, whether a principal may perform an action on a scope, and says why.
// It is pure: no I/O, no clock, no logger (azure-facts 3.1 to 3.6).
//
// A Policy is made of changes and answers four questions: Decide, Explain, WhoCan, Permissions. Of a request, path.go
// makes the scopes above it, group.go the principals it may act as; deny.go and decide.go look for assignments of those
// on these in the indexes of index.go; roleset.go knows which roles grant the action.
package rbac

import (
	"time"

	"aksid/internal/azure"
)

// Permission is one element of a role's permissions. NotActions subtract inside their own element only.
type Permission struct {
	Actions, NotActions, DataActions, NotDataActions []string
	Condition, ConditionVersion                      string // some built-in roles carry a condition here
}

// Role is a role definition.
type Role struct {
	ID               azure.GUID
	Name             string // the display name, as in "Network Contributor"
	Description      string
	BuiltIn          bool
	Permissions      []Permission
	AssignableScopes []azure.ID
}

// Grant is a role assignment, or what still counts of one: it holds from From (inclusive, zero: always)
// to Until (exclusive, zero: for ever).
type Grant struct {
	ID            azure.ID // the role assignment
	Role          azure.GUID
	Principal     azure.PrincipalID
	PrincipalType string // User, Group, ServicePrincipal …, as the assignment says; not used to decide
	Scope         azure.ID
	Condition     string
	From, Until   time.Time
	CreatedOn     time.Time  // informative
	CreatedBy     azure.GUID // object id of who made it; informative
}

// Deny is a deny assignment (azure-facts 3.4).
type Deny struct {
	ID          azure.ID
	Name        string
	Scope       azure.ID
	Permissions []Permission
	Everyone    bool                // all principals
	Principals  []azure.PrincipalID // users, service principals and groups
	Except      []azure.PrincipalID // excludePrincipals, groups included
	NotChildren bool                // doNotApplyToChildScopes
	From, Until time.Time
}

// Request asks whether Principal may perform Action on Scope at a time.
type Request struct {
	Principal  azure.PrincipalID
	Groups     []azure.PrincipalID // transitive groups of a token; nil: those the Policy knows
	Action     azure.Action
	Data       bool // a data action
	Scope      azure.ID
	At         time.Time // zero: every From and Until counts as open
	Attributes Attributes
}

// Outcome of a decision.
type Outcome uint8

// A request is granted by an assignment, not granted by any, denied by a deny assignment,
// or cannot be decided with what is known.
const (
	NotGranted Outcome = iota
	Granted
	Denied
	Unknown
)

func (o Outcome) String() string { return [...]string{"NotGranted", "Granted", "Denied", "Unknown"}[o] }

// Decision is the answer to a Request.
type Decision struct {
	Outcome   Outcome
	By        *Grant // what grants; nil otherwise
	Deny      *Deny  // what denies; nil otherwise
	Condition bool   // the outcome hangs on a condition whose attributes are not known, or that is not met
}
