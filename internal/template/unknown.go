package template

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"aksid/internal/azure"
)

// Bounds of what an Unknown remembers.
const (
	maxUnknown = 4096 // bytes of an expression
	maxHole    = 200  // bytes of an expression inside a text
	maxRefs    = 256
	maxChoices = 16
)

// Unknown is a value that only the deployment will know.
type Unknown struct {
	Expr    string // the expression that gives it, with all that is known filled in; a very long one is cut off
	Text    string // of a string: its known parts, and the unknown ones as {expression}, with %2F for /
	Refs    []Ref  // what it comes from
	Choices []any  // the values that it can have, where it depends on a condition that is unknown

	ref   *Ref    // the property that it is, unchanged
	parts *object // properties that are known all the same
}

// Ref names what a deployment reads: a property of a resource, or what a list function answers.
type Ref struct {
	ID       azure.ID // of the resource; unknown parts stand as {expression}. Zero where the expression does not tell
	Path     string   // below the resource's document, as in properties.principalId; below the answer of a list function
	Function string   // the list function, as in listKeys; "" for the resource itself
	Version  string   // api-version it is read with; "" where the template does not say
}

// Ref is the property that u stands for, if it is that value and nothing made from it.
func (u *Unknown) Ref() (Ref, bool) {
	if u.ref == nil {
		return Ref{}, false
	}
	return *u.ref, true
}

// ID is the id that u will be, as far as it is known: unknown parts stand as {expression}.
func (u *Unknown) ID() (azure.ID, bool) {
	if !strings.HasPrefix(u.Text, "/") {
		return azure.ID{}, false
	}
	id, err := azure.ParseID(u.Text)
	return id, err == nil
}

// decided is what a function gives although an argument is unknown: a text that has known parts, as an id has, is not empty.
func decided(name string, args []any) (value, ok bool) {
	switch strings.ToLower(name) {
	case "empty":
		return false, len(args) == 1 && hasText(args[0])
	case "equals":
		return false, len(args) == 2 && (args[0] == "" && hasText(args[1]) || args[1] == "" && hasText(args[0]))
	}
	return false, false
}

// hasText reports whether a value that is unknown is a text that is not empty all the same.
func hasText(v any) bool {
	u, ok := v.(*Unknown)
	switch {
	case !ok:
		return false
	case len(u.Choices) > 0:
		return !slices.ContainsFunc(u.Choices, func(c any) bool { s, known := c.(string); return !hasText(c) && (!known || s == "") })
	}
	return u.Text != "" && !(strings.HasPrefix(u.Text, "{") && strings.HasSuffix(u.Text, "}"))
}

// String is the expression as a template would have it.
func (u *Unknown) String() string { return "[" + u.Expr + "]" }

// MarshalJSON prints String.
func (u *Unknown) MarshalJSON() ([]byte, error) { return json.Marshal(u.String()) }

// hole stands for u inside a text. It has no slash, so that ids keep their segments.
func (u *Unknown) hole() string {
	if u.Text != "" {
		return u.Text
	}
	return hole(u.Expr)
}

func hole(expr string) string {
	if len(expr) > maxHole {
		h := fnv.New64a()
		h.Write([]byte(expr))
		expr = strings.ToValidUTF8(expr[:maxHole/2], "") + "…" + strconv.FormatUint(h.Sum64(), 16)
	}
	return "{" + strings.ReplaceAll(strings.Map(printable, expr), "/", "%2F") + "}"
}

func printable(c rune) rune {
	if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 {
		return ' '
	}
	return c
}

// newUnknown is what a function gives whose arguments are not all known.
func (r *run) newUnknown(name string, args []any) *Unknown {
	var b strings.Builder
	r.writeCall(&b, name, args)
	u := &Unknown{Expr: cut(b.String())}
	for _, a := range args {
		r.collect(u, a)
	}
	return u
}

func cut(expr string) string {
	if len(expr) <= maxUnknown {
		return expr
	}
	h := fnv.New64a()
	h.Write([]byte(expr))
	return strings.ToValidUTF8(expr[:maxUnknown], "") + fmt.Sprintf("…%x", h.Sum64())
}

// collect adds the references of v's unknown parts to u.
func (r *run) collect(u *Unknown, v any) {
	r.spend(1)
	switch v := v.(type) {
	case *Unknown:
		for _, ref := range v.Refs {
			u.refer(ref)
		}
	case []any:
		for _, x := range v {
			r.collect(u, x)
		}
	case *object:
		for _, name := range v.names {
			x, _ := v.get(name)
			r.collect(u, x)
		}
	}
}

func (u *Unknown) refer(ref Ref) {
	if len(u.Refs) < maxRefs && !slices.Contains(u.Refs, ref) {
		u.Refs = append(u.Refs, ref)
	}
}

// reading is the Unknown that is a property of a resource, or the answer of a list function.
func reading(expr string, ref Ref) *Unknown {
	return &Unknown{Expr: cut(expr), Refs: []Ref{ref}, ref: &ref}
}

// choose is the value of a condition that is unknown. Equal possibilities are no choice.
func (r *run) choose(u *Unknown, values ...any) any {
	for _, v := range values {
		r.collect(u, v)
		if c, ok := v.(*Unknown); ok && len(c.Choices) > 0 {
			u.Choices = append(u.Choices, c.Choices...)
		} else {
			u.Choices = append(u.Choices, v)
		}
	}
	if len(u.Choices) > maxChoices {
		u.Choices = nil
		return u
	}
	for _, v := range values[1:] {
		if !r.equal(values[0], v) {
			return u
		}
	}
	return values[0]
}

// property is a part of an unknown value.
func (e *env) property(u *Unknown, key any) (any, error) {
	if name, ok := key.(string); ok && u.parts != nil {
		if v, ok := u.parts.get(name); ok {
			return v, nil
		}
	}
	v := &Unknown{Expr: cut(u.Expr + keyText(key)), Refs: u.Refs}
	if u.ref != nil {
		ref := *u.ref
		ref.Path = strings.TrimPrefix(ref.Path+pathText(key), ".")
		v.ref, v.Refs = &ref, []Ref{ref}
	}
	for _, c := range u.Choices {
		if part, err := e.access(c, key); err == nil {
			v.Choices = append(v.Choices, part)
		}
	}
	return v, nil
}

// keyText spells a property access in an expression.
func keyText(key any) string {
	switch key := key.(type) {
	case int64:
		return "[" + strconv.FormatInt(key, 10) + "]"
	case string:
		if name := (&exprParser{text: key}); name.word() == key && key != "" {
			return "." + key
		}
		return "['" + strings.ReplaceAll(key, "'", "''") + "']"
	case *Unknown:
		return "[" + key.Expr + "]"
	}
	return "[?]"
}

// pathText spells a property access in the path of a Ref.
func pathText(key any) string {
	if name, ok := key.(string); ok {
		return "." + name
	}
	return keyText(key)
}
