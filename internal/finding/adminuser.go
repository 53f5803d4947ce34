package finding

import (
	"fmt"

	"aksid/internal/estate"
)

var registryAdminUser = Rule{
	ID:       "registry-admin-user",
	Title:    "A registry that the cluster pulls from has its admin user enabled",
	Why:      "The user's password opens the whole registry, to anyone, without a trace of who it was. Clusters pull without it.",
	Source:   "container-registry-authentication, CIS",
	Severity: Note,
	Run: func(p *Pass) {
		for _, a := range p.Assessments {
			doc, known := p.Estate.Resource(a.Need.Scope)
			if known == estate.Known && doc.Flag("properties.adminUserEnabled") {
				p.Report(Finding{
					Title:  fmt.Sprintf("a password opens all of %s", p.Estate.LoginServer(a.Need.Scope)),
					Detail: "its admin user is enabled; switch it off with: az acr update --admin-enabled false",
					Scope:  a.Need.Scope,
				})
			}
		}
	},
}
