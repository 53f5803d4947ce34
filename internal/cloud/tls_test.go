package cloud

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestAuthority keeps the data folder's authority over restarts, and makes another where it lacks a name or is half made.
func TestAuthority(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	open := func() *authority {
		t.Helper()
		a, err := openAuthority(dir, now)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	works := func(a *authority) {
		t.Helper()
		leaf, err := a.leaf(now)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AddCert(a.cert)
		cert, err := x509.ParseCertificate(leaf.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"localhost", "127.0.0.1", "management.azure.com", "freight.azurecr.io", "westeurope.oic.prod-aks.azure.com"} {
			if _, err := cert.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := cert.Verify(x509.VerifyOptions{DNSName: "example.com", Roots: roots}); err == nil {
			t.Error("a certificate for everything")
		}
	}
	all := Hosts
	defer func() { Hosts = all }()
	Hosts = all[:len(all)-1]
	old := open()
	if again := open(); !again.cert.Equal(old.cert) {
		t.Error("another authority at the second start")
	}
	Hosts = all
	made := open()
	if made.cert.Equal(old.cert) {
		t.Error("the authority lacks a name")
	}
	works(made)
	works(open())

	if err := os.Remove(filepath.Join(dir, "ca.pem")); err != nil { // killed between the two files
		t.Fatal(err)
	}
	works(open())
	for _, file := range []string{"ca.key", "ca.pem"} {
		if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openAuthority(dir, now); err == nil {
		t.Error("a broken file is replaced")
	}
}
