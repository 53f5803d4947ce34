package remedy

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/plain"
)

// Terraform is what the plan gives, as a module for the azurerm provider. Names of assignments are those that Bicep gives.
func (p Plan) Terraform() []File {
	m := p.module()
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", p.title())
	for _, x := range m.principals {
		if x.written == "" {
			b.WriteString("\n" + x.terraform(m.subscriptions()[0]))
		}
	}
	for _, x := range m.parts {
		for _, r := range x.roles {
			fmt.Fprintf(&b, `
resource "azurerm_role_definition" "%s" {
  role_definition_id = "%s"
  name               = %s
  scope              = %s
  description        = %s
  assignable_scopes  = [%s]

  permissions {
%s%s  }
}
`, roleSymbol(r.Name), r.ID, hclText(r.Name), hclText(r.Scope.String()), hclText(r.Description), hclText(r.Scope.String()),
				hclList("actions", r.Actions), hclList("data_actions", r.DataActions))
		}
	}
	for _, x := range m.parts {
		for _, a := range x.assigns {
			b.WriteString("\n" + a.terraform(m.scopeText(a.Scope)))
		}
	}
	b.WriteString(m.comments("#"))
	if m.plan.e.Expressions().Language == estate.Terraform {
		return []File{{"main.tf", b.String()}} // it goes into the configuration, which has its providers
	}
	return []File{{"main.tf", b.String()}, {"versions.tf", m.terraformVersions()}}
}

// terraformVersions are the providers: one of azurerm for each subscription that identities are read in.
func (m *module) terraformVersions() string {
	var b strings.Builder
	b.WriteString(`terraform {
  required_version = ">= 1.3"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.0"
    }
`)
	if slices.ContainsFunc(m.principals, func(p *principal) bool { return !p.resource.IsZero() && p.isCluster() }) {
		b.WriteString(`    azapi = {
      source  = "Azure/azapi"
      version = ">= 2.0"
    }
`)
	}
	b.WriteString("  }\n}\n")
	for i, sub := range m.subscriptions() {
		alias := ""
		if i > 0 {
			alias = fmt.Sprintf("  alias           = \"%s\"\n", providerAlias(sub))
		}
		fmt.Fprintf(&b, "\nprovider \"azurerm\" {\n%s  subscription_id = %s\n  features {}\n}\n", alias, hclText(sub))
	}
	return b.String()
}

// subscriptions are those of the identities, and of the parts; the first is the provider's without an alias.
func (m *module) subscriptions() []string {
	var out []string
	for _, p := range m.principals {
		if sub := p.resource.Subscription(); sub != "" && !p.isCluster() && !slices.Contains(out, sub) {
			out = append(out, sub)
		}
	}
	if len(out) == 0 && len(m.parts) > 0 {
		out = append(out, m.parts[0].scope.Subscription())
	}
	return out
}

func providerAlias(sub string) string { return "s" + sub[:min(8, len(sub))] }

func (p *principal) terraform(first string) string {
	name, provider := snake(p.symbol), ""
	if sub := p.resource.Subscription(); sub != first {
		provider = "  provider            = azurerm." + providerAlias(sub) + "\n"
	}
	switch {
	case p.resource.IsZero():
		return fmt.Sprintf("variable \"%s\" {\n  description = %s\n  type        = string\n  default     = \"%s\"\n}\n", name, hclText("Object id of "+p.label+"."), p.id)
	case p.isCluster():
		return fmt.Sprintf("# %s\ndata \"azapi_resource\" \"%s\" {\n  type                   = \"%s@%s\"\n  resource_id            = %s\n  response_export_values = [\"identity.principalId\"]\n}\n",
			plain.Text(p.label), name, "Microsoft.ContainerService/managedClusters", version("Microsoft.ContainerService"), hclText(p.resource.String()))
	}
	return fmt.Sprintf("# %s\ndata \"azurerm_user_assigned_identity\" \"%s\" {\n%s  name                = %s\n  resource_group_name = %s\n}\n",
		plain.Text(p.label), name, provider, hclText(p.resource.Name()), hclText(p.resource.ResourceGroup()))
}

// scopeText is a scope in Terraform: as the plan that brings it names it, or its id.
func (m *module) scopeText(id azure.ID) string {
	if ex := m.plan.e.Expressions(); ex.Language == estate.Terraform {
		if text, ok := ex.ID(id); ok {
			return text
		}
	}
	return hclText(id.String())
}

// terraformValue is the object id of a principal.
func (p *principal) terraformValue() string {
	name := snake(p.symbol)
	switch {
	case p.written != "":
		return p.written
	case p.resource.IsZero():
		return "var." + name
	case p.isCluster():
		return "data.azapi_resource." + name + ".output.identity.principalId"
	}
	return "data.azurerm_user_assigned_identity." + name + ".principal_id"
}

func (a assignment) terraform(scope string) string {
	var b strings.Builder
	for _, why := range a.why {
		fmt.Fprintf(&b, "# %s\n", plain.Text(why))
	}
	name := fmt.Sprintf(`uuidv5("%s", join("-", [%s, %s, "%s"]))`, azure.TemplateNamespace, scope, a.to.terraformValue(), a.role)
	role := [2]string{"role_definition_name", hclText(a.Role)}
	if a.custom {
		role = [2]string{"role_definition_id", "azurerm_role_definition." + roleSymbol(a.Role) + ".role_definition_resource_id"}
	}
	fmt.Fprintf(&b, "resource \"azurerm_role_assignment\" \"%s\" {\n", snake(a.symbol))
	for _, x := range [][2]string{{"name", name}, {"scope", scope}, role, {"principal_id", a.to.terraformValue()}, {"principal_type", hclText(a.PrincipalType)}} {
		fmt.Fprintf(&b, "  %-*s = %s\n", len(role[0]), x[0], x[1])
	}
	return b.String() + "}\n"
}

func roleSymbol(name string) string { return snake((&module{names: map[string]bool{}}).symbol(name)) }

// snake spells a symbol as Terraform's are.
func snake(s string) string {
	var b strings.Builder
	for i, r := range s {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// hclList is a list of actions as an attribute of permissions, or nothing.
func hclList(name string, actions []azure.Action) string {
	if len(actions) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "    %s = [\n", name)
	for _, x := range actions {
		fmt.Fprintf(&b, "      %s,\n", hclText(string(x)))
	}
	return b.String() + "    ]\n"
}

// hclText writes a string of HCL: names may hold what would end it, or begin a template in it.
func hclText(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", "$${", "%{", "%%{", "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s)
	return `"` + s + `"`
}
