// Package finding holds the rules that say what is wrong with the identities of a cluster.
//
// A rule is a struct; its text is what every output prints. Rules run in the order of Rules: those that know a cause come
// before those that only see the effect, and what a finding explains is not found again. One cause is one finding.
package finding

import (
	"slices"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
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
	Run      func(*Pass)
}

// Finding is one problem of one cluster.
type Finding struct {
	Rule      *Rule
	Severity  Severity
	Title     string // the consequence
	Detail    string // the cause
	Principal azure.PrincipalID
	Scope     azure.ID
	Remedy    []estate.Change // in order; none where no change of Azure mends it
	explains  []*Assessment
}

// Result is what there is to say of one cluster.
type Result struct {
	Cluster     *estate.Cluster
	Identities  []estate.Identity
	Assessments []*Assessment
	Findings    []Finding // the worst first
}

// Check runs every rule on a cluster.
func Check(e *estate.Estate, c *estate.Cluster) Result {
	p := &Pass{Estate: e, Cluster: c, Identities: e.Identities(c), Assessments: Assess(e, c), explained: map[*Assessment]bool{}}
	for _, r := range Rules() {
		p.rule = r
		r.Run(p)
	}
	slices.SortStableFunc(p.findings, func(a, b Finding) int {
		return slices.Index(Severities, a.Severity) - slices.Index(Severities, b.Severity)
	})
	return Result{c, p.Identities, p.Assessments, p.findings}
}

// Rules are the rules, in the order in which they run.
func Rules() []*Rule { return rules }

var rules = slices.Concat(
	// Why roles that look right do not help.
	[]*Rule{&identityGone, &identityRecreated, &identityDetached, &clientIDAsPrincipal, &roleForOtherRegistryMode, &pullRoleOnWrongIdentity, &denied, &locked},
	missing(catalogue.All()),
	// Too much.
	[]*Rule{&broadRole, &wideScope, &canGrantRoles, &dataRoleOnInfrastructure},
	// Mixed up.
	[]*Rule{&sharedIdentity, &identityOfSeveralClusters, &federatedInfrastructure, &workloadAsInfrastructure, &podIdentity},
	// Fragile and stale.
	[]*Rule{&servicePrincipal, &systemAssignedWithShared, &roleThroughGroup, &identityElsewhere, &nearLimit, &orphanedAssignment},
	// Beside the roles.
	[]*Rule{&registryRefusesARMTokens, &registryAdminUser},
	[]*Rule{&undecided},
)

// Pass is one cluster while the rules look at it.
type Pass struct {
	Estate      *estate.Estate
	Cluster     *estate.Cluster
	Identities  []estate.Identity
	Assessments []*Assessment
	rule        *Rule
	findings    []Finding
	explained   map[*Assessment]bool
}

// Report adds a finding of the rule that is running. Its severity is the rule's unless it has its own.
func (p *Pass) Report(f Finding) {
	f.Rule = p.rule
	if f.Severity == "" {
		f.Severity = p.rule.Severity
	}
	for _, a := range f.explains {
		p.explained[a] = true
	}
	p.findings = append(p.findings, f)
}

// Open are the assessments of a status that no finding explains yet.
func (p *Pass) Open(s Status) []*Assessment {
	return slices.DeleteFunc(slices.Clone(p.Assessments), func(a *Assessment) bool { return a.Status != s || p.explained[a] })
}

// Place is how a person calls a scope, seen from the cluster.
func (p *Pass) Place(id azure.ID) string { return p.Estate.Place(id, p.Cluster.ID) }
