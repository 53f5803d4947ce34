// Package report is what a check says: Result is the JSON contract, and the printers show it.
package report

import (
	"iter"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/finding"
	"aksid/internal/rbac"
	"aksid/internal/remedy"
)

// SchemaVersion is the version of the JSON contract. Within a version members are only added.
const SchemaVersion = "1"

// Result is the outcome of a check, and the contract of its JSON form.
type Result struct {
	SchemaVersion string              `json:"schemaVersion"`
	From          string              `json:"from"`     // azure, local, or the path that was read
	Complete      bool                `json:"complete"` // nothing was unreadable
	Incomplete    []estate.Incomplete `json:"incomplete"`
	Clusters      []Cluster           `json:"clusters"`
	Before        *Change             `json:"before,omitempty"` // what was asked about with --before
}

// Change is something that is about to be done to the clusters, and whether it can be.
type Change struct {
	Change string `json:"change"` // as --before spells it
	Answer Answer `json:"answer"`
}

// Answer says whether a change can be made.
type Answer string

// The answers. NotKnown: something that decides it could not be read.
const (
	Go       Answer = "go"
	NoGo     Answer = "no-go"
	NotKnown Answer = "unknown"
)

// Cluster is the outcome for one cluster.
type Cluster struct {
	ID               azure.ID      `json:"id"`
	Name             string        `json:"name"`
	ResourceGroup    string        `json:"resourceGroup"`
	Subscription     string        `json:"subscription"`     // id
	SubscriptionName string        `json:"subscriptionName"` // the id where the name is not known
	Location         string        `json:"location"`
	Identities       []Identity    `json:"identities"`
	Requirements     []Requirement `json:"requirements"`
	Findings         []Finding     `json:"findings"` // the worst first
	Accepted         []Finding     `json:"accepted"` // findings that somebody lives with, for the time being
}

// Identity is an identity that a cluster acts as, with its roles everywhere that was read.
type Identity struct {
	Role        estate.IdentityRole `json:"role"`
	AddOn       string              `json:"addon,omitempty"` // name of the add-on, in the cluster's spelling
	Kind        string              `json:"kind"`            // SystemAssigned, UserAssigned or ServicePrincipal
	Name        string              `json:"name"`
	PrincipalID *azure.PrincipalID  `json:"principalId"` // null: not known
	ClientID    *azure.GUID         `json:"clientId"`    // null: it has none, or it is not known
	ResourceID  *azure.ID           `json:"resourceId"`  // null: it is no user-assigned identity
	Assignments []Assignment        `json:"assignments"`
	label       string
}

// Assignment is a role assignment.
type Assignment struct {
	ID               azure.ID          `json:"id"`
	Role             string            `json:"role"` // display name, or the GUID where that is not known
	RoleDefinitionID azure.GUID        `json:"roleDefinitionId"`
	Scope            azure.ID          `json:"scope"`
	PrincipalID      azure.PrincipalID `json:"principalId"` // the identity's own, or its group's
	Inherited        bool              `json:"inherited"`   // made above the cluster, which inherits it
	Via              string            `json:"via"`         // the group through which the identity has it; empty: it is its own
	Condition        string            `json:"condition"`   // empty: none
	CreatedOn        *time.Time        `json:"createdOn"`   // null: not known
	ByAKS            bool              `json:"byAks"`       // AKS made it itself
	place            string
}

// Requirement is something that an identity needs, and whether it has it.
type Requirement struct {
	ID          string              `json:"id"`
	Feature     string              `json:"feature"`
	Identity    estate.IdentityRole `json:"identity"`
	AddOn       string              `json:"addon,omitempty"`
	Actions     []azure.Action      `json:"actions"`
	DataActions []azure.Action      `json:"dataActions"`
	Scope       azure.ID            `json:"scope"`
	Role        string              `json:"role"` // built-in role that covers it with the least besides
	Phase       catalogue.Phase     `json:"phase"`
	Needed      catalogue.Certainty `json:"needed"`
	Status      finding.Status      `json:"status"`
	Reason      string              `json:"reason"`    // why it is denied or unknown
	GrantedBy   []azure.ID          `json:"grantedBy"` // role assignments
	Missing     []azure.Action      `json:"missing"`
	Breaks      string              `json:"breaks"`
	by          string              // what the identity is called
	place       string
	rule        string   // of its not being met
	cause       *Finding // of its not being met
}

// Finding is something that is wrong, and what mends it.
type Finding struct {
	Rule         string              `json:"rule"`
	Severity     finding.Severity    `json:"severity"`
	Title        string              `json:"title"`        // the consequence
	Detail       string              `json:"detail"`       // the cause
	Consequences []string            `json:"consequences"` // further ones of the same cause
	PrincipalID  *azure.PrincipalID  `json:"principalId"`
	Scope        azure.ID            `json:"scope"`
	Remedy       Remedy              `json:"remedy"`
	Excess       *finding.Excess     `json:"excess,omitempty"`   // of a role that is too much
	Accepted     *finding.Acceptance `json:"accepted,omitempty"` // somebody lives with it
	SameAs       *azure.ID           `json:"sameAs,omitempty"`   // the cluster at which the same cause is told; counted there
	Written      []Place             `json:"written,omitempty"`  // in a plan or template: what it is about, the most telling first
}

// Remedy is what mends a finding, in the forms it can be had.
type Remedy struct {
	Az      []string `json:"az"`                // commands, in order
	Written []string `json:"written,omitempty"` // what to write into the plan or template instead, in its language
}

// lines are what a person is told to do: to write what a plan or template lacks, or to run commands.
func (r Remedy) lines() []string {
	if len(r.Written) > 0 {
		return strings.Split(strings.Join(r.Written, "\n"), "\n")
	}
	return r.Az
}

// New makes the report of a check. Clusters are checked as they are printed, so that thousands take no more memory than one.
func New(e *estate.Estate, checks iter.Seq[finding.Result]) Report {
	return Report{From: e.From, Incomplete: e.Incomplete, Clusters: func(yield func(Cluster) bool) {
		first := map[told]azure.ID{}
		for c := range checks {
			if !yield(cluster(e, c, first)) {
				return
			}
		}
	}}
}

// told is a cause, whichever cluster it is told at: a role that an identity lacks somewhere, a setting of a registry, a lock.
type told struct {
	rule, title, scope string
	principal          azure.PrincipalID
}

// sameAs is the cluster that a finding was told at before, if its cause is none of this cluster's own; nil if it is new.
func sameAs(cluster azure.ID, f finding.Finding, first map[told]azure.ID) *azure.ID {
	if f.Scope.IsZero() || cluster.Contains(f.Scope) {
		return nil
	}
	cause := told{f.Rule.ID, f.Title, f.Scope.Key(), f.Principal}
	if at, ok := first[cause]; ok && !at.Equal(cluster) {
		return &at
	}
	first[cause] = cluster
	return nil
}

// brief is a finding as people are told it: one whose cause was told at another cluster only says so.
func (f Finding) brief() Finding {
	if f.SameAs != nil {
		f.Detail, f.Consequences, f.Remedy, f.Written = "the same cause as at cluster "+f.SameAs.Name(), nil, Remedy{}, nil
	}
	return f
}

func cluster(e *estate.Estate, r finding.Result, first map[told]azure.ID) Cluster {
	id := r.Cluster.ID
	c := Cluster{
		ID: id, Name: id.Name(), ResourceGroup: id.ResourceGroup(), Subscription: id.Subscription(),
		SubscriptionName: e.SubscriptionName(id.Subscription()), Location: r.Cluster.Text("location"),
		Identities: []Identity{}, Requirements: []Requirement{}, Findings: []Finding{}, Accepted: []Finding{},
	}
	for _, i := range r.Identities {
		c.Identities = append(c.Identities, identity(e, r.Cluster, i))
	}
	for _, f := range r.Findings {
		x := problem(e, id, f)
		x.SameAs = sameAs(id, f, first)
		c.Findings = append(c.Findings, x)
	}
	for _, f := range r.Accepted {
		c.Accepted = append(c.Accepted, problem(e, id, f))
	}
	causes, all := map[*finding.Assessment]*Finding{}, slices.Concat(c.Findings, c.Accepted)
	for i, f := range slices.Concat(r.Findings, r.Accepted) {
		for _, a := range f.Explains() {
			causes[a] = &all[i]
		}
	}
	for _, a := range r.Assessments {
		q := requirement(a)
		q.place, q.cause = e.Place(a.Need.Scope, id), causes[a]
		c.Requirements = append(c.Requirements, q)
	}
	return c
}

func identity(e *estate.Estate, c *estate.Cluster, i estate.Identity) Identity {
	out := Identity{
		Role: i.Role, AddOn: i.AddOn, Kind: i.Kind, Name: i.Name, Assignments: []Assignment{}, label: i.Label(),
		PrincipalID: known(i.Principal), ClientID: known(i.Client),
	}
	if !i.Resource.IsZero() {
		out.ResourceID = &i.Resource
	}
	if !i.Known() {
		return out
	}
	for _, holder := range append([]azure.PrincipalID{i.Principal}, e.Policy.GroupsOf(i.Principal)...) {
		for _, g := range e.Held(holder) {
			a := assignment(e, c, i, g)
			if holder != i.Principal {
				a.Via = e.PrincipalName(holder)
			}
			out.Assignments = append(out.Assignments, a)
		}
	}
	return out
}

func assignment(e *estate.Estate, c *estate.Cluster, i estate.Identity, g *rbac.Grant) Assignment {
	a := Assignment{
		ID: g.ID, Role: e.RoleName(g.Role), RoleDefinitionID: g.Role, Scope: g.Scope, PrincipalID: g.Principal,
		Inherited: g.Scope.Contains(c.ID) || slices.ContainsFunc(e.Policy.ManagementGroups(c.ID), g.Scope.Equal),
		Condition: g.Condition, place: e.Place(g.Scope, c.ID),
		ByAKS: finding.ByAKS(e, c, i, g),
	}
	if !g.CreatedOn.IsZero() {
		a.CreatedOn = &g.CreatedOn
	}
	return a
}

func requirement(a *finding.Assessment) Requirement {
	out := Requirement{
		ID: a.Requirement.ID, Feature: a.Requirement.Feature, Identity: a.Identity.Role, AddOn: a.Identity.AddOn,
		Actions: filled(a.Need.Actions), DataActions: filled(a.Need.DataActions), Scope: a.Need.Scope,
		Role: a.Need.Role, Phase: a.Need.Phase, Needed: a.Need.Certainty, Status: a.Status, Reason: a.Reason,
		GrantedBy: []azure.ID{}, Missing: filled(a.Missing), Breaks: a.Requirement.Consequence(a.Need),
		by: a.Identity.Label(), rule: finding.MissingID(a.Requirement),
	}
	for _, g := range a.GrantedBy {
		out.GrantedBy = append(out.GrantedBy, g.ID)
	}
	return out
}

func problem(e *estate.Estate, cluster azure.ID, f finding.Finding) Finding {
	out := Finding{
		Rule: f.Rule.ID, Severity: f.Severity, Title: f.Title, Detail: f.Detail,
		Consequences: filled(f.Consequences), Excess: f.Excess, Accepted: f.Accepted,
		PrincipalID: known(f.Principal), Scope: f.Scope, Remedy: Remedy{Az: []string{}}, Written: places(e, cluster, f),
	}
	for _, c := range f.Remedy {
		out.Remedy.Az = append(out.Remedy.Az, remedy.AzIn(e, c)...)
		if _, text := remedy.Written(e, c); text != "" {
			out.Remedy.Written = append(out.Remedy.Written, text)
		}
	}
	return out
}

// rules are the rules by their ids.
var rules = func() map[string]*finding.Rule {
	out := map[string]*finding.Rule{}
	for _, r := range finding.Rules() {
		out[r.ID] = r
	}
	return out
}()

// filled is a list that prints as [] when there is nothing in it.
func filled[T any](list []T) []T { return append([]T{}, list...) }

func known(g azure.GUID) *azure.GUID {
	if g.IsZero() {
		return nil
	}
	return &g
}
