package rbac

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"aksid/internal/azure"
)

// kind is what an operator takes its values for.
type kind uint8

const (
	kindString kind = iota
	kindNumber      // whole
	kindTime
	kindGUID
	kindBool
)

// relation is what must hold between a value on the left and one on the right; the other operators are negations.
type relation uint8

const (
	equal relation = iota
	startsWith
	like
	less
	greater
)

type operator struct {
	kind     kind
	relation relation
	negated  bool
	fold     bool // case does not count
	sets     bool // takes sets of values, under a quantifier
}

// operators are all operators by lower-cased name.
var operators = func() map[string]operator {
	all := map[string]operator{}
	for prefix, o := range map[string]operator{"string": {kind: kindString, sets: true}, "numeric": {kind: kindNumber, sets: true},
		"datetime": {kind: kindTime}, "guid": {kind: kindGUID, sets: true}, "bool": {kind: kindBool}} {
		o.relation = equal
		all[prefix+"equals"], all[prefix+"notequals"] = o, o.not()
		if o.kind == kindNumber || o.kind == kindTime {
			o.relation = less
			all[prefix+"lessthan"], all[prefix+"greaterthanequals"] = o, o.not()
			o.relation = greater
			all[prefix+"greaterthan"], all[prefix+"lessthanequals"] = o, o.not()
		}
	}
	for name, o := range map[string]operator{"equals": {relation: equal, sets: true}, "like": {relation: like, sets: true}, "startswith": {relation: startsWith}} {
		all["string"+name], all["stringnot"+name] = o, o.not()
		o.fold = true
		all["string"+name+"ignorecase"], all["stringnot"+name+"ignorecase"] = o, o.not()
	}
	return all
}()

func (o operator) not() operator {
	o.negated = true
	return o
}

// quantifier says for which values on either side the relation must hold: for all, or for any.
type quantifier struct{ allLeft, allRight bool }

var quantifiers = map[string]quantifier{
	"foranyofanyvalues": {false, false},
	"forallofanyvalues": {true, false},
	"foranyofallvalues": {false, true},
	"forallofallvalues": {true, true},
}

// comparison is the leaf of a condition that compares two sides.
type comparison struct {
	operator
	quantifier
	many        bool // there is a quantifier; else each side is one value
	left, right side
}

// side is an attribute, or the values that a condition gives.
type side struct {
	attr   attribute
	values []value // nil: it is the attribute
}

// value is a value as an operator takes it.
type value struct {
	text   string
	number int64 // also a time, in ticks of 100 ns since 1970, and 1 for true
	guid   azure.GUID
}

// compare decides the comparison. With an attribute that is missing it is not met, whatever the other one is.
func (c *comparison) compare(r *Request) truth {
	left, t := c.left.of(r)
	right, u := c.right.of(r)
	switch {
	case t == no || u == no:
		return no
	case t == maybe || u == maybe:
		return maybe
	case !c.many:
		return truthOf(left.len() == 1 && right.len() == 1 && c.holds(left, right, 0, 0))
	}
	return truthOf(c.cross(left, right))
}

// cross is the comparison of every value with every other: all or any of the left with all or any of the right.
// Of no values all are right, and none.
func (c *comparison) cross(left, right operand) bool {
	for i := range left.len() {
		met := c.allRight
		for j := range right.len() {
			if met = c.holds(left, right, i, j); met != c.allRight {
				break
			}
		}
		if met != c.allLeft {
			return met
		}
	}
	return c.allLeft
}

func (c *comparison) holds(left, right operand, i, j int) bool {
	a, ok := left.at(c.kind, i)
	b, ok2 := right.at(c.kind, j)
	return ok && ok2 && c.relates(a, b) != c.negated
}

func (o *operator) relates(a, b value) bool {
	switch o.relation {
	case startsWith:
		return hasPrefix(a.text, b.text, o.fold)
	case like:
		return matchLike(b.text, a.text, o.fold)
	case less:
		return a.number < b.number
	case greater:
		return a.number > b.number
	}
	if o.fold {
		return strings.EqualFold(a.text, b.text)
	}
	return a == b
}

// operand is a side with its values at hand.
type operand struct {
	values []value
	attr   any
}

func (s *side) of(r *Request) (operand, truth) {
	if s.values != nil {
		return operand{values: s.values}, yes
	}
	v, t := s.attr.of(r)
	return operand{attr: v}, t
}

func (o operand) len() int {
	switch v := o.attr.(type) {
	case nil:
		return len(o.values)
	case []string:
		return len(v)
	case []any:
		return len(v)
	}
	return 1
}

func (o operand) at(k kind, i int) (value, bool) {
	switch v := o.attr.(type) {
	case nil:
		return o.values[i], true
	case []string:
		return k.parse(v[i])
	case []any:
		return k.read(v[i])
	}
	return k.read(o.attr)
}

// read takes the value of an attribute; false where it is none of the kind.
func (k kind) read(v any) (value, bool) {
	switch v := v.(type) {
	case string:
		return k.parse(v)
	case bool:
		return truthValue(v), k == kindBool
	case int:
		return value{number: int64(v)}, k == kindNumber
	case time.Time:
		return value{number: ticks(v)}, k == kindTime
	case azure.GUID:
		if k == kindString {
			return value{text: v.String()}, true
		}
		return value{guid: v}, k == kindGUID
	}
	return value{}, false
}

// maxValue bounds a text that is compared, in bytes; names in Azure are much shorter.
const maxValue = 8 << 10

// parse takes a text for a value of the kind.
func (k kind) parse(s string) (value, bool) {
	if len(s) > maxValue {
		return value{}, false
	}
	switch k {
	case kindNumber:
		n, err := strconv.ParseInt(s, 10, 64)
		return value{number: n}, err == nil
	case kindTime:
		return parseTime(s)
	case kindGUID:
		id, err := azure.ParseGUID(s)
		return value{guid: id}, err == nil
	case kindBool:
		is := strings.EqualFold(s, "true")
		return truthValue(is), is || strings.EqualFold(s, "false")
	}
	return value{text: s}, true
}

func truthValue(b bool) value {
	if b {
		return value{number: 1}
	}
	return value{}
}

// timeLayouts are the forms of times: the documented one, and shorter ones.
var timeLayouts = [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.9999999", time.DateOnly}

func parseTime(s string) (value, bool) {
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return value{number: ticks(t)}, true
		}
	}
	return value{}, false
}

// ticks is the precision that conditions compare times with.
func ticks(t time.Time) int64 { return t.Unix()*1e7 + int64(t.Nanosecond()/100) }

func sameRune(a, b rune, fold bool) bool {
	return a == b || fold && (unicode.ToLower(a) == unicode.ToLower(b) || unicode.ToUpper(a) == unicode.ToUpper(b))
}

func hasPrefix(s, prefix string, fold bool) bool {
	for _, want := range prefix {
		got, n := utf8.DecodeRuneInString(s)
		if n == 0 || !sameRune(got, want, fold) {
			return false
		}
		s = s[n:]
	}
	return true
}

// matchLike reports whether a text is like a pattern, in which * stands for any text and ? for one character;
// a backslash takes their meaning away, and its own.
func matchLike(pattern, s string, fold bool) bool {
	star, again := "", "" // behind the last *, and what of s it was tried on
	starred := false
	for {
		rest, any, want := likeStep(pattern)
		got, n := utf8.DecodeRuneInString(s)
		switch {
		case any == '*':
			star, again, starred, pattern = rest, s, true, rest
		case pattern == "" && n == 0:
			return true
		case n > 0 && pattern != "" && (any == '?' || sameRune(got, want, fold)):
			pattern, s = rest, s[n:]
		case !starred || again == "":
			return false
		default:
			_, n = utf8.DecodeRuneInString(again)
			again = again[n:]
			pattern, s = star, again
		}
	}
}

// likeStep takes the first character of a pattern: a wildcard, or one that is meant.
func likeStep(pattern string) (rest string, wildcard byte, want rune) {
	if pattern == "" {
		return "", 0, 0
	}
	switch pattern[0] {
	case '*', '?':
		return pattern[1:], pattern[0], 0
	case '\\':
		if len(pattern) > 1 && strings.IndexByte(`*?\`, pattern[1]) >= 0 {
			return pattern[2:], 0, rune(pattern[1])
		}
	}
	want, n := utf8.DecodeRuneInString(pattern)
	return pattern[n:], 0, want
}
