package provider

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/policy"
)

// policies are Azure Policy's own resources, beside role assignments in Microsoft.Authorization.
func policies() []arm.Type {
	versions := []string{"2025-01-01", "2023-04-01", "2022-06-01", "2021-06-01", "2020-09-01", "2019-09-01", "2018-05-01"}
	const since = "2015-10-01-preview"
	return []arm.Type{
		{Name: policy.TypeDefinition, Returns: true, Since: since, Versions: versions, Place: arm.Any, Codes: arm.Codes{Create: 201, Update: 201, Delete: 200, Gone: 204},
			Open: true, Get: getPolicyDefinition, List: listPolicyDefinitions, Check: checkPolicyDefinition, Guard: guardPolicyDefinition},
		{Name: policy.TypeSet, Returns: true, Since: since, Versions: versions, Place: arm.Any, Codes: arm.Codes{Create: 201, Update: 200, Delete: 200, Gone: 204},
			Get: getOr(azure.PolicySetNotFound, "set"), List: listPolicySets, Check: checkPolicySet, Guard: guardPolicySet, Refs: setRefs},
		{Name: policy.TypeAssignment, Returns: true, Since: since, Versions: versions, Place: arm.Any, Codes: arm.Codes{Create: 201, Update: 201, Delete: 200, Gone: 204},
			Identity: true, Get: getOr(azure.PolicyAssignmentNotFound, "assignment"), List: listGoverning(policy.TypeAssignment), Check: checkPolicyAssignment, Refs: policyAssignmentRefs},
		{Name: policy.TypeExemption, Since: "2020-07-01-preview", Versions: []string{"2022-07-01-preview", "2020-07-01-preview"}, Place: arm.Any,
			Codes: arm.Codes{Create: 201, Update: 200, Delete: 200, Gone: 204}, SystemData: true,
			Get: getOr(azure.PolicyExemptionNotFound, "exemption"), List: listGoverning(policy.TypeExemption), Check: checkPolicyExemption},
	}
}

// getOr reads a document, and says in its own words where there is none.
func getOr(missing *azure.Message, field string) func(*arm.Call) (arm.Doc, *azure.Error) {
	return func(c *arm.Call) (arm.Doc, *azure.Error) {
		doc, err := c.Load(c.ID)
		if err == nil && doc == nil {
			return nil, missing.Format(azure.Fields{field: c.ID.Name()})
		}
		return doc, arm.Fault(err)
	}
}

// ancestors are the scopes that a resource lies in, from the outermost, and itself.
func ancestors(c *arm.Call, id azure.ID) []azure.ID {
	above := slices.Clone(c.Policy().ManagementGroups(id))
	slices.Reverse(above)
	var own []azure.ID
	for at := id; !at.IsZero() && !at.Equal(azure.Root); at = at.Parent() {
		own = append(own, at)
		if group := at.GroupID(); at.Equal(group) {
			own = append(own, azure.SubscriptionID(id.Subscription()))
			break
		}
	}
	slices.Reverse(own)
	return append(above, own...)
}

// bookOf is what is assigned at scopes.
func bookOf(c *arm.Call, scopes []azure.ID) (*policy.Book, error) {
	b := &policy.Book{Definitions: map[string]*policy.Definition{}, Sets: map[string]*policy.Set{}}
	b.Above = func(sub string) []azure.ID { return c.Policy().ManagementGroups(azure.SubscriptionID(sub)) }
	for doc, err := range c.Find(allAssignments) { // one look-up: every write asks
		if err != nil {
			return nil, err
		}
		if a, bad := policy.ParseAssignment(doc, azure.MustID(arm.Str(doc, "id"))); bad == nil && slices.ContainsFunc(scopes, a.Scope.Equal) {
			b.Assignments = append(b.Assignments, a)
		}
	}
	if len(b.Assignments) == 0 {
		return b, nil
	}
	for _, a := range b.Assignments {
		if err := shelve(c, b, a.Assigned); err != nil {
			return nil, err
		}
	}
	for _, scope := range scopes {
		for doc, err := range c.At(scope, policy.TypeExemption) {
			if err != nil {
				return nil, err
			}
			if x, bad := policy.ParseExemption(doc, azure.MustID(arm.Str(doc, "id"))); bad == nil {
				b.Exemptions = append(b.Exemptions, x)
			}
		}
	}
	return b, nil
}

// shelve takes a definition into a book, or an initiative with its definitions.
func shelve(c *arm.Call, b *policy.Book, id azure.ID) error {
	if b.Definitions[id.Key()] != nil || b.Sets[id.Key()] != nil {
		return nil
	}
	if !strings.EqualFold(id.Type(), policy.TypeSet) {
		d, err := findDefinition(c, id)
		if d != nil {
			b.Definitions[id.Key()] = d
		}
		return err
	}
	doc, err := c.Load(id)
	if doc == nil || err != nil {
		return err
	}
	set, bad := policy.ParseSet(doc, "")
	if bad != nil {
		return bad
	}
	b.Sets[id.Key()] = set
	for _, m := range set.Members {
		if err := shelve(c, b, m.Definition); err != nil {
			return err
		}
	}
	return nil
}

// findDefinition is a stored definition or a built-in one; nil if there is none.
func findDefinition(c *arm.Call, id azure.ID) (*policy.Definition, error) {
	if scope, _, _ := id.Split(); scope.Equal(azure.Root) {
		return policy.BuiltIn(id.Name()), nil
	}
	doc, err := c.Load(id)
	if doc == nil || err != nil {
		return nil, err
	}
	d, bad := policy.Parse(doc, "")
	if bad != nil {
		return nil, bad
	}
	return d, nil
}

// judged is a document as policies look at it.
func judged(c *arm.Call, id azure.ID, doc arm.Doc) (*policy.Resource, error) {
	r := &policy.Resource{ID: id, Doc: doc, APIVersion: c.Version, Caller: callerClaims(c), Nearby: near{c}}
	var err error
	if r.Subscription, err = c.Load(azure.SubscriptionID(id.Subscription())); err != nil {
		return nil, err
	}
	switch group := id.GroupID(); {
	case group.Equal(id):
		r.Group = doc
	case !group.IsZero():
		r.Group, err = c.Load(group)
	}
	return r, err
}

// callerClaims are what requestContext().identity tells of who asks (Microsoft Learn: policy functions).
func callerClaims(c *arm.Call) map[string]any {
	claims := map[string]any{"idtyp": "app"}
	if c.Caller.UPN != "" {
		claims["idtyp"] = "user"
	}
	if !c.Caller.AppID.IsZero() {
		claims["appid"] = c.Caller.AppID.String()
	}
	if acrs, ok := c.Caller.Claims["acrs"]; ok {
		claims["acrs"] = acrs
	}
	return claims
}

// near finds the resources that "if not exists" asks for.
type near struct{ call *arm.Call }

func (n near) Related(scope azure.ID, typ string) ([]map[string]any, bool) {
	if !n.call.Serves(typ) {
		return nil, false
	}
	var all []map[string]any
	for doc, err := range n.call.Everything(scope) {
		if err != nil {
			return nil, false
		}
		if id, err := azure.ParseID(arm.Str(doc, "id")); err == nil && strings.EqualFold(id.Type(), typ) {
			all = append(all, doc)
		}
	}
	return all, true
}

// governed reports whether policies look at resources of a type: of Resource Manager's own, groups and subscriptions.
func governed(typ string) bool {
	switch ns, _, _ := strings.Cut(typ, "/"); lower(ns) {
	case "microsoft.resources":
		return typ == azure.TypeResourceGroup || typ == azure.TypeSubscription
	case "microsoft.policyinsights":
		return false
	}
	return true
}

// admitPolicies carries out what is assigned to a resource that is about to be written: modify and append, then deny.
func admitPolicies(c *arm.Call, asked arm.Doc) *azure.Error {
	return underPolicies(c, azure.MustID(arm.Str(asked, "id")), asked, func(o policy.Outcome, r *policy.Resource) error {
		body := arm.Clone(c.Body)
		if body == nil {
			body = arm.Doc{}
		}
		_, _, err := o.Definition.Amend(body, r, o.Values, o.About(c.Now))
		c.Body = body
		return err
	})
}

// underPolicies amends a document as what is assigned says, and refuses it where that denies. also is told what amended it.
func underPolicies(c *arm.Call, id azure.ID, doc arm.Doc, also func(policy.Outcome, *policy.Resource) error) *azure.Error {
	if !governed(id.Type()) || id.Subscription() == "" {
		return nil
	}
	b, err := bookOf(c, ancestors(c, id))
	if err != nil || len(b.Assignments) == 0 {
		return arm.Fault(err)
	}
	r, err := judged(c, id, doc)
	if err != nil {
		return arm.Fault(err)
	}
	outcomes := b.Evaluate(r, c.Now)
	amended := false
	for _, o := range outcomes {
		if o.Effect != policy.Modify && o.Effect != policy.Append || o.State != policy.NonCompliant || !o.Assignment.Enforced {
			continue
		}
		changed, conflict, err := o.Definition.Amend(r.Doc, r, o.Values, o.About(c.Now))
		if err != nil {
			o.State, o.Reason = policy.Failed, err.Error()
		}
		if err != nil || conflict != "" {
			return refusal(r.ID, []policy.Outcome{o})
		}
		if amended = amended || changed; changed {
			if err := also(o, r); err != nil {
				return arm.Fault(err)
			}
		}
	}
	if amended {
		outcomes = b.Evaluate(r, c.Now)
	}
	return refusal(id, slices.DeleteFunc(outcomes, func(o policy.Outcome) bool { return !o.Denies() }))
}

// unguarded are the types that denyAction does not keep, so that nobody is locked out (Microsoft Learn: denyAction effect).
var unguarded = []string{lower(policy.TypeAssignment), "microsoft.authorization/denyassignments", "microsoft.authorization/locks", lower(azure.TypeSubscription)}

// keepByPolicies refuses a deletion as policies with the effect denyAction say: of the resource itself, or of a group with what
// is in it.
func keepByPolicies(c *arm.Call, there arm.Doc) *azure.Error {
	if !governed(c.ID.Type()) || c.ID.Subscription() == "" || slices.Contains(unguarded, lower(c.ID.Type())) {
		return nil
	}
	b, err := bookOf(c, ancestors(c, c.ID))
	if err != nil {
		return arm.Fault(err)
	}
	keeping, err := keeping(c, b, c.ID, there, false)
	if err == nil && len(keeping) == 0 && c.Type.Name == azure.TypeResourceGroup {
		return keepInGroup(c)
	}
	if err != nil {
		return arm.Fault(err)
	}
	return refused(c.ID, keeping, azure.DeletionDisallowedByPolicy, azure.DeletionDisallowedByPolicyReasons)
}

// keepInGroup refuses to delete a resource group for the first thing in it that is kept.
func keepInGroup(c *arm.Call) *azure.Error {
	for doc, err := range c.Everything(c.ID) {
		if err != nil {
			return arm.Fault(err)
		}
		id, bad := azure.ParseID(arm.Str(doc, "id"))
		if bad != nil || id.Equal(c.ID) || !governed(id.Type()) || slices.Contains(unguarded, lower(id.Type())) {
			continue
		}
		b, err := bookOf(c, ancestors(c, id))
		if err != nil {
			return arm.Fault(err)
		}
		kept, err := keeping(c, b, id, doc, true)
		if err != nil {
			return arm.Fault(err)
		}
		if len(kept) > 0 {
			return refused(id, kept, azure.DeletionDisallowedByPolicy, azure.DeletionDisallowedByPolicyReasons)
		}
	}
	return nil
}

// keeping are the outcomes that keep something from being deleted.
func keeping(c *arm.Call, b *policy.Book, id azure.ID, doc arm.Doc, withGroup bool) ([]policy.Outcome, error) {
	if len(b.Assignments) == 0 {
		return nil, nil
	}
	r, err := judged(c, id, doc)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(b.Evaluate(r, c.Now), func(o policy.Outcome) bool { return !o.Keeps(withGroup) }), nil
}

// refusal is Azure's answer to a write that policies refuse; nil where none does.
func refusal(id azure.ID, refusing []policy.Outcome) *azure.Error {
	return refused(id, refusing, azure.RequestDisallowedByPolicy, azure.RequestDisallowedByPolicyReasons)
}

// refused is the answer to what policies refuse, in one wording or, where assignments give reasons, in another.
func refused(id azure.ID, refusing []policy.Outcome, plain, reasoned *azure.Message) *azure.Error {
	if len(refusing) == 0 {
		return nil
	}
	var identifiers []any
	var reasons []string
	var info []azure.Info
	for _, o := range refusing {
		if o.State == policy.Failed && o.Definition == nil {
			continue
		}
		identifiers = append(identifiers, policyIdentifiers(o))
		info = append(info, azure.Info{Type: "PolicyViolation", Info: violation(o)})
		if m := o.Message(); m != "" {
			reasons = append(reasons, m)
		}
	}
	var e *azure.Error
	switch first := refusing[0]; {
	case first.State == policy.Failed:
		e = azure.PolicyEvaluationFailed.Format(azure.Fields{"name": id.Name(), "definition": labelOf(first), "assignment": first.Assignment.Label(), "cause": first.Reason})
	case len(reasons) > 0:
		e = reasoned.Format(azure.Fields{"name": id.Name(), "reasons": strings.Join(slices.Compact(reasons), "','")})
	default:
		text, _ := json.Marshal(identifiers) // texts always marshal
		e = plain.Format(azure.Fields{"name": id.Name(), "policies": string(text)})
	}
	e.Target, e.Info = id.Name(), info
	return e
}

func labelOf(o policy.Outcome) string {
	if o.Definition == nil {
		return ""
	}
	return o.Definition.Label()
}

// named is a member of the policy identifiers in a refusal, in the order of recorded answers.
type named struct {
	Name string `json:"name"`
	ID   string `json:"id"`
}

func policyIdentifiers(o policy.Outcome) any {
	ids := struct {
		Assignment named  `json:"policyAssignment"`
		Definition named  `json:"policyDefinition"`
		Set        *named `json:"policySetDefinition,omitempty"`
	}{Assignment: named{o.Assignment.Label(), o.Assignment.ID.String()}, Definition: named{o.Definition.Label(), o.Definition.ID.String()}}
	if o.Set != nil {
		ids.Set = &named{o.Set.Label(), o.Set.ID.String()}
	}
	return ids
}

// violation is the additional information of type PolicyViolation, member for member as recorded.
func violation(o policy.Outcome) arm.Doc {
	parameters := arm.Doc{}
	for name, v := range o.Assignment.Values {
		parameters[name] = v
	}
	why := o.Why
	if why == nil {
		why = []policy.Evaluated{}
	}
	d := arm.Doc{
		"evaluationDetails":           arm.Doc{"evaluatedExpressions": why},
		"policyDefinitionId":          o.Definition.ID.String(),
		"policyDefinitionName":        o.Definition.Name,
		"policyDefinitionDisplayName": o.Definition.Label(),
		"policyDefinitionEffect":      o.Written,
		"policyAssignmentId":          o.Assignment.ID.String(),
		"policyAssignmentName":        o.Assignment.Name,
		"policyAssignmentDisplayName": o.Assignment.Label(),
		"policyAssignmentScope":       o.Assignment.Scope.String(),
		"policyAssignmentParameters":  parameters,
		"policyExemptionIds":          []any{},
	}
	if o.Set != nil {
		d["policySetDefinitionId"], d["policySetDefinitionName"], d["policySetDefinitionDisplayName"] = o.Set.ID.String(), o.Set.Name, o.Set.Label()
		d["policyDefinitionReferenceId"] = o.Reference
	}
	return d
}

// policyTime is how Azure Policy prints a time in metadata.
func policyTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }
