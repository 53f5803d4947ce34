// Package provider holds the resource providers of the local Azure: one file a namespace, types as rows.
package provider

import (
	"strings"

	"aksid/internal/cloud/arm"
)

// All are the providers in the order that they are seeded, over the vaults' data plane.
func All(secrets Secrets) []arm.Provider {
	all := []arm.Provider{
		resources(),
		authorization(),
		management(),
		managedIdentity(),
		network(),
		compute(),
		containerRegistry(),
		containerService(),
		keyVault(secrets),
		storage(),
		insights(),
		operationalInsights(),
		resourceGraph(),
		policyInsights(),
	}
	for i := range all {
		all[i].Types = append(all[i].Types, operationsType(all[i].Namespace))
	}
	return all
}

// lower is a comparison without case against an id's key or a name.
func lower(s string) string { return strings.ToLower(s) }

// text is a list of JSON texts.
func text(list []any) []string {
	var out []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
