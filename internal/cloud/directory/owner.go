package directory

import (
	"iter"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

// Ownership makes Owner an owner of Object: an application, a service principal or a group.
type Ownership struct {
	Object azure.GUID        `json:"object"`
	Owner  azure.PrincipalID `json:"owner"`
}

func (o Ownership) key() string { return o.Object.String() + "/" + o.Owner.String() }

// AddOwner writes an ownership.
func AddOwner(tx store.Tx, o Ownership) error {
	return put(tx, KindOwner, o.key(), []string{ownerRef(o.Owner)}, o)
}

// RemoveOwner removes an ownership; store.ErrNotFound where there is none.
func RemoveOwner(tx store.Tx, o Ownership) error {
	if _, err := tx.Get(KindOwner, o.key()); err != nil {
		return err
	}
	return tx.Delete(KindOwner, o.key())
}

// Owners yields an object's owners in order of their object ids.
func Owners(tx store.Tx, object azure.GUID) iter.Seq2[Ownership, error] {
	return decodeAll[Ownership](KindOwner, tx.Scan(KindOwner, object.String()+"/", ""))
}

// Owned yields what somebody owns.
func Owned(tx store.Tx, owner azure.PrincipalID) iter.Seq2[Ownership, error] {
	return decodeAll[Ownership](KindOwner, tx.Find(ownerRef(owner)))
}

// Owns reports whether somebody owns an object.
func Owns(tx store.Tx, o Ownership) (bool, error) {
	for found, err := range Owners(tx, o.Object) {
		if err != nil || found.Owner == o.Owner {
			return err == nil, err
		}
	}
	return false, nil
}

// forgetOwners removes every ownership that an object has a part in.
func forgetOwners(tx store.Tx, id azure.GUID) error {
	if err := deleteAll(tx, KindOwner, tx.Find(ownerRef(id))); err != nil {
		return err
	}
	return deleteAll(tx, KindOwner, tx.Scan(KindOwner, id.String()+"/", ""))
}
