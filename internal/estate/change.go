package estate

import "aksid/internal/azure"

// Change is one step that mends a finding: an Assign, an Unassign or a UseManagedIdentity.
type Change interface{ change() }

// Assign gives a role.
type Assign struct {
	Role          string // display name of the role, or its GUID
	Principal     azure.PrincipalID
	PrincipalType string // sent along, so that Azure does not look the principal up (facts 3.7)
	Scope         azure.ID
}

// Unassign takes a role assignment away.
type Unassign struct{ ID azure.ID }

// UseManagedIdentity moves a cluster from its service principal to a managed identity.
type UseManagedIdentity struct {
	Cluster azure.ID
	Pools   []string // whose nodes keep the service principal until they are upgraded
}

func (Assign) change()             {}
func (Unassign) change()           {}
func (UseManagedIdentity) change() {}
