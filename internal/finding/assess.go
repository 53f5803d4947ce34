package finding

import (
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

// Status says whether a need is met.
type Status string

// The statuses, as the JSON contract spells them.
const (
	Granted Status = "granted"
	Missing Status = "missing"
	Denied  Status = "denied"
	Unknown Status = "unknown"
)

// Assessment is one need of one identity, decided.
type Assessment struct {
	Requirement *catalogue.Requirement
	Need        catalogue.Need
	Identity    estate.Identity
	Status      Status
	Reason      string         // why it is denied or unknown
	GrantedBy   []*rbac.Grant  // each once
	Missing     []azure.Action // what is not granted, data actions included
	Deny        *rbac.Deny     // what denies it
}

// Explains are the needs that a finding says why they are not met.
func (f Finding) Explains() []*Assessment { return f.explains }

// NeedsOf are the actions that a change of the finding's remedy is to allow, as far as the finding is about needs that are not met.
func (f Finding) NeedsOf(c estate.Change) []azure.Action {
	give, ok := c.(estate.Assign)
	var out []azure.Action
	for _, a := range f.explains {
		if ok && a.Identity.Principal == give.Principal && give.Scope.Contains(a.Need.Scope) {
			out = append(out, slices.Concat(a.Need.Actions, a.Need.DataActions)...)
		}
	}
	return out
}

// Assess decides every need of a cluster, in the order of the catalogue.
func Assess(e *estate.Estate, c *estate.Cluster) []*Assessment {
	var out []*Assessment
	for _, r := range catalogue.All() {
		who, ok := e.Actor(c, r.Actor, r.AddOn)
		if !ok {
			continue
		}
		for need := range r.Needs(e, c) {
			out = append(out, AssessNeed(e, r, need, who))
		}
	}
	return out
}

// AssessNeed decides one need of an identity, also one that a cluster does not have yet.
func AssessNeed(e *estate.Estate, r *catalogue.Requirement, need catalogue.Need, who estate.Identity) *Assessment {
	a := &Assessment{Requirement: r, Need: need, Identity: who}
	switch {
	case !who.Known():
		a.unknown(fmt.Sprintf("the object id of %s %s is not known", who.Label(), who.Name))
	case need.Unsure == "":
		a.decide(e)
	case need.Or == nil:
		a.unknown(need.Unsure)
	default:
		a.either(e)
	}
	return a
}

func (a *Assessment) unknown(reason string) { a.Status, a.Reason = Unknown, reason }

// decide asks the policy for every action. The worst answer is the need's: denied, missing, unknown, granted.
func (a *Assessment) decide(e *estate.Estate) {
	a.Status = Granted
	for i, action := range slices.Concat(a.Need.Actions, a.Need.DataActions) {
		r := rbac.Request{Principal: a.Identity.Principal, Action: action, Data: i >= len(a.Need.Actions), Scope: a.Need.Scope}
		switch d := e.Decide(r); d.Outcome {
		case rbac.Granted:
			a.grantedBy(d.By)
		case rbac.Denied:
			a.Status, a.Deny = Denied, d.Deny
			a.Reason = fmt.Sprintf("deny assignment %s at %s", d.Deny.Name, d.Deny.Scope)
		case rbac.NotGranted:
			a.Missing = append(a.Missing, action)
		case rbac.Unknown:
			if a.Status == Granted {
				a.unknown(whyUnknown(e, r, d))
			}
		}
	}
	if len(a.Missing) > 0 && a.Status != Denied {
		a.Status, a.Reason = Missing, ""
	}
}

func (a *Assessment) grantedBy(g *rbac.Grant) {
	if g != nil && !slices.ContainsFunc(a.GrantedBy, func(o *rbac.Grant) bool { return o.ID.Equal(g.ID) }) {
		a.GrantedBy = append(a.GrantedBy, g)
	}
}

// either decides a need of which it is not known which of two forms it has: only where both agree there is an answer.
func (a *Assessment) either(e *estate.Estate) {
	reason := a.Need.Unsure
	other := &Assessment{Requirement: a.Requirement, Need: *a.Need.Or, Identity: a.Identity}
	a.decide(e)
	other.decide(e)
	if a.Status == other.Status {
		for _, g := range other.GrantedBy {
			a.grantedBy(g)
		}
		return
	}
	a.unknown(reason)
}

// whyUnknown says what would have to be known.
func whyUnknown(e *estate.Estate, r rbac.Request, d rbac.Decision) string {
	if d.By != nil {
		if w, ok := e.Declared(d.By.ID); ok && w.Address == e.PrincipalName(d.By.Principal) {
			return fmt.Sprintf("%s may give it %s: whom it is for, or on what, is known only once it is applied", w.Address, e.RoleName(d.By.Role))
		}
		return fmt.Sprintf("it may be in group %s, which is %s, and the group's members are not known",
			e.PrincipalName(d.By.Principal), e.RoleName(d.By.Role))
	}
	if d.Deny != nil {
		return fmt.Sprintf("it may be in a group that deny assignment %s names, and the group's members are not known", d.Deny.Name)
	}
	x := e.Policy.Explain(r)
	for _, g := range x.Grants {
		switch g.Reason {
		case rbac.UnknownRole:
			if w, ok := e.Declared(g.By.ID); ok {
				return w.Address + " gives it a role, and which one is known only once it is deployed"
			}
			return fmt.Sprintf("it holds role %s, whose definition is not known", g.By.Role)
		case rbac.OpenCondition:
			return fmt.Sprintf("it holds %s under a condition", e.RoleName(g.By.Role))
		}
	}
	for _, u := range x.Unread {
		return fmt.Sprintf("the role assignments of %s could not be read (%s)", e.Place(u.Scope, r.Scope), u.Why)
	}
	return "its role assignments are not known"
}

// short is an action without what the reader knows: loadBalancers/write for Microsoft.Network/loadBalancers/write.
func short(a azure.Action) string {
	typ := a.Type()
	verb := strings.TrimPrefix(string(a)[len(typ):], "/")
	return typ[strings.LastIndexByte(typ, '/')+1:] + "/" + verb
}

// ShortList names a few actions and counts the rest.
func ShortList(actions []azure.Action) string {
	var names []string
	for _, a := range actions {
		names = append(names, short(a))
	}
	return list(names)
}

// list names a few things and counts the rest.
func list(names []string) string {
	const few = 3
	switch n := len(names); {
	case n > few:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), n-few)
	case n > 1:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}
