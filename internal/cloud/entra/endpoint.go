package entra

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
)

const maxForm = 64 << 10 // bytes of a token request

// base is how the client spells the endpoint. All of the local Azure is served over TLS.
func base(r *http.Request) string { return "https://" + r.Host }

// serveEntra routes what lies below a tenant's name, or below /adfs: MSAL asks no foreign host about an authority of
// that name (instance discovery). Some clients append the tenant to it all the same.
func (s *Service) serveEntra(w http.ResponseWriter, r *http.Request) {
	tenant, rest, _ := strings.Cut(strings.TrimLeft(r.URL.Path, "/"), "/")
	if next, below, ok := strings.Cut(rest, "/"); ok && strings.EqualFold(tenant, "adfs") && s.tenantError(next) == nil {
		tenant, rest = next, below
	}
	authority := base(r) + "/" + tenant
	get := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch rest = strings.ToLower(rest); {
	case rest == "oauth2/token", rest == "oauth2/v2.0/token":
		s.serveToken(w, r, tenant, rest == "oauth2/token" && !strings.EqualFold(tenant, "adfs"))
	case rest == ".well-known/openid-configuration" && get:
		s.serveMetadata(w, r, tenant, openIDConfiguration(authority, "", s.issuerOf(authority, tenant, "")))
	case rest == "v2.0/.well-known/openid-configuration" && get:
		s.serveMetadata(w, r, tenant, openIDConfiguration(authority, "v2.0/", s.issuerOf(authority, tenant, "v2.0")))
	case rest == "discovery/keys" && get, rest == "discovery/v2.0/keys" && get:
		s.serveKeys(w, r, tenant)
	case strings.HasPrefix(rest, "userrealm/") && get:
		s.serveMetadata(w, r, tenant, userRealm(strings.TrimPrefix(rest, "userrealm/")))
	case rest == "discovery/instance" && get:
		s.serveMetadata(w, r, tenant, instanceDiscovery(r))
	default:
		http.NotFound(w, r)
	}
}

// tenantShape is a DNS name or a GUID.
var tenantShape = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$`)

func (s *Service) tenantError(name string) *azure.Error {
	switch id, err := azure.ParseGUID(name); {
	case err == nil && id == s.Tenant:
		return nil
	case strings.EqualFold(name, "common"), strings.EqualFold(name, "organizations"), strings.EqualFold(name, "adfs"):
		return nil
	case tenantShape.MatchString(name):
		return azure.TenantNotFound.Format(azure.Fields{"tenant": name})
	}
	return azure.TenantMalformed.Format(azure.Fields{"tenant": name})
}

// serveKeys answers with the keys that tokens are signed with.
func (s *Service) serveKeys(w http.ResponseWriter, r *http.Request, tenant string) {
	k, err := s.signing()
	if err != nil {
		s.writeError(w, r, s.internal(r, err, azure.EntraInternal), "temporarily_unavailable")
		return
	}
	s.serveMetadata(w, r, tenant, json.RawMessage(k.set))
}

// serveMetadata answers with a public document of the tenant.
func (s *Service) serveMetadata(w http.ResponseWriter, r *http.Request, tenant string, document any) {
	if err := s.tenantError(tenant); err != nil {
		s.writeError(w, r, err, "invalid_tenant")
		return
	}
	w.Header().Set("Cache-Control", "max-age=86400, private")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	writeJSON(w, http.StatusOK, document)
}

// issuerOf is what an OIDC document names as issuer: of version 1.0 tokens where the document is Entra's version 1.0.
func (s *Service) issuerOf(authority, tenant, version string) string {
	switch {
	case strings.EqualFold(tenant, "adfs"):
		return authority
	case version == "":
		return s.issuer()
	}
	return strings.TrimSuffix(authority, tenant) + s.Tenant.String() + "/" + version
}

// openIDConfiguration is the OIDC document (OpenID Connect Discovery 1.0) with what Entra's has. Of the endpoints
// only the token endpoint is served: nobody signs in interactively here.
func openIDConfiguration(authority, version, issuer string) map[string]any {
	return map[string]any{
		"issuer":                                issuer,
		"token_endpoint":                        authority + "/oauth2/" + version + "token",
		"authorization_endpoint":                authority + "/oauth2/" + version + "authorize",
		"device_authorization_endpoint":         authority + "/oauth2/" + version + "devicecode",
		"jwks_uri":                              authority + "/discovery/" + version + "keys",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		"response_modes_supported":              []string{"query", "fragment", "form_post"},
		"response_types_supported":              []string{"code", "id_token", "code id_token", "id_token token"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
		"claims_supported":                      []string{"sub", "iss", "aud", "exp", "iat", "nbf", "appid", "oid", "tid", "ver"},
	}
}

// instanceDiscovery tells MSAL that the asked host is an authority of its own, with no aliases.
func instanceDiscovery(r *http.Request) map[string]any {
	tenant := "common"
	if u, err := url.Parse(r.URL.Query().Get("authorization_endpoint")); err == nil && firstSegment(u.Path) != "" {
		tenant = firstSegment(u.Path)
	}
	return map[string]any{
		"tenant_discovery_endpoint": base(r) + "/" + tenant + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata": []any{map[string]any{
			"preferred_network": r.Host, "preferred_cache": r.Host, "aliases": []string{r.Host},
		}},
	}
}

// serveToken is the token endpoint. Version 1 takes a resource and answers with strings, version 2 takes a scope and
// answers with numbers. At /adfs both are taken.
func (s *Service) serveToken(w http.ResponseWriter, r *http.Request, tenant string, v1 bool) {
	w.Header().Set("Cache-Control", "no-store, no-cache")
	w.Header().Set("Pragma", "no-cache")
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	_ = r.ParseForm() // what cannot be read is missing
	i, refused := s.grant(r, tenant)
	if refused != nil {
		s.writeError(w, r, refused, oauthErrors[refused.Code])
		return
	}
	p, audience := i.p, i.audience
	token, expiry, err := s.issue(i)
	seconds := int64(lifetime(p)/time.Second) - 1
	answer := map[string]any{"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}
	if err == nil && i.user != nil {
		err = s.addUser(answer, r, i)
	}
	if err != nil {
		refused = s.internal(r, err, azure.EntraInternal)
		s.writeError(w, r, refused, oauthErrors[refused.Code])
		return
	}
	if v1 {
		text := strconv.FormatInt(seconds, 10)
		answer["expires_in"], answer["ext_expires_in"] = text, text
		answer["expires_on"] = strconv.FormatInt(expiry.Unix(), 10)
		answer["not_before"] = strconv.FormatInt(expiry.Add(-lifetime(p)-backdate).Unix(), 10)
		answer["resource"] = audience
	}
	writeJSON(w, http.StatusOK, answer)
}

// issue is whose token a request gets, and which.
type issue struct {
	p        directory.Principal
	audience string
	proof    string // how the client proved itself, as appidacr has it
	user     *login // of users
}

// grant decides a token request.
func (s *Service) grant(r *http.Request, tenant string) (i issue, refused *azure.Error) {
	form := r.PostForm
	switch grant := form.Get("grant_type"); {
	case r.Method != http.MethodPost:
		return i, azure.TokenEndpointMethod.Format(azure.Fields{"allowed": "POST", "method": r.Method})
	case grant == "":
		return i, missing("grant_type")
	case grant != "client_credentials" && userGrants[grant] == nil:
		return i, azure.GrantUnsupported.Format(azure.Fields{"grant": grant})
	case grant != "client_credentials":
		i, refused = s.grantUser(r, tenant, userGrants[grant])
	default:
		i, refused = s.grantClient(r, tenant)
	}
	if refused == nil && !known(i.audience, r.Host) {
		refused = azure.ResourceUnknown.Format(azure.Fields{"resource": i.audience, "tenant": directory.TenantName})
	}
	return i, refused
}

func missing(parameter string) *azure.Error {
	return azure.ParameterMissing.Format(azure.Fields{"name": parameter})
}

// requested is the audience that a form asks for: its resource, or its scope without exactly "/.default".
// az's scopes have two slashes there, the first of which belongs to the resource.
func requested(form url.Values) (string, *azure.Error) {
	if resource := form.Get("resource"); resource != "" {
		return resource, nil
	}
	scope := form.Get("scope")
	names := slices.DeleteFunc(strings.Fields(scope), func(s string) bool { return slices.Contains(openIDScopes, s) })
	if scope == "" {
		return "", missing("scope")
	}
	if len(names) == 1 {
		if audience, ok := strings.CutSuffix(names[0], "/.default"); ok {
			return audience, nil
		}
	}
	return "", azure.ScopeNotDefault.Format(azure.Fields{"scope": scope})
}

// openIDScopes mean nothing for an application, but MSAL for Go sends them along.
var openIDScopes = []string{"openid", "profile", "email", "offline_access"}

// oauthErrors are the values of "error" (RFC 6749 section 5.2) that go with Entra's codes.
var oauthErrors = map[string]string{
	azure.TokenEndpointMethod.Code:     "invalid_request",
	azure.ParameterMissing.Code:        "invalid_request",
	azure.TenantNotFound.Code:          "invalid_request",
	azure.TenantMalformed.Code:         "invalid_request",
	azure.AssertionMalformed.Code:      "invalid_request",
	azure.GrantUnsupported.Code:        "unsupported_grant_type",
	azure.ApplicationNotFound.Code:     "unauthorized_client",
	azure.ApplicationDisabled.Code:     "unauthorized_client",
	azure.ServicePrincipalMissing.Code: "invalid_client",
	azure.SecretWrong.Code:             "invalid_client",
	azure.SecretExpired.Code:           "invalid_client",
	azure.CredentialMissing.Code:       "invalid_client",
	azure.FederationIssuer.Code:        "invalid_client",
	azure.ScopeNotDefault.Code:         "invalid_scope",
	azure.ResourceUnknown.Code:         "invalid_resource",
	azure.EntraInternal.Code:           "server_error",
	azure.FederationMissing.Code:       "invalid_client",
	azure.FederationNoMatch.Code:       "invalid_client",
	azure.FederationAudience.Code:      "invalid_client",
	azure.FederationSubject.Code:       "invalid_client",
	azure.FederationSubjectCase.Code:   "invalid_client",
	azure.IssuerUnreachable.Code:       "invalid_request",
	azure.AssertionTooLong.Code:        "invalid_request",
	azure.AssertionExpired.Code:        "invalid_client",
	azure.AssertionSignature.Code:      "invalid_client",
	azure.AssertionClient.Code:         "invalid_client",
	azure.AssertionAudience.Code:       "invalid_client",
	azure.PasswordWrong.Code:           "invalid_grant",
	azure.UserNotFound.Code:            "invalid_grant",
	azure.UserDisabled.Code:            "invalid_grant",
	azure.RefreshTokenMalformed.Code:   "invalid_grant",
	azure.RefreshTokenExpired.Code:     "invalid_grant",
	azure.RefreshTokenRevoked.Code:     "invalid_grant",
}

// entraError is the body of a refused token request.
type entraError struct {
	Error         string `json:"error"`
	Description   string `json:"error_description"`
	Codes         []int  `json:"error_codes"`
	Timestamp     string `json:"timestamp"`
	TraceID       string `json:"trace_id"`
	CorrelationID string `json:"correlation_id"`
	URI           string `json:"error_uri"`
}

// writeError answers as Entra does (recorded 2024 to 2026: the parts of the description are separated by spaces;
// until 2023 they were lines).
func (s *Service) writeError(w http.ResponseWriter, r *http.Request, e *azure.Error, oauth string) {
	trace, correlation := azure.NewGUID(), azure.NewGUID()
	if id, err := azure.ParseGUID(r.Header.Get("client-request-id")); err == nil {
		correlation = id
	}
	now := s.Now().UTC().Format("2006-01-02 15:04:05Z")
	code, _ := strconv.Atoi(strings.TrimPrefix(e.Code, "AADSTS")) // the texts' codes are numbers
	w.Header().Set("x-ms-request-id", trace.String())
	writeJSON(w, e.Status, entraError{
		Error: oauth,
		Description: fmt.Sprintf("%s: %s Trace ID: %s Correlation ID: %s Timestamp: %s",
			e.Code, e.Message, trace, correlation, now),
		Codes: []int{code}, Timestamp: now, TraceID: trace.String(), CorrelationID: correlation.String(),
		URI: base(r) + "/error?code=" + strconv.Itoa(code),
	})
}
