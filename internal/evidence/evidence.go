// Package evidence makes bundles for reviewers: what the identities of clusters were, who could do what and what was changed,
// as it was read at one time, with a digest of every file and a signature. Nothing secret is in them: documents are written
// from lists of members that are let through, and what looks like a secret in a text is taken out.
package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/breakglass"
	"aksid/internal/estate"
	"aksid/internal/finding"
	"aksid/internal/report"
)

// SchemaVersion is the version of the bundle's form. Within a version files and members are only added.
const SchemaVersion = "1"

// Input is what a bundle is made of.
type Input struct {
	Estate    *estate.Estate // kept: documents are written as they came
	Check     finding.Options
	Record    *breakglass.Record // nil: there is none
	Rights    []estate.Right     // of who collects; none where files were read
	Collector Collector
	From, To  time.Time // the period whose changes are in the bundle
	Redact    bool      // pseudonyms instead of display names
	Now       time.Time // when the bundle is made
	Version   string    // of aksid
}

// Collector is who read what is in a bundle; zero where files do not say who has kept them.
type Collector struct {
	Object azure.PrincipalID `json:"objectId,omitzero"`
	Tenant azure.GUID        `json:"tenantId,omitzero"`
	Name   string            `json:"name,omitempty"`
}

// File is a file of a bundle. Paths have slashes.
type File struct {
	Path string
	Data []byte
}

// Manifest names every file of a bundle but itself and its signature.
type Manifest struct {
	SchemaVersion string    `json:"schemaVersion"`
	Bundle        string    `json:"bundle"` // bundleName
	CreatedAt     time.Time `json:"createdAt"`
	Files         []Entry   `json:"files"` // by path
}

const bundleName = "aksid evidence"

// Entry is a file in a manifest.
type Entry struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // hex
}

// Names of the files that a bundle is verified with.
const (
	ManifestName  = "manifest.json"
	SignatureName = "manifest.json.sig"
)

// maker makes the files of a bundle.
type maker struct {
	Input
	files   []File
	matters *matters
	names   *pseudonyms
	facts   facts
	err     error
}

// Make makes the files of a bundle, the manifest last. The same input makes the same bytes.
func Make(in Input) ([]File, error) {
	m := &maker{Input: in, names: &pseudonyms{}}
	if in.Redact {
		m.names = newPseudonyms(in)
		m.Estate = in.Estate.Renamed(m.names.of)
	}
	m.matters = newMatters(m.Estate)
	m.identities()
	m.roles()
	m.changers()
	m.directory()
	m.activity()
	m.check()
	m.acceptances()
	m.breakglass()
	m.collection()
	m.summary()
	if m.err != nil {
		return nil, m.err
	}
	slices.SortFunc(m.files, func(x, y File) int { return strings.Compare(x.Path, y.Path) })
	manifest, err := manifestOf(m.files, in.Now)
	return append(m.files, manifest), err
}

func manifestOf(files []File, at time.Time) (File, error) {
	m := Manifest{SchemaVersion: SchemaVersion, Bundle: bundleName, CreatedAt: at.UTC().Truncate(time.Second), Files: []Entry{}}
	for _, f := range files {
		m.Files = append(m.Files, Entry{f.Path, int64(len(f.Data)), sum(f.Data)})
	}
	text, err := encode(m)
	return File{ManifestName, text}, err
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// encode writes JSON for people and for comparison: indented, members in order, no escapes for HTML.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// add adds a JSON file, without what looks like a secret.
func (m *maker) add(path string, v any) {
	text, err := encode(v)
	m.fail(err)
	m.addJSON(path, text)
}

func (m *maker) addJSON(path string, text []byte) {
	if m.err == nil {
		text, m.err = m.cleaned(text)
	}
	m.files = append(m.files, File{path, text})
}

// addText adds a file that is no JSON.
func (m *maker) addText(path, text string) {
	m.files = append(m.files, File{path, []byte(m.names.replace(scrub(text)))})
}

// cleaned takes out of every text of a JSON value what looks like a secret, and the names that are to be redacted.
func (m *maker) cleaned(text []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return encode(eachText(v, func(s string) string { return m.names.replace(scrub(s)) }))
}

// eachText replaces every text of a JSON value.
func eachText(v any, f func(string) string) any {
	switch v := v.(type) {
	case string:
		return f(v)
	case []any:
		for i := range v {
			v[i] = eachText(v[i], f)
		}
	case map[string]any:
		for k := range v {
			v[k] = eachText(v[k], f)
		}
	}
	return v
}

func (m *maker) fail(err error) {
	if m.err == nil {
		m.err = err
	}
}

// check adds what aksid check says, in the forms for programs and for people.
func (m *maker) check() {
	results := func(yield func(finding.Result) bool) {
		for _, c := range m.Estate.Clusters {
			if !yield(m.Check.Check(m.Estate, c)) {
				return
			}
		}
	}
	r := report.New(m.Estate, results)
	r.At, r.Version, r.From = m.Now, m.Version, m.source()
	var tally report.Tally
	for _, form := range []struct{ name, format string }{{"report.json", "json"}, {"report.html", "html"}, {"report.md", "markdown"}} {
		var b strings.Builder
		t, err := r.Print(&b, form.format, report.Table{})
		m.fail(err)
		if form.format == "json" {
			m.addJSON("check/"+form.name, []byte(b.String()))
		} else {
			m.addText("check/"+form.name, b.String())
		}
		tally = t
	}
	m.facts.tally = tally.String()
	for x := range results {
		m.facts.cluster(m.Estate, x)
	}
}

// source is where it was read from, without the folders of the machine.
func (m *maker) source() string {
	if f := m.Estate.From; f == "azure" || f == "local" {
		return f
	}
	return "files"
}
