package provider

import (
	"iter"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// What a tenant's management groups and subscriptions are called together is entities.

// entityType is the type of an entity where it is listed with others.
func entityType(id azure.ID) string {
	if id.Subscription() != "" {
		return "/subscriptions"
	}
	return azure.TypeManagementGroup
}

// entityName is its display name.
func entityName(c *arm.Call, id azure.ID) string {
	d, err := c.Load(id)
	switch {
	case err != nil:
		return ""
	case id.Subscription() != "":
		return arm.Str(d, "displayName")
	}
	return arm.Str(d, "properties.displayName")
}

// descendants yields what is below a management group, and how.
func descendants(c *arm.Call, group azure.ID, chain []azure.ID, yield func(id azure.ID, chain []azure.ID) error) error {
	chain = append(chain[:len(chain):len(chain)], group)
	for child, err := range c.Children(group) {
		if err == nil {
			err = yield(child, chain)
		}
		if err == nil {
			err = descendants(c, child, chain, yield)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// getEntities lists the groups and subscriptions that the caller sees, with what they are under.
func getEntities(c *arm.Call) (arm.Doc, *azure.Error) {
	root, value := RootGroup(c.Tenant()), []any{}
	add := func(id azure.ID, chain []azure.ID) error {
		read, _, _ := entityActions(id)
		if !c.May(read, id) {
			return nil
		}
		d, err := entity(c, id, chain)
		value = append(value, d)
		return err
	}
	err := add(root, nil)
	if err == nil {
		err = descendants(c, root, nil, add)
	}
	return arm.Doc{"value": value, "count": len(value)}, arm.Fault(err)
}

func entity(c *arm.Call, id azure.ID, chain []azure.ID) (arm.Doc, error) {
	names, titles, parent := []any{}, []any{}, any(nil)
	for _, above := range chain {
		names, titles, parent = append(names, above.Name()), append(titles, entityName(c, above)), above.String()
	}
	all, direct, groups := 0, 0, 0
	err := descendants(c, id, nil, func(below azure.ID, chain []azure.ID) error {
		all++
		if len(chain) == 1 {
			direct++
		}
		if len(chain) == 1 && below.Subscription() == "" {
			groups++
		}
		return nil
	})
	inherited := entityAccess(c, id)
	own := "noaccess"
	for g := range c.Policy().GrantsOf(c.Caller.ID, time.Time{}) {
		if g.Scope.Equal(id) {
			own = inherited
		}
	}
	return arm.Doc{"id": id.String(), "name": id.Name(), "type": entityType(id), "properties": arm.Doc{
		"tenantId": c.Tenant().String(), "displayName": entityName(c, id), "parent": arm.Doc{"id": parent},
		"parentNameChain": names, "parentDisplayNameChain": titles,
		"numberOfChildren": direct, "numberOfChildGroups": groups, "numberOfDescendants": all,
		"permissions": own, "inheritedPermissions": inherited}}, err
}

// entityActions are the actions that make the difference between the words of entityAccess.
func entityActions(id azure.ID) (read, write, remove azure.Action) {
	if id.Subscription() != "" {
		return azure.TypeSubscription + "/read", azure.TypeSubscription + "/write", "Microsoft.Subscription/cancel/action"
	}
	return azure.TypeManagementGroup + "/read", azure.TypeManagementGroup + "/write", azure.TypeManagementGroup + "/delete"
}

// entityAccess is what the caller may do with an entity, in the API's words.
func entityAccess(c *arm.Call, id azure.ID) string {
	read, write, remove := entityActions(id)
	switch {
	case c.May(remove, id):
		return "delete"
	case c.May(write, id):
		return "edit"
	case c.May(read, id):
		return "view"
	}
	return "noaccess"
}

func listDescendants(c *arm.Call) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		var found []arm.Doc
		err := descendants(c, c.ID, nil, func(id azure.ID, chain []azure.ID) error {
			found = append(found, arm.Doc{"id": id.String(), "type": entityType(id), "name": id.Name(),
				"properties": arm.Doc{"displayName": entityName(c, id), "parent": arm.Doc{"id": chain[len(chain)-1].String()}}})
			return nil
		})
		for _, d := range found {
			if !yield(d, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// groupNameAvailability answers as recorded.
func groupNameAvailability(c *arm.Call) (arm.Doc, *azure.Error) {
	name := arm.Str(c.Body, "name")
	no := func(reason, message string) (arm.Doc, *azure.Error) {
		return arm.Doc{"nameAvailable": false, "reason": reason, "message": message}, nil
	}
	if bad := managementGroupRune.ReplaceAllString(name, ""); bad != "" {
		return no("Invalid", azure.ManagementGroupNameRunes.Format(azure.Fields{"name": name, "runes": bad}).Message)
	}
	if name == "" || !managementGroupName.MatchString(name) {
		return no("Invalid", azure.InvalidNameSegments.Format(azure.Fields{"name": name}).Message)
	}
	switch d, err := c.Load(managementGroup(name)); {
	case err != nil:
		return nil, arm.Fault(err)
	case d != nil:
		return no("AlreadyExists", azure.ManagementGroupNameTaken.Error().Message)
	}
	return arm.Doc{"nameAvailable": true}, nil
}
