package rbac

import (
	"hash/maphash"
	"math/rand/v2"

	"aksid/internal/azure"
)

// Change is one change of a Policy.
type Change func(*batch)

// batch is a list of changes by what they are about; only those about the same kind of thing depend on their order.
type batch struct {
	roles         []roleChange
	grants        []edit[*grant]
	denies        []edit[*deny]
	memberships   []edit[membership]
	parents       []edit[parent]
	unread        []edit[*Unread]
	unknownGroups []edit[groupless]
}

type roleChange struct {
	id   azure.GUID
	role *Role // nil: removed
}

func put[V any](list *[]edit[V], hash uint64, v V) {
	*list = append(*list, edit[V]{slot[V]{hash, v}, false})
}

func remove[V any](list *[]edit[V], hash uint64, v V) {
	*list = append(*list, edit[V]{slot[V]{hash, v}, true})
}

// identity is the hash of an assignment's id.
func identity(id azure.ID) uint64 {
	if id.IsZero() {
		return rand.Uint64()
	}
	return maphash.String(seed, id.Key())
}

// AddGrant adds a role assignment; it takes the place of one with the same id. Without an id, as one that is only
// planned, it is always another.
func AddGrant(g Grant) Change {
	v := &grant{g, conditionOf(g.Condition)}
	hash := identity(g.ID)
	return func(b *batch) { put(&b.grants, hash, v) }
}

// RemoveGrant takes a role assignment away.
func RemoveGrant(id azure.ID) Change {
	return func(b *batch) { remove(&b.grants, identity(id), &grant{Grant: Grant{ID: id}}) }
}

// PutRole adds a role definition, or changes the one with the same GUID. The policy keeps the role's slices: do not
// change them afterwards.
func PutRole(r Role) Change {
	return func(b *batch) { b.roles = append(b.roles, roleChange{r.ID, &r}) }
}

// RemoveRole takes a role definition away: what assignments of it grant is not known any more.
func RemoveRole(id azure.GUID) Change {
	return func(b *batch) { b.roles = append(b.roles, roleChange{id, nil}) }
}

// PutDeny adds a deny assignment; it takes the place of one with the same id. Without an id it is always another.
func PutDeny(d Deny) Change {
	v := &deny{Deny: d}
	for _, e := range d.Permissions {
		v.conditions = append(v.conditions, conditionOf(e.Condition))
	}
	hash := identity(d.ID)
	return func(b *batch) { put(&b.denies, hash, v) }
}

// RemoveDeny takes a deny assignment away.
func RemoveDeny(id azure.ID) Change {
	return func(b *batch) { remove(&b.denies, identity(id), &deny{Deny: Deny{ID: id}}) }
}

// AddMember puts a principal, or a group, into a group.
func AddMember(group, member azure.PrincipalID) Change {
	return AddMembership(Membership{Group: group, Member: member})
}

// AddMembership is AddMember for a time; it takes the place of the same membership for another.
func AddMembership(m Membership) Change {
	v := membership{m.Member, m.Group, nanoseconds(m.From), nanoseconds(m.Until)}
	return func(b *batch) { put(&b.memberships, hashOf(m.Member), v) }
}

// RemoveMember takes a principal, or a group, out of a group.
func RemoveMember(group, member azure.PrincipalID) Change {
	return func(b *batch) { remove(&b.memberships, hashOf(member), membership{member: member, group: group}) }
}

// SetParent puts a subscription or a management group under a management group. The root, or no id, is none.
func SetParent(child, managementGroup azure.ID) Change {
	at, v := stepOf(child), parent{child.Key(), managementGroup, stepOf(managementGroup).hash}
	return func(b *batch) {
		if managementGroup.IsZero() || managementGroup.Equal(azure.Root) {
			remove(&b.parents, at.hash, v)
		} else {
			put(&b.parents, at.hash, v)
		}
	}
}

// MarkUnread says that the role assignments at and below a scope could not be read, and why: what is not granted there
// is Unknown.
func MarkUnread(scope azure.ID, why string) Change {
	return func(b *batch) { put(&b.unread, stepOf(scope).hash, &Unread{scope, why}) }
}

// MarkUnreadGroups says that a principal's groups are not known: what is not granted to it is Unknown.
func MarkUnreadGroups(principal azure.PrincipalID) Change {
	return func(b *batch) { put(&b.unknownGroups, hashOf(principal), groupless(principal)) }
}
