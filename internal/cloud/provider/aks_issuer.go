package provider

import (
	"fmt"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
)

const issuerURL = "properties.oidcIssuerProfile.issuerURL"

// checkIssuer gives a cluster its OIDC issuer when that is turned on, for good. New clusters of 1.34 and later have one
// unless they say otherwise.
func checkIssuer(c *arm.Call) *azure.Error {
	const on = "properties.oidcIssuerProfile.enabled"
	if minor, _ := numbers(arm.Str(c.Doc, "properties.kubernetesVersion")); c.Old == nil && minor >= issuerSince {
		arm.Default(c.Doc, on, true)
	}
	old := arm.Str(c.Old, issuerURL)
	if old != "" && arm.Get(c.Doc, on) == nil {
		arm.Set(c.Doc, on, true)
	}
	switch enabled := arm.Bool(c.Doc, on); {
	case !enabled && old != "":
		return azure.OIDCIssuerStays.Error()
	case !enabled && arm.Bool(c.Doc, "properties.securityProfile.workloadIdentity.enabled"):
		return azure.WorkloadIdentityNeedsIssuer.Error()
	case !enabled:
		arm.Unset(c.Doc, issuerURL)
		return nil
	case old == "":
		old = fmt.Sprintf("https://%s%s/%s/%s/", arm.Str(c.Doc, "location"), directory.IssuerSuffix, c.Tenant(), azure.NewGUID())
	}
	arm.Set(c.Doc, issuerURL, old)
	return nil
}

// clusterRefs finds a cluster by its issuer.
func clusterRefs(d arm.Doc) []string {
	if url := arm.Str(d, issuerURL); url != "" {
		return []string{directory.IssuerRef(url)}
	}
	return nil
}
