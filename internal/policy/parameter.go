package policy

import (
	"maps"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
)

// Parameter is a parameter of a definition or an initiative.
type Parameter struct {
	Name        string
	Type        string // String, Array, Object, Boolean, Integer, Float or DateTime
	DisplayName string
	Default     any   // nil: none
	Allowed     []any // none: everything
}

var parameterTypes = []string{"String", "Array", "Object", "Boolean", "Integer", "Float", "DateTime"}

// parseParameters reads the parameters of a definition or an initiative, by name.
func parseParameters(written any, policy string) ([]Parameter, *azure.Error) {
	m, ok := written.(map[string]any)
	if !ok && written != nil {
		return nil, azure.InvalidPolicyParameter.Format(azure.Fields{"policy": policy, "parameter": "parameters", "cause": "an object of parameters is expected"})
	}
	var all []Parameter
	for _, name := range slices.Sorted(maps.Keys(m)) {
		p := Parameter{Name: name, DisplayName: textAt(m[name], "metadata.displayName"), Default: at(m[name], "defaultValue")}
		i := slices.IndexFunc(parameterTypes, func(t string) bool { return strings.EqualFold(t, textAt(m[name], "type")) })
		if i < 0 {
			return nil, azure.InvalidPolicyParameter.Format(azure.Fields{"policy": policy, "parameter": name,
				"cause": "its type '" + textAt(m[name], "type") + "' is none of " + strings.Join(parameterTypes, ", ")})
		}
		p.Type = parameterTypes[i]
		p.Allowed = listAt(m[name], "allowedValues")
		if p.Default != nil {
			if err := p.check(p.Default, policy); err != nil {
				return nil, err
			}
		}
		all = append(all, p)
	}
	return all, nil
}

// check refuses a value of another type, or one that is not allowed. Allowed values are compared with case.
func (p *Parameter) check(v any, policy string) *azure.Error {
	if !p.fits(v) {
		return azure.InvalidParameterType.Format(azure.Fields{"policy": policy, "parameter": p.Name, "type": typeOf(v), "expected": p.Type})
	}
	if len(p.Allowed) == 0 {
		return nil
	}
	values := []any{v}
	if list, ok := v.([]any); ok && !slices.ContainsFunc(p.Allowed, func(a any) bool { _, ok := a.([]any); return ok }) {
		values = list // an array is chosen from what is allowed
	}
	for _, v := range values {
		if !slices.ContainsFunc(p.Allowed, func(a any) bool { return identical(a, v) }) {
			return azure.PolicyParameterNotAllowed.Format(azure.Fields{"policy": policy, "parameter": p.Name, "value": spell(v), "allowed": spellAll(p.Allowed)})
		}
	}
	return nil
}

// identical compares with case.
func identical(a, b any) bool {
	s, ok := a.(string)
	t, other := b.(string)
	if ok && other {
		return s == t
	}
	return ok == other && same(a, b)
}

func (p *Parameter) fits(v any) bool {
	switch t := typeOf(v); p.Type {
	case "DateTime":
		s, _ := v.(string)
		_, ok := parseDate(s)
		return ok
	case "Float":
		return t == "Float" || t == "Integer"
	default:
		return t == p.Type
	}
}

// parseDate reads a date in Azure Policy's form, ISO 8601.
func parseDate(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// spell prints a value in a message.
func spell(v any) string {
	if s, ok := scalar(v); ok {
		return s
	}
	return string(compact(v))
}

func spellAll(values []any) string {
	var all []string
	for _, v := range values {
		all = append(all, spell(v))
	}
	return strings.Join(all, ", ")
}

// Values are given to parameters, by name.
type Values map[string]any

// find finds a value without case.
func (v Values) find(name string) (any, bool) { return get(v, name) }

// ParseValues reads the parameters of an assignment: {"name": {"value": …}}.
func ParseValues(written any) Values {
	m, _ := written.(map[string]any)
	values := Values{}
	for name, v := range m {
		if x, ok := get(asObject(v), "value"); ok {
			values[name] = x
		}
	}
	return values
}

func asObject(v any) map[string]any { m, _ := v.(map[string]any); return m }

// bind gives every parameter its value: the given one or its default. missing and undefined are what an assignment got wrong.
func bind(parameters []Parameter, given Values, policy string) (bound Values, missing, undefined []string, err *azure.Error) {
	bound = Values{}
	for i := range parameters {
		p := &parameters[i]
		v, ok := given.find(p.Name)
		switch {
		case ok && v != nil:
			if err := p.check(v, policy); err != nil {
				return nil, nil, nil, err
			}
			bound[p.Name] = v
		case p.Default != nil:
			bound[p.Name] = p.Default
		default:
			missing = append(missing, p.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.ContainsFunc(parameters, func(p Parameter) bool { return strings.EqualFold(p.Name, name) }) {
			undefined = append(undefined, name)
		}
	}
	return bound, missing, undefined, nil
}
