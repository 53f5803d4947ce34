package estate

import "aksid/internal/azure"

// Change is one step that mends a finding. Its kinds are in this file.
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

// Reconcile lets AKS put a cluster in order again: its identities, and where they are attached.
type Reconcile struct {
	Cluster azure.ID
	Pools   []string // whose nodes have to be upgraded to take up a new identity
}

// Unlock takes a lock away.
type Unlock struct{ ID azure.ID }

// Defederate takes a federated credential away from a user-assigned identity.
type Defederate struct{ ID azure.ID }

// Federate lets a service account of a cluster act as a user-assigned identity.
type Federate struct {
	Identity              azure.ID
	Name, Issuer, Subject string
}

func (Federate) change()   {}
func (Reconcile) change()  {}
func (Unlock) change()     {}
func (Defederate) change() {}

func (Assign) change()             {}
func (Unassign) change()           {}
func (UseManagedIdentity) change() {}

// DefineRole makes a custom role, or brings the one of its id up to date.
type DefineRole struct {
	ID                   azure.GUID
	Name                 string // display name, unique in the tenant
	Description          string
	Actions, DataActions []azure.Action
	Scope                azure.ID // the subscription that it can be assigned in
}

// Permit lets an identity use the keys of a vault that grants by access policies.
type Permit struct {
	Vault     azure.ID
	Principal azure.PrincipalID
	Keys      []string // permissions, as encrypt
}

func (DefineRole) change() {}
func (Permit) change()     {}
