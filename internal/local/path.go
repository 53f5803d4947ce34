package local

import (
	"net/url"
	"strings"

	"aksid/internal/azure"
)

// versions are the api-versions of calls that are not an Azure client's, by provider and, where that differs, by type.
var versions = map[string]string{
	"microsoft.authorization/policydefinitions": "2023-04-01", "microsoft.authorization/policysetdefinitions": "2023-04-01",
	"microsoft.authorization/policyassignments": "2023-04-01",
	"microsoft.authorization":                   "2022-04-01", "microsoft.authorization/locks": "2020-05-01", "microsoft.authorization/denyassignments": "2024-07-01-preview",
	"microsoft.compute": "2023-09-01", "microsoft.compute/disks": "2023-10-02",
	"microsoft.containerregistry": "2025-11-01", "microsoft.containerservice": "2024-09-01",
	"microsoft.insights": "2021-05-01-preview", "microsoft.keyvault": "2023-07-01",
	"microsoft.management": "2020-05-01", "microsoft.managedidentity": "2023-01-31",
	"microsoft.network": "2023-09-01", "microsoft.network/privatednszones": "2020-06-01",
	"microsoft.operationalinsights": "2023-09-01", "microsoft.resources": "2021-04-01", "microsoft.storage": "2023-01-01",
}

// PathOf is the path of a resource, or of a collection, with an api-version, as Call takes it.
func PathOf(id azure.ID) string {
	_, typ, _ := id.Split()
	parts := strings.SplitN(strings.ToLower(typ), "/", 3)
	version, ok := versions[strings.Join(parts[:min(2, len(parts))], "/")]
	if !ok {
		version = versions[parts[0]]
	}
	return (&url.URL{Path: id.String(), RawQuery: "api-version=" + version}).String()
}
