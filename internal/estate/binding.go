package estate

import (
	"cmp"
	"context"
	"slices"
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
	nodes := c.NodeGroup()
	if nodes.IsZero() {
		return nil
	}
	var out []Resource
	for _, key := range e.keysBelow(nodes.Join("providers", TypeScaleSet)) {
		if r := e.resources[key]; strings.EqualFold(r.ID.Type(), TypeScaleSet) {
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
	return e.credentials[identity.Key()]
}

// Trusting are the user-assigned identities that trust tokens of a cluster, by id.
func (e *Estate) Trusting(c *Cluster) []azure.ID {
	issuer := c.Issuer()
	if issuer == "" {
		return nil
	}
	return e.trusting[issuer]
}

// indexIdentities makes identities and their credentials easy to find: for each cluster of a fleet they are looked for.
func (e *Estate) indexIdentities() {
	e.credentials, e.trusting, e.clients = map[string][]FederatedCredential{}, map[string][]azure.ID{}, map[azure.GUID]azure.ID{}
	for _, r := range e.Resources(TypeFederatedCredential) {
		f := FederatedCredential{r.ID, r.Text("properties.issuer"), r.Text("properties.subject"), textsAt(r.Doc, "properties.audiences")}
		identity, issuer := r.ID.Parent(), strings.TrimSuffix(f.Issuer, "/")
		e.credentials[identity.Key()] = append(e.credentials[identity.Key()], f)
		if !slices.ContainsFunc(e.trusting[issuer], identity.Equal) {
			e.trusting[issuer] = append(e.trusting[issuer], identity)
		}
	}
	for _, r := range e.Resources(TypeIdentity) {
		if g := guidAt(r.Doc, "properties.clientId"); !g.IsZero() {
			e.clients[g] = r.ID
		}
	}
	for _, o := range e.objects {
		if o.Type == "ServicePrincipal" && o.Managed.IsZero() && !o.App.IsZero() && o.Name != "" {
			e.secretive = append(e.secretive, o)
		}
	}
	slices.SortFunc(e.secretive, func(x, y Object) int {
		return cmp.Or(strings.Compare(strings.ToLower(x.Name), strings.ToLower(y.Name)), azure.GUID.Compare(x.ID, y.ID))
	})
}

// Clients are the service principals that have an application, and so can have secrets, whose names begin like that, without case.
func (e *Estate) Clients(prefix string) []Object {
	prefix = strings.ToLower(prefix)
	first, _ := slices.BinarySearchFunc(e.secretive, prefix, func(o Object, p string) int { return strings.Compare(strings.ToLower(o.Name), p) })
	last := first
	for last < len(e.secretive) && strings.HasPrefix(strings.ToLower(e.secretive[last].Name), prefix) {
		last++
	}
	return e.secretive[first:last]
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
	if id, ok := e.clients[client]; ok {
		return id, true
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
