package arm

import (
	"fmt"
	"strings"

	"aksid/internal/azure"
)

// members are what the members of every resource's document must be, where they are given.
var members = []struct {
	name string
	is   func(any) bool
}{
	{"properties", isObject}, {"identity", isObject}, {"sku", isObject}, {"plan", isObject}, {"extendedLocation", isObject},
	{"location", isText}, {"kind", isText}, {"managedBy", isText}, {"tags", isTags}, {"zones", isTexts},
}

func isObject(v any) bool { _, ok := v.(map[string]any); return ok }

func isText(v any) bool { _, ok := v.(string); return ok }

func isTexts(v any) bool {
	l, ok := v.([]any)
	for _, e := range l {
		ok = ok && isText(e)
	}
	return ok
}

func isTags(v any) bool {
	m, ok := v.(map[string]any)
	for _, e := range m {
		ok = ok && (e == nil || isText(e))
	}
	return ok
}

// shape refuses a document whose members are not of the kind that every provider relies on,
// and makes its properties an object.
func (c *Call) shape() *azure.Error {
	for _, m := range members {
		v, given := c.Doc[m.name]
		if given && v == nil {
			delete(c.Doc, m.name)
		} else if given && !m.is(v) {
			return badMember(m.name, v)
		}
	}
	Default(c.Doc, "properties", Doc{})
	for i := range c.Type.Children {
		ch := &c.Type.Children[i]
		v := Get(c.Doc, ch.Path)
		all, isList := v.([]any)
		if v != nil && !isList {
			return badMember(ch.Path, v)
		}
		for _, e := range all {
			m, _ := e.(map[string]any)
			respell(m, "name")
			if Str(m, "name") == "" {
				return badMember(ch.Path+"[].name", m["name"])
			}
			if p, given := m["properties"]; given && !isObject(p) {
				if p != nil {
					return badMember(ch.Path+"[].properties", p)
				}
				delete(m, "properties")
			}
		}
	}
	return nil
}

// respell finds a member that is written in another case, as "Name" in templates of az: ARM reads them without case.
func respell(m Doc, name string) {
	if _, ok := m[name]; ok {
		return
	}
	for k, v := range m {
		if strings.EqualFold(k, name) {
			delete(m, k)
			m[name] = v
			return
		}
	}
}

func badMember(path string, v any) *azure.Error {
	return azure.InvalidContent.Format(azure.Fields{"cause": fmt.Sprintf("Error converting value %.100q to the type of '%s'.", fmt.Sprint(v), path)})
}
