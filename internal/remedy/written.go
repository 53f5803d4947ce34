package remedy

import (
	"fmt"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/plain"
	"aksid/internal/rbac"
)

// Written is a change in the language of the plan or template that the estate was read from: what to write there, or to take
// out. text is "" where there is no plan, or the change is none that it can say.
func Written(e *estate.Estate, c estate.Change) (language, text string) {
	x := e.Expressions()
	switch c := c.(type) {
	case estate.Assign:
		if _, ok := x.Principal(c.Principal); ok {
			return x.Language, writtenAssign(x, e, c)
		}
	case estate.Unassign:
		if d, ok := e.Declared(c.ID); ok {
			mark := map[string]string{estate.Terraform: "# ", estate.Bicep: "// "}[x.Language]
			return x.Language, mark + "take out " + plain.Text(d.Address)
		}
	}
	return x.Language, ""
}

func writtenAssign(x estate.Expressions, e *estate.Estate, c estate.Assign) string {
	principal, _ := x.Principal(c.Principal)
	scope, known := x.ID(c.Scope)
	role := c.Role
	if b, ok := rbac.BuiltInRole(c.Role); ok {
		role = b.ID.String()
	}
	name := (&module{names: map[string]bool{}}).symbol(c.Scope.Name() + " " + c.Role)
	switch x.Language {
	case estate.Terraform:
		if !known {
			scope = hclText(c.Scope.String())
		}
		return fmt.Sprintf("resource \"azurerm_role_assignment\" \"%s\" {\n  scope                = %s\n  role_definition_name = %s\n  principal_id         = %s\n  principal_type       = %s\n}",
			snake(name), scope, hclText(c.Role), principal, hclText(c.PrincipalType))
	case estate.Bicep:
		return writtenBicep(e, c, name, principal, scope, role)
	}
	if !known {
		scope = "'" + c.Scope.String() + "'"
	}
	owner, _, _ := strings.Cut(strings.TrimPrefix(principal, "reference("), ", '2")
	return fmt.Sprintf(`{"type": "Microsoft.Authorization/roleAssignments", "apiVersion": "2022-04-01", "scope": "[%s]", "name": "[guid(%s, %s, '%s')]",
 "properties": {"roleDefinitionId": "[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '%s')]", "principalId": "[%s]", "principalType": "%s"}}`,
		scope, scope, owner, role, role, principal, c.PrincipalType)
}

// writtenBicep names the assignment after what has the identity: an object id is not known when names have to be.
func writtenBicep(e *estate.Estate, c estate.Assign, name, principal, scope, role string) string {
	owner, _, _ := strings.Cut(principal, ".")
	target, ok := strings.CutSuffix(scope, ".id")
	at := "  scope: " + target + "\n"
	if !ok {
		at, scope = "  // scope: "+plain.Text(e.Place(c.Scope, azure.ID{}))+", as a module where it is in another resource group\n", BicepText(c.Scope.String())
	}
	return fmt.Sprintf(`resource %s 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(%s, %s.id, '%s')
%s  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '%s') // %s
    principalId: %s
    principalType: %s
  }
}`, name, scope, owner, role, at, role, plain.Text(c.Role), principal, BicepText(c.PrincipalType))
}

// lookup is the command that tells the object id of an identity that a plan or template brings, once it is there.
func lookup(e *estate.Estate, p azure.PrincipalID) (command string, ok bool) {
	if e == nil || !e.Foreseen(p) {
		return "", false
	}
	for _, c := range e.ActingAs(p) {
		for _, i := range e.Identities(c) {
			if i.Principal != p {
				continue
			}
			if path := principalPath(i); path != "" {
				return az(append([]string{"aks", "show", "--query", path, "--output", "tsv"}, named(c.ID)...)...), true
			}
			return az(append([]string{"identity", "show", "--query", "principalId", "--output", "tsv"}, named(i.Resource)...)...), true
		}
	}
	return "", false
}

// principalPath is where az aks show prints the object id of an identity that AKS makes; "" for one that is brought.
func principalPath(i estate.Identity) string {
	switch {
	case i.Role == estate.ControlPlane && i.Kind == estate.SystemAssigned:
		return "identity.principalId"
	case i.Role == estate.Kubelet:
		return "identityProfile.kubeletidentity.objectId"
	case i.Role == estate.AddOn && i.AddOn == "webAppRouting":
		return "ingressProfile.webAppRouting.identity.objectId"
	case i.Role == estate.AddOn:
		return "addonProfiles." + i.AddOn + ".identity.objectId"
	}
	return ""
}

// named are az's arguments for a resource; a subscription that nobody has named is the one that az is logged in to.
func named(id azure.ID) []string {
	out := []string{"--name", id.Name(), "--resource-group", id.ResourceGroup()}
	if _, err := azure.ParseGUID(id.Subscription()); err == nil && id.Subscription() != estate.UnnamedSubscription {
		out = append(out, "--subscription", id.Subscription())
	}
	return out
}
