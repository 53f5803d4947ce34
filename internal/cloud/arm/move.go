package arm

import (
	"errors"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

// Move is a set of resources that get ids in another resource group, with everything that stands below them.
type Move struct {
	Resources []azure.ID // of one resource group; none is a part of another
	Group     azure.ID   // where they go
}

// Target is the id that something gets with the move; what does not move keeps its own.
func (m Move) Target(id azure.ID) azure.ID {
	for _, from := range m.Resources {
		if from.Contains(id) {
			return azure.MustID(m.Group.String() + id.String()[len(from.GroupID().String()):])
		}
	}
	return id
}

// Has reports whether a resource is in the set, or a part of one that is.
func (m Move) Has(id azure.ID) bool { return !m.Target(id).Equal(id) }

// rewrite puts the new ids in the place of the old ones, in names of members too.
func (m Move) rewrite(v any) any {
	switch v := v.(type) {
	case string:
		if id, ok := reference(v); ok && m.Has(id) {
			return m.Target(id).String()
		}
	case []any:
		for i, e := range v {
			v[i] = m.rewrite(e)
		}
	case map[string]any:
		out := make(Doc, len(v))
		for k, e := range v {
			out[m.rewrite(k).(string)] = m.rewrite(e)
		}
		return out
	}
	return v
}

// Unlocked refuses a write of another scope that a lock forbids; there is nothing to write of a type that is not served.
func (c *Call) Unlocked(scope azure.ID) *azure.Error {
	r := *c.Request
	if r.ID, r.Type = scope, c.arm.reg.find(scope.Type()); r.Type == nil {
		return nil
	}
	return (&Call{Request: &r, Tx: c.Tx, arm: c.arm}).unlocked()
}

// moving are the stored documents of one resource of the set and of all below it.
func (c *Call) moving(id azure.ID) ([]store.Doc, error) {
	self, err := c.Tx.Get(directory.KindResource, c.arm.reg.find(id.Type()).key(id))
	if err != nil {
		return nil, err
	}
	r := *c.Request
	r.ID = id
	below, err := (&Call{Request: &r, Tx: c.Tx, arm: c.arm}).below()
	return append(below, self), err
}

// Bound are the resources that keep one of the set where it is: those outside that refer to it or to a part of it and,
// where it goes to another subscription, those in a resource group that it refers to.
func (c *Call) Bound(m Move, id azure.ID) ([]azure.ID, error) {
	docs, err := c.moving(id)
	if err != nil {
		return nil, err
	}
	var bound []azure.ID
	for _, d := range docs {
		doc, err := decode(d.Body)
		if err != nil {
			return nil, err
		}
		if err := c.eachPart(doc, func(part azure.ID) error {
			for user, err := range c.Users(part) {
				if err != nil {
					return err
				}
				if !m.Has(user) {
					bound = append(bound, user)
				}
			}
			return nil
		}); err != nil {
			return nil, err
		}
		if strings.EqualFold(m.Group.Subscription(), id.Subscription()) {
			continue
		}
		eachUse(doc, func(target, _ azure.ID) {
			if target.ResourceGroup() != "" && !m.Has(target) && c.Serves(target.Type()) {
				bound = append(bound, target)
			}
		})
	}
	return bound, nil
}

// eachPart calls fn with a document's id and those of the children that are stored in it.
func (c *Call) eachPart(doc Doc, fn func(azure.ID) error) error {
	id, err := azure.ParseID(Str(doc, "id"))
	if err == nil {
		err = fn(id)
	}
	t := c.arm.reg.find(id.Type())
	for i := 0; err == nil && t != nil && i < len(t.Children); i++ {
		for _, e := range t.Children[i].elements(doc) {
			if err = fn(t.Children[i].id(doc, e)); err != nil {
				break
			}
		}
	}
	return err
}

// Relocate carries a move out: documents and what refers to them get the new ids, system-assigned identities follow
// their resources, and what Microsoft.Authorization keeps on them is gone (azure-facts: role assignments do not move).
func (c *Call) Relocate(m Move) *azure.Error {
	for _, id := range m.Resources {
		docs, err := c.moving(id)
		if err != nil {
			return Fault(err)
		}
		for _, d := range docs {
			if err := c.relocate(m, d); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Call) relocate(m Move, d store.Doc) *azure.Error {
	doc, err := decode(d.Body)
	if err != nil {
		return Fault(err)
	}
	id, err := azure.ParseID(Str(doc, "id"))
	if err != nil {
		return Fault(err)
	}
	t := c.arm.reg.find(id.Type())
	if t.Place == Any && strings.EqualFold(namespace(t.Name), namespace(TypeLock)) && t.Name != TypeLock {
		return c.removeOne(d)
	}
	if err := c.Tx.Delete(d.Kind, d.Key); err != nil {
		return Fault(err)
	}
	if err := followIdentity(c.Tx, doc, m.Target(id)); err != nil {
		return Fault(err)
	}
	return Fault(c.save(t, m.Target(id), m.rewrite(doc).(Doc)))
}

// followIdentity says where the principal is now that lives with a resource.
func followIdentity(tx store.Tx, doc Doc, to azure.ID) error {
	id, err := azure.ParseGUID(Str(doc, "identity.principalId"))
	if err != nil {
		return nil
	}
	p, err := directory.Get(tx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	p.Resource = to
	return directory.Put(tx, p)
}
