package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/local"
)

// place is a running local Azure with a cluster that has nodes, as its operator.
type place struct {
	*local.Azure
	token string
	group azure.ID // of the nodes
}

type object = map[string]any

func newPlace(t *testing.T) *place {
	t.Helper()
	dir := t.TempDir()
	up := exec.Command(filepath.Join(bin, "aksid"), "up", "--data", dir, "--addr", "127.0.0.1:0")
	if err := up.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = up.Process.Signal(os.Interrupt)
		_ = up.Wait()
	})
	p := &place{}
	for p.Azure == nil {
		if az, err := local.Find(t.Context(), dir); err == nil {
			p.Azure = az
		}
		time.Sleep(20 * time.Millisecond)
	}
	var err error
	if p.token, err = p.Token(t.Context(), p.Operator); err != nil {
		t.Fatal(err)
	}
	sub := azure.SubscriptionID(p.Subscriptions[0].ID)
	p.group = sub.Join("resourceGroups", "MC_rg_aks_westeurope")
	rg := sub.Join("resourceGroups", "rg")
	p.put(t, rg, object{})
	cluster := local.PathOf(rg.Resource("Microsoft.ContainerService/managedClusters", "aks"))
	if err := p.CallToEnd(t.Context(), p.token, http.MethodPut, cluster, object{"location": "westeurope", "identity": object{"type": "SystemAssigned"},
		"properties": object{"dnsPrefix": "a", "networkProfile": object{"networkPlugin": "kubenet"}, "agentPoolProfiles": []any{object{"name": "np", "mode": "System", "count": 2, "vmSize": "Standard_DS2_v2"}}}}); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *place) put(t *testing.T, id azure.ID, body object) {
	t.Helper()
	body["location"] = "westeurope"
	if err := p.Call(t.Context(), p.token, http.MethodPut, local.PathOf(id), body, nil); err != nil {
		t.Fatal(err)
	}
}

// holds is everything in the resource group of the nodes, without what changes with each write.
func (p *place) holds(t *testing.T) map[string]any {
	t.Helper()
	out := map[string]any{}
	for _, typ := range []string{"Microsoft.Network/loadBalancers", "Microsoft.Network/publicIPAddresses", "Microsoft.Network/networkSecurityGroups", "Microsoft.Network/routeTables",
		"Microsoft.Compute/disks", "Microsoft.Compute/virtualMachineScaleSets", "Microsoft.Authorization/roleAssignments"} {
		for _, d := range p.list(t, p.group.Resource(typ)) {
			out[d["id"].(string)] = steady(d)
			if strings.HasSuffix(typ, "ScaleSets") {
				for _, m := range p.list(t, azure.MustID(d["id"].(string)).Join("virtualMachines")) {
					out[m["id"].(string)] = steady(m)
				}
			}
		}
	}
	return out
}

func (p *place) list(t *testing.T, collection azure.ID) []object {
	t.Helper()
	all, err := p.read(t.Context(), collection)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (p *place) read(ctx context.Context, collection azure.ID) ([]object, error) {
	var page struct{ Value []object }
	err := p.Call(ctx, p.token, http.MethodGet, local.PathOf(collection), nil, &page)
	return page.Value, err
}

func steady(v any) any {
	switch v := v.(type) {
	case object:
		out := object{}
		for k, x := range v {
			if !slices.Contains([]string{"etag", "lastOwnershipUpdateTime", "LastOwnershipUpdateTime", "networkInterfaces", "backendIPConfigurations"}, k) {
				out[k] = steady(x)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = steady(x)
		}
		return out
	}
	return v
}

// killed begins a drill and kills it as soon as something is so, which is for a moment: a drill that was not caught in it has put
// everything back, and the next one is tried.
func (p *place) killed(t *testing.T, so func() bool, args ...string) {
	t.Helper()
	for range 30 {
		if p.caught(t, so, args) {
			return
		}
	}
	t.Fatalf("drills %v end by themselves before they can be killed", args)
}

func (p *place) caught(t *testing.T, so func() bool, args []string) bool {
	t.Helper()
	drill := exec.Command(filepath.Join(bin, "aksid"), append([]string{"drill", "--data", p.Dir}, args...)...)
	var said bytes.Buffer
	drill.Stdout, drill.Stderr = &said, &said
	if err := drill.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- drill.Wait() }()
	for !so() {
		select {
		case <-ended:
			if drill.ProcessState.ExitCode() > 1 {
				t.Fatalf("the drill failed: %s", &said)
			}
			return false
		default:
		}
	}
	_ = drill.Process.Kill()
	<-ended
	return true
}

// What a drill leaves that is killed is found and removed by the next one, and by --cleanup, and nothing else is.
func TestKilled(t *testing.T) {
	p := newPlace(t)
	before := p.holds(t)
	here := func(typ, part string) func() bool {
		return func() bool { // which may fail on purpose
			all, err := p.read(t.Context(), p.group.Resource(typ))
			return err == nil && slices.ContainsFunc(all, func(d object) bool { return strings.Contains(string(textOf(d)), part) })
		}
	}
	role := "grant Reader to aks at " + p.group.String()
	for _, c := range []struct {
		only    string
		so      func() bool
		args    []string
		removed string // "": it may be killed too late for anything to be left
	}{
		{only: "external", so: here("Microsoft.Network/publicIPAddresses", `"name":"kubernetes-a`), args: []string{"--fault"}, removed: "removed public IP kubernetes-a"}, // where controllers wait
		{only: "internal", so: here("Microsoft.Network/loadBalancers", `"name":"kubernetes-internal"`)},
		{only: "disk", so: here("Microsoft.Compute/disks", `"drill-disk"`)},
		{only: "route", so: here("Microsoft.Network/routeTables", `____`)},
	} {
		p.killed(t, c.so, append([]string{"--only", c.only, "--as-if", role}, c.args...)...)
		out, code := p.aksid(t, "drill", "--data", p.Dir, "--cleanup")
		if code != 0 || !strings.Contains(out, "a drill that began at ") || !strings.Contains(out, "removed role assignment ") || !strings.Contains(out, c.removed) {
			t.Errorf("%s: exit code %d: %s", c.only, code, out)
		}
		if left, err := p.Faults(t.Context()); err != nil || len(left) > 0 {
			t.Errorf("faults are left: %v, %v", left, err)
		}
		if after := p.holds(t); !reflect.DeepEqual(after, before) {
			t.Errorf("%s: it is not as before:\n%s\nbefore:\n%s\nafter:\n%s", c.only, out, textOf(before), textOf(after))
		}
	}
	p.killed(t, here("Microsoft.Network/publicIPAddresses", `"name":"kubernetes-a`), "--only", "external")
	mine := p.group.Resource("Microsoft.Network/publicIPAddresses", "mine")
	p.put(t, mine, object{"sku": object{"name": "Standard"}, "properties": object{"publicIPAllocationMethod": "Static"}})
	out, code := p.aksid(t, "drill", "--data", p.Dir, "--only", "node")
	if code != 0 || !strings.Contains(out, "a drill that began at ") || !strings.Contains(out, "1 operation: 1 worked") {
		t.Errorf("exit code %d: %s", code, out)
	}
	after := p.holds(t)
	if _, stays := after[mine.String()]; !stays || len(after) != len(before)+1 {
		t.Errorf("%s: %s", out, textOf(after))
	}
	if out, code := p.aksid(t, "drill", "--data", p.Dir, "--cleanup"); code != 0 || !strings.HasSuffix(out, "No drill has left anything.\n") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// One drill at a time changes a local Azure.
func TestTwoAtOnce(t *testing.T) {
	p := newPlace(t)
	ctx, cancel := context.WithCancel(t.Context())
	first := exec.CommandContext(ctx, filepath.Join(bin, "aksid"), "drill", "--data", p.Dir, "--fault") // which takes some time
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = first.Wait() }()
	for {
		if _, err := os.Stat(filepath.Join(p.Dir, "drill.json")); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if out, code := p.aksid(t, "drill", "--data", p.Dir, "--only", "node"); code != 2 || !strings.Contains(out, "another drill is under way on this local Azure") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// aksid is what a command line prints, on both ways, and its exit code.
func (p *place) aksid(t *testing.T, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "aksid"), args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run()
	return out.String(), cmd.ProcessState.ExitCode()
}

func textOf(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
