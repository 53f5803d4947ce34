package finding

import (
	"fmt"
	"strings"

	"aksid/internal/catalogue"
	"aksid/internal/estate"
)

var registryRefusesARMTokens = Rule{
	ID:    "registry-refuses-arm-tokens",
	Title: "A registry that the cluster pulls from refuses tokens of Azure Resource Manager",
	Why: "Nodes whose credential provider sends such a token, as that of many versions does, cannot pull although the kubelet has the role. " +
		"The 401 looks like a missing role.",
	Source:   "Azure/AKS#4560, kubernetes-sigs/cloud-provider-azure#8592",
	Severity: Warning,
	Stops:    true,
	Run: func(p *Pass) {
		for _, a := range p.Assessments {
			doc, known := p.Estate.Resource(a.Need.Scope)
			if known != estate.Known || a.Need.Certainty != catalogue.Now || !strings.EqualFold(doc.Text("properties.policies.azureADAuthenticationAsArmPolicy.status"), "disabled") {
				continue
			}
			p.Report(Finding{
				Title:     fmt.Sprintf("image pulls from %s may fail with 401 although the role is right", p.Estate.LoginServer(a.Need.Scope)),
				Detail:    "its policy azureADAuthenticationAsArmPolicy is disabled; allow it with: az acr config authentication-as-arm update --status enabled",
				Principal: a.Identity.Principal, Scope: a.Need.Scope,
			})
		}
	},
}
