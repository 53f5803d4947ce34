package provider

import (
	"iter"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// listEligibleChildren yields what lies directly below a scope and has, or covers, something that the caller may activate:
// where a user goes on looking for its roles (armauthorization EligibleChildResourcesClient). It takes resourceType eq,
// also several, as 'resourcegroup'.
func listEligibleChildren(c *arm.Call) iter.Seq2[arm.Doc, error] {
	terms, bad := c.Filter()
	if bad != nil {
		return failed(bad)
	}
	kinds := map[string]bool{}
	for _, t := range terms {
		if lower(t.Field)+t.Op != "resourcetypeeq" {
			return failed(c.BadFilter())
		}
		kinds[lower(t.Value)] = true
	}
	return func(yield func(arm.Doc, error) bool) {
		scopes, err := eligibleScopes(c)
		if err != nil {
			yield(nil, err)
			return
		}
		for child, err := range childScopes(c) {
			if err == nil && !concernsAny(c, scopes, child) {
				continue
			}
			d := arm.Doc{"id": child.String(), "name": child.Name(), "type": childType(child)}
			if shown := expandedScope(c, child); arm.Str(shown, "displayName") != "" {
				d["name"] = shown["displayName"]
			}
			if err == nil && len(kinds) > 0 && !kinds[lower(arm.Str(d, "type"))] {
				continue
			}
			if !yield(d, err) {
				return
			}
		}
	}
}

// eligibleScopes are where the caller, or one of its groups, may activate something now.
func eligibleScopes(c *arm.Call) (scopes []azure.ID, err error) {
	who := append(c.Policy().GroupsAt(c.Caller.ID, c.Now), c.Caller.ID)
	for s, err := range ongoing(c, findEach(c, who, eligibleRef)) {
		if err != nil {
			return nil, err
		}
		if s.live(c.Now) {
			scopes = append(scopes, s.Scope)
		}
	}
	return scopes, nil
}

func concernsAny(c *arm.Call, scopes []azure.ID, child azure.ID) bool {
	for _, s := range scopes {
		if c.Covers(s, child) || c.Covers(child, s) {
			return true
		}
	}
	return false
}

// childType is a scope's type as PIM words it.
func childType(id azure.ID) string {
	switch {
	case strings.EqualFold(id.Type(), azure.TypeManagementGroup):
		return "managementgroup"
	case id.GroupID().Equal(id):
		return "resourcegroup"
	case id.Type() == azure.TypeSubscription:
		return "subscription"
	}
	return id.Type()
}

// childScopes yields what lies directly below the call's scope: groups and subscriptions of a management group, resource
// groups of a subscription, resources of a resource group.
func childScopes(c *arm.Call) iter.Seq2[azure.ID, error] {
	if strings.EqualFold(c.ID.Type(), azure.TypeManagementGroup) {
		return c.Children(c.ID)
	}
	docs := c.Resources(c.ID, azure.TypeResourceGroup)
	if !c.ID.GroupID().IsZero() {
		docs = tracked(c)
	}
	return func(yield func(azure.ID, error) bool) {
		for d, err := range docs {
			id, bad := azure.ParseID(arm.Str(d, "id"))
			if err == nil {
				err = bad
			}
			if !yield(id, err) {
				return
			}
		}
	}
}
