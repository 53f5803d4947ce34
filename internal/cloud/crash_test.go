package cloud_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"aksid/internal/cloud"
)

// serveVar makes the test binary a local Azure on a data folder: the process that TestKill kills.
const serveVar = "AKSID_TEST_SERVE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveVar); dir != "" {
		if err := serveFolder(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func serveFolder(dir string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c, err := cloud.Open(context.Background(), cloud.Config{Dir: dir, Addr: l.Addr().String()})
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	s := &http.Server{Handler: c.Handler(), TLSConfig: c.TLS()}
	return s.ServeTLS(l, "", "")
}

// acknowledged are the ids whose write was answered with 2xx.
type acknowledged struct {
	sync.Mutex
	resources, clusters []string
}

func (a *acknowledged) add(list *[]string, id string) {
	a.Lock()
	defer a.Unlock()
	*list = append(*list, id)
}

func (a *acknowledged) count() int {
	a.Lock()
	defer a.Unlock()
	return len(a.resources) + len(a.clusters)
}

// TestKill kills the local Azure ten times under load. Every acknowledged write is there afterwards,
// and clusters that were half made are finished after the restart.
func TestKill(t *testing.T) {
	w := newWorld(t)
	rg := w.group(w.platform, "rg1")
	_, principal, _ := w.identity(rg, "id1")
	if err := w.cloud.Close(); err != nil {
		t.Fatal(err)
	}
	var acks acknowledged
	for round := range 10 {
		killRound(t, w, rg, principal, round, &acks)
	}
	if len(acks.resources) < 20 || len(acks.clusters) < 5 {
		t.Fatalf("too little was written for a test: %d resources, %d clusters", len(acks.resources), len(acks.clusters))
	}
	t.Logf("%d resources and %d clusters were acknowledged", len(acks.resources), len(acks.clusters))
	w.clock.Run() // as the processes had it
	w.start()
	for _, id := range acks.resources {
		w.operator.get(id).ok(200)
	}
	for _, id := range acks.clusters {
		w.finished(id)
	}
}

// finished waits for a cluster's creation to go on to its end, and checks what belongs to it.
func (w *world) finished(id string) {
	w.Helper()
	var c reply
	for end := time.Now().Add(patience); time.Now().Before(end); {
		c = w.operator.get(id).ok(200)
		if s := c.str("properties.provisioningState"); s != "Creating" {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if c.str("properties.provisioningState") != "Succeeded" || c.str("properties.identityProfile.kubeletidentity.objectId") == "" {
		w.Errorf("a half-made cluster ended as %s", c.raw)
	}
	nodes := w.platform + "/resourceGroups/" + c.str("properties.nodeResourceGroup")
	types := strings.Join(w.operator.get(nodes+"/resources").ok(200).list("type"), " ")
	for _, typ := range []string{"loadBalancers", "virtualMachineScaleSets", "userAssignedIdentities", "publicIPAddresses"} {
		if n := strings.Count(types, "/"+typ); n != 1 {
			w.Errorf("%d %s in %s", n, typ, nodes)
		}
	}
	grants := w.operator.get(w.platform + "/providers/Microsoft.Authorization/roleAssignments?$filter=principalId%20eq%20'" + c.str("identity.principalId") + "'").ok(200)
	if n := len(grants.list("id")); n != 1 {
		w.Errorf("%d role assignments of a new cluster's identity, want AKS's own", n)
	}
}

// killRound starts the process, writes from several clients and kills it in the middle.
func killRound(t *testing.T, w *world, rg, principal string, round int, acks *acknowledged) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveVar+"="+w.dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the local Azure did not start: %v %s", err, stderr.String())
	}
	c := &client{addr: strings.TrimSpace(addr), token: w.operator.token,
		http: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 8}}}
	var clients sync.WaitGroup
	for n := range 4 {
		clients.Go(func() { c.write(rg, principal, fmt.Sprintf("%d-%d", round, n), acks) })
	}
	enough := acks.count() + 10 + rand.IntN(40)
	for deadline := time.Now().Add(patience); acks.count() < enough && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	clients.Wait()
}

// client writes to a local Azure in another process until it is gone. Its certificate is not of interest here.
type client struct {
	addr, token string
	http        *http.Client
}

func (c *client) write(rg, principal, name string, acks *acknowledged) {
	for i := 0; ; i++ {
		route := fmt.Sprintf("%s/providers/Microsoft.Network/routeTables/r-%s-%d", rg, name, i)
		grant := fmt.Sprintf("%s/providers/Microsoft.Authorization/roleAssignments/%s", route, randomGUID())
		role := "/providers/Microsoft.Authorization/roleDefinitions/" + roles["Reader"]
		if !c.put(route, obj{"location": "westeurope"}, &acks.resources, acks) ||
			!c.put(grant, obj{"properties": obj{"principalId": principal, "roleDefinitionId": role}}, &acks.resources, acks) {
			return
		}
		if i%5 != 0 {
			continue
		}
		cluster := fmt.Sprintf("%s/providers/Microsoft.ContainerService/managedClusters/c-%s-%d", rg, name, i)
		if !c.put(cluster, obj{"location": "westeurope", "identity": obj{"type": "SystemAssigned"}, "properties": obj{"agentPoolProfiles": []obj{pool(nil)}}}, &acks.clusters, acks) {
			return
		}
	}
}

func randomGUID() string {
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", rand.Uint32(), rand.Uint64()>>16)
}

// put reports whether the write was acknowledged, and notes it.
func (c *client) put(id string, body obj, list *[]string, acks *acknowledged) bool {
	b, _ := json.Marshal(body)
	r, err := http.NewRequest("PUT", "https://"+c.addr+id+"?api-version=2023-10-01", bytes.NewReader(b))
	if err != nil {
		return false
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Host = host // the audience of the token
	answer, err := c.http.Do(r)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode > 299 {
		return false
	}
	acks.add(list, id)
	return true
}
