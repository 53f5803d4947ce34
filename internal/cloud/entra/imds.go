package entra

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

// imdsVersions are the api-versions of the metadata service (Microsoft Learn: Azure Instance Metadata Service).
var imdsVersions = []string{
	"2017-03-01", "2017-04-02", "2017-08-01", "2017-10-01", "2017-12-01",
	"2018-02-01", "2018-04-02", "2018-10-01", "2019-02-01", "2019-03-11", "2019-04-30", "2019-06-01", "2019-06-04",
	"2019-08-01", "2019-08-15", "2019-11-01", "2020-06-01", "2020-07-15", "2020-09-01", "2020-10-01", "2020-12-01",
	"2021-01-01", "2021-02-01", "2021-03-01", "2021-05-01", "2021-10-01", "2021-11-01", "2021-11-15", "2021-12-13",
	"2023-07-01", "2023-11-15", "2024-03-15", "2024-07-17", "2025-04-07",
}

// firstIdentityVersion is the first of them that has tokens.
const firstIdentityVersion = "2018-02-01"

const (
	tokenPath    = "/metadata/identity/oauth2/token"
	instancePath = "/metadata/instance"
)

// imds is the metadata service of one machine.
type imds struct {
	*Service
	machine azure.ID
}

// IMDS serves the instance metadata service of one machine: tokens for the identities that are attached to it
// (directory.Attached), and what it is. A token may also be asked for as az does at MSI_ENDPOINT: with a form.
func (s *Service) IMDS(machine azure.ID) http.Handler { return imds{s, machine} }

func (m imds) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.ToLower(strings.TrimSuffix(r.URL.Path, "/"))
	switch instance := strings.TrimPrefix(path, instancePath); {
	case path == tokenPath:
		m.serveToken(w, r)
	case instance == "" || instance != path && instance[0] == '/':
		m.serveInstance(w, r, strings.FieldsFunc(r.URL.Path[len(instancePath):], func(c rune) bool { return c == '/' }))
	default:
		writeJSON(w, http.StatusNotFound, map[string]string{"error": "Not found"})
	}
}

func (m imds) serveToken(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	_ = r.ParseForm() // what cannot be read is missing
	p, resource, err := m.grant(r)
	if err != nil {
		oauth, description := err.Code, err.Message
		if known, ok := oauthErrors[err.Code]; ok { // Entra's refusal, passed on
			oauth, description = known, err.Code+": "+err.Message
		}
		writeJSON(w, err.Status, map[string]string{"error": oauth, "error_description": description})
		return
	}
	token, expiry, tokenErr := m.Token(p, resource)
	if tokenErr != nil {
		writeJSON(w, http.StatusInternalServerError, map[string]string{
			"error": "server_error", "error_description": m.internal(r, tokenErr, azure.EntraInternal).Message})
		return
	}
	life := strconv.FormatInt(int64(lifetime(p).Seconds())-1, 10)
	writeJSON(w, http.StatusOK, map[string]string{
		"access_token": token, "client_id": p.AppID.String(), "expires_in": life, "ext_expires_in": life,
		"expires_on": strconv.FormatInt(expiry.Unix(), 10), "not_before": strconv.FormatInt(expiry.Add(-lifetime(p)-backdate).Unix(), 10),
		"resource": resource, "token_type": "Bearer",
	})
}

// grant decides whose token a request gets, and for which resource.
func (m imds) grant(r *http.Request) (p directory.Principal, resource string, refused *azure.Error) {
	version := r.Form.Get("api-version")
	resource = r.Form.Get("resource")
	switch {
	case !strings.EqualFold(r.Header.Get("Metadata"), "true"):
		return p, "", azure.MetadataHeaderMissing.Error()
	case r.Header.Get("X-Forwarded-For") != "":
		return p, "", azure.MetadataForwarded.Error()
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		return p, "", azure.TokenEndpointMethod.Format(azure.Fields{"allowed": "GET, POST", "method": r.Method})
	case version == "" && r.Method == http.MethodGet:
		return p, "", azure.MetadataParameterMissing.Format(azure.Fields{"name": "api-version"})
	case version != "" && (!slices.Contains(imdsVersions, version) || version < firstIdentityVersion):
		return p, "", azure.MetadataVersionInvalid.Error()
	case resource == "":
		return p, "", azure.MetadataParameterMissing.Format(azure.Fields{"name": "resource"})
	}
	p, refused = m.identity(r)
	switch {
	case refused != nil:
	case p.Disabled:
		refused = azure.ApplicationDisabled.Format(azure.Fields{"app": p.AppID.String(), "name": p.DisplayName})
	case !known(resource, audienceHost(resource)):
		refused = azure.ResourceUnknown.Format(azure.Fields{"resource": resource, "tenant": directory.TenantName})
	}
	return p, resource, refused
}

// audienceHost lets a resource stand for the endpoint's own host: the metadata service is asked at another address.
func audienceHost(resource string) string {
	return firstSegment(strings.TrimPrefix(resource, "https://"))
}

// identity chooses among the attached identities: the named one; else the system-assigned one, else the only one.
func (m imds) identity(r *http.Request) (p directory.Principal, refused *azure.Error) {
	var attached []directory.Principal
	err := m.Store.View(r.Context(), func(tx store.Tx) (err error) {
		attached, err = directory.Attached(tx, m.machine)
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return p, m.internal(r, err, azure.EntraInternal)
	}
	named := false
	for parameter, is := range identityParameters {
		if value := r.Form.Get(parameter); value != "" {
			named = true
			attached = slices.DeleteFunc(attached, func(p directory.Principal) bool { return !is(p, value) })
		}
	}
	switch {
	case len(attached) == 0:
		return p, azure.IdentityNotAttached.Error()
	case len(attached) > 1 && !named && attached[0].UserAssigned():
		return p, azure.SeveralIdentities.Error()
	}
	return attached[0], nil
}

// identityParameters name an identity (mi_res_id is App Service's spelling, which clients send here too).
var identityParameters = map[string]func(p directory.Principal, value string) bool{
	"client_id":  func(p directory.Principal, v string) bool { return strings.EqualFold(p.AppID.String(), v) },
	"object_id":  func(p directory.Principal, v string) bool { return strings.EqualFold(p.ID.String(), v) },
	"msi_res_id": isResource,
	"mi_res_id":  isResource,
}

func isResource(p directory.Principal, value string) bool {
	id, err := azure.ParseID(value)
	return err == nil && id.Equal(p.Resource)
}

// serveInstance answers with what the machine is, or with one part of it.
func (m imds) serveInstance(w http.ResponseWriter, r *http.Request, path []string) {
	if fault := instanceFault(r); fault != nil {
		writeJSON(w, http.StatusBadRequest, fault)
		return
	}
	var part any = m.instance(r)
	for _, name := range path {
		node, _ := part.(map[string]any)
		if part = node[name]; part == nil {
			writeJSON(w, http.StatusNotFound, map[string]string{"error": "Not found"})
			return
		}
	}
	if text, ok := part.(string); ok && r.URL.Query().Get("format") != "json" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprint(w, text)
		return
	}
	writeJSON(w, http.StatusOK, part)
}

// instanceFault is the body of a refusal, or nil.
func instanceFault(r *http.Request) map[string]any {
	newest := slices.Clone(imdsVersions[len(imdsVersions)-3:])
	slices.Reverse(newest)
	switch version := r.URL.Query().Get("api-version"); {
	case !strings.EqualFold(r.Header.Get("Metadata"), "true"):
		return map[string]any{"error": "Bad request: . " + azure.MetadataHeaderMissing.Text}
	case r.Header.Get("X-Forwarded-For") != "":
		return map[string]any{"error": azure.MetadataForwarded.Text}
	case version == "":
		return map[string]any{"error": azure.MetadataVersionMissing.Text, "newest-versions": newest}
	case !slices.Contains(imdsVersions, version):
		return map[string]any{"error": azure.MetadataVersionInvalid.Text, "newest-versions": newest}
	}
	return nil
}

// instance describes the machine as far as its id and its document say: all values are strings.
func (m imds) instance(r *http.Request) map[string]any {
	var document struct {
		Location   string                `json:"location"`
		Tags       map[string]string     `json:"tags"`
		Zones      []string              `json:"zones"`
		SKU        struct{ Name string } `json:"sku"`
		Properties struct {
			VMID            string                  `json:"vmId"`
			HardwareProfile struct{ VMSize string } `json:"hardwareProfile"`
		} `json:"properties"`
	}
	_ = m.Store.View(r.Context(), func(tx store.Tx) error { // a machine without a document has a name at least
		d, err := directory.Resource(tx, m.machine)
		if err != nil {
			return err
		}
		return json.Unmarshal(d.Body, &document)
	})
	compute := map[string]any{
		"azEnvironment": "AzurePublicCloud", "provider": "Microsoft.Compute", "osType": "Linux",
		"name": m.machine.Name(), "resourceId": m.machine.String(), "location": document.Location,
		"subscriptionId": m.machine.Subscription(), "resourceGroupName": m.machine.ResourceGroup(),
		"vmId": document.Properties.VMID, "vmScaleSetName": "", "vmSize": document.Properties.HardwareProfile.VMSize,
		"zone": strings.Join(document.Zones, ","), "tags": joinTags(document.Tags),
		"platformFaultDomain": "0", "platformUpdateDomain": "0",
	}
	if document.SKU.Name != "" {
		compute["vmSize"] = document.SKU.Name
	}
	if _, typ, names := m.machine.Split(); strings.EqualFold(typ, directory.TypeScaleSetInstance) {
		compute["vmScaleSetName"], compute["name"] = names[0], names[0]+"_"+names[1]
	}
	return map[string]any{"compute": compute}
}

// joinTags writes tags as the metadata service does: name:value, separated by semicolons.
func joinTags(tags map[string]string) string {
	var all []string
	for name, value := range tags {
		all = append(all, name+":"+value)
	}
	slices.Sort(all)
	return strings.Join(all, ";")
}
