package drill

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/drill/act"
	"aksid/internal/estate"
)

// What a cluster says of Entra is what its API server is told.
func TestEntra(t *testing.T) {
	for _, c := range []struct {
		properties map[string]any
		want       *act.Entra
	}{
		{nil, nil},
		{map[string]any{"disableLocalAccounts": true}, nil},
		{map[string]any{"aadProfile": map[string]any{"managed": true, "adminGroupObjectIDs": []any{"g1", "g2"}}}, &act.Entra{Users: "http://d/kubernetes/users", Admins: []string{"g1", "g2"}}},
		{map[string]any{"disableLocalAccounts": true, "aadProfile": map[string]any{"managed": true, "enableAzureRBAC": true}},
			&act.Entra{Users: "http://d/kubernetes/users", Access: "http://d/kubernetes/access", Only: true}},
	} {
		got := entra(&estate.Cluster{Resource: estate.Resource{ID: clusterID, Doc: clusterDoc(c.properties)}}, "http://d/")
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: %+v", c.properties, got)
		}
	}
}

// Reviews as API servers write them, and the data actions that Azure is asked about.
func TestAsked(t *testing.T) {
	const typ = "Microsoft.ContainerService/managedClusters/"
	for spec, want := range map[string]string{
		`{"resourceAttributes": {"namespace": "dev", "verb": "list", "version": "v1", "resource": "pods"}}`:                      typ + "pods/read in dev",
		`{"resourceAttributes": {"namespace": "dev", "verb": "create", "resource": "pods", "subresource": "exec", "name": "p"}}`: typ + "pods/exec/action in dev",
		`{"resourceAttributes": {"namespace": "dev", "verb": "get", "resource": "pods", "subresource": "log"}}`:                  typ + "pods/read in dev",
		`{"resourceAttributes": {"verb": "watch", "resource": "nodes"}}`:                                                         typ + "nodes/read",
		`{"resourceAttributes": {"namespace": "dev", "verb": "patch", "group": "apps", "resource": "deployments"}}`:              typ + "apps/deployments/write in dev",
		`{"resourceAttributes": {"namespace": "dev", "verb": "deletecollection", "group": "apps", "resource": "deployments"}}`:   typ + "apps/deployments/delete in dev",
		`{"resourceAttributes": {"verb": "bind", "group": "rbac.authorization.k8s.io", "resource": "clusterroles"}}`:             typ + "rbac.authorization.k8s.io/clusterroles/bind/action",
		`{"nonResourceAttributes": {"path": "/healthz", "verb": "get"}}`:                                                         typ + "healthz/read",
		`{"resourceAttributes": {"verb": "*", "group": "*", "resource": "*"}}`:                                                   "Wildcard support for Resource/Verb/Group is not enabled for request Group: *, Resource: *, Verb: *",
		`{}`: "the review names nothing",
	} {
		var r accessReview
		if err := json.Unmarshal([]byte(`{"spec": `+spec+`}`), &r); err != nil {
			t.Fatal(err)
		}
		action, scope, why := r.asked(clusterID)
		got := string(action)
		if why != "" {
			got = why
		} else if !scope.Equal(clusterID) {
			got += " in " + scope.Name()
			if !scope.Equal(clusterID.Join("namespaces", scope.Name())) {
				t.Errorf("%s: %s", spec, scope)
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", spec, got, want)
		}
	}
}

// review posts a review to a door and returns the answer.
func review(t *testing.T, d *door, path, spec string) (status doc) {
	t.Helper()
	w := httptest.NewRecorder()
	d.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/"+path, strings.NewReader(`{"apiVersion": "v1", "kind": "Review", "spec": `+spec+`}`)))
	if strings.Contains(w.Body.String(), "eyJ") {
		t.Errorf("the token is told again: %s", w.Body)
	}
	var answer doc
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer["kind"] != "Review" {
		t.Fatalf("%v: %d %s", err, w.Code, w.Body)
	}
	return mapAt(answer, "status")
}

// A token of Entra says who somebody is and in which groups; what that one may is as Azure RBAC has it, at once.
func TestReviews(t *testing.T) {
	w := newWorld(t)
	d, err := openDoor(w.Azure, act.Cluster{ID: w.cluster.String(), Machine: w.cluster.String()})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	const server = "6dae42f8-4368-4678-94ff-3960e28e3630"
	e := w.load(t)
	who, _ := e.Actor(e.Clusters[0], estate.ControlPlane, "")
	inner, err := w.newGroup(t.Context(), "inner", who.Principal)
	if err != nil {
		t.Fatal(err)
	}
	outer, err := w.newGroup(t.Context(), "outer", inner)
	if err != nil {
		t.Fatal(err)
	}
	token, err := w.MachineTokenFor(t.Context(), w.cluster, server)
	if err != nil {
		t.Fatal(err)
	}
	status := review(t, d, usersPath, `{"token": "`+token+`"}`)
	oid := who.Principal.String()
	if status["authenticated"] != true || text(status, "user", "username") != oid || text(status, "user", "extra", "oid", 0) != oid ||
		!slices.Equal(list(status, "user", "groups"), []any{inner.String(), outer.String()}) {
		t.Errorf("%v", status)
	}
	arm, err := w.MachineToken(t.Context(), w.cluster)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "x", arm} {
		if status := review(t, d, usersPath, `{"token": "`+bad+`"}`); status["authenticated"] != false || text(status, "error") == "" || status["user"] != nil {
			t.Errorf("%v", status)
		}
	}

	const pods = `"resourceAttributes": {"namespace": "dev", "verb": "list", "resource": "pods"}`
	asked := `{"user": "` + oid + `", "extra": {"oid": ["` + oid + `"]}, ` + pods + `}`
	if status := review(t, d, accessPath, asked); status["allowed"] != false || text(status, "reason") != notAllowed {
		t.Errorf("%v", status)
	}
	if _, err := w.assign(t.Context(), roleOf("Azure Kubernetes Service RBAC Reader"), outer, w.cluster.Join("namespaces", "dev"), doc{"principalType": "Group"}); err != nil {
		t.Fatal(err)
	}
	if status := review(t, d, accessPath, asked); status["allowed"] != true || !strings.HasPrefix(text(status, "reason"), "Access allowed by Azure RBAC Role Assignment ") || !strings.HasSuffix(text(status, "reason"), oid) {
		t.Errorf("%v", status)
	}
	for _, other := range []string{strings.Replace(asked, `"dev"`, `"prod"`, 1), strings.Replace(asked, `"list"`, `"delete"`, 1)} {
		if status := review(t, d, accessPath, other); status["allowed"] != false {
			t.Errorf("%s: %v", other, status)
		}
	}
	for spec, want := range map[string]string{
		`{"user": "system:serviceaccount:a:b", ` + pods + `}`:                   noOpinion,
		`{"user": "x", "extra": {"oid": ["no id"]}, ` + pods + `}`:              noOpinion,
		`{"user": "x", "extra": {"oid": ["` + azure.NewGUID().String() + `"]}}`: "the review names nothing",
	} {
		if status := review(t, d, accessPath, spec); status["allowed"] != false || text(status, "reason") != want {
			t.Errorf("%s: %v", spec, status)
		}
	}
	bad := httptest.NewRecorder()
	d.Handler.ServeHTTP(bad, httptest.NewRequest(http.MethodPost, "/"+usersPath, strings.NewReader("no review")))
	if bad.Code != http.StatusBadRequest {
		t.Errorf("%d", bad.Code)
	}
}
