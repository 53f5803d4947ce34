package template

import (
	"slices"
	"strings"
)

// objectFunctions work on objects (Microsoft Learn: object functions).
func objectFunctions() map[string]*function {
	return map[string]*function{
		"createObject": def("any?...", createObject).isLax(),
		"items":        def("object", items).isLax(),
		"objectKeys":   def("object", objectKeys).isLax(),
		"json":         def("string", toJSON),
		"tryGet":       def("any any any?...", tryGet).isLax(),
		"shallowMerge": def("array", shallowMerge).isLax(),
	}
}

func createObject(e *env, a []any) (any, error) {
	if len(a)%2 != 0 {
		return nil, fault("The template language function 'createObject' expects an even number of parameters. Please see https://aka.ms/arm-functions#createObject for usage details.")
	}
	o := newObject()
	for i := 0; i < len(a); i += 2 {
		if _, ok := a[i].(string); !ok && !isUnknown(a[i]) {
			return nil, faultf("The template language function 'createObject' expects its parameter at position '%d' to be of type string. "+
				"The provided value is of type '%s'. Please see https://aka.ms/arm-functions#createObject for usage details.", i, typeName(a[i]))
		}
		o.set(e.run.nameOf(a[i]), a[i+1])
	}
	return o, nil
}

// sorted are the names of the members, in the order of their characters' codes without case.
func sorted(o *object) []string {
	names := slices.Clone(o.names)
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(lower(a), lower(b)) })
	return names
}

func items(e *env, a []any) (any, error) {
	o := a[0].(*object)
	list := []any{}
	for _, name := range sorted(o) {
		v, _ := o.get(name)
		list = append(list, newObject("key", name, "value", v))
	}
	e.run.spend(len(list))
	return list, nil
}

func objectKeys(_ *env, a []any) (any, error) {
	list := []any{}
	for _, name := range sorted(a[0].(*object)) {
		list = append(list, name)
	}
	return list, nil
}

func toJSON(e *env, a []any) (any, error) {
	v, err := e.fromJSON(a[0].(string))
	if err != nil {
		return nil, faultf("The template language function 'json' parameter is not valid. The provided value '%s' cannot be parsed as JSON: %s "+
			"Please see https://aka.ms/arm-functions#json for usage details.", clip(a[0].(string)), err)
	}
	return v, nil
}

// tryGet follows keys and gives null where one is missing. A key can be {"value": n, "fromEnd": true}.
func tryGet(e *env, a []any) (any, error) {
	v := a[0]
	for _, key := range a[1:] {
		var err error
		if v, err = e.try(v, key); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (e *env) try(v, key any) (any, error) {
	if o, ok := key.(*object); ok {
		at, _ := o.get("value")
		if fromEnd, _ := o.get("fromEnd"); fromEnd == true {
			n, isInt := at.(int64)
			if !isInt || isUnknown(v) {
				return nil, errUnknown
			}
			return tryIndexFromEnd(e, []any{v, n})
		}
		key = at
	}
	if v == nil {
		return nil, nil
	}
	got, err := e.access(v, key)
	if _, ok := err.(fault); ok {
		return nil, nil
	}
	return got, err
}

func shallowMerge(e *env, a []any) (any, error) {
	merged := newObject()
	for _, v := range a[0].([]any) {
		switch v := v.(type) {
		case *Unknown:
			return nil, errUnknown
		case *object:
			e.run.spend(len(v.names))
			v.each(func(name string, x any) { merged.set(name, x) })
		default:
			return nil, faultf("The template language function 'shallowMerge' expects its parameter to be an array of objects. The provided value is of type '%s'. "+seeFunctions, typeName(v))
		}
	}
	return merged, nil
}
