package report

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/diff"
	"golang.org/x/tools/txtar"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/finding"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// check loads the files of an archive, beside its golden ones, and checks their clusters.
func check(t *testing.T, a *txtar.Archive, registries ...string) Report {
	t.Helper()
	e := load(t, a, registries...)
	e.From = "exports"
	var results []finding.Result
	for _, c := range e.Clusters {
		results = append(results, finding.Check(e, c))
	}
	return New(e, slices.Values(results))
}

func load(t *testing.T, a *txtar.Archive, registries ...string) *estate.Estate {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir()) // what is read tells of files as the user named them
	for _, f := range a.Files {
		if !strings.HasSuffix(f.Name, ".json") || strings.HasPrefix(f.Name, "golden") {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(f.Name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e, err := estate.Files{Path: ".", Registries: registries}.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(here)
	return e
}

// archive reads a file of testdata, and says where it is.
func archive(t *testing.T, name string) (a *txtar.Archive, path string) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name+".txtar"))
	if err == nil {
		a, err = txtar.ParseFile(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a, path
}

// report is a result on its way to a printer.
func (r Result) report() Report {
	return Report{From: r.From, Incomplete: r.Incomplete, Clusters: slices.Values(r.Clusters)}
}

// print prints a report into a text.
func (r Report) print(t *testing.T, format string, table Table) string {
	t.Helper()
	var b strings.Builder
	if _, err := r.Print(&b, format, table); err != nil {
		t.Fatal(err)
	}
	return b.String()
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
	} else if i < 0 {
		t.Errorf("%s is not in %s; write it with: go test ./internal/report -update", name, path)
	} else if want := string(a.Files[i].Data); want != got {
		t.Errorf("%s is another\n%s", name, diff.Diff("testdata", []byte(want), "now", []byte(got)))
	}
}

// passed are cases that passed, and how many cases there are: they are other ones with each new rule.
var passed = regexp.MustCompile(`(?m)^ *<testcase [^>]*></testcase>\n| tests="\d+"`)

func TestGolden(t *testing.T) {
	a, path := archive(t, "freight")
	r := check(t, a, "freightacr")
	golden(t, a, path, "golden.txt", r.print(t, "table", Table{Took: func() time.Duration { return 412 * time.Millisecond }}))
	golden(t, a, path, "golden.json", r.print(t, "json", Table{}))
	r.At, r.Version, r.FailOn = time.Date(2026, 3, 2, 10, 30, 0, 0, time.UTC), "v1.2.3", finding.Error
	golden(t, a, path, "golden.md", r.print(t, "markdown", Table{}))
	golden(t, a, path, "golden.sarif", r.print(t, "sarif", Table{}))
	golden(t, a, path, "golden.xml", passed.ReplaceAllString(r.print(t, "junit", Table{}), ""))
	golden(t, a, path, "golden.html", r.print(t, "html", Table{}))
}

// Of what is not there yet, findings say where it is written.
func TestPlanned(t *testing.T) {
	a, path := archive(t, "planned")
	r := check(t, a)
	golden(t, a, path, "golden.txt", r.print(t, "table", Table{}))
	golden(t, a, path, "golden.json", r.print(t, "json", Table{}))
	golden(t, a, path, "golden.md", r.print(t, "markdown", Table{}))
	golden(t, a, path, "golden.sarif", r.print(t, "sarif", Table{}))
	golden(t, a, path, "golden.html", r.print(t, "html", Table{}))
}

// The contract's members: they may only become more.
func TestContract(t *testing.T) {
	a, _ := archive(t, "freight")
	var v any
	if err := json.Unmarshal([]byte(check(t, a, "freightacr").print(t, "json", Table{})), &v); err != nil {
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
	bare := finding.Result{Cluster: &estate.Cluster{Resource: estate.Resource{ID: azure.MustID("/subscriptions/s/resourceGroups/g/providers/x/y/c")}}}
	for _, results := range [][]finding.Result{nil, {bare}, {bare, bare}} {
		text := New(&estate.Estate{From: "azure"}, slices.Values(results)).print(t, "json", Table{})
		if strings.Contains(text, "null") {
			t.Errorf("null in\n%s", text)
		}
	}
}

// One cluster after the other, JSON is what it is of the whole.
func TestJSONIsTheResult(t *testing.T) {
	c := Cluster{Name: `"clusters": []`, Findings: []Finding{{Title: "<&>"}}}
	for n := range 4 {
		r := Result{From: `"clusters": []`, Incomplete: []estate.Incomplete{{What: "names"}}, Clusters: slices.Repeat([]Cluster{c}, n)}.report()
		whole, _ := r.Result()
		var want strings.Builder
		if err := JSON(&want, whole); err != nil {
			t.Fatal(err)
		}
		if got := r.print(t, "json", Table{}); got != want.String() {
			t.Errorf("%d clusters:\n%s\nwant\n%s", n, got, want.String())
		}
	}
}

func TestTally(t *testing.T) {
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
		if _, tally := c.r.report().Result(); tally.Worst() != c.want || tally.Clusters != 2 {
			t.Errorf("%+v, want the worst to be %q", tally, c.want)
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
		if _, tally := c.r.report().Result(); tally.Undecided != c.want {
			t.Errorf("%+v undecided: %v", c.r, tally.Undecided)
		}
	}
}

// Before a change every format says whether it can be made, and rules that are not about it are no cases.
func TestBefore(t *testing.T) {
	before := finding.Before{Occasion: catalogue.Upgrade}
	unknown := Cluster{Requirements: []Requirement{{Status: finding.Unknown, Needed: catalogue.Now}}}
	for answer, c := range map[Answer]Cluster{Go: {}, NoGo: {Findings: []Finding{{Rule: "locked", Severity: finding.Error}}}, NotKnown: unknown} {
		r := Result{Clusters: []Cluster{c}}.report()
		r.Before, r.FailOn = before, finding.Error
		want := map[Answer]string{Go: "Go: nothing stands against upgrade", NoGo: "No go: see what has to be done before upgrade", NotKnown: "It cannot be told whether upgrade will work"}[answer]
		for _, format := range []string{"table", "markdown", "html"} {
			if got := r.print(t, format, Table{}); !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", format, want, got)
			}
		}
		if got := r.print(t, "json", Table{}); !strings.Contains(got, `"answer": "`+string(answer)+`"`) {
			t.Errorf("no %q in %s", answer, got)
		}
		if got := r.print(t, "junit", Table{}); strings.Contains(got, "registry-admin-user") || !strings.Contains(got, "locked") {
			t.Errorf("other rules than those that can stop an upgrade: %s", got)
		}
	}
}

// What comes to nothing is no format, and what cannot be written is an error, in every format.
func TestPrintErrors(t *testing.T) {
	for _, format := range append([]string{"yaml"}, Formats...) {
		for _, r := range []Result{{}, {Clusters: []Cluster{{}, {}}}} {
			if _, err := r.report().Print(full{}, format, Table{}); err == nil {
				t.Errorf("%s that could not be written is no error", format)
			}
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }
