package local

import (
	"maps"
	"slices"
	"strings"

	"aksid/internal/azure"
)

// FromVar is the environment variable that names what aksid reads when no flag does; From is its value for the local Azure.
const (
	FromVar = "AKSID_FROM"
	From    = "local"
)

// Session is what a program is told about who it is and how it reaches the local Azure.
type Session struct {
	Proxy        string // URL of a Proxy
	AzureFolder  string // AZURE_CONFIG_DIR
	Tenant       azure.GUID
	Subscription string     // the first that is visible, or ""
	Credential   Credential // of a service principal; zero for the identity of a machine
	TokenFile    string     // a file with a federated token, in place of the credential's secret
	Transparent  bool       // it is not told of the local Azure's own address
}

// foreign are variables that would point a program elsewhere or make it somebody else: credentials and endpoints
// that azidentity, az and Terraform's azurerm read. They are taken away before a session's own are set;
// AZURE_CONFIG_DIR, which holds the user's own logins, is for the caller to set.
var foreign = []string{
	"AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_CLIENT_CERTIFICATE_PASSWORD",
	"AZURE_USERNAME", "AZURE_PASSWORD", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_SUBSCRIPTION_ID", "AZURE_ACCESS_TOKEN_FILE",
	"AZURE_CONFIG_DIR", "AZURE_CLOUD_NAME", "AZURE_TOKEN_CREDENTIALS", "AZURE_POD_IDENTITY_AUTHORITY_HOST",
	"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT", "IMDS_ENDPOINT", "MSI_ENDPOINT", "MSI_SECRET",
	"ARM_CLIENT_ID", "ARM_CLIENT_SECRET", "ARM_CLIENT_CERTIFICATE", "ARM_CLIENT_CERTIFICATE_PATH", "ARM_CLIENT_ID_FILE_PATH",
	"ARM_CLIENT_SECRET_FILE_PATH", "ARM_USE_OIDC", "ARM_OIDC_TOKEN", "ARM_OIDC_TOKEN_FILE_PATH", "ARM_OIDC_REQUEST_URL",
	"ARM_USE_MSI", "ARM_MSI_ENDPOINT", "ARM_USE_AKS_WORKLOAD_IDENTITY", "ARM_ENVIRONMENT", "ARM_CLOUD_METADATA_URL",
	"ARM_SUBSCRIPTION_ID", "ALL_PROXY", "all_proxy", "SSL_CERT_DIR",
}

// Environ is a parent's environment, changed so that az, the Azure SDKs, Terraform and curl work on the local Azure.
func (a *Azure) Environ(parent []string, s Session) []string {
	set := a.variables(s)
	env := slices.DeleteFunc(slices.Clone(parent), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		_, ours := set[name]
		return ours || slices.Contains(foreign, name)
	})
	for _, name := range slices.Sorted(maps.Keys(set)) {
		env = append(env, name+"="+set[name])
	}
	return env
}

func (a *Azure) variables(s Session) map[string]string {
	host := strings.TrimPrefix(a.URL, "https://")
	set := map[string]string{
		DataVar: a.Dir, FromVar: From,
		"AZURE_CORE_COLLECT_TELEMETRY":    "no",
		"AZURE_CORE_USE_MSAL_HTTP_CACHE":  "no", // it would keep an answer that a grant has since changed
		"AZURE_CORE_DISABLE_PROGRESS_BAR": "yes",
		"AZURE_AUTHORITY_HOST":            azure.Clouds[0].Authority, // tunnelled; a host that no SDK looks up elsewhere
		"AZURE_TENANT_ID":                 s.Tenant.String(),
		"ARM_TENANT_ID":                   s.Tenant.String(),
		"ARM_METADATA_HOSTNAME":           host,
		"ARM_USE_CLI":                     "false",
		"NO_PROXY":                        "localhost,127.0.0.1,::1",
	}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY"} {
		set[name] = s.Proxy
	}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} {
		set[strings.ToLower(name)] = set[name]
	}
	for _, name := range []string{"REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"} {
		set[name] = a.CA
	}
	if s.Transparent {
		delete(set, "ARM_METADATA_HOSTNAME") // by default it is management.azure.com
	}
	if s.Subscription != "" {
		set["AZURE_SUBSCRIPTION_ID"], set["ARM_SUBSCRIPTION_ID"] = s.Subscription, s.Subscription
	}
	maps.Copy(set, s.credential())
	return set
}

// credential says who the program is. A machine's identity needs no more than the proxy, at the metadata address;
// MSI_ENDPOINT is left out, as it makes the Go SDK take the machine for a Cloud Shell and refuse user-assigned identities.
func (s Session) credential() map[string]string {
	if s.TokenFile != "" {
		return s.federated()
	}
	if s.Credential == (Credential{}) {
		return map[string]string{
			"AZURE_POD_IDENTITY_AUTHORITY_HOST": s.Proxy, // for SDKs that use no proxy for the metadata address
			"ARM_USE_MSI":                       "true",
			"ARM_MSI_ENDPOINT":                  s.Proxy + "/metadata/identity/oauth2/token",
		}
	}
	id, secret := s.Credential.ClientID.String(), s.Credential.Secret
	return map[string]string{
		"AZURE_CLIENT_ID": id, "AZURE_CLIENT_SECRET": secret,
		"ARM_CLIENT_ID": id, "ARM_CLIENT_SECRET": secret,
	}
}

// federated is what the webhook of workload identity gives a pod, and the same for Terraform.
func (s Session) federated() map[string]string {
	set := map[string]string{"AZURE_FEDERATED_TOKEN_FILE": s.TokenFile, "ARM_USE_OIDC": "true", "ARM_OIDC_TOKEN_FILE_PATH": s.TokenFile}
	if id := s.Credential.ClientID; !id.IsZero() {
		set["AZURE_CLIENT_ID"], set["ARM_CLIENT_ID"] = id.String(), id.String()
	}
	return set
}
