package report

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/finding"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// check loads the files of an archive, beside its golden ones, and checks their clusters.
func check(t *testing.T, a *txtar.Archive) Result {
	t.Helper()
	dir := t.TempDir()
	for _, f := range a.Files {
		path := filepath.Join(dir, f.Name)
		if !strings.HasSuffix(f.Name, ".json") || strings.HasPrefix(f.Name, "golden") {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e, err := estate.Files{Path: dir, Registries: []string{"freightacr"}}.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	e.From = "exports"
	var results []finding.Result
	for _, c := range e.Clusters {
		results = append(results, finding.Check(e, c))
	}
	return New(e, results)
}

// golden compares with a file of an archive, or rewrites it.
func golden(t *testing.T, a *txtar.Archive, path, name, got string) {
	t.Helper()
	i := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == name })
	if *update {
		if i < 0 {
			a.Files = append(a.Files, txtar.File{Name: name})
			i = len(a.Files) - 1
		}
		a.Files[i].Data = []byte(got)
		if err := os.WriteFile(path, txtar.Format(a), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if i < 0 || string(a.Files[i].Data) != got {
		t.Errorf("%s is now\n%s", name, got)
	}
}

func TestGolden(t *testing.T) {
	const path = "testdata/freight.txtar"
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := check(t, a)
	var table, contract bytes.Buffer
	if err := (Table{Took: 412 * time.Millisecond}).Print(&table, r); err != nil {
		t.Fatal(err)
	}
	if err := JSON(&contract, r); err != nil {
		t.Fatal(err)
	}
	golden(t, a, path, "golden.txt", table.String())
	golden(t, a, path, "golden.json", contract.String())
}

// The contract's members: they may only become more.
func TestContract(t *testing.T) {
	a, err := txtar.ParseFile("testdata/freight.txtar")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(check(t, a))
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	for path, members := range map[string]string{
		"":                                "schemaVersion from complete incomplete clusters",
		"clusters":                        "id name identities requirements findings",
		"clusters.identities":             "role kind principalId clientId resourceId assignments",
		"clusters.identities.assignments": "role roleDefinitionId scope principalId inherited via condition createdOn",
		"clusters.requirements":           "id feature identity actions dataActions scope phase needed status reason grantedBy missing breaks",
		"clusters.findings":               "rule severity title detail principalId scope remedy",
		"clusters.findings.remedy":        "az",
	} {
		object := first(v, path)
		for _, m := range strings.Fields(members) {
			if _, ok := object[m]; !ok {
				t.Errorf("%s has no %s", path, m)
			}
		}
	}
	if first(v, "")["schemaVersion"] != "1" {
		t.Error("schema version is not 1")
	}
}

// first descends into members, and into the first elements of arrays.
func first(v any, path string) map[string]any {
	for _, key := range strings.Split(path, ".") {
		if m, ok := v.(map[string]any); ok && key != "" {
			v = m[key]
		}
		if l, ok := v.([]any); ok && len(l) > 0 {
			v = l[0]
		}
	}
	m, _ := v.(map[string]any)
	return m
}

// Lists are never null, so that queries over them do not fail.
func TestEmptyListsAreLists(t *testing.T) {
	var b bytes.Buffer
	r := New(&estate.Estate{From: "azure"}, []finding.Result{{Cluster: &estate.Cluster{Resource: estate.Resource{ID: azure.MustID("/subscriptions/s/resourceGroups/g/providers/x/y/c")}}}})
	if err := JSON(&b, r); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "null") {
		t.Errorf("null in\n%s", b.String())
	}
}

func TestVerdicts(t *testing.T) {
	findings := func(s ...finding.Severity) Result {
		var c Cluster
		for _, x := range s {
			c.Findings = append(c.Findings, Finding{Severity: x})
		}
		return Result{Clusters: []Cluster{{}, c}}
	}
	for _, c := range []struct {
		r    Result
		want finding.Severity
	}{
		{findings(), ""},
		{findings(finding.Note), finding.Note},
		{findings(finding.Note, finding.Error, finding.Warning), finding.Error},
	} {
		if got := c.r.Worst(); got != c.want {
			t.Errorf("worst %q, want %q", got, c.want)
		}
	}
	requirement := func(s finding.Status, n catalogue.Certainty) Result {
		return Result{Clusters: []Cluster{{Requirements: []Requirement{{Status: s, Needed: n}}}}}
	}
	for _, c := range []struct {
		r    Result
		want bool
	}{
		{Result{}, false},
		{requirement(finding.Missing, catalogue.Now), false},
		{requirement(finding.Unknown, catalogue.Now), true},
		{requirement(finding.Unknown, catalogue.Maybe), false},
		{Result{Incomplete: []estate.Incomplete{{What: "names"}}}, false},
		{Result{Incomplete: []estate.Incomplete{{What: "clusters", Clusters: true}}}, true},
	} {
		if got := c.r.Undecided(); got != c.want {
			t.Errorf("%+v undecided: %v", c.r, got)
		}
	}
}
