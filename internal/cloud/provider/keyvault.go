package provider

import (
	"encoding/json"
	"iter"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
)

const (
	typeVault        = "Microsoft.KeyVault/vaults"
	typeDeletedVault = "Microsoft.KeyVault/locations/deletedVaults"
)

// rbacSince is the first api-version that makes new vaults in RBAC mode unless a request says otherwise
// (Microsoft Learn: Key Vault, access control default).
const rbacSince = "2026-02-01"

var vaultName = regexp.MustCompile(`^[a-zA-Z](-?[a-zA-Z0-9]){2,23}$`)

func keyVault(secrets Secrets) arm.Provider {
	types := []arm.Type{
		{Name: typeVault, Tracked: true, SystemData: true, Codes: arm.Codes{Create: 200}, Check: checkVault, Deleted: vaultDeleted,
			Links: []arm.Link{{Path: "properties.networkAcls.virtualNetworkRules[].id", Action: joinService}},
			Refs:  func(d arm.Doc) []string { return []string{vaultRef(arm.Str(d, "name")), contentRef(d)} }},
		{Name: typeVault + "/accessPolicies", Check: checkAccessPolicies, Written: mergeAccessPolicies},
		secretType(secrets),
		{Name: typeDeletedVault, Place: arm.InSubscription, Get: getDeletedVault, Actions: map[string]arm.Action{"purge": {Do: purgeVault, Write: true}},
			Refs: func(d arm.Doc) []string { return []string{deletedVaultRef(arm.Str(d, "name")), contentRef(d)} }},
		{Name: "Microsoft.KeyVault/deletedVaults", Place: arm.InSubscription, List: listDeletedVaults},
		{Name: "Microsoft.KeyVault/managedHSMs", List: noHSMs},
		{Name: "Microsoft.KeyVault/deletedManagedHSMs", Place: arm.InSubscription, List: noHSMs},
		{Name: "Microsoft.KeyVault/checkNameAvailability", Place: arm.InSubscription, Single: true, Get: nameAvailability(vaultName, vaultRef, azure.VaultNameInvalid, azure.VaultNameTaken)},
	}
	for i := range types {
		types[i].Since, types[i].Versions = "2015-06-01", []string{"2026-02-01", "2024-11-01", "2023-07-01", "2023-02-01", "2022-07-01", "2021-10-01", "2021-04-01-preview", "2019-09-01", "2018-02-14", "2016-10-01"}
	}
	return arm.Provider{Namespace: "Microsoft.KeyVault", Types: types}
}

// vaultRef and deletedVaultRef are the index entries under which vaults are found by their name, which is unique in Azure.
func vaultRef(name string) string        { return "vault:" + lower(name) }
func deletedVaultRef(name string) string { return "deleted vault:" + lower(name) }

func checkVault(c *arm.Call) *azure.Error {
	name := c.ID.Name()
	if !vaultName.MatchString(name) || len(name) > 24 {
		return azure.VaultNameInvalid.Format(azure.Fields{"name": name})
	}
	if c.Old == nil {
		if err := claimVaultName(c); err != nil {
			return err
		}
	}
	family, sku := arm.Str(c.Doc, "properties.sku.family"), lower(arm.Str(c.Doc, "properties.sku.name"))
	switch {
	case arm.Str(c.Doc, "properties.tenantId") == "":
		return azure.InvalidContent.Format(azure.Fields{"cause": "The parameter tenantId is not specified"})
	case !strings.EqualFold(family, "A") || sku != "standard" && sku != "premium":
		return azure.InvalidContent.Format(azure.Fields{"cause": "The parameter sku is not specified or not one of A, standard and A, premium"})
	case arm.Bool(c.Old, "properties.enablePurgeProtection") && !arm.Bool(c.Doc, "properties.enablePurgeProtection"):
		return azure.VaultPurgeProtectionStays.Error()
	}
	for path, v := range map[string]any{
		"accessPolicies": []any{}, "enabledForDeployment": false, "enableSoftDelete": true, "softDeleteRetentionInDays": json.Number("90"),
		"publicNetworkAccess": "Enabled", "provisioningState": "Succeeded",
	} {
		if old := arm.Get(c.Old, "properties."+path); old != nil && path != "accessPolicies" {
			v = old
		}
		arm.Default(c.Doc, "properties."+path, v)
	}
	const rbac = "properties.enableRbacAuthorization"
	if old := arm.Get(c.Old, rbac); old != nil {
		arm.Default(c.Doc, rbac, old)
	} else if c.Version >= rbacSince {
		arm.Default(c.Doc, rbac, true)
	}
	arm.Default(c.Doc, "tags", arm.Doc{})
	lowerKinds(arm.List(c.Doc, "properties.accessPolicies"))
	delete(arm.Map(c.Doc, "properties"), "createMode")
	arm.Set(c.Doc, "properties.vaultUri", "https://"+lower(name)+".vault.azure.net/")
	content(c)
	return nil
}

// claimVaultName refuses a name that another vault has, deleted or not, and recovers a deleted one where that is asked.
func claimVaultName(c *arm.Call) *azure.Error {
	name := c.ID.Name()
	if used, err := taken(c, vaultRef(name)); err != nil || used {
		if err != nil {
			return err
		}
		return azure.VaultNameTaken.Format(azure.Fields{"name": name})
	}
	restore := strings.EqualFold(arm.Str(c.Doc, "properties.createMode"), "recover")
	old, err := deletedVault(c, name)
	switch {
	case err != nil:
		return err
	case old == nil && restore:
		return azure.DeletedVaultNotFound.Format(azure.Fields{"name": name})
	case old == nil:
		return nil
	case !restore || !azure.MustID(arm.Str(old, "properties.vaultId")).Equal(c.ID):
		return azure.VaultSoftDeleted.Error()
	}
	was := arm.Map(old, "_.vault")
	for _, member := range []string{"properties", "tags", "location", "_"} {
		if v, ok := was[member]; ok {
			c.Doc[member] = v
		}
	}
	return arm.Fault(c.Tx.Delete(directory.KindResource, azure.MustID(arm.Str(old, "id")).Key()))
}

// deletedVault is the vault of a name that was deleted and can be recovered; one whose retention is over is forgotten.
func deletedVault(c *arm.Call, name string) (arm.Doc, *azure.Error) {
	for d, err := range c.Find(deletedVaultRef(name)) {
		if err != nil {
			return nil, arm.Fault(err)
		}
		if !purgeDue(c, d) {
			return d, nil
		}
		if c.Method != http.MethodGet {
			return nil, arm.Fault(c.Tx.Delete(directory.KindResource, azure.MustID(arm.Str(d, "id")).Key()))
		}
	}
	return nil, nil
}

func purgeDue(c *arm.Call, d arm.Doc) bool {
	at, err := time.Parse(time.RFC3339, arm.Str(d, "properties.scheduledPurgeDate"))
	return err == nil && !c.Now.Before(at)
}

// vaultDeleted keeps a deleted vault for as long as it can be recovered.
func vaultDeleted(c *arm.Call) *azure.Error {
	name := arm.Str(c.Old, "name")
	id := azure.SubscriptionID(c.ID.Subscription()).Resource(typeDeletedVault, arm.Str(c.Old, "location"), name)
	days := arm.Int(c.Old, "properties.softDeleteRetentionInDays")
	return arm.Fault(c.Seed(id, arm.Doc{"id": id.String(), "name": name, "type": "Microsoft.KeyVault/deletedVaults",
		"properties": arm.Doc{"vaultId": arm.Str(c.Old, "id"), "location": arm.Str(c.Old, "location"), "tags": c.Old["tags"],
			"deletionDate": c.Now.Format(time.RFC3339), "scheduledPurgeDate": c.Now.AddDate(0, 0, days).Format(time.RFC3339),
			"purgeProtectionEnabled": arm.Bool(c.Old, "properties.enablePurgeProtection")},
		"_": arm.Doc{"content": arm.Str(c.Old, "_.content"), "vault": c.Old}}))
}

func getDeletedVault(c *arm.Call) (arm.Doc, *azure.Error) {
	d, err := deletedVault(c, c.ID.Name())
	if err != nil {
		return nil, err
	}
	if d == nil || !azure.MustID(arm.Str(d, "id")).Equal(c.ID) {
		return nil, azure.DeletedVaultNotFound.Format(azure.Fields{"name": c.ID.Name()})
	}
	return d, nil
}

func listDeletedVaults(c *arm.Call) iter.Seq2[arm.Doc, error] {
	return func(yield func(arm.Doc, error) bool) {
		for d, err := range c.Resources(c.ID, typeDeletedVault) {
			if err == nil && purgeDue(c, d) {
				continue
			}
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// noHSMs: there are none, but az asks for them wherever it asks for vaults.
func noHSMs(*arm.Call) iter.Seq2[arm.Doc, error] { return func(func(arm.Doc, error) bool) {} }

func purgeVault(c *arm.Call) (any, *azure.Error) {
	if arm.Bool(c.Doc, "properties.purgeProtectionEnabled") {
		return nil, azure.DeletedVaultPurge.Format(azure.Fields{"name": c.ID.Name()})
	}
	return nil, arm.Fault(c.Tx.Delete(directory.KindResource, c.ID.Key()))
}

// checkAccessPolicies takes what PUT …/accessPolicies/add, replace and remove are: changes of the vault.
func checkAccessPolicies(c *arm.Call) *azure.Error {
	if !slices.Contains([]string{"add", "replace", "remove"}, lower(c.ID.Name())) {
		return azure.InvalidContent.Format(azure.Fields{"cause": "The access policy update is none of add, replace and remove"})
	}
	lowerKinds(arm.List(c.Doc, "properties.accessPolicies"))
	return nil
}

// lowerKinds spells what access policies give permissions on in lower case.
func lowerKinds(policies []any) {
	for _, v := range policies {
		d, _ := v.(map[string]any)
		permissions := arm.Map(d, "permissions")
		for kind, list := range maps.Clone(permissions) {
			delete(permissions, kind)
			permissions[lower(kind)] = list
		}
	}
}

// mergeAccessPolicies changes the vault. The change itself is nothing that could be read again.
func mergeAccessPolicies(c *arm.Call) *azure.Error {
	vault, err := c.Load(c.ID.Parent())
	if err != nil {
		return arm.Fault(err)
	}
	policies := map[string]any{}
	var order []string
	note := func(list []any, change func(key string, policy any)) {
		for _, v := range list {
			d, _ := v.(map[string]any)
			change(lower(arm.Str(d, "objectId")+"/"+arm.Str(d, "applicationId")), v)
		}
	}
	set := func(key string, policy any) {
		if _, there := policies[key]; !there {
			order = append(order, key)
		}
		policies[key] = policy
	}
	changes := arm.List(c.Doc, "properties.accessPolicies")
	switch lower(c.ID.Name()) {
	case "add":
		note(arm.List(vault, "properties.accessPolicies"), set)
		note(changes, func(key string, policy any) { set(key, union(policies[key], policy)) })
	case "replace":
		note(changes, set)
	case "remove":
		note(arm.List(vault, "properties.accessPolicies"), set)
		note(changes, func(key string, _ any) { delete(policies, key) })
	}
	all := []any{}
	for _, key := range order {
		if p, ok := policies[key]; ok {
			all = append(all, p)
		}
	}
	arm.Set(vault, "properties.accessPolicies", all)
	arm.Set(c.Doc, "properties.accessPolicies", all)
	if err := c.Seed(azure.MustID(arm.Str(vault, "id")), vault); err != nil {
		return arm.Fault(err)
	}
	return arm.Fault(c.Tx.Delete(directory.KindResource, c.ID.Key()))
}

// union adds the permissions of one access policy to another's.
func union(old, more any) any {
	a, _ := old.(map[string]any)
	b, _ := more.(map[string]any)
	if a == nil {
		return b
	}
	out := arm.Clone(a)
	for kind := range maps.Keys(arm.Map(b, "permissions")) {
		all := text(arm.List(a, "permissions."+kind))
		for _, p := range text(arm.List(b, "permissions."+kind)) {
			if !slices.ContainsFunc(all, func(have string) bool { return strings.EqualFold(have, p) }) {
				all = append(all, p)
			}
		}
		list := make([]any, len(all))
		for i, p := range all {
			list[i] = p
		}
		arm.Set(out, "permissions."+kind, list)
	}
	return out
}
