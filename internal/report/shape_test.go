package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"aksid/internal/azure"
	"aksid/internal/catalogue"
	"aksid/internal/estate"
	"aksid/internal/finding"
)

// hostile are names that break what does not escape them. Each holds the word evil.
var hostile = []string{
	"evil", "", `evil"'><script>alert(1)</script>`, "evil</style></svg></pre><img src=x onerror=alert(1)>", "evil\r\n# heading\r\n| a | b |",
	"evil\x00\x1b[2J\u202e\u2066\ufeff\x85", "evil]]>&amp;&#0;<!--", "evil`*_[x](javascript:alert(1))|```", "{{evil}}", "\xff\xfeevil", "evil\ufffe\U0001F600\u4e2d\u6587",
	"evil (a) (b", strings.Repeat("evil ", 40), "https://evil.example/?a=b&c=d", "evil\"clusters\": []", "é\u0301evil\u200b",
}

// generator makes reports of anything that the types allow.
type generator struct{ *rand.Rand }

func (g generator) text() string {
	return hostile[g.IntN(len(hostile))] + hostile[g.IntN(len(hostile))]
}

func (g generator) id() azure.ID {
	for {
		if id, err := azure.ParseID("/subscriptions/s/resourceGroups/g/providers/x/y/" + g.text()); err == nil {
			return id
		}
	}
}

func (g generator) guid() *azure.GUID {
	if g.IntN(4) == 0 {
		return nil
	}
	id := azure.GUID{byte(g.IntN(256)), 15: 1}
	return &id
}

func (g generator) texts() []string { return many(g, g.text) }

// many are none, one or a few.
func many[T any](g generator, one func() T) []T {
	out := []T{}
	for range g.IntN(4) {
		out = append(out, one())
	}
	return out
}

func one[T any](g generator, of ...T) T { return of[g.IntN(len(of))] }

func (g generator) assignment() Assignment {
	return Assignment{ID: g.id(), Role: g.text(), Scope: g.id(), PrincipalID: azure.GUID{1}, Via: g.text(), Condition: g.text(), ByAKS: g.IntN(2) == 0, place: g.text()}
}

func (g generator) identity() Identity {
	return Identity{Role: estate.Kubelet, Kind: one(g, estate.UserAssigned, estate.SystemAssigned, estate.ServicePrincipalSecret), Name: g.text(),
		PrincipalID: g.guid(), ClientID: g.guid(), Assignments: many(g, g.assignment), label: g.text()}
}

func (g generator) requirement() Requirement {
	return Requirement{ID: g.text(), Feature: g.text(), Identity: estate.Kubelet, Actions: []azure.Action{}, DataActions: []azure.Action{}, Scope: g.id(), Role: g.text(),
		Phase: catalogue.Runtime, Needed: one(g, catalogue.Now, catalogue.Maybe), Status: one(g, finding.Granted, finding.Missing, finding.Denied, finding.Unknown),
		Reason: g.text(), GrantedBy: []azure.ID{}, Missing: []azure.Action{}, Breaks: g.text(), by: g.text(), place: g.text(), rule: "kubelet-missing-acrpull"}
}

func (g generator) finding() Finding {
	f := Finding{Rule: one(g, finding.Rules()...).ID, Severity: one(g, finding.Severities...), Title: g.text(), Detail: g.text(), Consequences: g.texts(),
		PrincipalID: g.guid(), Scope: g.id(), Remedy: Remedy{Az: g.texts()}}
	for range g.IntN(3) {
		f.Written = append(f.Written, Place{File: "/" + g.text(), Line: g.IntN(9), Column: g.IntN(9), Address: g.text()})
	}
	return f
}

func (g generator) cluster() Cluster {
	c := Cluster{ID: g.id(), Name: "c" + g.text(), ResourceGroup: g.text(), Subscription: "s", SubscriptionName: g.text(), Location: g.text(), Identities: many(g, g.identity),
		Requirements: many(g, g.requirement), Findings: many(g, g.finding), Accepted: []Finding{}}
	for i := range c.Requirements {
		if len(c.Findings) > 0 && c.Requirements[i].Status != finding.Granted {
			c.Requirements[i].cause = &c.Findings[g.IntN(len(c.Findings))]
		}
	}
	for _, f := range many(g, g.finding) {
		f.Accepted = &finding.Acceptance{Rule: f.Rule, Reason: g.text(), Owner: g.text(), Until: time.Unix(0, 0).UTC()}
		c.Accepted = append(c.Accepted, f)
	}
	return c
}

func (g generator) report() Report {
	return Report{From: g.text(), At: one(g, time.Time{}, time.Unix(1e9, 0)), Version: g.text(), FailOn: one(g, "", finding.Error, finding.Note), Before: one(g, finding.Before{}, finding.Before{Occasion: catalogue.Pulling, Target: g.id()}),
		Incomplete: many(g, func() estate.Incomplete {
			return estate.Incomplete{What: g.text(), Why: g.text(), Right: g.text(), Scope: g.id(), Clusters: g.IntN(2) == 0}
		}), Clusters: slices.Values(many(g, g.cluster))}
}

// Whatever stands in a report, it is well formed in each format, and says nothing but what it is told to.
func TestShapes(t *testing.T) {
	for seed := range uint64(60) {
		shapes(t, generator{rand.New(rand.NewPCG(seed, 0))}.report())
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

func FuzzShapes(f *testing.F) {
	f.Add(uint64(1), "evil", "evil")
	for _, h := range hostile {
		f.Add(uint64(2), h, h)
	}
	f.Fuzz(func(t *testing.T, seed uint64, name, more string) {
		g := generator{rand.New(rand.NewPCG(seed, 1))}
		r := g.report()
		r.From, r.Version = name, more
		c := g.cluster()
		c.Name, c.Findings = "c"+more, append(c.Findings, Finding{Rule: "wide-scope", Severity: finding.Error, Title: name, Detail: more, Consequences: []string{name}, Remedy: Remedy{Az: []string{more}}})
		r.Clusters = slices.Values([]Cluster{c})
		shapes(t, r)
	})
}

func shapes(t *testing.T, r Report) {
	t.Helper()
	whole, tally := r.Result()
	fits(t, checkSchema, r.print(t, "json", Table{}))
	sarifShape(t, r.print(t, "sarif", Table{}), whole)
	junitShape(t, r.print(t, "junit", Table{}))
	pageShape(t, r.print(t, "html", Table{}))
	markdownShape(t, r.print(t, "markdown", Table{}))
	for _, line := range strings.Split(r.print(t, "table", Table{}), "\n") {
		if strings.ContainsFunc(line, steers) {
			t.Errorf("the table steers the terminal: %q", line)
		}
	}
	if n := len(whole.Clusters); tally.Clusters != n {
		t.Errorf("%d clusters, counted as %d", n, tally.Clusters)
	}
}

// Names in Azure are others' to choose: an estate full of hostile ones makes reports as well formed as any.
func TestHostileEstate(t *testing.T) {
	n := 0
	for _, name := range hostile {
		if _, err := azure.ParseID("/" + name); err != nil || name == "" {
			continue // no name of a resource
		}
		a, _ := archive(t, "freight")
		name = strings.ReplaceAll(name, "/", "∕") // a slash would make another id
		evil := strings.Trim(printed(t, name), "\"\n")
		for i := range a.Files {
			for _, good := range []string{"freight-prod", "id-freight-aks", "aks-network", "snet-aks", "rg-hub", "mg-corp"} {
				a.Files[i].Data = bytes.ReplaceAll(a.Files[i].Data, []byte(good), []byte(good+evil))
			}
		}
		var r Report
		t.Run("load", func(t *testing.T) { r = check(t, a) })
		if whole, tally := r.Result(); tally.Clusters != 1 || !strings.HasSuffix(whole.Clusters[0].Name, name) {
			t.Errorf("%q: %d clusters", name, tally.Clusters)
		}
		shapes(t, r)
		n++
	}
	if n < len(hostile)/2 {
		t.Errorf("%d names of %d are names of resources", n, len(hostile))
	}
}

// steers tells characters that are not text.
func steers(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// sarifShape holds a log to the schema and to what the specification says in words.
func sarifShape(t *testing.T, text string, whole Result) {
	t.Helper()
	fits(t, "testdata/sarif.schema.json", text)
	var log sarifLog
	if err := json.Unmarshal([]byte(text), &log); err != nil {
		t.Fatal(err)
	}
	run, want, prints := log.Runs[0], 0, map[string]bool{}
	ids := map[string]bool{}
	for _, rule := range run.Tool.Driver.Rules {
		if ids[rule.ID] {
			t.Errorf("rule %s is there twice", rule.ID)
		}
		ids[rule.ID] = true
	}
	for _, x := range run.Results {
		if x.Index >= len(run.Tool.Driver.Rules) || run.Tool.Driver.Rules[x.Index].ID != x.Rule {
			t.Errorf("%s is not rule %d", x.Rule, x.Index)
		}
		if _, err := url.Parse(x.Locations[0].Physical.Artifact.URI); err != nil {
			t.Error(err)
		}
		prints[x.Fingerprints["aksid/v1"]] = true
	}
	for _, c := range whole.Clusters {
		want += len(c.Findings) + len(c.Accepted)
	}
	if len(run.Results) != want {
		t.Errorf("%d results of %d findings", len(run.Results), want)
	}
}

// junitElements are the elements that may stand in others, and their attributes, which are all there.
var junitElements = map[string]struct{ in, attributes string }{
	"testsuites": {"", "name"}, "testsuite": {"testsuites", "name tests failures errors skipped"}, "testcase": {"testsuite", "classname name"},
	"failure": {"testcase", "message type"}, "error": {"testcase", "message"}, "skipped": {"testcase", "message"},
}

func junitShape(t *testing.T, text string) {
	t.Helper()
	if !strings.HasPrefix(text, xml.Header) {
		t.Errorf("no XML header: %.60q", text)
	}
	var path []string
	var suite xml.StartElement
	counted := map[string]int{}
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		switch x := token.(type) {
		case xml.StartElement:
			e, ok := junitElements[x.Name.Local]
			if parent := strings.Join(path[max(0, len(path)-1):], ""); !ok || e.in != parent {
				t.Errorf("%s in %s", x.Name.Local, parent)
			}
			for _, name := range strings.Fields(e.attributes) {
				if !slices.ContainsFunc(x.Attr, func(a xml.Attr) bool { return a.Name.Local == name }) {
					t.Errorf("%s without %s", x.Name.Local, name)
				}
			}
			if x.Name.Local == "testsuite" {
				suite, counted = x.Copy(), map[string]int{}
			}
			counted[x.Name.Local]++
			path = append(path, x.Name.Local)
		case xml.EndElement:
			path = path[:len(path)-1]
			if x.Name.Local == "testsuite" {
				for attribute, element := range map[string]string{"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"} {
					if n := strconv.Itoa(counted[element]); !slices.Contains(suite.Attr, xml.Attr{Name: xml.Name{Local: attribute}, Value: n}) {
						t.Errorf("%s: %s are %s", suite.Attr, attribute, n)
					}
				}
			}
		}
	}
}

// What may stand in a page: elements, and attributes anywhere.
var (
	pageElements = strings.Fields("html head meta title style body a header h1 p nav h2 div table caption thead tr th tbody td main section code h3 h4 article pre " +
		"details summary ul li span br strong figure svg desc path g rect text figcaption footer")
	pageAttributes = strings.Fields("lang charset name content http-equiv class href id role aria-labelledby aria-label tabindex scope " +
		"viewbox xmlns d x y width height rx")
	voidElements = strings.Fields("meta br")
)

// pageShape reads a page strictly: elements are closed in the order they were opened, none but the page's own are there, ids are
// there once and what refers to them finds them, headings leave no level out, tables have headers and pictures a text.
func pageShape(t *testing.T, text string) {
	t.Helper()
	var open []string
	ids, wanted := map[string]bool{}, []string{}
	level := 0
	z := html.NewTokenizer(strings.NewReader(text))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			break
		}
		token := z.Token()
		switch kind {
		case html.EndTagToken:
			if len(open) == 0 || open[len(open)-1] != token.Data {
				t.Fatalf("</%s> closes %v", token.Data, open)
			}
			open = open[:len(open)-1]
			continue
		case html.CommentToken:
			t.Errorf("a comment: %q", token.Data)
		case html.TextToken:
			if strings.ContainsFunc(token.Data, func(r rune) bool { return r != '\n' && steers(r) }) {
				t.Errorf("text that steers: %q", token.Data)
			}
		}
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			continue
		}
		if !slices.Contains(pageElements, token.Data) {
			t.Errorf("<%s>", token.Data)
		}
		if kind == html.StartTagToken && !slices.Contains(voidElements, token.Data) {
			open = append(open, token.Data)
		}
		if token.DataAtom == atom.H1 || token.DataAtom == atom.H2 || token.DataAtom == atom.H3 || token.DataAtom == atom.H4 {
			if next := int(token.Data[1] - '0'); next > level+1 {
				t.Errorf("<h%d> after <h%d>", next, level)
			} else {
				level = next
			}
		}
		for _, a := range token.Attr {
			switch {
			case !slices.Contains(pageAttributes, a.Key):
				t.Errorf("<%s %s=%q>", token.Data, a.Key, a.Val)
			case a.Key == "id":
				if ids[a.Val] {
					t.Errorf("id %s is there twice", a.Val)
				}
				ids[a.Val] = true
			case a.Key == "aria-labelledby":
				wanted = append(wanted, strings.Fields(a.Val)...)
			case a.Key == "href":
				if !strings.HasPrefix(a.Val, "#") {
					t.Errorf("a link to %s", a.Val)
				}
				wanted = append(wanted, a.Val[1:])
			}
		}
	}
	if len(open) > 0 {
		t.Errorf("%v are not closed", open)
	}
	for _, id := range wanted {
		if !ids[id] {
			t.Errorf("nothing has the id %s", id)
		}
	}
	accessible(t, text)
}

// accessible checks what a screen reader needs.
func accessible(t *testing.T, text string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		count[n.Data]++
		switch n.Data {
		case "table":
			if child(n, "caption") == nil || child(n, "thead") == nil {
				t.Error("a table without caption or head")
			}
		case "th":
			if attribute(n, "scope") == "" {
				t.Error("a header without scope")
			}
		case "svg":
			if attribute(n, "role") != "img" || child(n, "title") == nil || child(n, "desc") == nil {
				t.Error("a picture without a text")
			}
		case "html":
			if attribute(n, "lang") != "en" {
				t.Error("no language")
			}
		}
	}
	for _, landmark := range []string{"header", "main", "footer", "h1"} {
		if count[landmark] != 1 {
			t.Errorf("%d of <%s>", count[landmark], landmark)
		}
	}
}

func child(n *html.Node, name string) *html.Node {
	for c := range n.ChildNodes() {
		if c.Data == name {
			return c
		}
	}
	return nil
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

var (
	escaped   = regexp.MustCompile("\\\\[\\\\|<*_`\\[]|`[^`]*`|&lt;")
	structure = regexp.MustCompile("^(#{1,3} |\\*\\*.*\\*\\* \\([a-z-]+\\)$|- |\\| |\\|---|```(sh)?$|$)")
)

// markdownShape checks that nothing but the report itself is markup.
func markdownShape(t *testing.T, text string) {
	t.Helper()
	columns, fenced := 0, false
	for _, line := range strings.Split(text, "\n") {
		if line == "```sh" && !fenced || line == "```" && fenced {
			fenced = !fenced
			continue
		}
		if fenced {
			continue
		}
		if strings.ContainsFunc(line, steers) {
			t.Errorf("steers: %q", line)
		}
		bare := escaped.ReplaceAllString(line, "")
		if rest := strings.ReplaceAll(bare, "<br>", ""); strings.ContainsAny(rest, "<`[") {
			t.Errorf("markup in %q", line)
		}
		switch n := strings.Count(bare, "|"); {
		case !strings.HasPrefix(line, "|"):
			columns = 0
		case columns == 0:
			columns = n
		case n != columns:
			t.Errorf("%d columns instead of %d: %q", n, columns, line)
		}
		if strings.HasPrefix(line, "#") && !structure.MatchString(line) {
			t.Errorf("a heading: %q", line)
		}
	}
	if fenced {
		t.Error("commands without an end")
	}
}

// Colours of the page, in both schemes, can be told from their ground: WCAG 2.1 asks for 4.5 to 1, and 3 to 1 of lines.
func TestContrast(t *testing.T) {
	schemes := regexp.MustCompile(`--(\w+): (#[0-9a-f]{6})`).FindAllStringSubmatch(string(style), -1)
	if len(schemes) != 20 {
		t.Fatalf("%d colours", len(schemes))
	}
	for _, scheme := range [][][]string{schemes[:10], schemes[10:]} {
		colour := map[string]float64{}
		for _, c := range scheme {
			colour[c[1]] = luminance(t, c[2])
		}
		for _, ground := range []string{"ground", "raised"} {
			for _, text := range []string{"text", "faint", "link", "error", "warning", "note", "good"} {
				if ratio := contrast(colour[text], colour[ground]); ratio < 4.5 {
					t.Errorf("%s on %s: %.2f", text, ground, ratio)
				}
			}
		}
	}
}

func contrast(a, b float64) float64 { return (max(a, b) + 0.05) / (min(a, b) + 0.05) }

// luminance is that of WCAG 2.1.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.03928 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

// counter counts what is written.
type counter struct{ written int }

func (c *counter) Write(p []byte) (int, error) {
	c.written += len(p)
	return len(p), nil
}

// Clusters are printed as they come: what was said of one is out before the next but a few.
func TestStreams(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(1, 2))}
	c := g.cluster()
	c.Findings = []Finding{g.finding()}
	for _, format := range Formats {
		var w counter
		last, passes := 0, 0
		r := Report{From: "azure", Clusters: func(yield func(Cluster) bool) {
			passes++
			begun := w.written
			for i := range 40 {
				if i%10 == 9 && w.written == last && begun > 0 {
					t.Errorf("%s: nothing is written by cluster %d", format, i)
				}
				if i%10 == 9 {
					last = w.written
				}
				if !yield(c) {
					return
				}
			}
		}}
		tally, err := r.Print(&w, format, Table{})
		if err != nil || tally.Clusters != 40 || passes > 2 {
			t.Errorf("%s: %v, %d clusters, looked at %d times", format, err, tally.Clusters, passes)
		}
	}
}

// A thousand clusters, by format.
func BenchmarkPrint(b *testing.B) {
	g := generator{rand.New(rand.NewPCG(3, 4))}
	clusters := make([]Cluster, 1000)
	for i := range clusters {
		clusters[i] = g.cluster()
	}
	for _, format := range Formats {
		b.Run(format, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := (Report{Clusters: slices.Values(clusters)}).Print(io.Discard, format, Table{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(clusters)), "µs/cluster")
		})
	}
}
