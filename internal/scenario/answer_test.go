package scenario

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aksid/internal/azure"
)

// Refusals of registries, vaults and storage accounts are told by the services' own codes.
func TestRefusalsOfDataPlanes(t *testing.T) {
	for _, c := range []struct {
		err        error
		code, says string
	}{
		{registryRefusal(401, []byte(`{"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}`)), "UNAUTHORIZED", "authentication required"},
		{registryRefusal(503, []byte("busy")), "Service Unavailable", "busy"},
		{dataRefusal(403, []byte(`{"error": {"code": "Forbidden", "message": "Caller is not authorized"}}`)), "Forbidden", "Caller is not authorized"},
		{dataRefusal(403, []byte("<?xml version=\"1.0\"?><Error><Code>AuthorizationPermissionMismatch</Code><Message>This request is not</Message></Error>")), "AuthorizationPermissionMismatch", "This request is not"},
		{dataRefusal(502, []byte("<html>")), "Bad Gateway", "<html>"},
	} {
		var e *azure.Error
		if !errors.As(c.err, &e) || e.Code != c.code || e.Message != c.says {
			t.Errorf("%v, want %s: %s", c.err, c.code, c.says)
		}
	}
}

func TestCountRefusals(t *testing.T) {
	me, other := azure.NewGUID(), azure.NewGUID()
	out := `{"failures": [{"count": 6, "identity": {"principalId": "` + me.String() + `"}}, {"count": 2, "identity": {"principalId": "` + other.String() + `"}}, {"count": 1}]}`
	if all, mine, err := refusals(out, me); err != nil || all != 9 || mine != 6 {
		t.Errorf("%d of %d, %v", mine, all, err)
	}
	if _, _, err := refusals("no JSON", me); err == nil {
		t.Error("a text passes for what explain prints")
	}
}

// A cluster is good if it has its identities, and no finding that is more than a note; a report that is not complete is none.
func TestGoodIn(t *testing.T) {
	const two = `"identities": [{}, {}]`
	for text, want := range map[string]int{
		`{"complete": true, "clusters": [{` + two + `, "findings": []}, {` + two + `, "findings": [{"severity": "note"}]}]}`:           2,
		`{"complete": true, "clusters": [{` + two + `, "findings": [{"severity": "warning"}]}, {"identities": [{}], "findings": []}]}`: 0,
		`{"complete": false, "clusters": [{` + two + `, "findings": []}]}`:                                                             -1,
		`not JSON`: -1,
	} {
		path := filepath.Join(t.TempDir(), "report.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := goodIn(path)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%s: %d good (%v), want %d", text, got, err, want)
		}
	}
}

// A launch's template makes identities, then the roles that were generated, then the cluster, each after the one before.
func TestLaunchTemplate(t *testing.T) {
	sub := azure.SubscriptionID("00000000-0000-0000-0000-000000000001")
	g := &game{identities: sub.Join("resourceGroups", "rg-identities")}
	l := launch{name: "load-test", group: sub.Join("resourceGroups", "rg-load-test")}
	if n := len(l.template(g)["resources"].([]doc)); n != 2 {
		t.Errorf("without roles it has %d parts", n)
	}
	l.roles = json.RawMessage(`{"resources": []}`)
	parts := l.template(g)["resources"].([]doc)
	if len(parts) != 3 || parts[1]["name"] != "load-test-roles" {
		t.Fatalf("its parts are %v", parts)
	}
	for i, wait := range []string{"", "load-test-identities", "load-test-roles"} {
		after, _ := parts[i]["dependsOn"].([]string)
		if wait != "" && !strings.Contains(strings.Join(after, " "), wait) {
			t.Errorf("%s does not wait for %s: %v", parts[i]["name"], wait, after)
		}
	}
	b, err := json.Marshal(parts[2])
	if err != nil || !strings.Contains(string(b), "userAssignedIdentities/id-load-test-kubelet") || !strings.Contains(string(b), ".principalId]") {
		t.Errorf("the cluster does not use its identities: %s %v", b, err)
	}
}

func TestNonCompliant(t *testing.T) {
	const at = `"cluster": "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/`
	names, all, err := nonCompliant(`{"rows": [{` + at + `a", "state": "compliant"}, {` + at + `b", "state": "compliant"}, {` + at + `B", "state": "non-compliant"}, {` + at + `c", "state": "unknown"}]}`)
	if err != nil || all != 3 || len(names) != 1 || !names["B"] {
		t.Errorf("%v of %d, %v", names, all, err)
	}
}
