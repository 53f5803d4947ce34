package entra

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The part of OData's $filter that Microsoft Graph takes without advanced queries (OASIS OData 4.01, part 2, 5.1.1):
//
//	or      = and { "or" and }
//	and     = not { "and" not }
//	not     = "not" not | "(" or ")" | clause
//	clause  = "startswith" "(" name "," value ")"
//	        | name "eq" value
//	        | name "in" "(" value { "," value } ")"
//	        | name "/any(" variable ":" clause over the variable ")"
//	value   = 'text' | true | false | null | bare word (a GUID)
const (
	maxFilter      = 16 << 10 // bytes
	maxFilterDepth = 32
)

// object is a thing of the directory as Graph shows it.
type object = map[string]any

// filter is a parsed $filter.
type filter interface {
	match(object) bool
	String() string
}

type (
	andFilter    struct{ left, right filter }
	orFilter     struct{ left, right filter }
	notFilter    struct{ not filter }
	eqFilter     struct{ name, value literal }
	prefixFilter struct {
		name literal
		text literal
	}
	inFilter struct {
		name   literal
		values []literal
	}
	anyFilter struct {
		name     literal
		variable string
		each     filter // over an object that has only the variable
	}
)

// literal is a name or a value: text, or a bare word.
type literal struct {
	text   string
	quoted bool
}

func (l literal) String() string {
	if l.quoted {
		return "'" + strings.ReplaceAll(l.text, "'", "''") + "'"
	}
	return l.text
}

// equals compares as Graph does: text without case.
func (l literal) equals(v any) bool {
	switch v := v.(type) {
	case string:
		return (l.quoted || l.text != "null") && strings.EqualFold(l.text, v)
	case bool:
		return !l.quoted && l.text == strconv.FormatBool(v)
	case nil:
		return !l.quoted && l.text == "null"
	}
	return false
}

func (f andFilter) match(o object) bool { return f.left.match(o) && f.right.match(o) }
func (f orFilter) match(o object) bool  { return f.left.match(o) || f.right.match(o) }
func (f notFilter) match(o object) bool { return !f.not.match(o) }
func (f eqFilter) match(o object) bool  { return f.value.equals(o[f.name.text]) }

func (f prefixFilter) match(o object) bool {
	s, ok := o[f.name.text].(string)
	return ok && len(s) >= len(f.text.text) && strings.EqualFold(s[:len(f.text.text)], f.text.text)
}

func (f inFilter) match(o object) bool {
	return slices.ContainsFunc(f.values, func(v literal) bool { return v.equals(o[f.name.text]) })
}

func (f anyFilter) match(o object) bool {
	all, _ := o[f.name.text].([]string)
	return slices.ContainsFunc(all, func(v string) bool { return f.each.match(object{f.variable: v}) })
}

func (f andFilter) String() string { return "(" + f.left.String() + " and " + f.right.String() + ")" }
func (f orFilter) String() string  { return "(" + f.left.String() + " or " + f.right.String() + ")" }
func (f notFilter) String() string { return "not (" + f.not.String() + ")" }
func (f eqFilter) String() string  { return f.name.String() + " eq " + f.value.String() }
func (f prefixFilter) String() string {
	return "startswith(" + f.name.String() + "," + f.text.String() + ")"
}

func (f inFilter) String() string {
	var values []string
	for _, v := range f.values {
		values = append(values, v.String())
	}
	return f.name.String() + " in (" + strings.Join(values, ",") + ")"
}

func (f anyFilter) String() string {
	return f.name.String() + "/any(" + f.variable + ":" + f.each.String() + ")"
}

// unsupported is a property that a filter asks for and the resource does not offer.
type unsupported struct{ property string }

func (e unsupported) Error() string { return "property " + e.property + " cannot be filtered by" }

// parseFilter reads a $filter over the properties that may stand in one. An error is of type unsupported for any other
// property, else what is wrong with the filter.
func parseFilter(text string, properties []string) (filter, error) {
	if len(text) > maxFilter {
		return nil, fmt.Errorf("longer than %d bytes", maxFilter)
	}
	tokens, err := scanFilter(text)
	if err != nil {
		return nil, err
	}
	p := &filterParser{tokens: tokens, properties: properties}
	f, err := p.or()
	if err == nil && len(p.tokens) > 0 {
		err = fmt.Errorf("unexpected %s", p.tokens[0])
	}
	return f, err
}

// scanFilter splits a filter into quoted texts, bare words and the marks ( ) , : and /.
func scanFilter(text string) ([]literal, error) {
	var tokens []literal
	for text = strings.TrimLeft(text, " \t"); text != ""; text = strings.TrimLeft(text, " \t") {
		n := strings.IndexAny(text, " \t(),:/'")
		switch {
		case n < 0:
			n = len(text)
		case text[0] == '\'':
			value, length, err := scanText(text)
			if err != nil {
				return nil, err
			}
			tokens, text = append(tokens, literal{value, true}), text[length:]
			continue
		case n == 0:
			n = 1
		}
		tokens, text = append(tokens, literal{text: text[:n]}), text[n:]
	}
	return tokens, nil
}

// scanText reads a text in single quotes, in which two of them are one, and returns its length with them.
func scanText(s string) (string, int, error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			b.WriteByte(s[i])
		} else if i+1 < len(s) && s[i+1] == '\'' {
			b.WriteByte('\'')
			i++
		} else {
			return b.String(), i + 1, nil
		}
	}
	return "", 0, errors.New("a text is not closed")
}

type filterParser struct {
	tokens     []literal
	properties []string
	depth      int
}

// take consumes a bare word or mark if it comes next.
func (p *filterParser) take(word string) bool {
	if len(p.tokens) > 0 && !p.tokens[0].quoted && strings.EqualFold(p.tokens[0].text, word) {
		p.tokens = p.tokens[1:]
		return true
	}
	return false
}

func (p *filterParser) need(words ...string) error {
	for _, w := range words {
		if !p.take(w) {
			return fmt.Errorf("%q is missing", w)
		}
	}
	return nil
}

func (p *filterParser) next() (literal, error) {
	if len(p.tokens) == 0 {
		return literal{}, errors.New("it ends too early")
	}
	l := p.tokens[0]
	if !l.quoted && strings.ContainsAny(l.text, "(),:/") {
		return l, fmt.Errorf("unexpected %s", l)
	}
	p.tokens = p.tokens[1:]
	return l, nil
}

// name reads a property and gives it the spelling of the resource.
func (p *filterParser) name() (literal, error) {
	l, err := p.next()
	if err != nil {
		return l, err
	}
	if l.quoted {
		return l, fmt.Errorf("unexpected %s", l)
	}
	for _, known := range p.properties {
		if strings.EqualFold(known, l.text) {
			return literal{text: known}, nil
		}
	}
	return l, unsupported{l.text}
}

func (p *filterParser) or() (filter, error) {
	return p.chain("or", p.and, func(l, r filter) filter { return orFilter{l, r} })
}

func (p *filterParser) and() (filter, error) {
	return p.chain("and", p.not, func(l, r filter) filter { return andFilter{l, r} })
}

func (p *filterParser) chain(word string, part func() (filter, error), join func(l, r filter) filter) (filter, error) {
	left, err := part()
	for err == nil && p.take(word) {
		var right filter
		if right, err = part(); err == nil {
			left = join(left, right)
		}
	}
	return left, err
}

func (p *filterParser) not() (filter, error) {
	if p.depth++; p.depth > maxFilterDepth {
		return nil, errors.New("nested too deep")
	}
	defer func() { p.depth-- }()
	switch {
	case p.take("not"):
		f, err := p.not()
		return notFilter{f}, err
	case p.take("("):
		f, err := p.or()
		if err == nil {
			err = p.need(")")
		}
		return f, err
	}
	return p.clause()
}

func (p *filterParser) clause() (filter, error) {
	if p.take("startswith") {
		return p.prefix()
	}
	name, err := p.name()
	switch {
	case err != nil:
		return nil, err
	case p.take("eq"):
		value, err := p.next()
		return eqFilter{name, value}, err
	case p.take("in"):
		return p.in(name)
	case p.take("/"):
		return p.any(name)
	}
	return nil, fmt.Errorf("no operator that is supported follows %s", name)
}

func (p *filterParser) prefix() (filter, error) {
	if err := p.need("("); err != nil {
		return nil, err
	}
	name, err := p.name()
	if err == nil {
		err = p.need(",")
	}
	if err != nil {
		return nil, err
	}
	text, err := p.next()
	if err == nil {
		err = p.need(")")
	}
	return prefixFilter{name, text}, err
}

func (p *filterParser) in(name literal) (filter, error) {
	f := inFilter{name: name}
	err := p.need("(")
	for err == nil {
		var v literal
		if v, err = p.next(); err == nil {
			f.values = append(f.values, v)
			if !p.take(",") {
				return f, p.need(")")
			}
		}
	}
	return nil, err
}

func (p *filterParser) any(name literal) (filter, error) {
	if err := p.need("any", "("); err != nil {
		return nil, err
	}
	variable, err := p.next()
	if err == nil && variable.quoted {
		err = fmt.Errorf("unexpected %s", variable)
	}
	if err == nil {
		err = p.need(":")
	}
	if err != nil {
		return nil, err
	}
	inner := filterParser{tokens: p.tokens, properties: []string{variable.text}, depth: p.depth}
	each, err := inner.clause()
	p.tokens = inner.tokens
	if err == nil {
		err = p.need(")")
	}
	return anyFilter{name, variable.text, each}, err
}

// pinned is the value that a property, or an element of it, must have for a filter to match, if it names one.
func pinned(f filter, property string) (string, bool) {
	switch f := f.(type) {
	case eqFilter:
		return f.value.text, f.name.text == property
	case anyFilter:
		if f.name.text == property {
			return pinned(f.each, f.variable)
		}
	case andFilter:
		if v, ok := pinned(f.left, property); ok {
			return v, true
		}
		return pinned(f.right, property)
	}
	return "", false
}
