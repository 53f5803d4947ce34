package finding

import (
	"fmt"
	"slices"
	"strings"

	"aksid/internal/catalogue"
	"aksid/internal/estate"
)

var registryUnreachable = Rule{
	ID:    "registry-network-rules",
	Title: "The network rules of a registry may keep the cluster out",
	Why: "A registry that is closed to public networks answers only through private endpoints, one with IP rules only to these addresses. " +
		"Pulls from elsewhere fail with 403, which is taken for a missing role; a missing role is 401.",
	Source:   "container-registry-private-link, container-registry-access-selected-networks, cannot-pull-image-from-acr-to-aks-cluster",
	Severity: Warning,
	Stops:    true,
	Run: func(p *Pass) {
		for _, a := range p.Assessments {
			doc, known := p.Estate.Resource(a.Need.Scope)
			if known != estate.Known || a.Identity.Role != estate.Kubelet || a.Need.Certainty != catalogue.Now || hasPrivateEndpoint(doc) {
				continue
			}
			server := p.Estate.LoginServer(a.Need.Scope)
			f := Finding{Principal: a.Identity.Principal, Scope: a.Need.Scope}
			switch {
			case strings.EqualFold(doc.Text("properties.publicNetworkAccess"), "Disabled"):
				f.Severity, f.Title = Error, fmt.Sprintf("image pulls from %s fail with 403", server)
				f.Detail = "it is closed to public networks and has no private endpoint that was approved"
			case strings.EqualFold(doc.Text("properties.networkRuleSet.defaultAction"), "Deny"):
				f.Title = fmt.Sprintf("image pulls from %s fail with 403, unless the cluster's outbound addresses are among its IP rules", server)
				f.Detail = fmt.Sprintf("it answers to %d ranges of addresses only and has no private endpoint", len(doc.List("properties.networkRuleSet.ipRules")))
			default:
				continue
			}
			p.Report(f)
		}
	},
}

func hasPrivateEndpoint(registry estate.Resource) bool {
	return slices.ContainsFunc(registry.Texts("properties.privateEndpointConnections", "properties.privateLinkServiceConnectionState.status"),
		func(s string) bool { return strings.EqualFold(s, "Approved") })
}
