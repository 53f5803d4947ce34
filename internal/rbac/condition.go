package rbac

import (
	"strings"

	"aksid/internal/azure"
)

// truth is a three-valued answer, ordered: and is the least, or the greatest.
type truth uint8

const (
	no truth = iota
	maybe
	yes
)

// Bounds of a condition; beyond them nothing is known of it. Azure's own limit is 8 KB (azure-facts 3.6).
const (
	maxCondition = 32 << 10
	maxNesting   = 100
)

// condition is the skeleton of an ABAC condition (azure-facts 3.5): which actions it is about. What compares attributes
// is opaque for now, so that a condition is true, false or open for an action.
type condition struct {
	op      conditionOp
	pattern string       // of ActionMatches
	parts   []*condition // of not, and, or
}

type conditionOp uint8

const (
	opOpaque conditionOp = iota
	opActionMatches
	opNot
	opAnd
	opOr
)

// parseCondition is nil for no condition. A text that is no condition is opaque.
func parseCondition(text string) *condition {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	if len(text) > maxCondition {
		return &condition{}
	}
	p := conditionParser{rest: text}
	p.next()
	c := p.chain(0)
	if p.token != "" || p.bad {
		return &condition{}
	}
	return c
}

// eval answers for an action. No condition is true.
func (c *condition) eval(action azure.Action) truth {
	if c == nil {
		return yes
	}
	switch c.op {
	case opActionMatches:
		if MatchAction(c.pattern, action) {
			return yes
		}
		return no
	case opNot:
		return yes - c.parts[0].eval(action)
	case opAnd:
		t := yes
		for _, part := range c.parts {
			t = min(t, part.eval(action))
		}
		return t
	case opOr:
		t := no
		for _, part := range c.parts {
			t = max(t, part.eval(action))
		}
		return t
	}
	return maybe
}

// conditionParser reads: chain = term {AND term} | term {OR term}; term = NOT term | ( chain ) | ActionMatches{'pattern'} | anything else.
type conditionParser struct {
	rest  string
	token string // "" at the end
	bad   bool
}

func (p *conditionParser) chain(depth int) *condition {
	first := p.term(depth)
	op := p.operator()
	if op == opOpaque {
		return first
	}
	c := &condition{op: op, parts: []*condition{first}}
	for p.operator() == op {
		p.next()
		c.parts = append(c.parts, p.term(depth))
	}
	if p.operator() != opOpaque {
		p.bad = true // AND beside OR without parentheses is ambiguous
	}
	return c
}

func (p *conditionParser) operator() conditionOp {
	switch strings.ToLower(p.token) {
	case "and", "&&":
		return opAnd
	case "or", "||":
		return opOr
	}
	return opOpaque
}

func (p *conditionParser) term(depth int) *condition {
	if depth > maxNesting {
		p.bad = true
	}
	if p.bad {
		return &condition{}
	}
	switch strings.ToLower(p.token) {
	case "!", "not":
		p.next()
		return &condition{op: opNot, parts: []*condition{p.term(depth + 1)}}
	case "(":
		p.next()
		c := p.chain(depth + 1)
		p.bad = p.bad || p.token != ")"
		p.next()
		return c
	case "actionmatches":
		p.next()
		return p.actionMatches()
	}
	return p.comparison()
}

// actionMatches reads what stands behind the word: {'pattern'}.
func (p *conditionParser) actionMatches() *condition {
	inner, braced := strings.CutPrefix(p.token, "{")
	inner = strings.TrimSpace(strings.TrimSuffix(inner, "}"))
	pattern, quoted := strings.CutPrefix(inner, "'")
	pattern, closed := strings.CutSuffix(pattern, "'")
	if !braced || !quoted || !closed || strings.Contains(pattern, "'") {
		p.bad = true
		return &condition{}
	}
	p.next()
	return &condition{op: opActionMatches, pattern: pattern}
}

// comparison skips what compares attributes.
func (p *conditionParser) comparison() *condition {
	p.bad = p.bad || !p.compares()
	for p.compares() {
		p.next()
	}
	return &condition{}
}

func (p *conditionParser) compares() bool {
	return p.operator() == opOpaque && p.token != "" && p.token != "(" && p.token != ")" && p.token != "!"
}

// next reads a token: a parenthesis, an operator sign, a quoted, bracketed or braced text, or a word.
func (p *conditionParser) next() {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	n := 0
	switch {
	case p.rest == "":
	case strings.HasPrefix(p.rest, "&&"), strings.HasPrefix(p.rest, "||"):
		n = 2
	case strings.IndexByte("()!", p.rest[0]) >= 0:
		n = 1
	case strings.IndexByte("'{[", p.rest[0]) >= 0:
		n = p.enclosed()
	default:
		n = strings.IndexAny(p.rest[1:], " \t\r\n()!&|'{}[]") + 1
		if n == 0 {
			n = len(p.rest)
		}
	}
	p.token, p.rest = p.rest[:n], p.rest[n:]
}

// enclosed is the length of a quoted, bracketed or braced text. Quotes hide what closes brackets and braces;
// a backslash hides a quote.
func (p *conditionParser) enclosed() int {
	closing := map[byte]byte{'\'': '\'', '{': '}', '[': ']'}[p.rest[0]]
	quoted := closing == '\''
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '\\' && quoted:
			i++
		case c == '\'' && closing != '\'':
			quoted = !quoted
		case c == closing && (closing == '\'' || !quoted):
			return i + 1
		}
	}
	p.bad = true
	return len(p.rest)
}
