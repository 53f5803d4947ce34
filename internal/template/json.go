package template

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of a text.
const (
	maxText  = 4 << 20 // bytes; ARM's own limit of a template
	maxDepth = 256     // of nested objects and arrays; each module of Bicep adds four
	maxName  = 4096    // bytes of a property's name
)

type kind uint8

const (
	nullNode kind = iota
	boolNode
	numberNode
	stringNode
	arrayNode
	objectNode
)

// node is a value as it was written. Objects and arrays stand where they open, other values where they end, as ARM counts.
type node struct {
	kind      kind
	text      string // of strings; of numbers and booleans as written
	items     []*node
	fields    []field
	line, col int32
	expr      *expr // what a string in brackets says
	exprErr   error // why that cannot be read
	escaped   bool  // of a string that begins with [[: it stands for one that begins with [
}

// field is a member of an object.
type field struct {
	name  *node // a string: names can be expressions
	value *node
}

// get finds a member without case, as ARM does; nil if there is none.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for _, f := range n.fields {
		if strings.EqualFold(f.name.text, name) {
			return f.value
		}
	}
	return nil
}

// str is the text of a string, or "".
func (n *node) str() string {
	if n == nil || n.kind != stringNode {
		return ""
	}
	return n.text
}

// pathTo spells where target stands below n, as in resources[3].type; "" if it does not.
func (n *node) pathTo(target *node) string {
	path, _ := n.search(target, "")
	return path
}

func (n *node) search(target *node, path string) (string, bool) {
	if n == target {
		return path, true
	}
	for i, item := range n.items {
		if p, ok := item.search(target, path+"["+strconv.Itoa(i)+"]"); ok {
			return p, true
		}
	}
	for _, f := range n.fields {
		if p, ok := f.value.search(target, strings.TrimPrefix(path+"."+f.name.text, ".")); ok {
			return p, true
		}
	}
	return "", false
}

// parser reads JSON as leniently as ARM's reader does (Newtonsoft.Json): comments, line breaks in strings, names without
// quotes, single quotes, a comma too many. Each is found in templates, or in the body that az makes of one.
type parser struct {
	text      string
	at        int
	line      int
	lineStart int
	path      []string
	plain     bool // strings in brackets are no expressions
}

// parse reads one value; plain says that strings are data, not expressions. Its faults are in Newtonsoft's words.
func parse(b []byte, plain bool) (n *node, err error) {
	if len(b) > maxText {
		return nil, faultf("The size of the content '%d' exceeds the limit of '%d' bytes.", len(b), maxText)
	}
	text := strings.TrimPrefix(string(b), "\ufeff")
	if !utf8.ValidString(text) {
		return nil, fault("The content is not UTF-8.")
	}
	p := &parser{text: text, line: 1, plain: plain}
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(fault)
			if !ok {
				panic(r)
			}
			n, err = nil, f
		}
	}()
	n = p.value()
	if c := p.next(); c != 0 {
		p.failf("Additional text encountered after finished reading JSON content: %s.", string(c))
	}
	return n, nil
}

// failf leaves the parser; parse catches it.
func (p *parser) failf(format string, args ...any) {
	panic(fault(fmt.Sprintf(format, args...) + fmt.Sprintf(" Path '%s', line %d, position %d.",
		strings.TrimPrefix(strings.Join(p.path, ""), "."), p.line, p.column())))
}

func (p *parser) column() int { return p.at - p.lineStart }

// next skips white space and comments, and shows the character that follows; 0 at the end.
func (p *parser) next() rune {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '\n':
			p.newline()
		case c == ' ' || c == '\t' || c == '\r':
			p.at++
		case c == '/':
			p.comment()
		default:
			r, _ := utf8.DecodeRuneInString(p.text[p.at:])
			return r
		}
	}
	return 0
}

func (p *parser) newline() {
	p.at++
	p.line, p.lineStart = p.line+1, p.at
}

func (p *parser) comment() {
	rest := p.text[p.at:]
	end := -1
	switch {
	case strings.HasPrefix(rest, "//"):
		if end = strings.IndexByte(rest, '\n'); end < 0 {
			end = len(rest)
		}
	case strings.HasPrefix(rest, "/*"):
		if end = strings.Index(rest[2:], "*/"); end < 0 {
			p.failf("Unexpected end while parsing comment.")
		}
		end += 4
	default:
		p.failf("Error parsing comment. Expected: *, got %s.", strings.TrimPrefix(rest[:min(2, len(rest))], "/"))
	}
	for stop := p.at + end; p.at < stop; {
		if p.text[p.at] == '\n' {
			p.newline()
		} else {
			p.at++
		}
	}
}

func (p *parser) value() *node {
	if len(p.path) > maxDepth {
		p.failf("The reader's MaxDepth of %d has been exceeded.", maxDepth)
	}
	switch c := p.next(); {
	case c == '{':
		return p.object()
	case c == '[':
		return p.array()
	case c == '"' || c == '\'':
		return p.string()
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	case c == 0:
		p.failf("Unexpected end when reading JSON.")
	}
	return p.keyword()
}

// mark is a node that stands at the current character.
func (p *parser) mark(k kind) *node {
	return &node{kind: k, line: int32(p.line), col: int32(p.column() + 1)}
}

// ends places a node at the character before the current one.
func (p *parser) ends(n *node) *node {
	n.line, n.col = int32(p.line), int32(p.column())
	return n
}

func (p *parser) object() *node {
	n := p.mark(objectNode)
	index := map[string]int{}
	p.at++
	for {
		c := p.next()
		if c == '}' {
			p.at++
			return n
		}
		name := p.name(c)
		p.path = append(p.path, "."+name.text)
		if c := p.next(); c != ':' {
			p.failf("Invalid character after parsing property name. Expected ':' but got: %s.", shown(c))
		}
		p.at++
		v := p.value()
		p.path = p.path[:len(p.path)-1]
		if i, ok := index[name.text]; ok {
			n.fields[i].value = v // the last one counts
		} else {
			index[name.text] = len(n.fields)
			n.fields = append(n.fields, field{name, v})
		}
		p.separator('}')
	}
}

// separator passes a comma, and leaves the closing bracket.
func (p *parser) separator(closing rune) {
	switch c := p.next(); c {
	case ',':
		p.at++
	case closing:
	case 0:
		p.failf("Unexpected end of content while loading JSON.")
	default:
		p.failf("After parsing a value an unexpected character was encountered: %s.", shown(c))
	}
}

func shown(c rune) string {
	if c == 0 {
		return "the end"
	}
	return string(c)
}

func (p *parser) name(c rune) *node {
	var n *node
	switch {
	case c == '"' || c == '\'':
		n = p.string()
	case bareName(c):
		start := p.at
		for p.at < len(p.text) && bareName(rune(p.text[p.at])) {
			p.at++
		}
		n = p.ends(&node{kind: stringNode, text: p.text[start:p.at]})
	default:
		p.failf("Invalid property identifier character: %s.", shown(c))
	}
	if len(n.text) > maxName {
		p.failf("The name of a property is longer than %d bytes.", maxName)
	}
	return n
}

func bareName(c rune) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (p *parser) array() *node {
	n := p.mark(arrayNode)
	p.at++
	for {
		if p.next() == ']' {
			p.at++
			return n
		}
		p.path = append(p.path, "["+strconv.Itoa(len(n.items))+"]")
		n.items = append(n.items, p.value())
		p.path = p.path[:len(p.path)-1]
		p.separator(']')
	}
}

func (p *parser) string() *node {
	quote := p.text[p.at]
	p.at++
	var b strings.Builder
	for {
		if p.at == len(p.text) {
			p.failf("Unterminated string. Expected delimiter: %c.", quote)
		}
		switch c := p.text[p.at]; c {
		case quote:
			p.at++
			n := p.ends(&node{kind: stringNode, text: b.String()})
			if !p.plain {
				n.readExpression()
			}
			return n
		case '\\':
			p.escape(&b)
		case '\n':
			b.WriteByte(c)
			p.newline()
		default:
			b.WriteByte(c)
			p.at++
		}
	}
}

const escapes = `"\/bfnrt'`

func (p *parser) escape(b *strings.Builder) {
	rest := p.text[p.at:]
	if len(rest) < 2 {
		p.failf("Unterminated string.")
	}
	if rest[1] == 'u' {
		p.unicode(b)
		return
	}
	i := strings.IndexByte(escapes, rest[1])
	if i < 0 {
		p.failf("Bad JSON escape sequence: \\%c.", rest[1])
	}
	b.WriteByte("\"\\/\b\f\n\r\t'"[i])
	p.at += 2
}

// unicode reads \uXXXX, and a second one where the two make one character.
func (p *parser) unicode(b *strings.Builder) {
	end := min(p.at+6, len(p.text))
	if strings.HasPrefix(p.text[end:], `\u`) {
		end = min(end+6, len(p.text))
	}
	for _, n := range []int{12, 6} {
		var s string
		if p.at+n > end {
			continue
		}
		piece := p.text[p.at : p.at+n]
		if json.Unmarshal([]byte(`"`+piece+`"`), &s) == nil && (n == 6 || utf8.RuneCountInString(s) == 1) {
			b.WriteString(s)
			p.at += n
			return
		}
	}
	p.failf("Invalid Unicode escape sequence: %s.", p.text[p.at:min(p.at+6, len(p.text))])
}

func (p *parser) number() *node {
	start := p.at
	for p.at < len(p.text) && strings.IndexByte("+-.0123456789eE", p.text[p.at]) >= 0 {
		p.at++
	}
	n := p.ends(&node{kind: numberNode, text: p.text[start:p.at]})
	if !json.Valid([]byte(n.text)) {
		p.failf("Input string '%s' is not a valid number.", n.text)
	}
	return n
}

func (p *parser) keyword() *node {
	for word, k := range map[string]kind{"null": nullNode, "true": boolNode, "false": boolNode} {
		if strings.HasPrefix(p.text[p.at:], word) {
			p.at += len(word)
			return p.ends(&node{kind: k, text: word})
		}
	}
	p.failf("Unexpected character encountered while parsing value: %s.", shown(p.next()))
	return nil
}
