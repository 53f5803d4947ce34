package arm

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

// delete removes a resource, or begins to.
func (c *Call) delete() (answer, *azure.Error) {
	if err := c.authorize(c.Type.delete(), c.ID); err != nil {
		return answer{}, err
	}
	var err error
	if c.Old, err = c.Load(c.ID); err != nil {
		return answer{}, Fault(err)
	}
	switch {
	case c.Type.Erase != nil:
		return c.erase()
	case c.Old == nil:
		return c.gone()
	}
	c.Doc = c.Old
	for _, step := range []func() *azure.Error{c.kept, c.unlocked, c.precondition, c.idle, c.unused, c.empty, c.guard} {
		if err := step(); err != nil {
			return answer{}, err
		}
	}
	switch {
	case len(c.Type.Deleting) > 0:
		return c.later(c, verbDelete)
	case c.Type.inside != nil && len(c.Type.parent.Steps) > 0:
		if err := c.Remove(); err != nil {
			return answer{}, err
		}
		parent, err := c.openParent()
		if err != nil {
			return answer{}, err
		}
		return c.later(parent, verbWrite)
	}
	if err := c.Remove(); err != nil {
		return answer{}, err
	}
	ans := answer{status: c.Type.Codes.Delete}
	if c.Type.Returns {
		ans.body = c.view(c.Type, c.Old)
	}
	c.receipt(&ans, c.Type.Receipts.Delete)
	return ans, Fault(c.log("Succeeded", ans.status, nil))
}

// kept asks the providers that look at every deletion.
func (c *Call) kept() *azure.Error {
	there := c.view(c.Type, Clone(c.Old))
	there["id"], there["name"], there["type"] = c.canonical().String(), c.ID.Name(), c.Type.Shown
	for _, p := range c.arm.reg.providers {
		if p.Keep == nil {
			continue
		}
		if err := p.Keep(c, there); err != nil {
			return err
		}
	}
	return nil
}

// erase deletes what is no document of its own.
func (c *Call) erase() (answer, *azure.Error) {
	if err := c.unlocked(); err != nil {
		return answer{}, err
	}
	if err := c.Type.Erase(c); err != nil {
		return answer{}, err
	}
	status := c.Type.Codes.Delete
	return answer{status: status}, Fault(c.log("Succeeded", status, nil))
}

// later answers 202 and begins the operation that finishes a delete or an action: one of the resource,
// or of the parent that it is a part of.
func (c *Call) later(owner *Call, verb string) (answer, *azure.Error) {
	op, err := owner.begin(verb, false)
	if err == nil && owner != c {
		op.Result = c.ID
		err = op.save(c.Tx)
	}
	if err != nil {
		return answer{}, Fault(err)
	}
	h := http.Header{"Location": {op.resultURL(c.Base)}, "Retry-After": {"1"}}
	if c.Type.Name != azure.TypeResourceGroup {
		h["Azure-Asyncoperation"] = []string{op.url(c.Base)}
	}
	return answer{status: http.StatusAccepted, header: h}, Fault(c.log("Accepted", http.StatusAccepted, nil))
}

// gone answers the delete of what is not there.
func (c *Call) gone() (answer, *azure.Error) {
	if c.Type.Codes.Gone == http.StatusNotFound {
		return answer{}, c.notFound()
	}
	if err := c.findScope(); err != nil && c.Type.Place != Any {
		return answer{}, err
	}
	return answer{status: c.Type.Codes.Gone}, Fault(c.log("Succeeded", c.Type.Codes.Gone, nil))
}

// unused refuses to delete what another resource points to.
func (c *Call) unused() *azure.Error { return c.usedOutside(c.ID, c.Type, c.Old) }

// usedOutside is the refusal to delete a resource, or a child of it, that something outside of c.ID points to.
func (c *Call) usedOutside(id azure.ID, t *Type, doc Doc) *azure.Error {
	if err := c.usedBy(id, t); err != nil {
		return err
	}
	for i := range t.Children {
		ch := &t.Children[i]
		for _, e := range ch.elements(doc) {
			if err := c.usedBy(ch.id(doc, e), ch.Type); err != nil {
				return err
			}
		}
	}
	return nil
}

// usedBy is the refusal to delete id while another resource, outside of c.ID, points to it. Of several it names one that
// the type has a message of its own for, else one of the same provider.
func (c *Call) usedBy(id azure.ID, t *Type) *azure.Error {
	if t.InUse == nil && t.InUseBy == nil {
		return nil
	}
	var refused *azure.Message
	var by azure.ID
	best := 0
	for user, err := range c.Users(id) {
		if err != nil {
			return Fault(err)
		}
		if c.ID.Contains(user) || user.Contains(c.ID) {
			continue
		}
		m, rank := t.InUse, 1
		switch own := t.InUseBy[strings.ToLower(lastPart(user.Type()))]; {
		case own != nil:
			m, rank = own, 3
		case strings.EqualFold(namespace(user.Type()), namespace(t.Name)):
			rank = 2
		}
		if m != nil && rank > best {
			refused, by, best = m, user, rank
		}
	}
	if refused == nil {
		return nil
	}
	err := refused.Format(azure.Fields{"id": id.String(), "name": id.Name(), "short": id.Name(), "parent": id.Parent().String(), "user": by.String()})
	err.Target = id.String()
	return err
}

func (c *Call) guard() *azure.Error {
	if c.Type.Guard == nil {
		return nil
	}
	return c.Type.Guard(c)
}

// empty refuses to delete what ARM deletes only after everything below it.
func (c *Call) empty() *azure.Error {
	if !c.Type.Nested {
		return nil
	}
	below, err := c.below()
	if err != nil {
		return Fault(err)
	}
	var nested []string
	for _, d := range below {
		id := azure.MustID(d.Key)
		if t := c.arm.reg.find(id.Type()); t != nil && t.Tracked && id.Parent().Equal(c.ID) {
			doc, err := decode(d.Body)
			if err != nil {
				return Fault(err)
			}
			_, typ, names := azure.MustID(Str(doc, "id")).Split()
			nested = append(nested, shortID(typ, names))
		}
	}
	if len(nested) == 0 {
		return nil
	}
	return azure.CannotDeleteResource.Format(azure.Fields{"resources": strings.Join(nested, ",")})
}

// Remove deletes the resource with everything that stands below it, children and extensions, and what belongs to it.
func (c *Call) Remove() *azure.Error {
	if c.Type.inside != nil {
		parent, err := c.openParent()
		if err != nil {
			return err
		}
		c.Type.inside.remove(parent.Doc, c.ID.Name())
		return parent.rewrite()
	}
	below, err := c.below()
	if err != nil {
		return Fault(err)
	}
	for _, d := range below {
		if err := c.removeOne(d); err != nil {
			return err
		}
	}
	self, err := c.Tx.Get(directory.KindResource, c.Type.key(c.ID))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return Fault(err)
	}
	return c.removeOne(self)
}

// below are the stored documents under the resource's id, the deepest first.
func (c *Call) below() ([]store.Doc, error) {
	var docs []store.Doc
	for d, err := range c.Tx.Scan(directory.KindResource, c.ID.Key()+"/", "") {
		if err != nil {
			return nil, err
		}
		docs = append(docs, d)
	}
	slices.SortStableFunc(docs, func(a, b store.Doc) int {
		return strings.Count(b.Key, "/") - strings.Count(a.Key, "/")
	})
	return docs, nil
}

func (c *Call) removeOne(d store.Doc) *azure.Error {
	doc, err := decode(d.Body)
	if err != nil {
		return Fault(err)
	}
	id, err := azure.ParseID(Str(doc, "id"))
	if err != nil {
		return Fault(err)
	}
	if err := c.Tx.Delete(d.Kind, d.Key); err != nil {
		return Fault(err)
	}
	if err := c.dropSystemIdentity(doc); err != nil {
		return err
	}
	t := c.arm.reg.find(id.Type())
	if t == nil || t.Deleted == nil {
		return nil
	}
	r := *c.Request
	r.ID, r.Type = id, t
	return t.Deleted(&Call{Request: &r, Tx: c.Tx, Now: c.Now, arm: c.arm, service: c.service, target: c.Target(), Old: doc, Doc: doc})
}

// RemoveOwners removes the resources below c.ID that own resources elsewhere: those that take time to be deleted.
func (c *Call) RemoveOwners() *azure.Error {
	below, err := c.below()
	if err != nil {
		return Fault(err)
	}
	for _, d := range below {
		id := azure.MustID(d.Key)
		t := c.arm.reg.find(id.Type())
		if t == nil || len(t.Deleting) == 0 {
			continue
		}
		r := *c.Request
		r.ID, r.Type = id, t
		if err := (&Call{Request: &r, Tx: c.Tx, Now: c.Now, arm: c.arm, service: c.service}).Remove(); err != nil {
			return err
		}
	}
	return nil
}

// InUseBelow are the refusals to delete what is below c.ID and used from outside of it.
func (c *Call) InUseBelow() ([]*azure.Error, *azure.Error) {
	below, err := c.below()
	if err != nil {
		return nil, Fault(err)
	}
	var blocked []*azure.Error
	for _, d := range below {
		doc, err := decode(d.Body)
		if err != nil {
			return nil, Fault(err)
		}
		id := azure.MustID(Str(doc, "id"))
		t := c.arm.reg.find(id.Type())
		if t == nil {
			continue
		}
		if err := c.usedOutside(id, t, doc); err != nil {
			if err.Status == http.StatusInternalServerError {
				return nil, err
			}
			blocked = append(blocked, err)
		}
	}
	return blocked, nil
}

// Drop removes a resource at once, as a provider does with what belongs to it; nothing there is no error.
func (c *Call) Drop(id azure.ID) *azure.Error {
	sub, err := c.sub(http.MethodDelete, id, nil)
	if err != nil {
		return err
	}
	if doc, err := c.Load(id); doc == nil {
		return Fault(err)
	}
	if err := sub.Remove(); err != nil {
		return err
	}
	return Fault(sub.log("Succeeded", http.StatusOK, nil))
}
