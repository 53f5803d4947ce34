package finding

import (
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"aksid/internal/cloud"
	"aksid/internal/estate"
	"aksid/internal/local"
)

// corpus are estates as users have them, right and wrong in equal number: folders of what az printed, Terraform plans and
// ARM templates.
func corpus(t *testing.T) []fixture {
	t.Helper()
	paths, err := filepath.Glob("testdata/corpus/*.txtar")
	if err != nil || len(paths) < 60 {
		t.Fatal(len(paths), err)
	}
	var out []fixture
	for _, p := range paths {
		out = append(out, readFixture(t, p))
	}
	return out
}

func (f fixture) wrong() bool { return strings.HasSuffix(f.path, "-wrong.txtar") }

// Every wrong estate has the findings that are wanted, and no right one has any.
func TestCorpus(t *testing.T) {
	wrong := 0
	for _, f := range corpus(t) {
		t.Run(filepath.Base(f.path), func(t *testing.T) {
			found := show(checkAll(f.load(t, false)))
			switch {
			case f.wrong():
				wrong++
				if found == "" {
					t.Error("nothing is found")
				}
				f.compare(t, found)
			case found != "":
				t.Errorf("found in what is right:\n%s", found)
			}
		})
	}
	if all := len(corpus(t)); wrong*2 != all {
		t.Errorf("%d of %d are wrong", wrong, all)
	}
}

// azureOf runs a local Azure that holds what was read, and reads it from there.
func azureOf(t *testing.T, f fixture) (*estate.Estate, *local.Azure) {
	t.Helper()
	var saved bytes.Buffer
	if err := f.load(t, false).Save(&saved); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c, err := cloud.Open(t.Context(), cloud.Config{Dir: dir, Addr: l.Addr().String(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: c.Handler(), TLSConfig: c.TLS(), ErrorLog: log.New(io.Discard, "", 0)}
	go server.ServeTLS(l, "", "")
	t.Cleanup(func() { server.Close(); c.Close() })
	if _, err := c.Import(t.Context(), &saved); err != nil {
		t.Fatal(err)
	}
	info := c.Info()
	e := local.Endpoint{URL: "https://localhost:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port), Addr: l.Addr().String(),
		Tenant: info.Tenant, ClientID: info.OperatorClientID, ObjectID: info.OperatorObjectID}
	for _, s := range info.Subscriptions {
		e.Subscriptions = append(e.Subscriptions, local.Subscription{ID: s.ID, Name: s.Name})
	}
	if err := local.Publish(dir, e); err != nil {
		t.Fatal(err)
	}
	az, err := local.Find(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	live, err := estate.LocalAzure(az)
	if err != nil {
		t.Fatal(err)
	}
	live.Registries = f.registries
	read, err := live.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return read, az
}

// statuses are the answers of all needs, as "requirement status scope", sorted.
func statuses(e *estate.Estate) []string {
	var out []string
	for _, c := range e.Clusters {
		for _, a := range Assess(e, c) {
			out = append(out, strings.ToLower(a.Requirement.ID+" "+string(a.Status)+" "+a.Need.Scope.String()))
		}
	}
	slices.Sort(out)
	return out
}

// What files say, the local Azure says that was made of them; and it refuses what is missing and allows what is granted.
func TestCorpusInLocalAzure(t *testing.T) {
	made := map[string]int{}
	for _, f := range corpus(t) {
		if f.kind() != "grants" { // what is planned has principals and subscriptions that are not there
			continue
		}
		t.Run(filepath.Base(f.path), func(t *testing.T) {
			e, az := azureOf(t, f)
			if got, want := statuses(e), statuses(f.load(t, false)); !slices.Equal(got, want) {
				t.Errorf("live\n%s\nfiles\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			for _, c := range e.Clusters {
				for _, a := range Assess(e, c) {
					actOut(t, az, c, a, made)
				}
			}
		})
	}
	for _, kind := range []string{"pull", "link", "read", "write", "delete"} {
		if made[kind+" refused"] == 0 || made[kind+" allowed"] == 0 {
			t.Errorf("%s: %d calls are refused and %d allowed", kind, made[kind+" refused"], made[kind+" allowed"])
		}
	}
	if calls, asked := sum(made), made["asked"]; asked*2 > calls {
		t.Errorf("%d of %d rights are only asked for", asked, calls)
	}
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// actOut makes the calls that a need is of, as the identity: what is missing is refused, and what is granted is not.
func actOut(t *testing.T, az *local.Azure, c *estate.Cluster, a *Assessment, made map[string]int) {
	t.Helper()
	if a.Status != Granted && a.Status != Missing || a.Identity.Kind == estate.ServicePrincipalSecret {
		return // the cluster does not have the token of who creates it
	}
	for _, action := range slices.Concat(a.Need.Actions, a.Need.DataActions) {
		x := estate.Attempt{Cluster: c, Who: a.Identity, Action: action, Data: slices.ContainsFunc(a.Need.DataActions, action.Is), Scope: a.Need.Scope}
		refused, err := x.Refused(t.Context(), az)
		if missing := slices.Contains(a.Missing, action); err != nil || refused != missing {
			t.Errorf("%s: %s of %s on %s is refused: %v, missing: %v (%v)", a.Requirement.ID, action, a.Identity.Name, a.Need.Scope, refused, missing, err)
		}
		switch kind := x.Made(); {
		case kind == "":
			made["asked"]++
		case refused:
			made[kind+" refused"]++
		default:
			made[kind+" allowed"]++
		}
	}
}

// kind is the form of an estate: the name of the file that tells.
func (f fixture) kind() string {
	for _, file := range f.archive.Files {
		switch file.Name {
		case "plan.json", "main.json", "grants":
			return file.Name
		}
	}
	return ""
}
