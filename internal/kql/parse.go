package kql

import (
	"slices"
	"strings"
)

type parser struct {
	tokens []token
	at     int
	depth  int
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != end {
		p.at++
	}
	return t
}

// symbol takes a symbol if it is next.
func (p *parser) symbol(s string) bool {
	if t := p.peek(); t.kind == symbol && t.text == s {
		p.at++
		return true
	}
	return false
}

// word takes one of some words if it is next; keywords count without case.
func (p *parser) word(words ...string) (string, bool) {
	t := p.peek()
	if t.kind != word {
		return "", false
	}
	for _, w := range words {
		if strings.EqualFold(t.text, w) {
			p.at++
			return w, true
		}
	}
	return "", false
}

func (p *parser) expect(s string) error {
	if !p.symbol(s) {
		return p.unexpected(s)
	}
	return nil
}

func (p *parser) unexpected(wanted string) error {
	t := p.peek()
	found := t.text
	if t.kind == end {
		found = "the end"
	}
	return errorf(t.pos, "%s was expected, not %s", wanted, found)
}

func (p *parser) name() (string, error) {
	t := p.peek()
	if t.kind == word {
		p.at++
		return t.text, nil
	}
	if p.symbol("[") { // ['a name']
		t := p.next()
		if t.kind != text {
			return "", errorf(t.pos, "a name in quotes was expected")
		}
		return t.text, p.expect("]")
	}
	return "", p.unexpected("a name")
}

func (p *parser) query() (*Query, error) {
	q := &Query{}
	for {
		if _, ok := p.word("let"); !ok {
			break
		}
		l, err := p.let()
		if err != nil {
			return nil, err
		}
		q.lets = append(q.lets, l)
		if err := p.expect(";"); err != nil {
			return nil, err
		}
	}
	var err error
	if q.pipe, err = p.pipe(); err != nil {
		return nil, err
	}
	p.symbol(";")
	if p.peek().kind != end {
		return nil, p.unexpected("| or the end")
	}
	return q, nil
}

// let reads name = scalar, or name = table | …
func (p *parser) let() (let, error) {
	name, err := p.name()
	if err != nil {
		return let{}, err
	}
	if err := p.expect("="); err != nil {
		return let{}, err
	}
	start := p.at
	value, err := p.expr()
	if t := p.peek(); err == nil && t.kind == symbol && t.text == ";" {
		return let{name: name, value: value}, nil
	}
	p.at = start
	table, err := p.pipe()
	return let{name: name, table: table}, err
}

// pipe is a source and the operators that its rows go through.
type pipe struct {
	source string
	pos    int
	ops    []op
}

func (p *parser) pipe() (*pipe, error) {
	t := p.peek()
	if p.symbol("(") {
		inner, err := p.pipe()
		if err != nil {
			return nil, err
		}
		if err := p.expect(")"); err != nil {
			return nil, err
		}
		return inner, p.ops(inner)
	}
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	out := &pipe{source: name, pos: t.pos}
	return out, p.ops(out)
}

func (p *parser) ops(into *pipe) error {
	if p.depth++; p.depth > maxDepth {
		return errorf(p.peek().pos, "the query is nested too deep")
	}
	defer func() { p.depth-- }()
	for p.symbol("|") {
		o, err := p.op()
		if err != nil {
			return err
		}
		into.ops = append(into.ops, o)
	}
	return nil
}

// hyphenated reads an operator's name, as project-away.
func (p *parser) hyphenated() (string, int, error) {
	t := p.next()
	if t.kind != word {
		return "", t.pos, errorf(t.pos, "an operator was expected, not %s", t.text)
	}
	name := strings.ToLower(t.text)
	for p.peek().kind == symbol && p.peek().text == "-" && p.tokens[p.at+1].kind == word {
		p.at++
		name += "-" + strings.ToLower(p.next().text)
	}
	return name, t.pos, nil
}

func (p *parser) op() (op, error) {
	name, pos, err := p.hyphenated()
	if err != nil {
		return nil, err
	}
	switch name {
	case "where", "filter":
		e, err := p.expr()
		return where{e}, err
	case "project", "extend":
		list, err := p.namedList()
		return project{list, name == "extend"}, err
	case "project-away", "project-keep":
		names, err := p.patterns()
		return projectAway{names, name == "project-keep"}, err
	case "project-rename":
		list, err := p.namedList()
		return rename{list}, err
	case "distinct":
		if p.symbol("*") {
			return distinct{}, nil
		}
		list, err := p.namedList()
		return distinct{list}, err
	case "take", "limit":
		n, err := p.integer()
		return take{n}, err
	case "count":
		return summarize{aggs: []named{{name: "Count", expr: call{name: "count", pos: pos}}}}, nil
	case "order", "sort":
		if _, ok := p.word("by"); !ok {
			return nil, p.unexpected("by")
		}
		keys, err := p.keys()
		return order{keys}, err
	case "top":
		n, err := p.integer()
		if err != nil {
			return nil, err
		}
		if _, ok := p.word("by"); !ok {
			return nil, p.unexpected("by")
		}
		keys, err := p.keys()
		return top{n, order{keys}}, err
	case "summarize":
		return p.summarize()
	case "mv-expand", "mvexpand":
		list, err := p.namedList()
		return expand{list}, err
	case "join":
		return p.join()
	case "union":
		return p.union()
	}
	return nil, errorf(pos, "the operator %s is not supported", name)
}

func (p *parser) union() (op, error) {
	var u union
	for {
		t := p.peek()
		part, err := p.operand()
		if err != nil {
			return nil, err
		}
		part.pos = t.pos
		u.with = append(u.with, part)
		if !p.symbol(",") {
			return u, nil
		}
	}
}

// operand is a table's name, or a pipe in parentheses.
func (p *parser) operand() (*pipe, error) {
	if !p.symbol("(") {
		t := p.peek()
		name, err := p.name()
		return &pipe{source: name, pos: t.pos}, err
	}
	inner, err := p.pipe()
	if err != nil {
		return nil, err
	}
	return inner, p.expect(")")
}

// kinds of joins.
var joinKinds = []string{"innerunique", "inner", "leftouter", "leftanti", "leftsemi"}

func (p *parser) join() (op, error) {
	j := join{kind: "innerunique"}
	if _, ok := p.word("kind"); ok {
		if err := p.expect("="); err != nil {
			return nil, err
		}
		kind, ok := p.word(joinKinds...)
		if !ok {
			return nil, p.unexpected("a kind of join (" + strings.Join(joinKinds, ", ") + ")")
		}
		j.kind = kind
	}
	var err error
	if j.right, err = p.operand(); err != nil {
		return nil, err
	}
	if _, ok := p.word("on"); !ok {
		return nil, p.unexpected("on")
	}
	for {
		left, err := p.joinKey()
		if err != nil {
			return nil, err
		}
		j.on = append(j.on, left)
		if !p.symbol(",") {
			return j, nil
		}
	}
}

// joinKey is a column that both sides have, or $left.a == $right.b.
func (p *parser) joinKey() ([2]string, error) {
	a, err := p.name()
	if err != nil || !strings.HasPrefix(a, "$") {
		return [2]string{a, a}, err
	}
	side := func(first string) (string, string, error) {
		if err := p.expect("."); err != nil {
			return "", "", err
		}
		column, err := p.name()
		return strings.ToLower(first), column, err
	}
	left, column, err := side(a)
	if err != nil {
		return [2]string{}, err
	}
	if err := p.expect("=="); err != nil {
		return [2]string{}, err
	}
	b, err := p.name()
	if err != nil {
		return [2]string{}, err
	}
	_, other, err := side(b)
	if left == "$right" {
		column, other = other, column
	}
	return [2]string{column, other}, err
}

func (p *parser) summarize() (op, error) {
	var s summarize
	var err error
	if _, ok := p.word("by"); ok {
		s.by, err = p.namedList()
		return s, err
	}
	if s.aggs, err = p.namedList(); err != nil {
		return nil, err
	}
	for i, a := range s.aggs {
		c, ok := a.expr.(call)
		if !ok || aggregates[strings.ToLower(c.name)] == nil {
			return nil, errorf(a.pos, "an aggregate such as count() was expected")
		}
		if a.implicit {
			s.aggs[i].name = aggregateName(c)
		}
	}
	if _, ok := p.word("by"); ok {
		s.by, err = p.namedList()
	}
	return s, err
}

// aggregateName is the column of an aggregate that was given no name: count_, max_TimeGenerated.
func aggregateName(c call) string {
	name := strings.ToLower(c.name) + "_"
	if len(c.args) > 0 {
		if n := impliedName(c.args[0]); n != "" {
			name += n
		}
	}
	return name
}

// named is an expression with the name of its column.
type named struct {
	name     string
	implicit bool // nobody gave the name
	expr     expr
	pos      int
}

func (p *parser) namedList() ([]named, error) {
	var out []named
	for {
		n, err := p.named()
		if err != nil {
			return nil, err
		}
		out = append(out, n)
		if !p.symbol(",") {
			return out, nil
		}
	}
}

func (p *parser) named() (named, error) {
	t := p.peek()
	start := p.at
	if name, err := p.name(); err == nil && p.symbol("=") {
		e, err := p.expr()
		return named{name: name, expr: e, pos: t.pos}, err
	}
	p.at = start
	e, err := p.expr()
	return named{name: impliedName(e), implicit: true, expr: e, pos: t.pos}, err
}

// impliedName is what a column is called that was given no name: the last part of a path, a function's first argument.
func impliedName(e expr) string {
	switch e := e.(type) {
	case column:
		return e.name
	case member:
		if of := impliedName(e.of); of != "" {
			return of + "_" + e.name
		}
		return e.name
	case call:
		if len(e.args) > 0 {
			return impliedName(e.args[0])
		}
	}
	return ""
}

// patterns are column names, with * at either end.
func (p *parser) patterns() ([]string, error) {
	var out []string
	for {
		var b strings.Builder
		if p.symbol("*") {
			b.WriteByte('*')
		}
		if t := p.peek(); t.kind == word || t.kind == symbol && t.text == "[" {
			name, err := p.name()
			if err != nil {
				return nil, err
			}
			b.WriteString(name)
			if p.symbol("*") {
				b.WriteByte('*')
			}
		}
		if b.Len() == 0 {
			return nil, p.unexpected("a column")
		}
		out = append(out, b.String())
		if !p.symbol(",") {
			return out, nil
		}
	}
}

func (p *parser) integer() (int, error) {
	t := p.next()
	n, ok := t.value.(int64)
	if !ok || t.kind != number || n < 0 || n > MaxRows {
		return 0, errorf(t.pos, "a number of rows was expected")
	}
	return int(n), nil
}

// key is what rows are ordered by.
type key struct {
	expr       expr
	ascending  bool
	nullsFirst bool
}

func (p *parser) keys() ([]key, error) {
	var out []key
	for {
		e, err := p.expr()
		if err != nil {
			return nil, err
		}
		k := key{expr: e}
		if way, ok := p.word("asc", "desc"); ok {
			k.ascending = way == "asc"
		}
		k.nullsFirst = k.ascending
		if _, ok := p.word("nulls"); ok {
			where, ok := p.word("first", "last")
			if !ok {
				return nil, p.unexpected("first or last")
			}
			k.nullsFirst = where == "first"
		}
		if out = append(out, k); !p.symbol(",") {
			return out, nil
		}
	}
}

func (p *parser) expr() (expr, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, errorf(p.peek().pos, "the query is nested too deep")
	}
	defer func() { p.depth-- }()
	return p.logical("or", func() (expr, error) { return p.logical("and", p.comparison) })
}

// logical reads operands joined by and, or by or.
func (p *parser) logical(op string, operand func() (expr, error)) (expr, error) {
	left, err := operand()
	if err != nil {
		return nil, err
	}
	for {
		if _, ok := p.word(op); !ok {
			return left, nil
		}
		right, err := operand()
		if err != nil {
			return nil, err
		}
		left = logic{op == "or", left, right}
	}
}

func (p *parser) comparison() (expr, error) {
	left, err := p.sum()
	if err != nil {
		return nil, err
	}
	t := p.peek()
	name := p.operator()
	switch name {
	case "":
		return left, nil
	case "between", "!between":
		return p.between(left, name == "!between")
	case "in", "!in", "in~", "!in~", "has_any", "has_all":
		list, err := p.list()
		return among{strings.TrimPrefix(name, "!"), strings.HasPrefix(name, "!"), left, list}, err
	}
	right, err := p.sum()
	return compare{name, left, right, t.pos}, err
}

// operator takes a comparison's name; "" where there is none.
func (p *parser) operator() string {
	t := p.peek()
	if t.kind == symbol && slices.Contains([]string{"==", "!=", "=~", "!~", "<", "<=", ">", ">="}, t.text) {
		p.at++
		return t.text
	}
	not := ""
	if t.kind == symbol && t.text == "!" {
		not, t = "!", p.tokens[p.at+1]
	}
	if t.kind != word {
		return ""
	}
	name := strings.ToLower(t.text)
	if name == "matches" && not == "" {
		p.at++
		p.word("regex")
		return name
	}
	if _, ok := textOperators[name]; !ok && !slices.Contains([]string{"in", "between", "has_any", "has_all"}, name) {
		return ""
	}
	if p.at += len(not) + 1; name == "in" && p.symbol("~") {
		name = "in~"
	}
	return not + name
}

func (p *parser) between(left expr, not bool) (expr, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	low, err := p.sum()
	if err != nil {
		return nil, err
	}
	if err := p.expect(".."); err != nil {
		return nil, err
	}
	high, err := p.sum()
	if err != nil {
		return nil, err
	}
	return between{left, low, high, not}, p.expect(")")
}

func (p *parser) list() ([]expr, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	return p.args()
}

// args reads expressions up to the closing parenthesis.
func (p *parser) args() ([]expr, error) {
	var out []expr
	if p.symbol(")") {
		return nil, nil
	}
	for {
		if p.symbol("*") {
			out = append(out, star{})
		} else {
			e, err := p.expr()
			if err != nil {
				return nil, err
			}
			out = append(out, e)
		}
		if !p.symbol(",") {
			return out, p.expect(")")
		}
	}
}

func (p *parser) sum() (expr, error) {
	return p.arithmetic([]string{"+", "-"}, func() (expr, error) { return p.arithmetic([]string{"*", "/", "%"}, p.unary) })
}

func (p *parser) arithmetic(ops []string, operand func() (expr, error)) (expr, error) {
	left, err := operand()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		if t.kind != symbol || !slices.Contains(ops, t.text) {
			return left, nil
		}
		p.at++
		right, err := operand()
		if err != nil {
			return nil, err
		}
		left = arithmetic{t.text, left, right, t.pos}
	}
}

func (p *parser) unary() (expr, error) {
	t := p.peek()
	if p.symbol("-") {
		if p.depth++; p.depth > maxDepth {
			return nil, errorf(t.pos, "the query is nested too deep")
		}
		defer func() { p.depth-- }()
		e, err := p.unary()
		return arithmetic{"-", literal{int64(0)}, e, t.pos}, err
	}
	return p.postfix()
}

// postfix reads members and elements: properties.sku['name'][0].
func (p *parser) postfix() (expr, error) {
	e, err := p.primary()
	if err != nil {
		return nil, err
	}
	for {
		switch {
		case p.symbol("."):
			name, err := p.name()
			if err != nil {
				return nil, err
			}
			e = member{e, name}
		case p.symbol("["):
			index, err := p.expr()
			if err != nil {
				return nil, err
			}
			if err := p.expect("]"); err != nil {
				return nil, err
			}
			if l, ok := index.(literal); ok {
				if s, ok := l.value.(string); ok {
					e = member{e, s}
					continue
				}
			}
			e = element{e, index}
		default:
			return e, nil
		}
	}
}

func (p *parser) primary() (expr, error) {
	t := p.next()
	switch {
	case t.kind == text:
		return literal{t.text}, nil
	case t.kind == number, t.kind == span:
		return literal{t.value}, nil
	case t.kind == symbol && t.text == "(":
		e, err := p.expr()
		if err != nil {
			return nil, err
		}
		return e, p.expect(")")
	case t.kind == symbol && t.text == "[" && p.peek().kind == text:
		p.at--
		name, err := p.name()
		return column{name, t.pos}, err
	case t.kind != word:
		p.at--
		if t.kind == end {
			p.at = len(p.tokens) - 1
		}
		return nil, p.unexpected("an expression")
	}
	switch lower := strings.ToLower(t.text); {
	case lower == "true", lower == "false":
		return literal{lower == "true"}, nil
	case lower == "null":
		return literal{nil}, nil
	case !p.symbol("("):
		return column{t.text, t.pos}, nil
	case p.peek().kind == raw:
		value, err := readLiteral(lower, p.next())
		if err != nil {
			return nil, err
		}
		return literal{value}, p.expect(")")
	}
	args, err := p.args()
	if err != nil {
		return nil, err
	}
	name := strings.ToLower(t.text)
	if functions[name] == nil && aggregates[name] == nil {
		return nil, errorf(t.pos, "the function %s is not supported", t.text)
	}
	return call{name, args, t.pos}, nil
}

// literals are what is read from the words between their parentheses.
var literals = map[string]func(string) (any, bool){
	"datetime": func(s string) (any, bool) { return asAny(toTime(s)) },
	"date":     func(s string) (any, bool) { return asAny(toTime(s)) },
	"timespan": func(s string) (any, bool) { return asAny(toSpan(s)) },
	"time":     func(s string) (any, bool) { return asAny(toSpan(s)) },
	"guid":     func(s string) (any, bool) { return strings.Trim(s, `'"`), true },
	"dynamic":  parseJSON,
}

func asAny[T any](v T, ok bool) (any, bool) { return v, ok }

func readLiteral(name string, t token) (any, error) {
	inside := strings.TrimSpace(t.text)
	if strings.EqualFold(inside, "null") {
		return nil, nil
	}
	if name != "dynamic" {
		inside = strings.Trim(inside, `'"`)
	}
	v, ok := literals[name](inside)
	if !ok {
		return nil, errorf(t.pos, "%s is not a %s", inside, name)
	}
	return v, nil
}
