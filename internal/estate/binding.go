package estate

import (
	"strings"

	"aksid/internal/azure"
)

// Resource types that tie identities to machines and to pods.
const (
	TypeScaleSet            = "Microsoft.Compute/virtualMachineScaleSets"
	TypeFederatedCredential = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"
)

// ScaleSets are the scale sets of a cluster's nodes that were read.
func (e *Estate) ScaleSets(c *Cluster) []Resource {
	var out []Resource
	for _, r := range e.Resources(TypeScaleSet) {
		if c.NodeGroup().Contains(r.ID) {
			out = append(out, r)
		}
	}
	return out
}

// HasIdentity reports whether a user-assigned identity is attached to a resource.
func (r Resource) HasIdentity(id azure.ID) bool {
	for key := range mapAt(r.Doc, "identity.userAssignedIdentities") {
		if strings.EqualFold(key, id.String()) {
			return true
		}
	}
	return false
}

// FederatedCredential lets whoever holds a token of an issuer for a subject act as an identity.
type FederatedCredential struct {
	ID              azure.ID
	Issuer, Subject string
}

// FederatedCredentials are those of a user-assigned identity that were read.
func (e *Estate) FederatedCredentials(identity azure.ID) []FederatedCredential {
	var out []FederatedCredential
	for _, r := range e.Resources(TypeFederatedCredential) {
		if identity.Contains(r.ID) && !identity.IsZero() {
			out = append(out, FederatedCredential{r.ID, r.Text("properties.issuer"), r.Text("properties.subject")})
		}
	}
	return out
}

// Lock keeps what is below a scope from being deleted or written, whatever roles allow.
type Lock struct {
	ID, Scope azure.ID
	ReadOnly  bool // else it only keeps from deleting
}

// Locks are the locks that were read.
func (e *Estate) Locks() []Lock {
	var out []Lock
	for _, r := range e.Resources(typeLock) {
		scope, _, _ := r.ID.Split()
		out = append(out, Lock{r.ID, scope, strings.EqualFold(r.Text("properties.level"), "ReadOnly")})
	}
	return out
}
