package cloud_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"
)

// planes are a call to each data plane that needs a role, with the audience of its token.
var planes = []struct{ audience, method, url string }{
	{vaultAudience, "GET", "https://freight-kv.vault.azure.net/secrets?api-version=7.4"},
	{storageAudience, "GET", "https://freightstore.queue.core.windows.net/?comp=list"},
}

// freight makes a registry, a vault and a storage account with a queue.
func (w *world) freight() (group string) {
	w.Helper()
	group = w.group(w.platform, "rg")
	w.acr(group, "freightacr", nil)
	w.vault(group, "freight-kv", nil)
	store := w.account(group, "freightstore", nil)
	w.operator.put(store+"/queueServices/default/queues/orders", obj{}).ok(200)
	return group
}

// TestCallers: on every data plane a token counts while it is in time and its principal is there and enabled.
func TestCallers(t *testing.T) {
	w := newWorld(t)
	rg := w.freight()
	member := func(name string) (*user, *credential) {
		u := w.application(name)
		for _, role := range []string{"AcrPull", "Key Vault Secrets User", "Storage Queue Data Reader"} {
			w.give(u.id, role, rg)
		}
		c := w.as(u)
		for _, p := range planes {
			c.ask(p.audience, p.method, p.url, "").ok(200)
		}
		c.access("freightacr", "repository:app:pull").ok(200)
		return u, c
	}
	refused := func(name string, c *credential) {
		t.Helper()
		for _, p := range planes {
			if got := c.ask(p.audience, p.method, p.url, ""); got.status != 401 || got.header.Get("Www-Authenticate") == "" {
				t.Errorf("%s: %s answers %d %s", name, p.url, got.status, got.raw)
			}
		}
		if got := c.refresh("freightacr"); got.status != 401 {
			t.Errorf("%s: the registry answers %d %s", name, got.status, got.raw)
		}
	}
	disabled, c := member("disabled")
	held := c.refresh("freightacr").str("refresh_token")
	w.operator.do("PATCH", "/v1.0/servicePrincipals/"+disabled.id, obj{"accountEnabled": false}).ok(204)
	refused("disabled", c)
	w.form("freightacr.azurecr.io", "/oauth2/token", map[string][]string{"refresh_token": {held}, "scope": {"repository:app:pull"}}).ok(401)
	deleted, c := member("deleted")
	w.operator.do("DELETE", "/v1.0/servicePrincipals/"+deleted.id, nil).ok(204)
	refused("deleted", c)
	_, c = member("late")
	w.clock.Add(2 * time.Hour)
	refused("late", c)
}

// TestPod does what a workload in a pod does with a managed identity: it reads a secret and works off a queue.
func TestPod(t *testing.T) {
	w := newWorld(t)
	rg := w.freight()
	officer := w.application("officer")
	w.give(officer.id, "Key Vault Secrets Officer", rg)
	w.give(officer.id, "Storage Queue Data Message Sender", rg)
	_, err := w.as(officer).secrets(t, "freight-kv").SetSecret(t.Context(), "db", azsecrets.SetSecretParameters{Value: to.Ptr("hunter2")}, nil)
	wantCode(t, "ok", err)
	_, err = w.as(officer).queue(t, "freightstore", "orders").EnqueueMessage(t.Context(), "order 1", nil)
	wantCode(t, "ok", err)

	identity, principal, _ := w.identity(rg, "workload")
	pod := w.onMachine(identity)
	secrets, orders := pod.secrets(t, "freight-kv"), pod.queue(t, "freightstore", "orders")
	_, err = secrets.GetSecret(t.Context(), "db", "", nil)
	wantCode(t, "403 Forbidden ForbiddenByRbac", err)
	_, err = orders.DequeueMessage(t.Context(), nil)
	wantCode(t, "403 AuthorizationPermissionMismatch", err)
	w.give(principal, "Key Vault Secrets User", rg)
	w.give(principal, "Storage Queue Data Message Processor", rg)
	got, err := secrets.GetSecret(t.Context(), "db", "", nil)
	wantCode(t, "ok", err)
	messages, err := orders.DequeueMessage(t.Context(), nil)
	wantCode(t, "ok", err)
	if *got.Value != "hunter2" || *messages.Messages[0].MessageText != "order 1" {
		t.Errorf("the pod got %q and %q", *got.Value, *messages.Messages[0].MessageText)
	}
}

// TestAccessPolicies: in a vault that is not in RBAC mode the policies of the caller and of its groups count, and roles do not.
func TestAccessPolicies(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg")
	own, member, owner := w.application("own"), w.application("member"), w.application("owner")
	w.give(owner.id, "Owner", rg)
	w.give(owner.id, "Key Vault Secrets Officer", rg)
	team := w.operator.do("POST", "/v1.0/groups", obj{"displayName": "team", "mailNickname": "team", "mailEnabled": false, "securityEnabled": true}).ok(201).str("id")
	w.operator.do("POST", "/v1.0/groups/"+team+"/members/$ref", obj{"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/" + member.id}).ok(204)
	id := w.vault(rg, "freight-kv", obj{"enableRbacAuthorization": false, "accessPolicies": []obj{
		{"tenantId": w.tenant, "objectId": own.id, "permissions": obj{"Secrets": []string{"SET", "get"}, "keys": []string{"list"}}},
		{"tenantId": w.tenant, "objectId": team, "permissions": obj{"secrets": []string{"all"}}},
	}})
	ask := func(u *user, method, path, body string) int {
		t.Helper()
		return w.as(u).ask(vaultAudience, method, "https://freight-kv.vault.azure.net"+path+"?api-version=7.4", body).status
	}
	for _, c := range []struct {
		who          *user
		method, path string
		want         int
	}{
		{own, "PUT", "/secrets/db", 200}, {own, "GET", "/secrets/db", 200}, {own, "GET", "/secrets", 403}, {own, "GET", "/keys", 200},
		{own, "DELETE", "/secrets/db", 403}, {member, "DELETE", "/secrets/db", 200}, {member, "GET", "/deletedsecrets", 200},
		{member, "GET", "/keys", 403}, {owner, "GET", "/secrets", 403},
	} {
		if got := ask(c.who, c.method, c.path, `{"value":"v"}`); got != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, got, c.want)
		}
	}
	change := func(kind, object string, secrets ...string) reply {
		t.Helper()
		return w.operator.put(id+"/accessPolicies/"+kind, obj{"properties": obj{"accessPolicies": []obj{{"tenantId": w.tenant, "objectId": object, "permissions": obj{"secrets": secrets}}}}})
	}
	if got := change("add", own.id, "list", "Get").ok(201); fmt.Sprint(w.operator.get(id).at("properties.accessPolicies.0.permissions.secrets")) != "[SET get list]" {
		t.Errorf("the policies are %s", got.raw)
	}
	if got := ask(own, "GET", "/secrets", ""); got != 200 {
		t.Errorf("after a permission was added: %d", got)
	}
	change("replace", owner.id, "list").ok(201)
	if a, b := ask(own, "GET", "/secrets", ""), ask(owner, "GET", "/secrets", ""); a != 403 || b != 200 {
		t.Errorf("after the policies were replaced: %d and %d", a, b)
	}
	change("remove", owner.id).ok(201)
	if got := w.operator.get(id).ok(200).at("properties.accessPolicies").([]any); len(got) != 0 {
		t.Errorf("the policies are %v", got)
	}
	change("other", owner.id).refused(400, "InvalidRequestContent")
	w.operator.get(id+"/accessPolicies/add").refused(404, "ResourceNotFound")
}

// TestConsumers: many workers share a queue, and each message is worked off once.
func TestConsumers(t *testing.T) {
	w := newWorld(t)
	rg := w.freight()
	u := w.application("u")
	w.give(u.id, "Storage Queue Data Contributor", rg)
	c := w.as(u)
	const n = 200
	const url = "https://freightstore.queue.core.windows.net/orders/messages"
	for i := range n {
		c.ask(storageAudience, "POST", url, fmt.Sprintf("<QueueMessage><MessageText>m%d</MessageText></QueueMessage>", i)).ok(201)
	}
	form := regexp.MustCompile(`<MessageId>(.*?)</MessageId>.*?<PopReceipt>(.*?)</PopReceipt>.*?<MessageText>(.*?)</MessageText>`)
	var mu sync.Mutex
	done := map[string]int{}
	var workers sync.WaitGroup
	for range 6 {
		workers.Go(func() {
			for {
				found := form.FindAllStringSubmatch(c.ask(storageAudience, "GET", url+"?numofmessages=7&visibilitytimeout=600", "").raw, -1)
				if len(found) == 0 {
					return
				}
				for _, m := range found {
					if got := c.ask(storageAudience, "DELETE", url+"/"+m[1]+"?popreceipt="+strings.ReplaceAll(m[2], "+", "%2B"), ""); got.status != 204 {
						t.Errorf("a message cannot be deleted: %d %s", got.status, got.raw)
					}
					mu.Lock()
					done[m[3]]++
					mu.Unlock()
				}
			}
		})
	}
	workers.Wait()
	if len(done) != n {
		t.Errorf("%d messages were worked off, want %d", len(done), n)
	}
	for text, times := range done {
		if times != 1 {
			t.Errorf("%s was worked off %d times", text, times)
		}
	}
	service, err := azqueue.NewQueueClient("https://freightstore.queue.core.windows.net/orders", c, &azqueue.ClientOptions{ClientOptions: w.sdk()})
	if err != nil {
		t.Fatal(err)
	}
	props, err := service.GetProperties(t.Context(), nil)
	wantCode(t, "ok", err)
	if *props.ApproximateMessagesCount != 0 {
		t.Errorf("%d messages are left", *props.ApproximateMessagesCount)
	}
}

// endless is a body of n bytes that is never whole in memory.
type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.left)
	for i := range p[:n] {
		p[i] = byte((e.left - i) >> 7)
	}
	e.left -= n
	return n, nil
}

// TestLargeLayer: a layer passes through without being held in memory.
func TestLargeLayer(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg")
	id := w.acr(rg, "freightacr", obj{"adminUserEnabled": true})
	password := w.operator.do("POST", id+"/listCredentials", nil).ok(200).str("passwords.0.value")
	client := &http.Client{Transport: w.transport()}
	call := func(method, path string, body io.Reader, want int) *http.Response {
		t.Helper()
		r, err := http.NewRequest(method, "https://freightacr.azurecr.io"+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("freightacr", password)
		got, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if got.StatusCode != want {
			b, _ := io.ReadAll(got.Body)
			t.Fatalf("%s %s: %d %s", method, path, got.StatusCode, b)
		}
		return got
	}
	const size = 96 << 20
	hash := sha256.New()
	if _, err := io.Copy(hash, &endless{size}); err != nil {
		t.Fatal(err)
	}
	digest := fmt.Sprintf("sha256:%x", hash.Sum(nil))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	at := call("POST", "/v2/app/blobs/uploads/", nil, 202).Header.Get("Location")
	call("PATCH", at, &endless{size}, 202)
	call("PUT", at+"?digest="+digest, nil, 201)
	got := call("GET", "/v2/app/blobs/"+digest, nil, 200)
	back := sha256.New()
	if n, err := io.Copy(back, got.Body); err != nil || n != size || !bytes.Equal(back.Sum(nil), hash.Sum(nil)) {
		t.Errorf("%d bytes came back, %v", n, err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > size*3/4 { // less than the layer, whatever else runs
		t.Errorf("%d MiB were allocated for a layer of %d MiB", used>>20, size>>20)
	}
}
