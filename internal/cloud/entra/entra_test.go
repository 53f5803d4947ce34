package entra

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

const host = "localhost:8443"

// The tenant of the tests. Ids with these zeros in them stay as they are in golden files, random ones do not.
var (
	tenant   = guid("aa")
	operator = client("01", "operator", true)
	reader   = client("02", "reader", false)
	disabled = client("03", "switched off", false)
	deleted  = client("04", "deleted", false)
	ann      = directory.Principal{ID: guid("05"), Type: directory.User, DisplayName: "Ann", UPN: "ann@example.org", Nickname: "ann", Created: start}
	system   = identity("06", "vm1", vm)
	user1    = identity("07", "id1", rg.Resource(directory.TypeUserAssigned, "id1"))
	user2    = identity("08", "id2", rg.Resource(directory.TypeUserAssigned, "id2"))
	admins   = directory.Principal{ID: guid("09"), Type: directory.Group, DisplayName: "admins", Nickname: "admins", Created: start}
	everyone = directory.Principal{ID: guid("0a"), Type: directory.Group, DisplayName: "everyone", Nickname: "everyone", Created: start}

	registered = directory.App{ID: guid("51"), AppID: guid("61"), DisplayName: "registered only", Created: start}

	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	rg    = azure.MustID("/subscriptions/00000000-0000-0000-0000-0000000000bb/resourceGroups/rg1")
	vm    = rg.Resource("Microsoft.Compute/virtualMachines", "vm1")
)

func guid(end string) azure.GUID {
	return azure.MustGUID("00000000-0000-0000-0000-0000000000" + end)
}

func client(end, name string, admin bool) directory.Principal {
	return directory.Principal{ID: guid(end), AppID: guid("1" + end[1:]), Type: directory.ServicePrincipal, Kind: directory.Application,
		DisplayName: name, Admin: admin, Created: start, Disabled: name == "switched off"}
}

func identity(end, name string, resource azure.ID) directory.Principal {
	return directory.Principal{ID: guid(end), AppID: guid("1" + end[1:]), Type: directory.ServicePrincipal, Kind: directory.ManagedIdentity,
		DisplayName: name, Resource: resource, Created: start}
}

// tester is a service over a directory with the principals above, its clock standing still.
type tester struct {
	*Service
	t       testing.TB
	mu      sync.Mutex
	now     time.Time
	secrets map[string]string // by name
	logged  *strings.Builder
}

func newTester(t testing.TB) *tester {
	t.Helper()
	dir := t.TempDir()
	db, err := store.OpenSQLite(context.Background(), filepath.Join(dir, "data.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	te := &tester{t: t, now: start, secrets: map[string]string{}, logged: &strings.Builder{}}
	te.Service, err = Open(Config{
		Dir: dir, Tenant: tenant, Store: db, Now: te.clock,
		Log: slog.New(slog.NewTextHandler(te.logged, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	<-te.made
	te.update(te.seed)
	return te
}

func (te *tester) seed(tx store.Tx) error {
	for _, p := range []directory.Principal{operator, reader, disabled, ann, system, user1, user2, admins, everyone} {
		if err := directory.Put(tx, p); err != nil {
			return err
		}
	}
	for _, s := range []struct {
		name  string
		of    directory.Principal
		until time.Duration
	}{
		{"operator", operator, time.Hour}, {"reader", reader, time.Hour}, {"disabled", disabled, time.Hour}, {"expired", reader, -time.Hour},
	} {
		text, _, err := directory.AddSecret(tx, s.of.ID, s.name, start.Add(-2*time.Hour), start.Add(s.until))
		if err != nil {
			return err
		}
		te.secrets[s.name] = text
	}
	for _, m := range []directory.Membership{{Group: everyone.ID, Member: admins.ID}, {Group: admins.ID, Member: operator.ID}} {
		if err := directory.AddMember(tx, m); err != nil {
			return err
		}
	}
	return directory.PutApp(tx, registered)
}

func (te *tester) clock() time.Time {
	te.mu.Lock()
	defer te.mu.Unlock()
	return te.now
}

func (te *tester) setClock(now time.Time) {
	te.mu.Lock()
	defer te.mu.Unlock()
	te.now = now
}

func (te *tester) update(fn func(store.Tx) error) {
	te.t.Helper()
	if err := te.Store.Update(context.Background(), fn); err != nil {
		te.t.Fatal(err)
	}
}

// token is an access token for the local endpoint.
func (te *tester) token(p directory.Principal) string {
	te.t.Helper()
	token, _, err := te.Token(p, "https://"+host+"/")
	if err != nil {
		te.t.Fatal(err)
	}
	return token
}

// call sends one request to a handler.
func call(h http.Handler, method, target, token string, header http.Header, body string) *httptest.ResponseRecorder {
	if strings.HasPrefix(target, "/") {
		target = "https://" + host + target
	}
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for k, v := range header {
		r.Header[k] = v
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// serve listens on a free loopback port with TLS.
func (te *tester) serve() (url string, c *http.Client) {
	server := httptest.NewTLSServer(te.Handler())
	te.t.Cleanup(server.Close)
	server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelError)
	transport := server.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: transport.TLSClientConfig.RootCAs, ServerName: "example.com"}
	te.t.Cleanup(transport.CloseIdleConnections)
	return server.URL, &http.Client{Transport: transport}
}

func TestServes(t *testing.T) {
	for path, want := range map[string]bool{
		"/adfs/.well-known/openid-configuration": true, "/ADFS/oauth2/token": true, "//adfs/oauth2/token": true,
		"/common/discovery/instance": true, "/organizations/oauth2/v2.0/token": true,
		"/" + tenant.String() + "/oauth2/token": true, "/11111111-2222-3333-4444-555555555555/oauth2/token": true,
		"/v1.0/me": true, "/beta/groups": true, "/v1.0": true,
		"/": false, "": false, "/subscriptions": false, "/subscriptions/" + tenant.String(): false, "/metadata/endpoints": false,
		"/providers": false, "/v2/": false, "/adfsx": false,
	} {
		if got := Serves(path); got != want {
			t.Errorf("Serves(%q) = %v", path, got)
		}
	}
}
