// Package estate is what is known of clusters and their surroundings at one time: resources, role assignments,
// directory objects, and what could not be read. All sources (Azure, the local Azure, files) yield the same shape.
package estate

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"aksid/internal/azure"
	"aksid/internal/policy"
	"aksid/internal/rbac"
)

// Source is somewhere an Estate can be read from.
type Source interface {
	// Load reads everything. What cannot be read is noted in Estate.Incomplete and is Unread in its Policy;
	// an error means that nothing useful could be read.
	Load(context.Context) (*Estate, error)
}

// Estate is what is known. It does not change once loaded.
type Estate struct {
	From         string        // azure, local, or the path it was read from
	Clusters     []*Cluster    // those that were asked for, by id
	Registries   []azure.ID    // those that the user says the clusters pull from
	Brought      []azure.ID    // registries that a plan or template makes beside clusters, which may be for them
	Policy       *rbac.Policy  // role assignments, role definitions, deny assignments, groups
	Orphans      []*rbac.Grant // role assignments whose principal the directory does not have, by scope
	Incomplete   []Incomplete  // what could not be read
	At           time.Time     // when it was read, by the clock of Azure; zero: not known
	By           Caller        // who read it to keep it; zero: not known
	Unlogged     []Incomplete  // activity logs above subscriptions that could not be read, where logs were asked for
	Rights       []Right       // which that one had; nil: nobody asked
	resources    map[string]Resource
	byType       map[string][]Resource               // resources by their lower-cased type, in the order of their ids
	absent       map[string]bool                     // resources that were asked for and are not there
	objects      map[azure.PrincipalID]Object        // of the directory
	asked        map[azure.PrincipalID]bool          // ids that the directory answered for, with an object or with none
	byApp        map[azure.GUID]Object               // service principals by client id
	held         map[azure.PrincipalID][]*rbac.Grant // by the principal that an assignment names
	actors       map[azure.PrincipalID][]*Cluster    // clusters by the identities that they act as
	nodeGroups   map[string]bool                     // node resource groups of the clusters, by their key
	kube         map[string]*Kube                    // Kubernetes objects by the key of their cluster
	creator      Identity                            // who writes the clusters, if the user says so
	writers      map[string]Identity                 // pipelines that write clusters, by the key of the cluster
	kept         *collection                         // what Save writes
	counts       map[string]int                      // role assignments by lower-cased subscription
	below        map[string][]azure.ID               // resources by the key of a scope that was listed
	keys         []string                            // of resources, sorted
	applications map[azure.GUID]Object               // application objects by client id
	names        map[string]string                   // display names of subscriptions by lower-cased id
	declared     map[string]Declaration              // how a plan or template writes a resource, by its key
	after        []func(x, y azure.ID) bool          // the orders in which plans and templates make things
	marks        map[string]string                   // descriptions of assignments that were given in an emergency, by their key
	policies     policy.Book
	credentials  map[string][]FederatedCredential // by the key of their identity
	trusting     map[string][]azure.ID            // identities by the issuers that their credentials trust
	clients      map[azure.GUID]azure.ID          // user-assigned identities by client id
	secretive    []Object                         // service principals that have an application, by lower-cased name
	expressions  Expressions
	fresh        map[azure.PrincipalID]bool // principals that a plan or template brings
	federated    map[string]bool            // identities whose federated credentials are known, by their key
	schedules    []*Schedule                // of Privileged Identity Management, by scope
	eligible     map[string]bool            // lower-cased subscriptions whose eligible roles are known

	events []*Event             // of the activity logs
	logged map[string]time.Time // logs that are known, as LogOf names them, and since when

	members map[azure.PrincipalID][]azure.PrincipalID // by their group
	owners  map[azure.PrincipalID][]azure.PrincipalID // by the group or service principal
	people  map[azure.PrincipalID]bool                // groups and service principals of which these are known

	listedOnly map[string]map[azure.PrincipalID]bool     // lower-cased subscriptions of which only these principals' assignments are known
	unsure     map[azure.PrincipalID][]azure.PrincipalID // groups with roles that a principal may be in or not; the zero principal: everyone
}

// Decide says whether a principal may do something, as far as that is known: what may hang on something that
// could not be read is Unknown.
func (e *Estate) Decide(r rbac.Request) rbac.Decision {
	d := e.Policy.Decide(r)
	if unsure := slices.Concat(e.unsure[azure.PrincipalID{}], e.unsure[r.Principal]); len(unsure) > 0 && r.Groups == nil {
		r.Groups = append(e.Policy.GroupsOf(r.Principal), unsure...)
		if maybe := e.Policy.Decide(r); maybe.Outcome != d.Outcome {
			return rbac.Decision{Outcome: rbac.Unknown, By: maybe.By, Deny: maybe.Deny}
		}
	}
	if only := e.listedOnly[strings.ToLower(r.Scope.Subscription())]; d.Outcome == rbac.NotGranted && only != nil && !only[r.Principal] {
		return rbac.Decision{Outcome: rbac.Unknown}
	}
	return d
}

// Incomplete is something that could not be read.
type Incomplete struct {
	What  string   `json:"what"`            // as in "role assignments of subscription Hub"
	Why   string   `json:"why"`             // what Azure answered
	Right string   `json:"right,omitempty"` // what would allow it
	Scope azure.ID `json:"scope,omitzero"`  // where
	// Clusters says that whole clusters may be missing from the answer.
	Clusters bool `json:"-"`
}

// Knowledge says how far something is known.
type Knowledge uint8

// What is Unread may or may not exist; what is Absent was asked for and does not.
const (
	Unread Knowledge = iota
	Absent
	Known
)

// Object is an object of the directory.
type Object struct {
	ID   azure.PrincipalID
	App  azure.GUID // client id, of service principals
	Type string     // ServicePrincipal, User or Group
	Name string
	// Managed is the resource that carries a managed identity: the identity itself, or what it is the system-assigned one of.
	Managed azure.ID
	Ends    time.Time // when the last of its secrets and certificates expires; zero: it has none, or they were not read
}

// Resource finds a resource. A subnet that was not read itself is found in its virtual network's document.
func (e *Estate) Resource(id azure.ID) (Resource, Knowledge) {
	if r, ok := e.resources[id.Key()]; ok {
		return r, Known
	}
	if e.absent[id.Key()] {
		return Resource{}, Absent
	}
	return Resource{}, Unread
}

// Resources are the resources of a type, without case, in the order of their ids.
func (e *Estate) Resources(typ string) []Resource { return e.byType[strings.ToLower(typ)] }

// Object finds a directory object by its object id.
func (e *Estate) Object(id azure.PrincipalID) (Object, Knowledge) {
	if o, ok := e.objects[id]; ok {
		return o, Known
	}
	if e.asked[id] {
		return Object{}, Absent
	}
	return Object{}, Unread
}

// ActingAs are the clusters that act as a principal.
func (e *Estate) ActingAs(p azure.PrincipalID) []*Cluster { return e.actors[p] }

// IsNodeGroup reports whether an id is the node resource group of one of the clusters.
func (e *Estate) IsNodeGroup(id azure.ID) bool { return e.nodeGroups[id.Key()] }

// Assignments counts the role assignments in a subscription, without those made above it.
func (e *Estate) Assignments(subscription string) int { return e.counts[strings.ToLower(subscription)] }

// Held are the assignments that name a principal, everywhere that was read, by scope. Those of its groups are not among them.
func (e *Estate) Held(p azure.PrincipalID) []*rbac.Grant { return e.held[p] }

// RoleName is the display name of a role, or its GUID where it is not known or no line of text.
func (e *Estate) RoleName(id azure.GUID) string {
	if r, ok := e.Policy.Role(id); ok && r.Name != "" && !strings.ContainsFunc(r.Name, unicode.IsControl) {
		return r.Name
	}
	return id.String()
}

// SubscriptionName is the display name of a subscription, or its id where it is not known.
func (e *Estate) SubscriptionName(id string) string {
	if n, ok := e.names[strings.ToLower(id)]; ok && n != "" {
		return n
	}
	return id
}
