// Package inventory lists what there is: clusters, the identities that they act as, whose they are and since when, and how
// the roles of these have changed.
package inventory

import (
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
	"aksid/internal/whocan"
)

// Cluster is a cluster in the list.
type Cluster struct {
	ID         azure.ID   `json:"id"`
	Name       string     `json:"name"`
	Owner      string     `json:"owner"`            // by its tags; empty: none says
	Created    *time.Time `json:"created"`          // null: not known
	Identities []Identity `json:"identities"`       // control plane first
	Writers    []Writer   `json:"writers"`          // who may change it as things are
	Unsure     string     `json:"unsure,omitempty"` // why there may be more of them
}

// Identity is an identity that a cluster acts as.
type Identity struct {
	Role        estate.IdentityRole `json:"role"`
	AddOn       string              `json:"addon,omitempty"`
	Label       string              `json:"label"` // what a person calls it
	Kind        string              `json:"kind"`  // SystemAssigned, UserAssigned or ServicePrincipal
	Name        string              `json:"name"`
	PrincipalID azure.PrincipalID   `json:"principalId,omitzero"` // not there: not known
	ResourceID  azure.ID            `json:"resourceId,omitzero"`  // of user-assigned ones
	Owner       string              `json:"owner"`                // of user-assigned ones, by their tags
	Since       *time.Time          `json:"since"`                // when it was made, or its first role given; null: not known
	Roles       int                 `json:"roles"`                // assignments, those of its groups among them
	Clusters    int                 `json:"clusters"`             // that act as it
}

// Writer is somebody who may change a cluster.
type Writer struct {
	PrincipalID azure.PrincipalID `json:"principalId"`
	Type        string            `json:"type"` // User, Group or ServicePrincipal
	Name        string            `json:"name"`
}

// clusterWrite is the right to change a cluster, its identity included.
const clusterWrite = estate.TypeCluster + "/write"

// List are the clusters of an estate, in the order of their ids. It is about the time now: roles that end count until then.
func List(e *estate.Estate, now time.Time) []Cluster {
	out := []Cluster{}
	ask := whocan.NewAsker(e, azure.Root, now, 0)
	for _, c := range e.Clusters {
		x := Cluster{ID: c.ID, Name: c.ID.Name(), Owner: c.Owner(), Created: created(c.Resource), Identities: []Identity{}, Writers: []Writer{}}
		for _, id := range e.Identities(c) {
			x.Identities = append(x.Identities, identity(e, id))
		}
		for _, p := range ask.Ask(whocan.Question{Action: clusterWrite, Scope: c.ID}) {
			x.Writers = append(x.Writers, Writer{p.Principal, p.Type, p.Name})
		}
		d := e.Decide(rbac.Request{Principal: nobody, Action: clusterWrite, Scope: c.ID})
		if d.Outcome == rbac.Unknown {
			x.Unsure = "the role assignments there could not all be read"
		}
		out = append(out, x)
	}
	return out
}

// nobody is an object id that nobody has: what is unknown of it is unknown of everyone.
var nobody = azure.NamedGUID("aksid", "nobody")

func identity(e *estate.Estate, id estate.Identity) Identity {
	x := Identity{Role: id.Role, AddOn: id.AddOn, Label: id.Label(), Kind: id.Kind, Name: id.Name, PrincipalID: id.Principal, ResourceID: id.Resource}
	if !id.Known() {
		return x
	}
	x.Clusters = len(e.ActingAs(id.Principal))
	doc, _ := e.Resource(id.Resource)
	x.Owner, x.Since = doc.Owner(), created(doc)
	for g := range e.Policy.GrantsOf(id.Principal, time.Time{}) {
		x.Roles++
		own := g.Principal == id.Principal && !g.CreatedOn.IsZero()
		if at := g.CreatedOn.UTC(); own && created(doc) == nil && (x.Since == nil || at.Before(*x.Since)) {
			x.Since = &at
		}
	}
	return x
}

// created is when Resource Manager made a resource, nil where its document does not say.
func created(r estate.Resource) *time.Time {
	t, err := time.Parse(time.RFC3339Nano, r.Text("systemData.createdAt"))
	if err != nil {
		return nil
	}
	t = t.UTC()
	return &t
}

// Change is a role that an identity of a cluster was given, or that was taken from it.
type Change struct {
	Time      time.Time         `json:"time"`
	Cluster   azure.ID          `json:"cluster"`
	Identity  string            `json:"identity"` // what a person calls it
	Principal azure.PrincipalID `json:"principalId"`
	Via       string            `json:"via,omitempty"` // the group that has the role
	Given     bool              `json:"given"`         // otherwise it was taken away
	Role      string            `json:"role"`
	Scope     azure.ID          `json:"scope"`
	By        string            `json:"by"` // as the log prints the caller, or its name; empty: not known
	ByID      azure.PrincipalID `json:"byId,omitzero"`
	Source    string            `json:"source"` // activity-log, or role-assignment: the assignment that is there says so itself
	Place     string            `json:"-"`      // what a person calls the scope
}

// Sources of changes. An assignment tells when it was made, also where there is no log; what was taken away only a log tells.
const (
	FromLog        = "activity-log"
	FromAssignment = "role-assignment"
)

// Changes are the changes of roles since a time, the oldest first.
func Changes(e *estate.Estate, since time.Time) []Change {
	out := []Change{}
	for _, c := range e.Clusters {
		for _, id := range e.Identities(c) {
			if !id.Known() {
				continue
			}
			out = append(out, changesOf(e, c, id, since)...)
		}
	}
	slices.SortStableFunc(out, func(x, y Change) int { return x.Time.Compare(y.Time) })
	return out
}

func changesOf(e *estate.Estate, c *estate.Cluster, id estate.Identity, since time.Time) (out []Change) {
	holders := append([]azure.PrincipalID{id.Principal}, e.Policy.GroupsOf(id.Principal)...)
	logged := map[string]bool{} // assignments that the log says were given
	add := func(g *rbac.Grant, x Change) {
		x.Cluster, x.Identity, x.Principal = c.ID, id.Label(), id.Principal
		x.Role, x.Scope, x.Place = e.RoleName(g.Role), g.Scope, e.Place(g.Scope, c.ID)
		if g.Principal != id.Principal {
			x.Via = e.PrincipalName(g.Principal)
		}
		out = append(out, x)
	}
	for _, v := range e.Events() {
		given := v.Operation.Is("Microsoft.Authorization/roleAssignments/write")
		taken := v.Operation.Is("Microsoft.Authorization/roleAssignments/delete")
		if !given && !taken || !v.Succeeded() || v.Grant == nil || v.Time.Before(since) || !slices.Contains(holders, v.Grant.Principal) {
			continue
		}
		logged[v.Scope.Key()] = logged[v.Scope.Key()] || given
		add(v.Grant, Change{Time: v.Time, Given: given, By: caller(e, v.Principal, v.Caller), ByID: v.Principal, Source: FromLog})
	}
	for _, holder := range holders {
		for _, g := range e.Held(holder) {
			if !g.CreatedOn.IsZero() && !g.CreatedOn.Before(since) && !logged[g.ID.Key()] {
				add(g, Change{Time: g.CreatedOn.UTC(), Given: true, By: caller(e, g.CreatedBy, ""), ByID: g.CreatedBy, Source: FromAssignment})
			}
		}
	}
	return out
}

// caller is what a person calls who did something: a name that the log or the directory has.
func caller(e *estate.Estate, id azure.PrincipalID, printed string) string {
	if _, err := azure.ParseGUID(printed); printed != "" && err != nil {
		return printed
	}
	if !id.IsZero() {
		return e.PrincipalName(id)
	}
	return printed
}

// slack is how much later a log may begin than was asked for: clocks of the caller and of Azure differ, and Azure's own tells
// seconds only.
const slack = time.Minute

// Unlogged are the subscriptions whose activity log is not known since a time: those of the clusters, of what these refer to
// and of what their identities have roles on.
func Unlogged(e *estate.Estate, since time.Time) (subscriptions []string) {
	note := func(id azure.ID) {
		sub := strings.ToLower(id.Subscription())
		from, ok := e.LoggedSince(sub)
		if sub != "" && (!ok || from.After(since.Add(slack))) && !slices.Contains(subscriptions, sub) {
			subscriptions = append(subscriptions, sub)
		}
	}
	for _, c := range e.Clusters {
		note(c.ID)
		for _, id := range c.References() {
			note(id)
		}
		for _, id := range e.Identities(c) {
			for g := range e.Policy.GrantsOf(id.Principal, time.Time{}) {
				note(g.Scope)
			}
		}
	}
	for _, id := range e.Registries {
		note(id)
	}
	slices.Sort(subscriptions)
	return subscriptions
}
