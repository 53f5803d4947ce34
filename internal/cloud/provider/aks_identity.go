package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
	"aksid/internal/rbac"
)

// Who a cluster acts as: a managed identity, or in the old way a service principal (azure-facts 1.1 to 1.3).

// usedSecret is the member that names the secret which a service principal cluster was given: its id, never its text.
const usedSecret = "_.servicePrincipalSecret"

// checkIdentityKind allows the switches of azure-facts 1.3. There is none back to a service principal.
func checkIdentityKind(c *arm.Call) *azure.Error {
	kind, users := strings.ToLower(arm.Str(c.Doc, "identity.type")), arm.Map(c.Doc, "identity.userAssignedIdentities")
	switch {
	case kind == "" && arm.Map(c.Old, "identity") != nil:
		return unchangeable("identity.type")
	case kind == "", kind == "systemassigned" && len(users) == 0, kind == "userassigned" && len(users) == 1:
		return nil
	}
	return azure.OneUserAssignedIdentity.Error()
}

// checkPrincipal checks the service principal of a cluster without an identity: what it is given at creation
// (azure-facts 1.1), and that Entra still lets it in when AKS is to act as it.
func checkPrincipal(c *arm.Call) *azure.Error {
	const profile = "properties.servicePrincipalProfile"
	app, secret := arm.Str(c.Doc, profile+".clientId"), arm.Str(c.Doc, profile+".secret")
	old := arm.Str(c.Old, profile+".clientId")
	if arm.Map(c.Doc, "identity") != nil {
		if c.Old != nil && app != "" && !strings.EqualFold(app, "msi") && !strings.EqualFold(app, old) {
			return unchangeable("servicePrincipalProfile.clientId")
		}
		arm.Set(c.Doc, profile, arm.Doc{"clientId": "msi"})
		arm.Unset(c.Doc, usedSecret)
		return nil
	}
	if c.Old != nil && !strings.EqualFold(app, old) {
		return unchangeable("servicePrincipalProfile.clientId")
	}
	id, err := azure.ParseGUID(app)
	if err != nil {
		return azure.MissingParameter.Format(azure.Fields{"path": "servicePrincipalProfile.clientId"})
	}
	if c.Old == nil {
		return useServicePrincipal(c, id, secret)
	}
	return checkServicePrincipal(c, id, secret)
}

// useServicePrincipal logs in as a service principal and makes it the cluster's.
func useServicePrincipal(c *arm.Call, app azure.GUID, secret string) *azure.Error {
	p, credentials, err := directory.Client(c.Tx, app)
	if errors.Is(err, directory.ErrNoApplication) || errors.Is(err, directory.ErrNoServicePrincipal) {
		return azure.ServicePrincipalNotFound.Format(azure.Fields{"app": app.String(), "tenant": c.Tenant().String()})
	}
	var used directory.Secret
	if err == nil {
		used, err = credentials.Secret(secret, c.Now)
	}
	if err != nil {
		return principalRefused(c, err, app, p)
	}
	arm.Set(c.Doc, "properties.servicePrincipalProfile", arm.Doc{"clientId": app.String()})
	arm.Set(c.Doc, usedSecret, used.ID.String())
	return nil
}

// checkServicePrincipal logs in again with what the cluster was given. A secret in the request must be that one.
func checkServicePrincipal(c *arm.Call, app azure.GUID, secret string) *azure.Error {
	p, credentials, err := directory.Client(c.Tx, app)
	used, _ := azure.ParseGUID(arm.Str(c.Doc, usedSecret))
	if err == nil {
		err = credentials.Good(used, c.Now)
	}
	if err != nil {
		return principalRefused(c, err, app, p)
	}
	if given, _ := credentials.Secret(secret, c.Now); secret != "" && given.ID != used {
		return unchangeable("servicePrincipalProfile.secret")
	}
	arm.Set(c.Doc, "properties.servicePrincipalProfile", arm.Doc{"clientId": app.String()})
	return nil
}

// principalRefused is how AKS passes on that Entra does not let the service principal in.
func principalRefused(c *arm.Call, err error, app azure.GUID, p directory.Principal) *azure.Error {
	refused := directory.Refusal(err, c.Tenant(), app, p)
	if refused == nil {
		return arm.Fault(err)
	}
	oauth := "invalid_client"
	if refused.Status == http.StatusBadRequest {
		oauth = "unauthorized_client"
	}
	body, _ := json.Marshal(map[string]string{"error": oauth, "error_description": refused.Code + ": " + refused.Message}) // strings always marshal
	return azure.ServicePrincipalInvalid.Format(azure.Fields{"details": fmt.Sprintf("adal: Refresh request failed. Status Code = '%d'. Response body: %s", refused.Status, body)})
}

// resetServicePrincipal is az aks update-credentials: another secret, or another service principal.
func resetServicePrincipal(c *arm.Call) (any, *azure.Error) {
	if arm.Map(c.Doc, "identity") != nil {
		return nil, azure.ManagedIdentityNoPrincipal.Error()
	}
	app, err := azure.ParseGUID(arm.Str(c.Body, "clientId"))
	if err != nil {
		return nil, azure.MissingParameter.Format(azure.Fields{"path": "clientId"})
	}
	return nil, useServicePrincipal(c, app, arm.Str(c.Body, "secret"))
}

// controlPlane is the principal that the cluster's controllers act as.
func controlPlane(c *arm.Call) (azure.PrincipalID, *azure.Error) {
	if id, err := azure.ParseGUID(arm.Str(c.Doc, "identity.principalId")); err == nil {
		return id, nil
	}
	for _, v := range arm.Map(c.Doc, "identity.userAssignedIdentities") {
		d, _ := v.(map[string]any)
		id, err := azure.ParseGUID(arm.Str(d, "principalId"))
		return id, arm.Fault(err)
	}
	app, err := azure.ParseGUID(arm.Str(c.Doc, "properties.servicePrincipalProfile.clientId"))
	if err != nil {
		return azure.PrincipalID{}, arm.Fault(err)
	}
	p, err := directory.ByAppID(c.Tx, app)
	if isNotFound(err) {
		return p.ID, azure.ServicePrincipalNotFound.Format(azure.Fields{"app": app.String(), "tenant": c.Tenant().String()})
	}
	return p.ID, arm.Fault(err)
}

// asControlPlane is the way through the door as the cluster's own identity.
func asControlPlane(c *arm.Call) (*arm.Call, *azure.Error) {
	id, e := controlPlane(c)
	if e != nil {
		return nil, e
	}
	p, err := directory.Get(c.Tx, id)
	if err != nil {
		return nil, arm.Fault(err)
	}
	return c.As(directory.Caller{ID: p.ID, AppID: p.AppID, Tenant: c.Tenant(), Type: p.Type, Resource: p.Resource}), nil
}

// controlPlaneMay refuses unless the cluster's identity may perform all the actions on scope, naming the first that it may not.
func controlPlaneMay(c *arm.Call, refusal *azure.Message, scope azure.ID, actions ...azure.Action) *azure.Error {
	principal, err := controlPlane(c)
	if err != nil {
		return err
	}
	for _, a := range actions {
		if c.Decide(principal, a, scope).Outcome != rbac.Granted {
			return refusal.Format(azure.Fields{"scope": scope.String(), "action": string(a)})
		}
	}
	return nil
}

func systemAssigned(d arm.Doc) bool { return arm.Str(d, "identity.principalId") != "" }

func userAssigned(d arm.Doc) bool { return len(arm.Map(d, "identity.userAssignedIdentities")) > 0 }

const kubeletProfile = "properties.identityProfile.kubeletidentity"

// linkKubelet is the link to a kubelet identity that the request brings: its caller must be allowed to assign it.
// The one that AKS made is AKS's own, and may be gone: a reconcile makes it anew.
func linkKubelet(c *arm.Call) *azure.Error {
	id, err := azure.ParseID(arm.Str(c.Body, kubeletProfile+".resourceId"))
	if err != nil || strings.EqualFold(id.ResourceGroup(), arm.Str(c.Doc, "properties.nodeResourceGroup")) {
		return nil
	}
	return c.AuthorizeLink(assignIdentity, id)
}

// checkKubelet checks a kubelet identity that the user brings: user-assigned control plane only, and one that may
// assign it. Another one than before reaches the nodes at once: their pools are made anew (azure-facts 1.3).
func checkKubelet(c *arm.Call) *azure.Error {
	id, err := azure.ParseID(arm.Str(c.Doc, kubeletProfile+".resourceId"))
	if err != nil || nodeGroup(c.ID, c.Doc).Contains(id) {
		return nil
	}
	if !userAssigned(c.Doc) {
		return azure.CustomKubeletIdentityOnlyUserAssigned.Error()
	}
	doc, err := c.Load(id)
	if err != nil || doc == nil {
		if err != nil {
			return arm.Fault(err)
		}
		return azure.InvalidResourceReference.Format(azure.Fields{"target": id.String(), "id": c.ID.String()})
	}
	if err := controlPlaneMay(c, azure.CustomKubeletIdentityMissingPermission, id, assignIdentity); err != nil {
		return err
	}
	setKubelet(c.Doc, doc)
	if old := arm.Str(c.Old, kubeletProfile+".resourceId"); old != "" && !strings.EqualFold(old, id.String()) {
		for _, p := range pools(c.Doc) {
			p["provisioningState"] = upgradingImage
		}
	}
	return nil
}

func setKubelet(d, identity arm.Doc) { arm.Set(d, kubeletProfile, identityOf(identity)) }

// identityOf is how a cluster's document shows a user-assigned identity.
func identityOf(identity arm.Doc) arm.Doc {
	return arm.Doc{"resourceId": aksID(arm.Str(identity, "id")), "clientId": arm.Str(identity, "properties.clientId"), "objectId": arm.Str(identity, "properties.principalId")}
}

// makeKubeletIdentity makes the identity that nodes pull images with, unless the user brought one
// or the cluster runs as a service principal.
func makeKubeletIdentity(c *arm.Call) *azure.Error {
	if arm.Map(c.Doc, "identity") == nil {
		return nil
	}
	own := nodeGroup(c.ID, c.Doc).Resource(typeIdentity, arm.Str(c.Doc, "name")+"-agentpool")
	if id, err := azure.ParseID(arm.Str(c.Doc, kubeletProfile+".resourceId")); err == nil && !id.Equal(own) {
		return nil
	}
	doc, err := ensure(c, own, arm.Doc{})
	if err != nil {
		return err
	}
	setKubelet(c.Doc, doc)
	return c.Save()
}
