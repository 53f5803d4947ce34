package cloud_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/entra"
)

const authorization = "/providers/Microsoft.Authorization/"

// person is a user of the directory, with a token.
func (w *world) person(name string) *user {
	w.Helper()
	upn := name + "@aksid.onmicrosoft.com"
	id := w.operator.do("POST", "/v1.0/users", obj{"displayName": name, "userPrincipalName": upn, "mailNickname": name, "accountEnabled": true,
		"passwordProfile": obj{"password": "Correct-Horse-1"}}).ok(201).str("id")
	u := &user{w: w, id: id, upn: upn}
	w.refresh(u)
	return u
}

// refresh gives users new tokens, signed with the folder's key.
func (w *world) refresh(users ...*user) {
	w.Helper()
	issuer, err := entra.Open(entra.Config{Dir: w.dir, Tenant: azure.MustGUID(w.tenant), Now: w.clock.Now})
	for _, u := range users {
		p := directory.Principal{ID: azure.MustGUID(u.id), Type: directory.User, UPN: u.upn}
		if u.upn == "" {
			p = directory.Principal{ID: p.ID, AppID: azure.MustGUID(u.app), Type: directory.ServicePrincipal, Kind: directory.Application}
		}
		if err == nil {
			u.token, _, err = issuer.Token(p, "https://management.azure.com/")
		}
	}
	if err != nil {
		w.Fatal(err)
	}
}

// schedule makes a schedule request; kind is Eligibility or Assignment.
func (u *user) schedule(scope, kind, what, role, principal string, schedule obj, extra ...string) reply {
	u.w.Helper()
	p := obj{"principalId": principal, "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/" + roles[role], "requestType": what, "scheduleInfo": schedule}
	for i := 0; i+1 < len(extra); i += 2 {
		p[extra[i]] = extra[i+1]
	}
	return u.put(scope+authorization+"role"+kind+"ScheduleRequests/"+guid(), obj{"properties": p})
}

func lasting(duration string) obj {
	return obj{"expiration": obj{"type": "AfterDuration", "duration": duration}}
}

// count is how many elements a list of PIM has.
func (u *user) count(scope, typ, filter string) int {
	u.w.Helper()
	return len(u.get(scope + authorization + typ + "?$filter=" + strings.ReplaceAll(filter, " ", "%20")).ok(200).list("id"))
}

// TestActivation makes a user eligible, who activates the role for an hour.
func TestActivation(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	u := w.person("erin")
	u.schedule(rg, "Assignment", "SelfActivate", "Reader", u.id, lasting("PT1H"), "justification", "x").refused(400, "RoleAssignmentRequestPolicyValidationFailed", `["EligibilityRule"]`)
	made := op.schedule(rg, "Eligibility", "AdminAssign", "Reader", u.id, lasting("P30D")).ok(201)
	if made.str("properties.status") != "Provisioned" || made.str("properties.expandedProperties.principal.email") != "erin@aksid.onmicrosoft.com" ||
		made.str("properties.expandedProperties.scope.type") != "resourcegroup" || made.str("properties.scheduleInfo.expiration.duration") != "P30D" {
		t.Errorf("the request is %s", made.raw)
	}
	u.get(rg).refused(403, "AuthorizationFailed") // eligible is not assigned
	mine := u.get(rg + authorization + "roleEligibilityScheduleInstances?$filter=asTarget()").ok(200)
	if got := mine.str("value.0.properties.expandedProperties.roleDefinition.displayName"); got != "Reader" || mine.str("value.0.properties.memberType") != "Direct" {
		t.Errorf("the eligibility is %s", mine.raw)
	}
	if got := op.get(rg + authorization + "roleAssignments?$filter=principalId%20eq%20'" + u.id + "'").ok(200).list("id"); len(got) != 0 {
		t.Errorf("an eligibility is a role assignment: %v", got)
	}

	u.schedule(rg, "Assignment", "SelfActivate", "Reader", u.id, lasting("PT9H"), "justification", "x").refused(400, "RoleAssignmentRequestPolicyValidationFailed", `The following policy rules failed: ["ExpirationRule"]`)
	u.schedule(rg, "Assignment", "SelfActivate", "Reader", u.id, obj{}).refused(400, "RoleAssignmentRequestPolicyValidationFailed", `["ExpirationRule","JustificationRule"]`)
	u.schedule(rg, "Assignment", "SelfActivate", "Reader", op.id, lasting("PT1H"), "justification", "x").refused(400, "InsufficientPermissions", u.id)
	active := u.schedule(rg, "Assignment", "SelfActivate", "Reader", u.id, lasting("PT1H"), "justification", "incident 7").ok(201)
	if active.str("properties.status") != "Provisioned" || active.str("properties.linkedRoleEligibilityScheduleId") == "" || active.str("properties.requestorId") != u.id {
		t.Errorf("the activation is %s", active.raw)
	}
	u.get(rg).ok(200)
	u.schedule(rg, "Assignment", "SelfActivate", "Reader", u.id, lasting("PT1H"), "justification", "x").refused(400, "RoleAssignmentExists", "The Role assignment already exists.")
	instance := u.get(rg + authorization + "roleAssignmentScheduleInstances?$filter=asTarget()").ok(200)
	if instance.str("value.0.properties.assignmentType") != "Activated" {
		t.Errorf("the instance is %s", instance.raw)
	}
	origin := instance.str("value.0.properties.originRoleAssignmentId")
	op.get(origin).ok(200)
	u.schedule(rg, "Assignment", "SelfDeactivate", "Reader", u.id, nil).refused(400, "ActiveDurationTooShort", "The Active duration is too short. Miniumum Required is 5 minutes.")

	w.clock.Add(61 * time.Minute)
	w.refresh(u, op)
	u.get(rg).refused(403, "AuthorizationFailed")
	op.get(origin).refused(404, "RoleAssignmentNotFound")
	for _, typ := range []string{"roleAssignments", "roleAssignmentSchedules", "roleAssignmentScheduleInstances"} {
		if n := op.count(rg, typ, "principalId eq '"+u.id+"'"); n != 0 {
			t.Errorf("%d %s after the end", n, typ)
		}
	}
	u.schedule(rg, "Assignment", "SelfActivate", "Reader", u.id, lasting("PT2H"), "justification", "again").ok(201)
	w.clock.Add(6 * time.Minute)
	u.get(rg).ok(200)
	if got := u.schedule(rg, "Assignment", "SelfDeactivate", "Reader", u.id, nil).ok(201).str("properties.status"); got != "Revoked" {
		t.Errorf("the deactivation is %s", got)
	}
	u.get(rg).refused(403, "AuthorizationFailed")
	u.schedule(rg, "Assignment", "SelfDeactivate", "Reader", u.id, nil).refused(400, "RoleAssignmentDoesNotExist", "The Role assignment does not exist.")

	u.schedule(rg, "Assignment", "SelfActivate", "Reader", u.id, lasting("PT2H"), "justification", "and again").ok(201)
	if got := op.schedule(rg, "Eligibility", "AdminRemove", "Reader", u.id, nil).ok(201).str("properties.status"); got != "Revoked" {
		t.Errorf("the removal is %s", got)
	}
	u.get(rg).refused(403, "AuthorizationFailed") // what was activated goes with the eligibility
	if n := op.count(rg, "roleEligibilitySchedules", "principalId eq '"+u.id+"'"); n != 0 {
		t.Errorf("%d eligibilities are left", n)
	}
}

// TestEligibleGroups has members who activate for themselves; service principals are never eligible.
func TestEligibleGroups(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	u, app := w.person("grace"), w.application("app")
	_, identity, _ := w.identity(rg, "id1")
	group := op.do("POST", "/v1.0/groups", obj{"displayName": "g", "mailNickname": "g", "mailEnabled": false, "securityEnabled": true}).ok(201).str("id")
	op.do("POST", "/v1.0/groups/"+group+"/members/$ref", obj{"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/" + u.id}).ok(204)
	for _, id := range []string{app.id, identity} {
		op.schedule(rg, "Eligibility", "AdminAssign", "Reader", id, lasting("P1D")).refused(400, "InvalidRoleAssignmentRequest", "The role assignment request is invalid.")
	}
	op.schedule(w.platform, "Eligibility", "AdminAssign", "Reader", group, lasting("P1D")).ok(201)
	mine := u.get(rg + authorization + "roleEligibilityScheduleInstances?$filter=asTarget()").ok(200)
	if mine.str("value.0.properties.memberType") != "Group" {
		t.Errorf("through the group: %s", mine.raw)
	}
	u.schedule(rg, "Assignment", "SelfActivate", "Reader", u.id, lasting("PT1H"), "justification", "x").ok(201) // below the eligibility's scope
	u.get(rg).ok(200)
	if got := u.get(w.platform + "/resourceGroups").ok(200).list("name"); !slices.Equal(got, []string{"rg1"}) {
		t.Errorf("groups are %v", got)
	}
}

// TestActiveInTime assigns a role to identities and applications for a time, as an administrator.
func TestActiveInTime(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	u := w.application("u")
	op.schedule(rg, "Assignment", "AdminAssign", "Reader", u.id, obj{"expiration": obj{"type": "NoExpiration"}}, "justification", "x").refused(400, "RoleAssignmentRequestPolicyValidationFailed", `["ExpirationRule"]`)
	op.schedule(rg, "Assignment", "AdminAssign", "Reader", u.id, lasting("P1D")).refused(400, "RoleAssignmentRequestPolicyValidationFailed", `["JustificationRule"]`)
	op.schedule(rg, "Assignment", "AdminAssign", "Reader", u.id, obj{"expiration": obj{"type": "AfterDateTime", "endDateTime": "2001-01-01T00:00:00Z"}}, "justification", "x").refused(400, "InvalidRoleAssignmentRequestSchedule")
	op.schedule(rg, "Assignment", "AdminAssign", "Reader", u.id, lasting("1 day"), "justification", "x").refused(400, "InvalidRoleAssignmentRequestSchedule")
	op.schedule(rg, "Assignment", "AdminAssign", "Reader", "11111111-1111-1111-1111-111111111111", lasting("P1D"), "justification", "x").refused(400, "PrincipalNotFound")
	op.schedule(rg, "Assignment", "AdminFrobnicate", "Reader", u.id, lasting("P1D"), "justification", "x").refused(400, "InvalidRoleAssignmentRequest")

	start := w.clock.Now().UTC().Add(time.Hour)
	later := obj{"startDateTime": start.Format(time.RFC3339), "expiration": obj{"type": "AfterDateTime", "endDateTime": start.Add(2 * time.Hour).Format(time.RFC3339)}}
	if got := op.schedule(rg, "Assignment", "AdminAssign", "Reader", u.id, later, "justification", "maintenance").ok(201).str("properties.status"); got != "Granted" {
		t.Errorf("the status of what begins later is %q", got)
	}
	if s, i, a := op.count(rg, "roleAssignmentSchedules", "principalId eq '"+u.id+"'"), op.count(rg, "roleAssignmentScheduleInstances", "principalId eq '"+u.id+"'"),
		op.count(rg, "roleAssignments", "principalId eq '"+u.id+"'"); s != 1 || i != 0 || a != 0 {
		t.Errorf("before it begins there are %d schedules, %d instances, %d assignments", s, i, a)
	}
	u.get(rg).refused(403, "AuthorizationFailed")
	w.clock.Add(61 * time.Minute)
	w.refresh(u, op)
	u.get(rg).ok(200)
	if got := op.get(rg + authorization + "roleAssignments?$filter=principalId%20eq%20'" + u.id + "'").ok(200).list("properties.principalId"); len(got) != 1 {
		t.Errorf("assignments are %v", got)
	}
	op.schedule(rg, "Assignment", "AdminExtend", "Reader", u.id, lasting("P2D"), "justification", "more").ok(201)
	w.clock.Add(5 * time.Hour)
	w.refresh(u, op)
	u.get(rg).ok(200)
	op.schedule(rg, "Assignment", "AdminRemove", "Reader", u.id, nil).ok(201)
	u.get(rg).refused(403, "AuthorizationFailed")
	op.schedule(rg, "Assignment", "AdminRemove", "Reader", u.id, nil).refused(400, "RoleAssignmentDoesNotExist")

	// an ordinary assignment shows among the schedules too, without an end
	w.grant(u.id, "Reader", rg)
	plain := op.get(rg + authorization + "roleAssignmentSchedules?$filter=(principalId%20eq%20'" + u.id + "'%20and%20roleDefinitionId%20eq%20'" + roles["Reader"] + "')").ok(200)
	if plain.str("value.0.properties.assignmentType") != "Assigned" || plain.at("value.0.properties.endDateTime") != nil {
		t.Errorf("an ordinary assignment's schedule is %s", plain.raw)
	}
	op.get(plain.str("value.0.id")).ok(200)
	op.schedule(rg, "Assignment", "AdminAssign", "Reader", u.id, lasting("P1D"), "justification", "x").refused(400, "RoleAssignmentExists")
	op.schedule(rg, "Assignment", "AdminRemove", "Reader", u.id, nil).ok(201)
	u.get(rg).refused(403, "AuthorizationFailed")
}

// TestWhoAsks lets administrators ask for others; with a condition on that right they cannot.
func TestWhoAsks(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	u, reader, limited := w.person("heidi"), w.application("reader"), w.application("limited")
	w.grant(reader.id, "Reader", rg)
	op.assign(rg, guid(), roles["User Access Administrator"], limited.id, "condition", onlyPull).ok(201)
	reader.schedule(rg, "Eligibility", "AdminAssign", "Reader", u.id, lasting("P1D")).refused(403, "AuthorizationFailed", "'Microsoft.Authorization/roleEligibilityScheduleRequests/write'")
	limited.schedule(rg, "Eligibility", "AdminAssign", "AcrPull", u.id, lasting("P1D")).refused(400, "InsufficientPermissions", limited.id)
	op.schedule(rg, "Eligibility", "AdminAssign", "Reader", u.id, lasting("P1D")).ok(201)
	op.schedule(rg, "Eligibility", "AdminAssign", "Reader", u.id, lasting("P1D")).refused(400, "RoleAssignmentExists")
	list := rg + authorization + "roleEligibilitySchedules"
	u.get(list).refused(400, "InsufficientPermissions", "The requestor "+u.id+" does not have permissions for this request. Please use $filter=asTarget() to filter on the requestor's assignments.")
	name := reader.get(list).ok(200).str("value.0.id")
	u.get(name).ok(200)
	limited.get(rg+authorization+"roleEligibilitySchedules?$filter=color%20eq%20'red'").refused(400, "UnsupportedQuery")
	w.application("nobody").get(name).refused(400, "InsufficientPermissions")
	reader.get(rg+authorization+"roleEligibilitySchedules/"+guid()).refused(404, "NotFound")
	op.schedule(rg, "Eligibility", "AdminUpdate", "Reader", u.id, lasting("P2D")).ok(201)
	end, _ := time.Parse(time.RFC3339Nano, reader.get(list).ok(200).str("value.0.properties.endDateTime"))
	if left := end.Sub(w.clock.Now()); left < 47*time.Hour || left > 49*time.Hour {
		t.Errorf("the changed eligibility ends in %v", left)
	}
	w.clock.Add(49 * time.Hour)
	w.refresh(op)
	if n := op.count(rg, "roleEligibilitySchedules", "principalId eq '"+u.id+"'"); n != 0 {
		t.Errorf("%d eligibilities after the end", n)
	}
	if got := op.schedule(rg, "Eligibility", "AdminRenew", "Reader", u.id, lasting("P1D")).ok(201).str("properties.status"); got != "Provisioned" {
		t.Errorf("the renewal is %s", got)
	}
}

// TestApproval leaves an activation to an approver where the policy asks for it.
func TestApproval(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	u, boss := w.person("ivan"), w.person("judy")
	assignments := rg + authorization + "roleManagementPolicyAssignments?$filter=roleDefinitionId%20eq%20'" + w.platform + authorization + "roleDefinitions/" + roles["Reader"] + "'"
	found := op.get(assignments).ok(200)
	policy := found.str("value.0.properties.policyId")
	if n := len(found.list("id")); n != 1 || policy == "" {
		t.Fatalf("%d policies are assigned: %.300s", n, found.raw)
	}
	op.get(found.str("value.0.id")).ok(200)
	rule := func(id string, of reply) obj {
		for _, r := range of.at("properties.rules").([]any) {
			if r.(obj)["id"] == id {
				return r.(obj)
			}
		}
		t.Fatalf("no rule %s", id)
		return nil
	}
	if got := rule("Expiration_EndUser_Assignment", op.get(policy).ok(200))["maximumDuration"]; got != "PT8H" {
		t.Errorf("by default roles are activated for %v", got)
	}
	change := func(rules ...obj) reply {
		return op.do("PATCH", policy, obj{"properties": obj{"rules": rules}})
	}
	change(obj{"id": "Approval_EndUser_Assignment", "setting": obj{"isApprovalRequired": true, "approvalStages": []obj{{"primaryApprovers": []obj{{"id": boss.id, "userType": "User"}}}}}},
		obj{"id": "Expiration_EndUser_Assignment", "isExpirationRequired": true, "maximumDuration": "PT30M"}, obj{"id": "Enablement_EndUser_Assignment", "enabledRules": []string{"Ticketing"}}).ok(200)
	if got := rule("Expiration_EndUser_Assignment", op.get(policy).ok(200)); got["maximumDuration"] != "PT30M" || got["ruleType"] == nil {
		t.Errorf("the changed rule is %v", got)
	}
	change(obj{"id": "Expiration_EndUser_Assignment", "maximumDuration": "half an hour"}).refused(400, "InvalidPolicy", "The policy is invalid.")
	change(obj{"id": "Unheard_Of"}).refused(400, "InvalidPolicy")
	u.do("PATCH", policy, obj{}).refused(403, "AuthorizationFailed", "'Microsoft.Authorization/roleManagementPolicies/write'")

	op.schedule(rg, "Eligibility", "AdminAssign", "Reader", u.id, lasting("P1D")).ok(201)
	u.schedule(rg, "Assignment", "SelfActivate", "Reader", u.id, lasting("PT30M")).refused(400, "RoleAssignmentRequestPolicyValidationFailed", `["TicketingRule"]`)
	activate := func() reply {
		return u.put(rg+authorization+"roleAssignmentScheduleRequests/"+guid(), obj{"properties": obj{"principalId": u.id, "roleDefinitionId": "/x/" + roles["Reader"],
			"requestType": "SelfActivate", "scheduleInfo": lasting("PT30M"), "ticketInfo": obj{"ticketNumber": "7", "ticketSystem": "s"}}})
	}
	asked := activate().ok(201)
	if asked.str("properties.status") != "PendingApproval" || asked.str("properties.ticketInfo.ticketNumber") != "7" {
		t.Errorf("the activation is %s", asked.raw)
	}
	activate().refused(400, "PendingRoleAssignmentRequest", "There is already an existing pending Role assignment request.")
	u.get(rg).refused(403, "AuthorizationFailed")
	waiting := boss.get(rg + authorization + "roleAssignmentScheduleRequests?$filter=asApprover()").ok(200)
	if got := waiting.list("name"); !slices.Equal(got, []string{asked.str("name")}) {
		t.Errorf("for the approver wait %v", got)
	}
	if n := u.count(rg, "roleAssignmentScheduleRequests", "asApprover()"); n != 0 {
		t.Errorf("for who asks wait %d", n)
	}
	approval := asked.str("properties.approvalId")
	stage := boss.get(approval).ok(200).str("properties.stages.0.id")
	verdict := func(by *user, method, result, why string) reply {
		return by.do(method, stage, obj{"properties": obj{"reviewResult": result, "justification": why}})
	}
	verdict(u, "PUT", "Approve", "me").refused(400, "InsufficientPermissions")
	verdict(op, "PUT", "Approve", "me").refused(400, "InsufficientPermissions")
	verdict(boss, "PATCH", "Approve", "").refused(400, "RoleAssignmentRequestPolicyValidationFailed", `["JustificationRule"]`)
	w.clock.Add(20 * time.Minute)
	if got := verdict(boss, "PATCH", "Approve", "fine").ok(200).str("properties.status"); got != "Completed" {
		t.Errorf("the stage is %s", got)
	}
	u.get(rg).ok(200)
	if got := u.get(asked.str("id")).ok(200).str("properties.status"); got != "Provisioned" {
		t.Errorf("the request is %s", got)
	}
	w.clock.Add(29 * time.Minute)
	u.get(rg).ok(200) // half an hour from the approval on
	w.clock.Add(2 * time.Minute)
	u.get(rg).refused(403, "AuthorizationFailed")

	asked = activate().ok(201)
	stage = boss.get(asked.str("properties.approvalId")).ok(200).str("properties.stages.0.id")
	verdict(boss, "PUT", "Deny", "no").ok(200)
	if got := u.get(asked.str("id")).ok(200).str("properties.status"); got != "Denied" {
		t.Errorf("the denied request is %s", got)
	}
	asked = activate().ok(201)
	boss.do("POST", asked.str("id")+"/cancel", nil).refused(400, "InsufficientPermissions")
	u.do("POST", asked.str("id")+"/cancel", nil).ok(200)
	if got := u.get(asked.str("id")).ok(200).str("properties.status"); got != "Canceled" {
		t.Errorf("the withdrawn request is %s", got)
	}
}

// TestActivationSpreads counts after the propagation time, and a little longer than it lasts when it is taken away early.
func TestActivationSpreads(t *testing.T) {
	w := newWorld(t, func(c *cloud.Config) { c.Propagation = time.Minute })
	w.clock.Add(2 * time.Minute)
	op, rg := w.operator, w.group(w.platform, "rg1")
	u := w.application("u")
	op.schedule(rg, "Assignment", "AdminAssign", "Reader", u.id, lasting("PT30M"), "justification", "x").ok(201)
	u.get(rg).refused(403, "AuthorizationFailed")
	w.clock.Add(61 * time.Second)
	u.get(rg).ok(200)
	w.clock.Add(30 * time.Minute)
	u.get(rg).refused(403, "AuthorizationFailed")
	op.schedule(rg, "Assignment", "AdminAssign", "Reader", u.id, lasting("PT30M"), "justification", "x").ok(201)
	u.get(rg).refused(403, "AuthorizationFailed") // what has ended is not brought back
}
