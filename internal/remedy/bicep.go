package remedy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/plain"
)

// Bicep is what the plan gives, as a main file and a module for each resource group and subscription.
func (p Plan) Bicep() []File {
	m := p.module(estate.Bicep)
	files := []File{{"main.bicep", m.bicepMain()}}
	for _, x := range m.parts {
		files = append(files, File{x.symbol + ".bicep", m.bicepPart(x)})
	}
	return files
}

func (m *module) bicepMain() string {
	var b strings.Builder
	fmt.Fprintf(&b, "// %s\n%s", m.plan.title(), m.bicepHead())
	for _, a := range m.inline {
		on, _ := m.plan.e.Expressions().ID(a.Scope)
		b.WriteString("\n" + a.inline(a.to.written, strings.TrimSuffix(on.Text, ".id")))
	}
	for _, s := range m.sources {
		b.WriteString("\n" + m.bicepSource(s))
	}
	for _, v := range m.values {
		if v.from == nil && v.written.Text == "" {
			b.WriteString("\n" + v.bicepParameter() + " = " + BicepText(v.text) + "\n")
		}
	}
	for _, x := range m.parts {
		b.WriteString("\n" + m.bicepModule(x))
	}
	b.WriteString(m.waiting("//", "dependsOn: [ %s ]", func(a assignment, x *part) string {
		if x == nil {
			return a.symbol
		}
		return x.symbol
	}))
	return b.String() + m.comments("//")
}

// bicepHead says how the main file is deployed.
func (m *module) bicepHead() string {
	switch {
	case m.continues():
		return "// Put it into the Bicep file that was read, whose names it uses, and the modules beside that.\n"
	case m.home():
		return "// Deploy it after the template that was read, to the same resource group:\n// az deployment group create --resource-group GROUP --template-file main.bicep\ntargetScope = 'resourceGroup'\n"
	}
	return "// Deploy it with: az deployment sub create --location LOCATION --template-file main.bicep\ntargetScope = 'subscription'\n"
}

// bicepModule calls the module of a part.
func (m *module) bicepModule(x *part) string {
	var b strings.Builder
	fmt.Fprintf(&b, "module %s '%s.bicep' = {\n  name: '%s'\n%s", x.symbol, x.symbol, x.deployment(), m.bicepScope(x.scope))
	given := x.values()
	if len(given) > 0 {
		b.WriteString("  params: {\n")
		for _, v := range given {
			fmt.Fprintf(&b, "    %s: %s\n", v.symbol, v.bicep())
		}
		b.WriteString("  }\n")
	}
	after := m.definers(x)
	for _, v := range given {
		if by := v.made; by != "" && !slices.Contains(after, by) {
			after = append(after, by)
		}
	}
	if len(after) > 0 {
		fmt.Fprintf(&b, "  dependsOn: [\n    %s\n  ]\n", strings.Join(after, "\n    "))
	}
	return b.String() + "}\n"
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

// bicepScope is the line that says where something is, as far as the file's own scope does not.
func (m *module) bicepScope(id azure.ID) string {
	sub, group := id.Subscription(), id.ResourceGroup()
	unnamed := estate.Unnamed(sub)
	scope := fmt.Sprintf("subscription(%s)", BicepText(sub))
	switch {
	case m.plan.e.Expressions().Home(id):
		return ""
	case group != "" && unnamed:
		scope = fmt.Sprintf("resourceGroup(%s)", BicepText(group))
	case group != "":
		scope = fmt.Sprintf("resourceGroup(%s, %s)", BicepText(sub), BicepText(group))
	case unnamed:
		scope = "subscription()"
	}
	return "  scope: " + scope + "\n"
}

// bicepSource declares what values are read from.
func (m *module) bicepSource(s *source) string {
	return fmt.Sprintf("// %s\n%s%s}\n", plain.Text(s.label), bicepExisting(target{s.id, s.symbol}), m.bicepScope(s.id.GroupID()))
}

// bicepExisting begins the declaration of a resource that is there.
func bicepExisting(t target) string {
	typ, names := relative(t.id)
	return fmt.Sprintf("resource %s %s existing = {\n  name: %s\n", t.symbol, BicepText(typ+"@"+version(typ)), bicepName(strings.Join(names, "/")))
}

// bicepName is a name as Bicep writes it, of which a part may be known to a deployment alone. Functions are called alike in Bicep.
func bicepName(name string) string {
	text, parts, ok := estate.SplitName(name)
	if !ok || len(parts) == 0 {
		return BicepText(name)
	}
	text = BicepText(text)
	for i, x := range parts {
		text = strings.ReplaceAll(text, fmt.Sprintf("{%d}", i), "${"+parameterCall.ReplaceAllString(x, "$1")+"}")
	}
	return text
}

// parameterCall is how ARM templates read a parameter, and Bicep does by its name alone.
var parameterCall = regexp.MustCompile(`(?i)parameters\('(\w+)'\)`)

// bicepParameter declares a value that is given from outside.
func (v *value) bicepParameter() string {
	return fmt.Sprintf("@description(%s)\nparam %s string", BicepText(v.label+"."), v.symbol)
}

// bicep is a value in the main file.
func (v *value) bicep() string {
	switch {
	case v.written.Text != "":
		return v.written.Text
	case v.from == nil:
		return v.symbol
	}
	return v.from.symbol + "." + v.path
}

func (m *module) bicepPart(x *part) string {
	var b strings.Builder
	level := "subscription"
	if x.scope.ResourceGroup() != "" {
		level = "resourceGroup"
	}
	fmt.Fprintf(&b, "targetScope = '%s'\n", level)
	for _, v := range x.values() {
		b.WriteString("\n" + v.bicepParameter() + "\n")
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
	for _, t := range x.targets {
		b.WriteString("\n" + bicepExisting(t) + "}\n")
	}
	for _, a := range x.assigns {
		b.WriteString("\n" + a.bicep(level))
	}
	for _, t := range x.trusts {
		b.WriteString("\n" + t.bicep())
	}
	for _, p := range x.permits {
		b.WriteString("\n" + p.bicep())
	}
	return b.String()
}

// reasons are comments that say why something is there.
func reasons(mark string, why []string) string {
	var b strings.Builder
	for _, w := range why {
		fmt.Fprintf(&b, "%s %s\n", mark, plain.Text(w))
	}
	return b.String()
}

func (a assignment) bicep(level string) string {
	on, scope := level+"().id", ""
	if a.on != nil {
		on, scope = a.on.symbol+".id", a.on.symbol
	}
	return reasons("//", a.why) + a.bicepResource(on+", "+a.to.symbol, scope, a.to.symbol)
}

// inline is the assignment in the file that has its target and what has the identity, after which it is named: an object id is
// not known when names have to be. target is "" for the resource group itself.
func (a assignment) inline(who estate.Expression, target string) string {
	owner, path, _ := strings.Cut(who.Text, ".")
	if by, of, ok := strings.Cut(strings.TrimPrefix(path, "properties."), "."); ok && by != "identity" {
		owner += ".id, '" + strings.TrimSuffix(of, ".objectId") + "'" // a cluster has several identities
	} else {
		owner += ".id"
	}
	on := "resourceGroup().id"
	if target != "" {
		on = target + ".id"
	}
	return reasons("//", a.why) + a.bicepResource(on+", "+owner, target, who.Text)
}

// bicepResource is the assignment, with what its name is made of beside the role, and where and whom it is for.
func (a assignment) bicepResource(name, scope, principal string) string {
	if scope != "" {
		scope = "  scope: " + scope + "\n"
	}
	return fmt.Sprintf(`resource %s 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(%s, '%s')
%s  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '%s') // %s
    principalId: %s
    principalType: %s
  }
}
`, a.symbol, name, a.role, scope, a.role, plain.Text(a.Role), principal, BicepText(a.PrincipalType))
}

func (t trust) bicep() string {
	after := ""
	if t.after != "" {
		after = "  dependsOn: [\n    " + t.after + " // Azure writes one at a time\n  ]\n"
	}
	return reasons("//", t.why) + fmt.Sprintf(`resource %s '%s@%s' = {
  parent: %s
  name: %s
  properties: {
    issuer: %s
    subject: %s
    audiences: [
      '%s'
    ]
  }
%s}
`, t.symbol, estate.TypeFederatedCredential, version(estate.TypeIdentity), t.on.symbol, BicepText(t.Name), t.issuer.symbol, BicepText(t.Subject), estate.TokenAudience, after)
}

func (p permit) bicep() string {
	var keys strings.Builder
	for _, k := range p.Keys {
		fmt.Fprintf(&keys, "            %s\n", BicepText(k))
	}
	return reasons("//", p.why) + fmt.Sprintf(`resource %s '%s@%s' = {
  parent: %s
  name: 'add'
  properties: {
    accessPolicies: [
      {
        tenantId: %s.properties.tenantId
        objectId: %s
        permissions: {
          keys: [
%s          ]
        }
      }
    ]
  }
}
`, p.symbol, typeAccessPolicy, version(estate.TypeVault), p.on.symbol, p.on.symbol, p.to.symbol, keys.String())
}

// typeAccessPolicy is the resource type that adds to the access policies of a vault.
const typeAccessPolicy = estate.TypeVault + "/accessPolicies"

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
