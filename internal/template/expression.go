package template

import (
	"strings"
)

// maxExpressionWork bounds the work of one expression, of which a policy rule has many; the largest of Azure's take some hundred.
const maxExpressionWork = 500_000

// Expression is an expression that stands outside of a template, as in a policy rule.
type Expression struct {
	text string
	expr *expr
}

// ParseExpression reads a text in brackets. It gives nil for a text that is no expression, which then stands for Plain(text).
func ParseExpression(text string) (*Expression, error) {
	n := &node{kind: stringNode, text: text}
	n.readExpression()
	if n.exprErr != nil || n.expr == nil {
		return nil, n.exprErr
	}
	return &Expression{text: text, expr: n.expr}, nil
}

// Plain is what a text stands for that is no expression: [[ at its beginning is a bracket.
func Plain(text string) string {
	n := &node{kind: stringNode, text: text}
	if n.readExpression(); n.escaped {
		return text[1:]
	}
	return text
}

// String is the expression as it was written, with its brackets.
func (x *Expression) String() string { return x.text }

// Call is a function that an expression calls.
type Call struct {
	Name    string // as written
	Literal string // the first argument, where that is a text; "" otherwise
	Args    int
	Depth   int // of calls around it
}

// Calls are the functions that the expression calls, in the order of the text.
func (x *Expression) Calls() []Call { return x.expr.calls(nil, 0) }

func (x *expr) calls(all []Call, depth int) []Call {
	if x.op == call {
		c := Call{Name: x.name, Args: len(x.args), Depth: depth}
		if len(x.args) > 0 && x.args[0].op == literal {
			c.Literal, _ = x.args[0].value.(string)
		}
		all, depth = append(all, c), depth+1
	}
	for _, a := range x.args {
		all = a.calls(all, depth)
	}
	return all
}

// Functions are what a language that uses template expressions calls beside ARM's functions, or in their place, by their
// lower-cased names. Arguments and results are plain data: nil, bool, numbers, string, []any, map[string]any and *Unknown.
type Functions map[string]func(args []any) (any, error)

// Lenient is an object, as a result of Functions, of which a member that is missing is the empty text and no fault.
type Lenient map[string]any

// NoFunction in Functions is a function that the language does not have.
func NoFunction(name string) error {
	return faultf("The template function '%s' is not valid. "+seeFunctions, name)
}

// Evaluate gives the expression's value as plain data, whose numbers are json.Number; *Unknown where it depends on one.
func (x *Expression) Evaluate(own Functions) (value any, err error) {
	r := &run{Deployment: &Deployment{Template: &Template{root: &node{kind: objectNode}, level: groupLevel}}, budget: maxExpressionWork, own: own}
	defer func() {
		switch p := recover().(type) {
		case nil:
		case exhausted:
			value, err = nil, fault("The evaluation of the expression takes more work than is allowed. "+seeFunctions)
		default:
			panic(p)
		}
	}()
	e := r.outermost().env(inBody)
	v, err := e.eval(x.expr)
	if err != nil {
		return nil, err
	}
	if _, ok := v.(*lambda); ok {
		return nil, faultf("The template function '%s' is not expected at this location. "+seeFunctions, "lambda")
	}
	return r.plain(v), nil
}

// callOwn calls a function of the language that the expression stands in; false if it has none of that name.
func (e *env) callOwn(x *expr) (any, bool, error) {
	f, ok := e.run.own[strings.ToLower(x.name)]
	if !ok {
		return nil, false, nil
	}
	args, err := e.arguments(x)
	if err != nil {
		return nil, true, err
	}
	for i, a := range args {
		if _, ok := a.(*lambda); ok {
			return nil, true, faultf("The template language function '%s' does not take a lambda. "+seeFunctions, x.name)
		}
		args[i] = e.run.plain(a)
	}
	v, err := f(args)
	return fromPlain(v), true, err
}

// HasFunction reports whether ARM has a function of that name, whatever its case.
func HasFunction(name string) bool {
	_, ok := special[strings.ToLower(name)]
	return ok || find(name) != nil
}
