package azure

import (
	"net/url"
	"testing"
)

func TestCloudNamed(t *testing.T) {
	for name, want := range map[string]string{
		"AzureCloud": "AzureCloud", "azurecloud": "AzureCloud", "public": "AzureCloud",
		"AzureUSGovernment": "AzureUSGovernment", "usgovernment": "AzureUSGovernment",
		"CHINA": "AzureChinaCloud", "AzureChinaCloud": "AzureChinaCloud",
		"": "", "AzureGermanCloud": "",
	} {
		c, ok := CloudNamed(name)
		if c.Name != want || ok != (want != "") {
			t.Errorf("CloudNamed(%q) = %q, %v; want %q", name, c.Name, ok, want)
		}
	}
}

func TestCloudOfAuthority(t *testing.T) {
	for authority, want := range map[string]string{
		"https://login.microsoftonline.com/": "AzureCloud",
		"login.microsoftonline.us":           "AzureUSGovernment",
		"https://LOGIN.chinacloudapi.cn":     "AzureChinaCloud",
		"https://localhost:8443/adfs":        "",
		"":                                   "",
		"://":                                "",
	} {
		if c, _ := CloudOfAuthority(authority); c.Name != want {
			t.Errorf("CloudOfAuthority(%q) = %q, want %q", authority, c.Name, want)
		}
	}
}

// Clients join paths to these: the trailing slashes must be as documented, and everything is HTTPS.
func TestCloudsAreWellFormed(t *testing.T) {
	for _, c := range Clouds {
		for _, s := range []string{c.ARM, c.Audience, c.Authority, c.Graph} {
			if u, err := url.Parse(s); err != nil || u.Scheme != "https" || u.Host == "" {
				t.Errorf("%s: %q is no https URL", c.Name, s)
			}
		}
		for s, slash := range map[string]bool{c.ARM: false, c.Graph: false, c.Authority: true, c.Audience: true} {
			if s[len(s)-1] == '/' != slash {
				t.Errorf("%s: %q: trailing slash is %v", c.Name, s, !slash)
			}
		}
	}
}
