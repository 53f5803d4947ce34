package remedy

import (
	"strings"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/estate"
)

const corp = "/providers/Microsoft.Management/managementGroups/corp"

// assigned is a definition that denies what a condition is true of, and its assignment at a scope.
func assigned(name, condition, scope string) map[string]string {
	return map[string]string{
		name + ".json": `{"id": "` + corp + `/providers/Microsoft.Authorization/policyDefinitions/` + name + `", "name": "` + name + `", "type": "Microsoft.Authorization/policyDefinitions", "properties": {"mode": "All", "displayName": "` + name + ` only",
			"policyRule": {"if": {"allOf": [{"field": "type", "equals": "Microsoft.Authorization/roleAssignments"}, ` + condition + `]}, "then": {"effect": "deny"}}}}`,
		name + "-here.json": `{"id": "` + scope + `/providers/Microsoft.Authorization/policyAssignments/` + name + `-here", "type": "Microsoft.Authorization/policyAssignments", "properties": {"policyDefinitionId": "` + corp + `/providers/Microsoft.Authorization/policyDefinitions/` + name + `"}}`,
	}
}

// A step that something is known to refuse says by what, and what to do instead; it is left to a person.
func TestRefusals(t *testing.T) {
	const field = "Microsoft.Authorization/roleAssignments/"
	joins := []azure.Action{"Microsoft.Network/virtualNetworks/subnets/join/action"}
	custom := map[string]string{"own.json": `{"id": "` + hub + `/providers/Microsoft.Authorization/roleDefinitions/12345678-1234-1234-1234-123456789012", "name": "12345678-1234-1234-1234-123456789012", "roleName": "Subnet join", "roleType": "CustomRole",
		"assignableScopes": ["` + hub + `"], "permissions": [{"actions": ["Microsoft.Network/virtualNetworks/subnets/join/action"]}]}`}
	give := estate.Assign{Role: "Network Contributor", Principal: azure.MustGUID(control), PrincipalType: "ServicePrincipal", Scope: azure.MustID(subnet)}
	held := azure.MustID(hub + "/providers/Microsoft.Authorization/roleAssignments/e0000000-0000-0000-0000-000000000001")
	lock := func(level string) map[string]string {
		return map[string]string{"hub.json": `{"id": "` + hub + `/providers/Microsoft.Authorization/locks/hub", "properties": {"level": "` + level + `"}}`}
	}
	deny := func(except string) map[string]string {
		return map[string]string{"deny.json": `{"id": "` + hub + `/providers/Microsoft.Authorization/denyAssignments/d0000000-0000-0000-0000-000000000001", "denyAssignmentName": "frozen", "scope": "` + hub + `",
			"permissions": [{"actions": ["Microsoft.Authorization/roleAssignments/*"]}], "principals": [{"id": "00000000-0000-0000-0000-000000000000", "type": "SystemDefined"}], "excludePrincipals": [` + except + `]}`}
	}
	for _, c := range []struct {
		name   string
		files  []map[string]string
		change estate.Change
		needs  []azure.Action
		want   []string // of each refusal: by, why, instead
	}{
		{name: "nothing in the way", change: give},
		{name: "only its own role is allowed", files: []map[string]string{custom, assigned("allowed", `{"not": {"field": "`+field+`roleDefinitionId", "contains": "12345678-1234-1234-1234-123456789012"}}`, hub)}, change: give, needs: joins,
			want: []string{`policy "allowed only", assigned as "allowed-here" at the 22222222-2222-2222-2222-222222222222 subscription (RequestDisallowedByPolicy)`, "give Subnet join, which grants what is needed and is not refused; or ask"}},
		{name: "no role of the same use is allowed", files: []map[string]string{assigned("allowed", `{"field": "`+field+`roleDefinitionId", "notLike": "*/none"}`, hub)}, change: give, needs: joins,
			want: []string{"RequestDisallowedByPolicy", "ask who owns the policy for an exemption: az policy exemption create --name aksid-"}},
		{name: "only groups", files: []map[string]string{assigned("groups", `{"field": "`+field+`principalType", "notEquals": "Group"}`, hub)}, change: give, needs: joins,
			want: []string{"groups only", "give the role to a group that the identity is a member of"}},
		{name: "only people", files: []map[string]string{assigned("people", `{"field": "`+field+`principalType", "notEquals": "User"}`, hub)}, change: give,
			want: []string{"people only", "--scope " + strings.ToLower(hub)[:14]}},
		{name: "a policy elsewhere", files: []map[string]string{assigned("groups", `{"field": "`+field+`principalType", "notEquals": "Group"}`, platform)}, change: give},
		{name: "a ReadOnly lock", files: []map[string]string{lock("ReadOnly")}, change: give, want: []string{"lock hub on the 2", "az lock delete --ids " + hub}},
		{name: "a CanNotDelete lock does not refuse a write", files: []map[string]string{lock("CanNotDelete")}, change: give},
		{name: "a CanNotDelete lock refuses to take a role away", files: []map[string]string{lock("CanNotDelete")}, change: estate.Unassign{ID: held}, want: []string{"ScopeLocked", "set it again"}},
		{name: "a deny assignment", files: []map[string]string{deny("")}, change: give, want: []string{`deny assignment "frozen" at the`, "its maker has to take it away"}},
		{name: "a deny assignment that leaves somebody out", files: []map[string]string{deny(`{"id": "` + pipeline + `", "type": "ServicePrincipal"}`)}, change: give, want: []string{"frozen", "one of the 1 principal that it leaves out"}},
		{name: "a deny assignment of another scope", files: []map[string]string{deny("")}, change: estate.Assign{Role: "AcrPull", Principal: azure.MustGUID(kubelet), PrincipalType: "ServicePrincipal", Scope: azure.MustID(registry)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := world(t, c.files...)
			s := New(e, []Wish{{c.change, e.Clusters[0], "x", "y", c.needs}}).Steps[0]
			if len(c.want) == 0 {
				if len(s.Refused) > 0 || s.ByHand != "" {
					t.Errorf("%+v", s.Refused)
				}
				return
			}
			if len(s.Refused) != 1 || !strings.Contains(s.Refused[0].Why, c.want[0]) || !strings.Contains(s.Refused[0].Instead, c.want[1]) || s.ByHand == "" {
				t.Errorf("%+v", s.Refused)
			}
		})
	}
}
