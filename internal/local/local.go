// Package local finds a running local Azure through its data folder and lets clients reach it: and nothing else.
package local

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"aksid/internal/azure"
)

// AdminHeader carries the admin key on calls of the admin API, whose paths begin with AdminPath.
const (
	AdminHeader = "Aksid-Key"
	AdminPath   = "/_aksid/v1"
)

// CloudName is what clients call the local Azure as a cloud.
const CloudName = "aksid"

// answerWithin is how long a local Azure may take to answer before it counts as not running.
const answerWithin = 3 * time.Second

// ErrNotRunning says that no local Azure answers for a data folder.
var ErrNotRunning = errors.New("no local Azure is running")

// NotRunning is ErrNotRunning with the data folder, and what was found instead, if anything.
type NotRunning struct {
	Dir   string
	Cause error
}

func (e *NotRunning) Error() string {
	found := ""
	if e.Cause != nil {
		found = fmt.Sprintf(" (%v)", e.Cause)
	}
	return fmt.Sprintf("%v on the data folder %s%s; start one with: aksid up --data %s", ErrNotRunning, e.Dir, found, e.Dir)
}

// Unwrap makes errors.Is(err, ErrNotRunning) hold.
func (e *NotRunning) Unwrap() []error { return []error{ErrNotRunning, e.Cause} }

func notRunning(dir string, cause error) error { return &NotRunning{dir, cause} }

// Azure is a running local Azure.
type Azure struct {
	Endpoint
	Dir      string     // the data folder
	CA       string     // path of the certificate authority, PEM
	Operator Credential // Owner of both subscriptions, may write the directory
	AdminKey string
	roots    *x509.CertPool
	leaf     *x509.Certificate
	client   *http.Client
}

// Find returns the local Azure of a data folder after it has proved, by its certificate, that it is the one that answers.
func Find(ctx context.Context, dir string) (*Azure, error) {
	e, err := Read(dir)
	if err != nil {
		return nil, err
	}
	a := &Azure{Endpoint: e, Dir: dir, CA: filepath.Join(dir, caFile)}
	if err := a.load(); errors.Is(err, fs.ErrNotExist) {
		return nil, notRunning(dir, err)
	} else if err != nil {
		return nil, err
	}
	if a.leaf, err = a.certificate(ctx); err != nil {
		return nil, notRunning(dir, err)
	}
	a.client = a.newClient()
	return a, nil
}

func (a *Azure) load() error {
	ca, err := readFile(a.CA)
	if err != nil {
		return err
	}
	if a.roots = x509.NewCertPool(); !a.roots.AppendCertsFromPEM(ca) {
		return fmt.Errorf("%s holds no certificate", a.CA)
	}
	key, err := readFile(filepath.Join(a.Dir, adminKeyFile))
	if err != nil {
		return err
	}
	a.AdminKey = string(bytes.TrimSpace(key))
	return readJSON(filepath.Join(a.Dir, operatorFile), &a.Operator)
}

// certificate asks the server for its certificate, which must be signed by this folder's authority.
func (a *Azure) certificate(ctx context.Context) (*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: a.roots, ServerName: "localhost"}}
	conn, err := dialer.DialContext(ctx, "tcp", a.Addr)
	var wrong *tls.CertificateVerificationError
	switch {
	case errors.As(err, &wrong):
		return nil, fmt.Errorf("another program answers at %s", a.Addr)
	case err != nil:
		return nil, fmt.Errorf("nothing answers at %s", a.Addr)
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

// Cloud is where clients find the services. Clients that look up an authority they do not know with Azure
// must have that turned off (DisableInstanceDiscovery).
func (a *Azure) Cloud() azure.Cloud {
	return azure.Cloud{
		Name: CloudName, ARM: a.URL, Audience: a.URL + "/", Authority: a.URL + "/", Graph: a.URL,
		RegistrySuffix: azure.Clouds[0].RegistrySuffix,
	}
}

// Serves reports whether the local Azure answers for a host name: localhost, and the names of Azure that it stands in for.
// The names in its certificate say so.
func (a *Azure) Serves(host string) bool { return a.leaf.VerifyHostname(host) == nil }

// Client trusts this local Azure alone and reaches it under every host name; none of its requests leaves the machine.
func (a *Azure) Client() *http.Client { return a.client }

func (a *Azure) newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{ // without the environment's proxy
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, a.Addr)
		},
		TLSClientConfig:     &tls.Config{RootCAs: a.roots},
		MaxIdleConnsPerHost: 32,
		IdleConnTimeout:     90 * time.Second,
	}}
}
