package template

import (
	"strings"

	"aksid/internal/azure"
)

// target is the scope that a deployment writes to. Its parts are strings, or *Unknown.
type target struct {
	level                                        level
	subscription, group, managementGroup, tenant any
}

// target of the outermost deployment. What the caller does not say is unknown.
func (d *Deployment) target() target {
	return target{level: d.Template.level, subscription: guidOr(d.Subscription, "subscription().subscriptionId"), group: textOr(d.Group, "resourceGroup().name"),
		managementGroup: textOr(d.ManagementGroup, "managementGroup().name"), tenant: guidOr(d.Tenant, "tenant().tenantId")}
}

func guidOr(g azure.GUID, expr string) any {
	if g.IsZero() {
		return textOr("", expr)
	}
	return g.String()
}

func textOr(s, expr string) any {
	if s == "" {
		return &Unknown{Expr: expr, Text: hole(expr)}
	}
	return s
}

// outermost is the frame of the deployment itself.
func (r *run) outermost() *frame {
	return r.newFrame(r.Template, textOr(r.Name, "deployment().name"), r.target())
}

// pieces are the scope's id in parts; none for the tenant.
func (t target) pieces() []any {
	switch t.level {
	case groupLevel:
		return []any{"/subscriptions/", t.subscription, "/resourceGroups/", t.group}
	case subscriptionLevel:
		return []any{"/subscriptions/", t.subscription}
	case managementGroupLevel:
		return []any{"/providers/Microsoft.Management/managementGroups/", t.managementGroup}
	}
	return nil
}

// spell is the scope's id; "" for the tenant.
func (t target) spell() string { return spell(t.pieces()) }

// spell puts texts together, with {expression} for unknown ones.
func spell(pieces []any) string {
	var b strings.Builder
	for _, p := range pieces {
		switch p := fill(p).(type) {
		case string:
			b.WriteString(p)
		}
	}
	return b.String()
}

func parseID(s string) (azure.ID, error) {
	if s == "" {
		return azure.Root, nil
	}
	return azure.ParseID(s)
}

// weave puts the names of a resource between the parts of its type: X/a/b and n/m are X/a/n/b/m. Parts of a name that is
// unknown as a whole are unknown.
func weave(typ, name string) string {
	types, names := strings.Split(typ, "/"), strings.Split(name, "/")
	var b strings.Builder
	b.WriteString(types[0])
	missing := len(types) - 1 - len(names)
	for i, t := range types[1:] {
		b.WriteString("/" + t + "/")
		if i < missing {
			b.WriteString("{…}")
		} else if i-missing < len(names) {
			b.WriteString(names[max(0, i-max(0, missing))])
		}
	}
	return b.String()
}

// canonical spells a resource group's id as ARM does: subscriptionResourceId() makes another one, which templates depend on.
func canonical(id azure.ID) azure.ID {
	const provider = "/providers/microsoft.resources/resourcegroups/"
	at := strings.Index(id.Key(), provider)
	if at < 0 {
		return id
	}
	text := id.String()
	return azure.MustID(text[:at] + "/resourceGroups/" + text[at+len(provider):])
}

// idFunctions make ids (Microsoft Learn: resource functions). Their arguments may be unknown, which then are parts of the id.
func idFunctions() map[string]*function {
	return map[string]*function{
		"resourceId":                def("any any...", (*env).resourceID).isLax(),
		"subscriptionResourceId":    def("any any...", (*env).subscriptionResourceID).isLax(),
		"tenantResourceId":          def("any any...", (*env).tenantResourceID).isLax(),
		"managementGroupResourceId": def("any any...", (*env).managementGroupResourceID).isLax(),
		"extensionResourceId":       def("any any any...", (*env).extensionResourceID).isLax(),
	}
}

func (e *env) resourceID(a []any) (any, error) {
	at := e.at
	before := typeAt(a, 2)
	switch before {
	case 1:
		at.group = a[0]
	case 2:
		at.subscription, at.group = a[0], a[1]
	}
	if before > 0 {
		at.level = groupLevel
	}
	return e.makeID("resourceId", a, at.pieces(), a[before:])
}

// typeAt is how many arguments stand before the type, which has a slash.
func typeAt(a []any, most int) int {
	for i, v := range a[:min(most+1, len(a))] {
		if s, ok := v.(string); ok && strings.Contains(s, "/") {
			return i
		}
	}
	return 0
}

func (e *env) subscriptionResourceID(a []any) (any, error) {
	at := e.at
	at.level = subscriptionLevel
	before := typeAt(a, 1)
	if before > 0 {
		at.subscription = a[0]
	}
	return e.makeID("subscriptionResourceId", a, at.pieces(), a[before:])
}

func (e *env) tenantResourceID(a []any) (any, error) { return e.makeID("tenantResourceId", a, nil, a) }

func (e *env) managementGroupResourceID(a []any) (any, error) {
	at := e.at
	at.level = managementGroupLevel
	before := typeAt(a, 1)
	if before > 0 {
		at.managementGroup = a[0]
	}
	return e.makeID("managementGroupResourceId", a, at.pieces(), a[before:])
}

func (e *env) extensionResourceID(a []any) (any, error) {
	return e.makeID("extensionResourceId", a, []any{a[0]}, a[1:])
}

// makeID is the id of a type and names below a scope.
func (e *env) makeID(function string, args, scope, rest []any) (any, error) {
	typ, ok := rest[0].(string)
	typ = strings.TrimSuffix(typ, "/")
	types := strings.Split(typ, "/")
	if !ok || len(types) < 2 {
		if isUnknown(rest[0]) {
			return e.run.newUnknown(function, args), nil
		}
		return nil, faultf("Unable to evaluate template language function '%s': the type '%s' is not a fully qualified resource type. "+
			"Please see https://aka.ms/arm-functions#%s for usage details.", function, e.run.text(rest[0]), lower(function))
	}
	if len(rest)-1 != len(types)-1 {
		return nil, faultf("Unable to evaluate template language function '%s': the type '%s' requires '%d' resource name argument(s). "+
			"Please see https://aka.ms/arm-functions#%s for usage details.", function, typ, len(types)-1, lower(function))
	}
	pieces := append([]any{}, scope...)
	pieces = append(pieces, "/providers/", types[0])
	for i, t := range types[1:] {
		name := rest[i+1]
		if _, ok := name.(string); !ok && !isUnknown(name) {
			name = e.run.text(name)
		}
		pieces = append(pieces, "/", t, "/", name)
	}
	return e.together(function, args, pieces), nil
}

// together is a text of pieces, an Unknown if one of them is.
func (e *env) together(function string, args, pieces []any) any {
	text := e.made(spell(pieces))
	if e.run.known(pieces) {
		return text
	}
	u := e.run.newUnknown(function, args)
	e.run.collect(u, pieces)
	u.Text = text
	return u
}

// scopeFunctions tell of the deployment and its surroundings (Microsoft Learn: deployment, resource and scope functions).
// What needs the providers' own data is known to the deployment only.
func scopeFunctions() map[string]*function {
	unknown := func(*env, []any) (any, error) { return nil, errUnknown }
	return map[string]*function{
		"resourceGroup":   def("", (*env).resourceGroup),
		"subscription":    def("", (*env).subscription),
		"managementGroup": def("", (*env).managementGroup),
		"tenant":          def("", (*env).tenant),
		"deployment":      def("", (*env).deployment),
		"deployer":        def("", (*env).deployer),
		"environment":     def("", (*env).environment),
		"providers":       def("string string?", unknown),
		"pickZones":       def("string string string int? int?", unknown),
		"toLogicalZone":   def("string string string", unknown),
		"toLogicalZones":  def("string string array", unknown),
		"toPhysicalZone":  def("string string string", unknown),
		"toPhysicalZones": def("string string array", unknown),
		"roleDefinitions": def("string", unknown),
		"extensions":      def("string", unknown),
	}
}

func (e *env) misplaced(function string) error {
	return faultf("The template function '%s' is not expected at this location. "+seeFunctions, strings.ToUpper(function))
}

// part is a property of a scope that is unknown, or known to what exists.
func (e *env) part(expr string, id azure.ID, path string) any {
	u := reading(expr, Ref{ID: id, Path: path})
	u.Text = hole(expr)
	return u
}

func (e *env) resourceGroup([]any) (any, error) {
	if e.at.level != groupLevel {
		return nil, e.misplaced("resourceGroup")
	}
	id, _ := parseID(e.at.spell())
	o := newObject("id", e.scopeID("resourceGroup().id"), "name", e.at.group, "type", "Microsoft.Resources/resourceGroups", "location", e.groupLocation(id),
		"tags", e.part("resourceGroup().tags", id, "tags"), "properties", newObject("provisioningState", "Succeeded"))
	if doc, ok := e.run.existing(id, ""); ok {
		for _, name := range []string{"tags", "managedBy"} {
			if v, ok := doc[name]; ok {
				o.set(name, fromPlain(v))
			}
		}
	}
	return o, nil
}

// scopeID is the id of the deployment's scope.
func (e *env) scopeID(expr string) any {
	pieces := e.at.pieces()
	if e.run.known(pieces) {
		return spell(pieces)
	}
	u := &Unknown{Expr: expr, Text: spell(pieces)}
	e.run.collect(u, pieces)
	return u
}

// groupLocation is where a resource group is: what the caller says of its own, the template of those that it makes.
func (e *env) groupLocation(id azure.ID) any {
	own, _ := parseID(e.run.target().spell())
	if own.Equal(id) && e.run.Location != "" {
		return e.run.Location
	}
	if r := e.run.byID[id.Key()]; r != nil && r.env != nil {
		if n := r.declaration.get("location"); n != nil {
			if v, err := r.env.value(n); err == nil {
				return v
			}
		}
	}
	if doc, ok := e.run.existing(id, ""); ok && doc["location"] != nil {
		return fromPlain(doc["location"])
	}
	return e.part("resourceGroup().location", id, "location")
}

func (e *env) subscription([]any) (any, error) {
	if e.at.level > subscriptionLevel {
		return nil, e.misplaced("subscription")
	}
	pieces := []any{"/subscriptions/", e.at.subscription}
	id, _ := parseID(spell(pieces))
	sub := e.at
	sub.level = subscriptionLevel
	inSub := *e
	inSub.frame = &frame{run: e.run, at: sub}
	return newObject("id", inSub.scopeID("subscription().id"), "subscriptionId", e.at.subscription, "tenantId", e.at.tenant,
		"displayName", e.part("subscription().displayName", id, "displayName")), nil
}

func (e *env) managementGroup([]any) (any, error) {
	if e.at.level != managementGroupLevel {
		return nil, e.misplaced("managementGroup")
	}
	return newObject("id", e.scopeID("managementGroup().id"), "name", e.at.managementGroup, "type", "/providers/Microsoft.Management/managementGroups",
		"properties", &Unknown{Expr: "managementGroup().properties"}), nil
}

func (e *env) tenant([]any) (any, error) {
	id := e.together("tenant", nil, []any{"/tenants/", e.at.tenant})
	return newObject("id", id, "tenantId", e.at.tenant, "countryCode", &Unknown{Expr: "tenant().countryCode"}, "displayName", &Unknown{Expr: "tenant().displayName"}), nil
}

// deployment describes the deployment itself. Its template and parameters are there for what ARM's templates ask of them:
// names in messages, and the version.
func (e *env) deployment([]any) (any, error) {
	template := newObject()
	for _, name := range []string{"$schema", "languageVersion", "contentVersion", "metadata"} {
		if n := e.template.root.get(name); n != nil {
			template.set(name, n.data())
		}
	}
	template.set("resources", &Unknown{Expr: "deployment().properties.template.resources"})
	o := newObject("name", e.frame.name)
	if e.at.level != groupLevel {
		o.set("location", textOr(e.run.Location, "deployment().location"))
	}
	o.set("properties", newObject("template", template, "templateHash", &Unknown{Expr: "deployment().properties.templateHash"},
		"parameters", &Unknown{Expr: "deployment().properties.parameters"}, "mode", "Incremental", "provisioningState", "Accepted"))
	return o, nil
}

func (e *env) deployer([]any) (any, error) {
	return newObject("objectId", guidOr(e.run.Deployer, "deployer().objectId"), "tenantId", e.at.tenant,
		"userPrincipalName", &Unknown{Expr: "deployer().userPrincipalName"}), nil
}

// suffixes of the clouds' services by the cloud's name (az cloud list): storage, Key Vault, SQL.
var suffixes = map[string][3]string{
	"AzureCloud":        {"core.windows.net", ".vault.azure.net", ".database.windows.net"},
	"AzureUSGovernment": {"core.usgovcloudapi.net", ".vault.usgovcloudapi.net", ".database.usgovcloudapi.net"},
	"AzureChinaCloud":   {"core.chinacloudapi.cn", ".vault.azure.cn", ".database.chinacloudapi.cn"},
}

func (e *env) environment([]any) (any, error) {
	c := e.run.Cloud
	if c.Name == "" {
		c = azure.Clouds[0]
	}
	s, ok := suffixes[c.Name]
	if !ok {
		s = suffixes["AzureCloud"]
	}
	return newObject("name", c.Name, "resourceManager", strings.TrimSuffix(c.ARM, "/")+"/",
		"authentication", newObject("loginEndpoint", c.Authority, "audiences", []any{c.Audience, strings.TrimSuffix(c.ARM, "/") + "/"}, "tenant", "common", "identityProvider", "AAD"),
		"suffixes", newObject("acrLoginServer", c.RegistrySuffix, "keyvaultDns", s[1], "sqlServerHostname", s[2], "storage", s[0])), nil
}
