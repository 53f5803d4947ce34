package template

import (
	"encoding/json"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// seeds are the templates of the golden files.
func seeds(t testing.TB) (all []string) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no files")
	}
	for _, path := range files {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if f.Name == "template.json" {
				all = append(all, string(f.Data))
			}
		}
	}
	return all
}

// A template can be anything: it is refused with an *Error or evaluated to a result, the same one each time.
func FuzzTemplate(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add([]byte(s))
	}
	f.Add([]byte(freight))
	f.Fuzz(func(t *testing.T, b []byte) {
		parsed, err := Parse(b)
		if err != nil {
			if _, ok := err.(*Error); !ok {
				t.Fatalf("%T", err)
			}
			return
		}
		r := (&Deployment{Template: parsed, Partial: true}).Evaluate()
		if again := (&Deployment{Template: parsed, Partial: true}).Evaluate(); show(r) != show(again) {
			t.Error("two evaluations differ")
		}
		for x := range r.All() {
			if _, err := json.Marshal(x.Document); err != nil {
				t.Error(err)
			}
		}
		checkOrder(t, r)
	})
}

// checkOrder wants each resource after its dependencies, unless there is a circle.
func checkOrder(t *testing.T, r *Result) {
	seen := map[*Resource]bool{}
	circle := strings.Contains(show(r), "Circular dependency")
	var walk func(r *Result)
	walk = func(r *Result) {
		for _, x := range r.Resources {
			for _, d := range x.DependsOn {
				if !seen[d] && !circle {
					t.Errorf("%s comes before %s, which it depends on", x.ID, d.ID)
				}
			}
			seen[x] = true
			if x.Nested != nil {
				walk(x.Nested)
			}
		}
	}
	walk(r)
}

// An expression can be anything, too.
func FuzzExpression(f *testing.F) {
	for _, s := range []string{"concat('a', 1)", "a.b('''')", "f()[0].x['y z']", "map(range(0, 3), lambda('x', lambdaVariables('x')))", "'", "f(", "-1", "format('{0,3:N2}', 5)",
		"dateTimeAdd('2020-01-01', 'P1D', 'yyyy')", "cidrSubnet('10.0.0.0/8', 30, 5)", "if(true(), json('{}'), fail('x'))", "split(resourceGroup().id, '/')[2]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quoted, err := json.Marshal("[" + text + "]")
		if err != nil {
			t.Skip(err)
		}
		parsed, err := Parse([]byte(`{` + groupSchema + `, "resources": [], "outputs": {"x": {"type": "object", "value": ` + string(quoted) + `}}}`))
		if err != nil {
			return // too long
		}
		r := (&Deployment{Template: parsed}).Evaluate()
		if len(r.Errors) == 0 && len(r.Outputs) != 1 {
			t.Errorf("%q has neither value nor error", text)
		}
	})
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(`{"properties": {"parameters": {"a": {"value": 1}}, "mode": "Incremental", template:{` + groupSchema + `, "resources": []}}}`))
	f.Add([]byte(`{'properties': {/**/}, // x`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRequest(b)
		if (err == nil) != (r != nil && err == nil) {
			t.Error(r, err)
		}
		if _, ok := err.(*Error); err != nil && !ok {
			t.Errorf("%T", err)
		}
	})
}

// JSON that the standard library reads is read to the same value.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a": [1, -2.5e3, "\u00e9\ud83d\ude00", null, true]}`, `"\\"`, `[[[]]]`, ` 1 `} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := json.NewDecoder(strings.NewReader(string(b)))
		d.UseNumber()
		var want any
		if !json.Valid(b) || d.Decode(&want) != nil || hasCaseTwins(want) {
			return
		}
		n, err := parse(b, true)
		if err != nil {
			if !strings.Contains(err.Error(), "MaxDepth") && !strings.Contains(err.Error(), "UTF-8") && !strings.Contains(err.Error(), "longer than") {
				t.Errorf("%q: %v", b, err)
			}
			return
		}
		r := &run{budget: maxWork}
		if got, want := compact(r.plain(n.data())), compact(canonicalNumbers(want)); got != want {
			t.Errorf("%q: got %s, want %s", b, got, want)
		}
	})
}

// hasCaseTwins reports whether an object has names that differ in case alone, which ARM does not tell apart.
func hasCaseTwins(v any) bool {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if hasCaseTwins(x) {
				return true
			}
		}
	case map[string]any:
		seen := map[string]bool{}
		for name, x := range v {
			if seen[lower(name)] || hasCaseTwins(x) {
				return true
			}
			seen[lower(name)] = true
		}
	}
	return false
}

// canonicalNumbers spells integers as they are spelled once read: -0 is 0.
func canonicalNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if v == "-0" {
			return json.Number("0")
		}
	case []any:
		for i := range v {
			v[i] = canonicalNumbers(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = canonicalNumbers(v[name])
		}
	}
	return v
}

// growing makes random expressions of every function that needs nothing deployed.
type growing struct{ *rand.Rand }

func (g growing) expression(depth int) string {
	if depth == 0 || g.IntN(4) == 0 {
		return []string{"'a'", "'b/c'", "3", "-1", "true()", "null()", "createArray(1, 'x')", "createObject('k', 'v')", "parameters('p')", "variables('v')",
			"resourceGroup().id", "'2020-01-01T00:00:00Z'", "'10.0.0.0/16'", "lambda('x', 'y', lambdaVariables('x'))"}[g.IntN(14)]
	}
	names := []string{"concat", "union", "if", "and", "or", "not", "equals", "length", "split", "join", "format", "first", "items", "string", "createArray", "createObject",
		"map", "filter", "coalesce", "contains", "tryGet", "add", "mul", "substring", "take", "replace", "uniqueString", "guid", "base64", "json", "flatten", "range", "toLower",
		"cidrHost", "dateTimeAdd", "padLeft", "shallowMerge", "reduce", "sort", "groupBy", "indexOf", "resourceId", "int", "bool", "min", "empty"}
	args := make([]string, g.IntN(4))
	for i := range args {
		args[i] = g.expression(depth - 1)
	}
	return names[g.IntN(len(names))] + "(" + strings.Join(args, ", ") + ")"
}

// Where all is known, nothing in a result is unknown; where something is not, the same expression gives the same value, an
// Unknown, or an error.
func TestKnownStaysKnown(t *testing.T) {
	g := growing{rand.New(rand.NewPCG(1, 2))}
	values, unknownValues := 0, 0
	for range 20_000 {
		x := g.expression(4)
		quoted, _ := json.Marshal("[" + x + "]")
		d := in(t, `{`+groupSchema+`, "parameters": {"p": {"type": "string"}}, "variables": {"v": "[toUpper(parameters('p'))]"}, "resources": [], "outputs": {"o": {"type": "object", "value": `+string(quoted)+`}}}`)
		d.Parameters = Parameters{"p": "known"}
		known := d.Evaluate()
		if len(known.Errors) > 0 {
			continue
		}
		values++
		if len(unknowns(known.Outputs[0].Value)) > 0 {
			t.Errorf("%s is unknown: %s", x, compact(known.Outputs[0].Value))
		}
		d.Parameters, d.Partial = nil, true
		partial := d.Evaluate()
		switch {
		case len(partial.Errors) > 0:
			t.Errorf("%s has a value where p is known, and an error where it is not: %v", x, partial.Errors)
		case len(unknowns(partial.Outputs[0].Value)) > 0:
			unknownValues++
		case compact(partial.Outputs[0].Value) != compact(known.Outputs[0].Value):
			t.Errorf("%s\n is %s where p is known, %s where it is not", x, compact(known.Outputs[0].Value), compact(partial.Outputs[0].Value))
		}
	}
	if values < 1000 || unknownValues < 100 {
		t.Errorf("only %d expressions had values, %d unknown ones", values, unknownValues)
	}
}

// Templates with their expressions exchanged, and lines left out, are evaluated or refused as any other.
func TestMutated(t *testing.T) {
	all := seeds(t)
	var pool []string
	for _, s := range all {
		pool = append(pool, strings.Split(s, `"`)...)
	}
	g := rand.New(rand.NewPCG(3, 4))
	evaluated := 0
	for range 3000 {
		parts := strings.Split(all[g.IntN(len(all))], `"`)
		for range 1 + g.IntN(4) {
			at := g.IntN(len(parts))
			if at%2 == 1 {
				parts[at] = pool[g.IntN(len(pool))]
			}
		}
		lines := strings.Split(strings.Join(parts, `"`), "\n")
		if g.IntN(3) == 0 {
			at := g.IntN(len(lines))
			lines = append(lines[:at], lines[at+1:]...)
		}
		parsed, err := Parse([]byte(strings.Join(lines, "\n")))
		if err != nil {
			continue
		}
		evaluated++
		r := (&Deployment{Template: parsed, Partial: true}).Evaluate()
		checkOrder(t, r)
	}
	if evaluated < 1000 {
		t.Errorf("only %d of 3000 could be read", evaluated)
	}
}
