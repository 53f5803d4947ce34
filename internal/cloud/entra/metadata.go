package entra

import (
	"net/http"
	"slices"
	"strings"

	"aksid/internal/azure"
)

// The api-versions of the clouds' endpoint document, by the shape they answer with.
var (
	shortVersions  = []string{"1.0", "2015-01-01"}                                                  // az cloud register, go-autorest
	listVersions   = []string{"2018-01-01", "2018-05-01", "2019-05-01", "2019-06-01", "2020-06-01"} // az, azcore
	objectVersions = []string{"2022-09-01"}                                                         // Terraform
)

// Metadata serves /metadata/endpoints, which tells clients where the cloud's services answer, in the shape of the
// api-version asked for: a short object, a list of clouds, or one cloud. az's ARM authority is /adfs in the first two:
// MSAL asks no foreign host about it. Terraform's client appends the tenant to the third.
func (s *Service) Metadata() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		document, err := metadata(base(r), r.URL.Query().Get("api-version"))
		if err != nil {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.WriteHeader(err.Status)
			_, _ = w.Write(err.Body())
			return
		}
		writeJSON(w, http.StatusOK, document)
	})
}

func metadata(base, version string) (any, *azure.Error) {
	switch {
	case version == "":
		return nil, azure.MissingAPIVersion.Error()
	case slices.Contains(shortVersions, version):
		return shortMetadata(base), nil
	case slices.Contains(listVersions, version):
		return []any{cloudMetadata(base, base+"/adfs")}, nil
	case slices.Contains(objectVersions, version):
		return cloudMetadata(base, base+"/"), nil
	}
	supported := slices.Concat(shortVersions, listVersions, objectVersions)
	return nil, azure.InvalidAPIVersion.Format(azure.Fields{"version": version, "supported": strings.Join(supported, ",")})
}

func shortMetadata(base string) map[string]any {
	return map[string]any{
		"galleryEndpoint": base + "/", "graphEndpoint": base + "/", "portalEndpoint": base + "/",
		"authentication": map[string]any{"loginEndpoint": base + "/adfs", "audiences": []string{base + "/"}},
	}
}

// cloudMetadata has what az (core/cloud.py) and hashicorp/go-azure-sdk (sdk/environments) read of a cloud.
func cloudMetadata(base, login string) map[string]any {
	own := base + "/"
	return map[string]any{
		"name":   "aksid",
		"portal": base,
		"authentication": map[string]any{
			"loginEndpoint": login, "audiences": []string{own, base}, "tenant": "common", "identityProvider": "AAD",
		},
		"resourceManager": own, "microsoftGraphResourceId": own, "graph": own, "graphAudience": own,
		"gallery": own, "batch": own, "sqlManagement": own, "media": own, "logAnalyticsResourceId": base,
		"vmImageAliasDoc": own,
		"suffixes": map[string]any{
			"acrLoginServer": strings.TrimPrefix(public.RegistrySuffix, "."), "storage": "core.windows.net",
			"keyVaultDns": "vault.azure.net", "sqlServerHostname": "database.windows.net",
			"azureFrontDoorEndpointSuffix": "azurefd.net",
		},
	}
}
