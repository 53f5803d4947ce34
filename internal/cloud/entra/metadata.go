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
// MSAL asks no foreign host about it. Terraform's client appends the tenant to the third. Under Azure's own name it is
// Azure's own answer: its services are where they always are.
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
	own, login, list := ownNames(base), base+"/", base+"/adfs"
	if base == public.ARM {
		own, login, list = publicNames(), public.Authority, public.Authority
	}
	switch {
	case version == "":
		return nil, azure.MissingAPIVersion.Error()
	case slices.Contains(shortVersions, version):
		return own.short(list), nil
	case slices.Contains(listVersions, version):
		return []any{own.cloud(list)}, nil
	case slices.Contains(objectVersions, version):
		return own.cloud(login), nil
	}
	supported := slices.Concat(shortVersions, listVersions, objectVersions)
	return nil, azure.InvalidAPIVersion.Format(azure.Fields{"version": version, "supported": strings.Join(supported, ",")})
}

// place is a cloud's name and where its services are.
type place struct {
	name, portal, arm, graph, oldGraph, gallery, batch, sql, media, logs, images string
	audiences                                                                    []string
}

// ownNames are those under the local Azure's own address: everything is there.
func ownNames(base string) place {
	own := base + "/"
	return place{name: "aksid", portal: base, arm: own, graph: own, oldGraph: own, gallery: own, batch: own, sql: own, media: own, logs: base, images: own,
		audiences: []string{own, base}}
}

// publicNames are Azure's (its answer to Terraform's client).
func publicNames() place {
	return place{name: public.Name, portal: "https://portal.azure.com", arm: public.ARM + "/", graph: public.Graph + "/", oldGraph: "https://graph.windows.net/",
		gallery: "https://gallery.azure.com/", batch: "https://batch.core.windows.net/", sql: "https://management.core.windows.net:8443/",
		media: "https://rest.media.azure.net", logs: "https://api.loganalytics.io",
		images:    "https://raw.githubusercontent.com/Azure/azure-rest-api-specs/main/arm-compute/quickstart-templates/aliases.json",
		audiences: []string{public.Audience, public.ARM + "/"}}
}

func (p place) short(login string) map[string]any {
	return map[string]any{
		"galleryEndpoint": p.gallery, "graphEndpoint": p.oldGraph, "portalEndpoint": p.portal + "/",
		"authentication": map[string]any{"loginEndpoint": login, "audiences": p.audiences[:1]},
	}
}

// cloud has what az (core/cloud.py) and hashicorp/go-azure-sdk (sdk/environments) read of a cloud.
func (p place) cloud(login string) map[string]any {
	return map[string]any{
		"name":   p.name,
		"portal": p.portal,
		"authentication": map[string]any{
			"loginEndpoint": login, "audiences": p.audiences, "tenant": "common", "identityProvider": "AAD",
		},
		"resourceManager": p.arm, "microsoftGraphResourceId": p.graph, "graph": p.oldGraph, "graphAudience": p.oldGraph,
		"gallery": p.gallery, "batch": p.batch, "sqlManagement": p.sql, "media": p.media, "logAnalyticsResourceId": p.logs,
		"vmImageAliasDoc": p.images,
		"suffixes": map[string]any{
			"acrLoginServer": strings.TrimPrefix(public.RegistrySuffix, "."), "storage": "core.windows.net",
			"keyVaultDns": "vault.azure.net", "sqlServerHostname": "database.windows.net",
			"azureFrontDoorEndpointSuffix": "azurefd.net",
		},
	}
}
