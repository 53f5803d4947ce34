package finding

import (
	"fmt"

	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/rbac"
)

var roleAfterCluster = Rule{
	ID:    "role-after-cluster",
	Title: "A role that creating the cluster needs may be given only afterwards",
	Why: "AKS checks some rights of the control plane identity before it creates a cluster. Where the plan or template does not make the " +
		"cluster wait for the role assignment, both are made at once, and creating the cluster fails or not by chance. An assignment " +
		"also takes minutes to count.",
	Source:   "private-clusters, configure-kubenet, pre-created-kubelet-managed-identity, api-server-vnet-integration",
	Severity: Error,
	Run: func(p *Pass) {
		if !p.toBeMade() {
			return
		}
		for _, a := range p.Assessments {
			if late := p.late(a); late != nil && checkedAtCreate(a) {
				p.reportLate(a, late)
			}
		}
	},
}

// toBeMade reports whether a plan or template makes the cluster: what a rebuild would need, that needs as well.
func (p *Pass) toBeMade() bool {
	d, ok := p.Estate.Declared(p.Cluster.ID)
	return ok && d.Creates
}

// checkedAtCreate reports whether AKS needs something of the control plane identity when it creates a cluster: what it checks at
// each update it checks then as well, and a rebuild is nothing else. Of a kubenet cluster's route table it is documented apart.
func checkedAtCreate(a *Assessment) bool {
	return a.Identity.Role == estate.ControlPlane && a.Need.Certainty == catalogue.Now &&
		(a.Need.Phase != catalogue.Runtime || a.Requirement.ID == "route-table")
}

// late is the assignment that a need is met by, if each of those that meet it is made by the plan without the cluster waiting for it.
func (p *Pass) late(a *Assessment) *rbac.Grant {
	var late *rbac.Grant
	for _, g := range a.GrantedBy {
		d, ok := p.Estate.Declared(g.ID)
		if !ok || !d.Creates || p.Estate.After(p.Cluster.ID, g.ID) {
			return nil
		}
		late = g
	}
	return late
}

func (p *Pass) reportLate(a *Assessment, g *rbac.Grant) {
	d, _ := p.Estate.Declared(g.ID)
	f := Finding{
		Title: fmt.Sprintf("creating the cluster fails where it comes before the role for: %s", a.Requirement.Feature),
		Detail: fmt.Sprintf("%s on %s is given by %s, which the cluster does not wait for; let it depend on that (depends_on, dependsOn)",
			p.Estate.RoleName(g.Role), p.Place(g.Scope), d.Address),
		Principal: g.Principal, Scope: g.Scope, explains: []*Assessment{a},
	}
	if a.Identity.Kind == estate.SystemAssigned {
		f.Title = fmt.Sprintf("creating the cluster fails: its identity cannot have the role before it is there, for: %s", a.Requirement.Feature)
		f.Detail = fmt.Sprintf("%s on %s is given by %s, and a system-assigned identity is there only with the cluster; use a user-assigned one",
			p.Estate.RoleName(g.Role), p.Place(g.Scope), d.Address)
	}
	p.Report(f)
}
