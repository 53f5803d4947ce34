package provider

import (
	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
)

const typeIdentity = "Microsoft.ManagedIdentity/userAssignedIdentities"

// managedIdentity is Microsoft.ManagedIdentity: each user-assigned identity has its service principal at once,
// and takes it along when it is deleted; its role assignments stay behind as orphans.
func managedIdentity() arm.Provider {
	return arm.Provider{Namespace: "Microsoft.ManagedIdentity", Types: []arm.Type{{
		Name: typeIdentity, Since: "2015-08-31-preview", Versions: []string{"2024-11-30", "2023-07-31-preview", "2023-01-31", "2022-01-31-preview", "2021-09-30-preview", "2018-11-30", "2015-08-31-preview"},
		Tracked: true, SystemData: true, Codes: arm.Codes{Delete: 200},
		Check: checkIdentity, Deleted: identityDeleted,
		View: func(_ *arm.Call, d arm.Doc) { delete(arm.Map(d, "properties"), "provisioningState") },
	}}}
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

func identityDeleted(c *arm.Call) *azure.Error {
	id, err := azure.ParseGUID(arm.Str(c.Old, "properties.principalId"))
	if err == nil {
		err = directory.Delete(c.Tx, id)
	}
	return arm.Fault(err)
}
