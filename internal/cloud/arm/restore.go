package arm

import (
	"iter"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
)

// Restore stores a document as it is, without the door's checks: what was read somewhere is put back. A child that is stored
// in its parent goes there; the parent is made if it is not there. It is false for a type that is not served;
// what has no documents of its own follows from others.
func (c *Call) Restore(id azure.ID, d Doc) (bool, error) {
	t := c.arm.reg.find(id.Type())
	switch {
	case t == nil:
		return false, nil
	case t.ReadOnly:
		return true, nil
	}
	d = Clone(d)
	delete(d, internal)
	d["id"], d["name"], d["type"] = id.String(), id.Name(), t.Shown
	if t.inside == nil {
		return true, c.save(t, id, d)
	}
	parent, err := c.Load(id.Parent())
	if err != nil {
		return false, err
	}
	if parent == nil {
		parent = Doc{"properties": Doc{}}
	}
	t.inside.insert(parent, d)
	return c.Restore(id.Parent(), parent)
}

// Stored yields every document of a resource, as its readers see it, without what the local Azure keeps for itself.
func (c *Call) Stored() iter.Seq2[Doc, error] {
	return func(yield func(Doc, error) bool) {
		for d, err := range decoded(c.Tx.Scan(directory.KindResource, "", "")) {
			if err == nil {
				d = c.Shown(azure.MustID(Str(d, "id")), d)
			}
			if !yield(d, err) {
				return
			}
		}
	}
}
