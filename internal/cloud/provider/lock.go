package provider

import (
	"iter"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// checkLock validates a management lock; what it refuses is the door's business.
func checkLock(c *arm.Call) *azure.Error {
	for _, level := range []string{arm.LockDelete, arm.LockReadOnly} {
		if strings.EqualFold(arm.Str(c.Doc, "properties.level"), level) {
			arm.Set(c.Doc, "properties.level", level)
			return nil
		}
	}
	return azure.InvalidLockLevel.Format(azure.Fields{"level": arm.Str(c.Doc, "properties.level")})
}

// listLocks yields the locks at a scope and below, and with $filter=atScope() those above it instead of those below.
func listLocks(c *arm.Call) iter.Seq2[arm.Doc, error] {
	terms, bad := c.Filter()
	if bad != nil {
		return failed(bad)
	}
	above := false
	for _, t := range terms {
		if lower(t.Field) != "atscope" {
			return failed(c.BadFilter())
		}
		above = true
	}
	return func(yield func(arm.Doc, error) bool) {
		for doc, err := range c.Extensions(azure.SubscriptionID(c.ID.Subscription()), arm.TypeLock) {
			if err == nil {
				scope, _, _ := azure.MustID(arm.Str(doc, "id")).Split()
				if above && !scope.Contains(c.ID) || !above && !c.ID.Contains(scope) {
					continue
				}
			}
			if !yield(doc, err) {
				return
			}
		}
	}
}
