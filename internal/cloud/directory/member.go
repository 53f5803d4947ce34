package directory

import (
	"iter"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

// Membership makes Member a direct member of Group from From (inclusive, zero: always) to Until (exclusive, zero: for ever).
// What follows from it through further groups is the business of the RBAC policy. One that has an Until is in the directory
// no longer: it was removed, and only counts until then.
type Membership struct {
	Group  azure.PrincipalID `json:"group"`
	Member azure.PrincipalID `json:"member"`
	From   time.Time         `json:"from,omitzero"`
	Until  time.Time         `json:"until,omitzero"`
}

func (m Membership) key() string { return m.Group.String() + "/" + m.Member.String() }

// ParseMemberKey takes the key of a KindMember document apart: all that is left of a removed membership.
func ParseMemberKey(key string) (group, member azure.PrincipalID, err error) {
	g, m, _ := strings.Cut(key, "/")
	if group, err = azure.ParseGUID(g); err == nil {
		member, err = azure.ParseGUID(m)
	}
	return group, member, err
}

// AddMember writes a membership.
func AddMember(tx store.Tx, m Membership) error {
	return put(tx, KindMember, m.key(), []string{memberRef(m.Member)}, m)
}

// GetMember reads a membership; store.ErrNotFound where there is none.
func GetMember(tx store.Tx, group, member azure.PrincipalID) (Membership, error) {
	d, err := tx.Get(KindMember, Membership{Group: group, Member: member}.key())
	if err != nil {
		return Membership{}, err
	}
	return decode[Membership](d)
}

// Ended reports whether it was removed.
func (m Membership) Ended() bool { return !m.Until.IsZero() }

// RemoveMember removes a membership; a missing one is no error.
func RemoveMember(tx store.Tx, group, member azure.PrincipalID) error {
	return tx.Delete(KindMember, Membership{Group: group, Member: member}.key())
}

// Members yields a group's direct memberships in order of the member's object id.
func Members(tx store.Tx, group azure.PrincipalID) iter.Seq2[Membership, error] {
	return decodeAll[Membership](KindMember, tx.Scan(KindMember, group.String()+"/", ""))
}

// GroupsOf are the groups that a principal is in, also through other groups, nearest first: as the directory has it, which is
// not always what counts already.
func GroupsOf(tx store.Tx, principal azure.PrincipalID) ([]azure.PrincipalID, error) {
	all := []azure.PrincipalID{principal}
	for i := 0; i < len(all); i++ {
		for m, err := range MemberOf(tx, all[i]) {
			if err != nil {
				return nil, err
			}
			if !m.Ended() && !slices.Contains(all, m.Group) {
				all = append(all, m.Group)
			}
		}
	}
	return all[1:], nil
}

// MemberOf yields the memberships of a principal in groups, direct ones.
func MemberOf(tx store.Tx, member azure.PrincipalID) iter.Seq2[Membership, error] {
	return decodeAll[Membership](KindMember, tx.Find(memberRef(member)))
}
