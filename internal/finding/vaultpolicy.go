package finding

import (
	"fmt"
	"slices"
	"strings"

	"aksid/internal/estate"
	"aksid/internal/rbac"
)

var vaultAccessPolicies = Rule{
	ID:    "vault-access-policy",
	Title: "The vault with the key for etcd grants by access policies, and none is for the cluster",
	Why: "A vault honours either its access policies or roles. In the mode of access policies no role opens its keys, Key Vault Crypto User and " +
		"Owner included.",
	Source:   "use-kms-etcd-encryption, key-vault rbac-migration",
	Severity: Error,
	Stops:    true,
	Run: func(p *Pass) {
		vault := p.Estate.KMSVault(p.Cluster)
		id, ok := p.Estate.Actor(p.Cluster, estate.ControlPlane, "")
		if vault.IsZero() || !ok || !id.Known() || !p.Estate.ByAccessPolicies(vault) {
			return
		}
		had := p.Estate.KeyPermissions(vault, id.Principal)
		lacking := slices.DeleteFunc([]string{"decrypt", "encrypt"}, func(k string) bool { return slices.Contains(had, k) || slices.Contains(had, "all") })
		if len(lacking) == 0 {
			return
		}
		f := Finding{
			Title:     "the API server cannot read or write secrets: AzureKeyVaultKmsValidateIdentityPermissionCustomerError",
			Detail:    fmt.Sprintf("%s has no access policy that lets the control plane identity %s %s", p.Place(vault), id.Name, strings.Join(lacking, " and ")),
			Principal: id.Principal, Scope: vault,
			Remedy: []estate.Change{estate.Permit{Vault: vault, Principal: id.Principal, Keys: union(had, lacking)}},
		}
		if g := p.vaultRole(id, vault.Key()); g != nil {
			f.Detail += fmt.Sprintf("; the %s that it holds there does not count in this mode", p.Estate.RoleName(g.Role))
		}
		p.Report(f)
	},
}

// union are the permissions that there were and those that are new, in order: az sets all of them.
func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// vaultRole is a role that an identity holds on the vault itself, for data.
func (p *Pass) vaultRole(id estate.Identity, vault string) *rbac.Grant {
	for _, g := range p.Estate.Held(id.Principal) {
		if g.Scope.Key() == vault && p.isDataRole(g) {
			return g
		}
	}
	return nil
}
