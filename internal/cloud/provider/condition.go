package provider

import (
	"errors"
	"net/http"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/rbac"
)

// assignmentAttributes are what conditions read of a role assignment (Microsoft Learn: authorization actions and
// attributes): of a write what the request says, no more; of a delete what is there.
func assignmentAttributes(c *arm.Call) rbac.Attributes {
	if c.Method != http.MethodDelete {
		return rbac.Attributes{Request: attributesOf(c.Body)}
	}
	doc, err := c.Load(c.ID)
	if err != nil {
		return rbac.Attributes{} // the delete itself meets the error, or is refused
	}
	return rbac.Attributes{Resource: attributesOf(doc)}
}

func attributesOf(doc arm.Doc) map[string]any {
	m := map[string]any{}
	if role, err := roleGUID(arm.Str(doc, "properties.roleDefinitionId")); err == nil {
		m[rbac.AttributeRoleDefinition] = role
	}
	for name, path := range map[string]string{rbac.AttributePrincipal: "properties.principalId", rbac.AttributePrincipalType: "properties.principalType"} {
		if s := arm.Str(doc, path); s != "" {
			m[name] = s
		}
	}
	return m
}

// checkCondition refuses what is no condition, and any version but the one there is.
func checkCondition(props arm.Doc) *azure.Error {
	text := arm.Str(props, "condition")
	if text == "" {
		return nil
	}
	arm.Default(props, "conditionVersion", "2.0")
	err := rbac.CheckCondition(text)
	bad, _ := errors.AsType[*rbac.ConditionError](err)
	switch {
	case bad != nil && bad.Name != "":
		return azure.RoleAssignmentAttributeInvalid.Format(azure.Fields{"source": bad.Source, "name": bad.Name})
	case err != nil || arm.Str(props, "conditionVersion") != "2.0":
		return azure.RoleAssignmentConditionInvalid.Error()
	}
	return nil
}
