package provider

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/policy"
)

const typePolicyState = "Microsoft.PolicyInsights/policyStates"

// policyInsights tells how resources stand with what is assigned to them (Microsoft Learn: get compliance data). Where Azure
// answers what its last scan found, the local Azure looks when it is asked.
func policyInsights() arm.Provider {
	return arm.Provider{Namespace: "Microsoft.PolicyInsights", Types: []arm.Type{{
		Name: typePolicyState, Since: "2017-08-09-preview", Versions: []string{"2024-10-01", "2019-10-01", "2018-07-01-preview", "2018-04-04"}, Place: arm.Any,
		Actions: map[string]arm.Action{
			"queryresults":      {Do: queryStates, Absent: true},
			"summarize":         {Do: summarizeStates, Absent: true},
			"triggerevaluation": {Do: triggerEvaluation, Absent: true, Then: []arm.Step{func(*arm.Call) (time.Duration, *azure.Error) { return 0, nil }}},
		},
	}}}
}

// triggerEvaluation has nothing to start: states are always of now. The operation that clients wait for is one of a document.
func triggerEvaluation(c *arm.Call) (any, *azure.Error) {
	if c.Doc == nil {
		c.Doc = arm.Doc{"id": c.ID.String(), "name": c.ID.Name(), "type": typePolicyState, "properties": arm.Doc{}}
	}
	return nil, nil
}

// state is what one definition says of one resource.
type state struct {
	policy.Outcome
	resource *policy.Resource
}

func queryStates(c *arm.Call) (any, *azure.Error) {
	if q := c.Param("$apply"); q != "" {
		return nil, azure.UnsupportedFilter.Format(azure.Fields{"filter": q})
	}
	all, bad := states(c)
	if bad != nil {
		return nil, bad
	}
	top, err := strconv.Atoi(c.Param("$top"))
	if err != nil || top > len(all) {
		top = len(all)
	}
	values := []any{}
	for _, s := range all[:max(top, 0)] {
		values = append(values, selectMembers(stateDoc(c, s), c.Param("$select")))
	}
	return arm.Doc{"@odata.context": stateURL(c) + "/$metadata#latest", "@odata.count": len(values), "@odata.nextLink": nil, "value": values}, nil
}

func stateURL(c *arm.Call) string {
	return c.Base + strings.TrimSuffix(c.ID.String(), "/"+c.ID.Name())
}

func selectMembers(d arm.Doc, names string) arm.Doc {
	if names == "" {
		return d
	}
	out := arm.Doc{"@odata.id": nil, "@odata.context": d["@odata.context"]}
	for _, name := range strings.Split(names, ",") {
		for k, v := range d {
			if strings.EqualFold(k, strings.TrimSpace(name)) {
				out[k] = v
			}
		}
	}
	return out
}

// stateDoc is a policy state, member for member as Azure prints it (Microsoft.PolicyInsights 2019-10-01: PolicyState).
func stateDoc(c *arm.Call, s state) arm.Doc {
	r, a := s.resource, s.Assignment
	effective, _ := json.Marshal(s.Values) // values came from JSON
	given, _ := json.Marshal(a.Values)
	d := arm.Doc{
		"@odata.id": nil, "@odata.context": stateURL(c) + "/$metadata#latest/$entity",
		"timestamp": policyTime(c.Now), "resourceId": r.ID.String(), "resourceType": r.Type(), "resourceGroup": r.ID.ResourceGroup(),
		"resourceLocation": arm.Str(r.Doc, "location"), "resourceTags": "tbd", "subscriptionId": r.ID.Subscription(), "managementGroupIds": managementNames(c, r.ID),
		"policyAssignmentId": a.ID.String(), "policyAssignmentName": a.Name, "policyAssignmentScope": a.Scope.String(), "policyAssignmentOwner": "tbd",
		"policyAssignmentParameters": string(given), "policyAssignmentVersion": "",
		"policyDefinitionReferenceId": s.Reference, "policyDefinitionAction": strings.ToLower(s.Written), "effectiveParameters": string(effective),
		"complianceState": string(s.State), "isCompliant": s.State != policy.NonCompliant, "complianceReasonCode": "", "policyDefinitionGroupNames": nil,
		"policySetDefinitionId": "", "policySetDefinitionName": "", "policySetDefinitionOwner": "", "policySetDefinitionCategory": "", "policySetDefinitionParameters": "",
	}
	if def := s.Definition; def != nil {
		d["policyDefinitionId"], d["policyDefinitionName"], d["policyDefinitionCategory"] = def.ID.String(), def.Name, def.Category
	}
	if s.Set != nil {
		d["policySetDefinitionId"], d["policySetDefinitionName"] = s.Set.ID.String(), s.Set.Name
	}
	if strings.Contains(lower(c.Param("$expand")), "policyevaluationdetails") {
		d["policyEvaluationDetails"] = arm.Doc{"evaluatedExpressions": s.Why, "ifNotExistsDetails": nil}
	}
	return d
}

func managementNames(c *arm.Call, id azure.ID) string {
	var names []string
	for _, g := range c.Policy().ManagementGroups(id) {
		names = append(names, g.Name())
	}
	return strings.Join(names, ",")
}

// states evaluates what the request's scope and filter ask for, in the order of resources.
func states(c *arm.Call) ([]state, *azure.Error) {
	scope, keeps, bad := askedStates(c)
	if bad != nil {
		return nil, bad
	}
	terms, bad := stateFilter(c)
	if bad != nil {
		return nil, bad
	}
	scopes := []azure.ID{scope}
	if scope.Subscription() == "" {
		scopes = subscriptionsBelow(c, scope)
	}
	var all []state
	for _, s := range scopes {
		found, err := statesBelow(c, s)
		if err != nil {
			return nil, arm.Fault(err)
		}
		all = append(all, found...)
	}
	return slices.DeleteFunc(all, func(s state) bool { return !keeps(s) || !passes(stateDoc(c, s), terms) }), nil
}

// askedStates is the scope that is asked about: that of a definition, an initiative or an assignment is the scope it stands in.
func askedStates(c *arm.Call) (azure.ID, func(state) bool, *azure.Error) {
	scope := scopeOf(c.ID)
	where := scopeOf(scope)
	switch typ := scope.Type(); {
	case strings.EqualFold(typ, policy.TypeAssignment):
		return where, func(s state) bool { return s.Assignment.ID.Equal(scope) }, nil
	case strings.EqualFold(typ, policy.TypeDefinition):
		return where, func(s state) bool { return s.Definition != nil && strings.EqualFold(s.Definition.Name, scope.Name()) }, nil
	case strings.EqualFold(typ, policy.TypeSet):
		return where, func(s state) bool { return s.Set != nil && strings.EqualFold(s.Set.Name, scope.Name()) }, nil
	}
	return scope, func(state) bool { return true }, nil
}

func subscriptionsBelow(c *arm.Call, group azure.ID) []azure.ID {
	var all []azure.ID
	for doc, err := range c.Resources(azure.Root, azure.TypeSubscription) {
		if id, bad := azure.ParseID(arm.Str(doc, "id")); err == nil && bad == nil && (group.Equal(azure.Root) || c.Covers(group, id)) {
			all = append(all, id)
		}
	}
	return all
}

// statesBelow evaluates the resources at a scope and below.
func statesBelow(c *arm.Call, scope azure.ID) ([]state, error) {
	book, err := bookOf(c, ancestors(c, scope))
	if err != nil {
		return nil, err
	}
	if err := addBelow(c, book, scope); err != nil || len(book.Assignments) == 0 {
		return nil, err
	}
	var all []state
	for doc, err := range c.Everything(scope) {
		if err != nil {
			return nil, err
		}
		id := azure.MustID(arm.Str(doc, "id"))
		if !governed(id.Type()) {
			continue
		}
		r, err := judged(c, id, doc)
		if err != nil {
			return nil, err
		}
		for _, o := range book.Evaluate(r, c.Now) {
			if o.State != policy.NotApplicable {
				all = append(all, state{o, r})
			}
		}
	}
	return all, nil
}

// addBelow takes what is assigned below a scope into its book.
func addBelow(c *arm.Call, b *policy.Book, scope azure.ID) error {
	var below []azure.ID
	for doc, err := range c.Extensions(scope, policy.TypeAssignment) {
		if err != nil {
			return err
		}
		if at := scopeOf(azure.MustID(arm.Str(doc, "id"))); !at.Equal(scope) && !slices.ContainsFunc(below, at.Equal) {
			below = append(below, at)
		}
	}
	for doc, err := range c.Extensions(scope, policy.TypeExemption) {
		if err != nil {
			return err
		}
		if at := scopeOf(azure.MustID(arm.Str(doc, "id"))); !at.Equal(scope) && !slices.ContainsFunc(below, at.Equal) {
			below = append(below, at)
		}
	}
	more, err := bookOf(c, slices.Concat(ancestors(c, scope), below))
	if err == nil {
		*b = *more
	}
	return err
}

// stateFilter reads $filter: comparisons joined by "and".
func stateFilter(c *arm.Call) ([]arm.Term, *azure.Error) {
	terms, bad := c.Filter()
	for _, t := range terms {
		if t.Op != "eq" && t.Op != "ne" {
			return nil, c.BadFilter()
		}
	}
	return terms, bad
}

func passes(d arm.Doc, terms []arm.Term) bool {
	for _, t := range terms {
		same := false
		for k, v := range d {
			if strings.EqualFold(k, t.Field) {
				switch v := v.(type) {
				case string:
					same = strings.EqualFold(v, t.Value)
				case bool:
					same = strings.EqualFold(strconv.FormatBool(v), t.Value)
				}
			}
		}
		if same != (t.Op == "eq") {
			return false
		}
	}
	return true
}

func summarizeStates(c *arm.Call) (any, *azure.Error) {
	all, bad := states(c)
	if bad != nil {
		return nil, bad
	}
	uri := stateURL(c) + "/latest/queryResults?api-version=" + c.Version
	assignments := []any{}
	for _, group := range grouped(all, func(s state) string { return s.Assignment.ID.Key() }) {
		definitions := []any{}
		for _, of := range grouped(group, func(s state) string { return s.Definition.ID.Key() + "|" + lower(s.Reference) }) {
			first := of[0]
			definitions = append(definitions, arm.Doc{"policyDefinitionId": first.Definition.ID.Key(), "policyDefinitionReferenceId": lower(first.Reference),
				"effect": lower(first.Written), "policyDefinitionGroupNames": []any{""}, "results": tallied(of, uri)})
		}
		set := ""
		if group[0].Set != nil {
			set = group[0].Set.ID.Key()
		}
		assignments = append(assignments, arm.Doc{"policyAssignmentId": group[0].Assignment.ID.Key(), "policySetDefinitionId": set,
			"results": tallied(group, uri), "policyDefinitions": definitions, "policyGroups": []any{}})
	}
	value := arm.Doc{"@odata.id": nil, "@odata.context": stateURL(c) + "/$metadata#summary/$entity", "results": tallied(all, uri), "policyAssignments": assignments}
	return arm.Doc{"@odata.context": stateURL(c) + "/$metadata#summary", "@odata.count": 1, "value": []any{value}}, nil
}

// grouped divides states by a key, in the order in which the keys come; those of unknown definitions are left out.
func grouped(all []state, key func(state) string) [][]state {
	var groups [][]state
	at := map[string]int{}
	for _, s := range all {
		if s.Definition == nil {
			continue
		}
		k := key(s)
		i, ok := at[k]
		if !ok {
			i = len(groups)
			at[k], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], s)
	}
	return groups
}

// tallied counts resources and definitions by their worst state.
func tallied(all []state, uri string) arm.Doc {
	resources, definitions := worst(all, func(s state) string { return s.resource.ID.Key() }), worst(all, func(s state) string {
		if s.Definition == nil {
			return ""
		}
		return s.Assignment.ID.Key() + s.Definition.ID.Key() + s.Reference
	})
	return arm.Doc{"queryResultsUri": uri + "&$filter=IsCompliant eq false", "nonCompliantResources": resources[policy.NonCompliant], "nonCompliantPolicies": definitions[policy.NonCompliant],
		"resourceDetails": counted(resources), "policyDetails": counted(definitions), "policyGroupDetails": []any{}}
}

// severity orders states: what one of them is, the whole is.
var severity = []policy.State{policy.NonCompliant, policy.Failed, policy.Undecided, policy.Exempt, policy.Compliant}

func worst(all []state, key func(state) string) map[policy.State]int {
	by := map[string]int{}
	for _, s := range all {
		rank := slices.Index(severity, s.State)
		if old, ok := by[key(s)]; !ok || rank < old {
			by[key(s)] = rank
		}
	}
	counts := map[policy.State]int{}
	for _, rank := range by {
		counts[severity[rank]]++
	}
	return counts
}

func counted(counts map[policy.State]int) []any {
	all := []any{}
	for _, s := range severity {
		if n := counts[s]; n > 0 {
			all = append(all, arm.Doc{"complianceState": lower(string(s)), "count": n})
		}
	}
	return all
}
