package provider

import (
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// addon is a feature of a cluster with an identity of its own in the node resource group (azure-facts 1.1, 1.4).
type addon struct {
	profile  string     // where the cluster's document has it
	identity string     // the identity's name; * stands for the cluster's
	role     azure.GUID // that AKS grants it on the node resource group; zero: none
}

// Roles that AKS itself grants, all on the node resource group.
var (
	contributor = azure.MustGUID("b24988ac-6180-42a0-ab88-20f7382dd24c")
	reader      = azure.MustGUID("acdd72a7-3385-48ef-bd42-f606fba81ae7")
)

// addons are attached to the scale sets too: their pods ask the nodes' metadata service for tokens.
// What they need elsewhere nobody grants, or az does with its user's rights.
var addons = []addon{
	{"properties.addonProfiles.azureKeyvaultSecretsProvider", "azurekeyvaultsecretsprovider-*", azure.GUID{}},
	{"properties.addonProfiles.ingressApplicationGateway", "ingressapplicationgateway-*", azure.GUID{}},
	{"properties.addonProfiles.aciConnectorLinux", "aciconnectorlinux-*", contributor},
	{"properties.addonProfiles.omsagent", "omsagent-*", azure.GUID{}},
	{"properties.addonProfiles.azurepolicy", "azurepolicy-*", azure.GUID{}},
	{"properties.ingressProfile.webAppRouting", "webapprouting-*", azure.GUID{}},
	{"properties.metricsProfile.costAnalysis", "cost-analysis-identity", reader},
}

// in is the add-on's part of a cluster's document, whatever the case of its name; nil where there is none.
func (a addon) in(d arm.Doc) arm.Doc {
	at := strings.LastIndexByte(a.profile, '.')
	for name, v := range arm.Map(d, a.profile[:at]) {
		if part, ok := v.(map[string]any); ok && strings.EqualFold(name, a.profile[at+1:]) {
			return part
		}
	}
	return nil
}

// acts reports whether the add-on is on and has an identity: that of a service principal cluster acts as the service principal.
func (a addon) acts(d arm.Doc) bool {
	return arm.Bool(a.in(d), "enabled") && arm.Map(d, "identity") != nil
}

func (a addon) id(c *arm.Call) azure.ID {
	return nodeGroup(c.ID, c.Doc).Resource(typeIdentity, strings.ReplaceAll(a.identity, "*", arm.Str(c.Doc, "name")))
}

// shown reports whether the cluster's document has a member for the identity.
func (a addon) shown() bool { return !strings.HasSuffix(a.profile, "costAnalysis") }

// checkAddons checks what add-ons need, and keeps their identities, which are AKS's to write.
func checkAddons(c *arm.Call) *azure.Error {
	for _, a := range addons {
		part := a.in(c.Doc)
		if part == nil {
			continue
		}
		delete(part, "identity")
		if old := a.in(c.Old)["identity"]; old != nil && a.acts(c.Doc) {
			part["identity"] = old
		}
		if !arm.Bool(part, "enabled") {
			continue
		}
		switch a.identity {
		case "omsagent-*":
			if configured(part, "logAnalyticsWorkspaceResourceID") == "" {
				return azure.WorkspaceMissing.Error()
			}
		case "aciconnectorlinux-*":
			if isKubenet(c.Doc) {
				return azure.VirtualNodesNeedCNI.Error()
			}
		}
	}
	return nil
}

// configured is a setting of an add-on, whatever the case of its name.
func configured(part arm.Doc, name string) string {
	for k, v := range arm.Map(part, "config") {
		if s, ok := v.(string); ok && strings.EqualFold(k, name) {
			return s
		}
	}
	return ""
}

// makeAddonIdentities makes the identities of the add-ons that are on.
func makeAddonIdentities(c *arm.Call) *azure.Error {
	for _, a := range addons {
		if !a.acts(c.Doc) {
			continue
		}
		doc, err := ensure(c, a.id(c), arm.Doc{})
		if err != nil {
			return err
		}
		if !a.role.IsZero() {
			principal, err := azure.ParseGUID(arm.Str(doc, "properties.principalId"))
			if err != nil {
				return arm.Fault(err)
			}
			if err := grantOnNodes(c, principal, a.role); err != nil {
				return err
			}
		}
		if a.shown() {
			a.in(c.Doc)["identity"] = identityOf(doc)
		}
	}
	return c.Save()
}

// dropAddonIdentities removes the identities of add-ons that are off, with what AKS granted them.
func dropAddonIdentities(c *arm.Call) *azure.Error {
	for _, a := range addons {
		id := a.id(c)
		doc, err := c.Load(id)
		if err != nil {
			return arm.Fault(err)
		}
		if doc == nil || a.acts(c.Doc) {
			continue
		}
		if principal, err := azure.ParseGUID(arm.Str(doc, "properties.principalId")); err == nil && !a.role.IsZero() {
			if err := c.AsService(aks).Drop(nodeGrant(c, principal, a.role)); err != nil {
				return err
			}
		}
		if err := c.AsService(aks).Drop(id); err != nil {
			return err
		}
	}
	return nil
}

// grantOnNodes gives a principal a role on the node resource group, unless it has it there.
func grantOnNodes(c *arm.Call, principal azure.PrincipalID, role azure.GUID) *azure.Error {
	group := nodeGroup(c.ID, c.Doc)
	for d, err := range c.Find(byPrincipal(principal)) {
		if err != nil {
			return arm.Fault(err)
		}
		if a, ok := readAssignment(d); ok && a.Role == role && a.Scope.Equal(group) {
			return nil
		}
	}
	_, err := ensure(c, nodeGrant(c, principal, role), arm.Doc{"properties": arm.Doc{
		"principalId": principal.String(), "principalType": "ServicePrincipal", "roleDefinitionId": roleID(group, role)}})
	return err
}

// nodeGrant is the role assignment of grantOnNodes.
func nodeGrant(c *arm.Call, principal azure.PrincipalID, role azure.GUID) azure.ID {
	group := nodeGroup(c.ID, c.Doc)
	return group.Resource(typeRoleAssignment, nameFrom(group.Key(), principal.String(), role.String()).String())
}
