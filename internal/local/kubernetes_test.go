package local

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const apiHost = "aks1-rg-1a2b3c.hcp.westeurope.azmk8s.io"

// A published control plane is found by its API server's name, until who published it withdraws it.
func TestPublishPlane(t *testing.T) {
	a := &Azure{Dir: t.TempDir()}
	p := ControlPlane{Host: apiHost, Addr: "127.0.0.1:1", PID: 7}
	if err := PublishPlane(a.Dir, p); err != nil {
		t.Fatal(err)
	}
	if got, ok := a.Plane(strings.ToUpper(apiHost)); !ok || got != p {
		t.Errorf("%+v, %v", got, ok)
	}
	if p.Answers() {
		t.Error("nothing listens, and it answers")
	}
	other := p
	other.PID = 8
	if err := WithdrawPlane(a.Dir, other); err != nil {
		t.Error(err)
	}
	if _, ok := a.Plane(apiHost); !ok {
		t.Error("withdrawn by another process")
	}
	if err := WithdrawPlane(a.Dir, p); err != nil {
		t.Error(err)
	}
	if _, ok := a.Plane(apiHost); ok {
		t.Error("still there")
	}
}

// What lies in the data folder is not believed: a name is no path, and an address is one of this machine.
func TestPlaneHostile(t *testing.T) {
	a := &Azure{Dir: t.TempDir()}
	for _, host := range []string{"", "..", "../../etc/passwd", "a/b", ".hidden", "a b", strings.Repeat("a", 300)} {
		if err := PublishPlane(a.Dir, ControlPlane{Host: host, Addr: "127.0.0.1:1"}); err == nil {
			t.Errorf("%q is a name", host)
		}
		if _, ok := a.Plane(host); ok {
			t.Errorf("%q is found", host)
		}
		if err := WithdrawPlane(a.Dir, ControlPlane{Host: host}); err == nil {
			t.Errorf("%q is withdrawn", host)
		}
	}
	path := filepath.Join(a.Dir, planesFolder, apiHost+".json")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`{"addr": "192.0.2.1:443"}`, `{"addr": "example.com:443"}`, `{"addr": ""}`, `{`, `[]`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if p, ok := a.Plane(apiHost); ok {
			t.Errorf("%s: %+v", text, p)
		}
	}
}

// The proxy leads to the API server that runs, and says how to start one where none does.
func TestProxyTunnelsToAPIServers(t *testing.T) {
	a := find(t, echo)
	a.Dir = t.TempDir()
	client, _ := proxied(t, &Proxy{Azure: a})
	if _, err := client.Get("https://" + apiHost + "/"); err == nil || !strings.Contains(err.Error(), "aksid kubernetes") {
		t.Errorf("%v", err)
	}
	server := httptest.NewTLSServer(echo)
	defer server.Close()
	p := ControlPlane{Host: apiHost, Addr: strings.TrimPrefix(server.URL, "https://"), PID: os.Getpid()}
	if err := PublishPlane(a.Dir, p); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", p.Addr)
	if err != nil || conn.Close() != nil || !p.Answers() {
		t.Fatal(err)
	}
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // its certificate is another test's
	if status, body := get(t, client, "https://"+apiHost+"/"); status != 200 || body != apiHost {
		t.Errorf("%d %q", status, body)
	}
	for _, host := range []string{apiHost + ":6443", "x" + ServerSuffix, "azmk8s.io"} {
		if _, err := client.Get("https://" + host + "/"); err == nil {
			t.Errorf("%s is reached", host)
		}
	}
	server.Close()
	if _, err := client.Get("https://" + apiHost + "/"); err == nil || !strings.Contains(err.Error(), "Bad Gateway") {
		t.Errorf("%v", err)
	}
}
