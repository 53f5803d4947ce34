package estate

import (
	"strings"

	"aksid/internal/azure"
)

// ByAccessPolicies reports whether a vault grants by its own access policies: then roles open none of its keys.
func (e *Estate) ByAccessPolicies(vault azure.ID) bool {
	r, known := e.Resource(vault)
	return known == Known && !r.Flag("properties.enableRbacAuthorization")
}

// KeyPermissions are what a vault's access policies let a principal do with keys, in lower case.
func (e *Estate) KeyPermissions(vault azure.ID, p azure.PrincipalID) []string {
	r, _ := e.Resource(vault)
	var out []string
	for _, policy := range r.List("properties.accessPolicies") {
		if guidAt(policy, "objectId") == p {
			for _, k := range textsAt(policy, "permissions.keys") {
				out = append(out, strings.ToLower(k))
			}
		}
	}
	return out
}
