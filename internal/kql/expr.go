package kql

import (
	"math"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// expr is an expression over a row. A row of nil is that of a let statement, which has no columns.
type expr interface {
	eval(s *scope, row Row) (any, error)
}

type (
	literal struct{ value any }
	column  struct {
		name string
		pos  int
	}
	member struct {
		of   expr
		name string
	}
	element struct{ of, index expr }
	star    struct{} // the argument of arg_max(x, *)
	logic   struct {
		or          bool
		left, right expr
	}
	compare struct {
		op          string
		left, right expr
		pos         int
	}
	among struct {
		op   string // in, in~, has_any or has_all
		not  bool
		left expr
		list []expr
	}
	between struct {
		value, low, high expr
		not              bool
	}
	arithmetic struct {
		op          string
		left, right expr
		pos         int
	}
	call struct {
		name string
		args []expr
		pos  int
	}
)

func (e literal) eval(*scope, Row) (any, error) { return e.value, nil }

func (e star) eval(*scope, Row) (any, error) { return nil, errorf(0, "* cannot stand here") }

func (e column) eval(s *scope, row Row) (any, error) {
	if v, ok := row[e.name]; ok {
		return normal(v), nil
	}
	if v, ok := s.vars[e.name]; ok {
		return v, nil
	}
	if t, ok := s.tables[e.name]; ok {
		return t.first(), nil // as a list of values
	}
	if row == nil {
		return nil, errorf(e.pos, "the name %s is not known", e.name)
	}
	return nil, nil
}

// first are the values of a table's first column, as in (tabular expressions) takes them.
func (r *rows) first() []any {
	out := []any{}
	if len(r.columns) == 0 {
		return out
	}
	for _, row := range r.all {
		out = append(out, normal(row[r.columns[0]]))
	}
	return out
}

func (e member) eval(s *scope, row Row) (any, error) {
	v, err := e.of.eval(s, row)
	if m, ok := v.(map[string]any); ok {
		return normal(m[e.name]), err
	}
	return nil, err
}

func (e element) eval(s *scope, row Row) (any, error) {
	v, err := e.of.eval(s, row)
	if err != nil {
		return nil, err
	}
	i, err := e.index.eval(s, row)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case []any:
		n, ok := toInt(i)
		if n < 0 {
			n += int64(len(v))
		}
		if ok && n >= 0 && n < int64(len(v)) {
			return normal(v[n]), nil
		}
	case map[string]any:
		return normal(v[str(i)]), nil
	}
	return nil, nil
}

func (e logic) eval(s *scope, row Row) (any, error) {
	v, err := e.left.eval(s, row)
	if err != nil {
		return nil, err
	}
	if b, _ := toBool(v); b == e.or {
		return b, nil
	}
	if v, err = e.right.eval(s, row); err != nil {
		return nil, err
	}
	b, _ := toBool(v)
	return b, nil
}

func (e compare) eval(s *scope, row Row) (any, error) {
	a, err := e.left.eval(s, row)
	if err != nil {
		return nil, err
	}
	b, err := e.right.eval(s, row)
	if err != nil {
		return nil, err
	}
	switch e.op {
	case "==", "!=":
		return equal(a, b) == (e.op == "=="), nil
	case "<", "<=", ">", ">=":
		n, ok := order3(a, b)
		return ok && map[string]bool{"<": n < 0, "<=": n <= 0, ">": n > 0, ">=": n >= 0}[e.op], nil
	case "matches":
		re, err := regexp.Compile(str(b))
		if err != nil {
			return nil, errorf(e.pos, "%v", err)
		}
		return re.MatchString(str(a)), nil
	}
	op, not := strings.CutPrefix(e.op, "!")
	if e.op == "!~" {
		op = "=~"
	}
	return textOperators[op](str(a), str(b)) != not, nil
}

// equal is ==; null equals null and the empty text, as a text that is not there is empty.
func equal(a, b any) bool {
	if a == nil || b == nil {
		return (a == nil || a == "") && (b == nil || b == "")
	}
	n, ok := order3(a, b)
	return ok && n == 0
}

// textOperators compare texts. Those with _cs count the case.
var textOperators = map[string]func(a, b string) bool{
	"=~":            strings.EqualFold,
	"contains":      func(a, b string) bool { return strings.Contains(strings.ToLower(a), strings.ToLower(b)) },
	"contains_cs":   strings.Contains,
	"startswith":    func(a, b string) bool { return strings.HasPrefix(strings.ToLower(a), strings.ToLower(b)) },
	"startswith_cs": strings.HasPrefix,
	"endswith":      func(a, b string) bool { return strings.HasSuffix(strings.ToLower(a), strings.ToLower(b)) },
	"endswith_cs":   strings.HasSuffix,
	"has":           func(a, b string) bool { return hasTerm(strings.ToLower(a), strings.ToLower(b)) },
	"has_cs":        hasTerm,
	"hasprefix":     func(a, b string) bool { return hasEdge(strings.ToLower(a), strings.ToLower(b), true, false) },
	"hassuffix":     func(a, b string) bool { return hasEdge(strings.ToLower(a), strings.ToLower(b), false, true) },
}

func hasTerm(a, b string) bool { return hasEdge(a, b, true, true) }

// hasEdge finds b in a where letters and digits end: before it, after it.
func hasEdge(a, b string, before, after bool) bool {
	inTerm := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	for from := 0; b != ""; {
		i := strings.Index(a[from:], b)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(b)
		clearBefore := start == 0 || !inTerm(lastRune(a[:start])) || !inTerm(firstRune(b))
		clearAfter := end == len(a) || !inTerm(firstRune(a[end:])) || !inTerm(lastRune(b))
		if (clearBefore || !before) && (clearAfter || !after) {
			return true
		}
		from = start + 1
	}
	return true
}

func firstRune(s string) rune {
	for _, r := range s {
		return r
	}
	return 0
}

func lastRune(s string) rune {
	r := []rune(s[max(0, len(s)-4):])
	return r[len(r)-1]
}

func (e among) eval(s *scope, row Row) (any, error) {
	v, err := e.left.eval(s, row)
	if err != nil {
		return nil, err
	}
	hits, n := 0, 0
	for _, item := range e.list {
		w, err := item.eval(s, row)
		if err != nil {
			return nil, err
		}
		all, ok := w.([]any)
		if !ok {
			all = []any{w}
		}
		for _, x := range all {
			if n++; e.match(v, normal(x)) {
				hits++
			}
		}
	}
	found := hits > 0
	if e.op == "has_all" {
		found = hits == n
	}
	return found != e.not, nil
}

func (e among) match(v, x any) bool {
	switch e.op {
	case "in":
		return equal(v, x)
	case "in~":
		return strings.EqualFold(str(v), str(x))
	}
	return textOperators["has"](str(v), str(x))
}

func (e between) eval(s *scope, row Row) (any, error) {
	var values [3]any
	for i, part := range []expr{e.value, e.low, e.high} {
		var err error
		if values[i], err = part.eval(s, row); err != nil {
			return nil, err
		}
	}
	if start, ok := values[1].(time.Time); ok {
		if d, ok := values[2].(time.Duration); ok {
			values[2] = start.Add(d)
		}
	}
	low, ok1 := order3(values[0], values[1])
	high, ok2 := order3(values[0], values[2])
	return ok1 && ok2 && (low >= 0 && high <= 0) != e.not, nil
}

func (e arithmetic) eval(s *scope, row Row) (any, error) {
	a, err := e.left.eval(s, row)
	if err != nil {
		return nil, err
	}
	b, err := e.right.eval(s, row)
	if err != nil || a == nil || b == nil {
		return nil, err
	}
	if v, ok := timeArithmetic(e.op, a, b); ok {
		return v, nil
	}
	x, ok1 := a.(int64)
	y, ok2 := b.(int64)
	if ok1 && ok2 {
		return integers(e.op, x, y), nil
	}
	f, ok1 := toFloat(a)
	g, ok2 := toFloat(b)
	if !ok1 || !ok2 {
		return nil, errorf(e.pos, "%s is not defined for %s and %s", e.op, str(a), str(b))
	}
	v := floats(e.op, f, g)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil, nil
	}
	return v, nil
}

func integers(op string, x, y int64) any {
	switch op {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	}
	if y == 0 || x == math.MinInt64 && y == -1 {
		return nil
	}
	if op == "/" {
		return x / y
	}
	return ((x % y) + y) % y
}

func floats(op string, f, g float64) float64 {
	switch op {
	case "+":
		return f + g
	case "-":
		return f - g
	case "*":
		return f * g
	case "/":
		return f / g
	}
	return math.Mod(f, g)
}

// timeArithmetic is the arithmetic of dates and time spans.
func timeArithmetic(op string, a, b any) (any, bool) {
	at, isTime := a.(time.Time)
	d, isSpan := b.(time.Duration)
	switch {
	case isTime && isSpan && op == "+":
		return at.Add(d), true
	case isTime && isSpan && op == "-":
		return at.Add(-d), true
	case isTime && op == "-":
		if other, ok := b.(time.Time); ok {
			return at.Sub(other), true
		}
	}
	x, ok := a.(time.Duration)
	if !ok {
		if f, isNumber := toFloat(a); isNumber && isSpan && op == "*" {
			return time.Duration(f * float64(d)), true
		}
		return nil, false
	}
	f, isNumber := toFloat(b)
	switch {
	case isSpan && op == "+":
		return x + d, true
	case isSpan && op == "-":
		return x - d, true
	case isSpan && op == "/" && d != 0:
		return float64(x) / float64(d), true
	case isNumber && !isSpan && op == "*":
		return time.Duration(float64(x) * f), true
	case isNumber && !isSpan && op == "/" && f != 0:
		return time.Duration(float64(x) / f), true
	}
	return nil, false
}

func (e call) eval(s *scope, row Row) (any, error) {
	f := functions[e.name]
	if f == nil {
		return nil, errorf(e.pos, "%s() is an aggregate: it stands in summarize only", e.name)
	}
	if len(e.args) < f.min || f.max >= 0 && len(e.args) > f.max {
		return nil, errorf(e.pos, "%s() has %d arguments", e.name, len(e.args))
	}
	if f.lazy != nil {
		return f.lazy(s, row, e.args)
	}
	args := make([]any, len(e.args))
	for i, a := range e.args {
		var err error
		if args[i], err = a.eval(s, row); err != nil {
			return nil, err
		}
	}
	v, err := f.apply(s, args)
	if err != nil {
		return nil, errorf(e.pos, "%s(): %v", e.name, err)
	}
	return normal(v), nil
}
