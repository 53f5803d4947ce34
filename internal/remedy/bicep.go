package remedy

import (
	"fmt"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/plain"
)

// Bicep is what the plan gives, as a main file and a module for each resource group and subscription.
func (p Plan) Bicep() []File {
	m := p.module()
	files := []File{{"main.bicep", m.bicepMain()}}
	for _, x := range m.parts {
		files = append(files, File{x.symbol + ".bicep", m.bicepPart(x)})
	}
	return files
}

func (m *module) bicepMain() string {
	var b strings.Builder
	fmt.Fprintf(&b, "// %s\n// Deploy it with: az deployment sub create --location LOCATION --template-file main.bicep\ntargetScope = 'subscription'\n", m.plan.title())
	for _, p := range m.principals {
		b.WriteString("\n" + p.bicep())
	}
	for _, x := range m.parts {
		fmt.Fprintf(&b, "\nmodule %s '%s.bicep' = {\n  name: 'aksid-%s'\n  scope: %s\n", x.symbol, x.symbol, x.symbol, bicepScope(x.scope))
		if to := x.principals(); len(to) > 0 {
			b.WriteString("  params: {\n")
			for _, p := range to {
				fmt.Fprintf(&b, "    %s: %s\n", p.symbol, p.bicepValue())
			}
			b.WriteString("  }\n")
		}
		if after := m.definers(x); len(after) > 0 {
			fmt.Fprintf(&b, "  dependsOn: [\n    %s\n  ]\n", strings.Join(after, "\n    "))
		}
		b.WriteString("}\n")
	}
	return b.String() + m.comments("//")
}

// principals are those that a part's roles go to.
func (x *part) principals() []*principal {
	var out []*principal
	seen := map[*principal]bool{}
	for _, a := range x.assigns {
		if !seen[a.to] {
			out = append(out, a.to)
		}
		seen[a.to] = true
	}
	return out
}

// definers are the symbols of other parts that make roles which this one assigns.
func (m *module) definers(x *part) []string {
	var out []string
	for _, y := range m.parts {
		if y == x {
			continue
		}
		for _, r := range y.roles {
			if x.uses(r.ID) {
				out = append(out, y.symbol)
				break
			}
		}
	}
	return out
}

func (x *part) uses(role azure.GUID) bool {
	for _, a := range x.assigns {
		if a.role == role {
			return true
		}
	}
	return false
}

func bicepScope(id azure.ID) string {
	if group := id.ResourceGroup(); group != "" {
		return fmt.Sprintf("resourceGroup(%s, %s)", BicepText(id.Subscription()), BicepText(group))
	}
	return fmt.Sprintf("subscription(%s)", BicepText(id.Subscription()))
}

// bicep declares what a principal is read from.
func (p *principal) bicep() string {
	if p.resource.IsZero() {
		return fmt.Sprintf("@description(%s)\nparam %s string = %s\n", BicepText("Object id of "+p.label+"."), p.symbol, BicepText(p.id.String()))
	}
	typ, names := relative(p.resource)
	return fmt.Sprintf("// %s\nresource %s %s existing = {\n  name: %s\n  scope: %s\n}\n", plain.Text(p.label), p.symbol,
		BicepText(typ+"@"+version(typ)), BicepText(strings.Join(names, "/")), bicepScope(p.resource.GroupID()))
}

// bicepValue is the object id of a principal in the main file.
func (p *principal) bicepValue() string {
	switch {
	case p.resource.IsZero():
		return p.symbol
	case p.isCluster():
		return p.symbol + ".identity.principalId"
	}
	return p.symbol + ".properties.principalId"
}

func (p *principal) isCluster() bool {
	typ, _ := relative(p.resource)
	return strings.HasPrefix(strings.ToLower(typ), "microsoft.containerservice/")
}

func (m *module) bicepPart(x *part) string {
	var b strings.Builder
	level := "subscription"
	if x.scope.ResourceGroup() != "" {
		level = "resourceGroup"
	}
	fmt.Fprintf(&b, "targetScope = '%s'\n", level)
	for _, p := range x.principals() {
		fmt.Fprintf(&b, "\n@description(%s)\nparam %s string\n", BicepText("Object id of "+p.label+"."), p.symbol)
	}
	for _, r := range x.roles {
		fmt.Fprintf(&b, `
resource %s 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: '%s'
  properties: {
    roleName: %s
    description: %s
    type: 'CustomRole'
    assignableScopes: [
      subscription().id
    ]
    permissions: [
      {
        actions: %s
        notActions: []
        dataActions: %s
        notDataActions: []
      }
    ]
  }
}
`, m.symbol(r.Name), r.ID, BicepText(r.Name), BicepText(r.Description), bicepList(r.Actions), bicepList(r.DataActions))
	}
	seen := map[string]bool{"": true}
	for _, a := range x.assigns {
		if !seen[a.target] {
			typ, names := relative(a.Scope)
			fmt.Fprintf(&b, "\nresource %s %s existing = {\n  name: %s\n}\n", a.target, BicepText(typ+"@"+version(typ)), BicepText(strings.Join(names, "/")))
		}
		seen[a.target] = true
		b.WriteString("\n" + a.bicep(level))
	}
	return b.String()
}

func (a assignment) bicep(level string) string {
	var b strings.Builder
	for _, why := range a.why {
		fmt.Fprintf(&b, "// %s\n", plain.Text(why))
	}
	on, scope := level+"().id", ""
	if a.target != "" {
		on, scope = a.target+".id", "  scope: "+a.target+"\n"
	}
	fmt.Fprintf(&b, `resource %s 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(%s, %s, '%s')
%s  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '%s') // %s
    principalId: %s
    principalType: %s
  }
}
`, a.symbol, on, a.to.symbol, a.role, scope, a.role, plain.Text(a.Role), a.to.symbol, BicepText(a.PrincipalType))
	return b.String()
}

func bicepList(actions []azure.Action) string {
	if len(actions) == 0 {
		return "[]"
	}
	var b strings.Builder
	b.WriteString("[\n")
	for _, x := range actions {
		fmt.Fprintf(&b, "          %s\n", BicepText(string(x)))
	}
	return b.String() + "        ]"
}

// BicepText writes a string of Bicep: names may hold what would end it, or begin an expression in it.
func BicepText(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `'`, `\'`, `${`, `\${`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s)
	return "'" + s + "'"
}
