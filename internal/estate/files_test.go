package estate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

// write makes a folder of files from pairs of name and text.
func write(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(files[i+1]), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func unpackAll(t *testing.T, archive string) string {
	t.Helper()
	a, err := txtar.ParseFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, f := range a.Files {
		files = append(files, f.Name, string(f.Data))
	}
	return write(t, files...)
}

// ARM's documents and az's renderings of them say the same.
func TestFiles(t *testing.T) {
	for _, archive := range []string{"testdata/freight.txtar", "testdata/freight-az.txtar"} {
		t.Run(archive, func(t *testing.T) {
			e := load(t, Files{Path: unpackAll(t, archive), Registries: []string{"freightacr.azurecr.io", "FreightACR"}})
			checkFreight(t, e)
			if az := strings.Contains(archive, "az"); az != (len(e.Orphans) == 1) {
				t.Errorf("orphans %+v: az says by an empty name who is not there, ARM does not", e.Orphans)
			}
		})
	}
}

func TestFilesSameClusterAsLive(t *testing.T) {
	live := load(t, freight(t).live()).Clusters[0]
	az := load(t, Files{Path: unpackAll(t, "testdata/freight-az.txtar")}).Clusters[0]
	if got, want := fmt.Sprint(az.identities()), fmt.Sprint(live.identities()); got != want {
		t.Errorf("identities\n%s\nwant\n%s", got, want)
	}
	if got, want := fmt.Sprint(az.Pools()), fmt.Sprint(live.Pools()); got != want {
		t.Errorf("pools\n%s\nwant\n%s", got, want)
	}
	if got, want := fmt.Sprint(az.References()), fmt.Sprint(live.References()); got != want {
		t.Errorf("references\n%s\nwant\n%s", got, want)
	}
}

const bareCluster = `{"id": "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/c",
 "identity": {"type": "SystemAssigned", "principalId": "a0000000-0000-0000-0000-000000000001"},
 "nodeResourceGroup": "MC_rg_c_weu", "identityProfile": {"kubeletidentity": {"objectId": "a0000000-0000-0000-0000-000000000002"}}}`

func assignment(n int, principal, kind, role, scope string) string {
	return fmt.Sprintf(`{"id": "%s/providers/Microsoft.Authorization/roleAssignments/e0000000-0000-0000-0000-%012d", "principalId": "%s", "principalType": "%s",
 "roleDefinitionId": "/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.Authorization/roleDefinitions/%s", "scope": "%s"}`, scope, n, principal, kind, role, scope)
}

// What the files do not hold is unknown.
func TestFilesGaps(t *testing.T) {
	const (
		contributor = "b24988ac-6180-42a0-ab88-20f7382dd24c"
		custom      = "12345678-1234-1234-1234-123456789012"
		sub         = "/subscriptions/11111111-1111-1111-1111-111111111111"
		node        = sub + "/resourceGroups/MC_rg_c_weu"
		one, two    = "a0000000-0000-0000-0000-000000000001", "a0000000-0000-0000-0000-000000000002"
		group       = "a0000000-0000-0000-0000-0000000000aa"
	)
	write1 := rbac.Request{Principal: azure.MustGUID(one), Action: "Microsoft.Network/loadBalancers/write", Scope: azure.MustID(node)}
	write2 := write1
	write2.Principal = azure.MustGUID(two)
	for _, c := range []struct {
		name        string
		assignments string
		first       rbac.Outcome
		second      rbac.Outcome
		incomplete  string
	}{
		{"no assignments", "", rbac.Unknown, rbac.Unknown, "role assignments of subscription 11111111"},
		{"an empty listing", "[]", rbac.Unknown, rbac.Unknown, "role assignments of subscription 11111111"},
		{"a listing for one principal", "[" + assignment(1, one, "ServicePrincipal", contributor, node) + "]", rbac.Granted, rbac.Unknown, ""},
		{"a full listing", "[" + assignment(1, one, "ServicePrincipal", contributor, node) + "," + assignment(2, "a0000000-0000-0000-0000-0000000000bb", "User", contributor, sub) + "]",
			rbac.Granted, rbac.NotGranted, ""},
		{"a classic administrator", `[{"id": "NA(classic admins)", "principalName": "x", "roleDefinitionId": "NA(classic admin role)"}]`, rbac.Unknown, rbac.Unknown, "role assignments of subscription 11111111"},
		{"an unknown custom role", "[" + assignment(1, one, "ServicePrincipal", custom, node) + "," + assignment(2, "a0000000-0000-0000-0000-0000000000bb", "User", contributor, sub) + "]",
			rbac.Unknown, rbac.NotGranted, ""},
		{"a group with unknown members", "[" + assignment(1, one, "ServicePrincipal", contributor, node) + "," + assignment(2, group, "Group", contributor, sub) + "]",
			rbac.Granted, rbac.Unknown, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := []string{"aks.json", bareCluster, "deny.json", `{"value": []}`}
			if c.assignments != "" {
				files = append(files, "ra.json", c.assignments)
			}
			e := load(t, Files{Path: write(t, files...)})
			if got := e.Decide(write1).Outcome; got != c.first {
				t.Errorf("first identity: %v, want %v", got, c.first)
			}
			if got := e.Decide(write2).Outcome; got != c.second {
				t.Errorf("second identity: %v, want %v", got, c.second)
			}
			noted := len(e.Incomplete) == 1 && strings.HasPrefix(e.Incomplete[0].What, c.incomplete)
			if c.incomplete == "" && len(e.Incomplete) > 0 || c.incomplete != "" && !noted {
				t.Errorf("incomplete %+v, want %q", e.Incomplete, c.incomplete)
			}
		})
	}
}

func TestFilesErrors(t *testing.T) {
	big := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	for _, c := range []struct{ name, text, want string }{
		{"not json", "hello", "not JSON"},
		{"two values", "{} {}", "something follows"},
		{"a number", "42", "neither a document nor a list"},
		{"numbers", "[42]", "element 0 is no document"},
		{"no id", `{"name": "x"}`, "a document without an id"},
		{"aks show with --query", `{"identity": null, "identityProfile": {}, "nodeResourceGroup": "MC"}`, "save az aks show without --query"},
		{"control characters", `[{"id": "/subscriptions/\u0000"}]`, "element 0: id"},
		{"deep", big, "nested deeper than 100 levels"},
		{"malformed role", `[{"id": "/providers/Microsoft.Authorization/roleDefinitions/x", "roleName": "x"}]`, "is malformed"},
	} {
		_, err := Files{Path: write(t, "in.json", c.text)}.Load(context.Background())
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "in.json") {
			t.Errorf("%s: error %v, want one with %q and the file", c.name, err, c.want)
		}
	}
	if _, err := (Files{Path: filepath.Join(t.TempDir(), "none")}).Load(context.Background()); err == nil || !strings.Contains(err.Error(), "there is no file or folder") {
		t.Errorf("no such path: %v", err)
	}
	if _, err := (Files{Path: write(t, "readme.txt", "x")}).Load(context.Background()); err == nil || !strings.Contains(err.Error(), "holds no .json files") {
		t.Errorf("no files: %v", err)
	}
	if _, err := (Files{Path: write(t, "aks.json", bareCluster), Registries: []string{"acr"}}).Load(context.Background()); err == nil || !strings.Contains(err.Error(), "az acr show --name acr") {
		t.Errorf("no registry: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (Files{Path: write(t, "aks.json", bareCluster)}).Load(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// az has no command for deny assignments: files without them say so, and decide as if there were none.
func TestFilesWithoutDenies(t *testing.T) {
	for text, want := range map[string]int{`{"value": []}`: 1, "[]": 2} {
		e := load(t, Files{Path: write(t, "aks.json", bareCluster, "deny.json", text)})
		if len(e.Incomplete) != want {
			t.Errorf("%s: incomplete %+v", text, e.Incomplete)
		}
	}
}

// A single file is as good as a folder, and links out of a folder are not followed.
func TestFilesPaths(t *testing.T) {
	dir := write(t, "aks.json", bareCluster, "deep/er/x.JSON", "[]")
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link.json")); err != nil {
		t.Fatal(err)
	}
	got, err := Files{Path: dir}.paths()
	want := []string{filepath.Join(dir, "aks.json"), filepath.Join(dir, "deep/er/x.JSON")}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if e := load(t, Files{Path: want[0]}); len(e.Clusters) != 1 {
		t.Errorf("%d clusters", len(e.Clusters))
	}
}

func TestFilesClusters(t *testing.T) {
	other := strings.ReplaceAll(bareCluster, "managedClusters/c", "managedClusters/d")
	dir := write(t, "aks.json", "["+bareCluster+","+other+"]")
	for _, c := range []struct {
		names []string
		group string
		want  int
		err   string
	}{
		{want: 2},
		{names: []string{"C"}, want: 1},
		{names: []string{"rg/d", "D"}, want: 1},
		{names: []string{"c", "d"}, want: 2},
		{names: []string{"/subscriptions/11111111-1111-1111-1111-111111111111/resourcegroups/RG/providers/Microsoft.ContainerService/managedClusters/c"}, want: 1},
		{group: "rg", want: 2},
		{group: "other", want: 0},
		{names: []string{"e"}, err: "there is no cluster e in " + dir + "; there is rg/c, rg/d"},
		{names: []string{"c"}, group: "other", err: "there is no cluster c"},
	} {
		e, err := Files{Path: dir, Clusters: c.names, Group: c.group}.Load(context.Background())
		switch {
		case c.err != "":
			if !errors.As(err, new(*NotFound)) || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%v: error %v, want one with %q", c.names, err, c.err)
			}
		case err != nil || len(e.Clusters) != c.want:
			t.Errorf("%v of %q: %d clusters, %v; want %d", c.names, c.group, len(e.Clusters), err, c.want)
		}
	}
}

func TestUnflatten(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"id":"/a/b","name":"n","x":1}`, `{"id":"/a/b","name":"n","properties":{"x":1}}`},
		{`{"id":"/a/b","properties":{"x":1},"y":2}`, `{"id":"/a/b","properties":{"x":1},"y":2}`},
		{`{"id":"/a/b","ref":{"id":"/c","resourceGroup":"g"}}`, `{"id":"/a/b","properties":{"ref":{"id":"/c","resourceGroup":"g"}}}`},
		{`{"id":"/a/b","subnets":[{"id":"/s","prefix":"p"}]}`, `{"id":"/a/b","properties":{"subnets":[{"id":"/s","properties":{"prefix":"p"}}]}}`},
		{`{"id":"not an id","x":1}`, `{"id":"not an id","x":1}`},
	} {
		in, err := decodeText([]byte(c.in))
		want, err2 := decodeText([]byte(c.want))
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if got := fmt.Sprint(unflatten(in)); got != fmt.Sprint(want) {
			t.Errorf("%s\nbecame %s\nwant   %v", c.in, got, want)
		}
	}
}

func FuzzFiles(f *testing.F) {
	f.Add([]byte(bareCluster))
	f.Add([]byte(`[{"id":"/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.Authorization/roleAssignments/x","principalId":"1"}]`))
	f.Add([]byte(`{"value":[{"id":"a0000000-0000-0000-0000-000000000001","members":[{"id":1}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := decodeText(text)
		if err != nil {
			return
		}
		in := filesReader{builder: newBuilder(""), listed: map[string]bool{}, current: listing{map[string]bool{}, map[azure.PrincipalID]bool{}}}
		if in.take(v) != nil {
			return
		}
		in.noteListing()
		in.completeRoles()
		in.markGaps()
		for _, c := range in.build().Clusters {
			_ = c.References()
		}
	})
}
