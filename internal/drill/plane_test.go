package drill

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"aksid/internal/drill/act"
	"aksid/internal/local"
)

// standInPlane is a control plane's program: it checks what it is asked for, asks Azure for a token and for the node
// resource group as the controllers do, says that it is ready, and writes what it is told later into a file beside its folder.
func standInPlane(how string) int {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, act.MaxLine)
	var p act.Plane
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &p) != nil {
		return 2
	}
	switch how {
	case "plane-crash":
		fmt.Fprintln(os.Stderr, "etcd: no room")
		return 1
	case "plane-old":
		_ = json.NewEncoder(os.Stdout).Encode(act.Ready{Version: act.Version + 1})
		return 0
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 1
	}
	defer l.Close()
	status, err := askAzure(p)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = json.NewEncoder(os.Stdout).Encode(act.Ready{Version: act.Version, Kubernetes: fmt.Sprintf("v1.29.15, %d nodes, %s", len(p.Cluster.Nodes), status), Addr: l.Addr().String()})
	if how == "plane-dies" {
		fmt.Fprintln(os.Stderr, "panic: out of cheese")
		return 3
	}
	for lines.Scan() {
		if os.WriteFile(p.Folder+".told", lines.Bytes(), 0o600) != nil {
			return 1
		}
	}
	return 0
}

// askAzure gets a token of the cluster's identity and looks at the node resource group with it.
func askAzure(p act.Plane) (string, error) {
	var token struct {
		Text string `json:"access_token"`
	}
	var endpoints struct{ Authentication struct{ Audiences []string } }
	get := func(at string, into any, headers ...string) (string, error) {
		r, err := http.NewRequest(http.MethodGet, at, nil)
		if err != nil {
			return "", err
		}
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		client := http.Client{Transport: &http.Transport{Proxy: func(r *http.Request) (*url.URL, error) {
			if r.URL.Hostname() == "169.254.169.254" {
				return url.Parse(p.Azure)
			}
			return nil, nil
		}}}
		resp, err := client.Do(r)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		return resp.Status, json.NewDecoder(resp.Body).Decode(into)
	}
	if _, err := get(p.Azure+"metadata/endpoints?api-version=1.0", &endpoints); err != nil {
		return "", err
	}
	if _, err := get("http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource="+endpoints.Authentication.Audiences[0], &token, "Metadata", "true"); err != nil {
		return "", err
	}
	group := fmt.Sprintf("%ssubscriptions/%s/resourceGroups/%s?api-version=2021-04-01", p.Azure, p.Cluster.Config["subscriptionId"], p.Cluster.Config["resourceGroup"])
	return get(group, &struct{}{}, "Authorization", "Bearer "+token.Text)
}

// plane runs a control plane with a stand-in, until stop is called or it ends by itself.
func (w *world) plane(t *testing.T, how string) (ready RunningPlane, stop func(), ended <-chan error) {
	t.Helper()
	t.Setenv(asProgram, how)
	ctx, cancel := context.WithCancel(t.Context())
	began, end := make(chan RunningPlane, 1), make(chan error, 1)
	go func() {
		err := Plane{Azure: w.Azure, Program: os.Args[0], Cluster: w.cluster}.Run(ctx, func(p RunningPlane) { began <- p })
		close(began)
		end <- err
	}()
	return <-began, cancel, end
}

// A control plane acts in Azure as the cluster's identity, is found by its API server's name, and is told of new machines.
func TestPlane(t *testing.T) {
	w := newWorld(t)
	p, stop, ended := w.plane(t, "plane")
	if p.Kubernetes != "v1.29.15, 1 nodes, 200 OK" || p.Identity != "aks1" || p.Nodes != 1 {
		t.Fatalf("%+v, %v", p, <-ended)
	}
	found, ok := w.Plane(p.Host)
	if !ok || !found.Cluster.Equal(w.cluster) || !found.Answers() || !strings.HasSuffix(p.Host, local.ServerSuffix) {
		t.Errorf("published: %+v", found)
	}
	if _, _, ended := w.plane(t, "plane"); !errors.Is(<-ended, ErrRuns) {
		t.Error("a second one runs beside it")
	}
	if told := w.scaleOut(t); len(told) != 2 || told[1].PodCIDR != "" {
		t.Errorf("told of %+v", told)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, ok := w.Plane(p.Host); ok {
		t.Error("it is still published")
	}
}

// scaleOut gives the cluster a second machine and returns what its control plane is told of then.
func (w *world) scaleOut(t *testing.T) (told []act.Node) {
	t.Helper()
	pool := w.cluster.Join("agentPools", "system")
	if _, err := w.put(t.Context(), pool, doc{"properties": doc{"count": 2, "mode": "System", "vmSize": "Standard_DS2_v2"}}); err != nil {
		t.Fatal(err)
	}
	keys, err := w.OpenAPIServer(t.Context(), w.cluster)
	if err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(time.Minute); len(told) != 2 && time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		if text, err := os.ReadFile(w.PlaneFolder(keys) + ".told"); err == nil {
			_ = json.Unmarshal(text, &told) // it may be half written
		}
	}
	return told
}

func TestPlaneFails(t *testing.T) {
	w := newWorld(t)
	for how, want := range map[string]string{"plane-crash": "etcd: no room", "plane-dies": "out of cheese", "plane-old": "of another version"} {
		if _, _, ended := w.plane(t, how); !strings.Contains(fmt.Sprint(<-ended), want) {
			t.Errorf("%s does not end with %q", how, want)
		}
	}
	w.cluster = w.cluster.Parent()
	if _, _, ended := w.plane(t, "plane"); !strings.Contains(fmt.Sprint(<-ended), "there is no cluster") {
		t.Error("a control plane of nothing")
	}
}
