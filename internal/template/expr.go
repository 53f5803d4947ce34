package template

import (
	"strconv"
	"strings"
)

// Bounds of an expression.
const (
	maxExpr      = 24_576 // characters; ARM's own limit
	maxExprDepth = 200    // nested calls
)

type op uint8

const (
	literal op = iota // value
	call              // name(args…)
	access            // args[0].name or args[0][args[1]]
)

// expr is a node of an expression's tree.
type expr struct {
	op    op
	name  string // of a call, with its namespace
	args  []*expr
	value any    // of a literal: a string or an int64
	text  string // as written
}

// readExpression parses a string in brackets. Two opening brackets stand for a text that begins with one.
func (n *node) readExpression() {
	if len(n.text) < 2 || n.text[0] != '[' || n.text[len(n.text)-1] != ']' {
		return
	}
	if n.escaped = n.text[1] == '['; n.escaped {
		return
	}
	n.expr, n.exprErr = parseExpression(n.text[1 : len(n.text)-1])
}

// parseExpression reads what stands between the brackets.
func parseExpression(text string) (*expr, error) {
	if len(text) > maxExpr {
		return nil, faultf("The language expression is '%d' characters long, which exceeds the limit of '%d'.", len(text), maxExpr)
	}
	p := &exprParser{text: text}
	x, err := p.parse()
	if err == nil && p.skip() < len(text) {
		err = p.unexpected()
	}
	if err != nil {
		return nil, err
	}
	return x, nil
}

type exprParser struct {
	text      string
	at, depth int
}

func (p *exprParser) skip() int {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
	return p.at
}

func (p *exprParser) peek() byte {
	if p.skip() < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *exprParser) unexpected() error {
	if p.at >= len(p.text) {
		return faultf("The language expression '%s' is not valid: the end of the expression is not expected.", clip(p.text))
	}
	return faultf("The language expression '%s' is not valid: the string character '%c' at position '%d' is not expected.", clip(p.text), p.text[p.at], p.at)
}

// clip bounds what is repeated in a message.
func clip(s string) string {
	if len(s) > 1000 {
		return strings.ToValidUTF8(s[:1000], "") + "…"
	}
	return s
}

func (p *exprParser) parse() (*expr, error) {
	if p.depth++; p.depth > maxExprDepth {
		return nil, faultf("The language expression is nested deeper than '%d' levels.", maxExprDepth)
	}
	defer func() { p.depth-- }()
	start := p.skip()
	x, err := p.primary()
	for err == nil {
		switch p.peek() {
		case '.':
			p.at++
			x, err = p.property(x)
		case '[':
			p.at++
			x, err = p.index(x)
		default:
			x.text = strings.TrimRight(p.text[start:p.at], " \t\r\n")
			return x, nil
		}
	}
	return nil, err
}

func (p *exprParser) primary() (*expr, error) {
	switch c := p.peek(); {
	case c == '\'':
		s, err := p.quoted()
		return &expr{op: literal, value: s}, err
	case c == '-' || c >= '0' && c <= '9':
		return p.integer()
	case letter(c):
		return p.call()
	}
	return nil, p.unexpected()
}

func letter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }

func (p *exprParser) quoted() (string, error) {
	start := p.at
	var b strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		if p.text[p.at] != '\'' {
			b.WriteByte(p.text[p.at])
			continue
		}
		p.at++
		if p.at == len(p.text) || p.text[p.at] != '\'' {
			return b.String(), nil
		}
		b.WriteByte('\'')
	}
	return "", faultf("The language expression '%s' is not valid: the string constant at position '%d' is not terminated. "+
		"String constants must be enclosed within a pair of single quotes. %s", clip(p.text), start, seeFunctions)
}

func (p *exprParser) integer() (*expr, error) {
	start := p.at
	for p.at++; p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9'; p.at++ {
	}
	n, err := strconv.ParseInt(p.text[start:p.at], 10, 64)
	if err != nil {
		return nil, faultf("The language expression '%s' is not valid: the integer at position '%d' cannot be read.", clip(p.text), start)
	}
	return &expr{op: literal, value: n}, nil
}

func (p *exprParser) word() string {
	start := p.skip()
	for p.at < len(p.text) && (letter(p.text[p.at]) || p.at > start && p.text[p.at] >= '0' && p.text[p.at] <= '9') {
		p.at++
	}
	return p.text[start:p.at]
}

// call reads name(…) or namespace.name(…).
func (p *exprParser) call() (*expr, error) {
	x := &expr{op: call, name: p.word()}
	for p.peek() == '.' {
		p.at++
		w := p.word()
		if w == "" {
			return nil, p.unexpected()
		}
		x.name += "." + w
	}
	if p.peek() != '(' {
		return nil, p.unexpected()
	}
	p.at++
	if p.peek() == ')' {
		p.at++
		return x, nil
	}
	for {
		arg, err := p.parse()
		if err != nil {
			return nil, err
		}
		x.args = append(x.args, arg)
		switch p.peek() {
		case ')':
			p.at++
			return x, nil
		case ',':
			p.at++
		default:
			return nil, p.unexpected()
		}
	}
}

func (p *exprParser) property(base *expr) (*expr, error) {
	name := p.word()
	if name == "" {
		return nil, p.unexpected()
	}
	return &expr{op: access, args: []*expr{base, {op: literal, value: name, text: "'" + name + "'"}}}, nil
}

func (p *exprParser) index(base *expr) (*expr, error) {
	key, err := p.parse()
	if err != nil {
		return nil, err
	}
	if p.peek() != ']' {
		return nil, p.unexpected()
	}
	p.at++
	return &expr{op: access, args: []*expr{base, key}}, nil
}
