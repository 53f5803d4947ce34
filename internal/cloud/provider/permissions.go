package provider

import (
	"iter"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/rbac"
)

// listPermissions yields what the caller may do at a scope: the permissions of the roles that it holds there, itself and
// through groups, each under its own condition and its assignment's.
func listPermissions(c *arm.Call) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		for g := range c.Policy().GrantsOf(c.Caller.ID, c.Now) {
			role, ok := c.Policy().Role(g.Role)
			if !ok || !c.Covers(g.Scope, c.ID) {
				continue
			}
			for _, d := range permissionDocs(underCondition(role.Permissions, g.Condition)) {
				if !yield(d.(arm.Doc), nil) {
					return
				}
			}
		}
	}
}

// underCondition are permissions under a further condition.
func underCondition(all []rbac.Permission, condition string) []rbac.Permission {
	if condition == "" {
		return all
	}
	out := make([]rbac.Permission, len(all))
	for i, p := range all {
		if p.Condition != "" {
			p.Condition = "(" + p.Condition + ") AND (" + condition + ")"
		} else {
			p.Condition = condition
		}
		p.ConditionVersion = "2.0"
		out[i] = p
	}
	return out
}

const typeProviderOperations = "Microsoft.Authorization/providerOperations"

// providerOperations are the operations of one resource provider.
func providerOperations(c *arm.Call, namespace string, ops []azure.Action) arm.Doc {
	own, types := []any{}, []any{}
	byType := map[string]arm.Doc{}
	for _, op := range ops {
		typ := op.Type()[len(namespace):]
		if typ == "" {
			own = append(own, operationDoc(op))
			continue
		}
		name := typ[1:]
		t := byType[lower(name)]
		if t == nil {
			t = arm.Doc{"name": name, "displayName": name, "operations": []any{}}
			byType[lower(name)] = t
			types = append(types, t)
		}
		t["operations"] = append(t["operations"].([]any), operationDoc(op))
	}
	if !strings.Contains(lower(c.Param("$expand")), "resourcetypes") {
		types = []any{}
	}
	return arm.Doc{"id": azure.Root.Resource(typeProviderOperations, namespace).String(), "name": namespace, "type": typeProviderOperations,
		"displayName": namespace, "resourceTypes": types, "operations": own}
}

func operationDoc(op azure.Action) arm.Doc {
	return arm.Doc{"name": string(op), "displayName": string(op), "description": nil, "origin": "user,system", "properties": nil, "isDataAction": isDataAction(op)}
}

func getProviderOperations(c *arm.Call) (arm.Doc, *azure.Error) {
	for ns, ops := range operationsByProvider() {
		if strings.EqualFold(ns, c.ID.Name()) {
			return providerOperations(c, ns, ops), nil
		}
	}
	return nil, azure.InvalidNamespace.Format(azure.Fields{"namespace": c.ID.Name()})
}

func listProviderOperations(c *arm.Call) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		for ns, ops := range operationsByProvider() {
			if !yield(providerOperations(c, ns, ops), nil) {
				return
			}
		}
	}
}

// operationsType is where a provider lists its operations, to everybody.
func operationsType(namespace string) arm.Type {
	return arm.Type{Name: namespace + "/operations", Place: arm.InTenant, ReadOnly: true, Open: true, List: func(*arm.Call) iter.Seq2[arm.Doc, error] {
		return func(yield func(arm.Doc, error) bool) {
			for ns, ops := range operationsByProvider() {
				for _, op := range ops {
					if strings.EqualFold(ns, namespace) && !yield(listedOperation(ns, op), nil) {
						return
					}
				}
			}
		}
	}}
}

func listedOperation(namespace string, op azure.Action) arm.Doc {
	return arm.Doc{"name": string(op), "isDataAction": isDataAction(op), "display": arm.Doc{
		"provider": namespace, "resource": strings.TrimPrefix(op.Type()[len(namespace):], "/"), "operation": string(op), "description": ""}}
}
