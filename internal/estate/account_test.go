package estate

import (
	"path/filepath"
	"strings"
	"testing"
)

const profile = "\xef\xbb\xbf" + `{"installationId": "x", "subscriptions": [
 {"id": "11111111-1111-1111-1111-111111111111", "name": "Platform", "state": "Enabled", "isDefault": true, "tenantId": "t1", "environmentName": "AzureCloud", "user": {"name": "a"}},
 {"id": "22222222-2222-2222-2222-222222222222", "name": "Hub", "state": "Enabled", "isDefault": false, "tenantId": "t2", "environmentName": "AzureCloud"},
 {"id": "33333333-3333-3333-3333-333333333333", "name": "Gov", "isDefault": false, "tenantId": "t3", "environmentName": "AzureUSGovernment"},
 {"id": "44444444-4444-4444-4444-444444444444", "name": "Stack", "isDefault": false, "tenantId": "t4", "environmentName": "stack"}]}`

const clouds = `[AzureUSGovernment]
subscription = 33333333-3333-3333-3333-333333333333

[stack]
endpoint_resource_manager = https://arm.stack.example/
endpoint_active_directory = https://login.stack.example/adfs
endpoint_active_directory_resource_id = https://arm.stack.example/audience
endpoint_microsoft_graph_resource_id = https://graph.stack.example/
# a comment = not a value
[broken]
endpoint_resource_manager = https://arm.broken.example
`

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestReadAccount(t *testing.T) {
	for _, c := range []struct {
		name         string
		config, flag string
		env          []string
		cloud        string
		subscription string // the active one
		err          string
	}{
		{name: "az's defaults", cloud: "AzureCloud", subscription: "Platform"},
		{name: "az's active cloud", config: "[cloud]\nname = AzureUSGovernment\n", cloud: "AzureUSGovernment", subscription: "Gov"},
		{name: "the flag wins", config: "[cloud]\nname = AzureUSGovernment\n", flag: "public", cloud: "AzureCloud", subscription: "Platform"},
		{name: "the SDKs' variable", env: []string{"AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/"}, cloud: "AzureUSGovernment", subscription: "Gov"},
		{name: "az's variable", env: []string{"AZURE_CLOUD_NAME", "azureusgovernment"}, cloud: "AzureUSGovernment", subscription: "Gov"},
		{name: "a registered cloud", flag: "STACK", cloud: "stack", subscription: ""},
		{name: "a cloud without endpoints", flag: "broken", err: "az cloud update"},
		{name: "no such cloud", flag: "moon", err: `there is no cloud "moon"`},
		{name: "no such authority", env: []string{"AZURE_AUTHORITY_HOST", "login.moon.example"}, err: "--cloud"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := write(t, "azureProfile.json", profile, "clouds.config", clouds, "config", c.config)
			a, err := ReadAccount(c.flag, environment(append(c.env, "AZURE_CONFIG_DIR", dir)...))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want one with %q", err, c.err)
				}
				return
			}
			if err != nil || a.Cloud.Name != c.cloud {
				t.Fatalf("cloud %q, %v; want %q", a.Cloud.Name, err, c.cloud)
			}
			active, err := a.Find("")
			if active.Name != c.subscription || (err != nil) != (c.subscription == "") {
				t.Errorf("active subscription %+v, %v; want %q", active, err, c.subscription)
			}
		})
	}
}

func TestRegisteredCloud(t *testing.T) {
	dir := write(t, "clouds.config", clouds)
	a, err := ReadAccount("stack", environment("AZURE_CONFIG_DIR", dir))
	if err != nil {
		t.Fatal(err)
	}
	c := a.Cloud
	if c.ARM != "https://arm.stack.example" || c.Audience != "https://arm.stack.example/audience" ||
		c.Authority != "https://login.stack.example/" || c.Graph != "https://graph.stack.example" {
		t.Errorf("%+v", c)
	}
}

func TestFindSubscription(t *testing.T) {
	dir := write(t, "home/.azure/azureProfile.json", profile)
	a, err := ReadAccount("", environment("HOME", filepath.Join(dir, "home")))
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"hub":                                  "t2",
		"22222222-2222-2222-2222-222222222222": "t2",
		"55555555-5555-5555-5555-555555555555": "", // az need not know it
	} {
		s, err := a.Find(in)
		if err != nil || s.Tenant != want || s.ID == "" {
			t.Errorf("Find(%q) = %+v, %v", in, s, err)
		}
	}
	if _, err := a.Find("Gov"); err == nil || !strings.Contains(err.Error(), "az account list") {
		t.Errorf("a subscription of another cloud: %v", err)
	}
}

// Nobody logged in is no error until a subscription is needed.
func TestNoAccount(t *testing.T) {
	a, err := ReadAccount("", environment("AZURE_CONFIG_DIR", t.TempDir()))
	if err != nil || a.Cloud.Name != "AzureCloud" {
		t.Fatalf("%+v, %v", a, err)
	}
	if _, err := a.Find(""); err == nil || !strings.Contains(err.Error(), "az login") {
		t.Errorf("error %v", err)
	}
}

func TestDamagedAccount(t *testing.T) {
	for name, text := range map[string]string{
		"azureProfile.json": "{",
		"clouds.config":     strings.Repeat("x", maxConfig+1),
	} {
		dir := write(t, name, text)
		if _, err := ReadAccount("", environment("AZURE_CONFIG_DIR", dir)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
