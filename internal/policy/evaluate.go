package policy

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/template"
)

// maxWork bounds an evaluation: conditions tested and values visited. The largest built-in definitions take some thousand.
const maxWork = 2_000_000

// About is what policy() and utcNow() tell.
type About struct {
	Definition, Set, Assignment azure.ID
	Reference                   string // of the definition in its initiative
	Override                    string // the effect in place of the definition's; "" for none
	Now                         time.Time
}

// Evaluated is a condition that decided, as Azure's evaluation details have it.
type Evaluated struct {
	Result     Truth
	Kind       string // Field, Value or Count
	Expression string // the field, or the expression of the value
	Path       string // of the field in the document
	Missing    bool   // there is no value
	Value      any
	Target     any
	Operator   string // as in NotEquals
	Inner      []Evaluated
}

// MarshalJSON prints it as Azure does in additionalInfo and in policy states.
func (x Evaluated) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Result     string `json:"result"`
		Kind       string `json:"expressionKind"`
		Expression string `json:"expression"`
		Path       string `json:"path,omitempty"`
		Value      any    `json:"expressionValue,omitempty"`
		Target     any    `json:"targetValue,omitempty"`
		Operator   string `json:"operator"`
	}{x.Result.String(), x.Kind, x.Expression, x.Path, x.Value, x.Target, x.Operator})
}

// turn is a member that a count looks at.
type turn struct {
	name  string
	field bool // of a document's array, and not of values
	value any
}

// evaluation is one test of a rule.
type evaluation struct {
	resource *Resource
	values   Values
	about    About
	bound    []within
	turns    []turn
	base     *evaluation // of an existence condition: the evaluation of the resource that if is about
	work     int
	own      template.Functions
}

func newEvaluation(r *Resource, values Values, about About) *evaluation {
	e := &evaluation{resource: r, values: values, about: about}
	e.own = e.functions()
	return e
}

// outer is whose fields field() gives: those of the resource that if is about.
func (e *evaluation) outer() *evaluation {
	if e.base != nil {
		return e.base
	}
	return e
}

func (e *evaluation) spend() error {
	if e.work++; e.work > maxWork {
		return faultf("The evaluation of the policy rule takes more work than is allowed.")
	}
	return nil
}

// value evaluates an operand.
func (e *evaluation) value(o operand) (any, error) {
	switch v := o.value.(type) {
	case *template.Expression:
		if err := e.spend(); err != nil {
			return nil, err
		}
		x, err := v.Evaluate(e.own)
		if err != nil {
			return nil, faultf("The expression '%s' cannot be evaluated: %s", clip(v.String()), err)
		}
		return x, nil
	case []any:
		list := make([]any, len(v))
		for i := range v {
			x, err := e.value(operand{v[i]})
			if err != nil {
				return nil, err
			}
			list[i] = x
		}
		return list, nil
	case map[string]any:
		m := make(map[string]any, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			x, err := e.value(operand{v[k]})
			if err != nil {
				return nil, err
			}
			m[k] = x
		}
		return m, nil
	}
	return o.value, nil
}

// text evaluates an operand that is a text; known is false where it is not known.
func (e *evaluation) text(o operand) (s string, known bool, err error) {
	v, err := e.value(o)
	if err != nil {
		return "", false, err
	}
	if _, ok := v.(*template.Unknown); ok {
		return "", false, nil
	}
	s, ok := v.(string)
	if !ok {
		return "", false, faultf("A string is expected in place of a value of type '%s'.", typeOf(v))
	}
	return s, true, nil
}

func (c allOf) test(e *evaluation) (Truth, []Evaluated, error) {
	return each(e, c, True, func(t Truth) bool { return t == False })
}

func (c anyOf) test(e *evaluation) (Truth, []Evaluated, error) {
	return each(e, c, False, func(t Truth) bool { return t == True })
}

// each tests conditions until one decides. What is told are the conditions that the result rests on.
func each(e *evaluation, list []condition, neutral Truth, decides func(Truth) bool) (Truth, []Evaluated, error) {
	result := neutral
	told := map[Truth][]Evaluated{}
	for _, c := range list {
		t, why, err := c.test(e)
		switch {
		case err != nil:
			return Unknown, nil, err
		case decides(t):
			return t, why, nil
		case t == Unknown:
			result = Unknown
		}
		told[t] = append(told[t], why...)
	}
	if result == Unknown {
		return Unknown, told[Unknown], nil
	}
	return result, told[neutral], nil
}

func (c not) test(e *evaluation) (Truth, []Evaluated, error) {
	t, why, err := c.condition.test(e)
	return -t, why, err
}

func (c leaf) test(e *evaluation) (Truth, []Evaluated, error) {
	if err := e.spend(); err != nil {
		return Unknown, nil, err
	}
	target, err := e.value(c.target)
	if err != nil {
		return Unknown, nil, err
	}
	t, why, err := c.subject.compare(e, c.operator, target)
	why.Result, why.Operator, why.Target = t, c.operator.shown(), target
	if s, ok := scalar(target); ok && c.operator == exists {
		why.Target = strings.ToUpper(s[:min(1, len(s))]) + strings.ToLower(s[min(1, len(s)):])
	}
	return t, []Evaluated{why}, err
}

// compare tests a value that may not be known: then every value that it can have must agree.
func (o *operator) compare(value, target any) (Truth, error) {
	for i, v := range []any{value, target} {
		u, ok := v.(*template.Unknown)
		switch {
		case ok && len(u.Choices) == 0:
			return Unknown, nil
		case ok:
			return o.compareChoices(u.Choices, value, target, i == 0)
		}
	}
	if o != exists && (isPartlyUnknown(value) || isPartlyUnknown(target)) {
		return Unknown, nil
	}
	if o.before && value == nil {
		return False, nil
	}
	ok, err := o.test(value, target)
	return truth(ok != o.not), err
}

func (o *operator) compareChoices(choices []any, value, target any, ofValue bool) (Truth, error) {
	var first Truth
	for i, c := range choices {
		if _, ok := c.(*template.Unknown); ok {
			return Unknown, nil
		}
		if ofValue {
			value = c
		} else {
			target = c
		}
		t, err := o.compare(value, target)
		if err != nil || i > 0 && t != first {
			return Unknown, nil
		}
		first = t
	}
	return first, nil
}

// isPartlyUnknown reports whether an array or object has a value that is not known. Of an object, whose members are counted
// by their names, that is no matter for containsKey; it is rare enough to be Unknown all the same.
func isPartlyUnknown(v any) bool {
	switch v := v.(type) {
	case *template.Unknown:
		return true
	case []any:
		return slices.ContainsFunc(v, isPartlyUnknown)
	case map[string]any:
		for _, x := range v {
			if isPartlyUnknown(x) {
				return true
			}
		}
	}
	return false
}

func (f fieldSubject) compare(e *evaluation, o *operator, target any) (Truth, Evaluated, error) {
	why := Evaluated{Kind: "Field"}
	name, known, err := e.text(f.name)
	if x, ok := f.name.value.(*template.Expression); ok {
		why.Expression = x.String()
	}
	if err != nil || !known {
		return Unknown, why, err
	}
	if why.Expression = name; !isField(name) {
		return Unknown, why, faultf("The field '%s' is not supported.", clip(name))
	}
	s, err := e.resolve(name)
	if err != nil {
		return Unknown, why, err
	}
	why.Path = s.path
	if strings.EqualFold(name, "location") {
		s.values, target = normal(s.values).([]any), normal(target)
	}
	return s.all(o, target, why)
}

// normal spells locations as Resource Manager does: "East US 2" is eastus2.
func normal(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ToLower(strings.ReplaceAll(v, " ", ""))
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = normal(v[i])
		}
		return list
	}
	return v
}

// all tests the values that a field selects: each must fulfil the condition. Of an empty collection every one does.
func (s selection) all(o *operator, target any, why Evaluated) (Truth, Evaluated, error) {
	result := True
	var decided []any
	for _, v := range s.values {
		t, err := o.compare(v, target)
		if err != nil {
			return Unknown, why, err
		}
		if t < result {
			result, decided = t, nil
		}
		if t == result {
			decided = append(decided, v)
		}
	}
	switch {
	case len(decided) == 1 && (!s.collection || len(s.values) == 1 || result != True):
		why.Value, why.Missing = decided[0], decided[0] == nil
	case len(decided) == 0:
		why.Missing = true
	default:
		why.Value = decided
	}
	return result, why, nil
}

func (s valueSubject) compare(e *evaluation, o *operator, target any) (Truth, Evaluated, error) {
	why := Evaluated{Kind: "Value"}
	if x, ok := s.value.value.(*template.Expression); ok {
		why.Expression = x.String()
	} else {
		why.Expression = spell(s.value.value)
	}
	v, err := e.value(s.value)
	if err != nil {
		return Unknown, why, err
	}
	why.Value, why.Missing = v, v == nil
	t, err := o.compare(v, target)
	return t, why, err
}

func (s countSubject) compare(e *evaluation, o *operator, target any) (Truth, Evaluated, error) {
	why := Evaluated{Kind: "Count", Expression: s.name}
	if s.value != nil {
		why.Expression = spell(s.value.value)
		if x, ok := s.value.value.(*template.Expression); ok {
			why.Expression = x.String()
		}
	}
	var counted, open int
	var err error
	known := true
	if s.value != nil {
		counted, open, known, err = s.countValues(e, &why)
	} else {
		counted, open, known, err = s.countMembers(e, &why)
	}
	if err != nil || !known {
		return Unknown, why, err
	}
	why.Value = counted
	var first Truth
	for n := counted; n <= counted+open; n++ { // whatever the members come to that are not known
		t, err := o.compare(n, target)
		if err != nil {
			return Unknown, why, err
		}
		if n > counted && t != first {
			why.Value = notKnown("count(" + s.name + ")")
			return Unknown, why, nil
		}
		first = t
	}
	return first, why, nil
}

func (s countSubject) countMembers(e *evaluation, why *Evaluated) (counted, open int, known bool, err error) {
	name, known, err := e.text(s.field)
	if err != nil || !known {
		return 0, 0, false, err
	}
	places, known, err := e.counted(name)
	if err != nil {
		return 0, 0, false, err
	}
	if sel, err := e.resolve(name); err == nil {
		why.Path = sel.path
	}
	bound := e.bound
	for _, place := range places {
		e.bound = slices.Concat(place, bound)
		t, err := s.turn(e, turn{name: name, field: true}, why)
		if err != nil {
			e.bound = bound
			return 0, 0, false, err
		}
		counted, open = tally(t, counted, open)
	}
	e.bound = bound
	return counted, open, known, nil
}

func (s countSubject) countValues(e *evaluation, why *Evaluated) (counted, open int, known bool, err error) {
	v, err := e.value(*s.value)
	if err != nil {
		return 0, 0, false, err
	}
	if _, ok := v.(*template.Unknown); ok {
		return 0, 0, false, nil
	}
	list, ok := v.([]any)
	if !ok || len(list) > maxValueTurns {
		return 0, 0, false, faultf("A count of values expects an array of at most %d members.", maxValueTurns)
	}
	for _, x := range list {
		t, err := s.turn(e, turn{name: s.name, value: x}, why)
		if err != nil {
			return 0, 0, false, err
		}
		counted, open = tally(t, counted, open)
	}
	return counted, open, true, nil
}

func tally(t Truth, counted, open int) (int, int) {
	switch t {
	case True:
		counted++
	case Unknown:
		open++
	}
	return counted, open
}

// turn tests the condition of a count for one member.
func (s countSubject) turn(e *evaluation, t turn, why *Evaluated) (Truth, error) {
	if err := e.spend(); err != nil {
		return Unknown, err
	}
	if s.where == nil {
		return True, nil
	}
	e.turns = append(e.turns, t)
	result, inner, err := s.where.test(e)
	e.turns = e.turns[:len(e.turns)-1]
	if result != False {
		why.Inner = append(why.Inner, inner...)
	}
	return result, err
}
