package provider

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
	"aksid/internal/rbac"
)

// Restore puts back a document that was read, here or in Azure: as it is, with what it means to the engine, and with the
// principals of the identities that it names. It is false for a type that is not served.
func Restore(c *arm.Call, id azure.ID, d arm.Doc) (bool, error) {
	var err error
	switch typ := id.Type(); {
	case strings.EqualFold(typ, typeRoleAssignment):
		err = restoreAssignment(c, d)
	case strings.EqualFold(typ, typeRoleDefinition):
		return restoreRole(c, id, d)
	case strings.EqualFold(typ, typeDeny):
		err = restoreDeny(c, d)
	case strings.EqualFold(typ, typePublicIP):
		err = keepPublic(c, arm.Str(d, "properties.ipAddress"))
	case strings.EqualFold(typ, typePrefix):
		err = keepPublic(c, arm.Str(d, "properties.ipPrefix"))
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", id, err)
	}
	if err := restorePrincipals(c, id, d); err != nil {
		return false, err
	}
	return c.Restore(id, d)
}

// BuiltIn is the document of the built-in role that a role assignment gives; false for any other document.
func BuiltIn(c *arm.Call, d arm.Doc) (arm.Doc, bool) {
	a, ok := readAssignment(d)
	if !ok || !strings.EqualFold(a.ID.Type(), typeRoleAssignment) {
		return nil, false
	}
	r, ok := c.Policy().Role(a.Role)
	if !ok || !r.BuiltIn {
		return nil, false
	}
	return roleDoc(azure.Root, r, nil), true
}

var errIncomplete = errors.New("it lacks what its type must have")

func restoreAssignment(c *arm.Call, d arm.Doc) error {
	a, ok := readAssignment(d)
	if !ok {
		return errIncomplete
	}
	created, _ := time.Parse(time.RFC3339Nano, arm.Str(d, "properties.createdOn"))
	return c.PutGrant(rbac.Grant{ID: a.ID, Role: a.Role, Principal: a.Principal, PrincipalType: arm.Str(d, "properties.principalType"),
		Scope: a.Scope, Condition: arm.Str(d, "properties.condition"), CreatedOn: created})
}

// restoreRole leaves built-in roles as the engine has them.
func restoreRole(c *arm.Call, id azure.ID, d arm.Doc) (bool, error) {
	role, err := roleGUID(id.String())
	if err != nil {
		return false, fmt.Errorf("%s: %w", id, errIncomplete)
	}
	if _, ok := rbac.BuiltInRole(role.String()); ok {
		return true, nil
	}
	r := rbac.Role{ID: role, Name: arm.Str(d, "properties.roleName"), Description: arm.Str(d, "properties.description")}
	if r.Permissions, err = restoredPermissions(d); err != nil {
		return false, err
	}
	for _, s := range text(arm.List(d, "properties.assignableScopes")) {
		if scope, err := azure.ParseID(s); err == nil {
			r.AssignableScopes = append(r.AssignableScopes, scope)
		}
	}
	if err := c.PutRole(r); err != nil {
		return false, err
	}
	return c.Restore(roleKey(id), d)
}

// restoredPermissions takes actions that are not known here as well: they were taken where the role was made.
func restoredPermissions(d arm.Doc) ([]rbac.Permission, error) {
	var out []rbac.Permission
	for _, v := range arm.List(d, "properties.permissions") {
		p, ok := v.(map[string]any)
		if !ok {
			return nil, errIncomplete
		}
		out = append(out, rbac.Permission{Actions: text(arm.List(p, "actions")), NotActions: text(arm.List(p, "notActions")),
			DataActions: text(arm.List(p, "dataActions")), NotDataActions: text(arm.List(p, "notDataActions"))})
	}
	return out, nil
}

func restoreDeny(c *arm.Call, d arm.Doc) error {
	deny, err := readDeny(d)
	if err != nil {
		return errIncomplete
	}
	deny.Scope, _, _ = deny.ID.Split()
	if strings.EqualFold(arm.Str(d, "properties.denyAssignmentEffect"), "audit") {
		return nil
	}
	return c.PutDeny(deny)
}

// restorePrincipals makes the service principals of the managed identities that a document names, unless they are there.
func restorePrincipals(c *arm.Call, id azure.ID, d arm.Doc) error {
	if strings.EqualFold(id.Type(), typeIdentity) {
		return restorePrincipal(c, id, arm.Str(d, "properties.principalId"), arm.Str(d, "properties.clientId"))
	}
	if err := restorePrincipal(c, id, arm.Str(d, "identity.principalId"), ""); err != nil {
		return err
	}
	blocks := []arm.Doc{arm.Map(d, "properties.identityProfile.kubeletidentity"), arm.Map(d, "properties.ingressProfile.webAppRouting.identity")}
	for _, addOn := range arm.Map(d, "properties.addonProfiles") {
		m, _ := addOn.(map[string]any)
		blocks = append(blocks, arm.Map(m, "identity"))
	}
	for _, b := range blocks {
		if err := restoreIdentity(c, d, arm.Str(b, "resourceId"), arm.Str(b, "objectId"), arm.Str(b, "clientId")); err != nil {
			return err
		}
	}
	for key, v := range arm.Map(d, "identity.userAssignedIdentities") {
		m, _ := v.(map[string]any)
		if err := restoreIdentity(c, d, key, arm.Str(m, "principalId"), arm.Str(m, "clientId")); err != nil {
			return err
		}
	}
	return nil
}

// restoreIdentity makes a user-assigned identity that is named by another document and was not read itself.
func restoreIdentity(c *arm.Call, of arm.Doc, resource, principal, client string) error {
	id, err := azure.ParseID(resource)
	if err != nil || principal == "" {
		return nil
	}
	if old, err := c.Load(id); err != nil || old != nil {
		return err
	}
	_, err = Restore(c, id, arm.Doc{"location": of["location"], "properties": arm.Doc{"principalId": principal, "clientId": client, "tenantId": c.Tenant().String()}})
	return err
}

func restorePrincipal(c *arm.Call, carrier azure.ID, principal, client string) error {
	id, err := azure.ParseGUID(principal)
	if err != nil || id.IsZero() {
		return nil
	}
	p, err := directory.Get(c.Tx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		p = directory.Principal{ID: id, Type: directory.ServicePrincipal, DisplayName: carrier.Name(), Created: c.Now}
	case err != nil:
		return err
	}
	p.Kind, p.Resource = directory.ManagedIdentity, carrier
	if app, err := azure.ParseGUID(client); err == nil {
		p.AppID = app
	}
	if p.AppID.IsZero() {
		p.AppID = azure.NewGUID()
	}
	return directory.Put(c.Tx, p)
}
