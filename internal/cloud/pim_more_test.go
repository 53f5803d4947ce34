package cloud_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestExtension lets users ask for more time, and an administrator grant it: by approving, or by a request of its own.
func TestExtension(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	erin, frank := w.person("erin"), w.person("frank")
	w.refresh(op)
	for _, u := range []*user{erin, frank} {
		op.schedule(rg, "Eligibility", "AdminAssign", "Reader", u.id, lasting("P10D")).ok(201)
	}
	erin.schedule(rg, "Eligibility", "SelfExtend", "Contributor", erin.id, lasting("P30D"), "justification", "x").refused(400, "RoleAssignmentDoesNotExist")
	asked := erin.schedule(rg, "Eligibility", "SelfExtend", "Reader", erin.id, lasting("P30D"), "justification", "the project goes on").ok(201)
	if asked.str("properties.status") != "PendingAdminDecision" || asked.str("properties.approvalId") == "" {
		t.Fatalf("the request is %s", asked.raw)
	}
	erin.schedule(rg, "Eligibility", "SelfExtend", "Reader", erin.id, lasting("P20D"), "justification", "x").refused(400, "PendingRoleAssignmentRequest")
	if n := op.count(rg, "roleEligibilityScheduleRequests", "asApprover()"); n != 1 {
		t.Errorf("%d requests wait for the administrator", n)
	}
	if n := frank.count(rg, "roleEligibilityScheduleRequests", "asApprover()"); n != 0 {
		t.Errorf("%d requests wait for somebody else", n)
	}
	stage := asked.str("properties.approvalId") + "/stages/" + op.get(asked.str("properties.approvalId")+"?api-version=2021-01-01-preview").ok(200).str("properties.stages.0.name") + "?api-version=2021-01-01-preview"
	verdict := obj{"properties": obj{"reviewResult": "Approve", "justification": "yes"}}
	erin.do("PATCH", stage, verdict).refused(400, "InsufficientPermissions")
	frank.do("PATCH", stage, verdict).refused(400, "InsufficientPermissions")
	op.do("PATCH", stage, verdict).ok(200)
	if got := op.get(asked.str("id")).ok(200).str("properties.status"); got != "Provisioned" {
		t.Errorf("the approved request is %s", got)
	}

	other := frank.schedule(rg, "Eligibility", "SelfExtend", "Reader", frank.id, lasting("P40D"), "justification", "me too").ok(201)
	op.schedule(rg, "Eligibility", "AdminExtend", "Reader", frank.id, lasting("P20D"), "justification", "not as long").ok(201)
	if got := op.get(other.str("id")).ok(200).str("properties.status"); got != "Provisioned" {
		t.Errorf("the request that an administrator's settles is %s", got)
	}
	w.clock.Add(15 * 24 * time.Hour)
	w.refresh(erin, frank, op)
	for _, u := range []*user{erin, frank} {
		if n := u.count(rg, "roleEligibilityScheduleInstances", "asTarget()"); n != 1 {
			t.Errorf("%d eligibilities after ten days", n)
		}
	}
	w.clock.Add(20 * 24 * time.Hour)
	w.refresh(erin, frank, op)
	renewed := frank.schedule(rg, "Eligibility", "SelfRenew", "Reader", frank.id, lasting("P5D"), "justification", "again").ok(201)
	approval := op.get(renewed.str("properties.approvalId") + "?api-version=2021-01-01-preview").ok(200)
	op.do("PATCH", approval.str("properties.stages.0.id")+"?api-version=2021-01-01-preview", obj{"properties": obj{"reviewResult": "Deny", "justification": "no"}}).ok(200)
	if n := frank.count(rg, "roleEligibilityScheduleInstances", "asTarget()"); n != 0 {
		t.Errorf("%d eligibilities after a refusal", n)
	}
	again := frank.schedule(rg, "Eligibility", "SelfRenew", "Reader", frank.id, lasting("P5D"), "justification", "please").ok(201)
	approval = op.get(again.str("properties.approvalId") + "?api-version=2021-01-01-preview").ok(200)
	op.do("PATCH", approval.str("properties.stages.0.id")+"?api-version=2021-01-01-preview", verdict).ok(200)
	if n := frank.count(rg, "roleEligibilityScheduleInstances", "asTarget()"); n != 1 {
		t.Errorf("%d eligibilities after the renewal", n)
	}
}

// TestValidate says what would become of a request and leaves everything as it is.
func TestValidate(t *testing.T) {
	w := newWorld(t)
	op, rg := w.operator, w.group(w.platform, "rg1")
	erin := w.person("erin")
	ask := func(u *user, kind, what, duration, why string) reply {
		return u.do("POST", rg+authorization+"role"+kind+"ScheduleRequests/"+guid()+"/validate", obj{"properties": obj{"principalId": erin.id, "requestType": what, "justification": why,
			"roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/" + roles["Reader"], "scheduleInfo": lasting(duration)}})
	}
	ask(erin, "Assignment", "SelfActivate", "PT1H", "x").refused(400, "RoleAssignmentRequestPolicyValidationFailed", "EligibilityRule")
	if got := ask(op, "Eligibility", "AdminAssign", "P30D", "").ok(200); got.str("properties.status") != "Provisioned" || strings.Contains(got.raw, `"_"`) {
		t.Errorf("what would be is %s", got.raw)
	}
	if n := op.count(rg, "roleEligibilitySchedules", "principalId eq '"+erin.id+"'") + op.count(rg, "roleEligibilityScheduleRequests", "principalId eq '"+erin.id+"'"); n != 0 {
		t.Errorf("validating made %d", n)
	}
	op.schedule(rg, "Eligibility", "AdminAssign", "Reader", erin.id, lasting("P30D")).ok(201)
	ask(erin, "Assignment", "SelfActivate", "PT9H", "").refused(400, "RoleAssignmentRequestPolicyValidationFailed", `["ExpirationRule","JustificationRule"]`)
	ask(erin, "Assignment", "SelfActivate", "PT1H", "x").ok(200)
	erin.get(rg).refused(403, "AuthorizationFailed")
	for _, action := range op.events(w.platform, "caller eq '"+erin.upn+"'").list("operationName.value") {
		if strings.Contains(action, "roleAssignments") {
			t.Errorf("the activity log has what was only tried: %s", action)
		}
	}
}

// TestEligibleChildren leads a user from the top to what may be activated.
func TestEligibleChildren(t *testing.T) {
	w := newWorld(t)
	op, one := w.operator, w.group(w.platform, "rg1")
	w.group(w.platform, "rg2")
	rt := one + "/providers/Microsoft.Network/routeTables/r1"
	for _, name := range []string{"r1", "r2"} {
		op.put(one+"/providers/Microsoft.Network/routeTables/"+name, obj{"location": "westeurope"}).ok(201)
	}
	erin := w.person("erin")
	children := func(u *user, scope, filter string) []string {
		got := u.get(scope + authorization + "eligibleChildResources" + filter).ok(200).list("id")
		slices.Sort(got)
		return got
	}
	if got := children(erin, w.platform, ""); got != nil {
		t.Errorf("nothing is eligible, and yet %v", got)
	}
	op.schedule(rt, "Eligibility", "AdminAssign", "Reader", erin.id, lasting("P30D")).ok(201)
	root := "/providers/Microsoft.Management/managementGroups/" + w.tenant
	for _, c := range []struct{ scope, filter, want string }{
		{root, "", w.platform}, {w.platform, "", one}, {one, "", rt},
		{w.platform, "?$filter=resourceType eq 'resourcegroup'", one}, {w.platform, "?$filter=resourceType eq 'subscription'", ""},
		{one, "?$filter=resourceType eq 'Microsoft.Network/routeTables'", rt},
	} {
		if got := strings.Join(children(erin, c.scope, c.filter), " "); got != c.want {
			t.Errorf("below %s%s: %s, want %s", c.scope, c.filter, got, c.want)
		}
	}
	if got := op.get(w.platform + authorization + "eligibleChildResources").ok(200).raw; got != `{"value":[]}` {
		t.Errorf("who owns everything is eligible for nothing: %s", got)
	}
	op.schedule(w.platform, "Eligibility", "AdminAssign", "Contributor", erin.id, lasting("P30D")).ok(201)
	if got := children(erin, w.platform, ""); len(got) != 2 {
		t.Errorf("eligible for all of the subscription: %v", got)
	}
}
