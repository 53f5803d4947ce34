package template

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A value is nil, a bool, an int64, a json.Number (any other number), a string, []any, *object or *Unknown;
// as an argument of a function also a *lambda.

// object is a JSON object that remembers the order of its members, which texts and messages show.
type object struct {
	names   []string
	values  map[string]any // by lower-cased name: ARM finds properties without case
	lenient bool           // see Lenient
}

func newObject(pairs ...any) *object {
	o := &object{values: make(map[string]any, len(pairs)/2)}
	for i := 0; i < len(pairs); i += 2 {
		o.set(pairs[i].(string), pairs[i+1])
	}
	return o
}

func (o *object) set(name string, v any) {
	key := strings.ToLower(name)
	if _, ok := o.values[key]; !ok {
		o.names = append(o.names, name)
	}
	o.values[key] = v
}

func (o *object) get(name string) (any, bool) {
	v, ok := o.values[strings.ToLower(name)]
	return v, ok
}

// each visits the members in order.
func (o *object) each(visit func(name string, v any)) {
	for _, name := range o.names {
		visit(name, o.values[strings.ToLower(name)])
	}
}

// typeName is how ARM's messages call a value's type.
func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "Null"
	case bool:
		return "Boolean"
	case int64:
		return "Integer"
	case json.Number:
		return "Float"
	case string:
		return "String"
	case []any:
		return "Array"
	case *lambda:
		return "Lambda"
	case *Unknown:
		return "Unknown " + v.Expr
	}
	return "Object"
}

// data is what a node stands for where it is no part of a template: a parameter's value, or text read by json().
func (n *node) data() any {
	switch n.kind {
	case boolNode:
		return n.text == "true"
	case numberNode:
		return number(n.text)
	case stringNode:
		return n.text
	case arrayNode:
		list := make([]any, 0, len(n.items))
		for _, item := range n.items {
			list = append(list, item.data())
		}
		return list
	case objectNode:
		o := newObject()
		for _, f := range n.fields {
			o.set(f.name.text, f.value.data())
		}
		return o
	}
	return nil
}

func number(text string) any {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i
	}
	return json.Number(text)
}

// fromPlain makes a value of plain Go data: nil, bool, numbers, string, []any, map[string]any and *Unknown.
func fromPlain(v any) any {
	switch v := v.(type) {
	case json.Number:
		return number(v.String())
	case int:
		return int64(v)
	case float64:
		return number(strconv.FormatFloat(v, 'f', -1, 64))
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = fromPlain(v[i])
		}
		return list
	case map[string]any:
		o := newObject()
		for _, name := range slices.Sorted(maps.Keys(v)) {
			o.set(name, fromPlain(v[name]))
		}
		return o
	case Lenient:
		o := fromPlain(map[string]any(v)).(*object)
		o.lenient = true
		return o
	}
	return v
}

// plain is the opposite of fromPlain: numbers become json.Number.
func (r *run) plain(v any) any {
	r.spend(1)
	switch v := v.(type) {
	case int64:
		return json.Number(strconv.FormatInt(v, 10))
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = r.plain(v[i])
		}
		return list
	case *object:
		m := make(map[string]any, len(v.names))
		v.each(func(name string, x any) { m[name] = r.plain(x) })
		return m
	case *Unknown:
		if len(v.Choices) > 0 {
			c := *v
			c.Choices = r.plain(v.Choices).([]any)
			return &c
		}
	}
	return v
}

// known reports whether v has no unknown part.
func (r *run) known(v any) bool {
	r.spend(1)
	switch v := v.(type) {
	case *Unknown:
		return false
	case []any:
		return !slices.ContainsFunc(v, func(x any) bool { return !r.known(x) })
	case *object:
		for _, x := range v.values {
			if !r.known(x) {
				return false
			}
		}
	}
	return true
}

// equal compares as JToken.DeepEquals does: with case, without conversion, members in any order.
func (r *run) equal(a, b any) bool {
	r.spend(1)
	switch a := a.(type) {
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, r.equal)
	case *object:
		b, ok := b.(*object)
		if !ok || len(a.names) != len(b.names) {
			return false
		}
		return !slices.ContainsFunc(a.names, func(name string) bool {
			x, _ := a.get(name)
			y, ok := b.get(name)
			return !ok || !r.equal(x, y)
		})
	case *Unknown:
		b, ok := b.(*Unknown)
		return ok && a.Expr == b.Expr
	case json.Number, int64:
		x, ok := float(a)
		y, other := float(b)
		return ok && other && x == y
	}
	return a == b
}

func float(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	}
	return 0, false
}

// text converts as string() does: JSON for arrays and objects, True and False for booleans.
func (r *run) text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		if v {
			return "True"
		}
		return "False"
	case string:
		return v
	}
	return string(r.json(nil, v))
}

// json appends v as compact JSON in Newtonsoft's spelling: members in order, letters beyond ASCII as they are.
func (r *run) json(b []byte, v any) []byte {
	r.spend(1)
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case json.Number:
		return append(b, v...)
	case string:
		r.spend(len(v))
		return quoteJSON(b, v)
	case []any:
		b = append(b, '[')
		for i, x := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = r.json(b, x)
		}
		return append(b, ']')
	case *object:
		b = append(b, '{')
		v.each(func(name string, x any) {
			if b[len(b)-1] != '{' {
				b = append(b, ',')
			}
			b = append(quoteJSON(b, name), ':')
			b = r.json(b, x)
		})
		return append(b, '}')
	case *Unknown:
		return quoteJSON(b, v.String())
	}
	return append(b, "null"...)
}

func quoteJSON(b []byte, s string) []byte {
	b = append(b, '"')
	for _, c := range s {
		if i := strings.IndexRune("\"\\\b\f\n\r\t", c); i >= 0 {
			b = append(b, '\\', "\"\\bfnrt"[i])
		} else if c < 0x20 || c == 0x85 || c == 0x2028 || c == 0x2029 {
			b = append(b, `\u`...)
			b = append(b, strconv.FormatInt(int64(c)+0x10000, 16)[1:]...)
		} else {
			b = utf8.AppendRune(b, c)
		}
	}
	return append(b, '"')
}

// write spells a value as an expression, for Unknown.Expr.
func (r *run) write(b *strings.Builder, v any) {
	if b.Len() > maxUnknown {
		return // it will be cut off anyway
	}
	r.spend(1)
	switch v := v.(type) {
	case nil:
		b.WriteString("null()")
	case bool:
		b.WriteString(strconv.FormatBool(v) + "()")
	case string:
		b.WriteString("'" + strings.ReplaceAll(v, "'", "''") + "'")
	case int64, json.Number:
		b.WriteString(r.text(v))
	case []any:
		r.writeCall(b, "createArray", v)
	case *object:
		var pairs []any
		v.each(func(name string, x any) { pairs = append(pairs, name, x) })
		r.writeCall(b, "createObject", pairs)
	case *Unknown:
		b.WriteString(v.Expr)
	case *lambda:
		b.WriteString(v.source)
	}
}

func (r *run) writeCall(b *strings.Builder, name string, args []any) {
	b.WriteString(name + "(")
	for i, a := range args {
		if i > 0 {
			b.WriteString(", ")
		}
		r.write(b, a)
	}
	b.WriteString(")")
}
