// Package finding holds the rules that say what is wrong with the identities of a cluster.
//
// A rule is a struct; its text is what every output prints. Rules run in the order of Rules: those that know a cause come
// before those that only see the effect, and what a finding explains is not found again. One cause is one finding.
package finding

import (
	"slices"
	"time"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

// Severity says how bad a finding is.
type Severity string

// The severities, as the JSON contract spells them: something fails, something is risky or wasteful, something to know.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// Severities are all of them, the worst first.
var Severities = []Severity{Error, Warning, Note}

// AtLeast reports whether s is as bad as other, or worse.
func (s Severity) AtLeast(other Severity) bool {
	return slices.Index(Severities, s) <= slices.Index(Severities, other)
}

// Rule finds one kind of problem.
type Rule struct {
	ID       string // words with dashes
	Title    string // what is wrong, in general
	Why      string // what it leads to
	Source   string // the document that says so
	Severity Severity
	Stops    bool               // it can stop a change; before one only such rules run
	Only     catalogue.Occasion // it runs before this change alone; "": always
	Run      func(*Pass)
}

// Finding is one problem of one cluster.
type Finding struct {
	Rule         *Rule
	Severity     Severity
	Title        string   // the consequence
	Detail       string   // the cause
	Consequences []string // further ones of the same cause
	Principal    azure.PrincipalID
	Scope        azure.ID
	Remedy       []estate.Change // in order; none where no change of Azure mends it
	Excess       *Excess         // of a role that is too much
	Accepted     *Acceptance     // somebody lives with it
	explains     []*Assessment
}

// Result is what there is to say of one cluster.
type Result struct {
	Cluster     *estate.Cluster
	Identities  []estate.Identity
	Assessments []*Assessment
	Findings    []Finding // the worst first
	Accepted    []Finding // those that somebody lives with, for the time being
}

// Options say how to check.
type Options struct {
	Before Before    // a change: only what it exercises is looked at
	Tuning *Tuning   // may be nil
	Now    time.Time // zero: not known, then nothing is too young or too old
}

// Check runs every rule on a cluster.
func Check(e *estate.Estate, c *estate.Cluster) Result { return Options{}.Check(e, c) }

// Check runs the rules on a cluster as the options say.
func (o Options) Check(e *estate.Estate, c *estate.Cluster) Result {
	p := &Pass{Estate: e, Cluster: c, Options: o, Identities: e.Identities(c), explained: map[*Assessment]bool{}, told: map[string]bool{}, inherited: map[*rbac.Grant]bool{}}
	p.Assessments = o.Before.assess(e, c)
	for _, r := range Rules() {
		if o.Before.Runs(r) {
			p.rule = r
			r.Run(p)
		}
	}
	r := Result{Cluster: c, Identities: p.Identities, Assessments: p.Assessments}
	r.Findings, r.Accepted = o.Tuning.sort(c, p.findings, o.Now)
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return slices.Index(Severities, a.Severity) - slices.Index(Severities, b.Severity)
	})
	return r
}

// Rules are the rules, in the order in which they run.
func Rules() []*Rule { return rules }

var rules = slices.Concat(
	[]*Rule{&rolesToCarryOver},
	// Why roles that look right do not help.
	[]*Rule{&identityGone, &identityRecreated, &identityDetached, &clientIDAsPrincipal, &applicationIDAsPrincipal, &formerPrincipal, &otherClustersIdentity,
		&registryInOtherTenant, &registryUnreachable, &roleForOtherRegistryMode, &pullRoleOnWrongIdentity, &vaultAccessPolicies, &denied, &deniedByPolicy, &locked},
	missing(catalogue.All()),
	// Too much.
	[]*Rule{&broadRole, &wideScope, &canGrantRoles, &dataRoleOnInfrastructure},
	// Mixed up.
	[]*Rule{&sharedIdentity, &identityOfSeveralClusters, &federatedInfrastructure, &workloadAsInfrastructure, &workloadWithoutCredential, &podIdentity},
	// Fragile and stale.
	[]*Rule{&servicePrincipal, &systemAssignedWithShared, &roleThroughGroup, &identityElsewhere, &roleEnds, &nearLimit, &orphanedAssignment, &formerServicePrincipal, &credentialOfFormerCluster},
	// Beside the roles.
	[]*Rule{&registryRefusesARMTokens, &registryAdminUser, &registryAnonymousPull, &localAccounts, &canActAsIdentity, &identityWithoutOwner, &grantedJustNow},
	// Given in an emergency.
	[]*Rule{&breakGlassOverdue, &breakGlassUnapproved, &breakGlassInForce},
	// Before a change.
	[]*Rule{&lostInRebuild, &survivesRebuild},
	// Before anything is there.
	[]*Rule{&roleAfterCluster, &principalTypeUnsaid, &assignmentName},
	[]*Rule{&undecided, &expiredAcceptance},
)

// Pass is one cluster while the rules look at it.
type Pass struct {
	Options
	Estate      *estate.Estate
	Cluster     *estate.Cluster
	Identities  []estate.Identity
	Assessments []*Assessment
	rule        *Rule
	findings    []Finding
	explained   map[*Assessment]bool
	told        map[string]bool      // federated credentials that a finding tells of, by their key
	inherited   map[*rbac.Grant]bool // roles of former principals that a finding tells of
}

// Report adds a finding of the rule that is running. Its severity is the rule's unless it has its own.
func (p *Pass) Report(f Finding) {
	f.Rule = p.rule
	if f.Severity == "" {
		f.Severity = p.rule.Severity
	}
	for _, a := range f.explains {
		p.explained[a] = true
		text := a.Requirement.Consequence(a.Need)
		if a.Need.Certainty == catalogue.Now && text != f.Title && !slices.Contains(f.Consequences, text) {
			f.Consequences = append(f.Consequences, text)
		}
	}
	p.findings = append(p.findings, f)
}

// Open are the assessments of a status that no finding explains yet.
func (p *Pass) Open(s Status) []*Assessment {
	return slices.DeleteFunc(slices.Clone(p.Assessments), func(a *Assessment) bool { return a.Status != s || p.explained[a] })
}

// Place is how a person calls a scope, seen from the cluster.
func (p *Pass) Place(id azure.ID) string { return p.Estate.Place(id, p.Cluster.ID) }
