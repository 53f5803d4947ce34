package finding

import (
	"strings"

	"aksid/internal/estate"
	"aksid/internal/rbac"
)

// grantedByAKS are the roles that AKS itself gives on the node resource group (facts 1.4). They are not the user's to mend.
var grantedByAKS = map[estate.IdentityRole]map[string]string{
	estate.ControlPlane: {"": "Contributor"},
	estate.AddOn:        {"aciconnectorlinux": "Contributor"},
}

// ByAKS reports whether a role assignment of an identity is one that AKS makes itself.
func ByAKS(e *estate.Estate, c *estate.Cluster, i estate.Identity, g *rbac.Grant) bool {
	return g.Scope.Equal(c.NodeGroup()) && g.Principal == i.Principal &&
		grantedByAKS[i.Role][strings.ToLower(i.AddOn)] == e.RoleName(g.Role)
}
