package evidence

import (
	"bytes"
	"context"
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
	"aksid/internal/breakglass"
	"aksid/internal/estate"
	"aksid/internal/finding"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// input is a bundle's, made of the files of testdata/estate.txtar.
func input(t *testing.T) Input {
	t.Helper()
	a, err := txtar.ParseFile("testdata/estate.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	in := Input{
		Now: now, From: now.AddDate(0, 0, -30), To: now, Version: "1.0.0", Record: record(t),
		Collector: Collector{Object: azure.MustGUID("a0000000-0000-0000-0000-0000000000bb"), Tenant: azure.MustGUID("99999999-9999-9999-9999-999999999999"), Name: "ada@example.com"},
		Rights:    []estate.Right{{Reading: estate.Readings[0], Scope: azure.SubscriptionID("11111111-1111-1111-1111-111111111111"), Held: true}},
	}
	for _, f := range a.Files {
		if name, ok := strings.CutPrefix(f.Name, "estate/"); ok {
			if err := os.WriteFile(filepath.Join(dir, name), f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		} else if in.Check.Tuning, err = finding.ParseTuning(f.Data); err != nil {
			t.Fatal(err)
		}
	}
	if in.Estate, err = (estate.Files{Path: dir, Keep: true}).Load(context.Background()); err != nil {
		t.Fatal(err)
	}
	in.Check.Now = now
	return in
}

// record is a break-glass record in which somebody has written a secret.
func record(t *testing.T) *breakglass.Record {
	t.Helper()
	f := breakglass.File{Path: filepath.Join(t.TempDir(), "record.jsonl")}
	d := breakglass.Desk{Record: f, Now: now, Who: breakglass.Person{Object: azure.MustGUID("a0000000-0000-0000-0000-0000000000cc"), Name: "Nobody Else"}}
	_, err := d.Request(context.Background(), breakglass.Asked{
		Cluster: azure.MustID("/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg1/providers/Microsoft.ContainerService/managedClusters/c1"),
		Need:    "subnet-join", For: breakglass.Span(time.Hour), Grants: []breakglass.Wanted{{RoleName: "Network Contributor", PrincipalName: "c1", PrincipalType: "ServicePrincipal"}},
	}, "INC-1, log in with password=planted-15-why")
	if err != nil {
		t.Fatal(err)
	}
	rec, err := f.Read()
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func makeBundle(t *testing.T, in Input) []File {
	t.Helper()
	files, err := Make(in)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func find(t *testing.T, files []File, path string) string {
	t.Helper()
	i := slices.IndexFunc(files, func(f File) bool { return f.Path == path })
	if i < 0 {
		t.Fatalf("no %s", path)
	}
	return string(files[i].Data)
}

// requestID is random, and stands in golden files as bg-ID.
var requestID = regexp.MustCompile(`bg-\d{8}-\w{8}`)

// digests of what holds a request's id differ with it.
var digests = regexp.MustCompile(`\b[0-9a-f]{64}\b`)

// What a bundle holds, whole. A file that differs is a change of the contract.
func TestGolden(t *testing.T) {
	for name, redact := range map[string]bool{"testdata/bundle.txtar": false, "testdata/redacted.txtar": true} {
		in := input(t)
		in.Redact = redact
		var got txtar.Archive
		for _, f := range makeBundle(t, in) {
			if strings.HasPrefix(f.Path, "check/") || f.Path == "summary.html" || f.Path == ManifestName {
				continue // report's own, and pages
			}
			text := digests.ReplaceAllString(requestID.ReplaceAllString(string(f.Data), "bg-ID"), "SHA256")
			got.Files = append(got.Files, txtar.File{Name: f.Path, Data: []byte(text)})
		}
		text := txtar.Format(&got)
		if *update {
			if err := os.WriteFile(name, text, 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(text, want) {
			t.Errorf("%s is not what is made; write it anew with: go test ./internal/evidence -update\n%s", name, diff.Diff("testdata", want, "now", text))
		}
	}
}

// Secrets that were planted in every input come into no file.
func TestNoSecrets(t *testing.T) {
	in := input(t)
	source, err := os.ReadFile("testdata/estate.txtar")
	if err != nil {
		t.Fatal(err)
	}
	planted := regexp.MustCompile(`planted-\d+`)
	if n := len(planted.FindAllString(string(source)+string(in.Record.Text), -1)); n < 15 {
		t.Fatalf("only %d secrets are planted", n)
	}
	for _, f := range makeBundle(t, in) {
		if found := planted.FindString(string(f.Data)); found != "" {
			t.Errorf("%s holds %s", f.Path, found)
		}
	}
}

// What looks like a secret is taken out, and what does not is left.
func TestScrub(t *testing.T) {
	for _, s := range []string{
		"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----",
		"-----BEGIN RSA PRIVATE KEY-----\ncut short",
		"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
		"https://x.blob.core.windows.net/c?sv=2024&sig=" + strings.Repeat("aB3%2F", 8),
		"DefaultEndpointsProtocol=https;AccountName=a;AccountKey=" + strings.Repeat("A", 86) + "==;",
		"Authorization: Bearer " + strings.Repeat("x", 40),
		"abc8Q~" + strings.Repeat("x", 34),
		"client_secret=hunter2", "Password: hunter2",
	} {
		if got := scrub("before " + s + " after"); !strings.Contains(got, taken) || strings.Contains(got, "hunter2") || strings.Contains(got, "b3BlbnNzaC1rZXk") {
			t.Errorf("%s: %s", s, got)
		}
	}
	for _, s := range []string{
		"/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-password/providers/Microsoft.KeyVault/vaults/secrets",
		"azureKeyvaultSecretsProvider", "the password of the service principal has ended", "Microsoft.Authorization/roleAssignments/write",
		strings.Repeat("0123456789abcdef", 4), "SHA256:qH2oYxE2E4/xHZqJEOxKxYwQEiqvde7SW0EpAHQ8Lh8", "disableLocalAccounts",
	} {
		if got := scrub(s); got != s {
			t.Errorf("%s became %s", s, got)
		}
	}
}

// The same input makes the same bytes; another time changes what tells it, and nothing else.
func TestSameBytes(t *testing.T) {
	in := input(t)
	in.Record = nil // its request has a random id
	first, second := makeBundle(t, in), makeBundle(t, in)
	again := input(t)
	again.Record = nil
	third := makeBundle(t, again)
	in.Now = in.Now.Add(time.Hour)
	later := makeBundle(t, in)
	times := []string{"check/report.html", "check/report.md", "collection.json", ManifestName, "summary.html", "summary.md"}
	for i, f := range first {
		if !bytes.Equal(f.Data, second[i].Data) || !bytes.Equal(f.Data, third[i].Data) {
			t.Errorf("%s differs between two runs", f.Path)
		}
		if !bytes.Equal(f.Data, later[i].Data) && !slices.Contains(times, f.Path) {
			t.Errorf("%s differs an hour later", f.Path)
		}
	}
}

// Redacted names are in no file, and the same principal goes by the same name in every bundle.
func TestRedact(t *testing.T) {
	in := input(t)
	in.Redact = true
	files := makeBundle(t, in)
	for _, f := range files {
		for _, name := range []string{"Ada Lovelace", "ada@example.com", "Grace Hopper", "Nobody Else", "Platform | Owners", "Platform | Owners"} {
			if strings.Contains(string(f.Data), name) || strings.Contains(string(f.Data), strings.ReplaceAll(name, "|", `\|`)) {
				t.Errorf("%s holds %q", f.Path, name)
			}
		}
	}
	ada := (&pseudonyms{on: true}).person(azure.MustGUID("a0000000-0000-0000-0000-0000000000bb"), "x")
	for _, path := range []string{"directory/principals.json", "activity/changes.json", "collection.json", "summary.md", "roles/assignments.json"} {
		if !strings.Contains(find(t, files, path), ada) {
			t.Errorf("%s does not have %s", path, ada)
		}
	}
	if strings.Contains(find(t, files, "directory/principals.json"), `"displayName": "id1"`) {
		t.Error("a managed identity's name is not there to be left")
	}
}

func TestReplaceWord(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"Ada has it", "X has it"}, {"(Ada)", "(X)"}, {"Adam and Ada", "Adam and X"}, {"/groups/Ada/x", "/groups/Ada/x"}, {"team-Ada", "team-Ada"}, {"Ada", "X"},
	} {
		if got := replaceWord(c.in, "Ada", "X"); got != c.want {
			t.Errorf("%s: %s, want %s", c.in, got, c.want)
		}
	}
}

// The page is one file without scripts, that reads nothing from anywhere; names cannot become markup.
func TestPage(t *testing.T) {
	in := input(t)
	in.Collector.Name = `<script>alert(1)</script>`
	page := find(t, makeBundle(t, in), "summary.html")
	for _, bad := range []string{"<script", "http://", "https://", "<link", "<img", "@import", "url("} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %s", bad)
		}
	}
	if !strings.Contains(page, "default-src &#39;none&#39;; style-src &#39;sha256-") || !strings.Contains(page, "&lt;script&gt;") {
		t.Error("the page has no policy, or not the name")
	}
}
