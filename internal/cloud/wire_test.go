package cloud_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

var rewriteWire = flag.Bool("update", false, "rewrite testdata/wire")

// TestWire provokes the refusals of the local Azure and compares them, byte for byte, with what stands in testdata/wire.
// A file is a world of its own:
//
//	-- setup --
//	let rg = /subscriptions/<platform>/resourceGroups/rg1
//	application pipeline
//	PUT <rg> {"location":"westeurope"}
//	-- what it is about --
//	PUT <rg>/providers/Microsoft.Network/routeTables/r1 as pipeline
//
//	{"location":"westeurope"}
//	-- answer --
//	403
//	…
//
// A line of a setup is a call of the operator's, which has to succeed, or a word of wireWords. A call that ends in
// "=> NAME PATH" names a member of its answer. "PUT!" waits for the operation that it begins. What stands in angle brackets
// is named by the setup, or random: then it has a number, in the order it first appears. "IMDS ID" asks the metadata service
// of a machine.
func TestWire(t *testing.T) {
	files, err := filepath.Glob("testdata/wire/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	met := map[string]bool{}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			w := newWire(t)
			var out []txtar.File
			for i, f := range archive.Files {
				switch f.Name {
				case "answer":
					continue
				case "setup":
					w.setup(string(f.Data))
					out = append(out, f)
					continue
				}
				got := w.masked(w.send(string(f.Data)), met)
				out = append(out, f, txtar.File{Name: "answer", Data: []byte(got)})
				want := ""
				if i+1 < len(archive.Files) && archive.Files[i+1].Name == "answer" {
					want = string(archive.Files[i+1].Data)
				}
				if got != want && !*rewriteWire {
					t.Errorf("%s: got\n%s\nwant\n%s", f.Name, got, want)
				}
			}
			if *rewriteWire {
				if err := os.WriteFile(path, txtar.Format(&txtar.Archive{Comment: archive.Comment, Files: out}), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	if !t.Failed() && !testing.Short() {
		wantEvery(t, met)
	}
}

// wire is a world whose calls are written down.
type wire struct {
	*world
	t      *testing.T
	users  map[string]*user
	values map[string]string // by name
	random map[string]string // GUIDs that nobody named, by value
}

func newWire(t *testing.T) *wire {
	w := &wire{world: newWorld(t), t: t, values: map[string]string{}, random: map[string]string{}}
	w.users = map[string]*user{"operator": w.operator, "nobody": {w: w.world}}
	w.name("tenant", w.tenant)
	w.name("platform", strings.TrimPrefix(w.platform, "/subscriptions/"))
	w.name("hub", strings.TrimPrefix(w.hub, "/subscriptions/"))
	w.name("operator", w.operator.id)
	w.name("operator app", w.operator.app)
	w.values["date"] = w.clock.Now().UTC().Format(http.TimeFormat)
	return w
}

// name keeps a value. Refusals print some ids without dashes.
func (w *wire) name(name, value string) {
	w.values[name] = value
	if _, err := azure.ParseGUID(value); err == nil {
		w.values[name+" hex"] = strings.ReplaceAll(value, "-", "")
	}
}

// named puts values in the place of their names.
func (w *wire) named(text string) string {
	for name, value := range w.values {
		text = strings.ReplaceAll(text, "<"+name+">", value)
	}
	return text
}

// wireWords are what a line of a setup can begin with beside a method.
var wireWords = map[string]func(w *wire, words []string, line string){
	"let": func(w *wire, _ []string, line string) {
		name, value, _ := strings.Cut(line, " = ")
		w.values[name] = value
	},
	"application": func(w *wire, words []string, _ string) { w.login(words[0], w.application(words[0])) },
	"identity": func(w *wire, words []string, _ string) {
		id, principal, client := w.identity(words[1], words[0])
		w.values[words[0]] = id
		w.name(words[0]+" oid", principal)
		w.name(words[0]+" client", client)
	},
	"machine": func(w *wire, words []string, _ string) { w.users[words[0]] = w.machine(words[1]) },
	"grant":   func(w *wire, words []string, line string) { w.grantNamed(line) },
	"data": func(w *wire, words []string, _ string) { // NAME APPLICATION AUDIENCE
		u := &user{w: w.world, token: w.as(w.users[words[1]]).token(words[2])}
		w.users[words[0]] = u
		w.values[words[0]+" token"] = u.token
	},
	"pull": func(w *wire, words []string, _ string) { // NAME APPLICATION: a registry's token to pull "app"
		c := w.as(w.users[words[1]])
		w.users[words[0]] = &user{w: w.world, token: c.access("freightacr", "repository:app:pull").ok(200).str("access_token")}
	},
	"push": func(w *wire, words []string, _ string) { // REPOSITORY: an image, tagged 1
		c := w.as(w.operator).at(w.t, "freightacr")
		c.want("ok", c.push(words[0]+":1", image(w.t, 1)))
	},
	"pod": func(w *wire, words []string, _ string) { // NAME CLUSTER NAMESPACE SERVICE-ACCOUNT AUDIENCE SECONDS
		seconds, _ := strconv.Atoi(words[5])
		w.values[words[0]] = w.admin("POST", "token", obj{"cluster": words[1], "namespace": words[2], "name": words[3], "audience": words[4], "seconds": seconds}).ok(200).str("token")
	},
	"person": func(w *wire, words []string, _ string) {
		u := w.person(words[0])
		w.users[words[0]] = u
		w.name(words[0], u.id)
	},
	"clock": func(w *wire, words []string, _ string) {
		d, err := time.ParseDuration(words[0])
		if err != nil {
			w.Fatal(err)
		}
		w.clock.Add(d)
		w.operator.renew()
		for _, u := range w.users {
			if u.upn != "" {
				w.refresh(u)
			}
		}
	},
}

func (w *wire) login(name string, u *user) {
	w.users[name] = u
	w.name(name, u.id)
	w.name(name+" app", u.app)
}

// grantNamed gives a built-in role: "PRINCIPAL ROLE, SCOPE".
func (w *wire) grantNamed(line string) {
	who, scope, _ := strings.Cut(line, ", ")
	who, role, _ := strings.Cut(who, " ")
	for r := range rbac.BuiltInRoles() {
		if r.Name == role {
			w.operator.assign(scope, guid(), r.ID.String(), who).ok(201)
			return
		}
	}
	w.Fatalf("there is no role %q", role)
}

func (w *wire) setup(text string) {
	w.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		line = w.named(line)
		word, rest, _ := strings.Cut(line, " ")
		if do, ok := wireWords[word]; ok {
			do(w, strings.Fields(rest), rest)
			continue
		}
		path, body, _ := strings.Cut(rest, " ")
		body, capture, _ := strings.Cut(body, "=> ")
		r := w.operator.run(strings.TrimSuffix(word, "!"), path, strings.TrimSpace(body))
		if r.status > 299 {
			w.Fatalf("setup: %s: %d %s", line, r.status, r.raw)
		}
		if name, at, ok := strings.Cut(capture, " = "); ok {
			w.name(name, r.str(at))
		}
	}
}

// send reads a request, "METHOD PATH [as WHO]", headers and a body, and sends it.
func (w *wire) send(text string) reply {
	w.Helper()
	head, body, _ := strings.Cut(w.named(text), "\n\n")
	lines := strings.Split(strings.TrimSuffix(head, "\n"), "\n")
	words := strings.Fields(lines[0])
	u := w.operator
	if len(words) == 4 && words[2] == "as" {
		if u = w.users[words[3]]; u == nil {
			w.Fatalf("nobody is called %s", words[3])
		}
	}
	if words[0] == "IMDS" { // IMDS RESOURCE-ID [QUERY]
		return w.askMachine(words[1], strings.Join(words[2:], ""))
	}
	method, wait := strings.CutSuffix(words[0], "!")
	if wait {
		return u.run(method, words[1], body)
	}
	if path := words[1]; strings.HasPrefix(path, "/") && len(lines) == 1 && (body == "" || body[0] == '{') {
		return u.do(method, path, body)
	}
	return w.sendRaw(u, method, words[1], lines[1:], body)
}

// sendRaw sends what has headers of its own or is for another host; bodies of forms have a line for each field.
func (w *wire) sendRaw(u *user, method, target string, headers []string, body string) reply {
	if strings.HasPrefix(target, "/") {
		target = "https://" + host + target
	}
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if method == "POST" && body != "" && !strings.HasPrefix(body, "{") {
		r = httptest.NewRequest(method, target, strings.NewReader(strings.ReplaceAll(strings.TrimSuffix(body, "\n"), "\n", "&")))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if u.token != "" {
		r.Header.Set("Authorization", "Bearer "+u.token)
	}
	for _, l := range headers {
		name, value, _ := strings.Cut(l, ": ")
		r.Header.Set(name, value)
	}
	return w.serve(r)
}

// wireHeaders are those that clients read of a refusal.
var wireHeaders = []string{"Content-Type", "WWW-Authenticate", "Retry-After", "X-Ms-Error-Code", "Azure-Asyncoperation", "Location"}

// What is random in answers.
var (
	wireUnique = regexp.MustCompile(`((?:trace_id|correlation_id)":"|(?:Trace|Correlation) ID: |RequestId:)[0-9a-f-]{36}`)
	wireHex    = regexp.MustCompile(`'[0-9a-f]{32}'`)
	wireGUID   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	wireTime   = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?|\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d:\d\d [AP]M`)
)

// masked writes an answer down, without what is random, and notes which messages are in it.
func (w *wire) masked(r reply, met map[string]bool) string {
	note(met, r.raw)
	text := strconv.Itoa(r.status) + "\n"
	for _, name := range wireHeaders {
		if v := r.header.Get(name); v != "" {
			text += name + ": " + v + "\n"
		}
	}
	text += "\n" + strings.ReplaceAll(strings.TrimSuffix(r.raw, "\n"), "\r", `\r`) + "\n"
	text = wireUnique.ReplaceAllString(text, "$1<id>")
	names := slices.SortedFunc(maps.Keys(w.values), func(a, b string) int {
		if n := len(w.values[b]) - len(w.values[a]); n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		if w.values[name] != "" {
			text = strings.ReplaceAll(text, w.values[name], "<"+name+">")
		}
	}
	text = wireTime.ReplaceAllString(text, "<time>")
	text = wireHex.ReplaceAllStringFunc(text, func(id string) string {
		if strings.HasPrefix(id, "'00000000") {
			return id
		}
		return "'<hex>'"
	})
	return wireGUID.ReplaceAllStringFunc(text, func(id string) string {
		if fixed(id) {
			return id
		}
		if w.random[id] == "" {
			w.random[id] = fmt.Sprint("guid ", len(w.random)+1)
			w.values[w.random[id]] = id
		}
		return "<" + w.random[id] + ">"
	})
}

// fixed reports whether a GUID is a test's own, or the same in every Azure: a built-in role's.
func fixed(id string) bool {
	for r := range rbac.BuiltInRoles() {
		if r.ID.String() == id {
			return true
		}
	}
	return strings.HasPrefix(id, "00000000-")
}

// note finds the messages in an answer, also in JSON that stands in its texts.
func note(met map[string]bool, raw string) {
	texts := []string{raw}
	var v any
	if json.Unmarshal([]byte(raw), &v) == nil {
		texts = append(texts, textsOf(v)...)
	}
	all := strings.Join(texts, "\n")
	for name, m := range wireMessages() {
		if m.in(all) {
			met[name] = true
		}
	}
}

func textsOf(v any) (out []string) {
	switch v := v.(type) {
	case string:
		out = append(out, v)
		var inner any
		if strings.HasPrefix(strings.TrimSpace(v), "{") && json.Unmarshal([]byte(v), &inner) == nil {
			out = append(out, textsOf(inner)...)
		}
	case []any:
		for _, e := range v {
			out = append(out, textsOf(e)...)
		}
	case map[string]any:
		for _, e := range v {
			out = append(out, textsOf(e)...)
		}
	}
	return out
}

// wireMessage is an error text that the corpus has to have.
type wireMessage struct{ words *regexp.Regexp }

func (m wireMessage) in(text string) bool { return m.words.MatchString(text) }

// corpusFiles of internal/azure are whose texts the corpus has to have: authorization, identities, AKS, tokens, data.
var corpusFiles = []string{"messages.go", "authorization_messages.go", "aks_messages.go"}

var allWireMessages map[string]wireMessage

// wireMessages are the texts of those files by the names of their variables.
func wireMessages() map[string]wireMessage {
	if allWireMessages != nil {
		return allWireMessages
	}
	field := regexp.MustCompile(`\\\{[A-Za-z]+\\\}`)
	allWireMessages = map[string]wireMessage{}
	for _, file := range corpusFiles {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "azure", file), nil, 0)
		if err != nil {
			panic(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			call, ok := spec.Values[0].(*ast.CallExpr)
			if !ok || len(call.Args) != 4 {
				return true
			}
			text, _ := strconv.Unquote(call.Args[2].(*ast.BasicLit).Value)
			allWireMessages[spec.Names[0].Name] = wireMessage{regexp.MustCompile(field.ReplaceAllString(regexp.QuoteMeta(text), `(?s:.*?)`))}
			return true
		})
	}
	return allWireMessages
}

// elsewhere are messages that the local Azure can produce and the corpus does not have, with the reason.
var elsewhere = map[string]string{
	"FederationNoMatch":                "takes propagation: TestFederatedPropagation",
	"InvalidAuthenticationTokenTenant": "takes a token of another tenant: entra's TestTokenMatrix",
	"MetadataHeaderMissing":            "of a request that the calls here cannot make: entra's imds.txtar",
	"RoleAssignmentLimitExceeded":      "takes 4,000 assignments: TestAssignmentLimit",
}

// wantEvery fails for the messages that the local Azure names and no answer of the corpus has.
func wantEvery(t *testing.T, met map[string]bool) {
	named := map[string]bool{}
	selector := regexp.MustCompile(`\bazure\.([A-Z]\w+)`)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range selector.FindAllStringSubmatch(string(text), -1) {
			named[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(wireMessages())) {
		switch why, away := elsewhere[name]; {
		case named[name] && !met[name] && !away:
			t.Errorf("azure.%s is in no answer of testdata/wire: add the request that provokes it", name)
		case away && (met[name] || why == ""):
			t.Errorf("azure.%s is in the corpus after all: take it off the list of what is elsewhere", name)
		}
	}
}
