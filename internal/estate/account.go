package estate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/plain"
)

// Account is what az knows of its user without asking Azure: clouds, subscriptions, and which are active.
type Account struct {
	Cloud         azure.Cloud
	Subscriptions []Subscription // of Cloud
}

// Subscription is a subscription that az has seen at login.
type Subscription struct {
	ID, Name, Tenant string
	Default          bool
}

// maxConfig bounds az's configuration files, in bytes.
const maxConfig = 8 << 20

// ReadAccount reads az's configuration: cloud, config/clouds.config and azureProfile.json in AZURE_CONFIG_DIR or ~/.azure.
// cloud names the cloud to use; "" means AZURE_AUTHORITY_HOST's, else az's active one, else the public one.
// Missing files are no error: then there are no subscriptions.
func ReadAccount(cloud string, getenv func(string) string) (Account, error) {
	dir := getenv("AZURE_CONFIG_DIR")
	if dir == "" {
		dir = filepath.Join(getenv("HOME"), ".azure")
	}
	custom, err := readINI(filepath.Join(dir, "clouds.config"))
	if err != nil {
		return Account{}, err
	}
	var a Account
	if a.Cloud, err = chooseCloud(cloud, dir, custom, getenv); err != nil {
		return Account{}, err
	}
	a.Subscriptions, err = readProfile(filepath.Join(dir, "azureProfile.json"), a.Cloud.Name)
	if id := custom[a.Cloud.Name]["subscription"]; id != "" && len(a.defaults()) == 0 {
		for i := range a.Subscriptions {
			a.Subscriptions[i].Default = strings.EqualFold(a.Subscriptions[i].ID, id)
		}
	}
	return a, err
}

func (a Account) defaults() []Subscription {
	var out []Subscription
	for _, s := range a.Subscriptions {
		if s.Default {
			out = append(out, s)
		}
	}
	return out
}

// Find returns the subscription of an id or a name, without case; "" means the active one.
// An id need not be known to az.
func (a Account) Find(idOrName string) (Subscription, error) {
	if idOrName == "" {
		if active := a.defaults(); len(active) > 0 {
			return active[0], nil
		}
		return Subscription{}, errors.New("no subscription is active; run az login, or name one with --subscription")
	}
	for _, s := range a.Subscriptions {
		if strings.EqualFold(s.ID, idOrName) || strings.EqualFold(s.Name, idOrName) {
			return s, nil
		}
	}
	if g, err := azure.ParseGUID(idOrName); err == nil {
		return Subscription{ID: g.String()}, nil
	}
	return Subscription{}, fmt.Errorf("az knows no subscription %q; az account list --all shows those it knows, an id works without", idOrName)
}

func chooseCloud(name, dir string, custom map[string]map[string]string, getenv func(string) string) (azure.Cloud, error) {
	if name == "" {
		if host := getenv("AZURE_AUTHORITY_HOST"); host != "" {
			if c, ok := azure.CloudOfAuthority(host); ok {
				return c, nil
			}
			return azure.Cloud{}, fmt.Errorf("AZURE_AUTHORITY_HOST %q is the host of no cloud known here; name the cloud with --cloud", host)
		}
		name = getenv("AZURE_CLOUD_NAME")
	}
	if name == "" {
		config, err := readINI(filepath.Join(dir, "config"))
		if err != nil {
			return azure.Cloud{}, err
		}
		name = config["cloud"]["name"]
	}
	if name == "" {
		return azure.Clouds[0], nil
	}
	if c, ok := azure.CloudNamed(name); ok {
		return c, nil
	}
	for section, values := range custom {
		if strings.EqualFold(section, name) {
			return customCloud(section, values)
		}
	}
	return azure.Cloud{}, fmt.Errorf("there is no cloud %q; az cloud list shows the names", name)
}

// customCloud reads a cloud that was registered with az cloud register.
func customCloud(name string, v map[string]string) (azure.Cloud, error) {
	c := azure.Cloud{
		Name:           name,
		ARM:            strings.TrimSuffix(v["endpoint_resource_manager"], "/"),
		Audience:       v["endpoint_active_directory_resource_id"],
		Authority:      strings.TrimSuffix(strings.TrimSuffix(v["endpoint_active_directory"], "/"), "/adfs") + "/", // to the SDK adfs is a tenant
		Graph:          strings.TrimSuffix(v["endpoint_microsoft_graph_resource_id"], "/"),
		RegistrySuffix: v["suffix_acr_login_server_endpoint"],
	}
	if c.ARM == "" || c.Audience == "" || c.Authority == "/" {
		return azure.Cloud{}, fmt.Errorf("cloud %q has no endpoints for ARM and Entra; set them with az cloud update", name)
	}
	return c, nil
}

// readProfile reads the subscriptions of a cloud from az's azureProfile.json.
func readProfile(path, cloud string) ([]Subscription, error) {
	text, err := readConfig(path)
	if err != nil || text == nil {
		return nil, err
	}
	var profile struct {
		Subscriptions []struct {
			ID, Name, TenantID, EnvironmentName, State string
			IsDefault                                  bool
		}
	}
	if err := json.Unmarshal(text, &profile); err != nil {
		return nil, fmt.Errorf("%s is not readable (%w); az login writes it anew", path, err)
	}
	var out []Subscription
	for _, s := range profile.Subscriptions {
		if strings.EqualFold(s.EnvironmentName, cloud) {
			out = append(out, Subscription{ID: s.ID, Name: s.Name, Tenant: s.TenantID, Default: s.IsDefault})
		}
	}
	return out, nil
}

// readINI reads the files of Python's configparser that az writes: sections of key = value lines.
func readINI(path string) (map[string]map[string]string, error) {
	text, err := readConfig(path)
	if err != nil {
		return nil, err
	}
	out := map[string]map[string]string{}
	section := ""
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			section = line[1 : len(line)-1]
			out[section] = map[string]string{}
		} else if key, value, ok := strings.Cut(line, "="); ok && section != "" && line[0] != '#' && line[0] != ';' {
			out[section][strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
		}
	}
	return out, lines.Err()
}

// readConfig reads a bounded file without its byte order mark; one that is not there is nil.
func readConfig(path string) ([]byte, error) {
	text, err := plain.ReadFile(path, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", path, err)
	}
	return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), err
}
