package arm

import (
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

// assignIdentity is what every resource with user-assigned identities needs on them (azure-facts 3.8).
var assignIdentity = Link{"identity.userAssignedIdentities{}", "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"}

// links are the type's references, those of its children, and its identities.
func (t *Type) links() []Link {
	all := slices.Clone(t.Links)
	for _, ch := range t.Children {
		for _, l := range ch.Type.Links {
			path := l.Path
			if ch.Flat {
				path = strings.TrimPrefix(path, "properties.")
			}
			all = append(all, Link{ch.Path + "[]." + path, l.Action})
		}
	}
	if t.Identity {
		all = append(all, assignIdentity)
	}
	return all
}

// checkLinks decides every reference in the request: the caller needs a right on what it points at,
// and it must exist. References that are written anew count, and those that are repeated.
func (c *Call) checkLinks() *azure.Error {
	for _, l := range c.Type.links() {
		var bad *azure.Error
		Each(c.Body, l.Path, func(v any) {
			if bad == nil {
				bad = c.checkLink(l, v)
			}
		})
		if bad != nil {
			return bad
		}
	}
	return nil
}

func (c *Call) checkLink(l Link, v any) *azure.Error {
	text, _ := v.(string)
	target, err := azure.ParseID(text)
	if text == "" {
		return nil
	}
	if err != nil || target.Type() == "" {
		return azure.LinkedInvalidProperty.Format(azure.Fields{"value": text, "path": l.Path})
	}
	if action := l.on(target); action != "" {
		if err := c.AuthorizeLink(action, target); err != nil {
			return err
		}
	}
	if c.arm.reg.find(target.Type()) == nil || c.ID.Contains(target) {
		return nil // of a type that is not served, or about itself
	}
	doc, err := c.look(target)
	if err != nil {
		return Fault(err)
	}
	if doc == nil && l != assignIdentity && ownUsers(c.Old)[target.Key()] == nil {
		return azure.InvalidResourceReference.Format(azure.Fields{"target": target.String(), "id": c.ID.String()})
	}
	return nil
}

// on is the action that the link needs on a target.
func (l Link) on(target azure.ID) azure.Action {
	if l.Action.HasPrefix("/") {
		return azure.Action(target.Type()) + l.Action
	}
	return l.Action
}

// AuthorizeLink refuses the call unless the caller may perform action on another scope that the call is about too.
func (c *Call) AuthorizeLink(action azure.Action, target azure.ID) *azure.Error {
	if c.service {
		return nil
	}
	if sub := target.Subscription(); sub != "" && len(c.Policy().ManagementGroups(azure.SubscriptionID(sub))) == 0 {
		if doc, err := c.look(azure.SubscriptionID(sub)); err != nil || doc == nil {
			return c.foreign(err, action, sub)
		}
	}
	d, pass := c.judge(action, target)
	if pass {
		return nil
	}
	f := c.Who(c.Type.write(), c.ID)
	f["linkedAction"], f["linkedScope"] = string(action), target.String()
	if d.Outcome == rbac.Denied {
		f["n"], f["linkedScope"], f["denied"], f["deniedScope"] = "0", "", "1", target.String()
		return azure.LinkedAuthorizationFailedDenied.Format(f)
	}
	return azure.LinkedAuthorizationFailed.Format(f)
}

// foreign refuses a link to a subscription that is not the tenant's: no right helps there.
func (c *Call) foreign(err error, action azure.Action, sub string) *azure.Error {
	if err != nil {
		return Fault(err)
	}
	return azure.LinkedAuthorizationFailedTenant.Format(azure.Fields{"action": string(action), "scope": c.ID.String(), "tenant": c.Tenant().String(), "subscription": sub})
}
