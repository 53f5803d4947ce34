package entra

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"aksid/internal/azure"
	"aksid/internal/cloud/directory"
	"aksid/internal/cloud/store"
)

var rewrite = flag.Bool("update", false, "rewrite the golden files")

// TestGolden sends the requests of each file in testdata, in order, and compares the answers. A file is a list of
// requests, each with its answer behind it:
//
//	-- what it is about --
//	POST /v1.0/groups as operator
//	Header: value
//
//	body
//	-- answer --
//	201
//	…
//
// What is random has a number in angle brackets, in the order it first appears; a later request may name it.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			g := newGolden(t)
			var out []txtar.File
			for i, f := range archive.Files {
				if f.Name == "answer" {
					continue
				}
				got := g.send(string(f.Data))
				out = append(out, f, txtar.File{Name: "answer", Data: []byte(got)})
				want := ""
				if i+1 < len(archive.Files) && archive.Files[i+1].Name == "answer" {
					want = string(archive.Files[i+1].Data)
				}
				if got != want && !*rewrite {
					t.Errorf("%s: got\n%s\nwant\n%s", f.Name, got, want)
				}
			}
			if *rewrite {
				if err := os.WriteFile(path, txtar.Format(&txtar.Archive{Comment: archive.Comment, Files: out}), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// golden sends requests and writes the answers down.
type golden struct {
	*tester
	names  map[string]string // of what is random, as it is written down
	values map[string]string // and back
	count  map[string]int
}

func newGolden(t *testing.T) *golden {
	te := newTester(t)
	g := &golden{tester: te, names: map[string]string{}, values: map[string]string{}, count: map[string]int{}}
	for name, secret := range te.secrets {
		g.values["<"+name+" secret>"] = secret
	}
	g.values["<certificate>"] = base64.StdEncoding.EncodeToString(newCert(t, start).Raw)
	te.update(func(tx store.Tx) error {
		for _, m := range machines {
			if err := tx.Put(store.Doc{Kind: directory.KindResource, Key: m.id.Key(), Body: []byte(m.body)}); err != nil {
				return err
			}
		}
		return nil
	})
	return g
}

// machines that requests to the metadata service come from.
var machines = map[string]struct {
	id   azure.ID
	body string
}{
	"all":  {vm, `{"location":"westeurope","zones":["2"],"tags":{"b":"2","a":"1"},"properties":{"vmId":"00000000-0000-0000-0000-0000000000cc","hardwareProfile":{"vmSize":"Standard_D2s_v5"}},"identity":` + attachedTo(system, user1, user2) + `}`},
	"one":  {rg.Resource("Microsoft.Compute/virtualMachines", "one"), `{"identity":` + attachedTo(user1) + `}`},
	"two":  {rg.Resource("Microsoft.Compute/virtualMachines", "two"), `{"identity":` + attachedTo(user1, user2) + `}`},
	"none": {rg.Resource("Microsoft.Compute/virtualMachines", "none"), `{"location":"westeurope"}`},
	"off":  {rg.Resource("Microsoft.Compute/virtualMachines", "off"), `{"identity":` + attachedTo(disabled) + `}`},
	"pool": {rg.Resource("Microsoft.Compute/virtualMachineScaleSets", "aks-np-vmss"), `{"location":"westeurope","sku":{"name":"Standard_DS2_v2"},"identity":` + attachedTo(user1) + `}`},
	"id1":  {user1.Resource, `{"properties":{"principalId":"` + user1.ID.String() + `"}}`},
}

// attachedTo is an identity block.
func attachedTo(principals ...directory.Principal) string {
	block := map[string]any{}
	users := map[string]any{}
	for _, p := range principals {
		if p.ID == system.ID {
			block["principalId"] = p.ID
		} else {
			users[p.Resource.String()] = map[string]any{"principalId": p.ID}
		}
	}
	block["userAssignedIdentities"] = users
	b, _ := json.Marshal(block)
	return string(b)
}

// send reads a request, sends it and writes the answer.
func (g *golden) send(text string) string {
	g.t.Helper()
	for name, value := range g.values {
		text = strings.ReplaceAll(text, name, value)
	}
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimSuffix(head, "\n"), "\n")
	words := strings.Fields(lines[0])
	if len(words) < 2 {
		g.t.Fatalf("not a request: %q", lines[0])
	}
	header := http.Header{}
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ": ")
		header.Add(name, value)
	}
	if words[0] == "POST" && header.Get("Content-Type") == "" && !strings.HasPrefix(body, "{") {
		header.Set("Content-Type", "application/x-www-form-urlencoded")
		body = strings.ReplaceAll(strings.TrimSuffix(body, "\n"), "\n", "&")
	}
	handler, token := g.door(words[1], words[2:])
	return g.write(call(handler, words[0], words[1], token, header, body))
}

// door chooses the handler of a path, and the caller's token: "as reader", "on vm1".
func (g *golden) door(path string, words []string) (http.Handler, string) {
	handler, token := g.Handler(), ""
	if strings.Contains(path, "/metadata/endpoints") {
		handler = g.Metadata()
	}
	for i := 0; i+1 < len(words); i += 2 {
		switch name := words[i+1]; words[i] {
		case "as":
			token = g.token(map[string]directory.Principal{"operator": operator, "reader": reader, "disabled": disabled,
				"deleted": deleted, "ann": ann, "id1": user1}[name])
		case "on":
			m := machines[name].id
			if name == "instance" {
				m = machines["pool"].id.Join("virtualMachines", "3")
			}
			if name == "nowhere" {
				m = rg.Resource("Microsoft.Compute/virtualMachines", "nowhere")
			}
			handler = g.IMDS(m)
		}
	}
	return handler, token
}

// requests are the ids of single requests and of their traces.
var requests = regexp.MustCompile(`((?:request-id|trace_id|correlation_id)": "|(?:Trace|Correlation) ID: )[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f-]{21}`)

// What else is random: tokens, secrets and their hints, the signing key, GUIDs other than those of the tests.
var random = []struct {
	kind string
	re   *regexp.Regexp
}{
	{"token", regexp.MustCompile(`eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+`)},
	{"secret", regexp.MustCompile(`[A-Za-z0-9]{3}8Q~[A-Za-z0-9._~-]{34}`)},
	{"thumbprint", regexp.MustCompile(`"customKeyIdentifier": "[\w+/=]+`)},
	{"hint", regexp.MustCompile(`"hint": "...`)},
	{"key", regexp.MustCompile(`"(?:n|kid)": "[\w-]+`)},
	{"guid", regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)},
}

func (g *golden) write(w *httptest.ResponseRecorder) string {
	var b bytes.Buffer
	fmt.Fprintln(&b, w.Code)
	for _, name := range []string{"Content-Type", "Cache-Control", "Www-Authenticate"} {
		for _, v := range w.Header()[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	if w.Body.Len() > 0 {
		b.WriteByte('\n')
		if json.Indent(&b, w.Body.Bytes(), "", "  ") != nil {
			b.Write(w.Body.Bytes())
		}
		b.WriteByte('\n')
	}
	text := strings.ReplaceAll(b.String(), `\u0026`, "&")
	text = requests.ReplaceAllString(text, "$1<request>")
	for _, r := range random {
		text = r.re.ReplaceAllStringFunc(text, func(value string) string { return g.name(r.kind, value) })
	}
	return text
}

// name writes a random value down.
func (g *golden) name(kind, value string) string {
	if g.names[value] == "" {
		g.count[kind]++
		name := fmt.Sprintf("<%s %d>", kind, g.count[kind])
		if kind == "hint" || kind == "key" || kind == "thumbprint" {
			name = value[:strings.LastIndexByte(value, '"')+1] + name
		}
		g.names[value] = name
		g.values[name] = value
	}
	return g.names[value]
}
