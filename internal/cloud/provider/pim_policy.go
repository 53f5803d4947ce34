package provider

import (
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
	"aksid/internal/rbac"
)

// Role management policies say what requests for a role at a scope must bring along, and for how long it can be had.
// There is one for each role at each scope; until it is changed it has the defaults.
const (
	typePolicy           = "Microsoft.Authorization/roleManagementPolicies"
	typePolicyAssignment = "Microsoft.Authorization/roleManagementPolicyAssignments"
)

func policyRow(t arm.Type) arm.Type {
	t.Since, t.Place = "2020-10-01", arm.Any
	t.Versions = []string{"2024-09-01-preview", "2020-10-01", "2020-10-01-preview"}
	t.Shown = shownInPIM(t.Name)
	return t
}

// ruleSet is whose requests some rules are for, and for what: part of the rules' ids.
type ruleSet string

const (
	adminEligibility ruleSet = "Admin_Eligibility"
	adminAssignment  ruleSet = "Admin_Assignment"
	userAssignment   ruleSet = "EndUser_Assignment"
)

// defaultRules are those of a policy that nobody changed (Microsoft Learn: configure Azure resource role settings):
// eligible for a year at most, active for half a year, activated for eight hours; active with a justification.
func defaultRules() []any {
	rules := []any{
		expirationRule(adminEligibility, "P365D"), enablementRule(adminEligibility),
		expirationRule(adminAssignment, "P180D"), enablementRule(adminAssignment, "Justification"),
		expirationRule(userAssignment, "PT8H"), enablementRule(userAssignment, "Justification"),
		arm.Doc{"id": "Approval_EndUser_Assignment", "ruleType": "RoleManagementPolicyApprovalRule", "target": ruleTarget(userAssignment),
			"setting": arm.Doc{"isApprovalRequired": false, "isApprovalRequiredForExtension": false, "isRequestorJustificationRequired": true, "approvalMode": "SingleStage",
				"approvalStages": []any{arm.Doc{"approvalStageTimeOutInDays": 1, "isApproverJustificationRequired": true, "escalationTimeInMinutes": 0,
					"primaryApprovers": []any{}, "isEscalationEnabled": false, "escalationApprovers": []any{}}}}},
		arm.Doc{"id": "AuthenticationContext_EndUser_Assignment", "ruleType": "RoleManagementPolicyAuthenticationContextRule", "target": ruleTarget(userAssignment),
			"isEnabled": false, "claimValue": ""},
	}
	for _, set := range []ruleSet{adminEligibility, adminAssignment, userAssignment} {
		for _, to := range []string{"Admin", "Requestor", "Approver"} {
			rules = append(rules, arm.Doc{"id": "Notification_" + to + "_" + string(set), "ruleType": "RoleManagementPolicyNotificationRule", "target": ruleTarget(set),
				"notificationType": "Email", "recipientType": to, "notificationLevel": "All", "isDefaultRecipientsEnabled": true, "notificationRecipients": []any{}})
		}
	}
	return rules
}

func ruleTarget(set ruleSet) arm.Doc {
	caller, level, _ := strings.Cut(string(set), "_")
	return arm.Doc{"caller": caller, "operations": []any{"All"}, "level": level, "targetObjects": nil, "inheritableSettings": nil, "enforcedSettings": nil}
}

func expirationRule(set ruleSet, most string) arm.Doc {
	return arm.Doc{"id": "Expiration_" + string(set), "ruleType": "RoleManagementPolicyExpirationRule", "target": ruleTarget(set),
		"isExpirationRequired": true, "maximumDuration": most}
}

func enablementRule(set ruleSet, enabled ...string) arm.Doc {
	return arm.Doc{"id": "Enablement_" + string(set), "ruleType": "RoleManagementPolicyEnablementRule", "target": ruleTarget(set), "enabledRules": texts(enabled)}
}

// policyID is where the policy of a role at a scope is.
func policyID(scope azure.ID, role azure.GUID) azure.ID {
	return scope.Resource(typePolicy, nameFrom(scope.Key(), role.String(), "policy").String())
}

// policyRole finds the role that a policy is for.
func policyRole(c *arm.Call, id azure.ID) (*rbac.Role, bool) {
	scope, _, _ := id.Split()
	for r := range c.Policy().Roles() {
		if policyID(scope, r.ID).Equal(id) {
			return r, true
		}
	}
	return nil, false
}

// initialPolicy is a policy that nobody changed; nil where there is none of that name.
func initialPolicy(c *arm.Call) arm.Doc {
	role, ok := policyRole(c, c.ID)
	if !ok {
		return nil
	}
	scope, _, _ := c.ID.Split()
	return defaultPolicy(c, scope, role.ID)
}

func defaultPolicy(c *arm.Call, scope azure.ID, role azure.GUID) arm.Doc {
	rules := defaultRules()
	id := policyID(scope, role)
	return arm.Doc{"id": id.String(), "name": id.Name(), "type": "Microsoft.Authorization/RoleManagementPolicies", "properties": arm.Doc{
		"scope": scope.String(), "displayName": nil, "description": nil, "isOrganizationDefault": false, "lastModifiedBy": nil, "lastModifiedDateTime": nil,
		"rules": rules, "effectiveRules": rules, "policyProperties": arm.Doc{"scope": expandedScope(c, scope)}}}
}

// policyOf is the policy of a role at a scope, changed or not.
func policyOf(c *arm.Call, scope azure.ID, role azure.GUID) (arm.Doc, error) {
	doc, err := c.Load(policyID(scope, role))
	if doc == nil && err == nil {
		doc = defaultPolicy(c, scope, role)
	}
	return doc, err
}

// checkPolicy takes the rules of a request in place of those with the same ids.
func checkPolicy(c *arm.Call) *azure.Error {
	if c.Old == nil {
		return azure.InvalidManagementPolicy.Error() // they are there; they are not made
	}
	rules := slices.Clone(arm.List(c.Old, "properties.rules"))
	for _, v := range arm.List(c.Body, "properties.rules") {
		rule, _ := v.(map[string]any)
		at := slices.IndexFunc(rules, func(old any) bool { return arm.Str(old.(map[string]any), "id") == arm.Str(rule, "id") })
		if at < 0 || !validRule(rule) {
			return azure.InvalidManagementPolicy.Error()
		}
		merged := arm.Clone(rules[at].(map[string]any))
		for k, v := range rule {
			merged[k] = v
		}
		rules[at] = merged
	}
	props := arm.Clone(arm.Map(c.Old, "properties"))
	props["rules"], props["effectiveRules"] = rules, rules
	props["lastModifiedBy"], props["lastModifiedDateTime"] = arm.Doc{"id": c.Caller.ID.String()}, printed(c.Now)
	c.Doc["properties"] = props
	return nil
}

// validRule reports whether a changed rule can be kept to.
func validRule(rule arm.Doc) bool {
	if most := arm.Str(rule, "maximumDuration"); most != "" {
		if _, ok := addDuration(time.Time{}, most); !ok {
			return false
		}
	}
	for _, a := range (rules{rule}).setApprovers() {
		if _, err := azure.ParseGUID(a); err != nil {
			return false
		}
	}
	return true
}

// listPolicies yields the policies of every role at a scope; listPolicyAssignments says which is for which role, and takes
// roleDefinitionId eq.
func listPolicies(c *arm.Call) iter.Seq2[arm.Doc, error] { return eachPolicy(c, policyOf) }

func listPolicyAssignments(c *arm.Call) iter.Seq2[arm.Doc, error] {
	return eachPolicy(c, policyAssignment)
}

func eachPolicy(c *arm.Call, doc func(*arm.Call, azure.ID, azure.GUID) (arm.Doc, error)) iter.Seq2[arm.Doc, error] {
	terms, bad := c.Filter()
	var only azure.GUID
	for _, t := range terms {
		role, err := roleGUID(t.Value)
		if lower(t.Field)+t.Op != "roledefinitionideq" || err != nil {
			return failed(c.BadFilter())
		}
		only = role
	}
	if bad != nil {
		return failed(bad)
	}
	return func(yield func(arm.Doc, error) bool) {
		for r := range c.Policy().Roles() {
			if !only.IsZero() && r.ID != only || !assignable(c, r, c.ID) {
				continue
			}
			if d, err := doc(c, c.ID, r.ID); !yield(d, err) {
				return
			}
		}
	}
}

func policyAssignment(c *arm.Call, scope azure.ID, role azure.GUID) (arm.Doc, error) {
	policy, err := policyOf(c, scope, role)
	id := policyID(scope, role)
	name := id.Name() + "_" + role.String()
	return arm.Doc{"id": scope.Resource(typePolicyAssignment, name).String(), "name": name, "type": "Microsoft.Authorization/RoleManagementPolicyAssignments",
		"properties": arm.Doc{"scope": scope.String(), "roleDefinitionId": roleID(scope, role), "policyId": id.String(), "effectiveRules": arm.Get(policy, "properties.rules"),
			"policyAssignmentProperties": arm.Doc{"scope": expandedScope(c, scope)}}}, err
}

func getPolicyAssignment(c *arm.Call) (arm.Doc, *azure.Error) {
	scope, _, _ := c.ID.Split()
	policy, role, _ := strings.Cut(c.ID.Name(), "_")
	id, err := azure.ParseGUID(role)
	if _, known := c.Policy().Role(id); err != nil || !known || !strings.EqualFold(policyID(scope, id).Name(), policy) {
		return nil, azure.NotFound.Format(azure.Fields{"id": c.ID.String()})
	}
	doc, err := policyAssignment(c, scope, id)
	return doc, arm.Fault(err)
}

// rules are those of a policy.
type rules []any

// rulesOf are the rules for a role at a scope. A policy that cannot be read has the defaults' refusals.
func rulesOf(c *arm.Call, scope azure.ID, role azure.GUID) rules {
	doc, err := policyOf(c, scope, role)
	if err != nil {
		return defaultRules()
	}
	return arm.List(doc, "properties.rules")
}

// rule finds one by its id.
func (r rules) rule(id string) arm.Doc {
	for _, v := range r {
		if d, _ := v.(map[string]any); arm.Str(d, "id") == id {
			return d
		}
	}
	return nil
}

// meets refuses a request that does not keep to the rules of its kind, and names them all. A second factor counts as given.
func (r *request) meets(c *arm.Call, set ruleSet) *azure.Error {
	all := rulesOf(c, r.Scope, r.Role)
	var broken []string
	if !all.allow(set, r.Start, r.End) {
		broken = append(broken, "ExpirationRule")
	}
	enabled := text(arm.List(all.rule("Enablement_"+string(set)), "enabledRules"))
	if slices.Contains(enabled, "Justification") && strings.TrimSpace(r.Justification) == "" {
		broken = append(broken, "JustificationRule")
	}
	if slices.Contains(enabled, "Ticketing") && strings.TrimSpace(r.Ticket) == "" {
		broken = append(broken, "TicketingRule")
	}
	if broken != nil {
		return rulesFailed(broken...)
	}
	return nil
}

// allow reports whether a schedule is as short as it has to be.
func (r rules) allow(set ruleSet, start, end time.Time) bool {
	rule := r.rule("Expiration_" + string(set))
	if end.IsZero() {
		return !arm.Bool(rule, "isExpirationRequired")
	}
	latest, ok := addDuration(start, arm.Str(rule, "maximumDuration"))
	return !ok || !arm.Bool(rule, "isExpirationRequired") || !end.After(latest)
}

// setApprovers are the object ids of those whom the rules name to approve, users and groups.
func (r rules) setApprovers() []string {
	var ids []string
	for _, v := range r {
		rule, _ := v.(map[string]any)
		arm.Each(rule, "setting.approvalStages[].primaryApprovers[].id", func(id any) { ids = append(ids, fmt.Sprint(id)) })
	}
	return ids
}

// approvers are the same where an approval is required; nil where it is not.
func (r rules) approvers() []string {
	if !arm.Bool(r.rule("Approval_EndUser_Assignment"), "setting.isApprovalRequired") {
		return nil
	}
	return append([]string{}, r.setApprovers()...)
}

// approves reports whether the caller may approve: it is named, or in a group that is; where nobody is named, owners of
// the scope may.
func (r rules) approves(c *arm.Call) bool {
	named := r.approvers()
	if len(named) == 0 {
		scope, _, _ := c.ID.Split()
		return named != nil && c.May("Microsoft.Authorization/roleAssignments/write", scope)
	}
	for _, id := range append(c.Policy().GroupsAt(c.Caller.ID, c.Now), c.Caller.ID) {
		if slices.ContainsFunc(named, func(s string) bool { return strings.EqualFold(s, id.String()) }) {
			return c.Caller.Type != directory.ServicePrincipal || id == c.Caller.ID
		}
	}
	return false
}

var calendarDuration = regexp.MustCompile(`^P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,8})S)?)?$`)

// addDuration is a time plus a duration of ISO 8601, as PT8H or P1Y; false for what is none, or nothing.
func addDuration(t time.Time, duration string) (time.Time, bool) {
	m := calendarDuration.FindStringSubmatch(duration)
	if m == nil {
		return t, false
	}
	var n [8]int
	for i, s := range m[1:] {
		n[i], _ = strconv.Atoi(s) // digits, or nothing
	}
	end := t.AddDate(n[0], n[1], 7*n[2]+n[3]).Add(time.Duration(n[4])*time.Hour + time.Duration(n[5])*time.Minute + time.Duration(n[6])*time.Second)
	return end, end.After(t)
}
