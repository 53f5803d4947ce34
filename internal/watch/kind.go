package watch

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/failure"
	"aksid/internal/finding"
)

// Kind is a kind of notice. Its text is what documents, alerts and queries print.
type Kind struct {
	Name     string // words with dashes
	Title    string
	Severity finding.Severity // the usual one
	// Operations are those of the log's entries that it is told from; without any it is told from what has changed
	// between two readings.
	Operations []azure.Action
	Failed     bool // told from what failed, else from what succeeded
	told       func(*pass, *estate.Event) (Notice, bool)
}

// Operations that several kinds are told from.
const (
	giveRole     = "Microsoft.Authorization/roleAssignments/write"
	removeRole   = "Microsoft.Authorization/roleAssignments/delete"
	takeUpRole   = "Microsoft.Authorization/roleAssignmentScheduleRequests/write"
	makeEligible = "Microsoft.Authorization/roleEligibilityScheduleRequests/write"
)

// Kinds are all kinds of notices. An entry of the log is told of once: by the first that takes it.
func Kinds() []*Kind { return kinds }

var kinds = []*Kind{
	{"break-glass-used", "A role was given in an emergency, by an approved request", finding.Warning,
		[]azure.Action{giveRole, takeUpRole, makeEligible}, false, breakGlass},
	{"break-glass-ended", "A role that was given in an emergency was taken away", finding.Note,
		[]azure.Action{removeRole}, false, breakGlass},
	{"high-scope-grant", "A role on a subscription or more was given to a cluster's identity, or a far-reaching one to somebody", finding.Error,
		[]azure.Action{giveRole}, false, highScopeGrant},
	{"role-given", "A role was given to a cluster's identity, or to a group that it is in", finding.Warning,
		[]azure.Action{giveRole}, false, roleGiven},
	{"scope-role-given", "A role was given to somebody else on a cluster, its identities or what it depends on", finding.Note,
		[]azure.Action{giveRole}, false, roleNearby},
	{"role-removed", "A role was taken from a cluster's identity, or from a group that it is in", finding.Warning,
		[]azure.Action{removeRole}, false, roleGiven},
	{"scope-role-removed", "A role was taken from somebody else on a cluster, its identities or what it depends on", finding.Note,
		[]azure.Action{removeRole}, false, roleNearby},
	{"role-activated", "A role was taken up, or given for a time, through Privileged Identity Management", finding.Warning,
		[]azure.Action{takeUpRole}, false, roleActivated},
	{"role-changed", "A role that a cluster's identity holds allows something else now", finding.Warning,
		[]azure.Action{"Microsoft.Authorization/roleDefinitions/write", "Microsoft.Authorization/roleDefinitions/delete"}, false, roleChanged},
	{"identity-deleted", "An identity that a cluster acts as was deleted", finding.Error,
		[]azure.Action{"Microsoft.ManagedIdentity/userAssignedIdentities/delete"}, false, identityDeleted},
	{"credential-added", "A federated credential was added: whoever its issuer vouches for can act as the identity", finding.Warning,
		[]azure.Action{estate.TypeFederatedCredential + "/write"}, false, credential},
	{"credential-removed", "A federated credential was removed", finding.Note,
		[]azure.Action{estate.TypeFederatedCredential + "/delete"}, false, credential},
	{"admin-credential", "Somebody took the credential of a cluster's local administrator, which no role of Entra limits", finding.Warning,
		[]azure.Action{estate.TypeCluster + "/listClusterAdminCredential/action", estate.TypeCluster + "/accessProfiles/listCredential/action"}, false, onCluster},
	{"command-run", "Somebody ran a command in a cluster through Resource Manager", finding.Warning,
		[]azure.Action{estate.TypeCluster + "/runCommand/action"}, false, onCluster},
	{"refused", "Azure refused something to a cluster's identity, or on what a cluster depends on", finding.Error,
		nil, true, nil}, // of any operation, see refusals
	{Name: "identity-switched", Title: "A cluster acts as another identity than before: roles do not carry over", Severity: finding.Error},
	{Name: "group-joined", Title: "A cluster's identity is in a group that it was not in", Severity: finding.Warning},
	{Name: "group-left", Title: "A cluster's identity is in a group no more", Severity: finding.Warning},
	{Name: "secret-expiring", Title: "A secret of a cluster's service principal ends soon, or has ended", Severity: finding.Warning},
	{Name: "finding-begins", Title: "check finds something that it did not find before", Severity: finding.Warning},
	{Name: "finding-ends", Title: "check no longer finds something", Severity: finding.Note},
	{Name: "history-missing", Title: "The activity log no longer has a part of what happened meanwhile", Severity: finding.Warning},
}

// kindNamed is a kind that is there.
func kindNamed(name string) *Kind {
	return kinds[slices.IndexFunc(kinds, func(k *Kind) bool { return k.Name == name })]
}

// takes reports whether an entry may be told of as this kind.
func (k *Kind) takes(v *estate.Event) bool {
	return k.told != nil && v.Succeeded() && slices.ContainsFunc(k.Operations, func(a azure.Action) bool { return strings.EqualFold(string(a), string(v.Operation)) })
}

// pass is what entries of the log are judged with.
type pass struct {
	estate      *estate.Estate
	before, now *scene   // before is nil at the first look
	compared    bool     // what differs was told of
	logged      []string // the logs that were read
}

// scenes are those to look in, the newest first.
func (p *pass) scenes() []*scene {
	if p.before == nil {
		return []*scene{p.now}
	}
	return []*scene{p.now, p.before}
}

func (p *pass) actors(id azure.PrincipalID) []actor {
	for _, s := range p.scenes() {
		if a := s.Actors[id]; len(a) > 0 && !id.IsZero() {
			return a
		}
	}
	return nil
}

func (p *pass) near(scope azure.ID) []azure.ID {
	for _, s := range p.scenes() {
		if c := s.near(scope); len(c) > 0 {
			return c
		}
	}
	return nil
}

// place is how a person calls a scope, seen from the first of some clusters.
func (p *pass) place(id azure.ID, clusters []azure.ID) string {
	if len(clusters) == 0 {
		return p.estate.Place(id, azure.ID{})
	}
	return p.estate.Place(id, clusters[0])
}

// name is how a person calls a principal.
func (p *pass) name(id azure.PrincipalID) string {
	if a := p.actors(id); len(a) > 0 && a[0].Group == "" {
		return a[0].String()
	}
	if _, known := p.estate.Object(id); known == estate.Known {
		return p.estate.PrincipalName(id)
	}
	for _, s := range p.scenes() {
		if n := s.Names[id]; n != "" {
			return n
		}
	}
	return id.String()
}

// by names who called: the log's own name for people, a principal's name for ids.
func (p *pass) by(v *estate.Event) string {
	if _, err := azure.ParseGUID(v.Caller); err != nil && v.Caller != "" {
		return v.Caller
	}
	if name := failure.FirstParty(v.App); name != "" {
		return name
	}
	if v.Principal.IsZero() {
		return cmp.Or(v.Caller, "somebody whom the log does not name")
	}
	return p.name(v.Principal)
}

// tell makes the notices of entries. Those that are of no kind are passed over.
func (p *pass) tell(events []*estate.Event) []Notice {
	var out []Notice
	for _, v := range events {
		for _, k := range kinds {
			if !k.takes(v) {
				continue
			}
			if n, ok := k.told(p, v); ok {
				out = append(out, p.finish(k, v, n))
				break
			}
		}
	}
	return append(out, p.refusals(events)...)
}

// finish says of a notice what the entry says.
func (p *pass) finish(k *Kind, v *estate.Event, n Notice) Notice {
	n.ID, n.Kind, n.Time, n.Operation, n.Events = v.ID, k.Name, v.Time, v.Operation, []string{v.ID}
	n.By, n.ByID = p.by(v), pointer(v.Principal)
	n.Severity = cmp.Or(n.Severity, k.Severity)
	if n.Scope.IsZero() {
		n.Scope = v.Scope
	}
	return n
}

// grant is the role assignment that an entry is about, if the log or an earlier reading says.
func (p *pass) grant(v *estate.Event) (grant, bool) {
	known, seen := p.seen(v.Scope)
	if v.Grant == nil || v.Grant.Principal.IsZero() {
		return known, seen
	}
	g := grantOf(p.estate, v.Grant)
	g.Request = known.Request
	return g, true
}

// seen is a role assignment that a reading had.
func (p *pass) seen(id azure.ID) (grant, bool) {
	for _, s := range p.scenes() {
		if g, ok := s.Grants[id.Key()]; ok {
			return g, true
		}
		if g, ok := s.Gone[id.Key()]; ok {
			return g.grant, true
		}
	}
	return grant{}, false
}

// given is a notice of a role that was given or taken.
func (p *pass) given(v *estate.Event, g grant, to string, clusters []azure.ID) Notice {
	done := "given to"
	if v.Removes() {
		done = "taken from"
	}
	return Notice{
		Text:     g.Role + " on " + p.place(g.Scope, clusters) + " " + done + " " + to,
		Clusters: clusters, Principal: pointer(g.Principal), Role: g.Role, Scope: g.Scope,
	}
}

// toActor is a notice of a role of a cluster's identity.
func (p *pass) toActor(v *estate.Event, g grant) (Notice, bool) {
	actors := p.actors(g.Principal)
	if len(actors) == 0 {
		return Notice{}, false
	}
	n := p.given(v, g, actors[0].String(), clustersOf(actors))
	n.Identity = actors[0].Label
	return n, true
}

// breakGlass tells of roles that carry the mark of a request, and of their removal.
func breakGlass(p *pass, v *estate.Event) (Notice, bool) {
	request, m, ok := v.BreakGlass()
	g, _ := p.grant(v)
	if !ok && g.Request == "" {
		return Notice{}, false
	}
	clusters := clustersOf(p.actors(g.Principal))
	if len(clusters) == 0 && !m.Cluster.IsZero() {
		clusters = []azure.ID{m.Cluster}
	}
	n := p.given(v, g, p.name(g.Principal), clusters)
	n.Text = "break-glass " + cmp.Or(request, g.Request) + ": " + n.Text
	if !m.Until.IsZero() {
		n.Text += " until " + m.Until.UTC().Format(minutes)
	}
	if !m.Approver.IsZero() {
		n.Detail = []string{"requested by " + p.name(m.Requester) + ", approved by " + p.name(m.Approver)}
	}
	return n, true
}

// minutes is how times are printed in texts.
const minutes = "2006-01-02 15:04 MST"

func highScopeGrant(p *pass, v *estate.Event) (Notice, bool) {
	g, ok := p.grant(v)
	if !ok || !finding.IsBroadScope(g.Scope) {
		return Notice{}, false
	}
	if n, ok := p.toActor(v, g); ok {
		n.Detail = []string{"what gets hold of the identity reaches everything there; the role on the resource itself is enough"}
		return n, true
	}
	clusters := p.now.above(g.Scope)
	if len(clusters) == 0 || !finding.IsBroadRole(p.estate, g.RoleID) {
		return Notice{}, false
	}
	n := p.given(v, g, p.name(g.Principal), clusters)
	n.Severity, n.Detail = finding.Warning, []string{"it reaches the clusters there, their identities and the roles of these"}
	return n, true
}

func roleGiven(p *pass, v *estate.Event) (Notice, bool) {
	g, ok := p.grant(v)
	if !ok {
		return Notice{}, false
	}
	return p.toActor(v, g)
}

// roleNearby tells of roles on what clusters depend on. Who had a role that nobody has seen is not known.
func roleNearby(p *pass, v *estate.Event) (Notice, bool) {
	g, ok := p.grant(v)
	if !ok {
		target, _, _ := v.Scope.Split()
		g = grant{ID: v.Scope, Role: "a role", Scope: target}
	}
	clusters := p.near(g.Scope)
	if len(clusters) == 0 {
		return Notice{}, false
	}
	to := "somebody whom the log does not name"
	if !g.Principal.IsZero() {
		to = p.name(g.Principal)
	}
	return p.given(v, g, to, clusters), true
}

func roleActivated(p *pass, v *estate.Event) (Notice, bool) {
	g, ok := p.grant(v)
	if !ok {
		return Notice{}, false
	}
	clusters := clustersOf(p.actors(g.Principal))
	if len(clusters) == 0 {
		clusters = p.near(g.Scope)
	}
	if len(clusters) == 0 {
		clusters = p.now.above(g.Scope)
	}
	if len(clusters) == 0 {
		return Notice{}, false
	}
	n := p.given(v, g, p.name(g.Principal), clusters)
	n.Text += " through Privileged Identity Management"
	if v.Grant != nil && !v.Grant.Until.IsZero() {
		n.Text += " until " + v.Grant.Until.UTC().Format(minutes)
	}
	return n, true
}

func roleChanged(p *pass, v *estate.Event) (Notice, bool) {
	role, err := azure.ParseGUID(v.Scope.Name())
	if err != nil {
		return Notice{}, false
	}
	for _, s := range p.scenes() {
		for _, key := range slices.Sorted(maps.Keys(s.Grants)) {
			g := s.Grants[key]
			if actors := s.Actors[g.Principal]; g.RoleID == role && len(actors) > 0 {
				done := "changed"
				if v.Removes() {
					done = "deleted"
				}
				return Notice{Text: "role " + g.Role + ", which " + actors[0].String() + " holds, was " + done, Clusters: clustersOf(actors),
					Identity: actors[0].Label, Principal: pointer(g.Principal), Role: g.Role}, true
			}
		}
	}
	return Notice{}, false
}

func identityDeleted(p *pass, v *estate.Event) (Notice, bool) {
	for _, s := range slices.Backward(p.scenes()) { // the earlier one still has it
		for _, key := range slices.Sorted(maps.Keys(s.Clusters)) {
			c := s.Clusters[key]
			for _, id := range c.Identities {
				if id.Resource.Equal(v.Scope) && !v.Scope.IsZero() {
					return Notice{Text: id.String() + " was deleted; one of the same name is another principal, without its roles", Clusters: []azure.ID{c.ID},
						Identity: id.Label, Principal: pointer(id.Principal)}, true
				}
			}
		}
	}
	return Notice{}, false
}

// credential tells of federated credentials of clusters' identities, and of others' in the subscriptions that are watched:
// those are how pods get identities.
func credential(p *pass, v *estate.Event) (Notice, bool) {
	owner := v.Scope.Parent()
	n := Notice{Severity: finding.Note, Clusters: p.near(owner)}
	who := "identity " + owner.Name()
	for _, s := range p.scenes() {
		for principal, actors := range s.Actors {
			for _, a := range actors {
				if a.Resource.Equal(owner) && a.Group == "" && !owner.IsZero() {
					n.Severity, n.Identity, n.Principal, n.Clusters, who = "", a.Label, pointer(principal), clustersOf(actors), a.String()
				}
			}
		}
	}
	n.Text = "federated credential " + v.Scope.Name() + " added to " + who
	if v.Removes() {
		n.Text, n.Severity = "federated credential "+v.Scope.Name()+" removed from "+who, ""
	}
	for _, c := range p.estate.FederatedCredentials(owner) {
		if c.ID.Equal(v.Scope) {
			n.Detail = []string{"for subject " + c.Subject + " of issuer " + c.Issuer}
		}
	}
	return n, true
}

func onCluster(p *pass, v *estate.Event) (Notice, bool) {
	for _, s := range p.scenes() {
		for _, c := range s.Clusters {
			if c.ID.Contains(v.Scope) {
				what := "the local administrator's credential of " + c.ID.Name() + " was taken"
				if strings.Contains(strings.ToLower(string(v.Operation)), "runcommand") {
					what = "a command was run in " + c.ID.Name()
				}
				return Notice{Text: what, Clusters: []azure.ID{c.ID}}, true
			}
		}
	}
	return Notice{}, false
}
