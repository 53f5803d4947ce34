package arm

import (
	"iter"
	"regexp"
	"slices"
	"strings"

	"aksid/internal/azure"
)

// segment is the collection's name in ids.
func (ch *Child) segment() string {
	return ch.Type.Name[strings.LastIndexByte(ch.Type.Name, '/')+1:]
}

func (ch *Child) elements(parent Doc) []Doc {
	var out []Doc
	for _, e := range List(parent, ch.Path) {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

func (ch *Child) element(parent Doc, name string) (int, Doc) {
	for i, e := range List(parent, ch.Path) {
		if m, ok := e.(map[string]any); ok && strings.EqualFold(Str(m, "name"), name) {
			return i, m
		}
	}
	return -1, nil
}

func (ch *Child) id(parent, e Doc) azure.ID {
	return azure.MustID(Str(parent, "id")).Join(ch.segment(), Str(e, "name"))
}

// project is an element as a document of its own.
func (ch *Child) project(parent, e Doc) Doc {
	d := Clone(e)
	if ch.Flat {
		name := d["name"]
		delete(d, "name")
		d = Doc{"name": name, "properties": d}
	}
	d["id"], d["type"] = ch.id(parent, e).String(), ch.Type.Shown
	return d
}

// insert puts a child's document back into the parent's array.
func (ch *Child) insert(parent, d Doc) {
	e := Clone(d)
	delete(e, internal)
	if ch.Flat {
		flat := Clone(Map(e, "properties"))
		if flat == nil {
			flat = Doc{}
		}
		flat["name"] = e["name"]
		e = flat
	}
	all := slices.Clone(List(parent, ch.Path))
	if i, _ := ch.element(parent, Str(d, "name")); i >= 0 {
		all[i] = e
	} else {
		all = append(all, e)
	}
	Set(parent, ch.Path, all)
}

func (ch *Child) remove(parent Doc, name string) {
	if i, _ := ch.element(parent, name); i >= 0 {
		Set(parent, ch.Path, slices.Delete(slices.Clone(List(parent, ch.Path)), i, i+1))
	}
}

// settle gives the children of a document what the provider computes: ids, etags, types, states.
func (t *Type) settle(d Doc) *azure.Error {
	for i := range t.Children {
		ch := &t.Children[i]
		if ch.Flat {
			continue
		}
		seen := map[string]bool{}
		for _, v := range List(d, ch.Path) {
			e, ok := v.(map[string]any)
			name := Str(e, "name")
			if !ok || !segmentRule.MatchString(name) {
				return azure.InvalidNameSegments.Format(azure.Fields{"name": name})
			}
			if seen[strings.ToLower(name)] {
				return duplicate(d, name)
			}
			seen[strings.ToLower(name)] = true
			e["id"], e["type"] = ch.id(d, e).String(), ch.Type.Shown
			if t.ETag {
				e["etag"] = d["etag"]
			}
			Default(e, "properties", Doc{})
			Set(e, "properties.provisioningState", "Succeeded")
		}
	}
	if len(t.Steps) == 0 && t.Tracked {
		Set(d, "properties.provisioningState", "Succeeded")
	}
	return t.checkOwn(d)
}

// segmentRule is what may stand as a name in an id.
var segmentRule = regexp.MustCompile(`^[^/\\?#%\x00-\x1f]{1,260}$`)

func duplicate(d Doc, name string) *azure.Error {
	err := azure.InvalidRequestFormat.Error()
	err.Details = []*azure.Error{azure.DuplicateResourceName.Format(azure.Fields{"id": Str(d, "id"), "name": name})}
	return err
}

// checkOwn refuses references inside of a document to a child that it does not have.
func (t *Type) checkOwn(d Doc) *azure.Error {
	if len(t.Children) == 0 {
		return nil
	}
	self := azure.MustID(Str(d, "id"))
	var bad *azure.Error
	eachUse(d, func(target, holder azure.ID) {
		if bad != nil || !self.Contains(target) || !target.Parent().Equal(self) {
			return
		}
		for i := range t.Children {
			ch := &t.Children[i]
			if j, _ := ch.element(d, target.Name()); !ch.Flat && strings.EqualFold(ch.Type.Name, target.Type()) && j < 0 {
				bad = azure.InvalidResourceReference.Format(azure.Fields{"target": target.String(), "id": holder.String()})
			}
		}
	})
	return bad
}

func (c *Call) listInside() iter.Seq2[Doc, error] {
	return func(yield func(Doc, error) bool) {
		parent, err := c.Load(c.ID)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, e := range c.Type.inside.elements(parent) {
			if !yield(c.Type.inside.project(parent, e), nil) {
				return
			}
		}
	}
}
