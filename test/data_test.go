package test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func init() {
	programs["push"], programs["pull"] = push, pull
	programs["read-secret"], programs["work-off"] = readSecret, workOff
}

// passwordVar is the refresh token that "az acr login --expose-token" printed.
const passwordVar = "AKSID_TEST_PASSWORD"

func registryAuth() remote.Option {
	return remote.WithAuth(authn.FromConfig(authn.AuthConfig{Username: "00000000-0000-0000-0000-000000000000", Password: os.Getenv(passwordVar)}))
}

// push pushes an image of random layers and prints its digest.
func push(ctx context.Context, image string) error {
	ref, err := name.ParseReference(image)
	if err != nil {
		return err
	}
	img, err := random.Image(64<<10, 2)
	if err != nil {
		return err
	}
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	fmt.Println(digest)
	return remote.Write(ref, img, registryAuth(), remote.WithContext(ctx))
}

// pull prints an image's digest.
func pull(ctx context.Context, image string) error {
	ref, err := name.ParseReference(image)
	if err != nil {
		return err
	}
	img, err := remote.Image(ref, registryAuth(), remote.WithContext(ctx))
	if err != nil {
		return err
	}
	digest, err := img.Digest()
	fmt.Println(digest)
	return err
}

// readSecret prints the secret db of a vault, as the machine that the program runs on.
func readSecret(ctx context.Context, vault string) error {
	cred, err := azidentity.NewManagedIdentityCredential(nil)
	if err != nil {
		return err
	}
	client, err := azsecrets.NewClient("https://"+vault+".vault.azure.net", cred, nil)
	if err != nil {
		return err
	}
	got, err := client.GetSecret(ctx, "db", "", nil)
	if err != nil {
		return err
	}
	fmt.Println(*got.Value)
	return nil
}

// workOff takes a message off the queue orders of a storage account, as the machine that the program runs on.
func workOff(ctx context.Context, account string) error {
	cred, err := azidentity.NewManagedIdentityCredential(nil)
	if err != nil {
		return err
	}
	client, err := azqueue.NewQueueClient("https://"+account+".queue.core.windows.net/orders", cred, nil)
	if err != nil {
		return err
	}
	got, err := client.DequeueMessage(ctx, nil)
	if err != nil {
		return err
	}
	for _, m := range got.Messages {
		fmt.Println(*m.MessageText)
		if _, err := client.DeleteMessage(ctx, *m.MessageID, *m.PopReceipt, nil); err != nil {
			return err
		}
	}
	return nil
}

// TestAzData runs the real az on registries, vaults and storage accounts, beside programs that use their data.
func TestAzData(t *testing.T) {
	c := newAz(t)
	c.group(t, "rg")
	t.Run("images", c.testImages)
	t.Run("a registry's own users", c.testRegistryUsers)
	t.Run("a vault", c.testVault)
	t.Run("a storage account", c.testStorage)
}

// as runs a program as an identity.
func (c *azCloud) runs(t *testing.T, as, program, arg string) (string, error) {
	t.Helper()
	r := c.program(t, as, program, arg)
	if r.code != 0 {
		return "", fmt.Errorf("%s", r.stderr)
	}
	return strings.TrimSpace(r.stdout), nil
}

func (c *azCloud) testImages(t *testing.T) {
	c.ok(t, "acr", "create", "--resource-group", "rg", "--name", "freightacr", "--sku", "Standard")
	token := func() string {
		return c.ok(t, "acr", "login", "--name", "freightacr", "--expose-token", "--query", "accessToken", "--output", "tsv")
	}
	c.env = append(c.env, passwordVar+"="+token())
	digest, err := c.runs(t, "", "push", "freightacr.azurecr.io/team/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.runs(t, "", "pull", "freightacr.azurecr.io/team/app:v1"); got != digest {
		t.Errorf("pulled %s, pushed %s, %v", got, digest, err)
	}
	var names []string
	c.json(t, &names, "acr", "repository", "list", "--name", "freightacr")
	var tags []string
	c.json(t, &tags, "acr", "repository", "show-tags", "--name", "freightacr", "--repository", "team/app")
	if fmt.Sprint(names, tags) != "[team/app] [v1]" {
		t.Errorf("the repositories are %v, the tags %v", names, tags)
	}
	var manifests []struct{ Digest string }
	c.json(t, &manifests, "acr", "manifest", "list-metadata", "--registry", "freightacr", "--name", "team/app")
	if len(manifests) != 1 || manifests[0].Digest != digest {
		t.Errorf("the manifests are %+v", manifests)
	}
	var usage struct {
		Value []struct {
			Name         string
			CurrentValue int64
		}
	}
	c.json(t, &usage, "acr", "show-usage", "--name", "freightacr")
	if usage.Value[0].Name != "Size" || usage.Value[0].CurrentValue < 128<<10 {
		t.Errorf("the usage is %+v", usage)
	}
	c.ok(t, "acr", "repository", "update", "--name", "freightacr", "--image", "team/app:v1", "--delete-enabled", "false")
	if r := c.az(t, "", "acr", "repository", "delete", "--name", "freightacr", "--image", "team/app:v1", "--yes"); !strings.Contains(r.stderr, "The operation is disallowed on this registry, repository or image") {
		t.Errorf("a locked image is deleted: %+v", r)
	}
	c.ok(t, "acr", "repository", "update", "--name", "freightacr", "--image", "team/app:v1", "--delete-enabled", "true")
	c.ok(t, "acr", "repository", "delete", "--name", "freightacr", "--repository", "team/app", "--yes")
	if r := c.az(t, "", "acr", "repository", "show", "--name", "freightacr", "--repository", "team/app"); !strings.Contains(r.stderr, `repository "team/app" is not found`) {
		t.Errorf("after the delete: %+v", r)
	}
}

func (c *azCloud) testRegistryUsers(t *testing.T) {
	c.ok(t, "acr", "create", "--resource-group", "rg", "--name", "usersacr", "--sku", "Premium", "--admin-enabled", "true")
	var admin struct {
		Username  string
		Passwords []struct{ Value string }
	}
	c.json(t, &admin, "acr", "credential", "show", "--name", "usersacr")
	listed := c.ok(t, "acr", "repository", "list", "--name", "usersacr", "--username", admin.Username, "--password", admin.Passwords[1].Value, "--output", "json")
	if admin.Username != "usersacr" || listed != "[]" {
		t.Errorf("the admin user %s lists %s", admin.Username, listed)
	}
	var token struct {
		Credentials struct {
			Username  string
			Passwords []struct{ Value string }
		}
	}
	c.json(t, &token, "acr", "token", "create", "--name", "ci-token", "--registry", "usersacr", "--repository", "team/app", "content/read", "metadata/read")
	if len(token.Credentials.Passwords) != 2 || token.Credentials.Username != "ci-token" {
		t.Errorf("the token is %+v", token)
	}
	c.ok(t, "acr", "update", "--name", "usersacr", "--default-action", "Deny")
	if r := c.az(t, "", "acr", "repository", "list", "--name", "usersacr"); !strings.Contains(r.stderr, "Looks like you don't have access to registry 'usersacr.azurecr.io'") {
		t.Errorf("behind a firewall: %+v", r)
	}
}

func (c *azCloud) testVault(t *testing.T) {
	c.ok(t, "keyvault", "create", "--resource-group", "rg", "--name", "freight-kv", "--enable-rbac-authorization", "true")
	id := c.ok(t, "keyvault", "show", "--name", "freight-kv", "--query", "id", "--output", "tsv")
	const url = "https://freight-kv.vault.azure.net/secrets/db?api-version=7.4"
	set := []string{"rest", "--method", "put", "--resource", "https://vault.azure.net", "--url", url, "--body", `{"value":"hunter2"}`}
	if r := c.az(t, "", set...); !strings.Contains(r.stderr, "ForbiddenByRbac") || !strings.Contains(r.stderr, "Microsoft.KeyVault/vaults/secrets/setSecret/action") {
		t.Errorf("an Owner sets a secret: %+v", r)
	}
	self := c.ok(t, "ad", "sp", "show", "--id", c.ok(t, "account", "show", "--query", "user.name", "--output", "tsv"), "--query", "id", "--output", "tsv")
	c.ok(t, "role", "assignment", "create", "--assignee-object-id", self, "--assignee-principal-type", "ServicePrincipal", "--role", "Key Vault Secrets Officer", "--scope", id)
	c.ok(t, set...)
	pod := c.identity(t, "rg", "pod-kv")
	if _, err := c.runs(t, "mi:"+pod.ID, "read-secret", "freight-kv"); err == nil || !strings.Contains(err.Error(), "ForbiddenByRbac") {
		t.Errorf("without a role: %v", err)
	}
	c.ok(t, "role", "assignment", "create", "--assignee-object-id", pod.PrincipalID, "--assignee-principal-type", "ServicePrincipal", "--role", "Key Vault Secrets User", "--scope", id)
	if got, err := c.runs(t, "mi:"+pod.ID, "read-secret", "freight-kv"); got != "hunter2" {
		t.Errorf("the secret is %q, %v", got, err)
	}
	c.ok(t, "keyvault", "delete", "--name", "freight-kv")
	if r := c.az(t, "", "keyvault", "create", "--resource-group", "rg", "--name", "freight-kv"); !strings.Contains(r.stderr, "(ConflictError) A vault with the same name already exists in deleted state") {
		t.Errorf("over a deleted vault: %+v", r)
	}
	c.ok(t, "keyvault", "recover", "--name", "freight-kv")
	if got, err := c.runs(t, "mi:"+pod.ID, "read-secret", "freight-kv"); err == nil {
		t.Errorf("role assignments outlive their vault: %q", got)
	}
	c.ok(t, "keyvault", "delete", "--name", "freight-kv")
	c.ok(t, "keyvault", "purge", "--name", "freight-kv")
	if got := c.ok(t, "keyvault", "list-deleted", "--query", "length(@)", "--output", "tsv"); got != "0" {
		t.Errorf("%s vaults are deleted", got)
	}
}

func (c *azCloud) testStorage(t *testing.T) {
	c.ok(t, "storage", "account", "create", "--resource-group", "rg", "--name", "freightstore", "--sku", "Standard_LRS")
	id := c.ok(t, "storage", "account", "show", "--name", "freightstore", "--query", "id", "--output", "tsv")
	if r := c.az(t, "", "storage", "account", "create", "--resource-group", "rg", "--name", "Freight-Store"); !strings.Contains(r.stderr, "Freight-Store is not a valid storage account name") {
		t.Errorf("a wrong name: %+v", r)
	}
	c.ok(t, "storage", "container-rm", "create", "--storage-account", "freightstore", "--name", "images")
	c.ok(t, "storage", "share-rm", "create", "--storage-account", "freightstore", "--name", "files")
	login := []string{"--account-name", "freightstore", "--auth-mode", "login"}
	c.ok(t, append([]string{"storage", "queue", "create", "--name", "orders"}, login...)...)
	put := append([]string{"storage", "message", "put", "--queue-name", "orders", "--content", "order 1"}, login...)
	if r := c.az(t, "", put...); !strings.Contains(r.stderr, "You do not have the required permissions") {
		t.Errorf("an Owner sends a message: %+v", r)
	}
	var keys []struct{ KeyName, Value string }
	c.json(t, &keys, "storage", "account", "keys", "list", "--account-name", "freightstore")
	c.ok(t, "storage", "message", "put", "--queue-name", "orders", "--content", "order 1", "--account-name", "freightstore", "--account-key", keys[0].Value)
	pod := c.identity(t, "rg", "pod-queue")
	if _, err := c.runs(t, "mi:"+pod.ID, "work-off", "freightstore"); err == nil || !strings.Contains(err.Error(), "AuthorizationPermissionMismatch") {
		t.Errorf("without a role: %v", err)
	}
	c.ok(t, "role", "assignment", "create", "--assignee-object-id", pod.PrincipalID, "--assignee-principal-type", "ServicePrincipal", "--role", "Storage Queue Data Message Processor", "--scope", id)
	if got, err := c.runs(t, "mi:"+pod.ID, "work-off", "freightstore"); got != "order 1" {
		t.Errorf("the message is %q, %v", got, err)
	}
	c.ok(t, "storage", "account", "update", "--name", "freightstore", "--default-action", "Deny")
	if _, err := c.runs(t, "mi:"+pod.ID, "work-off", "freightstore"); err == nil || !strings.Contains(err.Error(), "AuthorizationFailure") {
		t.Errorf("behind a firewall: %v", err)
	}
	var queues []struct{ Name string }
	out := c.ok(t, "rest", "--url", id+"/queueServices/default/queues?api-version=2022-09-01", "--query", "value")
	if err := json.Unmarshal([]byte(out), &queues); err != nil || len(queues) != 1 || queues[0].Name != "orders" {
		t.Errorf("the queues are %s, %v", out, err)
	}
	c.ok(t, "storage", "account", "delete", "--name", "freightstore", "--yes")
}
