package template

import (
	"slices"
)

// lambdaFunctions apply expressions to the parts of arrays and objects (Microsoft Learn: lambda functions).
func lambdaFunctions() map[string]*function {
	return map[string]*function{
		"map":       def("array lambda", mapArray).isLax(),
		"filter":    def("array lambda", filterArray).isLax(),
		"reduce":    def("array any lambda", reduceArray).isLax(),
		"sort":      def("array lambda", sortArray).isLax(),
		"toObject":  def("array lambda lambda?", toObject).isLax(),
		"groupBy":   def("array lambda lambda?", groupBy).isLax(),
		"mapValues": def("object lambda", mapValues).isLax(),
	}
}

// evalLambda makes a function of lambda('x', …, expression).
func evalLambda(e *env, x *expr) (any, error) {
	if len(x.args) < 1 {
		return nil, arityOf("lambda", 1, -1, x)
	}
	l := &lambda{env: e, body: x.args[len(x.args)-1], source: x.text}
	for _, p := range x.args[:len(x.args)-1] {
		name, ok := p.value.(string)
		if p.op != literal || !ok {
			return nil, fault("The template language function 'lambda' expects the names of its variables to be string literals. " + seeFunctions)
		}
		l.params = append(l.params, name)
	}
	return l, nil
}

func evalLambdaVariables(e *env, x *expr) (any, error) {
	name, err := e.name("lambdaVariables", x)
	if err != nil {
		return nil, err
	}
	for l := e.locals; l != nil; l = l.outer {
		if lower(l.name) == lower(name) {
			return l.value, nil
		}
	}
	return nil, faultf("The lambda variable '%s' is not found. "+seeFunctions, name)
}

func mapArray(_ *env, a []any) (any, error) {
	out := []any{}
	for i, v := range a[0].([]any) {
		w, err := a[1].(*lambda).apply(v, int64(i))
		if err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	return out, nil
}

func filterArray(_ *env, a []any) (any, error) {
	out := []any{}
	for i, v := range a[0].([]any) {
		keep, err := a[1].(*lambda).test("filter", v, int64(i))
		if err != nil {
			return nil, err
		}
		if keep {
			out = append(out, v)
		}
	}
	return out, nil
}

// test is a lambda's answer where it must be true or false.
func (l *lambda) test(name string, args ...any) (bool, error) {
	v, err := l.apply(args...)
	if err != nil {
		return false, err
	}
	switch v := v.(type) {
	case bool:
		return v, nil
	case *Unknown:
		return false, errUnknown
	}
	return false, faultf("The template language function '%s' expects its lambda to give a boolean. The provided value is of type '%s'. "+seeFunctions, name, typeName(v))
}

func reduceArray(_ *env, a []any) (any, error) {
	v := a[1]
	for i, next := range a[0].([]any) {
		var err error
		if v, err = a[2].(*lambda).apply(v, next, int64(i)); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// sortArray puts a before b where the lambda says so of them.
func sortArray(_ *env, a []any) (any, error) {
	list, l := slices.Clone(a[0].([]any)), a[1].(*lambda)
	var failed error
	before := func(x, y any) bool {
		if failed != nil {
			return false
		}
		var yes bool
		yes, failed = l.test("sort", x, y)
		return yes
	}
	slices.SortStableFunc(list, func(x, y any) int {
		switch {
		case before(x, y):
			return -1
		case before(y, x):
			return 1
		}
		return 0
	})
	return list, failed
}

// keyed calls add with each element's key, and what the second lambda makes of the element.
func keyed(name string, a []any, add func(key string, v any)) error {
	for _, v := range a[0].([]any) {
		key, err := a[1].(*lambda).apply(v)
		if err != nil {
			return err
		}
		text, ok := key.(string)
		switch {
		case isUnknown(key):
			return errUnknown
		case !ok:
			return faultf("The template language function '%s' expects its lambda to give a string. The provided value is of type '%s'. "+seeFunctions, name, typeName(key))
		}
		if len(a) > 2 {
			if v, err = a[2].(*lambda).apply(v); err != nil {
				return err
			}
		}
		add(text, v)
	}
	return nil
}

func toObject(_ *env, a []any) (any, error) {
	o := newObject()
	err := keyed("toObject", a, o.set)
	return o, err
}

func groupBy(_ *env, a []any) (any, error) {
	o := newObject()
	err := keyed("groupBy", a, func(key string, v any) {
		group, _ := o.get(key)
		list, _ := group.([]any)
		o.set(key, append(list, v))
	})
	return o, err
}

func mapValues(_ *env, a []any) (any, error) {
	from, o := a[0].(*object), newObject()
	for _, name := range from.names {
		v, _ := from.get(name)
		w, err := a[1].(*lambda).apply(v)
		if err != nil {
			return nil, err
		}
		o.set(name, w)
	}
	return o, nil
}
