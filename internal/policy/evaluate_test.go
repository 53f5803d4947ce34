package policy

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/template"
)

// The resource of Microsoft Learn's page on array properties, and more.
const document = `{"name": "one", "location": "westeurope", "kind": "V2", "tags": {"env": "prod", "Acct.CostCenter": "7", "o'neill": "x", "empty": ""},
	"identity": {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {"/subscriptions/s/resourceGroups/ids/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a": {}}},
	"sku": {"name": "Standard"},
	"properties": {
		"text": "Some Value", "yes": true, "no": false, "count": 7, "ratio": 1.5, "date": "2024-05-01T00:00:00Z", "nothing": null, "version": "1.29.2",
		"stringArray": ["a", "b", "c"], "emptyArray": [],
		"objectArray": [{"property": "value1", "nestedArray": [1, 2]}, {"property": "value2", "nestedArray": [3, 4]}],
		"pools": [{"name": "p1", "enabled": true}, {"name": "p2"}],
		"children": [{"name": "c1", "properties": {"prefix": "10.0.0.0/24"}}, {"name": "c2", "properties": {"prefix": "10.1.0.0/24"}}],
		"map": {"Key": "v"}
	}}`

func resource(t *testing.T, doc string) *Resource {
	t.Helper()
	return &Resource{ID: azure.MustID("/subscriptions/s/resourceGroups/rg/providers/Microsoft.Test/things/one"), Doc: object(t, doc), APIVersion: "2024-05-01",
		Group: map[string]any{"location": "westeurope", "tags": map[string]any{"env": "group"}}, Caller: map[string]any{"idtyp": "user"}}
}

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return m
}

// define makes a definition of what stands in if. P is short for the alias' type and slash.
func define(t *testing.T, when string) (*Definition, *azure.Error) {
	t.Helper()
	when = strings.ReplaceAll(when, "P.", "Microsoft.Test/things/")
	return Parse(object(t, `{"mode": "All", "parameters": {
		"list": {"type": "Array", "defaultValue": ["a", "B"]}, "n": {"type": "Integer", "defaultValue": 3}, "tag": {"type": "String", "defaultValue": "env"}, "effect": {"type": "String", "defaultValue": "audit"}},
		"policyType": "Static", "policyRule": {"if": `+when+`, "then": {"effect": "[parameters('effect')]"}}}`), "test")
}

func test(t *testing.T, when string, r *Resource) (Truth, []Evaluated, error) {
	t.Helper()
	d, bad := define(t, when)
	if bad != nil {
		return Unknown, nil, bad
	}
	values, bad := d.Bind(nil)
	if bad != nil {
		t.Fatal(bad)
	}
	return d.rule.when.test(newEvaluation(r, values, About{Now: time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)}))
}

func TestConditions(t *testing.T) {
	for _, c := range []struct {
		when string
		want string // True, False, Unknown, or a part of the error
	}{
		// Fields.
		{`{"field": "name", "equals": "ONE"}`, "True"},
		{`{"field": "fullName", "equals": "one"}`, "True"},
		{`{"field": "type", "equals": "microsoft.test/THINGS"}`, "True"},
		{`{"field": "id", "like": "/subscriptions/*/things/one"}`, "True"},
		{`{"field": "kind", "equals": "v2"}`, "True"},
		{`{"field": "location", "in": ["West Europe"]}`, "True"},
		{`{"field": "location", "equals": "East US"}`, "False"},
		{`{"field": "identity.type", "contains": "UserAssigned"}`, "True"},
		{`{"field": "identity.userAssignedIdentities", "containsKey": "/subscriptions/S/resourceGroups/IDS/providers/Microsoft.ManagedIdentity/userAssignedIdentities/A"}`, "True"},
		{`{"field": "tags.env", "equals": "prod"}`, "True"},
		{`{"field": "tags[env]", "equals": "prod"}`, "True"},
		{`{"field": "tags['Acct.CostCenter']", "equals": "7"}`, "True"},
		{`{"field": "tags[Acct.CostCenter]", "equals": "7"}`, "True"},
		{`{"field": "tags['o''neill']", "equals": "x"}`, "True"},
		{`{"field": "tags", "containsKey": "ENV"}`, "True"},
		{`{"field": "tags", "notContainsKey": "owner"}`, "True"},
		{`{"field": "[concat('tags[', parameters('tag'), ']')]", "exists": "true"}`, "True"},
		{`{"field": "P.sku.name", "equals": "standard"}`, "True"},
		{`{"field": "P.map", "containsKey": "key"}`, "True"},
		{`{"field": "Microsoft.Other/things/text", "exists": true}`, "False"},

		// What is missing is null, and as a text "".
		{`{"field": "P.missing", "exists": "false"}`, "True"},
		{`{"field": "P.missing.below", "exists": false}`, "True"},
		{`{"field": "P.nothing", "exists": true}`, "False"},
		{`{"field": "P.no", "exists": true}`, "True"},
		{`{"field": "tags.empty", "exists": true}`, "True"},
		{`{"field": "P.missing", "equals": "x"}`, "False"},
		{`{"field": "P.missing", "notEquals": "x"}`, "True"},
		{`{"field": "P.missing", "equals": ""}`, "True"},
		{`{"field": "P.missing", "in": ["x"]}`, "False"},
		{`{"field": "P.missing", "notIn": ["x"]}`, "True"},
		{`{"field": "P.missing", "contains": "x"}`, "False"},
		{`{"field": "P.missing", "notContains": "x"}`, "True"},
		{`{"field": "P.missing", "like": "x*"}`, "False"},
		{`{"field": "P.missing", "less": 3}`, "False"},
		{`{"field": "P.missing", "containsKey": "x"}`, "False"},
		{`{"value": "[field('P.missing')]", "equals": ""}`, "True"},
		{`{"value": "[field('P.missing[*]')]", "exists": true}`, "True"},
		{`{"value": "[length(field('P.missing[*].property'))]", "equals": 0}`, "True"},

		// Operators.
		{`{"field": "P.text", "equals": "some value"}`, "True"},
		{`{"field": "P.yes", "equals": "true"}`, "True"},
		{`{"field": "P.no", "equals": false}`, "True"},
		{`{"field": "P.count", "equals": "7"}`, "True"},
		{`{"field": "P.ratio", "equals": 1.5}`, "True"},
		{`{"field": "P.text", "LIKE": "SOME*"}`, "True"},
		{`{"field": "P.text", "like": "*value"}`, "True"},
		{`{"field": "P.text", "like": "some*me value"}`, "False"},
		{`{"field": "P.text", "notLike": "other*"}`, "True"},
		{`{"field": "P.version", "match": "#.##.#"}`, "True"},
		{`{"field": "P.version", "match": "##.#.#"}`, "False"},
		{`{"field": "kind", "match": "?#"}`, "True"},
		{`{"field": "kind", "match": "v#"}`, "False"},
		{`{"field": "kind", "matchInsensitively": "v#"}`, "True"},
		{`{"field": "kind", "notMatch": "v#"}`, "True"},
		{`{"field": "kind", "notMatchInsensitively": "v#"}`, "False"},
		{`{"field": "P.text", "contains": "E V"}`, "True"},
		{`{"field": "P.stringArray", "contains": "B"}`, "True"},
		{`{"field": "P.text", "in": ["x", "SOME VALUE"]}`, "True"},
		{`{"field": "tags.env", "in": "[parameters('list')]"}`, "False"},
		{`{"value": "b", "in": "[parameters('list')]"}`, "True"},
		{`{"value": "b", "in": "[parameters('tag')]"}`, "expects an array"},
		{`{"field": "P.count", "greater": 6}`, "True"},
		{`{"field": "P.count", "lessOrEquals": "7"}`, "True"},
		{`{"field": "P.count", "less": 7}`, "False"},
		{`{"field": "P.count", "greaterOrEquals": "[parameters('n')]"}`, "True"},
		{`{"field": "P.text", "less": "t"}`, "True"},
		{`{"field": "P.text", "less": 3}`, "cannot be compared"},
		{`{"field": "P.date", "less": "[addDays(utcNow(), -30)]"}`, "True"},
		{`{"field": "P.date", "greater": "2024-04-30T23:00:00-02:00"}`, "False"},
		{`{"value": "[requestContext().apiVersion]", "greaterOrEquals": "2023-07-01"}`, "True"},

		// Logical operators.
		{`{"not": {"field": "name", "equals": "one"}}`, "False"},
		{`{"allof": [{"field": "name", "equals": "one"}, {"field": "kind", "exists": true}]}`, "True"},
		{`{"anyOf": [{"field": "name", "equals": "two"}, {"field": "kind", "equals": "x"}]}`, "False"},
		{`{"anyOf": [{"field": "name", "equals": "one"}, {"value": "[substring(field('name'), 0, 9)]", "equals": "x"}]}`, "True"}, // the second is not asked for
		{`{"allOf": [{"field": "name", "equals": "one"}, {"value": "[substring(field('name'), 0, 9)]", "equals": "x"}]}`, "cannot be evaluated"},
		{`{"value": "[if(greaterOrEquals(length(field('name')), 9), substring(field('name'), 0, 9), 'short')]", "equals": "short"}`, "True"},

		// Arrays, as Microsoft Learn's page tells.
		{`{"field": "P.stringArray[*]", "equals": "a"}`, "False"},
		{`{"field": "P.stringArray[*]", "in": ["a", "b", "c"]}`, "True"},
		{`{"field": "P.stringArray[*]", "notEquals": "d"}`, "True"},
		{`{"field": "P.missingArray[*]", "equals": "a"}`, "True"},
		{`{"field": "P.emptyArray[*]", "notEquals": "a"}`, "True"},
		{`{"field": "P.objectArray[*].property", "like": "value*"}`, "True"},
		{`{"field": "P.pools[*].enabled", "exists": true}`, "False"},
		{`{"value": "[length(field('P.stringArray'))]", "greater": 0}`, "True"},
		{`{"value": "[field('P.stringArray[*]')]", "equals": "x"}`, "False"},
		{`{"value": "[string(field('P.objectArray[*].nestedArray'))]", "equals": "[[[1,2],[3,4]]"}`, "True"},
		{`{"value": "[string(field('P.objectArray[*].nestedArray[*]'))]", "equals": "[[1,2,3,4]"}`, "True"},
		{`{"count": {"field": "P.stringArray[*]"}, "equals": 3}`, "True"},
		{`{"count": {"field": "P.missingArray[*]"}, "equals": 0}`, "True"},
		{`{"count": {"field": "P.objectArray[*].nestedArray[*]"}, "greaterOrEquals": 4}`, "True"},
		{`{"count": {"field": "P.stringArray[*]", "where": {"field": "P.stringArray[*]", "equals": "a"}}, "equals": 1}`, "True"},
		{`{"count": {"field": "P.objectArray[*]", "where": {"allOf": [{"field": "P.objectArray[*].property", "equals": "value2"}, {"field": "P.objectArray[*].nestedArray[*]", "greater": 2}]}}, "equals": 1}`, "True"},
		{`{"count": {"field": "P.objectArray[*]", "where": {"field": "tags.env", "equals": "prod"}}, "equals": 2}`, "True"},
		{`{"count": {"field": "P.objectArray[*]", "where": {"allOf": [{"field": "P.objectArray[*].property", "equals": "value2"}, {"count": {"field": "P.objectArray[*].nestedArray[*]", "where": {"field": "P.objectArray[*].nestedArray[*]", "equals": 3}}, "greater": 0}]}}, "equals": 1}`, "True"},
		{`{"count": {"field": "P.stringArray[*]", "where": {"field": "P.stringArray[*]", "equals": "[field('P.stringArray[*]')]"}}, "equals": 0}`, "True"},
		{`{"count": {"field": "P.stringArray[*]", "where": {"field": "P.stringArray[*]", "equals": "[first(field('P.stringArray[*]'))]"}}, "equals": 3}`, "True"},
		{`{"count": {"field": "P.stringArray[*]", "where": {"value": "[current()]", "in": ["a", "z"]}}, "equals": 1}`, "True"},
		{`{"count": {"field": "P.stringArray[*]", "where": {"value": "[current('P.stringArray[*]')]", "equals": "c"}}, "equals": 1}`, "True"},
		{`{"count": {"field": "P.objectArray[*]", "where": {"value": "[current('P.objectArray[*].property')]", "equals": "value1"}}, "equals": 1}`, "True"},
		{`{"count": {"field": "P.objectArray[*]", "where": {"value": "[length(current('P.objectArray[*].nestedArray[*]'))]", "equals": 2}}, "equals": 2}`, "True"},
		{`{"count": {"field": "P.pools[*]", "where": {"field": "P.pools[*].enabled", "exists": false}}, "equals": 1}`, "True"},
		{`{"count": {"field": "P.children[*]", "where": {"value": "[ipRangeContains('10.0.0.0/16', current('P.children[*].prefix'))]", "equals": false}}, "equals": 1}`, "True"},
		{`{"field": "P.children[*].name", "like": "c*"}`, "True"},
		{`{"count": {"value": ["on*", "t*"], "name": "pattern", "where": {"field": "name", "like": "[current('pattern')]"}}, "greater": 0}`, "True"},
		{`{"count": {"value": ["on*", "t*"], "where": {"field": "name", "like": "[current()]"}}, "equals": 1}`, "True"},
		{`{"count": {"value": "[parameters('list')]"}, "equals": 2}`, "True"},
		{`{"count": {"value": "[parameters('tag')]"}, "equals": 2}`, "expects an array"},
		{`{"count": {"value": [{"key": "a"}], "name": "o", "where": {"count": {"field": "P.stringArray[*]", "where": {"field": "P.stringArray[*]", "equals": "[current('o').key]"}}, "equals": 1}}, "equals": 1}`, "True"},

		// Functions.
		{`{"value": "[resourceGroup().name]", "like": "r*"}`, "True"},
		{`{"value": "[resourcegroup().tags[parameters('tag')]]", "equals": "group"}`, "True"},
		{`{"value": "[resourceGroup().tags['none']]", "equals": ""}`, "True"},
		{`{"value": "[resourceGroup().managedBy]", "exists": false}`, "True"},
		{`{"value": "[resourceGroup().none]", "equals": ""}`, "doesn't exist"},
		{`{"field": "[concat('tags[', '', ']')]", "exists": false}`, "True"},
		{`{"value": "[subscription().subscriptionId]", "equals": "s"}`, "True"},
		{`{"value": "[subscription().displayName]", "equals": "s"}`, "Unknown"},
		{`{"value": "[tryGet(requestContext().identity, 'idtyp')]", "equals": "user"}`, "True"},
		{`{"value": "[policy().assignmentId]", "exists": true}`, "Unknown"},
		{`{"value": "[utcNow()]", "equals": "2024-06-01T00:00:00.0000000Z"}`, "True"},
		{`{"value": "[addDays('2024-02-28T12:00:00Z', 2)]", "equals": "2024-03-01T12:00:00.0000000Z"}`, "True"},
		{`{"value": "[addDays('soon', 2)]", "equals": "x"}`, "expects a date"},
		{`{"value": "[ipRangeContains('192.168.0.1-192.168.0.9', '192.168.0.9')]", "equals": true}`, "True"},
		{`{"value": "[ipRangeContains('2001:db8::/110', '2001:db8::3:fffe')]", "equals": true}`, "True"},
		{`{"value": "[ipRangeContains('10.0.0.0/24', '10.0.0.0/16')]", "equals": true}`, "False"},
		{`{"value": "[ipRangeContains('10.0.0.0/24', '::1')]", "equals": true}`, "different families"},
		{`{"value": "[ipRangeContains('10.0.0.0/24', 'here')]", "equals": true}`, "expects addresses"},
		{`{"value": "[length(intersection(parameters('list'), field('P.stringArray')))]", "equals": 1}`, "True"},
		{`{"value": "[less(length(field('tags')), 3)]", "equals": "true"}`, "False"},
	} {
		got, _, err := test(t, c.when, resource(t, document))
		switch {
		case err != nil && (c.want == got.String() || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: error %v, want %s", c.when, err, c.want)
		case err == nil && got.String() != c.want:
			t.Errorf("%s: %v, want %s", c.when, got, c.want)
		}
	}
}

// What is not known makes no violation, unless nothing that it can be would help.
func TestUnknown(t *testing.T) {
	r := resource(t, document)
	properties := objectAt(r.Doc, "properties")
	properties["later"] = &template.Unknown{Expr: "reference('x').y"}
	properties["either"] = &template.Unknown{Expr: "if(x, 'a', 'b')", Choices: []any{"a", "b"}}
	properties["partly"] = []any{"a", &template.Unknown{Expr: "x"}}
	properties["inside"] = map[string]any{"v": &template.Unknown{Expr: "x"}}
	r.Doc["tags"] = &template.Unknown{Expr: "parameters('tags')"}
	for _, c := range []struct {
		when string
		want Truth
	}{
		{`{"field": "P.later", "equals": "x"}`, Unknown},
		{`{"field": "P.later", "notEquals": "x"}`, Unknown},
		{`{"field": "P.later", "exists": false}`, Unknown},
		{`{"field": "P.later.below", "equals": "x"}`, Unknown},
		{`{"field": "P.later[*].below", "equals": "x"}`, Unknown},
		{`{"field": "tags.env", "exists": false}`, Unknown},
		{`{"not": {"field": "P.later", "equals": "x"}}`, Unknown},
		{`{"value": "[concat(field('P.later'), 'x')]", "equals": "x"}`, Unknown},
		{`{"field": "name", "equals": "[field('P.later')]"}`, Unknown},
		{`{"anyOf": [{"field": "P.later", "equals": "x"}, {"field": "name", "equals": "one"}]}`, True},
		{`{"allOf": [{"field": "P.later", "equals": "x"}, {"field": "name", "equals": "two"}]}`, False},
		{`{"field": "P.either", "in": ["a", "b"]}`, True},
		{`{"field": "P.either", "equals": "c"}`, False},
		{`{"field": "P.either", "equals": "a"}`, Unknown},
		{`{"field": "P.partly[*]", "equals": "a"}`, Unknown},
		{`{"field": "P.partly[*]", "equals": "b"}`, False},
		{`{"field": "P.partly", "contains": "b"}`, Unknown},
		{`{"field": "P.inside", "exists": true}`, True},
		{`{"count": {"field": "P.partly[*]"}, "equals": 2}`, True},
		{`{"count": {"field": "P.later[*]"}, "equals": 2}`, Unknown},
		{`{"count": {"field": "P.partly[*]", "where": {"field": "P.partly[*]", "equals": "a"}}, "greater": 0}`, True},
		{`{"count": {"field": "P.partly[*]", "where": {"field": "P.partly[*]", "equals": "a"}}, "equals": 1}`, Unknown},
		{`{"count": {"field": "P.partly[*]", "where": {"field": "P.partly[*]", "equals": "a"}}, "greater": 2}`, False},
	} {
		got, why, err := test(t, c.when, r)
		if err != nil || got != c.want {
			t.Errorf("%s: %v, %v, want %v", c.when, got, err, c.want)
		}
		if got == Unknown && unknowns(why) == "" {
			t.Errorf("%s: what is not known is not told", c.when)
		}
	}
}

// A document that does not say all, as one of a plan, makes Unknown of what it lacks.
func TestUnsaid(t *testing.T) {
	r := resource(t, document)
	r.Unsaid = func(path string) string {
		if path == "properties.stringArray[*]" || strings.HasPrefix(path, "properties.open") || path == "tags.later" || strings.HasSuffix(path, "].size") {
			return "not said"
		}
		return ""
	}
	for _, c := range []struct {
		when string
		want Truth
	}{
		{`{"field": "P.missing", "exists": true}`, False},
		{`{"field": "P.open.x", "exists": true}`, Unknown},
		{`{"field": "P.open[*].x", "equals": 1}`, Unknown},
		{`{"field": "tags.later", "exists": true}`, Unknown},
		{`{"field": "tags.never", "exists": true}`, False},
		{`{"field": "P.stringArray[*]", "in": ["a", "b", "c"]}`, Unknown},
		{`{"field": "P.stringArray[*]", "in": ["a", "b"]}`, False},
		{`{"count": {"field": "P.stringArray[*]"}, "greater": 2}`, Unknown},
		{`{"field": "P.pools[*].size", "equals": 1}`, Unknown},
	} {
		if got, _, err := test(t, c.when, r); err != nil || got != c.want {
			t.Errorf("%s: %v, %v, want %v", c.when, got, err, c.want)
		}
	}
}

// Evaluation details are those of recorded answers.
func TestEvaluated(t *testing.T) {
	for _, c := range []struct{ when, want string }{
		{`{"allOf": [{"field": "type", "equals": "Microsoft.Test/things"}, {"anyOf": [{"field": "P.addons.policy.enabled", "exists": false}, {"field": "P.addons.policy.enabled", "equals": false}]}]}`,
			`[{"result":"True","expressionKind":"Field","expression":"type","path":"type","expressionValue":"Microsoft.Test/things","targetValue":"Microsoft.Test/things","operator":"Equals"},` +
				`{"result":"True","expressionKind":"Field","expression":"Microsoft.Test/things/addons.policy.enabled","path":"properties.addons.policy.enabled","targetValue":"False","operator":"Exists"}]`},
		{`{"value": "[length(field('P.missing'))]", "less": 1}`,
			`[{"result":"True","expressionKind":"Value","expression":"[length(field('Microsoft.Test/things/missing'))]","expressionValue":0,"targetValue":1,"operator":"Less"}]`},
		{`{"field": "P.children[*].prefix", "like": "10.*"}`,
			`[{"result":"True","expressionKind":"Field","expression":"Microsoft.Test/things/children[*].prefix","path":"properties.children[*].properties.prefix","expressionValue":["10.0.0.0/24","10.1.0.0/24"],"targetValue":"10.*","operator":"Like"}]`},
	} {
		_, why, err := test(t, c.when, resource(t, document))
		if got := string(compact(why)); err != nil || got != c.want {
			t.Errorf("%s:\n got %s, %v\nwant %s", c.when, got, err, c.want)
		}
	}
	_, why, err := test(t, `{"count": {"field": "P.pools[*]", "where": {"field": "P.pools[*].enabled", "exists": false}}, "greater": 0}`, resource(t, document))
	if err != nil || len(why) != 1 || len(why[0].Inner) != 1 || why[0].Inner[0].Path != "properties.pools[1].enabled" || why[0].Path != "properties.pools[*]" {
		t.Errorf("a count does not tell which member: %s, %v", compact(why), err)
	}
}
