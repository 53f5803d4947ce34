package policy

import (
	"cmp"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/template"
)

// State is what a policy says of a resource, as compliance states are called.
type State string

// The states. Where the rule is not about the resource, it is NotApplicable, which Azure does not list.
const (
	Compliant     State = "Compliant"
	NonCompliant  State = "NonCompliant"
	Undecided     State = "Unknown"
	Exempt        State = "Exempt"
	Failed        State = "Error" // the rule cannot be evaluated; Azure refuses the request then
	NotApplicable State = "NotApplicable"
)

// Result is what a definition says of a resource.
type Result struct {
	State   State
	Effect  Effect // what it comes to with the values of the parameters
	Written string // the effect as it is written, as in Deny
	Why     []Evaluated
	Reason  string // of Undecided, Failed and NotApplicable
	guards  guard  // against deletion, with the effect denyAction
}

// guard is what a policy with the effect denyAction keeps a resource from.
type guard struct {
	delete bool // by itself
	group  bool // with its resource group
}

// Violates reports whether the effect would be carried out: the resource is as the rule says it must not be.
func (r Result) Violates() bool { return r.State == NonCompliant }

// Bind gives the parameters their values. It refuses what an assignment would be refused for.
func (d *Definition) Bind(given Values) (Values, *azure.Error) {
	values, missing, undefined, err := bind(d.Parameters, given, d.Name)
	f := azure.Fields{"assignment": d.Name, "policy": d.Name}
	switch {
	case err != nil:
		return nil, err
	case len(undefined) > 0:
		f["parameters"] = strings.Join(undefined, ",")
		return nil, azure.UndefinedPolicyParameter.Format(f)
	case len(missing) > 0:
		f["parameters"] = strings.Join(missing, ",")
		return nil, azure.MissingPolicyParameter.Format(f)
	}
	return values, nil
}

// effectOf is the effect with the values of parameters, and as it is written.
func (d *Definition) effectOf(values Values, about About) (Effect, string, error) {
	written, known := about.Override, true
	if written == "" {
		var err error
		if written, known, err = newEvaluation(&Resource{}, values, about).text(d.rule.effect); err != nil {
			return "", "", err
		}
	}
	if !known || !isEffect(written) {
		return "", "", faultf("The policy effect '%s' is not valid.", clip(written))
	}
	return Effect(strings.ToLower(written)), written, nil
}

// Evaluate tests the rule on a resource. values are those of Bind.
func (d *Definition) Evaluate(r *Resource, values Values, at About) Result {
	effect, written, err := d.effectOf(values, at)
	result := Result{State: NotApplicable, Effect: effect, Written: written}
	at.Definition = d.ID
	switch {
	case err != nil:
		result.State, result.Reason = Failed, err.Error()
	case !d.ResourceManager():
		result.State, result.Reason = Undecided, "the mode "+d.Mode+" is evaluated inside of the resource, not by Resource Manager"
	case effect == Disabled:
		result.Reason = "the effect is disabled"
	case strings.EqualFold(d.Mode, "Indexed") && !r.indexed():
		result.Reason = "the mode Indexed is about resources that have tags and a location"
	default:
		d.decide(newEvaluation(r, values, at), &result)
	}
	return result
}

// indexed reports whether a resource's type supports tags and location, as far as its document tells. Resource groups and
// subscriptions are evaluated in the mode All alone (Microsoft Learn: resource manager modes), and what stands on other
// resources, as assignments do, has no tags.
func (r *Resource) indexed() bool {
	namespace, _, _ := strings.Cut(r.Type(), "/")
	if strings.EqualFold(namespace, "Microsoft.Resources") || strings.EqualFold(namespace, "Microsoft.Authorization") {
		return false
	}
	_, hasLocation := get(r.Doc, "location")
	_, hasTags := get(r.Doc, "tags")
	return hasLocation || hasTags
}

// decide tests if, and for effects "if not exists" what exists.
func (d *Definition) decide(e *evaluation, result *Result) {
	t, why, err := d.rule.when.test(e)
	switch {
	case err != nil:
		result.State, result.Reason, result.Why = Failed, err.Error(), why
	case t == False && (result.Effect.IfNotExists() || about(d.rule.when, e) == False):
		result.State, result.Reason = NotApplicable, "the policy is about other resources"
	case t == False:
		result.State = Compliant
		result.Why = why
	case t == Unknown:
		result.State, result.Why = Undecided, why
		result.Reason = "not known: " + unknowns(why)
	case result.Effect == Manual:
		result.State, result.Reason = Undecided, "the effect manual is attested by a person"
	case result.Effect == DenyAction:
		result.State, result.Reason = Compliant, "the effect denyAction is about deleting"
		result.guards, err = e.guardOf(d.rule.details)
		if err != nil {
			result.State, result.Reason = Failed, err.Error()
		}
	case result.Effect.IfNotExists():
		d.ifNotExists(e, result, why)
	default:
		result.State, result.Why = NonCompliant, why
	}
}

// guardOf reads which actions are denied, delete being the only one that there is, and what is to become of the deletion of a
// resource group (Microsoft Learn: denyAction effect).
func (e *evaluation) guardOf(details any) (g guard, err error) {
	p := &parser{}
	var actions []string
	for _, name := range listAt(asObject(details), "actionNames") {
		var s string
		p.try(func() { s, _, err = e.text(p.operand(name)) })
		if err != nil {
			return g, err
		}
		actions = append(actions, strings.ToLower(s))
	}
	g.delete = slices.Contains(actions, "delete")
	cascade := ""
	if v := at(asObject(details), "cascadeBehaviors.resourceGroup"); v != nil {
		p.try(func() { cascade, _, err = e.text(p.operand(v)) })
	}
	g.group = g.delete && strings.EqualFold(cascade, "deny")
	return g, err
}

// about tests what a rule says of type, kind and name alone; what it says of anything else counts as fulfilled. A resource that
// fails this is none that the policy is about (Microsoft Learn: policy applicability).
func about(c condition, e *evaluation) Truth {
	switch c := c.(type) {
	case allOf:
		for _, x := range c {
			if about(x, e) == False {
				return False
			}
		}
	case anyOf:
		for _, x := range c {
			if about(x, e) != False {
				return True
			}
		}
		return False
	case not:
		if l, ok := c.condition.(leaf); ok && l.tellsApart() {
			return -about(l, e)
		}
	case leaf:
		if c.tellsApart() {
			if t, _, err := c.test(e); err == nil {
				return t
			}
		}
	}
	return True
}

// tellsApart reports whether a condition says which resources the rule is about.
func (c leaf) tellsApart() bool {
	f, ok := c.subject.(fieldSubject)
	name, _ := f.name.value.(string)
	return ok && (strings.EqualFold(name, "type") || strings.EqualFold(name, "kind") || strings.EqualFold(name, "name"))
}

// unknowns names what is not known, each once.
func unknowns(why []Evaluated) string {
	var all []string
	for _, w := range why {
		name := cmp.Or(w.Path, w.Expression)
		if u, ok := w.Value.(*template.Unknown); ok && u.Expr != "" {
			name += " (" + clip(u.Expr) + ")"
		}
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
		if len(w.Inner) > 0 {
			if inner := unknowns(w.Inner); !slices.Contains(all, inner) {
				all = append(all, inner)
			}
		}
	}
	return strings.Join(all, ", ")
}

// ifNotExists looks for the resource that the effect asks for (Microsoft Learn: auditIfNotExists). Without one, or with none
// that is as existenceCondition says, the resource is not compliant.
func (d *Definition) ifNotExists(e *evaluation, result *Result, why []Evaluated) {
	related, reason, err := e.related(d.rule.details)
	switch {
	case err != nil:
		result.State, result.Reason = Failed, err.Error()
		return
	case reason != "":
		result.State, result.Reason, result.Why = Undecided, reason, why
		return
	}
	best := False
	for _, doc := range related {
		t, err := d.fulfils(e, doc)
		if err != nil {
			result.State, result.Reason = Failed, err.Error()
			return
		}
		best = max(best, t)
	}
	switch best {
	case True:
		result.State = Compliant
	case Unknown:
		result.State, result.Reason = Undecided, "whether one of the resources of type "+textAt(d.rule.details, "type")+" is as it must be is not known"
	default:
		result.State, result.Why = NonCompliant, why
		result.Reason = "there is no resource of type " + textAt(d.rule.details, "type") + " as the policy asks for"
	}
}

// fulfils tests the existence condition on a resource; field() in its expressions is of the resource that if is about.
func (d *Definition) fulfils(e *evaluation, doc map[string]any) (Truth, error) {
	if d.rule.exists == nil {
		return True, nil
	}
	id, err := azure.ParseID(textAt(doc, "id"))
	if err != nil {
		return Unknown, nil
	}
	r := *e.resource
	r.ID, r.Doc = id, doc
	inner := newEvaluation(&r, e.values, e.about)
	inner.base, inner.work = e, e.work
	t, _, err := d.rule.exists.test(inner)
	e.work = inner.work
	return t, err
}

// related are the resources that the details of "if not exists" name; reason says why they are not known.
func (e *evaluation) related(details any) (documents []map[string]any, reason string, err error) {
	p := &parser{}
	read := func(name string) (s string, known bool) {
		v, ok := get(asObject(details), name)
		if !ok || err != nil {
			return "", true
		}
		p.try(func() { s, known, err = e.text(p.operand(v)) })
		return s, known
	}
	typ, known := read("type")
	name, knownName := read("name")
	group, knownGroup := read("resourceGroupName")
	existence, knownScope := read("existenceScope")
	switch {
	case err != nil:
		return nil, "", err
	case !known || !knownName || !knownGroup || !knownScope || e.resource.Nearby == nil:
		return nil, "which resources of type " + typ + " there are was not read", nil
	}
	scope := e.scopeOf(typ, group, existence)
	documents, ok := e.resource.Nearby.Related(scope, typ)
	if !ok {
		return nil, "which resources of type " + typ + " there are in " + scope.String() + " was not read", nil
	}
	return slices.DeleteFunc(documents, func(doc map[string]any) bool { return name != "" && !named(doc, name) }), "", nil
}

// scopeOf is where related resources are looked for: children and extensions at the resource, others in its group, in another
// group or in the subscription.
func (e *evaluation) scopeOf(typ, group, existence string) azure.ID {
	id := e.resource.ID
	sub := id.Subscription()
	switch {
	case strings.EqualFold(typ, e.resource.Type()):
		return id
	case strings.EqualFold(existence, "subscription") && sub != "":
		return azure.SubscriptionID(sub)
	case group != "" && sub != "":
		return azure.SubscriptionID(sub).Join("resourceGroups", group)
	case strings.HasPrefix(strings.ToLower(typ), strings.ToLower(e.resource.Type())+"/"), isExtension(typ), id.GroupID().IsZero():
		return id
	}
	return id.GroupID()
}

// isExtension reports whether resources of a type stand on the resource that they are about.
func isExtension(typ string) bool {
	for _, t := range []string{"Microsoft.Insights/diagnosticSettings", "Microsoft.Authorization/locks", "Microsoft.Authorization/roleAssignments",
		"Microsoft.KubernetesConfiguration/extensions", "Microsoft.GuestConfiguration/guestConfigurationAssignments", "Microsoft.Security/pricings", "Microsoft.Security/assessments"} {
		if strings.EqualFold(t, typ) {
			return true
		}
	}
	return false
}

// named compares a resource's name, or its full name, with that of the details.
func named(doc map[string]any, name string) bool {
	id, err := azure.ParseID(textAt(doc, "id"))
	return err == nil && (strings.EqualFold(id.Name(), name) || strings.EqualFold(fullName(id), name) || like(fullName(id), name))
}
