package template

import (
	"slices"
	"strings"
)

// arrayFunctions work on arrays, and on what else has parts (Microsoft Learn: array functions).
func arrayFunctions() map[string]*function {
	container := "array|object|string"
	return map[string]*function{
		"array":           def("any", toArray).isLax(),
		"createArray":     def("any?...", func(_ *env, a []any) (any, error) { return a, nil }).isLax(),
		"concat":          def("any?...", concat).makesText().isLax(),
		"contains":        def(container+" any", contains).isLax(),
		"empty":           def(container+"|null", func(_ *env, a []any) (any, error) { return size(a[0]) == 0, nil }).isLax(),
		"length":          def(container, func(_ *env, a []any) (any, error) { return int64(size(a[0])), nil }).isLax(),
		"first":           def("array|string", end(func(int) int { return 0 })).isLax(),
		"last":            def("array|string", end(func(n int) int { return n - 1 })).isLax(),
		"skip":            def("array|string int", part(func(n, size int) (int, int) { return n, size })).isLax(),
		"take":            def("array|string int", part(func(n, size int) (int, int) { return 0, n })).isLax(),
		"range":           def("int int", makeRange),
		"flatten":         def("array", flatten).isLax(),
		"distinct":        def("array", func(e *env, a []any) (any, error) { return union(e, a) }),
		"union":           def("array|object array|object...", union).isLax(),
		"intersection":    def("array|object array|object...", intersection),
		"indexOf":         def("array|string any", indexOf(strings.Index, 0)),
		"lastIndexOf":     def("array|string any", indexOf(strings.LastIndex, 1)),
		"indexFromEnd":    def("array int", indexFromEnd).isLax(),
		"tryIndexFromEnd": def("array|null int", tryIndexFromEnd).isLax(),
	}
}

func toArray(_ *env, a []any) (any, error) {
	if list, ok := a[0].([]any); ok {
		return list, nil
	}
	if isUnknown(a[0]) {
		return nil, errUnknown
	}
	return []any{a[0]}, nil
}

// concat joins arrays, or the texts of anything else.
func concat(e *env, a []any) (any, error) {
	if slices.ContainsFunc(a, isUnknown) {
		return nil, errUnknown
	}
	if len(a) > 0 {
		if _, ok := a[0].([]any); ok {
			return e.concatArrays(a)
		}
	}
	var b strings.Builder
	for _, v := range a {
		switch v.(type) {
		case []any, *object:
			return nil, faultf("The template language function 'concat' expects all of its parameters to be of the same kind: arrays, or strings. "+
				"The provided value is of type '%s'. Please see https://aka.ms/arm-functions#concat for usage details.", typeName(v))
		}
		b.WriteString(e.made(e.run.text(v)))
	}
	return b.String(), nil
}

func (e *env) concatArrays(a []any) (any, error) {
	var all []any
	for _, v := range a {
		list, ok := v.([]any)
		if !ok {
			return nil, faultf("The template language function 'concat' expects all of its parameters to be of the same kind: arrays, or strings. "+
				"The provided value is of type '%s'. Please see https://aka.ms/arm-functions#concat for usage details.", typeName(v))
		}
		e.run.spend(len(list))
		all = append(all, list...)
	}
	return all, nil
}

func contains(e *env, a []any) (any, error) {
	if isUnknown(a[1]) {
		return nil, errUnknown
	}
	switch c := a[0].(type) {
	case *object:
		_, ok := c.get(e.run.text(a[1]))
		return ok, nil
	case string:
		return strings.Contains(c, e.run.text(a[1])), nil
	}
	list := a[0].([]any)
	if slices.ContainsFunc(list, func(v any) bool { return e.run.equal(v, a[1]) }) {
		return true, nil
	}
	if !e.run.known(list) {
		return nil, errUnknown
	}
	return false, nil
}

func size(v any) int {
	switch v := v.(type) {
	case string:
		return length(v)
	case []any:
		return len(v)
	case *object:
		return len(v.names)
	}
	return 0
}

// end is the first or last part; nothing for an array and "" for a text where there is none.
func end(at func(size int) int) func(*env, []any) (any, error) {
	return func(_ *env, a []any) (any, error) {
		i := at(size(a[0]))
		switch v := a[0].(type) {
		case []any:
			if len(v) > 0 {
				return v[i], nil
			}
		case string:
			if v != "" {
				return slice(v, i, i+1), nil
			}
			return "", nil
		}
		return nil, nil
	}
}

// part is a run of parts; a number beyond the end is the end.
func part(bounds func(n, size int) (int, int)) func(*env, []any) (any, error) {
	return func(e *env, a []any) (any, error) {
		most := size(a[0])
		n := int(min(max(a[1].(int64), 0), int64(most)))
		from, to := bounds(n, most)
		if list, ok := a[0].([]any); ok {
			return list[from:to:to], nil
		}
		return e.made(slice(a[0].(string), from, to)), nil
	}
}

// maxRange is ARM's own limit.
const maxRange = 10_000

func makeRange(e *env, a []any) (any, error) {
	start, n := a[0].(int64), a[1].(int64)
	if n < 0 || n > maxRange || start > 2147483647-n {
		return nil, faultf("The template language function 'range' expects a number of elements from 0 to %d, and a sum with the first of at most 2147483647. "+
			"Please see https://aka.ms/arm-functions#range for usage details.", maxRange)
	}
	e.run.spend(int(n))
	list := make([]any, n)
	for i := range list {
		list[i] = start + int64(i)
	}
	return list, nil
}

func flatten(e *env, a []any) (any, error) {
	all := []any{}
	for _, v := range a[0].([]any) {
		switch v := v.(type) {
		case []any:
			e.run.spend(len(v))
			all = append(all, v...)
		case *Unknown:
			return nil, errUnknown
		default:
			return nil, faultf("The template language function 'flatten' expects its parameter to be an array of arrays. The provided value is of type '%s'. "+seeFunctions, typeName(v))
		}
	}
	return all, nil
}

// sameKind reports whether all arguments are arrays, or all objects.
func sameKind(name string, a []any) error {
	for _, v := range a[1:] {
		if typeName(v) != typeName(a[0]) {
			return faultf("The template language function '%s' expects either a comma separated list of arrays or a comma separated list of objects as its parameters. "+
				"Please see https://aka.ms/arm-functions#%s for usage details.", name, name)
		}
	}
	return nil
}

// union merges objects into each other, and puts the elements of arrays together once each.
func union(e *env, a []any) (any, error) {
	if err := sameKind("union", a); err != nil {
		return nil, err
	}
	if first, ok := a[0].(*object); ok {
		merged := any(first)
		for _, v := range a[1:] {
			merged = e.merge(merged, v)
		}
		return merged, nil
	}
	if !e.run.known(a) {
		return nil, errUnknown
	}
	all := []any{}
	for _, v := range a {
		for _, x := range v.([]any) {
			if !slices.ContainsFunc(all, func(y any) bool { return e.run.equal(x, y) }) {
				all = append(all, x)
			}
		}
	}
	return all, nil
}

// merge lets b win, and goes on into members that are objects in both. What is unknown may be an object.
func (e *env) merge(a, b any) any {
	e.run.spend(1)
	x, isObject := a.(*object)
	y, other := b.(*object)
	switch {
	case isObject && other:
		o := newObject()
		x.each(func(name string, v any) { o.set(name, v) })
		y.each(func(name string, v any) {
			if old, ok := x.get(name); ok {
				v = e.merge(old, v)
			}
			o.set(name, v)
		})
		return o
	case isUnknown(a) && other, isObject && isUnknown(b):
		return e.run.newUnknown("union", []any{a, b})
	}
	return b
}

// intersection keeps what is in all: elements of arrays, members with equal values of objects.
func intersection(e *env, a []any) (any, error) {
	if err := sameKind("intersection", a); err != nil {
		return nil, err
	}
	if first, ok := a[0].(*object); ok {
		return e.commonMembers(first, a[1:]), nil
	}
	common := []any{}
	for _, x := range a[0].([]any) {
		in := func(list any) bool {
			return slices.ContainsFunc(list.([]any), func(y any) bool { return e.run.equal(x, y) })
		}
		if !in(common) && !slices.ContainsFunc(a[1:], func(list any) bool { return !in(list) }) {
			common = append(common, x)
		}
	}
	return common, nil
}

func (e *env) commonMembers(first *object, others []any) any {
	common := newObject()
	first.each(func(name string, v any) {
		for _, other := range others {
			w, ok := other.(*object).get(name)
			if !ok || !e.run.equal(v, w) {
				return
			}
		}
		common.set(name, v)
	})
	return common
}

// indexOf finds without case in texts, and an equal element in arrays.
func indexOf(find func(s, t string) int, last int) func(*env, []any) (any, error) {
	return func(e *env, a []any) (any, error) {
		if s, ok := a[0].(string); ok {
			t, ok := a[1].(string)
			if !ok {
				return nil, faultf("The template language function 'indexOf' expects its parameters to be of type string and string. "+
					"The provided value is of type 'String' and '%s'. Please see https://aka.ms/arm-functions#indexOf for usage details.", typeName(a[1]))
			}
			s, t = lower(s), lower(t)
			i := find(s, t)
			if i < 0 {
				return int64(-1), nil
			}
			return int64(length(s[:i])), nil
		}
		found := int64(-1)
		for i, v := range a[0].([]any) {
			if (found < 0 || last == 1) && e.run.equal(v, a[1]) {
				found = int64(i)
			}
		}
		return found, nil
	}
}

func indexFromEnd(_ *env, a []any) (any, error) {
	list, n := a[0].([]any), a[1].(int64)
	if n < 1 || n > int64(len(list)) {
		return nil, faultf("The language expression property array index '%d' is out of bounds.", n)
	}
	return list[int64(len(list))-n], nil
}

func tryIndexFromEnd(e *env, a []any) (any, error) {
	if _, ok := a[0].([]any); !ok {
		return nil, nil
	}
	if v, err := indexFromEnd(e, a); err == nil {
		return v, nil
	}
	return nil, nil
}
