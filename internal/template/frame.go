package template

import (
	"slices"
	"strings"
)

// state is how far a value or a resource is evaluated.
type state uint8

const (
	pending state = iota
	busy
	done
)

// slot is a parameter or a variable, evaluated when it is first asked for.
type slot struct {
	name  string
	state state
	value any
	err   error
}

// frame is one deployment: a template in a scope.
type frame struct {
	run        *run
	template   *Template
	name       any // of the deployment: a string or *Unknown
	at         target
	outer      *env      // of the expressions of a template that is evaluated in the outer scope; nil otherwise
	owner      *Resource // the nested deployment; nil at the top
	given      values
	parameters map[string]*slot
	variables  map[string]*slot
	resources  []*Resource // in the order of the text, loops unfolded
	byID       map[string]*Resource
	bySymbol   map[string][]*Resource // also by copy loop
	open       map[string]*Resource   // by copy loop whose number of turns is unknown
	broken     bool                   // a resource could not be declared, so others may miss it
	outputs    *object
	result     *Result
}

func (r *run) newFrame(t *Template, name any, at target) *frame {
	f := &frame{run: r, template: t, name: name, at: at, parameters: map[string]*slot{}, variables: map[string]*slot{},
		byID: map[string]*Resource{}, bySymbol: map[string][]*Resource{}, open: map[string]*Resource{}, outputs: newObject(), result: &Result{}}
	f.result.Scope, _ = parseID(at.spell())
	return f
}

// env is where the template's own expressions stand.
func (f *frame) env(s spot) *env {
	e := env{frame: f}
	if f.outer != nil {
		e = *f.outer
	}
	e.spot, e.home = s, f
	return &e
}

func (f *frame) fail(err *Error) { f.run.errors = append(f.run.errors, err) }

// values are given to parameters, by name.
type values map[string]any

// find finds a value without case.
func (v values) find(name string) (any, bool) {
	if x, ok := v[name]; ok {
		return x, true
	}
	for n, x := range v {
		if lower(n) == lower(name) {
			return x, true
		}
	}
	return nil, false
}

// evaluate works through a template with the values given to its parameters.
func (f *frame) evaluate(given values) {
	f.given = given
	if f.outer == nil {
		f.checkNames()
		for _, p := range f.template.parameters {
			f.evaluateParameter(p)
		}
	}
	f.declare()
	for _, r := range f.resources {
		f.resolve(r)
	}
	for _, o := range f.template.outputs {
		f.evaluateOutput(o)
	}
	f.result.Resources = f.order()
}

// checkNames refuses values for parameters that the template does not have.
func (f *frame) checkNames() {
	var have, extra []string
	known := map[string]bool{}
	for _, p := range f.template.parameters {
		known[lower(p.name)] = true
		have = append(have, p.name)
	}
	for name := range f.given {
		if !known[lower(name)] {
			extra = append(extra, name)
		}
	}
	if len(extra) == 0 {
		return
	}
	slices.Sort(extra)
	f.fail(invalid(f.template.root.get("parameters"), "The template parameters '%s' in the parameters file are not valid; they are not present in the original template "+
		"and can therefore not be provided at deployment time. The only supported parameters for this template are '%s'. "+
		"Please see https://aka.ms/arm-pass-parameter-values for usage details.", clip(strings.Join(extra, ", ")), clip(strings.Join(have, ", "))))
}

// evaluateParameter notes a parameter's value, or what is wrong with it.
func (f *frame) evaluateParameter(p *declaration) {
	s := f.parameter(p)
	if s.err != nil {
		f.fail(place(s.err, p.node, "The template parameter '%s'", p.name))
		return
	}
	t := f.typeOf(p.node)
	v := Value{Name: p.name, Type: t.title()}
	if !t.secure() {
		v.Value = f.run.plain(s.value)
	}
	f.result.Parameters = append(f.result.Parameters, v)
}

func (f *frame) parameter(p *declaration) *slot {
	key := lower(p.name)
	s := f.parameters[key]
	if s == nil {
		s = &slot{name: p.name}
		f.parameters[key] = s
	}
	s.once(func() (any, error) { return f.supply(p) })
	return s
}

// once evaluates a slot; one that needs itself is an error.
func (s *slot) once(evaluate func() (any, error)) {
	switch s.state {
	case pending:
		s.state = busy
		s.value, s.err = evaluate()
		s.state = done
	case busy:
		s.err = faultf("Circular dependency detected: '%s' is defined by itself. "+seeTemplate, s.name)
	}
}

// supply is a parameter's value: the one given, or its default.
func (f *frame) supply(p *declaration) (any, error) {
	v, ok := f.given.find(p.name)
	standard := p.node.get("defaultValue")
	nullable := f.typeOf(p.node).nullable()
	switch {
	case v == nil && (ok || standard != nil) && (standard == nil || standard.kind == nullNode) && !nullable && f.run.Partial && f.owner == nil: // left to the pipeline, as secrets are
		return unsaid(p), nil
	case ok && (v != nil || standard == nil):
	case standard != nil:
		var err error
		if v, err = f.env(inDefault).value(standard); err != nil {
			return nil, err
		}
	case nullable:
		return nil, nil
	case f.run.Partial && f.owner == nil:
		return unsaid(p), nil
	default:
		return nil, invalid(p.node, "The value for the template parameter '%s' at line '%d' and column '%d' is not provided. "+seeFile, p.name, p.node.line, p.node.col)
	}
	return v, f.validate(p, v)
}

// unsaid is the value of a parameter that has none.
func unsaid(p *declaration) *Unknown {
	expr := "parameters(" + quoteText(p.name) + ")"
	return &Unknown{Expr: expr, Text: hole(expr)}
}

func evalParameters(e *env, x *expr) (any, error) {
	name, err := e.name("parameters", x)
	if err != nil {
		return nil, err
	}
	if e.args != nil {
		if v, ok := e.args[lower(name)]; ok {
			return v, nil
		}
		return nil, faultf("The template parameter '%s' is not found. "+seeParameters, name)
	}
	for _, p := range e.template.parameters {
		if lower(p.name) == lower(name) {
			s := e.parameter(p)
			return s.value, s.err
		}
	}
	return nil, faultf("The template parameter '%s' is not found. "+seeParameters, name)
}

// name is the argument of a function that takes one name.
func (e *env) name(function string, x *expr) (string, error) {
	if err := arityOf(function, 1, 1, x); err != nil {
		return "", err
	}
	v, err := e.eval(x.args[0])
	if err != nil {
		return "", err
	}
	name, ok := v.(string)
	if !ok {
		return "", faultf("The template language function '%s' expects its parameter to be a string. The provided value is of type '%s'. "+seeFunctions, function, typeName(v))
	}
	return name, nil
}

func evalVariables(e *env, x *expr) (any, error) {
	name, err := e.name("variables", x)
	if err != nil {
		return nil, err
	}
	if e.args != nil {
		return nil, fault("The template function 'variables' is not expected at this location. " + seeFunctions)
	}
	s := e.variable(name)
	return s.value, s.err
}

// variable evaluates a variable, which may also be a loop in the member copy of the variables.
func (f *frame) variable(name string) *slot {
	key := lower(name)
	s := f.variables[key]
	if s == nil {
		s = &slot{name: name}
		f.variables[key] = s
	}
	s.once(func() (any, error) {
		v, err := f.variableValue(name)
		if err != nil {
			return nil, place(err, f.template.variables.get(name), "The template variable '%s'", name)
		}
		return v, nil
	})
	return s
}

func (f *frame) variableValue(name string) (any, error) {
	variables := f.template.variables
	if variables != nil {
		for _, m := range variables.fields {
			if lower(m.name.text) == lower(name) && copies(m) == nil {
				return f.env(inVariable).value(m.value)
			}
		}
		for _, c := range loopsOf(variables) {
			if lower(c.get("name").str()) == lower(name) {
				return f.env(inVariable).repeat(c, name)
			}
		}
	}
	return nil, invalid(variables, "The template variable '%s' is not found. "+seeVariables, name)
}

// loopsOf are the loops among an object's members.
func loopsOf(n *node) []*node {
	for _, m := range n.fields {
		if loops := copies(m); loops != nil {
			return loops
		}
	}
	return nil
}

// callUser evaluates a user-defined function, which sees nothing but its parameters.
func (e *env) callUser(x *expr) (any, error) {
	f := e.template.functions[lower(x.name)]
	if f == nil {
		if space, name, ok := strings.Cut(lower(x.name), "."); ok && space == "sys" || space == "az" {
			return e.call(&expr{op: call, name: name, args: x.args, text: x.text}) // Bicep's own name spaces
		}
		return nil, faultf("The template function '%s' is not valid. "+seeFunctions, x.name)
	}
	if err := arityOf(x.name, len(f.parameters), len(f.parameters), x); err != nil {
		return nil, err
	}
	args, err := e.arguments(x)
	if err != nil {
		return nil, err
	}
	inner := &env{frame: e.frame, home: e.home, spot: inFunction, args: map[string]any{}}
	for i, p := range f.parameters {
		if err := e.validate(p, args[i]); err != nil {
			return nil, err
		}
		inner.args[lower(p.name)] = args[i]
	}
	return inner.value(f.value)
}

func evalCopyIndex(e *env, x *expr) (any, error) {
	if err := arityOf("copyIndex", 0, 2, x); err != nil {
		return nil, err
	}
	args, err := e.arguments(x)
	if err != nil {
		return nil, err
	}
	name, offset := "", int64(0)
	for _, a := range args {
		switch a := a.(type) {
		case string:
			name = a
		case int64:
			offset = a
		}
	}
	l, ok := e.loop(name)
	if !ok {
		return nil, fault("The template function 'copyIndex' is not expected at this location. The function can only be used in a resource with copy specified. " + seeCopy)
	}
	if n, ok := l.index.(int64); ok {
		return n + offset, nil
	}
	return e.run.newUnknown("copyIndex", []any{l.name}), nil
}

// loop is the innermost loop with a name; without one, that of the resource or output.
func (e *env) loop(name string) (loop, bool) {
	for i := len(e.loops) - 1; i >= 0; i-- {
		if l := e.loops[i]; name != "" && lower(l.name) == lower(name) || name == "" && (!l.inner || i == 0) {
			return l, true
		}
	}
	return loop{}, false
}

// evaluateOutput notes an output's value, or what is wrong with it.
func (f *frame) evaluateOutput(o *declaration) {
	v, condition, err := f.output(o)
	if err != nil {
		f.fail(outputFault(err, o))
		return
	}
	if condition == false {
		return
	}
	f.outputs.set(o.name, v)
	f.result.Outputs = append(f.result.Outputs, Value{Name: o.name, Type: f.typeOf(o.node).title(), Value: f.run.plain(v)})
}

func outputFault(err error, o *declaration) *Error {
	if _, ok := err.(*Error); ok {
		return place(err, o.node, "")
	}
	e := &Error{Code: codeOutput, Message: "The template output '" + o.name + "' is not valid: " + err.Error() + "."}
	return e.at(o.node)
}

func (f *frame) output(o *declaration) (v, condition any, err error) {
	e := f.env(inOutput)
	condition = true
	if n := o.node.get("condition"); n != nil {
		if condition, err = e.value(n); err != nil || condition == false {
			return nil, condition, err
		}
	}
	switch loop, value := o.node.get("copy"), o.node.get("value"); {
	case isObject(loop):
		v, err = e.repeat(loop, "")
	case value != nil:
		v, err = e.value(value)
	default:
		err = fault("it has no value")
	}
	if err == nil {
		if u, ok := condition.(*Unknown); ok {
			v = f.run.choose(f.run.newUnknown("if", []any{u, v, nil}), v, nil)
		}
	}
	return v, condition, err
}
