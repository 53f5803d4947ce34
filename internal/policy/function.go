package policy

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/template"
)

// fault is why a rule cannot be evaluated. Azure refuses the request then (Microsoft Learn: avoiding template failures).
type fault string

func (f fault) Error() string { return string(f) }

func faultf(format string, args ...any) error { return fault(fmt.Sprintf(format, args...)) }

// ownFunctions are those that policies have beside ARM's, or in their place (Microsoft Learn: policy functions), by lower-cased
// name, with the arguments that they take.
var ownFunctions map[string]struct {
	least, most int
	call        func(*evaluation, []any) (any, error)
}

func init() { // the functions evaluate rules, which need the table
	ownFunctions = map[string]struct {
		least, most int
		call        func(*evaluation, []any) (any, error)
	}{
		"parameters":      {1, 1, (*evaluation).parameterOf},
		"field":           {1, 1, (*evaluation).fieldOf},
		"current":         {0, 1, (*evaluation).current},
		"resourcegroup":   {0, 0, (*evaluation).resourceGroup},
		"subscription":    {0, 0, (*evaluation).subscription},
		"requestcontext":  {0, 0, (*evaluation).requestContext},
		"policy":          {0, 0, (*evaluation).policy},
		"utcnow":          {0, 1, (*evaluation).utcNow},
		"adddays":         {2, 2, addDays},
		"iprangecontains": {2, 2, ipRangeContains},
	}
}

// refused are ARM's functions that policies do not have (Microsoft Learn: policy functions).
var refused = map[string]bool{"copyindex": true, "datetimeadd": true, "datetimefromepoch": true, "datetimetoepoch": true, "deployment": true, "environment": true,
	"extensionresourceid": true, "lambda": true, "lambdavariables": true, "managementgroup": true, "newguid": true, "pickzones": true, "providers": true, "reference": true,
	"references": true, "resourceid": true, "subscriptionresourceid": true, "tenantresourceid": true, "managementgroupresourceid": true, "tenant": true, "variables": true,
	"deployer": true, "fail": true, "resourceinfo": true}

// isRefused also knows list*, the functions that resource providers answer.
func isRefused(name string) bool { return refused[name] || strings.HasPrefix(name, "list") }

// functions are the policy's own, as template expressions call them.
func (e *evaluation) functions() template.Functions {
	own := template.Functions{}
	for name, f := range ownFunctions {
		own[name] = func(args []any) (any, error) {
			if len(args) < f.least || len(args) > f.most {
				return nil, faultf("The function '%s' requires %d to %d argument(s) while %d were provided.", name, f.least, f.most, len(args))
			}
			for _, a := range args {
				if u, ok := a.(*template.Unknown); ok {
					return &template.Unknown{Expr: name + "(" + u.Expr + ")", Refs: u.Refs}, nil
				}
			}
			return f.call(e, args)
		}
	}
	for name := range refused {
		own[name] = func([]any) (any, error) { return nil, template.NoFunction(name) }
	}
	return own
}

func textArgument(function string, v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", faultf("The function '%s' expects a string and was given a value of type '%s'.", function, typeOf(v))
	}
	return s, nil
}

func (e *evaluation) parameterOf(args []any) (any, error) {
	name, err := textArgument("parameters", args[0])
	if err != nil {
		return nil, err
	}
	v, ok := e.values.find(name)
	if !ok {
		return nil, faultf("The parameter '%s' has no value.", clip(name))
	}
	return v, nil
}

// fieldOf is the value of a field as it is: "" for one that is missing, an array for an array alias.
func (e *evaluation) fieldOf(args []any) (any, error) {
	name, err := textArgument("field", args[0])
	if err != nil {
		return nil, err
	}
	s, err := e.outer().resolve(name)
	switch {
	case err != nil:
		return nil, err
	case s.collection:
		return append([]any{}, s.values...), nil
	case s.values[0] == nil:
		return "", nil
	}
	return s.values[0], nil
}

// current is the member that a count looks at, or a property of it.
func (e *evaluation) current(args []any) (any, error) {
	if len(e.turns) == 0 {
		return nil, faultf("The function 'current' stands in no count.")
	}
	t := e.turns[len(e.turns)-1]
	name := t.name
	if len(args) > 0 {
		var err error
		if name, err = textArgument("current", args[0]); err != nil {
			return nil, err
		}
		found := false
		for _, t = range e.turns {
			if found = isCurrent(name, t.name); found {
				break
			}
		}
		if !found {
			return nil, faultf("The function 'current' names no count around it: '%s'.", clip(name))
		}
	}
	if !t.field {
		return t.value, nil
	}
	s, err := e.resolve(name)
	switch {
	case err != nil:
		return nil, err
	case strings.Count(name, "[*]") > strings.Count(t.name, "[*]"): // an array inside of the member
		return append([]any{}, s.values...), nil
	case len(s.values) == 0 || s.values[0] == nil:
		return "", nil
	}
	return s.values[0], nil
}

// notKnown is what a function gives of which nothing is known.
func notKnown(expr string) *template.Unknown { return &template.Unknown{Expr: expr} }

func (e *evaluation) resourceGroup([]any) (any, error) {
	id := e.resource.ID.GroupID()
	if id.IsZero() {
		return nil, faultf("The function 'resourceGroup' is not available: the resource '%s' is in no resource group.", clip(e.resource.ID.String()))
	}
	group := map[string]any{"id": id.String(), "name": id.Name(), "type": azure.TypeResourceGroup}
	fill(group, e.resource.Group, "resourceGroup()", "location", "tags", "properties", "managedBy")
	return group, nil
}

// fill takes members from a document. Without one they are not known. A tag that is missing is "": built-in definitions ask for
// those of groups that may lack them (Inherit a tag from the resource group), and so for what manages a group.
func fill(into, doc map[string]any, expr string, names ...string) {
	for _, name := range names {
		v, ok := get(doc, name)
		tags, plain := v.(map[string]any)
		switch {
		case doc == nil:
			into[name] = notKnown(expr + "." + name)
		case name == "tags" && (plain || v == nil):
			into[name] = template.Lenient(tags)
		case ok || name == "managedBy":
			into[name] = v
		}
	}
}

func (e *evaluation) subscription([]any) (any, error) {
	sub := e.resource.ID.Subscription()
	if sub == "" {
		return nil, faultf("The function 'subscription' is not available: the resource '%s' is in no subscription.", clip(e.resource.ID.String()))
	}
	m := map[string]any{"id": "/subscriptions/" + sub, "subscriptionId": sub}
	fill(m, e.resource.Subscription, "subscription()", "displayName", "tenantId", "tags")
	return m, nil
}

func (e *evaluation) requestContext([]any) (any, error) {
	m := map[string]any{"apiVersion": any(notKnown("requestContext().apiVersion")), "identity": any(notKnown("requestContext().identity"))}
	if e.resource.APIVersion != "" {
		m["apiVersion"] = e.resource.APIVersion
	}
	if e.resource.Caller != nil {
		m["identity"] = e.resource.Caller
	}
	return m, nil
}

// policy tells what is evaluated. Of a definition that is not assigned, the assignment is not known.
func (e *evaluation) policy([]any) (any, error) {
	m := map[string]any{"definitionId": e.about.Definition.String(), "setDefinitionId": e.about.Set.String(), "definitionReferenceId": e.about.Reference}
	if m["assignmentId"] = e.about.Assignment.String(); e.about.Assignment.IsZero() {
		m["assignmentId"] = notKnown("policy().assignmentId")
	}
	return m, nil
}

func (e *evaluation) utcNow([]any) (any, error) {
	if e.about.Now.IsZero() {
		return notKnown("utcNow()"), nil
	}
	return isoSeconds(e.about.Now), nil
}

func addDays(_ *evaluation, args []any) (any, error) {
	s, err := textArgument("addDays", args[0])
	if err != nil {
		return nil, err
	}
	t, ok := parseDate(s)
	n, isNumber := args[1].(json.Number)
	days, err := n.Int64()
	if !ok || !isNumber || err != nil || math.Abs(float64(days)) > 4e6 {
		return nil, faultf("The function 'addDays' expects a date in the form yyyy-MM-ddTHH:mm:ss.fffffffZ and a number of days, and was given '%s' and '%s'.", clip(s), clip(spell(args[1])))
	}
	return isoSeconds(t.AddDate(0, 0, int(days))), nil
}

// ipRange is a range of addresses, both ends in it.
type ipRange struct{ first, last netip.Addr }

// parseRange reads an address, a CIDR range, or two addresses with - between them.
func parseRange(s string) (ipRange, bool) {
	if first, last, ok := strings.Cut(s, "-"); ok {
		a, err := netip.ParseAddr(strings.TrimSpace(first))
		b, err2 := netip.ParseAddr(strings.TrimSpace(last))
		return ipRange{a, b}, err == nil && err2 == nil && a.Is4() == b.Is4() && a.Zone() == "" && b.Zone() == "" && a.Compare(b) <= 0
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		p = p.Masked()
		b := p.Addr().AsSlice()
		for i := p.Bits(); i < len(b)*8; i++ {
			b[i/8] |= 1 << (7 - i%8)
		}
		last, _ := netip.AddrFromSlice(b)
		return ipRange{p.Addr(), last}, true
	}
	a, err := netip.ParseAddr(s)
	return ipRange{a, a}, err == nil && a.Zone() == ""
}

func ipRangeContains(_ *evaluation, args []any) (any, error) {
	var ranges [2]ipRange
	for i := range ranges {
		s, err := textArgument("ipRangeContains", args[i])
		if err != nil {
			return nil, err
		}
		var ok bool
		if ranges[i], ok = parseRange(s); !ok {
			return nil, faultf("The function 'ipRangeContains' expects addresses or ranges of addresses, and was given '%s'.", clip(s))
		}
	}
	outer, inner := ranges[0], ranges[1]
	if outer.first.Is4() != inner.first.Is4() {
		return nil, faultf("The function 'ipRangeContains' was given ranges of different families.")
	}
	return outer.first.Compare(inner.first) <= 0 && inner.last.Compare(outer.last) <= 0, nil
}
