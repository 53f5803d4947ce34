package remedy

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2/hclwrite"

	"aksid/internal/azure"
	"aksid/internal/estate"
	"aksid/internal/plain"
)

// Terraform is what the plan gives, as a module for the azurerm provider. Names of assignments are those that Bicep gives.
func (p Plan) Terraform() []File {
	m := p.module(estate.Terraform)
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", p.title())
	for _, x := range m.sources {
		b.WriteString("\n" + m.terraformSource(x))
	}
	for _, v := range m.values {
		if v.from == nil && v.written.Text == "" {
			fmt.Fprintf(&b, "\nvariable \"%s\" {\n  description = %s\n  type        = string\n  default     = %s\n}\n", snake(v.symbol), hclText(v.label+"."), hclText(v.text))
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
		for _, t := range x.trusts {
			b.WriteString("\n" + m.terraformTrust(t))
		}
		for _, p := range x.permits {
			b.WriteString("\n" + p.terraform(m.scopeText(p.Vault)))
		}
	}
	b.WriteString(m.waiting("#", "depends_on = [%s]", func(a assignment, _ *part) string { return "azurerm_role_assignment." + snake(a.symbol) }))
	b.WriteString(m.comments("#"))
	if m.continues() {
		return []File{{"main.tf", formatted(b.String())}} // it goes into the configuration, which has its providers
	}
	return []File{{"main.tf", formatted(b.String())}, {"versions.tf", formatted(m.terraformVersions())}}
}

// formatted is a text as terraform fmt has it.
func formatted(text string) string { return string(hclwrite.Format([]byte(text))) }

// terraformVersions are the providers: one of azurerm for each subscription that identities are read in.
func (m *module) terraformVersions() string {
	var b strings.Builder
	b.WriteString(`terraform {
  required_version = ">= 1.3"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= ` + m.azurermVersion() + `"
    }
`)
	if slices.ContainsFunc(m.sources, (*source).isCluster) {
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
			alias = fmt.Sprintf("  alias = \"%s\"\n", providerAlias(sub))
		}
		fmt.Fprintf(&b, "\nprovider \"azurerm\" {\n%s  subscription_id = %s\n  features {}\n}\n", alias, hclText(sub))
	}
	return b.String()
}

// azurermVersion is the first version of the provider that takes the module: federated credentials name their identity as
// user_assigned_identity_id since 4.65 (the provider's change log).
func (m *module) azurermVersion() string {
	if slices.ContainsFunc(m.parts, func(x *part) bool { return len(x.trusts) > 0 }) {
		return "4.65"
	}
	return "4.0"
}

// subscriptions are those that the provider itself has to be in, for identities and their federated credentials, or of the
// parts; the first is the provider's without an alias.
func (m *module) subscriptions() []string {
	var out []string
	add := func(sub string) {
		if sub != "" && !slices.Contains(out, sub) {
			out = append(out, sub)
		}
	}
	for _, s := range m.sources {
		if !s.isCluster() {
			add(s.id.Subscription())
		}
	}
	for _, x := range m.parts {
		if len(x.trusts) > 0 {
			add(x.scope.Subscription())
		}
	}
	if len(out) == 0 && len(m.parts) > 0 {
		add(m.parts[0].scope.Subscription())
	}
	return out
}

func providerAlias(sub string) string { return "s" + sub[:min(8, len(sub))] }

// provider is the line that chooses the provider of a subscription. The names of a configuration's own are not known.
func (m *module) provider(sub string) string {
	switch subs := m.subscriptions(); {
	case sub == subs[0]:
		return ""
	case m.continues():
		return "  # provider = the one of subscription " + plain.Text(sub) + "\n"
	}
	return "  provider = azurerm." + providerAlias(sub) + "\n"
}

func (m *module) terraformSource(s *source) string {
	if !s.isCluster() {
		return fmt.Sprintf("# %s\ndata \"azurerm_user_assigned_identity\" \"%s\" {\n%s  name = %s\n  resource_group_name = %s\n}\n",
			plain.Text(s.label), snake(s.symbol), m.provider(s.id.Subscription()), hclText(s.id.Name()), hclText(s.id.ResourceGroup()))
	}
	var paths []string
	for _, v := range m.values {
		if v.from == s {
			paths = append(paths, hclText(v.path))
		}
	}
	// azurerm's own data source of clusters would take the credentials of the cluster into the state.
	return fmt.Sprintf("# %s\ndata \"azapi_resource\" \"%s\" {\n  type = \"%s@%s\"\n  resource_id = %s\n  response_export_values = [%s]\n}\n",
		plain.Text(s.label), snake(s.symbol), estate.TypeCluster, version(estate.TypeCluster), hclText(s.id.String()), strings.Join(paths, ", "))
}

// scopeText is a scope in Terraform: as the plan that brings it names it, or its id.
func (m *module) scopeText(id azure.ID) string {
	if ex := m.plan.e.Expressions(); ex.Language == estate.Terraform {
		if x, ok := ex.ID(id); ok {
			return x.Text
		}
	}
	return hclText(id.String())
}

// terraform is a value.
func (v *value) terraform() string {
	switch {
	case v.written.Text != "":
		return v.written.Text
	case v.from == nil:
		return "var." + snake(v.symbol)
	case v.from.isCluster():
		return "data.azapi_resource." + snake(v.from.symbol) + ".output." + v.path
	}
	return "data.azurerm_user_assigned_identity." + snake(v.from.symbol) + ".principal_id"
}

func (a assignment) terraform(scope string) string {
	name := fmt.Sprintf(`uuidv5("%s", join("-", [%s, %s, "%s"]))`, azure.TemplateNamespace, scope, a.to.terraform(), a.role)
	role := [2]string{"role_definition_name", hclText(a.Role)}
	if a.custom {
		role = [2]string{"role_definition_id", "azurerm_role_definition." + roleSymbol(a.Role) + ".role_definition_resource_id"}
	}
	return reasons("#", a.why) + hclResource("azurerm_role_assignment", a.symbol, "", [][2]string{
		{"name", name}, {"scope", scope}, role, {"principal_id", a.to.terraform()}, {"principal_type", hclText(a.PrincipalType)},
	})
}

func (m *module) terraformTrust(t trust) string {
	return reasons("#", t.why) + hclResource("azurerm_federated_identity_credential", t.symbol, m.provider(t.Identity.Subscription()), [][2]string{
		{"name", hclText(t.Name)}, {"user_assigned_identity_id", m.scopeText(t.Identity)}, {"issuer", t.issuer.terraform()},
		{"subject", hclText(t.Subject)}, {"audience", "[" + hclText(estate.TokenAudience) + "]"},
	})
}

func (p permit) terraform(vault string) string {
	var keys []string
	for _, k := range p.Keys {
		keys = append(keys, hclText(strings.ToUpper(k[:1])+k[1:])) // as the provider spells them: UnwrapKey
	}
	return reasons("#", p.why) + hclResource("azurerm_key_vault_access_policy", p.symbol, "", [][2]string{
		{"key_vault_id", vault}, {"tenant_id", hclText(p.tenant)}, {"object_id", p.to.terraform()}, {"key_permissions", "[" + strings.Join(keys, ", ") + "]"},
	})
}

// hclResource is a resource with attributes; before are lines that come first.
func hclResource(typ, symbol, before string, attributes [][2]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "resource \"%s\" \"%s\" {\n%s", typ, snake(symbol), before)
	for _, x := range attributes {
		fmt.Fprintf(&b, "  %s = %s\n", x[0], x[1])
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
