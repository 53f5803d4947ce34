package provider

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

const typeAccount = "Microsoft.Storage/storageAccounts"

var accountName = regexp.MustCompile(`^[a-z0-9]{3,24}$`)

// shareName is what containers, shares and queues can be called (Microsoft Learn: naming and referencing containers).
var shareName = regexp.MustCompile(`^([a-z0-9](-?[a-z0-9]){2,62}|\$root|\$web|\$logs)$`)

// tableName is what tables can be called (Microsoft Learn: understanding the Table service data model).
var tableName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9]{2,62}$`)

// storageServices are an account's services, each with one instance called default and what stands below it.
var storageServices = []struct{ service, endpoint, child string }{
	{"blobServices", "blob", "containers"}, {"fileServices", "file", "shares"}, {"queueServices", "queue", "queues"}, {"tableServices", "table", "tables"},
}

func storage() arm.Provider {
	types := []arm.Type{
		{Name: typeAccount, Tracked: true, Identity: true, Codes: arm.Codes{Create: 202}, Receipts: arm.Receipts{Create: true, Write: arm.Located, Empty: true}, Check: checkAccount,
			View:  func(c *arm.Call, d arm.Doc) { hide(d, c.Version, filledOfAccount) },
			Keep:  []string{"sku", "kind", "properties.networkAcls", "properties.encryption", "properties.allowSharedKeyAccess", "properties.publicNetworkAccess"},
			Links: []arm.Link{{Path: "properties.networkAcls.virtualNetworkRules[].id", Action: joinService}},
			Refs:  func(d arm.Doc) []string { return []string{accountRef(arm.Str(d, "name")), contentRef(d)} },
			Actions: map[string]arm.Action{"listkeys": {Do: listAccountKeys, RBAC: typeAccount + "/listkeys/action"},
				"regeneratekey": {Do: regenerateAccountKey, Write: true, RBAC: typeAccount + "/regeneratekey/action"}}},
		{Name: "Microsoft.Storage/checkNameAvailability", Place: arm.InSubscription, Single: true, Get: nameAvailability(accountName, accountRef, azure.StorageNameInvalid, azure.StorageNameTaken)},
		{Name: typeAccount + "/blobServices", Codes: arm.Codes{Create: 200}, Check: checkService},
		{Name: typeAccount + "/fileServices", Codes: arm.Codes{Create: 200}, Check: checkService},
		{Name: typeAccount + "/queueServices", Codes: arm.Codes{Create: 200}, Check: checkService},
		{Name: typeAccount + "/tableServices", Codes: arm.Codes{Create: 200}, Check: checkService},
		{Name: typeAccount + "/blobServices/containers", ETag: true, NameRule: shareName, Check: checkContainer},
		{Name: typeAccount + "/fileServices/shares", ETag: true, NameRule: shareName, Check: checkShare},
		{Name: typeAccount + "/queueServices/queues", Codes: arm.Codes{Create: 200, Delete: 204}, NameRule: shareName, Check: checkQueue,
			Refs: func(d arm.Doc) []string { return []string{contentRef(d)} }},
		{Name: typeAccount + "/tableServices/tables", Codes: arm.Codes{Create: 200, Delete: 204}, NameRule: tableName, Check: checkTable},
	}
	for i := range types {
		types[i].Since, types[i].Versions = "2015-06-15", []string{"2025-01-01", "2024-01-01", "2023-05-01", "2023-01-01", "2022-09-01", "2021-09-01", "2021-04-01", "2019-06-01", "2018-07-01", "2017-10-01"}
	}
	return arm.Provider{Namespace: "Microsoft.Storage", Types: types}
}

// accountRef is the index entry under which a storage account is found by its name, which is unique in Azure.
func accountRef(name string) string { return "storage:" + lower(name) }

var filledOfAccount = []filled{{path: "properties.networkAcls.ipv6Rules", value: []any{}, since: "2023-01-01"}}

func checkAccount(c *arm.Call) *azure.Error {
	name := c.ID.Name()
	if !accountName.MatchString(name) {
		return azure.StorageNameInvalid.Format(azure.Fields{"name": name})
	}
	if used, err := taken(c, accountRef(name)); err != nil || used {
		if err != nil {
			return err
		}
		return azure.StorageNameTaken.Format(azure.Fields{"name": name})
	}
	fill(c.Doc, c.Version, filledOfAccount)
	sku := arm.Str(c.Doc, "sku.name")
	if tier, redundancy, ok := strings.Cut(sku, "_"); !ok || redundancy == "" || tier != "Standard" && tier != "Premium" {
		return azure.InvalidContent.Format(azure.Fields{"cause": "The account property 'sku.name' is not specified or not known"})
	} else {
		arm.Set(c.Doc, "sku.tier", tier)
	}
	if arm.Str(c.Doc, "kind") == "" {
		return azure.InvalidContent.Format(azure.Fields{"cause": "The account property 'kind' is not specified"})
	}
	endpoints := arm.Doc{}
	for _, s := range storageServices {
		endpoints[s.endpoint] = "https://" + name + "." + s.endpoint + ".core.windows.net/"
	}
	for _, s := range []string{"dfs", "web"} {
		endpoints[s] = "https://" + name + "." + s + ".core.windows.net/"
	}
	now := c.Now.Format(timeForm)
	service := arm.Doc{"enabled": true, "keyType": "Account", "lastEnabledTime": now}
	arm.Default(c.Doc, "tags", arm.Doc{})
	for path, v := range map[string]any{
		"creationTime": now, "keyCreationTime": arm.Doc{"key1": now, "key2": now}, "primaryEndpoints": endpoints,
		"primaryLocation": arm.Str(c.Doc, "location"), "statusOfPrimary": "available",
	} {
		if old := arm.Get(c.Old, "properties."+path); old != nil {
			v = old
		}
		arm.Set(c.Doc, "properties."+path, v)
	}
	for path, v := range map[string]any{
		"accessTier": "Hot", "allowBlobPublicAccess": false, "minimumTlsVersion": "TLS1_2", "supportsHttpsTrafficOnly": true,
		"networkAcls":                arm.Doc{"bypass": "AzureServices", "defaultAction": "Allow", "ipRules": []any{}, "virtualNetworkRules": []any{}},
		"privateEndpointConnections": []any{}, "encryption.keySource": "Microsoft.Storage", "allowCrossTenantReplication": false,
		"encryption.services": arm.Doc{"blob": service, "file": arm.Clone(service)},
	} {
		arm.Default(c.Doc, "properties."+path, v)
	}
	content(c)
	arm.Default(c.Doc, "_.keys", []any{newAccountKey(), newAccountKey()})
	if c.Old == nil {
		return plantServices(c)
	}
	return nil
}

// newAccountKey is 512 random bits, in base64.
func newAccountKey() string {
	b := make([]byte, 64)
	_, _ = rand.Read(b) // crypto/rand never fails
	return base64.StdEncoding.EncodeToString(b)
}

// plantServices gives a new account its services.
func plantServices(c *arm.Call) *azure.Error {
	for _, s := range storageServices {
		id := azure.MustID(arm.Str(c.Doc, "id")).Join(s.service, "default")
		if err := c.Seed(id, arm.Doc{"id": id.String(), "name": "default", "type": typeAccount + "/" + s.service, "properties": serviceDefaults(s.service)}); err != nil {
			return arm.Fault(err)
		}
	}
	return nil
}

func serviceDefaults(service string) arm.Doc {
	d := arm.Doc{"cors": arm.Doc{"corsRules": []any{}}}
	switch service {
	case "blobServices":
		d["deleteRetentionPolicy"] = arm.Doc{"enabled": false}
	case "fileServices":
		d["shareDeleteRetentionPolicy"] = arm.Doc{"enabled": true, "days": json.Number("7")}
	}
	return d
}

func checkService(c *arm.Call) *azure.Error {
	if lower(c.ID.Name()) != "default" {
		return azure.InvalidContent.Format(azure.Fields{"cause": "The only instance of the service is called default"})
	}
	_, typ, _ := c.ID.Split()
	for k, v := range serviceDefaults(typ[strings.LastIndexByte(typ, '/')+1:]) {
		arm.Default(c.Doc, "properties."+k, v)
	}
	return nil
}

// accountKeyNames are what the two keys of an account are called.
var accountKeyNames = []string{"key1", "key2"}

func listAccountKeys(c *arm.Call) (any, *azure.Error) {
	keys := []any{}
	for i, key := range text(arm.List(c.Doc, "_.keys")) {
		name := accountKeyNames[i]
		keys = append(keys, arm.Doc{"keyName": name, "value": key, "permissions": "FULL", "creationTime": arm.Str(c.Doc, "properties.keyCreationTime."+name)})
	}
	return arm.Doc{"keys": keys}, nil
}

func regenerateAccountKey(c *arm.Call) (any, *azure.Error) {
	keys := text(arm.List(c.Doc, "_.keys"))
	changed, found := make([]any, len(keys)), false
	c.Doc = arm.Clone(c.Doc)
	for i, key := range keys {
		name := accountKeyNames[i]
		if changed[i] = key; lower(arm.Str(c.Body, "keyName")) == name {
			changed[i], found = newAccountKey(), true
			arm.Set(c.Doc, "properties.keyCreationTime."+name, c.Now.Format(timeForm))
		}
	}
	if !found {
		return nil, azure.InvalidContent.Format(azure.Fields{"cause": "keyName is neither key1 nor key2"})
	}
	arm.Set(c.Doc, "_.keys", changed)
	if err := c.Save(); err != nil {
		return nil, err
	}
	return listAccountKeys(c)
}

func checkContainer(c *arm.Call) *azure.Error {
	held(c)
	arm.Default(c.Doc, "properties.publicAccess", "None")
	arm.Set(c.Doc, "properties.hasImmutabilityPolicy", false)
	arm.Set(c.Doc, "properties.hasLegalHold", false)
	return nil
}

func checkShare(c *arm.Call) *azure.Error {
	held(c)
	for path, v := range map[string]any{"shareQuota": json.Number("5120"), "enabledProtocols": "SMB", "accessTier": "TransactionOptimized"} {
		if old := arm.Get(c.Old, "properties."+path); old != nil {
			v = old
		}
		arm.Default(c.Doc, "properties."+path, v)
	}
	return nil
}

// held fills in what containers and shares have in common: nobody leases them here.
func held(c *arm.Call) {
	arm.Set(c.Doc, "properties.leaseState", "Available")
	arm.Set(c.Doc, "properties.leaseStatus", "Unlocked")
	arm.Set(c.Doc, "properties.lastModifiedTime", c.Now.Format(timeForm))
}

// checkQueue makes a queue as the queue service makes them too: the document is the queue.
func checkQueue(c *arm.Call) *azure.Error {
	arm.Default(c.Doc, "properties.metadata", arm.Doc{})
	content(c)
	return nil
}

func checkTable(c *arm.Call) *azure.Error {
	arm.Set(c.Doc, "properties.tableName", c.ID.Name())
	return nil
}
