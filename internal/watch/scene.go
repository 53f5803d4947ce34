package watch

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/finding"
	"aksid/internal/rbac"
)

// scene is what of an estate is kept: what events are about, and what the next scene is compared with. What is gone can
// be told of only because an earlier scene had it.
type scene struct {
	At       time.Time                     `json:"at"`
	Clusters map[string]*clusterScene      `json:"clusters"`       // by the key of their id
	Actors   map[azure.PrincipalID][]actor `json:"actors"`         // by identity, and by the groups that they are in
	Places   map[string]place              `json:"places"`         // resources that clusters depend on, by the key of their id
	Grants   map[string]grant              `json:"grants"`         // role assignments of actors and on places, by the key of their id
	Gone     map[string]gone               `json:"gone,omitempty"` // role assignments that were there
	Secrets  map[string]secret             `json:"secrets"`        // by the key of their cluster
	Names    map[azure.PrincipalID]string  `json:"names"`          // of principals
	Unread   []string                      `json:"unread,omitempty"`
	Partial  bool                          `json:"-"` // less could be read than before: it is not what the next one is compared with
}

// clusterScene is a cluster.
type clusterScene struct {
	ID         azure.ID             `json:"id"`
	Identities []identity           `json:"identities"`
	Findings   map[string]foundItem `json:"findings"` // by what they are about
}

// identity is an identity that a cluster acts as.
type identity struct {
	Label     string            `json:"label"` // what it is to the cluster, as "control plane"
	Kind      string            `json:"kind"`
	Name      string            `json:"name"`
	Principal azure.PrincipalID `json:"principalId"`
	Resource  azure.ID          `json:"resourceId,omitzero"`
}

func (i identity) String() string { return i.Label + " " + i.Name }

// kindWords are what people call the kinds of identities.
var kindWords = map[string]string{estate.SystemAssigned: "system-assigned", estate.UserAssigned: "user-assigned", estate.ServicePrincipalSecret: "service principal"}

// who tells an identity from others of its name.
func (i identity) who() string {
	return fmt.Sprintf("%s %s (principal %s)", cmp.Or(kindWords[i.Kind], i.Kind), i.Name, i.Principal)
}

// foundItem is a finding that is a warning or worse.
type foundItem struct {
	Rule     string           `json:"rule"`
	Severity finding.Severity `json:"severity"`
	Title    string           `json:"title"`
	Detail   string           `json:"detail"`
}

// actor is what a principal is to a cluster.
type actor struct {
	Cluster  azure.ID `json:"cluster"`
	Label    string   `json:"label"`
	Name     string   `json:"name"`
	Resource azure.ID `json:"resourceId,omitzero"` // of a user-assigned identity
	Group    string   `json:"group,omitempty"`     // the principal is this group, and the identity is in it
}

func (a actor) String() string {
	if a.Group != "" {
		return "group " + a.Group + ", which " + a.Label + " " + a.Name + " is in,"
	}
	return a.Label + " " + a.Name
}

// place is a resource that clusters depend on.
type place struct {
	ID       azure.ID   `json:"id"`
	Clusters []azure.ID `json:"clusters"`
}

// grant is a role assignment.
type grant struct {
	ID        azure.ID          `json:"id"`
	Principal azure.PrincipalID `json:"principalId"`
	RoleID    azure.GUID        `json:"roleDefinitionId"`
	Role      string            `json:"role"`
	Scope     azure.ID          `json:"scope"`
	Request   string            `json:"request,omitempty"` // that it was given for in an emergency
}

// gone is a role assignment that is there no more: the log may tell only later who took it.
type gone struct {
	grant
	Since time.Time `json:"since"`
}

// rememberGone is how long they are kept: longer than an entry of a log takes.
const rememberGone = 24 * time.Hour

// secret is until when a cluster's service principal can prove itself.
type secret struct {
	Cluster azure.ID  `json:"cluster"`
	Owner   string    `json:"owner"` // the service principal's name
	Until   time.Time `json:"until"`
}

// look takes the scene of an estate. options are how clusters are checked.
func look(e *estate.Estate, options finding.Options) *scene {
	s := &scene{
		At: options.Now.UTC(), Clusters: map[string]*clusterScene{}, Actors: map[azure.PrincipalID][]actor{}, Places: map[string]place{},
		Grants: map[string]grant{}, Gone: map[string]gone{}, Secrets: map[string]secret{}, Names: map[azure.PrincipalID]string{},
	}
	for _, c := range e.Clusters {
		s.addCluster(e, c, options)
	}
	for _, r := range e.Registries {
		for _, c := range e.Clusters {
			s.addPlace(r, c.ID)
		}
	}
	for g := range e.Policy.Grants() {
		if s.Actors[g.Principal] != nil || s.near(g.Scope) != nil {
			s.Grants[g.ID.Key()] = grantOf(e, g)
			s.Names[g.Principal] = e.PrincipalName(g.Principal)
		}
	}
	for _, m := range e.Marked() {
		g := grantOf(e, m.Grant)
		g.Request = m.Mark.Request
		s.Grants[g.ID.Key()] = g
	}
	for _, u := range e.Incomplete {
		s.Unread = append(s.Unread, u.What)
	}
	slices.Sort(s.Unread)
	return s
}

func grantOf(e *estate.Estate, g *rbac.Grant) grant {
	return grant{ID: g.ID, Principal: g.Principal, RoleID: g.Role, Role: roleName(e, g.Role), Scope: g.Scope}
}

// roleName is the display name of a role, also of a built-in one that was not read.
func roleName(e *estate.Estate, id azure.GUID) string {
	if _, read := e.Policy.Role(id); !read {
		if r, ok := rbac.BuiltInRole(id.String()); ok {
			return r.Name
		}
	}
	return e.RoleName(id)
}

func (s *scene) addCluster(e *estate.Estate, c *estate.Cluster, options finding.Options) {
	out := &clusterScene{ID: c.ID, Findings: map[string]foundItem{}}
	for _, id := range e.Identities(c) {
		out.Identities = append(out.Identities, identity{id.Label(), id.Kind, id.Name, id.Principal, id.Resource})
		s.addActors(e, c, id)
		s.addSecrets(e, c, id)
	}
	for _, id := range slices.Concat([]azure.ID{c.ID, c.NodeGroup()}, c.References()) {
		s.addPlace(id, c.ID)
	}
	for _, f := range options.Check(e, c).Findings {
		if f.Severity.AtLeast(finding.Warning) {
			key := digest(f.Rule.ID, f.Principal.String(), f.Scope.Key(), f.Title)
			out.Findings[key] = foundItem{f.Rule.ID, f.Severity, f.Title, f.Detail}
		}
	}
	s.Clusters[c.ID.Key()] = out
}

// addActors notes an identity and the groups it is in.
func (s *scene) addActors(e *estate.Estate, c *estate.Cluster, id estate.Identity) {
	if !id.Known() {
		return
	}
	a := actor{Cluster: c.ID, Label: id.Label(), Name: id.Name, Resource: id.Resource}
	s.Actors[id.Principal] = append(s.Actors[id.Principal], a)
	s.Names[id.Principal] = id.Name
	for _, group := range e.Policy.GroupsOf(id.Principal) {
		a.Group = e.PrincipalName(group)
		s.Actors[group] = append(s.Actors[group], a)
	}
}

// addSecrets notes until when a cluster's service principal can prove itself.
func (s *scene) addSecrets(e *estate.Estate, c *estate.Cluster, id estate.Identity) {
	if until, known := e.SecretsEnd(id.Client); known && id.Role == estate.ServicePrincipal {
		s.Secrets[c.ID.Key()] = secret{c.ID, id.Name, until.UTC()}
	}
}

func (s *scene) addPlace(id, cluster azure.ID) {
	if id.IsZero() {
		return
	}
	p := s.Places[id.Key()]
	p.ID = id
	if !slices.ContainsFunc(p.Clusters, cluster.Equal) {
		p.Clusters = append(p.Clusters, cluster)
	}
	s.Places[id.Key()] = p
}

// near are the clusters that depend on a scope: it is a place, or in one.
func (s *scene) near(scope azure.ID) []azure.ID {
	for id := scope; !id.IsZero() && id.Subscription() != ""; id = id.Parent() {
		if p, ok := s.Places[id.Key()]; ok {
			return p.Clusters
		}
		if id.Parent().Equal(id) {
			break
		}
	}
	return nil
}

// above are the clusters that depend on something inside of a scope.
func (s *scene) above(scope azure.ID) []azure.ID {
	var out []azure.ID
	for _, key := range slices.Sorted(maps.Keys(s.Places)) {
		if p := s.Places[key]; scope.Contains(p.ID) {
			for _, c := range p.Clusters {
				if !slices.ContainsFunc(out, c.Equal) {
					out = append(out, c)
				}
			}
		}
	}
	return out
}

// subscriptions are those whose logs tell of what clusters depend on, in lower case.
func (s *scene) subscriptions() []string {
	return slices.DeleteFunc(s.logs(), upper)
}

// logs are the activity logs that are read: of the subscriptions, of the management groups on which somebody has a role that
// counts in them, and of the tenant if somebody has one there.
func (s *scene) logs() []string {
	set := map[string]bool{}
	for _, p := range s.Places {
		set[estate.LogOf(p.ID)] = true
	}
	for _, g := range s.Grants {
		set[estate.LogOf(g.Scope)] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// clusterOf are the clusters of actors, each once.
func clustersOf(actors []actor) []azure.ID {
	var out []azure.ID
	for _, a := range actors {
		if !slices.ContainsFunc(out, a.Cluster.Equal) {
			out = append(out, a.Cluster)
		}
	}
	return out
}

// missing is what could be read before and cannot be now.
func (s *scene) missing(before *scene) []string {
	if before == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.Unread), func(what string) bool { return slices.Contains(before.Unread, what) })
}

// remember keeps the role assignments that the scene before had.
func (s *scene) remember(before *scene) {
	if before == nil {
		return
	}
	for key, g := range before.Gone {
		if s.At.Sub(g.Since) < rememberGone {
			s.Gone[key] = g
		}
	}
	for key, g := range before.Grants {
		if _, still := s.Grants[key]; !still {
			s.Gone[key] = gone{g, s.At}
		}
	}
}
