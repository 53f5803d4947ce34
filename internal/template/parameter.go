package template

import (
	"encoding/json"
	"strings"
)

// valueType is what a declaration says of its values, with $ref followed.
type valueType struct {
	frame *frame
	nodes []*node // the declaration, then what it refers to
}

const maxRefers = 32 // types that refer to types

func (f *frame) typeOf(n *node) valueType {
	t := valueType{f, []*node{n}}
	for len(t.nodes) < maxRefers {
		ref, ok := strings.CutPrefix(n.get("$ref").str(), "#/definitions/")
		if n = f.template.root.get("definitions").get(unescapePointer(ref)); !ok || n == nil {
			break
		}
		t.nodes = append(t.nodes, n)
	}
	return t
}

// unescapePointer reads a segment of a JSON pointer (RFC 6901).
func unescapePointer(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~1", "/"), "~0", "~")
}

// get is the nearest statement about a property of the type.
func (t valueType) get(name string) *node {
	for _, n := range t.nodes {
		if v := n.get(name); v != nil {
			return v
		}
	}
	return nil
}

func (t valueType) name() string { return lower(t.get("type").str()) }
func (t valueType) secure() bool { return strings.HasPrefix(t.name(), "secure") }
func (t valueType) nullable() bool {
	return t.get("nullable") != nil && t.get("nullable").text == "true"
}

// title is the type as ARM's answers spell it.
func (t valueType) title() string {
	switch name := t.name(); name {
	case "":
		return "Object"
	case "securestring":
		return "SecureString"
	case "secureobject":
		return "SecureObject"
	default:
		return strings.ToUpper(name[:1]) + name[1:]
	}
}

// tokens are Newtonsoft's names of what a parameter of a type takes.
var tokens = map[string]struct {
	kinds kinds
	words string
}{
	"string": {stringKind, "String, Uri"}, "securestring": {stringKind, "String, Uri"}, "int": {intKind, "Integer"}, "bool": {boolKind, "Boolean"},
	"array": {arrayKind, "Array"}, "object": {objectKind, "Object"}, "secureobject": {objectKind, "Object"},
}

// validate checks a value against the declaration of its parameter. What is unknown may be right.
func (f *frame) validate(p *declaration, v any) error {
	return f.typeOf(p.node).check(p.name, p.node, v, 0)
}

func (t valueType) check(name string, at *node, v any, depth int) error {
	if isUnknown(v) || v == nil && t.nullable() || depth > maxDepth {
		return nil
	}
	t.frame.run.spend(1)
	want, ok := tokens[t.name()]
	if ok && !want.kinds.fits(v) {
		return invalid(at, "Template parameter JToken type is not valid. Expected '%s'. Actual '%s'. "+seeFile, want.words, typeName(v))
	}
	if err := t.checkAllowed(name, at, v); err != nil {
		return err
	}
	switch v := v.(type) {
	case int64:
		return t.checkBounds(name, at, "minValue", "maxValue", "The value", v)
	case string:
		return t.checkBounds(name, at, "minLength", "maxLength", "Length of the value", int64(length(v)))
	case []any:
		if err := t.checkBounds(name, at, "minLength", "maxLength", "Length of the value", int64(len(v))); err != nil {
			return err
		}
		return t.checkItems(name, at, v, depth)
	case *object:
		return t.checkMembers(name, at, v, depth)
	}
	return nil
}

// checkAllowed compares with allowedValues; of an array, each element may be one of them.
func (t valueType) checkAllowed(name string, at *node, v any) error {
	allowed := t.get("allowedValues")
	if allowed == nil || t.isAllowed(allowed, v) {
		return nil
	}
	if list, ok := v.([]any); ok {
		all := true
		for _, x := range list {
			all = all && (isUnknown(x) || t.isAllowed(allowed, x))
		}
		if all {
			return nil
		}
	}
	var words []string
	for _, a := range allowed.items {
		words = append(words, t.frame.run.text(a.data()))
	}
	return invalid(at, "The provided value '%s' for the template parameter '%s' at line '%d' and column '%d' is not valid. The parameter value is not part of the allowed value(s): '%s'.",
		t.shown(v), name, at.line, at.col, clip(strings.Join(words, ",")))
}

func (t valueType) isAllowed(allowed *node, v any) bool {
	for _, a := range allowed.items {
		if t.frame.run.equal(a.data(), v) {
			return true
		}
	}
	return false
}

// shown is a value in a message; a secret is not.
func (t valueType) shown(v any) string {
	if t.secure() {
		return "********"
	}
	return clip(t.frame.run.text(v))
}

func (t valueType) checkBounds(name string, at *node, least, most, what string, n int64) error {
	for _, b := range []struct {
		limit, words string
		sign         int64
	}{{least, "greater than or equal to", 1}, {most, "less than or equal to", -1}} {
		limit, ok := t.limit(b.limit)
		if ok && (n-limit)*b.sign < 0 {
			return invalid(at, "The provided value for the template parameter '%s' is not valid. %s should be %s '%d'. "+seeParameters, name, what, b.words, limit)
		}
	}
	return nil
}

func (t valueType) limit(name string) (int64, bool) {
	n := t.get(name)
	if n == nil || n.kind != numberNode {
		return 0, false
	}
	v, err := json.Number(n.text).Int64()
	return v, err == nil
}

// checkItems checks the elements of an array against prefixItems and items.
func (t valueType) checkItems(name string, at *node, list []any, depth int) error {
	prefix, rest := t.get("prefixItems"), t.get("items")
	for i, v := range list {
		item := rest
		if prefix != nil && i < len(prefix.items) {
			item = prefix.items[i]
		}
		if !isObject(item) {
			continue
		}
		if err := t.frame.typeOf(item).check(name+"["+keyIndex(i)+"]", at, v, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func keyIndex(i int) string { return strings.Trim(keyText(int64(i)), "[]") }

// checkMembers checks an object's members: those that the type lists, and that there are no others where it is sealed.
func (t valueType) checkMembers(name string, at *node, o *object, depth int) error {
	if variant := t.variant(o); variant != nil {
		t.nodes = append([]*node{variant}, t.nodes...)
	}
	listed := declarations(t.get("properties"))
	others := t.get("additionalProperties")
	known := map[string]bool{}
	for _, m := range listed {
		known[lower(m.name)] = true
		v, ok := o.get(m.name)
		mt := t.frame.typeOf(m.node)
		if !ok && mt.nullable() {
			continue
		}
		if !ok {
			return invalid(at, "The provided value for the template parameter '%s' is not valid. The value is missing the required property '%s'. "+seeParameters, name, m.name)
		}
		if err := mt.check(name+"."+m.name, at, v, depth+1); err != nil {
			return err
		}
	}
	for _, member := range o.names {
		v, _ := o.get(member)
		switch {
		case known[lower(member)] || others == nil || t.get("discriminator").get("propertyName").str() == member:
		case others.kind == boolNode && others.text == "false":
			return invalid(at, "The provided value for the template parameter '%s' is not valid. The property '%s' is not allowed. "+seeParameters, name, member)
		case isObject(others):
			if err := t.frame.typeOf(others).check(name+"."+member, at, v, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// variant is the type that an object's discriminator chooses.
func (t valueType) variant(o *object) *node {
	d := t.get("discriminator")
	if d == nil {
		return nil
	}
	v, _ := o.get(d.get("propertyName").str())
	name, _ := v.(string)
	chosen := d.get("mapping").get(name)
	if chosen == nil {
		return nil
	}
	nodes := t.frame.typeOf(chosen).nodes
	return nodes[len(nodes)-1]
}
