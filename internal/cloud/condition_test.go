package cloud_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const rbacAdministrator = "f58310d9-a9f6-439a-9e8d-f62e7b41a168"

// assign is a role assignment's PUT: by whom, where, of which role to whom; extra are further properties.
func (u *user) assign(scope, name, role, principal string, extra ...string) reply {
	u.w.Helper()
	p := obj{"principalId": principal, "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/" + role}
	for i := 0; i+1 < len(extra); i += 2 {
		p[extra[i]] = extra[i+1]
	}
	return u.put(scope+"/providers/Microsoft.Authorization/roleAssignments/"+name, obj{"properties": p})
}

// onlyPull is the documented condition that lets somebody give AcrPull to service principals, and take it away.
const onlyPull = `((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {7f951dda-4ed3-4680-a7ca-43fe172d538d} AND @Request[Microsoft.Authorization/roleAssignments:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {'ServicePrincipal'})) AND ((!(ActionMatches{'Microsoft.Authorization/roleAssignments/delete'})) OR (@Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {7f951dda-4ed3-4680-a7ca-43fe172d538d} AND @Resource[Microsoft.Authorization/roleAssignments:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {'ServicePrincipal'}))`

// TestConstrainedDelegation lets a team give its identities AcrPull, and nothing else.
func TestConstrainedDelegation(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	_, identity, _ := w.identity(rg, "id1")
	person := op.do("POST", "/v1.0/users", obj{"displayName": "P", "userPrincipalName": "p@aksid.onmicrosoft.com", "mailNickname": "p", "accountEnabled": true, "passwordProfile": obj{"password": "Correct-Horse-1"}}).ok(201).str("id")
	team := w.application("team")
	given := op.assign(rg, guid(), rbacAdministrator, team.id, "condition", onlyPull).ok(201)
	if given.str("properties.condition") != onlyPull || given.str("properties.conditionVersion") != "2.0" {
		t.Errorf("the condition is kept as %s", given.raw)
	}

	const refusal = "does not have authorization or an ABAC condition not fulfilled to perform action 'Microsoft.Authorization/roleAssignments/write' over scope '"
	name := guid()
	team.assign(rg, name, roles["AcrPull"], identity).refused(403, "AuthorizationFailed", refusal) // the type is not in the request
	team.assign(rg, name, roles["AcrPull"], identity, "principalType", "ServicePrincipal").ok(201)
	team.assign(rg, name, roles["AcrPull"], identity, "principalType", "ServicePrincipal", "description", "again").ok(201)
	team.assign(rg, guid(), roles["AcrPull"], person, "principalType", "User").refused(403, "AuthorizationFailed", refusal)
	owner := guid()
	team.assign(rg, owner, roles["Owner"], team.id, "principalType", "ServicePrincipal").refused(403, "AuthorizationFailed", refusal+rg+"/providers/Microsoft.Authorization/roleAssignments/"+owner+"'")

	at := func(name string) string { return rg + "/providers/Microsoft.Authorization/roleAssignments/" + name }
	const noDelete = "an ABAC condition not fulfilled to perform action 'Microsoft.Authorization/roleAssignments/delete'"
	team.delete(at(given.str("name"))).refused(403, "AuthorizationFailed", noDelete)
	team.delete(at(guid())).refused(403, "AuthorizationFailed", noDelete) // what is not there has no attributes
	team.delete(at(name)).ok(200)
	team.get(rg).ok(200) // the condition is about nothing else

	// more than one assignment: the one without condition counts
	op.assign(rg, guid(), roles["User Access Administrator"], team.id).ok(201)
	team.assign(rg, guid(), roles["Reader"], person).ok(201)
}

// TestBuiltInDelegates have a condition in the role itself.
func TestBuiltInDelegates(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	_, identity, _ := w.identity(rg, "id1")
	vault := w.application("vault")
	op.assign(rg, guid(), "8b54135c-b56d-4d72-a534-26097cfdc8d8", vault.id).ok(201) // Key Vault Data Access Administrator
	name := guid()
	vault.assign(rg, name, "4633458b-17de-408a-b874-0445c86b69e6", identity).ok(201) // Key Vault Secrets User
	vault.assign(rg, guid(), roles["Reader"], identity).refused(403, "AuthorizationFailed", "or an ABAC condition not fulfilled")
	vault.delete(rg + "/providers/Microsoft.Authorization/roleAssignments/" + name).ok(200)
}

// TestConditionsOfTime count from a time on, and until another one.
func TestConditionsOfTime(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	u := w.application("u")
	when := w.clock.Now().UTC().Add(10 * time.Minute).Format("2006-01-02T15:04:05Z")
	op.assign(rg, guid(), roles["Reader"], u.id, "condition", "@Environment[UtcNow] DateTimeGreaterThan '"+when+"'").ok(201)
	u.get(rg).refused(403, "AuthorizationFailed", "or an ABAC condition not fulfilled to perform action 'Microsoft.Resources/subscriptions/resourceGroups/read'")
	w.clock.Add(11 * time.Minute)
	u.get(rg).ok(200)
}

// TestConditionsOnData decide where the services know what they read, and what a call does not have is missing.
func TestConditionsOnData(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg1")
	abac := w.acr(rg, "freightacr", obj{"roleAssignmentMode": "AbacRepositoryPermissions"})
	vault := w.vault(rg, "freightkv", obj{"enableRbacAuthorization": true})
	const secret = "https://freightkv.vault.azure.net/secrets/s?api-version=7.4"
	w.give(w.operator.id, "Key Vault Secrets Officer", vault)
	w.as(w.operator).ask("https://vault.azure.net", "PUT", secret, `{"value":"v"}`, "Content-Type", "application/json").ok(200)
	for condition, open := range map[string]bool{
		"@Environment[isPrivateLink] BoolEquals true":                                                           false,
		"@Environment[isPrivateLink] BoolEquals false":                                                          true,
		"NOT Exists @Environment[Microsoft.Network/virtualNetworks/subnets]":                                    true,
		"@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Team_Name] StringEquals 'freight'":          false,
		"NOT Exists @Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Team_Name]":                      true,
		"@Resource[Microsoft.ContainerRegistry/registries:name] StringNotEquals 'other'":                        false, // of what is missing not even this is so
		"@Environment[UtcNow] DateTimeLessThan '2100-01-01T00:00:00Z' AND NOT Exists @Request[Microsoft.A/b:c]": true,
	} {
		u := w.application("u")
		want := map[bool]int{true: 200, false: 401}[open]
		w.operator.assign(abac, guid(), dataRoles["Container Registry Repository Reader"], u.id, "condition", condition).ok(201)
		w.operator.assign(vault, guid(), dataRoles["Key Vault Secrets User"], u.id, "condition", condition).ok(201)
		c := w.as(u)
		if got := c.access("freightacr", "repository:app:pull"); got.status != want {
			t.Errorf("%s: the registry answers %d %s", condition, got.status, got.raw)
		}
		if got := c.ask("https://vault.azure.net", "GET", secret, ""); (got.status == 200) != open {
			t.Errorf("%s: the vault answers %d %s", condition, got.status, got.raw)
		}
	}
}

// TestBadConditions are refused when they are written, in the service's words.
func TestBadConditions(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	u := w.application("u")
	for condition, text := range map[string]string{
		"@Resource[Microsoft.A/b:c] StringEquals":        "The given role assignment condition is invalid.",
		"ActionMatches{'*'} OR (":                        "The given role assignment condition is invalid.",
		"'a' StringEquals '" + strings.Repeat("a", 8192): "The given role assignment condition is invalid.",
		"@Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags:Project<$>] StringEquals 'Cascade'": "Resource attribute Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags:Project<$> is not valid.",
	} {
		op.assign(rg, guid(), roles["Reader"], u.id, "condition", condition).refused(400, "InvalidRoleAssignmentCondition", text)
	}
	op.assign(rg, guid(), roles["Reader"], u.id, "condition", onlyPull, "conditionVersion", "1.0").refused(400, "InvalidRoleAssignmentCondition", "The given role assignment condition is invalid.")
	u.get(rg).refused(403, "AuthorizationFailed")
}

// TestPermissions is what a caller may do at a scope.
func TestPermissions(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	u := w.application("u")
	permissions := rg + "/providers/Microsoft.Authorization/permissions"
	u.get(permissions).refused(403, "AuthorizationFailed", "'Microsoft.Authorization/permissions/read'")
	w.grant(u.id, "AcrPull", rg)
	u.get(permissions).refused(403, "AuthorizationFailed")
	w.grant(u.id, "Reader", w.platform)
	if got := u.get(permissions).ok(200).list("actions.0"); !slices.Equal(sorted(got), []string{"*/read", "Microsoft.ContainerRegistry/registries/pull/read"}) {
		t.Errorf("permissions are %v", got)
	}
	op.assign(rg, guid(), rbacAdministrator, u.id, "condition", onlyPull).ok(201)
	if got := u.get(permissions).ok(200).list("condition"); !slices.Contains(got, onlyPull) {
		t.Errorf("conditions are %v", got)
	}
	if got := u.get(w.group(w.hub, "rg2") + "/providers/Microsoft.Authorization/permissions").status; got != 403 {
		t.Errorf("elsewhere: %d", got)
	}
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

// TestProviderOperations lists what providers can do.
func TestProviderOperations(t *testing.T) {
	w := newWorld(t)
	u := w.application("u")
	const path = "/providers/Microsoft.Authorization/providerOperations"
	acr := u.get(path + "/microsoft.containerregistry?$expand=resourceTypes").ok(200)
	if acr.str("name") != "Microsoft.ContainerRegistry" || acr.str("id") != path+"/Microsoft.ContainerRegistry" {
		t.Errorf("the provider is %.300s", acr.raw)
	}
	if !strings.Contains(acr.raw, `"name":"Microsoft.ContainerRegistry/registries/pull/read"`) || !strings.Contains(acr.raw, `"name":"registries"`) {
		t.Errorf("operations: %.500s", acr.raw)
	}
	data := map[string]bool{}
	types, _ := acr.at("resourceTypes").([]any)
	for _, typ := range types {
		for _, op := range typ.(obj)["operations"].([]any) {
			data[op.(obj)["name"].(string)] = op.(obj)["isDataAction"].(bool)
		}
	}
	if !data["Microsoft.ContainerRegistry/registries/repositories/content/read"] || data["Microsoft.ContainerRegistry/registries/read"] {
		t.Error("data actions are not told apart")
	}
	if types := u.get(path + "/Microsoft.Network").ok(200).at("resourceTypes"); len(types.([]any)) != 0 {
		t.Error("resource types come unasked for")
	}
	all := u.get(path + "?$expand=resourceTypes").ok(200).list("name")
	if !slices.Contains(all, "Microsoft.KeyVault") || len(all) < 100 {
		t.Errorf("%d providers", len(all))
	}
	u.get(path+"/Microsoft.Nothing").refused(404, "InvalidResourceNamespace")
}

// TestLastOwner keeps a subscription from being left without an owner; a group's may go.
func TestLastOwner(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	own := op.get(w.platform + "/providers/Microsoft.Authorization/roleAssignments?$filter=principalId%20eq%20'" + op.id + "'").ok(200).list("id")
	if len(own) != 1 {
		t.Fatalf("the operator's assignments are %v", own)
	}
	op.delete(own[0]).refused(409, "CannotDeleteLastRbacAdminAssignment", "Cannot delete the last RBAC admin assignment.")
	other := w.application("other")
	path := w.grant(other.id, "Owner", rg)
	op.delete(own[0]).refused(409, "CannotDeleteLastRbacAdminAssignment")
	op.delete(path).ok(200)
	w.grant(other.id, "Owner", w.platform)
	op.delete(own[0]).ok(200)
	op.get(rg).refused(403, "AuthorizationFailed", op.id) // nobody bypasses the check, the operator neither
	if got := op.get("/subscriptions").ok(200).list("id"); !slices.Equal(got, []string{w.hub}) {
		t.Errorf("the operator sees %v", got)
	}
}

// TestAssignmentFilters asks for assignments in every way that clients do.
func TestAssignmentFilters(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	u := w.application("u")
	group := op.do("POST", "/v1.0/groups", obj{"displayName": "g", "mailNickname": "g", "mailEnabled": false, "securityEnabled": true}).ok(201).str("id")
	op.do("POST", "/v1.0/groups/"+group+"/members/$ref", obj{"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/" + u.id}).ok(204)
	op.assign(w.platform, guid(), roles["Reader"], group).ok(201)
	op.assign(rg, guid(), roles["AcrPull"], u.id).ok(201)
	scopes := func(at, filter string) []string {
		return sorted(op.get(at + "/providers/Microsoft.Authorization/roleAssignments?$filter=" + strings.ReplaceAll(filter, " ", "%20")).ok(200).list("properties.scope"))
	}
	for _, c := range []struct {
		at, filter string
		want       []string
	}{
		{rg, "principalId eq '" + u.id + "'", []string{rg}},
		{rg, "principalId eq " + u.id, []string{rg}},
		{rg, "(principalId eq '" + u.id + "')", []string{rg}},
		{w.platform, "principalId eq '" + u.id + "'", []string{rg}},
		{w.platform, "principalId eq '" + u.id + "' and atScope()", []string{}},
		{w.platform, "atScope() and assignedTo('" + u.id + "')", []string{w.platform}},
		{rg, "assignedTo('" + strings.ToUpper(u.id) + "')", []string{w.platform, rg}},
		{rg, "assignedTo('" + u.id + "') and atScope()", []string{w.platform, rg}},
		{w.hub, "assignedTo('" + u.id + "')", []string{}},
	} {
		if got := scopes(c.at, c.filter); !slices.Equal(got, sorted(c.want)) && len(got)+len(c.want) > 0 {
			t.Errorf("%s at %s: %v, want %v", c.filter, c.at, got, c.want)
		}
	}
	op.get(rg+"/providers/Microsoft.Authorization/roleAssignments?$filter=(atScope()").refused(400, "UnsupportedQuery")
}
