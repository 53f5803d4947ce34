package arm

import (
	"errors"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

// bindIdentity fills in the identity block of a request: it makes the system-assigned principal, looks up the
// user-assigned ones, and drops the principal of a system-assigned identity that is no more. A request without a block
// leaves what is there, also where an identity was deleted meanwhile: only writing identities
// fails then.
func (c *Call) bindIdentity() *azure.Error {
	if !c.Type.Identity || c.Old != nil && c.Body["identity"] == nil {
		return nil
	}
	block := Map(c.Doc, "identity")
	kind := strings.ToLower(Str(block, "type"))
	old := Map(c.Old, "identity")
	if strings.Contains(kind, "systemassigned") {
		principal := Str(old, "principalId")
		if principal == "" {
			p, err := directory.NewManagedIdentity(c.Tx, c.ID.Name(), azure.MustID(Str(c.Doc, "id")), c.Now)
			if err != nil {
				return Fault(err)
			}
			principal = p.ID.String()
		}
		block["principalId"], block["tenantId"] = principal, c.arm.cfg.Tenant.String()
	} else {
		if err := c.dropSystemIdentity(c.Old); err != nil {
			return err
		}
		delete(block, "principalId")
		if block != nil && !strings.Contains(kind, "userassigned") {
			delete(c.Doc, "identity")
			return nil
		}
	}
	return c.bindUserIdentities(block, kind)
}

func (c *Call) bindUserIdentities(block Doc, kind string) *azure.Error {
	if !strings.Contains(kind, "userassigned") {
		delete(block, "userAssignedIdentities")
		return nil
	}
	users := Doc{}
	for key := range Map(block, "userAssignedIdentities") {
		id, err := azure.ParseID(key)
		if err != nil {
			return azure.LinkedInvalidProperty.Format(azure.Fields{"value": key, "path": "identity.userAssignedIdentities"})
		}
		doc, err := c.look(id)
		if err != nil {
			return Fault(err)
		}
		if doc == nil {
			return azure.FailedIdentityOperation.Format(azure.Fields{"scope": c.ID.String(), "identity": id.String()})
		}
		users[key] = Doc{"principalId": Str(doc, "properties.principalId"), "clientId": Str(doc, "properties.clientId")}
	}
	block["userAssignedIdentities"] = users
	return nil
}

// dropSystemIdentity deletes the principal that lives and dies with a resource.
func (c *Call) dropSystemIdentity(d Doc) *azure.Error {
	id, err := azure.ParseGUID(Str(d, "identity.principalId"))
	if err != nil {
		return nil
	}
	if err := directory.Delete(c.Tx, id); err != nil && !errors.Is(err, store.ErrNotFound) {
		return Fault(err)
	}
	return nil
}
