package report

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/tools/txtar"

	"aksid/internal/azure"
	"aksid/internal/breakglass"
	"aksid/internal/estate"
	"aksid/internal/watch"
)

// The published schemas of what check, explain and diff print as JSON.
const (
	checkSchema   = "../../docs/check.schema.json"
	explainSchema = "../../docs/explain.schema.json"
	whoCanSchema  = "../../docs/who-can.schema.json"
	diffSchema    = "../../docs/diff.schema.json"
	listSchema    = "../../docs/list.schema.json"
	policySchema  = "../../docs/policy.schema.json"
	watchSchema   = "../../docs/watch.schema.json" // of a line
	glassSchema   = "../../docs/breakglass.schema.json"
)

// The published schemas are what the Go types and their comments say.
func TestSchemas(t *testing.T) {
	for file, types := range map[string][]any{checkSchema: {Result{}}, explainSchema: {Failures{}, Codes{}}, whoCanSchema: {WhoCan{}}, diffSchema: {Drift{}}, listSchema: {Inventory{}}, policySchema: {PolicyAudit{}}, watchSchema: {watch.Notice{}}, glassSchema: {breakglass.Listing{}}} {
		got := printed(t, schemaOf(t, types...))
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(file); err != nil || string(want) != got {
			t.Errorf("%s is not what the types say (%v); write it anew with: go test ./internal/report -run Schemas -update", file, err)
		}
	}
}

// What breakglass list prints is what its schema says.
func TestBreakglassFitsTheSchema(t *testing.T) {
	record := breakglass.File{Path: filepath.Join(t.TempDir(), "record.jsonl")}
	d := breakglass.Desk{Record: record, Now: time.Unix(0, 0), Who: breakglass.Person{Object: azure.NewGUID(), Name: "Ada"}}
	c, err := d.Request(t.Context(), breakglass.Asked{Need: "acrpull", For: breakglass.Span(time.Hour), Grants: []breakglass.Wanted{
		{RoleName: "x", PrincipalType: "User", Custom: &breakglass.Custom{Actions: []azure.Action{"Microsoft.Network/loadBalancers/read"}}}}}, "INC-1")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := breakglass.JSON(&b, []*breakglass.Case{c}, d.Now); err != nil {
		t.Fatal(err)
	}
	fits(t, glassSchema, b.String())
}

// What is printed is what the schemas say, and nothing beside it.
func TestGoldenFilesFitTheSchemas(t *testing.T) {
	for file, schema := range map[string]string{"freight": checkSchema, "failures": explainSchema, "whocan": whoCanSchema, "drift": diffSchema, "inventory": listSchema, "policy": policySchema} {
		a, err := txtar.ParseFile("testdata/" + file + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, f := range a.Files {
			if strings.HasPrefix(f.Name, "golden") && strings.HasSuffix(f.Name, ".json") {
				fits(t, schema, string(f.Data))
				n++
			}
		}
		if n == 0 {
			t.Errorf("%s has no golden JSON", file)
		}
	}
	for _, name := range []string{"aadsts7000222", "kubelet-missing-acrpull", "nothing"} {
		fits(t, explainSchema, printed(t, NewCodes(name)))
	}
}

// The schema tells what is no report.
func TestSchemaRefuses(t *testing.T) {
	good := printed(t, Result{SchemaVersion: "1", Incomplete: []estate.Incomplete{{What: "names", Why: "403"}}, Clusters: []Cluster{}})
	if err := validate(t, checkSchema, good); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{`"schemaVersion": "1"`, `"schemaVersion": 1`}, {`"clusters": []`, `"clusters": null`}, {`"clusters": []`, `"clusters": [{}]`},
		{`"complete": false,`, ``}, {`"why": "403"`, `"why": "403", "whence": ""`},
	} {
		bad := strings.Replace(good, c[0], c[1], 1)
		if err := validate(t, checkSchema, bad); err == nil || bad == good {
			t.Errorf("%s fits", bad)
		}
	}
}

func printed(t *testing.T, v any) string {
	t.Helper()
	var b strings.Builder
	if err := JSON(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func fits(t *testing.T, schema, text string) {
	t.Helper()
	if err := validate(t, schema, text); err != nil {
		t.Errorf("%v in\n%.2000s", err, text)
	}
}

func validate(t *testing.T, schema, text string) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return compile(t, schema).Validate(v)
}

// compiled are schemas by their files.
var compiled = map[string]*jsonschema.Schema{}

// compile reads a schema and makes it refuse members that it does not name: those who read reports do not.
func compile(t *testing.T, file string) *jsonschema.Schema {
	t.Helper()
	if s := compiled[file]; s != nil {
		return s
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	document, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	tighten(document)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(file, document); err != nil {
		t.Fatal(err)
	}
	if compiled[file], err = c.Compile(file); err != nil {
		t.Fatal(err)
	}
	return compiled[file]
}

// tighten makes a schema refuse members that it does not name.
func tighten(v any) {
	switch v := v.(type) {
	case map[string]any:
		if v["properties"] != nil && v["additionalProperties"] == nil {
			v["additionalProperties"] = false
		}
		for _, x := range v {
			tighten(x)
		}
	case []any:
		for _, x := range v {
			tighten(x)
		}
	}
}

type object = map[string]any

// schemas makes JSON Schema of Go types.
type schemas struct {
	*testing.T
	docs map[string]string   // comments: of "package.Type" and "package.Type.Field"
	enum map[string][]string // constants of "package.Type"
	defs object
	from map[string]reflect.Type // of defs
}

// schemaOf is the schema of values of any of the types.
func schemaOf(t *testing.T, types ...any) object {
	t.Helper()
	s := schemas{t, map[string]string{}, map[string][]string{}, object{}, map[string]reflect.Type{}}
	for _, dir := range []string{"azure", "rbac", "estate", "catalogue", "finding", "failure", "drift", "inventory", "whocan", "watch", "governance", "breakglass", "report"} {
		s.read("../" + dir)
	}
	out := object{"$schema": "https://json-schema.org/draft/2020-12/schema"}
	var refs []any
	for _, v := range types {
		typ := reflect.TypeOf(v)
		refs = append(refs, s.of(typ))
	}
	if len(refs) == 1 {
		out["$ref"] = refs[0].(object)["$ref"]
	} else {
		out["oneOf"] = refs
	}
	out["description"] = "Within schemaVersion 1 members and values of enumerations are only added: ignore those you do not know."
	out["$defs"] = s.defs
	return out
}

// read takes the comments and constants of a package's source.
func (s schemas) read(dir string) {
	paths, err := filepath.Glob(dir + "/*.go")
	if err != nil || len(paths) == 0 {
		s.Fatal(dir, err)
	}
	for _, p := range paths {
		if strings.HasSuffix(p, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ParseComments)
		if err != nil {
			s.Fatal(err)
		}
		for _, d := range f.Decls {
			if d, ok := d.(*ast.GenDecl); ok {
				for _, spec := range d.Specs {
					s.declare(f.Name.Name, d, spec)
				}
			}
		}
	}
}

func (s schemas) declare(pkg string, d *ast.GenDecl, spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		name := pkg + "." + spec.Name.Name
		s.docs[name] = words(spec.Doc, d.Doc)
		fields, _ := spec.Type.(*ast.StructType)
		if fields == nil {
			return
		}
		for _, field := range fields.Fields.List {
			for _, n := range field.Names {
				s.docs[name+"."+n.Name] = words(field.Doc, field.Comment)
			}
		}
	case *ast.ValueSpec:
		typ, _ := spec.Type.(*ast.Ident)
		if typ == nil || len(spec.Values) != 1 || !d.Lparen.IsValid() { // a group of constants is an enumeration
			return
		}
		if value, ok := spec.Values[0].(*ast.BasicLit); ok && value.Kind == token.STRING {
			text, _ := strconv.Unquote(value.Value) // the parser has read it
			s.enum[pkg+"."+typ.Name] = append(s.enum[pkg+"."+typ.Name], text)
		}
	}
}

// words are the words of the first comment that has any.
func words(comments ...*ast.CommentGroup) string {
	for _, c := range comments {
		if text := strings.Join(strings.Fields(c.Text()), " "); text != "" {
			return text
		}
	}
	return ""
}

// of is the schema of a type. Named types are definitions.
func (s schemas) of(typ reflect.Type) object {
	switch {
	case typ == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case typ.Kind() == reflect.Pointer:
		return object{"anyOf": []any{s.of(typ.Elem()), object{"type": "null"}}}
	case typ.Kind() == reflect.Slice:
		return object{"type": "array", "items": s.of(typ.Elem())}
	case typ.PkgPath() == "":
		return object{"type": basic(s.T, typ)}
	}
	name := path.Base(typ.PkgPath()) + "." + typ.Name()
	short := typ.Name()
	if old := s.from[short]; old == nil {
		s.from[short], s.defs[short] = typ, object{}
		s.defs[short] = s.define(typ, name)
	} else if old != typ {
		s.Fatalf("%v and %v have one name", old, typ)
	}
	return object{"$ref": "#/$defs/" + short}
}

func (s schemas) define(typ reflect.Type, name string) object {
	out := object{}
	switch {
	case typ == reflect.TypeFor[azure.GUID]():
		out["type"], out["format"] = "string", "uuid"
	case typ == reflect.TypeFor[breakglass.Span]():
		out["type"] = "string"
	case typ == reflect.TypeFor[azure.ID]():
		out["type"], out["pattern"] = "string", "^(/.*)?$"
	case typ.Kind() == reflect.Struct:
		out = s.members(typ, name)
	default:
		out["type"] = basic(s.T, typ)
		if values := s.enum[name]; len(values) > 0 {
			out["enum"] = values
		}
	}
	if s.docs[name] == "" {
		s.Errorf("%s has no comment", name)
	}
	out["description"] = s.docs[name]
	return out
}

func (s schemas) members(typ reflect.Type, name string) object {
	properties, required := object{}, []string{}
	for i := range typ.NumField() {
		f := typ.Field(i)
		member, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || member == "-" {
			continue
		}
		if f.Anonymous && f.Tag.Get("json") == "" { // its members are told as the struct's own
			inner := s.members(f.Type, f.Type.Name())
			maps.Copy(properties, inner["properties"].(object))
			required = append(required, inner["required"].([]string)...)
			continue
		}
		if member == "" || f.Anonymous {
			s.Fatalf("%s.%s has no name in JSON", name, f.Name)
		}
		p := s.of(f.Type)
		if f.Type.Kind() == reflect.Pointer && options != "" {
			p = s.of(f.Type.Elem()) // left out instead of null
		}
		if text := s.docs[name+"."+f.Name]; text != "" {
			p["description"] = text
		}
		properties[member] = p
		if options == "" {
			required = append(required, member)
		}
	}
	return object{"type": "object", "properties": properties, "required": required}
}

func basic(t *testing.T, typ reflect.Type) string {
	switch typ.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int:
		return "integer"
	}
	t.Fatalf("%v in the contract", typ)
	return ""
}
