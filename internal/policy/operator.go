package policy

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// operator is a condition on a value (Microsoft Learn: conditions).
type operator struct {
	name   string
	not    bool // it is the opposite of test
	list   bool // the target is an array
	before bool // it compares an order: what is missing fulfils none
	test   func(value, target any) (bool, error)
}

// shown is the operator as evaluation details print it.
func (o *operator) shown() string { return strings.ToUpper(o.name[:1]) + o.name[1:] }

// exists is the one operator that asks whether a value is there.
var exists = &operator{name: "exists", test: func(value, target any) (bool, error) {
	wanted, _ := scalar(target)
	return (value != nil) == strings.EqualFold(wanted, "true"), nil
}}

var operators = []*operator{
	exists,
	{name: "equals", test: equals}, {name: "notEquals", not: true, test: equals},
	{name: "like", test: onTexts(like)}, {name: "notLike", not: true, test: onTexts(like)},
	{name: "match", test: onTexts(match)}, {name: "notMatch", not: true, test: onTexts(match)},
	{name: "matchInsensitively", test: onTexts(matchFold)}, {name: "notMatchInsensitively", not: true, test: onTexts(matchFold)},
	{name: "contains", test: contains}, {name: "notContains", not: true, test: contains},
	{name: "in", list: true, test: in}, {name: "notIn", list: true, not: true, test: in},
	{name: "containsKey", test: containsKey}, {name: "notContainsKey", not: true, test: containsKey},
	{name: "less", before: true, test: ordered(func(c int) bool { return c < 0 })},
	{name: "lessOrEquals", before: true, test: ordered(func(c int) bool { return c <= 0 })},
	{name: "greater", before: true, test: ordered(func(c int) bool { return c > 0 })},
	{name: "greaterOrEquals", before: true, test: ordered(func(c int) bool { return c >= 0 })},
}

// operatorOf finds an operator by name, without case; nil if there is none.
func operatorOf(name string) *operator {
	for _, o := range operators {
		if strings.EqualFold(o.name, name) {
			return o
		}
	}
	return nil
}

func equals(value, target any) (bool, error) { return same(value, target), nil }

// onTexts makes a test of texts; what is none fulfils it not.
func onTexts(test func(s, pattern string) bool) func(value, target any) (bool, error) {
	return func(value, target any) (bool, error) {
		s, ok := scalar(value)
		t, other := scalar(target)
		return ok && other && test(s, t), nil
	}
}

// like compares with a pattern in which * is any text, without case.
func like(s, pattern string) bool {
	s, pattern = fold(s), fold(pattern)
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return s == pattern
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return true
}

// fold makes texts comparable without case, letter by letter.
func fold(s string) string { return strings.ToLower(strings.ToUpper(s)) }

// match compares with a pattern: # is a digit, ? a letter, . anything, and the rest itself.
func match(s, pattern string) bool {
	text, want := []rune(s), []rune(pattern)
	return len(text) == len(want) && !slices.ContainsFunc(indices(want), func(i int) bool {
		switch c := text[i]; want[i] {
		case '#':
			return !unicode.IsDigit(c)
		case '?':
			return !unicode.IsLetter(c)
		case '.':
			return false
		default:
			return c != want[i]
		}
	})
}

func indices(r []rune) []int {
	all := make([]int, len(r))
	for i := range all {
		all[i] = i
	}
	return all
}

func matchFold(s, pattern string) bool { return match(fold(s), fold(pattern)) }

// contains looks for a text in a text, or for a value in an array.
func contains(value, target any) (bool, error) {
	if list, ok := value.([]any); ok {
		return slices.ContainsFunc(list, func(x any) bool { return same(x, target) }), nil
	}
	s, ok := scalar(value)
	t, other := scalar(target)
	return ok && other && value != nil && strings.Contains(fold(s), fold(t)), nil
}

func in(value, target any) (bool, error) {
	list, ok := target.([]any)
	if !ok {
		return false, fmt.Errorf("the condition 'in' expects an array and was given a value of type '%s'", typeOf(target))
	}
	return slices.ContainsFunc(list, func(x any) bool { return same(value, x) }), nil
}

func containsKey(value, target any) (bool, error) {
	m, _ := value.(map[string]any)
	name, _ := scalar(target)
	_, ok := get(m, name)
	return ok, nil
}

// ordered compares numbers, dates, or texts without case. Values of different types are an error (Microsoft Learn: conditions).
func ordered(holds func(int) bool) func(value, target any) (bool, error) {
	return func(value, target any) (bool, error) {
		c, err := order(value, target)
		return err == nil && holds(c), err
	}
}

func order(value, target any) (int, error) {
	a, number1 := numeric(value)
	b, number2 := numeric(target)
	_, text1 := value.(string)
	_, text2 := target.(string)
	switch {
	case number1 && number2 && !(text1 && text2):
		return cmp.Compare(a, b), nil
	case text1 && text2:
		return orderTexts(value.(string), target.(string)), nil
	}
	return 0, fmt.Errorf("the value of type '%s' cannot be compared with one of type '%s'", typeOf(value), typeOf(target))
}

func orderTexts(s, t string) int {
	a, date := parseDate(s)
	b, other := parseDate(t)
	if date && other {
		return a.Compare(b)
	}
	return strings.Compare(fold(s), fold(t))
}

// numeric is a number, or a text that is one.
func numeric(v any) (float64, bool) {
	if n, ok := number(v); ok {
		return n, true
	}
	s, _ := v.(string)
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && !math.IsInf(f, 0) && !math.IsNaN(f)
}

// isoSeconds is Azure Policy's form of a time: yyyy-MM-ddTHH:mm:ss.fffffffZ.
func isoSeconds(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }
