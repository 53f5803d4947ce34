package provider

import (
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
)

// request is a schedule request as it was asked for.
type request struct {
	schedule
	For           string // the request type, as AdminAssign
	Expires       expiration
	Justification string
	Ticket        string
	Eligible      bool // it is about an eligibility; else about an active assignment
}

// expiration is how a schedule ends: NoExpiration, AfterDuration or AfterDateTime.
type expiration struct {
	Type     string
	Duration string
	End      time.Time
}

// byAdmin reports whether the request is an administrator's; else it is for the caller itself.
func (r request) byAdmin() bool { return strings.HasPrefix(r.For, "Admin") }

// ends reports whether the request ends what is there.
func (r request) ends() bool {
	return strings.EqualFold(r.For, "AdminRemove") || strings.EqualFold(r.For, "SelfDeactivate")
}

// readRequest takes a request's document, and refuses what Azure does not take whatever is there.
func readRequest(c *arm.Call) (r request, bad *azure.Error) {
	props := arm.Map(c.Doc, "properties")
	scope, _, _ := c.ID.Split()
	r = request{For: arm.Str(props, "requestType"), Justification: arm.Str(props, "justification"), Ticket: arm.Str(props, "ticketInfo.ticketNumber"),
		Eligible: eligible(c.Type)}
	r.Scope, r.Created, r.Request, r.Condition, r.Kind = scope, c.Now, arm.Str(c.Doc, "id"), arm.Str(props, "condition"), "Assigned"
	if _, err := azure.ParseGUID(c.ID.Name()); err != nil {
		return r, azure.InvalidAssignmentRequest.Error()
	}
	var err error
	if r.Principal, err = azure.ParseGUID(arm.Str(props, "principalId")); err != nil || r.Principal.IsZero() {
		return r, azure.InvalidPrincipalID.Error()
	}
	if r.Role, err = roleGUID(arm.Str(props, "roleDefinitionId")); err != nil {
		return r, azure.InvalidRoleDefinitionID.Format(azure.Fields{"id": arm.Str(props, "roleDefinitionId")})
	}
	if bad := checkRoleAt(c, r.Role, scope); bad != nil && !r.ends() {
		return r, bad
	}
	if bad := checkCondition(props); bad != nil {
		return r, bad
	}
	if r.PrincipalType, bad = principalType(c, r.Principal, ""); bad != nil {
		return r, bad
	}
	return r, r.readTimes(arm.Map(props, "scheduleInfo"), c.Now)
}

// readTimes reads from when to when.
func (r *request) readTimes(info arm.Doc, now time.Time) *azure.Error {
	r.Start = now
	if s := arm.Str(info, "startDateTime"); s != "" {
		start, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			return azure.InvalidRequestSchedule.Error()
		}
		r.Start = start.UTC()
	}
	e := arm.Map(info, "expiration")
	r.Expires = expiration{Type: arm.Str(e, "type"), Duration: arm.Str(e, "duration")}
	switch lower(r.Expires.Type) {
	case "", "noexpiration":
	case "afterduration":
		end, ok := addDuration(r.Start, r.Expires.Duration)
		if !ok {
			return azure.InvalidRequestSchedule.Error()
		}
		r.End = end
	case "afterdatetime":
		end, err := time.Parse(time.RFC3339Nano, arm.Str(e, "endDateTime"))
		if err != nil {
			return azure.InvalidRequestSchedule.Error()
		}
		r.End = end.UTC()
	default:
		return azure.InvalidRequestSchedule.Error()
	}
	if !r.End.IsZero() && (!r.End.After(r.Start) || !r.End.After(now)) {
		return azure.InvalidRequestSchedule.Error()
	}
	return nil
}

// checkRequest carries a request out, or leaves it to be approved; its document says what became of it.
func checkRequest(c *arm.Call) *azure.Error {
	if c.Old != nil {
		return azure.InvalidAssignmentRequest.Error()
	}
	r, bad := readRequest(c)
	if bad != nil {
		return bad
	}
	if bad := r.permitted(c); bad != nil {
		return bad
	}
	if bad := dropEnded(c, r.Principal); bad != nil {
		return bad
	}
	do, ok := requestTypes[requestType{r.Eligible, lower(r.For)}]
	if !ok {
		return azure.InvalidAssignmentRequest.Error()
	}
	status, bad := do(c, &r)
	if bad != nil {
		return bad
	}
	r.describe(c, status)
	return nil
}

// permitted refuses who may not ask: administrators need the right to make the request, and without any condition the
// right to assign roles; anyone else asks for itself alone.
func (r *request) permitted(c *arm.Call) *azure.Error {
	if !r.byAdmin() {
		if r.Principal != c.Caller.ID {
			return notPermitted(c)
		}
		return nil
	}
	if bad := c.Authorize(azure.Action(c.Type.Name+"/write"), c.ID); bad != nil {
		return bad
	}
	if !c.May("Microsoft.Authorization/roleAssignments/write", r.Scope) {
		return notPermitted(c)
	}
	return nil
}

// requestType is what a request can ask for, of an eligibility or of an active assignment.
type requestType struct {
	eligible bool
	name     string
}

// requestTypes carry requests out; they return the request's status.
var requestTypes = map[requestType]func(*arm.Call, *request) (string, *azure.Error){
	{true, "adminassign"}:     makeEligible,
	{true, "adminupdate"}:     changeSchedule,
	{true, "adminextend"}:     settling(changeSchedule),
	{true, "adminrenew"}:      settling(makeEligible),
	{true, "adminremove"}:     endSchedule,
	{true, "selfextend"}:      leaveToAdmin,
	{true, "selfrenew"}:       leaveToAdmin,
	{false, "adminassign"}:    makeActive,
	{false, "adminupdate"}:    changeSchedule,
	{false, "adminextend"}:    settling(changeSchedule),
	{false, "adminrenew"}:     settling(makeActive),
	{false, "adminremove"}:    endSchedule,
	{false, "selfactivate"}:   activate,
	{false, "selfdeactivate"}: deactivate,
	{false, "selfextend"}:     leaveToAdmin,
	{false, "selfrenew"}:      leaveToAdmin,
}

// makeEligible lets a user or a group activate the role. Service principals and managed identities cannot activate
// anything, and are refused (azure-facts 3.6).
func makeEligible(c *arm.Call, r *request) (string, *azure.Error) {
	if r.PrincipalType == directory.ServicePrincipal {
		return "", azure.InvalidAssignmentRequest.Error()
	}
	if old, bad := findSchedule(c, r, eligibleRef); bad != nil || old != nil {
		return "", either(bad, azure.ScheduledAssignmentExists)
	}
	if bad := r.meets(c, adminEligibility); bad != nil {
		return "", bad
	}
	r.ID = r.Scope.Resource(typeEligibility, nameFrom(c.ID.Key(), "eligibility").String())
	return r.granted(c), saveEligibility(c, r.schedule)
}

func saveEligibility(c *arm.Call, s schedule) *azure.Error {
	doc := arm.Doc{"id": s.ID.String(), "name": s.ID.Name(), "type": typeEligibility, "_": arm.Doc{"schedule": s.member()}, "properties": arm.Doc{
		"principalId": s.Principal.String(), "principalType": s.PrincipalType, "roleDefinitionId": roleID(s.Scope, s.Role), "scope": s.Scope.String(),
		"condition": s.Condition, "createdOn": instant(s.Created)}}
	return arm.Fault(c.Seed(s.ID, doc))
}

// makeActive assigns the role for a time; anybody can be assigned.
func makeActive(c *arm.Call, r *request) (string, *azure.Error) {
	if bad := r.meets(c, adminAssignment); bad != nil {
		return "", bad
	}
	return r.assign(c)
}

// activate turns an eligibility of the caller's, or of one of its groups, into an assignment for a time.
func activate(c *arm.Call, r *request) (string, *azure.Error) {
	of, bad := r.eligibility(c)
	if bad != nil {
		return "", bad
	}
	if of == nil {
		return "", rulesFailed("EligibilityRule")
	}
	if bad := r.meets(c, userAssignment); bad != nil {
		return "", bad
	}
	r.Kind, r.Eligibility, r.Condition = "Activated", scheduleID(typeEligibility, *of), of.Condition
	if !of.End.IsZero() && (r.End.IsZero() || r.End.After(of.End)) {
		r.End = of.End
	}
	if approvers := rulesOf(c, r.Scope, r.Role).approvers(); approvers != nil {
		return r.leaveToApprovers(c)
	}
	return r.assign(c)
}

// eligibility finds what the caller may activate: at the request's scope, or above it.
func (r *request) eligibility(c *arm.Call) (*schedule, *azure.Error) {
	who := append(c.Policy().GroupsAt(r.Principal, c.Now), r.Principal)
	for s, err := range ongoing(c, findEach(c, who, eligibleRef)) {
		if err != nil {
			return nil, arm.Fault(err)
		}
		if s.Role == r.Role && s.live(c.Now) && c.Covers(s.Scope, r.Scope) {
			return &s, nil
		}
	}
	return nil, nil
}

// assign makes the role assignment, as MS-PIM, with its schedule beside it.
func (r *request) assign(c *arm.Call) (string, *azure.Error) {
	if old, bad := findSchedule(c, r, byPrincipal); bad != nil || old != nil {
		return "", either(bad, azure.ScheduledAssignmentExists)
	}
	r.ID = r.Scope.Resource(typeRoleAssignment, nameFrom(c.ID.Key(), "assignment").String())
	props := arm.Doc{"principalId": r.Principal.String(), "principalType": r.PrincipalType, "roleDefinitionId": roleID(r.Scope, r.Role)}
	if r.Condition != "" {
		props["condition"], props["conditionVersion"] = r.Condition, "2.0"
	}
	doc, bad := c.AsService("Microsoft.Authorization").Put(r.ID, arm.Doc{"properties": props})
	if bad != nil {
		return "", bad
	}
	return r.granted(c), bindInTime(c, doc, r.schedule)
}

// bindInTime gives a role assignment its schedule: it counts from its start, when it has spread, to its end.
func bindInTime(c *arm.Call, doc arm.Doc, s schedule) *azure.Error {
	arm.Set(doc, scheduleMember, s.member())
	if err := c.Seed(s.ID, doc); err != nil {
		return arm.Fault(err)
	}
	from := s.Start
	if at := c.Effective(); at.After(from) {
		from = at
	}
	return arm.Fault(c.PutGrant(grantOf(s, from)))
}

// granted is the status of a request that was carried out: one that begins later is only granted.
func (r *request) granted(c *arm.Call) string {
	if r.Start.After(c.Now) {
		return "Granted"
	}
	return "Provisioned"
}

// changeSchedule gives an eligibility or an assignment another end.
func changeSchedule(c *arm.Call, r *request) (string, *azure.Error) {
	s, bad := r.target(c)
	if bad != nil {
		return "", bad
	}
	rules := adminAssignment
	if r.Eligible {
		rules = adminEligibility
	}
	if bad := r.meets(c, rules); bad != nil {
		return "", bad
	}
	s.End, s.Request = r.End, r.Request
	if strings.EqualFold(r.For, "AdminUpdate") {
		s.Start = r.Start
	}
	r.ID = s.ID
	if r.Eligible {
		return "Provisioned", saveEligibility(c, *s)
	}
	doc, err := c.Load(s.ID)
	if err != nil {
		return "", arm.Fault(err)
	}
	return "Provisioned", bindInTime(c, doc, *s)
}

// endSchedule takes an eligibility away, with what was activated of it, or an assignment.
func endSchedule(c *arm.Call, r *request) (string, *azure.Error) {
	s, bad := r.target(c)
	if bad != nil {
		return "", bad
	}
	if !r.Eligible {
		return "Revoked", c.AsService("Microsoft.Authorization").Delete(s.ID)
	}
	for active, err := range ongoing(c, findEach(c, []azure.PrincipalID{s.Principal}, byPrincipal)) {
		if err != nil {
			return "", arm.Fault(err)
		}
		if active.Eligibility == scheduleID(typeEligibility, *s) {
			if bad := c.AsService("Microsoft.Authorization").Delete(active.ID); bad != nil {
				return "", bad
			}
		}
	}
	return "Revoked", c.DropPart(s.ID)
}

// leastActive is how long an activated role has to be active.
const leastActive = 5 * time.Minute

func deactivate(c *arm.Call, r *request) (string, *azure.Error) {
	s, bad := r.target(c)
	switch {
	case bad != nil:
		return "", bad
	case s.Kind != "Activated":
		return "", azure.ScheduledAssignmentMissing.Error()
	case s.live(c.Now) && c.Now.Sub(s.Start) < leastActive:
		return "", azure.ActiveDurationTooShort.Error()
	}
	return "Revoked", c.AsService("Microsoft.Authorization").Delete(s.ID)
}

// leaveToAdmin keeps a request for an administrator, who approves it, or extends or renews by a request of its own.
func leaveToAdmin(c *arm.Call, r *request) (string, *azure.Error) {
	if strings.EqualFold(r.For, "SelfExtend") {
		if _, bad := r.target(c); bad != nil {
			return "", bad
		}
	}
	if old, bad := r.waiting(c); bad != nil || old != nil {
		return "", either(bad, azure.PendingAssignmentRequest)
	}
	return "PendingAdminDecision", keepForApproval(c, r)
}

// settling carries an administrator's request out, and with it the user's that asked for the same.
func settling(do func(*arm.Call, *request) (string, *azure.Error)) func(*arm.Call, *request) (string, *azure.Error) {
	return func(c *arm.Call, r *request) (string, *azure.Error) {
		status, bad := do(c, r)
		if bad != nil {
			return "", bad
		}
		old, bad := r.waiting(c)
		if bad != nil || old == nil || arm.Str(old, "properties.status") != "PendingAdminDecision" {
			return status, bad
		}
		arm.Set(old, "properties.status", status)
		return status, arm.Fault(c.Seed(azure.MustID(arm.Str(old, "id")), old))
	}
}

// waiting is the request of the same kind for the same principal, role and scope that waits for somebody; nil for none.
func (r *request) waiting(c *arm.Call) (arm.Doc, *azure.Error) {
	for d, err := range c.Find("pendingrequests") {
		if err != nil {
			return nil, arm.Fault(err)
		}
		if s, ok := readSchedule(d); ok && s.Principal == r.Principal && s.Role == r.Role && s.Scope.Equal(r.Scope) && aboutEligibility(d) == r.Eligible {
			return d, nil
		}
	}
	return nil, nil
}

// aboutEligibility reports whether a request's document is about an eligibility.
func aboutEligibility(d arm.Doc) bool {
	return strings.Contains(arm.Str(d, "type"), "/RoleEligibility")
}

// validateRequest says what would become of a request, and takes it back (the SDK's ScheduleRequests.Validate).
func validateRequest(c *arm.Call) (any, *azure.Error) {
	c.Doc = arm.Doc{"id": c.ID.String(), "name": c.ID.Name(), "type": c.Type.Shown, "properties": arm.Doc{}}
	if props := arm.Map(c.Body, "properties"); props != nil {
		c.Doc["properties"] = arm.Clone(props)
	}
	if bad := checkRequest(c); bad != nil {
		return nil, bad
	}
	return c.Shown(c.ID, c.Doc), nil
}

// target is the schedule that a request is about.
func (r *request) target(c *arm.Call) (*schedule, *azure.Error) {
	ref := byPrincipal
	if r.Eligible {
		ref = eligibleRef
	}
	s, bad := findSchedule(c, r, ref)
	if bad == nil && s == nil {
		bad = azure.ScheduledAssignmentMissing.Error()
	}
	return s, bad
}

// findSchedule finds what runs for the request's principal, role and scope already; nil where nothing does.
func findSchedule(c *arm.Call, r *request, ref func(azure.PrincipalID) string) (*schedule, *azure.Error) {
	for s, err := range ongoing(c, c.Find(ref(r.Principal))) {
		if err != nil {
			return nil, arm.Fault(err)
		}
		if s.Role == r.Role && s.Scope.Equal(r.Scope) {
			return &s, nil
		}
	}
	return nil, nil
}

func either(bad *azure.Error, m *azure.Message) *azure.Error {
	if bad == nil {
		bad = m.Error()
	}
	return bad
}

// dropEnded removes what of a principal's schedules has ended.
func dropEnded(c *arm.Call, id azure.PrincipalID) *azure.Error {
	for _, ref := range []string{byPrincipal(id), eligibleRef(id)} {
		var ended []azure.ID
		for d, err := range c.Find(ref) {
			if err != nil {
				return arm.Fault(err)
			}
			if s, ok := readSchedule(d); ok && s.ended(c.Now) {
				ended = append(ended, s.ID)
			}
		}
		for _, id := range ended {
			if bad := c.DropPart(id); bad != nil {
				return bad
			}
		}
	}
	return nil
}

// describe writes what the service computes into the request's document.
func (r *request) describe(c *arm.Call, status string) {
	props := arm.Map(c.Doc, "properties")
	expires := arm.Doc{"type": "NoExpiration", "duration": nil, "endDateTime": nil}
	switch {
	case r.Expires.Duration != "":
		expires["type"], expires["duration"] = "AfterDuration", r.Expires.Duration
	case !r.End.IsZero():
		expires["type"], expires["endDateTime"] = "AfterDateTime", printed(r.End)
	}
	out := arm.Doc{"principalId": r.Principal.String(), "principalType": r.PrincipalType, "roleDefinitionId": roleID(r.Scope, r.Role), "scope": r.Scope.String(),
		"requestType": r.For, "requestorId": c.Caller.ID.String(), "status": status, "createdOn": printed(c.Now), "approvalId": nil,
		"justification": props["justification"], "ticketInfo": arm.Doc{"ticketNumber": arm.Get(props, "ticketInfo.ticketNumber"), "ticketSystem": arm.Get(props, "ticketInfo.ticketSystem")},
		"condition": props["condition"], "conditionVersion": props["conditionVersion"], "scheduleInfo": arm.Doc{"startDateTime": printed(r.Start), "expiration": expires},
		"expandedProperties": expanded(c, r.schedule)}
	target := map[bool]string{true: "targetRoleEligibilityScheduleId", false: "targetRoleAssignmentScheduleId"}[r.Eligible]
	out[target] = nil
	if !r.ID.IsZero() {
		typ := map[bool]string{true: typeEligibility, false: typeActive}[r.Eligible]
		out[target] = scheduleName(&arm.Type{Name: typ}, r.schedule)
	}
	if !r.Eligible {
		out["linkedRoleEligibilityScheduleId"] = nil
		if r.Eligibility != "" {
			out["linkedRoleEligibilityScheduleId"] = r.Eligibility
		}
	}
	if strings.HasPrefix(status, "Pending") {
		out["approvalId"] = approvalID(c.ID).String()
	}
	c.Doc["properties"] = out
}

func requestRefs(d arm.Doc) []string {
	refs := []string{"schedulerequests:" + lower(arm.Str(d, "type"))}
	if pending(d) {
		refs = append(refs, "pendingrequests")
	}
	return refs
}

// pending reports whether a request waits for somebody.
func pending(d arm.Doc) bool { return strings.HasPrefix(arm.Str(d, "properties.status"), "Pending") }

func getRequest(c *arm.Call) (arm.Doc, *azure.Error) {
	doc, err := c.Load(c.ID)
	if err != nil {
		return nil, arm.Fault(err)
	}
	if doc == nil && strings.EqualFold(c.Action, "validate") {
		return nil, azure.NotFound.Format(azure.Fields{"id": c.ID.String()})
	}
	if scope, _, _ := c.ID.Split(); !concerns(c, doc) && !c.May(azure.Action(c.Type.Name+"/read"), scope) {
		return nil, notPermitted(c)
	}
	if doc == nil {
		return nil, azure.NotFound.Format(azure.Fields{"id": c.ID.String()})
	}
	return doc, nil
}

// concerns reports whether a request is the caller's, or for it.
func concerns(c *arm.Call, doc arm.Doc) bool {
	me := c.Caller.ID.String()
	return arm.Str(doc, "properties.principalId") == me || arm.Str(doc, "properties.requestorId") == me
}

func listRequests(c *arm.Call) iter.Seq2[arm.Doc, error] {
	f, bad := readScheduleFilter(c)
	if bad != nil {
		return failed(bad)
	}
	return func(yield func(arm.Doc, error) bool) {
		for d, err := range c.Find("schedulerequests:" + lower(c.Type.Shown)) {
			if err == nil && !f.takesRequest(c, d) {
				continue
			}
			if !yield(d, err) {
				return
			}
		}
	}
}

func (f scheduleFilter) takesRequest(c *arm.Call, d arm.Doc) bool {
	s, ok := readSchedule(d)
	switch {
	case !ok || !f.takes(c, s.Scope, s.Role):
		return false
	case f.principals != nil && !slices.Contains(f.principals, s.Principal):
		return false
	case f.status != "" && !strings.EqualFold(f.status, arm.Str(d, "properties.status")):
		return false
	case f.own == "asrequestor":
		return arm.Str(d, "properties.requestorId") == c.Caller.ID.String()
	case f.own == "asapprover":
		return approves(c, d)
	}
	return true
}

// cancelRequest withdraws a request that waits; it is the requestor's to withdraw, or an administrator's.
func cancelRequest(c *arm.Call) (any, *azure.Error) {
	scope, _, _ := c.ID.Split()
	if arm.Str(c.Doc, "properties.requestorId") != c.Caller.ID.String() && !c.May(azure.Action(c.Type.Name+"/cancel/action"), scope) {
		return nil, notPermitted(c)
	}
	if !pending(c.Doc) {
		return nil, azure.InvalidAssignmentRequest.Error()
	}
	arm.Set(c.Doc, "properties.status", "Canceled")
	return nil, c.Save()
}

// rulesFailed is the refusal that names the rules of a policy which a request does not meet.
func rulesFailed(rules ...string) *azure.Error {
	list, _ := json.Marshal(rules) // texts always marshal
	return azure.PolicyRulesFailed.Format(azure.Fields{"rules": string(list)})
}
