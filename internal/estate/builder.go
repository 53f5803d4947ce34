package estate

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"aksid/internal/azure"
	"aksid/internal/policy"
	"aksid/internal/rbac"
)

// builder collects documents from any source, from several goroutines, and makes an Estate of them.
type builder struct {
	mu        sync.Mutex
	estate    *Estate
	clusters  map[string]bool // keys of the clusters asked for; nil: all that were read
	grants    map[string]rbac.Grant
	roles     map[azure.GUID]rbac.Role
	denies    map[string]rbac.Deny
	members   map[[2]azure.PrincipalID]bool // group, member
	above     map[string]map[string]bool    // management group → lower-cased subscriptions that inherit from it
	unread    map[string]rbac.Unread
	kept      *collection                // what Save writes; nil: nothing is kept
	schedules map[string]Schedule        // of Privileged Identity Management
	events    map[string]*Event          // of activity logs, by their id
	badEvents int                        // entries that are none
	fresh     map[azure.PrincipalID]bool // principals that a plan or template brings: they hold what it gives them
	wrote     []*Event                   // writes of clusters, where nothing else is asked of the activity log
}

func newBuilder(from string) *builder {
	return &builder{
		estate: &Estate{
			From: from, resources: map[string]Resource{}, absent: map[string]bool{}, objects: map[azure.PrincipalID]Object{},
			asked: map[azure.PrincipalID]bool{}, byApp: map[azure.GUID]Object{}, names: map[string]string{},
			listedOnly: map[string]map[azure.PrincipalID]bool{}, unsure: map[azure.PrincipalID][]azure.PrincipalID{},
			below: map[string][]azure.ID{}, applications: map[azure.GUID]Object{},
			logged: map[string]time.Time{}, federated: map[string]bool{}, policies: policy.Book{Definitions: map[string]*policy.Definition{}, Sets: map[string]*policy.Set{}}, declared: map[string]Declaration{}, eligible: map[string]bool{}, marks: map[string]string{},
			owners: map[azure.PrincipalID][]azure.PrincipalID{}, people: map[azure.PrincipalID]bool{},
		},
		fresh: map[azure.PrincipalID]bool{}, events: map[string]*Event{},
		grants: map[string]rbac.Grant{}, roles: map[azure.GUID]rbac.Role{}, denies: map[string]rbac.Deny{},
		members: map[[2]azure.PrincipalID]bool{}, above: map[string]map[string]bool{},
		unread: map[string]rbac.Unread{}, schedules: map[string]Schedule{},
	}
}

// add takes an ARM document. version is the api-version it was read with, or "".
// subscription is the one it was listed in, or "": that tells who inherits from a management group.
func (b *builder) add(doc map[string]any, version, subscription string) error {
	id, err := azure.ParseID(textAt(doc, "id"))
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keepDocument(doc, version, subscription)
	r := Resource{ID: id, Version: version, Doc: doc}
	switch typ := id.Type(); {
	case strings.EqualFold(typ, typeAssignment):
		return b.addGrant(r, subscription)
	case strings.EqualFold(typ, typeDefinition):
		role, ok := roleOf(r)
		b.roles[role.ID] = role
		return wellFormed(r, ok)
	case strings.EqualFold(typ, typeDeny):
		return b.addDeny(r, subscription)
	case isPolicy(typ):
		b.addPolicy(r)
		return nil
	case isSchedule(typ):
		return b.addSchedule(r, subscription)
	case typ == azure.TypeSubscription:
		b.estate.names[strings.ToLower(id.Subscription())] = r.Text("displayName")
	}
	b.estate.resources[id.Key()] = r
	for _, s := range r.List("properties.subnets") {
		b.addChild(s, version)
	}
	return nil
}

// addChild takes a child that is printed inside its parent, unless it was read itself.
func (b *builder) addChild(doc any, version string) {
	m, _ := doc.(map[string]any)
	id := linkAt(m, "id")
	if _, read := b.estate.resources[id.Key()]; !read && !id.IsZero() {
		b.estate.resources[id.Key()] = Resource{ID: id, Version: version, Doc: m}
	}
}

func (b *builder) addGrant(r Resource, subscription string) error {
	g, ok := grantOf(r)
	if !ok {
		b.unread[scopeOf(r).Key()] = rbac.Unread{Scope: scopeOf(r), Why: "a role assignment there is malformed"}
		return wellFormed(r, ok)
	}
	if subscription == "" {
		subscription = r.Link("properties.roleDefinitionId").Subscription()
	}
	b.inherit(g.Scope, subscription)
	b.grants[g.ID.Key()] = g
	b.noteMark(g.ID, r.Text("properties.description"))
	return nil
}

// putGrant takes a role assignment that was listed in a subscription, or in one that is not known.
func (b *builder) putGrant(g rbac.Grant, subscription, description string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inherit(g.Scope, subscription)
	b.grants[g.ID.Key()] = g
	b.noteMark(g.ID, description)
}

func (b *builder) addDeny(r Resource, subscription string) error {
	d, ok := denyOf(r)
	if ok {
		b.inherit(d.Scope, subscription)
		b.denies[d.ID.Key()] = d
	}
	return nil
}

// errMalformed marks a document that lacks what its type must have.
var errMalformed = errors.New("malformed")

func wellFormed(r Resource, ok bool) error {
	if !ok {
		return fmt.Errorf("%s is %w", r.ID, errMalformed)
	}
	return nil
}

// inherit notes that a subscription inherits from a management group: its listing showed an assignment made there.
func (b *builder) inherit(scope azure.ID, subscription string) {
	if subscription == "" || scope.Subscription() != "" || !strings.EqualFold(scope.Type(), azure.TypeManagementGroup) {
		return
	}
	if b.above[scope.String()] == nil {
		b.above[scope.String()] = map[string]bool{}
	}
	b.above[scope.String()][strings.ToLower(subscription)] = true
}

// addObject takes an object of Microsoft Graph. typ is its type where the object itself does not say.
func (b *builder) addObject(doc map[string]any, typ string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := Object{ID: guidAt(doc, "id"), App: guidAt(doc, "appId"), Name: textAt(doc, "displayName"), Type: objectType(doc, typ), Managed: managedBy(doc), Ends: credentialsEnd(doc)}
	b.keepObject(doc, typ)
	if o.Type == typeApplication { // which is no principal
		b.estate.applications[o.App] = o
		return
	}
	b.putObject(o)
	for _, m := range listAt(doc, "members") { // of groups, as $expand=members prints them
		b.members[[2]azure.PrincipalID{o.ID, guidAt(m, "id")}] = true
		b.estate.people[o.ID] = true
	}
}

// managedBy is the resource of a managed identity's service principal: one of its alternativeNames is the resource's id.
func managedBy(doc map[string]any) azure.ID {
	for _, name := range textsAt(doc, "alternativeNames") {
		if id, err := azure.ParseID(name); err == nil && id.Subscription() != "" {
			return id
		}
	}
	return azure.ID{}
}

// credentialsEnd is when the last secret or certificate of an application or service principal expires.
func credentialsEnd(doc map[string]any) time.Time {
	var last time.Time
	for _, list := range []string{"passwordCredentials", "keyCredentials"} {
		for _, c := range listAt(doc, list) {
			if end := timeAt(c, "endDateTime"); end.After(last) {
				last = end
			}
		}
	}
	return last
}

// putObject takes an object, unless more is known of it.
func (b *builder) putObject(o Object) {
	if old, ok := b.estate.objects[o.ID]; o.ID.IsZero() || ok && o.Type == "" && old.Type != "" {
		return
	}
	b.estate.objects[o.ID] = o
	b.estate.asked[o.ID] = true
	if !o.App.IsZero() && o.Type == "ServicePrincipal" {
		b.estate.byApp[o.App] = o
	}
}

// objectType is the type of a Graph object as role assignments spell it.
func objectType(doc map[string]any, otherwise string) string {
	switch kind, _ := field(doc, "@odata.type").(string); {
	case strings.EqualFold(kind, "#microsoft.graph.user"):
		return "User"
	case strings.EqualFold(kind, "#microsoft.graph.group"):
		return "Group"
	case strings.EqualFold(kind, "#microsoft.graph.application"), kind == "" && field(doc, "identifierUris") != nil: // az ad app show
		return typeApplication
	case strings.EqualFold(kind, "#microsoft.graph.servicePrincipal"), textAt(doc, "servicePrincipalType") != "":
		return "ServicePrincipal"
	}
	return otherwise
}

// typeApplication is the type of an application object, which has a service principal beside it.
const typeApplication = "Application"

// answered notes ids that the directory was asked for: those without an object do not exist.
func (b *builder) answered(ids ...azure.PrincipalID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range ids {
		b.estate.asked[id] = true
	}
}

func (b *builder) addMember(group, member azure.PrincipalID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.members[[2]azure.PrincipalID{group, member}] = true
}

func (b *builder) markAbsent(id azure.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.estate.absent[id.Key()] = true
}

// markUnread notes a scope whose assignments are not known.
func (b *builder) markUnread(scope azure.ID, why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unread[scope.Key()] = rbac.Unread{Scope: scope, Why: why}
}

// listedOnly notes that of a subscription's assignments only those of some principals were listed.
func (b *builder) listedOnly(subscription string, p azure.PrincipalID) {
	if b.estate.listedOnly[subscription] == nil {
		b.estate.listedOnly[subscription] = map[azure.PrincipalID]bool{}
	}
	b.estate.listedOnly[subscription][p] = true
}

// unsureOf notes groups that a principal may be in or not; the zero principal is everyone.
func (b *builder) unsureOf(p azure.PrincipalID, groups []azure.PrincipalID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.estate.unsure[p] = append(b.estate.unsure[p], groups...)
}

func (b *builder) incomplete(i Incomplete) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.estate.Incomplete = append(b.estate.Incomplete, i)
}

// build makes the Estate. The builder is of no use afterwards.
func (b *builder) build() *Estate {
	e := b.estate
	e.byType = map[string][]Resource{}
	e.keys = slices.Sorted(maps.Keys(e.resources))
	for _, key := range e.keys {
		r := e.resources[key]
		typ := strings.ToLower(r.ID.Type())
		e.byType[typ] = append(e.byType[typ], r)
	}
	for _, r := range e.Resources(TypeCluster) {
		if b.clusters == nil || b.clusters[r.ID.Key()] {
			e.Clusters = append(e.Clusters, &Cluster{r})
		}
	}
	e.actors, e.nodeGroups = map[azure.PrincipalID][]*Cluster{}, map[string]bool{}
	for _, c := range e.Clusters {
		e.nodeGroups[c.NodeGroup().Key()] = true
		for _, id := range e.Identities(c) {
			if !slices.Contains(e.actors[id.Principal], c) && id.Known() {
				e.actors[id.Principal] = append(e.actors[id.Principal], c)
			}
		}
	}
	b.settleEvents()
	slices.SortFunc(e.Incomplete, func(x, y Incomplete) int {
		return cmp.Or(strings.Compare(x.What, y.What), strings.Compare(x.Scope.Key(), y.Scope.Key()), strings.Compare(x.Why, y.Why), strings.Compare(x.Right, y.Right))
	})
	b.timeLimits()
	b.settlePeople()
	e.schedules = b.sortedSchedules()
	changes := b.changes()
	b.grants = nil // of a fleet, too much to have twice
	e.Policy = rbac.New(changes...)
	b.sealPolicies()
	e.Brought = distinct(e.Brought)
	e.fresh = b.fresh
	e.indexIdentities()
	e.held, e.counts = map[azure.PrincipalID][]*rbac.Grant{}, map[string]int{}
	for g := range e.Policy.Grants() {
		e.held[g.Principal] = append(e.held[g.Principal], g)
		e.counts[strings.ToLower(g.Scope.Subscription())]++
	}
	for _, held := range e.held {
		slices.SortFunc(held, byScope)
		if _, known := e.Object(held[0].Principal); known == Absent {
			e.Orphans = append(e.Orphans, held...)
		}
	}
	slices.SortFunc(e.Orphans, byScope)
	e.findWriters(slices.Concat(e.events, b.wrote))
	b.seal()
	return e
}

func byScope(x, y *rbac.Grant) int {
	return cmp.Or(strings.Compare(x.Scope.Key(), y.Scope.Key()), strings.Compare(x.ID.Key(), y.ID.Key()))
}

func (b *builder) changes() []rbac.Change {
	var out []rbac.Change
	for _, r := range b.roles {
		out = append(out, rbac.PutRole(r))
	}
	for _, key := range slices.Sorted(maps.Keys(b.grants)) {
		out = append(out, rbac.AddGrant(b.grants[key]))
	}
	for _, key := range slices.Sorted(maps.Keys(b.denies)) {
		out = append(out, rbac.PutDeny(b.denies[key]))
	}
	for m := range b.members {
		out = append(out, rbac.AddMember(m[0], m[1]))
	}
	for _, u := range b.unread {
		out = append(out, rbac.MarkUnread(u.Scope, u.Why))
	}
	return append(out, b.parents()...)
}

// parents rebuilds the tree of management groups from who inherits from whom. Groups further up have more heirs;
// groups with the same heirs cannot be told apart, and any order of them decides alike.
func (b *builder) parents() []rbac.Change {
	groups := slices.SortedFunc(maps.Keys(b.above), func(x, y string) int {
		return cmp.Or(len(b.above[x])-len(b.above[y]), strings.Compare(x, y))
	})
	last := map[string]azure.ID{} // by subscription: the group reached so far
	set := map[string]azure.ID{}
	for _, g := range groups {
		group := azure.MustID(g)
		for sub := range b.above[g] {
			child, ok := last[sub]
			if !ok {
				child = azure.SubscriptionID(sub)
			}
			set[child.String()], last[sub] = group, group
		}
	}
	var out []rbac.Change
	for child, group := range set {
		out = append(out, rbac.SetParent(azure.MustID(child), group))
	}
	return out
}
