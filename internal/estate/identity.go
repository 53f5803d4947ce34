package estate

import (
	"maps"
	"slices"
	"strings"

	"aksid/internal/azure"
)

// IdentityRole is what an identity does for a cluster.
type IdentityRole string

// Roles of identities, as the JSON contract spells them.
const (
	ControlPlane     IdentityRole = "control-plane"     // load balancers, routes, disks, scaling
	Kubelet          IdentityRole = "kubelet"           // image pulls by the nodes
	AddOn            IdentityRole = "addon"             // one for each add-on that has an identity
	Workload         IdentityRole = "workload"          // pods, through workload identity
	ServicePrincipal IdentityRole = "service-principal" // legacy: control plane and kubelet in one
	Creator          IdentityRole = "creator"           // who creates or updates the cluster
)

// Kinds of identities, as the JSON contract spells them.
const (
	SystemAssigned         = "SystemAssigned"
	UserAssigned           = "UserAssigned"
	ServicePrincipalSecret = "ServicePrincipal"
)

// NoServicePrincipal stands for the client id of the service principal of clusters with managed identity (facts 1.1).
const NoServicePrincipal = "msi"

// Identity is one of the identities that a cluster acts as.
type Identity struct {
	Role      IdentityRole
	AddOn     string            // name of the add-on, in the document's casing
	Kind      string            // SystemAssigned, UserAssigned or ServicePrincipal
	Name      string            // what a person knows it by
	Principal azure.PrincipalID // what role assignments name; zero: not known
	Client    azure.GUID        // client id: never in a role assignment
	Resource  azure.ID          // of user-assigned identities
	Found     bool              // nobody names it: it was found out who creates the cluster
}

// Known reports whether the identity's object id is known, so that its roles can be told.
func (i Identity) Known() bool { return !i.Principal.IsZero() }

// identities reads the identities that the cluster's document names, control plane first (facts 1.1).
// A service principal's object id is not in it.
func (c *Cluster) identities() []Identity {
	out := c.controlPlane()
	if k := mapAt(c.Doc, "properties.identityProfile.kubeletidentity"); k != nil {
		out = append(out, userAssigned(Kubelet, "", k))
	}
	return append(out, c.addOns()...)
}

func (c *Cluster) controlPlane() []Identity {
	client := c.Text("properties.servicePrincipalProfile.clientId")
	switch kind := c.Text("identity.type"); {
	case strings.EqualFold(kind, SystemAssigned):
		return []Identity{{Role: ControlPlane, Kind: SystemAssigned, Name: c.ID.Name(), Principal: guidAt(c.Doc, "identity.principalId")}}
	case strings.EqualFold(kind, UserAssigned):
		return c.userAssignedControlPlane()
	case client != "" && !strings.EqualFold(client, NoServicePrincipal):
		app := guidAt(c.Doc, "properties.servicePrincipalProfile.clientId")
		return []Identity{{Role: ServicePrincipal, Kind: ServicePrincipalSecret, Name: client, Client: app}}
	}
	return nil
}

func (c *Cluster) userAssignedControlPlane() []Identity {
	var out []Identity
	ids := mapAt(c.Doc, "identity.userAssignedIdentities")
	for _, key := range slices.Sorted(maps.Keys(ids)) {
		id, err := azure.ParseID(key)
		if err != nil {
			continue
		}
		out = append(out, Identity{
			Role: ControlPlane, Kind: UserAssigned, Name: id.Name(), Resource: id,
			Principal: guidAt(ids[key], "principalId"), Client: guidAt(ids[key], "clientId"),
		})
	}
	return out
}

func (c *Cluster) addOns() []Identity {
	var out []Identity
	profiles := mapAt(c.Doc, "properties.addonProfiles")
	for _, name := range slices.Sorted(maps.Keys(profiles)) {
		enabled, _ := at(profiles[name], "enabled").(bool)
		if id := mapAt(profiles[name], "identity"); enabled && id != nil {
			out = append(out, userAssigned(AddOn, name, id))
		}
	}
	const routing = "webAppRouting"
	profile := mapAt(c.Doc, "properties.ingressProfile."+routing)
	if enabled, _ := at(profile, "enabled").(bool); enabled && mapAt(profile, "identity") != nil {
		out = append(out, userAssigned(AddOn, routing, mapAt(profile, "identity")))
	}
	return out
}

// userAssigned reads the shape {resourceId, clientId, objectId} of identityProfile and addonProfiles.
func userAssigned(role IdentityRole, addOn string, m map[string]any) Identity {
	id := linkAt(m, "resourceId")
	return Identity{
		Role: role, AddOn: addOn, Kind: UserAssigned, Name: id.Name(), Resource: id,
		Principal: guidAt(m, "objectId"), Client: guidAt(m, "clientId"),
	}
}

// Identities are the identities that a cluster acts as, control plane first.
func (e *Estate) Identities(c *Cluster) []Identity {
	out := c.identities()
	for i, id := range out {
		if o, ok := e.byApp[id.Client]; ok && !id.Known() && !id.Client.IsZero() {
			out[i].Principal = o.ID
			if id.Role == ServicePrincipal && o.Name != "" {
				out[i].Name = o.Name
			}
		}
	}
	return out
}

// Actor is the identity that plays a role for a cluster. On clusters with a service principal
// that one is the control plane and the kubelet. addOn names the add-on, without case, for the role AddOn.
func (e *Estate) Actor(c *Cluster, role IdentityRole, addOn string) (Identity, bool) {
	if role == Creator {
		return e.creatorFor(c)
	}
	for _, id := range e.Identities(c) {
		both := id.Role == ServicePrincipal && (role == ControlPlane || role == Kubelet)
		if both || id.Role == role && strings.EqualFold(id.AddOn, addOn) {
			return id, true
		}
	}
	return Identity{}, false
}

// NameCreator says who creates and updates the clusters, by object id or client id. It is for whoever has loaded the estate,
// before anything asks it.
func (e *Estate) NameCreator(id azure.GUID) {
	e.creator = Identity{Role: Creator, Kind: ServicePrincipalSecret, Name: e.PrincipalName(id), Principal: id}
	if sp, ok := e.ServicePrincipal(id); ok {
		e.creator.Name, e.creator.Principal, e.creator.Client = e.PrincipalName(sp.ID), sp.ID, id
	} else if o, known := e.Object(id); known == Known && o.Type != "" {
		e.creator.Kind = o.Type
	}
}

// PrincipalType is what a role assignment calls the kind of the identity's principal.
func (i Identity) PrincipalType() string {
	if i.Role == Creator {
		return i.Kind
	}
	return ServicePrincipalSecret
}

// TypeIdentity is the resource type of a user-assigned identity.
const TypeIdentity = "Microsoft.ManagedIdentity/userAssignedIdentities"

// UserAssigned is a user-assigned identity in a role that it does not play yet. Its object id is known if its document is.
func (e *Estate) UserAssigned(role IdentityRole, id azure.ID) Identity {
	doc, _ := e.Resource(id)
	return Identity{
		Role: role, Kind: UserAssigned, Name: id.Name(), Resource: id,
		Principal: guidAt(doc.Doc, "properties.principalId"), Client: guidAt(doc.Doc, "properties.clientId"),
	}
}
