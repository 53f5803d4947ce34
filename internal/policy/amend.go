package policy

import (
	"strings"

	"aksid/internal/template"
)

// amendment is one operation of modify, or one field of append.
type amendment struct {
	operation string // add, addOrReplace or remove
	field     string
	value     any
}

// Amend carries out modify and append on a document, before it is written (Microsoft Learn: modify, append). It reports whether
// the document changed. An append that would change a value that is there is refused: conflict names the field.
func (d *Definition) Amend(doc map[string]any, r *Resource, values Values, about About) (changed bool, conflict string, err error) {
	e := newEvaluation(r, values, about)
	list, err := d.amendments(e)
	if err != nil {
		return false, "", err
	}
	effect, _, err := d.effectOf(values, about)
	if err != nil {
		return false, "", err
	}
	for _, a := range list {
		done, fits := a.apply(doc, r)
		if !fits && effect == Append {
			return changed, a.field, nil
		}
		changed = changed || done
	}
	return changed, "", nil
}

// amendments reads the operations of the details, without those whose condition does not hold.
func (d *Definition) amendments(e *evaluation) (all []amendment, err error) {
	written := listAt(d.rule.details, "operations")
	if list, ok := d.rule.details.([]any); ok {
		written = list
	}
	p := &parser{policy: d.Name}
	for _, w := range written {
		if c, ok := get(asObject(w), "condition"); ok {
			v, err := e.value(p.operand(c))
			if s, _ := scalar(v); err != nil || !strings.EqualFold(s, "true") {
				continue
			}
		}
		a := amendment{operation: strings.ToLower(textAt(w, "operation"))}
		if a.field, _, err = e.text(p.operand(at(w, "field"))); err != nil {
			return nil, err
		}
		if a.value, err = e.value(p.operand(at(w, "value"))); err != nil {
			return nil, err
		}
		if _, unknown := a.value.(*template.Unknown); !unknown {
			all = append(all, a)
		}
	}
	return all, nil
}

// apply changes a document; fits is false where add finds another value.
func (a amendment) apply(doc map[string]any, r *Resource) (changed, fits bool) {
	path := []string{"tags"}
	switch key := strings.ToLower(a.field); {
	case strings.HasPrefix(key, "tags.") || strings.HasPrefix(key, "tags["):
		path = append(path, tagName(a.field))
	case key == "tags" || key == "location" || strings.HasPrefix(key, "identity."):
		path = members(a.field)
	default:
		alias, ok := aliasOf(a.field)
		if !ok || !r.isType(alias.typ) {
			return false, true
		}
		path = alias.path
	}
	return a.set(doc, path)
}

// set walks to the place of the value, making objects on the way.
func (a amendment) set(m map[string]any, path []string) (changed, fits bool) {
	name := path[0]
	for k := range m {
		if strings.EqualFold(k, name) {
			name = k
		}
	}
	switch {
	case len(path) == 1:
		return a.put(m, name)
	case path[1] == "[*]":
		return a.setEach(m, name, path[2:])
	}
	below, ok := m[name].(map[string]any)
	if !ok {
		if m[name] != nil || a.operation == "remove" {
			return false, m[name] == nil
		}
		below = map[string]any{}
		m[name] = below
	}
	return a.set(below, path[1:])
}

func (a amendment) put(m map[string]any, name string) (changed, fits bool) {
	old, there := m[name]
	switch {
	case a.operation == "remove":
		delete(m, name)
		return there, true
	case there && same(old, a.value):
		return false, true
	case there && old != nil && a.operation != "addorreplace":
		return false, false
	}
	m[name] = a.value
	return true, true
}

// setEach changes the members of an array, or adds one.
func (a amendment) setEach(m map[string]any, name string, path []string) (changed, fits bool) {
	list, _ := m[name].([]any)
	if len(path) == 0 {
		if a.operation == "addorreplace" {
			list = nil
		}
		for _, x := range list {
			if same(x, a.value) {
				return false, true
			}
		}
		if a.operation == "remove" {
			return false, true
		}
		m[name] = append(append([]any{}, list...), a.value)
		return true, true
	}
	fits = true
	for _, x := range list {
		if o, ok := x.(map[string]any); ok {
			c, f := a.set(o, path)
			changed, fits = changed || c, fits && f
		}
	}
	return changed, fits
}
