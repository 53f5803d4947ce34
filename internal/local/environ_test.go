package local

import (
	"slices"
	"strings"
	"testing"

	"aksid/internal/azure"
)

// lookup reads an environment as a program does, and fails on names that appear twice.
func lookup(t *testing.T, env []string) map[string]string {
	t.Helper()
	m := map[string]string{}
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		if _, twice := m[name]; twice {
			t.Errorf("%s appears twice", name)
		}
		m[name] = value
	}
	return m
}

func TestEnviron(t *testing.T) {
	a := &Azure{Endpoint: Endpoint{URL: "https://localhost:8443"}, Dir: "/data", CA: "/data/ca.pem"}
	parent := []string{
		"PATH=/bin", "AZURE_CORE_OUTPUT=table", "HTTPS_PROXY=http://corporate:3128", "no_proxy=*", "REQUESTS_CA_BUNDLE=/etc/ssl/x",
		"AZURE_CONFIG_DIR=/home/u/.azure", "AZURE_CLIENT_SECRET=real", "ARM_CLIENT_SECRET=real", "ARM_USE_OIDC=true", "MSI_ENDPOINT=http://127.0.0.1:1", "SSL_CERT_DIR=/etc/ssl", "ALL_PROXY=x",
	}
	client := azure.NewGUID()
	for _, test := range []struct {
		name    string
		session Session
		want    map[string]string
		unset   []string
	}{
		{
			"service principal",
			Session{Proxy: "http://127.0.0.1:9", Subscription: "sub", Credential: Credential{ClientID: client, Secret: "s"}},
			map[string]string{
				"PATH": "/bin", "AZURE_CORE_OUTPUT": "table", "AKSID_DATA": "/data", "AKSID_FROM": "local",
				"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9",
				"NO_PROXY": "localhost,127.0.0.1,::1", "no_proxy": "localhost,127.0.0.1,::1",
				"REQUESTS_CA_BUNDLE": "/data/ca.pem", "SSL_CERT_FILE": "/data/ca.pem", "CURL_CA_BUNDLE": "/data/ca.pem", "NODE_EXTRA_CA_CERTS": "/data/ca.pem",
				"AZURE_CLIENT_ID": client.String(), "AZURE_CLIENT_SECRET": "s", "ARM_CLIENT_ID": client.String(), "ARM_CLIENT_SECRET": "s",
				"ARM_SUBSCRIPTION_ID": "sub", "AZURE_SUBSCRIPTION_ID": "sub", "ARM_METADATA_HOSTNAME": "localhost:8443", "ARM_USE_CLI": "false",
			},
			[]string{"AZURE_CONFIG_DIR", "ARM_USE_OIDC", "MSI_ENDPOINT", "SSL_CERT_DIR", "ALL_PROXY", "ARM_USE_MSI"},
		},
		{
			"machine",
			Session{Proxy: "http://127.0.0.1:9"},
			map[string]string{
				"ARM_USE_MSI": "true", "ARM_MSI_ENDPOINT": "http://127.0.0.1:9/metadata/identity/oauth2/token",
				"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:9",
			},
			[]string{"AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "ARM_CLIENT_ID", "ARM_CLIENT_SECRET", "ARM_SUBSCRIPTION_ID", "MSI_ENDPOINT"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := slices.Clone(parent)
			got := lookup(t, a.Environ(parent, test.session))
			for name, want := range test.want {
				if got[name] != want {
					t.Errorf("%s is %q, want %q", name, got[name], want)
				}
			}
			for _, name := range test.unset {
				if value, set := got[name]; set {
					t.Errorf("%s is still set, to %q", name, value)
				}
			}
			if !slices.Equal(parent, before) {
				t.Error("the parent's environment was changed")
			}
		})
	}
}
