package remedy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// ARM is what the plan gives, as an ARM template for a deployment at a subscription: what the Bicep is in JSON.
func (p Plan) ARM() []File {
	m := p.module()
	parameters, resources := object{}, []any{}
	for _, x := range m.principals {
		if x.resource.IsZero() {
			parameters[x.symbol] = object{"type": "string", "defaultValue": x.id.String(), "metadata": object{"description": "Object id of " + x.label + "."}}
		}
	}
	for _, x := range m.parts {
		resources = append(resources, m.armPart(x))
	}
	var left []any
	for _, s := range m.left {
		left = append(left, object{"what": s.What, "az": filled(s.Az)})
	}
	t := object{
		"$schema": schemaOf("subscriptionDeploymentTemplate", "2018-05-01"), "contentVersion": "1.0.0.0",
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
	d := object{"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "aksid-" + x.symbol, "subscriptionId": x.scope.Subscription()}
	if group := x.scope.ResourceGroup(); group != "" {
		d["resourceGroup"] = group
		inner["$schema"] = schemaOf("deploymentTemplate", "2019-04-01")
	} else {
		d["location"] = "[deployment().location]"
	}
	given, taken := object{}, object{}
	for _, p := range x.principals() {
		given[p.symbol] = object{"value": p.armValue()}
		taken[p.symbol] = object{"type": "string"}
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
	inner["parameters"], inner["resources"] = taken, resources
	d["properties"] = object{"mode": "Incremental", "expressionEvaluationOptions": object{"scope": "inner"}, "parameters": given, "template": inner}
	var after []any
	for _, y := range m.parts {
		for _, symbol := range m.definers(x) {
			if y.symbol == symbol {
				after = append(after, y.armID())
			}
		}
	}
	if len(after) > 0 {
		d["dependsOn"] = after
	}
	return d
}

// armID is the expression for a part's deployment.
func (x *part) armID() string {
	if group := x.scope.ResourceGroup(); group != "" {
		return fmt.Sprintf("[resourceId(%s, %s, 'Microsoft.Resources/deployments', %s)]", armText(x.scope.Subscription()), armText(group), armText("aksid-"+x.symbol))
	}
	return fmt.Sprintf("[subscriptionResourceId(%s, 'Microsoft.Resources/deployments', %s)]", armText(x.scope.Subscription()), armText("aksid-"+x.symbol))
}

func (p *principal) armValue() string {
	switch id := armText(p.resource.String()); {
	case p.resource.IsZero():
		return fmt.Sprintf("[parameters(%s)]", armText(p.symbol))
	case p.isCluster():
		return fmt.Sprintf("[reference(%s, '%s', 'Full').identity.principalId]", id, version("Microsoft.ContainerService"))
	default:
		return fmt.Sprintf("[reference(%s, '%s').principalId]", id, version("Microsoft.ManagedIdentity"))
	}
}

func (a assignment) arm(x *part) object {
	on := "subscription().id"
	if x.scope.ResourceGroup() != "" {
		on = "resourceGroup().id"
	}
	r := object{"type": typeAssignment, "apiVersion": "2022-04-01"}
	if a.target != "" {
		typ, names := relative(a.Scope)
		quoted := []string{armText(typ)}
		for _, n := range names {
			quoted = append(quoted, armText(n))
		}
		on = "resourceId(" + strings.Join(quoted, ", ") + ")"
		r["scope"] = "[" + on + "]"
	}
	r["name"] = fmt.Sprintf("[guid(%s, parameters(%s), '%s')]", on, armText(a.to.symbol), a.role)
	r["properties"] = object{
		"roleDefinitionId": fmt.Sprintf("[subscriptionResourceId('%s', '%s')]", typeDefinition, a.role),
		"principalId":      fmt.Sprintf("[parameters(%s)]", armText(a.to.symbol)), "principalType": a.PrincipalType,
	}
	return r
}

// armText writes a string inside an expression.
func armText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
