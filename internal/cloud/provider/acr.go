package provider

import (
	"regexp"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

const typeRegistry = "Microsoft.ContainerRegistry/registries"

// modeSince is the first api-version that returns a registry's roleAssignmentMode.
const modeSince = "2024-11-01"

var registryName = regexp.MustCompile(`^[a-zA-Z0-9]{5,50}$`)

func containerRegistry() arm.Provider {
	return arm.Provider{Namespace: "Microsoft.ContainerRegistry", Types: []arm.Type{{
		Name: typeRegistry, Since: "2016-06-27-preview", Versions: []string{"2025-04-01", "2024-11-01-preview", "2023-07-01", "2023-01-01-preview", "2022-12-01", "2022-02-01-preview", "2021-09-01", "2019-12-01-preview", "2019-05-01", "2017-10-01"},
		Tracked: true, SystemData: true, Identity: true, Check: checkRegistry, View: viewRegistry,
		Keep: []string{"sku", "properties.adminUserEnabled", "properties.anonymousPullEnabled", "properties.policies", "properties.roleAssignmentMode"},
		Refs: func(d arm.Doc) []string { return []string{registryRef(arm.Str(d, "name"))} },
	}}}
}

// registryRef is the index entry under which a registry is found by its name, which is unique in Azure.
func registryRef(name string) string { return "registry:" + lower(name) }

func checkRegistry(c *arm.Call) *azure.Error {
	name := c.ID.Name()
	if !registryName.MatchString(name) {
		return azure.InvalidRegistryName.Format(azure.Fields{"name": name})
	}
	for d, err := range c.Find(registryRef(name)) {
		if err != nil {
			return arm.Fault(err)
		}
		if id := azure.MustID(arm.Str(d, "id")); !id.Equal(c.ID) {
			return azure.RegistryNameTaken.Format(azure.Fields{"server": lower(name) + ".azurecr.io"})
		}
	}
	sku := arm.Str(c.Doc, "sku.name")
	switch sku {
	case "Basic", "Standard", "Premium":
	default:
		return azure.InvalidSKU.Format(azure.Fields{"sku": sku})
	}
	arm.Set(c.Doc, "sku.tier", sku)
	created := arm.Get(c.Old, "properties.creationDate")
	if created == nil {
		created = c.Now.Format("2006-01-02T15:04:05.0000000Z")
	}
	arm.Set(c.Doc, "properties.creationDate", created)
	arm.Set(c.Doc, "properties.loginServer", lower(name)+".azurecr.io")
	for path, v := range map[string]any{
		"adminUserEnabled": false, "anonymousPullEnabled": false, "dataEndpointEnabled": false, "dataEndpointHostNames": []any{},
		"publicNetworkAccess": "Enabled", "networkRuleBypassOptions": "AzureServices", "zoneRedundancy": "Disabled",
		"roleAssignmentMode": "LegacyRegistryPermissions", "encryption.status": "disabled", "policies.quarantinePolicy.status": "disabled",
		"policies.trustPolicy": arm.Doc{"type": "Notary", "status": "disabled"}, "policies.retentionPolicy": arm.Doc{"days": 7, "status": "disabled"},
		"policies.exportPolicy.status": "enabled", "policies.azureADAuthenticationAsArmPolicy.status": "enabled",
		"policies.softDeletePolicy": arm.Doc{"retentionDays": 7, "status": "disabled"},
	} {
		arm.Default(c.Doc, "properties."+path, v)
	}
	return nil
}

func viewRegistry(c *arm.Call, d arm.Doc) {
	if strings.Compare(c.Version, modeSince) < 0 {
		delete(arm.Map(d, "properties"), "roleAssignmentMode")
	}
}
