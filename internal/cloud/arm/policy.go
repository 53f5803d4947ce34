package arm

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"sync/atomic"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
	"aksid/internal/rbac"
)

// Kinds of documents that the engine follows. A grant may outlive the role assignment that made it.
const (
	kindGrant  = "grant"
	kindRole   = "role"
	kindDeny   = "deny"
	kindParent = "parent"
)

// Policy is the engine's state, following the store's commits.
type Policy struct {
	current atomic.Pointer[rbac.Policy]
}

// NewPolicy knows the built-in roles and nothing else yet.
func NewPolicy() *Policy {
	var changes []rbac.Change
	for r := range rbac.BuiltInRoles() {
		changes = append(changes, rbac.PutRole(*r))
	}
	p := &Policy{}
	p.current.Store(rbac.New(changes...))
	return p
}

// Current is the state after the last commit.
func (p *Policy) Current() *rbac.Policy { return p.current.Load() }

// Load reads everything from a store that was opened.
func (p *Policy) Load(ctx context.Context, s store.Store) error {
	return s.View(ctx, func(tx store.Tx) error {
		var docs []store.Doc
		for _, kind := range []string{kindRole, kindGrant, kindDeny, kindParent, directory.KindMember} {
			for d, err := range tx.Scan(kind, "", "") {
				if err != nil {
					return err
				}
				docs = append(docs, d)
			}
		}
		return p.apply(docs)
	})
}

// Applied is the store's hook: it takes over what a commit changed, before its callers go on.
func (p *Policy) Applied(docs []store.Doc) {
	if err := p.apply(docs); err != nil {
		panic(err) // a document that this process marshalled does not unmarshal
	}
}

func (p *Policy) apply(docs []store.Doc) error {
	var changes []rbac.Change
	for _, d := range docs {
		change, err := policyChange(d)
		if err != nil {
			return err
		}
		changes = append(changes, change...)
	}
	if len(changes) > 0 {
		p.current.Store(p.Current().With(changes...))
	}
	return nil
}

func policyChange(d store.Doc) ([]rbac.Change, error) {
	switch d.Kind {
	case kindGrant:
		id := azure.MustID(d.Key)
		if d.Deleted {
			return []rbac.Change{rbac.RemoveGrant(id)}, nil
		}
		var g rbac.Grant
		err := json.Unmarshal(d.Body, &g)
		return []rbac.Change{rbac.AddGrant(g)}, err
	case kindRole:
		if d.Deleted {
			return []rbac.Change{rbac.RemoveRole(azure.MustGUID(d.Key))}, nil
		}
		var r rbac.Role
		err := json.Unmarshal(d.Body, &r)
		return []rbac.Change{rbac.PutRole(r)}, err
	case kindDeny:
		if d.Deleted {
			return []rbac.Change{rbac.RemoveDeny(azure.MustID(d.Key))}, nil
		}
		var x rbac.Deny
		err := json.Unmarshal(d.Body, &x)
		return []rbac.Change{rbac.PutDeny(x)}, err
	case kindParent:
		if d.Deleted {
			return []rbac.Change{rbac.SetParent(azure.MustID(d.Key), azure.ID{})}, nil
		}
		var p parent
		err := json.Unmarshal(d.Body, &p)
		return []rbac.Change{rbac.SetParent(p.Child, p.Group)}, err
	case directory.KindMember:
		group, member, err := directory.ParseMemberKey(d.Key)
		if err != nil {
			return nil, err
		}
		if d.Deleted {
			return []rbac.Change{rbac.RemoveMember(group, member)}, nil
		}
		var m directory.Membership
		err = json.Unmarshal(d.Body, &m)
		return []rbac.Change{rbac.AddMembership(rbac.Membership(m))}, err
	}
	return nil, nil
}

// PutGrant makes a role assignment count from From on.
func (c *Call) PutGrant(g rbac.Grant) error { return c.putJSON(kindGrant, g.ID.Key(), g) }

// EndGrant makes a removed role assignment count no longer: at once, or after the propagation time.
func (c *Call) EndGrant(id azure.ID) error {
	until := c.Effective()
	if until.IsZero() {
		return c.Tx.Delete(kindGrant, id.Key())
	}
	d, err := c.Tx.Get(kindGrant, id.Key())
	if err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	}
	var g rbac.Grant
	if err := json.Unmarshal(d.Body, &g); err != nil {
		return err
	}
	if g.Until.IsZero() || until.Before(g.Until) {
		g.Until = until
	}
	return c.PutGrant(g)
}

// PutRole makes a custom role known to the engine; DropRole forgets it.
func (c *Call) PutRole(r rbac.Role) error    { return c.putJSON(kindRole, r.ID.String(), r) }
func (c *Call) DropRole(id azure.GUID) error { return c.Tx.Delete(kindRole, id.String()) }

// PutDeny makes a deny assignment count; DropDeny ends it.
func (c *Call) PutDeny(d rbac.Deny) error  { return c.putJSON(kindDeny, d.ID.Key(), d) }
func (c *Call) DropDeny(id azure.ID) error { return c.Tx.Delete(kindDeny, id.Key()) }

// Covers reports whether scope is at or above id, management groups included.
func (c *Call) Covers(scope, id azure.ID) bool {
	return scope.Contains(id) || slices.ContainsFunc(c.Policy().ManagementGroups(id), scope.Equal)
}

// parent is what a management group or subscription is under.
type parent struct{ Child, Group azure.ID }

// PutParent moves a subscription or management group under a management group; DropParent ends its place in the tree.
func (c *Call) PutParent(child, group azure.ID) error {
	return c.putJSON(kindParent, child.Key(), parent{child, group})
}
func (c *Call) DropParent(child azure.ID) error { return c.Tx.Delete(kindParent, child.Key()) }

// Children yields the subscriptions and management groups directly under a management group.
func (c *Call) Children(group azure.ID) iter.Seq2[azure.ID, error] {
	return func(yield func(azure.ID, error) bool) {
		for d, err := range c.Tx.Scan(kindParent, "", "") {
			var p parent
			if err == nil {
				err = json.Unmarshal(d.Body, &p)
			}
			if err == nil && !p.Group.Equal(group) {
				continue
			}
			if !yield(p.Child, err) {
				return
			}
		}
	}
}

func (c *Call) putJSON(kind, key string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.Tx.Put(store.Doc{Kind: kind, Key: key, Body: body})
}
