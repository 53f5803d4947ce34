package finding

import "fmt"

var sharedIdentity = Rule{
	ID:    "shared-identity",
	Title: "One identity plays several roles in the cluster",
	Why: "The kubelet identity is on every node, and pods there can borrow it through the metadata service. What the control plane " +
		"may do, every pod may do then.",
	Source:   "use-managed-identity, pre-created-kubelet-managed-identity",
	Severity: Warning,
	Run: func(p *Pass) {
		for i, id := range p.Identities {
			for _, other := range p.Identities[:i] {
				if !id.Known() || other.Principal != id.Principal {
					continue
				}
				p.Report(Finding{
					Title:     fmt.Sprintf("what the %s identity may do, the %s identity may do as well", other.Label(), id.Label()),
					Detail:    fmt.Sprintf("both are %s; use an identity for each", id.Name),
					Principal: id.Principal, Scope: id.Resource,
				})
				break
			}
		}
	},
}

var identityOfSeveralClusters = Rule{
	ID:       "identity-of-several-clusters",
	Title:    "Several clusters act as one identity",
	Why:      "Each of them can do what any of them needs, and activity logs do not tell which it was.",
	Source:   "use-managed-identity",
	Severity: Note,
	Run: func(p *Pass) {
		for _, id := range p.Identities {
			for _, c := range p.Estate.ActingAs(id.Principal) {
				if c.ID.Equal(p.Cluster.ID) {
					continue
				}
				p.Report(Finding{
					Title:     fmt.Sprintf("cluster %s acts as the %s identity of this one", p.Place(c.ID), id.Label()),
					Detail:    fmt.Sprintf("both use %s", id.Name),
					Principal: id.Principal, Scope: id.Resource,
				})
			}
		}
	},
}
