package failure

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

// State is how a refused request would be decided now.
type State string

// Missing: it would be refused again. GrantedNow: it would be allowed. Denied: a deny assignment forbids it.
// Undecided: something that it hangs on could not be read, or the text does not say enough.
const (
	Missing    State = "missing"
	GrantedNow State = "granted"
	Denied     State = "denied"
	Undecided  State = "unknown"
)

// Verdict is what an estate says of a failure.
type Verdict struct {
	State     State      `json:"state"`
	Reason    string     `json:"reason"`
	GrantedOn *time.Time `json:"grantedOn,omitempty"`
	// NearMisses are role assignments that come close: to another identity, at another scope, or that exclude the action.
	NearMisses []string `json:"nearMisses,omitempty"`
}

// Identity is a cluster's identity that a failure is about.
type Identity struct {
	Cluster     azure.ID            `json:"cluster"`
	Role        estate.IdentityRole `json:"role"`
	AddOn       string              `json:"addon,omitempty"`
	Name        string              `json:"name"`
	PrincipalID azure.PrincipalID   `json:"principalId"`
	ClientID    azure.GUID          `json:"clientId,omitzero"`
}

// Judge finds out whose identities failures are about, and decides the same requests with what an estate knows.
func Judge(e *estate.Estate, failures []Failure) {
	read := subscriptions(e)
	for i := range failures {
		if f := &failures[i]; f.IdentityRelated {
			j := judge{f: f, e: e, read: read}
			j.findPrincipal()
			switch {
			case f.Identity != nil:
				f.Cause, f.Remedy.Next = f.cause(), f.next()
			case f.stranger != "":
				f.Cause = f.cause()
			}
			if f.Kind.needsRole() || f.Kind == DenyAssignment {
				j.decide()
			}
		}
	}
}

// subscriptions are those that an estate knows something of, in lower case.
func subscriptions(e *estate.Estate) map[string]bool {
	read := map[string]bool{"": true}
	for _, c := range e.Clusters {
		read[strings.ToLower(c.ID.Subscription())] = true
	}
	for g := range e.Policy.Grants() {
		read[strings.ToLower(g.Scope.Subscription())] = true
	}
	return read
}

// judge is one failure before an estate.
type judge struct {
	f         *Failure
	e         *estate.Estate
	read      map[string]bool // subscriptions
	principal azure.PrincipalID
	cluster   *estate.Cluster   // whose identity it is
	siblings  []estate.Identity // of the same cluster
}

// findPrincipal looks for the failure's principal among the clusters' identities, by object id and client id; where the
// text names none, there is one cluster and the actor is sure, it is that cluster's. A principal that is no cluster's is called
// by its name, whoever its request looks like.
func (j *judge) findPrincipal() {
	f := j.f
	object, _ := azure.ParseGUID(f.ObjectID)
	client, _ := azure.ParseGUID(f.Client)
	j.principal = object
	for _, c := range j.e.Clusters {
		ids := j.e.Identities(c)
		for _, id := range ids {
			named := !object.IsZero() && id.Principal == object || !client.IsZero() && (id.Client == client || id.Principal == client)
			alone := object.IsZero() && client.IsZero() && len(j.e.Clusters) == 1 && f.plays(id.Role)
			if named || alone {
				j.principal, j.cluster, j.siblings = id.Principal, c, ids
				f.Identity = &Identity{c.ID, id.Role, id.AddOn, id.Name, id.Principal, id.Client}
				f.Actor, f.ActorAlt = Actor(id.Role), nil
				return
			}
		}
	}
	if o, known := j.e.Object(object); known == estate.Known && o.Name != "" {
		f.stranger = o.Type + " " + o.Name
	}
}

func (f *Failure) plays(role estate.IdentityRole) bool {
	return Actor(role) == f.Actor || role == estate.ServicePrincipal && (f.Actor == ControlPlane || f.Actor == Kubelet)
}

// requests are what was refused, as far as the text and the estate say.
func (j *judge) requests() []rbac.Request {
	f := j.f
	if f.Kind == PullUnauthorized {
		return j.pulls()
	}
	var out []rbac.Request
	for _, n := range f.needs {
		if id, err := azure.ParseID(n.scope); err == nil && !strings.Contains(n.scope, "*") {
			out = append(out, rbac.Request{Principal: j.principal, Action: azure.Action(n.action), Data: f.isData(), Scope: id})
		}
	}
	return out
}

// isData reports whether a data plane refused.
func (f *Failure) isData() bool { return slices.Contains(dataCodes, f.row) }

// pulls are the requests of an image pull from a registry that the estate knows.
func (j *judge) pulls() []rbac.Request {
	for _, r := range j.e.Resources(estate.TypeRegistry) {
		if !strings.EqualFold(r.ID.Name(), j.f.Target) {
			continue
		}
		if j.e.RegistryMode(r.ID) == estate.ModeABAC {
			return []rbac.Request{{Principal: j.principal, Action: "Microsoft.ContainerRegistry/registries/repositories/content/read", Data: true, Scope: r.ID}}
		}
		return []rbac.Request{{Principal: j.principal, Action: "Microsoft.ContainerRegistry/registries/pull/read", Scope: r.ID}}
	}
	return nil
}

// decide decides each request; the worst answer is the failure's.
func (j *judge) decide() {
	requests := j.requests()
	switch {
	case j.principal.IsZero():
		j.f.Verdict = &Verdict{State: Undecided, Reason: "The text does not name the principal."}
		return
	case len(requests) == 0:
		j.f.Verdict = &Verdict{State: Undecided, Reason: "The text does not say where, or what was asked about was not read."}
		return
	}
	v := &Verdict{State: GrantedNow}
	var by *rbac.Grant // the youngest of those that grant
	for _, r := range requests {
		d := j.e.Decide(r)
		if sub := r.Scope.Subscription(); !j.read[strings.ToLower(sub)] {
			v.worse(Undecided, "Subscription "+sub+" was not read; it may be of another tenant.")
			continue
		}
		switch d.Outcome {
		case rbac.Granted:
			if by == nil || d.By != nil && d.By.CreatedOn.After(by.CreatedOn) {
				by = d.By
			}
		case rbac.Denied:
			v.State, v.Reason = Denied, fmt.Sprintf("The deny assignment %q forbids it; no role helps.", d.Deny.Name)
		case rbac.Unknown:
			v.worse(Undecided, "It hangs on something that could not be read.")
		case rbac.NotGranted:
			v.worse(Missing, "")
			v.NearMisses = j.nearMisses(v.NearMisses, r)
		}
	}
	j.f.Verdict = v
	switch v.State {
	case GrantedNow:
		j.granted(by)
	case Missing:
		v.Reason = j.stillMissing()
		j.f.Breaks = j.breaks(requests)
		j.mend()
	case Denied:
		j.f.Remedy.Az, j.f.Remedy.Changes = []string{}, nil
	}
}

func (v *Verdict) worse(s State, reason string) {
	order := []State{GrantedNow, Undecided, Missing, Denied}
	if slices.Index(order, s) > slices.Index(order, v.State) {
		v.State, v.Reason = s, reason
	}
}

// granted explains a right that is there now: nothing is to be assigned.
func (j *judge) granted(by *rbac.Grant) {
	f, v := j.f, j.f.Verdict
	f.Cause = f.cause()
	f.Remedy = Remedy{Az: []string{}, Next: f.Remedy.Next, Advice: "Wait, then restart what fails, so that it gets a new token."}
	if by == nil {
		v.Reason = "It would be allowed now."
		return
	}
	role := fmt.Sprintf("%s on %s", j.e.RoleName(by.Role), j.place(by.Scope))
	since := by.CreatedOn.UTC()
	switch last := f.LastSeen; {
	case since.IsZero():
		v.Reason = role + " allows it now."
		return
	case last != nil && last.Before(since):
		v.Reason = fmt.Sprintf("%s allows it since %s%s, after the failure was last seen.", role, since.Format(time.RFC3339), j.givenBy(by))
		f.Remedy.Advice = "Wait for the next try."
	default:
		v.Reason = fmt.Sprintf("%s allows it since %s%s. Azure needs up to ten minutes until an assignment counts, for clusters' identities up to an hour.", role, since.Format(time.RFC3339), j.givenBy(by))
	}
	v.GrantedOn = &since
}

// givenBy names who made an assignment, as far as it and the directory say.
func (j *judge) givenBy(g *rbac.Grant) string {
	if g.CreatedBy.IsZero() {
		return ""
	}
	object, _ := j.e.Object(g.CreatedBy)
	return " (given by " + orThe(object.Name, g.CreatedBy.String()) + ")"
}

// breaks is what does not work as long as a cluster's identity lacks what was refused, as the catalogue knows it.
func (j *judge) breaks(requests []rbac.Request) string {
	if j.cluster == nil {
		return ""
	}
	for _, r := range catalogue.All() {
		if r.Actor != j.f.Identity.Role || !strings.EqualFold(r.AddOn, j.f.Identity.AddOn) {
			continue
		}
		for need := range r.Needs(j.e, j.cluster) {
			if slices.ContainsFunc(requests, func(q rbac.Request) bool {
				return need.Scope.Contains(q.Scope) && slices.ContainsFunc(slices.Concat(need.Actions, need.DataActions), q.Action.Is)
			}) {
				return r.Consequence(need)
			}
		}
	}
	return ""
}

// stillMissing says who lacks it.
func (j *judge) stillMissing() string {
	if id := j.f.Identity; id != nil {
		return fmt.Sprintf("%s identity %s of cluster %s still lacks it.", upperFirst(string(id.Role)), id.Name, id.Cluster.Name())
	}
	object, known := j.e.Object(j.principal)
	switch {
	case known == estate.Known:
		return fmt.Sprintf("%s %s still lacks it. It is no identity of the clusters that were read.", object.Type, orThe(object.Name, object.ID.String()))
	case known == estate.Absent && len(j.e.Held(j.principal)) > 0:
		return "The directory does not have this principal any more: it is a former identity, whose role assignments are left over."
	case known == estate.Absent:
		return "The directory does not have this principal any more: an identity of a cluster or resource that was rebuilt or deleted."
	}
	return "It still lacks it. It is no identity of the clusters that were read."
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// mend replaces the remedy by the assignments to the principal that was found; for one that is gone there are none.
func (j *judge) mend() {
	f := j.f
	if _, known := j.e.Object(j.principal); known == estate.Absent && f.Identity == nil {
		f.Remedy.Az, f.Remedy.Changes = []string{}, nil
		f.Remedy.Advice = "Restart or recreate what still uses the old identity; the new one needs the role."
		return
	}
	if f.Kind == Condition || f.row.Kind == DenyAssignment || f.firstParty() {
		return
	}
	var changes []estate.Change
	for _, r := range j.requests() {
		role, scope := roleFor(string(r.Action), f.Actor), r.Scope
		if s, err := azure.ParseID(grantScope(string(r.Action), r.Scope.String())); err == nil && !r.Data {
			scope = s
		}
		if f.Kind == PullUnauthorized && r.Data {
			role = "Container Registry Repository Reader"
		}
		changes = assign(changes, estate.Assign{Role: role, Principal: j.principal, PrincipalType: f.principalType(), Scope: scope})
	}
	f.Remedy.Az, f.Remedy.Changes = []string{}, changes
}

// place is how a person calls a scope, seen from the cluster.
func (j *judge) place(id azure.ID) string {
	if j.cluster == nil {
		return j.e.Place(id, azure.ID{})
	}
	return j.e.Place(id, j.cluster.ID)
}

// maxMisses bounds the near misses of a failure.
const maxMisses = 5

// nearMisses adds what comes close to a request: roles of the principal that do not reach, and whoever else of the
// cluster has the right.
func (j *judge) nearMisses(misses []string, r rbac.Request) []string {
	add := func(format string, args ...any) {
		if s := fmt.Sprintf(format, args...); len(misses) < maxMisses && !slices.Contains(misses, s) {
			misses = append(misses, s)
		}
	}
	for _, c := range j.e.Policy.Explain(r).Grants {
		role, scope := j.e.RoleName(c.By.Role), j.place(c.By.Scope)
		switch {
		case c.Reason == rbac.OtherScope && near(c.By.Scope, r.Scope) && j.wouldGrant(c.By, r):
			add("%s is held on %s, which is another scope", role, scope)
		case c.Reason != rbac.NotNamed && c.Reason != rbac.OtherScope && c.Reason != rbac.Counts:
			add("%s on %s %s", role, scope, c.Reason)
		}
	}
	for _, id := range j.siblings {
		if other := r; id.Principal != j.principal && id.Known() {
			other.Principal = id.Principal
			if j.e.Decide(other).Outcome == rbac.Granted {
				add("the %s identity %s has the right, but another identity was used", id.Role, id.Name)
			}
		}
		if id.Principal != j.principal || id.Client.IsZero() || id.Client == id.Principal {
			continue
		}
		for _, g := range j.e.Held(id.Client) {
			add("%s on %s is assigned to the identity's client id, which grants nothing", j.e.RoleName(g.Role), j.place(g.Scope))
		}
	}
	return misses
}

// near reports whether scopes are of one type or in one resource group: somebody may have mistaken one for the other.
func near(a, b azure.ID) bool {
	return a.Type() != "" && strings.EqualFold(a.Type(), b.Type()) || !a.GroupID().IsZero() && a.GroupID().Equal(b.GroupID())
}

// wouldGrant reports whether an assignment would grant a request if it were made at the request's scope.
func (j *judge) wouldGrant(g *rbac.Grant, r rbac.Request) bool {
	there := *g
	there.ID, there.Scope = azure.ID{}, r.Scope
	return j.e.Policy.With(rbac.AddGrant(there)).Decide(r).Outcome == rbac.Granted
}
