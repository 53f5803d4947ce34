package template

import (
	"fmt"
	"strings"
	"testing"

	"aksid/internal/azure"
)

// What az sends for `az deployment group create`: template has no quotes, and the file follows as it is.
func TestParseRequest(t *testing.T) {
	r, err := ParseRequest([]byte(`{"properties": {"parameters": {"name": {"value": "[not evaluated]"}, "o": {"value": {"b": 1, "a": [true, null]}}}, "mode": "Incremental", template:{
  // a comment
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "contentVersion": "1.0.0.0",
  "parameters": {"name": {"type": "string"}, "o": {"type": "object"}},
  "resources": [],
  "outputs": {"x": {"type": "string", "value": "[concat(parameters('name'), /* no comment here
     */ string(parameters('o')))]"}, "y": {"type": "string", "value": "[concat(
       parameters('name'),
       string(parameters('o')))]"}}
}}, "location": "uksouth", "tags": {"a": "b"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if r.Mode != "Incremental" || r.Location != "uksouth" || r.Tags["a"] != "b" || r.Link != "" {
		t.Errorf("%+v", r)
	}
	got := (&Deployment{Template: r.Template, Parameters: r.Parameters}).Evaluate()
	if len(got.Errors) != 1 || got.Errors[0].Line != 7 || got.Outputs[0].Value != `[not evaluated]{"b":1,"a":[true,null]}` {
		t.Errorf("%v %v", got.Errors, got.Outputs)
	}
}

func TestParseRequestErrors(t *testing.T) {
	for text, want := range map[string]string{
		``:                                    "Unexpected end when reading JSON. Path '', line 1, position 0.",
		`{"a": 1}`:                            "The deployment must have Properties property set.",
		`{"properties": {"template": {}}}`:    "Required property '$schema' not found in JSON.",
		`{"properties": {"template": []}}`:    "it is no JSON object",
		`{"properties": {"parameters": [1]}}`: "the parameters are no JSON object",
		`{"properties": {"parameters": {"a":1}}}`: "the parameter 'a' has neither a value nor a reference",
		`{"properties": {}} x`:                    "Additional text encountered after finished reading JSON content: x.",
	} {
		if _, err := ParseRequest([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		} else if _, ok := err.(*Error); !ok {
			t.Errorf("%s: %T", text, err)
		}
	}
	r, err := ParseRequest([]byte(`{"properties": {"mode": "Complete", "templateLink": {"uri": "https://example.com/t.json"}}}`))
	if err != nil || r.Template != nil || r.Link != "https://example.com/t.json" || r.Mode != "Complete" {
		t.Errorf("%+v %v", r, err)
	}
}

func TestParseParameters(t *testing.T) {
	for _, text := range []string{
		`{"$schema": "x", "parameters": {"a": {"value": 1}, "s": {"reference": {"keyVault": {"id": "/subscriptions/s/v"}, "secretName": "n"}}}}`,
		`{"a": {"value": 1}, "s": {"reference": {"keyVault": {"id": "/subscriptions/s/v"}, "secretName": "n"}}}`,
	} {
		p, err := ParseParameters([]byte(text))
		if err != nil || p["a"] != int64(1) {
			t.Fatal(p, err)
		}
		if ref, ok := p["s"].(*Unknown).Ref(); !ok || ref.ID.String() != "/subscriptions/s/v" || ref.Path != "secrets.n" {
			t.Errorf("%+v", ref)
		}
	}
	if p, err := ParseParameters([]byte(`{"parameters": {"value": "a parameter of that name"}}`)); err != nil || p["parameters"] != "a parameter of that name" {
		t.Error(p, err)
	}
	if _, err := ParseParameters([]byte(`{"a": `)); err == nil {
		t.Error("read half a file")
	}
}

// The reader's leniency, and its words for what is wrong.
func TestParseJSON(t *testing.T) {
	for text, want := range map[string]string{
		`{'a': "b", c: [1, 2,], /* x */ "d": null, // y
		"e": true}`: `{"a":"b","c":[1,2],"d":null,"e":true}`,
		`"\u00e9\ud83d\ude00\n\/\'"`:        `"é😀\n/'"`,
		`"\ud83d"`:                          `"�"`,
		"\"two\nlines\"":                    `"two\nlines"`,
		"\ufeff[]":                          `[]`,
		`{"a": 1, "a": 2}`:                  `{"a":2}`,
		`[-1, 1.5e3, 12345678901234567890]`: `[-1,1.5e3,12345678901234567890]`,
	} {
		n, err := parse([]byte(text), true)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		r := &run{budget: maxWork}
		if got := string(r.json(nil, n.data())); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"{\"variables\": {\n  \"a\": 1 \"b\": 2}}": "After parsing a value an unexpected character was encountered: \". Path 'variables', line 2, position 9.",
		`{"a" 1}`:                "Invalid character after parsing property name. Expected ':' but got: 1. Path 'a', line 1, position 5.",
		`{"a": `:                 "Unexpected end when reading JSON. Path 'a'",
		`{"a": 1`:                "Unexpected end of content while loading JSON. Path '', line 1, position 7.",
		`["a`:                    `Unterminated string. Expected delimiter: ". Path '[0]', line 1, position 3.`,
		`"\x"`:                   `Bad JSON escape sequence: \x.`,
		`"\u12g4"`:               `Invalid Unicode escape sequence: \u12g4.`,
		`"\`:                     "Unterminated string.",
		`[1-2]`:                  "Input string '1-2' is not a valid number.",
		`[nothing]`:              "Unexpected character encountered while parsing value: n.",
		`{-: 1}`:                 "Invalid property identifier character: -.",
		`/* x`:                   "Unexpected end while parsing comment.",
		`/x`:                     "Error parsing comment.",
		"\"\xff\"":               "The content is not UTF-8.",
		strings.Repeat("[", 300): "The reader's MaxDepth of 256 has been exceeded.",
		`{"` + strings.Repeat("a", 5000) + `": 1}`: "longer than 4096 bytes",
		`"` + strings.Repeat("a", 4<<20) + `"`:     "exceeds the limit of '4194304' bytes",
	} {
		if _, err := parse([]byte(text), true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %s", text, err, want)
		}
	}
}

// Positions are those that ARM's messages give: where an object opens, where another value ends.
func TestPositions(t *testing.T) {
	n, err := parse([]byte("{\n  \"a\": \"xyz\",\n  \"b\": {\"c\": [1, true]}\n}"), false)
	if err != nil {
		t.Fatal(err)
	}
	list := n.get("b").get("c")
	for _, c := range []struct {
		n         *node
		line, col int32
		path      string
	}{{n, 1, 1, ""}, {n.get("a"), 2, 12, "a"}, {n.get("b"), 3, 8, "b"}, {list, 3, 14, "b.c"}, {list.items[1], 3, 21, "b.c[1]"}} {
		if c.n.line != c.line || c.n.col != c.col || n.pathTo(c.n) != c.path {
			t.Errorf("%s at %d:%d, want %s at %d:%d", n.pathTo(c.n), c.n.line, c.n.col, c.path, c.line, c.col)
		}
	}
}

// The limits of templates are ARM's.
func TestLimits(t *testing.T) {
	many := func(n int, item string) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(item, i))
		}
		return strings.Join(all, ",")
	}
	for section, want := range map[string]string{
		`"resources": [], "parameters": {` + many(257, `"p%d": {"type": "int"}`) + `}`: "The number of template parameters limit exceeded. Limit: '256' and actual: '257'.",
		`"resources": [], "variables": {` + many(513, `"p%d": 1`) + `}`:                "The number of template variables limit exceeded. Limit: '512' and actual: '513'.",
		`"resources": [], "outputs": {` + many(65, `"p%d": {}`) + `}`:                  "The number of template outputs limit exceeded. Limit: '64' and actual: '65'.",
		`"resources": [` + many(801, `%d`) + `]`:                                       "The number of template resources limit exceeded. Limit: '800' and actual: '801'.",
		`"x": 1`:                                                                       "Required property 'resources' not found in JSON.",
		`"resources": [], "functions": [{"namespace": "n", "members": {"f": {}}}]`:     "The template function 'f' at line '1'",
	} {
		if _, err := Parse([]byte(`{` + groupSchema + `, ` + section + `}`)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.50s: %v", section, err)
		}
	}
	if _, err := Parse([]byte(`{"$schema": "https://example.com/deploymentParameters.json#", "resources": []}`)); err == nil || !strings.Contains(err.Error(), "is not supported") {
		t.Error(err)
	}
	r := in(t, `{`+groupSchema+`, "resources": [`+many(2, `{"type": "A.B/c", "apiVersion": "1", "name": "[format('n%d-{0}', copyIndex())]", "copy": {"name": "l%[1]d", "count": 500}}`)+`]}`).Evaluate()
	if len(r.Errors) != 1 || !strings.Contains(r.Errors[0].Message, "Limit: '800' and actual: '1000'") {
		t.Error(r.Errors)
	}
}

// Texts that grow without end, and values that share their parts, end in an error and not in the machine.
func TestBounds(t *testing.T) {
	var doubled, shared []string
	for i := range 60 {
		doubled = append(doubled, fmt.Sprintf(`"v%d": "[concat(variables('v%d'), variables('v%[2]d'))]"`, i+1, i))
		shared = append(shared, fmt.Sprintf(`"v%d": "[createArray(variables('v%d'), variables('v%[2]d'))]"`, i+1, i))
	}
	nest := `"x"`
	for range 250 {
		nest = `[` + nest + `]`
	}
	for name, variables := range map[string]string{
		"doubled": `"v0": "0123456789", ` + strings.Join(doubled, ","),
		"shared":  `"v0": "x", ` + strings.Join(shared, ","),
		"pad":     `"v60": "[padLeft('x', 16000000)]"`,
		"ranges":  `"v60": "[map(range(0, 10000), lambda('x', range(0, 10000)))]"`,
		"replace": `"v0": "[padLeft('', 1000000, 'x')]", "v60": "[replace(variables('v0'), 'x', variables('v0'))]"`,
	} {
		d := in(t, `{`+groupSchema+`, "variables": {`+variables+`}, "resources": [], "outputs": {"o": {"type": "string", "value": "[variables('v60')]"}}}`)
		r := d.Evaluate()
		if len(r.Errors) != 1 || !strings.Contains(r.Errors[0].Message, "more work than is allowed") {
			t.Errorf("%s: %v", name, r.Errors)
		}
	}
	// unknown values grow as well
	r := in(t, `{`+groupSchema+`, "parameters": {"p": {"type": "string"}}, "variables": {"v0": "[parameters('p')]", `+strings.Join(doubled, ",")+`}, "resources": [],
		"outputs": {"o": {"type": "string", "value": "[variables('v60')]"}}}`)
	r.Partial = true
	if got := r.Evaluate(); len(got.Errors) > 0 || len(got.Outputs[0].Value.(*Unknown).Expr) > 2*maxUnknown {
		t.Error(got.Errors)
	}
	// and functions that call themselves
	f := in(t, `{`+groupSchema+`, "functions": [{"namespace": "n", "members": {"f": {"parameters": [], "output": {"type": "string", "value": "[n.f()]"}}}}], "resources": [],
		"outputs": {"o": {"type": "string", "value": "[n.f()]"}}}`).Evaluate()
	if len(f.Errors) != 1 || !strings.Contains(f.Errors[0].Message, "nested deeper") {
		t.Error(f.Errors)
	}
}

// Values against the types of their parameters.
func TestTypes(t *testing.T) {
	const definitions = `"definitions": {
		"port": {"type": "int", "minValue": 1, "maxValue": 65535},
		"pool": {"type": "object", "properties": {"name": {"type": "string", "minLength": 2}, "port": {"$ref": "#/definitions/port"}, "mode": {"type": "string", "nullable": true, "allowedValues": ["User", "System"]}}, "additionalProperties": false},
		"shape": {"type": "object", "discriminator": {"propertyName": "kind", "mapping": {"circle": {"$ref": "#/definitions/circle"}}}},
		"circle": {"type": "object", "properties": {"kind": {"type": "string"}, "r": {"type": "int"}}},
		"me": {"$ref": "#/definitions/me"}
	}`
	for _, c := range []struct{ typ, value, want string }{
		{`"type": "string"`, `"x"`, ``},
		{`"type": "String"`, `1`, "Expected 'String, Uri'. Actual 'Integer'."},
		{`"type": "int"`, `"1"`, "Expected 'Integer'. Actual 'String'."},
		{`"type": "int"`, `1.5`, "Expected 'Integer'. Actual 'Float'."},
		{`"type": "bool"`, `"true"`, "Expected 'Boolean'. Actual 'String'."},
		{`"type": "object"`, `[]`, "Expected 'Object'. Actual 'Array'."},
		{`"type": "array"`, `{}`, "Expected 'Array'. Actual 'Object'."},
		{`"type": "int", "minValue": 2`, `1`, "The value should be greater than or equal to '2'."},
		{`"type": "array", "maxLength": 1`, `[1, 2]`, "Length of the value should be less than or equal to '1'."},
		{`"type": "array", "allowedValues": ["a", "b"]`, `["b"]`, ``},
		{`"type": "array", "allowedValues": ["a", "b"]`, `["c"]`, "is not part of the allowed value(s): 'a,b'."},
		{`"$ref": "#/definitions/pool"`, `{"name": "ab", "port": 80}`, ``},
		{`"$ref": "#/definitions/pool"`, `{"name": "ab", "port": 80, "mode": "Other"}`, "for the template parameter 'p.mode'"},
		{`"$ref": "#/definitions/pool"`, `{"name": "a", "port": 80}`, "parameter 'p.name' is not valid. Length of the value should be greater than or equal to '2'."},
		{`"$ref": "#/definitions/pool"`, `{"name": "ab", "port": 0}`, "parameter 'p.port' is not valid."},
		{`"$ref": "#/definitions/pool"`, `{"name": "ab"}`, "missing the required property 'port'"},
		{`"$ref": "#/definitions/pool"`, `{"name": "ab", "port": 1, "x": 1}`, "The property 'x' is not allowed."},
		{`"type": "array", "items": {"$ref": "#/definitions/port"}`, `[1, "x"]`, "Expected 'Integer'. Actual 'String'."},
		{`"type": "array", "prefixItems": [{"type": "int"}], "items": {"type": "string"}`, `[1, "x"]`, ``},
		{`"type": "object", "additionalProperties": {"type": "int"}`, `{"a": "x"}`, "Expected 'Integer'. Actual 'String'."},
		{`"$ref": "#/definitions/shape"`, `{"kind": "circle", "r": 1}`, ``},
		{`"$ref": "#/definitions/shape"`, `{"kind": "circle", "r": "x"}`, "Expected 'Integer'. Actual 'String'."},
		{`"type": "string", "nullable": true`, `null`, ``},
		{`"type": "string"`, `null`, "Expected 'String, Uri'. Actual 'Null'."},
		{`"$ref": "#/definitions/me"`, `1`, ``},
	} {
		d := in(t, `{`+groupSchema+`, "languageVersion": "2.0", `+definitions+`, "parameters": {"p": {`+c.typ+`}}, "resources": {}}`)
		p, err := ParseParameters([]byte(`{"P": {"value": ` + c.value + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		d.Parameters = p
		r := d.Evaluate()
		if (c.want == "") != (len(r.Errors) == 0) || c.want != "" && !strings.Contains(r.Errors[0].Message, c.want) {
			t.Errorf("%s with %s: %v, want %q", c.typ, c.value, r.Errors, c.want)
		}
	}
}

// Plain Go values are as good as those of a parameter file.
func TestPlainParameters(t *testing.T) {
	d := in(t, `{`+groupSchema+`, "parameters": {"p": {"type": "object"}}, "resources": [], "outputs": {"o": {"type": "string", "value": "[string(parameters('p'))]"}, "u": {"type": "string", "value": "[parameters('p').u.x]"}}}`)
	ref := &Unknown{Expr: "elsewhere()"}
	d.Parameters = Parameters{"p": map[string]any{"b": 1, "a": []any{true, 2.5, "x", nil}, "u": ref}}
	r := d.Evaluate()
	if len(r.Errors) > 0 || r.Outputs[0].Value.(*Unknown).Expr != "string(createObject('a', createArray(true(), 2.5, 'x', null()), 'b', 1, 'u', elsewhere()))" || r.Outputs[1].Value.(*Unknown).Expr != "elsewhere().x" {
		t.Errorf("%v %s", r.Errors, compact(r.Outputs[0].Value))
	}
}

func TestUnknownID(t *testing.T) {
	u := &Unknown{Expr: "x", Text: "/subscriptions/{a}/resourceGroups/rg"}
	if id, ok := u.ID(); !ok || id.ResourceGroup() != "rg" {
		t.Error(id)
	}
	if id, ok := (&Unknown{Expr: "x", Text: "{x}"}).ID(); ok || !id.IsZero() {
		t.Error(id)
	}
	if h := hole("a/b\n" + strings.Repeat("c", 300)); strings.ContainsAny(h, "/\n") || len(h) > 200 {
		t.Error(h)
	}
	if _, err := azure.ParseID("/subscriptions/" + hole("reference('/a')")); err != nil {
		t.Error(err)
	}
}

// A text of which a part is known is not empty, whatever the rest will be.
func TestPartlyKnownIsNotEmpty(t *testing.T) {
	for expression, want := range map[string]string{
		"empty(resourceId('Microsoft.Network/virtualNetworks', parameters('p')))": "false",
		"empty(format('aks-{0}', parameters('p')))":                               "false",
		"equals(concat('x', parameters('p')), '')":                                "false",
		"equals('', concat('x', parameters('p')))":                                "false",
		"empty(if(parameters('b'), concat('x', parameters('p')), 'y'))":           "false",
		"empty(if(parameters('b'), concat('x', parameters('p')), ''))":            "unknown",
		"empty(parameters('p'))":                                                  "unknown",
		"empty(concat(parameters('p'), parameters('p')))":                         "unknown",
		"equals(concat('x', parameters('p')), 'xy')":                              "unknown",
		"empty(coalesce(parameters('p'), ''))":                                    "unknown",
	} {
		text := `{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0", "parameters": {"p": {"type": "string"}, "b": {"type": "bool"}},
			"resources": [{"type": "Microsoft.Network/virtualNetworks", "apiVersion": "2023-04-01", "name": "v", "location": "westeurope", "properties": {"x": "[` + expression + `]"}}]}`
		parsed, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		d := Deployment{Template: parsed, Partial: true, Name: "d", Subscription: azure.MustGUID("11111111-1111-1111-1111-111111111111"), Group: "rg", Location: "westeurope"}
		r := d.Evaluate()
		for _, e := range r.Errors {
			t.Fatal(expression, e)
		}
		properties, _ := r.Resources[0].Document["properties"].(map[string]any)
		got := fmt.Sprint(properties["x"])
		if isUnknown(properties["x"]) {
			got = "unknown"
		}
		if got != want {
			t.Errorf("%s is %s, want %s", expression, got, want)
		}
	}
}
