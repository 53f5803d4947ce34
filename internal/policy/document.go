package policy

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// modeRule is what a mode may look like; resource providers have modes of their own.
var modeRule = regexp.MustCompile(`(?i)^(all|indexed|microsoft(\.[a-z][a-z0-9]{0,63}){1,5})$`)

// get finds a member without case, as Resource Manager does.
func get(m map[string]any, name string) (any, bool) {
	if v, ok := m[name]; ok {
		return v, true
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if strings.EqualFold(k, name) {
			return m[k], true
		}
	}
	return nil, false
}

// at walks objects by a dotted path.
func at(v any, path string) any {
	for _, key := range strings.Split(path, ".") {
		m, _ := v.(map[string]any)
		v, _ = get(m, key)
	}
	return v
}

func textAt(v any, path string) string { s, _ := at(v, path).(string); return s }

func objectAt(v any, path string) map[string]any { m, _ := at(v, path).(map[string]any); return m }

func listAt(v any, path string) []any { l, _ := at(v, path).([]any); return l }

func textsAt(v any, path string) []string {
	var all []string
	for _, x := range listAt(v, path) {
		if s, ok := x.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

// scalar spells a value as conditions compare it: True and False for booleans; false for arrays and objects. A value that is
// missing is the empty text (Microsoft Learn: field() of a missing property is "").
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case bool:
		if v {
			return "True", true
		}
		return "False", true
	}
	if n, ok := number(v); ok {
		return strconv.FormatFloat(n, 'f', -1, 64), true
	}
	return "", false
}

// number is the value of a JSON number, whatever Go has made of it.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	case float64:
		return v, true
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	}
	return 0, false
}

// same compares values as the conditions equals and in do: without case, scalars by their texts, members in any order.
func same(a, b any) bool {
	switch a := a.(type) {
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, x := range a {
			if y, ok := get(b, k); !ok || !same(x, y) {
				return false
			}
		}
		return true
	}
	s, ok := scalar(a)
	t, other := scalar(b)
	return ok && other && strings.EqualFold(s, t)
}

// typeOf is how messages of Azure Policy call a value's type.
func typeOf(v any) string {
	switch v.(type) {
	case nil:
		return "Null"
	case bool:
		return "Boolean"
	case string:
		return "String"
	case []any:
		return "Array"
	case map[string]any:
		return "Object"
	}
	if n, ok := number(v); ok && n == float64(int64(n)) {
		return "Integer"
	}
	return "Float"
}
