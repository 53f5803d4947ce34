package cloud_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// soakVar is how long TestSoak goes on, as 10m. Without it every client makes soakCalls calls.
const (
	soakVar     = "AKSID_SOAK"
	soakClients = 64
	soakCalls   = 60
)

// TestSoak lets 64 clients write, read and remove things over TLS while calls fail on purpose. Nothing may answer with an
// error of our own, what was acknowledged is there after a restart, and memory does not grow with the number of calls.
func TestSoak(t *testing.T) {
	s := newSoak(t)
	var all sync.WaitGroup
	for i := range soakClients {
		c := s.client(i)
		all.Go(func() { c.run() })
	}
	watched := make(chan struct{})
	go s.watch(watched)
	all.Wait()
	s.over.Store(true)
	<-watched
	t.Logf("%d calls, of which %d failed on purpose and %d conflicted", s.calls.Load(), s.planned.Load(), s.conflicts.Load())
	if s.planned.Load() == 0 {
		t.Error("no call failed on purpose")
	}
	s.checkMemory()
	s.w.restart()
	for _, c := range s.clients {
		c.check()
	}
}

// soak is the world of the clients, and what is counted over all of them.
type soak struct {
	t       *testing.T
	w       *world
	http    *http.Client
	until   time.Time // zero: count calls
	clients []*soakClient
	heaps   []uint64 // in use after a collection, over time

	calls, planned, conflicts atomic.Int64
	over                      atomic.Bool
}

func newSoak(t *testing.T) *soak {
	w := newWorld(t)
	w.recorded.off = true
	w.clock.Run()
	s := &soak{t: t, w: w}
	if d, err := time.ParseDuration(os.Getenv(soakVar)); err == nil {
		s.until = time.Now().Add(d)
	}
	transport := w.transport()
	transport.MaxIdleConnsPerHost = soakClients
	s.http = &http.Client{Transport: transport}
	return s
}

// watch plans faults, and looks at the memory now and then.
func (s *soak) watch(done chan<- struct{}) {
	defer close(done)
	for n := 0; !s.over.Load(); n++ {
		for _, action := range []string{"Microsoft.Network/routeTables/write", "Microsoft.Authorization/*", "*/delete", "*/read"} {
			body, _ := json.Marshal(obj{"action": action, "status": []int{503, 429, 500}[n%3], "times": 3})
			s.send("POST", "/_aksid/v1/faults", string(body), s.adminKey())
		}
		if n%100 == 50 {
			s.heaps = append(s.heaps, heap())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (s *soak) adminKey() [2]string {
	key, err := os.ReadFile(s.w.dir + "/admin.key")
	if err != nil {
		s.t.Error(err)
	}
	return [2]string{"Aksid-Key", strings.TrimSpace(string(key))}
}

// heap is how much is in use after a collection, in bytes.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// checkMemory compares the second quarter of a long run with the last one.
func (s *soak) checkMemory() {
	n := len(s.heaps)
	if n < 8 {
		return
	}
	early, late := mean(s.heaps[n/4:n/2]), mean(s.heaps[3*n/4:])
	s.t.Logf("heap in the second quarter %d KB, in the last %d KB", early>>10, late>>10)
	if late > early+early/4+4<<20 {
		s.t.Errorf("memory grew from %d to %d bytes", early, late)
	}
}

func mean(all []uint64) (sum uint64) {
	for _, v := range all {
		sum += v
	}
	return sum / uint64(len(all))
}

// send makes a call and reads its answer.
func (s *soak) send(method, path, body string, header [2]string) reply {
	r, err := http.NewRequest(method, "https://"+host+path, strings.NewReader(body))
	if err != nil {
		s.t.Error(err)
		return reply{w: s.w}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(header[0], header[1])
	answer, err := s.http.Do(r)
	if err != nil {
		s.t.Error(err)
		return reply{w: s.w}
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Error(err)
	}
	out := reply{w: s.w, status: answer.StatusCode, header: answer.Header, raw: string(raw)}
	_ = json.Unmarshal(bytes.TrimSpace(raw), &out.body)
	return out
}

// soakClient is one client with a resource group of its own, and what it was told is there.
type soakClient struct {
	*soak
	user    *user
	group   string
	random  *rand.Rand
	tags    map[string]string // acknowledged: a resource's tag; "" means that it is gone
	granted map[string]bool   // role assignments
}

func (s *soak) client(i int) *soakClient {
	group := s.w.group(s.w.platform, fmt.Sprint("rg-soak-", i))
	u := s.w.application(fmt.Sprint("soak-", i))
	s.w.grant(u.id, "Owner", group)
	c := &soakClient{soak: s, user: u, group: group, random: rand.New(rand.NewPCG(1, uint64(i))), tags: map[string]string{}, granted: map[string]bool{}}
	s.clients = append(s.clients, c)
	return c
}

func (c *soakClient) run() {
	for n := 0; !c.t.Failed(); n++ {
		if c.until.IsZero() && n == soakCalls || !c.until.IsZero() && time.Now().After(c.until) {
			return
		}
		c.step(n)
	}
}

// call makes a call as this client; a fault of our own fails the test.
func (c *soakClient) call(method, path, body string) reply {
	c.calls.Add(1)
	r := c.send(method, path+"?api-version=2023-09-01", body, [2]string{"Authorization", "Bearer " + c.user.token})
	switch {
	case strings.Contains(r.raw, "failed on purpose"):
		c.planned.Add(1)
		r.status = 0 // nothing was done
	case r.status == http.StatusConflict:
		c.conflicts.Add(1)
		r.status = 0
	case r.status >= 500:
		c.t.Errorf("%s %s answers %d %s", method, path, r.status, r.raw)
	}
	return r
}

// kinds are the types that clients write, with a body that takes a tag.
var kinds = []struct{ typ, body string }{
	{"Microsoft.Network/routeTables", `{"location":"westeurope","tags":{"n":"%s"}}`},
	{"Microsoft.ManagedIdentity/userAssignedIdentities", `{"location":"westeurope","tags":{"n":"%s"}}`},
	{"Microsoft.Network/networkSecurityGroups", `{"location":"westeurope","tags":{"n":"%s"},"properties":{"securityRules":[]}}`},
}

func (c *soakClient) step(n int) {
	kind := kinds[c.random.IntN(len(kinds))]
	id := fmt.Sprint(c.group, "/providers/", kind.typ, "/r", c.random.IntN(4))
	switch c.random.IntN(10) {
	case 0, 1, 2:
		tag := fmt.Sprint(n)
		if r := c.call("PUT", id, fmt.Sprintf(kind.body, tag)); r.status >= 200 && r.status <= 202 {
			c.tags[id] = tag
		} else if r.status != 0 {
			c.t.Errorf("PUT %s: %d %s", id, r.status, r.raw)
		}
	case 3:
		if r := c.call("DELETE", id, ""); r.status >= 200 && r.status < 300 {
			c.tags[id] = ""
		} else if r.status != 0 {
			c.t.Errorf("DELETE %s: %d %s", id, r.status, r.raw)
		}
	case 4:
		c.assign(fmt.Sprintf("%08x-0000-4000-8000-%012d", len(c.group), c.random.IntN(4)))
	case 5:
		if r := c.call("GET", c.group+"/providers/"+kind.typ, ""); r.status != 0 && r.status != 200 {
			c.t.Errorf("list: %d %s", r.status, r.raw)
		}
	default:
		c.read(id)
	}
}

// assign gives the client's own principal a role, or takes it away.
func (c *soakClient) assign(name string) {
	id := c.group + "/providers/Microsoft.Authorization/roleAssignments/" + c.user.id[:8] + name[8:]
	if c.granted[id] {
		if r := c.call("DELETE", id, ""); r.status == 200 {
			c.granted[id] = false
		}
		return
	}
	role := []string{"Reader", "Contributor", "AcrPull", "Network Contributor"}[name[len(name)-1]-'0']
	body := fmt.Sprintf(`{"properties":{"principalId":%q,"roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/%s"}}`, c.user.id, roles[role])
	if r := c.call("PUT", id, body); r.status == 201 {
		c.granted[id] = true
	} else if r.status != 0 {
		c.t.Errorf("PUT %s: %d %s", id, r.status, r.raw)
	}
}

// read compares a resource with what was acknowledged.
func (c *soakClient) read(id string) {
	r := c.call("GET", id, "")
	if r.status != 0 {
		c.same(id, r)
	}
}

func (c *soakClient) same(id string, r reply) {
	tag, want := c.tags[id], http.StatusOK
	if tag == "" {
		want = http.StatusNotFound
	}
	if r.status != want || tag != "" && r.str("tags.n") != tag {
		c.t.Errorf("%s is %d with tag %q, acknowledged was %q: %s", id, r.status, r.str("tags.n"), tag, r.raw)
	}
}

// check looks at everything after the restart.
func (c *soakClient) check() {
	for id := range c.tags {
		c.same(id, c.user.do("GET", id, nil))
	}
	for id, granted := range c.granted {
		if r := c.user.do("GET", id, nil); (r.status == 200) != granted {
			c.t.Errorf("%s is %d, acknowledged was %v", id, r.status, granted)
		}
	}
}
