package arm

import (
	"iter"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
)

// Back is a member that Azure computes: who refers to the resource. It is never stored.
type Back struct {
	Path string
	From []string // the last parts of the types of those that count, as "ipConfigurations"
	Form Form
}

// Form is how a Back is written.
type Form uint8

// Most are an array of {"id"}.
const (
	Many   Form = iota
	One         // {"id"}
	OnlyID      // the id
)

// users are those that refer to something, by the key of its id.
type users map[string][]azure.ID

// ownUsers are the references inside of a document.
func ownUsers(d Doc) users {
	u := users{}
	eachUse(d, func(target, holder azure.ID) { u[target.Key()] = append(u[target.Key()], holder) })
	for _, holders := range u {
		slices.SortFunc(holders, func(a, b azure.ID) int { return strings.Compare(a.Key(), b.Key()) })
	}
	return u
}

// eachUse calls fn with every reference in a document, and with who holds it: the innermost element with an id of
// its own that the reference stands in, as the ipConfiguration of a network interface.
func eachUse(d Doc, fn func(target, holder azure.ID)) {
	self, err := azure.ParseID(Str(d, "id"))
	if err != nil {
		return
	}
	for k, v := range d {
		if k != "id" && !strings.HasPrefix(k, internal) {
			eachUseIn(v, self, self, fn)
		}
	}
}

func eachUseIn(v any, self, holder azure.ID, fn func(target, holder azure.ID)) {
	switch v := v.(type) {
	case string:
		if target, ok := reference(v); ok {
			fn(target, holder)
		}
	case []any:
		for _, e := range v {
			eachUseIn(e, self, holder, fn)
		}
	case map[string]any:
		inside := holder
		if id, ok := reference(Str(v, "id")); ok {
			fn(id, holder)
			if self.Contains(id) && len(v) > 1 {
				inside = id
			}
		}
		for k, e := range v {
			if target, ok := reference(k); ok {
				fn(target, holder)
			}
			if k != "id" {
				eachUseIn(e, self, inside, fn)
			}
		}
	}
}

func reference(s string) (azure.ID, bool) {
	if !strings.HasPrefix(s, "/") {
		return azure.ID{}, false
	}
	id, err := azure.ParseID(s)
	return id, err == nil && id.Type() != ""
}

// Users yields who refers to a resource from other documents: the innermost element with an id, as an ipConfiguration.
func (c *Call) Users(target azure.ID) iter.Seq2[azure.ID, error] {
	return func(yield func(azure.ID, error) bool) {
		for d, err := range c.Tx.Find(target.Key()) {
			var doc *stored
			if err == nil && d.Kind != directory.KindResource {
				continue
			}
			if err == nil {
				doc, err = shared(d)
			}
			if err != nil {
				yield(azure.ID{}, err)
				return
			}
			for _, holder := range doc.own()[target.Key()] {
				if !yield(holder, nil) {
					return
				}
			}
		}
	}
}

// fillBack writes the members that tell who refers to a resource, or to a child of the document whose own references are given.
func (c *Call) fillBack(t *Type, d Doc, own users) {
	if len(t.Back) == 0 {
		return
	}
	id, err := azure.ParseID(Str(d, "id"))
	if err != nil {
		return
	}
	all := c.users(id, own)
	for _, b := range t.Back {
		b.fill(d, all)
	}
}

// users are all who refer to a resource.
func (c *Call) users(id azure.ID, own users) []azure.ID {
	all := slices.Clone(own[id.Key()])
	for user, err := range c.Users(id) {
		if err == nil {
			all = append(all, user)
		}
	}
	slices.SortFunc(all, func(a, b azure.ID) int { return strings.Compare(a.Key(), b.Key()) })
	return slices.CompactFunc(all, azure.ID.Equal)
}

func (b Back) fill(d Doc, all []azure.ID) {
	var refs []any
	for _, user := range all {
		if !slices.ContainsFunc(b.From, func(part string) bool { return strings.EqualFold(part, lastPart(user.Type())) }) {
			continue
		}
		switch b.Form {
		case One:
			Set(d, b.Path, Doc{"id": user.String()})
			return
		case OnlyID:
			Set(d, b.Path, user.String())
			return
		}
		refs = append(refs, Doc{"id": user.String()})
	}
	if refs != nil {
		Set(d, b.Path, refs)
	}
}

// dropBack removes the computed members, which clients send back as they read them.
func (t *Type) dropBack(d Doc) {
	for _, b := range t.Back {
		Unset(d, b.Path)
	}
	for i := range t.Children {
		ch := &t.Children[i]
		if ch.Flat {
			continue
		}
		for _, e := range ch.elements(d) {
			ch.Type.dropBack(e)
		}
	}
}

// lastPart is the end of a type's name.
func lastPart(typ string) string { return typ[strings.LastIndexByte(typ, '/')+1:] }
