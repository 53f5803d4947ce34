package estate

import (
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

// roleWriters are the resources that write authorization, and the directory as far as it matters to that.
var roleWriters = map[string]func(*plan, *planned){
	"azurerm_role_definition": roleDefinition,
	"azurerm_role_assignment": roleAssignment,
	typeAzapi:                 azapiAssignment,
	"azuread_group":           groupObject,
	"azuread_group_member":    groupMember,
}

// roleID is the id of a custom role: the plan's own, or one made from its address.
func (p *plan) roleID(r *planned) string {
	for _, a := range []string{"role_definition_resource_id", "role_definition_id"} {
		if s, ok := r.values[a].(string); ok && s != "" {
			id, _, _ := strings.Cut(s, "|") // as the provider spells its own ids
			if !strings.HasPrefix(id, "/") {
				id = azure.Root.Resource(typeDefinition, id).String()
			}
			return id
		}
	}
	scope := azure.SubscriptionID(p.subscription(r))
	return scope.Resource(typeDefinition, foreseenGUID("role", r.address).String()).String()
}

func roleDefinition(p *plan, r *planned) {
	var permissions, assignable []any
	for _, v := range listAt(r.values, "permissions") {
		permissions = append(permissions, map[string]any{
			"actions": member(v, "actions"), "notActions": member(v, "not_actions"),
			"dataActions": member(v, "data_actions"), "notDataActions": member(v, "not_data_actions"),
		})
	}
	for _, s := range p.attribute(r, "assignable_scopes", wantID(anyType)).values {
		assignable = append(assignable, s)
	}
	kind := "CustomRole"
	if b, ok := rbac.BuiltInRole(p.text(r, "name")); ok && r.data { // a data source has the role's id and often no more
		p.in.roles[b.ID] = *b
		return
	}
	doc := Doc{"id": p.roleID(r), "properties": map[string]any{
		"roleName": p.text(r, "name"), "type": kind, "permissions": permissions, "assignableScopes": assignable}}
	if id := linkAt(doc, "id"); !id.IsZero() && (len(permissions) > 0 || !r.data) {
		p.in.declare(id, p.declarationOf(r))
		_ = p.in.add(doc, "", "") // what is malformed is unknown
	}
}

// assigned is a role assignment as a plan writes it.
type assigned struct {
	scopes, principals found
	role               string // GUID
	principalType      string
	condition          string
}

func roleAssignment(p *plan, r *planned) {
	if r.data {
		return
	}
	a := assigned{
		scopes: p.single(r, "scope", wantID(anyType)), principals: p.single(r, "principal_id", wantPrincipal),
		role: p.roleOf(r), principalType: p.text(r, "principal_type"), condition: p.text(r, "condition"),
	}
	if v, _ := r.known("skip_service_principal_aad_check"); v == true && a.principalType == "" {
		a.principalType = "ServicePrincipal" // what the provider sends then
	}
	p.assign(r, a)
}

// roleOf is the role that an assignment gives, by its name or its definition.
func (p *plan) roleOf(r *planned) string {
	if name := p.text(r, "role_definition_name"); name != "" {
		if b, ok := rbac.BuiltInRole(name); ok {
			return b.ID.String()
		}
		for _, x := range p.ofType("azurerm_role_definition") {
			if strings.EqualFold(p.text(x, "name"), name) {
				return roleID(p.roleID(x)).String()
			}
		}
		return foreseenGUID("role", name).String()
	}
	f := p.single(r, "role_definition_id", want{[]string{"id", "role_definition_resource_id", "role_definition_id"}, func(s string) bool {
		return !roleID(s).IsZero()
	}})
	if id := roleID(f.one()); !id.IsZero() {
		return id.String()
	}
	return foreseenGUID("role of", r.address).String()
}

// azapiAssignment is a role assignment that the azapi provider writes as ARM has it.
func azapiAssignment(p *plan, r *planned) {
	typ, _, _ := strings.Cut(textAt(r.values, "type"), "@")
	if !strings.EqualFold(typ, typeAssignment) {
		return
	}
	body := p.docs[r.id.Key()]
	scope, _, _ := r.id.Split()
	a := assigned{principalType: textAt(body, "properties.principalType"), condition: textAt(body, "properties.condition"), role: roleID(textAt(body, "properties.roleDefinitionId")).String()}
	a.scopes.values = []string{scope.String()}
	if s := textAt(body, "properties.principalId"); s != "" {
		a.principals.values = []string{s}
	} else if expr, _ := r.expression("body"); expr != nil {
		a.principals = p.evaluate(p.siteOf(r), expr, wantPrincipal)
		a.principals.unsure = len(a.principals.values) != 1
	}
	p.assign(r, a)
}

// assign takes a role assignment in. One of which the plan does not tell for sure to whom it goes, or where, is held by a
// group of its own: whoever can be meant may be in it or not.
func (p *plan) assign(r *planned, a assigned) {
	scopes, unsure := p.scopesOf(a.scopes)
	unsure = unsure || a.principals.one() == ""
	holder, kind := a.principals.one(), a.principalType
	if unsure {
		holder, kind = foreseenGUID("whoever", r.address).String(), "Group"
		p.maybe(r, holder, a.principals.values)
	}
	for i, scope := range scopes {
		name := foreseenGUID("assignment", r.address, string(rune('0'+i)))
		doc := assignmentDoc(scope, name, a.role, holder, kind)
		if id, err := azure.ParseID(textAt(r.values, "id")); err == nil && i == 0 {
			doc["id"] = id.String()
		}
		if a.condition != "" {
			put(doc, "properties.condition", a.condition)
		}
		p.in.declare(linkAt(doc, "id"), p.declarationOf(r))
		_ = p.in.add(doc, "", "") // what is malformed is unknown
		p.maybeHere(r, a, scope)
	}
	r.id = scopes[0].Resource(typeAssignment, foreseenGUID("assignment", r.address, "0").String())
	if id, err := azure.ParseID(textAt(r.values, "id")); err == nil {
		r.id = id
	}
}

// scopesOf are the scopes that an assignment can have, and whether it is not known which.
func (p *plan) scopesOf(f found) (scopes []azure.ID, unsure bool) {
	for _, s := range f.values {
		if id, err := azure.ParseID(s); err == nil {
			scopes = append(scopes, id)
		}
	}
	if len(scopes) == 0 {
		return []azure.ID{azure.Root}, true
	}
	return scopes, f.unsure
}

// maybeHere takes into account that a subscription which an assignment names may be that of a provider which names none.
func (p *plan) maybeHere(r *planned, a assigned, scope azure.ID) {
	if p.subs[""] == "" || scope.Type() != azure.TypeSubscription || scope.Subscription() == UnnamedSubscription {
		return
	}
	group := foreseenGUID("whoever", r.address)
	for _, c := range a.principals.values {
		p.in.unsureOf(guidAt(Doc{"v": c}, "v"), []azure.PrincipalID{group})
	}
	p.in.putObject(Object{ID: group, Type: "Group", Name: r.address})
	p.in.addMember(group, group)
	_ = p.in.add(assignmentDoc(azure.SubscriptionID(UnnamedSubscription), foreseenGUID("here", r.address), a.role, group.String(), "Group"), "", "")
}

// maybe notes who can be meant by an assignment.
func (p *plan) maybe(r *planned, group string, candidates []string) {
	g := guidAt(Doc{"v": group}, "v")
	p.in.putObject(Object{ID: g, Type: "Group", Name: r.address})
	if len(candidates) == 0 {
		p.in.unsureOf(azure.PrincipalID{}, []azure.PrincipalID{g})
	}
	for _, c := range candidates {
		if id, err := azure.ParseGUID(c); err == nil {
			p.in.unsureOf(id, []azure.PrincipalID{g})
		}
	}
	p.in.addMember(g, g) // its members are told: no others
	p.in.incomplete(Incomplete{
		What: "to whom or on what " + r.address + " gives a role", Why: "the plan does not tell how the expression is made", Scope: azure.Root,
		Right: "the .tf files in the folder of the plan",
	})
}

func groupObject(p *plan, r *planned) {
	id := guidAt(Doc{"v": p.principal(r, "object_id")}, "v")
	p.in.putObject(Object{ID: id, Type: "Group", Name: p.text(r, "display_name")})
	if r.made {
		p.in.fresh[id] = true
	}
	for _, m := range p.attribute(r, "members", wantPrincipal).values {
		p.in.addMember(id, guidAt(Doc{"v": m}, "v"))
	}
}

func groupMember(p *plan, r *planned) {
	group := p.single(r, "group_object_id", want{[]string{"object_id", "id"}, isGUID}).one()
	who := p.single(r, "member_object_id", wantPrincipal).one()
	if group != "" && who != "" {
		p.in.addMember(guidAt(Doc{"v": group}, "v"), guidAt(Doc{"v": who}, "v"))
	}
}

// comesAfter reports whether the plan makes a resource only when another one is there.
func (p *plan) comesAfter(x, y azure.ID) bool {
	a, b := p.byID(x), p.byID(y)
	if a == nil || b == nil {
		return false
	}
	seen := map[string]bool{}
	return p.reaches(withoutKeys(a.address), withoutKeys(b.address), seen)
}

func (p *plan) byID(id azure.ID) *planned {
	for _, r := range p.sorted() {
		if r.id.Equal(id) {
			return r
		}
	}
	return nil
}

// reaches follows references and depends_on from one address to another; both without instance keys.
func (p *plan) reaches(from, to string, seen map[string]bool) bool {
	if seen[from] {
		return false
	}
	seen[from] = true
	for _, next := range p.edges(from) {
		if next == to || strings.HasPrefix(to, next+".") && strings.HasPrefix(lastPart(next), "module.") || p.reaches(next, to, seen) {
			return true
		}
	}
	return false
}

// lastPart is the last two names of an address: module.m of module.a.module.m.
func lastPart(address string) string {
	steps := stepsOf(address)
	return spell(steps[max(0, len(steps)-2):])
}

// edges are what an address depends on: a resource, a module, a module's output (module.m.output.o) or its input (module.m.var.v).
func (p *plan) edges(address string) []string {
	module, rest := splitModule(address)
	config := p.moduleConfig(module)
	var out []string
	switch {
	case len(rest) == 0: // a whole module
		for _, v := range listAt(config, "resources") {
			out = append(out, join(module, textAt(v, "address")))
		}
		for name := range mapAt(config, "module_calls") {
			out = append(out, join(module, "module."+name))
		}
		return out
	case rest[0].text == "output":
		expr, _ := memberAt(config, "outputs", rest[1].text, "expression").(map[string]any)
		out = p.refer(module, textsAt(expr, "references"))
		return append(out, p.refer(module, textsAt(memberAt(config, "outputs", rest[1].text), "depends_on"))...)
	case rest[0].text == "var":
		if parent, call := p.caller(module); call != nil {
			out = p.refer(withoutKeys(parent.module), textsAt(mapAt(call, "expressions."+rest[1].text), "references"))
		}
		return out
	}
	local := spell(rest)
	for _, v := range listAt(config, "resources") {
		if textAt(v, "address") == local {
			out = append(p.refer(module, allReferences(v)), p.refer(module, textsAt(v, "depends_on"))...)
		}
	}
	for m := module; m != ""; { // a module that waits lets everything in it wait
		parent, call := p.caller(m)
		out = append(out, p.refer(withoutKeys(parent.module), textsAt(call, "depends_on"))...)
		m = withoutKeys(parent.module)
	}
	return out
}

// splitModule splits an address without keys into its module and the rest.
func splitModule(address string) (string, []step) {
	steps := stepsOf(address)
	n := 0
	for n+1 < len(steps) && steps[n].text == "module" {
		n += 2
	}
	return spell(steps[:n]), steps[n:]
}

// refer are the addresses that references in a module mean.
func (p *plan) refer(module string, refs []string) []string {
	var out []string
	for _, ref := range longest(refs) {
		steps := slices.DeleteFunc(stepsOf(ref), func(s step) bool { return s.index })
		switch {
		case len(steps) < 2:
			continue
		case steps[0].text == "module" && len(steps) > 2:
			out = append(out, join(module, "module."+steps[1].text+".output."+steps[2].text))
		case steps[0].text == "data" && len(steps) > 2:
			out = append(out, join(module, spell(steps[:3])))
		default:
			out = append(out, join(module, spell(steps[:2])))
		}
	}
	return out
}

// allReferences are the references of every expression of a resource.
func allReferences(v any) []string {
	var out []string
	switch v := v.(type) {
	case map[string]any:
		out = append(out, textsAt(v, "references")...)
		for _, k := range sortedNames(v) {
			if k != "references" {
				out = append(out, allReferences(v[k])...)
			}
		}
	case []any:
		for _, x := range v {
			out = append(out, allReferences(x)...)
		}
	}
	return out
}
