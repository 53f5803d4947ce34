package kql

import (
	"errors"
	"math"
	"regexp"
	"strings"
	"time"
)

// function is a scalar function.
type function struct {
	min, max int // numbers of arguments; max -1: any
	apply    func(s *scope, args []any) (any, error)
	lazy     func(s *scope, row Row, args []expr) (any, error)
}

func textual(fn func(string) any) *function {
	return &function{1, 1, func(_ *scope, a []any) (any, error) { return fn(str(a[0])), nil }, nil}
}

func plain(min, max int, fn func(a []any) any) *function {
	return &function{min, max, func(_ *scope, a []any) (any, error) { return fn(a), nil }, nil}
}

// orNull is a conversion that yields null where it fails.
func orNull[T any](fn func(any) (T, bool)) *function {
	return plain(1, 1, func(a []any) any {
		if v, ok := fn(a[0]); ok {
			return v
		}
		return nil
	})
}

var functions map[string]*function

func init() { // the functions evaluate expressions, which look functions up
	functions = map[string]*function{
		"now": {0, 1, now, nil},
		"ago": {1, 1, ago, nil},
		"bin": {2, 2, bin, nil},
		"floor": {1, 2, func(s *scope, a []any) (any, error) {
			if len(a) == 1 {
				a = append(a, int64(1))
			}
			return bin(s, a)
		}, nil},
		"tolower":    textual(func(s string) any { return strings.ToLower(s) }),
		"toupper":    textual(func(s string) any { return strings.ToUpper(s) }),
		"strlen":     textual(func(s string) any { return int64(len([]rune(s))) }),
		"tostring":   textual(func(s string) any { return s }),
		"trim_start": plain(2, 2, func(a []any) any { return trim(str(a[0]), str(a[1]), true, false) }),
		"trim_end":   plain(2, 2, func(a []any) any { return trim(str(a[0]), str(a[1]), false, true) }),
		"trim":       plain(2, 2, func(a []any) any { return trim(str(a[0]), str(a[1]), true, true) }),
		"toint":      orNull(toInt), "tolong": orNull(toInt), "todouble": orNull(toFloat), "toreal": orNull(toFloat),
		"tobool": orNull(toBool), "todatetime": orNull(toTime), "totimespan": orNull(toSpan),
		"isempty":    plain(1, 1, func(a []any) any { return str(a[0]) == "" }),
		"isnotempty": plain(1, 1, func(a []any) any { return str(a[0]) != "" }),
		"isnull":     plain(1, 1, func(a []any) any { return a[0] == nil }),
		"isnotnull":  plain(1, 1, func(a []any) any { return a[0] != nil }),
		"not":        plain(1, 1, func(a []any) any { b, ok := toBool(a[0]); return ok && !b }),
		"abs": plain(1, 1, func(a []any) any {
			if i, ok := a[0].(int64); ok && i > math.MinInt64 {
				return max(i, -i)
			}
			f, _ := toFloat(a[0])
			return math.Abs(f)
		}),
		"strcat": plain(1, -1, func(a []any) any {
			var b strings.Builder
			for _, v := range a {
				b.WriteString(str(v))
			}
			return b.String()
		}),
		"strcat_delim": plain(2, -1, func(a []any) any {
			parts := make([]string, len(a)-1)
			for i, v := range a[1:] {
				parts[i] = str(v)
			}
			return strings.Join(parts, str(a[0]))
		}),
		"substring":      plain(2, 3, substring),
		"indexof":        plain(2, 2, func(a []any) any { return int64(strings.Index(str(a[0]), str(a[1]))) }),
		"split":          plain(2, 3, split),
		"replace_string": plain(3, 3, func(a []any) any { return strings.ReplaceAll(str(a[0]), str(a[1]), str(a[2])) }),
		"replace_regex": {3, 3, func(_ *scope, a []any) (any, error) {
			re, err := regexp.Compile(str(a[1]))
			if err != nil {
				return nil, err
			}
			return re.ReplaceAllString(str(a[0]), regexp.MustCompile(`\\(\d)`).ReplaceAllString(str(a[2]), "$${$1}")), nil
		}, nil},
		"extract": {3, 3, extract, nil},
		"array_length": plain(1, 1, func(a []any) any {
			if l, ok := a[0].([]any); ok {
				return int64(len(l))
			}
			return nil
		}),
		"bag_keys": plain(1, 1, func(a []any) any {
			out := []any{}
			if m, ok := a[0].(map[string]any); ok {
				for k := range m {
					out = append(out, k)
				}
				sortValues(out)
			}
			return out
		}),
		"set_has_element": plain(2, 2, func(a []any) any {
			l, _ := a[0].([]any)
			for _, v := range l {
				if equal(normal(v), a[1]) {
					return true
				}
			}
			return false
		}),
		"pack_array": plain(0, -1, func(a []any) any { return append([]any{}, a...) }),
		"parse_json": plain(1, 1, parsed), "todynamic": plain(1, 1, parsed), "parsejson": plain(1, 1, parsed),
		"coalesce": plain(1, -1, func(a []any) any {
			for _, v := range a {
				if v != nil && v != "" {
					return v
				}
			}
			return nil
		}),
		"startofday":  plain(1, 1, func(a []any) any { return truncated(a[0], 24*time.Hour) }),
		"startofhour": plain(1, 1, func(a []any) any { return truncated(a[0], time.Hour) }),
		"iff":         {3, 3, nil, iff}, "iif": {3, 3, nil, iff},
		"case": {3, -1, nil, choose},
	}
}

func now(s *scope, a []any) (any, error) {
	at := s.env.Now
	if len(a) == 1 {
		d, ok := toSpan(a[0])
		if !ok {
			return nil, errors.New("a time span was expected")
		}
		at = at.Add(d)
	}
	return at.UTC(), nil
}

func ago(s *scope, a []any) (any, error) {
	d, ok := toSpan(a[0])
	if !ok {
		return nil, errors.New("a time span was expected")
	}
	return s.env.Now.Add(-d).UTC(), nil
}

// bin rounds down to a multiple, of dates since the year 1.
func bin(_ *scope, a []any) (any, error) {
	if a[0] == nil {
		return nil, nil
	}
	if d, ok := a[1].(time.Duration); ok {
		if d <= 0 {
			return nil, errors.New("the size of a bin is a time span above zero")
		}
		if span, ok := a[0].(time.Duration); ok {
			return span - ((span%d)+d)%d, nil
		}
		at, ok := toTime(a[0])
		if !ok {
			return nil, nil
		}
		return at.UTC().Truncate(d), nil
	}
	x, isInt := a[0].(int64)
	y, isInt2 := a[1].(int64)
	if isInt && isInt2 {
		if y <= 0 {
			return nil, errors.New("the size of a bin is above zero")
		}
		return x - ((x%y)+y)%y, nil
	}
	f, ok := toFloat(a[0])
	g, ok2 := toFloat(a[1])
	if !ok || !ok2 || g <= 0 {
		return nil, errors.New("a number and a size above zero were expected")
	}
	return math.Floor(f/g) * g, nil
}

func truncated(v any, d time.Duration) any {
	if at, ok := toTime(v); ok {
		return at.UTC().Truncate(d)
	}
	return nil
}

// trim takes what a regular expression matches off the ends.
func trim(what, s string, start, end bool) any {
	re, err := regexp.Compile(what)
	if err != nil {
		return s
	}
	for start {
		at := re.FindStringIndex(s)
		if at == nil || at[0] != 0 || at[1] == 0 {
			break
		}
		s = s[at[1]:]
	}
	for end {
		all := re.FindAllStringIndex(s, -1)
		if len(all) == 0 || all[len(all)-1][1] != len(s) || all[len(all)-1][0] == len(s) {
			break
		}
		s = s[:all[len(all)-1][0]]
	}
	return s
}

func substring(a []any) any {
	r := []rune(str(a[0]))
	from, _ := toInt(a[1])
	from = min(max(0, from), int64(len(r)))
	n := int64(len(r)) - from
	if len(a) == 3 {
		if want, ok := toInt(a[2]); ok {
			n = min(n, max(0, want))
		}
	}
	return string(r[from : from+n])
}

func split(a []any) any {
	out := []any{}
	for _, part := range strings.Split(str(a[0]), str(a[1])) {
		out = append(out, part)
	}
	if len(a) < 3 {
		return out
	}
	i, ok := toInt(a[2])
	if !ok || i < 0 || i >= int64(len(out)) {
		return []any{}
	}
	return out[i : i+1]
}

func extract(_ *scope, a []any) (any, error) {
	re, err := regexp.Compile(str(a[0]))
	if err != nil {
		return nil, err
	}
	group, _ := toInt(a[1])
	m := re.FindStringSubmatch(str(a[2]))
	if group < 0 || int(group) >= len(m) {
		return "", nil
	}
	return m[group], nil
}

// parsed is a text as a dynamic value; what is no JSON stays a text.
func parsed(a []any) any {
	s, ok := a[0].(string)
	if !ok {
		return a[0]
	}
	if v, ok := parseJSON(s); ok {
		return v
	}
	return s
}

func iff(s *scope, row Row, args []expr) (any, error) { return choose(s, row, args) }

// choose is case(condition, value, …, otherwise): only the value that counts is evaluated.
func choose(s *scope, row Row, args []expr) (any, error) {
	for ; len(args) > 1; args = args[2:] {
		v, err := args[0].eval(s, row)
		if err != nil {
			return nil, err
		}
		if b, _ := toBool(v); b {
			return args[1].eval(s, row)
		}
	}
	if len(args) == 0 {
		return nil, nil
	}
	return args[0].eval(s, row)
}
