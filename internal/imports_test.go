// Package internal_test holds what concerns the packages of the module as a whole.
package internal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rule says what a package may import beside the standard library: packages of this module, by their path below it,
// and other modules' packages, by the beginning of their path. Tests may import what they like.
type rule struct {
	packages string // separated by blanks
	modules  string // separated by blanks
	why      string
}

const azureSDK = "github.com/Azure/azure-sdk-for-go/sdk/"

// rules, from the bottom up. A new package needs a row.
var rules = map[string]rule{
	"internal/azure": {why: "the vocabulary that everything shares: it does no I/O and has no dependencies, so nothing is drawn in with it"},
	"internal/plain": {why: "what others may have written is read up to a size, and printed without doing anything, by one rule"},
	"internal/local": {packages: "internal/azure",
		why: "a client finds the local Azure without containing it"},
	"internal/rbac": {packages: "internal/azure",
		why: "the engine is a pure function: the local Azure decides with it and the analysis predicts with it, so it knows neither"},
	"internal/template": {packages: "internal/azure",
		why: "a template says what it would deploy before anything exists: the local Azure deploys with it and the analysis reads with it, so it knows neither"},
	"internal/rbac/internal/genroles": {packages: "internal/azure internal/rbac",
		why: "the generator of the built-in roles writes what the engine reads"},

	"internal/policy": {packages: "internal/azure internal/template",
		why: "Azure Policy's language is a pure function, like rbac: the local Azure enforces with it and the analysis predicts with it. Its expressions are those of templates"},

	"internal/kql": {why: "a query language over rows: it knows neither Azure nor where the rows come from"},

	"internal/filelock": {why: "that one process at a time has something is the same for a data folder and for a watcher's state"},

	"internal/cloud/recent": {why: "what was used of late is the same for documents and for tokens"},
	"internal/cloud/store": {packages: "internal/filelock internal/cloud/recent", modules: "modernc.org/sqlite",
		why: "documents in transactions: it knows no Azure, so that another backend replaces this package alone; the driver needs no cgo"},
	"internal/cloud/store/storetest": {packages: "internal/cloud/store",
		why: "the contract knows the interface, not a backend"},
	"internal/cloud/directory": {packages: "internal/azure internal/cloud/store",
		why: "who exists is stored; what they may do is decided elsewhere"},
	"internal/cloud/entra": {packages: "internal/azure internal/rbac internal/cloud/store internal/cloud/directory internal/cloud/recent", modules: "github.com/go-jose/go-jose/v4",
		why: "tokens and Graph stand on the directory and know no resources; signatures are a library's work"},
	"internal/cloud/arm": {packages: "internal/azure internal/rbac internal/cloud/store internal/cloud/directory",
		why: "the front door knows no resource type: types come to it as data"},
	"internal/cloud/provider": {packages: "internal/azure internal/rbac internal/kql internal/template internal/policy internal/cloud/store internal/cloud/directory internal/cloud/arm",
		why: "a provider is rows for the front door, which checks every call before it; it writes no response and issues no token"},
	"internal/cloud/dataplane": {packages: "internal/azure internal/rbac internal/cloud/store internal/cloud/directory",
		modules: "github.com/go-jose/go-jose/v4 cuelabs.dev/go/oci/ociregistry github.com/opencontainers",
		why:     "the second door beside arm, not behind it; a registry signs tokens of its own, and speaks the distribution protocol through a library"},
	"internal/cloud": {packages: "internal/azure internal/rbac internal/cloud/store internal/cloud/directory internal/cloud/entra " +
		"internal/cloud/arm internal/cloud/provider internal/cloud/dataplane",
		why: "wires its children and nothing else; it never imports estate: they meet over HTTP, so that what is tested locally is what runs on Azure"},

	"internal/estate": {packages: "internal/azure internal/plain internal/rbac internal/policy internal/local internal/template", modules: azureSDK + " github.com/hashicorp/hcl/v2 github.com/zclconf/go-cty/cty go.yaml.in/yaml/v3",
		why: "the one package that reads Azure, through Azure's own SDK, and Terraform, through its own parser; it never imports cloud: the local Azure is to it another endpoint"},
	"internal/catalogue": {packages: "internal/azure internal/estate",
		why: "what AKS needs is stated without the engine, and without what the local Azure checks: tests compare them"},
	"internal/access": {packages: "internal/azure internal/estate internal/catalogue",
		why: "what was done tells what must be allowed, and what no log holds the catalogue: it needs no engine"},
	"internal/finding": {packages: "internal/azure internal/plain internal/rbac internal/policy internal/template internal/estate internal/catalogue internal/whocan", modules: "go.yaml.in/yaml/v3",
		why: "rules look at what is needed, what is granted and who else could act with it; they do no I/O. How they are tuned is a text in YAML"},
	"internal/whocan": {packages: "internal/azure internal/rbac internal/estate internal/catalogue",
		why: "who could do something, from what is known; what a role could create that costs money is told to it"},
	"internal/failure": {packages: "internal/azure internal/plain internal/rbac internal/estate internal/catalogue",
		why: "an error text is understood by itself; an estate only adds to it"},
	"internal/inventory": {packages: "internal/azure internal/rbac internal/estate internal/whocan",
		why: "what there is, and who may change it"},
	"internal/drift": {packages: "internal/azure internal/rbac internal/estate internal/catalogue internal/finding",
		why: "estates are compared by what their clusters need and are granted: it reads nothing and shows nothing"},
	"internal/remedy": {packages: "internal/azure internal/plain internal/rbac internal/policy internal/estate", modules: "github.com/hashicorp/hcl/v2/hclwrite",
		why: "plans are made from changes, whatever asked for them, and say which policies refuse them; Terraform text is laid out by Terraform's own formatter"},
	"internal/evidence": {packages: "internal/azure internal/plain internal/rbac internal/estate internal/finding internal/whocan internal/breakglass internal/report", modules: "golang.org/x/crypto/ssh",
		why: "a bundle is made of what was read and found; its signature is OpenSSH's, through Go's own library"},
	"internal/breakglass": {packages: "internal/azure internal/plain internal/rbac internal/estate internal/finding",
		why: "what is given in an emergency is the least that mends a finding; it is written through the estate's writer"},
	"internal/governance": {packages: "internal/azure internal/policy internal/template internal/estate",
		why: "what policies say of clusters: rules and documents meet here. It knows neither findings nor how results are shown"},
	"internal/report": {packages: "internal/azure internal/plain internal/governance internal/rbac internal/estate internal/catalogue internal/finding internal/failure internal/remedy internal/drift internal/inventory internal/whocan internal/watch",
		why: "shows results and computes none"},

	"internal/watch": {packages: "internal/azure internal/plain internal/rbac internal/filelock internal/estate internal/finding internal/failure internal/remedy", modules: "github.com/prometheus/client_golang",
		why: "tells of changes as they happen, in words of its own: what is printed where is its caller's affair"},

	"internal/drill/act": {
		why: "what aksid and the controllers' program say to each other: a module of its own imports it, and nothing is to be drawn in there"},
	"internal/drill": {packages: "internal/azure internal/plain internal/filelock internal/rbac internal/local internal/estate internal/catalogue internal/finding internal/drill/act",
		why: "predictions and what comes of them are compared; Kubernetes acts in a program of its own, the local Azure is started by who asks"},

	"internal/scenario": {packages: "internal/azure internal/rbac internal/local", modules: "golang.org/x/crypto/ssh",
		why: "stories play on a local Azure that somebody else has started, by its API, and with aksid's commands as a user has them: they know neither cloud nor cli"},

	"internal/cli": {
		packages: `
			internal/access
			internal/azure
			internal/breakglass
			internal/evidence
			internal/catalogue
			internal/cloud
			internal/drift
			internal/drill
			internal/drill/act
			internal/estate
			internal/failure
			internal/filelock
			internal/finding
			internal/governance
			internal/local
			internal/plain
			internal/rbac
			internal/remedy
			internal/report
			internal/scenario
			internal/watch
			internal/whocan`,
		modules: "github.com/spf13/cobra github.com/spf13/pflag github.com/jmespath/go-jmespath golang.org/x/term github.com/rogpeppe/go-internal/lockedfile",
		why:     "flags, files and exit codes; it starts the local Azure through cloud alone, never through cloud's children"},
	"scripts/release": {why: "it builds aksid with the go command and packs what that makes; it knows nothing of it"},
	"cmd/aksid":       {packages: "internal/cli", why: "main only calls the command line, so that tests can run it in their process"},
}

// listed is what `go list -json` says of a package.
type listed struct {
	ImportPath string
	Dir        string
	Module     struct{ Path string }
	GoFiles    []string
	CgoFiles   []string
	Imports    []string // without those of tests
}

func TestImports(t *testing.T) {
	for _, p := range list(t) {
		watch(t, p)
		for _, v := range violations(p) {
			t.Error(v)
		}
	}
}

// list asks for every package of the module, cgo files included.
func list(t *testing.T) (packages []listed) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Module,GoFiles,CgoFiles,Imports", "./...")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, stderr.Bytes())
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if len(packages) < 5 {
		t.Fatalf("%v listed %d packages", cmd, len(packages))
	}
	return packages
}

// watch looks at a package's files, so that go test does not take a result from its cache when they have changed.
func watch(t *testing.T, p listed) {
	files, err := os.ReadDir(p.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, err := os.Stat(filepath.Join(p.Dir, f.Name())); err != nil {
			t.Fatal(err)
		}
	}
}

// violations says what a package imports against its rule.
func violations(p listed) (all []string) {
	if len(p.GoFiles)+len(p.CgoFiles) == 0 {
		return nil // tests only
	}
	module := p.Module.Path + "/"
	name := strings.TrimPrefix(p.ImportPath, module)
	r, ok := rules[name]
	if !ok {
		return []string{fmt.Sprintf("%s has no rule: say in imports_test.go what it may import, and why", name)}
	}
	for _, path := range p.Imports {
		imported, own := strings.CutPrefix(path, module)
		first, _, _ := strings.Cut(path, "/")
		allowed := true
		switch {
		case path == "C":
			allowed = false
		case own:
			allowed = slices.Contains(strings.Fields(r.packages), imported)
		case strings.Contains(first, "."): // no path of the standard library does
			allowed = slices.ContainsFunc(strings.Fields(r.modules), func(m string) bool { return within(path, m) })
		}
		if !allowed {
			all = append(all, fmt.Sprintf("%s must not import %s: %s", name, imported, r.why))
		}
	}
	return all
}

// within says whether path is m or lies below it.
func within(path, m string) bool {
	return path == m || strings.HasPrefix(path, strings.TrimSuffix(m, "/")+"/")
}

// The check finds what it is for.
func TestViolations(t *testing.T) {
	for _, c := range []struct {
		pkg, imports string
		want         string // what the violation says, "" for none
	}{
		{"internal/azure", "fmt iter", ""},
		{"internal/azure", "aksid/internal/rbac", "must not import internal/rbac: the vocabulary"},
		{"internal/azure", "C", "must not import C"},
		{"internal/cloud/store", "modernc.org/sqlite modernc.org/sqlite/lib database/sql/driver", ""},
		{"internal/cloud/store", "modernc.org/sqlitefake", "must not import modernc.org/sqlitefake"},
		{"internal/cloud/store", "aksid/internal/azure", "it knows no Azure"},
		{"internal/estate", "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm aksid/internal/local", ""},
		{"internal/estate", "aksid/internal/cloud", "it never imports cloud"},
		{"internal/cloud", "aksid/internal/estate", "they meet over HTTP"},
		{"internal/cli", "aksid/internal/cloud", ""},
		{"internal/cli", "aksid/internal/cloud/store", "never through cloud's children"},
		{"internal/cli/sub", "fmt", "has no rule"},
	} {
		p := listed{ImportPath: "aksid/" + c.pkg, GoFiles: []string{"x.go"}, Imports: strings.Fields(c.imports)}
		p.Module.Path = "aksid"
		got := strings.Join(violations(p), "\n")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s with %s: %q, want %q", c.pkg, c.imports, got, c.want)
		}
	}
}

// The rules name no package that they do not describe, and none that would import itself through others.
func TestRules(t *testing.T) {
	var depth func(name string, path []string) int
	depth = func(name string, path []string) int {
		if slices.Contains(path, name) {
			t.Fatalf("a circle: %v", append(path, name))
		}
		r, ok := rules[name]
		if !ok || r.why == "" {
			t.Fatalf("%s has no rule, or none with a reason: %v", name, path)
		}
		deepest := 0
		for _, imported := range strings.Fields(r.packages) {
			deepest = max(deepest, depth(imported, append(slices.Clone(path), name)))
		}
		return deepest + 1
	}
	for name := range rules {
		depth(name, nil)
	}
}
