// Package policy is the language of Azure Policy (Microsoft Learn: Azure Policy definition structure): what definitions,
// initiatives, assignments and exemptions say of a resource's document. It is a pure function of texts: it reads nothing,
// knows no cluster and no cloud. What a document does not tell (Unknown values of a plan) is Unknown, never a violation.
package policy

import (
	"cmp"
	"slices"
	"strings"

	"aksid/internal/azure"
)

// Resource types of Azure Policy.
const (
	TypeDefinition = "Microsoft.Authorization/policyDefinitions"
	TypeSet        = "Microsoft.Authorization/policySetDefinitions"
	TypeAssignment = "Microsoft.Authorization/policyAssignments"
	TypeExemption  = "Microsoft.Authorization/policyExemptions"
)

// Truth is what a condition comes to. They are in order: "and" is the least, "or" the greatest.
type Truth int8

// Unknown is a condition on a value that is not known.
const (
	False Truth = iota - 1
	Unknown
	True
)

func (t Truth) String() string { return [...]string{"False", "Unknown", "True"}[t+1] }

func truth(b bool) Truth {
	if b {
		return True
	}
	return False
}

// Effect is what a policy does, in lower case.
type Effect string

// The effects (Microsoft Learn: Azure Policy definitions effect basics). Those of data planes and network managers are none
// of Resource Manager's.
const (
	Append            Effect = "append"
	Audit             Effect = "audit"
	AuditIfNotExists  Effect = "auditifnotexists"
	Deny              Effect = "deny"
	DenyAction        Effect = "denyaction"
	DeployIfNotExists Effect = "deployifnotexists"
	Disabled          Effect = "disabled"
	Manual            Effect = "manual"
	Modify            Effect = "modify"
)

var effects = []Effect{Append, Audit, AuditIfNotExists, Deny, DenyAction, DeployIfNotExists, Disabled, Manual, Modify,
	"addtonetworkgroup", "enforceopaconstraint", "enforceregopolicy", "mutate"}

// IfNotExists reports whether the effect asks for another resource.
func (e Effect) IfNotExists() bool { return e == AuditIfNotExists || e == DeployIfNotExists }

// Definition is a policy definition.
type Definition struct {
	ID          azure.ID // zero for one that stands in a file without an id
	Name        string
	DisplayName string
	Description string
	Category    string
	Type        string // BuiltIn, Custom or Static
	Mode        string // All, Indexed or a resource provider's, as Microsoft.Kubernetes.Data
	Parameters  []Parameter
	Doc         map[string]any // as it was read

	rule rule
}

// rule is if and then.
type rule struct {
	when    condition
	effect  operand
	details any // of then, as written: an object, or an array of append
	exists  condition
}

// Label is how a person calls the definition.
func (d *Definition) Label() string { return cmp.Or(d.DisplayName, d.Name) }

// ResourceManager reports whether the definition is about resources of Resource Manager. The others are about what is inside
// of a cluster, a vault, …, and are evaluated there.
func (d *Definition) ResourceManager() bool {
	return strings.EqualFold(d.Mode, "All") || strings.EqualFold(d.Mode, "Indexed")
}

// Parse reads a definition: Resource Manager's document, or the body of a request that writes one. name stands for it in
// errors where the document has none.
func Parse(doc map[string]any, name string) (*Definition, *azure.Error) {
	properties := objectAt(doc, "properties")
	if properties == nil {
		properties = doc // files of definitions come without
	}
	d := &Definition{Name: cmp.Or(textAt(doc, "name"), name), Doc: doc,
		DisplayName: textAt(properties, "displayName"), Description: textAt(properties, "description"), Category: textAt(properties, "metadata.category"),
		Type: cmp.Or(textAt(properties, "policyType"), "Custom"), Mode: cmp.Or(textAt(properties, "mode"), "All")}
	if id, err := azure.ParseID(textAt(doc, "id")); err == nil {
		d.ID, d.Name = id, id.Name()
	}
	if !modeRule.MatchString(d.Mode) {
		return nil, azure.InvalidPolicyMode.Format(azure.Fields{"policy": d.Name, "mode": d.Mode})
	}
	var err *azure.Error
	if d.Parameters, err = parseParameters(properties["parameters"], d.Name); err != nil {
		return nil, err
	}
	written := objectAt(properties, "policyRule")
	if written == nil {
		return nil, azure.MissingPolicyRule.Format(azure.Fields{"policy": d.Name})
	}
	return d, d.parseRule(written)
}

func (d *Definition) parseRule(written map[string]any) *azure.Error {
	p := &parser{policy: d.Name}
	p.try(func() { d.rule = p.rule(written, d.ResourceManager()) })
	switch {
	case p.fault != nil:
		return p.fault
	case !d.ResourceManager():
		return nil // their details are another language
	}
	return d.checkParameters(p.parameters)
}

// checkParameters refuses parameters that are used and not defined, or defined and not used, which some built-in ones have.
func (d *Definition) checkParameters(used []string) *azure.Error {
	for _, name := range used {
		if d.parameter(name) == nil {
			return azure.UndefinedInRule.Format(azure.Fields{"policy": d.Name, "parameter": name})
		}
	}
	var unused []string
	for _, p := range d.Parameters {
		if d.Type == "Custom" && !slices.ContainsFunc(used, func(name string) bool { return strings.EqualFold(name, p.Name) }) {
			unused = append(unused, p.Name)
		}
	}
	if len(unused) > 0 {
		return azure.UnusedPolicyParameters.Format(azure.Fields{"policy": d.Name, "parameters": strings.Join(unused, ",")})
	}
	return nil
}

func (d *Definition) parameter(name string) *Parameter {
	for i := range d.Parameters {
		if strings.EqualFold(d.Parameters[i].Name, name) {
			return &d.Parameters[i]
		}
	}
	return nil
}
