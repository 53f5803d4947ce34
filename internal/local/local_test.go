package local

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
)

// authority writes a new certificate authority into dir and returns a server certificate that it signed.
func authority(t *testing.T, dir string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caKey, ca := sign(t, template, nil, nil)
	leafKey, leaf := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: template.NotBefore, NotAfter: template.NotAfter,
		DNSNames:    []string{"localhost", "login.microsoftonline.com", "*.azurecr.io"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca, caKey)
	write(t, dir, caFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw})))
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: leafKey}
}

func sign(t *testing.T, c, parent *x509.Certificate, by *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, signed
}

func write(t *testing.T, dir, name, body string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
}

// echo answers every request with its host.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) })

// start serves a data folder as the local Azure does and returns the folder.
func start(t *testing.T, h http.Handler) string {
	t.Helper()
	dir := t.TempDir()
	serve(t, dir, authority(t, dir), h)
	write(t, dir, adminKeyFile, "admin-key\n")
	write(t, dir, operatorFile, `{"clientId":"11111111-1111-1111-1111-111111111111","objectId":"22222222-2222-2222-2222-222222222222","secret":"s3cret","tenantId":"33333333-3333-3333-3333-333333333333"}`)
	return dir
}

// find starts a local Azure that answers with h, and finds it.
func find(t *testing.T, h http.Handler) *Azure {
	t.Helper()
	a, err := Find(context.Background(), start(t, h))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// serve listens with a certificate and publishes the endpoint in dir.
func serve(t *testing.T, dir string, cert tls.Certificate, h http.Handler) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	addr := l.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	e := Endpoint{URL: "https://localhost:" + port, Addr: addr, PID: os.Getpid(), Subscriptions: []Subscription{{"s1", "One"}}}
	if err := Publish(dir, e); err != nil {
		t.Fatal(err)
	}
}

func TestFind(t *testing.T) {
	dir := start(t, echo)
	a, err := Find(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	want := Credential{
		ClientID: azure.MustGUID("11111111-1111-1111-1111-111111111111"),
		ObjectID: azure.MustGUID("22222222-2222-2222-2222-222222222222"),
		Tenant:   azure.MustGUID("33333333-3333-3333-3333-333333333333"),
		Secret:   "s3cret",
	}
	if a.Operator != want || a.AdminKey != "admin-key" {
		t.Errorf("credential %+v, admin key %q", a.Operator, a.AdminKey)
	}
	if c := a.Cloud(); c.ARM != a.URL || c.Authority != a.URL+"/" || c.Audience != a.URL+"/" || c.Graph != a.URL || c.RegistrySuffix != ".azurecr.io" {
		t.Errorf("cloud %+v", c)
	}
	if a.CA != filepath.Join(dir, "ca.pem") {
		t.Errorf("CA %s", a.CA)
	}
	for host, serves := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "login.microsoftonline.com": true, "acr1.azurecr.io": true,
		"example.com": false, "azurecr.io": false, "a.b.azurecr.io": false, "": false,
	} {
		if a.Serves(host) != serves {
			t.Errorf("Serves(%q) = %v", host, !serves)
		}
	}
}

func TestClientReachesTheLocalAzureUnderEveryName(t *testing.T) {
	a := find(t, echo)
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1") // must not matter
	for _, host := range []string{strings.TrimPrefix(a.URL, "https://"), "acr1.azurecr.io", "login.microsoftonline.com"} {
		resp, err := a.Client().Get("https://" + host + "/x")
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != host {
			t.Errorf("asked %s, answered as %s", host, body)
		}
	}
	if _, err := a.Client().Get("https://example.com/"); err == nil {
		t.Error("a name that the certificate does not hold was accepted")
	}
}

func TestNotRunning(t *testing.T) {
	tests := []struct {
		name, says string
		dir        func(t *testing.T) string
	}{
		{"no folder", "start one with: aksid up --data ", func(t *testing.T) string { return filepath.Join(t.TempDir(), "none") }},
		{"never started", "start one with: aksid up --data ", func(t *testing.T) string { return t.TempDir() }},
		{"left behind by a killed process", "nothing answers at 127.0.0.1:1", func(t *testing.T) string {
			dir := start(t, echo)
			if err := Publish(dir, Endpoint{URL: "https://localhost:1", Addr: "127.0.0.1:1"}); err != nil {
				t.Fatal(err)
			}
			return dir
		}},
		{"the port is another's now", "another program answers at", func(t *testing.T) string {
			dir := start(t, echo)
			serve(t, dir, authority(t, t.TempDir()), echo)
			return dir
		}},
		{"keys are gone", "operator.json", func(t *testing.T) string {
			dir := start(t, echo)
			os.Remove(filepath.Join(dir, operatorFile))
			return dir
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := test.dir(t)
			_, err := Find(context.Background(), dir)
			if !errors.Is(err, ErrNotRunning) {
				t.Fatalf("error %v is not ErrNotRunning", err)
			}
			if !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q does not say %q and %q in one line", err, test.says, dir)
			}
		})
	}
}

func TestDamagedFiles(t *testing.T) {
	for name, body := range map[string]string{
		endpointFile: "{",
		operatorFile: `{"clientId":"x"}`,
		caFile:       "no certificate",
		adminKeyFile: strings.Repeat("k", maxFile+1),
	} {
		dir := start(t, echo)
		write(t, dir, name, body)
		_, err := Find(context.Background(), dir)
		if err == nil || errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), filepath.Join(dir, name)) {
			t.Errorf("%s: error %v does not name the damaged file", name, err)
		}
	}
}

func TestPublishAndWithdraw(t *testing.T) {
	dir := t.TempDir()
	e := Endpoint{URL: "https://localhost:1", PID: 7, Started: time.Unix(1, 0).UTC(), ClientID: azure.NewGUID()}
	if err := Publish(dir, e); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, endpointFile)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("endpoint file: %v, %v", info.Mode(), err)
	}
	got, err := Read(dir)
	if err != nil || got.URL != e.URL || got.ClientID != e.ClientID || !got.Started.Equal(e.Started) {
		t.Errorf("read %+v, %v", got, err)
	}
	if err := Withdraw(dir, 8); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("another process's endpoint was withdrawn: %v", err)
	}
	if err := Withdraw(dir, 7); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
	if err := Withdraw(dir, 7); err != nil {
		t.Errorf("withdrawing twice: %v", err)
	}
}

func TestPublishLeavesNoPartialFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, endpointFile), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Publish(dir, Endpoint{}); err == nil {
		t.Error("published over a folder")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left in the folder: %v", left)
	}
}

func TestEndpointFileIsAContract(t *testing.T) {
	body, err := json.Marshal(Endpoint{URL: "u", Addr: "a", PID: 1, Subscriptions: []Subscription{{"s", "n"}}})
	if err != nil {
		t.Fatal(err)
	}
	const nilGUID = "00000000-0000-0000-0000-000000000000"
	want := `{"url":"u","addr":"a","pid":1,"tenantId":"` + nilGUID + `","subscriptions":[{"id":"s","name":"n"}],"operatorClientId":"` + nilGUID +
		`","operatorObjectId":"` + nilGUID + `","started":"0001-01-01T00:00:00Z"}`
	if string(body) != want {
		t.Errorf("endpoint.json is\n%s\nwant\n%s", body, want)
	}
}
