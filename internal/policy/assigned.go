package policy

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"aksid/internal/azure"
)

// Set is an initiative: definitions with values for their parameters.
type Set struct {
	ID          azure.ID
	Name        string
	DisplayName string
	Type        string // BuiltIn or Custom
	Parameters  []Parameter
	Members     []Member
	Doc         map[string]any
}

// Label is how a person calls the initiative.
func (s *Set) Label() string { return cmp.Or(s.DisplayName, s.Name) }

// Member is a definition in an initiative.
type Member struct {
	Definition azure.ID
	Reference  string // its id in the initiative
	values     map[string]operand
}

// ParseSet reads an initiative as Parse reads a definition.
func ParseSet(doc map[string]any, name string) (*Set, *azure.Error) {
	properties := objectAt(doc, "properties")
	if properties == nil {
		properties = doc
	}
	s := &Set{Name: cmp.Or(textAt(doc, "name"), name), DisplayName: textAt(properties, "displayName"),
		Type: cmp.Or(textAt(properties, "policyType"), "Custom"), Doc: doc}
	if id, err := azure.ParseID(textAt(doc, "id")); err == nil {
		s.ID, s.Name = id, id.Name()
	}
	var err *azure.Error
	if s.Parameters, err = parseParameters(properties["parameters"], s.Name); err != nil {
		return nil, err
	}
	invalid := func(cause string) (*Set, *azure.Error) {
		return nil, azure.InvalidPolicySet.Format(azure.Fields{"cause": cause})
	}
	list := listAt(properties, "policyDefinitions")
	if len(list) == 0 {
		return invalid("The policy set definition '" + s.Name + "' has no policy definitions")
	}
	references := map[string]bool{}
	for _, written := range list {
		m := Member{Reference: textAt(written, "policyDefinitionReferenceId"), values: map[string]operand{}}
		var bad error
		if m.Definition, bad = azure.ParseID(textAt(written, "policyDefinitionId")); bad != nil || !strings.EqualFold(m.Definition.Type(), TypeDefinition) {
			return invalid("The policy definition id '" + clip(textAt(written, "policyDefinitionId")) + "' is not valid")
		}
		if m.Reference == "" {
			m.Reference = unused(m.Definition.Name(), references)
		}
		if references[strings.ToLower(m.Reference)] {
			return invalid("The policy definition reference id '" + clip(m.Reference) + "' is used more than once")
		}
		references[strings.ToLower(m.Reference)] = true
		p := &parser{policy: s.Name}
		p.try(func() {
			for name, v := range ParseValues(at(written, "parameters")) {
				m.values[name] = p.operand(v)
			}
			for _, name := range p.parameters {
				if !slices.ContainsFunc(s.Parameters, func(x Parameter) bool { return strings.EqualFold(x.Name, name) }) {
					panic(parseFault{azure.UndefinedInRule.Format(azure.Fields{"policy": s.Name, "parameter": name})})
				}
			}
		})
		if p.fault != nil {
			return nil, p.fault
		}
		s.Members = append(s.Members, m)
	}
	return s, nil
}

// unused is a reference of its own for a member that was given none: the definition's name, and a number where that is taken.
func unused(name string, taken map[string]bool) string {
	reference := name
	for n := 2; taken[strings.ToLower(reference)]; n++ {
		reference = name + "_" + strconv.Itoa(n)
	}
	return reference
}

// given are the values that a member gets of those of its initiative.
func (m Member) given(values Values, about About) (Values, error) {
	e := newEvaluation(&Resource{}, values, about)
	given := Values{}
	for _, name := range slices.Sorted(maps.Keys(m.values)) {
		v, err := e.value(m.values[name])
		if err != nil {
			return nil, err
		}
		given[name] = v
	}
	return given, nil
}

// Check refuses an initiative whose members get values that their definitions do not take. Values that only an assignment
// will give are checked with it.
func (s *Set) Check(find func(azure.ID) *Definition) *azure.Error {
	defaults, _, _, _ := bind(s.Parameters, nil, s.Name)
	for _, m := range s.Members {
		d := find(m.Definition)
		if d == nil {
			return azure.PolicyDefinitionNotFound.Format(azure.Fields{"policy": m.Definition.String()})
		}
		if err := s.checkNames(m, d); err != nil {
			return err
		}
		given, err := m.given(defaults, About{})
		if err != nil {
			continue // of a parameter without default
		}
		if _, _, _, bad := bind(d.Parameters, given, d.Name); bad != nil {
			return azure.InvalidSetParameters.Format(azure.Fields{"set": s.Name, "policy": d.Name, "cause": bad.Message})
		}
	}
	return nil
}

func (s *Set) checkNames(m Member, d *Definition) *azure.Error {
	var undefined, missing []string
	for _, name := range slices.Sorted(maps.Keys(m.values)) {
		if d.parameter(name) == nil {
			undefined = append(undefined, name)
		}
	}
	for _, p := range d.Parameters {
		if _, ok := lookup(m.values, p.Name); !ok && p.Default == nil {
			missing = append(missing, p.Name)
		}
	}
	f := azure.Fields{"set": s.Name, "policy": d.Name}
	switch {
	case len(undefined) > 0:
		f["parameters"] = strings.Join(undefined, ",")
		return azure.UndefinedSetParameter.Format(f)
	case len(missing) > 0:
		f["parameters"] = strings.Join(missing, ",")
		return azure.MissingSetParameter.Format(f)
	}
	return nil
}

func lookup(m map[string]operand, name string) (operand, bool) {
	for k, v := range m {
		if strings.EqualFold(k, name) {
			return v, true
		}
	}
	return operand{}, false
}

// Assignment is a definition or an initiative in a scope.
type Assignment struct {
	ID          azure.ID
	Scope       azure.ID
	Name        string
	DisplayName string
	Assigned    azure.ID // the definition or the initiative
	Values      Values
	NotScopes   []azure.ID
	Enforced    bool // enforcementMode Default
	Messages    []any
	overrides   []any
	selectors   []any
	Doc         map[string]any
}

// Label is how a person calls the assignment.
func (a *Assignment) Label() string { return cmp.Or(a.DisplayName, a.Name) }

// ParseAssignment reads an assignment; its id says where it stands.
func ParseAssignment(doc map[string]any, id azure.ID) (*Assignment, *azure.Error) {
	invalid := func(cause string) (*Assignment, *azure.Error) {
		return nil, azure.InvalidPolicyAssignment.Format(azure.Fields{"cause": cause})
	}
	scope, _, _ := id.Split()
	a := &Assignment{ID: id, Scope: scope, Name: id.Name(), DisplayName: textAt(doc, "properties.displayName"), Enforced: true, Doc: doc,
		Values: ParseValues(at(doc, "properties.parameters")), Messages: listAt(doc, "properties.nonComplianceMessages"),
		overrides: listAt(doc, "properties.overrides"), selectors: listAt(doc, "properties.resourceSelectors")}
	var err error
	typ := ""
	if a.Assigned, err = azure.ParseID(textAt(doc, "properties.policyDefinitionId")); err == nil {
		typ = a.Assigned.Type()
	}
	if !strings.EqualFold(typ, TypeDefinition) && !strings.EqualFold(typ, TypeSet) {
		return invalid("The policy definition id '" + clip(textAt(doc, "properties.policyDefinitionId")) + "' is not valid")
	}
	switch mode := textAt(doc, "properties.enforcementMode"); {
	case strings.EqualFold(mode, "DoNotEnforce"):
		a.Enforced = false
	case mode != "" && !strings.EqualFold(mode, "Default"):
		return invalid("The enforcement mode '" + clip(mode) + "' is not valid. The modes are 'Default' and 'DoNotEnforce'")
	}
	for _, s := range textsAt(doc, "properties.notScopes") {
		not, err := azure.ParseID(s)
		if err != nil {
			return invalid("The excluded scope '" + clip(s) + "' is not valid")
		}
		a.NotScopes = append(a.NotScopes, not)
	}
	return a, nil
}

// Exemption takes a scope out of an assignment, or out of members of its initiative.
type Exemption struct {
	ID         azure.ID
	Scope      azure.ID
	Assignment azure.ID
	References []string // of the initiative; none: all
	Category   string   // Waiver or Mitigated
	Expires    time.Time
}

// ParseExemption reads an exemption.
func ParseExemption(doc map[string]any, id azure.ID) (*Exemption, *azure.Error) {
	invalid := func(cause string) (*Exemption, *azure.Error) {
		return nil, azure.InvalidPolicyExemption.Format(azure.Fields{"cause": cause})
	}
	scope, _, _ := id.Split()
	x := &Exemption{ID: id, Scope: scope, References: textsAt(doc, "properties.policyDefinitionReferenceIds"), Category: textAt(doc, "properties.exemptionCategory")}
	var err error
	if x.Assignment, err = azure.ParseID(textAt(doc, "properties.policyAssignmentId")); err != nil || !strings.EqualFold(x.Assignment.Type(), TypeAssignment) {
		return invalid("The policy assignment id '" + clip(textAt(doc, "properties.policyAssignmentId")) + "' is not valid")
	}
	if !strings.EqualFold(x.Category, "Waiver") && !strings.EqualFold(x.Category, "Mitigated") {
		return invalid("The exemption category '" + clip(x.Category) + "' is not valid. The categories are 'Waiver' and 'Mitigated'")
	}
	if expires := textAt(doc, "properties.expiresOn"); expires != "" {
		var ok bool
		if x.Expires, ok = parseDate(expires); !ok {
			return invalid("The expiration '" + clip(expires) + "' is no date and time in ISO 8601")
		}
	}
	return x, nil
}

// Book is what is assigned: definitions and initiatives by their ids, assignments and exemptions.
type Book struct {
	Definitions map[string]*Definition // by the key of their id
	Sets        map[string]*Set
	Assignments []*Assignment
	Exemptions  []*Exemption
	// Above are the management groups that a subscription lies in; nil: none is known.
	Above func(subscription string) []azure.ID
}

// definition is one of the book, or a built-in one that the book lacks.
func (b *Book) definition(id azure.ID) *Definition {
	if d := b.Definitions[id.Key()]; d != nil {
		return d
	}
	if scope, _, _ := id.Split(); scope.Equal(azure.Root) && strings.EqualFold(id.Type(), TypeDefinition) {
		return BuiltIn(id.Name())
	}
	return nil
}

// Outcome is what an assigned definition says of a resource.
type Outcome struct {
	Assignment *Assignment
	Set        *Set // nil for a definition that is assigned by itself
	Reference  string
	Definition *Definition // nil where it is not known
	Values     Values
	Exemption  *Exemption
	Result
}

// Denies reports whether the outcome refuses a write of the resource: a rule with the effect deny that is violated, or one that
// cannot be evaluated, enforced and not exempt.
func (o Outcome) Denies() bool {
	return o.Assignment.Enforced && (o.State == Failed || o.Effect == Deny && o.State == NonCompliant)
}

// Keeps reports whether the outcome refuses to delete the resource, by itself or with its resource group: a rule with the effect
// denyAction that is about it, enforced and not exempt. Of what goes with a group, only policies of the mode Indexed are asked.
func (o Outcome) Keeps(withGroup bool) bool {
	if !o.Assignment.Enforced || o.Definition == nil || o.Exemption != nil {
		return false
	}
	if withGroup {
		return o.guards.group && strings.EqualFold(o.Definition.Mode, "Indexed")
	}
	return o.guards.delete
}

// Evaluate says what everything that is assigned to a resource says of it, in the order of the assignments.
func (b *Book) Evaluate(r *Resource, now time.Time) []Outcome {
	var all []Outcome
	for _, a := range b.Assignments {
		if b.Applies(a, r.ID) {
			all = append(all, b.assigned(a, r, now)...)
		}
	}
	return all
}

// Applies reports whether a resource lies in an assignment's scope, and not in one that it leaves out.
func (b *Book) Applies(a *Assignment, id azure.ID) bool {
	return b.contains(a.Scope, id) && !slices.ContainsFunc(a.NotScopes, func(not azure.ID) bool { return b.contains(not, id) })
}

// contains also knows management groups, in which subscriptions lie.
func (b *Book) contains(scope, id azure.ID) bool {
	if scope.Contains(id) {
		return true
	}
	return b.Above != nil && id.Subscription() != "" && slices.ContainsFunc(b.Above(id.Subscription()), func(group azure.ID) bool { return scope.Equal(group) })
}

func (b *Book) assigned(a *Assignment, r *Resource, now time.Time) []Outcome {
	about := About{Assignment: a.ID, Now: now}
	if !strings.EqualFold(a.Assigned.Type(), TypeSet) {
		o := Outcome{Assignment: a, Definition: b.definition(a.Assigned)}
		return []Outcome{b.outcome(o, a.Values, r, about)}
	}
	set := b.Sets[a.Assigned.Key()]
	if set == nil {
		return []Outcome{{Assignment: a, Result: Result{State: Undecided, Reason: "the initiative " + a.Assigned.String() + " was not read"}}}
	}
	about.Set = set.ID
	values, missing, _, bad := bind(set.Parameters, a.Values, set.Name)
	var all []Outcome
	for _, m := range set.Members {
		o := Outcome{Assignment: a, Set: set, Reference: m.Reference, Definition: b.definition(m.Definition)}
		given, err := m.given(values, about)
		switch {
		case bad != nil:
			o.Result = Result{State: Failed, Reason: bad.Message}
		case err != nil:
			o.Result = Result{State: Failed, Reason: "the parameters of the initiative have no values: " + strings.Join(missing, ", ")}
		default:
			about.Reference = m.Reference
			o = b.outcome(o, given, r, about)
		}
		all = append(all, o)
	}
	return all
}

// outcome evaluates a definition for its assignment.
func (b *Book) outcome(o Outcome, given Values, r *Resource, about About) Outcome {
	d := o.Definition
	if d == nil {
		o.Result = Result{State: Undecided, Reason: "the definition was not read"}
		return o
	}
	if !o.Assignment.selects(r) {
		o.Result = Result{State: NotApplicable, Reason: "the assignment's resource selectors leave it out"}
		return o
	}
	about.Override = o.Assignment.override(o.Reference)
	values, bad := d.Bind(given)
	if bad != nil {
		o.Result = Result{State: Failed, Reason: bad.Message}
		return o
	}
	o.Values = values
	o.Result = d.Evaluate(r, values, about)
	if o.Exemption = b.exempt(o, r.ID, about.Now); o.Exemption != nil && o.State != NotApplicable {
		o.State = Exempt
	}
	return o
}

// override is the effect that the assignment gives a member in place of its own (Microsoft Learn: assignment structure,
// overrides); "" for none.
func (a *Assignment) override(reference string) string {
	for _, o := range a.overrides {
		if strings.EqualFold(textAt(o, "kind"), "policyEffect") && selected(listAt(o, "selectors"), "policyDefinitionReferenceId", reference) {
			return textAt(o, "value")
		}
	}
	return ""
}

// selects tests the resource selectors (Microsoft Learn: assignment structure): one of them must fit, with all that it says.
func (a *Assignment) selects(r *Resource) bool {
	if len(a.selectors) == 0 {
		return true
	}
	location, _ := at(r.Doc, "location").(string)
	return slices.ContainsFunc(a.selectors, func(s any) bool {
		list := listAt(s, "selectors")
		return selected(list, "resourceLocation", normal(location).(string)) && selected(list, "resourceType", r.Type())
	})
}

// selected tests the selectors of a kind on a value.
func selected(selectors []any, kind, value string) bool {
	for _, s := range selectors {
		if !strings.EqualFold(textAt(s, "kind"), kind) {
			continue
		}
		has := func(list string) bool {
			return slices.ContainsFunc(textsAt(s, list), func(x string) bool { return strings.EqualFold(x, value) })
		}
		if len(listAt(s, "in")) > 0 && !has("in") || has("notIn") {
			return false
		}
	}
	return true
}

func (b *Book) exempt(o Outcome, id azure.ID, now time.Time) *Exemption {
	for _, x := range b.Exemptions {
		if x.Assignment.Equal(o.Assignment.ID) && b.contains(x.Scope, id) && (x.Expires.IsZero() || now.Before(x.Expires)) &&
			(len(x.References) == 0 || slices.ContainsFunc(x.References, func(r string) bool { return strings.EqualFold(r, o.Reference) })) {
			return x
		}
	}
	return nil
}

// Message is what the assignment has to say to who is refused; "" for nothing.
func (o Outcome) Message() string {
	general := ""
	for _, m := range o.Assignment.Messages {
		switch reference := textAt(m, "policyDefinitionReferenceId"); {
		case reference == "":
			general = textAt(m, "message")
		case strings.EqualFold(reference, o.Reference):
			return textAt(m, "message")
		}
	}
	return general
}

// CheckAssignment refuses an assignment of what does not exist, or with values that it does not take.
func (b *Book) CheckAssignment(a *Assignment) *azure.Error {
	parameters, label, references := []Parameter(nil), "", []string(nil)
	if d := b.Definitions[a.Assigned.Key()]; d != nil {
		parameters, label = d.Parameters, d.Name
	} else if s := b.Sets[a.Assigned.Key()]; s != nil {
		parameters, label = s.Parameters, s.Name
		for _, m := range s.Members {
			references = append(references, strings.ToLower(m.Reference))
		}
	} else {
		return azure.AssignedPolicyNotFound.Format(azure.Fields{"policy": a.Assigned.String()})
	}
	for _, m := range a.Messages {
		if r := textAt(m, "policyDefinitionReferenceId"); r != "" && !slices.Contains(references, strings.ToLower(r)) {
			return azure.InvalidPolicyAssignment.Format(azure.Fields{"cause": "The following policy definition reference IDs used in non-compliance messages do not exist in the assigned policy set definition: '" + clip(r) + "'"})
		}
	}
	values, missing, undefined, err := bind(parameters, a.Values, label)
	f := azure.Fields{"assignment": a.Name, "policy": label}
	switch {
	case err != nil:
		return err
	case len(undefined) > 0:
		f["parameters"] = strings.Join(undefined, ",")
		return azure.UndefinedPolicyParameter.Format(f)
	case len(missing) > 0:
		f["parameters"] = strings.Join(missing, ",")
		return azure.MissingPolicyParameter.Format(f)
	}
	return b.checkMembers(a, values)
}

// checkMembers binds the members of an initiative with the values of an assignment.
func (b *Book) checkMembers(a *Assignment, values Values) *azure.Error {
	set := b.Sets[a.Assigned.Key()]
	if set == nil {
		return nil
	}
	for _, m := range set.Members {
		d := b.Definitions[m.Definition.Key()]
		given, err := m.given(values, About{})
		if d == nil || err != nil {
			continue
		}
		if _, bad := d.Bind(given); bad != nil {
			return bad
		}
	}
	return nil
}

// About is what the outcome's evaluation was told.
func (o Outcome) About(now time.Time) About {
	about := About{Assignment: o.Assignment.ID, Reference: o.Reference, Override: o.Assignment.override(o.Reference), Now: now}
	if o.Definition != nil {
		about.Definition = o.Definition.ID
	}
	if o.Set != nil {
		about.Set = o.Set.ID
	}
	return about
}

// Given are the values that a member gets where its initiative has the values given, or its defaults.
func (s *Set) Given(m Member, given Values) (Values, error) {
	values, missing, _, bad := bind(s.Parameters, given, s.Name)
	switch {
	case bad != nil:
		return nil, bad
	case len(missing) > 0:
		return nil, faultf("the parameters %s have no values", strings.Join(missing, ", "))
	}
	return m.given(values, About{Set: s.ID, Reference: m.Reference})
}
