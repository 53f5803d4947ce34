package provider

import (
	"iter"
	"regexp"
	"slices"
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
			Codes: arm.Codes{Create: 200, Delete: 204}, Check: checkManagementGroup, View: viewManagementGroup, Deleted: managementGroupDeleted,
			Keep: []string{"properties.displayName", "properties.details"}},
		{Name: typeGroupSubscription, Since: "2017-08-31-preview", Versions: versions, Place: arm.InTenant, Codes: arm.Codes{Create: 204, Update: 204, Delete: 204},
			Body: noBody, Check: checkGroupSubscription, Deleted: groupSubscriptionDeleted},
		{Name: "Microsoft.Management/getEntities", Since: "2018-03-01-preview", Versions: versions, Place: arm.InTenant, Open: true, List: listEntities},
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

var managementGroupName = regexp.MustCompile(`^[\w().-]{0,89}[\w()-]$`)

// checkManagementGroup puts a group under its parent; who makes one owns it, as in a tenant without hierarchy settings.
func checkManagementGroup(c *arm.Call) *azure.Error {
	if !managementGroupName.MatchString(c.ID.Name()) {
		return azure.InvalidNameSegments.Format(azure.Fields{"name": c.ID.Name()})
	}
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
	if c.Old != nil && !strings.EqualFold(arm.Str(c.Old, "properties.details.parent.id"), parent.String()) && !c.May(azure.TypeManagementGroup+"/write", parent) {
		return c.AuthorizeLink(azure.TypeManagementGroup+"/write", parent)
	}
	arm.Default(c.Doc, "properties.displayName", c.ID.Name())
	arm.Set(c.Doc, "properties.tenantId", c.Tenant().String())
	arm.Set(c.Doc, "properties.details", arm.Doc{"version": 1, "parent": arm.Doc{"id": parent.String(), "name": parent.Name()},
		"updatedTime": c.Now.Format("2006-01-02T15:04:05.0000000Z"), "updatedBy": c.Caller.ID.String()})
	if err := c.PutParent(c.ID, parent); err != nil {
		return arm.Fault(err)
	}
	if c.Old != nil {
		return nil
	}
	return ownManagementGroup(c)
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

// viewManagementGroup adds the children where the request expands them.
func viewManagementGroup(c *arm.Call, d arm.Doc) {
	if !strings.Contains(strings.ToLower(strings.Join(slices.Concat(c.Query["$expand"], c.Query["%24expand"]), ",")), "children") {
		return
	}
	children := []any{}
	for child, err := range c.Children(azure.MustID(arm.Str(d, "id"))) {
		doc, loadErr := c.Load(child)
		if err != nil || loadErr != nil || doc == nil {
			continue
		}
		typ, name := "/subscriptions", arm.Str(doc, "displayName")
		if child.Subscription() == "" {
			typ, name = azure.TypeManagementGroup, arm.Str(doc, "properties.displayName")
		}
		children = append(children, arm.Doc{"id": child.String(), "name": child.Name(), "type": typ, "displayName": name})
	}
	arm.Set(d, "properties.children", children)
}

// managementGroupDeleted refuses to leave children without a parent.
func managementGroupDeleted(c *arm.Call) *azure.Error {
	for child, err := range c.Children(c.ID) {
		if err != nil {
			return arm.Fault(err)
		}
		return azure.ManagementGroupHasChildren.Format(azure.Fields{"name": c.ID.Name(), "child": child.Name()})
	}
	return arm.Fault(c.DropParent(c.ID))
}

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
	c.Doc["properties"] = arm.Doc{"tenant": c.Tenant().String(), "parent": arm.Doc{"id": c.ID.Parent().String()}, "state": "Active"}
	return arm.Fault(c.PutParent(sub, c.ID.Parent()))
}

// groupSubscriptionDeleted moves a subscription back under the root group.
func groupSubscriptionDeleted(c *arm.Call) *azure.Error {
	return arm.Fault(c.PutParent(azure.SubscriptionID(c.ID.Name()), RootGroup(c.Tenant())))
}

// listEntities lists the groups and subscriptions that the caller sees, with what they are under.
func listEntities(c *arm.Call) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		for d, err := range c.Resources(azure.Root, azure.TypeManagementGroup) {
			if err == nil && !c.May(azure.TypeManagementGroup+"/read", azure.MustID(arm.Str(d, "id"))) {
				continue
			}
			if err != nil || !yield(arm.Doc{"id": d["id"], "name": d["name"], "type": azure.TypeManagementGroup, "properties": arm.Doc{
				"displayName": arm.Str(d, "properties.displayName"), "tenantId": c.Tenant().String(), "parent": arm.Doc{"id": arm.Get(d, "properties.details.parent.id")}}}, nil) {
				return
			}
		}
	}
}
