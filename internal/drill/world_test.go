package drill

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud"
	"aksid/internal/drill/act"
	"aksid/internal/estate"
	"aksid/internal/local"
)

// asProgram says that the test binary is to be a controllers' program, and which: the real one is a module of its own, with
// tests of its own.
const asProgram = "AKSID_TEST_PROGRAM"

func TestMain(m *testing.M) {
	switch how := os.Getenv(asProgram); {
	case strings.HasPrefix(how, "plane"):
		os.Exit(standInPlane(how))
	case how != "":
		os.Exit(standIn(how, os.Args[2]))
	}
	os.Exit(m.Run())
}

// standIn answers requests as how says. data is the folder of the local Azure.
func standIn(how, data string) int {
	out := json.NewEncoder(os.Stdout)
	switch how {
	case "other":
		fmt.Println("usage: something else")
		return 0
	case "old":
		_ = out.Encode(act.Hello{Version: act.Version - 1})
		return 0
	}
	_ = out.Encode(act.Hello{Version: act.Version, Kubernetes: "v1.29.15"})
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, act.MaxLine)
	for lines.Scan() {
		var r act.Request
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			return 2
		}
		a := act.Answer{ID: r.ID}
		if r.Do != nil {
			a.Done = play(how, data, *r.Do)
		}
		switch {
		case how == "crash" && r.Do != nil:
			fmt.Fprintln(os.Stderr, "panic: out of cheese")
			return 3
		case how == "closed" && r.Open != nil:
			a.Error = "it does not open"
		case how == "hangs" && r.Do != nil:
			time.Sleep(time.Hour)
		}
		_ = out.Encode(a)
	}
	return 0
}

// play is what comes of a step: everything works, or load balancers are refused; "leaks" leaves a public IP behind.
func play(how, data string, step act.Step) *act.Done {
	d := &act.Done{Result: "198.18.0.9", Calls: 2, Took: 3 * time.Millisecond, Events: []act.Event{{Type: "Normal", Reason: "EnsuredLoadBalancer", Object: "Service/" + step.Name, Source: "service-controller"}}}
	switch {
	case how == "persists" && !step.Persist:
		return &act.Done{Error: "it is not told to go on"}
	case how == "persists":
		d.Refused = meetFaults(data)
	case how == "refuses" && step.Kind == act.CreateService:
		r := refusedBy(azure.AuthorizationFailed, azure.Fields{"client": controlOID.String(), "oid": controlOID.String(), "action": "Microsoft.Network/loadBalancers/write", "scope": nodesID.String()})
		return &act.Done{Error: "Error syncing load balancer", Refused: []act.Refusal{r}}
	case how == "leaks" && step.Kind == act.CreateService:
		az, err := local.Find(context.Background(), data)
		if err == nil {
			o := &operator{Azure: az}
			_, err = o.put(context.Background(), azure.SubscriptionID(az.Subscriptions[0].ID).Join("resourceGroups", "MC_rg_aks1_westeurope").Resource(publicIPs, "left-behind"), doc{"location": region})
		}
		if err != nil {
			return &act.Done{Error: err.Error()}
		}
	}
	return d
}

// meetFaults makes calls until none fails on purpose any more.
func meetFaults(data string) (met []act.Refusal) {
	ctx := context.Background()
	az, err := local.Find(ctx, data)
	if err != nil {
		return nil
	}
	o := &operator{Azure: az}
	group := azure.SubscriptionID(az.Subscriptions[0].ID).Join("resourceGroups", "faulty")
	for {
		_, err := o.put(ctx, group, doc{"location": region})
		var e *azure.Error
		if !errors.As(err, &e) {
			return met
		}
		met = append(met, act.Refusal{Method: http.MethodPut, Path: group.String(), Status: e.Status})
	}
}

// program starts a stand-in.
func program(t *testing.T, how, data string) (*Program, error) {
	t.Helper()
	t.Setenv(asProgram, how)
	p, err := Start(t.Context(), os.Args[0], data)
	if err == nil {
		t.Cleanup(func() { p.Close() })
	}
	return p, err
}

// newAzure runs a local Azure for as long as a test runs.
func newAzure(t testing.TB) *local.Azure {
	t.Helper()
	az, stop, err := openAzure(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	return az
}

func openAzure(ctx context.Context, dir string) (*local.Azure, func() error, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	c, err := cloud.Open(ctx, cloud.Config{Dir: dir, Addr: l.Addr().String()})
	if err != nil {
		return nil, nil, err
	}
	server := &http.Server{Handler: c.Handler(), TLSConfig: c.TLS(), ErrorLog: log.New(io.Discard, "", 0)}
	go server.ServeTLS(l, "", "")
	stop := func() error { server.Close(); return c.Close() }
	info := c.Info()
	e := local.Endpoint{URL: "https://localhost:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port), Addr: l.Addr().String(), PID: os.Getpid(),
		Tenant: info.Tenant, ClientID: info.OperatorClientID, ObjectID: info.OperatorObjectID}
	for _, s := range info.Subscriptions {
		e.Subscriptions = append(e.Subscriptions, local.Subscription{ID: s.ID, Name: s.Name})
	}
	if err := local.Publish(dir, e); err != nil {
		return nil, nil, err
	}
	az, err := local.Find(ctx, dir)
	return az, stop, err
}

// world is a local Azure with one cluster, aks1 in rg.
type world struct {
	*operator
	cluster azure.ID
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{operator: &operator{Azure: newAzure(t)}}
	group := azure.SubscriptionID(w.Subscriptions[0].ID).Join("resourceGroups", "rg")
	w.cluster = group.Resource(estate.TypeCluster, "aks1")
	for _, r := range []struct {
		id   azure.ID
		body doc
	}{{group, doc{}}, {w.cluster, doc{"identity": doc{"type": "SystemAssigned"}, "properties": doc{"dnsPrefix": "a", "networkProfile": doc{"networkPlugin": "kubenet"},
		"agentPoolProfiles": []any{doc{"name": "system", "mode": "System", "count": 1, "vmSize": "Standard_DS2_v2"}}}}}} {
		r.body["location"] = region
		if _, err := w.put(t.Context(), r.id, r.body); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.awaitCluster(t.Context(), w.cluster); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) load(t *testing.T) *estate.Estate {
	t.Helper()
	e := w.loadAll(t)
	if len(e.Clusters) != 1 {
		t.Fatal(e)
	}
	return e
}

func (w *world) loadAll(t *testing.T) *estate.Estate {
	t.Helper()
	l, err := estate.LocalAzure(w.Azure)
	if err != nil {
		t.Fatal(err)
	}
	e, err := l.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (w *world) drill(t *testing.T, how string, only ...string) (Result, error) {
	t.Helper()
	t.Setenv(asProgram, how)
	return Drill{Azure: w.Azure, Program: os.Args[0], Only: only}.Run(t.Context(), w.load(t))
}
