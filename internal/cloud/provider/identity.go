package provider

import (
	"regexp"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
)

const typeIdentity = "Microsoft.ManagedIdentity/userAssignedIdentities"

// managedIdentity is Microsoft.ManagedIdentity: each user-assigned identity has its service principal at once,
// and takes it along when it is deleted; its role assignments stay behind as orphans.
func managedIdentity() arm.Provider {
	return arm.Provider{Namespace: "Microsoft.ManagedIdentity", Types: []arm.Type{
		{Name: typeIdentity, Since: "2015-08-31-preview", Versions: []string{"2024-11-30", "2023-07-31-preview", "2023-01-31", "2022-01-31-preview", "2021-09-30-preview", "2018-11-30", "2015-08-31-preview"},
			Tracked: true, Codes: arm.Codes{Delete: 200}, Located: true,
			Check: checkIdentity, Deleted: identityDeleted, View: viewIdentity,
			Actions: map[string]arm.Action{"listassociatedresources": {Do: associatedResources}}},
		{Name: directory.TypeFederation, Since: "2022-01-31-preview", Versions: []string{"2024-11-30", "2023-07-31-preview", "2023-01-31", "2022-01-31-preview"},
			Located: true, Check: checkFederation},
	}}
}

func checkIdentity(c *arm.Call) *azure.Error {
	props := arm.Doc{"tenantId": c.Tenant().String(), "principalId": arm.Str(c.Old, "properties.principalId"), "clientId": arm.Str(c.Old, "properties.clientId")}
	if c.Old == nil {
		p, err := directory.NewManagedIdentity(c.Tx, c.ID.Name(), azure.MustID(arm.Str(c.Doc, "id")), c.Now)
		if err != nil {
			return arm.Fault(err)
		}
		props["principalId"], props["clientId"] = p.ID.String(), p.AppID.String()
	}
	c.Doc["properties"] = props
	return nil
}

// associatedResources are those that carry an identity: nodes' scale sets and clusters, not what only names it.
func associatedResources(c *arm.Call) (any, *azure.Error) {
	value := []any{}
	for d, err := range c.Find(c.ID.Key()) {
		if err != nil {
			return nil, arm.Fault(err)
		}
		for key := range arm.Map(d, "identity.userAssignedIdentities") {
			if carried, err := azure.ParseID(key); err != nil || !carried.Equal(c.ID) {
				continue
			}
			id := azure.MustID(arm.Str(d, "id"))
			value = append(value, arm.Doc{"id": id.String(), "name": id.Name(), "type": lower(id.Type()), "resourceGroup": lower(id.ResourceGroup()),
				"subscriptionId": id.Subscription(), "subscriptionDisplayName": entityName(c, azure.SubscriptionID(id.Subscription()))})
		}
	}
	return arm.Doc{"totalCount": len(value), "value": value}, nil
}

// viewIdentity is an identity as its provider spells it.
func viewIdentity(_ *arm.Call, d arm.Doc) {
	delete(arm.Map(d, "properties"), "provisioningState")
	d["id"] = aksID(arm.Str(d, "id"))
	arm.Default(d, "tags", arm.Doc{})
}

func identityDeleted(c *arm.Call) *azure.Error {
	id, err := azure.ParseGUID(arm.Str(c.Old, "properties.principalId"))
	if err == nil {
		err = directory.Delete(c.Tx, id)
	}
	return arm.Fault(err)
}

// federationName is the rule for the names of federated credentials (Microsoft Learn: workload identity federation considerations).
var federationName = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_-]{2,119}$`)

// checkFederation validates a federated credential of a user-assigned identity. It begins to count when a role
// assignment made now would.
func checkFederation(c *arm.Call) *azure.Error {
	if !federationName.MatchString(c.ID.Name()) {
		return azure.FederatedNameInvalid.Format(azure.Fields{"name": c.ID.Name()})
	}
	issuer, subject := arm.Str(c.Doc, "properties.issuer"), arm.Str(c.Doc, "properties.subject")
	audiences := text(arm.List(c.Doc, "properties.audiences"))
	switch {
	case issuer == "", subject == "", arm.Get(c.Doc, "properties.audiences") == nil:
		return azure.FederatedEmpty.Error()
	case len(audiences) != 1 || audiences[0] == "":
		return azure.FederatedOneAudience.Error()
	}
	count := 0
	for other, err := range c.Resources(c.ID.Parent(), directory.TypeFederation) {
		if err != nil {
			return arm.Fault(err)
		}
		if strings.EqualFold(arm.Str(other, "name"), c.ID.Name()) {
			continue
		}
		if count++; arm.Str(other, "properties.issuer") == issuer && arm.Str(other, "properties.subject") == subject {
			return azure.FederatedDuplicate.Error()
		}
	}
	if c.Old == nil && count >= directory.MaxFederations {
		return azure.FederatedLimit.Error()
	}
	c.Doc["properties"] = arm.Doc{"issuer": issuer, "subject": subject, "audiences": []any{audiences[0]}}
	arm.Set(c.Doc, "_.from", c.Effective().Format(time.RFC3339Nano))
	return nil
}
