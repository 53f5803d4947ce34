package template

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aksid/internal/azure"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what is got as what is wanted")

// Each file of testdata holds a template (template.json), its parameters (parameters.json), where it is deployed
// (settings, as in "group rg"; what is not said is unknown), and what it comes to (want).
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no files")
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { golden(t, path) })
	}
}

func golden(t *testing.T, path string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := show(deploymentOf(t, archive).Evaluate())
	if again := show(deploymentOf(t, archive).Evaluate()); got != again {
		t.Errorf("two evaluations differ:\n%s\n%s", got, again)
	}
	for i, f := range archive.Files {
		switch {
		case f.Name != "want" || string(f.Data) == got:
		case *update:
			archive.Files[i].Data = []byte(got)
			if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("got:\n%s\nwant:\n%s", got, f.Data)
		}
	}
}

func deploymentOf(t testing.TB, archive *txtar.Archive) *Deployment {
	d := &Deployment{}
	var err error
	for _, f := range archive.Files {
		switch f.Name {
		case "template.json":
			d.Template, err = Parse(f.Data)
		case "parameters.json":
			d.Parameters, err = ParseParameters(f.Data)
		case "settings":
			for line := range strings.Lines(string(f.Data)) {
				set(t, d, strings.TrimSpace(line))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func set(t testing.TB, d *Deployment, line string) {
	name, value, _ := strings.Cut(line, " ")
	switch name {
	case "name":
		d.Name = value
	case "subscription":
		d.Subscription = azure.MustGUID(value)
	case "tenant":
		d.Tenant = azure.MustGUID(value)
	case "group":
		d.Group = value
	case "location":
		d.Location = value
	case "partial":
		d.Partial = true
	default:
		t.Fatalf("no setting %q", line)
	}
}

// show prints a result as a person checks it.
func show(r *Result) string {
	var b strings.Builder
	showResult(&b, r, "")
	for _, e := range r.Errors {
		fmt.Fprintf(&b, "error %d:%d %s\n  %v\n", e.Line, e.Column, e.Path, e)
	}
	return b.String()
}

func showResult(b *strings.Builder, r *Result, indent string) {
	fmt.Fprintf(b, "%sscope %s\n", indent, r.Scope)
	for _, p := range r.Parameters {
		fmt.Fprintf(b, "%sparameter %s %s = %s\n", indent, p.Name, p.Type, compact(p.Value))
	}
	for _, x := range r.Resources {
		showResource(b, x, indent)
	}
	for _, o := range r.Outputs {
		fmt.Fprintf(b, "%soutput %s %s = %s\n", indent, o.Name, o.Type, compact(o.Value))
	}
}

func showResource(b *strings.Builder, x *Resource, indent string) {
	fmt.Fprintf(b, "%s%d:%d %s\n", indent, x.Line, x.Column, x.ID)
	line := func(name string, shown bool, v any) {
		if shown {
			fmt.Fprintf(b, "%s  %s %v\n", indent, name, v)
		}
	}
	line("symbol", x.Symbol != "", x.Symbol)
	line("extension", x.Extension != "", x.Extension)
	line("version", true, x.Version)
	line("type", x.Type != x.ID.Type(), x.Type)
	line("partial", x.Partial, x.Name)
	line("existing", x.Existing, "")
	line("only new", x.OnlyNew, "")
	if x.Condition != true {
		line("condition", true, compact(x.Condition))
	}
	for _, d := range x.DependsOn {
		line("after", true, d.Type+" "+d.Name)
	}
	line("document", len(x.Document) > 0, compact(x.Document))
	if x.Nested != nil {
		showResult(b, x.Nested, indent+"    ")
	}
}

func compact(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err.Error()
	}
	text := strings.TrimSpace(b.String())
	for _, u := range unknowns(v) {
		if ref, ok := u.Ref(); ok {
			text += fmt.Sprintf(" {is %s%s %s}", ref.Function, ref.Path, ref.ID)
		}
		if len(u.Choices) > 0 {
			text += " {one of " + compact(u.Choices) + "}"
		}
	}
	return text
}

// unknowns are the unknown values in v, once each.
func unknowns(v any) (all []*Unknown) {
	switch v := v.(type) {
	case *Unknown:
		return []*Unknown{v}
	case []any:
		for _, x := range v {
			all = append(all, unknowns(x)...)
		}
	case map[string]any:
		for _, name := range sortedNames(v) {
			all = append(all, unknowns(v[name])...)
		}
	}
	return all
}
