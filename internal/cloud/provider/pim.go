package provider

import (
	"iter"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
)

// Privileged Identity Management of Azure resources (api-version 2020-10-01): roles that somebody may activate for a
// time, and assignments that last for a time. An eligibility is a document of its own. An active assignment is a role
// assignment like any other; its schedule is kept beside it, and it is shown and counts only while that lasts.
const (
	typeEligibilityRequest  = "Microsoft.Authorization/roleEligibilityScheduleRequests"
	typeEligibility         = "Microsoft.Authorization/roleEligibilitySchedules"
	typeEligibilityInstance = "Microsoft.Authorization/roleEligibilityScheduleInstances"
	typeActiveRequest       = "Microsoft.Authorization/roleAssignmentScheduleRequests"
	typeActive              = "Microsoft.Authorization/roleAssignmentSchedules"
	typeActiveInstance      = "Microsoft.Authorization/roleAssignmentScheduleInstances"
	typeEligibleChild       = "Microsoft.Authorization/eligibleChildResources"
)

// pimPrincipal is the first-party principal that Privileged Identity Management acts as.
var pimPrincipal = directory.Principal{ID: azure.MustGUID("4f1d3c5e-6b7a-4c8d-9e0f-1a2b3c4d5e6f"), AppID: azure.MustGUID("01fc33a7-78ba-4d2f-a4b7-768e336e890e"),
	Type: directory.ServicePrincipal, Kind: directory.Application, DisplayName: "MS-PIM"}

// pim are its resource types. Who may do what is its own to say: an eligible user has no role yet.
func pim() []arm.Type {
	row := func(t arm.Type) arm.Type {
		t.Since, t.Place, t.Open = "2020-10-01", arm.Any, true
		t.Versions = []string{"2024-09-01-preview", "2022-04-01-preview", "2020-10-01", "2020-10-01-preview"}
		t.Shown = shownInPIM(t.Name)
		return t
	}
	actions := map[string]arm.Action{"cancel": {Do: cancelRequest, Write: true, Open: true}, "validate": {Do: validateRequest, Open: true, Absent: true, Try: true}}
	return []arm.Type{
		row(arm.Type{Name: typeEligibilityRequest, AnyoneCreates: true, NoDelete: true, Refs: requestRefs, Check: checkRequest, Get: getRequest, List: listRequests, Actions: actions}),
		row(arm.Type{Name: typeEligibility, ReadOnly: true, Refs: eligibilityRefs, Get: getSchedule, List: listSchedules}),
		row(arm.Type{Name: typeEligibilityInstance, ReadOnly: true, Get: getSchedule, List: listSchedules}),
		row(arm.Type{Name: typeActiveRequest, AnyoneCreates: true, NoDelete: true, Refs: requestRefs, Check: checkRequest, Get: getRequest, List: listRequests, Actions: actions}),
		row(arm.Type{Name: typeActive, ReadOnly: true, Get: getSchedule, List: listSchedules}),
		row(arm.Type{Name: typeActiveInstance, ReadOnly: true, Get: getSchedule, List: listSchedules}),
		row(arm.Type{Name: typeApproval, ReadOnly: true, Get: getApproval, List: listApprovals}),
		row(arm.Type{Name: typeApprovalStage, AnyoneCreates: true, NoDelete: true, Initial: initialStage, Check: checkStage, Get: getStage}),
		row(arm.Type{Name: typeEligibleChild, ReadOnly: true, List: listEligibleChildren}),
		policyRow(arm.Type{Name: typePolicy, Initial: initialPolicy, Check: checkPolicy, List: listPolicies}),
		policyRow(arm.Type{Name: typePolicyAssignment, ReadOnly: true, Get: getPolicyAssignment, List: listPolicyAssignments}),
	}
}

// shownInPIM is a type as its documents name it: Microsoft.Authorization/RoleEligibilitySchedules.
func shownInPIM(typ string) string {
	ns, rest, _ := strings.Cut(typ, "/")
	return ns + "/" + strings.ToUpper(rest[:1]) + rest[1:]
}

// schedule says that a principal has, or may activate, a role at a scope from Start to End.
type schedule struct {
	assignment
	PrincipalType string
	Start, End    time.Time // zero: from the beginning, for ever
	Kind          string    // of active ones: Assigned or Activated
	Condition     string
	Created       time.Time
	Request       string // the id of the request that made it; "" where it was made without
	Eligibility   string // the id of the eligibility that was activated
}

// live reports whether the schedule is in force.
func (s schedule) live(now time.Time) bool { return !now.Before(s.Start) && !s.ended(now) }

func (s schedule) ended(now time.Time) bool { return !s.End.IsZero() && !now.Before(s.End) }

// member of a role assignment's document: the schedule, where there is one.
const scheduleMember = "_.schedule"

// readSchedule takes an eligibility's document, or a role assignment's with its schedule.
func readSchedule(d arm.Doc) (schedule, bool) {
	a, ok := readAssignment(d)
	s := schedule{assignment: a, PrincipalType: arm.Str(d, "properties.principalType"), Condition: arm.Str(d, "properties.condition"), Kind: "Assigned"}
	s.Created, _ = time.Parse(time.RFC3339Nano, arm.Str(d, "properties.createdOn"))
	s.Start = s.Created
	if of := arm.Map(d, scheduleMember); of != nil {
		s.Start, _ = time.Parse(time.RFC3339Nano, arm.Str(of, "start"))
		s.End, _ = time.Parse(time.RFC3339Nano, arm.Str(of, "end"))
		s.Kind, s.Request, s.Eligibility = arm.Str(of, "kind"), arm.Str(of, "request"), arm.Str(of, "eligibility")
	}
	return s, ok
}

// member is how a schedule is kept in a document.
func (s schedule) member() arm.Doc {
	return arm.Doc{"start": instant(s.Start), "end": instant(s.End), "kind": s.Kind, "request": s.Request, "eligibility": s.Eligibility}
}

// instant prints a time; "" for none.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// printed is a time as PIM prints it; null for none.
func printed(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return stamp(t.UTC())
}

// shown reports whether a role assignment is there: one with a schedule only while that is in force.
func shown(c *arm.Call, d arm.Doc) bool {
	s, ok := readSchedule(d)
	return !ok || arm.Map(d, scheduleMember) == nil || s.live(c.Now)
}

func eligibilityRefs(d arm.Doc) []string {
	s, _ := readSchedule(d)
	return []string{"eligibilities", eligibleRef(s.Principal)}
}

func eligibleRef(id azure.PrincipalID) string { return "eligible:" + id.String() }

// eligible reports whether a type is about eligibilities; else it is about active assignments.
func eligible(t *arm.Type) bool { return strings.Contains(t.Name, "/roleEligibility") }

func isInstance(t *arm.Type) bool { return strings.HasSuffix(t.Name, "Instances") }

// ongoing yields the schedules in some documents that have not ended.
func ongoing(c *arm.Call, docs iter.Seq2[arm.Doc, error]) iter.Seq2[schedule, error] {
	return func(yield func(schedule, error) bool) {
		for d, err := range docs {
			s, ok := readSchedule(d)
			if err == nil && (!ok || s.ended(c.Now)) {
				continue
			}
			if !yield(s, err) {
				return
			}
		}
	}
}

// scheduleDocs yields the documents of the call's kind: those of some principals, wherever they are, or all about its scope.
func scheduleDocs(c *arm.Call, of []azure.PrincipalID) iter.Seq2[arm.Doc, error] {
	switch {
	case of != nil && eligible(c.Type):
		return findEach(c, of, eligibleRef)
	case of != nil:
		return findEach(c, of, byPrincipal)
	case eligible(c.Type):
		return c.Find("eligibilities")
	}
	return assignmentFilter{}.candidates(c)
}

// findEach yields the documents with an index entry of one of several principals.
func findEach(c *arm.Call, of []azure.PrincipalID, ref func(azure.PrincipalID) string) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		for _, id := range of {
			for d, err := range c.Find(ref(id)) {
				if !yield(d, err) {
					return
				}
			}
		}
	}
}

// scheduleFilter is what the lists of PIM take: atScope(), asTarget(), asRequestor(), asApprover(), assignedTo(),
// principalId eq, roleDefinitionId eq, and their conjunctions.
type scheduleFilter struct {
	at         azure.ID // the scope that is asked for
	noChildren bool
	principals []azure.PrincipalID // nil: all
	role       azure.GUID          // zero: all
	own        string              // as whom the caller asks for what is its own: astarget, asrequestor or asapprover
	status     string
}

func readScheduleFilter(c *arm.Call) (f scheduleFilter, bad *azure.Error) {
	f.at = c.ID
	terms, bad := c.Filter()
	for _, t := range terms {
		switch name := lower(t.Field); name + t.Op {
		case "atscope()":
			f.noChildren = true
		case "astarget()":
			f.own = name
			f.principals = append(c.Policy().GroupsAt(c.Caller.ID, c.Now), c.Caller.ID)
		case "asrequestor()", "asapprover()":
			f.own = name
		case "principalideq", "assignedto()":
			id, err := azure.ParseGUID(t.Value)
			if err != nil {
				return f, c.BadFilter()
			}
			f.principals = []azure.PrincipalID{id}
			if name == "assignedto" {
				f.principals = append(c.Policy().GroupsAt(id, c.Now), id)
			}
		case "roledefinitionideq":
			role, err := roleGUID(t.Value)
			if err != nil {
				return f, c.BadFilter()
			}
			f.role = role
		case "statuseq":
			f.status = t.Value
		default:
			return f, c.BadFilter()
		}
	}
	if bad == nil && f.own == "" && !c.May(azure.Action(c.Type.Name+"/read"), c.ID) {
		bad = notPermitted(c)
	}
	return f, bad
}

func notPermitted(c *arm.Call) *azure.Error {
	return azure.RequestorNotPermitted.Format(azure.Fields{"oid": c.Caller.ID.String()})
}

// takes reports whether a schedule at a scope is listed; lists show what is at, above and below the scope that is asked for.
func (f scheduleFilter) takes(c *arm.Call, at azure.ID, role azure.GUID) bool {
	return (f.role.IsZero() || f.role == role) && (c.Covers(at, f.at) || !f.noChildren && c.Covers(f.at, at))
}

func listSchedules(c *arm.Call) iter.Seq2[arm.Doc, error] {
	f, bad := readScheduleFilter(c)
	if bad != nil {
		return failed(bad)
	}
	return func(yield func(arm.Doc, error) bool) {
		for s, err := range ongoing(c, scheduleDocs(c, f.principals)) {
			if err == nil && (!f.takes(c, s.Scope, s.Role) || isInstance(c.Type) && !s.live(c.Now)) {
				continue
			}
			if !yield(scheduleDoc(c, s, f), err) {
				return
			}
		}
	}
}

// getSchedule finds a schedule or instance by its name.
func getSchedule(c *arm.Call) (arm.Doc, *azure.Error) {
	scope, _, _ := c.ID.Split()
	typ := typeRoleAssignment
	if eligible(c.Type) {
		typ = typeEligibility
	}
	for s, err := range ongoing(c, c.At(scope, typ)) {
		if err != nil {
			return nil, arm.Fault(err)
		}
		if !strings.EqualFold(scheduleName(c.Type, s), c.ID.Name()) || isInstance(c.Type) && !s.live(c.Now) {
			continue
		}
		if s.Principal != c.Caller.ID && !c.May(azure.Action(c.Type.Name+"/read"), scope) {
			return nil, notPermitted(c)
		}
		return scheduleDoc(c, s, scheduleFilter{at: scope}), nil
	}
	if !c.May(azure.Action(c.Type.Name+"/read"), scope) {
		return nil, notPermitted(c)
	}
	return nil, azure.NotFound.Format(azure.Fields{"id": c.ID.String()})
}

// scheduleName is what a schedule is called: an eligibility and a role assignment by their own names, the other of the
// two views of it by a name made from that.
func scheduleName(t *arm.Type, s schedule) string {
	if eligible(t) == isInstance(t) {
		return nameFrom(s.ID.Key(), "schedule").String()
	}
	return s.ID.Name()
}

// scheduleID is the id under which PIM shows a schedule, of its type or of the other one that shows it.
func scheduleID(typ string, s schedule) string {
	return s.Scope.Resource(typ, scheduleName(&arm.Type{Name: typ}, s)).String()
}

// scheduleDoc is a schedule, or an instance of one, as PIM shows it.
func scheduleDoc(c *arm.Call, s schedule, f scheduleFilter) arm.Doc {
	props := arm.Doc{"scope": s.Scope.String(), "roleDefinitionId": roleID(s.Scope, s.Role), "principalId": s.Principal.String(), "principalType": s.PrincipalType,
		"status": "Provisioned", "startDateTime": printed(s.Start), "endDateTime": printed(s.End), "memberType": f.memberType(s),
		"createdOn": printed(s.Created), "condition": nil, "conditionVersion": nil, "expandedProperties": expanded(c, s)}
	if s.Condition != "" {
		props["condition"], props["conditionVersion"] = s.Condition, "2.0"
	}
	request := any(nil)
	if s.Request != "" {
		request = s.Request
	}
	switch c.Type.Name {
	case typeEligibility:
		props["roleEligibilityScheduleRequestId"], props["updatedOn"] = request, printed(s.Created)
	case typeEligibilityInstance:
		props["roleEligibilityScheduleId"] = scheduleID(typeEligibility, s)
	case typeActive:
		props["roleAssignmentScheduleRequestId"], props["updatedOn"], props["assignmentType"] = request, printed(s.Created), s.Kind
	case typeActiveInstance:
		props["roleAssignmentScheduleId"], props["originRoleAssignmentId"], props["assignmentType"] = scheduleID(typeActive, s), s.ID.String(), s.Kind
	}
	if s.Eligibility != "" {
		props["linkedRoleEligibilityScheduleId"] = s.Eligibility
	}
	return arm.Doc{"id": scheduleID(c.Type.Name, s), "name": scheduleName(c.Type, s), "type": c.Type.Shown, "properties": props}
}

// memberType says how a schedule comes to who asks: by a group, from above, or directly.
func (f scheduleFilter) memberType(s schedule) string {
	switch {
	case len(f.principals) > 1 && s.PrincipalType == directory.Group:
		return "Group"
	case !f.at.Contains(s.Scope):
		return "Inherited"
	}
	return "Direct"
}

// expanded are the names of what a schedule refers to.
func expanded(c *arm.Call, s schedule) arm.Doc {
	principal := arm.Doc{"id": s.Principal.String(), "type": s.PrincipalType, "displayName": nil}
	if p, err := directory.Get(c.Tx, s.Principal); err == nil {
		principal["displayName"] = p.DisplayName
		if p.UPN != "" {
			principal["email"] = p.UPN
		}
	}
	role := arm.Doc{"id": roleID(s.Scope, s.Role), "type": "CustomRole"}
	if r, ok := c.Policy().Role(s.Role); ok {
		role["displayName"] = r.Name
		if r.BuiltIn {
			role["type"] = "BuiltInRole"
		}
	}
	return arm.Doc{"principal": principal, "roleDefinition": role, "scope": expandedScope(c, s.Scope)}
}

func expandedScope(c *arm.Call, scope azure.ID) arm.Doc {
	kind, name := "resource", scope.Name()
	doc, _ := c.Load(scope)
	switch t := scope.Type(); {
	case strings.EqualFold(t, azure.TypeManagementGroup):
		kind, name = "managementgroup", arm.Str(doc, "properties.displayName")
	case scope.GroupID().Equal(scope):
		kind = "resourcegroup"
	case scope.Subscription() != "" && scope.Equal(azure.SubscriptionID(scope.Subscription())):
		kind, name = "subscription", arm.Str(doc, "displayName")
	}
	return arm.Doc{"id": scope.String(), "type": kind, "displayName": name}
}
