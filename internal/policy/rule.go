package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/template"
)

// Limits of a rule (Microsoft Learn: policy rule limits).
const (
	maxConditions   = 4096
	maxExistence    = 128
	maxFunctions    = 2048
	maxArguments    = 128
	maxNested       = 64
	maxValueCounts  = 10
	maxValueTurns   = 100 // of a count of values, with those around it
	maxDepth        = 100 // of conditions inside each other; ours
	maxFieldsCounts = 5   // of one array
)

// condition is a part of a rule.
type condition interface {
	test(*evaluation) (Truth, []Evaluated, error)
}

type (
	allOf []condition
	anyOf []condition
	not   struct{ condition }
	// leaf compares a subject with a target.
	leaf struct {
		subject  subject
		operator *operator
		target   operand
	}
)

// subject is what a leaf asks for.
type subject interface {
	compare(*evaluation, *operator, any) (Truth, Evaluated, error)
}

type (
	fieldSubject struct{ name operand }
	valueSubject struct{ value operand }
	countSubject struct {
		field operand // an array alias, or
		value *operand
		name  string // of the current value
		where condition
	}
)

// parser reads a rule. Its methods leave through failf; try catches that.
type parser struct {
	policy      string
	path        []string
	fault       *azure.Error
	parameters  []string // used
	conditions  int
	most        int
	functions   int
	valueCounts int
	fieldCounts map[string]int
	counts      []string // names of the counts around, as current() takes them
}

type parseFault struct{ *azure.Error }

func (p *parser) try(read func()) {
	defer func() {
		switch f := recover().(type) {
		case nil:
		case parseFault:
			p.fault = f.Error
		default:
			panic(f)
		}
	}()
	read()
}

// failf is a fault of the rule's form.
func (p *parser) failf(format string, args ...any) {
	panic(parseFault{azure.InvalidPolicyRule.Format(azure.Fields{"cause": fmt.Sprintf(format, args...) + " Path '" + strings.Join(p.path, ".") + "'."})})
}

// wrong is a fault of an expression.
func (p *parser) wrong(cause string) {
	panic(parseFault{azure.InvalidPolicyExpression.Format(azure.Fields{"policy": p.policy, "cause": cause})})
}

// in reads a part of the rule, whose name is added to the path.
func (p *parser) in(name string, read func()) {
	p.path = append(p.path, name)
	if len(p.path) > 2*maxDepth {
		p.failf("The conditions are nested deeper than '%d' levels.", maxDepth)
	}
	read()
	p.path = p.path[:len(p.path)-1]
}

// noMember is a fault in the words of Azure's reader (Newtonsoft.Json).
func (p *parser) noMember(name, of string) {
	p.in(name, func() { p.failf("Could not find member '%s' on object of type '%s'.", clip(name), of) })
}

func clip(s string) string {
	if len(s) > 200 {
		return strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}

// rule reads if and then. details of data plane modes are another language.
func (p *parser) rule(written map[string]any, resourceManager bool) rule {
	for _, name := range slices.Sorted(maps.Keys(written)) {
		if !strings.EqualFold(name, "if") && !strings.EqualFold(name, "then") {
			p.noMember(name, "PolicyRuleDefinition")
		}
	}
	var r rule
	then := objectAt(written, "then")
	if then == nil {
		p.failf("Required property 'then' not found in JSON.")
	}
	p.in("then", func() {
		for _, name := range slices.Sorted(maps.Keys(then)) {
			if !strings.EqualFold(name, "effect") && !strings.EqualFold(name, "details") {
				p.noMember(name, "PolicyEffectDefinition")
			}
		}
		p.in("effect", func() { r.effect = p.effect(at(then, "effect")) })
	})
	if !resourceManager {
		return r
	}
	p.in("if", func() {
		p.most = maxConditions
		r.when = p.condition(at(written, "if"))
	})
	p.in("then", func() { p.details(&r, at(then, "details")) })
	return r
}

// effect reads the effect, which a parameter may give.
func (p *parser) effect(written any) operand {
	text, ok := written.(string)
	if !ok {
		p.failf("Required property 'effect' not found in JSON.")
	}
	o := p.operand(text)
	if _, expression := o.value.(*template.Expression); !expression && !isEffect(text) {
		p.failf("The policy effect '%s' is not valid.", clip(text))
	}
	return o
}

func isEffect(s string) bool { return slices.Contains(effects, Effect(strings.ToLower(s))) }

// details reads what an effect needs beside the rule: the existence condition, operations, or a deployment, in whose template
// the functions are the template's.
func (p *parser) details(r *rule, written any) {
	r.details = written
	m := asObject(written)
	p.in("details", func() {
		if c, ok := get(m, "existenceCondition"); ok {
			p.conditions, p.most = 0, maxExistence
			p.in("existenceCondition", func() { r.exists = p.condition(c) })
		}
		for _, name := range slices.Sorted(maps.Keys(m)) {
			switch strings.ToLower(name) {
			case "existencecondition":
			case "deployment":
				p.operandOf(at(m[name], "properties.parameters"))
				p.operandOf(at(m[name], "location"))
			default:
				p.in(name, func() { p.operandOf(m[name]) })
			}
		}
		if list, ok := written.([]any); ok {
			p.operandOf(list)
		}
	})
}

func (p *parser) operandOf(v any) { p.operand(v) }

// condition reads an operator over conditions, or a leaf.
func (p *parser) condition(written any) condition {
	m, ok := written.(map[string]any)
	if !ok || len(m) == 0 {
		p.failf("A condition or a logical operator is expected.")
	}
	if p.conditions++; p.conditions > p.most {
		p.failf("The rule has more than '%d' conditions.", p.most)
	}
	if len(m) == 1 {
		for name, v := range m {
			switch strings.ToLower(name) {
			case "allof":
				return allOf(p.list(name, v))
			case "anyof":
				return anyOf(p.list(name, v))
			case "not":
				var c condition
				p.in(name, func() { c = p.condition(v) })
				return not{c}
			}
		}
	}
	return p.leaf(m)
}

func (p *parser) list(name string, written any) []condition {
	list, ok := written.([]any)
	var all []condition
	p.in(name, func() {
		if !ok || len(list) == 0 {
			p.failf("An array of conditions is expected.")
		}
		for i, c := range list {
			p.in("["+strconv.Itoa(i)+"]", func() { all = append(all, p.condition(c)) })
		}
	})
	return all
}

func (p *parser) leaf(m map[string]any) condition {
	l := leaf{}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		op := operatorOf(name)
		switch key := strings.ToLower(name); {
		case op != nil && l.operator != nil:
			p.failf("A condition has one operator, and this one has '%s' and '%s'.", l.operator.name, op.name)
		case op != nil:
			l.operator = op
			p.in(name, func() { l.target = p.target(op, m[name]) })
		case key != "field" && key != "value" && key != "count":
			p.noMember(name, "LeafExpression")
		case l.subject != nil:
			p.failf("A condition has one of 'field', 'value' and 'count'.")
		default:
			p.in(name, func() { l.subject = p.subject(key, m[name]) })
		}
	}
	switch {
	case l.subject == nil:
		p.failf("A condition needs 'field', 'value' or 'count'.")
	case l.operator == nil:
		p.failf("A condition needs an operator, such as 'equals' or 'exists'.")
	}
	return l
}

// target reads what is compared with; its form follows from the operator.
func (p *parser) target(op *operator, written any) operand {
	o := p.operand(written)
	if _, expression := o.value.(*template.Expression); expression {
		return o
	}
	switch _, list := written.([]any); {
	case op.list && !list:
		p.failf("The condition '%s' expects an array.", op.name)
	case !op.list && (list || asObject(written) != nil):
		p.failf("The condition '%s' expects one value.", op.name)
	case op == exists && !isFlag(written):
		p.failf("The condition 'exists' expects 'true' or 'false'.")
	}
	return o
}

func isFlag(v any) bool {
	s, _ := scalar(v)
	return strings.EqualFold(s, "true") || strings.EqualFold(s, "false")
}

func (p *parser) subject(kind string, written any) subject {
	switch kind {
	case "value":
		return valueSubject{p.operand(written)}
	case "count":
		return p.count(written)
	}
	return fieldSubject{p.field(written)}
}

// field reads the name of a field, which may be an expression.
func (p *parser) field(written any) operand {
	name, ok := written.(string)
	if !ok {
		p.failf("The name of a field is expected.")
	}
	o := p.operand(name)
	if s, ok := o.value.(string); ok && !isField(s) {
		p.failf("The field '%s' is not supported. It is none of name, fullName, kind, type, location, id, identity.type and tags, and not the alias of a property.", clip(s))
	} else if ok {
		p.exists(s)
	}
	return o
}

var indexName = regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`)

func (p *parser) count(written any) subject {
	m, ok := written.(map[string]any)
	if !ok {
		p.failf("'count' expects an object with 'field' or 'value'.")
	}
	c := countSubject{name: "default"}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains([]string{"field", "value", "name", "where"}, strings.ToLower(name)) {
			p.noMember(name, "CountExpression")
		}
	}
	value, ofValues := get(m, "value")
	field, ofField := get(m, "field")
	if ofValues == ofField {
		p.failf("'count' expects one of 'field' and 'value'.")
	}
	if ofField {
		p.in("field", func() { c.field, c.name = p.counted(field) })
	} else {
		p.in("value", func() { c.value, c.name = p.countedValue(value, m) })
	}
	if where, ok := get(m, "where"); ok {
		p.counts = append(p.counts, c.name)
		p.in("where", func() { c.where = p.condition(where) })
		p.counts = p.counts[:len(p.counts)-1]
	}
	return c
}

func (p *parser) counted(written any) (operand, string) {
	o := p.field(written)
	name, _ := o.value.(string)
	if !strings.HasSuffix(name, "[*]") {
		p.failf("'%s' is not an array alias: the field of a count ends in [*].", clip(name))
	}
	if p.fieldCounts == nil {
		p.fieldCounts = map[string]int{}
	}
	if p.fieldCounts[strings.ToLower(name)]++; p.fieldCounts[strings.ToLower(name)] > maxFieldsCounts && len(p.counts) > 0 {
		p.failf("More than '%d' counts of '%s' are inside each other.", maxFieldsCounts, clip(name))
	}
	return o, name
}

func (p *parser) countedValue(written any, m map[string]any) (*operand, string) {
	if p.valueCounts++; p.valueCounts > maxValueCounts {
		p.failf("The rule has more than '%d' counts of values.", maxValueCounts)
	}
	o := p.operand(written)
	switch v := o.value.(type) {
	case []any:
		if len(v) > maxValueTurns {
			p.failf("A count of values takes at most '%d'.", maxValueTurns)
		}
	case *template.Expression:
	default:
		p.failf("A count of values expects an array, or the parameter that is one.")
	}
	name := "default"
	if n, ok := get(m, "name"); ok {
		if name, _ = n.(string); !indexName.MatchString(name) {
			p.failf("The name of a count consists of letters and digits.")
		}
	} else if len(p.counts) > 0 {
		p.failf("A count inside of another one needs a name.")
	}
	return &o, name
}

// operand is a value of a rule, in which texts in brackets are expressions.
type operand struct{ value any }

func (p *parser) operand(written any) operand { return operand{p.read(written)} }

func (p *parser) read(written any) any {
	switch v := written.(type) {
	case string:
		return p.text(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = p.read(v[i])
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, x := range v {
			m[k] = p.read(x)
		}
		return m
	}
	return written
}

func (p *parser) text(s string) any {
	x, err := template.ParseExpression(s)
	if err != nil {
		p.wrong(err.Error())
	}
	if x == nil {
		return template.Plain(s)
	}
	for _, c := range x.Calls() {
		p.call(c)
	}
	return x
}

// call checks a function that an expression calls.
func (p *parser) call(c template.Call) {
	name := strings.ToLower(c.Name)
	own, isOwn := ownFunctions[name]
	switch p.functions++; {
	case isRefused(name), !isOwn && (strings.Contains(name, ".") || !template.HasFunction(name)):
		p.wrong(template.NoFunction(c.Name).Error())
	case p.functions > maxFunctions:
		p.wrong(fmt.Sprintf("The policy rule has more than '%d' functions.", maxFunctions))
	case c.Args > maxArguments:
		p.wrong(fmt.Sprintf("The template function '%s' has more than '%d' parameters.", c.Name, maxArguments))
	case c.Depth >= maxNested:
		p.wrong(fmt.Sprintf("The functions are nested deeper than '%d' levels.", maxNested))
	case isOwn && (c.Args < own.least || c.Args > own.most):
		p.wrong(fmt.Sprintf("Unable to evaluate template language function '%s': function requires %d to %d argument(s) while %d were provided.", c.Name, own.least, own.most, c.Args))
	case name == "current":
		p.current(c)
	case name == "parameters" && c.Literal != "":
		p.parameters = append(p.parameters, c.Literal)
	}
}

// current checks that a count around has the name that current() takes.
func (p *parser) current(c template.Call) {
	switch {
	case len(p.counts) == 0:
		p.wrong("The template function 'current' is not expected at this location: it stands in the condition of a count")
	case c.Args == 0 && len(p.counts) > 1:
		p.wrong("The template function 'current' needs the name of a count inside of nested counts")
	case c.Literal != "" && !slices.ContainsFunc(p.counts, func(name string) bool { return isCurrent(c.Literal, name) }):
		p.wrong("The template function 'current' names no count around it: '" + clip(c.Literal) + "'")
	}
}

// isCurrent reports whether an argument of current() means a count: by its name, or by a property of the counted member.
func isCurrent(argument, count string) bool {
	return strings.EqualFold(argument, count) ||
		len(argument) > len(count) && strings.EqualFold(argument[:len(count)], count) && (argument[len(count)] == '.' || argument[len(count)] == '[')
}

// compact prints a value as JSON.
func compact(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte("?")
	}
	return b
}
