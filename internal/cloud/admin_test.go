package cloud_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aksid/internal/cloud"
)

// admin calls the admin API with the data folder's key.
func (w *world) admin(method, path string, body any) reply {
	w.Helper()
	key, err := os.ReadFile(filepath.Join(w.dir, "admin.key"))
	if err != nil {
		w.Fatal(err)
	}
	b, _ := json.Marshal(body)
	r := httptest.NewRequest(method, "https://"+host+"/_aksid/v1/"+path, bytes.NewReader(b))
	r.Header.Set("Aksid-Key", strings.TrimSpace(string(key)))
	return w.serve(r)
}

func TestAdminKey(t *testing.T) {
	w := newWorld(t)
	r := httptest.NewRequest("GET", "https://"+host+"/_aksid/v1/clock", nil)
	w.serve(r).ok(401)
	r.Header.Set("Aksid-Key", "guess")
	w.serve(r).ok(401)
	r.Header.Set("Authorization", "Bearer "+w.operator.token)
	w.serve(r).ok(401)
	if info, err := os.Stat(filepath.Join(w.dir, "admin.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the admin key's mode is %v", info.Mode())
	}
}

// TestClock moves the clock: a token expires, and the offset is there after a restart.
func TestClock(t *testing.T) {
	w := newWorld(t)
	w.operator.get("/subscriptions").ok(200)
	w.admin("POST", "clock", obj{"by": "-1h"}).ok(400)
	w.admin("POST", "clock", obj{"by": "soon"}).ok(400)
	w.admin("POST", "clock", obj{"by": "26h"}).ok(200)
	w.operator.get("/subscriptions").refused(401, "ExpiredAuthenticationToken")
	if err := w.cloud.Close(); err != nil {
		t.Fatal(err)
	}
	w.start()
	if got := w.admin("GET", "clock", nil).ok(200).str("offset"); got != "26h0m0s" {
		t.Errorf("after a restart the clock is ahead by %s", got)
	}
	w.operator.get("/subscriptions").ok(200)
}

// TestFaults fails just the calls that it was told to fail, and writes nothing then.
func TestFaults(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg1")
	rt := rg + "/providers/Microsoft.Network/routeTables/r"
	w.admin("POST", "faults", obj{"status": 503}).ok(400)
	w.admin("POST", "faults", obj{"action": "*/write", "status": 200}).ok(400)
	w.admin("POST", "faults", obj{"action": "Microsoft.Network/*/write", "status": 503, "times": 2, "retryAfter": 3 * time.Second}).ok(200)
	for range 2 {
		r := w.operator.put(rt, obj{"location": "westeurope"})
		r.refused(503, "ServiceUnavailable")
		if r.header.Get("Retry-After") != "3" {
			t.Errorf("Retry-After is %q", r.header.Get("Retry-After"))
		}
		w.operator.get(rt).refused(404, "ResourceNotFound")
	}
	w.operator.put(rt, obj{"location": "westeurope"}).ok(201)
	w.admin("POST", "faults", obj{"action": "*/delete", "status": 409, "times": 5}).ok(200)
	w.admin("DELETE", "faults", nil).ok(200)
	one := w.admin("POST", "faults", obj{"action": "*/delete", "status": 409}).ok(200)
	other := w.admin("POST", "faults", obj{"action": "*/read", "status": 503}).ok(200)
	w.admin("DELETE", "faults/x", nil).ok(400)
	w.admin("DELETE", fmt.Sprint("faults/", one.body["id"]), nil).ok(200)
	w.operator.get(rt).refused(503, "ServiceUnavailable")
	w.admin("DELETE", fmt.Sprint("faults/", other.body["id"]), nil).ok(200) // it has happened
	w.operator.delete(rt).ok(202)
}

// TestThrottle counts calls in ARM's buckets and refuses when one is empty.
func TestThrottle(t *testing.T) {
	w := newWorld(t, func(c *cloud.Config) { c.Behaviour.Throttle = true })
	var r reply
	for range 250 {
		r = w.operator.get(w.platform).ok(200)
	}
	if got := r.header.Get("x-ms-ratelimit-remaining-subscription-reads"); got != "0" {
		t.Errorf("%s reads are left", got)
	}
	r = w.operator.get(w.platform)
	r.refused(429, "SubscriptionRequestsThrottled", "Number of 'read' requests")
	if r.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", r.header.Get("Retry-After"))
	}
	w.operator.get(w.hub).ok(200)
	w.group(w.platform, "rg1")
	w.clock.Add(time.Second)
	w.operator.get(w.platform).ok(200)
}

// TestSlow lets a cluster's creation take its time, which the clock can shorten.
func TestSlow(t *testing.T) {
	w := newWorld(t, func(c *cloud.Config) { c.Behaviour.Slow = true })
	cluster := w.group(w.platform, "rg1") + "/providers/Microsoft.ContainerService/managedClusters/c1"
	first := w.operator.put(cluster, obj{"location": "westeurope", "identity": obj{"type": "SystemAssigned"}, "properties": obj{"agentPoolProfiles": []obj{pool(nil)}}}).ok(201)
	poll := strings.TrimPrefix(first.header.Get("Azure-AsyncOperation"), "https://"+host)
	w.operator.put(cluster, obj{"location": "westeurope", "identity": obj{"type": "SystemAssigned"}, "properties": obj{}}).refused(409, "OperationNotAllowed", "Another operation (Creating) is in progress")
	if r := w.operator.get(poll).ok(200); r.str("status") != "InProgress" || r.header.Get("Retry-After") == "" {
		t.Errorf("the operation is %s", r.raw)
	}
	for end := time.Now().Add(patience); time.Now().Before(end); {
		w.admin("POST", "clock", obj{"by": "30s"}).ok(200)
		if r := w.operator.get(poll).ok(200); r.str("status") == "Succeeded" {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Error("the operation does not end")
}

// TestLogOnly lets refusals pass and tells of them.
func TestLogOnly(t *testing.T) {
	var said []cloud.Decided
	w := newWorld(t, func(c *cloud.Config) {
		c.LogOnly = true
		c.Decided = func(d cloud.Decided) { said = append(said, d) }
	})
	rg := w.group(w.platform, "rg1")
	u := w.application("u")
	said = nil
	u.get(rg).ok(200)
	if len(said) != 1 || said[0].Outcome != "NotGranted" || said[0].Scope.String() != rg || said[0].Principal.String() != u.id {
		t.Errorf("decided: %+v", said)
	}
	vault := w.vault(rg, "freightkv", obj{"enableRbacAuthorization": true})
	reader := w.as(u)
	reader.token("https://vault.azure.net")
	said = nil
	reader.ask("https://vault.azure.net", "GET", "https://freightkv.vault.azure.net/secrets?api-version=7.4", "").ok(200)
	if len(said) != 1 || !said[0].Data || said[0].Outcome != "NotGranted" || said[0].Action != "Microsoft.KeyVault/vaults/secrets/readMetadata/action" || said[0].Scope.String() != vault {
		t.Errorf("decided: %+v", said)
	}
	w.acr(rg, "freightacr", nil)
	said = nil
	w.as(u).access("freightacr", "repository:app:pull").ok(200)
	if len(said) == 0 || said[len(said)-1].Data || said[len(said)-1].Action != "Microsoft.ContainerRegistry/registries/pull/read" {
		t.Errorf("decided: %+v", said)
	}
}
