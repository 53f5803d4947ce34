package provider

import (
	"iter"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/policy"
)

// byAssigned and byMember are index entries: of assignments by what they assign, of initiatives by their definitions.
func byAssigned(id azure.ID) string { return "assigned:" + id.Key() }
func byMember(id azure.ID) string   { return "member:" + id.Key() }

// allAssignments is the index entry of every assignment.
const allAssignments = "policyassignments"

func policyAssignmentRefs(d arm.Doc) []string {
	id, err := azure.ParseID(arm.Str(d, "properties.policyDefinitionId"))
	if err != nil {
		return nil
	}
	return []string{allAssignments, byAssigned(id)}
}

func setRefs(d arm.Doc) []string {
	var refs []string
	for _, m := range arm.List(d, "properties.policyDefinitions") {
		member, _ := m.(map[string]any)
		if id, err := azure.ParseID(arm.Str(member, "policyDefinitionId")); err == nil {
			refs = append(refs, byMember(id))
		}
	}
	return refs
}

// getPolicyDefinition shows built-in definitions to everybody.
func getPolicyDefinition(c *arm.Call) (arm.Doc, *azure.Error) {
	if scope, _, _ := c.ID.Split(); scope.Equal(azure.Root) {
		if d := policy.BuiltIn(c.ID.Name()); d != nil {
			return arm.Clone(d.Doc), nil
		}
	}
	if bad := c.Authorize(policy.TypeDefinition+"/read", c.ID); bad != nil {
		return nil, bad
	}
	doc, err := c.Load(c.ID)
	if err == nil && doc == nil {
		return nil, azure.PolicyDefinitionNotFound.Format(azure.Fields{"policy": c.ID.Name()})
	}
	return doc, arm.Fault(err)
}

// listPolicyDefinitions yields what can be assigned at a scope: what is defined there and above, and what is built in.
func listPolicyDefinitions(c *arm.Call) iter.Seq2[arm.Doc, error] {
	if !c.ID.Equal(azure.Root) {
		if bad := c.Authorize(policy.TypeDefinition+"/read", c.ID); bad != nil {
			return failed(bad)
		}
	}
	builtIn := func(yield func(arm.Doc, error) bool) {
		for _, d := range policy.BuiltIns() {
			if !yield(arm.Clone(d.Doc), nil) {
				return
			}
		}
	}
	return listDefined(c, policy.TypeDefinition, builtIn)
}

func listPolicySets(c *arm.Call) iter.Seq2[arm.Doc, error] {
	return listDefined(c, policy.TypeSet, func(func(arm.Doc, error) bool) {})
}

// listDefined yields definitions, filtered as Azure does: by policyType, by category, and at exactly the scope.
func listDefined(c *arm.Call, typ string, builtIn iter.Seq2[arm.Doc, error]) iter.Seq2[arm.Doc, error] {
	terms, bad := c.Filter()
	if bad != nil {
		return failed(bad)
	}
	exactly := slices.ContainsFunc(terms, func(t arm.Term) bool { return t.Op == "()" })
	if slices.ContainsFunc(terms, func(t arm.Term) bool {
		return !slices.Contains([]string{"policytypeeq", "categoryeq", "atexactscope()"}, lower(t.Field)+t.Op)
	}) {
		return failed(c.BadFilter())
	}
	return func(yield func(arm.Doc, error) bool) {
		all := []iter.Seq2[arm.Doc, error]{builtIn}
		if exactly {
			all = nil
		}
		for _, scope := range ancestors(c, c.ID) {
			if !exactly || scope.Equal(c.ID) {
				all = append(all, c.At(scope, typ))
			}
		}
		for _, docs := range all {
			for doc, err := range docs {
				if err == nil && !definedAs(doc, terms) {
					continue
				}
				if !yield(doc, err) {
					return
				}
			}
		}
	}
}

func definedAs(doc arm.Doc, terms []arm.Term) bool {
	for _, t := range terms {
		switch lower(t.Field) {
		case "policytype":
			if !strings.EqualFold(arm.Str(doc, "properties.policyType"), t.Value) {
				return false
			}
		case "category":
			if !strings.EqualFold(arm.Str(doc, "properties.metadata.category"), t.Value) {
				return false
			}
		}
	}
	return true
}

// definedWhere refuses definitions anywhere but at a subscription or a management group.
func definedWhere(c *arm.Call) (cause string) {
	switch scope, _, _ := c.ID.Split(); scope.Type() {
	case azure.TypeSubscription, azure.TypeManagementGroup:
		return ""
	default:
		return "Definitions stand at a subscription or a management group, and not at '" + scope.String() + "'"
	}
}

func checkPolicyDefinition(c *arm.Call) *azure.Error {
	if cause := definedWhere(c); cause != "" {
		return azure.InvalidPolicyDefinition.Format(azure.Fields{"cause": cause})
	}
	arm.Set(c.Doc, "properties.policyType", "Custom")
	arm.Default(c.Doc, "properties.mode", "All")
	d, bad := policy.Parse(c.Doc, c.ID.Name())
	if bad != nil {
		return bad
	}
	if bad := checkParametersKept(c, d.Parameters); bad != nil {
		return bad
	}
	policyMetadata(c)
	return nil
}

// checkParametersKept refuses an update that takes a parameter away, or adds one without default to what is assigned.
func checkParametersKept(c *arm.Call, now []policy.Parameter) *azure.Error {
	if c.Old == nil {
		return nil
	}
	has := func(name string) bool {
		return slices.ContainsFunc(now, func(p policy.Parameter) bool { return strings.EqualFold(p.Name, name) })
	}
	before := arm.Map(c.Old, "properties.parameters")
	var removed, added []string
	for name := range before {
		if !has(name) {
			removed = append(removed, name)
		}
	}
	slices.Sort(removed)
	for _, p := range now {
		if _, ok := before[p.Name]; !ok && p.Default == nil {
			added = append(added, p.Name)
		}
	}
	switch user, err := assignedBy(c); {
	case err != nil:
		return arm.Fault(err)
	case len(removed) > 0:
		return azure.PolicyParameterRemoved.Format(azure.Fields{"parameters": strings.Join(removed, ",")})
	case len(added) > 0 && user != "":
		return azure.PolicyParameterAdded.Format(azure.Fields{"parameters": strings.Join(added, ",")})
	}
	return nil
}

// assignedBy is the id of an assignment of the call's definition; "" for none.
func assignedBy(c *arm.Call) (string, error) {
	for doc, err := range c.Find(byAssigned(c.ID)) {
		return arm.Str(doc, "id"), err
	}
	return "", nil
}

// policyMetadata notes who wrote a definition or an assignment when.
func policyMetadata(c *arm.Call) {
	m := arm.Clone(arm.Map(c.Doc, "properties.metadata"))
	if m == nil {
		m = arm.Doc{}
	}
	old := arm.Map(c.Old, "properties.metadata")
	m["createdBy"], m["createdOn"], m["updatedBy"], m["updatedOn"] = c.Caller.ID.String(), policyTime(c.Now), nil, nil
	if old != nil {
		m["createdBy"], m["createdOn"], m["updatedBy"], m["updatedOn"] = old["createdBy"], old["createdOn"], c.Caller.ID.String(), policyTime(c.Now)
	}
	arm.Set(c.Doc, "properties.metadata", m)
}

func guardPolicyDefinition(c *arm.Call) *azure.Error {
	for doc, err := range c.Find(byMember(c.ID)) {
		if err != nil {
			return arm.Fault(err)
		}
		return azure.PolicyInSet.Format(azure.Fields{"policy": c.ID.Name(), "by": arm.Str(doc, "id")})
	}
	if by, err := assignedBy(c); err != nil || by != "" {
		if err != nil {
			return arm.Fault(err)
		}
		return azure.PolicyInUse.Format(azure.Fields{"policy": c.ID.Name(), "by": by})
	}
	return nil
}

func checkPolicySet(c *arm.Call) *azure.Error {
	if cause := definedWhere(c); cause != "" {
		return azure.InvalidPolicySet.Format(azure.Fields{"cause": cause})
	}
	arm.Set(c.Doc, "properties.policyType", "Custom")
	for _, m := range arm.List(c.Doc, "properties.policyDefinitions") {
		if member, ok := m.(map[string]any); ok {
			arm.Default(member, "parameters", arm.Doc{})
		}
	}
	s, bad := policy.ParseSet(c.Doc, c.ID.Name())
	if bad != nil {
		return bad
	}
	var failure error
	bad = s.Check(func(id azure.ID) *policy.Definition {
		d, err := findDefinition(c, id)
		if err != nil {
			failure = err
		}
		return d
	})
	if failure != nil {
		return arm.Fault(failure)
	}
	if bad == nil {
		bad = checkParametersKept(c, s.Parameters)
	}
	if bad != nil {
		return bad
	}
	for i, m := range arm.List(c.Doc, "properties.policyDefinitions") {
		arm.Default(m.(map[string]any), "policyDefinitionReferenceId", s.Members[i].Reference)
	}
	policyMetadata(c)
	return nil
}

func guardPolicySet(c *arm.Call) *azure.Error {
	by, err := assignedBy(c)
	if err != nil || by == "" {
		return arm.Fault(err)
	}
	return azure.PolicySetInUse.Format(azure.Fields{"set": c.ID.Name(), "by": by})
}

func checkPolicyAssignment(c *arm.Call) *azure.Error {
	a, bad := policy.ParseAssignment(c.Doc, azure.MustID(arm.Str(c.Doc, "id")))
	if bad != nil {
		return bad
	}
	b := &policy.Book{Definitions: map[string]*policy.Definition{}, Sets: map[string]*policy.Set{}}
	if err := shelve(c, b, a.Assigned); err != nil {
		return arm.Fault(err)
	}
	if bad := b.CheckAssignment(a); bad != nil {
		return bad
	}
	if where, _, _ := a.Assigned.Split(); !c.Covers(where, a.Scope) {
		return azure.InvalidPolicyAssignment.Format(azure.Fields{"cause": "The policy definition '" + a.Assigned.String() + "' is not defined at the scope of the assignment or above"})
	}
	arm.Set(c.Doc, "properties.scope", a.Scope.String())
	arm.Default(c.Doc, "properties.notScopes", []any{})
	arm.Default(c.Doc, "properties.enforcementMode", "Default")
	policyMetadata(c)
	return nil
}

func checkPolicyExemption(c *arm.Call) *azure.Error {
	x, bad := policy.ParseExemption(c.Doc, azure.MustID(arm.Str(c.Doc, "id")))
	if bad != nil {
		return bad
	}
	doc, err := c.Load(x.Assignment)
	switch {
	case err != nil:
		return arm.Fault(err)
	case doc == nil:
		return azure.PolicyAssignmentNotFound.Format(azure.Fields{"assignment": x.Assignment.Name()})
	case !c.Covers(scopeOf(x.Assignment), x.Scope):
		return azure.InvalidPolicyExemption.Format(azure.Fields{"cause": "The policy assignment '" + x.Assignment.String() + "' does not include the scope of the exemption"})
	}
	return nil
}

func scopeOf(id azure.ID) azure.ID {
	scope, _, _ := id.Split()
	return scope
}

// listGoverning lists the assignments or exemptions that concern a scope: those at it, above and, for all but atScope(), below.
func listGoverning(typ string) func(c *arm.Call) iter.Seq2[arm.Doc, error] {
	return func(c *arm.Call) iter.Seq2[arm.Doc, error] {
		terms, bad := c.Filter()
		if bad != nil {
			return failed(bad)
		}
		below, above := true, true
		for _, t := range terms {
			switch lower(t.Field) + t.Op {
			case "atscope()":
				below = false
			case "atexactscope()":
				below, above = false, false
			case "policydefinitionideq", "policyassignmentideq":
			default:
				return failed(c.BadFilter())
			}
		}
		return func(yield func(arm.Doc, error) bool) {
			for doc, err := range governing(c, typ, above, below) {
				if err == nil && slices.ContainsFunc(terms, func(t arm.Term) bool {
					return t.Op == "eq" && !strings.EqualFold(arm.Str(doc, "properties."+strings.Replace(lower(t.Field), "policydefinitionid", "policyDefinitionId", 1)), t.Value) &&
						!strings.EqualFold(arm.Str(doc, "properties.policyAssignmentId"), t.Value)
				}) {
					continue
				}
				if !yield(doc, err) {
					return
				}
			}
		}
	}
}

func governing(c *arm.Call, typ string, above, below bool) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		for _, scope := range ancestors(c, c.ID) {
			if !above && !scope.Equal(c.ID) {
				continue
			}
			for doc, err := range c.At(scope, typ) {
				if !yield(doc, err) {
					return
				}
			}
		}
		if !below || c.ID.Subscription() == "" {
			return
		}
		for doc, err := range c.Extensions(c.ID, typ) {
			if err == nil && scopeOf(azure.MustID(arm.Str(doc, "id"))).Equal(c.ID) {
				continue // it is among those above
			}
			if !yield(doc, err) {
				return
			}
		}
	}
}
