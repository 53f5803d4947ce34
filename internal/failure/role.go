package failure

import "strings"

// roles are the built-in roles with the least besides for what is usually missing, by the beginning of the action in
// lower case; the first that fits counts.
var roles = []struct{ action, role string }{
	{"microsoft.network/privatednszones/", "Private DNS Zone Contributor"},
	{"microsoft.network/dnszones/", "DNS Zone Contributor"},
	{"microsoft.network/", "Network Contributor"},
	{"microsoft.managedidentity/userassignedidentities/", "Managed Identity Operator"},
	{"microsoft.compute/snapshots/", "Disk Snapshot Contributor"},
	{"microsoft.compute/diskencryptionsets/read", "Reader"},
	{"microsoft.compute/", "Virtual Machine Contributor"},
	{"microsoft.storage/storageaccounts/", "Storage Account Contributor"},
	{"microsoft.operationalinsights/", "Log Analytics Contributor"},
	{"microsoft.containerservice/managedclusters/listclusterusercredential/", "Azure Kubernetes Service Cluster User Role"},
	{"microsoft.containerservice/managedclusters/accessprofiles/", "Azure Kubernetes Service Cluster Admin Role"},
	{"microsoft.containerservice/managedclusters/listclusteradmincredential/", "Azure Kubernetes Service Cluster Admin Role"},
	{"microsoft.containerservice/", "Azure Kubernetes Service Contributor Role"},
	{"microsoft.containerregistry/registries/pull/", "AcrPull"},
	{"microsoft.containerregistry/registries/push/", "AcrPush"},
	{"microsoft.keyvault/vaults/secrets/", "Key Vault Secrets User"},
	{"microsoft.keyvault/vaults/certificates/", "Key Vault Certificate User"},
	{"microsoft.keyvault/vaults/keys/", "Key Vault Crypto User"},
	{"microsoft.authorization/roleassignments/", "Role Based Access Control Administrator"},
	{"microsoft.authorization/", "User Access Administrator"},
}

func roleFor(action string) string {
	action = strings.ToLower(action)
	for _, r := range roles {
		if strings.HasPrefix(action, r.action) {
			return r.role
		}
	}
	if strings.HasSuffix(action, "/read") {
		return "Reader"
	}
	return "Contributor"
}
