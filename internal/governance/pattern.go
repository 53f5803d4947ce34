// Package governance is what policies say of clusters: the approved identity pattern as definitions of Azure Policy and what
// assigns them, and audits of clusters by definitions, from whatever source the clusters were read.
package governance

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"aksid/internal/azure"
	"aksid/internal/policy"
)

// patternJSON is the approved identity pattern: a definition each, without what all have alike.
//
//go:embed pattern.json
var patternJSON []byte

// entry is a definition of the pattern.
type entry struct {
	Name, DisplayName, Description, Type, Mode string
	Parameters                                 map[string]any
	If                                         any
}

// Initiative is the name of the initiative of the pattern, and of its assignment.
const Initiative = "aksid-identity-pattern"

const clusterType = "Microsoft.ContainerService/managedClusters"

// registryPolicies are built-in definitions that the initiative holds beside its own: registries whose admin account is on, or
// that everybody may pull from, are a way around identities.
var registryPolicies = []string{"dc921057-6b28-4fbe-9b83-f7bec05db6c2", "9f2dea28-e834-476c-99c5-3507b4728395"}

// Pattern are the definitions of the approved identity pattern, in the order in which they are explained.
var Pattern = sync.OnceValue(func() []*policy.Definition {
	var entries []entry
	d := json.NewDecoder(bytes.NewReader(patternJSON))
	d.UseNumber()
	if err := d.Decode(&entries); err != nil {
		panic(fmt.Sprintf("the pattern: %v", err)) // a part of the program
	}
	var all []*policy.Definition
	for _, e := range entries {
		definition, err := policy.Parse(e.document(), e.Name)
		if err != nil {
			panic(fmt.Sprintf("the pattern's %s: %v", e.Name, err))
		}
		all = append(all, definition)
	}
	return all
})

// document is the entry as a definition.
func (e entry) document() map[string]any {
	parameters := maps.Clone(e.Parameters)
	if parameters == nil {
		parameters = map[string]any{}
	}
	parameters["effect"] = effectParameter()
	return map[string]any{"name": e.Name, "properties": map[string]any{
		"displayName": e.DisplayName, "description": e.Description, "policyType": "Custom", "mode": cmp.Or(e.Mode, "Indexed"),
		"metadata": map[string]any{"category": "Kubernetes", "version": "1.0.0"}, "parameters": parameters,
		"policyRule": map[string]any{
			"if":   map[string]any{"allOf": []any{map[string]any{"field": "type", "equals": cmp.Or(e.Type, clusterType)}, e.If}},
			"then": map[string]any{"effect": "[parameters('effect')]"},
		}}}
}

func effectParameter() map[string]any {
	return map[string]any{"type": "String", "allowedValues": []any{"Audit", "Deny", "Disabled"}, "defaultValue": "Audit",
		"metadata": map[string]any{"displayName": "Effect", "description": "Audit marks what is not so, Deny refuses to write it, Disabled does nothing."}}
}

// Choices are what an export asks.
type Choices struct {
	Effect         string   // Audit, Deny or Disabled
	IdentityGroups []string // resource groups that identities may be in; none: every one
}

// scopePlaceholder stands for the subscription or management group where the definitions will be.
const scopePlaceholder = "{scope}"

// initiative is the initiative's document, with the definitions in scopePlaceholder.
func (c Choices) initiative() map[string]any {
	effect, groups := effectParameter(), Pattern()[slices.IndexFunc(Pattern(), takesGroups)].Doc
	effect["defaultValue"] = c.effect()
	allowed := maps.Clone(object(groups, "properties", "parameters", "allowedResourceGroups"))
	allowed["defaultValue"] = texts(c.IdentityGroups)
	var members []any
	for _, d := range Pattern() {
		parameters := map[string]any{"effect": value("[parameters('effect')]")}
		if takesGroups(d) {
			parameters["allowedResourceGroups"] = value("[parameters('allowedResourceGroups')]")
		}
		members = append(members, map[string]any{"policyDefinitionId": scopePlaceholder + "/providers/" + policy.TypeDefinition + "/" + d.Name,
			"policyDefinitionReferenceId": d.Name, "parameters": parameters})
	}
	for _, name := range registryPolicies {
		members = append(members, map[string]any{"policyDefinitionId": azure.Root.Resource(policy.TypeDefinition, name).String(),
			"policyDefinitionReferenceId": name, "parameters": map[string]any{"effect": value("[parameters('effect')]")}})
	}
	return map[string]any{"name": Initiative, "properties": map[string]any{
		"displayName": "Approved identity pattern of AKS clusters", "policyType": "Custom",
		"description": "Clusters run as user-assigned identities from approved resource groups, people and applications as themselves; nothing goes around that.",
		"metadata":    map[string]any{"category": "Kubernetes", "version": "1.0.0"},
		"parameters":  map[string]any{"effect": effect, "allowedResourceGroups": allowed}, "policyDefinitions": members}}
}

func takesGroups(d *policy.Definition) bool {
	return slices.ContainsFunc(d.Parameters, func(p policy.Parameter) bool { return p.Name == "allowedResourceGroups" })
}

func value(v any) map[string]any { return map[string]any{"value": v} }

func texts(list []string) []any {
	all := []any{}
	for _, s := range list {
		all = append(all, s)
	}
	return all
}

// object walks to an object by names.
func object(v any, names ...string) map[string]any {
	m, _ := v.(map[string]any)
	for _, name := range names {
		m, _ = m[name].(map[string]any)
	}
	return m
}
