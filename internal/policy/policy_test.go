package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
	"aksid/internal/template"
)

// rule makes a definition's body of a rule.
func body(rule string) string { return `{"properties": {"mode": "All", "policyRule": ` + rule + `}}` }

func when(condition string) string {
	return body(`{"if": ` + condition + `, "then": {"effect": "deny"}}`)
}

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat(`{"not": `, 300) + `{"field": "name", "equals": "x"}` + strings.Repeat("}", 300)
	many := `{"allOf": [` + strings.Repeat(`{"field": "name", "equals": "x"},`, 5000) + `{"field": "name", "equals": "x"}]}`
	for _, c := range []struct{ name, body, code, message string }{
		{"no rule", `{"properties": {}}`, "InvalidPolicyRule", "has no policy rule"},
		{"properties in the rule", body(`{"properties": {}, "if": {}, "then": {"effect": "deny"}}`), "InvalidPolicyRule",
			"Failed to parse policy rule: 'Could not find member 'properties' on object of type 'PolicyRuleDefinition'. Path 'properties'.'."},
		{"no such operator", when(`{"field": "name", "lessThan": 3}`), "InvalidPolicyRule", "Could not find member 'lessThan' on object of type 'LeafExpression'. Path 'if.lessThan'."},
		{"legacy source", when(`{"source": "action", "like": "x"}`), "InvalidPolicyRule", "Could not find member 'source'"},
		{"no then", body(`{"if": {"field": "name", "equals": "x"}}`), "InvalidPolicyRule", "Required property 'then'"},
		{"no effect", body(`{"if": {"field": "name", "equals": "x"}, "then": {}}`), "InvalidPolicyRule", "Required property 'effect'"},
		{"no such effect", body(`{"if": {"field": "name", "equals": "x"}, "then": {"effect": "forbid"}}`), "InvalidPolicyRule", "The policy effect 'forbid' is not valid"},
		{"empty condition", when(`{}`), "InvalidPolicyRule", "A condition or a logical operator is expected"},
		{"empty allOf", when(`{"allOf": []}`), "InvalidPolicyRule", "An array of conditions"},
		{"two operators", when(`{"field": "name", "equals": "x", "like": "y"}`), "InvalidPolicyRule", "has one operator"},
		{"two subjects", when(`{"field": "name", "value": "x", "like": "y"}`), "InvalidPolicyRule", "one of 'field', 'value' and 'count'"},
		{"no operator", when(`{"field": "name"}`), "InvalidPolicyRule", "needs an operator"},
		{"no subject", when(`{"equals": "x"}`), "InvalidPolicyRule", "needs 'field', 'value' or 'count'"},
		{"no field", when(`{"field": "colour", "equals": "x"}`), "InvalidPolicyRule", "The field 'colour' is not supported"},
		{"in without array", when(`{"field": "name", "in": "x"}`), "InvalidPolicyRule", "expects an array"},
		{"equals with array", when(`{"field": "name", "equals": ["x"]}`), "InvalidPolicyRule", "expects one value"},
		{"exists with text", when(`{"field": "name", "exists": "maybe"}`), "InvalidPolicyRule", "'true' or 'false'"},
		{"count without array alias", when(`{"count": {"field": "Microsoft.X/y/z"}, "equals": 1}`), "InvalidPolicyRule", "not an array alias"},
		{"count of both", when(`{"count": {"field": "Microsoft.X/y/z[*]", "value": []}, "equals": 1}`), "InvalidPolicyRule", "one of 'field' and 'value'"},
		{"unnamed inner count", when(`{"count": {"value": ["a"], "where": {"count": {"value": ["b"]}, "equals": 1}}, "equals": 1}`), "InvalidPolicyRule", "needs a name"},
		{"too deep", when(deep), "InvalidPolicyRule", "nested deeper"},
		{"too many", when(many), "InvalidPolicyRule", "more than '4096' conditions"},
		{"syntax of expression", when(`{"value": "[concat('a', ]", "equals": "x"}`), "InvalidPolicyParameters", "is not valid"},
		{"no such function", when(`{"value": "[invent()]", "equals": "x"}`), "InvalidPolicyParameters", "The template function 'invent' is not valid"},
		{"function of templates", when(`{"value": "[resourceId('a/b', 'c')]", "equals": "x"}`), "InvalidPolicyParameters", "'resourceId' is not valid"},
		{"list function", when(`{"value": "[listKeys('a', 'b')]", "equals": "x"}`), "InvalidPolicyParameters", "'listKeys' is not valid"},
		{"current outside", when(`{"value": "[current()]", "equals": "x"}`), "InvalidPolicyParameters", "'current' is not expected at this location"},
		{"current of another", when(`{"count": {"value": ["a"], "name": "x", "where": {"value": "[current('y')]", "equals": "x"}}, "equals": 1}`), "InvalidPolicyParameters", "names no count around it"},
		{"undefined parameter", when(`{"value": "[parameters('x')]", "equals": "x"}`), "InvalidPolicyParameters", "has undefined parameter 'x' which is used in the policy rule"},
		{"unused parameter", `{"properties": {"parameters": {"x": {"type": "String"}}, "policyRule": {"if": {"field": "name", "equals": "x"}, "then": {"effect": "deny"}}}}`,
			"UnusedPolicyParameters", "has defined parameters 'x' which are not used"},
		{"escaped brackets", `{"properties": {"parameters": {"effect": {"type": "String"}}, "policyRule": {"if": {"field": "name", "equals": "x"}, "then": {"effect": "[[parameters('effect')]"}}}}`,
			"InvalidPolicyRule", "is not valid"},
		{"parameter type", `{"properties": {"parameters": {"x": {"type": "Text"}}}}`, "InvalidPolicyParameters", "none of String, Array"},
		{"default of another type", `{"properties": {"parameters": {"x": {"type": "String", "defaultValue": []}}}}`, "InvalidPolicyParameterType", "is of type 'Array', expected type is 'String'"},
		{"default not allowed", `{"properties": {"parameters": {"x": {"type": "String", "defaultValue": "deny", "allowedValues": ["Deny"]}}}}`, "PolicyParameterValueNotAllowed",
			"The value 'deny' is not allowed for policy parameter 'x' in policy definition 'p'. The allowed values are 'Deny'."},
		{"mode", `{"properties": {"mode": "some"}}`, "InvalidPolicyDefinition", "the mode 'some'"},
	} {
		_, err := Parse(object(t, c.body), "p")
		if err == nil || err.Code != c.code || !strings.Contains(err.Message, c.message) {
			t.Errorf("%s: %v, want %s with %q", c.name, err, c.code, c.message)
		}
	}
}

func parsed(t *testing.T, text string) *Definition {
	t.Helper()
	d, err := Parse(object(t, text), "p")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const things = `{"field": "type", "equals": "Microsoft.Test/things"}`

func TestEvaluate(t *testing.T) {
	for _, c := range []struct {
		name, definition string
		want             State
		reason           string
	}{
		{"fulfilled", `{"mode": "All", "policyRule": {"if": {"allOf": [` + things + `, {"field": "name", "equals": "one"}]}, "then": {"effect": "Deny"}}}`, NonCompliant, ""},
		{"not fulfilled", `{"mode": "All", "policyRule": {"if": {"allOf": [` + things + `, {"field": "tags.env", "equals": "two"}]}, "then": {"effect": "Deny"}}}`, Compliant, ""},
		{"of another type", `{"mode": "All", "policyRule": {"if": {"allOf": [{"field": "type", "equals": "Microsoft.Test/others"}, {"field": "name", "equals": "two"}]}, "then": {"effect": "Deny"}}}`, NotApplicable, "other resources"},
		{"of all but a type", `{"mode": "All", "policyRule": {"if": {"allOf": [{"not": ` + things + `}, {"field": "name", "equals": "one"}]}, "then": {"effect": "Deny"}}}`, NotApplicable, "other resources"},
		{"disabled", `{"mode": "All", "policyRule": {"if": {"field": "name", "equals": "one"}, "then": {"effect": "disabled"}}}`, NotApplicable, "disabled"},
		{"a data plane's", `{"mode": "Microsoft.Kubernetes.Data", "policyRule": {"if": {"field": "type", "in": ["x"]}, "then": {"effect": "deny", "details": {"constraint": "[anything]"}}}}`, Undecided, "evaluated inside of the resource"},
		{"failing", `{"mode": "All", "policyRule": {"if": {"value": "[substring(field('name'), 0, 9)]", "equals": "x"}, "then": {"effect": "audit"}}}`, Failed, "substring"},
		{"not known", `{"mode": "All", "policyRule": {"if": {"value": "[subscription().displayName]", "equals": "x"}, "then": {"effect": "audit"}}}`, Undecided, "subscription().displayName"},
		{"manual", `{"mode": "All", "policyRule": {"if": ` + things + `, "then": {"effect": "manual"}}}`, Undecided, "attested"},
		{"deny action", `{"mode": "All", "policyRule": {"if": ` + things + `, "then": {"effect": "denyAction", "details": {"actionNames": ["delete"]}}}}`, Compliant, "deleting"},
		{"something is missing", `{"mode": "All", "policyRule": {"if": ` + things + `, "then": {"effect": "auditIfNotExists", "details": {"type": "Microsoft.Test/others"}}}}`, NonCompliant, "no resource of type Microsoft.Test/others"},
		{"something is there", `{"mode": "All", "policyRule": {"if": ` + things + `, "then": {"effect": "auditIfNotExists", "details": {"type": "Microsoft.Test/things/parts"}}}}`, Compliant, ""},
		{"by name", `{"mode": "All", "policyRule": {"if": ` + things + `, "then": {"effect": "auditIfNotExists", "details": {"type": "Microsoft.Test/things/parts", "name": "other"}}}}`, NonCompliant, ""},
		{"as it must be", `{"mode": "All", "policyRule": {"if": ` + things + `, "then": {"effect": "auditIfNotExists", "details": {"type": "Microsoft.Test/things/parts",
			"existenceCondition": {"allOf": [{"field": "Microsoft.Test/things/parts/owner", "equals": "[field('name')]"}, {"field": "name", "equals": "part"}]}}}}}`, Compliant, ""},
		{"not as it must be", `{"mode": "All", "policyRule": {"if": ` + things + `, "then": {"effect": "deployIfNotExists", "details": {"type": "Microsoft.Test/things/parts",
			"existenceCondition": {"field": "Microsoft.Test/things/parts/owner", "equals": "two"}, "deployment": {"properties": {"template": {"x": "[resourceId('a/b','c')]"}}}}}}}`, NonCompliant, ""},
		{"related not read", `{"mode": "All", "policyRule": {"if": ` + things + `, "then": {"effect": "auditIfNotExists", "details": {"type": "Microsoft.Secret/things"}}}}`, Undecided, "was not read"},
	} {
		d := parsed(t, c.definition)
		r := resource(t, document)
		r.Nearby = nearby{}
		values, bad := d.Bind(nil)
		if bad != nil {
			t.Fatal(bad)
		}
		got := d.Evaluate(r, values, About{})
		if got.State != c.want || !strings.Contains(got.Reason, c.reason) {
			t.Errorf("%s: %s (%s), want %s (%s)", c.name, got.State, got.Reason, c.want, c.reason)
		}
	}
}

type nearby struct{}

func (nearby) Related(scope azure.ID, typ string) ([]map[string]any, bool) {
	switch typ {
	case "Microsoft.Secret/things":
		return nil, false
	case "Microsoft.Test/things/parts":
		return []map[string]any{{"id": scope.String() + "/parts/part", "properties": map[string]any{"owner": "one"}}}, true
	}
	return nil, true
}

// The mode Indexed is about resources with tags and location.
func TestIndexed(t *testing.T) {
	d := parsed(t, `{"mode": "Indexed", "policyRule": {"if": {"field": "name", "like": "*"}, "then": {"effect": "audit"}}}`)
	r := resource(t, `{"properties": {}}`)
	if got := d.Evaluate(r, nil, About{}); got.State != NotApplicable {
		t.Errorf("a child: %+v", got)
	}
	r.Doc["location"] = "x"
	if got := d.Evaluate(r, nil, About{}); got.State != NonCompliant {
		t.Errorf("a resource with a location: %+v", got)
	}
	for _, id := range []string{"/subscriptions/s/resourceGroups/rg", "/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/a"} {
		r.ID = azure.MustID(id)
		if got := d.Evaluate(r, nil, About{}); got.State != NotApplicable {
			t.Errorf("%s: %+v", id, got)
		}
	}
}

func TestAmend(t *testing.T) {
	for _, c := range []struct{ name, then, doc, want, conflict string }{
		{"a tag", `{"effect": "modify", "details": {"operations": [{"operation": "add", "field": "tags['env']", "value": "[resourceGroup().tags.env]"}]}}`, `{}`, `{"tags":{"env":"group"}}`, ""},
		{"a tag that is there", `{"effect": "modify", "details": {"operations": [{"operation": "add", "field": "tags['env']", "value": "x"}]}}`, `{"tags":{"Env":"own"}}`, `{"tags":{"Env":"own"}}`, ""},
		{"another value", `{"effect": "modify", "details": {"operations": [{"operation": "addOrReplace", "field": "P.a.b", "value": true}]}}`, `{"properties":{"a":{"B":false}}}`, `{"properties":{"a":{"B":true}}}`, ""},
		{"removal", `{"effect": "modify", "details": {"operations": [{"operation": "remove", "field": "tags[env]"}]}}`, `{"tags":{"env":"x"}}`, `{"tags":{}}`, ""},
		{"under a condition", `{"effect": "modify", "details": {"operations": [{"condition": "[equals(field('name'), 'two')]", "operation": "remove", "field": "tags[env]"}]}}`, `{"tags":{"env":"x"}}`, `{"tags":{"env":"x"}}`, ""},
		{"a member", `{"effect": "append", "details": [{"field": "P.list[*]", "value": "b"}]}`, `{"properties":{"list":["a"]}}`, `{"properties":{"list":["a","b"]}}`, ""},
		{"of each member", `{"effect": "modify", "details": {"operations": [{"operation": "addOrReplace", "field": "P.list[*].x", "value": 1}]}}`, `{"properties":{"list":[{"x":2},{}]}}`, `{"properties":{"list":[{"x":1},{"x":1}]}}`, ""},
		{"append against a value", `{"effect": "append", "details": [{"field": "P.a", "value": "b"}]}`, `{"properties":{"a":"c"}}`, `{"properties":{"a":"c"}}`, "Microsoft.Test/things/a"},
	} {
		d := parsed(t, strings.ReplaceAll(`{"policyRule": {"if": `+things+`, "then": `+c.then+`}}`, "P.", "Microsoft.Test/things/"))
		r := resource(t, document)
		doc := object(t, c.doc)
		_, conflict, err := d.Amend(doc, r, nil, About{})
		if got := string(compact(doc)); err != nil || got != c.want || conflict != c.conflict {
			t.Errorf("%s: %s, conflict %q, %v; want %s, %q", c.name, got, conflict, err, c.want, c.conflict)
		}
	}
}

// shelf is a book with an initiative of two definitions, assigned to a management group.
func shelf(t *testing.T, assignment string, exemptions ...string) *Book {
	t.Helper()
	b := &Book{Definitions: map[string]*Definition{}, Sets: map[string]*Set{},
		Above: func(string) []azure.ID {
			return []azure.ID{azure.MustID("/providers/Microsoft.Management/managementGroups/root")}
		}}
	for name, rule := range map[string]string{"names": `{"field": "tags.env", "notLike": "[parameters('pattern')]"}`, "kinds": `{"field": "Microsoft.Test/things/sku.name", "notEquals": "[parameters('pattern')]"}`} {
		d, err := Parse(object(t, fmt.Sprintf(`{"id": "/providers/Microsoft.Authorization/policyDefinitions/%s", "properties": {"parameters": {"pattern": {"type": "String"},
			"effect": {"type": "String", "defaultValue": "Deny", "allowedValues": ["Deny", "Audit", "Disabled"]}}, "policyRule": {"if": {"allOf": [%s, %s]}, "then": {"effect": "[parameters('effect')]"}}}}`, name, things, rule)), "")
		if err != nil {
			t.Fatal(err)
		}
		b.Definitions[d.ID.Key()] = d
	}
	s, err := ParseSet(object(t, `{"id": "/providers/Microsoft.Authorization/policySetDefinitions/both", "properties": {"parameters": {"pattern": {"type": "String", "defaultValue": "two"}}, "policyDefinitions": [
		{"policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/names", "policyDefinitionReferenceId": "N", "parameters": {"pattern": {"value": "[concat(parameters('pattern'), '*')]"}}},
		{"policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/kinds", "parameters": {"pattern": {"value": "standard"}}}]}}`), "")
	if err != nil {
		t.Fatal(err)
	}
	b.Sets[s.ID.Key()] = s
	if err := s.Check(func(id azure.ID) *Definition { return b.Definitions[id.Key()] }); err != nil {
		t.Fatal(err)
	}
	a, err := ParseAssignment(object(t, `{"properties": `+assignment+`}`), azure.MustID("/providers/Microsoft.Management/managementGroups/root/providers/Microsoft.Authorization/policyAssignments/a"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.CheckAssignment(a); err != nil {
		t.Fatal(err)
	}
	b.Assignments = append(b.Assignments, a)
	for _, text := range exemptions {
		x, err := ParseExemption(object(t, `{"properties": `+text+`}`), azure.MustID("/subscriptions/s/resourceGroups/rg/providers/Microsoft.Authorization/policyExemptions/x"))
		if err != nil {
			t.Fatal(err)
		}
		b.Exemptions = append(b.Exemptions, x)
	}
	return b
}

func TestBook(t *testing.T) {
	const set = `"policyDefinitionId": "/providers/Microsoft.Authorization/policySetDefinitions/both"`
	const exempt = `"policyAssignmentId": "/providers/Microsoft.Management/managementGroups/root/providers/Microsoft.Authorization/policyAssignments/a", "exemptionCategory": "Waiver"`
	for _, c := range []struct {
		name, assignment string
		exemption        string
		want             string // of N and kinds; with ! what denies
	}{
		{"default", `{` + set + `}`, "", "NonCompliant! Compliant"},
		{"a parameter", `{` + set + `, "parameters": {"pattern": {"value": "p"}}}`, "", "Compliant Compliant"},
		{"not enforced", `{` + set + `, "enforcementMode": "DoNotEnforce"}`, "", "NonCompliant Compliant"},
		{"left out", `{` + set + `, "notScopes": ["/subscriptions/S/resourceGroups/RG"]}`, "", ""},
		{"an exemption", `{` + set + `}`, `{` + exempt + `}`, "Exempt Exempt"},
		{"an exemption of another member", `{` + set + `}`, `{` + exempt + `, "policyDefinitionReferenceIds": ["kinds"]}`, "NonCompliant! Exempt"},
		{"an exemption that is over", `{` + set + `}`, `{` + exempt + `, "expiresOn": "2024-01-01T00:00:00Z"}`, "NonCompliant! Compliant"},
		{"an override", `{` + set + `, "overrides": [{"kind": "policyEffect", "value": "Audit", "selectors": [{"kind": "policyDefinitionReferenceId", "in": ["N"]}]}]}`, "", "NonCompliant Compliant"},
		{"selectors", `{` + set + `, "resourceSelectors": [{"selectors": [{"kind": "resourceLocation", "in": ["eastus"]}]}]}`, "", "NotApplicable NotApplicable"},
		{"selectors that fit", `{` + set + `, "resourceSelectors": [{"selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}, {"kind": "resourceType", "notIn": ["x"]}]}]}`, "", "NonCompliant! Compliant"},
		{"one definition", `{"policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/names", "parameters": {"pattern": {"value": "t*"}, "effect": {"value": "Audit"}}}`, "", "NonCompliant"},
	} {
		var exemptions []string
		if c.exemption != "" {
			exemptions = append(exemptions, c.exemption)
		}
		var got []string
		for _, o := range shelf(t, c.assignment, exemptions...).Evaluate(resource(t, document), time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)) {
			s := string(o.State)
			if o.Denies() {
				s += "!"
			}
			got = append(got, s)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}

// Members without a reference get one each; a reference that is given twice is refused.
func TestReferences(t *testing.T) {
	set := func(a, b string) (*Set, *azure.Error) {
		const id = `"policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/d"`
		return ParseSet(object(t, `{"properties": {"policyDefinitions": [{`+id+a+`}, {`+id+b+`}]}}`), "s")
	}
	s, err := set("", "")
	if err != nil || s.Members[0].Reference != "d" || s.Members[1].Reference != "d_2" {
		t.Errorf("%v, %+v", err, s)
	}
	const same = `, "policyDefinitionReferenceId": "r"`
	if _, err := set(same, same); err == nil || !strings.Contains(err.Message, "used more than once") {
		t.Error(err)
	}
}

func TestMessage(t *testing.T) {
	b := shelf(t, `{"policyDefinitionId": "/providers/Microsoft.Authorization/policySetDefinitions/both", "nonComplianceMessages": [{"message": "all"}, {"message": "names", "policyDefinitionReferenceId": "n"}]}`)
	var got []string
	for _, o := range b.Evaluate(resource(t, document), time.Time{}) {
		got = append(got, o.Message())
	}
	if !slices.Equal(got, []string{"names", "all"}) {
		t.Error(got)
	}
}

func TestAssignmentRefuses(t *testing.T) {
	b := shelf(t, `{"policyDefinitionId": "/providers/Microsoft.Authorization/policySetDefinitions/both"}`)
	const names = `"policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/names"`
	for _, c := range []struct{ body, code, message string }{
		{`{"policyDefinitionId": "x"}`, "InvalidCreatePolicyAssignmentRequest", "is not valid"},
		{`{"policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/none"}`, "PolicyDefinitionNotFound", "policyDefinitions/none' could not be found"},
		{`{` + names + `}`, "MissingPolicyParameter", "The policy assignment 'a' is missing the parameter(s) 'pattern' as defined in the policy definition 'names'."},
		{`{` + names + `, "parameters": {"pattern": {"value": "x"}, "more": {"value": 1}}}`, "UndefinedPolicyParameter", "has the parameter(s) 'more' which are not defined"},
		{`{` + names + `, "parameters": {"pattern": {"value": "x"}, "effect": {"value": "deny"}}}`, "PolicyParameterValueNotAllowed", "The value 'deny'"},
		{`{` + names + `, "parameters": {"pattern": {"value": 3}}}`, "InvalidPolicyParameterType", "is of type 'Integer', expected type is 'String'"},
		{`{` + names + `, "enforcementMode": "maybe"}`, "InvalidCreatePolicyAssignmentRequest", "The enforcement mode 'maybe'"},
		{`{` + names + `, "parameters": {"pattern": {"value": "x"}}, "nonComplianceMessages": [{"message": "m", "policyDefinitionReferenceId": "r"}]}`, "InvalidCreatePolicyAssignmentRequest", "do not exist in the assigned policy set definition: 'r'"},
	} {
		a, err := ParseAssignment(object(t, `{"properties": `+c.body+`}`), azure.MustID("/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/a"))
		if err == nil {
			err = b.CheckAssignment(a)
		}
		if err == nil || err.Code != c.code || !strings.Contains(err.Message, c.message) {
			t.Errorf("%s: %v, want %s with %q", c.body, err, c.code, c.message)
		}
	}
}

// Whatever a rule and a document say, they are refused or evaluated, and nothing that is not known makes a violation.
func FuzzEvaluate(f *testing.F) {
	f.Add(when(`{"field": "tags['a']", "exists": true}`), document)
	f.Add(when(`{"count": {"field": "Microsoft.Test/things/objectArray[*].nestedArray[*]", "where": {"value": "[current()]", "greater": 1}}, "equals": 2}`), document)
	f.Add(body(`{"if": {"allOf": [`+things+`, {"not": {"value": "[field('Microsoft.Test/things/stringArray[*]')[0]]", "match": "#?."}}]}, "then": {"effect": "modify", "details": {"operations": [{"operation": "add", "field": "tags.x", "value": "[utcNow()]"}]}}}`), document)
	f.Add(body(`{"if": `+things+`, "then": {"effect": "auditIfNotExists", "details": {"type": "a/b", "existenceCondition": {"field": "name", "like": "*a*"}}}}`), `{"properties": []}`)
	f.Fuzz(func(t *testing.T, definition, doc string) {
		d, ok := fuzzed(definition)
		m, ok2 := fuzzed(doc)
		if !ok || !ok2 {
			return
		}
		p, bad := Parse(d, "fuzz")
		if bad != nil {
			return
		}
		values, bad := p.Bind(nil)
		if bad != nil {
			return
		}
		r := &Resource{ID: azure.MustID("/subscriptions/s/resourceGroups/rg/providers/Microsoft.Test/things/one"), Doc: m, Nearby: nearby{}}
		got := p.Evaluate(r, values, About{})
		compact(got.Why)
		blind := *r
		blind.Doc = map[string]any{"properties": &template.Unknown{Expr: "x"}, "tags": &template.Unknown{Expr: "x"}}
		p.Evaluate(&blind, values, About{})
		if got.State == NonCompliant {
			if _, _, err := p.Amend(m, r, values, About{}); err == nil {
				compact(m)
			}
		}
	})
}

func fuzzed(text string) (map[string]any, bool) {
	var m map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	err := d.Decode(&m)
	return m, err == nil
}
