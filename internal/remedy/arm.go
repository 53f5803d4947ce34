package remedy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

// ARM is what the plan gives, as an ARM template for a deployment at a subscription: what the Bicep is in JSON.
func (p Plan) ARM() []File {
	m := p.module(estate.ARM)
	parameters, resources := object{}, []any{}
	for _, v := range m.values {
		if v.from == nil {
			parameters[v.symbol] = object{"type": "string", "defaultValue": v.text, "metadata": object{"description": v.label + "."}}
		}
	}
	for _, x := range m.parts {
		resources = append(resources, m.armPart(x))
	}
	var left []any
	for _, s := range m.left {
		left = append(left, object{"what": s.What, "az": filled(s.Az)})
	}
	schema := schemaOf("subscriptionDeploymentTemplate", "2018-05-01")
	if m.home() {
		schema = schemaOf("deploymentTemplate", "2019-04-01")
	}
	t := object{
		"$schema": schema, "contentVersion": "1.0.0.0",
		"parameters": parameters, "resources": resources,
	}
	if len(left) > 0 {
		t["metadata"] = object{"notInHere": left}
	}
	return []File{{"main.json", indented(t)}}
}

func schemaOf(name, version string) string {
	return "https://schema.management.azure.com/schemas/" + version + "/" + name + ".json#"
}

func indented(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // maps of strings always marshal
	return b.String()
}

// armPart is the nested deployment of a part.
func (m *module) armPart(x *part) object {
	inner := object{"$schema": schemaOf("subscriptionDeploymentTemplate", "2018-05-01"), "contentVersion": "1.0.0.0"}
	d := object{"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": x.deployment()}
	if !estate.Unnamed(x.scope.Subscription()) {
		d["subscriptionId"] = x.scope.Subscription()
	}
	if group := x.scope.ResourceGroup(); group != "" {
		if !m.plan.e.Expressions().Home(x.scope) {
			d["resourceGroup"] = group
		}
		inner["$schema"] = schemaOf("deploymentTemplate", "2019-04-01")
	} else {
		d["location"] = "[deployment().location]"
	}
	given, taken := object{}, object{}
	for _, v := range x.values() {
		given[v.symbol] = object{"value": m.armValue(v)}
		taken[v.symbol] = object{"type": "string"}
	}
	var resources []any
	for _, r := range x.roles {
		properties := roleProperties(r)
		properties["assignableScopes"] = []any{"[subscription().id]"}
		resources = append(resources, object{"type": typeDefinition, "apiVersion": "2022-04-01", "name": r.ID.String(), "properties": properties})
	}
	for _, a := range x.assigns {
		resources = append(resources, a.arm(x))
	}
	for _, t := range x.trusts {
		resources = append(resources, t.arm(x))
	}
	for _, p := range x.permits {
		resources = append(resources, p.arm())
	}
	inner["parameters"], inner["resources"] = taken, resources
	d["properties"] = object{"mode": "Incremental", "expressionEvaluationOptions": object{"scope": "inner"}, "parameters": given, "template": inner}
	var after []any
	for _, y := range m.parts {
		for _, symbol := range m.definers(x) {
			if y.symbol == symbol {
				after = append(after, "["+m.armID(y.scope, "Microsoft.Resources/deployments", y.deployment())+"]")
			}
		}
	}
	if len(after) > 0 {
		d["dependsOn"] = after
	}
	return d
}

// armID is the expression for a resource in a resource group or subscription, without brackets.
func (m *module) armID(scope azure.ID, typ string, names ...string) string {
	sub, group := armText(scope.Subscription()), armText(scope.ResourceGroup())
	if estate.Unnamed(scope.Subscription()) {
		sub = "subscription().subscriptionId"
	}
	if m.plan.e.Expressions().Home(scope) {
		group = "resourceGroup().name"
	}
	words := []string{sub, group}
	function := "resourceId"
	if scope.ResourceGroup() == "" {
		words, function = words[:1], "subscriptionResourceId"
	}
	words = append(words, armText(typ))
	for _, n := range names {
		words = append(words, armName(n))
	}
	return function + "(" + strings.Join(words, ", ") + ")"
}

// armValue is a value in the main template.
func (m *module) armValue(v *value) string {
	if v.from == nil {
		return fmt.Sprintf("[parameters(%s)]", armText(v.symbol))
	}
	typ, names := relative(v.from.id)
	id, version := m.armID(v.from.id.GroupID(), typ, names...), version(typ)
	if path, ok := strings.CutPrefix(v.path, "properties."); ok {
		return fmt.Sprintf("[reference(%s, '%s').%s]", id, version, path)
	}
	return fmt.Sprintf("[reference(%s, '%s', 'Full').%s]", id, version, v.path)
}

// armResource is the expression for a resource of a part, without brackets; more are names below it.
func armResource(typ string, id azure.ID, more ...string) string {
	_, names := relative(id)
	quoted := []string{armText(typ)}
	for _, n := range slices.Concat(names, more) {
		quoted = append(quoted, armName(n))
	}
	return "resourceId(" + strings.Join(quoted, ", ") + ")"
}

func (a assignment) arm(x *part) object {
	on := "subscription().id"
	if x.scope.ResourceGroup() != "" {
		on = "resourceGroup().id"
	}
	r := object{"type": typeAssignment, "apiVersion": "2022-04-01"}
	if a.on != nil {
		on = armResource(a.on.id.Type(), a.on.id)
		r["scope"] = "[" + on + "]"
	}
	r["name"] = fmt.Sprintf("[guid(%s, parameters(%s), '%s')]", on, armText(a.to.symbol), a.role)
	r["properties"] = object{
		"roleDefinitionId": fmt.Sprintf("[subscriptionResourceId('%s', '%s')]", typeDefinition, a.role),
		"principalId":      fmt.Sprintf("[parameters(%s)]", armText(a.to.symbol)), "principalType": a.PrincipalType,
	}
	return r
}

func (t trust) arm(x *part) object {
	r := object{
		"type": estate.TypeFederatedCredential, "apiVersion": version(estate.TypeIdentity), "name": armLiteral(t.Identity.Name() + "/" + t.Name),
		"properties": object{"issuer": fmt.Sprintf("[parameters(%s)]", armText(t.issuer.symbol)), "subject": armLiteral(t.Subject), "audiences": []any{estate.TokenAudience}},
	}
	for _, before := range x.trusts {
		if before.symbol == t.after {
			r["dependsOn"] = []any{"[" + armResource(estate.TypeFederatedCredential, before.Identity, before.Name) + "]"}
		}
	}
	return r
}

func (p permit) arm() object {
	return object{
		"type": typeAccessPolicy, "apiVersion": version(estate.TypeVault), "name": armLiteral(p.Vault.Name() + "/add"),
		"properties": object{"accessPolicies": []any{object{
			"tenantId":    fmt.Sprintf("[reference(%s, '%s').tenantId]", armResource(estate.TypeVault, p.Vault), version(estate.TypeVault)),
			"objectId":    fmt.Sprintf("[parameters(%s)]", armText(p.to.symbol)),
			"permissions": object{"keys": p.Keys},
		}}},
	}
}

// armLiteral is a text that is no expression, whatever it begins with.
func armLiteral(s string) string {
	if strings.HasPrefix(s, "[") {
		return "[" + s
	}
	return s
}

// armName is the expression for a name, of which a part may be known to a deployment alone.
func armName(name string) string {
	text, parts, ok := estate.SplitName(name)
	switch {
	case !ok || len(parts) == 0:
		return armText(name)
	case text == "{0}":
		return parts[0]
	}
	return "format(" + armText(text) + ", " + strings.Join(parts, ", ") + ")"
}

// armText writes a string inside an expression.
func armText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
