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
	at, known := x.ID(c.Scope)
	scope, role := at.Text, c.Role
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
			snake(name), scope, hclText(c.Role), principal.Text, hclText(c.PrincipalType))
	case estate.Bicep:
		return writtenBicep(e, c, name)
	}
	if !known {
		scope = writtenScope(e, c.Scope)
	}
	owner, _, _ := strings.Cut(strings.TrimPrefix(principal.Text, "reference("), ", '2")
	return fmt.Sprintf(`{"type": "Microsoft.Authorization/roleAssignments", "apiVersion": "2022-04-01", "scope": "[%s]", "name": "[guid(%s, %s, '%s')]",
 "properties": {"roleDefinitionId": "[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '%s')]", "principalId": "[%s]", "principalType": "%s"}}`,
		scope, scope, owner, role, role, principal.Text, c.PrincipalType)
}

// writtenScope is the expression for a scope that the template does not have.
func writtenScope(e *estate.Estate, id azure.ID) string {
	switch group := id.GroupID(); {
	case e.Expressions().Home(id):
		return "resourceGroup().id"
	case !group.IsZero() && !group.Equal(id):
		typ, names := relative(id)
		return (Plan{e: e}).module(estate.ARM).armID(group, typ, names...)
	}
	return armText(id.String())
}

// writtenBicep is a role assignment of a Bicep file. What is in another resource group, or known in a module alone, takes a module.
func writtenBicep(e *estate.Estate, c estate.Assign, symbol string) string {
	x := e.Expressions()
	who, _ := x.Principal(c.Principal)
	on, known := x.ID(c.Scope)
	a := assignment{Assign: c, role: roleOf(e, c.Role), symbol: symbol}
	if who.Module == "" && x.Home(c.Scope) {
		return strings.TrimSuffix(a.inline(who, ""), "\n")
	}
	if known && on.Module == who.Module && (on.Module != "" || !on.Away) {
		place := ""
		if on.Module != "" {
			place = "// in module " + on.Module + "\n"
		}
		return place + strings.TrimSuffix(a.inline(who, strings.TrimSuffix(on.Text, ".id")), "\n")
	}
	at := "a module with the scope of " + plain.Text(e.Place(scopeGroup(c.Scope), azure.ID{}))
	if known && on.Module != "" {
		at = "module " + on.Module
	}
	giver := who.Text
	if who.Module != "" {
		giver += " of module " + who.Module
	}
	a.to = &value{symbol: "principalId"}
	declared := ""
	if !c.Scope.Equal(scopeGroup(c.Scope)) {
		a.on = &target{canonical(c.Scope), (&module{names: map[string]bool{strings.ToLower(symbol): true}}).symbol(c.Scope.Name())}
		declared = bicepExisting(*a.on) + "}\n"
	}
	if known && on.Module != "" {
		a.on.symbol, declared = strings.TrimSuffix(on.Text, ".id"), ""
	}
	return fmt.Sprintf("// in %s\nparam principalId string // %s\n%s%s", at, giver, declared, strings.TrimSuffix(a.bicep(levelOf(c.Scope)), "\n"))
}

// scopeGroup is the resource group or subscription that something on a scope is deployed to; zero where there is none.
func scopeGroup(scope azure.ID) azure.ID {
	if group := scope.GroupID(); !group.IsZero() {
		return group
	}
	if scope.Subscription() != "" {
		return azure.SubscriptionID(scope.Subscription())
	}
	return azure.ID{}
}

// levelOf is the function of Bicep that gives what a scope is deployed to.
func levelOf(scope azure.ID) string {
	if scope.ResourceGroup() != "" {
		return "resourceGroup"
	}
	return "subscription"
}

// roleOf is the definition that a name stands for; zero where it is one that is made first.
func roleOf(e *estate.Estate, name string) azure.GUID {
	id, _ := Plan{e: e}.Role(name)
	return id
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
