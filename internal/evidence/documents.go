package evidence

import (
	"maps"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

type object = map[string]any

// clusterMembers are the members of a cluster's document that say what it is and as whom it acts, by their dotted paths. az
// prints properties without that name; so do the bundle's files.
var clusterMembers = []string{
	"id", "name", "location", "identity.type", "identity.principalId", "identity.tenantId", "identity.userAssignedIdentities",
	"properties.nodeResourceGroup", "properties.kubernetesVersion", "properties.identityProfile", "properties.servicePrincipalProfile.clientId",
	"properties.disableLocalAccounts", "properties.enableRBAC", "properties.oidcIssuerProfile.enabled", "properties.oidcIssuerProfile.issuerURL",
	"properties.securityProfile.workloadIdentity.enabled", "properties.aadProfile.managed", "properties.aadProfile.enableAzureRBAC",
	"properties.aadProfile.adminGroupObjectIDs", "properties.aadProfile.tenantID", "properties.podIdentityProfile.enabled",
	"properties.networkProfile.networkPlugin", "properties.networkProfile.outboundType",
	"properties.ingressProfile.webAppRouting.enabled", "properties.ingressProfile.webAppRouting.identity",
}

// The members of a user-assigned identity, and of what says who may do what, in the same way.
var (
	identityMembers = []string{"id", "name", "location", "properties.clientId", "properties.principalId", "properties.tenantId"}
	grantMembers    = []string{"id", "name", "type", "properties.roleDefinitionId", "properties.principalId", "properties.principalType", "properties.scope",
		"properties.condition", "properties.conditionVersion", "properties.delegatedManagedIdentityResourceId", "properties.description",
		"properties.createdOn", "properties.createdBy", "properties.updatedOn", "properties.updatedBy"}
	roleMembers = []string{"id", "name", "type", "properties.roleName", "properties.type", "properties.roleType", "properties.description", "properties.assignableScopes",
		"properties.permissions", "properties.createdOn", "properties.createdBy", "properties.updatedOn", "properties.updatedBy"}
	denyMembers = []string{"id", "name", "type", "properties.denyAssignmentName", "properties.description", "properties.permissions", "properties.scope",
		"properties.doNotApplyToChildScopes", "properties.principals", "properties.excludePrincipals", "properties.isSystemProtected"}
	scheduleMembers = []string{"id", "name", "type", "properties.roleDefinitionId", "properties.principalId", "properties.principalType", "properties.scope", "properties.status",
		"properties.startDateTime", "properties.endDateTime", "properties.memberType", "properties.assignmentType", "properties.originRoleAssignmentId",
		"properties.condition", "properties.createdOn"}
)

// printed takes some members out of a document, in the form in which az prints it.
func printed(r estate.Resource, members []string) object {
	out := object{}
	for _, path := range members {
		v := r.At(path)
		if v == nil {
			continue
		}
		put(out, strings.Split(strings.TrimPrefix(path, "properties."), "."), v)
	}
	return out
}

func put(m object, path []string, v any) {
	for _, key := range path[:len(path)-1] {
		inner, ok := m[key].(object)
		if !ok {
			inner = object{}
			m[key] = inner
		}
		m = inner
	}
	m[path[len(path)-1]] = v
}

// identities adds what identities each cluster acts as, and the identities themselves.
func (m *maker) identities() {
	clusters, identities, trusts := []object{}, []object{}, []object{}
	seen := map[string]bool{}
	for _, c := range m.Estate.Clusters {
		doc := printed(c.Resource, clusterMembers)
		doc["resourceGroup"] = c.ID.ResourceGroup()
		if addOns := addOns(c.Resource); len(addOns) > 0 {
			doc["addonProfiles"] = addOns
		}
		clusters = append(clusters, doc)
		for _, id := range m.Estate.Identities(c) {
			if id.Resource.IsZero() || seen[id.Resource.Key()] {
				continue
			}
			seen[id.Resource.Key()] = true
			if r, known := m.Estate.Resource(id.Resource); known == estate.Known {
				doc := printed(r, identityMembers)
				doc["resourceGroup"] = r.ID.ResourceGroup()
				identities = append(identities, doc)
			}
			for _, f := range m.Estate.FederatedCredentials(id.Resource) {
				trusts = append(trusts, object{"id": f.ID, "name": f.ID.Name(), "issuer": f.Issuer, "subject": f.Subject, "audiences": filled(f.Audiences)})
			}
		}
	}
	m.add("identities/clusters.json", clusters)
	m.add("identities/identities.json", identities)
	m.add("identities/federated-credentials.json", trusts)
}

// addOns are the add-ons that are on, with their identities; their configuration may hold anything.
func addOns(r estate.Resource) object {
	out := object{}
	profiles, _ := r.At("properties.addonProfiles").(object)
	for name, v := range profiles {
		p, _ := v.(object)
		if on, _ := p["enabled"].(bool); on {
			out[name] = object{"enabled": true, "identity": p["identity"]}
		}
	}
	return out
}

// roles adds role assignments, their definitions, deny assignments, and what PIM gives.
func (m *maker) roles() {
	used := map[azure.GUID]bool{}
	assignments := []object{}
	for r := range m.Estate.Kept(estate.TypeAssignment) {
		if !m.matters.grants[r.ID.Key()] {
			continue
		}
		doc := m.named(printed(r, grantMembers))
		used[roleOf(r)] = true
		assignments = append(assignments, doc)
	}
	schedules := []object{}
	for r := range m.Estate.Kept(estate.TypeEligible, estate.TypeActive) {
		scope := r.Link("properties.scope")
		if p, _ := azure.ParseGUID(r.Text("properties.principalId")); m.matters.principals[p] || m.matters.concerns(scope) {
			used[roleOf(r)] = true
			schedules = append(schedules, m.named(printed(r, scheduleMembers)))
		}
	}
	denies := []object{}
	for r := range m.Estate.Kept(estate.TypeDeny) {
		denies = append(denies, printed(r, denyMembers))
	}
	m.add("roles/assignments.json", assignments)
	m.add("roles/definitions.json", m.definitions(used))
	m.add("roles/schedules.json", schedules)
	m.add("roles/deny-assignments.json", denies)
	m.facts.assignments, m.facts.schedules, m.facts.denies = len(assignments), len(schedules), len(denies)
}

// definitions are the roles that are used, as they were; those that the source did not say are this program's own.
func (m *maker) definitions(used map[azure.GUID]bool) []object {
	byID := map[azure.GUID]object{}
	for r := range m.Estate.Kept(estate.TypeDefinition) {
		if id, err := azure.ParseGUID(r.ID.Name()); err == nil && used[id] && byID[id] == nil {
			byID[id] = printed(r, roleMembers)
		}
	}
	for id := range used {
		if role, ok := m.Estate.Policy.Role(id); ok && byID[id] == nil {
			byID[id] = roleDocument(role)
		}
	}
	out := []object{}
	for _, id := range slices.SortedFunc(maps.Keys(byID), azure.GUID.Compare) {
		out = append(out, byID[id])
	}
	return out
}

func roleDocument(r *rbac.Role) object {
	var permissions []object
	for _, p := range r.Permissions {
		permissions = append(permissions, object{"actions": filled(p.Actions), "notActions": filled(p.NotActions), "dataActions": filled(p.DataActions), "notDataActions": filled(p.NotDataActions)})
	}
	kind := "CustomRole"
	if r.BuiltIn {
		kind = "BuiltInRole"
	}
	return object{"name": r.ID, "roleName": r.Name, "roleType": kind, "description": r.Description, "permissions": permissions, "assignableScopes": filled(r.AssignableScopes)}
}

func roleOf(r estate.Resource) azure.GUID {
	id := r.Text("properties.roleDefinitionId")
	g, _ := azure.ParseGUID(id[strings.LastIndexByte(id, '/')+1:])
	return g
}

// named adds the names that az prints with an assignment.
func (m *maker) named(doc object) object {
	principal, _ := doc["principalId"].(string)
	if p, err := azure.ParseGUID(principal); err == nil {
		if o, known := m.Estate.Object(p); known == estate.Known {
			doc["principalName"] = o.Name
		}
	}
	role, _ := doc["roleDefinitionId"].(string)
	if g, err := azure.ParseGUID(role[strings.LastIndexByte(role, '/')+1:]); err == nil {
		doc["roleDefinitionName"] = m.Estate.RoleName(g)
	}
	return doc
}

// directory adds who stands behind the ids, and who is in the groups and owns them.
func (m *maker) directory() {
	type principal struct {
		ID      azure.PrincipalID `json:"id"`
		Type    string            `json:"type,omitempty"`
		Name    string            `json:"displayName,omitempty"`
		App     azure.GUID        `json:"appId,omitzero"`
		Managed azure.ID          `json:"managedIdentityOf,omitzero"`
		Found   bool              `json:"found"` // in the directory
		Asked   bool              `json:"asked"` // the directory was asked
		ActsFor []string          `json:"actsFor,omitempty"`
	}
	type group struct {
		ID      azure.PrincipalID   `json:"id"`
		Name    string              `json:"displayName,omitempty"`
		Type    string              `json:"type"`
		Members []azure.PrincipalID `json:"members"`
		Owners  []azure.PrincipalID `json:"owners"`
		Whole   bool                `json:"complete"` // all of them were read
	}
	principals, groups := []principal{}, []group{}
	for _, id := range slices.SortedFunc(maps.Keys(m.matters.principals), azure.GUID.Compare) {
		o, known := m.Estate.Object(id)
		principals = append(principals, principal{id, o.Type, o.Name, o.App, o.Managed, known == estate.Known, known != estate.Unread, m.matters.acts[id]})
		members, _ := m.Estate.Members(id)
		owners, whole := m.Estate.Owners(id)
		if strings.EqualFold(o.Type, "Group") || len(members)+len(owners) > 0 {
			groups = append(groups, group{id, o.Name, o.Type, filled(members), filled(owners), whole})
		}
	}
	m.add("directory/principals.json", principals)
	m.add("directory/groups.json", groups)
}

// change is an entry of the activity log about a role or an identity. What was sent and who the token was for in full is left out.
type change struct {
	ID          string            `json:"id"`
	Time        time.Time         `json:"time"`
	Caller      string            `json:"caller"`
	Principal   azure.PrincipalID `json:"principalId,omitzero"`
	App         azure.GUID        `json:"appId,omitzero"`
	Operation   azure.Action      `json:"operation"`
	Status      string            `json:"status"`
	SubStatus   string            `json:"subStatus,omitempty"`
	Scope       azure.ID          `json:"scope"`
	Correlation string            `json:"correlationId,omitempty"`
	Given       *given            `json:"role,omitempty"`
}

type given struct {
	Role      string            `json:"roleDefinitionName"`
	RoleID    azure.GUID        `json:"roleDefinitionId"`
	Principal azure.PrincipalID `json:"principalId"`
	Name      string            `json:"principalName,omitempty"`
	Scope     azure.ID          `json:"scope"`
}

// changing are the beginnings of the operations that change who may do what, and as whom clusters act.
var changing = []string{
	"Microsoft.Authorization/role", "Microsoft.Authorization/denyAssignments", "Microsoft.Authorization/locks", "Microsoft.Authorization/elevateAccess",
	"Microsoft.ManagedIdentity/", "Microsoft.ContainerService/managedClusters/write", "Microsoft.ContainerService/managedClusters/delete",
	"Microsoft.ContainerService/managedClusters/list", "Microsoft.ContainerService/managedClusters/reset", "Microsoft.ContainerService/managedClusters/rotate",
	"Microsoft.ContainerService/managedClusters/runCommand",
}

// Providers are the namespaces whose log a bundle needs.
var Providers = []string{"Microsoft.Authorization", "Microsoft.ManagedIdentity", "Microsoft.ContainerService"}

func (m *maker) activity() {
	changes := []change{}
	for _, v := range m.Estate.Events() {
		if v.Time.Before(m.From) || !m.To.IsZero() && v.Time.After(m.To) || !slices.ContainsFunc(changing, v.Operation.HasPrefix) {
			continue
		}
		c := change{ID: v.ID, Time: v.Time, Caller: m.caller(v), Principal: v.Principal, App: v.App, Operation: v.Operation, Status: v.Status, SubStatus: v.SubStatus,
			Scope: v.Scope, Correlation: v.CorrelationID}
		if g := v.Grant; g != nil {
			c.Given = &given{m.Estate.RoleName(g.Role), g.Role, g.Principal, m.who(g.Principal), g.Scope}
		}
		changes = append(changes, c)
	}
	m.add("activity/changes.json", changes)
	m.facts.changes = changes
}

// who is how a person calls a principal.
func (m *maker) who(p azure.PrincipalID) string {
	if o, known := m.Estate.Object(p); (known != estate.Known || o.Name == "") && len(m.matters.acts[p]) > 0 {
		return "the " + m.matters.acts[p][0]
	}
	return m.Estate.PrincipalName(p)
}

// caller is who the log says it was.
func (m *maker) caller(v *estate.Event) string {
	if strings.Contains(v.Caller, "@") {
		return m.names.person(v.Principal, v.Caller)
	}
	if o, known := m.Estate.Object(v.Principal); known == estate.Known && o.Name != "" {
		return o.Name
	}
	return v.Caller
}

func filled[T any](list []T) []T { return append([]T{}, list...) }
