package provider

import (
	"iter"
	"net/http"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// Approvals of activations (api-version 2021-01-01-preview). An approval has one stage; who is to approve writes its
// verdict there.
const (
	typeApproval      = "Microsoft.Authorization/roleAssignmentApprovals"
	typeApprovalStage = typeApproval + "/stages"
)

// approvalID is the approval of a request; its one stage has the same name.
func approvalID(request azure.ID) azure.ID {
	scope, _, _ := request.Split()
	return scope.Resource(typeApproval, nameFrom(request.Key(), "approval").String())
}

// leaveToApprovers keeps an activation until it is approved, with what it asks for.
func (r *request) leaveToApprovers(c *arm.Call) (string, *azure.Error) {
	if old, bad := r.waiting(c); bad != nil || old != nil {
		return "", either(bad, azure.PendingAssignmentRequest)
	}
	if old, bad := findSchedule(c, r, byPrincipal); bad != nil || old != nil {
		return "", either(bad, azure.ScheduledAssignmentExists)
	}
	return "PendingApproval", keepForApproval(c, r)
}

// keepForApproval makes the approval of a request that waits, which keeps what it asks for.
func keepForApproval(c *arm.Call, r *request) *azure.Error {
	arm.Set(c.Doc, scheduleMember, r.member())
	approval := approvalID(c.ID)
	return arm.Fault(c.Seed(approval, arm.Doc{"id": approval.String(), "name": approval.Name(), "type": typeApproval, "_": arm.Doc{"request": c.ID.String()}}))
}

// approves reports whether a request waits for the caller: for one of the role's approvers, or for who may assign the role.
// Nobody approves what is its own.
func approves(c *arm.Call, doc arm.Doc) bool {
	s, ok := readSchedule(doc)
	switch {
	case !ok || !pending(doc):
		return false
	case arm.Str(doc, "properties.status") == "PendingAdminDecision":
		return c.May("Microsoft.Authorization/roleAssignments/write", s.Scope)
	}
	return rulesOf(c, s.Scope, s.Role).approves(c)
}

// approved finds the request that an approval is about.
func approved(c *arm.Call, approval azure.ID) (arm.Doc, *azure.Error) {
	doc, err := c.Load(approval)
	if err != nil {
		return nil, arm.Fault(err)
	}
	id, err := azure.ParseID(arm.Str(doc, "_.request"))
	if err != nil {
		return nil, azure.NotFound.Format(azure.Fields{"id": approval.String()})
	}
	request, err := c.Load(id)
	if request == nil && err == nil {
		return nil, azure.NotFound.Format(azure.Fields{"id": approval.String()})
	}
	return request, arm.Fault(err)
}

// reviewable finds the request of an approval that the caller may see: its own, or one that it may approve.
func reviewable(c *arm.Call, approval azure.ID) (arm.Doc, *azure.Error) {
	request, bad := approved(c, approval)
	if bad != nil {
		return nil, bad
	}
	if s, _ := readSchedule(request); !concerns(c, request) && !approves(c, request) && !rulesOf(c, s.Scope, s.Role).approves(c) {
		return nil, notPermitted(c)
	}
	return request, nil
}

func getApproval(c *arm.Call) (arm.Doc, *azure.Error) {
	request, bad := reviewable(c, c.ID)
	if bad != nil {
		return nil, bad
	}
	stage := stageOf(request)
	return arm.Doc{"id": c.ID.String(), "name": c.ID.Name(), "type": typeApproval, "properties": arm.Doc{"stages": []any{
		arm.Doc{"id": c.ID.Join("stages", c.ID.Name()).String(), "name": c.ID.Name(), "type": typeApprovalStage, "properties": stage}}}}, nil
}

// stageOf is what became of a request with its approvers.
func stageOf(request arm.Doc) arm.Doc {
	stage := arm.Doc{"displayName": nil, "status": "InProgress", "reviewResult": "NotReviewed", "assignedToMe": true, "reviewedBy": nil, "reviewedDateTime": nil, "justification": nil}
	if done := arm.Map(request, "_.review"); done != nil {
		stage["status"] = "Completed"
		for k, v := range done {
			stage[k] = v
		}
	} else if !pending(request) {
		stage["status"] = "Completed"
	}
	return stage
}

// listApprovals yields the approvals that wait for the caller.
func listApprovals(c *arm.Call) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		for d, err := range c.Find("pendingrequests") {
			if err == nil && (arm.Str(d, "properties.approvalId") == "" || !approves(c, d)) {
				continue
			}
			id := arm.Str(d, "properties.approvalId")
			if !yield(arm.Doc{"id": id, "name": id[strings.LastIndexByte(id, '/')+1:], "type": typeApproval}, err) {
				return
			}
		}
	}
}

func getStage(c *arm.Call) (arm.Doc, *azure.Error) {
	request, bad := reviewable(c, c.ID.Parent())
	if bad != nil {
		return nil, bad
	}
	return arm.Doc{"id": c.ID.String(), "name": c.ID.Name(), "type": typeApprovalStage, "properties": stageOf(request)}, nil
}

// initialStage is the stage that waits for its verdict.
func initialStage(c *arm.Call) arm.Doc {
	return arm.Doc{"id": c.ID.String(), "name": c.ID.Name(), "type": typeApprovalStage}
}

// checkStage takes an approver's verdict: the request is carried out, or denied. Nobody approves what is its own.
func checkStage(c *arm.Call) *azure.Error {
	doc, bad := approved(c, c.ID.Parent())
	if bad != nil {
		return bad
	}
	s, _ := readSchedule(doc)
	switch {
	case concerns(c, doc), pending(doc) && !approves(c, doc), !pending(doc) && !rulesOf(c, s.Scope, s.Role).approves(c):
		return notPermitted(c)
	case !pending(doc):
		return azure.InvalidAssignmentRequest.Error()
	}
	result, why := arm.Str(c.Body, "properties.reviewResult"), arm.Str(c.Body, "properties.justification")
	if strings.TrimSpace(why) == "" {
		return rulesFailed("JustificationRule")
	}
	status, bad := review(c, doc, s, result)
	if bad != nil {
		return bad
	}
	arm.Set(doc, "properties.status", status)
	arm.Set(doc, "_.review", arm.Doc{"reviewResult": result, "justification": why, "reviewedDateTime": printed(c.Now),
		"reviewedBy": arm.Doc{"principalId": c.Caller.ID.String(), "userPrincipalName": c.Caller.UPN}})
	c.Doc["properties"] = stageOf(doc)
	return arm.Fault(c.Seed(azure.MustID(arm.Str(doc, "id")), doc))
}

// review is the request's new status. An activation that waited begins when it is approved, and lasts as long as was asked for.
func review(c *arm.Call, doc arm.Doc, s schedule, result string) (string, *azure.Error) {
	switch lower(result) {
	case "deny":
		return "Denied", nil
	case "approve":
	default:
		return "", azure.InvalidAssignmentRequest.Error()
	}
	if arm.Str(doc, "properties.status") == "PendingAdminDecision" {
		return decided(c, doc, s)
	}
	if waited := c.Now.Sub(s.Start); waited > 0 {
		s.Start = c.Now
		if !s.End.IsZero() && arm.Str(doc, "properties.scheduleInfo.expiration.type") == "AfterDuration" {
			s.End = s.End.Add(waited)
		}
	}
	if s.ended(c.Now) {
		return "", azure.InvalidRequestSchedule.Error()
	}
	r := request{schedule: s}
	r.Request = arm.Str(doc, "id")
	of := c.As(c.Caller)
	of.ID, of.Method = azure.MustID(r.Request), http.MethodPut
	return r.assign(of)
}

// decided carries out what a user asked an administrator for: a longer schedule, or one that has ended anew.
func decided(c *arm.Call, doc arm.Doc, s schedule) (string, *azure.Error) {
	r := request{schedule: s, For: "AdminExtend", Eligible: aboutEligibility(doc), Justification: arm.Str(doc, "properties.justification")}
	if strings.EqualFold(arm.Str(doc, "properties.requestType"), "SelfRenew") {
		r.For = "AdminRenew"
	}
	r.Request, r.Created, r.Kind = arm.Str(doc, "id"), c.Now, "Assigned"
	of := c.As(c.Caller)
	of.ID, of.Method = azure.MustID(r.Request), http.MethodPut
	change := map[bool]func(*arm.Call, *request) (string, *azure.Error){true: makeEligible, false: makeActive}[r.Eligible]
	if r.For == "AdminExtend" {
		change = changeSchedule
	}
	return change(of, &r)
}
