package provider

import (
	"regexp"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
)

const typeGroupSubscription = azure.TypeManagementGroup + "/subscriptions"

// management is the tree of management groups: the tenant's root group, whose name is the tenant's id, is above all.
func management() arm.Provider {
	versions := []string{"2023-04-01", "2021-04-01", "2020-05-01", "2020-02-01", "2018-03-01-preview"}
	return arm.Provider{Namespace: "Microsoft.Management", Types: []arm.Type{
		{Name: azure.TypeManagementGroup, Since: "2017-08-31-preview", Versions: versions, Place: arm.InTenant, AnyoneCreates: true, Trims: true,
			Codes: arm.Codes{Create: 200, Delete: 204}, Check: checkManagementGroup, View: viewManagementGroup, Guard: guardChildren, Deleted: managementGroupDeleted,
			Keep: []string{"properties.displayName", "properties.details"}},
		{Name: typeGroupSubscription, Since: "2017-08-31-preview", Versions: versions, Place: arm.InTenant, Codes: arm.Codes{Create: 200, Update: 200, Delete: 200},
			Body: noBody, Check: checkGroupSubscription, Deleted: groupSubscriptionDeleted},
		{Name: azure.TypeManagementGroup + "/descendants", Since: "2018-03-01-preview", Versions: versions, Place: arm.InTenant, ReadOnly: true, List: listDescendants},
		{Name: "Microsoft.Management/getEntities", Since: "2018-03-01-preview", Versions: versions, Place: arm.InTenant, Single: true, Open: true, Get: getEntities},
		{Name: "Microsoft.Management/checkNameAvailability", Since: "2018-03-01-preview", Versions: versions, Place: arm.InTenant, Single: true, Open: true, Get: groupNameAvailability},
	}}
}

// noBody is of a PUT that says all in its path.
func noBody([]byte) (arm.Doc, *azure.Error) { return arm.Doc{}, nil }

func managementGroup(name string) azure.ID {
	return azure.Root.Resource(azure.TypeManagementGroup, name)
}

// RootGroup is the tenant's root management group.
func RootGroup(tenant azure.GUID) azure.ID { return managementGroup(tenant.String()) }

// NewRootGroup is its document, as it is stored.
func NewRootGroup(tenant azure.GUID) arm.Doc {
	return arm.Doc{"id": RootGroup(tenant).String(), "name": tenant.String(), "type": azure.TypeManagementGroup,
		"properties": arm.Doc{"tenantId": tenant.String(), "displayName": "Tenant Root Group", "details": arm.Doc{"version": 1}}}
}

var (
	managementGroupName = regexp.MustCompile(`^[\w().-]{0,89}[\w()-]$`)
	managementGroupRune = regexp.MustCompile(`[\w().-]`)
)

// checkManagementGroup puts a group under its parent; who makes one owns it, as in a tenant without hierarchy settings.
func checkManagementGroup(c *arm.Call) *azure.Error {
	if !managementGroupName.MatchString(c.ID.Name()) {
		return azure.InvalidNameSegments.Format(azure.Fields{"name": c.ID.Name()})
	}
	patchManagementGroup(c.Doc)
	parent := RootGroup(c.Tenant())
	if s := arm.Str(c.Doc, "properties.details.parent.id"); s != "" {
		id, err := azure.ParseID(s)
		if err != nil || !strings.EqualFold(id.Type(), azure.TypeManagementGroup) {
			return azure.LinkedInvalidProperty.Format(azure.Fields{"value": s, "path": "properties.details.parent.id"})
		}
		parent = id
	}
	if doc, err := c.Load(parent); err != nil || doc == nil {
		if err != nil {
			return arm.Fault(err)
		}
		return azure.NotFound.Format(azure.Fields{"id": parent.String()})
	}
	if c.Covers(c.ID, parent) {
		return azure.ManagementGroupCycle.Format(azure.Fields{"name": c.ID.Name(), "parent": parent.Name()})
	}
	// Nobody needs a right on the root group to move something under it (Microsoft Learn: manage management groups).
	if c.Old != nil && !strings.EqualFold(arm.Str(c.Old, "properties.details.parent.id"), parent.String()) && !parent.Equal(RootGroup(c.Tenant())) {
		if err := c.AuthorizeLink(azure.TypeManagementGroup+"/write", parent); err != nil {
			return err
		}
	}
	arm.Default(c.Doc, "properties.displayName", c.ID.Name())
	arm.Set(c.Doc, "properties.tenantId", c.Tenant().String())
	arm.Set(c.Doc, "properties.details", arm.Doc{"version": 1, "parent": arm.Doc{"id": parent.String()},
		"updatedTime": c.Now.Format("2006-01-02T15:04:05.0000000Z"), "updatedBy": c.Caller.ID.String()})
	if err := c.PutParent(c.ID, parent); err != nil {
		return arm.Fault(err)
	}
	if c.Old != nil {
		return nil
	}
	return ownManagementGroup(c)
}

// patchManagementGroup takes the two members that a PATCH has, flat, to where they stand in the document.
func patchManagementGroup(d arm.Doc) {
	for from, to := range map[string]string{"displayName": "properties.displayName", "parentGroupId": "properties.details.parent.id"} {
		if v := arm.Str(d, from); v != "" {
			arm.Set(d, to, v)
		}
		delete(d, from)
	}
}

var ownerRole = azure.MustGUID("8e3af657-a8ff-443c-a75c-2fe8c4bcb635")

func ownManagementGroup(c *arm.Call) *azure.Error {
	if err := c.Seed(c.ID, c.Doc); err != nil { // the assignment needs what it stands on
		return arm.Fault(err)
	}
	name := nameFrom(c.ID.Key(), c.Caller.ID.String())
	_, err := c.AsService("Microsoft.Management").Put(c.ID.Resource(typeRoleAssignment, name.String()), arm.Doc{"properties": arm.Doc{
		"principalId": c.Caller.ID.String(), "principalType": c.Caller.Type, "roleDefinitionId": roleID(c.ID, ownerRole)}})
	return err
}

// viewManagementGroup names the parent, and adds the children where the request expands them.
func viewManagementGroup(c *arm.Call, d arm.Doc) {
	if parent, err := azure.ParseID(arm.Str(d, "properties.details.parent.id")); err == nil {
		arm.Set(d, "properties.details.parent", arm.Doc{"id": parent.String(), "name": parent.Name(), "displayName": entityName(c, parent)})
	}
	if strings.Contains(strings.ToLower(c.Param("$expand")), "children") {
		arm.Set(d, "properties.children", children(c, azure.MustID(arm.Str(d, "id")), strings.EqualFold(c.Param("$recurse"), "true")))
	}
}

// children are the groups and subscriptions under a group, one level of them or all.
func children(c *arm.Call, group azure.ID, all bool) []any {
	out := []any{}
	for child, err := range c.Children(group) {
		if err != nil {
			continue
		}
		d := arm.Doc{"id": child.String(), "type": entityType(child), "name": child.Name(), "displayName": entityName(c, child)}
		if below := children(c, child, all); all && len(below) > 0 {
			d["children"] = below
		}
		out = append(out, d)
	}
	return out
}

// guardChildren refuses to leave children without a parent.
func guardChildren(c *arm.Call) *azure.Error {
	for child, err := range c.Children(c.ID) {
		if err != nil {
			return arm.Fault(err)
		}
		return azure.ManagementGroupHasChildren.Format(azure.Fields{"name": c.ID.Name(), "child": child.Name()})
	}
	return nil
}

func managementGroupDeleted(c *arm.Call) *azure.Error { return arm.Fault(c.DropParent(c.ID)) }

// checkGroupSubscription moves a subscription: who does it needs the group, and the right to assign roles on the subscription.
func checkGroupSubscription(c *arm.Call) *azure.Error {
	sub := azure.SubscriptionID(c.ID.Name())
	if doc, err := c.Load(sub); err != nil || doc == nil {
		if err != nil {
			return arm.Fault(err)
		}
		return azure.SubscriptionNotFound.Format(azure.Fields{"subscription": sub.Name()})
	}
	if err := c.AuthorizeLink("Microsoft.Authorization/roleAssignments/write", sub); err != nil {
		return err
	}
	for _, old := range c.Policy().ManagementGroups(sub) {
		if !old.Equal(c.ID.Parent()) {
			if err := c.Tx.Delete(directory.KindResource, old.Join("subscriptions", sub.Name()).Key()); err != nil {
				return arm.Fault(err)
			}
		}
	}
	c.Doc["properties"] = arm.Doc{"displayName": entityName(c, sub), "tenant": c.Tenant().String(), "state": "Active",
		"parent": arm.Doc{"id": c.ID.Parent().String(), "name": nil, "displayName": nil}}
	return arm.Fault(c.PutParent(sub, c.ID.Parent()))
}

// groupSubscriptionDeleted moves a subscription back under the root group.
func groupSubscriptionDeleted(c *arm.Call) *azure.Error {
	return arm.Fault(c.PutParent(azure.SubscriptionID(c.ID.Name()), RootGroup(c.Tenant())))
}
