package estate

import (
	"context"
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
	Audiences       []string
}

// TokenAudience is what the tokens of service accounts are for (workload-identity-overview).
const TokenAudience = "api://AzureADTokenExchange"

// OfKubernetes reports whether a credential trusts a service account of a cluster.
func (f FederatedCredential) OfKubernetes() bool {
	return strings.HasPrefix(f.Subject, "system:serviceaccount:")
}

// Issues reports whether a cluster issues the tokens that a credential trusts.
func (f FederatedCredential) Issues(c *Cluster) bool {
	issuer := c.Issuer()
	return issuer != "" && strings.TrimSuffix(f.Issuer, "/") == issuer
}

// Issuer is who a cluster's tokens say they are from, without the slash at the end; "" where the cluster issues none for others.
func (c *Cluster) Issuer() string {
	return strings.TrimSuffix(c.Text("properties.oidcIssuerProfile.issuerURL"), "/")
}

// FederatedCredentials are those of a user-assigned identity that were read.
func (e *Estate) FederatedCredentials(identity azure.ID) []FederatedCredential {
	var out []FederatedCredential
	for _, r := range e.Resources(TypeFederatedCredential) {
		if identity.Contains(r.ID) && !identity.IsZero() {
			out = append(out, FederatedCredential{r.ID, r.Text("properties.issuer"), r.Text("properties.subject"), textsAt(r.Doc, "properties.audiences")})
		}
	}
	return out
}

// CredentialsKnown reports whether all federated credentials of an identity were read. az prints them together.
func (e *Estate) CredentialsKnown(identity azure.ID) bool {
	d, planned := e.Declared(identity)
	return e.federated[identity.Key()] || len(e.FederatedCredentials(identity)) > 0 || planned && d.Creates
}

// noteFederated notes that the federated credentials of an identity are known, of which there may be none.
func (b *builder) noteFederated(identity azure.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.estate.federated[identity.Key()] = true
}

// WithClient is the user-assigned identity of a client id, where it was read.
func (e *Estate) WithClient(client azure.GUID) (azure.ID, bool) {
	for _, r := range e.Resources(TypeIdentity) {
		if guidAt(r.Doc, "properties.clientId") == client && !client.IsZero() {
			return r.ID, true
		}
	}
	sp := e.byApp[client]
	return sp.Managed, strings.EqualFold(sp.Managed.Type(), TypeIdentity)
}

// credentials reads the federated credentials of an identity.
func (w *walk) credentials(ctx context.Context, identity azure.ID) {
	w.listing(ctx, "federated credentials", TypeFederatedCredential+"/read", identity, func() ([]map[string]any, string, error) {
		docs, version, err := w.client.children(ctx, identity, "federatedIdentityCredentials")
		if err == nil {
			w.noteFederated(identity)
		}
		return docs, version, err
	})
}

// workloads reads the identities that service accounts name, as far as they are there.
func (w *walk) workloads(ctx context.Context) {
	for _, client := range w.Kube.Clients() {
		w.once("app "+client.String(), func() {
			w.servicePrincipal(ctx, client)
			w.mu.Lock()
			identity, ok := w.estate.WithClient(client)
			w.mu.Unlock()
			if ok {
				w.resource(ctx, identity)
				w.credentials(ctx, identity)
			}
		})
	}
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
