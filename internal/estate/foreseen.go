package estate

import (
	"crypto/sha1"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"aksid/internal/azure"
)

// A plan or a template says what will be written. What Azure and AKS will make of it is foreseen here: for both in the same
// way, as parts of ARM's documents.

// foreseenNamespace makes foreseen ids differ from those that anything else derives from the same names.
var foreseenNamespace = azure.MustGUID("5d2f0a8e-63a1-4d0b-9f0d-6a2c3e9b7f11")

// foreseenGUID is an id that Azure will draw at random: here it is made from names, the same each time (RFC 9562, version 5).
func foreseenGUID(names ...string) azure.GUID {
	h := sha1.New()
	h.Write(foreseenNamespace[:])
	for _, n := range names {
		fmt.Fprintf(h, "%d %s", len(n), strings.ToLower(n))
	}
	g := azure.GUID(h.Sum(nil)[:16])
	g[6] = g[6]&0x0f | 0x50
	g[8] = g[8]&0x3f | 0x80
	return g
}

// webAppRouting is the add-on that has its identity in the ingress profile.
const webAppRouting = "webAppRouting"

// maxNodeGroup is the length at which AKS cuts the name of a node resource group (facts 1.2).
const maxNodeGroup = 80

// nodeGroupName is the name that AKS gives a node resource group (facts 1.2).
func nodeGroupName(cluster azure.ID, location string) string {
	name := "MC_" + cluster.ResourceGroup() + "_" + cluster.Name() + "_" + strings.ToLower(strings.ReplaceAll(location, " ", ""))
	return name[:min(len(name), maxNodeGroup)]
}

// Names of the identities that AKS makes in the node resource group (facts 1.1).
func kubeletName(cluster azure.ID) string { return cluster.Name() + "-agentpool" }

func addOnIdentityName(addOn string, cluster azure.ID) string {
	prefix := strings.ToLower(addOn)
	if strings.EqualFold(addOn, "azureKeyvaultSecretsProvider") {
		prefix = "azurekeyvaultsecretsprovider"
	}
	return prefix + "-" + cluster.Name()
}

// foreseenIdentity is an identity that AKS will make for a cluster.
func foreseenIdentity(cluster, nodes azure.ID, name string) Identity {
	id := nodes.Resource(TypeIdentity, name)
	return Identity{Name: name, Resource: id, Principal: foreseenGUID(cluster.String(), name, "principal"), Client: foreseenGUID(cluster.String(), name, "client")}
}

// foreseePrincipal notes an identity; of one that is made now, all roles are in the plan.
func (b *builder) foreseePrincipal(principal, client, name string, made bool) {
	o := Object{ID: guidAt(Doc{"v": principal}, "v"), App: guidAt(Doc{"v": client}, "v"), Type: "ServicePrincipal", Name: name}
	b.putObject(o)
	if made {
		b.fresh[o.ID] = true
	}
}

// foreseeCluster completes the document of a cluster with what AKS adds: the node resource group, the identities that were
// not brought, and AKS's own grant there. Of a cluster that exists only what its document lacks is filled in.
func (b *builder) foreseeCluster(doc Doc, made bool) {
	id := linkAt(doc, "id")
	if textAt(doc, "properties.nodeResourceGroup") == "" {
		put(doc, "properties.nodeResourceGroup", nodeGroupName(id, textAt(doc, "location")))
	}
	nodes := safeJoin(azure.SubscriptionID(id.Subscription()), "resourceGroups", textAt(doc, "properties.nodeResourceGroup"))
	kind := textAt(doc, "identity.type")
	if strings.EqualFold(kind, SystemAssigned) {
		if textAt(doc, "identity.principalId") == "" {
			put(doc, "identity.principalId", foreseenGUID(id.String(), "principal").String())
		}
		b.foreseePrincipal(textAt(doc, "identity.principalId"), "", id.Name(), made)
	}
	if kind == "" {
		return
	}
	put(doc, "properties.servicePrincipalProfile.clientId", NoServicePrincipal)
	b.foreseeUserIdentities(doc)
	b.foreseeIdentity(doc, "properties.identityProfile.kubeletidentity", foreseenIdentity(id, nodes, kubeletName(id)), made)
	profiles := mapAt(doc, "properties.addonProfiles")
	for _, name := range slices.Sorted(maps.Keys(profiles)) {
		if enabled, _ := at(profiles[name], "enabled").(bool); enabled {
			b.foreseeIdentity(doc, "properties.addonProfiles."+name+".identity", foreseenIdentity(id, nodes, addOnIdentityName(name, id)), made)
		}
	}
	if enabled, _ := at(doc, "properties.ingressProfile."+webAppRouting+".enabled").(bool); enabled {
		b.foreseeIdentity(doc, "properties.ingressProfile."+webAppRouting+".identity", foreseenIdentity(id, nodes, addOnIdentityName(webAppRouting, id)), made)
	}
	for _, who := range (&Cluster{Resource{ID: id, Doc: doc}}).identities() {
		if who.Role == ControlPlane || strings.EqualFold(who.AddOn, "aciConnectorLinux") {
			b.foreseeGrant(nodes, who.Principal)
		}
	}
}

// foreseeUserIdentities fills in the principals of user-assigned identities from their own documents.
func (b *builder) foreseeUserIdentities(doc Doc) {
	ids := mapAt(doc, "identity.userAssignedIdentities")
	for _, key := range sortedNames(ids) {
		r, ok := b.estate.resources[strings.ToLower(key)]
		if !ok {
			continue
		}
		ids[key] = map[string]any{"principalId": r.Text("properties.principalId"), "clientId": r.Text("properties.clientId")}
	}
}

// foreseeIdentity fills in an identity that AKS makes, or one that is brought by its resource alone.
func (b *builder) foreseeIdentity(doc Doc, path string, made Identity, fresh bool) {
	m := mapAt(doc, path)
	if textAt(m, "objectId") != "" {
		return
	}
	if r, ok := b.estate.resources[strings.ToLower(textAt(m, "resourceId"))]; ok {
		put(doc, path+".objectId", r.Text("properties.principalId"))
		put(doc, path+".clientId", r.Text("properties.clientId"))
		return
	}
	if textAt(m, "resourceId") != "" {
		return // it exists, and nothing tells its object id
	}
	put(doc, path, map[string]any{"resourceId": made.Resource.String(), "objectId": made.Principal.String(), "clientId": made.Client.String()})
	b.foreseePrincipal(made.Principal.String(), made.Client.String(), made.Name, fresh)
}

// contributor is the built-in role that AKS gives on the node resource group (facts 1.4).
const contributor = "b24988ac-6180-42a0-ab88-20f7382dd24c"

// foreseeGrant is AKS's own grant on a node resource group.
func (b *builder) foreseeGrant(nodes azure.ID, p azure.PrincipalID) {
	if p.IsZero() {
		return
	}
	_ = b.add(assignmentDoc(nodes, foreseenGUID(nodes.String(), p.String()), contributor, p.String(), "ServicePrincipal"), "", "")
}

// assignmentDoc is the document of a role assignment; role is a GUID.
func assignmentDoc(scope azure.ID, name azure.GUID, role, principal, principalType string) Doc {
	return Doc{"id": scope.Resource(typeAssignment, name.String()).String(), "type": typeAssignment, "properties": map[string]any{
		"roleDefinitionId": azure.Root.Resource(typeDefinition, role).String(), "principalId": principal, "principalType": principalType, "scope": scope.String(),
	}}
}

// Location is where something is written that is not in Azure yet.
type Location struct {
	File    string // of the plan or template, or of the configuration where that is at hand
	Line    int    // from 1; 0: not known
	Column  int    // from 1; 0: not known
	Address string // in a plan the resource's address, in a template its symbolic name or type and name
}

// Declaration is how a plan or a template writes a resource.
type Declaration struct {
	Location
	Creates bool   // it is not there yet
	Name    string // of a role assignment in a template: why its name is no good; "" where it is

	unsaid func(path string) string
}

// Unsaid tells why a member that the document of a resource lacks may be there all the same, by its lower-cased dotted path; ""
// where it is missing. A plan or a template does not say all that will be; other documents do. The path of an array with [*]
// asks whether it may have more members.
func (e *Estate) Unsaid(id azure.ID) func(path string) string {
	d, ok := e.declared[id.Key()]
	if !ok || d.unsaid == nil {
		return nil
	}
	return func(path string) string { return d.unsaid(anyIndex.ReplaceAllString(strings.ToLower(path), "[*]")) }
}

// anyIndex is the place of a member in an array.
var anyIndex = regexp.MustCompile(`\[\d+\]`)

// Declared is how a plan or template writes a resource, a role assignment included; false where none does.
func (e *Estate) Declared(id azure.ID) (Declaration, bool) {
	d, ok := e.declared[id.Key()]
	return d, ok
}

// Planned reports whether the estate is, at least in part, one that is not there yet.
func (e *Estate) Planned() bool { return len(e.declared) > 0 }

// After reports whether a plan or template makes a resource only when another one is there.
func (e *Estate) After(id, other azure.ID) bool {
	return slices.ContainsFunc(e.after, func(after func(x, y azure.ID) bool) bool { return after(id, other) })
}

// declare notes how a resource is written.
func (b *builder) declare(id azure.ID, d Declaration) { b.estate.declared[id.Key()] = d }

// planned notes the order in which a plan or template makes things.
func (b *builder) planned(after func(x, y azure.ID) bool) {
	b.estate.after = append(b.estate.after, after)
}

// unseenGrants makes unknown what roles principals hold that exist already: plans show only what they change.
// Those that it brings hold what it gives them, and no more.
func (in *filesReader) unseenGrants() {
	subs := map[string]bool{}
	for _, r := range in.estate.resources {
		subs[strings.ToLower(r.ID.Subscription())] = true
	}
	for _, g := range in.grants {
		subs[strings.ToLower(g.Scope.Subscription())] = true
	}
	for sub := range subs {
		if !in.listed[sub] {
			for p := range in.fresh {
				in.listedOnly(sub, p)
			}
			if in.estate.listedOnly[sub] == nil {
				in.estate.listedOnly[sub] = map[azure.PrincipalID]bool{}
			}
		}
	}
	in.noteUnseen()
}

// noteUnseen says of which identities of clusters the roles are not all known, and what would tell.
func (in *filesReader) noteUnseen() {
	seen := map[azure.PrincipalID]bool{}
	for _, r := range in.estate.resources {
		if !strings.EqualFold(r.ID.Type(), TypeCluster) {
			continue
		}
		for _, id := range (&Cluster{r}).identities() {
			if !id.Known() || in.fresh[id.Principal] || seen[id.Principal] || in.listed[strings.ToLower(r.ID.Subscription())] {
				continue
			}
			seen[id.Principal] = true
			in.incomplete(Incomplete{
				What: "the roles that " + id.Name + " has already", Why: "plans and states show only what Terraform or the template makes", Scope: azure.Root,
				Right: "the output of: az role assignment list --all --assignee " + id.Principal.String() + " -o json, in the same folder",
			})
		}
	}
}
