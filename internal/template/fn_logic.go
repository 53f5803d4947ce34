package template

import (
	"cmp"
	"encoding/json"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// logicFunctions compare and decide (Microsoft Learn: comparison and logical functions).
func logicFunctions() map[string]*function {
	return map[string]*function{
		"equals":          def("any any", func(e *env, a []any) (any, error) { return e.run.equal(a[0], a[1]), nil }),
		"less":            def("number|string number|string", compare("less", func(c int) bool { return c < 0 })),
		"lessOrEquals":    def("number|string number|string", compare("lessOrEquals", func(c int) bool { return c <= 0 })),
		"greater":         def("number|string number|string", compare("greater", func(c int) bool { return c > 0 })),
		"greaterOrEquals": def("number|string number|string", compare("greaterOrEquals", func(c int) bool { return c >= 0 })),
		"not":             def("bool", func(_ *env, a []any) (any, error) { return !a[0].(bool), nil }),
		"bool":            def("string|int|bool", toBool),
		"true":            def("", func(*env, []any) (any, error) { return true, nil }),
		"false":           def("", func(*env, []any) (any, error) { return false, nil }),
		"null":            def("", func(*env, []any) (any, error) { return nil, nil }),
		"fail":            def("string", func(_ *env, a []any) (any, error) { return nil, fault(a[0].(string)) }),
	}
}

// compare orders numbers by size and strings by their characters' codes.
func compare(name string, want func(int) bool) func(*env, []any) (any, error) {
	return func(_ *env, a []any) (any, error) {
		x, isString := a[0].(string)
		y, other := a[1].(string)
		if isString && other {
			return want(strings.Compare(x, y)), nil
		}
		if isString != other {
			return nil, faultf("The template language function '%s' expects two parameters of matching types. The provided values are of type '%s' and '%s'. "+
				seeFunctions, name, typeName(a[0]), typeName(a[1]))
		}
		f, _ := float(a[0])
		g, _ := float(a[1])
		return want(cmpFloat(f, g)), nil
	}
}

func cmpFloat(f, g float64) int {
	switch {
	case f < g:
		return -1
	case f > g:
		return 1
	}
	return 0
}

func toBool(_ *env, a []any) (any, error) {
	switch v := a[0].(type) {
	case bool:
		return v, nil
	case int64:
		return v != 0, nil
	case string:
		if b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(v))); err == nil && len(v) > 1 {
			return b, nil
		}
	}
	return nil, fault("The template language function 'bool' was invoked with a parameter that is not valid. The value cannot be converted to the target type.")
}

// evalIf evaluates the branch that counts, and both if that is unknown.
func evalIf(e *env, x *expr) (any, error) {
	if err := arityOf("if", 3, 3, x); err != nil {
		return nil, err
	}
	cond, err := e.eval(x.args[0])
	if err != nil {
		return nil, err
	}
	switch cond := cond.(type) {
	case bool:
		if cond {
			return e.eval(x.args[1])
		}
		return e.eval(x.args[2])
	case *Unknown:
		return e.either(cond, x.args[1], x.args[2])
	}
	return nil, faultf("The template language function 'if' expects its first parameter to be of type boolean. The provided value is of type '%s'. "+seeFunctions, typeName(cond))
}

// either is the value of an if with an unknown condition. A branch that cannot be evaluated is none that is taken.
func (e *env) either(cond *Unknown, then, otherwise *expr) (any, error) {
	a, err := e.eval(then)
	b, other := e.eval(otherwise)
	switch {
	case err != nil && other != nil:
		return nil, err
	case err != nil:
		return b, nil
	case other != nil:
		return a, nil
	}
	return e.run.choose(e.run.newUnknown("if", []any{cond, a, b}), a, b), nil
}

func arityOf(name string, least, most int, x *expr) error {
	f := &function{least: least, params: make([]kinds, max(most, least)), rest: most < 0}
	return f.arity(name, len(x.args))
}

func evalAnd(e *env, x *expr) (any, error) { return e.connect("and", false, x) }
func evalOr(e *env, x *expr) (any, error)  { return e.connect("or", true, x) }

// connect evaluates from left to right until one value decides.
func (e *env) connect(name string, decides bool, x *expr) (any, error) {
	if err := arityOf(name, 2, -1, x); err != nil {
		return nil, err
	}
	var open []any
	for _, arg := range x.args {
		v, err := e.eval(arg)
		if err != nil {
			if len(open) > 0 {
				continue // what stands before may decide
			}
			return nil, err
		}
		switch v := v.(type) {
		case bool:
			if v == decides {
				return v, nil
			}
		case *Unknown:
			open = append(open, v)
		default:
			return nil, faultf("The template language function '%s' expects its parameters to be of type boolean. The provided value is of type '%s'. "+seeFunctions, name, typeName(v))
		}
	}
	switch len(open) {
	case 0:
		return !decides, nil
	case 1:
		return open[0], nil
	}
	return e.run.newUnknown(name, open), nil
}

// evalCoalesce is the first value that is not null.
func evalCoalesce(e *env, x *expr) (any, error) {
	if err := arityOf("coalesce", 1, -1, x); err != nil {
		return nil, err
	}
	var open []any
	for _, arg := range x.args {
		v, err := e.eval(arg)
		if err != nil && len(open) > 0 {
			break // what stands before is not null, or the deployment fails
		}
		if err != nil {
			return nil, err
		}
		if v == nil {
			continue
		}
		if open = append(open, v); !isUnknown(v) {
			break
		}
	}
	switch len(open) {
	case 0:
		return nil, nil
	case 1:
		return open[0], nil
	}
	return e.run.choose(e.run.newUnknown("coalesce", open), open...), nil
}

// numberFunctions calculate with integers of 64 bits (Microsoft Learn: numeric functions).
func numberFunctions() map[string]*function {
	return map[string]*function{
		"add":   def("int int", arithmetic("add", add)),
		"sub":   def("int int", arithmetic("sub", sub)),
		"mul":   def("int int", arithmetic("mul", mul)),
		"div":   def("int int", arithmetic("div", div)),
		"mod":   def("int int", arithmetic("mod", mod)),
		"min":   def("any...", extreme("min", -1)),
		"max":   def("any...", extreme("max", 1)),
		"int":   def("string|number", toInt),
		"float": def("string|number", toFloat),
	}
}

func arithmetic(name string, op func(a, b int64) (int64, bool)) func(*env, []any) (any, error) {
	return func(_ *env, args []any) (any, error) {
		a, b := args[0].(int64), args[1].(int64)
		if b == 0 && (name == "div" || name == "mod") {
			return nil, faultf("The template language function '%s' cannot divide by zero. "+seeFunctions, name)
		}
		v, ok := op(a, b)
		if !ok {
			return nil, faultf("The template language function '%s' overflowed with the operants '%d' and '%d'. "+seeFunctions, name, a, b)
		}
		return v, nil
	}
}

func add(a, b int64) (int64, bool) { return a + b, (a+b > a) == (b > 0) }
func sub(a, b int64) (int64, bool) { return a - b, (a-b < a) == (b > 0) }
func mod(a, b int64) (int64, bool) { return a % b, true }
func div(a, b int64) (int64, bool) { return a / b, a != math.MinInt64 || b != -1 }

func mul(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	negative := (a < 0) != (b < 0)
	if hi != 0 || lo > 1<<63 || !negative && lo == 1<<63 {
		return 0, false
	}
	return a * b, true
}

func magnitude(a int64) uint64 {
	if a < 0 {
		return -uint64(a)
	}
	return uint64(a)
}

// extreme is min or max of integers, given one by one or as one array.
func extreme(name string, sign int) func(*env, []any) (any, error) {
	return func(_ *env, a []any) (any, error) {
		if list, ok := a[0].([]any); ok && len(a) == 1 {
			a = list
		}
		var best any
		for _, v := range a {
			n, ok := v.(int64)
			if !ok {
				return nil, faultf("The template language function '%s' expects its parameters to be integers. The provided value is of type '%s'. "+seeFunctions, name, typeName(v))
			}
			if best == nil || sign*cmp.Compare(n, best.(int64)) > 0 {
				best = n
			}
		}
		if best == nil {
			return nil, faultf("The template language function '%s' expects at least one integer. "+seeFunctions, name)
		}
		return best, nil
	}
}

func toInt(e *env, a []any) (any, error) {
	switch v := a[0].(type) {
	case int64:
		return v, nil
	case string:
		if n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
			return n, nil
		}
	}
	return nil, faultf("The template language function 'int' cannot convert provided value '%s' to integer value. Please see https://aka.ms/arm-function-int for usage details.", e.run.text(a[0]))
}

func toFloat(e *env, a []any) (any, error) {
	text := strings.TrimSpace(e.run.text(a[0]))
	if !json.Valid([]byte(text)) {
		return nil, faultf("The template language function 'float' cannot convert provided value '%s' to floating-point value. "+seeFunctions, text)
	}
	return number(text), nil
}
