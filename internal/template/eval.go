package template

import (
	"strings"
)

const (
	maxCalls = 16_000     // evaluations inside each other, through variables and functions
	maxWork  = 16_000_000 // values visited and bytes made in one evaluation; the largest of 1,100 published templates takes 210,000
	maxCopy  = 800        // turns of a loop; ARM's own limit
)

// spot is a part of a template; not every function may stand everywhere.
type spot uint8

const (
	inDefault  spot = iota // a parameter's default value
	inVariable             // a variable
	inHeader               // what must be known before a resource is deployed: name, condition, location, …
	inBody                 // a resource's properties
	inOutput
	inFunction // a user-defined function
)

// env is where an expression stands.
type env struct {
	*frame        // whose parameters, variables, functions and scope are seen
	home   *frame // that the expression is a part of; another one in a template that is evaluated in the outer scope
	spot   spot
	owner  *Resource // what depends on the resources that are read
	loops  []loop    // innermost last
	locals *local    // lambda variables, innermost first
	args   map[string]any
}

// loop is a copy loop and its current turn; index is an int64, or *Unknown if the number of turns is.
type loop struct {
	name  string
	index any
	inner bool // of a property: copyIndex() means it only by its name
}

type local struct {
	name  string
	value any
	outer *local
}

// lambda is a function as an argument.
type lambda struct {
	env    *env
	params []string
	body   *expr
	source string
}

// run is one evaluation of a deployment with all that it nests.
type run struct {
	*Deployment
	budget    int
	calls     int
	errors    []*Error
	byID      map[string]*Resource
	resources int // declared so far
	templates map[*node]*Template
	own       Functions // of another language than that of templates; nil in a template
}

// exhausted ends an evaluation that takes too much.
type exhausted struct{}

// spend accounts for work: one for each value visited, and the bytes of texts made.
func (r *run) spend(n int) {
	if r.budget -= n; n < 0 || r.budget < 0 {
		panic(exhausted{})
	}
}

// value evaluates a node with all that it holds.
func (e *env) value(n *node) (any, error) {
	e.run.spend(1)
	switch n.kind {
	case stringNode:
		return e.string(n)
	case arrayNode:
		list := make([]any, 0, len(n.items))
		for _, item := range n.items {
			v, err := e.value(item)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case objectNode:
		return e.object(n)
	}
	return n.data(), nil
}

func (e *env) string(n *node) (any, error) {
	switch {
	case n.exprErr != nil:
		return nil, n.exprErr
	case n.escaped:
		return n.text[1:], nil
	case n.expr == nil:
		return n.text, nil
	}
	return e.eval(n.expr)
}

// object evaluates members and their names, and unfolds the loops in a member called copy.
func (e *env) object(n *node) (any, error) {
	o := newObject()
	for _, f := range n.fields {
		if loops := copies(f); loops != nil {
			for _, c := range loops {
				if err := e.copyInto(o, c); err != nil {
					return nil, err
				}
			}
			continue
		}
		name, err := e.string(f.name)
		if err != nil {
			return nil, err
		}
		v, err := e.value(f.value)
		if err != nil {
			return nil, err
		}
		o.set(e.run.nameOf(name), v)
	}
	return o, nil
}

// nameOf is a member's name; what is unknown of it stands as {expression}.
func (r *run) nameOf(v any) string {
	if u, ok := v.(*Unknown); ok {
		return u.hole()
	}
	return r.text(v)
}

// copies are the loops of a member called copy: [{"name", "count", "input"}].
func copies(f field) []*node {
	if f.name.text != "copy" || f.value.kind != arrayNode || len(f.value.items) == 0 {
		return nil
	}
	for _, c := range f.value.items {
		if c.get("name") == nil || c.get("count") == nil || c.get("input") == nil {
			return nil
		}
	}
	return f.value.items
}

// copyInto makes an array of a loop and sets it as a member.
func (e *env) copyInto(o *object, c *node) error {
	name, err := e.value(c.get("name"))
	if err != nil {
		return err
	}
	list, err := e.repeat(c, e.run.nameOf(name))
	if err != nil {
		return err
	}
	o.set(e.run.nameOf(name), list)
	return nil
}

// repeat evaluates the input of a loop once for each turn.
func (e *env) repeat(c *node, name string) (any, error) {
	input := c.get("input")
	if input == nil {
		return nil, invalid(c, "The template 'copy' definition at line '%d' and column '%d' has no input. "+seeCopy, c.line, c.col)
	}
	count, err := e.count(c)
	if err != nil {
		return nil, err
	}
	if u, ok := count.(*Unknown); ok {
		return e.run.newUnknown("copy", []any{u}), nil
	}
	list := make([]any, 0, count.(int64))
	for i := range count.(int64) {
		v, err := e.turn(loop{name, i, name != ""}).value(input)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

func (e *env) turn(l loop) *env {
	sub := *e
	sub.loops = append(e.loops[:len(e.loops):len(e.loops)], l)
	return &sub
}

// count is the number of turns of a loop: an int64 from 0 to 800, or *Unknown.
func (e *env) count(c *node) (any, error) {
	n := c.get("count")
	if n == nil {
		return nil, badCount(c)
	}
	v, err := e.value(n)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case *Unknown:
		return v, nil
	case int64:
		if v >= 0 && v <= maxCopy {
			return v, nil
		}
	}
	return nil, badCount(c)
}

func badCount(c *node) error {
	return invalid(c, "The template 'copy' definition at line '%d' and column '%d' has an invalid copy count. "+
		"The copy count must be a non-negative integer value and cannot exceed '%d'. "+seeCopy, c.line, c.col, maxCopy)
}

// eval evaluates an expression.
func (e *env) eval(x *expr) (any, error) {
	e.run.spend(1)
	if e.run.calls++; e.run.calls > maxCalls {
		return nil, faultf("The language expression is nested deeper than '%d' levels.", maxCalls)
	}
	defer func() { e.run.calls-- }()
	switch x.op {
	case literal:
		return x.value, nil
	case access:
		return e.member(x)
	}
	return e.call(x)
}

func (e *env) member(x *expr) (any, error) {
	base, err := e.eval(x.args[0])
	if err != nil {
		return nil, err
	}
	key, err := e.eval(x.args[1])
	if err != nil {
		return nil, err
	}
	return e.access(base, key)
}

// access is base.key or base[key].
func (e *env) access(base, key any) (any, error) {
	if u, ok := base.(*Unknown); ok {
		return e.property(u, key)
	}
	if k, ok := key.(*Unknown); ok {
		var b strings.Builder
		e.run.write(&b, base)
		u := &Unknown{Expr: cut(b.String() + "[" + k.Expr + "]")}
		e.run.collect(u, []any{base, key})
		return u, nil
	}
	switch base := base.(type) {
	case *object:
		return e.field(base, key)
	case []any:
		i, ok := key.(int64)
		if !ok {
			return nil, faultf("The language expression property '%s' can't be evaluated, property name must be an integer.", e.run.text(key))
		}
		if i < 0 || i >= int64(len(base)) {
			return nil, faultf("The language expression property array index '%d' is out of bounds.", i)
		}
		return base[i], nil
	}
	return nil, faultf("The language expression property '%s' can't be evaluated. Property selection is not supported on values of type '%s'.",
		e.run.text(key), typeName(base))
}

func (e *env) field(o *object, key any) (any, error) {
	name, ok := key.(string)
	if !ok {
		return nil, faultf("The language expression property '%s' can't be evaluated, property name must be a string.", e.run.text(key))
	}
	v, ok := o.get(name)
	if !ok && o.lenient {
		return "", nil
	}
	if !ok {
		return nil, faultf("The language expression property '%s' doesn't exist, available properties are '%s'.", name, clip(strings.Join(o.names, ", ")))
	}
	return v, nil
}

// call evaluates a function.
func (e *env) call(x *expr) (any, error) {
	if v, ok, err := e.callOwn(x); ok {
		return v, err
	}
	if f, ok := special[strings.ToLower(x.name)]; ok {
		return f(e, x)
	}
	if strings.Contains(x.name, ".") {
		return e.callUser(x)
	}
	f := find(x.name)
	if f == nil {
		return nil, faultf("The template function '%s' is not valid. "+seeFunctions, x.name)
	}
	if err := e.allowed(f, x.name); err != nil {
		return nil, err
	}
	args, err := e.arguments(x)
	if err != nil {
		return nil, err
	}
	return e.apply(f, x.name, args)
}

func (e *env) arguments(x *expr) ([]any, error) {
	args := make([]any, len(x.args))
	for i, a := range x.args {
		v, err := e.eval(a)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	return args, nil
}

// apply calls a function, or gives an Unknown where it needs what is unknown.
func (e *env) apply(f *function, name string, args []any) (any, error) {
	if err := f.arity(name, len(args)); err != nil {
		return nil, err
	}
	unknown := false
	for i, a := range args {
		switch k := f.param(i); {
		case f.lax && k == anyKind:
		case f.lax && isUnknown(a), !f.lax && !e.run.known(a):
			unknown = true
		case !k.fits(a):
			return nil, f.mismatch(name, args)
		}
	}
	if !unknown {
		v, err := f.call(e, args)
		if err != errUnknown {
			return v, err
		}
	}
	if v, ok := decided(name, args); ok {
		return v, nil
	}
	u := e.run.newUnknown(name, args)
	if f.text {
		u.Text = e.partly(f, args)
	}
	return u, nil
}

func isUnknown(v any) bool { _, ok := v.(*Unknown); return ok }

// partly is what a function that makes texts gives when unknown arguments stand as {expression}; "" if it cannot.
func (e *env) partly(f *function, args []any) string {
	filled := make([]any, len(args))
	for i, a := range args {
		filled[i] = fill(a)
		if !e.run.known(filled[i]) || !f.param(i).fits(filled[i]) {
			return ""
		}
	}
	v, err := f.call(e, filled)
	text, ok := v.(string)
	if err != nil || !ok || len(text) > maxUnknown {
		return ""
	}
	return text
}

// fill puts a text in the place of an unknown value, also in a list.
func fill(v any) any {
	switch v := v.(type) {
	case *Unknown:
		return v.hole()
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = fill(v[i])
		}
		return list
	}
	return v
}

// apply calls a lambda. What it is given beyond its parameters is left out.
func (l *lambda) apply(args ...any) (any, error) {
	sub := *l.env
	for i, name := range l.params[:min(len(l.params), len(args))] {
		sub.locals = &local{name, args[i], sub.locals}
	}
	return sub.eval(l.body)
}
