package finding

import (
	"fmt"
	"slices"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

var canActAsIdentity = Rule{
	ID:    "can-act-as-identity",
	Title: "Somebody who may not change the cluster can act as one of its identities",
	Why: "Who may put a federated credential on an identity, or attach it to a machine of theirs, has its rights; so has who may run commands " +
		"on the nodes. That is a way around the rights on the cluster.",
	Source:   "managed identities best practices, workload-identity-federation",
	Severity: Note,
	Run: func(p *Pass) {
		for _, id := range p.Identities {
			p.reportActing(id)
		}
	},
}

// waysToAct are the rights that come to the rights of an identity.
var waysToAct = []struct {
	action azure.Action
	nodes  bool // on the node resource group, for the identities on the nodes
	how    string
}{
	{"Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write", false, "put federated credentials on it"},
	{"Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", false, "attach it to a machine"},
	{"Microsoft.Compute/virtualMachineScaleSets/virtualMachines/runCommand/action", true, "run commands on the nodes"},
}

func (p *Pass) reportActing(id estate.Identity) {
	if id.Resource.IsZero() || id.Role != estate.ControlPlane && id.Role != estate.Kubelet {
		return
	}
	var who, how []string
	for _, w := range waysToAct {
		scope := id.Resource
		if w.nodes {
			scope = p.Cluster.NodeGroup()
		}
		if scope.IsZero() || w.nodes && id.Role != estate.Kubelet {
			continue
		}
		n := len(who)
		for g := range p.Estate.Policy.WhoCan(w.action, scope) {
			if path := p.path(&g); !p.ownsCluster(g.Principal) && !slices.Contains(who, path) {
				who = append(who, path)
			}
		}
		for _, path := range p.eligible(w.action, scope) {
			if !slices.Contains(who, path) {
				who = append(who, path)
			}
		}
		if len(who) > n {
			how = append(how, w.how)
		}
	}
	if len(who) > 0 {
		p.Report(Finding{
			Title:     fmt.Sprintf("%s can act as the %s identity and may not change the cluster", list(who), id.Label()),
			Detail:    fmt.Sprintf("they may %s", list(how)),
			Principal: id.Principal, Scope: id.Resource,
		})
	}
}

// eligible are those who may take up a role that allows an action, with Privileged Identity Management.
func (p *Pass) eligible(action azure.Action, scope azure.ID) []string {
	var out []string
	for _, s := range p.Estate.Schedules() {
		role, ok := p.Estate.Policy.Role(s.Grant.Role)
		if s.Kind != estate.Eligible || !ok || !s.Grant.Scope.Contains(scope) || !role.Grants(action, false) || p.ownsCluster(s.Grant.Principal) {
			continue
		}
		if over := s.Grant.Scope.Contains(p.Cluster.ID) && role.Grants(estate.TypeCluster+"/write", false); !over {
			out = append(out, fmt.Sprintf("%s (could take up %s on %s)", p.Estate.PrincipalName(s.Grant.Principal), p.Estate.RoleName(s.Grant.Role), p.Place(s.Grant.Scope)))
		}
	}
	return out
}

// path is who holds a role, which and where.
func (p *Pass) path(g *rbac.Grant) string {
	return fmt.Sprintf("%s (%s on %s)", p.Estate.PrincipalName(g.Principal), p.Estate.RoleName(g.Role), p.Place(g.Scope))
}

// ownsCluster reports whether somebody may change the cluster, or its roles, or is one of its identities.
func (p *Pass) ownsCluster(who azure.PrincipalID) bool {
	if slices.ContainsFunc(p.Identities, func(i estate.Identity) bool { return i.Principal == who }) {
		return true
	}
	return slices.ContainsFunc([]azure.Action{estate.TypeCluster + "/write", "Microsoft.Authorization/roleAssignments/write"}, func(a azure.Action) bool {
		return p.Estate.Decide(rbac.Request{Principal: who, Action: a, Scope: p.Cluster.ID}).Outcome == rbac.Granted
	})
}
