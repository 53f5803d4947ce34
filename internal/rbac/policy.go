package rbac

import (
	"hash/maphash"
	"iter"

	"aksid/internal/azure"
)

// Policy is everything that decisions are made from. It is immutable: With makes another, which shares what is equal,
// and any number of goroutines may ask both.
type Policy struct {
	grants      index[*grant] // by id
	byScope     index[*grant]
	byPrincipal index[held] // by holder, then by the upper half of the scope's hash

	denies      index[*deny] // by id
	denyByScope index[*deny]

	memberships   index[membership] // by member
	parents       index[parent]     // by child
	unread        index[*Unread]    // by scope
	unknownGroups index[groupless]

	roles *roleSet
}

// grant is a Grant as a policy holds it.
type grant struct {
	Grant
	condition *condition
}

func (g *grant) same(o *grant) bool { return g == o || !g.ID.IsZero() && g.ID.Equal(o.ID) }

// held is a grant in its principal's list, with what decides most requests at hand.
type held struct {
	grant   *grant
	role    int32 // its number in the roleSet
	bounded bool  // by a condition, From or Until
}

func holder(principal azure.PrincipalID) uint64 { return hashOf(principal) >> 32 << 32 }

// deny is a Deny as a policy holds it.
type deny struct {
	Deny
	conditions []*condition // of its Permissions
}

func (d *deny) same(o *deny) bool { return d == o || !d.ID.IsZero() && d.ID.Equal(o.ID) }

// Unread is a scope whose role assignments could not be read.
type Unread struct {
	Scope azure.ID
	Why   string
}

func (u *Unread) same(o *Unread) bool { return u.Scope.Equal(o.Scope) }

// groupless is a principal whose groups are not known.
type groupless azure.PrincipalID

func (g groupless) same(o groupless) bool { return g == o }

func hashOf(id azure.GUID) uint64 { return maphash.Bytes(seed, id[:]) }

// New is a policy of nothing but the changes: it knows no role, not even the built-in ones, until PutRole.
func New(changes ...Change) *Policy { return (&Policy{roles: newRoleSet()}).With(changes...) }

// With is the policy after the changes, in their order; p stays as it is. It takes microseconds a change, and on
// a policy of a million assignments some tens of them; after a change of roles a policy looks at each action anew.
func (p *Policy) With(changes ...Change) *Policy {
	var b batch
	for _, change := range changes {
		change(&b)
	}
	q := *p
	q.putRoles(b.roles, b.grants)
	q.putGrants(b.grants)
	q.putDenies(b.denies)
	q.memberships = q.memberships.with(net(&q.memberships, b.memberships))
	q.parents = q.parents.with(net(&q.parents, b.parents))
	q.unread = q.unread.with(net(&q.unread, b.unread))
	q.unknownGroups = q.unknownGroups.with(net(&q.unknownGroups, b.unknownGroups))
	return &q
}

// putRoles changes definitions, and numbers the roles that grants refer to.
func (p *Policy) putRoles(roles []roleChange, grants []edit[*grant]) {
	set := p.roles
	own := func() *roleSet {
		if set == p.roles {
			set = p.roles.clone()
		}
		return set
	}
	for _, r := range roles {
		own().put(r.id, r.role)
	}
	for _, e := range grants {
		if _, ok := set.number[e.val.Role]; !ok && !e.remove {
			own().intern(e.val.Role)
		}
	}
	set.seal()
	p.roles = set
}

func (p *Policy) putGrants(edits []edit[*grant]) {
	edits = net(&p.grants, edits)
	scoped, owned := make([]edit[*grant], len(edits)), make([]edit[held], len(edits))
	for i, e := range edits {
		g := e.val
		scope := stepOf(g.Scope).hash
		scoped[i] = edit[*grant]{slot[*grant]{scope, g}, e.remove}
		h := held{g, p.roles.number[g.Role], g.condition != nil || !g.From.IsZero() || !g.Until.IsZero()}
		owned[i] = edit[held]{slot[held]{holder(g.Principal) | scope>>32, h}, e.remove}
	}
	p.grants = p.grants.with(edits)
	p.byScope = p.byScope.with(scoped)
	p.byPrincipal = p.byPrincipal.with(owned)
}

func (p *Policy) putDenies(edits []edit[*deny]) {
	edits = net(&p.denies, edits)
	scoped := make([]edit[*deny], len(edits))
	for i, e := range edits {
		scoped[i] = edit[*deny]{slot[*deny]{stepOf(e.val.Scope).hash, e.val}, e.remove}
	}
	p.denies = p.denies.with(edits)
	p.denyByScope = p.denyByScope.with(scoped)
}

// Role finds a role definition.
func (p *Policy) Role(id azure.GUID) (*Role, bool) {
	r := p.roles.get(id)
	return r, r != nil
}

// Roles are the role definitions.
func (p *Policy) Roles() iter.Seq[*Role] {
	return func(yield func(*Role) bool) {
		for _, r := range p.roles.roles {
			if r != nil && !yield(r) {
				return
			}
		}
	}
}

// Grants are the role assignments, in no particular order.
func (p *Policy) Grants() iter.Seq[*Grant] {
	return func(yield func(*Grant) bool) {
		for g := range p.grants.all() {
			if !yield(&g.Grant) {
				return
			}
		}
	}
}

// Denies are the deny assignments, in no particular order.
func (p *Policy) Denies() iter.Seq[*Deny] {
	return func(yield func(*Deny) bool) {
		for d := range p.denies.all() {
			if !yield(&d.Deny) {
				return
			}
		}
	}
}
