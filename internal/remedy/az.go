// Package remedy turns changes into plans, and plans into what carries them out: az commands, Bicep, ARM templates,
// Terraform, or calls.
package remedy

import (
	"encoding/json"
	"fmt"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// Az renders a change as az commands, one a line of a POSIX shell, that run as they are.
func Az(c estate.Change) []string {
	switch c := c.(type) {
	case estate.Assign:
		// With the type az asks neither Graph nor waits for replication, so that a pipeline without Graph rights can run it.
		return []string{az("role", "assignment", "create", "--assignee-object-id", c.Principal.String(),
			"--assignee-principal-type", c.PrincipalType, "--role", c.Role, "--scope", c.Scope.String())}
	case estate.Unassign:
		return []string{az("role", "assignment", "delete", "--ids", c.ID.String())}
	case estate.DefineRole:
		return []string{az("role", "definition", "create", "--role-definition", definition(c))}
	case estate.Permit:
		return []string{az(append([]string{"keyvault", "set-policy", "--name", c.Vault.Name(), "--subscription", c.Vault.Subscription(),
			"--object-id", c.Principal.String(), "--key-permissions"}, c.Keys...)...)}
	case estate.Unlock:
		return []string{az("lock", "delete", "--ids", c.ID.String())}
	case estate.Federate:
		return []string{federate(c)}
	case estate.Defederate:
		return []string{az("identity", "federated-credential", "delete", "--yes", "--name", c.ID.Name(),
			"--identity-name", c.ID.Parent().Name(), "--resource-group", c.ID.ResourceGroup(), "--subscription", c.ID.Subscription())}
	case estate.Reconcile:
		return append([]string{az(append([]string{"aks", "update"}, cluster(c.Cluster, "--name")...)...)}, upgrades(c.Cluster, c.Pools)...)
	case estate.UseManagedIdentity:
		return append([]string{az(append([]string{"aks", "update", "--enable-managed-identity"}, cluster(c.Cluster, "--name")...)...)}, upgrades(c.Cluster, c.Pools)...)
	}
	panic(fmt.Sprintf("unknown change %T", c)) // estate.Change is closed
}

func federate(c estate.Federate) string {
	return az("identity", "federated-credential", "create", "--name", c.Name, "--identity-name", c.Identity.Name(),
		"--resource-group", c.Identity.ResourceGroup(), "--subscription", c.Identity.Subscription(), "--issuer", c.Issuer, "--subject", c.Subject)
}

// definition is a custom role as az reads it.
func definition(c estate.DefineRole) string {
	text, _ := json.Marshal(struct { // strings always marshal
		Name, Description    string
		Actions, DataActions []azure.Action
		AssignableScopes     []azure.ID
	}{c.Name, c.Description, append([]azure.Action{}, c.Actions...), append([]azure.Action{}, c.DataActions...), []azure.ID{c.Scope}})
	return string(text)
}

// upgrades put new machines in the place of the nodes of pools.
func upgrades(id azure.ID, pools []string) []string {
	var out []string
	for _, pool := range pools {
		out = append(out, az(append([]string{"aks", "nodepool", "upgrade", "--node-image-only", "--name", pool}, cluster(id, "--cluster-name")...)...))
	}
	return out
}

func cluster(id azure.ID, flag string) []string {
	return []string{flag, id.Name(), "--resource-group", id.ResourceGroup(), "--subscription", id.Subscription()}
}

func az(args ...string) string {
	quoted := []string{"az"}
	for _, a := range args {
		quoted = append(quoted, quote(a))
	}
	return strings.Join(quoted, " ")
}

// quote makes one word for the shell. Names come from Azure, where others may have chosen them.
func quote(s string) string {
	plain, spaced := s != "", true
	for _, r := range s {
		word := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@,+", r)
		plain = plain && word
		spaced = spaced && (word || strings.ContainsRune(" ()", r))
	}
	switch {
	case plain:
		return s
	case spaced:
		return `"` + s + `"`
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
