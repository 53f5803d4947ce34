package cloud_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

const vaultAudience = "https://vault.azure.net"

// vault makes a vault; properties are added to the least that one needs, in RBAC mode.
func (w *world) vault(group, name string, properties obj) string {
	w.Helper()
	id := group + "/providers/Microsoft.KeyVault/vaults/" + name
	w.operator.put(id, w.vaultBody(properties)).ok(200)
	return id
}

func (w *world) vaultBody(properties obj) obj {
	all := obj{"tenantId": w.tenant, "sku": obj{"family": "A", "name": "standard"}, "enableRbacAuthorization": true}
	for k, v := range properties {
		all[k] = v
	}
	return obj{"location": "westeurope", "properties": all}
}

func (c *credential) secrets(t *testing.T, vault string) *azsecrets.Client {
	t.Helper()
	client, err := azsecrets.NewClient("https://"+vault+".vault.azure.net", c, &azsecrets.ClientOptions{ClientOptions: c.w.sdk()})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// code is the status and the innermost code of an SDK error, "ok" for none.
func code(t testing.TB, err error) string {
	t.Helper()
	var e *azcore.ResponseError
	switch {
	case err == nil:
		return "ok"
	case !errors.As(err, &e):
		return err.Error()
	}
	body := make([]byte, 64<<10)
	if e.RawResponse != nil {
		n, _ := io.ReadFull(e.RawResponse.Body, body)
		if _, after, ok := strings.Cut(string(body[:n]), `"innererror":{"code":"`); ok {
			inner, _, _ := strings.Cut(after, `"`)
			return fmt.Sprint(e.StatusCode, " ", e.ErrorCode, " ", inner)
		}
	}
	return fmt.Sprint(e.StatusCode, " ", e.ErrorCode)
}

func wantCode(t testing.TB, want string, err error) {
	t.Helper()
	if got := code(t, err); got != want {
		t.Errorf("got %s, want %s: %v", got, want, err)
	}
}

// TestSecrets drives a vault with the official client: a secret's whole life, with the rights that each step takes.
func TestSecrets(t *testing.T) {
	w := newWorld(t)
	id := w.vault(w.group(w.platform, "rg"), "freight-kv", nil)
	officer, user := w.application("officer"), w.application("user")
	w.give(officer.id, "Key Vault Secrets Officer", id)
	w.give(user.id, "Key Vault Secrets User", id+"/secrets/db")
	ctx := t.Context()
	o, u := w.as(officer).secrets(t, "freight-kv"), w.as(user).secrets(t, "freight-kv")

	first, err := o.SetSecret(ctx, "db", azsecrets.SetSecretParameters{Value: to.Ptr("one"), ContentType: to.Ptr("text/plain"), Tags: map[string]*string{"team": to.Ptr("freight")}}, nil)
	wantCode(t, "ok", err)
	_, err = o.SetSecret(ctx, "DB", azsecrets.SetSecretParameters{Value: to.Ptr("two ünïcode")}, nil)
	wantCode(t, "ok", err)
	_, err = o.SetSecret(ctx, "other", azsecrets.SetSecretParameters{Value: to.Ptr("")}, nil)
	wantCode(t, "ok", err)
	_, err = u.SetSecret(ctx, "db", azsecrets.SetSecretParameters{Value: to.Ptr("three")}, nil)
	wantCode(t, "403 Forbidden ForbiddenByRbac", err)

	w.restart()
	got, err := u.GetSecret(ctx, "db", "", nil)
	wantCode(t, "ok", err)
	if *got.Value != "two ünïcode" || got.ID.Name() != "db" || *got.Attributes.RecoveryLevel != "Recoverable+Purgeable" || *got.Attributes.RecoverableDays != 90 {
		t.Errorf("the secret is %q, %s, %+v", *got.Value, *got.ID, *got.Attributes)
	}
	old, err := u.GetSecret(ctx, "db", first.ID.Version(), nil)
	wantCode(t, "ok", err)
	if *old.Value != "one" || *old.ContentType != "text/plain" || *old.Tags["team"] != "freight" {
		t.Errorf("the first version is %+v", old.Secret)
	}
	_, err = u.GetSecret(ctx, "other", "", nil)
	wantCode(t, "403 Forbidden ForbiddenByRbac", err)
	_, err = o.GetSecret(ctx, "db", strings.Repeat("0", 32), nil)
	wantCode(t, "404 SecretNotFound", err)

	var names, versions []string
	for pager := o.NewListSecretPropertiesPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		wantCode(t, "ok", err)
		for _, s := range page.Value {
			names = append(names, s.ID.Name())
		}
	}
	for pager := o.NewListSecretPropertiesVersionsPager("db", nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		wantCode(t, "ok", err)
		for _, s := range page.Value {
			versions = append(versions, s.ID.Version())
		}
	}
	if fmt.Sprint(names) != "[db other]" || len(versions) != 2 {
		t.Errorf("the secrets are %v, the versions %v", names, versions)
	}
	_, err = o.UpdateSecretProperties(ctx, "db", first.ID.Version(), azsecrets.UpdateSecretPropertiesParameters{SecretAttributes: &azsecrets.SecretAttributes{Enabled: to.Ptr(false)}}, nil)
	wantCode(t, "ok", err)
	_, err = u.GetSecret(ctx, "db", first.ID.Version(), nil)
	wantCode(t, "403 Forbidden SecretDisabled", err)

	deleted, err := o.DeleteSecret(ctx, "db", nil)
	wantCode(t, "ok", err)
	if deleted.RecoveryID == nil || deleted.ScheduledPurgeDate.Sub(*deleted.DeletedDate) < 89*24*time.Hour {
		t.Errorf("the deletion is %+v", deleted.DeletedSecret)
	}
	_, err = u.GetSecret(ctx, "db", "", nil)
	wantCode(t, "404 SecretNotFound", err)
	_, err = o.SetSecret(ctx, "db", azsecrets.SetSecretParameters{Value: to.Ptr("four")}, nil)
	wantCode(t, "409 Conflict ObjectIsDeletedButRecoverable", err)
	_, err = o.RecoverDeletedSecret(ctx, "db", nil)
	wantCode(t, "ok", err)
	_, err = u.GetSecret(ctx, "db", "", nil)
	wantCode(t, "ok", err)
	_, err = o.DeleteSecret(ctx, "db", nil)
	wantCode(t, "ok", err)
	_, err = o.PurgeDeletedSecret(ctx, "db", nil)
	wantCode(t, "ok", err)
	_, err = o.GetDeletedSecret(ctx, "db", nil)
	wantCode(t, "404 SecretNotFound", err)
	again, err := o.SetSecret(ctx, "db", azsecrets.SetSecretParameters{Value: to.Ptr("five")}, nil)
	wantCode(t, "ok", err)
	if _, err = o.GetSecret(ctx, "db", first.ID.Version(), nil); code(t, err) != "404 SecretNotFound" || again.ID.Version() == "" {
		t.Errorf("a purged version: %v", err)
	}
}

// TestSecretPages lists more secrets than a page has, and those whose retention is over no more.
func TestSecretPages(t *testing.T) {
	w := newWorld(t)
	id := w.vault(w.group(w.platform, "rg"), "freight-kv", obj{"softDeleteRetentionInDays": 7})
	officer := w.application("officer")
	w.give(officer.id, "Key Vault Secrets Officer", id)
	o := w.as(officer).secrets(t, "freight-kv")
	ctx := t.Context()
	for i := range 60 {
		_, err := o.SetSecret(ctx, fmt.Sprintf("s%02d", i), azsecrets.SetSecretParameters{Value: to.Ptr("v")}, nil)
		wantCode(t, "ok", err)
	}
	_, err := o.DeleteSecret(ctx, "s30", nil)
	wantCode(t, "ok", err)
	var names []string
	pages := 0
	for pager := o.NewListSecretPropertiesPager(nil); pager.More(); pages++ {
		page, err := pager.NextPage(ctx)
		wantCode(t, "ok", err)
		for _, s := range page.Value {
			names = append(names, s.ID.Name())
		}
	}
	if len(names) != 59 || pages != 3 || names[58] != "s59" {
		t.Errorf("%d secrets on %d pages: %v", len(names), pages, names)
	}
	listed := func() int {
		n := 0
		for pager := o.NewListDeletedSecretPropertiesPager(nil); pager.More(); {
			page, err := pager.NextPage(ctx)
			wantCode(t, "ok", err)
			n += len(page.Value)
		}
		return n
	}
	if listed() != 1 {
		t.Error("the deleted secret is not listed")
	}
	w.later(8 * 24 * time.Hour)
	o = w.as(officer).secrets(t, "freight-kv")
	if listed() != 0 {
		t.Error("a secret whose retention is over is listed")
	}
	_, err = o.RecoverDeletedSecret(ctx, "s30", nil)
	wantCode(t, "404 SecretNotFound", err)
	_, err = o.SetSecret(ctx, "s30", azsecrets.SetSecretParameters{Value: to.Ptr("new")}, nil)
	wantCode(t, "ok", err)
}

// TestVaultRefusals are a vault's answers to those it keeps out, word for word.
func TestVaultRefusals(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg")
	id := w.vault(rg, "freight-kv", nil)
	owner := w.application("owner")
	w.give(owner.id, "Owner", rg)
	c := w.as(owner)
	const url = "https://freight-kv.vault.azure.net/secrets/db?api-version=7.4"
	caller := fmt.Sprintf(`appid=%s;oid=%s;iss=https://sts.windows.net/%s/`, owner.app, owner.id, w.tenant)

	missing := c.ask("", "GET", url, "").ok(401)
	if missing.raw != `{"error":{"code":"Unauthorized","message":"AKV10000: Request is missing a Bearer or PoP token."}}` ||
		missing.header.Get("Www-Authenticate") != `Bearer authorization="https://login.microsoftonline.com/`+w.tenant+`", resource="https://vault.azure.net"` {
		t.Errorf("without a token: %s %s", missing.raw, missing.header)
	}
	if got := c.ask(armAudience, "GET", url, "").ok(401).raw; got != `{"error":{"code":"Unauthorized","message":"AKV10022: Invalid audience. Expected https://vault.azure.net, found: https://management.azure.com."}}` {
		t.Errorf("with a token for Resource Manager: %s", got)
	}
	want := func(name string, status int, body string) {
		t.Helper()
		if got := c.ask(vaultAudience, "GET", url, ""); got.status != status || got.raw != body {
			t.Errorf("%s: %d %s\nwant %s", name, got.status, got.raw, body)
		}
	}
	want("Owner reads a secret", 403, `{"error":{"code":"Forbidden","message":"Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: `+
		caller+`\r\nAction: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'\r\nResource: '`+strings.ToLower(id)+`/secrets/db'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: 'DeniedWithNoValidRBAC' \r\nVault: freight-kv;location=westeurope","innererror":{"code":"ForbiddenByRbac"}}}`)
	w.give(owner.id, "Key Vault Secrets Officer", id)
	want("a secret that is not there", 404, `{"error":{"code":"SecretNotFound","message":"A secret with (name/id) db was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"}}`)

	w.operator.do("PATCH", id, obj{"properties": obj{"networkAcls": obj{"defaultAction": "Deny"}}}).ok(200)
	want("a firewall", 403, `{"error":{"code":"Forbidden","message":"Client address is not authorized and caller is not a trusted service.\r\nClient address: 127.0.0.1\r\nCaller: `+caller+`\r\nVault: freight-kv;location=westeurope","innererror":{"code":"ForbiddenByFirewall"}}}`)
	w.operator.do("PATCH", id, obj{"properties": obj{"publicNetworkAccess": "Disabled"}}).ok(200)
	want("no public access", 403, `{"error":{"code":"Forbidden","message":"Public network access is disabled and request is not from a trusted service nor via an approved private link.\r\nCaller: `+caller+`\r\nVault: freight-kv;location=westeurope","innererror":{"code":"ForbiddenByConnection"}}}`)

	w.operator.do("PATCH", id, obj{"properties": obj{"publicNetworkAccess": "Enabled", "networkAcls": obj{"defaultAction": "Allow"}, "enableRbacAuthorization": false}}).ok(200)
	want("an access policy", 403, `{"error":{"code":"Forbidden","message":"The user, group or application '`+caller+`' does not have secrets get permission on key vault 'freight-kv;location=westeurope'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287","innererror":{"code":"AccessDenied"}}}`)

	w.operator.do("PUT", id+"/accessPolicies/add", obj{"properties": obj{"accessPolicies": []obj{{"tenantId": w.tenant, "objectId": owner.id, "permissions": obj{"secrets": []string{"Get", "set"}}}}}}).ok(201)
	c.ask(vaultAudience, "PUT", url, `{"value":"v"}`).ok(200)
	c.ask(vaultAudience, "GET", url, "").ok(200)
	c.ask(vaultAudience, "DELETE", url, "").ok(403)
	w.operator.do("PUT", id+"/accessPolicies/remove", obj{"properties": obj{"accessPolicies": []obj{{"tenantId": w.tenant, "objectId": owner.id, "permissions": obj{}}}}}).ok(201)
	c.ask(vaultAudience, "GET", url, "").ok(403)
}

// TestHostileVault: names, versions, sizes and bodies that Key Vault does not take.
func TestHostileVault(t *testing.T) {
	w := newWorld(t)
	id := w.vault(w.group(w.platform, "rg"), "freight-kv", nil)
	u := w.application("u")
	w.give(u.id, "Key Vault Secrets Officer", id)
	c := w.as(u)
	for _, x := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"PUT", "/secrets/db", `{"value":"v"}`, 400, "BadParameter"}, // no api-version
		{"PUT", "/secrets/d%20b?api-version=7.4", `{"value":"v"}`, 400, "BadParameter"},
		{"PUT", "/secrets/" + strings.Repeat("x", 128) + "?api-version=7.4", `{"value":"v"}`, 400, "BadParameter"},
		{"PUT", "/secrets/..%2fkeys?api-version=7.4", `{"value":"v"}`, 400, "BadParameter"},
		{"PUT", "/secrets/db?api-version=7.4", `{"value":`, 400, "BadParameter"},
		{"PUT", "/secrets/db?api-version=7.4", `{}`, 400, "BadParameter"},
		{"PUT", "/secrets/db?api-version=7.4", `{"value":"` + strings.Repeat("x", 25601) + `"}`, 400, "BadParameter"},
		{"PUT", "/secrets/db?api-version=7.4", `{"value":"` + strings.Repeat("x", 300<<10) + `"}`, 413, "RequestEntityTooLarge"},
		{"GET", "/secrets/db/versions/0?api-version=7.4", "", 501, "NotImplemented"},
		{"GET", "/secrets?api-version=7.4&maxresults=1000", "", 400, "BadParameter"},
		{"GET", "/certificates?api-version=7.4", "", 501, "NotImplemented"},
		{"GET", "/?api-version=7.4", "", 501, "NotImplemented"},
		{"PUT", "/secrets/db?api-version=7.4", `{"value":"` + strings.Repeat("x", 25600) + `"}`, 200, ""},
	} {
		got := c.ask(vaultAudience, x.method, "https://freight-kv.vault.azure.net"+x.path, x.body)
		if got.status != x.status || got.str("error.code") != x.code {
			t.Errorf("%s %.60s: %d %.200s, want %d %s", x.method, x.path, got.status, got.raw, x.status, x.code)
		}
	}
	c.ask(vaultAudience, "GET", "https://nothing.vault.azure.net/secrets?api-version=7.4", "").ok(404)
}

// TestSealed: no value lies open in the data folder, and the key to them only its owner can read.
func TestSealed(t *testing.T) {
	w := newWorld(t)
	id := w.vault(w.group(w.platform, "rg"), "freight-kv", nil)
	u := w.application("u")
	w.give(u.id, "Key Vault Secrets Officer", id)
	const value = "a value that must not lie open"
	w.as(u).ask(vaultAudience, "PUT", "https://freight-kv.vault.azure.net/secrets/db?api-version=7.4", `{"value":"`+value+`"}`).ok(200)
	if err := w.cloud.Close(); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(value)) || bytes.Contains(b, []byte(base64.StdEncoding.EncodeToString([]byte(value)))) {
			t.Errorf("the value lies open in %s", path)
		}
		if info, _ := d.Info(); strings.HasSuffix(path, ".key") && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.start()
	if got := w.as(u).ask(vaultAudience, "GET", "https://freight-kv.vault.azure.net/secrets/db?api-version=7.4", "").ok(200).str("value"); got != value {
		t.Errorf("the value is %q", got)
	}
}

// TestKeys drives a vault's keys as a KMS plugin does: encrypt and decrypt, with the role that it takes.
func TestKeys(t *testing.T) {
	w := newWorld(t)
	id := w.vault(w.group(w.platform, "rg"), "freight-kv", nil)
	officer, kms := w.application("officer"), w.application("kms")
	w.give(officer.id, "Key Vault Crypto Officer", id)
	client := func(u *user) *azkeys.Client {
		c, err := azkeys.NewClient("https://freight-kv.vault.azure.net", w.as(u), &azkeys.ClientOptions{ClientOptions: w.sdk()})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ctx := context.Background()
	made, err := client(officer).CreateKey(ctx, "etcd", azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeRSA), KeySize: to.Ptr[int32](2048)}, nil)
	wantCode(t, "ok", err)
	if len(made.Key.N) != 256 || made.Key.KID.Version() == "" {
		t.Errorf("the key is %+v", made.Key)
	}
	_, err = client(officer).CreateKey(ctx, "curve", azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeEC)}, nil)
	wantCode(t, "400 BadParameter", err)
	oaep := azkeys.KeyOperationParameters{Algorithm: to.Ptr(azkeys.EncryptionAlgorithmRSAOAEP256), Value: []byte("data encryption key")}
	k := client(kms)
	_, err = k.Encrypt(ctx, "etcd", "", oaep, nil)
	wantCode(t, "403 Forbidden ForbiddenByRbac", err)
	w.give(kms.id, "Key Vault Crypto User", id)
	sealed, err := k.Encrypt(ctx, "etcd", made.Key.KID.Version(), oaep, nil)
	wantCode(t, "ok", err)
	opened, err := k.Decrypt(ctx, "etcd", "", azkeys.KeyOperationParameters{Algorithm: oaep.Algorithm, Value: sealed.Result}, nil)
	wantCode(t, "ok", err)
	if string(opened.Result) != "data encryption key" {
		t.Errorf("decrypted: %q", opened.Result)
	}
	_, err = k.Decrypt(ctx, "etcd", "", azkeys.KeyOperationParameters{Algorithm: oaep.Algorithm, Value: []byte("garbage")}, nil)
	wantCode(t, "400 BadParameter", err)
	wrapped, err := k.WrapKey(ctx, "etcd", "", azkeys.KeyOperationParameters{Algorithm: to.Ptr(azkeys.EncryptionAlgorithmRSAOAEP), Value: []byte("key")}, nil)
	wantCode(t, "ok", err)
	unwrapped, err := k.UnwrapKey(ctx, "etcd", "", azkeys.KeyOperationParameters{Algorithm: to.Ptr(azkeys.EncryptionAlgorithmRSAOAEP), Value: wrapped.Result}, nil)
	wantCode(t, "ok", err)
	if string(unwrapped.Result) != "key" {
		t.Errorf("unwrapped: %q", unwrapped.Result)
	}
	_, err = client(officer).UpdateKey(ctx, "etcd", "", azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Enabled: to.Ptr(false)}}, nil)
	wantCode(t, "ok", err)
	_, err = k.Encrypt(ctx, "etcd", "", oaep, nil)
	wantCode(t, "403 Forbidden KeyDisabled", err)
}

// TestVaultLife: a vault's name is taken until it is purged; recovering it brings its secrets back.
func TestVaultLife(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg")
	id := w.vault(rg, "freight-kv", nil)
	op := w.operator
	u := w.application("u")
	w.give(u.id, "Key Vault Secrets Officer", rg)
	const url = "https://freight-kv.vault.azure.net/secrets/db?api-version=7.4"
	w.as(u).ask(vaultAudience, "PUT", url, `{"value":"v"}`).ok(200)
	available := func() any {
		return op.do("POST", w.platform+"/providers/Microsoft.KeyVault/checkNameAvailability", obj{"name": "freight-kv", "type": "Microsoft.KeyVault/vaults"}).ok(200).at("nameAvailable")
	}
	if available() != false {
		t.Error("the name of a vault is available")
	}
	op.put(w.group(w.hub, "rg2")+"/providers/Microsoft.KeyVault/vaults/Freight-KV", w.vaultBody(nil)).refused(409, "VaultAlreadyExists", "'Freight-KV'")
	op.put(rg+"/providers/Microsoft.KeyVault/vaults/-no", w.vaultBody(nil)).refused(400, "VaultNameNotValid")
	op.put(rg+"/providers/Microsoft.KeyVault/vaults/no-sku", obj{"location": "westeurope", "properties": obj{"tenantId": w.tenant}}).refused(400, "InvalidRequestContent")

	op.delete(id).ok(200)
	w.as(u).ask(vaultAudience, "GET", url, "").ok(404)
	deleted := w.platform + "/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/freight-kv"
	if got := op.get(deleted).ok(200).str("properties.vaultId"); got != id {
		t.Errorf("the deleted vault was %s", got)
	}
	if got := op.get(w.platform + "/providers/Microsoft.KeyVault/deletedVaults").ok(200).list("name"); len(got) != 1 {
		t.Errorf("the deleted vaults are %v", got)
	}
	op.put(id, w.vaultBody(nil)).refused(409, "ConflictError", "already exists in deleted state")
	op.put(id, w.vaultBody(obj{"createMode": "recover"})).ok(200)
	if got := w.as(u).ask(vaultAudience, "GET", url, "").ok(200).str("value"); got != "v" {
		t.Errorf("the recovered secret is %q", got)
	}
	op.get(deleted).refused(404, "DeletedVaultNotFound")
	op.put(id+"x", w.vaultBody(obj{"createMode": "recover"})).refused(404, "DeletedVaultNotFound")

	op.delete(id).ok(200)
	op.do("POST", deleted+"/purge", nil).ok(200)
	op.get(deleted).refused(404, "DeletedVaultNotFound")
	if available() != true {
		t.Error("the name of a purged vault is not available")
	}
	w.vault(rg, "freight-kv", nil)
	w.as(u).ask(vaultAudience, "GET", url, "").ok(404)

	op.do("PATCH", id, obj{"properties": obj{"enablePurgeProtection": true}}).ok(200)
	op.do("PATCH", id, obj{"properties": obj{"enablePurgeProtection": false}}).refused(400, "BadRequest", "irreversible")
	op.delete(id).ok(200)
	op.do("POST", deleted+"/purge", nil).refused(400, "BadRequest", "purge protection is enabled")
	w.later(91 * 24 * time.Hour)
	op = w.operator
	op.get(deleted).refused(404, "DeletedVaultNotFound")
	op.put(id, w.vaultBody(nil)).ok(200)
}

// TestSecretAtARM: a template's deployer sets secrets with a right of the control plane and reads none of them.
func TestSecretAtARM(t *testing.T) {
	w := newWorld(t)
	id := w.vault(w.group(w.platform, "rg"), "freight-kv", nil)
	deployer, user := w.application("deployer"), w.application("user")
	w.give(deployer.id, "Contributor", id)
	w.give(user.id, "Key Vault Secrets User", id)
	const url = "https://freight-kv.vault.azure.net/secrets/db?api-version=7.4"
	made := deployer.put(id+"/secrets/db", obj{"tags": obj{"team": "freight"}, "properties": obj{"value": "hunter2", "contentType": "text/plain", "attributes": obj{"exp": 2000000000}}}).ok(200)
	if strings.Contains(made.raw, "hunter2") || !strings.HasPrefix(made.str("properties.secretUriWithVersion"), "https://freight-kv.vault.azure.net/secrets/db/") {
		t.Errorf("the answer is %s", made.raw)
	}
	w.as(deployer).ask(vaultAudience, "GET", url, "").ok(403)
	got := w.as(user).ask(vaultAudience, "GET", url, "").ok(200)
	if got.str("value") != "hunter2" || got.at("attributes.exp") != 2e9 || got.str("tags.team") != "freight" {
		t.Errorf("the secret is %s", got.raw)
	}
	deployer.put(id+"/secrets/db", obj{"properties": obj{"value": "hunter3"}}).ok(200)
	if got := w.as(user).ask(vaultAudience, "GET", url, "").ok(200).str("value"); got != "hunter3" {
		t.Errorf("the secret is %q", got)
	}
	shown := deployer.get(id + "/secrets/db").ok(200)
	if strings.Contains(shown.raw, "hunter") || shown.at("properties.attributes.enabled") != true {
		t.Errorf("the secret is shown as %s", shown.raw)
	}
	if got := deployer.get(id + "/secrets").ok(200).list("name"); len(got) != 1 || got[0] != "db" {
		t.Errorf("the secrets are %v", got)
	}
	deployer.get(id+"/secrets/other").refused(404, "NotFound")
	deployer.put(id+"/secrets/d_b", obj{"properties": obj{"value": "v"}}).refused(400, "BadParameter")
	deployer.put(id+"/secrets/db", obj{"properties": obj{}}).refused(400, "BadParameter")
	user.put(id+"/secrets/db", obj{"properties": obj{"value": "v"}}).refused(403, "AuthorizationFailed", "'Microsoft.KeyVault/vaults/secrets/write'")
	if err := w.cloud.Close(); err != nil {
		t.Fatal(err)
	}
	for _, f := range files(t, w.dir, "aksid.db*") {
		if b, err := os.ReadFile(f); err != nil || bytes.Contains(b, []byte("hunter2")) {
			t.Errorf("the value lies open in %s, %v", f, err)
		}
	}
	w.start()
}
