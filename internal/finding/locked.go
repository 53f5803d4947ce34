package finding

import (
	"fmt"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
)

var locked = Rule{
	ID:    "locked",
	Title: "A lock refuses what an identity of the cluster may do",
	Why: "Locks count after roles, for everyone. ReadOnly stops load balancers, routes and disks; CanNotDelete in the node resource " +
		"group stops upgrades, scaling in and the cleaning up of services.",
	Source:   "lock-resources, Azure/AKS#3291",
	Severity: Error,
	Stops:    true,
	Run: func(p *Pass) {
		for _, l := range p.Estate.Locks() {
			if what := p.refusedBy(l); what != "" {
				p.Report(Finding{
					Title:  what,
					Detail: fmt.Sprintf("lock %s on %s", l.ID.Name(), p.Place(l.Scope)),
					Scope:  l.Scope,
					Remedy: []estate.Change{estate.Unlock{ID: l.ID}},
				})
			}
		}
	},
}

// refusedBy is what a lock keeps the cluster from; "" if nothing.
func (p *Pass) refusedBy(l estate.Lock) string {
	nodes := p.Cluster.NodeGroup()
	what := "nothing in the node resource group"
	if nodes.Contains(l.Scope) && !nodes.Equal(l.Scope) {
		what = "no part of " + l.Scope.Name()
	}
	switch below := l.Scope.Contains(nodes) || nodes.Contains(l.Scope); {
	case below && l.ReadOnly:
		return what + " can be changed"
	case below:
		return what + " can be deleted: upgrades, scaling in and the removal of services fail"
	}
	for _, a := range p.Assessments {
		if l.ReadOnly && l.Scope.Contains(a.Need.Scope) && a.Need.Certainty == catalogue.Now && writes(a.Need.Actions) {
			return a.Requirement.Consequence(a.Need)
		}
	}
	return ""
}

// writes reports whether a ReadOnly lock refuses one of the actions: all but reads and joins, which change what joins.
func writes(actions []azure.Action) bool {
	for _, a := range actions {
		if key := a.Key(); !strings.HasSuffix(key, "/read") && !strings.Contains(key, "/join") {
			return true
		}
	}
	return false
}
