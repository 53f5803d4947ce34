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
func Az(c estate.Change) []string { return AzIn(nil, c) }

// AzIn is Az for a change of an estate. Of what a plan or template brings the commands ask the object id first: they are for
// when it is there.
func AzIn(e *estate.Estate, c estate.Change) []string {
	switch c := c.(type) {
	case estate.Assign:
		// With the type az asks neither Graph nor waits for replication, so that a pipeline without Graph rights can run it.
		return []string{az("role", "assignment", "create", "--assignee-object-id", principalWord(e, c.Principal),
			"--assignee-principal-type", c.PrincipalType, "--role", c.Role, "--scope", scopeWord(c.Scope))}
	case estate.Unassign:
		if d, planned := declared(e, c.ID); planned && d.Creates {
			return nil // it is not there yet
		}
		return []string{az("role", "assignment", "delete", "--ids", c.ID.String())}
	case estate.DefineRole:
		return []string{az("role", "definition", "create", "--role-definition", definition(c))}
	case estate.Permit:
		return []string{az(append([]string{"keyvault", "set-policy", "--name", c.Vault.Name(), "--subscription", c.Vault.Subscription(),
			"--object-id", principalWord(e, c.Principal), "--key-permissions"}, c.Keys...)...)}
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

// asked marks an argument that a shell has to work out.
const asked = "\x00"

// principalWord is an object id, or what asks for it.
func principalWord(e *estate.Estate, p azure.PrincipalID) string {
	if command, ok := lookup(e, p); ok {
		return asked + "$(" + command + ")"
	}
	return p.String()
}

// scopeWord is a scope, in the subscription that az is logged in to where nobody has named one.
func scopeWord(id azure.ID) string {
	for _, sub := range []string{estate.UnnamedSubscription, estate.TargetSubscription} {
		rest, ok := strings.CutPrefix(id.String(), "/subscriptions/"+sub)
		if !ok {
			continue
		}
		return asked + "/subscriptions/$(az account show --query id --output tsv)" + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(rest)
	}
	return id.String()
}

func declared(e *estate.Estate, id azure.ID) (estate.Declaration, bool) {
	if e == nil {
		return estate.Declaration{}, false
	}
	return e.Declared(id)
}

func az(args ...string) string {
	quoted := []string{"az"}
	for _, a := range args {
		quoted = append(quoted, Quote(a))
	}
	return strings.Join(quoted, " ")
}

// Quote makes one word for the shell. Names come from Azure, where others may have chosen them.
func Quote(s string) string {
	if word, ok := strings.CutPrefix(s, asked); ok {
		return `"` + word + `"`
	}
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
