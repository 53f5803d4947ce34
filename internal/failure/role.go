package failure

import (
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

// roles are the built-in roles for what is usually missing, by the beginning of the action in lower case: the first
// beginning that fits counts, and of its roles, which begin with the narrowest, the first that has the action.
var roles = []struct {
	action string
	roles  []string
}{
	{"microsoft.network/privatednszones/", []string{"Private DNS Zone Contributor"}},
	{"microsoft.network/dnszones/", []string{"DNS Zone Contributor"}},
	{"microsoft.network/", []string{"Network Contributor"}},
	{"microsoft.managedidentity/", []string{"Managed Identity Operator", "Managed Identity Federated Identity Credential Contributor", "Managed Identity Contributor"}},
	{"microsoft.compute/snapshots/", []string{"Disk Snapshot Contributor"}},
	{"microsoft.compute/diskencryptionsets/read", []string{"Reader"}},
	{"microsoft.compute/galleries/", []string{"Compute Gallery Image Reader", "Reader"}},
	{"microsoft.compute/", []string{"Virtual Machine Contributor", "Disk Snapshot Contributor"}},
	{"microsoft.storage/storageaccounts/blobservices/containers/blobs/", []string{"Storage Blob Data Reader", "Storage Blob Data Contributor", "Storage Blob Data Owner"}},
	{"microsoft.storage/storageaccounts/queueservices/queues/messages/", []string{"Storage Queue Data Reader", "Storage Queue Data Contributor"}},
	{"microsoft.storage/storageaccounts/", []string{"Storage Account Contributor"}},
	{"microsoft.operationalinsights/", []string{"Log Analytics Contributor"}},
	{"microsoft.insights/", []string{"Monitoring Contributor"}},
	{"microsoft.containerservice/fleets/", []string{"Azure Kubernetes Fleet Manager Contributor Role"}},
	{"microsoft.containerservice/", []string{"Azure Kubernetes Service Cluster User Role", "Azure Kubernetes Service Cluster Monitoring User", "Azure Kubernetes Service Cluster Admin Role",
		"Azure Kubernetes Service RBAC Reader", "Azure Kubernetes Service RBAC Writer", "Azure Kubernetes Service Contributor Role"}},
	{"microsoft.containerregistry/", []string{"AcrPull", "AcrPush", "AcrDelete", "Container Registry Repository Reader", "Container Registry Repository Writer", "Reader",
		"Container Registry Data Importer and Data Reader", "Container Registry Tasks Contributor", "Container Registry Contributor and Data Access Configuration Administrator"}},
	{"microsoft.cognitiveservices/accounts/openai/", []string{"Cognitive Services OpenAI User", "Cognitive Services OpenAI Contributor"}},
	{"microsoft.cognitiveservices/", []string{"Reader", "Cognitive Services User", "Cognitive Services Contributor"}},
	{"microsoft.containerinstance/", []string{"Azure Container Instances Contributor Role"}},
	{"microsoft.kubernetesconfiguration/", []string{"Kubernetes Extension Contributor"}},
	{"microsoft.keyvault/vaults/secrets/", []string{"Key Vault Secrets User", "Key Vault Secrets Officer"}},
	{"microsoft.keyvault/vaults/certificates/", []string{"Key Vault Certificate User", "Key Vault Certificates Officer"}},
	{"microsoft.keyvault/vaults/keys/", []string{"Key Vault Crypto User", "Key Vault Crypto Officer"}},
	{"microsoft.keyvault/", []string{"Reader", "Key Vault Contributor"}},
	{"microsoft.authorization/roleassignments/", []string{"Role Based Access Control Administrator"}},
	{"microsoft.authorization/policy", []string{"Resource Policy Contributor"}},
	{"microsoft.authorization/locks/", []string{"Locks Contributor"}},
	{"microsoft.authorization/", []string{"User Access Administrator"}},
	{"microsoft.appconfiguration/configurationstores/", []string{"App Configuration Data Reader", "App Configuration Data Owner", "Reader", "App Configuration Contributor"}},
	{"microsoft.management/", []string{"Management Group Contributor"}},
}

// anywhere are the roles for what no row is about.
var anywhere = []string{"Reader", "Contributor", "Owner"}

// roleFor is the role with the least besides an action that documents or the action itself suggest. Somebody who only
// reads, and is none of the cluster's identities, which go on to write, needs no more than Reader.
func roleFor(action string, actor Actor) string {
	role := suggested(action)
	if actor == Caller && grants("Reader", action, false) && !grants(role, action, true) && changes(role) {
		return "Reader"
	}
	return role
}

func suggested(action string) string {
	lower := strings.ToLower(action)
	for _, r := range roles {
		if !strings.HasPrefix(lower, r.action) {
			continue
		}
		if i := slices.IndexFunc(r.roles, func(role string) bool { return grants(role, action, false) || grants(role, action, true) }); i >= 0 {
			return r.roles[i]
		}
		break
	}
	return anywhere[slices.IndexFunc(anywhere, func(role string) bool { return grants(role, action, false) })] // an Owner may do anything
}

func grants(role, action string, data bool) bool {
	r, ok := rbac.BuiltInRole(role)
	return ok && r.Grants(azure.Action(action), data)
}

// changes reports whether a role allows more than reading.
func changes(role string) bool {
	r, ok := rbac.BuiltInRole(role)
	return ok && slices.ContainsFunc(r.Permissions, func(p rbac.Permission) bool {
		return slices.ContainsFunc(p.Actions, func(a string) bool { return !strings.HasSuffix(strings.ToLower(a), "/read") })
	})
}
