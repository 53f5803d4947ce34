package arm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
)

// Doc is an ARM document: a JSON object with numbers kept as they were written.
// The member "_" is the local Azure's own and never leaves it.
type Doc = map[string]any

const (
	maxBody  = 4 << 20 // bytes; ARM's own limit for a request body is 4 MB
	maxDepth = 64      // of nested objects and arrays
)

// ParseDoc reads one JSON object of bounded size and depth.
func ParseDoc(b []byte) (Doc, error) {
	if len(b) > maxBody {
		return nil, fmt.Errorf("the content is %d bytes long, at most %d are allowed", len(b), maxBody)
	}
	depth := 0
	for scan := json.NewDecoder(bytes.NewReader(b)); ; {
		t, err := scan.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth > maxDepth {
			return nil, fmt.Errorf("the content is nested more than %d deep", maxDepth)
		}
	}
	var d Doc
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&d); err != nil {
		return nil, err
	}
	if dec.More() {
		return nil, errors.New("there is more than one JSON value")
	}
	if d == nil {
		return nil, errors.New("the content is not a JSON object")
	}
	return d, nil
}

// Get follows a path of members, as in "properties.sku.name"; nil where it ends early.
func Get(d Doc, path string) any {
	var v any = d
	for name := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// Str is Get for a text; "" for anything else.
func Str(d Doc, path string) string { s, _ := Get(d, path).(string); return s }

// Map is Get for an object; nil for anything else.
func Map(d Doc, path string) Doc { m, _ := Get(d, path).(map[string]any); return m }

// List is Get for an array; nil for anything else.
func List(d Doc, path string) []any { l, _ := Get(d, path).([]any); return l }

// Bool is Get for a boolean; false for anything else.
func Bool(d Doc, path string) bool { b, _ := Get(d, path).(bool); return b }

// Int is Get for a whole number; 0 for anything else.
func Int(d Doc, path string) int {
	switch n := Get(d, path).(type) {
	case json.Number:
		i, _ := n.Int64()
		return int(i)
	case float64:
		return int(n)
	case int:
		return n
	}
	return 0
}

// Set writes a member and makes the objects on the way.
func Set(d Doc, path string, v any) {
	names := strings.Split(path, ".")
	for _, name := range names[:len(names)-1] {
		next, ok := d[name].(map[string]any)
		if !ok {
			next = Doc{}
			d[name] = next
		}
		d = next
	}
	d[names[len(names)-1]] = v
}

// Unset removes a member; nothing there is no error.
func Unset(d Doc, path string) {
	at := strings.LastIndexByte(path, '.')
	if at >= 0 {
		d, path = Map(d, path[:at]), path[at+1:]
	}
	delete(d, path)
}

// Default is Set where there is nothing yet.
func Default(d Doc, path string, v any) {
	if Get(d, path) == nil {
		Set(d, path, v)
	}
}

// Each calls fn with every value that a path reaches: "a[].b" goes through an array, "a{}" yields an object's member names.
func Each(d Doc, path string, fn func(any)) { each(d, path, fn) }

func each(v any, path string, fn func(any)) {
	if path == "" {
		if v != nil {
			fn(v)
		}
		return
	}
	name, rest, _ := strings.Cut(path, ".")
	base := strings.TrimRight(name, "[]{}")
	m, ok := v.(map[string]any)
	if !ok {
		return
	}
	v = m[base]
	switch name[len(base):] {
	case "[]":
		l, _ := v.([]any)
		for _, e := range l {
			each(e, rest, fn)
		}
	case "{}":
		keys, _ := v.(map[string]any)
		for k := range keys {
			fn(k)
		}
	default:
		each(v, rest, fn)
	}
}

// Clone copies a document deeply.
func Clone(d Doc) Doc { c, _ := clone(d).(Doc); return c }

func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		c := make(Doc, len(v))
		for k, e := range v {
			c[k] = clone(e)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, e := range v {
			c[i] = clone(e)
		}
		return c
	}
	return v
}

// merge is JSON merge patch (RFC 7396) of patch into d: objects merge, everything else replaces, null removes.
func merge(d, patch Doc) Doc {
	out := maps.Clone(d)
	if out == nil {
		out = Doc{}
	}
	for k, v := range patch {
		if sub, ok := v.(map[string]any); ok {
			old, _ := out[k].(map[string]any)
			out[k] = merge(old, sub)
		} else if v == nil {
			delete(out, k)
		} else {
			out[k] = v
		}
	}
	return out
}
