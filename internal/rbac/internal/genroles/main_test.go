package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

const definitions = `[
 {"id": "/providers/Microsoft.Authorization/roleDefinitions/7f951dda-4ed3-4680-a7ca-43fe172d538d", "name": "7F951DDA-4ed3-4680-a7ca-43fe172d538d",
  "roleName": "Zebra", "roleType": "BuiltInRole", "assignableScopes": ["/"],
  "permissions": [{"actions": ["a/*"], "notActions": ["a/b"], "dataActions": ["c"], "notDataActions": ["d"], "condition": "x", "conditionVersion": "2.0"}, {}]},
 {"name": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "roleName": "Ant", "permissions": []}
]`

func TestParse(t *testing.T) {
	want := []rbac.Role{
		{ID: azure.MustGUID("8e3af657-a8ff-443c-a75c-2fe8c4bcb635"), Name: "Ant", Permissions: []rbac.Permission{}},
		{ID: azure.MustGUID("7f951dda-4ed3-4680-a7ca-43fe172d538d"), Name: "Zebra", Permissions: []rbac.Permission{
			{Actions: []string{"a/*"}, NotActions: []string{"a/b"}, DataActions: []string{"c"}, NotDataActions: []string{"d"}, Condition: "x", ConditionVersion: "2.0"}, {}}},
	}
	if got, err := parse([]byte(definitions)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
	for _, in := range []string{"", "{}", `[{"name": "x"}]`, `[{"name": "7f951dda-4ed3-4680-a7ca-43fe172d538d"}]`, `[{"roleName": "x"}]`,
		`[{"name": "7f951dda-4ed3-4680-a7ca-43fe172d538d", "roleName": "x"}, {"name": "7f951dda4ed34680a7ca43fe172d538d", "roleName": "y"}]`} {
		if roles, err := parse([]byte(in)); err == nil {
			t.Errorf("%s reads as %+v", in, roles)
		}
	}
}

func TestRunWritesTheSameTableWhateverTheOrder(t *testing.T) {
	dir := t.TempDir()
	table := func(definitions string) []byte {
		in, out := filepath.Join(dir, "in.json"), filepath.Join(dir, "out.bin")
		if err := os.WriteFile(in, []byte(definitions), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := run(in, out); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	zebra, ant, _ := strings.Cut(strings.Trim(definitions, "[]"), "},\n {\"name\"")
	swapped := "[{\"name\"" + ant + "," + zebra + "}]"
	if a, b := table(definitions), table(swapped); len(a) == 0 || !bytes.Equal(a, b) {
		t.Errorf("tables differ: %d and %d bytes", len(a), len(b))
	}
	if err := run(filepath.Join(dir, "none"), filepath.Join(dir, "out")); err == nil {
		t.Error("an input that is not there was read")
	}
}
