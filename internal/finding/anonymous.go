package finding

import (
	"fmt"

	"aksid/internal/catalogue"
	"aksid/internal/estate"
)

var registryAnonymousPull = Rule{
	ID:       "registry-anonymous-pull",
	Title:    "A registry of the cluster hands out its images to everyone",
	Why:      "Whoever knows the name can pull all of them, without a trace of who it was. A role for pulling is of no use there.",
	Source:   "anonymous-pull-access",
	Severity: Note,
	Run: func(p *Pass) {
		for _, id := range catalogue.Registries(p.Estate, p.Cluster) {
			if p.Estate.AnonymousPull(id) {
				p.Report(Finding{
					Title:  fmt.Sprintf("everyone can pull from %s", p.Estate.LoginServer(id)),
					Detail: "anonymous pull is enabled; switch it off with: az acr update --anonymous-pull-enabled false",
					Scope:  id,
				})
			}
		}
	},
}

var localAccounts = Rule{
	ID:       "local-accounts",
	Title:    "The cluster asks Entra who somebody is, and has local accounts beside it",
	Why:      "Whoever may list the cluster's admin credential gets a certificate that is in no group, under no condition, and in no log.",
	Source:   "manage-local-accounts-managed-azure-ad, Azure Policy 993c2fcd-2b29-49d2-9eb0-df2c3a730c32",
	Severity: Note,
	Run: func(p *Pass) {
		if !p.Cluster.Has("properties.aadProfile") || p.Cluster.Flag("properties.disableLocalAccounts") {
			return
		}
		p.Report(Finding{
			Title:  "a certificate opens the cluster beside Entra",
			Detail: "local accounts are not disabled; switch them off with: az aks update --disable-local-accounts",
			Scope:  p.Cluster.ID,
		})
	},
}

var identityWithoutOwner = Rule{
	ID:       "identity-without-owner",
	Title:    "An identity of the cluster does not say whose it is, although the cluster does",
	Why:      "Whoever reviews its roles cannot ask anybody.",
	Source:   "Cloud Adoption Framework, resource tagging",
	Severity: Note,
	Run: func(p *Pass) {
		if p.Cluster.Owner() == "" {
			return
		}
		for _, id := range p.Identities {
			doc, known := p.Estate.Resource(id.Resource)
			if known == estate.Known && !p.Cluster.NodeGroup().Contains(id.Resource) && doc.Owner() == "" {
				p.Report(Finding{
					Title:     fmt.Sprintf("nobody can tell whose identity %s is", id.Name),
					Detail:    "the cluster has a tag for its owner, the identity has none",
					Principal: id.Principal, Scope: id.Resource,
				})
			}
		}
	},
}
