package provider

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"iter"
	"regexp"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

const typeRegistry = "Microsoft.ContainerRegistry/registries"

// modeSince is the first api-version that returns a registry's roleAssignmentMode.
const modeSince = "2024-11-01"

var registryName = regexp.MustCompile(`^[a-zA-Z0-9]{5,50}$`)

// joinService is what a rule for a subnet needs there, on registries, vaults and storage accounts.
const joinService azure.Action = typeSubnet + "/joinViaServiceEndpoint/action"

func containerRegistry() arm.Provider {
	later := arm.Receipts{Create: true, Write: arm.Async}
	types := []arm.Type{
		{Name: typeRegistry, Tracked: true, SystemData: true, Identity: true, Receipts: later, Check: checkRegistry, View: viewRegistry,
			Keep:  []string{"sku", "properties.adminUserEnabled", "properties.anonymousPullEnabled", "properties.policies", "properties.roleAssignmentMode", "properties.networkRuleSet", "properties.publicNetworkAccess"},
			Links: []arm.Link{{Path: "properties.networkRuleSet.virtualNetworkRules[].id", Action: joinService}},
			Refs:  func(d arm.Doc) []string { return []string{registryRef(arm.Str(d, "name")), contentRef(d)} },
			Actions: map[string]arm.Action{"listcredentials": {Do: listCredentials}, "regeneratecredential": {Do: regenerateCredential, Write: true},
				"generatecredentials": {Do: generateCredentials, Write: true}}},
		{Name: typeRegistry + "/listUsages", List: listRegistryUsages},
		{Name: "Microsoft.ContainerRegistry/checkNameAvailability", Place: arm.InSubscription, Single: true, Get: nameAvailability(registryName, registryRef, azure.InvalidRegistryName, azure.RegistryNameTaken)},
		{Name: typeRegistry + "/replications", Tracked: true, SystemData: true, Receipts: arm.Receipts{Create: true, Write: arm.Async, Delete: arm.Located}, Codes: arm.Codes{Delete: 202}, Check: checkReplication},
		{Name: typeScopeMap, SystemData: true, Codes: arm.Codes{Create: 200, Patch: 201}, Receipts: later, NameRule: registryChildName, Check: checkScopeMap},
		{Name: typeToken, SystemData: true, Codes: arm.Codes{Patch: 201}, Receipts: later, NameRule: registryChildName, Check: checkToken, Links: []arm.Link{{Path: "properties.scopeMapId"}}},
	}
	for i := range types {
		types[i].Since = "2016-06-27-preview"
		types[i].Versions = []string{"2025-04-01", "2024-11-01-preview", "2023-07-01", "2023-01-01-preview", "2022-12-01", "2022-02-01-preview", "2021-09-01", "2019-12-01-preview", "2019-05-01", "2017-10-01"}
	}
	return arm.Provider{Namespace: "Microsoft.ContainerRegistry", Types: types}
}

// registryRef is the index entry under which a registry is found by its name, which is unique in Azure.
func registryRef(name string) string { return "registry:" + lower(name) }

// contentRef is the index entry of the resource that owns what a data plane keeps under a content id.
func contentRef(d arm.Doc) string { return "content:" + arm.Str(d, "_.content") }

// content gives a resource the id under which its data plane keeps what it holds. A resource that is made anew gets
// another one, so that it is empty.
func content(c *arm.Call) { arm.Default(c.Doc, "_.content", azure.NewGUID().String()) }

// taken reports whether another resource than the call's has an index entry.
func taken(c *arm.Call, ref string) (bool, *azure.Error) {
	for d, err := range c.Find(ref) {
		if err != nil {
			return false, arm.Fault(err)
		}
		if !azure.MustID(arm.Str(d, "id")).Equal(c.ID) {
			return true, nil
		}
	}
	return false, nil
}

// nameAvailability answers whether a resource could be made with a name, which is unique in Azure.
func nameAvailability(rule *regexp.Regexp, ref func(string) string, invalid, inUse *azure.Message) func(*arm.Call) (arm.Doc, *azure.Error) {
	return func(c *arm.Call) (arm.Doc, *azure.Error) {
		name := arm.Str(c.Body, "name")
		if !rule.MatchString(name) {
			e := invalid.Format(azure.Fields{"name": name})
			return arm.Doc{"nameAvailable": false, "reason": "AccountNameInvalid", "message": e.Message}, nil
		}
		used, err := taken(c, ref(name))
		if err != nil {
			return nil, err
		}
		if used {
			e := inUse.Format(azure.Fields{"name": name, "server": lower(name) + azure.Clouds[0].RegistrySuffix})
			return arm.Doc{"nameAvailable": false, "reason": "AlreadyExists", "message": e.Message}, nil
		}
		return arm.Doc{"nameAvailable": true}, nil
	}
}

func checkRegistry(c *arm.Call) *azure.Error {
	name := c.ID.Name()
	server := lower(name) + azure.Clouds[0].RegistrySuffix
	if !registryName.MatchString(name) {
		return azure.InvalidRegistryName.Format(azure.Fields{"name": name})
	}
	if used, err := taken(c, registryRef(name)); err != nil || used {
		if err != nil {
			return err
		}
		return azure.RegistryNameTaken.Format(azure.Fields{"server": server})
	}
	sku := arm.Str(c.Doc, "sku.name")
	switch sku {
	case "Basic", "Standard", "Premium":
	default:
		return azure.InvalidSKU.Format(azure.Fields{"sku": sku})
	}
	arm.Set(c.Doc, "sku.tier", sku)
	created := arm.Get(c.Old, "properties.creationDate")
	if created == nil {
		created = c.Now.Format(timeForm)
	}
	arm.Set(c.Doc, "properties.creationDate", created)
	arm.Set(c.Doc, "properties.loginServer", server)
	for path, v := range map[string]any{
		"adminUserEnabled": false, "anonymousPullEnabled": false, "dataEndpointEnabled": false, "dataEndpointHostNames": []any{},
		"publicNetworkAccess": "Enabled", "networkRuleBypassOptions": "AzureServices", "zoneRedundancy": "Disabled",
		"roleAssignmentMode": "LegacyRegistryPermissions", "encryption.status": "disabled", "policies.quarantinePolicy.status": "disabled",
		"policies.trustPolicy": arm.Doc{"type": "Notary", "status": "disabled"}, "policies.retentionPolicy": arm.Doc{"days": 7, "status": "disabled"},
		"policies.exportPolicy.status": "enabled", "policies.azureADAuthenticationAsArmPolicy.status": "enabled",
		"policies.softDeletePolicy": arm.Doc{"retentionDays": 7, "status": "disabled"}, "privateEndpointConnections": []any{},
	} {
		arm.Default(c.Doc, "properties."+path, v)
	}
	if sku == "Premium" {
		arm.Default(c.Doc, "properties.networkRuleSet", arm.Doc{"defaultAction": "Allow", "ipRules": []any{}})
	}
	content(c)
	arm.Default(c.Doc, "_.keys", []any{newPassword(), newPassword()})
	if c.Old == nil {
		return plantScopeMaps(c)
	}
	return nil
}

// timeForm is how the providers of this package's newer resources write times.
const timeForm = "2006-01-02T15:04:05.0000000Z"

func viewRegistry(c *arm.Call, d arm.Doc) {
	if strings.Compare(c.Version, modeSince) < 0 {
		delete(arm.Map(d, "properties"), "roleAssignmentMode")
	}
}

// newPassword is a password of an admin user, in ACR's own length.
func newPassword() string {
	b := make([]byte, 39)
	_, _ = rand.Read(b) // crypto/rand never fails
	return base64.StdEncoding.EncodeToString(b)
}

// passwordNames are what the two passwords of an admin user are called.
var passwordNames = []string{"password", "password2"}

func listCredentials(c *arm.Call) (any, *azure.Error) {
	if !arm.Bool(c.Doc, "properties.adminUserEnabled") {
		return nil, azure.RegistryAdminDisabled.Format(azure.Fields{"id": c.ID.String()})
	}
	name, _, _ := strings.Cut(arm.Str(c.Doc, "properties.loginServer"), ".")
	passwords := []any{}
	for i, key := range text(arm.List(c.Doc, "_.keys")) {
		passwords = append(passwords, arm.Doc{"name": passwordNames[i], "value": key})
	}
	return arm.Doc{"username": name, "passwords": passwords}, nil
}

func regenerateCredential(c *arm.Call) (any, *azure.Error) {
	keys := text(arm.List(c.Doc, "_.keys"))
	changed := make([]any, len(keys))
	for i, key := range keys {
		if changed[i] = key; arm.Str(c.Body, "name") == passwordNames[i] {
			changed[i] = newPassword()
		}
	}
	c.Doc = arm.Clone(c.Doc)
	arm.Set(c.Doc, "_.keys", changed)
	if err := c.Save(); err != nil {
		return nil, err
	}
	return listCredentials(c)
}

// checkReplication answers for a registry's copy in another region, which is ready at once.
func checkReplication(c *arm.Call) *azure.Error {
	arm.Default(c.Doc, "properties.regionEndpointEnabled", true)
	arm.Default(c.Doc, "properties.zoneRedundancy", "Disabled")
	arm.Set(c.Doc, "properties.status", arm.Doc{"displayStatus": "Ready", "timestamp": c.Now.Format(timeForm)})
	return nil
}

// limits are the most bytes, webhooks, scope maps and tokens of a registry (Microsoft Learn: ACR service tiers).
var limits = map[string][4]int64{
	"Basic": {10 << 30, 2, 100, 100}, "Standard": {100 << 30, 10, 500, 500}, "Premium": {500 << 30, 500, 50000, 50000},
}

// kindBlob are the data plane's documents of layers: keyed by content id, slash, repository, @ and digest, with a size in bytes.
const kindBlob = "blob"

func listRegistryUsages(c *arm.Call) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		g, err := c.Load(c.ID)
		if err != nil {
			yield(nil, err)
			return
		}
		size, err := imageBytes(c, arm.Str(g, "_.content"))
		limit := limits[arm.Str(g, "sku.name")]
		for i, u := range []struct {
			name, unit string
			value      func() (int64, error)
		}{
			{"Size", "Bytes", func() (int64, error) { return size, err }},
			{"Webhooks", "Count", func() (int64, error) { return 0, nil }},
			{"ScopeMaps", "Count", func() (int64, error) { return count(c, typeScopeMap) }},
			{"Tokens", "Count", func() (int64, error) { return count(c, typeToken) }},
		} {
			n, err := u.value()
			if !yield(arm.Doc{"name": u.name, "unit": u.unit, "currentValue": n, "limit": limit[i]}, err) || err != nil {
				return
			}
		}
	}
}

// count is the number of resources of a type below the call's.
func count(c *arm.Call, typ string) (n int64, err error) {
	for _, err := range c.Resources(c.ID, typ) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// imageBytes adds up what a registry's layers take; one that several repositories have counts once.
func imageBytes(c *arm.Call, content string) (n int64, err error) {
	seen := map[string]bool{}
	for d, err := range c.Tx.Scan(kindBlob, content+"/", "") {
		if err != nil {
			return n, err
		}
		_, digest, _ := strings.Cut(d.Key, "@")
		if seen[digest] {
			continue
		}
		seen[digest] = true
		var b struct{ Size int64 }
		if err := json.Unmarshal(d.Body, &b); err != nil {
			return n, err
		}
		n += b.Size
	}
	return n, nil
}
