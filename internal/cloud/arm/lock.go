package arm

import (
	"net/http"

	"aksid/internal/azure"
)

// Management locks (Microsoft Learn: lock your resources). They bind everybody, resource providers included.
const (
	TypeLock     = "Microsoft.Authorization/locks"
	LockDelete   = "CanNotDelete"
	LockReadOnly = "ReadOnly"
)

// unlocked refuses a write under a ReadOnly lock, and a delete under or above any lock.
// A lock itself, and other extensions of Microsoft.Authorization, can always be written by who has the right.
func (c *Call) unlocked() *azure.Error {
	sub := c.ID.Subscription()
	if sub == "" || c.Type.Name == TypeLock {
		return nil
	}
	verb := "write"
	if c.Method == http.MethodDelete {
		verb = "delete"
	}
	for d, err := range c.scan(c.arm.reg.find(TypeLock), azure.SubscriptionID(sub), "") {
		var doc *stored
		if err == nil {
			doc, err = shared(d)
		}
		if err != nil {
			return Fault(err)
		}
		scope, _, _ := azure.MustID(Str(doc.Doc, "id")).Split()
		readOnly := Str(doc.Doc, "properties.level") == LockReadOnly
		if scope.Contains(c.ID) && (readOnly || verb == "delete") || verb == "delete" && c.ID.Contains(scope) {
			return azure.ScopeLocked.Format(azure.Fields{"scope": c.ID.String(), "verb": verb, "lockedScope": scope.String()})
		}
	}
	return nil
}
