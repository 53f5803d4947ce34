package test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestAzAccess runs what the real az has for conditions, operations and privileged roles.
func TestAzAccess(t *testing.T) {
	c := newAz(t)
	t.Run("constrained delegation", c.testDelegation)
	t.Run("operations", c.testOperations)
	t.Run("privileged roles", c.testPrivileged)
}

// testDelegation lets an identity give AcrPull and nothing else.
func (c *azCloud) testDelegation(t *testing.T) {
	t.Parallel()
	const rg = "rg-delegate"
	c.group(t, rg)
	scope := "/subscriptions/" + c.sub + "/resourceGroups/" + rg
	team, app := c.identity(t, rg, "id-team"), c.identity(t, rg, "id-app")
	const acrPull = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
	condition := "!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'}) OR @Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {" + acrPull + "}"
	create := func(role, principal string, more ...string) []string {
		return append([]string{"role", "assignment", "create", "--role", role, "--assignee-object-id", principal, "--assignee-principal-type", "ServicePrincipal", "--scope", scope}, more...)
	}
	c.fails(t, "InvalidRoleAssignmentCondition", create("Role Based Access Control Administrator", team.PrincipalID, "--condition", "nonsense", "--condition-version", "2.0")...)
	c.ok(t, create("Role Based Access Control Administrator", team.PrincipalID, "--condition", condition, "--condition-version", "2.0")...)
	if r := c.az(t, "mi:"+team.ID, create("Owner", team.PrincipalID)...); r.code == 0 || !strings.Contains(r.stderr, "an ABAC condition not fulfilled") {
		t.Errorf("gave itself Owner: %d %s", r.code, r.stderr)
	}
	if r := c.az(t, "mi:"+team.ID, create(acrPull, app.PrincipalID)...); r.code != 0 {
		t.Errorf("AcrPull: %d %s", r.code, r.stderr)
	}
	if got := c.roles(t, app.PrincipalID); got["AcrPull"] != scope || len(got) != 1 {
		t.Errorf("the application has %v", got)
	}
	var may struct {
		Value []struct {
			Condition string
			Actions   []string
		}
	}
	r := c.az(t, "mi:"+team.ID, "rest", "--url", scope+"/providers/Microsoft.Authorization/permissions?api-version=2022-04-01")
	if err := json.Unmarshal([]byte(r.stdout), &may); err != nil || len(may.Value) != 1 || may.Value[0].Condition != condition {
		t.Errorf("the permissions of the team: %v %s %s", err, r.stdout, r.stderr)
	}
}

func (c *azCloud) testOperations(t *testing.T) {
	t.Parallel()
	var network struct {
		Name          string
		ResourceTypes []struct {
			Name       string
			Operations []struct {
				Name         string
				IsDataAction bool
			}
		}
	}
	c.json(t, &network, "provider", "operation", "show", "--namespace", "Microsoft.Network")
	if network.Name != "Microsoft.Network" || len(network.ResourceTypes) < 50 {
		t.Errorf("%s has %d types", network.Name, len(network.ResourceTypes))
	}
	if got := c.ok(t, "provider", "operation", "list", "--query", "[?name=='Microsoft.KeyVault'].resourceTypes[].operations[?isDataAction][].name | [?contains(@, 'secrets/getSecret')]", "--output", "tsv"); got != "Microsoft.KeyVault/vaults/secrets/getSecret/action" {
		t.Errorf("vaults' data actions: %s", got)
	}
}

// testPrivileged gives a role for an hour with az rest, as guides to Privileged Identity Management do, and lets a person be
// eligible for one.
func (c *azCloud) testPrivileged(t *testing.T) {
	t.Parallel()
	const rg, reader = "rg-privileged", "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	c.group(t, rg)
	scope := "/subscriptions/" + c.sub + "/resourceGroups/" + rg
	id := c.identity(t, rg, "id-hour")
	var person struct{ ID string }
	c.json(t, &person, "ad", "user", "create", "--display-name", "Vera", "--user-principal-name", "vera@aksid.onmicrosoft.com", "--password", "Correct-Horse-1")
	requests := 0
	request := func(kind, what, principal string) []string {
		requests++
		return []string{"rest", "--method", "put", "--url",
			fmt.Sprintf("%s/providers/Microsoft.Authorization/role%sScheduleRequests/00000000-0000-4000-9000-%012d?api-version=2020-10-01", scope, kind, requests), "--body",
			fmt.Sprintf(`{"properties":{"requestType":%q,"principalId":%q,"roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/%s","justification":"because",
				"scheduleInfo":{"expiration":{"type":"AfterDuration","duration":"PT1H"}}}}`, what, principal, reader)}
	}
	list := func(kind string) string {
		return c.ok(t, "rest", "--url", scope+"/providers/Microsoft.Authorization/role"+kind+"ScheduleInstances?api-version=2020-10-01&$filter=atScope()",
			"--query", "value[?properties.scope=='"+scope+"'].properties.principalId", "--output", "tsv")
	}
	show := func() int { return c.az(t, "mi:"+id.ID, "group", "show", "--name", rg).code }
	if show() == 0 {
		t.Error("reads without a role")
	}
	if got := c.ok(t, append(request("Assignment", "AdminAssign", id.PrincipalID), "--query", "properties.status", "--output", "tsv")...); got != "Provisioned" {
		t.Errorf("the request is %s", got)
	}
	if show() != 0 || list("Assignment") != id.PrincipalID || c.roles(t, id.PrincipalID)["Reader"] != scope {
		t.Errorf("the role for an hour: %s, %v", list("Assignment"), c.roles(t, id.PrincipalID))
	}
	c.ok(t, request("Assignment", "AdminRemove", id.PrincipalID)...)
	if show() == 0 || list("Assignment") != "" {
		t.Errorf("the role that was taken away: %s", list("Assignment"))
	}
	c.fails(t, "InvalidRoleAssignmentRequest", request("Eligibility", "AdminAssign", id.PrincipalID)...)
	c.ok(t, request("Eligibility", "AdminAssign", person.ID)...)
	if got := list("Eligibility"); got != person.ID || len(c.roles(t, person.ID)) != 0 {
		t.Errorf("eligible are %s", got)
	}
}
