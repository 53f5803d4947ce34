package rbac

import (
	"fmt"
	"strings"
)

// Bounds of a condition. Azure takes none that is longer (azure-facts 3.6); nothing is known of one beyond them.
const (
	maxCondition = 8 << 10 // bytes
	maxNesting   = 100
)

// ConditionError says what is wrong with the text of a condition.
type ConditionError struct {
	At           int    // where, in bytes from its beginning
	Why          string // as in "a parenthesis is not closed"
	Source, Name string // of an attribute that is not well formed
}

func (e *ConditionError) Error() string {
	return fmt.Sprintf("condition, at character %d: %s", e.At+1, e.Why)
}

// CheckCondition reports whether a text is a condition, or none at all; the error is a *ConditionError.
func CheckCondition(text string) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	if _, err := parseCondition(text); err != nil {
		return err
	}
	return nil
}

// parseCondition understands as much of a text as it can: where an error is within a comparison, the comparison alone
// is opaque.
func parseCondition(text string) (*condition, *ConditionError) {
	p := conditionParser{text: text, rest: text}
	if len(text) > maxCondition {
		p.fail("it is longer than 8 KB")
		return &condition{}, p.err
	}
	p.next()
	c := p.chain(0)
	if p.token != "" {
		p.fail("nothing may follow the condition but %q does", p.token)
	}
	if p.lost {
		c = &condition{}
	}
	return c, p.err
}

// conditionParser reads
//
//	chain = term {AND term} | term {OR term}
//	term  = NOT term | ( chain ) | ActionMatches{'pattern'} | SubOperationMatches{'pattern'} | Exists attribute | side operator side
//	side  = attribute | value | { value , … }
type conditionParser struct {
	text  string
	rest  string
	token string // "" at the end
	err   *ConditionError
	lost  bool // the error is not within a comparison
}

// fail notes the first error, which leaves the whole condition opaque.
func (p *conditionParser) fail(format string, args ...any) *condition {
	p.lost = true
	return p.doubt(format, args...)
}

// doubt notes the first error, which leaves a comparison opaque.
func (p *conditionParser) doubt(format string, args ...any) *condition {
	if p.err == nil {
		p.err = &ConditionError{At: len(p.text) - len(p.rest) - len(p.token), Why: fmt.Sprintf(format, args...)}
	}
	return &condition{}
}

func (p *conditionParser) chain(depth int) *condition {
	first := p.term(depth)
	op := p.connective()
	if op == opOpaque {
		return first
	}
	c := &condition{op: op, parts: []*condition{first}}
	for p.connective() == op {
		p.next()
		c.parts = append(c.parts, p.term(depth))
	}
	if p.connective() != opOpaque {
		return p.fail("AND beside OR needs parentheses")
	}
	return c
}

func (p *conditionParser) connective() conditionOp {
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
		p.fail("it is nested more than %d deep", maxNesting)
	}
	if p.lost {
		return &condition{}
	}
	switch strings.ToLower(p.token) {
	case "!", "not":
		p.next()
		return &condition{op: opNot, parts: []*condition{p.term(depth + 1)}}
	case "(":
		p.next()
		c := p.chain(depth + 1)
		if p.token != ")" {
			return p.fail("a parenthesis is not closed")
		}
		p.next()
		return c
	case "actionmatches":
		return p.matches(opActionMatches)
	case "suboperationmatches":
		return p.matches(opSubOperationMatches)
	}
	return p.leaf()
}

// matches reads {'pattern'} behind a word.
func (p *conditionParser) matches(op conditionOp) *condition {
	p.next()
	items, ok := p.set()
	if !ok || len(items) != 1 || !items[0].quoted {
		return p.fail("one pattern is wanted, as in {'*/read'}")
	}
	p.next()
	return &condition{op: op, pattern: strings.TrimSpace(items[0].text)}
}

// leaf reads what is about attributes, or skips what of it is not understood.
func (p *conditionParser) leaf() *condition {
	if !p.inLeaf() {
		return p.fail("a comparison is wanted instead of %q", p.token)
	}
	c := p.about()
	if p.inLeaf() {
		c = p.doubt("AND or OR is wanted instead of %q", p.token)
	}
	for p.inLeaf() {
		p.next()
	}
	return c
}

func (p *conditionParser) inLeaf() bool {
	return p.connective() == opOpaque && p.token != "" && p.token != "(" && p.token != ")" && p.token != "!"
}

func (p *conditionParser) about() *condition {
	if strings.EqualFold(p.token, "exists") {
		p.next()
		attr, ok := p.attribute()
		if !ok {
			return p.doubt("an attribute is wanted, as in @Request[name]")
		}
		return &condition{op: opExists, attr: attr}
	}
	left, ok := p.side()
	if !ok {
		return p.doubt("an attribute or a value is wanted instead of %q", p.token)
	}
	c := &condition{op: opCompare}
	if !p.operator(&c.comparison) {
		return p.doubt("%q is no operator", p.token)
	}
	p.next()
	right, ok := p.side()
	if !ok {
		return p.doubt("an attribute or a value is wanted instead of %q", p.token)
	}
	if !left.settle(&c.comparison, &c.left) || !right.settle(&c.comparison, &c.right) {
		return p.doubt("a value does not suit the operator")
	}
	return c
}

// operator reads an operator with its quantifier.
func (p *conditionParser) operator(c *comparison) (ok bool) {
	name := strings.ToLower(p.token)
	if q, of, many := strings.Cut(name, ":"); many {
		c.many, name = true, of
		if c.quantifier, ok = quantifiers[q]; !ok {
			return false
		}
	}
	c.operator, ok = operators[name]
	return ok && (!c.many || c.sets)
}

// written is a side as it stands in the text.
type written struct {
	attr  attribute
	items []item // nil: it is the attribute
}

type item struct {
	text   string
	quoted bool
}

func (p *conditionParser) side() (w written, ok bool) {
	switch {
	case strings.HasPrefix(p.token, "@"):
		w.attr, ok = p.attribute()
		return w, ok
	case strings.HasPrefix(p.token, "{"):
		w.items, ok = p.set()
	default:
		var one item
		one, ok = p.item()
		w.items = []item{one}
	}
	if ok {
		p.next()
	}
	return w, ok
}

// settle takes the items of a side for values of the operator's kind: texts and times are quoted, GUIDs may be.
func (w written) settle(c *comparison, s *side) bool {
	s.attr = w.attr
	if len(w.items) > 1 && !c.many {
		return false
	}
	for _, i := range w.items {
		v, ok := c.kind.parse(i.text)
		if !ok || i.quoted && !c.kind.mayBeQuoted() || !i.quoted && !c.kind.mayBeBare() {
			return false
		}
		s.values = append(s.values, v)
	}
	return true
}

func (k kind) mayBeQuoted() bool { return k == kindString || k == kindTime || k == kindGUID }
func (k kind) mayBeBare() bool   { return k != kindString && k != kindTime }

// attribute reads @Source[name].
func (p *conditionParser) attribute() (a attribute, ok bool) {
	word, found := strings.CutPrefix(p.token, "@")
	for i, name := range sourceNames {
		if found && strings.EqualFold(word, name) {
			a.source, ok = source(i), true
		}
	}
	if !ok {
		return a, false
	}
	p.next()
	name, opened := strings.CutPrefix(p.token, "[")
	name, closed := strings.CutSuffix(name, "]")
	if a.name = strings.TrimSpace(name); !opened || !closed || a.name == "" {
		return a, false
	}
	if !wellFormed(a.name) {
		p.doubt("%s attribute %s is not valid", sourceNames[a.source], a.name)
		p.err.Source, p.err.Name = sourceNames[a.source], a.name
		return a, false
	}
	p.next()
	return a, true
}

// wellFormed reports whether a name has no blanks, and what stands in dollar signs is a known mark.
func wellFormed(name string) bool {
	name = strings.Replace(name, "&$keys$&", "", 1)
	if end := len(name) - len(keyed); end > 0 && strings.EqualFold(name[end:], keyed) {
		path, key, found := strings.Cut(name[:end], ":")
		return found && path != "" && key != "" && !strings.ContainsAny(path, " \t\r\n$<>")
	}
	return !strings.ContainsAny(name, " \t\r\n$<>@")
}

// set reads what stands in braces: items with commas between them.
func (p *conditionParser) set() ([]item, bool) {
	inner, opened := strings.CutPrefix(p.token, "{")
	inner, closed := strings.CutSuffix(inner, "}")
	if !opened || !closed {
		return nil, false
	}
	var items []item
	sub := conditionParser{text: inner, rest: inner}
	for {
		sub.next()
		one, ok := sub.item()
		if !ok {
			return nil, false
		}
		items = append(items, one)
		if sub.next(); sub.token == "" {
			return items, sub.err == nil
		}
		if sub.token != "," {
			return nil, false
		}
	}
}

// item reads a value: a text in quotes, or a word.
func (p *conditionParser) item() (item, bool) {
	if inner, quoted := strings.CutPrefix(p.token, "'"); quoted {
		inner, closed := strings.CutSuffix(inner, "'")
		return item{strings.ReplaceAll(inner, `\'`, "'"), true}, closed
	}
	return item{p.token, false}, p.token != "" && strings.IndexByte("{}[]@,&|", p.token[0]) < 0
}

// next reads a token: a sign, a quoted, bracketed or braced text, or a word.
func (p *conditionParser) next() {
	p.token = ""
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	n := 0
	switch {
	case p.rest == "":
	case strings.HasPrefix(p.rest, "&&"), strings.HasPrefix(p.rest, "||"):
		n = 2
	case strings.IndexByte("()!,", p.rest[0]) >= 0:
		n = 1
	case strings.IndexByte("'{[", p.rest[0]) >= 0:
		n = p.enclosed()
	default:
		n = strings.IndexAny(p.rest[1:], " \t\r\n()!&|'{}[],") + 1
		if n == 0 {
			n = len(p.rest)
		}
	}
	p.token, p.rest = p.rest[:n], p.rest[n:]
}

// enclosed is the length of a quoted, bracketed or braced text. Quotes hide what closes braces; a backslash hides a quote.
func (p *conditionParser) enclosed() int {
	closing := map[byte]byte{'\'': '\'', '{': '}', '[': ']'}[p.rest[0]]
	quoted := closing == '\''
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '\\' && quoted:
			i++
		case c == '\'' && closing == '}':
			quoted = !quoted
		case c == closing && (closing != '}' || !quoted):
			return i + 1
		}
	}
	p.fail("%q is not closed", p.rest[:1])
	return len(p.rest)
}
