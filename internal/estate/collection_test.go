package estate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aksid/internal/rbac"
)

// saved loads a source, saves what it read and reads that again.
func saved(t *testing.T, l Live) (live, again *Estate) {
	t.Helper()
	l.Keep = true
	live = load(t, l)
	var b bytes.Buffer
	if err := live.Save(&b); err != nil {
		t.Fatal(err)
	}
	return live, load(t, Files{Path: write(t, "saved.json", b.String())})
}

func TestSave(t *testing.T) {
	f := freight(t)
	l := f.live()
	l.Clusters, l.Registries = []string{"freight-prod"}, []string{"freightacr"}
	live, again := saved(t, l)
	checkFreight(t, again)
	if fmt.Sprint(live.Orphans[0].ID) != fmt.Sprint(again.Orphans[0].ID) || len(again.Incomplete) != 0 {
		t.Errorf("orphans %v, incomplete %v", again.Orphans, again.Incomplete)
	}
	if got := again.RegistryMode(registryID); got != ModeRBAC {
		t.Errorf("mode %v", got)
	}
}

// What was refused when it was read is as unknown when it is read again.
func TestSaveKeepsGaps(t *testing.T) {
	requests := []rbac.Request{
		{Principal: controlPlaneOID, Action: "Microsoft.Network/virtualNetworks/subnets/join/action", Scope: subnetID},
		{Principal: kubeletOID, Action: "Microsoft.Network/virtualNetworks/subnets/join/action", Scope: subnetID},
		{Principal: kubeletOID, Action: "Microsoft.ContainerRegistry/registries/pull/read", Scope: registryID},
		{Principal: controlPlaneOID, Action: "Microsoft.Network/loadBalancers/write", Scope: nodeGroupID},
	}
	for _, refused := range []string{"roleAssignments?", "roleDefinitions?", "denyAssignments?", "assignedTo", "getByIds", "snet-aks?", "locks?"} {
		f := freight(t)
		f.fail = func(r *http.Request) (int, string) {
			if strings.Contains(r.URL.Path+"?"+r.URL.RawQuery, refused) {
				return http.StatusForbidden, "AuthorizationFailed"
			}
			return 0, ""
		}
		live, again := saved(t, f.live())
		for _, r := range requests {
			if got, want := again.Decide(r).Outcome, live.Decide(r).Outcome; got != want {
				t.Errorf("%s refused: %s on %s is %v when read again, %v live", refused, r.Action, r.Scope.Name(), got, want)
			}
		}
		if got, want := fmt.Sprint(again.Incomplete), fmt.Sprint(live.Incomplete); got != want {
			t.Errorf("%s refused: incomplete %s, want %s", refused, got, want)
		}
		_, known := live.Object(kubeletOID)
		if _, again := again.Object(kubeletOID); again != known {
			t.Errorf("%s refused: the kubelet's object is %v, %v live", refused, again, known)
		}
	}
}

// A resource that is gone is gone when it is read again.
func TestSaveKeepsAbsence(t *testing.T) {
	f := freight(t)
	delete(f.docs, routeTable.Key())
	live, again := saved(t, f.live())
	for _, e := range []*Estate{live, again} {
		if _, known := e.Resource(routeTable); known != Absent {
			t.Errorf("the route table is %v", known)
		}
	}
}

func TestSaveUnkept(t *testing.T) {
	if err := load(t, freight(t).live()).Save(&bytes.Buffer{}); !errors.Is(err, ErrNotKept) {
		t.Errorf("error %v", err)
	}
}

func TestCollectionErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{"aksidCollection": 2}`:   "newer version of aksid (form 2)",
		`{"aksidCollection": "x"}`: "not a collection",
		`{"aksidCollection": 1, "documents": [{"document": {"id": "x"}}]}`: "document 0",
		`{"aksidCollection": 1, "unsure": {"x": []}}`:                      "is not a GUID",
		`{"aksidCollection": 1, "absent": ["x"]}`:                          "does not begin with /",
		`{"aksidCollection": 1, "members": [["a"]]}`:                       "not a collection",
	} {
		_, err := Files{Path: write(t, "saved.json", text)}.Load(context.Background())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
}

// Nothing secret is in what is saved: what ARM answers holds no secrets, and no token is kept.
func TestSaveHoldsNoToken(t *testing.T) {
	l := freight(t).live()
	l.Keep = true
	path := filepath.Join(t.TempDir(), "saved.json")
	var b bytes.Buffer
	if err := load(t, l).Save(&b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b.Bytes(), []byte("Bearer")) {
		t.Error("a token is in what was saved")
	}
	if e := load(t, Files{Path: path, Clusters: []string{"freight-prod"}}); len(e.Clusters) != 1 {
		t.Errorf("%d clusters", len(e.Clusters))
	}
}
