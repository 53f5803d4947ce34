package local

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"aksid/internal/azure"
)

const machine = "/subscriptions/s1/resourceGroups/rg (1)/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id1"

// proxied starts a proxy and returns a client that uses it for everything, and the proxy's URL.
func proxied(t *testing.T, p *Proxy) (*http.Client, string) {
	t.Helper()
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Transport: &http.Transport{
		Proxy:           func(*http.Request) (*url.URL, error) { return u, nil },
		TLSClientConfig: &tls.Config{RootCAs: p.Azure.roots},
	}}, srv.URL
}

func get(t *testing.T, c *http.Client, url string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestProxyTunnelsTheNamesOfAzure(t *testing.T) {
	a := find(t, echo)
	client, _ := proxied(t, &Proxy{Azure: a})
	for _, host := range []string{"login.microsoftonline.com", "acr1.azurecr.io", strings.TrimPrefix(a.URL, "https://")} {
		if status, body := get(t, client, "https://"+host+"/"); status != 200 || body != host {
			t.Errorf("%s: %d %q", host, status, body)
		}
	}
}

func TestProxyReachesNothingElse(t *testing.T) {
	var refused []string
	client, at := proxied(t, &Proxy{Azure: find(t, echo), Refused: func(host string) { refused = append(refused, host) }})
	other := httptest.NewServer(echo) // a server on this machine that is not the local Azure
	defer other.Close()
	for _, host := range []string{"example.com", "azurecr.io", "login.microsoftonline.com:8443", "localhost:1", strings.TrimPrefix(other.URL, "http://")} {
		if _, err := client.Get("https://" + host + "/"); err == nil || !strings.Contains(err.Error(), "not part of the local Azure") {
			t.Errorf("https://%s: %v", host, err)
		}
	}
	for _, url := range []string{"http://example.com/", other.URL, "http://management.azure.com/subscriptions"} {
		if status, body := get(t, client, url); status != 403 || !strings.Contains(body, "not part of the local Azure") {
			t.Errorf("%s: %d %q", url, status, body)
		}
	}
	if status, _ := get(t, http.DefaultClient, at+"/subscriptions"); status != 403 {
		t.Errorf("the proxy asked as a server: %d", status)
	}
	if len(refused) != 9 || refused[0] != "example.com:443" {
		t.Errorf("told of %q", refused)
	}
}

func TestProxyRefusesMalformedConnect(t *testing.T) {
	_, at := proxied(t, &Proxy{Azure: find(t, echo)})
	for _, target := range []string{"localhost", "localhost:", ":443", "[::1", "localhost:443:443"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(at, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: x\r\n\r\n", target)
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "HTTP/1.1 4") {
			t.Errorf("CONNECT %s: %q, %v", target, line, err)
		}
		conn.Close()
	}
}

// imds answers as the admin API's metadata service does, and shows what it was asked.
var imds = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(AdminHeader) != "admin-key" {
		http.Error(w, "no admin key", http.StatusForbidden)
		return
	}
	fmt.Fprintf(w, "%s %s?%s Metadata=%s", r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("Metadata"))
})

func TestProxyAnswersAsTheMachine(t *testing.T) {
	client, at := proxied(t, &Proxy{Azure: find(t, imds), Machine: azure.MustID(machine)})
	const call = "/metadata/identity/oauth2/token?resource=https%3A%2F%2Flocalhost%2F&api-version=2018-02-01"
	want := "GET /_aksid/v1/imds" + machine + call + " Metadata=true"
	if status, body := get(t, client, "http://169.254.169.254"+call, "Metadata", "true"); status != 200 || body != want {
		t.Errorf("through the proxy: %d %q\nwant %q", status, body, want)
	}
	if status, body := get(t, http.DefaultClient, at+call, "Metadata", "true"); status != 200 || body != want {
		t.Errorf("at the proxy itself: %d %q\nwant %q", status, body, want)
	}
	if _, body := get(t, client, "http://169.254.169.254"+call); !strings.HasSuffix(body, "Metadata=") {
		t.Errorf("a header was added that the program did not send: %q", body)
	}
}

func TestProxyWithoutMachine(t *testing.T) {
	client, _ := proxied(t, &Proxy{Azure: find(t, imds)})
	status, body := get(t, client, "http://169.254.169.254/metadata/identity/oauth2/token", "Metadata", "true")
	if status != 400 || !strings.Contains(body, "Identity not found") {
		t.Errorf("%d %q", status, body)
	}
}
