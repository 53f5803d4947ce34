package cloud_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
)

// inProcess takes the SDK's requests to the handler.
type inProcess struct{ w *world }

func (p inProcess) Do(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.RemoteAddr = "127.0.0.1:50000"
	if r.Body == nil {
		r.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	p.w.handler.ServeHTTP(rec, r)
	return rec.Result(), nil
}

// authorization are the SDK's clients for a user, as for the public cloud.
func (u *user) authorization() *armauthorization.ClientFactory {
	u.w.Helper()
	credential := &credential{w: u.w, get: func(string) string {
		fresh := *u
		u.w.refresh(&fresh)
		return fresh.token
	}}
	f, err := armauthorization.NewClientFactory(strings.TrimPrefix(u.w.platform, "/subscriptions/"), credential,
		&arm.ClientOptions{ClientOptions: policy.ClientOptions{Transport: inProcess{u.w}, Retry: policy.RetryOptions{MaxRetries: -1}}})
	if err != nil {
		u.w.Fatal(err)
	}
	return f
}

// all reads every page of a list.
func all[T any](t *testing.T, p *runtime.Pager[T]) []T {
	t.Helper()
	var pages []T
	for p.More() {
		page, err := p.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page)
	}
	return pages
}

// errorCode is the code of an answer that the SDK takes for an error.
func errorCode(err error) string {
	if e, ok := errors.AsType[*azcore.ResponseError](err); ok {
		return e.ErrorCode
	}
	return ""
}

// TestScheduleClients drives PIM with the SDK's own clients: eligible, activated, listed, withdrawn.
func TestScheduleClients(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	op, rg := w.operator, w.group(w.platform, "rg1")
	u := w.person("erin")
	reader := w.platform + authorization + "roleDefinitions/" + roles["Reader"]
	scope := strings.TrimPrefix(rg, "/")
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	made, err := op.authorization().NewRoleEligibilityScheduleRequestsClient().Create(ctx, scope, guid(), armauthorization.RoleEligibilityScheduleRequest{
		Properties: &armauthorization.RoleEligibilityScheduleRequestProperties{
			PrincipalID: &u.id, RoleDefinitionID: &reader, RequestType: to.Ptr(armauthorization.RequestTypeAdminAssign),
			ScheduleInfo: &armauthorization.RoleEligibilityScheduleRequestPropertiesScheduleInfo{
				StartDateTime: to.Ptr(w.clock.Now()),
				Expiration: &armauthorization.RoleEligibilityScheduleRequestPropertiesScheduleInfoExpiration{
					Type: to.Ptr(armauthorization.TypeAfterDuration), Duration: to.Ptr("P365D")},
			},
		}}, nil)
	ok(err)
	if *made.Properties.Status != armauthorization.StatusProvisioned || *made.Properties.PrincipalType != armauthorization.PrincipalTypeUser {
		t.Errorf("the request is %+v", *made.Properties)
	}
	again, err := op.authorization().NewRoleEligibilityScheduleRequestsClient().Get(ctx, scope, *made.Name, nil)
	ok(err)
	if *again.Properties.TargetRoleEligibilityScheduleID != *made.Properties.TargetRoleEligibilityScheduleID {
		t.Error("the request's schedule is another one when it is read again")
	}
	schedule, err := op.authorization().NewRoleEligibilitySchedulesClient().Get(ctx, scope, *made.Properties.TargetRoleEligibilityScheduleID, nil)
	ok(err)
	if schedule.Properties.EndDateTime.Sub(*schedule.Properties.StartDateTime) != 365*24*time.Hour || *schedule.Properties.MemberType != armauthorization.MemberTypeDirect {
		t.Errorf("the schedule is %+v", *schedule.Properties)
	}
	mine := u.authorization()
	asTarget := to.Ptr("asTarget()")
	instances := all(t, mine.NewRoleEligibilityScheduleInstancesClient().NewListForScopePager(scope, &armauthorization.RoleEligibilityScheduleInstancesClientListForScopeOptions{Filter: asTarget}))[0].Value
	if len(instances) != 1 || !strings.EqualFold(*instances[0].Properties.RoleEligibilityScheduleID, *schedule.ID) {
		t.Fatalf("%d instances", len(instances))
	}

	request := armauthorization.RoleAssignmentScheduleRequest{Properties: &armauthorization.RoleAssignmentScheduleRequestProperties{
		PrincipalID: &u.id, RoleDefinitionID: &reader, RequestType: to.Ptr(armauthorization.RequestTypeSelfActivate), Justification: to.Ptr("incident"),
		LinkedRoleEligibilityScheduleID: schedule.Name,
		ScheduleInfo: &armauthorization.RoleAssignmentScheduleRequestPropertiesScheduleInfo{
			Expiration: &armauthorization.RoleAssignmentScheduleRequestPropertiesScheduleInfoExpiration{Type: to.Ptr(armauthorization.TypeAfterDuration), Duration: to.Ptr("PT1H")}}}}
	active, err := mine.NewRoleAssignmentScheduleRequestsClient().Create(ctx, scope, guid(), request, nil)
	ok(err)
	if _, err := mine.NewRoleAssignmentScheduleRequestsClient().Create(ctx, scope, guid(), request, nil); errorCode(err) != "RoleAssignmentExists" {
		t.Errorf("activated twice: %v", err)
	}
	if _, err := mine.NewRoleAssignmentScheduleRequestsClient().Cancel(ctx, scope, *active.Name, nil); errorCode(err) != "InvalidRoleAssignmentRequest" {
		t.Errorf("what was carried out is withdrawn: %v", err)
	}
	running := all(t, mine.NewRoleAssignmentScheduleInstancesClient().NewListForScopePager(scope, &armauthorization.RoleAssignmentScheduleInstancesClientListForScopeOptions{Filter: asTarget}))[0].Value
	if len(running) != 1 || *running[0].Properties.AssignmentType != armauthorization.AssignmentTypeActivated {
		t.Fatalf("%d instances are active", len(running))
	}
	assigned, err := op.authorization().NewRoleAssignmentsClient().GetByID(ctx, strings.TrimPrefix(*running[0].Properties.OriginRoleAssignmentID, "/"), nil)
	ok(err)
	if *assigned.Properties.PrincipalID != u.id {
		t.Errorf("the assignment is %s's", *assigned.Properties.PrincipalID)
	}
	u.get(rg).ok(200)
	w.clock.Add(2 * time.Hour)
	w.refresh(u)
	u.get(rg).refused(403, "AuthorizationFailed")
}

// TestPolicyClients reads and changes a role's policy with the SDK.
func TestPolicyClients(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	scope := strings.TrimPrefix(w.group(w.platform, "rg1"), "/")
	f := w.operator.authorization()
	var of *armauthorization.RoleManagementPolicyAssignment
	for _, page := range all(t, f.NewRoleManagementPolicyAssignmentsClient().NewListForScopePager(scope, nil)) {
		for _, a := range page.Value {
			if strings.HasSuffix(*a.Properties.RoleDefinitionID, roles["AcrPull"]) {
				of = a
			}
		}
	}
	if of == nil {
		t.Fatal("AcrPull has no policy")
	}
	name := (*of.Properties.PolicyID)[strings.LastIndexByte(*of.Properties.PolicyID, '/')+1:]
	changed, err := f.NewRoleManagementPoliciesClient().Update(ctx, scope, name, armauthorization.RoleManagementPolicy{Properties: &armauthorization.RoleManagementPolicyProperties{
		Rules: []armauthorization.RoleManagementPolicyRuleClassification{&armauthorization.RoleManagementPolicyExpirationRule{
			ID: to.Ptr("Expiration_Admin_Eligibility"), RuleType: to.Ptr(armauthorization.RoleManagementPolicyRuleTypeRoleManagementPolicyExpirationRule),
			IsExpirationRequired: to.Ptr(false), MaximumDuration: to.Ptr("P90D")}}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(changed.Properties.Rules); n != 17 {
		t.Errorf("%d rules, want the default ones", n)
	}
	read, err := f.NewRoleManagementPoliciesClient().Get(ctx, scope, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range read.Properties.EffectiveRules {
		if e, ok := r.(*armauthorization.RoleManagementPolicyExpirationRule); ok && *e.ID == "Expiration_Admin_Eligibility" && (*e.IsExpirationRequired || *e.MaximumDuration != "P90D") {
			t.Errorf("the rule is %+v", *e)
		}
	}
	u := w.person("frank")
	w.operator.schedule("/"+scope, "Eligibility", "AdminAssign", "AcrPull", u.id, obj{"expiration": obj{"type": "NoExpiration"}}).ok(201)
}

// TestAuthorizationClients are the SDK's other clients of authorization.
func TestAuthorizationClients(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	rg := w.group(w.platform, "rg1")
	u := w.application("u")
	w.grant(u.id, "Reader", rg)
	permissions := all(t, u.authorization().NewPermissionsClient().NewListForResourceGroupPager("rg1", nil))[0].Value
	if len(permissions) != 1 || *permissions[0].Actions[0] != "*/read" {
		t.Errorf("permissions are %v", permissions)
	}
	ops, err := u.authorization().NewProviderOperationsMetadataClient().Get(ctx, "Microsoft.Authorization", &armauthorization.ProviderOperationsMetadataClientGetOptions{Expand: to.Ptr("resourceTypes")})
	if err != nil || len(ops.ResourceTypes) < 10 {
		t.Errorf("%d resource types, %v", len(ops.ResourceTypes), err)
	}
	assignments := w.operator.authorization().NewRoleAssignmentsClient()
	_, err = assignments.Create(ctx, strings.TrimPrefix(rg, "/"), guid(), armauthorization.RoleAssignmentCreateParameters{Properties: &armauthorization.RoleAssignmentProperties{
		PrincipalID: &u.id, RoleDefinitionID: to.Ptr(w.platform + authorization + "roleDefinitions/" + rbacAdministrator), Condition: to.Ptr("@Request[x] Equals 'y'"), ConditionVersion: to.Ptr("2.0")}}, nil)
	if errorCode(err) != "InvalidRoleAssignmentCondition" {
		t.Errorf("a bad condition: %v", err)
	}
	made, err := assignments.Create(ctx, strings.TrimPrefix(rg, "/"), guid(), armauthorization.RoleAssignmentCreateParameters{Properties: &armauthorization.RoleAssignmentProperties{
		PrincipalID: &u.id, RoleDefinitionID: to.Ptr(w.platform + authorization + "roleDefinitions/" + rbacAdministrator), Condition: to.Ptr(onlyPull), ConditionVersion: to.Ptr("2.0")}}, nil)
	if err != nil || *made.Properties.Condition != onlyPull {
		t.Errorf("a condition: %v", err)
	}
}
